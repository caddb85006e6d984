/* estimate.c - tests of engine/check/estimate.c: functions with known derivatives, at easy points
 * and at hard ones. */
#include "engine/check/estimate.h"

#include "expect.h"
#include <math.h>

typedef struct place {
    double (*f)(double);
    double x;
} place;

static ad__sample at(void *context, double t) {
    const place          *p = context;
    volatile const double there = p->x + t;
    return (ad__sample){there - p->x, p->f(there), true};
}

static double noise_at(void *context, double t) {
    const double size = fabs(((const place *)context)->x);
    return ad__measured_noise(at, context, t, size > 0 ? fmax(size, fabs(t)) : 1, 0);
}

static ad__slice line_at(place *p) {
    return (ad__slice){at, noise_at, p, p->f(p->x), noise_at(p, 0), fabs(p->x), false};
}

static ad_verdict verdict(double (*f)(double), double x, double claimed) {
    place           p = {f, x};
    const ad__slice line = line_at(&p);
    return ad__judge(&line, claimed, 1e-9).verdict;
}

/* clang-format off */
static double exp50(double x) { return exp(50*x); }
static double dexp50(double x) { return 50*exp(50*x); }
static double dlog(double x) { return 1/x; }
static double dsqrt(double x) { return 0.5/sqrt(x); }
static double cube(double x) { return x*x*x; }
static double dcube(double x) { return 3*x*x; }
static double wave(double x) { return sin(402*x); }
static double dwave(double x) { return 402*cos(402*x); }
static double runge(double x) { return 1/(1 + 25*x*x); }
static double drunge(double x) { return -50*x/(1 + 25*x*x)/(1 + 25*x*x); }
static double dtanh(double x) { return 1/cosh(x)/cosh(x); }
static double tiny(double x) { return 1e-200*sin(x); }
static double dtiny(double x) { return 1e-200*cos(x); }
static double offset(double x) { return x + 1e10 - 1e10; }
static double single(double x) { return (double)sinf((float)x); }
static double bent(double x) { return fabs(x - 0.3) + x*x; }
static double root(double x) { return sqrt(fabs(x)); }
static double lonely(double x) { return x == 0 ? 1 : NAN; }
static double three(double x) { return x == x ? 3 : NAN; }
static double line_03(double x) { return x - 0.3; }
/* clang-format on */

static const struct smooth {
    double (*f)(double), (*d)(double);
    double x[4];
} smooth[] = {
    {sin, cos, {1, 1e-6, 100, 0.3}},     {exp50, dexp50, {0, 1, -1, 3}},
    {log, dlog, {1, 1e-6, 1e-3, 1e5}},   {sqrt, dsqrt, {1e-9, 1e-3, 1, 2}},
    {cube, dcube, {1, 1e-5, -3, 30}},    {wave, dwave, {0, 1, 0.1, 0.013}},
    {runge, drunge, {1, 0.1, 0.2, 0.5}}, {tanh, dtanh, {0, 1, 5, -2}},
    {tiny, dtiny, {0, 1, 0.1, 0.3}},
};

#define EACH_SMOOTH(k, x_)                                      \
    for (size_t k = 0; k < sizeof smooth / sizeof *smooth; k++) \
        for (size_t n_ = 0; n_ < 4; n_++)                       \
            for (double x_ = smooth[k].x[n_], once_ = 1; once_ > 0; once_ = 0)

Test(estimate, error_covers_the_difference_to_the_true_slope) {
    EACH_SMOOTH(k, x) {
        place              p = {smooth[k].f, x};
        const ad__slice    line = line_at(&p);
        const ad__estimate e = ad__estimate_slope(&line);
        const double       d = smooth[k].d(x);
        cr_expect_eq(e.shape, AD__SMOOTH, "function %zu at %g", k, x);
        cr_expect(fabs(e.slope - d) <= 10 * e.error && e.error <= 1e-9 * fabs(d),
                  "function %zu at %g: %g, true %g, error %g", k, x, e.slope, d, e.error);
    }
}

Test(estimate, true_slopes_pass) {
    EACH_SMOOTH(k, x)
    cr_expect_eq(verdict(smooth[k].f, x, smooth[k].d(x)), AD_PASS, "function %zu at %g", k, x);
}

Test(estimate, slopes_wrong_by_1e_8_fail) {
    EACH_SMOOTH(k, x) {
        cr_expect_eq(verdict(smooth[k].f, x, smooth[k].d(x) * (1 + 1.1e-8)), AD_FAIL,
                     "function %zu at %g", k, x);
        cr_expect_eq(verdict(smooth[k].f, x, smooth[k].d(x) * (1 - 1.1e-8)), AD_FAIL,
                     "function %zu at %g", k, x);
    }
}

Test(estimate, claims_that_are_not_finite_fail_against_a_finite_estimate) {
    const double claims[] = {NAN, INFINITY, -INFINITY};
    for (int i = 0; i < 3; i++) {
        cr_expect_eq(verdict(sin, 1, claims[i]), AD_FAIL);
        cr_expect_eq(verdict(three, 1, claims[i]), AD_FAIL);
        cr_expect_eq(verdict(fabs, 0, claims[i]), AD_FAIL);
    }
}

