/* What the files of libmariadb's scenario share: scenario.c has the plan and its text operations,
 * statements.c those of the binary protocol, print.c what both tell. */
#ifndef TESTS_CONNECTORS_C_SCENARIO_H
#define TESTS_CONNECTORS_C_SCENARIO_H

#include <mysql.h>

enum { MAX_FIELDS = 40 };

/* The one connection; scenario.c opens and closes it. */
extern MYSQL *connection;

/* ---- print.c: one fact a line ---- */

unsigned long long hash_of(const char *bytes, unsigned long length);
void put_bytes(const char *bytes, unsigned long length); /* NULL: SQL's */
void put_error(void);
void put_statement_error(MYSQL_STMT *s);
void put_facts(void);
void put_columns(MYSQL_RES *result);
void put_rows(MYSQL_RES *result, long limit);

/* ---- statements.c ---- */

/* Every result of a statement that was executed. */
void put_statement_results(MYSQL_STMT *s);

/* Closes all that have a name, before their connection ends. */
void forget_statements(void);

/* Operations of the plan. */
void do_prepare(char **f, int n);
void do_execute(char **f, int n);
void do_close(char **f, int n);
void do_cursor(char **f, int n);
void do_many(char **f, int n);
void do_call(char **f, int n);

#endif
