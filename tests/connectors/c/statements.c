/* The binary protocol: statements that have a name, values bound by kind, cursors, arrays of parameters and
 * OUT parameters. */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "scenario.h"

enum { MAX_STATEMENTS = 20 };

struct statement {
    char name[40];
    MYSQL_STMT *handle;
};

/* A parameter's value and the memory behind its MYSQL_BIND. */
struct parameter {
    long long integer;
    double real;
    MYSQL_TIME time;
    char *bytes;
    unsigned long length;
};

static struct statement statements[MAX_STATEMENTS];

void forget_statements(void)
{
    for (int i = 0; i < MAX_STATEMENTS; i++) {
        if (statements[i].handle)
            mysql_stmt_close(statements[i].handle);
        statements[i].handle = NULL;
    }
}

static struct statement *statement_of(const char *name)
{
    struct statement *free_one = NULL;
    for (int i = 0; i < MAX_STATEMENTS; i++) {
        if (statements[i].handle && strcmp(statements[i].name, name) == 0)
            return &statements[i];
        if (!statements[i].handle && !free_one)
            free_one = &statements[i];
    }
    snprintf(free_one->name, sizeof(free_one->name), "%s", name);
    return free_one;
}

static unsigned long from_hex(char *text)
{
    unsigned long n = 0;
    for (char *at = text; at[0] && at[1]; at += 2) {
        unsigned byte = 0;
        sscanf(at, "%2x", &byte);
        text[n++] = (char)byte;
    }
    return n;
}

/* KIND:TEXT into a bind; the text is changed in place and must live as long as the bind. */
static void bind_value(MYSQL_BIND *b, struct parameter *p, char *text)
{
    static my_bool yes = 1;
    char *rest = strchr(text, ':') + 1;
    memset(b, 0, sizeof(*b));
    p->bytes = rest;
    p->length = strlen(rest);
    b->buffer_type = MYSQL_TYPE_STRING;
    if (strncmp(text, "int:", 4) == 0) {
        p->integer = atoll(rest);
        b->buffer_type = MYSQL_TYPE_LONG;
    } else if (strncmp(text, "big:", 4) == 0) {
        p->integer = (long long)strtoull(rest, NULL, 10);
        b->buffer_type = MYSQL_TYPE_LONGLONG;
        b->is_unsigned = 1;
    } else if (strncmp(text, "double:", 7) == 0) {
        p->real = atof(rest);
        b->buffer_type = MYSQL_TYPE_DOUBLE;
        b->buffer = &p->real;
        return;
    } else if (strncmp(text, "blob:", 5) == 0) {
        p->length = from_hex(rest);
        b->buffer_type = MYSQL_TYPE_BLOB;
    } else if (strncmp(text, "date:", 5) == 0) {
        memset(&p->time, 0, sizeof(p->time));
        sscanf(rest, "%u-%u-%u %u:%u:%u", &p->time.year, &p->time.month, &p->time.day, &p->time.hour,
               &p->time.minute, &p->time.second);
        p->time.time_type = MYSQL_TIMESTAMP_DATETIME;
        b->buffer_type = MYSQL_TYPE_DATETIME;
        b->buffer = &p->time;
        return;
    } else if (strncmp(text, "str:", 4) != 0) {
        b->is_null = &yes;
        b->buffer_type = MYSQL_TYPE_NULL;
    }
    bool integer = b->buffer_type == MYSQL_TYPE_LONG || b->buffer_type == MYSQL_TYPE_LONGLONG;
    b->buffer = integer ? (void *)&p->integer : p->bytes;
    b->buffer_length = p->length;
    b->length = &p->length;
}

/* A value as text, fetched in two steps as its length is not known before. */
static void put_fetched(MYSQL_STMT *s, unsigned column, unsigned long length, my_bool null)
{
    if (null) {
        put_bytes(NULL, 0);
        return;
    }
    char *bytes = calloc(1, length + 1);
    unsigned long got = 0;
    MYSQL_BIND b = {
        .buffer_type = MYSQL_TYPE_STRING, .buffer = bytes, .buffer_length = length + 1, .length = &got};
    mysql_stmt_fetch_column(s, &b, column, 0);
    put_bytes(bytes, length);
    free(bytes);
}

/* The rows of the statement's result now there: as text, and integers also as integers. */
static void put_statement_rows(MYSQL_STMT *s)
{
    unsigned count = mysql_stmt_field_count(s);
    MYSQL_BIND *binds = calloc(count, sizeof(*binds));
    unsigned long *lengths = calloc(count, sizeof(*lengths));
    my_bool *nulls = calloc(count, sizeof(*nulls));
    my_bool *truncated = calloc(count, sizeof(*truncated));
    for (unsigned i = 0; i < count; i++) {
        binds[i].buffer_type = MYSQL_TYPE_STRING;
        binds[i].length = &lengths[i];
        binds[i].is_null = &nulls[i];
        binds[i].error = &truncated[i];
    }
    mysql_stmt_bind_result(s, binds);
    int got;
    while ((got = mysql_stmt_fetch(s)) == 0 || got == MYSQL_DATA_TRUNCATED) {
        fputs("row", stdout);
        for (unsigned i = 0; i < count; i++)
            put_fetched(s, i, lengths[i], nulls[i]);
        putchar('\n');
    }
    if (got == 1)
        put_statement_error(s);
    free(binds);
    free(lengths);
    free(nulls);
    free(truncated);
}

