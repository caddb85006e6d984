/* optimizer.c - tests of nn/optimizer.c. */
#include "nn/nn.h"

#include "expect.h"
#include <math.h>
#include <string.h>

static ad_tape      *tape;
static nn_model     *model;
static const ad_var *w;

static void make(void) {
    tape = ad_tape_new();
    model = nn_model_new(tape, 1);
    w = nn_param(model, "w", 1, (const size_t[]){2}, nn_init_uniform(1, 1));
}
static void drop(void) {
    nn_model_free(model);
    ad_tape_free(tape);
}

TestSuite(optimizer, .init = make, .fini = drop);

Test(optimizer, sgd_subtracts_rate_times_gradient) {
    nn_optimizer *sgd = nn_sgd(0.25);
    cr_expect_eq(nn_optimizer_step(sgd, model, (const double[]){2, -4}), AD_OK);
    cr_expect(ad_value(w[0]) == 0.5 && ad_value(w[1]) == 2);
    nn_optimizer_set_rate(sgd, 1);
    cr_expect_eq(nn_optimizer_rate(sgd), 1);
    nn_optimizer_step(sgd, model, (const double[]){0.5, 0});
    cr_expect(ad_value(w[0]) == 0 && ad_value(w[1]) == 2);
    nn_optimizer_free(sgd);
}

/* x^2 + 10 y^2 by steps of 0.05: each coordinate shrinks by 1 - rate*second derivative. */
Test(optimizer, sgd_follows_the_quadratic_it_goes_down) {
    nn_optimizer *sgd = nn_sgd(0.05);
    const ad_mark mark = ad_tape_mark(tape);
    for (int i = 0; i < 20; i++) {
        double grad[2];
        ad_gradient(ad_formula(tape, w[0] * w[0] + 10 * w[1] * w[1], w[0], w[1]), 2, w, grad);
        ad_tape_rewind(tape, mark);
        nn_optimizer_step(sgd, model, grad);
    }
    cr_expect_float_eq(ad_value(w[0]), pow(0.9, 20), 1e-15);
    cr_expect_eq(ad_value(w[1]), 0);
    nn_optimizer_free(sgd);
}

Test(optimizer, older_operations_see_the_step_at_the_next_replay) {
    nn_optimizer *sgd = nn_sgd(1);
    const ad_var  y = ad_mul(w[0], w[1]);
    nn_optimizer_step(sgd, model, (const double[]){-1, -2});
    cr_expect_eq(ad_value(y), 1);
    ad_replay(tape);
    cr_expect_eq(ad_value(y), 2 * 3);
    nn_optimizer_free(sgd);
}

Test(optimizer, bad_rates_are_refused_and_the_parameters_stay) {
    const double rates[] = {0, -1, NAN, INFINITY};
    for (size_t i = 0; i < sizeof rates / sizeof *rates; i++) {
        nn_optimizer *sgd = nn_sgd(rates[i]);
        cr_expect_eq(nn_optimizer_status(sgd), AD_BAD_ARGUMENT, "rate %g", rates[i]);
        cr_expect(strstr(nn_optimizer_message(sgd), "rate") != NULL, "%s",
                  nn_optimizer_message(sgd));
        cr_expect_eq(nn_optimizer_step(sgd, model, (const double[]){1, 1}), AD_BAD_ARGUMENT);
        nn_optimizer_free(sgd);
    }
    nn_optimizer *sgd = nn_sgd(0.5);
    nn_optimizer_set_rate(sgd, -1);
    cr_expect_eq(nn_optimizer_rate(sgd), 0.5);
    cr_expect_eq(nn_optimizer_step(sgd, model, (const double[]){1, 1}), AD_BAD_ARGUMENT);
    nn_optimizer_free(sgd);
    cr_expect(ad_value(w[0]) == 1 && ad_value(w[1]) == 1);
}

Test(optimizer, error_of_the_model_is_returned) {
    nn_optimizer *adam = nn_adam(0.5);
    nn_param(model, "", 0, NULL, nn_init_uniform(0, 1));
    cr_expect_eq(nn_optimizer_step(adam, model, (const double[]){NAN, NAN}), AD_BAD_ARGUMENT);
    cr_expect_eq(nn_optimizer_status(adam), AD_OK);
    cr_expect(ad_value(w[0]) == 1 && ad_value(w[1]) == 1);
    nn_model_clear(model); /* the bad gradient is not in the state either */
    cr_expect_eq(nn_optimizer_step(adam, model, (const double[]){1, 1}), AD_OK);
    cr_expect_float_eq(ad_value(w[0]), 0.5, 1e-7, "%g", ad_value(w[0]));
    nn_optimizer_free(adam);
}

Test(optimizer, null_optimizer_is_out_of_memory) {
    cr_expect_eq(nn_optimizer_status(NULL), AD_NO_MEMORY);
    cr_expect(strlen(nn_optimizer_message(NULL)) > 10);
    cr_expect_eq(nn_optimizer_step(NULL, model, (const double[]){1, 1}), AD_NO_MEMORY);
    cr_expect(isnan(nn_optimizer_rate(NULL)));
    nn_optimizer_set_rate(NULL, 1);
    nn_optimizer_free(NULL);
}
