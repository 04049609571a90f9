/* The response tracker against answers as servers send them: each whole, in two pieces cut at every byte, and
 * byte by byte. Whatever the pieces, the same packets decide, no byte is lost, and the end is seen with the
 * last byte and not before. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "protocol/tracker.h"

#define PAYLOADS 24
#define B(lit)                                                                                               \
    {                                                                                                        \
        (lit), sizeof(lit) - 1                                                                               \
    }

#define OK       B("\x00\x01\x02\x02\x00\x00\x00")     /* affected 1, insert id 2, AUTOCOMMIT */
#define OK_MORE  B("\x00\x00\x00\x0a\x00\x00\x00")     /* and MORE_RESULTS */
#define OK_TRANS B("\x00\x00\x00\x03\x00\x00\x00")     /* and IN_TRANS */
#define OK_FE    B("\xfe\x00\x00\x02\x00\x00\x00")     /* the OK that ends rows */
#define OK_FE_M  B("\xfe\x00\x00\x0a\x00\x00\x00")     /* and MORE_RESULTS */
#define EOF_     B("\xfe\x00\x00\x02\x00")             /* warnings 0, AUTOCOMMIT */
#define EOF_M    B("\xfe\x00\x00\x0a\x00")             /* MORE_RESULTS */
#define EOF_CUR  B("\xfe\x00\x00\x42\x00")             /* CURSOR_EXISTS */
#define EOF_CURM B("\xfe\x00\x00\x4a\x00")             /* and MORE_RESULTS */
#define ERR      B("\xff\x48\x04#HY000no tables used") /* 1096 */
#define PROGRESS                                                                                             \
    B("\xff\xff\xff\x01\x01\x02\x00\x00\x00\x05"                                                             \
      "stage")
#define DEF                                                                                                  \
    B("\x03"                                                                                                 \
      "def\x00\x00\x00\x01"                                                                                  \
      "a\x00\x0c\x3f\x00\x01\x00\x00\x00\x03\x81\x00\x00\x00\x00")
#define ROW                                                                                                  \
    B("\x01"                                                                                                 \
      "1")
#define ROW_NULL               B("\xfb")
#define ROW_BIN                B("\x00\x00\x01\x00\x00\x00")
#define PREPARED(cols, params) B("\x00\x07\x00\x00\x00" cols "\x00" params "\x00\x00\x00\x00")

struct answer_case {
    const char *name;
    enum answer answer;
    uint64_t capabilities;
    struct span payloads[PAYLOADS];
    const char *expected; /* the deciding packets: o OK, e EOF, ! ERR, c columns, p PREPARE_OK, i INFILE,
                             % progress, d data; then the last status in hex, or the ERR's code in decimal */
};

#define DEP CLIENT_DEPRECATE_EOF

