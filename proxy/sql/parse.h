/* What the parser's files share: the state of one parse, the stream of significant tokens, and the grammar's
 * entry points by file. Not for use outside of proxy/sql.
 *
 * Errors are sticky: the first one is kept, and from then on the current token is TOK_END for good. No list
 * or loop goes on at TOK_END, so every function can return a node (never NULL) without checking, and the
 * statement's status is looked at once, by parse_statement(). */
#ifndef PROXY_SQL_PARSE_H
#define PROXY_SQL_PARSE_H

#include "proxy/sql/keywords.h"
#include "proxy/sql/lexer.h"

struct parser {
    struct arena *arena;
    const struct sql_dialect *dialect;
    struct lexer lx;
    struct token tok;                    /* the current token, never blank or comment */
    enum keyword kw;                     /* of the current token; KW_NONE for what is no keyword */
    uint32_t prev_end;                   /* the end of the token before it */
    unsigned depth;                      /* of nested expressions, queries and parentheses */
    unsigned peak;                       /* the tallest expression of the query that is being parsed */
    uint32_t params;                     /* markers so far */
    bool on_duplicate;                   /* VALUES (…) is the function, not a table value constructor */
    struct range into;                   /* an INTO clause that the current query's select has met */
    struct table_name_list **tables_end; /* where the statement's next table goes; NULL: the first one */
    enum parse_status status;
    struct parse_error error;
};

/* Where a parse can be taken up again. */
struct parse_mark {
    struct lexer lx;
    struct token tok;
    enum keyword kw;
    uint32_t prev_end, params;
};

/* parser.c: the stream */
void p_advance(struct parser *p);
struct token p_peek(const struct parser *p);    /* the token behind the current one */
enum keyword p_peek_kw(const struct parser *p); /* and its keyword */
bool p_peek_paren(const struct parser *p);      /* whether it is '(' */
struct parse_mark p_mark(const struct parser *p);
void p_rewind(struct parser *p, const struct parse_mark *m);
__attribute__((cold)) void p_fail(struct parser *p, enum parse_status status, const char *message);
void *p_alloc(struct parser *p, size_t size);
#define p_new(p, type) ((type *)p_alloc((p), sizeof(type)))

/* One level deeper; false (and failed) when too deep; pair with p_leave. */
static inline bool p_enter(struct parser *p)
{
    if (++p->depth > PARSE_MAX_DEPTH)
        p_fail(p, PARSE_TOO_DEEP, "nested too deeply");
    return p->status == PARSE_OK;
}

static inline void p_leave(struct parser *p)
{
    p->depth--;
}

static inline bool p_at(const struct parser *p, unsigned type)
{
    return p->tok.type == type;
}

static inline bool p_at_kw(const struct parser *p, enum keyword kw)
{
    return p->kw == kw;
}

static inline bool p_accept(struct parser *p, unsigned type)
{
    if (p->tok.type != type)
        return false;
    p_advance(p);
    return true;
}

static inline bool p_accept_kw(struct parser *p, enum keyword kw)
{
    if (p->kw != kw)
        return false;
    p_advance(p);
    return true;
}

void p_expect(struct parser *p, unsigned type, const char *message);
void p_expect_kw(struct parser *p, enum keyword kw, const char *message);
bool p_at_word(const struct parser *p, const char *word); /* a word, keyword or not, in any letter case */

/* The current token's bytes. */
static inline struct span p_text(const struct parser *p)
{
    return (struct span){p->lx.text + p->tok.off, p->tok.len};
}

static inline struct range p_since(const struct parser *p, uint32_t off)
{
    return (struct range){off, p->prev_end > off ? p->prev_end - off : 0};
}

