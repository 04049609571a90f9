/* Where a result's columns come from, as the server told before reads flipped: an old column that an
 * application selects was described with its table, its length and its keys, and the expression that stands
 * for it now is not. Noted here are the places of such columns in the result, and what their definitions are
 * to say.
 *
 * Only what the server would certainly say is noted: plain columns of tables of the statement's own select
 * list, or of RETURNING, also through one derived table or CTE; not through a set operation. A plan that goes
 * through a temporary table loses the keys of its columns, and only the server knows whether it does: noted
 * is whether the statement could have such a plan, and whether the answer shows it. */
#include "proxy/rewrite/expression.h"
#include "proxy/rewrite/plan.h"

#define COLUMNS_MAX 4096 /* the servers select no more */
#define STAR_MAX    256  /* columns behind a derived table's *, which is looked through for each name */

static bool has_window(const struct expr *e)
{
    bool found = e->windowed;
    for (const struct expr *a = e->args; a && !found; a = a->next)
        found = has_window(a);
    return found;
}

/* A column or a position: rows sorted by it are those of the table. */
static bool is_plain_order(const struct order_item *order)
{
    for (; order; order = order->next)
        if (order->expr->kind != EXPR_COLUMN && order->expr->kind != EXPR_LITERAL)
            return false;
    return true;
}

static bool uses_windows(const struct select *select, const struct order_item *order)
{
    bool found = select->qualify;
    for (const struct select_item *item = select->items; item && !found; item = item->next)
        found = has_window(item->expr);
    for (; order && !found; order = order->next)
        found = has_window(order->expr);
    return found;
}

static bool buffers(const struct plan *p, const struct select *select)
{
    struct span options = span_in(p->text, select->options), word = SPAN("SQL_BUFFER_RESULT");
    for (size_t i = 0; i + word.len <= options.len; i++)
        if (span_ieq((struct span){options.ptr + i, word.len}, word))
            return true;
    return false;
}

/* Whether the rows may be those of several tables, also of those of subqueries, and of a derived table that
 * is merged. MySQL sorts by an expression of a derived table otherwise than by one of its own. */
static bool may_join(const struct plan *p, const struct scope *s)
{
    const struct source *only = s->first;
    if (!only || only->next || (s->select->where && s->select->where->has_query))
        return true;
    if (only->kind == SOURCE_TABLE)
        return false;
    return !p->rules->mariadb || !only->shape || !only->shape->select || may_join(p, only->shape);
}

/* Whether the plan may go through a temporary table, and whether one can tell that it does. */
static enum definition_keys keys_of(const struct plan *p, const struct scope *s,
                                    const struct order_item *order)
{
    const struct select *select = s->select;
    if (!select) /* RETURNING */
        return KEYS_STAY;
    if (select->distinct || select->group)
        return p->rules->mariadb ? KEYS_UNSURE : KEYS_SHOWN;
    bool may = buffers(p, select) || uses_windows(select, order) || (order && may_join(p, s)) ||
               !is_plain_order(order);
    return may ? KEYS_SHOWN : KEYS_STAY;
}

/* Whether the names in the result are in the client's character set, whatever that is. */
static bool names_are_told(const struct source *source, struct span label)
{
    return source->name.len > 0 && span_is_ascii(source->name) && span_is_ascii(label) &&
           span_is_ascii(source->table->db) && span_is_ascii(source->table->name);
}

/* The servers drop what an alias begins with, as far as it is not to be seen. */
static struct span alias_told(struct span alias)
{
    while (alias.len > 0 && ((unsigned char)alias.ptr[0] <= ' ' || alias.ptr[0] == 0x7f))
        alias = (struct span){alias.ptr + 1, alias.len - 1};
    return alias;
}

/* A column of the answer. */
struct told {
    struct span label;
    uint32_t position;
    enum definition_keys keys;
    bool nullable;
};

