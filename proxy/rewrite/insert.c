/* INSERT and REPLACE.
 *
 *     INSERT INTO t (id, old, x) VALUES (1, 'a', 2)     →  (id, old, `new`, x) VALUES (1, 'a', f(`old`), 2)
 *     INSERT INTO t SET old = 'a'                       →  SET old = 'a', `new` = f(`old`)
 *     INSERT INTO t (old) SELECT a FROM s               →  (old, `new`) SELECT a, f(a as it is stored) FROM s
 *
 * Values run left to right and see the columns before them as they are stored, so f(old) is exact whatever
 * the value was. A column that is left out is seen where its default is a constant; one with an expression
 * as default is named with the word DEFAULT, behind the values that the expression may read.
 *
 * Not so where a subquery reads the table itself: then the server computes a row whole before it stores any
 * of it, and a column's name means its default. There the value is repeated, as INSERT … SELECT does it. */
#include "proxy/rewrite/insert.h"

#include "proxy/rewrite/expression.h"

/* Whether a column that the list leaves out must be named with DEFAULT before an expression can see it. */
static bool needs_default(const struct source *target, struct span column)
{
    const struct catalog_column *c = catalog_column_of(target->table, column);
    if (!c)
        return true;
    return c->default_is_expression && !c->generated && !c->auto_increment;
}

bool is_read(const struct rule_side *follow, struct span column)
{
    for (size_t i = 0; i < follow->count; i++)
        for (size_t k = 0; k < follow->columns[i].value.ref_count; k++)
            if (span_ieq(follow->columns[i].value.refs[k].column, column))
                return true;
    return false;
}

/* The columns, and either the values or `set`: what the form of the statement needs. */
struct addition_text {
    struct builder columns, values, set;
};

static void add_one(const struct insert_plan *ip, struct addition_text *t, const struct rule_column *column,
                    struct span value)
{
    builder_add(&t->columns, SPAN(", "));
    builder_add(&t->columns, column->quoted);
    if (ip->i->form == INSERT_SET) {
        builder_add(&t->set, SPAN(", "));
        builder_add(&t->set, column->quoted);
        builder_add(&t->set, SPAN(" = "));
        builder_add(&t->set, value);
        return;
    }
    builder_add(&t->values, SPAN(", "));
    builder_add(&t->values, value);
}

static bool is_followed(const struct insert_plan *ip, struct span column)
{
    for (uint32_t k = 0; k < ip->count; k++) {
        struct rule_side follow = following_side(ip->additions[k].rule, ip->additions[k].writes);
        for (size_t i = 0; i < follow.count; i++)
            if (span_ieq(follow.columns[i].name, column))
                return true;
    }
    return false;
}

/* Names a column with DEFAULT, and in front of it those that the server would compute before it: its default
 * may read them. They are named in the table's order, each once. */
static void add_default(struct insert_plan *ip, struct addition_text *t, const struct rule_column *column)
{
    const struct catalog_table *table = ip->target->table;
    size_t end = 0;
    for (size_t i = 0; table && i < table->column_count && end == 0; i++)
        end = span_ieq(table->columns[i].name, column->name) ? i + 1 : 0;
    if (end == 0)
        add_one(ip, t, column, SPAN("DEFAULT"));
    for (; ip->defaults < end; ip->defaults++) {
        struct rule_column c = {.name = table->columns[ip->defaults].name};
        if (place_of(&ip->list, c.name) != NOWHERE || !needs_default(ip->target, c.name) ||
            is_followed(ip, c.name))
            continue;
        c.quoted = quoted_name(ip->p->arena, c.name);
        add_one(ip, t, &c, SPAN("DEFAULT"));
    }
}

