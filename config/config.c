/* From the file to struct config.
 *
 *     file → ini.c (entries with their lines) → the tables below (each key: how its value is read and
 *     where it goes) → config_migration.c (what holds between the keys of one migration) → struct config
 *
 * Every mistake is reported, with its line; reading goes on after it. */
#include "config/config.h"

#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

#include "config/config_load.h"
#include "config/endpoint.h"
#include "config/network.h"

enum { FILE_MAX_BYTES = 4 << 20, PASSWORD_MAX_BYTES = 1024 };

#define DEFAULT_ADMIN_SOCKET     "/run/crossfade/admin.sock"
#define DEFAULT_CONTROL_DATABASE "crossfade"

/* ---- reports ---------------------------------------------------------------------------------------- */

void load_report(struct loader *l, int line, const char *fmt, ...)
{
    char reason[1024], message[PATH_MAX + 1100];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(reason, sizeof(reason), fmt, ap);
    va_end(ap);
    snprintf(message, sizeof(message), "%s:%d: %s", l->path, line, reason);
    l->report(l->report_ctx, message);
    l->mistakes++;
}

static void report_form(void *ctx, int line, const char *reason)
{
    load_report(ctx, line, "%s", reason);
}

char *load_strdup(struct loader *l, const char *s)
{
    char *copy = strdup(s);
    if (!copy)
        l->out_of_memory = true;
    return copy;
}

/* ---- how values are read ---------------------------------------------------------------------------- */

static void *field_of(void *base, size_t offset)
{
    return (char *)base + offset;
}

static void set_string(struct loader *l, const struct key *k, const struct ini_entry *e, void *base)
{
    char **field = field_of(base, k->offset);
    if (*e->value)
        *field = load_strdup(l, e->value);
    else
        load_report(l, e->line, "%s is empty", k->name);
}

static void take_password(struct loader *l, const struct key *k, const struct ini_entry *e, void *base,
                          const char *password)
{
    char **field = field_of(base, k->offset);
    if (*field)
        load_report(l, e->line, "password and password_file exclude each other");
    else
        *field = load_strdup(l, password);
}

/* A password may be empty. */
static void set_password(struct loader *l, const struct key *k, const struct ini_entry *e, void *base)
{
    take_password(l, k, e, base, e->value);
}

/* The file's first line; its newline does not belong to the password. */
static void set_password_file(struct loader *l, const struct key *k, const struct ini_entry *e, void *base)
{
    char password[PASSWORD_MAX_BYTES + 2];
    FILE *f = fopen(e->value, "re");
    if (!f) {
        load_report(l, e->line, "%s: %s: %s", k->name, e->value, strerror(errno));
        take_password(l, k, e, base, ""); /* given, though it cannot be read: it is not missing too */
        return;
    }
    size_t n = fread(password, 1, sizeof(password) - 1, f);
    bool failed = ferror(f) != 0;
    fclose(f);
    password[n] = '\0';
    size_t len = strcspn(password, "\r\n");
    if (failed || len > PASSWORD_MAX_BYTES) {
        load_report(l, e->line, "%s: %s cannot be read, or its first line is longer than %d bytes", k->name,
                    e->value, PASSWORD_MAX_BYTES);
        take_password(l, k, e, base, "");
        return;
    }
    password[len] = '\0';
    take_password(l, k, e, base, password);
}

static void set_socket_path(struct loader *l, const struct key *k, const struct ini_entry *e, void *base)
{
    if (strlen(e->value) >= sizeof(((struct sockaddr_un *)0)->sun_path))
        load_report(l, e->line, "%s: the path of a Unix socket has at most 107 bytes", k->name);
    else
        set_string(l, k, e, base);
}

static void set_unsigned(struct loader *l, const struct key *k, const struct ini_entry *e, void *base)
{
    char *end;
    errno = 0;
    unsigned long n = strtoul(e->value, &end, 10);
    if (*e->value < '0' || *e->value > '9' || *end || errno || n < k->min || n > k->max)
        load_report(l, e->line, "%s: expected a number from %u to %u, not '%s'", k->name, k->min, k->max,
                    e->value);
    else
        *(unsigned *)field_of(base, k->offset) = (unsigned)n;
}

