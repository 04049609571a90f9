/* A session's two sockets: reading through the worker's scratch buffer, writing at once, waiting only where a
 * socket takes no more. In the steady state a query costs one recv and one send on each side and no change of
 * interest. */
#include "proxy/session/inside.h"

#include <errno.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

static void on_readable(evutil_socket_t fd, short what, void *arg);
static void on_writable(evutil_socket_t fd, short what, void *arg);

void channel_init(struct channel *c, struct session *s)
{
    *c = (struct channel){.session = s, .fd = -1, .in = BUF_INIT, .out = BUF_INIT};
}

/* Takes `fd`. It is read from the next channels_interest() on. */
bool channel_open(struct channel *c, int fd)
{
    struct event_base *base = worker_base(c->session->worker);
    c->fd = fd;
    c->eof = c->broken = false;
    return event_assign(&c->readable, base, fd, EV_READ | EV_PERSIST, on_readable, c) == 0 &&
           event_assign(&c->writable, base, fd, EV_WRITE | EV_PERSIST, on_writable, c) == 0;
}

void channel_shut(struct channel *c)
{
    if (c->fd < 0)
        return;
    if (c->reading)
        event_del(&c->readable);
    if (c->writing)
        event_del(&c->writable);
    c->reading = c->writing = false;
    close(c->fd);
    c->fd = -1;
    c->direct.len = 0;
    buf_free(&c->in);
    buf_free(&c->out);
}

/* ---- writing ---- */

void channel_send(struct channel *c, const char *bytes, size_t len)
{
    if (c->direct.len > 0 && c->direct.ptr + c->direct.len == bytes) {
        c->direct.len += len;
        return;
    }
    if (c->direct.len > 0)
        buf_add_span(&c->out, c->direct);
    c->direct = (struct span){bytes, len};
}

struct buf *channel_out(struct channel *c)
{
    if (c->direct.len > 0)
        buf_add_span(&c->out, c->direct);
    c->direct.len = 0;
    return &c->out;
}

/* The socket takes nothing more. A backend may still have something to say (why it closed). */
static void broke(struct channel *c)
{
    struct session *s = c->session;
    c->broken = true;
    c->direct.len = 0;
    buf_free(&c->out);
    if (c == &s->client)
        session_end(s, "the client went away");
}

/* How many bytes of `out` and `direct` the socket took; -1: it is broken. */
static ssize_t write_some(struct channel *c)
{
    struct iovec iov[2];
    int n = 0;
    if (buf_len(&c->out) > 0)
        iov[n++] = (struct iovec){buf_ptr(&c->out), buf_len(&c->out)};
    if (c->direct.len > 0)
        iov[n++] = (struct iovec){(char *)c->direct.ptr, c->direct.len};
    for (;;) {
        ssize_t sent =
            n == 1 ? send(c->fd, iov[0].iov_base, iov[0].iov_len, MSG_NOSIGNAL) : writev(c->fd, iov, n);
        if (sent >= 0)
            return sent;
        if (errno == EAGAIN || errno == EWOULDBLOCK)
            return 0;
        if (errno != EINTR)
            return -1;
    }
}

static void set_event(struct event *ev, bool *is, bool should)
{
    if (*is == should)
        return;
    if (should ? event_add(ev, NULL) : event_del(ev))
        return;
    *is = should;
}

void channel_flush(struct channel *c)
{
    if (c->fd < 0 || c->broken || c->session->state == STATE_CONNECT) {
        c->direct.len = 0;
        return;
    }
    if (c->writing) { /* the event says when to go on */
        channel_out(c);
    } else if (buf_len(&c->out) > 0 || c->direct.len > 0) {
        ssize_t sent = write_some(c);
        if (sent < 0) {
            broke(c);
            return;
        }
        size_t left = (size_t)sent, from_out = buf_len(&c->out) < left ? buf_len(&c->out) : left;
        buf_consume(&c->out, from_out);
        left -= from_out;
        c->direct = (struct span){c->direct.ptr + left, c->direct.len - left};
        channel_out(c);
    }
    if (buf_failed(&c->out)) {
        session_end(c->session, "out of memory");
        return;
    }
    if (buf_len(&c->out) == 0 && c->out.cap > 0)
        buf_free(&c->out);
    set_event(&c->writable, &c->writing, buf_len(&c->out) > 0);
}

