/* The commands that name a prepared statement: execution (single and bulk), long data, fetch, reset, close.
 *
 * Where nothing moved, the backend's id is put into the packet in place and the packet passes as it comes;
 * only its head is looked at, for the types that it binds. Where the backend's statement is new or has its
 * markers elsewhere, the packet is gathered and put together anew (protocol/execute.h). */
#include "proxy/session/statements.h"

#include <stdlib.h>

#include "protocol/execute.h"

#define KEPT_MAX  (1024 * 1024) /* long data that is kept for a statement */
#define AGAIN_MAX 4096          /* an execution's packet that is kept until its answer comes */
#define KEPT_HEAD 6             /* of each piece: length 4, parameter 2 */

/* The statement that the command names, once its id has come; false: wait. What the server takes for the one
 * prepared last may be an earlier one, where the last was refused here: so where the client means that and
 * has none, the server is given an id that nothing has. */
static bool named(struct session *s, char *bytes, size_t len, struct statement **out)
{
    *out = NULL;
    if (get_u24(bytes) < 5)
        return true;
    if (len < PACKET_HEADER + 5)
        return false;
    uint32_t id = get_u32(bytes + PACKET_HEADER + 1);
    *out = statements_find(s, id);
    if (!*out && id == STATEMENT_LAST && s->mariadb)
        put_u32(bytes + PACKET_HEADER + 1, STATEMENT_NONE);
    return true;
}

static void count(const struct statement *st)
{
    for (size_t i = 0; i < st->count_count; i++)
        atomic_fetch_add_explicit(st->counts[i].counter, 1, memory_order_relaxed);
}

/* An execution is answered by an error of ours: a server forgets long data with those that fail too. What the
 * backend's statement has of it would be taken for the next one's. */
static void forget_refused(struct session *s, struct statement *st)
{
    st->lost = st->lost || st->kept_sent > 0 || st->pin;
    statement_forget_longs(s, st);
}

/* Long data has no answer. Its error waits for the execution, as the server keeps one: without the piece that
 * met it, what comes behind would be stored. */
static void keep_error(struct session *s, struct statement *st, const struct rewrite_result *refused)
{
    if (refused) {
        buf_add_byte(&st->error, 0xff);
        add_u16(&st->error, ERROR_REFUSED);
        buf_add_str(&st->error, "#HY000");
        rewrite_error_text(refused, &st->error);
    } else {
        st->error = s->own_error;
        s->own_error = BUF_INIT;
    }
    st->lost = true; /* the execution comes by here */
    if (buf_failed(&st->error))
        session_fail(s, "out of memory");
}

/* Makes sure that the statement says under the pinned snapshot what it should. Returns true when it does;
 * else *used is what the command's handler returns. `answers`: the command has an answer to put an error
 * into; without one the execution after it will get the error. */
static bool renewed(struct session *s, struct statement *st, char *bytes, size_t len, bool answers,
                    size_t *used)
{
    struct gathered g;
    struct rewrite_result r;
    *used = 0;
    if (!command_gather(s, bytes, len, &g)) {
        session_fail(s, "a packet is too long");
        return false;
    }
    if (!g.payload.ptr)
        return false;
    if (buf_len(&st->error) > 0 && !answers) {
        *used = g.size;
        return false;
    }
    if (buf_len(&st->error) > 0) {
        buf_free(&s->own_error);
        s->own_error = st->error;
        st->error = BUF_INIT;
    }
    switch (statement_renew(s, st, &r)) {
    case RENEW_READY:
        return true;
    case RENEW_WAIT:
        return false;
    case RENEW_REFUSED:
        facts_count(&r);
        if (answers)
            text_refuse(s, &r, g.parts);
        else
            keep_error(s, st, &r);
        break;
    case RENEW_FAILED:
        if (answers)
            own_error_answer(s, g.parts);
        else
            keep_error(s, st, NULL);
        break;
    }
    if (answers)
        forget_refused(s, st);
    s->asked = false;
    session_unpin(s);
    *used = g.size;
    return false;
}

static struct execute_map map_of(const struct statement *st)
{
    return (struct execute_map){
        .id = st->backend_id,
        .params = st->params,
        .out_params = st->map ? st->out_params : st->params,
        .map = st->map,
        .types = st->types_known ? st->types : NULL,
        .longs = st->longs,
    };
}

