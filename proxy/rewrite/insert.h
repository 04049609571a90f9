/* INSERT and REPLACE, in two files: insert.c has the statement, insert_select.c the rows that a query gives.
 */
#ifndef PROXY_REWRITE_INSERT_H
#define PROXY_REWRITE_INSERT_H

#include "proxy/rewrite/plan.h"

/* What one rule adds. */
struct addition {
    const struct rule *rule;
    enum writes writes;
    uint32_t behind;     /* place in the list; NOWHERE: at its end */
    struct span columns; /* ", `new`": for the list */
    struct span values;  /* ", f(`old`)": for every row */
    struct span set;     /* ", `new` = f(`old`)" */
};

struct insert_plan {
    struct plan *p;
    const struct insert_stmt *i;
    struct source *target;
    struct scope *scope; /* the target alone */
    struct column_list list;
    bool implied;               /* the list is the catalog's, not the statement's */
    struct addition *additions; /* room for one of each rule of the target */
    uint32_t count;
    const struct value_row *rows;   /* one by one where they are computed first; else with runs */
    const struct row_text *in_runs; /* the additions' values by place, for rows of `in_runs_of` values */
    uint32_t in_run_count, in_runs_of;
    size_t defaults; /* how many of the table's columns were looked at for add_default() */
    struct reader *readers;
};

/* A value with a subquery that reads the target's table. */
struct reader {
    const struct expr *value;
    struct reader *next;
};

/* Whether one of the columns that follow is computed from it. */
bool is_read(const struct rule_side *follow, struct span column);

/* The value that is given for a column, to stand in the expressions that read it. false: refused. */
bool repeat_value(struct insert_plan *ip, const struct rule *rule, const struct scope *scope,
                  struct span name, const struct expr *value, struct substitute *out);

/* The constant default of a column that is left out. false: it has none. */
bool default_value(struct insert_plan *ip, struct span name, struct substitute *out);

/* How many values a SELECT gives; NOWHERE where it cannot be told. */
uint32_t item_count(struct plan *p, const struct select *select);

/* Adds to every SELECT that rows come from. */
void edit_selects(struct insert_plan *ip, const struct query_body *body);

#endif
