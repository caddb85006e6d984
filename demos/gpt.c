/* gpt - a character-level GPT, Karpathy's microgpt with every number a scalar, learns the lines of
 * a text file and generates others like them.
 *
 * A document is a line: its bytes between two copies of a beginning-of-sequence token, truncated
 * after BLOCK tokens. Documents of equal length record the same graph, so each length is one
 * program, compiled when it is first used. */
#include "command.h"
#include "report.h"
#include "transformer.h"

#include "nn/open.h"

#include <errno.h>
#include <locale.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { HEADS = 4, BLOCK = 16, COLUMNS = 2 + BLOCK }; /* number to predict, tokens */

static uint64_t    seed = 1;
static size_t      steps = 1000, batch = 1, width = 16, samples = 20;
static double      rate = 0.01, temperature = 0.5;
static const char *path = "demos/data/names.txt", *out = "gpt-out";

static const command_option options[] = {
    {"seed", COMMAND_SEED, &seed, 0, 0, "of the initial weights, the order and the samples"},
    {"steps", COMMAND_COUNT, &steps, 1, 10000000, "of Adam, betas 0.85 and 0.99"},
    {"batch", COMMAND_COUNT, &batch, 1, 10000, "documents per step"},
    {"embd", COMMAND_COUNT, &width, HEADS, 1024, "width of the network, a multiple of 4"},
    {"rate", COMMAND_RATE, &rate, 0, 0, "initial learning rate; it falls linearly to 0"},
    {"samples", COMMAND_COUNT, &samples, 1, 10000, "lines to generate at the end"},
    {"temperature", COMMAND_RATE, &temperature, 0, 0,
     "below 1 favors likely tokens, above 1 unlikely ones"},
    {"data", COMMAND_FILE, &path, 0, 0, "text file with a document on each line"},
    {"out", COMMAND_FOLDER, &out, 0, 0,
     "where history.tsv, samples.tsv and, with gnuplot, the picture go"},
    {0},
};

typedef struct writer {
    size_t       documents, vocabulary; /* the last token marks the beginning and the end */
    size_t       token[256];            /* of a byte */
    char         letter[256];           /* of a token */
    double      *row;                   /* documents x COLUMNS */
    double      *loss;                  /* of each step */
    nn_model    *model;
    transformer *net;
} writer;

static bool fail(const char *what, const char *why) {
    return fprintf(stderr, "gpt: %s: %s\n", option_shown(what), why), false;
}

/* ---- documents ------------------------------------------------------------------------------- */

static void add_document(writer *w, const char *line, size_t length) {
    double      *row = w->row + w->documents++ * COLUMNS;
    const size_t kept = length + 1 < BLOCK ? length + 1 : BLOCK;
    row[0] = (double)kept;
    for (size_t i = 0; i <= BLOCK; i++) /* bytes for now; -1 is the mark */
        row[1 + i] = i == 0 || i > length ? -1 : (double)(unsigned char)line[i - 1];
}

static bool read_lines(writer *w, FILE *file) {
    char   *line = NULL;
    size_t  room = 0, rows = 0;
    ssize_t length;
    bool    good = true;
    while (good && (length = getline(&line, &room, file)) >= 0) {
        while (length > 0 && (line[length - 1] == '\n' || line[length - 1] == '\r')) length--;
        if (length == 0) continue;
        if (w->documents == rows) {
            double *more = realloc(w->row, (rows = 2 * rows + 64) * COLUMNS * sizeof *more);
            good = more != NULL;
            if (good) w->row = more;
        }
        if (good) add_document(w, line, (size_t)length);
    }
    free(line);
    if (!good) return fail(path, "out of memory");
    if (ferror(file)) return fail(path, strerror(errno));
    return w->documents > 0 || fail(path, "no nonempty line");
}

/* Tokens instead of bytes, numbered in the order of the bytes. */
static void number_tokens(writer *w) {
    bool         seen[256] = {false};
    const size_t n = w->documents * COLUMNS;
    for (size_t i = 0; i < n; i++)
        if (i % COLUMNS > 0 && w->row[i] >= 0) seen[(size_t)w->row[i]] = true;
    for (size_t b = 0; b < 256; b++)
        if (seen[b]) w->letter[w->token[b] = w->vocabulary++] = (char)b;
    for (size_t i = 0; i < n; i++)
        if (i % COLUMNS > 0)
            w->row[i] = (double)(w->row[i] < 0 ? w->vocabulary : w->token[(size_t)w->row[i]]);
    w->vocabulary++;
}

