/* The configuration file as checked structs. See docs/configuration.md for the keys.
 *
 * Everything is owned by the struct config and freed with it; strings are NUL-terminated. Optional keys
 * that were not given have their default here, so no reader knows defaults of its own. */
#ifndef CONFIG_CONFIG_H
#define CONFIG_CONFIG_H

#include <stdbool.h>
#include <stddef.h>

#include "config/log.h"

/* host:port, [v6]:port or unix:/path */
struct endpoint {
    bool is_unix;
    char *host; /* TCP: host or address, without brackets */
    char *port; /* TCP: decimal */
    char *path; /* Unix socket */
    char *text; /* as it was written */
};

struct config_column {
    char *name;
    char *expression; /* forward of a new column, backward of an old one; always given after the check */
    char *type;       /* new.NAME = TYPE, for expand; NULL: not given */
    int line;         /* of the expression, for messages */
};

struct config_migration {
    char *name;
    char *db, *table;
    struct config_column *old_columns, *new_columns;
    size_t old_count, new_count;
    bool reads_pinned_old;  /* reads = old */
    bool pass_unrewritable; /* on_unrewritable = pass */
    bool invertible, monotonic;
    int line; /* of its section, for messages */
};

struct config {
    char *path; /* of the file */
    struct endpoint *listen;
    size_t listen_count;
    struct endpoint *backends;
    size_t backend_count;
    char *admin_socket;
    unsigned threads;         /* resolved: never 0 */
    unsigned connect_timeout; /* milliseconds, towards the backend */
    unsigned max_connections; /* clients; 0: no limit */
    unsigned drain_timeout;   /* seconds that SIGTERM waits for transactions to end */
    enum log_level log_level;

    char *control_user, *control_password, *control_database;

    struct config_migration *migrations;
    size_t migration_count;
};

/* Where the mistakes go: called once for each, with "FILE:LINE: reason" without a newline. */
typedef void config_report(void *ctx, const char *message);

/* Checks one expression; set by the caller because the SQL floor is above this one. Returns false with
 * the reason in `error`. */
typedef bool config_expression_check(const char *text, const char *const *columns, size_t column_count,
                                     char *error, size_t error_size);

/* Reads and checks a file. NULL when there was any mistake (all of them were reported). */
struct config *config_load(const char *path, config_expression_check *check, config_report *report,
                           void *ctx);
void config_free(struct config *c);

/* The migration of that name, or NULL. */
const struct config_migration *config_find(const struct config *c, const char *name);

#endif
