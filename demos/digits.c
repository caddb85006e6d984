/* digits - a network that learns to read handwritten digits.
 *
 * It is trained on four fifths of 1,797 small images and tested on the others: how many it reads,
 * which digits it confuses, and its worst misses. See digits --help. */
#include "command.h"
#include "inspect.h"
#include "nn/nn.h"
#include "report.h"
#include "terminal.h"

#include <locale.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { SIDE = 8, PIXELS = SIDE * SIDE, CLASSES = 10, MOST_INK = 16 };
enum { SHOWN_MISSES = 8 };

/* ---- options --------------------------------------------------------------------------------- */

typedef struct options {
    uint64_t       seed;
    size_t         epochs, batch;
    command_counts hidden;
    double         rate;
    const char    *data, *out, *lesson;
    bool           quiet, inspect;
} options;

static options chosen = {
    .seed = 1,
    .epochs = 30,
    .batch = 8,
    .hidden = {8, 2, {64, 32}},
    .rate = 0.1,
    .data = "demos/data/digits.csv",
    .out = "digits-out",
};

static const command_option list[] = {
    {"seed", COMMAND_SEED, &chosen.seed, 0, 0, "of the initial weights, the split and the order"},
    {"epochs", COMMAND_COUNT, &chosen.epochs, 1, 1000000, "passes over the images"},
    {"batch", COMMAND_COUNT, &chosen.batch, 1, 1000000, "images per step"},
    {"rate", COMMAND_RATE, &chosen.rate, 0, 0, "initial learning rate; it falls to a tenth"},
    {"hidden", COMMAND_COUNTS, &chosen.hidden, 1, 10000,
     "units of the hidden layers, 1 to 8 of them"},
    {"data", COMMAND_FILE, &chosen.data, 0, 0, "the images"},
    {"out", COMMAND_FOLDER, &chosen.out, 0, 0,
     "where history.tsv, confusion.tsv, predictions.tsv and, with gnuplot, the\npictures go"},
    {"inspect", COMMAND_FLAG, &chosen.inspect, 0, 0,
     "look inside too: activations, gradients, dead units, weights as pictures"},
    {"lesson", COMMAND_FILE, &chosen.lesson, 0, 0,
     "write a page to step through: how the network would learn from a held-out\nimage, a misread "
     "one if there is any"},
    {"quiet", COMMAND_FLAG, &chosen.quiet, 0, 0, "one line of output"},
    {0},
};

static const char about[] =
    "Learns to read handwritten digits, 8 x 8 pixels each: a network of tanh units, trained with\n"
    "stochastic gradient descent on four fifths of the images and tested on the rest.";

/* sizes: pixels, hidden units, classes; returns the number of layers. */
static size_t all_sizes(const options *o, size_t sizes[COMMAND_MOST_COUNTS + 2]) {
    sizes[0] = PIXELS;
    memcpy(sizes + 1, o->hidden.count, o->hidden.n * sizeof *sizes);
    sizes[o->hidden.n + 1] = CLASSES;
    return o->hidden.n + 1;
}

/* ---- the network ----------------------------------------------------------------------------- */

/* The network's answer for one image. */
typedef struct answer {
    size_t row, truth, guess;
    double probability[CLASSES];
} answer;

typedef struct reader {
    const options *options;
    nn_mlp        *mlp;
    nn_data       *learned, *held_out;
    nn_optimizer  *optimizer;
    double        *loss, *accuracy; /* after each epoch */
    size_t         epochs;          /* so far */
    answer        *answer;          /* one for each held-out image */
    size_t         right, confusion[CLASSES * CLASSES];
} reader;

static ad_var loss_of(nn_model *model, size_t inputs, const ad_var input[], void *user) {
    (void)model;
    const reader *r = user;
    ad_var        logits[CLASSES];
    nn_mlp_forward(r->mlp, input, logits);
    return nn_cross_entropy(CLASSES, logits, input[inputs - 1]);
}

/* 1 if the image is read correctly: its mean over the held-out ones is the accuracy. */
static ad_var read_right(nn_model *model, size_t inputs, const ad_var input[], void *user) {
    (void)model;
    const reader *r = user;
    ad_var        logits[CLASSES];
    nn_mlp_forward(r->mlp, input, logits);
    return nn_correct(CLASSES, logits, input[inputs - 1]);
}

static void probabilities(nn_model *model, size_t n, const ad_var pixel[], ad_var output[],
                          void *user) {
    (void)model, (void)n;
    nn_mlp_forward(((const reader *)user)->mlp, pixel, output);
    nn_softmax_recorded(CLASSES, output, output);
}