Test(estimate, zero_slope_is_weak_and_a_claim_beside_it_fails) {
    cr_expect_eq(verdict(three, 2, 0), AD_WEAK);
    cr_expect_eq(verdict(three, 2, 1e-10), AD_FAIL);
    cr_expect_eq(verdict(cos, 0, -0.0), AD_WEAK);
    cr_expect_eq(verdict(cube, 0, 0), AD_WEAK);
}

Test(estimate, kink_shows_the_slopes_of_both_sides) {
    place              p = {bent, 0.3};
    const ad__slice    line = line_at(&p);
    const ad__estimate e = ad__estimate_slope(&line);
    cr_expect_eq(e.shape, AD__KINKED);
    cr_expect_float_eq(e.left, -0.4, 1e-9);
    cr_expect_float_eq(e.right, 1.6, 1e-9);
}

Test(estimate, claim_at_a_kink_must_lie_between_the_slopes) {
    cr_expect_eq(verdict(fabs, 0, 0), AD_KINK);
    cr_expect_eq(verdict(fabs, 0, 1), AD_KINK);
    cr_expect_eq(verdict(fabs, 0, -1), AD_KINK);
    cr_expect_eq(verdict(fabs, 0, 1 + 1e-6), AD_FAIL);
    cr_expect_eq(verdict(fabs, 0, -1 - 1e-6), AD_FAIL);
    cr_expect_eq(verdict(bent, 0.3, 1.7), AD_FAIL);
}

Test(estimate, kink_beside_x_is_stepped_over) {
    cr_expect_eq(verdict(fabs, 1e-3, 1), AD_PASS);
    cr_expect_eq(verdict(fabs, 1e-9, 1), AD_PASS);
    cr_expect_eq(verdict(fabs, 1e-9, 0), AD_FAIL);
    cr_expect_eq(verdict(bent, 0.301, 1.602), AD_PASS);
    cr_expect_eq(verdict(bent, 0.301, 0.602), AD_FAIL);
}

Test(estimate, jump_and_vertical_tangent_are_inconclusive) {
    cr_expect_eq(verdict(floor, 1, 0), AD_INCONCLUSIVE);
    cr_expect_eq(verdict(cbrt, 0, INFINITY), AD_INCONCLUSIVE);
    cr_expect_eq(verdict(root, 0, 0), AD_INCONCLUSIVE);
    double (*const steep[])(double) = {floor, cbrt, root};
    const double x[] = {1, 0, 0};
    for (int k = 0; k < 3; k++) {
        place              p = {steep[k], x[k]};
        const ad__slice    line = line_at(&p);
        const ad__estimate e = ad__estimate_slope(&line);
        cr_expect(e.shape == AD__VERTICAL && isnan(e.slope) && isnan(e.left) && isnan(e.right),
                  "%d: shape %d", k, (int)e.shape);
    }
}

Test(estimate, function_without_values_on_a_side_is_at_the_edge_of_its_domain) {
    cr_expect_eq(verdict(sqrt, 0, INFINITY), AD_DOMAIN);
    cr_expect_eq(verdict(lonely, 0, 0), AD_DOMAIN);
    cr_expect_eq(verdict(lonely, 0, NAN), AD_DOMAIN);
    place           p = {asin, 1};
    const ad__slice line = line_at(&p);
    cr_expect_eq(ad__estimate_slope(&line).shape, AD__EDGE);
}

/* (x + 1e10) - 1e10 is a staircase with steps of 2^-19; sinf has 24 bits. Neither may cause a false
 * alarm, and a gross error is still detected. */
Test(estimate, noise_is_measured_and_never_taken_for_a_wrong_slope) {
    for (int i = 0; i < 200; i++) {
        const double x = 0.01 + 0.0137 * i;
        cr_expect_neq(verdict(offset, x, 1), AD_FAIL, "at %g", x);
        cr_expect_neq(verdict(single, x, cos(x)), AD_FAIL, "at %g", x);
        cr_expect_eq(verdict(offset, x, 1.01), AD_FAIL, "at %g", x);
    }
    const double step = 0x1p-19;
    place        p = {offset, 0.3};
    cr_expect(noise_at(&p, 0) > step / 8 && noise_at(&p, 0) < 8 * step);
}

Test(estimate, noise_of_a_smooth_function_is_a_few_roundings) {
    for (double x = 0.1; x < 3; x += 0.1) {
        place p = {exp, x};
        cr_expect(noise_at(&p, 0) < 16 * AD__ROUNDING * exp(x), "at %g", x);
    }
}

Test(estimate, cheap_case_costs_four_evaluations) {
    place           p = {line_03, 0.3};
    const ad__slice line = line_at(&p);
    cr_expect_eq(ad__judge(&line, 1, 1e-9).estimate.evaluations, 4);
}

/* Twenty steps up and down; twice that if x is small and x itself is the unit of the second
 * ladder. */
Test(estimate, what_is_not_cheap_costs_forty_more) {
    place           p = {sin, 0.3}, tiny_x = {sin, 1e-6};
    const ad__slice line = line_at(&p), small = line_at(&tiny_x);
    cr_expect_eq(ad__judge(&line, cos(0.3), 1e-12).estimate.evaluations, 4 + 40);
    cr_expect_eq(ad__estimate_slope(&line).evaluations, 40);
    cr_expect_eq(ad__estimate_slope(&small).evaluations, 80);
}

