/* train.c - tests of nn/train.c: steps follow the equations, runs are determined by their seed, and
 * errors are reported with their position. */
#include "nn/nn.h"

#include "expect.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static ad_tape  *tape;
static nn_model *model;

static void make(void) {
    tape = ad_tape_new();
    model = nn_model_new(tape, 1);
}
static void drop(void) {
    nn_model_free(model);
    ad_tape_free(tape);
}

TestSuite(train, .init = make, .fini = drop);

/* ---- a line through points ------------------------------------------------------------------- */

enum { POINTS = 7, SEEN = 100 };

/* (w*x + b - t)^2, with a log of the examples it was called for, which is complete if training
 * records each example (by_example); rows.c compares the two ways of training. */
typedef struct line {
    const ad_var *w, *b;
    size_t        asked;
    double        seen[SEEN]; /* x of each example, in order */
    size_t        stop_after; /* epochs; 0: never */
} line;

static line new_line(void) {
    return (line){.w = nn_param(model, "w", 0, NULL, nn_init_uniform(0.5, 0.5)),
                  .b = nn_param(model, "b", 0, NULL, nn_init_uniform(-1, -1))};
}

static ad_var line_loss(nn_model *m, size_t n, const ad_var row[], void *user) {
    line *l = user;
    cr_assert(m == model && n == 2);
    if (l->asked < SEEN) l->seen[l->asked] = ad_value(row[0]);
    l->asked++;
    const ad_var error = ad_sub(ad_add(ad_mul(*l->w, row[0]), *l->b), row[1]);
    return ad_mul(error, error);
}

/* x = 0..6 and t = 3x + 2. */
static nn_data *points(void) {
    double values[2 * POINTS];
    for (int i = 0; i < POINTS; i++) values[2 * i] = i, values[2 * i + 1] = 3 * i + 2;
    return nn_data_new(POINTS, 1, 1, values);
}

static ad_status run(nn_loss *loss, void *user, nn_data *data, double rate,
                     const nn_train_config *config) {
    nn_optimizer   *sgd = nn_sgd(rate);
    const ad_status status = nn_train(model, loss, user, data, sgd, config);
    cr_expect_eq(status, nn_model_status(model));
    nn_optimizer_free(sgd);
    nn_data_free(data);
    return status;
}

/* dC/dw is the mean of 2*(w*x + b - t)*x, dC/db of 2*(w*x + b - t). */
Test(train, step_takes_the_mean_of_the_gradients_of_its_examples) {
    line   l = new_line();
    double dw = 0, db = 0;
    for (int x = 0; x < POINTS; x++) {
        const double error = 0.5 * x - 1 - (3 * x + 2);
        dw += 2 * error * x / POINTS, db += 2 * error / POINTS;
    }
    cr_expect_eq(
        run(line_loss, &l, points(), 0.01, &(nn_train_config){.epochs = 1, .batch = POINTS}),
        AD_OK);
    cr_expect_float_eq(ad_value(*l.w), 0.5 - 0.01 * dw, 1e-15);
    cr_expect_float_eq(ad_value(*l.b), -1 - 0.01 * db, 1e-15);
}

Test(train, last_step_of_an_epoch_averages_over_what_is_left) {
    line   l = new_line();
    double w = 0.5, b = -1;
    run(line_loss, &l, points(), 0.01,
        &(nn_train_config){.epochs = 1, .batch = 3, .by_example = true});
    cr_assert_eq(l.asked, (size_t)POINTS);
    for (int first = 0; first < POINTS; first += 3) {
        const int n = POINTS - first < 3 ? POINTS - first : 3;
        double    dw = 0, db = 0;
        for (int i = first; i < first + n; i++) {
            const double x = l.seen[i], error = w * x + b - (3 * x + 2);
            dw += 2 * error * x / n, db += 2 * error / n;
        }
        w -= 0.01 * dw, b -= 0.01 * db;
    }
    cr_expect_float_eq(ad_value(*l.w), w, 1e-14);
    cr_expect_float_eq(ad_value(*l.b), b, 1e-14);
}

Test(train, every_epoch_takes_each_row_once_in_a_new_order) {
    line l = new_line();
    run(line_loss, &l, points(), 1e-3,
        &(nn_train_config){.epochs = 3, .batch = 2, .by_example = true});
    cr_assert_eq(l.asked, (size_t)(3 * POINTS));
    for (int epoch = 0; epoch < 3; epoch++) {
        int seen = 0;
        for (int i = 0; i < POINTS; i++) seen |= 1 << (int)l.seen[epoch * POINTS + i];
        cr_expect_eq(seen, (1 << POINTS) - 1);
    }
    cr_expect_arr_neq(l.seen, l.seen + POINTS, POINTS * sizeof *l.seen);
}

