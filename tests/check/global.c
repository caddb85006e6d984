/* global.c - tests of engine/check/global.c: which coordinates are found to be wrong among many,
 * and along which directions. */
#include "check_fixture.h"

/* A number, a row, a large table and a small one: 1 + 3 + 12 + 2 coordinates. */
static const ad_check_block mixed[] = {
    {"table", 2, (const size_t[]){3, 4}},
    {"number", 0, NULL},
    {"row", 1, (const size_t[]){3}},
    {"pair", 2, (const size_t[]){1, 2}},
};
enum { MIXED = 18 };

Test(global, many_coordinates_are_checked_along_directions) {
    static double x[LARGE], grad[LARGE];
    large(x, grad);
    ad_check_report *r = ad_check_function(rosenbrock, NULL, LARGE, x, grad, NULL);
    cr_expect_eq(ad_check_verdict(r), AD_PASS);
    cr_expect_lt(r->evaluations, 1000);
    for (size_t i = 0; i < LARGE; i++) cr_expect_eq(ad_check_coordinate(r, i), AD_PASS);
    ad_check_free(r);
}

Test(global, bisection_finds_the_wrong_coordinates_among_many) {
    static double x[LARGE], grad[LARGE];
    large(x, grad);
    grad[357] *= 1.001, grad[358] += 0.1, grad[1999] *= -1;
    ad_check_report *r = ad_check_function(rosenbrock, NULL, LARGE, x, grad, NULL);
    cr_expect_eq(ad_check_verdict(r), AD_FAIL);
    size_t failed = 0;
    for (size_t i = 0; i < LARGE; i++) failed += ad_check_coordinate(r, i) == AD_FAIL;
    cr_expect_eq(failed, 3);
    cr_expect_eq(ad_check_coordinate(r, 357), AD_FAIL);
    cr_expect_eq(ad_check_coordinate(r, 358), AD_FAIL);
    cr_expect_eq(ad_check_coordinate(r, 1999), AD_FAIL);
    ad_check_free(r);
}

Test(global, claim_that_is_not_finite_does_not_hide_others_among_many) {
    static double x[LARGE], grad[LARGE];
    large(x, grad);
    grad[12] = NAN, grad[357] *= 1.001;
    ad_check_report *r = ad_check_function(rosenbrock, NULL, LARGE, x, grad, NULL);
    cr_expect_eq(ad_check_verdict(r), AD_FAIL);
    cr_expect_eq(ad_check_coordinate(r, 12), AD_FAIL);
    cr_expect_eq(ad_check_coordinate(r, 357), AD_FAIL);
    ad_check_free(r);
}

Test(global, blocks_of_more_than_four_go_along_directions) {
    static const char *const right[] = {"table",  "table",  "table",  "table",      "number",
                                        "row[0]", "row[1]", "row[2]", "pair[0][0]", "pair[0][1]"};
    static const char *const wrong[] = {"table",  "table[0][0]", "number",     "row[0]",
                                        "row[1]", "row[2]",      "pair[0][0]", "pair[0][1]"};
    const ad_check_options   o = {.blocks = 4, .block = mixed, .coordinates = MIXED - 1};
    double                   x[RAMP], grad[RAMP];
    up(x, grad);
    ad_check_report *r = ad_check_function(ramp, NULL, MIXED, x, grad, &o);
    expect_lines(r, 10, right);
    for (size_t i = 0; i < MIXED; i++) cr_expect_eq(ad_check_coordinate(r, i), AD_PASS, "%zu", i);
    ad_check_free(r);
    grad[0] = 1.5;
    r = ad_check_function(ramp, NULL, MIXED, x, grad, &o);
    expect_lines(r, 8, wrong);
    for (size_t i = 0; i < MIXED; i++)
        cr_expect_eq(ad_check_coordinate(r, i),
                     i == 0   ? AD_FAIL
                     : i < 12 ? AD_INCONCLUSIVE
                              : AD_PASS,
                     "%zu", i);
    cr_expect_str_eq(r->message, "the claimed gradient is wrong, first at table[0][0]");
    cr_expect(r->line[1].coordinate == 0 && r->line[0].coordinate == SIZE_MAX);
    ad_check_free(r);
}

