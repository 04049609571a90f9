/* The gates, as a table: each is a function that looks at the catalog or asks the server, and says what it
 * found. A query that fails closes its gate: what cannot be seen is not known to be harmless. */
#include "proxy/migration/preflight.h"

#include <stdarg.h>
#include <stdio.h>

#include "proxy/migration/row_key.h"
#include "proxy/migration/row_sql.h"

struct check {
    struct db *db;
    const struct target *target;
    const struct catalog_table *table;
    struct gate *gate;
};

/* ---- saying what was found -------------------------------------------------------------------------- */

static void __attribute__((format(printf, 2, 3))) found(struct check *c, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(c->gate->detail, sizeof(c->gate->detail), fmt, ap);
    va_end(ap);
}

static void closed(struct check *c, const char *hint)
{
    c->gate->ok = false;
    snprintf(c->gate->hint, sizeof(c->gate->hint), "%s", hint);
}

/* Adds "a, b, c" of the result's first column to the detail; gives how many rows there were. A failed query
 * closes the gate and gives 0. */
static size_t found_names(struct check *c, struct buf *sql, const char *intro)
{
    struct db_result r;
    if (!db_query_buf(c->db, sql, &r)) {
        found(c, "it cannot be looked up: %s", db_error(c->db));
        closed(c, "grant the control account what it lacks");
        return 0;
    }
    size_t n = 0, len = (size_t)snprintf(c->gate->detail, sizeof(c->gate->detail), "%s", intro);
    const db_field *f;
    while ((f = db_next(&r)) && len < sizeof(c->gate->detail)) {
        len += (size_t)snprintf(c->gate->detail + len, sizeof(c->gate->detail) - len, "%s%.*s",
                                n ? ", " : " ", (int)f[0].len, f[0].ptr ? f[0].ptr : "");
        n++;
    }
    db_end(&r);
    return n;
}

static const struct rule *rule_of(const struct check *c)
{
    return c->target->rule;
}

/* "'a','b'" of the old columns, the new ones, or both. */
static void add_column_strings(struct buf *b, const struct rule *r, bool old, bool new)
{
    const char *comma = "";
    for (size_t i = 0; i < r->old_count + r->new_count; i++) {
        bool is_old = i < r->old_count;
        if (is_old ? !old : !new)
            continue;
        buf_add_str(b, comma);
        sql_string(b, is_old ? r->old_columns[i].name : r->new_columns[i - r->old_count].name);
        comma = ",";
    }
}

/* ---- the gates -------------------------------------------------------------------------------------- */

static void gate_table(struct check *c)
{
    const struct rule *r = rule_of(c);
    if (c->table && !c->table->is_view) {
        found(c, "%.*s.%.*s is there", (int)r->db.len, r->db.ptr, (int)r->table.len, r->table.ptr);
        return;
    }
    found(c, "%.*s.%.*s %s", (int)r->db.len, r->db.ptr, (int)r->table.len, r->table.ptr,
          c->table ? "is a view" : "does not exist, or the control account may not see it");
    closed(c, "correct `table` in the configuration, or grant SELECT on it");
}

static void gate_columns(struct check *c)
{
    const struct rule *r = rule_of(c);
    struct gate *g = c->gate;
    size_t len = 0;
    for (size_t i = 0; i < r->old_count + r->new_count && len < sizeof(g->detail); i++) {
        bool old = i < r->old_count;
        struct span name = old ? r->old_columns[i].name : r->new_columns[i - r->old_count].name;
        const struct catalog_column *k = catalog_column_of(c->table, name);
        const char *why = !k                         ? "does not exist"
                          : k->generated             ? "is a generated column"
                          : old && k->auto_increment ? "is AUTO_INCREMENT"
                          : k->on_update_now         ? "is set ON UPDATE by the server"
                                                     : NULL;
        if (why)
            len += (size_t)snprintf(g->detail + len, sizeof(g->detail) - len, "%s%.*s %s", len ? ", " : "",
                                    (int)name.len, name.ptr, why);
    }
    if (len)
        closed(c,
               "expand adds missing new columns; a generated, AUTO_INCREMENT or ON UPDATE column cannot be "
               "migrated");
    else
        found(c, "%zu old and %zu new columns are there", r->old_count, r->new_count);
}

