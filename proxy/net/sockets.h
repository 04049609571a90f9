/* Sockets: their options, connecting without blocking, and addresses as text. */
#ifndef PROXY_NET_SOCKETS_H
#define PROXY_NET_SOCKETS_H

#include <sys/socket.h>

#include "protocol/span.h"

struct address {
    struct sockaddr_storage addr;
    socklen_t len;
};

/* A Unix socket's address. false: the path is too long. */
bool address_of_path(const char *path, struct address *out);

/* "192.0.2.1:3306", "[2001:db8::1]:3306" or "unix". */
void address_text(const struct address *a, char *out, size_t size);

/* TCP_NODELAY and keepalive, where it is TCP. */
void socket_options(int fd);

/* Begins to connect. Returns the non-blocking socket, or -1 with the error in *error. *done: it is connected
 * already; else it becomes writable when it has connected or failed (socket_error() tells). */
int socket_connect(const struct address *a, bool *done, int *error);

bool socket_is_unix(int fd);

/* The pending error of a socket: 0 when a connect has succeeded. */
int socket_error(int fd);

#endif
