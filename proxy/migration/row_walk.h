/* Walking over a table along its key, in chunks whose size follows the time that they take. */
#ifndef PROXY_MIGRATION_ROW_WALK_H
#define PROXY_MIGRATION_ROW_WALK_H

#include "proxy/migration/row_key.h"

struct row_walk {
    const struct rule *rule;
    struct row_key key;
    char *after;   /* literals of the last row done; NULL: none yet */
    char *upto;    /* literals of the last row of the present chunk */
    char *upper;   /* literals of the row where the walk ends; NULL: the table is empty */
    uint64_t rows; /* in the present chunk */
    unsigned chunk_rows, min_rows, max_rows;
    bool last; /* the present chunk ends the walk */
};

/* Begins a walk over the rows that there are now: finds the key and the upper end. false with the reason. */
bool row_walk_begin(struct row_walk *w, struct db *d, const struct rule *r, char *error, size_t error_size);

/* At the end: whether the key is still what it was at the beginning. If it is not, the walk may have missed
 * rows; then, and when it cannot be found out, false with the reason. */
bool row_walk_key_stayed(const struct row_walk *w, struct db *d, char *error, size_t error_size);

/* Sets upto and rows of the next chunk. false when the server refused (see db_error). */
bool row_walk_chunk(struct row_walk *w, struct db *d);

/* The condition of the present chunk. */
void row_walk_where(struct buf *b, const struct row_walk *w);

/* The present chunk is done: the next begins behind it. The size grows or shrinks towards chunks that take
 * `aim_ms`. */
void row_walk_advance(struct row_walk *w, double took_ms, double aim_ms);

/* How far it is, 0 to 1, by the key's own range; below 0 where keys are not numbers. */
double row_walk_fraction(const struct row_walk *w, const char *lower);

void row_walk_end(struct row_walk *w);

#endif
