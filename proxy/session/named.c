/* Statements that SQL gave a name: PREPARE name FROM '…', EXECUTE name, DEALLOCATE PREPARE name.
 *
 * The rewriter sees through them (rewrite/dynamic.c): at each EXECUTE it rewrites under the rules of now what
 * the name stands for, and says what the server must have under that name. Where that is another text,
 * because the generation has moved, the name is prepared anew first (renew.c), and the client's EXECUTE is
 * tried again behind it: as long as it is not sent, its pin holds the snapshot.
 *
 * What a text does to names takes effect with its answer. Where an error ended a text of several statements,
 * the results before it tell how far it came. */
#include "proxy/session/statements.h"

#include <stdlib.h>

/* What a statement of the text under way does to a name. */
struct named_change {
    struct named_change *next;
    struct statement *st; /* owned: PREPARE's new one, or one with nothing but the name */
    bool made;            /* else dropped */
    size_t part;          /* the statement's place in the text */
};

/* ---- the table ---- */

static struct statement *find(const struct session *s, struct span name)
{
    struct statement *st;
    HASH_FIND(hh, s->named.statements, name.ptr, name.len, st);
    return st;
}

static void drop(struct session *s, struct statement *st)
{
    if (!st)
        return;
    HASH_DEL(s->named.statements, st);
    statement_free(st);
}

/* Takes it, in place of one of the same name. */
static bool add(struct session *s, struct statement *st)
{
    drop(s, find(s, st->name));
    return statement_enter(&s->named.statements, st->name.ptr, st->name.len, st);
}

bool named_find(const void *session, struct span name, struct rewrite_prepared *out)
{
    const struct session *s = session;
    const struct statement *st = find(s, name);
    if (!st)
        return false;
    *out = (struct rewrite_prepared){st->text, statement_dialect(s, st), st->database};
    out->dialect.version = s->dialect.version;
    out->dialect.mariadb = s->dialect.mariadb;
    return true;
}

/* ---- what a text does ---- */

static void changes_drop(struct session *s)
{
    while (s->named.changes) {
        struct named_change *c = s->named.changes;
        s->named.changes = c->next;
        statement_free(c->st);
        free(c);
    }
}

static bool set_name(struct statement *st, struct span name)
{
    st->name = (struct span){malloc(name.len + 1), name.len};
    if (st->name.ptr && name.len > 0)
        memcpy((char *)st->name.ptr, name.ptr, name.len);
    return st->name.ptr != NULL;
}

/* Its text cannot be known. */
static void forget_text(struct statement *st)
{
    if (st->sent.ptr != st->text.ptr)
        free((char *)st->sent.ptr);
    free((char *)st->text.ptr);
    st->text = st->sent = (struct span){NULL, 0};
}

static struct named_change *change_of(struct session *s, const struct rewrite_named *op)
{
    struct named_change *c = calloc(1, sizeof *c);
    if (!c)
        return NULL;
    c->made = op->kind == NAMED_PREPARE;
    c->part = op->part;
    c->st = op->text.ptr ? statement_new(op->text, op->sent) : calloc(1, sizeof *c->st);
    if (c->st) {
        c->st->touches = op->touches;
        c->st->serial = generation_serial(s->pin);
        if (set_name(c->st, op->name) && statement_context(s, c->st, op->database))
            return c;
    }
    statement_free(c->st);
    free(c);
    return NULL;
}

bool named_note(struct session *s, const struct rewrite_result *r)
{
    struct named_change **tail = &s->named.changes;
    changes_drop(s);
    s->named.uncertain = r->facts & FACT_PREPARED;
    for (size_t i = 0; i < r->named_count; i++) {
        if (r->named[i].kind == NAMED_EXECUTE)
            continue;
        *tail = change_of(s, &r->named[i]);
        if (!*tail) {
            session_fail(s, "out of memory");
            return false;
        }
        tail = &(*tail)->next;
    }
    return true;
}

/* Errors that may have come before the statement did anything. */
static bool may_be_early(unsigned error)
{
    static const unsigned early[] = {1053, 1317, 1927, 1969, 3024}; /* shutdown, KILL, time-outs */
    for (size_t i = 0; i < sizeof early / sizeof early[0]; i++)
        if (error == early[i])
            return true;
    return false;
}

/* The name stands for something, and it is not known for what. */
static bool becomes_unknown(struct session *s, struct named_change *c)
{
    struct statement *st = c->st;
    c->st = NULL;
    forget_text(st);
    return add(s, st);
}

static bool take_effect(struct session *s, struct named_change *c, bool ok)
{
    bool done = ok || c->part < s->tracker.results;
    if (!ok && s->named.uncertain)
        return becomes_unknown(s, c);
    if (!done && c->part > s->tracker.results)
        return true;
    if (!done && may_be_early(s->tracker.error))
        return becomes_unknown(s, c);
    if (c->made && done) {
        struct statement *st = c->st;
        c->st = NULL;
        return add(s, st);
    }
    drop(s, find(s, c->st->name)); /* a PREPARE that fails has dropped what had the name */
    return true;
}

void named_ended(struct session *s, bool ok)
{
    for (struct named_change *c = s->named.changes; c; c = c->next) {
        if (!take_effect(s, c, ok)) {
            session_fail(s, "out of memory");
            break;
        }
    }
    changes_drop(s);
}

