/* block.c - tests of engine/program/block.c: the moves of a plan over blocks of rows. Whether they
 * are the right moves is shown by tests/program/plan.c, over random graphs; here it is what lies
 * between the blocks, and between the lanes of one. */
#include "support.h"

#include "engine/program/program.h"

#include "expect.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* An infinite operand makes the sums NaN, so all blocks run again, with care, after the last one,
 * which is short: whatever its rows left behind, the first one begins with zeros. */
Test(block, a_full_block_after_a_short_one_begins_with_zeros) {
    enum { N = 200, INFINITE = 150 };
    static double example[2 * N];
    ad_tape      *tape = ad_tape_new();
    ad_var        w[4], x[2], z[2];
    double        want[2] = {0, 0};
    for (size_t i = 0; i < 4; i++) w[i] = ad_input(tape, 1 + (double)i);
    for (size_t i = 0; i < 2; i++) x[i] = ad_input(tape, 1);
    for (size_t j = 0; j < 2; j++) z[j] = ad_dot(2, w + 2 * j, x);
    const ad_var y = ad_where(ad_less(x[0], ad_num(10)), ad_add(z[0], z[1]), ad_num(3));
    ad_program  *p = ad_compile(&(ad_interface){
         .params = 4, .param = w, .inputs = 2, .input = x, .outputs = 1, .output = &y});
    const double param[] = {1, 2, 3, 4};
    double       mean, grad[4];
    for (size_t r = 0; r < N; r++) {
        example[2 * r] = r == INFINITE ? (double)INFINITY : 1 + (double)(r % 7),
                    example[2 * r + 1] = (double)(r % 5);
        for (size_t i = 0; r != INFINITE && i < 2; i++) want[i] += example[2 * r + i] / N;
    }
    cr_expect_eq(ad_program_gradient(p, param, N, example, &mean, grad), AD_OK);
    for (size_t i = 0; i < 4; i++)
        cr_expect(close_to(grad[i], want[i % 2], 1e-13, 0), "%zu: %.17g, not %.17g", i, grad[i],
                  want[i % 2]);
    ad_program_free(p);
    ad_tape_free(tape);
}

/* `where` takes a number, and not the layer, in the row in which an operand of the layer is
 * infinite: its adjoint is 0. */
Test(block, zero_adjoint_of_a_layer_pushes_nothing_through_an_infinite_operand) {
    ad_tape *tape = ad_tape_new();
    ad_var   w[4], x[2], z[2];
    for (size_t i = 0; i < 4; i++) w[i] = ad_input(tape, 1 + (double)i);
    for (size_t i = 0; i < 2; i++) x[i] = ad_input(tape, 1);
    for (size_t j = 0; j < 2; j++) z[j] = ad_dot(2, w + 2 * j, x);
    const ad_var y = ad_where(ad_less(x[0], ad_num(10)), ad_add(z[0], z[1]), ad_num(3));
    ad_program  *p = ad_compile(&(ad_interface){
         .params = 4, .param = w, .inputs = 2, .input = x, .outputs = 1, .output = &y});
    const double param[] = {1, 2, 3, 4}, example[] = {INFINITY, 1, 5, 7},
                 want[] = {2.5, 3.5, 2.5, 3.5};
    double mean, grad[4], jacobian[4];
    cr_expect_eq(ad_program_gradient(p, param, 2, example, &mean, grad), AD_OK);
    cr_expect_eq(mean, (3 + 19 + 43) / 2.0);
    cr_expect_arr_eq(grad, want, sizeof want);
    cr_expect_eq(ad_program_jacobian(p, param, 2, example, jacobian), AD_OK);
    cr_expect(jacobian[0] == 0 && jacobian[1] == 0 && jacobian[2] == 4 && jacobian[3] == 6);
    ad_program_free(p);
    ad_tape_free(tape);
}

/* The adjoint of y is passed on to several operands, one of them twice, one of them used elsewhere
 * too. */