static void gate_nullable(struct check *c)
{
    const struct rule *r = rule_of(c);
    for (size_t i = 0; i < r->new_count; i++) {
        const struct catalog_column *k = catalog_column_of(c->table, r->new_columns[i].name);
        if (k && !k->nullable && !k->has_default && !k->default_is_expression) {
            found(c, "new column %.*s is NOT NULL and has no default", (int)k->name.len, k->name.ptr);
            closed(c, "give it a default or let it be NULL until contract");
            return;
        }
    }
    found(c, "the new columns may be left out of an INSERT");
}

/* Runs both directions over no row: names, functions and types must fit. */
static void gate_expressions(struct check *c)
{
    const struct rule *r = rule_of(c);
    struct buf b = BUF_INIT;
    struct db_result result;
    buf_add_str(&b, "SELECT ");
    for (size_t i = 0; i < r->new_count + r->old_count; i++) {
        const struct rule_column *k =
            i < r->new_count ? &r->new_columns[i] : &r->old_columns[i - r->new_count];
        buf_add_str(&b, i ? ", (" : "(");
        buf_add_span(&b, k->value.text);
        buf_add_byte(&b, ')');
    }
    buf_add_str(&b, " FROM ");
    row_sql_table(&b, r);
    buf_add_str(&b, " WHERE FALSE");
    if (db_query_buf(c->db, &b, &result)) {
        found(c, "the server accepts every forward and backward expression");
        db_end(&result);
        return;
    }
    found(c, "the server refuses an expression: %s", db_error(c->db));
    closed(c, "correct the forward and backward expressions, or grant SELECT on the table");
}

static void gate_grants(struct check *c)
{
    const struct rule *r = rule_of(c);
    struct buf b = BUF_INIT;
    buf_add_str(&b, "UPDATE ");
    row_sql_table(&b, r);
    buf_add_str(&b, " SET ");
    sql_name(&b, r->new_columns[0].name);
    buf_add_str(&b, " = ");
    sql_name(&b, r->new_columns[0].name);
    buf_add_str(&b, " WHERE FALSE");
    if (db_run_buf(c->db, &b)) {
        found(c, "the control account may read and update the table");
        return;
    }
    found(c, "the control account may not update the table: %s", db_error(c->db));
    closed(c, "GRANT SELECT, UPDATE on the table to the control account");
}

/* Whether the account has a privilege of its own. Without it the server hides what the gate looks for: none
 * seen is not none there. */
static bool has_privilege(struct check *c, const char *privilege)
{
    const struct rule *r = rule_of(c);
    struct buf b = BUF_INIT;
    struct db_result result;
    char mine[160];
    snprintf(mine, sizeof(mine),
             " privilege_type = '%s' AND grantee = CONCAT('''', REPLACE(CURRENT_USER(), '@', '''@'''), '''')",
             privilege);
    buf_printf(&b, "SELECT 1 FROM information_schema.user_privileges WHERE%s", mine);
    buf_printf(&b, " UNION ALL SELECT 1 FROM information_schema.schema_privileges WHERE%s AND ", mine);
    sql_string(&b, r->db);
    buf_printf(&b, " LIKE table_schema UNION ALL SELECT 1 FROM information_schema.table_privileges WHERE%s",
               mine);
    buf_add_str(&b, " AND ");
    row_sql_table_is(&b, "table_schema", "table_name", r);
    bool may = db_query_buf(c->db, &b, &result) && result.rows > 0;
    db_end(&result);
    return may;
}

static void gate_triggers(struct check *c)
{
    const struct rule *r = rule_of(c);
    struct buf b = BUF_INIT;
    buf_add_str(&b, "SELECT CONCAT(trigger_name, ' (', action_timing, ' ', event_manipulation, ')')"
                    " FROM information_schema.triggers WHERE ");
    row_sql_table_is(&b, "event_object_schema", "event_object_table", r);
    if (found_names(c, &b, "triggers on the table:"))
        closed(c, "a trigger writes behind the proxy's back, and changes what expressions see; drop it");
    else if (c->gate->ok)
        found(c, has_privilege(c, "TRIGGER")
                     ? "no trigger on the table"
                     : "no trigger that the control account may see: it has no TRIGGER privilege"
                       " of its own");
}

