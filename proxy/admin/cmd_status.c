/* status, events, sessions, version, help: the commands that only look. */
#include <stdio.h>
#include <stdlib.h>

#include "proxy/admin/command.h"

enum { BACKENDS_SHOWN = 16 };

void add_backfill(cJSON *o, const struct backfill_view *b)
{
    cJSON_AddStringToObject(o, "state", backfill_state_name(b->state));
    cJSON_AddNumberToObject(o, "rows", (double)b->rows);
    cJSON_AddNumberToObject(o, "changed", (double)b->changed);
    cJSON_AddNumberToObject(o, "estimate", (double)b->estimate);
    if (b->rate > 0)
        cJSON_AddNumberToObject(o, "rows_per_second", (double)(long long)b->rate);
    if (b->eta_s >= 0)
        cJSON_AddNumberToObject(o, "eta_s", (double)(long long)(b->eta_s + 0.5));
    if (*b->waiting)
        cJSON_AddStringToObject(o, "waiting", b->waiting);
    if (*b->error)
        cJSON_AddStringToObject(o, "reason", b->error);
}

static cJSON *verification_json(const struct stored_verification *v)
{
    if (!v->valid)
        return cJSON_CreateNull();
    cJSON *o = cJSON_CreateObject();
    cJSON_AddNumberToObject(o, "rows", (double)v->rows);
    cJSON_AddNumberToObject(o, "drift", (double)v->drift);
    cJSON_AddNumberToObject(o, "back_failed", (double)v->back_failed);
    if (v->inverse.asked)
        cJSON_AddNumberToObject(o, "not_invertible", (double)v->inverse.broken);
    if (v->order.asked)
        cJSON_AddNumberToObject(o, "not_monotonic", (double)v->order.broken);
    cJSON_AddStringToObject(o, "at", v->finished_at);
    return o;
}

static cJSON *migration_json(const struct migration_view *m, bool loaded)
{
    cJSON *o = cJSON_CreateObject(), *traffic = cJSON_CreateObject(), *backfill = cJSON_CreateObject();
    cJSON_AddStringToObject(o, "name", m->name);
    cJSON_AddStringToObject(o, "table", m->table);
    cJSON_AddStringToObject(o, "phase", loaded ? phase_name(m->phase) : "unknown");
    cJSON_AddStringToObject(o, "reads", m->reads == SIDE_NEW ? "new" : "old");
    cJSON_AddStringToObject(o, "reads_configured", m->reads_pinned_old ? "old" : "auto");
    cJSON_AddNumberToObject(o, "generation", (double)m->generation);
    if (*m->flipping_to)
        cJSON_AddStringToObject(o, "flipping_to", m->flipping_to);
    add_backfill(backfill, &m->backfill);
    cJSON_AddItemToObject(o, "backfill", backfill);
    cJSON_AddItemToObject(o, "drift", verification_json(&m->verification));
    cJSON_AddNumberToObject(traffic, "reads", (double)m->reads_seen);
    cJSON_AddNumberToObject(traffic, "writes", (double)m->writes_seen);
    cJSON_AddNumberToObject(traffic, "rewritten", (double)m->rewritten);
    cJSON_AddNumberToObject(traffic, "refused", (double)m->refused);
    cJSON_AddNumberToObject(traffic, "passed", (double)m->passed);
    cJSON_AddItemToObject(o, "traffic", traffic);
    if (*m->problem)
        cJSON_AddStringToObject(o, "problem", m->problem);
    return o;
}

static cJSON *backend_json(const struct control_view *v)
{
    cJSON *o = cJSON_CreateObject();
    cJSON_AddBoolToObject(o, "up", v->backend_up);
    if (*v->server_version)
        cJSON_AddStringToObject(o, "version", v->server_version);
    if (*v->backend_error)
        cJSON_AddStringToObject(o, "error", v->backend_error);
    return o;
}

/* Every backend, in its order: whether it takes connections, and which of them new sessions go to. */
static void add_backends(cJSON *o, const struct call *c)
{
    struct backend_view views[BACKENDS_SHOWN];
    const struct admin_setup *s = c->setup;
    struct backends *b = s->backends ? s->backends(s->ctx) : NULL;
    size_t count = b ? backends_look(b, views, BACKENDS_SHOWN) : 0;
    cJSON *list = cJSON_AddArrayToObject(o, "backends");
    for (size_t i = 0; i < count; i++) {
        cJSON *one = cJSON_CreateObject();
        cJSON_AddStringToObject(one, "address", views[i].text);
        cJSON_AddBoolToObject(one, "up", views[i].up);
        cJSON_AddBoolToObject(one, "current", views[i].current);
        cJSON_AddNumberToObject(one, "since_s", (double)(long long)views[i].since_s);
        if (*views[i].error)
            cJSON_AddStringToObject(one, "error", views[i].error);
        cJSON_AddItemToArray(list, one);
    }
}

