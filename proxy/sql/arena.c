/* The bump allocator of arena.h.
 *
 * Blocks form a list, newest first. arena_reset() keeps those that fit into KEPT for the next statement, so
 * that neither small statements nor a run of large ones go through malloc and fresh pages each time. It also
 * clears what was used of them, at once, so that an allocation has nothing to clear. Past the limit, requests
 * are answered all the same, from small blocks of their own, and `failed` says that what is built is
 * worthless: its maker stops soon, but must find it whole until then.
 *
 * Under AddressSanitizer a gap that must not be touched follows each allocation, and all come through here.
 */
#include "proxy/sql/arena.h"

#include <assert.h>
#include <stdlib.h>

#include "protocol/sanitizer.h"

#if UNDER_ASAN
#include <sanitizer/asan_interface.h>
enum { GAP = 128 };
#else
#define ASAN_POISON_MEMORY_REGION(addr, size)   ((void)(addr), (void)(size))
#define ASAN_UNPOISON_MEMORY_REGION(addr, size) ((void)(addr), (void)(size))
enum { GAP = 0 };
#endif

enum { FIRST_BLOCK = 16 * 1024, SPILL = 64 * 1024, LARGEST_BLOCK = 1024 * 1024, KEPT = 8 * 1024 * 1024 };

struct arena_block {
    struct arena_block *next; /* older */
    size_t size;              /* a multiple of the alignment */
    size_t used;              /* how many bytes may not be zero, unless it is where the arena allocates */
    alignas(max_align_t) char data[];
};

static struct arena_block *block_new(size_t size)
{
    struct arena_block *b = calloc(1, sizeof *b + size);
    if (b)
        b->size = size;
    return b;
}

/* Allocates from a block, whose bytes are zero, from now on. */
static void use_block(struct arena *a, struct arena_block *b)
{
    ASAN_UNPOISON_MEMORY_REGION(b->data, b->size);
    a->newest = b;
    a->at = b->data;
    a->end = GAP > 0 ? a->at : b->data + b->size;
}

/* Allocates from the newest block no longer. */
static void leave_block(struct arena *a)
{
    a->newest->used = (size_t)(a->at - a->newest->data);
    a->end = a->at;
}

struct arena *arena_new(size_t limit)
{
    struct arena *a = calloc(1, sizeof *a);
    struct arena_block *b = block_new(FIRST_BLOCK);
    if (!a || !b) {
        free(a);
        free(b);
        return NULL;
    }
    a->limit = limit > FIRST_BLOCK ? limit : FIRST_BLOCK;
    a->held = FIRST_BLOCK;
    use_block(a, b);
    return a;
}

static void block_free(struct arena_block *b)
{
    ASAN_UNPOISON_MEMORY_REGION(b->data, b->size);
    free(b);
}

/* Frees a list; returns the bytes that its blocks had. */
static size_t free_list(struct arena_block *b)
{
    size_t freed = 0;
    while (b) {
        struct arena_block *next = b->next;
        freed += b->size;
        block_free(b);
        b = next;
    }
    return freed;
}

void arena_free(struct arena *a)
{
    if (!a)
        return;
    free_list(a->newest);
    free_list(a->spare);
    free(a);
}

/* In steps for which the C library has a loop: what it has for more is slow to begin. */
static void clear(struct arena_block *b)
{
    enum { STEP = 2048 };
    ASAN_UNPOISON_MEMORY_REGION(b->data, b->size);
    for (size_t at = 0; at < b->used; at += STEP)
        memset(b->data + at, 0, b->used - at < STEP ? b->used - at : STEP);
    b->used = 0;
}

void arena_reset(struct arena *a)
{
    leave_block(a);
    while (a->newest->next) { /* the oldest stays in use */
        struct arena_block *b = a->newest;
        a->newest = b->next;
        b->next = a->spare;
        a->spare = b;
    }
    a->held = a->newest->size;
    size_t kept = a->limit < KEPT ? a->limit : KEPT;
    struct arena_block **tail = &a->spare;
    while (*tail && (*tail)->size <= kept - a->held) {
        a->held += (*tail)->size;
        clear(*tail);
        tail = &(*tail)->next;
    }
    free_list(*tail);
    *tail = NULL;
    a->failed = false;
    clear(a->newest);
    use_block(a, a->newest);
}

/* A block past the limit. */
static struct arena_block *spill_block(struct arena *a, size_t size)
{
    struct arena_block *b = block_new(size > SPILL ? size : SPILL);
    if (!b)
        abort();
    a->failed = true;
    return b;
}

/* `size` bytes and the gap, from the newest block, which has them. */
static void *take(struct arena *a, size_t size)
{
    void *p = a->at;
    a->at += size + GAP;
    if (GAP > 0) {
        a->end = a->at;
        ASAN_POISON_MEMORY_REGION(a->at - GAP, GAP);
    }
    return p;
}

/* A block of at least `size` bytes, better of `room`, within the limit; NULL without one. */
static struct arena_block *next_block(struct arena *a, size_t size, size_t room)
{
    struct arena_block *b = a->spare;
    if (b && b->size >= size) {
        a->spare = b->next;
        return b;
    }
    if (size > a->limit - a->held) { /* the spare blocks are too small, but count */
        a->held -= free_list(a->spare);
        a->spare = NULL;
    }
    if (room > a->limit - a->held)
        room = size;
    if (room > a->limit - a->held)
        return NULL;
    b = block_new(room);
    if (b)
        a->held += room;
    return b;
}

void *arena_alloc_elsewhere(struct arena *a, size_t size)
{
    const size_t mask = alignof(max_align_t) - 1;
    assert(size < PTRDIFF_MAX - sizeof(struct arena_block) - SPILL);
    size = (size + mask) & ~mask;
    if (GAP > 0 && size + GAP <= (size_t)(a->newest->data + a->newest->size - a->at))
        return take(a, size);
    size_t room = a->newest->size * 2;
    if (room > LARGEST_BLOCK)
        room = LARGEST_BLOCK;
    if (room < size + GAP)
        room = size + GAP;
    struct arena_block *b = a->failed ? NULL : next_block(a, size + GAP, room);
    if (!b)
        b = spill_block(a, size + GAP);
    leave_block(a);
    b->next = a->newest;
    use_block(a, b);
    return take(a, size);
}

struct span arena_copy(struct arena *a, struct span s)
{
    char *p = arena_alloc(a, s.len + 1);
    if (s.len)
        memcpy(p, s.ptr, s.len);
    return (struct span){p, s.len};
}