Test(estimate, smaller_rtol_asks_for_more_than_the_cheap_case) {
    place           p = {line_03, 0.3};
    const ad__slice line = line_at(&p);
    cr_expect_gt(ad__judge(&line, 1, 1e-12).estimate.evaluations, 4);
    cr_expect_eq(ad__judge(&line, 1 + 1e-10, 1e-12).verdict, AD_FAIL);
}

Test(estimate, taylor_slope_is_two_for_a_gradient_and_three_with_curvature) {
    place           p = {exp, 0.7};
    const ad__slice line = line_at(&p);
    const double    d = exp(0.7);
    cr_expect_float_eq(ad__taylor_slope(&line, d, 0, 1), 2, 0.02);
    cr_expect_float_eq(ad__taylor_slope(&line, d, d, 2), 3, 0.05);
    cr_expect_float_eq(ad__taylor_slope(&line, 1.001 * d, 0, 1), 1, 0.1);
    cr_expect_float_eq(ad__taylor_slope(&line, d, 1.01 * d, 2), 2, 0.1);
}

Test(estimate, taylor_slope_of_a_straight_line_is_too_small_to_see) {
    place           p = {line_03, 0.3};
    const ad__slice line = line_at(&p);
    cr_expect(isnan(ad__taylor_slope(&line, 1, 0, 1)));
}

/* x*x; later evaluations than the first so many are on another side of a branch. */
typedef struct short_sight {
    int steps, seen;
} short_sight;

static ad__sample seen_at(void *context, double t) {
    short_sight *s = context;
    return (ad__sample){t, (1 + t) * (1 + t), s->seen++ < s->steps};
}

Test(estimate, taylor_slope_needs_three_ratios) {
    for (int steps = 3; steps <= 5; steps++) {
        short_sight     s = {steps, 0};
        const ad__slice line = {seen_at, NULL, &s, 1, 1e-16, 1, false};
        const double    slope = ad__taylor_slope(&line, 2, 0, 1);
        cr_expect(steps < 4 ? isnan(slope) : fabs(slope - 2) < 1e-6, "%d steps: %g", steps, slope);
    }
}

static ad__sample straight_at(void *context, double t) {
    (void)context;
    return (ad__sample){t, 1 + t, true};
}

static double coarse_away_from_x(void *context, double t) {
    (void)context;
    return t == 0 ? 1e-16 : 1e-3;
}

/* If values are coarser at the ends of a step than at x, a gap that this explains is not a
 * failure. */
Test(estimate, noise_at_the_ends_of_the_step_is_counted) {
    ad__slice line = {straight_at, NULL, NULL, 1, 1e-16, 1, false};
    cr_expect_eq(ad__judge(&line, 1 + 1e-4, 1e-9).verdict, AD_FAIL);
    line.noise_at = coarse_away_from_x;
    cr_expect_neq(ad__judge(&line, 1 + 1e-4, 1e-9).verdict, AD_FAIL);
}

/* ---- by hand --------------------------------------------------------------------------------- */

/* c[0]|t| + c[1]t + c[2]t^2 + c[3]t^3, with the error `noise`; 0 at x, so that every difference has
 * all its digits. No value outside of low...high, another side outside of left...right. */
typedef struct cubic {
    double c[4], low, high, left, right;
} cubic;

static ad__sample cubic_at(void *context, double t) {
    const cubic *p = context;
    const double v = t * (p->c[1] + t * (p->c[2] + t * p->c[3])) + p->c[0] * fabs(t);
    return (ad__sample){t, t >= p->low && t <= p->high ? v : NAN, t >= p->left && t <= p->right};
}

#define ALL_OF_IT -INFINITY, INFINITY, -INFINITY, INFINITY

static ad__slice cubic_line(cubic *p, double noise) {
    return (ad__slice){cubic_at, NULL, p, 0, noise, 1, false};
}

/* Steps are 1/4, 1/16, 1/64, ...: differences of a cubic are 2 + h^2, the second column of the
 * table is exact, and the third shows that it is. So the third step is the best, with the noise of
 * its difference, 2 noise/2h, and 1.2 times as much after the extrapolation. The eleventh of the 20
 * steepest one-sided slopes 2 + h + h^2 is that of the step 4^-10. */
Test(estimate, cubic_is_resolved_at_the_third_step) {
    cubic              p = {{0, 2, 1, 1}, ALL_OF_IT};
    const ad__slice    line = cubic_line(&p, 1e-9);
    const ad__estimate e = ad__estimate_slope(&line);
    cr_expect(e.shape == AD__SMOOTH && e.step == 1.0 / 64, "%g", e.step);
    cr_expect_float_eq(e.slope, 2, 1e-12);
    cr_expect_float_eq(e.error, 1.2 * 64e-9, 1e-13);
    cr_expect_float_eq(e.scale, 2 + 0x1p-20, 1e-10);
    cr_expect(isnan(e.left) && isnan(e.right) && e.evaluations == 40);
}

/* One-sided differences of |t| + 2t + t^2 are 3 + h and 1 - h; their noise is twice as large. */
Test(estimate, sides_of_a_kink_are_resolved_at_the_third_step) {
    cubic              p = {{1, 2, 1, 0}, ALL_OF_IT};
    const ad__slice    line = cubic_line(&p, 1e-9);
    const ad__estimate e = ad__estimate_slope(&line);
    cr_expect_eq(e.shape, AD__KINKED);
    cr_expect(fabs(e.left - 1) < 1e-12 && fabs(e.right - 3) < 1e-12, "%.17g %.17g", e.left,
              e.right);
    cr_expect_float_eq(e.side_error, 1.2 * 128e-9, 1e-13);
    cr_expect(isnan(e.slope) && e.error == INFINITY);
}

