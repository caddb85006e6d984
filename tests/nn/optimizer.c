/* optimizer.c - tests of nn/optimizer.c. */
#include "files.h"
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

/* ---- groups ---------------------------------------------------------------------------------- */

enum { COUNT = 9 };

static const double start[COUNT] = {0.5, -1, 2, 0.25, -0.75, 1, 1.5, 3, -2};

static nn_model *in_groups(ad_tape *on) {
    nn_model *m = nn_model_new(on, 1);
    nn_param(m, "a.weight", 1, (const size_t[]){3}, nn_init_uniform(0, 0));
    nn_param(m, "a.bias", 1, (const size_t[]){2}, nn_init_uniform(0, 0));
    nn_param(m, "norm.scale", 1, (const size_t[]){2}, nn_init_uniform(0, 0));
    nn_param(m, "b.weight", 1, (const size_t[]){2}, nn_init_uniform(0, 0));
    nn_model_set_values(m, start);
    return m;
}

/* sum of (i + 1)/4 * (p - cos i)^2 */
static ad_var bowl(nn_model *m, size_t n, const ad_var row[], void *user) {
    (void)n, (void)row, (void)user;
    ad_var sum = ad_num(0);
    for (int i = 0; i < COUNT; i++) {
        const ad_var e = ad_sub(nn_model_params(m)[i], ad_num(cos(i)));
        sum = ad_add(sum, ad_mul(ad_num((i + 1) / 4.0), ad_mul(e, e)));
    }
    return sum;
}

/* PyTorch 1.13, tests/group_reference.py */
static const double torch[5][COUNT] = {
    {0.5873373907268968, -0.3465084622811363, 0.5694120600877702, -0.633374878211074,
     -0.66960588823835, 0.7404237843224716, 1.2526120302346226, 3.0, -2.0},
    {0.7891457146487882, -0.7002728288565824, 1.699917854257772, -0.04954426937887678,
     -0.601863207743204, 0.9249705356459142, 1.4250009146117912, 3.0, -2.0},
    {0.7870051009011626, -0.68687249776281, 1.671655475680055, -0.04962353779117426,
     -0.6023033601820909, 0.9104442869724598, 1.4030408464578563, 3.0, -2.0},
    {0.6281887098137201, 1.5386220473093803, -1.6038980959086826, -1.8450995378040476,
     -0.8039779897310618, -0.004668549131399483, 0.5995999304352564, 3.0, -2.0},
    {0.6865886519369846, -0.7937571579805839, 1.7919497424850825, 0.04452430447514696,
     -0.6536376224793021, 0.9479358906585409, 1.448109452962329, 3.0, -2.0},
};

static nn_optimizer *of_kind(size_t kind) {
    nn_adam_config    adam = nn_adam_usual(0.1);
    nn_rmsprop_config rmsprop = nn_rmsprop_usual(0.1);
    nn_adagrad_config adagrad = nn_adagrad_usual(0.1);
    adam.weight_decay = rmsprop.weight_decay = adagrad.weight_decay = 0.05;
    rmsprop.momentum = 0.9, rmsprop.centered = true, adagrad.rate_decay = 0.1;
    adam.amsgrad = kind == 1;
    switch (kind) {
    case 0:
        return nn_sgd_new(
            &(nn_sgd_config){.rate = 0.1, .momentum = 0.9, .nesterov = true, .weight_decay = 0.05});
    case 1: return nn_adam_new(&adam);
    case 2: return nn_adamw_new(&adam);
    case 3: return nn_rmsprop_new(&rmsprop);
    default: return nn_adagrad_new(&adagrad);
    }
}

static const nn_schedule stairs = {NN_STEP, 0.1, 0, 0.5, 2, 0};

