/* A column's definition made to say what another column's would: what of it changes, and what is left alone.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "protocol/definition.h"
#include "protocol/packet.h"

enum {
    LONG = 3,
    LONGLONG = 8,
    DOUBLE = 5,
    DATETIME = 12,
    YEAR = 13,
    JSON = 245,
    DECIMAL = 246,
    BLOB = 252,
    TEXT = 253,
    CHAR = 254
};
enum {
    NOT_NULL = 1,
    PRI_KEY = 2,
    UNIQUE = 4,
    BLOB_FLAG = 16,
    UNSIGNED = 32,
    BINARY = 128,
    NO_DEFAULT = 0x1000,
    PART_KEY = 0x4000
};

/* The fields of a definition behind its names. */
struct fixed {
    uint32_t charset, length;
    uint8_t type;
    uint32_t flags;
    uint8_t decimals;
};

static void add_definition(struct buf *b, const char *const names[6], const char *extended, struct fixed f)
{
    size_t at = packet_begin(b);
    for (int i = 0; i < 6; i++)
        add_lenenc_str(b, span_of(names[i]));
    if (extended)
        add_lenenc_str(b, span_of(extended));
    buf_add_byte(b, 12);
    add_u16(b, f.charset);
    add_u32(b, f.length);
    buf_add_byte(b, f.type);
    add_u16(b, f.flags);
    buf_add_byte(b, f.decimals);
    add_u16(b, 0);
    packet_end(b, at, 7);
}

static const uint8_t widths[] = {[8] = 1, [45] = 4, [63] = 1};

struct definition_case {
    const char *name;
    struct fixed is;           /* what the server says */
    struct column_facts facts; /* what the old column is */
    enum definition_keys keys;
    bool origin_only, binary, planned, cursor;
    bool temporary; /* the server says an original name: the value is a temporary table's */
    struct fixed said;
};

#define FACTS(...)                                                                                           \
    {                                                                                                        \
        .known = true, __VA_ARGS__                                                                           \
    }

