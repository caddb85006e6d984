/* special.c - tests of engine/special.c. Published values of polygamma are held against its row, in ops.c;
 * here it is held against another implementation, and to what it says at the edges. */
#include "engine/special.h"

#include "support.h"

#include "expect.h"
#include <math.h>

/* mpmath 1.3.0, polygamma with 40 digits, at these doubles. Left of 1/2 the reflection adds terms that are
 * larger than the result: `of` is the larger one. */
Test(special, polygamma_agrees_with_mpmath) {
    static const struct { double order, x, value, of; } known[] = {
        {0, 0.001, -1000.57557193181028, 1000},
        {0, -0.499, 0.04542439401563092897, 2},
        {0, -3.7, -0.8450768588704193546, 2.3},
        {0, 123.456, 4.811829323828985412, 4.8},
        {0, 1.4616321449683622, -9.241265521729427517e-17, 0.55},   /* next to the zero, A & S 6.3.19 */
        {0, 1e10, 23.02585092989045684, 23},
        {1, 0.25, 17.19732915450711074, 20},
        {1, -2.3, 14.72591216096129149, 15},
        {1, 1e5, 0.00001000005000016666667, 1e-5},
        {2, 3.3, -0.1237511852649427256, 0.13},
        {3, -1.75, 1558.384840416549526, 1560},
        {5, 0.6, 2579.631907768469202, 2600},
        {7, -0.01, 5.039999999999999709e19, 5.1e19},
        {20, 4.5, -47340.82936317665717, 47340},
        {100, 50, -2.739104802190282795e-14, 2.8e-14},
    };
    for (size_t i = 0; i < sizeof known/sizeof *known; i++) {
        const double got = ad__polygamma(known[i].order, known[i].x);
        cr_expect(fabs(got - known[i].value) <= 64*U*known[i].of, "polygamma(%g, %g) is %.17g, want %.17g",
                  known[i].order, known[i].x, got, known[i].value);
    }
}

/* DLMF 5.15.6, with order 0 from 5.5.4: psi_n(1 - x) and psi_n(x), from values right of 1/2 alone. */
Test(special, reflection_at_a_quarter_is_that_of_the_cotangent) {
    const double pi = acos(-1);
    cr_expect(close_to(ad__polygamma(0, 0.75) - ad__polygamma(0, 0.25), pi, 8*U, 0));
    cr_expect(close_to(ad__polygamma(1, 0.75) + ad__polygamma(1, 0.25), 2*pi*pi, 8*U, 0));
    cr_expect(close_to(ad__polygamma(2, 0.75) - ad__polygamma(2, 0.25), 4*pi*pi*pi, 8*U, 0));
}

Test(special, poles_are_infinite_from_both_sides_or_nan) {
    for (double x = 0; x >= -5; x--) {
        cr_expect(isnan(ad__polygamma(0, x)) && isnan(ad__polygamma(2, x)), "x = %g", x);
        cr_expect(ad__polygamma(1, x) == INFINITY && ad__polygamma(3, x) == INFINITY, "x = %g", x);
    }
}

Test(special, infinities_and_nan) {
    cr_expect_eq(ad__polygamma(0, INFINITY), INFINITY);
    for (int n = 1; n < 5; n++) cr_expect_eq(ad__polygamma(n, INFINITY), 0);
    for (int n = 0; n < 5; n++)
        cr_expect(isnan(ad__polygamma(n, -INFINITY)) && isnan(ad__polygamma(n, NAN)), "order %d", n);
}

Test(special, orders_end_at_a_hundred) {
    cr_expect(isfinite(ad__polygamma(100, 2.5)));
    const double none[] = {101, -1, 0.5, 99.5, NAN, INFINITY};
    for (size_t i = 0; i < sizeof none/sizeof *none; i++)
        cr_expect(isnan(ad__polygamma(none[i], 2.5)), "order %g", none[i]);
}

/* Gamma of -1/2 is -2*sqrt(pi): lgamma would say so in the global. */
Test(special, lgamma_leaves_the_global_sign_alone) {
    signgam = 77;
    cr_expect(close_to(ad__lgamma(-0.5), log(2*sqrt(acos(-1))), 4*U, 0));
    cr_expect_eq(signgam, 77);
}
