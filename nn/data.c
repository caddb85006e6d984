/* data.c - tables of examples, and reading them from CSV files.
 *
 * Invariant: while the status is AD_OK there is at least one row, every row has inputs + targets
 * numbers, and all of them are finite. After an error there are no rows. */
#include "text.h"
#include "nn.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

struct nn_data {
    size_t    rows, inputs, targets, room;   /* room: numbers that fit into value */
    double   *value;                         /* rows x (inputs + targets), row-major */
    ad_status status;                        /* the first error */
    char      message[NN__MESSAGE];
};

static size_t columns(const nn_data *data) {
    return data->inputs + data->targets;
}

__attribute__((format(printf, 3, 4)))
static void fail(nn_data *data, ad_status status, const char *format, ...) {
    if (data->status != AD_OK) return;
    data->status = status;
    data->rows = 0;
    va_list list;
    va_start(list, format);
    nn__sentence(data->message, format, list);
    va_end(list);
}

static bool room_for(nn_data *data, size_t numbers) {
    if (numbers <= data->room) return true;
    size_t  room = data->room > numbers/2 ? 2*data->room : numbers;
    double *value = room > SIZE_MAX/sizeof *value ? NULL : realloc(data->value, room*sizeof *value);
    if (value == NULL) {
        fail(data, AD_NO_MEMORY, "out of memory: no space for %zu numbers", numbers);
        return false;
    }
    data->value = value;
    data->room = room;
    return true;
}

nn_data *nn_data_new(size_t rows, size_t inputs, size_t targets, const double values[]) {
    nn_data *data = calloc(1, sizeof *data);
    if (data == NULL) return NULL;
    const size_t width = inputs + targets;
    data->inputs = inputs, data->targets = targets;
    if (rows == 0 || width == 0)
        fail(data, AD_BAD_ARGUMENT, "nn_data_new: %zu rows of %zu columns hold no example", rows, width);
    else if (width < inputs || rows > SIZE_MAX/width)
        fail(data, AD_BAD_ARGUMENT, "nn_data_new: too many numbers to count");
    if (data->status != AD_OK || !room_for(data, rows*width)) return data;
    data->rows = rows;
    memcpy(data->value, values, rows*width*sizeof *values);
    for (size_t i = 0; i < rows*width; i++)
        if (!isfinite(values[i])) {
            fail(data, AD_BAD_ARGUMENT, "nn_data_new: row %zu, column %zu (from 0) is %g", i/width,
                 i%width, values[i]);
            break;
        }
    return data;
}

void nn_data_free(nn_data *data) {
    if (data == NULL) return;
    free(data->value);
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
    return row < nn_data_rows(data) ? data->value + row*columns(data) : NULL;
}

/* ---- CSV -------------------------------------------------------------------------------------- */

#if HAVE_LIBCSV
#include <csv.h>

/* Where the parser stands. Lines and columns count from 1, as editors do. */
typedef struct reader {
    nn_data    *data;
    const char *path;
    size_t      line, column, first_line;    /* column: fields of this row so far; first_line: of the first row */
    bool        header, after_return;        /* header: still to be skipped; after_return: a \n belongs to it */
} reader;

/* Enough of a field to recognize it, without control characters. */
static const char *excerpt(const char *field, char text[24]) {
    size_t n = 0;
    for (; n < 20 && field[n] != '\0'; n++)
        text[n] = field[n];
    if (field[n] != '\0') memcpy(text + n, "...", 4);
    else text[n] = '\0';
    for (char *c = text; *c != '\0'; c++)
        if ((unsigned char)*c < ' ' || *c == 0x7f) *c = ' ';
    return text;
}

/* Decimal alone: strtod would take hexadecimal too. */
static bool read_number(const char *field, size_t length, double *value) {
    char *end;
    *value = strtod(field, &end);
    return end == field + length && strpbrk(field, "xX") == NULL;
}

