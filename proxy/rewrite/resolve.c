/* Names as the server resolves them: the innermost scope first; within it a qualified name by its table's
 * name or alias, an unqualified one by which table has the column. */
#include "proxy/rewrite/plan.h"

static inline bool same_table_name(const struct plan *p, struct span a, struct span b)
{
    return rules_same_table(p->rules, a, b);
}

/* Whether a temporary table of the session hides db.table. *sure: whether no routine that the text has run
 * can have dropped it. */
static bool is_temporary(const struct plan *p, struct span db, struct span table, bool *sure)
{
    for (size_t i = p->noted_count; i-- > 0;)
        if (same_table_name(p, p->noted[i].db, db) && same_table_name(p, p->noted[i].table, table)) {
            *sure = !p->ran || i >= p->ran_noted;
            return p->noted[i].created;
        }
    *sure = !p->ran;
    for (size_t i = 0; i < p->session->temporary_count; i++) {
        struct span t = p->session->temporary_tables[i];
        if (t.len == db.len + 1 + table.len && t.ptr[db.len] == '.' &&
            same_table_name(p, (struct span){t.ptr, db.len}, db) &&
            same_table_name(p, (struct span){t.ptr + db.len + 1, table.len}, table))
            return true;
    }
    return false;
}

static void note_rule(struct plan *p, const struct rule *r)
{
    if (!rule_writes_both(r))
        return;
    p->named = r;
    if (!r->pass_unrewritable)
        p->strict = r;
}

static void add_rules(struct plan *p, struct source *s, const struct rule_table *migrated)
{
    s->rules = migrated->rules;
    s->rule_count = migrated->count < SOURCE_MAX_RULES ? (uint32_t)migrated->count : SOURCE_MAX_RULES;
    s->frozen = &s->frozen_here;
    for (uint32_t i = 0; i < s->rule_count; i++)
        note_rule(p, s->rules[i]);
    p->names_table = true;
}

/* What a text becomes is settled before it runs: right for the temporary table, or for what it hides. */
static void refuse_doubted(struct plan *p, const struct rule *r)
{
    p->names_table = true;
    note_rule(p, r);
    refuse(p, r, "an earlier statement of the text may have dropped the temporary table that hides it",
           "send the statements one by one");
}

/* The same for a table, or for a view that may show a migrated one's rows. */
static void refuse_hidden(struct plan *p, struct span db, struct span table)
{
    const struct rule_table *migrated = rules_table(p->rules, db, table);
    const struct catalog_table *view = catalog_find(p->rules->catalog, db, table);
    for (size_t i = 0; migrated && i < migrated->count; i++)
        refuse_doubted(p, migrated->rules[i]);
    const struct rule *shown = rule_of_rows_behind_view(p->rules, view);
    if (shown)
        refuse_doubted(p, shown);
}

/* Whether the statement can be about nothing but a temporary table of that name. */
static bool makes_or_drops(const struct stmt *s, const struct table_name *name)
{
    return s->temporary && (s->kind == STMT_DROP_TABLE || name == &s->tables->name);
}

/* Notes that INSERT's own table is read; one that is not known may be a view over it. */
static void note_target(struct plan *p, const struct source *s, struct span table)
{
    const struct source *target = p->target;
    if (target && (!s->table || s->table->is_view ||
                   (same_table_name(p, target->name, table) && same_table_name(p, target->db, s->db))))
        p->reads_target = true;
}

/* The CTE that an unqualified table name means. The servers compare these names without letter case. */
static const struct ctes *cte_named(const struct ctes *ctes, const struct table_name *name)
{
    if (name_given(&name->db))
        return NULL;
    for (; ctes; ctes = ctes->outer)
        if (span_ieq(ctes->cte->name.text, name->table.text))
            return ctes;
    return NULL;
}

/* The table without columns: the word is reserved, so only without quotes. */
static bool is_dual(const struct plan *p, const struct table_name *name)
{
    return !name_given(&name->db) && span_ieq(span_in(p->text, name->range), SPAN("dual"));
}

