/* The proxy's own commands to the backend, between two of the client's: asking for modes, pinging for the
 * status flags, preparing a statement anew. The session is in STATE_OWN meanwhile, what the client says
 * waits, and no byte of the answer reaches it. When the answer is whole, the client's command that made it
 * necessary is simply tried again, and finds what it missed. */
#include "proxy/session/inside.h"

#include "protocol/attributes.h"

#define ERROR_XA_STATE             1399
#define ERROR_MUST_CHANGE_PASSWORD 1820

void own_begin(struct session *s, const struct own_command *own, struct span head, struct span body)
{
    uint8_t seq = 0;
    log_debug("session %llu: own command: %s", (unsigned long long)s->id, own->name);
    add_packet(channel_out(&s->backend), &seq, head, body);
    tracker_begin(&s->tracker, own->answer, s->capabilities);
    s->tracker.whole = true;
    s->own = own;
    s->own_step = 0;
    s->own_columns = 0;
    buf_free(&s->own_error);
    session_move(s, STATE_OWN);
}

void own_query(struct session *s, const struct own_command *own, struct span text)
{
    bool attributes = s->capabilities & CLIENT_QUERY_ATTRIBUTES;
    own_begin(s, own, attributes ? QUERY_WITHOUT_ATTRIBUTES : SPAN("\x03"), text);
}

/* What every answer tells, whoever asked. */
static void note(struct session *s, struct span payload)
{
    switch (s->tracker.kind) {
    case KIND_OK:
        facts_status(s, s->tracker.status);
        facts_from_ok(s, payload);
        break;
    case KIND_EOF:
        facts_status(s, s->tracker.status);
        break;
    case KIND_ERR:
        buf_add_span(&s->own_error, payload);
        s->status_stale = true;
        break;
    default:
        break;
    }
}

size_t own_from_backend(struct session *s, char *bytes, size_t len)
{
    size_t used;
    enum track_event ev = tracker_feed(&s->tracker, bytes, len, &used);
    if (ev == TRACK_MORE)
        return 0;
    if (ev != TRACK_PACKET && ev != TRACK_END) {
        session_fail(s, "the backend's answer to a command of our own is not understood");
        return 0;
    }
    const struct own_command *own = s->own;
    struct span payload = {bytes + PACKET_HEADER, used - PACKET_HEADER};
    note(s, payload);
    if (own->packet)
        own->packet(s, payload);
    if (ev == TRACK_END && s->state == STATE_OWN) {
        s->own = NULL;
        session_move(s, STATE_READY);
        own->done(s, s->tracker.kind != KIND_ERR);
    }
    return used;
}

bool own_error_answer(struct session *s, size_t parts)
{
    if (buf_len(&s->own_error) == 0)
        return false;
    struct buf *out = channel_out(&s->client);
    size_t at = packet_begin(out);
    buf_add_span(out, buf_span(&s->own_error));
    packet_end(out, at, (uint8_t)parts);
    buf_free(&s->own_error);
    s->asked = false;
    s->syntax_taken = false;
    session_unpin(s);
    session_adopted(s);
    return true;
}

/* ---- modes ---- */

/* A value of a text row; NULL becomes empty. */
static struct span row_value(struct reader *r)
{
    if (reader_left(r) > 0 && *r->p == 0xfb) {
        r->p++;
        return SPAN("");
    }
    return read_lenenc_str(r);
}

static void modes_packet(struct session *s, struct span payload)
{
    if (s->tracker.kind == KIND_COLUMNS)
        s->own_columns = s->tracker.columns;
    if (s->tracker.kind != KIND_DATA || s->own_step++ != s->own_columns)
        return; /* definitions come first, then the row */
    struct reader r = reader_of(payload);
    struct span modes = row_value(&r), charset = row_value(&r), collation = row_value(&r);
    struct span database = row_value(&r);
    if (r.failed)
        return;
    facts_set_modes(s, modes, charset, collation);
    facts_set_database(s, database);
}

/* A server that refuses nearly all (a password that must be changed, an XA transaction that is ended or
 * prepared) refuses the statement that comes too, or it is one of the few that end this: it goes on with what
 * was known before. Any other error (KILL QUERY, a statement's time limit) is the statement's: what is not
 * known must not be guessed. */
static void modes_done(struct session *s, bool ok)
{
    if (ok || (s->tracker.error != ERROR_MUST_CHANGE_PASSWORD && s->tracker.error != ERROR_XA_STATE))
        return;
    log_debug("session %llu: its modes could not be asked for", (unsigned long long)s->id);
    buf_free(&s->own_error);
}

/* As bytes: texts would come in character_set_results, which may be utf16. */
void own_ask_modes(struct session *s)
{
    static const struct own_command ask = {"modes", ANSWER_RESULTS, modes_packet, modes_done};
    s->asked = true;
    own_query(s, &ask,
              SPAN("SELECT CAST(@@sql_mode AS BINARY), CAST(@@character_set_client AS BINARY),"
                   " CAST(@@collation_connection AS BINARY), CAST(DATABASE() AS BINARY) LIMIT 1"));
}

/* ---- ping ---- */

static void ping_done(struct session *s, bool ok)
{
    (void)ok;
    buf_free(&s->own_error);
    session_unpin(s);
}

void own_ping(struct session *s)
{
    static const struct own_command ping = {"ping", ANSWER_OK, NULL, ping_done};
    own_begin(s, &ping, SPAN("\x0e"), SPAN(""));
}
