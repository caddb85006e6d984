/* dropout.c - tests of nn/dropout.c: what is dropped, passed on and scaled, recorded and in
 * programs, and what it does to what is learned. */
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

TestSuite(dropout, .init = make, .fini = drop);

enum { N = 6 };

/* x*(mask >= rate)/(1 - rate): torch.nn.functional.dropout; x where masks are below 0. */
static const double xs[N] = {1.5, -2, 3, 0.25, -4, 5};
static const double masks[N] = {0.1, 0.25, 0.9, 0.2499, -1, 0};
static const double wanted[N] = {0, -2 / 0.75, 3 / 0.75, 0, -4, 0};
static const double slopes[N] = {0, 1 / 0.75, 1 / 0.75, 0, 1, 0};

static void inputs(const double value[], ad_var x[]) {
    for (size_t i = 0; i < N; i++) x[i] = ad_input(tape, value[i]);
}

Test(dropout, drops_scales_and_passes_on) {
    ad_var x[N], mask[N], y[N];
    double grad[N];
    inputs(xs, x), inputs(masks, mask);
    nn_dropout(N, x, mask, 0.25, y);
    for (size_t i = 0; i < N; i++) cr_expect_eq(ad_value(y[i]), wanted[i], "%zu", i);
    ad_gradient(ad_sum(N, y), N, x, grad);
    cr_expect_arr_eq(grad, slopes, sizeof grad);
    ad_gradient(ad_sum(N, y), N, mask, grad);
    for (size_t i = 0; i < N; i++) cr_expect_eq(grad[i], 0);
    nn_dropout(N, x, mask, 0.25, x);
    for (size_t i = 0; i < N; i++) cr_expect_eq(ad_value(x[i]), wanted[i], "in place, %zu", i);
}

Test(dropout, of_rate_0_changes_nothing) {
    ad_var x[N], mask[N], y[N];
    inputs(xs, x), inputs(masks, mask);
    nn_dropout(N, x, mask, 0, y);
    for (size_t i = 0; i < N; i++) cr_expect_eq(ad_value(y[i]), xs[i]);
}

Test(dropout, of_plain_numbers) {
    const ad_var x = ad_num(3), high = ad_num(0.7), bad = ad_num(NAN);
    ad_var       y;
    nn_dropout(1, &x, &high, 0.5, &y);
    cr_expect_eq(ad_value(y), 6);
    nn_dropout(1, &x, &bad, 0.5, &y);
    cr_expect(isnan(ad_value(y)));
    nn_dropout(0, NULL, NULL, 0.5, NULL);
}

/* Recorded where all masks are below 0, run where they are not, and once where one is NaN. */
Test(dropout, one_program_for_all_masks) {
    ad_var x[2 * N], y[N];
    double in[2][2 * N], out[2][N];
    for (size_t i = 0; i < N; i++) {
        x[i] = ad_input(tape, 1), x[N + i] = ad_input(tape, -1);
        in[0][i] = in[1][i] = xs[i], in[0][N + i] = in[1][N + i] = masks[i];
    }
    in[1][N + 2] = NAN;
    nn_dropout(N, x, x + N, 0.25, y);
    ad_program *program =
        ad_compile(&(ad_interface){.inputs = 2 * N, .input = x, .outputs = N, .output = y});
    cr_assert_not_null(program);
    cr_assert_eq(ad_program_values(program, NULL, 2, in[0], out[0]), AD_OK);
    for (size_t i = 0; i < N; i++) {
        cr_expect_eq(out[0][i], wanted[i], "%zu", i);
        cr_expect(i == 2 ? isnan(out[1][i]) : out[1][i] == wanted[i], "%zu", i);
    }
    ad_program_free(program);
}

