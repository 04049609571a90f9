/* The protocol floor without its tracker: fields, packets split and joined, greetings and logins, OK
 * packets. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "protocol/handshake.h"
#include "protocol/large.h"
#include "protocol/ok.h"

#define assert_span(s, lit) assert_true(span_eq((s), SPAN(lit)))

/* ---- fields ---- */

static void test_lenenc_round_trip(void **state)
{
    (void)state;
    static const uint64_t values[] = {0,          1,           0xfa,      0xfb,     0xfc,
                                      0xff,       0xffff,      0x10000,   0xffffff, 0x1000000,
                                      0xffffffff, 0x100000000, UINT64_MAX};
    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
        struct buf b = BUF_INIT;
        add_lenenc(&b, values[i]);
        assert_int_equal(buf_len(&b), lenenc_size((unsigned char)*buf_ptr(&b)));
        for (size_t n = 0; n <= buf_len(&b); n++) {
            struct reader r = reader_of((struct span){buf_ptr(&b), n});
            uint64_t got = read_lenenc(&r);
            assert_int_equal(r.failed, n < buf_len(&b));
            assert_true(r.failed || got == values[i]);
        }
        buf_free(&b);
    }
}

static void test_reader_fails_once_and_for_all(void **state)
{
    (void)state;
    struct reader r = reader_of(SPAN("\x03"
                                     "abc\xfb"
                                     "rest"));
    struct span s = read_lenenc_str(&r);
    assert_span(s, "abc");
    assert_int_equal(read_lenenc(&r), 0); /* NULL is no number */
    assert_true(r.failed);
    assert_int_equal(read_u8(&r), 0);
    assert_int_equal(read_bytes(&r, 1).len, 0);
    assert_int_equal(read_nul_str(&r).len, 0);
    r = reader_of(SPAN("\xfe\xff\xff\xff\xff\xff\xff\xff\xff"));
    assert_int_equal(read_lenenc_str(&r).len, 0); /* longer than any memory */
    assert_true(r.failed);
}

/* ---- packets ---- */

static void test_split_and_join(void **state)
{
    (void)state;
    static const struct {
        size_t body, parts;
    } cases[] = {
        {0, 1},
        {1, 1},
        {PACKET_MAX - 2, 1},
        {PACKET_MAX - 1, 2}, /* with its command byte exactly full: an empty packet ends it */
        {PACKET_MAX, 2},
        {2 * (size_t)PACKET_MAX - 1, 3},
        {2 * (size_t)PACKET_MAX + 9, 3},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct buf b = BUF_INIT;
        char *body = malloc(cases[i].body + 1);
        assert_non_null(body);
        for (size_t k = 0; k < cases[i].body; k++)
            body[k] = (char)(k * 31 >> 3);
        uint8_t seq = 250;
        add_packet(&b, &seq, SPAN("\x03"), (struct span){body, cases[i].body});
        assert_int_equal(seq, (uint8_t)(250 + cases[i].parts));
        size_t parts, size = logical_size(buf_ptr(&b), buf_len(&b), &parts);
        assert_int_equal(size, buf_len(&b));
        assert_int_equal(parts, cases[i].parts);
        if (parts > 1) {
            size_t less;
            assert_int_equal(logical_size(buf_ptr(&b), PACKET_MAX + PACKET_HEADER, &less), 0);
        }
        struct span joined = logical_payload(buf_ptr(&b), size, parts);
        assert_int_equal(joined.len, 1 + cases[i].body);
        assert_int_equal(joined.ptr[0], 3);
        assert_memory_equal(joined.ptr + 1, body, cases[i].body);
        free(body);
        buf_free(&b);
    }
}

