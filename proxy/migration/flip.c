/* The flip: gates → intent → publish → barrier → store.
 *
 * The intent is written before the clock of "in force" starts; from publish on the workers need nothing of
 * the store. Only one flip is under way at a time, so the phase of its migration is nobody else's to change
 * until it has ended. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "config/log.h"
#include "proxy/migration/clock.h"
#include "proxy/migration/control_internal.h"
#include "proxy/migration/phases.h"
#include "proxy/migration/xa.h"

enum { SETTLE_ATTEMPTS = 5, SETTLE_PAUSE_MS = 500, BARRIER_SLICE_MS = 200 };

struct flip {
    struct control *control;
    const struct flip_request *request;
    struct flip_result *result;
    struct migration *migration;
    struct target target;
    struct db *db;
    struct buf names; /* of the XA transactions that were prepared before */
    size_t prepared;  /* how many of them the barrier waits for still */
    bool unlisted;    /* they could not be asked for */
};

static void __attribute__((format(printf, 2, 3))) refuse(struct flip *f, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(f->result->error, sizeof(f->result->error), fmt, ap);
    va_end(ap);
}

/* ---- taking and giving back the right to flip ------------------------------------------------------- */

static bool begin(struct flip *f)
{
    struct control *c = f->control;
    const struct flip_request *q = f->request;
    if (!control_target(c, q->migration, &f->target, f->result->error, sizeof(f->result->error)))
        return false;
    pthread_mutex_lock(&c->lock);
    struct migration *m = control_find(c, q->migration);
    const char *why = m ? phase_flip_refusal(m->phase, q->to) : "it was removed";
    f->result->from = m ? m->phase : f->target.phase;
    if (control_refusal(c))
        refuse(f, "migration %s: %s", q->migration, control_refusal(c));
    else if (c->flipping)
        refuse(f, "a flip is under way: migration %s to %s, by %s", c->flipping->config->name,
               phase_name(c->flipping_to), c->flipping_who);
    else if (why)
        refuse(f, "migration %s cannot go from %s to %s: %s", q->migration,
               m ? phase_name(m->phase) : "nowhere", phase_name(q->to), why);
    else if (q->to == PHASE_CUTOVER && m->config->reads_pinned_old)
        refuse(f, "migration %s has reads = old in the configuration; set reads = auto and reload first",
               q->migration);
    else {
        c->flipping = f->migration = m;
        c->flipping_to = q->to;
        snprintf(c->flipping_who, sizeof(c->flipping_who), "%s", q->who);
        f->target.phase = m->phase;
    }
    pthread_mutex_unlock(&c->lock);
    return f->migration != NULL;
}

static void end(struct flip *f)
{
    struct control *c = f->control;
    if (f->migration) {
        pthread_mutex_lock(&c->lock);
        c->flipping = NULL;
        pthread_cond_broadcast(&c->changed);
        pthread_mutex_unlock(&c->lock);
    }
    target_release(&f->target);
    db_close(f->db);
}

/* ---- the steps -------------------------------------------------------------------------------------- */

static void record(struct flip *f, const char *outcome, const char *detail)
{
    struct stored_event event = {.who = f->request->who,
                                 .migration = f->request->migration,
                                 .what = f->request->what,
                                 .outcome = outcome,
                                 .detail = detail,
                                 .forced = f->result->overridden,
                                 .generation = f->result->generation};
    if (!store_event(f->db, f->control->sidecar, &event))
        log_warn("event %s of %s is not recorded: %s", event.what, event.who, db_error(f->db));
}

static bool pass_gates(struct flip *f)
{
    const struct flip_request *q = f->request;
    if (!phase_is_forward(f->target.phase, q->to))
        return true;
    preflight(f->db, &f->target, q->to, &f->result->gates);
    if (gates_open(&f->result->gates, false))
        return true;
    char text[512];
    gates_text(&f->result->gates, text, sizeof(text));
    if (q->force && gates_open(&f->result->gates, true)) {
        f->result->overridden = true;
        return true;
    }
    refuse(f, "migration %s may not enter %s: %s", q->migration, phase_name(q->to), text);
    if (!q->dry_run)
        record(f, "refused", text);
    return false;
}

