/* iris - a network learns Fisher's three species of iris from four lengths of each flower.
 *
 * Four fifths of the flowers are used for training, with standardized lengths; mean and deviation
 * come from these flowers only, so that nothing leaks from the held-out ones. */
#include "command.h"
#include "nn/nn.h"
#include "report.h"
#include "terminal.h"

#include <locale.h>
#include <stdlib.h>

enum { LENGTHS = 4, SPECIES = 3 };

static const char *const species[SPECIES] = {"setosa", "versicolor", "virginica"};

static uint64_t    seed = 1;
static size_t      epochs = 60, hidden = 16;
static double      rate = 0.02;
static const char *path = "demos/data/iris.csv", *out = "iris-out";

static const command_option options[] = {
    {"seed", COMMAND_SEED, &seed, 0, 0, "of the split, the order and the initial weights"},
    {"epochs", COMMAND_COUNT, &epochs, 1, 100000, "passes over the flowers"},
    {"hidden", COMMAND_COUNT, &hidden, 1, 1000, "units of the hidden layer"},
    {"rate", COMMAND_RATE, &rate, 0, 0, "learning rate of Adam"},
    {"data", COMMAND_FILE, &path, 0, 0,
     "the flowers: four lengths and a species of 0 to 2 per line"},
    {"out", COMMAND_FOLDER, &out, 0, 0,
     "where history.tsv, predictions.tsv and, with gnuplot, the picture go"},
    {0},
};

static ad_var loss(nn_model *model, size_t n, const ad_var row[], void *mlp) {
    (void)model;
    ad_var logits[SPECIES];
    nn_mlp_forward(mlp, row, logits);
    return nn_cross_entropy(SPECIES, logits, row[n - 1]);
}

static ad_var correct(nn_model *model, size_t n, const ad_var row[], void *mlp) {
    (void)model;
    ad_var logits[SPECIES];
    nn_mlp_forward(mlp, row, logits);
    return nn_correct(SPECIES, logits, row[n - 1]);
}

static void probabilities(nn_model *model, size_t n, const ad_var lengths[], ad_var output[],
                          void *mlp) {
    (void)model, (void)n;
    nn_mlp_forward(mlp, lengths, output);
    nn_softmax_recorded(SPECIES, output, output);
}

static bool good_flowers(const nn_data *data) {
    if (nn_data_status(data) != AD_OK)
        return fprintf(stderr, "iris: %s\n", nn_data_message(data)), false;
    if (nn_data_inputs(data) != LENGTHS)
        return fprintf(stderr, "iris: %s: %zu columns, but a flower has 4 lengths and a species\n",
                       option_shown(path), nn_data_inputs(data) + 1),
               false;
    for (size_t i = 0; i < nn_data_rows(data); i++) {
        const double s = nn_data_row(data, i)[LENGTHS];
        if (s != 0 && s != 1 && s != 2)
            return fprintf(stderr, "iris: %s: row %zu: no species %g\n", option_shown(path), i + 1,
                           s),
                   false;
    }
    return true;
}

/* The table of all held-out flowers; their confusion matrix; the number of right ones. */
static bool tabulate(const double said[], const nn_data *data, size_t confusion[], size_t *right) {
    FILE *file = report_create(out, "predictions.tsv");
    if (file == NULL) return false;
    fputs("flower\ttrue\tsaid\tp_setosa\tp_versicolor\tp_virginica\n", file);
    for (size_t i = 0; i < nn_data_rows(data); i++) {
        const double *p = said + i * SPECIES;
        const size_t  truth = (size_t)nn_data_row(data, i)[LENGTHS];
        size_t        guess = 0;
        for (size_t k = 1; k < SPECIES; k++)
            if (p[k] > p[guess]) guess = k;
        confusion[truth * SPECIES + guess]++;
        *right += truth == guess;
        fprintf(file, "%zu\t%s\t%s\t%.6f\t%.6f\t%.6f\n", i, species[truth], species[guess], p[0],
                p[1], p[2]);
    }
    return report_close(file, out, "predictions.tsv");
}

