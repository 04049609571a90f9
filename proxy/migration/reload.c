/* Reading the configuration again: what may change while the proxy runs does, and nothing else.
 *
 * It needs the backend only for migrations that were not there before (the store may know them), so that
 * `reads = old` acts at once, whatever state the backend is in. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "config/log.h"
#include "proxy/migration/control_internal.h"
#include "proxy/migration/phases.h"

static void add_reason(void *ctx, const char *message)
{
    struct buf *reasons = ctx;
    if (buf_len(reasons))
        buf_add_byte(reasons, '\n');
    buf_add_str(reasons, message);
}

static void __attribute__((format(printf, 2, 3))) add_reasonf(struct buf *reasons, const char *fmt, ...)
{
    char line[CONTROL_ERROR_SIZE];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(line, sizeof(line), fmt, ap);
    va_end(ap);
    add_reason(reasons, line);
}

static bool same_definition(const struct config_migration *a, const struct config_migration *b)
{
    char *x = store_definition(a), *y = store_definition(b);
    bool same = x && y && strcmp(x, y) == 0;
    free(x);
    free(y);
    return same;
}

/* A migration that writes both sides must neither vanish nor change under its clients. `lock` is held. */
static void check_running(const struct control *c, const struct config *fresh, struct buf *reasons)
{
    for (size_t i = 0; i < c->migration_count; i++) {
        const struct migration *m = c->migrations[i];
        if (m->removed || (m->phase == PHASE_EXPAND && c->flipping != m))
            continue;
        const struct config_migration *now = config_find(fresh, m->config->name);
        if (!now)
            add_reasonf(reasons,
                        "%s: migration %s is in %s and may not be removed; roll it back to expand first",
                        fresh->path, m->config->name, phase_name(m->phase));
        else if (!same_definition(m->config, now))
            add_reasonf(
                reasons,
                "%s:%d: migration %s is in %s: its table, columns and expressions may not change; roll"
                " it back to expand first",
                fresh->path, now->line, now->name, phase_name(m->phase));
    }
}

static bool is_known(const struct control *c, const char *name)
{
    for (size_t i = 0; i < c->migration_count; i++)
        if (strcmp(c->migrations[i]->config->name, name) == 0)
            return true;
    return false;
}

/* Whether the file has a migration that this process has not heard of: the store may know its phase. */
static bool has_unknown(struct control *c, const struct config *fresh)
{
    bool unknown = false;
    pthread_mutex_lock(&c->lock);
    for (size_t i = 0; i < fresh->migration_count; i++)
        unknown = unknown || !is_known(c, fresh->migrations[i].name);
    bool loaded = c->loaded;
    pthread_mutex_unlock(&c->lock);
    return unknown && loaded;
}

struct stored {
    struct stored_migration *list;
    size_t count;
};

static bool ask_store(struct control *c, const struct config *fresh, struct stored *s, struct buf *reasons)
{
    char error[CONTROL_ERROR_SIZE];
    uint64_t generation;
    struct db *d = control_choose_for(c, fresh, error, sizeof(error));
    bool ok = d && store_prepare(d, c->sidecar, error, sizeof(error));
    if (ok && !store_load(d, c->sidecar, &s->list, &s->count, &generation)) {
        snprintf(error, sizeof(error), "%s", db_error(d));
        ok = false;
    }
    if (!ok)
        add_reasonf(reasons, "a new migration's phase cannot be learned from the store: %s", error);
    db_close(d);
    return ok;
}

/* Checks a migration that is new here against what the store says of it. */
static void check_new(const struct control *c, const struct config *fresh, const struct stored *s,
                      struct buf *reasons)
{
    for (size_t i = 0; i < s->count; i++) {
        const struct stored_migration *m = &s->list[i];
        const struct config_migration *now = config_find(fresh, m->name);
        if (!now || is_known(c, m->name) || m->phase == PHASE_EXPAND)
            continue;
        char *definition = store_definition(now);
        if (!definition || !m->definition || strcmp(definition, m->definition) != 0)
            add_reasonf(reasons, "%s:%d: migration %s is in %s with another table, columns or expressions",
                        fresh->path, now->line, now->name, phase_name(m->phase));
        free(definition);
    }
}

