/* rows.c - tests of nn/rows.c: minibatches through programs give the same as recording each
 * example, whatever the graphs of the rows, and errors are reported. */
#include "support.h"

#include "nn/nn.h"
#include "nn/rows.h"

#include "expect.h"
#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { EXAMPLES = 45, INPUTS = 6, CLASSES = 3, WIDTH = INPUTS + 1 };

static ad_tape  *tape;
static nn_model *model;
static nn_mlp   *mlp;
static nn_data  *data;

/* A table with whole numbers 0..2 in its first and last columns. */
static void make(void) {
    static const size_t sizes[] = {INPUTS, 5, CLASSES};
    double              x[EXAMPLES * WIDTH];
    uint64_t            state = 7;
    for (size_t i = 0; i < EXAMPLES * WIDTH; i++)
        x[i] = i % WIDTH == 0 || i % WIDTH == INPUTS ? floor(random_uniform(&state, 0, 3))
                                                     : random_uniform(&state, -1, 1);
    tape = ad_tape_new();
    model = nn_model_new(tape, 3);
    mlp = nn_mlp_new(model, &(nn_mlp_config){.layers = 2, .sizes = sizes});
    data = nn_data_new(EXAMPLES, INPUTS, 1, x);
}

static void drop(void) {
    nn_data_free(data);
    nn_mlp_free(mlp);
    nn_model_free(model);
    ad_tape_free(tape);
}

TestSuite(rows, .init = make, .fini = drop);

/* ---- losses ---------------------------------------------------------------------------------- */

static ad_var plain(nn_model *m, size_t n, const ad_var line[], void *user) {
    (void)m, (void)user;
    ad_var logits[CLASSES];
    nn_mlp_forward(mlp, line, logits);
    return nn_cross_entropy(CLASSES, logits, line[n - 1]);
}

/* The first number of the row is how many more tanh are applied to the first output. */
static ad_var of_several_lengths(nn_model *m, size_t n, const ad_var line[], void *user) {
    (void)m, (void)user;
    ad_var logits[CLASSES];
    nn_mlp_forward(mlp, line, logits);
    for (int k = 0; k < (int)ad_value(line[0]); k++)
        logits[0] = ad_tanh(ad_mul(logits[0], ad_num(1.25)));
    return nn_cross_entropy(CLASSES, logits, line[n - 1]);
}

/* The same number of nodes for every row, but different ones: the first number decides in C,
 * unrecorded. */
static ad_var of_one_length(nn_model *m, size_t n, const ad_var line[], void *user) {
    (void)m, (void)user, (void)n;
    ad_var logits[CLASSES];
    nn_mlp_forward(mlp, line, logits);
    return ad_mul(logits[(size_t)ad_value(line[0])], logits[(size_t)ad_value(line[INPUTS])]);
}

/* A kink at 0 of a hidden unit, by an `if` noted with ad_branch: it depends on the row and the
 * weights. */
static ad_var branching(nn_model *m, size_t n, const ad_var line[], void *user) {
    ad_var       y = plain(m, n, line, user);
    const ad_var bent =
        ad_add(ad_mul(line[1], nn_model_params(m)[0]), ad_mul(line[2], nn_model_params(m)[1]));
    if (ad_branch(ad_less(bent, ad_num(0)))) y = ad_add(y, ad_mul(bent, bent));
    if (ad_branch(ad_less(line[3], line[4]))) y = ad_mul(y, ad_num(2));
    return y;
}

/* A differential equation as a loss, u'' + u - t, with derivatives of the network with respect to
 * one of its inputs. */
static ad_var residual(const ad_var line[]) {
    ad_var u[CLASSES], slope, bend;
    nn_mlp_forward(mlp, line, u);
    ad_record_gradient(u[0], 1, &line[1], &slope);
    ad_record_gradient(slope, 1, &line[1], &bend);
    return ad_sub(ad_add(bend, u[0]), line[INPUTS]);
}

static ad_var physics_informed(nn_model *m, size_t n, const ad_var line[], void *user) {
    (void)m, (void)n, (void)user;
    const ad_var r = residual(line);
    return ad_mul(r, r);
}

static uint64_t first_number(size_t columns, const double line[], void *user) {
    (void)columns, (void)user;
    return (uint64_t)line[0];
}

static uint64_t all_alike(size_t columns, const double line[], void *user) {
    (void)columns, (void)line, (void)user;
    return 0;
}

