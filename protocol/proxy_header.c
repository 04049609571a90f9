/* The PROXY protocol's header; see proxy_header.h. */
#include "protocol/proxy_header.h"

#include <arpa/inet.h>

#define V1_BEGIN "PROXY "
#define V2_BEGIN "\r\n\r\n\0\r\nQUIT\n"

enum {
    V1_MAX = 107, /* with its CR LF */
    V2_FIXED = 16,
    V2_LOCAL = 0x20,
    V2_PROXY = 0x21,
    V2_INET = 0x11, /* over TCP, as the others */
    V2_INET6 = 0x21,
    V2_UNIX = 0x31,
};

static uint16_t get_be16(const void *p)
{
    const unsigned char *b = p;
    return (uint16_t)(b[0] << 8 | b[1]);
}

static void add_be16(struct buf *b, uint16_t v)
{
    buf_add_byte(b, (unsigned char)(v >> 8));
    buf_add_byte(b, (unsigned char)v);
}

/* Whether `bytes` begin with `what`, or are its beginning. */
static bool may_begin(struct span bytes, struct span what)
{
    size_t n = bytes.len < what.len ? bytes.len : what.len;
    return n == 0 || memcmp(bytes.ptr, what.ptr, n) == 0;
}

/* ---- version 1 ---- */

/* The next word of a line whose words are parted by one blank each; empty: there is none. */
static struct span next_word(struct span *rest)
{
    const char *blank = rest->len ? memchr(rest->ptr, ' ', rest->len) : NULL;
    struct span word = {rest->ptr, blank ? (size_t)(blank - rest->ptr) : rest->len};
    size_t used = word.len + (blank ? 1 : 0);
    *rest = (struct span){rest->ptr + used, rest->len - used};
    return word;
}

static bool parse_address(struct span word, int family, unsigned char *out)
{
    char text[INET6_ADDRSTRLEN];
    if (word.len == 0 || word.len >= sizeof text || memchr(word.ptr, 0, word.len))
        return false;
    memcpy(text, word.ptr, word.len);
    text[word.len] = '\0';
    return inet_pton(family, text, out) == 1;
}

static bool parse_port(struct span word, uint16_t *out)
{
    uint32_t port = 0;
    if (word.len == 0 || word.len > 5 || (word.len > 1 && word.ptr[0] == '0'))
        return false;
    for (size_t i = 0; i < word.len; i++) {
        if (word.ptr[i] < '0' || word.ptr[i] > '9')
            return false;
        port = port * 10 + (uint32_t)(word.ptr[i] - '0');
    }
    *out = (uint16_t)port;
    return port <= 65535;
}

/* The line between "PROXY " and CR LF. */
static bool parse_line(struct span rest, struct proxy_addresses *out)
{
    struct span protocol = next_word(&rest);
    if (span_eq(protocol, SPAN("UNKNOWN")))
        return true; /* what follows is to be ignored */
    bool v6 = span_eq(protocol, SPAN("TCP6"));
    int family = v6 ? AF_INET6 : AF_INET;
    if (!v6 && !span_eq(protocol, SPAN("TCP4")))
        return false;
    out->family = v6 ? PROXY_INET6 : PROXY_INET;
    bool good = parse_address(next_word(&rest), family, out->source) &&
                parse_address(next_word(&rest), family, out->destination) &&
                parse_port(next_word(&rest), &out->source_port);
    const char *end = rest.ptr + rest.len;
    struct span last = next_word(&rest);
    return good && parse_port(last, &out->destination_port) && last.ptr + last.len == end;
}

static enum proxy_verdict parse_v1(struct span bytes, struct proxy_addresses *out, size_t *size)
{
    const char *newline = memchr(bytes.ptr, '\n', bytes.len < V1_MAX ? bytes.len : V1_MAX);
    if (!newline)
        return bytes.len < V1_MAX ? PROXY_MORE : PROXY_BAD;
    size_t begin = sizeof V1_BEGIN - 1, end = (size_t)(newline - bytes.ptr);
    if (end <= begin || newline[-1] != '\r' ||
        !parse_line((struct span){bytes.ptr + begin, end - 1 - begin}, out))
        return PROXY_BAD;
    *size = end + 1;
    return PROXY_HEADER;
}

/* ---- version 2 ---- */

