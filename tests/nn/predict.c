/* predict.c - tests of nn/predict.c: outputs and means over all rows of a table are those of rows
 * recorded one by one, whatever the graphs of the rows. */
#include "support.h"

#include "nn/nn.h"

#include "expect.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { ROWS_OF_DATA = 60, INPUTS = 4, CLASSES = 3, WIDTH = INPUTS + 1 };

static ad_tape  *tape;
static nn_model *model;
static nn_mlp   *mlp;
static nn_data  *data;

/* A table with whole numbers 0..2 in its first and last columns. */
static void make(void) {
    static const size_t sizes[] = {INPUTS, 7, CLASSES};
    double              x[ROWS_OF_DATA * WIDTH];
    uint64_t            state = 7;
    for (size_t i = 0; i < ROWS_OF_DATA * WIDTH; i++)
        x[i] = i % WIDTH == 0 || i % WIDTH == INPUTS ? floor(random_uniform(&state, 0, 3))
                                                     : random_uniform(&state, -1, 1);
    tape = ad_tape_new();
    model = nn_model_new(tape, 3);
    mlp = nn_mlp_new(model, &(nn_mlp_config){.layers = 2, .sizes = sizes});
    data = nn_data_new(ROWS_OF_DATA, INPUTS, 1, x);
}

static void drop(void) {
    nn_data_free(data);
    nn_mlp_free(mlp);
    nn_model_free(model);
    ad_tape_free(tape);
}

TestSuite(predict, .init = make, .fini = drop);

/* ---- functions of a row ---------------------------------------------------------------------- */

static void plain(nn_model *m, size_t n, const ad_var x[], ad_var y[], void *user) {
    (void)m, (void)user;
    cr_expect_eq(n, (size_t)INPUTS, "no targets");
    nn_mlp_forward(mlp, x, y);
}

/* The first number of the row is how many more tanh are applied to the first output. */
static void of_several_lengths(nn_model *m, size_t n, const ad_var x[], ad_var y[], void *user) {
    plain(m, n, x, y, user);
    for (int k = 0; k < (int)ad_value(x[0]); k++) y[0] = ad_tanh(ad_mul(y[0], ad_num(1.25)));
}

/* The same number of nodes for every row, but another unit, chosen unrecorded. */
static void of_one_length(nn_model *m, size_t n, const ad_var x[], ad_var y[], void *user) {
    plain(m, n, x, y, user);
    y[1] = ad_exp(y[(size_t)ad_value(x[0])]);
}

/* The last output is the first to be recorded, so that branches are noted after it. */
static void branching(nn_model *m, size_t n, const ad_var x[], ad_var y[], void *user) {
    plain(m, n, x, y, user);
    if (ad_branch(ad_less(x[1], x[2]))) y[0] = ad_mul(y[0], ad_num(2));
    if (ad_branch(ad_less(y[1], ad_num(0)))) y[1] = ad_neg(y[1]);
}

/* Handles of the caller's and plain numbers are outputs too. */
static void unusual(nn_model *m, size_t n, const ad_var x[], ad_var y[], void *user) {
    (void)n, (void)user;
    y[0] = nn_model_params(m)[5];
    y[1] = x[2];
    y[2] = x[2];
    y[3] = ad_num(4.5); /* y[4] is not set */
    y[5] = ad_mul(x[1], nn_model_params(m)[0]);
}

static ad_var loss(nn_model *m, size_t n, const ad_var line[], void *user) {
    (void)m, (void)user;
    ad_var logits[CLASSES];
    nn_mlp_forward(mlp, line, logits);
    return nn_cross_entropy(CLASSES, logits, line[n - 1]);
}

static ad_var right(nn_model *m, size_t n, const ad_var line[], void *user) {
    (void)m, (void)user;
    ad_var logits[CLASSES];
    nn_mlp_forward(mlp, line, logits);
    return nn_correct(CLASSES, logits, line[n - 1]);
}

/* ---- outputs --------------------------------------------------------------------------------- */

