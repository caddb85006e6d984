/* local_check.c - tests of engine/check/local_check.c: each rule alone, and the sweep, where both
 * are right and where a custom operation makes them wrong. tests/tape/spoil.c breaks every row's
 * rule, and every step of the sweep. */
#include "engine/check/local_check.h"
#include "support.h"

#include "expect.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

static ad_tape         *tape;
static ad__probe        probe;
static ad__report      *r;
static ad_check_report *report;

static void make(void) {
    tape = ad_tape_new();
}
static void drop(void) {
    ad__probe_close(&probe);
    ad_check_free(report);
    ad_tape_free(tape);
}

TestSuite(local_check, .init = make, .fini = drop);

static void look(ad_var y, size_t n, const ad_var x[]) {
    cr_assert(ad__probe_open(&probe, y, n, x), "%s", ad_tape_message(tape));
    r = ad__report_new(n);
    r->page.has_tape = true;
    ad__check_rules(&probe, r, 1e-9);
    ad__check_sweep(&probe, r, 7);
    report = ad__report_done(r);
    cr_assert_not_null(report);
}

/* The first numbers of splitmix64 from the seed 1234567, as
 * rosettacode.org/wiki/Pseudo-random_numbers/Splitmix64 lists them. */
Test(local_check, random_numbers_are_those_of_splitmix64) {
    const uint64_t want[] = {6457827717110365317u, 3203168211198807973u, 9817491932198370423u,
                             4593380528125082431u, 16408922859458223821u};
    uint64_t       state = 1234567;
    for (size_t i = 0; i < 5; i++) cr_expect_eq(ad__random(&state), want[i], "number %zu", i);
}

Test(local_check, random_direction_is_of_length_one_in_units_of_x) {
    const double x[] = {0, 0.5, -1, 100, -1e6};
    uint64_t     state = 3;
    double       mean[5] = {0};
    for (int turn = 0; turn < 2000; turn++) {
        double direction[5], length = 0;
        ad__random_direction(&state, 5, x, direction);
        for (size_t i = 0; i < 5; i++) {
            const double part = direction[i] / fmax(1, fabs(x[i]));
            length += part * part;
            mean[i] += part / 2000;
        }
        cr_assert(fabs(length - 1) < 1e-12, "%.17g", length);
    }
    /* A coordinate on the sphere has variance 1/5: the mean of 2000 is within 4.5 deviations of
     * 0. */
    for (size_t i = 0; i < 5; i++)
        cr_expect_lt(fabs(mean[i]), 4.5 * sqrt(0.2 / 2000), "coordinate %zu: %g", i, mean[i]);
}

/* Of n normal numbers the mean of the third powers is 0 and of the fourth 3, with deviations
 * sqrt(15/n) and sqrt(96/n). */
Test(local_check, random_direction_is_normal) {
    enum { LONG = 200000 };
    double *direction = malloc(LONG * sizeof *direction), *x = calloc(LONG, sizeof *x), third = 0,
           fourth = 0;
    uint64_t state = 7;
    cr_assert_not_null(direction);
    cr_assert_not_null(x);
    ad__random_direction(&state, LONG, x, direction);
    for (size_t i = 0; i < LONG; i++) {
        const double number = direction[i] * sqrt(LONG); /* a direction has length 1 */
        third += number * number * number / LONG;
        fourth += number * number * number * number / LONG;
    }
    cr_expect_float_eq(third, 0, 5 * sqrt(15.0 / LONG), "%g", third);
    cr_expect_float_eq(fourth, 3, 5 * sqrt(96.0 / LONG), "%g", fourth);
    free(x);
    free(direction);
}

Test(local_check, right_rules_pass_and_every_operand_is_counted) {
    const ad_var x[] = {ad_input(tape, 0.7), ad_input(tape, 1.3), ad_input(tape, 5)};
    const ad_var y = ad_add(ad_mul(ad_tanh(x[0]), x[1]), ad_num(3)), unused = ad_exp(x[2]);
    (void)unused;
    look(y, 3, x);
    cr_expect_eq(report->nodes, 3, "tanh, product and sum lead to y: %zu", report->nodes);
    cr_expect_eq(report->operands, 4, "%zu", report->operands);
    cr_expect_eq(report->local_count[AD_PASS], 4);
    cr_expect_eq(report->culprits, 0);
}