static answer answer_of(const reader *r, size_t row, const double probability[CLASSES]) {
    answer a = {.row = row, .truth = (size_t)nn_data_row(r->held_out, row)[PIXELS]};
    memcpy(a.probability, probability, sizeof a.probability);
    for (size_t i = 1; i < CLASSES; i++)
        if (probability[i] > probability[a.guess]) a.guess = i;
    return a;
}

static bool ask_all(reader *r, nn_model *model) {
    const size_t rows = nn_data_rows(r->held_out);
    double      *said = calloc(rows, CLASSES * sizeof *said);
    const bool   good =
        said != NULL && nn_predict(model, probabilities, r, CLASSES, r->held_out, said) == AD_OK;
    if (said == NULL) fputs("digits: out of memory\n", stderr);
    else if (!good) fprintf(stderr, "digits: %s\n", nn_model_message(model));
    for (size_t row = 0; row < rows && good; row++) {
        const answer a = r->answer[row] = answer_of(r, row, said + row * CLASSES);
        r->right += a.guess == a.truth;
        r->confusion[a.truth * CLASSES + a.guess]++;
    }
    free(said);
    return good;
}

/* Records the curve, and lowers the rate linearly to a tenth in the last epoch. */
static bool after_epoch(const nn_epoch *e, void *user) {
    reader        *r = user;
    const options *o = r->options;
    r->loss[r->epochs] = e->loss;
    r->accuracy[r->epochs++] = e->metric;
    if (o->epochs > 1)
        nn_optimizer_set_rate(r->optimizer,
                              o->rate * (1 - 0.9 * (double)e->epoch / (double)(o->epochs - 1)));
    return true;
}

/* ---- data ------------------------------------------------------------------------------------ */

static bool good_image(const double *x) {
    for (size_t i = 0; i < PIXELS; i++)
        if (x[i] < 0 || x[i] > MOST_INK) return false;
    return x[PIXELS] >= 0 && x[PIXELS] < CLASSES && x[PIXELS] == floor(x[PIXELS]);
}

static bool check_images(const nn_data *data, const char *path) {
    if (nn_data_inputs(data) != PIXELS) {
        fprintf(stderr, "digits: %s: %zu columns, but an image has %d pixels and a label\n",
                option_shown(path), nn_data_inputs(data) + nn_data_targets(data), PIXELS);
        return false;
    }
    for (size_t row = 0; row < nn_data_rows(data); row++)
        if (!good_image(nn_data_row(data, row))) {
            fprintf(stderr, "digits: %s: row %zu is not %d pixels of 0 to %d and a digit\n",
                    option_shown(path), row + 1, PIXELS, MOST_INK);
            return false;
        }
    return true;
}

static bool read_images(reader *r) {
    const options *o = r->options;
    r->learned = nn_data_csv(o->data, NULL);
    if (nn_data_status(r->learned) == AD_OK && !check_images(r->learned, o->data)) return false;
    nn_data_scale(r->learned, 1.0 / MOST_INK);
    r->held_out = nn_data_split(r->learned, 0.2, o->seed);
    if (nn_data_status(r->held_out) == AD_OK) return true;
    fprintf(stderr, "digits: %s\n", nn_data_message(r->held_out));
    return false;
}

/* ---- what it learned ------------------------------------------------------------------------- */

/* By rising probability of the true class. */
static int worse(const void *a, const void *b) {
    const answer *x = a, *y = b;
    const double  p = x->probability[x->truth], q = y->probability[y->truth];
    return p < q ? -1 : p > q ? 1 : x->row < y->row ? -1 : 1;
}

static void show_misses(const reader *r, terminal t) {
    const size_t     rows = nn_data_rows(r->held_out);
    terminal_picture picture[SHOWN_MISSES];
    answer          *miss = calloc(rows, sizeof *miss);
    size_t           misses = 0;
    if (miss == NULL) return;
    for (size_t i = 0; i < rows; i++)
        if (r->answer[i].guess != r->answer[i].truth) miss[misses++] = r->answer[i];
    qsort(miss, misses, sizeof *miss, worse);
    const size_t n = misses < SHOWN_MISSES ? misses : SHOWN_MISSES;
    for (size_t i = 0; i < n; i++) {
        const answer *a = &miss[i];
        picture[i].ink = nn_data_row(r->held_out, a->row);
        snprintf(picture[i].caption[0], sizeof picture[i].caption[0], "a %zu, read as %zu",
                 a->truth, a->guess);
        snprintf(picture[i].caption[1], sizeof picture[i].caption[1], "%zu: %.0f%%  %zu: %.1f%%",
                 a->guess, 100 * a->probability[a->guess], a->truth,
                 100 * a->probability[a->truth]);
    }
    if (n > 0)
        fprintf(t.to, "\nThe worst %s, with the probabilities given to both digits:\n\n",
                n == 1 ? "miss" : "misses");
    terminal_pictures(t, SIDE, n, picture);
    free(miss);
}

