/* Rewriting one definition; see definition.h. */
#include "protocol/definition.h"

#include "protocol/packet.h"

#define FIXED_SIZE 12 /* of the fields behind the names */
#define NO_CHARSET 63 /* "binary": the value is no text */
#define TYPE_FLAGS                                                                                           \
    0x8df0u /* BLOB, UNSIGNED, ZEROFILL, BINARY, ENUM, TIMESTAMP, SET, NUM: they go with the type */
#define TYPE_STRING 254

/* Types whose values look the same: in the text protocol to whoever reads a number, a date or a text; in the
 * binary one byte by byte. 0: like no other type. */
struct type_class {
    uint8_t text, binary;
};

static struct type_class class_of(uint8_t type)
{
    enum { OTHER, INTEGER, FLOATING, DATETIME, CHARACTERS, SHORT, LONG };
    static const struct type_class classes[256] = {
        [1] = {INTEGER, OTHER},           /* TINY */
        [2] = {INTEGER, SHORT},           /* SHORT */
        [3] = {INTEGER, LONG},            /* LONG */
        [4] = {FLOATING, OTHER},          /* FLOAT */
        [5] = {FLOATING, OTHER},          /* DOUBLE */
        [7] = {DATETIME, DATETIME},       /* TIMESTAMP */
        [8] = {INTEGER, OTHER},           /* LONGLONG */
        [9] = {INTEGER, LONG},            /* INT24 */
        [12] = {DATETIME, DATETIME},      /* DATETIME */
        [13] = {INTEGER, SHORT},          /* YEAR */
        [15] = {CHARACTERS, CHARACTERS},  /* VARCHAR */
        [249] = {CHARACTERS, CHARACTERS}, /* TINY_BLOB … */
        [250] = {CHARACTERS, CHARACTERS},
        [251] = {CHARACTERS, CHARACTERS},
        [252] = {CHARACTERS, CHARACTERS}, /* BLOB */
        [253] = {CHARACTERS, CHARACTERS}, /* VAR_STRING */
        [TYPE_STRING] = {CHARACTERS, CHARACTERS},
    };
    return classes[type];
}

static bool same_values(uint8_t a, uint8_t b, bool binary)
{
    struct type_class x = class_of(a), y = class_of(b);
    if (a == b)
        return true;
    return binary ? x.binary && x.binary == y.binary : x.text && x.text == y.text;
}

static uint32_t clamped(uint64_t length)
{
    return length > UINT32_MAX ? UINT32_MAX : (uint32_t)length;
}

/* The fixed fields: theirs, changed as far as may be. */
static void add_fixed(struct buf *out, const unsigned char *is, const struct definition *d,
                      const struct definition_context *c, bool retype)
{
    const struct column_facts *f = &d->facts;
    uint32_t charset = get_u16(is), length = get_u32(is + 2), flags = get_u16(is + 7);
    uint32_t lost = (c->planned ? d->lost_flags : 0) | (c->cursor ? DEFINITION_KEY_FLAGS : 0);
    uint32_t given = f->flags & ~lost;
    unsigned width = charset < c->widths.count ? c->widths.of[charset] : 0;
    if (retype && !f->text)
        length = f->length;
    else if (retype && width)
        length = clamped((uint64_t)f->length * width);
    flags = retype ? given : (flags & TYPE_FLAGS) | (given & ~TYPE_FLAGS);
    add_u16(out, charset);
    add_u32(out, length);
    buf_add_byte(out, retype ? f->type : is[6]);
    add_u16(out, flags);
    buf_add_byte(out, retype ? f->decimals : is[9]);
    buf_add(out, is + 10, 2);
}

bool definition_describe(struct span packet, const struct definition *d, const struct definition_context *c,
                         struct buf *out)
{
    if (packet.len < PACKET_HEADER)
        return false;
    struct reader r = reader_of((struct span){packet.ptr + PACKET_HEADER, packet.len - PACKET_HEADER});
    struct span catalog = read_lenenc_str(&r), extended = SPAN("");
    for (int i = 0; i < 3; i++)
        read_lenenc_str(&r);
    struct span label = read_lenenc_str(&r);
    read_lenenc_str(&r);
    if (c->extended)
        extended = read_lenenc_str(&r);
    uint64_t size = read_lenenc(&r);
    struct span fixed = read_bytes(&r, FIXED_SIZE);
    if (r.failed || size != FIXED_SIZE || reader_left(&r) > 0 || !span_eq(label, d->label))
        return false;

    const unsigned char *is = (const unsigned char *)fixed.ptr;
    bool text = get_u16(is) != NO_CHARSET;
    bool retype = !d->origin_only && text == d->facts.text && same_values(is[6], d->facts.type, c->binary);
    size_t at = packet_begin(out);
    add_lenenc_str(out, catalog);
    add_lenenc_str(out, d->db);
    add_lenenc_str(out, d->table);
    add_lenenc_str(out, d->org_table);
    add_lenenc_str(out, label);
    add_lenenc_str(out,
                   c->cursor ? label : d->org_name); /* a temporary table's column has the label's name */
    if (c->extended)
        add_lenenc_str(out, retype ? d->facts.extended : extended);
    buf_add_byte(out, FIXED_SIZE);
    if (d->origin_only)
        buf_add_span(out, fixed);
    else
        add_fixed(out, is, d, c, retype);
    packet_end(out, at, (uint8_t)packet.ptr[3]);
    return true;
}
