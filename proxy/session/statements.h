/* The prepared statements of one session.
 *
 * The client has the id that its PREPARE was answered with, for as long as it lives; the backend's statement
 * behind it may be another by now, prepared when the generation had moved and the text came out differently.
 */
#ifndef PROXY_SESSION_STATEMENTS_H
#define PROXY_SESSION_STATEMENTS_H

#define HASH_NONFATAL_OOM 1        /* an element that could not be added has no hh.tbl */
#define HASH_FUNCTION     HASH_FNV /* the keys are short: Jenkins' hash is slower on them */
#include <uthash.h>

#include "proxy/session/inside.h"

#define STATEMENT_LAST 0xffffffffu /* MariaDB: the statement prepared last */
#define STATEMENT_NONE 0           /* no statement has this id */

#define ERROR_MOST_PREPARED 1461 /* by max_prepared_stmt_count */

/* A counter that an execution adds to. */
struct statement_count {
    atomic_ullong *counter;
};

struct statement {
    UT_hash_handle hh; /* in session.statements or named.statements */
    struct span name;  /* malloc'ed, in lower case: made by PREPARE name FROM; else a null pointer */
    uint32_t id;       /* the client's */
    uint32_t backend_id;
    uint16_t params, columns; /* as the client was told */
    uint16_t out_params;      /* of the backend's statement */
    uint64_t serial;          /* generation_serial() that `sent` was made under */
    uint32_t temporary;       /* session.temporary_changes at that time */
    struct changes changes;   /* by each execution */
    struct shown shown;       /* how its result's columns are described */
    struct buf untold;        /* definitions that a client which keeps them has not been sent, as packets */
    bool touches;             /* names a migrated table */
    bool types_sent;          /* the backend's statement has been told the types */
    bool executed;            /* it was executed, if only to fail: MySQL holds it to the types of that */
    bool lost;                /* the backend cannot use its statement any more: prepare it anew in any case */
    bool types_known;         /* `types` is filled */
    struct span text;         /* malloc'ed: as the client wrote it */
    struct span sent;         /* malloc'ed, or the same as text: as the backend has it */
    uint32_t *map;          /* for each of out_params an entry (protocol/parameter_map.h); NULL: one to one */
    char *inexact;          /* malloc'ed: the error where a value of `map` cannot be repeated; else NULL */
    atomic_ullong *refused; /* counts those; or NULL */
    unsigned char *types;   /* 2 * params */
    unsigned char *longs;   /* bitmap over params: sent as long data since the last execution; NULL: none */
    struct buf kept;        /* that data, to give it to another backend statement; see keep_long() */
    size_t kept_sent;       /* how much of it the backend's statement has */
    struct generation *pin; /* while there is more long data than is kept: the backend's statement stays */
    struct buf error;       /* ERR payload that long data met: the next execution's answer */
    /* What the text was prepared under, and is prepared anew under: */
    struct sql_dialect dialect;
    bool settled;                         /* the dialect is known, not only what the server told by itself */
    struct span database;                 /* malloc'ed */
    char *sql_mode, *charset, *collation; /* malloc'ed; NULL where it is not settled */
    struct statement_count *counts;
    size_t count_count;
};

/* A new one with copies of both texts; `sent` may equal `text`. NULL: out of memory. */
struct statement *statement_new(struct span text, struct span sent);

/* What the rewriter made of a text that is to be prepared (text_decide()). NULL: out of memory. */
struct statement *statement_of(struct session *s, struct span text, enum text_plan plan,
                               const struct rewrite_result *r);

/* Remembers what the server reads the text under, for when it is prepared anew: the session's dialect and
 * modes as far as they are known, and `database`. false: out of memory. */
bool statement_context(const struct session *s, struct statement *st, struct span database);

/* The same for what was not known then and is now. false: out of memory. */
bool statement_settle(const struct session *s, struct statement *st);

/* The dialect that its text is read by. Where that was not settled, nobody needed it then: what the session
 * has now stands in for what was not told. */
struct sql_dialect statement_dialect(const struct session *s, const struct statement *st);

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

/* Puts it into a table by a key that lives as long as it does, and that none in the table has. Takes it;
 * false: out of memory. */
bool statement_enter(struct statement **table, const void *key, size_t len, struct statement *st);

struct statement *statements_find(struct session *s, uint32_t id);
bool statements_add(struct session *s, struct statement *st);    /* takes it */
void statements_remove(struct session *s, struct statement *st); /* frees it */

/* Before a statement is used: under the pinned snapshot it must say what the client wrote.
 * RENEW_READY: it does. RENEW_WAIT: it is being prepared anew, try again later. RENEW_REFUSED: it cannot; *r
 * says why. RENEW_FAILED: the backend did not take the new text; s->own_error says why. */
enum renew { RENEW_READY, RENEW_WAIT, RENEW_REFUSED, RENEW_FAILED };
enum renew statement_renew(struct session *s, struct statement *st, struct rewrite_result *r);

/* Prepares a statement with a name anew, with the text `sent`. As RENEW_WAIT. */
void statement_renew_named(struct session *s, struct statement *st, struct span sent);

/* Whether the session has another sql_mode or character set than the statement was prepared under. */
bool statement_modes_differ(const struct session *s, const struct statement *st);

/* Whether statement_renew() has something to do. */
bool statement_stale(struct session *s, const struct statement *st);

/* Drops a renewal that the session's end leaves half done. */
void renewal_free(struct session *s);

/* ---- named.c ---- */

/* rewrite_session.find_prepared; `session` is the session. */
bool named_find(const void *session, struct span name, struct rewrite_prepared *out);

/* Before a text is sent: asks for what it still has to be told, prepares anew what it executes. true: it may
 * be sent. false: an own command was begun, try again after it; or the session has ended. */
bool named_ready(struct session *s, const struct rewrite_result *r);

/* Notes what the text that is sent now does; named_ended() lets it take effect. false: out of memory. */
bool named_note(struct session *s, const struct rewrite_result *r);
void named_forget_values(struct session *s);

/* text.c: answers with the error of a refused statement. */
void text_refuse(struct session *s, const struct rewrite_result *r, size_t parts);

/* ---- syntax.c ---- */

/* Whether a COM_QUERY goes to the server as it came, which runs nothing of it. */
bool syntax_passes(const struct rewrite_result *r);

/* A text is to be refused, of COM_STMT_PREPARE where it `prepares`: asks the server whether it is SQL at all,
 * if that is in doubt. true: it was asked; when it has answered, the client's command is tried again. */
bool syntax_ask(struct session *s, const struct rewrite_result *r, bool prepares);

/* renew.c: closes a statement of the backend's, whatever the client has. */
void statement_close_backend(struct session *s, uint32_t id);

#endif