/* Four steps, or two and, in another process as it were, two more. */
static void train_groups(nn_model *m, nn_optimizer *optimizer, size_t epochs, const char *kept) {
    nn_data *data = nn_data_new(1, 1, 0, (const double[]){0});
    cr_expect_eq(nn_model_freeze(m, "b", true), AD_OK);
    cr_expect_eq(nn_model_group(m, "*.bias", 1, 0), AD_OK);
    cr_expect_eq(nn_model_group(m, "norm.", 0.25, 0.2), AD_OK);
    cr_expect_eq(nn_train(m, bowl, NULL, data, optimizer,
                          &(nn_train_config){.epochs = epochs,
                                             .batch = 1,
                                             .clip_norm = 2.5,
                                             .schedule = &stairs,
                                             .checkpoint = kept,
                                             .resume = kept != NULL}),
                 AD_OK, "%s", nn_model_message(m));
    nn_data_free(data);
}

Test(optimizer, groups_of_parameters_are_those_of_pytorch) {
    for (size_t kind = 0; kind < 5; kind++) {
        ad_tape      *on = ad_tape_new();
        nn_model     *m = in_groups(on);
        nn_optimizer *optimizer = of_kind(kind);
        double        value[COUNT];
        train_groups(m, optimizer, 4, NULL);
        nn_model_values(m, value);
        for (size_t i = 0; i < COUNT; i++)
            cr_expect_float_eq(value[i], torch[kind][i], 1e-14, "%s, %zu: %.17g, not %.17g",
                               nn_optimizer_name(optimizer), i, value[i], torch[kind][i]);
        nn_optimizer_free(optimizer), nn_model_free(m), ad_tape_free(on);
    }
}

#if HAVE_JANSSON
Test(optimizer, groups_are_made_again_by_what_resumes, .fini = files_remove) {
    for (size_t kind = 0; kind < 5; kind++) {
        double      value[2][COUNT];
        const char *kept = file_path("kept");
        for (size_t way = 0; way < 2; way++)
            for (size_t part = way; part < 2; part++) {
                ad_tape      *on = ad_tape_new();
                nn_model     *m = in_groups(on);
                nn_optimizer *optimizer = of_kind(kind);
                if (way == 0 && part == 0) train_groups(m, optimizer, 2, kept);
                if (way == 0 && part == 1) train_groups(m, optimizer, 4, kept);
                if (way == 1) train_groups(m, optimizer, 4, NULL);
                nn_model_values(m, value[way]);
                nn_optimizer_free(optimizer), nn_model_free(m), ad_tape_free(on);
            }
        cr_expect_arr_eq(value[0], value[1], sizeof value[0]);
        files_remove();
    }
}
#endif

/* By hand: one step of plain descent; clearing the groups again is as if there were none. */
Test(optimizer, groups_in_a_loop_of_ones_own) {
    nn_model     *m = in_groups(tape);
    nn_optimizer *sgd = nn_sgd_new(&(nn_sgd_config){.rate = 0.5, .weight_decay = 0.1});
    double        value[COUNT];
    const double  one[COUNT] = {1, 1, 1, 1, 1, 1, 1, 1, 1};
    nn_model_freeze(m, "a.w", true);
    nn_model_group(m, "a.bias", 0, 0);
    nn_model_group(m, "norm", 2, NN_SAME);
    cr_expect_eq(nn_optimizer_step(sgd, m, one), AD_OK);
    nn_model_values(m, value);
    for (size_t i = 0; i < 5; i++) cr_expect_eq(value[i], start[i], "%zu", i);
    for (size_t i = 5; i < 7; i++)
        cr_expect_float_eq(value[i], start[i] - (1 + 0.1 * start[i]), 1e-15);
    for (size_t i = 7; i < 9; i++)
        cr_expect_float_eq(value[i], start[i] - 0.5 * (1 + 0.1 * start[i]), 1e-15);
    nn_model_freeze(m, "", false);
    nn_model_group(m, "", 1, NN_SAME);
    nn_model_set_values(m, start);
    cr_expect_eq(nn_optimizer_step(sgd, m, one), AD_OK);
    nn_model_values(m, value);
    for (size_t i = 0; i < COUNT; i++)
        cr_expect_float_eq(value[i], start[i] - 0.5 * (1 + 0.1 * start[i]), 1e-15);
    nn_optimizer_free(sgd);
    nn_model_free(m);
}

