/* A syntax tree as a compact s-expression, its leaves shown as the bytes that their ranges cover: what the
 * parser's tests compare with. */
#ifndef TESTS_UNIT_AST_DUMP_H
#define TESTS_UNIT_AST_DUMP_H

#include <stdio.h>

#include "proxy/sql/parser.h"

struct ast_dump {
    FILE *out;
    const char *text;
};

static void dump_query(struct ast_dump *d, const struct query *q);

static void dump_range(struct ast_dump *d, struct range r)
{
    fprintf(d->out, "%.*s", (int)r.len, d->text + r.off);
}

static void dump_span(struct ast_dump *d, struct span s)
{
    fprintf(d->out, "%.*s", (int)s.len, s.ptr);
}

static const char *op_name(const struct expr *e)
{
    static const char *const names[] = {
        [OP_OTHER] = "op",     [OP_AND] = "and",
        [OP_OR] = "or",        [OP_XOR] = "xor",
        [OP_NOT] = "not",      [OP_EQ] = "=",
        [OP_NE] = "<>",        [OP_NULLSAFE_EQ] = "<=>",
        [OP_LT] = "<",         [OP_LE] = "<=",
        [OP_GT] = ">",         [OP_GE] = ">=",
        [OP_IN] = "in",        [OP_BETWEEN] = "between",
        [OP_LIKE] = "like",    [OP_REGEXP] = "regexp",
        [OP_IS] = "is",        [OP_QUANTIFIED] = "quantified",
        [OP_PIPES] = "||",     [OP_PLUS] = "+",
        [OP_MINUS] = "-",      [OP_MUL] = "*",
        [OP_DIV] = "/",        [OP_NEGATE] = "neg",
        [OP_POSITIVE] = "pos", [OP_COLLATE] = "collate",
        [OP_JSON] = "json",    [OP_JSON_TEXT] = "json_text",
    };
    return names[e->op];
}

static const char *kind_name(const struct expr *e)
{
    static const char *const names[] = {
        [EXPR_FUNC] = "call",          [EXPR_CASE] = "case",
        [EXPR_PAREN] = "paren",        [EXPR_ROW] = "row",
        [EXPR_SUBQUERY] = "subquery",  [EXPR_EXISTS] = "exists",
        [EXPR_DEFAULT_OF] = "default", [EXPR_VALUES_OF] = "values",
        [EXPR_ASSIGN] = ":=",          [EXPR_MATCH] = "match",
        [EXPR_INTERVAL] = "interval",  [EXPR_SEQUENCE] = "sequence",
    };
    return e->kind == EXPR_OP ? op_name(e) : names[e->kind];
}

static bool is_leaf(const struct expr *e)
{
    switch (e->kind) {
    case EXPR_LITERAL:
    case EXPR_PARAM:
    case EXPR_COLUMN:
    case EXPR_STAR:
    case EXPR_USER_VAR:
    case EXPR_SYS_VAR:
    case EXPR_DEFAULT:
        return true;
    default:
        return false;
    }
}

static void dump_leaf(struct ast_dump *d, const struct expr *e)
{
    dump_range(d, e->range);
    if (e->null_literal)
        fputs("!", d->out);
    if (e->kind == EXPR_PARAM)
        fprintf(d->out, "%u", e->param);
    if (e->kind == EXPR_COLUMN && e->name.quoted) {
        fputs("=", d->out);
        dump_span(d, e->name.text);
    }
}

static void dump_expr(struct ast_dump *d, const struct expr *e)
{
    if (is_leaf(e)) {
        dump_leaf(d, e);
        return;
    }
    fprintf(d->out, "(%s%s", e->negated ? "not-" : "", kind_name(e));
    if (e->kind == EXPR_FUNC || e->kind == EXPR_SEQUENCE) {
        fputs(" ", d->out);
        if (name_given(&e->db)) {
            dump_span(d, e->db.text);
            fputs(".", d->out);
        }
        dump_span(d, e->name.text);
        if (e->distinct)
            fputs(" distinct", d->out);
    }
    for (const struct expr *arg = e->args; arg; arg = arg->next) {
        fputs(" ", d->out);
        dump_expr(d, arg);
    }
    if (e->windowed) {
        fputs(" over", d->out);
        for (const struct expr *part = e->window; part; part = part->next) {
            fputs(" ", d->out);
            dump_expr(d, part);
        }
    }
    if (e->query) {
        fputs(" ", d->out);
        dump_query(d, e->query);
    }
    fputs(")", d->out);
}