static const struct definition_case cases[] = {
    {"a number with its keys",
     {63, 15, DECIMAL, BINARY, 4},
     FACTS(.length = 12, .type = DECIMAL, .flags = NOT_NULL | PRI_KEY, .decimals = 2),
     .said = {63, 12, DECIMAL, NOT_NULL | PRI_KEY, 2}},
    {"text: characters times their width",
     {45, 400, TEXT, 0, 39},
     FACTS(.text = true, .length = 20, .type = CHAR, .flags = NOT_NULL),
     .said = {45, 80, CHAR, NOT_NULL, 0}},
    {"the width is the connection's",
     {8, 100, TEXT, 0, 39},
     FACTS(.text = true, .length = 20, .type = BLOB, .flags = BLOB_FLAG),
     .said = {8, 20, BLOB, BLOB_FLAG, 0}},
    {"a character set whose width is not known: its length stays",
     {40, 100, TEXT, 0, 0},
     FACTS(.text = true, .length = 20, .type = BLOB, .flags = BLOB_FLAG),
     .said = {40, 100, BLOB, BLOB_FLAG, 0}},
    {"a number beyond the widths",
     {60000, 100, TEXT, 0, 0},
     FACTS(.text = true, .length = 20, .type = CHAR),
     .said = {60000, 100, CHAR, 0, 0}},
    {"no bound stays none",
     {45, 100, TEXT, 0, 0},
     FACTS(.text = true, .length = UINT32_MAX, .type = BLOB),
     .said = {45, UINT32_MAX, BLOB, 0, 0}},
    {"bytes for a text: its type and length stay",
     {63, 100, TEXT, BINARY, 0},
     FACTS(.text = true, .length = 20, .type = CHAR, .flags = NOT_NULL | UNIQUE),
     .said = {63, 100, TEXT, BINARY | NOT_NULL | UNIQUE, 0}},
    {"an integer of another size in the text protocol",
     {63, 20, LONGLONG, BINARY, 0},
     FACTS(.length = 10, .type = LONG, .flags = UNSIGNED | PRI_KEY),
     .said = {63, 10, LONG, UNSIGNED | PRI_KEY, 0}},
    {"and in the binary one",
     {63, 20, LONGLONG, BINARY, 0},
     FACTS(.length = 10, .type = LONG, .flags = UNSIGNED | PRI_KEY),
     .binary = true,
     .said = {63, 20, LONGLONG, BINARY | PRI_KEY, 0}},
    {"the same size in the binary one",
     {63, 20, LONGLONG, BINARY, 0},
     FACTS(.length = 19, .type = LONGLONG, .flags = NO_DEFAULT | NOT_NULL),
     .binary = true,
     .said = {63, 19, LONGLONG, NO_DEFAULT | NOT_NULL, 0}},
    {"a decimal number for an integer: a client would read it otherwise",
     {63, 20, DECIMAL, BINARY, 4},
     FACTS(.length = 11, .type = LONG, .flags = NOT_NULL),
     .said = {63, 20, DECIMAL, BINARY | NOT_NULL, 4}},
    {"a text for a date",
     {45, 40, TEXT, 0, 0},
     FACTS(.length = 19, .type = DATETIME, .flags = BINARY | NOT_NULL),
     .said = {45, 40, TEXT, NOT_NULL, 0}},
    {"keys that a plan may lose, at PREPARE",
     {63, 12, DECIMAL, BINARY, 2},
     FACTS(.length = 12, .type = DECIMAL, .flags = NOT_NULL | UNIQUE | PART_KEY, .decimals = 2),
     .keys = KEYS_UNSURE,
     .said = {63, 12, DECIMAL, NOT_NULL | UNIQUE | PART_KEY, 2}},
    {"and when it runs",
     {63, 12, DECIMAL, BINARY, 2},
     FACTS(.length = 12, .type = DECIMAL, .flags = NOT_NULL | UNIQUE | PART_KEY, .decimals = 2),
     .keys = KEYS_UNSURE,
     .planned = true,
     .said = {63, 12, DECIMAL, NOT_NULL, 2}},
    {"a plan that shows: without a temporary table",
     {63, 12, DECIMAL, BINARY, 2},
     FACTS(.length = 12, .type = DECIMAL, .flags = NOT_NULL | UNIQUE | PART_KEY, .decimals = 2),
     .keys = KEYS_SHOWN,
     .planned = true,
     .said = {63, 12, DECIMAL, NOT_NULL | UNIQUE | PART_KEY, 2}},
    {"and with one",
     {63, 12, DECIMAL, 0, 2},
     FACTS(.length = 12, .type = DECIMAL, .flags = NOT_NULL | UNIQUE | PART_KEY, .decimals = 2),
     .keys = KEYS_SHOWN,
     .planned = true,
     .temporary = true,
     .said = {63, 12, DECIMAL, NOT_NULL, 2}},
    {"one that was not thought of",
     {63, 12, DECIMAL, 0, 2},
     FACTS(.length = 12, .type = DECIMAL, .flags = NOT_NULL | UNIQUE | PART_KEY, .decimals = 2),
     .planned = true,
     .temporary = true,
     .said = {63, 12, DECIMAL, NOT_NULL, 2}},
    {"JSON: bytes as a column, text as an expression",
     {45, UINT32_MAX, JSON, BINARY, 31},
     FACTS(.length = UINT32_MAX, .type = JSON, .flags = BLOB_FLAG | BINARY | NOT_NULL),
     .said = {63, UINT32_MAX, JSON, BLOB_FLAG | BINARY | NOT_NULL, 0}},
    {"a text for JSON",
     {45, 400, TEXT, 0, 31},
     FACTS(.length = UINT32_MAX, .type = JSON, .flags = BLOB_FLAG | BINARY | NOT_NULL),
     .said = {45, 400, TEXT, NOT_NULL, 31}},
    {"a cursor's rows are in a temporary table",
     {63, 12, DECIMAL, BINARY, 2},
     FACTS(.length = 12, .type = DECIMAL, .flags = NOT_NULL | UNIQUE, .decimals = 2),
     .planned = true,
     .cursor = true,
     .said = {63, 12, DECIMAL, NOT_NULL, 2}},
    {"only where it comes from",
     {63, 12, YEAR, BINARY, 2},
     {.known = false},
     .origin_only = true,
     .said = {63, 12, YEAR, BINARY, 2}},
};

