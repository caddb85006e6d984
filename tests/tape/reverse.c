/* reverse.c - tests of the reverse sweep: contributions add up, from zero, in one pass. */
#include "support.h"

#include "expect.h"
#include <math.h>

static ad_tape *tape;

static void make(void) {
    tape = ad_tape_new();
}
static void drop(void) {
    ad_tape_free(tape);
}

TestSuite(reverse, .init = make, .fini = drop);

Test(reverse, derivative_of_a_result_by_itself_is_one) {
    ad_var x = ad_input(tape, 2), y = ad_exp(x);
    ad_backward(y);
    cr_expect_eq(ad_grad(y), 1);
    ad_backward(x);
    cr_expect_eq(ad_grad(x), 1);
}

Test(reverse, shared_operand_receives_both_contributions) {
    ad_var x = ad_input(tape, 2), a = ad_mul(x, ad_num(3)), b = ad_exp(x);
    ad_backward(ad_add(a, b));
    cr_expect_eq(ad_grad(x), 3 + exp(2));
}

Test(reverse, operand_used_twice_in_one_operation_receives_both_contributions) {
    ad_var x = ad_input(tape, 3);
    ad_backward(ad_mul(x, x));
    cr_expect_eq(ad_grad(x), 6);
    ad_backward(ad_sub(x, x));
    cr_expect_eq(ad_grad(x), 0);
    ad_backward(ad_div(x, x));
    cr_expect_eq(ad_grad(x), 0);
    ad_backward(ad_max(x, x));
    cr_expect_eq(ad_grad(x), 1);
    ad_backward(ad_pow(x, x));
    cr_expect(close_to(ad_grad(x), 27 * (1 + log(3)), 8 * U, 0));
}

/* The paths double with each step; the sweep visits each node once. */
Test(reverse, doubling_sixty_times_gives_two_to_the_sixty) {
    ad_var x = ad_input(tape, 1), y = x;
    for (int i = 0; i < 60; i++) y = ad_add(y, y);
    ad_backward(y);
    cr_expect_eq(ad_value(y), 0x1p60);
    cr_expect_eq(ad_grad(x), 0x1p60);
    cr_expect_eq(ad_tape_length(tape), 61);
}

Test(reverse, twice_gives_the_same_answer) {
    ad_var x = ad_input(tape, 2), y = ad_input(tape, 5);
    ad_var v = ad_add(ad_log(x), ad_sub(ad_mul(x, y), ad_sin(y)));
    ad_backward(v);
    const double dx = ad_grad(x), dy = ad_grad(y);
    ad_backward(v);
    cr_expect(same_bits(ad_grad(x), dx) && same_bits(ad_grad(y), dy));
    ad_backward(ad_mul(v, v));
    ad_backward(v);
    cr_expect(same_bits(ad_grad(x), dx) && same_bits(ad_grad(y), dy));
}

/* What earlier sweeps left behind, of a longer graph, before an error, before a rewind, counts for
 * nothing. */
Test(reverse, sweep_after_any_other_starts_from_zero) {
    ad_var        x = ad_input(tape, 2);
    const ad_mark mark = ad_tape_mark(tape);
    ad_var        y = ad_mul(x, x), later = ad_exp(ad_mul(y, x));
    ad_backward(later);
    ad_set(y, 1); /* an error: y is no input */
    ad_backward(y);
    ad_tape_clear(tape);
    ad_backward(y);
    cr_expect_eq(ad_grad(x), 4);
    ad_backward(ad_mul(later, y));
    ad_tape_rewind(tape, mark);
    for (int i = 0; i < 1000; i++) y = ad_add(i == 0 ? x : y, x);
    ad_backward(y);
    cr_expect_eq(ad_grad(x), 1001);
    ad_backward(y);
    cr_expect_eq(ad_grad(x), 1001);
    double slope = 0;
    ad_jacobian(1, &y, 1, &x, &slope);
    cr_expect_eq(slope, 1001);
}

