/* make bench-sql: what the SQL front end costs, statement by statement, in nanoseconds and megabytes a
 * second.
 *
 * Each case runs in rounds of some milliseconds and its best round counts, since what else the machine does
 * only ever makes a round slower. Every case states what its statement must come out as, so that a figure is
 * never that of a refusal.
 *
 *     bench_sql                   all cases
 *     bench_sql NAME [COUNT]      one case, COUNT times and without a clock (for perf and callgrind) */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "tests/fixtures/shop.h"

enum { ROUNDS = 60, ROUND_NS = 4000000, LARGE = 1 << 20 };

struct bench {
    const char *name, *what;
    enum phase phase;
    const char *text; /* a row's, where `large` */
    bool large;       /* repeated up to a megabyte */
    bool scan;        /* rewrite_wanted alone, which says no */
    double ns;        /* the goal for a statement; 0: none */
    double mbs;       /* the goal in MB/s; 0: none */
};

static const struct bench benches[] = {
    {.name = "scan",
     .what = "100 bytes that touch no migration",
     .phase = PHASE_CUTOVER,
     .text = "SELECT p.id, p.title, p.price FROM products p WHERE p.category = 'garden tools' AND p.id = "
             "4711 LIMIT 1",
     .scan = true,
     .ns = 200},
    {.name = "insert",
     .what = "INSERT of one row, dual-written",
     .phase = PHASE_DUAL_WRITE,
     .text = "INSERT INTO orders (user_id, amount, note) VALUES (4711, 19.99, 'to be left at the door')",
     .ns = 2000},
    {.name = "insert-two",
     .what = "the same, two new columns",
     .phase = PHASE_DUAL_WRITE,
     .text = "INSERT INTO users (fullname, email, visits) VALUES ('Ada Lovelace', 'ada@example.com', 1)",
     .ns = 2000},
    {.name = "update",
     .what = "point UPDATE, dual-written",
     .phase = PHASE_DUAL_WRITE,
     .text = "UPDATE orders SET amount = 24.50, note = 'paid' WHERE id = 4711",
     .ns = 2000},
    {.name = "update-cutover",
     .what = "the same after cutover",
     .phase = PHASE_CUTOVER,
     .text = "UPDATE orders SET amount = 24.50, note = 'paid' WHERE id = 4711",
     .ns = 2000},
    {.name = "select",
     .what = "point SELECT after cutover",
     .phase = PHASE_CUTOVER,
     .text = "SELECT id, user_id, amount, note FROM orders WHERE id = 4711"},
    {.name = "large",
     .what = "INSERT of many rows, 1 MB",
     .phase = PHASE_DUAL_WRITE,
     .text = "INSERT INTO orders (id, user_id, amount, note) VALUES "
             "|(1004711, 20815, 1234.56, 'a note of the length that notes have, more or less')",
     .large = true,
     .mbs = 300},
    {.name = "large-two",
     .what = "the same, two new columns",
     .phase = PHASE_DUAL_WRITE,
     .text = "INSERT INTO users (id, fullname, email, visits) VALUES "
             "|(1004711, 'Ada Augusta King, Countess of Lovelace', 'ada.lovelace@example.com', 42)",
     .large = true,
     .mbs = 300},
};

static void die(const char *what, const char *why)
{
    fprintf(stderr, "bench_sql: %s: %s\n", what, why ? why : "failed");
    exit(1);
}

static struct span text_of(const struct bench *b)
{
    static char text[LARGE + 256];
    if (!b->large)
        return span_of(b->text);
    const char *row = strchr(b->text, '|') + 1;
    size_t len = (size_t)(row - 1 - b->text), row_len = strlen(row);
    memcpy(text, b->text, len);
    for (bool first = true; len + row_len + 2 <= LARGE; first = false) {
        if (!first)
            text[len++] = ',';
        memcpy(text + len, row, row_len);
        len += row_len;
    }
    return (struct span){text, len};
}

static void run(const struct bench *b, struct arena *arena, const struct rewrite_session *s, struct span text)
{
    struct rewrite_result out;
    bool wanted = rewrite_wanted(s, text);
    if (wanted == b->scan)
        die(b->name, wanted ? "taken for one that touches a migration" : "not seen");
    if (!wanted)
        return;
    arena_reset(arena);
    rewrite_text(arena, s, text, &out);
    if (out.verdict != REWRITE_REWRITTEN)
        die(b->name, out.reason ? out.reason : "not rewritten");
}

static double now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

/* Nanoseconds a statement, in the best round. */
static double measure(const struct bench *b, struct arena *arena, const struct rewrite_session *s)
{
    struct span text = text_of(b);
    double best = 0;
    unsigned count = 1;
    for (int round = 0; round < ROUNDS; round++) {
        double start = now_ns();
        for (unsigned i = 0; i < count; i++)
            run(b, arena, s, text);
        double took = now_ns() - start;
        if (round > 0 && (best == 0 || took / count < best))
            best = took / count;
        if (took < ROUND_NS / 2.0)
            count = took > 0 ? (unsigned)(count * ROUND_NS / took) + 1 : count * 2;
    }
    return best;
}

int main(int argc, char **argv)
{
    struct arena *arena = arena_new((size_t)64 << 20);
    bool found = argc < 2;
    if (!arena)
        die("memory", NULL);
    if (found)
        printf("%-16s %-36s %9s %11s %9s  %s\n", "case", "", "bytes", "ns", "MB/s", "goal");
    for (size_t i = 0; i < sizeof benches / sizeof benches[0]; i++) {
        const struct bench *b = &benches[i];
        const struct rewrite_session s = {
            .rules = shop_rules(b->phase), .database = SPAN("shop"), .dialect = shop_dialect};
        if (argc > 1) {
            if (strcmp(b->name, argv[1]) != 0)
                continue;
            struct span text = text_of(b);
            found = true;
            for (long n = argc > 2 ? strtol(argv[2], NULL, 10) : 1; n > 0; n--)
                run(b, arena, &s, text);
            continue;
        }
        double ns = measure(b, arena, &s), mbs = (double)text_of(b).len * 1e3 / ns;
        printf("%-16s %-36s %9zu %11.0f %9.0f  ", b->name, b->what, text_of(b).len, ns, mbs);
        if (b->ns > 0)
            printf("%s %.0f ns\n", ns <= b->ns ? "below" : "MISSED:", b->ns);
        else if (b->mbs > 0)
            printf("%s %.0f MB/s\n", mbs >= b->mbs ? "above" : "MISSED:", b->mbs);
        else
            printf("-\n");
    }
    arena_free(arena);
    if (!found)
        die(argv[1], "no such case");
    return 0;
}
