/* libmariadb under remote control: the tests (harness/client.py) write one request a line on standard input
 * and read the answer from standard output, so that a test can put a flip between any two calls of the C API.
 *
 *   request:  WORD TAB ARGUMENT TAB … NEWLINE            (\t \n \\ escaped inside arguments)
 *   answer:   any number of lines, then a line with a single dot
 *             P params columns                           a prepared statement
 *             C name org_name table org_table type charset flags length decimals
 *             R value …                                  a row; NULL is \N
 *             OK affected insert_id warnings status      the end of one result
 *             ERR number sqlstate text
 *
 * The text protocol, the binary one (bound types, long data, cursors, execution without new types) and the
 * commands that have no SQL. */
#include <mysql.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_ARGS = 64, MAX_STATEMENTS = 2000, NAME_SIZE = 32 };

struct parameter {
    long long integer;
    double real;
    float single;
    MYSQL_TIME time;
    char *text;
    unsigned long length;
    my_bool is_null;
};

struct statement {
    char name[NAME_SIZE];
    MYSQL_STMT *handle;
    MYSQL_BIND binds[MAX_ARGS];
    struct parameter parameters[MAX_ARGS];
    unsigned parameter_count;
};

static MYSQL *connection;
static struct statement *statements[MAX_STATEMENTS];

/* ---- answers ---- */

static void put_escaped(const char *text, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        switch (text[i]) {
        case '\t':
            fputs("\\t", stdout);
            break;
        case '\n':
            fputs("\\n", stdout);
            break;
        case '\\':
            fputs("\\\\", stdout);
            break;
        default:
            putchar(text[i]);
        }
    }
}

static void put_value(const char *text, unsigned long length)
{
    putchar('\t');
    if (text)
        put_escaped(text, length);
    else
        fputs("\\N", stdout);
}

static void put_error(unsigned number, const char *state, const char *text)
{
    printf("ERR\t%u\t%s\t", number, state);
    put_escaped(text, strlen(text));
    putchar('\n');
}

static void put_connection_error(void)
{
    put_error(mysql_errno(connection), mysql_sqlstate(connection), mysql_error(connection));
}

static void put_statement_error(const struct statement *s)
{
    put_error(mysql_stmt_errno(s->handle), mysql_stmt_sqlstate(s->handle), mysql_stmt_error(s->handle));
}

static unsigned server_status(void)
{
    unsigned status = 0;
    mariadb_get_infov(connection, MARIADB_CONNECTION_SERVER_STATUS, &status);
    return status;
}

static void put_ok(unsigned long long affected, unsigned long long insert_id, unsigned warnings)
{
    printf("OK\t%lld\t%llu\t%u\t%u\n", (long long)affected, insert_id, warnings, server_status());
}

static void put_connection_result(int failed)
{
    if (failed)
        put_connection_error();
    else
        put_ok(0, 0, mysql_warning_count(connection));
}

static void put_columns(MYSQL_RES *result)
{
    for (unsigned i = 0; i < mysql_num_fields(result); i++) {
        const MYSQL_FIELD *f = mysql_fetch_field_direct(result, i);
        putchar('C');
        put_value(f->name, f->name_length);
        put_value(f->org_name, f->org_name_length);
        put_value(f->table, f->table_length);
        put_value(f->org_table, f->org_table_length);
        printf("\t%u\t%u\t%u\t%lu\t%u\n", (unsigned)f->type, f->charsetnr, f->flags, f->length, f->decimals);
    }
}

/* ---- requests of the connection ---- */

/* For the connections that follow: TLS, by this CA; "any": whoever the server is. */
static char authority[4096];

static void do_tls(char **args, int count)
{
    snprintf(authority, sizeof authority, "%s", count > 0 ? args[0] : "");
    put_ok(0, 0, 0);
}

static bool compressed;

/* For the connections that follow: the compressed protocol, or not. */
static void do_compress(char **args, int count)
{
    compressed = count > 0 && strcmp(args[0], "on") == 0;
    put_ok(0, 0, 0);
}