static void send_kept(struct session *s, struct statement *st);

static void begin_execution(struct session *s, struct statement *st)
{
    send_kept(s, st);
    s->executing = st;
    st->executed = true;
    count(st);
    if (st->changes.facts)
        s->pending = &st->changes;
    s->shown = st->shown.count > 0 ? &st->shown : NULL;
}

/* What differs between an execution and a bulk execution. */
struct execution {
    size_t (*head_size)(struct span payload, uint32_t params); /* up to the end of the types */
    const unsigned char *(*types)(struct span payload, uint32_t params, struct buf *into);
    enum execute_outcome (*build)(struct span payload, const struct execute_map *m, struct buf *out);
    bool again;     /* kept until its answer comes, to be tried once more */
    int not_cursor; /* flags that ask for no cursor */
};

/* Whether the backend's statement was executed with types that it would hold these against. */
static bool retyped(const struct statement *st, const unsigned char *types)
{
    struct execute_map m = map_of(st);
    return st->executed && execute_retyped(&m, types);
}

/* To MariaDB an execution of the statement prepared last that does not tell its types is malformed, whatever
 * was told before. */
static bool must_tell(const struct session *s, const struct statement *st, const char *payload,
                      const struct execution *e)
{
    return s->mariadb && e->again && st->params > 0 && get_u32(payload + 1) == STATEMENT_LAST;
}

/* An execution that is refused here has told its types all the same: the server remembers those of one that
 * fails, and clients tell them once. */
static void remember_types(struct session *s, struct statement *st, const unsigned char *types)
{
    if (!types)
        return;
    st->types_sent = false;
    if (!statement_bind(st, types))
        session_fail(s, "out of memory");
}

/* Sends the packet put together anew. */
static size_t send_built(struct session *s, struct statement *st, char *bytes, size_t len,
                         const struct execution *e)
{
    struct gathered g;
    if (!command_gather(s, bytes, len, &g)) {
        session_fail(s, "a packet is too long");
        return 0;
    }
    if (!g.payload.ptr)
        return 0;
    struct buf out = BUF_INIT;
    struct execute_map m = map_of(st);
    const unsigned char *types = e->types(g.payload, st->params, &s->shared->built);
    enum execute_outcome outcome = EXECUTE_MALFORMED;
    if (types || !must_tell(s, st, g.payload.ptr, e))
        outcome = st->pin && retyped(st, types) ? EXECUTE_INEXACT : e->build(g.payload, &m, &out);
    if (outcome == EXECUTE_BUILT) {
        if (types)
            statement_bind(st, types);
        struct span head = {buf_ptr(&out), 1}, body = {buf_ptr(&out) + 1, buf_len(&out) - 1};
        begin_execution(s, st);
        command_send(s, head, body, g.parts);
    } else if (outcome == EXECUTE_INEXACT) {
        if (st->refused)
            atomic_fetch_add_explicit(st->refused, 1, memory_order_relaxed);
        command_refuse(s, g.parts, ERROR_REFUSED, span_of(st->inexact));
    } else {
        command_refuse(s, g.parts, 1835,
                       s->mariadb ? SPAN("Malformed communication packet")
                                  : SPAN("Malformed communication packet."));
    }
    if (outcome != EXECUTE_BUILT) {
        forget_refused(s, st);
        remember_types(s, st, types);
    }
    buf_free(&out);
    return g.size;
}

/* Keeps a copy of the client's packet, if it is all there and small. */
static void keep_again(struct session *s, const char *bytes, size_t len)
{
    size_t size = PACKET_HEADER + get_u24(bytes);
    buf_free(&s->again);
    if (!s->tried_again && size <= AGAIN_MAX && size <= len)
        buf_add(&s->again, bytes, size);
}

bool execute_again(struct session *s)
{
    struct statement *st = s->executing;
    if (!st || st->pin || s->tracker.rows_began || buf_len(&s->again) == 0)
        return false;
    buf_add_span(&s->again, buf_span(&s->client.in));
    if (buf_failed(&s->again))
        return false;
    buf_free(&s->client.in);
    s->client.in = s->again;
    s->again = BUF_INIT;
    s->executing = NULL;
    s->pending = NULL;
    s->shown = NULL;
    s->tried_again = st->lost = true;
    st->kept_sent = 0;
    session_move(s, STATE_READY);
    return true;
}

