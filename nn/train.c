/* train.c - minibatch gradient descent.
 *
 * The parameters are trained as an array of numbers, which is written to the tape only before
 * something reads it there: the recording of a row, the metric, the caller's functions, and the end
 * of training. What rows.c computes for a batch depends only on the data and the order, which the
 * seed determines.
 *
 * The whole state of a run at the end of a step is in its parameters, its optimizer and `entries`:
 * that is what a checkpoint holds, and a run resumed from one ends with the same bits. */
#include "data.h"
#include "history.h"
#include "optimizer.h"
#include "progress.h"
#include "rows.h"
#include "save.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* The state in a checkpoint besides parameters and optimizer. */
typedef struct position {
    uint64_t epoch, done, step, steps;    /* from 1; examples and steps in it; steps in total */
    uint64_t over;                        /* 1: the caller's watch ended the training */
    uint64_t best_epoch;                  /* 0: none yet */
    uint64_t batch, seed;                 /* of the run: one with others cannot resume it */
    double   loss_sum, seconds;           /* over this epoch so far; since the start */
    double   best, held_out_loss, metric; /* best monitored number; of the last epoch */
} position;

typedef struct run {
    nn_model              *model;
    void                  *user;
    const nn_data         *data;
    nn_optimizer          *optimizer;
    const nn_train_config *config;
    nn_loss               *loss;
    ad_tape               *tape;
    ad_mark                mark; /* above all that the caller recorded */
    size_t                 rows, held_out_rows;
    nn__weights            weights;
    nn__rows              *examples, *held_out, *score;
    double                *gradient, *best_values;
    size_t                *held_out_index; /* 0, 1, ...: all held-out rows */
    size_t                *order;          /* rows: the order of this epoch */
    double                *saved_order;    /* the same for a checkpoint; NULL without one */
    nn_random              random;
    nn__history            history;
    nn__progress           progress;
    position               at;
    double                 start, epoch_start;
    size_t                 first_done; /* examples of this epoch that an earlier run did */
    size_t                 unsaved;    /* steps since the last checkpoint */
    bool                   stopped;    /* by the caller's on_step */
} run;

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static bool good(const run *r) {
    return nn_model_status(r->model) == AD_OK;
}

/* ---- progress -------------------------------------------------------------------------------- */

static nn__snapshot snapshot_of(const run *r, double t) {
    const double done = (double)(r->at.epoch - 1) + (double)r->at.done / (double)r->rows;
    const double all = (double)r->config->epochs, seconds = t - r->start;
    const double speed = (double)(r->at.done - r->first_done) / (t - r->epoch_start);
    return (nn__snapshot){
        .epoch = (size_t)r->at.epoch,
        .epochs = r->config->epochs,
        .done = done,
        .loss = r->at.loss_sum / (double)r->at.done,
        .held_out_loss = r->at.held_out_loss,
        .metric = r->at.metric,
        .examples_per_second = speed,
        .seconds = seconds,
        .left = (all - done) * (double)r->rows / speed,
    };
}

static void show_step(run *r) {
    if (r->progress.to == NULL) return;
    const double t = now();
    if (!nn__progress_due(&r->progress, t)) return;
    const nn__snapshot m = snapshot_of(r, t);
    nn__progress_step(&r->progress, &m, t);
}

static void show_epoch(run *r) {
    const nn__snapshot m = snapshot_of(r, now());
    nn__progress_epoch(&r->progress, &m);
}

/* At most once per training. */
static void pass_on_note(run *r, const nn__rows *rows) {
    const char *note = nn__rows_note(rows);
    if (note[0] == '\0' || nn_model_note(r->model)[0] != '\0') return;
    nn__model_set_note(r->model, note);
    nn__progress_note(&r->progress, note);
}

static void history_failed(run *r) {
    nn__model_fail(r->model, r->history.status, "%s", r->history.message);
}

/* ---- checkpoints ----------------------------------------------------------------------------- */

enum { ENTRIES = 16 };

/* clang-format off */
#define WHOLE(field) {.name = #field, .count = 1, .whole = &r->at.field}
#define REAL(field)  {.name = #field, .count = 1, .real = &r->at.field}
/* clang-format on */