/* A list, comma-separated: `parse` reads one word into one item of `size` bytes, or gives a reason. */
static void set_list(struct loader *l, const struct key *k, const struct ini_entry *e, void *base,
                     const char *(*parse)(const char *word, void *item), size_t size)
{
    char **list = field_of(base, k->offset);
    size_t *count = field_of(base, k->count_offset);
    char *text = load_strdup(l, e->value);
    char *rest = text, *word;
    while (text && (word = strsep(&rest, ","))) {
        word += strspn(word, " \t");
        size_t len = strlen(word);
        while (len && strchr(" \t", word[len - 1]))
            word[--len] = '\0';
        if (strpbrk(word, " \t")) { /* two, of which one would be left out */
            load_report(l, e->line, "%s: '%s': a blank stands where a comma is expected", k->name, word);
            continue;
        }
        char *longer = realloc(*list, (*count + 1) * size);
        if (!longer) {
            l->out_of_memory = true;
            break;
        }
        *list = longer;
        const char *reason = parse(word, longer + *count * size);
        if (reason)
            load_report(l, e->line, "%s: '%s': %s", k->name, word, reason);
        else
            ++*count;
    }
    free(text);
}

static const char *parse_endpoint(const char *word, void *item)
{
    return endpoint_parse(word, item);
}

static void set_endpoints(struct loader *l, const struct key *k, const struct ini_entry *e, void *base)
{
    set_list(l, k, e, base, parse_endpoint, sizeof(struct endpoint));
}

static const char *parse_backend(const char *word, void *item)
{
    struct endpoint *e = item;
    const char *reason = endpoint_parse(word, e);
    if (reason || e->is_unix || strcmp(e->host, "*") != 0)
        return reason;
    endpoint_free(e);
    return "'*' is for listening: a backend has one host";
}

static void set_backends(struct loader *l, const struct key *k, const struct ini_entry *e, void *base)
{
    set_list(l, k, e, base, parse_backend, sizeof(struct endpoint));
}

static const char *parse_network(const char *word, void *item)
{
    return network_parse(word, item);
}

static void set_networks(struct loader *l, const struct key *k, const struct ini_entry *e, void *base)
{
    set_list(l, k, e, base, parse_network, sizeof(struct network));
}

int load_word(struct loader *l, const struct key *k, const struct ini_entry *e)
{
    for (int i = 0; k->words[i]; i++)
        if (strcmp(k->words[i], e->value) == 0)
            return i;
    char known[128] = "";
    for (int i = 0; k->words[i]; i++) {
        size_t n = strlen(known);
        snprintf(known + n, sizeof(known) - n, "%s%s", i ? " or " : "", k->words[i]);
    }
    load_report(l, e->line, "%s: expected %s, not '%s'", k->name, known, e->value);
    return -1;
}

static const char *const level_words[] = {"debug", "info", "warn", "error", NULL};

static void set_level(struct loader *l, const struct key *k, const struct ini_entry *e, void *base)
{
    int word = load_word(l, k, e);
    if (word >= 0)
        *(enum log_level *)field_of(base, k->offset) = (enum log_level)word;
}

static const char *const no_yes_words[] = {"no", "yes", NULL};
static const char *const scheduling_words[] = {"batch", "inherited", NULL};
static const char *const header_words[] = {"required", "optional", NULL};

/* A choice of two: the second word is true. */
static void set_flag(struct loader *l, const struct key *k, const struct ini_entry *e, void *base)
{
    int word = load_word(l, k, e);
    if (word >= 0)
        *(bool *)field_of(base, k->offset) = word == 1;
}

static const char *const send_words[] = {"off", "v1", "v2", NULL};

static void set_send(struct loader *l, const struct key *k, const struct ini_entry *e, void *base)
{
    int word = load_word(l, k, e);
    if (word >= 0)
        *(enum proxy_send *)field_of(base, k->offset) = (enum proxy_send)word;
}

/* ---- the sections and their keys -------------------------------------------------------------------- */

#define AT(member) .offset = offsetof(struct config, member)

static const struct key proxy_keys[] = {
    {"listen", set_endpoints, AT(listen), .count_offset = offsetof(struct config, listen_count),
     .required = true},
    {"backend", set_backends, AT(backends), .count_offset = offsetof(struct config, backend_count),
     .required = true},
    {"admin_socket", set_socket_path, AT(admin_socket)},
    {"threads", set_unsigned, AT(threads), .min = 0, .max = 1024},
    {"scheduling", set_flag, AT(scheduling_inherited), .words = scheduling_words},
    {"connect_timeout", set_unsigned, AT(connect_timeout), .min = 1, .max = 600000},
    {"handshake_timeout", set_unsigned, AT(handshake_timeout), .min = 1, .max = 600000},
    {"max_connections", set_unsigned, AT(max_connections), .min = 0, .max = 1000000},
    {"drain_timeout", set_unsigned, AT(drain_timeout), .min = 0, .max = 86400},
    {"tcp_keepalive", set_unsigned, AT(tcp_keepalive), .min = 0, .max = 32767},
    {"tcp_user_timeout", set_unsigned, AT(tcp_user_timeout), .min = 0, .max = 3600000},
    {"reuse_port", set_flag, AT(reuse_port), .words = no_yes_words},
    {"proxy_protocol_networks", set_networks, AT(proxy_networks),
     .count_offset = offsetof(struct config, proxy_network_count)},
    {"proxy_protocol_header", set_flag, AT(proxy_header_optional), .words = header_words},
    {"backend_proxy_protocol", set_send, AT(proxy_send), .words = send_words},
    {"log_level", set_level, AT(log_level), .words = level_words},
    {0},
};

