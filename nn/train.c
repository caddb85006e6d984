/* train.c - minibatch gradient descent.
 *
 * The parameters are trained as an array of numbers; the tape gets them when somebody is about to look:
 * a row that is recorded, the metric, the caller's functions, and in the end. What rows.c makes of a
 * batch depends on nothing but the data and the order, which the seed decides. */
#include "rows.h"

#include <errno.h>
#include <langinfo.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

/* How progress is shown. */
typedef struct screen {
    FILE       *to;                          /* NULL: not at all */
    bool        terminal, utf8;
    double      drawn;                       /* when the bar was last drawn */
    const char *metric_name;                 /* NULL: no metric */
} screen;

typedef struct run {
    nn_model              *model;
    nn_loss               *loss;
    void                  *user;
    const nn_data         *data;
    nn_optimizer          *optimizer;
    const nn_train_config *config;
    ad_tape               *tape;
    ad_mark                mark;             /* above the parameters, and above all the caller recorded */
    size_t                 rows;
    nn__weights            weights;
    nn__rows              *examples;
    double                *gradient;         /* of a batch */
    size_t                *order;            /* rows: the order of this epoch */
    nn_random              random;
    FILE                  *history;
    screen                 screen;
    size_t                 epoch, step, done;    /* from 1, from 1, examples in this epoch */
    double                 loss_sum, metric;     /* over this epoch so far; after the last epoch */
    double                 start, epoch_start;
} run;

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9*(double)t.tv_nsec;
}

static bool good(const run *r) {
    return nn_model_status(r->model) == AD_OK;
}

/* ---- progress --------------------------------------------------------------------------------- */

enum { REDRAW_MS = 100, NARROWEST_BAR = 8, WIDEST_BAR = 40, LINE = 256 };

static screen screen_for(const nn_train_config *config) {
    screen      s = {.metric_name = NULL};
    const char *term = getenv("TERM");
    if (config->metric != NULL)
        s.metric_name = config->metric_name != NULL ? config->metric_name : "metric";
    if (!config->progress) return s;
    s.to = config->stream != NULL ? config->stream : stderr;
    const int file = fileno(s.to);           /* -1 for a stream in memory */
    s.terminal = file >= 0 && isatty(file) && term != NULL && strcmp(term, "dumb") != 0;
    s.utf8 = strcmp(nl_langinfo(CODESET), "UTF-8") == 0;
    return s;
}

