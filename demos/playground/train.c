/* train.c - training, live. There is one trainer, which requests of `train` make anew and the
 * others go on with: the only state between requests.
 *
 * The loss of one example is recorded once and compiled; a step runs the program over the rows of a
 * batch and gives the mean gradient to the optimizer. A second program gives the activations of all
 * units, for the pictures. Invariant: param has the weights that the next step begins from, and
 * order, from `done` on, the rows of its batch. */
#include "play.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_LAYERS = 8, MOST_ROWS = 20000, MOST_GRID = 200 };

typedef struct trainer {
    play_shape    shape;
    ad_tape      *tape;
    nn_model     *model;
    nn_data      *train, *test;
    ad_program   *loss, *correct, *units;
    nn_optimizer *optimizer;
    nn_random     random;
    bool          classes;
    size_t        params, batch, step, done, unit_count, inputs, width;
    size_t       *order;
    double       *param, *gradient, *rows, *grid;
} trainer;

static trainer now;

static void forget(trainer *t) {
    ad_program_free(t->loss);
    ad_program_free(t->correct);
    ad_program_free(t->units);
    nn_optimizer_free(t->optimizer);
    nn_model_free(t->model);
    ad_tape_free(t->tape);
    nn_data_free(t->train);
    nn_data_free(t->test);
    free(t->order);
    free(t->param);
    free(t->gradient);
    free(t->rows);
    free(t->grid);
    *t = (trainer){0};
}

/* ---- data ------------------------------------------------------------------------------------ */

/* z = sin(2x)*cos(y) or a plane, at points that are uniform in [-1, 1]^2 and kept apart by the
 * noise. */
static nn_data *surface(bool plane, size_t rows, double noise, uint64_t seed) {
    nn_random random = nn_random_seeded(seed);
    double   *value = calloc(3 * rows, sizeof *value);
    for (size_t i = 0; value != NULL && i < rows; i++) {
        double *row = value + 3 * i;
        row[0] = 2 * nn_random_uniform(&random) - 1;
        row[1] = 2 * nn_random_uniform(&random) - 1;
        row[2] = plane ? 0.5 * row[0] - 0.8 * row[1] : sin(3 * row[0]) * cos(2 * row[1]);
        row[2] += noise * nn_random_normal(&random);
    }
    nn_data *data = value != NULL ? nn_data_new(rows, 2, 1, value) : NULL;
    free(value);
    return data;
}

/* As wide as the other sets: tanh units of the first weights hardly bend within radius 1. */
static nn_data *spirals(size_t rows, double noise, uint64_t seed) {
    nn_data *data = nn_data_spirals(rows, 2, 1.25, 0.3 * noise, seed);
    nn_data_scale(data, 3);
    return data;
}

static nn_data *own(const play_request *r) {
    size_t   n;
    double  *value = play_numbers(r, "values", &n);
    nn_data *data =
        n >= 3 && n % 3 == 0 && n / 3 <= MOST_ROWS ? nn_data_new(n / 3, 2, 1, value) : NULL;
    free(value);
    return data;
}

static nn_data *generate(const play_request *r, const char *set) {
    const size_t   rows = play_count(r, "rows", 200);
    const double   noise = play_number(r, "noise", 0.1);
    const uint64_t seed = play_count(r, "seed", 1);
    if (strcmp(set, "own") == 0) return own(r);
    if (rows < 4 || rows > MOST_ROWS || !(noise >= 0 && noise <= 10)) return NULL;
    if (strcmp(set, "moons") == 0) return nn_data_moons(rows, noise, seed);
    if (strcmp(set, "circles") == 0) return nn_data_circles(rows, 0.45, noise, seed);
    if (strcmp(set, "spirals") == 0) return spirals(rows, noise, seed);
    if (strcmp(set, "xor") == 0) return nn_data_xor(rows, noise, seed);
    if (strcmp(set, "plane") == 0 || strcmp(set, "waves") == 0)
        return surface(*set == 'p', rows, noise, seed);
    return NULL;
}

/* ---- the network ----------------------------------------------------------------------------- */

static nn_optimizer *optimizer(const play_request *r) {
    const char  *name = play_text(r, "optimizer");
    const double rate = play_number(r, "rate", 0.05), decay = play_number(r, "decay", 0);
    if (name != NULL && strcmp(name, "adam") == 0) {
        nn_adam_config c = nn_adam_usual(rate);
        c.weight_decay = decay;
        return nn_adam_new(&c);
    }
    if (name != NULL && strcmp(name, "momentum") == 0)
        return nn_sgd_new(&(nn_sgd_config){.rate = rate, .momentum = 0.9, .weight_decay = decay});
    return nn_sgd_new(&(nn_sgd_config){.rate = rate, .weight_decay = decay});
}

