/* What a session rewrites by: every migration with its phase and its expressions, and the catalog.
 *
 * Immutable. proxy/migration/ builds one for each generation and hands it to the workers inside a
 * snapshot; `crossfade rewrite` builds one from files. */
#ifndef PROXY_REWRITE_RULES_H
#define PROXY_REWRITE_RULES_H

#include <stdatomic.h>

#include "config/config.h"
#include "proxy/rewrite/catalog.h"
#include "proxy/sql/parser.h"

enum phase { PHASE_EXPAND, PHASE_DUAL_WRITE, PHASE_CUTOVER, PHASE_CONTRACT, PHASE_DONE };

/* "expand", "dual-write", … ; and back (false for an unknown word). */
const char *phase_name(enum phase p);
bool phase_of(const char *name, enum phase *out);

/* Which columns answer the reads. */
enum side { SIDE_OLD, SIDE_NEW };

/* A forward or backward expression, compiled: its text as it may be put into any session's statement
 * (string literals, operators and names that mean the same under every sql_mode and character set), and
 * where it names columns. */
struct expression_ref {
    uint32_t off, len; /* of the column's name in `text` */
    struct span column;
};

struct expression {
    struct span text;                  /* without outer parentheses */
    bool atomic;                       /* a column, a number, a call: needs no parentheses */
    bool plain_column;                 /* exactly one column: refs[0] */
    const struct expression_ref *refs; /* in text order */
    size_t ref_count;
    bool keeps_equality;   /* texts that compare equal, character by character, give equal results … */
    bool keeps_ascii_only; /* … where they are ASCII */
    bool total;            /* not NULL where no column of it is */
    bool same_in_oracle;   /* means the same under sql_mode ORACLE */
    bool null_of_nulls;    /* NULL where all of its columns are */
    bool harmless;         /* no value makes a statement fail … */
    bool converts;         /* … but a text that is no number or date makes a strict UPDATE of MySQL fail */
};

struct rule_column {
    struct span name;
    struct span quoted;      /* the name in backquotes */
    struct expression value; /* of a new column: forward (over old); of an old column: backward (over new) */
};

/* Counted by the sessions, with relaxed order; owned by whoever keeps the migration across generations. */
struct rule_counters {
    atomic_ullong reads;  /* statements that read its columns */
    atomic_ullong writes; /* statements that write them */
    atomic_ullong rewritten;
    atomic_ullong refused; /* unrewritable, rejected */
    atomic_ullong passed;  /* unrewritable, passed on (on_unrewritable = pass, or expand) */
};

struct rule {
    struct span name; /* the migration's */
    struct span db, table;
    const struct rule_column *old_columns, *new_columns;
    size_t old_count, new_count;
    enum phase phase;
    enum side reads;        /* after phase and `reads = old` */
    bool pass_unrewritable; /* on_unrewritable = pass */
    bool invertible, monotonic;
    struct rule_counters *counters; /* may be NULL */
};

/* Whether this rule makes writes of the old columns fill the new ones too (dual-write and cutover). */
static inline bool rule_dual_writes(const struct rule *r)
{
    return r->phase == PHASE_DUAL_WRITE || r->phase == PHASE_CUTOVER;
}

/* A table with migrations that are not done. */
struct rule_table {
    struct span db, name;
    const struct catalog_table *table; /* NULL: not known */
    const struct rule *const *rules;   /* in their order */
    size_t count;
};

struct rules {
    const struct rule *rules;
    size_t count;
    const struct rule_table *tables;
    size_t table_count;
    const struct catalog *catalog; /* NULL: none */
    struct scan_names names;       /* the migrated tables' names, lower case */
    uint64_t column_bloom;         /* scan_bloom() over the names of all columns of migrations */
    bool fold_table_names;         /* lower_case_table_names != 0 */
    bool mariadb;
    uint32_t server_version; /* 101119 */
};

/* What the builder takes for each migration: its config, which was checked (names are ASCII), and where it
 * stands. */
struct rule_input {
    const struct config_migration *config;
    enum phase phase;
    enum side reads;
    struct rule_counters *counters;
};

/* Compiles rules. `catalog` is borrowed and must outlive them. On failure NULL, with the reason in `error`
 * (an expression that cannot be compiled; memory). Release with rules_free. */
struct rules *rules_build(const struct rule_input *inputs, size_t count, const struct catalog *catalog,
                          bool fold_table_names, bool mariadb, uint32_t server_version, char *error,
                          size_t error_size);
void rules_free(struct rules *r);

/* The rule, if any, whose column a view's column could be. What a view shows is not known altogether, so this
 * errs towards a rule. */
const struct rule *rule_behind_view(const struct rules *r, const struct catalog_table *view,
                                    struct span column);

/* The rule, if any, whose table's rows a view could show. */
const struct rule *rule_of_rows_behind_view(const struct rules *r, const struct catalog_table *view);

/* Checks and compiles one expression of a config file against the columns that it may name. Refused:
 * syntax errors, other columns, subqueries, aggregates and window functions, variables, parameters, and
 * functions whose result depends on the session, the clock or chance. The reason is in `error`. */
bool expression_check(struct span text, const char *const *columns, size_t column_count, char *error,
                      size_t error_size);

/* Whether the migration has a column of that name, old or new. */
bool rule_has_column(const struct rule *r, struct span name);

/* Names of tables, as the server compares them. */
static inline bool rules_same_table(const struct rules *r, struct span a, struct span b)
{
    return r->fold_table_names ? span_ieq(a, b) : span_eq(a, b);
}

/* The table's entry; NULL: it has no migration that is not done. */
const struct rule_table *rules_table(const struct rules *r, struct span db, struct span name);

/* Whether any migration may have: a look at one word that most names end with. */
static inline bool rules_may_have_column(const struct rules *r, struct span name)
{
    return r->column_bloom & scan_bloom(name);
}

/* Whether any migration has. */
bool rules_have_column(const struct rules *r, struct span name);

#endif