/* The migration's phase becomes `phase` in a snapshot of its own; 0 on failure. */
static uint64_t publish_phase(struct flip *f, enum phase phase, uint64_t least)
{
    struct control *c = f->control;
    pthread_mutex_lock(&c->lock);
    enum phase before = f->migration->phase;
    f->migration->phase = phase;
    uint64_t generation = control_publish(c, least, f->result->error, sizeof(f->result->error));
    if (!generation)
        f->migration->phase = before;
    pthread_mutex_unlock(&c->lock);
    return generation;
}

static void list_holders(struct flip *f)
{
    const struct publisher *p = &f->control->publisher;
    size_t count = 0;
    struct session_info *all = p->sessions(p->ctx, &count);
    size_t kept = 0;
    for (size_t i = 0; all && i < count; i++)
        if (all[i].pinned && all[i].pinned < f->result->generation)
            all[kept++] = all[i];
    f->result->holders = all;
    f->result->holder_count = kept;
}

/* Writes to the store, or asks, over a new connection where the old one is gone. */
static bool persist(struct flip *f, bool (*write)(struct flip *f))
{
    for (int attempt = 0; attempt < SETTLE_ATTEMPTS; attempt++) {
        if (attempt) {
            clock_rest(SETTLE_PAUSE_MS);
            char error[CONTROL_ERROR_SIZE];
            struct db *fresh = control_db(f->control, error, sizeof(error));
            if (!fresh)
                continue;
            db_close(f->db);
            f->db = fresh;
        }
        if (write(f))
            return true;
    }
    return false;
}

static bool write_settled(struct flip *f)
{
    const struct flip_request *q = f->request;
    struct flip_result *r = f->result;
    char detail[160];
    snprintf(detail, sizeof(detail), "%s to %s, in force after %.3f ms, waited for %u, drained %s",
             phase_name(r->from), phase_name(q->to), r->barrier.in_force_ms, r->barrier.waited_for,
             r->drained ? "yes" : "no");
    struct stored_event event = {.who = q->who,
                                 .migration = q->migration,
                                 .what = q->what,
                                 .outcome = "done",
                                 .detail = detail,
                                 .forced = r->overridden,
                                 .generation = r->generation};
    return store_settle(f->db, f->control->sidecar, q->migration, q->to, r->generation,
                        phase_flip_voids_backfill(r->from, q->to), &event);
}

static bool write_forgotten(struct flip *f)
{
    struct stored_event event = {.who = f->request->who,
                                 .migration = f->request->migration,
                                 .what = f->request->what,
                                 .outcome = "turned back",
                                 .detail = f->result->error,
                                 .forced = f->result->overridden,
                                 .generation = f->result->generation};
    return store_forget(f->db, f->control->sidecar, f->request->migration, &event);
}

/* A forward flip that could not be completed: the old side again, at once. result->error says why. */
static void turn_back(struct flip *f)
{
    char why[CONTROL_ERROR_SIZE];
    snprintf(why, sizeof(why), "%s", f->result->error);
    uint64_t generation = publish_phase(f, f->result->from, 0);
    snprintf(f->result->error, sizeof(f->result->error), "%s", why);
    if (!generation)
        log_error("migration %s could not be turned back to %s", f->request->migration,
                  phase_name(f->result->from));
    if (!persist(f, write_forgotten))
        log_warn("migration %s: the store still has the intent; it is cleared up at the next start",
                 f->request->migration);
}

static void in_memory_settled(struct flip *f)
{
    struct control *c = f->control;
    struct migration *m = f->migration;
    pthread_mutex_lock(&c->lock);
    m->generation = f->result->generation;
    if (phase_flip_voids_backfill(f->result->from, f->request->to)) {
        m->dual_write_generation = f->request->to == PHASE_DUAL_WRITE ? f->result->generation : 0;
        m->backfill = (struct backfill_view){.eta_s = -1};
        m->backfill_generation = 0;
        m->verification = (struct stored_verification){0};
    }
    if (c->stored_generation < f->result->generation)
        c->stored_generation = f->result->generation;
    pthread_mutex_unlock(&c->lock);
}

/* Waits for the barrier; a process that stops waits no longer. *left: milliseconds. */
static bool wait_pins(struct flip *f, unsigned *left)
{
    const struct publisher *p = &f->control->publisher;
    struct flip_result *r = f->result;
    for (;;) {
        unsigned slice = *left < BARRIER_SLICE_MS ? *left : BARRIER_SLICE_MS;
        if (p->wait(p->ctx, r->generation, slice, &r->barrier))
            return true;
        *left -= slice;
        if (*left == 0 || control_is_stopping(f->control))
            return false;
    }
}

