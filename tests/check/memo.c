/* memo.c - tests of engine/check/memo.c: each point is asked for once, as long as there is room. */
#include "check/memo.h"

#include "expect.h"
#include <math.h>

static void twice(size_t n, const double x[], size_t m, double y[], void *context) {
    ++*(size_t *)context;
    for (size_t i = 0; i < m && i < n; i++) y[i] = 2 * x[i];
}

Test(memo, point_is_asked_for_once) {
    size_t   calls = 0;
    ad__memo memo;
    cr_assert(ad__memo_open(&memo, twice, &calls, 2, 3));
    for (int round = 0; round < 2; round++)
        for (int i = 0; i < 1000; i++) {
            const double *y = ad__memo_at(&memo, (const double[]){i % 40, i / 40});
            cr_assert_not_null(y);
            cr_expect(y[0] == 2 * (i % 40) && y[1] == 2 * (i / 40) && isnan(y[2]));
        }
    cr_expect(calls == 1000 && memo.evaluations == 1000);
    ad__memo_close(&memo);
}

Test(memo, zeros_of_both_signs_are_two_points) {
    size_t   calls = 0;
    ad__memo memo;
    cr_assert(ad__memo_open(&memo, twice, &calls, 1, 1));
    cr_expect(!signbit(*ad__memo_at(&memo, (const double[]){0.0})));
    cr_expect(signbit(*ad__memo_at(&memo, (const double[]){-0.0})));
    ad__memo_close(&memo);
}

/* When there is no more room all points are forgotten, and asked for again. */
Test(memo, points_are_forgotten_when_there_are_too_many) {
    size_t   calls = 0;
    ad__memo memo;
    cr_assert(ad__memo_open(&memo, twice, &calls, 1, 1));
    memo.most = 5;
    for (int round = 0; round < 2; round++)
        for (int i = 0; i < 7; i++) cr_expect_eq(*ad__memo_at(&memo, (const double[]){i}), 2 * i);
    cr_expect_eq(calls, 14);
    ad__memo_at(&memo, (const double[]){6});
    cr_expect_eq(calls, 14);
    cr_expect_leq(memo.room, 5);
    ad__memo_close(&memo);
}

Test(memo, call_asks_anew) {
    size_t   calls = 0;
    double   y[1];
    ad__memo memo;
    cr_assert(ad__memo_open(&memo, twice, &calls, 1, 1));
    ad__memo_call(&memo, (const double[]){3}, y);
    ad__memo_call(&memo, (const double[]){3}, y);
    cr_expect(y[0] == 6 && calls == 2);
    ad__memo_close(&memo);
}
