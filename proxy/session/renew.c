/* Preparing a statement anew, when the generation has moved and its text comes out differently.
 *
 * It is prepared under what it was first prepared under: where the session has another sql_mode, character
 * set or default database by now, these are set, and set back behind it. All of it are own commands (own.c),
 * so the client sees nothing of it:
 *
 *   [SET old modes] ─▶ [use old database] ─▶ PREPARE ─▶ [use the session's database] ─▶ [SET its modes] */
#include "proxy/session/statements.h"

#include <stdlib.h>

#include "proxy/rewrite/expression.h"
#include "proxy/sql/literal.h"

#define ERROR_CHANGED 1105

enum { STEP_MODES, STEP_DATABASE, STEP_PREPARE, STEP_BACK, STEP_MODES_BACK, STEP_COUNT };

struct renewal {
    struct statement *st;                 /* in the session's table */
    struct statement *fresh;              /* owned: what is to stand behind it */
    unsigned step;                        /* that comes next */
    bool modes, database;                 /* whether they must be changed for it */
    bool prepared;                        /* fresh has a backend statement */
    bool made_room;                       /* the old one was closed before it */
    char *sql_mode, *charset, *collation; /* the session's, malloc'ed, to set back */
    struct span session_database;
};

static bool prepare(struct session *s);
static void next_step(struct session *s);

void renewal_free(struct session *s)
{
    struct renewal *r = s->renewal;
    if (!r)
        return;
    s->renewal = NULL;
    statement_free(r->fresh);
    free(r->sql_mode);
    free(r->charset);
    free(r->collation);
    free((char *)r->session_database.ptr);
    free(r);
}

/* ---- what the steps send ---- */

/* SET of them; the values are the server's own words, which hold nothing that must be escaped. */
static void send_modes(struct session *s, const struct own_command *own, const char *sql_mode,
                       const char *charset, const char *collation)
{
    struct buf text = BUF_INIT;
    buf_printf(&text, "SET sql_mode='%s',character_set_client=%s,collation_connection=%s", sql_mode, charset,
               collation);
    own_query(s, own, buf_span(&text));
    buf_free(&text);
}

/* Behind the statement everything must be as the client left it. */
static void back_done(struct session *s, bool ok)
{
    if (ok)
        next_step(s);
    else
        session_fail(s, "the session's modes could not be set back");
}

/* Own commands to come would forget the error that answers the client's command. */
static void keep_error(struct session *s)
{
    s->renewal->fresh->kept = s->own_error;
    s->own_error = BUF_INIT;
}

/* Before it, a failure (KILL QUERY, a database that was dropped) is the answer: the PREPARE is left out. */
static void there_done(struct session *s, bool ok)
{
    struct renewal *r = s->renewal;
    if (!ok) {
        keep_error(s);
        r->modes = r->modes && r->step != STEP_MODES + 1; /* what could not be set is the session's still */
        r->database = false;
        r->step = STEP_BACK;
    }
    next_step(s);
}

static bool modes_there(struct session *s)
{
    static const struct own_command own = {"set a statement's modes", ANSWER_RESULTS, NULL, there_done};
    if (s->renewal->modes)
        send_modes(s, &own, s->renewal->st->sql_mode, s->renewal->st->charset, s->renewal->st->collation);
    return s->renewal->modes;
}

static bool modes_back(struct session *s)
{
    static const struct own_command own = {"set the modes back", ANSWER_RESULTS, NULL, back_done};
    if (s->renewal->modes)
        send_modes(s, &own, s->renewal->sql_mode, s->renewal->charset, s->renewal->collation);
    return s->renewal->modes;
}

static bool database_there(struct session *s)
{
    static const struct own_command own = {"use a statement's database", ANSWER_OK, NULL, there_done};
    if (s->renewal->database)
        own_begin(s, &own, SPAN("\x02"), s->renewal->st->database);
    return s->renewal->database;
}

static bool database_back(struct session *s)
{
    static const struct own_command own = {"use the database again", ANSWER_OK, NULL, back_done};
    if (s->renewal->database)
        own_begin(s, &own, SPAN("\x02"), s->renewal->session_database);
    return s->renewal->database;
}

/* A client that keeps definitions will not be sent these when it executes the statement: the server takes it
 * that it has them. */
static void keep_definition(struct session *s, struct buf *untold, struct span payload)
{
    size_t at = packet_begin(untold);
    buf_add_span(untold, payload);
    packet_end(untold, at, 0);
    if (buf_failed(untold))
        session_fail(s, "out of memory");
}

