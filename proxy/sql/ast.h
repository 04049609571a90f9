/* The syntax tree of one statement.
 *
 * It is made to be rewritten by: every node knows the bytes that it came from (a range of the statement's
 * text), names know their text and their range apart, and nothing is normalised away. It is never printed
 * again. Expressions are one uniform node with a list of operands: what the rewriter must tell apart (a
 * column, a subquery, a function's name, a marker) has its own fields, everything else is an operator with
 * children, so that a walk over all of them needs no knowledge of SQL.
 *
 *     stmt ── insert/update/delete/load/query …
 *              └─ query ── with, body (select | set operation | values | table | parenthesised query)
 *                           └─ select ── items, from (table_ref tree), where, group, having, order …
 *                                          └─ expr ── operands (expr list), query (subquery)
 *
 * What is not in the tree: collations, character sets and types (CAST), units, the columns of JSON_TABLE,
 * names of partitions, indexes, periods and windows in OVER, FOR and OF clauses. No expression is left out.
 *
 * Within an executable comment ranges are offsets as everywhere; a node may begin in one and end behind it.
 *
 * All nodes live in the arena that the parser was given. */
#ifndef PROXY_SQL_AST_H
#define PROXY_SQL_AST_H

#include "protocol/span.h"

/* Bytes [off, off + len) of the statement's text. */
struct range {
    uint32_t off, len;
};

static inline uint32_t range_end(struct range r)
{
    return r.off + r.len;
}

/* The smallest range that covers both. */
static inline struct range range_join(struct range a, struct range b)
{
    uint32_t end = range_end(b) > range_end(a) ? range_end(b) : range_end(a);
    uint32_t off = a.off < b.off ? a.off : b.off;
    return (struct range){off, end - off};
}

/* An identifier: as it stands in the text (`range`, with its quotes) and what it says (`text`, unquoted;
 * it points into the statement where nothing had to be undone, else into the arena). text.ptr is NULL
 * where a name is absent. */
struct name {
    struct range range;
    struct span text;
    bool quoted;
};

static inline bool name_given(const struct name *n)
{
    return n->text.ptr != NULL;
}

struct name_list {
    struct name name;
    struct name_list *next;
};

/* [db.]table */
struct table_name {
    struct name db, table;
    struct range range;
};

enum expr_kind {
    EXPR_LITERAL,  /* number, string (adjacent ones too), hex, bit, NULL, TRUE, FALSE, DATE '…' */
    EXPR_PARAM,    /* ? ; param = its index in the statement, from 0 */
    EXPR_COLUMN,   /* [[db.]table.]column */
    EXPR_STAR,     /* * or [db.]table.* (select items, COUNT(*)) */
    EXPR_USER_VAR, /* @name, @'name' */
    EXPR_SYS_VAR,  /* @@[scope.]name: name; the scope in table; in SET also without @@ */
    EXPR_FUNC, /* name(args), also keyword functions (CAST, TRIM(… FROM …), EXTRACT, CURRENT_TIMESTAMP) */
    EXPR_OP,   /* any operator; op tells which where it matters; operands in args. A chain of one operator
                  that groups from the left (a + b + c, a AND b AND c) is one node with all its operands */
    EXPR_CASE, /* all its parts, in order, in args */
    EXPR_PAREN,      /* ( one expression ) */
    EXPR_ROW,        /* (a, b, …) and ROW(a, b, …) */
    EXPR_SUBQUERY,   /* ( query ) as a value */
    EXPR_EXISTS,     /* EXISTS ( query ) */
    EXPR_DEFAULT,    /* DEFAULT alone: a value of INSERT or SET */
    EXPR_DEFAULT_OF, /* DEFAULT(column): the column is args */
    EXPR_VALUES_OF,  /* VALUES(column) or VALUE(column) in ON DUPLICATE KEY UPDATE: the column is args */
    EXPR_ASSIGN,     /* @v := e */
    EXPR_MATCH,      /* MATCH (columns) AGAINST (e): the columns, then e, in args */
    EXPR_INTERVAL,   /* INTERVAL e unit */
    /* NEXT VALUE FOR s, PREVIOUS VALUE FOR s: the sequence is db and name. NEXTVAL(s), LASTVAL(s), SETVAL(s,
     * …): name is the function's, the sequence is the first of args, as a column. */
    EXPR_SEQUENCE,
};

