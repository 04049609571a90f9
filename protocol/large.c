/* Mapped memory, and the few pieces of it that a thread keeps; see large.h. */
#include "protocol/large.h"

#include <stdint.h>
#include <sys/mman.h>

enum { KEPT = 2 };
#define KEPT_SIZE ((size_t)64 * 1024 * 1024) /* of one piece, at most */

struct piece {
    char *data; /* NULL: none */
    size_t size;
    bool unused; /* since the last trim */
};

static _Thread_local struct piece kept[KEPT];
static _Thread_local unsigned kept_count;
static _Thread_local bool keeping;

static char *map_aligned(size_t size)
{
    char *p = mmap(NULL, size + LARGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED)
        return NULL;
    size_t before = (LARGE - (uintptr_t)p % LARGE) % LARGE;
    if (before > 0)
        munmap(p, before);
    munmap(p + before + size, LARGE - before);
    madvise(p + before, size, MADV_HUGEPAGE); /* where there are none, small pages serve */
    return p + before;
}

/* The smallest of the kept that is large enough. */
static struct piece *fitting(size_t size)
{
    struct piece *best = NULL;
    for (int i = 0; i < KEPT && kept_count > 0; i++)
        if (kept[i].data && kept[i].size >= size && (!best || kept[i].size < best->size))
            best = &kept[i];
    return best;
}

char *large_take(size_t *size)
{
    struct piece *p = fitting(*size);
    if (!p)
        return map_aligned(*size);
    char *data = p->data;
    *size = p->size;
    p->data = NULL;
    kept_count--;
    return data;
}

char *large_grow(char *piece, size_t old_size, size_t *size)
{
    char *larger = map_aligned(*size);
    if (!larger || mremap(piece, old_size, *size, MREMAP_MAYMOVE | MREMAP_FIXED, larger) != MAP_FAILED)
        return larger;
    munmap(larger, *size);
    return NULL;
}

void large_give_back(char *piece, size_t size)
{
    struct piece *to = NULL;
    for (int i = 0; i < KEPT && keeping && size <= KEPT_SIZE; i++)
        if (!kept[i].data) {
            to = &kept[i];
            break;
        }
    if (!to) {
        munmap(piece, size);
        return;
    }
    *to = (struct piece){piece, size, false};
    kept_count++;
}

static void give_up(struct piece *p)
{
    munmap(p->data, p->size);
    p->data = NULL;
    kept_count--;
}

void large_keep(bool keep)
{
    keeping = keep;
    for (int i = 0; i < KEPT && !keep; i++)
        if (kept[i].data)
            give_up(&kept[i]);
}

bool large_trim(void)
{
    for (int i = 0; i < KEPT; i++) {
        if (kept[i].data && kept[i].unused)
            give_up(&kept[i]);
        kept[i].unused = true;
    }
    return kept_count > 0;
}

bool large_is_kept(void)
{
    return kept_count > 0;
}