/* own_columns counts the parameters' definitions that are still to come. */
static void prepare_packet(struct session *s, struct span payload)
{
    struct statement *fresh = s->renewal->fresh;
    if (s->tracker.kind == KIND_PREPARED) {
        fresh->backend_id = s->tracker.stmt_id;
        if (!fresh->map)
            fresh->out_params = s->tracker.params;
        fresh->columns = (uint16_t)s->tracker.columns;
        s->own_columns = s->tracker.params;
    } else if (s->tracker.kind == KIND_DATA && s->own_columns > 0) {
        s->own_columns--;
    } else if (s->tracker.kind == KIND_DATA && (s->capabilities & MARIADB_CLIENT_CACHE_METADATA)) {
        keep_definition(s, &fresh->untold, payload);
    }
}

/* An error stays in s->own_error, and answers the client's command in the end. Where the server has as many
 * statements as it takes, the old one makes room: it was one of them. */
static void prepare_done(struct session *s, bool ok)
{
    struct renewal *r = s->renewal;
    r->prepared = ok;
    if (!ok && s->tracker.error == ERROR_MOST_PREPARED && !r->st->name.ptr && !r->made_room) {
        statement_close_backend(s, r->st->backend_id);
        r->made_room = r->st->lost = true;
        prepare(s);
        return;
    }
    if (!ok && (r->modes || r->database))
        keep_error(s);
    next_step(s);
}

/* PREPARE name FROM: by a literal that comes out as the text whatever the connection's character set is. */
static void prepare_named(struct session *s)
{
    static const struct own_command own = {"prepare a name anew", ANSWER_RESULTS, NULL, prepare_done};
    const struct renewal *r = s->renewal;
    const struct sql_dialect *d = r->modes ? &r->st->dialect : &s->dialect;
    struct span sent = r->fresh->sent;
    struct arena *arena = s->shared->arena;
    struct buf text = BUF_INIT;
    arena_reset(arena);
    buf_add_str(&text, "PREPARE ");
    buf_add_span(&text, quoted_name(arena, r->st->name));
    buf_add_str(&text, " FROM ");
    buf_add_span(&text, s->mariadb && !span_is_ascii(sent) ? literal_encode_hex(arena, sent)
                                                           : literal_encode(arena, d, sent));
    if (arena_failed(arena) || buf_failed(&text))
        session_fail(s, "out of memory");
    else
        own_query(s, &own, buf_span(&text));
    buf_free(&text);
}

static bool prepare(struct session *s)
{
    static const struct own_command own = {"prepare anew", ANSWER_PREPARE, prepare_packet, prepare_done};
    if (s->renewal->st->name.ptr) {
        prepare_named(s);
        return true;
    }
    own_begin(s, &own, SPAN("\x16"), s->renewal->fresh->sent);
    return true;
}

/* ---- the sequence ---- */

void statement_close_backend(struct session *s, uint32_t id)
{
    struct buf *out = channel_out(&s->backend);
    size_t at = packet_begin(out);
    buf_add_byte(out, COM_STMT_CLOSE);
    add_u32(out, id);
    packet_end(out, at, 0);
}

/* What the client was told of the statement must still be true. */
static bool same_shape(const struct statement *st, const struct statement *fresh)
{
    uint32_t params = fresh->map ? fresh->params : fresh->out_params;
    return params == st->params && fresh->columns == st->columns;
}

/* The server has dropped the old one in any case. */
static void finish_named(struct session *s)
{
    struct renewal *r = s->renewal;
    if (r->prepared) {
        statement_take(r->st, r->fresh);
    } else {
        r->st->lost = true;
        if (buf_len(&r->fresh->kept) > 0) {
            buf_free(&s->own_error);
            s->own_error = r->fresh->kept;
            r->fresh->kept = BUF_INIT;
        }
        statement_free(r->fresh);
    }
    r->fresh = NULL;
    renewal_free(s);
}

static void finish(struct session *s)
{
    struct renewal *r = s->renewal;
    if (r->st->name.ptr) {
        finish_named(s);
        return;
    }
    if (r->prepared && same_shape(r->st, r->fresh)) {
        statement_close_backend(s, r->st->backend_id);
        statement_take(r->st, r->fresh);
        r->fresh = NULL;
    } else if (r->prepared) {
        statement_close_backend(s, r->fresh->backend_id);
        buf_reset(&s->own_error);
        buf_add_byte(&s->own_error, 0xff);
        add_u16(&s->own_error, ERROR_CHANGED);
        buf_add_str(&s->own_error, "#HY000crossfade: the statement has other parameters or columns since the "
                                   "phase changed; prepare it again");
    } else if (buf_len(&r->fresh->kept) > 0) {
        buf_free(&s->own_error);
        s->own_error = r->fresh->kept;
        r->fresh->kept = BUF_INIT;
    }
    renewal_free(s);
}

/* Goes on to the next step that has something to send; behind the last one the statement is renewed, and the
 * client's command is tried again by who called. */