void named_clear(struct session *s)
{
    while (s->named.statements)
        drop(s, s->named.statements);
    changes_drop(s);
    named_forget_values(s);
    s->named = (struct named){0};
}

/* ---- the values of expressions ---- */

void named_forget_values(struct session *s)
{
    if (!s->named.values)
        return;
    for (size_t i = 0; i < s->named.value_count; i++)
        free((char *)s->named.values[i].text.ptr);
    free(s->named.values);
    s->named.values = NULL;
    s->named.value_count = 0;
}

/* The row: the value, and whether it is NULL; one that is too long for a packet comes as NULL and is not. */
static void value_packet(struct session *s, struct span payload)
{
    struct rewrite_value *value = &s->named.values[s->named.value_count - 1];
    if (s->tracker.kind == KIND_COLUMNS)
        s->own_columns = s->tracker.columns;
    if (s->tracker.kind != KIND_DATA || s->own_step++ != s->own_columns || payload.len >= PACKET_MAX)
        return; /* definitions come first, then the row */
    struct reader r = reader_of(payload);
    bool null = reader_left(&r) > 0 && *r.p == 0xfb;
    struct span text = SPAN("NULL"); /* what the server reads in its place */
    if (null)
        r.p++;
    else
        text = read_lenenc_str(&r);
    struct span is_null = read_lenenc_str(&r);
    if (r.failed || null != span_eq(is_null, SPAN("1")))
        return;
    value->text = (struct span){malloc(text.len + 1), text.len};
    value->known = value->text.ptr != NULL;
    if (value->known && text.len > 0)
        memcpy((char *)value->text.ptr, text.ptr, text.len);
}

/* Where it failed, the value stays unknown. */
static void value_done(struct session *s, bool ok)
{
    if (!ok)
        log_debug("session %llu: an expression's value could not be asked for", (unsigned long long)s->id);
    buf_free(&s->own_error);
}

/* What the server converts SQL from an expression to before it reads it. On MySQL it is
 * character_set_connection, which the collation's name begins with, though the text is then read by the
 * client's. */
static struct span charset_of_dynamic_sql(const struct session *s)
{
    const char *name = s->mariadb ? s->charset : s->collation;
    if (!name)
        return SPAN("utf8mb4");
    return (struct span){name, s->mariadb ? strlen(name) : strcspn(name, "_")};
}

/* Asks for the expression as the server would take SQL from it, without another conversion on its way here.
 * Bytes alone meet in it: CHARSET()'s collation, the expression's and CONVERT()'s do not mix. */
static void ask_value(struct session *s, struct span e)
{
    static const struct own_command ask = {"an expression", ANSWER_RESULTS, value_packet, value_done};
    struct rewrite_value *more =
        realloc(s->named.values, (s->named.value_count + 1) * sizeof *s->named.values);
    struct buf text = BUF_INIT;
    if (more) {
        s->named.values = more;
        more[s->named.value_count++] = (struct rewrite_value){.known = false};
    }
    buf_add_str(&text, "SELECT IF(CHARSET(");
    buf_add_span(&text, e);
    buf_add_str(&text, ")=_binary'binary',CAST(");
    buf_add_span(&text, e);
    buf_add_str(&text, " AS BINARY),CAST(CONVERT(");
    buf_add_span(&text, e);
    buf_add_str(&text, " USING ");
    buf_add_span(&text, charset_of_dynamic_sql(s));
    buf_add_str(&text, ") AS BINARY)),(");
    buf_add_span(&text, e);
    buf_add_str(&text, ") IS NULL LIMIT 1");
    if (more && !buf_failed(&text))
        own_query(s, &ask, buf_span(&text));
    else
        session_fail(s, "out of memory");
    buf_free(&text);
}

/* ---- before a text is sent ---- */

/* MySQL prepares a statement anew by itself when its tables have changed, and reads the text under the modes
 * of that moment. */
static bool read_otherwise(const struct session *s, const struct statement *st)
{
    return !s->mariadb && st->touches && st->serial != generation_serial(s->pin) &&
           statement_modes_differ(s, st);
}

/* What the server must have under a name before the text comes; a null pointer: what it has will do. */
static struct span must_have(const struct session *s, const struct statement *st,
                             const struct rewrite_named *op)
{
    struct span nothing = {NULL, 0};
    if (op->kind == NAMED_EXECUTE && op->earlier &&
        (st->lost || !span_eq(st->sent, op->sent) || read_otherwise(s, st)))
        return op->sent;
    /* What could not be prepared anew is not there any more, but the client does not know. */
    if (op->kind == NAMED_DEALLOCATE && st->lost)
        return SPAN("DO 1");
    return nothing;
}

bool named_ready(struct session *s, const struct rewrite_result *r)
{
    if (r->ask.ptr) {
        ask_value(s, r->ask);
        return false;
    }
    for (size_t i = 0; i < r->named_count; i++) {
        struct statement *st = find(s, r->named[i].name);
        struct span sent = {NULL, 0};
        if (st && st->text.ptr)
            sent = must_have(s, st, &r->named[i]);
        if (!sent.ptr)
            continue;
        if (!s->asked && !(s->modes_known && s->charset_known && s->database_known))
            own_ask_modes(s);
        else
            statement_renew_named(s, st, sent);
        return false;
    }
    return true;
}
