/* The configuration: files as text, and every mistake that is said about them. One line a case; the file that
 * a mistake is looked for in is the good one with one part replaced. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "config/config.h"
#include "config/endpoint.h"
#include "config/network.h"
#include "protocol/buf.h"
#include "proxy/rewrite/rules.h"

static bool check_expression(const char *text, const char *const *columns, size_t count, char *error,
                             size_t error_size)
{
    return expression_check(span_of(text), columns, count, error, error_size);
}

static void collect(void *ctx, const char *message)
{
    struct buf *b = ctx;
    buf_add_str(b, message);
    buf_add_byte(b, '\n');
}

/* Loads `text` from a file; the messages, without the file's name, are in *messages (freed by the caller). */
static struct config *load(const char *text, struct buf *messages)
{
    char path[] = "/tmp/crossfade-test-config-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    size_t len = strlen(text);
    assert_int_equal(write(fd, text, len), (ssize_t)len);
    close(fd);
    struct buf raw = BUF_INIT;
    struct config *c = config_load(path, check_expression, collect, &raw);
    unlink(path);
    buf_add_byte(&raw, '\0');
    for (const char *p = raw.data; *p;) {
        const char *end = strchr(p, '\n');
        size_t skip = strncmp(p, path, strlen(path)) == 0 ? strlen(path) + 1 : 0;
        buf_add(messages, p + skip, (size_t)(end - p) + 1 - skip);
        p = end + 1;
    }
    buf_add_byte(messages, '\0');
    buf_free(&raw);
    return c;
}

#define PROXY   "[proxy]\nlisten = 127.0.0.1:3307\nbackend = 127.0.0.1:3306\nthreads = 2\n"
#define CONTROL "[control]\nuser = crossfade\npassword = secret\n"
#define NAMES                                                                                                \
    "[migration names]\ntable = shop.users\nold = fullname\nnew = first, last\n"                             \
    "forward.first = SUBSTRING_INDEX(fullname, ' ', 1)\nforward.last = UPPER(fullname)\n"                    \
    "backward.fullname = CONCAT(first, ' ', last)\n"
#define CENTS "[migration cents]\ntable = shop.orders\nold = amount\nnew = cents\n"

/* ---- mistakes --------------------------------------------------------------------------------------- */

