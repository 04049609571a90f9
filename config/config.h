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

/* Where clients may come from; network.h reads and asks it. */
struct network {
    unsigned char address[16];
    unsigned size, bits; /* bytes of the address, 0: Unix sockets; bits of its mask */
};

enum proxy_send { PROXY_SEND_OFF, PROXY_SEND_V1, PROXY_SEND_V2 };

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

/* A file that the configuration names. */
struct config_file {
    char *path; /* NULL: not given */
    int line;   /* of its key, for messages; 0: not given */
};

enum tls_mode { TLS_MODE_OFF, TLS_MODE_OPTIONAL, TLS_MODE_REQUIRED, TLS_MODE_UNSET /* while it is read */ };
enum backend_tls_mode {
    BACKEND_TLS_OFF,
    BACKEND_TLS_REQUIRED,        /* encrypted; whoever the other end is */
    BACKEND_TLS_VERIFY_CA,       /* its certificate is of a CA that is trusted */
    BACKEND_TLS_VERIFY_IDENTITY, /* and names the host that was connected to */
};
enum tls_version { TLS_VERSION_1_2, TLS_VERSION_1_3 };
enum tls_client_cert { TLS_CLIENT_CERT_OPTIONAL, TLS_CLIENT_CERT_REQUIRED };

/* [tls] or [backend_tls]. */
struct config_tls {
    unsigned mode; /* enum tls_mode, enum backend_tls_mode */
    struct config_file cert, key, ca;
    unsigned min_version;            /* enum tls_version */
    unsigned client_cert;            /* [tls]: enum tls_client_cert; counts where there is a ca */
    struct config_file password_key; /* [tls] */
};

struct config {
    char *path; /* of the file */
    struct endpoint *listen;
    size_t listen_count;
    struct endpoint *backends;
    size_t backend_count;
    char *admin_socket;
    unsigned threads;           /* resolved: never 0 */
    bool scheduling_inherited;  /* the workers keep the process's policy, rather than SCHED_BATCH */
    unsigned connect_timeout;   /* milliseconds, towards the backend, until its greeting is there */
    unsigned handshake_timeout; /* milliseconds that a client has to log in */
    unsigned max_connections;   /* clients; 0: no limit */
    unsigned drain_timeout;     /* seconds that SIGTERM waits for transactions to end */
    unsigned tcp_keepalive;     /* idle seconds before the first probe; 0: off */
    unsigned tcp_user_timeout;  /* milliseconds that sent bytes may stay unacknowledged; 0: the kernel's */
    bool reuse_port;            /* SO_REUSEPORT: a second process may listen too, and take over */

    struct network *proxy_networks; /* who may (or must) send a PROXY header */
    size_t proxy_network_count;
    bool proxy_header_optional;
    enum proxy_send proxy_send; /* the header that the backend gets */

    enum log_level log_level;

    struct config_tls tls, backend_tls;

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