struct source *source_of_table(struct plan *p, const struct table_name *name, const struct name *alias,
                               const struct ctes *ctes)
{
    struct source *s = arena_new_of(p->arena, struct source);
    const struct ctes *cte = cte_named(ctes, name);
    bool aliased = alias && name_given(alias);
    const struct name *called = aliased ? alias : &name->table;
    s->name = called->text;
    s->qualifier = span_in(p->text, aliased ? alias->range : name->range);
    if (cte) {
        s->kind = SOURCE_QUERY;
        s->shape = cte->shape;
        s->query = cte->cte->query;
        s->columns = cte->cte->columns;
        return s;
    }
    s->kind = SOURCE_TABLE;
    if (is_dual(p, name)) {
        static const struct catalog_table dual;
        s->table = &dual;
        return s;
    }
    s->db = name_given(&name->db) ? name->db.text : p->database;
    if (s->db.len == 0)
        return s;
    bool sure;
    if (is_temporary(p, s->db, name->table.text, &sure)) {
        if (!sure && !makes_or_drops(p->stmt, name))
            refuse_hidden(p, s->db, name->table.text);
        return s;
    }
    const struct rule_table *migrated = rules_table(p->rules, s->db, name->table.text);
    s->table = migrated ? migrated->table : catalog_find(p->rules->catalog, s->db, name->table.text);
    if (!s->table && p->rules->mariadb)
        s->table = catalog_sequence(name->table.text);
    note_target(p, s, name->table.text);
    if (migrated)
        add_rules(p, s, migrated);
    return s;
}

void scope_add(struct scope *s, struct source *source)
{
    if (s->last)
        s->last->next = source;
    else
        s->first = source;
    s->last = source;
}

static struct source *first_visible(const struct scope *s)
{
    return s->visible ? s->visible : s->first;
}

static bool is_named(const struct plan *p, const struct source *s, const struct name *db,
                     const struct name *table)
{
    return same_table_name(p, s->name, table->text) &&
           (!name_given(db) || (s->kind == SOURCE_TABLE && same_table_name(p, s->db, db->text)));
}

struct source *source_named(struct plan *p, const struct scope *s, const struct name *db,
                            const struct name *table)
{
    for (struct source *source = first_visible(s); source; source = source->next)
        if (is_named(p, source, db, table))
            return source;
    return NULL;
}

bool source_column(const struct source *s, struct span name, struct column_ref *out)
{
    for (uint32_t i = 0; i < s->rule_count; i++) {
        const struct rule *r = s->rules[i];
        for (size_t k = 0; k < r->old_count + r->new_count; k++) {
            bool is_new = k >= r->old_count;
            const struct rule_column *c = is_new ? &r->new_columns[k - r->old_count] : &r->old_columns[k];
            if (span_ieq(c->name, name)) {
                *out = (struct column_ref){
                    .source = s, .rule = r, .column = c, .rule_index = i, .is_new = is_new};
                return true;
            }
        }
    }
    return false;
}

struct span item_label(const struct select_item *item)
{
    if (name_given(&item->alias))
        return item->alias.text;
    const struct expr *e = item->expr;
    while (e->args && (e->kind == EXPR_PAREN || (e->kind == EXPR_OP && e->op == OP_POSITIVE)))
        e = e->args;
    return e->kind == EXPR_COLUMN ? e->name.text : SPAN("");
}

static enum knowledge star_has(struct plan *p, const struct scope *shape, const struct expr *star,
                               struct span column)
{
    enum knowledge found = HAS_NOT;
    for (const struct source *s = shape->first; s; s = s->next) {
        const struct catalog_column *c = s->table ? catalog_column_of(s->table, column) : NULL;
        if ((name_given(&star->table) && source_named(p, shape, &star->db, &star->table) != s) ||
            (c && !in_old_shape(s, c)))
            continue;
        enum knowledge k = source_has(p, s, column);
        if (k == HAS)
            return HAS;
        if (k == MAY_HAVE)
            found = MAY_HAVE;
    }
    return found;
}

