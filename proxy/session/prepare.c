/* COM_STMT_PREPARE and its answer.
 *
 * What the client is told of a statement is the original's: where the rewritten text has its markers in other
 * numbers, PREPARE_OK's count and the parameters' definitions are put right in the answer. */
#include "proxy/session/statements.h"

#include <stdlib.h>

#include "protocol/parameter_map.h"
#include "proxy/sql/arena.h"

/* ---- a statement to be ---- */

/* Keeps the markers' map, and what an execution is told whose values it cannot repeat. */
static bool keep_map(struct statement *st, const struct rewrite_result *r)
{
    struct rewrite_result inexact = {
        .reason = "a value that must be repeated is of a type that the column stores otherwise",
        .hint = "bind it as an integer, a decimal number or a text",
    };
    bool needs = false;
    st->params = (uint16_t)r->param_count;
    st->out_params = (uint16_t)r->out_param_count; /* the map's length, whatever the backend says */
    st->map = malloc((r->out_param_count + 1) * sizeof *st->map);
    if (!st->map)
        return false;
    memcpy(st->map, r->param_map, r->out_param_count * sizeof *st->map);
    for (uint32_t i = 0; i < r->out_param_count; i++)
        needs = needs || MAP_NEED(st->map[i]);
    if (!needs)
        return true;
    for (size_t p = 0; p < r->part_count && !inexact.rule; p++)
        for (size_t i = 0; i < r->parts[p].touch_count && !inexact.rule; i++)
            inexact.rule = r->parts[p].touches[i].write ? r->parts[p].touches[i].rule : NULL;
    struct buf text = BUF_INIT;
    rewrite_error_text(&inexact, &text);
    st->inexact = buf_failed(&text) ? NULL : strndup(buf_ptr(&text), buf_len(&text));
    st->refused = inexact.rule && inexact.rule->counters ? &inexact.rule->counters->refused : NULL;
    buf_free(&text);
    return st->inexact != NULL;
}

struct statement *statement_of(struct session *s, struct span text, enum text_plan plan,
                               const struct rewrite_result *r)
{
    struct statement *st = statement_new(text, plan == TEXT_SEND ? r->text : text);
    if (!st)
        return NULL;
    st->serial = generation_serial(s->pin);
    st->temporary = s->temporary_changes;
    st->touches = r->touches;
    if ((plan == TEXT_SEND && r->param_map && !keep_map(st, r)) ||
        !changes_set(&st->changes, r, generation_snapshot(s->pin)->rules) || !shown_set(&st->shown, r)) {
        statement_free(st);
        return NULL;
    }
    statement_counts(st, r);
    return st;
}

struct sql_dialect statement_dialect(const struct session *s, const struct statement *st)
{
    struct sql_dialect d = s->dialect;
    if (st->settled) { /* but assignments run by the modes of the execution */
        d.modes = (st->dialect.modes & ~(uint32_t)SQL_SIMULTANEOUS) | (d.modes & SQL_SIMULTANEOUS);
        d.charset = st->dialect.charset;
        return d;
    }
    uint32_t told = facts_modes_in_flags(s);
    d.modes = (d.modes & ~told) | (st->dialect.modes & told);
    d.charset = st->dialect.charset;
    return d;
}

/* Copies what is set for a statement that must be prepared anew. */
static bool keep_modes(const struct session *s, struct statement *st)
{
    st->settled = s->modes_known && s->charset_known;
    if (!st->settled)
        return true;
    st->sql_mode = strdup(s->sql_mode);
    st->charset = strdup(s->charset);
    st->collation = strdup(s->collation);
    return st->sql_mode && st->charset && st->collation;
}

bool statement_settle(const struct session *s, struct statement *st)
{
    if (st->settled)
        return true;
    if (s->modes_known && s->charset_known)
        st->dialect = statement_dialect(s, st);
    return keep_modes(s, st);
}

bool statement_context(const struct session *s, struct statement *st, struct span database)
{
    st->dialect = s->dialect;
    st->database = (struct span){malloc(database.len + 1), database.len};
    if (!st->database.ptr)
        return false;
    if (database.len > 0)
        memcpy((char *)st->database.ptr, database.ptr, database.len);
    return keep_modes(s, st);
}

