/* The packets of connecting: the server's greeting, the client's handshake response, COM_CHANGE_USER.
 *
 * The relay lets a client and a server authenticate each other and only listens; the two things it changes
 * are capability bits that it could not follow, in place, so that no length moves. Layouts: MariaDB,
 * "1 - Connecting: Connection" (initial handshake packet, handshake response packet); "2 - Text Protocol:
 * COM_CHANGE_USER". */
#ifndef PROTOCOL_HANDSHAKE_H
#define PROTOCOL_HANDSHAKE_H

#include "protocol/auth.h"

struct greeting {
    struct span version; /* with MariaDB's "5.5.5-" prefix, if any */
    uint32_t connection_id;
    uint64_t capabilities; /* with MariaDB's extended ones */
    uint32_t status;
    char salt[AUTH_SALT_SIZE];
    bool mariadb;            /* by the version's text */
    uint32_t version_number; /* 101119; 0: not understood */
};

/* Reads the payload of a greeting of protocol 10. false: it is none. */
bool greeting_parse(struct span payload, struct greeting *out);

/* Clears in the payload every capability that is not in `keep`, and sets those in `add`. The payload has been
 * parsed before. */
void greeting_mask(char *payload, size_t len, uint64_t keep, uint64_t add);

struct login {
    uint64_t capabilities; /* with MariaDB's extended ones, where `server` has them */
    uint32_t collation;
    struct span user, database; /* in the payload; empty: none */
    struct span program;        /* connection attribute program_name; empty: none */
    struct span proof;          /* what the plugin sends, with its length or NUL; from COM_CHANGE_USER too */
    struct span plugin;         /* with its NUL; empty: none named */
    unsigned zstd_level;        /* 0: not said */
};

/* Appends the packet's payload without the proof, and with the name of a plugin that no account has: whatever
 * the account's is, the server asks for it anew. `l` was parsed from the payload and names a plugin. */
void login_withhold(struct span payload, const struct login *l, struct buf *out);

/* The name in l->plugin. */
struct span login_plugin(const struct login *l);

/* What a client sends before its handshake response to ask for TLS: that response's fixed part. */
#define TLS_REQUEST_SIZE 32

/* Whether a payload is that. Whatever comes behind it is TLS, and no packet. */
bool is_tls_request(struct span payload);

/* Reads a handshake response of protocol 4.1 to a server with the capabilities `server`. false: it is
 * none. */
bool login_parse(struct span payload, uint64_t server, struct login *out);

/* Puts other capabilities into the payload of a handshake response, or its fixed part. */
void login_set_capabilities(char *payload, size_t len, uint64_t capabilities, uint64_t server);

/* Reads COM_CHANGE_USER (payload from the command byte) of a connection with these capabilities. */
bool change_user_parse(struct span payload, uint64_t capabilities, struct login *out);

#endif