static void add_rule(struct insert_plan *ip, struct addition *add)
{
    struct plan *p = ip->p;
    struct rule_side given = given_side(add->rule, add->writes);
    struct rule_side follow = following_side(add->rule, add->writes);
    struct addition_text t = {{.arena = p->arena}, {.arena = p->arena}, {.arena = p->arena}};
    bool at_end = ip->i->form == INSERT_QUERY; /* ORDER BY 2 keeps its meaning */
    add->behind = NOWHERE;
    for (size_t i = 0; i < given.count; i++) {
        uint32_t place = place_of(&ip->list, given.columns[i].name);
        if (place != NOWHERE) {
            add->behind = add->behind == NOWHERE || place > add->behind ? place : add->behind;
        } else if (is_read(&follow, given.columns[i].name) &&
                   needs_default(ip->target, given.columns[i].name) && !p->reads_target &&
                   ip->i->form != INSERT_QUERY) {
            add_default(ip, &t, &given.columns[i]);
            at_end = true;
        }
    }
    for (size_t i = 0; i < follow.count; i++)
        add_one(ip, &t, &follow.columns[i],
                expression_text(p, &follow.columns[i].value, SPAN(""), NULL, 0).text);
    if (at_end)
        add->behind = NOWHERE;
    add->columns = builder_done(&t.columns).text;
    add->values = builder_done(&t.values).text;
    add->set = builder_done(&t.set).text;
}

/* Defaults may read what follows within the list: those additions first. */
static void put_ends_last(struct insert_plan *ip)
{
    struct addition *ordered = arena_alloc(ip->p->arena, (ip->count + 1) * sizeof *ordered);
    uint32_t n = 0;
    for (uint32_t k = 0; k < ip->count && !arena_failed(ip->p->arena); k++)
        if (ip->additions[k].behind != NOWHERE)
            ordered[n++] = ip->additions[k];
    for (uint32_t k = 0; k < ip->count && !arena_failed(ip->p->arena); k++)
        if (ip->additions[k].behind == NOWHERE)
            ordered[n++] = ip->additions[k];
    ip->additions = ordered;
    ip->count = n;
}

static void add_rules(struct insert_plan *ip)
{
    ip->additions = arena_alloc(ip->p->arena, ip->target->rule_count * sizeof *ip->additions);
    for (uint32_t k = 0; k < ip->target->rule_count && !arena_failed(ip->p->arena); k++) {
        const struct rule *r = ip->target->rules[k];
        enum writes w = classify_writes(ip->p, r, &ip->list, true);
        if (rule_writes_both(r) && w != WRITES_BOTH)
            ip->additions[ip->count++] = (struct addition){.rule = r, .writes = w};
    }
    for (uint32_t k = 0; k < ip->count; k++)
        add_rule(ip, &ip->additions[k]);
    put_ends_last(ip);
}

static struct span without_comma(struct span s)
{
    return s.len > 2 ? (struct span){s.ptr + 2, s.len - 2} : s;
}

/* ---- the column list ---- */

static uint32_t count_columns(const struct insert_plan *ip, bool old_shape)
{
    uint32_t n = 0;
    const struct catalog_table *t = ip->target->table;
    for (size_t k = 0; t && k < t->column_count; k++)
        n += old_shape ? in_old_shape(ip->target, &t->columns[k]) : !t->columns[k].invisible;
    return n;
}

static void list_from_catalog(struct insert_plan *ip, uint32_t count)
{
    const struct catalog_table *t = ip->target->table;
    ip->implied = true;
    ip->list.names = arena_alloc(ip->p->arena, (count + 1) * sizeof *ip->list.names);
    for (size_t k = 0; k < t->column_count && !arena_failed(ip->p->arena); k++)
        if (in_old_shape(ip->target, &t->columns[k]))
            ip->list.names[ip->list.count++] = t->columns[k].name;
}

static void list_from_statement(struct insert_plan *ip)
{
    const struct insert_stmt *i = ip->i;
    for (const struct expr *e = i->columns; e; e = e->next)
        ip->list.count++;
    for (const struct assignment *a = i->set; a; a = a->next)
        ip->list.count++;
    ip->list.names = arena_alloc(ip->p->arena, (ip->list.count + 1) * sizeof *ip->list.names);
    ip->list.count = 0;
    if (arena_failed(ip->p->arena))
        return;
    for (const struct expr *e = i->columns; e; e = e->next)
        ip->list.names[ip->list.count++] = e->name.text;
    for (const struct assignment *a = i->set; a; a = a->next)
        ip->list.names[ip->list.count++] = a->column->name.text;
}

