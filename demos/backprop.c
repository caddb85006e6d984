/* backprop - the lesson of backpropagation: one network, a few flowers, and every number of how it learns.
 *
 * A small network sees an iris; the values go forward, a loss says how far off it is, and from right to left
 * every output says what it wants of the weights and of the activations before. See backprop --help. */
#include "nn/nn.h"
#include "options.h"
#include "report.h"
#include "terminal.h"

#include <getopt.h>
#include <locale.h>
#include <stdlib.h>
#include <string.h>

#ifndef IRIS_DATA
#define IRIS_DATA "demos/data/iris.csv"
#endif

enum { MOST_LAYERS = 8, MOST_ROWS = 64, COLUMNS = 4, SPECIES = 3 };

static const char program[] = "backprop";

static const char *const columns[COLUMNS] = {"petal length", "petal width", "sepal length", "sepal width"};
static const size_t      column_of[COLUMNS] = {2, 3, 0, 1};      /* the petals say most, so they come first */
static const char *const species[SPECIES] = {"setosa", "versicolor", "virginica"};

static const char usage[] =
    "usage: backprop [OPTION ...]\n"
    "\n"
    "Shows how a network learns from an iris, number by number: the values forward, the loss,\n"
    "what every output asks of the weights and of the activations before it, from right to\n"
    "left, the step of gradient descent, and the loss after it. With several examples, how\n"
    "the gradient of the batch is the mean of theirs.\n"
    "\n"
    "  --html FILE       a page to step through, written to FILE\n"
    "  --json            the numbers as data (tapir-lesson/1)\n"
    "  --ascii           no characters outside ASCII\n"
    "  --sizes N,N,...   inputs (1 to 4 measurements), units of the hidden layers, 3 (3,4,4,3)\n"
    "  --activation A    of the hidden layers: tanh, relu, sigmoid, ... (tanh)\n"
    "  --rows N,N,...    which flowers, 0 to 149 (60)\n"
    "  --batch N         N flowers in place of --rows, from all three species\n"
    "  --squares         the loss is the sum of (output - wanted)^2 instead of cross-entropy\n"
    "  --rate X          of the step (0.5)\n"
    "  --epochs N        train for N passes over all flowers first (0)\n"
    "  --seed N          of the first weights (1)\n"
    "  --data FILE       the flowers (" IRIS_DATA ")\n"
    "  --help            this text\n";

typedef struct options {
    uint64_t       seed;
    size_t         epochs, rows, row[MOST_ROWS], batch, sizes[MOST_LAYERS + 1], layers;
    double         rate;
    nn_activation *activation;
    bool           squares, json, ascii;
    const char    *html, *data;
} options;

static bool set_sizes(options *o, const char *word) {
    size_t n;
    if (!option_counts(program, "--sizes", word, 1, 64, MOST_LAYERS + 1, o->sizes, &n)) return false;
    if (n < 2 || o->sizes[0] > COLUMNS || o->sizes[n - 1] != SPECIES)
        return option_complain(program, "--sizes begins with 1 to 4 inputs and ends with 3 outputs", word);
    o->layers = n - 1;
    return true;
}

static bool set_activation(options *o, const char *word) {
    o->activation = nn_activation_named(word);
    return o->activation != NULL || option_complain(program, "--activation is none that is known", word);
}

static bool set_option(options *o, int option, const char *word) {
    switch (option) {
    case 'w': o->html = word; return *word != '\0' || option_complain(program, "--html takes a file", "(nothing)");
    case 'd': o->data = word; return *word != '\0' || option_complain(program, "--data takes a file", "(nothing)");
    case 'z': return set_sizes(o, word);
    case 'a': return set_activation(o, word);
    case 'r': return option_counts(program, "--rows", word, 0, 1000000, MOST_ROWS, o->row, &o->rows);
    case 'b': return option_count(program, "--batch", word, 1, MOST_ROWS, &o->batch);
    case 'x': return option_rate(program, "--rate", word, &o->rate);
    case 'e': return option_count(program, "--epochs", word, 0, 100000, &o->epochs);
    case 's': return option_seed(program, "--seed", word, &o->seed);
    case 'q': o->squares = true; return true;
    case 'j': o->json = true; return true;
    default:  o->ascii = true; return true;
    }
}

/* False when there is nothing to run; then *status is what to exit with. */
static bool read_options(int count, char *arguments[], options *o, int *status) {
    static const struct option list[] = {
        {"help",    no_argument,       NULL, 'h'}, {"html",   required_argument, NULL, 'w'},
        {"json",    no_argument,       NULL, 'j'}, {"ascii",  no_argument,       NULL, 'i'},
        {"sizes",   required_argument, NULL, 'z'}, {"rows",   required_argument, NULL, 'r'},
        {"batch",   required_argument, NULL, 'b'}, {"rate",   required_argument, NULL, 'x'},
        {"squares", no_argument,       NULL, 'q'}, {"epochs", required_argument, NULL, 'e'},
        {"seed",    required_argument, NULL, 's'}, {"data",   required_argument, NULL, 'd'},
        {"activation", required_argument, NULL, 'a'}, {0},
    };
    int option;
    opterr = 0;
    *status = BAD_USE;
    while ((option = getopt_long(count, arguments, "+:", list, NULL)) != -1) {
        if (option == 'h') {
            fputs(usage, stdout);
            *status = 0;
            return false;
        }
        if (option == '?') return option_complain(program, "unknown option", arguments[optind - 1]);
        if (option == ':') return option_complain(program, "a word is missing behind", arguments[optind - 1]);
        if (!set_option(o, option, optarg)) return false;
    }
    return optind == count || option_complain(program, "unexpected argument", arguments[optind]);
}

