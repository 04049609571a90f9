/* The key that backfill and verify walk along: the primary key, or a unique one without NULLs.
 *
 * Values of it are kept as SQL literals ("12, _utf8mb4 0x6162"), one for each column, which mean the same
 * under every session and lose nothing; so any type of key works, and values are never converted here. */
#ifndef PROXY_MIGRATION_ROW_KEY_H
#define PROXY_MIGRATION_ROW_KEY_H

#include "proxy/migration/db.h"
#include "proxy/rewrite/rules.h"

enum { ROW_KEY_MAX_COLUMNS = 32 };

struct row_key {
    char index[65];
    struct key_column {
        char name[65];
        enum column_class class;
        uint64_t form; /* a hash of its type and collation, which its order follows from */
    } columns[ROW_KEY_MAX_COLUMNS];
    size_t count;
};

/* Finds it. false with the reason. */
bool row_key_find(struct db *d, const struct rule *r, struct row_key *out, char *error, size_t error_size);

/* Whether a walk along the one is a walk along the other. */
bool row_key_same(const struct row_key *a, const struct row_key *b);

/* "`a`, `b`" for ORDER BY; and as they are selected to make literals of them. */
void row_key_names(struct buf *b, const struct row_key *k);
void row_key_select(struct buf *b, const struct row_key *k);

/* One value of a key as a literal. */
void row_key_literal(struct buf *b, enum column_class class, struct span value);

/* The literals of a row that was selected by row_key_select. */
void row_key_literals(struct buf *b, const struct row_key *k, const db_field *fields);

/* The condition "key > `after` AND key <= `upto`"; either may be NULL. Both are literals as above. */
void row_key_range(struct buf *b, const struct row_key *k, const char *after, const char *upto);

/* " FORCE INDEX (`name`)" */
void row_key_hint(struct buf *b, const struct row_key *k);

#endif