static const struct {
    const char *text, *expected; /* the beginnings of all messages, one a line */
} mistakes[] = {
    {"", "1: section [proxy] is missing"},
    {"x = 1\n" PROXY, "1: a key before the first [section]"},
    {PROXY "[nonsense]\n", "5: unknown section [nonsense]"},
    {PROXY "colour = red\n", "5: unknown key colour in [proxy]"},
    {PROXY "Threads = 2\n", "5: unknown key Threads in [proxy]"},
    {PROXY "threads = 4\n", "5: threads is given twice, first in line 4"},
    {PROXY "just words\n", "5: neither [section] nor key = value"},
    {PROXY "[control\n", "5: a section's name ends with ']'"},
    {PROXY "[proxy]\n", "5: section [proxy] is given twice"},
    {"[proxy]\nbackend = 127.0.0.1:3306\n", "1: listen is missing in [proxy]"},
    {"[proxy]\nlisten = here\nbackend = h:1\n", "2: listen: 'here': expected host:port"},
    {"[proxy]\nlisten = h:1, h:99999\nbackend = h:1\n", "2: listen: 'h:99999': expected a port"},
    {"[proxy]\nlisten = h:1\nbackend = h:1\n          h:2\n",
     "3: backend: 'h:1 h:2': a blank stands where a comma is expected"},
    {"[proxy]\nlisten = ::1:3307\nbackend = h:1\n", "2: listen: '::1:3307': an IPv6 address"},
    {"[proxy]\nlisten = *:1\nbackend = *:1\n", "3: backend: '*:1': '*' is for listening"},
    {"[proxy]\nlisten = unix:sock\nbackend = h:1\n", "2: listen: 'unix:sock': a Unix socket is written"},
    {PROXY "connect_timeout = soon\n", "5: connect_timeout: expected a number"},
    {PROXY "log_level = loud\n", "5: log_level: expected debug or info or warn or error, not 'loud'"},
    {PROXY "reuse_port = maybe\n", "5: reuse_port: expected no or yes, not 'maybe'"},
    {PROXY "scheduling = fifo\n", "5: scheduling: expected batch or inherited, not 'fifo'"},
    {PROXY "handshake_timeout = 0\n", "5: handshake_timeout: expected a number from 1 to 600000"},
    {PROXY "tcp_keepalive = 99999\n", "5: tcp_keepalive: expected a number from 0 to 32767"},
    {PROXY "proxy_protocol_networks = 10.0.0.0/8, here, 10.0.0.1/8\n",
     "5: proxy_protocol_networks: 'here': expected an address\n"
     "5: proxy_protocol_networks: '10.0.0.1/8': the address has bits"},
    {PROXY "proxy_protocol_header = never\n", "5: proxy_protocol_header: expected required or optional"},
    {PROXY "backend_proxy_protocol = v3\n", "5: backend_proxy_protocol: expected off or v1 or v2, not 'v3'"},
    {PROXY CONTROL "password_file = /nowhere/at/all\n", "8: password_file: /nowhere/at/all: No such file\n"
                                                        "8: password and password_file exclude"},
    {PROXY "[control]\nuser = u\n", "5: password or password_file is missing"},
    {PROXY CENTS, "1: user is missing in [control]"},
    {PROXY "[tls]\nmode = required\n", "5: mode = required in [tls] needs cert and key"},
    {PROXY "[tls]\nmode = verify-ca\n", "6: mode: expected off or optional or required, not 'verify-ca'"},
    {PROXY "[tls]\ncert = /x\n", "6: cert without key in [tls]"},
    {PROXY "[tls]\nkey = /x\n", "6: key without cert in [tls]"},
    {PROXY "[tls]\ncert =\nkey = /x\n", "6: cert is empty"},
    {PROXY "[tls]\nmin_version = SSLv3\n", "6: min_version: expected TLSv1.2 or TLSv1.3, not 'SSLv3'"},
    {PROXY "[backend_tls]\nmode = optional\n",
     "6: mode: expected off or required or verify-ca or verify-identity, not 'optional'"},
    {PROXY "[backend_tls]\nkey = /x\n", "6: key without cert in [backend_tls]"},
    {PROXY "[backend_tls]\nclient_cert = required\n", "6: unknown key client_cert in [backend_tls]"},
    {PROXY CONTROL "[migration]\n", "8: unknown section [migration]"},
    {PROXY CONTROL "[migration a b]\ntable = t\nold = a\nnew = b\n", "8: 'a b': a migration's name\n"
                                                                     "9: table: expected database.table"},
    {PROXY CONTROL "[migration m]\nold = a\nnew = b\n", "8: table is missing in [migration m]"},
    {PROXY CONTROL "[migration m]\ntable = d.b\xc3\xa4r\nold = a\nnew = b\n",
     "8: b\xc3\xa4r: names of tables and columns must be ASCII in [migration m]"},
    {PROXY CONTROL
     "[migration m]\ntable = d.t\nold = a\nnew = b\xc3\xa4\nforward.b\xc3\xa4 = a\nbackward.a = 1\n",
     "8: b\xc3\xa4: names of tables and columns must be ASCII"},
    {PROXY CONTROL "[migration m]\ntable = d.t\nold = a, a\nnew = b\n",
     "8: column a is named twice\n8: forward.b is missing\n8: backward.a is missing\n8: backward.a is "
     "missing"},
    {PROXY CONTROL CENTS "forward.other = amount\n", "12: forward.other: other is none of the new columns"},
    {PROXY CONTROL CENTS "forward.cents = amount *\n", "12: forward.cents: "},
    {PROXY CONTROL CENTS "forward.cents = price * 100\n", "12: forward.cents: "},
    {PROXY CONTROL CENTS "forward.cents = amount + NOW()\n", "12: forward.cents: "},
    {PROXY CONTROL CENTS "forward.cents = (SELECT 1)\n", "12: forward.cents: "},
    {PROXY CONTROL CENTS "new.cents = BIGINT, DROP COLUMN amount\n", "12: new.cents: 'BIGINT, DROP"},
    {PROXY CONTROL CENTS "reads = new\n", "12: reads: expected auto or old, not 'new'"},
    {PROXY CONTROL CENTS "on_dual_write_error = fallback\n",
     "12: on_dual_write_error = fallback: this version"},
    {PROXY CONTROL CENTS "monotonic = yes\n", "8: monotonic = yes needs invertible"},
    {PROXY CONTROL CENTS CENTS, "12: [migration cents] is given twice, first in line 8"},
    {PROXY CONTROL CENTS "[migration more]\ntable = shop.orders\nold = amount\nnew = c2\n",
     "12: column amount of shop.orders is in [migration cents] too"},
    {PROXY CONTROL "[migration m]\ntable = d.t\nold = a\nnew = b, c\nforward.b = a\n",
     "8: forward.c is missing\n8: backward.a is missing"},
    /* All of a file's mistakes, not only the first. */
    {"[proxy]\nlisten = x\nbackend = y\nz = 1\n[w]\n",
     "2: listen: 'x'\n3: backend: 'y'\n4: unknown key z\n5: unknown section [w]"},
};

