/* loss.c - tests of nn/loss.c. */
#include "nn/nn.h"

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

TestSuite(loss, .init = make, .fini = drop);

static void inputs(size_t n, const double value[], ad_var x[]) {
    for (size_t i = 0; i < n; i++) x[i] = ad_input(tape, value[i]);
}

/* ---- cross-entropy ---------------------------------------------------------------------------- */

/* cs231n.github.io/linear-classify, the figure "SVM and Softmax": scores -2.85, 0.86, 0.28 of an image
 * of class 2 have the probabilities 0.016, 0.631, 0.353 (from rounded exponentials) and the
 * loss 1.04. */
Test(loss, softmax_example_of_cs231n) {
    const double score[] = {-2.85, 0.86, 0.28}, printed[] = {0.016, 0.631, 0.353};
    ad_var       x[3];
    double       p[3];
    inputs(3, score, x);
    cr_expect_float_eq(ad_value(nn_cross_entropy(3, x, ad_num(2))), 1.04, 0.005);
    nn_softmax(3, x, p);
    for (int i = 0; i < 3; i++) cr_expect_float_eq(p[i], printed[i], 0.001);
}

/* A network that knows nothing gives all K classes the same: ln K. */
Test(loss, equal_logits_cost_ln_k) {
    double value[100];
    ad_var x[100];
    for (int i = 0; i < 100; i++) value[i] = -3.25;
    inputs(100, value, x);
    for (size_t k = 1; k <= 100; k++)
        cr_expect_float_eq(ad_value(nn_cross_entropy(k, x, ad_num((double)(k - 1)))), log((double)k), 1e-14);
}

/* dC/dlogit[i] = p[i] - (i == label). */
Test(loss, cross_entropy_gradient_is_probability_minus_target) {
    const double logit[] = {1, -2, 0.5, 3};
    ad_var       x[4];
    double       p[4], grad[4];
    inputs(4, logit, x);
    nn_softmax(4, x, p);
    ad_gradient(nn_cross_entropy(4, x, ad_num(2)), 4, x, grad);
    for (int i = 0; i < 4; i++) cr_expect_float_eq(grad[i], p[i] - (i == 2), 1e-15);
}

Test(loss, cross_entropy_neither_overflows_nor_loses_a_large_loss) {
    const double logit[] = {1000, -1000, 900};
    ad_var       x[3];
    double       grad[3];
    inputs(3, logit, x);
    cr_expect_eq(ad_value(nn_cross_entropy(3, x, ad_num(0))), 0);
    const ad_var wrong = nn_cross_entropy(3, x, ad_num(1));
    cr_expect_eq(ad_value(wrong), 2000);
    ad_gradient(wrong, 3, x, grad);
    cr_expect(grad[0] == 1 && grad[1] == -1 && grad[2] < 1e-40);
}

Test(loss, label_that_is_no_class_is_refused) {
    const double labels[] = {3, -1, 0.5, NAN, INFINITY};
    const double logit[] = {1, 2, 3};
    ad_var       x[3];
    inputs(3, logit, x);
    for (size_t i = 0; i < sizeof labels/sizeof *labels; i++) {
        cr_expect(isnan(ad_value(nn_cross_entropy(3, x, ad_num(labels[i])))));
        cr_expect_eq(ad_tape_status(tape), AD_BAD_ARGUMENT, "label %g", labels[i]);
        cr_expect(strstr(ad_tape_message(tape), "0..2") != NULL, "%s", ad_tape_message(tape));
        ad_tape_clear(tape);
    }
}

/* ---- mean squared error ----------------------------------------------------------------------- */

Test(loss, mse_is_the_mean_of_squared_differences) {
    const double got[] = {1, 2, 4}, want[] = {1, 0, 5};
    ad_var       x[3], y[3];
    double       grad[3];
    inputs(3, got, x), inputs(3, want, y);
    const ad_var c = nn_mse(3, x, y);
    cr_expect_float_eq(ad_value(c), (0 + 4 + 1)/3.0, 1e-15);
    ad_gradient(c, 3, x, grad);
    for (int i = 0; i < 3; i++) cr_expect_float_eq(grad[i], 2*(got[i] - want[i])/3, 1e-15);
}

Test(loss, mse_of_nothing_is_zero) {
    cr_expect_eq(ad_value(nn_mse(0, NULL, NULL)), 0);
}

/* ---- other losses: expected numbers by module_reference.py ---------------------------------------- */

static const double prediction[] = {0.5, -3, 1.25, 0.75}, target[] = {0.25, -1, 1.5, -2};

static void expect_loss(ad_var mean, ad_var sum, double expected) {
    cr_expect_float_eq(ad_value(mean), expected, 4e-16*expected);
    cr_expect_float_eq(ad_value(sum), 4*expected, 2e-15*expected);
}

