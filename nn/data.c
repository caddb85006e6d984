/* data.c - tables of examples: order, columns and scale. They are filled from files and formulas by
 * csv.c, npy.c, idx.c and generate.c. */
#include "data.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static size_t columns(const nn_data *data) {
    return data->inputs + data->targets;
}

/* The inputs that are not noise. */
static size_t given(const nn_data *data) {
    return data->inputs - data->noise;
}

nn_data *nn__data_empty(void) {
    return calloc(1, sizeof(nn_data));
}

void nn__data_fail(nn_data *data, ad_status status, const char *format, ...) {
    if (data->status != AD_OK) return;
    data->status = status;
    data->rows = 0;
    va_list list;
    va_start(list, format);
    nn__sentence(data->message, format, list);
    va_end(list);
}

void nn__data_fail_at(nn_data *data, const char *path, uint64_t byte, const char *format, ...) {
    char    sentence[NN__MESSAGE];
    va_list list;
    va_start(list, format);
    nn__sentence(sentence, format, list);
    va_end(list);
    nn__data_fail(data, AD_BAD_FILE, "%s: byte %llu: %s", path, (unsigned long long)byte, sentence);
}

bool nn__data_room(nn_data *data, size_t numbers) {
    if (numbers <= data->room) return true;
    size_t  room = data->room > numbers / 2 ? 2 * data->room : numbers;
    double *value =
        room > SIZE_MAX / sizeof *value ? NULL : realloc(data->value, room * sizeof *value);
    if (value == NULL) {
        nn__data_fail(data, AD_NO_MEMORY, "out of memory: no space for %zu numbers", numbers);
        return false;
    }
    data->value = value;
    data->room = room;
    return true;
}

void nn__data_set_targets(nn_data *data, size_t targets, const char *path) {
    if (data->status != AD_OK) return;
    if (targets > data->inputs)
        nn__data_fail(data, AD_BAD_FILE, "%s: a row has %zu numbers, too few for %zu targets", path,
                      data->inputs, targets);
    else data->targets = targets, data->inputs -= targets;
}

nn_data *nn_data_new(size_t rows, size_t inputs, size_t targets, const double values[]) {
    nn_data *data = nn__data_empty();
    if (data == NULL) return NULL;
    const size_t width = inputs + targets;
    data->inputs = inputs, data->targets = targets;
    if (rows == 0 || width == 0)
        nn__data_fail(data, AD_BAD_ARGUMENT, "nn_data_new: %zu rows of %zu columns hold no example",
                      rows, width);
    else if (width < inputs || rows > SIZE_MAX / width)
        nn__data_fail(data, AD_BAD_ARGUMENT, "nn_data_new: too many numbers to count");
    if (data->status != AD_OK || !nn__data_room(data, rows * width)) return data;
    data->rows = rows;
    memcpy(data->value, values, rows * width * sizeof *values);
    for (size_t i = 0; i < rows * width; i++)
        if (!isfinite(values[i])) {
            nn__data_fail(data, AD_BAD_ARGUMENT, "nn_data_new: row %zu, column %zu (from 0) is %g",
                          i / width, i % width, values[i]);
            break;
        }
    return data;
}

void nn_data_free(nn_data *data) {
    if (data == NULL) return;
    free(data->value);
    free(data->kind);
    free(data);
}

ad_status nn_data_status(const nn_data *data) {
    return data == NULL ? AD_NO_MEMORY : data->status;
}

const char *nn_data_message(const nn_data *data) {
    return data == NULL ? "there is no data: out of memory when it was made" : data->message;
}

size_t nn_data_rows(const nn_data *data) {
    return data == NULL ? 0 : data->rows;
}

size_t nn_data_inputs(const nn_data *data) {
    return data == NULL ? 0 : data->inputs;
}

size_t nn_data_targets(const nn_data *data) {
    return data == NULL ? 0 : data->targets;
}

const double *nn_data_row(const nn_data *data, size_t row) {
    return row < nn_data_rows(data) ? data->value + row * columns(data) : NULL;
}

/* ---- order and columns ----------------------------------------------------------------------- */

void nn__data_swap(nn_data *data, size_t a, size_t b) {
    const size_t width = columns(data);
    double      *x = data->value + a * width, *y = data->value + b * width;
    for (size_t i = 0; i < width; i++) {
        const double kept = x[i];
        x[i] = y[i];
        y[i] = kept;
    }
}

