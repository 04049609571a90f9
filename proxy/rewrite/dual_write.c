/* Which columns a statement sets, and SET lists.
 *
 * In order (a single-table UPDATE, ON DUPLICATE KEY UPDATE): assignments run left to right and a later one
 * sees the column as it is stored, so what follows is the plain expression, put behind:
 *     SET old = v          →  SET old = v, new = f(old)
 * The backward side goes to the list's end: in between, an old column still reads as the application knew it.
 *
 * Order-less (several tables, subqueries, SIMULTANEOUS_ASSIGNMENT): an assignment may see either, so the
 * assigned value is repeated, as the column would have stored it, and what nobody reads is assigned first:
 *     SET t.old = v        →  SET t.new = f(v), t.old = v */
#include "proxy/rewrite/expression.h"
#include "proxy/rewrite/plan.h"
#include "proxy/sql/lexer.h"

uint32_t place_of(const struct column_list *list, struct span column)
{
    for (uint32_t i = list->count; i-- > 0;)
        if (span_ieq(list->names[i], column))
            return i;
    return NOWHERE;
}

void refuse_view_write(struct plan *p, const struct source *target, struct span column)
{
    const struct rule *r = rule_behind_view(p->rules, target->table, column);
    if (r)
        refuse_about(p, r, "%.*s is written through a view", column, "write the table itself");
}

void refuse_view_rows(struct plan *p, const struct source *target)
{
    const struct rule *r = rule_of_rows_behind_view(p->rules, target->table);
    if (r)
        refuse(p, r, "rows are added through a view", "add them to the table itself");
}

/* How many of a side's columns are set. */
static size_t count_set(struct plan *p, const struct rule *r, struct rule_side side,
                        const struct column_list *list)
{
    size_t n = 0;
    for (size_t i = 0; i < side.count; i++)
        if (place_of(list, side.columns[i].name) != NOWHERE) {
            touch(p, r, side.columns[i].name, true);
            n++;
        }
    return n;
}

static bool reads_column(const struct expression *e, struct span column)
{
    for (size_t i = 0; i < e->ref_count; i++)
        if (span_ieq(e->refs[i].column, column))
            return true;
    return false;
}

/* Whether the list leaves out a new column that the old ones in it decide. */
static bool leaves_out(const struct rule *r, const struct column_list *list, bool row)
{
    for (size_t i = 0; i < r->new_count; i++) {
        bool decided = row;
        for (size_t k = 0; k < r->old_count && !decided; k++)
            decided = place_of(list, r->old_columns[k].name) != NOWHERE &&
                      reads_column(&r->new_columns[i].value, r->old_columns[k].name);
        if (decided && place_of(list, r->new_columns[i].name) == NOWHERE)
            return true;
    }
    return false;
}

enum writes classify_writes(struct plan *p, const struct rule *r, const struct column_list *list, bool row)
{
    size_t olds = count_set(p, r, given_side(r, WRITES_OLD), list);
    size_t news = count_set(p, r, given_side(r, WRITES_NEW), list);
    if (olds && news) {
        if (leaves_out(r, list, row) && rule_writes_both(r))
            refuse(p, r, "the statement sets old columns and only some of the new ones",
                   "set the old columns alone, or all of the new ones");
        return WRITES_BOTH;
    }
    return olds ? WRITES_OLD : news ? WRITES_NEW : WRITES_NEITHER;
}

/* One assignment to a migration's column. */
struct assigned {
    const struct assignment *assignment;
    struct column_ref ref;
    struct assigned *next;
};

/* What plan_set knows. */
struct set_plan {
    struct plan *p;
    struct scope *scope;
    const struct assignment *set;
    struct assigned *assigned; /* in the order of the list */
    bool qualify, orderless;
};

/* Whether the statement assigns something that the column's value is computed from. */
static bool is_affected(const struct set_plan *sp, const struct source *s, const struct rule *r,
                        const struct rule_column *column)
{
    for (const struct assigned *a = sp->assigned; a; a = a->next)
        if (a->ref.source == s && a->ref.rule == r && reads_column(&column->value, a->ref.column->name))
            return true;
    return false;
}

static void add_assignment(struct set_plan *sp, struct builder *b, const struct source *s,
                           const struct rule_column *column, struct fragment value)
{
    if (sp->qualify && s->qualifier.len > 0) {
        builder_add(b, s->qualifier);
        builder_add(b, SPAN("."));
    }
    builder_add(b, column->quoted);
    builder_add(b, SPAN(" = "));
    builder_add_fragment(b, value);
}

