/* Queries and expressions: where reads come from the new columns, a reference to an old column becomes the
 * backward expression, and what the client sees keeps its name.
 *
 * The places where a name is not simply a column have their own functions: the select list (labels), GROUP
 * BY, HAVING and ORDER BY (aliases), USING and NATURAL, MATCH. */
#include "proxy/rewrite/plan.h"

#include <stdio.h>

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
    if (!s->nullable || value->null_of_nulls)
        return text;
    struct span guard = never_null_column(s);
    if (guard.len == 0) {
        refuse_about(p, ref->rule,
                     "%.*s is read on the inner side of an outer join, and no NOT NULL column is"
                     " known that tells a missing row",
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

static bool resolve_read(struct plan *p, const struct scope *s, const struct expr *e, struct column_ref *ref)
{
    if (!resolve_column(p, s, e, ref))
        return false;
    touch(p, ref->rule, ref->column->name, false);
    return must_flip(ref);
}

static void flip(struct plan *p, const struct column_ref *ref, struct range at)
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

/* The operands of MATCH, and the left of -> and ->>, must stay columns. */
static void walk_column_only(struct plan *p, const struct scope *s, const struct expr *e, const char *where)
{
    for (const struct expr *a = e->args; a; a = a->next) {
        struct column_ref ref;
        if (a->kind == EXPR_COLUMN && resolve_column(p, s, a, &ref) && must_flip(&ref) &&
            !ref.column->value.plain_column)
            refuse_about(p, ref.rule, where, ref.column->name, "use the new columns in this place");
        walk_node(p, s, a);
    }
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

static void walk_node(struct plan *p, const struct scope *s, const struct expr *e)
{
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
        walk_column_only(p, s, e, "MATCH reads %.*s, and a full-text index is on a column");
        return;
    default:
        break;
    }
    if (e->kind == EXPR_OP && e->op == OP_JSON)
        walk_column_only(p, s, e, "the operator -> reads %.*s and takes a column only");
    else
        walk_exprs(p, s, e->args);
    walk_exprs(p, s, e->window);
    if (e->query)
        walk_query(p, e->query, s, s ? s->ctes : NULL, e->kind == EXPR_EXISTS);
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

/* ---- the select list ---- */

/* An expression without what the server drops when it names a result column: (a) and +a are a. */
static const struct expr *bare(const struct expr *e)
{
    while (e->args && (e->kind == EXPR_PAREN || (e->kind == EXPR_OP && e->op == OP_POSITIVE)))
        e = e->args;
    return e;
}

static bool has_bytes(struct span s, const char *what)
{
    return memmem(s.ptr, s.len, what, strlen(what)) != NULL;
}

/* The server keeps 255 bytes of a name. More need not be sent; it is cut at a blank, which is never a part of
 * another character. */
static struct span shortened(struct span label)
{
    for (size_t i = 600; i < label.len; i++)
        if (label.ptr[i] == ' ')
            return (struct span){label.ptr, i};
    return label;
}

static bool is_four_bytes(struct span s, size_t at)
{
    bool four = s.len - at >= 4 && (s.ptr[at] & 0xf8) == 0xf0;
    for (size_t i = 1; four && i < 4; i++)
        four = (s.ptr[at + i] & 0xc0) == 0x80;
    return four;
}

/* The servers' names have no character beyond the basic plane: a result's column shows "?" for it, an alias
 * is refused. */
static struct span within_basic_plane(struct plan *p, struct span label)
{
    char *out = arena_alloc(p->arena, label.len + 1);
    size_t len = 0;
    if (arena_failed(p->arena))
        return label;
    for (size_t at = 0; at < label.len; at++) {
        bool four = is_four_bytes(label, at);
        out[len++] = four ? '?' : label.ptr[at];
        at += four ? 3 : 0;
    }
    return (struct span){out, len};
}

/* Gives an item that has no alias the name that its original would have had. */
static void keep_label(struct plan *p, const struct select_item *item)
{
    const struct expr *e = bare(item->expr);
    struct span label =
        e->kind == EXPR_COLUMN ? e->name.text : shortened(span_in(p->text, item->expr->range));
    if (e->kind != EXPR_COLUMN && (has_bytes(label, "/*!") || has_bytes(label, "/*M!")))
        refuse(p, NULL, "an executable comment is in a selected expression without an alias",
               "give the expression an alias");
    bool wide = false, quote = false;
    for (size_t i = 0; i < label.len; i++) {
        wide = wide || (unsigned char)label.ptr[i] >= 0x80;
        quote = quote || label.ptr[i] == '`';
    }
    if (wide && quote && p->session->dialect.charset != CHARSET_ASCII_SAFE)
        refuse(p, NULL, "a selected expression cannot be named in this character set",
               "give the expression an alias");
    if (wide)
        label = within_basic_plane(p, label);
    struct builder b = {.arena = p->arena};
    builder_add(&b, SPAN(" AS "));
    builder_add(&b, quoted_name(p->arena, label));
    edits_insert(&p->edits, range_end(item->expr->range), fragment_of(builder_done(&b).text));
}

void walk_items(struct plan *p, struct scope *s, const struct select_item *items, struct range options)
{
    (void)options;
    for (const struct select_item *item = items; item; item = item->next) {
        uint32_t before = p->flips;
        if (item->expr->kind == EXPR_STAR) {
            expand_star(p, s, item->expr);
            continue;
        }
        walk_expr(p, s, item->expr);
        if (p->flips != before && !name_given(&item->alias))
            keep_label(p, item);
    }
}

/* ---- GROUP BY, HAVING, ORDER BY ---- */

/* The select item that is this very column, and its position from 1; a position of 0: not to be told. */
static const struct select_item *item_of_column(struct plan *p, const struct scope *s,
                                                const struct column_ref *ref, unsigned *position)
{
    bool star = false;
    *position = 0;
    unsigned at = 0;
    for (const struct select_item *item = s->select ? s->select->items : NULL; item; item = item->next) {
        const struct expr *e = bare(item->expr);
        struct column_ref other;
        at++;
        star = star || item->expr->kind == EXPR_STAR;
        if (e->kind == EXPR_COLUMN && resolve_column(p, s, e, &other) && other.column == ref->column &&
            other.source == ref->source) {
            *position = star ? 0 : at;
            return item;
        }
    }
    return NULL;
}

static struct span label_of(const struct select_item *item)
{
    const struct expr *e = bare(item->expr);
    if (name_given(&item->alias))
        return item->alias.text;
    return e->kind == EXPR_COLUMN ? e->name.text : SPAN("");
}

/* Whether an unqualified name is that of a select item. */
static bool is_label(const struct scope *s, const struct expr *e)
{
    if (name_given(&e->table) || !s->select)
        return false;
    for (const struct select_item *item = s->select->items; item; item = item->next)
        if (item->expr->kind != EXPR_STAR && span_ieq(label_of(item), e->name.text))
            return true;
    return false;
}

/* Whether the select list has a star, which shows every old column under its name. */
static bool has_star(const struct scope *s)
{
    for (const struct select_item *item = s->select ? s->select->items : NULL; item; item = item->next)
        if (item->expr->kind == EXPR_STAR)
            return true;
    return false;
}

/* Whether the item's label can mean no other item. */
static bool is_only_label(const struct scope *s, const struct select_item *item)
{
    for (const struct select_item *other = s->select->items; other; other = other->next)
        if (other != item && (other->expr->kind == EXPR_STAR || span_ieq(label_of(other), label_of(item))))
            return false;
    return true;
}

static struct fragment position_text(struct plan *p, unsigned position)
{
    char text[16];
    snprintf(text, sizeof text, "%u", position);
    return fragment_of(arena_copy(p->arena, span_of(text)));
}

static bool reads_new(struct plan *p, const struct scope *s, const struct expr *e)
{
    struct column_ref ref;
    if (e->kind == EXPR_COLUMN)
        return resolve_column(p, s, e, &ref) && ref.is_new;
    for (const struct expr *a = e->args; a; a = a->next)
        if (reads_new(p, s, a))
            return true;
    return false;
}

/* An application that knows no new columns may call an item as one of them is called, and group by that name:
 * the server would take the column. true: done. */
static bool group_by_alias(struct plan *p, const struct scope *s, const struct expr *e, struct range at)
{
    struct column_ref ref;
    unsigned position = 0;
    bool star = false;
    if (name_given(&e->table) || !s->select || !resolve_column(p, s, e, &ref) || !ref.is_new ||
        ref.scope != s)
        return false;
    for (const struct select_item *item = s->select->items; item; item = item->next) {
        position++;
        star = star || item->expr->kind == EXPR_STAR;
        if (!name_given(&item->alias) || !span_ieq(item->alias.text, e->name.text) ||
            reads_new(p, s, item->expr))
            continue;
        if (star) {
            refuse_about(p, ref.rule, "GROUP BY %.*s means an alias, and the new column has its name",
                         e->name.text, "give the item another alias");
            return true;
        }
        edits_replace(&p->edits, at, position_text(p, position));
        return true;
    }
    return false;
}

/* A name alone in GROUP BY is the column before it is an alias. */
static void walk_group(struct plan *p, struct scope *s, const struct order_item *item, bool rollup)
{
    const struct expr *e = bare(item->expr);
    struct column_ref ref;
    uint32_t before = p->flips;
    unsigned position;
    if (e->kind != EXPR_COLUMN) {
        walk_expr(p, s, e);
        if (rollup && p->flips != before)
            refuse(p, NULL, "GROUP BY … WITH ROLLUP groups by an expression over migrated columns",
                   "group by the new columns");
        return;
    }
    if (is_label(s, e) && is_rule_column(p->rules, e->name.text) && is_ambiguous(p, s, e))
        return; /* the server takes the select item then, whatever it has become */
    if (group_by_alias(p, s, e, item->expr->range))
        return;
    if (!resolve_read(p, s, e, &ref)) {
        qualify_shared(p, s, e);
        return;
    }
    if (ref.column->value.plain_column) {
        flip(p, &ref, item->expr->range);
        return;
    }
    if (rollup)
        refuse_about(p, ref.rule, "GROUP BY %.*s WITH ROLLUP cannot group by an expression", ref.column->name,
                     "group by the new columns");
    if (item_of_column(p, s, &ref, &position) && position) {
        edits_replace(&p->edits, item->expr->range, position_text(p, position));
        p->flips++;
    } else {
        flip(p, &ref, item->expr->range);
    }
}

/* Whether GROUP BY has the column of that name though a select item of that name is something else: HAVING
 * means the column then, and it is no column any more. */
static const struct rule *grouped_beside_label(struct plan *p, const struct scope *s, const struct expr *e)
{
    struct column_ref ref;
    unsigned position;
    for (const struct order_item *g = s->select->group; g; g = g->next) {
        const struct expr *by = bare(g->expr);
        if (by->kind != EXPR_COLUMN || !span_ieq(by->name.text, e->name.text) ||
            !resolve_read(p, s, by, &ref) || ref.column->value.plain_column)
            continue;
        const struct select_item *item = item_of_column(p, s, &ref, &position);
        if (!item || !span_ieq(label_of(item), e->name.text))
            return ref.rule;
    }
    return NULL;
}

/* Outside of an aggregate HAVING sees select items and grouped columns only: it is given the item's name. */
static void walk_having(struct plan *p, struct scope *s, const struct expr *e)
{
    struct column_ref ref;
    unsigned position;
    if (e->kind == EXPR_FUNC && function_trait_of(e->name.text) == FUNCTION_AGGREGATE) {
        walk_expr(p, s, e);
        return;
    }
    if (e->kind == EXPR_COLUMN) {
        if (is_label(s, e)) {
            const struct rule *r = grouped_beside_label(p, s, e);
            if (r)
                refuse_about(p, r, "HAVING reads %.*s, which is grouped and the name of another item",
                             e->name.text, "give the item another name");
            return;
        }
        if (!resolve_read(p, s, e, &ref))
            return;
        const struct select_item *item = item_of_column(p, s, &ref, &position);
        if (ref.source && ref.scope == s && item) {
            if (!is_only_label(s, item))
                refuse_about(p, ref.rule, "HAVING reads %.*s, and another item has its name",
                             ref.column->name, "give the items different aliases");
            edits_replace(&p->edits, e->range, fragment_of(quoted_name(p->arena, label_of(item))));
            p->flips++;
        } else if (ref.scope == s && has_star(s)) {
            edits_replace(&p->edits, e->range, fragment_of(quoted_name(p->arena, ref.column->name)));
            p->flips++;
        } else if (ref.column->value.plain_column || ref.scope != s) {
            flip(p, &ref, e->range);
        } else {
            refuse_about(p, ref.rule, "HAVING reads %.*s, which is neither selected nor in an aggregate",
                         ref.column->name, "select the column, or use WHERE");
        }
        return;
    }
    if (e->query) {
        for (const struct expr *a = e->args; a; a = a->next)
            walk_having(p, s, a);
        s->in_having = true;
        walk_query(p, e->query, s, s->ctes, e->kind == EXPR_EXISTS);
        s->in_having = false;
        return;
    }
    if (e->kind == EXPR_DEFAULT_OF || e->kind == EXPR_MATCH || (e->kind == EXPR_OP && e->op == OP_JSON)) {
        walk_expr(p, s, e);
        return;
    }
    for (const struct expr *a = e->args; a; a = a->next)
        walk_having(p, s, a);
    walk_exprs(p, s, e->window);
}

/* What a name alone in ORDER BY sorts by, where that is one column: its select item's, or the column itself.
 */
static bool ordered_column(struct plan *p, const struct scope *s, const struct expr *e,
                           struct column_ref *out)
{
    if (!is_label(s, e))
        return resolve_column(p, s, e, out);
    out->column = NULL;
    for (const struct select_item *item = s->select->items; item; item = item->next) {
        const struct expr *shown = bare(item->expr);
        struct column_ref ref;
        if (item->expr->kind == EXPR_STAR || !span_ieq(label_of(item), e->name.text))
            continue;
        if (shown->kind != EXPR_COLUMN || !resolve_column(p, s, shown, &ref) ||
            (out->column && (ref.column != out->column || ref.source != out->source)))
            return false;
        *out = ref;
    }
    return true;
}

/* Sorts by the new column itself, where the rows are as the tables give them. */
static bool order_by_new(struct plan *p, const struct scope *s, const struct expr *e, struct range at)
{
    struct column_ref ref;
    struct fragment text;
    if ((s->select && !s->orders_rows) || !ordered_column(p, s, e, &ref) || !must_flip(&ref) ||
        !sargable_order(p, &ref, &text))
        return false;
    touch(p, ref.rule, ref.column->name, false);
    edits_replace(&p->edits, at, text);
    p->flips++;
    return true;
}

/* A name alone in ORDER BY is an alias before it is a column; within an expression it is the column. */
void walk_order(struct plan *p, struct scope *s, const struct order_item *order)
{
    for (; order; order = order->next) {
        const struct expr *e = bare(order->expr);
        struct column_ref ref;
        unsigned position;
        if (e->kind != EXPR_COLUMN) {
            walk_expr(p, s, e);
            continue;
        }
        if (order_by_new(p, s, e, order->expr->range))
            continue;
        if (is_label(s, e))
            continue;
        if (!resolve_read(p, s, e, &ref)) {
            qualify_shared(p, s, e);
            continue;
        }
        const struct select_item *item = ref.scope == s ? item_of_column(p, s, &ref, &position) : NULL;
        bool by_label = item && is_only_label(s, item);
        if (item && !ref.column->value.plain_column && (by_label || position)) {
            edits_replace(&p->edits, order->expr->range,
                          by_label ? fragment_of(quoted_name(p->arena, label_of(item)))
                                   : position_text(p, position));
            p->flips++;
        } else {
            flip(p, &ref, order->expr->range);
        }
    }
}

/* ---- FROM ---- */

static void check_using(struct plan *p, struct source *from, const struct name_list *using)
{
    for (; using; using = using->next)
        for (struct source *s = from; s; s = s->next) {
            struct column_ref ref;
            if (!source_column(s, using->name.text, &ref))
                continue;
            touch(p, ref.rule, ref.column->name, false);
            if (must_flip(&ref))
                refuse_about(p, ref.rule, "USING joins by %.*s", ref.column->name, "join with ON");
        }
}

/* NATURAL joins by every name that both sides have: none of them may be an old column that is flipped, and
 * no new column may take part. */
static void check_natural(struct plan *p, struct source *from, struct source *right)
{
    bool on_right = false;
    for (struct source *s = from; s; s = s->next) {
        on_right = on_right || s == right;
        for (uint32_t i = 0; i < s->rule_count; i++) {
            const struct rule *r = s->rules[i];
            struct source *other = on_right ? from : right, *end = on_right ? right : NULL;
            for (; rule_flips(r) && other != end; other = other->next)
                for (size_t k = 0; k < r->old_count; k++)
                    if (source_has(p, other, r->old_columns[k].name) != HAS_NOT)
                        refuse_about(p, r, "NATURAL JOIN may join by %.*s", r->old_columns[k].name,
                                     "join with ON");
        }
    }
}

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
    check_using(p, left, join->using);
    if (join->natural)
        check_natural(p, left, right);
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

static struct scope *walk_select(struct plan *p, const struct query *q, const struct select *select,
                                 const struct scope *outer, const struct ctes *ctes, bool exists)
{
    struct scope *s = arena_new_of(p->arena, struct scope);
    *s = (struct scope){.outer = outer, .select = select, .ctes = ctes};
    remember(p, select, s);
    walk_from(p, s, select->from);
    bool star_alone = exists && select->items && select->items->expr->kind == EXPR_STAR;
    if (!star_alone)
        walk_items(p, s, select->items, select->options);
    walk_condition(p, s, select->where);
    for (const struct order_item *g = select->group; g; g = g->next)
        walk_group(p, s, g, select->rollup);
    if (select->having)
        walk_having(p, s, select->having);
    for (const struct named_window *w = select->windows; w; w = w->next)
        walk_exprs(p, s, w->exprs);
    s->orders_rows = !select->distinct && !select->group && !select->having;
    if (q)
        walk_order(p, s, q->order);
    s->orders_rows = false;
    return s;
}

/* TABLE t is SELECT * FROM t. */
static void walk_table_body(struct plan *p, const struct query_body *body, const struct ctes *ctes)
{
    struct source *s = source_of_table(p, &body->table, NULL, ctes);
    for (uint32_t i = 0; i < s->rule_count; i++)
        if (star_reshapes(p, s))
            refuse(p, s->rules[i], "TABLE cannot show the table in its old shape", "use SELECT");
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
        walk_table_body(p, body, ctes);
        return NULL;
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
    ctes = walk_with(p, q->with, outer, ctes);
    struct scope *shape = walk_body(p, q, q->body, outer, ctes, exists);
    walk_exprs(p, shape ? shape : outer, q->limit);
    return shape;
}