static void do_connect(char **args, int count)
{
    /* host port socket user password database [default-auth] */
    if (count < 6)
        exit(2);
    if (connection)
        mysql_close(connection);
    connection = mysql_init(NULL);
    my_bool on = 1, verify = *authority && strcmp(authority, "any") != 0;
    mysql_options(connection, MYSQL_OPT_SSL_VERIFY_SERVER_CERT, &verify);
    if (*authority)
        mysql_options(connection, MYSQL_OPT_SSL_ENFORCE, &on);
    if (verify)
        mysql_options(connection, MYSQL_OPT_SSL_CA, authority);
    if (compressed)
        mysql_options(connection, MYSQL_OPT_COMPRESS, NULL);
    mysql_options(connection, MYSQL_SET_CHARSET_NAME, "utf8mb4");
    if (count > 6 && *args[6])
        mysql_options(connection, MYSQL_DEFAULT_AUTH, args[6]);
    bool failed = !mysql_real_connect(connection, *args[0] ? args[0] : NULL, args[3], args[4],
                                      *args[5] ? args[5] : NULL, (unsigned)atoi(args[1]),
                                      *args[2] ? args[2] : NULL, CLIENT_MULTI_STATEMENTS);
    put_connection_result(failed);
}

static void put_text_result(MYSQL_RES *result)
{
    put_columns(result);
    MYSQL_ROW row;
    while ((row = mysql_fetch_row(result))) {
        const unsigned long *lengths = mysql_fetch_lengths(result);
        putchar('R');
        for (unsigned i = 0; i < mysql_num_fields(result); i++)
            put_value(row[i], row[i] ? lengths[i] : 0);
        putchar('\n');
    }
}

static void do_query(char **args, int count)
{
    if (count < 1 || mysql_real_query(connection, args[0], (unsigned long)strlen(args[0]))) {
        put_connection_error();
        return;
    }
    int more;
    do {
        MYSQL_RES *result = mysql_use_result(connection);
        if (result) {
            put_text_result(result);
            mysql_free_result(result);
        }
        if (mysql_errno(connection)) {
            put_connection_error();
            return;
        }
        put_ok(mysql_affected_rows(connection), mysql_insert_id(connection), mysql_warning_count(connection));
        more = mysql_next_result(connection);
    } while (more == 0);
    if (more > 0)
        put_connection_error();
}

static void do_change_user(char **args, int count)
{
    if (count < 3)
        exit(2);
    put_connection_result(mysql_change_user(connection, args[0], args[1], *args[2] ? args[2] : NULL));
}

static void do_reset(char **args, int count)
{
    (void)args;
    (void)count;
    put_connection_result(mysql_reset_connection(connection));
}

static void do_ping(char **args, int count)
{
    (void)args;
    (void)count;
    put_connection_result(mysql_ping(connection));
}

static void do_db(char **args, int count)
{
    if (count < 1)
        exit(2);
    put_connection_result(mysql_select_db(connection, args[0]));
}

static void do_stat(char **args, int count)
{
    (void)args;
    (void)count;
    const char *text = mysql_stat(connection);
    put_connection_result(!text || strncmp(text, "Uptime:", 7) != 0);
}

static void do_list_fields(char **args, int count)
{
    if (count < 1)
        exit(2);
    MYSQL_RES *result = mysql_list_fields(connection, args[0], NULL);
    if (!result) {
        put_connection_error();
        return;
    }
    put_columns(result);
    mysql_free_result(result);
}

static void do_option(char **args, int count)
{
    bool on = count > 0 && strcmp(args[0], "on") == 0;
    put_connection_result(mysql_set_server_option(connection, on ? MYSQL_OPTION_MULTI_STATEMENTS_ON
                                                                 : MYSQL_OPTION_MULTI_STATEMENTS_OFF));
}

static void do_kill(char **args, int count)
{
    put_connection_result(mysql_kill(connection, strtoul(count > 0 ? args[0] : "0", NULL, 10)));
}

static void do_thread_id(char **args, int count)
{
    (void)args;
    (void)count;
    printf("R\t%lu\n", mysql_thread_id(connection));
}

static void do_info(char **args, int count)
{
    (void)args;
    (void)count;
    const char *info = mysql_info(connection);
    putchar('R');
    put_value(info, info ? strlen(info) : 0);
    putchar('\n');
}

/* ---- requests of a prepared statement: the first argument is its name ---- */