/* ---- both paths, compared -------------------------------------------------------------------- */

/* |difference| within rounding: the noise floor u*sum|adjoint*value| of these small graphs is
 * below 1e3*u of the largest number. */
static void expect_equal(nn_loss *loss, nn_shape *shape, size_t programs) {
    const size_t count = nn_model_count(model);
    size_t      *line = calloc(EXAMPLES, sizeof *line);
    double      *by_program = calloc(count, sizeof *by_program),
           *by_example = calloc(count, sizeof *by_example);
    nn__weights w;
    cr_assert(nn__weights_open(&w, model));
    nn__rows    *a = nn__rows_new(&(nn__rows_config){&w, loss, NULL, data, shape, false, 0});
    nn__rows    *b = nn__rows_new(&(nn__rows_config){&w, loss, NULL, data, shape, true, 0});
    const size_t length = ad_tape_length(tape);
    for (size_t round = 0; round < 30; round++) {
        double       mean[2], largest = 0;
        const size_t n = round % EXAMPLES + 1;
        for (size_t k = 0; k < n; k++) line[k] = (13 * round + 7 * k) % EXAMPLES;
        cr_assert_eq(nn__rows_run(a, n, line, &mean[0], by_program), AD_OK, "%s",
                     nn__rows_message(a));
        cr_assert_eq(nn__rows_run(b, n, line, &mean[1], by_example), AD_OK, "%s",
                     nn__rows_message(b));
        cr_expect(close_to(mean[0], mean[1], 1e3 * U, 1e3 * U),
                  "round %zu: the means are %.17g and %.17g", round, mean[0], mean[1]);
        for (size_t i = 0; i < count; i++) largest = fmax(largest, fabs(by_example[i]));
        for (size_t i = 0; i < count; i++)
            cr_expect(fabs(by_program[i] - by_example[i]) <= 1e3 * U * largest,
                      "round %zu, derivative %zu: %.17g and %.17g", round, i, by_program[i],
                      by_example[i]);
        for (size_t i = 0; i < count; i++) w.value[i] -= 0.5 * by_example[i];
        w.dirty = true;
    }
    cr_expect_eq(nn__rows_programs(a), programs, "%zu programs", nn__rows_programs(a));
    cr_expect_eq(nn__rows_programs(b), 0);
    cr_expect_eq(ad_tape_length(tape), length);
    nn__rows_free(a);
    nn__rows_free(b);
    nn__weights_close(&w);
    free(line);
    free(by_program);
    free(by_example);
}

Test(rows, one_graph_is_one_program) {
    expect_equal(plain, NULL, 1);
}
Test(rows, shapes_of_the_callers_are_a_program_each) {
    expect_equal(of_several_lengths, first_number, 3);
}
Test(rows, shapes_are_found_by_recording_where_the_caller_gives_none) {
    expect_equal(of_several_lengths, NULL, 3);
}
Test(rows, graphs_of_one_length_are_told_apart_by_their_derivatives) {
    /* a product and its mirror are one */
    expect_equal(of_one_length, NULL, CLASSES * (CLASSES + 1) / 2);
}
Test(rows, noted_branches_are_a_program_for_each_way) {
    expect_equal(branching, NULL, 4);
}
Test(rows, loss_may_differentiate_by_its_inputs_on_either_path) {
    expect_equal(physics_informed, NULL, 1);
}

/* The first call finds that the rows take another branch than expected; the second knows it. Seven
 * rows, because seven times a number over seven is not always that number. */
Test(rows, rounding_does_not_depend_on_when_a_turn_was_found) {
    enum { ALIKE = 7 };
    size_t      alike[ALIKE], n = 0;
    double      mean[2], gradient[2][64];
    nn__weights w;
    cr_assert(nn__weights_open(&w, model) && w.count <= 64);
    for (size_t i = EXAMPLES; i-- > 0 && n < ALIKE;) {
        const double *x = nn_data_row(data, i);
        if (x[3] < x[4] && x[1] * w.value[0] + x[2] * w.value[1] < 0) alike[n++] = i;
    }
    cr_assert_eq(n, ALIKE);
    nn__rows *r = nn__rows_new(&(nn__rows_config){&w, branching, NULL, data, NULL, false, 0});
    for (int call = 0; call < 2; call++)
        cr_assert_eq(nn__rows_run(r, ALIKE, alike, &mean[call], gradient[call]), AD_OK, "%s",
                     nn__rows_message(r));
    cr_expect(same_bits(mean[0], mean[1]));
    for (size_t i = 0; i < w.count; i++)
        cr_expect(same_bits(gradient[0][i], gradient[1][i]), "derivative %zu", i);
    nn__rows_free(r);
    nn__weights_close(&w);
}