Test(local_check, sweep_agrees_with_the_derivative_along_a_direction) {
    const ad_var x[] = {ad_input(tape, 0.7), ad_input(tape, 1.3)};
    look(ad_mul(ad_sin(ad_mul(x[0], x[1])), ad_dot(2, x, x)), 2, x);
    cr_expect_eq(report->sweep, AD_PASS);
    cr_expect_eq(report->sweep_node, SIZE_MAX);
    cr_expect(report->repeatable);
    cr_expect_leq(report->sweep_gap, report->sweep_tolerance);
    cr_expect(close_to(report->forward, report->reverse, 1e-13, 1e-300));
}

static double cube(size_t n, const double x[], void *context) {
    (void)n, (void)context;
    return x[0] * x[0] * x[0];
}
static void wrong_slope(size_t n, const double x[], double v, double partial[], void *context) {
    (void)n, (void)v;
    partial[0] = 3 * x[0] * x[0] * (1 + *(const double *)context);
}
static void changing_slope(size_t n, const double x[], double v, double partial[], void *context) {
    double *times = context;
    (void)n, (void)v;
    partial[0] = 3 * x[0] * x[0] + 1e-3 * (double)(int)*times;
    *times += 1;
}

Test(local_check, wrong_rule_is_the_culprit_and_the_others_pass) {
    const ad_custom_op op = {.name = "cube", .operands = 1, .value = cube, .partials = wrong_slope};
    double             off = 1e-5;
    const ad_var x = ad_input(tape, 0.8), c = ad_custom(tape, &op, 1, (ad_var[]){ad_sin(x)}, &off);
    look(ad_exp(c), 1, &x);
    cr_expect_eq(report->local_count[AD_FAIL], 1);
    cr_expect_eq(report->local_count[AD_PASS], 2);
    cr_assert_eq(report->culprits, 1);
    cr_expect_eq(report->culprit[0].node, ad__node_of(c));
    cr_expect_str_eq(report->culprit[0].operation, "cube");
    const double s = sin(0.8), right = 3 * s * s;
    cr_expect(close_to(report->culprit[0].estimate, right, 1e-9, 0));
    cr_expect(close_to(report->culprit[0].rule, right * (1 + off), 1e-14, 0));
}

Test(local_check, rule_that_changes_from_sweep_to_sweep_is_not_repeatable) {
    const ad_custom_op op = {
        .name = "cube", .operands = 1, .value = cube, .partials = changing_slope};
    double       times = 0;
    const ad_var x = ad_input(tape, 0.8), y = ad_custom(tape, &op, 1, &x, &times);
    look(y, 1, &x);
    cr_expect_not(report->repeatable);
    cr_expect_eq(report->sweep, AD_FAIL);
}

Test(local_check, kink_is_no_failure) {
    const ad_var x = ad_input(tape, 0), y = ad_relu(x);
    look(y, 1, &x);
    cr_expect_eq(report->local_count[AD_FAIL], 0);
    cr_expect_eq(report->sweep, AD_PASS);
}

Test(local_check, overflow_on_the_way_is_inconclusive) {
    const ad_var x = ad_input(tape, 800), y = ad_mul(ad_exp(x), ad_num(0));
    cr_assert_eq(ad_tape_status(tape), AD_OK);
    if (!ad__probe_open(&probe, y, 1, &x)) return; /* already reported when the probe is opened */
    r = ad__report_new(1);
    ad__check_rules(&probe, r, 1e-9);
    ad__check_sweep(&probe, r, 7);
    report = ad__report_done(r);
    cr_expect_eq(report->local_count[AD_PASS] + report->local_count[AD_FAIL], 0);
}

/* Beyond a few operands of a node directions stand for all of them, and the wrong one is found all
 * the same. */
static double weighted(size_t n, const double x[], void *context) {
    (void)context;
    double total = 0;
    for (size_t i = 0; i < n; i++) total += x[i] * x[i];
    return total;
}
static void one_wrong(size_t n, const double x[], double v, double partial[], void *context) {
    const size_t *which = context;
    (void)v;
    for (size_t i = 0; i < n; i++) partial[i] = 2 * x[i] * (i == *which ? 1.01 : 1);
}

Test(local_check, wrong_operand_among_many_is_named) {
    enum { N = 90 };
    const ad_custom_op op = {
        .name = "squares", .operands = SIZE_MAX, .value = weighted, .partials = one_wrong};
    size_t which = 61;
    ad_var x[N];
    for (size_t i = 0; i < N; i++) x[i] = ad_input(tape, 1 + 0.01 * (double)i);
    look(ad_custom(tape, &op, N, x, &which), N, x);
    cr_assert_eq(report->culprits, 1);
    cr_expect_eq(report->culprit[0].operand, 61);
    cr_expect_eq(report->local_count[AD_FAIL], 1);
}

