/* Reading the fields of a packet, and building packets.
 *
 * A reader carries a sticky failure: a field that would pass the end gives zero or an empty span and sets
 * `failed`; callers check once at the end. Builders append to a struct buf, whose failure is sticky too. */
#ifndef PROTOCOL_PACKET_H
#define PROTOCOL_PACKET_H

#include "protocol/buf.h"
#include "protocol/proto.h"

struct reader {
    const unsigned char *p, *end;
    bool failed;
};

static inline struct reader reader_of(struct span s)
{
    return (struct reader){(const unsigned char *)s.ptr, (const unsigned char *)s.ptr + s.len, false};
}

static inline size_t reader_left(const struct reader *r)
{
    return (size_t)(r->end - r->p);
}

/* The next `n` bytes, in place. */
struct span read_bytes(struct reader *r, size_t n);
uint32_t read_u8(struct reader *r);
uint32_t read_u16(struct reader *r);
uint32_t read_u32(struct reader *r);

/* A length-encoded integer; 0xfb (NULL) and 0xff are failures. */
uint64_t read_lenenc(struct reader *r);

/* A length-encoded string. The second one: whose length is not one byte, or that is not whole. */
static inline struct span read_lenenc_str(struct reader *r);
struct span read_lenenc_str_long(struct reader *r);

/* A string that ends with NUL; without one it fails. */
struct span read_nul_str(struct reader *r);

/* How many bytes a length-encoded integer takes by its first byte: 1, 3, 4 or 9; 0: it is none. */
size_t lenenc_size(unsigned char first);

void add_u16(struct buf *b, uint32_t v);
void add_u24(struct buf *b, uint32_t v);
void add_u32(struct buf *b, uint32_t v);
void add_lenenc(struct buf *b, uint64_t v);

/* A length-encoded string. The second one: of any length. */
static inline void add_lenenc_str(struct buf *b, struct span s);
void add_lenenc_str_long(struct buf *b, struct span s);

/* One logical packet, split where it has to be: `head` then `body` are the payload. The sequence id of the
 * first is *seq, which moves behind the last. */
void add_packet(struct buf *b, uint8_t *seq, struct span head, struct span body);

/* Leaves room for a header; packet_end() fills it in. The payload between must stay below PACKET_MAX. */
size_t packet_begin(struct buf *b);
void packet_end(struct buf *b, size_t begin, uint8_t seq);

/* The same for a payload of any length, which is split where it has to be. The sequence id of the first
 * packet is *seq, which moves behind the last. */
void packet_end_split(struct buf *b, size_t begin, uint8_t *seq);

/* An ERR packet. sqlstate: five characters, or NULL for the form that a server uses before it knows the
 * client's capabilities. */
void add_err(struct buf *b, uint8_t seq, unsigned code, const char *sqlstate, struct span message);

/* The size of the logical packet whose first header is at `p`, headers included, as far as it can be told
 * from `len` bytes. 0: not enough bytes are there to tell (the next header is missing). Where packets were
 * joined, *parts is their number. */
size_t logical_size(const void *p, size_t len, size_t *parts);

/* The payload of a logical packet of `parts` parts and `size` bytes at `p`. One part: in place. Several:
 * joined in place by moving the later payloads down over the headers between; the bytes at `p` are no
 * packets any more. */
struct span logical_payload(void *p, size_t size, size_t parts);

static inline struct span read_lenenc_str(struct reader *r)
{
    if (r->failed || r->p == r->end || *r->p >= 0xfb || *r->p >= r->end - r->p)
        return read_lenenc_str_long(r);
    struct span s = {(const char *)r->p + 1, *r->p};
    r->p += 1 + s.len;
    return s;
}

static inline void add_lenenc_str(struct buf *b, struct span s)
{
    if (s.len >= 0xfb || !buf_reserve(b, 1 + s.len)) {
        add_lenenc_str_long(b, s);
        return;
    }
    b->data[b->end] = (char)s.len;
    if (s.len > 0)
        memcpy(b->data + b->end + 1, s.ptr, s.len);
    b->end += 1 + s.len;
}

#endif