/* Forty noted branches, all paths of the same length: more paths than programs are kept. */
static ad_var many_ways(nn_model *m, size_t n, const ad_var line[], void *user) {
    ad_var y = plain(m, n, line, user);
    for (int k = 0; k < 40; k++) {
        const ad_var z = ad_sin(ad_mul(line[1 + k % 4], ad_num(1 + 9 * k)));
        const ad_var term = ad_mul(z, nn_model_params(m)[k % 5]);
        y = ad_branch(ad_less(z, ad_num(0))) ? ad_add(y, term) : ad_sub(y, term);
    }
    return y;
}

/* As many sines as the first number, which is the index of the row: each row has its own graph. */
static ad_var of_any_length(nn_model *m, size_t n, const ad_var line[], void *user) {
    ad_var y = plain(m, n, line, user);
    for (size_t k = 0; k < (size_t)ad_value(line[1]); k++) y = ad_sin(y);
    return y;
}

static uint64_t second_number(size_t columns, const double line[], void *user) {
    (void)columns, (void)user;
    return (uint64_t)line[1];
}

Test(rows, hundreds_of_shapes_are_a_program_each) {
    enum { MORE = 200 };
    double x[MORE * WIDTH], mean, gradient[64];
    size_t line[MORE];
    cr_assert_leq(nn_model_count(model), 64);
    for (size_t i = 0; i < MORE; i++) {
        memcpy(x + i * WIDTH, nn_data_row(data, i % EXAMPLES), WIDTH * sizeof *x);
        x[i * WIDTH + 1] = (double)i;
        line[i] = i;
    }
    nn_data    *more = nn_data_new(MORE, INPUTS, 1, x);
    nn__weights w;
    cr_assert(nn__weights_open(&w, model));
    nn__rows *r =
        nn__rows_new(&(nn__rows_config){&w, of_any_length, NULL, more, second_number, false, 0});
    for (size_t first = 0; first < MORE; first += 50)
        cr_assert_eq(nn__rows_run(r, 50, line + first, &mean, gradient), AD_OK, "%s",
                     nn__rows_message(r));
    cr_expect_eq(nn__rows_programs(r), MORE);
    nn__rows_free(r);
    nn__weights_close(&w);
    nn_data_free(more);
}

static ad_var many_ways_of_physics(nn_model *m, size_t n, const ad_var line[], void *user) {
    return ad_add(many_ways(m, n, line, user), physics_informed(m, n, line, user));
}

static void expect_equal_beyond_the_limit(nn_loss *loss) {
    enum { MORE = 90 };
    double x[MORE * WIDTH];
    for (size_t i = 0; i < MORE; i++)
        memcpy(x + i * WIDTH, nn_data_row(data, i % EXAMPLES), WIDTH * sizeof *x);
    for (size_t i = 0; i < MORE; i++) x[i * WIDTH + 1] += (double)i;
    nn_data *more = nn_data_new(MORE, INPUTS, 1, x);
    size_t   line[MORE];
    double   mean[2], gradient[2][64];
    cr_assert_leq(nn_model_count(model), 64);
    for (size_t k = 0; k < MORE; k++) line[k] = k;
    nn__weights w;
    cr_assert(nn__weights_open(&w, model));
    for (int path = 0; path < 2; path++) {
        nn__rows *r = nn__rows_new(&(nn__rows_config){&w, loss, NULL, more, NULL, path == 1, 0});
        cr_assert_eq(nn__rows_run(r, MORE, line, &mean[path], gradient[path]), AD_OK, "%s",
                     nn__rows_message(r));
        cr_expect_eq(nn__rows_programs(r), path == 1 ? 0 : 64);
        cr_expect(path == 1 ? nn__rows_note(r)[0] == '\0'
                            : strstr(nn__rows_note(r), "ad_where") != NULL,
                  "%s", nn__rows_note(r));
        nn__rows_free(r);
    }
    cr_expect(close_to(mean[0], mean[1], 1e3 * U, 0));
    for (size_t i = 0; i < nn_model_count(model); i++)
        cr_expect(close_to(gradient[0][i], gradient[1][i], 1e4 * U, 1e3 * U));
    nn__weights_close(&w);
    nn_data_free(more);
}

