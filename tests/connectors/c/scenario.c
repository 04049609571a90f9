/* libmariadb through the common scenario: c_scenario PLAN.
 *
 * The text protocol with stored and unbuffered results, the binary one with bound types, cursors and arrays
 * of parameters (COM_STMT_BULK_EXECUTE), the non-blocking API, and the commands that have no SQL. PLAN is
 * what run.py made of cases.txt: a line an operation, its fields separated by tabs. Everything that the
 * library tells is printed, one fact a line. */
#include <mysql.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MAX_FIELDS = 40, MAX_STATEMENTS = 20, LINE_SIZE = 1 << 16, LONG_VALUE = 400, CHUNK = 8192 };

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

static MYSQL *connection;
static struct statement statements[MAX_STATEMENTS];

/* ---- printing ---- */

static unsigned long long hash_of(const char *bytes, unsigned long length)
{
    unsigned long long hash = 14695981039346656037ULL;
    for (unsigned long i = 0; i < length; i++)
        hash = (hash ^ (unsigned char)bytes[i]) * 1099511628211ULL;
    return hash;
}

static void put_bytes(const char *bytes, unsigned long length)
{
    if (!bytes) {
        fputs(" NULL", stdout);
        return;
    }
    if (length > LONG_VALUE) {
        printf(" (%lu bytes, %llx)", length, hash_of(bytes, length));
        return;
    }
    fputs(" '", stdout);
    for (unsigned long i = 0; i < length; i++) {
        if ((unsigned char)bytes[i] < ' ' || bytes[i] == '\\')
            printf("\\x%02x", (unsigned char)bytes[i]);
        else
            putchar(bytes[i]);
    }
    putchar('\'');
}

static void put_error(void)
{
    printf("error %u %s %s\n", mysql_errno(connection), mysql_sqlstate(connection), mysql_error(connection));
}

static void put_statement_error(MYSQL_STMT *s)
{
    printf("error %u %s %s\n", mysql_stmt_errno(s), mysql_stmt_sqlstate(s), mysql_stmt_error(s));
}

static void put_facts(void)
{
    const char *info = mysql_info(connection);
    unsigned status = 0;
    mariadb_get_infov(connection, MARIADB_CONNECTION_SERVER_STATUS, &status);
    printf("affected=%lld insert_id=%llu warnings=%u fields=%u status=%u info=%s\n",
           (long long)mysql_affected_rows(connection), (unsigned long long)mysql_insert_id(connection),
           mysql_warning_count(connection), mysql_field_count(connection), status, info ? info : "-");
}

static void put_columns(MYSQL_RES *result)
{
    unsigned count = mysql_num_fields(result);
    const MYSQL_FIELD *f = mysql_fetch_fields(result);
    for (unsigned i = 0; i < count; i++) {
        MARIADB_CONST_STRING type = {NULL, 0}, format = {NULL, 0};
        mariadb_field_attr(&type, &f[i], MARIADB_FIELD_ATTR_DATA_TYPE_NAME);
        mariadb_field_attr(&format, &f[i], MARIADB_FIELD_ATTR_FORMAT_NAME);
        printf(
            "column %s | type=%d charset=%u ext=%.*s/%.*s | decimals=%u %s %s %s %s %s length=%lu flags=%u\n",
            f[i].name, f[i].type, f[i].charsetnr, (int)type.length, type.str ? type.str : "",
            (int)format.length, format.str ? format.str : "", f[i].decimals, f[i].catalog, f[i].db,
            f[i].table, f[i].org_table, f[i].org_name, f[i].length, f[i].flags);
    }
}

static void put_rows(MYSQL_RES *result, long limit)
{
    unsigned count = mysql_num_fields(result);
    MYSQL_ROW row;
    while (limit-- > 0 && (row = mysql_fetch_row(result))) {
        const unsigned long *lengths = mysql_fetch_lengths(result);
        fputs("row", stdout);
        for (unsigned i = 0; i < count; i++)
            put_bytes(row[i], lengths[i]);
        putchar('\n');
    }
}

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

/* ---- statements ---- */

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

static void put_statement_results(MYSQL_STMT *s)
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

static void do_prepare(char **f, int n)
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

static void do_execute(char **f, int n)
{
    struct statement *s = statement_of(f[0]);
    if (s->handle)
        execute(s->handle, f + 1, n - 1);
    else
        puts("driver: not prepared");
}

static void do_close(char **f, int n)
{
    (void)n;
    struct statement *s = statement_of(f[0]);
    if (s->handle)
        mysql_stmt_close(s->handle);
    s->handle = NULL;
}

static void do_cursor(char **f, int n)
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
static void do_many(char **f, int n)
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
static void do_call(char **f, int n)
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

static void forget_statements(void)
{
    for (int i = 0; i < MAX_STATEMENTS; i++) {
        if (statements[i].handle)
            mysql_stmt_close(statements[i].handle);
        statements[i].handle = NULL;
    }
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
