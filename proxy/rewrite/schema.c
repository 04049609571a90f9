/* Reads CREATE TABLE text, token by token: names, types and the attributes that the rewriter asks for.
 *
 *     CREATE TABLE [db.]t ( column type attributes , … , KEY … ) options
 *
 * PRIMARY KEY at the end makes its columns NOT NULL; DEFAULT CHARSET at the end is that of its strings. */
#include "proxy/rewrite/schema.h"

#include <stdio.h>
#include <stdlib.h>

#include "proxy/sql/lexer.h"

enum { MAX_COLUMNS = 4096 };

struct reader {
    struct catalog *catalog;
    struct lexer lexer;
    struct token token;
    struct span text;
    struct arena *arena;
    struct catalog_column *columns; /* of the table being read */
    bool *charset_given;
    size_t count;
    char *error;
    size_t error_size;
};

static struct span token_text(const struct reader *r)
{
    return (struct span){r->text.ptr + r->token.off, r->token.len};
}

static void next(struct reader *r)
{
    r->token = lex_next_significant(&r->lexer);
}

static bool at_word(const struct reader *r, const char *word)
{
    return r->token.type == TOK_WORD && span_ieq(token_text(r), span_of(word));
}

static bool accept_word(struct reader *r, const char *word)
{
    bool found = at_word(r, word);
    if (found)
        next(r);
    return found;
}

static bool accept_char(struct reader *r, char c)
{
    bool found = r->token.type == (unsigned char)c;
    if (found)
        next(r);
    return found;
}

static bool at_end(const struct reader *r)
{
    return r->token.type == TOK_END || r->token.type == TOK_BAD || r->token.type == ';';
}

/* A name, its quotes undone. */
static struct span take_name(struct reader *r)
{
    struct span name = token_text(r);
    if (r->token.type == TOK_QUOTED && name.len >= 2) {
        char quote = name.ptr[0];
        char *copy = arena_alloc(r->arena, name.len);
        size_t len = 0;
        for (size_t i = 1; i + 1 < name.len && !arena_failed(r->arena); i++) {
            copy[len++] = name.ptr[i];
            i += name.ptr[i] == quote;
        }
        name = (struct span){copy, len};
    }
    next(r);
    return name;
}

/* Behind '(': up to its ')'. */
static void skip_parens(struct reader *r)
{
    for (unsigned depth = 1; depth && !at_end(r); next(r)) {
        depth += r->token.type == '(';
        depth -= r->token.type == ')';
    }
}

static void skip_to_comma(struct reader *r)
{
    while (!at_end(r) && r->token.type != ',' && r->token.type != ')') {
        bool open = r->token.type == '(';
        next(r);
        if (open)
            skip_parens(r);
    }
}

static void set_charset(struct reader *r, struct catalog_column *c)
{
    c->charset = token_text(r);
    r->charset_given[r->count] = true;
    next(r);
}

/* The expression of DEFAULT or ON UPDATE. */
static void read_default(struct reader *r, struct catalog_column *c)
{
    bool call =
        r->token.type == TOK_WORD && !at_word(r, "null") && !at_word(r, "true") && !at_word(r, "false");
    bool minus = accept_char(r, '-') || accept_char(r, '+');
    c->has_default = true;
    c->default_is_expression = !minus && (call || r->token.type == '(');
    bool open = r->token.type == '(';
    if (!minus && !c->default_is_expression)
        c->default_text = token_text(r);
    next(r);
    if (open || accept_char(r, '('))
        skip_parens(r);
}

/* One attribute of a column. */
static void read_attribute(struct reader *r, struct catalog_column *c)
{
    if (accept_word(r, "not")) {
        c->nullable = c->nullable && !accept_word(r, "null");
    } else if (accept_word(r, "invisible")) {
        c->invisible = true;
    } else if (accept_word(r, "auto_increment")) {
        c->auto_increment = true;
    } else if (accept_word(r, "primary")) {
        c->nullable = false;
        c->primary = true;
    } else if (accept_word(r, "default")) {
        read_default(r, c);
    } else if (accept_word(r, "charset")) {
        set_charset(r, c);
    } else if (accept_word(r, "character")) {
        accept_word(r, "set");
        set_charset(r, c);
    } else if (accept_word(r, "collate")) {
        c->collation = token_text(r);
        next(r);
    } else if (accept_word(r, "as") || accept_word(r, "generated")) {
        c->generated = true;
    } else if (accept_word(r, "on")) {
        c->on_update_now = c->on_update_now || at_word(r, "update");
        next(r);
    } else {
        bool open = r->token.type == '(';
        next(r);
        if (open)
            skip_parens(r);
    }
}

/* "varchar(60)", "int(11) unsigned" … in lower case. */
static struct span read_type(struct reader *r)
{
    uint32_t from = r->token.off, to = from + r->token.len;
    next(r);
    if (r->token.type == '(') {
        next(r);
        while (!at_end(r) && r->token.type != ')')
            next(r);
        to = r->token.off + r->token.len;
        next(r);
    }
    while (at_word(r, "unsigned") || at_word(r, "zerofill") || at_word(r, "precision")) {
        to = r->token.off + r->token.len;
        next(r);
    }
    char *copy = arena_alloc(r->arena, to - from + 1);
    for (uint32_t i = from; i < to && !arena_failed(r->arena); i++)
        copy[i - from] = (char)ascii_lower((unsigned char)r->text.ptr[i]);
    return (struct span){copy, to - from};
}

