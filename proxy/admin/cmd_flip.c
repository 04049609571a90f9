/* dual-write, cutover and rollback: the commands that flip. */
#include <stdio.h>
#include <stdlib.h>

#include "proxy/admin/command.h"
#include "proxy/migration/phases.h"

static double rounded(double ms)
{
    return (double)(long long)(ms * 1000 + 0.5) / 1000;
}

static cJSON *flip_json(const struct call *c, const struct flip_result *r)
{
    cJSON *o = cJSON_CreateObject();
    cJSON_AddStringToObject(o, "migration", c->words[0]);
    cJSON_AddStringToObject(o, "from", phase_name(r->from));
    cJSON_AddStringToObject(o, "to", phase_name(r->to));
    cJSON_AddStringToObject(o, "phase", phase_name(r->ok && !c->dry_run ? r->to : r->from));
    if (c->dry_run)
        cJSON_AddBoolToObject(o, "dry_run", true);
    if (r->generation) {
        cJSON_AddNumberToObject(o, "generation", (double)r->generation);
        cJSON_AddNumberToObject(o, "in_force_ms", rounded(r->barrier.in_force_ms));
        cJSON_AddNumberToObject(o, "drained_ms", rounded(r->barrier.drained_ms));
        cJSON_AddNumberToObject(o, "waited_for", r->barrier.waited_for);
        cJSON_AddBoolToObject(o, "drained", r->drained);
    }
    cJSON_AddBoolToObject(o, "forced", r->overridden);
    if (r->gates.count && (c->dry_run || !r->ok || r->overridden))
        cJSON_AddItemToObject(o, "gates", gates_json(&r->gates));
    if (r->holder_count)
        cJSON_AddItemToObject(o, "sessions", sessions_json(r->holders, r->holder_count));
    return o;
}

/* One flip. false when it failed; then the call was answered. */
static bool flip(struct call *c, enum phase to, struct flip_result *r)
{
    struct flip_request q = {.migration = c->words[0],
                             .to = to,
                             .force = c->force,
                             .dry_run = c->dry_run,
                             .timeout_ms = c->timeout_ms,
                             .who = c->who,
                             .what = c->name};
    control_flip(c->control, &q, r);
    if (!r->ok)
        call_fail_with(c, r->from == r->to && !r->generation ? NULL : flip_json(c, r), r->error);
    return r->ok;
}

/* Forward, by gates that look at the table. */
static void flip_and_answer(struct call *c, enum phase to)
{
    struct flip_result r;
    if (!call_refresh(c))
        return;
    if (flip(c, to, &r))
        call_ok(c, flip_json(c, &r));
    flip_result_free(&r);
}

void cmd_dual_write(struct call *c)
{
    flip_and_answer(c, PHASE_DUAL_WRITE);
}

void cmd_cutover(struct call *c)
{
    if (c->part)
        call_fail(c, "this version flips the reads of all traffic; it has no --percent, --user and --from");
    else
        flip_and_answer(c, PHASE_CUTOVER);
}

/* Each phase on the way is a flip with its own barrier: a session that still reads the new side must not
 * meet one that has stopped writing it. */
void cmd_rollback(struct call *c)
{
    struct target t;
    if (!call_target(c, &t))
        return;
    enum phase phase = t.phase, to;
    target_release(&t);
    if (!phase_before(phase, &to)) {
        call_fail(c, "migration %s is in expand: there is nothing to roll back", c->words[0]);
        return;
    }
    if (c->to && (!phase_of(c->to, &to) || to >= phase)) {
        call_fail(c, "migration %s is in %s; %s does not lie before it", c->words[0], phase_name(phase),
                  c->to);
        return;
    }
    while (phase > to) {
        struct flip_result r;
        enum phase step;
        phase_before(phase, &step);
        bool ok = flip(c, step, &r);
        if (ok && !r.drained && step != to)
            call_fail_with(c, flip_json(c, &r),
                           "sessions still hold the older generation: not rolled back further");
        else if (ok && (step == to || c->dry_run))
            call_ok(c, flip_json(c, &r));
        else if (ok)
            call_progress(c, flip_json(c, &r));
        flip_result_free(&r);
        if (c->answered)
            return;
        phase = step;
    }
}
