/* The control's life: made, started, looked at, stopped; and the keeper thread. See control.h. */
#include "proxy/migration/control.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "config/log.h"
#include "proxy/migration/clock.h"
#include "proxy/migration/control_internal.h"

enum {
    RETRY_MS = 1000,         /* between attempts to reach the backend */
    REFRESH_MS = 5000,       /* the catalog is read anew at least this often … */
    REFRESH_SHARE = 100,     /* … unless reading it takes more than a hundredth of the time */
    REPEAT_COMPLAINT_S = 60, /* the same failure is logged again after this long */
};

/* ---- making and ending ------------------------------------------------------------------------------ */

struct migration *control_add(struct control *c, const struct config_migration *config)
{
    /* NOLINTNEXTLINE(bugprone-sizeof-expression): an array of pointers */
    struct migration **longer = realloc(c->migrations, (c->migration_count + 1) * sizeof(*longer));
    struct migration *m = calloc(1, sizeof(*m));
    if (longer)
        c->migrations = longer;
    if (!longer || !m) {
        free(m);
        return NULL;
    }
    m->config = config;
    m->backfill.eta_s = -1;
    c->migrations[c->migration_count++] = m;
    return m;
}

struct control *control_new(struct config *take, config_expression_check *check)
{
    struct control *c = calloc(1, sizeof(*c));
    if (!c) {
        config_free(take);
        return NULL;
    }
    c->config = take;
    c->check = check;
    c->sidecar = strdup(take->control_database);
    pthread_mutex_init(&c->lock, NULL);
    pthread_mutex_init(&c->reload_lock, NULL);
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&c->changed, &attr);
    pthread_condattr_destroy(&attr);

    bool ok = c->sidecar != NULL;
    for (size_t i = 0; ok && i < take->migration_count; i++)
        ok = control_add(c, &take->migrations[i]) != NULL;
    char error[256];
    struct rules *none = ok ? rules_build(NULL, 0, NULL, false, true, 0, error, sizeof(error)) : NULL;
    c->current = none ? snapshot_new(0, none, NULL) : NULL;
    if (!c->current) {
        control_free(c);
        return NULL;
    }
    c->current->phases_unknown = take->migration_count > 0;
    c->loaded = take->migration_count == 0;
    return c;
}

void control_free(struct control *c)
{
    if (!c)
        return;
    snapshot_unref(c->current);
    shared_catalog_unref(c->catalog);
    for (size_t i = 0; i < c->migration_count; i++)
        free(c->migrations[i]);
    free(c->migrations);
    for (size_t i = 0; i < c->retired_count; i++)
        config_free(c->retired[i]);
    free(c->retired);
    config_free(c->config);
    free(c->sidecar);
    free(c->backend);
    pthread_cond_destroy(&c->changed);
    pthread_mutex_destroy(&c->lock);
    pthread_mutex_destroy(&c->reload_lock);
    free(c);
}

struct snapshot *control_first_snapshot(struct control *c)
{
    return snapshot_ref(c->current);
}

/* ---- the keeper ------------------------------------------------------------------------------------- */

/* What the keeper keeps between its rounds. */
struct keeper {
    struct control *control;
    struct db *db;
    bool locked;                        /* the sidecar database is ours */
    bool queued;                        /* it will be, before anybody else's */
    char complaint[CONTROL_ERROR_SIZE]; /* logged last */
    double complained_at;
    double read_cost_ms; /* of the catalog, last time */
};

/* Logs a failure once, and again only when it changes or time has passed. */
static void complain(struct keeper *k, const char *error, bool loaded)
{
    double now = clock_ms();
    if (strcmp(k->complaint, error) == 0 && now - k->complained_at < REPEAT_COMPLAINT_S * 1e3)
        return;
    snprintf(k->complaint, sizeof(k->complaint), "%s", error);
    k->complained_at = now;
    if (loaded)
        log_warn("control connection failed, trying again: %s", error);
    else
        log_warn("the phases of the migrations are not known, clients get error 2003 until they are: %s",
                 error);
}

static void note_outcome(struct keeper *k, bool ok, const char *error)
{
    struct control *c = k->control;
    pthread_mutex_lock(&c->lock);
    bool loaded = c->loaded;
    c->backend_up = ok;
    snprintf(c->backend_error, sizeof(c->backend_error), "%s", ok ? "" : error);
    pthread_mutex_unlock(&c->lock);
    if (!ok)
        complain(k, error, loaded);
    else if (*k->complaint) {
        log_info("control connection works again");
        *k->complaint = '\0';
    }
}

