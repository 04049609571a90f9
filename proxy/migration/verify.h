/* Verify: every row, both ways, chunk by chunk, without locks; and what `invertible` and `monotonic` promise.
 *
 * Each chunk is one consistent read, and a row's two sides are always written by one statement, so a row that
 * differs does drift: it is no race. */
#ifndef PROXY_MIGRATION_VERIFY_H
#define PROXY_MIGRATION_VERIFY_H

#include "proxy/migration/preflight.h"

enum { VERIFY_KEYS_MAX = 10, VERIFY_KEY_SIZE = 256 };

/* Whether the rows keep a promise of the configuration. */
struct verify_promise {
    bool asked; /* else it is not made, or the server cannot tell */
    uint64_t broken;
    char keys[VERIFY_KEYS_MAX][VERIFY_KEY_SIZE];
    size_t key_count;
};

struct verify_report {
    uint64_t rows;
    uint64_t drift;       /* rows whose new columns are not what forward gives */
    uint64_t back_failed; /* rows whose old columns are not what backward gives */
    char drift_keys[VERIFY_KEYS_MAX][VERIFY_KEY_SIZE]; /* the first of them, as SQL literals */
    char back_failed_keys[VERIFY_KEYS_MAX][VERIFY_KEY_SIZE];
    size_t drift_key_count, back_failed_key_count;
    struct verify_promise inverse; /* invertible: new <=> forward(backward(new)) */
    struct verify_promise
        order;       /* monotonic: rows in the order of the old column are in that of the new one */
    double fraction; /* done, 0 to 1; below 0: not known */
};

/* Called after each chunk; false stops the run. */
typedef bool verify_progress(void *ctx, const struct verify_report *so_far);

/* Compares all rows that there are at its start. false with the reason, also when it was stopped. */
bool verify_run(struct db *d, const struct target *t, verify_progress *progress, void *ctx,
                struct verify_report *out, char *error, size_t error_size);

#endif