static enum knowledge query_has(struct plan *p, const struct source *s, struct span column)
{
    for (const struct name_list *n = s->columns; n; n = n->next)
        if (span_ieq(n->name.text, column))
            return HAS;
    if (s->columns)
        return HAS_NOT;
    if (!s->shape || !s->shape->select)
        return MAY_HAVE;
    enum knowledge found = HAS_NOT;
    for (const struct select_item *item = s->shape->select->items; item; item = item->next) {
        if (item->expr->kind == EXPR_STAR) {
            enum knowledge k = star_has(p, s->shape, item->expr, column);
            if (k == HAS)
                return HAS;
            if (k == MAY_HAVE)
                found = MAY_HAVE;
        } else if (span_ieq(item_label(item), column)) {
            return HAS;
        }
    }
    return found;
}

enum knowledge source_has(struct plan *p, const struct source *s, struct span column)
{
    struct column_ref ref;
    if (s->kind == SOURCE_OPAQUE)
        return MAY_HAVE;
    if (s->kind == SOURCE_QUERY)
        return query_has(p, s, column);
    if (source_column(s, column, &ref))
        return HAS;
    if (!s->table)
        return MAY_HAVE;
    return catalog_column_of(s->table, column) ? HAS : HAS_NOT;
}

/* What is written for a column of an outer scope must not be taken for one of a table in between. */
static void check_reach(struct plan *p, const struct scope *from, const struct column_ref *ref)
{
    if (ref->is_new || !rule_flips(ref->rule))
        return;
    for (; from != ref->scope; from = from->outer)
        for (const struct source *s = from->first; s; s = s->next)
            if (same_table_name(p, s->name, ref->source->name))
                refuse_about(p, ref->rule, "%.*s is hidden by a table of the same name", ref->column->name,
                             "give the tables different aliases");
}

static bool resolve_qualified(struct plan *p, const struct scope *scope, const struct expr *e,
                              struct column_ref *out)
{
    for (; scope; scope = scope->outer) {
        unsigned named = 0, certain = 0, migrated = 0; /* tables of several databases may have one name */
        for (struct source *s = first_visible(scope); s; s = s->next) {
            if (!is_named(p, s, &e->db, &e->table))
                continue;
            named++;
            certain += source_has(p, s, e->name.text) == HAS;
            migrated += source_column(s, e->name.text, out);
        }
        out->scope = scope;
        if (named)
            return migrated && certain == 1; /* else the server calls it ambiguous */
    }
    return false;
}

static bool is_flipped(const struct column_ref *ref)
{
    return !ref->is_new && rule_flips(ref->rule);
}

/* Refuses where an unqualified name may be a flipped column of a table further out. */
static void refuse_unsure(struct plan *p, const struct scope *scope, struct span name)
{
    struct column_ref ref;
    for (; scope; scope = scope->outer)
        for (const struct source *s = scope->first; s; s = s->next)
            if (source_column(s, name, &ref) && is_flipped(&ref))
                refuse_about(p, ref.rule, "it cannot be told which table's column %.*s is", name,
                             "name the column with its table");
}

/* How the tables of one scope stand to an unqualified name. */
struct candidates {
    unsigned certain, unsure, migrated, flipped;
};

bool is_hidden(const struct scope *s, const struct source *source, struct span name)
{
    for (const struct joined_name *n = s->joined; n; n = n->next)
        if (n->hidden == source && span_ieq(n->name, name))
            return true;
    return false;
}

const struct source *joined_owner(const struct scope *s, struct span name)
{
    const struct source *owner = NULL;
    for (const struct joined_name *n = s->joined; n; n = n->next)
        if (n->by_condition && span_ieq(n->name, name))
            owner = n->owner;
    return owner;
}

