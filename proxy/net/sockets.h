/* Sockets: their options, connecting without blocking, and addresses as text. */
#ifndef PROXY_NET_SOCKETS_H
#define PROXY_NET_SOCKETS_H

#include <sys/socket.h>

#include "config/config.h"
#include "protocol/proxy_header.h"

struct address {
    struct sockaddr_storage addr;
    socklen_t len;
};

/* A Unix socket's address. false: the path is too long. */
bool address_of_path(const char *path, struct address *out);

/* "192.0.2.1:3306", "[2001:db8::1]:3306" or "unix". */
void address_text(const struct address *a, char *out, size_t size);

/* The two ends of an accepted connection, as a PROXY header says them. The client's is what accept() gave;
 * the other is asked for where it is needed, and only then the addresses are whole. */
void address_source(const struct address *from, struct proxy_addresses *out);
void address_destination(int fd, struct proxy_addresses *a);

/* The address at which a PROXY header says the client is. Only of PROXY_INET and PROXY_INET6. */
void address_of_source(const struct proxy_addresses *a, struct address *out);

/* TCP_NODELAY, and keepalive and user time-out as configured, where it is TCP. `before`: what the options
 * were set by last, of this socket or of the listening one that it has them from; NULL: by nothing. */
void socket_options(int fd, sa_family_t family, const struct config *before, const struct config *config);

/* Begins to connect, with the options of above. Returns the non-blocking socket, or -1 with the error in
 * *error. *done: it is connected already; else it becomes writable when it has connected or failed
 * (socket_error() tells). */
int socket_connect(const struct address *a, const struct config *config, bool *done, int *error);

bool socket_is_unix(int fd);
bool socket_is_own(int fd);      /* Unix, and its other end runs as the user that this process does */
bool socket_is_loopback(int fd); /* connected to this machine: TCP over loopback, or a Unix socket */

/* The pending error of a socket: 0 when a connect has succeeded. */
int socket_error(int fd);

#endif