void put_statement_results(MYSQL_STMT *s)
{
    for (;;) {
        MYSQL_RES *meta = mysql_stmt_result_metadata(s);
        if (meta) {
            put_columns(meta);
            mysql_free_result(meta);
            put_statement_rows(s);
            mysql_stmt_free_result(s);
        }
        printf("statement affected=%lld insert_id=%llu ", (long long)mysql_stmt_affected_rows(s),
               (unsigned long long)mysql_stmt_insert_id(s));
        put_facts();
        int more = mysql_stmt_next_result(s);
        if (more > 0)
            put_statement_error(s);
        if (more)
            return;
    }
}

void do_prepare(char **f, int n)
{
    (void)n;
    struct statement *s = statement_of(f[0]);
    s->handle = mysql_stmt_init(connection);
    if (mysql_stmt_prepare(s->handle, f[1], strlen(f[1]))) {
        put_statement_error(s->handle);
        mysql_stmt_close(s->handle);
        s->handle = NULL;
        return;
    }
    printf("prepared params=%lu columns=%u warnings=%u\n", mysql_stmt_param_count(s->handle),
           mysql_stmt_field_count(s->handle), mysql_stmt_warning_count(s->handle));
    MYSQL_RES *meta = mysql_stmt_result_metadata(s->handle);
    if (meta) {
        put_columns(meta);
        mysql_free_result(meta);
    }
}

static void execute(MYSQL_STMT *s, char **values, int n)
{
    MYSQL_BIND binds[MAX_FIELDS];
    struct parameter parameters[MAX_FIELDS];
    for (int i = 0; i < n; i++)
        bind_value(&binds[i], &parameters[i], values[i]);
    if ((n && mysql_stmt_bind_param(s, binds)) || mysql_stmt_execute(s))
        put_statement_error(s);
    else
        put_statement_results(s);
}

void do_execute(char **f, int n)
{
    struct statement *s = statement_of(f[0]);
    if (s->handle)
        execute(s->handle, f + 1, n - 1);
    else
        puts("driver: not prepared");
}

void do_close(char **f, int n)
{
    (void)n;
    struct statement *s = statement_of(f[0]);
    if (s->handle)
        mysql_stmt_close(s->handle);
    s->handle = NULL;
}

void do_cursor(char **f, int n)
{
    MYSQL_STMT *s = mysql_stmt_init(connection);
    unsigned long type = CURSOR_TYPE_READ_ONLY, rows = strtoul(f[1], NULL, 10);
    mysql_stmt_attr_set(s, STMT_ATTR_CURSOR_TYPE, &type);
    mysql_stmt_attr_set(s, STMT_ATTR_PREFETCH_ROWS, &rows);
    if (mysql_stmt_prepare(s, f[0], strlen(f[0])))
        put_statement_error(s);
    else
        execute(s, f + 2, n - 2);
    mysql_stmt_close(s);
}

/* Each field is one row, its values separated by commas; bound by columns, as libmariadb's arrays are. */
void do_many(char **f, int n)
{
    MYSQL_STMT *s = mysql_stmt_init(connection);
    if (mysql_stmt_prepare(s, f[0], strlen(f[0]))) {
        put_statement_error(s);
        mysql_stmt_close(s);
        return;
    }
    unsigned rows = (unsigned)(n - 1), columns = (unsigned)mysql_stmt_param_count(s);
    MYSQL_BIND binds[MAX_FIELDS];
    static char *texts[MAX_FIELDS][MAX_FIELDS];
    static unsigned long lengths[MAX_FIELDS][MAX_FIELDS];
    static int integers[MAX_FIELDS][MAX_FIELDS];
    memset(binds, 0, sizeof(binds));
    for (unsigned r = 0; r < rows; r++) {
        char *rest = f[1 + r];
        for (unsigned c = 0; c < columns; c++) {
            char *item = strsep(&rest, ",");
            texts[c][r] = strchr(item, ':') + 1;
            lengths[c][r] = strlen(texts[c][r]);
            integers[c][r] = atoi(texts[c][r]);
            bool integer = strncmp(item, "int:", 4) == 0;
            binds[c].buffer_type = integer ? MYSQL_TYPE_LONG : MYSQL_TYPE_STRING;
            binds[c].buffer = integer ? (void *)integers[c] : (void *)texts[c];
            binds[c].length = integer ? NULL : lengths[c];
        }
    }
    mysql_stmt_attr_set(s, STMT_ATTR_ARRAY_SIZE, &rows);
    if (mysql_stmt_bind_param(s, binds) || mysql_stmt_execute(s))
        put_statement_error(s);
    else
        put_statement_results(s);
    mysql_stmt_close(s);
}

/* CALL by the binary protocol, whose last result has the OUT parameters. */
void do_call(char **f, int n)
{
    char sql[256];
    int length = snprintf(sql, sizeof(sql), "CALL %s(", f[0]);
    for (int i = 1; i < n; i++)
        length += snprintf(sql + length, sizeof(sql) - (size_t)length, i > 1 ? ", ?" : "?");
    snprintf(sql + length, sizeof(sql) - (size_t)length, ")");
    MYSQL_STMT *s = mysql_stmt_init(connection);
    if (mysql_stmt_prepare(s, sql, strlen(sql)))
        put_statement_error(s);
    else
        execute(s, f + 1, n - 1);
    mysql_stmt_close(s);
}
