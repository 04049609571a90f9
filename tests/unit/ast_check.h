/* What must hold for every syntax tree, whatever the text was: each node's range lies within its parent's and
 * within the statement, and operands and lists follow one another in the text without overlap. The parser's
 * unit tests and its fuzz target both hold every tree that they see to this. */
#ifndef TESTS_UNIT_AST_CHECK_H
#define TESTS_UNIT_AST_CHECK_H

#include "proxy/sql/parser.h"

struct ast_check {
    const char *broken; /* what does not hold; NULL: all is well */
    struct range where;
};

static inline bool ast_within(struct ast_check *c, struct range r, struct range parent, const char *what)
{
    if (r.off >= parent.off && range_end(r) <= range_end(parent))
        return true;
    if (!c->broken) {
        c->broken = what;
        c->where = r;
    }
    return false;
}

static void ast_check_query(struct ast_check *c, const struct query *q, struct range parent);

/* A node that comes behind `*at` and within `parent`; moves *at behind it. */
static inline void ast_follows(struct ast_check *c, struct range r, struct range parent, uint32_t *at,
                               const char *what)
{
    struct range rest = {*at, range_end(parent) > *at ? range_end(parent) - *at : 0};
    if (ast_within(c, r, rest, what))
        *at = range_end(r);
}

static inline void ast_check_name(struct ast_check *c, const struct name *n, struct range parent)
{
    if (name_given(n))
        ast_within(c, n->range, parent, "a name outside of its node");
}

static inline void ast_check_exprs(struct ast_check *c, const struct expr *e, struct range parent,
                                   uint32_t *at)
{
    for (; e && !c->broken; e = e->next) {
        uint32_t inner = e->range.off;
        ast_follows(c, e->range, parent, at, "an expression outside of its parent, or over its sibling");
        if (e->kind != EXPR_LITERAL) {
            ast_check_name(c, &e->db, e->range);
            ast_check_name(c, &e->table, e->range);
            ast_check_name(c, &e->name, e->range);
        }
        ast_check_exprs(c, e->args, e->range, &inner);
        ast_check_exprs(c, e->window, e->range, &inner);
        if (e->query)
            ast_check_query(c, e->query, e->range);
    }
}

static inline void ast_check_expr(struct ast_check *c, const struct expr *e, struct range parent)
{
    uint32_t at = parent.off;
    ast_check_exprs(c, e, parent, &at);
}

static inline void ast_check_items(struct ast_check *c, const struct select_item *i, struct range parent)
{
    for (uint32_t at = parent.off; i && !c->broken; i = i->next) {
        ast_follows(c, i->range, parent, &at, "a select item outside of its list");
        ast_check_expr(c, i->expr, i->range);
        ast_check_name(c, &i->alias, i->range);
    }
}

static inline void ast_check_order(struct ast_check *c, const struct order_item *o, struct range parent)
{
    for (uint32_t at = parent.off; o && !c->broken; o = o->next)
        ast_check_exprs(c, o->expr, parent, &at);
}

static inline void ast_check_table(struct ast_check *c, const struct table_name *t, struct range parent)
{
    ast_within(c, t->range, parent, "a table's name outside of its node");
    ast_check_name(c, &t->db, t->range);
    ast_check_name(c, &t->table, t->range);
}

static inline void ast_check_refs(struct ast_check *c, const struct table_ref *r, struct range parent)
{
    for (uint32_t at = parent.off; r && !c->broken; r = r->next) {
        ast_follows(c, r->range, parent, &at, "a table reference outside of its list");
        if (r->kind == TABLE_NAMED)
            ast_check_table(c, &r->name, r->range);
        if (r->clauses.len)
            ast_within(c, r->clauses, r->range, "clauses outside of their table reference");
        ast_check_name(c, &r->alias, r->range);
        ast_check_expr(c, r->exprs, r->range);
        if (r->query)
            ast_check_query(c, r->query, r->range);
        if (r->left)
            ast_check_refs(c, r->left, r->range);
        if (r->right)
            ast_check_refs(c, r->right, r->range);
        if (r->left && r->right && range_end(r->left->range) > r->right->range.off)
            c->broken = "a join's sides overlap";
        if (r->on)
            ast_check_expr(c, r->on, r->range);
    }
}

static inline void ast_check_with(struct ast_check *c, const struct with *w, struct range parent)
{
    if (!w || !ast_within(c, w->range, parent, "WITH outside of its query"))
        return;
    for (const struct cte *t = w->ctes; t; t = t->next) {
        ast_check_name(c, &t->name, w->range);
        ast_check_query(c, t->query, w->range);
    }
}

static inline void ast_check_select(struct ast_check *c, const struct select *s, struct range parent)
{
    ast_within(c, s->range, parent, "a select outside of its query");
    ast_within(c, s->items_range, s->range, "a select list outside of its select");
    ast_check_items(c, s->items, s->items_range);
    if (s->from) {
        ast_within(c, s->from_range, s->range, "FROM outside of its select");
        ast_check_refs(c, s->from, s->from_range);
    }
    ast_check_expr(c, s->where, s->range);
    ast_check_order(c, s->group, s->range);
    ast_check_expr(c, s->having, s->range);
    for (const struct named_window *w = s->windows; w; w = w->next)
        ast_check_expr(c, w->exprs, s->range);
}