static void record_one_by_one(nn_forward *forward, size_t outputs, double output[]) {
    for (size_t i = 0; i < ROWS_OF_DATA; i++) {
        const ad_mark mark = ad_tape_mark(tape);
        ad_var        x[INPUTS], y[CLASSES];
        for (size_t k = 0; k < INPUTS; k++) x[k] = ad_input(tape, nn_data_row(data, i)[k]);
        forward(model, INPUTS, x, y, NULL);
        for (size_t k = 0; k < outputs; k++) output[i * outputs + k] = ad_value(y[k]);
        ad_tape_rewind(tape, mark);
    }
}

/* Within rounding of a small network, as in tests/nn/rows.c. */
static void expect_recorded(nn_forward *forward) {
    double       got[ROWS_OF_DATA * CLASSES], want[ROWS_OF_DATA * CLASSES];
    const size_t length = ad_tape_length(tape);
    record_one_by_one(forward, CLASSES, want);
    cr_assert_eq(nn_predict(model, forward, NULL, CLASSES, data, got), AD_OK, "%s",
                 nn_model_message(model));
    for (size_t i = 0; i < ROWS_OF_DATA * CLASSES; i++)
        cr_expect(close_to(got[i], want[i], 1e3 * U, 1e2 * U), "number %zu: %.17g, not %.17g", i,
                  got[i], want[i]);
    cr_expect_eq(ad_tape_length(tape), length);
    cr_expect_eq(nn_model_note(model)[0], '\0');
}

Test(predict, outputs_of_a_network) {
    expect_recorded(plain);
}

Test(predict, outputs_of_rows_with_graphs_of_several_lengths) {
    expect_recorded(of_several_lengths);
}

Test(predict, outputs_of_rows_with_graphs_of_one_length) {
    expect_recorded(of_one_length);
}

Test(predict, outputs_of_rows_that_take_different_branches) {
    expect_recorded(branching);
}

Test(predict, outputs_that_are_nothing_recorded) {
    double got[ROWS_OF_DATA * 6];
    cr_assert_eq(nn_predict(model, unusual, NULL, 6, data, got), AD_OK, "%s",
                 nn_model_message(model));
    for (size_t i = 0; i < ROWS_OF_DATA; i++) {
        const double *x = nn_data_row(data, i), *y = got + 6 * i;
        cr_expect_eq(y[0], ad_value(nn_model_params(model)[5]));
        cr_expect(y[1] == x[2] && y[2] == x[2] && y[3] == 4.5 && isnan(y[4]));
        cr_expect_eq(y[5], x[1] * ad_value(nn_model_params(model)[0]));
    }
}

/* Rows 0, 3, 6, ... are alike: those that are looked at before the others run. */
static void of_most_alike(nn_model *m, size_t n, const ad_var x[], ad_var y[], void *user) {
    plain(m, n, x, y, user);
    if (ad_value(x[3]) != 0) y[1] = ad_exp(y[2]);
    else y[1] = ad_exp(y[0]);
}
static ad_var most_alike_as_loss(nn_model *m, size_t n, const ad_var x[], void *user) {
    ad_var y[CLASSES];
    of_most_alike(m, n - 1, x, y, user);
    return y[1];
}

Test(predict, rows_that_differ_where_nothing_was_looked_at_are_noticed) {
    double got[ROWS_OF_DATA * CLASSES], x[ROWS_OF_DATA * WIDTH], mean, want = 0;
    memcpy(x, nn_data_row(data, 0), sizeof x);
    for (size_t i = 0; i < ROWS_OF_DATA; i += 3) x[i * WIDTH + 3] = 0;
    nn_data *other = nn_data_new(ROWS_OF_DATA, INPUTS, 1, x);
    cr_expect_eq(nn_predict(model, of_most_alike, NULL, CLASSES, other, got), AD_OK, "%s",
                 nn_model_message(model));
    for (size_t i = 0; i < ROWS_OF_DATA; i++) {
        const double *y = got + CLASSES * i, chosen = exp(i % 3 == 0 ? y[0] : y[2]);
        cr_expect(close_to(y[1], chosen, 8 * U, 0), "row %zu: %.17g, not %.17g", i, y[1], chosen);
        want += chosen / ROWS_OF_DATA;
    }
    cr_expect_eq(nn_evaluate(model, most_alike_as_loss, NULL, other, &mean), AD_OK);
    cr_expect(close_to(mean, want, 100 * U, 0));
    nn_data_free(other);
}

