/* special.c - tests of engine/base/special.c. Published values of polygamma are held against its
 * row, in ops.c; here it is held against another implementation, and to what it says at the
 * edges. */
#include "engine/base/special.h"

#include "support.h"

#include "expect.h"
#include <math.h>

/* mpmath 1.3.0, polygamma with 40 digits, at these doubles. Left of 1/2 the reflection adds terms
 * that are larger than the result: `of` is the larger one. */
Test(special, polygamma_agrees_with_mpmath) {
    /* clang-format off */
    static const struct { double order, x, value, of; } known[] = {
        {0, 0.001, -1000.57557193181028, 1000},
        {0, -0.499, 0.04542439401563092897, 2},
        {0, -3.7, -0.8450768588704193546, 2.3},
        {0, 123.456, 4.811829323828985412, 4.8},
        {0, 1.4616321449683622, -9.241265521729427517e-17, 0.55}, /* by the zero, A & S 6.3.19 */
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
    /* clang-format on */
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        const double got = ad__polygamma(known[i].order, known[i].x);
        cr_expect(fabs(got - known[i].value) <= 64 * U * known[i].of,
                  "polygamma(%g, %g) is %.17g, want %.17g", known[i].order, known[i].x, got,
                  known[i].value);
    }
}

/* The same source, where no recurrence helps the series: right of n + 10, and a little to the left;
 * reflected too. */
Test(special, polygamma_is_good_to_a_few_roundings) {
    /* clang-format off */
    static const struct { double order, x, value; } known[] = {
        {0, 10.5, 2.303001034297686375},          {0, 9.75, 2.225109535044576012},
        {0, 12, 2.442661679975812017},            {0, 0.5, -1.963510026021423479},
        {0, -0.25, 2.91413912021352783},          {0, -1.75, -2.322691628614360646},
        {1, 11.5, 0.09084666127454623434},        {1, 0.5, 4.934802200544679309},
        {1, 12.25, 0.08505514298816320808},       {1, 30, 0.03389506035773994421},
        {2, 12.5, -0.006932436585788240791},      {2, 13, -0.006389797961591504533},
        {2, 0.5, -16.82879664423432},             {2, -0.25, 122.6973667836623604},
        {2, -1.625, -30.30402837413928739},       {3, 14.5, 0.0007270118682901487543},
        {3, -0.375, 343.7782924908555253},        {4, 20, -0.00004140597772639666847},
        {4, -2.75, -24481.62474067153282},        {5, 16, 0.0000266871715257511959},
        {5, -0.375, 45171.49724912163705},        {6, -0.25, 11791071.07349690463},
        {8, 19, -3.641402474322111789e-7},        {10, 21.5, -2.1531748492994133e-8},
        {10, -0.75, -15220204748421.00494},       {15, 26, 6.849621224719207357e-11},
        {20, 31, -2.46025359930733466e-13},       {30, 41, -5.160581006495012634e-18},
        {30, 0.5, -5.696261790319175717e+41},     {40, 51, -1.466818404892542649e-22},
        {50, 61, -4.828607331882275423e-27},      {60, 71.5, -1.131048330509644386e-31},
        {70, 81, -6.513613358270412016e-36},      {80, 91, -2.544156150950190523e-40},
        {90, 101, -1.019031083076803829e-44},     {100, 110, -1.031499537655523999e-48},
        {100, 111.5, -2.648414428048708821e-49},  {100, 120, -1.661496981743122292e-52},
        {100, 0.5, -2.366100660490897156e+188},   {7, 0.25, 330302293.7090134478},
        {9, -0.125, 389639434473181.116},         {20, -0.375, 2.145153959873939544e+27},
        {100, -0.375, 9.836613653589347935e+200},
    };
    /* clang-format on */
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        const double got = ad__polygamma(known[i].order, known[i].x);
        cr_expect(close_to(got, known[i].value, (20 + known[i].order) * U, 0),
                  "polygamma(%g, %g) is %.17g, want %.17g", known[i].order, known[i].x, got,
                  known[i].value);
    }
}

/* DLMF 5.15.6, with order 0 from 5.5.4: psi_n(1 - x) and psi_n(x), from values right of 1/2
 * alone. */
Test(special, reflection_at_a_quarter_is_that_of_the_cotangent) {
    const double pi = acos(-1);
    cr_expect(close_to(ad__polygamma(0, 0.75) - ad__polygamma(0, 0.25), pi, 8 * U, 0));
    cr_expect(close_to(ad__polygamma(1, 0.75) + ad__polygamma(1, 0.25), 2 * pi * pi, 8 * U, 0));
    cr_expect(
        close_to(ad__polygamma(2, 0.75) - ad__polygamma(2, 0.25), 4 * pi * pi * pi, 8 * U, 0));
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
        cr_expect(isnan(ad__polygamma(n, -INFINITY)) && isnan(ad__polygamma(n, NAN)), "order %d",
                  n);
}

Test(special, orders_end_at_a_hundred) {
    cr_expect(isfinite(ad__polygamma(100, 2.5)));
    const double none[] = {101, -1, 0.5, 99.5, NAN, INFINITY};
    for (size_t i = 0; i < sizeof none / sizeof *none; i++)
        cr_expect(isnan(ad__polygamma(none[i], 2.5)), "order %g", none[i]);
}

/* Gamma of -1/2 is -2*sqrt(pi): lgamma would say so in the global. */
Test(special, lgamma_leaves_the_global_sign_alone) {
    signgam = 77;
    cr_expect(close_to(ad__lgamma(-0.5), log(2 * sqrt(acos(-1))), 4 * U, 0));
    cr_expect_eq(signgam, 77);
}
