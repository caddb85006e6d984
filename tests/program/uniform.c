/* uniform.c - tests of engine/program/uniform.c: values of parameters alone and their adjoints, by
 * home, held to the tape. How repetitions are found and run as rolls is shown by
 * tests/program/roll.c. */
#include "engine/program/uniform.h"
#include "support.h"

#include "expect.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { PARAMS = 5 };

static ad_tape    *tape;
static ad_var      x[PARAMS];
static ad_program *p;
static double     *u, *adjoint, *space, param[PARAMS];
static ad__failure failed;

static void make(void) {
    tape = ad_tape_new();
    for (size_t i = 0; i < PARAMS; i++) x[i] = ad_input(tape, param[i] = 0.4 + 0.2 * (double)i);
    failed = (ad__failure){.status = AD_OK, .row = SIZE_MAX};
}
static void drop(void) {
    free(u), free(adjoint), free(space);
    ad_program_free(p);
    ad_tape_free(tape);
}

TestSuite(uniform, .init = make, .fini = drop);

static double *numbers(size_t n) {
    double *number = calloc(n + 64, sizeof *number); /* lanes are used eight at a time */
    cr_assert_not_null(number);
    return number;
}

static double forward(ad_var y) {
    p = ad_compile(&(ad_interface){.params = PARAMS, .param = x, .outputs = 1, .output = &y});
    cr_assert_not_null(p, "%s", ad_tape_message(tape));
    u = numbers(p->uniforms), adjoint = numbers(p->uniforms), space = numbers(p->roll_space);
    ad__uniform_forward(p, param, u, space, &failed);
    return u[p->node[p->output[0]].home];
}

static double derivative(size_t i) {
    return adjoint[p->constants + i]; /* parameters stand behind the constants */
}

/* Value and gradient are those of the tape. */
static void agrees(ad_var y) {
    const double value = forward(y);
    double       grad[PARAMS];
    cr_expect(close_to(value, ad_value(y), 1e-14, 1e-300), "%.17g, the tape says %.17g", value,
              ad_value(y));
    adjoint[p->node[p->output[0]].home] = 1;
    ad__uniform_reverse(p, u, adjoint, space);
    ad_gradient(y, PARAMS, x, grad);
    for (size_t i = 0; i < PARAMS; i++)
        cr_expect(close_to(derivative(i), grad[i], 1e-13, 1e-15), "%zu: %.17g, the tape says %.17g",
                  i, derivative(i), grad[i]);
    cr_expect_eq(failed.status, AD_OK);
}

Test(uniform, constants_and_parameters_stand_first) {
    forward(ad_add(ad_mul(x[0], ad_num(7)), x[4]));
    cr_expect_eq(u[0], 7);
    cr_expect_arr_eq(u + p->constants, param, sizeof param);
}

Test(uniform, rows_of_one_and_two_operands) {
    agrees(ad_add(ad_sin(ad_mul(x[0], x[1])), ad_pow(x[2], ad_atan2(x[3], ad_exp(x[4])))));
}

Test(uniform, operand_used_twice_receives_both) {
    const ad_var s = ad_mul(x[0], x[0]);
    agrees(ad_add(ad_mul(s, s), ad_mul(s, x[0])));
}

Test(uniform, reductions) {
    const ad_var product[] = {ad_mul(x[0], x[1]), ad_sin(x[2]), ad_cos(x[3])};
    agrees(ad_mul(ad_norm(3, product), ad_add(ad_num(2), ad_largest(3, product))));
    agrees(ad_add(ad_logsumexp(3, product),
                  ad_mul(ad_sum(3, product), ad_dot(2, product, product + 1))));
}

/* exp(1000) is no number, but the largest operand is taken out first; what is not finite
 * decides. */