/* No value on one side, and on the other only within 1/100: the slope 2 of that side is found by
 * the steps that have values. */
Test(estimate, side_that_ends_soon_has_its_slope_at_the_edge) {
    cubic left = {{0, 2, 1, 0}, -0.01, 0, -INFINITY, INFINITY},
          right = {{0, 2, 1, 0}, 0, 0.01, -INFINITY, INFINITY};
    const ad__slice    before = cubic_line(&left, 1e-9), behind = cubic_line(&right, 1e-9);
    const ad__estimate a = ad__estimate_slope(&before), b = ad__estimate_slope(&behind);
    cr_expect(a.shape == AD__EDGE && b.shape == AD__EDGE);
    cr_expect(fabs(a.left - 2) < 1e-6 && isnan(a.right), "%g %g", a.left, a.right);
    cr_expect(fabs(b.right - 2) < 1e-6 && isnan(b.left), "%g %g", b.left, b.right);
}

/* Without values beyond 1/100, or on another side there, the first three steps are skipped. */
Test(estimate, steps_without_a_value_or_on_another_side_are_left_out) {
    static cubic bad[] = {{{0, 2, 1, 1}, -0.01, INFINITY, -INFINITY, INFINITY},
                          {{0, 2, 1, 1}, -INFINITY, 0.01, -INFINITY, INFINITY},
                          {{0, 2, 1, 1}, -INFINITY, INFINITY, -0.01, INFINITY},
                          {{0, 2, 1, 1}, -INFINITY, INFINITY, -INFINITY, 0.01}};
    for (size_t k = 0; k < 4; k++) {
        const ad__slice    line = cubic_line(&bad[k], 1e-12);
        const ad__estimate e = ad__estimate_slope(&line);
        cr_expect(e.shape == AD__SMOOTH && fabs(e.slope - 2) < 1e-10, "%zu", k);
        cr_expect(e.step == 0x1p-12, "%zu: %g", k, e.step);
        cr_expect_float_eq(e.error, 1.2 * 0x1p12 * 1e-12, 1e-14, "%zu: %g", k, e.error);
    }
}

/* There are no values left of x, right of x, or on either side. */
Test(estimate, edge_has_the_slope_of_the_side_that_is_there) {
    cubic left = {{0, 2, 1, 0}, -INFINITY, 0, -INFINITY, INFINITY},
          right = {{0, 2, 1, 0}, 0, INFINITY, -INFINITY, INFINITY};
    cubic              none = {{0, 2, 1, 0}, 0, 0, -INFINITY, INFINITY};
    const ad__slice    lines[] = {cubic_line(&left, 1e-9), cubic_line(&right, 1e-9),
                                  cubic_line(&none, 1e-9)};
    const ad__estimate l = ad__estimate_slope(&lines[0]), r = ad__estimate_slope(&lines[1]),
                       n = ad__estimate_slope(&lines[2]);
    cr_expect(l.shape == AD__EDGE && fabs(l.left - 2) < 1e-12 && isnan(l.right) &&
              fabs(l.side_error - 1.2 * 128e-9) < 1e-13);
    cr_expect(r.shape == AD__EDGE && fabs(r.right - 2) < 1e-12 && isnan(r.left) &&
              fabs(r.side_error - 1.2 * 128e-9) < 1e-13);
    cr_expect(n.shape == AD__EDGE && isnan(n.left) && isnan(n.right) && n.side_error == 0);
}

/* The estimate of the cubic is 2 with an error of 76.8 noise; ten times that is tolerated, or rtol
 * times the larger of estimate and claim. */
Test(estimate, judgement_of_a_smooth_slope_by_hand) {
    /* clang-format off */
    const struct { double noise, claimed, rtol, gap, tolerance; ad_verdict verdict; } of[] = {
        {1e-9, 2.5, 1e-9, 0.5, 768e-9, AD_FAIL},
        {1e-9, 2 - 7e-7, 1e-9, 7e-7, 768e-9, AD_PASS},
        {1e-9, 2 + 8e-7, 1e-9, 8e-7, 768e-9, AD_FAIL},
        {1e-9, 2.5, 0.25, 0.5, 0.625, AD_PASS},
        {1e-9, 1.5, 0.2, 0.5, 0.4, AD_FAIL},
        {1e-7, 2 + 1e-5, 1e-9, 1e-5, 768e-7, AD_INCONCLUSIVE},
        {2.5e-8, 2, 1e-9, 0, 192e-7, AD_PASS},
        {2.7e-8, 2, 1e-9, 0, 2073.6e-8, AD_INCONCLUSIVE},
        {1e-9, INFINITY, 1e-9, INFINITY, 768e-9, AD_FAIL},
    };
    /* clang-format on */
    for (size_t k = 0; k < sizeof of / sizeof *of; k++) {
        cubic               p = {{0, 2, 1, 1}, ALL_OF_IT};
        const ad__slice     line = cubic_line(&p, of[k].noise);
        const ad__judgement j = ad__judge(&line, of[k].claimed, of[k].rtol);
        cr_expect_eq(j.verdict, of[k].verdict, "%zu: %s", k, ad_verdict_text(j.verdict));
        cr_expect(j.gap == of[k].gap || fabs(j.gap - of[k].gap) < 1e-12, "%zu: %.17g", k, j.gap);
        cr_expect(fabs(j.tolerance - of[k].tolerance) < 1e-11, "%zu: %.17g", k, j.tolerance);
    }
}

