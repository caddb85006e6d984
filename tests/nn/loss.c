/* loss.c - tests of nn/loss.c. */
#include "support.h"

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

static bool close_or_same(double x, double y) {
    return x == y || (isnan(x) && isnan(y)) || close_to(x, y, 4 * U, 0);
}

/* ---- cross-entropy --------------------------------------------------------------------------- */

/* cs231n.github.io/linear-classify, the figure "SVM and Softmax": scores -2.85, 0.86, 0.28 of an
 * image of class 2 have the probabilities 0.016, 0.631, 0.353 (from rounded exponentials) and the
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

/* An untrained network gives all K classes the same probability: ln K. */
Test(loss, equal_logits_cost_ln_k) {
    double value[100];
    ad_var x[100];
    for (int i = 0; i < 100; i++) value[i] = -3.25;
    inputs(100, value, x);
    for (size_t k = 1; k <= 100; k++)
        cr_expect_float_eq(ad_value(nn_cross_entropy(k, x, ad_num((double)(k - 1)))),
                           log((double)k), 1e-14);
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
    for (size_t i = 0; i < sizeof labels / sizeof *labels; i++) {
        cr_expect(isnan(ad_value(nn_cross_entropy(3, x, ad_num(labels[i])))));
        cr_expect_eq(ad_tape_status(tape), AD_BAD_ARGUMENT, "label %g", labels[i]);
        cr_expect(strstr(ad_tape_message(tape), "0..2") != NULL, "%s", ad_tape_message(tape));
        ad_tape_clear(tape);
    }
}

/* ---- logits of any size ---------------------------------------------------------------------- */

enum { LOGITS = 4, LABEL = 2 };

static const double apart[LOGITS] = {0, 1, -2, 0.5},
                    offset[] = {0, 1e6, -1e6, 1e8, 1e15, -1e15, 1e20, -1e300, 1.6e308};
enum { OFFSETS = sizeof offset / sizeof *offset };

/* In long double, from the logits after adding the offset has rounded them. */
static void expected_softmax(double by, double p[LOGITS]) {
    long double part[LOGITS], total = 0;
    for (int i = 0; i < LOGITS; i++)
        total += part[i] = expl((long double)(by + apart[i]) - (by + 1));
    for (int i = 0; i < LOGITS; i++) p[i] = (double)(part[i] / total);
}

static void shifted(double by, ad_var x[LOGITS]) {
    for (int i = 0; i < LOGITS; i++) x[i] = ad_input(tape, by + apart[i]);
}

/* p - truth, and diag(p) - p*p', by sweeps and by recorded gradients. */
static void expect_derivatives(ad_var loss, const ad_var x[LOGITS], const double p[LOGITS],
                               const double truth[LOGITS]) {
    double grad[LOGITS], h[LOGITS * LOGITS], again[LOGITS];
    ad_var recorded[LOGITS];
    ad_gradient(loss, LOGITS, x, grad);
    ad_hessian(loss, LOGITS, x, h);
    ad_record_gradient(loss, LOGITS, x, recorded);
    for (int i = 0; i < LOGITS; i++) {
        cr_expect(fabs(grad[i] - (p[i] - truth[i])) <= 4 * U, "%d: %.17g", i, grad[i]);
        cr_expect(fabs(ad_value(recorded[i]) - (p[i] - truth[i])) <= 4 * U, "%d, recorded: %.17g",
                  i, ad_value(recorded[i]));
        ad_gradient(recorded[i], LOGITS, x, again);
        for (int k = 0; k < LOGITS; k++) {
            const double second = (i == k) * p[i] - p[i] * p[k];
            cr_expect(fabs(h[i * LOGITS + k] - second) <= 4 * U, "%d, %d: %.17g", i, k,
                      h[i * LOGITS + k]);
            cr_expect(fabs(again[k] - second) <= 4 * U, "%d, %d, recorded: %.17g", i, k, again[k]);
        }
    }
}

