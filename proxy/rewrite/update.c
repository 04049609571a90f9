/* UPDATE and DELETE.
 *
 * A single-table UPDATE runs its assignments left to right. With a subquery anywhere the server may run it
 * as a multi-table one, and then an assignment may see the row before the statement or what was just
 * assigned, by the plan: such a one, several tables, and SIMULTANEOUS_ASSIGNMENT are order-less. */
#include "proxy/rewrite/plan.h"

static bool order_has_query(const struct order_item *o)
{
    for (; o; o = o->next)
        if (o->expr->has_query)
            return true;
    return false;
}

static bool is_orderless(const struct plan *p, const struct update_stmt *u)
{
    if (u->multi || u->with || (p->session->dialect.modes & SQL_SIMULTANEOUS) ||
        u->tables->kind != TABLE_NAMED || u->tables->next)
        return true;
    if ((u->where && u->where->has_query) || order_has_query(u->order))
        return true;
    for (const struct assignment *a = u->set; a; a = a->next)
        if (a->value->has_query)
            return true;
    return false;
}

/* A view hides which columns it writes. */
static bool has_view(const struct scope *s)
{
    for (const struct source *o = s->first; o; o = o->next)
        if (o->table && o->table->is_view)
            return true;
    return false;
}

/* FOR PORTION OF cuts rows: it sets the period's columns, which it does not name. They are dates that are NOT
 * NULL. */
static void check_portion(struct plan *p, const struct scope *s, const struct table_ref *tables)
{
    const struct source *target = s->first;
    for (uint32_t k = 0; tables->portion && target && k < target->rule_count; k++) {
        const struct rule *r = target->rules[k];
        for (size_t i = 0; i < r->old_count + r->new_count && rule_writes_both(r); i++) {
            struct span name =
                i < r->old_count ? r->old_columns[i].name : r->new_columns[i - r->old_count].name;
            const struct catalog_column *c = catalog_column_of(target->table, name);
            if (!c || (c->class == COLUMN_TEMPORAL && !c->nullable))
                refuse_about(p, r, "FOR PORTION OF may set %.*s", name,
                             "insert the rows that remain, and update or delete the others");
        }
    }
}

/* ORDER BY and LIMIT of UPDATE and DELETE. */
static void walk_tail(struct plan *p, struct scope *s, const struct order_item *order,
                      const struct expr *limit)
{
    walk_order(p, s, order);
    walk_exprs(p, s, limit);
}

void plan_update(struct plan *p, const struct update_stmt *u)
{
    const struct ctes *ctes = walk_with(p, u->with, NULL, NULL);
    struct scope *s = arena_new_of(p->arena, struct scope);
    s->ctes = ctes;
    walk_from(p, s, u->tables);
    check_portion(p, s, u->tables);
    walk_condition(p, s, u->where);
    walk_tail(p, s, u->order, u->limit);
    bool orderless = is_orderless(p, u) || has_view(s);
    plan_set(p, s, u->set, orderless, orderless);
}

void plan_delete(struct plan *p, const struct delete_stmt *d)
{
    const struct ctes *ctes = walk_with(p, d->with, NULL, NULL);
    struct scope *s = arena_new_of(p->arena, struct scope);
    s->ctes = ctes;
    walk_from(p, s, d->tables);
    check_portion(p, s, d->tables);
    walk_condition(p, s, d->where);
    walk_tail(p, s, d->order, d->limit);
    walk_items(p, s, d->returning, (struct range){0, 0});
    if (!p->stmt->explain)
        note_origins(p, s, d->returning, NULL);
}
