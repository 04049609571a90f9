/* What is known of the backend's session: status flags, default database, how its text is to be read. It
 * comes from OK packets (session tracking is always on towards the backend where that offers it), from what
 * the rewriter says of a text, and, where neither tells, from asking (own.c). */
#include "proxy/session/statements.h"

#include <stdlib.h>

uint32_t facts_modes_in_flags(const struct session *s)
{
    return SQL_NO_BACKSLASH_ESCAPES | (s->mariadb ? SQL_ANSI_QUOTES : 0u);
}

static uint32_t modes_told(const struct session *s)
{
    uint32_t modes = s->status & STATUS_NO_BACKSLASH_ESCAPES ? SQL_NO_BACKSLASH_ESCAPES : 0;
    if (s->status & STATUS_ANSI_QUOTES)
        modes |= SQL_ANSI_QUOTES;
    return modes & facts_modes_in_flags(s);
}

static void believe_flags(struct session *s)
{
    s->dialect.modes = (s->dialect.modes & ~facts_modes_in_flags(s)) | modes_told(s);
}

/* A routine that sets sql_mode has it set back when it ends, but not the flags, on either line of servers. So
 * flags that stay as they were say nothing against what was asked for; and where they change, they may be
 * wrong. Nor do those with the answer to a command of the proxy's own: an error before it, which has none,
 * may have kept them back, and what the proxy sets and sets back itself is known without them. */
void facts_status(struct session *s, uint16_t status)
{
    uint32_t before = modes_told(s);
    s->status = status;
    s->status_stale = false;
    s->flags_told = s->flags_told || s->state >= STATE_READY;
    if (modes_told(s) == before || (s->state == STATE_OWN && s->modes_known))
        return;
    believe_flags(s);
    s->modes_known = false;
    s->modes_doubted = true;
}

void facts_set_database(struct session *s, struct span name)
{
    s->database_known = true;
    if (name.len == s->database_len && (name.len == 0 || memcmp(name.ptr, s->database, name.len) == 0))
        return;
    free(s->database);
    s->database = name.len ? malloc(name.len) : NULL;
    s->database_len = s->database ? name.len : 0;
    if (s->database)
        memcpy(s->database, name.ptr, name.len);
    else if (name.len)
        s->database_known = false;
}

void facts_forget(struct session *s)
{
    s->modes_known = s->charset_known = s->database_known = false;
    s->modes_doubted = false;
    s->charset_doubted = true;
    believe_flags(s);
    s->sql_prepared = false;
    temporary_forget(s);
}

void facts_from_ok(struct session *s, struct span payload)
{
    struct state_iter it = state_iter_of(ok_state(payload));
    struct state_item item;
    while (state_next(&it, &item)) {
        if (item.type == STATE_SCHEMA) {
            s->schema_told = true;
            facts_set_database(s, item.value);
        } else if (item.type == STATE_VARIABLE && span_eq(item.name, SPAN("character_set_client"))) {
            s->dialect.charset = sql_charset_of(item.value);
            s->charset_told = true;
            s->charset_doubted = false;
        }
    }
}

/* ---- what a text changes ---- */

static bool copy(struct span *to, struct span from)
{
    char *p = malloc(from.len + 1);
    if (!p)
        return false;
    if (from.len > 0)
        memcpy(p, from.ptr, from.len);
    p[from.len] = 0;
    free((char *)to->ptr);
    to->ptr = p;
    to->len = from.len;
    return true;
}

void changes_free(struct changes *c)
{
    free((char *)c->database.ptr);
    buf_free(&c->temporary);
    *c = (struct changes){0};
}

bool changes_set(struct changes *c, const struct rewrite_result *r, const struct rules *rules)
{
    changes_free(c);
    c->facts = r->facts;
    if (r->temporary_count > 0)
        c->facts |= FACT_TEMPORARY;
    if ((r->facts & FACT_USE) && !copy(&c->database, r->use_database))
        return false;
    for (size_t i = 0; i < r->temporary_count; i++) {
        const struct rewrite_temporary *t = &r->temporary[i];
        buf_add_byte(&c->temporary, t->created);
        size_t at = buf_len(&c->temporary);
        add_u16(&c->temporary, (uint32_t)(t->db.len + 1 + t->table.len));
        buf_add_span(&c->temporary, t->db);
        buf_add_byte(&c->temporary, '.');
        buf_add_span(&c->temporary, t->table);
        if (buf_failed(&c->temporary))
            return false;
        char *name = buf_ptr(&c->temporary) + at + 2;
        for (size_t k = 0; rules->fold_table_names && k < t->db.len + 1 + t->table.len; k++)
            name[k] = (char)ascii_lower((unsigned char)name[k]);
    }
    return true;
}

