/* Fuzzes the rewriter. The first byte picks phase and sql_mode, the rest is the text.
 *
 * What must hold for every text:
 *   - rewriting it twice gives the same
 *   - a rewritten text parses, has as many statements, and its markers are those that the map says
 *   - it is rewritten to the end: rewriting the result changes nothing more (but where a row is made and
 *     columns of both sides may be left to their defaults)
 *   - a text that names a migrated table and does not parse is refused while a migration runs, and only then
 *     does the reason speak of syntax */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#include "proxy/sql/lexer.h"
#include "tests/fixtures/shop.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define CHECK(condition) ((condition) ? (void)0 : fail(#condition, text, &r))

static struct arena *arena, *second;

static void set_up(void)
{
    arena = arena_new((size_t)64 << 20);
    second = arena_new((size_t)64 << 20);
    if (!arena || !second)
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
    return 0;
}
