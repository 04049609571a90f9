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

/* ---- joins by name ---- */

/* The one join of a FROM clause that has no more than two plain tables, so that its columns' order is plain
 * too: those joined by once, then the left table's, then the right one's. NULL for all others. */
static const struct table_ref *simple_join(const struct scope *s)
{
    const struct table_ref *join = s->select ? s->select->from : NULL;
    bool simple = join && !join->next && join->kind == TABLE_JOIN && join->join != JOIN_RIGHT &&
                  join->left->kind == TABLE_NAMED && join->right->kind == TABLE_NAMED && !join->left->next &&
                  s->first->table && s->last->table && s->first->next == s->last;
    for (const struct source *o = s->first; o && simple; o = o->next)
        simple = !shows_new_columns(o);
    return simple ? join : NULL;
}

static bool is_joined_by(const struct table_ref *join, const struct source *other, struct span column)
{
    if (join->natural) {
        const struct catalog_column *c = catalog_column_of(other->table, column);
        return c && !c->invisible;
    }
    for (const struct name_list *n = join->using; n; n = n->next)
        if (span_ieq(n->name.text, column))
            return true;
    return false;
}

/* The columns of one table that are, or are not, joined by. */
static void add_joined(struct plan *p, struct builder *b, const struct table_ref *join,
                       const struct source *source, const struct source *other, bool joined)
{
    for (size_t i = 0; i < source->table->column_count; i++) {
        const struct catalog_column *c = &source->table->columns[i];
        if (!in_old_shape(source, c) || is_joined_by(join, other, c->name) != joined)
            continue;
        if (b->len)
            builder_add(b, SPAN(", "));
        add_column(p, b, source, c->name);
    }
}

static void expand_join(struct plan *p, struct builder *b, const struct scope *s,
                        const struct table_ref *join)
{
    add_joined(p, b, join, s->first, s->last, true);
    add_joined(p, b, join, s->first, s->last, false);
    add_joined(p, b, join, s->last, s->first, false);
}

/* Without a name, or with another table's (of another database: the server takes that), nothing tells whose
 * columns are meant. */
static bool has_name_of_its_own(const struct scope *s, const struct source *source)
{
    for (const struct source *o = s->first; o; o = o->next)
        if (o != source && span_ieq(o->qualifier, source->qualifier))
            return false;
    return source->qualifier.len > 0;
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
    const struct table_ref *join = simple_join(s);
    if (!only && s->joins_by_name && !join) {
        refuse(p, NULL, "* over NATURAL JOIN or USING is to show a migrated table in its old shape",
               "name the columns");
        return;
    }
    struct builder b = {.arena = p->arena};
    if (!only && s->joins_by_name)
        expand_join(p, &b, s, join);
    for (const struct source *o = only ? only : s->first; o && (only || !s->joins_by_name) && !p->refused;
         o = only ? NULL : o->next) {
        if (!only && s->first != s->last && !has_name_of_its_own(s, o))
            refuse(p, NULL,
                   "* over a table that has no name of its own is to show a migrated one in its old shape",
                   "give every table an alias");
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

/* ---- the columns that a star shows ---- */

struct shown_list {
    struct shown_column *items;
    uint32_t count, cap;
};

static bool add_shown(struct plan *p, struct shown_list *list, const struct source *source, struct span name)
{
    if (list->count == list->cap) {
        uint32_t cap = list->cap ? list->cap * 2 : 16;
        struct shown_column *larger = arena_alloc(p->arena, cap * sizeof *larger);
        if (arena_failed(p->arena))
            return false;
        if (list->count)
            memcpy(larger, list->items, list->count * sizeof *larger);
        list->items = larger;
        list->cap = cap;
    }
    list->items[list->count++] = (struct shown_column){source, name};
    return true;
}

static bool list_star(struct plan *p, struct shown_list *list, const struct scope *s, const struct expr *star,
                      const struct source *as);

/* The columns of a derived table or a CTE: those of its leftmost SELECT, unless names were given. */
static bool list_query(struct plan *p, struct shown_list *list, const struct source *source,
                       const struct source *as)
{
    const struct scope *shape = source->shape;
    bool known = true;
    for (const struct name_list *n = source->columns; n && known; n = n->next)
        known = add_shown(p, list, as, n->name.text);
    if (source->columns)
        return known;
    if (!shape || !shape->select)
        return false;
    for (const struct select_item *item = shape->select->items; item && known; item = item->next)
        if (item->expr->kind == EXPR_STAR)
            known = list_star(p, list, shape, item->expr, as);
        else
            known = item_label(item).len && add_shown(p, list, as, item_label(item));
    return known;
}

/* `as`: whose columns they are for the one who asks; NULL: each source's own. */
static bool list_star(struct plan *p, struct shown_list *list, const struct scope *s, const struct expr *star,
                      const struct source *as)
{
    const struct source *only = name_given(&star->table) ? source_named(p, s, &star->db, &star->table) : NULL;
    if (!only && (s->joins_by_name || name_given(&star->table)))
        return false;
    for (const struct source *o = only ? only : s->first; o; o = only ? NULL : o->next) {
        if (o->kind == SOURCE_QUERY && !list_query(p, list, o, as ? as : o))
            return false;
        if (o->kind == SOURCE_OPAQUE || (o->kind == SOURCE_TABLE && !o->table))
            return false;
        for (size_t i = 0; o->kind == SOURCE_TABLE && i < o->table->column_count; i++)
            if (in_old_shape(o, &o->table->columns[i]) &&
                !add_shown(p, list, as ? as : o, o->table->columns[i].name))
                return false;
    }
    return true;
}

/* As add_joined(). */
static bool list_joined(struct plan *p, struct shown_list *list, const struct table_ref *join,
                        const struct source *source, const struct source *other, bool joined)
{
    bool known = true;
    for (size_t i = 0; i < source->table->column_count && known; i++) {
        const struct catalog_column *c = &source->table->columns[i];
        if (in_old_shape(source, c) && is_joined_by(join, other, c->name) == joined)
            known = add_shown(p, list, source, c->name);
    }
    return known;
}

bool star_columns_joined(struct plan *p, const struct scope *s, const struct expr *star,
                         struct shown_column **out, uint32_t *count)
{
    struct shown_list list = {0};
    const struct table_ref *join = simple_join(s);
    if (name_given(&star->table) || !s->joins_by_name)
        return star_columns(p, s, star, out, count);
    bool known = join && list_joined(p, &list, join, s->first, s->last, true) &&
                 list_joined(p, &list, join, s->first, s->last, false) &&
                 list_joined(p, &list, join, s->last, s->first, false);
    *out = list.items;
    *count = list.count;
    return known;
}

bool star_columns(struct plan *p, const struct scope *s, const struct expr *star, struct shown_column **out,
                  uint32_t *count)
{
    struct shown_list list = {0};
    bool known = list_star(p, &list, s, star, NULL);
    *out = list.items;
    *count = list.count;
    return known;
}
