/* The parameters of executions, taken apart and put together: markers elsewhere, types remembered, query
 * attributes, bulk rows, values that are repeated into a column's type. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "protocol/attributes.h"
#include "protocol/execute.h"

typedef enum execute_outcome builder(struct span payload, const struct execute_map *m, struct buf *out);

static void assert_outcome(builder *build, struct span payload, const struct execute_map *m,
                           enum execute_outcome outcome, struct span expected)
{
    struct buf out = BUF_INIT;
    assert_int_equal(build(payload, m, &out), outcome);
    if (outcome == EXECUTE_BUILT)
        assert_true(span_eq(buf_span(&out), expected));
    buf_free(&out);
}

#define assert_builds(build, payload, m, expected)                                                           \
    assert_outcome((build), (payload), (m), EXECUTE_BUILT, SPAN(expected))

static void assert_malformed(builder *build, struct span payload, const struct execute_map *m)
{
    assert_outcome(build, payload, m, EXECUTE_MALFORMED, (struct span){NULL, 0});
}

static void assert_malformed_where_cut(builder *build, struct span payload, const struct execute_map *m)
{
    for (size_t n = 0; n < payload.len; n++)
        assert_malformed(build, (struct span){payload.ptr, n}, m);
}

/* EXECUTE of (LONG 5, NULL, VAR_STRING "ab", DATETIME of 4 bytes). */
static const struct span execute_4 = SPAN("\x17\x01\x00\x00\x00\x00\x01\x00\x00\x00"
                                          "\x02"
                                          "\x01"
                                          "\x03\x00\xfd\x00\xfd\x00\x0c\x00"
                                          "\x05\x00\x00\x00"
                                          "\x02"
                                          "ab"
                                          "\x04\xe4\x07\x01\x02");

static void test_execute_map(void **state)
{
    (void)state;
    static const uint32_t map[] = {2, 0, 2, 1, 3};
    struct execute_map m = {.id = 9, .params = 4, .out_params = 5, .map = map};
    assert_int_equal(execute_head_size(execute_4, 4), 20);
    assert_non_null(execute_types(execute_4, 4, NULL));
    assert_builds(execute_build, execute_4, &m,
                  "\x17\x09\x00\x00\x00\x00\x01\x00\x00\x00"
                  "\x08"
                  "\x01"
                  "\xfd\x00\x03\x00\xfd\x00\xfd\x00\x0c\x00"
                  "\x02"
                  "ab"
                  "\x05\x00\x00\x00"
                  "\x02"
                  "ab"
                  "\x04\xe4\x07\x01\x02");
    assert_malformed_where_cut(execute_build, execute_4, &m);
}

static void test_execute_remembers_types(void **state)
{
    (void)state;
    struct span without = SPAN("\x17\x01\x00\x00\x00\x00\x01\x00\x00\x00"
                               "\x00"
                               "\x00"
                               "\x07\x00\x00\x00");
    struct execute_map m = {
        .id = 2, .params = 1, .out_params = 1, .types = (const unsigned char *)"\x03\x80"};
    assert_null(execute_types(without, 1, NULL));
    assert_builds(execute_build, without, &m,
                  "\x17\x02\x00\x00\x00\x00\x01\x00\x00\x00"
                  "\x00"
                  "\x01"
                  "\x03\x80"
                  "\x07\x00\x00\x00");
    m.types = NULL; /* never bound: nobody knows how long the value is */
    assert_malformed(execute_build, without, &m);
}

static void test_execute_long_data(void **state)
{
    (void)state;
    struct span p = SPAN("\x17\x01\x00\x00\x00\x00\x01\x00\x00\x00"
                         "\x00"
                         "\x01"
                         "\xfc\x00\x01\x00"
                         "\x07");
    static const uint32_t map[] = {0, 0, 1};
    struct execute_map m = {
        .id = 2, .params = 2, .out_params = 3, .map = map, .longs = (const unsigned char *)"\x01"};
    assert_builds(execute_build, p, &m,
                  "\x17\x02\x00\x00\x00\x00\x01\x00\x00\x00"
                  "\x00"
                  "\x01"
                  "\xfc\x00\xfc\x00\x01\x00"
                  "\x07");
}

/* ---- with names ---- */

