/* What is known of the backend's session: status flags, default database, how its text is to be read. It
 * comes from OK packets (session tracking is always on towards the backend where that offers it), from what
 * the rewriter says of a text, and, where neither tells, from asking (own.c). */
#include "proxy/session/inside.h"

#include <stdlib.h>

void facts_status(struct session *s, uint16_t status)
{
    s->status = status;
    s->status_stale = false;
    uint32_t modes = s->dialect.modes & ~(uint32_t)SQL_NO_BACKSLASH_ESCAPES;
    if (status & STATUS_NO_BACKSLASH_ESCAPES)
        modes |= SQL_NO_BACKSLASH_ESCAPES;
    if (s->mariadb) {
        modes &= ~(uint32_t)SQL_ANSI_QUOTES;
        if (status & STATUS_ANSI_QUOTES)
            modes |= SQL_ANSI_QUOTES;
    }
    s->dialect.modes = modes;
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
}

void facts_from_ok(struct session *s, struct span payload)
{
    struct state_iter it = state_iter_of(ok_state(payload));
    struct state_item item;
    while (state_next(&it, &item)) {
        if (item.type == STATE_SCHEMA) {
            s->schema_told = true;
            facts_set_database(s, item.value);
        } else if (item.type == STATE_VARIABLE && span_eq(item.name, SPAN("sql_mode"))) {
            s->dialect.modes = sql_modes_of(item.value);
        } else if (item.type == STATE_VARIABLE && span_eq(item.name, SPAN("character_set_client"))) {
            s->dialect.charset = sql_charset_of(item.value);
        }
    }
}

void facts_pend(struct session *s, uint32_t facts, struct span use_database)
{
    s->pending.facts = facts;
    if (!(facts & FACT_USE))
        return;
    free(s->pending.database);
    s->pending.database = malloc(use_database.len + 1);
    s->pending.database_len = s->pending.database ? use_database.len : 0;
    if (s->pending.database)
        memcpy(s->pending.database, use_database.ptr, use_database.len);
}

void facts_apply(struct session *s, bool ok)
{
    uint32_t facts = s->pending.facts;
    s->pending.facts = 0;
    if (facts & FACT_MODES)
        s->modes_known = s->charset_known = false;
    /* With session tracking the server itself has said which database it is by now, unless that was turned
     * off. */
    if ((facts & FACT_USE) && !s->schema_told) {
        if (ok && s->pending.database)
            facts_set_database(s, (struct span){s->pending.database, s->pending.database_len});
        else
            s->database_known = false;
    }
    s->schema_told = false;
}

void facts_free(struct session *s)
{
    free(s->pending.database);
    free(s->database);
    free(s->temporary);
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