/* Each line of `expected` begins a line of `messages`, in any order, and there are no others. */
static void assert_messages(const char *text, const char *messages, const char *expected)
{
    size_t wanted = 0, said = 0;
    for (const char *p = messages; *p; p++)
        said += *p == '\n';
    for (const char *p = expected; p; p = strchr(p, '\n'), p = p ? p + 1 : NULL) {
        size_t len = strcspn(p, "\n");
        bool found = false;
        for (const char *m = messages; m && *m; m = strchr(m, '\n'), m = m ? m + 1 : NULL)
            found = found || strncmp(m, p, len) == 0;
        if (!found)
            fail_msg("%s\n--- does not say: %.*s\n--- but:\n%s", text, (int)len, p, messages);
        wanted++;
    }
    if (said != wanted)
        fail_msg("%s\n--- says more than\n%s\n--- namely\n%s", text, expected, messages);
}

static void test_mistakes(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(mistakes) / sizeof(mistakes[0]); i++) {
        struct buf messages = BUF_INIT;
        struct config *c = load(mistakes[i].text, &messages);
        assert_messages(mistakes[i].text, messages.data, mistakes[i].expected);
        assert_null(c);
        buf_free(&messages);
    }
}

/* ---- what a good file gives ------------------------------------------------------------------------- */

static struct config *load_good(const char *text)
{
    struct buf messages = BUF_INIT;
    struct config *c = load(text, &messages);
    if (!c)
        fail_msg("%s", messages.data);
    buf_free(&messages);
    return c;
}

static void test_good_file(void **state)
{
    (void)state;
    struct config *c =
        load_good("\xef\xbb\xbf; a comment\r\n[proxy]\r\n"
                  "listen = 127.0.0.1:3307, [::1]:3308 , unix:/run/x.sock ; three\r\n"
                  "  # another\n"
                  "backend=db:3306\nadmin_socket = /tmp/a.sock\nthreads = 3\n"
                  "connect_timeout = 100\nmax_connections = 7\ndrain_timeout = 0\n"
                  "log_level = warn\n" CONTROL "database = side\n[tls]\nmode = off\n" NAMES CENTS
                  "reads = old\non_unrewritable = pass\ninvertible = yes\nmonotonic = yes\n");
    assert_int_equal(c->listen_count, 3);
    assert_string_equal(c->listen[1].host, "::1");
    assert_string_equal(c->listen[1].port, "3308");
    assert_true(c->listen[2].is_unix);
    assert_string_equal(c->listen[2].path, "/run/x.sock");
    assert_string_equal(c->backends[0].host, "db");
    assert_string_equal(c->admin_socket, "/tmp/a.sock");
    assert_int_equal(c->threads, 3);
    assert_int_equal(c->connect_timeout, 100);
    assert_int_equal(c->max_connections, 7);
    assert_int_equal(c->drain_timeout, 0);
    assert_int_equal(c->log_level, LOG_WARN);
    assert_string_equal(c->control_password, "secret");
    assert_string_equal(c->control_database, "side");
    assert_int_equal(c->migration_count, 2);
    assert_string_equal(c->migrations[0].db, "shop");
    assert_string_equal(c->migrations[0].table, "users");
    assert_int_equal(c->migrations[0].new_count, 2);
    assert_string_equal(c->migrations[0].new_columns[1].expression, "UPPER(fullname)");
    const struct config_migration *m = config_find(c, "cents");
    assert_non_null(m);
    assert_true(m->reads_pinned_old && m->pass_unrewritable && m->invertible && m->monotonic);
    assert_string_equal(m->new_columns[0].expression, "`amount`");
    assert_string_equal(m->old_columns[0].expression, "`cents`");
    assert_null(config_find(c, "nothing"));
    config_free(c);
}

