/* training.c - what nn_train does around its steps: schedules, clipping, held-out rows, stopping
 * early, the caller's functions, checkpoints. */
#include "support.h"

#include "nn/nn.h"

#include "expect.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { EXAMPLES = 20, HELD_OUT = 6, PARAMS = 13, MOST = 400 };

typedef struct lab {
    ad_tape  *tape;
    nn_model *model;
    nn_mlp   *mlp;
    nn_data  *data, *held_out;
    size_t    epochs, steps;
    nn_epoch  epoch[MOST];
    nn_step   step[MOST];
    size_t    stop_after_steps, stop_after_epochs;
    double    after[MOST][PARAMS]; /* the parameters after each epoch */
} lab;

static lab l;

/* A wave to be learned by 2-3-1; the second input is noise. */
static void make(void) {
    double   x[(EXAMPLES + HELD_OUT) * 3];
    uint64_t state = 9;
    for (size_t i = 0; i < EXAMPLES + HELD_OUT; i++) {
        x[3 * i] = random_uniform(&state, -2, 2), x[3 * i + 1] = random_uniform(&state, -1, 1);
        x[3 * i + 2] = sin(x[3 * i]);
    }
    l = (lab){.tape = ad_tape_new()};
    l.model = nn_model_new(l.tape, 4);
    l.mlp = nn_mlp_new(l.model, &(nn_mlp_config){.layers = 2, .sizes = (const size_t[]){2, 3, 1}});
    l.data = nn_data_new(EXAMPLES, 2, 1, x);
    l.held_out = nn_data_new(HELD_OUT, 2, 1, x + 3 * EXAMPLES);
}

static void drop(void) {
    nn_data_free(l.data);
    nn_data_free(l.held_out);
    nn_mlp_free(l.mlp);
    nn_model_free(l.model);
    ad_tape_free(l.tape);
}

TestSuite(training, .init = make, .fini = drop);

static ad_var loss(nn_model *model, size_t inputs, const ad_var x[], void *user) {
    (void)model, (void)user;
    ad_var y;
    nn_mlp_forward(l.mlp, x, &y);
    return nn_mse(1, &y, &x[inputs - 1]);
}

static ad_var far_off(nn_model *model, size_t inputs, const ad_var x[], void *user) {
    (void)model, (void)user;
    ad_var y;
    nn_mlp_forward(l.mlp, x, &y);
    return ad_less(ad_num(0.25), ad_abs(ad_sub(y, x[inputs - 1])));
}

static bool on_epoch(const nn_epoch *e, void *user) {
    (void)user;
    nn_model_values(l.model, l.after[l.epochs]);
    l.epoch[l.epochs++] = *e;
    return l.epochs != l.stop_after_epochs;
}

static bool on_step(const nn_step *s, void *user) {
    (void)user;
    l.step[l.steps++] = *s;
    return l.steps != l.stop_after_steps;
}

/* Trained from the same start each time; the values in the end. */
static void train(nn_optimizer *o, nn_train_config config, double values[PARAMS]) {
    double   start[PARAMS];
    uint64_t state = 21;
    for (int i = 0; i < PARAMS; i++) start[i] = random_uniform(&state, -1, 1);
    nn_model_set_values(l.model, start);
    l.epochs = l.steps = 0;
    cr_expect_eq(nn_train(l.model, loss, &l, l.data, o, &config), AD_OK, "%s",
                 nn_model_message(l.model));
    nn_model_values(l.model, values);
    nn_optimizer_free(o);
}

static void expect_same_bits(const double a[PARAMS], const double b[PARAMS], const char *what) {
    for (int i = 0; i < PARAMS; i++)
        cr_expect(same_bits(a[i], b[i]), "%s, parameter %d: %.17g and %.17g", what, i, a[i], b[i]);
}

/* ---- steps ----------------------------------------------------------------------------------- */

