/* Tokens: each case is a text and the tokens that it falls into, blanks left out; every text is also tiled.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>

#include "proxy/sql/keywords.h"
#include "proxy/sql/lexer.h"

static const struct {
    unsigned type;
    const char *name;
} type_names[] = {
    {TOK_BAD, "bad"},       {TOK_COMMENT, "comment"},   {TOK_WORD, "word"},   {TOK_QUOTED, "quoted"},
    {TOK_STRING, "string"}, {TOK_NATIONAL, "national"}, {TOK_HEX, "hex"},     {TOK_BIT, "bit"},
    {TOK_INT, "int"},       {TOK_DECIMAL, "decimal"},   {TOK_FLOAT, "float"}, {TOK_NULL, "null"},
    {TOK_USER_VAR, "var"},  {TOK_AT_AT, "sysvar"},
};

static void append_token(char *out, size_t size, const char *text, struct token t)
{
    size_t used = strlen(out);
    const char *name = t.plain ? "plain" : NULL;
    for (size_t i = 0; !name && i < sizeof type_names / sizeof *type_names; i++)
        if (type_names[i].type == t.type)
            name = type_names[i].name;
    snprintf(out + used, size - used, "%s%s%s%.*s%s", used ? " " : "", name ? name : "", name ? "[" : "",
             (int)t.len, text + t.off, name ? "]" : "");
}

/* As the parser reads: plain tokens by the short way. */
static void assert_read_alike(struct lexer *lx, const struct token *as)
{
    struct token t;
    if (!lex_read_plain(lx, &t))
        lex_read_significant(lx, &t);
    assert_int_equal(t.type, as->type);
    assert_int_equal(t.off, as->off);
    assert_int_equal(t.len, as->len);
    assert_int_equal(t.plain, as->plain);
    assert_int_equal(t.folded, as->folded);
}

static void assert_tokens(const struct sql_dialect *d, struct span text, const char *expected)
{
    char got[1024] = "";
    struct lexer lx, short_way;
    struct token t;
    uint32_t at = 0;
    lex_init(&lx, d, text);
    lex_init(&short_way, d, text);
    while ((t = lex_next(&lx)).type != TOK_END) {
        assert_int_equal(t.off, at);
        assert_true(t.len > 0);
        at += t.len;
        if (t.type != TOK_SPACE)
            append_token(got, sizeof got, text.ptr, t);
        if (t.type != TOK_SPACE && t.type != TOK_COMMENT)
            assert_read_alike(&short_way, &t);
    }
    assert_read_alike(&short_way, &t);
    assert_int_equal(at, text.len);
    assert_string_equal(got, expected);
}

struct token_case {
    const char *text, *tokens;
};

static void assert_cases(const struct sql_dialect *d, const struct token_case *cases, size_t count)
{
    for (size_t i = 0; i < count; i++)
        assert_tokens(d, span_of(cases[i].text), cases[i].tokens);
}

#define ASSERT_CASES(dialect, cases) assert_cases((dialect), (cases), sizeof(cases) / sizeof *(cases))

static const struct sql_dialect mariadb = {.mariadb = true, .version = 101119};
static const struct sql_dialect mysql = {.version = 80400};