Test(reverse, nodes_recorded_after_the_result_have_gradient_zero) {
    ad_var x = ad_input(tape, 2), y = ad_exp(x), later = ad_mul(y, x);
    ad_backward(later);
    ad_backward(y);
    cr_expect_eq(ad_grad(later), 0);
    cr_expect_eq(ad_grad(x), exp(2));
    ad_var newest = ad_add(later, x);
    cr_expect_eq(ad_grad(newest), 0);
}

Test(reverse, nodes_that_do_not_lead_to_the_result_have_gradient_zero) {
    ad_var x = ad_input(tape, 2), other = ad_input(tape, 3), side = ad_mul(x, other);
    ad_backward(ad_exp(x));
    cr_expect_eq(ad_grad(other), 0);
    cr_expect_eq(ad_grad(side), 0);
}

Test(reverse, intermediate_results_have_their_adjoints) {
    ad_var a = ad_input(tape, 2), b = ad_input(tape, 1);
    ad_var c = ad_add(a, b), d = ad_add(b, ad_num(1)), e = ad_mul(c, d);
    ad_backward(e);
    cr_expect(ad_grad(c) == 2 && ad_grad(d) == 3 && ad_grad(e) == 1);
}

Test(reverse, gradient_before_any_sweep_is_nan_and_not_recorded) {
    ad_var x = ad_input(tape, 2);
    cr_expect(isnan(ad_grad(x)));
    cr_expect_eq(ad_tape_status(tape), AD_NOT_RECORDED);
}

Test(reverse, gradient_of_a_number_is_zero) {
    cr_expect_eq(ad_grad(ad_num(3)), 0);
    ad_backward(ad_num(3));
    cr_expect_eq(ad_tape_status(tape), AD_OK);
}

Test(reverse, sweep_of_a_number_leaves_the_last_one) {
    ad_var x = ad_input(tape, 2);
    ad_backward(ad_mul(x, x));
    ad_backward(ad_num(1));
    cr_expect_eq(ad_grad(x), 4);
}

Test(reverse, zero_adjoint_pushes_nothing) {
    ad_var x = ad_input(tape, 0);
    ad_backward(ad_mul(ad_sqrt(x), ad_num(0))); /* 0 * inf would be NaN */
    cr_expect_eq(ad_grad(x), 0);
    ad_var y = ad_input(tape, 0);
    ad_backward(ad_mul(ad_log(x), y)); /* adjoint of log(x): 0; of y: -inf */
    cr_expect_eq(ad_grad(x), 0);
    cr_expect_eq(ad_grad(y), -INFINITY);
}

Test(reverse, nan_is_never_lost) {
    ad_var x = ad_input(tape, -1), y = ad_mul(ad_log(x), x);
    cr_expect(isnan(ad_value(y)));
    ad_backward(y);
    cr_expect(isnan(ad_grad(x)));
    cr_expect_eq(ad_tape_status(tape), AD_OK);
}

Test(reverse, adjoints_below_the_mark_stay_after_rewinding) {
    ad_var        x = ad_input(tape, 2);
    const ad_mark mark = ad_tape_mark(tape);
    ad_backward(ad_mul(x, x));
    ad_tape_rewind(tape, mark);
    cr_expect_eq(ad_grad(x), 4);
    cr_expect_eq(ad_tape_status(tape), AD_OK);
}

Test(reverse, adjoints_are_kept_while_the_tape_grows) {
    ad_var x = ad_input(tape, 2), y = ad_mul(x, x);
    ad_backward(y);
    ad_var z = y;
    for (int i = 0; i < 5000; i++) {
        z = ad_add(z, x);
        cr_assert_eq(ad_grad(x), 4);
        cr_assert_eq(ad_grad(z), 0);
    }
    ad_backward(z);
    cr_expect_eq(ad_grad(x), 5004);
}

/* ---- ad_gradient ----------------------------------------------------------------------------- */

Test(reverse, gradient_fills_an_array) {
    ad_var x[9], y = ad_num(0);
    for (int i = 0; i < 9; i++) {
        x[i] = ad_input(tape, i);
        y = ad_add(y, ad_mul(x[i], x[i]));
    }
    double grad[9];
    ad_gradient(y, 9, x, grad);
    for (int i = 0; i < 9; i++) cr_expect_eq(grad[i], 2 * i);
}