/* For persist(). false: only since the connection is lost, or memory is out; a server that does not tell is
 * not waited for. */
static bool list_prepared(struct flip *f)
{
    buf_free(&f->names);
    if (xa_list(f->db, &f->names))
        return true;
    bool untold = db_errno(f->db) != 0 && !db_lost(f->db);
    buf_free(&f->names);
    if (untold)
        log_info("migration %s: prepared XA transactions are not waited for: %s", f->request->migration,
                 db_error(f->db));
    return untold;
}

/* What was written before dual-write by XA transactions that are prepared misses the new columns, and neither
 * a session nor the backfill sees it: those that there are when no session holds the older generation any
 * more must end. Later ones write both sides. */
static bool wait_prepared(struct flip *f, unsigned *left)
{
    f->unlisted = !persist(f, list_prepared);
    bool gone = !f->unlisted;
    while (buf_len(&f->names) > 0 && (f->prepared = xa_left(f->db, &f->names)) > 0 && gone) {
        unsigned slice = *left < BARRIER_SLICE_MS ? *left : BARRIER_SLICE_MS;
        gone = slice > 0 && !control_is_stopping(f->control);
        clock_rest(slice);
        *left -= slice;
    }
    buf_free(&f->names);
    return gone;
}

static bool wait_drained(struct flip *f)
{
    unsigned left = f->request->timeout_ms;
    bool begins = f->result->from == PHASE_EXPAND;
    return wait_pins(f, &left) && (!begins || wait_prepared(f, &left));
}

/* From the intent on. */
static void act(struct flip *f)
{
    struct control *c = f->control;
    struct flip_result *r = f->result;
    const struct flip_request *q = f->request;
    bool forward = phase_is_forward(r->from, q->to);
    uint64_t least = 0;
    if (!store_intend(f->db, c->sidecar, f->target.config, r->from, q->to, f->target.snapshot->generation,
                      &least)) {
        refuse(f, "the intent cannot be written: %s", db_error(f->db));
        return;
    }
    if (!(r->generation = publish_phase(f, q->to, least))) {
        persist(f, write_forgotten);
        return;
    }
    r->drained = wait_drained(f);
    if (!r->drained)
        list_holders(f);
    if (!r->drained && forward) {
        if (control_is_stopping(c))
            refuse(f, "the proxy is stopping; back to %s", phase_name(r->from));
        else if (f->unlisted)
            refuse(f, "the prepared XA transactions cannot be listed: %s; back to %s", db_error(f->db),
                   phase_name(r->from));
        else if (f->prepared > 0)
            refuse(f,
                   "the barrier did not pass in %.1f s, %zu XA transactions are prepared since before it;"
                   " back to %s",
                   q->timeout_ms / 1e3, f->prepared, phase_name(r->from));
        else
            refuse(f, "the barrier did not pass in %.1f s, %zu sessions hold an older generation; back to %s",
                   q->timeout_ms / 1e3, r->holder_count, phase_name(r->from));
        turn_back(f);
        return;
    }
    if (!persist(f, write_settled)) {
        refuse(f, "the phase cannot be stored: %s%s", db_error(f->db),
               forward ? "; back to the old side" : "; it is in force, and is completed at the next start");
        if (forward)
            turn_back(f);
        else
            in_memory_settled(f);
        return;
    }
    in_memory_settled(f);
    r->ok = true;
    log_info("migration %s: %s to %s generation=%llu in_force_ms=%.3f drained_ms=%.3f waited_for=%u by %s",
             q->migration, phase_name(r->from), phase_name(q->to), (unsigned long long)r->generation,
             r->barrier.in_force_ms, r->barrier.drained_ms, r->barrier.waited_for, q->who);
}

void control_flip(struct control *c, const struct flip_request *request, struct flip_result *result)
{
    *result = (struct flip_result){.to = request->to};
    struct flip f = {.control = c, .request = request, .result = result};
    if (begin(&f) && (f.db = control_db(c, result->error, sizeof(result->error))) && pass_gates(&f)) {
        if (request->dry_run) {
            result->ok = true;
        } else {
            if (request->to == PHASE_EXPAND)
                job_stop(c, f.migration, BACKFILL_CANCELLED);
            act(&f);
        }
    }
    end(&f);
}

void flip_result_free(struct flip_result *r)
{
    free(r->holders);
    r->holders = NULL;
    r->holder_count = 0;
}