Test(train, line_is_found) {
    line l = new_line();
    run(line_loss, &l, points(), 0.01, &(nn_train_config){.epochs = 2000, .batch = 1});
    cr_expect_float_eq(ad_value(*l.w), 3, 1e-9);
    cr_expect_float_eq(ad_value(*l.b), 2, 1e-9);
}

Test(train, tape_is_afterwards_as_before) {
    line         l = new_line();
    const ad_var above = ad_exp(*l.w);
    const size_t length = ad_tape_length(tape);
    run(line_loss, &l, points(), 0.01, &(nn_train_config){.epochs = 2, .batch = 2});
    cr_expect_eq(ad_tape_length(tape), length);
    cr_expect_eq(ad_value(above), exp(0.5), "what was recorded before keeps its value");
    ad_replay(tape);
    cr_expect_eq(ad_value(above), exp(ad_value(*l.w)));
}

/* ---- Mazur's network ------------------------------------------------------------------------- */

/* mattmazur.com/2015/03/17/a-step-by-step-backpropagation-example: two inputs, two hidden and two
 * output units, sigmoids, half the squared error; the biases are fixed, the rate is 0.5. */
typedef struct mazur {
    const ad_var *w; /* w1..w8 */
} mazur;

static void mazur_forward(const mazur *m, const ad_var x[], ad_var out[]) {
    ad_var hidden[2];
    for (int j = 0; j < 2; j++) hidden[j] = nn_neuron(2, m->w + 2 * j, x, ad_num(0.35), ad_sigmoid);
    for (int j = 0; j < 2; j++)
        out[j] = nn_neuron(2, m->w + 4 + 2 * j, hidden, ad_num(0.60), ad_sigmoid);
}

static ad_var mazur_loss(nn_model *m, size_t n, const ad_var row[], void *user) {
    (void)m, (void)n;
    ad_var out[2];
    mazur_forward(user, row, out);
    return nn_mse(2, out, row + 2); /* the mean over two outputs is half of the sum */
}

Test(train, one_step_of_mazurs_network) {
    const double row[] = {0.05, 0.10, 0.01, 0.99};
    const double after[] = {0.149780716, 0.19956143,  0.24975114,  0.29950229,
                            0.35891648,  0.408666186, 0.511301270, 0.561370121};
    const size_t eight[] = {8};
    mazur        m = {nn_param(model, "w", 1, eight, nn_init_uniform(0, 1))};
    ad_var       out[2], x[4];
    for (int i = 0; i < 8; i++) ad_set(m.w[i], 0.15 + 0.05 * i + (i >= 4 ? 0.05 : 0));
    for (int i = 0; i < 4; i++) x[i] = ad_num(row[i]);
    mazur_forward(&m, x, out);
    cr_expect_float_eq(ad_value(out[0]), 0.75136507, 5e-9);
    cr_expect_float_eq(ad_value(out[1]), 0.772928465, 5e-10);
    cr_expect_float_eq(ad_value(mazur_loss(model, 4, x, &m)), 0.298371109, 5e-10);
    run(mazur_loss, &m, nn_data_new(1, 2, 2, row), 0.5,
        &(nn_train_config){.epochs = 1, .batch = 1});
    for (int i = 0; i < 8; i++) cr_expect_float_eq(ad_value(m.w[i]), after[i], 5e-9, "w%d", i + 1);
    cr_expect_float_eq(ad_value(mazur_loss(model, 4, x, &m)), 0.291027924, 2e-7);
}

/* After the first round the published error has six correct digits, as the same loop in any other
 * language shows; 10,000 rounds later the published outputs have five and the error three. */
Test(train, ten_thousand_steps_of_mazurs_network) {
    const double row[] = {0.05, 0.10, 0.01, 0.99};
    const size_t eight[] = {8};
    mazur        m = {nn_param(model, "w", 1, eight, nn_init_uniform(0, 1))};
    ad_var       out[2], x[4];
    for (int i = 0; i < 8; i++) ad_set(m.w[i], 0.15 + 0.05 * i + (i >= 4 ? 0.05 : 0));
    run(mazur_loss, &m, nn_data_new(1, 2, 2, row), 0.5,
        &(nn_train_config){.epochs = 10000, .batch = 1});
    for (int i = 0; i < 4; i++) x[i] = ad_num(row[i]);
    mazur_forward(&m, x, out);
    cr_expect_float_eq(ad_value(out[0]), 0.015912196, 2e-6);
    cr_expect_float_eq(ad_value(out[1]), 0.984065734, 2e-6);
    cr_expect_float_eq(ad_value(mazur_loss(model, 4, x, &m)), 0.0000351085, 1e-8);
}

