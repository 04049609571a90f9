/* CREATE TABLE … SELECT. The server gives the new table's columns the types of what is selected; after
 * cutover that is an expression where it was a column, so that the old column's own definition is written
 * out:
 *
 *     CREATE TABLE totals SELECT id, amount FROM orders
 *     CREATE TABLE totals (`amount` decimal(10,2) DEFAULT NULL) SELECT id, … AS `amount` FROM orders
 *
 * A column that is both defined and selected keeps the place that it has in the select list (MariaDB and
 * MySQL, "CREATE TABLE ... SELECT"), so the table has the same columns in the same order. Only what has a
 * plain column's definition is done so: GROUP BY, DISTINCT, set operations and outer joins change it. */
#include "proxy/rewrite/expression.h"
#include "proxy/rewrite/plan.h"

struct definitions {
    struct plan *p;
    const struct scope *scope;
    struct builder text;
    const struct rule *missing; /* of a column whose definition is not known */
};

/* Whether a text says the same to the server in every character set and SQL mode. */
static bool is_plain(struct span text)
{
    for (size_t i = 0; i < text.len; i++)
        if (text.ptr[i] < ' ' || text.ptr[i] >= 0x7f || text.ptr[i] == '\\' || text.ptr[i] == '"')
            return false;
    return true;
}

/* The definition that a column's copy gets: its type, whether it takes NULL, and its constant default. */
static void define(struct definitions *d, const struct column_ref *ref, struct span label)
{
    const struct source *s = ref->source;
    const struct catalog_column *c = s->table ? catalog_column_of(s->table, ref->column->name) : NULL;
    if (!c || s->nullable || c->auto_increment || c->generated || c->default_is_expression ||
        c->on_update_now || (c->has_default && c->default_text.len == 0) || !is_plain(c->type) ||
        !is_plain(c->default_text)) {
        d->missing = ref->rule;
        return;
    }
    struct builder *b = &d->text;
    builder_add(b, b->len ? SPAN(", ") : SPAN("("));
    builder_add(b, quoted_name(d->p->arena, label));
    builder_add(b, SPAN(" "));
    builder_add(b, c->type);
    if (c->charset.len) {
        builder_add(b, SPAN(" CHARACTER SET "));
        builder_add(b, c->charset);
        builder_add(b, SPAN(" COLLATE "));
        builder_add(b, c->collation);
    }
    builder_add(b, c->nullable ? SPAN(" NULL") : SPAN(" NOT NULL"));
    if (c->has_default) {
        builder_add(b, SPAN(" DEFAULT "));
        builder_add(b, c->default_text);
    }
}

/* Whether anything was edited within the range. */
static bool is_edited(const struct plan *p, struct range r)
{
    for (uint32_t i = 0; i < p->edits.count; i++)
        if (p->edits.items[i].off >= r.off && p->edits.items[i].off < range_end(r))
            return true;
    return false;
}

static void define_star(struct definitions *d, const struct expr *star)
{
    struct shown_column *shown;
    uint32_t count;
    struct column_ref ref;
    bool known = star_columns(d->p, d->scope, star, &shown, &count);
    for (uint32_t i = 0; known && i < count; i++)
        if (source_column(shown[i].source, shown[i].name, &ref) && must_flip(&ref))
            define(d, &ref, shown[i].name);
    if (!known && is_edited(d->p, star->range))
        d->missing = d->scope->first->rule_count ? d->scope->first->rules[0] : d->p->named;
}

static void define_item(struct definitions *d, const struct select_item *item)
{
    struct column_ref ref;
    const struct expr *e = item->expr;
    if (e->kind == EXPR_STAR) {
        define_star(d, e);
    } else if (e->kind == EXPR_COLUMN && resolve_column(d->p, d->scope, e, &ref)) {
        if (must_flip(&ref))
            define(d, &ref, item_label(item));
    } else if (is_edited(d->p, item->range)) {
        d->missing = d->p->named;
    }
}

/* The one SELECT whose items' definitions the table gets; NULL where there is no such. */
static const struct select *defining_select(const struct plan *p, const struct query *q)
{
    const struct select *select = q->body->kind == BODY_SETOP ? NULL : q->body->select;
    const struct scope *scope = select ? scope_of(p, select) : NULL;
    if (!scope || q->with || select->distinct || select->group || select->having)
        return NULL;
    for (const struct source *o = scope->first; o; o = o->next)
        if (o->kind != SOURCE_TABLE)
            return NULL;
    return select;
}

void plan_create_select(struct plan *p, const struct stmt *s)
{
    uint32_t before = p->flips;
    walk_query(p, s->query, NULL, NULL, false);
    if (p->flips == before || p->refused)
        return;
    uint32_t at = range_end(s->tables->name.range);
    const struct select *select = defining_select(p, s->query);
    struct definitions d = {.p = p, .text = {.arena = p->arena}};
    if (select)
        d.scope = scope_of(p, select);
    else
        d.missing = p->named;
    for (const struct select_item *item = select ? select->items : NULL; item; item = item->next)
        define_item(&d, item);
    /* A parenthesis may be that of definitions, which would have to be joined. */
    bool has_list = memchr(p->text.ptr + at, '(', s->query->range.off - at);
    if (d.missing || (d.text.len && has_list)) {
        refuse(p, d.missing ? d.missing : p->named,
               "CREATE TABLE … SELECT would give its columns the types of expressions",
               "create the table first, then INSERT … SELECT");
        return;
    }
    if (d.text.len == 0)
        return;
    struct builder b = {.arena = p->arena};
    builder_add(&b, SPAN(" "));
    builder_add_fragment(&b, builder_done(&d.text));
    builder_add(&b, SPAN(")"));
    edits_insert(&p->edits, at, builder_done(&b));
}