Test(training, schedule_gives_each_step_its_rate) {
    double            v[PARAMS];
    const nn_schedule s = nn_schedule_warm_up(3, nn_schedule_cosine(0.5, 0, 5));
    train(nn_sgd(9),
          (nn_train_config){
              .epochs = 3, .batch = 8, .schedule = &s, .on_step = on_step, .watch = on_epoch},
          v);
    cr_assert_eq(l.steps, 9);
    for (size_t i = 0; i < 9; i++) {
        cr_expect_eq(l.step[i].rate, nn_schedule_rate(&s, i));
        cr_expect(l.step[i].steps == i + 1 && l.step[i].epoch == i / 3 + 1 &&
                  l.step[i].step == i % 3 + 1);
    }
    cr_expect_eq(l.epoch[2].rate, 0, "a rate that has come down to 0 is no error");
    cr_expect_eq(l.epoch[1].rate, l.step[5].rate);
}

Test(training, loss_of_the_steps_is_that_of_the_epoch) {
    double v[PARAMS], total = 0;
    train(nn_sgd(0.1),
          (nn_train_config){.epochs = 1, .batch = 8, .on_step = on_step, .watch = on_epoch}, v);
    for (size_t i = 0; i < 3; i++) total += l.step[i].loss * (i < 2 ? 8 : 4);
    cr_expect(close_to(l.epoch[0].loss, total / EXAMPLES, 4 * U, 0));
}

Test(training, on_step_ends_the_training) {
    double v[PARAMS];
    l.stop_after_steps = 4;
    train(nn_sgd(0.1),
          (nn_train_config){.epochs = 9, .batch = 8, .on_step = on_step, .watch = on_epoch}, v);
    cr_expect(l.steps == 4 && l.epochs == 1);
}

static bool halve(const nn_step *s, void *user) {
    (void)s, (void)user;
    double v[PARAMS];
    nn_model_values(l.model, v);
    for (int i = 0; i < PARAMS; i++) v[i] /= 2;
    nn_model_set_values(l.model, v);
    return true;
}

Test(training, what_on_step_does_to_the_parameters_counts) {
    double a[PARAMS], b[PARAMS];
    train(nn_sgd(0.1), (nn_train_config){.epochs = 1, .batch = EXAMPLES}, a);
    train(nn_sgd(0.1), (nn_train_config){.epochs = 1, .batch = EXAMPLES, .on_step = halve}, b);
    for (int i = 0; i < PARAMS; i++) cr_expect_eq(b[i], a[i] / 2);
}

/* A sum over n examples at a rate is their mean at n times the rate; 16 keeps every bit. */
Test(training, sum_is_the_mean_times_the_number_of_examples) {
    double   a[PARAMS], b[PARAMS];
    nn_data *all = l.data;
    l.data = nn_data_new(16, 2, 1, nn_data_row(all, 0));
    train(nn_sgd(0.25), (nn_train_config){.epochs = 3, .batch = 16}, a);
    train(nn_sgd(0.25 / 16), (nn_train_config){.epochs = 3, .batch = 16, .sum = true}, b);
    expect_same_bits(a, b, "sum");
    nn_data_free(l.data);
    l.data = all;
}

Test(training, clipped_gradients_move_no_further_than_the_rate_times_the_bound) {
    double   a[PARAMS], b[PARAMS], start[PARAMS], norm = 0, largest = 0;
    uint64_t state = 21;
    for (int i = 0; i < PARAMS; i++) start[i] = random_uniform(&state, -1, 1);
    train(nn_sgd(0.5), (nn_train_config){.epochs = 1, .batch = EXAMPLES, .clip_norm = 0.125}, a);
    train(nn_sgd(0.5), (nn_train_config){.epochs = 1, .batch = EXAMPLES, .clip_value = 0.0625}, b);
    for (int i = 0; i < PARAMS; i++)
        norm += (a[i] - start[i]) * (a[i] - start[i]),
            largest = fmax(largest, fabs(b[i] - start[i]));
    cr_expect_float_eq(sqrt(norm), 0.5 * 0.125, 1e-6);
    cr_expect_float_eq(largest, 0.5 * 0.0625, 1e-15);
}

