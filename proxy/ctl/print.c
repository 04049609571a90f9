/* One printer a command in a table; an answer that has none is printed as "name: value" lines, so a newer
 * proxy's answers are readable too. */
#include "proxy/ctl/print.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const cJSON *member(const cJSON *o, const char *name)
{
    return cJSON_GetObjectItemCaseSensitive(o, name);
}

static const char *text(const cJSON *o, const char *name)
{
    const char *s = cJSON_GetStringValue(member(o, name));
    return s ? s : "";
}

static double number(const cJSON *o, const char *name)
{
    const cJSON *n = member(o, name);
    return cJSON_IsNumber(n) ? n->valuedouble : 0;
}

static bool is_true(const cJSON *o, const char *name)
{
    return cJSON_IsTrue(member(o, name));
}

/* ---- anything --------------------------------------------------------------------------------------- */

static void print_value(const cJSON *v, int indent);

static void print_members(const cJSON *o, int indent)
{
    for (const cJSON *m = o->child; m; m = m->next) {
        if (indent == 0 && m->string && strcmp(m->string, "ok") == 0)
            continue;
        printf("%*s%s%s", indent, "", m->string ? m->string : "-", m->string ? ":" : "");
        print_value(m, indent);
    }
}

static void print_value(const cJSON *v, int indent)
{
    if (cJSON_IsObject(v) || cJSON_IsArray(v)) {
        printf("%s\n", v->child ? "" : " none");
        print_members(v, indent + 2);
    } else if (cJSON_IsString(v)) {
        printf(" %s\n", v->valuestring);
    } else {
        char *s = cJSON_PrintUnformatted(v);
        printf(" %s\n", s ? s : "?");
        cJSON_free(s);
    }
}

static void print_any(const cJSON *line)
{
    print_members(line, 0);
}

/* ---- the commands ----------------------------------------------------------------------------------- */

/* A name that a client gave itself: a terminal would obey what control characters are in it. */
static void print_name(const char *label, const char *name)
{
    printf("%s", label);
    for (; *name; name++)
        putchar((unsigned char)*name < 0x20 || *name == 0x7f ? '?' : *name);
}

static void print_sessions_of(const cJSON *list)
{
    const cJSON *s;
    cJSON_ArrayForEach(s, list)
    {
        printf("  session %.0f (thread %.0f)", number(s, "id"), number(s, "connection_id"));
        print_name(" ", text(s, "user"));
        print_name("@", text(s, "client"));
        print_name(" db=", text(s, "database"));
        if (*text(s, "program"))
            print_name(" program=", text(s, "program"));
        if (number(s, "pinned") > 0)
            printf(" pinned to generation %.0f for %.0f ms", number(s, "pinned"), number(s, "pinned_ms"));
        if (is_true(s, "in_transaction"))
            printf(" in a transaction");
        printf("\n");
    }
}

static void print_gates_of(const cJSON *list, FILE *out)
{
    const cJSON *g;
    cJSON_ArrayForEach(g, list)
    {
        fprintf(out, "  %-4s %-14s %s\n", is_true(g, "ok") ? "ok" : "GATE", text(g, "name"),
                text(g, "detail"));
        if (!is_true(g, "ok") && *text(g, "hint"))
            fprintf(out, "       %-14s -> %s\n", "", text(g, "hint"));
    }
}

static void print_backfill_of(const cJSON *b)
{
    printf("  backfill   %s", text(b, "state"));
    if (number(b, "rows") > 0)
        printf(", %.0f rows read, %.0f filled", number(b, "rows"), number(b, "changed"));
    if (member(b, "rows_per_second"))
        printf(", %.0f rows/s", number(b, "rows_per_second"));
    if (member(b, "eta_s"))
        printf(", about %.0f s to go", number(b, "eta_s"));
    if (*text(b, "waiting"))
        printf(", waiting: %s", text(b, "waiting"));
    if (*text(b, "reason"))
        printf(", %s", text(b, "reason"));
    printf("\n");
}