Test(global, second_of_two_large_blocks_is_checked_apart) {
    static const char *const names[] = {"left", "left[0]", "right", "right[4]"};
    const ad_check_block     two[] = {{"left", 1, (const size_t[]){8}},
                                      {"right", 1, (const size_t[]){9}}};
    double                   x[RAMP], grad[RAMP];
    up(x, grad);
    grad[0] += 1, grad[12] += 1;
    ad_check_report *r = ad_check_function(
        ramp, NULL, 17, x, grad, &(ad_check_options){.blocks = 2, .block = two, .coordinates = 16});
    expect_lines(r, 4, names);
    cr_expect(fabs(r->line[1].gap - 1) < 1e-6 && fabs(r->line[3].gap - 1) < 1e-6);
    grad[12] -= 1;
    ad_check_free(r);
    r = ad_check_function(ramp, NULL, 17, x, grad,
                          &(ad_check_options){.blocks = 2, .block = two, .coordinates = 16});
    for (size_t i = 0; i < 17; i++)
        cr_expect_eq(ad_check_coordinate(r, i),
                     i == 0  ? AD_FAIL
                     : i < 8 ? AD_INCONCLUSIVE
                             : AD_PASS,
                     "%zu", i);
    ad_check_free(r);
}

/* If many are wrong, eight are looked up. The same goes for claims that are NaN; further ones fail
 * without being looked up. */
Test(global, eight_wrong_coordinates_are_looked_up) {
    double x[RAMP], grad[RAMP];
    size_t failed = 0, lines = 0;
    up(x, grad);
    for (int i = 0; i < 12; i++) grad[20 * i + 7] += 1;
    ad_check_report *r = ad_check_function(ramp, NULL, RAMP, x, grad, NULL);
    for (size_t i = 0; i < RAMP; i++) failed += ad_check_coordinate(r, i) == AD_FAIL;
    cr_expect_eq(failed, 8);
    cr_expect_eq(r->lines, 1 + 8, "no coordinate is looked at that is right: %s",
                 printed(r, AD_TEXT));
    cr_expect_str_eq(r->message, "the claimed gradient is wrong, first at x[7]");
    ad_check_free(r);
    up(x, grad), failed = 0;
    for (int i = 0; i < 10; i++) grad[20 * i] = i % 2 == 0 ? NAN : INFINITY;
    r = ad_check_function(ramp, NULL, RAMP, x, grad, NULL);
    for (size_t i = 0; i < RAMP; i++) failed += ad_check_coordinate(r, i) == AD_FAIL;
    for (size_t i = 0; i < r->lines; i++) lines += r->line[i].verdict == AD_FAIL;
    cr_expect(failed == 10 && lines == 8, "%zu, %zu", failed, lines);
    cr_expect_eq(ad_check_coordinate(r, 1), AD_PASS);
    ad_check_free(r);
}

/* ---- errors that are small beside the other coordinates -------------------------------------- */

enum { SUM = 300 };

static double fourth_powers(size_t n, const double x[], void *context) {
    double  total = 0;
    size_t *calls = context;
    for (size_t i = 0; i < n; i++) total += x[i] * x[i] * x[i] * x[i] / 4;
    if (calls != NULL) ++*calls;
    return total;
}

static void cubes(uint64_t seed, double x[SUM], double grad[SUM]) {
    for (int i = 0; i < SUM; i++) x[i] = random_uniform(&seed, -2, 2);
    x[7] = 0.2;
    for (int i = 0; i < SUM; i++) grad[i] = x[i] * x[i] * x[i];
}

Test(global, wrong_coordinate_that_is_small_beside_the_others_is_found) {
    double x[SUM], grad[SUM];
    for (uint64_t seed = 1; seed <= 20; seed++) {
        cubes(seed, x, grad);
        grad[7] *= 1 + 1e-7;
        ad_check_report *r =
            ad_check_function(fourth_powers, NULL, SUM, x, grad, &(ad_check_options){.seed = seed});
        cr_expect_eq(ad_check_verdict(r), AD_FAIL);
        for (size_t i = 0; i < SUM; i++)
            cr_expect_eq(ad_check_coordinate(r, i), i == 7 ? AD_FAIL : AD_INCONCLUSIVE, "%zu", i);
        cr_expect_str_eq(r->message, "the claimed gradient is wrong, first at x[7]");
        const ad_check_line *all = &r->line[r->lines - 2], *one = &r->line[r->lines - 1];
        cr_expect(all->coordinate == SIZE_MAX && all->verdict == AD_FAIL);
        cr_expect(one->coordinate == 7 && one->verdict == AD_FAIL);
        cr_expect(all->gap > all->tolerance && one->gap > one->tolerance);
        ad_check_free(r);
    }
}

