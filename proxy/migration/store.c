/* The store of store.h. Every statement names the sidecar database, so no default database is needed. */
#include "proxy/migration/store.h"

#include <stdio.h>
#include <stdlib.h>

enum { LOCK_WAIT_S = 3, QUEUE_WAIT_S = 10 };

#define QUEUE "next." /* the kind of lock that stands before the one of the store */

static const char *const backfill_names[] = {
    [BACKFILL_NONE] = "none",         [BACKFILL_RUNNING] = "running", [BACKFILL_PAUSED] = "paused",
    [BACKFILL_COMPLETE] = "complete", [BACKFILL_FAILED] = "failed",   [BACKFILL_CANCELLED] = "cancelled"};

enum { BACKFILL_STATES = sizeof(backfill_names) / sizeof(backfill_names[0]) };

const char *backfill_state_name(enum backfill_state s)
{
    return backfill_names[s];
}

/* ---- schema ----------------------------------------------------------------------------------------- */

/* %s is the database's name. InnoDB is said, since a checkpoint must be in its chunk's transaction. The
 * tables are binary in their names: 'A' and 'a' are two migrations. */
#define TABLE_OPTIONS " ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin"

static const char *const schema[] = {
    "CREATE TABLE IF NOT EXISTS `%s`.state (id TINYINT UNSIGNED NOT NULL PRIMARY KEY,"
    " schema_version INT UNSIGNED NOT NULL, generation BIGINT UNSIGNED NOT NULL)" TABLE_OPTIONS,

    "CREATE TABLE IF NOT EXISTS `%s`.migrations (name VARCHAR(64) NOT NULL PRIMARY KEY,"
    " phase VARCHAR(16) NOT NULL, intent VARCHAR(16) NULL, generation BIGINT UNSIGNED NOT NULL,"
    " dual_write_generation BIGINT UNSIGNED NOT NULL DEFAULT 0, definition MEDIUMTEXT NOT NULL,"
    " changed_at TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP(3) ON UPDATE "
    "CURRENT_TIMESTAMP(3))" TABLE_OPTIONS,

    "CREATE TABLE IF NOT EXISTS `%s`.backfills (migration VARCHAR(64) NOT NULL PRIMARY KEY,"
    " state VARCHAR(16) NOT NULL, rows_read BIGINT UNSIGNED NOT NULL, rows_changed BIGINT UNSIGNED NOT NULL,"
    " estimate BIGINT UNSIGNED NOT NULL, generation BIGINT UNSIGNED NOT NULL, last_key MEDIUMTEXT NULL,"
    " upper_key MEDIUMTEXT NULL, error TEXT NULL,"
    " started_at TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP(3),"
    " updated_at TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP(3) ON UPDATE "
    "CURRENT_TIMESTAMP(3))" TABLE_OPTIONS,

    "CREATE TABLE IF NOT EXISTS `%s`.verifications (migration VARCHAR(64) NOT NULL PRIMARY KEY,"
    " rows_read BIGINT UNSIGNED NOT NULL, drift BIGINT UNSIGNED NOT NULL,"
    " back_failed BIGINT UNSIGNED NOT NULL, generation BIGINT UNSIGNED NOT NULL,"
    " finished_at TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP(3) ON UPDATE "
    "CURRENT_TIMESTAMP(3))" TABLE_OPTIONS,

    /* Beside verifications: what invertible and monotonic promise; NULL: not asked. */
    "CREATE TABLE IF NOT EXISTS `%s`.promises (migration VARCHAR(64) NOT NULL PRIMARY KEY,"
    " inverse_broken BIGINT UNSIGNED NULL, inverse_keys VARCHAR(256) NOT NULL,"
    " order_broken BIGINT UNSIGNED NULL, order_keys VARCHAR(256) NOT NULL)" TABLE_OPTIONS,

    "CREATE TABLE IF NOT EXISTS `%s`.events (id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY,"
    " at TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP(3), who VARCHAR(128) NOT NULL,"
    " migration VARCHAR(64) NULL, what VARCHAR(64) NOT NULL, outcome VARCHAR(64) NOT NULL,"
    " forced BOOLEAN NOT NULL DEFAULT FALSE, generation BIGINT UNSIGNED NOT NULL DEFAULT 0,"
    " detail TEXT NULL, KEY by_migration (migration, id))" TABLE_OPTIONS,
};