static size_t columns_of(FILE *terminal) {
    struct winsize size;
    return ioctl(fileno(terminal), TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : 80;
}

__attribute__((format(printf, 2, 3)))
static void append(char line[LINE], const char *format, ...) {
    const size_t length = strlen(line);
    va_list      list;
    va_start(list, format);
    vsnprintf(line + length, LINE - length, format, list);
    va_end(list);
}

static void append_duration(char line[LINE], double seconds) {
    const unsigned long s = seconds < 1e9 ? (unsigned long)ceil(seconds) : 1000000000ul;
    if (s < 60) append(line, "%lu s", s);
    else if (s < 3600) append(line, "%lu:%02lu", s/60, s%60);
    else append(line, "%lu:%02lu:%02lu", s/3600, s/60%60, s%60);
}

static double epochs_done(const run *r) {
    return (double)(r->epoch - 1) + (double)r->done/(double)r->rows;
}

/* What is known in the middle or at the end of an epoch. */
static void append_numbers(const run *r, char line[LINE]) {
    const double t = now(), done = epochs_done(r), all = (double)r->config->epochs;
    append(line, "loss %-8.4g", r->loss_sum/(double)r->done);
    if (r->screen.metric_name != NULL && !isnan(r->metric))
        append(line, "  %s %-6.4g", r->screen.metric_name, r->metric);
    append(line, "  %.0f examples/s", (double)r->done/(t - r->epoch_start));
    if (done < all) {
        append(line, "  ");
        append_duration(line, (t - r->start)/done*(all - done));
        append(line, " left");
    } else {
        append(line, "  took ");
        append_duration(line, t - r->start);
    }
}

static void draw_cells(const screen *s, size_t cells, double part) {
    const size_t full = (size_t)(part*(double)cells);
    for (size_t i = 0; i < cells; i++)
        fputs(i < full ? (s->utf8 ? "\u2588" : "#") : (s->utf8 ? "\u2591" : "."), s->to);
}

/* One line, always the same one; the bar takes the space that the numbers leave. */
static void draw_bar(const run *r) {
    const screen *s = &r->screen;
    const double  part = epochs_done(r)/(double)r->config->epochs;
    char          head[LINE] = "", tail[LINE] = "";
    append(head, "epoch %zu/%zu ", r->epoch, r->config->epochs);
    append(tail, " %3.0f%%  ", 100*part);
    append_numbers(r, tail);
    const size_t width = columns_of(s->to) - 1, text = strlen(head) + strlen(tail);
    size_t       cells = width > text ? width - text : 0;
    if (cells > WIDEST_BAR) cells = WIDEST_BAR;
    fprintf(s->to, "\r%.*s", (int)width, head);
    if (cells >= NARROWEST_BAR) draw_cells(s, cells, part);
    if (width > strlen(head)) fprintf(s->to, "%.*s", (int)(width - strlen(head)), tail);
    fputs("\x1b[K", s->to);
    fflush(s->to);
}

static void write_line(const run *r) {
    char line[LINE] = "";
    append(line, "epoch %*zu/%zu  ", snprintf(NULL, 0, "%zu", r->config->epochs), r->epoch,
           r->config->epochs);
    append_numbers(r, line);
    fprintf(r->screen.to, "%s\n", line);
    fflush(r->screen.to);
}

static void show_step(run *r) {
    screen *s = &r->screen;
    if (s->to == NULL || !s->terminal || now() - s->drawn < 1e-3*REDRAW_MS) return;
    const locale_t before = nn__locale_enter();
    draw_bar(r);
    nn__locale_leave(before);
    s->drawn = now();
}

static void show_epoch(run *r) {
    if (r->screen.to == NULL) return;
    const locale_t before = nn__locale_enter();
    if (r->screen.terminal) draw_bar(r);
    else write_line(r);
    nn__locale_leave(before);
}

/* The next output begins on a line of its own. */
static void leave_screen(const run *r) {
    if (r->screen.to != NULL && r->screen.terminal && r->epoch > 0) fputc('\n', r->screen.to);
}

/* ---- history ---------------------------------------------------------------------------------- */

static void history_failed(run *r) {
    nn__model_fail(r->model, AD_BAD_FILE, "%s: the history cannot be written: %s", r->config->history,
                   strerror(errno));
}

static void open_history(run *r) {
    if (r->config->history == NULL) return;
    r->history = fopen(r->config->history, "w");
    if (r->history == NULL) {
        history_failed(r);
        return;
    }
    fputs("epoch\tloss", r->history);
    if (r->screen.metric_name != NULL) fprintf(r->history, "\t%s", r->screen.metric_name);
    fputs("\tseconds\texamples_per_second\n", r->history);
}

/* Written through after each epoch, so that a run that is killed leaves what it knew. */
static void write_history(run *r, const nn_epoch *e) {
    if (r->history == NULL) return;
    const locale_t before = nn__locale_enter();
    fprintf(r->history, "%zu\t%.17g", e->epoch, e->loss);
    if (r->screen.metric_name != NULL) fprintf(r->history, "\t%.17g", e->metric);
    fprintf(r->history, "\t%.3f\t%.0f\n", e->seconds, e->examples_per_second);
    nn__locale_leave(before);
    if (fflush(r->history) != 0) history_failed(r);
}

static void close_history(run *r) {
    if (r->history != NULL && fclose(r->history) != 0) history_failed(r);
}

/* ---- examples, steps, epochs ------------------------------------------------------------------ */

/* The examples at order[first .. first + n - 1]: their mean gradient, then the parameters. */
static void take_step(run *r, size_t first, size_t n) {
    double    mean;
    ad_status status = nn__rows_run(r->examples, n, r->order + first, &mean, r->gradient);
    if (status != AD_OK) {
        nn__model_fail(r->model, status, "epoch %zu, step %zu, %s", r->epoch, r->step,
                       nn__rows_message(r->examples));
        return;
    }
    status = nn_optimizer_update(r->optimizer, r->weights.count, r->weights.value, r->gradient);
    if (status != AD_OK) nn__model_fail(r->model, status, "%s", nn_optimizer_message(r->optimizer));
    else r->weights.ahead = true;
    r->loss_sum += (double)n*mean;
    r->done += n;
}

static void measure(run *r) {
    if (r->config->metric == NULL) return;
    nn__weights_settle(&r->weights);
    r->metric = r->config->metric(r->model, r->user);
    ad_tape_rewind(r->tape, r->mark);
    if (ad_tape_status(r->tape) != AD_OK)
        nn__model_fail(r->model, ad_tape_status(r->tape), "the metric after epoch %zu: %s", r->epoch,
                       ad_tape_message(r->tape));
}

/* False when it was the last one. */
static bool run_epoch(run *r) {
    const size_t batch = r->config->batch;
    r->epoch++;
    r->done = r->step = 0;
    r->loss_sum = 0;
    r->epoch_start = now();
    nn_random_shuffle(&r->random, r->rows, r->order);
    for (size_t first = 0; first < r->rows && good(r); first += batch) {
        r->step++;
        take_step(r, first, r->rows - first < batch ? r->rows - first : batch);
        if (good(r)) show_step(r);
    }
    if (!good(r)) return false;
    const double seconds = now() - r->epoch_start;
    measure(r);
    if (!good(r)) return false;
    const nn_epoch e = {r->epoch, r->loss_sum/(double)r->rows, r->metric, now() - r->start,
                        (double)r->rows/seconds};
    show_epoch(r);
    write_history(r, &e);
    if (r->config->watch == NULL) return r->epoch < r->config->epochs;
    nn__weights_settle(&r->weights);
    const bool more = r->config->watch(&e, r->user);
    nn__weights_fetch(&r->weights);
    return more && good(r) && r->epoch < r->config->epochs;
}

/* ---- nn_train --------------------------------------------------------------------------------- */

static void check_arguments(run *r) {
    const nn_train_config *c = r->config;
    if (nn_data_status(r->data) != AD_OK)
        nn__model_fail(r->model, nn_data_status(r->data), "%s", nn_data_message(r->data));
    else if (nn_optimizer_status(r->optimizer) != AD_OK)
        nn__model_fail(r->model, nn_optimizer_status(r->optimizer), "%s",
                       nn_optimizer_message(r->optimizer));
    else if (c == NULL || r->loss == NULL)
        nn__model_fail(r->model, AD_BAD_ARGUMENT, "nn_train: no %s", c == NULL ? "configuration" : "loss");
    else if (nn_model_count(r->model) == 0)
        nn__model_fail(r->model, AD_BAD_ARGUMENT, "nn_train: the model has no parameters");
    else if (c->epochs == 0 || c->batch == 0)
        nn__model_fail(r->model, AD_BAD_ARGUMENT, "nn_train: the number of %s is 0",
                       c->epochs == 0 ? "epochs" : "examples in a batch");
    else if (c->batch > r->rows)
        nn__model_fail(r->model, AD_BAD_ARGUMENT,
                       "nn_train: a batch of %zu examples is larger than the data, %zu rows", c->batch,
                       r->rows);
}

static void allocate(run *r) {
    const bool open = nn__weights_open(&r->weights, r->model);
    r->gradient = calloc(r->weights.count, sizeof *r->gradient);
    r->order = calloc(r->rows, sizeof *r->order);
    r->examples = !open ? NULL : nn__rows_new(&(nn__rows_config){
        &r->weights, r->loss, r->user, r->data, r->config->shape, r->config->by_example,
    });
    if (r->examples == NULL || r->gradient == NULL || r->order == NULL)
        nn__model_fail(r->model, AD_NO_MEMORY, "out of memory: no space to train %zu parameters",
                       r->weights.count);
    else
        for (size_t i = 0; i < r->rows; i++) r->order[i] = i;
}

static void release(run *r) {
    nn__weights_close(&r->weights);
    nn__rows_free(r->examples);
    free(r->gradient);
    free(r->order);
}

static void train(run *r) {
    r->random = nn_random_seeded(r->config->seed);
    r->screen = screen_for(r->config);
    open_history(r);
    r->start = now();
    while (good(r) && run_epoch(r)) continue;
    leave_screen(r);
    close_history(r);
}

ad_status nn_train(nn_model *model, nn_loss *loss, void *user, const nn_data *data,
                   nn_optimizer *optimizer, const nn_train_config *config) {
    run r = {
        .model = model, .loss = loss, .user = user, .data = data, .optimizer = optimizer,
        .config = config, .tape = nn_model_tape(model), .mark = ad_tape_mark(nn_model_tape(model)),
        .rows = nn_data_rows(data), .metric = NAN,
    };
    if (good(&r)) check_arguments(&r);
    if (good(&r)) allocate(&r);
    if (good(&r)) train(&r);
    release(&r);
    return nn_model_status(model);
}
