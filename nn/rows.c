/* rows.c - a recorded function over rows of data: the outputs of each, or the mean of a loss and
 * its gradient.
 *
 * One row is recorded with its numbers as inputs and compiled; the program then serves all rows
 * with the same graph. Which rows those are is given by their *shape*, a number that the caller
 * computes from a row. Without a shape function all rows have the same shape, unless a survey of a
 * few rows shows that they record different graphs: then every row is recorded once, when it is
 * first used, and its shape is the number of its nodes. Rows of a shape may still differ by
 * branches (ad_branch): each program of a shape is one path through them, and reports when a row
 * takes another. Beyond the limits on programs, rows are recorded one by one.
 *
 * Invariant: a row that is run by a program either recorded the same graph, or has a shape and
 * takes branches for which the caller promised the same graph. The promise is spot-checked: some
 * rows of the first call, and one of each of the next calls, are recorded again and compared with
 * their program. */
#include "rows.h"
#include "data.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Limits on programs. MOST_PATHS: for one shape, because each may have to be tried for a row.
 * SOME_PROGRAMS: always allowed in total; more only while they were recorded from at most
 * MOST_NODES nodes, which is about 1 GiB of programs. */
enum {
    MOST_PATHS = 64,
    SOME_PROGRAMS = 64,
    MOST_NODES = 1 << 22,
    SURVEY_ROWS = 16,
    CALLS_CHECKED = 16,
    CHUNK = 8192 /* rows gathered at a time when each has outputs of its own */
};
/* In place of an index of a program: not seen yet; recorded every time. */
#define UNKNOWN    UINT32_MAX
#define NO_PROGRAM (UINT32_MAX - 1)

typedef struct variant {
    uint64_t    shape;
    size_t      row, nodes; /* compiled from this row, a tape of so many nodes */
    ad_program *program;
} variant;

struct nn__rows {
    nn__rows_config config;
    nn__weights    *weights;
    ad_tape        *tape;
    ad_mark         mark;
    size_t          width, count, outputs;
    bool            by_example, recorded; /* recorded: each row is recorded to find its shape */
    ad_var         *leaf, *output;        /* width; outputs */
    variant        *variant;
    size_t          variants, variant_room, nodes, calls; /* nodes: of all variants */
    size_t          buffer_changes;   /* of the model, when they were compiled */
    uint32_t       *variant_index;    /* by row: its variant, UNKNOWN or NO_PROGRAM */
    size_t          room;             /* capacity of the next arrays, in rows */
    double         *gathered, *value; /* room x width; room x outputs */
    size_t         *member;           /* the rows of a group, as indices into the batch */
    bool           *done;
    double         *part, *other;   /* count each: gradient of a program; of a tape */
    bool            noisy;          /* noise columns are filled from the key */
    uint64_t        key, known_key; /* known: of the last call */
    size_t          renewals;       /* calls with another key than the one before */
    double         *line;           /* a row with its noise */
    double         *one;            /* the outputs of one row */
    double         *losses;         /* of the rows of a call, when their mean is asked for */
    size_t          losses_room;
    char            note[NN__MESSAGE]; /* why rows are recorded one by one unasked */
    bool            row_known;         /* the message names its row, or needs none */
    ad_status       status;
    char            message[NN__MESSAGE];
};

__attribute__((format(printf, 3, 4))) static void fail(nn__rows *r, ad_status status,
                                                       const char *format, ...) {
    if (r->status != AD_OK) return;
    r->status = status;
    va_list list;
    va_start(list, format);
    nn__sentence(r->message, format, list);
    va_end(list);
}

const char *nn__rows_message(const nn__rows *rows) {
    return rows == NULL ? "out of memory: no space for a row" : rows->message;
}

const char *nn__rows_note(const nn__rows *rows) {
    return rows == NULL ? "" : rows->note;
}

size_t nn__rows_programs(const nn__rows *rows) {
    return rows->variants;
}

static size_t columns(const nn__rows *r) {
    return nn_data_inputs(r->config.data) + nn_data_targets(r->config.data);
}

/* ---- making ---------------------------------------------------------------------------------- */