Test(uniform, logsumexp_of_what_is_too_large_for_exp) {
    const ad_var y = ad_logsumexp(PARAMS, x);
    const double large[] = {-1000, 999, 1000, -3, 998};
    for (size_t i = 0; i < PARAMS; i++) ad_set(x[i], param[i] = large[i]);
    ad_replay(tape);
    agrees(y);
    /* softmax, from 1000.4 to 16 digits */
    cr_expect_float_eq(derivative(2), 1 / (1 + exp(-1) + exp(-2)), 1e-12);
    const double odd[] = {NAN, INFINITY, -INFINITY}, others[] = {INFINITY, 1, -INFINITY};
    for (size_t k = 0; k < 3 * PARAMS; k++) {
        for (size_t i = 0; i < PARAMS; i++)
            ad_set(x[i], param[i] = i == k / 3 ? odd[k % 3] : others[k % 3]);
        ad_replay(tape);
        ad__uniform_forward(p, param, u, space, &failed);
        const double value = u[p->node[p->output[0]].home];
        cr_expect(k % 3 == 0 ? isnan(value) : value == odd[k % 3], "%g in place %zu: %g",
                  odd[k % 3], k / 3, value);
    }
}

/* Long sums are taken term by term; here no two terms are alike, so that none of them is part of a
 * repetition. */
Test(uniform, long_sums_whose_terms_are_all_different) {
    static const char *const f[] = {
        "sin(a)",  "exp(b)",    "tanh(a*b)", "sqrt(a)",     "log(b)",     "a/b",
        "cos(b)",  "pow(a, b)", "atan(a)",   "softplus(b)", "sigmoid(a)", "a - b",
        "erf(b)",  "a*a*b",     "log1p(a)",  "atan2(a, b)", "sinh(b)",    "hypot(a, b)",
        "cbrt(a)", "1/b",       "asinh(a)",  "exp(-a*b)"};
    enum { N = sizeof f / sizeof *f };
    ad_var left[N], right[N], term[N];
    for (size_t k = 0; k < N; k++) {
        left[k] =
            ad_parse(tape, f[k], 2, "a, b", (ad_var[]){x[k % PARAMS], x[(k * k + 1) % PARAMS]});
        right[k] = ad_parse(tape, f[N - 1 - k], 2, "a, b",
                            (ad_var[]){x[k * 3 % PARAMS], x[(k + 2) % PARAMS]});
        term[k] = ad_parse(tape, f[k], 2, "a, b",
                           (ad_var[]){x[(k + 3) % PARAMS], x[(k * k + 2) % PARAMS]});
    }
    cr_assert_eq(ad_tape_status(tape), AD_OK, "%s", ad_tape_message(tape));
    agrees(ad_tanh(ad_div(ad_dot(N, left, right), ad_sum(N, term))));
    size_t terms = 0, products = 0;
    for (uint32_t k = 0; k < p->instructions; k++) {
        terms += p->instruction[k].code == AD__TERM;
        products += p->instruction[k].code == AD__PRODUCT;
    }
    cr_expect(terms == N && products == N, "%zu terms, %zu products", terms, products);
}

Test(uniform, where_and_pick_push_to_what_was_chosen) {
    const ad_var y = ad_where(ad_less(x[0], x[1]), ad_exp(x[2]), ad_log(x[3]));
    agrees(ad_mul(y, ad_pick(ad_less(x[1], x[0]), 2, x + 3)));
    cr_expect_eq(derivative(4), 0);
}

/* sum of sin(x_i)^2 and the like, longer than eight repetitions, so that it is a roll. */
Test(uniform, repetitions_as_rolls) {
    ad_var y = ad_num(0);
    for (int i = 0; i < 83; i++)
        y = ad_add(y, ad_mul(ad_sin(ad_mul(x[0], ad_num(0.1 * i))),
                             ad_exp(ad_mul(x[1], ad_num(-0.05 * i)))));
    agrees(y);
    cr_expect_gt(p->rolls, 0);
}

