/* Fuzzes the rewriter. The first byte picks phase and sql_mode, the rest is the text.
 *
 * What must hold for every text:
 *   - rewriting it twice gives the same
 *   - a rewritten text parses, has as many statements, and its markers are those that the map says
 *   - it is rewritten to the end: rewriting the result changes nothing more (but where a row is made and
 *     columns of both sides may be left to their defaults)
 *   - a text that names a migrated table and does not parse is refused while a migration runs, and only then
 *     does the reason speak of syntax
 *   - a text of a known shape becomes what the rewriter makes of it, whatever its values are */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#include "proxy/rewrite/shapes.h"
#include "proxy/sql/lexer.h"
#include "tests/fixtures/shop.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define CHECK(condition) ((condition) ? (void)0 : fail(#condition, text, &r))

static struct arena *arena, *second;
static struct shapes *shapes;

static void set_up(void)
{
    arena = arena_new((size_t)64 << 20);
    second = arena_new((size_t)64 << 20);
    shapes = shapes_new();
    if (!arena || !second || !shapes)
        abort();
}

static void fail(const char *what, struct span text, const struct rewrite_result *r)
{
    fprintf(stderr, "broken: %s\noriginal: %.*s\nverdict %d, reason %s\nbecame: %.*s\n", what, (int)text.len,
            text.ptr, r->verdict, r->reason ? r->reason : "-", (int)r->text.len,
            r->text.ptr ? r->text.ptr : "");
    abort();
}

static uint32_t count_markers(const struct sql_dialect *d, struct span text)
{
    struct lexer lx;
    uint32_t n = 0;
    lex_init(&lx, d, text);
    for (struct token t = lex_next(&lx); t.type != TOK_END; t = lex_next(&lx))
        n += t.type == '?';
    return n;
}

/* Statements that parse; *broken: some other does not; *makes_rows: there is an INSERT or LOAD. */
static size_t count_statements(const struct sql_dialect *d, struct span text, bool *broken, bool *makes_rows)
{
    size_t off = 0, count = 0, before;
    *broken = *makes_rows = false;
    do {
        struct stmt *s = NULL;
        struct parse_error error;
        before = off;
        if (parse_statement(second, d, text, &off, &s, &error) != PARSE_OK)
            *broken = true;
        else if (s->kind != STMT_EMPTY)
            count++;
        bool in_string = s && (s->kind == STMT_PREPARE || s->kind == STMT_EXECUTE_IMMEDIATE);
        *makes_rows = *makes_rows || in_string || (s && (s->kind == STMT_INSERT || s->kind == STMT_LOAD));
    } while (off > before && off < text.len);
    return count;
}

/* Over the text itself it becomes the same. */
static void check_over(struct rewrite_session s, struct span text, struct rewrite_result r)
{
    struct buf over = BUF_INIT;
    struct rewrite_result again;
    buf_add_str(&over, "head");
    buf_add_span(&over, text);
    buf_add_str(&over, "behind");
    s.over = &over;
    rewrite_text(second, &s, (struct span){buf_ptr(&over) + 4, text.len}, &again);
    CHECK(again.verdict == r.verdict && span_eq(again.text, r.text));
    if (again.over)
        CHECK(again.text.ptr == buf_ptr(&over) + 4 && again.text.len == buf_len(&over) - 4);
    buf_free(&over);
}

static void check_rewritten(const struct rewrite_session *s, struct span text, struct rewrite_result r)
{
    struct rewrite_result again, more;
    bool broken, was_broken, makes_rows;
    size_t statements = count_statements(&s->dialect, text, &was_broken, &makes_rows);
    CHECK(count_statements(&s->dialect, r.text, &broken, &makes_rows) == statements);
    CHECK(broken == was_broken);
    if (!broken) {
        CHECK(count_markers(&s->dialect, r.text) == r.out_param_count);
        CHECK(count_markers(&s->dialect, text) == r.param_count);
    }
    for (uint32_t i = 0; r.param_map && i < r.out_param_count; i++)
        CHECK(MAP_INDEX(r.param_map[i]) < r.param_count);
    rewrite_text(second, s, text, &again);
    CHECK(again.verdict == r.verdict && span_eq(again.text, r.text));
    check_over(*s, text, r);
    rewrite_text(second, s, r.text, &more);
    if (more.verdict == REWRITE_REWRITTEN && !makes_rows) {
        fprintf(stderr, "the second time: %.*s\n", (int)more.text.len, more.text.ptr);
        CHECK(more.verdict != REWRITE_REWRITTEN);
    }
}

/* ---- shapes ---- */

enum { LEARNED = 4 }; /* texts of a shape that are rewritten before it is used */

/* More than what a column, a name or a number has room for. */
#define TEN_WORDS   "cut where one is cut that has no end here "
#define LONG_STRING "'" TEN_WORDS TEN_WORDS TEN_WORDS TEN_WORDS "'"

