/* The table of commands; from a line to a call, and from a call to JSON lines. */
#include "proxy/admin/command.h"

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

#define FLIP_OPTIONS (OPT_FORCE | OPT_DRY_RUN | OPT_TIMEOUT)

enum { CATALOG_MS = 5000 }; /* how long reading it is waited for */
enum { DEFAULT_TIMEOUT_MS = 10000, MAX_TIMEOUT_S = 3600, DEFAULT_LIMIT = 100, MAX_LIMIT = 10000 };

const struct command commands[] = {
    {"status", "[M]", 0, 1, 0, "every migration: phase, reads, generation, backfill, drift, traffic",
     cmd_status},
    {"plan", "M", 1, 1, 0, "the steps, the rollback of each, and what the gates say now", cmd_plan},
    {"expand", "M", 1, 1, OPT_APPLY | OPT_FORCE | OPT_DRY_RUN,
     "prints the DDL that adds the new columns; --apply runs it", cmd_expand},
    {"dual-write", "M", 1, 1, FLIP_OPTIONS, "writes fill both sides from now on; waits for the barrier",
     cmd_dual_write},
    {"backfill", "M [pause|resume|cancel|status]", 1, 2, OPT_DETACH | OPT_FORCE | OPT_DRY_RUN,
     "fills the new columns of the rows there are; starts or resumes, and shows its progress", cmd_backfill},
    {"verify", "M", 1, 1, 0, "compares the two sides, row by row", cmd_verify},
    {"cutover", "M", 1, 1, FLIP_OPTIONS | OPT_PART, "reads are answered from the new columns", cmd_cutover},
    {"rollback", "M", 1, 1, FLIP_OPTIONS | OPT_TO, "one phase back, or to the phase of --to", cmd_rollback},
    {"contract", "M", 1, 1, FLIP_OPTIONS | OPT_DROP, "stops writing the old columns (not in this version)",
     cmd_later},
    {"inventory", "M", 1, 1, 0, "the digests that read or write its columns (not in this version)",
     cmd_later},
    {"events", "[M]", 0, 1, OPT_LIMIT, "who did what, when, with which outcome", cmd_events},
    {"sessions", "", 0, 0, 0, "the clients, and what they are pinned to", cmd_sessions},
    {"reload", "", 0, 0, 0, "reads the configuration file again", cmd_reload},
    {"drain", "", 0, 0, 0, "takes no new clients, lets transactions end, then stops", cmd_drain},
    {"handover", "", 0, 0, 0,
     "changes nothing more, for a successor that says drain when it serves (--takeover)", cmd_handover},
    {"version", "", 0, 0, 0, "of the proxy and of the backend", cmd_version},
    {"help", "[COMMAND]", 0, 1, 0, "this list", cmd_help},
    {0},
};

/* ---- options ---------------------------------------------------------------------------------------- */

static bool number_of(const char *word, unsigned max, double *out)
{
    char *end;
    *out = strtod(word, &end);
    return end != word && !*end && *out >= 0 && *out <= max;
}

static const char *take_to(struct call *c, const char *value)
{
    enum phase p;
    c->to = value;
    return phase_of(value, &p) ? NULL : "--to: expected expand, dual-write or cutover";
}

static const char *take_timeout(struct call *c, const char *value)
{
    double s;
    if (!number_of(value, MAX_TIMEOUT_S, &s))
        return "--timeout: expected seconds, at most 3600";
    c->timeout_ms = (unsigned)(s * 1000);
    return NULL;
}

static const char *take_limit(struct call *c, const char *value)
{
    double n;
    if (!number_of(value, MAX_LIMIT, &n) || n < 1)
        return "--limit: expected a number from 1 to 10000";
    c->limit = (unsigned)n;
    return NULL;
}

static const char *take_part(struct call *c, const char *value)
{
    (void)value;
    c->part = true;
    return NULL;
}

static const struct option {
    const char *name;
    unsigned bit;
    size_t flag; /* offset of a bool in struct call, where the option has no value */
    const char *(*take)(struct call *c, const char *value); /* gives a reason, or NULL */
} options[] = {
    {"--force", OPT_FORCE, offsetof(struct call, force), NULL},
    {"--dry-run", OPT_DRY_RUN, offsetof(struct call, dry_run), NULL},
    {"--apply", OPT_APPLY, offsetof(struct call, apply), NULL},
    {"--detach", OPT_DETACH, offsetof(struct call, detach), NULL},
    {"--drop", OPT_DROP, offsetof(struct call, drop), NULL},
    {"--to", OPT_TO, 0, take_to},
    {"--timeout", OPT_TIMEOUT, 0, take_timeout},
    {"--limit", OPT_LIMIT, 0, take_limit},
    {"--percent", OPT_PART, 0, take_part},
    {"--user", OPT_PART, 0, take_part},
    {"--from", OPT_PART, 0, take_part},
};

