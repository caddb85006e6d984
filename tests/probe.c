/* probe.c - tests of engine/probe.c: a tape at other places, and the tape afterwards. */
#include "engine/probe.h"
#include "support.h"

#include "expect.h"
#include <math.h>
#include <stdlib.h>

static ad_var record(ad_tape *tape, ad_var x[2]) {
    x[0] = ad_input(tape, 0.7), x[1] = ad_input(tape, -1.3);
    return ad_parse(tape, "h = tanh(a*b); h*exp(a) + relu(b)*sum(a, b, h, 2)", 2, "a, b", x);
}

Test(probe, tape_is_what_it_was_to_the_bit) {
    ad_tape *tape = ad_tape_new();
    ad_var   x[2], y = record(tape, x), z = ad_sin(y);
    ad_backward(z);
    ad_set(x[0], 0.8);                                      /* not replayed: y is still that of 0.7 */
    const uint32_t n = tape->length;
    double        *value = malloc(n*sizeof *value), *adjoint = malloc(n*sizeof *adjoint);
    memcpy(value, tape->value, n*sizeof *value);
    memcpy(adjoint, tape->adjoint, n*sizeof *adjoint);
    ad__probe p;
    cr_assert(ad__probe_open(&p, y, 2, x));
    const ad__slice     line = ad__probe_coordinate(&p, 1);
    const ad__estimate e = ad__estimate_slope(&line);
    const double       out[] = {1, -2};
    const ad__slice     along = ad__probe_direction(&p, out);
    along.noise_at(along.context, 0.25);
    cr_expect_eq(e.shape, AD__SMOOTH);
    ad__probe_close(&p);
    cr_expect_eq(memcmp(value, tape->value, n*sizeof *value), 0);
    cr_expect_eq(memcmp(adjoint, tape->adjoint, n*sizeof *adjoint), 0);
    cr_expect_eq(tape->swept, n);
    free(value), free(adjoint);
    ad_tape_free(tape);
}

Test(probe, values_and_gradient_are_those_of_the_leaves_as_set) {
    ad_tape *tape = ad_tape_new();
    ad_var   x = ad_input(tape, 2), y = ad_mul(x, x);
    ad_set(x, 3);
    ad__probe p;
    cr_assert(ad__probe_open(&p, y, 1, &x));
    cr_expect_eq(p.value, 9);
    cr_expect_eq(p.gradient[0], 6);
    ad__probe_close(&p);
    cr_expect_eq(ad_value(y), 4);
    ad_tape_free(tape);
}

Test(probe, noise_bounds_the_rounding_of_a_sum_that_cancels) {
    ad_tape *tape = ad_tape_new();
    ad_var   x = ad_input(tape, 0.3);
    ad_var   y = ad_sub(ad_add(x, ad_num(1e10)), ad_num(1e10));
    ad__probe p;
    cr_assert(ad__probe_open(&p, y, 1, &x));
    const double wrong = fabs(p.value - 0.3);
    cr_expect(p.noise >= wrong && p.noise < 1e-5, "noise %g, error %g", p.noise, wrong);
    ad__probe_close(&p);
    ad_tape_free(tape);
}

Test(probe, step_across_a_kink_is_on_the_other_side) {
    ad_tape *tape = ad_tape_new();
    ad_var   x = ad_input(tape, 0.1), y = ad_relu(x);
    ad__probe p;
    cr_assert(ad__probe_open(&p, y, 1, &x));
    const ad__slice line = ad__probe_coordinate(&p, 0);
    cr_expect(line.at(line.context, -0.05).same);
    cr_expect_not(line.at(line.context, -0.2).same);
    ad__probe_close(&p);
    ad_tape_free(tape);
}

Test(probe, branch_that_turns_beside_x_is_told_and_forgotten) {
    ad_tape *tape = ad_tape_new();
    ad_var   x = ad_input(tape, 0.1);
    cr_assert(ad_branch(ad_less(x, ad_num(0.2))));
    ad_var    y = ad_mul(x, x);
    ad__probe p;
    cr_assert(ad__probe_open(&p, y, 1, &x));
    const ad__slice   line = ad__probe_coordinate(&p, 0);
    const ad__sample s = line.at(line.context, 0.25);
    cr_expect(isnan(s.value) && !s.same);
    cr_expect_eq(p.stopped, AD_BRANCH_CHANGED);
    cr_expect(strstr(p.reason, "branch") != NULL);
    cr_expect_eq(ad_tape_status(tape), AD_OK);
    ad__probe_close(&p);
    ad_tape_free(tape);
}

Test(probe, input_that_stands_twice_in_x_moves_by_both) {
    ad_tape *tape = ad_tape_new();
    ad_var   x = ad_input(tape, 2), y = ad_mul(x, ad_num(5));
    const ad_var twice[] = {x, x};
    ad__probe    p;
    cr_assert(ad__probe_open(&p, y, 2, twice));
    const double   out[] = {1, 2};
    const ad__slice line = ad__probe_direction(&p, out);
    cr_expect_eq(line.at(line.context, 0.5).value, 5*(2 + 1.5));
    ad__probe_close(&p);
    ad_tape_free(tape);
}