static struct statement *find(const char *name, bool make)
{
    for (int i = 0; i < MAX_STATEMENTS; i++) {
        if (!statements[i] && make) {
            statements[i] = calloc(1, sizeof(struct statement));
            if (!statements[i])
                abort();
            snprintf(statements[i]->name, NAME_SIZE, "%s", name);
            return statements[i];
        }
        if (statements[i] && strcmp(statements[i]->name, name) == 0)
            return statements[i];
    }
    fprintf(stderr, "no statement %s\n", name);
    exit(2);
}

static void do_prepare(char **args, int count)
{
    if (count < 2)
        exit(2);
    struct statement *s = find(args[0], true);
    if (s->handle)
        mysql_stmt_close(s->handle);
    s->parameter_count = 0;
    s->handle = mysql_stmt_init(connection);
    if (mysql_stmt_prepare(s->handle, args[1], (unsigned long)strlen(args[1]))) {
        put_statement_error(s);
        return;
    }
    printf("P\t%lu\t%u\n", mysql_stmt_param_count(s->handle), mysql_stmt_field_count(s->handle));
    MYSQL_RES *metadata = mysql_stmt_result_metadata(s->handle);
    if (metadata) {
        put_columns(metadata);
        mysql_free_result(metadata);
    }
}

/* "2020-01-02", "2020-01-02 03:04:05.000006" or "03:04:05.000006", by what the type is. */
static void set_time(MYSQL_TIME *t, enum enum_field_types type, const char *value)
{
    *t = (MYSQL_TIME){.time_type = type == MYSQL_TYPE_DATE   ? MYSQL_TIMESTAMP_DATE
                                   : type == MYSQL_TYPE_TIME ? MYSQL_TIMESTAMP_TIME
                                                             : MYSQL_TIMESTAMP_DATETIME};
    const char *clock = strchr(value, ' ');
    if (type != MYSQL_TYPE_TIME)
        sscanf(value, "%u-%u-%u", &t->year, &t->month, &t->day);
    clock = type == MYSQL_TYPE_TIME ? value : clock;
    if (clock && type != MYSQL_TYPE_DATE)
        sscanf(clock, "%u:%u:%u.%6lu", &t->hour, &t->minute, &t->second, &t->second_part);
}

/* "int:5", "uint:5", "double:1.5", "float:1.5", "decimal:1.5", "str:text", "blob:text", "null:" (of no type),
 * "nullint:", "long:" (the value was sent as long data), "date:2020-01-02", "datetime:…", "time:…" */
static void set_parameter(MYSQL_BIND *bind, struct parameter *p, const char *argument)
{
    const char *colon = strchr(argument, ':');
    if (!colon)
        exit(2);
    size_t length = (size_t)(colon - argument);
    const char *value = colon + 1;
    bind->is_null = &p->is_null;
    bind->length = &p->length;
    p->is_null = 0;
    if (strncmp(argument, "int", length) == 0 || strncmp(argument, "uint", length) == 0) {
        p->integer = (long long)strtoull(value, NULL, 10);
        bind->buffer_type = MYSQL_TYPE_LONGLONG;
        bind->is_unsigned = *argument == 'u';
        bind->buffer = &p->integer;
    } else if (strncmp(argument, "double", length) == 0) {
        p->real = strtod(value, NULL);
        bind->buffer_type = MYSQL_TYPE_DOUBLE;
        bind->buffer = &p->real;
    } else if (strncmp(argument, "float", length) == 0) {
        p->single = strtof(value, NULL);
        bind->buffer_type = MYSQL_TYPE_FLOAT;
        bind->buffer = &p->single;
    } else if (strncmp(argument, "date", length) == 0 || strncmp(argument, "datetime", length) == 0 ||
               strncmp(argument, "time", length) == 0) {
        bind->buffer_type = length == 8        ? MYSQL_TYPE_DATETIME
                            : *argument == 'd' ? MYSQL_TYPE_DATE
                                               : MYSQL_TYPE_TIME;
        set_time(&p->time, bind->buffer_type, value);
        bind->buffer = &p->time;
    } else if (strncmp(argument, "null", length) == 0 || strncmp(argument, "nullint", length) == 0) {
        p->is_null = 1;
        bind->buffer_type = length == 4 ? MYSQL_TYPE_NULL : MYSQL_TYPE_LONGLONG;
        bind->buffer = &p->integer;
    } else {
        bool is_blob = strncmp(argument, "blob", length) == 0 || strncmp(argument, "long", length) == 0;
        bind->buffer_type = is_blob                                     ? MYSQL_TYPE_BLOB
                            : strncmp(argument, "decimal", length) == 0 ? MYSQL_TYPE_NEWDECIMAL
                                                                        : MYSQL_TYPE_STRING;
        free(p->text);
        p->text = strdup(value);
        if (!p->text)
            abort();
        p->length = (unsigned long)strlen(value);
        bind->buffer = p->text;
        bind->buffer_length = p->length;
    }
}

