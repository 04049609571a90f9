/* At which backend everybody is, and who may change anything: failover, and one process taking over from
 * another.
 *
 * Where there are migrations, all sessions and all control connections are at one backend, since two servers
 * may differ in data and in phase (a replica lags, a former primary has what nobody else has). It is changed
 * in this order: no session goes anywhere and those there are have ended → the phases and the catalog are
 * read from the new backend → sessions go there. It is never changed back by itself. */
#include <stdio.h>
#include <stdlib.h>

#include "config/log.h"
#include "proxy/migration/control_internal.h"

enum { TEXT_SIZE = 320 }; /* of an endpoint: a host name has at most 253 bytes */

/* ---- choosing --------------------------------------------------------------------------------------- */

/* The chosen one's text, or "". */
static void copy_backend(struct control *c, char *out, size_t out_size)
{
    pthread_mutex_lock(&c->lock);
    snprintf(out, out_size, "%s", c->backend ? c->backend : "");
    pthread_mutex_unlock(&c->lock);
}

static const struct endpoint *endpoint_named(const struct config *f, const char *text)
{
    for (size_t i = 0; i < f->backend_count; i++)
        if (strcmp(f->backends[i].text, text) == 0)
            return &f->backends[i];
    return NULL;
}

/* The first that takes writes; else the first that answers at all, unless `writable`. Skips `but`. */
static struct db *first_of(const struct config *f, const struct endpoint *but, bool writable,
                           const struct endpoint **chosen, char *error, size_t error_size)
{
    struct db *fallback = NULL;
    for (size_t i = 0; i < f->backend_count; i++) {
        const struct endpoint *e = &f->backends[i];
        struct db *d = e == but ? NULL : db_open(f, e, NULL, error, error_size);
        if (!d)
            continue;
        if (!db_server(d)->read_only) {
            db_close(fallback);
            *chosen = e;
            return d;
        }
        snprintf(error, error_size, "%s: it is read-only", e->text);
        if (fallback || writable) {
            db_close(d);
        } else {
            fallback = d;
            *chosen = e;
        }
    }
    return fallback;
}

/* Everybody leaves the present backend. false: a flip is under way, which must end where it began. */
static bool leave(struct control *c, const char *to, char *error, size_t error_size)
{
    char *copy = strdup(to);
    pthread_mutex_lock(&c->lock);
    bool first = c->backend == NULL, may = copy && !c->flipping;
    if (may) {
        if (!first)
            log_warn("backend %s is left for %s: sessions are ended, phases and catalog are read there",
                     c->backend, to);
        free(c->backend);
        c->backend = copy;
        c->loaded = c->loaded && first;
    }
    pthread_mutex_unlock(&c->lock);
    if (!may) {
        free(copy);
        snprintf(error, error_size, "the backend is not changed while a flip is under way");
        return false;
    }
    if (!first) {
        c->publisher.use_backend(c->publisher.ctx, "");
        jobs_stop(c);
    }
    return true;
}

struct db *control_choose(struct control *c, char *error, size_t error_size)
{
    const struct config *f = control_config(c);
    char present[TEXT_SIZE];
    copy_backend(c, present, sizeof(present));
    const struct endpoint *now = endpoint_named(f, present), *chosen = now;
    bool unreachable = true;
    if (!f->control_user) {
        snprintf(error, error_size, "the configuration has no [control] user");
        return NULL;
    }
    struct db *d = now ? db_open(f, now, &unreachable, error, error_size) : NULL;
    if (now && !d && !unreachable)
        return NULL; /* it is there, and says no: an account, a limit */
    if (!d) {
        d = first_of(f, now, *present != '\0', &chosen, error, error_size);
    } else if (db_server(d)->read_only) {
        struct db *writable = first_of(f, now, true, &chosen, error, error_size);
        if (writable) {
            db_close(d);
            d = writable;
        } else {
            chosen = now;
        }
    }
    if (d && strcmp(chosen->text, present) != 0 && !leave(c, chosen->text, error, error_size)) {
        db_close(d);
        d = NULL;
    }
    return d;
}

