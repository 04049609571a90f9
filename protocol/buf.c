/* The growable byte buffer; the drawing is in buf.h. */
#include "protocol/buf.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "protocol/large.h"

static void release(char *data, size_t cap)
{
    if (cap >= LARGE)
        large_give_back(data, cap);
    else
        free(data);
}

/* Memory of at least *cap bytes (a power of two) with the unread bytes at its front; the old memory is gone.
 * NULL, and everything stays. */
static char *move(struct buf *b, size_t *cap)
{
    size_t used = buf_len(b);
    if (b->cap >= LARGE && b->start == 0)
        return large_grow(b->data, b->cap, cap);
    if (*cap < LARGE) {
        if (b->start > 0 && used > 0)
            memmove(b->data, b->data + b->start, used);
        b->start = 0;
        b->end = used;
        return realloc(b->data, *cap);
    }
    char *data = large_take(cap);
    if (!data)
        return NULL;
    if (used > 0)
        memcpy(data, b->data + b->start, used);
    release(b->data, b->cap);
    return data;
}

void buf_free(struct buf *b)
{
    release(b->data, b->cap);
    *b = BUF_INIT;
}

void buf_reset(struct buf *b)
{
    b->start = b->end = 0;
    b->failed = false;
}

bool buf_make_room(struct buf *b, size_t n)
{
    if (b->failed)
        return false;
    size_t used = buf_len(b);
    if (b->start > 0 && b->cap - used >= n && b->start >= used) {
        memmove(b->data, b->data + b->start, used);
        b->start = 0;
        b->end = used;
        return true;
    }
    size_t cap = b->cap ? b->cap : 256;
    while (cap - used < n) {
        if (cap > SIZE_MAX / 4) {
            b->failed = true;
            return false;
        }
        cap *= 2;
    }
    char *data = move(b, &cap);
    if (data)
        *b = (struct buf){.data = data, .end = used, .cap = cap};
    else
        b->failed = true;
    return data != NULL;
}

void buf_add_str(struct buf *b, const char *s)
{
    buf_add(b, s, strlen(s));
}

void buf_printf(struct buf *b, const char *fmt, ...)
{
    va_list ap, again;
    va_start(ap, fmt);
    va_copy(again, ap);
    int n = vsnprintf(NULL, 0, fmt, ap);
    va_end(ap);
    if (n < 0)
        b->failed = true;
    else if (buf_reserve(b, (size_t)n + 1)) {
        vsnprintf(b->data + b->end, (size_t)n + 1, fmt, again);
        b->end += (size_t)n;
    }
    va_end(again);
}

void buf_consume(struct buf *b, size_t n)
{
    b->start += n;
    if (b->start == b->end)
        b->start = b->end = 0;
}

char *buf_take_string(struct buf *b)
{
    char *s = buf_failed(b) ? NULL : malloc(buf_len(b) + 1);
    if (s) {
        memcpy(s, buf_span(b).ptr, buf_len(b));
        s[buf_len(b)] = '\0';
    }
    buf_free(b);
    return s;
}
