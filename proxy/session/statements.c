/* The table of prepared statements; see statements.h. */
#include "proxy/session/statements.h"

#include <stdlib.h>

static struct span copy(struct span s)
{
    char *p = malloc(s.len + 1);
    if (p && s.len > 0)
        memcpy(p, s.ptr, s.len);
    return (struct span){p, s.len};
}

struct statement *statement_new(struct span text, struct span sent)
{
    struct statement *st = calloc(1, sizeof *st);
    if (!st)
        return NULL;
    st->text = copy(text);
    st->sent = span_eq(text, sent) ? st->text : copy(sent);
    if (st->text.ptr && st->sent.ptr)
        return st;
    statement_free(st);
    return NULL;
}

static void free_sent(struct statement *st)
{
    if (st->sent.ptr != st->text.ptr)
        free((char *)st->sent.ptr);
}

void statement_free(struct statement *st)
{
    if (!st)
        return;
    free_sent(st);
    free((char *)st->text.ptr);
    free((char *)st->name.ptr);
    free((char *)st->database.ptr);
    free(st->sql_mode);
    free(st->charset);
    free(st->collation);
    changes_free(&st->changes);
    shown_free(&st->shown);
    buf_free(&st->untold);
    free(st->map);
    free(st->inexact);
    free(st->types);
    free(st->longs);
    buf_free(&st->kept);
    buf_free(&st->error);
    free(st->counts);
    free(st);
}

void statement_take(struct statement *st, struct statement *from)
{
    free_sent(st);
    st->sent = from->sent;
    if (from->sent.ptr == from->text.ptr) /* it is the text itself again */
        st->sent = st->text;
    else
        from->sent = from->text;
    free(st->map);
    st->map = from->map;
    from->map = NULL;
    free(st->inexact);
    st->inexact = from->inexact;
    from->inexact = NULL;
    st->refused = from->refused;
    free(st->counts);
    st->counts = from->counts;
    st->count_count = from->count_count;
    from->counts = NULL;
    st->backend_id = from->backend_id;
    st->out_params = from->out_params;
    st->serial = from->serial;
    st->temporary = from->temporary;
    changes_free(&st->changes);
    st->changes = from->changes;
    from->changes = (struct changes){0};
    shown_free(&st->shown);
    st->shown = from->shown;
    from->shown = (struct shown){NULL, 0};
    buf_free(&st->untold);
    st->untold = from->untold;
    from->untold = BUF_INIT;
    st->touches = from->touches;
    st->types_sent = st->executed = st->lost = false;
    st->kept_sent = 0;
    statement_free(from);
}

void statement_forget_longs(struct session *s, struct statement *st)
{
    free(st->longs);
    st->longs = NULL;
    buf_free(&st->kept);
    buf_free(&st->error);
    st->kept_sent = 0;
    if (st->pin)
        worker_unpin(s->worker, st->pin);
    st->pin = NULL;
}

bool statement_bind(struct statement *st, const unsigned char *types)
{
    if (!st->types)
        st->types = malloc(2 * (size_t)st->params);
    if (!st->types)
        return false;
    memcpy(st->types, types, 2 * (size_t)st->params);
    return st->types_known = true;
}

static void remember_counter(struct statement *st, atomic_ullong *counter)
{
    for (size_t i = 0; i < st->count_count; i++)
        if (st->counts[i].counter == counter)
            return;
    struct statement_count *grown = realloc(st->counts, (st->count_count + 1) * sizeof *grown);
    if (!grown)
        return;
    st->counts = grown;
    st->counts[st->count_count++].counter = counter;
}

void statement_counts(struct statement *st, const struct rewrite_result *r)
{
    for (size_t p = 0; p < r->part_count; p++) {
        const struct rewrite_part *part = &r->parts[p];
        for (size_t i = 0; i < part->touch_count; i++) {
            struct rule_counters *c = part->touches[i].rule->counters;
            if (!c)
                continue;
            remember_counter(st, part->touches[i].write ? &c->writes : &c->reads);
            if (part->verdict == REWRITE_REWRITTEN)
                remember_counter(st, &c->rewritten);
        }
        if (part->verdict == REWRITE_UNREWRITABLE && part->rule && part->rule->counters)
            remember_counter(st, &part->rule->counters->passed);
    }
}

/* ---- the table ---- */

struct statement *statements_find(struct session *s, uint32_t id)
{
    struct statement *st;
    if (id == STATEMENT_LAST && s->mariadb)
        id = s->last_prepared;
    HASH_FIND(hh, s->statements, &id, sizeof id, st);
    return st;
}

/* NOLINTNEXTLINE(readability-function-size): what HASH_ADD_KEYPTR() expands to */
bool statement_enter(struct statement **table, const void *key, size_t len, struct statement *st)
{
    HASH_ADD_KEYPTR(hh, *table, key, len, st);
    if (st->hh.tbl)
        return true;
    statement_free(st);
    return false;
}

bool statements_add(struct session *s, struct statement *st)
{
    struct statement *same = statements_find(s, st->id);
    if (same)
        statements_remove(s, same);
    return statement_enter(&s->statements, &st->id, sizeof st->id, st);
}

void statements_remove(struct session *s, struct statement *st)
{
    HASH_DEL(s->statements, st);
    statement_forget_longs(s, st);
    statement_free(st);
}

void statements_clear(struct session *s)
{
    while (s->statements)
        statements_remove(s, s->statements);
    statement_free(s->preparing);
    s->preparing = s->executing = NULL;
    renewal_free(s);
    named_clear(s);
    s->last_prepared = 0;
}