/* The migrations become those of `fresh`. `lock` is held. */
static bool take_migrations(struct control *c, const struct config *fresh, const struct stored *s)
{
    size_t before = c->migration_count;
    for (size_t i = 0; i < before; i++)
        c->migrations[i]->removed = true;
    for (size_t i = 0; i < fresh->migration_count; i++) {
        const struct config_migration *f = &fresh->migrations[i];
        struct migration *m = NULL;
        for (size_t j = 0; j < before && !m; j++)
            if (strcmp(c->migrations[j]->config->name, f->name) == 0)
                m = c->migrations[j];
        if (!m && !(m = control_add(c, f)))
            return false;
        m->config = f;
        m->removed = false;
    }
    for (size_t i = before; i < c->migration_count; i++)
        for (size_t j = 0; j < s->count; j++)
            if (strcmp(s->list[j].name, c->migrations[i]->config->name) == 0)
                control_take_stored(c->migrations[i], &s->list[j]);
    return true;
}

/* The settings of [proxy] and [control] that only a restart can change. */
static void warn_of_restart(const struct config *old, const struct config *fresh)
{
    bool differ = old->listen_count != fresh->listen_count || old->threads != fresh->threads ||
                  old->scheduling_inherited != fresh->scheduling_inherited ||
                  old->reuse_port != fresh->reuse_port ||
                  strcmp(old->admin_socket, fresh->admin_socket) != 0 ||
                  strcmp(old->control_database, fresh->control_database) != 0;
    for (size_t i = 0; !differ && i < old->listen_count; i++)
        differ = strcmp(old->listen[i].text, fresh->listen[i].text) != 0;
    if (differ)
        log_warn("reload: only a restart changes listen, admin_socket, threads, scheduling, reuse_port and"
                 " [control] database");
}

/* The new configuration takes effect. `lock` is held. Takes `fresh` where it succeeds. */
static bool apply(struct control *c, struct config *fresh, const struct stored *s, struct buf *reasons)
{
    /* NOLINTNEXTLINE(bugprone-sizeof-expression): an array of pointers */
    struct config **retired = realloc(c->retired, (c->retired_count + 1) * sizeof(*retired));
    if (!retired) {
        add_reason(reasons, "out of memory");
        return false;
    }
    c->retired = retired;
    warn_of_restart(c->config, fresh);
    struct config *old = c->config;
    bool ok = take_migrations(c, fresh, s);
    char error[CONTROL_ERROR_SIZE] = "out of memory";
    if (ok && c->loaded)
        ok = control_publish(c, 0, error, sizeof(error)) != 0;
    if (!ok) {
        add_reason(reasons, error);
        take_migrations(c, old, &(struct stored){0});
        c->retired[c->retired_count++] = fresh; /* entries made for it may still point into it */
        return false;
    }
    c->config = fresh;
    c->retired[c->retired_count++] = old;
    c->tickets_given++; /* there may be databases that the catalog does not hold yet */
    pthread_cond_broadcast(&c->changed);
    return true;
}

static bool reload(struct control *c, struct buf *reasons)
{
    struct config *fresh = config_load(c->config->path, c->check, add_reason, reasons);
    if (!fresh)
        return false;
    struct stored s = {0};
    bool ok = !has_unknown(c, fresh) || ask_store(c, fresh, &s, reasons);
    bool taken = false;
    if (ok) {
        pthread_mutex_lock(&c->lock);
        check_running(c, fresh, reasons);
        check_new(c, fresh, &s, reasons);
        if (buf_len(reasons) == 0)
            ok = taken = apply(c, fresh, &s, reasons);
        else
            ok = false;
        taken = taken || (c->retired_count && c->retired[c->retired_count - 1] == fresh);
        pthread_mutex_unlock(&c->lock);
    }
    store_free_list(s.list, s.count);
    if (ok)
        log_set_level(fresh->log_level);
    if (!taken)
        config_free(fresh);
    return ok;
}

/* Certificates and keys. They are apart from the rest: one that is broken must not keep `reads = old` from
 * taking effect. */
static bool reload_connections(struct control *c, struct buf *reasons)
{
    const struct publisher *p = &c->publisher;
    if (!p->configure || p->configure(p->ctx, c->config, add_reason, reasons))
        return true;
    log_error("the certificates and keys of [tls] and [backend_tls] stay as they were: %.*s",
              (int)buf_len(reasons), buf_len(reasons) ? buf_ptr(reasons) : "");
    return false;
}

bool control_reload(struct control *c, const char *who, struct buf *reasons)
{
    pthread_mutex_lock(&c->reload_lock);
    bool ok = reload(c, reasons);
    bool connections = !ok || reload_connections(c, reasons);
    pthread_mutex_unlock(&c->reload_lock);
    if (!connections)
        log_warn("configuration reloaded by %s, but for [tls] and [backend_tls]", who);
    else if (ok)
        log_info("configuration reloaded by %s", who);
    else
        log_error("configuration not reloaded (by %s), the old one stays: %.*s", who, (int)buf_len(reasons),
                  buf_len(reasons) ? buf_ptr(reasons) : "");
    return ok && connections;
}