/* Between the one-sided slopes 1 and 3 the gap is 0; the tolerance is ten times their error, 153.6
 * noise, or rtol times the larger slope. */
Test(estimate, judgement_at_a_kink_by_hand) {
    /* clang-format off */
    const struct { double claimed, rtol, gap, tolerance; ad_verdict verdict; } of[] = {
        {1, 1e-9, 0, 1536e-9, AD_KINK},          {3, 1e-9, 0, 1536e-9, AD_KINK},
        {2, 1e-9, 0, 1536e-9, AD_KINK},          {0.5, 1e-9, 0.5, 1536e-9, AD_FAIL},
        {4, 1e-9, 1, 1536e-9, AD_FAIL},          {4, 0.25, 1, 1, AD_KINK},
        {0, 0.4, 1, 1.2, AD_KINK},               {-2, 0.4, 3, 1.2, AD_FAIL},
        {NAN, 1e-9, INFINITY, 1536e-9, AD_FAIL}, {NAN, 0.5, INFINITY, 1.5, AD_FAIL},
        {INFINITY, 0.5, INFINITY, 1.5, AD_FAIL},
    };
    /* clang-format on */
    for (size_t k = 0; k < sizeof of / sizeof *of; k++) {
        cubic               p = {{1, 2, 1, 0}, ALL_OF_IT};
        const ad__slice     line = cubic_line(&p, 1e-9);
        const ad__judgement j = ad__judge(&line, of[k].claimed, of[k].rtol);
        cr_expect_eq(j.verdict, of[k].verdict, "%zu: %s", k, ad_verdict_text(j.verdict));
        cr_expect(j.gap == of[k].gap || fabs(j.gap - of[k].gap) < 1e-9, "%zu: %.17g", k, j.gap);
        cr_expect(fabs(j.tolerance - of[k].tolerance) < 1e-9, "%zu: %.17g", k, j.tolerance);
    }
}

/* Two steps, h = cbrt(2u) and 2h: 2 + h^2 and 2 + 4h^2 give 2. If the noise is above what 1e-9
 * allows, a kink is near, or a step is on another side, all steps are made. */
Test(estimate, cheap_case_by_hand) {
    const double        h = cbrt(0x1p-52);
    cubic               p = {{0, 2, 1, 1}, ALL_OF_IT};
    const ad__slice     line = cubic_line(&p, 1e-18);
    const ad__judgement j = ad__judge(&line, 2 * (1 + 5e-10), 1e-9);
    cr_expect(j.verdict == AD_PASS && j.estimate.evaluations == 4 && j.estimate.step == h &&
              j.estimate.shape == AD__SMOOTH);
    cr_expect_float_eq(j.estimate.slope, 2, 1e-15);
    cr_expect_float_eq(j.estimate.error, h * h + 1.2 * (2e-18 + 8 * 0x1p-53 * h) / (2 * h), 1e-14);
    cr_expect(fabs(j.gap - 1e-9) < 1e-14 && fabs(j.tolerance - 2e-9) < 1e-15);
    cubic sides[] = {{{0, 2, 1, 1}, -INFINITY, INFINITY, -1.5 * h, INFINITY},
                     {{0, 2, 1, 1}, -INFINITY, INFINITY, -INFINITY, 1.5 * h},
                     {{0, 2, 1, 1}, -INFINITY, 1.5 * h, -INFINITY, INFINITY},
                     {{1e-4, 2, 1, 1}, ALL_OF_IT},
                     {{0, 2, 1, 1}, ALL_OF_IT}};
    for (size_t k = 0; k < 5; k++) {
        const ad__slice one = cubic_line(&sides[k], k == 4 ? 1e-14 : 1e-18);
        cr_expect(ad__judge(&one, 2, 1e-9).estimate.evaluations >= 44, "%zu", k);
    }
}

/* The remainder of 2t + t^2 + t^3 falls exactly as t^2, or as t^3 if the curvature is given. */
Test(estimate, taylor_slopes_of_polynomials_are_whole) {
    cubic           square = {{0, 2, 1, 0}, ALL_OF_IT}, p = {{0, 2, 1, 1}, ALL_OF_IT};
    const ad__slice of_square = cubic_line(&square, 1e-18), line = cubic_line(&p, 1e-18);
    cr_expect_float_eq(ad__taylor_slope(&of_square, 2, 0, 1), 2, 1e-6);
    cr_expect_float_eq(ad__taylor_slope(&line, 2, 2, 2), 3, 1e-3);
    cr_expect_float_eq(ad__taylor_slope(&line, 2, 4, 2), 2, 1e-3);
    cr_expect_float_eq(ad__taylor_slope(&line, 1, 2, 2), 1, 1e-3);
}

/* Values that alternate by +n and -n from call to call have differences of order 6 of 64n, whose
 * mean square is 924 times that of independent errors (More and Wild 2011); four times that is the
 * noise. */
