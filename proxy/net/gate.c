/* The gate of gate.h. */
#include "proxy/net/gate.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "config/log.h"
#include "config/network.h"

enum {
    WAITING_MAX = 16384, /* clients without their header; more are let go */
    OPTIONAL_MS = 500,   /* of silence, after which a client is taken as one that sends no header */
};

struct waiting {
    struct gate *gate;
    struct waiting *next, **link;
    struct watch watch; /* on its socket */
    struct timer deadline;
    struct address from;
    struct buf header; /* what has come of it */
};

struct gate {
    struct worker *worker;
    struct waiting *list;
    unsigned count;
};

/* ---- who sends a header ---- */

static bool is_trusted(const struct config *config, const struct proxy_addresses *ends)
{
    static const size_t sizes[] = {[PROXY_INET] = 4, [PROXY_INET6] = 16};
    size_t size = ends->family == PROXY_INET || ends->family == PROXY_INET6 ? sizes[ends->family] : 0;
    return network_has(config->proxy_networks, config->proxy_network_count, ends->source, size);
}

static void pass(struct gate *g, int fd, const struct address *from, const struct proxy_addresses *ends,
                 bool proxied)
{
    struct accepted client = {.ends = *ends, .proxied = proxied};
    address_text(from, client.text, sizeof client.text);
    worker_serve(g->worker, fd, &client);
}

/* ---- waiting for it ---- */

static void forget(struct waiting *w, bool shut)
{
    *w->link = w->next;
    if (w->next)
        w->next->link = w->link;
    w->gate->count--;
    loop_watch(worker_loop(w->gate->worker), &w->watch, 0);
    loop_timer_end(worker_loop(w->gate->worker), &w->deadline);
    buf_free(&w->header);
    if (shut) {
        close(w->watch.fd);
        worker_client_gone(w->gate->worker);
    }
    free(w);
}

static void let_go(struct waiting *w, const char *why)
{
    char text[64];
    address_text(&w->from, text, sizeof text);
    log_warn("client %s: %s; closed", text, why);
    forget(w, true);
}

/* It waits no more. Its watch goes first: the session has one of its own. */
static void admit(struct waiting *w, const struct address *from, const struct proxy_addresses *ends,
                  bool proxied)
{
    struct gate *g = w->gate;
    struct address client = *from;
    int fd = w->watch.fd;
    forget(w, false);
    pass(g, fd, &client, ends, proxied);
}

/* The client is who the header says, or, where it names nobody, who has connected. */
static void header_came(struct waiting *w, const struct proxy_addresses *told)
{
    struct proxy_addresses ends = *told;
    struct address from = w->from;
    if (ends.family == PROXY_INET || ends.family == PROXY_INET6) {
        address_of_source(&ends, &from);
    } else {
        address_source(&w->from, &ends);
        address_destination(w->watch.fd, &ends);
    }
    admit(w, &from, &ends, true);
}

static void without_header(struct waiting *w)
{
    struct proxy_addresses ends;
    address_source(&w->from, &ends);
    admit(w, &w->from, &ends, false);
}

static bool set_deadline(struct waiting *w, unsigned ms)
{
    return loop_timer(worker_loop(w->gate->worker), &w->deadline, ms);
}

/* Looks at what has come without taking it, then takes what belongs to the header. */
static void look(struct waiting *w)
{
    bool optional = worker_config(w->gate->worker)->proxy_header_optional;
    struct proxy_addresses told;
    size_t size, before = buf_len(&w->header);
    char *to = buf_reserve(&w->header, PROXY_HEADER_MAX + 1) ? w->header.data + w->header.end : NULL;
    ssize_t n = to ? recv(w->watch.fd, to, PROXY_HEADER_MAX + 1 - before, MSG_PEEK) : 0;
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n <= 0) {
        let_go(w, n == 0 ? "it closed before its PROXY header" : strerror(errno));
        return;
    }
    struct span seen = {buf_ptr(&w->header), before + (size_t)n};
    enum proxy_verdict verdict = proxy_header_parse(seen, &told, &size);
    size_t take = verdict == PROXY_HEADER ? size - before : verdict == PROXY_MORE ? (size_t)n : 0;
    if (take > 0 && recv(w->watch.fd, to, take, 0) != (ssize_t)take)
        verdict = PROXY_BAD; /* peeked bytes do not vanish */
    w->header.end += take;
    if (verdict == PROXY_MORE && before == 0 && optional) /* it sends one, so it has the time for it */
        (void)set_deadline(
            w, worker_config(w->gate->worker)->handshake_timeout); /* one that is set takes no memory */
    if (verdict == PROXY_HEADER)
        header_came(w, &told);
    else if (verdict == PROXY_NONE && before == 0 && optional)
        without_header(w);
    else if (verdict != PROXY_MORE)
        let_go(w, "its PROXY header is garbled, or it sent none");
}

static void on_readable(struct watch *watch, uint32_t what)
{
    (void)what;
    look(watch->arg);
}

static void on_deadline(struct timer *deadline)
{
    struct waiting *w = deadline->arg;
    if (worker_config(w->gate->worker)->proxy_header_optional && buf_len(&w->header) == 0)
        without_header(w);
    else
        let_go(w, "its PROXY header did not come in time");
}

static void wait_for_header(struct gate *g, int fd, const struct address *from)
{
    const struct config *config = worker_config(g->worker);
    struct waiting *w = g->count < WAITING_MAX ? calloc(1, sizeof *w) : NULL;
    if (!w) {
        close(fd);
        worker_client_gone(g->worker);
        return;
    }
    *w = (struct waiting){.gate = g,
                          .watch = {fd, 0, on_readable, w},
                          .deadline = {.over = on_deadline, .arg = w},
                          .from = *from,
                          .link = &g->list,
                          .next = g->list};
    if (w->next)
        w->next->link = &w->next;
    g->list = w;
    g->count++;
    if (!loop_watch(worker_loop(g->worker), &w->watch, LOOP_READ) ||
        !set_deadline(w, config->proxy_header_optional ? OPTIONAL_MS : config->handshake_timeout))
        let_go(w, "out of memory");
}

/* ---- the gate ---- */

struct gate *gate_new(struct worker *w)
{
    struct gate *g = calloc(1, sizeof *g);
    if (g)
        g->worker = w;
    return g;
}

void gate_admit(struct gate *g, int fd, const struct address *from)
{
    const struct config *config = worker_config(g->worker);
    struct proxy_addresses ends;
    address_source(from, &ends);
    if (is_trusted(config, &ends))
        wait_for_header(g, fd, from);
    else
        pass(g, fd, from, &ends, false);
}

void gate_clear(struct gate *g)
{
    while (g->list) {
        struct waiting *w = g->list;
        look(w); /* its header may have come */
        if (g->list == w)
            forget(w, true);
    }
}

void gate_free(struct gate *g)
{
    if (!g)
        return;
    gate_clear(g);
    free(g);
}