/* More rows than are gathered at a time; a parameter times x is exact in one rounding. */
static void product(nn_model *m, size_t n, const ad_var x[], ad_var y[], void *user) {
    (void)n, (void)user;
    y[0] = ad_mul(nn_model_params(m)[0], x[0]);
    if (ad_branch(ad_less(x[0], ad_num(9000)))) y[0] = ad_neg(y[0]);
}
static ad_var product_as_loss(nn_model *m, size_t n, const ad_var x[], void *user) {
    ad_var y;
    product(m, n, x, &y, user);
    return y;
}

Test(predict, many_rows) {
    enum { MANY = 30000 };
    double *x = malloc(MANY * sizeof *x), *y = malloc(MANY * sizeof *y), total = 0, mean;
    for (size_t i = 0; i < MANY; i++) x[i] = (double)i;
    nn_data     *many = nn_data_new(MANY, 1, 0, x);
    const double w = ad_value(nn_model_params(model)[0]);
    cr_assert_eq(nn_predict(model, product, NULL, 1, many, y), AD_OK);
    for (size_t i = 0; i < MANY; i++)
        cr_assert_eq(y[i], i < 9000 ? -(w * (double)i) : w * (double)i, "row %zu", i);
    cr_assert_eq(nn_evaluate(model, product_as_loss, NULL, many, &mean), AD_OK);
    for (size_t i = 0; i < MANY; i++) total += y[i];
    cr_expect_eq(mean, total / MANY, "summed in the order of the rows");
    nn_data_free(many);
    free(x);
    free(y);
}

static void no_input(nn_model *m, size_t n, const ad_var x[], ad_var y[], void *user) {
    (void)m, (void)x, (void)user;
    y[0] = ad_num((double)n);
}

Test(predict, without_parameters_and_inputs) {
    nn_model *empty = nn_model_new(tape, 1);
    nn_data  *targets = nn_data_new(2, 0, 1, (const double[]){1, 2});
    double    y[2];
    cr_expect_eq(nn_predict(empty, no_input, NULL, 1, targets, y), AD_OK, "%s",
                 nn_model_message(empty));
    cr_expect(y[0] == 0 && y[1] == 0);
    nn_data_free(targets);
    nn_model_free(empty);
}

/* ---- means ----------------------------------------------------------------------------------- */

Test(predict, mean_of_a_loss_and_of_a_score) {
    double logits[ROWS_OF_DATA * CLASSES], mean, accuracy, want = 0, correct = 0;
    record_one_by_one(plain, CLASSES, logits);
    for (size_t i = 0; i < ROWS_OF_DATA; i++) {
        const double *z = logits + i * CLASSES, label = nn_data_row(data, i)[INPUTS];
        const double  own = z[(size_t)label];
        want += (log(exp(z[0]) + exp(z[1]) + exp(z[2])) - own) / ROWS_OF_DATA;
        correct += own >= z[0] && own >= z[1] && own >= z[2];
    }
    cr_assert_eq(nn_evaluate(model, loss, NULL, data, &mean), AD_OK);
    cr_assert_eq(nn_evaluate(model, right, NULL, data, &accuracy), AD_OK);
    cr_expect_float_eq(mean, want, 1e-14);
    cr_expect_float_eq(accuracy, correct / ROWS_OF_DATA, 1e-15);
}

/* What a training run said of its epochs, and what can be asked for in between. */
typedef struct watched {
    double loss, metric, best_loss, best_metric;
} watched;