Test(block, an_adjoint_that_is_shared_is_not_changed_by_one_of_its_owners) {
    ad_tape *tape = ad_tape_new();
    ad_var   x[3];
    for (size_t i = 0; i < 3; i++) x[i] = ad_input(tape, 1);
    const ad_var a = ad_sin(x[0]), b = ad_cos(x[1]), c = ad_mul(x[2], x[0]), terms[] = {a, b, b, c};
    const ad_var y[] = {ad_add(ad_sum(4, terms), ad_mul(c, b)), b};
    ad_program *p = ad_compile(&(ad_interface){.inputs = 3, .input = x, .outputs = 2, .output = y});
    const double example[] = {0.5, 0.25, 2};
    double       jacobian[6];
    cr_expect_eq(ad_program_jacobian(p, NULL, 1, example, jacobian), AD_OK);
    const double want[] = {cos(0.5) + 2 * (1 + cos(0.25)),
                           -(2 + 1) * sin(0.25),
                           0.5 * (1 + cos(0.25)),
                           0,
                           -sin(0.25),
                           0};
    for (size_t i = 0; i < 6; i++) cr_expect_float_eq(jacobian[i], want[i], 4e-16 * 8);
    ad_program_free(p);
    ad_tape_free(tape);
}

/* exp(a*x) over numbers of rows below, at and above whole lanes and blocks: each row has the bits
 * it has alone, and nothing is written behind the last. */
Test(block, row_does_not_depend_on_how_many_stand_beside_it) {
    enum { MOST = 700 };
    static double input[MOST], value[MOST + 1], alone[MOST];
    ad_tape      *tape = ad_tape_new();
    const ad_var  a = ad_input(tape, 0.5), x = ad_input(tape, 1),
                 y = ad_sub(ad_exp(ad_mul(a, x)), ad_hypot(a, x));
    ad_program  *p = ad_compile(&(ad_interface){
         .params = 1, .param = &a, .inputs = 1, .input = &x, .outputs = 1, .output = &y});
    const double param = 0.75;
    for (size_t r = 0; r < MOST; r++) {
        input[r] = 0.01 * (double)r - 3;
        cr_expect_eq(ad_program_values(p, &param, 1, input + r, alone + r), AD_OK);
        cr_expect(close_to(alone[r], exp(0.75 * input[r]) - hypot(0.75, input[r]), 8 * U, 8 * U));
    }
    const size_t rows_of[] = {1, 7, 8, 9, 15, 16, 17, 63, 64, 65, 511, 512, 513, MOST};
    for (size_t k = 0; k < sizeof rows_of / sizeof *rows_of; k++) {
        const size_t n = rows_of[k];
        value[n] = 12345;
        cr_expect_eq(ad_program_values(p, &param, n, input, value), AD_OK);
        for (size_t r = 0; r < n; r++)
            cr_expect(same_bits(value[r], alone[r]), "row %zu of %zu", r, n);
        cr_expect_eq(value[n], 12345);
    }
    ad_program_free(p);
    ad_tape_free(tape);
}

/* One lane after the other is NaN: the derivatives of all others stay what they were. */
Test(block, what_is_not_finite_stays_in_its_row) {
    enum { N = 21 };
    ad_tape     *tape = ad_tape_new();
    ad_var       x[2] = {ad_input(tape, 1), ad_input(tape, 1)};
    const ad_var y = ad_add(ad_log(x[0]), ad_logsumexp(2, x));
    ad_program  *p =
        ad_compile(&(ad_interface){.inputs = 2, .input = x, .outputs = 1, .output = &y});
    double input[2 * N], want[2 * N], jacobian[2 * N];
    for (size_t i = 0; i < 2 * N; i++) input[i] = 1 + 0.1 * (double)i;
    cr_expect_eq(ad_program_jacobian(p, NULL, N, input, want), AD_OK);
    for (size_t r = 0; r < N; r++) {
        const double kept = input[2 * r];
        input[2 * r] = r % 2 == 0 ? (double)NAN : -(double)INFINITY;
        cr_expect_eq(ad_program_jacobian(p, NULL, N, input, jacobian), AD_OK);
        for (size_t i = 0; i < 2 * N; i++)
            if (i / 2 != r)
                cr_expect(same_bits(jacobian[i], want[i]), "row %zu, with row %zu spoiled", i / 2,
                          r);
        input[2 * r] = kept;
    }
    ad_program_free(p);
    ad_tape_free(tape);
}

