/* digits - a network that learns to read handwritten digits.
 *
 * It is trained on four fifths of 1,797 small images and tested on the others: how many it reads,
 * which digits it confuses, and its worst misses. See digits --help. */
#include "command.h"
#include "inspect.h"
#include "nn/nn.h"
#include "reading.h"
#include "report.h"
#include "terminal.h"

#include <locale.h>
#include <string.h>

/* ---- options --------------------------------------------------------------------------------- */

typedef struct options {
    reading_options reading;
    command_counts  hidden;
    const char     *lesson;
    bool            inspect;
} options;

static options chosen = {
    .reading = {.seed = 1,
                .epochs = 30,
                .batch = 8,
                .rate = 0.1,
                .data = "demos/data/digits.csv",
                .out = "digits-out"},
    .hidden = {8, 2, {64, 32}},
};

static const command_option list[] = {
    {"seed", COMMAND_SEED, &chosen.reading.seed, 0, 0,
     "of the initial weights, the split and the order"},
    {"epochs", COMMAND_COUNT, &chosen.reading.epochs, 1, 1000000, "passes over the images"},
    {"batch", COMMAND_COUNT, &chosen.reading.batch, 1, 1000000, "images per step"},
    {"rate", COMMAND_RATE, &chosen.reading.rate, 0, 0,
     "initial learning rate; it falls to a tenth"},
    {"hidden", COMMAND_COUNTS, &chosen.hidden, 1, 10000,
     "units of the hidden layers, 1 to 8 of them"},
    {"data", COMMAND_FILE, &chosen.reading.data, 0, 0, "the images"},
    {"out", COMMAND_FOLDER, &chosen.reading.out, 0, 0,
     "where history.tsv, confusion.tsv, predictions.tsv and, with gnuplot, the\npictures go"},
    {"inspect", COMMAND_FLAG, &chosen.inspect, 0, 0,
     "look inside too: activations, gradients, dead units, weights as pictures"},
    {"lesson", COMMAND_FILE, &chosen.lesson, 0, 0,
     "write a page to step through: how the network would learn from a held-out\nimage, a misread "
     "one if there is any"},
    {"quiet", COMMAND_FLAG, &chosen.reading.quiet, 0, 0, "one line of output"},
    {0},
};

static const char about[] =
    "Learns to read handwritten digits, 8 x 8 pixels each: a network of tanh units, trained with\n"
    "stochastic gradient descent on four fifths of the images and tested on the rest.";

/* sizes: pixels, hidden units, classes; returns the number of layers. */
static size_t all_sizes(const options *o, size_t sizes[COMMAND_MOST_COUNTS + 2]) {
    sizes[0] = READING_PIXELS;
    memcpy(sizes + 1, o->hidden.count, o->hidden.n * sizeof *sizes);
    sizes[o->hidden.n + 1] = READING_CLASSES;
    return o->hidden.n + 1;
}

/* ---- the network ----------------------------------------------------------------------------- */

typedef struct reader {
    const options *options;
    nn_mlp        *mlp;
    reading        reading;
} reader;

static void network(const ad_var pixel[], ad_var logits[], void *user) {
    const reader *r = user;
    nn_mlp_forward(r->mlp, pixel, logits);
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
        .data = r->reading.learned,
    };
    return inspect_layers(&i, t, r->options->reading.out) &&
           inspect_weights(model, READING_SIDE, t, r->options->reading.out);
}

/* ---- the lesson ------------------------------------------------------------------------------ */

static bool write_lesson(FILE *to, void *lesson) {
    return nn_lesson_html(lesson, to) == AD_OK;
}

/* The image whose true class got the lowest probability: it teaches the most. */
static bool teach(const reader *r, nn_model *model) {
    static const char *const names[READING_CLASSES] = {"0", "1", "2", "3", "4",
                                                       "5", "6", "7", "8", "9"};
    const size_t             rows = nn_data_rows(r->reading.held_out);
    size_t                   worst = 0;
    char                     title[80];
    for (size_t row = 1; row < rows; row++)
        if (r->reading.answer[row].probability[r->reading.answer[row].truth] <
            r->reading.answer[worst].probability[r->reading.answer[worst].truth])
            worst = row;
    const reading_answer *a = &r->reading.answer[worst];
    snprintf(title, sizeof title, "A %zu that was read as a %zu", a->truth, a->guess);
    nn_lesson *lesson = nn_lesson_new(model, r->mlp, r->reading.held_out,
                                      &(nn_lesson_config){
                                          .rows = 1,
                                          .row = &worst,
                                          .rate = r->options->reading.rate,
                                          .image = READING_SIDE,
                                          .title = title,
                                          .output_names = names,
                                      });
    const bool good =
        lesson != NULL && report_whole("digits", r->options->lesson, write_lesson, lesson);
    if (lesson == NULL) fprintf(stderr, "digits: %s\n", nn_model_message(model));
    nn_lesson_free(lesson);
    if (good && !r->options->reading.quiet)
        printf("The lesson of one image: %s\n", option_shown(r->options->lesson));
    return good;
}

/* ---- the run --------------------------------------------------------------------------------- */

static void introduce(const reader *r, const nn_model *model) {
    const reading_options *o = &r->options->reading;
    char                   shape[COMMAND_MOST_COUNTS * 24 + 48];
    size_t                 sizes[COMMAND_MOST_COUNTS + 2];
    const size_t           layers = all_sizes(r->options, sizes);
    int                    length = 0;
    printf("%zu images to learn from, %zu held out\n", nn_data_rows(r->reading.learned),
           nn_data_rows(r->reading.held_out));
    for (size_t i = 0; i <= layers; i++)
        length += sprintf(shape + length, "%s%zu", i == 0 ? "" : "-", sizes[i]);
    terminal_line(stdout, "network %s, tanh, %zu parameters; batches of %zu, rate %g, seed %llu\n",
                  shape, nn_model_count(model), o->batch, o->rate, (unsigned long long)o->seed);
    fflush(stdout);
}

static int run(const options *o) {
    reader r = {
        .options = o,
        .reading = {.program = "digits", .options = &o->reading, .network = network, .user = &r},
    };
    ad_tape  *tape = ad_tape_new();
    nn_model *model = nn_model_new(tape, o->reading.seed);
    size_t    sizes[COMMAND_MOST_COUNTS + 2];
    r.mlp = nn_mlp_new(model, &(nn_mlp_config){.layers = all_sizes(o, sizes), .sizes = sizes});
    r.reading.optimizer = nn_sgd(o->reading.rate);
    bool good = reading_open(&r.reading) && report_folder(o->reading.out);
    if (good && !o->reading.quiet) introduce(&r, model);
    good = good && reading_train(&r.reading, model) && reading_report(&r.reading) &&
           (!o->inspect || inspect(&r, model)) && (o->lesson == NULL || teach(&r, model));
    nn_optimizer_free(r.reading.optimizer);
    reading_close(&r.reading);
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
