/* Statements as text: what becomes of COM_QUERY, and the commands that change what a text means. */
#include "proxy/session/statements.h"

#include "protocol/attributes.h"
#include "protocol/large.h"
#include "proxy/rewrite/shapes.h"
#include "proxy/sql/arena.h"
#include "proxy/sql/lexer.h"

#define ERROR_MALFORMED 1835

enum { LONG = 8192 }; /* to ask takes less time than to read a longer text in several ways */

/* Whether the text names a migrated table in some character set, where that decides how it is read. */
static bool named_in_other_charsets(struct rewrite_session rs, struct span text)
{
    if (!charset_may_matter(text))
        return false;
    bool named = text.len > LONG;
    for (int i = 0; i < CHARSET_COUNT && !named; i++) {
        rs.dialect.charset = (enum sql_charset)i;
        named = rewrite_names(&rs, text);
    }
    return named;
}

/* A block has a semicolon before its END: "BEGIN;" is none. */
static bool may_hold_block(struct span text)
{
    while (text.len > 0 && (text.ptr[text.len - 1] == ';' || lex_is(text.ptr[text.len - 1], CLASS_SPACE)))
        text.len--;
    return memchr(text.ptr, ';', text.len);
}

/* Whether the text is let pass as it came when it is read so, and has only facts that need no look at it.
 * Whether a migrated table's name in it means that table is not judged: the database and the temporary tables
 * may be in doubt too. */
static bool passes_by(struct session *s, const struct rewrite_session *rs, struct span text, uint32_t *facts)
{
    static const uint32_t plain = FACT_MODES | FACT_DDL | FACT_PREPARED;
    struct rewrite_result r = {.verdict = REWRITE_UNCHANGED};
    *facts = 0;
    if (!rewrite_wanted(rs, text))
        return true;
    if (text.len > LONG || rewrite_names(rs, text))
        return false;
    arena_reset(s->shared->arena);
    rewrite_text(s->shared->arena, rs, text, &r);
    *facts = r.facts;
    return r.verdict == REWRITE_UNCHANGED && !r.within && !r.ask.ptr && r.named_count == 0 &&
           !(r.facts & ~plain);
}

/* The modes under which the text may be read otherwise than it is here. MySQL's status flags do not tell
 * ANSI_QUOTES, a routine leaves wrong ones behind, and those of init_connect come with the first command's
 * answer: as long as that is not known, a migrated table's name may stand in double quotes, or behind a
 * string that ends elsewhere. Nothing tells MariaDB's ORACLE and MSSQL, where BEGIN may open a block and
 * brackets a name. */
static uint32_t modes_in_doubt(const struct session *s, struct span text)
{
    uint32_t doubted = 0;
    bool told = !s->modes_doubted && s->flags_told;
    if (!(told && s->mariadb) && memchr(text.ptr, '"', text.len))
        doubted |= SQL_ANSI_QUOTES;
    if (!told && memchr(text.ptr, '\\', text.len))
        doubted |= SQL_NO_BACKSLASH_ESCAPES;
    if (s->mariadb && may_hold_block(text))
        doubted |= SQL_ORACLE;
    if (s->mariadb && memchr(text.ptr, '[', text.len))
        doubted |= SQL_BRACKETS;
    return doubted;
}

/* Whether it matters that the server may read the text otherwise: most texts pass in every reading. */
static bool may_be_read_otherwise(struct session *s, const struct rewrite_session *rs, struct span text)
{
    uint32_t facts, others, doubted;
    if (s->modes_known || s->asked)
        return false;
    if (s->charset_doubted && named_in_other_charsets(*rs, text))
        return true;
    doubted = modes_in_doubt(s, text);
    if (!doubted)
        return false;
    bool passes = passes_by(s, rs, text, &facts);
    struct rewrite_session other = *rs;
    for (uint32_t modes = doubted; modes && passes; modes = (modes - 1) & doubted) {
        other.dialect.modes = rs->dialect.modes ^ modes;
        passes = passes_by(s, &other, text, &others) && others == facts;
    }
    return !passes;
}

/* The client's buffer, where a large text stands in it alone and will not be looked at again: it can become
 * the backend's. */
static struct buf *text_over(struct session *s, struct span head, struct span text)
{
    struct buf *in = &s->client.in;
    bool settled =
        s->temporary_count == 0 && (s->asked || (s->modes_known && s->charset_known && s->database_known));
    size_t headers = s->joined / PACKET_MAX * PACKET_HEADER; /* left behind when the packets were joined */
    if (!settled || in->cap < LARGE || text.ptr != buf_ptr(in) + PACKET_HEADER + head.len ||
        text.ptr + text.len + headers != in->data + in->end || buf_len(channel_out(&s->backend)) > 0)
        return NULL;
    return in;
}

/* Whether the server must be asked before what was decided on the text can be trusted. */
static bool must_ask(const struct session *s, const struct rewrite_session *rs, struct span text,
                     const struct rewrite_result *r)
{
    if (s->asked || (s->modes_known && s->charset_known && s->database_known))
        return false;
    return r->touches || r->ask.ptr || (!s->database_known && (r->within || rewrite_names(rs, text)));
}

/* Nobody looks at what the session does while there are no rules. */
static void look_away(struct session *s)
{
    s->modes_known = s->charset_known = s->database_known = false;
    s->modes_doubted = s->charset_doubted = true;
    temporary_doubt(s);
}

