/* module.c - tests of nn/module.c. Expected numbers are those of module_reference.py, which
 * computes PyTorch's equations with 50 digits; gradients are those of the engine, whose tests check
 * them against differences. */
#include "support.h"

#include "nn/nn.h"

#include "expect.h"
#include <math.h>
#include <string.h>

static ad_tape  *tape;
static nn_model *model;

static void make(void) {
    tape = ad_tape_new();
    model = nn_model_new(tape, 5);
}
static void drop(void) {
    nn_model_free(model);
    ad_tape_free(tape);
}

TestSuite(module, .init = make, .fini = drop);

static const double x_values[] = {0.5, -1.25, 2, 0.75, -0.125}, scales[] = {1, 0.5, -2, 1.5, 0.25},
                    shifts[] = {0, 1, -1, 0.5, 2};

static void inputs(size_t n, const double value[], ad_var x[]) {
    for (size_t i = 0; i < n; i++) x[i] = ad_input(tape, value[i]);
}

static void expect_values(size_t n, const ad_var y[], const double expected[]) {
    cr_assert_eq(ad_tape_status(tape), AD_OK, "%s", ad_tape_message(tape));
    for (size_t i = 0; i < n; i++)
        cr_expect(close_to(ad_value(y[i]), expected[i], 32 * U, 8 * U), "%zu: %.17g, not %.17g", i,
                  ad_value(y[i]), expected[i]);
}

Test(module, rms_norm_is_pytorchs) {
    const double expected[] = {0.44159149326340987131, -0.55198936657926233913,
                               -3.5327319461072789705, 0.99358085984267221044,
                               -0.027599468328963116957};
    ad_var       x[5], scale[5], y[5];
    inputs(5, x_values, x), inputs(5, scales, scale);
    nn_rms_norm(5, x, scale, 0.00390625, y);
    expect_values(5, y, expected);
    nn_rms_norm(5, x, scale, 0.00390625, x);
    expect_values(5, x, expected);
}

Test(module, layer_norm_is_pytorchs) {
    const double expected[] = {0.11700108519009773057, 0.23949294626436475127,
                               -4.0420282149425409949, 1.0265048833554397876,
                               1.8829989148099022694};
    ad_var       x[5], scale[5], shift[5], y[5];
    inputs(5, x_values, x), inputs(5, scales, scale), inputs(5, shifts, shift);
    nn_layer_norm(5, x, scale, shift, 0.00390625, y);
    expect_values(5, y, expected);
    nn_layer_norm(5, x, scale, shift, 0.00390625, x);
    expect_values(5, x, expected);
}

Test(module, normalized_numbers_have_mean_0_and_variance_1) {
    ad_var x[5], y[5];
    double mean = 0, square = 0;
    inputs(5, x_values, x);
    nn_layer_norm(5, x, NULL, NULL, 0, y);
    for (int i = 0; i < 5; i++)
        mean += ad_value(y[i]) / 5, square += ad_value(y[i]) * ad_value(y[i]) / 5;
    cr_expect(fabs(mean) < 8 * U && close_to(square, 1, 16 * U, 0));
}

Test(module, softmax_is_recorded_and_has_its_logarithm) {
    const double expected[] = {0.1337837411102905225, 0.023248128262288616182,
                               0.5995771303229262759, 0.17178172392518571869,
                               0.071609276379308866735};
    ad_var       x[5], y[5], z[5];
    double       p[5], grad[5];
    inputs(5, x_values, x);
    nn_softmax_recorded(5, x, y);
    expect_values(5, y, expected);
    nn_log_softmax(5, x, z);
    for (int i = 0; i < 5; i++) cr_expect(close_to(ad_value(z[i]), log(expected[i]), 16 * U, 0));
    nn_softmax(5, x, p);
    ad_gradient(y[1], 5, x, grad); /* p[1]*((i == 1) - p[i]) */
    for (int i = 0; i < 5; i++) cr_expect(close_to(grad[i], p[1] * ((i == 1) - p[i]), 64 * U, 0));
}

/* dp[i]/dx[k] = p[i]*((i == k) - p[k]), that of its logarithm (i == k) - p[k], second derivatives
 * from there. */
