/* Builds the immutable rules: copies what the configuration says of every migration into one arena and
 * compiles its expressions, so that a worker only reads. */
#include "proxy/rewrite/rules.h"

#include <stdio.h>
#include <stdlib.h>

#include "proxy/rewrite/expression.h"

#define RULES_LIMIT ((size_t)16 * 1024 * 1024)

static const char *const phase_names[] = {
    [PHASE_EXPAND] = "expand",   [PHASE_DUAL_WRITE] = "dual-write",
    [PHASE_CUTOVER] = "cutover", [PHASE_CONTRACT] = "contract",
    [PHASE_DONE] = "done",
};

const char *phase_name(enum phase p)
{
    return phase_names[p];
}

bool phase_of(const char *name, enum phase *out)
{
    for (size_t i = 0; i < sizeof phase_names / sizeof phase_names[0]; i++)
        if (strcmp(name, phase_names[i]) == 0) {
            *out = (enum phase)i;
            return true;
        }
    return false;
}

/* The rules together with the memory that everything in them lies in. */
struct rules_store {
    struct rules rules;
    struct arena *arena;
};

static struct span copy_lower(struct arena *arena, struct span s)
{
    struct span copy = arena_copy(arena, s);
    char *p = arena_alloc(arena, s.len + 1);
    if (arena_failed(arena))
        return copy;
    for (size_t i = 0; i < s.len; i++)
        p[i] = (char)ascii_lower((unsigned char)s.ptr[i]);
    return (struct span){p, s.len};
}

/* The columns of one side; their expressions may name the columns of the other. */
static const struct rule_column *build_side(struct arena *arena, const struct config_column *columns,
                                            size_t count, const struct config_column *others,
                                            size_t other_count, char *error, size_t error_size)
{
    struct rule_column *side = arena_alloc(arena, count * sizeof *side);
    struct span *names = arena_alloc(arena, (other_count + 1) * sizeof *names);
    char reason[256];
    if (arena_failed(arena))
        return NULL;
    for (size_t i = 0; i < other_count; i++)
        names[i] = arena_copy(arena, span_of(others[i].name));
    for (size_t i = 0; i < count; i++) {
        struct span text = span_of(columns[i].expression);
        side[i].name = arena_copy(arena, span_of(columns[i].name));
        side[i].quoted = quoted_name(arena, side[i].name);
        if (!expression_compile(arena, arena_copy(arena, text), names, other_count, &side[i].value, reason,
                                sizeof reason)) {
            snprintf(error, error_size, "the expression of %s: %s", columns[i].name, reason);
            return NULL;
        }
    }
    return side;
}

static bool build_rule(struct arena *arena, const struct rule_input *in, struct rule *out, char *error,
                       size_t error_size)
{
    const struct config_migration *m = in->config;
    char reason[320];
    *out = (struct rule){
        .name = arena_copy(arena, span_of(m->name)),
        .db = arena_copy(arena, span_of(m->db)),
        .table = arena_copy(arena, span_of(m->table)),
        .old_count = m->old_count,
        .new_count = m->new_count,
        .phase = in->phase,
        .reads = in->reads,
        .pass_unrewritable = m->pass_unrewritable,
        .invertible = m->invertible,
        .monotonic = m->monotonic,
        .counters = in->counters,
    };
    out->old_columns =
        build_side(arena, m->old_columns, m->old_count, m->new_columns, m->new_count, reason, sizeof reason);
    if (out->old_columns)
        out->new_columns = build_side(arena, m->new_columns, m->new_count, m->old_columns, m->old_count,
                                      reason, sizeof reason);
    if (out->old_columns && out->new_columns)
        return true;
    if (arena_failed(arena))
        snprintf(reason, sizeof reason, "out of memory");
    snprintf(error, error_size, "migration %s: %s", m->name, reason);
    return false;
}

bool rule_has_column(const struct rule *r, struct span name)
{
    for (size_t k = 0; k < r->old_count; k++)
        if (span_ieq(r->old_columns[k].name, name))
            return true;
    for (size_t k = 0; k < r->new_count; k++)
        if (span_ieq(r->new_columns[k].name, name))
            return true;
    return false;
}

bool rules_have_column(const struct rules *r, struct span name)
{
    if (!rules_may_have_column(r, name))
        return false;
    for (size_t i = 0; i < r->count; i++)
        if (rule_has_column(&r->rules[i], name))
            return true;
    return false;
}

const struct rule_table *rules_table(const struct rules *r, struct span db, struct span name)
{
    for (size_t i = 0; i < r->table_count; i++)
        if (rules_same_table(r, r->tables[i].name, name) && rules_same_table(r, r->tables[i].db, db))
            return &r->tables[i];
    return NULL;
}

static bool may_show(const struct rules *r, const struct catalog_table *view, const struct rule *rule)
{
    return rule->phase != PHASE_DONE && catalog_view_may_show(r->catalog, view, rule->db, rule->table);
}

const struct rule *rule_behind_view(const struct rules *r, const struct catalog_table *view,
                                    struct span column)
{
    if (!view || !view->is_view || !catalog_column_of(view, column))
        return NULL;
    bool renamed = !catalog_view_keeps_name(r->catalog, view, column);
    for (size_t i = 0; i < r->count; i++)
        if ((renamed || rule_has_column(&r->rules[i], column)) && may_show(r, view, &r->rules[i]))
            return &r->rules[i];
    return NULL;
}

