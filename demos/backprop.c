/* backprop - the lesson of backpropagation: every number as one network learns from a few flowers.
 *
 * A small network sees an iris: the forward pass, the loss, and backward, what every output asks of
 * the weights and of the previous activations. See backprop --help. */
#include "command.h"
#include "nn/nn.h"
#include "report.h"
#include "terminal.h"

#include <locale.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_LAYERS = 8, COLUMNS = 4, SPECIES = 3 };

static const char *const columns[COLUMNS] = {"petal length", "petal width", "sepal length",
                                             "sepal width"};
static const size_t      column_of[COLUMNS] = {2, 3, 0, 1}; /* petals say most */
static const char *const species[SPECIES] = {"setosa", "versicolor", "virginica"};

typedef struct options {
    uint64_t       seed;
    size_t         epochs, batch;
    command_counts sizes, rows;
    double         rate;
    const char    *activation, *html, *data;
    bool           squares, json, ascii;
} options;

static options asked = {
    .seed = 1,
    .sizes = {MOST_LAYERS + 1, 4, {3, 4, 4, SPECIES}},
    .rows = {COMMAND_MOST_COUNTS, 1, {60}},
    .rate = 0.5,
    .activation = "tanh",
    .data = "demos/data/iris.csv",
};

static const command_option list[] = {
    {"html", COMMAND_FILE, &asked.html, 0, 0, "a page to step through, written to FILE"},
    {"json", COMMAND_FLAG, &asked.json, 0, 0, "the numbers as data (tapir-lesson/1)"},
    {"ascii", COMMAND_FLAG, &asked.ascii, 0, 0, "no characters outside ASCII"},
    {"sizes", COMMAND_COUNTS, &asked.sizes, 1, 64,
     "inputs (1 to 4 measurements), units of the hidden layers, 3"},
    {"activation", COMMAND_NAME, &asked.activation, 0, 0,
     "of the hidden layers: tanh, relu, sigmoid, ..."},
    {"rows", COMMAND_COUNTS, &asked.rows, 0, 1000000, "which flowers, 0 to 149"},
    {"batch", COMMAND_COUNT, &asked.batch, 1, COMMAND_MOST_COUNTS,
     "so many flowers from all three species, instead of --rows"},
    {"squares", COMMAND_FLAG, &asked.squares, 0, 0,
     "the loss is the sum of (output - wanted)^2 instead of cross-entropy"},
    {"rate", COMMAND_RATE, &asked.rate, 0, 0, "of the step"},
    {"epochs", COMMAND_COUNT, &asked.epochs, 0, 100000,
     "first train for so many passes over all flowers"},
    {"seed", COMMAND_SEED, &asked.seed, 0, 0, "of the first weights"},
    {"data", COMMAND_FILE, &asked.data, 0, 0, "the flowers"},
    {0},
};

static const char about[] =
    "Shows how a network learns from an iris, number by number: the values forward, the loss,\n"
    "what every output asks of the weights and of the activations before it, from right to\n"
    "left, the step of gradient descent, and the loss after it. With several examples, how\n"
    "the gradient of the batch is the mean of theirs.";

/* What the table of options cannot check. */
static bool good_network(const options *o) {
    const command_counts *sizes = &o->sizes;
    if (nn_activation_named(o->activation) == NULL)
        return option_complain("backprop", "--activation takes a known activation", o->activation);
    if (sizes->n >= 2 && sizes->count[0] <= COLUMNS && sizes->count[sizes->n - 1] == SPECIES)
        return true;
    fputs("backprop: --sizes must begin with 1 to 4 inputs and end with 3 outputs\n", stderr);
    return false;
}

/* ---- data and network ------------------------------------------------------------------------ */

/* The chosen measurements and the species; inputs are standardized over all flowers. NULL on
 * failure, which has been reported. */