void nn_data_shuffle(nn_data *data, uint64_t seed) {
    nn_random random = nn_random_seeded(seed);
    for (size_t i = nn_data_rows(data); i > 1; i--)
        nn__data_swap(data, i - 1, nn_random_below(&random, i));
}

static bool room_for_noise(nn_data *data, size_t columns) {
    nn_noise *kind = realloc(data->kind, columns * sizeof *kind);
    if (kind != NULL) data->kind = kind;
    else nn__data_fail(data, AD_NO_MEMORY, "out of memory: no space for %zu columns", columns);
    return kind != NULL;
}

static bool same_noise(nn_data *part, const nn_data *data) {
    if (data->noise == 0) return true;
    if (!room_for_noise(part, data->noise)) return false;
    part->noise = data->noise;
    memcpy(part->kind, data->kind, data->noise * sizeof *data->kind);
    return true;
}

nn_data *nn_data_split(nn_data *data, double fraction, uint64_t seed) {
    if (data == NULL) return NULL;
    const double wanted = round(fraction * (double)data->rows);
    if (!(wanted >= 1 && wanted < (double)data->rows))
        nn__data_fail(data, AD_BAD_ARGUMENT,
                      "nn_data_split: %g of %zu rows leaves one of the two parts without rows",
                      fraction, data->rows);
    nn_data *part = nn__data_empty();
    if (part == NULL) return NULL;
    if (data->status != AD_OK) {
        nn__data_fail(part, data->status, "%s", data->message);
        return part;
    }
    const size_t rows = (size_t)wanted, width = columns(data);
    if (!nn__data_room(part, rows * width) || !same_noise(part, data)) return part;
    nn_data_shuffle(data, seed);
    data->rows -= rows;
    part->rows = rows, part->inputs = data->inputs, part->targets = data->targets;
    memcpy(part->value, data->value + data->rows * width, rows * width * sizeof *part->value);
    return part;
}

/* The columns of both side by side: those of `left` are the inputs, those of `right` the
 * targets. */
static void join_rows(nn_data *data, const nn_data *left, const nn_data *right) {
    const size_t m = columns(left), n = columns(right);
    for (size_t row = 0; row < left->rows; row++) {
        memcpy(data->value + row * (m + n), left->value + row * m, m * sizeof *data->value);
        memcpy(data->value + row * (m + n) + m, right->value + row * n, n * sizeof *data->value);
    }
    data->rows = left->rows, data->inputs = m, data->targets = n;
}

nn_data *nn_data_join(const nn_data *inputs, const nn_data *targets) {
    nn_data *data = nn__data_empty();
    if (data == NULL) return NULL;
    const nn_data *bad = nn_data_status(inputs) != AD_OK ? inputs : targets;
    if (nn_data_status(bad) != AD_OK)
        nn__data_fail(data, nn_data_status(bad), "%s", nn_data_message(bad));
    else if (inputs->rows != targets->rows)
        nn__data_fail(data, AD_BAD_ARGUMENT,
                      "nn_data_join: %zu rows of inputs, but %zu rows of targets", inputs->rows,
                      targets->rows);
    else if (inputs->noise + targets->noise > 0)
        nn__data_fail(
            data, AD_BAD_ARGUMENT,
            "nn_data_join: the %s have %zu columns of noise: add noise (nn_data_noise) to "
            "the joined table",
            inputs->noise > 0 ? "inputs" : "targets",
            inputs->noise > 0 ? inputs->noise : targets->noise);
    else if (columns(inputs) + columns(targets) > SIZE_MAX / inputs->rows)
        nn__data_fail(data, AD_BAD_ARGUMENT, "nn_data_join: too many numbers to count");
    else if (nn__data_room(data, inputs->rows * (columns(inputs) + columns(targets))))
        join_rows(data, inputs, targets);
    return data;
}

/* `classes`, or if that is 0, one more than the largest class in a column; 0, with an error, if a
 * number is not a class. */
static size_t count_classes(nn_data *data, size_t column, size_t classes) {
    size_t most = 0;
    for (size_t row = 0; row < data->rows; row++) {
        const double x = nn_data_row(data, row)[column];
        if (!(x >= 0 && x < 0x1p32 && x == floor(x)))
            nn__data_fail(
                data, AD_BAD_ARGUMENT,
                "nn_data_one_hot: row %zu, column %zu (from 0) is %g, which is not a class number",
                row, column, x);
        else if (classes != 0 && x >= (double)classes)
            nn__data_fail(data, AD_BAD_ARGUMENT,
                          "nn_data_one_hot: row %zu, column %zu (from 0) is class %g of %zu", row,
                          column, x, classes);
        else if ((size_t)x >= most) most = (size_t)x + 1;
        if (data->status != AD_OK) return 0;
    }
    return classes != 0 ? classes : most;
}

