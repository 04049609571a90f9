/* What the control learns from the backend: phases from the store, the catalog from information_schema; and
 * how a new snapshot is made of them and published. */
#include <stdio.h>
#include <stdlib.h>

#include "config/log.h"
#include "proxy/migration/catalog_load.h"
#include "proxy/migration/clock.h"
#include "proxy/migration/control_internal.h"
#include "proxy/migration/phases.h"

enum { READS_OF_MISSING = 5, MISSING_PAUSE_MS = 10 };

/* ---- publishing ------------------------------------------------------------------------------------- */

uint64_t control_publish(struct control *c, uint64_t least, char *error, size_t error_size)
{
    struct rule_input *inputs = calloc(c->migration_count + 1, sizeof(*inputs));
    size_t count = 0;
    if (!inputs) {
        snprintf(error, error_size, "out of memory");
        return 0;
    }
    for (size_t i = 0; i < c->migration_count; i++) {
        struct migration *m = c->migrations[i];
        if (m->removed)
            continue;
        inputs[count++] = (struct rule_input){m->config, m->phase, control_reads_of(m), &m->counters};
    }
    struct rules *rules =
        rules_build(inputs, count, c->catalog ? c->catalog->catalog : NULL, c->server.fold_table_names,
                    c->server.mariadb, c->server.version, error, error_size);
    free(inputs);
    if (!rules)
        return 0;
    uint64_t generation = c->generation + 1 > least ? c->generation + 1 : least;
    struct snapshot *s = snapshot_new(generation, rules, shared_catalog_ref(c->catalog));
    if (!s) {
        snprintf(error, error_size, "out of memory");
        return 0;
    }
    c->generation = generation;
    c->publisher.publish(c->publisher.ctx, s);
    snapshot_unref(c->current);
    c->current = s;
    return generation;
}

/* ---- the catalog ------------------------------------------------------------------------------------ */

/* Generations that were published without the store (catalog, reload) are made known to it afterwards. */
static bool lift_stored_generation(struct control *c, struct db *d)
{
    pthread_mutex_lock(&c->lock);
    uint64_t generation = c->generation;
    bool behind = c->stored_generation < generation;
    pthread_mutex_unlock(&c->lock);
    if (!behind)
        return true;
    if (!db_runf(d, "UPDATE `%s`.state SET generation = GREATEST(generation, %llu) WHERE id = 1", c->sidecar,
                 (unsigned long long)generation))
        return false;
    pthread_mutex_lock(&c->lock);
    if (c->stored_generation < generation)
        c->stored_generation = generation;
    pthread_mutex_unlock(&c->lock);
    return true;
}

/* Whether a migration's table is missing that was there before. */
static bool misses_table(const struct config *config, const struct catalog *before,
                         const struct catalog *fresh)
{
    for (size_t i = 0; i < config->migration_count; i++) {
        struct span db = span_of(config->migrations[i].db), table = span_of(config->migrations[i].table);
        if (catalog_find(before, db, table) && !catalog_find(fresh, db, table))
            return true;
    }
    return false;
}

/* While the server puts a table's new version in the old one's place (ALTER TABLE by a copy),
 * information_schema may have neither for some milliseconds: a table is gone when it is missing time and
 * again. */
static struct catalog *load_catalog(struct control *c, struct db *d, const struct catalog *before,
                                    char *error, size_t error_size)
{
    const struct config *config = control_config(c);
    struct catalog *fresh = catalog_load(d, config, before, error, error_size);
    for (int again = 0; again < READS_OF_MISSING && before && fresh; again++) {
        if (!misses_table(config, before, fresh))
            break;
        catalog_free(fresh);
        clock_rest(MISSING_PAUSE_MS);
        fresh = catalog_load(d, config, before, error, error_size);
    }
    return fresh;
}

bool control_read_catalog(struct control *c, struct db *d, char *error, size_t error_size)
{
    pthread_mutex_lock(&c->lock);
    struct shared_catalog *known = shared_catalog_ref(c->catalog);
    pthread_mutex_unlock(&c->lock);
    struct catalog *fresh = load_catalog(c, d, known ? known->catalog : NULL, error, error_size);
    struct shared_catalog *shared = fresh ? shared_catalog_new(fresh) : NULL;
    shared_catalog_unref(known);
    if (!shared)
        return false;
    pthread_mutex_lock(&c->lock);
    bool ok = true;
    bool same =
        c->catalog && catalog_equal(c->catalog->catalog, fresh) && c->server.version == db_server(d)->version;
    if (!same) {
        struct shared_catalog *before = c->catalog;
        c->catalog = shared;
        c->server = *db_server(d);
        shared = before;
        ok = !c->loaded || control_publish(c, 0, error, error_size) != 0;
    }
    pthread_mutex_unlock(&c->lock);
    shared_catalog_unref(shared);
    if (ok && !lift_stored_generation(c, d)) {
        snprintf(error, error_size, "%s", db_error(d));
        return false;
    }
    return ok;
}