nn__rows *nn__rows_new(const nn__rows_config *config) {
    nn__rows *r = calloc(1, sizeof *r);
    if (r == NULL) return NULL;
    const nn_data *data = config->data;
    const bool     forward = config->forward != NULL;
    r->config = *config;
    r->weights = config->weights;
    r->tape = nn_model_tape(config->weights->model);
    r->mark = ad_tape_mark(r->tape);
    r->width = nn_data_inputs(data) + (forward ? 0 : nn_data_targets(data));
    r->count = config->weights->count;
    r->buffer_changes = nn__model_buffer_changes(config->weights->model);
    r->outputs = forward ? config->outputs : 1;
    r->by_example = config->by_example;
    r->leaf = calloc(r->width + 1, sizeof *r->leaf);
    r->output = calloc(r->outputs, sizeof *r->output);
    r->one = calloc(r->outputs, sizeof *r->one);
    r->line = calloc(columns(r) + 1, sizeof *r->line);
    r->part = calloc(r->count + 1, sizeof *r->part);
    r->other = calloc(r->count + 1, sizeof *r->other);
    r->variant_index = malloc(nn_data_rows(data) * sizeof *r->variant_index);
    if (r->leaf == NULL || r->output == NULL || r->one == NULL || r->line == NULL ||
        r->part == NULL || r->other == NULL || r->variant_index == NULL) {
        nn__rows_free(r);
        return NULL;
    }
    for (size_t i = 0; i < nn_data_rows(data); i++) r->variant_index[i] = UNKNOWN;
    return r;
}

void nn__rows_free(nn__rows *r) {
    if (r == NULL) return;
    for (size_t i = 0; i < r->variants; i++) ad_program_free(r->variant[i].program);
    free(r->variant);
    free(r->leaf);
    free(r->output);
    free(r->one);
    free(r->line);
    free(r->losses);
    free(r->part);
    free(r->other);
    free(r->variant_index);
    free(r->gathered);
    free(r->value);
    free(r->member);
    free(r->done);
    free(r);
}

/* rows x columns numbers; NULL when memory is out. */
static double *array(size_t rows, size_t columns) {
    const bool countable = columns == 0 || rows <= SIZE_MAX / sizeof(double) / columns;
    return countable ? malloc((rows * columns + 1) * sizeof(double)) : NULL;
}

static bool room_for(nn__rows *r, size_t n) {
    if (n <= r->room) return true;
    free(r->gathered);
    free(r->value);
    free(r->member);
    free(r->done);
    r->gathered = array(n, r->width);
    r->value = array(n, r->outputs);
    r->member = malloc(n * sizeof *r->member);
    r->done = malloc(n * sizeof *r->done);
    const bool good =
        r->gathered != NULL && r->value != NULL && r->member != NULL && r->done != NULL;
    r->room = good ? n : 0;
    if (!good) fail(r, AD_NO_MEMORY, "out of memory: no space for a batch of %zu rows", n);
    return good;
}

/* ---- one row on the tape --------------------------------------------------------------------- */

void nn__rows_set_noise(nn__rows *r, uint64_t key) {
    r->noisy = r->config.data->noise > 0;
    r->key = key;
}

/* The numbers of a row in this use, until the next row is asked for. */
static const double *numbers(nn__rows *r, size_t row) {
    const double *x = nn_data_row(r->config.data, row);
    if (!r->noisy) return x;
    memcpy(r->line, x, columns(r) * sizeof *r->line);
    nn__data_fill_noise(r->config.data, r->key, row, r->line);
    return r->line;
}

static void forget(nn__rows *r) {
    ad_tape_rewind(r->tape, r->mark);
}

static const char *what(const nn__rows *r) {
    return r->config.forward != NULL ? "an output" : "the loss";
}

/* A plain number is a mistake as a loss; as an output it is a constant, which becomes a leaf. */
static void check_output(nn__rows *r, size_t row, ad_var *y) {
    if (y->tape != NULL && y->tape != r->tape)
        fail(r, AD_TWO_TAPES, "row %zu: %s is a variable of another tape than the model's", row,
             what(r));
    else if (y->tape == NULL && r->config.forward != NULL) *y = ad_input(r->tape, ad_value(*y));
    else if (y->tape == NULL)
        fail(r, AD_BAD_ARGUMENT,
             "row %zu: the loss is the plain number %g: it does not depend on any parameter", row,
             ad_value(*y));
}

