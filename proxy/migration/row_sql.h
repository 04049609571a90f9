/* SQL over a migration's rows that backfill, verify and the gates share. Pure: rules and catalog → text. */
#ifndef PROXY_MIGRATION_ROW_SQL_H
#define PROXY_MIGRATION_ROW_SQL_H

#include "protocol/buf.h"
#include "proxy/rewrite/rules.h"

/* "`db`.`table`" */
void row_sql_table(struct buf *b, const struct rule *r);

/* "SCHEMA = 'db' AND TABLE = 'table'": the condition that a row of information_schema is about the table, by
 * what its columns with the two names are called there. */
void row_sql_table_is(struct buf *b, const char *schema, const char *table, const struct rule *r);

/* The condition that column `c` of the row holds what `value` gives: NULL-safe, bytewise for strings, and
 * after the value was brought to the column's type and character set as storing it would. */
void row_sql_matches(struct buf *b, const struct catalog_column *c, struct span value);

/* The same for all new columns (forward), or all old ones (backward). */
void row_sql_forward_matches(struct buf *b, const struct rule *r, const struct catalog_table *t);
void row_sql_backward_matches(struct buf *b, const struct rule *r, const struct catalog_table *t);

/* The condition that every new column is what forward gives of backward: what `invertible = yes` promises. */
void row_sql_inverse_matches(struct buf *b, const struct rule *r, const struct catalog_table *t);

/* The backfill's "SET new = forward …, stamp = stamp": columns with ON UPDATE CURRENT_TIMESTAMP keep their
 * value. */
void row_sql_fill(struct buf *b, const struct rule *r, const struct catalog_table *t);

/* "SET new = NULL …" of the new columns that may be NULL, other columns kept as in row_sql_fill; whether
 * there is one that may; and the condition that one of them is not NULL. */
bool row_sql_can_clear(const struct rule *r, const struct catalog_table *t);
void row_sql_clear(struct buf *b, const struct rule *r, const struct catalog_table *t);
void row_sql_has_new(struct buf *b, const struct rule *r);

#endif
