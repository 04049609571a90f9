/* Names that are not simply columns: what a select item's result column is called, and what GROUP BY, HAVING
 * and ORDER BY mean by a name, which may be an alias, a column, or both.
 *
 * The server's rules, where reads flip: a select item keeps the name that it had; a name alone in GROUP BY is
 * the column before it is an alias, in ORDER BY the alias before the column; HAVING sees select items and
 * grouped columns only. */
#include "proxy/rewrite/plan.h"

#include <stdio.h>

#include "proxy/rewrite/expression.h"
#include "proxy/sql/lexer.h"

/* ---- the select list ---- */

const struct expr *bare(const struct expr *e)
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

/* The text that the server names a result's column by. Under IGNORE_SPACE a word of MySQL's takes in the
 * blanks behind it, and so does an expression that ends with one. */
static struct span source_of(const struct plan *p, struct range r)
{
    struct span text = span_in(p->text, r);
    uint32_t at = range_end(r), word = at;
    if (p->rules->mariadb || !(p->session->dialect.modes & SQL_IGNORE_SPACE))
        return text;
    while (word > r.off && lex_is(p->text.ptr[word - 1], CLASS_IDENT))
        word--;
    bool is_word = word < at && !lex_is(p->text.ptr[word], CLASS_DIGIT);
    if (!is_word || (word > r.off && (p->text.ptr[word - 1] == '.' || p->text.ptr[word - 1] == '@')))
        return text;
    while (at < p->text.len && lex_is(p->text.ptr[at], CLASS_SPACE))
        at++;
    return (struct span){text.ptr, at - r.off};
}

/* Where the item begins for its name: for MariaDB right behind the comma and blanks, so that a comment in
 * front of the expression is a part of it. `previous`: the item before the comma; NULL for the first, which
 * begins with its expression. */
static struct range named_range(const struct plan *p, const struct select_item *item,
                                const struct select_item *previous)
{
    struct range r = item->expr->range;
    if (!previous || !p->rules->mariadb)
        return r;
    struct lexer lx;
    lex_init(&lx, &p->session->dialect, (struct span){p->text.ptr, r.off});
    lx.pos = range_end(previous->range);
    if (lex_next_significant(&lx).type != ',')
        return r;
    struct token first = lex_next(&lx);
    if (first.type == TOK_SPACE)
        first = lex_next(&lx);
    return first.type == TOK_COMMENT ? range_join((struct range){first.off, 0}, r) : r;
}

/* Gives an item that has no alias the name that its original would have had. */
static void keep_label(struct plan *p, const struct select_item *item, const struct select_item *previous)
{
    const struct expr *e = bare(item->expr);
    struct span label =
        e->kind == EXPR_COLUMN ? e->name.text : shortened(source_of(p, named_range(p, item, previous)));
    if (e->kind != EXPR_COLUMN && p->stmt->has_executable &&
        (has_bytes(label, "/*!") || has_bytes(label, "/*M!") || has_bytes(label, "*/")))
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
    edits_insert(&p->edits, range_end(item->expr->range),
                 fragment_of(quoted_name_behind(p->arena, SPAN(" AS "), label)));
}

static bool is_aggregate(const struct expr *e)
{
    return e->kind == EXPR_FUNC && !e->windowed && function_trait_of(e->name.text) == FUNCTION_AGGREGATE;
}

static bool aggregates(const struct expr *e)
{
    bool found = is_aggregate(e);
    for (const struct expr *a = e->args; a && !found; a = a->next)
        found = aggregates(a);
    return found;
}

bool has_one_group(const struct select *select)
{
    bool found = select && !select->group && select->having && aggregates(select->having);
    for (const struct select_item *item = select && !select->group ? select->items : NULL; item && !found;
         item = item->next)
        found = aggregates(item->expr);
    return found;
}

static void of_one_group(struct scope *s, bool yes)
{
    for (struct source *source = s->first; source; source = source->next)
        source->one_group = yes;
}