/* Layer by layer, so that every unit's activation is an output. unit: all of them, then the
 * logits. */
static size_t record_units(trainer *t, const nn_layer layer[], const ad_var input[],
                           ad_var unit[]) {
    const ad_var *from = input;
    size_t        n = 0;
    for (size_t l = 0; l < t->shape.layers; l++) {
        nn_layer_forward(&layer[l], from, unit + n);
        from = unit + n;
        n += layer[l].outputs;
    }
    return n;
}

static ad_program *compile(trainer *t, size_t inputs, const ad_var input[], size_t outputs,
                           const ad_var output[]) {
    return ad_compile(&(ad_interface){.params = t->params,
                                      .param = nn_model_params(t->model),
                                      .inputs = inputs,
                                      .input = input,
                                      .outputs = outputs,
                                      .output = output});
}

static bool record(trainer *t) {
    ad_var   x[3], unit[MOST_LAYERS * 64];
    nn_layer layer[MOST_LAYERS];
    for (size_t l = 0; l < t->shape.layers; l++) {
        char name[40];
        snprintf(name, sizeof name, "layers.%zu", l);
        layer[l] = nn_layer_add(
            t->model, name,
            &(nn_layer_config){.inputs = t->shape.size[l],
                               .outputs = t->shape.size[l + 1],
                               .activation = l + 1 < t->shape.layers ? t->shape.activation : NULL});
    }
    t->params = nn_model_count(t->model);
    const size_t inputs = t->inputs, outputs = t->shape.size[t->shape.layers];
    for (size_t i = 0; i <= inputs; i++) x[i] = ad_input(t->tape, 0);
    t->unit_count = record_units(t, layer, x, unit);
    const ad_var *logits = unit + t->unit_count - outputs;
    const ad_var  loss =
        t->classes ? nn_cross_entropy(outputs, logits, x[inputs]) : nn_mse(1, logits, &x[inputs]);
    t->loss = compile(t, inputs + 1, x, 1, &loss);
    t->units = compile(t, inputs, x, t->unit_count, unit);
    if (t->classes) {
        const ad_var correct = nn_correct(outputs, logits, x[inputs]);
        t->correct = compile(t, inputs + 1, x, 1, &correct);
    }
    return t->loss != NULL && t->units != NULL && (!t->classes || t->correct != NULL);
}

static bool allocate(trainer *t) {
    const size_t rows = nn_data_rows(t->train), most = rows + nn_data_rows(t->test);
    t->width = t->inputs + 1;
    t->order = calloc(rows, sizeof *t->order);
    t->param = calloc(t->params, sizeof *t->param);
    t->gradient = calloc(t->params, sizeof *t->gradient);
    t->rows = calloc(most * t->width, sizeof *t->rows);
    if (t->order == NULL || t->param == NULL || t->gradient == NULL || t->rows == NULL)
        return false;
    for (size_t i = 0; i < rows; i++) t->order[i] = i;
    nn_random_shuffle(&t->random, rows, t->order);
    return true;
}

/* ---- looking --------------------------------------------------------------------------------- */

static double mean_of(trainer *t, const ad_program *program, const nn_data *data) {
    const size_t rows = nn_data_rows(data);
    double      *value = calloc(rows + 1, sizeof *value), sum = 0;
    const bool   good =
        value != NULL && rows > 0 &&
        ad_program_values(program, t->param, rows, nn_data_row(data, 0), value) == AD_OK;
    for (size_t i = 0; good && i < rows; i++) sum += value[i];
    free(value);
    return good ? sum / (double)rows : NAN;
}

/* The root of the mean square of the gradient of each layer's weights, over the training rows. */
static void write_norms(trainer *t, FILE *to) {
    double        mean;
    const bool    good = ad_program_gradient(t->loss, t->param, nn_data_rows(t->train),
                                             nn_data_row(t->train, 0), &mean, t->gradient) == AD_OK;
    const double *g = t->gradient;
    fputs(",\"norms\":[", to);
    for (size_t l = 0; l < t->shape.layers; l++) {
        const size_t n = t->shape.size[l] * t->shape.size[l + 1];
        double       sum = 0;
        for (size_t i = 0; i < n; i++) sum += g[i] * g[i];
        if (l > 0) fputc(',', to);
        ad__json_number(good ? sqrt(sum / (double)n) : NAN, to);
        g += n + t->shape.size[l + 1];
    }
    fputs("],\"gradient\":", to);
    play_write_numbers(good ? t->params : 0, t->gradient, to);
}

