/* RSA as MySQL's password plugins use it on connections in clear: the password with its NUL, mixed with the
 * salt, is encrypted with the server's public key (OAEP). The proxy has a key of its own for clients whose
 * backend takes passwords as they are, and encrypts with the backend's for clients that it gets them from.
 *
 * Sources: MySQL, "Caching SHA-2 Pluggable Authentication", "SHA-256 Pluggable Authentication". */
#ifndef PROXY_NET_PASSWORD_KEY_H
#define PROXY_NET_PASSWORD_KEY_H

#include <stdbool.h>

#include "protocol/buf.h"

struct password_key;

/* A key that is made now, or one of a PEM file. Counted; any thread. NULL: OpenSSL's error queue tells. */
struct password_key *password_key_generate(void);
struct password_key *password_key_load(const char *path);
struct password_key *password_key_ref(struct password_key *k);
void password_key_unref(struct password_key *k); /* NULL is fine */
bool password_key_generated(const struct password_key *k);

/* The public half, as PEM text. */
struct span password_key_public(const struct password_key *k);

/* Appends the password, without its NUL, that was encrypted for this key. false: it was not, or memory is
 * out. The caller wipes it. */
bool password_decrypt(const struct password_key *k, struct span sealed, struct span salt, struct buf *out);

/* Appends the password encrypted with the public key in `pem`. false: that is no RSA key, or the password is
 * too long for it. */
bool password_encrypt(struct span pem, struct span password, struct span salt, struct buf *out);

/* Overwrites secrets, and frees. */
void password_wipe(struct buf *b);

#endif