static void gate_foreign_keys(struct check *c)
{
    const struct rule *r = rule_of(c);
    struct buf b = BUF_INIT;
    buf_add_str(&b, "SELECT DISTINCT CONCAT(k.constraint_name, ' (', k.column_name, ')')"
                    " FROM information_schema.key_column_usage k"
                    " JOIN information_schema.referential_constraints f"
                    " ON f.constraint_schema = k.constraint_schema AND f.constraint_name = k.constraint_name"
                    " WHERE ");
    row_sql_table_is(&b, "k.table_schema", "k.table_name", r);
    buf_add_str(&b, " AND k.column_name IN (");
    add_column_strings(&b, r, true, true);
    buf_add_str(&b, ") AND (f.update_rule NOT IN ('RESTRICT', 'NO ACTION')"
                    " OR f.delete_rule IN ('SET NULL', 'SET DEFAULT'))");
    if (found_names(c, &b, "foreign keys whose action writes the columns:"))
        closed(c, "the server's own action writes one side only; make it RESTRICT");
    else if (c->gate->ok)
        found(c, "no foreign key's action writes the columns");
}

/* "text LIKE '%quoted%'", with the wildcards in it escaped by '|'. A view's text is the server's own, in
 * which every name stands in backticks. */
static void add_like(struct buf *b, const char *text, struct buf *quoted)
{
    struct buf pattern = BUF_INIT;
    buf_add_byte(&pattern, '%');
    for (size_t i = 0; i < quoted->end; i++) {
        if (strchr("%_|", quoted->data[i]))
            buf_add_byte(&pattern, '|');
        buf_add_byte(&pattern, (unsigned char)quoted->data[i]);
    }
    buf_add_byte(&pattern, '%');
    buf_printf(b, "%s LIKE ", text);
    sql_string(b, buf_span(&pattern));
    buf_add_str(b, " ESCAPE '|'");
    buf_free(&pattern);
    buf_free(quoted);
}

static void gate_views(struct check *c)
{
    const struct rule *r = rule_of(c);
    struct buf b = BUF_INIT, name = BUF_INIT;
    buf_add_str(&b, "SELECT CONCAT(table_schema, '.', table_name) FROM information_schema.views"
                    " WHERE is_updatable = 'YES' AND ");
    row_sql_table(&name, r);
    add_like(&b, "view_definition", &name);
    buf_add_str(&b, " AND (FALSE");
    for (size_t i = 0; i < r->old_count + r->new_count; i++) {
        buf_add_str(&b, " OR ");
        sql_name(&name, i < r->old_count ? r->old_columns[i].name : r->new_columns[i - r->old_count].name);
        add_like(&b, "view_definition", &name);
    }
    buf_add_str(&b, ")");
    if (found_names(c, &b, "updatable views over the columns:"))
        closed(
            c,
            "a write through a view reaches one side only; drop them, or make sure that nobody writes them");
    else if (c->gate->ok)
        found(c,
              has_privilege(c, "SHOW VIEW")
                  ? "no updatable view over the columns"
                  : "no updatable view over the columns that the control account may see: it has no SHOW VIEW"
                    " privilege of its own");
}

/* "text REGEXP 'the name as a word of its own'". A routine's text is as its author wrote it. */
static void add_word(struct buf *b, const char *text, struct span name)
{
    struct buf pattern = BUF_INIT;
    buf_add_str(&pattern, "(^|[^0-9A-Za-z_$])");
    for (size_t i = 0; i < name.len; i++) {
        if (strchr("\\^$.|?*+()[]{}-", name.ptr[i]))
            buf_add_byte(&pattern, '\\');
        buf_add_byte(&pattern, (unsigned char)name.ptr[i]);
    }
    buf_add_str(&pattern, "([^0-9A-Za-z_$]|$)");
    buf_printf(b, "%s REGEXP ", text);
    sql_string(b, buf_span(&pattern));
    buf_free(&pattern);
}

/* " WHERE the text names the table, and stands in its database or names that too". */
static void add_names_table(struct buf *b, const struct rule *r, const char *schema, const char *text)
{
    buf_add_str(b, " WHERE ");
    add_word(b, text, r->table);
    buf_printf(b, " AND (%s = ", schema);
    sql_string(b, r->db);
    buf_add_str(b, " OR ");
    add_word(b, text, r->db);
    buf_add_byte(b, ')');
}

/* Whether the texts of other accounts' routines are shown: MariaDB shows them to who may read mysql.proc,
 * from 11.3 on also by a privilege; MySQL by another one. */
static bool may_see_routines(struct check *c)
{
    struct db_result r;
    if (has_privilege(c, "SHOW CREATE ROUTINE") || has_privilege(c, "SHOW_ROUTINE"))
        return true;
    bool may = db_query(c->db, SPAN("SELECT 1 FROM mysql.proc LIMIT 0"), &r);
    if (may)
        db_end(&r);
    return may;
}