/* Lane by lane as the index says, forwards; and back to the one that was picked. */
Test(block, pick_takes_another_operand_in_each_row) {
    enum { N = 30 };
    ad_tape     *tape = ad_tape_new();
    const ad_var x[] = {ad_input(tape, 0), ad_input(tape, 1), ad_input(tape, 2), ad_input(tape, 3)};
    const ad_var y = ad_mul(ad_pick(x[0], 3, x + 1), ad_num(5));
    ad_program  *p =
        ad_compile(&(ad_interface){.inputs = 4, .input = x, .outputs = 1, .output = &y});
    double input[4 * N], value[N], jacobian[4 * N];
    for (size_t i = 0; i < 4 * N; i++) input[i] = i % 4 == 0 ? (double)(i / 4 % 3) : (double)i;
    cr_expect_eq(ad_program_values(p, NULL, N, input, value), AD_OK);
    cr_expect_eq(ad_program_jacobian(p, NULL, N, input, jacobian), AD_OK);
    for (size_t r = 0; r < N; r++) {
        const size_t picked = 1 + r % 3;
        cr_expect_eq(value[r], 5 * input[4 * r + picked]);
        for (size_t i = 0; i < 4; i++)
            cr_expect_eq(jacobian[4 * r + i], i == picked ? 5 : 0, "row %zu, input %zu", r, i);
    }
    ad_program_free(p);
    ad_tape_free(tape);
}

/* z0 and z1 are a layer. Its operands are infinite in a row in which `where` takes a number, so
 * that all is run again with care: products one at a time, without those of a zero adjoint. */
Test(block, a_layer_with_an_infinite_operand_sends_back_row_by_row) {
    ad_tape *tape = ad_tape_new();
    ad_var   w[4], x[2], z[2];
    for (size_t i = 0; i < 4; i++) w[i] = ad_input(tape, 1 + (double)i);
    for (size_t i = 0; i < 2; i++) x[i] = ad_input(tape, 1);
    for (size_t j = 0; j < 2; j++) z[j] = ad_dot(2, w + 2 * j, x);
    const ad_var y = ad_where(ad_less(x[0], ad_num(10)), ad_mul(z[0], z[1]), ad_num(3));
    ad_program  *p = ad_compile(&(ad_interface){
         .params = 4, .param = w, .inputs = 2, .input = x, .outputs = 1, .output = &y});
    cr_assert_eq(p->layers, 1);
    /* 5 + 2*7, 3*5 + 4*7 */
    const double param[] = {1, 2, 3, 4},
                 want[] = {43 * 5 / 2.0, 43 * 7 / 2.0, 19 * 5 / 2.0, 19 * 7 / 2.0};
    for (size_t k = 0; k < 2; k++) {
        const double example[] = {INFINITY, k == 0 ? 1 : (double)INFINITY, 5, 7};
        double       mean, grad[4], jacobian[4];
        cr_expect_eq(ad_program_gradient(p, param, 2, example, &mean, grad), AD_OK);
        cr_expect_eq(mean, (3 + 19 * 43) / 2.0);
        cr_expect_arr_eq(grad, want, sizeof want);
        cr_expect_eq(ad_program_jacobian(p, param, 2, example, jacobian), AD_OK);
        const double slopes[] = {0, 0, 1 * 43 + 3 * 19, 2 * 43 + 4 * 19};
        cr_expect_arr_eq(jacobian, slopes, sizeof slopes);
    }
    ad_program_free(p);
    ad_tape_free(tape);
}