Test(loss, cross_entropy_is_accurate_for_logits_of_any_size) {
    const double truth[LOGITS] = {[LABEL] = 1}, smooth[LOGITS] = {0.0625, 0.0625, 0.8125, 0.0625};
    for (size_t k = 0; k < OFFSETS; k++) {
        double p[LOGITS], mean = 0;
        ad_var x[LOGITS];
        expected_softmax(offset[k], p);
        shifted(offset[k], x);
        const ad_var c = nn_cross_entropy(LOGITS, x, ad_num(LABEL));
        const ad_var s = nn_cross_entropy_smooth(LOGITS, x, ad_num(LABEL), 0.25);
        for (int i = 0; i < LOGITS; i++) mean -= smooth[i] * log(p[i]);
        cr_expect(close_to(ad_value(c), -log(p[LABEL]), 4 * U, 0), "at %g: %.17g", offset[k],
                  ad_value(c));
        cr_expect(close_to(ad_value(s), mean, 4 * U, 0), "at %g: %.17g, smooth", offset[k],
                  ad_value(s));
        expect_derivatives(c, x, p, truth);
        expect_derivatives(s, x, p, smooth);
    }
}

/* Compiled for small numbers, run for large ones; the logits are the weights plus the offset of the
 * row. */
Test(loss, cross_entropy_is_accurate_in_programs) {
    double weight[LOGITS], mean, grad[LOGITS], example[2 * OFFSETS], value[2 * OFFSETS];
    ad_var w[LOGITS], x[LOGITS], input[2] = {ad_input(tape, 0), ad_input(tape, 0)};
    for (int i = 0; i < LOGITS; i++) w[i] = ad_input(tape, weight[i] = apart[i]);
    for (int i = 0; i < LOGITS; i++) x[i] = ad_add(w[i], input[0]);
    const ad_var output[] = {nn_cross_entropy(LOGITS, x, input[1]),
                             nn_cross_entropy_smooth(LOGITS, x, input[1], 0.25)};
    ad_program  *p = ad_compile(&(ad_interface){LOGITS, w, 2, input, 2, output, 0});
    for (size_t k = 0; k < OFFSETS; k++) example[2 * k] = offset[k], example[2 * k + 1] = LABEL;
    cr_assert_eq(ad_program_values(p, weight, OFFSETS, example, value), AD_OK);
    for (size_t k = 0; k < OFFSETS; k++) {
        double share[LOGITS], smooth = 0;
        expected_softmax(offset[k], share);
        for (int i = 0; i < LOGITS; i++) smooth -= (i == LABEL ? 0.8125 : 0.0625) * log(share[i]);
        cr_expect(close_to(value[2 * k], -log(share[LABEL]), 4 * U, 0), "at %g: %.17g", offset[k],
                  value[2 * k]);
        cr_expect(close_to(value[2 * k + 1], smooth, 4 * U, 0), "at %g: %.17g, smooth", offset[k],
                  value[2 * k + 1]);
        cr_assert_eq(ad_program_gradient(p, weight, 1, example + 2 * k, &mean, grad), AD_OK);
        for (int i = 0; i < LOGITS; i++)
            cr_expect(fabs(grad[i] - (share[i] - (i == LABEL))) <= 4 * U, "at %g, %d: %.17g",
                      offset[k], i, grad[i]);
    }
    ad_program_free(p);
}