/* Sends a packet that was gathered on the way and joined: it must be split again. */
static size_t send_joined(struct session *s, char *bytes, size_t len)
{
    struct gathered g;
    command_gather(s, bytes, len, &g);
    command_send(s, (struct span){g.payload.ptr, 1}, (struct span){g.payload.ptr + 1, g.payload.len - 1},
                 g.parts);
    return g.size;
}

/* Sends the packet as it is, with the backend's id. */
static size_t send_patched(struct session *s, struct statement *st, char *bytes, size_t len)
{
    put_u32(bytes + PACKET_HEADER + 1, st->backend_id);
    begin_execution(s, st);
    return s->joined ? send_joined(s, bytes, len) : command_forward(s, bytes, len);
}

/* Gives what has come of the command's payload, once that is enough: its head, or all of it where the packet
 * is to be put together anew, or where the names of attributes fill more than one packet. Nothing behind the
 * first packet is waited for otherwise, so where that is here the whole is. */
static bool execution_has_come(struct session *s, const struct statement *st, char *bytes, size_t len,
                               const struct execution *e, struct span *out)
{
    struct gathered g;
    size_t n = get_u24(bytes), have = len - PACKET_HEADER;
    bool beyond = n == PACKET_MAX && have > n;
    if (!beyond && !st->map && !statement_stale(s, st)) {
        *out = (struct span){bytes + PACKET_HEADER, have < n ? have : n};
        return out->len >= e->head_size(*out, st->params) || (have >= n && n < PACKET_MAX);
    }
    if (!command_gather(s, bytes, len, &g)) {
        session_fail(s, "a packet is too long");
        return false;
    }
    *out = g.payload;
    return g.payload.ptr != NULL;
}

static size_t execution_begin(struct session *s, char *bytes, size_t len, const struct execution *e)
{
    struct statement *st;
    size_t used;
    if (!named(s, bytes, len, &st))
        return 0;
    s->cursor = false;
    if (!st)
        return command_forward(s, bytes, len);
    struct span payload;
    if (!execution_has_come(s, st, bytes, len, e, &payload))
        return 0;
    s->cursor = e->again && payload.len > 5 && (payload.ptr[5] & ~e->not_cursor) != 0;
    if (st->map && retyped(st, e->types(payload, st->params, &s->shared->built)))
        st->lost = true;
    if (statement_stale(s, st) && !renewed(s, st, bytes, len, true, &used)) {
        if (used > 0)
            remember_types(s, st, e->types(payload, st->params, &s->shared->built));
        return used;
    }
    session_pin(s);
    if (e->again)
        keep_again(s, bytes, len);
    const unsigned char *types = e->types(payload, st->params, &s->shared->built);
    if (st->map || (!types && must_tell(s, st, payload.ptr, e)) ||
        (st->params > 0 && !types && !st->types_sent && st->types_known))
        return send_built(s, st, bytes, len, e);
    if (types && !statement_bind(st, types)) {
        session_fail(s, "out of memory");
        return 0;
    }
    return send_patched(s, st, bytes, len);
}

size_t execute_begin(struct session *s, char *bytes, size_t len)
{
    static const struct execution execute = {execute_head_size, execute_types, execute_build, true, 0};
    static const struct execution named = {named_head_size, named_types, named_build, true, EXECUTE_COUNTED};
    return execution_begin(s, bytes, len, s->capabilities & CLIENT_QUERY_ATTRIBUTES ? &named : &execute);
}

size_t bulk_begin(struct session *s, char *bytes, size_t len)
{
    static const struct execution bulk = {bulk_head_size, bulk_types, bulk_build, false, 0};
    return execution_begin(s, bytes, len, &bulk);
}

/* ---- long data ---- */