static ad_var first_input(nn_model *model, size_t inputs, const ad_var x[], void *user) {
    (void)inputs, (void)user;
    return ad_mul(nn_model_params(model)[0], x[0]);
}

static bool keep_step(const nn_step *s, void *user) {
    (void)user;
    l.step[l.steps++] = *s;
    return true;
}

/* The loss is x, by a parameter of 1 that hardly moves, so steps of one row tell which it was. */
Test(training, in_order_takes_the_rows_as_they_stand) {
    nn_optimizer *o = nn_sgd(1e-300);
    double        one[PARAMS];
    for (int i = 0; i < PARAMS; i++) one[i] = 1;
    nn_model_set_values(l.model, one);
    cr_expect_eq(nn_train(l.model, first_input, NULL, l.data, o,
                          &(nn_train_config){
                              .epochs = 2, .batch = 1, .in_order = true, .on_step = keep_step}),
                 AD_OK);
    for (size_t i = 0; i < 2 * EXAMPLES; i++)
        cr_expect_eq(l.step[i].loss, nn_data_row(l.data, i % EXAMPLES)[0]);
    nn_optimizer_free(o);
}

/* ---- held-out rows --------------------------------------------------------------------------- */

Test(training, held_out_loss_and_score_are_means_over_the_held_out_rows) {
    double v[PARAMS];
    for (int by_example = 0; by_example < 2; by_example++) {
        train(nn_sgd(0.1),
              (nn_train_config){.epochs = 4,
                                .batch = 8,
                                .held_out = l.held_out,
                                .score = far_off,
                                .watch = on_epoch,
                                .by_example = by_example == 1},
              v);
        const ad_mark mark = ad_tape_mark(l.tape);
        double        mean = 0, share = 0;
        for (size_t i = 0; i < HELD_OUT; i++) {
            const double *x = nn_data_row(l.held_out, i);
            const ad_var  line[] = {ad_num(x[0]), ad_num(x[1]), ad_num(x[2])};
            mean += ad_value(loss(l.model, 3, line, NULL)) / HELD_OUT,
                share += ad_value(far_off(l.model, 3, line, NULL)) / HELD_OUT;
        }
        ad_tape_rewind(l.tape, mark);
        cr_expect(close_to(l.epoch[3].held_out_loss, mean, 1e-14, 0), "%.17g, %.17g",
                  l.epoch[3].held_out_loss, mean);
        cr_expect(close_to(l.epoch[3].metric, share, 1e-15, 0));
    }
}

Test(training, without_held_out_rows_there_is_no_number) {
    double v[PARAMS];
    train(nn_sgd(0.1), (nn_train_config){.epochs = 1, .batch = 8, .watch = on_epoch}, v);
    cr_expect(isnan(l.epoch[0].held_out_loss) && isnan(l.epoch[0].metric));
}

/* ---- stopping early -------------------------------------------------------------------------- */

/* A metric that falls, rises, falls less than min_delta, and rises. */
static const double course[] = {5, 4, 3, 3.5, 2.95, 4, 4, 4, 4, 4, 4, 4, 4};

static double on_course(nn_model *model, void *user) {
    (void)model, (void)user;
    return course[l.epochs];
}

static double against_course(nn_model *model, void *user) {
    return -on_course(model, user);
}