/* More classes than fit in a chunk. */
Test(loss, cross_entropy_of_many_classes) {
    enum { MANY = 777 };
    static ad_var x[MANY];
    static double value[MANY], grad[MANY];
    uint64_t      state = 4;
    long double   total = 0;
    for (int i = 0; i < MANY; i++)
        x[i] = ad_input(tape, value[i] = 1e9 + random_uniform(&state, -8, 8));
    for (int i = 0; i < MANY; i++) total += expl((long double)value[i] - 1e9L);
    const double expected[] = {(double)(logl(total) - (value[300] - 1e9L)),
                               (double)(logl(total) - (value[776] - 1e9L))};
    for (int k = 0; k < 2; k++) {
        const int    label = k == 0 ? 300 : 776;
        const ad_var loss = nn_cross_entropy(MANY, x, ad_num(label));
        ad_gradient(loss, MANY, x, grad);
        cr_expect(close_to(ad_value(loss), expected[k], 8 * U, 0), "%.17g, not %.17g",
                  ad_value(loss), expected[k]);
        for (int i = 0; i < MANY; i++) {
            const double p = (double)(expl((long double)value[i] - 1e9L) / total);
            cr_expect(fabs(grad[i] - (p - (i == label))) <= (i == label ? MANY : 8) * U,
                      "%d: %.17g", i, grad[i]);
        }
    }
}

/* The limits; PyTorch agrees where it gives a number. */
Test(loss, cross_entropy_of_infinite_logits) {
    const double inf = INFINITY, none = NAN;
    /* clang-format off */
    const struct { double logit[3], loss[3], smooth[3]; } cases[] = {
        {{-inf, 0, 0},    {inf, log(2), log(2)}, {inf, inf, inf}},
        {{-inf, -inf, 0}, {inf, inf, 0},         {inf, inf, inf}},
        {{inf, 0, 1},     {none, inf, inf},      {none, inf, inf}},
        {{inf, inf, 0},   {none, none, inf},     {none, none, inf}},
        {{none, 0, 0},    {none, none, none},    {none, none, none}},
    };
    /* clang-format on */
    for (size_t k = 0; k < sizeof cases / sizeof *cases; k++)
        for (int label = 0; label < 3; label++) {
            ad_var x[3];
            inputs(3, cases[k].logit, x);
            const double plain = ad_value(nn_cross_entropy(3, x, ad_num(label)));
            cr_expect(close_or_same(plain, cases[k].loss[label]), "%zu, %d: %g", k, label, plain);
            for (double e = 0.25; e <= 1; e *= 2) {
                const double smooth = ad_value(nn_cross_entropy_smooth(3, x, ad_num(label), e));
                cr_expect(close_or_same(smooth, cases[k].smooth[label]), "%zu, %d, %g: %g", k,
                          label, e, smooth);
            }
            cr_expect(
                close_or_same(ad_value(nn_cross_entropy_smooth(3, x, ad_num(label), 0)), plain));
        }
}

/* A masked class has probability 0 and gets no gradient. */
Test(loss, cross_entropy_with_a_masked_class) {
    ad_var x[3];
    double grad[3];
    inputs(3, (const double[]){-INFINITY, 0, 0}, x);
    ad_gradient(nn_cross_entropy(3, x, ad_num(1)), 3, x, grad);
    cr_expect(grad[0] == 0 && close_to(grad[1], -0.5, 4 * U, 0) &&
              close_to(grad[2], 0.5, 4 * U, 0));
}

/* ---- mean squared error ---------------------------------------------------------------------- */

Test(loss, mse_is_the_mean_of_squared_differences) {
    const double got[] = {1, 2, 4}, want[] = {1, 0, 5};
    ad_var       x[3], y[3];
    double       grad[3];
    inputs(3, got, x), inputs(3, want, y);
    const ad_var c = nn_mse(3, x, y);
    cr_expect_float_eq(ad_value(c), (0 + 4 + 1) / 3.0, 1e-15);
    ad_gradient(c, 3, x, grad);
    for (int i = 0; i < 3; i++) cr_expect_float_eq(grad[i], 2 * (got[i] - want[i]) / 3, 1e-15);
}

Test(loss, mse_of_nothing_is_zero) {
    cr_expect_eq(ad_value(nn_mse(0, NULL, NULL)), 0);
}

/* ---- other losses: expected numbers by module_reference.py ----------------------------------- */

static const double prediction[] = {0.5, -3, 1.25, 0.75}, target[] = {0.25, -1, 1.5, -2};

