/* libmariadb through the common scenario: c_scenario PLAN.
 *
 * The text protocol with stored and unbuffered results, the binary one with bound types, cursors and arrays
 * of parameters (COM_STMT_BULK_EXECUTE), the non-blocking API, and the commands that have no SQL. PLAN is
 * what run.py made of cases.txt: a line an operation, its fields separated by tabs. Everything that the
 * library tells is printed, one fact a line. */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "scenario.h"

enum { LINE_SIZE = 1 << 16 };

MYSQL *connection;

/* ---- text ---- */

static void put_results(void)
{
    for (;;) {
        MYSQL_RES *result = mysql_store_result(connection);
        if (result) {
            put_columns(result);
            put_rows(result, 1L << 40);
            mysql_free_result(result);
        } else if (mysql_errno(connection)) {
            put_error();
        }
        put_facts();
        int more = mysql_next_result(connection);
        if (more > 0)
            put_error();
        if (more)
            return;
    }
}

static void do_query(char **f, int n)
{
    (void)n;
    if (mysql_real_query(connection, f[0], strlen(f[0])))
        put_error();
    else
        put_results();
}

static void do_stream(char **f, int n)
{
    (void)n;
    if (mysql_real_query(connection, f[0], strlen(f[0]))) {
        put_error();
        return;
    }
    MYSQL_RES *result = mysql_use_result(connection);
    put_rows(result, atol(f[1]));
    mysql_free_result(result);
    put_facts();
}

static void do_warnings(char **f, int n)
{
    (void)f, (void)n;
    char sql[] = "SHOW WARNINGS";
    char *fields[] = {sql};
    do_query(fields, 1);
}

static int wait_for(int events)
{
    struct pollfd p = {.fd = mysql_get_socket(connection), .events = 0};
    p.events =
        (short)(((events & MYSQL_WAIT_READ) ? POLLIN : 0) | ((events & MYSQL_WAIT_WRITE) ? POLLOUT : 0));
    int timeout = (events & MYSQL_WAIT_TIMEOUT) ? 1000 * (int)mysql_get_timeout_value(connection) : -1;
    if (poll(&p, 1, timeout) == 0)
        return MYSQL_WAIT_TIMEOUT;
    return ((p.revents & POLLIN) ? MYSQL_WAIT_READ : 0) | ((p.revents & POLLOUT) ? MYSQL_WAIT_WRITE : 0);
}

static void do_async(char **f, int n)
{
    (void)n;
    int wrong = 0;
    int events = mysql_real_query_start(&wrong, connection, f[0], strlen(f[0]));
    while (events)
        events = mysql_real_query_cont(&wrong, connection, wait_for(events));
    if (wrong) {
        put_error();
        return;
    }
    MYSQL_RES *result = NULL;
    events = mysql_store_result_start(&result, connection);
    while (events)
        events = mysql_store_result_cont(&result, connection, wait_for(events));
    if (result) {
        put_rows(result, 1L << 40);
        mysql_free_result(result);
    }
    put_facts();
}

/* ---- sessions ---- */

static void told(int wrong)
{
    if (wrong)
        put_error();
    else
        put_facts();
}

static const char *option(char **f, int n, const char *name, const char *otherwise)
{
    size_t length = strlen(name);
    for (int i = 0; i < n; i++) {
        if (strncmp(f[i], name, length) == 0 && f[i][length] == '=')
            return f[i] + length + 1;
    }
    return otherwise;
}

