/* backfill and verify: the commands that walk over a table. */
#include <stdio.h>
#include <stdlib.h>

#include "proxy/admin/command.h"
#include "proxy/migration/clock.h"
#include "proxy/migration/jobs.h"
#include "proxy/migration/verify.h"

enum { WATCH_MS = 500 };

/* ---- backfill --------------------------------------------------------------------------------------- */

static cJSON *backfill_json(const struct call *c, const struct backfill_view *v)
{
    cJSON *o = cJSON_CreateObject();
    cJSON_AddStringToObject(o, "migration", c->words[0]);
    add_backfill(o, v);
    return o;
}

static void answer_state(struct call *c)
{
    struct backfill_view v = {.eta_s = -1};
    backfill_watch(c->control, c->words[0], 0, &v);
    call_ok(c, backfill_json(c, &v));
}

/* Shows progress until the job ends; a client that leaves ends the watching, not the job. */
static void watch(struct call *c)
{
    struct backfill_view v = {.eta_s = -1};
    bool shown = false;
    while (backfill_watch(c->control, c->words[0], WATCH_MS, &v)) {
        if (v.state == BACKFILL_COMPLETE) {
            call_ok(c, backfill_json(c, &v));
            return;
        }
        if (v.state != BACKFILL_RUNNING) {
            char error[STORE_TEXT_SIZE + 64];
            snprintf(error, sizeof(error), "the backfill is %s%s%s", backfill_state_name(v.state),
                     *v.error ? ": " : "", v.error);
            call_fail_with(c, backfill_json(c, &v), error);
            return;
        }
        if ((v.rows || shown) && !call_progress(c, backfill_json(c, &v)))
            return;
        shown = true;
    }
    call_fail(c, "the proxy is stopping; the backfill is resumed at its next start");
}

static void start(struct call *c)
{
    static const char *const words[] = {[JOB_STARTED] = "started",
                                        [JOB_RESUMED] = "resumed",
                                        [JOB_RUNS_ALREADY] = "runs already",
                                        [JOB_COMPLETE_ALREADY] = "complete already"};
    char error[CONTROL_ERROR_SIZE];
    if (!call_refresh(c))
        return;
    enum job_start s = backfill_start(c->control, c->words[0], c->who, c->force, error, sizeof(error));
    if (s == JOB_REFUSED) {
        call_fail(c, "%s", error);
        return;
    }
    if (s == JOB_STARTED || s == JOB_RESUMED) {
        struct stored_event event = {.who = c->who,
                                     .migration = c->words[0],
                                     .what = "backfill",
                                     .outcome = words[s],
                                     .forced = c->force};
        control_event(c->control, &event);
    }
    if (c->detach || s == JOB_COMPLETE_ALREADY)
        answer_state(c);
    else
        watch(c);
}

static void dry_run(struct call *c)
{
    struct target t;
    if (!call_target(c, &t))
        return;
    const char *why = t.phase == PHASE_DUAL_WRITE ? NULL : "it is not in dual-write";
    target_release(&t);
    if (why) {
        call_fail(c, "migration %s: no backfill: %s", c->words[0], why);
        return;
    }
    cJSON *o = cJSON_CreateObject();
    cJSON_AddStringToObject(o, "migration", c->words[0]);
    cJSON_AddBoolToObject(o, "dry_run", true);
    call_ok(c, o);
}

void cmd_backfill(struct call *c)
{
    static const struct {
        const char *word;
        enum backfill_state state;
    } stops[] = {{"pause", BACKFILL_PAUSED}, {"cancel", BACKFILL_CANCELLED}};
    struct target t;
    if (!call_target(c, &t))
        return;
    target_release(&t);
    const char *word = c->word_count > 1 ? c->words[1] : "resume";
    if (strcmp(word, "status") == 0) {
        answer_state(c);
        return;
    }
    if (strcmp(word, "resume") == 0) {
        if (c->dry_run)
            dry_run(c);
        else
            start(c);
        return;
    }
    for (size_t i = 0; i < sizeof(stops) / sizeof(stops[0]); i++) {
        char error[CONTROL_ERROR_SIZE];
        if (strcmp(word, stops[i].word) != 0)
            continue;
        if (backfill_stop(c->control, c->words[0], c->who, stops[i].state, error, sizeof(error)))
            answer_state(c);
        else
            call_fail(c, "%s", error);
        return;
    }
    call_fail(c, "usage: backfill M [pause|resume|cancel|status], not %s", word);
}

/* ---- verify ----------------------------------------------------------------------------------------- */

struct verify_call {
    struct call *call;
    double shown_at;
};

