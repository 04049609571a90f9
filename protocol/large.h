/* Memory of some megabytes, for bytes that wait: huge pages where the system has them, kept a while for the
 * next.
 *
 * A fresh page costs the kernel more than copying what goes into it. So a thread that asks for it
 * (large_keep) holds on to a few pieces that it has given back, until two calls of large_trim() have found
 * them unused. */
#ifndef PROTOCOL_LARGE_H
#define PROTOCOL_LARGE_H

#include <stdbool.h>
#include <stddef.h>

/* What is large: a huge page, of which every piece has a whole number and is aligned to. */
#define LARGE ((size_t)2 * 1024 * 1024)

/* A piece of at least `size` bytes (a multiple of LARGE), zeroed or used; NULL when memory is out. *size
 * becomes what it has. */
char *large_take(size_t *size);

/* Moves a piece's bytes to a larger one, by its pages; the old one is gone. NULL, and the old one stays. */
char *large_grow(char *piece, size_t old_size, size_t *size);

void large_give_back(char *piece, size_t size);

/* Whether this thread keeps pieces; false gives up what it has. */
void large_keep(bool keep);

/* Gives up what was not used since the last call. Whether some is kept still. */
bool large_trim(void);
bool large_is_kept(void);

#endif