static const struct key control_keys[] = {
    {"user", set_string, AT(control_user)},
    {"password", set_password, AT(control_password)},
    {"password_file", set_password_file, AT(control_password)},
    {"database", set_string, AT(control_database)},
    {0},
};

static const struct section {
    const char *name;
    const struct key *keys;
    bool required;
} sections[] = {
    {"proxy", proxy_keys, true},
    {"control", control_keys, false},
    {"tls", tls_keys, false},
    {"backend_tls", backend_tls_keys, false},
};

enum { SECTION_COUNT = sizeof(sections) / sizeof(sections[0]) };

/* ---- reading a section ------------------------------------------------------------------------------ */

static const struct ini_entry *entry_named(const struct ini *ini, size_t section, const char *key,
                                           const struct ini_entry *before)
{
    for (const struct ini_entry *e = ini->entries; e < before; e++)
        if (e->section == section && strcmp(e->key, key) == 0)
            return e;
    return NULL;
}

void load_section(struct loader *l, size_t section, const struct key *keys, void *base,
                  bool (*other)(struct loader *l, const struct ini_entry *e, void *base))
{
    const struct ini *ini = &l->ini;
    const struct ini_entry *end = ini->entries + ini->entry_count;
    for (const struct ini_entry *e = ini->entries; e < end; e++) {
        if (e->section != section)
            continue;
        const struct ini_entry *first = entry_named(ini, section, e->key, e);
        if (first) {
            load_report(l, e->line, "%s is given twice, first in line %d", e->key, first->line);
            continue;
        }
        const struct key *k = keys;
        while (k->name && strcmp(k->name, e->key) != 0)
            k++;
        if (k->name)
            k->set(l, k, e, base);
        else if (!other || !other(l, e, base))
            load_report(l, e->line, "unknown key %s in [%s]", e->key, ini->sections[section].name);
    }
    for (const struct key *k = keys; k->name; k++)
        if (k->required && !entry_named(ini, section, k->name, end))
            load_report(l, ini->sections[section].line, "%s is missing in [%s]", k->name,
                        ini->sections[section].name);
}

#define MIGRATION_PREFIX "migration "

static void load_one_migration(struct loader *l, size_t section, const char *name)
{
    struct config *c = l->config;
    struct config_migration *longer =
        realloc(c->migrations, (c->migration_count + 1) * sizeof(*c->migrations));
    if (!longer) {
        l->out_of_memory = true;
        return;
    }
    c->migrations = longer;
    load_migration(l, section, name, &longer[c->migration_count++]);
}

static void load_all_sections(struct loader *l)
{
    const struct ini *ini = &l->ini;
    bool seen[SECTION_COUNT] = {false};
    for (size_t i = 0; i < ini->section_count; i++) {
        const char *name = ini->sections[i].name;
        size_t prefix = strlen(MIGRATION_PREFIX);
        if (strncmp(name, MIGRATION_PREFIX, prefix) == 0) {
            load_one_migration(l, i, name + prefix);
            continue;
        }
        size_t s = 0;
        while (s < SECTION_COUNT && strcmp(sections[s].name, name) != 0)
            s++;
        if (s == SECTION_COUNT) {
            load_report(l, ini->sections[i].line, "unknown section [%s]", name);
        } else if (seen[s]) {
            load_report(l, ini->sections[i].line, "section [%s] is given twice", name);
        } else {
            seen[s] = true;
            load_section(l, i, sections[s].keys, l->config, NULL);
        }
    }
    for (size_t s = 0; s < SECTION_COUNT; s++)
        if (sections[s].required && !seen[s])
            load_report(l, 1, "section [%s] is missing", sections[s].name);
}

/* ---- what holds between keys ------------------------------------------------------------------------ */

static int line_of_section(const struct loader *l, const char *name)
{
    for (size_t i = 0; i < l->ini.section_count; i++)
        if (strcmp(l->ini.sections[i].name, name) == 0)
            return l->ini.sections[i].line;
    return 1;
}

