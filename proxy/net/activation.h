/* Listening sockets that systemd (or any supervisor that speaks its protocol) opened and handed down:
 * $LISTEN_FDS of them from descriptor 3 on, named by $LISTEN_FDNAMES, meant for the process $LISTEN_PID. */
#ifndef PROXY_NET_ACTIVATION_H
#define PROXY_NET_ACTIVATION_H

#include "proxy/net/sockets.h"

/* Takes over what was handed down, and the environment's words about it. Once, at the start. */
void activation_take(void);

/* What activation_at() gives where there is no socket to give: none was handed down, or one that has been
 * given for another address serves this one too, since it takes IPv4 and IPv6. */
enum { ACTIVATION_NONE = -1, ACTIVATION_SERVED = -2 };

/* The socket that listens at this address. It is the caller's from then on. */
int activation_at(const struct address *a);

/* The Unix socket of that name (FileDescriptorName=, which a unit gives to all of its sockets), or -1;
 * likewise. */
int activation_unix_named(const char *name);

/* Closes those that nobody asked for, with a warning. */
void activation_close_rest(void);

#endif
