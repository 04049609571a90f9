/* The control connection of db.h, over libmariadb. */
#include "proxy/migration/db.h"

#include <errno.h>
#include <mysql.h>
#include <openssl/x509.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "proxy/migration/clock.h"

enum {
    READ_TIMEOUT_S = 60, /* a chunk or a gate's query that takes longer is given up */
    PATIENCE_MS = 1000,  /* with a statement, before it is asked whether the server is there at all */
    CODE_SOCKET = 2002,
    CODE_HOST = 2003,
    CODE_NAME = 2005,
    CODE_GONE = 2006,
    CODE_LOST = 2013,
    CODE_KILLED = 1927,
    CODE_SHUTDOWN = 1053,
    CODE_OWN = 2000, /* libmariadb's number for what has none */
};

struct db {
    MYSQL *mysql;
    const struct config *config;     /* what it was opened by */
    const struct endpoint *endpoint; /* one of config's */
    struct db_server server;
    unsigned failed_errno; /* of the last statement; 0: it succeeded */
    char failed_error[512];
};

/* ---- opening ---------------------------------------------------------------------------------------- */

static bool is_unreachable(unsigned code)
{
    return code == CODE_SOCKET || code == CODE_HOST || code == CODE_NAME || code == CODE_GONE ||
           code == CODE_LOST || code == CODE_SHUTDOWN;
}

/* What a server that expects a PROXY header is told: that nobody is behind us. libmariadb keeps the pointer.
 */
static void say_proxy_header(MYSQL *m, enum proxy_send how)
{
    static const struct span headers[] = {
        [PROXY_SEND_V1] = {"PROXY UNKNOWN\r\n", 15},
        [PROXY_SEND_V2] = {"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0", 16},
    };
    if (how != PROXY_SEND_OFF)
        mysql_optionsv(m, MARIADB_OPT_PROXY_HEADER, headers[how].ptr, headers[how].len);
}

/* As [backend_tls] says, also for the backend that a Unix socket leads to. With a CA libmariadb checks who
 * signed the certificate; the name only when it is told to. */
static void use_tls(MYSQL *m, const struct config_tls *t)
{
    if (t->mode == BACKEND_TLS_OFF)
        return;
    my_bool on = 1, check_name = t->mode == BACKEND_TLS_VERIFY_IDENTITY;
    mysql_optionsv(m, MYSQL_OPT_SSL_ENFORCE, &on);
    mysql_optionsv(m, MYSQL_OPT_SSL_VERIFY_SERVER_CERT, &check_name);
    mysql_optionsv(m, MARIADB_OPT_TLS_VERSION,
                   t->min_version == TLS_VERSION_1_3 ? "TLSv1.3" : "TLSv1.2,TLSv1.3");
    if (t->cert.path) {
        mysql_optionsv(m, MYSQL_OPT_SSL_CERT, t->cert.path);
        mysql_optionsv(m, MYSQL_OPT_SSL_KEY, t->key.path);
    }
    if (t->mode != BACKEND_TLS_REQUIRED)
        mysql_optionsv(m, MYSQL_OPT_SSL_CA, t->ca.path ? t->ca.path : X509_get_default_cert_file());
}

static MYSQL *connect_to(const struct config *c, const struct endpoint *e, bool *unreachable, char *error,
                         size_t error_size)
{
    MYSQL *m = mysql_init(NULL);
    if (!m) {
        snprintf(error, error_size, "out of memory");
        return NULL;
    }
    unsigned connect_s = (c->connect_timeout + 999) / 1000, io_s = READ_TIMEOUT_S;
    my_bool no = 0;
    unsigned protocol = e->is_unix ? MYSQL_PROTOCOL_SOCKET : MYSQL_PROTOCOL_TCP;
    mysql_optionsv(m, MYSQL_OPT_CONNECT_TIMEOUT, &connect_s);
    mysql_optionsv(m, MYSQL_OPT_READ_TIMEOUT, &io_s);
    mysql_optionsv(m, MYSQL_OPT_WRITE_TIMEOUT, &io_s);
    mysql_optionsv(m, MYSQL_OPT_RECONNECT, &no);
    mysql_optionsv(m, MYSQL_OPT_LOCAL_INFILE, NULL);
    mysql_optionsv(m, MYSQL_OPT_PROTOCOL, &protocol);
    use_tls(m, &c->backend_tls);
    mysql_optionsv(m, MYSQL_SET_CHARSET_NAME, "utf8mb4");
    mysql_optionsv(m, MYSQL_OPT_CONNECT_ATTR_ADD, "program_name", "crossfade control");
    say_proxy_header(m, c->proxy_send);
    if (mysql_real_connect(m, e->is_unix ? NULL : e->host, c->control_user, c->control_password, NULL,
                           e->is_unix ? 0 : (unsigned)strtoul(e->port, NULL, 10), e->is_unix ? e->path : NULL,
                           0))
        return m;
    snprintf(error, error_size, "%s: %s (%u)", e->text, mysql_error(m), mysql_errno(m));
    *unreachable = is_unreachable(mysql_errno(m));
    mysql_close(m);
    return NULL;
}