enum text_plan text_decide(struct session *s, struct span text, const struct statement *as, struct span head,
                           struct rewrite_result *out)
{
    const struct rules *rules = session_pin(s);
    *out = (struct rewrite_result){.verdict = REWRITE_UNCHANGED};
    if (rules->count == 0 && !s->named.statements) {
        look_away(s);
        return TEXT_FORWARD;
    }
    struct rewrite_session rs = facts_rewrite_session(s, rules, !head.ptr);
    if (as) {
        rs.dialect = statement_dialect(s, as);
        rs.database = as->database;
    }
    if ((!as || !as->settled) && may_be_read_otherwise(s, &rs, text)) {
        own_ask_modes(s);
        return TEXT_WAIT;
    }
    if (!rewrite_wanted(&rs, text))
        return TEXT_FORWARD;
    arena_reset(s->shared->arena);
    if (head.ptr) {
        rs.into = &s->shared->built;
        buf_reset(rs.into);
        packet_begin(rs.into);
        buf_add_span(rs.into, head);
        rs.over = text_over(s, head, text);
    }
    shapes_rewrite(s->shared->shapes, generation_serial(s->pin), s->shared->arena, &rs, text, out);
    if (must_ask(s, &rs, text, out)) {
        own_ask_modes(s);
        return TEXT_WAIT;
    }
    if (s->temporary_count > 0 && (out->within || rewrite_names(&rs, text)) && temporary_ask(s, rules))
        return TEXT_WAIT;
    s->sql_prepared |= (out->facts & FACT_PREPARED) != 0;
    switch (out->verdict) {
    case REWRITE_UNREWRITABLE:
        return TEXT_REFUSE;
    case REWRITE_REWRITTEN:
        return TEXT_SEND;
    default:
        return TEXT_FORWARD;
    }
}

/* Answers the client with the error of INTERFACE.md. */
void text_refuse(struct session *s, const struct rewrite_result *r, size_t parts)
{
    struct buf text = BUF_INIT;
    rewrite_error_text(r, &text);
    log_debug("session %llu of %s@%s: refused: %.*s", (unsigned long long)s->id, s->user ? s->user : "",
              s->accepted.text, (int)buf_len(&text), buf_ptr(&text));
    command_refuse(s, parts, ERROR_REFUSED, buf_span(&text));
    buf_free(&text);
}

/* How much of a COM_QUERY stands before its text. 0: malformed. */
static size_t query_head(const struct session *s, struct span payload)
{
    return s->capabilities & CLIENT_QUERY_ATTRIBUTES ? attributes_end(payload) : 1;
}

size_t query_begin(struct session *s, char *bytes, size_t len)
{
    struct gathered g;
    struct rewrite_result r;
    if (session_unruled(s) && !s->named.statements) {
        session_pin(s);
        look_away(s);
        s->sql_prepared = true; /* perhaps */
        return command_forward(s, bytes, len);
    }
    if (!command_gather(s, bytes, len, &g))
        return command_forward(s, bytes, len);
    if (!g.payload.ptr)
        return 0;
    struct span head = {g.payload.ptr, query_head(s, g.payload)};
    struct span text = {g.payload.ptr + head.len, g.payload.len - head.len};
    if (head.len == 0) {
        command_refuse(s, g.parts, ERROR_MALFORMED, SPAN("Malformed communication packet.")); /* MySQL's */
        return g.size;
    }
    if (own_error_answer(s, g.parts)) {
        named_forget_values(s);
        return g.size;
    }
    enum text_plan plan = text_decide(s, text, NULL, head, &r);
    if (plan == TEXT_WAIT || (r.ask.ptr && !named_ready(s, &r)))
        return 0;
    bool passes = syntax_passes(&r);
    if (passes)
        plan = TEXT_FORWARD;
    if (plan == TEXT_REFUSE ? syntax_ask(s, &r, false) : !named_ready(s, &r) || !named_note(s, &r))
        return 0;
    if (!passes)
        facts_count(&r);
    if (plan == TEXT_REFUSE) {
        named_forget_values(s);
        text_refuse(s, &r, g.parts);
        return g.size;
    }
    if (changes_any(&r)) {
        if (!changes_set(&s->text_changes, &r, generation_snapshot(s->pin)->rules)) {
            session_fail(s, "out of memory");
            return 0;
        }
        s->pending = &s->text_changes;
    }
    if (!shown_set(&s->text_shown, &r)) {
        session_fail(s, "out of memory");
        return 0;
    }
    s->shown = r.shown_count > 0 ? &s->text_shown : NULL;
    named_forget_values(s); /* what the result tells may have stood in them */
    if (plan == TEXT_SEND)
        command_send_built(s, r.over ? &s->client.in : &s->shared->built, g.parts);
    else if (g.parts > 1) /* joined, so it must be split again */
        command_send(s, head, text, g.parts);
    else
        command_forward(s, bytes, g.size);
    return g.size;
}

size_t init_db_begin(struct session *s, char *bytes, size_t len)
{
    uint32_t n = get_u24(bytes);
    if (len - PACKET_HEADER < n)
        return 0;
    struct rewrite_result use = {.facts = FACT_USE, .use_database = {bytes + PACKET_HEADER + 1, n - 1}};
    if (!changes_set(&s->text_changes, &use, NULL)) {
        session_fail(s, "out of memory");
        return 0;
    }
    s->pending = &s->text_changes;
    return command_forward(s, bytes, len);
}