static void dump_exprs(struct ast_dump *d, const char *label, const struct expr *e)
{
    if (!e)
        return;
    fprintf(d->out, " (%s", label);
    for (; e; e = e->next) {
        fputs(" ", d->out);
        dump_expr(d, e);
    }
    fputs(")", d->out);
}

static void dump_order(struct ast_dump *d, const char *label, const struct order_item *o)
{
    if (!o)
        return;
    fprintf(d->out, " (%s", label);
    for (; o; o = o->next) {
        fputs(" ", d->out);
        dump_expr(d, o->expr);
    }
    fputs(")", d->out);
}

static void dump_items(struct ast_dump *d, const char *label, const struct select_item *i)
{
    if (!i)
        return;
    fprintf(d->out, " (%s", label);
    for (; i; i = i->next) {
        fputs(" ", d->out);
        dump_expr(d, i->expr);
        if (name_given(&i->alias)) {
            fputs(":", d->out);
            dump_span(d, i->alias.text);
        }
    }
    fputs(")", d->out);
}

static void dump_names(struct ast_dump *d, const struct name_list *n)
{
    fputs("(", d->out);
    for (const char *sep = ""; n; n = n->next, sep = " ") {
        fputs(sep, d->out);
        dump_span(d, n->name.text);
    }
    fputs(")", d->out);
}

static void dump_table(struct ast_dump *d, const struct table_name *t)
{
    if (name_given(&t->db)) {
        dump_span(d, t->db.text);
        fputs(".", d->out);
    }
    dump_span(d, t->table.text);
}

static void dump_refs(struct ast_dump *d, const struct table_ref *r);

static void dump_join(struct ast_dump *d, const struct table_ref *r)
{
    static const char *const names[] = {"join", "left", "right", "straight"};
    fprintf(d->out, "(%s%s", r->natural ? "natural-" : "", names[r->join]);
    dump_refs(d, r->left);
    dump_refs(d, r->right);
    if (r->on) {
        fputs(" on ", d->out);
        dump_expr(d, r->on);
    }
    if (r->using) {
        fputs(" using ", d->out);
        dump_names(d, r->using);
    }
    fputs(")", d->out);
}

static void dump_ref(struct ast_dump *d, const struct table_ref *r)
{
    switch (r->kind) {
    case TABLE_NAMED:
        dump_table(d, &r->name);
        if (r->clauses.len) {
            fputs("{", d->out);
            dump_range(d, r->clauses);
            fputs("}", d->out);
        }
        break;
    case TABLE_DERIVED:
        fputs(r->lateral ? "(lateral " : "(derived ", d->out);
        dump_query(d, r->query);
        fputs(")", d->out);
        break;
    case TABLE_JOIN:
        dump_join(d, r);
        break;
    case TABLE_PAREN:
        fputs("(paren", d->out);
        dump_refs(d, r->left);
        fputs(")", d->out);
        break;
    case TABLE_FUNCTION:
        fputs("(function ", d->out);
        dump_table(d, &r->name);
        dump_exprs(d, "args", r->exprs);
        fputs(")", d->out);
        break;
    }
    if (name_given(&r->alias)) {
        fputs(":", d->out);
        dump_span(d, r->alias.text);
        if (r->columns)
            dump_names(d, r->columns);
    }
}

static void dump_refs(struct ast_dump *d, const struct table_ref *r)
{
    for (; r; r = r->next) {
        fputs(" ", d->out);
        dump_ref(d, r);
    }
}

static void dump_with(struct ast_dump *d, const struct with *w)
{
    if (!w)
        return;
    fputs(w->recursive ? " (with-recursive" : " (with", d->out);
    for (const struct cte *c = w->ctes; c; c = c->next) {
        fputs(" (", d->out);
        dump_span(d, c->name.text);
        if (c->columns)
            dump_names(d, c->columns);
        fputs(" ", d->out);
        dump_query(d, c->query);
        fputs(")", d->out);
    }
    fputs(")", d->out);
}

