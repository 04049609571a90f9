/* The store: what must survive a restart, as rows of the sidecar database on the backend itself.
 *
 *   state          one row: the schema's version and the generation, which only grows
 *   migrations     one row a migration: phase, and the intent of a flip that is under way
 *   backfills      one row a migration: the checkpoint of its backfill
 *   verifications  one row a migration: what the last verify found
 *   events         who did what, when, with which outcome
 *
 * A flip writes its intent before it acts (store_intend) and its end after (store_settle, store_forget), so
 * that a process that died in between is known: store_load tells the intent, and control.c undoes or
 * completes it. Functions that write say failure with false; the reason is in the db's error. */
#ifndef PROXY_MIGRATION_STORE_H
#define PROXY_MIGRATION_STORE_H

#include "proxy/migration/db.h"
#include "proxy/rewrite/rules.h"

enum { STORE_SCHEMA_VERSION = 1, STORE_NAME_SIZE = 65, STORE_TEXT_SIZE = 1024 };

enum backfill_state {
    BACKFILL_NONE, /* never started, or void since a rollback to expand */
    BACKFILL_RUNNING,
    BACKFILL_PAUSED,
    BACKFILL_COMPLETE,
    BACKFILL_FAILED,
    BACKFILL_CANCELLED,
};

const char *backfill_state_name(enum backfill_state s);

struct stored_backfill {
    enum backfill_state state;
    uint64_t rows;       /* read so far */
    uint64_t changed;    /* of them, rows that had to be filled */
    uint64_t estimate;   /* rows of the table by its statistics when it began; 0: not known */
    uint64_t generation; /* of the dual-write that it belongs to */
    char *last_key;      /* malloc'ed SQL literals of the last row done, comma-separated; NULL: none yet */
    char *upper_key;     /* the same of the row where it ends; NULL: the table was empty */
    char error[STORE_TEXT_SIZE];
};

/* Whether the rows kept what the configuration promises of them. */
struct stored_promise {
    bool asked; /* else it was not made then, or the server could not tell */
    uint64_t broken;
    char keys[256]; /* of some rows that did not, "1, 5, 9" */
};

struct stored_verification {
    bool valid;
    uint64_t rows, drift, back_failed;
    struct stored_promise inverse, order; /* of invertible, of monotonic */
    uint64_t generation;                  /* of the dual-write that it looked at */
    char finished_at[32];
};

struct stored_migration {
    char name[STORE_NAME_SIZE];
    enum phase phase;
    bool has_intent;
    enum phase intent;
    uint64_t generation; /* of the flip that made the phase */
    uint64_t
        dual_write_generation; /* of the flip to dual-write that the present backfill belongs to; 0: none */
    char *definition;          /* malloc'ed: store_definition() of the config that it was flipped under */
    struct stored_backfill backfill;
    struct stored_verification verification;
};

struct stored_event {
    const char *who, *migration, *what, *outcome, *detail; /* migration and detail may be NULL */
    bool forced;
    uint64_t generation; /* 0: none */
};

/* What of a migration must not change while it is not in expand, as one text (malloc'ed; NULL: memory). */
char *store_definition(const struct config_migration *m);

/* Creates what is missing of the database and its tables, and checks the schema's version. */
bool store_prepare(struct db *d, const char *database, char *error, size_t error_size);

/* Makes this connection the one that serves the sidecar database, for as long as it lives: two proxies that
 * do not know of each other's flips would let the two sides drift. false with the reason where another one
 * has it, after a short wait (for a predecessor that was killed). */
bool store_lock(struct db *d, const char *database, char *error, size_t error_size);

/* Makes this connection the one that locks it next: nobody gets between it and the one that serves now.
 * Counts: each success is undone by store_leave_queue(), or with the connection. */
bool store_queue(struct db *d, const char *database, char *error, size_t error_size);
bool store_leave_queue(struct db *d, const char *database);

/* All migrations that the store knows (malloc'ed; release with store_free_list) and the generation. */
bool store_load(struct db *d, const char *database, struct stored_migration **list, size_t *count,
                uint64_t *generation);
void store_free_list(struct stored_migration *list, size_t count);

/* The next generation: more than the store's and more than `floor`. */
bool store_next_generation(struct db *d, const char *database, uint64_t floor, uint64_t *out);

/* In one transaction: the next generation, and the intent to take a migration (whose row is made where it is
 * missing) from `from` to `to`. */
bool store_intend(struct db *d, const char *database, const struct config_migration *m, enum phase from,
                  enum phase to, uint64_t floor, uint64_t *generation);

/* In one transaction: the phase is `phase` by flip `generation`, the intent is over, the backfill and its
 * verification are void where `void_backfill`, and the event is written. */
bool store_settle(struct db *d, const char *database, const char *name, enum phase phase, uint64_t generation,
                  bool void_backfill, const struct stored_event *event);

/* The intent is over and nothing came of it. */
bool store_forget(struct db *d, const char *database, const char *name, const struct stored_event *event);

bool store_event(struct db *d, const char *database, const struct stored_event *event);

/* Reads one migration's backfill row; a missing one gives BACKFILL_NONE. The keys are malloc'ed. */
bool store_read_backfill(struct db *d, const char *database, const char *name, struct stored_backfill *out);

/* Writes the whole backfill row; store_checkpoint only what moves, inside the chunk's transaction. */
bool store_backfill(struct db *d, const char *database, const char *name, const struct stored_backfill *b);
bool store_checkpoint(struct db *d, const char *database, const char *name, const struct stored_backfill *b);

/* What was verified before says nothing any more. */
bool store_void_verification(struct db *d, const char *database, const char *name);
bool store_verification(struct db *d, const char *database, const char *name,
                        const struct stored_verification *v);

/* The latest events, oldest first, of one migration or (NULL) all, as rows
 * id, at, who, migration, what, outcome, forced, generation, detail. */
bool store_events(struct db *d, const char *database, const char *migration, unsigned limit,
                  struct db_result *out);

#endif