static const struct answer_case cases[] = {
    {"ok", ANSWER_OK, 0, {OK}, "o 2"},
    {"ok in a transaction", ANSWER_OK, DEP, {OK_TRANS}, "o 3"},
    {"err", ANSWER_OK, 0, {ERR}, "! 1096"},
    {"eof for COM_SET_OPTION", ANSWER_OK, 0, {EOF_}, "e 2"},
    {"eof as OK", ANSWER_OK, DEP, {OK_FE}, "o 2"},
    {"query: ok", ANSWER_RESULTS, 0, {OK}, "o 2"},
    {"query: err", ANSWER_RESULTS, 0, {ERR}, "! 1096"},
    {"rows", ANSWER_RESULTS, 0, {B("\x02"), DEF, DEF, EOF_, ROW, ROW_NULL, ROW, EOF_}, "cee 2"},
    {"rows, no EOFs", ANSWER_RESULTS, DEP, {B("\x01"), DEF, ROW, ROW, OK_FE}, "co 2"},
    {"no rows", ANSWER_RESULTS, 0, {B("\x01"), DEF, EOF_, EOF_}, "cee 2"},
    {"no rows, no EOFs", ANSWER_RESULTS, DEP, {B("\x01"), DEF, OK_FE}, "co 2"},
    {"error among rows", ANSWER_RESULTS, DEP, {B("\x01"), DEF, ROW, ERR}, "c! 1096"},
    {"binary rows", ANSWER_RESULTS, DEP, {B("\x01"), DEF, ROW_BIN, ROW_BIN, OK_FE}, "co 2"},
    {"an empty row value", ANSWER_RESULTS, 0, {B("\x01"), DEF, EOF_, B("\x00"), EOF_}, "cee 2"},
    {"two results",
     ANSWER_RESULTS,
     0,
     {B("\x01"), DEF, EOF_, ROW, EOF_M, B("\x01"), DEF, EOF_, EOF_},
     "ceecee 2"},
    {"ok, rows, ok", ANSWER_RESULTS, DEP, {OK_MORE, B("\x01"), DEF, ROW, OK_FE_M, OK}, "ocoo 2"},
    {"ok, then err", ANSWER_RESULTS, 0, {OK_MORE, ERR}, "o! 1096"},
    {"a cursor", ANSWER_CURSOR, 0, {B("\x01"), DEF, EOF_CUR}, "ce 42"},
    {"no cursor, though asked for", ANSWER_CURSOR, 0, {B("\x01"), DEF, EOF_, ROW, EOF_}, "cee 2"},
    {"a cursor within a function", ANSWER_RESULTS, 0, {B("\x01"), DEF, EOF_CUR, ROW, EOF_CUR}, "cee 42"},
    {"a cursor within a routine", ANSWER_RESULTS, 0, {B("\x01"), DEF, EOF_CURM, ROW, EOF_CURM, OK}, "ceeo 2"},
    {"a routine's, a cursor asked for", ANSWER_CURSOR, 0, {B("\x01"), DEF, EOF_CURM, EOF_CURM, OK}, "ceeo 2"},
    {"a row like an EOF but longer",
     ANSWER_RESULTS,
     0,
     {B("\x01"), DEF, EOF_,
      B("\xfe\x00\x00\x00\x01\x00\x00\x00\x00"
        "x"),
      EOF_},
     "cee 2"},
    {"metadata left out",
     ANSWER_RESULTS,
     DEP | MARIADB_CLIENT_CACHE_METADATA,
     {B("\x02\x00"), ROW_BIN, OK_FE},
     "co 2"},
    {"metadata left out, with EOFs",
     ANSWER_RESULTS,
     MARIADB_CLIENT_CACHE_METADATA,
     {B("\x02\x00"), EOF_, ROW_BIN, EOF_},
     "cee 2"},
    {"metadata not left out",
     ANSWER_RESULTS,
     DEP | MARIADB_CLIENT_CACHE_METADATA,
     {B("\x01\x01"), DEF, ROW_BIN, OK_FE},
     "co 2"},
    {"progress, then ok", ANSWER_RESULTS, 0, {PROGRESS, PROGRESS, OK}, "%%o 2"},
    {"progress among rows", ANSWER_RESULTS, DEP, {B("\x01"), DEF, PROGRESS, ROW, OK_FE}, "c%o 2"},
    {"file refused by the server",
     ANSWER_RESULTS,
     0,
     {B("\xfb"
        "f.txt"),
      ERR},
     "i! 1096"},
    {"prepared: nothing", ANSWER_PREPARE, 0, {PREPARED("\x00", "\x00")}, "p 0"},
    {"prepared: parameters", ANSWER_PREPARE, 0, {PREPARED("\x00", "\x02"), DEF, DEF, EOF_}, "pe 2"},
    {"prepared: both", ANSWER_PREPARE, 0, {PREPARED("\x01", "\x01"), DEF, EOF_, DEF, EOF_}, "pee 2"},
    {"prepared: both, no EOFs", ANSWER_PREPARE, DEP, {PREPARED("\x02", "\x01"), DEF, DEF, DEF}, "p 0"},
    {"prepared: columns", ANSWER_PREPARE, 0, {PREPARED("\x02", "\x00"), DEF, DEF, EOF_}, "pe 2"},
    {"prepared: columns, no EOFs", ANSWER_PREPARE, DEP, {PREPARED("\x01", "\x00"), DEF}, "p 0"},
    {"prepare: err", ANSWER_PREPARE, 0, {ERR}, "! 1096"},
    {"fetch", ANSWER_ROWS, 0, {ROW_BIN, ROW_BIN, EOF_CUR}, "e 42"},
    {"fetch, no EOFs", ANSWER_ROWS, DEP, {ROW_BIN, OK_FE}, "o 2"},
    {"fetch: more is no more results", ANSWER_ROWS, 0, {EOF_M}, "e a"},
    {"field list", ANSWER_FIELDS, 0, {DEF, DEF, EOF_}, "e 2"},
    {"field list: err", ANSWER_FIELDS, DEP, {ERR}, "! 1096"},
    {"statistics", ANSWER_STRING, 0, {B("Uptime: 1")}, "d 0"},
    {"binlog",
     ANSWER_STREAM,
     DEP,
     {B("\x00"
        "event"),
      B("\x00"
        "event"),
      EOF_},
     "e 2"},
    {"change user",
     ANSWER_AUTH,
     0,
     {B("\xfe"
        "ed25519\0salt"),
      B("\x01\x03"), OK},
     "ddo 2"},
    {"change user: err",
     ANSWER_AUTH,
     0,
     {B("\xfe"
        "ed25519\0salt"),
      ERR},
     "d! 1096"},
    {"reset: more is nothing", ANSWER_OK, 0, {OK_MORE}, "o a"},
};

