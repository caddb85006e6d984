/* reading.c - handwritten digits, learned and read; see reading.h. */
#include "reading.h"

#include "options.h"
#include "report.h"
#include "terminal.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_INK = 16, SHOWN_MISSES = 8 };

/* ---- data ------------------------------------------------------------------------------------ */

static bool good_image(const double *x) {
    for (size_t i = 0; i < READING_PIXELS; i++)
        if (x[i] < 0 || x[i] > MOST_INK) return false;
    return x[READING_PIXELS] >= 0 && x[READING_PIXELS] < READING_CLASSES &&
           x[READING_PIXELS] == floor(x[READING_PIXELS]);
}

static bool check_images(const char *program, const nn_data *data, const char *path) {
    if (nn_data_inputs(data) != READING_PIXELS) {
        fprintf(stderr, "%s: %s: %zu columns, but an image has %d pixels and a label\n", program,
                option_shown(path), nn_data_inputs(data) + nn_data_targets(data), READING_PIXELS);
        return false;
    }
    for (size_t row = 0; row < nn_data_rows(data); row++)
        if (!good_image(nn_data_row(data, row))) {
            fprintf(stderr, "%s: %s: row %zu is not %d pixels of 0 to %d and a digit\n", program,
                    option_shown(path), row + 1, READING_PIXELS, MOST_INK);
            return false;
        }
    return true;
}

static bool read_images(reading *r) {
    const reading_options *o = r->options;
    r->learned = nn_data_csv(o->data, NULL);
    if (nn_data_status(r->learned) == AD_OK && !check_images(r->program, r->learned, o->data))
        return false;
    nn_data_scale(r->learned, 1.0 / MOST_INK);
    r->held_out = nn_data_split(r->learned, 0.2, o->seed);
    if (nn_data_status(r->held_out) == AD_OK) return true;
    fprintf(stderr, "%s: %s\n", r->program, nn_data_message(r->held_out));
    return false;
}

static bool allocate(reading *r) {
    r->loss = calloc(r->options->epochs, sizeof *r->loss);
    r->accuracy = calloc(r->options->epochs, sizeof *r->accuracy);
    r->answer = calloc(nn_data_rows(r->held_out), sizeof *r->answer);
    if (r->loss != NULL && r->accuracy != NULL && r->answer != NULL) return true;
    fprintf(stderr, "%s: out of memory\n", r->program);
    return false;
}

bool reading_open(reading *r) {
    return read_images(r) && allocate(r);
}

void reading_close(reading *r) {
    free(r->loss);
    free(r->accuracy);
    free(r->answer);
    nn_data_free(r->learned);
    nn_data_free(r->held_out);
}

/* ---- training -------------------------------------------------------------------------------- */

static ad_var loss_of(nn_model *model, size_t inputs, const ad_var input[], void *user) {
    (void)model;
    const reading *r = user;
    ad_var         logits[READING_CLASSES];
    r->network(input, logits, r->user);
    return nn_cross_entropy(READING_CLASSES, logits, input[inputs - 1]);
}

/* 1 if the image is read correctly: its mean over the held-out ones is the accuracy. */
static ad_var read_right(nn_model *model, size_t inputs, const ad_var input[], void *user) {
    (void)model;
    const reading *r = user;
    ad_var         logits[READING_CLASSES];
    r->network(input, logits, r->user);
    return nn_correct(READING_CLASSES, logits, input[inputs - 1]);
}

static void probabilities(nn_model *model, size_t n, const ad_var pixel[], ad_var output[],
                          void *user) {
    (void)model, (void)n;
    const reading *r = user;
    r->network(pixel, output, r->user);
    nn_softmax_recorded(READING_CLASSES, output, output);
}

static reading_answer answer_of(const reading *r, size_t row, const double probability[]) {
    reading_answer a = {.row = row, .truth = (size_t)nn_data_row(r->held_out, row)[READING_PIXELS]};
    memcpy(a.probability, probability, sizeof a.probability);
    for (size_t i = 1; i < READING_CLASSES; i++)
        if (probability[i] > probability[a.guess]) a.guess = i;
    return a;
}

static bool ask_all(reading *r, nn_model *model) {
    const size_t rows = nn_data_rows(r->held_out);
    double      *said = calloc(rows, READING_CLASSES * sizeof *said);
    const bool   good = said != NULL && nn_predict(model, probabilities, r, READING_CLASSES,
                                                   r->held_out, said) == AD_OK;
    if (said == NULL) fprintf(stderr, "%s: out of memory\n", r->program);
    else if (!good) fprintf(stderr, "%s: %s\n", r->program, nn_model_message(model));
    for (size_t row = 0; row < rows && good; row++) {
        const reading_answer a = r->answer[row] = answer_of(r, row, said + row * READING_CLASSES);
        r->right += a.guess == a.truth;
        r->confusion[a.truth * READING_CLASSES + a.guess]++;
    }
    free(said);
    return good;
}