static void hang_up(struct keeper *k)
{
    db_close(k->db);
    k->db = NULL;
    k->locked = k->queued = false;
}

/* The sidecar's lock; a successor waits for it in the queue, and may not change anything before it has it. */
static bool take_lock(struct keeper *k, char *error, size_t error_size)
{
    struct control *c = k->control;
    pthread_mutex_lock(&c->lock);
    bool wait = c->predecessor_lives, successor = c->successor;
    pthread_mutex_unlock(&c->lock);
    if (k->locked)
        return true;
    if (successor && !k->queued && !(k->queued = store_queue(k->db, c->sidecar, error, error_size)))
        return false;
    if (wait)
        return true;
    k->locked = store_lock(k->db, c->sidecar, error, error_size);
    if (k->locked && k->queued)
        k->queued = !store_leave_queue(k->db, c->sidecar);
    if (k->locked && successor) {
        pthread_mutex_lock(&c->lock);
        c->successor = false;
        pthread_mutex_unlock(&c->lock);
    }
    return k->locked;
}

/* One round: connect where needed, load where not loaded, else read the catalog. */
static bool keeper_round(struct keeper *k)
{
    struct control *c = k->control;
    char error[CONTROL_ERROR_SIZE] = "";
    pthread_mutex_lock(&c->lock);
    uint64_t ticket = c->tickets_given;
    pthread_mutex_unlock(&c->lock);

    if (k->db && !control_backend_stays(c, k->db))
        hang_up(k);
    bool fresh = !k->db;
    if (fresh)
        k->db = control_choose(c, error, sizeof(error));
    pthread_mutex_lock(&c->lock);
    bool loaded = c->loaded;
    pthread_mutex_unlock(&c->lock);
    double start = clock_ms();
    bool was_locked = k->locked;
    bool ok = k->db && take_lock(k, error, sizeof(error));
    if (ok && !loaded)
        ok = control_load(c, k->db, error, sizeof(error));
    else if (ok)
        ok = control_read_catalog(c, k->db, error, sizeof(error));
    if (ok && fresh)
        control_steer(c);
    if (ok && k->locked && !(loaded && was_locked))
        jobs_resume(c);
    k->read_cost_ms = clock_ms() - start;
    if (!ok)
        hang_up(k);
    note_outcome(k, ok, error);
    if (!ok)
        return false;

    c->publisher.catalog_read(c->publisher.ctx, ticket);
    pthread_mutex_lock(&c->lock);
    c->tickets_served = ticket;
    pthread_cond_broadcast(&c->changed);
    pthread_mutex_unlock(&c->lock);
    return true;
}

static void *keeper_main(void *arg)
{
    struct keeper *k = arg;
    struct control *c = k->control;
    pthread_mutex_lock(&c->lock);
    bool ok = c->loaded && c->backend_up;
    while (!c->stopping) {
        double pause = !ok ? RETRY_MS : k->read_cost_ms * REFRESH_SHARE;
        if (ok && pause < REFRESH_MS)
            pause = REFRESH_MS;
        struct timespec until = clock_in((unsigned)pause);
        int waited = 0;
        while (!c->stopping && waited != ETIMEDOUT && !(ok && c->tickets_given > c->tickets_served))
            waited = pthread_cond_timedwait(&c->changed, &c->lock, &until);
        if (c->stopping)
            break;
        bool wanted = false;
        for (size_t i = 0; i < c->migration_count; i++)
            wanted = wanted || !c->migrations[i]->removed;
        pthread_mutex_unlock(&c->lock);
        if (!wanted) {
            hang_up(k);
            control_stop_steering(c);
        }
        ok = wanted ? keeper_round(k) : true;
        pthread_mutex_lock(&c->lock);
        if (!wanted) { /* no sidecar database is to be had */
            c->tickets_served = c->tickets_given;
            c->successor = c->successor && c->predecessor_lives;
        }
    }
    pthread_mutex_unlock(&c->lock);
    db_close(k->db);
    free(k);
    return NULL;
}