static size_t entries(run *r, nn_entry e[ENTRIES]) {
    const nn_entry all[ENTRIES] = {
        /* clang-format off */
        WHOLE(epoch), WHOLE(done), WHOLE(step), WHOLE(steps), WHOLE(over), WHOLE(best_epoch),
        WHOLE(batch), WHOLE(seed),
        REAL(loss_sum), REAL(seconds), REAL(best), REAL(held_out_loss), REAL(metric),
        {.name = "random", .count = 4, .whole = r->random.state},
        {.name = "order", .count = r->rows, .real = r->saved_order},
        {.name = "best_values", .count = r->weights.count, .real = r->best_values},
        /* clang-format on */
    };
    memcpy(e, all, sizeof all);
    return r->best_values != NULL ? ENTRIES : ENTRIES - 1;
}

static void save(run *r) {
    nn_entry e[ENTRIES];
    if (r->config->checkpoint == NULL || !good(r)) return;
    nn__weights_flush(&r->weights);
    for (size_t i = 0; i < r->rows; i++) r->saved_order[i] = (double)r->order[i];
    r->at.seconds = now() - r->start;
    r->unsaved = 0;
    nn_checkpoint_save(r->config->checkpoint, r->model, r->optimizer, entries(r, e), e);
}

static void save_if_due(run *r) {
    if (r->config->checkpoint_steps > 0 && ++r->unsaved >= r->config->checkpoint_steps) save(r);
}

/* Refuses before the first step what saving would refuse after an epoch. */
static void check_checkpoint(run *r) {
    nn_entry e[ENTRIES];
    if (r->config->checkpoint == NULL || !good(r)) return;
    nn__checkpoint_check(r->config->checkpoint, r->model, r->optimizer, entries(r, e), e);
}

/* Takes the order of a checkpoint; false unless it has each row once. */
static bool take_order(run *r) {
    const double *order = r->saved_order;
    bool         *seen = calloc(r->rows, sizeof *seen), good = seen != NULL;
    for (size_t i = 0; i < r->rows && good; i++) {
        good = order[i] >= 0 && order[i] < (double)r->rows && order[i] == floor(order[i]) &&
               !seen[(size_t)order[i]];
        if (good) seen[r->order[i] = (size_t)order[i]] = true;
    }
    free(seen);
    return good;
}

static void check_position(run *r) {
    const uint64_t *s = r->random.state;
    const char     *path = r->config->checkpoint;
    if (r->at.epoch == 0 || r->at.done == 0 || r->at.done > r->rows ||
        (s[0] | s[1] | s[2] | s[3]) == 0 || !take_order(r))
        nn__model_fail(r->model, AD_BAD_FILE, "%s: not the position of a run over %zu rows", path,
                       r->rows);
    else if (r->at.batch != r->config->batch || r->at.seed != r->config->seed)
        nn__model_fail(
            r->model, AD_BAD_FILE,
            "%s: the checkpoint is of a run with batches of %llu and seed %llu, not %zu and %llu",
            path, (unsigned long long)r->at.batch, (unsigned long long)r->at.seed, r->config->batch,
            (unsigned long long)r->config->seed);
}

/* Loads the checkpoint, if there is one and the caller wants to. */
static bool resume(run *r) {
    nn_entry    e[ENTRIES];
    const char *path = r->config->checkpoint;
    if (path == NULL || !r->config->resume || (access(path, F_OK) != 0 && errno == ENOENT))
        return false;
    if (nn_checkpoint_load(path, r->model, r->optimizer, entries(r, e), e) != AD_OK) return false;
    check_position(r);
    if (good(r)) nn__weights_fetch(&r->weights);
    else r->weights.dirty = true; /* restores the parameters as they were */
    r->first_done = (size_t)r->at.done;
    r->start -= r->at.seconds;
    return good(r);
}

/* ---- a step ---------------------------------------------------------------------------------- */

/* The caller's functions see the parameters on the tape and may change them. */
static void flush_parameters(run *r) {
    nn__weights_flush(&r->weights);
}

