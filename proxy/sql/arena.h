/* A bump allocator for what lives as long as one statement: syntax trees, edits, rewritten text.
 *
 * Allocation never returns NULL: an arena is given a limit, and what passes the limit (or runs out of
 * memory) sets `failed` and hands out a scratch area of its own, so that code stays straight; the caller
 * checks arena_failed() once, before it trusts anything that was built. */
#ifndef PROXY_SQL_ARENA_H
#define PROXY_SQL_ARENA_H

#include "protocol/span.h"

struct arena;

/* `limit`: bytes that it may hold in all. NULL when memory is out. */
struct arena *arena_new(size_t limit);
void arena_free(struct arena *a);

/* Forgets everything that was allocated; keeps some megabytes of blocks for the next statement. */
void arena_reset(struct arena *a);

/* Zeroed memory, aligned for any type; never NULL (see above). */
void *arena_alloc(struct arena *a, size_t size);
#define arena_new_of(a, type) ((type *)arena_alloc((a), sizeof(type)))

/* A copy in the arena, with a NUL behind it that the length does not count. */
struct span arena_copy(struct arena *a, struct span s);

bool arena_failed(const struct arena *a);

#endif