/* 101119 of "10.11.19-MariaDB". */
static uint32_t version_number(const char *text)
{
    uint32_t version = 0;
    for (int part = 0; part < 3; part++) {
        char *end;
        version = version * 100 + (uint32_t)strtoul(text, &end, 10);
        text = *end == '.' ? end + 1 : end;
    }
    return version;
}

/* What a server may be told to end an application's statements after, and would end ours after too. */
#define NO_TIME_LIMIT "/*M!100101 , max_statement_time = 0 */ /*!50708 , max_execution_time = 0 */"

/* Fixes the session, and reads what the server is. Metadata locks are waited for shortly: a client's long
 * transaction must not make a queue behind us. */
static bool set_up(struct db *d)
{
    struct db_result r;
    if (!db_runf(d, "SET NAMES utf8mb4") ||
        !db_runf(d,
                 "SET SESSION sql_mode = '" DB_SQL_MODE "', time_zone = '" DB_TIME_ZONE "', autocommit = 1,"
                 " " DB_LOCK_WAIT ", innodb_lock_wait_timeout = 2, wait_timeout = 3600 " NO_TIME_LIMIT) ||
        !db_queryf(d, &r,
                   "SELECT @@version, @@lower_case_table_names, @@max_allowed_packet,"
                   " @@log_bin AND @@binlog_format = 'STATEMENT', @@read_only NOT IN ('0', 'OFF')"))
        return false;
    const db_field *f = db_next(&r);
    if (f) {
        struct db_server *s = &d->server;
        db_text(f[0], s->version_text, sizeof(s->version_text));
        s->mariadb = strstr(s->version_text, "MariaDB") != NULL;
        s->version = version_number(s->version_text);
        s->fold_table_names = db_u64(f[1]) != 0;
        s->max_allowed_packet = db_u64(f[2]);
        s->statement_binlog = db_u64(f[3]) != 0;
        s->read_only = db_u64(f[4]) != 0;
    }
    db_end(&r);
    return f != NULL;
}

struct db *db_open(const struct config *c, const struct endpoint *e, bool *unreachable, char *error,
                   size_t error_size)
{
    bool ignored = false;
    if (!unreachable)
        unreachable = &ignored;
    *unreachable = false;
    struct db *d = calloc(1, sizeof(*d));
    if (!d) {
        snprintf(error, error_size, "out of memory");
        return NULL;
    }
    d->config = c;
    d->endpoint = e;
    d->mysql = connect_to(c, e, unreachable, error, error_size);
    if (!d->mysql) {
        free(d);
        return NULL;
    }
    if (!set_up(d)) {
        snprintf(error, error_size, "%s: %s", e->text, db_error(d));
        *unreachable = db_lost(d);
        db_close(d);
        return NULL;
    }
    return d;
}

void db_close(struct db *d)
{
    if (!d)
        return;
    mysql_close(d->mysql);
    free(d);
}

const struct db_server *db_server(const struct db *d)
{
    return &d->server;
}

unsigned long db_thread_id(const struct db *d)
{
    return mysql_thread_id(d->mysql);
}

bool db_kill_query(struct db *d, unsigned long thread_id)
{
    return db_runf(d, "KILL QUERY %lu", thread_id);
}

/* ---- statements ------------------------------------------------------------------------------------- */

/* Keeps what libmariadb says of the statement that just ended; gives whether it succeeded. */
static bool note_error(struct db *d)
{
    d->failed_errno = mysql_errno(d->mysql);
    snprintf(d->failed_error, sizeof(d->failed_error), "%s", d->failed_errno ? mysql_error(d->mysql) : "");
    return d->failed_errno == 0;
}

/* A failure that is not the server's. Gives false. */
static bool note_own_error(struct db *d, const char *reason)
{
    d->failed_errno = CODE_OWN;
    snprintf(d->failed_error, sizeof(d->failed_error), "%s", reason);
    return false;
}

/* Whether a new connection is greeted where this one leads to; a server that says no is there. */
static bool greets(const struct db *d)
{
    bool unreachable = false;
    char error[512];
    MYSQL *m = connect_to(d->config, d->endpoint, &unreachable, error, sizeof(error));
    if (m)
        mysql_close(m);
    return !unreachable;
}