static void do_connect(char **f, int n)
{
    forget_statements();
    if (connection)
        mysql_close(connection);
    connection = mysql_init(NULL);
    my_bool no = 0, yes = 1;
    mysql_options(connection, MYSQL_SET_CHARSET_NAME, option(f, n, "charset", "utf8mb4"));
    mysql_options(connection, MYSQL_OPT_NONBLOCK, NULL);
    mysql_options(connection, MYSQL_OPT_SSL_VERIFY_SERVER_CERT, &no);
    unsigned local = 1;
    mysql_options(connection, MYSQL_OPT_LOCAL_INFILE, &local);
    unsigned long packet = 1UL << 30;
    mysql_options(connection, MYSQL_OPT_MAX_ALLOWED_PACKET, &packet);
    mysql_optionsv(connection, MYSQL_OPT_CONNECT_ATTR_ADD, "program_name", "scenario");
    mysql_options(connection, MYSQL_REPORT_DATA_TRUNCATION, &no);
    if (strcmp(getenv("DB_TLS"), "1") == 0)
        mysql_options(connection, MYSQL_OPT_SSL_ENFORCE, &yes);
    if (option(f, n, "compress", NULL))
        mysql_options(connection, MYSQL_OPT_COMPRESS, NULL);
    unsigned long flags = (option(f, n, "multi", NULL) ? CLIENT_MULTI_STATEMENTS : 0) |
                          (option(f, n, "found_rows", NULL) ? CLIENT_FOUND_ROWS : 0);
    const char *user = option(f, n, "user", NULL);
    const char *password = option(f, n, "password", user ? "" : getenv("DB_PASSWORD"));
    if (!mysql_real_connect(connection, getenv("DB_HOST"), user ? user : getenv("DB_USER"), password,
                            option(f, n, "db", getenv("DB_NAME")), (unsigned)atoi(getenv("DB_PORT")), NULL,
                            flags)) {
        put_error();
        return;
    }
    printf("connected %s protocol=%u version=%lu charset=%s ", mysql_get_server_info(connection),
           mysql_get_proto_info(connection), mysql_get_server_version(connection),
           mysql_character_set_name(connection));
    put_facts();
}

static void do_begin(char **f, int n)
{
    (void)f, (void)n;
    told(mysql_query(connection, "BEGIN"));
}

static void do_commit(char **f, int n)
{
    (void)f, (void)n;
    told(mysql_commit(connection));
}

static void do_rollback(char **f, int n)
{
    (void)f, (void)n;
    told(mysql_rollback(connection));
}

static void do_autocommit(char **f, int n)
{
    (void)n;
    told(mysql_autocommit(connection, f[0][0] == '1'));
}

static void do_ping(char **f, int n)
{
    (void)f, (void)n;
    told(mysql_ping(connection));
}

static void do_reset(char **f, int n)
{
    (void)f, (void)n;
    told(mysql_reset_connection(connection));
}

static void do_select_db(char **f, int n)
{
    (void)n;
    told(mysql_select_db(connection, f[0]));
}

static void do_charset(char **f, int n)
{
    (void)n;
    told(mysql_set_character_set(connection, f[0]));
}

static void do_change_user(char **f, int n)
{
    told(mysql_change_user(connection, f[0], f[1], n > 2 ? f[2] : ""));
}

/* ---- files and large values ---- */

static void do_load(char **f, int n)
{
    char name[] = "/tmp/crossfade-load-XXXXXX", sql[1024];
    int file = mkstemp(name);
    const char *content = n > 1 ? f[1] : "";
    if (file < 0 || write(file, content, strlen(content)) < 0)
        puts("driver: no file");
    close(file);
    const char *mark = strstr(f[0], "$FILE");
    if (mark)
        snprintf(sql, sizeof(sql), "%.*s%s%s", (int)(mark - f[0]), f[0], name, mark + 5);
    else
        snprintf(sql, sizeof(sql), "%s", f[0]);
    char *fields[] = {sql};
    do_query(fields, 1);
    unlink(name);
}

/* A row of that size there and back, by the binary protocol: sent whole, then in pieces
 * (COM_STMT_SEND_LONG_DATA). */