/* How many values the statement gives; NOWHERE where it cannot be told. */
static uint32_t value_count(struct plan *p, const struct insert_stmt *i)
{
    if (i->form == INSERT_VALUES)
        return i->rows ? i->rows->count : 0;
    const struct query_body *body = i->query->body;
    while (body->kind == BODY_SETOP || body->kind == BODY_PAREN)
        body = body->kind == BODY_SETOP ? body->left : body->query->body;
    return body->kind == BODY_SELECT ? item_count(p, body->select) : NOWHERE;
}

/* Finds the list that the statement means. false: nothing is to be done, or it was refused. */
static bool find_list(struct insert_plan *ip)
{
    const struct insert_stmt *i = ip->i;
    if (i->has_columns || i->form == INSERT_SET) {
        list_from_statement(ip);
        return !arena_failed(ip->p->arena);
    }
    uint32_t values = value_count(ip->p, i);
    if (values == 0 && i->form == INSERT_VALUES)
        return true; /* VALUES (): every column is left out */
    if (!ip->target->table || values == NOWHERE) {
        for (uint32_t k = 0; k < ip->target->rule_count; k++)
            if (rule_writes_both(ip->target->rules[k]))
                refuse(ip->p, ip->target->rules[k],
                       ip->target->table ? "the statement has no column list and selects *"
                                         : "the statement has no column list, and the table's columns are"
                                           " not known",
                       "name the columns");
        return false;
    }
    uint32_t old_shape = count_columns(ip, true);
    if (values != old_shape && values == count_columns(ip, false)) /* the visible new columns too */
        return false;
    list_from_catalog(ip, old_shape);
    return !arena_failed(ip->p->arena);
}

/* Writes the list out where the statement had none; else adds to it. */
static void edit_list(struct insert_plan *ip)
{
    const struct insert_stmt *i = ip->i;
    struct plan *p = ip->p;
    struct builder b = {.arena = p->arena};
    if (i->has_columns && ip->list.count) {
        uint32_t place = 0;
        for (const struct expr *e = i->columns; e; e = e->next, place++)
            for (uint32_t k = 0; k < ip->count; k++)
                if (ip->additions[k].behind == place || (ip->additions[k].behind == NOWHERE && !e->next))
                    edits_insert(&p->edits, range_end(e->range), fragment_of(ip->additions[k].columns));
        return;
    }
    for (uint32_t c = 0; c < ip->list.count; c++) {
        builder_add(&b, b.len ? SPAN(", ") : SPAN(""));
        builder_add(&b, quoted_name(p->arena, ip->list.names[c]));
        for (uint32_t k = 0; k < ip->count; k++)
            if (ip->additions[k].behind == c)
                builder_add(&b, ip->additions[k].columns);
    }
    for (uint32_t k = 0; k < ip->count; k++)
        if (ip->additions[k].behind == NOWHERE)
            builder_add(&b, b.len ? ip->additions[k].columns : without_comma(ip->additions[k].columns));
    struct builder list = {.arena = p->arena};
    builder_add(&list, i->has_columns ? SPAN("(") : SPAN(" ("));
    builder_add_fragment(&list, builder_done(&b));
    builder_add(&list, SPAN(")"));
    if (i->has_columns)
        edits_replace(&p->edits, i->columns_range, builder_done(&list));
    else
        edits_insert(&p->edits, range_end(i->partition.len ? i->partition : i->table.range),
                     builder_done(&list));
}

/* Whether the name may be that of a column which is added. */
static bool may_be_added(const struct insert_plan *ip, struct span name)
{
    for (uint32_t k = 0; k < ip->count; k++) {
        const struct rule *r = ip->additions[k].rule;
        for (size_t i = 0; i < r->old_count + r->new_count; i++) {
            struct span column =
                i < r->old_count ? r->old_columns[i].name : r->new_columns[i - r->old_count].name;
            if (span_ieq(column, name) && place_of(&ip->list, column) == NOWHERE)
                return true;
        }
    }
    return false;
}