/* ---- what is said of an operand -------------------------------------------------------------- */

static double sum_of_squares(size_t n, const double x[], void *context) {
    if (context != NULL) ++*(size_t *)context;
    return weighted(n, x, NULL);
}
static void twice(size_t n, const double x[], double v, double partial[], void *context) {
    (void)v, (void)context;
    for (size_t i = 0; i < n; i++) partial[i] = 2 * x[i];
}
static void three_times(size_t n, const double x[], double v, double partial[], void *context) {
    (void)v, (void)context;
    for (size_t i = 0; i < n; i++) partial[i] = 3 * x[i];
}

Test(local_check, culprit_is_shown_with_its_operands) {
    const ad_custom_op op = {
        .name = "squares", .operands = SIZE_MAX, .value = sum_of_squares, .partials = three_times};
    const ad_var a = ad_input(tape, 2), b = ad_input(tape, 3), x[] = {a, ad_num(-2.5), b};
    static const char *const shown[] = {"squares(#0)", "squares(#0, -2.5)",
                                        "squares(#0, -2.5, ...)"};
    for (size_t n = 1; n <= 3; n++) {
        const ad_var y = ad_custom(tape, &op, n, x, NULL);
        ad__probe_close(&probe), ad_check_free(report);
        look(y, 2, (const ad_var[]){a, b});
        cr_assert_eq(report->culprits, n == 3 ? 2 : 1);
        const ad_check_operand *o = &report->culprit[0];
        cr_expect_str_eq(o->shown, shown[n - 1], "%s", o->shown);
        cr_expect(o->node == ad__node_of(y) && o->operand == 0 && o->at == 2 && o->rule == 6 &&
                  o->verdict == AD_FAIL);
        cr_expect(fabs(o->estimate - 4) < 1e-9 && fabs(o->gap - 2) < 1e-9 && isnan(o->left) &&
                  isnan(o->right));
        cr_expect(o->error < 1e-9 && o->tolerance < 1e-7 && *o->name == '\0');
        if (n == 3)
            cr_expect(report->culprit[1].operand == 2 && report->culprit[1].at == 3 &&
                      report->culprit[1].rule == 9);
    }
    ad_name(a, "width");
    ad__probe_close(&probe), ad_check_free(report);
    look(ad_custom(tape, &op, 2, (const ad_var[]){b, a}, NULL), 2, (const ad_var[]){a, b});
    cr_expect_str_eq(report->culprit[0].shown, "squares(#1, width)", "%s",
                     report->culprit[0].shown);
}

static double bent(size_t n, const double x[], void *context) {
    (void)n, (void)context;
    return x[0] < 0 ? 0 : x[0];
}
static void three_slopes(size_t n, const double x[], double v, double partial[], void *context) {
    (void)n, (void)x, (void)v, (void)context;
    partial[0] = 3;
}

Test(local_check, culprit_at_a_kink_has_the_slopes_of_its_sides) {
    const ad_custom_op op = {
        .name = "bent", .operands = 1, .value = bent, .partials = three_slopes};
    const ad_var x = ad_input(tape, 0);
    look(ad_custom(tape, &op, 1, &x, NULL), 1, &x);
    cr_assert_eq(report->culprits, 1);
    const ad_check_operand *o = &report->culprit[0];
    cr_expect(isnan(o->estimate) && isnan(o->error) && fabs(o->left) < 1e-9 &&
              fabs(o->right - 1) < 1e-9);
    cr_expect(o->rule == 3 && fabs(o->gap - 2) < 1e-9);
}

