/* The books of a flip: when each generation was published, in force, adopted by every worker, and free of
 * pins on older ones. Shared by all threads; one lock, which is taken when a generation moves and never for a
 * statement. */
#ifndef PROXY_NET_BARRIER_H
#define PROXY_NET_BARRIER_H

#include "proxy/migration/publisher.h"

struct barrier;

struct barrier *barrier_new(unsigned workers);
void barrier_free(struct barrier *b);

/* A generation is about to be handed to the workers. Returns the number to report its adoption by. */
uint64_t barrier_published(struct barrier *b, uint64_t generation);

/* From now on every statement and transaction that begins goes by publication `number`. */
void barrier_in_force(struct barrier *b, uint64_t number);

/* Worker `w` adopted publication `number`; `older_pins`: sessions pinned to older generations there;
 * `oldest`: the oldest generation that is pinned or adopted there. */
void barrier_adopted(struct barrier *b, unsigned w, uint64_t number, unsigned older_pins, uint64_t oldest);

/* The last pin on a generation of worker `w` has gone; `oldest` as above. */
void barrier_retired(struct barrier *b, unsigned w, uint64_t oldest);

/* publisher.wait */
bool barrier_wait(struct barrier *b, uint64_t generation, unsigned timeout_ms, struct barrier_result *out);

#endif
