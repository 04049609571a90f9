/* The listening sockets, TCP and Unix: the main thread accepts on its own event base and hands each client
 * to the workers. */
#ifndef PROXY_NET_LISTENER_H
#define PROXY_NET_LISTENER_H

#include "proxy/net/worker.h"

struct listeners;

/* Listens on every endpoint of config->listen and accepts from then on, whenever `base` runs. A socket that
 * was handed down (activation.h) serves its endpoint; the others are bound here. A Unix socket file that
 * nobody listens on any more is replaced; one that is in use is an error, unless `takeover`: then this
 * process takes the path away from the one before it. NULL with the reason in `error` ("listen
 * 127.0.0.1:3307: Address already in use"); then nothing is left bound. */
struct listeners *listeners_open(struct event_base *base, struct workers *ws, const struct config *config,
                                 bool takeover, char *error, size_t error_size);

/* Stops accepting, closes the sockets and removes their Unix socket files where they are still ours. Who
 * waits in a socket's queue is admitted still, unless the socket was handed down: then the next process has
 * it. NULL is fine. */
void listeners_close(struct listeners *l);

#endif