static void follow_in_order(struct set_plan *sp, const struct source *s, const struct rule *r, enum writes w)
{
    struct rule_side follow = following_side(r, w);
    const struct assignment *behind = NULL;
    struct builder b = {.arena = sp->p->arena};
    for (size_t i = 0; i < follow.count; i++) {
        if (!is_affected(sp, s, r, &follow.columns[i]))
            continue;
        builder_add(&b, SPAN(", "));
        add_assignment(
            sp, &b, s, &follow.columns[i],
            expression_text(sp->p, &follow.columns[i].value, sp->qualify ? s->qualifier : SPAN(""), NULL, 0));
    }
    for (const struct assigned *a = sp->assigned; a; a = a->next)
        if (a->ref.source == s && a->ref.rule == r)
            behind = a->assignment;
    if (w == WRITES_NEW)
        while (behind && behind->next)
            behind = behind->next;
    if (behind && b.len)
        edits_insert(&sp->p->edits, range_end(behind->range), builder_done(&b));
}

/* The value of one assignment as the column will store it. */
static bool assigned_value(struct set_plan *sp, const struct assigned *a, struct fragment *out)
{
    struct plan *p = sp->p;
    const struct source *s = a->ref.source;
    const struct expr *value = a->assignment->value;
    const struct catalog_column *c = catalog_column_of(s->table, a->ref.column->name);
    if (!c) {
        refuse_about(p, a->ref.rule, "the type of %.*s is not known, and its value must be repeated",
                     a->ref.column->name, "update the table alone, without a subquery");
        return false;
    }
    if (value->kind == EXPR_DEFAULT) {
        struct builder b = {.arena = p->arena};
        if (!c->has_default || c->default_is_expression) {
            refuse_about(p, a->ref.rule, "%.*s is set to a default that cannot be repeated",
                         a->ref.column->name, "set it to a value");
            return false;
        }
        builder_add(&b, SPAN("DEFAULT("));
        builder_add(&b, column_text(p, s->qualifier, c->name));
        builder_add(&b, SPAN(")"));
        *out = builder_done(&b);
        return true;
    }
    if (!is_repeatable(p, value->range)) {
        refuse_about(p, a->ref.rule, "the value of %.*s would have to be computed twice", a->ref.column->name,
                     "update the table alone, without a subquery, or set the new columns too");
        return false;
    }
    return stored_value(p, sp->scope, a->ref.rule, c, value, rendered(p, value->range), out);
}

/* Whether a name in the value is that of a column which the list assigns from `first` on, before the value.
 * What repeats the value stands before all of them, so it would read another row than the value itself. */
static bool reads_assigned(const struct set_plan *sp, const struct assignment *first,
                           const struct assigned *a)
{
    struct lexer lx;
    struct span text = {sp->p->text.ptr, range_end(a->assignment->value->range)};
    lex_init(&lx, &sp->p->session->dialect, text);
    lx.pos = a->assignment->value->range.off;
    for (struct token t = lex_next_significant(&lx); t.type != TOK_END; t = lex_next_significant(&lx)) {
        struct span word = {text.ptr + t.off, t.len};
        if (t.type == TOK_QUOTED && word.len > 1)
            word = (struct span){word.ptr + 1, word.len - 2};
        else if (t.type != TOK_WORD)
            continue;
        for (const struct assignment *b = first; b && b != a->assignment; b = b->next)
            if (b->column->kind == EXPR_COLUMN && span_ieq(b->column->name.text, word))
                return true;
    }
    return false;
}

static bool is_assigned(const struct set_plan *sp, const struct source *s, const struct rule *r,
                        struct span column)
{
    for (const struct assigned *a = sp->assigned; a; a = a->next)
        if (a->ref.source == s && a->ref.rule == r && span_ieq(a->ref.column->name, column))
            return true;
    return false;
}

/* Whether another name of the table sets the column, itself or by the other side: where both names mean the
 * same row, what this one reads is no more. */
static bool is_set_elsewhere(const struct set_plan *sp, const struct source *s, const struct rule *r,
                             enum writes w, struct span column)
{
    for (const struct assigned *a = sp->assigned; a; a = a->next)
        if (a->ref.source != s && a->ref.rule == r &&
            (a->ref.is_new != (w == WRITES_NEW) || span_ieq(a->ref.column->name, column)))
            return true;
    return false;
}