static void expect_softmax(double by, const double apart[3], double tolerance) {
    long double part[3], total = 0;
    double      p[3], grad[3], h[9], jacobian[9], sum = 0;
    ad_var      x[3], y[3], z[3], recorded[3];
    for (int i = 0; i < 3; i++) x[i] = ad_input(tape, by + apart[i]);
    for (int i = 0; i < 3; i++) total += part[i] = expl((long double)(by + apart[i]) - (by + 1));
    for (int i = 0; i < 3; i++) p[i] = (double)(part[i] / total);
    nn_softmax_recorded(3, x, y);
    nn_log_softmax(3, x, z);
    ad_jacobian(3, y, 3, x, jacobian);
    for (int i = 0; i < 3; i++) {
        const double moved = ad_tangent(z[i], 3, x, (const double[]){1, 0, 0});
        cr_expect(fabs(moved - ((i == 0) - p[0])) <= tolerance, "at %g: %d moves by %.17g", by, i,
                  moved);
        for (int k = 0; k < 3; k++)
            cr_expect(fabs(jacobian[3 * i + k] - p[i] * ((i == k) - p[k])) <= tolerance);
        sum += ad_value(y[i]);
        cr_expect(close_to(ad_value(y[i]), p[i], tolerance + 2 * U * fabs(apart[i]), 0),
                  "at %g: %.17g, not %.17g", by, ad_value(y[i]), p[i]);
        cr_expect(fabs(ad_value(z[i]) - log(p[i])) <= tolerance, "at %g: %.17g, logarithm", by,
                  ad_value(z[i]));
        ad_gradient(y[i], 3, x, grad);
        for (int k = 0; k < 3; k++)
            cr_expect(fabs(grad[k] - p[i] * ((i == k) - p[k])) <= tolerance, "at %g: d%d/d%d", by,
                      i, k);
        ad_gradient(z[i], 3, x, grad);
        for (int k = 0; k < 3; k++)
            cr_expect(fabs(grad[k] - ((i == k) - p[k])) <= tolerance, "at %g: dlog%d/d%d", by, i,
                      k);
        ad_hessian(z[i], 3, x, h);
        ad_record_gradient(z[i], 3, x, recorded);
        for (int k = 0; k < 9; k++) {
            const double second = p[k / 3] * p[k % 3] - (k / 3 == k % 3) * p[k / 3];
            cr_expect(fabs(h[k] - second) <= tolerance, "at %g: d2log%d %d, %.17g", by, i, k, h[k]);
            ad_gradient(recorded[k / 3], 3, x, grad);
            cr_expect(fabs(grad[k % 3] - second) <= tolerance, "at %g: d2log%d %d, recorded, %.17g",
                      by, i, k, grad[k % 3]);
        }
        ad_hessian(y[i], 3, x, h);
        for (int k = 0; k < 9; k++) {
            const double u = (k / 3 == i) - p[k / 3], v = (k % 3 == i) - p[k % 3];
            const double second =
                p[i] * (u * v + p[k / 3] * p[k % 3] - (k / 3 == k % 3) * p[k / 3]);
            cr_expect(fabs(h[k] - second) <= tolerance, "at %g: d2p%d %d, %.17g", by, i, k, h[k]);
        }
    }
    cr_expect(fabs(sum - 1) <= 4 * U, "at %g: the sum is %.17g", by, sum);
}

Test(module, softmax_does_not_depend_on_what_all_have_in_common) {
    static const double offset[] = {0, 1e6, -1e6, 1e8, -1e12, 1e15, -1e15, 1e20, 1e300, -1.6e308};
    for (size_t k = 0; k < sizeof offset / sizeof *offset; k++)
        expect_softmax(offset[k], (const double[]){-1, 0.75, 0.25}, 8 * U);
    expect_softmax(1e4, (const double[]){-700, -20, 0}, 8 * U);
}

/* Recorded for small numbers; each row adds an offset of any size. */
Test(module, softmax_of_large_numbers_in_programs) {
    enum { N = 3, MOVES = 4 };
    const double moved[MOVES] = {1e15, -1e8, 0, 1e20}, weight[N] = {1, -2, 0.5};
    double       value[MOVES * N], sum;
    ad_var       w[N], x[N], by = ad_input(tape, 0);
    for (int i = 0; i < N; i++) w[i] = ad_input(tape, weight[i]);
    for (int i = 0; i < N; i++) x[i] = ad_add(w[i], by);
    nn_softmax_recorded(N, x, x);
    ad_program *p = ad_compile(&(ad_interface){N, w, 1, &by, N, x, 0});
    cr_assert_eq(ad_program_values(p, weight, MOVES, moved, value), AD_OK);
    for (int k = 0; k < MOVES; k++) {
        long double part[N], total = 0;
        for (int i = 0; i < N; i++)
            total += part[i] = expl((long double)(weight[i] + moved[k]) - moved[k]);
        sum = 0;
        for (int i = 0; i < N; i++) {
            sum += value[k * N + i];
            cr_expect(close_to(value[k * N + i], (double)(part[i] / total), 8 * U, 0),
                      "%d, %d: %.17g", k, i, value[k * N + i]);
        }
        cr_expect(fabs(sum - 1) <= 4 * U, "%d: %.17g", k, sum);
    }
    ad_program_free(p);
}