static void reload_parameters(run *r) {
    nn__weights_fetch(&r->weights);
}

static void call_on_step(run *r, double loss) {
    if (r->config->on_step == NULL) return;
    const nn_step s = {
        .epoch = (size_t)r->at.epoch,
        .step = (size_t)r->at.step,
        .steps = (size_t)r->at.steps,
        .loss = loss,
        .rate = nn_optimizer_rate(r->optimizer),
    };
    flush_parameters(r);
    r->stopped = !r->config->on_step(&s, r->user);
    reload_parameters(r);
}

static void scale_and_clip(run *r, size_t n) {
    const nn_train_config *c = r->config;
    const size_t           count = r->weights.count;
    if (c->sum)
        for (size_t i = 0; i < count; i++) r->gradient[i] *= (double)n;
    if (c->clip_norm > 0) nn_clip_norm(count, r->gradient, c->clip_norm);
    if (c->clip_value > 0) nn_clip_value(count, r->gradient, c->clip_value);
}

/* A step over the examples order[done .. done + n - 1]. */
static void take_step(run *r, size_t n) {
    double mean;
    r->at.step++;
    ad_status status = nn__rows_run(r->examples, n, r->order + r->at.done, &mean, r->gradient);
    if (status != AD_OK) {
        nn__model_fail(r->model, status, "epoch %zu, step %zu, %s", (size_t)r->at.epoch,
                       (size_t)r->at.step, nn__rows_message(r->examples));
        return;
    }
    pass_on_note(r, r->examples);
    scale_and_clip(r, n);
    if (r->config->schedule != NULL)
        nn__optimizer_set_scheduled_rate(
            r->optimizer, nn_schedule_rate(r->config->schedule, (size_t)r->at.steps));
    status = nn__optimizer_update(r->optimizer, r->model, r->weights.value, r->gradient);
    if (status != AD_OK) {
        nn__model_fail(r->model, status, "%s", nn_optimizer_message(r->optimizer));
        return;
    }
    r->weights.dirty = true;
    r->at.loss_sum += (double)n * mean;
    r->at.done += n;
    r->at.steps++;
    call_on_step(r, mean);
}

/* ---- an epoch -------------------------------------------------------------------------------- */

static void measure_rows(run *r, nn__rows *rows, const char *what, double *mean) {
    if (rows == NULL || !good(r)) return;
    const ad_status status = nn__rows_run(rows, r->held_out_rows, r->held_out_index, mean, NULL);
    if (status != AD_OK)
        nn__model_fail(r->model, status, "%s after epoch %zu, held-out %s", what,
                       (size_t)r->at.epoch, nn__rows_message(rows));
    pass_on_note(r, rows);
}

static void measure(run *r) {
    measure_rows(r, r->held_out, "the loss", &r->at.held_out_loss);
    measure_rows(r, r->score, "the score", &r->at.metric);
    if (r->config->metric == NULL || !good(r)) return;
    flush_parameters(r);
    r->at.metric = r->config->metric(r->model, r->user);
    ad_tape_rewind(r->tape, r->mark);
    if (ad_tape_status(r->tape) != AD_OK)
        nn__model_fail(r->model, ad_tape_status(r->tape), "the metric after epoch %zu: %s",
                       (size_t)r->at.epoch, ad_tape_message(r->tape));
    reload_parameters(r);
}

/* True, and remembered, if this epoch is better than the best so far; NaN never is. */
static bool best_so_far(run *r, double loss) {
    const nn_train_config *c = r->config;
    const double           x = c->monitor == NN_HIGHEST_METRIC ? -r->at.metric
                             : c->monitor == NN_LOWEST_METRIC  ? r->at.metric
                             : r->held_out != NULL             ? r->at.held_out_loss
                                                               : loss;
    if (!(r->at.best_epoch == 0 ? x == x : x < r->at.best - c->min_delta)) return false;
    r->at.best = x;
    r->at.best_epoch = r->at.epoch;
    if (r->best_values != NULL)
        memcpy(r->best_values, r->weights.value, r->weights.count * sizeof *r->best_values);
    return true;
}