static void test_tls(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        unsigned mode, client_cert, min_version, backend_mode;
    } cases[] = {
        {PROXY, TLS_MODE_OFF, TLS_CLIENT_CERT_REQUIRED, TLS_VERSION_1_2, BACKEND_TLS_OFF},
        {PROXY "[tls]\ncert = /c\nkey = /k\n", TLS_MODE_OPTIONAL, TLS_CLIENT_CERT_REQUIRED, TLS_VERSION_1_2,
         BACKEND_TLS_OFF},
        {PROXY "[tls]\nmode = off\ncert = /c\nkey = /k\n[backend_tls]\nmode = verify-ca\nca = /a\n",
         TLS_MODE_OFF, TLS_CLIENT_CERT_REQUIRED, TLS_VERSION_1_2, BACKEND_TLS_VERIFY_CA},
        {PROXY "[tls]\nmode = required\ncert = /c\nkey = /k\nca = /a\nclient_cert = optional\n"
               "min_version = TLSv1.3\n[backend_tls]\nmode = verify-identity\n",
         TLS_MODE_REQUIRED, TLS_CLIENT_CERT_OPTIONAL, TLS_VERSION_1_3, BACKEND_TLS_VERIFY_IDENTITY},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct config *c = load_good(cases[i].text);
        assert_int_equal(c->tls.mode, cases[i].mode);
        assert_int_equal(c->tls.client_cert, cases[i].client_cert);
        assert_int_equal(c->tls.min_version, cases[i].min_version);
        assert_int_equal(c->backend_tls.mode, cases[i].backend_mode);
        config_free(c);
    }
}

static void test_defaults(void **state)
{
    (void)state;
    struct config *c = load_good("[proxy]\nlisten = h:1\nbackend = unix:/s\n");
    assert_string_equal(c->admin_socket, "/run/crossfade/admin.sock");
    assert_string_equal(c->control_database, "crossfade");
    assert_true(c->threads > 0);
    assert_int_equal(c->handshake_timeout, 10000);
    assert_int_equal(c->tcp_keepalive, 60);
    assert_false(c->reuse_port || c->proxy_header_optional || c->scheduling_inherited);
    assert_int_equal(c->proxy_send, PROXY_SEND_OFF);
    assert_int_equal(c->proxy_network_count, 0);
    assert_null(c->control_user);
    config_free(c);
}

static void test_network_keys(void **state)
{
    (void)state;
    struct config *c = load_good(
        PROXY "handshake_timeout = 1500\ntcp_keepalive = 0\ntcp_user_timeout = 20000\n"
              "reuse_port = yes\nscheduling = inherited\nproxy_protocol_networks = 10.0.0.0/8 , ::1, unix\n"
              "proxy_protocol_header = optional\nbackend_proxy_protocol = v2\n");
    assert_int_equal(c->handshake_timeout, 1500);
    assert_int_equal(c->tcp_keepalive, 0);
    assert_int_equal(c->tcp_user_timeout, 20000);
    assert_true(c->reuse_port && c->proxy_header_optional && c->scheduling_inherited);
    assert_int_equal(c->proxy_send, PROXY_SEND_V2);
    assert_int_equal(c->proxy_network_count, 3);
    assert_int_equal(c->proxy_networks[0].bits, 8);
    assert_int_equal(c->proxy_networks[1].size, 16);
    assert_int_equal(c->proxy_networks[2].size, 0);
    config_free(c);
}

