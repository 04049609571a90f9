/* A session's two sockets: reading through the worker's scratch buffer, writing at once, waiting only where a
 * socket takes no more. In the steady state a query costs one recv and one send on each side and no change of
 * interest. */
#include "proxy/session/inside.h"

#include <errno.h>
#include <linux/sockios.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#define SEALER_MAX (1024 * 1024) /* memory that a worker keeps for sealing */

#define LARGE_ANSWER (8u * 1024 * 1024)               /* from here on its backend is read with patience */
#define WORTH_WAKING (SCRATCH_SIZE - TLS_RECORD_ROOM) /* bytes */
#define GLANCE_MS    1

static void on_ready(struct watch *watch, uint32_t what);

void channel_init(struct channel *c, struct session *s)
{
    *c = (struct channel){.session = s, .fd = -1, .in = BUF_INIT, .out = BUF_INIT};
}

/* Takes `fd`. It is read from the next channels_interest() on. */
void channel_open(struct channel *c, int fd)
{
    c->fd = fd;
    c->eof = c->reset = c->broken = c->reading = c->writing = false;
    c->watch = (struct watch){fd, 0, on_ready, c};
}

/* Has the loop watch for that from now on. Without memory it stays as it was; a socket of which nobody would
 * hear any more ends the session. */
static void watch_for(struct channel *c, bool reading, bool writing)
{
    if (loop_watch(c->session->shared->loop, &c->watch,
                   (reading ? LOOP_READ : 0u) | (writing ? LOOP_WRITE : 0u))) {
        c->reading = reading;
        c->writing = writing;
    } else if (c->watch.wants == 0) {
        session_fail(c->session, "out of memory");
    }
}

/* Says goodbye in TLS's words, where the socket takes them; clients tell an end without them (KILL) by
 * another error. */
static void part(struct channel *c)
{
    if (!c->tls)
        return;
    struct buf *out = tls_out(c->tls);
    if (!c->broken && !c->writing && !c->abrupt) {
        tls_close(c->tls);
        if (buf_len(out) > 0)
            (void)send(c->fd, buf_ptr(out), buf_len(out), MSG_NOSIGNAL);
    }
    tls_free(c->tls);
    c->tls = NULL;
}

/* Has close() send a reset, and what the socket still holds go with it: so only where it holds nothing. */
static bool set_reset(const struct channel *c)
{
    int unsent;
    struct linger none = {.l_onoff = 1, .l_linger = 0};
    return ioctl(c->fd, SIOCOUTQ, &unsent) == 0 && unsent == 0 &&
           setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &none, sizeof none) == 0;
}

