/* Parameters taken apart and put together; see execute.h. */
#include "protocol/execute.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "protocol/attributes.h"

/* How a value of each type is laid out; 0: a length-encoded string. */
#define BY_LENGTH_BYTE 0xff /* one byte says how many follow: dates and times */
#define NO_VALUE       0xfe

static const unsigned char value_sizes[256] = {
    [0x01] = 1,
    [0x02] = 2,
    [0x03] = 4,
    [0x04] = 4,
    [0x05] = 8,
    [0x06] = NO_VALUE,
    [0x08] = 8,
    [0x09] = 4,
    [0x0d] = 2,
    [0x07] = BY_LENGTH_BYTE,
    [0x0a] = BY_LENGTH_BYTE,
    [0x0b] = BY_LENGTH_BYTE,
    [0x0c] = BY_LENGTH_BYTE,
    [0x0e] = BY_LENGTH_BYTE,
    [0x11] = BY_LENGTH_BYTE,
    [0x12] = BY_LENGTH_BYTE,
    [0x13] = BY_LENGTH_BYTE,
};

static size_t bitmap_size(uint32_t params)
{
    return (params + 7) / 8;
}

static bool bit(const unsigned char *bitmap, uint32_t i)
{
    return bitmap && (bitmap[i / 8] >> (i % 8) & 1);
}

size_t execute_head_size(struct span payload, uint32_t params)
{
    (void)payload;
    return EXECUTE_FIXED + (params ? bitmap_size(params) + 1 + 2 * (size_t)params : 0);
}

size_t bulk_head_size(struct span payload, uint32_t params)
{
    (void)payload;
    return BULK_FIXED + 2 * (size_t)params;
}

const unsigned char *execute_types(struct span payload, uint32_t params, struct buf *types)
{
    (void)types;
    size_t at = EXECUTE_FIXED + bitmap_size(params);
    if (params == 0 || payload.len < execute_head_size(payload, params) || payload.ptr[at] != 1)
        return NULL;
    return (const unsigned char *)payload.ptr + at + 1;
}

const unsigned char *bulk_types(struct span payload, uint32_t params, struct buf *types)
{
    (void)types;
    if (params == 0 || payload.len < bulk_head_size(payload, params) ||
        !(get_u16(payload.ptr + 5) & BULK_SEND_TYPES))
        return NULL;
    return (const unsigned char *)payload.ptr + BULK_FIXED;
}

/* The head of an EXECUTE up to the values. */
struct head {
    uint32_t count; /* of the values that come */
    const unsigned char *nulls;
    const unsigned char *types; /* of all of them, with names where they have any; NULL: not sent */
};

static struct head read_head(struct reader *r, uint32_t params, bool with_names)
{
    struct head h = {.count = params};
    read_bytes(r, EXECUTE_FIXED);
    uint64_t count = with_names && params > 0 ? read_lenenc(r) : params;
    if (count < params || count > ATTRIBUTES_MAX)
        r->failed = true;
    if (r->failed || params == 0)
        return h;
    h.count = (uint32_t)count;
    h.nulls = (const unsigned char *)read_bytes(r, bitmap_size(h.count)).ptr;
    if (with_names)
        h.types = read_named_types(r, h.count);
    else if (read_u8(r) == 1)
        h.types = (const unsigned char *)read_bytes(r, 2 * (size_t)h.count).ptr;
    return h;
}

size_t named_head_size(struct span payload, uint32_t params)
{
    struct reader r = reader_of(payload);
    read_head(&r, params, true);
    return r.failed ? payload.len + 1 : (size_t)((const char *)r.p - payload.ptr);
}

const unsigned char *named_types(struct span payload, uint32_t params, struct buf *types)
{
    struct reader r = reader_of(payload);
    struct head h = read_head(&r, params, true);
    if (r.failed || !h.types)
        return NULL;
    struct reader named = {h.types, r.p, false};
    buf_reset(types);
    for (uint32_t i = 0; i < params; i++)
        buf_add(types, next_named_type(&named).whole.ptr, 2);
    return buf_failed(types) ? NULL : (const unsigned char *)buf_ptr(types);
}

/* The bytes of one value, with its length where it has one. */
static struct span read_value(struct reader *r, unsigned char type)
{
    const char *begin = (const char *)r->p;
    unsigned char size = value_sizes[type];
    if (size == 0)
        read_lenenc_str(r);
    else if (size == BY_LENGTH_BYTE)
        read_bytes(r, read_u8(r));
    else if (size != NO_VALUE)
        read_bytes(r, size);
    return (struct span){begin, (size_t)((const char *)r->p - begin)};
}

static uint32_t source_of(const struct execute_map *m, uint32_t out)
{
    return m->map ? MAP_INDEX(m->map[out]) : out;
}

/* ---- a value that is repeated, as the column stores it ---- */

enum { TYPE_FLOAT = 4, TYPE_DOUBLE = 5, TYPE_TIMESTAMP = 7, TYPE_TIME = 11, TYPE_DATETIME = 12 };