static void gate_routines(struct check *c)
{
    const struct rule *r = rule_of(c);
    struct buf b = BUF_INIT;
    buf_add_str(&b, "SELECT CONCAT(LOWER(routine_type), ' ', routine_schema, '.', routine_name)"
                    " FROM information_schema.routines");
    add_names_table(&b, r, "routine_schema", "routine_definition");
    buf_add_str(&b, " UNION ALL SELECT CONCAT('event ', event_schema, '.', event_name)"
                    " FROM information_schema.events");
    add_names_table(&b, r, "event_schema", "event_definition");
    buf_add_str(&b, " UNION ALL SELECT CONCAT('trigger ', trigger_schema, '.', trigger_name)"
                    " FROM information_schema.triggers");
    add_names_table(&b, r, "trigger_schema", "action_statement");
    buf_add_str(&b, " AND NOT ("); /* the table's own have a gate of theirs */
    row_sql_table_is(&b, "event_object_schema", "event_object_table", r);
    buf_add_byte(&b, ')');
    if (found_names(c, &b, "routines, events and other tables' triggers whose text names the table:"))
        closed(c, "what they write does not pass the proxy; change them, or make sure that they only read");
    else if (c->gate->ok)
        found(c, !may_see_routines(c)
                     ? "no routine or event that the control account may see names the table: it"
                       " may not read mysql.proc (MySQL: it has no SHOW_ROUTINE)"
                 : !has_privilege(c, "EVENT")
                     ? "no routine or event that the control account may see names the table: it has no EVENT"
                       " privilege of its own"
                     : "no routine, event or other table's trigger names the table");
}

static void gate_key(struct check *c)
{
    struct row_key key;
    char error[256];
    if (row_key_find(c->db, rule_of(c), &key, error, sizeof(error))) {
        found(c, "rows are told apart by %s", key.index);
        return;
    }
    found(c, "%s", error);
    closed(c, "add a primary key: the backfill walks along it");
}

static void gate_engine(struct check *c)
{
    const struct rule *r = rule_of(c);
    struct buf b = BUF_INIT;
    buf_add_str(&b, "SELECT t.engine FROM information_schema.tables t JOIN information_schema.engines e"
                    " ON e.engine = t.engine WHERE e.transactions <> 'YES' AND ");
    row_sql_table_is(&b, "t.table_schema", "t.table_name", r);
    if (found_names(c, &b, "the table's engine has no transactions:"))
        closed(c, "ALTER TABLE … ENGINE = InnoDB");
    else if (c->gate->ok)
        found(c, "the table's engine has transactions");
}

static void gate_backfill(struct check *c)
{
    const struct target *t = c->target;
    bool complete = t->backfill == BACKFILL_COMPLETE && t->backfill_generation == t->dual_write_generation;
    found(c, "the backfill is %s", complete ? "complete" : backfill_state_name(t->backfill));
    if (!complete)
        closed(c, t->backfill == BACKFILL_COMPLETE ? "it belongs to an earlier dual-write; run backfill again"
                                                   : "run backfill to its end");
}

static bool is_verified(const struct target *t)
{
    return t->verification.valid && t->verification.generation == t->dual_write_generation;
}

static void gate_drift(struct check *c)
{
    const struct stored_verification *v = &c->target->verification;
    if (!is_verified(c->target)) {
        found(c, "the rows were not verified since the backfill ended");
        closed(c, "run verify");
    } else {
        found(c, "%llu of %llu rows drift", (unsigned long long)v->drift, (unsigned long long)v->rows);
        if (v->drift)
            closed(c, "run verify to see their keys; backfill --force fills them again; then verify");
    }
}

static void gate_way_back(struct check *c)
{
    const struct stored_verification *v = &c->target->verification;
    if (!is_verified(c->target)) {
        found(c, "the way back was not proven on the rows");
        closed(c, "run verify");
    } else {
        found(c, "backward(new) is not old in %llu of %llu rows", (unsigned long long)v->back_failed,
              (unsigned long long)v->rows);
        if (v->back_failed)
            closed(c, "verify lists their keys; correct the expressions or the rows");
    }
}