static void check_recorded(nn__rows *r, size_t row) {
    const nn_model *model = r->weights->model;
    if (nn_model_status(model) != AD_OK)
        fail(r, nn_model_status(model), "row %zu: %s", row, nn_model_message(model));
    else if (nn_model_count(model) != r->count)
        fail(r, AD_BAD_ARGUMENT, "the %s added parameters to the model",
             r->config.forward != NULL ? "forward function" : "loss");
    else
        for (size_t k = 0; k < r->outputs; k++) check_output(r, row, &r->output[k]);
}

/* Records a row above the mark, with its numbers as leaves, because a loss may differentiate with
 * respect to them; then the outputs, or the loss as the only one, are in r->output. False after an
 * error. */
static bool record(nn__rows *r, size_t row) {
    nn_model     *model = r->weights->model;
    const double *x = numbers(r, row);
    nn__weights_flush(r->weights);
    for (size_t i = 0; i < r->width; i++) r->leaf[i] = ad_input(r->tape, x[i]);
    for (size_t k = 0; k < r->outputs; k++) r->output[k] = ad_num(NAN); /* unless it is set */
    if (r->config.forward != NULL)
        r->config.forward(model, r->width, r->leaf, r->output, r->config.user);
    else r->output[0] = r->config.loss(model, r->width, r->leaf, r->config.user);
    check_recorded(r, row);
    return r->status == AD_OK;
}

/* Without a program: record, sweep, rewind. value: outputs; NaN after an error. */
static void run_by_recording(nn__rows *r, size_t row, double value[], double gradient[]) {
    const bool good = record(r, row);
    for (size_t k = 0; k < r->outputs; k++) value[k] = good ? ad_value(r->output[k]) : NAN;
    if (good && gradient != NULL)
        ad_gradient(r->output[0], r->count, nn_model_params(r->weights->model), gradient);
    forget(r);
}

/* ---- programs -------------------------------------------------------------------------------- */

static size_t most_nodes(const nn__rows *r) {
    return r->config.most_nodes > 0 ? r->config.most_nodes : MOST_NODES;
}

/* Keeps the first note only: training continues, but slowly. */
__attribute__((format(printf, 2, 3))) static void note(nn__rows *r, const char *format, ...) {
    if (r->note[0] != '\0') return;
    va_list list;
    va_start(list, format);
    nn__sentence(r->note, format, list);
    va_end(list);
}

static bool too_many(nn__rows *r, uint64_t shape, size_t row, size_t nodes) {
    size_t paths = 0;
    for (size_t k = 0; k < r->variants; k++) paths += r->variant[k].shape == shape;
    const bool full = r->variants >= SOME_PROGRAMS && r->nodes + nodes > most_nodes(r);
    if (paths == MOST_PATHS)
        note(r,
             "row %zu takes another path through its branches than the %d programs of its shape, "
             "and no more are kept: rows like it are recorded one by one, about ten times slower; "
             "ad_where puts both sides in one program",
             row, MOST_PATHS);
    else if (full)
        note(r,
             "row %zu has another shape than %zu programs of %zu nodes together, and no more are "
             "kept: rows like it are recorded one by one, about ten times slower; pad sequences to "
             "a few lengths (buckets), or to one with a mask",
             row, r->variants, r->nodes);
    return paths == MOST_PATHS || full;
}

static bool room_for_variant(nn__rows *r) {
    if (r->variants < r->variant_room) return true;
    const size_t room = r->variant_room == 0 ? 8 : 2 * r->variant_room;
    variant     *more = realloc(r->variant, room * sizeof *more);
    if (more == NULL) {
        fail(r, AD_NO_MEMORY, "out of memory: no space for another program");
        return false;
    }
    r->variant = more, r->variant_room = room;
    return true;
}

/* Compiles what was just recorded. NO_PROGRAM if there are too many programs, or if programs do not
 * support something in it. */