/* Records the curve, and lowers the rate linearly to a tenth in the last epoch. */
static bool after_epoch(const nn_epoch *e, void *user) {
    reading               *r = user;
    const reading_options *o = r->options;
    r->loss[r->epochs] = e->loss;
    r->accuracy[r->epochs++] = e->metric;
    if (o->epochs > 1)
        nn_optimizer_set_rate(r->optimizer,
                              o->rate * (1 - 0.9 * (double)e->epoch / (double)(o->epochs - 1)));
    return true;
}

bool reading_train(reading *r, nn_model *model) {
    const reading_options *o = r->options;
    char                  *history = malloc(strlen(o->out) + sizeof "/history.tsv");
    if (history == NULL) {
        fprintf(stderr, "%s: out of memory\n", r->program);
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
    if (status != AD_OK) fprintf(stderr, "%s: %s\n", r->program, nn_model_message(model));
    return status == AD_OK && ask_all(r, model);
}

/* ---- what it learned ------------------------------------------------------------------------- */

/* By rising probability of the true class. */
static int worse(const void *a, const void *b) {
    const reading_answer *x = a, *y = b;
    const double          p = x->probability[x->truth], q = y->probability[y->truth];
    return p < q ? -1 : p > q ? 1 : x->row < y->row ? -1 : 1;
}

static void show_misses(const reading *r, terminal t) {
    const size_t     rows = nn_data_rows(r->held_out);
    terminal_picture picture[SHOWN_MISSES];
    reading_answer  *miss = calloc(rows, sizeof *miss);
    size_t           misses = 0;
    if (miss == NULL) return;
    for (size_t i = 0; i < rows; i++)
        if (r->answer[i].guess != r->answer[i].truth) miss[misses++] = r->answer[i];
    qsort(miss, misses, sizeof *miss, worse);
    const size_t n = misses < SHOWN_MISSES ? misses : SHOWN_MISSES;
    for (size_t i = 0; i < n; i++) {
        const reading_answer *a = &miss[i];
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
    terminal_pictures(t, READING_SIDE, n, picture);
    free(miss);
}

static bool write_confusion(const reading *r) {
    FILE *file = report_create(r->options->out, "confusion.tsv");
    if (file == NULL) return false;
    fputs("true", file);
    for (size_t j = 0; j < READING_CLASSES; j++) fprintf(file, "\tread_as_%zu", j);
    for (size_t i = 0; i < READING_CLASSES * READING_CLASSES; i++) {
        if (i % READING_CLASSES == 0) fprintf(file, "\n%zu", i / READING_CLASSES);
        fprintf(file, "\t%zu", r->confusion[i]);
    }
    fputc('\n', file);
    return report_close(file, r->options->out, "confusion.tsv");
}

static bool write_predictions(const reading *r) {
    FILE *file = report_create(r->options->out, "predictions.tsv");
    if (file == NULL) return false;
    fputs("image\ttrue\tread_as", file);
    for (size_t j = 0; j < READING_CLASSES; j++) fprintf(file, "\tprobability_%zu", j);
    for (size_t i = 0; i < nn_data_rows(r->held_out); i++) {
        const reading_answer *a = &r->answer[i];
        fprintf(file, "\n%zu\t%zu\t%zu", a->row, a->truth, a->guess);
        for (size_t j = 0; j < READING_CLASSES; j++) fprintf(file, "\t%.6f", a->probability[j]);
    }
    fputc('\n', file);
    return report_close(file, r->options->out, "predictions.tsv");
}

static bool draw_pictures(const reading *r) {
    char title[64];
    snprintf(title, sizeof title, "%zu of %zu held-out images read", r->right,
             nn_data_rows(r->held_out));
    const report_curve  curve = {r->epochs, r->loss, r->accuracy};
    const report_matrix matrix = {READING_CLASSES, r->confusion};
    const bool          drawn = report_draw_curve(r->options->out, "loss", curve);
    return report_draw_matrix(r->options->out, "confusion", matrix, title) && drawn;
}

bool reading_report(const reading *r) {
    const bool     gnuplot = report_gnuplot(), quiet = r->options->quiet;
    const size_t   rows = nn_data_rows(r->held_out);
    const terminal t = terminal_of(stdout);
    if (!quiet) fputc('\n', stdout);
    printf("%zu of %zu held-out images read: %.2f%%\n", r->right, rows,
           100 * (double)r->right / (double)rows);
    if (!quiet) {
        fputc('\n', stdout);
        terminal_confusion(t, READING_CLASSES, r->confusion);
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