/* ---- a classifier ---------------------------------------------------------------------------- */

enum { INPUTS = 6, CLASSES = 10, EXAMPLES = 200 };

/* Random points whose class is the index of their largest coordinate. */
static nn_data *clusters(void) {
    double    values[EXAMPLES * (INPUTS + 1)];
    nn_random random = nn_random_seeded(77);
    for (size_t i = 0; i < EXAMPLES; i++) {
        const size_t kind = i % CLASSES;
        double      *row = values + i * (INPUTS + 1);
        for (size_t k = 0; k < INPUTS; k++)
            row[k] = (kind >> (k % 4) & 1 ? 1 : -1) + 0.2 * (nn_random_uniform(&random) - 0.5);
        row[INPUTS] = (double)kind;
    }
    return nn_data_new(EXAMPLES, INPUTS, 1, values);
}

typedef struct classifier {
    nn_mlp *mlp;
    double  first_loss, last_loss, last_metric;
    size_t  epochs;
} classifier;

static ad_var class_loss(nn_model *m, size_t n, const ad_var row[], void *user) {
    (void)m;
    const classifier *c = user;
    ad_var            logits[CLASSES];
    nn_mlp_forward(c->mlp, row, logits);
    return nn_cross_entropy(CLASSES, logits, row[n - 1]);
}

static bool note(const nn_epoch *e, void *user) {
    classifier *c = user;
    c->epochs++;
    cr_expect_eq(e->epoch, c->epochs);
    if (c->epochs == 1) c->first_loss = e->loss;
    c->last_loss = e->loss;
    c->last_metric = e->metric;
    return true;
}

static const size_t class_sizes[] = {INPUTS, 12, CLASSES};

static classifier new_classifier(nn_model *m) {
    return (classifier){.mlp = nn_mlp_new(m, &(nn_mlp_config){.layers = 2, .sizes = class_sizes})};
}

/* A tiny step, so that the mean over the epoch is that of the untrained network. */
Test(train, untrained_network_loses_about_ln_k) {
    classifier c = new_classifier(model);
    run(class_loss, &c, clusters(), 1e-12,
        &(nn_train_config){.epochs = 1, .batch = EXAMPLES, .watch = note});
    cr_expect_float_eq(c.first_loss, log(CLASSES), 0.1 * log(CLASSES));
    nn_mlp_free(c.mlp);
}

Test(train, network_learns_to_tell_clusters_apart) {
    classifier c = new_classifier(model);
    run(class_loss, &c, clusters(), 0.2,
        &(nn_train_config){.epochs = 60, .batch = 10, .watch = note});
    cr_expect(c.last_loss < 0.05, "%g", c.last_loss);
    nn_mlp_free(c.mlp);
}

/* The parameters after a run with this seed, on a tape of its own. */
static void trained(uint64_t seed, size_t room, double param[]) {
    ad_tape              *own = ad_tape_new();
    nn_model             *m = nn_model_new(own, 5);
    classifier            c = new_classifier(m);
    nn_data              *data = clusters();
    nn_optimizer         *sgd = nn_sgd(0.1);
    const nn_train_config config = {.epochs = 3, .batch = 7, .seed = seed};
    cr_expect_eq(nn_train(m, class_loss, &c, data, sgd, &config), AD_OK, "%s", nn_model_message(m));
    cr_assert_eq(nn_model_count(m), room);
    for (size_t i = 0; i < room; i++) param[i] = ad_value(nn_model_params(m)[i]);
    nn_optimizer_free(sgd), nn_data_free(data), nn_mlp_free(c.mlp), nn_model_free(m),
        ad_tape_free(own);
}

Test(train, same_seed_gives_the_same_run_to_the_bit) {
    enum { N = (INPUTS + 1) * 12 + (12 + 1) * CLASSES };
    double one[N], same[N], other[N];
    trained(1, N, one), trained(1, N, same), trained(2, N, other);
    cr_expect_arr_eq(one, same, sizeof one);
    cr_expect_arr_neq(one, other, sizeof one);
}

/* ---- buffers --------------------------------------------------------------------------------- */

/* (w - shift*x)^2: the step is known as long as programs know the shift. */
static ad_var shifted(nn_model *m, size_t n, const ad_var row[], void *user) {
    (void)n, (void)user;
    const ad_var shift = ad_num(nn_buffer_value(m, "shift")[0]);
    const ad_var e = ad_sub(nn_model_params(m)[0], ad_mul(shift, row[0]));
    return ad_mul(e, e);
}

static bool shift_by_one(const nn_step *step, void *user) {
    const double shift = (double)step->steps;
    (void)user;
    return nn_buffer(model, "shift", 0, NULL, &shift) == AD_OK;
}