static uint32_t compile(nn__rows *r, uint64_t shape, size_t row) {
    const size_t nodes = ad_tape_length(r->tape);
    ad_var      *last = &r->output[r->outputs - 1];
    if (too_many(r, shape, row, nodes)) return NO_PROGRAM;
    if (!room_for_variant(r)) return UNKNOWN;
    *last = ad_mul(*last, ad_num(1)); /* so that branches noted after the outputs count too */
    ad_program *program = ad_compile(&(ad_interface){
        .params = r->count,
        .param = nn_model_params(r->weights->model),
        .inputs = r->width,
        .input = r->leaf,
        .outputs = r->outputs,
        .output = r->output,
    });
    if (program == NULL && ad_tape_status(r->tape) == AD_UNSUPPORTED) {
        ad_tape_clear(r->tape);
        return NO_PROGRAM;
    }
    if (program == NULL) {
        fail(r, ad_tape_status(r->tape), "row %zu: %s", row, ad_tape_message(r->tape));
        return UNKNOWN;
    }
    r->variant[r->variants] = (variant){shape, row, nodes, program};
    r->nodes += nodes;
    return (uint32_t)r->variants++;
}

/* Runs a variant on one row, to r->one. In a batch it would take the same branches: lanes are
 * independent. */
static ad_status run_one(nn__rows *r, uint32_t k, size_t row) {
    const double *x = numbers(r, row);
    return ad_program_values(r->variant[k].program, r->weights->value, 1, x, r->one);
}

static bool close_enough(double a, double b, double scale) {
    const double tolerance = 1e-4; /* rounding is far below, another graph above */
    return fabs(a - b) <= tolerance * scale || (isnan(a) && isnan(b)) || a == b;
}

/* True if the recorded outputs are what the program computes for that row. */
static bool same_outputs(nn__rows *r, uint32_t k, size_t row) {
    if (ad_tape_length(r->tape) != r->variant[k].nodes || run_one(r, k, row) != AD_OK) return false;
    for (size_t i = 0; i < r->outputs; i++) {
        const double a = r->one[i], b = ad_value(r->output[i]);
        if (!close_enough(a, b, fabs(a) + fabs(b))) return false;
    }
    return true;
}

/* The same of a loss and all its derivatives. */
static bool same_graph(nn__rows *r, uint32_t k, size_t row) {
    if (r->config.forward != NULL) return same_outputs(r, k, row);
    const double *x = numbers(r, row);
    const ad_var  y = r->output[0];
    double        mean, largest = 0;
    if (ad_tape_length(r->tape) != r->variant[k].nodes ||
        ad_program_gradient(r->variant[k].program, r->weights->value, 1, x, &mean, r->part) !=
            AD_OK)
        return false;
    ad_gradient(y, r->count, nn_model_params(r->weights->model), r->other);
    for (size_t i = 0; i < r->count; i++) {
        if (fabs(r->part[i]) > largest) largest = fabs(r->part[i]);
        if (fabs(r->other[i]) > largest) largest = fabs(r->other[i]);
    }
    bool same = close_enough(mean, ad_value(y), fabs(mean) + fabs(ad_value(y)));
    for (size_t i = 0; i < r->count && same; i++)
        same = close_enough(r->part[i], r->other[i], largest);
    return same;
}

static uint64_t shape_of(const nn__rows *r, size_t row) {
    if (r->config.shape != NULL)
        return r->config.shape(columns(r), nn_data_row(r->config.data, row), r->config.user);
    return r->recorded ? ad_tape_length(r->tape) : 0;
}

/* Records the row and finds the variant with the same graph, or compiles one. */
static uint32_t find_by_recording(nn__rows *r, size_t row) {
    uint32_t found = UNKNOWN;
    if (record(r, row)) {
        const uint64_t shape = shape_of(r, row);
        for (uint32_t k = 0; k < r->variants && found == UNKNOWN && r->recorded; k++)
            if (r->variant[k].shape == shape && same_graph(r, k, row)) found = k;
        if (found == UNKNOWN) found = compile(r, shape, row);
        /* A branch on a number within rounding of its threshold may change even in the program
         * compiled from it. */
        if (found < r->variants && run_one(r, found, row) == AD_BRANCH_CHANGED) found = NO_PROGRAM;
    }
    forget(r);
    return found;
}

/* The variant for a row: one of its shape whose branches it takes (branched), or for a row not seen
 * yet the first of its shape, which will report a branch. */
static uint32_t find(nn__rows *r, size_t row, bool branched) {
    for (uint32_t k = 0; k < r->variants && !r->recorded; k++)
        if (r->variant[k].shape == shape_of(r, row) && (!branched || run_one(r, k, row) == AD_OK))
            return k;
    return find_by_recording(r, row);
}