/* Waits until the answer begins. A server that works on the statement has its time, less and less often asked
 * for; one that hangs is found out long before. */
static bool answer_begins(const struct db *d)
{
    struct pollfd p = {.fd = mysql_get_socket(d->mysql), .events = POLLIN};
    int left = READ_TIMEOUT_S * 1000;
    for (int patience = PATIENCE_MS; left > 0; patience *= 2) {
        double since = clock_ms();
        if (poll(&p, 1, patience < left ? patience : left) != 0) /* where that failed, reading says why */
            return true;
        if (!greets(d))
            return false;
        left -= (int)(clock_ms() - since);
    }
    return false;
}

/* mysql_real_query, not waiting for a server that hangs. */
static bool ask(struct db *d, struct span sql)
{
    if (mysql_send_query(d->mysql, sql.ptr, sql.len))
        return false;
    if (!answer_begins(d))
        shutdown(mysql_get_socket(d->mysql), SHUT_RDWR); /* reading finds the connection lost */
    return !mysql_read_query_result(d->mysql);
}

bool db_run(struct db *d, struct span sql)
{
    if (!ask(d, sql))
        return note_error(d);
    MYSQL_RES *r = mysql_store_result(d->mysql); /* of a statement that gives rows though nobody asked */
    if (r)
        mysql_free_result(r);
    return note_error(d);
}

bool db_run_buf(struct db *d, struct buf *sql)
{
    bool ok = buf_failed(sql) ? note_own_error(d, "out of memory") : db_run(d, buf_span(sql));
    buf_free(sql);
    return ok;
}

void db_rollback(struct db *d)
{
    ask(d, SPAN("ROLLBACK"));
}

/* printf into a buffer; the format is the caller's, which the compiler has checked. */
static void __attribute__((format(printf, 2, 0))) format_sql(struct buf *b, const char *fmt, va_list ap)
{
    va_list again;
    va_copy(again, ap);
    int n = vsnprintf(NULL, 0, fmt, again);
    va_end(again);
    if (n >= 0 && buf_reserve(b, (size_t)n + 1)) {
        vsnprintf(b->data + b->end, (size_t)n + 1, fmt, ap);
        b->end += (size_t)n;
    }
}

bool db_runf(struct db *d, const char *fmt, ...)
{
    struct buf b = BUF_INIT;
    va_list ap;
    va_start(ap, fmt);
    format_sql(&b, fmt, ap);
    va_end(ap);
    return db_run_buf(d, &b);
}

uint64_t db_affected(const struct db *d)
{
    return mysql_affected_rows(d->mysql);
}

uint64_t db_insert_id(const struct db *d)
{
    return mysql_insert_id(d->mysql);
}

bool db_query(struct db *d, struct span sql, struct db_result *out)
{
    *out = (struct db_result){0};
    MYSQL_RES *r = ask(d, sql) ? mysql_store_result(d->mysql) : NULL;
    if (!note_error(d))
        return false;
    if (!r || mysql_num_fields(r) > DB_MAX_FIELDS) {
        if (r)
            mysql_free_result(r);
        return note_own_error(d, "an answer with no columns, or too many");
    }
    *out = (struct db_result){r, (size_t)mysql_num_rows(r), mysql_num_fields(r), {{0}}};
    return true;
}

bool db_query_buf(struct db *d, struct buf *sql, struct db_result *out)
{
    *out = (struct db_result){0};
    bool ok = buf_failed(sql) ? note_own_error(d, "out of memory") : db_query(d, buf_span(sql), out);
    buf_free(sql);
    return ok;
}

bool db_queryf(struct db *d, struct db_result *out, const char *fmt, ...)
{
    struct buf b = BUF_INIT;
    va_list ap;
    va_start(ap, fmt);
    format_sql(&b, fmt, ap);
    va_end(ap);
    return db_query_buf(d, &b, out);
}

const db_field *db_next(struct db_result *r)
{
    MYSQL_ROW row = r->handle ? mysql_fetch_row(r->handle) : NULL;
    if (!row)
        return NULL;
    const unsigned long *lengths = mysql_fetch_lengths(r->handle);
    for (size_t i = 0; i < r->columns; i++)
        r->fields[i] = (db_field){row[i], row[i] ? lengths[i] : 0};
    return r->fields;
}

void db_end(struct db_result *r)
{
    if (r->handle)
        mysql_free_result(r->handle);
    *r = (struct db_result){0};
}

/* ---- descriptions ----------------------------------------------------------------------------------- */