struct trace {
    char packets[64];
    size_t passed; /* bytes taken */
    bool ended, broken;
};

static void trace_event(struct trace *t, const struct tracker *k, enum track_event ev)
{
    static const char letters[] = "o!eicp%d";
    if (ev == TRACK_PACKET || (ev == TRACK_END && strlen(t->packets) < sizeof t->packets - 1))
        t->packets[strlen(t->packets)] = letters[k->kind];
    t->ended = ev == TRACK_END;
    t->broken |= ev == TRACK_BROKEN;
}

/* Gives bytes [0, len) as a relay does that got them in pieces: what was not taken stays before what comes.
 */
static void give(struct tracker *k, struct trace *t, const char *bytes, size_t from, size_t to)
{
    while (from < to && !t->broken) {
        size_t used;
        assert_false(t->ended);
        enum track_event ev = tracker_feed(k, bytes + from, to - from, &used);
        assert_true(used <= to - from);
        if (ev == TRACK_MORE) {
            assert_int_equal(used, 0);
            break;
        }
        /* The last definition of a PREPARE is no deciding packet, though the answer ends with it. */
        bool bare = ev == TRACK_END && k->answer == ANSWER_PREPARE && k->kind == KIND_PREPARED && from > 0;
        if (bare)
            t->ended = true;
        else
            trace_event(t, k, ev);
        from += used;
    }
    t->passed = from;
}

static void lay_out(const struct answer_case *c, struct buf *out)
{
    uint8_t seq = 1;
    for (size_t i = 0; i < PAYLOADS && c->payloads[i].ptr; i++)
        add_packet(out, &seq, c->payloads[i], SPAN(""));
}

static void check(const struct answer_case *c, const struct tracker *k, struct trace *t, size_t size,
                  size_t cut)
{
    char got[128];
    snprintf(got, sizeof got, k->kind == KIND_ERR ? "%s %u" : "%s %x", t->packets,
             k->kind == KIND_ERR ? k->error : k->status);
    if (strcmp(got, c->expected) != 0 || !t->ended || t->passed != size)
        fail_msg("%s, cut at %zu: got \"%s\", expected \"%s\"; ended %d, passed %zu of %zu", c->name, cut,
                 got, c->expected, t->ended, t->passed, size);
}

static void test_cut_everywhere(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct buf b = BUF_INIT;
        lay_out(&cases[i], &b);
        for (size_t cut = 0; cut <= buf_len(&b); cut++) {
            struct tracker k;
            struct trace t = {0};
            tracker_begin(&k, cases[i].answer, cases[i].capabilities);
            give(&k, &t, buf_ptr(&b), 0, cut);
            assert_false(t.ended && cut < buf_len(&b));
            give(&k, &t, buf_ptr(&b), t.passed, buf_len(&b));
            check(&cases[i], &k, &t, buf_len(&b), cut);
        }
        buf_free(&b);
    }
}

static void test_byte_by_byte(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct buf b = BUF_INIT;
        struct tracker k;
        struct trace t = {0};
        lay_out(&cases[i], &b);
        tracker_begin(&k, cases[i].answer, cases[i].capabilities);
        for (size_t n = 1; n <= buf_len(&b); n++)
            give(&k, &t, buf_ptr(&b), t.passed, n);
        check(&cases[i], &k, &t, buf_len(&b), 0);
        buf_free(&b);
    }
}

