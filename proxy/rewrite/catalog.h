/* The columns of the tables in the databases that migrations live in, as the backend last told.
 *
 * Immutable once built; it is part of the rules that a snapshot carries. Built from information_schema by
 * proxy/migration/, or from CREATE TABLE statements by `crossfade rewrite --schema`. */
#ifndef PROXY_REWRITE_CATALOG_H
#define PROXY_REWRITE_CATALOG_H

#include "protocol/definition.h"

/* What a value becomes when it is stored: as far as the rewriter has to know it. */
enum column_class {
    COLUMN_OTHER,
    COLUMN_INTEGER, /* TINYINT … BIGINT */
    COLUMN_DECIMAL,
    COLUMN_FLOAT,  /* FLOAT, DOUBLE */
    COLUMN_STRING, /* CHAR, VARCHAR, TEXT … */
    COLUMN_BINARY, /* BINARY, VARBINARY, BLOB … */
    COLUMN_TEMPORAL,
    COLUMN_ENUM, /* ENUM, SET */
    COLUMN_JSON,
    COLUMN_BIT,
};

struct catalog_column {
    struct span name;    /* as declared */
    struct span type;    /* COLUMN_TYPE: "varchar(60)", "decimal(10,2)" */
    struct span charset; /* strings: "utf8mb4"; else empty */
    struct span collation;
    enum column_class class;
    bool nullable;
    bool invisible;
    bool generated; /* GENERATED ALWAYS AS: never written */
    bool auto_increment;
    bool primary;               /* of the primary key, or what the server takes for it */
    bool has_default;           /* a constant default (NULL counts where nullable) */
    bool default_is_expression; /* an expression or CURRENT_TIMESTAMP */
    bool on_update_now;         /* ON UPDATE CURRENT_TIMESTAMP */
    struct span default_text;   /* a constant default as SQL: "NULL", "12", "'x'"; empty: not known */
    struct column_facts facts;  /* how the server describes it in a result; only of migrated tables */
};

struct catalog_table {
    struct span db, name;
    bool is_view;
    struct span definition; /* a view's text as the server keeps it, names in backquotes; empty: not known */
    const struct catalog_column *columns; /* in ordinal order */
    size_t column_count;
};

struct catalog;

/* A builder: add tables, then columns to the table added last; everything is copied. */
struct catalog *catalog_new(void);
void catalog_add_table(struct catalog *c, struct span db, struct span name, bool is_view);
void catalog_add_view(struct catalog *c, struct span db, struct span name, struct span definition);
void catalog_add_column(struct catalog *c, const struct catalog_column *column);

/* Ends building: lookups work from here. false when memory ran out. `fold`: table names compare without
 * case (lower_case_table_names is not 0). */
bool catalog_finish(struct catalog *c, bool fold);
void catalog_free(struct catalog *c);

/* Between catalog_finish() and the first use by others: how the server describes a column (copied), and how
 * wide a character of a collation is. What is not in the catalog is passed over. */
void catalog_describe(struct catalog *c, struct span db, struct span table, struct span column,
                      const struct column_facts *facts);
void catalog_set_width(struct catalog *c, uint32_t collation, uint8_t width);

struct charset_widths catalog_widths(const struct catalog *c);

/* The i-th table in the order of adding; NULL behind the last. */
const struct catalog_table *catalog_at(const struct catalog *c, size_t i);

/* NULL where it is not known. A NULL catalog knows nothing. */
const struct catalog_table *catalog_find(const struct catalog *c, struct span db, struct span table);

/* The table of MariaDB's sequence engine that a name means (seq_1_to_100, seq_1_to_9_step_2); NULL: none. */
const struct catalog_table *catalog_sequence(struct span name);

/* Whether names of tables compare without case. */
bool catalog_folds(const struct catalog *c);

/* Whether rows of db.table may be behind a view: its text, or that of a view that it names, names the table,
 * or one of these texts is not known. */
bool catalog_view_may_show(const struct catalog *c, const struct catalog_table *view, struct span db,
                           struct span table);

/* Whether a view's column is one of a table, under the table's own name for it. */
bool catalog_view_keeps_name(const struct catalog *c, const struct catalog_table *view, struct span column);

/* Column names compare without ASCII case. NULL where there is none. */
const struct catalog_column *catalog_column_of(const struct catalog_table *t, struct span name);

/* Whether `db` is one that the catalog holds whole: a table not found there does not exist (or is temporary).
 */
bool catalog_has_db(const struct catalog *c, struct span db);

/* The class of a type's text ("varchar(60)" → COLUMN_STRING). */
enum column_class column_class_of(struct span type);

/* Whether two catalogs say the same. */
bool catalog_equal(const struct catalog *a, const struct catalog *b);

#endif