void channel_shut(struct channel *c)
{
    if (c->fd < 0)
        return;
    loop_forget(c->session->shared->loop, &c->watch);
    part(c);
    c->reading = c->writing = false;
    zip_free(c->zip);
    c->zip = NULL;
    /* An end first: a socket that is closed while something waits to be read sends a reset alone, by which
     * the client would lose what it has not read yet. */
    bool reset = c->abrupt && c->session->backend.reset && set_reset(c);
    if (!c->eof && !c->hung_up && !c->quit && !reset)
        shutdown(c->fd, SHUT_RDWR);
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

/* Bytes that wait as they go over the socket, where that is not as they stand in `out`. */
static size_t waits_sealed(const struct channel *c)
{
    return (c->zip ? buf_len(zip_out(c->zip)) : 0) + (c->tls ? buf_len(tls_out(c->tls)) : 0);
}

bool channel_waits(const struct channel *c)
{
    return buf_len(&c->out) > 0 || c->direct.len > 0 || waits_sealed(c) > 0;
}

/* How many bytes of `out` and `direct` the socket took; -1: it is broken. */
static ssize_t write_some(const struct channel *c, const struct buf *out, struct span direct)
{
    struct iovec iov[2];
    int n = 0;
    if (buf_len(out) > 0)
        iov[n++] = (struct iovec){buf_ptr(out), buf_len(out)};
    if (direct.len > 0)
        iov[n++] = (struct iovec){(char *)direct.ptr, direct.len};
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

/* Compresses what is to be sent; it waits in zip_out() then. */
static bool compress(struct channel *c)
{
    bool good = zip_send(c->zip, buf_span(&c->out)) && zip_send(c->zip, c->direct);
    buf_reset(&c->out);
    c->direct.len = 0;
    return good;
}

/* Writes compressed bytes in clear. */
static bool flush_compressed(struct channel *c)
{
    struct buf *out = zip_out(c->zip);
    channel_out(c);
    if (c->writing)
        return true;
    if (!compress(c))
        return false;
    ssize_t sent = buf_len(out) > 0 ? write_some(c, out, (struct span){"", 0}) : 0;
    if (sent > 0)
        buf_consume(out, (size_t)sent);
    if (buf_len(out) == 0)
        buf_free(out);
    return sent >= 0;
}

/* Writes in clear. false: the socket is broken. */
static bool flush_plain(struct channel *c)
{
    if (c->writing) { /* the event says when to go on */
        channel_out(c);
        return true;
    }
    if (buf_len(&c->out) == 0 && c->direct.len == 0)
        return true;
    ssize_t sent = write_some(c, &c->out, c->direct);
    if (sent < 0)
        return false;
    size_t left = (size_t)sent, from_out = buf_len(&c->out) < left ? buf_len(&c->out) : left;
    buf_consume(&c->out, from_out);
    left -= from_out;
    c->direct = (struct span){c->direct.ptr + left, c->direct.len - left};
    channel_out(c);
    return true;
}

/* Seals what is to be sent, and writes that. What the socket does not take waits sealed; behind it, plain
 * bytes wait for their turn. The memory is the worker's, unless something waits. */
static bool flush_sealed(struct channel *c)
{
    struct buf *sealed = tls_out(c->tls), *lender = &c->session->shared->sealer;
    bool may_send = tls_state(c->tls) == TLS_OPEN || tls_state(c->tls) == TLS_CLOSED;
    if (c->writing || !may_send)
        channel_out(c);
    if (c->writing)
        return true;
    if (sealed->cap == 0) {
        *sealed = *lender;
        *lender = BUF_INIT;
    }
    bool good = true;
    if (may_send && c->zip) {
        good = compress(c) && tls_send(c->tls, buf_span(zip_out(c->zip)));
        buf_free(zip_out(c->zip));
    } else if (may_send) {
        good = tls_send(c->tls, buf_span(&c->out)) && tls_send(c->tls, c->direct);
        buf_reset(&c->out);
        c->direct.len = 0;
    }
    ssize_t sent = good && buf_len(sealed) > 0 ? write_some(c, sealed, c->direct) : 0;
    if (sent > 0)
        buf_consume(sealed, (size_t)sent);
    if (buf_len(sealed) == 0 && lender->cap == 0 && sealed->cap <= SEALER_MAX) {
        *lender = *sealed;
        *sealed = BUF_INIT;
    } else if (buf_len(sealed) == 0) {
        buf_free(sealed);
    }
    return good && sent >= 0;
}

void channel_flush(struct channel *c)
{
    if (channel_rests(c))
        return;
    if (c->fd < 0 || c->broken || c->session->state == STATE_CONNECT) {
        c->direct.len = 0;
        return;
    }
    if (!(c->tls ? flush_sealed(c) : c->zip ? flush_compressed(c) : flush_plain(c))) {
        broke(c);
        return;
    }
    if (buf_failed(&c->out)) {
        session_end(c->session, "out of memory");
        return;
    }
    if (buf_len(&c->out) == 0 && c->out.cap > 0)
        buf_free(&c->out);
    watch_for(c, c->reading, c->tls || c->zip ? waits_sealed(c) > 0 : buf_len(&c->out) > 0);
}

bool channel_compress(struct channel *c, enum zip_algorithm algorithm, unsigned level)
{
    struct shared *shared = c->session->shared;
    if (!shared->zip)
        shared->zip = zip_tools_new();
    c->zip = shared->zip ? zip_new(shared->zip, algorithm, level) : NULL;
    if (!c->zip)
        return false;
    /* What was said before goes as it is, and what came behind the login is compressed. */
    buf_add_span(zip_out(c->zip), buf_span(channel_out(c)));
    buf_add_span(zip_in(c->zip), buf_span(&c->in));
    buf_free(&c->out);
    buf_reset(&c->in);
    return !buf_failed(zip_out(c->zip)) && !buf_failed(zip_in(c->zip));
}

bool channel_secure(struct channel *c, struct tls *t)
{
    struct shared *shared = c->session->shared;
    if (t && !shared->sealed)
        shared->sealed = malloc(SCRATCH_SIZE);
    if (!t || !shared->sealed) {
        tls_free(t);
        return false;
    }
    /* What was said in clear goes before what TLS says first. */
    struct buf first = BUF_INIT;
    buf_add_span(&first, buf_span(channel_out(c)));
    buf_add_span(&first, buf_span(tls_out(t)));
    buf_free(&c->out);
    buf_free(tls_out(t));
    *tls_out(t) = first;
    c->tls = t;
    return !buf_failed(&first);
}

/* What is wanted next is settled when the session is left: mostly the loop is told once. */
static void on_writable(struct channel *c)
{
    struct session *s = c->session;
    c->writing = false;
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
    size_t waits = buf_len(&to->out) + (to->tls || to->zip ? waits_sealed(to) : 0);
    if (waits >= (from->reading ? OUT_HIGH : OUT_LOW))
        return false;
    if (from == &s->backend)
        return s->state != STATE_CONNECT && s->state != STATE_HOLD;
    if (s->state < STATE_AUTH && secure_client_room(s) == 0)
        return false;
    return s->state == STATE_READY || buf_len(&from->in) < PIPELINE_MAX;
}

void channels_interest(struct session *s)
{
    struct channel *c = &s->client, *b = &s->backend;
    if (c->fd >= 0)
        watch_for(c, wants_reading(s, c, b), c->writing);
    if (b->fd >= 0)
        watch_for(b, wants_reading(s, b, c), b->writing || s->state == STATE_CONNECT);
}

/* ---- patience ----
 *
 * A server sends rows by 16 KiB. To wake up for each of them, and to wake up the client, costs more than to
 * pass on what they hold. So behind the first LARGE_ANSWER bytes of an answer the socket tells of
 * WORTH_WAKING bytes only. A timer glances at what waits meanwhile: an answer's end, or rows that stopped.
 * When the socket told of nothing between two glances, the rows come slowly, and patience ends. */

static bool wake_at(const struct channel *c, int bytes)
{
    return setsockopt(c->fd, SOL_SOCKET, SO_RCVLOWAT, &bytes, sizeof bytes) == 0;
}

void channel_hurry(struct channel *c)
{
    c->streamed = 0;
    if (!c->patient)
        return;
    c->patient = false;
    loop_timer_end(c->session->shared->loop, &c->glance);
    wake_at(c, 1);
}

static void on_readable(struct channel *c);

static void on_glance(struct timer *timer)
{
    struct channel *c = timer->arg;
    if (!c->woken || !loop_timer(c->session->shared->loop, &c->glance, GLANCE_MS))
        channel_hurry(c);
    c->woken = false;
    if (c->reading)
        on_readable(c);
}

/* Another `n` bytes of the answer under way have come. */
static void stream(struct channel *c, size_t n)
{
    c->streamed += n;
    if (c->streamed < LARGE_ANSWER || c->patient || c->session->state != STATE_COMMAND)
        return;
    c->glance = (struct timer){.over = on_glance, .arg = c};
    c->patient = wake_at(c, WORTH_WAKING);
    if (c->patient && !loop_timer(c->session->shared->loop, &c->glance, GLANCE_MS))
        channel_hurry(c);
}

/* ---- handling ---- */

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
    if (off > 0 && c->zip)
        zip_turn(c->zip);
    return off;
}

/* Opens one more compressed packet of the client behind what waits, unless too much waits already. */
static bool open_more(struct session *s)
{
    struct channel *c = &s->client;
    if (s->state == STATE_ENDED || (s->state != STATE_READY && buf_len(&c->in) >= PIPELINE_MAX))
        return false;
    channel_flush(&s->backend); /* what is to be sent from `in` must be gone before that grows */
    enum zip_result r = s->state == STATE_ENDED ? ZIP_MORE : zip_open(c->zip, &c->in);
    if (r == ZIP_BROKEN)
        session_fail(s, "the client's compressed packets are not understood");
    return r == ZIP_OPENED;
}

/* A handler may have taken the buffer with the bytes. */
static void consume(struct channel *c, size_t used)
{
    if (c->in.data)
        buf_consume(&c->in, used);
}

void client_resume(struct session *s)
{
    struct channel *c = &s->client;
    do {
        size_t used = 0;
        if (s->state != STATE_ENDED && buf_len(&c->in) > 0)
            used = handle(s, c, buf_ptr(&c->in), buf_len(&c->in));
        if (s->state != STATE_ENDED && used > 0)
            consume(c, used); /* the memory stays until what was sent from it is written */
    } while (c->zip && open_more(s));
}

/* The other end has closed, or the connection broke. */
static void closed(struct channel *c)
{
    struct session *s = c->session;
    c->eof = true;
    if (c == &s->client)
        return; /* session_leave() follows it */
    if (login_backend_closed(s))
        return;
    s->client.abrupt = c->reset || (c->tls && tls_state(c->tls) != TLS_CLOSED);
    buf_reset(&c->in); /* half a packet that decides something: it is worth nothing, and may be of our own
                          command */
    session_close(s, "the backend closed");
}

/* recv; -1: nothing came; 0: closed. */
static ssize_t receive_some(struct channel *c, char *to, size_t room)
{
    ssize_t n = recv(c->fd, to, room, 0);
    if (n > 0)
        return n;
    if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR))
        return -1;
    c->reset = n < 0 && errno == ECONNRESET;
    c->error = n < 0 ? errno : ECONNRESET;
    return 0;
}