/* Whether the number, written out, is of no more than so many characters; then a store writes it just so. */
static bool number_fits(double x, uint32_t chars)
{
    char text[64];
    int decimals = 0;
    if (!(fabs(x) < 1e15) || (x != 0 && fabs(x) < 1e-15))
        return false;
    do
        snprintf(text, sizeof text, "%.*f", decimals, x);
    while (strtod(text, NULL) != x && ++decimals < 40);
    return decimals < 40 && strlen(text) <= chars;
}

static bool floating_fits(struct span value, unsigned char type, uint32_t chars)
{
    double x;
    float single;
    if (type == TYPE_DOUBLE) {
        memcpy(&x, value.ptr, sizeof x);
    } else {
        memcpy(&single, value.ptr, sizeof single);
        x = (double)single;
    }
    return number_fits(x, chars);
}

/* Halves to the even number: the rounding mode of every program that does not change it. */
static void add_whole(struct span value, unsigned char type, struct buf *out)
{
    double x;
    float single;
    if (type == TYPE_DOUBLE) {
        memcpy(&x, value.ptr, sizeof x);
        x = rint(x);
        buf_add(out, (const char *)&x, sizeof x);
    } else {
        memcpy(&single, value.ptr, sizeof single);
        single = rintf(single);
        buf_add(out, (const char *)&single, sizeof single);
    }
}

/* Parts of a second: whether a store into an integer rounds them or cuts them off is the server's matter. */
static bool has_microseconds(struct span value, unsigned char type)
{
    size_t at = type == TYPE_TIME ? 9 : 8; /* behind the byte of the length */
    return value.len >= at + 4 && get_u32(value.ptr + at) != 0;
}

/* Adds one value; `need` as in the map. false: it cannot be repeated exactly. */
static bool add_value(struct span value, unsigned char type, uint32_t need, struct buf *out)
{
    bool floating = (type == TYPE_FLOAT && value.len == 4) || (type == TYPE_DOUBLE && value.len == 8);
    bool is_time = type == TYPE_TIMESTAMP || type == TYPE_TIME || type == TYPE_DATETIME;
    if ((need & MAP_WHOLE) && floating) {
        add_whole(value, type, out);
        return true;
    }
    buf_add_span(out, value);
    if (value.len > 0 && is_time && (need & MAP_WHOLE))
        return !has_microseconds(value, type);
    if (value.len > 0 && is_time && (need & MAP_MOMENT))
        return type == TYPE_TIME && has_microseconds(value, type);
    return !(need & MAP_TEXT) || !floating || floating_fits(value, type, need & MAP_TEXT);
}

static uint32_t need_of(const struct execute_map *m, uint32_t out)
{
    return m->map ? MAP_NEED(m->map[out]) : 0;
}

bool execute_retyped(const struct execute_map *m, const unsigned char *types)
{
    for (uint32_t i = 0; m->types && types && i < m->out_params; i++) {
        size_t at = 2 * (size_t)source_of(m, i);
        if ((need_of(m, i) & MAP_MYSQL) && memcmp(types + at, m->types + at, 2) != 0)
            return true;
    }
    return false;
}

/* ---- the packets ---- */

static void add_types(const struct execute_map *m, const unsigned char *types, struct buf *out)
{
    for (uint32_t i = 0; i < m->out_params; i++)
        buf_add(out, types + 2 * (size_t)source_of(m, i), 2);
}

/* The head of either command up to where types or bitmaps begin, with the other statement's id. */
static void add_fixed(struct span payload, size_t size, uint32_t id, struct buf *out)
{
    buf_add(out, payload.ptr, 1);
    add_u32(out, id);
    buf_add(out, payload.ptr + 5, size - 5);
}

/* A value as the client sent it: a parameter, or an attribute behind the last one. */
struct sent {
    struct span type, value; /* type: with its name */
    bool null;
};

/* Where the value `out` of the packet that is made comes from. */
static uint32_t sent_of(const struct execute_map *m, uint32_t out)
{
    return out < m->out_params ? source_of(m, out) : m->params + (out - m->out_params);
}

static void read_sent(struct reader *r, const struct execute_map *m, bool with_names, const struct head *h,
                      struct sent *sent)
{
    const unsigned char *types = h->types ? h->types : m->types;
    struct reader named = {types, r->p, false};
    for (uint32_t i = 0; i < h->count && !r->failed; i++) {
        bool is_named = with_names && h->types;
        sent[i].type =
            is_named ? next_named_type(&named).whole : (struct span){(const char *)types + 2 * (size_t)i, 2};
        uint32_t type = get_u16(sent[i].type.ptr) & 0x7fffu;
        sent[i].null = bit(h->nulls, i);
        if (sent[i].null || (i < m->params && bit(m->longs, i)))
            continue;
        sent[i].value = with_names ? read_named_value(r, type) : read_value(r, (unsigned char)type);
    }
}

