/* The listening sockets, TCP and Unix. Every worker watches all of them, and mostly one is told of a client.
 */
#ifndef PROXY_NET_LISTENER_H
#define PROXY_NET_LISTENER_H

#include "proxy/net/worker.h"

struct listeners;

/* Listens on every endpoint of config->listen; the workers accept from then on. A socket that
 * was handed down (activation.h) serves its endpoint; the others are bound here. A Unix socket file that
 * nobody listens on any more is replaced; one that is in use is an error, unless `takeover`: then this
 * process takes the path away from the one before it. NULL with the reason in `error` ("listen
 * 127.0.0.1:3307: Address already in use"); then nothing is left bound. */
struct listeners *listeners_open(struct workers *ws, const struct config *config, bool takeover, char *error,
                                 size_t error_size);

/* Stops accepting, closes the sockets and removes their Unix socket files where they are still ours. Who
 * waits in a socket's queue is admitted still, unless the socket was handed down: then the next process has
 * it. The workers still run. NULL is fine. */
void listeners_close(struct listeners *l);

#endif
