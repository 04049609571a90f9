/* One statement text in, what to send to the backend out.
 *
 * Pure: text + session + rules → text. The main path is
 *
 *     scan (cheap: does any of this concern us?) → parse → resolve (which names are a migration's columns,
 *     in which scope) → plan (read flip, dual-write, or a refusal) → edits over the original bytes → text
 *
 * All of a COM_QUERY's statements (multi-statements) are taken together: the text is rewritten as one, and
 * refused as one. */
#ifndef PROXY_REWRITE_REWRITE_H
#define PROXY_REWRITE_REWRITE_H

#include "protocol/definition.h"
#include "protocol/parameter_map.h"
#include "proxy/rewrite/rules.h"

/* A statement that SQL gave a name (PREPARE name FROM '…'), as an earlier text of the session made it. */
struct rewrite_prepared {
    struct span text; /* as the client wrote it, out of its literal; null pointer: not known */
    struct sql_dialect dialect;
    struct span database;
};

/* What an expression that stands for SQL is at the moment (PREPARE name FROM @v). */
struct rewrite_value {
    struct span text;
    bool known;
};

/* What the rewriter has to know of a session; kept by the session from the server's answers. */
struct rewrite_session {
    const struct rules *rules;
    struct span database; /* the default database; empty: none */
    struct sql_dialect dialect;
    const struct span *temporary_tables; /* "db.table", folded as the rules fold: they hide base tables */
    size_t temporary_count;
    bool prepared; /* the text goes to COM_STMT_PREPARE: markers are parameters */
    /* The statements with a name: `name` in lower case. false: there is none. NULL: there are none at all. */
    bool (*find_prepared)(const void *find_in, struct span name, struct rewrite_prepared *out);
    const void *find_in;
    bool sql_prepared; /* some earlier text had FACT_PREPARED: there may be others, whose text is not known */
    bool asks;         /* the session can find out what SQL in an expression is: result.ask */
    const struct rewrite_value *values; /* of those that were asked for so far, in the order of the text */
    size_t value_count;
    bool want_parts;  /* crossfade rewrite: result.parts is to hold each statement's rewritten text, and the
                         statements count as sent one by one */
    struct buf *into; /* where the text of what was rewritten is put, behind what it holds; NULL: the arena */
    struct buf *over; /* holds the text, with nothing of worth behind it; it may be changed there, for a large
                         INSERT; then the result's text is in it. NULL: it may not */
};

enum rewrite_verdict {
    REWRITE_UNCHANGED,    /* send the original bytes */
    REWRITE_REWRITTEN,    /* send result.text */
    REWRITE_UNREWRITABLE, /* touches a migration and cannot be rewritten exactly: rule, reason, hint. A part
                             that is, in a text that is not, passes as it came (on_unrewritable = pass) */
};

/* Things that the session must know of a text before or after it runs it. */
enum {
    FACT_USE = 1 << 0,       /* has USE: the default database changes (result.use_database) */
    FACT_MODES = 1 << 1,     /* may change sql_mode or a character set: SET, EXECUTE, CALL … */
    FACT_DDL = 1 << 2,       /* DDL on a table that the catalog holds, or may: read the catalog anew */
    FACT_TEMPORARY = 1 << 3, /* creates or drops a temporary table (result.temporary…) */
    FACT_READS = 1 << 4,     /* reads a column of a migration */
    FACT_WRITES = 1 << 5,    /* writes one */
    FACT_PREPARED = 1 << 6,  /* may PREPARE SQL that cannot be seen: CALL, BEGIN NOT ATOMIC … */
};

/* One column of a migration that the text reads or writes, for the inventory. */
struct rewrite_touch {
    const struct rule *rule;
    struct span column;
    bool write;
};

/* A temporary table that the text creates or drops. */
struct rewrite_temporary {
    struct span db, table; /* db: empty where there is no default database */
    bool created;          /* else dropped */
};