static bool test(nn_model *model, nn_mlp *mlp, const nn_data *data, size_t confusion[],
                 size_t *right) {
    double *said = calloc(nn_data_rows(data), SPECIES * sizeof *said);
    bool good = said != NULL && nn_predict(model, probabilities, mlp, SPECIES, data, said) == AD_OK;
    if (said == NULL) fputs("iris: out of memory\n", stderr);
    else if (!good) fprintf(stderr, "iris: %s\n", nn_model_message(model));
    good = good && tabulate(said, data, confusion, right);
    free(said);
    return good;
}

static bool show(const size_t confusion[], size_t right, size_t rows) {
    char title[64];
    printf("\n%zu of %zu held-out flowers named: %.1f%%\n\n", right, rows,
           100 * (double)right / (double)rows);
    for (size_t k = 0; k < SPECIES; k++) printf("  %zu  %s\n", k, species[k]);
    fputc('\n', stdout);
    terminal_confusion(terminal_of(stdout), SPECIES, confusion);
    snprintf(title, sizeof title, "%zu of %zu held-out flowers named", right, rows);
    const bool gnuplot = report_gnuplot();
    if (gnuplot &&
        !report_draw_matrix(out, "confusion", (report_matrix){SPECIES, confusion}, title))
        return false;
    printf("\nIn %s:\n  history.tsv, predictions.tsv%s\n", option_shown(out),
           gnuplot ? ", confusion.svg, confusion.png" : "");
    return true;
}

static bool learn(nn_model *model, nn_mlp *mlp, nn_data *data, nn_data *held_out,
                  nn_optimizer *adam) {
    char   history[4096];
    double mean[LENGTHS], deviation[LENGTHS];
    size_t confusion[SPECIES * SPECIES] = {0}, right = 0;
    nn_data_moments(data, mean, deviation);
    nn_data_standardize(data, mean, deviation);
    nn_data_standardize(held_out, mean, deviation);
    snprintf(history, sizeof history, "%s/history.tsv", out);
    if (nn_train(model, loss, mlp, data, adam,
                 &(nn_train_config){.epochs = epochs,
                                    .batch = 8,
                                    .seed = seed,
                                    .progress = true,
                                    .stream = stdout,
                                    .history = history,
                                    .held_out = held_out,
                                    .score = correct,
                                    .metric_name = "accuracy"}) != AD_OK)
        return fprintf(stderr, "iris: %s\n", nn_model_message(model)), false;
    return test(model, mlp, held_out, confusion, &right) &&
           show(confusion, right, nn_data_rows(held_out));
}

static int run(void) {
    const size_t  sizes[] = {LENGTHS, hidden, SPECIES};
    nn_data      *data = nn_data_csv(path, NULL), *held_out = NULL;
    ad_tape      *tape = ad_tape_new();
    nn_model     *model = nn_model_new(tape, seed);
    nn_mlp       *mlp = nn_mlp_new(model, &(nn_mlp_config){.layers = 2, .sizes = sizes});
    nn_optimizer *adam = nn_adam(rate);
    bool          good = good_flowers(data) && report_folder(out);
    if (good) {
        held_out = nn_data_split(data, 0.2, seed);
        printf("%zu flowers to learn from, %zu held out; network 4-%zu-3 of tanh,\n"
               "%zu parameters, seed %llu\n\n",
               nn_data_rows(data), nn_data_rows(held_out), hidden, nn_model_count(model),
               (unsigned long long)seed);
        good = learn(model, mlp, data, held_out, adam);
    }
    nn_optimizer_free(adam);
    nn_mlp_free(mlp);
    nn_model_free(model);
    ad_tape_free(tape);
    nn_data_free(data);
    nn_data_free(held_out);
    return good ? 0 : BAD_RUN;
}

int main(int count, char *arguments[]) {
    int status;
    setlocale(LC_CTYPE, "");
    if (command_read("Learns three species of iris, Fisher's flowers of 1936, from four lengths, "
                     "and is tested on a\n"
                     "fifth of them.",
                     options, count, arguments, &status))
        status = run();
    return output_end(status, BAD_RUN);
}
