/* Networks of the configuration; see network.h. */
#include "config/network.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

enum { V4 = 4, V6 = 16 };

const char *network_parse(const char *text, struct network *out)
{
    char address[INET6_ADDRSTRLEN];
    *out = (struct network){0};
    if (strcmp(text, "unix") == 0)
        return NULL;
    size_t n = strcspn(text, "/");
    if (n == 0 || n >= sizeof(address))
        return "expected an address, address/bits or unix";
    memcpy(address, text, n);
    address[n] = '\0';
    if (inet_pton(AF_INET, address, out->address) == 1)
        out->size = V4;
    else if (inet_pton(AF_INET6, address, out->address) == 1)
        out->size = V6;
    else
        return "expected an address, address/bits or unix";
    out->bits = out->size * 8;
    if (text[n] == '/') {
        char *end;
        unsigned long bits = strtoul(text + n + 1, &end, 10);
        if (text[n + 1] < '0' || text[n + 1] > '9' || *end || bits > out->bits)
            return "the bits of the mask are no number, or too many";
        out->bits = (unsigned)bits;
    }
    for (unsigned bit = out->bits; bit < out->size * 8; bit++)
        if (out->address[bit / 8] & (0x80 >> bit % 8))
            return "the address has bits behind its mask";
    return NULL;
}

static bool holds(const struct network *n, const unsigned char *address, size_t size)
{
    if (n->size != size)
        return false;
    size_t whole = n->bits / 8, rest = n->bits % 8;
    return memcmp(n->address, address, whole) == 0 &&
           (rest == 0 || (n->address[whole] ^ address[whole]) >> (8 - rest) == 0);
}

bool network_has(const struct network *list, size_t count, const unsigned char *address, size_t size)
{
    static const unsigned char mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
    if (size == V6 && memcmp(address, mapped, sizeof(mapped)) == 0) {
        address += sizeof(mapped);
        size = V4;
    }
    for (size_t i = 0; i < count; i++)
        if (holds(&list[i], address, size))
            return true;
    return false;
}