/* A function that differs between recordings (dropout with its own generator) cannot be
 * compiled. first: its outputs at first. */
static bool repeatable(nn__rows *r, size_t row, const double first[]) {
    run_by_recording(r, row, r->one, NULL);
    for (size_t k = 0; k < r->outputs && r->status == AD_OK; k++)
        if (!close_enough(first[k], r->one[k], fabs(first[k]) + fabs(r->one[k])))
            fail(r, AD_BAD_ARGUMENT,
                 "row %zu: %s is %.6g when recorded and %.6g when recorded again: a program would "
                 "repeat the first recording; %s",
                 row, what(r), first[k], r->one[k],
                 r->config.forward != NULL
                     ? "a forward function must not use its own random numbers"
                     : "use noise columns (nn_data_noise), or by_example");
    return r->status == AD_OK;
}

/* What was just recorded, to r->value. */
static void keep_outputs(nn__rows *r) {
    for (size_t k = 0; k < r->outputs; k++)
        r->value[k] = r->status == AD_OK ? ad_value(r->output[k]) : NAN;
}

/* From now on every row is recorded to find its program. */
static void record_all(nn__rows *r) {
    r->recorded = true;
    for (size_t i = 0; i < r->variants; i++) r->variant[i].shape = r->variant[i].nodes;
    for (size_t i = 0; i < nn_data_rows(r->config.data); i++) r->variant_index[i] = UNKNOWN;
}

/* Compares rows from all over the data: do they record the same graph, except for noted
 * branches? */
static void survey(nn__rows *r) {
    const size_t rows = nn_data_rows(r->config.data), n = rows < SURVEY_ROWS ? rows : SURVEY_ROWS;
    for (size_t i = 0; i < n && r->status == AD_OK && !r->recorded; i++) {
        const size_t   row = i * (rows / n);
        const uint32_t k = r->variant_index[row] = find(r, row, true);
        if (r->status != AD_OK || k >= r->variants || r->variant[k].row == row) continue;
        if (record(r, row)) r->recorded = !same_graph(r, k, row);
        keep_outputs(r);
        forget(r);
        if (r->recorded) repeatable(r, row, r->value);
    }
    if (r->recorded) record_all(r);
}

/* Records one row of this call again, to check that it has the graph of its program. */
static void recheck(nn__rows *r, size_t row) {
    const uint32_t k = r->variant_index[row];
    const bool     own = k < r->variants && r->variant[k].row == row;
    if (r->status != AD_OK || k >= r->variants || (own && !r->noisy)) return;
    const bool   good = record(r, row);
    const size_t nodes = ad_tape_length(r->tape);
    const bool   same = !good || run_one(r, k, row) != AD_OK || same_graph(r, k, row);
    keep_outputs(r);
    forget(r);
    if (same || !repeatable(r, row, r->value)) return;
    if (r->config.any_graph) record_all(r);
    else if (own || r->recorded)
        fail(r, AD_BAD_ARGUMENT,
             "row %zu records another graph when its noise is another: choose by noise with "
             "ad_where, or note the branch with ad_branch",
             row);
    else
        fail(r, AD_BAD_ARGUMENT,
             "row %zu records another graph than row %zu, %zu nodes to %zu, though %s: note the "
             "branch with ad_branch, %s",
             row, r->variant[k].row, nodes, r->variant[k].nodes,
             r->config.shape != NULL ? "both have the same shape"
                                     : "other rows record the same one",
             r->config.shape != NULL ? "or give it a shape of its own"
                                     : "or tell rows apart with `shape`");
}

/* ---- a batch --------------------------------------------------------------------------------- */

/* What is asked for: the outputs of each row, or, if value is NULL, the sum of their losses and of
 * the gradients. */
typedef struct batch {
    size_t        n;
    const size_t *row;
    double       *value; /* n x outputs */
    double        total, *gradient;
} batch;

/* Gathers the rows that are not done and have this variant_index; returns how many. */
static size_t gather(nn__rows *r, uint32_t variant_index, const batch *b) {
    size_t members = 0;
    for (size_t k = 0; k < b->n; k++) {
        if (r->done[k] || r->variant_index[b->row[k]] != variant_index) continue;
        memcpy(r->gathered + members * r->width, numbers(r, b->row[k]),
               r->width * sizeof *r->gathered);
        r->member[members++] = k;
    }
    return members;
}