static nn_data *read_flowers(const options *o) {
    nn_data     *all = nn_data_csv(o->data, NULL), *chosen = NULL;
    const size_t rows = nn_data_rows(all), width = o->sizes.count[0] + 1;
    double       mean[COLUMNS], deviation[COLUMNS];
    double      *value = calloc(rows * width + 1, sizeof *value);
    if (nn_data_status(all) == AD_OK && nn_data_inputs(all) == COLUMNS && value != NULL) {
        for (size_t i = 0; i < rows; i++) {
            const double *row = nn_data_row(all, i);
            for (size_t k = 0; k + 1 < width; k++) value[i * width + k] = row[column_of[k]];
            value[i * width + width - 1] = row[COLUMNS];
        }
        chosen = nn_data_new(rows, width - 1, 1, value);
        nn_data_moments(chosen, mean, deviation);
        nn_data_standardize(chosen, mean, deviation);
    }
    if (nn_data_status(all) != AD_OK) fprintf(stderr, "backprop: %s\n", nn_data_message(all));
    else if (nn_data_inputs(all) != COLUMNS)
        fprintf(stderr, "backprop: %s: five columns are needed\n", option_shown(o->data));
    else if (chosen == NULL || nn_data_status(chosen) != AD_OK)
        fprintf(stderr, "backprop: %s\n", nn_data_message(chosen));
    free(value);
    nn_data_free(all);
    return chosen;
}

static ad_var loss(nn_model *model, size_t n, const ad_var row[], void *mlp) {
    (void)model;
    ad_var logits[SPECIES];
    nn_mlp_forward(mlp, row, logits);
    return nn_cross_entropy(SPECIES, logits, row[n - 1]);
}

/* Rows from all over the data, so that the species alternate. */
static void choose_batch(options *o, size_t rows) {
    if (o->batch == 0) return;
    o->rows.n = o->batch;
    for (size_t i = 0; i < o->batch; i++)
        o->rows.count[i] = (i % SPECIES * rows / SPECIES + i / SPECIES * 7 + 10) % rows;
}

/* ---- the lesson ------------------------------------------------------------------------------ */

static bool write_lesson(FILE *to, void *lesson) {
    return nn_lesson_html(lesson, to) == AD_OK;
}

static bool show(nn_lesson *lesson, const options *o) {
    const bool ascii = o->ascii || !terminal_of(stdout).blocks;
    ad_status  status = AD_OK;
    if (o->html != NULL) return report_whole("backprop", o->html, write_lesson, lesson);
    if (o->json) status = nn_lesson_json(lesson, stdout);
    else status = nn_lesson_print(lesson, 0, ascii, stdout); /* the others: batch table */
    return status == AD_OK;                                  /* if not, output_end reports it */
}

static bool teach(options *o, nn_model *model, const nn_data *data) {
    const nn_mlp_config shape = {.layers = o->sizes.n - 1,
                                 .sizes = o->sizes.count,
                                 .hidden = nn_activation_named(o->activation)};
    nn_mlp             *mlp = nn_mlp_new(model, &shape);
    nn_optimizer       *sgd = nn_sgd(0.1);
    if (o->epochs > 0)
        nn_train(model, loss, mlp, data, sgd,
                 &(nn_train_config){.epochs = o->epochs, .batch = 10, .seed = o->seed});
    choose_batch(o, nn_data_rows(data));
    nn_lesson *lesson =
        nn_lesson_new(model, mlp, data,
                      &(nn_lesson_config){
                          .rows = o->rows.n,
                          .row = o->rows.count,
                          .rate = o->rate,
                          .squares = o->squares,
                          .title = o->rows.n == 1 ? "How a network learns from one iris"
                                                  : "How a network learns from a few irises",
                          .input_names = columns,
                          .output_names = species,
                      });
    const bool good = lesson != NULL && show(lesson, o);
    if (lesson == NULL) fprintf(stderr, "backprop: %s\n", nn_model_message(model));
    nn_lesson_free(lesson);
    nn_optimizer_free(sgd);
    nn_mlp_free(mlp);
    return good;
}

static int run(options *o) {
    nn_data   *data = read_flowers(o);
    ad_tape   *tape = ad_tape_new();
    nn_model  *model = nn_model_new(tape, o->seed);
    const bool good = data != NULL && teach(o, model, data);
    nn_model_free(model);
    ad_tape_free(tape);
    nn_data_free(data);
    return good ? 0 : BAD_RUN;
}

int main(int count, char *arguments[]) {
    int status;
    setlocale(LC_CTYPE, "");
    if (command_read(about, list, count, arguments, &status))
        status = good_network(&asked) ? run(&asked) : BAD_USE;
    return output_end(status, BAD_RUN);
}
