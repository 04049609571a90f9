/* Reading and building packets; see packet.h. */
#include "protocol/packet.h"

struct span read_bytes(struct reader *r, size_t n)
{
    if (r->failed || n > reader_left(r)) {
        r->failed = true;
        return (struct span){"", 0};
    }
    struct span s = {(const char *)r->p, n};
    r->p += n;
    return s;
}

uint32_t read_u8(struct reader *r)
{
    struct span s = read_bytes(r, 1);
    return s.len ? (unsigned char)s.ptr[0] : 0;
}

uint32_t read_u16(struct reader *r)
{
    struct span s = read_bytes(r, 2);
    return s.len ? get_u16(s.ptr) : 0;
}

uint32_t read_u32(struct reader *r)
{
    struct span s = read_bytes(r, 4);
    return s.len ? get_u32(s.ptr) : 0;
}

size_t lenenc_size(unsigned char first)
{
    if (first < 0xfb)
        return 1;
    switch (first) {
    case 0xfc:
        return 3;
    case 0xfd:
        return 4;
    case 0xfe:
        return 9;
    default:
        return 0;
    }
}

uint64_t read_lenenc(struct reader *r)
{
    uint32_t first = read_u8(r);
    switch (lenenc_size((unsigned char)first)) {
    case 1:
        return first;
    case 3:
        return read_u16(r);
    case 4: {
        struct span s = read_bytes(r, 3);
        return s.len ? get_u24(s.ptr) : 0;
    }
    case 9: {
        struct span s = read_bytes(r, 8);
        return s.len ? get_u64(s.ptr) : 0;
    }
    default:
        r->failed = true;
        return 0;
    }
}

struct span read_lenenc_str_long(struct reader *r)
{
    uint64_t n = read_lenenc(r);
    return read_bytes(r, n > SIZE_MAX ? SIZE_MAX : (size_t)n);
}

struct span read_nul_str(struct reader *r)
{
    const unsigned char *nul = r->failed ? NULL : memchr(r->p, 0, reader_left(r));
    if (!nul) {
        r->failed = true;
        return (struct span){"", 0};
    }
    struct span s = {(const char *)r->p, (size_t)(nul - r->p)};
    r->p = nul + 1;
    return s;
}

void add_u16(struct buf *b, uint32_t v)
{
    unsigned char p[2];
    put_u16(p, v);
    buf_add(b, p, sizeof p);
}

void add_u24(struct buf *b, uint32_t v)
{
    unsigned char p[3];
    put_u24(p, v);
    buf_add(b, p, sizeof p);
}

void add_u32(struct buf *b, uint32_t v)
{
    unsigned char p[4];
    put_u32(p, v);
    buf_add(b, p, sizeof p);
}

void add_lenenc(struct buf *b, uint64_t v)
{
    if (v < 0xfb) {
        buf_add_byte(b, (unsigned char)v);
    } else if (v <= 0xffff) {
        buf_add_byte(b, 0xfc);
        add_u16(b, (uint32_t)v);
    } else if (v <= 0xffffff) {
        buf_add_byte(b, 0xfd);
        add_u24(b, (uint32_t)v);
    } else {
        buf_add_byte(b, 0xfe);
        add_u32(b, (uint32_t)v);
        add_u32(b, (uint32_t)(v >> 32));
    }
}

void add_lenenc_str_long(struct buf *b, struct span s)
{
    add_lenenc(b, s.len);
    buf_add_span(b, s);
}

/* Takes up to `n` bytes off the front of *s. */
static struct span take(struct span *s, size_t n)
{
    struct span t = {s->ptr, s->len < n ? s->len : n};
    s->ptr += t.len;
    s->len -= t.len;
    return t;
}

void add_packet(struct buf *b, uint8_t *seq, struct span head, struct span body)
{
    size_t total = head.len + body.len;
    if (!buf_reserve(b, total + (total / PACKET_MAX + 1) * PACKET_HEADER))
        return;
    for (;;) {
        struct span h = take(&head, PACKET_MAX);
        struct span d = take(&body, PACKET_MAX - h.len);
        add_u24(b, (uint32_t)(h.len + d.len));
        buf_add_byte(b, (*seq)++);
        buf_add_span(b, h);
        buf_add_span(b, d);
        if (h.len + d.len < PACKET_MAX)
            return;
    }
}

size_t packet_begin(struct buf *b)
{
    size_t at = buf_len(b);
    buf_add(b, "\0\0\0\0", PACKET_HEADER);
    return at;
}

void packet_end(struct buf *b, size_t begin, uint8_t seq)
{
    if (buf_failed(b))
        return;
    char *p = buf_ptr(b) + begin;
    put_u24(p, (uint32_t)(buf_len(b) - begin - PACKET_HEADER));
    p[3] = (char)seq;
}

void packet_end_split(struct buf *b, size_t begin, uint8_t *seq)
{
    size_t len = buf_len(b) - begin - PACKET_HEADER, more = len / PACKET_MAX;
    if (more > 0 && !buf_reserve(b, more * PACKET_HEADER))
        return;
    if (buf_failed(b))
        return;
    b->end += more * PACKET_HEADER;
    for (size_t i = more + 1; i-- > 0;) { /* the last first, since all but the first move */
        char *payload = buf_ptr(b) + begin + PACKET_HEADER + i * PACKET_MAX, *p = payload + i * PACKET_HEADER;
        size_t n = i < more ? PACKET_MAX : len - more * PACKET_MAX;
        if (i > 0)
            memmove(p, payload, n);
        put_u24(p - PACKET_HEADER, (uint32_t)n);
        p[-1] = (char)(uint8_t)(*seq + i);
    }
    *seq = (uint8_t)(*seq + more + 1);
}

void add_err(struct buf *b, uint8_t seq, unsigned code, const char *sqlstate, struct span message)
{
    size_t at = packet_begin(b);
    buf_add_byte(b, 0xff);
    add_u16(b, code);
    if (sqlstate) {
        buf_add_byte(b, '#');
        buf_add(b, sqlstate, 5);
    }
    buf_add_span(b, message);
    packet_end(b, at, seq);
}

size_t logical_size(const void *p, size_t len, size_t *parts)
{
    size_t off = 0;
    for (*parts = 1;; ++*parts) {
        if (len - off < PACKET_HEADER)
            return 0;
        uint32_t n = get_u24((const char *)p + off);
        if (n < PACKET_MAX)
            return off + PACKET_HEADER + n;
        if (n > len - off - PACKET_HEADER)
            return 0;
        off += PACKET_HEADER + n;
    }
}

struct span logical_payload(void *p, size_t size, size_t parts)
{
    char *to = (char *)p + PACKET_HEADER;
    const char *from = to;
    size_t left = size - PACKET_HEADER;
    for (size_t i = 1; i < parts; i++) {
        memmove(to, from, PACKET_MAX);
        to += PACKET_MAX;
        from += PACKET_MAX + PACKET_HEADER;
        left -= PACKET_MAX + PACKET_HEADER;
    }
    if (parts > 1)
        memmove(to, from, left);
    return (struct span){(char *)p + PACKET_HEADER, (size_t)(to - (char *)p - PACKET_HEADER) + left};
}
