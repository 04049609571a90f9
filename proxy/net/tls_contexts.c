/* The files of [tls] and [backend_tls], read into OpenSSL's contexts; see tls_contexts.h. */
#include "proxy/net/tls_contexts.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proxy/net/password_key.h"
#include "proxy/net/tls_sessions.h"

struct tls_contexts {
    atomic_uint references;
    SSL_CTX *client_side, *backend_side;
    bool client_required, checks_name;
    struct password_key *password_key;
};

/* Where mistakes go, and how many there were. */
struct reading {
    const struct config *config;
    config_report *report;
    void *ctx;
    unsigned mistakes;
};

/* OpenSSL's own reason for the failure: the first, which lies deepest; the later ones say "system lib". */
static const char *openssl_reason(void)
{
    unsigned long code = ERR_peek_error();
    const char *reason = ERR_GET_LIB(code) == ERR_LIB_SYS ? strerror(ERR_GET_REASON(code)) /* NOLINT */
                                                          : ERR_reason_error_string(code);
    return reason ? reason : "unknown reason";
}

static void mistake(struct reading *r, const char *key, const struct config_file *f)
{
    char message[1024];
    snprintf(message, sizeof message, "%s:%d: %s: %s: %s", r->config->path, f->line, key, f->path,
             openssl_reason());
    r->report(r->ctx, message);
    r->mistakes++;
    ERR_clear_error();
}

/* A key that needs a passphrase is a mistake: nobody is there to be asked. */
static int no_passphrase(char *out, int size, int writing, void *ctx)
{
    (void)out, (void)size, (void)writing, (void)ctx;
    return -1;
}

static void load_files(struct reading *r, SSL_CTX *c, const struct config_tls *t)
{
    SSL_CTX_set_default_passwd_cb(c, no_passphrase);
    ERR_clear_error();
    if (t->cert.path && SSL_CTX_use_certificate_chain_file(c, t->cert.path) != 1)
        mistake(r, "cert", &t->cert);
    else if (t->key.path && (SSL_CTX_use_PrivateKey_file(c, t->key.path, SSL_FILETYPE_PEM) != 1 ||
                             SSL_CTX_check_private_key(c) != 1))
        mistake(r, "key", &t->key);
    if (t->ca.path && SSL_CTX_load_verify_locations(c, t->ca.path, NULL) != 1)
        mistake(r, "ca", &t->ca);
}

/* What holds for both sides. */
static SSL_CTX *context_new(const SSL_METHOD *method, const struct config_tls *t)
{
    SSL_CTX *c = SSL_CTX_new(method);
    if (!c)
        return NULL;
    SSL_CTX_set_min_proto_version(c, t->min_version == TLS_VERSION_1_3 ? TLS1_3_VERSION : TLS1_2_VERSION);
    SSL_CTX_set_options(c, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_CIPHER_SERVER_PREFERENCE);
    SSL_CTX_set_mode(c, SSL_MODE_RELEASE_BUFFERS); /* an idle connection holds none */
    SSL_CTX_set_session_cache_mode(c, SSL_SESS_CACHE_OFF);
    return c;
}

static void load_client_side(struct reading *r, struct tls_contexts *x)
{
    const struct config_tls *t = &r->config->tls;
    if (t->mode == TLS_MODE_OFF)
        return;
    SSL_CTX *c = x->client_side = context_new(TLS_server_method(), t);
    if (!c) {
        mistake(r, "cert", &t->cert);
        return;
    }
    x->client_required = t->mode == TLS_MODE_REQUIRED;
    load_files(r, c, t);
    /* Without one, a ticket that comes back from a client with a certificate ends the handshake. */
    SSL_CTX_set_session_id_context(c, (const unsigned char *)"crossfade", 9);
    if (t->ca.path) {
        SSL_CTX_set_client_CA_list(c, SSL_load_client_CA_file(t->ca.path));
        SSL_CTX_set_verify(
            c,
            SSL_VERIFY_PEER |
                (t->client_cert == TLS_CLIENT_CERT_REQUIRED ? SSL_VERIFY_FAIL_IF_NO_PEER_CERT : 0),
            NULL);
    }
}

static void load_backend_side(struct reading *r, struct tls_contexts *x)
{
    const struct config_tls *t = &r->config->backend_tls;
    if (t->mode == BACKEND_TLS_OFF)
        return;
    SSL_CTX *c = x->backend_side = context_new(TLS_client_method(), t);
    if (!c || !tls_sessions_keep(c)) {
        mistake(r, "ca", &t->ca);
        return;
    }
    load_files(r, c, t);
    if (t->mode == BACKEND_TLS_REQUIRED)
        return;
    if (!t->ca.path)
        SSL_CTX_set_default_verify_paths(c);
    SSL_CTX_set_verify(c, SSL_VERIFY_PEER, NULL);
    x->checks_name = t->mode == BACKEND_TLS_VERIFY_IDENTITY;
}

/* Only clients of a backend that takes passwords as they are need it. */
static bool needs_password_key(const struct config *c)
{
    bool secure = c->backend_tls.mode != BACKEND_TLS_OFF;
    for (size_t i = 0; i < c->backend_count; i++)
        secure = secure || c->backends[i].is_unix;
    return secure;
}

static void load_password_key(struct reading *r, struct tls_contexts *x, const struct tls_contexts *before)
{
    const struct config_file *file = &r->config->tls.password_key;
    if (file->path) {
        x->password_key = password_key_load(file->path);
        if (!x->password_key)
            mistake(r, "password_key", file);
    } else if (needs_password_key(r->config)) {
        x->password_key = before && before->password_key && password_key_generated(before->password_key)
                              ? password_key_ref(before->password_key)
                              : password_key_generate();
        if (!x->password_key)
            mistake(r, "password_key", &(struct config_file){.path = (char *)"(generated)", .line = 0});
    }
}

struct tls_contexts *tls_contexts_load(const struct config *c, const struct tls_contexts *before,
                                       config_report *report, void *ctx)
{
    struct reading r = {.config = c, .report = report, .ctx = ctx};
    struct tls_contexts *x = calloc(1, sizeof *x);
    if (!x) {
        report(ctx, "out of memory");
        return NULL;
    }
    atomic_init(&x->references, 1);
    load_client_side(&r, x);
    load_backend_side(&r, x);
    load_password_key(&r, x, before);
    if (r.mistakes == 0)
        return x;
    tls_contexts_unref(x);
    return NULL;
}

struct tls_contexts *tls_contexts_ref(struct tls_contexts *x)
{
    atomic_fetch_add(&x->references, 1);
    return x;
}

void tls_contexts_unref(struct tls_contexts *x)
{
    if (!x || atomic_fetch_sub(&x->references, 1) != 1)
        return;
    SSL_CTX_free(x->client_side);
    SSL_CTX_free(x->backend_side);
    password_key_unref(x->password_key);
    free(x);
}

SSL_CTX *tls_client_side(const struct tls_contexts *x)
{
    return x->client_side;
}

bool tls_client_required(const struct tls_contexts *x)
{
    return x->client_required;
}

SSL_CTX *tls_backend_side(const struct tls_contexts *x)
{
    return x->backend_side;
}

bool tls_backend_checks_name(const struct tls_contexts *x)
{
    return x->checks_name;
}

const struct password_key *tls_password_key(const struct tls_contexts *x)
{
    return x->password_key;
}