/* A hundred shapes of ten nodes and more each, and a limit on nodes that is passed after the 64
 * that are always kept. */
Test(rows, more_shapes_than_programs_are_recorded_one_by_one_and_that_is_said) {
    enum { MORE = 100 };
    double x[MORE * WIDTH], mean[2], gradient[2][64];
    size_t line[MORE];
    cr_assert_leq(nn_model_count(model), 64);
    for (size_t i = 0; i < MORE; i++) {
        memcpy(x + i * WIDTH, nn_data_row(data, i % EXAMPLES), WIDTH * sizeof *x);
        x[i * WIDTH + 1] = (double)i;
        line[i] = i;
    }
    nn_data    *more = nn_data_new(MORE, INPUTS, 1, x);
    nn__weights w;
    cr_assert(nn__weights_open(&w, model));
    for (int path = 0; path < 2; path++) {
        nn__rows *r = nn__rows_new(
            &(nn__rows_config){&w, of_any_length, NULL, more, second_number, path == 1, 1000});
        cr_expect_str_eq(nn__rows_note(r), "");
        cr_assert_eq(nn__rows_run(r, MORE, line, &mean[path], gradient[path]), AD_OK, "%s",
                     nn__rows_message(r));
        cr_expect_eq(nn__rows_programs(r), path == 1 ? 0 : 64);
        if (path == 1) cr_expect_str_eq(nn__rows_note(r), "", "that is what was asked for");
        else
            cr_expect(
                strncmp(nn__rows_note(r), "row 64 has another shape than 64 programs of ", 45) ==
                        0 &&
                    strstr(nn__rows_note(r),
                           "pad sequences to a few lengths (buckets), or to one with a mask") !=
                        NULL,
                "%s", nn__rows_note(r));
        nn__rows_free(r);
    }
    cr_expect(close_to(mean[0], mean[1], 1e3 * U, 0));
    for (size_t i = 0; i < nn_model_count(model); i++)
        cr_expect(close_to(gradient[0][i], gradient[1][i], 1e4 * U, 1e3 * U));
    nn__weights_close(&w);
    nn_data_free(more);
}

Test(rows, more_ways_than_programs_are_recorded_one_by_one) {
    expect_equal_beyond_the_limit(many_ways);
    expect_equal_beyond_the_limit(many_ways_of_physics);
}

/* What a batch gets does not depend on the branches that its rows took before: a run resumed from a
 * checkpoint has not seen them. */
Test(rows, gradient_of_a_batch_does_not_depend_on_earlier_branches) {
    const size_t count = nn_model_count(model);
    double       gradient[2][128], mean[2];
    size_t       line[EXAMPLES];
    uint64_t     state = 5;
    nn__weights  w;
    cr_assert(nn__weights_open(&w, model) && count <= 128);
    nn__rows *old =
        nn__rows_new(&(nn__rows_config){.weights = &w, .loss = branching, .data = data});
    for (size_t round = 0; round < 40; round++) {
        nn__rows *fresh =
            nn__rows_new(&(nn__rows_config){.weights = &w, .loss = branching, .data = data});
        for (size_t k = 0; k < EXAMPLES; k++) line[k] = (round + 7 * k) % EXAMPLES;
        cr_assert_eq(nn__rows_run(old, EXAMPLES, line, &mean[0], gradient[0]), AD_OK);
        cr_assert_eq(nn__rows_run(fresh, EXAMPLES, line, &mean[1], gradient[1]), AD_OK);
        cr_expect_eq(mean[0], mean[1], "round %zu", round);
        cr_expect(memcmp(gradient[0], gradient[1], count * sizeof(double)) == 0, "round %zu",
                  round);
        for (size_t i = 0; i < count; i++) w.value[i] = random_uniform(&state, -1, 1);
        w.dirty = true;
        nn__rows_free(fresh);
    }
    nn__rows_free(old);
    nn__weights_close(&w);
}

/* ---- training -------------------------------------------------------------------------------- */

/* How often it occurs in a text. */
static size_t times(const char *text, const char *words) {
    size_t n = 0;
    for (const char *at = text; (at = strstr(at, words)) != NULL; at++) n++;
    return n;
}