static void dump_select(struct ast_dump *d, const struct select *s)
{
    fputs("(select", d->out);
    if (s->options.len) {
        fputs(" {", d->out);
        dump_range(d, s->options);
        fputs("}", d->out);
    }
    dump_items(d, "items", s->items);
    if (s->from) {
        fputs(" (from", d->out);
        dump_refs(d, s->from);
        fputs(")", d->out);
    }
    dump_exprs(d, "where", s->where);
    dump_order(d, s->rollup ? "rollup" : "group", s->group);
    dump_exprs(d, "having", s->having);
    for (const struct named_window *w = s->windows; w; w = w->next)
        dump_exprs(d, "window", w->exprs);
    fputs(")", d->out);
}

static void dump_body(struct ast_dump *d, const struct query_body *b)
{
    switch (b->kind) {
    case BODY_SELECT:
        dump_select(d, b->select);
        break;
    case BODY_VALUES:
        fputs("(rows", d->out);
        for (const struct expr *row = b->rows; row; row = row->next) {
            fputs(" ", d->out);
            dump_expr(d, row);
        }
        fputs(")", d->out);
        break;
    case BODY_TABLE:
        fputs("(table ", d->out);
        dump_table(d, &b->table);
        fputs(")", d->out);
        break;
    case BODY_SETOP:
        fputs("(setop ", d->out);
        dump_body(d, b->left);
        fputs(" ", d->out);
        dump_body(d, b->right);
        fputs(")", d->out);
        break;
    case BODY_PAREN:
        fputs("(paren ", d->out);
        dump_query(d, b->query);
        fputs(")", d->out);
        break;
    }
}

/* A query that is nothing but its body is shown as the body. */
static void dump_query(struct ast_dump *d, const struct query *q)
{
    bool plain = !q->with && !q->order && !q->limit && q->lock == LOCK_NONE && q->into.len == 0;
    if (!plain) {
        fputs("(query", d->out);
        dump_with(d, q->with);
        fputs(" ", d->out);
    }
    dump_body(d, q->body);
    if (plain)
        return;
    dump_order(d, "order", q->order);
    dump_exprs(d, "limit", q->limit);
    if (q->lock != LOCK_NONE) {
        fputs(q->lock == LOCK_UPDATE ? " for-update" : " for-share", d->out);
        if (q->lock_of)
            dump_names(d, q->lock_of);
    }
    if (q->into.len) {
        fputs(" {", d->out);
        dump_range(d, q->into);
        fputs("}", d->out);
    }
    fputs(")", d->out);
}

static void dump_set(struct ast_dump *d, const char *label, const struct assignment *a)
{
    if (!a)
        return;
    fprintf(d->out, " (%s", label);
    for (; a; a = a->next) {
        fputs(" (", d->out);
        dump_expr(d, a->column);
        fputs(" ", d->out);
        dump_expr(d, a->value);
        fputs(")", d->out);
    }
    fputs(")", d->out);
}

static void dump_insert(struct ast_dump *d, const struct insert_stmt *i)
{
    fprintf(d->out, "(%s%s ", i->replace ? "replace" : "insert", i->ignore ? "-ignore" : "");
    dump_table(d, &i->table);
    if (i->partition.len) {
        fputs(" {", d->out);
        dump_range(d, i->partition);
        fputs("}", d->out);
    }
    if (i->has_columns && !i->columns)
        fputs(" (columns)", d->out);
    dump_exprs(d, "columns", i->columns);
    for (const struct value_row *row = i->rows; row; row = row->next) {
        if (row->values)
            dump_exprs(d, "row", row->values);
        else
            fputs(" (row)", d->out);
    }
    dump_set(d, "set", i->set);
    if (i->query) {
        fputs(" ", d->out);
        dump_query(d, i->query);
    }
    if (name_given(&i->row_alias)) {
        fputs(" :", d->out);
        dump_span(d, i->row_alias.text);
        if (i->row_alias_columns)
            dump_names(d, i->row_alias_columns);
    }
    dump_set(d, "duplicate", i->on_duplicate);
    dump_items(d, "returning", i->returning);
    fputs(")", d->out);
}

static void dump_update(struct ast_dump *d, const struct update_stmt *u)
{
    fprintf(d->out, "(update%s%s", u->ignore ? "-ignore" : "", u->multi ? "-multi" : "");
    dump_with(d, u->with);
    dump_refs(d, u->tables);
    dump_set(d, "set", u->set);
    dump_exprs(d, "where", u->where);
    dump_order(d, "order", u->order);
    dump_exprs(d, "limit", u->limit);
    dump_items(d, "returning", u->returning);
    fputs(")", d->out);
}

