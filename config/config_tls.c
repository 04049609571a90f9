/* [tls] and [backend_tls]: their keys, and what must hold between them. The files that they name are opened
 * by who uses them (proxy/net/tls_contexts.c); here they are paths with the lines that name them. */
#include <stdlib.h>
#include <string.h>

#include "config/config_load.h"

static const char *const client_modes[] = {"off", "optional", "required", NULL};
static const char *const backend_modes[] = {"off", "required", "verify-ca", "verify-identity", NULL};
static const char *const versions[] = {"TLSv1.2", "TLSv1.3", NULL};
static const char *const answers[] = {"optional", "required", NULL};

static void set_word(struct loader *l, const struct key *k, const struct ini_entry *e, void *base)
{
    int word = load_word(l, k, e);
    if (word >= 0)
        *(unsigned *)((char *)base + k->offset) = (unsigned)word;
}

static void set_file(struct loader *l, const struct key *k, const struct ini_entry *e, void *base)
{
    struct config_file *f = (struct config_file *)((char *)base + k->offset);
    f->line = e->line;
    if (*e->value)
        f->path = load_strdup(l, e->value);
    else
        load_report(l, e->line, "%s is empty", k->name);
}

#define AT(member) .offset = offsetof(struct config, member)

const struct key tls_keys[] = {
    {"mode", set_word, AT(tls.mode), .words = client_modes},
    {"cert", set_file, AT(tls.cert)},
    {"key", set_file, AT(tls.key)},
    {"ca", set_file, AT(tls.ca)},
    {"client_cert", set_word, AT(tls.client_cert), .words = answers},
    {"min_version", set_word, AT(tls.min_version), .words = versions},
    {"password_key", set_file, AT(tls.password_key)},
    {0},
};

const struct key backend_tls_keys[] = {
    {"mode", set_word, AT(backend_tls.mode), .words = backend_modes},
    {"cert", set_file, AT(backend_tls.cert)},
    {"key", set_file, AT(backend_tls.key)},
    {"ca", set_file, AT(backend_tls.ca)},
    {"min_version", set_word, AT(backend_tls.min_version), .words = versions},
    {0},
};

/* A certificate without its key, or a key alone. */
static void check_pair(struct loader *l, const struct config_tls *t, const char *section)
{
    if (t->cert.line && !t->key.line)
        load_report(l, t->cert.line, "cert without key in [%s]", section);
    if (t->key.line && !t->cert.line)
        load_report(l, t->key.line, "key without cert in [%s]", section);
}

void check_tls(struct loader *l, int tls_line)
{
    struct config_tls *t = &l->config->tls;
    check_pair(l, t, "tls");
    check_pair(l, &l->config->backend_tls, "backend_tls");
    if (t->mode == TLS_MODE_UNSET)
        t->mode = t->cert.line ? TLS_MODE_OPTIONAL : TLS_MODE_OFF;
    if (t->mode != TLS_MODE_OFF && !t->cert.line)
        load_report(l, tls_line, "mode = %s in [tls] needs cert and key", client_modes[t->mode]);
}

void config_tls_free(struct config_tls *t)
{
    struct config_file *files[] = {&t->cert, &t->key, &t->ca, &t->password_key};
    for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++)
        free(files[i]->path);
}
