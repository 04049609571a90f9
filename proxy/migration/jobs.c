/* Starting, stopping and watching the backfill's thread. The thread owns its job and frees it when it ends;
 * others see it by migration.job, under the control's lock. */
#include "proxy/migration/jobs.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "config/log.h"
#include "proxy/migration/backfill.h"
#include "proxy/migration/clock.h"
#include "proxy/migration/control_internal.h"

struct job {
    struct control *control;
    struct migration *migration;
    struct target target;
    const char *name;           /* the migration's; the config that holds it lives as long as the control */
    bool again;                 /* from the beginning, whatever the checkpoint says */
    enum backfill_state wanted; /* BACKFILL_RUNNING: go on. Guarded by the control's lock */
    bool leave;                 /* the process stops: the store keeps "running", so that it is resumed */
    char who[128];
};

/* ---- the thread ------------------------------------------------------------------------------------- */

static enum backfill_state on_progress(void *ctx, const struct backfill_view *view)
{
    struct job *j = ctx;
    struct control *c = j->control;
    pthread_mutex_lock(&c->lock);
    j->migration->backfill = *view;
    enum backfill_state wanted = j->leave ? BACKFILL_NONE : j->wanted;
    pthread_cond_broadcast(&c->changed);
    pthread_mutex_unlock(&c->lock);
    return wanted;
}

/* Reads the checkpoint; without one that belongs to this dual-write it begins anew. */
static bool load_checkpoint(struct job *j, struct stored_backfill *out, char *error, size_t error_size)
{
    struct db *d = control_db(j->control, error, error_size);
    struct stored_migration *list = NULL;
    size_t count = 0;
    uint64_t generation;
    *out = (struct stored_backfill){.generation = j->target.dual_write_generation};
    if (!d)
        return false;
    bool ok = store_load(d, j->target.sidecar, &list, &count, &generation);
    if (!ok)
        snprintf(error, error_size, "%s", db_error(d));
    for (size_t i = 0; ok && i < count; i++) {
        struct stored_backfill *b = &list[i].backfill;
        if (strcmp(list[i].name, j->target.config->name) != 0 || b->generation != out->generation ||
            j->again || b->state == BACKFILL_NONE || b->state == BACKFILL_COMPLETE ||
            b->state == BACKFILL_CANCELLED)
            continue;
        *out = *b;
        b->last_key = b->upper_key = NULL; /* taken */
    }
    store_free_list(list, count);
    db_close(d);
    return ok;
}

static void finish(struct job *j, const struct stored_backfill *b)
{
    struct control *c = j->control;
    struct migration *m = j->migration;
    struct stored_event event = {.who = j->who,
                                 .migration = j->name,
                                 .what = "backfill",
                                 .outcome = backfill_state_name(b->state),
                                 .detail = *b->error ? b->error : NULL,
                                 .generation = b->generation};
    if (b->state == BACKFILL_FAILED)
        log_error("migration %s: backfill failed: %s", event.migration, b->error);
    else
        log_info("migration %s: backfill %s rows=%llu changed=%llu", event.migration, event.outcome,
                 (unsigned long long)b->rows, (unsigned long long)b->changed);
    if (b->state != BACKFILL_RUNNING)
        control_event(c, &event);
    pthread_mutex_lock(&c->lock);
    m->backfill = (struct backfill_view){.state = b->state,
                                         .rows = b->rows,
                                         .changed = b->changed,
                                         .estimate = b->estimate,
                                         .rate = m->backfill.rate,
                                         .eta_s = -1};
    snprintf(m->backfill.error, sizeof(m->backfill.error), "%s", b->error);
    m->backfill_generation = b->generation;
    m->job = NULL;
    pthread_cond_broadcast(&c->changed);
    pthread_mutex_unlock(&c->lock);
}

static void *job_main(void *arg)
{
    struct job *j = arg;
    struct stored_backfill b;
    char error[CONTROL_ERROR_SIZE];
    if (load_checkpoint(j, &b, error, sizeof(error))) {
        struct backfill_setup setup = {j->control, &j->target, &b, on_progress, j};
        backfill_run(&setup);
    } else {
        b.state = BACKFILL_FAILED;
        snprintf(b.error, sizeof(b.error), "%s", error);
    }
    free(b.last_key);
    free(b.upper_key);
    target_release(&j->target); /* before finish(): the control may be freed right after it */
    finish(j, &b);
    free(j);
    return NULL;
}

/* ---- starting --------------------------------------------------------------------------------------- */

/* Why a backfill may not run now, or NULL. `lock` is held. */
static const char *refusal(const struct control *c, const struct migration *m)
{
    if (c->stopping)
        return "the proxy is stopping";
    if (control_refusal(c))
        return control_refusal(c);
    if (c->flipping == m)
        return "a flip of this migration is under way";
    if (m->phase == PHASE_EXPAND)
        return "it is in expand: rows that are written now would miss the new columns; run dual-write first";
    if (m->phase != PHASE_DUAL_WRITE)
        return "it is not in dual-write";
    return NULL;
}