Test(train, programs_follow_a_buffer_that_changes) {
    const double zero = 0, x[] = {1, 1, 1, 1};
    double       w = 0;
    nn_param(model, "w", 0, NULL, nn_init_uniform(0, 0));
    nn_buffer(model, "shift", 0, NULL, &zero);
    cr_expect_eq(run(shifted, NULL, nn_data_new(4, 1, 0, x), 0.25,
                     &(nn_train_config){.epochs = 2, .batch = 2, .on_step = shift_by_one}),
                 AD_OK, "%s", nn_model_message(model));
    for (int step = 0; step < 4; step++) w -= 0.25 * 2 * (w - step);
    cr_expect_eq(ad_value(nn_model_params(model)[0]), w);
}

/* ---- noise ----------------------------------------------------------------------------------- */

enum { NOISY_ROWS = 24, NOISY_EPOCHS = 3 };

/* What by_example saw: the noise of each row in each epoch, and how often. */
typedef struct noisy {
    const ad_var *w;
    double        seen[NOISY_EPOCHS + 1][NOISY_ROWS][2];
    size_t        calls, held_out;
} noisy;

/* (a + b*normal - x)^2 where uniform is below a half or not there, else 3 times that: with a noted
 * branch on the noise. Row: x, uniform, normal, the number of the row. */
static ad_var noisy_loss(nn_model *m, size_t n, const ad_var row[], void *user) {
    noisy       *o = user;
    const size_t i = (size_t)ad_value(row[3]);
    cr_assert(m == model && n == 4 && i < NOISY_ROWS);
    if (ad_value(row[1]) < 0) {
        cr_expect(ad_value(row[1]) == -1 && ad_value(row[2]) == 0);
        o->held_out++;
    } else {
        const size_t epoch = o->calls++ / NOISY_ROWS % (NOISY_EPOCHS + 1);
        o->seen[epoch][i][0] = ad_value(row[1]), o->seen[epoch][i][1] = ad_value(row[2]);
    }
    const ad_var e = ad_sub(ad_add(o->w[0], ad_mul(o->w[1], row[2])), row[0]);
    if (ad_branch(ad_less(row[1], ad_num(0.5)))) return ad_mul(e, e);
    return ad_mul(ad_num(3), ad_mul(e, e));
}

static nn_data *noisy_rows(void) {
    double value[NOISY_ROWS][2];
    for (size_t i = 0; i < NOISY_ROWS; i++) value[i][0] = sin((double)i), value[i][1] = (double)i;
    nn_data *data = nn_data_new(NOISY_ROWS, 1, 1, value[0]);
    nn_data_noise(data, NN_UNIFORM, 1);
    nn_data_noise(data, NN_NORMAL, 1);
    return data;
}

static const nn_train_config noisy_config = {.epochs = NOISY_EPOCHS, .batch = 5, .seed = 4};

static void train_noisy(noisy *o, const nn_train_config *config) {
    const double start[] = {0.5, -0.25};
    memset(o->seen, 0, sizeof o->seen);
    o->calls = o->held_out = 0;
    nn_model_set_values(model, start);
    cr_expect_eq(run(noisy_loss, o, noisy_rows(), 0.05, config), AD_OK, "%s",
                 nn_model_message(model));
}

static noisy new_noisy(void) {
    const size_t two[] = {2};
    return (noisy){.w = nn_param(model, "w", 1, two, nn_init_uniform(0, 0))};
}

/* Whatever the size of the batches, and in whatever order the rows come. */
Test(train, noise_depends_on_seed_epoch_and_row_alone) {
    noisy           o = new_noisy(), other = o;
    nn_train_config config = noisy_config;
    config.by_example = true;
    train_noisy(&o, &config);
    cr_assert_eq(o.calls, (size_t)(NOISY_EPOCHS * NOISY_ROWS));
    config.batch = 7, config.in_order = true;
    train_noisy(&other, &config);
    cr_expect_arr_eq(o.seen, other.seen, sizeof o.seen);
    config.seed++;
    train_noisy(&other, &config);
    for (size_t epoch = 0; epoch < NOISY_EPOCHS; epoch++)
        for (size_t i = 0; i < NOISY_ROWS; i++) {
            const double *x = o.seen[epoch][i];
            cr_expect(x[0] >= 0 && x[0] < 1 && x[1] != 0);
            cr_expect(x[0] != other.seen[epoch][i][0] && x[1] != other.seen[epoch][i][1]);
            cr_expect(x[0] != o.seen[(epoch + 1) % NOISY_EPOCHS][i][0]);
            cr_expect(x[0] != o.seen[epoch][(i + 1) % NOISY_ROWS][0]);
        }
}