/* MySQL's AS new(a, b) names every column of the list: what is added is called as it is. */
static void edit_row_alias(struct insert_plan *ip)
{
    const struct name_list *names = ip->i->row_alias_columns;
    uint32_t place = 0;
    for (const struct name_list *n = names; n; n = n->next)
        if (may_be_added(ip, n->name.text))
            refuse(ip->p, ip->additions[0].rule, "the row alias has a name of a column that is added",
                   "give the row alias other names");
    for (const struct name_list *n = names; n; n = n->next, place++)
        for (uint32_t k = 0; k < ip->count; k++)
            if (ip->additions[k].behind == place || (ip->additions[k].behind == NOWHERE && !n->next))
                edits_insert(&ip->p->edits, range_end(n->name.range), fragment_of(ip->additions[k].columns));
}

/* ---- the values ---- */

bool repeat_value(struct insert_plan *ip, const struct rule *rule, const struct scope *scope,
                  struct span name, const struct expr *value, struct substitute *out)
{
    struct plan *p = ip->p;
    const struct catalog_column *column = catalog_column_of(ip->target->table, name);
    if (!column) {
        refuse_about(p, rule, "the type of %.*s is not known, and its value must be repeated", name,
                     "name it and give it a value");
        return false;
    }
    if (!is_repeatable(p, value->range)) {
        refuse_about(p, rule, "the value of %.*s would have to be computed twice", name,
                     "set the new columns too, or insert row by row");
        return false;
    }
    out->column = name;
    return stored_value(p, scope, rule, column, value, rendered(p, value->range), &out->with);
}

bool default_value(struct insert_plan *ip, struct span name, struct substitute *out)
{
    out->column = name;
    return constant_default(ip->p, catalog_column_of(ip->target->table, name), &out->with);
}

/* A row's value at a place of the list; `set`: of INSERT … SET. */
static const struct expr *value_at(const struct expr *row, const struct assignment *set, uint32_t place)
{
    for (; row && place; place--)
        row = row->next;
    for (; set && place; place--)
        set = set->next;
    return row ? row : set ? set->value : NULL;
}

static bool reads_target(const struct insert_plan *ip, const struct expr *value)
{
    for (const struct reader *r = ip->readers; r; r = r->next)
        if (r->value == value)
            return true;
    return false;
}

/* What a rule adds to a row that is computed before it is stored. A column that is left out may still be
 * named: it is the default. The word DEFAULT is not (MariaDB stores NULL for it there). `behind_rows`: rows
 * of the statement are stored before it. */
static struct fragment row_computed_first(struct insert_plan *ip, const struct addition *add,
                                          const struct expr *row, const struct assignment *set,
                                          bool behind_rows)
{
    struct plan *p = ip->p;
    struct rule_side given = given_side(add->rule, add->writes);
    struct rule_side follow = following_side(add->rule, add->writes);
    struct substitute *values = arena_alloc(p->arena, (given.count + 1) * sizeof *values);
    struct builder b = {.arena = p->arena};
    uint32_t count = 0;
    for (size_t i = 0; i < given.count && !arena_failed(p->arena); i++) {
        struct span name = given.columns[i].name;
        uint32_t place = place_of(&ip->list, name);
        const struct expr *value = place == NOWHERE ? NULL : value_at(row, set, place);
        if (!is_read(&follow, name))
            continue;
        if (value && behind_rows && reads_target(ip, value)) {
            /* one copy may be computed before the rows in front are there, another behind them */
            refuse_about(p, add->rule, "the value of %.*s would have to be computed twice", name,
                         "set the new columns too, or insert row by row");
            break;
        }
        if (value && value->kind != EXPR_DEFAULT) {
            if (!repeat_value(ip, add->rule, ip->scope, name, value, &values[count++]))
                break;
        } else if (value && default_value(ip, name, &values[count])) {
            count++;
        } else if (value || needs_default(ip->target, name)) {
            refuse_about(p, add->rule, "%.*s gets its default while a subquery reads the table itself", name,
                         "give it a value, or read the table before");
        }
    }
    for (size_t i = 0; i < follow.count && !p->refused; i++) {
        builder_add(&b, SPAN(", "));
        if (set) {
            builder_add(&b, follow.columns[i].quoted);
            builder_add(&b, SPAN(" = "));
        }
        builder_add_fragment(&b, expression_text(p, &follow.columns[i].value, SPAN(""), values, count));
    }
    return builder_done(&b);
}

