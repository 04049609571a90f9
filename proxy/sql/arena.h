/* A bump allocator for what lives as long as one statement: syntax trees, edits, rewritten text.
 *
 * Allocation never returns NULL: an arena is given a limit, and what passes the limit (or runs out of
 * memory) sets `failed` and is answered all the same, so that code stays straight and finds whole what it has
 * built; the caller checks arena_failed() once, before it trusts any of that, and soon. */
#ifndef PROXY_SQL_ARENA_H
#define PROXY_SQL_ARENA_H

#include <stdalign.h>

#include "protocol/span.h"

/* Read and changed by arena.c and the functions here alone. */
struct arena {
    char *at, *end;             /* what of the newest block may be taken without a call: zero bytes */
    struct arena_block *newest; /* in use: newest first */
    struct arena_block *spare;  /* kept for later, all of their bytes zero */
    size_t limit, held;         /* bytes of all blocks, the spare ones too */
    bool failed;
};

/* `limit`: bytes that it may hold in all. NULL when memory is out. */
struct arena *arena_new(size_t limit);
void arena_free(struct arena *a);

/* Forgets everything that was allocated; keeps some megabytes of blocks for the next statement. */
void arena_reset(struct arena *a);

/* Zeroed memory, aligned for any type; never NULL (see above). */
static inline void *arena_alloc(struct arena *a, size_t size);
#define arena_new_of(a, type) ((type *)arena_alloc((a), sizeof(type)))

/* A copy in the arena, with a NUL behind it that the length does not count. */
struct span arena_copy(struct arena *a, struct span s);

static inline bool arena_failed(const struct arena *a)
{
    return a->failed;
}

/* What arena_alloc() does where `at` has no room. */
__attribute__((cold)) void *arena_alloc_elsewhere(struct arena *a, size_t size);

/* Room is a multiple of the alignment: what fits into it does so rounded up. */
static inline void *arena_alloc(struct arena *a, size_t size)
{
    if (size > (size_t)(a->end - a->at))
        return arena_alloc_elsewhere(a, size);
    void *p = a->at;
    a->at += (size + alignof(max_align_t) - 1) & ~(alignof(max_align_t) - 1);
    return p;
}

#endif