/* Comments, quotes and lines that go on: the value of forward.cents. */
static void test_values(void **state)
{
    (void)state;
    static const struct {
        const char *text, *value;
    } cases[] = {
        {"forward.cents = amount * 100 ; cents\n", "amount * 100"},
        {"forward.cents = CONCAT(amount, ' ; x') ; after\n", "CONCAT(amount, ' ; x')"},
        {"forward.cents = CONCAT(amount, 'it''s ; x', \" ; \") ; after\n",
         "CONCAT(amount, 'it''s ; x', \" ; \")"},
        {"forward.cents = CONCAT(amount, 'a\\' ; b')\n", "CONCAT(amount, 'a\\' ; b')"},
        {"forward.cents = amount\n   * 100   ; one\n   + 0\n", "amount * 100 + 0"},
        {"\n  forward.cents = amount\n  reads = old\n", "amount"},
        {"forward = amount + 1\n", "amount + 1"},
        {"forward.cents = CASE amount WHEN 1 THEN ';' END\n", "CASE amount WHEN 1 THEN ';' END"},
        {"forward.cents = amount = 1\n", "amount = 1"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char text[1024];
        snprintf(text, sizeof(text), "%s%s%s%s", PROXY, CONTROL, CENTS, cases[i].text);
        struct config *c = load_good(text);
        assert_string_equal(c->migrations[0].new_columns[0].expression, cases[i].value);
        config_free(c);
    }
}

/* Longer than any fixed buffer that a reader might have. */
static void test_long_value(void **state)
{
    (void)state;
    struct buf b = BUF_INIT;
    buf_add_str(&b, PROXY CONTROL CENTS "forward.cents = amount");
    for (int i = 0; i < 5000; i++)
        buf_add_str(&b, " + 10");
    buf_add_str(&b, "\n");
    buf_add_byte(&b, '\0');
    struct config *c = load_good(b.data);
    assert_int_equal(strlen(c->migrations[0].new_columns[0].expression), 6 + 5000 * 5);
    config_free(c);
    buf_free(&b);
}

/* Whatever the bytes are: an answer, and no crash. */
static void test_hostile_bytes(void **state)
{
    (void)state;
    static const char good[] = PROXY CONTROL NAMES CENTS;
    static const char noise[] = "[]=;#'\"\\`\n \t.,:(\x80\xff\x01";
    char text[sizeof(good)];
    srandom(42);
    for (int round = 0; round < 2000; round++) {
        memcpy(text, good, sizeof(good));
        for (int n = 0; n < 4; n++)
            text[(size_t)random() % (sizeof(good) - 1)] = noise[(size_t)random() % (sizeof(noise) - 1)];
        struct buf messages = BUF_INIT;
        struct config *c = load(text, &messages);
        assert_true((c == NULL) == (messages.data[0] != '\0'));
        config_free(c);
        buf_free(&messages);
    }
}

static void test_no_file(void **state)
{
    (void)state;
    struct buf messages = BUF_INIT;
    assert_null(config_load("/nowhere/crossfade.ini", check_expression, collect, &messages));
    buf_add_byte(&messages, '\0');
    assert_string_equal(messages.data, "/nowhere/crossfade.ini:0: No such file or directory\n");
    buf_free(&messages);
}

/* ---- networks ---- */

static void test_networks(void **state)
{
    (void)state;
    static const struct {
        const char *network;
        unsigned char address[16];
        size_t size;
        bool in;
    } cases[] = {
        {"192.0.2.0/24", {192, 0, 2, 255}, 4, true},
        {"192.0.2.0/24", {192, 0, 3, 0}, 4, false},
        {"192.0.2.1", {192, 0, 2, 1}, 4, true},
        {"192.0.2.1", {192, 0, 2, 2}, 4, false},
        {"10.128.0.0/9", {10, 128, 0, 1}, 4, true},
        {"10.128.0.0/9", {10, 127, 255, 255}, 4, false},
        {"0.0.0.0/0", {1, 2, 3, 4}, 4, true},
        {"0.0.0.0/0", {0}, 16, false},
        {"0.0.0.0/0", {0}, 0, false},
        {"::/0", {0xff}, 16, true},
        {"::/0", {1, 2, 3, 4}, 4, false},
        {"2001:db8::/33", {0x20, 1, 0xd, 0xb8, 0x7f}, 16, true},
        {"2001:db8::/33", {0x20, 1, 0xd, 0xb8, 0x80}, 16, false},
        {"192.0.2.0/24", {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 192, 0, 2, 9}, 16, true},
        {"::/0", {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 192, 0, 2, 9}, 16, false},
        {"unix", {0}, 0, true},
        {"unix", {0}, 4, false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct network n;
        assert_null(network_parse(cases[i].network, &n));
        if (network_has(&n, 1, cases[i].address, cases[i].size) != cases[i].in)
            fail_msg("case %zu: %s", i, cases[i].network);
    }
    static const char *const bad[] = {
        "",          "192.0.2.1/33", "::1/129",      "192.0.2.0/",      "/24",
        "localhost", "192.0.2.1/24", "192.0.2.0/-1", "2001:db8::1/32",  "192.0.2",
        "::g",       "Unix",         "10.0.0.0/8x",  "1.2.3.4, 5.6.7.8"};
    struct network n;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        if (!network_parse(bad[i], &n))
            fail_msg("taken: %s", bad[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_mistakes),      cmocka_unit_test(test_good_file),
        cmocka_unit_test(test_defaults),      cmocka_unit_test(test_tls),
        cmocka_unit_test(test_values),        cmocka_unit_test(test_long_value),
        cmocka_unit_test(test_hostile_bytes), cmocka_unit_test(test_no_file),
        cmocka_unit_test(test_networks),      cmocka_unit_test(test_network_keys),
    };
    return cmocka_run_group_tests_name("config", tests, NULL, NULL);
}
