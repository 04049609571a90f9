/* The arena: whatever was written to it before, what it gives is zero, aligned, and no part of anything else.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "proxy/sql/arena.h"

static void assert_zero(const unsigned char *p, size_t size)
{
    for (size_t i = 0; i < size; i++)
        assert_int_equal(p[i], 0);
}

/* Takes `count` times `size` bytes, each filled once it was looked at. */
static void take(struct arena *a, size_t count, size_t size)
{
    const unsigned char *before = NULL;
    for (size_t i = 0; i < count; i++) {
        unsigned char *p = arena_alloc(a, size);
        assert_int_equal((uintptr_t)p % alignof(max_align_t), 0);
        assert_zero(p, size);
        memset(p, 0xff, size);
        if (before)
            assert_int_equal(before[size - 1], 0xff);
        assert_ptr_not_equal(p, before);
        before = p;
    }
}

static void test_what_it_gives_is_zero(void **state)
{
    struct arena *a = arena_new((size_t)64 << 20);
    static const struct {
        size_t count, size;
    } statements[] = {{1, 1},       {40, 17},     {3000, 160}, {1, 100000},  {2, 1 << 20}, {5, 3},
                      {12, 900000}, {1, 9 << 20}, {20000, 1},  {200, 16384}, {1, 2048},    {3000, 160}};
    (void)state;
    assert_non_null(a);
    for (size_t i = 0; i < sizeof statements / sizeof *statements; i++) {
        take(a, statements[i].count, statements[i].size);
        assert_false(arena_failed(a));
        arena_reset(a);
    }
    arena_free(a);
}

static void test_beyond_the_limit(void **state)
{
    struct arena *a = arena_new(100000);
    (void)state;
    assert_non_null(a);
    for (int statement = 0; statement < 3; statement++) {
        for (int i = 0; i < 400 && !arena_failed(a); i++)
            memset(arena_alloc(a, 1000), 0xff, 1000);
        assert_true(arena_failed(a));
        for (size_t size = 1; size <= 1 << 20; size *= 4) /* there to be written to all the same */
            memset(arena_alloc(a, size), 0xff, size);
        assert_true(arena_failed(a));
        arena_reset(a);
        assert_false(arena_failed(a));
        take(a, 30, 500);
        assert_false(arena_failed(a));
        arena_reset(a);
    }
    arena_free(a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_it_gives_is_zero),
        cmocka_unit_test(test_beyond_the_limit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
