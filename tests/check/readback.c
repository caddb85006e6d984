/* readback.c - tests of engine/check/readback.c: a program recorded again has the same values, and
 * bounds on its roundings. */
#include "engine/check/readback.h"
#include "support.h"

#include "expect.h"
#include <math.h>
#include <stdlib.h>

enum { PARAMS = 4, INPUTS = 3 };

static const double param[PARAMS] = {0.7, -1.3, 2.1, 0.4}, input[INPUTS] = {1.7, 0.3, -0.6};

static double twice(size_t n, const double x[], void *context) {
    (void)n;
    return x[0] * x[1] * 2 + *(const double *)context;
}
static void twice_partials(size_t n, const double x[], double v, double partial[], void *context) {
    (void)n, (void)v, (void)context;
    partial[0] = 2 * x[1], partial[1] = 2 * x[0];
}

/* All codes of a program: rows, sums, dots that become layers, folds, where, pick, a custom
 * operation. */
static ad_program *compiled(ad_tape *tape, double *context, size_t outputs) {
    static ad_custom_op op = {"twice", 2, twice, twice_partials, NULL, NULL, NULL};
    ad_var              w[PARAMS], in[INPUTS], y[10];
    for (int i = 0; i < PARAMS; i++) w[i] = ad_input(tape, param[i]);
    for (int i = 0; i < INPUTS; i++) in[i] = ad_input(tape, input[i]);
    y[0] = ad_tanh(ad_add(ad_dot(3, w, in), w[3]));
    y[1] = ad_sigmoid(ad_dot(3, w + 1, in));
    y[2] = ad_sum(4, (const ad_var[]){w[0], in[0], ad_mul(w[1], in[1]), ad_num(2)});
    y[3] = ad_logsumexp(3, in);
    y[4] = ad_where(ad_less(in[2], w[0]), ad_exp(w[1]), in[1]);
    y[5] = ad_pick(ad_num(1), 2, in);
    y[6] = ad_custom(tape, &op, 2, (const ad_var[]){w[2], in[0]}, context);
    y[7] = ad_atan2(ad_mul(w[0], w[1]), ad_sub(in[0], ad_num(9)));
    y[8] = ad_norm(3, in);
    y[9] = ad_largest(3, in);
    return ad_compile(&(ad_interface){.params = PARAMS,
                                      .param = w,
                                      .inputs = INPUTS,
                                      .input = in,
                                      .outputs = outputs,
                                      .output = y});
}

Test(readback, every_value_is_what_the_program_computes) {
    double       out[10], context = 0.25;
    ad_tape     *tape = ad_tape_new();
    ad_program  *program = compiled(tape, &context, 10);
    ad__readback b;
    cr_assert_not_null(program, "%s", ad_tape_message(tape));
    cr_assert_eq(ad_program_values(program, param, 1, input, out), AD_OK);
    cr_assert_eq(ad__readback_open(&b, program, param, input), AD_OK, "%s",
                 ad_tape_message(b.tape));
    for (size_t k = 0; k < 10; k++) {
        const double v = ad_value(b.value[program->output[k]]);
        cr_expect(close_to(v, out[k], 1e-14, 0), "output %zu: %.17g, not %.17g", k, v, out[k]);
    }
    ad__readback_close(&b);
    ad_program_free(program);
    ad_tape_free(tape);
}

/* At p = 1e16 a unit in the last place is 2; t - p and the sum with p are off by at most half of it
 * each. */
Test(readback, roundings_inside_have_their_bounds) {
    ad_tape     *tape = ad_tape_new();
    const double at[] = {1e16, 100}, small[] = {1, 100};
    ad_var       x[] = {ad_input(tape, at[0]), ad_input(tape, at[1])},
           y = ad_add(x[0], ad_sub(x[1], x[0]));
    ad_program *program =
        ad_compile(&(ad_interface){.params = 2, .param = x, .outputs = 1, .output = &y});
    ad__readback b;
    double       terms[2] = {0, 0};
    cr_assert_eq(ad__readback_open(&b, program, at, NULL), AD_OK);
    const double far = ad__readback_noise(&b, at, NULL, 0),
                 near = ad__readback_noise(&b, small, NULL, 0);
    cr_expect(far > 0.5 && far < 8, "%g", far);
    cr_expect(near < 1e-13, "%g", near);
    cr_assert(ad__readback_terms(&b, at, NULL, terms));
    cr_expect(terms[0] == 2 && terms[1] == 1, "p comes in twice, with 1 and -1: %g, %g", terms[0],
              terms[1]);
    ad__readback_close(&b);
    ad_program_free(program);
    ad_tape_free(tape);
}
