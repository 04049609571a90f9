/* TLS sessions with backends, kept so that the next connection resumes one: the handshake then has no
 * certificates, no signature of the server's and no check of ours, and on TLS 1.2 one round trip less.
 *
 * They belong to one context (tls_contexts.h) and end with it, so a reload begins anew, and what was agreed
 * on under other CAs or certificates is never taken up. Within it each backend has its own. A session that is
 * resumed is as trustworthy as its first handshake: only what a whole handshake gave is kept, and for
 * five minutes; so a backend shows its certificate again at least as often. All functions: any thread. */
#ifndef PROXY_NET_TLS_SESSIONS_H
#define PROXY_NET_TLS_SESSIONS_H

#include <stdbool.h>
#include <stdint.h>

struct ssl_st;
struct ssl_ctx_st;

/* The context's connections keep their sessions and resume them. false: out of memory. */
bool tls_sessions_keep(struct ssl_ctx_st *context);

/* Before its handshake: this connection goes to the backend with that id. */
void tls_sessions_resume(struct ssl_st *ssl, uint64_t backend);

/* Its handshake failed or was broken off: the next connection to that backend makes a whole one. */
void tls_sessions_forget(struct ssl_st *ssl);

#endif