static void test_words_and_numbers(void **state)
{
    static const struct token_case cases[] = {
        {"a b_1 $c", "word[a] word[b_1] word[$c]"},
        {"1 12 1.5 .5 1.", "int[1] int[12] decimal[1.5] decimal[.5] decimal[1.]"},
        {"1e5 1e-5 1.5E+3 .5e1", "float[1e5] float[1e-5] float[1.5E+3] float[.5e1]"},
        {"1e 1a 12_3 1e+", "word[1e] word[1a] word[12_3] word[1e] +"},
        {"1.5e", "decimal[1.5] word[e]"},
        {"0x1F 0X1F 0x1g 0b01 0b02 0x", "hex[0x1F] word[0X1F] word[0x1g] bit[0b01] word[0b02] word[0x]"},
        {"x'1F' X'1f' x'1' b'01' b'2'",
         "hex[x'1F'] hex[X'1f'] word[x] string['1'] bit[b'01'] word[b] string['2']"},
        {"x'' b''", "hex[x''] bit[b'']"},
        {"n'a''b' N'x'", "national[n'a''b'] national[N'x']"},
        {"t.select t.1a db.t.1",
         "plain[t] . plain[select] plain[t] . plain[1a] plain[db] . plain[t] . plain[1]"},
        {"select.5", "plain[select] . plain[5]"},
        {"t .5 `t`.5", "word[t] decimal[.5] quoted[`t`] . plain[5]"},
        {"t. select", "word[t] . word[select]"},
        {"\xc3\xa9t\xc3\xa9 1", "word[\xc3\xa9t\xc3\xa9] int[1]"},
        {"\\N \\M", "null[\\N] bad[\\] word[M]"},
    };
    (void)state;
    ASSERT_CASES(&mariadb, cases);
}

static void test_strings(void **state)
{
    static const struct token_case cases[] = {
        {"'a' \"b\" `c`", "string['a'] string[\"b\"] quoted[`c`]"},
        {"'a''b' 'a\\'b' 'a\\\\'", "string['a''b'] string['a\\'b'] string['a\\\\']"},
        {"`a``b` `a\\` x", "quoted[`a``b`] quoted[`a\\`] word[x]"},
        {"'a\"b`c' \"a'b\"", "string['a\"b`c'] string[\"a'b\"]"},
        {"'12345678901234567890' 'x", "string['12345678901234567890'] bad['x]"},
        {"'a\\'", "bad['a\\']"},
        {"`a", "bad[`a]"},
        {"''", "string['']"},
    };
    static const struct token_case ansi[] = {
        {"\"a\"\"b\" 'c'", "quoted[\"a\"\"b\"] string['c']"},
        {"\"a\\\" x", "quoted[\"a\\\"] word[x]"},
        {"@\"a\\\" x", "var[@\"a\\\"] word[x]"}, /* a variable's name is quoted like any other */
    };
    static const struct token_case no_backslash[] = {
        {"'a\\' x", "string['a\\'] word[x]"},
        {"'a\\'' x", "bad['a\\'' x]"},
    };
    static const struct token_case mssql[] = {
        {"[a b] [a]]b] [a", "quoted[[a b]] quoted[[a]]b]] bad[[a]"},
    };
    struct sql_dialect d = mariadb;
    (void)state;
    d.modes = SQL_BRACKETS;
    ASSERT_CASES(&d, mssql);
    ASSERT_CASES(&mariadb, cases);
    d.modes = SQL_ANSI_QUOTES;
    ASSERT_CASES(&d, ansi);
    d.modes = SQL_NO_BACKSLASH_ESCAPES;
    ASSERT_CASES(&d, no_backslash);
}

