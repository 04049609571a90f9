/* From a line on the admin socket to its answer: words, quotes, options, and what is refused before a command
 * runs. Commands that need the backend are tested end to end. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "proxy/admin/command.h"
#include "proxy/migration/phases.h"

static unsigned no_clients(void *ctx)
{
    (void)ctx;
    return 0;
}

/* Runs a line against a control without migrations; gives the last line of the answer, parsed. */
static cJSON *answer_to(const char *line)
{
    struct config *config = calloc(1, sizeof(*config));
    config->control_database = strdup("crossfade");
    struct admin_setup setup = {.control = control_new(config, NULL), .clients = no_clients};
    assert_non_null(setup.control);

    int pair[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    char copy[4096], answer[65536];
    snprintf(copy, sizeof(copy), "%s", line);
    struct call call = {.setup = &setup, .control = setup.control, .who = "tester", .fd = pair[1]};
    command_run(&call, copy);
    close(pair[1]);
    size_t len = 0;
    ssize_t n;
    while ((n = read(pair[0], answer + len, sizeof(answer) - 1 - len)) > 0)
        len += (size_t)n;
    close(pair[0]);
    control_free(setup.control);
    assert_true(len > 0 && answer[len - 1] == '\n');
    assert_null(memchr(answer, '\n', len - 1)); /* one object, one line */
    answer[len] = '\0';
    cJSON *json = cJSON_Parse(answer);
    assert_non_null(json);
    return json;
}

static void test_refusals(void **state)
{
    (void)state;
    static const struct {
        const char *line, *error; /* its beginning */
    } cases[] = {
        {"", "usage: an empty line"},
        {"   \t ", "usage: an empty line"},
        {"STATUS", "usage: unknown command STATUS"},
        {"help STATUS", "there is no command STATUS"},
        {"status \xc3\xa9\xf0\x9f\x90\xac", "there is no migration \xc3\xa9\xf0\x9f\x90\xac"},
        {"status \xff_\xc3_\xc0\xaf_\xed\xa0\x80_\xe2\x82", "there is no migration ?_?_??_?\?\?_?\?"},
        {"frobnicate users", "usage: unknown command frobnicate"},
        {"cutover", "usage: cutover M"},
        {"cutover a b", "usage: cutover M"},
        {"status --force", "usage: status does not know --force"},
        {"cutover m --forced", "usage: cutover does not know --forced"},
        {"cutover m --force=yes", "usage: cutover does not know --force=yes"},
        {"cutover m --timeout", "usage: --timeout: a value is missing"},
        {"cutover m --timeout soon", "usage: soon: --timeout: expected seconds"},
        {"cutover m --timeout=-1", "usage: --timeout=-1: --timeout: expected seconds"},
        {"rollback m --to nowhere", "usage: nowhere: --to: expected"},
        {"events --limit 0", "usage: 0: --limit: expected"},
        {"cutover nothing", "there is no migration nothing"},
        {"cutover \"not hing\"", "there is no migration not hing"},
        {"cutover \"not \\\" \\\\ hing\"", "there is no migration not \" \\ hing"},
        {"cutover m --percent 10", "this version flips the reads of all traffic"},
        {"contract m", "this version does not have contract"},
        {"inventory m", "this version does not have inventory"},
        {"status nothing", "there is no migration nothing"},
        {"backfill nothing pause", "there is no migration nothing"},
        {"a a a a a a a a a a a a a a a a a a a a a a a a a a a a a a a a a", "usage: more than 32 words"},
        {"\xff\xfe\x01", "usage: unknown command"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        cJSON *json = answer_to(cases[i].line);
        const char *error = cJSON_GetStringValue(cJSON_GetObjectItem(json, "error"));
        assert_true(cJSON_IsFalse(cJSON_GetObjectItem(json, "ok")));
        if (!error || strncmp(error, cases[i].error, strlen(cases[i].error)) != 0)
            fail_msg("%s: %s, expected %s", cases[i].line, error ? error : "no error", cases[i].error);
        cJSON_Delete(json);
    }
}

static void test_answers(void **state)
{
    (void)state;
    static const struct {
        const char *line, *member;
    } cases[] = {
        {"status", "migrations"},     {"  status  \r", "migrations"}, {"\"status\"", "migrations"},
        {"status --json", "version"}, {"version", "version"},         {"help", "commands"},
        {"help cutover", "commands"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        cJSON *json = answer_to(cases[i].line);
        assert_true(cJSON_IsTrue(cJSON_GetObjectItem(json, "ok")));
        assert_non_null(cJSON_GetObjectItem(json, cases[i].member));
        cJSON_Delete(json);
    }
}

/* Every command has its help, and help tells every command. */
static void test_help(void **state)
{
    (void)state;
    cJSON *json = answer_to("help");
    size_t count = 0;
    for (const struct command *k = commands; k->name; k++, count++)
        assert_true(k->help && *k->help && k->run && k->arguments);
    assert_int_equal(cJSON_GetArraySize(cJSON_GetObjectItem(json, "commands")), count);
    cJSON_Delete(json);
}

static void test_gates(void **state)
{
    (void)state;
    struct gate_list l = {
        .gates = {{.name = "a", .ok = true, .hard = true}, {.name = "b", .ok = false, .detail = "x"}},
        .count = 2};
    char text[64];
    assert_false(gates_open(&l, false));
    assert_true(gates_open(&l, true));
    gates_text(&l, text, sizeof(text));
    assert_string_equal(text, "b: x");
    l.gates[0].ok = false;
    assert_false(gates_open(&l, true));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_answers),
        cmocka_unit_test(test_help),
        cmocka_unit_test(test_gates),
    };
    return cmocka_run_group_tests_name("admin", tests, NULL, NULL);
}