size_t prepare_begin(struct session *s, char *bytes, size_t len)
{
    struct gathered g;
    struct rewrite_result r;
    if (!command_gather(s, bytes, len, &g))
        return command_forward(s, bytes, len);
    if (!g.payload.ptr)
        return 0;
    struct span text = {g.payload.ptr + 1, g.payload.len - 1};
    s->last_prepared = 0;
    if (own_error_answer(s, g.parts))
        return g.size;
    enum text_plan plan = text_decide(s, text, NULL, (struct span){NULL, 0}, &r);
    if (plan == TEXT_WAIT || (plan == TEXT_REFUSE && syntax_ask(s, &r, true)))
        return 0;
    if (plan == TEXT_REFUSE) {
        facts_count(&r);
        text_refuse(s, &r, g.parts);
        return g.size;
    }
    s->preparing = statement_of(s, text, plan, &r);
    if (!s->preparing || !statement_context(s, s->preparing, (struct span){s->database, s->database_len})) {
        session_fail(s, "out of memory");
        return 0;
    }
    s->shown = s->preparing->shown.count > 0 ? &s->preparing->shown : NULL;
    if (plan == TEXT_SEND || g.parts > 1)
        command_send(s, SPAN("\x16"), s->preparing->sent, g.parts);
    else
        command_forward(s, bytes, g.size);
    if (s->preparing->map)
        s->tracker.whole = true;
    return g.size;
}

/* ---- its answer ---- */

/* A parameter's definition as MariaDB gives it: every one is the same. */
static void add_definition(struct buf *out, uint8_t seq)
{
    size_t at = packet_begin(out);
    add_lenenc_str(out, SPAN("def"));
    for (int i = 0; i < 3; i++)
        add_lenenc_str(out, SPAN(""));
    add_lenenc_str(out, SPAN("?"));
    add_lenenc_str(out, SPAN(""));
    buf_add_byte(out, 12); /* the length of what follows */
    add_u16(out, 63);      /* binary */
    add_u32(out, 0);
    buf_add_byte(out, 6);      /* MYSQL_TYPE_NULL */
    buf_add(out, "\x80\0", 2); /* BINARY */
    buf_add(out, "\0\0\0", 3);
    packet_end(out, at, seq);
}

/* Adds the packet with another sequence id. */
static void add_renumbered(struct buf *out, struct span packet, uint8_t seq)
{
    size_t at = buf_len(out);
    buf_add_span(out, packet);
    if (!buf_failed(out))
        buf_ptr(out)[at + 3] = (char)seq;
}

/* The definitions of the client's parameters in place of the backend's, after PREPARE_OK. */
static void add_definitions(struct session *s, const struct statement *st, struct buf *out)
{
    for (uint32_t i = 0; i < st->params; i++)
        add_definition(out, s->own_step++);
    if (st->params > 0 && !(s->capabilities & CLIENT_DEPRECATE_EOF)) {
        size_t at = packet_begin(out);
        buf_add_byte(out, 0xfe);
        add_u16(out, 0);
        add_u16(out, s->status);
        packet_end(out, at, s->own_step++);
    }
}

/* One packet of the answer to a statement whose markers were moved. own_columns counts what of the backend's
 * parameter definitions is still to come and to be left out; own_step is the client's next sequence id. */
static void answer_mapped(struct session *s, struct statement *st, struct span packet)
{
    struct buf *out = channel_out(&s->client);
    if (s->tracker.kind == KIND_PREPARED) {
        uint8_t seq = (uint8_t)packet.ptr[3];
        put_u16((char *)packet.ptr + PACKET_HEADER + 7, st->params);
        buf_add_span(out, packet);
        s->own_step = (uint8_t)(seq + 1);
        s->own_columns = s->tracker.params;
        if (s->tracker.params > 0 && !(s->capabilities & CLIENT_DEPRECATE_EOF))
            s->own_columns++;
        add_definitions(s, st, out);
    } else if (s->own_columns > 0) {
        s->own_columns--;
    } else {
        add_renumbered(out, packet, s->own_step++);
    }
}

void prepare_number(struct session *s, char *packet)
{
    if (s->preparing->map)
        packet[3] = (char)s->own_step++;
}

void prepare_answer(struct session *s, enum track_event ev, struct span packet)
{
    struct statement *st = s->preparing;
    if (ev == TRACK_PACKET && s->tracker.kind == KIND_PREPARED) {
        st->id = st->backend_id = s->tracker.stmt_id;
        st->columns = (uint16_t)s->tracker.columns;
        if (!st->map)
            st->params = st->out_params = s->tracker.params;
    }
    if (st->map && s->tracker.kind != KIND_ERR)
        answer_mapped(s, st, packet);
    else
        channel_send(&s->client, packet.ptr, packet.len);
}

/* The answer to PREPARE or to an execution is whole. */
void execute_ended(struct session *s, bool ok)
{
    struct statement *st = s->preparing;
    s->preparing = NULL;
    if (st && ok) {
        uint32_t id = st->id;
        if (statements_add(s, st))
            s->last_prepared = id;
    } else {
        statement_free(st);
    }
    st = s->executing;
    s->executing = NULL;
    if (!st)
        return;
    statement_forget_longs(s, st);
    buf_free(&s->again);
    if (ok)
        st->types_sent = true;
}