static void expect_loss(ad_var mean, ad_var sum, double expected) {
    cr_expect_float_eq(ad_value(mean), expected, 4e-16 * expected);
    cr_expect_float_eq(ad_value(sum), 4 * expected, 2e-15 * expected);
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
    cr_expect(ad_value(nn_mae(0, NULL, NULL)) == 0 &&
              ad_value(nn_huber_sum(0, NULL, NULL, 1)) == 0);
    cr_expect(ad_value(nn_bce(0, NULL, NULL)) == 0 && ad_value(nn_hinge_sum(0, NULL, NULL)) == 0);
}

Test(loss, label_smoothing_is_pytorchs) {
    const double logit[] = {0.5, -1.25, 2, 0.75, -0.125}, smoothing[] = {0, 0.125, 1},
                 expected[] = {1.7615306550372623765, 1.8084056550372623765, 2.1365306550372623765};
    ad_var x[5];
    inputs(5, logit, x);
    for (int i = 0; i < 3; i++)
        cr_expect_float_eq(ad_value(nn_cross_entropy_smooth(5, x, ad_num(3), smoothing[i])),
                           expected[i], 1e-15);
    cr_expect(isnan(ad_value(nn_cross_entropy_smooth(5, x, ad_num(3), 1.5))));
}

/* e up to delta, then delta; 0 at 0. */
Test(loss, huber_slopes_to_delta_and_stays) {
    const double error[] = {0, 0.25, 0.5, 0.75, 100, -0.25, -0.5, -7},
                 slope[] = {0, 0.25, 0.5, 0.5, 0.5, -0.25, -0.5, -0.5};
    for (int i = 0; i < 8; i++) {
        ad_var x = ad_input(tape, error[i]), zero = ad_num(0);
        ad_backward(nn_huber(1, &x, &zero, 0.5));
        cr_expect_eq(ad_grad(x), slope[i], "at %g: %g", error[i], ad_grad(x));
    }
}

Test(loss, bce_does_not_overflow) {
    const double logit[] = {1000, -1000, 40}, share[] = {1, 1, 1}, expected[] = {0, 1000, 0};
    for (int i = 0; i < 3; i++) {
        ad_var       x = ad_input(tape, logit[i]), t = ad_num(share[i]);
        const double got = ad_value(nn_bce(1, &x, &t));
        cr_expect(fabs(got - expected[i]) < 1e-14, "%g: %g", logit[i], got);
    }
}

/* Decimal of Python, 50 digits: log(1 + exp(-30)), exp(-30)/(1 + exp(-30)), log(1 + exp(-700)); and
 * the limits. */
Test(loss, bce_of_logits_of_any_size) {
    const double inf = INFINITY, tiny = 9.3576229688397367e-14, tinier = 9.8596765437597708e-305;
    /* clang-format off */
    const struct { double logit, target, loss, slope; } cases[] = {
        {30, 1, tiny, -9.357622968839299e-14},  {-30, 0, tiny, 9.357622968839299e-14},
        {700, 1, tinier, -tinier},               {-700, 0, tinier, tinier},
        {30, 0, 30 + tiny, 1 - tiny},            {-30, 1, 30 + tiny, tiny - 1},
        {1e15, 0.25, 0.75e15, 0.75},             {-1e300, 0.25, 0.25e300, -0.25},
        {inf, 0, inf, 1},    {inf, 1, 0, 0},     {inf, 0.25, inf, 0.75},
        {-inf, 0, 0, 0},     {-inf, 1, inf, -1}, {-inf, 0.25, inf, -0.25},
        {NAN, 0, NAN, NAN},  {NAN, 1, NAN, NAN},
    };
    /* clang-format on */
    for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
        ad_var x = ad_input(tape, cases[k].logit), t = ad_input(tape, cases[k].target),
               known = ad_num(cases[k].target);
        const ad_var loss = nn_bce(1, &x, &t);
        ad_backward(loss);
        cr_expect(close_or_same(ad_value(loss), cases[k].loss), "%zu: %.17g", k, ad_value(loss));
        cr_expect(close_or_same(ad_value(nn_bce(1, &x, &known)), cases[k].loss), "%zu, of a number",
                  k);
        cr_expect(close_or_same(ad_grad(x), cases[k].slope), "%zu: slope %.17g", k, ad_grad(x));
    }
}

