/* Sessions to be resumed; see tls_sessions.h.
 *
 * OpenSSL tells of each session by a callback: behind a whole handshake of TLS 1.2, and when a ticket of
 * TLS 1.3 has come. What is kept is a copy, and each connection gets a copy of that: OpenSSL marks a session
 * as spent with the connection that has it. */
#include "proxy/net/tls_sessions.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <pthread.h>
#include <stdlib.h>
#include <time.h>

#define KEPT_SECONDS 300
#define KEPT_MOST    8 /* backends */

struct kept {
    uint64_t backend;
    SSL_SESSION *session; /* NULL: free */
    time_t since;
};

struct tls_sessions {
    pthread_mutex_t lock;
    struct kept kept[KEPT_MOST];
};

static pthread_once_t once = PTHREAD_ONCE_INIT;
static int context_index = -1;

static time_t now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC_COARSE, &t);
    return t.tv_sec;
}

static void sessions_free(void *context, void *pointer, CRYPTO_EX_DATA *data, int index, long number,
                          void *ctx)
{
    (void)context, (void)data, (void)index, (void)number, (void)ctx;
    struct tls_sessions *x = pointer;
    if (!x)
        return;
    for (size_t i = 0; i < KEPT_MOST; i++)
        SSL_SESSION_free(x->kept[i].session);
    pthread_mutex_destroy(&x->lock);
    free(x);
}

static void make_index(void)
{
    context_index = SSL_CTX_get_ex_new_index(0, NULL, NULL, NULL, sessions_free);
}

static struct tls_sessions *sessions_of(const SSL *ssl)
{
    return context_index < 0 ? NULL : SSL_CTX_get_ex_data(SSL_get_SSL_CTX(ssl), context_index);
}

/* The connection's own word: which backend it goes to. */
static uint64_t backend_of(const SSL *ssl)
{
    return (uint64_t)(uintptr_t)SSL_get_app_data(ssl);
}

/* The backend's place; for a new one a free place, or the oldest. */
static struct kept *place_of(struct tls_sessions *x, uint64_t backend)
{
    struct kept *best = &x->kept[0];
    for (size_t i = 0; i < KEPT_MOST; i++) {
        struct kept *k = &x->kept[i];
        if (k->session && k->backend == backend)
            return k;
        if (best->session && (!k->session || k->since < best->since))
            best = k;
    }
    return best;
}

/* Puts `session`, which is taken, in the backend's place; NULL: nothing. */
static void put(struct tls_sessions *x, uint64_t backend, SSL_SESSION *session)
{
    pthread_mutex_lock(&x->lock);
    struct kept *k = place_of(x, backend);
    SSL_SESSION *before = NULL;
    if (session || k->backend == backend) {
        before = k->session;
        *k = (struct kept){backend, session, now()};
    }
    pthread_mutex_unlock(&x->lock);
    SSL_SESSION_free(before);
}

/* OpenSSL has one: 0, as the reference stays its own. */
static int on_session(SSL *ssl, SSL_SESSION *session)
{
    struct tls_sessions *x = sessions_of(ssl);
    if (!x || SSL_session_reused(ssl) || !SSL_SESSION_is_resumable(session))
        return 0;
    SSL_SESSION *copy = SSL_SESSION_dup(session);
    if (copy)
        put(x, backend_of(ssl), copy);
    else
        ERR_clear_error();
    return 0;
}

bool tls_sessions_keep(SSL_CTX *context)
{
    pthread_once(&once, make_index);
    struct tls_sessions *x = calloc(1, sizeof *x);
    if (!x)
        return false;
    pthread_mutex_init(&x->lock, NULL);
    if (context_index < 0 || SSL_CTX_set_ex_data(context, context_index, x) != 1) {
        sessions_free(NULL, x, NULL, 0, 0, NULL);
        return false;
    }
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
    SSL_CTX_sess_set_new_cb(context, on_session);
    return true;
}

void tls_sessions_resume(SSL *ssl, uint64_t backend)
{
    struct tls_sessions *x = sessions_of(ssl);
    SSL_SESSION *copy = NULL;
    SSL_set_app_data(ssl, (void *)(uintptr_t)backend);
    if (!x)
        return;
    pthread_mutex_lock(&x->lock);
    struct kept *k = place_of(x, backend);
    if (k->session && k->backend == backend && now() - k->since < KEPT_SECONDS)
        copy = SSL_SESSION_dup(k->session);
    pthread_mutex_unlock(&x->lock);
    if (copy)
        SSL_set_session(ssl, copy);
    SSL_SESSION_free(copy);
    ERR_clear_error();
}

void tls_sessions_forget(SSL *ssl)
{
    struct tls_sessions *x = sessions_of(ssl);
    if (x)
        put(x, backend_of(ssl), NULL);
}