static ad__sample up_and_down(void *context, double t) {
    int *calls = context;
    return (ad__sample){t, ++*calls % 2 == 0 ? 1e-6 : -1e-6, true};
}

Test(estimate, noise_of_values_that_go_up_and_down_by_hand) {
    int          calls = 0;
    const double noise = ad__measured_noise(up_and_down, &calls, 0, 1, 0);
    cr_expect_float_eq(noise, 4 * 64e-6 / sqrt(924), 1e-12);
    cr_expect_eq(calls, 1 + 20 * 20,
                 "%d; one value at x, ten on either side at each of 20 spacings", calls);
}

/* Both columns of the table are exact from the second step on; finer ones have more noise. */
Test(estimate, straight_line_is_resolved_at_the_second_step) {
    cubic              p = {{0, 2, 0, 0}, ALL_OF_IT};
    const ad__slice    line = cubic_line(&p, 1e-9);
    const ad__estimate e = ad__estimate_slope(&line);
    cr_expect(e.shape == AD__SMOOTH && e.step == 1.0 / 16 && e.slope == 2);
    cr_expect_float_eq(e.error, 1.2 * 16e-9, 1e-14);
}

/* Slopes that are the sines of 1, 4, 16, ... never agree. */
static ad__sample restless(void *context, double t) {
    (void)context;
    return (ad__sample){t, t * sin(1 / fabs(t)), true};
}

Test(estimate, slopes_that_agree_nowhere_are_not_resolved) {
    const ad__slice     line = {restless, NULL, NULL, 0, 1e-20, 1, false};
    const ad__estimate  e = ad__estimate_slope(&line);
    const ad__judgement j = ad__judge(&line, 0, 1e-9);
    cr_expect(e.shape == AD__UNRESOLVED || e.error > 0.1, "shape %d, %g +- %g", (int)e.shape,
              e.slope, e.error);
    cr_expect_eq(j.verdict, AD_INCONCLUSIVE, "%s", ad_verdict_text(j.verdict));
}

/* Steps that are small compared with 1 are not small compared with a small x: there the cheap case,
 * with its one step of 6e-6, is skipped, and all steps are made twice, from 1/4 and from x/4 on.
 * The more accurate of the two is the answer. */
Test(estimate, small_x_has_steps_of_its_own_size) {
    const struct {
        double size;
        size_t cheap, full;
    } of[] = {{0, 4, 40}, {1e-6, 84, 80}, {1e-4, 4, 80}, {1e-3, 4, 40}, {1, 4, 40}};
    for (size_t k = 0; k < sizeof of / sizeof *of; k++) {
        cubic     p = {{0, 2, 1, 1}, ALL_OF_IT};
        ad__slice line = cubic_line(&p, 1e-18);
        line.size = of[k].size;
        cr_expect_eq(ad__judge(&line, 2, 1e-9).estimate.evaluations, of[k].cheap, "%g", of[k].size);
        cr_expect_eq(ad__estimate_slope(&line).evaluations, of[k].full, "%g", of[k].size);
    }
    cubic wide = {{0, 2, 1, 1}, ALL_OF_IT},
          near = {{0, 2, 1, 1}, -0.5e-6, INFINITY, -INFINITY, INFINITY};
    ad__slice wide_line = cubic_line(&wide, 1e-18), near_line = cubic_line(&near, 1e-18);
    wide_line.size = near_line.size = 1e-6;
    const ad__estimate of_wide = ad__estimate_slope(&wide_line),
                       of_near = ad__estimate_slope(&near_line);
    cr_expect(of_wide.step == 1.0 / 64 && fabs(of_wide.slope - 2) < 1e-12, "%g", of_wide.step);
    cr_expect(of_near.step <= 2.5e-7 && of_near.step >= 1e-9 && fabs(of_near.slope - 2) < 1e-8,
              "%g", of_near.step);
    cr_expect(of_near.shape == AD__SMOOTH && of_near.evaluations == 80);
}

/* The value at x over 1, if that is larger than the slope, gives the scale. */
static ad__sample high_above(void *context, double t) {
    (void)context;
    return (ad__sample){t, 1000 + 2 * t, true};
}

Test(estimate, scale_is_the_value_per_unit_of_x_or_the_slope) {
    const double size[] = {0, 1, 10, 1000}, scale[] = {1000, 1000, 100, 2};
    for (size_t k = 0; k < 4; k++) {
        const ad__slice line = {high_above, NULL, NULL, 1000, 1e-13, size[k], false};
        cr_expect_float_eq(ad__estimate_slope(&line).scale, scale[k], 1e-6, "%g: %g", size[k],
                           ad__estimate_slope(&line).scale);
    }
}

/* ---- what turns fast ------------------------------------------------------------------------- */

static double frequency;

/* clang-format off */
static double fast(double x) { return sin(frequency*x); }
static double dfast(double x) { return frequency*cos(frequency*x); }
static double rippled(double x) { return x*x + 1e-3*sin(1e5*x); }
static double drippled(double x) { return 2*x + 100*cos(1e5*x); }
static double inverse(double x) { return sin(1/x); }
static double dinverse(double x) { return -cos(1/x)/x/x; }
static double tiny_bell(double x) { return exp(-x*x); }
static double dtiny_bell(double x) { return -2*x*exp(-x*x); }
static double logistic(double x) { return 1/(1 + exp(-1000*(x - 1))); }
/* clang-format on */