/* Operators that the rewriter tells apart; the rest are OP_OTHER. */
enum expr_op {
    OP_OTHER,
    OP_AND,
    OP_OR,
    OP_XOR,
    OP_NOT,
    OP_EQ,
    OP_NULLSAFE_EQ,
    OP_NE,
    OP_LT,
    OP_LE,
    OP_GT,
    OP_GE,
    OP_BETWEEN, /* args: value, low, high; negated for NOT BETWEEN */
    OP_IN,      /* args: value, then the list; or value with the subquery in `query`; negated */
    OP_LIKE,
    OP_REGEXP,
    OP_IS,         /* IS [NOT] NULL / TRUE / FALSE / UNKNOWN: args: value */
    OP_QUANTIFIED, /* value <op> ANY/ALL/SOME (query): args: value; query */
    OP_PIPES,      /* ||: OR, or a concatenation under PIPES_AS_CONCAT */
    OP_PLUS,
    OP_MINUS,
    OP_MUL,
    OP_DIV,
    OP_NEGATE,    /* unary - */
    OP_POSITIVE,  /* unary + */
    OP_COLLATE,   /* e COLLATE name, BINARY e */
    OP_JSON,      /* column -> path */
    OP_JSON_TEXT, /* column ->> path */
};

struct expr {
    enum expr_kind kind;
    enum expr_op op;     /* EXPR_OP */
    bool negated;        /* NOT IN, NOT LIKE, NOT BETWEEN, IS NOT, NOT EXISTS */
    bool null_literal;   /* EXPR_LITERAL: the word NULL */
    bool distinct;       /* EXPR_FUNC: aggregate with DISTINCT */
    bool windowed;       /* EXPR_FUNC: has an OVER clause (its parts are in `window`) */
    bool has_query;      /* a subquery is somewhere below (or is this) */
    bool sorts_window;   /* stands in the ORDER BY of a window, or of WITHIN GROUP */
    uint16_t height;     /* of the tree below, subqueries included; bounded, so that walks may recurse */
    struct range range;  /* all of it, from its first token to its last */
    uint32_t param;      /* EXPR_PARAM */
    struct expr *args;   /* operands, in text order */
    struct expr *window; /* OVER (…): PARTITION BY and ORDER BY expressions, in text order */
    struct query *query; /* subquery */
    struct expr *next;   /* next operand of the parent, or next of a list */
    /* From here on not for EXPR_LITERAL, which is allocated without (a large INSERT has little else).
     * COLUMN, STAR: the parts given. FUNC: [db.]name in db and name. Variables: name. */
    struct name db, table, name;
};

enum table_ref_kind {
    TABLE_NAMED,    /* [db.]name [PARTITION (…)] [FOR SYSTEM_TIME …] [[AS] alias] [index hints] */
    TABLE_DERIVED,  /* [LATERAL] ( query ) [AS] alias [(columns)] */
    TABLE_JOIN,     /* left … JOIN right [ON e | USING (columns)] */
    TABLE_PAREN,    /* ( table references ), { OJ … } : children in left, linked by next */
    TABLE_FUNCTION, /* JSON_TABLE(…) AS alias */
};

enum join_type { JOIN_INNER, JOIN_LEFT, JOIN_RIGHT, JOIN_STRAIGHT };

struct table_ref {
    enum table_ref_kind kind;
    struct range range;     /* all of it, hints and alias included */
    struct table_name name; /* TABLE_NAMED */
    struct name alias;
    struct name_list *columns; /* TABLE_DERIVED: alias(columns) */
    struct query *query;       /* TABLE_DERIVED */
    bool lateral;
    struct expr *exprs;   /* FOR SYSTEM_TIME bounds; JSON_TABLE's arguments */
    bool system_time;     /* FOR SYSTEM_TIME was given */
    bool portion;         /* FOR PORTION OF was given (UPDATE, DELETE) */
    struct range clauses; /* TABLE_NAMED: from the first to the last of PARTITION, FOR SYSTEM_TIME and hints;
                             an alias between two of them lies within. May be empty */
    enum join_type join;  /* TABLE_JOIN */
    bool natural;
    struct table_ref *left, *right;
    struct expr *on;
    struct name_list *using;
    struct table_ref *next; /* next of a comma list */
};

struct select_item {
    struct range range; /* with its alias */
    struct expr *expr;
    struct name alias; /* also a string alias: 'x' */
    struct select_item *next;
};

struct order_item {
    struct expr *expr; /* ASC / DESC is not part of it */
    struct order_item *next;
};

/* name [(columns)] AS ( query ) [CYCLE …] */
struct cte {
    struct name name;
    struct name_list *columns;
    struct query *query;
    struct cte *next;
};

struct with {
    bool recursive;
    struct range range;
    struct cte *ctes;
};

/* WINDOW name AS (…): the expressions within. */
struct named_window {
    struct name name;
    struct expr *exprs;
    struct named_window *next;
};