static const struct option *option_of(const char *word, const char **inline_value)
{
    for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++) {
        size_t n = strlen(options[i].name);
        if (strncmp(word, options[i].name, n) != 0 || (word[n] && word[n] != '='))
            continue;
        *inline_value = word[n] == '=' ? word + n + 1 : NULL;
        return &options[i];
    }
    return NULL;
}

/* Sorts the words of a line into options and words. false after an answer. */
static bool take_words(struct call *c, const struct command *command, char **words, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const char *value;
        if (strncmp(words[i], "--", 2) != 0) {
            c->words[c->word_count++] = words[i];
            continue;
        }
        const struct option *o = option_of(words[i], &value);
        if (strcmp(words[i], "--json") == 0)
            continue; /* the answer is JSON in any case */
        if (!o || !(command->options & o->bit) || (!o->take && value)) {
            call_fail(c, "usage: %s does not know %s", command->name, words[i]);
            return false;
        }
        if (!o->take) {
            *(bool *)((char *)c + o->flag) = true;
            continue;
        }
        if (!value && i + 1 < count)
            value = words[++i];
        const char *reason = value ? o->take(c, value) : "a value is missing";
        if (reason) {
            call_fail(c, "usage: %s: %s", words[i], reason);
            return false;
        }
    }
    if (c->word_count < command->min_words || c->word_count > command->max_words) {
        call_fail(c, "usage: %s %s", command->name, command->arguments);
        return false;
    }
    return true;
}

/* ---- lines ------------------------------------------------------------------------------------------ */

/* Splits at blanks, in place; "quoted words" may hold blanks, and \" and \\ in them. */
static size_t split(char *line, char **words, size_t max)
{
    size_t count = 0;
    char *p = line;
    for (;;) {
        p += strspn(p, " \t\r\n");
        if (!*p)
            return count;
        if (count == max)
            return max + 1;
        char *out = p;
        words[count++] = out;
        bool quoted = false;
        for (; *p && (quoted || !strchr(" \t\r\n", *p)); p++) {
            if (*p == '"')
                quoted = !quoted;
            else {
                if (*p == '\\' && quoted && p[1])
                    p++;
                *out++ = *p;
            }
        }
        bool last = !*p;
        *out = '\0';
        if (last)
            return count;
        p++;
    }
}

void command_run(struct call *c, char *line)
{
    char *words[CALL_WORDS_MAX];
    size_t count = split(line, words, CALL_WORDS_MAX);
    if (count == 0) {
        call_fail(c, "usage: an empty line; help lists the commands");
        return;
    }
    if (count > CALL_WORDS_MAX) {
        call_fail(c, "usage: more than %d words", CALL_WORDS_MAX);
        return;
    }
    const struct command *command = commands;
    while (command->name && strcmp(command->name, words[0]) != 0)
        command++;
    if (!command->name) {
        call_fail(c, "usage: unknown command %s; help lists the commands", words[0]);
        return;
    }
    c->name = command->name;
    c->timeout_ms = DEFAULT_TIMEOUT_MS;
    c->limit = DEFAULT_LIMIT;
    if (take_words(c, command, words + 1, count - 1))
        command->run(c);
    if (!c->answered)
        call_fail(c, "%s gave no answer", c->name);
}

/* ---- answers ---------------------------------------------------------------------------------------- */

static void send_all(struct call *c, const char *p, size_t len)
{
    while (len && !c->broken) {
        ssize_t n = send(c->fd, p, len, MSG_NOSIGNAL);
        if (n > 0) {
            p += n;
            len -= (size_t)n;
        } else if (n < 0 && errno == EINTR) {
            continue;
        } else {
            c->broken = true; /* gone, or it has not read for longer than SO_SNDTIMEO */
        }
    }
}

/* Bytes of the character at `p`, 0: they are no UTF-8. A NUL ends what `p` is in. */
static size_t utf8_character(const unsigned char *p)
{
    size_t n = *p < 0x80 ? 1 : *p < 0xc2 ? 0 : *p < 0xe0 ? 2 : *p < 0xf0 ? 3 : *p < 0xf5 ? 4 : 0;
    for (size_t i = 1; i < n; i++)
        if ((p[i] & 0xc0) != 0x80)
            return 0;
    bool longer_than_needed = (*p == 0xe0 && p[1] < 0xa0) || (*p == 0xf0 && p[1] < 0x90);
    bool no_character = (*p == 0xed && p[1] > 0x9f) || (*p == 0xf4 && p[1] > 0x8f);
    return longer_than_needed || no_character ? 0 : n;
}