Test(training, patience_counts_the_epochs_without_a_best_one) {
    double                v[PARAMS];
    const nn_train_config config = {.epochs = 12,
                                    .batch = 8,
                                    .metric = on_course,
                                    .monitor = NN_LOWEST_METRIC,
                                    .patience = 4,
                                    .min_delta = 0.1,
                                    .watch = on_epoch};
    train(nn_sgd(0.1), config, v);
    cr_expect_eq(l.epochs, 3 + 4, "%zu epochs", l.epochs);
    for (size_t i = 0; i < l.epochs; i++) cr_expect_eq(l.epoch[i].best, i < 3);
    nn_train_config other = config;
    other.min_delta = 0;
    train(nn_sgd(0.1), other, v);
    cr_expect_eq(l.epochs, 5 + 4, "%zu epochs", l.epochs);
    other.metric = against_course, other.monitor = NN_HIGHEST_METRIC;
    train(nn_sgd(0.1), other, v);
    cr_expect_eq(l.epochs, 5 + 4, "%zu epochs", l.epochs);
    other.patience = SIZE_MAX;
    train(nn_sgd(0.1), other, v);
    cr_expect_eq(l.epochs, 12, "%zu epochs", l.epochs);
}

Test(training, parameters_of_the_best_epoch_are_restored) {
    double v[PARAMS];
    train(nn_sgd(0.1),
          (nn_train_config){.epochs = 12,
                            .batch = 8,
                            .metric = on_course,
                            .monitor = NN_LOWEST_METRIC,
                            .watch = on_epoch,
                            .restore_best = true},
          v);
    cr_expect_eq(l.epochs, 12);
    expect_same_bits(v, l.after[4], "the best epoch");
}

Test(training, held_out_loss_is_watched_where_there_is_one) {
    double v[PARAMS], best = INFINITY;
    train(nn_sgd(1.5),
          (nn_train_config){.epochs = 100,
                            .batch = 4,
                            .held_out = l.held_out,
                            .watch = on_epoch,
                            .patience = 5,
                            .restore_best = true},
          v);
    cr_assert(l.epochs < 100, "the rate is too large to go on for ever");
    size_t at = 0;
    for (size_t i = 0; i < l.epochs; i++)
        if (l.epoch[i].held_out_loss < best) best = l.epoch[i].held_out_loss, at = i;
    cr_expect_eq(l.epochs, at + 1 + 5);
    expect_same_bits(v, l.after[at], "the best epoch");
}

/* ---- checkpoints ----------------------------------------------------------------------------- */

static void path_of(char path[64], const char *name) {
    snprintf(path, 64, "/tmp/tapir-training-%ld-%s", (long)getpid(), name);
    unlink(path);
}

static bool supported(const char *path) {
    const bool good = nn_model_save(l.model, path) != AD_UNSUPPORTED;
    nn_model_clear(l.model);
    unlink(path);
    return good;
}

/* Stopped after a number of steps and gone on with: the same bits, the same history and the same
 * best epoch as the run that was left alone. */
Test(training, a_run_that_goes_on_ends_with_the_same_bits) {
    char   path[64], history[64];
    double whole[PARAMS], v[PARAMS];
    path_of(path, "checkpoint"), path_of(history, "history");
    if (!supported(path)) cr_skip("this build is without jansson");
    const nn_schedule     s = nn_schedule_cosine(0.5, 0.01, 30);
    const nn_adam_config  adam = nn_adamw_usual(0.1);
    const nn_train_config config = {
        .epochs = 6,
        .batch = 6,
        .seed = 3,
        .schedule = &s,
        .held_out = l.held_out,
        .on_step = on_step,
        .watch = on_epoch,
        .restore_best = true,
        .patience = 4,
        .checkpoint = path,
        .resume = true,
        .history = history,
    };
    const size_t step = getenv("TAPIR_FULL") != NULL ? 1 : 5;
    train(nn_adamw_new(&adam), config, whole);
    const size_t steps = l.steps, epochs = l.epochs;
    cr_assert_eq(steps, epochs * 4);
    for (size_t stop = 3; stop < steps; stop += step) { /* in an epoch, at its end, in its middle */
        unlink(path);
        l.stop_after_steps = stop;
        train(nn_adamw_new(&adam), config, v);
        l.stop_after_steps = 0;
        train(nn_adamw_new(&adam), config, v);
        cr_expect_eq(l.steps, steps - stop);
        expect_same_bits(whole, v, "gone on with");
    }
    FILE  *file = fopen(history, "r");
    size_t lines = 0;
    for (int c; (c = fgetc(file)) != EOF;) lines += c == '\n';
    fclose(file);
    cr_expect_eq(lines, epochs + 1);
    unlink(path), unlink(history);
}

