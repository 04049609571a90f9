/* Rewriting one definition; see definition.h. */
#include "protocol/definition.h"

#include "protocol/packet.h"

#define FIXED_SIZE 12 /* of the fields behind the names */
#define NO_CHARSET 63 /* "binary": the value is no text */
#define TYPE_FLAGS                                                                                           \
    0x8df0u /* BLOB, UNSIGNED, ZEROFILL, BINARY, ENUM, TIMESTAMP, SET, NUM: they go with the type */
#define TYPE_JSON   245
#define TYPE_STRING 254

/* Types whose values look the same: in the text protocol to whoever reads a number, a date or a text; in the
 * binary one byte by byte. 0: like no other type. */
struct type_class {
    uint8_t text, binary;
};

enum { OTHER, INTEGER, FLOATING, DATETIME, CHARACTERS, SHORT, LONG };

static struct type_class class_of(uint8_t type)
{
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

/* What the packet says. */
struct said {
    struct span catalog, db, table, org_table, label, org_name, extended, fixed;
};

static const unsigned char *fixed_of(const struct said *is)
{
    return (const unsigned char *)is->fixed.ptr;
}

static bool parse(struct span packet, bool has_extended, struct said *is)
{
    if (packet.len < PACKET_HEADER)
        return false;
    struct reader r = reader_of((struct span){packet.ptr + PACKET_HEADER, packet.len - PACKET_HEADER});
    struct span *names[] = {&is->catalog, &is->db, &is->table, &is->org_table, &is->label, &is->org_name};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        *names[i] = read_lenenc_str(&r);
    is->extended = has_extended ? read_lenenc_str(&r) : SPAN("");
    uint64_t size = read_lenenc(&r);
    is->fixed = read_bytes(&r, FIXED_SIZE);
    return !r.failed && size == FIXED_SIZE && reader_left(&r) == 0;
}

/* Whether what is sent is so much like the old column's that it may be called by that type. MySQL describes
 * columns of JSON as bytes and expressions as text, and sends both as text. */
static bool is_alike(const struct said *is, const struct definition *d, bool binary)
{
    uint8_t type = fixed_of(is)[6];
    bool text = get_u16(fixed_of(is)) != NO_CHARSET;
    if (d->origin_only || !same_values(type, d->facts.type, binary))
        return false;
    return type == TYPE_JSON || text == d->facts.text;
}

/* Whether the plan has lost the flags of keys. An expression has no table, and an original name only where it
 * comes from a temporary one. */
static bool loses_keys(const struct said *is, const struct definition *d)
{
    if (is->table.len == 0 && (is->org_name.len > 0 || d->keys == KEYS_SHOWN))
        return is->org_name.len > 0;
    return d->keys != KEYS_STAY && !(get_u16(fixed_of(is) + 7) & DEFINITION_KEY_FLAGS);
}

/* What became of a derived table, by the definition of a value from it. */
enum merging { MERGED, APART, NOT_SHOWN };

/* On MySQL expressions and columns of a temporary table have the same names. They differ where a text is said
 * to have a number of decimals, and a number to be binary. */
static enum merging merging_by_type(const struct said *is)
{
    enum { DECIMALS_NOT_FIXED = 31, TYPE_DECIMAL = 246, BINARY_FLAG = 0x80 };
    uint8_t type = fixed_of(is)[6];
    if (is->db.len > 0) /* no expression, but another column */
        return NOT_SHOWN;
    if (same_values(type, TYPE_STRING, false) || type == TYPE_JSON)
        return fixed_of(is)[9] == DECIMALS_NOT_FIXED ? MERGED : APART;
    if (type == TYPE_DECIMAL || class_of(type).text == INTEGER || class_of(type).text == FLOATING)
        return get_u16(fixed_of(is) + 7) & BINARY_FLAG ? MERGED : APART;
    return NOT_SHOWN;
}

/* On MariaDB a merged derived table is its columns' original one. */
static enum merging merging_of(const struct said *is, const struct definition *d)
{
    if (d->way == WAY_DERIVED_MYSQL)
        return merging_by_type(is);
    return span_eq(is->org_table, is->table) ? MERGED : APART;
}

/* What the old column would be called, if that can be told. The rows of a statement that are kept in a
 * temporary table once more have other names. */
static bool name_derived(const struct said *is, const struct definition_context *c, struct definition *d)
{
    enum merging merging = merging_of(is, d);
    bool mysql = d->way == WAY_DERIVED_MYSQL;
    if (!mysql && is->table.len == 0) /* neither */
        return false;
    if (c->planned && (c->cursor || (merging != MERGED && d->keys != KEYS_STAY)))
        return false;
    if (merging == NOT_SHOWN && is->db.len > 0)
        d->org_table = is->org_table;
    else if (merging == NOT_SHOWN && !span_eq(d->alias, d->org_table))
        return false;
    if (merging == MERGED)
        d->org_table = mysql ? d->alias : is->table;
    else
        d->facts.flags &= (uint16_t)~DEFINITION_KEY_FLAGS;
    if (merging == APART && !mysql)
        d->db = SPAN("");
    if (merging == MERGED && d->facts.type == TYPE_JSON) { /* an expression that is the column */
        d->facts.text = true;
        d->facts.length = UINT32_MAX / 4;
    }
    d->keys = KEYS_STAY;
    d->org_name = is->org_name;
    return true;
}

/* The fixed fields: theirs, changed as far as may be. */
static void add_fixed(struct buf *out, const struct said *said, const struct definition *d,
                      const struct definition_context *c, bool retype)
{
    const unsigned char *is = fixed_of(said);
    const struct column_facts *f = &d->facts;
    uint32_t charset = get_u16(is), length = get_u32(is + 2), flags = get_u16(is + 7);
    bool keys = !c->cursor && !(c->planned && loses_keys(said, d));
    uint32_t given = keys ? f->flags : f->flags & ~DEFINITION_KEY_FLAGS;
    unsigned width = charset < c->widths.count ? c->widths.of[charset] : 0;
    if (retype && f->type == TYPE_JSON && !f->text)
        charset = NO_CHARSET;
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

bool definition_describe(struct span packet, const struct definition *what,
                         const struct definition_context *c, struct buf *out)
{
    struct said is;
    struct definition derived = *what, *d = &derived;
    if (!parse(packet, c->extended, &is) || !span_eq(is.label, d->label) ||
        (d->way != WAY_PLAIN && !name_derived(&is, c, d)))
        return false;

    bool retype = is_alike(&is, d, c->binary);
    size_t at = packet_begin(out);
    add_lenenc_str(out, is.catalog);
    add_lenenc_str(out, d->db);
    add_lenenc_str(out, d->table);
    add_lenenc_str(out, d->org_table);
    add_lenenc_str(out, is.label);
    add_lenenc_str(out,
                   c->cursor ? is.label : d->org_name); /* a temporary table's column has the label's name */
    if (c->extended)
        add_lenenc_str(out, retype ? d->facts.extended : is.extended);
    buf_add_byte(out, FIXED_SIZE);
    if (d->origin_only)
        buf_add_span(out, is.fixed);
    else
        add_fixed(out, &is, d, c, retype);
    packet_end(out, at, (uint8_t)packet.ptr[3]);
    return true;
}