/* `derived`: what the column comes through; NULL: nothing. */
static void note(struct plan *p, const struct source *source, struct span column,
                 const struct source *derived, struct told told)
{
    const struct catalog_column *c = catalog_column_of(source->table, column);
    if (p->shown_count - p->shown_before == COLUMNS_MAX || !c || !(c->facts.known || source->reshaped) ||
        !names_are_told(source, told.label))
        return;
    struct rewrite_shown *items = grown(p->arena, p->shown, p->shown_count, sizeof *items, &p->shown_cap);
    if (!items)
        return;
    p->shown = items;
    struct rewrite_shown *shown = &items[p->shown_count++];
    *shown = (struct rewrite_shown){
        .result = (uint32_t)p->part,
        .position = told.position,
        .is = {.label = told.label,
               .db = source->table->db,
               .table = derived ? derived->name : source->name,
               .org_table = source->table->name,
               .org_name = c->name,
               .alias = source->name,
               .facts = c->facts,
               .origin_only = !c->facts.known,
               .keys = told.keys,
               .way = !derived            ? WAY_PLAIN
                      : p->rules->mariadb ? WAY_DERIVED_MARIADB
                                          : WAY_DERIVED_MYSQL},
    };
    if (told.nullable || source->nullable || (derived && derived->nullable))
        shown->is.facts.flags &= (uint16_t)~DEFINITION_NOT_NULL;
}

/* Whether what the source's column shows has become something else. */
static bool is_replaced(const struct source *source, struct span column)
{
    struct column_ref ref;
    return source->reshaped || (source_column(source, column, &ref) && !ref.is_new && rule_flips(ref.rule));
}

/* Whether the scope has a table, or a derived one over such a table, some of whose columns have become
 * something else. */
static bool replaces(const struct scope *s, bool below)
{
    for (const struct source *source = s->first; source; source = source->next) {
        if (source->reshaped || (below && source->shape && replaces(source->shape, false)))
            return true;
        for (uint32_t i = 0; i < source->rule_count; i++)
            if (rule_flips(source->rules[i]))
                return true;
    }
    return false;
}

/* The table whose column a reference means, where that has become something else; else NULL. */
static const struct source *source_meant(struct plan *p, const struct scope *s, const struct expr *e)
{
    struct column_ref ref;
    const struct source *found = name_given(&e->table) ? NULL : joined_owner(s, e->name.text);
    if (found)
        return is_replaced(found, e->name.text) ? found : NULL;
    if (resolve_column(p, s, e, &ref))
        return ref.scope == s && must_flip(&ref) ? ref.source : NULL;
    for (const struct source *o = p->reshaped ? s->first : NULL; o; o = o->next) {
        bool may = name_given(&e->table) ? source_named(p, s, &e->db, &e->table) == o
                                         : source_has(p, o, e->name.text) != HAS_NOT;
        if (may && found)
            return NULL;
        found = may ? o : found;
    }
    return found && found->reshaped ? found : NULL;
}

/* Whether a derived table's rows are those of its tables: what else a query does to them has not been tried.
 * MySQL sorts by an ORDER BY without LIMIT outside. */
static bool is_plain_select(const struct plan *p, const struct source *derived)
{
    const struct query *q = derived->query;
    const struct select *select = derived->shape ? derived->shape->select : NULL;
    bool alone =
        select && q && q->body->kind == BODY_SELECT && q->body->select == select && !derived->columns;
    if (!alone || derived->shape->joins_by_name || select->distinct || select->group || select->having)
        return false;
    for (const struct select_item *item = select->items; item; item = item->next)
        if (item->expr->has_query)
            return false;
    return (!q->order || q->limit) && !buffers(p, select) && !has_one_group(select) &&
           !uses_windows(select, q->order);
}

/* The table whose column, which has become something else, a derived table shows under that name; else NULL.
 */
