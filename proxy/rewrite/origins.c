/* Where a result's columns come from, as the server told before reads flipped: an old column that an
 * application selects was described with its table, its length and its keys, and the expression that stands
 * for it now is not. Noted here are the places of such columns in the result, and what their definitions are
 * to say.
 *
 * Only what the server would certainly say is noted: plain columns of tables of the statement's own select
 * list, or of RETURNING; not what comes through a derived table or a set operation. A plan that goes through
 * a temporary table loses the keys of its columns, and only the server knows whether it does: noted is
 * whether the statement could have such a plan, and whether the answer shows it. */
#include "proxy/rewrite/expression.h"
#include "proxy/rewrite/plan.h"

#define COLUMNS_MAX 4096 /* the servers select no more */

static bool is_ascii(struct span s)
{
    for (size_t i = 0; i < s.len; i++)
        if ((unsigned char)s.ptr[i] >= 0x80)
            return false;
    return true;
}

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

/* Whether the server may join the one table of the statement with those of subqueries. */
static bool may_join(const struct select *select)
{
    const struct table_ref *from = select->from;
    bool one_table = from && !from->next && from->kind == TABLE_NAMED;
    return !one_table || (select->where && select->where->has_query);
}

/* Whether the plan may go through a temporary table, and whether one can tell that it does. */
static enum definition_keys keys_of(const struct plan *p, const struct select *select,
                                    const struct order_item *order)
{
    if (!select) /* RETURNING */
        return KEYS_STAY;
    if (select->distinct || select->group)
        return p->rules->mariadb ? KEYS_UNSURE : KEYS_SHOWN;
    bool may = buffers(p, select) || uses_windows(select, order) || (order && may_join(select)) ||
               !is_plain_order(order);
    return may ? KEYS_SHOWN : KEYS_STAY;
}

/* Whether the names in the result are in the client's character set, whatever that is. */
static bool names_are_told(const struct source *source, struct span label)
{
    return source->name.len > 0 && is_ascii(source->name) && is_ascii(label) && is_ascii(source->table->db) &&
           is_ascii(source->table->name);
}

/* The servers drop what an alias begins with, as far as it is not to be seen. */
static struct span alias_told(struct span alias)
{
    while (alias.len > 0 && ((unsigned char)alias.ptr[0] <= ' ' || alias.ptr[0] == 0x7f))
        alias = (struct span){alias.ptr + 1, alias.len - 1};
    return alias;
}

static void note(struct plan *p, const struct source *source, struct span column, struct span label,
                 uint32_t position, enum definition_keys keys, bool nullable)
{
    const struct catalog_column *c = catalog_column_of(source->table, column);
    if (p->shown_count == COLUMNS_MAX || !c || !(c->facts.known || source->reshaped) ||
        !names_are_told(source, label))
        return;
    struct shown_node *node = arena_new_of(p->arena, struct shown_node);
    node->shown = (struct rewrite_shown){
        .position = position,
        .is = {.label = label,
               .db = source->table->db,
               .table = source->name,
               .org_table = source->table->name,
               .org_name = c->name,
               .facts = c->facts,
               .origin_only = !c->facts.known,
               .keys = keys},
    };
    if (nullable || source->nullable)
        node->shown.is.facts.flags &= (uint16_t)~DEFINITION_NOT_NULL;
    node->next = p->shown;
    p->shown = node;
    p->shown_count++;
}

/* Whether what the source's column shows has become something else. */
static bool is_replaced(const struct source *source, struct span column)
{
    struct column_ref ref;
    return source->reshaped || (source_column(source, column, &ref) && !ref.is_new && rule_flips(ref.rule));
}

/* Whether the scope has a table some of whose columns have become something else. */
static bool replaces(const struct scope *s)
{
    for (const struct source *source = s->first; source; source = source->next) {
        if (source->reshaped)
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

void note_origins(struct plan *p, const struct scope *s, const struct select_item *items,
                  const struct order_item *order)
{
    const struct select *select = s->select;
    if (!replaces(s) || (select && select->rollup && !p->rules->mariadb)) /* MySQL's totals are expressions */
        return;
    /* The server takes every column for one that may be NULL. */
    bool nullable = has_one_group(select) ||
                    (p->rules->mariadb && select && !select->group && uses_windows(select, order));
    enum definition_keys keys = keys_of(p, select, order);
    uint32_t at = 0;
    for (const struct select_item *item = items; item; item = item->next) {
        const struct expr *e = bare(item->expr);
        struct shown_column *shown;
        uint32_t count;
        if (item->expr->kind == EXPR_STAR) {
            if (!star_columns_joined(p, s, item->expr, &shown, &count))
                return;
            for (uint32_t i = 0; i < count; i++) {
                const struct source *source = shown[i].source;
                if (source->kind == SOURCE_TABLE && is_replaced(source, shown[i].name))
                    note(p, source, shown[i].name, shown[i].name, at + i, keys, nullable);
            }
            at += count;
            continue;
        }
        const struct source *source = e->kind == EXPR_COLUMN ? source_meant(p, s, e) : NULL;
        if (source)
            note(p, source, e->name.text,
                 name_given(&item->alias) ? alias_told(item->alias.text) : e->name.text, at, keys, nullable);
        at++;
    }
}