static bool out_of_patience(const run *r) {
    return r->config->patience > 0 && r->at.epoch - r->at.best_epoch >= r->config->patience;
}

static bool more_epochs(const run *r) {
    return !r->stopped && !r->at.over && r->at.epoch < r->config->epochs && !out_of_patience(r);
}

/* Measures, then reports to progress, history and watch. */
static void end_epoch(run *r, double seconds) {
    const double loss = r->at.loss_sum / (double)r->rows;
    measure(r);
    if (!good(r)) return;
    const nn_epoch e = {
        .epoch = (size_t)r->at.epoch,
        .loss = loss,
        .metric = r->at.metric,
        .seconds = now() - r->start,
        .examples_per_second = (double)(r->rows - r->first_done) / seconds,
        .held_out_loss = r->at.held_out_loss,
        .rate = nn_optimizer_rate(r->optimizer),
        .best = best_so_far(r, loss),
    };
    show_epoch(r);
    if (!nn__history_write(&r->history, &e)) history_failed(r);
    if (r->config->watch != NULL && good(r)) {
        flush_parameters(r);
        r->at.over = !r->config->watch(&e, r->user);
        reload_parameters(r);
    }
}

static void begin_epoch(run *r) {
    r->at.epoch++;
    r->at.done = r->at.step = 0;
    r->at.loss_sum = 0;
    r->first_done = 0;
    if (!r->config->in_order) nn_random_shuffle(&r->random, r->rows, r->order);
}

/* Runs the epoch from its current position to its end. After its last step nothing is saved before
 * it has been measured. */
static void run_epoch(run *r) {
    const size_t batch = r->config->batch;
    r->epoch_start = now();
    nn__rows_set_noise(r->examples, nn__data_noise_key(r->config->seed, r->at.epoch));
    while (r->at.done < r->rows && good(r) && !r->stopped) {
        const size_t left = r->rows - (size_t)r->at.done;
        take_step(r, left < batch ? left : batch);
        if (!good(r)) return;
        show_step(r);
        if (r->at.done < r->rows) save_if_due(r);
    }
    if (r->at.done == r->rows) end_epoch(r, now() - r->epoch_start);
    save(r);
}

/* ---- nn_train -------------------------------------------------------------------------------- */

static const char *bad_number(const nn_train_config *c) {
    return !isfinite(c->clip_norm) || c->clip_norm < 0   ? "clip_norm"
         : !isfinite(c->clip_value) || c->clip_value < 0 ? "clip_value"
         : !isfinite(c->min_delta) || c->min_delta < 0   ? "min_delta"
                                                         : NULL;
}

/* True if the name fits in a field of the history: no tab, newline or other control character. */
static bool plain_name(const char *name) {
    for (; name != NULL && *name != '\0'; name++) {
        const unsigned char c = (unsigned char)name[0], next = (unsigned char)name[1];
        if (c < 0x20 || c == 0x7f || (c == 0xc2 && next >= 0x80 && next < 0xa0))
            return false; /* to U+009F */
    }
    return true;
}

/* A checkpoint replaces the file of its name: progress written to the old file would be lost. */
static bool progress_into_checkpoint(const nn_train_config *c) {
    struct stat file, progress;
    FILE *const stream = c->stream != NULL ? c->stream : stderr;
    return c->progress && c->checkpoint != NULL && stat(c->checkpoint, &file) == 0 &&
           S_ISREG(file.st_mode) && fileno(stream) >= 0 && fstat(fileno(stream), &progress) == 0 &&
           file.st_dev == progress.st_dev && file.st_ino == progress.st_ino;
}