static bool is_string(const struct plan *p, const struct name *alias)
{
    return name_given(alias) &&
           (p->text.ptr[alias->range.off] == '\'' || p->text.ptr[alias->range.off] == '"');
}

void walk_items(struct plan *p, struct scope *s, const struct select_item *items, struct range options)
{
    (void)options;
    const struct select_item *previous = NULL;
    bool one_group = has_one_group(s->select);
    for (const struct select_item *item = items; item; previous = item, item = item->next) {
        uint32_t before = p->flips;
        p->values_matter = p->values_matter || is_string(p, &item->alias);
        if (item->expr->kind == EXPR_STAR) {
            of_one_group(s, one_group);
            expand_star(p, s, item->expr);
            of_one_group(s, false);
            continue;
        }
        of_one_group(s, one_group && !is_aggregate(bare(item->expr)));
        walk_expr(p, s, item->expr);
        of_one_group(s, false);
        bool respelled =
            s->old_shape && bare(item->expr)->kind == EXPR_COLUMN && is_respelled(s, bare(item->expr));
        if ((p->flips != before || respelled) && !name_given(&item->alias))
            keep_label(p, item, previous);
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

/* The first select item of an unqualified name; NULL: none. */
static const struct select_item *item_labelled(const struct scope *s, const struct expr *e)
{
    if (name_given(&e->table) || !s->select)
        return NULL;
    const struct select_item *item = s->select->items;
    while (item && (item->expr->kind == EXPR_STAR || !span_ieq(label_of(item), e->name.text)))
        item = item->next;
    return item;
}

static bool is_label(const struct scope *s, const struct expr *e)
{
    return item_labelled(s, e) != NULL;
}

/* Whether the select list has a star that shows the table's old columns under their names. */
static bool has_star(struct plan *p, const struct scope *s, const struct source *of)
{
    for (const struct select_item *item = s->select ? s->select->items : NULL; item; item = item->next) {
        const struct expr *e = item->expr;
        if (e->kind == EXPR_STAR && (!name_given(&e->table) || source_named(p, s, &e->db, &e->table) == of))
            return true;
    }
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

struct fragment position_text(struct plan *p, unsigned position)
{
    char text[16];
    snprintf(text, sizeof text, "%u", position);
    return fragment_of(arena_copy(p->arena, span_of(text)));
}

bool reads_new(struct plan *p, const struct scope *s, const struct expr *e)
{
    struct column_ref ref;
    if (e->kind == EXPR_COLUMN)
        return resolve_column(p, s, e, &ref) && ref.is_new;
    for (const struct expr *a = e->args; a; a = a->next)
        if (reads_new(p, s, a))
            return true;
    return false;
}

/* The item that an application which knows no new columns means by the name of one; NULL: none. */
static const struct select_item *item_called(struct plan *p, const struct scope *s, const struct expr *e)
{
    struct column_ref ref;
    if (!s->select || name_given(&e->table) || !resolve_column(p, s, e, &ref) || !ref.is_new ||
        ref.scope != s)
        return NULL;
    for (const struct select_item *item = s->select->items; item; item = item->next)
        if (name_given(&item->alias) && span_ieq(item->alias.text, e->name.text) &&
            !reads_new(p, s, item->expr))
            return item;
    return NULL;
}

void spell_out(struct plan *p, const struct select_item *item, struct range at)
{
    struct builder b = {.arena = p->arena};
    builder_add(&b, SPAN("("));
    builder_add_fragment(&b, rendered(p, item->expr->range));
    builder_add(&b, SPAN(")"));
    edits_replace(&p->edits, at, builder_done(&b));
}

void spell_out_aliases(struct plan *p, const struct scope *s, const struct expr *e)
{
    for (const struct expr *a = e->args; a; a = a->next)
        spell_out_aliases(p, s, a);
    const struct select_item *item = e->kind == EXPR_COLUMN ? item_called(p, s, e) : NULL;
    /* In a window of the select list: an item behind it is not rewritten yet, its own cannot be meant. */
    bool is_behind = item && item->expr->range.off > e->range.off;
    if (!item || (!is_behind && range_end(item->expr->range) >= range_end(e->range)))
        return;
    if (is_behind || item->expr->has_query || !is_repeatable(p, item->expr->range))
        refuse_about(p, NULL, "%.*s means an alias within an expression, and the new column has its name",
                     e->name.text, "give the item another alias");
    spell_out(p, item, e->range);
}

/* An expression of GROUP BY or ORDER BY. */
static void walk_sorting(struct plan *p, struct scope *s, const struct expr *e)
{
    s->sorts = true;
    spell_out_aliases(p, s, e);
    walk_expr(p, s, e);
    s->sorts = false;
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
void walk_group(struct plan *p, struct scope *s, const struct order_item *item, bool rollup)
{
    const struct expr *e = bare(item->expr);
    struct column_ref ref;
    uint32_t before = p->flips;
    unsigned position;
    if (e->kind != EXPR_COLUMN) {
        walk_sorting(p, s, e);
        if (rollup && p->flips != before)
            refuse(p, NULL, "GROUP BY … WITH ROLLUP groups by an expression over migrated columns",
                   "group by the new columns");
        return;
    }
    if (is_label(s, e) && rules_have_column(p->rules, e->name.text) && is_ambiguous(p, s, e))
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

/* ---- ONLY_FULL_GROUP_BY ---- */

/* Whether the expression reads the column outside of an aggregate. */
static bool reads_alone(struct plan *p, const struct scope *s, const struct expr *e,
                        const struct column_ref *column)
{
    struct column_ref ref;
    if (e->kind == EXPR_COLUMN)
        return resolve_column(p, s, e, &ref) && ref.column == column->column && ref.source == column->source;
    if (e->kind == EXPR_FUNC && function_trait_of(e->name.text) == FUNCTION_AGGREGATE)
        return false;
    for (const struct expr *a = e->args; a; a = a->next)
        if (reads_alone(p, s, a, column))
            return true;
    return false;
}

/* Under ONLY_FULL_GROUP_BY the server takes a grouped column within an expression, but not a grouped
 * expression. */
static void check_groups(struct plan *p, const struct query *q, const struct scope *s)
{
    bool strict = p->session->dialect.modes & SQL_ONLY_FULL_GROUP_BY;
    for (const struct order_item *g = strict ? s->select->group : NULL; g; g = g->next) {
        struct column_ref ref;
        if (bare(g->expr)->kind != EXPR_COLUMN || !resolve_column(p, s, bare(g->expr), &ref) ||
            !must_flip(&ref) || ref.column->value.plain_column)
            continue;
        bool within = false;
        unsigned shown = 0; /* MariaDB groups by one of the items, and takes no other */
        for (const struct select_item *item = s->select->items; item; item = item->next) {
            bool is_column = bare(item->expr)->kind == EXPR_COLUMN;
            bool reads = reads_alone(p, s, item->expr, &ref);
            shown += reads && is_column;
            within = within || (reads && (!is_column || (p->rules->mariadb && shown > 1)));
        }
        for (const struct order_item *o = q ? q->order : NULL; o; o = o->next)
            within = within || (bare(o->expr)->kind != EXPR_COLUMN && reads_alone(p, s, o->expr, &ref));
        if (within)
            refuse_about(p, ref.rule, "ONLY_FULL_GROUP_BY takes %.*s within an expression as a column only",
                         ref.column->name, "group by the new columns, or by the whole expression");
    }
}

/* Whether a grouped expression is selected beside what only groups have. */
static void check_compared_select(struct plan *p, const struct select *select)
{
    const struct scope *s = scope_of(p, select);
    bool of_groups = select->having != NULL;
    for (const struct select_item *item = select->items; item; item = item->next)
        of_groups = of_groups || aggregates(item->expr);
    for (const struct order_item *g = s && of_groups ? select->group : NULL; g; g = g->next) {
        struct column_ref ref;
        unsigned position;
        if (flips_to_expression(p, s, bare(g->expr)) && resolve_column(p, s, bare(g->expr), &ref) &&
            item_of_column(p, s, &ref, &position))
            refuse_about(p, ref.rule, "ONLY_FULL_GROUP_BY takes %.*s within an expression as a column only",
                         ref.column->name, "group by the new columns, or join with the groups");
    }
}

void check_compared(struct plan *p, const struct query *q)
{
    if (p->rules->mariadb || !(p->session->dialect.modes & SQL_ONLY_FULL_GROUP_BY))
        return;
    const struct query_body *body = q->body;
    for (; body->kind == BODY_SETOP; body = body->left)
        if (body->right->kind == BODY_SELECT)
            check_compared_select(p, body->right->select);
    if (body->kind == BODY_SELECT)
        check_compared_select(p, body->select);
    else if (body->kind == BODY_PAREN)
        check_compared(p, body->query);
}

/* Whether a selected column that becomes an expression is a part of this one. */
static bool reads_selected(struct plan *p, const struct scope *s, const struct expr *e,
                           struct column_ref *ref)
{
    unsigned position;
    if (e->kind == EXPR_COLUMN)
        return flips_to_expression(p, s, e) && resolve_column(p, s, e, ref) &&
               (item_of_column(p, s, ref, &position) || has_star(p, s, ref->source));
    for (const struct expr *a = e->args; a; a = a->next)
        if (reads_selected(p, s, a, ref))
            return true;
    return false;
}

/* Whether this very text is a select item, which the server finds whatever it has become. */
static bool is_selected(const struct plan *p, const struct scope *s, const struct expr *e)
{
    for (const struct select_item *item = s->select->items; item; item = item->next)
        if (span_eq(span_in(p->text, item->expr->range), span_in(p->text, e->range)))
            return true;
    return false;
}

/* Behind SELECT DISTINCT, MySQL's ONLY_FULL_GROUP_BY takes an ORDER BY of selected columns, and within an
 * expression it finds no selected expression. */
static void check_distinct(struct plan *p, const struct query *q, const struct scope *s)
{
    for (const struct order_item *o = q && sorts_distinct(p, q, s->select) ? q->order : NULL; o;
         o = o->next) {
        struct column_ref ref;
        if (bare(o->expr)->kind != EXPR_COLUMN && !is_selected(p, s, o->expr) &&
            reads_selected(p, s, o->expr, &ref))
            refuse_about(p, ref.rule, "ONLY_FULL_GROUP_BY takes %.*s within an expression as a column only",
                         ref.column->name, "select the whole expression, too");
    }
}

void check_full_group(struct plan *p, const struct query *q, const struct scope *s)
{
    check_groups(p, q, s);
    check_distinct(p, q, s);
}

/* ---- HAVING ---- */

/* The migration's column that a name alone, an item's name or a place in GROUP BY stands for. */
static bool grouped_column(struct plan *p, const struct scope *s, const struct order_item *g,
                           struct column_ref *out)
{
    const struct expr *by = bare(g->expr);
    if (by->kind == EXPR_LITERAL) {
        struct span digits = span_in(p->text, by->range);
        const struct select_item *item = s->select->items;
        unsigned place = 0;
        for (size_t i = 0; i < digits.len && place < 10000; i++)
            place = place * 10 + (unsigned char)(digits.ptr[i] - '0');
        for (; item && item->expr->kind != EXPR_STAR && place > 1; place--)
            item = item->next;
        by = item && item->expr->kind != EXPR_STAR ? bare(item->expr) : by;
    } else if (by->kind == EXPR_COLUMN && is_label(s, by) && !resolve_column(p, s, by, out)) {
        by = bare(item_labelled(s, by)->expr);
    }
    return by->kind == EXPR_COLUMN && resolve_column(p, s, by, out) && out->scope == s && must_flip(out);
}

/* HAVING takes a grouped column of its name before a select item of that name. true: it does, as it is
 * written or as it will be sent, where a grouped column comes from a new one of that name. */
static bool grouped_beside_label(struct plan *p, const struct scope *s, const struct expr *e,
                                 const struct select_item *item, struct column_ref *ref)
{
    const struct expr *shown = bare(item->expr);
    struct column_ref same;
    for (const struct order_item *g = s->select->group; g; g = g->next) {
        if (!grouped_column(p, s, g, ref))
            continue;
        const struct expression *value = &ref->column->value;
        bool named = span_ieq(ref->column->name, e->name.text) ||
                     (value->plain_column && span_ieq(value->refs[0].column, e->name.text));
        if (named && (shown->kind != EXPR_COLUMN || !resolve_column(p, s, shown, &same) ||
                      same.column != ref->column || same.source != ref->source))
            return true;
    }
    return false;
}

/* A select item's name in HAVING stays, unless it means a grouped column, or would come to mean one: HAVING
 * may have an aggregate in the name's place, though MariaDB finds no rows where one is `compared` with a
 * subquery. */
static void walk_having_label(struct plan *p, const struct scope *s, const struct expr *e, bool compared)
{
    const struct select_item *item = item_labelled(s, e);
    struct column_ref ref;
    unsigned position;
    if (item_behind(p, s, e, &position))
        refuse_about(p, NULL, "HAVING reads %.*s, and another item has its name", e->name.text,
                     "give the items different aliases");
    if (!grouped_beside_label(p, s, e, item, &ref))
        return;
    touch(p, ref.rule, ref.column->name, false);
    if (span_ieq(ref.column->name, e->name.text))
        refuse_about(p, ref.rule, "HAVING reads %.*s, which is grouped and the name of another item",
                     e->name.text, "give the item another name");
    else if (!compared && is_aggregate(bare(item->expr)) && !item->expr->has_query &&
             is_repeatable(p, item->expr->range))
        spell_out(p, item, e->range);
    else
        refuse_about(p, ref.rule, "HAVING means an item by %.*s, and a grouped column's new one has its name",
                     e->name.text, "give the item another alias");
}

/* What HAVING compares with a subquery. */
static void walk_having_compared(struct plan *p, struct scope *s, const struct expr *e)
{
    if (bare(e)->kind == EXPR_COLUMN && is_label(s, bare(e)))
        walk_having_label(p, s, bare(e), true);
    else if (bare(e)->kind == EXPR_ROW)
        for (const struct expr *a = bare(e)->args; a; a = a->next)
            walk_having_compared(p, s, a);
    else
        walk_having(p, s, e);
}

/* Outside of an aggregate HAVING sees select items and grouped columns only: it is given the item's name. */
void walk_having(struct plan *p, struct scope *s, const struct expr *e)
{
    struct column_ref ref;
    unsigned position;
    if (e->kind == EXPR_FUNC && function_trait_of(e->name.text) == FUNCTION_AGGREGATE) {
        walk_expr(p, s, e);
        return;
    }
    if (e->kind == EXPR_COLUMN) {
        if (is_label(s, e)) {
            walk_having_label(p, s, e, false);
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
        } else if (ref.scope == s && has_star(p, s, ref.source)) {
            edits_replace(&p->edits, e->range, fragment_of(ref.column->quoted));
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
            walk_having_compared(p, s, a);
        s->in_having = true;
        walk_query(p, e->query, s, s->ctes, e->kind == EXPR_EXISTS);
        s->in_having = false;
        if (e->kind == EXPR_OP)
            check_compared(p, e->query);
        return;
    }
    if (e->kind == EXPR_DEFAULT_OF || e->kind == EXPR_MATCH || is_json_path(e)) {
        s->in_having = is_json_path(e) && flips_to_expression(p, s, e->args);
        walk_expr(p, s, e);
        s->in_having = false;
        return;
    }
    for (const struct expr *a = e->args; a; a = a->next)
        walk_having(p, s, a);
    walk_window(p, s, e->window);
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
            walk_sorting(p, s, e);
            continue;
        }
        const struct select_item *behind = item_behind(p, s, e, &position);
        if (behind) {
            repeat_item(p, behind, order->expr->range, position);
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