/* d2/dx2 = p*(1 - p), d2/dxdt = -1 whatever the target is, d2/dt2 = 0. */
Test(loss, bce_has_its_second_derivatives_in_logit_and_target) {
    const double targets[] = {0, 1, 0.25}, logits[] = {0, 2, -3};
    for (int k = 0; k < 9; k++) {
        const double p = 1 / (1 + exp(-logits[k / 3]));
        ad_var       x[2] = {ad_input(tape, logits[k / 3]), ad_input(tape, targets[k % 3])};
        double       h[4];
        ad_hessian(nn_bce(1, &x[0], &x[1]), 2, x, h);
        cr_expect(close_to(h[0], p * (1 - p), 16 * U, 0) && close_to(h[1], -1, 4 * U, 0) &&
                      h[3] == 0,
                  "%g, %g: %.17g, %.17g, %g", logits[k / 3], targets[k % 3], h[0], h[1], h[3]);
    }
}

Test(loss, other_losses_of_infinite_numbers) {
    const double inf = INFINITY;
    ad_var       up = ad_input(tape, inf), down = ad_input(tape, -inf), one = ad_num(1),
           minus = ad_num(-1);
    cr_expect(ad_value(nn_hinge(1, &up, &one)) == 0 && ad_value(nn_hinge(1, &up, &minus)) == inf);
    cr_expect(ad_value(nn_hinge(1, &down, &one)) == inf &&
              ad_value(nn_hinge(1, &down, &minus)) == 0);
    cr_expect(ad_value(nn_mse(1, &down, &one)) == inf && ad_value(nn_mae(1, &down, &one)) == inf);
    cr_expect(ad_value(nn_huber(1, &up, &one, 1)) == inf &&
              ad_value(nn_huber(1, &up, &one, inf)) == inf);
}

Test(loss, huber_needs_a_delta_that_is_no_less_than_0) {
    ad_var x = ad_input(tape, 3), t = ad_num(1);
    cr_expect_eq(ad_value(nn_huber(1, &x, &t, INFINITY)), 2, "half of the square");
    cr_expect_eq(ad_value(nn_huber(1, &x, &t, 0)), 0);
    cr_expect(isnan(ad_value(nn_huber(1, &x, &t, -1))) &&
              isnan(ad_value(nn_huber_sum(1, &x, &t, NAN))));
}

Test(loss, correct_is_that_no_other_is_larger) {
    ad_var x[3];
    inputs(3, (const double[]){1, 3, 2}, x);
    for (int i = 0; i < 3; i++) cr_expect_eq(ad_value(nn_correct(3, x, ad_num(i))), i == 1);
    inputs(3, (const double[]){1, NAN, 2}, x);
    for (int i = 0; i < 3; i++) cr_expect_eq(ad_value(nn_correct(3, x, ad_num(i))), 0);
    inputs(3, (const double[]){2, 1, 2}, x);
    cr_expect(ad_value(nn_correct(3, x, ad_num(0))) == 1 &&
              ad_value(nn_correct(3, x, ad_num(2))) == 1);
    cr_expect_eq(ad_value(nn_correct(0, NULL, ad_num(0))), 0);
}

/* ---- answers --------------------------------------------------------------------------------- */

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
    cr_expect_float_eq(p[0], 1 / (1 + exp(-1)), 1e-15);
    cr_expect_eq(p[2], 0);
    cr_expect_eq(ad_tape_length(tape), before);
    nn_softmax(0, NULL, NULL);
}
