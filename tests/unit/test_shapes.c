/* Which texts are kept by their shape, and that what is kept is what the rewriter makes of them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "proxy/rewrite/shapes.h"
#include "tests/fixtures/shop.h"

enum { ENOUGH = 5 }; /* texts of a shape: the last of so many is not parsed any more */

static struct shapes *shapes;
static struct arena *arena, *second;
static struct buf into;

static int setup(void **state)
{
    (void)state;
    shapes = shapes_new();
    arena = arena_new((size_t)16 << 20);
    second = arena_new((size_t)16 << 20);
    return shapes && arena && second ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    shapes_free(shapes);
    arena_free(arena);
    arena_free(second);
    buf_free(&into);
    return 0;
}

static struct rewrite_session session_in(enum phase phase)
{
    return (struct rewrite_session){
        .rules = shop_rules(phase), .database = SPAN("shop"), .dialect = shop_dialect, .asks = true};
}

/* Rewrites a text both ways; true: it was not parsed. */
static bool is_hit(const struct rewrite_session *s, uint64_t serial, struct span text)
{
    struct rewrite_session kept = *s;
    struct rewrite_result made, right;
    uint64_t before = shapes_hits(shapes);
    arena_reset(arena);
    arena_reset(second);
    buf_reset(&into);
    buf_add_str(&into, "head");
    kept.into = &into;
    rewrite_text(second, s, text, &right);
    shapes_rewrite(shapes, serial, arena, &kept, text, &made);
    assert_int_equal(made.verdict, right.verdict);
    assert_int_equal(made.facts, right.facts);
    assert_int_equal(made.touches, right.touches);
    assert_int_equal(made.shown_count, right.shown_count);
    if (right.verdict == REWRITE_REWRITTEN) {
        if (!span_eq(made.text, right.text))
            fail_msg("%.*s\nmade:  %.*s\nright: %.*s", (int)text.len, text.ptr, (int)made.text.len,
                     made.text.ptr, (int)right.text.len, right.text.ptr);
        assert_ptr_equal(made.text.ptr, buf_ptr(&into) + 4);
        assert_int_equal(made.text.len, buf_len(&into) - 4);
    }
    return shapes_hits(shapes) > before;
}

/* The statement with `#` made a number and `$` a string, other ones each time; whether the last is a hit. */
static bool is_kept(const struct rewrite_session *s, uint64_t serial, const char *statement)
{
    static const char *const numbers[] = {"7", "12", "0", "917000431", "123456789012345678"};
    static const char *const strings[] = {"'Ann Lee'", "''", "'917000431'", "'2024-02-30'", "'#$ -- /*'"};
    bool hit = false;
    for (unsigned k = 0; k < ENOUGH; k++) {
        char text[8192];
        size_t len = 0;
        unsigned value = k;
        for (const char *p = statement; *p; p++) {
            const char *with = *p == '#' ? numbers[value++ % 5] : *p == '$' ? strings[value++ % 5] : NULL;
            size_t n = with ? strlen(with) : 1;
            memcpy(text + len, with ? with : p, n);
            len += n;
        }
        hit = is_hit(s, serial, (struct span){text, len});
    }
    return hit;
}

static const char *const kept[] = {
    "SELECT fullname FROM users WHERE id = #",
    "SELECT u.fullname, u.id FROM users u WHERE u.id BETWEEN # AND # ORDER BY u.fullname LIMIT #, #",
    "SELECT DISTINCT fullname FROM users WHERE id IN (#, #, -#) AND NOT (email = $ OR email LIKE $)",
    "SELECT * FROM users WHERE id=#",
    "SELECT id FROM users WHERE id >= # AND id<># FOR UPDATE",
    "SELECT COUNT(fullname) FROM users WHERE email > $",
    "SELECT fullname\n\tFROM `users`\r\nWHERE id = #  ",
    "SELECT fullname FROM users",
    "SELECT `u`.`fullname` AS `name` FROM `users` AS `u` WHERE `u`.`id` = #",
    "INSERT INTO users (id, fullname) VALUES (#, $)",
    "INSERT INTO users (id, fullname) VALUES (#, $), (-#, $), (#, NULL)",
    "INSERT INTO users (id, fullname, email) VALUES (#, $, DEFAULT)",
    "INSERT INTO users SET id = #, fullname = $",
    "REPLACE INTO orders (id, amount) VALUES (#, #)",
    "UPDATE users SET fullname = $, email = $ WHERE id = #",
    "UPDATE users SET fullname = $ WHERE id < # ORDER BY id LIMIT #",
    "UPDATE orders SET amount = amount + #, id = # - id WHERE id = #",
    "DELETE FROM users WHERE id = # OR id <=> #",
};

static void test_kept(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof kept / sizeof kept[0]; i++)
        for (unsigned phase = PHASE_EXPAND; phase <= PHASE_CUTOVER; phase++) {
            struct rewrite_session s = session_in((enum phase)phase);
            if (!is_kept(&s, phase, kept[i]))
                fail_msg("not kept in %s: %s", phase_name((enum phase)phase), kept[i]);
        }
}

