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
    size_t                 epoch_first;          /* examples of this epoch that an earlier run had done */
    size_t                 unsaved;              /* steps since the last checkpoint */
    bool                   over;                 /* the caller's watch has ended the training */
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
    append(line, "  %.0f examples/s", (double)(r->done - r->epoch_first)/(t - r->epoch_start));
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

/* The lines of the epochs that a resumed run has behind it stay; what was written after its checkpoint
 * goes, for it will come again. NULL where there is nothing to go on with. */
static FILE *reopen_history(const run *r) {
    FILE  *file = fopen(r->config->history, "r+");
    size_t lines = 0, epochs = r->done < r->rows ? r->epoch - 1 : r->epoch;
    off_t  end = 0;
    if (file == NULL) return NULL;
    for (int c; lines <= epochs && (c = getc(file)) != EOF;)
        if (c == '\n') lines++, end = ftello(file);
    if (end > 0 && fseeko(file, end, SEEK_SET) == 0 && ftruncate(fileno(file), end) == 0) return file;
    fclose(file);
    return NULL;
}

static void open_history(run *r) {
    if (r->config->history == NULL) return;
    if (r->epoch > 0 && (r->history = reopen_history(r)) != NULL) return;
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

/* ---- checkpoints ------------------------------------------------------------------------------ */

enum { ENTRIES = 9 };

/* What a checkpoint holds of a run, besides parameters and optimizer. */
typedef struct position {
    uint64_t epoch, step, done, over, random[4];
    double   loss_sum, metric, seconds, *order;
} position;

static void list_position(const run *r, position *p, nn_entry entry[ENTRIES]) {
    const nn_entry list[ENTRIES] = {
        {"epoch", 1, NULL, &p->epoch}, {"step", 1, NULL, &p->step}, {"done", 1, NULL, &p->done},
        {"over", 1, NULL, &p->over}, {"random", 4, NULL, p->random},
        {"loss_sum", 1, &p->loss_sum, NULL}, {"metric", 1, &p->metric, NULL}, {"seconds", 1, &p->seconds, NULL},
        {"order", r->rows, p->order, NULL},
    };
    memcpy(entry, list, sizeof list);
}

static double *room_for_order(run *r) {
    double *order = calloc(r->rows, sizeof *order);
    if (order == NULL)
        nn__model_fail(r->model, AD_NO_MEMORY, "%s: out of memory: no space for %zu rows", r->config->checkpoint,
                       r->rows);
    return order;
}

static void save(run *r) {
    if (r->config->checkpoint == NULL || !good(r)) return;
    nn_entry entry[ENTRIES];
    position p = {
        .epoch = r->epoch, .step = r->step, .done = r->done, .over = r->over, .loss_sum = r->loss_sum,
        .metric = r->metric, .seconds = now() - r->start, .order = room_for_order(r),
    };
    if (p.order == NULL) return;
    memcpy(p.random, r->random.state, sizeof p.random);
    for (size_t i = 0; i < r->rows; i++) p.order[i] = (double)r->order[i];
    list_position(r, &p, entry);
    nn__weights_settle(&r->weights);
    nn_checkpoint_save(r->config->checkpoint, r->model, r->optimizer, ENTRIES, entry);
    free(p.order);
    r->unsaved = 0;
}

static void save_now_and_then(run *r) {
    if (r->config->checkpoint_steps > 0 && ++r->unsaved >= r->config->checkpoint_steps) save(r);
}

/* Each row once. `order` is taken where it is. */
static bool take_order(run *r, const double order[]) {
    bool *seen = calloc(r->rows, sizeof *seen), good = seen != NULL;
    for (size_t i = 0; i < r->rows && good; i++) {
        good = order[i] >= 0 && order[i] < (double)r->rows && order[i] == floor(order[i]) && !seen[(size_t)order[i]];
        if (good) seen[r->order[i] = (size_t)order[i]] = true;
    }
    free(seen);
    return good;
}

static void take_position(run *r, const position *p) {
    const uint64_t *s = p->random;
    if (p->epoch == 0 || p->done == 0 || p->done > r->rows || (s[0] | s[1] | s[2] | s[3]) == 0 ||
        !take_order(r, p->order)) {
        nn_model_set_values(r->model, r->weights.value);      /* as they were */
        nn__model_fail(r->model, AD_BAD_FILE, "%s: no position of a run over %zu rows", r->config->checkpoint,
                       r->rows);
        return;
    }
    r->epoch = p->epoch, r->step = p->step, r->done = p->done, r->over = p->over != 0;
    r->loss_sum = p->loss_sum, r->metric = p->metric, r->start -= p->seconds;
    memcpy(r->random.state, p->random, sizeof p->random);
    nn__weights_fetch(&r->weights);
}

/* From the checkpoint, if there is one and the caller wants to. */
static void resume(run *r) {
    const char *path = r->config->checkpoint;
    if (path == NULL || !r->config->resume || (access(path, F_OK) != 0 && errno == ENOENT)) return;
    nn_entry entry[ENTRIES];
    position p = {.order = room_for_order(r)};
    if (p.order == NULL) return;
    list_position(r, &p, entry);
    if (nn_checkpoint_load(path, r->model, r->optimizer, ENTRIES, entry) == AD_OK) take_position(r, &p);
    free(p.order);
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

/* The next one, unless an earlier run has left it in the middle. */
static void begin_epoch(run *r) {
    if (r->epoch == 0 || r->done == r->rows) {
        r->epoch++;
        r->done = r->step = 0;
        r->loss_sum = 0;
        nn_random_shuffle(&r->random, r->rows, r->order);
    }
    r->epoch_first = r->done;
    r->epoch_start = now();
}

static void watch(run *r, const nn_epoch *e) {
    if (r->config->watch == NULL) return;
    nn__weights_settle(&r->weights);
    r->over = !r->config->watch(e, r->user);
    nn__weights_fetch(&r->weights);
}

static void run_epoch(run *r) {
    const size_t batch = r->config->batch;
    begin_epoch(r);
    while (r->done < r->rows && good(r)) {
        const size_t left = r->rows - r->done;
        r->step++;
        take_step(r, r->done, left < batch ? left : batch);
        if (!good(r)) return;
        show_step(r);
        if (r->done < r->rows) save_now_and_then(r);
    }
    const double seconds = now() - r->epoch_start;
    if (good(r)) measure(r);
    if (!good(r)) return;
    const nn_epoch e = {r->epoch, r->loss_sum/(double)r->rows, r->metric, now() - r->start,
                        (double)(r->rows - r->epoch_first)/seconds};
    show_epoch(r);
    write_history(r, &e);
    watch(r, &e);
    save(r);
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
    r->start = now();
    resume(r);
    if (good(r)) open_history(r);
    while (good(r) && !r->over && (r->epoch < r->config->epochs || r->done < r->rows)) run_epoch(r);
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