Test(module, softmax_gives_nothing_to_what_is_masked) {
    ad_var x[3], y[3], z[3];
    double grad[3];
    inputs(3, (const double[]){1, -INFINITY, 1}, x);
    nn_softmax_recorded(3, x, y);
    nn_log_softmax(3, x, z);
    expect_values(3, y, (const double[]){0.5, 0, 0.5});
    cr_expect_eq(ad_value(z[1]), -INFINITY);
    ad_gradient(y[0], 3, x, grad);
    cr_expect(close_to(grad[0], 0.25, 4 * U, 0) && grad[1] == 0 &&
              close_to(grad[2], -0.25, 4 * U, 0));
}

Test(module, linear_and_residual) {
    ad_var w[6], x[3], y[2];
    inputs(6, (const double[]){1, 2, 3, -1, 0.5, 0.25}, w);
    inputs(3, (const double[]){1, 10, 100}, x);
    nn_linear(2, 3, w, x, y);
    expect_values(2, y, (const double[]){321, 29});
    nn_residual(2, x, y, y);
    expect_values(2, y, (const double[]){322, 39});
}

/* ---- attention ------------------------------------------------------------------------------- */

enum { POSITIONS = 3, WIDTH = 4, ALL = POSITIONS * WIDTH };

static void sequences(ad_var query[ALL], ad_var key[ALL], ad_var value[ALL]) {
    for (int k = 1; k <= ALL; k++) {
        query[k - 1] = ad_input(tape, (k * k % 13 - 6) / 8.0);
        key[k - 1] = ad_input(tape, (k * k % 11 - 5) / 8.0);
        value[k - 1] = ad_input(tape, (k * k % 7 - 3) / 4.0);
    }
}

Test(module, attention_of_one_head) {
    /* clang-format off */
    const double expected[] = {
        -0.037595444641533760949, -0.13292955607050928009,  -0.39931970499639690812,
        -0.16570985392228453615,  -0.018917015469372391086, -0.17229628971457411511,
        -0.45314860005497808501,  -0.23400091039538205491,  0.0014751954675219801688,
        -0.15462355103099181099,  -0.39061350810528764843,  -0.12660346517958348587,
    };
    /* clang-format on */
    ad_var q[ALL], k[ALL], v[ALL], y[ALL], scratch[2 * POSITIONS];
    sequences(q, k, v);
    nn_attend(POSITIONS, WIDTH, 1, false, q, k, v, y, scratch);
    expect_values(ALL, y, expected);
}

Test(module, causal_attention_of_two_heads) {
    /* clang-format off */
    const double expected[] = {
        -0.5,                    0.25,                    -0.25,
        -0.25,                   -0.10843796598644795232, -0.14156203401355204768,
        -0.51104135600903469846, -0.38052067800451734923, -0.025229314856436831826,
        -0.14957314259722891097, -0.37889128376219155825, -0.090501543411266387234,
    };
    /* clang-format on */
    ad_var q[ALL], k[ALL], v[ALL], y[ALL], scratch[2 * POSITIONS];
    sequences(q, k, v);
    nn_attend(POSITIONS, WIDTH, 2, true, q, k, v, y, scratch);
    expect_values(ALL, y, expected);
}

Test(module, causal_attention_does_not_look_ahead) {
    double grad[ALL];
    ad_var q[ALL], k[ALL], v[ALL], y[ALL], scratch[2 * POSITIONS];
    sequences(q, k, v);
    nn_attend(POSITIONS, WIDTH, 2, true, q, k, v, y, scratch);
    ad_gradient(y[WIDTH + 1], ALL, v, grad);
    for (int i = 0; i < ALL; i++)
        cr_expect(grad[i] == 0 || (i < 2 * WIDTH && i % WIDTH == 1), "value %d", i);
    cr_expect(grad[1] != 0 && grad[WIDTH + 1] != 0);
}