/* Runs a statement of the table above, whose only conversion is %s. */
static bool run_schema(struct db *d, const char *statement, const char *database)
{
    struct buf b = BUF_INIT;
    const char *mark = strstr(statement, "%s");
    buf_add(&b, statement, (size_t)(mark - statement));
    buf_add_str(&b, database);
    buf_add_str(&b, mark + 2);
    return db_run_buf(d, &b);
}

static bool database_exists(struct db *d, const char *database)
{
    struct db_result r;
    struct buf b = BUF_INIT;
    buf_add_str(&b, "SELECT 1 FROM information_schema.schemata WHERE schema_name = ");
    sql_string(&b, span_of(database));
    bool exists = db_query_buf(d, &b, &r) && r.rows > 0;
    db_end(&r);
    return exists;
}

bool store_prepare(struct db *d, const char *database, char *error, size_t error_size)
{
    /* An account that may not create the database can use one that was made for it. */
    bool ok = database_exists(d, database) ||
              db_runf(d, "CREATE DATABASE IF NOT EXISTS `%s` DEFAULT CHARACTER SET utf8mb4", database);
    for (size_t i = 0; ok && i < sizeof(schema) / sizeof(schema[0]); i++)
        ok = run_schema(d, schema[i], database);
    ok = ok && db_runf(d, "INSERT IGNORE INTO `%s`.state (id, schema_version, generation) VALUES (1, %d, 0)",
                       database, STORE_SCHEMA_VERSION);
    struct db_result r;
    ok = ok && db_queryf(d, &r, "SELECT schema_version FROM `%s`.state WHERE id = 1", database);
    if (!ok) {
        snprintf(error, error_size, "sidecar database %s: %s", database, db_error(d));
        return false;
    }
    const db_field *f = db_next(&r);
    uint64_t version = f ? db_u64(f[0]) : 0;
    db_end(&r);
    if (version != STORE_SCHEMA_VERSION) {
        snprintf(error, error_size, "sidecar database %s has schema version %llu, this program needs %d",
                 database, (unsigned long long)version, STORE_SCHEMA_VERSION);
        return false;
    }
    return true;
}

/* A lock's name has at most 64 characters. (MySQL 9.7 has no MD5 and no SHA1 any more.) */
static void add_lock_name(struct buf *b, const char *kind, const char *database)
{
    buf_printf(b, "CONCAT('crossfade.%s', LEFT(SHA2(", kind);
    sql_string(b, span_of(database));
    buf_add_str(b, ", 256), 32))");
}

/* Takes one lock, or says who has it. */
static bool take(struct db *d, const char *kind, const char *database, unsigned wait_s, char *error,
                 size_t error_size)
{
    struct db_result r;
    struct buf b = BUF_INIT;
    buf_add_str(&b, "SELECT GET_LOCK(");
    add_lock_name(&b, kind, database);
    buf_printf(&b, ", %u), IS_USED_LOCK(", wait_s);
    add_lock_name(&b, kind, database);
    buf_add_byte(&b, ')');
    if (!db_query_buf(d, &b, &r)) {
        snprintf(error, error_size, "sidecar database %s: %s", database, db_error(d));
        return false;
    }
    const db_field *f = db_next(&r);
    bool ours = f && db_u64(f[0]) == 1;
    if (!ours)
        snprintf(error, error_size,
                 "sidecar database %s: another crossfade %s, by the backend's connection %llu", database,
                 *kind ? "waits to serve it" : "serves it", f ? (unsigned long long)db_u64(f[1]) : 0ULL);
    db_end(&r);
    return ours;
}

bool store_queue(struct db *d, const char *database, char *error, size_t error_size)
{
    return take(d, QUEUE, database, QUEUE_WAIT_S, error, error_size);
}

bool store_leave_queue(struct db *d, const char *database)
{
    struct buf b = BUF_INIT;
    buf_add_str(&b, "DO RELEASE_LOCK(");
    add_lock_name(&b, QUEUE, database);
    buf_add_byte(&b, ')');
    return db_run_buf(d, &b);
}

bool store_lock(struct db *d, const char *database, char *error, size_t error_size)
{
    if (!take(d, QUEUE, database, 0, error, error_size))
        return false;
    bool ours = take(d, "", database, LOCK_WAIT_S, error, error_size);
    return store_leave_queue(d, database) && ours;
}