Test(reverse, gradient_takes_nodes_in_any_order_and_twice) {
    ad_var       a = ad_input(tape, 2), b = ad_input(tape, 5), c = ad_mul(a, b), y = ad_exp(c);
    ad_var       later = ad_neg(y);
    const ad_var x[] = {b, c, a, b, later, y};
    double       grad[6];
    ad_gradient(y, 6, x, grad);
    const double e = exp(10), want[] = {2 * e, e, 5 * e, 2 * e, 0, 1};
    for (int i = 0; i < 6; i++) cr_expect_eq(grad[i], want[i], "%d: %g", i, grad[i]);
}

Test(reverse, gradient_of_consecutive_nodes_after_the_result_is_zero) {
    ad_var y = ad_input(tape, 2), x[4];
    for (int i = 0; i < 4; i++) x[i] = ad_input(tape, i);
    double grad[4] = {9, 9, 9, 9};
    ad_gradient(y, 4, x, grad);
    for (int i = 0; i < 4; i++) cr_expect_eq(grad[i], 0);
}

Test(reverse, gradient_of_a_plain_number_is_zero) {
    const ad_var x[] = {ad_input(tape, 1), ad_input(tape, 2)};
    double       grad[2] = {9, 9};
    ad_gradient(ad_num(3), 2, x, grad);
    cr_expect(grad[0] == 0 && grad[1] == 0);
    cr_expect_eq(ad_tape_status(tape), AD_OK);
}

Test(reverse, gradient_after_an_error_is_nan) {
    const ad_var x[] = {ad_input(tape, 1), ad_input(tape, 2)};
    ad_var       y = ad_mul(x[0], x[1]);
    double       grad[2] = {9, 9};
    ad_set(y, 1);
    ad_gradient(y, 2, x, grad);
    cr_expect(isnan(grad[0]) && isnan(grad[1]));
}

/* The sweep stopped at the pick: what it had added up so far is no derivative. */
Test(reverse, after_a_sweep_that_stopped_grad_is_nan) {
    ad_var index = ad_input(tape, 0), x = ad_input(tape, 2);
    ad_var y = ad_add(ad_pick(index, 2, (const ad_var[]){x, index}), x);
    ad_set(index, 5);
    ad_backward(y);
    cr_expect_eq(ad_tape_status(tape), AD_BAD_ARGUMENT);
    cr_expect(isnan(ad_grad(x)) && isnan(ad_grad(y)), "%g", ad_grad(x));
}

/* The adjoint of the first leaf of all would still stand there. */
Test(reverse, after_a_sweep_that_was_refused_grad_does_not_answer_with_the_one_before) {
    const ad_var  x = ad_input(tape, 3);
    const ad_mark mark = ad_tape_mark(tape);
    const ad_var  y = ad_mul(x, x);
    ad_backward(y);
    cr_expect_eq(ad_grad(x), 6);
    ad_tape_rewind(tape, mark);
    ad_backward(y);
    cr_expect_eq(ad_tape_status(tape), AD_STALE);
    ad_tape_clear(tape);
    cr_expect(isnan(ad_grad(x)), "%g", ad_grad(x));
    cr_expect_eq(ad_tape_status(tape), AD_NOT_RECORDED);
}

Test(reverse, gradient_with_no_inputs_is_only_a_sweep) {
    ad_var x = ad_input(tape, 3), y = ad_mul(x, x);
    ad_gradient(y, 0, NULL, NULL);
    cr_expect_eq(ad_tape_status(tape), AD_OK);
    cr_expect_eq(ad_grad(x), 6);
}

/* ---- depth ----------------------------------------------------------------------------------- */

Test(reverse, chain_of_a_hundred_thousand_nodes) {
    ad_var x = ad_input(tape, 0.3), y = x;
    double v = 0.3, slope = 1;
    for (int i = 0; i < 100000; i++) {
        y = ad_sin(y);
        slope *= cos(v);
        v = sin(v);
    }
    ad_backward(y);
    cr_expect_eq(ad_value(y), v);
    /* 1e5 roundings */
    cr_expect(close_to(ad_grad(x), slope, 1e-10, 0), "%.17g, want %.17g", ad_grad(x), slope);
}
