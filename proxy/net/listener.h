/* The listening sockets, TCP and Unix: the main thread accepts on its own event base and hands each client
 * to the workers. */
#ifndef PROXY_NET_LISTENER_H
#define PROXY_NET_LISTENER_H

#include "proxy/net/worker.h"

struct listeners;

/* Binds and listens on every endpoint of config->listen and accepts from then on, whenever `base` runs.
 * A Unix socket file that nobody listens on any more is replaced; one that is in use is an error.
 * NULL with the reason in `error` ("listen 127.0.0.1:3307: Address already in use"); then nothing is left
 * bound. */
struct listeners *listeners_open(struct event_base *base, struct workers *ws, const struct config *config,
                                 char *error, size_t error_size);

/* Stops accepting, closes the sockets and removes their Unix socket files. NULL is fine. */
void listeners_close(struct listeners *l);

#endif
