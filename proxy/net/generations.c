/* The list of generations.h. */
#include "proxy/net/generations.h"

#include <stdlib.h>

#include "config/log.h"

struct generation {
    struct generation *older;
    struct snapshot *snapshot; /* a reference */
    uint64_t serial;
    unsigned pins;
};

bool generations_begin(struct generations *gs, struct snapshot *first)
{
    struct generation *g = calloc(1, sizeof *g);
    if (!g)
        return false;
    g->snapshot = snapshot_ref(first);
    *gs = (struct generations){.newest = g};
    return true;
}

static void generation_free(struct generation *g)
{
    snapshot_unref(g->snapshot);
    free(g);
}

void generations_end(struct generations *gs)
{
    while (gs->newest) {
        struct generation *g = gs->newest;
        gs->newest = g->older;
        generation_free(g);
    }
}

/* Drops those behind the newest that nobody holds. */
static bool sweep(struct generations *gs)
{
    bool swept = false;
    struct generation **at = &gs->newest->older;
    while (*at) {
        struct generation *g = *at;
        if (g->pins > 0) {
            at = &g->older;
            continue;
        }
        *at = g->older;
        generation_free(g);
        swept = true;
    }
    return swept;
}

void generations_adopt(struct generations *gs, struct snapshot *s)
{
    struct generation *g = calloc(1, sizeof *g);
    if (!g) {
        log_error("out of memory while a generation is adopted");
        abort();
    }
    *g = (struct generation){gs->newest, s, ++gs->serials, 0};
    gs->newest = g;
    sweep(gs);
}

struct generation *generations_pin(struct generations *gs)
{
    gs->newest->pins++;
    return gs->newest;
}

bool generations_unpin(struct generations *gs, struct generation *g)
{
    return --g->pins == 0 && g != gs->newest && sweep(gs);
}

unsigned generations_older_pins(const struct generations *gs)
{
    unsigned older = 0;
    for (const struct generation *g = gs->newest->older; g; g = g->older)
        older += g->pins;
    return older;
}

uint64_t generations_oldest(const struct generations *gs)
{
    uint64_t oldest = UINT64_MAX;
    for (const struct generation *g = gs->newest; g; g = g->older)
        if (g->snapshot->generation < oldest)
            oldest = g->snapshot->generation;
    return oldest;
}

/* ---- what sessions ask ---- */

void generation_pin_again(struct generation *g)
{
    g->pins++;
}

const struct snapshot *generation_snapshot(const struct generation *g)
{
    return g->snapshot;
}

uint64_t generation_serial(const struct generation *g)
{
    return g->serial;
}
