/* csv.c - tables from CSV files, by libcsv.
 *
 * While a file is read all its columns count as inputs; the first row says how many there are. */
#include "data.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

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

/* The sentence goes after the place. */
__attribute__((format(printf, 2, 3)))
static void fail(const reader *r, const char *format, ...) {
    char    sentence[NN__MESSAGE];
    va_list list;
    va_start(list, format);
    vsnprintf(sentence, sizeof sentence, format, list);
    va_end(list);
    nn__data_fail(r->data, AD_BAD_FILE, "%s: line %zu, column %zu: %s", r->path, r->line, r->column,
                  sentence);
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
        fail(r, "more columns than the %zu of line %zu", data->inputs, r->first_line);
    else if (field == NULL || length == 0)
        fail(r, "the field is empty");
    else if (!read_number(field, length, &value))
        fail(r, "\"%s\" is not a number", excerpt(field, shown));
    else if (!isfinite(value))
        fail(r, "\"%s\" is not a finite number", excerpt(field, shown));
    else if (nn__data_room(data, data->rows*data->inputs + r->column))
        data->value[data->rows*data->inputs + r->column - 1] = value;
}

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
        fail(r, "the row ends here, but line %zu has %zu columns", r->first_line, data->inputs);
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
        nn__data_fail(data, AD_BAD_FILE, "%s: the file cannot be read: %s", r->path, strerror(errno));
    else if (csv_error(parser) == CSV_SUCCESS)
        csv_fini(parser, on_field, on_line_end, r);
    if (csv_error(parser) == CSV_ENOMEM)
        nn__data_fail(data, AD_NO_MEMORY, "%s: line %zu: out of memory", r->path, r->line);
    else if (csv_error(parser) != CSV_SUCCESS) {
        r->column++;                         /* in the field that was not finished */
        fail(r, "a quotation mark out of place");
    }
}

static void read_csv(nn_data *data, const char *path, const nn_csv_config *config) {
    const unsigned char options = CSV_STRICT | CSV_STRICT_FINI | CSV_REPALL_NL | CSV_APPEND_NULL;
    struct csv_parser   parser;
    reader              r = {data, path, 1, 0, 0, config->header, false};
    FILE               *file = fopen(path, "rb");
    if (file == NULL) {
        nn__data_fail(data, AD_BAD_FILE, "%s: the file cannot be opened: %s", path, strerror(errno));
        return;
    }
    csv_init(&parser, options);
    csv_set_delim(&parser, (unsigned char)(config->separator != 0 ? config->separator : ','));
    const locale_t before = nn__locale_enter();
    parse(&r, &parser, file);
    nn__locale_leave(before);
    csv_free(&parser);
    fclose(file);
    if (data->rows == 0) {
        nn__data_fail(data, AD_BAD_FILE, "%s: line %zu, column 1: no rows", path, r.line);
    } else if (config->targets > data->inputs) {
        r.line = r.first_line, r.column = data->inputs;
        fail(&r, "the row ends here, too short for %zu targets", config->targets);
    }
    nn__data_aim(data, config->targets, path);
}
#else
static void read_csv(nn_data *data, const char *path, const nn_csv_config *config) {
    (void)config;
    nn__data_fail(data, AD_UNSUPPORTED, "%s: CSV files cannot be read: this build is without libcsv",
                  path);
}
#endif

nn_data *nn_data_csv(const char *path, const nn_csv_config *config) {
    const nn_csv_config usual = {1, false, ','};
    nn_data            *data = nn__data_empty();
    if (data == NULL) return NULL;
    if (path == NULL) nn__data_fail(data, AD_BAD_ARGUMENT, "nn_data_csv: no file name");
    else read_csv(data, path, config == NULL ? &usual : config);
    return data;
}
