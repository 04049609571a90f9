/* Which flips there are, and what a crash in the middle of one leaves. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "proxy/migration/phases.h"

#define E PHASE_EXPAND
#define W PHASE_DUAL_WRITE
#define C PHASE_CUTOVER
#define K PHASE_CONTRACT
#define D PHASE_DONE

static void test_flips(void **state)
{
    (void)state;
    static const bool may[5][5] = {
        /* to:  E  W  C  K  D */
        [E] = {0, 1, 0, 0, 0}, [W] = {1, 0, 1, 0, 0}, [C] = {0, 1, 0, 0, 0},
        [K] = {0, 0, 0, 0, 0}, [D] = {0, 0, 0, 0, 0},
    };
    for (int from = E; from <= D; from++)
        for (int to = E; to <= D; to++)
            assert_int_equal(phase_flip_refusal((enum phase)from, (enum phase)to) == NULL, may[from][to]);
}

/* stored, intent → recovered: forward is undone, back is completed. */
static void test_recovery(void **state)
{
    (void)state;
    static const enum phase cases[][3] = {{E, W, E}, {W, C, W}, {C, W, W}, {W, E, E}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        assert_int_equal(phase_recovered(cases[i][0], cases[i][1]), cases[i][2]);
}

static void test_before(void **state)
{
    (void)state;
    enum phase p = D;
    assert_false(phase_before(E, &p));
    assert_int_equal(p, D);
    assert_true(phase_before(W, &p));
    assert_int_equal(p, E);
    assert_true(phase_before(C, &p));
    assert_int_equal(p, W);
}

static void test_void(void **state)
{
    (void)state;
    assert_true(phase_flip_voids_backfill(E, W));
    assert_true(phase_flip_voids_backfill(W, E));
    assert_false(phase_flip_voids_backfill(W, C));
    assert_false(phase_flip_voids_backfill(C, W));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_flips),
        cmocka_unit_test(test_recovery),
        cmocka_unit_test(test_before),
        cmocka_unit_test(test_void),
    };
    return cmocka_run_group_tests_name("phases", tests, NULL, NULL);
}