static void put_statement_rows(struct statement *s, unsigned long limit)
{
    MYSQL_BIND columns[MAX_ARGS];
    unsigned long lengths[MAX_ARGS];
    my_bool nulls[MAX_ARGS];
    unsigned count = mysql_stmt_field_count(s->handle);
    if (count > MAX_ARGS)
        exit(2);
    memset(columns, 0, sizeof columns);
    for (unsigned i = 0; i < count; i++) {
        columns[i].buffer_type = MYSQL_TYPE_STRING;
        columns[i].length = &lengths[i];
        columns[i].is_null = &nulls[i];
    }
    mysql_stmt_bind_result(s->handle, columns);
    int status = 0;
    for (unsigned long row = 0; row < limit; row++) {
        status = mysql_stmt_fetch(s->handle);
        if (status == MYSQL_NO_DATA || status == 1)
            break;
        putchar('R');
        for (unsigned i = 0; i < count; i++) {
            char *text = nulls[i] ? NULL : malloc(lengths[i] + 1);
            if (text) {
                MYSQL_BIND one = {
                    .buffer_type = MYSQL_TYPE_STRING, .buffer = text, .buffer_length = lengths[i] + 1};
                mysql_stmt_fetch_column(s->handle, &one, i, 0);
            }
            put_value(text, lengths[i]);
            free(text);
        }
        putchar('\n');
    }
    if (status == 1)
        put_statement_error(s);
    else if (status == MYSQL_NO_DATA)
        put_ok(mysql_stmt_affected_rows(s->handle), mysql_stmt_insert_id(s->handle),
               mysql_warning_count(connection));
}

static void execute(struct statement *s, bool leave_open)
{
    if (mysql_stmt_execute(s->handle)) {
        put_statement_error(s);
        return;
    }
    if (mysql_stmt_field_count(s->handle) == 0) {
        put_ok(mysql_stmt_affected_rows(s->handle), mysql_stmt_insert_id(s->handle),
               mysql_warning_count(connection));
        return;
    }
    MYSQL_RES *metadata = mysql_stmt_result_metadata(s->handle);
    put_columns(metadata);
    mysql_free_result(metadata);
    if (leave_open)
        return;
    put_statement_rows(s, (unsigned long)-1);
    mysql_stmt_free_result(s->handle);
}

/* NAME VALUE…: binds anew (the types go with the values) and executes */
static void do_execute(char **args, int count)
{
    struct statement *s = find(args[0], false);
    s->parameter_count = (unsigned)(count - 1);
    for (int i = 1; i < count; i++)
        set_parameter(&s->binds[i - 1], &s->parameters[i - 1], args[i]);
    if (s->parameter_count && mysql_stmt_bind_param(s->handle, s->binds)) {
        put_statement_error(s);
        return;
    }
    execute(s, false);
}

/* NAME VALUE…: new values in the buffers bound before, so no types are sent; integers and NULLs only */
static void do_again(char **args, int count)
{
    struct statement *s = find(args[0], false);
    for (int i = 1; i < count && (unsigned)i <= s->parameter_count; i++) {
        struct parameter *p = &s->parameters[i - 1];
        p->is_null = strcmp(args[i], "null:") == 0;
        if (!p->is_null)
            p->integer = (long long)strtoull(strchr(args[i], ':') + 1, NULL, 10);
    }
    execute(s, false);
}

/* NAME PREFETCH VALUE…: executes with a read-only cursor, leaves it open */
static void do_open(char **args, int count)
{
    struct statement *s = find(args[0], false);
    unsigned long type = CURSOR_TYPE_READ_ONLY;
    unsigned long prefetch = strtoul(args[1], NULL, 10);
    mysql_stmt_attr_set(s->handle, STMT_ATTR_CURSOR_TYPE, &type);
    mysql_stmt_attr_set(s->handle, STMT_ATTR_PREFETCH_ROWS, &prefetch);
    for (int i = 2; i < count; i++)
        set_parameter(&s->binds[i - 2], &s->parameters[i - 2], args[i]);
    if (count > 2 && mysql_stmt_bind_param(s->handle, s->binds)) {
        put_statement_error(s);
        return;
    }
    execute(s, true);
}