/* Receives to the scratch buffer or behind what waits. -1: nothing came; 0: closed. */
static ssize_t receive(struct channel *c, bool kept)
{
    struct session *s = c->session;
    char *to = s->shared->scratch;
    size_t room = SCRATCH_SIZE;
    if (kept) {
        if (!buf_reserve(&c->in, SCRATCH_SIZE / 2))
            return 0;
        to = c->in.data + c->in.end;
        room = c->in.cap - c->in.end;
    }
    if (s->state < STATE_AUTH && c == &s->client) {
        size_t may = secure_client_room(s);
        room = may < room ? may : room;
    }
    ssize_t n = receive_some(c, to, room);
    if (kept && n > 0)
        c->in.end += (size_t)n;
    return n;
}

/* The same through TLS, which may have shaken hands with that. */
static ssize_t receive_sealed(struct channel *c, bool kept)
{
    struct session *s = c->session;
    struct span sealed = {s->shared->sealed, 0};
    ssize_t n = receive_some(c, s->shared->sealed, SCRATCH_SIZE - TLS_RECORD_ROOM);
    if (n <= 0)
        return n;
    sealed.len = (size_t)n;
    char *to = s->shared->scratch;
    if (kept) {
        if (!buf_reserve(&c->in, sealed.len + TLS_RECORD_ROOM))
            return 0;
        to = c->in.data + c->in.end;
    }
    bool shaking = tls_state(c->tls) == TLS_SHAKING;
    size_t got;
    enum tls_state state = tls_receive(c->tls, sealed, to, sealed.len + TLS_RECORD_ROOM, &got);
    if (kept)
        c->in.end += got;
    if (state == TLS_FAILED && (shaking || got == 0)) {
        secure_failed(c, tls_reason(c->tls));
        return -1;
    }
    if (shaking && state != TLS_SHAKING)
        secure_shaken(c);
    if (got > 0)
        return (ssize_t)got; /* where it has ended too, follow_tls() sees to that */
    return state == TLS_CLOSED ? 0 : -1;
}