/* An amplitude of 1 is not noise; u*|kx| is, the rounding error of the product. Four times the root
 * mean square is taken. */
Test(estimate, oscillation_is_not_taken_for_noise) {
    const double k[] = {1e3, 1e5, 1e6, 1e8};
    for (size_t i = 0; i < 4; i++) {
        frequency = k[i];
        for (double x = 0.37; x < 6.5; x += 0.173) {
            place p = {fast, x};
            cr_expect_lt(noise_at(&p, 0), 64 * AD__ROUNDING * (1 + k[i] * x), "k = %g at %g", k[i],
                         x);
        }
    }
}

/* The square of a difference of 1e-200 is 0; its noise is not. exp(-510) = 3e-222 has a relative
 * error of 510u. */
Test(estimate, noise_of_values_whose_squares_underflow_is_seen) {
    place        p = {logistic, 0.49};
    const double noise = noise_at(&p, 0) / logistic(0.49);
    cr_expect(noise > 50 * AD__ROUNDING && noise < 5000 * AD__ROUNDING, "%g u",
              noise / AD__ROUNDING);
}

static void expect_never_accused(double (*f)(double), double (*d)(double), double x,
                                 size_t *resolved, size_t *caught) {
    const double wrong[] = {1.01, -1, 0.99, 0};
    const bool   passes = verdict(f, x, d(x)) == AD_PASS;
    cr_expect_neq(verdict(f, x, d(x)), AD_FAIL, "at %.17g, k = %g", x, frequency);
    *resolved += passes;
    for (size_t i = 0; passes && i < 4; i++) *caught += verdict(f, x, wrong[i] * d(x)) == AD_FAIL;
}

/* Where the right slope passes, the four wrong ones fail. */
Test(estimate, right_slopes_of_oscillations_pass_and_wrong_ones_fail) {
    const double k[] = {1e3, 1e5, 1e6, 1e7};
    size_t       resolved = 0, caught = 0, asked = 0;
    for (size_t i = 0; i < 4; i++)
        for (double x = 0.1; x < 900; x *= 1.29, asked++) {
            frequency = k[i];
            expect_never_accused(fast, dfast, x, &resolved, &caught);
        }
    for (double x = 1; x < 6.5; x += 0.111, asked += 2) {
        expect_never_accused(rippled, drippled, x, &resolved, &caught);
        expect_never_accused(inverse, dinverse, 1e-5 * x, &resolved, &caught);
    }
    for (double x = 15; x < 18; x += 0.1, asked++)
        expect_never_accused(tiny_bell, dtiny_bell, x, &resolved, &caught);
    cr_expect_eq(caught, 4 * resolved);
    cr_expect_gt(resolved, asked - asked / 5, "%zu of %zu", resolved, asked);
}

/* One unit in the last place of 1e22 is 2e6 radians: no step is short enough, and no claim can be
 * distinguished from another. */
Test(estimate, function_that_turns_within_the_last_place_of_x_is_not_resolved) {
    place           p = {sin, 1e22};
    const ad__slice exact = {at, NULL, &p, sin(1e22), AD__ROUNDING, 1e22, true},
                    measured = line_at(&p);
    const double claims[] = {cos(1e22), -cos(1e22), 0.5};
    for (int i = 0; i < 3; i++) {
        cr_expect_eq(ad__judge(&exact, claims[i], 1e-9).verdict, AD_INCONCLUSIVE, "%g", claims[i]);
        cr_expect_eq(ad__judge(&measured, claims[i], 1e-9).verdict, AD_INCONCLUSIVE, "%g",
                     claims[i]);
    }
}

/* By chance a period nearly fits into one last place of x, or into four, and the values at all
 * doubles nearby look smooth. At 5.392527567609447e+229 one last place is 0.0225 radians beyond a
 * multiple of 2 pi. */
Test(estimate, period_that_fits_into_the_last_place_of_x_is_not_taken_for_a_slope) {
    place  p = {sin, 5.392527567609447e+229};
    double x = 1e17;
    cr_expect_eq(
        ad__judge(&(ad__slice){at, NULL, &p, sin(p.x), AD__ROUNDING, p.x, true}, cos(p.x), 1e-9)
            .verdict,
        AD_INCONCLUSIVE);
    for (; x < 1e305; x *= 1.7) {
        p.x = x;
        const ad__slice exact = {at, NULL, &p, sin(x), AD__ROUNDING, x, true},
                        measured = line_at(&p);
        cr_expect_neq(ad__judge(&exact, cos(x), 1e-9).verdict, AD_FAIL, "%.17g", x);
        cr_expect_neq(ad__judge(&measured, cos(x), 1e-9).verdict, AD_FAIL, "%.17g, measured", x);
    }
}

static double slow(double x) {
    return 1e-9 * x;
}

/* A claim that is much too large, at an x with a coarse last place, for a function that is
 * resolved. */
Test(estimate, slope_that_is_resolved_at_a_huge_x_still_refutes) {
    place           p = {slow, 1e22};
    const ad__slice line = {at, NULL, &p, slow(1e22), AD__ROUNDING * slow(1e22), 1e22, true};
    cr_expect_eq(ad__judge(&line, 1e-9, 1e-9).verdict, AD_PASS);
    cr_expect_eq(ad__judge(&line, 1, 1e-9).verdict, AD_FAIL);
    cr_expect_eq(ad__judge(&line, 1e20, 1e-9).verdict, AD_FAIL);
}