static void on_writable(evutil_socket_t fd, short what, void *arg)
{
    (void)fd, (void)what;
    struct channel *c = arg;
    struct session *s = c->session;
    set_event(&c->writable, &c->writing, false);
    if (s->state == STATE_CONNECT)
        login_connected(s);
    session_leave(s);
}

/* ---- reading ---- */

/* Whether `from` should be read: the other side takes what it says, and what waits here is not too much. */
static bool wants_reading(const struct session *s, const struct channel *from, const struct channel *to)
{
    if (from->fd < 0 || from->eof)
        return false;
    size_t limit = from->reading ? OUT_HIGH : OUT_LOW;
    if (buf_len(&to->out) >= limit)
        return false;
    if (from == &s->backend)
        return s->state != STATE_CONNECT && s->state != STATE_HOLD;
    return s->state == STATE_READY || buf_len(&from->in) < PIPELINE_MAX;
}

void channels_interest(struct session *s)
{
    struct channel *c = &s->client, *b = &s->backend;
    if (c->fd >= 0)
        set_event(&c->readable, &c->reading, wants_reading(s, c, b));
    if (b->fd >= 0)
        set_event(&b->readable, &b->reading, wants_reading(s, b, c));
    if (b->fd >= 0 && s->state == STATE_CONNECT)
        set_event(&b->writable, &b->writing, true);
}

/* Gives bytes to the handlers of the states that the session comes through. Returns how many they took. */
static size_t handle(struct session *s, struct channel *c, char *bytes, size_t len)
{
    size_t off = 0;
    while (off < len) {
        session_bytes *handler = session_handler(s, c);
        size_t n = handler ? handler(s, bytes + off, len - off) : 0;
        if (n == 0)
            break;
        off += n;
    }
    return off;
}

void client_resume(struct session *s)
{
    struct channel *c = &s->client;
    if (s->state == STATE_ENDED || buf_len(&c->in) == 0)
        return;
    size_t used = handle(s, c, buf_ptr(&c->in), buf_len(&c->in));
    if (s->state != STATE_ENDED && used > 0)
        buf_consume(&c->in, used); /* the memory stays until what was sent from it is written */
}

/* The other end has closed, or the connection broke. */
static void closed(struct channel *c)
{
    struct session *s = c->session;
    c->eof = true;
    if (c == &s->client)
        return;                /* session_leave() follows it */
    if (buf_len(&c->in) > 0) { /* half a packet: as it is on the wire */
        buf_add_span(channel_out(&s->client), buf_span(&c->in));
        buf_reset(&c->in);
    }
    session_close(s, "the backend closed");
}

/* recv, to the scratch buffer or behind what waits. -1: nothing came; 0: closed. */
static ssize_t receive(struct channel *c, bool kept)
{
    char *to = c->session->shared->scratch;
    size_t room = SCRATCH_SIZE;
    if (kept) {
        if (!buf_reserve(&c->in, SCRATCH_SIZE / 2))
            return 0;
        to = c->in.data + c->in.end;
        room = c->in.cap - c->in.end;
    }
    ssize_t n = recv(c->fd, to, room, 0);
    if (n < 0)
        return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR ? -1 : 0;
    if (kept)
        c->in.end += (size_t)n;
    return n;
}

static void on_readable(evutil_socket_t fd, short what, void *arg)
{
    (void)fd, (void)what;
    struct channel *c = arg;
    struct session *s = c->session;
    bool kept = buf_len(&c->in) > 0;
    ssize_t n = receive(c, kept);
    if (n < 0)
        return;
    if (n == 0)
        closed(c);
    char *bytes = kept ? buf_ptr(&c->in) : s->shared->scratch;
    size_t len = kept ? buf_len(&c->in) : (size_t)n;
    size_t used = n > 0 ? handle(s, c, bytes, len) : 0;
    if (c == &s->backend && s->client.fd >= 0)
        client_resume(s);
    channel_flush(&s->backend);
    channel_flush(&s->client);
    if (s->state != STATE_ENDED && n > 0 && c->fd >= 0) {
        if (kept)
            buf_consume(&c->in, used);
        else if (used < len)
            buf_add(&c->in, bytes + used, len - used);
        if (buf_failed(&c->in))
            session_fail(s, "out of memory");
    }
    session_leave(s);
}