/* What the configuration promises of the rows: where it is not so, an index would miss rows. */
static void check_promise(struct check *c, bool made, const struct stored_promise *p, const char *key,
                          const char *broken)
{
    if (!made) {
        found(c, "%s is not promised", key);
        return;
    }
    if (!is_verified(c->target) || !p->asked) {
        found(c, "%s = yes was not proven on the rows", key);
        closed(c, is_verified(c->target) ? "run verify again; a server without window functions (MySQL 5.7)"
                                           " cannot prove monotonic"
                                         : "run verify");
        return;
    }
    found(c, "%s in %llu of %llu rows%s%s", broken, (unsigned long long)p->broken,
          (unsigned long long)c->target->verification.rows, p->broken ? ", first those with the key " : "",
          p->broken ? p->keys : "");
    if (p->broken)
        closed(c, "correct the expressions or the rows, or take the promise out of the configuration");
}

static void gate_invertible(struct check *c)
{
    check_promise(c, rule_of(c)->invertible, &c->target->verification.inverse, "invertible",
                  "forward(backward(new)) is not new");
}

static void gate_monotonic(struct check *c)
{
    const struct rule *r = rule_of(c);
    if (r->monotonic && (r->old_count != 1 || r->new_count != 1)) {
        found(c, "monotonic is of no use with several columns");
        return;
    }
    check_promise(c, r->monotonic, &c->target->verification.order, "monotonic",
                  "the new column does not compare as the old one does");
}

/* No gate that closes: it says which reads will be slower. */
static void gate_indexes(struct check *c)
{
    const struct rule *r = rule_of(c);
    struct buf b = BUF_INIT;
    buf_add_str(
        &b, "SELECT DISTINCT CONCAT(index_name, ' (', column_name, ')') FROM information_schema.statistics"
            " WHERE ");
    row_sql_table_is(&b, "table_schema", "table_name", r);
    buf_add_str(&b, " AND column_name IN (");
    add_column_strings(&b, r, true, false);
    buf_add_str(&b, ")");
    bool plain = true;
    for (size_t i = 0; i < r->old_count; i++)
        plain = plain && r->old_columns[i].value.plain_column;
    if (!found_names(c, &b, "conditions on old columns will not use these indexes:"))
        found(c, "no index on the old columns");
    else if (r->invertible || plain)
        found(c, "conditions on old columns become conditions on new ones; see that those are indexed");
}

/* No gate that closes either: an expression has none of these types, and a column only where it is declared
 * so. */
static void gate_types(struct check *c)
{
    const struct rule *r = rule_of(c);
    struct buf b = BUF_INIT;
    buf_add_str(&b, "SELECT CONCAT(o.column_name, ' (', UPPER(o.data_type), ')')"
                    " FROM information_schema.columns o LEFT JOIN information_schema.columns n"
                    " ON n.table_schema = o.table_schema AND n.table_name = o.table_name AND n.column_name = "
                    "CASE o.column_name");
    for (size_t i = 0; i < r->old_count; i++) {
        const struct expression *backward = &r->old_columns[i].value;
        buf_add_str(&b, " WHEN ");
        sql_string(&b, r->old_columns[i].name);
        buf_add_str(&b, " THEN ");
        sql_string(&b, backward->plain_column ? backward->refs[0].column : SPAN(""));
    }
    buf_add_str(&b, " END WHERE ");
    row_sql_table_is(&b, "o.table_schema", "o.table_name", r);
    buf_add_str(&b, " AND o.column_name IN (");
    add_column_strings(&b, r, true, false);
    buf_add_str(&b, ") AND o.data_type IN ('enum', 'set', 'year')"
                    " AND (n.column_type IS NULL OR n.column_type <> o.column_type)");
    if (!found_names(c, &b, "reads will not have these types' numbers, nor their order:") && c->gate->ok)
        found(c, "no old column is an ENUM, a SET or a YEAR that would be read as another type");
}

/* Nor this one. The server says by which collation it would compare an expression, and whether that is the
 * expression's own (0: COLLATE, 2: a column's, or a CAST's) or may be the session's. */