static void test_charsets(void **state)
{
    static const struct {
        enum sql_charset charset;
        const char *text, *tokens;
    } cases[] = {
        /* the second byte of a character is a backslash, a quote's neighbour or a backtick */
        {CHARSET_ASCII_SAFE, "'\x95\\' x'", "string['\x95\\' x']"},
        {CHARSET_SJIS, "'\x95\\' x", "string['\x95\\'] word[x]"},
        {CHARSET_BIG5, "'\xa5\\' x", "string['\xa5\\'] word[x]"},
        {CHARSET_GBK, "'\x95\\' x", "string['\x95\\'] word[x]"},
        {CHARSET_GB18030, "'\x95\\' x", "string['\x95\\'] word[x]"},
        {CHARSET_GB18030, "'\x81\x30\x81\x30\\'' x", "string['\x81\x30\x81\x30\\''] word[x]"},
        {CHARSET_GBK, "`\x95`` x", "quoted[`\x95``] word[x]"},
        {CHARSET_SJIS, "a\x95\\b `\x95\\` x", "word[a\x95\\b] quoted[`\x95\\`] word[x]"},
        /* half-width katakana of SJIS are single bytes; a lead byte without a trail is one byte */
        {CHARSET_SJIS, "'\xb1\\'' x", "string['\xb1\\''] word[x]"},
        {CHARSET_GBK, "'\x95' x", "string['\x95'] word[x]"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct sql_dialect d = {.mariadb = true, .version = 101119, .charset = cases[i].charset};
        assert_tokens(&d, span_of(cases[i].text), cases[i].tokens);
    }
}

/* Every pair of bytes, at a place of its own: where some character set makes one character of it whose second
 * byte would be no part of a word, the character set may matter; elsewhere it does not. */
static void test_whether_charsets_matter(void **state)
{
    (void)state;
    static const enum sql_charset charsets[] = {CHARSET_SJIS, CHARSET_BIG5, CHARSET_GBK, CHARSET_GB18030};
    char text[160];
    for (unsigned pair = 0; pair < 0x10000; pair++) {
        size_t at = pair * 7 % (sizeof text - 2);
        memset(text, '\'', sizeof text);
        text[at] = (char)(pair >> 8);
        text[at + 1] = (char)pair;
        bool one = false;
        for (size_t i = 0; i < sizeof charsets / sizeof *charsets; i++)
            one |= charset_length(charsets[i], text + at, text + sizeof text) == 2;
        bool matters = charset_may_matter((struct span){text, sizeof text});
        if (one && !lex_is(text[at + 1], CLASS_IDENT))
            assert_true(matters);
        if (pair < 0x8000 || lex_is(text[at + 1], CLASS_IDENT))
            assert_false(matters);
        assert_false(charset_may_matter((struct span){text, at + 1}));
    }
    assert_false(charset_may_matter(SPAN("")));
}

static void test_comments(void **state)
{
    static const struct token_case maria[] = {
        {"1 -- x\n2", "int[1] comment[-- x\n] int[2]"},
        {"1 --x", "int[1] - - word[x]"},
        {"1--1 --", "int[1] - - int[1] comment[--]"},
        {"1 # x\n2 #", "int[1] comment[# x\n] int[2] comment[#]"},
        {"/* a */1/**/2/* b", "comment[/* a */] int[1] comment[/**/] int[2] bad[/* b]"},
        {"/* a /* b */ c */", "comment[/* a /* b */] word[c] * /"},
        /* as the server facts say: up to 50699 and from 100000 to its version; M! without the gap */
        {"/*!50699 1*/", "comment[/*!50699] int[1] comment[*/]"},
        {"/*!50700 1*/", "comment[/*!50700 1*/]"},
        {"/*!80000 1*/ 2", "comment[/*!80000 1*/] int[2]"},
        {"/*!100000 1*/", "comment[/*!100000] int[1] comment[*/]"},
        {"/*M!80000 1*/", "comment[/*M!80000] int[1] comment[*/]"},
        {"/*!999999 1 /* in */ 2 */ 3", "comment[/*!999999 1 /* in */ 2 */] int[3]"},
        {"/*! 1 /* in */ 2 */ 3", "comment[/*!] int[1] comment[/* in */] int[2] comment[*/] int[3]"},
        {"/*!1234 x*/", "comment[/*!] int[1234] word[x] comment[*/]"},
        {"/*!501019*/", "comment[/*!501019*/]"},
        {"/*+ hint */ 1", "comment[/*+ hint */] int[1]"},
        {"2*/*x*/3", "int[2] * comment[/*x*/] int[3]"},
        {"2*/3", "int[2] * / int[3]"},
    };
    static const struct token_case my[] = {
        {"/*!80000 1*/", "comment[/*!80000] int[1] comment[*/]"},
        {"/*!90000 1*/", "comment[/*!90000 1*/]"},
        {"/*M!50000 1*/", "comment[/*M!50000 1*/]"},
    };
    (void)state;
    ASSERT_CASES(&mysql, my);
    ASSERT_CASES(&mariadb, maria);
}

static void test_operators_and_variables(void **state)
{
    static const struct token_case cases[] = {
        {"a->'$.x' a->>'$'", "word[a] -> string['$.x'] word[a] ->> string['$']"},
        {"a<=>b <= >= <> != << >> < >", "word[a] <=> word[b] <= >= <> != << >> < >"},
        {"&& || ! ~ ^ & | := : = %", "&& || ! ~ ^ & | := : = %"},
        {"@a @a.b @'x y' @`z` @\"w\" @", "var[@a] var[@a.b] var[@'x y'] var[@`z`] var[@\"w\"] var[@]"},
        {"@@global.sql_mode @@x", "sysvar[@@] plain[global] . plain[sql_mode] sysvar[@@] word[x]"},
        {"@\"a\\\" x\" y", "var[@\"a\\\" x\"] word[y]"},
        {"@a:=1", "var[@a] := int[1]"},
        {"u@'%'", "word[u] var[@'%']"},
        {"? ?,?", "? ? , ?"},
        {"{d '2001-01-01'}", "{ word[d] string['2001-01-01'] }"},
        {"(1,2);", "( int[1] , int[2] ) ;"},
    };
    (void)state;
    ASSERT_CASES(&mariadb, cases);
    assert_tokens(&mariadb, (struct span){"a\0b", 3}, "word[a] bad[] word[b]");
    struct lexer lx;
    lex_init(&lx, &mariadb, (struct span){"a\0", 2});
    assert_int_equal(lex_next_significant(&lx).type, TOK_WORD);
    assert_int_equal(lex_next_significant(&lx).type, TOK_END);
    assert_tokens(&mariadb, (struct span){"a\0\0", 3}, "word[a] bad[] comment[]");
}

static void test_keywords(void **state)
{
    static const struct {
        const char *word;
        enum keyword kw;
        unsigned flags;
    } words[] = {
#define KEYWORD(word, flags) {#word, KW_##word, (flags)},
#include "proxy/sql/keywords.def"
#undef KEYWORD
    };
    (void)state;
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        char lower[32];
        struct span word = span_of(words[i].word);
        assert_true(i == 0 || strcmp(words[i - 1].word, words[i].word) < 0);
        for (size_t c = 0; c <= word.len; c++)
            lower[c] = (char)ascii_lower((unsigned char)word.ptr[c]);
        assert_int_equal(keyword_of(word), words[i].kw);
        assert_int_equal(keyword_of((struct span){lower, word.len}), words[i].kw);
        assert_int_equal(keyword_flags(words[i].kw), words[i].flags);
        for (size_t c = 0; c < word.len;
             c++) { /* another letter may make another keyword, but no wrong one */
            char was = lower[c];
            lower[c] = was == 'x' ? 'y' : 'x';
            enum keyword kw = keyword_of((struct span){lower, word.len});
            if (kw != KW_NONE)
                assert_true(span_ieq(span_of(words[kw - 1].word), (struct span){lower, word.len}));
            lower[c] = was;
        }
    }
    static const char *const others[] = {"",         "A",        "SELECTS",
                                         "SELEC",    "ZZZ",      "_SELECT",
                                         "\xc3\xa9", "fullname", "A_VERY_LONG_WORD_THAT_IS_NO_KEYWORD"};
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        assert_int_equal(keyword_of(span_of(others[i])), KW_NONE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_words_and_numbers), cmocka_unit_test(test_strings),
        cmocka_unit_test(test_charsets),          cmocka_unit_test(test_whether_charsets_matter),
        cmocka_unit_test(test_comments),          cmocka_unit_test(test_operators_and_variables),
        cmocka_unit_test(test_keywords),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