/* Where definitions are wanted, each is one event that says whose it is; parameters' are not meant. */
static void test_definitions(void **state)
{
    (void)state;
    static const struct {
        struct answer_case answer;
        const char *seen; /* result, column */
    } wanted[] = {
        {{"two results",
          ANSWER_RESULTS,
          0,
          {B("\x02"), DEF, DEF, EOF_, ROW, EOF_M, B("\x01"), DEF, EOF_, EOF_},
          NULL},
         "0.0 0.1 1.0 "},
        {{"no EOFs", ANSWER_RESULTS, DEP, {B("\x02"), DEF, DEF, ROW, OK_FE}, NULL}, "0.0 0.1 "},
        {{"a cursor", ANSWER_CURSOR, 0, {B("\x01"), DEF, EOF_CUR}, NULL}, "0.0 "},
        {{"prepare", ANSWER_PREPARE, 0, {PREPARED("\2", "\1"), DEF, EOF_, DEF, DEF, EOF_}, NULL}, "0.0 0.1 "},
        {{"prepare, no EOFs", ANSWER_PREPARE, DEP, {PREPARED("\2", "\1"), DEF, DEF, DEF}, NULL}, "0.0 0.1 "},
    };
    for (size_t i = 0; i < sizeof wanted / sizeof wanted[0]; i++) {
        struct buf b = BUF_INIT;
        struct tracker k;
        char seen[64] = "";
        size_t from = 0, used;
        enum track_event ev = TRACK_MORE;
        lay_out(&wanted[i].answer, &b);
        tracker_begin(&k, wanted[i].answer.answer, wanted[i].answer.capabilities);
        k.definitions = true;
        for (size_t n = 1; n <= buf_len(&b); n++) {
            while (from < n && (ev = tracker_feed(&k, buf_ptr(&b) + from, n - from, &used)) != TRACK_MORE) {
                from += used;
                size_t len = strlen(seen);
                if (ev != TRACK_PASS && k.kind == KIND_DEFINITION)
                    snprintf(seen + len, sizeof seen - len, "%u.%u ", k.results, k.definition);
            }
        }
        assert_int_equal(ev, TRACK_END);
        assert_string_equal(seen, wanted[i].seen);
        buf_free(&b);
    }
}

/* In whole mode every packet is one event, and the end is the same. */
static void test_whole_mode(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct buf b = BUF_INIT;
        struct tracker k;
        lay_out(&cases[i], &b);
        tracker_begin(&k, cases[i].answer, cases[i].capabilities);
        k.whole = true;
        size_t off = 0, used;
        enum track_event ev = TRACK_PACKET;
        for (; off < buf_len(&b); off += used) {
            assert_int_equal(ev, TRACK_PACKET);
            ev = tracker_feed(&k, buf_ptr(&b) + off, buf_len(&b) - off, &used);
            assert_int_equal(used, PACKET_HEADER + get_u24(buf_ptr(&b) + off));
        }
        assert_int_equal(ev, TRACK_END);
        buf_free(&b);
    }
}

/* A row of 16 MiB and more is several packets; the last may be empty, or look like the end. */
static void test_rows_of_many_packets(void **state)
{
    (void)state;
    static const size_t sizes[] = {PACKET_MAX, PACKET_MAX + 5, 2 * (size_t)PACKET_MAX};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        struct buf b = BUF_INIT, row = BUF_INIT;
        uint8_t seq = 1;
        assert_true(buf_reserve(&row, sizes[i]));
        memset(row.data, 0xfe, sizes[i]);
        row.end = sizes[i];
        add_packet(&b, &seq, SPAN("\x01"), SPAN(""));
        add_packet(&b, &seq,
                   SPAN("\x03"
                        "def"),
                   SPAN(""));
        add_packet(&b, &seq, buf_span(&row), SPAN(""));
        add_packet(&b, &seq, SPAN("\xfe\x00\x00\x02\x00\x00\x00"), SPAN(""));
        struct tracker k;
        struct trace t = {0};
        tracker_begin(&k, ANSWER_RESULTS, CLIENT_DEPRECATE_EOF);
        for (size_t n = 0; n < buf_len(&b); n += 100003)
            give(&k, &t, buf_ptr(&b), t.passed, n);
        give(&k, &t, buf_ptr(&b), t.passed, buf_len(&b));
        assert_string_equal(t.packets, "co");
        assert_true(t.ended && t.passed == buf_len(&b));

        /* In whole mode no event has two headers: whoever follows can count the packets anew. */
        enum track_event ev = TRACK_PACKET;
        tracker_begin(&k, ANSWER_RESULTS, CLIENT_DEPRECATE_EOF);
        k.whole = true;
        for (size_t off = 0, used; off < buf_len(&b); off += used) {
            size_t bound = k.left ? k.left : PACKET_HEADER + get_u24(buf_ptr(&b) + off);
            ev = tracker_feed(&k, buf_ptr(&b) + off, buf_len(&b) - off, &used);
            assert_int_equal(used, bound);
        }
        assert_int_equal(ev, TRACK_END);
        buf_free(&b);
        buf_free(&row);
    }
}