char *store_definition(const struct config_migration *m)
{
    struct buf b = BUF_INIT;
    buf_printf(&b, "table %s.%s\n", m->db, m->table);
    for (size_t i = 0; i < m->old_count; i++)
        buf_printf(&b, "old %s = %s\n", m->old_columns[i].name, m->old_columns[i].expression);
    for (size_t i = 0; i < m->new_count; i++)
        buf_printf(&b, "new %s = %s\n", m->new_columns[i].name, m->new_columns[i].expression);
    return buf_take_string(&b);
}

/* ---- reading ---------------------------------------------------------------------------------------- */

/* malloc'ed, NULL for NULL (and when memory is out: a key that is not known is one not yet reached). */
static char *field_dup(db_field f)
{
    return f.ptr ? strndup(f.ptr, f.len) : NULL;
}

static enum backfill_state backfill_state_of(db_field f)
{
    for (int i = 0; i < BACKFILL_STATES; i++)
        if (span_eq(f, span_of(backfill_names[i])))
            return (enum backfill_state)i;
    return BACKFILL_NONE;
}

static bool phase_field(db_field f, enum phase *out)
{
    char word[32];
    db_text(f, word, sizeof(word));
    return phase_of(word, out);
}

/* The fields of BACKFILL_FIELDS. */
#define BACKFILL_FIELDS                                                                                      \
    "b.state, b.rows_read, b.rows_changed, b.estimate, b.generation, b.last_key, b.upper_key, b.error"
enum { BACKFILL_FIELD_COUNT = 8 };

static void read_backfill(const db_field *f, struct stored_backfill *b)
{
    *b = (struct stored_backfill){.state = backfill_state_of(f[0]),
                                  .rows = db_u64(f[1]),
                                  .changed = db_u64(f[2]),
                                  .estimate = db_u64(f[3]),
                                  .generation = db_u64(f[4]),
                                  .last_key = field_dup(f[5]),
                                  .upper_key = field_dup(f[6])};
    db_text(f[7], b->error, sizeof(b->error));
}

bool store_read_backfill(struct db *d, const char *database, const char *name, struct stored_backfill *out)
{
    struct buf b = BUF_INIT;
    struct db_result r;
    *out = (struct stored_backfill){0};
    buf_printf(&b, "SELECT " BACKFILL_FIELDS " FROM `%s`.backfills b WHERE b.migration = ", database);
    sql_string(&b, span_of(name));
    if (!db_query_buf(d, &b, &r))
        return false;
    const db_field *f = db_next(&r);
    if (f)
        read_backfill(f, out);
    db_end(&r);
    return true;
}

static void read_promise(const db_field *f, struct stored_promise *out)
{
    out->asked = f[0].ptr != NULL;
    out->broken = db_u64(f[0]);
    db_text(f[1], out->keys, sizeof(out->keys));
}

static void read_row(const db_field *f, struct stored_migration *m)
{
    db_text(f[0], m->name, sizeof(m->name));
    if (!phase_field(f[1], &m->phase))
        m->phase = PHASE_EXPAND;
    m->has_intent = f[2].ptr && phase_field(f[2], &m->intent);
    m->generation = db_u64(f[3]);
    m->dual_write_generation = db_u64(f[4]);
    m->definition = field_dup(f[5]);
    read_backfill(f + 6, &m->backfill);
    f += 6 + BACKFILL_FIELD_COUNT;
    m->verification.valid = f[0].ptr != NULL;
    m->verification.rows = db_u64(f[0]);
    m->verification.drift = db_u64(f[1]);
    m->verification.back_failed = db_u64(f[2]);
    m->verification.generation = db_u64(f[3]);
    db_text(f[4], m->verification.finished_at, sizeof(m->verification.finished_at));
    read_promise(f + 5, &m->verification.inverse);
    read_promise(f + 7, &m->verification.order);
}

bool store_load(struct db *d, const char *database, struct stored_migration **list, size_t *count,
                uint64_t *generation)
{
    *list = NULL;
    *count = 0;
    struct db_result r;
    if (!db_queryf(d, &r, "SELECT generation FROM `%s`.state WHERE id = 1", database))
        return false;
    const db_field *f = db_next(&r);
    *generation = f ? db_u64(f[0]) : 0;
    db_end(&r);
    if (!db_queryf(d, &r,
                   "SELECT m.name, m.phase, m.intent, m.generation, m.dual_write_generation, m.definition,"
                   " " BACKFILL_FIELDS ", v.rows_read, v.drift, v.back_failed, v.generation, v.finished_at,"
                   " p.inverse_broken, p.inverse_keys, p.order_broken, p.order_keys"
                   " FROM `%s`.migrations m LEFT JOIN `%s`.backfills b ON b.migration = m.name"
                   " LEFT JOIN `%s`.verifications v ON v.migration = m.name"
                   " LEFT JOIN `%s`.promises p ON p.migration = v.migration ORDER BY m.name",
                   database, database, database, database))
        return false;
    *list = calloc(r.rows ? r.rows : 1, sizeof(**list));
    while (*list && (f = db_next(&r)))
        read_row(f, &(*list)[(*count)++]);
    db_end(&r);
    return *list != NULL;
}

