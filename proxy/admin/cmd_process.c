/* reload, drain and handover, and the refusal of what later versions bring. */
#include <stdio.h>
#include <stdlib.h>

#include "config/log.h"
#include "proxy/admin/command.h"

void cmd_reload(struct call *c)
{
    struct buf reasons = BUF_INIT;
    bool ok = control_reload(c->control, c->who, &reasons);
    struct stored_event event = {
        .who = c->who, .what = "reload", .outcome = ok ? "done" : "refused", .detail = NULL};
    buf_add_byte(&reasons, '\0');
    if (!ok && !buf_failed(&reasons))
        event.detail = buf_ptr(&reasons);
    struct control_view v = {0};
    if (control_look(c->control, NULL, &v) && v.migration_count > 0)
        control_event(c->control, &event);
    free(v.migrations);
    if (ok) {
        cJSON *o = cJSON_CreateObject();
        cJSON_AddNumberToObject(o, "generation", (double)v.generation);
        call_ok(c, o);
    } else {
        call_fail(c, "%s", buf_failed(&reasons) ? "out of memory" : buf_ptr(&reasons));
    }
    buf_free(&reasons);
}

void cmd_drain(struct call *c)
{
    cJSON *o = cJSON_CreateObject();
    cJSON_AddNumberToObject(o, "clients", c->setup->clients(c->setup->ctx));
    if (c->handed_over)
        *c->handed_over = false; /* for good */
    call_ok(c, o);               /* before it begins: this connection ends with it */
    c->setup->drain(c->setup->ctx);
}

void cmd_handover(struct call *c)
{
    char error[CONTROL_ERROR_SIZE];
    if (!control_hand_over(c->control, error, sizeof(error))) {
        call_fail(c, "%s", error);
        return;
    }
    if (c->handed_over)
        *c->handed_over = true;
    log_info("handed over: a successor takes this crossfade's place");
    call_ok(c, NULL);
}

void cmd_later(struct call *c)
{
    call_fail(c, "this version does not have %s", c->name);
}
