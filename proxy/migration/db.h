/* The proxy's own connection to the backend (never a client's): schema, store, backfill, verify.
 *
 * A connection belongs to one thread at a time. Every call is bounded in time by the timeouts that db_open
 * sets. Its session is fixed, so that an expression gives the same there as anywhere: character set utf8mb4,
 * sql_mode and time_zone as DB_SQL_MODE and DB_TIME_ZONE say (docs/configuration.md repeats them). */
#ifndef PROXY_MIGRATION_DB_H
#define PROXY_MIGRATION_DB_H

#include <stdint.h>

#include "config/config.h"
#include "protocol/definition.h"

#define DB_SQL_MODE  "STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION"
#define DB_TIME_ZONE "+00:00"
#define DB_LOCK_WAIT "lock_wait_timeout = 5" /* seconds, for metadata locks */

struct db;

/* What the server is; read once for each connection. */
struct db_server {
    bool mariadb;
    uint32_t version;      /* 101119 */
    char version_text[64]; /* as @@version says */
    bool fold_table_names; /* lower_case_table_names is not 0 */
    bool statement_binlog; /* the binary log is on and takes statements only */
    bool read_only;        /* @@read_only, whatever the account may do in spite of it */
    uint64_t max_allowed_packet;
};

/* One field of a row; ptr is NULL for SQL NULL. Valid until the result's next row or its end. */
typedef struct span db_field;

enum { DB_MAX_FIELDS = 64 };

/* A result, wholly fetched. */
struct db_result {
    void *handle;
    size_t rows, columns;
    db_field fields[DB_MAX_FIELDS]; /* of the row that db_next gave last */
};

/* Connects to one of the config's backends; the config outlives the connection. NULL with the reason in
 * `error`; *unreachable (may be NULL): it is that nobody answers there, and not that the server refused. */
struct db *db_open(const struct config *c, const struct endpoint *e, bool *unreachable, char *error,
                   size_t error_size);
void db_close(struct db *d); /* NULL is fine */

const struct db_server *db_server(const struct db *d);

/* The backend's id of this connection, and a way to end what it runs from another thread's connection. */
unsigned long db_thread_id(const struct db *d);
bool db_kill_query(struct db *d, unsigned long thread_id);

/* Run a statement; false on failure, and then db_errno() and db_error() tell. One that takes long is waited
 * for as long as the server greets another connection: where that fails too, this one is lost. */
bool db_run(struct db *d, struct span sql);
bool db_runf(struct db *d, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
bool db_run_buf(struct db *d, struct buf *sql); /* also frees the buffer; fails where the buffer failed */
uint64_t db_affected(const struct db *d);
uint64_t db_insert_id(const struct db *d);

/* Run one that gives rows. */
bool db_query(struct db *d, struct span sql, struct db_result *out);
bool db_queryf(struct db *d, struct db_result *out, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
bool db_query_buf(struct db *d, struct buf *sql, struct db_result *out);

/* The next row's fields (out->columns of them), or NULL behind the last. */
const db_field *db_next(struct db_result *r);
void db_end(struct db_result *r);

/* How the server describes the columns of a query, which is prepared and not run. `column` is called for
 * each, from 0; what it is given is valid for the call. */
bool db_describe(struct db *d, struct span sql,
                 void (*column)(void *arg, size_t at, const struct column_facts *facts), void *arg);

/* Number of a field, 0 for NULL. */
uint64_t db_u64(db_field f);
/* Copies a field as a string; cut where it does not fit, "" for NULL. */
void db_text(db_field f, char *out, size_t out_size);

/* Ends a transaction without effect; db_errno() and db_error() go on telling what failed before. */
void db_rollback(struct db *d);

unsigned db_errno(const struct db *d); /* 0: the last call succeeded */
const char *db_error(const struct db *d);
/* Whether the connection is gone (and not only the statement refused). */
bool db_lost(const struct db *d);

/* ---- building SQL ---- */

/* `name`, with backticks doubled. */
void sql_name(struct buf *b, struct span name);
/* A string literal that means the same under every sql_mode: 'text' where that is safe, else hexadecimal. */
void sql_string(struct buf *b, struct span text);

#endif