static void write_look(trainer *t, FILE *to) {
    fprintf(to, "{\"step\":%zu,\"epoch\":", t->step);
    ad__json_number((double)t->step * (double)t->batch / (double)nn_data_rows(t->train), to);
    fputs(",\"loss\":", to);
    ad__json_number(mean_of(t, t->loss, t->train), to);
    fputs(",\"test_loss\":", to);
    ad__json_number(mean_of(t, t->loss, t->test), to);
    if (t->classes) {
        fputs(",\"accuracy\":", to);
        ad__json_number(mean_of(t, t->correct, t->train), to);
        fputs(",\"test_accuracy\":", to);
        ad__json_number(mean_of(t, t->correct, t->test), to);
    }
    fputs(",\"params\":", to);
    play_write_numbers(t->params, t->param, to);
    write_norms(t, to);
}

static void write_data(const char *key, const nn_data *data, FILE *to) {
    fprintf(to, ",\"%s\":", key);
    play_write_numbers(nn_data_rows(data) * 3, nn_data_rows(data) > 0 ? nn_data_row(data, 0) : NULL,
                       to);
}

/* ---- commands -------------------------------------------------------------------------------- */

/* Every target is a class, 0 to classes - 1. */
static bool are_classes(const nn_data *data, size_t classes) {
    for (size_t i = 0; i < nn_data_rows(data); i++) {
        const double target = nn_data_row(data, i)[2];
        if (!(target >= 0 && target < (double)classes && floor(target) == target)) return false;
    }
    return true;
}

static const char *begin(const play_request *r, trainer *t) {
    const char *set = play_text(r, "set");
    t->train = generate(r, set != NULL ? set : "moons");
    if (t->train == NULL || nn_data_status(t->train) != AD_OK)
        return t->train != NULL
                 ? nn_data_message(t->train)
                 : "The data need at least 4 rows of two inputs and a target, and 20,000 at most.";
    if (play_count(r, "classes", 2) > 0 && !are_classes(t->train, play_count(r, "classes", 2)))
        return "A target is none of the classes: they are whole numbers from 0.";
    const double share = play_number(r, "test", 0.3);
    t->test = nn_data_split(t->train, share >= 0.05 && share <= 0.8 ? share : 0.3,
                            play_count(r, "seed", 1));
    t->inputs = 2;
    t->classes = play_count(r, "classes", 2) > 0;
    t->batch = play_count(r, "batch", 10);
    t->tape = ad_tape_new();
    t->model = nn_model_new(t->tape, play_count(r, "seed", 1));
    t->optimizer = optimizer(r);
    t->random = nn_random_seeded(play_count(r, "seed", 1));
    if (t->shape.size[0] != 2 ||
        t->shape.size[t->shape.layers] != (t->classes ? play_count(r, "classes", 2) : 1))
        return "The network has other inputs or outputs than the data.";
    if (nn_data_status(t->test) != AD_OK) return nn_data_message(t->test);
    if (nn_optimizer_status(t->optimizer) != AD_OK) return nn_optimizer_message(t->optimizer);
    if (t->batch == 0 || !record(t) || !allocate(t))
        return t->batch == 0                      ? "A batch has at least one example."
             : nn_model_status(t->model) != AD_OK ? nn_model_message(t->model)
                                                  : "The engine has no memory left.";
    if (t->batch > nn_data_rows(t->train)) t->batch = nn_data_rows(t->train);
    nn_model_values(t->model, t->param);
    return NULL;
}

/* Makes the trainer: set (moons, circles, spirals, xor, plane, waves, own with values), rows,
 * noise, test (the share that is held out), seed, classes (0: regression), sizes, activation,
 * optimizer, rate, decay, batch. The answer has the data, rows of x, y and the target, and what
 * `look` says. */
void play_train(const play_request *r, FILE *to) {
    trainer next = {0};
    if (!play_sizes(r, &next.shape, to)) return;
    const char *wrong = begin(r, &next);
    if (wrong != NULL) {
        play_write_error(wrong, to);
        forget(&next);
        return;
    }
    forget(&now);
    now = next;
    write_look(&now, to);
    write_data("train", now.train, to);
    write_data("test", now.test, to);
    fputc('}', to);
}