static inline void ast_check_body(struct ast_check *c, const struct query_body *b, struct range parent)
{
    if (!ast_within(c, b->range, parent, "a query's body outside of its query"))
        return;
    if (b->select)
        ast_check_select(c, b->select, b->range);
    ast_check_expr(c, b->rows, b->range);
    if (b->kind == BODY_TABLE)
        ast_check_table(c, &b->table, b->range);
    if (b->kind == BODY_SETOP) {
        ast_check_body(c, b->left, b->range);
        ast_check_body(c, b->right, b->range);
    }
    if (b->query)
        ast_check_query(c, b->query, b->range);
}

static inline void ast_check_query(struct ast_check *c, const struct query *q, struct range parent)
{
    if (!ast_within(c, q->range, parent, "a query outside of its parent"))
        return;
    ast_check_with(c, q->with, q->range);
    ast_check_body(c, q->body, q->range);
    ast_check_order(c, q->order, q->range);
    ast_check_expr(c, q->limit, q->range);
    if (q->into.len)
        ast_within(c, q->into, q->range, "INTO outside of its query");
}

static inline void ast_check_set(struct ast_check *c, const struct assignment *a, struct range parent)
{
    for (uint32_t at = parent.off; a && !c->broken; a = a->next) {
        uint32_t inner = a->range.off;
        ast_follows(c, a->range, parent, &at, "an assignment outside of its list");
        ast_check_exprs(c, a->column, a->range, &inner);
        ast_check_exprs(c, a->value, a->range, &inner);
    }
}

/* A run of rows: the values end one behind the other. */
static inline void ast_check_run(struct ast_check *c, const struct value_row *row)
{
    uint32_t at = row->range.off;
    for (uint32_t i = 0; i < row->run * row->count && !c->broken; i++) {
        if (row->values || row->ends[i] <= at + 1)
            c->broken = "a run's value that ends before it begins";
        at = row->ends[i];
    }
    if (row->run && at >= range_end(row->range))
        c->broken = "a run's value outside of it";
}

static inline void ast_check_insert(struct ast_check *c, const struct insert_stmt *i, struct range all)
{
    ast_check_table(c, &i->table, all);
    if (i->has_columns && ast_within(c, i->columns_range, all, "a column list outside of its statement"))
        ast_check_expr(c, i->columns, i->columns_range);
    uint32_t at = i->values_range.off;
    for (const struct value_row *row = i->rows; row; row = row->next) {
        ast_follows(c, row->range, i->values_range, &at, "a row outside of VALUES");
        ast_check_expr(c, row->values, row->range);
        ast_check_run(c, row);
    }
    ast_check_set(c, i->set, all);
    if (i->query)
        ast_check_query(c, i->query, all);
    ast_check_set(c, i->on_duplicate, i->on_duplicate ? i->on_duplicate_range : all);
    ast_check_items(c, i->returning, all);
}

static inline void ast_check_change(struct ast_check *c, const struct stmt *s)
{
    if (s->kind == STMT_INSERT) {
        ast_check_insert(c, s->insert, s->range);
    } else if (s->kind == STMT_UPDATE) {
        ast_check_with(c, s->update->with, s->range);
        ast_check_refs(c, s->update->tables, s->range);
        ast_check_set(c, s->update->set, s->update->set_range);
        ast_check_expr(c, s->update->where, s->range);
        ast_check_order(c, s->update->order, s->range);
        ast_check_expr(c, s->update->limit, s->range);
        ast_check_items(c, s->update->returning, s->range);
    } else if (s->kind == STMT_DELETE) {
        ast_check_with(c, s->del->with, s->range);
        ast_check_refs(c, s->del->tables, s->range);
        ast_check_expr(c, s->del->where, s->range);
        ast_check_order(c, s->del->order, s->range);
        ast_check_expr(c, s->del->limit, s->range);
        ast_check_expr(c, s->del->before, s->range);
        ast_check_items(c, s->del->returning, s->range);
    } else if (s->kind == STMT_LOAD) {
        ast_check_table(c, &s->load->table, s->range);
        ast_check_expr(c, s->load->columns, s->load->has_columns ? s->load->columns_range : s->range);
        ast_check_set(c, s->load->set, s->load->set ? s->load->set_range : s->range);
    }
}

/* The first thing that does not hold for a statement that was parsed with PARSE_OK; NULL where all holds. */
static inline const char *ast_check_stmt(const struct stmt *s, size_t text_len)
{
    struct ast_check c = {NULL, {0, 0}};
    ast_within(&c, s->range, (struct range){0, (uint32_t)text_len}, "a statement outside of the text");
    if (s->query)
        ast_check_query(&c, s->query, s->range);
    ast_check_expr(&c, s->exprs, s->range);
    ast_check_expr(&c, s->set_statement, s->range);
    for (const struct table_name_list *t = s->tables; t && s->kind != STMT_SHOW; t = t->next)
        ast_check_table(&c, &t->name, s->range);
    ast_check_change(&c, s);
    return c.broken;
}

#endif