static void add(nn__rows *r, batch *b, size_t n, double mean) {
    b->total += (double)n * mean;
    for (size_t i = 0; i < r->count; i++) b->gradient[i] += (double)n * r->part[i];
}

static void run_recorded(nn__rows *r, batch *b, size_t k) {
    if (b->value != NULL) run_by_recording(r, b->row[k], b->value + k * r->outputs, NULL);
    else run_by_recording(r, b->row[k], r->one, r->part);
    if (b->value == NULL && r->status == AD_OK) add(r, b, 1, r->one[0]);
    r->done[k] = true;
}

static ad_status run_gathered(nn__rows *r, batch *b, const ad_program *program, size_t members) {
    const double *weights = r->weights->value;
    double        mean;
    ad_status     status;
    if (b->value == NULL) {
        status = ad_program_gradient(program, weights, members, r->gathered, &mean, r->part);
        if (status == AD_OK) add(r, b, members, mean);
        return status;
    }
    status = ad_program_values(program, weights, members, r->gathered, r->value);
    for (size_t i = 0; i < members && status == AD_OK; i++)
        memcpy(b->value + r->member[i] * r->outputs, r->value + i * r->outputs,
               r->outputs * sizeof *b->value);
    return status;
}

/* Gives the members that take another branch now their new variants. */
static void reassign(nn__rows *r, uint32_t variant_index, const batch *b, size_t members) {
    for (size_t i = 0; i < members && r->status == AD_OK; i++) {
        const size_t row = b->row[r->member[i]];
        if (run_one(r, variant_index, row) == AD_BRANCH_CHANGED)
            r->variant_index[row] = find(r, row, true);
    }
}

/* Runs all rows that share the variant of row number `first`. False if some of them take another
 * branch now: then none is run, and those have new variants. */
static bool run_group(nn__rows *r, batch *b, size_t first) {
    const uint32_t variant_index = r->variant_index[b->row[first]];
    if (variant_index == NO_PROGRAM) {
        run_recorded(r, b, first);
        return true;
    }
    const ad_program *program = r->variant[variant_index].program;
    const size_t      members = gather(r, variant_index, b);
    const ad_status   status = run_gathered(r, b, program, members);
    if (status == AD_BRANCH_CHANGED) {
        reassign(r, variant_index, b, members);
        return false;
    }
    for (size_t i = 0; i < members; i++) r->done[r->member[i]] = true;
    if (status == AD_OK) return true;
    char words[NN__MESSAGE];
    ad_program_message(program, sizeof words, words);
    fail(r, status, "a program of the batch: %s", words);
    r->row_known = false;
    return true;
}

/* The usual case, all rows in one program, without copies of what it computes. False if they are
 * not, or if a branch changed. */
static bool run_together(nn__rows *r, batch *b) {
    const uint32_t variant_index = r->variant_index[b->row[0]];
    if (variant_index == NO_PROGRAM) return false;
    for (size_t k = 0; k < b->n; k++) {
        if (r->variant_index[b->row[k]] != variant_index) return false;
        memcpy(r->gathered + k * r->width, numbers(r, b->row[k]), r->width * sizeof *r->gathered);
    }
    const ad_program *program = r->variant[variant_index].program;
    const double     *weights = r->weights->value;
    if (b->value != NULL)
        return ad_program_values(program, weights, b->n, r->gathered, b->value) == AD_OK;
    return ad_program_gradient(program, weights, b->n, r->gathered, &b->total, b->gradient) ==
           AD_OK;
}

static void begin(nn__rows *r, batch *b) {
    b->total = 0;
    memset(r->done, 0, b->n * sizeof *r->done);
    for (size_t i = 0; b->value == NULL && i < r->count; i++) b->gradient[i] = 0;
}

/* Group by group, in the order of their first rows. True if some rows had the variant of a branch
 * that they do not take any more. */
static bool run_each_group(nn__rows *r, batch *b) {
    bool changed = false;
    begin(r, b);
    for (size_t k = 0; k < b->n && r->status == AD_OK;)
        if (r->done[k]) k++;
        else changed = !run_group(r, b, k) || changed;
    return changed;
}