Test(train, noise_is_the_same_in_programs) {
    noisy           o = new_noisy();
    nn_train_config config = noisy_config;
    double          by_program[2], by_example[2];
    train_noisy(&o, &config);
    cr_expect(o.calls < (size_t)(NOISY_EPOCHS * NOISY_ROWS), "rows were run, not recorded");
    nn_model_values(model, by_program);
    config.by_example = true;
    train_noisy(&o, &config);
    nn_model_values(model, by_example);
    for (int k = 0; k < 2; k++) cr_expect_float_eq(by_program[k], by_example[k], 1e-14);
}

Test(train, held_out_rows_and_scores_know_no_noise) {
    noisy           o = new_noisy();
    nn_data        *held_out = noisy_rows();
    nn_train_config config = noisy_config;
    config.by_example = true, config.held_out = held_out, config.score = noisy_loss;
    train_noisy(&o, &config);
    cr_expect_eq(o.held_out, (size_t)(2 * NOISY_EPOCHS * NOISY_ROWS));
    nn_data_free(held_out);
}

/* The same with an `if` that nothing notes, as dropout is written by hand. */
static ad_var unnoted_loss(nn_model *m, size_t n, const ad_var row[], void *user) {
    (void)n, (void)m;
    const noisy *o = user;
    const ad_var e = ad_sub(ad_add(o->w[0], ad_mul(o->w[1], row[2])), row[0]);
    if (ad_value(row[1]) < 0.5) return ad_mul(e, e);
    return ad_mul(ad_num(3), ad_mul(e, e));
}
static uint64_t alike(size_t columns, const double row[], void *user) {
    (void)user;
    cr_expect(columns == 4 && row[1] == -1 && row[2] == 0, "a shape knows no noise");
    return 0;
}

Test(train, an_if_that_looks_at_noise_is_noticed) {
    noisy           o = new_noisy();
    nn_train_config config = noisy_config;
    cr_expect_eq(run(unnoted_loss, &o, noisy_rows(), 0.05, &config), AD_BAD_ARGUMENT);
    cr_expect(strstr(nn_model_message(model), "when its noise is another") != NULL, "%s",
              nn_model_message(model));
    nn_model_clear(model);
    config.shape = alike;
    cr_expect_eq(run(unnoted_loss, &o, noisy_rows(), 0.05, &config), AD_BAD_ARGUMENT);
    cr_expect(strstr(nn_model_message(model), "records another graph") != NULL);
    nn_model_clear(model);
    nn_data *one = nn_data_new(1, 1, 1, (const double[]){1, 0});
    nn_data_noise(one, NN_UNIFORM, 1);
    nn_data_noise(one, NN_NORMAL, 1);
    config.batch = 1, config.epochs = 16;
    cr_expect_eq(run(unnoted_loss, &o, one, 0.05, &config), AD_BAD_ARGUMENT);
    cr_expect(strstr(nn_model_message(model), "row 0 records another graph when its noise") !=
              NULL);
    nn_model_clear(model);
    config.by_example = true, config.batch = 5;
    cr_expect_eq(run(unnoted_loss, &o, noisy_rows(), 0.05, &config), AD_OK);
}

/* E (a + b*normal - x)^2 = (a - x)^2 + b^2: the mean of x, and 0. */
static ad_var spread_loss(nn_model *m, size_t n, const ad_var row[], void *user) {
    (void)n, (void)m;
    const noisy *o = user;
    const ad_var e = ad_sub(ad_add(o->w[0], ad_mul(o->w[1], row[2])), row[0]);
    return ad_mul(e, e);
}

Test(train, spread_of_a_normal_number_is_learned) {
    noisy             o = new_noisy();
    const nn_schedule falling = nn_schedule_linear(0.1, 0, 3000);
    double            mean = 0;
    for (size_t i = 0; i < NOISY_ROWS; i++) mean += sin((double)i) / NOISY_ROWS;
    nn_model_set_values(model, (const double[]){0.5, -0.5});
    cr_expect_eq(run(spread_loss, &o, noisy_rows(), 0.1,
                     &(nn_train_config){.epochs = 3000, .batch = NOISY_ROWS, .schedule = &falling}),
                 AD_OK);
    cr_expect_float_eq(ad_value(o.w[0]), mean, 0.01);
    cr_expect_float_eq(ad_value(o.w[1]), 0, 0.01);
}

