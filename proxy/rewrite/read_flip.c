/* Queries and expressions: where reads come from the new columns, a reference to an old column becomes the
 * backward expression, and what the client sees keeps its name.
 *
 * Where a name is not simply a column: the select list, GROUP BY, HAVING and ORDER BY are in labels.c; USING,
 * NATURAL and MATCH have their own functions here. */
#include "proxy/rewrite/plan.h"

#include "proxy/rewrite/expression.h"

static void walk_node(struct plan *p, const struct scope *s, const struct expr *e);

/* A column of the table that no row has NULL in, and that no migration changes; empty where none is known. */
static struct span never_null_column(const struct source *s)
{
    struct column_ref ref;
    for (size_t i = 0; s->table && i < s->table->column_count; i++)
        if (!s->table->columns[i].nullable && !source_column(s, s->table->columns[i].name, &ref))
            return s->table->columns[i].name;
    return SPAN("");
}

struct fragment flipped_text(struct plan *p, const struct column_ref *ref)
{
    const struct source *s = ref->source;
    const struct expression *value = &ref->column->value;
    struct fragment text = expression_text(p, value, s->qualifier, NULL, 0);
    if ((!s->nullable && !s->one_group) || value->null_of_nulls)
        return text;
    struct span guard = never_null_column(s);
    if (guard.len == 0) {
        refuse_about(p, ref->rule,
                     s->nullable
                         ? "%.*s is read on the inner side of an outer join, and no NOT NULL column is"
                           " known that tells a missing row"
                         : "%.*s is read beside an aggregate, and no NOT NULL column is known that tells"
                           " that there are no rows",
                     ref->column->name, "give the table a primary key, or read the new columns");
        return text;
    }
    struct builder b = {.arena = p->arena};
    builder_add(&b, SPAN("IF("));
    builder_add(&b, column_text(p, s->qualifier, guard));
    builder_add(&b, SPAN(" IS NULL, NULL, "));
    builder_add_fragment(&b, text);
    builder_add(&b, SPAN(")"));
    return builder_done(&b);
}

bool must_flip(const struct column_ref *ref)
{
    if (ref->is_new || !rule_flips(ref->rule))
        return false;
    return !(*ref->source->frozen >> ref->rule_index & 1);
}

bool resolve_read(struct plan *p, const struct scope *s, const struct expr *e, struct column_ref *ref)
{
    if (!resolve_column(p, s, e, ref))
        return false;
    touch(p, ref->rule, ref->column->name, false);
    return must_flip(ref);
}

void flip(struct plan *p, const struct column_ref *ref, struct range at)
{
    if (ref->scope->in_having)
        refuse_about(p, ref->rule, "HAVING reads %.*s, which is neither selected nor in an aggregate",
                     ref->column->name, "select the column, or use WHERE");
    edits_replace(&p->edits, at, flipped_text(p, ref));
    p->flips++;
}

static void walk_column(struct plan *p, const struct scope *s, const struct expr *e)
{
    struct column_ref ref;
    if (resolve_read(p, s, e, &ref))
        flip(p, &ref, e->range);
    else
        qualify_shared(p, s, e);
}

bool flips_to_expression(struct plan *p, const struct scope *s, const struct expr *e)
{
    struct column_ref ref;
    return e->kind == EXPR_COLUMN && resolve_column(p, s, e, &ref) && must_flip(&ref) &&
           !ref.column->value.plain_column;
}

/* The operands of MATCH must stay columns. */
static void walk_match(struct plan *p, const struct scope *s, const struct expr *e)
{
    for (const struct expr *a = e->args; a; a = a->next) {
        struct column_ref ref;
        if (flips_to_expression(p, s, a) && resolve_column(p, s, a, &ref))
            refuse_about(p, ref.rule, "MATCH reads %.*s, and a full-text index is on a column",
                         ref.column->name, "use the new columns in this place");
        walk_node(p, s, a);
    }
}

/* column -> path and column ->> path, whose left side is a column in the grammar: an expression takes the
 * functions that they are short for (MySQL 8.4, 14.17.3). */