static bool read_documents(writer *w) {
    char      why[NN__MESSAGE];
    ad_status status;
    FILE     *file = nn__open_file(path, NN__STREAM, &status, why);
    if (file == NULL) return fail(path, why);
    const bool good = read_lines(w, file);
    fclose(file);
    if (good) number_tokens(w);
    return good;
}

/* ---- learning -------------------------------------------------------------------------------- */

static uint64_t length_of(size_t columns, const double row[], void *user) {
    (void)columns, (void)user;
    return (uint64_t)row[0];
}

static ad_var loss(nn_model *model, size_t columns, const ad_var row[], void *user) {
    (void)model, (void)columns;
    return transformer_loss(((writer *)user)->net, (size_t)ad_value(row[0]), row + 1);
}

static bool after_step(const nn_step *s, void *user) {
    writer *w = user;
    w->loss[s->steps - 1] = s->loss;
    if (s->steps % (steps < 10 ? 1 : steps / 10) == 0) {
        double       mean = 0;
        const size_t n = s->steps < 100 ? s->steps : 100;
        for (size_t i = 0; i < n; i++) mean += w->loss[s->steps - 1 - i] / (double)n;
        printf("step %zu of %zu: loss %.4f, the mean of %zu steps\n", s->steps, steps, mean, n);
        fflush(stdout);
    }
    return s->steps < steps;
}

static bool learn(writer *w) {
    const size_t      epochs = (steps - 1) / ((w->documents + batch - 1) / batch) + 1;
    const nn_schedule falling = nn_schedule_linear(rate, 0, steps);
    nn_adam_config    config = nn_adam_usual(rate);
    config.beta1 = 0.85, config.beta2 = 0.99;
    nn_optimizer *adam = nn_adam_new(&config);
    nn_data      *data = nn_data_new(w->documents, COLUMNS, 0, w->row);
    const bool    good = nn_train(w->model, loss, w, data, adam,
                                  &(nn_train_config){.epochs = epochs,
                                                     .batch = batch,
                                                     .seed = seed,
                                                     .shape = length_of,
                                                     .on_step = after_step,
                                                     .schedule = &falling}) == AD_OK;
    nn_data_free(data);
    nn_optimizer_free(adam);
    return good || fail("training", nn_model_message(w->model));
}

/* ---- writing --------------------------------------------------------------------------------- */

static size_t draw_token(const writer *w, const ad_var logits[], nn_random *random) {
    double p[256 + 1], largest = -INFINITY, total = 0;
    for (size_t i = 0; i < w->vocabulary; i++) largest = fmax(largest, ad_value(logits[i]));
    for (size_t i = 0; i < w->vocabulary; i++)
        total += p[i] = exp((ad_value(logits[i]) - largest) / temperature);
    double left = nn_random_uniform(random) * total;
    for (size_t i = 0; i + 1 < w->vocabulary; i++)
        if ((left -= p[i]) < 0) return i;
    return w->vocabulary - 1;
}

static void sample(const writer *w, nn_random *random, char text[BLOCK + 1]) {
    ad_tape *tape = nn_model_tape(w->model);
    ad_var   token[BLOCK] = {ad_num((double)w->vocabulary - 1)};
    size_t   n = 0;
    for (; n < BLOCK; n++) {
        const ad_mark mark = ad_tape_mark(tape);
        const size_t  next =
            draw_token(w, transformer_logits(w->net, n + 1, token) + n * w->vocabulary, random);
        ad_tape_rewind(tape, mark);
        if (next + 1 == w->vocabulary) break;
        text[n] = w->letter[next];
        if (n + 1 < BLOCK) token[n + 1] = ad_num((double)next);
    }
    text[n] = '\0';
}

/* True if the text is a line of the data; one that fills the block only has to be a line's
 * beginning. */
static bool in_the_data(const writer *w, const char *text) {
    for (size_t d = 0; d < w->documents; d++) {
        const double *token = w->row + d * COLUMNS + 2;
        size_t        i = 0;
        while (text[i] != '\0' && token[i] == (double)w->token[(unsigned char)text[i]]) i++;
        if (text[i] == '\0' && (i == BLOCK || token[i] == (double)w->vocabulary - 1)) return true;
    }
    return false;
}

