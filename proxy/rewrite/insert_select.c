/* INSERT … SELECT: the rows that a query gives.
 *
 *     INSERT INTO t (old) SELECT a FROM s               →  (old, `new`) SELECT a, f(a as it is stored) FROM s
 *
 * The select list cannot see the target's columns: the item that fills the old one is repeated within the
 * expression, in every SELECT that rows come from. */
#include "proxy/rewrite/insert.h"

#include "proxy/rewrite/expression.h"
#include "proxy/sql/lexer.h"

uint32_t item_count(struct plan *p, const struct select *select)
{
    const struct scope *scope = scope_of(p, select);
    struct shown_column *shown;
    uint32_t n = 0, more;
    for (const struct select_item *item = select->items; item; item = item->next) {
        more = 1;
        if (item->expr->kind == EXPR_STAR && (!scope || !star_columns(p, scope, item->expr, &shown, &more)))
            return NOWHERE;
        n += more;
    }
    return n;
}

/* The select item that gives the value at a place; `shown` where it is a star's column. NULL: there is none.
 */
static const struct select_item *item_at(struct plan *p, const struct select *select,
                                         const struct scope *scope, uint32_t place,
                                         struct shown_column *shown)
{
    struct shown_column *columns;
    uint32_t count;
    *shown = (struct shown_column){0};
    for (const struct select_item *item = select->items; item; item = item->next, place--) {
        if (item->expr->kind == EXPR_STAR && star_columns(p, scope, item->expr, &columns, &count)) {
            if (place < count)
                *shown = columns[place];
            place -= count - 1; /* the loop takes one */
            if (!shown->source)
                continue;
        } else if (place > 0) {
            continue;
        }
        return item;
    }
    return NULL;
}

/* A star's column, repeated as the target's column stores it. false: refused. */
static bool repeat_shown(struct insert_plan *ip, const struct rule *rule, const struct scope *scope,
                         struct span name, const struct shown_column *shown, struct substitute *out)
{
    struct plan *p = ip->p;
    const struct catalog_column *column = catalog_column_of(ip->target->table, name);
    struct column_ref ref;
    bool flipped = source_column(shown->source, shown->name, &ref) && must_flip(&ref);
    struct fragment text =
        flipped ? flipped_text(p, &ref) : fragment_of(column_text(p, shown->source->qualifier, shown->name));
    struct expr *e = arena_new_of(p->arena, struct expr);
    *e = (struct expr){.kind = EXPR_COLUMN, .name.text = shown->name, .table.text = shown->source->name};
    if (!column) {
        refuse_about(p, rule, "the type of %.*s is not known, and its value must be repeated", name,
                     "name it and give it a value");
        return false;
    }
    out->column = name;
    return stored_column(p, scope, rule, column, e, flipped, text, &out->with);
}

static bool default_left_out(struct insert_plan *ip, const struct rule *rule, struct span name,
                             struct substitute *out)
{
    if (default_value(ip, name, out))
        return true;
    refuse_about(ip->p, rule, "INSERT … SELECT leaves %.*s out", name, "name it and give it a value");
    return false;
}

/* One branch of INSERT … SELECT: the item that fills the column is repeated within the expression. */
static void edit_branch(struct insert_plan *ip, const struct select *select, const struct scope *scope)
{
    struct plan *p = ip->p;
    for (uint32_t k = 0; k < ip->count; k++) {
        const struct addition *add = &ip->additions[k];
        struct rule_side given = given_side(add->rule, add->writes);
        struct rule_side follow = following_side(add->rule, add->writes);
        struct substitute *values = arena_alloc(p->arena, (given.count + 1) * sizeof *values);
        const struct select_item *behind = NULL;
        uint32_t count = 0;
        for (size_t c = 0; c < given.count && !arena_failed(p->arena); c++) {
            struct span name = given.columns[c].name;
            uint32_t place = place_of(&ip->list, name);
            struct shown_column shown;
            const struct select_item *item = NULL;
            if (place != NOWHERE)
                item = item_at(p, select, scope, place, &shown);
            if (!is_read(&follow, name))
                continue;
            struct substitute *value = &values[count++];
            if (!item          ? !default_left_out(ip, add->rule, name, value)
                : shown.source ? !repeat_shown(ip, add->rule, scope, name, &shown, value)
                               : !repeat_value(ip, add->rule, scope, name, item->expr, value))
                return;
        }
        for (const struct select_item *item = select->items; item; item = item->next)
            behind = item;
        struct builder b = {.arena = p->arena};
        for (size_t c = 0; c < follow.count; c++) {
            builder_add(&b, SPAN(", "));
            builder_add_fragment(&b, expression_text(p, &follow.columns[c].value, SPAN(""), values, count));
        }
        if (behind)
            edits_insert(&p->edits, range_end(behind->range), builder_done(&b));
    }
}

/* Whether two rows that the server takes for the same give the same after f too: numbers and dates do, texts
 * that differ in letter case need not. */
static bool same_rows_stay_same(const struct insert_plan *ip)
{
    for (uint32_t k = 0; k < ip->count; k++) {
        struct rule_side given = given_side(ip->additions[k].rule, ip->additions[k].writes);
        for (size_t c = 0; c < given.count; c++) {
            const struct catalog_column *column = catalog_column_of(ip->target->table, given.columns[c].name);
            if (!column || (column->class != COLUMN_INTEGER && column->class != COLUMN_DECIMAL &&
                            column->class != COLUMN_TEMPORAL))
                return false;
        }
    }
    return true;
}

/* Whether a set operation is UNION ALL. */
static bool keeps_all_rows(const struct plan *p, const struct query_body *body)
{
    uint32_t from = range_end(body->left->range), to = body->right->range.off;
    struct lexer lx;
    bool is_union = false, all = false;
    lex_init(&lx, &p->session->dialect, (struct span){p->text.ptr, to});
    lx.pos = from;
    for (struct token t = lex_next_significant(&lx); t.type != TOK_END; t = lex_next_significant(&lx)) {
        struct span word = {p->text.ptr + t.off, t.len};
        is_union = is_union || span_ieq(word, SPAN("union"));
        all = all || span_ieq(word, SPAN("all"));
    }
    return is_union && all;
}

void edit_selects(struct insert_plan *ip, const struct query_body *body)
{
    struct plan *p = ip->p;
    const char *reason = NULL;
    for (; body->kind == BODY_SETOP; body = body->left) {
        if (!keeps_all_rows(p, body) && !same_rows_stay_same(ip))
            reason = "INSERT takes its rows from a set operation that compares texts";
        edit_selects(ip, body->right);
    }
    if (body->kind == BODY_PAREN && !body->query->with) {
        edit_selects(ip, body->query->body);
        return;
    }
    const struct scope *scope = body->kind == BODY_SELECT ? scope_of(p, body->select) : NULL;
    if (!scope)
        reason = "INSERT takes its rows from something else than SELECT";
    else if (body->select->distinct && !same_rows_stay_same(ip))
        reason = "INSERT takes its rows from SELECT DISTINCT over texts";
    else if (item_count(p, body->select) == NOWHERE)
        reason = "INSERT takes its rows from SELECT *";
    if (reason)
        refuse(p, ip->additions[0].rule, reason,
               "insert from SELECTs that name their columns, or set the new columns too");
    else
        edit_branch(ip, body->select, scope);
}