static void walk_json(struct plan *p, const struct scope *s, const struct expr *e)
{
    const struct expr *column = e->args, *path = column->next;
    struct column_ref ref;
    if (path && flips_to_expression(p, s, column) && resolve_column(p, s, column, &ref)) {
        bool text = e->op == OP_JSON_TEXT;
        struct range sign = {range_end(column->range), path->range.off - range_end(column->range)};
        if (memmem(p->text.ptr + sign.off, sign.len, "/*", 2))
            refuse_about(p, ref.rule, "a comment stands between %.*s and the operator -> behind it",
                         ref.column->name, "write JSON_EXTRACT(), or leave the comment out");
        edits_insert(&p->edits, e->range.off,
                     fragment_of(text ? SPAN("JSON_UNQUOTE(JSON_EXTRACT(") : SPAN("JSON_EXTRACT(")));
        edits_replace(&p->edits, sign, fragment_of(SPAN(", ")));
        edits_insert(&p->edits, range_end(e->range), fragment_of(text ? SPAN("))") : SPAN(")")));
    }
    walk_exprs(p, s, e->args);
}

/* DEFAULT(c) and VALUES(c) speak of the column itself, never of its value in a row. */
static void touch_operands(struct plan *p, const struct scope *s, const struct expr *e)
{
    struct scope target;
    struct source first;
    if (e->kind == EXPR_VALUES_OF && s && s->assigns_first) { /* a SELECT's tables may have it too */
        target = *s;
        first = *s->first;
        first.next = NULL;
        target.first = &first;
        s = &target;
    }
    for (const struct expr *a = e->args; a; a = a->next) {
        struct column_ref ref;
        if (a->kind == EXPR_COLUMN && resolve_column(p, s, a, &ref))
            touch(p, ref.rule, ref.column->name, false);
    }
}

/* Whether the ORDER BY of a window, or of WITHIN GROUP, has a name alone there that the select list gives to
 * something else than the column of that name: MariaDB takes the item. MySQL knows no aliases in windows. */
static bool sorts_by_item(const struct plan *p, const struct scope *s, const struct expr *e)
{
    const struct expr *name = bare(e);
    if (!e->sorts_window || !p->rules->mariadb || name->kind != EXPR_COLUMN || name_given(&name->table) ||
        !s || !s->select)
        return false;
    for (const struct select_item *item = s->select->items; item; item = item->next) {
        const struct expr *shown = bare(item->expr);
        if (name_given(&item->alias) && span_ieq(item->alias.text, name->name.text) &&
            (shown->kind != EXPR_COLUMN || !span_ieq(shown->name.text, name->name.text)))
            return true;
    }
    return false;
}

static void walk_node(struct plan *p, const struct scope *s, const struct expr *e)
{
    if (sorts_by_item(p, s, e)) {
        unsigned position;
        const struct select_item *behind = item_behind(p, s, bare(e), &position);
        if (behind)
            repeat_item(p, behind, e->range, 0);
        return;
    }
    switch (e->kind) {
    case EXPR_LITERAL:
    case EXPR_PARAM:
    case EXPR_STAR:
    case EXPR_USER_VAR:
    case EXPR_SYS_VAR:
    case EXPR_DEFAULT:
        return;
    case EXPR_COLUMN:
        walk_column(p, s, e);
        return;
    case EXPR_DEFAULT_OF:
    case EXPR_VALUES_OF:
        touch_operands(p, s, e);
        return;
    case EXPR_MATCH:
        walk_match(p, s, e);
        return;
    default:
        break;
    }
    if (is_json_path(e))
        walk_json(p, s, e);
    else
        walk_exprs(p, s, e->args);
    walk_window(p, s, e->window);
    if (e->query)
        walk_query(p, e->query, s, s ? s->ctes : NULL, e->kind == EXPR_EXISTS);
    if (e->query && e->kind == EXPR_OP)
        check_compared(p, e->query);
}

void walk_expr(struct plan *p, const struct scope *s, const struct expr *e)
{
    if (e)
        walk_node(p, s, e);
}

void walk_exprs(struct plan *p, const struct scope *s, const struct expr *list)
{
    for (; list; list = list->next)
        walk_node(p, s, list);
}

