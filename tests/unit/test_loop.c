/* The workers' loop: who is told of what, in which order, and that nobody hears of a watch or timer that has
 * ended. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "proxy/net/loop.h"

static struct loop *loop;
static char heard[64]; /* one letter for each call */

static void hear(char letter)
{
    size_t n = strlen(heard);
    assert_true(n + 1 < sizeof heard);
    heard[n] = letter;
    heard[n + 1] = '\0';
}

static int begin(void **state)
{
    (void)state;
    heard[0] = '\0';
    loop = loop_new();
    return loop ? 0 : -1;
}

static int end(void **state)
{
    (void)state;
    loop_free(loop);
    return 0;
}

/* Hears the letter that it has for what it is told, and stops the loop at a capital. */
struct listener {
    struct watch watch;
    char read, write;
    struct listener *ends; /* the watch that ends with it; NULL: none */
};

static void on_ready(struct watch *w, uint32_t what)
{
    struct listener *l = w->arg;
    char letter = what == LOOP_READ ? l->read : l->write;
    hear(letter);
    if (l->ends)
        assert_true(loop_watch(loop, &l->ends->watch, 0));
    if (letter < 'a')
        loop_stop(loop);
}

static struct listener listener(int fd, char read, char write, struct listener *self)
{
    return (struct listener){{fd, 0, on_ready, self}, read, write, NULL};
}

static void pair(int fds[2])
{
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
}

/* The same, and fds[0] is readable. */
static void readable_pair(int fds[2])
{
    pair(fds);
    assert_int_equal(write(fds[1], "x", 1), 1);
}

static void shut(int fds[2])
{
    close(fds[0]);
    close(fds[1]);
}

static void writing_is_told_before_reading(void **state)
{
    (void)state;
    int fds[2];
    readable_pair(fds);
    struct listener l = listener(fds[0], 'R', 'w', &l);
    assert_true(loop_watch(loop, &l.watch, LOOP_READ | LOOP_WRITE));
    loop_run(loop);
    assert_string_equal(heard, "wR");
    shut(fds);
}

static void only_what_is_wanted_is_told(void **state)
{
    (void)state;
    int fds[2];
    pair(fds);
    struct listener l = listener(fds[0], 'r', 'W', &l);
    assert_true(loop_watch(loop, &l.watch, LOOP_READ));
    assert_true(loop_watch(loop, &l.watch, LOOP_WRITE));
    assert_int_equal(l.watch.wants, LOOP_WRITE);
    assert_int_equal(write(fds[1], "x", 1), 1);
    loop_run(loop);
    assert_string_equal(heard, "W");
    shut(fds);
}

static void a_hang_up_is_told_as_what_is_wanted(void **state)
{
    (void)state;
    int fds[2];
    pair(fds);
    struct listener l = listener(fds[0], 'R', 'w', &l);
    assert_true(loop_watch(loop, &l.watch, LOOP_READ));
    shutdown(fds[1], SHUT_RDWR);
    loop_run(loop);
    assert_string_equal(heard, "R");
    shut(fds);
}

/* Whichever comes first ends the other, which was ready too. */
static void nobody_hears_of_a_watch_that_has_ended(void **state)
{
    (void)state;
    int one[2], two[2];
    readable_pair(one);
    readable_pair(two);
    struct listener a = listener(one[0], 'A', '-', &a), b = listener(two[0], 'A', '-', &b);
    a.ends = &b;
    b.ends = &a;
    assert_true(loop_watch(loop, &a.watch, LOOP_READ));
    assert_true(loop_watch(loop, &b.watch, LOOP_READ));
    loop_run(loop);
    assert_string_equal(heard, "A");
    assert_int_equal(a.watch.wants + b.watch.wants, LOOP_READ);
    shut(one);
    shut(two);
}

/* It may be freed there, so its reading is not looked at behind that. */
static void a_watch_may_end_itself(void **state)
{
    (void)state;
    int fds[2], other[2];
    readable_pair(fds);
    readable_pair(other);
    struct listener *l = malloc(sizeof *l), stop = listener(other[0], 'S', '-', &stop);
    assert_non_null(l);
    *l = listener(fds[0], 'r', 'w', l);
    l->ends = l;
    assert_true(loop_watch(loop, &l->watch, LOOP_READ | LOOP_WRITE));
    assert_true(loop_watch(loop, &stop.watch, LOOP_READ));
    loop_run(loop);
    assert_string_equal(heard, "wS");
    free(l);
    shut(fds);
    shut(other);
}