struct select {
    struct range range;   /* SELECT … up to the end of its own clauses */
    struct range options; /* DISTINCT, SQL_CALC_FOUND_ROWS, HIGH_PRIORITY …; may be empty */
    bool distinct;
    struct select_item *items;
    struct range items_range;
    struct table_ref *from;  /* comma list; NULL without FROM */
    struct range from_range; /* the table references, without the word FROM */
    struct expr *where;
    struct order_item *group;
    bool rollup;
    struct expr *having;
    struct named_window *windows;
    struct expr *qualify; /* MySQL 9 */
};

enum query_body_kind {
    BODY_SELECT,
    BODY_VALUES, /* VALUES (…), (…) / VALUES ROW(…): rows */
    BODY_TABLE,  /* TABLE t (MySQL 8.0.19) */
    BODY_SETOP,  /* left UNION | INTERSECT | EXCEPT [ALL] right */
    BODY_PAREN,  /* ( query ) */
};

struct query_body {
    enum query_body_kind kind;
    struct range range;
    struct select *select;   /* BODY_TABLE: what it stands for, SELECT * FROM t; its star is the word TABLE */
    struct expr *rows;       /* BODY_VALUES: EXPR_ROW list */
    struct table_name table; /* BODY_TABLE */
    struct query_body *left, *right;
    struct query *query; /* BODY_PAREN */
};

enum select_lock { LOCK_NONE, LOCK_SHARE, LOCK_UPDATE };

/* [WITH …] body [ORDER BY …] [LIMIT …] [INTO …] [FOR UPDATE …]. ORDER BY and LIMIT of a plain select are
 * here too. */
struct query {
    struct range range;
    struct with *with;
    struct query_body *body;
    struct order_item *order;
    struct expr *limit; /* its one or two operands, as a list */
    enum select_lock lock;
    struct name_list *lock_of; /* FOR UPDATE OF a, b */
    struct range into;         /* INTO OUTFILE / DUMPFILE / @v …; empty without */
};

/* column = value, in SET lists */
struct assignment {
    struct range range;
    struct expr *column; /* EXPR_COLUMN; LOAD DATA: or EXPR_USER_VAR on the left of nothing */
    struct expr *value;
    struct assignment *next;
};

/* One row of VALUES: the expressions between its parentheses. Or a run of rows of plain literals, which have
 * no nodes (a large INSERT has little else); value_rows_apart() gives each a value_row of its own. */
struct value_row {
    struct range range; /* with the parentheses; of a run from its first row's to its last row's */
    uint32_t count;     /* values, of each row */
    struct expr *values;
    uint32_t run;         /* 0: one row; else how many rows the run has */
    const uint32_t *ends; /* of a run: where each value ends, row by row */
    struct value_row *next;
};

enum insert_form { INSERT_VALUES, INSERT_SET, INSERT_QUERY };

struct insert_stmt {
    bool replace, ignore;
    struct table_name table;
    struct name alias;          /* MariaDB has none here; kept for MySQL's row alias see below */
    struct range partition;     /* empty without */
    bool has_columns;           /* a list was given, even an empty one */
    struct range columns_range; /* with its parentheses */
    struct expr *columns;       /* EXPR_COLUMN list */
    enum insert_form form;
    struct range values_range; /* the rows, from the first '(' to the last ')' */
    struct value_row *rows;    /* INSERT_VALUES */
    uint32_t row_count;
    struct assignment *set; /* INSERT_SET */
    struct query *query;    /* INSERT_QUERY */
    struct name row_alias;  /* AS new [(columns)] */
    struct name_list *row_alias_columns;
    struct assignment *on_duplicate;
    struct range on_duplicate_range; /* the assignments */
    struct select_item *returning;
};

struct update_stmt {
    struct with *with;
    bool ignore;
    struct table_ref *tables; /* one TABLE_NAMED without next: the single-table form */
    bool multi;               /* several tables, a join or a derived table */
    struct assignment *set;
    struct range set_range; /* the assignments */
    struct expr *where;
    struct order_item *order;
    struct expr *limit;
    struct select_item *returning;
};

struct delete_stmt {
    struct with *with;
    bool ignore;
    bool multi;                      /* DELETE a, b FROM … / DELETE FROM a USING … */
    bool history;                    /* DELETE HISTORY */
    struct table_name_list *targets; /* multi only; each names a table or an alias of `tables` */
    struct table_ref *tables;
    struct expr *where;
    struct order_item *order;
    struct expr *limit;
    struct expr *before; /* DELETE HISTORY … BEFORE SYSTEM_TIME */
    struct select_item *returning;
};

struct table_name_list {
    struct table_name name; /* in a multi-table DELETE: with an optional .* in its range */
    struct table_name_list *next;
};

