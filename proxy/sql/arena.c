/* The bump allocator of arena.h.
 *
 * Blocks form a list, newest first; the oldest one is kept by arena_reset() so that a session that runs
 * small statements never calls malloc again. Past the limit, every request is answered from a scratch
 * block: the pointers stay valid, what is written there is worthless, and `failed` says so.
 *
 * Under AddressSanitizer a gap that must not be touched follows each allocation. */
#include "proxy/sql/arena.h"

#include <assert.h>
#include <stdalign.h>
#include <stdlib.h>

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define __SANITIZE_ADDRESS__ 1
#endif
#endif
#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/asan_interface.h>
enum { GAP = 128 };
#else
#define ASAN_POISON_MEMORY_REGION(addr, size)   ((void)(addr), (void)(size))
#define ASAN_UNPOISON_MEMORY_REGION(addr, size) ((void)(addr), (void)(size))
enum { GAP = 0 };
#endif

enum { FIRST_BLOCK = 16 * 1024, SCRATCH = 4096, LARGEST_BLOCK = 1024 * 1024 };

struct block {
    struct block *next; /* older */
    size_t size;
    alignas(max_align_t) char data[];
};

struct arena {
    char *at, *end; /* free bytes of the newest block */
    struct block *newest;
    size_t limit, held; /* bytes of all blocks */
    bool failed;
    alignas(max_align_t) char scratch[SCRATCH];
};

static struct block *block_new(size_t size)
{
    struct block *b = malloc(sizeof *b + size);
    if (b)
        b->size = size;
    return b;
}

static void use_block(struct arena *a, struct block *b)
{
    ASAN_UNPOISON_MEMORY_REGION(b->data, b->size);
    a->newest = b;
    a->at = b->data;
    a->end = b->data + b->size;
}

struct arena *arena_new(size_t limit)
{
    struct arena *a = calloc(1, sizeof *a);
    struct block *b = block_new(FIRST_BLOCK);
    if (!a || !b) {
        free(a);
        free(b);
        return NULL;
    }
    b->next = NULL;
    a->limit = limit > FIRST_BLOCK ? limit : FIRST_BLOCK;
    a->held = FIRST_BLOCK;
    use_block(a, b);
    return a;
}

static void block_free(struct block *b)
{
    ASAN_UNPOISON_MEMORY_REGION(b->data, b->size);
    free(b);
}

static void free_blocks_but_first(struct arena *a)
{
    while (a->newest->next) {
        struct block *older = a->newest->next;
        block_free(a->newest);
        a->newest = older;
    }
}

void arena_free(struct arena *a)
{
    if (!a)
        return;
    free_blocks_but_first(a);
    block_free(a->newest);
    free(a);
}

void arena_reset(struct arena *a)
{
    free_blocks_but_first(a);
    a->held = a->newest->size;
    a->failed = false;
    use_block(a, a->newest);
}

bool arena_failed(const struct arena *a)
{
    return a->failed;
}

/* What a request gets once the arena has failed. One larger than the scratch block has to be real memory
 * all the same, since the caller will write to all of it; it is freed with the rest. */
static void *failed_alloc(struct arena *a, size_t size)
{
    a->failed = true;
    if (size <= SCRATCH)
        return memset(a->scratch, 0, size);
    struct block *b = block_new(size);
    if (!b)
        abort();
    b->next = a->newest->next; /* behind the newest: its free bytes stay in use */
    a->newest->next = b;
    return memset(b->data, 0, size);
}

/* `size` bytes and the gap, from the newest block, which has them. */
static void *take(struct arena *a, size_t size)
{
    void *p = a->at;
    a->at += size + GAP;
    ASAN_POISON_MEMORY_REGION(a->at - GAP, GAP);
    return memset(p, 0, size);
}

static void *alloc_in_new_block(struct arena *a, size_t size)
{
    size_t room = a->newest->size * 2;
    if (room > LARGEST_BLOCK)
        room = LARGEST_BLOCK;
    if (room < size + GAP)
        room = size + GAP;
    if (a->failed || room > a->limit - a->held)
        room = size + GAP;
    if (a->failed || room > a->limit - a->held)
        return failed_alloc(a, size);
    struct block *b = block_new(room);
    if (!b)
        return failed_alloc(a, size);
    b->next = a->newest;
    a->held += room;
    use_block(a, b);
    return take(a, size);
}

void *arena_alloc(struct arena *a, size_t size)
{
    const size_t mask = alignof(max_align_t) - 1;
    assert(size < PTRDIFF_MAX - sizeof(struct block) - SCRATCH);
    size = (size + mask) & ~mask;
    if (size + GAP > (size_t)(a->end - a->at) || a->failed)
        return alloc_in_new_block(a, size);
    return take(a, size);
}

struct span arena_copy(struct arena *a, struct span s)
{
    char *p = arena_alloc(a, s.len + 1);
    if (s.len)
        memcpy(p, s.ptr, s.len);
    return (struct span){p, s.len};
}
