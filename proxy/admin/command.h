/* One call of one admin command, and what the commands' files share. */
#ifndef PROXY_ADMIN_COMMAND_H
#define PROXY_ADMIN_COMMAND_H

#include <cJSON.h>

#include "proxy/admin/admin.h"

enum { CALL_WORDS_MAX = 32 };

/* The options that a command may take, as bits of struct command.options. */
enum {
    OPT_FORCE = 1 << 0,
    OPT_DRY_RUN = 1 << 1,
    OPT_TIMEOUT = 1 << 2,
    OPT_APPLY = 1 << 3,
    OPT_DETACH = 1 << 4,
    OPT_TO = 1 << 5,
    OPT_LIMIT = 1 << 6,
    OPT_PART = 1 << 7, /* --percent, --user, --from */
    OPT_DROP = 1 << 8,
};

struct call {
    const struct admin_setup *setup;
    struct control *control;
    bool *handed_over;                 /* of the connection: cmd_handover sets it, cmd_drain clears it */
    const char *who;                   /* the client's user name */
    const char *name;                  /* the command's */
    const char *words[CALL_WORDS_MAX]; /* what stands behind it, without options */
    size_t word_count;
    bool force, dry_run, apply, detach, part, drop;
    const char *to;      /* --to PHASE */
    unsigned timeout_ms; /* --timeout S */
    unsigned limit;      /* --limit N */
    int fd;
    bool answered, broken; /* the last object was sent; the client is gone */
};

struct command {
    const char *name;
    const char *arguments; /* for help: "M", "[M]", "" */
    size_t min_words, max_words;
    unsigned options;
    const char *help;
    void (*run)(struct call *c);
};

/* All commands; the last one has no name. */
extern const struct command commands[];

/* Runs one line (NUL-terminated, changed by this) and answers it. */
void command_run(struct call *call, char *line);

/* Sends {"progress":object}; takes the object. false when the client is gone. */
bool call_progress(struct call *c, cJSON *object);
/* Ends the call with {"ok":true,…} of the object's members (NULL: none); takes the object. */
void call_ok(struct call *c, cJSON *object);
/* Ends the call with {"ok":false,"error":…}. */
void call_fail(struct call *c, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* The same with more members; takes the object. */
void call_fail_with(struct call *c, cJSON *object, const char *error);

/* The gates as JSON: [{"name","ok","detail","hint"}]. */
cJSON *gates_json(const struct gate_list *l);
cJSON *sessions_json(const struct session_info *s, size_t count);

/* Adds a backfill's members to an object: state, rows, …; why it failed is in "reason". */
void add_backfill(cJSON *o, const struct backfill_view *b);

/* The migration that the first word names, or NULL after an answer that says it is not there. */
bool call_target(struct call *c, struct target *out);

/* Has the tables read as they are now, for the migration that the first word names: what is known may be
 * minutes old, or have been changed behind our back. Waits some seconds for a backend that does not answer,
 * and then goes by what was known. false as call_target(). */
bool call_refresh(struct call *c);

/* Both. */
bool call_target_now(struct call *c, struct target *out);

/* The commands, by file. */
void cmd_status(struct call *c);
void cmd_events(struct call *c);
void cmd_sessions(struct call *c);
void cmd_version(struct call *c);
void cmd_help(struct call *c);
void cmd_reload(struct call *c);
void cmd_drain(struct call *c);
void cmd_handover(struct call *c);
void cmd_dual_write(struct call *c);
void cmd_cutover(struct call *c);
void cmd_rollback(struct call *c);
void cmd_plan(struct call *c);
void cmd_expand(struct call *c);
void cmd_backfill(struct call *c);
void cmd_verify(struct call *c);
void cmd_later(struct call *c);

#endif
