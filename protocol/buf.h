/* A growable byte buffer.
 *
 *      data            data+start               data+end            data+cap
 *       |  consumed      |   unread bytes          |   free            |
 *
 * From some megabytes on the memory is that of large.h.
 *
 * Appending carries a sticky failure: after an allocation failed every further
 * append is a no-op and buf_failed() tells; builders need one check at their end. */
#ifndef PROTOCOL_BUF_H
#define PROTOCOL_BUF_H

#include "protocol/span.h"

struct buf {
    char *data;
    size_t start, end, cap;
    bool failed;
};

#define BUF_INIT ((struct buf){NULL, 0, 0, 0, false})

/* Releases the memory; the buffer is empty and usable again. */
void buf_free(struct buf *b);

/* Forgets the contents and the failure, keeps the memory. */
void buf_reset(struct buf *b);

/* What buf_reserve() does where the room must be made. */
bool buf_make_room(struct buf *b, size_t n);

/* Makes room for `n` more bytes behind the end; false (and failed) when memory is out. The room is at
 * data + end; add what was written there to `end`. */
static inline bool buf_reserve(struct buf *b, size_t n)
{
    return (!b->failed && b->cap - b->end >= n) || buf_make_room(b, n);
}

static inline void buf_add(struct buf *b, const void *p, size_t n)
{
    if (n == 0 || !buf_reserve(b, n))
        return;
    memcpy(b->data + b->end, p, n);
    b->end += n;
}

static inline void buf_add_span(struct buf *b, struct span s)
{
    buf_add(b, s.ptr, s.len);
}

static inline void buf_add_byte(struct buf *b, unsigned char c)
{
    buf_add(b, &c, 1);
}

void buf_add_str(struct buf *b, const char *s);
void buf_printf(struct buf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* The unread bytes and a NUL, malloc'ed, in exchange for the buffer, which is empty then; NULL where it has
 * failed. */
char *buf_take_string(struct buf *b);

/* Drops `n` unread bytes from the front; n must not exceed buf_len(). */
void buf_consume(struct buf *b, size_t n);

static inline size_t buf_len(const struct buf *b)
{
    return b->end - b->start;
}

static inline char *buf_ptr(const struct buf *b)
{
    return b->data + b->start;
}

static inline struct span buf_span(const struct buf *b)
{
    return (struct span){b->data ? b->data + b->start : "", b->end - b->start};
}

static inline bool buf_failed(const struct buf *b)
{
    return b->failed;
}

#endif
