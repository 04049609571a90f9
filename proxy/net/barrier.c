/* The books of a flip; see barrier.h. */
#include "proxy/net/barrier.h"

#include <pthread.h>
#include <stdlib.h>

#include "proxy/migration/clock.h"

#define FLIPS 64 /* remembered publications; older ones have long ended */

struct flip {
    uint64_t number, generation;
    double published, in_force, drained; /* seconds; 0: not yet */
    unsigned workers;                    /* that have adopted it */
    unsigned waited_for;
};

struct barrier {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    unsigned workers;
    uint64_t last;            /* publications so far */
    struct flip flips[FLIPS]; /* number n is at n % FLIPS */
    uint64_t oldest[];        /* by worker: the oldest generation pinned or adopted there */
};

static double now(void)
{
    return clock_ms() / 1e3;
}

struct barrier *barrier_new(unsigned workers)
{
    struct barrier *b = calloc(1, sizeof *b + workers * sizeof b->oldest[0]);
    if (!b)
        return NULL;
    b->workers = workers;
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&b->changed, &attr);
    pthread_condattr_destroy(&attr);
    pthread_mutex_init(&b->lock, NULL);
    return b;
}

void barrier_free(struct barrier *b)
{
    if (!b)
        return;
    pthread_cond_destroy(&b->changed);
    pthread_mutex_destroy(&b->lock);
    free(b);
}

uint64_t barrier_published(struct barrier *b, uint64_t generation)
{
    pthread_mutex_lock(&b->lock);
    uint64_t number = ++b->last;
    b->flips[number % FLIPS] = (struct flip){.number = number, .generation = generation, .published = now()};
    pthread_mutex_unlock(&b->lock);
    return number;
}

void barrier_in_force(struct barrier *b, uint64_t number)
{
    pthread_mutex_lock(&b->lock);
    struct flip *f = &b->flips[number % FLIPS];
    if (f->number == number)
        f->in_force = now();
    pthread_mutex_unlock(&b->lock);
}

/* Notes which flips have drained by now, and wakes who waits. The lock is held. */
static void settle(struct barrier *b)
{
    uint64_t oldest = UINT64_MAX;
    for (unsigned i = 0; i < b->workers; i++)
        if (b->oldest[i] < oldest)
            oldest = b->oldest[i];
    for (unsigned i = 0; i < FLIPS; i++) {
        struct flip *f = &b->flips[i];
        if (f->number && f->workers == b->workers && f->drained == 0 && f->generation <= oldest)
            f->drained = now();
    }
    pthread_cond_broadcast(&b->changed);
}

void barrier_adopted(struct barrier *b, unsigned w, uint64_t number, unsigned older_pins, uint64_t oldest)
{
    pthread_mutex_lock(&b->lock);
    struct flip *f = &b->flips[number % FLIPS];
    b->oldest[w] = oldest;
    if (f->number == number) {
        f->waited_for += older_pins;
        f->workers++;
    }
    settle(b);
    pthread_mutex_unlock(&b->lock);
}

void barrier_retired(struct barrier *b, unsigned w, uint64_t oldest)
{
    pthread_mutex_lock(&b->lock);
    b->oldest[w] = oldest;
    settle(b);
    pthread_mutex_unlock(&b->lock);
}

/* The flip that brought `generation` or, where it was skipped, the first later one. NULL: none yet. */
static struct flip *find(struct barrier *b, uint64_t generation)
{
    struct flip *best = NULL;
    for (unsigned i = 0; i < FLIPS; i++) {
        struct flip *f = &b->flips[i];
        if (f->number && f->generation >= generation && (!best || f->number < best->number))
            best = f;
    }
    return best;
}

bool barrier_wait(struct barrier *b, uint64_t generation, unsigned timeout_ms, struct barrier_result *out)
{
    struct timespec until = clock_in(timeout_ms);
    pthread_mutex_lock(&b->lock);
    struct flip *f;
    while (!((f = find(b, generation)) && f->drained > 0))
        if (pthread_cond_timedwait(&b->changed, &b->lock, &until))
            break;
    f = find(b, generation);
    *out = (struct barrier_result){0};
    if (f) {
        out->in_force_ms = f->in_force > 0 ? (f->in_force - f->published) * 1000 : 0;
        out->drained_ms = f->drained > 0 ? (f->drained - f->published) * 1000 : 0;
        out->waited_for = f->waited_for;
    }
    bool done = f && f->drained > 0;
    pthread_mutex_unlock(&b->lock);
    return done;
}