/* In the end b->total is the mean of the losses, and the gradient that of the mean. Sums are made
 * again after branches changed: which rows are summed together must not depend on the variants they
 * had before, or a run resumed from a checkpoint would round differently. */
static void run_groups(nn__rows *r, batch *b) {
    do
        if (run_together(r, b)) return;
    while (run_each_group(r, b) && b->value == NULL && r->status == AD_OK);
    b->total /= (double)b->n;
    for (size_t i = 0; i < r->count && b->value == NULL; i++) b->gradient[i] /= (double)b->n;
}

static void find_unknown(nn__rows *r, size_t n, const size_t row[]) {
    for (size_t k = 0; k < n && r->status == AD_OK; k++)
        if (r->variant_index[row[k]] == UNKNOWN) r->variant_index[row[k]] = find(r, row[k], false);
}

static void assign_variants(nn__rows *r, size_t n, const size_t row[]) {
    if (r->by_example) {
        for (size_t k = 0; k < n; k++) r->variant_index[row[k]] = NO_PROGRAM;
        return;
    }
    if (r->calls == 0 && r->config.shape == NULL) survey(r);
    find_unknown(r, n, row);
    const bool   many = r->calls == 0 && (r->config.shape != NULL || r->config.any_graph);
    const bool   renewed = r->noisy && r->key != r->known_key && r->renewals++ < CALLS_CHECKED;
    const size_t checks = many || renewed ? SURVEY_ROWS : r->calls < CALLS_CHECKED ? 1 : 0;
    const size_t step = r->config.any_graph && n > SURVEY_ROWS ? n / SURVEY_ROWS : 1;
    for (size_t k = 0; k < checks && k < n && (renewed || !r->recorded); k++)
        recheck(r, row[(r->calls + k * step + step / 2) % n]);
    find_unknown(r, n, row);
    r->known_key = r->key;
    r->calls++;
}

/* ---- numbers that are not finite ------------------------------------------------------------- */

/* Infinity and NaN times 0 are NaN, which persists in a sum. Four sums, so that their latencies
 * overlap. */
static bool all_finite(size_t n, const double x[]) {
    double sum[4] = {0};
    size_t i = 0;
    for (; i + 4 <= n; i += 4)
        for (size_t k = 0; k < 4; k++) sum[k] += 0 * x[i + k];
    for (; i < n; i++) sum[0] += 0 * x[i];
    return sum[0] + sum[1] + sum[2] + sum[3] == 0;
}

static size_t first_bad(size_t n, const double x[]) {
    size_t i = 0;
    while (i < n && isfinite(x[i])) i++;
    return i;
}

/* The sign of a NaN is meaningless. */
static double without_sign(double x) {
    return isnan(x) ? NAN : x;
}

static void blame_derivative(nn__rows *r, const char *where, const double gradient[]) {
    char         place[NN__MESSAGE / 2];
    const size_t i = first_bad(r->count, gradient);
    fail(r, AD_BAD_ARGUMENT, "%sthe derivative of the loss in %s is %g", where,
         nn__param_name(r->weights->model, i, sizeof place, place), without_sign(gradient[i]));
}

/* words: "; the first number that is not finite is ..." for a row whose loss is not; "" when memory
 * is out. */
static void explain_nonfinite(nn__rows *r, size_t row, char words[NN__MESSAGE / 2]) {
    static const char before[] = "first     ";
    char             *text = NULL;
    size_t            length = 0;
    FILE             *to = open_memstream(&text, &length);
    const bool        good = record(r, row);
    words[0] = '\0';
    for (size_t i = 0; i < r->width; i++) {
        char name[32];
        snprintf(name, sizeof name, "row[%zu]", i);
        ad_name(r->leaf[i], name);
    }
    const bool found = to != NULL && good && ad_explain_nonfinite(r->output[0], to);
    if (to != NULL) fclose(to);
    if (found && text != NULL && strncmp(text, before, strlen(before)) == 0) {
        text[strcspn(text, "\n")] = '\0';
        snprintf(words, NN__MESSAGE / 2, "; the first number that is not finite is %s",
                 text + strlen(before));
    }
    free(text);
    forget(r);
}

/* Finds the row that caused an error: each is recorded by itself, so that the tape's own message is
 * reported. */
