/* What the backend says: answers are followed by the tracker and passed on; when one has ended, the session
 * knows whether a transaction is open, lets go of its snapshot or keeps it, and takes the next command. */
#include "proxy/session/statements.h"

#include <time.h>

#define ERROR_REPREPARE                                                                                      \
    1615 /* the statement's tables changed too often while the server prepared it anew                       \
          */

/* ---- pins ---- */

bool session_unruled(const struct session *s)
{
    const struct snapshot *now = s->pin ? generation_snapshot(s->pin) : worker_newest(s->worker);
    return now->rules->count == 0;
}

const struct rules *session_pin(struct session *s)
{
    if (!s->pin) {
        struct timespec t;
        clock_gettime(CLOCK_MONOTONIC_COARSE, &t);
        s->pin = worker_pin(s->worker);
        s->pinned_at = (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
    }
    return generation_snapshot(s->pin)->rules;
}

/* An ERR packet has no status flags: whether it ended the transaction (a deadlock does, most do not) or a
 * statement before it began one is not known. So the pin stays, and when a newer snapshot is there, the
 * backend is asked with a ping. */
void session_unpin(struct session *s)
{
    if (!s->pin || (s->status & STATUS_IN_TRANS) || s->status_stale)
        return;
    worker_unpin(s->worker, s->pin);
    s->pin = NULL;
}

void session_adopted(struct session *s)
{
    if (s->pin && s->status_stale && s->state == STATE_READY && !generation_is_newest(s->worker, s->pin))
        own_ping(s);
}

/* ---- the end of an answer ---- */

/* The server has begun the session anew. MariaDB does so even where COM_CHANGE_USER fails then; and as the
 * error has no status flags, those of before say nothing of the modes. */
static void begin_anew(struct session *s, bool ok)
{
    bool refused = s->command == COM_CHANGE_USER && !ok;
    if (!refused && !(s->command == COM_RESET_CONNECTION && ok))
        return;
    statements_clear(s);
    facts_forget(s);
    s->modes_doubted = refused;
}

void answer_ended(struct session *s, bool ok)
{
    if (s->named.changes)
        named_ended(s, ok);
    if (s->pending)
        facts_apply(s, ok);
    temporary_doubt(s);
    if (s->executing || s->preparing)
        execute_ended(s, ok);
    begin_anew(s, ok);
    s->renumber = 0;
    s->shown = NULL;
    shown_free(&s->text_shown);
    s->asked = s->tried_again = false;
    s->syntax_taken = false;
    session_unpin(s);
    session_move(s, STATE_READY);
    session_adopted(s);
}

/* An OK after DDL waits until the catalog has been read, so that the next statement meets the new one. */
static bool hold(struct session *s, struct span packet)
{
    if (!s->pending || !(s->pending->facts & FACT_DDL))
        return false;
    const struct control_hooks *hooks = worker_hooks(s->worker);
    uint64_t ticket = hooks->catalog_changed ? hooks->catalog_changed(hooks->ctx) : 0;
    if (ticket == 0 || s->tracker.kind == KIND_ERR)
        return false;
    s->ticket = ticket;
    buf_reset(&s->held);
    if (s->strip_state && s->tracker.kind == KIND_OK)
        ok_without_state(packet, &s->held);
    else
        buf_add_span(&s->held, packet);
    session_unpin(s); /* or the new catalog's barrier would wait for us */
    session_move(s, STATE_HOLD);
    session_timer(s, CATALOG_HOLD_MS);
    return true;
}

void answer_release(struct session *s)
{
    session_timer(s, 0);
    buf_add_span(channel_out(&s->client), buf_span(&s->held));
    buf_free(&s->held);
    answer_ended(s, true);
    client_resume(s);
}

/* ---- the answer ---- */

/* The definition of a column that is to be described otherwise. false: it passes as it is. */
static bool describe(struct session *s, struct span packet)
{
    if (!s->shown || s->tracker.kind != KIND_DEFINITION)
        return false;
    const struct catalog *catalog = s->pin ? generation_snapshot(s->pin)->rules->catalog : NULL;
    struct buf *out = channel_out(&s->client);
    size_t at = buf_len(out);
    if (!shown_describe(s->shown, &s->tracker, s->command == COM_QUERY, catalog, packet, out))
        return false;
    if (s->preparing && !buf_failed(out))
        prepare_number(s, buf_ptr(out) + at);
    return true;
}

/* A statement was prepared anew, so the definitions that the client keeps may be others: they are put in
 * where the server leaves them out. What comes behind them counts on. */
static bool tell(struct session *s, char *bytes, size_t len)
{
    struct statement *st = s->executing;
    if (!st || s->tracker.kind != KIND_COLUMNS || s->tracker.results > 0 || buf_len(&st->untold) == 0)
        return false;
    struct buf untold = st->untold, *out = channel_out(&s->client);
    bool left_out = s->tracker.count == 0;
    st->untold = BUF_INIT;
    if (left_out) {
        uint8_t seq = (uint8_t)bytes[3];
        bytes[len - 1] = 1; /* they follow */
        buf_add(out, bytes, len);
        s->tracker.kind = KIND_DEFINITION;
        for (size_t at = 0, size; at < buf_len(&untold); at += size) {
            char *one = buf_ptr(&untold) + at;
            size = PACKET_HEADER + get_u24(one);
            one[3] = (char)++seq;
            if (!describe(s, (struct span){one, size}))
                buf_add(out, one, size);
            s->tracker.definition++;
            s->renumber++;
        }
        s->tracker.whole = true;
    }
    buf_free(&untold);
    return left_out;
}

/* Counts a packet on from those that were put in or taken away before it. */
static void renumber(const struct session *s, char *bytes)
{
    if (s->renumber)
        bytes[3] = (char)((unsigned char)bytes[3] + s->renumber);
}

/* A packet that decides something, and its way to the client. */
static void pass_packet(struct session *s, char *bytes, size_t len)
{
    struct span packet = {bytes, len};
    if (describe(s, packet) || tell(s, bytes, len))
        return;
    if (s->preparing) {
        prepare_answer(s, TRACK_PACKET, packet);
        return;
    }
    bool state = s->tracker.kind == KIND_OK && (s->tracker.status & STATUS_SESSION_STATE);
    if (state && s->strip_state)
        ok_without_state(packet, channel_out(&s->client));
    else
        channel_send(&s->client, bytes, len);
}

static void note(struct session *s, struct span packet)
{
    switch (s->tracker.kind) {
    case KIND_OK:
        facts_status(s, s->tracker.status);
        if (s->tracker.status & STATUS_SESSION_STATE)
            facts_from_ok(s, (struct span){packet.ptr + PACKET_HEADER, packet.len - PACKET_HEADER});
        break;
    case KIND_EOF:
        facts_status(s, s->tracker.status);
        break;
    case KIND_ERR:
        s->status_stale = true;
        break;
    case KIND_INFILE:
        s->next_seq = (uint8_t)(packet.ptr[3] + 1);
        session_move(s, STATE_INFILE);
        break;
    default:
        break;
    }
}

/* Whether the client gets the answer under way as the backend gives it, but for its definitions and its end.
 */
static bool answer_as_is(const struct session *s)
{
    return !s->renumber && !s->preparing && (!s->executing || buf_len(&s->executing->untold) == 0);
}

/* Passes what comes before a packet that something hangs on. Returns its length; *ev and *used are of what is
 * behind it. */
static size_t pass_as_is(struct session *s, const char *bytes, size_t len, enum track_event *ev, size_t *used)
{
    size_t off = 0;
    *ev = TRACK_MORE;
    for (*used = 0; off < len; off += *used) {
        *ev = tracker_feed(&s->tracker, bytes + off, len - off, used);
        if (*ev == TRACK_PACKET && s->tracker.kind == KIND_EOF)
            facts_status(s, s->tracker.status);
        else if (*ev != TRACK_PASS && !(*ev == TRACK_PACKET && s->tracker.kind == KIND_COLUMNS))
            break;
    }
    if (off > 0)
        channel_send(&s->client, bytes, off);
    if (off == len)
        *ev = TRACK_MORE;
    return off;
}

/* How many of the bytes it took: all that the event is of. */
static size_t handle_event(struct session *s, enum track_event ev, char *bytes, size_t len, bool at_header)
{
    struct span packet = {bytes, len};
    switch (ev) {
    case TRACK_MORE:
        return 0;
    case TRACK_PASS:
        if (at_header) /* where it is counted on, the tracker is in whole mode: there is one header */
            renumber(s, bytes);
        if (s->preparing)
            prepare_answer(s, ev, packet);
        else
            channel_send(&s->client, bytes, len);
        return len;
    case TRACK_PACKET:
        note(s, packet);
        renumber(s, bytes);
        pass_packet(s, bytes, len);
        return len;
    case TRACK_END:
        note(s, packet);
        if (s->tracker.kind == KIND_ERR && s->tracker.error == ERROR_REPREPARE && execute_again(s))
            return len;
        renumber(s, bytes);
        if (hold(s, packet))
            return len;
        pass_packet(s, bytes, len);
        answer_ended(s, s->tracker.kind != KIND_ERR);
        return len;
    case TRACK_BROKEN:
        break;
    }
    session_fail(s, "the backend's answer is not understood");
    return 0;
}

size_t answer_from_backend(struct session *s, char *bytes, size_t len)
{
    size_t passed = 0, used;
    enum track_event ev;
    bool at_header = s->tracker.left == 0;
    if (answer_as_is(s))
        passed = pass_as_is(s, bytes, len, &ev, &used);
    else
        ev = tracker_feed(&s->tracker, bytes, len, &used);
    return passed + handle_event(s, ev, bytes + passed, used, at_header);
}

/* Nothing was asked: the server says why it will close (a time-out, a KILL, its shutdown). */
size_t idle_from_backend(struct session *s, char *bytes, size_t len)
{
    if (tls_backend_side(s->tls) && !s->backend.tls) { /* anybody on the way may have said it */
        session_fail(s, "the backend goes on in clear behind its greeting");
        return 0;
    }
    channel_send(&s->client, bytes, len);
    return len;
}
