/* Reference counts of snapshots and of the catalogs that they share. */
#include "proxy/migration/snapshot.h"

#include <stdlib.h>

struct shared_catalog *shared_catalog_new(struct catalog *take)
{
    struct shared_catalog *c = malloc(sizeof(*c));
    if (!c) {
        catalog_free(take);
        return NULL;
    }
    atomic_init(&c->refs, 1);
    c->catalog = take;
    return c;
}

struct shared_catalog *shared_catalog_ref(struct shared_catalog *c)
{
    if (c)
        atomic_fetch_add_explicit(&c->refs, 1, memory_order_relaxed);
    return c;
}

void shared_catalog_unref(struct shared_catalog *c)
{
    if (c && atomic_fetch_sub_explicit(&c->refs, 1, memory_order_acq_rel) == 1) {
        catalog_free(c->catalog);
        free(c);
    }
}

struct snapshot *snapshot_new(uint64_t generation, struct rules *rules, struct shared_catalog *catalog)
{
    struct snapshot *s = malloc(sizeof(*s));
    if (!s) {
        rules_free(rules);
        shared_catalog_unref(catalog);
        return NULL;
    }
    atomic_init(&s->refs, 1);
    s->generation = generation;
    s->phases_unknown = false;
    s->rules = rules;
    s->catalog = catalog;
    return s;
}

struct snapshot *snapshot_ref(struct snapshot *s)
{
    if (s)
        atomic_fetch_add_explicit(&s->refs, 1, memory_order_relaxed);
    return s;
}

void snapshot_unref(struct snapshot *s)
{
    if (s && atomic_fetch_sub_explicit(&s->refs, 1, memory_order_acq_rel) == 1) {
        rules_free(s->rules);
        shared_catalog_unref(s->catalog);
        free(s);
    }
}