static const struct source *source_below(struct plan *p, const struct source *derived, struct span name,
                                         struct span *column)
{
    const struct source *found = NULL;
    unsigned count = 0;
    if (!is_plain_select(p, derived))
        return NULL;
    for (const struct select_item *item = derived->shape->select->items; item; item = item->next) {
        const struct expr *e = bare(item->expr);
        struct shown_column *shown;
        uint32_t n = 0;
        if (item->expr->kind != EXPR_STAR) {
            if (!span_ieq(item_label(item), name))
                continue;
            count++;
            found = NULL;
            if (e->kind == EXPR_COLUMN) {
                found = source_meant(p, derived->shape, e);
                *column = e->name.text;
            }
            continue;
        }
        if (!star_columns(p, derived->shape, item->expr, &shown, &n) || n > STAR_MAX)
            return NULL;
        for (uint32_t i = 0; i < n; i++)
            if (span_ieq(shown[i].name, name)) {
                count++;
                found = shown[i].source;
                *column = shown[i].name;
            }
    }
    bool is_old =
        count == 1 && found && found->kind == SOURCE_TABLE && !found->reshaped && is_replaced(found, *column);
    return is_old && !span_ieq(found->name, derived->name) && !span_ieq(found->table->name, derived->name)
               ? found
               : NULL;
}

/* The derived table that a reference means; NULL: none, or it is not certain. */
static const struct source *derived_meant(struct plan *p, const struct scope *s, const struct expr *e)
{
    const struct source *found = NULL;
    if (s->joins_by_name)
        return NULL;
    if (name_given(&e->table))
        found = source_named(p, s, &e->db, &e->table);
    for (const struct source *o = name_given(&e->table) ? NULL : s->first; o; o = o->next) {
        enum knowledge k = source_has(p, o, e->name.text);
        if (k == MAY_HAVE || (k == HAS && found))
            return NULL;
        found = k == HAS ? o : found;
    }
    return found && found->kind == SOURCE_QUERY ? found : NULL;
}

static void note_derived(struct plan *p, const struct source *derived, struct span name, struct told told)
{
    struct span column;
    const struct source *source = told.nullable ? NULL : source_below(p, derived, name, &column);
    if (source && span_is_ascii(derived->name))
        note(p, source, column, derived, told);
}

static void note_item(struct plan *p, const struct scope *s, const struct select_item *item, struct told told)
{
    const struct expr *e = bare(item->expr);
    if (e->kind != EXPR_COLUMN)
        return;
    const struct source *source = source_meant(p, s, e);
    told.label = name_given(&item->alias) ? alias_told(item->alias.text) : e->name.text;
    if (source)
        note(p, source, e->name.text, NULL, told);
    else if ((source = derived_meant(p, s, e)))
        note_derived(p, source, e->name.text, told);
}

void note_origins(struct plan *p, const struct scope *s, const struct select_item *items,
                  const struct order_item *order)
{
    const struct select *select = s->select;
    if (!replaces(s, true) ||
        (select && select->rollup && !p->rules->mariadb)) /* MySQL's totals are expressions */
        return;
    struct told told = {.keys = keys_of(p, s, order)};
    /* The server takes every column for one that may be NULL. */
    told.nullable = has_one_group(select) ||
                    (p->rules->mariadb && select && !select->group && uses_windows(select, order));
    for (const struct select_item *item = items; item; item = item->next) {
        struct shown_column *shown;
        uint32_t count;
        if (item->expr->kind != EXPR_STAR) {
            note_item(p, s, item, told);
            told.position++;
            continue;
        }
        if (!star_columns_joined(p, s, item->expr, &shown, &count))
            return;
        for (uint32_t i = 0; i < count; i++, told.position++) {
            const struct source *source = shown[i].source;
            told.label = shown[i].name;
            if (source->kind == SOURCE_QUERY)
                note_derived(p, source, shown[i].name, told);
            else if (source->kind == SOURCE_TABLE && is_replaced(source, shown[i].name))
                note(p, source, shown[i].name, NULL, told);
        }
    }
}