static bool write_samples(const writer *w) {
    nn_random random = nn_random_seeded(seed);
    size_t    old = 0;
    FILE     *file = report_create(out, "samples.tsv");
    if (file == NULL) return false;
    printf("\nat temperature %g:\n\n", temperature);
    fputs("text\tin_the_data\n", file);
    for (size_t i = 0; i < samples; i++) {
        char text[BLOCK + 1];
        sample(w, &random, text);
        const bool there = in_the_data(w, text);
        old += there;
        printf("  %s\n", option_shown(text));
        fprintf(file, "%s\t%d\n", option_shown(text), there);
    }
    printf("\n%zu of %zu are in the data\n", old, samples);
    return report_close(file, out, "samples.tsv");
}

/* ---- the report ------------------------------------------------------------------------------ */

static void script(FILE *to, const void *what) {
    const writer *w = what;
    double        mean = w->loss[0];
    fputs("$loss << END\n", to);
    for (size_t i = 0; i < steps; i++) {
        mean += (w->loss[i] - mean) / (double)(i < 50 ? i + 1 : 50);
        fprintf(to, "%zu %.8g %.8g\n", i + 1, w->loss[i], mean);
    }
    fprintf(to,
            "END\nset border 3 lc rgb '#555555'; set tics nomirror tc rgb '#555555'; set grid "
            "ytics lc rgb '#dddddd' lt 1\n"
            "set xlabel 'step' tc rgb '#555555'; set ylabel 'cross-entropy of a token' tc rgb "
            "'#555555'; set key top right\n"
            "set xrange [0:%zu]\n"
            "plot $loss using 1:2 with points pt 7 ps 0.15 lc rgb '#d8b0a0' title 'of each step', "
            "%g with lines dt 2 lc rgb '#888888' title 'uniform over all tokens', $loss using 1:3 "
            "with lines lw 2 lc rgb '#c04020' title 'mean of about 50'\n",
            steps, log((double)w->vocabulary));
}

static bool report(const writer *w) {
    FILE *file = report_create(out, "history.tsv");
    if (file == NULL) return false;
    fputs("step\tloss\n", file);
    for (size_t i = 0; i < steps; i++) fprintf(file, "%zu\t%.17g\n", i + 1, w->loss[i]);
    if (!report_close(file, out, "history.tsv") || !write_samples(w)) return false;
    const bool gnuplot = report_gnuplot();
    if (gnuplot && !report_draw(out, "loss", 720, 420, script, w)) return false;
    printf("In %s:\n  history.tsv, samples.tsv%s\n", option_shown(out),
           gnuplot ? ", loss.svg, loss.png" : "");
    return true;
}

static bool build(writer *w, ad_tape *tape) {
    w->model = nn_model_new(tape, seed);
    w->net = transformer_new(w->model, w->vocabulary, width, HEADS, BLOCK);
    w->loss = calloc(steps, sizeof *w->loss);
    if (w->net == NULL || w->loss == NULL)
        return fail("no network", nn_model_status(w->model) != AD_OK ? nn_model_message(w->model)
                                                                     : "out of memory");
    printf("%zu documents, %zu tokens; width %zu, %d heads, blocks of %d, %zu parameters;\n"
           "batches of %zu, seed %llu\n\n",
           w->documents, w->vocabulary, width, HEADS, BLOCK, nn_model_count(w->model), batch,
           (unsigned long long)seed);
    return true;
}

static int run(void) {
    writer     w = {0};
    ad_tape   *tape = ad_tape_new();
    const bool good =
        read_documents(&w) && report_folder(out) && build(&w, tape) && learn(&w) && report(&w);
    transformer_free(w.net);
    nn_model_free(w.model);
    ad_tape_free(tape);
    free(w.row);
    free(w.loss);
    return good ? 0 : BAD_RUN;
}

static bool good_width(void) {
    char word[24];
    snprintf(word, sizeof word, "%zu", width);
    return width % HEADS == 0 || option_complain("gpt", "--embd takes a multiple of 4", word);
}

int main(int count, char *arguments[]) {
    int status;
    setlocale(LC_CTYPE, "");
    if (command_read("Learns to write lines like those of a text file: Karpathy's microgpt, a GPT "
                     "of one layer and four\n"
                     "heads whose tokens are characters.",
                     options, count, arguments, &status))
        status = good_width() ? run() : BAD_USE;
    return output_end(status, BAD_RUN);
}