Test(uniform, adjoint_that_is_zero_pushes_nothing_through_an_infinite_partial) {
    ad_set(x[0], param[0] = 0);
    forward(ad_add(ad_mul(ad_sqrt(x[0]), ad_num(0)), x[1]));
    adjoint[p->node[p->output[0]].home] = 1;
    ad__uniform_reverse(p, u, adjoint, space);
    cr_expect_eq(derivative(1), 1);
    memset(adjoint, 0, p->uniforms * sizeof *adjoint);
    ad__uniform_reverse(p, u, adjoint, space);
    for (size_t i = 0; i < PARAMS; i++) cr_expect_eq(derivative(i), 0);
}

Test(uniform, index_out_of_range_is_kept_and_its_value_is_nan) {
    const ad_var y = ad_pick(ad_floor(ad_mul(x[0], ad_num(2))), 3, x + 1);
    param[0] = 20;
    cr_expect(isnan(forward(y)));
    cr_expect_eq(failed.status, AD_BAD_ARGUMENT);
    cr_expect_eq(failed.row, SIZE_MAX);
    cr_expect_eq(failed.number, 40);
}

/* The index is the last that there is. */
Test(uniform, pick_pushes_to_the_last_of_its_operands) {
    agrees(ad_mul(ad_pick(ad_add(ad_less(x[0], x[1]), ad_less(x[1], x[2])), 3, x + 2), x[0]));
    cr_expect_eq(derivative(2), 0);
    cr_expect_eq(derivative(4), param[0]);
}

/* x0 + 2*x1 + 3*x2 + ..., times a number in the context. */
static double weighted_value(size_t n, const double at[], void *context) {
    double total = 0;
    for (size_t i = 0; i < n; i++) total += (double)(i + 1) * at[i];
    return total * *(const double *)context;
}
static void weighted_partials(size_t n, const double at[], double v, double partial[],
                              void *context) {
    (void)at, (void)v;
    for (size_t i = 0; i < n; i++) partial[i] = (double)(i + 1) * *(const double *)context;
}

/* Two of them, so that the number by which a program knows the second one is not 0. */
Test(uniform, operations_of_the_users_own_receive_and_send_back_all_operands) {
    static const ad_custom_op weighted = {
        "weighted", SIZE_MAX, weighted_value, weighted_partials, NULL, NULL, NULL};
    double       scale[] = {0.5, 4};
    const ad_var all = ad_custom(tape, &weighted, PARAMS, x, &scale[0]);
    agrees(ad_mul(ad_custom(tape, &weighted, 3, x + 1, &scale[1]), all));
}

static void only_the_second(size_t n, const double at[], double v, double partial[],
                            void *context) {
    (void)n, (void)at, (void)v, (void)context;
    partial[1] = 7;
}

Test(uniform, partial_that_is_not_written_is_nan) {
    static const ad_custom_op op = {"second", SIZE_MAX, weighted_value, only_the_second, NULL,
                                    NULL,     NULL};
    double                    scale = 1;
    forward(ad_custom(tape, &op, 3, x, &scale));
    adjoint[p->node[p->output[0]].home] = 1;
    ad__uniform_reverse(p, u, adjoint, space);
    cr_expect(isnan(derivative(0)) && derivative(1) == 7 && isnan(derivative(2)), "%g %g %g",
              derivative(0), derivative(1), derivative(2));
}

/* What an earlier call left in its home is not added to. */
Test(uniform, long_sum_begins_with_zero) {
    ad_var term[2 * PARAMS];
    for (size_t i = 0; i < PARAMS; i++) term[i] = ad_sin(x[i]), term[PARAMS + i] = ad_tanh(x[i]);
    forward(ad_sum(2 * PARAMS, term));
    cr_assert_eq(p->sums, 1);
    for (size_t i = 0; i < p->uniforms; i++) u[i] = 5;
    memset(param, 0, sizeof param);
    ad__uniform_forward(p, param, u, space, &failed);
    cr_expect_eq(u[p->node[p->output[0]].home], 0);
}