/* The expressions of a window; what changes in it counts as a flip, for the name of the result's column. */
void walk_window(struct plan *p, const struct scope *s, const struct expr *list)
{
    uint32_t before = p->edits.count;
    for (; list; list = list->next) {
        if (s && p->rules->mariadb && !sorts_by_item(p, s, list))
            spell_out_aliases(p, s, list);
        walk_node(p, s, list);
    }
    p->flips += p->edits.count - before;
}

/* ---- FROM ---- */

static void walk_ref(struct plan *p, struct scope *s, const struct table_ref *ref);

static struct source *behind(const struct scope *s, struct source *last)
{
    return last ? last->next : s->first;
}

static void walk_join(struct plan *p, struct scope *s, const struct table_ref *join)
{
    struct source *before = s->last;
    walk_ref(p, s, join->left);
    struct source *middle = s->last;
    walk_ref(p, s, join->right);
    struct source *left = behind(s, before), *right = behind(s, middle);
    struct source *was = s->visible;
    s->joins_by_name = s->joins_by_name || join->natural || join->using;
    s->visible = left;
    walk_condition(p, s, join->on);
    s->visible = was;
    if (join->natural || join->using)
        join_by_condition(p, s, join, left, right);
    for (struct source *o = left; o && join->join == JOIN_RIGHT && o != right; o = o->next)
        o->nullable = true;
    for (struct source *o = right; o && join->join == JOIN_LEFT; o = o->next)
        o->nullable = true;
}

static void walk_ref(struct plan *p, struct scope *s, const struct table_ref *ref)
{
    struct source *source;
    switch (ref->kind) {
    case TABLE_NAMED:
        source = source_of_table(p, &ref->name, &ref->alias, s->ctes);
        scope_add(s, source);
        walk_exprs(p, s->outer, ref->exprs);
        if (ref->system_time)
            for (uint32_t i = 0; i < source->rule_count; i++)
                if (rule_flips(source->rules[i]))
                    refuse(p, source->rules[i], "FOR SYSTEM_TIME reads history that has no new columns",
                           "read the table without FOR SYSTEM_TIME");
        if (s->old_shape)
            show_in_old_shape(p, s->select, ref, source);
        return;
    case TABLE_DERIVED:
        source = arena_new_of(p->arena, struct source);
        source->kind = SOURCE_QUERY;
        source->name = ref->alias.text;
        source->qualifier = span_in(p->text, ref->alias.range);
        source->columns = ref->columns;
        source->query = ref->query;
        source->shape = walk_query(p, ref->query, ref->lateral ? s : s->outer, s->ctes, false);
        scope_add(s, source);
        return;
    case TABLE_FUNCTION:
        source = arena_new_of(p->arena, struct source);
        source->kind = SOURCE_OPAQUE;
        source->name = ref->alias.text;
        source->qualifier = span_in(p->text, ref->alias.range);
        walk_exprs(p, s, ref->exprs);
        scope_add(s, source);
        return;
    case TABLE_PAREN:
        walk_from(p, s, ref->left);
        return;
    case TABLE_JOIN:
        walk_join(p, s, ref);
        return;
    }
}

void walk_from(struct plan *p, struct scope *s, const struct table_ref *refs)
{
    for (; refs; refs = refs->next)
        walk_ref(p, s, refs);
}

/* ---- queries ---- */

const struct ctes *walk_with(struct plan *p, const struct with *with, const struct scope *outer,
                             const struct ctes *ctes)
{
    for (const struct cte *c = with ? with->ctes : NULL; c; c = c->next) {
        struct ctes *node = arena_new_of(p->arena, struct ctes);
        *node = (struct ctes){.cte = c, .outer = ctes};
        node->shape = walk_query(p, c->query, outer, with->recursive ? node : ctes, false);
        ctes = node;
    }
    return ctes;
}

static void remember(struct plan *p, const struct select *select, const struct scope *s)
{
    struct walked *w = arena_new_of(p->arena, struct walked);
    *w = (struct walked){select, s, p->walked};
    p->walked = w;
}