/* With identity projections the module is plain attention; its parameters have its name as
 * prefix. */
Test(module, attention_with_projections) {
    ad_var        q[ALL], x[ALL], v[ALL], y[ALL], expected[ALL], scratch[2 * POSITIONS];
    double        identity[4 * WIDTH * WIDTH] = {0}, wanted[ALL];
    nn_attention *a = nn_attention_new(model, &(nn_attention_config){
                                                  .name = "block.attention",
                                                  .width = WIDTH,
                                                  .heads = 2,
                                                  .positions = POSITIONS,
                                                  .causal = true,
                                              });
    cr_assert_not_null(a);
    cr_expect_eq(nn_model_count(model), 4 * WIDTH * WIDTH);
    cr_expect_str_eq(nn_model_array(model, 1).name, "block.attention.key");
    for (int i = 0; i < 4 * WIDTH * WIDTH; i++)
        identity[i] = i % (WIDTH * WIDTH) / WIDTH == i % WIDTH;
    nn_model_set_values(model, identity);
    sequences(q, x, v);
    nn_attend(POSITIONS, WIDTH, 2, true, x, x, x, expected, scratch);
    for (int i = 0; i < ALL; i++) wanted[i] = ad_value(expected[i]);
    nn_attention_forward(a, POSITIONS, x, y);
    expect_values(ALL, y, wanted);
    nn_attention_forward(a, POSITIONS + 1, x, y); /* more than it was made for: does nothing */
    nn_attention_free(a);
}

/* ---- embedding ------------------------------------------------------------------------------- */

Test(module, embedding_looks_up_a_row_and_sends_its_gradient_there) {
    enum { COUNT = 5, SIZE = 3 };
    nn_embedding *e = nn_embedding_new(model, "tokens", COUNT, SIZE, NULL);
    cr_assert_not_null(e);
    const nn_array weight = nn_model_array(model, 0);
    cr_expect_str_eq(weight.name, "tokens.weight");
    cr_expect(weight.shape[0] == COUNT && weight.shape[1] == SIZE);
    ad_var number = ad_input(tape, 3), y[SIZE];
    nn_embedding_forward(e, number, y);
    for (int i = 0; i < SIZE; i++)
        cr_expect(same_bits(ad_value(y[i]), ad_value(weight.param[3 * SIZE + i])));
    double grad[COUNT * SIZE];
    ad_gradient(y[1], COUNT * SIZE, weight.param, grad);
    for (int i = 0; i < COUNT * SIZE; i++) cr_expect_eq(grad[i], i == 3 * SIZE + 1);
    ad_set(number, 5);
    ad_replay(tape);
    cr_expect_eq(ad_tape_status(tape), AD_BAD_ARGUMENT);
    nn_embedding_free(e);
}

/* ---- bad input ------------------------------------------------------------------------------- */

static void expect_refused(const void *object, const char *words) {
    cr_expect_null(object);
    cr_expect_eq(nn_model_status(model), AD_BAD_ARGUMENT);
    cr_expect(strstr(nn_model_message(model), words) != NULL, "\"%s\" is not in \"%s\"", words,
              nn_model_message(model));
    nn_model_clear(model);
}

Test(module, shapes_that_make_no_sense_are_refused) {
    expect_refused(nn_attention_new(model, NULL), "no configuration");
    expect_refused(
        nn_attention_new(model, &(nn_attention_config){.width = 4, .heads = 2, .positions = 1}),
        "no name");
    expect_refused(nn_attention_new(model, &(nn_attention_config){"a", 5, 2, 3, true, NULL}),
                   "heads must divide the width");
    expect_refused(nn_attention_new(model, &(nn_attention_config){"a", 4, 0, 3, true, NULL}),
                   "at least 1");
    expect_refused(nn_embedding_new(model, "e", 0, 3, NULL), "no elements");
    expect_refused(nn_embedding_new(model, NULL, 2, 3, NULL), "no name");
    cr_expect_eq(nn_model_count(model), 0);
}

Test(module, null_objects_do_nothing) {
    ad_var y = ad_num(1);
    nn_attention_forward(NULL, 1, &y, &y);
    nn_embedding_forward(NULL, ad_num(0), &y);
    nn_attention_free(NULL);
    nn_embedding_free(NULL);
    nn_rms_norm(0, NULL, NULL, 0, NULL);
    nn_layer_norm(0, NULL, NULL, NULL, 0, NULL);
    cr_expect_eq(ad_value(y), 1);
}