static bool ask(const nn_epoch *e, void *user) {
    watched *w = user;
    double   output[ROWS_OF_DATA * CLASSES];
    cr_expect_eq(nn_evaluate(model, loss, NULL, data, &w->loss), AD_OK);
    cr_expect_eq(nn_evaluate(model, right, NULL, data, &w->metric), AD_OK);
    cr_expect(w->loss == e->held_out_loss && w->metric == e->metric);
    cr_expect_eq(nn_predict(model, plain, NULL, CLASSES, data, output), AD_OK);
    if (e->best) w->best_loss = w->loss, w->best_metric = w->metric;
    return true;
}

/* Learned on 20 rows, a large rate: the last epoch is not the best. */
Test(predict, between_epochs_and_after_the_best_one_was_restored) {
    watched       w = {0};
    double        mean, accuracy;
    nn_data      *few = nn_data_new(20, INPUTS, 1, nn_data_row(data, 0));
    nn_optimizer *sgd = nn_sgd(2);
    cr_assert_eq(nn_train(model, loss, &w, few, sgd,
                          &(nn_train_config){.epochs = 30,
                                             .batch = 4,
                                             .held_out = data,
                                             .score = right,
                                             .watch = ask,
                                             .restore_best = true}),
                 AD_OK, "%s", nn_model_message(model));
    cr_assert_eq(nn_evaluate(model, loss, NULL, data, &mean), AD_OK);
    cr_assert_eq(nn_evaluate(model, right, NULL, data, &accuracy), AD_OK);
    cr_expect(w.loss > w.best_loss, "or this shows nothing");
    cr_expect(mean == w.best_loss && accuracy == w.best_metric);
    nn_optimizer_free(sgd);
    nn_data_free(few);
}

Test(predict, tape_is_afterwards_as_before) {
    const ad_var above = ad_exp(nn_model_params(model)[0]);
    const double before = ad_value(above);
    const size_t length = ad_tape_length(tape);
    double       y[ROWS_OF_DATA * CLASSES], mean;
    nn_predict(model, branching, NULL, CLASSES, data, y);
    nn_evaluate(model, loss, NULL, data, &mean);
    cr_expect_eq(ad_tape_length(tape), length);
    cr_expect_eq(ad_value(above), before);
    cr_expect_eq(nn_model_status(model), AD_OK);
}

/* Numbers that are not finite are results. */
static void not_finite(nn_model *m, size_t n, const ad_var x[], ad_var y[], void *user) {
    (void)m, (void)n, (void)user;
    y[0] = ad_log(ad_sub(x[0], x[0]));
    y[1] = ad_sqrt(ad_sub(ad_num(-1), ad_abs(x[0])));
}

Test(predict, outputs_need_not_be_finite) {
    double y[ROWS_OF_DATA * 2];
    cr_expect_eq(nn_predict(model, not_finite, NULL, 2, data, y), AD_OK, "%s",
                 nn_model_message(model));
    for (size_t i = 0; i < ROWS_OF_DATA; i++)
        cr_expect(y[2 * i] == -INFINITY && isnan(y[2 * i + 1]));
}

/* ---- errors ---------------------------------------------------------------------------------- */

static ad_tape *stranger;

static void of_another_tape(nn_model *m, size_t n, const ad_var x[], ad_var y[], void *user) {
    plain(m, n, x, y, user);
    y[2] = ad_exp(ad_input(stranger, 1));
}

/* Rows whose first number is 2 have no such unit. */
static void picking(nn_model *m, size_t n, const ad_var x[], ad_var y[], void *user) {
    plain(m, n, x, y, user);
    y[0] = ad_pick(x[0], 2, y);
}

static void adding(nn_model *m, size_t n, const ad_var x[], ad_var y[], void *user) {
    (void)n, (void)x, (void)y, (void)user;
    nn_param(m, "late", 0, NULL, nn_init_uniform(0, 1));
}

static void by_chance(nn_model *m, size_t n, const ad_var x[], ad_var y[], void *user) {
    plain(m, n, x, y, user);
    y[0] = ad_add(y[0], ad_num(nn_random_uniform(user)));
}