/* Expressions without a table have no bound of 4096, nor one of 16 bits. */
static void test_many_columns(void **state)
{
    (void)state;
    struct buf b = BUF_INIT;
    struct tracker k;
    struct trace t = {0};
    uint8_t seq = 1;
    add_packet(&b, &seq, (struct span)B("\xfd\x70\x11\x01"), SPAN(""));
    for (int i = 0; i < 0x11170; i++)
        add_packet(&b, &seq, (struct span)DEF, SPAN(""));
    add_packet(&b, &seq, (struct span)EOF_, SPAN(""));
    add_packet(&b, &seq, (struct span)EOF_, SPAN(""));
    tracker_begin(&k, ANSWER_RESULTS, 0);
    for (size_t n = 0; n < buf_len(&b); n += 1009)
        give(&k, &t, buf_ptr(&b), t.passed, n);
    give(&k, &t, buf_ptr(&b), t.passed, buf_len(&b));
    assert_string_equal(t.packets, "cee");
    assert_true(t.ended && t.passed == buf_len(&b));
    buf_free(&b);
}

static void test_local_infile(void **state)
{
    (void)state;
    struct tracker k;
    size_t used;
    tracker_begin(&k, ANSWER_RESULTS, 0);
    assert_int_equal(tracker_feed(&k,
                                  "\x02\0\0\1\xfb"
                                  "f",
                                  6, &used),
                     TRACK_PACKET);
    assert_int_equal(k.kind, KIND_INFILE);
    tracker_infile_sent(&k);
    assert_int_equal(tracker_feed(&k, "\x07\0\0\3\0\5\0\2\0\0\0", 11, &used), TRACK_END);
    assert_int_equal(k.kind, KIND_OK);
}

/* While it waits for a file a server may say why it wants no more of it, and nothing else. */
static void test_answers_before_the_file(void **state)
{
    (void)state;
    static const struct {
        struct span bytes;
        enum track_event event;
    } early[] = {
        {B("\x02\0\0\2\xfbg"), TRACK_BROKEN},          /* another file */
        {B("\x07\0\0\2\0\5\0\2\0\0\0"), TRACK_BROKEN}, /* OK */
        {B("\x01\0\0\2\1"), TRACK_BROKEN},             /* columns */
        {B("\0\0\0\2"), TRACK_BROKEN},
        {B("\x04\0\0\2\xff\xd0\7x"), TRACK_END},
        {B("\x04\0\0\2\xff\xff\xffx"), TRACK_PACKET}, /* progress */
    };
    for (size_t i = 0; i < sizeof early / sizeof early[0]; i++) {
        struct tracker k;
        size_t used;
        tracker_begin(&k, ANSWER_RESULTS, 0);
        assert_int_equal(tracker_feed(&k, "\x02\0\0\1\xfb\x66", 6, &used), TRACK_PACKET);
        assert_int_equal(tracker_feed(&k, early[i].bytes.ptr, early[i].bytes.len, &used), early[i].event);
    }
}

/* What no server sends is said to be broken, never taken for something else. */
static void test_broken(void **state)
{
    (void)state;
    static const struct {
        enum answer answer;
        struct span bytes;
    } broken[] = {
        {ANSWER_OK, B("\x01\0\0\1\x05")},          /* neither OK nor ERR */
        {ANSWER_OK, B("\x03\0\0\1\x00\x00\x00")},  /* an OK without flags */
        {ANSWER_RESULTS, B("\x01\0\0\1\xfc")},     /* half a column count */
        {ANSWER_RESULTS, B("\xff\xff\xff\1\x00")}, /* an OK of 16 MiB */
        {ANSWER_PREPARE, B("\x02\0\0\1\x00\x00")}, /* a short PREPARE_OK */
        {ANSWER_NONE, B("\x01\0\0\1\x00")},        /* nothing was to come */
    };
    for (size_t i = 0; i < sizeof broken / sizeof broken[0]; i++) {
        struct tracker k;
        size_t used;
        tracker_begin(&k, broken[i].answer, 0);
        assert_int_equal(tracker_feed(&k, broken[i].bytes.ptr, broken[i].bytes.len, &used), TRACK_BROKEN);
    }
}

static void test_commands(void **state)
{
    (void)state;
    assert_int_equal(answer_of(COM_QUERY), ANSWER_RESULTS);
    assert_int_equal(answer_of(COM_STMT_CLOSE), ANSWER_NONE);
    assert_int_equal(answer_of(COM_PING), ANSWER_OK);
    assert_int_equal(answer_of(0x77), ANSWER_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cut_everywhere), cmocka_unit_test(test_byte_by_byte),
        cmocka_unit_test(test_whole_mode),     cmocka_unit_test(test_rows_of_many_packets),
        cmocka_unit_test(test_local_infile),   cmocka_unit_test(test_answers_before_the_file),
        cmocka_unit_test(test_broken),         cmocka_unit_test(test_commands),
        cmocka_unit_test(test_many_columns),   cmocka_unit_test(test_definitions),
    };
    return cmocka_run_group_tests_name("tracker", tests, NULL, NULL);
}