/* Values that decide something, or may; and texts that are not read closely enough. */
static const char *const not_kept[] = {
    "SELECT id FROM orders WHERE amount = #",
    "SELECT id FROM users WHERE fullname = $",
    "SELECT id FROM users WHERE (id, fullname) = (#, $)",
    "SELECT id FROM users WHERE LOWER(fullname) = $",
    "SELECT id FROM users WHERE id = # AND fullname IN ($, $)",
    "SELECT fullname, # FROM users",
    "SELECT fullname $ FROM users",
    "SELECT fullname $, id FROM users WHERE id = # ORDER BY fullname",
    "DELETE FROM users WHERE id = # RETURNING fullname $",
    "SELECT CONCAT(fullname, $) FROM users",
    "SELECT fullname FROM users ORDER BY 1, id = #",
    "SELECT fullname FROM users GROUP BY #",
    "SELECT id, COUNT(*) FROM users GROUP BY id HAVING COUNT(fullname) > #",
    "SELECT fullname FROM users WHERE id = (SELECT # )",
    "SELECT fullname FROM users WHERE id = # UNION SELECT fullname FROM users WHERE id = #",
    "WITH w AS (SELECT fullname FROM users WHERE id = #) SELECT * FROM w",
    "SELECT fullname FROM users u JOIN orders o ON o.id = #",
    "SELECT fullname FROM users WHERE id = # -- to the end",
    "SELECT /* a hint */ fullname FROM users WHERE id = #",
    "SELECT fullname FROM users WHERE id = #;",
    "SELECT fullname FROM users WHERE id = #; SELECT fullname FROM users WHERE id = #",
    "SELECT fullname FROM users WHERE id = @a",
    "SELECT fullname INTO @a FROM users WHERE id = #",
    "SELECT fullname FROM users WHERE email = $ $",
    "SELECT fullname FROM users WHERE email = _utf8mb4 $",
    "SELECT fullname FROM users WHERE email = N$",
    "SELECT fullname FROM users WHERE email = DATE $",
    "SELECT fullname FROM users WHERE email = $ COLLATE utf8mb4_bin",
    "SELECT fullname FROM users WHERE id = # = #",
    "SELECT fullname FROM users WHERE email = 'it''s' OR id = #",
    "SELECT fullname FROM users WHERE email = 'it\\'s' OR id = #",
    "SELECT fullname FROM users WHERE email = \"x\" OR id = #",
    "SELECT fullname FROM users WHERE email = 'M\303\274ller' OR id = #",
    "SELECT fullname FROM users WHERE id = #.5",
    "SELECT fullname FROM users WHERE id = 0x1f OR id = #",
    "SELECT fullname FROM users WHERE id = 1234567890123456789",
    "SELECT fullname AS `a\001b` FROM users WHERE id = #",
    "SELECT fullname\001FROM users WHERE id = #",
    "EXPLAIN SELECT fullname FROM users WHERE id = #",
    "INSERT INTO users (id, fullname) VALUES (#, $) ON DUPLICATE KEY UPDATE fullname = $",
    "INSERT INTO users (id, fullname) SELECT id + #, fullname FROM users",
    "UPDATE users SET fullname = CONCAT(fullname, $) WHERE id = #",
    "UPDATE users u JOIN orders o ON o.id = u.id SET u.fullname = $ WHERE u.id = #",
    "UPDATE users SET fullname = $ WHERE id = (SELECT MAX(id) FROM orders)",
    "DELETE u FROM users u JOIN orders o ON o.id = u.id AND o.id = #",
    "SET @a = #",
    "PREPARE p FROM $",
    "CREATE TABLE c AS SELECT fullname FROM users WHERE id = #",
    "SELECT fullname FROM FROM users WHERE id = #",
};

static void test_not_kept(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof not_kept / sizeof not_kept[0]; i++)
        for (unsigned phase = PHASE_EXPAND; phase <= PHASE_CUTOVER; phase++) {
            struct rewrite_session s = session_in((enum phase)phase);
            if (is_kept(&s, phase, not_kept[i]))
                fail_msg("kept in %s: %s", phase_name((enum phase)phase), not_kept[i]);
        }
}

/* What the rewriter says by itself, whatever stands in its place. */
static void test_values_that_matter(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool matter;
    } cases[] = {
        {"SELECT fullname FROM users WHERE id = 1", false},
        {"UPDATE users SET fullname = 'Ann' WHERE id = 1", false},
        {"SELECT id FROM orders WHERE amount = 5", true},
        {"SELECT DISTINCT COUNT(*), fullname 'Ann' FROM users ORDER BY fullname", true},
        {"EXECUTE IMMEDIATE 'SELECT fullname FROM users'", true},
        {"UPDATE users u JOIN orders o ON o.id = u.id SET u.fullname = 'Ann'", true},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct rewrite_session s = session_in(PHASE_CUTOVER);
        struct rewrite_result r;
        arena_reset(arena);
        rewrite_text(arena, &s, span_of(cases[i].text), &r);
        if (r.values_matter != cases[i].matter)
            fail_msg("values matter: %d: %s", r.values_matter, cases[i].text);
    }
}