static struct definition definition_of(const struct definition_case *c)
{
    return (struct definition){.label = SPAN("a"),
                               .db = SPAN("d"),
                               .table = SPAN("t"),
                               .org_table = SPAN("tab"),
                               .org_name = SPAN("old"),
                               .facts = c->facts,
                               .origin_only = c->origin_only,
                               .keys = c->keys};
}

static struct definition_context context_of(const struct definition_case *c)
{
    return (struct definition_context){
        .binary = c->binary, .planned = c->planned, .cursor = c->cursor, .widths = {widths, sizeof widths}};
}

static void test_what_is_said(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const struct definition_case *c = &cases[i];
        struct buf is = BUF_INIT, said = BUF_INIT, expected = BUF_INIT;
        struct definition d = definition_of(c);
        struct definition_context context = context_of(c);
        add_definition(&is, (const char *const[]){"def", "", "", "", "a", c->temporary ? "a" : ""}, NULL,
                       c->is);
        add_definition(&expected, (const char *const[]){"def", "d", "t", "tab", "a", c->cursor ? "a" : "old"},
                       NULL, c->said);
        if (!definition_describe(buf_span(&is), &d, &context, &said) ||
            !span_eq(buf_span(&said), buf_span(&expected)))
            fail_msg("%s", c->name);
        buf_free(&is);
        buf_free(&said);
        buf_free(&expected);
    }
}

static void test_extended_metadata(void **state)
{
    (void)state;
    static const uint8_t types[] = {BLOB, LONG}; /* of the old column: like the answer's, and not */
    for (size_t i = 0; i < 2; i++) {
        struct buf is = BUF_INIT, said = BUF_INIT, expected = BUF_INIT;
        struct definition d = {.label = SPAN("a"),
                               .facts = {.known = true, .text = i == 0, .type = types[i]}};
        struct definition_context context = {.extended = true, .widths = {widths, sizeof widths}};
        d.facts.extended = SPAN("\1\4json");
        add_definition(&is, (const char *const[]){"def", "", "", "", "a", ""}, "\0",
                       (struct fixed){45, 0, TEXT, 0, 0});
        add_definition(&expected, (const char *const[]){"def", "", "", "", "a", ""}, i == 0 ? "\1\4json" : "",
                       (struct fixed){45, 0, i == 0 ? BLOB : TEXT, 0, 0});
        assert_true(definition_describe(buf_span(&is), &d, &context, &said));
        assert_int_equal(buf_len(&said), buf_len(&expected));
        assert_memory_equal(buf_ptr(&said), buf_ptr(&expected), buf_len(&said));
        buf_free(&is);
        buf_free(&said);
        buf_free(&expected);
    }
}