Test(train, held_out_rows_need_the_noise_of_the_data) {
    noisy    o = new_noisy();
    nn_data *other = nn_data_new(2, 3, 1, (const double[]){1, 2, 3, 4, 5, 6, 7, 8});
    nn_data *turned = nn_data_new(2, 1, 1, (const double[]){1, 2, 3, 4});
    nn_data_noise(turned, NN_NORMAL, 1);
    nn_data_noise(turned, NN_UNIFORM, 1);
    for (int k = 0; k < 2; k++) {
        nn_train_config config = noisy_config;
        config.held_out = k == 0 ? other : turned;
        cr_expect_eq(run(noisy_loss, &o, noisy_rows(), 0.05, &config), AD_BAD_ARGUMENT);
        cr_expect(strstr(nn_model_message(model), "have other columns of noise than the data"));
        nn_model_clear(model);
    }
    nn_data_free(other);
    nn_data_free(turned);
}

/* ---- what is reported ------------------------------------------------------------------------ */

static char path[] = "/tmp/tapir-test-XXXXXX";

static void temporary(void) {
    const int file = mkstemp(path);
    cr_assert_geq(file, 0);
    close(file);
}

static double eleven(nn_model *m, void *user) {
    (void)user;
    return ad_value(ad_add(ad_mul(nn_model_params(m)[0], ad_num(0)), ad_num(11)));
}

static bool note_or_stop(const nn_epoch *e, void *user) {
    const line *l = user;
    cr_expect(e->loss > 0 && e->seconds >= 0 && e->examples_per_second > 0);
    return e->epoch != l->stop_after;
}

Test(train, history_has_a_header_and_a_row_for_each_epoch) {
    line l = new_line();
    char text[1000];
    temporary();
    run(line_loss, &l, points(), 0.01,
        &(nn_train_config){
            .epochs = 3, .batch = 2, .history = path, .metric = eleven, .metric_name = "eleven"});
    FILE *file = fopen(path, "r");
    cr_assert(fgets(text, sizeof text, file) != NULL);
    cr_expect_str_eq(text, "epoch\tloss\televen\tseconds\texamples_per_second\n");
    for (size_t epoch = 1; epoch <= 3; epoch++) {
        size_t number;
        double loss, metric, seconds, speed;
        cr_assert_eq(fscanf(file, "%zu %lg %lg %lg %lg", &number, &loss, &metric, &seconds, &speed),
                     5);
        cr_expect(number == epoch && loss > 0 && metric == 11 && seconds >= 0 && speed > 0);
    }
    cr_expect_eq(fscanf(file, "%999s", text), EOF);
    fclose(file);
    unlink(path);
}

/* The mean of the losses, each before the step of its example. */
Test(train, loss_of_an_epoch_is_the_mean_over_its_examples) {
    line   l = new_line();
    double w = 0.5, b = -1, mean = 0, told = NAN;
    size_t number = 0;
    temporary();
    run(line_loss, &l, points(), 0.01,
        &(nn_train_config){.epochs = 1, .batch = 1, .history = path, .by_example = true});
    for (int i = 0; i < POINTS; i++) {
        const double x = l.seen[i], error = w * x + b - (3 * x + 2);
        mean += error * error / POINTS;
        w -= 0.01 * 2 * error * x, b -= 0.01 * 2 * error;
    }
    FILE *file = fopen(path, "r");
    cr_assert_eq(fscanf(file, "%*[^\n] %zu %lg", &number, &told), 2);
    cr_expect_float_eq(told, mean, 1e-12);
    fclose(file);
    unlink(path);
}

Test(train, progress_to_a_file_is_a_line_for_each_epoch) {
    line  l = new_line();
    FILE *file = tmpfile();
    char  text[400];
    run(line_loss, &l, points(), 0.01,
        &(nn_train_config){.epochs = 12,
                           .batch = 2,
                           .progress = true,
                           .stream = file,
                           .metric = eleven,
                           .metric_name = "eleven"});
    rewind(file);
    for (int epoch = 1; epoch <= 12; epoch++) {
        char begin[40];
        snprintf(begin, sizeof begin, "epoch %2d/12  loss ", epoch);
        cr_assert(fgets(text, sizeof text, file) != NULL);
        cr_expect(strncmp(text, begin, strlen(begin)) == 0, "%s", text);
        cr_expect(strstr(text, "eleven 11") != NULL && strchr(text, '\x1b') == NULL &&
                      strchr(text, '\r') == NULL,
                  "%s", text);
        cr_expect(strstr(text, epoch < 12 ? " left" : "took ") != NULL, "%s", text);
    }
    cr_expect_null(fgets(text, sizeof text, file));
    fclose(file);
}

Test(train, nothing_is_written_unless_asked_for) {
    line  l = new_line();
    FILE *file = tmpfile();
    run(line_loss, &l, points(), 0.01, &(nn_train_config){.epochs = 2, .batch = 2, .stream = file});
    cr_expect_eq(ftell(file), 0);
    fclose(file);
}

