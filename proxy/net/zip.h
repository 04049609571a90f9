/* The compressed protocol: a stream of packets cut into compressed ones, each way for itself.
 *
 *   int<3> bytes behind this header │ int<1> sequence id │ int<3> their length before compression │ bytes
 *
 * A length of 0 says that the bytes are not compressed. Where the cuts are means nothing. Each packet is
 * compressed by itself, so a connection keeps no dictionary, and the workers' tools serve all of theirs.
 *
 * Sources: MariaDB, "0 - Packet" (compressed packet); MySQL, PAGE_PROTOCOL_BASIC_COMPRESSION. */
#ifndef PROXY_NET_ZIP_H
#define PROXY_NET_ZIP_H

#include "protocol/buf.h"

enum zip_algorithm { ZIP_NONE, ZIP_ZLIB, ZIP_ZSTD };

struct zip_tools;
struct zip;

/* What one thread compresses with. NULL: out of memory. */
struct zip_tools *zip_tools_new(void);
void zip_tools_free(struct zip_tools *tools); /* NULL is fine */

/* One connection. `level`: of zstd, as the client asks for. NULL: out of memory. */
struct zip *zip_new(struct zip_tools *tools, enum zip_algorithm algorithm, unsigned level);
void zip_free(struct zip *z); /* NULL is fine */

/* Bytes that came, compressed; appended by the caller. */
struct buf *zip_in(struct zip *z);

/* Bytes that are to be sent, compressed; consumed by the caller. */
struct buf *zip_out(struct zip *z);

enum zip_result {
    ZIP_OPENED, /* one packet's plain bytes were appended */
    ZIP_MORE,   /* no whole packet is there */
    ZIP_BROKEN, /* what came is none, or memory is out */
};

/* Opens one packet of zip_in(), which gives less than 16 MiB, behind `to`. */
enum zip_result zip_open(struct zip *z, struct buf *to);

/* What was opened last is being answered: the answer's sequence ids follow on from it. */
void zip_turn(struct zip *z);

/* Compresses plain bytes into zip_out(). false: out of memory. */
bool zip_send(struct zip *z, struct span plain);

#endif
