/* How the columns of an answer are to be described: what the rewriter told of a text, kept until it is
 * answered, or as long as the prepared statement lives. */
#ifndef PROXY_SESSION_SHOWN_H
#define PROXY_SESSION_SHOWN_H

#include "protocol/tracker.h"
#include "proxy/rewrite/rewrite.h"

struct shown {
    struct rewrite_shown *items; /* malloc'ed, with the texts behind them; NULL: none */
    size_t count;
};

/* Keeps a copy of what the rewriter told, in place of what was kept. false: out of memory. */
bool shown_set(struct shown *to, const struct rewrite_result *r);
void shown_free(struct shown *shown);

/* A column's definition, `packet`, has come, of which the tracker knows where in the answer it stands. true:
 * what it is to say was appended. */
bool shown_describe(const struct shown *shown, const struct tracker *t, bool text,
                    const struct catalog *catalog, struct span packet, struct buf *out);

#endif