static void on_field(void *field, size_t length, void *context) {
    reader  *r = context;
    nn_data *data = r->data;
    char     shown[24];
    double   value;
    r->after_return = false;
    r->column++;
    if (data->status != AD_OK || r->header) return;
    if (data->rows > 0 && r->column > data->inputs)
        fail(data, AD_BAD_FILE, "%s: line %zu, column %zu: more columns than the %zu of line %zu",
             r->path, r->line, r->column, data->inputs, r->first_line);
    else if (field == NULL || length == 0)
        fail(data, AD_BAD_FILE, "%s: line %zu, column %zu: the field is empty", r->path, r->line,
             r->column);
    else if (!read_number(field, length, &value))
        fail(data, AD_BAD_FILE, "%s: line %zu, column %zu: \"%s\" is not a number", r->path, r->line,
             r->column, excerpt(field, shown));
    else if (!isfinite(value))
        fail(data, AD_BAD_FILE, "%s: line %zu, column %zu: \"%s\" is not a finite number", r->path,
             r->line, r->column, excerpt(field, shown));
    else if (room_for(data, data->rows*data->inputs + r->column))
        data->value[data->rows*data->inputs + r->column - 1] = value;
}

/* While reading, all columns count as inputs; the first row says how many there are. */
static void end_row(reader *r) {
    nn_data *data = r->data;
    if (r->header) {
        r->header = false;
    } else if (data->rows == 0) {
        data->inputs = r->column;
        r->first_line = r->line;
        data->rows = 1;
    } else if (r->column == data->inputs) {
        data->rows++;
    } else {
        fail(data, AD_BAD_FILE,
             "%s: line %zu, column %zu: the row ends here, but line %zu has %zu columns", r->path,
             r->line, r->column, r->first_line, data->inputs);
    }
}

/* Called for every \r and \n outside of quotes, and with -1 at the end of a file without a last
 * \n. */
static void on_line_end(int character, void *context) {
    reader *r = context;
    if (r->data->status == AD_OK && r->column > 0) end_row(r);
    r->column = 0;
    if (character == '\r' || (character == '\n' && !r->after_return)) r->line++;
    r->after_return = character == '\r';
}

static void parse(reader *r, struct csv_parser *parser, FILE *file) {
    nn_data *data = r->data;
    char     block[16384];
    bool     first = true;
    size_t   length;
    while (data->status == AD_OK && (length = fread(block, 1, sizeof block, file)) > 0) {
        const bool   marked = first && length >= 3 && memcmp(block, "\xef\xbb\xbf", 3) == 0;
        const size_t skip = marked ? 3 : 0;  /* the byte order mark that some spreadsheets write */
        if (csv_parse(parser, block + skip, length - skip, on_field, on_line_end, r) != length - skip)
            break;
        first = false;
    }
    if (ferror(file))
        fail(data, AD_BAD_FILE, "%s: the file cannot be read: %s", r->path, strerror(errno));
    else if (csv_error(parser) == CSV_SUCCESS)
        csv_fini(parser, on_field, on_line_end, r);
    if (csv_error(parser) == CSV_ENOMEM)
        fail(data, AD_NO_MEMORY, "%s: line %zu: out of memory", r->path, r->line);
    else if (csv_error(parser) != CSV_SUCCESS)
        fail(data, AD_BAD_FILE, "%s: line %zu, column %zu: a quotation mark out of place", r->path,
             r->line, r->column + 1);
}

static void read_csv(nn_data *data, const char *path, const nn_csv_config *config) {
    const unsigned char options = CSV_STRICT | CSV_STRICT_FINI | CSV_REPALL_NL | CSV_APPEND_NULL;
    struct csv_parser   parser;
    reader              r = {data, path, 1, 0, 0, config->header, false};
    FILE               *file = fopen(path, "rb");
    if (file == NULL) {
        fail(data, AD_BAD_FILE, "%s: the file cannot be opened: %s", path, strerror(errno));
        return;
    }
    csv_init(&parser, options);
    csv_set_delim(&parser, (unsigned char)(config->separator != 0 ? config->separator : ','));
    const locale_t before = nn__locale_enter();
    parse(&r, &parser, file);
    nn__locale_leave(before);
    csv_free(&parser);
    fclose(file);
    if (data->rows == 0) fail(data, AD_BAD_FILE, "%s: line %zu, column 1: no rows", path, r.line);
    else if (config->targets > data->inputs)
        fail(data, AD_BAD_FILE, "%s: line %zu, column %zu: the row ends here, too short for %zu targets",
             path, r.first_line, data->inputs, config->targets);
    if (data->status == AD_OK) {
        data->targets = config->targets;
        data->inputs -= config->targets;
    }
}
#else
static void read_csv(nn_data *data, const char *path, const nn_csv_config *config) {
    (void)config;
    fail(data, AD_UNSUPPORTED, "%s: CSV files cannot be read: this build is without libcsv", path);
}
#endif