/* The same is added to every row: the texts are made once. */
static void edit_run(struct insert_plan *ip, const struct value_row *run)
{
    if (!ip->in_runs || ip->in_runs_of != run->count) {
        struct row_text *texts = arena_alloc(ip->p->arena, (ip->count + 1) * sizeof *texts);
        uint32_t n = 0;
        for (uint32_t place = 0; place < run->count && !arena_failed(ip->p->arena); place++)
            for (uint32_t k = 0; k < ip->count; k++)
                if (ip->additions[k].behind == place ||
                    (ip->additions[k].behind == NOWHERE && place + 1 == run->count))
                    texts[n++] = (struct row_text){place, ip->additions[k].values};
        ip->in_runs = texts;
        ip->in_run_count = n;
        ip->in_runs_of = run->count;
    }
    edits_insert_rows(&ip->p->edits, run, ip->in_runs, ip->in_run_count);
}

static void edit_row(struct insert_plan *ip, const struct value_row *row)
{
    if (row->run) {
        edit_run(ip, row);
        return;
    }
    struct edits *edits = &ip->p->edits;
    uint32_t place = 0;
    if (!row->values) { /* (): only what is added */
        struct builder b = {.arena = ip->p->arena};
        for (uint32_t k = 0; k < ip->count; k++)
            builder_add(&b, b.len ? ip->additions[k].values : without_comma(ip->additions[k].values));
        edits_insert(edits, range_end(row->range) - 1, builder_done(&b));
        return;
    }
    for (const struct expr *e = row->values; e; e = e->next, place++)
        for (uint32_t k = 0; k < ip->count; k++)
            if (ip->additions[k].behind == place || (ip->additions[k].behind == NOWHERE && !e->next))
                edits_insert(edits, range_end(e->range),
                             ip->p->reads_target ? row_computed_first(ip, &ip->additions[k], row->values,
                                                                      NULL, row != ip->rows)
                                                 : fragment_of(ip->additions[k].values));
}

static void edit_set(struct insert_plan *ip)
{
    uint32_t place = 0;
    for (const struct assignment *a = ip->i->set; a; a = a->next, place++)
        for (uint32_t k = 0; k < ip->count; k++)
            if (ip->additions[k].behind == place || (ip->additions[k].behind == NOWHERE && !a->next))
                edits_insert(&ip->p->edits, range_end(a->range),
                             ip->p->reads_target
                                 ? row_computed_first(ip, &ip->additions[k], NULL, ip->i->set, false)
                                 : fragment_of(ip->additions[k].set));
}

/* ---- ON DUPLICATE KEY UPDATE, RETURNING ---- */

/* What the right sides may name: the target, then the tables of the SELECT that the rows come from. */
static struct scope *duplicate_scope(struct insert_plan *ip, const struct scope *from)
{
    struct plan *p = ip->p;
    struct scope *s = arena_new_of(p->arena, struct scope);
    struct source *target = arena_new_of(p->arena, struct source);
    *target = *ip->target;
    target->next = NULL;
    scope_add(s, target);
    s->assigns_first = true;
    if (from && from->select && from->select->group) /* then the server lets them name the target alone */
        from = NULL;
    for (const struct source *o = from ? from->first : NULL; o; o = o->next) {
        struct source *copy = arena_new_of(p->arena, struct source);
        *copy = *o;
        copy->next = NULL;
        scope_add(s, copy);
    }
    if (name_given(&ip->i->row_alias)) {
        struct source *row = arena_new_of(p->arena, struct source);
        row->kind = SOURCE_OPAQUE;
        row->name = ip->i->row_alias.text;
        scope_add(s, row);
    }
    return s;
}

/* Reads the rows that are there, so what is read flips. */
static void plan_duplicate(struct insert_plan *ip, const struct scope *from)
{
    struct plan *p = ip->p;
    const struct insert_stmt *i = ip->i;
    if (!i->on_duplicate)
        return;
    struct scope *s = duplicate_scope(ip, from);
    if (ip->target->rule_count)
        *ip->target->frozen = 0;
    /* beside another table, or MySQL's row alias, a name alone is ambiguous */
    bool qualify = i->form == INSERT_QUERY || name_given(&i->row_alias);
    plan_set(p, s, i->on_duplicate, qualify, p->session->dialect.modes & SQL_SIMULTANEOUS);
    if (ip->target->rule_count)
        *ip->target->frozen = UINT32_MAX;
}