bool control_start(struct control *c, struct publisher publisher)
{
    c->publisher = publisher;
    struct keeper *k = calloc(1, sizeof(*k));
    if (!k)
        return false;
    k->control = c;
    if (c->migration_count > 0)
        keeper_round(k); /* so that, with a backend that is up, "ready" means ready */
    c->keeper_runs = pthread_create(&c->keeper, NULL, keeper_main, k) == 0;
    if (!c->keeper_runs) {
        db_close(k->db);
        free(k);
    }
    return c->keeper_runs;
}

void control_stop(struct control *c)
{
    pthread_mutex_lock(&c->lock);
    c->stopping = true;
    pthread_cond_broadcast(&c->changed);
    pthread_mutex_unlock(&c->lock);
    if (c->keeper_runs)
        pthread_join(c->keeper, NULL);
    c->keeper_runs = false;
    jobs_stop(c);
}

uint64_t control_catalog_changed(void *ctx)
{
    struct control *c = ctx;
    pthread_mutex_lock(&c->lock);
    uint64_t ticket = c->migration_count ? ++c->tickets_given : 0;
    pthread_cond_broadcast(&c->changed);
    pthread_mutex_unlock(&c->lock);
    return ticket;
}

bool control_refresh_catalog(struct control *c, unsigned timeout_ms)
{
    struct timespec until = clock_in(timeout_ms);
    int waited = 0;
    pthread_mutex_lock(&c->lock);
    uint64_t ticket = ++c->tickets_given;
    pthread_cond_broadcast(&c->changed);
    while (!c->stopping && c->tickets_served < ticket && waited != ETIMEDOUT)
        waited = pthread_cond_timedwait(&c->changed, &c->lock, &until);
    bool served = c->tickets_served >= ticket;
    pthread_mutex_unlock(&c->lock);
    return served;
}

/* ---- what others ask -------------------------------------------------------------------------------- */

const struct config *control_config(struct control *c)
{
    pthread_mutex_lock(&c->lock);
    const struct config *config = c->config;
    pthread_mutex_unlock(&c->lock);
    return config;
}

const char *control_sidecar(struct control *c)
{
    return c->sidecar;
}

const struct publisher *control_publisher(const struct control *c)
{
    return &c->publisher;
}

struct migration *control_find(const struct control *c, const char *name)
{
    for (size_t i = 0; i < c->migration_count; i++)
        if (!c->migrations[i]->removed && strcmp(c->migrations[i]->config->name, name) == 0)
            return c->migrations[i];
    return NULL;
}

enum side control_reads_of(const struct migration *m)
{
    return m->phase >= PHASE_CUTOVER && !m->config->reads_pinned_old ? SIDE_NEW : SIDE_OLD;
}

/* What in the table keeps a migration from working. */
static void find_problem(const struct control *c, const struct migration *m, char *out, size_t out_size)
{
    const struct config_migration *f = m->config;
    *out = '\0';
    if (!c->catalog)
        return;
    const struct catalog_table *t = catalog_find(c->catalog->catalog, span_of(f->db), span_of(f->table));
    if (!t) {
        snprintf(out, out_size, "table %s.%s does not exist, or the control account may not see it", f->db,
                 f->table);
        return;
    }
    for (size_t i = 0; i < f->old_count + f->new_count; i++) {
        bool old = i < f->old_count;
        const char *name = old ? f->old_columns[i].name : f->new_columns[i - f->old_count].name;
        if (!catalog_column_of(t, span_of(name)) && (old || m->phase != PHASE_EXPAND)) {
            snprintf(out, out_size, "column %s of %s.%s does not exist", name, f->db, f->table);
            return;
        }
    }
}

static void look_at(const struct control *c, const struct migration *m, struct migration_view *v)
{
    *v = (struct migration_view){.phase = m->phase,
                                 .reads = control_reads_of(m),
                                 .reads_pinned_old = m->config->reads_pinned_old,
                                 .generation = m->generation,
                                 .backfill = m->backfill,
                                 .verification = m->verification};
    snprintf(v->name, sizeof(v->name), "%s", m->config->name);
    snprintf(v->table, sizeof(v->table), "%s.%s", m->config->db, m->config->table);
    if (c->flipping == m)
        snprintf(v->flipping_to, sizeof(v->flipping_to), "%s", phase_name(c->flipping_to));
    v->reads_seen = atomic_load_explicit(&m->counters.reads, memory_order_relaxed);
    v->writes_seen = atomic_load_explicit(&m->counters.writes, memory_order_relaxed);
    v->rewritten = atomic_load_explicit(&m->counters.rewritten, memory_order_relaxed);
    v->refused = atomic_load_explicit(&m->counters.refused, memory_order_relaxed);
    v->passed = atomic_load_explicit(&m->counters.passed, memory_order_relaxed);
    find_problem(c, m, v->problem, sizeof(v->problem));
}