/* ---- data and network ------------------------------------------------------------------------- */

/* The chosen measurements, and the species; inputs are standardised over all flowers. NULL: said why. */
static nn_data *read_flowers(const options *o) {
    nn_data     *all = nn_data_csv(o->data, NULL), *chosen = NULL;
    const size_t rows = nn_data_rows(all), width = o->sizes[0] + 1;
    double       mean[COLUMNS], deviation[COLUMNS];
    double      *value = calloc(rows*width + 1, sizeof *value);
    if (nn_data_status(all) == AD_OK && nn_data_inputs(all) == COLUMNS && value != NULL) {
        for (size_t i = 0; i < rows; i++) {
            const double *row = nn_data_row(all, i);
            for (size_t k = 0; k + 1 < width; k++) value[i*width + k] = row[column_of[k]];
            value[i*width + width - 1] = row[COLUMNS];
        }
        chosen = nn_data_new(rows, width - 1, 1, value);
        nn_data_moments(chosen, mean, deviation);
        nn_data_standardize(chosen, mean, deviation);
    }
    if (nn_data_status(all) != AD_OK) fprintf(stderr, "backprop: %s\n", nn_data_message(all));
    else if (nn_data_inputs(all) != COLUMNS) fprintf(stderr, "backprop: %s: five columns are wanted\n", o->data);
    else if (chosen == NULL || nn_data_status(chosen) != AD_OK) fprintf(stderr, "backprop: %s\n", nn_data_message(chosen));
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

/* Every so many rows, so that the species take turns. */
static void choose_batch(options *o, size_t rows) {
    if (o->batch == 0) return;
    o->rows = o->batch;
    for (size_t i = 0; i < o->rows; i++) o->row[i] = (i%SPECIES*rows/SPECIES + i/SPECIES*7 + 10)%rows;
}

/* ---- the lesson ------------------------------------------------------------------------------- */

static bool write_lesson(FILE *to, void *lesson) {
    return nn_lesson_html(lesson, to) == AD_OK;
}

static bool show(nn_lesson *lesson, const options *o) {
    const bool ascii = o->ascii || !terminal_of(stdout).blocks;
    ad_status  status = AD_OK;
    if (o->html != NULL) return report_whole(program, o->html, write_lesson, lesson);
    if (o->json) status = nn_lesson_json(lesson, stdout);
    else status = nn_lesson_print(lesson, 0, ascii, stdout);         /* the table of the batch has the others */
    if (status != AD_OK) fputs("backprop: the output cannot be written\n", stderr);
    return status == AD_OK;
}

static bool teach(options *o, nn_model *model, const nn_data *data) {
    nn_mlp       *mlp = nn_mlp_new(model, &(nn_mlp_config){.layers = o->layers, .sizes = o->sizes, .hidden = o->activation});
    nn_optimizer *sgd = nn_sgd(0.1);
    if (o->epochs > 0)
        nn_train(model, loss, mlp, data, sgd, &(nn_train_config){.epochs = o->epochs, .batch = 10, .seed = o->seed});
    choose_batch(o, nn_data_rows(data));
    nn_lesson *lesson = nn_lesson_new(model, mlp, data, &(nn_lesson_config){
        .rows = o->rows, .row = o->row, .rate = o->rate, .squares = o->squares,
        .title = o->rows == 1 ? "How a network learns from one iris" : "How a network learns from a few irises",
        .input_names = columns, .output_names = species,
    });
    const bool good = lesson != NULL && show(lesson, o);
    if (lesson == NULL) fprintf(stderr, "backprop: %s\n", nn_model_message(model));
    nn_lesson_free(lesson);
    nn_optimizer_free(sgd);
    nn_mlp_free(mlp);
    return good;
}

int main(int count, char *arguments[]) {
    options o = {.seed = 1, .rows = 1, .row = {60}, .sizes = {3, 4, 4, SPECIES}, .layers = 3, .rate = 0.5,
                 .activation = ad_tanh, .data = IRIS_DATA};
    int     status;
    setlocale(LC_ALL, "");
    if (!read_options(count, arguments, &o, &status)) return status;
    nn_data  *data = read_flowers(&o);
    ad_tape  *tape = ad_tape_new();
    nn_model *model = nn_model_new(tape, o.seed);
    const bool good = data != NULL && teach(&o, model, data);
    nn_model_free(model);
    ad_tape_free(tape);
    nn_data_free(data);
    return good ? 0 : BAD_USE;
}