Test(training, more_epochs_go_on_from_a_finished_run) {
    char   path[64];
    double whole[PARAMS], v[PARAMS];
    path_of(path, "more");
    if (!supported(path)) cr_skip("this build is without jansson");
    nn_train_config config = {.epochs = 5, .batch = 6};
    train(nn_adam(0.01), config, whole);
    config = (nn_train_config){
        .epochs = 3, .batch = 6, .checkpoint = path, .resume = true, .on_step = on_step};
    train(nn_adam(0.01), config, v);
    train(nn_adam(0.01), config, v);
    cr_expect_eq(l.steps, 0, "there was nothing left to do");
    config.epochs = 5;
    train(nn_adam(0.01), config, v);
    expect_same_bits(whole, v, "five epochs");
    unlink(path);
}

static void expect_refused(nn_train_config config, ad_status status, const char *words) {
    nn_optimizer *o = nn_sgd(0.1);
    double        before[PARAMS], after[PARAMS];
    nn_model_values(l.model, before);
    cr_expect_eq(nn_train(l.model, loss, NULL, l.data, o, &config), status, "%s", words);
    cr_expect(strstr(nn_model_message(l.model), words) != NULL, "\"%s\" is not in \"%s\"", words,
              nn_model_message(l.model));
    nn_model_clear(l.model);
    nn_model_values(l.model, after);
    expect_same_bits(before, after, words);
    nn_optimizer_free(o);
}

Test(training, checkpoint_of_another_run_is_refused) {
    char   path[64];
    double v[PARAMS];
    path_of(path, "other");
    if (!supported(path)) cr_skip("this build is without jansson");
    train(nn_sgd(0.1), (nn_train_config){.epochs = 1, .batch = 6, .seed = 1, .checkpoint = path},
          v);
    expect_refused(
        (nn_train_config){.epochs = 2, .batch = 6, .seed = 2, .checkpoint = path, .resume = true},
        AD_BAD_FILE, "seed 1");
    expect_refused(
        (nn_train_config){.epochs = 2, .batch = 5, .seed = 1, .checkpoint = path, .resume = true},
        AD_BAD_FILE, "batches of 6");
    unlink(path);
}

/* ---- bad input ------------------------------------------------------------------------------- */

static double nothing(nn_model *model, void *user) {
    (void)model, (void)user;
    return 0;
}

Test(training, configurations_that_make_no_sense_are_refused) {
    const nn_schedule bad = nn_schedule_constant(INFINITY);
    nn_data          *narrow = nn_data_new(1, 1, 1, (const double[]){1, 2}),
            *broken = nn_data_new(1, 2, 1, (const double[]){1, NAN, 2});
    expect_refused((nn_train_config){.epochs = 1, .batch = 21}, AD_BAD_ARGUMENT,
                   "larger than the data, 20 rows");
    expect_refused((nn_train_config){.epochs = 1, .batch = 5, .schedule = &bad}, AD_BAD_ARGUMENT,
                   "schedule");
    expect_refused((nn_train_config){.epochs = 1, .batch = 5, .clip_norm = -1}, AD_BAD_ARGUMENT,
                   "clip_norm");
    expect_refused((nn_train_config){.epochs = 1, .batch = 5, .clip_value = NAN}, AD_BAD_ARGUMENT,
                   "clip_value");
    expect_refused((nn_train_config){.epochs = 1, .batch = 5, .min_delta = INFINITY},
                   AD_BAD_ARGUMENT, "min_delta");
    expect_refused((nn_train_config){.epochs = 1, .batch = 5, .held_out = narrow}, AD_BAD_ARGUMENT,
                   "1 inputs");
    expect_refused((nn_train_config){.epochs = 1, .batch = 5, .held_out = broken}, AD_BAD_ARGUMENT,
                   "nan");
    expect_refused((nn_train_config){.epochs = 1, .batch = 5, .score = far_off}, AD_BAD_ARGUMENT,
                   "needs held-out rows");
    expect_refused(
        (nn_train_config){
            .epochs = 1, .batch = 5, .held_out = l.held_out, .score = far_off, .metric = nothing},
        AD_BAD_ARGUMENT, "cannot be combined");
    expect_refused((nn_train_config){.epochs = 1, .batch = 5, .monitor = NN_HIGHEST_METRIC},
                   AD_BAD_ARGUMENT, "no metric to monitor");
    nn_data_free(narrow);
    nn_data_free(broken);
}