/* Sends one piece of long data for every marker that stands for the client's parameter. */
static void send_long(struct session *s, const struct statement *st, uint32_t param, struct span data)
{
    char head[7] = {COM_STMT_SEND_LONG_DATA};
    put_u32(head + 1, st->backend_id);
    uint32_t count = st->map ? st->out_params : 1;
    for (uint32_t i = 0; i < count; i++) {
        if (st->map && MAP_INDEX(st->map[i]) != param)
            continue;
        uint8_t seq = 0;
        put_u16(head + 5, st->map ? i : param);
        add_packet(channel_out(&s->backend), &seq, (struct span){head, sizeof head}, data);
    }
}

/* Gives the backend's statement the kept data that it does not have. */
static void send_kept(struct session *s, struct statement *st)
{
    while (st->kept_sent < buf_len(&st->kept)) {
        const char *entry = buf_ptr(&st->kept) + st->kept_sent;
        struct span data = {entry + KEPT_HEAD, get_u32(entry)};
        send_long(s, st, get_u16(entry + 4), data);
        st->kept_sent += KEPT_HEAD + data.len;
    }
}

/* Keeps a copy, so that the data can follow the statement when the generation moves before the execution, and
 * an idle session with long data holds no flip up. */
static void keep_long(struct statement *st, uint32_t param, struct span data)
{
    add_u32(&st->kept, (uint32_t)data.len);
    add_u16(&st->kept, param);
    buf_add_span(&st->kept, data);
}

static bool mark_long(struct statement *st, uint32_t param)
{
    if (!st->longs)
        st->longs = calloc(1, st->params / 8 + 1u);
    if (st->longs && param < st->params)
        st->longs[param / 8] |= (unsigned char)(1 << (param % 8));
    return st->longs != NULL;
}

/* More than is kept: from here to the execution, the statement keeps its snapshot. */
static size_t long_data_beyond(struct session *s, struct statement *st, char *bytes, size_t len)
{
    size_t used;
    struct gathered g = {.size = 0};
    if (statement_stale(s, st) && !renewed(s, st, bytes, len, false, &used))
        return used;
    if (st->map && !command_gather(s, bytes, len, &g)) {
        session_fail(s, "a packet is too long");
        return 0;
    }
    if (st->map && !g.payload.ptr)
        return 0;
    send_kept(s, st);
    buf_free(&st->kept);
    st->kept_sent = 0;
    if (!st->pin) {
        session_pin(s);
        generation_pin_again(st->pin = s->pin);
    }
    if (st->map) {
        struct span data = {g.payload.ptr + 7, g.payload.len - 7};
        send_long(s, st, get_u16(g.payload.ptr + 5), data);
        session_unpin(s);
        return g.size;
    }
    put_u32(bytes + PACKET_HEADER + 1, st->backend_id);
    return s->joined ? send_joined(s, bytes, len) : command_forward(s, bytes, len);
}

size_t long_data_begin(struct session *s, char *bytes, size_t len)
{
    struct statement *st;
    uint32_t n = get_u24(bytes);
    if (!named(s, bytes, len, &st) || (n >= 7 && len < PACKET_HEADER + 7))
        return 0;
    if (!st || n < 7)
        return command_forward(s, bytes, len);
    uint32_t param = get_u16(bytes + PACKET_HEADER + 5);
    if (!mark_long(st, param)) {
        session_fail(s, "out of memory");
        return 0;
    }
    if (st->pin || buf_len(&st->kept) + n > KEPT_MAX)
        return long_data_beyond(s, st, bytes, len);
    if (len - PACKET_HEADER < n)
        return 0;
    keep_long(st, param, (struct span){bytes + PACKET_HEADER + 7, n - 7});
    if (buf_failed(&st->kept)) {
        session_fail(s, "out of memory");
        return 0;
    }
    if (!statement_stale(s, st))
        send_kept(s, st);
    return PACKET_HEADER + n;
}

/* ---- fetch, reset, close ---- */

size_t statement_begin(struct session *s, char *bytes, size_t len)
{
    struct statement *st;
    if (!named(s, bytes, len, &st))
        return 0;
    if (!st)
        return command_forward(s, bytes, len);
    put_u32(bytes + PACKET_HEADER + 1, st->backend_id);
    if (bytes[PACKET_HEADER] == COM_STMT_CLOSE)
        statements_remove(s, st);
    else if (bytes[PACKET_HEADER] == COM_STMT_RESET)
        statement_forget_longs(s, st);
    return command_forward(s, bytes, len);
}