#define SELECT_NAME "SELECT fullname FROM users WHERE id = "

/* What a text was read under is a part of its shape. */
static void test_reading(void **state)
{
    (void)state;
    struct rewrite_session s = session_in(PHASE_CUTOVER);
    assert_true(is_kept(&s, 1, SELECT_NAME "#"));
    assert_true(is_hit(&s, 1, SPAN(SELECT_NAME "8")));
    assert_false(is_hit(&s, 2, SPAN(SELECT_NAME "8")));
    assert_true(is_kept(&s, 1, SELECT_NAME "#"));
    s.database = SPAN("elsewhere");
    assert_false(is_hit(&s, 1, SPAN(SELECT_NAME "8")));
    s.database = SPAN("shop");
    s.dialect.modes = SQL_PIPES_AS_CONCAT;
    assert_false(is_hit(&s, 1, SPAN(SELECT_NAME "8")));
    s.dialect.modes = 0;
    s.sql_prepared = true;
    assert_false(is_hit(&s, 1, SPAN(SELECT_NAME "8")));
    s.sql_prepared = false;
    assert_true(is_hit(&s, 1, SPAN(SELECT_NAME "8")));
    s.dialect.charset = CHARSET_GBK;
    assert_false(is_hit(&s, 1, SPAN(SELECT_NAME "8")));
    s.dialect.charset = CHARSET_ASCII_SAFE;
    static const struct span hidden = {"shop.users", 10};
    s.temporary_tables = &hidden;
    s.temporary_count = 1;
    assert_false(is_hit(&s, 1, SPAN(SELECT_NAME "8")));
    s.temporary_count = 0;
    s.prepared = true;
    assert_false(is_hit(&s, 1, SPAN(SELECT_NAME "8")));
}

/* The same words with a value of another kind are another shape. */
static void test_kinds(void **state)
{
    (void)state;
    struct rewrite_session s = session_in(PHASE_CUTOVER);
    assert_true(is_kept(&s, 1, SELECT_NAME "#"));
    assert_false(is_hit(&s, 1, SPAN(SELECT_NAME "'8'")));
    assert_false(is_hit(&s, 1, SPAN(SELECT_NAME "8.0")));
    assert_false(is_hit(&s, 1, SPAN(SELECT_NAME "id")));
    assert_false(is_hit(&s, 1, SPAN(SELECT_NAME " 8")));
    assert_false(is_hit(&s, 1, SPAN(SELECT_NAME "8 ")));
    assert_false(is_hit(&s, 1, SPAN(SELECT_NAME "\001")));
    assert_true(is_hit(&s, 1, SPAN(SELECT_NAME "8")));
}

/* An application's many shapes, in turn: nearly all are known in the end, whatever slots they share. */
static void test_in_turn(void **state)
{
    (void)state;
    enum { COUNT = 120 };
    struct rewrite_session s = session_in(PHASE_CUTOVER);
    unsigned hits = 0;
    for (unsigned i = 0; i < 8 * COUNT; i++) {
        char text[128];
        int n = snprintf(text, sizeof text, "SELECT fullname AS a%u FROM users WHERE id = %u", i % COUNT, i);
        hits += is_hit(&s, 1, (struct span){text, (size_t)n}) && i >= 7 * COUNT;
    }
    assert_in_range(hits, COUNT * 9 / 10, COUNT);
}

/* Far more shapes than there is room for: those that are used stay. */
static void test_many(void **state)
{
    (void)state;
    struct rewrite_session s = session_in(PHASE_CUTOVER);
    unsigned hits = 0;
    assert_true(is_kept(&s, 1, SELECT_NAME "#"));
    for (unsigned i = 0; i < 20000; i++) {
        char text[128];
        int n = snprintf(text, sizeof text, "SELECT fullname AS a%u FROM users WHERE id = %u", i % 5000, i);
        is_hit(&s, 1, (struct span){text, (size_t)n});
        hits += is_hit(&s, 1, SPAN(SELECT_NAME "8"));
    }
    assert_int_equal(hits, 20000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_kept, setup, teardown),
        cmocka_unit_test_setup_teardown(test_not_kept, setup, teardown),
        cmocka_unit_test_setup_teardown(test_values_that_matter, setup, teardown),
        cmocka_unit_test_setup_teardown(test_reading, setup, teardown),
        cmocka_unit_test_setup_teardown(test_kinds, setup, teardown),
        cmocka_unit_test_setup_teardown(test_in_turn, setup, teardown),
        cmocka_unit_test_setup_teardown(test_many, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
