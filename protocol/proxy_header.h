/* The PROXY protocol: the header in which a load balancer says whose connection it forwards, versions 1 (a
 * line of text) and 2 (binary, with TLVs that are skipped).
 *
 *     client ══▶ balancer ══ header, then the client's bytes ══▶ crossfade ══ header, … ══▶ backend
 *
 * Pure: bytes in, addresses out, and back. Source: HAProxy's doc/proxy-protocol.txt (2020/03/05). */
#ifndef PROTOCOL_PROXY_HEADER_H
#define PROTOCOL_PROXY_HEADER_H

#include "protocol/buf.h"

/* A header that is longer is refused. The specification asks for 536 bytes at least; TLVs need some more. */
#define PROXY_HEADER_MAX 4096

enum proxy_family {
    PROXY_LOCAL, /* no address is told: the balancer's own connection (a health check), or one it cannot name
                  */
    PROXY_INET,
    PROXY_INET6,
    PROXY_UNIX, /* over a Unix socket at the balancer; its paths are of no use here */
};

/* The two ends of a client's connection. */
struct proxy_addresses {
    enum proxy_family family;
    unsigned char source[16], destination[16]; /* network order; PROXY_INET: the first four bytes */
    uint16_t source_port, destination_port;
};

enum proxy_verdict {
    PROXY_HEADER, /* a whole header: the addresses, and in *size its length */
    PROXY_MORE,   /* the beginning of one; all these bytes belong to it */
    PROXY_NONE,   /* something else */
    PROXY_BAD,    /* it begins as a header and is none, or is too long */
};

/* Looks at the first bytes of a connection. */
enum proxy_verdict proxy_header_parse(struct span bytes, struct proxy_addresses *out, size_t *size);

/* Appends a header of version 1 or 2. What is neither PROXY_INET nor PROXY_INET6 is said as UNKNOWN (1) or
 * LOCAL (2). */
void proxy_header_build(struct buf *b, unsigned version, const struct proxy_addresses *a);

#endif