static void plan_returning(struct plan *p, const struct insert_plan *ip)
{
    for (const struct select_item *item = ip->i->returning; item; item = item->next) {
        if (item->expr->kind == EXPR_STAR)
            expand_star(p, ip->scope, item->expr);
        else
            walk_expr(p, ip->scope, item->expr);
    }
    if (!p->stmt->explain)
        note_origins(p, ip->scope, ip->i->returning, NULL);
}

static void walk_value(struct insert_plan *ip, const struct expr *value)
{
    struct plan *p = ip->p;
    bool before = p->reads_target;
    p->reads_target = false;
    walk_expr(p, ip->scope, value);
    if (p->reads_target) {
        struct reader *r = arena_new_of(p->arena, struct reader);
        *r = (struct reader){value, ip->readers};
        ip->readers = r;
    }
    p->reads_target = p->reads_target || before;
}

/* Values may name columns of their own row: they hold what was stored, old ones too. */
static void walk_row_values(struct insert_plan *ip)
{
    for (const struct value_row *row = ip->i->rows; row; row = row->next)
        for (const struct expr *e = row->values; e; e = e->next)
            if (e->kind != EXPR_LITERAL && e->kind != EXPR_PARAM)
                walk_value(ip, e);
    for (const struct assignment *a = ip->i->set; a; a = a->next)
        walk_value(ip, a->value);
}

/* Whether every row has as many values as the list has columns; else the server refuses the statement. */
static bool rows_fit(const struct insert_plan *ip)
{
    for (const struct value_row *row = ip->i->rows; row; row = row->next)
        if (row->count != ip->list.count)
            return false;
    return !ip->implied || ip->i->form != INSERT_QUERY || value_count(ip->p, ip->i) == ip->list.count;
}

static void add_what_follows(struct insert_plan *ip)
{
    const struct insert_stmt *i = ip->i;
    bool reshape = false, both = false;
    if (!find_list(ip))
        return;
    for (uint32_t k = 0; k < ip->target->rule_count; k++)
        both = both || rule_writes_both(ip->target->rules[k]);
    if (!rows_fit(ip)) {
        /* Should the catalog be behind, the server must not take the values for those of other columns. */
        if (ip->implied && both)
            edit_list(ip);
        return;
    }
    add_rules(ip);
    if (ip->implied)
        reshape = count_columns(ip, true) != count_columns(ip, false);
    if (ip->count == 0 && !reshape)
        return;
    edit_row_alias(ip);
    if (i->form == INSERT_SET) {
        edit_set(ip);
        return;
    }
    edit_list(ip);
    ip->rows = ip->p->reads_target ? value_rows_apart(ip->p->arena, ip->p->text, i->rows) : i->rows;
    for (const struct value_row *row = ip->rows; row && ip->count; row = row->next)
        edit_row(ip, row);
    if (i->form == INSERT_QUERY && ip->count)
        edit_selects(ip, i->query->body);
}

void plan_insert(struct plan *p, const struct insert_stmt *i)
{
    struct insert_plan ip = {.p = p, .i = i};
    const struct scope *from = NULL;
    ip.target = source_of_table(p, &i->table, NULL, NULL);
    ip.scope = arena_new_of(p->arena, struct scope);
    scope_add(ip.scope, ip.target);
    if (ip.target->rule_count)
        *ip.target->frozen = UINT32_MAX;
    p->target = i->form == INSERT_QUERY ? NULL : ip.target;
    walk_row_values(&ip);
    if (i->form == INSERT_QUERY)
        from = walk_query(p, i->query, NULL, NULL, false);
    plan_duplicate(&ip, from);
    p->target = NULL;
    if (ip.target->table && ip.target->table->is_view)
        refuse_view_rows(p, ip.target);
    else if (ip.target->rule_count && !p->refused)
        add_what_follows(&ip);
    plan_returning(p, &ip);
}