nn_data *nn_data_csv(const char *path, const nn_csv_config *config) {
    const nn_csv_config usual = {1, false, ','};
    nn_data            *data = calloc(1, sizeof *data);
    if (data == NULL) return NULL;
    if (path == NULL) fail(data, AD_BAD_ARGUMENT, "nn_data_csv: no file name");
    else read_csv(data, path, config == NULL ? &usual : config);
    return data;
}

/* ---- order and scale -------------------------------------------------------------------------- */

static void swap_rows(nn_data *data, size_t a, size_t b) {
    const size_t width = columns(data);
    double      *x = data->value + a*width, *y = data->value + b*width;
    for (size_t i = 0; i < width; i++) {
        const double kept = x[i];
        x[i] = y[i];
        y[i] = kept;
    }
}

void nn_data_shuffle(nn_data *data, uint64_t seed) {
    nn_random random = nn_random_seeded(seed);
    for (size_t i = nn_data_rows(data); i > 1; i--)
        swap_rows(data, i - 1, nn_random_below(&random, i));
}

nn_data *nn_data_split(nn_data *data, double fraction, uint64_t seed) {
    if (data == NULL) return NULL;
    const double wanted = round(fraction*(double)data->rows);
    if (!(wanted >= 1 && wanted < (double)data->rows))
        fail(data, AD_BAD_ARGUMENT,
             "nn_data_split: %g of %zu rows leaves one of the two parts without rows", fraction,
             data->rows);
    nn_data *part = calloc(1, sizeof *part);
    if (part == NULL) return NULL;
    if (data->status != AD_OK) {
        fail(part, data->status, "%s", data->message);
        return part;
    }
    const size_t rows = (size_t)wanted, width = columns(data);
    if (!room_for(part, rows*width)) return part;
    nn_data_shuffle(data, seed);
    data->rows -= rows;
    part->rows = rows, part->inputs = data->inputs, part->targets = data->targets;
    memcpy(part->value, data->value + data->rows*width, rows*width*sizeof *part->value);
    return part;
}

/* A product of finite numbers need not be finite. */
static void put(nn_data *data, size_t row, size_t column, double x) {
    if (!isfinite(x))
        fail(data, AD_BAD_ARGUMENT, "row %zu, input %zu (from 0) becomes %g when it is scaled", row,
             column, x);
    else data->value[row*columns(data) + column] = x;
}

void nn_data_scale(nn_data *data, double factor) {
    for (size_t row = 0; row < nn_data_rows(data); row++)
        for (size_t i = 0; i < data->inputs; i++)
            put(data, row, i, factor*data->value[row*columns(data) + i]);
}

/* Two passes: the one-pass formula cancels where the mean is large against the deviation. */
void nn_data_moments(const nn_data *data, double mean[], double deviation[]) {
    const size_t rows = nn_data_rows(data);
    for (size_t i = 0; i < nn_data_inputs(data); i++) {
        double total = 0, squares = 0;
        for (size_t row = 0; row < rows; row++) total += nn_data_row(data, row)[i];
        mean[i] = total/(double)rows;
        for (size_t row = 0; row < rows; row++) {
            const double d = nn_data_row(data, row)[i] - mean[i];
            squares += d*d;
        }
        deviation[i] = sqrt(squares/(double)rows);
    }
}

void nn_data_standardize(nn_data *data, const double mean[], const double deviation[]) {
    for (size_t row = 0; row < nn_data_rows(data); row++)
        for (size_t i = 0; i < data->inputs; i++)
            put(data, row, i, (data->value[row*columns(data) + i] - mean[i])/
                              (deviation[i] == 0 ? 1 : deviation[i]));
}
