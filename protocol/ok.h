/* OK packets with their session state, which tells what a statement changed in its session.
 *
 * Layout: MariaDB, "4 - Server Response Packets: OK_Packet" (session state info). Both server lines send the
 * info text as a length-encoded string, with and without CLIENT_SESSION_TRACK. */
#ifndef PROTOCOL_OK_H
#define PROTOCOL_OK_H

#include "protocol/packet.h"

/* The session state of an OK packet's payload (header byte 0x00 or 0xfe), in place; empty: none is there. */
struct span ok_state(struct span payload);

enum state_type {
    STATE_VARIABLE = 0, /* name, value */
    STATE_SCHEMA = 1,   /* value: the default database; may be empty */
    STATE_OTHER = 2,    /* transaction state, GTIDs, … */
};

struct state_item {
    enum state_type type;
    struct span name, value;
};

/* An iterator over a session state: false at its end (or at bytes that are none). */
struct state_iter {
    struct reader items, inside;
};
struct state_iter state_iter_of(struct span state);
bool state_next(struct state_iter *it, struct state_item *out);

/* Appends the whole packet `packet` (header and OK payload) to `out` without its session state and without
 * the flag that announces it: the form for a client that did not ask for session tracking. */
void ok_without_state(struct span packet, struct buf *out);

#endif