/* What clients call themselves need not be UTF-8, and is cut where a buffer ends; JSON has to be. */
static void make_utf8(char *text)
{
    for (size_t n; *text; text += n ? n : 1)
        if ((n = utf8_character((unsigned char *)text)) == 0)
            *text = '?';
}

/* Sends one object as a line; takes it. */
static void send_json(struct call *c, cJSON *object)
{
    char *text = object ? cJSON_PrintUnformatted(object) : NULL;
    cJSON_Delete(object);
    if (text) {
        make_utf8(text);
        send_all(c, text, strlen(text));
        send_all(c, "\n", 1);
    } else {
        static const char failed[] = "{\"ok\":false,\"error\":\"out of memory\"}\n";
        send_all(c, failed, sizeof(failed) - 1);
    }
    cJSON_free(text);
}

bool call_progress(struct call *c, cJSON *object)
{
    cJSON *line = cJSON_CreateObject();
    cJSON_AddItemToObject(line, "progress", object);
    send_json(c, line);
    struct pollfd gone = {.fd = c->fd, .events = POLLRDHUP};
    if (poll(&gone, 1, 0) > 0 && (gone.revents & (POLLHUP | POLLERR)))
        c->broken = true;
    return !c->broken;
}

/* {"ok":…} first, then the object's members. */
static void answer(struct call *c, bool ok, const char *error, cJSON *object)
{
    cJSON *line = cJSON_CreateObject();
    cJSON_AddBoolToObject(line, "ok", ok);
    if (error)
        cJSON_AddStringToObject(line, "error", error);
    while (object && object->child) {
        cJSON *member = cJSON_DetachItemViaPointer(object, object->child);
        char name[64];
        snprintf(name, sizeof(name), "%s", member->string ? member->string : "");
        cJSON_AddItemToObject(line, name, member);
    }
    cJSON_Delete(object);
    send_json(c, line);
    c->answered = true;
}

void call_ok(struct call *c, cJSON *object)
{
    answer(c, true, NULL, object);
}

void call_fail_with(struct call *c, cJSON *object, const char *error)
{
    answer(c, false, error, object);
}

void call_fail(struct call *c, const char *fmt, ...)
{
    char error[CONTROL_ERROR_SIZE + 256];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(error, sizeof(error), fmt, ap);
    va_end(ap);
    answer(c, false, error, NULL);
}

cJSON *gates_json(const struct gate_list *l)
{
    cJSON *array = cJSON_CreateArray();
    for (size_t i = 0; i < l->count; i++) {
        const struct gate *g = &l->gates[i];
        cJSON *o = cJSON_CreateObject();
        cJSON_AddStringToObject(o, "name", g->name);
        cJSON_AddBoolToObject(o, "ok", g->ok);
        cJSON_AddStringToObject(o, "detail", g->detail);
        cJSON_AddStringToObject(o, "hint", g->hint);
        cJSON_AddBoolToObject(o, "force_opens", !g->ok && !g->hard);
        cJSON_AddItemToArray(array, o);
    }
    return array;
}

cJSON *sessions_json(const struct session_info *s, size_t count)
{
    cJSON *array = cJSON_CreateArray();
    for (size_t i = 0; i < count; i++) {
        cJSON *o = cJSON_CreateObject();
        cJSON_AddNumberToObject(o, "id", (double)s[i].id);
        cJSON_AddNumberToObject(o, "connection_id", s[i].connection_id);
        cJSON_AddStringToObject(o, "user", s[i].user);
        cJSON_AddStringToObject(o, "client", s[i].client);
        cJSON_AddStringToObject(o, "database", s[i].database);
        cJSON_AddStringToObject(o, "program", s[i].program);
        cJSON_AddNumberToObject(o, "pinned", (double)s[i].pinned);
        cJSON_AddNumberToObject(o, "pinned_ms", (double)s[i].pinned_ms);
        cJSON_AddBoolToObject(o, "in_transaction", s[i].in_transaction);
        cJSON_AddItemToArray(array, o);
    }
    return array;
}

bool call_target(struct call *c, struct target *out)
{
    char error[CONTROL_ERROR_SIZE];
    if (control_target(c->control, c->words[0], out, error, sizeof(error)))
        return true;
    call_fail(c, "%s", error);
    return false;
}

bool call_refresh(struct call *c)
{
    struct target t;
    if (!call_target(c, &t))
        return false;
    target_release(&t);
    control_refresh_catalog(c->control, CATALOG_MS);
    return true;
}

bool call_target_now(struct call *c, struct target *out)
{
    return call_refresh(c) && call_target(c, out);
}