static void print_status(const cJSON *line)
{
    const cJSON *backend = member(line, "backend"), *m, *b;
    printf("crossfade %s  generation %.0f  clients %.0f  backend %s %s\n", text(line, "version"),
           number(line, "generation"), number(line, "clients"),
           is_true(backend, "up") ? "up" : (*text(backend, "error") ? "NOT USABLE:" : "not asked"),
           is_true(backend, "up") ? text(backend, "version") : text(backend, "error"));
    cJSON_ArrayForEach(b, member(line, "backends"))
    {
        printf("  %s %s for %.0f s%s%s%s\n", text(b, "address"), is_true(b, "up") ? "up" : "DOWN",
               number(b, "since_s"), is_true(b, "current") ? ", new sessions go there" : "",
               *text(b, "error") ? ": " : "", text(b, "error"));
    }
    if (*text(line, "waiting"))
        printf("  nothing can be changed: %s\n", text(line, "waiting"));
    cJSON_ArrayForEach(m, member(line, "migrations"))
    {
        const cJSON *drift = member(m, "drift"), *t = member(m, "traffic");
        printf("\n%s  %s\n", text(m, "name"), text(m, "table"));
        printf("  phase      %s", text(m, "phase"));
        if (*text(m, "flipping_to"))
            printf(" (flipping to %s)", text(m, "flipping_to"));
        printf(", since generation %.0f\n", number(m, "generation"));
        printf("  reads      %s%s\n", text(m, "reads"),
               strcmp(text(m, "reads_configured"), "old") == 0 ? " (reads = old in the file)" : "");
        print_backfill_of(member(m, "backfill"));
        if (cJSON_IsObject(drift))
            printf("  drift      %.0f of %.0f rows, %.0f without a way back (verified %s UTC)\n",
                   number(drift, "drift"), number(drift, "rows"), number(drift, "back_failed"),
                   text(drift, "at"));
        else
            printf("  drift      not verified\n");
        printf("  traffic    %.0f reads, %.0f writes, %.0f rewritten, %.0f refused, %.0f passed\n",
               number(t, "reads"), number(t, "writes"), number(t, "rewritten"), number(t, "refused"),
               number(t, "passed"));
        if (*text(m, "problem"))
            printf("  PROBLEM    %s\n", text(m, "problem"));
    }
}

static void print_flip(const cJSON *line)
{
    if (is_true(line, "dry_run")) {
        printf("%s: %s to %s would pass (dry run)\n", text(line, "migration"), text(line, "from"),
               text(line, "to"));
        print_gates_of(member(line, "gates"), stdout);
        return;
    }
    printf("%s: %s to %s, generation %.0f, in force after %.3f ms, ", text(line, "migration"),
           text(line, "from"), text(line, "to"), number(line, "generation"), number(line, "in_force_ms"));
    if (is_true(line, "drained"))
        printf("drained after %.3f ms, waited for %.0f transactions", number(line, "drained_ms"),
               number(line, "waited_for"));
    else
        printf("not drained in time, held by:");
    printf("%s\n", is_true(line, "forced") ? " (forced)" : "");
    print_sessions_of(member(line, "sessions"));
}

static void print_events(const cJSON *line)
{
    const cJSON *e;
    cJSON_ArrayForEach(e, member(line, "events"))
    {
        printf("%s  %-10s %-16s %-12s %-10s", text(e, "at"), text(e, "who"), text(e, "migration"),
               text(e, "what"), text(e, "outcome"));
        if (number(e, "generation") > 0)
            printf(" generation %.0f", number(e, "generation"));
        if (is_true(e, "forced"))
            printf(" FORCED");
        printf("%s%s\n", *text(e, "detail") ? "  " : "", text(e, "detail"));
    }
}

static void print_sessions(const cJSON *line)
{
    print_sessions_of(member(line, "sessions"));
}