Test(train, watch_ends_the_training_without_an_error) {
    line l = new_line();
    l.stop_after = 2;
    const nn_train_config config = {
        .epochs = 9, .batch = 2, .watch = note_or_stop, .by_example = true};
    cr_expect_eq(run(line_loss, &l, points(), 0.01, &config), AD_OK);
    cr_expect_eq(l.asked, (size_t)(2 * POINTS));
}

/* ---- errors ---------------------------------------------------------------------------------- */

static void expect_message(const char *part) {
    cr_expect(strstr(nn_model_message(model), part) != NULL, "%s", nn_model_message(model));
}

/* The loss of x = 3 is the square root of a negative number in the second epoch. */
static ad_var root_loss(nn_model *m, size_t n, const ad_var row[], void *user) {
    line        *l = user;
    const ad_var square = line_loss(m, n, row, user);
    if (ad_value(row[0]) == 3 && l->asked > POINTS) return ad_mul(square, ad_sqrt(ad_num(-1)));
    return square;
}

Test(train, loss_that_is_nan_stops_with_epoch_step_and_row) {
    line                  l = new_line();
    const size_t          length = ad_tape_length(tape);
    const nn_train_config config = {.epochs = 5, .batch = 1, .by_example = true};
    cr_expect_eq(run(root_loss, &l, points(), 1e-3, &config), AD_BAD_ARGUMENT);
    char   begin[80];
    size_t step = 1;
    while (l.seen[POINTS + step - 1] != 3) step++;
    snprintf(begin, sizeof begin, "epoch 2, step %zu, row 3: the loss is nan", step);
    expect_message(begin);
    cr_expect(isfinite(ad_value(*l.w)) && isfinite(ad_value(*l.b)));
    cr_expect_eq(ad_tape_length(tape), length);
}

Test(train, parameters_stay_as_the_bad_step_found_them) {
    const nn_train_config one = {.epochs = 1, .batch = POINTS, .by_example = true};
    line                  l = new_line();
    run(root_loss, &l, points(), 1e-3, &one);
    const double w = ad_value(*l.w), b = ad_value(*l.b);
    cr_expect_eq(run(root_loss, &l, points(), 1e-3, &one), AD_BAD_ARGUMENT);
    expect_message("epoch 1, step 1, row 3");
    cr_expect(ad_value(*l.w) == w && ad_value(*l.b) == b);
}

/* Finite, but with an infinite derivative at w = 0. */
static ad_var steep_loss(nn_model *m, size_t n, const ad_var row[], void *user) {
    (void)m, (void)n, (void)row;
    const line *l = user;
    return ad_sqrt(ad_sub(*l->w, ad_num(0.5)));
}

Test(train, derivative_that_is_not_finite_stops_with_its_parameter) {
    line l = new_line();
    cr_expect_eq(run(steep_loss, &l, points(), 1e-3, &(nn_train_config){.epochs = 1, .batch = 2}),
                 AD_BAD_ARGUMENT);
    expect_message("epoch 1, step 1");
    expect_message("the derivative of the loss in w is inf");
    cr_expect_eq(ad_value(*l.w), 0.5);
}

static ad_var failing_loss(nn_model *m, size_t n, const ad_var row[], void *user) {
    (void)m, (void)user;
    return ad_pick(ad_num(9), n, row);
}

Test(train, error_of_the_tape_stops_with_epoch_step_and_row) {
    line l = new_line();
    cr_expect_eq(run(failing_loss, &l, points(), 1e-3, &(nn_train_config){.epochs = 1, .batch = 2}),
                 AD_BAD_ARGUMENT);
    expect_message("epoch 1, step 1, row ");
}

static ad_var growing_loss(nn_model *m, size_t n, const ad_var row[], void *user) {
    (void)n, (void)row, (void)user;
    const ad_var *late = nn_param(m, "late", 0, NULL, nn_init_uniform(0, 1));
    return late != NULL ? *late : ad_num(NAN);
}

Test(train, loss_must_not_add_parameters) {
    const size_t before[] = {3};
    nn_param(model, "w", 1, before, nn_init_uniform(0, 1));
    cr_expect_eq(
        run(growing_loss, NULL, points(), 1e-3, &(nn_train_config){.epochs = 1, .batch = 1}),
        AD_BAD_ARGUMENT);
    expect_message("late");
    nn_model_clear(model);
    const nn_train_config config = {.epochs = 1, .batch = 1, .by_example = true};
    cr_expect_eq(run(growing_loss, NULL, points(), 1e-3, &config), AD_BAD_ARGUMENT);
    expect_message("late");
}