/* TLS may have ended behind what has just been handled: by a goodbye, or by an alert, as of a server that
 * finds no goodbye where the client has hung up. What a backend said before that still goes to the client. */
static void follow_tls(struct channel *c)
{
    enum tls_state state = c->tls ? tls_state(c->tls) : TLS_OPEN;
    if (c->eof)
        return;
    if (state == TLS_FAILED && c == &c->session->client)
        secure_failed(c, tls_reason(c->tls));
    else if (state == TLS_FAILED || state == TLS_CLOSED)
        closed(c);
}

static void on_readable(struct channel *c)
{
    struct session *s = c->session;
    bool kept = buf_len(&c->in) > 0 && !c->zip, sealed = c->tls != NULL;
    ssize_t n = sealed ? receive_sealed(c, kept) : receive(c, kept);
    if (n < 0) {
        if (sealed) /* TLS may have something to say itself, or has ended the session */
            session_leave(s);
        return;
    }
    if (n > 0 && c == &s->backend)
        stream(c, (size_t)n);
    if (c->zip && n > 0) {
        buf_add(zip_in(c->zip), s->shared->scratch, (size_t)n);
        client_resume(s);
        n = 0; /* it is taken */
    } else if (n == 0) {
        closed(c);
    }
    char *bytes = kept ? buf_ptr(&c->in) : s->shared->scratch;
    size_t len = kept ? buf_len(&c->in) : (size_t)n;
    size_t used = n > 0 ? handle(s, c, bytes, len) : 0;
    if (c == &s->backend && s->client.fd >= 0)
        client_resume(s);
    channel_flush(&s->backend);
    channel_flush(&s->client);
    if (s->state != STATE_ENDED && n > 0 && c->fd >= 0) {
        if (kept)
            consume(c, used);
        else if (used < len)
            buf_add(&c->in, bytes + used, len - used);
        if (buf_failed(&c->in))
            session_fail(s, "out of memory");
    }
    follow_tls(c);
    session_leave(s);
}

static void on_ready(struct watch *watch, uint32_t what)
{
    struct channel *c = watch->arg;
    if (what == LOOP_WRITE) {
        on_writable(c);
        return;
    }
    c->woken = true;
    on_readable(c);
}