static bool reads_what_is_set_elsewhere(const struct set_plan *sp, const struct source *s,
                                        const struct rule *r, enum writes w)
{
    struct rule_side given = given_side(r, w), follow = following_side(r, w);
    for (size_t i = 0; i < given.count; i++)
        for (size_t k = 0; k < follow.count; k++)
            if (reads_column(&follow.columns[k].value, given.columns[i].name) &&
                !is_assigned(sp, s, r, given.columns[i].name) &&
                is_set_elsewhere(sp, s, r, w, given.columns[i].name))
                return true;
    return false;
}

static void follow_orderless(struct set_plan *sp, const struct source *s, const struct rule *r, enum writes w)
{
    struct plan *p = sp->p;
    struct rule_side given = given_side(r, w), follow = following_side(r, w);
    struct substitute *values = arena_alloc(p->arena, (given.count + 1) * sizeof *values);
    const struct assignment *first = NULL;
    uint32_t count = 0;
    if (reads_what_is_set_elsewhere(sp, s, r, w)) {
        refuse(p, r, "two names of the table set some of the migration's columns each",
               "set them all under one name");
        return;
    }
    for (const struct assigned *a = sp->assigned; a && !arena_failed(p->arena); a = a->next) {
        if (a->ref.source != s || a->ref.rule != r)
            continue;
        first = first ? first : a->assignment;
        for (uint32_t i = 0; i < count; i++)
            if (span_ieq(values[i].column, a->ref.column->name)) {
                refuse_about(p, r, "%.*s is assigned twice", a->ref.column->name, "assign it once");
                return;
            }
        if (first != a->assignment && reads_assigned(sp, first, a)) {
            refuse_about(p, r, "the value of %.*s reads a column that is assigned before it",
                         a->ref.column->name,
                         "assign it first, or update the table alone, without a subquery");
            return;
        }
        values[count].column = a->ref.column->name;
        if (!assigned_value(sp, a, &values[count].with))
            return;
        count++;
    }
    struct builder b = {.arena = p->arena};
    for (size_t i = 0; i < follow.count; i++) {
        if (!is_affected(sp, s, r, &follow.columns[i]))
            continue;
        add_assignment(sp, &b, s, &follow.columns[i],
                       expression_text(p, &follow.columns[i].value, s->qualifier, values, count));
        builder_add(&b, SPAN(", "));
    }
    if (first && b.len)
        edits_insert(&p->edits, first->range.off, builder_done(&b));
}

/* Resolves the left sides. */
static void find_assigned(struct set_plan *sp)
{
    struct source *hidden = NULL, *first = sp->scope->first;
    if (sp->scope->assigns_first && first) {
        hidden = first->next;
        first->next = NULL;
    }
    struct assigned **tail = &sp->assigned;
    for (const struct assignment *a = sp->set; a; a = a->next) {
        struct column_ref ref;
        if (a->column->kind != EXPR_COLUMN)
            continue;
        const struct source *named = NULL;
        if (name_given(&a->column->table))
            named = source_named(sp->p, sp->scope, &a->column->db, &a->column->table);
        for (const struct source *s = sp->scope->first; s; s = s->next)
            if (!name_given(&a->column->table) || s == named)
                refuse_view_write(sp->p, s, a->column->name.text);
        qualify_shared(sp->p, sp->scope, a->column);
        if (!resolve_column(sp->p, sp->scope, a->column, &ref))
            continue;
        struct assigned *node = arena_new_of(sp->p->arena, struct assigned);
        *node = (struct assigned){.assignment = a, .ref = ref};
        *tail = node;
        tail = &node->next;
    }
    if (hidden)
        first->next = hidden;
}

/* Walks the right sides. In order, an old column is frozen from its rule's first assignment on; order-less,
 * from the beginning. */
static void walk_values(struct set_plan *sp)
{
    const struct assigned *next = sp->assigned;
    for (const struct assigned *a = sp->assigned; a && sp->orderless; a = a->next)
        if (!a->ref.is_new)
            *a->ref.source->frozen |= 1u << a->ref.rule_index;
    for (const struct assignment *a = sp->set; a; a = a->next) {
        walk_expr(sp->p, sp->scope, a->value);
        if (next && next->assignment == a) {
            if (!sp->orderless)
                *next->ref.source->frozen |= 1u << next->ref.rule_index;
            next = next->next;
        }
    }
    for (const struct assigned *a = sp->assigned; a; a = a->next)
        *a->ref.source->frozen = 0;
}