/* Lines that continue the one before, joined to it. */
static void unfold(char *text) {
    char *to = text;
    for (const char *at = text; *at != '\0'; at++)
        if (strncmp(at, "\n  ", 3) == 0) *to++ = ' ', at += strspn(at, "\n ") - 1;
        else *to++ = *at;
    *to = '\0';
}

/* Once per training, whichever rows cause it, in the progress and on the model. */
Test(rows, training_that_is_slow_for_want_of_programs_says_so_once) {
    enum { MORE = 90 };
    double x[MORE * WIDTH];
    char  *text = NULL;
    size_t length = 0;
    for (size_t i = 0; i < MORE; i++)
        memcpy(x + i * WIDTH, nn_data_row(data, i % EXAMPLES), WIDTH * sizeof *x);
    for (size_t i = 0; i < MORE; i++) x[i * WIDTH + 1] += (double)i;
    nn_data      *more = nn_data_new(MORE, INPUTS, 1, x);
    nn_optimizer *sgd = nn_sgd(1e-3);
    FILE         *to = open_memstream(&text, &length);
    cr_expect_eq(
        nn_train(model, many_ways, NULL, more, sgd,
                 &(nn_train_config){
                     .epochs = 2, .batch = 9, .progress = true, .stream = to, .held_out = more}),
        AD_OK, "%s", nn_model_message(model));
    fclose(to);
    unfold(text);
    cr_expect_eq(times(text, "note: row "), 1, "%s", text);
    cr_expect_eq(times(text, "recorded one by one, about ten times slower"), 1, "%s", text);
    cr_expect_not_null(strstr(nn_model_note(model), "recorded one by one"));
    cr_expect_str_eq(nn_model_message(model), "");
    free(text);
    cr_expect_eq(
        nn_train(model, plain, NULL, data, sgd, &(nn_train_config){.epochs = 1, .batch = 9}),
        AD_OK);
    cr_expect_str_eq(nn_model_note(model), "", "it is about the last training");
    cr_expect_str_eq(nn_model_note(NULL), "");
    nn_optimizer_free(sgd);
    nn_data_free(more);
}

static void train(double after[], bool by_example, nn_loss *loss) {
    nn_optimizer *sgd = nn_sgd(0.3);
    double        before[64];
    cr_assert_leq(nn_model_count(model), 64);
    nn_model_values(model, before);
    cr_expect_eq(nn_train(model, loss, NULL, data, sgd,
                          &(nn_train_config){
                              .epochs = 5,
                              .batch = 8,
                              .seed = 11,
                              .by_example = by_example,
                          }),
                 AD_OK, "%s", nn_model_message(model));
    nn_model_values(model, after);
    nn_model_set_values(model, before);
    nn_optimizer_free(sgd);
}

Test(rows, training_by_programs_and_by_examples_ends_at_the_same_weights) {
    double a[64], b[64];
    train(a, false, branching);
    train(b, true, branching);
    for (size_t i = 0; i < nn_model_count(model); i++)
        cr_expect(close_to(a[i], b[i], 1e-12, 1e-13), "parameter %zu: %.17g and %.17g", i, a[i],
                  b[i]);
}

/* ---- errors ---------------------------------------------------------------------------------- */

static void expect_refused(nn_loss *loss, void *user, bool by_example, nn_shape *shape,
                           ad_status status, const char *words) {
    nn_optimizer *sgd = nn_sgd(0.3);
    double        before[64], after[64];
    nn_model_values(model, before);
    cr_expect_eq(nn_train(model, loss, user, data, sgd,
                          &(nn_train_config){
                              .epochs = 2,
                              .batch = 8,
                              .by_example = by_example,
                              .shape = shape,
                          }),
                 status);
    cr_expect_not_null(strstr(nn_model_message(model), words), "\"%s\" is not in \"%s\"", words,
                       nn_model_message(model));
    nn_model_clear(model);
    nn_model_values(model, after);
    for (size_t i = 0; i < nn_model_count(model) && status != AD_BAD_ARGUMENT; i++)
        cr_expect(same_bits(before[i], after[i]));
    nn_optimizer_free(sgd);
}

static ad_var a_number(nn_model *m, size_t n, const ad_var line[], void *user) {
    (void)m, (void)user, (void)n;
    return ad_num(ad_value(line[0]));
}

static ad_var a_stranger(nn_model *m, size_t n, const ad_var line[], void *other) {
    (void)m, (void)line, (void)n;
    return ad_input(other, 1);
}