/* ---- the phases ------------------------------------------------------------------------------------- */

void control_take_stored(struct migration *m, const struct stored_migration *s)
{
    const struct stored_backfill *b = &s->backfill;
    m->phase = s->phase;
    m->generation = s->generation;
    m->dual_write_generation = s->dual_write_generation;
    m->backfill = (struct backfill_view){
        .state = b->state, .rows = b->rows, .changed = b->changed, .estimate = b->estimate, .eta_s = -1};
    snprintf(m->backfill.error, sizeof(m->backfill.error), "%s", b->error);
    m->backfill_generation = b->generation;
    m->verification = s->verification;
}

/* A flip that a crash cut off: undone where it led forward, completed where it led back. */
static bool recover(struct control *c, struct db *d, struct stored_migration *s, uint64_t generation)
{
    enum phase phase = phase_recovered(s->phase, s->intent);
    bool undone = phase == s->phase;
    struct stored_event event = {.who = "crossfade",
                                 .migration = s->name,
                                 .what = "recover",
                                 .outcome = undone ? "undone" : "completed",
                                 .detail = phase_name(s->intent),
                                 .generation = generation};
    log_warn("migration %s: a flip from %s to %s was cut off; it is %s", s->name, phase_name(s->phase),
             phase_name(s->intent), event.outcome);
    s->has_intent = false;
    if (undone)
        return store_forget(d, c->sidecar, s->name, &event);
    bool voids = phase_flip_voids_backfill(s->phase, phase);
    if (!store_settle(d, c->sidecar, s->name, phase, generation, voids, &event))
        return false;
    s->phase = phase;
    s->generation = generation;
    if (voids) {
        s->dual_write_generation = 0;
        s->backfill.state = BACKFILL_NONE;
        s->verification.valid = false;
    }
    return true;
}

/* Whether the config still means what the phase was reached under. */
static bool check_definition(const struct config_migration *m, const struct stored_migration *s, char *error,
                             size_t error_size)
{
    char *definition = store_definition(m);
    bool same = definition && s->definition && strcmp(definition, s->definition) == 0;
    free(definition);
    if (same || s->phase == PHASE_EXPAND)
        return true;
    snprintf(error, error_size,
             "migration %s is in %s, and its table, columns or expressions in the configuration are not those"
             " that it was started with; give the old ones back, roll it back to expand, then change them",
             s->name, phase_name(s->phase));
    return false;
}

static const struct stored_migration *stored_named(const struct stored_migration *list, size_t count,
                                                   const char *name)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(list[i].name, name) == 0)
            return &list[i];
    return NULL;
}

static bool recover_all(struct control *c, struct db *d, struct stored_migration *list, size_t count,
                        uint64_t generation, char *error, size_t error_size)
{
    const struct config *config = control_config(c);
    for (size_t i = 0; i < count; i++) {
        const struct config_migration *m = config_find(config, list[i].name);
        if (!m) {
            if (list[i].phase != PHASE_EXPAND)
                log_warn(
                    "migration %s is in %s, and the configuration does not have it: its columns will drift",
                    list[i].name, phase_name(list[i].phase));
            continue;
        }
        if (list[i].has_intent && !recover(c, d, &list[i], generation)) {
            snprintf(error, error_size, "migration %s: its cut-off flip cannot be cleared up: %s",
                     list[i].name, db_error(d));
            return false;
        }
        if (!check_definition(m, &list[i], error, error_size))
            return false;
    }
    return true;
}

bool control_load(struct control *c, struct db *d, char *error, size_t error_size)
{
    static const struct stored_migration expand = {.phase = PHASE_EXPAND};
    struct stored_migration *list = NULL;
    size_t count = 0;
    uint64_t generation = 0;
    if (!store_prepare(d, c->sidecar, error, error_size))
        return false;
    bool ok = store_load(d, c->sidecar, &list, &count, &generation) &&
              store_next_generation(d, c->sidecar, generation, &generation);
    if (!ok)
        snprintf(error, error_size, "sidecar database %s: %s", c->sidecar, db_error(d));
    ok = ok && recover_all(c, d, list, count, generation, error, error_size) &&
         control_read_catalog(c, d, error, error_size);
    if (ok) {
        pthread_mutex_lock(&c->lock);
        for (size_t i = 0; i < c->migration_count; i++) {
            const struct stored_migration *s = stored_named(list, count, c->migrations[i]->config->name);
            control_take_stored(c->migrations[i], s ? s : &expand);
        }
        c->stored_generation = generation;
        generation = control_publish(c, generation, error, error_size);
        ok = c->loaded = generation != 0;
        pthread_mutex_unlock(&c->lock);
    }
    store_free_list(list, count);
    if (ok)
        log_info("phases and catalog loaded: generation=%llu migrations=%zu server=%s",
                 (unsigned long long)generation, c->migration_count, db_server(d)->version_text);
    return ok;
}