void nn_data_one_hot(nn_data *data, size_t target, size_t classes) {
    if (nn_data_status(data) != AD_OK) return;
    if (target >= data->targets) {
        nn__data_fail(data, AD_BAD_ARGUMENT,
                      "nn_data_one_hot: no target %zu (from 0): the data have %zu", target,
                      data->targets);
        return;
    }
    const size_t before = data->inputs + target, n = count_classes(data, before, classes);
    if (n == 0) return;
    const size_t old = columns(data), after = old - before - 1, width = old - 1 + n;
    if (width < old || width > SIZE_MAX / sizeof(double) / data->rows) {
        nn__data_fail(data, AD_BAD_ARGUMENT, "nn_data_one_hot: too many numbers to count");
        return;
    }
    double *value = calloc(data->rows * width, sizeof *value);
    if (value == NULL) {
        nn__data_fail(data, AD_NO_MEMORY, "out of memory: no space for %zu numbers",
                      data->rows * width);
        return;
    }
    for (size_t row = 0; row < data->rows; row++) {
        const double *from = data->value + row * old;
        double       *to = value + row * width;
        memcpy(to, from, before * sizeof *to);
        to[before + (size_t)from[before]] = 1;
        memcpy(to + before + n, from + before + 1, after * sizeof *to);
    }
    free(data->value);
    data->value = value, data->room = data->rows * width, data->targets += n - 1;
}

/* ---- noise ----------------------------------------------------------------------------------- */

/* Every row with `more` columns of `value` in front of its targets; NULL when memory is out. */
static double *widened(const nn_data *data, size_t more, double value) {
    const size_t old = columns(data), width = old + more;
    double      *wide = malloc(data->rows * width * sizeof *wide);
    for (size_t row = 0; row < data->rows && wide != NULL; row++) {
        const double *from = data->value + row * old;
        double       *to = wide + row * width;
        memcpy(to, from, data->inputs * sizeof *to);
        for (size_t i = 0; i < more; i++) to[data->inputs + i] = value;
        memcpy(to + data->inputs + more, from + data->inputs, data->targets * sizeof *to);
    }
    return wide;
}

void nn_data_noise(nn_data *data, nn_noise kind, size_t more) {
    if (nn_data_status(data) != AD_OK) return;
    if (more == 0 || (kind != NN_NORMAL && kind != NN_UNIFORM)) {
        nn__data_fail(data, AD_BAD_ARGUMENT, "nn_data_noise: %s",
                      more == 0 ? "no columns" : "noise is NN_NORMAL or NN_UNIFORM");
        return;
    }
    const size_t width = columns(data) + more;
    if (width < more || width > SIZE_MAX / sizeof(double) / data->rows) {
        nn__data_fail(data, AD_BAD_ARGUMENT, "nn_data_noise: too many columns to count");
        return;
    }
    if (!room_for_noise(data, data->noise + more)) return;
    double *value = widened(data, more, kind == NN_NORMAL ? 0 : -1);
    if (value == NULL) {
        nn__data_fail(data, AD_NO_MEMORY, "out of memory: no space for %zu columns of noise", more);
        return;
    }
    free(data->value);
    data->value = value, data->inputs += more, data->room = data->rows * columns(data);
    for (size_t i = 0; i < more; i++) data->kind[data->noise++] = kind;
}

bool nn__data_same_noise(const nn_data *a, const nn_data *b) {
    bool same = a->noise == b->noise;
    for (size_t i = 0; i < a->noise && same; i++) same = a->kind[i] == b->kind[i];
    return same;
}

/* Not the generator that shuffles with this seed. */
uint64_t nn__data_noise_key(uint64_t seed, uint64_t use) {
    nn_random of_seed = nn_random_seeded(seed ^ UINT64_C(0x6e6f697365));
    nn_random of_use = nn_random_seeded(nn_random_bits(&of_seed) + use);
    return nn_random_bits(&of_use);
}

void nn__data_fill_noise(const nn_data *data, uint64_t key, size_t row, double value[]) {
    nn_random random = nn_random_seeded(key + row);
    double   *to = value + given(data);
    for (size_t i = 0; i < data->noise; i++)
        to[i] = data->kind[i] == NN_NORMAL ? nn_random_normal(&random) : nn_random_uniform(&random);
}

