/* plan and expand: what is to be done, and the first step of it. */
#include <stdio.h>
#include <stdlib.h>

#include "proxy/admin/command.h"
#include "proxy/migration/expand.h"
#include "proxy/migration/row_sql.h"

/* ---- expand ----------------------------------------------------------------------------------------- */

enum { ERR_INSTANT_NOT_POSSIBLE = 1845, ERR_INSTANT_NOT_POSSIBLE_REASON = 1846 };

static void record_expand(struct call *c, struct db *d, const char *outcome, const char *detail, bool forced)
{
    struct stored_event event = {.who = c->who,
                                 .migration = c->words[0],
                                 .what = "expand",
                                 .outcome = outcome,
                                 .detail = detail,
                                 .forced = forced};
    store_event(d, control_sidecar(c->control), &event);
}

/* Runs the DDL; without INSTANT only by force, since that may copy the table: then *ddl becomes what was run.
 */
static bool apply(struct call *c, struct db *d, const struct target *t, char **ddl)
{
    char error[CONTROL_ERROR_SIZE];
    bool missing, ok = db_run(d, span_of(*ddl)), forced = false;
    bool refused =
        !ok && (db_errno(d) == ERR_INSTANT_NOT_POSSIBLE || db_errno(d) == ERR_INSTANT_NOT_POSSIBLE_REASON);
    if (refused && c->force) {
        char *slow = expand_ddl(t, db_server(d), false, &missing, error, sizeof(error));
        if ((forced = slow != NULL)) {
            free(*ddl);
            *ddl = slow;
            ok = db_run(d, span_of(slow));
        }
    }
    if (ok) {
        record_expand(c, d, "done", *ddl, forced);
        return true;
    }
    snprintf(error, sizeof(error), "%s", db_error(d));
    record_expand(c, d, "failed", error, forced);
    call_fail(c, "%s%s", error,
              refused && !c->force ? "; --force runs it as the server can, which may copy the whole table"
                                   : "");
    return false;
}

static void run_expand(struct call *c, struct db *d, const struct target *t)
{
    char error[CONTROL_ERROR_SIZE];
    bool missing;
    char *ddl = expand_ddl(t, db_server(d), true, &missing, error, sizeof(error));
    if (missing && !ddl) {
        call_fail(c, "%s", error);
        return;
    }
    /* A backfill and a verify of before would let reads move to the new column, which is empty. */
    if (ddl && t->phase != PHASE_EXPAND) {
        call_fail(
            c,
            "migration %s is in %s, and new columns are missing: they would come back empty; roll it back to"
            " expand first",
            c->words[0], phase_name(t->phase));
        free(ddl);
        return;
    }
    bool wanted = c->apply && !c->dry_run && ddl;
    if (!wanted || apply(c, d, t, &ddl)) {
        cJSON *o = cJSON_CreateObject(), *list = cJSON_CreateArray();
        cJSON_AddStringToObject(o, "migration", c->words[0]);
        if (ddl)
            cJSON_AddItemToArray(list, cJSON_CreateString(ddl));
        cJSON_AddItemToObject(o, "ddl", list);
        cJSON_AddBoolToObject(o, "applied", wanted);
        if (!ddl)
            cJSON_AddStringToObject(o, "note", "the new columns are there already");
        else if (wanted && !control_refresh_catalog(c->control, 5000))
            cJSON_AddStringToObject(o, "note", "done, but the catalog could not be read yet");
        else if (wanted)
            cJSON_AddStringToObject(o, "note", "done");
        call_ok(c, o);
    }
    free(ddl);
}

void cmd_expand(struct call *c)
{
    char error[CONTROL_ERROR_SIZE];
    struct target t;
    if (!call_target_now(c, &t))
        return;
    struct db *d = NULL;
    if (!target_table(&t))
        call_fail(c, "table %s.%s does not exist, or the control account may not see it", t.config->db,
                  t.config->table);
    else if (!(d = control_db(c->control, error, sizeof(error))))
        call_fail(c, "%s", error);
    else
        run_expand(c, d, &t);
    db_close(d);
    target_release(&t);
}

/* ---- plan ------------------------------------------------------------------------------------------- */

static void add_gates(struct buf *b, const struct gate_list *l)
{
    for (size_t i = 0; i < l->count; i++) {
        const struct gate *g = &l->gates[i];
        buf_printf(b, "   - [%c] %s: %s%s%s\n", g->ok ? 'x' : ' ', g->name, g->detail, g->ok ? "" : " — ",
                   g->ok ? "" : g->hint);
    }
}

/* One step: its command, what it does, its way back. */
struct step {
    enum phase enters;
    const char *command, *does, *back;
};

