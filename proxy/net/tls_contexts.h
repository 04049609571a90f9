/* What [tls] and [backend_tls] say, with the files that they name read: certificates, keys, CAs, and the key
 * by which clients without TLS send their password.
 *
 * Immutable once made and counted, so all threads share it without a lock. A reload makes another one for the
 * connections that come then; those that are there keep theirs. Session tickets are sealed by keys of the
 * contexts: one that was given under other certificates or CAs is worth nothing after a reload. */
#ifndef PROXY_NET_TLS_CONTEXTS_H
#define PROXY_NET_TLS_CONTEXTS_H

#include "config/config.h"

struct tls_contexts;
struct password_key;
struct ssl_ctx_st;

/* Reads the files. NULL when one cannot be used: every mistake was reported as "FILE:LINE: reason". `before`,
 * or NULL: the contexts of an earlier load, whose generated password key goes on. */
struct tls_contexts *tls_contexts_load(const struct config *c, const struct tls_contexts *before,
                                       config_report *report, void *ctx);
struct tls_contexts *tls_contexts_ref(struct tls_contexts *x); /* any thread */
void tls_contexts_unref(struct tls_contexts *x);               /* NULL is fine */

/* Towards clients: NULL: TLS is not offered. */
struct ssl_ctx_st *tls_client_side(const struct tls_contexts *x);
bool tls_client_required(const struct tls_contexts *x);

/* Towards backends: NULL: connections are in clear. */
struct ssl_ctx_st *tls_backend_side(const struct tls_contexts *x);
bool tls_backend_checks_name(const struct tls_contexts *x);

/* The key by which clients without TLS send a password; NULL: no connection can need it. */
const struct password_key *tls_password_key(const struct tls_contexts *x);

#endif