const struct scope *scope_of(const struct plan *p, const struct select *select)
{
    for (const struct walked *w = p->walked; w; w = w->next)
        if (w->select == select)
            return w->scope;
    return NULL;
}

/* Whether a name in QUALIFY is an item's or a column's is for the server to say: none may be one that flips.
 */
static void walk_qualify(struct plan *p, const struct scope *s, const struct expr *e)
{
    uint32_t before = p->flips;
    walk_expr(p, s, e);
    if (p->flips != before)
        refuse(p, NULL, "QUALIFY reads migrated columns",
               "select from a derived table, with a WHERE outside");
}

static struct scope *walk_select(struct plan *p, const struct query *q, const struct select *select,
                                 const struct scope *outer, const struct ctes *ctes, bool exists)
{
    struct scope *s = arena_new_of(p->arena, struct scope);
    *s = (struct scope){.outer = outer, .select = select, .ctes = ctes};
    s->old_shape = wants_old_shape(p, q, select);
    remember(p, select, s);
    walk_from(p, s, select->from);
    bool star_alone = exists && select->items && select->items->expr->kind == EXPR_STAR;
    if (!star_alone)
        walk_items(p, s, select->items, select->options);
    if (select == p->answer)
        note_origins(p, s, select->items, q ? q->order : NULL);
    walk_condition(p, s, select->where);
    for (const struct order_item *g = select->group; g; g = g->next)
        walk_group(p, s, g, select->rollup);
    check_full_group(p, q, s);
    if (select->having)
        walk_having(p, s, select->having);
    for (const struct named_window *w = select->windows; w; w = w->next)
        walk_window(p, s, w->exprs);
    if (select->qualify)
        walk_qualify(p, s, select->qualify);
    s->orders_rows = !select->distinct && !select->group && !select->having;
    if (q)
        walk_order(p, s, q->order);
    s->orders_rows = false;
    return s;
}

/* TABLE t is SELECT * FROM t, and becomes a SELECT where that star has to be written out. */
static struct scope *walk_table_body(struct plan *p, const struct query *q, const struct query_body *body,
                                     const struct scope *outer, const struct ctes *ctes, bool exists)
{
    struct range word = body->select->items->range;
    bool reshape = !exists && star_reshapes(p, source_of_table(p, &body->table, NULL, ctes));
    if (reshape)
        edits_insert(&p->edits, word.off, fragment_of(SPAN("SELECT ")));
    struct scope *s = walk_select(p, q, body->select, outer, ctes, exists);
    if (reshape)
        edits_insert(&p->edits, range_end(word), fragment_of(SPAN(" FROM")));
    return s;
}

static struct scope *walk_body(struct plan *p, const struct query *q, const struct query_body *body,
                               const struct scope *outer, const struct ctes *ctes, bool exists)
{
    struct scope *shape, *empty;
    switch (body->kind) {
    case BODY_SELECT:
        return walk_select(p, q, body->select, outer, ctes, exists);
    case BODY_VALUES:
        empty = arena_new_of(p->arena, struct scope);
        *empty = (struct scope){.outer = outer, .ctes = ctes};
        walk_exprs(p, empty, body->rows);
        return NULL;
    case BODY_TABLE:
        return walk_table_body(p, q, body, outer, ctes, exists);
    case BODY_SETOP: /* a long chain leans to the left: no recursion along it */
        for (; body->kind == BODY_SETOP; body = body->left)
            walk_body(p, NULL, body->right, outer, ctes, false);
        return walk_body(p, NULL, body, outer, ctes, false);
    case BODY_PAREN:
        shape = walk_query(p, body->query, outer, ctes, exists);
        if (shape && q)
            walk_order(p, shape, q->order);
        return shape;
    }
    return NULL;
}

struct scope *walk_query(struct plan *p, const struct query *q, const struct scope *outer,
                         const struct ctes *ctes, bool exists)
{
    p->locks = p->locks || q->lock != LOCK_NONE;
    ctes = walk_with(p, q->with, outer, ctes);
    struct scope *shape = walk_body(p, q, q->body, outer, ctes, exists);
    walk_exprs(p, shape ? shape : outer, q->limit);
    return shape;
}