Test(training, an_infinite_rate_is_refused) {
    nn_optimizer *o = nn_sgd(INFINITY);
    cr_expect_eq(
        nn_train(l.model, loss, NULL, l.data, o, &(nn_train_config){.epochs = 1, .batch = 5}),
        AD_BAD_ARGUMENT);
    cr_expect(strstr(nn_model_message(l.model), "rate is inf") != NULL, "%s",
              nn_model_message(l.model));
    nn_optimizer_free(o);
}

Test(training, data_with_nan_is_refused) {
    nn_data      *data = nn_data_new(2, 2, 1, (const double[]){1, 2, 3, 4, NAN, 6});
    nn_optimizer *o = nn_sgd(0.1);
    cr_expect_eq(
        nn_train(l.model, loss, NULL, data, o, &(nn_train_config){.epochs = 1, .batch = 1}),
        AD_BAD_ARGUMENT);
    cr_expect(strstr(nn_model_message(l.model), "row 1, column 1") != NULL, "%s",
              nn_model_message(l.model));
    nn_optimizer_free(o);
    nn_data_free(data);
}

static ad_var class_of(nn_model *model, size_t inputs, const ad_var x[], void *user) {
    (void)user;
    const ad_var *p = nn_model_params(model);
    const ad_var  logits[] = {ad_mul(p[0], x[0]), ad_mul(p[1], x[1]), p[2]};
    return nn_cross_entropy(3, logits, x[inputs - 1]);
}

/* All examples of class 2: the loss goes to 0, by a constant logit. */
Test(training, data_of_one_class_is_learned) {
    double        line[EXAMPLES * 3];
    nn_optimizer *o = nn_adam(0.1);
    memcpy(line, nn_data_row(l.data, 0), sizeof line);
    for (size_t i = 0; i < EXAMPLES; i++) line[3 * i + 2] = 2;
    nn_data *data = nn_data_new(EXAMPLES, 2, 1, line);
    cr_expect_eq(nn_train(l.model, class_of, NULL, data, o,
                          &(nn_train_config){.epochs = 200, .batch = 4, .watch = on_epoch}),
                 AD_OK);
    cr_expect(l.epoch[199].loss < 1e-2, "%g", l.epoch[199].loss);
    nn_optimizer_free(o);
    nn_data_free(data);
}

/* Nothing is wrong with one row, nor with one class: there is little to learn, and it is
 * learned. */
Test(training, data_of_one_row_is_learned) {
    double   v[PARAMS];
    nn_data *all = l.data;
    l.data = nn_data_new(1, 2, 1, nn_data_row(all, 0));
    train(nn_sgd(0.1), (nn_train_config){.epochs = 300, .batch = 1, .watch = on_epoch}, v);
    cr_expect(l.epoch[299].loss < 1e-12, "%g", l.epoch[299].loss);
    nn_data_free(l.data);
    l.data = all;
}
