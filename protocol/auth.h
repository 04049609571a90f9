/* What a relay must know of authentication plugins: how each sends a password.
 *
 * Sources: MariaDB, "1 - Connecting: Connection" (AuthSwitchRequest, caching_sha2_password, sha256_password);
 * MySQL, PAGE_PROTOCOL_CONNECTION_PHASE (AuthMoreData, AuthNextFactor). */
#ifndef PROTOCOL_AUTH_H
#define PROTOCOL_AUTH_H

#include "protocol/packet.h"

enum { AUTH_SALT_SIZE = 20 };

enum auth_plugin {
    AUTH_PROOF,        /* a proof of it, never the password itself */
    AUTH_CACHING_SHA2, /* a proof; the password when the server asks for it, as AUTH_SHA256 does */
    AUTH_SHA256,       /* the password: as it is on a secure connection, else encrypted by RSA */
    AUTH_CLEAR,        /* the password as it is, on any connection */
};

enum auth_plugin auth_plugin_of(struct span name);

/* What begins another plugin's dialogue: AuthSwitchRequest, or AuthNextFactor where that was agreed on. */
struct auth_request {
    struct span plugin;
    struct span salt; /* up to AUTH_SALT_SIZE bytes */
};

/* false: the packet is none. */
bool auth_request_parse(struct span payload, uint64_t capabilities, struct auth_request *out);

/* AuthMoreData by caching_sha2_password that says: the proof was right, and OK follows. */
bool auth_fast_done(struct span payload);

/* And: send the password. */
bool auth_wants_password(struct span payload);

#endif
