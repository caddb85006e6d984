/* tangent.c - tests of directional derivatives: the same partials as the reverse sweep, walked the
 * other way. */
#include "support.h"

#include "expect.h"
#include <math.h>
#include <string.h>

static ad_tape *tape;

static void make(void) {
    tape = ad_tape_new();
}
static void drop(void) {
    ad_tape_free(tape);
}

TestSuite(tangent, .init = make, .fini = drop);

/* d/dt of ln(x) + x*y - sin(y) along (1, 0) at (2, 5) is 5.5: Griewank and Walther's example as
 * worked through in forward mode by Baydin et al., Automatic differentiation in machine learning: a
 * survey (JMLR 18, 2018), table 2. */
Test(tangent, worked_example_of_the_survey) {
    ad_var       x[] = {ad_input(tape, 2), ad_input(tape, 5)};
    ad_var       y = ad_sub(ad_add(ad_log(x[0]), ad_mul(x[0], x[1])), ad_sin(x[1]));
    const double first[] = {1, 0};
    cr_expect_eq(ad_tangent(y, 2, x, first), 5.5);
}

Test(tangent, directions_add_up) {
    ad_var       x[] = {ad_input(tape, 2), ad_input(tape, 3)};
    ad_var       y = ad_mul(x[0], x[1]);
    const double both[] = {10, 100};
    cr_expect_eq(ad_tangent(y, 2, x, both), 10 * 3 + 100 * 2);
}

Test(tangent, node_given_twice_moves_by_both_directions) {
    ad_var       x = ad_input(tape, 3), twice[] = {x, x};
    const double direction[] = {1, 2};
    cr_expect_eq(ad_tangent(ad_mul(x, x), 2, twice, direction), 3 * 6);
}

/* grad of (a, b) is (8, 4) for y = b^2, b = 2a at a = 1: both ways through b are counted. */
Test(tangent, node_on_the_way_moves_by_its_own_direction_and_its_operands) {
    ad_var       a = ad_input(tape, 1), b = ad_mul(a, ad_num(2)), y = ad_mul(b, b), x[] = {a, b};
    const double direction[] = {1, 10};
    double       grad[2];
    ad_gradient(y, 2, x, grad);
    cr_expect_eq(ad_tangent(y, 2, x, direction), grad[0] + 10 * grad[1]);
    cr_expect_eq(grad[0], 8);
}

/* Every row in each of its three forms, and each reduction, against ad_gradient: one operation has
 * one partial for each operand, so the products agree to the bit. */
Test(tangent, every_row_agrees_with_the_reverse_sweep_to_the_bit) {
    for (int r = 0; r < ROWS; r++) {
        for (int form = 0; form < 3; form++) {
            const ad_mark mark = ad_tape_mark(tape);
            const double  at = r == ROW_polygamma ? 2 : r == ROW_acosh ? 1.25 : 0.75;
            ad_var        x[] = {ad_input(tape, at), ad_input(tape, 0.625)};
            ad_var        y = row_record(&rows[r], form == 2 ? ad_num(at) : x[0],
                                  form == 1 ? ad_num(0.625) : x[1]);
                   double grad[2];
            ad_gradient(y, 2, x, grad);
            for (int i = 0; i < 2; i++) {
                const double direction[] = {i == 0 ? 3 : 0, i == 1 ? 3 : 0};
                const double got = ad_tangent(y, 2, x, direction);
                cr_expect(got == 3 * grad[i] || (isnan(got) && isnan(grad[i])),
                          "%s, form %d, operand %d: %g, not %g", rows[r].name, form, i, got,
                          3 * grad[i]);
            }
            ad_tape_rewind(tape, mark);
        }
    }
}

static void agrees(ad_var y, size_t n, const ad_var x[], const char *what) {
    double grad[8], direction[8], want = 0, scale = 0;
    ad_gradient(y, n, x, grad);
    for (size_t i = 0; i < n; i++) {
        direction[i] = 1 + 0.5 * (double)i;
        want += grad[i] * direction[i];
        scale += fabs(grad[i] * direction[i]);
    }
    const double got = ad_tangent(y, n, x, direction);
    cr_expect(fabs(got - want) <= 16 * U * scale, "%s: %.17g, not %.17g", what, got, want);
    cr_expect_gt(scale, 0, "%s", what);
}

