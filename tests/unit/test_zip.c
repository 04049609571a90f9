/* The compressed protocol: what is packed is opened again wherever it is cut, and what is none is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "protocol/proto.h"
#include "proxy/net/zip.h"

static char text[400 * 1000];

static void fill(bool random)
{
    for (size_t i = 0; i < sizeof text; i++)
        text[i] = (char)(random ? rand() >> 7 : "a few words "[i % 12]); /* NOLINT: any bytes will do */
}

static void round_trip(enum zip_algorithm algorithm, size_t size, size_t cut)
{
    struct zip_tools *tools = zip_tools_new();
    struct zip *from = zip_new(tools, algorithm, 3), *to = zip_new(tools, algorithm, 3);
    struct buf plain = BUF_INIT;
    assert_true(zip_send(from, (struct span){text, size}));
    for (size_t at = 0, n; at < buf_len(zip_out(from)); at += n) {
        n = buf_len(zip_out(from)) - at < cut ? buf_len(zip_out(from)) - at : cut;
        buf_add(zip_in(to), buf_ptr(zip_out(from)) + at, n);
        enum zip_result r;
        while ((r = zip_open(to, &plain)) == ZIP_OPENED)
            ;
        assert_int_equal(r, ZIP_MORE);
    }
    assert_int_equal(buf_len(&plain), size);
    assert_true(size == 0 || memcmp(buf_ptr(&plain), text, size) == 0);
    assert_int_equal(buf_len(zip_in(to)), 0);
    buf_free(&plain);
    zip_free(from);
    zip_free(to);
    zip_tools_free(tools);
}

static void test_round_trips(void **state)
{
    (void)state;
    static const size_t sizes[] = {0, 1, 49, 50, 51, 1000, 128 * 1024, 128 * 1024 + 1, sizeof text};
    for (int random = 0; random < 2; random++) {
        fill(random);
        for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
            for (enum zip_algorithm a = ZIP_ZLIB; a <= ZIP_ZSTD; a++) {
                round_trip(a, sizes[i], sizeof text * 2);
                round_trip(a, sizes[i], 7);
            }
        }
    }
}

/* Packets count on from the one that they answer. */
static void test_sequence(void **state)
{
    (void)state;
    struct zip_tools *tools = zip_tools_new();
    struct zip *z = zip_new(tools, ZIP_ZLIB, 0);
    struct buf plain = BUF_INIT;
    buf_add(zip_in(z), "\1\0\0\x04\0\0\0x", 8);
    assert_int_equal(zip_open(z, &plain), ZIP_OPENED);
    zip_turn(z);
    assert_true(zip_send(z, SPAN("one")) && zip_send(z, SPAN("two")));
    assert_memory_equal(buf_ptr(zip_out(z)), "\3\0\0\5\0\0\0one\3\0\0\6\0\0\0two", 20);
    buf_free(&plain);
    zip_free(z);
    zip_tools_free(tools);
}

static void test_what_is_none(void **state)
{
    (void)state;
    static const struct span cases[] = {
        {"\5\0\0\0\x10\0\0"
         "abcde",
         12},
        {"\0\0\0\0\x10\0\0", 7}, /* 16 bytes out of none */
        {"\x09\0\0\0\xff\xff\xff\x78\x9c\xab\0\0\0\x79\0\x79", 16},
        {"\x09\0\0\0\2\0\0\x78\x9c\xab\0\0\0\x79\0\x79", 16}, /* is 1 byte, not 2 */
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        for (enum zip_algorithm a = ZIP_ZLIB; a <= ZIP_ZSTD; a++) {
            struct zip_tools *tools = zip_tools_new();
            struct zip *z = zip_new(tools, a, 99);
            struct buf plain = BUF_INIT;
            buf_add_span(zip_in(z), cases[i]);
            assert_int_equal(zip_open(z, &plain), ZIP_BROKEN);
            assert_int_equal(buf_len(&plain), 0);
            buf_free(&plain);
            zip_free(z);
            zip_tools_free(tools);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trips),
        cmocka_unit_test(test_sequence),
        cmocka_unit_test(test_what_is_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