/* Through a derived table: what the server made of it is told by the answer. */
static void test_derived(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        enum definition_way way;
        const char *db, *org_table; /* in the answer, with the table "d" and the original name "b" */
        uint8_t type;               /* there, and its flags */
        uint16_t shown;
        enum definition_keys keys;
        const char *said_db, *said_org_table; /* NULL: nothing is said */
        uint32_t flags;
    } rows[] = {
        {"MariaDB, merged", WAY_DERIVED_MARIADB, "", "d", DECIMAL, BINARY, KEYS_STAY, "db", "d", 5},
        {"of a column", WAY_DERIVED_MARIADB, "db", "d", DECIMAL, 0, KEYS_STAY, "db", "d", 5},
        {"apart", WAY_DERIVED_MARIADB, "", "", DECIMAL, 0, KEYS_STAY, "", "tab", 1},
        {"apart, of a column", WAY_DERIVED_MARIADB, "", "tab", DECIMAL, 0, KEYS_STAY, "", "tab", 1},
        {"merged or not, and kept", WAY_DERIVED_MARIADB, "", "", DECIMAL, 0, KEYS_UNSURE, NULL, "", 0},
        {"MySQL, merged", WAY_DERIVED_MYSQL, "", "", DECIMAL, BINARY, KEYS_SHOWN, "db", "t", 5},
        {"apart", WAY_DERIVED_MYSQL, "", "", DECIMAL, 0, KEYS_STAY, "db", "tab", 1},
        {"merged or not, and kept", WAY_DERIVED_MYSQL, "", "", DECIMAL, 0, KEYS_SHOWN, NULL, "", 0},
        {"of a column", WAY_DERIVED_MYSQL, "db", "t", DECIMAL, 0, KEYS_STAY, "db", "t", 1},
        {"a date tells nothing", WAY_DERIVED_MYSQL, "", "", DATETIME, BINARY, KEYS_STAY, NULL, "", 0},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct buf is = BUF_INIT, said = BUF_INIT, expected = BUF_INIT;
        struct definition d = {
            .label = SPAN("a"),
            .db = SPAN("db"),
            .table = SPAN("d"),
            .org_table = SPAN("tab"),
            .org_name = SPAN("old"),
            .alias = SPAN("t"),
            .facts = FACTS(.length = 9, .type = DECIMAL, .flags = NOT_NULL | UNIQUE, .decimals = 2),
            .keys = rows[i].keys,
            .way = rows[i].way};
        struct definition_context context = {.planned = true, .widths = {widths, sizeof widths}};
        add_definition(&is, (const char *const[]){"def", rows[i].db, "d", rows[i].org_table, "a", "b"}, NULL,
                       (struct fixed){63, 9, rows[i].type, rows[i].shown, 2});
        bool told = definition_describe(buf_span(&is), &d, &context, &said);
        if (rows[i].said_db)
            add_definition(
                &expected,
                (const char *const[]){"def", rows[i].said_db, "d", rows[i].said_org_table, "a", "b"}, NULL,
                (struct fixed){63, 9, DECIMAL, rows[i].flags, 2});
        if (told != (rows[i].said_db != NULL) || !span_eq(buf_span(&said), buf_span(&expected)))
            fail_msg("%u: %s", (unsigned)i, rows[i].name);
        context.cursor = true;
        assert_false(definition_describe(buf_span(&is), &d, &context, &said));
        buf_free(&is);
        buf_free(&said);
        buf_free(&expected);
    }
}

/* Another column's, and whatever is no definition: nothing is appended, whatever its lengths claim. */
static void test_what_is_left_alone(void **state)
{
    (void)state;
    struct buf is = BUF_INIT, said = BUF_INIT;
    struct definition d = definition_of(&cases[0]);
    struct definition_context context = context_of(&cases[0]);
    add_definition(&is, (const char *const[]){"def", "", "", "", "A", ""}, NULL, cases[0].is);
    assert_false(definition_describe(buf_span(&is), &d, &context, &said));
    buf_reset(&is);
    add_definition(&is, (const char *const[]){"def", "", "", "", "a", ""}, NULL, cases[0].is);
    for (size_t len = 0; len < buf_len(&is); len++)
        assert_false(definition_describe((struct span){buf_ptr(&is), len}, &d, &context, &said));
    for (size_t i = PACKET_HEADER; i < buf_len(&is); i++)
        for (unsigned byte = 0; byte < 256; byte++) {
            char before = buf_ptr(&is)[i];
            buf_ptr(&is)[i] = (char)byte;
            if (!definition_describe(buf_span(&is), &d, &context, &said))
                assert_int_equal(buf_len(&said), 0);
            buf_reset(&said);
            buf_ptr(&is)[i] = before;
        }
    buf_add_byte(&is, 0); /* something behind it */
    assert_false(definition_describe(buf_span(&is), &d, &context, &said));
    buf_free(&is);
    buf_free(&said);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_is_said),
        cmocka_unit_test(test_extended_metadata),
        cmocka_unit_test(test_derived),
        cmocka_unit_test(test_what_is_left_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