Test(train, batch_larger_than_the_data_is_refused) {
    line l = new_line();
    cr_expect_eq(
        run(line_loss, &l, points(), 0.1, &(nn_train_config){.epochs = 1, .batch = POINTS + 1}),
        AD_BAD_ARGUMENT);
    expect_message("a batch of 8 examples is larger than the data, 7 rows");
    cr_expect_eq(l.asked, 0u);
}

static void expect_refused(nn_loss *loss, const nn_train_config *config, const char *part) {
    line l = {0};
    cr_expect_eq(run(loss, &l, points(), 0.1, config), AD_BAD_ARGUMENT);
    expect_message(part);
    nn_model_clear(model);
}

Test(train, configuration_that_makes_no_sense_is_refused) {
    expect_refused(line_loss, &(nn_train_config){.epochs = 1, .batch = 1}, "no parameters");
    new_line();
    expect_refused(line_loss, &(nn_train_config){.batch = 1}, "epochs is 0");
    expect_refused(line_loss, &(nn_train_config){.epochs = 1}, "batch is 0");
    expect_refused(line_loss, NULL, "no configuration");
    expect_refused(NULL, &(nn_train_config){.epochs = 1, .batch = 1}, "no loss");
}

Test(train, metric_name_is_one_field_of_a_line) {
    static const char *const bad[] = {"a\tb", "loss\n", "\r", "\x1b[2J", "a\x7f", "\xc2\x9b"};
    line                     l = new_line();
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        expect_refused(
            line_loss,
            &(nn_train_config){.epochs = 1, .batch = 1, .metric = eleven, .metric_name = bad[i]},
            "metric_name");
    cr_expect_eq(run(line_loss, &l, points(), 1e-3,
                     &(nn_train_config){.epochs = 1,
                                        .batch = 1,
                                        .metric = eleven,
                                        .metric_name = "Fl\xc3\xa4"
                                                       "che, m\xc2\xb2"}),
                 AD_OK);
}

Test(train, history_and_checkpoint_are_two_files) {
    line l = new_line();
    temporary();
    FILE *file = fopen(path, "w");
    cr_assert(fputs("precious", file) > 0 && fclose(file) == 0);
    cr_expect_eq(
        run(line_loss, &l, points(), 1e-3,
            &(nn_train_config){.epochs = 1, .batch = 1, .history = path, .checkpoint = path}),
        AD_BAD_ARGUMENT);
    expect_message("are the same file");
    file = fopen(path, "a");
    nn_model_clear(model);
    cr_expect_eq(
        run(line_loss, &l, points(), 1e-3,
            &(nn_train_config){
                .epochs = 1, .batch = 1, .progress = true, .stream = file, .checkpoint = path}),
        AD_BAD_ARGUMENT);
    expect_message("is also where the progress goes");
    fclose(file);
    cr_expect_eq(l.asked, 0u);
    char text[20] = "";
    cr_expect(fgets(text, sizeof text, file = fopen(path, "r")) != NULL &&
                  strcmp(text, "precious") == 0,
              "%s", text);
    fclose(file);
    unlink(path);
}

Test(train, errors_of_what_it_was_given_are_passed_on) {
    const nn_train_config config = {.epochs = 1, .batch = 1};
    line                  l = new_line();
    cr_expect_eq(run(line_loss, &l, points(), -1, &config), AD_BAD_ARGUMENT);
    expect_message("rate");
    nn_model_clear(model);
    cr_expect_eq(run(line_loss, &l, nn_data_new(0, 1, 1, NULL), 1, &config), AD_BAD_ARGUMENT);
    expect_message("0 rows");
    nn_model_clear(model);
    cr_expect_eq(run(line_loss, &l, NULL, 1, &config), AD_NO_MEMORY);
    nn_model_clear(model);
    nn_data *data = points();
    cr_expect_eq(nn_train(model, line_loss, &l, data, NULL, &config), AD_NO_MEMORY);
    cr_expect_eq(nn_train(NULL, line_loss, &l, data, NULL, &config), AD_NO_MEMORY);
    nn_data_free(data);
    cr_expect_eq(l.asked, 0u);
}

Test(train, history_that_cannot_be_written_is_named) {
    line l = new_line();
    cr_expect_eq(
        run(line_loss, &l, points(), 0.1,
            &(nn_train_config){.epochs = 1, .batch = 1, .history = "/no/such/folder/history.tsv"}),
        AD_BAD_FILE);
    expect_message("/no/such/folder/history.tsv");
    nn_model_clear(model);
    if (access("/dev/full", W_OK) != 0) return;
    cr_expect_eq(run(line_loss, &l, points(), 1e-3,
                     &(nn_train_config){.epochs = 1, .batch = 1, .history = "/dev/full"}),
                 AD_BAD_FILE);
    expect_message("/dev/full");
}
