/* rows.c - the mean of a recorded loss over rows of data, and its gradient.
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
    CALLS_CHECKED = 16
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
    size_t          width, count;
    bool            by_example, recorded; /* recorded: each row is recorded to find its shape */
    ad_var         *leaf;                 /* width */
    variant        *variant;
    size_t          variants, variant_room, nodes, calls; /* nodes: of all variants */
    uint32_t       *variant_index;    /* by row: its variant, UNKNOWN or NO_PROGRAM */
    size_t          room;             /* capacity of the next arrays, in rows */
    double         *gathered, *value; /* room x width; room */
    size_t         *member;           /* the rows of a group, as indices into the batch */
    bool           *done;
    double         *part, *other;      /* count each: gradient of a program; of a tape */
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
    return rows == NULL ? "out of memory: no space to train" : rows->message;
}

const char *nn__rows_note(const nn__rows *rows) {
    return rows == NULL ? "" : rows->note;
}

size_t nn__rows_programs(const nn__rows *rows) {
    return rows->variants;
}

/* ---- making ---------------------------------------------------------------------------------- */

nn__rows *nn__rows_new(const nn__rows_config *config) {
    nn__rows *r = calloc(1, sizeof *r);
    if (r == NULL) return NULL;
    const nn_data *data = config->data;
    r->config = *config;
    r->weights = config->weights;
    r->tape = nn_model_tape(config->weights->model);
    r->mark = ad_tape_mark(r->tape);
    r->width = nn_data_inputs(data) + nn_data_targets(data);
    r->count = config->weights->count;
    r->by_example = config->by_example;
    r->leaf = calloc(r->width, sizeof *r->leaf);
    r->part = calloc(r->count, sizeof *r->part);
    r->other = calloc(r->count, sizeof *r->other);
    r->variant_index = malloc(nn_data_rows(data) * sizeof *r->variant_index);
    if (r->leaf == NULL || r->part == NULL || r->other == NULL || r->variant_index == NULL) {
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
    free(r->part);
    free(r->other);
    free(r->variant_index);
    free(r->gathered);
    free(r->value);
    free(r->member);
    free(r->done);
    free(r);
}

static bool room_for(nn__rows *r, size_t n) {
    if (n <= r->room) return true;
    free(r->gathered);
    free(r->value);
    free(r->member);
    free(r->done);
    r->gathered = n > SIZE_MAX / sizeof(double) / r->width
                    ? NULL
                    : malloc(n * r->width * sizeof *r->gathered);
    r->value = malloc(n * sizeof *r->value);
    r->member = malloc(n * sizeof *r->member);
    r->done = malloc(n * sizeof *r->done);
    const bool good =
        r->gathered != NULL && r->value != NULL && r->member != NULL && r->done != NULL;
    r->room = good ? n : 0;
    if (!good) fail(r, AD_NO_MEMORY, "out of memory: no space for a batch of %zu rows", n);
    return good;
}

/* ---- one row on the tape --------------------------------------------------------------------- */

static void forget(nn__rows *r) {
    ad_tape_rewind(r->tape, r->mark);
}

static bool good_loss(nn__rows *r, size_t row, ad_var y) {
    if (nn_model_status(r->weights->model) != AD_OK)
        fail(r, nn_model_status(r->weights->model), "row %zu: %s", row,
             nn_model_message(r->weights->model));
    else if (nn_model_count(r->weights->model) != r->count)
        fail(r, AD_BAD_ARGUMENT, "the loss added parameters to the model");
    else if (y.tape == NULL)
        fail(r, AD_BAD_ARGUMENT,
             "row %zu: the loss is the plain number %g: it does not depend on any parameter", row,
             ad_value(y));
    else if (y.tape != r->tape)
        fail(r, AD_TWO_TAPES, "row %zu: the loss is a variable of another tape than the model's",
             row);
    return r->status == AD_OK;
}

/* Records the loss of a row above the mark, with its numbers as leaves, because a loss may
 * differentiate with respect to them. */
static ad_var record(nn__rows *r, size_t row) {
    const double *x = nn_data_row(r->config.data, row);
    nn__weights_flush(r->weights);
    for (size_t i = 0; i < r->width; i++) r->leaf[i] = ad_input(r->tape, x[i]);
    const ad_var y = r->config.loss(r->weights->model, r->width, r->leaf, r->config.user);
    good_loss(r, row, y);
    return y;
}

/* Without a program: record, sweep, rewind. Returns the loss, NaN after an error. */
static double run_by_recording(nn__rows *r, size_t row, double gradient[]) {
    const ad_var y = record(r, row);
    const double value = r->status == AD_OK ? ad_value(y) : NAN;
    if (r->status == AD_OK && gradient != NULL)
        ad_gradient(y, r->count, nn_model_params(r->weights->model), gradient);
    forget(r);
    return value;
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
static uint32_t compile(nn__rows *r, uint64_t shape, size_t row, ad_var y) {
    const size_t nodes = ad_tape_length(r->tape);
    if (too_many(r, shape, row, nodes)) return NO_PROGRAM;
    if (!room_for_variant(r)) return UNKNOWN;
    const ad_var last = ad_mul(y, ad_num(1)); /* so that branches noted after y count too */
    ad_program  *program = ad_compile(&(ad_interface){
         .params = r->count,
         .param = nn_model_params(r->weights->model),
         .inputs = r->width,
         .input = r->leaf,
         .outputs = 1,
         .output = &last,
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

/* Runs a variant on one row. In a batch it would take the same branches: lanes are independent. */
static ad_status run_one(const nn__rows *r, uint32_t k, size_t row, double *value) {
    const double *x = nn_data_row(r->config.data, row);
    return ad_program_values(r->variant[k].program, r->weights->value, 1, x, value);
}

static bool close_enough(double a, double b, double scale) {
    const double tolerance = 1e-4; /* rounding is far below, another graph above */
    return fabs(a - b) <= tolerance * scale || (isnan(a) && isnan(b)) || a == b;
}

/* True if the recorded loss y and all its derivatives are what the program computes for that
 * row. */
static bool same_graph(nn__rows *r, uint32_t k, size_t row, ad_var y) {
    const double *x = nn_data_row(r->config.data, row);
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
        return r->config.shape(r->width, nn_data_row(r->config.data, row), r->config.user);
    return r->recorded ? ad_tape_length(r->tape) : 0;
}

/* Records the row and finds the variant with the same graph, or compiles one. */
static uint32_t find_by_recording(nn__rows *r, size_t row) {
    const ad_var y = record(r, row);
    uint32_t     found = UNKNOWN;
    double       value;
    if (r->status == AD_OK) {
        const uint64_t shape = shape_of(r, row);
        for (uint32_t k = 0; k < r->variants && found == UNKNOWN && r->recorded; k++)
            if (r->variant[k].shape == shape && same_graph(r, k, row, y)) found = k;
        if (found == UNKNOWN) found = compile(r, shape, row, y);
        /* A branch on a number within rounding of its threshold may change even in the program
         * compiled from it. */
        if (found < r->variants && run_one(r, found, row, &value) == AD_BRANCH_CHANGED)
            found = NO_PROGRAM;
    }
    forget(r);
    return found;
}

/* The variant for a row: one of its shape whose branches it takes (branched), or for a row not seen
 * yet the first of its shape, which will report a branch. */
static uint32_t find(nn__rows *r, size_t row, bool branched) {
    double value;
    for (uint32_t k = 0; k < r->variants && !r->recorded; k++)
        if (r->variant[k].shape == shape_of(r, row) &&
            (!branched || run_one(r, k, row, &value) == AD_OK))
            return k;
    return find_by_recording(r, row);
}

/* Compares rows from all over the data: do they record the same graph, except for noted
 * branches? */
static void survey(nn__rows *r) {
    const size_t rows = nn_data_rows(r->config.data), n = rows < SURVEY_ROWS ? rows : SURVEY_ROWS;
    for (size_t i = 0; i < n && r->status == AD_OK && !r->recorded; i++) {
        const size_t   row = i * (rows / n);
        const uint32_t k = r->variant_index[row] = find(r, row, true);
        if (r->status != AD_OK || k >= r->variants || r->variant[k].row == row) continue;
        const ad_var y = record(r, row);
        if (r->status == AD_OK) r->recorded = !same_graph(r, k, row, y);
        forget(r);
    }
    if (!r->recorded) return;
    for (size_t i = 0; i < r->variants; i++) r->variant[i].shape = r->variant[i].nodes;
    for (size_t i = 0; i < rows; i++) r->variant_index[i] = UNKNOWN;
}

/* A loss that differs between recordings (dropout with its own generator) cannot be compiled. */
static bool repeatable(nn__rows *r, size_t row, double first) {
    const double again = run_by_recording(r, row, NULL);
    if (r->status != AD_OK || close_enough(first, again, fabs(first) + fabs(again)))
        return r->status == AD_OK;
    fail(r, AD_BAD_ARGUMENT,
         "row %zu: the loss is %.6g when recorded and %.6g when recorded again: a program would "
         "repeat the first recording; train with by_example",
         row, first, again);
    return false;
}

/* Records one row of this call again, to check that it has the graph of its program. */
static void recheck(nn__rows *r, size_t row) {
    const uint32_t k = r->variant_index[row];
    if (r->status != AD_OK || k >= r->variants || r->variant[k].row == row) return;
    const ad_var y = record(r, row);
    const double value = r->status == AD_OK ? ad_value(y) : NAN;
    const size_t nodes = ad_tape_length(r->tape);
    double       computed;
    const bool   same =
        r->status != AD_OK || run_one(r, k, row, &computed) != AD_OK || same_graph(r, k, row, y);
    forget(r);
    if (!same && repeatable(r, row, value))
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

/* Gathers the rows that are not done and have this variant_index; returns how many. */
static size_t gather(nn__rows *r, uint32_t variant_index, size_t n, const size_t row[]) {
    size_t members = 0;
    for (size_t k = 0; k < n; k++) {
        if (r->done[k] || r->variant_index[row[k]] != variant_index) continue;
        memcpy(r->gathered + members * r->width, nn_data_row(r->config.data, row[k]),
               r->width * sizeof *r->gathered);
        r->member[members++] = k;
    }
    return members;
}

/* The mean loss of the gathered rows and, unless part is NULL, its gradient. */
static ad_status run_program(nn__rows *r, const ad_program *program, size_t n, double *mean,
                             double part[]) {
    if (part != NULL)
        return ad_program_gradient(program, r->weights->value, n, r->gathered, mean, part);
    const ad_status status =
        ad_program_values(program, r->weights->value, n, r->gathered, r->value);
    double total = 0;
    for (size_t i = 0; i < n && status == AD_OK; i++) total += r->value[i];
    *mean = total / (double)n;
    return status;
}

static void add(nn__rows *r, size_t n, double mean, double *total, double gradient[]) {
    *total += (double)n * mean;
    for (size_t i = 0; i < r->count && gradient != NULL; i++) gradient[i] += (double)n * r->part[i];
}

/* Runs all rows that share the variant of the first one. If some of them take another branch now,
 * runs none, and assigns those their new variants. */
static void run_group(nn__rows *r, size_t first, size_t n, const size_t row[], double *total,
                      double gradient[]) {
    const uint32_t variant_index = r->variant_index[row[first]];
    double         mean;
    if (variant_index == NO_PROGRAM) {
        mean = run_by_recording(r, row[first], gradient == NULL ? NULL : r->part);
        if (r->status == AD_OK) add(r, 1, mean, total, gradient);
        r->done[first] = true;
        return;
    }
    const size_t    members = gather(r, variant_index, n, row);
    double         *part = gradient == NULL ? NULL : r->part;
    const ad_status status =
        run_program(r, r->variant[variant_index].program, members, &mean, part);
    if (status == AD_BRANCH_CHANGED) {
        double value;
        for (size_t i = 0; i < members && r->status == AD_OK; i++)
            if (run_one(r, variant_index, row[r->member[i]], &value) == AD_BRANCH_CHANGED)
                r->variant_index[row[r->member[i]]] = find(r, row[r->member[i]], true);
    } else if (status != AD_OK) {
        char words[NN__MESSAGE];
        ad_program_message(r->variant[variant_index].program, sizeof words, words);
        fail(r, status, "a program of the batch: %s", words);
        r->row_known = false;
    } else {
        add(r, members, mean, total, gradient);
        for (size_t i = 0; i < members; i++) r->done[r->member[i]] = true;
    }
}

/* The usual case, all rows in one program. False if they are not, or if a branch changed. */
static bool run_together(nn__rows *r, size_t n, const size_t row[], double *mean,
                         double gradient[]) {
    const uint32_t variant_index = r->variant_index[row[0]];
    if (variant_index == NO_PROGRAM) return false;
    for (size_t k = 0; k < n; k++) {
        if (r->variant_index[row[k]] != variant_index) return false;
        memcpy(r->gathered + k * r->width, nn_data_row(r->config.data, row[k]),
               r->width * sizeof *r->gathered);
    }
    return run_program(r, r->variant[variant_index].program, n, mean, gradient) == AD_OK;
}

/* Group by group, in the order of their first rows. A batch that is one group is run as a whole
 * even after branches changed: otherwise a run resumed from a checkpoint would round differently
 * from one that had already assigned these rows. */
static void run_groups(nn__rows *r, size_t n, const size_t row[], double *mean, double gradient[]) {
    double total = 0;
    memset(r->done, 0, n * sizeof *r->done);
    for (size_t k = 0; k < n && r->status == AD_OK;) {
        if (r->done[k]) {
            k++;
            continue;
        }
        if (k == 0 && run_together(r, n, row, mean, gradient)) return;
        for (size_t i = 0; k == 0 && i < r->count && gradient != NULL; i++) gradient[i] = 0;
        run_group(r, k, n, row, &total, gradient);
    }
    *mean = total / (double)n;
    for (size_t i = 0; i < r->count && gradient != NULL; i++) gradient[i] /= (double)n;
}

static void assign_variants(nn__rows *r, size_t n, const size_t row[]) {
    if (r->by_example) {
        for (size_t k = 0; k < n; k++) r->variant_index[row[k]] = NO_PROGRAM;
        return;
    }
    if (r->calls == 0 && r->config.shape == NULL) survey(r);
    for (size_t k = 0; k < n && r->status == AD_OK; k++)
        if (r->variant_index[row[k]] == UNKNOWN) r->variant_index[row[k]] = find(r, row[k], false);
    const size_t checks = r->calls == 0 && r->config.shape != NULL ? SURVEY_ROWS
                        : r->calls < CALLS_CHECKED                 ? 1
                                                                   : 0;
    for (size_t k = 0; k < checks && k < n && !r->recorded; k++)
        recheck(r, row[(r->calls + k) % n]);
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
    const ad_var      y = record(r, row);
    words[0] = '\0';
    for (size_t i = 0; i < r->width; i++) {
        char name[32];
        snprintf(name, sizeof name, "row[%zu]", i);
        ad_name(r->leaf[i], name);
    }
    const bool found = to != NULL && r->status == AD_OK && ad_explain_nonfinite(y, to);
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
        const double value = run_by_recording(r, row[k], r->other);
        snprintf(where, sizeof where, "row %zu: ", row[k]);
        if (r->status == AD_OK && !isfinite(value)) {
            explain_nonfinite(r, row[k], first);
            fail(r, AD_BAD_ARGUMENT, "%sthe loss is %g%s", where, without_sign(value), first);
        } else if (r->status == AD_OK && !all_finite(r->count, r->other))
            blame_derivative(r, where, r->other);
    }
    if (status != AD_OK) fail(r, status, "%s", words);
    else if (!isfinite(mean))
        fail(r, AD_BAD_ARGUMENT, "the mean of the losses is %g, though each is finite", mean);
    else if (gradient != NULL) blame_derivative(r, "", gradient);
}

ad_status nn__rows_run(nn__rows *r, size_t n, const size_t row[], double *mean, double gradient[]) {
    if (r == NULL) return AD_NO_MEMORY;
    r->status = AD_OK;
    r->row_known = true;
    r->message[0] = '\0';
    *mean = 0;
    if (!room_for(r, n)) return r->status;
    assign_variants(r, n, row);
    if (r->status == AD_OK) run_groups(r, n, row, mean, gradient);
    const bool wrong = gradient != NULL && (!isfinite(*mean) || !all_finite(r->count, gradient));
    if (!r->row_known || (r->status == AD_OK && wrong)) blame(r, n, row, *mean, gradient);
    return r->status;
}