static void do_fetch(char **args, int count)
{
    put_statement_rows(find(args[0], false), count > 1 ? strtoul(args[1], NULL, 10) : (unsigned long)-1);
}

/* NAME PARAMETER TEXT TIMES VALUE…: binds, then sends TEXT that many times for the parameter whose value is
 * "long:". The library forgets long data when it binds anew, so `run` executes what was bound here. */
static void do_long(char **args, int count)
{
    struct statement *s = find(args[0], false);
    unsigned number = (unsigned)atoi(args[1]);
    s->parameter_count = (unsigned)(count - 4);
    for (int i = 4; i < count; i++)
        set_parameter(&s->binds[i - 4], &s->parameters[i - 4], args[i]);
    if (mysql_stmt_bind_param(s->handle, s->binds)) {
        put_statement_error(s);
        return;
    }
    for (int times = atoi(args[3]); times > 0; times--) {
        if (mysql_stmt_send_long_data(s->handle, number, args[2], (unsigned long)strlen(args[2]))) {
            put_statement_error(s);
            return;
        }
    }
    put_ok(0, 0, 0);
}

/* NAME: executes with what is bound */
static void do_run(char **args, int count)
{
    (void)count;
    execute(find(args[0], false), false);
}

static void do_reset_statement(char **args, int count)
{
    (void)count;
    struct statement *s = find(args[0], false);
    if (mysql_stmt_reset(s->handle))
        put_statement_error(s);
    else
        put_ok(0, 0, 0);
}

static void do_close(char **args, int count)
{
    (void)count;
    struct statement *s = find(args[0], false);
    if (s->handle)
        mysql_stmt_close(s->handle);
    s->handle = NULL;
    put_ok(0, 0, 0);
}

/* ---- the loop ---- */

static const struct request {
    const char *word;
    void (*run)(char **args, int count);
    int least; /* arguments */
} requests[] = {
    {"tls", do_tls, 1},
    {"compress", do_compress, 1},
    {"connect", do_connect, 6},
    {"query", do_query, 1},
    {"change_user", do_change_user, 3},
    {"reset", do_reset, 0},
    {"ping", do_ping, 0},
    {"db", do_db, 1},
    {"stat", do_stat, 0},
    {"list_fields", do_list_fields, 1},
    {"option", do_option, 1},
    {"kill", do_kill, 1},
    {"thread_id", do_thread_id, 0},
    {"info", do_info, 0},
    {"prepare", do_prepare, 2},
    {"execute", do_execute, 1},
    {"again", do_again, 1},
    {"open", do_open, 2},
    {"fetch", do_fetch, 1},
    {"long", do_long, 5},
    {"run", do_run, 1},
    {"reset_statement", do_reset_statement, 1},
    {"close", do_close, 1},
};

static void unescape(char *text)
{
    char *out = text;
    for (; *text; text++) {
        if (*text == '\\' && text[1]) {
            text++;
            *out++ = *text == 't' ? '\t' : *text == 'n' ? '\n' : *text;
        } else {
            *out++ = *text;
        }
    }
    *out = '\0';
}

static void dispatch(char *line)
{
    char *args[MAX_ARGS + 1];
    int count = 0;
    for (char *word; (word = strsep(&line, "\t")) && count <= MAX_ARGS;) {
        unescape(word);
        args[count++] = word;
    }
    for (size_t i = 0; count && i < sizeof requests / sizeof *requests; i++) {
        if (strcmp(requests[i].word, args[0]) == 0 && count - 1 >= requests[i].least) {
            requests[i].run(args + 1, count - 1);
            return;
        }
    }
    fprintf(stderr, "unknown request %s with %d arguments\n", count ? args[0] : "", count - 1);
    exit(2);
}

int main(void)
{
    char *line = NULL;
    size_t size = 0;
    ssize_t length;
    while ((length = getline(&line, &size, stdin)) > 0) {
        if (line[length - 1] == '\n')
            line[length - 1] = '\0';
        dispatch(line);
        puts(".");
        fflush(stdout);
    }
    free(line);
    if (connection)
        mysql_close(connection);
    return 0;
}