/* The next batch into rows, and the gradient of its mean loss. Returns how many rows it has; 0 if
 * the loss is not finite any more. */
static size_t next_batch(trainer *t, double *loss) {
    const size_t left = nn_data_rows(t->train) - t->done, n = t->batch < left ? t->batch : left;
    for (size_t i = 0; i < n; i++)
        memcpy(t->rows + i * t->width, nn_data_row(t->train, t->order[t->done + i]),
               t->width * sizeof *t->rows);
    return ad_program_gradient(t->loss, t->param, n, t->rows, loss, t->gradient) == AD_OK &&
                   isfinite(*loss)
             ? n
             : 0;
}

/* One batch; false if the loss is not finite any more: then nothing changed. */
static bool one_step(trainer *t, double *loss) {
    const size_t rows = nn_data_rows(t->train), n = next_batch(t, loss);
    if (n == 0 || nn_optimizer_update(t->optimizer, t->params, t->param, t->gradient) != AD_OK)
        return false;
    t->done += n;
    if (t->done == rows) {
        t->done = 0;
        nn_random_shuffle(&t->random, rows, t->order);
    }
    t->step++;
    return true;
}

/* `steps` batches; the answer is what `look` says, or with brief 1 the number of the step alone,
 * and "stopped": true if the loss was not finite. */
void play_steps(const play_request *r, FILE *to) {
    if (now.loss == NULL) {
        play_write_error("nothing is being trained", to);
        return;
    }
    bool   good = true;
    double loss;
    for (size_t left = play_count(r, "steps", 1); left > 0 && good; left--)
        good = one_step(&now, &loss);
    if (good && play_count(r, "brief", 0) != 0) fprintf(to, "{\"step\":%zu", now.step);
    else write_look(&now, to);
    fprintf(to, ",\"stopped\":%s}", good ? "false" : "true");
}

/* {"batch","of","rows","loss","gradient"}: which batch of the epoch the next step takes, counted
 * from 1, and of how many; its rows of x, y and the target; its mean loss and the gradient of that
 * by all weights, as they are now. */
void play_batch(const play_request *r, FILE *to) {
    double loss;
    (void)r;
    const size_t n = now.loss != NULL ? next_batch(&now, &loss) : 0;
    if (n == 0) {
        play_write_error(now.loss != NULL ? "The loss of the next batch is not finite."
                                          : "nothing is being trained",
                         to);
        return;
    }
    const size_t rows = nn_data_rows(now.train);
    fprintf(to, "{\"batch\":%zu,\"of\":%zu,\"rows\":", now.done / now.batch + 1,
            (rows + now.batch - 1) / now.batch);
    play_write_numbers(n * now.width, now.rows, to);
    fputs(",\"loss\":", to);
    ad__json_number(loss, to);
    fputs(",\"gradient\":", to);
    play_write_numbers(now.params, now.gradient, to);
    fputc('}', to);
}

/* The activations of all units at n x n points of [x0, x1] x [y0, y1], y downwards: an address of
 * n*n*units numbers, the units of a point together; with print 1 the numbers. */
void play_grid(const play_request *r, FILE *to) {
    const size_t n = play_count(r, "n", 40);
    size_t       sides;
    double      *side = play_numbers(r, "range", &sides);
    if (now.units == NULL || n < 2 || n > MOST_GRID || sides != 4)
        play_write_error("no picture of that", to);
    else {
        const size_t units = now.unit_count;
        double      *input = calloc(2 * n * n, sizeof *input);
        double      *more = realloc(now.grid, n * n * units * sizeof *more);
        if (more != NULL) now.grid = more;
        for (size_t i = 0; input != NULL && i < n * n; i++) {
            input[2 * i] = side[0] + (side[1] - side[0]) * (double)(i % n) / (double)(n - 1);
            input[2 * i + 1] = side[3] - (side[3] - side[2]) * (double)(i / n) / (double)(n - 1);
        }
        if (more == NULL || input == NULL ||
            ad_program_values(now.units, now.param, n * n, input, now.grid) != AD_OK)
            play_write_error("the engine has no memory left", to);
        else if (play_count(r, "print", 0) != 0) {
            fputs("{\"values\":", to);
            play_write_numbers(n * n * units, now.grid, to);
            fputc('}', to);
        } else
            fprintf(to, "{\"at\":%zu,\"n\":%zu,\"units\":%zu}", (size_t)(uintptr_t)now.grid, n,
                    units);
        free(input);
    }
    free(side);
}
