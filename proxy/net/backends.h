/* Where the backends are: the addresses of the configured endpoints, in order.
 *
 * Addresses and paths are known at once. Names are looked up by a thread of their own, again and again, so
 * that no worker ever waits for a name server; until the first answer they have no address. */
#ifndef PROXY_NET_BACKENDS_H
#define PROXY_NET_BACKENDS_H

#include "config/config.h"
#include "proxy/net/sockets.h"

struct backends;

/* Copies what it needs of the endpoints. NULL when memory or threads are out. */
struct backends *backends_new(const struct endpoint *endpoints, size_t count);
void backends_free(struct backends *b);

/* The address number `i`, counted over all endpoints in their order; false: there are no more. `text`, if
 * given, becomes the endpoint as it was configured. Any thread. */
bool backends_address(struct backends *b, size_t i, struct address *out, const char **text);

/* The host name or address of the endpoint that address number `i` is of; "localhost" for a Unix socket. */
bool backends_host(struct backends *b, size_t i, char *out, size_t size);

/* The first endpoint's text, for messages. */
const char *backends_first(const struct backends *b);

#endif
