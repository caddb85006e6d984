/* regression - a network that predicts its uncertainty: for each x the mean and the log variance of
 * y.
 *
 * The data are sin x with noise that grows from left to right. The loss is the negative log
 * likelihood of the example under a normal distribution with this mean and variance, written as a
 * formula. */
#include "chart.h"
#include "command.h"
#include "nn/nn.h"
#include "report.h"

#include <locale.h>
#include <math.h>
#include <stdlib.h>

enum { GRID = 72 };

static uint64_t    seed = 1;
static size_t      epochs = 300, points = 400, hidden = 24;
static double      rate = 0.01;
static const char *out = "regression-out";

static const command_option options[] = {
    {"seed", COMMAND_SEED, &seed, 0, 0, "of the data, the order and the initial weights"},
    {"epochs", COMMAND_COUNT, &epochs, 1, 100000, "passes over the points"},
    {"points", COMMAND_COUNT, &points, 40, 100000, "for training; as many are held out"},
    {"hidden", COMMAND_COUNT, &hidden, 1, 1000, "units of each of the two hidden layers"},
    {"rate", COMMAND_RATE, &rate, 0, 0, "initial learning rate of Adam; cosine decay to 0"},
    {"out", COMMAND_FOLDER, &out, 0, 0,
     "where history.tsv, regression.tsv and, with gnuplot, the picture\ngo"},
    {0},
};

static const double end = 3.14159265358979323846;

/* ---- the model ------------------------------------------------------------------------------- */

static double true_deviation(double x) {
    return 0.05 + 0.35 / (1 + exp(-1.5 * x));
}

static ad_var loss(nn_model *model, size_t n, const ad_var row[], void *mlp) {
    ad_var output[2];
    nn_mlp_forward(mlp, row, output);
    const ad_var mean = output[0], log_variance = output[1], y = row[n - 1];
    return ad_formula(nn_model_tape(model),
                      (log_variance + (y - mean) ^ 2 * exp(-log_variance) + log(2 * pi)) / 2,
                      log_variance, y, mean);
}

/* Mean and deviation of y at the x of a row. */
static void forward(nn_model *model, size_t n, const ad_var x[], ad_var output[], void *mlp) {
    (void)model, (void)n;
    nn_mlp_forward(mlp, x, output);
    output[1] = ad_exp(ad_mul(output[1], ad_num(0.5)));
}

/* ---- what it learned ------------------------------------------------------------------------- */

typedef struct prediction {
    const nn_data *data;
    double         x[GRID], mean[GRID], deviation[GRID];
    size_t         within[2]; /* of the held-out points: one, two deviations from the mean */
} prediction;

static bool predict_points(prediction *b, nn_model *model, nn_mlp *mlp) {
    const size_t rows = nn_data_rows(b->data);
    double      *said = calloc(rows, 2 * sizeof *said);
    const bool   good = said != NULL && nn_predict(model, forward, mlp, 2, b->data, said) == AD_OK;
    for (size_t i = 0; i < rows && good; i++) {
        const double error = fabs(nn_data_row(b->data, i)[1] - said[2 * i]);
        for (size_t k = 0; k < 2; k++) b->within[k] += error <= (double)(k + 1) * said[2 * i + 1];
    }
    free(said);
    return good;
}

static bool predict_grid(prediction *b, nn_model *model, nn_mlp *mlp) {
    double said[2 * GRID];
    for (size_t i = 0; i < GRID; i++) b->x[i] = end * (2 * ((double)i + 0.5) / GRID - 1);
    nn_data   *grid = nn_data_new(GRID, 1, 0, b->x);
    const bool good = nn_predict(model, forward, mlp, 2, grid, said) == AD_OK;
    for (size_t i = 0; i < GRID && good; i++)
        b->mean[i] = said[2 * i], b->deviation[i] = said[2 * i + 1];
    nn_data_free(grid);
    return good;
}

static void script(FILE *to, const void *what) {
    const prediction *b = what;
    fputs("$said << END\n", to);
    for (size_t i = 0; i < GRID; i++)
        fprintf(to, "%g %.8g %.8g %.8g\n", b->x[i], b->mean[i], b->mean[i] - 2 * b->deviation[i],
                b->mean[i] + 2 * b->deviation[i]);
    fputs("END\n$data << END\n", to);
    for (size_t i = 0; i < nn_data_rows(b->data); i++)
        fprintf(to, "%.8g %.8g\n", nn_data_row(b->data, i)[0], nn_data_row(b->data, i)[1]);
    fputs("END\nset border 3 lc rgb '#555555'; set tics nomirror tc rgb '#555555'; set key top "
          "left; set xrange [-pi:pi]\n"
          "plot $said using 1:3:4 with filledcurves fc rgb '#d6e4f2' title 'mean and two "
          "deviations', $data using 1:2 with points pt 7 ps 0.35 lc rgb '#c08070' title 'held-out "
          "points', sin(x) dt 2 lc rgb '#777777' title 'sin x', $said using 1:2 with lines lw 2 lc "
          "rgb '#2060a0' title 'mean'\n",
          to);
}

