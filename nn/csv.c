/* csv.c - tables from CSV files, by libcsv.
 *
 * While a file is read all its columns count as inputs; the first row defines how many there
 * are. */
#include "data.h"
#include "open.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#if HAVE_LIBCSV
#include <csv.h>

enum { HEADER = 1024, LONGEST_FIELD = 1 << 16 };

/* The position of the parser. Lines and columns count from 1, as in editors. */
typedef struct reader {
    nn_data    *data;
    const char *path;
    size_t      line, column;         /* column: fields read of this row */
    size_t      row_line, first_line; /* where this row begins, and the first row */
    bool        header, after_return; /* header: to be skipped; after_return: after \r */
    char        names[HEADER];        /* header fields that fit, each with its \0 */
    size_t      names_length, names_count;
    size_t      unterminated; /* bytes since a field or line ended, by blocks */
} reader;

/* The position goes before the sentence. */
__attribute__((format(printf, 2, 3))) static void fail(const reader *r, const char *format, ...) {
    char    sentence[NN__MESSAGE];
    va_list list;
    va_start(list, format);
    nn__sentence(sentence, format, list);
    va_end(list);
    nn__data_fail(r->data, AD_BAD_FILE, "%s: line %zu, column %zu: %s", r->path, r->line, r->column,
                  sentence);
}

/* ---- numbers, and what else is found in their place ------------------------------------------ */

/* Only decimal: strtod would accept hexadecimal too. Blanks on either side are ignored. */
static bool read_number(const char *field, size_t length, double *value) {
    char *end;
    *value = strtod(field, &end);
    if (end == field || strpbrk(field, "xX") != NULL) return false;
    while (isspace((unsigned char)*end)) end++;
    return end == field + length;
}

static bool one_of(const char *field, const char *const words[]) {
    for (size_t i = 0; words[i] != NULL; i++)
        if (strcasecmp(field, words[i]) == 0) return true;
    return false;
}

static bool is_number(const char *field) {
    double value;
    return read_number(field, strlen(field), &value);
}

/* True if this separator stands between two numbers. */
static bool divides_numbers(const char *field, char sign) {
    char        part[64];
    const char *at = strchr(field, sign);
    if (at == NULL || at == field || (size_t)(at - field) >= sizeof part) return false;
    snprintf(part, sizeof part, "%.*s", (int)(at - field), field);
    return is_number(part) && at[1] != '\0' && strchr("+-.0123456789 ", at[1]) != NULL;
}

/* True if the field repeats that of the same column in the skipped header line. */
static bool is_header_again(const reader *r, const char *field) {
    const char *at = r->names;
    if (r->column > r->names_count) return false;
    for (size_t i = 1; i < r->column; i++) at += strlen(at) + 1;
    return strcmp(at, field) == 0;
}

/* What a field that is not a number looks like, and what to do about it; "" if unknown. */
static const char *advice(const reader *r, const char *field, size_t length) {
    static const char *const missing[] = {"NA",      "N/A", "#N/A", "NULL", "None",
                                          "missing", "?",   "-",    ".",    NULL};
    const char              *letter = field + strspn(field, " ");
    if (strlen(field) < length) return ": it has a byte 0, as text in UTF-16 does; UTF-8 is read";
    if (strncmp(field, "\xff\xfe", 2) == 0 || strncmp(field, "\xfe\xff", 2) == 0)
        return ": this is text in UTF-16; UTF-8 is read";
    if (is_header_again(r, field)) return ": the header line again";
    if (one_of(field, missing)) return ": a missing value; leave the row out or fill it in";
    if (strchr(field, ',') != NULL && divides_numbers(field, ','))
        return ": use a decimal point and no thousands separator";
    if (divides_numbers(field, ';')) return ": is the separator a semicolon?";
    if (divides_numbers(field, '\t')) return ": is the separator a tab?";
    if (divides_numbers(field, '|')) return ": is the separator |?";
    if (divides_numbers(field, ' ')) return ": is the separator a blank?";
    if (strncasecmp(letter, "0x", 2) == 0) return ": numbers are decimal";
    if (!isalpha((unsigned char)*letter) && *letter != '_' && (unsigned char)*letter < 0x80)
        return "";
    if (r->data->rows > 0) return ": a word; classes are numbers, 0, 1, 2 and so on";
    if (r->column > 1)
        return ": a word; classes are numbers, 0, 1, 2 and so on, and a header line is skipped "
               "only if `header` is set";
    return r->names_count > 0
             ? ": this looks like another header line; one is skipped"
             : ": this looks like a header line, which is skipped only if `header` is set";
}

/* Enough of a field to recognize it. */
static const char *excerpt(const char *field, char text[24]) {
    nn__printable(21, text, field, false);
    return strlen(field) > 20 ? strcat(text, "...") : text;
}

/* ---- what the parser finds ------------------------------------------------------------------- */

