/* The snapshots that one worker has adopted, and how many hold each: a list, newest first. One that is not
 * the newest goes when nobody holds it any more. In the worker's own thread only; what sessions ask of a
 * generation is in context.h. */
#ifndef PROXY_NET_GENERATIONS_H
#define PROXY_NET_GENERATIONS_H

#include "proxy/net/context.h"

struct generations {
    struct generation *newest;
    uint64_t serials; /* the newest one's */
};

/* The first one. false: out of memory. */
bool generations_begin(struct generations *gs, struct snapshot *first);

/* Lets go of all; also where there is none. */
void generations_end(struct generations *gs);

/* A new one, of a snapshot whose reference it takes. Ends the process when memory is out: sessions would go
 * on by old rules. */
void generations_adopt(struct generations *gs, struct snapshot *s);

/* One more that holds the newest. */
struct generation *generations_pin(struct generations *gs);

/* true: that was the last one, and the generation has gone. */
bool generations_unpin(struct generations *gs, struct generation *g);

/* How many hold one that is not the newest. */
unsigned generations_older_pins(const struct generations *gs);

/* The least of the snapshots' numbers. */
uint64_t generations_oldest(const struct generations *gs);

#endif