static bool write_confusion(const reader *r) {
    FILE *file = report_create(r->options->out, "confusion.tsv");
    if (file == NULL) return false;
    fputs("true", file);
    for (size_t j = 0; j < CLASSES; j++) fprintf(file, "\tread_as_%zu", j);
    for (size_t i = 0; i < CLASSES * CLASSES; i++) {
        if (i % CLASSES == 0) fprintf(file, "\n%zu", i / CLASSES);
        fprintf(file, "\t%zu", r->confusion[i]);
    }
    fputc('\n', file);
    return report_close(file, r->options->out, "confusion.tsv");
}

static bool write_predictions(const reader *r) {
    FILE *file = report_create(r->options->out, "predictions.tsv");
    if (file == NULL) return false;
    fputs("image\ttrue\tread_as", file);
    for (size_t j = 0; j < CLASSES; j++) fprintf(file, "\tprobability_%zu", j);
    for (size_t i = 0; i < nn_data_rows(r->held_out); i++) {
        const answer *a = &r->answer[i];
        fprintf(file, "\n%zu\t%zu\t%zu", a->row, a->truth, a->guess);
        for (size_t j = 0; j < CLASSES; j++) fprintf(file, "\t%.6f", a->probability[j]);
    }
    fputc('\n', file);
    return report_close(file, r->options->out, "predictions.tsv");
}

static bool draw_pictures(const reader *r) {
    char title[64];
    snprintf(title, sizeof title, "%zu of %zu held-out images read", r->right,
             nn_data_rows(r->held_out));
    const report_curve  curve = {r->epochs, r->loss, r->accuracy};
    const report_matrix matrix = {CLASSES, r->confusion};
    const bool          drawn = report_draw_curve(r->options->out, "loss", curve);
    return report_draw_matrix(r->options->out, "confusion", matrix, title) && drawn;
}

static bool report(const reader *r) {
    const bool     gnuplot = report_gnuplot(), quiet = r->options->quiet;
    const size_t   rows = nn_data_rows(r->held_out);
    const terminal t = terminal_of(stdout);
    if (!quiet) fputc('\n', stdout);
    printf("%zu of %zu held-out images read: %.2f%%\n", r->right, rows,
           100 * (double)r->right / (double)rows);
    if (!quiet) {
        fputc('\n', stdout);
        terminal_confusion(t, CLASSES, r->confusion);
        show_misses(r, t);
        fflush(stdout);
    }
    bool good = write_confusion(r) && write_predictions(r);
    if (gnuplot) good = draw_pictures(r) && good;
    if (good && !quiet)
        printf("\nIn %s:\n  history.tsv, confusion.tsv, predictions.tsv%s\n",
               option_shown(r->options->out),
               gnuplot ? ", loss and confusion (.svg, .png)"
                       : "\n  (gnuplot would have drawn pictures too)");
    return good;
}

static ad_var logits_loss(size_t n, const ad_var logits[], ad_var target) {
    return nn_cross_entropy(n, logits, target);
}

static bool inspect(const reader *r, nn_model *model) {
    size_t           sizes[COMMAND_MOST_COUNTS + 2];
    const terminal   t = terminal_of(stdout);
    const inspection i = {
        .model = model,
        .layers = all_sizes(r->options, sizes),
        .sizes = sizes,
        .hidden = ad_tanh,
        .loss = logits_loss,
        .data = r->learned,
    };
    return inspect_layers(&i, t, r->options->out) &&
           inspect_weights(model, SIDE, t, r->options->out);
}

/* ---- the lesson ------------------------------------------------------------------------------ */

static bool write_lesson(FILE *to, void *lesson) {
    return nn_lesson_html(lesson, to) == AD_OK;
}

