/* TLS over buffers; see tls.h.
 *
 * OpenSSL reads and writes through a BIO of our own: it reads from the span that tls_receive() was given and
 * writes to `out`. A read that finds the span empty is to be tried again later; a write never has to wait. */
#include "proxy/net/tls.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "proxy/net/tls_sessions.h"

struct tls {
    SSL *ssl;
    enum tls_state state;
    bool connects;  /* to a backend; else a client has connected */
    struct span in; /* sealed bytes, for the time of one tls_receive() */
    struct buf out;
    char reason[128];
};

/* ---- the BIO ---- */

static int bio_read(BIO *bio, char *to, int len)
{
    struct tls *t = BIO_get_data(bio);
    BIO_clear_retry_flags(bio);
    if (t->in.len == 0) {
        BIO_set_retry_read(bio);
        return -1;
    }
    size_t n = t->in.len < (size_t)len ? t->in.len : (size_t)len;
    memcpy(to, t->in.ptr, n);
    t->in = (struct span){t->in.ptr + n, t->in.len - n};
    return (int)n;
}

static int bio_write(BIO *bio, const char *bytes, int len)
{
    struct tls *t = BIO_get_data(bio);
    BIO_clear_retry_flags(bio);
    buf_add(&t->out, bytes, (size_t)len);
    return buf_failed(&t->out) ? -1 : len;
}

static long bio_ctrl(BIO *bio, int command, long number, void *pointer)
{
    (void)bio, (void)number, (void)pointer;
    return command == BIO_CTRL_FLUSH || command == BIO_CTRL_DUP;
}

static int bio_create(BIO *bio)
{
    BIO_set_init(bio, 1);
    return 1;
}

static BIO_METHOD *method;

static void make_method(void)
{
    method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "buffers");
    if (method &&
        (BIO_meth_set_read(method, bio_read) != 1 || BIO_meth_set_write(method, bio_write) != 1 ||
         BIO_meth_set_ctrl(method, bio_ctrl) != 1 || BIO_meth_set_create(method, bio_create) != 1)) {
        BIO_meth_free(method);
        method = NULL;
    }
}

static const BIO_METHOD *buffers(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, make_method);
    return method;
}

/* ---- failures ---- */

static enum tls_state fail(struct tls *t)
{
    unsigned long code = ERR_peek_last_error();
    const char *text = code ? ERR_reason_error_string(code) : NULL;
    long verified = SSL_get_verify_result(t->ssl);
    if (buf_failed(&t->out))
        text = "out of memory";
    else if (verified != X509_V_OK && t->state == TLS_SHAKING)
        text = X509_verify_cert_error_string(verified);
    snprintf(t->reason, sizeof t->reason, "%s", text ? text : "broken off");
    ERR_clear_error();
    t->state = TLS_FAILED;
    return TLS_FAILED;
}

/* What an OpenSSL call that did not succeed means. */
static enum tls_state not_done(struct tls *t, int result)
{
    switch (SSL_get_error(t->ssl, result)) {
    case SSL_ERROR_WANT_READ:
        return t->state;
    case SSL_ERROR_ZERO_RETURN:
        t->state = TLS_CLOSED;
        return TLS_CLOSED;
    default:
        return fail(t);
    }
}

/* ---- a connection ---- */

static struct tls *tls_new(SSL_CTX *context)
{
    struct tls *t = calloc(1, sizeof *t);
    if (!t)
        return NULL;
    BIO *bio = buffers() ? BIO_new(buffers()) : NULL;
    t->ssl = SSL_new(context);
    if (!bio || !t->ssl) {
        BIO_free(bio);
        tls_free(t);
        ERR_clear_error();
        return NULL;
    }
    BIO_set_data(bio, t);
    SSL_set_bio(t->ssl, bio, bio);
    return t;
}

struct tls *tls_accept(const struct tls_contexts *x)
{
    struct tls *t = tls_new(tls_client_side(x));
    if (t)
        SSL_set_accept_state(t->ssl);
    return t;
}

static bool set_name(SSL *ssl, const char *name, bool check)
{
    ASN1_OCTET_STRING *address = a2i_IPADDRESS(name);
    ASN1_OCTET_STRING_free(address);
    ERR_clear_error();
    if (!address && SSL_set_tlsext_host_name(ssl, name) != 1)
        return false;
    if (!check)
        return true;
    return address ? X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), name) == 1
                   : SSL_set1_host(ssl, name) == 1;
}

struct tls *tls_connect(const struct tls_contexts *x, const char *name, uint64_t backend)
{
    struct tls *t = tls_new(tls_backend_side(x));
    if (!t)
        return NULL;
    if (!set_name(t->ssl, name, tls_backend_checks_name(x))) {
        tls_free(t);
        return NULL;
    }
    t->connects = true;
    tls_sessions_resume(t->ssl, backend);
    SSL_set_connect_state(t->ssl);
    not_done(t, SSL_do_handshake(t->ssl));
    return t;
}

void tls_free(struct tls *t)
{
    if (!t)
        return;
    if (t->connects && !SSL_is_init_finished(t->ssl))
        tls_sessions_forget(t->ssl);
    SSL_free(t->ssl);
    buf_free(&t->out);
    free(t);
}

/* ---- bytes ---- */

static enum tls_state shake(struct tls *t)
{
    int done = SSL_do_handshake(t->ssl);
    if (done != 1)
        return not_done(t, done);
    t->state = TLS_OPEN;
    return TLS_OPEN;
}

enum tls_state tls_receive(struct tls *t, struct span sealed, char *to, size_t room, size_t *got)
{
    *got = 0;
    t->in = sealed;
    ERR_clear_error();
    if (t->state == TLS_SHAKING)
        shake(t);
    while (t->state == TLS_OPEN && *got < room) {
        size_t n = 0;
        int done = SSL_read_ex(t->ssl, to + *got, room - *got, &n);
        *got += n;
        if (done != 1) {
            not_done(t, done);
            break;
        }
    }
    t->in.len = 0;
    return t->state;
}

bool tls_send(struct tls *t, struct span plain)
{
    size_t n = 0;
    if (plain.len == 0)
        return true;
    ERR_clear_error();
    if (SSL_write_ex(t->ssl, plain.ptr, plain.len, &n) == 1 && n == plain.len && !buf_failed(&t->out))
        return true;
    fail(t);
    return false;
}

void tls_close(struct tls *t)
{
    ERR_clear_error();
    if (t->state == TLS_OPEN || t->state == TLS_CLOSED)
        SSL_shutdown(t->ssl);
    ERR_clear_error();
}

struct buf *tls_out(struct tls *t)
{
    return &t->out;
}

enum tls_state tls_state(const struct tls *t)
{
    return t->state;
}

const char *tls_reason(const struct tls *t)
{
    return t->reason;
}

const char *tls_version_text(const struct tls *t)
{
    return SSL_get_version(t->ssl);
}

bool tls_resumed(const struct tls *t)
{
    return SSL_session_reused(t->ssl);
}
