/* The PROXY protocol's header: tables of headers, each also in every piece of itself. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "protocol/proxy_header.h"

#define SIGNATURE "\r\n\r\n\0\r\nQUIT\n"
#define ZEROS_24  "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"
#define ZEROS_216 ZEROS_24 ZEROS_24 ZEROS_24 ZEROS_24 ZEROS_24 ZEROS_24 ZEROS_24 ZEROS_24 ZEROS_24
#define ONE_V6    "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x01"

struct good {
    struct span bytes;
    enum proxy_family family;
    const char *source; /* as version 1 says it again: "address port", or NULL */
};

static const struct good good_cases[] = {
    {SPAN("PROXY TCP4 192.0.2.1 198.51.100.7 4711 3306\r\n"), PROXY_INET,
     "PROXY TCP4 192.0.2.1 198.51.100.7 4711 3306\r\n"},
    {SPAN("PROXY TCP4 0.0.0.0 255.255.255.255 0 65535\r\n"), PROXY_INET,
     "PROXY TCP4 0.0.0.0 255.255.255.255 0 65535\r\n"},
    {SPAN("PROXY TCP6 2001:db8::1 ::1 1 2\r\n"), PROXY_INET6, "PROXY TCP6 2001:db8::1 ::1 1 2\r\n"},
    {SPAN("PROXY TCP6 ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 "
          "65535\r\n"),
     PROXY_INET6,
     "PROXY TCP6 ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 "
     "65535\r\n"},
    {SPAN("PROXY UNKNOWN\r\n"), PROXY_LOCAL, "PROXY UNKNOWN\r\n"},
    {SPAN("PROXY UNKNOWN ffff::1 nonsense\r\n"), PROXY_LOCAL, "PROXY UNKNOWN\r\n"},
    {SPAN(SIGNATURE "\x21\x11\0\x0c\xc0\0\x02\x01\xc6\x33\x64\x07\x12\x67\x0c\xea"), PROXY_INET,
     "PROXY TCP4 192.0.2.1 198.51.100.7 4711 3306\r\n"},
    {SPAN(SIGNATURE "\x21\x21\0\x24" ONE_V6 ONE_V6 "\0\x01\0\x02"), PROXY_INET6,
     "PROXY TCP6 ::1 ::1 1 2\r\n"},
    {SPAN(SIGNATURE "\x20\0\0\0"), PROXY_LOCAL, "PROXY UNKNOWN\r\n"},
    /* LOCAL: whatever family and addresses stand there do not count */
    {SPAN(SIGNATURE "\x20\x11\0\x0c\xc0\0\x02\x01\xc6\x33\x64\x07\x12\x67\x0c\xea"), PROXY_LOCAL,
     "PROXY UNKNOWN\r\n"},
    {SPAN(SIGNATURE "\x20\x99\0\x01x"), PROXY_LOCAL, "PROXY UNKNOWN\r\n"},
    /* an unspecified family, with a TLV */
    {SPAN(SIGNATURE "\x21\0\0\x04\x04\0\x01x"), PROXY_LOCAL, "PROXY UNKNOWN\r\n"},
    {SPAN(SIGNATURE "\x21\x31\0\xd8" ZEROS_216), PROXY_UNIX, "PROXY UNKNOWN\r\n"},
    /* TLVs behind the addresses: PP2_TYPE_NOOP of two bytes, and one that is cut off */
    {SPAN(SIGNATURE "\x21\x11\0\x14\xc0\0\x02\x01\xc6\x33\x64\x07\x12\x67\x0c\xea\x04\0\x02zz\x20\xff\xff"),
     PROXY_INET, "PROXY TCP4 192.0.2.1 198.51.100.7 4711 3306\r\n"},
};