#define CLIENT_WIDTH  4     /* bytes of a character of the connection's character set, utf8mb4 */
#define NUM_OF_CLIENT 32768 /* a flag that libmariadb adds itself */

/* MariaDB's extended metadata as the server packs them: a byte for the kind, a length, a text. */
static void add_extended(struct buf *out, const MYSQL_FIELD *f)
{
    static const enum mariadb_field_attr_t kinds[] = {MARIADB_FIELD_ATTR_DATA_TYPE_NAME,
                                                      MARIADB_FIELD_ATTR_FORMAT_NAME};
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        MARIADB_CONST_STRING text = {NULL, 0};
        if (mariadb_field_attr(&text, f, kinds[i]) || text.length == 0 || text.length > 250)
            continue;
        buf_add_byte(out, (unsigned char)kinds[i]);
        buf_add_byte(out, (unsigned char)text.length);
        buf_add(out, text.str, text.length);
    }
}

static struct column_facts facts_of(const MYSQL_FIELD *f, struct buf *extended)
{
    struct column_facts facts = {
        .known = true,
        .text = f->charsetnr != 63,
        .length = f->length > UINT32_MAX ? UINT32_MAX : (uint32_t)f->length,
        .flags = (uint16_t)(f->flags & ~(unsigned)NUM_OF_CLIENT),
        .type = (uint8_t)f->type,
        .decimals = (uint8_t)f->decimals,
    };
    if (facts.text && facts.length != UINT32_MAX)
        facts.length /= CLIENT_WIDTH;
    buf_reset(extended);
    add_extended(extended, f);
    facts.extended = buf_failed(extended) ? SPAN("") : buf_span(extended);
    return facts;
}

bool db_describe(struct db *d, struct span sql,
                 void (*column)(void *arg, size_t at, const struct column_facts *facts), void *arg)
{
    MYSQL_STMT *st = mysql_stmt_init(d->mysql);
    if (!st)
        return note_own_error(d, "out of memory");
    MYSQL_RES *r = mysql_stmt_prepare(st, sql.ptr, sql.len) ? NULL : mysql_stmt_result_metadata(st);
    bool ok = r != NULL;
    if (!ok) {
        d->failed_errno = mysql_stmt_errno(st) ? mysql_stmt_errno(st) : CODE_OWN;
        snprintf(d->failed_error, sizeof(d->failed_error), "%s", mysql_stmt_error(st));
    }
    struct buf extended = BUF_INIT;
    for (unsigned i = 0; r && i < mysql_num_fields(r); i++) {
        struct column_facts facts = facts_of(mysql_fetch_field_direct(r, i), &extended);
        column(arg, i, &facts);
    }
    buf_free(&extended);
    if (r)
        mysql_free_result(r);
    mysql_stmt_close(st);
    return ok;
}

uint64_t db_u64(db_field f)
{
    uint64_t n = 0;
    for (size_t i = 0; i < f.len && f.ptr[i] >= '0' && f.ptr[i] <= '9'; i++)
        n = n * 10 + (uint64_t)(f.ptr[i] - '0');
    return n;
}

void db_text(db_field f, char *out, size_t out_size)
{
    size_t n = f.len < out_size ? f.len : out_size - 1;
    if (n)
        memcpy(out, f.ptr, n);
    out[n] = '\0';
}

unsigned db_errno(const struct db *d)
{
    return d->failed_errno;
}

const char *db_error(const struct db *d)
{
    return d->failed_error;
}

bool db_lost(const struct db *d)
{
    static const unsigned codes[] = {CODE_GONE, CODE_LOST, CODE_KILLED, CODE_SHUTDOWN};
    for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++)
        if (d->failed_errno == codes[i])
            return true;
    return false;
}

/* ---- building SQL ----------------------------------------------------------------------------------- */

void sql_name(struct buf *b, struct span name)
{
    buf_add_byte(b, '`');
    for (size_t i = 0; i < name.len; i++) {
        if (name.ptr[i] == '`')
            buf_add_byte(b, '`');
        buf_add_byte(b, (unsigned char)name.ptr[i]);
    }
    buf_add_byte(b, '`');
}

static bool is_plain(struct span text)
{
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.ptr[i];
        if (c < 0x20 || c > 0x7e || c == '\'' || c == '\\')
            return false;
    }
    return true;
}

void sql_string(struct buf *b, struct span text)
{
    if (is_plain(text)) {
        buf_add_byte(b, '\'');
        buf_add_span(b, text);
        buf_add_byte(b, '\'');
        return;
    }
    buf_add_str(b, "_utf8mb4 0x");
    for (size_t i = 0; i < text.len; i++)
        buf_printf(b, "%02X", (unsigned char)text.ptr[i]);
}
