/* probe.c - tests of engine/check/probe.c: a tape at other points, and the tape afterwards. */
#include "engine/check/probe.h"
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
    ad_set(x[0], 0.8); /* not replayed: y is still that of 0.7 */
    const uint32_t n = tape->length;
    double        *value = malloc(n * sizeof *value), *adjoint = malloc(n * sizeof *adjoint);
    memcpy(value, tape->value, n * sizeof *value);
    memcpy(adjoint, tape->adjoint, n * sizeof *adjoint);
    ad__probe p;
    cr_assert(ad__probe_open(&p, y, 2, x));
    const ad__slice    line = ad__probe_coordinate(&p, 1);
    const ad__estimate e = ad__estimate_slope(&line);
    const double       out[] = {1, -2};
    const ad__slice    along = ad__probe_direction(&p, out);
    along.noise_at(along.context, 0.25);
    cr_expect_eq(e.shape, AD__SMOOTH);
    ad__probe_close(&p);
    cr_expect_eq(memcmp(value, tape->value, n * sizeof *value), 0);
    cr_expect_eq(memcmp(adjoint, tape->adjoint, n * sizeof *adjoint), 0);
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
    ad_tape  *tape = ad_tape_new();
    ad_var    x = ad_input(tape, 0.3);
    ad_var    y = ad_sub(ad_add(x, ad_num(1e10)), ad_num(1e10));
    ad__probe p;
    cr_assert(ad__probe_open(&p, y, 1, &x));
    const double wrong = fabs(p.value - 0.3);
    cr_expect(p.noise >= wrong && p.noise < 1e-5, "noise %g, error %g", p.noise, wrong);
    ad__probe_close(&p);
    ad_tape_free(tape);
}

/* The rounding bounds of probe.h: u for correctly rounded operations, 4u for others, 0 for those
 * that only select; if a result may be smaller than its terms, relative to the sizes of these. a =
 * 2, b = -3. */
Test(probe, noise_of_a_node_is_that_of_its_operation) {
    const struct {
        const char *text;
        double      noise;
    } of[] = {
        {"a + b", 1},
        {"a - b", 5},
        {"a*b", 6},
        {"a/b", 2 / 3.0},
        {"sqrt(a)", sqrt(2)},
        {"leaky_relu(b)", 0.03},
        {"-a", 0},
        {"abs(b)", 0},
        {"relu(a)", 0},
        {"min(a, b)", 0},
        {"max(a, b)", 0},
        {"floor(a)", 0},
        {"ceil(a)", 0},
        {"trunc(a)", 0},
        {"round(a)", 0},
        {"rint(a)", 0},
        {"fmod(b, a)", 0},
        {"remainder(b, a)", 0},
        {"tgamma(a + 3)", 20 * 24},
        {"b < a", 0},
        {"b <= a", 0},
        {"a == a", 0},
        {"a != b", 0},
        {"a && b", 0},
        {"a || b", 0},
        {"where(a, b, a)", 0},
        {"exp(a)", 4 * exp(2)},
        {"sin(b)", 4 * sin(3)},
        {"a^3", 32},
        {"tanh(b)", 4 * tanh(3)},
        {"lgamma(a)", 16},
        {"lgamma(a + 3)", 16 * (1 + log(24))},
        {"polygamma(1, a)", 16 * (acos(-1) * acos(-1) / 6)},
        {"logsumexp(a, a)", 4 * (2 + log(2) + 1)},
        {"norm(a, b, a, 1, 1, 1, 1, b, 1)", sqrt(31) * (4 + 3)},
        {"largest(a, b)", 0},
        {"sum(a, b, 4, -3)", (2 + 3 + 4 + 3) * (1 + 2)},
        {"dot(a, b, 4, -3, b, 1, 0.5, 2)", (6 + 3 + 2 + 6) * (1 + 2)},
    };
    ad_tape *tape = ad_tape_new();
    ad_var   x[] = {ad_input(tape, 2), ad_input(tape, -3)};
    for (size_t k = 0; k < sizeof of / sizeof *of; k++) {
        const ad_var y = ad_parse(tape, of[k].text, 2, "a, b", x);
        cr_assert_eq(ad_tape_status(tape), AD_OK, "%s", ad_tape_message(tape));
        const double noise = ad__node_noise(tape, ad__node_of(y)) / U;
        cr_expect(close_to(noise, of[k].noise, 1e-14, 0), "%s: %.17g, not %.17g", of[k].text, noise,
                  of[k].noise);
    }
    cr_expect_eq(ad__node_noise(tape, ad__node_of(x[0])), 0);
    ad_tape_free(tape);
}

/* h = a*b, y = exp(h)/a: the errors of h and of exp reach y with dy/dh = y and 1/a. Along a
 * direction each coordinate that moves is rounded too. */