const struct rule *rule_of_rows_behind_view(const struct rules *r, const struct catalog_table *view)
{
    for (size_t i = 0; view && view->is_view && i < r->count; i++)
        if (may_show(r, view, &r->rules[i]))
            return &r->rules[i];
    return NULL;
}

static void add_name(struct arena *arena, struct rules *r, struct span *names, struct span table)
{
    struct span name = copy_lower(arena, table);
    for (size_t k = 0; k < r->names.count; k++)
        if (span_eq(names[k], name))
            return;
    names[r->names.count++] = name;
    r->names.bloom |= scan_bloom(name);
}

static uint64_t column_bloom(const struct rule *rules, size_t count)
{
    uint64_t bloom = 0;
    for (size_t i = 0; i < count; i++) {
        for (size_t k = 0; k < rules[i].old_count; k++)
            bloom |= scan_bloom(rules[i].old_columns[k].name);
        for (size_t k = 0; k < rules[i].new_count; k++)
            bloom |= scan_bloom(rules[i].new_columns[k].name);
    }
    return bloom;
}

/* Every table that a migration which is not done is about, with what a statement that names it needs. */
static void build_tables(struct arena *arena, struct rules *r)
{
    struct rule_table *tables = arena_alloc(arena, (r->count + 1) * sizeof *tables);
    r->tables = tables;
    for (size_t i = 0; i < r->count && !arena_failed(arena); i++) {
        const struct rule *first = &r->rules[i];
        if (first->phase == PHASE_DONE || rules_table(r, first->db, first->table))
            continue;
        const struct rule **rules = arena_alloc(arena, (r->count - i) * sizeof *rules);
        struct rule_table *t = &tables[r->table_count++];
        *t = (struct rule_table){first->db, first->table, catalog_find(r->catalog, first->db, first->table),
                                 rules, 0};
        for (size_t k = i; k < r->count && !arena_failed(arena); k++)
            if (r->rules[k].phase != PHASE_DONE && rules_same_table(r, r->rules[k].table, t->name) &&
                rules_same_table(r, r->rules[k].db, t->db))
                rules[t->count++] = &r->rules[k];
    }
}

/* What any statement could be rewritten or refused for: the tables of migrations that are not done, and the
 * views that may show their rows. */
static void build_names(struct arena *arena, struct rules *r)
{
    size_t most = r->count;
    const struct catalog_table *t;
    for (size_t i = 0; (t = catalog_at(r->catalog, i)); i++)
        most += rule_of_rows_behind_view(r, t) != NULL;
    struct span *names = arena_alloc(arena, (most + 1) * sizeof *names);
    if (arena_failed(arena))
        return;
    for (size_t i = 0; i < r->count; i++)
        if (r->rules[i].phase != PHASE_DONE)
            add_name(arena, r, names, r->rules[i].table);
    for (size_t i = 0; (t = catalog_at(r->catalog, i)); i++)
        if (rule_of_rows_behind_view(r, t))
            add_name(arena, r, names, t->name);
    r->names.names = names;
}

struct rules *rules_build(const struct rule_input *inputs, size_t count, const struct catalog *catalog,
                          bool fold_table_names, bool mariadb, uint32_t server_version, char *error,
                          size_t error_size)
{
    struct arena *arena = arena_new(RULES_LIMIT);
    struct rules_store *store = calloc(1, sizeof *store);
    snprintf(error, error_size, "out of memory");
    if (!arena || !store) {
        arena_free(arena);
        free(store);
        return NULL;
    }
    struct rule *rules = arena_alloc(arena, (count + 1) * sizeof *rules);
    bool ok = !arena_failed(arena);
    for (size_t i = 0; ok && i < count; i++)
        ok = build_rule(arena, &inputs[i], &rules[i], error, error_size);
    store->arena = arena;
    store->rules = (struct rules){.rules = rules,
                                  .count = count,
                                  .catalog = catalog,
                                  .column_bloom = ok ? column_bloom(rules, count) : 0,
                                  .fold_table_names = fold_table_names,
                                  .mariadb = mariadb,
                                  .server_version = server_version};
    if (ok) {
        build_tables(arena, &store->rules);
        build_names(arena, &store->rules);
    }
    if (!ok || arena_failed(arena)) {
        rules_free(&store->rules);
        return NULL;
    }
    error[0] = '\0';
    return &store->rules;
}

void rules_free(struct rules *r)
{
    if (!r)
        return;
    struct rules_store *store = (struct rules_store *)r; /* its first member */
    arena_free(store->arena);
    free(store);
}

bool expression_check(struct span text, const char *const *columns, size_t column_count, char *error,
                      size_t error_size)
{
    struct arena *arena = arena_new(1024 * 1024);
    struct expression compiled;
    snprintf(error, error_size, "out of memory");
    if (!arena)
        return false;
    struct span *names = arena_alloc(arena, (column_count + 1) * sizeof *names);
    bool ok = !arena_failed(arena);
    for (size_t i = 0; ok && i < column_count; i++)
        names[i] = span_of(columns[i]);
    ok = ok && expression_compile(arena, text, names, column_count, &compiled, error, error_size);
    arena_free(arena);
    return ok;
}