static const char *const numbers[] = {"0", "7", "1", "20200230", "917000431", "2024", "123456789012345678"};
static const char *const strings[] = {
    "'Ann'",       "''",           "'0'",          "'NULL'",
    "'917000431'", "'2024-02-29'", "'2020-02-30'", "'2024-02-29 23:59:59'",
    "'19.99'",     "'-1e400'",     "' 7 '",        "'100%_'",
    "'a -- b'",    "'/* a'",       "'*/ # ; :='",  "'users'",
    "'fullname'",  LONG_STRING,
};
enum { NUMBERS = sizeof numbers / sizeof numbers[0], STRINGS = sizeof strings / sizeof strings[0] };

/* The text with other values; `spread`: each another one, else they are all alike. */
static void add_variant(struct buf *out, const struct sql_dialect *d, struct span text, unsigned value,
                        bool spread)
{
    struct lexer lx;
    lex_init(&lx, d, text);
    for (struct token t = lex_next(&lx); t.type != TOK_END; t = lex_next(&lx)) {
        bool number = t.type == TOK_INT, string = t.type == TOK_STRING && text.ptr[t.off] == '\'';
        if (number)
            buf_add_str(out, numbers[value % NUMBERS]);
        else if (string)
            buf_add_str(out, strings[value % STRINGS]);
        else
            buf_add(out, text.ptr + t.off, t.len);
        value += spread && (number || string);
    }
}

/* All else of a text that was not parsed shapes.c compares, under AddressSanitizer. */
static void check_shape_of(struct rewrite_session s, uint64_t serial, struct span text)
{
    struct buf made = BUF_INIT;
    struct rewrite_result r, right;
    arena_reset(arena);
    arena_reset(second);
    rewrite_text(second, &s, text, &right);
    s.into = &made;
    shapes_rewrite(shapes, serial, arena, &s, text, &r);
    if (!arena_failed(arena) && !arena_failed(second)) {
        CHECK(r.verdict == right.verdict && r.facts == right.facts && r.touches == right.touches);
        CHECK(r.verdict != REWRITE_REWRITTEN || span_eq(r.text, right.text));
    }
    buf_free(&made);
}

/* The shape is learned from texts of one value, so that nothing warns of the others. */
static void check_shapes(struct rewrite_session s, enum phase phase, struct span text)
{
    static uint64_t inputs;
    uint64_t serial = inputs++ / 64 * PHASE_DONE + phase, before = 0;
    struct buf variant = BUF_INIT;
    if (text.len > 4096 || !rewrite_wanted(&s, text))
        return;
    s.want_parts = false;
    s.asks = true;
    for (unsigned i = 0; i <= LEARNED; i++) {
        before = shapes_hits(shapes);
        buf_reset(&variant);
        add_variant(&variant, &s.dialect, text, (unsigned)text.len, false);
        check_shape_of(s, serial, buf_span(&variant));
    }
    for (unsigned value = 0; shapes_hits(shapes) > before && value < STRINGS; value++) {
        buf_reset(&variant);
        add_variant(&variant, &s.dialect, text, value, value % 2);
        check_shape_of(s, serial, buf_span(&variant));
    }
    buf_free(&variant);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (!arena)
        set_up();
    if (size < 1 || size > 65536)
        return 0;
    uint32_t modes = (data[0] >> 2) & (SQL_ANSI_QUOTES | SQL_NO_BACKSLASH_ESCAPES | SQL_PIPES_AS_CONCAT |
                                       SQL_HIGH_NOT_PRECEDENCE | SQL_SIMULTANEOUS);
    enum phase phase = (enum phase)(data[0] & 3);
    struct span text = {(const char *)data + 1, size - 1};
    struct rewrite_session s = {
        .rules = shop_rules(phase), .database = SPAN("shop"), .want_parts = true, .dialect = shop_dialect};
    s.dialect.modes = modes;
    struct rewrite_result r;
    arena_reset(arena);
    arena_reset(second);
    rewrite_text(arena, &s, text, &r);
    if (arena_failed(arena))
        return 0;
    if (r.verdict == REWRITE_REWRITTEN) {
        CHECK(rewrite_wanted(&s, text));
        check_rewritten(&s, text, r);
    } else if (r.verdict == REWRITE_UNREWRITABLE) {
        CHECK(r.reason && phase != PHASE_EXPAND);
        CHECK(rewrite_wanted(&s, text));
    } else if (phase != PHASE_EXPAND && (scan_text(&s.dialect, text, &s.rules->names) & SCAN_NAME)) {
        bool broken, makes_rows;
        count_statements(&s.dialect, text, &broken, &makes_rows);
        if (broken) /* then the name is in another statement than the broken one */
            CHECK(r.part_count > 1);
    }
    check_shapes(s, phase, text);
    return 0;
}
