/* LOAD DATA and LOAD XML: SET runs left to right behind the fields, so what follows is appended to it:
 *
 *     LOAD DATA … INTO TABLE t (id, old)            →  … (id, old) SET `new` = f(`old`)
 *     LOAD DATA … INTO TABLE t (id, @o) SET old = @o →  … SET old = @o, `new` = f(`old`) */
#include "proxy/rewrite/expression.h"
#include "proxy/rewrite/plan.h"

/* The columns that the fields and SET fill. false: they are not known. */
static bool filled_columns(struct plan *p, const struct load_stmt *l, const struct source *target,
                           struct column_list *list)
{
    const struct catalog_table *t = target->table;
    size_t most = t ? t->column_count : 0;
    for (const struct expr *e = l->columns; e; e = e->next)
        most++;
    for (const struct assignment *a = l->set; a; a = a->next)
        most++;
    list->names = arena_alloc(p->arena, (most + 1) * sizeof *list->names);
    if (arena_failed(p->arena) || (!l->has_columns && !t))
        return false;
    for (const struct expr *e = l->columns; e; e = e->next)
        if (e->kind == EXPR_COLUMN)
            list->names[list->count++] = e->name.text;
    for (size_t i = 0; !l->has_columns && i < t->column_count; i++)
        if (in_old_shape(target, &t->columns[i]))
            list->names[list->count++] = t->columns[i].name;
    for (const struct assignment *a = l->set; a; a = a->next)
        if (a->column->kind == EXPR_COLUMN)
            list->names[list->count++] = a->column->name.text;
    return true;
}

static bool shape_differs(const struct source *target)
{
    for (size_t i = 0; target->table && i < target->table->column_count; i++)
        if (!target->table->columns[i].invisible && !in_old_shape(target, &target->table->columns[i]))
            return true;
    return false;
}

static void follow(struct plan *p, const struct rule *r, const struct source *target,
                   const struct column_list *list, struct builder *set)
{
    enum writes w = classify_writes(p, r, list, true);
    struct rule_side given = given_side(r, w), side = following_side(r, w);
    if (!rule_writes_both(r) || w == WRITES_BOTH)
        return;
    for (size_t i = 0; i < given.count; i++) {
        const struct catalog_column *c = catalog_column_of(target->table, given.columns[i].name);
        if (place_of(list, given.columns[i].name) == NOWHERE && (!c || c->default_is_expression))
            refuse_about(p, r, "LOAD leaves %.*s out, and its default is not a constant",
                         given.columns[i].name, "load the column too");
    }
    for (size_t i = 0; i < side.count; i++) {
        builder_add(set, set->len ? SPAN(", ") : SPAN(""));
        builder_add(set, side.columns[i].quoted);
        builder_add(set, SPAN(" = "));
        builder_add_fragment(set, expression_text(p, &side.columns[i].value, SPAN(""), NULL, 0));
    }
}

static void add_set(struct plan *p, const struct load_stmt *l, struct fragment set)
{
    struct builder b = {.arena = p->arena};
    builder_add(&b, l->set_range.len ? SPAN(", ") : SPAN(" SET "));
    builder_add_fragment(&b, set);
    edits_insert(&p->edits, l->set_range.len ? range_end(l->set_range) : l->insert_at, builder_done(&b));
}

void plan_load(struct plan *p, const struct load_stmt *l)
{
    struct scope *s = arena_new_of(p->arena, struct scope);
    struct source *target = source_of_table(p, &l->table, NULL, NULL);
    struct column_list list = {0};
    struct builder set = {.arena = p->arena};
    scope_add(s, target);
    if (target->rule_count)
        *target->frozen = UINT32_MAX;
    for (const struct assignment *a = l->set; a; a = a->next)
        walk_expr(p, s, a->value);
    refuse_view_rows(p, target);
    if (target->rule_count == 0)
        return;
    bool known = filled_columns(p, l, target, &list);
    for (uint32_t i = 0; i < target->rule_count; i++) {
        const struct rule *r = target->rules[i];
        if (rule_writes_both(r) && (!known || (!l->has_columns && shape_differs(target))))
            refuse(p, r, "LOAD without a column list into a table whose shape has changed or is not known",
                   "name the columns");
        if (known)
            follow(p, r, target, &list, &set);
    }
    if (set.len)
        add_set(p, l, builder_done(&set));
}