/* A packet that is built in place is split as one that is put together. */
static void test_split_in_place(void **state)
{
    static const size_t sizes[] = {
        0, 1, PACKET_MAX - 1, PACKET_MAX, PACKET_MAX + 1, 2 * PACKET_MAX, 2 * PACKET_MAX + 7};
    char *body = malloc(2 * PACKET_MAX + 7);
    (void)state;
    assert_non_null(body);
    for (size_t i = 0; i < 2 * PACKET_MAX + 7; i++)
        body[i] = (char)(i * 31 + i / 251);
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        struct buf expected = BUF_INIT, got = BUF_INIT;
        uint8_t seq = 250, got_seq = 250;
        buf_add_str(&got, "before");
        add_packet(&expected, &seq, SPAN(""), (struct span){body, sizes[i]});
        size_t at = packet_begin(&got);
        buf_add(&got, body, sizes[i]);
        packet_end_split(&got, at, &got_seq);
        assert_int_equal(got_seq, seq);
        assert_int_equal(buf_len(&got), buf_len(&expected) + at);
        assert_memory_equal(buf_ptr(&got) + at, buf_ptr(&expected), buf_len(&expected));
        assert_memory_equal(buf_ptr(&got), "before", at);
        buf_free(&expected);
        buf_free(&got);
    }
    free(body);
}

/* Bytes stay while a buffer grows from small to large memory and on, consumed at its front or not. */
static void test_large_buffers(void **state)
{
    (void)state;
    for (int round = 0; round < 4; round++) {
        struct buf b = BUF_INIT;
        unsigned char first = 0, next = 0;
        large_keep(round >= 2);
        while (buf_len(&b) < 5 * LARGE) {
            char piece[65537];
            for (size_t i = 0; i < sizeof piece; i++)
                piece[i] = (char)next++;
            buf_add(&b, piece, sizeof piece);
            if (round % 2) {
                buf_consume(&b, 1001);
                first = (unsigned char)(first + 1001 % 256);
            }
        }
        assert_false(buf_failed(&b));
        for (size_t i = 0; i < buf_len(&b); i++)
            if ((unsigned char)buf_ptr(&b)[i] != (unsigned char)(first + i))
                fail_msg("round %d: byte %zu", round, i);
        buf_free(&b);
        assert_int_equal(large_is_kept(), round >= 2);
    }
    assert_true(large_trim()); /* used since the last time */
    assert_false(large_trim());
    large_keep(false);
}

static void test_err(void **state)
{
    (void)state;
    struct buf b = BUF_INIT;
    add_err(&b, 1, 1105, "HY000", SPAN("no"));
    assert_span(buf_span(&b), "\x0b\0\0\x01\xff\x51\x04#HY000no");
    buf_reset(&b);
    add_err(&b, 0, 1040, NULL, SPAN("no"));
    assert_span(buf_span(&b), "\x05\0\0\0\xff\x10\x04no");
    buf_free(&b);
}

/* ---- greeting and login ---- */

static const char greeting[] = "\x0a"
                               "5.5.5-10.11.19-MariaDB\0"
                               "\x07\x00\x00\x00"
                               "abcdefgh\0"
                               "\xfe\xff"
                               "\x2d"
                               "\x02\x00"
                               "\xff\x81"
                               "\x15"
                               "\0\0\0\0\0\0"
                               "\x1d\x00\x00\x00"
                               "ijklmnopqrst\0"
                               "mysql_native_password";

static void test_greeting(void **state)
{
    (void)state;
    struct greeting g;
    assert_true(greeting_parse((struct span){greeting, sizeof greeting}, &g));
    assert_span(g.version, "5.5.5-10.11.19-MariaDB");
    assert_int_equal(g.version_number, 101119);
    assert_int_equal(g.connection_id, 7);
    assert_true(g.mariadb);
    assert_int_equal(g.status, 2);
    assert_true(g.capabilities & MARIADB_CLIENT_CACHE_METADATA);
    assert_true(g.capabilities & CLIENT_SSL);
    for (size_t n = 0; n < 55; n++)
        assert_false(greeting_parse((struct span){greeting, n}, &g) && n < 24 + 31);

    char masked[sizeof greeting];
    memcpy(masked, greeting, sizeof greeting);
    greeting_mask(masked, sizeof masked, ~(CLIENT_SSL | CLIENT_COMPRESS | MARIADB_CLIENT_CACHE_METADATA), 0);
    assert_true(greeting_parse((struct span){masked, sizeof masked}, &g));
    assert_false(g.capabilities & (CLIENT_SSL | CLIENT_COMPRESS | MARIADB_CLIENT_CACHE_METADATA));
    assert_true(g.capabilities & MARIADB_CLIENT_PROGRESS);
    size_t differ = 0;
    for (size_t i = 0; i < sizeof masked; i++)
        differ += masked[i] != greeting[i];
    assert_in_range(differ, 2, 3);
    greeting_mask(masked, sizeof masked, ~0ull, CLIENT_SSL | CLIENT_ZSTD);
    assert_true(greeting_parse((struct span){masked, sizeof masked}, &g));
    assert_true((g.capabilities & CLIENT_SSL) && (g.capabilities & CLIENT_ZSTD));
    assert_false(g.capabilities & CLIENT_COMPRESS);
}

