/* Text in somebody else's buffer: a pointer and a length, no terminator, no ownership.
 *
 * The lowest floor: everything may include it. SQL text and names may hold NUL bytes, so nothing here
 * uses strlen on them. */
#ifndef PROTOCOL_SPAN_H
#define PROTOCOL_SPAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct span {
    const char *ptr;
    size_t len;
};

/* A string literal as a span. */
#define SPAN(lit) ((struct span){(lit), sizeof(lit) - 1})

static inline struct span span_of(const char *s)
{
    return (struct span){s, s ? strlen(s) : 0};
}

static inline bool span_eq(struct span a, struct span b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
}

static inline unsigned char ascii_lower(unsigned char c)
{
    return c >= 'A' && c <= 'Z' ? (unsigned char)(c | 0x20) : c;
}

/* Equal but for the case of ASCII letters; other bytes compare as they are. */
static inline bool span_ieq(struct span a, struct span b)
{
    if (a.len != b.len)
        return false;
    for (size_t i = 0; i < a.len; i++)
        if (a.ptr[i] != b.ptr[i] &&
            ascii_lower((unsigned char)a.ptr[i]) != ascii_lower((unsigned char)b.ptr[i]))
            return false;
    return true;
}

/* Whether every byte is below 0x80. */
static inline bool span_is_ascii(struct span s)
{
    for (size_t i = 0; i < s.len; i++)
        if ((unsigned char)s.ptr[i] >= 0x80)
            return false;
    return true;
}

#endif
