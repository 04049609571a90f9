/* What a view shows, as far as its text tells. The server keeps it in a form of its own, whatever the author
 * wrote:
 *
 *     select `x`.`id` AS `id`,`x`.`a` AS `size` from (`shop`.`users` `x` join `shop`.`v` on(…))
 *
 * Tables and views stand there as `db`.`name`, each column with its name in the view behind AS. */
#include "proxy/rewrite/catalog.h"

enum { VIEW_DEPTH = 32 }; /* views upon views: beyond, anything may be behind them */

/* Moves behind a string or a quoted name that begins at *at; *inside: what stands between the quotes. */
static void skip_quoted(struct span text, size_t *at, struct span *inside)
{
    char quote = text.ptr[(*at)++];
    size_t from = *at;
    while (*at < text.len && text.ptr[*at] != quote)
        *at += text.ptr[*at] == '\\' && quote == '\'' ? 2 : 1;
    *at = *at < text.len ? *at : text.len;
    *inside = (struct span){text.ptr + from, *at - from};
    *at += *at < text.len;
}

/* The next name in backquotes; *behind_dot: it stands right behind a dot. false: there is none. */
static bool next_name(struct span text, size_t *at, struct span *name, bool *behind_dot)
{
    while (*at < text.len) {
        char c = text.ptr[*at];
        if (c != '`' && c != '\'') {
            ++*at;
            continue;
        }
        *behind_dot = *at > 0 && text.ptr[*at - 1] == '.';
        skip_quoted(text, at, name);
        if (c == '`')
            return true;
    }
    return false;
}

static bool same_name(const struct catalog *c, struct span a, struct span b)
{
    return catalog_folds(c) ? span_ieq(a, b) : span_eq(a, b);
}

static bool may_show(const struct catalog *c, const struct catalog_table *view, struct span db,
                     struct span table, unsigned depth)
{
    struct span before = SPAN(""), name;
    size_t at = 0;
    bool behind_dot;
    if (view->definition.len == 0 || depth == 0)
        return true;
    while (next_name(view->definition, &at, &name, &behind_dot)) {
        if (behind_dot && same_name(c, before, db) && same_name(c, name, table))
            return true;
        const struct catalog_table *inner = behind_dot ? catalog_find(c, before, name) : NULL;
        if (inner && inner->is_view && inner != view && may_show(c, inner, db, table, depth - 1))
            return true;
        before = name;
    }
    return false;
}

bool catalog_view_may_show(const struct catalog *c, const struct catalog_table *view, struct span db,
                           struct span table)
{
    return may_show(c, view, db, table, VIEW_DEPTH);
}

static bool keeps_name(const struct catalog *c, const struct catalog_table *view, struct span column,
                       unsigned depth)
{
    struct span before = SPAN(""), name, definition = view->definition;
    size_t at = 0, before_end = 0;
    bool behind_dot, kept = false;
    if (depth == 0)
        return false;
    while (next_name(definition, &at, &name, &behind_dot)) {
        struct span between = {definition.ptr + before_end,
                               (size_t)(name.ptr - 1 - definition.ptr) - before_end};
        const struct catalog_table *inner = behind_dot ? catalog_find(c, before, name) : NULL;
        if (span_ieq(between, SPAN(" AS ")) && span_ieq(name, column))
            kept = span_ieq(before, column);
        if (inner && inner->is_view && inner != view && catalog_column_of(inner, column) &&
            !keeps_name(c, inner, column, depth - 1))
            return false;
        before = name;
        before_end = at;
    }
    return kept;
}

bool catalog_view_keeps_name(const struct catalog *c, const struct catalog_table *view, struct span column)
{
    return keeps_name(c, view, column, VIEW_DEPTH);
}
