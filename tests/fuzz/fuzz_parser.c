/* Fuzz target of the SQL front end: clang -fsanitize=fuzzer,address,undefined, with -dict=tests/fuzz/sql.dict
 * and the corpus in tests/fuzz/corpus_parser.
 *
 * The input's first byte chooses modes, character set and server; the rest is the text. What must hold:
 *   - the tokens tile the text, and none but the end is empty;
 *   - parsing ends, moves on, and ends where the statement does;
 *   - in a statement that was understood, ranges nest (ast_check.h), and the markers are counted right;
 *   - an expression is no taller than promised, so that a walk may recurse;
 *   - a table's name that the parser found is found by the scan, too. */
#include <stdio.h>
#include <stdlib.h>

#include "proxy/sql/lexer.h"
#include "tests/unit/ast_check.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct arena *arena;

/* Each table's name is looked for in the whole text: for so many of an input, or long ones take all the time.
 */
#define MOST_SCANS 4
static unsigned scans;

#define REQUIRE(condition)                                                                                   \
    do {                                                                                                     \
        if (!(condition)) {                                                                                  \
            fprintf(stderr, "does not hold: %s\n", #condition);                                              \
            abort();                                                                                         \
        }                                                                                                    \
    } while (0)

static struct sql_dialect dialect_of(uint8_t choice)
{
    static const uint32_t modes[] = {0, SQL_ANSI_QUOTES, SQL_NO_BACKSLASH_ESCAPES | SQL_PIPES_AS_CONCAT,
                                     SQL_ORACLE | SQL_HIGH_NOT_PRECEDENCE | SQL_BRACKETS};
    static const enum sql_charset charsets[] = {CHARSET_ASCII_SAFE, CHARSET_SJIS, CHARSET_GBK,
                                                CHARSET_GB18030};
    bool mariadb = !(choice & 16);
    return (struct sql_dialect){.modes = modes[choice & 3],
                                .charset = charsets[(choice >> 2) & 3],
                                .mariadb = mariadb,
                                .version = mariadb ? 101119 : 80400};
}

/* The parser reads plain tokens by a short way, to the same end. */
static void read_alike(struct lexer *lx, const struct token *as)
{
    struct token t;
    if (!lex_read_plain(lx, &t))
        lex_read_significant(lx, &t);
    REQUIRE(t.type == as->type && t.off == as->off && t.len == as->len);
    REQUIRE(t.plain == as->plain && t.folded == as->folded);
}

/* Returns the number of markers. */
static uint32_t check_tokens(const struct sql_dialect *d, struct span text)
{
    struct lexer lx, short_way;
    struct token t;
    uint32_t at = 0, markers = 0;
    lex_init(&lx, d, text);
    lex_init(&short_way, d, text);
    while ((t = lex_next(&lx)).type != TOK_END) {
        REQUIRE(t.off == at && t.len > 0 && t.len <= text.len - at);
        at += t.len;
        markers += t.type == '?';
        if (t.type != TOK_SPACE && t.type != TOK_COMMENT)
            read_alike(&short_way, &t);
    }
    REQUIRE(at == text.len && t.len == 0);
    read_alike(&short_way, &t);
    return markers;
}

static void check_scan(const struct sql_dialect *d, struct span text, const struct name *name)
{
    char lower[64];
    if (!name_given(name) || name->text.len == 0 || name->text.len > sizeof lower || scans++ >= MOST_SCANS)
        return;
    for (size_t i = 0; i < name->text.len; i++)
        lower[i] = (char)ascii_lower((unsigned char)name->text.ptr[i]);
    struct span list = {lower, name->text.len};
    struct scan_names names = {&list, 1, scan_bloom(list)};
    REQUIRE(scan_text(d, text, &names) & SCAN_NAME);
}

static bool measure(struct expr *e, void *ctx)
{
    (void)ctx;
    REQUIRE(e->height <= PARSE_MAX_HEIGHT);
    return true;
}

/* A run's rows apart are as good a tree, and as many rows. */
static void check_rows(struct span text, struct stmt *s)
{
    struct insert_stmt *i = s->insert;
    uint32_t count = 0;
    i->rows = value_rows_apart(arena, text, i->rows);
    for (const struct value_row *row = i->rows; row; row = row->next)
        count++;
    REQUIRE(arena_failed(arena) || (count == i->row_count && !ast_check_stmt(s, text.len)));
}

static void check_statement(const struct sql_dialect *d, struct span text, struct stmt *s)
{
    const char *broken = ast_check_stmt(s, text.len);
    if (broken) {
        fprintf(stderr, "%s\n", broken);
        abort();
    }
    if (s->kind == STMT_INSERT)
        check_rows(text, s);
    for (struct expr *e = s->exprs; e; e = e->next)
        REQUIRE(expr_walk(e, measure, NULL));
    for (const struct table_name_list *t = s->tables; t; t = t->next)
        check_scan(d, text, &t->name.table);
    if (s->kind == STMT_INSERT)
        check_scan(d, text, &s->insert->table.table);
    if (s->kind == STMT_QUERY && s->query->body->kind == BODY_SELECT)
        for (const struct table_ref *r = s->query->body->select->from; r; r = r->next)
            if (r->kind == TABLE_NAMED)
                check_scan(d, text, &r->name.table);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    if (!arena)
        arena = arena_new((size_t)16 << 20);
    struct sql_dialect d = dialect_of(data[0]);
    struct span text = {(const char *)data + 1, size - 1};
    uint32_t markers = check_tokens(&d, text), counted = 0;
    bool all_understood = true;
    size_t off = 0;
    scans = 0;
    arena_reset(arena);
    while (off < text.len) {
        struct stmt *s;
        struct parse_error error;
        size_t before = off;
        enum parse_status status = parse_statement(arena, &d, text, &off, &s, &error);
        REQUIRE(off > before && off <= text.len);
        REQUIRE(range_end(s->range) <= off && (s->range.len == 0 || s->range.off >= before));
        REQUIRE((status == PARSE_OK) == (error.message == NULL));
        all_understood &= status == PARSE_OK;
        if (status != PARSE_OK)
            continue;
        check_statement(&d, text, s);
        counted += s->param_count;
    }
    if (all_understood && !(d.modes & SQL_ORACLE))
        REQUIRE(counted == markers);
    return 0;
}