Test(rows, a_plain_number_is_no_loss) {
    expect_refused(a_number, NULL, false, NULL, AD_BAD_ARGUMENT, "plain number");
    expect_refused(a_number, NULL, true, NULL, AD_BAD_ARGUMENT, "plain number");
}
Test(rows, a_loss_of_another_tape_is_refused) {
    ad_tape *other = ad_tape_new();
    expect_refused(a_stranger, other, false, NULL, AD_TWO_TAPES, "another tape");
    expect_refused(a_stranger, other, true, NULL, AD_TWO_TAPES, "another tape");
    ad_tape_free(other);
}
Test(rows, rows_called_alike_that_are_not_are_noticed) {
    expect_refused(of_several_lengths, NULL, false, all_alike, AD_BAD_ARGUMENT,
                   "records another graph than row");
}

static ad_var by_lot(nn_model *m, size_t n, const ad_var line[], void *user) {
    return ad_mul(plain(m, n, line, NULL), ad_num(random_uniform(user, 0.5, 1.5)));
}

Test(rows, a_loss_drawn_by_lot_is_noticed) {
    uint64_t state = 5;
    expect_refused(by_lot, &state, false, all_alike, AD_BAD_ARGUMENT, "recorded again");
    expect_refused(by_lot, &state, false, NULL, AD_BAD_ARGUMENT, "recorded again");
}

static ad_var log_of_one_row(nn_model *m, size_t n, const ad_var line[], void *at) {
    const ad_var is = ad_equal(line[1], ad_num(nn_data_row(data, *(size_t *)at)[1]));
    return ad_add(plain(m, n, line, NULL), ad_log(ad_sub(ad_num(1), ad_mul(is, ad_num(2)))));
}

Test(rows, a_loss_that_is_not_a_number_names_the_row) {
    size_t at = 31;
    expect_refused(log_of_one_row, &at, false, NULL, AD_BAD_ARGUMENT, "row 31: the loss is");
    expect_refused(log_of_one_row, &at, true, NULL, AD_BAD_ARGUMENT, "row 31: the loss is");
    expect_refused(log_of_one_row, &at, false, NULL, AD_BAD_ARGUMENT,
                   "first number that is not finite is #");
    expect_refused(log_of_one_row, &at, false, NULL, AD_BAD_ARGUMENT, " log(#");
}

static ad_var root_of_one_row(nn_model *m, size_t n, const ad_var line[], void *at) {
    const ad_var other = ad_not_equal(line[1], ad_num(nn_data_row(data, *(size_t *)at)[1])),
                 w = nn_model_params(m)[2];
    return ad_add(plain(m, n, line, NULL), ad_sqrt(ad_mul(ad_mul(w, w), other)));
}

Test(rows, a_derivative_that_is_not_finite_names_row_and_parameter) {
    size_t        at = 30;
    const ad_var *w = nn_model_params(model);
    ad_set(w[2], 0.25);
    expect_refused(root_of_one_row, &at, false, NULL, AD_BAD_ARGUMENT,
                   "row 30: the derivative of the loss in layers.0.weight[0][2] is");
}

static ad_var picks_too_far(nn_model *m, size_t n, const ad_var line[], void *user) {
    (void)user;
    const ad_var w[] = {nn_model_params(m)[0], nn_model_params(m)[1]};
    return ad_add(plain(m, n, line, NULL), ad_pick(line[0], 2, w));
}

Test(rows, an_index_out_of_range_names_the_row_of_the_data) {
    size_t line = 0;
    char   words[40];
    while (nn_data_row(data, line)[0] != 2) line++;
    cr_assert_lt(line, EXAMPLES);
    double x[2 * WIDTH];
    memcpy(x, nn_data_row(data, line == 0 ? 1 : 0), WIDTH * sizeof *x);
    x[0] = 1;
    memcpy(x + WIDTH, nn_data_row(data, line), WIDTH * sizeof *x);
    nn_data *two = nn_data_new(2, INPUTS, 1, x), *kept = data;
    data = two;
    snprintf(words, sizeof words, "row 1: pick");
    nn_optimizer *sgd = nn_sgd(0.3);
    cr_expect_eq(
        nn_train(model, picks_too_far, NULL, two, sgd, &(nn_train_config){.epochs = 1, .batch = 2}),
        AD_BAD_ARGUMENT);
    cr_expect_not_null(strstr(nn_model_message(model), words), "%s", nn_model_message(model));
    nn_optimizer_free(sgd);
    nn_data_free(two);
    data = kept;
}