static void check_held_out(run *r) {
    const nn_data *held_out = r->config->held_out;
    if (held_out == NULL) return;
    if (nn_data_status(held_out) != AD_OK)
        nn__model_fail(r->model, nn_data_status(held_out), "%s", nn_data_message(held_out));
    else if (!nn__data_same_noise(held_out, r->data))
        nn__model_fail(r->model, AD_BAD_ARGUMENT,
                       "nn_train: the held-out rows have other columns of noise than the data, %zu "
                       "and %zu: nn_data_noise adds the same to both",
                       held_out->noise, r->data->noise);
    else if (nn_data_inputs(held_out) != nn_data_inputs(r->data) ||
             nn_data_targets(held_out) != nn_data_targets(r->data))
        nn__model_fail(
            r->model, AD_BAD_ARGUMENT,
            "nn_train: the held-out rows have %zu inputs and %zu targets, the data %zu and %zu",
            nn_data_inputs(held_out), nn_data_targets(held_out), nn_data_inputs(r->data),
            nn_data_targets(r->data));
}

static void check_configuration(run *r) {
    const nn_train_config *c = r->config;
    if (!nn__model_reserved(r->model, "nn_train", "nn_train_config", c->reserved, c + 1)) return;
    if (c->schedule != NULL && !nn__model_reserved(r->model, "nn_train", "nn_schedule",
                                                   c->schedule->reserved, c->schedule + 1))
        return;
    if (c->epochs == 0 || c->batch == 0)
        nn__model_fail(r->model, AD_BAD_ARGUMENT, "nn_train: the number of %s is 0",
                       c->epochs == 0 ? "epochs" : "examples in a batch");
    else if (c->batch > r->rows)
        nn__model_fail(r->model, AD_BAD_ARGUMENT,
                       "nn_train: a batch of %zu examples is larger than the data, %zu rows",
                       c->batch, r->rows);
    else if (c->schedule != NULL && !nn_schedule_good(c->schedule))
        nn__model_fail(r->model, AD_BAD_ARGUMENT,
                       "nn_train: the schedule has a number out of its range: rate %g, last %g, "
                       "factor %g, %zu steps",
                       c->schedule->rate, c->schedule->last, c->schedule->factor,
                       c->schedule->steps);
    else if (bad_number(c) != NULL)
        nn__model_fail(r->model, AD_BAD_ARGUMENT, "nn_train: %s must be finite and at least 0",
                       bad_number(c));
    else if (!plain_name(c->metric_name))
        nn__model_fail(r->model, AD_BAD_ARGUMENT,
                       "nn_train: metric_name holds a tab, a newline or another control character");
    else if (progress_into_checkpoint(c))
        nn__model_fail(r->model, AD_BAD_ARGUMENT,
                       "nn_train: %s, the checkpoint, is also where the progress goes",
                       c->checkpoint);
    else if (c->score != NULL && (c->held_out == NULL || c->metric != NULL))
        nn__model_fail(r->model, AD_BAD_ARGUMENT, "nn_train: a score %s",
                       c->held_out == NULL ? "needs held-out rows"
                                           : "and a metric cannot be combined");
    else if (c->monitor != NN_LOWEST_LOSS && c->score == NULL && c->metric == NULL)
        nn__model_fail(r->model, AD_BAD_ARGUMENT, "nn_train: there is no metric to monitor");
    else check_held_out(r);
}

static void check_arguments(run *r) {
    const nn_train_config *c = r->config;
    if (nn_data_status(r->data) != AD_OK)
        nn__model_fail(r->model, nn_data_status(r->data), "%s", nn_data_message(r->data));
    else if (nn_optimizer_status(r->optimizer) != AD_OK)
        nn__model_fail(r->model, nn_optimizer_status(r->optimizer), "%s",
                       nn_optimizer_message(r->optimizer));
    else if (c == NULL || r->loss == NULL)
        nn__model_fail(r->model, AD_BAD_ARGUMENT, "nn_train: no %s",
                       c == NULL ? "configuration" : "loss");
    else if (nn_model_count(r->model) == 0)
        nn__model_fail(r->model, AD_BAD_ARGUMENT, "nn_train: the model has no parameters");
    else if (nn__model_all_frozen(r->model))
        nn__model_fail(
            r->model, AD_BAD_ARGUMENT,
            "nn_train: all parameters of the model are frozen (nn_model_freeze): there is "
            "nothing to train");
    else check_configuration(r);
}

static nn__rows *rows_of(run *r, nn_loss *loss, const nn_data *data) {
    return nn__rows_new(&(nn__rows_config){
        .weights = &r->weights,
        .loss = loss,
        .user = r->user,
        .data = data,
        .shape = r->config->shape,
        .by_example = r->config->by_example,
    });
}