static void gate_collations(struct check *c)
{
    const struct rule *r = rule_of(c);
    struct buf b = BUF_INIT;
    buf_add_str(&b,
                "SELECT CONCAT(o.column_name, ' (', o.collation_name, ')') FROM information_schema.columns o"
                " WHERE ");
    row_sql_table_is(&b, "o.table_schema", "o.table_name", r);
    buf_add_str(&b, " AND o.collation_name IS NOT NULL AND CASE o.column_name");
    for (size_t i = 0; i < r->old_count; i++) {
        struct span text = r->old_columns[i].value.text;
        buf_add_str(&b, " WHEN ");
        sql_string(&b, r->old_columns[i].name);
        buf_add_str(&b, " THEN (SELECT IF(COERCIBILITY((");
        buf_add_span(&b, text);
        buf_add_str(&b, ")) IN (0, 2), COLLATION((");
        buf_add_span(&b, text);
        buf_add_str(&b, ")), '') FROM (SELECT 1 AS crossfade_row) AS crossfade_one LEFT JOIN ");
        row_sql_table(&b, r);
        buf_add_str(&b, " ON FALSE)");
    }
    buf_add_str(&b, " END <> o.collation_name");
    if (!found_names(c, &b, "reads will not compare by these collations for certain:") && c->gate->ok)
        found(c, "the old columns keep their collations");
}

/* ---- the table of gates ----------------------------------------------------------------------------- */

enum { FOR_DUAL_WRITE = 1, FOR_CUTOVER = 2 };

static const struct {
    const char *name;
    void (*look)(struct check *c);
    int phases;
    bool hard;
    bool needs_columns; /* cannot be asked before table and columns are there */
} gates[] = {
    {"table", gate_table, FOR_DUAL_WRITE | FOR_CUTOVER, true, false},
    {"columns", gate_columns, FOR_DUAL_WRITE | FOR_CUTOVER, true, false},
    {"expressions", gate_expressions, FOR_DUAL_WRITE | FOR_CUTOVER, true, true},
    {"grants", gate_grants, FOR_DUAL_WRITE, true, true},
    {"key", gate_key, FOR_DUAL_WRITE, true, true},
    {"engine", gate_engine, FOR_DUAL_WRITE, false, true},
    {"nullable", gate_nullable, FOR_DUAL_WRITE, false, true},
    {"triggers", gate_triggers, FOR_DUAL_WRITE | FOR_CUTOVER, false, false},
    {"foreign_keys", gate_foreign_keys, FOR_DUAL_WRITE | FOR_CUTOVER, false, false},
    {"views", gate_views, FOR_DUAL_WRITE, false, false},
    {"routines", gate_routines, FOR_DUAL_WRITE, false, false},
    {"backfill", gate_backfill, FOR_CUTOVER, false, false},
    {"drift", gate_drift, FOR_CUTOVER, false, false},
    {"way_back", gate_way_back, FOR_CUTOVER, false, false},
    {"invertible", gate_invertible, FOR_CUTOVER, false, false},
    {"monotonic", gate_monotonic, FOR_CUTOVER, false, false},
    {"indexes", gate_indexes, FOR_CUTOVER, false, true},
    {"types", gate_types, FOR_CUTOVER, false, true},
    {"collations", gate_collations, FOR_CUTOVER, false, true},
};

const struct catalog_table *target_table(const struct target *t)
{
    return catalog_find(t->snapshot->rules->catalog, t->rule->db, t->rule->table);
}

void preflight(struct db *d, const struct target *t, enum phase to, struct gate_list *out)
{
    int phase = to == PHASE_CUTOVER ? FOR_CUTOVER : FOR_DUAL_WRITE;
    struct check c = {.db = d, .target = t, .table = target_table(t)};
    *out = (struct gate_list){0};
    bool there = true;
    for (size_t i = 0; i < sizeof(gates) / sizeof(gates[0]); i++) {
        if (!(gates[i].phases & phase) || (gates[i].needs_columns && !there))
            continue;
        c.gate = &out->gates[out->count++];
        *c.gate = (struct gate){.name = gates[i].name, .ok = true, .hard = gates[i].hard};
        gates[i].look(&c);
        there = there && (c.gate->ok || !gates[i].hard);
    }
}

bool gates_open(const struct gate_list *l, bool force)
{
    for (size_t i = 0; i < l->count; i++)
        if (!l->gates[i].ok && (!force || l->gates[i].hard))
            return false;
    return true;
}

void gates_text(const struct gate_list *l, char *out, size_t out_size)
{
    size_t len = 0;
    *out = '\0';
    for (size_t i = 0; i < l->count && len < out_size; i++)
        if (!l->gates[i].ok)
            len += (size_t)snprintf(out + len, out_size - len, "%s%s: %s", len ? "; " : "", l->gates[i].name,
                                    l->gates[i].detail);
}