/* The image whose true class got the lowest probability: it teaches the most. */
static bool teach(const reader *r, nn_model *model) {
    static const char *const names[CLASSES] = {"0", "1", "2", "3", "4", "5", "6", "7", "8", "9"};
    const size_t             rows = nn_data_rows(r->held_out);
    size_t                   worst = 0;
    char                     title[80];
    for (size_t row = 1; row < rows; row++)
        if (r->answer[row].probability[r->answer[row].truth] <
            r->answer[worst].probability[r->answer[worst].truth])
            worst = row;
    const answer *a = &r->answer[worst];
    snprintf(title, sizeof title, "A %zu that was read as a %zu", a->truth, a->guess);
    nn_lesson *lesson = nn_lesson_new(model, r->mlp, r->held_out,
                                      &(nn_lesson_config){
                                          .rows = 1,
                                          .row = &worst,
                                          .rate = r->options->rate,
                                          .image = SIDE,
                                          .title = title,
                                          .output_names = names,
                                      });
    const bool good =
        lesson != NULL && report_whole("digits", r->options->lesson, write_lesson, lesson);
    if (lesson == NULL) fprintf(stderr, "digits: %s\n", nn_model_message(model));
    nn_lesson_free(lesson);
    if (good && !r->options->quiet)
        printf("The lesson of one image: %s\n", option_shown(r->options->lesson));
    return good;
}

/* ---- the run --------------------------------------------------------------------------------- */

static void introduce(const reader *r, const nn_model *model) {
    const options *o = r->options;
    char           network[COMMAND_MOST_COUNTS * 24 + 48];
    size_t         sizes[COMMAND_MOST_COUNTS + 2];
    const size_t   layers = all_sizes(o, sizes);
    int            length = 0;
    printf("%zu images to learn from, %zu held out\n", nn_data_rows(r->learned),
           nn_data_rows(r->held_out));
    for (size_t i = 0; i <= layers; i++)
        length += sprintf(network + length, "%s%zu", i == 0 ? "" : "-", sizes[i]);
    terminal_line(stdout, "network %s, tanh, %zu parameters; batches of %zu, rate %g, seed %llu\n",
                  network, nn_model_count(model), o->batch, o->rate, (unsigned long long)o->seed);
    fflush(stdout);
}

static bool allocate(reader *r) {
    r->loss = calloc(r->options->epochs, sizeof *r->loss);
    r->accuracy = calloc(r->options->epochs, sizeof *r->accuracy);
    r->answer = calloc(nn_data_rows(r->held_out), sizeof *r->answer);
    if (r->loss != NULL && r->accuracy != NULL && r->answer != NULL) return true;
    fputs("digits: out of memory\n", stderr);
    return false;
}

static bool train(reader *r, nn_model *model) {
    const options *o = r->options;
    char          *history = malloc(strlen(o->out) + sizeof "/history.tsv");
    if (history == NULL) {
        fputs("digits: out of memory\n", stderr);
        return false;
    }
    sprintf(history, "%s/history.tsv", o->out);
    const ad_status status = nn_train(model, loss_of, r, r->learned, r->optimizer,
                                      &(nn_train_config){
                                          .epochs = o->epochs,
                                          .batch = o->batch,
                                          .seed = o->seed,
                                          .progress = !o->quiet,
                                          .stream = stdout,
                                          .history = history,
                                          .held_out = r->held_out,
                                          .score = read_right,
                                          .metric_name = "accuracy",
                                          .watch = after_epoch,
                                      });
    free(history);
    if (status != AD_OK) fprintf(stderr, "digits: %s\n", nn_model_message(model));
    return status == AD_OK && ask_all(r, model);
}

static int run(const options *o) {
    reader    r = {.options = o};
    ad_tape  *tape = ad_tape_new();
    nn_model *model = nn_model_new(tape, o->seed);
    size_t    sizes[COMMAND_MOST_COUNTS + 2];
    r.mlp = nn_mlp_new(model, &(nn_mlp_config){.layers = all_sizes(o, sizes), .sizes = sizes});
    r.optimizer = nn_sgd(o->rate);
    bool good = read_images(&r) && allocate(&r) && report_folder(o->out);
    if (good && !o->quiet) introduce(&r, model);
    good = good && train(&r, model) && report(&r) && (!o->inspect || inspect(&r, model)) &&
           (o->lesson == NULL || teach(&r, model));
    free(r.loss);
    free(r.accuracy);
    free(r.answer);
    nn_optimizer_free(r.optimizer);
    nn_data_free(r.learned);
    nn_data_free(r.held_out);
    nn_mlp_free(r.mlp);
    nn_model_free(model);
    ad_tape_free(tape);
    return good ? 0 : BAD_RUN;
}

int main(int count, char *arguments[]) {
    int status;
    setlocale(LC_CTYPE, "");
    if (command_read(about, list, count, arguments, &status)) status = run(&chosen);
    return output_end(status, BAD_RUN);
}