Test(probe, noise_is_what_the_roundings_of_all_nodes_add_up_to) {
    ad_tape     *tape = ad_tape_new();
    const ad_var x[] = {ad_input(tape, 2), ad_input(tape, -0.75), ad_input(tape, 1)};
    const ad_var y = ad_parse(tape, "exp(a*b)/a", 3, "a, b, c", x);
    const double out[] = {1, 0, 3}, both[] = {0.5, 2, 0}, at[] = {2, 2.25}, b[] = {-0.75, 0.25};
    ad__probe    p;
    cr_assert(ad__probe_open(&p, y, 3, x));
    for (int k = 0; k < 2; k++) {
        const double    v = exp(at[k] * b[k]) / at[k], want = v * (fabs(at[k] * b[k]) + 4 + 1);
        const ad__slice line = ad__probe_direction(&p, both);
        const double    along =
            want + fabs((exp(-1.5) / 2 * -0.75 - exp(-1.5) / 4) * 2) + fabs(exp(-1.5) * -0.75);
        cr_expect(k == 1 || close_to(line.noise / U, along, 1e-13, 0), "%.17g, not %.17g",
                  line.noise / U, along);
        cr_expect(k == 0 || close_to(line.noise_at(line.context, 0.5) / U, along, 1e-13, 0),
                  "%.17g, not %.17g", line.noise_at(line.context, 0.5) / U, along);
    }
    const ad__slice one = ad__probe_direction(&p, out);
    cr_expect(close_to(one.noise_at(one.context, 0), one.noise, 1e-14, 0), "at x itself");
    const ad__slice alone = ad__probe_coordinate(&p, 1);
    cr_expect(close_to(one.noise / U, exp(-1.5) / 2 * 6.5 + exp(-1.5) / 2 * 2.5, 1e-13, 0), "%.17g",
              one.noise / U);
    cr_expect(close_to(alone.noise / U, exp(-1.5) / 2 * 6.5, 1e-13, 0), "%.17g", alone.noise / U);
    cr_expect(alone.size == 0.75 && one.size == 0 && alone.value == p.value);
    ad__probe_close(&p);
    ad_tape_free(tape);
}

/* In each pair of steps the first stays on the side of a = 2, b = 3, c = 0.5, and the second does
 * not. */
Test(probe, side_of_every_choice_is_looked_at) {
    const struct {
        const char *text;
        size_t      i;
        double      stays, leaves;
    } of[] = {
        {"relu(a)*relu(c)", 0, -1, -3},
        {"relu(a)*relu(c)", 2, 1, -1},
        {"max(a, b)", 1, -0.5, -2},
        {"max(a, b)", 0, 0.5, 2},
        {"min(a, b)*abs(c)", 2, -0.25, -0.75},
        {"where(a, b, c)", 0, 1, -2},
        {"where(a < b, b, c)", 0, 0.5, 2},
        {"where(c - 0.5, a, b)*c", 1, 9, NAN},
        {"where(c - 0.5, a, b)*c", 2, 0, 0.25},
        {"floor(a)*b", 0, 0.5, -0.5},
        {"ceil(a)*b", 0, -0.5, 0.5},
        {"trunc(a)*b", 0, 0.5, -0.5},
        {"round(a)*b", 0, 0.25, 0.5},
        {"rint(a)*b", 0, 0.25, 1},
        {"fmod(b, a)", 1, 0.5, -1.5},
        {"remainder(b, a)", 1, 0.5, 2.5},
    };
    for (size_t k = 0; k < sizeof of / sizeof *of; k++) {
        ad_tape     *tape = ad_tape_new();
        const ad_var x[] = {ad_input(tape, 2), ad_input(tape, 3), ad_input(tape, 0.5)};
        const ad_var y = ad_parse(tape, of[k].text, 3, "a, b, c", x);
        ad__probe    p;
        cr_assert(ad__probe_open(&p, y, 3, x), "%s", ad_tape_message(tape));
        const ad__slice line = ad__probe_coordinate(&p, of[k].i);
        cr_expect(line.at(line.context, of[k].stays).same, "%s", of[k].text);
        if (!isnan(of[k].leaves))
            cr_expect_not(line.at(line.context, of[k].leaves).same, "%s", of[k].text);
        cr_expect_eq(p.evaluations, isnan(of[k].leaves) ? 1 : 2);
        ad__probe_close(&p);
        ad_tape_free(tape);
    }
}