static void draw(const prediction *b) {
    chart c = chart_of(GRID, 22, -end, end, -2, 2);
    for (size_t i = 0; i < GRID; i++) {
        chart_column(&c, i, b->mean[i] - 2 * b->deviation[i], b->mean[i] + 2 * b->deviation[i],
                     CHART_BAND);
        chart_put(&c, b->x[i], b->mean[i], CHART_LINE);
    }
    for (size_t i = 0; i < nn_data_rows(b->data); i += 4)
        chart_put(&c, nn_data_row(b->data, i)[0], nn_data_row(b->data, i)[1], CHART_POINT_1);
    snprintf(c.caption, sizeof c.caption, "mean, two deviations, every fourth held-out point");
    fputc('\n', stdout);
    chart_print(terminal_of(stdout), 1, &c);
}

static bool write_table(const prediction *b) {
    FILE *file = report_create(out, "regression.tsv");
    if (file == NULL) return false;
    fputs("x\tmean\tdeviation\ttrue_mean\ttrue_deviation\n", file);
    for (size_t i = 0; i < GRID; i++)
        fprintf(file, "%.8g\t%.17g\t%.17g\t%.8g\t%.8g\n", b->x[i], b->mean[i], b->deviation[i],
                sin(b->x[i]), true_deviation(b->x[i]));
    return report_close(file, out, "regression.tsv");
}

/* Prints the share of held-out points within one and two deviations: 68% and 95% for a normal
 * distribution. */
static bool show(nn_model *model, nn_mlp *mlp, const nn_data *held_out) {
    prediction   b = {.data = held_out};
    const double rows = (double)nn_data_rows(held_out);
    if (!predict_points(&b, model, mlp) || !predict_grid(&b, model, mlp)) {
        const bool failed = nn_model_status(model) != AD_OK;
        fprintf(stderr, "regression: %s\n", failed ? nn_model_message(model) : "out of memory");
        return false;
    }
    draw(&b);
    printf("\nheld-out points within one deviation: %.1f%% (normal: 68.3%%),\n"
           "within two: %.1f%% (95.4%%)\n\n"
           "       x   mean  sin x   deviation  of the noise\n",
           100 * (double)b.within[0] / rows, 100 * (double)b.within[1] / rows);
    for (size_t i = 6; i < GRID; i += 12)
        printf("  %6.2f %6.2f %6.2f %11.2f %13.2f\n", b.x[i], b.mean[i], sin(b.x[i]),
               b.deviation[i], true_deviation(b.x[i]));
    if (!write_table(&b)) return false;
    const bool gnuplot = report_gnuplot();
    if (gnuplot && !report_draw(out, "regression", 720, 460, script, &b)) return false;
    printf("\nIn %s:\n  history.tsv, regression.tsv%s\n", option_shown(out),
           gnuplot ? ", regression.svg, regression.png" : "");
    return true;
}

/* ---- the run --------------------------------------------------------------------------------- */

static nn_data *noisy_sine(nn_random *random) {
    double *row = malloc(points * 2 * sizeof *row);
    if (row == NULL) return NULL;
    for (size_t i = 0; i < points; i++) {
        const double x = end * (2 * nn_random_uniform(random) - 1);
        row[2 * i] = x, row[2 * i + 1] = sin(x) + true_deviation(x) * nn_random_normal(random);
    }
    nn_data *data = nn_data_new(points, 1, 1, row);
    free(row);
    return data;
}

static int run(void) {
    const size_t      sizes[] = {1, hidden, hidden, 2};
    nn_random         random = nn_random_seeded(seed);
    ad_tape          *tape = ad_tape_new();
    nn_model         *model = nn_model_new(tape, seed);
    nn_mlp           *mlp = nn_mlp_new(model, &(nn_mlp_config){.layers = 3, .sizes = sizes});
    nn_data          *data = noisy_sine(&random), *held_out = noisy_sine(&random);
    nn_optimizer     *adam = nn_adam(rate);
    const nn_schedule falling = nn_schedule_cosine(rate, 0, epochs * ((points + 39) / 40));
    char              history[4096];
    snprintf(history, sizeof history, "%s/history.tsv", out);
    printf("%zu points of sin x with a noise that grows; network 1-%zu-%zu-2 of tanh,\n"
           "%zu parameters, seed %llu\n",
           points, hidden, hidden, nn_model_count(model), (unsigned long long)seed);
    if (held_out == NULL) fputs("regression: out of memory\n", stderr);
    const bool ready = held_out != NULL && report_folder(out),
               learned = ready && nn_train(model, loss, mlp, data, adam,
                                           &(nn_train_config){.epochs = epochs,
                                                              .batch = 40,
                                                              .seed = seed,
                                                              .history = history,
                                                              .schedule = &falling,
                                                              .held_out = held_out}) == AD_OK;
    if (ready && !learned) fprintf(stderr, "regression: %s\n", nn_model_message(model));
    const bool good = learned && show(model, mlp, held_out);
    nn_optimizer_free(adam);
    nn_data_free(data);
    nn_data_free(held_out);
    nn_mlp_free(mlp);
    nn_model_free(model);
    ad_tape_free(tape);
    return good ? 0 : BAD_RUN;
}

int main(int count, char *arguments[]) {
    int status;
    setlocale(LC_CTYPE, "");
    if (command_read("Learns sin x from noisy points, and how noisy they are at each x.", options,
                     count, arguments, &status))
        status = run();
    return output_end(status, BAD_RUN);
}