void store_free_list(struct stored_migration *list, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        free(list[i].definition);
        free(list[i].backfill.last_key);
        free(list[i].backfill.upper_key);
    }
    free(list);
}

/* ---- writing ---------------------------------------------------------------------------------------- */

static void add_nullable(struct buf *b, const char *s)
{
    if (s)
        sql_string(b, span_of(s));
    else
        buf_add_str(b, "NULL");
}

bool store_next_generation(struct db *d, const char *database, uint64_t floor, uint64_t *out)
{
    if (!db_runf(d,
                 "UPDATE `%s`.state SET generation = LAST_INSERT_ID(GREATEST(generation, %llu) + 1)"
                 " WHERE id = 1",
                 database, (unsigned long long)floor))
        return false;
    *out = db_insert_id(d);
    return *out > floor;
}

/* Ends a transaction: with effect where everything in it succeeded. */
static bool commit(struct db *d, bool ok)
{
    if (ok && db_run(d, SPAN("COMMIT")))
        return true;
    db_rollback(d);
    return false;
}

bool store_intend(struct db *d, const char *database, const struct config_migration *m, enum phase from,
                  enum phase to, uint64_t floor, uint64_t *generation)
{
    char *definition = store_definition(m);
    if (!definition || !db_run(d, SPAN("START TRANSACTION"))) {
        free(definition);
        return false;
    }
    struct buf b = BUF_INIT;
    buf_printf(&b, "INSERT INTO `%s`.migrations (name, phase, intent, generation, definition) VALUES (",
               database);
    sql_string(&b, span_of(m->name));
    buf_printf(&b, ", '%s', '%s', 0, ", phase_name(from), phase_name(to));
    sql_string(&b, span_of(definition));
    buf_add_str(&b, ") ON DUPLICATE KEY UPDATE phase = VALUES(phase), intent = VALUES(intent),"
                    " definition = VALUES(definition)");
    free(definition);
    bool ok = store_next_generation(d, database, floor, generation) && db_run_buf(d, &b);
    buf_free(&b);
    return commit(d, ok);
}

static bool insert_event(struct db *d, const char *database, const struct stored_event *e)
{
    struct buf b = BUF_INIT;
    buf_printf(&b,
               "INSERT INTO `%s`.events (forced, generation, who, migration, what, outcome, detail) VALUES"
               " (%d, %llu, ",
               database, e->forced, (unsigned long long)e->generation);
    sql_string(&b, span_of(e->who));
    buf_add_str(&b, ", ");
    add_nullable(&b, e->migration);
    buf_add_str(&b, ", ");
    sql_string(&b, span_of(e->what));
    buf_add_str(&b, ", ");
    sql_string(&b, span_of(e->outcome));
    buf_add_str(&b, ", ");
    add_nullable(&b, e->detail);
    buf_add_str(&b, ")");
    return db_run_buf(d, &b);
}

bool store_event(struct db *d, const char *database, const struct stored_event *event)
{
    return insert_event(d, database, event);
}

/* "DELETE FROM db.table WHERE migration = name" */
static bool delete_of(struct db *d, const char *database, const char *table, const char *name)
{
    struct buf b = BUF_INIT;
    buf_printf(&b, "DELETE FROM `%s`.%s WHERE migration = ", database, table);
    sql_string(&b, span_of(name));
    return db_run_buf(d, &b);
}

bool store_settle(struct db *d, const char *database, const char *name, enum phase phase, uint64_t generation,
                  bool void_backfill, const struct stored_event *event)
{
    struct buf b = BUF_INIT;
    buf_printf(&b, "UPDATE `%s`.migrations SET phase = '%s', intent = NULL, generation = %llu", database,
               phase_name(phase), (unsigned long long)generation);
    if (void_backfill)
        buf_printf(&b, ", dual_write_generation = %llu",
                   phase == PHASE_DUAL_WRITE ? (unsigned long long)generation : 0ULL);
    buf_add_str(&b, " WHERE name = ");
    sql_string(&b, span_of(name));
    bool ok = db_run(d, SPAN("START TRANSACTION")) && db_run_buf(d, &b);
    buf_free(&b);
    ok = ok && (!void_backfill ||
                (delete_of(d, database, "backfills", name) && delete_of(d, database, "verifications", name)));
    return commit(d, ok && insert_event(d, database, event));
}