Test(loss, means_and_sums_of_all_losses) {
    const double share[] = {0, 1, 0.75, 0}, side[] = {-1, 1, 1, -1};
    ad_var       x[4], t[4], u[4], y[4];
    inputs(4, prediction, x), inputs(4, target, t), inputs(4, share, u), inputs(4, side, y);
    expect_loss(nn_mse(4, x, t), nn_mse_sum(4, x, t), 2.921875);
    expect_loss(nn_mae(4, x, t), nn_mae_sum(4, x, t), 1.3125);
    expect_loss(nn_huber(4, x, t, 0.5), nn_huber_sum(4, x, t, 0.5), 0.546875);
    expect_loss(nn_bce(4, x, u), nn_bce_sum(4, x, u), 1.4309911058035303931);
    expect_loss(nn_hinge(4, x, y), nn_hinge_sum(4, x, y), 1.8125);
}

Test(loss, every_loss_of_nothing_is_zero) {
    cr_expect(ad_value(nn_mae(0, NULL, NULL)) == 0 && ad_value(nn_huber_sum(0, NULL, NULL, 1)) == 0);
    cr_expect(ad_value(nn_bce(0, NULL, NULL)) == 0 && ad_value(nn_hinge_sum(0, NULL, NULL)) == 0);
}

Test(loss, label_smoothing_is_pytorchs) {
    const double logit[] = {0.5, -1.25, 2, 0.75, -0.125}, smoothing[] = {0, 0.125, 1},
                 expected[] = {1.7615306550372623765, 1.8084056550372623765, 2.1365306550372623765};
    ad_var x[5];
    inputs(5, logit, x);
    for (int i = 0; i < 3; i++)
        cr_expect_float_eq(ad_value(nn_cross_entropy_smooth(5, x, ad_num(3), smoothing[i])), expected[i], 1e-15);
    cr_expect(isnan(ad_value(nn_cross_entropy_smooth(5, x, ad_num(3), 1.5))));
}

/* e up to delta, then delta; 0 at 0. */
Test(loss, huber_slopes_to_delta_and_stays) {
    const double error[] = {0, 0.25, 0.5, 0.75, 100, -0.25, -0.5, -7}, slope[] = {0, 0.25, 0.5, 0.5, 0.5, -0.25, -0.5, -0.5};
    for (int i = 0; i < 8; i++) {
        ad_var x = ad_input(tape, error[i]), zero = ad_num(0);
        ad_backward(nn_huber(1, &x, &zero, 0.5));
        cr_expect_eq(ad_grad(x), slope[i], "at %g: %g", error[i], ad_grad(x));
    }
}

Test(loss, bce_does_not_overflow) {
    const double logit[] = {1000, -1000, 40}, share[] = {1, 1, 1}, expected[] = {0, 1000, 0};
    for (int i = 0; i < 3; i++) {
        ad_var x = ad_input(tape, logit[i]), t = ad_num(share[i]);
        const double got = ad_value(nn_bce(1, &x, &t));
        cr_expect(fabs(got - expected[i]) < 1e-14, "%g: %g", logit[i], got);
    }
}

Test(loss, correct_is_that_no_other_is_larger) {
    ad_var x[3];
    inputs(3, (const double[]){1, 3, 2}, x);
    for (int i = 0; i < 3; i++) cr_expect_eq(ad_value(nn_correct(3, x, ad_num(i))), i == 1);
    inputs(3, (const double[]){1, NAN, 2}, x);
    for (int i = 0; i < 3; i++) cr_expect_eq(ad_value(nn_correct(3, x, ad_num(i))), 0);
    inputs(3, (const double[]){2, 1, 2}, x);
    cr_expect(ad_value(nn_correct(3, x, ad_num(0))) == 1 && ad_value(nn_correct(3, x, ad_num(2))) == 1);
    cr_expect_eq(ad_value(nn_correct(0, NULL, ad_num(0))), 0);
}

/* ---- answers ---------------------------------------------------------------------------------- */

static size_t argmax(size_t n, const double value[]) {
    ad_var x[8];
    inputs(n, value, x);
    return nn_argmax(n, x);
}

Test(loss, argmax_is_the_first_of_the_largest) {
    cr_expect_eq(argmax(4, (double[]){1, 3, 3, 2}), 1u);
    cr_expect_eq(argmax(3, (double[]){-5, -4, -6}), 1u);
    cr_expect_eq(argmax(1, (double[]){7}), 0u);
    cr_expect_eq(argmax(0, NULL), 0u);
}

Test(loss, argmax_never_takes_nan) {
    cr_expect_eq(argmax(3, (double[]){NAN, 1, 2}), 2u);
    cr_expect_eq(argmax(3, (double[]){2, NAN, 1}), 0u);
    cr_expect_eq(argmax(2, (double[]){NAN, NAN}), 0u);
}

Test(loss, softmax_adds_up_to_one_and_records_nothing) {
    const double logit[] = {1000, 999, -1000};
    ad_var       x[3];
    double       p[3];
    inputs(3, logit, x);
    const size_t before = ad_tape_length(tape);
    nn_softmax(3, x, p);
    cr_expect_float_eq(p[0] + p[1] + p[2], 1, 1e-15);
    cr_expect_float_eq(p[0], 1/(1 + exp(-1)), 1e-15);
    cr_expect_eq(p[2], 0);
    cr_expect_eq(ad_tape_length(tape), before);
    nn_softmax(0, NULL, NULL);
}