/* What a text does to statements with a name, in its order. */
enum named_kind { NAMED_PREPARE, NAMED_EXECUTE, NAMED_DEALLOCATE };

struct rewrite_named {
    enum named_kind kind;
    bool earlier;     /* EXECUTE: of one that an earlier text prepared */
    bool touches;     /* names a migrated table */
    size_t part;      /* the statement's place in the text, from 0 */
    struct span name; /* in lower case */
    struct span text; /* PREPARE, EXECUTE: as the client wrote it; null pointer: not known */
    struct span sent; /* as the server is to have it */
    struct span database;
};

/* A column of a result that is an old column of a table where the client wrote it, and something else in what
 * is sent: how the server would describe it. */
struct rewrite_shown {
    uint32_t result;   /* which of the text's results it is in */
    uint32_t position; /* and where, from 0 */
    struct definition is;
};

/* How one statement of a text came out, for `crossfade rewrite`. */
struct rewrite_part {
    struct span original;  /* in the text that was given */
    struct span rewritten; /* in the arena; empty unless it was rewritten and want_parts is set */
    enum rewrite_verdict verdict;
    const struct rule *rule;
    const char *reason, *hint;
    const struct rewrite_touch *touches;
    size_t touch_count;
};

struct rewrite_result {
    enum rewrite_verdict verdict;
    uint32_t facts;
    bool touches;              /* names a migrated table: what it becomes depends on the generation */
    bool within;               /* prepares or runs SQL in a string that may name one */
    bool values_matter;        /* what a literal says has decided something, or is in `text` once more */
    bool modes_set;            /* sets sql_mode or a character set that changes how texts are read */
    struct span text;          /* REWRITTEN: in the arena, or in `into` */
    bool over;                 /* REWRITTEN: `text` is in the session's `over`, and the original is gone */
    const struct rule *rule;   /* UNREWRITABLE: whose; NULL where no single one is to blame */
    const char *reason, *hint; /* UNREWRITABLE: constants or in the arena; "syntax" is in reason exactly when
                                  the text was not understood */
    struct span unparsed;      /* UNREWRITABLE for that, and the text is one statement: the SQL that was not
                                  understood, the text or what it prepares or runs; else a null pointer */
    uint32_t param_count;      /* markers in the original */
    uint32_t out_param_count;  /* markers in `text` */
    const uint32_t *param_map; /* for each marker of `text` an entry (parameter_map.h); NULL: one to one */
    struct span use_database;  /* FACT_USE: the last one */
    const struct rewrite_temporary *temporary; /* FACT_TEMPORARY: in the order of the text */
    size_t temporary_count;
    const struct rewrite_named *named;
    size_t named_count;
    struct span ask; /* the expression whose value is to be added to session.values before this is final; null
                        pointer: there is none */
    const struct rewrite_part *parts;
    size_t part_count;
    const struct rewrite_shown *shown; /* in order; what is not certain is not in it */
    size_t shown_count;
};

/* A cheap look, no arena: whether rewrite_text() must be called at all. false: send the bytes, there are
 * no facts. Reads every byte once at most; with no rules it reads nothing. */
bool rewrite_wanted(const struct rewrite_session *s, struct span text);

/* As cheap: whether a migrated table's name is among the words of the text, so that what it means depends on
 * the default database. What strings hold is not looked at: result.within. */
bool rewrite_names(const struct rewrite_session *s, struct span text);

/* Rewrites `text`. Everything in *out points into `arena`, `text` or the rules. Never fails: what goes
 * wrong (a text beyond the arena's limit, too deep a nesting) is UNREWRITABLE where the text names a
 * migrated table. */
void rewrite_text(struct arena *arena, const struct rewrite_session *s, struct span text,
                  struct rewrite_result *out);

/* The error text of INTERFACE.md for a refused statement: "crossfade: migration NAME: REASON; HINT". */
void rewrite_error_text(const struct rewrite_result *r, struct buf *out);

#endif