/* Operands as a range, scattered, and among numbers. */
Test(tangent, reductions_agree_with_the_reverse_sweep) {
    ad_var x[5];
    for (int i = 0; i < 5; i++) x[i] = ad_input(tape, 0.3 * (i + 1));
    const ad_var scattered[] = {x[3], x[0], x[0], x[2]},
                 mixed[] = {x[4], ad_num(2), x[1], ad_num(-1)};
    const ad_var  numbers[] = {ad_num(1), ad_num(-2), ad_num(3), ad_num(4)};
    const ad_var *groups[] = {x, scattered, mixed, numbers};
    for (int a = 0; a < 3; a++) {
        agrees(ad_sum(4, groups[a]), 5, x, "sum");
        agrees(ad_logsumexp(4, groups[a]), 5, x, "logsumexp");
        agrees(ad_norm(4, groups[a]), 5, x, "norm");
        agrees(ad_largest(2, groups[a] + 2), 5, x, "largest");
        agrees(ad_pick(ad_num(2), 4, groups[a]), 5, x, "pick");
        agrees(ad_pick(ad_floor(ad_mul(x[0], ad_num(7))), 4, groups[a]), 5, x, "pick");
        agrees(ad_where(ad_less(x[0], x[1]), groups[a][2], x[1]), 5, x, "where");
        for (int b = 0; b < 4; b++) agrees(ad_dot(4, groups[a], groups[b]), 5, x, "dot");
    }
}

Test(tangent, zero_tangent_meets_infinite_partial_without_making_nan) {
    ad_var       x[] = {ad_input(tape, 0), ad_input(tape, 1)};
    const double second[] = {0, 1};
    cr_expect_eq(ad_tangent(ad_add(ad_sqrt(x[0]), x[1]), 2, x, second), 1);
    const ad_var a[] = {x[0], x[1]}, b[] = {ad_num(INFINITY), ad_num(2)};
    cr_expect_eq(ad_tangent(ad_dot(2, a, b), 2, x, second), 2);
}

Test(tangent, selecting_row_brings_nothing_through_a_partial_of_zero) {
    ad_var       x = ad_input(tape, -1);
    const double one = 1, huge = INFINITY;
    cr_expect_eq(ad_tangent(ad_sqrt(ad_relu(x)), 1, &x, &one), 0);
    cr_expect_eq(ad_tangent(ad_relu(x), 1, &x, &huge), 0);
}

Test(tangent, branch_not_taken_brings_nothing_even_when_it_is_nan) {
    ad_var       x = ad_input(tape, -1);
    const double one = 1;
    ad_var       y = ad_where(ad_less(ad_num(0), x), ad_log(x), ad_mul(x, ad_num(3)));
    cr_expect_eq(ad_tangent(y, 1, &x, &one), 3);
}

Test(tangent, adjoints_are_left_alone) {
    ad_var       x = ad_input(tape, 2), y = ad_mul(x, x);
    const double one = 1;
    ad_backward(y);
    cr_expect_eq(ad_tangent(ad_exp(x), 1, &x, &one), exp(2));
    cr_expect_eq(ad_grad(x), 4);
    cr_expect_eq(ad_grad(y), 1);
}

Test(tangent, derivative_of_nothing_is_zero) {
    ad_var       x = ad_input(tape, 2), later = ad_input(tape, 3);
    const double one = 1;
    cr_expect_eq(ad_tangent(ad_exp(x), 0, NULL, NULL), 0);
    cr_expect_eq(ad_tangent(ad_num(3), 1, &x, &one), 0);
    cr_expect_eq(ad_tangent(x, 1, &later, &one), 0);
    cr_expect_eq(ad_tangent(x, 1, &x, &one), 1);
    cr_expect_eq(ad_tape_status(tape), AD_OK);
}

/* Each of these is an error that is kept, and NaN. */
static void refused(ad_var y, ad_var x, ad_status want, const char *part) {
    const double one = 1;
    cr_expect(isnan(ad_tangent(y, 1, &x, &one)));
    cr_expect_eq(ad_tape_status(tape), want, "%s", ad_tape_message(tape));
    cr_expect(strstr(ad_tape_message(tape), part) != NULL, "%s", ad_tape_message(tape));
    cr_expect(isnan(ad_tangent(y, 1, &x, &one)));
    ad_tape_clear(tape);
}

Test(tangent, bad_operands_are_errors_with_sentences) {
    ad_tape      *other = ad_tape_new();
    ad_var        x = ad_input(tape, 2);
    const ad_mark mark = ad_tape_mark(tape);
    ad_var        y = ad_exp(x), stale = ad_exp(y);
    ad_tape_rewind(tape, mark);
    y = ad_exp(x);
    refused(y, ad_num(2), AD_BAD_ARGUMENT, "ad_tangent: x[0] is the plain number 2");
    refused(y, stale, AD_STALE, "ad_tangent");
    refused(stale, x, AD_STALE, "ad_tangent");
    refused(y, ad_input(other, 1), AD_TWO_TAPES, "another tape");
    ad_tape_free(other);
}

Test(tangent, index_out_of_range_is_an_error) {
    ad_var index = ad_input(tape, 1), x = ad_input(tape, 3);
    ad_var y = ad_pick(index, 2, (ad_var[]){x, x});
    ad_set(index, 7);
    refused(y, x, AD_BAD_ARGUMENT, "pick: the index 7");
}

Test(tangent, chain_of_a_million_is_one_walk) {
    ad_var       x = ad_input(tape, 0.5), y = x;
    const double one = 1;
    for (int i = 0; i < 1000000; i++) y = ad_add(y, x);
    cr_expect_eq(ad_tangent(y, 1, &x, &one), 1000001);
}