static struct candidates candidates_in(struct plan *p, const struct scope *scope, struct span name,
                                       struct column_ref *out)
{
    struct candidates c = {0};
    for (const struct source *s = first_visible(scope); s; s = s->next) {
        struct column_ref ref;
        bool migrated = source_column(s, name, &ref);
        enum knowledge k = migrated ? HAS : source_has(p, s, name);
        if (k == HAS && is_hidden(scope, s, name))
            continue;
        c.certain += k == HAS;
        c.unsure += k == MAY_HAVE;
        if (!migrated)
            continue;
        c.migrated++;
        c.flipped += is_flipped(&ref);
        *out = ref;
    }
    return c;
}

/* The one table of a scope that had a column of that name before a migration gave it to another table too.
 * NULL: the name is not shared so. */
static const struct source *earlier_owner(struct plan *p, const struct scope *scope, struct span name)
{
    const struct source *owner = NULL, *first = first_visible(scope);
    bool taken = false;
    if (!first || !first->next) /* it takes two */
        return NULL;
    for (const struct source *s = first; s; s = s->next) {
        struct column_ref ref;
        enum knowledge k = source_has(p, s, name);
        if (k == MAY_HAVE || (k == HAS && owner && !(source_column(s, name, &ref) && ref.is_new)))
            return NULL;
        if (k != HAS)
            continue;
        if (source_column(s, name, &ref) && ref.is_new)
            taken = true;
        else
            owner = s;
    }
    return taken ? owner : NULL;
}

/* The table of an outer scope that an unqualified name meant before a migration gave an inner table a new
 * column of that name; NULL: none. */
static const struct source *outer_owner(struct plan *p, const struct scope *scope, struct span name)
{
    for (scope = scope->outer; scope; scope = scope->outer) {
        const struct source *owner = NULL;
        for (const struct source *s = first_visible(scope); s; s = s->next) {
            struct column_ref ref;
            enum knowledge k = source_has(p, s, name);
            if (k == HAS && source_column(s, name, &ref) && ref.is_new)
                continue;
            if (k == MAY_HAVE || (k == HAS && owner))
                return NULL;
            owner = k == HAS ? s : owner;
        }
        if (owner)
            return owner;
    }
    return NULL;
}

/* A name that was an outer table's and is an inner one's new column now. While the migration is only being
 * expanded nobody means the new column; later code may, and nothing tells one from the other. */
static void keep_outer(struct plan *p, const struct scope *scope, const struct expr *e,
                       const struct column_ref *inner)
{
    const struct source *owner = outer_owner(p, scope, e->name.text);
    struct column_ref outer;
    for (const struct select_item *item = scope->sorts && scope->select ? scope->select->items : NULL; item;
         item = item->next)
        if (span_ieq(item_label(item), e->name.text))
            return;
    if (!owner || owner->qualifier.len == 0)
        return;
    refuse_about(p, inner->rule, "%.*s may be an outer table's column, as before, or the new one",
                 e->name.text, "name the column with its table");
    if (source_column(owner, e->name.text, &outer))
        refuse_about(p, outer.rule, "%.*s may be an outer table's column, as before, or the new one",
                     e->name.text, "name the column with its table");
    struct builder b = {.arena = p->arena};
    builder_add(&b, owner->qualifier);
    builder_add(&b, SPAN("."));
    edits_insert(&p->edits, e->name.range.off, builder_done(&b));
    p->flips++; /* a result's column keeps its name */
}

static bool is_within(struct range inner, struct range outer)
{
    return inner.off >= outer.off && range_end(inner) <= range_end(outer);
}

/* A subquery, unless it is in WHERE or FROM, may read an outer query's item before it by its alias, where no
 * table has a column of that name: a new one, found in scope `at`, takes its place. */