static bool allocate_held_out(run *r) {
    const nn_train_config *c = r->config;
    if (c->held_out == NULL) return true;
    r->held_out_rows = nn_data_rows(c->held_out);
    r->held_out_index = calloc(r->held_out_rows, sizeof *r->held_out_index);
    r->held_out = rows_of(r, r->loss, c->held_out);
    if (c->score != NULL) r->score = rows_of(r, c->score, c->held_out);
    for (size_t i = 0; i < r->held_out_rows && r->held_out_index != NULL; i++)
        r->held_out_index[i] = i;
    return r->held_out_index != NULL && r->held_out != NULL &&
           (c->score == NULL || r->score != NULL);
}

static bool allocate(run *r) {
    if (!nn__weights_open(&r->weights, r->model)) return false;
    const size_t count = r->weights.count;
    const bool   keep_order = r->config->checkpoint != NULL, keep_best = r->config->restore_best;
    r->gradient = calloc(count, sizeof *r->gradient);
    r->order = calloc(r->rows, sizeof *r->order);
    r->examples = rows_of(r, r->loss, r->data);
    if (keep_order) r->saved_order = calloc(r->rows, sizeof *r->saved_order);
    if (keep_best) r->best_values = calloc(count, sizeof *r->best_values);
    for (size_t i = 0; i < r->rows && r->order != NULL; i++) r->order[i] = i;
    return r->gradient != NULL && r->order != NULL && r->examples != NULL && allocate_held_out(r) &&
           (!keep_order || r->saved_order != NULL) && (!keep_best || r->best_values != NULL);
}

static void release(run *r) {
    nn__weights_close(&r->weights);
    nn__rows_free(r->examples);
    nn__rows_free(r->held_out);
    nn__rows_free(r->score);
    free(r->gradient);
    free(r->best_values);
    free(r->held_out_index);
    free(r->order);
    free(r->saved_order);
}

static void restore_best(run *r) {
    if (r->best_values == NULL || r->at.best_epoch == 0) return;
    memcpy(r->weights.value, r->best_values, r->weights.count * sizeof *r->best_values);
    r->weights.dirty = true;
}

static void train(run *r) {
    r->random = nn_random_seeded(r->config->seed);
    r->progress = nn__progress_open(r->config);
    r->start = now();
    const bool   resumed = resume(r);
    const size_t finished_epochs =
        !resumed ? 0 : (size_t)(r->at.done == r->rows ? r->at.epoch : r->at.epoch - 1);
    if ((resumed && r->at.done < r->rows) || more_epochs(r)) check_checkpoint(r);
    if (good(r) && !nn__history_open(&r->history, r->config, finished_epochs)) history_failed(r);
    if (resumed && r->at.done < r->rows && good(r)) run_epoch(r);
    while (good(r) && more_epochs(r)) {
        begin_epoch(r);
        run_epoch(r);
    }
    nn__progress_close(&r->progress);
    if (!nn__history_close(&r->history)) history_failed(r);
    if (good(r)) restore_best(r);
}

ad_status nn_train(nn_model *model, nn_loss *loss, void *user, const nn_data *data,
                   nn_optimizer *optimizer, const nn_train_config *config) {
    run r = {
        .model = model,
        .loss = loss,
        .user = user,
        .data = data,
        .optimizer = optimizer,
        .config = config,
        .tape = nn_model_tape(model),
        .mark = ad_tape_mark(nn_model_tape(model)),
        .rows = nn_data_rows(data),
        .at = {.held_out_loss = NAN, .metric = NAN},
    };
    nn__model_set_note(model, "");
    if (good(&r)) check_arguments(&r);
    if (good(&r)) {
        r.at.batch = config->batch, r.at.seed = config->seed;
        if (!allocate(&r))
            nn__model_fail(model, AD_NO_MEMORY, "out of memory: no space to train %zu parameters",
                           nn_model_count(model));
        else train(&r);
    }
    release(&r);
    return nn_model_status(model);
}