static void dump_delete(struct ast_dump *d, const struct delete_stmt *s)
{
    fprintf(d->out, "(delete%s%s%s", s->history ? "-history" : "", s->ignore ? "-ignore" : "",
            s->multi ? "-multi" : "");
    dump_with(d, s->with);
    if (s->targets) {
        fputs(" (targets", d->out);
        for (const struct table_name_list *t = s->targets; t; t = t->next) {
            fputs(" ", d->out);
            dump_range(d, t->name.range);
        }
        fputs(")", d->out);
    }
    dump_refs(d, s->tables);
    dump_exprs(d, "where", s->where);
    dump_order(d, "order", s->order);
    dump_exprs(d, "limit", s->limit);
    dump_exprs(d, "before", s->before);
    dump_items(d, "returning", s->returning);
    fputs(")", d->out);
}

static void dump_load(struct ast_dump *d, const struct load_stmt *l)
{
    fprintf(d->out, "(load-%s%s%s%s ", l->xml ? "xml" : "data", l->local ? "-local" : "",
            l->replace ? "-replace" : "", l->ignore ? "-ignore" : "");
    dump_table(d, &l->table);
    dump_exprs(d, "columns", l->columns);
    dump_set(d, "set", l->set);
    fprintf(d->out, " @%u)", l->insert_at);
}

static const char *stmt_kind_name(enum stmt_kind kind)
{
    static const char *const names[] = {
        [STMT_EMPTY] = "empty",
        [STMT_DO] = "do",
        [STMT_CALL] = "call",
        [STMT_SET] = "set",
        [STMT_USE] = "use",
        [STMT_PREPARE] = "prepare",
        [STMT_EXECUTE] = "execute",
        [STMT_EXECUTE_IMMEDIATE] = "execute-immediate",
        [STMT_DEALLOCATE] = "deallocate",
        [STMT_TRANSACTION] = "transaction",
        [STMT_LOCK] = "lock",
        [STMT_TRUNCATE] = "truncate",
        [STMT_CREATE_TABLE] = "create-table",
        [STMT_DROP_TABLE] = "drop-table",
        [STMT_ALTER_TABLE] = "alter-table",
        [STMT_RENAME_TABLE] = "rename-table",
        [STMT_CREATE_VIEW] = "view",
        [STMT_CREATE_TRIGGER] = "trigger",
        [STMT_CREATE_ROUTINE] = "routine",
        [STMT_CREATE_INDEX] = "index",
        [STMT_DROP_DATABASE] = "drop-database",
        [STMT_DDL_OTHER] = "ddl",
        [STMT_SHOW] = "show",
        [STMT_HANDLER] = "handler",
        [STMT_ADMIN] = "admin",
        [STMT_COMPOUND] = "compound",
        [STMT_OTHER] = "other",
    };
    return names[kind];
}

static void dump_classified(struct ast_dump *d, const struct stmt *s)
{
    fprintf(d->out, "(%s%s", stmt_kind_name(s->kind), s->temporary ? "-temporary" : "");
    if (name_given(&s->name)) {
        fputs(" '", d->out);
        dump_span(d, s->name.text);
        fputs("'", d->out);
    }
    for (const struct table_name_list *t = s->tables; t; t = t->next) {
        fputs(" ", d->out);
        dump_table(d, &t->name);
    }
    dump_exprs(d, "exprs", s->exprs);
    if (s->query) {
        fputs(" ", d->out);
        dump_query(d, s->query);
    }
    fputs(")", d->out);
}

static void dump_stmt(struct ast_dump *d, const struct stmt *s)
{
    if (s->explain)
        fputs("explain ", d->out);
    if (s->has_set_statement)
        dump_exprs(d, "set-statement", s->set_statement);
    switch (s->kind) {
    case STMT_QUERY:
        dump_query(d, s->query);
        break;
    case STMT_INSERT:
        dump_insert(d, s->insert);
        break;
    case STMT_UPDATE:
        dump_update(d, s->update);
        break;
    case STMT_DELETE:
        dump_delete(d, s->del);
        break;
    case STMT_LOAD:
        dump_load(d, s->load);
        break;
    default:
        dump_classified(d, s);
        break;
    }
}

#endif