/* Infinite in a frozen parameter: none of the others' business. */
static ad_var steep(nn_model *m, size_t n, const ad_var row[], void *user) {
    const ad_var frozen = nn_model_params(m)[7];
    return ad_add(bowl(m, n, row, user), ad_sqrt(ad_sub(frozen, ad_num(3))));
}

Test(optimizer, derivatives_in_frozen_parameters_do_not_matter) {
    nn_data      *data = nn_data_new(1, 1, 0, (const double[]){0});
    nn_optimizer *sgd = nn_sgd(0.01);
    for (int by_example = 0; by_example < 2; by_example++)
        for (int frozen = 0; frozen < 2; frozen++) {
            ad_tape  *on = ad_tape_new();
            nn_model *m = in_groups(on);
            if (frozen) nn_model_freeze(m, "b.weight", true);
            const ad_status status = nn_train(
                m, steep, NULL, data, sgd,
                &(nn_train_config){.epochs = 2, .batch = 1, .by_example = by_example == 1});
            cr_expect_eq(status, frozen ? AD_OK : AD_BAD_ARGUMENT, "%s", nn_model_message(m));
            cr_expect_eq(ad_value(nn_model_params(m)[7]), 3);
            cr_expect_eq(ad_value(nn_model_params(m)[0]) != 0.5, frozen == 1);
            nn_model_free(m), ad_tape_free(on);
        }
    nn_optimizer_free(sgd);
    nn_data_free(data);
}

/* Frozen in the first epoch, after that not. */
static bool thaw(const nn_epoch *e, void *user) {
    nn_model *m = user;
    cr_expect_eq(ad_value(nn_model_params(m)[7]) == 3, e->epoch == 1);
    return nn_model_freeze(m, "b", false) == AD_OK;
}

Test(optimizer, a_group_can_be_freed_between_epochs) {
    nn_data      *data = nn_data_new(1, 1, 0, (const double[]){0});
    nn_optimizer *sgd = nn_sgd(0.01);
    nn_model     *m = in_groups(tape);
    nn_model_freeze(m, "b", true);
    cr_expect_eq(
        nn_train(m, bowl, m, data, sgd, &(nn_train_config){.epochs = 2, .batch = 1, .watch = thaw}),
        AD_OK, "%s", nn_model_message(m));
    /* one step: 3 - rate*2*(8/4)*(3 - cos 7) */
    cr_expect_float_eq(ad_value(nn_model_params(m)[7]), 3 - 0.01 * 4 * (3 - cos(7)), 1e-15);
    nn_optimizer_free(sgd), nn_model_free(m), nn_data_free(data);
}

Test(optimizer, everything_frozen_is_refused) {
    nn_data      *data = nn_data_new(1, 1, 0, (const double[]){0});
    nn_optimizer *sgd = nn_sgd(0.1);
    ad_tape      *on = ad_tape_new();
    nn_model     *m = in_groups(on);
    nn_model_freeze(m, "", true);
    cr_expect_eq(nn_train(m, bowl, NULL, data, sgd, &(nn_train_config){.epochs = 1, .batch = 1}),
                 AD_BAD_ARGUMENT);
    cr_expect(strstr(nn_model_message(m), "all parameters of the model are frozen") != NULL);
    nn_model_clear(m);
    cr_expect_eq(nn_optimizer_step(sgd, m, start), AD_BAD_ARGUMENT);
    cr_expect(strstr(nn_model_message(m), "all parameters of the model are frozen") != NULL);
    nn_model_clear(m);
    nn_model_freeze(m, "a", false);
    cr_expect_eq(nn_optimizer_step(sgd, m, start), AD_OK);
    nn_optimizer_free(sgd), nn_model_free(m), ad_tape_free(on), nn_data_free(data);
}