#define LOGIN_HEAD(caps, extended)                                                                           \
    caps "\0\0\0\1"                                                                                          \
         "\x21"                                                                                              \
         "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0" extended

static void test_tls_request(void **state)
{
    (void)state;
    static const struct {
        struct span payload;
        bool is;
    } cases[] = {
        {SPAN(LOGIN_HEAD("\x05\xaa\x0a\x00", "\0\0\0\0")), true},
        {SPAN(LOGIN_HEAD("\x05\xa2\x0a\x00", "\0\0\0\0")), false}, /* does not say CLIENT_SSL */
        {SPAN(LOGIN_HEAD("\x05\xa8\x0a\x00", "\0\0\0\0")), false}, /* before 4.1 */
        {SPAN(LOGIN_HEAD("\x05\xaa\x0a\x00", "\0\0\0\0") "app\0\0"), false},
        {SPAN("\x05\xaa\x0a"), false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        assert_int_equal(is_tls_request(cases[i].payload), cases[i].is);
}

static void test_login(void **state)
{
    (void)state;
    static const struct {
        struct span payload;
        bool good;
        const char *user, *database, *program;
    } cases[] = {
        {SPAN(LOGIN_HEAD("\x0f\xa2\x3a\x00", "\0\0\0\0") "app\0"
                                                         "\x02"
                                                         "xy"
                                                         "shop\0"
                                                         "plugin\0"
                                                         "\x12"
                                                         "\x0c"
                                                         "program_name"
                                                         "\x04"
                                                         "perl"),
         true, "app", "shop", "perl"},
        {SPAN(LOGIN_HEAD("\x05\xa2\x0a\x00", "\0\0\0\0") "app\0"
                                                         "\0"
                                                         "plugin\0"),
         true, "app", "", ""},
        {SPAN(LOGIN_HEAD("\x05\xa2\x0a\x00", "\0\0\0\0") "app\0"
                                                         "\0"),
         true, "app", "", ""},
        {SPAN(LOGIN_HEAD("\x05\xa2\x0a\x00", "\0\0\0\0") "app"), false, "", "", ""},
        {SPAN(LOGIN_HEAD("\x05\xa2\x0a\x00", "\0\0\0\0") "app\0"
                                                         "\x09"
                                                         "short"),
         false, "", "", ""},
        {SPAN(LOGIN_HEAD("\x05\xaa\x0a\x00", "\0\0\0\0")), false, "", "", ""}, /* asks for TLS */
        {SPAN("\x05\xa0\x00"), false, "", "", ""},                             /* before 4.1 */
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct login l;
        assert_int_equal(login_parse(cases[i].payload, CLIENT_MYSQL, &l), cases[i].good);
        if (!cases[i].good)
            continue;
        assert_true(span_eq(l.user, span_of(cases[i].user)));
        assert_true(span_eq(l.database, span_of(cases[i].database)));
        assert_true(span_eq(l.program, span_of(cases[i].program)));
        assert_int_equal(l.collation, 0x21);
    }
}

/* MariaDB's capabilities stand in MySQL's filler, and count only between the two of them. */
static void test_extended_capabilities(void **state)
{
    (void)state;
    struct login l;
    char mariadb[] = LOGIN_HEAD("\x04\xa2\x0a\x00", "\x1d\0\0\0") "app\0"
                                                                  "\0";
    struct span p = {mariadb, sizeof mariadb - 1};
    assert_true(login_parse(p, 0, &l));
    assert_int_equal(l.capabilities >> 32, 0x1d);
    assert_true(login_parse(p, CLIENT_MYSQL, &l));
    assert_int_equal(l.capabilities >> 32, 0);
    login_set_capabilities(mariadb, p.len, 0x0a8a204ull | 1ull << 32, 0);
    assert_true(login_parse(p, 0, &l));
    assert_int_equal(l.capabilities, 0x0a8a204ull | 1ull << 32);
}

static void test_change_user(void **state)
{
    (void)state;
    struct login l;
    uint64_t caps = CLIENT_SECURE_CONNECTION | CLIENT_PLUGIN_AUTH | CLIENT_CONNECT_ATTRS;
    struct span p = SPAN("\x11"
                         "bob\0"
                         "\x02"
                         "xy"
                         "db\0"
                         "\x2d\x00"
                         "plugin\0"
                         "\x00");
    assert_true(change_user_parse(p, caps, &l));
    assert_span(l.user, "bob");
    assert_span(l.database, "db");
    assert_int_equal(l.collation, 0x2d);
    for (size_t n = 0; n < 11; n++)
        assert_false(change_user_parse((struct span){p.ptr, n}, caps, &l));
}

/* ---- OK packets ---- */

static void test_session_state(void **state)
{
    (void)state;
    struct span packet = SPAN("\x2a\0\0\x01"
                              "\x00\x01\x02\x02\x40\x00\x00"
                              "\x02"
                              "hi"
                              "\x1f"
                              "\x01\x05\x04"
                              "shop" /* schema */
                              "\x00\x0f\x08"
                              "sql_mode\x05"
                              "ANSI_" /* a variable */
                              "\x05\x03\x02"
                              "T_"
                              "\x05\x00");
    struct span payload = {packet.ptr + 4, packet.len - 4};
    struct state_iter it = state_iter_of(ok_state(payload));
    struct state_item item;
    assert_true(state_next(&it, &item));
    assert_int_equal(item.type, STATE_SCHEMA);
    assert_span(item.value, "shop");
    assert_true(state_next(&it, &item));
    assert_int_equal(item.type, STATE_VARIABLE);
    assert_span(item.name, "sql_mode");
    assert_span(item.value, "ANSI_");
    assert_true(state_next(&it, &item));
    assert_int_equal(item.type, STATE_OTHER);
    assert_true(state_next(&it, &item));
    assert_false(state_next(&it, &item));

    struct buf out = BUF_INIT;
    ok_without_state(packet, &out);
    assert_span(buf_span(&out), "\x0a\0\0\x01"
                                "\x00\x01\x02\x02\x00\x00\x00"
                                "\x02"
                                "hi");
    buf_reset(&out);
    ok_without_state(SPAN("\x07\0\0\x01"
                          "\x00\x00\x00\x02\x00\x00\x00"),
                     &out);
    assert_span(buf_span(&out), "\x07\0\0\x01"
                                "\x00\x00\x00\x02\x00\x00\x00");
    buf_free(&out);
}

/* Several variables in one item, as MariaDB sends them; and states cut off anywhere. */
static void test_session_state_of_many(void **state)
{
    (void)state;
    struct span s = SPAN("\x00\x0c\x01"
                         "a\x01"
                         "1\x01"
                         "b\x01"
                         "2\x01"
                         "c\x01"
                         "3"
                         "\x01\x01\x00");
    struct state_iter it = state_iter_of(s);
    struct state_item item;
    const char *names[] = {"a", "b", "c"};
    for (int i = 0; i < 3; i++) {
        assert_true(state_next(&it, &item));
        assert_true(span_eq(item.name, span_of(names[i])));
    }
    assert_true(state_next(&it, &item));
    assert_int_equal(item.type, STATE_SCHEMA);
    assert_int_equal(item.value.len, 0);
    for (size_t n = 0; n < s.len; n++) {
        it = state_iter_of((struct span){s.ptr, n});
        size_t items = 0;
        while (state_next(&it, &item))
            items++;
        assert_in_range(items, 0, 3);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lenenc_round_trip),
        cmocka_unit_test(test_reader_fails_once_and_for_all),
        cmocka_unit_test(test_split_and_join),
        cmocka_unit_test(test_split_in_place),
        cmocka_unit_test(test_large_buffers),
        cmocka_unit_test(test_err),
        cmocka_unit_test(test_greeting),
        cmocka_unit_test(test_tls_request),
        cmocka_unit_test(test_login),
        cmocka_unit_test(test_extended_capabilities),
        cmocka_unit_test(test_change_user),
        cmocka_unit_test(test_session_state),
        cmocka_unit_test(test_session_state_of_many),
    };
    return cmocka_run_group_tests_name("protocol", tests, NULL, NULL);
}