/* Beside an implementation that knows nothing of this one: tests/support.c. */
static double replayed(double at, void *context) {
    const ad_var *xy = context;
    ad_set(xy[0], at);
    ad_replay(xy[0].tape);
    return ad_value(xy[1]);
}

Test(probe, difference_agrees_with_another_implementation) {
    ad_tape       *tape = ad_tape_new();
    ad_var         x[2], y = record(tape, x), both[] = {x[0], y};
    double         slope, error;
    cr_assert(ad__difference(y, x[0], &slope, &error));
    const estimate other = differences(replayed, both, 0.7, 0.1);
    cr_expect(fabs(slope - other.value) <= 10*error + 10*other.error);
    cr_expect_lt(error, 1e-10);
    ad_tape_free(tape);
}

/* ---- differences of a node ------------------------------------------------------------------- */

/* The slope is as near as ten times the estimated error, and that is small. */
static void expect_slope(ad_var y, ad_var x, double want, double relative) {
    double slope = NAN, error = NAN;
    cr_assert(ad__difference(y, x, &slope, &error));
    const double off = fabs(slope - want);
    cr_expect(off <= 10*error, "%.17g, want %.17g: off by %g, said %g", slope, want, off, error);
    cr_expect(error <= relative*fabs(want) && off <= relative*fabs(want), "%.17g, want %.17g: error %g", slope,
              want, error);
}

Test(probe, smooth_functions_agree_to_many_digits) {
    ad_tape *tape = ad_tape_new();
    ad_var x = ad_input(tape, 0.7);
    expect_slope(ad_sin(x), x, cos(0.7), 1e-10);
    expect_slope(ad_exp(x), x, exp(0.7), 1e-10);
    expect_slope(ad_div(ad_num(1), x), x, -1/0.49, 1e-10);
    expect_slope(ad_mul(ad_mul(x, x), x), x, 3*0.49, 1e-12);
    ad_tape_free(tape);
}

Test(probe, large_and_small_arguments_have_steps_of_their_size) {
    ad_tape *tape = ad_tape_new();
    ad_var big = ad_input(tape, 1e8), small = ad_input(tape, 1e-8);
    expect_slope(ad_log(big), big, 1e-8, 1e-9);
    expect_slope(ad_exp(small), small, exp(1e-8), 1e-9);
    ad_tape_free(tape);
}

/* The first steps leave the domain of the root; closer ones do not. */
Test(probe, steps_out_of_the_domain_are_made_smaller) {
    ad_tape *tape = ad_tape_new();
    ad_var x = ad_input(tape, 1e-3);
    expect_slope(ad_sqrt(x), x, 0.5/sqrt(1e-3), 1e-8);
    ad_tape_free(tape);
}

Test(probe, nothing_finite_around_gives_no_difference) {
    ad_tape *tape = ad_tape_new();
    double slope, error;
    ad_var x = ad_input(tape, -1), y = ad_log(x);
    cr_expect_not(ad__difference(y, x, &slope, &error));
    cr_expect_eq(ad_tape_status(tape), AD_OK);
    cr_expect(isnan(ad_value(y)));
    ad_tape_free(tape);
}

/* Beyond 1 the program would have gone another way; the replay stops there, and closer steps do not. */
Test(probe, branches_that_turn_are_kept_away_from) {
    ad_tape *tape = ad_tape_new();
    ad_var x = ad_input(tape, 0.99), y = x;
    if (ad_branch(ad_less(x, ad_num(1)))) y = ad_mul(x, x);
    expect_slope(y, x, 1.98, 1e-8);
    cr_expect_eq(ad_tape_status(tape), AD_OK);
    ad_tape_free(tape);
}

Test(probe, held_error_is_kept_and_gives_no_difference) {
    ad_tape *tape = ad_tape_new();
    double slope, error;
    ad_var x = ad_input(tape, 1), y = ad_exp(x);
    ad_set(y, 1);
    cr_expect_not(ad__difference(y, x, &slope, &error));
    cr_expect_eq(ad_tape_status(tape), AD_BAD_ARGUMENT);
    ad_tape_free(tape);
}

/* The error at a kink does not shrink, so that nobody takes the mean of both sides for a derivative. */
Test(probe, kink_is_told_by_the_error) {
    ad_tape *tape = ad_tape_new();
    double slope, error;
    ad_var x = ad_input(tape, 1e-3);
    if (ad__difference(ad_relu(x), x, &slope, &error))
        cr_expect(fabs(slope - 1) <= 10*error, "slope %g, error %g", slope, error);
    ad_tape_free(tape);
}