/* x*x + 4*4 + y*y + x*x: one partial in x, the sum of both. */
Test(local_check, operand_that_stands_twice_is_one) {
    const ad_custom_op right = {
        .name = "right", .operands = SIZE_MAX, .value = sum_of_squares, .partials = twice};
    const ad_custom_op wrong = {
        .name = "wrong", .operands = SIZE_MAX, .value = sum_of_squares, .partials = three_times};
    const ad_var x = ad_input(tape, 2), y = ad_input(tape, 3), all[] = {y, ad_num(4), x, y, x};
    look(ad_custom(tape, &right, 5, all, NULL), 2, (const ad_var[]){x, y});
    cr_expect(report->operands == 2 && report->local_count[AD_PASS] == 2 && report->nodes == 1);
    ad__probe_close(&probe), ad_check_free(report);
    look(ad_custom(tape, &wrong, 5, all, NULL), 2, (const ad_var[]){x, y});
    cr_assert_eq(report->culprits, 2);
    for (size_t k = 0; k < 2; k++) {
        const ad_check_operand *o = &report->culprit[k];
        const bool              of_x = o->at == 2;
        cr_expect_eq(o->operand, of_x ? 2 : 0);
        cr_expect(o->rule == (of_x ? 12 : 18) && fabs(o->estimate - (of_x ? 8 : 12)) < 1e-8,
                  "%g, %g", o->rule, o->estimate);
    }
}

Test(local_check, what_decides_is_no_operand) {
    const ad_var x[] = {ad_input(tape, 1), ad_input(tape, 2), ad_input(tape, 3)};
    look(ad_where(x[0], x[1], x[2]), 3, x);
    cr_expect(report->operands == 2 && report->local_count[AD_FAIL] == 0);
    ad__probe_close(&probe), ad_check_free(report);
    look(ad_pick(x[0], 3, x), 3, x);
    cr_expect(report->operands == 3 && report->local_count[AD_FAIL] == 0);
}

/* Four are checked one by one, 90 along two directions; one by one each would take four values. */
Test(local_check, many_operands_cost_a_few_values) {
    const ad_custom_op op = {
        .name = "squares", .operands = SIZE_MAX, .value = sum_of_squares, .partials = twice};
    size_t calls = 0;
    ad_var x[90];
    for (size_t i = 0; i < 90; i++) x[i] = ad_input(tape, 1 + 0.01 * (double)i);
    const ad_var few = ad_custom(tape, &op, 4, x, &calls),
                 many = ad_custom(tape, &op, 90, x, &calls);
    look(few, 90, x);
    cr_expect(report->operands == 4 && report->local_count[AD_PASS] == 4);
    ad__probe_close(&probe), ad_check_free(report);
    calls = 0;
    cr_assert(ad__probe_open(&probe, many, 90, x));
    r = ad__report_new(90);
    ad__check_rules(&probe, r, 1e-9);
    report = ad__report_done(r);
    cr_expect(report->operands == 90 && report->local_count[AD_PASS] == 90);
    cr_expect_lt(calls, 2 * 90, "%zu", calls);
}

/* What rounding explains is small compared with the derivative, however small that is. */
Test(local_check, tolerance_of_the_sweep_has_its_size) {
    const double size[] = {1, 1e-30, 1e+30};
    for (size_t k = 0; k < 3; k++) {
        const ad_var x[] = {ad_input(tape, 0.7), ad_input(tape, 1.3)};
        ad__probe_close(&probe), ad_check_free(report);
        look(ad_mul(ad_num(size[k]), ad_sin(ad_mul(x[0], x[1]))), 2, x);
        cr_expect(report->sweep == AD_PASS && report->sweep_tolerance > 0 &&
                      report->sweep_tolerance < 1e-13 * size[k],
                  "%g", report->sweep_tolerance);
    }
}

/* y = 3 sin(x), along +-1: each contribution may be off by 6u and by one more for each operand of
 * its node and each user of the operand, 2 + 1 for the product and 1 + 1 for the sine; the sum over
 * the inputs by 4u and one for each of them. */
Test(local_check, tolerance_of_the_sweep_by_hand) {
    const ad_var x = ad_input(tape, 0.7);
    look(ad_mul(ad_num(3), ad_sin(x)), 1, &x);
    cr_expect(close_to(fabs(report->forward), 3 * cos(0.7), 4 * U, 0) &&
              close_to(report->forward, report->reverse, 4 * U, 0));
    cr_expect(close_to(report->sweep_tolerance, (9 + 8 + 5) * U * 3 * cos(0.7), 1e-12, 0), "%g u",
              report->sweep_tolerance / (U * 3 * cos(0.7)));
}

Test(local_check, input_that_is_the_result_has_a_derivative_of_one) {
    const ad_var x[] = {ad_input(tape, 0.7), ad_input(tape, 0.8)};
    look(x[0], 2, x);
    cr_expect(report->repeatable && report->sweep == AD_PASS && report->sweep_gap == 0 &&
              report->nodes == 0);
    cr_expect(report->forward == report->reverse && report->forward != 0);
}
