/* Networks of clients: 192.0.2.0/24, 2001:db8::/32, a single address, or `unix` for whoever comes over a Unix
 * socket. */
#ifndef CONFIG_NETWORK_H
#define CONFIG_NETWORK_H

#include "config/config.h"

/* Reads one network (text without surrounding blanks). Returns NULL and fills *out, or a constant reason. */
const char *network_parse(const char *text, struct network *out);

/* Whether one of the networks holds the address: 4 or 16 bytes in network order (an IPv4 address mapped into
 * IPv6 counts as IPv4), or 0 bytes for a Unix socket. */
bool network_has(const struct network *list, size_t count, const unsigned char *address, size_t size);

#endif