static const struct {
    unsigned char code;
    enum proxy_family family;
    size_t size, address; /* of the address block; of one address in it */
} v2_families[] = {
    {0x00, PROXY_LOCAL, 0, 0}, /* unspecified */
    {V2_INET, PROXY_INET, 12, 4},
    {V2_INET6, PROXY_INET6, 36, 16},
    {V2_UNIX, PROXY_UNIX, 216, 0},
};

static bool parse_block(unsigned char code, struct span block, struct proxy_addresses *out)
{
    for (size_t i = 0; i < sizeof v2_families / sizeof v2_families[0]; i++) {
        if (v2_families[i].code != code)
            continue;
        size_t n = v2_families[i].address;
        if (block.len < v2_families[i].size)
            return false;
        out->family = v2_families[i].family;
        if (n == 0)
            return true;
        memcpy(out->source, block.ptr, n);
        memcpy(out->destination, block.ptr + n, n);
        out->source_port = get_be16(block.ptr + 2 * n);
        out->destination_port = get_be16(block.ptr + 2 * n + 2);
        return true;
    }
    return false; /* datagrams carry no connection; other families do not exist */
}

static enum proxy_verdict parse_v2(struct span bytes, struct proxy_addresses *out, size_t *size)
{
    if (bytes.len < V2_FIXED)
        return PROXY_MORE;
    unsigned char command = (unsigned char)bytes.ptr[12];
    size_t length = get_be16(bytes.ptr + 14);
    if ((command != V2_LOCAL && command != V2_PROXY) || V2_FIXED + length > PROXY_HEADER_MAX)
        return PROXY_BAD;
    if (bytes.len - V2_FIXED < length)
        return PROXY_MORE;
    struct span block = {bytes.ptr + V2_FIXED, length};
    if (command == V2_PROXY && !parse_block((unsigned char)bytes.ptr[13], block, out))
        return PROXY_BAD;
    *size = V2_FIXED + length;
    return PROXY_HEADER;
}

/* ---- both ---- */

enum proxy_verdict proxy_header_parse(struct span bytes, struct proxy_addresses *out, size_t *size)
{
    struct span v1 = SPAN(V1_BEGIN), v2 = SPAN(V2_BEGIN);
    *out = (struct proxy_addresses){.family = PROXY_LOCAL};
    *size = 0;
    bool first = may_begin(bytes, v1), second = may_begin(bytes, v2);
    if (!first && !second)
        return PROXY_NONE;
    if (bytes.len < (first ? v1.len : v2.len))
        return PROXY_MORE;
    return first ? parse_v1(bytes, out, size) : parse_v2(bytes, out, size);
}

static void build_v1(struct buf *b, const struct proxy_addresses *a)
{
    bool v6 = a->family == PROXY_INET6;
    char source[INET6_ADDRSTRLEN] = "", destination[INET6_ADDRSTRLEN] = "";
    if (!v6 && a->family != PROXY_INET) {
        buf_add_str(b, V1_BEGIN "UNKNOWN\r\n");
        return;
    }
    inet_ntop(v6 ? AF_INET6 : AF_INET, a->source, source, sizeof source);
    inet_ntop(v6 ? AF_INET6 : AF_INET, a->destination, destination, sizeof destination);
    buf_printf(b, V1_BEGIN "%s %s %s %u %u\r\n", v6 ? "TCP6" : "TCP4", source, destination,
               (unsigned)a->source_port, (unsigned)a->destination_port);
}

static void build_v2(struct buf *b, const struct proxy_addresses *a)
{
    bool v6 = a->family == PROXY_INET6, told = v6 || a->family == PROXY_INET;
    size_t n = v6 ? 16 : 4;
    buf_add_span(b, SPAN(V2_BEGIN));
    buf_add_byte(b, told ? V2_PROXY : V2_LOCAL);
    buf_add_byte(b, !told ? 0 : v6 ? V2_INET6 : V2_INET);
    add_be16(b, told ? (uint16_t)(2 * n + 4) : 0);
    if (!told)
        return;
    buf_add(b, a->source, n);
    buf_add(b, a->destination, n);
    add_be16(b, a->source_port);
    add_be16(b, a->destination_port);
}

void proxy_header_build(struct buf *b, unsigned version, const struct proxy_addresses *a)
{
    if (version == 1)
        build_v1(b, a);
    else
        build_v2(b, a);
}
