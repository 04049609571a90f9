/* The inside of struct control, for control.c, control_load.c, steering.c, flip.c, reload.c and jobs.c alone.
 *
 * `lock` guards every field but those that are said to be constant. It is never held over a statement to
 * the backend or over a barrier; it is held over publisher.publish, so that generations reach the workers in
 * order. `reload_lock` makes reloads follow one another and is taken before `lock`. */
#ifndef PROXY_MIGRATION_CONTROL_INTERNAL_H
#define PROXY_MIGRATION_CONTROL_INTERNAL_H

#include <pthread.h>

#include "proxy/migration/control.h"

struct job;

/* Never freed before the control: sessions count into `counters` by old snapshots. */
struct migration {
    const struct config_migration *config;
    bool removed; /* by a reload; only its counters are kept */
    enum phase phase;
    uint64_t generation;
    uint64_t dual_write_generation;
    struct backfill_view backfill;
    uint64_t backfill_generation;
    struct stored_verification verification;
    struct rule_counters counters;
    struct job *job; /* the running backfill; NULL: none */
};

struct control {
    pthread_mutex_t lock, reload_lock;
    pthread_cond_t changed; /* the keeper has something to do, or has done it; a job ended */

    struct config *config;
    struct config **retired; /* configs of before: rules and workers may still point into them */
    size_t retired_count;
    config_expression_check *check; /* constant */
    char *sidecar;                  /* constant: a change of it needs a restart */

    struct migration **migrations;
    size_t migration_count;

    struct publisher publisher; /* constant from control_start on */
    struct snapshot *current;   /* the snapshot published last */
    uint64_t generation;
    uint64_t stored_generation; /* what the store is known to have reached */
    bool loaded, backend_up;
    char *backend;    /* the one that everybody is at, by its text in the configuration; NULL: none yet */
    bool handed_over; /* to a successor: this process changes nothing any more */
    bool successor;   /* of another process: likewise, until the sidecar database is ours */
    bool predecessor_lives; /* it still has sessions, and the sidecar's lock */
    char backend_error[CONTROL_ERROR_SIZE];
    struct db_server server;
    struct shared_catalog *catalog;

    struct migration *flipping; /* one flip at a time; NULL: none */
    enum phase flipping_to;
    char flipping_who[128];

    pthread_t keeper;
    bool keeper_runs, stopping;
    uint64_t tickets_given, tickets_served; /* changes of the catalog: reported, and read */
};

/* The rules as the migrations now stand become the snapshot of the next generation, at least `least`, and go
 * to the workers. `lock` is held. 0 with the reason on failure, else the generation. */
uint64_t control_publish(struct control *c, uint64_t least, char *error, size_t error_size);

/* By name, not removed; NULL. `lock` is held. */
struct migration *control_find(const struct control *c, const char *name);

/* Which side answers the reads: as the phase says, unless the file pins the old one. `lock` is held. */
enum side control_reads_of(const struct migration *m);

/* Adds one; NULL when memory is out. `lock` is held (or nobody else knows the control yet). */
struct migration *control_add(struct control *c, const struct config_migration *config);

/* Copies what the store says of a migration into it. `lock` is held. */
void control_take_stored(struct migration *m, const struct stored_migration *s);

/* Loads phases and catalog and publishes them: the first thing that a keeper does with a connection. */
bool control_load(struct control *c, struct db *d, char *error, size_t error_size);

/* Reads the catalog; publishes where it differs. */
bool control_read_catalog(struct control *c, struct db *d, char *error, size_t error_size);

/* ---- steering.c ---- */

/* The keeper's connection: to the backend that everybody is at, or, where that has failed or become
 * read-only, to the first one that takes writes. Then nobody is at any backend and nothing is loaded until
 * control_steer(). NULL with the reason. */
struct db *control_choose(struct control *c, char *error, size_t error_size);

/* A connection for a reload that brings migrations: by the new configuration, to the chosen backend. Where
 * there was none, one is chosen and everybody goes there. NULL with the reason. */
struct db *control_choose_for(struct control *c, const struct config *fresh, char *error, size_t error_size);

/* Sessions may go to the chosen backend from now on: what was loaded is of it. */
void control_steer(struct control *c);

/* Nobody needs to be at one and the same backend any more: the last migration has gone. */
void control_stop_steering(struct control *c);

/* Whether this connection of the keeper's is to where everybody should be: the backend may have left the
 * configuration, or have become read-only while another one takes writes. */
bool control_backend_stays(struct control *c, struct db *d);

/* Why nothing may be changed now, or NULL. `lock` is held. */
const char *control_refusal(const struct control *c);

/* Starts the backfills that a stop or a crash cut off (jobs.c). */
void jobs_resume(struct control *c);
/* Asks every job to stop and waits for them (jobs.c). */
void jobs_stop(struct control *c);
/* Asks the job of one migration to stop, its backfill becoming `state`, and waits. Takes `lock` itself. */
void job_stop(struct control *c, struct migration *m, enum backfill_state state);

#endif