static void do_big(char **f, int n)
{
    (void)n;
    unsigned long size = strtoul(f[0], NULL, 10);
    char *bytes = malloc(size);
    for (unsigned long i = 0; i < size; i++)
        bytes[i] = "0123456789abcdef'\\\n\0"[i % 20];
    for (int pieces = 0; pieces < 2; pieces++) {
        const char *insert = "INSERT INTO notes (title, body) VALUES ('big', ?)";
        MYSQL_STMT *s = mysql_stmt_init(connection);
        MYSQL_BIND b = {
            .buffer_type = MYSQL_TYPE_LONG_BLOB, .buffer = bytes, .buffer_length = size, .length = &size};
        if (mysql_stmt_prepare(s, insert, strlen(insert)) || mysql_stmt_bind_param(s, &b))
            put_statement_error(s);
        for (unsigned long at = 0; pieces && at < size; at += size / 3 + 1) {
            unsigned long left = size - at, piece = left < size / 3 + 1 ? left : size / 3 + 1;
            if (mysql_stmt_send_long_data(s, 0, bytes + at, piece))
                put_statement_error(s);
        }
        if (mysql_stmt_execute(s))
            put_statement_error(s);
        else
            put_statement_results(s);
        mysql_stmt_close(s);
    }
    printf("sent %lu %llx\n", size, hash_of(bytes, size));
    free(bytes);
    char select[] = "SELECT title, body, LENGTH(body) FROM notes WHERE title = 'big'";
    char *fields[] = {select};
    do_query(fields, 1);
    do_cursor((char *[]){select, (char[]){"1"}}, 2);
    char drop[] = "DELETE FROM notes WHERE title = 'big'";
    fields[0] = drop;
    do_query(fields, 1);
}

static void do_section(char **f, int n)
{
    (void)f, (void)n;
}

/* ---- the plan ---- */

static const struct operation {
    const char *name;
    void (*run)(char **fields, int count);
} operations[] = {
    {"section", do_section},
    {"connect", do_connect},
    {"query", do_query},
    {"stream", do_stream},
    {"warnings", do_warnings},
    {"async", do_async},
    {"prepare", do_prepare},
    {"execute", do_execute},
    {"close", do_close},
    {"cursor", do_cursor},
    {"many", do_many},
    {"call", do_call},
    {"begin", do_begin},
    {"commit", do_commit},
    {"rollback", do_rollback},
    {"autocommit", do_autocommit},
    {"ping", do_ping},
    {"reset", do_reset},
    {"select_db", do_select_db},
    {"charset", do_charset},
    {"change_user", do_change_user},
    {"load", do_load},
    {"big", do_big},
};

static void unescape(char *text)
{
    char *to = text;
    for (const char *from = text; *from; from++) {
        if (*from == '\\' && from[1]) {
            from++;
            *to++ = (char)(*from == 't' ? '\t' : *from == 'n' ? '\n' : *from);
        } else {
            *to++ = *from;
        }
    }
    *to = '\0';
}

static void run_line(char *line)
{
    char *fields[MAX_FIELDS];
    int count = 0;
    printf("> %.180s\n", line);
    for (char *rest = line, *field; count < MAX_FIELDS && (field = strsep(&rest, "\t"));) {
        unescape(field);
        fields[count++] = field;
    }
    for (size_t i = 0; i < sizeof(operations) / sizeof(operations[0]); i++) {
        if (strcmp(operations[i].name, fields[0]) == 0) {
            operations[i].run(fields + 1, count - 1);
            fflush(stdout);
            return;
        }
    }
    printf("unsupported: %s\n", fields[0]);
}

int main(int argc, char **argv)
{
    static char line[LINE_SIZE];
    FILE *plan = argc > 1 ? fopen(argv[1], "r") : NULL;
    if (!plan)
        return 2;
    mysql_library_init(0, NULL, NULL);
    while (fgets(line, sizeof(line), plan)) {
        line[strcspn(line, "\n")] = '\0';
        run_line(line);
    }
    fclose(plan);
    forget_statements();
    mysql_close(connection);
    mysql_library_end();
    return 0;
}