static const struct step steps[] = {
    {PHASE_EXPAND, "expand M --apply", "adds the new columns, invisible", "drop the new columns (below)"},
    {PHASE_DUAL_WRITE, "dual-write M",
     "every write fills both sides; returns when no older transaction is left",
     "`rollback M`: back to expand; the backfill is void"},
    {PHASE_DUAL_WRITE, "backfill M", "fills the rows there are, in small chunks, resumable",
     "`backfill M cancel`"},
    {PHASE_DUAL_WRITE, "verify M", "compares both sides of every row, without locks", "nothing to undo"},
    {PHASE_CUTOVER, "cutover M", "reads are answered from the new columns; both sides are still written",
     "`rollback M`: at once, nothing is lost"},
};

static void add_steps(struct buf *b, const struct target *t, const struct gate_list *dual,
                      const struct gate_list *cut)
{
    for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
        const struct step *s = &steps[i];
        const char *m = strchr(s->command, 'M');
        buf_printf(b, "%zu. `crossfadectl %.*s%s%s`: %s.\n   Way back: ", i + 1, (int)(m - s->command),
                   s->command, t->config->name, m + 1, s->does);
        for (const char *p = s->back; *p; p++)
            if (*p == 'M')
                buf_add_str(b, t->config->name);
            else
                buf_add_byte(b, (unsigned char)*p);
        buf_add_str(b, ".\n");
        if (s->enters == PHASE_DUAL_WRITE && strncmp(s->command, "dual", 4) == 0)
            add_gates(b, dual);
        if (s->enters == PHASE_CUTOVER)
            add_gates(b, cut);
    }
}

static void add_ddl(struct buf *b, struct db *d, const struct target *t)
{
    char error[CONTROL_ERROR_SIZE];
    bool missing;
    char *ddl = expand_ddl(t, db_server(d), true, &missing, error, sizeof(error));
    char *undo = expand_undo_ddl(t);
    buf_add_str(b, "\n## DDL\n\n");
    if (ddl)
        buf_printf(b, "```sql\n%s;\n```\n", ddl);
    else
        buf_printf(b, "%s\n", missing ? error : "The new columns are there.");
    if (undo)
        buf_printf(b, "\nWay back from expand:\n\n```sql\n%s;\n```\n", undo);
    free(ddl);
    free(undo);
}

static void add_size(struct buf *b, struct db *d, const struct target *t)
{
    struct buf sql = BUF_INIT;
    struct db_result r;
    buf_add_str(&sql, "SELECT COALESCE(table_rows, 0), COALESCE(data_length, 0) DIV 1048576 FROM"
                      " information_schema.tables WHERE ");
    row_sql_table_is(&sql, "table_schema", "table_name", t->rule);
    if (!db_query_buf(d, &sql, &r))
        return;
    const db_field *f = db_next(&r);
    if (f)
        buf_printf(
            b, "The table has about %llu rows and %llu MiB by its statistics (which may be off by half).\n\n",
            (unsigned long long)db_u64(f[0]), (unsigned long long)db_u64(f[1]));
    db_end(&r);
}

static void run_plan(struct call *c, struct db *d, const struct target *t)
{
    struct gate_list dual, cut;
    struct buf b = BUF_INIT;
    preflight(d, t, PHASE_DUAL_WRITE, &dual);
    preflight(d, t, PHASE_CUTOVER, &cut);
    buf_printf(&b, "# Migration %s of %s.%s\n\nIt is in **%s**. ", t->config->name, t->config->db,
               t->config->table, phase_name(t->phase));
    add_size(&b, d, t);
    buf_add_str(&b, "## Steps\n\n");
    add_steps(&b, t, &dual, &cut);
    add_ddl(&b, d, t);
    buf_add_byte(&b, '\0');
    if (buf_failed(&b)) {
        call_fail(c, "out of memory");
    } else {
        cJSON *o = cJSON_CreateObject(), *gates = cJSON_CreateObject();
        cJSON_AddStringToObject(o, "migration", t->config->name);
        cJSON_AddStringToObject(o, "phase", phase_name(t->phase));
        cJSON_AddItemToObject(gates, "dual-write", gates_json(&dual));
        cJSON_AddItemToObject(gates, "cutover", gates_json(&cut));
        cJSON_AddItemToObject(o, "gates", gates);
        cJSON_AddStringToObject(o, "markdown", buf_ptr(&b));
        call_ok(c, o);
    }
    buf_free(&b);
}

void cmd_plan(struct call *c)
{
    char error[CONTROL_ERROR_SIZE];
    struct target t;
    if (!call_target_now(c, &t))
        return;
    struct db *d = control_db(c->control, error, sizeof(error));
    if (d)
        run_plan(c, d, &t);
    else
        call_fail(c, "%s", error);
    db_close(d);
    target_release(&t);
}