static void keep_name(reader *r, const char *field) {
    const size_t bytes = strlen(field) + 1;
    if (r->names_count + 1 != r->column || bytes > HEADER - r->names_length) return;
    memcpy(r->names + r->names_length, field, bytes);
    r->names_length += bytes;
    r->names_count++;
}

/* A quoted field may span several lines: the number of line ends in it. */
static size_t line_ends(const char *field, size_t length) {
    size_t n = 0;
    for (size_t i = 0; i < length; i++)
        n += field[i] == '\r' || (field[i] == '\n' && (i == 0 || field[i - 1] != '\r'));
    return n;
}

static void read_field(reader *r, const char *field, size_t length) {
    nn_data *data = r->data;
    char     shown[24];
    double   value;
    if (r->header) keep_name(r, field);
    else if (data->rows > 0 && r->column > data->inputs)
        fail(r, "more columns than the %zu of line %zu", data->inputs, r->first_line);
    else if (length == 0) fail(r, "the field is empty");
    else if (!read_number(field, length, &value))
        fail(r, "\"%s\" is not a number%s", excerpt(field, shown), advice(r, field, length));
    else if (!isfinite(value)) fail(r, "\"%s\" is not a finite number", excerpt(field, shown));
    else if (nn__data_room(data, data->rows * data->inputs + r->column))
        data->value[data->rows * data->inputs + r->column - 1] = value;
}

static void on_field(void *field, size_t length, void *context) {
    reader     *r = context;
    const char *text = field == NULL ? "" : field;
    r->after_return = false;
    r->unterminated = 0;
    if (r->column++ == 0) r->row_line = r->line;
    if (r->data->status == AD_OK) read_field(r, text, length);
    r->line += line_ends(text, length);
}

static void end_row(reader *r) {
    nn_data *data = r->data;
    if (r->header) {
        r->header = false;
    } else if (data->rows == 0) {
        data->inputs = r->column;
        r->first_line = r->row_line;
        data->rows = 1;
    } else if (r->column == data->inputs) {
        data->rows++;
    } else {
        fail(r, "the row ends here, but line %zu has %zu columns", r->first_line, data->inputs);
    }
}

/* Called for every \r and \n outside quotes, and with -1 at the end of a file that does not end in
 * \n. */
static void on_line_end(int character, void *context) {
    reader *r = context;
    r->unterminated = 0;
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
        const bool   has_bom = first && length >= 3 && memcmp(block, "\xef\xbb\xbf", 3) == 0;
        const size_t skip = has_bom ? 3 : 0; /* the byte order mark that some spreadsheets write */
        if (csv_parse(parser, block + skip, length - skip, on_field, on_line_end, r) !=
            length - skip)
            break;
        first = false;
        r->unterminated += length;
        if (r->unterminated > LONGEST_FIELD) { /* /dev/zero never ends */
            r->column++;
            fail(r, "no end of the field within %d bytes", LONGEST_FIELD);
        }
    }
    if (ferror(file))
        nn__data_fail(data, AD_BAD_FILE, "%s: the file cannot be read: %s", r->path,
                      strerror(errno));
    else if (csv_error(parser) == CSV_SUCCESS) csv_fini(parser, on_field, on_line_end, r);
    if (csv_error(parser) == CSV_ENOMEM)
        nn__data_fail(data, AD_NO_MEMORY, "%s: line %zu: out of memory", r->path, r->line);
    else if (csv_error(parser) != CSV_SUCCESS) {
        r->column++; /* in the field that was not finished */
        fail(r, "a quotation mark out of place");
    }
}

static void read_csv(nn_data *data, const char *path, const nn_csv_config *config) {
    const unsigned char options = CSV_STRICT | CSV_STRICT_FINI | CSV_REPALL_NL | CSV_APPEND_NULL;
    struct csv_parser   parser;
    reader              r = {.data = data, .path = path, .line = 1, .header = config->header};
    char                why[NN__MESSAGE];
    ad_status           status;
    FILE               *file = nn__open_file(path, NN__STREAM, &status, why);
    if (file == NULL) {
        nn__data_fail(data, status, "%s: %s", path, why);
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
    nn__data_set_targets(data, config->targets, path);
}
#else
static void read_csv(nn_data *data, const char *path, const nn_csv_config *config) {
    (void)config;
    nn__data_fail(data, AD_UNSUPPORTED,
                  "%s: CSV files cannot be read: this build is without libcsv", path);
}
#endif

nn_data *nn_data_csv(const char *path, const nn_csv_config *config) {
    const nn_csv_config usual = {.targets = 1, .separator = ','};
    nn_data            *data = nn__data_empty();
    if (data == NULL) return NULL;
    if (path == NULL) nn__data_fail(data, AD_BAD_ARGUMENT, "nn_data_csv: no file name");
    else if (config != NULL && !nn__all_zero(config->reserved, config + 1))
        nn__data_fail(data, AD_BAD_ARGUMENT, NN__NOT_ZERO, "nn_data_csv", "nn_csv_config");
    else read_csv(data, path, config == NULL ? &usual : config);
    return data;
}
