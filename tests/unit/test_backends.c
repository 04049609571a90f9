/* Which address a session is given next: backends in their order, each once; of a name's addresses the one
 * that failed behind the others for a minute, wherever a lookup lists it. The name server and the clock are
 * played here. */
#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <pthread.h>
#include <semaphore.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "proxy/net/backends.h"

enum { NAMED = 3, PORT = 1 /* nobody listens there */ };

static atomic_int seconds; /* that the clock is ahead */
static atomic_int wall;    /* that the clock on the wall is ahead, until it is set back */
static atomic_int turned;  /* by how many the name server's list is */
static sem_t asked;        /* for the time, by the thread that looks up and probes */
static pthread_t test_thread;

/* NOLINTBEGIN(readability-inconsistent-declaration-parameter-name): the C library's are not for us */
int clock_gettime(clockid_t clock, struct timespec *t)
{
    int wrong = (int)syscall(SYS_clock_gettime, clock, t);
    if (!pthread_equal(pthread_self(), test_thread))
        sem_post(&asked);
    if (clock == CLOCK_MONOTONIC)
        t->tv_sec += seconds;
    else if (clock == CLOCK_REALTIME)
        t->tv_sec += wall;
    return wrong;
}

/* "db" has 127.0.0.2 to 127.0.0.4. What is an address itself is only that. */
int getaddrinfo(const char *host, const char *port, const struct addrinfo *hints, struct addrinfo **out)
{
    static struct sockaddr_in sin[NAMED];
    static struct addrinfo list[NAMED];
    static _Thread_local struct sockaddr_in one;
    static _Thread_local struct addrinfo alone;
    (void)port;
    if (strcmp(host, "db") != 0) {
        one = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons(PORT)};
        inet_pton(AF_INET, host, &one.sin_addr);
        alone = (struct addrinfo){.ai_addr = (struct sockaddr *)&one, .ai_addrlen = sizeof one};
        *out = &alone;
        return 0;
    }
    if (hints->ai_flags & AI_NUMERICHOST)
        return EAI_NONAME;
    for (int i = 0; i < NAMED; i++) {
        sin[i] = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons(PORT)};
        sin[i].sin_addr.s_addr = htonl(0x7f000002u + (unsigned)((i + turned) % NAMED));
        list[i] = (struct addrinfo){.ai_addr = (struct sockaddr *)&sin[i],
                                    .ai_addrlen = sizeof sin[i],
                                    .ai_next = i + 1 < NAMED ? &list[i + 1] : NULL};
    }
    *out = list;
    return 0;
}

void freeaddrinfo(struct addrinfo *list)
{
    (void)list;
}
/* NOLINTEND(readability-inconsistent-declaration-parameter-name) */

/* The last byte of the address that the session is given next; 0: it is given none. */
static int next(struct backends *b, struct backend_cursor *at)
{
    struct address a;
    if (!backends_next(b, at, ECONNREFUSED, &a))
        return 0;
    return (int)(ntohl(((struct sockaddr_in *)&a.addr)->sin_addr.s_addr) & 0xff);
}

static int first(struct backends *b)
{
    return next(b, &(struct backend_cursor){0});
}

static void wait_for_first(struct backends *b, int wanted)
{
    for (int i = 0; i < 3000 && first(b) != wanted; i++)
        usleep(10 * 1000);
    assert_int_equal(first(b), wanted);
}

static int set_up(void **state)
{
    static struct endpoint endpoints[] = {{.text = "db:1", .host = "db", .port = "1"},
                                          {.text = "127.0.0.9:1", .host = "127.0.0.9", .port = "1"}};
    static struct config config = {.backends = endpoints, .backend_count = 2, .connect_timeout = 100};
    seconds = wall = turned = 0;
    test_thread = pthread_self();
    sem_init(&asked, 0, 0);
    struct backends *b = *state = backends_new(&config);
    if (b)
        wait_for_first(b, 2);
    return b ? 0 : -1;
}

static int tear_down(void **state)
{
    backends_free(*state);
    sem_destroy(&asked);
    return 0;
}

static void test_each_once(void **state)
{
    static const int expected[] = {2, 3, 4, 9, 0};
    struct backend_cursor at = {0};
    for (size_t i = 0; i < sizeof expected / sizeof expected[0]; i++) {
        at.again = i == 2; /* waits for room there */
        if (at.again)
            assert_int_equal(next(*state, &at), 3);
        assert_int_equal(next(*state, &at), expected[i]);
    }
    struct backend_view seen[2];
    assert_int_equal(backends_look(*state, seen, 2), 2);
    assert_false(seen[0].up || seen[1].up);
}

static void test_one_that_failed_is_behind(void **state)
{
    struct backend_cursor at = {0}, later = {0};
    assert_int_equal(next(*state, &at), 2);
    assert_int_equal(first(*state), 2);
    assert_int_equal(next(*state, &at), 3);
    backends_worked(*state, &at);
    assert_int_equal(next(*state, &later), 3);
    assert_int_equal(next(*state, &later), 4);
    assert_int_equal(next(*state, &later), 2);
    backends_worked(*state, &later); /* it is back */
    assert_int_equal(first(*state), 2);
}

static void test_and_for_a_minute(void **state)
{
    struct backend_cursor at = {0}, again = {0};
    next(*state, &at);
    assert_int_equal(next(*state, &at), 3);
    seconds += 59;
    assert_int_equal(first(*state), 3);
    seconds += 2;
    assert_int_equal(next(*state, &again), 2); /* one tries it for all */
    assert_int_equal(first(*state), 3);
    backends_worked(*state, &again);
    assert_int_equal(first(*state), 2);
}

static void test_wherever_it_is_listed(void **state)
{
    struct backend_cursor at = {0};
    next(*state, &at);
    assert_int_equal(next(*state, &at), 3);
    turned = 2; /* 4, 2, 3 */
    seconds += 10;
    wait_for_first(*state, 4);
    struct backend_cursor turning = {0};
    assert_int_equal(next(*state, &turning), 4);
    assert_int_equal(next(*state, &turning), 3);
    assert_int_equal(next(*state, &turning), 2);
}

/* The thread that looks up and probes waits a second, not until the wall's clock is where it was: it goes on
 * asking for the time. */
static void test_a_clock_that_is_set_back(void **state)
{
    enum { WAITED_ANEW = 6, MOST_SECONDS = 30 };
    wall = 3600;
    while (sem_trywait(&asked) == 0)
        ; /* before that */
    struct timespec until;
    syscall(SYS_clock_gettime, CLOCK_REALTIME, &until);
    until.tv_sec += MOST_SECONDS;
    for (int i = 0; i < WAITED_ANEW; i++)
        assert_int_equal(sem_timedwait(&asked, &until), 0);
    turned = 2;
    seconds += 10;
    wait_for_first(*state, 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_each_once, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_one_that_failed_is_behind, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_and_for_a_minute, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_wherever_it_is_listed, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_clock_that_is_set_back, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