Test(probe, number_that_picks_is_a_side) {
    ad_tape     *tape = ad_tape_new();
    const ad_var x = ad_input(tape, 1), some[] = {ad_exp(x), ad_sin(x), ad_cos(x)},
                 y = ad_pick(x, 3, some);
    ad__probe p;
    cr_expect_eq(ad__node_noise(tape, ad__node_of(y)), 0);
    cr_assert(ad__probe_open(&p, y, 1, &x));
    const ad__slice line = ad__probe_coordinate(&p, 0);
    cr_expect(line.at(line.context, 0).same && !line.at(line.context, 1).same &&
              !line.at(line.context, -1).same);
    ad__probe_close(&p);
    ad_tape_free(tape);
}

/* A side that is NaN equals itself, and no number. */
Test(probe, side_that_is_no_number_is_one) {
    ad_tape     *tape = ad_tape_new();
    const ad_var x = ad_input(tape, 1),
                 y = ad_where(ad_num(1), x, ad_floor(ad_log(ad_sub(x, ad_num(1.5)))));
    ad__probe p;
    cr_assert(ad__probe_open(&p, y, 1, &x), "%s", ad_tape_message(tape));
    const ad__slice line = ad__probe_coordinate(&p, 0);
    cr_expect(line.at(line.context, 0.25).same && line.at(line.context, -2).same);
    cr_expect_not(line.at(line.context, 0.75).same);
    ad__probe_close(&p);
    ad_tape_free(tape);
}

Test(probe, what_was_moved_is_told_and_put_back) {
    ad_tape     *tape = ad_tape_new();
    const ad_var x[] = {ad_input(tape, 1), ad_input(tape, 0x1p53), ad_input(tape, 3)};
    const ad_var y = ad_sum(3, x);
    const double out[] = {1, 0, -2};
    ad__probe    p;
    cr_assert(ad__probe_open(&p, y, 3, x));
    ad__slice        line = ad__probe_coordinate(&p, 0);
    const ad__sample a = line.at(line.context, 0.25), b = line.at(line.context, 0x1p-60);
    cr_expect(a.moved == 0.25 && b.moved == 0);
    line = ad__probe_coordinate(&p, 1);
    cr_expect(line.at(line.context, 3).moved == 4 && line.size == 0x1p53);
    line = ad__probe_direction(&p, out);
    cr_expect_eq(line.at(line.context, 0.5).moved, 0.5);
    cr_expect(ad_value(x[0]) == 1 && ad_value(x[1]) == 0x1p53 && ad_value(x[2]) == 3);
    cr_expect_eq(p.evaluations, 4);
    ad__probe_close(&p);
    ad_tape_free(tape);
}

Test(probe, gradient_of_an_input_is_one_and_in_what_comes_later_zero) {
    ad_tape     *tape = ad_tape_new();
    const ad_var x[] = {ad_input(tape, 1), ad_input(tape, 2)};
    ad__probe    p;
    cr_assert(ad__probe_open(&p, x[0], 2, x));
    cr_expect(p.gradient[0] == 1 && p.gradient[1] == 0 && p.noise == 0);
    ad__probe_close(&p);
    ad_tape_free(tape);
}

Test(probe, step_across_a_kink_is_on_the_other_side) {
    ad_tape  *tape = ad_tape_new();
    ad_var    x = ad_input(tape, 0.1), y = ad_relu(x);
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
    const ad__slice  line = ad__probe_coordinate(&p, 0);
    const ad__sample s = line.at(line.context, 0.25);
    cr_expect(isnan(s.value) && !s.same);
    cr_expect_eq(line.noise_at(line.context, 0.25), 0);
    cr_expect_eq(p.stopped, AD_BRANCH_CHANGED);
    cr_expect(strstr(p.reason, "branch") != NULL);
    cr_expect_eq(ad_tape_status(tape), AD_OK);
    ad__probe_close(&p);
    ad_tape_free(tape);
}

Test(probe, replay_that_stops_at_x_opens_nothing) {
    ad_tape *tape = ad_tape_new();
    ad_var   x = ad_input(tape, 0.1);
    cr_assert(ad_branch(ad_less(x, ad_num(0.2))));
    ad_var    y = ad_mul(x, x);
    ad__probe p;
    ad_set(x, 0.5);
    cr_expect_not(ad__probe_open(&p, y, 1, &x));
    cr_expect_eq(ad_tape_status(tape), AD_BRANCH_CHANGED);
    ad__probe_close(&p);
    cr_expect(ad_value(x) == 0.5 && ad_value(y) == 0.1 * 0.1);
    ad_tape_free(tape);
}

Test(probe, input_that_stands_twice_in_x_moves_by_both) {
    ad_tape     *tape = ad_tape_new();
    ad_var       x = ad_input(tape, 2), y = ad_mul(x, ad_num(5));
    const ad_var twice[] = {x, x};
    ad__probe    p;
    cr_assert(ad__probe_open(&p, y, 2, twice));
    const double    out[] = {1, 2};
    const ad__slice line = ad__probe_direction(&p, out);
    cr_expect_eq(line.at(line.context, 0.5).value, 5 * (2 + 1.5));
    ad__probe_close(&p);
    ad_tape_free(tape);
}