static void blame(nn__rows *r, size_t n, const size_t row[], double mean, const double gradient[]) {
    const ad_status status = r->status;
    char            words[NN__MESSAGE], where[32], first[NN__MESSAGE / 2];
    memcpy(words, r->message, sizeof words);
    r->status = AD_OK;
    for (size_t k = 0; k < n && r->status == AD_OK; k++) {
        run_by_recording(r, row[k], r->one, gradient != NULL ? r->other : NULL);
        if (gradient == NULL) continue;
        nn__model_clear_frozen(r->weights->model, r->other);
        snprintf(where, sizeof where, "row %zu: ", row[k]);
        if (r->status == AD_OK && !isfinite(r->one[0])) {
            explain_nonfinite(r, row[k], first);
            fail(r, AD_BAD_ARGUMENT, "%sthe loss is %g%s", where, without_sign(r->one[0]), first);
        } else if (r->status == AD_OK && !all_finite(r->count, r->other))
            blame_derivative(r, where, r->other);
    }
    if (status != AD_OK) fail(r, status, "%s", words);
    else if (gradient != NULL && !isfinite(mean))
        fail(r, AD_BAD_ARGUMENT, "the mean of the losses is %g, though each is finite", mean);
    else if (gradient != NULL) blame_derivative(r, "", gradient);
}

/* ---- what is asked for ----------------------------------------------------------------------- */

/* Programs have the numbers of the buffers as constants. */
static void drop_outdated(nn__rows *r) {
    const size_t changes = nn__model_buffer_changes(r->weights->model);
    if (r->buffer_changes == changes) return;
    r->buffer_changes = changes;
    while (r->variants > 0) ad_program_free(r->variant[--r->variants].program);
    for (size_t i = 0; i < nn_data_rows(r->config.data); i++) r->variant_index[i] = UNKNOWN;
    r->nodes = r->calls = 0;
    r->recorded = false;
}

static bool open_call(nn__rows *r, size_t n, size_t room, const size_t row[]) {
    drop_outdated(r);
    r->status = AD_OK;
    r->row_known = true;
    r->message[0] = '\0';
    if (room_for(r, room)) assign_variants(r, n, row);
    return r->status == AD_OK;
}

ad_status nn__rows_values(nn__rows *r, size_t n, const size_t row[], double value[]) {
    if (r == NULL) return AD_NO_MEMORY;
    open_call(r, n, n < CHUNK ? n : CHUNK, row);
    for (size_t done = 0; done < n && r->status == AD_OK; done += CHUNK) {
        batch b = {.n = n - done < CHUNK ? n - done : CHUNK, .row = row + done};
        b.value = value + done * r->outputs;
        run_groups(r, &b);
    }
    if (!r->row_known) blame(r, n, row, 0, NULL);
    return r->status;
}

static bool room_for_losses(nn__rows *r, size_t n) {
    if (n <= r->losses_room) return true;
    free(r->losses);
    r->losses = array(n, 1);
    r->losses_room = r->losses == NULL ? 0 : n;
    return r->losses != NULL;
}

/* Summed in the order of the rows, whatever their programs. */
static ad_status mean_of(nn__rows *r, size_t n, const size_t row[], double *mean) {
    double total = 0;
    if (!room_for_losses(r, n)) {
        r->status = AD_OK;
        fail(r, AD_NO_MEMORY, "out of memory: no space for the losses of %zu rows", n);
        return r->status;
    }
    const ad_status status = nn__rows_values(r, n, row, r->losses);
    for (size_t i = 0; i < n && status == AD_OK; i++) total += r->losses[i];
    *mean = total / (double)n;
    return status;
}

ad_status nn__rows_run(nn__rows *r, size_t n, const size_t row[], double *mean, double gradient[]) {
    if (r == NULL) return AD_NO_MEMORY;
    *mean = 0;
    if (gradient == NULL) return mean_of(r, n, row, mean);
    batch b = {.n = n, .row = row, .gradient = gradient};
    if (open_call(r, n, n, row)) run_groups(r, &b);
    nn__model_clear_frozen(r->weights->model, gradient);
    *mean = b.total;
    const bool wrong = !isfinite(*mean) || !all_finite(r->count, gradient);
    if (!r->row_known || (r->status == AD_OK && wrong)) blame(r, n, row, *mean, gradient);
    return r->status;
}