static const struct span bad_cases[] = {
    SPAN("PROXY TCP4 192.0.2.1 198.51.100.7 4711 3306\n"), SPAN("PROXY TCP4 192.0.2.1 198.51.100.7 4711\r\n"),
    SPAN("PROXY TCP4 192.0.2.1 198.51.100.7 4711 3306 \r\n"),
    SPAN("PROXY TCP4 192.0.2.1 198.51.100.7 4711 3306 1\r\n"),
    SPAN("PROXY TCP4  192.0.2.1 198.51.100.7 4711 3306\r\n"),
    SPAN("PROXY TCP4 192.0.2.256 198.51.100.7 4711 3306\r\n"),
    SPAN("PROXY TCP4 192.0.2.1 198.51.100.7 4711 65536\r\n"),
    SPAN("PROXY TCP4 192.0.2.1 198.51.100.7 04711 3306\r\n"),
    SPAN("PROXY TCP4 192.0.2.1 198.51.100.7 -1 3306\r\n"),
    SPAN("PROXY TCP4 192.0.2.1\0 198.51.100.7 1 3306\r\n"),
    SPAN("PROXY TCP6 192.0.2.1 198.51.100.7 4711 3306\r\n"), SPAN("PROXY TCP4 ::1 ::1 4711 3306\r\n"),
    SPAN("PROXY UDP4 192.0.2.1 198.51.100.7 4711 3306\r\n"), SPAN("PROXY \r\n"), SPAN("PROXY \n"),
    /* 107 bytes without an end */
    SPAN("PROXY UNKNOWN "
         "0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890"
         "12"),
    SPAN(SIGNATURE "\x11\x11\0\x0c\xc0\0\x02\x01\xc6\x33\x64\x07\x12\x67\x0c\xea"), /* version 1 */
    SPAN(SIGNATURE "\x22\x11\0\x0c\xc0\0\x02\x01\xc6\x33\x64\x07\x12\x67\x0c\xea"), /* no such command */
    SPAN(SIGNATURE "\x21\x12\0\x0c\xc0\0\x02\x01\xc6\x33\x64\x07\x12\x67\x0c\xea"), /* datagrams */
    SPAN(SIGNATURE "\x21\x41\0\x0c\xc0\0\x02\x01\xc6\x33\x64\x07\x12\x67\x0c\xea"), /* no such family */
    SPAN(SIGNATURE "\x21\x11\0\x0b\xc0\0\x02\x01\xc6\x33\x64\x07\x12\x67\x0c"),     /* too short for it */
    SPAN(SIGNATURE "\x21\x21\0\x0c\xc0\0\x02\x01\xc6\x33\x64\x07\x12\x67\x0c\xea"),
    SPAN(SIGNATURE "\x21\x11\xff\xff"), /* too long */
};

static const struct span none_cases[] = {
    SPAN("\x20\0\0\x01"),       SPAN("PROXX TCP4"),   SPAN("proxy "),
    SPAN("GET / HTTP/1.1\r\n"), SPAN("\r\n\r\n\x01"), SPAN("\r\n\r\n\0\r\nQUIT\r"),
};

static void expect_good(const struct good *g, const char *behind, size_t behind_len)
{
    struct proxy_addresses a;
    struct buf bytes = BUF_INIT, again = BUF_INIT;
    size_t size;
    buf_add_span(&bytes, g->bytes);
    buf_add(&bytes, behind, behind_len);
    assert_int_equal(proxy_header_parse(buf_span(&bytes), &a, &size), PROXY_HEADER);
    assert_int_equal(size, g->bytes.len);
    assert_int_equal(a.family, g->family);
    proxy_header_build(&again, 1, &a);
    assert_true(span_eq(buf_span(&again), span_of(g->source)));
    buf_free(&bytes);
    buf_free(&again);
}

static void headers_are_read(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof good_cases / sizeof good_cases[0]; i++) {
        expect_good(&good_cases[i], "", 0);
        expect_good(&good_cases[i], "\x20\0\0\x01\r\n", 6);
    }
}

static void a_part_of_a_header_waits(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof good_cases / sizeof good_cases[0]; i++) {
        for (size_t n = 0; n < good_cases[i].bytes.len; n++) {
            struct proxy_addresses a;
            size_t size;
            assert_int_equal(proxy_header_parse((struct span){good_cases[i].bytes.ptr, n}, &a, &size),
                             PROXY_MORE);
        }
    }
}

static void bad_headers_are_refused(void **state)
{
    (void)state;
    struct proxy_addresses a;
    size_t size;
    for (size_t i = 0; i < sizeof bad_cases / sizeof bad_cases[0]; i++)
        if (proxy_header_parse(bad_cases[i], &a, &size) != PROXY_BAD)
            fail_msg("bad case %zu", i);
}

static void other_bytes_are_no_header(void **state)
{
    (void)state;
    struct proxy_addresses a;
    size_t size;
    for (size_t i = 0; i < sizeof none_cases / sizeof none_cases[0]; i++)
        if (proxy_header_parse(none_cases[i], &a, &size) != PROXY_NONE)
            fail_msg("none case %zu", i);
}

static void what_is_built_is_read(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof good_cases / sizeof good_cases[0]; i++) {
        for (unsigned version = 1; version <= 2; version++) {
            struct proxy_addresses a, b;
            struct buf built = BUF_INIT;
            size_t size;
            proxy_header_parse(good_cases[i].bytes, &a, &size);
            proxy_header_build(&built, version, &a);
            assert_int_equal(proxy_header_parse(buf_span(&built), &b, &size), PROXY_HEADER);
            assert_int_equal(size, buf_len(&built));
            if (a.family == PROXY_UNIX)
                a.family = PROXY_LOCAL; /* is not sent on */
            assert_int_equal(a.family, b.family);
            assert_memory_equal(a.source, b.source, sizeof a.source);
            assert_memory_equal(a.destination, b.destination, sizeof a.destination);
            assert_int_equal(a.source_port, b.source_port);
            assert_int_equal(a.destination_port, b.destination_port);
            buf_free(&built);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(headers_are_read),        cmocka_unit_test(a_part_of_a_header_waits),
        cmocka_unit_test(bad_headers_are_refused), cmocka_unit_test(other_bytes_are_no_header),
        cmocka_unit_test(what_is_built_is_read),
    };
    return cmocka_run_group_tests_name("proxy_header", tests, NULL, NULL);
}
