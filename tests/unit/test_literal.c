/* String literals: a case a line: the literal and what it says, and back again. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "proxy/sql/literal.h"

/* clang-format off */
#define NONE {NULL, 0}
/* clang-format on */

static const struct {
    struct span literal, value; /* NONE: it is no such literal */
    uint32_t modes;
    enum sql_charset charset;
} cases[] = {
    {SPAN("'SELECT 1'"), SPAN("SELECT 1"), 0, 0},
    {SPAN("''"), SPAN(""), 0, 0},
    {SPAN("'it''s'"), SPAN("it's"), 0, 0},
    {SPAN("''''"), SPAN("'"), 0, 0},
    {SPAN("'a\"\"b'"), SPAN("a\"\"b"), 0, 0},
    {SPAN("\"it''s \"\"x\"\"\""), SPAN("it''s \"x\""), 0, 0},
    {SPAN("\"x\""), NONE, SQL_ANSI_QUOTES, 0},
    {SPAN("'a\\'b\\\"c\\\\d'"), SPAN("a'b\"c\\d"), 0, 0},
    {SPAN("'\\n\\t\\r\\b\\0\\Z\\q'"), SPAN("\n\t\r\b\0\032q"), 0, 0},
    {SPAN("'\\%\\_'"), SPAN("\\%\\_"), 0, 0},
    {SPAN("'\\N'"), SPAN("N"), 0, 0},
    {SPAN("'a\\nb''c\\'"), SPAN("a\\nb'c\\"), SQL_NO_BACKSLASH_ESCAPES, 0},
    {SPAN("'a' 'b'\n\t\"c''\""), SPAN("abc''"), 0, 0},
    {SPAN("'a' \"b\""), NONE, SQL_ANSI_QUOTES, 0},
    {SPAN("'a' /* x */ 'b'"), NONE, 0, 0},
    {SPAN("'a"), NONE, 0, 0},
    {SPAN("'a' b"), NONE, 0, 0},
    {SPAN("b 'a'"), NONE, 0, 0},
    {SPAN("x'61'"), NONE, 0, 0},
    {SPAN("61"), NONE, 0, 0},
    {SPAN(" "), NONE, 0, 0},
    {SPAN("_utf8mb4'a' 'b'"), SPAN("ab"), 0, 0},
    {SPAN("_latin1 'a'"), SPAN("a"), 0, 0},
    {SPAN("_utf8mb4'\xc3\xa9'"), NONE, 0, 0},
    {SPAN("_ucs2'ab'"), NONE, 0, 0},
    {SPAN("_utf8 _utf8 'ab'"), NONE, 0, 0},
    {SPAN("N'a''b'"), SPAN("a'b"), 0, 0},
    {SPAN("N'\xc3\xa9'"), NONE, 0, 0},
    {SPAN("'\xc3\xa9\0'"), SPAN("\xc3\xa9\0"), 0, 0},
    /* 95 5c is one character of SJIS, 81 5c one of GBK */
    {SPAN("'\x95\x5c'"), SPAN("\x95\x5c"), 0, CHARSET_SJIS},
    {SPAN("'\x95\x5cn'"), SPAN("\x95\x5cn"), 0, CHARSET_SJIS},
    {SPAN("'\x95\x5c\\'x'"), SPAN("\x95\x5c'x"), 0, CHARSET_SJIS},
    {SPAN("'\x81\x5c''\\\\'"), SPAN("\x81\x5c'\\"), 0, CHARSET_GBK},
    {SPAN("'\xa5\x5c\\\\'"), SPAN("\xa5\x5c\\"), 0, CHARSET_BIG5},
    {SPAN("'\x81\x30\x81\x30\\n'"), SPAN("\x81\x30\x81\x30\n"), 0, CHARSET_GB18030},
};

static void test_decode(void **state)
{
    struct arena *arena = *state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct sql_dialect d = {.modes = cases[i].modes, .charset = cases[i].charset, .mariadb = true};
        struct span value, again;
        bool known = literal_decode(arena, &d, cases[i].literal, &value);
        if (known != (cases[i].value.ptr != NULL) || (known && !span_eq(value, cases[i].value)))
            fail_msg("%.*s: %.*s", (int)cases[i].literal.len, cases[i].literal.ptr, (int)value.len,
                     value.ptr);
        if (!known)
            continue;
        struct span back = literal_encode(arena, &d, value);
        if (!literal_decode(arena, &d, back, &again) || !span_eq(value, again))
            fail_msg("%.*s: back %.*s", (int)value.len, value.ptr, (int)back.len, back.ptr);
    }
}

static void test_encode(void **state)
{
    struct arena *arena = *state;
    struct sql_dialect d = {0};
    assert_true(span_eq(literal_encode(arena, &d, SPAN("a'b\\\n")), SPAN("'a''b\\\\\n'")));
    assert_true(span_eq(literal_encode(arena, &d, SPAN("")), SPAN("''")));
    d.modes = SQL_NO_BACKSLASH_ESCAPES;
    assert_true(span_eq(literal_encode(arena, &d, SPAN("a'b\\")), SPAN("'a''b\\'")));
    d = (struct sql_dialect){.charset = CHARSET_SJIS};
    assert_true(span_eq(literal_encode(arena, &d, SPAN("\x95\x5c\\")), SPAN("'\x95\x5c\\\\'")));
    assert_true(span_eq(literal_encode_hex(arena, SPAN("a\0\xff'")), SPAN("x'6100ff27'")));
    assert_true(span_is_ascii(SPAN("a\0'")) && !span_is_ascii(SPAN("a\x80")));
}

static int setup(void **state)
{
    return (*state = arena_new(1 << 20)) ? 0 : -1;
}

static int teardown(void **state)
{
    arena_free(*state);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_decode, setup, teardown),
        cmocka_unit_test_setup_teardown(test_encode, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