static cJSON *keys_json(const char (*keys)[VERIFY_KEY_SIZE], size_t count)
{
    cJSON *list = cJSON_CreateArray();
    for (size_t i = 0; i < count; i++)
        cJSON_AddItemToArray(list, cJSON_CreateString(keys[i]));
    return list;
}

/* What a promise came out as; nothing where it was not asked. */
static void add_promise(cJSON *o, const char *name, const struct verify_promise *p)
{
    char keys[64];
    if (!p->asked)
        return;
    snprintf(keys, sizeof(keys), "%s_keys", name);
    cJSON_AddNumberToObject(o, name, (double)p->broken);
    cJSON_AddItemToObject(o, keys, keys_json(p->keys, p->key_count));
}

static struct stored_promise stored_promise(const struct verify_promise *p)
{
    struct stored_promise out = {.asked = p->asked, .broken = p->broken};
    size_t len = 0;
    for (size_t i = 0; i < p->key_count && len < sizeof(out.keys); i++)
        len += (size_t)snprintf(out.keys + len, sizeof(out.keys) - len, "%s%s", i ? ", " : "", p->keys[i]);
    return out;
}

static cJSON *verify_json(const struct call *c, const struct verify_report *r)
{
    cJSON *o = cJSON_CreateObject();
    cJSON_AddStringToObject(o, "migration", c->words[0]);
    cJSON_AddNumberToObject(o, "rows", (double)r->rows);
    cJSON_AddNumberToObject(o, "drift", (double)r->drift);
    cJSON_AddNumberToObject(o, "back_failed", (double)r->back_failed);
    cJSON_AddItemToObject(o, "drift_keys", keys_json(r->drift_keys, r->drift_key_count));
    cJSON_AddItemToObject(o, "back_failed_keys", keys_json(r->back_failed_keys, r->back_failed_key_count));
    add_promise(o, "not_invertible", &r->inverse);
    add_promise(o, "not_monotonic", &r->order);
    return o;
}

static bool on_progress(void *ctx, const struct verify_report *r)
{
    struct verify_call *v = ctx;
    double now = clock_ms();
    if (now - v->shown_at < WATCH_MS)
        return !control_is_stopping(v->call->control);
    v->shown_at = now;
    cJSON *o = cJSON_CreateObject();
    cJSON_AddNumberToObject(o, "rows", (double)r->rows);
    cJSON_AddNumberToObject(o, "drift", (double)r->drift);
    cJSON_AddNumberToObject(o, "back_failed", (double)r->back_failed);
    if (r->fraction >= 0)
        cJSON_AddNumberToObject(o, "percent", (double)(long long)(r->fraction * 100));
    return call_progress(v->call, o) && !control_is_stopping(v->call->control);
}

/* Writes down what was found, for the gates and for status. */
static void record(struct call *c, struct db *d, const struct target *t, const struct verify_report *r)
{
    char detail[240];
    struct stored_verification found = {.rows = r->rows,
                                        .drift = r->drift,
                                        .back_failed = r->back_failed,
                                        .inverse = stored_promise(&r->inverse),
                                        .order = stored_promise(&r->order)};
    uint64_t broken = r->inverse.broken + r->order.broken;
    int len = snprintf(detail, sizeof(detail), "%llu rows, %llu drift, %llu without a way back",
                       (unsigned long long)r->rows, (unsigned long long)r->drift,
                       (unsigned long long)r->back_failed);
    if (broken)
        snprintf(detail + len, sizeof(detail) - (size_t)len, ", %llu not invertible, %llu not monotonic",
                 (unsigned long long)r->inverse.broken, (unsigned long long)r->order.broken);
    struct stored_event event = {.who = c->who,
                                 .migration = c->words[0],
                                 .what = "verify",
                                 .outcome = r->drift || r->back_failed || broken ? "differs" : "equal",
                                 .detail = detail,
                                 .generation = t->dual_write_generation};
    if (!control_take_verification(c->control, d, t, &found, &event))
        call_fail(c, "the result cannot be stored: %s", db_error(d));
}

void cmd_verify(struct call *c)
{
    char error[CONTROL_ERROR_SIZE] = "";
    struct target t;
    struct verify_report r;
    if (!call_target_now(c, &t))
        return;
    struct db *d = control_db(c->control, error, sizeof(error));
    struct verify_call v = {.call = c, .shown_at = clock_ms()};
    if (!d || !verify_run(d, &t, on_progress, &v, &r, error, sizeof(error)))
        call_fail(c, "%s", error);
    else
        record(c, d, &t, &r);
    if (!c->answered)
        call_ok(c, verify_json(c, &r));
    db_close(d);
    target_release(&t);
}