/* sin at 1e12 turns within 1; the first twenty steps end at 0.9, so steps down to the last places
 * of x are needed. */
Test(estimate, steps_go_down_to_the_last_places_of_x_where_that_is_needed) {
    place           p = {sin, 1e12};
    const ad__slice line = {at, NULL, &p, sin(1e12), AD__ROUNDING, 1e12, true};
    cr_expect_neq(ad__judge(&line, cos(1e12), 1e-9).verdict, AD_FAIL);
    cr_expect_eq(ad__judge(&line, -cos(1e12), 1e-9).verdict, AD_FAIL);
    cr_expect_eq(ad__judge(&line, 1.01 * cos(1e12), 1e-9).verdict, AD_FAIL);
    cr_expect_lt(ad__judge(&line, -cos(1e12), 1e-9).estimate.step, 0.5);
}

Test(estimate, lengths_of_an_oscillation_are_told) {
    frequency = 1e6;
    place              p = {fast, 1.3};
    const ad__slice    line = line_at(&p);
    const ad__estimate e = ad__estimate_slope(&line);
    cr_expect(e.turned > 1e-7 && e.turned < 1e-5, "sin(1e6 x) turns within 1e-6: %g", e.turned);
    cr_expect(e.drowned > 1e-17 && e.drowned < 1e-14, "u*1.3e6/1e6, a few times: %g", e.drowned);
}

/* A gap of 1e-13 of the terms does not fail; it passes only if that is negligible compared with the
 * slope. */
Test(estimate, rounding_of_terms_is_allowed_by_hand) {
    const struct {
        double     gap, terms, claimed;
        ad_verdict before, after;
    } of[] = {
        {1e-10, 1e4, 2, AD_FAIL, AD_PASS},    {1e-10, 1e2, 2, AD_FAIL, AD_FAIL},
        {1e-10, 1e4, 1e-9, AD_FAIL, AD_WEAK}, {1e-10, 1e4, 2, AD_KINK, AD_KINK},
        {1e-10, 0, 2, AD_FAIL, AD_FAIL},
    };
    for (size_t k = 0; k < sizeof of / sizeof *of; k++) {
        ad__judgement j = {
            of[k].before, of[k].gap, 1e-20, {.shape = AD__SMOOTH, .slope = of[k].claimed}};
        ad__allow_rounding(&j, of[k].terms, of[k].claimed);
        cr_expect_eq(j.verdict, of[k].after, "%zu", k);
    }
}

/* If noise looks like a kink, the gap is that to the one-sided slopes; these are then reported as
 * one slope. */
Test(estimate, rounding_of_terms_is_allowed_beside_a_kink_too) {
    for (int k = 0; k < 2; k++) {
        ad__judgement j = {AD_FAIL,
                           10,
                           1e-3,
                           {.shape = AD__KINKED,
                            .slope = NAN,
                            .error = INFINITY,
                            .left = 4,
                            .right = 2,
                            .side_error = 0.5}};
        ad__allow_rounding(&j, k == 0 ? 1e15 : 1e13, -8);
        cr_expect_eq(j.verdict, k == 0 ? AD_WEAK : AD_FAIL);
        if (k == 0)
            cr_expect(j.estimate.slope == 3 && j.estimate.error == 1.5, "%g %g", j.estimate.slope,
                      j.estimate.error);
    }
}

/* A gap that is more than the error of the estimate, 76.8 noise, is looked at in steps of 0.4, 0.8,
 * ..., 3.2: the noise of each, times its weight, adds up to 6.7946 noise (the sum of 2 (8!)^2 /
 * ((8 - k)! (8 + k)! k), 2.71786, over 0.4). */
Test(estimate, closer_look_at_a_smooth_slope_by_hand) {
    /* clang-format off */
    const struct { double claimed, rtol, tolerance; ad_verdict verdict; bool looks; } of[] = {
        {2 - 7e-7, 1e-9, 67.946e-9, AD_FAIL, true},
        {2 + 7e-7, 1e-9, 67.946e-9, AD_FAIL, true},
        {2 - 7e-7, 1e-6, 2e-6, AD_PASS, false},
        {2 - 7e-8, 1e-9, 768e-9, AD_PASS, false},
        {2, 1e-9, 768e-9, AD_PASS, false},
    };
    /* clang-format on */
    for (size_t k = 0; k < sizeof of / sizeof *of; k++) {
        cubic           p = {{0, 2, 1, 1}, ALL_OF_IT};
        const ad__slice line = cubic_line(&p, 1e-9);
        ad__judgement   j = ad__judge(&line, of[k].claimed, of[k].rtol);
        const size_t    before = j.estimate.evaluations;
        cr_expect_eq(j.verdict, AD_PASS);
        ad__look_closer(&j, &line, of[k].claimed, of[k].rtol);
        cr_expect_eq(j.verdict, of[k].verdict, "%zu: %s", k, ad_verdict_text(j.verdict));
        cr_expect(fabs(j.tolerance - of[k].tolerance) < 1e-11, "%zu: %.17g", k, j.tolerance);
        cr_expect_eq(j.estimate.evaluations > before, of[k].looks, "%zu", k);
    }
}