/* parser.c: names */
bool p_at_name(const struct parser *p);              /* a name that needs no quotes, or has them */
bool p_at_alias(const struct parser *p);             /* a name that may be an alias without AS */
void p_name(struct parser *p, struct name *out);     /* p_at_name() or an error */
void p_any_name(struct parser *p, struct name *out); /* behind a dot or @@: reserved words too */
void p_name_or_string(struct parser *p, struct name *out);
struct name_list *p_name_list(struct parser *p); /* ( name, … ), with the parentheses */
void p_table_name(struct parser *p, struct table_name *out);
void p_skip_parens(struct parser *p); /* ( … ), balanced */
void p_skip_type(struct parser *p);   /* up to ',' or ')' of this level */

/* parser_expr.c */
struct expr *p_expr(struct parser *p);
struct expr *p_expr_from(struct parser *p, struct expr *first); /* one whose first primary is parsed */
struct expr *p_bit_expr(struct parser *p); /* no comparison, predicate or logic outside parentheses */
struct expr *p_primary(struct parser *p);
struct expr *p_expr_new(struct parser *p, enum expr_kind kind);
void p_expr_done(struct parser *p, struct expr *e); /* its range ends behind the last token */
struct expr_tail {
    struct expr *owner; /* learns of has_query and height; NULL for a free list */
    struct expr **at;
};
void p_operand(struct parser *p, struct expr_tail *t, struct expr *e);
struct expr *p_column(struct parser *p); /* [[db.]table.]column */
struct expr *p_expr_or_default(struct parser *p);
struct assignment *p_assignments(struct parser *p, struct range *range);
struct order_item *p_order_list(struct parser *p);
struct expr *p_expr_list(struct parser *p); /* e, … ; DEFAULT and IGNORE too (EXECUTE … USING) */

/* parser_call.c */
struct expr *p_call(struct parser *p, struct expr *e);     /* at '(': e has the function's names and offset */
struct expr *p_keyword_primary(struct parser *p);          /* NULL where the current word is a plain name */
void p_window_spec(struct parser *p, struct expr_tail *t); /* ( … ) of OVER or WINDOW */

/* parser_query.c */
struct query *p_query(struct parser *p);
struct query *p_query_with(struct parser *p, struct with *with, uint32_t off);
struct query *p_query_after_paren(struct parser *p, struct query *inner, struct range parens);
struct query *p_query_in_parens(struct parser *p, struct range *range); /* at '(', which holds a query */
struct with *p_with(struct parser *p);
bool p_at_query(const struct parser *p);      /* SELECT, WITH, VALUES, TABLE */
bool p_at_query_tail(const struct parser *p); /* what can only go on with a query in parentheses */
struct select_item *p_select_items(struct parser *p);
struct expr *p_limit(struct parser *p);

/* parser_from.c */
struct table_ref *p_table_refs(struct parser *p); /* comma list */

/* parser_rows.c */
void p_value_rows(struct parser *p, struct insert_stmt *ins); /* behind VALUES */

/* parser_dml.c */
void p_insert(struct parser *p, struct stmt *s);
void p_update(struct parser *p, struct stmt *s, struct with *with);
void p_delete(struct parser *p, struct stmt *s, struct with *with);
void p_load(struct parser *p, struct stmt *s);

/* parser_stmt.c */
void p_statement(struct parser *p, struct stmt *s);
void p_add_table(struct parser *p, struct stmt *s);  /* the table name at the current token */
void p_add_tables(struct parser *p, struct stmt *s); /* a comma list of them */
void p_skip_rest(struct parser *p);                  /* up to the ';' */
void p_if_exists(struct parser *p);                  /* [IF [NOT] EXISTS] */

/* parser_ddl.c: at CREATE, ALTER, DROP, RENAME */
void p_create(struct parser *p, struct stmt *s);
void p_alter(struct parser *p, struct stmt *s);
void p_drop(struct parser *p, struct stmt *s);
void p_rename(struct parser *p, struct stmt *s);

/* parser_body.c */
void p_skip_body(struct parser *p, bool header);
bool p_at_compound(const struct parser *p);

#endif