/* COM_QUERY of "DO 1": where its text begins. 0: malformed. */
static void test_attributes_end(void **state)
{
    (void)state;
    static const struct {
        struct span head;
        bool good;
    } cases[] = {
        {SPAN("\x03\x00\x01"), true},
        {SPAN("\x03\xfc\x00\x00\x01"), true}, /* numbers longer than they must be */
        {SPAN("\x03\x00\xfc\x01\x00"), true},
        {SPAN("\x03\x01\x01"
              "\x00"
              "\x01"
              "\xfe\x00\x01n"
              "\x03val"),
         true},
        {SPAN("\x03\x03\x01" /* LONG UNSIGNED 7 without a name, NULL "n", DATETIME of nothing "d" */
              "\x02"
              "\x01"
              "\x03\x80\x00\x06\x00\x01n\x0c\x00\x01"
              "d"
              "\x07\x00\x00\x00"
              "\x00"),
         true},
        {SPAN("\x03\x01\x01" /* YEAR and INT24 have their length before them, to MySQL */
              "\x00"
              "\x01"
              "\x0d\x00\x00"
              "\x02\xe8\x07"),
         true},
        {SPAN("\x03\x01\x01"
              "\x01" /* all NULL: nothing follows the types */
              "\x01"
              "\x08\x00\x02"
              "ab"),
         true},
        {SPAN("\x03\x00\x00"), false}, /* sets */
        {SPAN("\x03\x00\x02"), false},
        {SPAN("\x03\xfb\x01"), false}, /* counts that are none */
        {SPAN("\x03\xff\x01\x00\x00"), false},
        {SPAN("\x03\xfd\x00\x00\x01\x01"), false}, /* 65536 of them */
        {SPAN("\x03\xfe\x01\x00\x00\x00\x01\x00\x00\x00\x01"), false},
        {SPAN("\x03\x01\x01"
              "\x00"
              "\x00"), /* without types */
         false},
        {SPAN("\x03\x01\x01"
              "\x00"
              "\x01"
              "\xfe\x00\xfe\xff\xff\xff\xff\xff\xff\xff\xff"), /* a name of 2^64 - 1 bytes */
         false},
        {SPAN("\x03\x01\x01"
              "\x00"
              "\x01"
              "\xfe\x00\x00"
              "\xfe\xff\xff\xff\xff\xff\xff\xff\xff"), /* and a value */
         false},
        {SPAN("\x03\x01\x01"
              "\x00"
              "\x01"
              "\xf4\x00\x00"
              "\x01"), /* BOOL */
         false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct buf whole = BUF_INIT;
        buf_add_span(&whole, cases[i].head);
        buf_add_str(&whole, "DO 1");
        assert_int_equal(attributes_end(buf_span(&whole)), cases[i].good ? cases[i].head.len : 0);
        for (size_t n = 0; n < cases[i].head.len; n++) { /* none of it is read past the end */
            char *exact = malloc(n + 1);
            memcpy(exact, cases[i].head.ptr, n);
            assert_int_equal(attributes_end((struct span){exact, n}), 0);
            free(exact);
        }
        buf_free(&whole);
    }
}

/* EXECUTE of a statement with two parameters, LONG 5 and VAR_STRING "ab", and the attributes "n": NULL, "v":
 * "x". */
static const struct span named_4 = SPAN("\x17\x01\x00\x00\x00\x08\x01\x00\x00\x00"
                                        "\x04"
                                        "\x04"
                                        "\x01"
                                        "\x03\x00\x00\xfd\x00\x01p\xfe\x00\x01n\xfe\x00\x01v"
                                        "\x05\x00\x00\x00"
                                        "\x02"
                                        "ab"
                                        "\x01x");

static void test_named_map(void **state)
{
    (void)state;
    static const uint32_t map[] = {1, 0, 1};
    struct execute_map m = {.id = 9, .params = 2, .out_params = 3, .map = map};
    struct buf types = BUF_INIT;
    const size_t head = 28;
    for (size_t n = 0; n <= named_4.len; n++) {
        struct span part = {named_4.ptr, n};
        assert_int_equal(named_head_size(part, 2) <= n, n >= head);
        assert_int_equal(named_types(part, 2, &types) != NULL, n >= head);
    }
    assert_memory_equal(named_types(named_4, 2, &types), "\x03\x00\xfd\x00", 4);
    assert_builds(named_build, named_4, &m,
                  "\x17\x09\x00\x00\x00\x08\x01\x00\x00\x00"
                  "\x05"
                  "\x08"
                  "\x01"
                  "\xfd\x00\x01p\x03\x00\x00\xfd\x00\x01p\xfe\x00\x01n\xfe\x00\x01v"
                  "\x02"
                  "ab"
                  "\x05\x00\x00\x00"
                  "\x02"
                  "ab"
                  "\x01x");
    assert_malformed_where_cut(named_build, named_4, &m);
    m.params = 5; /* more than come */
    assert_malformed(named_build, named_4, &m);
    assert_null(named_types(named_4, 5, &types));
    buf_free(&types);
}

/* Types that were sent before have no names any more. */
static void test_named_remembers_types(void **state)
{
    (void)state;
    struct span without = SPAN("\x17\x01\x00\x00\x00\x00\x01\x00\x00\x00"
                               "\x01"
                               "\x00"
                               "\x00"
                               "\x07\x00\x00\x00");
    struct execute_map m = {
        .id = 2, .params = 1, .out_params = 1, .types = (const unsigned char *)"\x03\x80"};
    struct buf types = BUF_INIT;
    assert_null(named_types(without, 1, &types));
    assert_builds(named_build, without, &m,
                  "\x17\x02\x00\x00\x00\x00\x01\x00\x00\x00"
                  "\x01"
                  "\x00"
                  "\x01"
                  "\x03\x80\x00"
                  "\x07\x00\x00\x00");
    m.types = NULL;
    assert_malformed(named_build, without, &m);
    buf_free(&types);
}

static void test_bulk(void **state)
{
    (void)state;
    /* two rows of (LONG, VAR_STRING): (1, "a"), (NULL, DEFAULT) */
    struct span p = SPAN("\xfa\x01\x00\x00\x00\x80\x00"
                         "\x03\x00\xfd\x00"
                         "\x00\x01\x00\x00\x00"
                         "\x00\x01"
                         "a"
                         "\x01\x02");
    static const uint32_t map[] = {1, 0, 1};
    struct execute_map m = {.id = 3, .params = 2, .out_params = 3, .map = map};
    assert_non_null(bulk_types(p, 2, NULL));
    assert_builds(bulk_build, p, &m,
                  "\xfa\x03\x00\x00\x00\x80\x00"
                  "\xfd\x00\x03\x00\xfd\x00"
                  "\x00\x01"
                  "a"
                  "\x00\x01\x00\x00\x00"
                  "\x00\x01"
                  "a"
                  "\x02\x01\x02");
    struct span untyped = SPAN("\xfa\x01\x00\x00\x00\x40\x00"
                               "\x00\x01\x00\x00\x00"
                               "\x01");
    m = (struct execute_map){
        .id = 3, .params = 2, .out_params = 2, .types = (const unsigned char *)"\x03\x00\xfd\x00"};
    assert_null(bulk_types(untyped, 2, NULL));
    assert_builds(bulk_build, untyped, &m,
                  "\xfa\x03\x00\x00\x00\xc0\x00"
                  "\x03\x00\xfd\x00"
                  "\x00\x01\x00\x00\x00"
                  "\x01");
}

/* One parameter, sent as it came and then repeated into a column that has a need. */
static void test_repeated_values(void **state)
{
    (void)state;
    const uint32_t whole = MAP_WHOLE, moment_text = MAP_MOMENT | MAP_MYSQL;
    static const unsigned char time_of_day[] = "\x0c\x00\x00\x00\x00\x00\x01\x02\x03\x40\x42\x0f\x00";
    static const unsigned char whole_second[] = "\x08\x00\x00\x00\x00\x00\x01\x02\x03";
    static const unsigned char moment[] = "\x0b\xe4\x07\x01\x02\x01\x02\x03\x01\x00\x00\x00";
    const struct {
        unsigned char type;
        double number; /* types 4 and 5 */
        const unsigned char *bytes;
        size_t len;
        uint32_t need;
        enum execute_outcome outcome;
        double repeated;
    } cases[] = {
        {5, 2.5, NULL, 0, whole, EXECUTE_BUILT, 2},
        {5, 3.5, NULL, 0, whole, EXECUTE_BUILT, 4},
        {5, -0.5, NULL, 0, whole, EXECUTE_BUILT, 0},
        {5, 1e300, NULL, 0, whole, EXECUTE_BUILT, 1e300},
        {4, 2.5, NULL, 0, whole, EXECUTE_BUILT, 2},
        {5, 2.5, NULL, 0, 0, EXECUTE_BUILT, 2.5},
        {5, 2.5, NULL, 0, 3, EXECUTE_BUILT, 2.5},
        {5, 2.5, NULL, 0, 2, EXECUTE_INEXACT, 0},
        {5, -2.5, NULL, 0, 3, EXECUTE_INEXACT, 0},
        {5, 12345, NULL, 0, 5, EXECUTE_BUILT, 12345},
        {5, 123456, NULL, 0, 5, EXECUTE_INEXACT, 0},
        {5, 0.1, NULL, 0, 3, EXECUTE_BUILT, 0.1},
        {4, 0.1f, NULL, 0, 8, EXECUTE_INEXACT, 0}, /* 0.10000000149011612 as the server sees it */
        {5, 1e-7, NULL, 0, 9, EXECUTE_BUILT, 1e-7},
        {5, 1e-7, NULL, 0, 8, EXECUTE_INEXACT, 0},
        {5, 1e-20, NULL, 0, 31, EXECUTE_INEXACT, 0},
        {5, 1e20, NULL, 0, 31, EXECUTE_INEXACT, 0},
        {5, (double)NAN, NULL, 0, 31, EXECUTE_INEXACT, 0},
        {5, 0, NULL, 0, 1, EXECUTE_BUILT, 0},
        {11, 0, time_of_day, 13, whole, EXECUTE_INEXACT, 0},
        {11, 0, time_of_day, 13, 5, EXECUTE_BUILT, 0},
        {11, 0, whole_second, 9, whole, EXECUTE_BUILT, 0},
        {12, 0, moment, 12, whole, EXECUTE_INEXACT, 0},
        {12, 0, moment, 12, moment_text, EXECUTE_INEXACT, 0},
        {11, 0, time_of_day, 13, moment_text, EXECUTE_BUILT, 0},
        {11, 0, whole_second, 9, moment_text, EXECUTE_INEXACT, 0}, /* a cast writes .000000 */
        {5, 2.5, NULL, 0, MAP_MYSQL, EXECUTE_BUILT, 2.5},
        {5, 2.5, NULL, 0, MAP_MYSQL | MAP_WHOLE, EXECUTE_BUILT, 2},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct buf in = BUF_INIT, out = BUF_INIT;
        const uint32_t map[] = {0, cases[i].need << 16};
        struct execute_map m = {.id = 3, .params = 1, .out_params = 2, .map = map};
        float single = (float)cases[i].number;
        size_t size = cases[i].bytes ? cases[i].len : cases[i].type == 4 ? sizeof single : sizeof(double);
        buf_add(&in, "\x17\x01\x00\x00\x00\x00\x01\x00\x00\x00\x00\x01", 12);
        buf_add(&in, (const char[]){(char)cases[i].type, 0}, 2);
        buf_add(&in,
                cases[i].bytes       ? (const void *)cases[i].bytes
                : cases[i].type == 4 ? (const void *)&single
                                     : (const void *)&cases[i].number,
                size);
        assert_int_equal(execute_build(buf_span(&in), &m, &out), cases[i].outcome);
        if (cases[i].outcome == EXECUTE_BUILT && !cases[i].bytes) {
            const char *last = buf_ptr(&out) + buf_len(&out) - size;
            double number;
            memcpy(cases[i].type == 4 ? (void *)&single : (void *)&number, last, size);
            assert_true((cases[i].type == 4 ? (double)single : number) == cases[i].repeated);
            assert_memory_equal(last - size, buf_ptr(&in) + buf_len(&in) - size, size);
        }
        buf_free(&in);
        buf_free(&out);
    }
}

static void test_retyped(void **state)
{
    (void)state;
    static const unsigned char before[] = {5, 0, 8, 0}, same[] = {5, 0, 0xfd, 0}, other[] = {0xfd, 0, 8, 0};
    static const uint32_t map[] = {0, MAP_MYSQL << 16, 1};
    struct execute_map m = {.params = 2, .out_params = 3, .map = map, .types = before};
    assert_false(execute_retyped(&m, before));
    assert_false(execute_retyped(&m, same)); /* only the other parameter, which is not repeated */
    assert_false(execute_retyped(&m, NULL));
    assert_true(execute_retyped(&m, other));
    m.types = NULL;
    assert_false(execute_retyped(&m, other));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_execute_map),
        cmocka_unit_test(test_execute_remembers_types),
        cmocka_unit_test(test_execute_long_data),
        cmocka_unit_test(test_attributes_end),
        cmocka_unit_test(test_named_map),
        cmocka_unit_test(test_named_remembers_types),
        cmocka_unit_test(test_bulk),
        cmocka_unit_test(test_repeated_values),
        cmocka_unit_test(test_retyped),
    };
    return cmocka_run_group_tests_name("execute", tests, NULL, NULL);
}