static void next_step(struct session *s)
{
    static bool (*const steps[STEP_COUNT])(struct session * s) = {[STEP_MODES] = modes_there,
                                                                  [STEP_DATABASE] = database_there,
                                                                  [STEP_PREPARE] = prepare,
                                                                  [STEP_BACK] = database_back,
                                                                  [STEP_MODES_BACK] = modes_back};
    struct renewal *r = s->renewal;
    while (r->step < STEP_COUNT)
        if (steps[r->step++](s))
            return;
    finish(s);
}

bool statement_modes_differ(const struct session *s, const struct statement *st)
{
    return st->sql_mode && s->sql_mode && s->charset && s->collation &&
           (strcmp(st->sql_mode, s->sql_mode) != 0 || strcmp(st->charset, s->charset) != 0 ||
            strcmp(st->collation, s->collation) != 0);
}

/* Starts the sequence for what differs. false: out of memory. */
static bool begin(struct session *s, struct statement *st, struct statement *fresh)
{
    struct renewal *r = calloc(1, sizeof *r);
    if (!r) {
        statement_free(fresh);
        return false;
    }
    s->renewal = r;
    r->st = st;
    r->fresh = fresh;
    if (s->modes_known && s->charset_known && statement_modes_differ(s, st)) {
        r->modes = true;
        r->sql_mode = strdup(s->sql_mode);
        r->charset = strdup(s->charset);
        r->collation = strdup(s->collation);
        if (!r->sql_mode || !r->charset || !r->collation)
            return false;
    }
    struct span now = {s->database, s->database_len};
    /* Without a default database there would be no way back; and a text prepared without one names all. */
    if (st->database.len > 0 && now.len > 0 && !span_eq(st->database, now)) {
        r->database = true;
        r->session_database = (struct span){malloc(now.len), now.len};
        if (!r->session_database.ptr)
            return false;
        memcpy((char *)r->session_database.ptr, now.ptr, now.len);
    }
    next_step(s);
    return true;
}

void statement_renew_named(struct session *s, struct statement *st, struct span sent)
{
    struct statement *fresh = statement_new(st->text, sent);
    if (fresh) {
        fresh->touches = st->touches || !span_eq(sent, st->text);
        fresh->serial = generation_serial(s->pin);
    }
    if (fresh && !statement_settle(s, st)) {
        statement_free(fresh);
        fresh = NULL;
    }
    if (!fresh || !begin(s, st, fresh))
        session_fail(s, "out of memory");
}

bool statement_stale(struct session *s, const struct statement *st)
{
    if (st->pin) /* stays what it is until it is executed */
        return false;
    return st->lost || st->temporary != s->temporary_changes ||
           st->serial != (s->pin ? generation_serial(s->pin) : worker_newest_serial(s->worker));
}

/* The text came out as the backend has it: only what is noted of it may be new. */
static void refresh(struct statement *st, struct statement *fresh)
{
    st->serial = fresh->serial;
    st->temporary = fresh->temporary;
    st->touches = fresh->touches;
    changes_free(&st->changes);
    st->changes = fresh->changes;
    fresh->changes = (struct changes){0};
    shown_free(&st->shown);
    st->shown = fresh->shown;
    fresh->shown = (struct shown){NULL, 0};
    free(st->counts);
    st->counts = fresh->counts;
    st->count_count = fresh->count_count;
    fresh->counts = NULL;
    statement_free(fresh);
}

enum renew statement_renew(struct session *s, struct statement *st, struct rewrite_result *r)
{
    if (buf_len(&s->own_error) > 0)
        return RENEW_FAILED;
    enum text_plan plan = text_decide(s, st->text, st, (struct span){NULL, 0}, r);
    if (plan == TEXT_WAIT)
        return RENEW_WAIT;
    if (plan == TEXT_REFUSE)
        return RENEW_REFUSED;
    if (st->lost && !s->asked && !(s->modes_known && s->charset_known && s->database_known)) {
        own_ask_modes(s); /* what is set back behind it must be right */
        return RENEW_WAIT;
    }
    struct statement *fresh = statement_of(s, st->text, plan, r);
    if (fresh && fresh->touches && !statement_settle(s, st)) {
        statement_free(fresh);
        fresh = NULL;
    }
    /* When a table has changed the server prepares by itself, MySQL under the modes of that moment: there the
     * text goes anew under its own. */
    bool same = fresh && !st->lost && span_eq(fresh->sent, st->sent);
    if (same && (s->mariadb || !fresh->touches || !statement_modes_differ(s, st))) {
        refresh(st, fresh);
        return RENEW_READY;
    }
    if (!fresh || !begin(s, st, fresh))
        session_fail(s, "out of memory");
    return RENEW_WAIT;
}