static void expect_refusal(double rate, double mask, const char *sentence) {
    const ad_var x = ad_input(tape, 2), m[] = {ad_num(0.5), ad_num(mask)}, two[] = {x, x};
    ad_var       y[2];
    nn_dropout(2, two, m, rate, y);
    cr_expect_eq(ad_tape_status(tape), AD_BAD_ARGUMENT);
    cr_expect(strstr(ad_tape_message(tape), sentence) != NULL, "%s", ad_tape_message(tape));
    cr_expect(isnan(ad_value(y[0])) && isnan(ad_value(y[1])));
    ad_tape_clear(tape);
}

Test(dropout, rates_and_masks_that_cannot_be) {
    expect_refusal(1, 0.5, "nn_dropout: the rate is 1: it must be at least 0 and below 1");
    expect_refusal(1.5, 0.5, "the rate is 1.5");
    expect_refusal(-0.1, 0.5, "the rate is -0.1");
    expect_refusal(NAN, 0.5, "the rate is nan");
    expect_refusal(0.5, NAN, "nn_dropout: mask 1 of 2 (from 0) is nan");
}

/* ---- learning -------------------------------------------------------------------------------- */

enum { POINTS = 40 };
static const double rate = 0.3;

static ad_var line_loss(nn_model *model, size_t n, const ad_var of[], void *user) {
    (void)user;
    ad_var x;
    cr_assert_eq(n, 3u);
    nn_dropout(1, of, of + 1, rate, &x);
    const ad_var error = ad_sub(ad_mul(nn_model_params(model)[0], x), of[2]);
    return ad_mul(error, error);
}

static void line(nn_model *model, size_t n, const ad_var x[], ad_var y[], void *user) {
    (void)user;
    cr_assert_eq(n, 2u);
    nn_dropout(1, x, x + 1, rate, y);
    y[0] = ad_mul(nn_model_params(model)[0], y[0]);
}

/* Dropout of the inputs of a linear regression is ridge regression (Srivastava et al. 2014, section
 * 9.1): in the mean over masks the slope is sum xy/(sum x^2*(1 + rate/(1 - rate))), 1 - rate of
 * that of least squares. Held-out rows and predictions know no dropout. */
Test(dropout, of_inputs_is_ridge_regression) {
    double        value[2 * POINTS], xy = 0, xx = 0, held_out = 0, mean, y[POINTS];
    nn_model     *model = nn_model_new(tape, 1);
    const ad_var *w = nn_param(model, "w", 0, NULL, nn_init_uniform(0, 0));
    nn_optimizer *sgd = nn_sgd(1);
    uint64_t      state = 3;
    const size_t  epochs = 4000;
    for (size_t i = 0; i < POINTS; i++) {
        const double x = value[2 * i] = random_uniform(&state, -1, 1);
        const double t = value[2 * i + 1] = 2 * x + random_uniform(&state, -0.2, 0.2);
        xy += x * t, xx += x * x;
    }
    nn_data *data = nn_data_new(POINTS, 1, 1, value);
    nn_data_noise(data, NN_UNIFORM, 1);
    const nn_schedule falling = nn_schedule_linear(0.05, 0, epochs);
    cr_assert_eq(nn_train(model, line_loss, NULL, data, sgd,
                          &(nn_train_config){
                              .epochs = epochs, .batch = POINTS, .schedule = &falling, .seed = 1}),
                 AD_OK, "%s", nn_model_message(model));
    const double slope = ad_value(w[0]), ridge = (1 - rate) * xy / xx;
    cr_expect_float_eq(slope, ridge, 0.01 * ridge);
    cr_assert_eq(nn_evaluate(model, line_loss, NULL, data, &mean), AD_OK);
    cr_assert_eq(nn_predict(model, line, NULL, 1, data, y), AD_OK);
    for (size_t i = 0; i < POINTS; i++) {
        const double error = slope * value[2 * i] - value[2 * i + 1];
        held_out += error * error / POINTS;
        cr_expect_eq(y[i], slope * value[2 * i]);
    }
    cr_expect_float_eq(mean, held_out, 1e-14);
    nn_optimizer_free(sgd);
    nn_data_free(data);
    nn_model_free(model);
}