static enum job_start what_to_do(const struct migration *m, bool again)
{
    bool same = m->backfill_generation == m->dual_write_generation;
    if (m->job)
        return JOB_RUNS_ALREADY;
    if (same && m->backfill.state == BACKFILL_COMPLETE && !again)
        return JOB_COMPLETE_ALREADY;
    if (same && !again &&
        (m->backfill.state == BACKFILL_PAUSED || m->backfill.state == BACKFILL_FAILED ||
         m->backfill.state == BACKFILL_RUNNING))
        return JOB_RESUMED;
    return JOB_STARTED;
}

static bool start_thread(struct job *j)
{
    pthread_attr_t attr;
    pthread_t thread;
    pthread_attr_init(&attr);
    pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
    bool ok = pthread_create(&thread, &attr, job_main, j) == 0;
    pthread_attr_destroy(&attr);
    return ok;
}

enum job_start backfill_start(struct control *c, const char *migration, const char *who, bool again,
                              char *error, size_t error_size)
{
    struct job *j = calloc(1, sizeof(*j));
    if (!j || !control_target(c, migration, &j->target, error, error_size)) {
        free(j);
        return JOB_REFUSED;
    }
    pthread_mutex_lock(&c->lock);
    struct migration *m = control_find(c, migration);
    const char *why = m ? refusal(c, m) : "it was removed";
    enum job_start result = why ? JOB_REFUSED : what_to_do(m, again);
    if (why)
        snprintf(error, error_size, "migration %s: no backfill: %s", migration, why);
    else if (result == JOB_STARTED || result == JOB_RESUMED) {
        j->control = c;
        j->migration = m;
        j->name = m->config->name;
        j->target.dual_write_generation = m->dual_write_generation;
        j->again = result == JOB_STARTED;
        j->wanted = BACKFILL_RUNNING;
        snprintf(j->who, sizeof(j->who), "%s", who);
        struct backfill_view before = m->backfill;
        m->backfill.state = BACKFILL_RUNNING;
        m->verification.valid = false;
        m->backfill_generation = m->dual_write_generation;
        m->job = j;
        if (start_thread(j)) {
            j = NULL; /* the thread's now */
        } else {
            m->backfill = before;
            m->job = NULL;
            snprintf(error, error_size, "no thread can be made");
            result = JOB_REFUSED;
        }
    }
    pthread_mutex_unlock(&c->lock);
    if (j)
        target_release(&j->target);
    free(j);
    return result;
}

void jobs_resume(struct control *c)
{
    char error[CONTROL_ERROR_SIZE];
    for (size_t i = 0;; i++) {
        pthread_mutex_lock(&c->lock);
        struct migration *m = i < c->migration_count ? c->migrations[i] : NULL;
        bool cut_off = m && !m->removed && !m->job && m->backfill.state == BACKFILL_RUNNING;
        const char *name = m ? m->config->name : NULL;
        pthread_mutex_unlock(&c->lock);
        if (!m)
            return;
        if (!cut_off)
            continue;
        log_info("migration %s: the backfill is resumed from its checkpoint", name);
        if (backfill_start(c, name, "crossfade", false, error, sizeof(error)) == JOB_REFUSED)
            log_warn("%s", error);
    }
}

/* ---- stopping --------------------------------------------------------------------------------------- */

/* `lock` is held, and given up meanwhile. */
static void end_job(struct control *c, struct migration *m, enum backfill_state state)
{
    if (m->job)
        m->job->wanted = state;
    while (m->job)
        pthread_cond_wait(&c->changed, &c->lock);
}

void job_stop(struct control *c, struct migration *m, enum backfill_state state)
{
    pthread_mutex_lock(&c->lock);
    end_job(c, m, state);
    pthread_mutex_unlock(&c->lock);
}

/* The list is looked up under the lock at every step: a reload that began before may move it. */
void jobs_stop(struct control *c)
{
    pthread_mutex_lock(&c->lock);
    for (size_t i = 0; i < c->migration_count; i++)
        if (c->migrations[i]->job)
            c->migrations[i]->job->leave = true;
    for (size_t i = 0; i < c->migration_count; i++)
        end_job(c, c->migrations[i], BACKFILL_PAUSED);
    pthread_mutex_unlock(&c->lock);
}

bool backfill_stop(struct control *c, const char *migration, const char *who, enum backfill_state state,
                   char *error, size_t error_size)
{
    pthread_mutex_lock(&c->lock);
    struct migration *m = control_find(c, migration);
    bool runs = m && m->job;
    if (runs)
        snprintf(m->job->who, sizeof(m->job->who), "%s", who);
    pthread_mutex_unlock(&c->lock);
    if (!m)
        snprintf(error, error_size, "there is no migration %s", migration);
    else if (!runs)
        snprintf(error, error_size, "migration %s: no backfill is running", migration);
    else
        job_stop(c, m, state);
    return runs;
}

/* ---- watching --------------------------------------------------------------------------------------- */

bool backfill_watch(struct control *c, const char *migration, unsigned timeout_ms, struct backfill_view *out)
{
    struct timespec until = clock_in(timeout_ms);
    int waited = 0;
    pthread_mutex_lock(&c->lock);
    struct migration *m = control_find(c, migration);
    while (m && !c->stopping && m->job && waited != ETIMEDOUT)
        waited = pthread_cond_timedwait(&c->changed, &c->lock, &until);
    if (m)
        *out = m->backfill;
    bool ok = m && !c->stopping;
    pthread_mutex_unlock(&c->lock);
    return ok;
}
