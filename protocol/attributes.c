/* Values with names; see attributes.h. */
#include "protocol/attributes.h"

#define UNSIGNED 0x8000u

/* How many bytes a value takes; 0: its length stands before it. MySQL knows no other types of a fixed length.
 */
static const unsigned char value_sizes[16] = {
    [0x01] = 1, [0x02] = 2, [0x03] = 4, [0x04] = 4, [0x05] = 8, [0x08] = 8,
};
#define TYPE_BOOL 244 /* read in different ways by different servers */

struct named_type next_named_type(struct reader *r)
{
    const char *begin = (const char *)r->p;
    struct named_type t = {.type = read_u16(r) & ~UNSIGNED};
    read_lenenc_str(r);
    t.whole = (struct span){begin, (size_t)((const char *)r->p - begin)};
    return t;
}

const unsigned char *read_named_types(struct reader *r, uint32_t count)
{
    uint32_t follow = read_u8(r);
    const unsigned char *begin = r->p;
    if (r->failed || follow == 0)
        return NULL;
    for (uint32_t i = 0; i < count && !r->failed; i++)
        next_named_type(r);
    return begin;
}

struct span read_named_value(struct reader *r, uint32_t type)
{
    const char *begin = (const char *)r->p;
    unsigned char size = type < sizeof value_sizes ? value_sizes[type] : 0;
    if (type == TYPE_BOOL)
        r->failed = true;
    else if (size > 0)
        read_bytes(r, size);
    else
        read_lenenc_str(r);
    return (struct span){begin, (size_t)((const char *)r->p - begin)};
}

size_t attributes_end(struct span payload)
{
    struct reader r = reader_of(payload);
    read_u8(&r);
    uint64_t count = read_lenenc(&r), sets = read_lenenc(&r);
    if (r.failed || sets != 1 || count > ATTRIBUTES_MAX)
        return 0;
    if (count > 0) {
        const unsigned char *nulls = (const unsigned char *)read_bytes(&r, (count + 7) / 8).ptr;
        struct reader types = r;
        if (!read_named_types(&r, (uint32_t)count) || r.failed)
            return 0;
        read_u8(&types);
        for (uint64_t i = 0; i < count && !r.failed; i++) {
            uint32_t type = next_named_type(&types).type;
            if (!(nulls[i / 8] >> (i % 8) & 1))
                read_named_value(&r, type);
        }
    }
    return r.failed ? 0 : (size_t)((const char *)r.p - payload.ptr);
}
