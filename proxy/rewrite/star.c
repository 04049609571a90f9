/* `*` in the old shape: the columns that the table showed before its migrations, in their order. It is left
 * alone as long as the server's own `*` shows just that. */
#include "proxy/rewrite/expression.h"
#include "proxy/rewrite/plan.h"

bool in_old_shape(const struct source *source, const struct catalog_column *column)
{
    struct column_ref ref;
    return !column->invisible && !(source_column(source, column->name, &ref) && ref.is_new);
}

static bool shows_new_columns(const struct source *source)
{
    for (size_t i = 0; source->table && i < source->table->column_count; i++) {
        const struct catalog_column *c = &source->table->columns[i];
        if (!c->invisible && !in_old_shape(source, c))
            return true;
    }
    return false;
}

bool star_reshapes(struct plan *p, const struct source *source)
{
    bool flips = false;
    for (uint32_t i = 0; i < source->rule_count; i++) {
        const struct rule *r = source->rules[i];
        flips = flips || rule_flips(r);
        if (rule_flips(r) && !source->table)
            refuse(p, r, "* is to show the table in its old shape, and its columns are not known",
                   "name the columns");
    }
    return source->rule_count && (flips || shows_new_columns(source));
}

static void touch_old_columns(struct plan *p, const struct source *source)
{
    for (uint32_t i = 0; i < source->rule_count; i++)
        for (size_t k = 0; k < source->rules[i]->old_count; k++)
            touch(p, source->rules[i], source->rules[i]->old_columns[k].name, false);
}

/* One column of an expanded star. */
static void add_column(struct plan *p, struct builder *b, const struct source *source, struct span column)
{
    struct column_ref ref;
    if (source_column(source, column, &ref) && !ref.is_new && rule_flips(ref.rule)) {
        builder_add_fragment(b, flipped_text(p, &ref));
        builder_add(b, SPAN(" AS "));
        builder_add(b, quoted_name(p->arena, column));
    } else {
        builder_add(b, column_text(p, source->qualifier, column));
    }
}

static void add_columns(struct plan *p, struct builder *b, const struct source *source)
{
    for (size_t i = 0; i < source->table->column_count; i++) {
        const struct catalog_column *c = &source->table->columns[i];
        if (!in_old_shape(source, c))
            continue;
        if (b->len)
            builder_add(b, SPAN(", "));
        add_column(p, b, source, c->name);
    }
}

void expand_star(struct plan *p, const struct scope *s, const struct expr *star)
{
    const struct source *only = name_given(&star->table) ? source_named(p, s, &star->db, &star->table) : NULL;
    bool reshape = false;
    if (name_given(&star->table) && !only)
        return;
    for (const struct source *o = only ? only : s->first; o; o = only ? NULL : o->next) {
        touch_old_columns(p, o);
        reshape = star_reshapes(p, o) || reshape;
    }
    if (!reshape || p->refused)
        return;
    if (!only && s->joins_by_name) {
        refuse(p, NULL, "* over NATURAL JOIN or USING is to show a migrated table in its old shape",
               "name the columns");
        return;
    }
    struct builder b = {.arena = p->arena};
    for (const struct source *o = only ? only : s->first; o; o = only ? NULL : o->next) {
        if (o->rule_count && o->table) {
            add_columns(p, &b, o);
        } else {
            if (b.len)
                builder_add(&b, SPAN(", "));
            builder_add(&b, o->qualifier);
            builder_add(&b, SPAN(".*"));
        }
    }
    edits_replace(&p->edits, star->range, fragment_of(builder_done(&b).text));
    p->flips++;
}
