/* A column's constant default, written as an expression: where a row is computed before it is stored (INSERT
 * … SELECT, a subquery that reads the table itself), a column that is left out or given the word DEFAULT
 * cannot be named.
 *
 * Only what says the same in every session, whatever its sql_mode and character set. */
#include "proxy/rewrite/plan.h"
#include "proxy/sql/lexer.h"

static bool is_digit(char c)
{
    return lex_is(c, CLASS_DIGIT);
}

static bool is_plain_text(struct span text)
{
    for (size_t i = 0; i < text.len; i++)
        if (text.ptr[i] < ' ' || text.ptr[i] >= 0x7f || text.ptr[i] == '\\')
            return false;
    return text.len > 1 && text.ptr[0] == '\'';
}

static bool is_plain_number(struct span text)
{
    for (size_t i = 0; i < text.len; i++)
        if (!is_digit(text.ptr[i]) && !strchr(".+-", text.ptr[i]))
            return false;
    return text.len > 0;
}

/* '2024-02-29', and what follows it in a DATETIME; no zero dates, which a cast may refuse. */
static bool is_plain_date(struct span text)
{
    static const char pattern[] = "'0000-00-00";
    size_t n = sizeof pattern - 1;
    bool fits = text.len > n && is_plain_text(text);
    for (size_t i = 0; fits && i < n; i++)
        fits = pattern[i] == '0' ? is_digit(text.ptr[i]) : text.ptr[i] == pattern[i];
    return fits && memcmp(text.ptr + 1, "0000", 4) != 0 && memcmp(text.ptr + 6, "00", 2) != 0 &&
           memcmp(text.ptr + 9, "00", 2) != 0;
}

static bool type_begins(struct span type, const char *word)
{
    return span_ieq((struct span){type.ptr, type.len < strlen(word) ? type.len : strlen(word)},
                    span_of(word));
}

/* "(3)" of datetime(3) */
static struct span type_arguments(struct span type)
{
    const char *open = memchr(type.ptr, '(', type.len);
    return open ? (struct span){open, type.len - (size_t)(open - type.ptr)} : SPAN("");
}

static void add_text(struct builder *b, const struct catalog_column *c)
{
    builder_add(b, SPAN("(CAST(_utf8mb4"));
    builder_add(b, c->default_text);
    builder_add(b, SPAN(" AS CHAR CHARACTER SET "));
    builder_add(b, c->charset);
    builder_add(b, SPAN(") COLLATE "));
    builder_add(b, c->collation);
    builder_add(b, SPAN(")"));
}

static void add_date(struct builder *b, const struct catalog_column *c)
{
    builder_add(b, SPAN("CAST(_utf8mb4"));
    builder_add(b, c->default_text);
    builder_add(b, type_begins(c->type, "datetime") ? SPAN(" AS DATETIME") : SPAN(" AS DATE"));
    builder_add(b, type_arguments(c->type));
    builder_add(b, SPAN(")"));
}

bool constant_default(struct plan *p, const struct catalog_column *c, struct fragment *out)
{
    struct builder b = {.arena = p->arena};
    if (!c || c->auto_increment || c->default_text.len == 0)
        return false;
    bool numeric = c->class == COLUMN_INTEGER || c->class == COLUMN_DECIMAL;
    bool date = type_begins(c->type, "date"); /* and DATETIME */
    if (span_ieq(c->default_text, SPAN("NULL"))) {
        builder_add(&b, c->default_text);
    } else if (numeric && is_plain_number(c->default_text)) {
        builder_add(&b, SPAN("("));
        builder_add(&b, c->default_text);
        builder_add(&b, SPAN(")"));
    } else if (c->class == COLUMN_STRING && is_plain_text(c->default_text) && c->charset.len &&
               c->collation.len) {
        add_text(&b, c);
    } else if (date && is_plain_date(c->default_text)) {
        add_date(&b, c);
    } else {
        return false;
    }
    *out = builder_done(&b);
    return true;
}
