/* Authentication as far as the relay knows it: plugins and their requests, handshake responses without their
 * proof, passwords by RSA. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "protocol/handshake.h"
#include "proxy/net/password_key.h"

#define SALT_20 "abcdefghijklmnopqrst"

static void test_plugins(void **state)
{
    (void)state;
    assert_int_equal(auth_plugin_of(SPAN("caching_sha2_password")), AUTH_CACHING_SHA2);
    assert_int_equal(auth_plugin_of(SPAN("sha256_password")), AUTH_SHA256);
    assert_int_equal(auth_plugin_of(SPAN("mysql_clear_password")), AUTH_CLEAR);
    assert_int_equal(auth_plugin_of(SPAN("dialog")), AUTH_CLEAR);
    assert_int_equal(auth_plugin_of(SPAN("mysql_native_password")), AUTH_PROOF);
    assert_int_equal(auth_plugin_of(SPAN("")), AUTH_PROOF);
}

static void test_requests(void **state)
{
    (void)state;
    static const struct {
        struct span payload;
        uint64_t capabilities;
        bool is;
        const char *plugin, *salt;
    } cases[] = {
        {SPAN("\xfesha256_password\0" SALT_20 "\0"), 0, true, "sha256_password", SALT_20},
        {SPAN("\xfe"
              "client_ed25519\0"
              "short"),
         0, true, "client_ed25519", "short"},
        {SPAN("\xfemysql_clear_password\0"), 0, true, "mysql_clear_password", ""},
        {SPAN("\xfe"), 0, false, "", ""}, /* the switch to passwords of before 4.1 */
        {SPAN("\xfeno end"), 0, false, "", ""},
        {SPAN("\x02sha256_password\0" SALT_20 "\0"), CLIENT_MULTI_FACTOR, true, "sha256_password", SALT_20},
        {SPAN("\x02Password: "), 0, false, "", ""}, /* a question of the dialog plugin */
        {SPAN("\x01\x04"), CLIENT_MULTI_FACTOR, false, "", ""},
        {SPAN(""), 0, false, "", ""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct auth_request r;
        assert_int_equal(auth_request_parse(cases[i].payload, cases[i].capabilities, &r), cases[i].is);
        if (!cases[i].is)
            continue;
        assert_true(span_eq(r.plugin, span_of(cases[i].plugin)));
        assert_true(span_eq(r.salt, span_of(cases[i].salt)));
    }
    assert_true(auth_fast_done(SPAN("\x01\x03")) && auth_wants_password(SPAN("\x01\x04")));
    assert_false(auth_fast_done(SPAN("\x01\x04")) || auth_wants_password(SPAN("\x01\x04more")));
}

/* What is withheld is the proof alone; the rest reads as before. */
static void withhold(struct span p, const struct login *l, uint64_t capabilities, bool change)
{
    struct buf out = BUF_INIT;
    struct login again;
    login_withhold(p, l, &out);
    assert_true(change ? change_user_parse(buf_span(&out), capabilities, &again)
                       : login_parse(buf_span(&out), CLIENT_MYSQL, &again));
    assert_true(span_eq(again.proof, (struct span){"", 1}));
    assert_true(span_eq(login_plugin(&again), SPAN("none")));
    assert_true(span_eq(again.user, l->user) && span_eq(again.database, l->database));
    assert_true(span_eq(again.program, l->program));
    assert_int_equal(again.collation, l->collation);
    buf_free(&out);
}

#define ATTRIBUTES                                                                                           \
    "\x0f"                                                                                                   \
    "\x0cprogram_name"                                                                                       \
    "\x01"                                                                                                   \
    "x"
#define HEAD(caps) caps "\0\0\0\x01\x2d" SALT_20 "\0\0\0"

static void test_withholding(void **state)
{
    (void)state;
    static const struct span logins[] = {
        /* CONNECT_WITH_DB, PROTOCOL_41, SECURE_CONNECTION, PLUGIN_AUTH, CONNECT_ATTRS; the last: LENENC */
        {HEAD("\x09\x82\x18\x00") "app\0\x07secret\0"
                                  "shop\0sha256_password\0" ATTRIBUTES,
         sizeof HEAD("1234") "app\0\x07secret\0shop\0sha256_password\0" ATTRIBUTES - 1},
        {HEAD("\x09\x82\x38\x00") "app\0\x07secret\0"
                                  "shop\0sha256_password\0" ATTRIBUTES,
         sizeof HEAD("1234") "app\0\x07secret\0shop\0sha256_password\0" ATTRIBUTES - 1},
    };
    for (size_t i = 0; i < sizeof logins / sizeof logins[0]; i++) {
        struct login l;
        assert_true(login_parse(logins[i], CLIENT_MYSQL, &l));
        assert_true(span_eq(l.proof, SPAN("\x07secret\0")));
        assert_true(span_eq(login_plugin(&l), SPAN("sha256_password")));
        assert_true(span_eq(l.program, SPAN("x")));
        withhold(logins[i], &l, 0, false);
    }
    struct span change = SPAN("\x11"
                              "app\0\x07secret\0shop\0\x2d\0sha256_password\0" ATTRIBUTES);
    uint64_t caps = CLIENT_SECURE_CONNECTION | CLIENT_PLUGIN_AUTH | CLIENT_CONNECT_ATTRS;
    struct login l;
    assert_true(change_user_parse(change, caps, &l));
    assert_true(span_eq(l.proof, SPAN("\x07secret\0")));
    withhold(change, &l, caps, true);
}

static void test_passwords_by_rsa(void **state)
{
    (void)state;
    struct password_key *key = password_key_generate(), *other = password_key_generate();
    assert_non_null(key);
    assert_non_null(other);
    assert_true(password_key_generated(key));
    static const size_t lengths[] = {0, 1, 19, 20, 21, 213, 214, 300};
    char password[300];
    memset(password, 'p', sizeof password);
    for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
        struct buf sealed = BUF_INIT, opened = BUF_INIT;
        struct span p = {password, lengths[i]};
        bool fits = password_encrypt(password_key_public(key), p, SPAN(SALT_20), &sealed);
        assert_int_equal(fits, lengths[i] <= 213); /* 2048 bits, less what OAEP takes, less the NUL */
        if (fits) {
            assert_int_equal(buf_len(&sealed), 256);
            assert_true(password_decrypt(key, buf_span(&sealed), SPAN(SALT_20), &opened));
            assert_true(span_eq(buf_span(&opened), p));
            buf_reset(&opened);
            assert_false(password_decrypt(other, buf_span(&sealed), SPAN(SALT_20), &opened));
        }
        password_wipe(&sealed);
        password_wipe(&opened);
    }
    struct buf out = BUF_INIT;
    assert_false(password_encrypt(SPAN("no key"), SPAN("x"), SPAN(SALT_20), &out));
    assert_false(password_decrypt(key, SPAN("too short"), SPAN(SALT_20), &out));
    assert_null(password_key_load("/nowhere/at/all"));
    buf_free(&out);
    password_key_unref(key);
    password_key_unref(other);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_plugins),
        cmocka_unit_test(test_requests),
        cmocka_unit_test(test_withholding),
        cmocka_unit_test(test_passwords_by_rsa),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