static void add_nulls(const struct execute_map *m, const struct sent *sent, uint32_t count, struct buf *out)
{
    size_t size = bitmap_size(count);
    if (!buf_reserve(out, size))
        return;
    char *to = out->data + out->end;
    memset(to, 0, size);
    for (uint32_t i = 0; i < count; i++)
        if (sent[sent_of(m, i)].null)
            to[i / 8] = (char)(to[i / 8] | 1 << (i % 8));
    out->end += size;
}

/* false: a value cannot be repeated exactly. */
static bool add_sent(const struct execute_map *m, const struct sent *sent, uint32_t count, bool with_names,
                     struct buf *out)
{
    bool exact = true;
    if (with_names)
        add_lenenc(out, count);
    add_nulls(m, sent, count, out);
    buf_add_byte(out, 1);
    for (uint32_t i = 0; i < count; i++) {
        struct span type = sent[sent_of(m, i)].type;
        buf_add_span(out, type);
        if (with_names && type.len == 2) /* one that was sent before: without a name */
            buf_add_byte(out, 0);
    }
    for (uint32_t i = 0; i < count; i++) {
        const struct sent *from = &sent[sent_of(m, i)];
        uint32_t need = i < m->out_params ? need_of(m, i) : 0;
        exact = add_value(from->value, (unsigned char)from->type.ptr[0], need, out) && exact;
    }
    return exact;
}

static enum execute_outcome build(struct span payload, const struct execute_map *m, bool with_names,
                                  struct buf *out)
{
    struct reader r = reader_of(payload);
    struct head h = read_head(&r, m->params, with_names);
    bool untyped = !h.types && (!m->types || h.count > m->params);
    if (r.failed || (h.count > 0 && untyped))
        return EXECUTE_MALFORMED;
    struct sent *sent = calloc(h.count + 1, sizeof *sent);
    if (!sent)
        return EXECUTE_MALFORMED;
    bool exact = true;
    read_sent(&r, m, with_names, &h, sent);
    add_fixed(payload, EXECUTE_FIXED, m->id, out);
    if (!r.failed && m->out_params > 0)
        exact = add_sent(m, sent, m->out_params + (h.count - m->params), with_names, out);
    free(sent);
    return r.failed || buf_failed(out) ? EXECUTE_MALFORMED : exact ? EXECUTE_BUILT : EXECUTE_INEXACT;
}

enum execute_outcome execute_build(struct span payload, const struct execute_map *m, struct buf *out)
{
    return build(payload, m, false, out);
}

enum execute_outcome named_build(struct span payload, const struct execute_map *m, struct buf *out)
{
    return build(payload, m, true, out);
}

/* One row of a bulk execution: each value with its indicator byte; a value follows only where that is 0. */
static void read_row(struct reader *r, uint32_t params, const unsigned char *types, struct span *values)
{
    for (uint32_t i = 0; i < params; i++) {
        const char *begin = (const char *)r->p;
        if (read_u8(r) == 0)
            read_value(r, types[2 * (size_t)i]);
        values[i] = (struct span){begin, (size_t)((const char *)r->p - begin)};
    }
}

/* Adds a value of a row behind its indicator. */
static bool add_indicated(struct span value, unsigned char type, uint32_t need, struct buf *out)
{
    size_t indicator = value.len ? 1 : 0;
    buf_add(out, value.ptr, indicator);
    return add_value((struct span){value.ptr + indicator, value.len - indicator}, type, need, out);
}

enum execute_outcome bulk_build(struct span payload, const struct execute_map *m, struct buf *out)
{
    struct reader r = reader_of(payload);
    const unsigned char *types = m->types;
    read_bytes(&r, BULK_FIXED);
    if (r.failed || m->params == 0)
        return EXECUTE_MALFORMED;
    if (get_u16(payload.ptr + 5) & BULK_SEND_TYPES)
        types = (const unsigned char *)read_bytes(&r, 2 * (size_t)m->params).ptr;
    if (r.failed || !types)
        return EXECUTE_MALFORMED;
    size_t begin = buf_len(out);
    add_fixed(payload, BULK_FIXED, m->id, out);
    add_types(m, types, out);
    if (!buf_failed(out))
        put_u16(buf_ptr(out) + begin + 5, get_u16(payload.ptr + 5) | BULK_SEND_TYPES);
    if (!m->map) {
        buf_add(out, r.p, reader_left(&r));
        return buf_failed(out) ? EXECUTE_MALFORMED : EXECUTE_BUILT;
    }
    struct span *values = calloc(m->params, sizeof *values);
    bool exact = true;
    while (values && !r.failed && reader_left(&r) > 0) {
        read_row(&r, m->params, types, values);
        for (uint32_t i = 0; i < m->out_params && !r.failed; i++) {
            uint32_t from = source_of(m, i);
            exact = add_indicated(values[from], types[2 * (size_t)from], need_of(m, i), out) && exact;
        }
    }
    bool good = values && !r.failed && !buf_failed(out);
    free(values);
    return !good ? EXECUTE_MALFORMED : exact ? EXECUTE_BUILT : EXECUTE_INEXACT;
}