bool control_look(struct control *c, const char *name, struct control_view *out)
{
    pthread_mutex_lock(&c->lock);
    *out = (struct control_view){.generation = c->generation,
                                 .loaded = c->loaded,
                                 .backend_up = c->backend_up,
                                 .refusal = control_refusal(c)};
    snprintf(out->backend_error, sizeof(out->backend_error), "%s", c->backend_error);
    snprintf(out->server_version, sizeof(out->server_version), "%s", c->server.version_text);
    out->migrations = calloc(c->migration_count + 1, sizeof(*out->migrations));
    for (size_t i = 0; out->migrations && i < c->migration_count; i++) {
        const struct migration *m = c->migrations[i];
        if (!m->removed && (!name || strcmp(name, m->config->name) == 0))
            look_at(c, m, &out->migrations[out->migration_count++]);
    }
    pthread_mutex_unlock(&c->lock);
    return out->migrations != NULL;
}

bool control_target(struct control *c, const char *name, struct target *out, char *error, size_t error_size)
{
    *out = (struct target){0};
    pthread_mutex_lock(&c->lock);
    const struct migration *m = control_find(c, name);
    if (!m)
        snprintf(error, error_size, "there is no migration %s", name);
    else if (!c->loaded)
        snprintf(error, error_size, "the phases are not known yet: %s",
                 *c->backend_error ? c->backend_error : "the backend has not answered");
    else {
        const struct rules *rules = c->current->rules;
        for (size_t i = 0; i < rules->count; i++)
            if (span_eq(rules->rules[i].name, span_of(name)))
                out->rule = &rules->rules[i];
        out->snapshot = snapshot_ref(c->current);
        out->config = m->config;
        out->sidecar = c->sidecar;
        out->phase = m->phase;
        out->dual_write_generation = m->dual_write_generation;
        out->backfill = m->backfill.state;
        out->backfill_generation = m->backfill_generation;
        out->verification = m->verification;
        if (!out->rule)
            snprintf(error, error_size, "migration %s has no rule in generation %llu", name,
                     (unsigned long long)c->generation);
    }
    pthread_mutex_unlock(&c->lock);
    if (!out->rule)
        target_release(out);
    return out->rule != NULL;
}

void target_release(struct target *t)
{
    snapshot_unref(t->snapshot);
    *t = (struct target){0};
}

void control_event(struct control *c, const struct stored_event *event)
{
    char error[CONTROL_ERROR_SIZE];
    struct db *d = control_db(c, error, sizeof(error));
    if (!d)
        log_warn("event %s of %s is not recorded: %s", event->what, event->who, error);
    else if (!store_event(d, c->sidecar, event))
        log_warn("event %s of %s is not recorded: %s", event->what, event->who, db_error(d));
    db_close(d);
}

bool control_take_verification(struct control *c, struct db *d, const struct target *t,
                               const struct stored_verification *found, const struct stored_event *event)
{
    struct stored_verification v = *found;
    v.valid = true;
    v.generation = t->dual_write_generation;
    time_t now = time(NULL);
    struct tm utc;
    gmtime_r(&now, &utc);
    strftime(v.finished_at, sizeof(v.finished_at), "%Y-%m-%d %H:%M:%S", &utc);

    pthread_mutex_lock(&c->lock);
    struct migration *m = control_find(c, t->config->name);
    bool current = m && t->dual_write_generation && m->dual_write_generation == t->dual_write_generation;
    /* While a backfill runs, or when one ended since, the figures are of rows that were not filled yet. */
    current = current && !m->job && m->backfill.state == t->backfill;
    if (current)
        m->verification = v;
    pthread_mutex_unlock(&c->lock);
    return (!current || store_verification(d, c->sidecar, t->config->name, &v)) &&
           store_event(d, c->sidecar, event);
}

bool control_is_stopping(struct control *c)
{
    pthread_mutex_lock(&c->lock);
    bool stopping = c->stopping;
    pthread_mutex_unlock(&c->lock);
    return stopping;
}