static void keep_outer_alias(struct plan *p, const struct scope *from, const struct scope *at,
                             const struct expr *e, const struct column_ref *found)
{
    for (const struct scope *s = at == from ? at->outer : at; s; s = s->outer) {
        const struct select *outer = s->select;
        if (!outer || is_within(e->range, outer->from_range) ||
            (outer->where && is_within(e->range, outer->where->range)))
            continue;
        for (const struct select_item *item = outer->items; item; item = item->next)
            if (name_given(&item->alias) && span_ieq(item->alias.text, e->name.text) &&
                range_end(item->expr->range) <= e->range.off && !reads_new(p, s, item->expr))
                refuse_about(p, found->rule,
                             "%.*s may be an outer query's alias, as before, or the new column", e->name.text,
                             "give the item another alias, or name the column with its table");
    }
}

void qualify_shared(struct plan *p, const struct scope *scope, const struct expr *e)
{
    const struct scope *from = scope;
    bool is_candidate = rules_have_column(p->rules, e->name.text);
    for (const struct scope *outer = scope; outer; outer = outer->outer)
        is_candidate = is_candidate || outer->joined;
    if (name_given(&e->table) || !is_candidate)
        return;
    for (; scope; scope = scope->outer) {
        struct column_ref ref;
        const struct source *owner = joined_owner(scope, e->name.text);
        if (owner && candidates_in(p, scope, e->name.text, &ref).certain > 1)
            return; /* two joins compare it: ambiguous */
        if (!owner && rules_have_column(p->rules, e->name.text))
            owner = earlier_owner(p, scope, e->name.text);
        struct builder b = {.arena = p->arena};
        if (owner && owner->qualifier.len) {
            builder_add(&b, owner->qualifier);
            builder_add(&b, SPAN("."));
            edits_insert(&p->edits, e->name.range.off, builder_done(&b));
            p->flips++; /* a result's column keeps its name */
        }
        struct candidates found = candidates_in(p, scope, e->name.text, &ref);
        if (!owner && found.certain == 1 && found.migrated == 1 && ref.is_new && !found.unsure) {
            keep_outer(p, scope, e, &ref);
            keep_outer_alias(p, from, scope, e, &ref);
        }
        if (found.certain || found.unsure)
            return;
    }
}

bool is_ambiguous(struct plan *p, const struct scope *scope, const struct expr *e)
{
    unsigned tables = 0;
    for (const struct source *s = scope->first; s; s = s->next) {
        struct column_ref ref;
        bool is_new = source_column(s, e->name.text, &ref) && ref.is_new;
        tables += !is_new && source_has(p, s, e->name.text) == HAS;
    }
    return tables > 1 && !name_given(&e->table) && !scope->joins_by_name;
}

static bool resolve_unqualified(struct plan *p, const struct scope *scope, const struct expr *e,
                                struct column_ref *out)
{
    const struct scope *from = scope;
    for (; scope; scope = scope->outer) {
        struct candidates c = candidates_in(p, scope, e->name.text, out);
        const struct source *owner = c.certain > 1 ? earlier_owner(p, scope, e->name.text) : NULL;
        if (owner) {
            bool migrated = source_column(owner, e->name.text, out);
            out->scope = scope;
            return migrated;
        }
        bool assigned = !scope->select && scope->joins_by_name && c.migrated;
        if (c.certain > 1 && (c.flipped || assigned))
            refuse_about(p, out->rule,
                         scope->joins_by_name ? "%.*s is joined by its name"
                                              : "%.*s is in more than one table",
                         e->name.text, "name the column with its table, and join with ON");
        if (c.migrated) {
            out->scope = scope;
            check_reach(p, from, out);
            return true;
        }
        if (c.certain)
            return false;
        if (c.unsure) {
            refuse_unsure(p, scope->outer, e->name.text);
            return false;
        }
    }
    return false;
}

bool resolve_column(struct plan *p, const struct scope *scope, const struct expr *e, struct column_ref *out)
{
    if (!rules_may_have_column(p->rules, e->name.text))
        return false;
    return name_given(&e->table) ? resolve_qualified(p, scope, e, out)
                                 : resolve_unqualified(p, scope, e, out);
}