/* The others do not pass for it. Two blocks, the second of which hides the error. */
Test(global, small_wrong_coordinate_is_found_in_its_block) {
    static const char *const names[] = {"left", "left", "left", "left", "right", "right[57]"};
    const ad_check_block     two[] = {{"left", 1, (const size_t[]){100}},
                                      {"right", 1, (const size_t[]){200}}};
    double                   x[SUM], grad[SUM];
    cubes(3, x, grad);
    x[157] = 0.2, grad[157] = x[157] * x[157] * x[157] * (1 - 1e-7);
    ad_check_report *r = ad_check_function(fourth_powers, NULL, SUM, x, grad,
                                           &(ad_check_options){.blocks = 2, .block = two});
    expect_lines(r, 6, names);
    for (size_t i = 0; i < SUM; i++)
        cr_expect_eq(ad_check_coordinate(r, i),
                     i == 157  ? AD_FAIL
                     : i < 100 ? AD_PASS
                               : AD_INCONCLUSIVE,
                     "%zu", i);
    ad_check_free(r);
}

/* Each coordinate is within rtol, and so is their sum; the search ends early. */
Test(global, claims_of_few_digits_pass_and_cost_little_more) {
    double x[SUM], grad[SUM];
    for (uint64_t seed = 1; seed <= 20; seed++) {
        uint64_t state = seed;
        size_t   calls = 0;
        cubes(seed, x, grad);
        for (int i = 0; i < SUM; i++) grad[i] *= 1 + random_uniform(&state, -2e-11, 2e-11);
        ad_check_report *r = ad_check_function(fourth_powers, &calls, SUM, x, grad,
                                               &(ad_check_options){.seed = seed});
        cr_expect_eq(ad_check_verdict(r), AD_PASS);
        cr_expect(r->lines == 4 && calls < 2000, "%zu lines, %zu calls", r->lines, calls);
        ad_check_free(r);
    }
}

static double logarithms(size_t n, const double x[], void *context) {
    double total = 0;
    for (size_t i = 0; i < n; i++) total += log(2.5 + x[i]);
    if (context != NULL) ++*(size_t *)context;
    return total;
}

static double hardly_changing(size_t n, const double x[], void *context) {
    double total = 0;
    for (size_t i = 0; i < n; i++) total += sin(x[i]);
    if (context != NULL) ++*(size_t *)context;
    return 1 + 1e-6 * total;
}

static double far_from_0(size_t n, const double x[], void *context) {
    return 1e3 + fourth_powers(n, x, context);
}

static double together(size_t n, const double x[], void *context) {
    double total = 0;
    for (size_t i = 0; i < n; i++) total += exp(x[i]);
    if (context != NULL) ++*(size_t *)context;
    return log(total);
}

/* Each right gradient passes with four lines, and with at most 4 x 24 evaluations more than the 4 x
 * 44 of the ladders, 20 of the Taylor slope, and those of the noise, which are about 400. */
Test(global, right_gradients_are_not_suspect) {
    double x[SUM], grad[SUM];
    for (uint64_t seed = 1; seed <= 200; seed++) {
        double (*const f[])(size_t, const double[], void *) = {
            fourth_powers, far_from_0, logarithms, hardly_changing, together};
        for (int k = 0; k < 5; k++) {
            size_t calls = 0;
            double total = 0;
            cubes(seed, x, grad);
            for (int i = 0; i < SUM; i++) total += exp(x[i]);
            for (int i = 0; i < SUM; i++)
                grad[i] = k < 2  ? grad[i]
                        : k == 2 ? 1 / (2.5 + x[i])
                        : k == 3 ? 1e-6 * cos(x[i])
                                 : exp(x[i]) / total;
            ad_check_report *r =
                ad_check_function(f[k], &calls, SUM, x, grad, &(ad_check_options){.seed = seed});
            cr_expect_leq(ad_check_verdict(r), AD_WEAK, "function %d, seed %d", k, (int)seed);
            cr_expect(r->lines == 4 && calls < 800, "%d: %zu lines, %zu", k, r->lines, calls);
            ad_check_free(r);
        }
    }
}