static void read_column(struct reader *r)
{
    struct catalog_column c = {.name = take_name(r), .nullable = true};
    if (r->count == MAX_COLUMNS || at_end(r))
        return;
    c.type = read_type(r);
    c.class = column_class_of(c.type);
    while (!at_end(r) && r->token.type != ',' && r->token.type != ')')
        read_attribute(r, &c);
    if (!c.has_default && c.nullable && !c.generated) {
        c.has_default = true;
        c.default_text = SPAN("NULL");
    }
    r->columns[r->count++] = c;
}

/* PRIMARY KEY (a, b): none of them is ever NULL. */
static void read_primary_key(struct reader *r)
{
    while (!at_end(r) && !accept_char(r, '('))
        next(r);
    while (!at_end(r) && r->token.type != ')') {
        struct span name = take_name(r);
        for (size_t i = 0; i < r->count; i++)
            if (span_ieq(r->columns[i].name, name)) {
                r->columns[i].nullable = false;
                r->columns[i].primary = true;
            }
    }
    accept_char(r, ')');
    skip_to_comma(r);
}

static void read_definition(struct reader *r)
{
    static const char *const others[] = {"key",   "index",    "unique",  "constraint", "foreign",
                                         "check", "fulltext", "spatial", "period",     "like"};
    if (at_word(r, "primary")) {
        read_primary_key(r);
        return;
    }
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++)
        if (at_word(r, others[i])) {
            while (!at_end(r) && r->token.type != ',' && r->token.type != ')' && !at_word(r, "primary"))
                if (accept_char(r, '('))
                    skip_parens(r);
                else
                    next(r);
            if (at_word(r, "primary"))
                read_primary_key(r);
            return;
        }
    read_column(r);
}

/* Table options: the default character set of the strings that name none. */
static void read_options(struct reader *r)
{
    struct span charset = SPAN("utf8mb4"), collation = {"", 0};
    while (!at_end(r)) {
        if (accept_word(r, "charset") || (accept_word(r, "character") && accept_word(r, "set"))) {
            accept_char(r, '=');
            charset = token_text(r);
        } else if (accept_word(r, "collate")) {
            accept_char(r, '=');
            collation = token_text(r);
        }
        next(r);
    }
    for (size_t i = 0; i < r->count; i++) {
        struct catalog_column *c = &r->columns[i];
        if (c->class != COLUMN_STRING && c->class != COLUMN_ENUM)
            continue;
        if (!r->charset_given[i] && c->collation.len == 0)
            c->collation = collation;
        if (!r->charset_given[i])
            c->charset = charset;
    }
}

static bool read_table(struct reader *r, struct span database)
{
    struct span name;
    if (accept_word(r, "if")) {
        accept_word(r, "not");
        accept_word(r, "exists");
    }
    name = take_name(r);
    if (accept_char(r, '.')) {
        database = name;
        name = take_name(r);
    }
    if (!accept_char(r, '(')) {
        snprintf(r->error, r->error_size, "CREATE TABLE %.*s: the columns are missing", (int)name.len,
                 name.ptr);
        return false;
    }
    r->count = 0;
    memset(r->charset_given, 0, MAX_COLUMNS * sizeof *r->charset_given);
    do
        read_definition(r);
    while (accept_char(r, ','));
    if (!accept_char(r, ')')) {
        snprintf(r->error, r->error_size, "CREATE TABLE %.*s: not understood near \"%.20s\"", (int)name.len,
                 name.ptr, r->token.type == TOK_END ? "" : r->text.ptr + r->token.off);
        return false;
    }
    read_options(r);
    catalog_add_table(r->catalog, database, name, false);
    for (size_t i = 0; i < r->count; i++)
        catalog_add_column(r->catalog, &r->columns[i]);
    return true;
}

static bool read_statements(struct reader *r, struct span database)
{
    bool ok = true;
    next(r);
    while (ok && r->token.type != TOK_END && r->token.type != TOK_BAD) {
        if (accept_word(r, "use")) {
            database = take_name(r);
        } else if (accept_word(r, "create")) {
            if (accept_word(r, "or"))
                accept_word(r, "replace");
            if (accept_word(r, "table"))
                ok = read_table(r, database);
        }
        while (!at_end(r))
            next(r);
        accept_char(r, ';');
    }
    if (ok && r->token.type == TOK_BAD) {
        snprintf(r->error, r->error_size, "the schema has an unterminated string or comment");
        ok = false;
    }
    return ok;
}

bool schema_read(struct catalog *c, const struct sql_dialect *dialect, struct span text, struct span database,
                 char *error, size_t error_size)
{
    struct reader r = {.catalog = c, .text = text, .error = error, .error_size = error_size};
    r.arena = arena_new((size_t)64 * 1024 * 1024);
    r.columns = calloc(MAX_COLUMNS, sizeof *r.columns);
    r.charset_given = calloc(MAX_COLUMNS, sizeof *r.charset_given);
    bool ok = r.arena && r.columns && r.charset_given;
    snprintf(error, error_size, "out of memory");
    if (ok) {
        lex_init(&r.lexer, dialect, text);
        ok = read_statements(&r, database);
    }
    arena_free(r.arena);
    free(r.columns);
    free(r.charset_given);
    return ok;
}