/* Compared with an implementation that shares no code with this one: tests/support.c. */
static double replayed(double at, void *context) {
    const ad_var *xy = context;
    ad_set(xy[0], at);
    ad_replay(xy[0].tape);
    return ad_value(xy[1]);
}

Test(probe, difference_agrees_with_another_implementation) {
    ad_tape *tape = ad_tape_new();
    ad_var   x[2], y = record(tape, x), both[] = {x[0], y};
    double   slope, error;
    cr_assert(ad__difference(y, x[0], &slope, &error));
    const estimate other = differences(replayed, both, 0.7, 0.1);
    cr_expect(fabs(slope - other.value) <= 10 * error + 10 * other.error);
    cr_expect_lt(error, 1e-10);
    ad_tape_free(tape);
}

/* ---- differences of a node ------------------------------------------------------------------- */

/* The error is within ten times its estimate, and that is small. */
static void expect_slope(ad_var y, ad_var x, double want, double relative) {
    double slope = NAN, error = NAN;
    cr_assert(ad__difference(y, x, &slope, &error));
    const double off = fabs(slope - want);
    cr_expect(off <= 10 * error, "%.17g, want %.17g: off by %g, said %g", slope, want, off, error);
    cr_expect(error <= relative * fabs(want) && off <= relative * fabs(want),
              "%.17g, want %.17g: error %g", slope, want, error);
}

Test(probe, smooth_functions_agree_to_many_digits) {
    ad_tape *tape = ad_tape_new();
    ad_var   x = ad_input(tape, 0.7);
    expect_slope(ad_sin(x), x, cos(0.7), 1e-10);
    expect_slope(ad_exp(x), x, exp(0.7), 1e-10);
    expect_slope(ad_div(ad_num(1), x), x, -1 / 0.49, 1e-10);
    expect_slope(ad_mul(ad_mul(x, x), x), x, 3 * 0.49, 1e-12);
    ad_tape_free(tape);
}

Test(probe, large_and_small_arguments_have_steps_of_their_size) {
    ad_tape *tape = ad_tape_new();
    ad_var   big = ad_input(tape, 1e8), small = ad_input(tape, 1e-8);
    expect_slope(ad_log(big), big, 1e-8, 1e-9);
    expect_slope(ad_exp(small), small, exp(1e-8), 1e-9);
    ad_tape_free(tape);
}

/* The first steps leave the domain of the root; shorter ones do not. */
Test(probe, steps_out_of_the_domain_are_made_smaller) {
    ad_tape *tape = ad_tape_new();
    ad_var   x = ad_input(tape, 1e-3);
    expect_slope(ad_sqrt(x), x, 0.5 / sqrt(1e-3), 1e-8);
    ad_tape_free(tape);
}

Test(probe, nothing_finite_around_gives_no_difference) {
    ad_tape *tape = ad_tape_new();
    double   slope, error;
    ad_var   x = ad_input(tape, -1), y = ad_log(x);
    cr_expect_not(ad__difference(y, x, &slope, &error));
    cr_expect_eq(ad_tape_status(tape), AD_OK);
    cr_expect(isnan(ad_value(y)));
    ad_tape_free(tape);
}

/* Beyond 1 the program would have taken the other branch; the replay stops there, and shorter steps
 * do not reach it. */
Test(probe, branches_that_turn_are_kept_away_from) {
    ad_tape *tape = ad_tape_new();
    ad_var   x = ad_input(tape, 0.99), y = x;
    if (ad_branch(ad_less(x, ad_num(1)))) y = ad_mul(x, x);
    expect_slope(y, x, 1.98, 1e-8);
    cr_expect_eq(ad_tape_status(tape), AD_OK);
    ad_tape_free(tape);
}

Test(probe, held_error_is_kept_and_gives_no_difference) {
    ad_tape *tape = ad_tape_new();
    double   slope, error;
    ad_var   x = ad_input(tape, 1), y = ad_exp(x);
    ad_set(y, 1);
    cr_expect_not(ad__difference(y, x, &slope, &error));
    cr_expect_eq(ad_tape_status(tape), AD_BAD_ARGUMENT);
    ad_tape_free(tape);
}

/* The error at a kink does not shrink, so the mean of the two sides is not taken for a
 * derivative. */
Test(probe, kink_is_told_by_the_error) {
    ad_tape *tape = ad_tape_new();
    double   slope, error;
    ad_var   x = ad_input(tape, 1e-3);
    if (ad__difference(ad_relu(x), x, &slope, &error))
        cr_expect(fabs(slope - 1) <= 10 * error, "slope %g, error %g", slope, error);
    ad_tape_free(tape);
}