/* Whether the value is the column itself, or LAST_INSERT_ID(column), which tells the client a row's id. */
static bool keeps_column(const struct assignment *a)
{
    const struct expr *value = bare(a->value);
    if (value->kind == EXPR_FUNC && span_ieq(value->name.text, SPAN("LAST_INSERT_ID")) && value->args)
        value = bare(value->args);
    return value->kind == EXPR_COLUMN && span_ieq(value->name.text, a->column->name.text) &&
           (!name_given(&value->table) || span_ieq(value->table.text, a->column->table.text));
}

/* Whether the list may move rows along the table's primary key. */
static bool moves_rows(const struct set_plan *sp, const struct source *s)
{
    if (sp->scope->assigns_first && s != sp->scope->first)
        return false;
    for (const struct assignment *a = sp->set; a; a = a->next) {
        const struct expr *e = a->column;
        if (e->kind != EXPR_COLUMN ||
            (name_given(&e->table) && source_named(sp->p, sp->scope, &e->db, &e->table) != s))
            continue;
        const struct catalog_column *c = catalog_column_of(s->table, e->name.text);
        if (c && c->primary && !keeps_column(a))
            return true;
    }
    return false;
}

/* The backfill walks along the primary key. What it would have filled in a row that moves, perhaps past it,
 * is filled with the move. */
static void fill_moved(struct set_plan *sp, const struct source *s, const struct rule *r)
{
    struct builder b = {.arena = sp->p->arena};
    const struct assignment *last = sp->set;
    while (last->next)
        last = last->next;
    for (size_t i = 0; i < r->new_count; i++) {
        const struct rule_column *column = &r->new_columns[i];
        if (is_affected(sp, s, r, column)) /* it follows what is assigned */
            continue;
        builder_add(&b, SPAN(", "));
        add_assignment(
            sp, &b, s, column,
            expression_text(sp->p, &column->value, sp->qualify ? s->qualifier : SPAN(""), NULL, 0));
    }
    if (b.len)
        edits_insert(&sp->p->edits, range_end(last->range), builder_done(&b));
}

static struct column_list assigned_names(struct set_plan *sp, const struct source *s, const struct rule *r)
{
    struct column_list list = {0};
    for (const struct assigned *a = sp->assigned; a; a = a->next)
        list.count += a->ref.source == s && a->ref.rule == r;
    list.names = arena_alloc(sp->p->arena, (list.count + 1) * sizeof *list.names);
    list.count = 0;
    for (const struct assigned *a = sp->assigned; a && !arena_failed(sp->p->arena); a = a->next)
        if (a->ref.source == s && a->ref.rule == r)
            list.names[list.count++] = a->ref.column->name;
    return list;
}

/* A value that reads the old column which the same order-less statement has to assign first. */
static void check_redeployed(struct set_plan *sp, const struct source *s, const struct rule *r)
{
    for (const struct touch_node *n = sp->p->touches; n; n = n->next)
        if (n->touch.rule == r && !n->touch.write)
            for (size_t i = 0; i < r->old_count; i++)
                if (n->touch.column.ptr == r->old_columns[i].name.ptr)
                    refuse_about(sp->p, r, "%.*s is read while a new column is assigned", n->touch.column,
                                 "read the new columns instead");
    (void)s;
}

void plan_set(struct plan *p, struct scope *s, const struct assignment *set, bool qualify, bool orderless)
{
    struct set_plan sp = {.p = p, .scope = s, .set = set, .qualify = qualify, .orderless = orderless};
    find_assigned(&sp);
    walk_values(&sp);
    for (const struct source *source = s->first; source; source = source->next) {
        bool moves = source->rule_count && moves_rows(&sp, source);
        for (uint32_t i = 0; i < source->rule_count && (sp.assigned || moves); i++) {
            const struct rule *r = source->rules[i];
            struct column_list list = assigned_names(&sp, source, r);
            enum writes w = classify_writes(p, r, &list, false);
            if (moves && r->phase == PHASE_DUAL_WRITE && (w == WRITES_NEITHER || w == WRITES_OLD))
                fill_moved(&sp, source, r);
            if (!rule_writes_both(r) || (w != WRITES_OLD && w != WRITES_NEW))
                continue;
            if (!orderless) {
                follow_in_order(&sp, source, r, w);
            } else {
                if (w == WRITES_NEW)
                    check_redeployed(&sp, source, r);
                follow_orderless(&sp, source, r, w);
            }
        }
    }
}