/* ---- scale ----------------------------------------------------------------------------------- */

/* Scaling finite numbers may overflow. */
static void put(nn_data *data, size_t row, size_t column, double x) {
    if (!isfinite(x))
        nn__data_fail(data, AD_BAD_ARGUMENT,
                      "row %zu, input %zu (from 0) becomes %g when it is scaled", row, column, x);
    else data->value[row * columns(data) + column] = x;
}

void nn_data_scale(nn_data *data, double factor) {
    for (size_t row = 0; row < nn_data_rows(data); row++)
        for (size_t i = 0; i < given(data); i++)
            put(data, row, i, factor * data->value[row * columns(data) + i]);
}

/* Compensated summation (A. Neumaier, 1974): the rounding errors are summed too. */
typedef struct total {
    double sum, lost;
} total;

static void add(total *t, double x) {
    const double sum = t->sum + x;
    t->lost += fabs(t->sum) >= fabs(x) ? t->sum - sum + x : x - sum + t->sum;
    t->sum = sum;
}

static double sum_of(total t) {
    return t.sum + t.lost;
}

/* The exponent of the largest number of a column: divided by 2^exponent, no sum and no square can
 * overflow, nor underflow unless it is negligible. *constant: all rows have the same number. */
static int scale_of(const nn_data *data, size_t column, bool *constant) {
    const double first = nn_data_row(data, 0)[column];
    double       largest = fabs(first);
    int          exponent;
    *constant = true;
    for (size_t row = 1; row < data->rows; row++) {
        const double x = nn_data_row(data, row)[column];
        *constant &= x == first;
        largest = fmax(largest, fabs(x));
    }
    frexp(largest, &exponent);
    return exponent < -1000 ? -1000 : exponent; /* 2^1000 is still finite */
}

/* For a column that is not constant. Two passes: the one-pass formula cancels if the mean is large
 * compared to the deviation. The mean is rounded, so the mean of the differences from it (`rest`)
 * is corrected for. */
static void moments_of(const nn_data *data, size_t column, int exponent, double *mean,
                       double *deviation) {
    const double n = (double)data->rows, by = ldexp(1, -exponent);
    total        sum = {0}, rest = {0}, squares = {0};
    for (size_t row = 0; row < data->rows; row++) add(&sum, by * nn_data_row(data, row)[column]);
    const double middle = sum_of(sum) / n;
    for (size_t row = 0; row < data->rows; row++) {
        const double d = by * nn_data_row(data, row)[column] - middle;
        add(&rest, d);
        add(&squares, d * d);
    }
    const double variance = (sum_of(squares) - sum_of(rest) * (sum_of(rest) / n)) / n;
    *mean = ldexp(middle, exponent);
    *deviation = fmax(ldexp(sqrt(fmax(variance, 0)), exponent), DBL_TRUE_MIN); /* 0: constant */
}

void nn_data_moments(const nn_data *data, double mean[], double deviation[]) {
    for (size_t i = 0; i < nn_data_inputs(data); i++) {
        mean[i] = deviation[i] = NAN;
        if (nn_data_rows(data) == 0) continue;
        bool      constant;
        const int exponent = scale_of(data, i, &constant);
        if (constant) mean[i] = nn_data_row(data, 0)[i], deviation[i] = 0;
        else moments_of(data, i, exponent, &mean[i], &deviation[i]);
    }
}

/* The difference of two finite numbers may overflow although its quotient does not. */
static double standardized(double x, double mean, double deviation) {
    const double d = x - mean;
    return deviation == 0 ? d : isfinite(d) ? d / deviation : (x / 4 - mean / 4) / (deviation / 4);
}

void nn_data_standardize(nn_data *data, const double mean[], const double deviation[]) {
    for (size_t i = 0; i < nn_data_inputs(data); i++)
        if (!(isfinite(mean[i]) && isfinite(deviation[i]) && deviation[i] >= 0)) {
            nn__data_fail(
                data, AD_BAD_ARGUMENT,
                "nn_data_standardize: input %zu (from 0) has the mean %g and the deviation %g", i,
                mean[i], deviation[i]);
            return;
        }
    for (size_t row = 0; row < nn_data_rows(data); row++)
        for (size_t i = 0; i < given(data); i++)
            put(data, row, i,
                standardized(data->value[row * columns(data) + i], mean[i], deviation[i]));
}