void cmd_status(struct call *c)
{
    const char *name = c->word_count ? c->words[0] : NULL;
    struct control_view v;
    if (!control_look(c->control, name, &v)) {
        call_fail(c, "out of memory");
        return;
    }
    if (name && v.migration_count == 0) {
        free(v.migrations);
        call_fail(c, "there is no migration %s", name);
        return;
    }
    cJSON *o = cJSON_CreateObject(), *list = cJSON_CreateArray();
    cJSON_AddStringToObject(o, "version", CROSSFADE_VERSION);
    cJSON_AddNumberToObject(o, "generation", (double)v.generation);
    cJSON_AddNumberToObject(o, "clients", c->setup->clients(c->setup->ctx));
    cJSON_AddBoolToObject(o, "phases_known", v.loaded);
    cJSON_AddItemToObject(o, "backend", backend_json(&v));
    add_backends(o, c);
    if (v.refusal)
        cJSON_AddStringToObject(o, "waiting", v.refusal);
    for (size_t i = 0; i < v.migration_count; i++)
        cJSON_AddItemToArray(list, migration_json(&v.migrations[i], v.loaded));
    cJSON_AddItemToObject(o, "migrations", list);
    free(v.migrations);
    call_ok(c, o);
}

static cJSON *text_or_null(db_field f)
{
    char text[STORE_TEXT_SIZE];
    db_text(f, text, sizeof(text));
    return f.ptr ? cJSON_CreateString(text) : cJSON_CreateNull();
}

void cmd_events(struct call *c)
{
    char error[CONTROL_ERROR_SIZE];
    struct db *d = control_db(c->control, error, sizeof(error));
    struct db_result r;
    if (!d) {
        call_fail(c, "%s", error);
        return;
    }
    const char *migration = c->word_count ? c->words[0] : NULL;
    if (!store_events(d, control_sidecar(c->control), migration, c->limit, &r)) {
        call_fail(c, "%s", db_error(d));
        db_close(d);
        return;
    }
    static const char *const names[] = {"id",      "at",     "who",        "migration", "what",
                                        "outcome", "forced", "generation", "detail"};
    cJSON *o = cJSON_CreateObject(), *list = cJSON_AddArrayToObject(o, "events");
    const db_field *f;
    while ((f = db_next(&r))) {
        cJSON *event = cJSON_CreateObject();
        for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
            cJSON *value = i == 0 || i == 7 ? cJSON_CreateNumber((double)db_u64(f[i]))
                           : i == 6         ? cJSON_CreateBool(db_u64(f[i]) != 0)
                                            : text_or_null(f[i]);
            cJSON_AddItemToObject(event, names[i], value);
        }
        cJSON_AddItemToArray(list, event);
    }
    db_end(&r);
    db_close(d);
    call_ok(c, o);
}

void cmd_sessions(struct call *c)
{
    const struct publisher *p = control_publisher(c->control);
    size_t count = 0;
    struct session_info *list = p->sessions(p->ctx, &count);
    cJSON *o = cJSON_CreateObject();
    cJSON_AddItemToObject(o, "sessions", sessions_json(list, count));
    free(list);
    call_ok(c, o);
}

void cmd_version(struct call *c)
{
    struct control_view v;
    if (!control_look(c->control, NULL, &v)) {
        call_fail(c, "out of memory");
        return;
    }
    cJSON *o = cJSON_CreateObject();
    cJSON_AddStringToObject(o, "version", CROSSFADE_VERSION);
    cJSON_AddItemToObject(o, "backend", backend_json(&v));
    free(v.migrations);
    call_ok(c, o);
}

void cmd_help(struct call *c)
{
    cJSON *o = cJSON_CreateObject(), *list = cJSON_AddArrayToObject(o, "commands");
    for (const struct command *k = commands; k->name; k++) {
        if (c->word_count && strcmp(c->words[0], k->name) != 0)
            continue;
        cJSON *entry = cJSON_CreateObject();
        cJSON_AddStringToObject(entry, "name", k->name);
        cJSON_AddStringToObject(entry, "arguments", k->arguments);
        cJSON_AddStringToObject(entry, "help", k->help);
        cJSON_AddItemToArray(list, entry);
    }
    if (list && list->child) {
        call_ok(c, o);
        return;
    }
    cJSON_Delete(o);
    call_fail(c, "there is no command %s; help lists the commands", c->word_count ? c->words[0] : "");
}