bool store_forget(struct db *d, const char *database, const char *name, const struct stored_event *event)
{
    struct buf b = BUF_INIT;
    buf_printf(&b, "UPDATE `%s`.migrations SET intent = NULL WHERE name = ", database);
    sql_string(&b, span_of(name));
    bool ok = db_run(d, SPAN("START TRANSACTION")) && db_run_buf(d, &b);
    buf_free(&b);
    return commit(d, ok && insert_event(d, database, event));
}

bool store_backfill(struct db *d, const char *database, const char *name, const struct stored_backfill *f)
{
    struct buf b = BUF_INIT;
    buf_printf(&b,
               "REPLACE INTO `%s`.backfills (state, rows_read, rows_changed, estimate, generation, migration,"
               " last_key, upper_key, error) VALUES ('%s', %llu, %llu, %llu, %llu, ",
               database, backfill_names[f->state], (unsigned long long)f->rows,
               (unsigned long long)f->changed, (unsigned long long)f->estimate,
               (unsigned long long)f->generation);
    sql_string(&b, span_of(name));
    buf_add_str(&b, ", ");
    add_nullable(&b, f->last_key);
    buf_add_str(&b, ", ");
    add_nullable(&b, f->upper_key);
    buf_add_str(&b, ", ");
    add_nullable(&b, *f->error ? f->error : NULL);
    buf_add_str(&b, ")");
    return db_run_buf(d, &b);
}

bool store_checkpoint(struct db *d, const char *database, const char *name, const struct stored_backfill *f)
{
    struct buf b = BUF_INIT;
    buf_printf(&b, "UPDATE `%s`.backfills SET rows_read = %llu, rows_changed = %llu, last_key = ", database,
               (unsigned long long)f->rows, (unsigned long long)f->changed);
    add_nullable(&b, f->last_key);
    buf_add_str(&b, " WHERE migration = ");
    sql_string(&b, span_of(name));
    return db_run_buf(d, &b);
}

bool store_void_verification(struct db *d, const char *database, const char *name)
{
    return delete_of(d, database, "verifications", name);
}

static void add_promise(struct buf *b, const struct stored_promise *p)
{
    if (p->asked)
        buf_printf(b, ", %llu, ", (unsigned long long)p->broken);
    else
        buf_add_str(b, ", NULL, ");
    sql_string(b, span_of(p->keys));
}

static bool store_promises(struct db *d, const char *database, const char *name,
                           const struct stored_verification *v)
{
    struct buf b = BUF_INIT;
    buf_printf(
        &b,
        "REPLACE INTO `%s`.promises (migration, inverse_broken, inverse_keys, order_broken, order_keys)"
        " VALUES (",
        database);
    sql_string(&b, span_of(name));
    add_promise(&b, &v->inverse);
    add_promise(&b, &v->order);
    buf_add_str(&b, ")");
    return db_run_buf(d, &b);
}

bool store_verification(struct db *d, const char *database, const char *name,
                        const struct stored_verification *v)
{
    struct buf b = BUF_INIT;
    if (!store_promises(d, database, name, v)) /* first: without them there is no verification */
        return false;
    buf_printf(&b,
               "REPLACE INTO `%s`.verifications (rows_read, drift, back_failed, generation, migration) VALUES"
               " (%llu, %llu, %llu, %llu, ",
               database, (unsigned long long)v->rows, (unsigned long long)v->drift,
               (unsigned long long)v->back_failed, (unsigned long long)v->generation);
    sql_string(&b, span_of(name));
    buf_add_str(&b, ")");
    return db_run_buf(d, &b);
}

bool store_events(struct db *d, const char *database, const char *migration, unsigned limit,
                  struct db_result *out)
{
    struct buf b = BUF_INIT;
    buf_printf(&b,
               "SELECT * FROM (SELECT id, at, who, migration, what, outcome, forced, generation, detail FROM"
               " `%s`.events",
               database);
    if (migration) {
        buf_add_str(&b, " WHERE migration = ");
        sql_string(&b, span_of(migration));
    }
    buf_printf(&b, " ORDER BY id DESC LIMIT %u) latest ORDER BY id", limit);
    return db_query_buf(d, &b, out);
}