struct load_stmt {
    bool xml, local, replace, ignore;
    struct table_name table;
    bool has_columns;
    struct range columns_range; /* with its parentheses; empty without */
    struct expr *columns;       /* EXPR_COLUMN and EXPR_USER_VAR list */
    struct assignment *set;
    struct range set_range; /* the assignments; empty without SET */
    uint32_t insert_at;     /* where a column list, and then SET, would be added: behind the options and the
                               column list,     before SET where there is one */
};

/* What a statement is; everything that is not DML or a query is classified only, with the tables that it
 * names in `tables` where it names some. */
enum stmt_kind {
    STMT_EMPTY,  /* nothing, or comments only */
    STMT_QUERY,  /* SELECT, WITH, VALUES, TABLE, ( … ) */
    STMT_INSERT, /* and REPLACE */
    STMT_UPDATE,
    STMT_DELETE,
    STMT_LOAD, /* LOAD DATA, LOAD XML */
    STMT_DO,   /* DO expr, … : exprs */
    STMT_CALL, /* CALL p(…): exprs, tables = the procedure's name */
    /* SET …: exprs are EXPR_ASSIGN of EXPR_SYS_VAR or EXPR_USER_VAR and the value; a bare word (ON, utf8) is
     * a literal. NAMES x and CHARACTER SET x are assignments to a variable of that name. SET PASSWORD, ROLE
     * and TRANSACTION have none. set_statement of SET STATEMENT … FOR has the same form. */
    STMT_SET,
    STMT_USE,               /* USE db: name */
    STMT_PREPARE,           /* PREPARE name FROM text: name, exprs */
    STMT_EXECUTE,           /* EXECUTE name [USING …]: name, exprs */
    STMT_EXECUTE_IMMEDIATE, /* exprs: the text, then those of USING */
    STMT_DEALLOCATE,        /* name */
    STMT_TRANSACTION,       /* BEGIN, START TRANSACTION, COMMIT, ROLLBACK, SAVEPOINT, XA … */
    STMT_LOCK,              /* LOCK TABLES, UNLOCK TABLES, FLUSH TABLES … WITH READ LOCK: tables */
    STMT_TRUNCATE,          /* tables */
    STMT_CREATE_TABLE, /* [TEMPORARY]: tables: the new one, and those of LIKE, UNION; query for … SELECT */
    STMT_DROP_TABLE,   /* [TEMPORARY]: tables */
    STMT_ALTER_TABLE,  /* tables */
    STMT_RENAME_TABLE, /* tables: from, to, from, to … */
    STMT_CREATE_VIEW,  /* tables = the view; query */
    STMT_CREATE_TRIGGER, /* tables = the table that it is on */
    STMT_CREATE_ROUTINE, /* procedure, function, event, package: the body is not parsed */
    STMT_CREATE_INDEX,   /* and DROP INDEX: tables */
    STMT_DROP_DATABASE,  /* and CREATE OR REPLACE DATABASE: name */
    STMT_DDL_OTHER,      /* tables: of DROP VIEW and sequences; name: of CREATE and ALTER DATABASE */
    STMT_SHOW,           /* SHOW, DESCRIBE, DESC, HELP: tables */
    STMT_HANDLER,        /* tables */
    STMT_ADMIN,    /* ANALYZE, CHECK, OPTIMIZE, REPAIR, FLUSH, RESET, KILL (exprs), GRANT, … : tables */
    STMT_COMPOUND, /* BEGIN NOT ATOMIC, IF, CASE, LOOP … outside of a routine: the body is not parsed */
    STMT_OTHER,    /* a first word that is not known */
};

struct stmt {
    enum stmt_kind kind;
    struct range range;         /* without the ';', without leading and trailing comments and blanks */
    bool has_executable;        /* an executable comment is in it, or around it */
    bool explain;               /* EXPLAIN, DESCRIBE or ANALYZE in front of it */
    bool temporary;             /* CREATE / DROP TEMPORARY TABLE */
    bool replaces;              /* CREATE OR REPLACE */
    bool merges;                /* CREATE / ALTER TABLE … UNION = (…), of ENGINE = MERGE */
    struct expr *set_statement; /* SET STATEMENT a = e, … FOR: the values */
    bool has_set_statement;
    uint32_t param_count; /* markers in it */
    struct name name;
    struct table_name_list *tables;
    struct expr *exprs;
    struct query *query; /* STMT_QUERY, CREATE … SELECT, CREATE VIEW */
    union {
        struct insert_stmt *insert;
        struct update_stmt *update;
        struct delete_stmt *del;
        struct load_stmt *load;
    };
};

#endif
