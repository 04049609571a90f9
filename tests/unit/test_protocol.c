/* The protocol floor without its tracker: fields, packets split and joined, greetings and logins, OK packets,
 * the parameters of executions. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "protocol/attributes.h"
#include "protocol/execute.h"
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

/* ---- parameters ---- */

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
    struct buf out = BUF_INIT;
    assert_int_equal(execute_head_size(execute_4, 4), 20);
    assert_non_null(execute_types(execute_4, 4, NULL));
    assert_int_equal(execute_build(execute_4, &m, &out), EXECUTE_BUILT);
    assert_span(buf_span(&out), "\x17\x09\x00\x00\x00\x00\x01\x00\x00\x00"
                                "\x08"
                                "\x01"
                                "\xfd\x00\x03\x00\xfd\x00\xfd\x00\x0c\x00"
                                "\x02"
                                "ab"
                                "\x05\x00\x00\x00"
                                "\x02"
                                "ab"
                                "\x04\xe4\x07\x01\x02");
    buf_free(&out);
    for (size_t n = 0; n < execute_4.len; n++) {
        assert_int_equal(execute_build((struct span){execute_4.ptr, n}, &m, &out), EXECUTE_MALFORMED);
        buf_free(&out);
    }
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
    struct buf out = BUF_INIT;
    assert_null(execute_types(without, 1, NULL));
    assert_int_equal(execute_build(without, &m, &out), EXECUTE_BUILT);
    assert_span(buf_span(&out), "\x17\x02\x00\x00\x00\x00\x01\x00\x00\x00"
                                "\x00"
                                "\x01"
                                "\x03\x80"
                                "\x07\x00\x00\x00");
    buf_reset(&out);
    m.types = NULL; /* never bound: nobody knows how long the value is */
    assert_int_equal(execute_build(without, &m, &out), EXECUTE_MALFORMED);
    buf_free(&out);
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
    struct buf out = BUF_INIT;
    assert_int_equal(execute_build(p, &m, &out), EXECUTE_BUILT);
    assert_span(buf_span(&out), "\x17\x02\x00\x00\x00\x00\x01\x00\x00\x00"
                                "\x00"
                                "\x01"
                                "\xfc\x00\xfc\x00\x01\x00"
                                "\x07");
    buf_free(&out);
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
    struct buf out = BUF_INIT, types = BUF_INIT;
    const size_t head = 28;
    for (size_t n = 0; n <= named_4.len; n++) {
        struct span part = {named_4.ptr, n};
        assert_int_equal(named_head_size(part, 2) <= n, n >= head);
        assert_int_equal(named_types(part, 2, &types) != NULL, n >= head);
    }
    assert_memory_equal(named_types(named_4, 2, &types), "\x03\x00\xfd\x00", 4);
    assert_int_equal(named_build(named_4, &m, &out), EXECUTE_BUILT);
    assert_span(buf_span(&out), "\x17\x09\x00\x00\x00\x08\x01\x00\x00\x00"
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
    buf_free(&out);
    for (size_t n = 0; n < named_4.len; n++) {
        assert_int_equal(named_build((struct span){named_4.ptr, n}, &m, &out), EXECUTE_MALFORMED);
        buf_free(&out);
    }
    m.params = 5; /* more than come */
    assert_int_equal(named_build(named_4, &m, &out), EXECUTE_MALFORMED);
    assert_null(named_types(named_4, 5, &types));
    buf_free(&out);
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
    struct buf out = BUF_INIT;
    assert_null(named_types(without, 1, &out));
    assert_int_equal(named_build(without, &m, &out), EXECUTE_BUILT);
    assert_span(buf_span(&out), "\x17\x02\x00\x00\x00\x00\x01\x00\x00\x00"
                                "\x01"
                                "\x00"
                                "\x01"
                                "\x03\x80\x00"
                                "\x07\x00\x00\x00");
    buf_reset(&out);
    m.types = NULL;
    assert_int_equal(named_build(without, &m, &out), EXECUTE_MALFORMED);
    buf_free(&out);
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
    struct buf out = BUF_INIT;
    assert_non_null(bulk_types(p, 2, NULL));
    assert_int_equal(bulk_build(p, &m, &out), EXECUTE_BUILT);
    assert_span(buf_span(&out), "\xfa\x03\x00\x00\x00\x80\x00"
                                "\xfd\x00\x03\x00\xfd\x00"
                                "\x00\x01"
                                "a"
                                "\x00\x01\x00\x00\x00"
                                "\x00\x01"
                                "a"
                                "\x02\x01\x02");
    buf_reset(&out);
    struct span untyped = SPAN("\xfa\x01\x00\x00\x00\x40\x00"
                               "\x00\x01\x00\x00\x00"
                               "\x01");
    m = (struct execute_map){
        .id = 3, .params = 2, .out_params = 2, .types = (const unsigned char *)"\x03\x00\xfd\x00"};
    assert_null(bulk_types(untyped, 2, NULL));
    assert_int_equal(bulk_build(untyped, &m, &out), EXECUTE_BUILT);
    assert_span(buf_span(&out), "\xfa\x03\x00\x00\x00\xc0\x00"
                                "\x03\x00\xfd\x00"
                                "\x00\x01\x00\x00\x00"
                                "\x01");
    buf_free(&out);
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
    return cmocka_run_group_tests_name("protocol", tests, NULL, NULL);
}