void control_steer(struct control *c)
{
    char text[TEXT_SIZE];
    copy_backend(c, text, sizeof(text));
    c->publisher.use_backend(c->publisher.ctx, text);
}

void control_stop_steering(struct control *c)
{
    pthread_mutex_lock(&c->lock);
    bool steered = c->backend != NULL;
    free(c->backend);
    c->backend = NULL;
    pthread_mutex_unlock(&c->lock);
    if (steered)
        c->publisher.use_backend(c->publisher.ctx, NULL);
}

bool control_backend_stays(struct control *c, struct db *d)
{
    char text[TEXT_SIZE], error[CONTROL_ERROR_SIZE];
    copy_backend(c, text, sizeof(text));
    const struct config *f = control_config(c);
    const struct endpoint *now = endpoint_named(f, text), *other;
    if (!now)
        return false;
    if (f->backend_count == 1)
        return true;
    struct db_result r;
    const db_field *row = db_queryf(d, &r, "SELECT @@read_only IN ('0', 'OFF')") ? db_next(&r) : NULL;
    bool answered = row != NULL, writable = row && db_u64(row[0]) == 1;
    db_end(&r);
    if (!answered || writable)
        return answered;
    struct db *better = first_of(f, now, true, &other, error, sizeof(error));
    db_close(better);
    return better == NULL;
}

struct db *control_db(struct control *c, char *error, size_t error_size)
{
    const struct config *f = control_config(c);
    char text[TEXT_SIZE];
    copy_backend(c, text, sizeof(text));
    const struct endpoint *e = *text ? endpoint_named(f, text) : NULL;
    if (!f->control_user)
        snprintf(error, error_size, "the configuration has no [control] user");
    else if (e)
        return db_open(f, e, NULL, error, error_size);
    else if (*text)
        snprintf(error, error_size, "backend %s is being left", text);
    else
        return first_of(f, NULL, false, &e, error, error_size);
    return NULL;
}

struct db *control_choose_for(struct control *c, const struct config *fresh, char *error, size_t error_size)
{
    char text[TEXT_SIZE];
    copy_backend(c, text, sizeof(text));
    const struct endpoint *e = endpoint_named(fresh, text);
    struct db *d =
        e ? db_open(fresh, e, NULL, error, error_size) : first_of(fresh, NULL, false, &e, error, error_size);
    if (!d || *text)
        return d;
    if (!leave(c, e->text, error, error_size)) {
        db_close(d);
        return NULL;
    }
    control_steer(c);
    return d;
}

void control_backend_failed(void *ctx)
{
    struct control *c = ctx;
    pthread_mutex_lock(&c->lock);
    if (c->tickets_given == c->tickets_served && c->migration_count)
        c->tickets_given++; /* so that the keeper looks at its backend now */
    pthread_cond_broadcast(&c->changed);
    pthread_mutex_unlock(&c->lock);
}

/* ---- taking over ------------------------------------------------------------------------------------ */

const char *control_refusal(const struct control *c)
{
    if (c->handed_over)
        return "this crossfade has handed over to its successor";
    if (c->successor)
        return "the crossfade before this one still has sessions; it is possible when they have ended";
    return NULL;
}

bool control_hand_over(struct control *c, char *error, size_t error_size)
{
    pthread_mutex_lock(&c->lock);
    const char *why = control_refusal(c);
    if (!why && c->flipping)
        why = "a flip is under way";
    if (!why)
        c->handed_over = true;
    pthread_mutex_unlock(&c->lock);
    if (why) {
        snprintf(error, error_size, "%s", why);
        return false;
    }
    jobs_stop(c);
    return true;
}

void control_take_back(struct control *c)
{
    pthread_mutex_lock(&c->lock);
    c->handed_over = false;
    pthread_mutex_unlock(&c->lock);
    jobs_resume(c);
}

void control_succeed(struct control *c, bool waiting)
{
    pthread_mutex_lock(&c->lock);
    c->predecessor_lives = waiting;
    c->successor = c->successor || waiting;
    if (!waiting)
        c->tickets_given++; /* the keeper takes the lock */
    pthread_cond_broadcast(&c->changed);
    pthread_mutex_unlock(&c->lock);
}