static void a_shared_watch_ends_as_others(void **state)
{
    (void)state;
    int fds[2], other[2];
    readable_pair(fds);
    readable_pair(other);
    struct listener l = listener(fds[0], 'r', '-', &l), stop = listener(other[0], 'S', '-', &stop);
    assert_true(loop_share(loop, &l.watch));
    assert_true(loop_watch(loop, &stop.watch, LOOP_READ));
    l.ends = &l;
    loop_run(loop);
    assert_int_equal(strchr(heard, 'S') != NULL, 1);
    assert_true(strlen(heard) <= 2);
    assert_int_equal(l.watch.wants, strchr(heard, 'r') ? 0 : LOOP_READ);
    shut(fds);
    shut(other);
}

/* ---- timers ---- */

struct alarm {
    struct timer timer;
    char letter;
    unsigned again; /* ms, for once more */
};

static void on_over(struct timer *t)
{
    struct alarm *a = t->arg;
    assert_false(timer_is_set(t));
    hear(a->letter);
    if (a->again)
        assert_true(loop_timer(loop, t, a->again));
    a->again = 0;
    if (a->letter < 'a')
        loop_stop(loop);
}

static struct alarm alarm_of(char letter, struct alarm *self)
{
    return (struct alarm){{.over = on_over, .arg = self}, letter, 0};
}

static void timers_come_in_order_and_not_early(void **state)
{
    (void)state;
    struct alarm alarms[9];
    struct timespec before, after;
    clock_gettime(CLOCK_MONOTONIC, &before);
    for (int i = 0; i < 9; i++) { /* 3 6 9 2 5 8 1 4 7 */
        int place = (i + 1) * 3 % 10;
        alarms[i] = alarm_of((char)(place == 9 ? 'Z' : 'a' + place), &alarms[i]);
        assert_true(loop_timer(loop, &alarms[i].timer, 3 * (unsigned)place));
    }
    loop_run(loop);
    clock_gettime(CLOCK_MONOTONIC, &after);
    assert_string_equal(heard, "bcdefghiZ");
    long ms = (after.tv_sec - before.tv_sec) * 1000 + (after.tv_nsec - before.tv_nsec) / 1000000;
    assert_true(ms >= 27);
}

static void timers_end_and_are_set_anew(void **state)
{
    (void)state;
    struct alarm a = alarm_of('a', &a), b = alarm_of('b', &b), c = alarm_of('c', &c),
                 stop = alarm_of('S', &stop);
    assert_true(loop_timer(loop, &a.timer, 1));
    assert_true(loop_timer(loop, &b.timer, 5));
    assert_true(loop_timer(loop, &c.timer, 60));
    assert_true(loop_timer(loop, &stop.timer, 120));
    loop_timer_end(loop, &a.timer);
    loop_timer_end(loop, &a.timer); /* twice is fine */
    assert_false(timer_is_set(&a.timer));
    b.again = 1;
    assert_true(loop_timer(loop, &stop.timer, 20)); /* earlier than before */
    assert_true(loop_timer(loop, &c.timer, 200));   /* later */
    loop_run(loop);
    assert_string_equal(heard, "bbS");
    assert_true(timer_is_set(&c.timer));
    loop_timer_end(loop, &c.timer);
}

static uint64_t last_due;
static int left; /* timers that are set */

static void on_ordered(struct timer *t)
{
    assert_true(t->due >= last_due);
    last_due = t->due;
    if (--left == 0)
        loop_stop(loop);
}

/* Set, set anew and ended in any order, they come in the order of their times. */
static void many_timers_keep_their_order(void **state)
{
    (void)state;
    static struct timer timers[1000];
    last_due = 0;
    left = 0;
    for (size_t i = 0; i < 1000; i++)
        timers[i] = (struct timer){.over = on_ordered};
    for (int i = 0; i < 20000; i++) {
        struct timer *t = &timers[rand() % 1000]; /* NOLINT: any will do */
        left -= timer_is_set(t);
        if (rand() % 3) /* NOLINT */
            assert_true(loop_timer(loop, t, 20 + (unsigned)(rand() % 100)));
        else
            loop_timer_end(loop, t);
        left += timer_is_set(t);
    }
    assert_true(left > 0);
    loop_run(loop);
    assert_int_equal(left, 0);
    for (size_t i = 0; i < 1000; i++)
        assert_false(timer_is_set(&timers[i]));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(writing_is_told_before_reading, begin, end),
        cmocka_unit_test_setup_teardown(only_what_is_wanted_is_told, begin, end),
        cmocka_unit_test_setup_teardown(a_hang_up_is_told_as_what_is_wanted, begin, end),
        cmocka_unit_test_setup_teardown(nobody_hears_of_a_watch_that_has_ended, begin, end),
        cmocka_unit_test_setup_teardown(a_watch_may_end_itself, begin, end),
        cmocka_unit_test_setup_teardown(a_shared_watch_ends_as_others, begin, end),
        cmocka_unit_test_setup_teardown(timers_come_in_order_and_not_early, begin, end),
        cmocka_unit_test_setup_teardown(timers_end_and_are_set_anew, begin, end),
        cmocka_unit_test_setup_teardown(many_timers_keep_their_order, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