static void expect_refusal(ad_status got, ad_status want, const char *sentence,
                           const double *result) {
    cr_expect_eq(got, want, "%s", nn_model_message(model));
    cr_expect_eq(nn_model_status(model), want);
    cr_expect(strstr(nn_model_message(model), sentence) != NULL, "%s", nn_model_message(model));
    cr_expect(result == NULL || isnan(*result));
    cr_expect_eq(ad_tape_length(tape), nn_model_count(model));
    nn_model_clear(model);
}

Test(predict, mistakes_are_told) {
    double    y[ROWS_OF_DATA * CLASSES] = {0}, mean = 0;
    nn_random random = nn_random_seeded(1);
    stranger = ad_tape_new();
    expect_refusal(nn_predict(model, NULL, NULL, CLASSES, data, y), AD_BAD_ARGUMENT,
                   "nn_predict: no function", y);
    expect_refusal(nn_predict(model, plain, NULL, 0, data, y), AD_BAD_ARGUMENT,
                   "nn_predict: the number of outputs is 0", NULL);
    expect_refusal(nn_predict(model, plain, NULL, CLASSES, data, NULL), AD_BAD_ARGUMENT,
                   "nn_predict: no array", NULL);
    expect_refusal(nn_predict(model, plain, NULL, CLASSES, NULL, y), AD_NO_MEMORY,
                   "nn_predict: there is no data", NULL);
    expect_refusal(nn_evaluate(model, NULL, NULL, data, &mean), AD_BAD_ARGUMENT,
                   "nn_evaluate: no function", &mean);
    expect_refusal(nn_evaluate(model, loss, NULL, data, NULL), AD_BAD_ARGUMENT,
                   "nn_evaluate: no array", NULL);
    expect_refusal(nn_predict(model, of_another_tape, NULL, CLASSES, data, y), AD_TWO_TAPES,
                   "row 0: an output is a variable of another tape", y + 5);
    expect_refusal(nn_predict(model, by_chance, &random, CLASSES, data, y), AD_BAD_ARGUMENT,
                   "must not use its own random numbers", y + 5);
    ad_tape_free(stranger);
}

Test(predict, a_row_that_cannot_be_computed_is_named) {
    double y[ROWS_OF_DATA * CLASSES];
    char   first[32];
    size_t i = 0;
    while (nn_data_row(data, i)[0] != 2) i++;
    snprintf(first, sizeof first, "nn_predict: row %zu: ", i);
    expect_refusal(nn_predict(model, picking, NULL, CLASSES, data, y), AD_BAD_ARGUMENT, first, y);
}

Test(predict, forward_function_must_not_add_parameters) {
    double y[ROWS_OF_DATA];
    cr_expect_eq(nn_predict(model, adding, NULL, 1, data, y), AD_BAD_ARGUMENT);
    cr_expect(isnan(y[0]));
}

static ad_var constant(nn_model *m, size_t n, const ad_var line[], void *user) {
    (void)m, (void)n, (void)line, (void)user;
    return ad_num(3);
}

Test(predict, a_score_that_is_a_plain_number_is_a_mistake) {
    double mean;
    expect_refusal(nn_evaluate(model, constant, NULL, data, &mean), AD_BAD_ARGUMENT,
                   "nn_evaluate: row 0: the loss is the plain number 3", &mean);
}

Test(predict, a_failed_model_is_left_alone) {
    double y[ROWS_OF_DATA * CLASSES] = {1};
    nn_param(model, "", 0, NULL, nn_init_uniform(0, 1));
    cr_expect_eq(nn_predict(model, plain, NULL, CLASSES, data, y), AD_BAD_ARGUMENT);
    cr_expect(isnan(y[0]) && isnan(y[ROWS_OF_DATA * CLASSES - 1]));
    cr_expect_eq(nn_predict(NULL, plain, NULL, CLASSES, data, y), AD_NO_MEMORY);
}