/* Without a migration nothing is controlled, and a plain relay needs no account of its own. */
static void check_control(struct loader *l)
{
    struct config *c = l->config;
    if (c->migration_count && !c->control_user)
        load_report(l, line_of_section(l, "control"), "user is missing in [control]: a migration needs it");
    else if (c->control_user && !c->control_password)
        load_report(l, line_of_section(l, "control"), "password or password_file is missing in [control]");
    if (c->control_database && (strlen(c->control_database) > 64 || strpbrk(c->control_database, "`/\\.")))
        load_report(l, line_of_section(l, "control"), "database: '%s' is no database's name",
                    c->control_database);
}

static void fill_defaults(struct loader *l)
{
    struct config *c = l->config;
    if (!c->admin_socket)
        c->admin_socket = load_strdup(l, DEFAULT_ADMIN_SOCKET);
    if (!c->control_database)
        c->control_database = load_strdup(l, DEFAULT_CONTROL_DATABASE);
    if (c->threads == 0) {
        long n = sysconf(_SC_NPROCESSORS_ONLN);
        c->threads = n > 0 && n <= 1024 ? (unsigned)n : 1;
    }
}

/* ---- the file --------------------------------------------------------------------------------------- */

/* The keys that hold SQL: quotes in them guard a ';'. */
static bool is_sql_key(const char *key)
{
    return strncmp(key, "forward.", 8) == 0 || strncmp(key, "backward.", 9) == 0 ||
           strncmp(key, "new.", 4) == 0 || strcmp(key, "forward") == 0 || strcmp(key, "backward") == 0;
}

/* malloc'ed, or NULL with errno set. */
static char *read_file(const char *path, size_t *len)
{
    FILE *f = fopen(path, "re");
    if (!f)
        return NULL;
    char *text = NULL;
    *len = 0;
    for (size_t cap = 64 << 10;; cap *= 2) {
        char *bigger = cap > FILE_MAX_BYTES ? NULL : realloc(text, cap);
        if (!bigger) {
            errno = cap > FILE_MAX_BYTES ? EFBIG : ENOMEM;
            break;
        }
        text = bigger;
        *len += fread(text + *len, 1, cap - *len, f);
        if (ferror(f))
            break;
        if (feof(f)) {
            fclose(f);
            return text;
        }
    }
    int saved = errno;
    free(text);
    fclose(f);
    errno = saved;
    return NULL;
}

struct config *config_load(const char *path, config_expression_check *check, config_report *report, void *ctx)
{
    struct loader l = {.path = path, .check = check, .report = report, .report_ctx = ctx};
    size_t len = 0;
    char *text = read_file(path, &len);
    if (!text) {
        load_report(&l, 0, "%s", strerror(errno));
        return NULL;
    }
    l.config = calloc(1, sizeof(*l.config));
    if (l.config) {
        *l.config = (struct config){.connect_timeout = 5000,
                                    .handshake_timeout = 10000,
                                    .drain_timeout = 30,
                                    .tcp_keepalive = 60,
                                    .log_level = LOG_INFO,
                                    .tls = {.mode = TLS_MODE_UNSET, .client_cert = TLS_CLIENT_CERT_REQUIRED}};
        l.config->path = load_strdup(&l, path);
        if (ini_parse_text(text, len, is_sql_key, report_form, &l, &l.ini)) {
            load_all_sections(&l);
            check_control(&l);
            check_tls(&l, line_of_section(&l, "tls"));
            check_migrations_together(&l);
            fill_defaults(&l);
        } else {
            l.out_of_memory = true;
        }
    }
    if (!l.config || l.out_of_memory)
        load_report(&l, 0, "out of memory");
    ini_free(&l.ini);
    free(text);
    if (l.mistakes) {
        config_free(l.config);
        return NULL;
    }
    return l.config;
}

void config_free(struct config *c)
{
    if (!c)
        return;
    for (size_t i = 0; i < c->listen_count; i++)
        endpoint_free(&c->listen[i]);
    for (size_t i = 0; i < c->backend_count; i++)
        endpoint_free(&c->backends[i]);
    for (size_t i = 0; i < c->migration_count; i++)
        migration_free(&c->migrations[i]);
    config_tls_free(&c->tls);
    config_tls_free(&c->backend_tls);
    free(c->listen);
    free(c->backends);
    free(c->proxy_networks);
    free(c->migrations);
    free(c->admin_socket);
    free(c->control_user);
    free(c->control_password);
    free(c->control_database);
    free(c->path);
    free(c);
}

const struct config_migration *config_find(const struct config *c, const char *name)
{
    for (size_t i = 0; i < c->migration_count; i++)
        if (strcmp(c->migrations[i].name, name) == 0)
            return &c->migrations[i];
    return NULL;
}
