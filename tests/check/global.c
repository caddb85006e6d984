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