/* Two layers with the same weights, of which z1 has an infinite one: y is z0*z0' where x0 is large,
 * else z1*z1'. */
Test(block, an_infinite_weight_is_seen_by_the_rows_that_use_it_alone) {
    ad_tape *tape = ad_tape_new();
    ad_var   w[4], x[4], z[2], other[2];
    for (size_t i = 0; i < 4; i++) w[i] = ad_input(tape, 1 + (double)i);
    for (size_t i = 0; i < 4; i++) x[i] = ad_input(tape, 1);
    for (size_t j = 0; j < 2; j++)
        z[j] = ad_dot(2, w + 2 * j, x), other[j] = ad_dot(2, w + 2 * j, x + 2);
    const ad_var y =
        ad_where(ad_less(x[0], ad_num(10)), ad_mul(z[1], other[1]), ad_mul(z[0], other[0]));
    ad_program *p = ad_compile(&(ad_interface){
        .params = 4, .param = w, .inputs = 4, .input = x, .outputs = 1, .output = &y});
    cr_assert_eq(p->layers, 2);
    const double param[] = {1, 2, INFINITY, 4}, example[] = {20, 1, 2, 3, 5, 1, 2, 3};
    const double want[] = {1 * 8,    2 * 8,    1 * 22,   2 * 22,
                           INFINITY, INFINITY, INFINITY, INFINITY}; /* 20 + 2*1, 2 + 2*3 */
    double       jacobian[8];
    cr_expect_eq(ad_program_jacobian(p, param, 2, example, jacobian), AD_OK);
    for (size_t i = 0; i < 8; i++)
        cr_expect_eq(jacobian[i], want[i], "%zu: %g, not %g", i, jacobian[i], want[i]);
    ad_program_free(p);
    ad_tape_free(tape);
}

/* A last row that is short of eight is repeated: what is wrong with it is told of that row. */
Test(block, an_index_that_picks_nothing_in_the_last_row_names_it) {
    ad_tape     *tape = ad_tape_new();
    const ad_var x[] = {ad_input(tape, 0), ad_input(tape, 1), ad_input(tape, 2)},
                 y = ad_pick(x[0], 2, x + 1);
    ad_program *p =
        ad_compile(&(ad_interface){.inputs = 3, .input = x, .outputs = 1, .output = &y});
    for (size_t n = 1; n < 20; n++) {
        double input[60] = {0}, value[20];
        char   text[200], want[40];
        input[3 * (n - 1)] = 2;
        cr_expect_eq(ad_program_values(p, NULL, n, input, value), AD_BAD_ARGUMENT);
        ad_program_message(p, sizeof text, text);
        snprintf(want, sizeof want, "row %zu: ", n - 1);
        cr_expect(strncmp(text, want, strlen(want)) == 0, "of %zu rows: %s", n, text);
    }
    ad_program_free(p);
    ad_tape_free(tape);
}

/* x0^2 + 2*x1^2 + 3*x2^2 + ..., one lane at a time or all at once. */
static double squares_value(size_t n, const double x[], void *context) {
    (void)context;
    double total = 0;
    for (size_t i = 0; i < n; i++) total += (double)(i + 1) * x[i] * x[i];
    return total;
}
static void squares_partials(size_t n, const double x[], double v, double partial[],
                             void *context) {
    (void)v, (void)context;
    for (size_t i = 0; i < n; i++) partial[i] = 2 * (double)(i + 1) * x[i];
}
static void squares_lanes(size_t n, size_t width, const double *const x[], double v[],
                          void *context) {
    (void)context;
    for (size_t l = 0; l < width; l++) v[l] = 0;
    for (size_t i = 0; i < n; i++)
        for (size_t l = 0; l < width; l++) v[l] += (double)(i + 1) * x[i][l] * x[i][l];
}
static void squares_lane_partials(size_t n, size_t width, const double *const x[], const double v[],
                                  double *const partial[], void *context) {
    (void)v, (void)context;
    for (size_t i = 0; i < n; i++)
        for (size_t l = 0; l < width; l++) partial[i][l] = 2 * (double)(i + 1) * x[i][l];
}
static void no_partials(size_t n, const double x[], double v, double partial[], void *context) {
    (void)n, (void)x, (void)v, (void)partial, (void)context;
}

