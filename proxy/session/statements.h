/* The prepared statements of one session.
 *
 * The client has the id that its PREPARE was answered with, for as long as it lives; the backend's statement
 * behind it may be another by now, prepared when the generation had moved and the text came out differently.
 */
#ifndef PROXY_SESSION_STATEMENTS_H
#define PROXY_SESSION_STATEMENTS_H

#include "proxy/session/inside.h"

#define STATEMENT_LAST 0xffffffffu /* MariaDB: the statement prepared last */

/* A counter that an execution adds to. */
struct statement_count {
    atomic_ullong *counter;
};

struct statement {
    struct statement *next; /* in its bucket */
    uint32_t id;            /* the client's */
    uint32_t backend_id;
    uint16_t params, columns; /* as the client was told */
    uint16_t out_params;      /* of the backend's statement */
    uint64_t serial;          /* generation_serial() that `sent` was made under */
    struct changes changes;   /* by each execution */
    bool touches;             /* names a migrated table */
    bool types_sent;          /* the backend's statement has been told the types */
    bool lost;                /* the backend cannot use its statement any more: prepare it anew in any case */
    bool types_known;         /* `types` is filled */
    bool long_data;           /* some was sent since the last execution: the backend's statement must stay */
    struct span text;         /* malloc'ed: as the client wrote it */
    struct span sent;         /* malloc'ed, or the same as text: as the backend has it */
    uint32_t *map;            /* for each of out_params the client's index; NULL: one to one */
    unsigned char *types;     /* 2 * params */
    unsigned char *longs;     /* bitmap over params: sent as long data since the last execution; NULL: none */
    struct buf kept;          /* that data, to give it to another backend statement; see keep_long() */
    size_t kept_sent;         /* how much of it the backend's statement has */
    struct generation *pin;   /* while there is more long data than is kept: the backend's statement stays */
    /* What the text was prepared under, and is prepared anew under: */
    struct sql_dialect dialect;
    struct span database;     /* malloc'ed */
    char *sql_mode, *charset; /* malloc'ed; NULL where it touches no migration */
    struct statement_count *counts;
    size_t count_count;
};

/* A new one with copies of both texts; `sent` may equal `text`. NULL: out of memory. */
struct statement *statement_new(struct span text, struct span sent);

/* What the rewriter made of a text that is to be prepared (text_decide()). NULL: out of memory. */
struct statement *statement_of(struct session *s, struct span text, enum text_plan plan,
                               const struct rewrite_result *r);

/* Its pin, if any, must have been given back. */
void statement_free(struct statement *st);

/* Replaces what the backend's statement is made of by what `from` has, and frees `from`. */
void statement_take(struct statement *st, struct statement *from);

/* Forgets long data. */
void statement_forget_longs(struct session *s, struct statement *st);

/* Remembers the types that the client bound. false: out of memory. */
bool statement_bind(struct statement *st, const unsigned char *types);

/* Remembers what an execution counts. */
void statement_counts(struct statement *st, const struct rewrite_result *r);

struct statement *statements_find(struct session *s, uint32_t id);
bool statements_add(struct session *s, struct statement *st);    /* takes it */
void statements_remove(struct session *s, struct statement *st); /* frees it */

/* Before a statement is used: under the pinned snapshot it must say what the client wrote.
 * RENEW_READY: it does. RENEW_WAIT: it is being prepared anew, try again later. RENEW_REFUSED: it cannot; *r
 * says why. RENEW_FAILED: the backend did not take the new text; s->own_error says why. */
enum renew { RENEW_READY, RENEW_WAIT, RENEW_REFUSED, RENEW_FAILED };
enum renew statement_renew(struct session *s, struct statement *st, struct rewrite_result *r);

/* Whether statement_renew() has something to do. */
bool statement_stale(struct session *s, const struct statement *st);

/* Drops a renewal that the session's end leaves half done. */
void renewal_free(struct session *s);

/* text.c: answers with the error of a refused statement. */
void text_refuse(struct session *s, const struct rewrite_result *r, size_t parts);

#endif
