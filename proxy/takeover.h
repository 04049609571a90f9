/* A new process takes the place of the one that runs (crossfade --takeover): both serve for a while, the old
 * one until its sessions have ended.
 *
 *     new                                     old
 *      │ ── handover, on the admin socket ──▶  flips nothing more, its backfills pause; goes on serving
 *      │    phases and catalog are read
 *      │    listens beside it (SO_REUSEPORT), takes over the paths of the Unix sockets
 *      │ ── drain, on the same connection ──▶  accepts nobody; sessions end at their boundary
 *      │    serves, and refuses to change      …
 *      │    anything                           ends: PATH.lock is free
 *      ▼    flips and backfills are possible
 *
 * Should the new one fail before its `drain`, its connection ends, and the old one goes on as before. */
#ifndef PROXY_TAKEOVER_H
#define PROXY_TAKEOVER_H

#include <stdbool.h>
#include <stddef.h>

/* Asks the process on this admin socket to hand over. The connection, or -1 with the reason. */
int takeover_begin(const char *admin_socket, char *error, size_t error_size);

/* Tells it that this process serves. Closes the connection. false with the reason. */
bool takeover_complete(int connection, char *error, size_t error_size);

#endif