/* More operands than lanes of the shortest block. */
Test(block, operation_of_the_users_own_sends_back_to_all_its_operands) {
    enum { N = 20, MOST = 9 };
    static const ad_custom_op op[] = {
        {"squares", SIZE_MAX, squares_value, squares_partials, NULL, NULL, NULL},
        {"squares", SIZE_MAX, squares_value, squares_partials, squares_lanes, squares_lane_partials,
         NULL},
        {"silent", SIZE_MAX, squares_value, no_partials, NULL, NULL, NULL},
    };
    for (size_t k = 0; k < sizeof op / sizeof *op; k++) {
        ad_tape *tape = ad_tape_new();
        ad_var   x[N];
        double   input[N * MOST], value[MOST], jacobian[N * MOST];
        for (size_t i = 0; i < N; i++) x[i] = ad_input(tape, 1);
        const ad_var y = ad_custom(tape, &op[k], N, x, NULL);
        ad_program  *p =
            ad_compile(&(ad_interface){.inputs = N, .input = x, .outputs = 1, .output = &y});
        for (size_t i = 0; i < N * MOST; i++) input[i] = 1 + (double)(i * i % 11);
        for (size_t n = 1; n <= MOST; n += n == 1 ? 7 : 1) {
            cr_expect_eq(ad_program_values(p, NULL, n, input, value), AD_OK);
            cr_expect_eq(ad_program_jacobian(p, NULL, n, input, jacobian), AD_OK);
            for (size_t r = 0; r < n; r++)
                cr_expect_eq(value[r], squares_value(N, input + r * N, NULL), "%zu, row %zu", k, r);
            for (size_t i = 0; i < N * n; i++) {
                const bool right =
                    k == 2 ? isnan(jacobian[i]) : jacobian[i] == 2 * (double)(i % N + 1) * input[i];
                cr_expect(right, "%zu, row %zu of %zu, operand %zu: %g", k, i / N, n, i % N,
                          jacobian[i]);
            }
        }
        ad_program_free(p);
        ad_tape_free(tape);
    }
}

/* Columns are loaded and unloaded a hundred or so at a time. */
Test(block, many_inputs_and_many_derivatives_all_arrive) {
    enum { N = 150, ROWS_OF = 3 };
    static double input[ROWS_OF * N], value[ROWS_OF * N], jacobian[ROWS_OF * N * N];
    ad_tape      *tape = ad_tape_new();
    ad_var        x[N], y[N];
    for (size_t i = 0; i < N; i++)
        x[i] = ad_input(tape, 1), y[i] = ad_mul(x[i], ad_num((double)i + 2));
    ad_program *p = ad_compile(&(ad_interface){.inputs = N, .input = x, .outputs = N, .output = y});
    for (size_t i = 0; i < ROWS_OF * N; i++) input[i] = (double)(i + 1);
    cr_expect_eq(ad_program_values(p, NULL, ROWS_OF, input, value), AD_OK);
    cr_expect_eq(ad_program_jacobian(p, NULL, ROWS_OF, input, jacobian), AD_OK);
    for (size_t i = 0; i < ROWS_OF * N; i++)
        cr_expect_eq(value[i], (double)(i + 1) * (double)(i % N + 2), "row %zu, output %zu", i / N,
                     i % N);
    for (size_t i = 0; i < ROWS_OF * N * N; i++) {
        const size_t column = i % N, output = i / N % N;
        cr_expect_eq(jacobian[i], column == output ? (double)output + 2 : 0,
                     "row %zu, output %zu by input %zu", i / N / N, output, column);
    }
    ad_program_free(p);
    ad_tape_free(tape);
}
