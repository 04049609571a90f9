/* The compressed protocol; see zip.h. */
#include "proxy/net/zip.h"

#include <stdlib.h>
#include <zlib.h>
#include <zstd.h>

#include "protocol/proto.h"

#define ZIP_HEADER     7
#define ZIP_PIECE      (128 * 1024) /* plain bytes in a packet of ours */
#define ZIP_LEAST      50           /* below, the servers do not compress either */
#define ZLIB_LEVEL     3  /* the strongest of zlib's fast ones: about twice as fast as its default */
#define ZSTD_LEVEL_MAX 12 /* beyond, a client's wish costs the proxy more than it is worth */

struct zip_tools {
    z_stream deflater, inflater;
    ZSTD_CCtx *compressor;
    ZSTD_DCtx *decompressor;
};

struct zip {
    struct zip_tools *tools;
    enum zip_algorithm algorithm;
    int level;
    uint8_t in_seq, out_seq; /* of the packet opened last; of the next to be sent */
    struct buf in, out;
};

struct zip_tools *zip_tools_new(void)
{
    struct zip_tools *t = calloc(1, sizeof *t);
    if (!t)
        return NULL;
    t->compressor = ZSTD_createCCtx();
    t->decompressor = ZSTD_createDCtx();
    bool deflater = deflateInit(&t->deflater, ZLIB_LEVEL) == Z_OK;
    bool inflater = inflateInit(&t->inflater) == Z_OK;
    if (t->compressor && t->decompressor && deflater && inflater)
        return t;
    zip_tools_free(t);
    return NULL;
}

void zip_tools_free(struct zip_tools *t)
{
    if (!t)
        return;
    deflateEnd(&t->deflater);
    inflateEnd(&t->inflater);
    ZSTD_freeCCtx(t->compressor);
    ZSTD_freeDCtx(t->decompressor);
    free(t);
}

struct zip *zip_new(struct zip_tools *tools, enum zip_algorithm algorithm, unsigned level)
{
    struct zip *z = calloc(1, sizeof *z);
    if (!z)
        return NULL;
    z->tools = tools;
    z->algorithm = algorithm;
    z->level = level < 1 ? 1 : level > ZSTD_LEVEL_MAX ? ZSTD_LEVEL_MAX : (int)level;
    return z;
}

void zip_free(struct zip *z)
{
    if (!z)
        return;
    buf_free(&z->in);
    buf_free(&z->out);
    free(z);
}

struct buf *zip_in(struct zip *z)
{
    return &z->in;
}

struct buf *zip_out(struct zip *z)
{
    return &z->out;
}

void zip_turn(struct zip *z)
{
    z->out_seq = (uint8_t)(z->in_seq + 1);
}

/* ---- opening ---- */

/* Exactly `plain` bytes come of `packed`. */
static bool open_zlib(struct zip_tools *t, struct span packed, char *to, size_t plain)
{
    z_stream *s = &t->inflater;
    s->next_in = (Bytef *)packed.ptr;
    s->avail_in = (uInt)packed.len;
    s->next_out = (Bytef *)to;
    s->avail_out = (uInt)plain;
    bool good = inflateReset(s) == Z_OK && inflate(s, Z_FINISH) == Z_STREAM_END;
    return good && s->avail_out == 0;
}

static bool open_zstd(struct zip_tools *t, struct span packed, char *to, size_t plain)
{
    return ZSTD_decompressDCtx(t->decompressor, to, plain, packed.ptr, packed.len) == plain;
}

enum zip_result zip_open(struct zip *z, struct buf *to)
{
    const char *p = buf_ptr(&z->in);
    if (buf_len(&z->in) < ZIP_HEADER || buf_len(&z->in) - ZIP_HEADER < get_u24(p))
        return buf_failed(&z->in) ? ZIP_BROKEN : ZIP_MORE;
    struct span packed = {p + ZIP_HEADER, get_u24(p)};
    size_t plain = get_u24(p + 4);
    z->in_seq = (uint8_t)p[3];
    if (plain == 0) {
        buf_add_span(to, packed);
    } else {
        if (!buf_reserve(to, plain) ||
            !(z->algorithm == ZIP_ZSTD ? open_zstd : open_zlib)(z->tools, packed, to->data + to->end, plain))
            return ZIP_BROKEN;
        to->end += plain;
    }
    buf_consume(&z->in, ZIP_HEADER + packed.len);
    if (buf_len(&z->in) == 0)
        buf_free(&z->in);
    return buf_failed(to) ? ZIP_BROKEN : ZIP_OPENED;
}

/* ---- closing ---- */

/* The length of what `plain` becomes at `to`; 0: it does not get shorter than `room`. */
static size_t pack_zlib(struct zip *z, struct span plain, char *to, size_t room)
{
    z_stream *s = &z->tools->deflater;
    s->next_in = (Bytef *)plain.ptr;
    s->avail_in = (uInt)plain.len;
    s->next_out = (Bytef *)to;
    s->avail_out = (uInt)room;
    if (deflateReset(s) != Z_OK || deflate(s, Z_FINISH) != Z_STREAM_END)
        return 0;
    return room - s->avail_out;
}

static size_t pack_zstd(struct zip *z, struct span plain, char *to, size_t room)
{
    size_t n = ZSTD_compressCCtx(z->tools->compressor, to, room, plain.ptr, plain.len, z->level);
    return ZSTD_isError(n) ? 0 : n;
}

static void send_piece(struct zip *z, struct span plain)
{
    struct buf *out = &z->out;
    if (!buf_reserve(out, ZIP_HEADER + plain.len))
        return;
    char *header = out->data + out->end, *body = header + ZIP_HEADER;
    size_t room = plain.len - 1, packed = 0;
    if (plain.len >= ZIP_LEAST)
        packed = z->algorithm == ZIP_ZSTD ? pack_zstd(z, plain, body, room) : pack_zlib(z, plain, body, room);
    if (packed == 0)
        memcpy(body, plain.ptr, plain.len);
    put_u24(header, (uint32_t)(packed ? packed : plain.len));
    header[3] = (char)z->out_seq++;
    put_u24(header + 4, packed ? (uint32_t)plain.len : 0);
    out->end += ZIP_HEADER + (packed ? packed : plain.len);
}

bool zip_send(struct zip *z, struct span plain)
{
    while (plain.len > 0) {
        size_t n = plain.len < ZIP_PIECE ? plain.len : ZIP_PIECE;
        send_piece(z, (struct span){plain.ptr, n});
        plain = (struct span){plain.ptr + n, plain.len - n};
    }
    return !buf_failed(&z->out);
}