void facts_apply(struct session *s, bool ok)
{
    const struct changes *c = s->pending;
    s->pending = NULL;
    if (c->facts & FACT_MODES) {
        s->modes_known = s->charset_known = false;
        s->modes_doubted = true;
        s->charset_doubted |= !s->charset_told; /* session_track_system_variables may leave it out */
    }
    if (c->facts & FACT_TEMPORARY)
        temporary_apply(s, &c->temporary, ok);
    /* With session tracking the server itself has said which database it is by now, unless that was turned
     * off. */
    if ((c->facts & FACT_USE) && !s->schema_told) {
        if (ok && c->database.ptr)
            facts_set_database(s, c->database);
        else
            s->database_known = false;
    }
    /* What ran unseen may have chosen one, and turned tracking off before that. */
    if ((c->facts & FACT_MODES) && (c->facts & FACT_PREPARED) && !s->schema_told)
        s->database_known = false;
    s->schema_told = false;
}

void facts_set_modes(struct session *s, struct span sql_mode, struct span charset, struct span collation)
{
    s->dialect.modes = sql_modes_of(sql_mode);
    s->dialect.charset = sql_charset_of(charset);
    free(s->sql_mode);
    free(s->charset);
    s->sql_mode = strndup(sql_mode.ptr, sql_mode.len);
    s->charset = strndup(charset.ptr, charset.len);
    free(s->collation);
    s->collation = strndup(collation.ptr, collation.len);
    s->modes_known = s->charset_known = s->sql_mode && s->charset && s->collation;
    s->charset_doubted = false;
}

void facts_free(struct session *s)
{
    changes_free(&s->text_changes);
    shown_free(&s->text_shown);
    temporary_forget(s);
    free(s->database);
    free(s->sql_mode);
    free(s->charset);
    free(s->collation);
}

struct rewrite_session facts_rewrite_session(struct session *s, const struct rules *rules, bool prepared)
{
    return (struct rewrite_session){
        .rules = rules,
        .database = {s->database ? s->database : "", s->database_len},
        .dialect = s->dialect,
        .temporary_tables = s->temporary,
        .temporary_count = s->temporary_count,
        .prepared = prepared,
        .find_prepared = s->named.statements ? named_find : NULL,
        .find_in = s,
        .sql_prepared = s->sql_prepared,
        .asks = !prepared,
        .values = s->named.values,
        .value_count = s->named.value_count,
    };
}

/* ---- counters ---- */

static void add_one(atomic_ullong *counter)
{
    atomic_fetch_add_explicit(counter, 1, memory_order_relaxed);
}

/* Whether one of the touches before `i` was of the same rule and kind. */
static bool seen(const struct rewrite_touch *touches, size_t i)
{
    for (size_t k = 0; k < i; k++)
        if (touches[k].rule == touches[i].rule && touches[k].write == touches[i].write)
            return true;
    return false;
}

static void count_part(const struct rewrite_part *part, enum rewrite_verdict whole)
{
    for (size_t i = 0; i < part->touch_count; i++) {
        struct rule_counters *c = part->touches[i].rule->counters;
        if (!c || seen(part->touches, i))
            continue;
        add_one(part->touches[i].write ? &c->writes : &c->reads);
        if (part->verdict == REWRITE_REWRITTEN)
            add_one(&c->rewritten);
    }
    if (part->verdict == REWRITE_UNREWRITABLE && part->rule && part->rule->counters)
        add_one(whole == REWRITE_UNREWRITABLE ? &part->rule->counters->refused
                                              : &part->rule->counters->passed);
}

void facts_count(const struct rewrite_result *r)
{
    for (size_t i = 0; i < r->part_count; i++)
        count_part(&r->parts[i], r->verdict);
}
