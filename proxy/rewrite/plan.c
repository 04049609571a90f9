/* Refusals, touches and the texts that every part of the plan is made of. */
#include "proxy/rewrite/plan.h"

#include <stdio.h>

#include "proxy/rewrite/expression.h"
#include "proxy/sql/lexer.h"

void refuse(struct plan *p, const struct rule *rule, const char *reason, const char *hint)
{
    bool stricter = p->refused && p->rule && p->rule->pass_unrewritable && rule && !rule->pass_unrewritable;
    if ((p->refused && !stricter) || (rule && rule->phase == PHASE_EXPAND))
        return;
    p->refused = true;
    p->rule = rule;
    p->reason = reason;
    p->hint = hint;
}

void refuse_about(struct plan *p, const struct rule *rule, const char *format, struct span name,
                  const char *hint)
{
    char reason[256];
    snprintf(reason, sizeof reason, format, (int)(name.len < 64 ? name.len : 64), name.ptr);
    refuse(p, rule, arena_copy(p->arena, span_of(reason)).ptr, hint);
}

void touch(struct plan *p, const struct rule *rule, struct span column, bool write)
{
    for (const struct touch_node *n = p->touches; n; n = n->next)
        if (n->touch.rule == rule && n->touch.column.ptr == column.ptr && n->touch.write == write)
            return;
    struct touch_node *node = arena_new_of(p->arena, struct touch_node);
    *node = (struct touch_node){{rule, column, write}, p->touches};
    p->touches = node;
    p->touch_count++;
}

struct span column_text(struct plan *p, struct span qualifier, struct span column)
{
    struct span quoted = quoted_name(p->arena, column);
    if (qualifier.len == 0)
        return quoted;
    struct builder b = {.arena = p->arena};
    builder_add(&b, qualifier);
    builder_add(&b, SPAN("."));
    builder_add(&b, quoted);
    return builder_done(&b).text;
}

/* An expression's text with its columns qualified. */
static struct span qualified_text(struct plan *p, const struct expression *e, struct span qualifier)
{
    char *text = arena_alloc(p->arena, e->text.len + e->ref_count * (qualifier.len + 1) + 2), *to = text;
    const char *from = e->text.ptr;
    if (arena_failed(p->arena))
        return e->text;
    if (!e->atomic)
        *to++ = '(';
    for (size_t i = 0; i < e->ref_count; i++) {
        const char *column = e->text.ptr + e->refs[i].off;
        to = mempcpy(to, from, (size_t)(column - from));
        to = mempcpy(to, qualifier.ptr, qualifier.len);
        *to++ = '.';
        from = column;
    }
    to = mempcpy(to, from, (size_t)(e->text.ptr + e->text.len - from));
    if (!e->atomic)
        *to++ = ')';
    return (struct span){text, (size_t)(to - text)};
}

struct fragment expression_text(struct plan *p, const struct expression *e, struct span qualifier,
                                const struct substitute *substitutes, uint32_t count)
{
    if ((p->session->dialect.modes & SQL_ORACLE) && !e->same_in_oracle)
        refuse(p, NULL, "sql_mode ORACLE changes what expressions mean",
               "leave ORACLE mode for this statement");
    if (qualifier.len == 0 && count == 0 && e->atomic)
        return fragment_of(e->text);
    if (qualifier.len > 0 && count == 0)
        return fragment_of(qualified_text(p, e, qualifier));
    struct builder b = {.arena = p->arena};
    uint32_t at = 0;
    if (!e->atomic)
        builder_add(&b, SPAN("("));
    for (size_t i = 0; i < e->ref_count; i++) {
        const struct expression_ref *ref = &e->refs[i];
        const struct substitute *with = NULL;
        for (uint32_t k = 0; k < count; k++)
            if (span_ieq(substitutes[k].column, ref->column))
                with = &substitutes[k];
        builder_add(&b, (struct span){e->text.ptr + at, ref->off - at});
        if (with) {
            builder_add_fragment(&b, with->with);
        } else {
            if (qualifier.len) {
                builder_add(&b, qualifier);
                builder_add(&b, SPAN("."));
            }
            builder_add(&b, (struct span){e->text.ptr + ref->off, ref->len});
        }
        at = ref->off + ref->len;
    }
    builder_add(&b, (struct span){e->text.ptr + at, e->text.len - at});
    if (!e->atomic)
        builder_add(&b, SPAN(")"));
    return builder_done(&b);
}

/* Finds the text's markers, once: only where one has to be repeated. */
static void find_markers(struct plan *p)
{
    struct lexer lx;
    size_t most = 0;
    for (size_t i = 0; i < p->text.len; i++)
        most += p->text.ptr[i] == '?';
    uint32_t *offs = arena_alloc(p->arena, (most + 1) * sizeof *offs);
    p->markers_known = true;
    if (arena_failed(p->arena))
        return;
    lex_init(&lx, &p->session->dialect, p->text);
    for (struct token t = lex_next(&lx); t.type != TOK_END; t = lex_next(&lx))
        if (t.type == '?')
            offs[p->markers.count++] = t.off;
    p->markers.offs = offs;
}

struct fragment rendered(struct plan *p, struct range r)
{
    p->values_matter = true;
    if (p->stmt->param_count && !p->markers_known)
        find_markers(p);
    return edits_render(&p->edits, p->text, r, false, p->stmt->param_count ? &p->markers : NULL, NULL);
}

void *grown(struct arena *arena, void *items, size_t count, size_t size, size_t *cap)
{
    if (count < *cap)
        return items;
    if (arena_failed(arena))
        return NULL;
    size_t more = *cap ? *cap * 2 : 1; /* one is what most texts have */
    void *larger = arena_alloc(arena, more * size);
    if (arena_failed(arena))
        return NULL;
    if (count)
        memcpy(larger, items, count * size);
    *cap = more;
    return larger;
}
