/* The backends' addresses; see backends.h. */
#include "proxy/net/backends.h"

#include <netdb.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "config/log.h"

#define ADDRESSES_MAX 16
#define LOOKUP_EVERY  5 /* seconds */

struct backend {
    char *text, *host, *port, *path;
    bool named; /* host is no address: looked up again and again */
    struct address addresses[ADDRESSES_MAX];
    size_t count;
};

struct backends {
    pthread_mutex_t lock; /* over the addresses, and `stop` */
    pthread_cond_t wake;
    pthread_t thread;
    bool threaded, stop;
    size_t count;
    struct backend list[];
};

/* getaddrinfo into `out`; how many. */
static size_t look_up(const struct backend *e, int flags, struct address *out)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = flags}, *found = NULL;
    if (getaddrinfo(e->host, e->port, &hints, &found))
        return 0;
    size_t n = 0;
    for (struct addrinfo *a = found; a && n < ADDRESSES_MAX; a = a->ai_next) {
        memset(&out[n], 0, sizeof out[n]);
        memcpy(&out[n].addr, a->ai_addr, a->ai_addrlen);
        out[n++].len = a->ai_addrlen;
    }
    freeaddrinfo(found);
    return n;
}

static void refresh(struct backends *b, struct backend *e)
{
    struct address fresh[ADDRESSES_MAX];
    size_t n = look_up(e, 0, fresh);
    pthread_mutex_lock(&b->lock);
    bool first = e->count == 0;
    if (n > 0) { /* a name server that is away takes no address back */
        memcpy(e->addresses, fresh, n * sizeof fresh[0]);
        e->count = n;
    }
    pthread_mutex_unlock(&b->lock);
    if (n == 0 && first)
        log_warn("backend %s: the name has no address yet", e->text);
}

static void *look_up_forever(void *arg)
{
    struct backends *b = arg;
    for (;;) {
        for (size_t i = 0; i < b->count; i++)
            if (b->list[i].named)
                refresh(b, &b->list[i]);
        struct timespec until;
        clock_gettime(CLOCK_REALTIME, &until);
        until.tv_sec += LOOKUP_EVERY;
        pthread_mutex_lock(&b->lock);
        while (!b->stop && pthread_cond_timedwait(&b->wake, &b->lock, &until) == 0)
            ;
        bool stop = b->stop;
        pthread_mutex_unlock(&b->lock);
        if (stop)
            return NULL;
    }
}

static bool backend_copy(struct backend *to, const struct endpoint *from)
{
    to->text = strdup(from->text ? from->text : "");
    if (from->is_unix) {
        to->path = strdup(from->path);
        if (to->path && address_of_path(to->path, &to->addresses[0]))
            to->count = 1;
        return to->text && to->path;
    }
    to->host = strdup(from->host);
    to->port = strdup(from->port);
    if (!to->text || !to->host || !to->port)
        return false;
    to->count = look_up(to, AI_NUMERICHOST, to->addresses);
    to->named = to->count == 0;
    return true;
}

struct backends *backends_new(const struct endpoint *endpoints, size_t count)
{
    struct backends *b = calloc(1, sizeof *b + count * sizeof b->list[0]);
    if (!b)
        return NULL;
    pthread_mutex_init(&b->lock, NULL);
    pthread_cond_init(&b->wake, NULL);
    bool good = true, named = false;
    for (; b->count < count; b->count++) {
        good &= backend_copy(&b->list[b->count], &endpoints[b->count]);
        named |= b->list[b->count].named;
    }
    if (good && named)
        good = b->threaded = pthread_create(&b->thread, NULL, look_up_forever, b) == 0;
    if (!good) {
        backends_free(b);
        return NULL;
    }
    return b;
}

void backends_free(struct backends *b)
{
    if (!b)
        return;
    if (b->threaded) {
        pthread_mutex_lock(&b->lock);
        b->stop = true;
        pthread_cond_signal(&b->wake);
        pthread_mutex_unlock(&b->lock);
        pthread_join(b->thread, NULL);
    }
    for (size_t i = 0; i < b->count; i++) {
        free(b->list[i].text);
        free(b->list[i].host);
        free(b->list[i].port);
        free(b->list[i].path);
    }
    pthread_cond_destroy(&b->wake);
    pthread_mutex_destroy(&b->lock);
    free(b);
}

bool backends_address(struct backends *b, size_t i, struct address *out, const char **text)
{
    bool found = false;
    pthread_mutex_lock(&b->lock);
    for (size_t e = 0; e < b->count && !found; e++) {
        if (i < b->list[e].count) {
            *out = b->list[e].addresses[i];
            if (text)
                *text = b->list[e].text;
            found = true;
        } else {
            i -= b->list[e].count;
        }
    }
    pthread_mutex_unlock(&b->lock);
    return found;
}

bool backends_host(struct backends *b, size_t i, char *out, size_t size)
{
    bool found = false;
    pthread_mutex_lock(&b->lock);
    for (size_t e = 0; e < b->count && !found; i -= b->list[e++].count) {
        found = i < b->list[e].count;
        if (found)
            snprintf(out, size, "%s", b->list[e].host ? b->list[e].host : "localhost");
    }
    pthread_mutex_unlock(&b->lock);
    return found;
}

const char *backends_first(const struct backends *b)
{
    return b->count ? b->list[0].text : "";
}