static void print_help(const cJSON *line)
{
    const cJSON *k;
    cJSON_ArrayForEach(k, member(line, "commands"))
    {
        char head[64];
        snprintf(head, sizeof(head), "%s %s", text(k, "name"), text(k, "arguments"));
        printf("  %-42s %s\n", head, text(k, "help"));
    }
}

static void print_keys(const char *label, const cJSON *keys)
{
    const cJSON *k;
    cJSON_ArrayForEach(k, keys)
    {
        printf("  %s: %s\n", label, k->valuestring ? k->valuestring : "?");
    }
}

static void print_verify(const cJSON *line)
{
    printf("%s: %.0f rows, %.0f drift, %.0f without a way back", text(line, "migration"),
           number(line, "rows"), number(line, "drift"), number(line, "back_failed"));
    if (member(line, "not_invertible"))
        printf(", %.0f not invertible", number(line, "not_invertible"));
    if (member(line, "not_monotonic"))
        printf(", %.0f not monotonic", number(line, "not_monotonic"));
    printf("\n");
    print_keys("drifts", member(line, "drift_keys"));
    print_keys("no way back", member(line, "back_failed_keys"));
    print_keys("not invertible", member(line, "not_invertible_keys"));
    print_keys("not monotonic", member(line, "not_monotonic_keys"));
}

static void print_backfill(const cJSON *line)
{
    if (is_true(line, "dry_run")) {
        print_any(line);
        return;
    }
    printf("%s:\n", text(line, "migration"));
    print_backfill_of(line);
}

static void print_expand(const cJSON *line)
{
    const cJSON *s;
    cJSON_ArrayForEach(s, member(line, "ddl"))
    {
        printf("%s;\n", s->valuestring ? s->valuestring : "");
    }
    if (*text(line, "note"))
        printf("-- %s\n", text(line, "note"));
}

static void print_plan(const cJSON *line)
{
    fputs(text(line, "markdown"), stdout);
}

static void print_done(const cJSON *line)
{
    (void)line;
    printf("done\n");
}

static const struct {
    const char *command;
    void (*print)(const cJSON *line);
} printers[] = {
    {"status", print_status}, {"dual-write", print_flip}, {"cutover", print_flip},
    {"rollback", print_flip}, {"events", print_events},   {"sessions", print_sessions},
    {"help", print_help},     {"verify", print_verify},   {"backfill", print_backfill},
    {"expand", print_expand}, {"plan", print_plan},       {"reload", print_done},
    {"drain", print_done},
};

static void print_progress(const cJSON *p)
{
    bool terminal = isatty(STDOUT_FILENO) != 0;
    if (member(p, "to")) {
        print_flip(p);
        return;
    }
    printf("%s%.0f rows", terminal ? "\r" : "", number(p, "rows"));
    if (number(p, "estimate") > 0)
        printf(" of about %.0f", number(p, "estimate"));
    if (member(p, "rows_per_second"))
        printf(", %.0f rows/s", number(p, "rows_per_second"));
    if (member(p, "eta_s"))
        printf(", about %.0f s to go", number(p, "eta_s"));
    if (*text(p, "waiting"))
        printf(", waiting: %s", text(p, "waiting"));
    printf("%s", terminal ? "   " : "\n");
    fflush(stdout);
}

static void print_failure(const cJSON *line)
{
    fprintf(stderr, "crossfadectl: %s\n", text(line, "error"));
    print_gates_of(member(line, "gates"), stderr);
    fflush(stderr);
    print_sessions_of(member(line, "sessions"));
}

void print_answer(const char *command, const cJSON *line)
{
    if (member(line, "progress")) {
        print_progress(member(line, "progress"));
        return;
    }
    if (!is_true(line, "ok")) {
        print_failure(line);
        return;
    }
    for (size_t i = 0; i < sizeof(printers) / sizeof(printers[0]); i++)
        if (strcmp(printers[i].command, command) == 0) {
            printers[i].print(line);
            return;
        }
    print_any(line);
}
