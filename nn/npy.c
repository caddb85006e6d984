/* npy.c - NumPy's .npy file of one array.
 *
 * The format is that of numpy.lib.format, versions 1.0, 2.0 and 3.0: six bytes of magic, two of
 * version, the length of the header (two bytes, from 2.0 on four), the header, which is a literal
 * of a Python dictionary, and the numbers. The header is not trusted until the length of the file
 * agrees with it. */
#include "bytes.h"
#include "data.h"
#include "open.h"
#include "replace.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <sys/stat.h>

enum { MAGIC = 6, MOST_AXES = 32, LONGEST_HEADER = 65535, BLOCK = 1 << 16 };

/* ---- types of numbers ------------------------------------------------------------------------ */

/* clang-format off */
static double float64(uint64_t bits) { return nn__double(bits); }
static double float32(uint64_t bits) { return nn__float(bits); }
static double unsigned64(uint64_t bits) { return (double)bits; }
static double signed64(uint64_t bits) { return (double)(int64_t)bits; }
static double signed32(uint64_t bits) { return (double)(int32_t)(uint32_t)bits; }
static double signed16(uint64_t bits) { return (double)(int16_t)(uint16_t)bits; }
static double signed8(uint64_t bits) { return (double)(int8_t)(uint8_t)bits; }
/* clang-format on */

/* clang-format off */
static const struct type {
    const char *name;
    size_t      bytes;
    double    (*number)(uint64_t bits);
} types[] = {
    {"f8", 8, float64},    {"f4", 4, float32},
    {"i8", 8, signed64},   {"i4", 4, signed32},   {"i2", 2, signed16},   {"i1", 1, signed8},
    {"u8", 8, unsigned64}, {"u4", 4, unsigned64}, {"u2", 2, unsigned64}, {"u1", 1, unsigned64},
    {"b1", 1, unsigned64},
};
/* clang-format on */

/* True if the character before the type name is little-endian order; '=' is the machine's order,
 * and any order will do for one byte. */
static bool right_order(char order, size_t bytes) {
    const bool little = __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__;
    return bytes == 1 ? strchr("|<>=", order) != NULL && order != '\0'
                      : order == '<' || (order == '=' && little);
}

static const struct type *type_named(const char *name) {
    for (size_t i = 0; i < sizeof types / sizeof *types && name[0] != '\0'; i++)
        if (strcmp(types[i].name, name + 1) == 0 && right_order(name[0], types[i].bytes))
            return &types[i];
    return NULL;
}

/* ---- the header ------------------------------------------------------------------------------ */

typedef struct reader {
    nn_data           *data;
    const char        *path;
    FILE              *file;
    uint64_t           size, start; /* bytes of the file; offset of the header's text */
    char               header[LONGEST_HEADER + 1];
    size_t             length, at; /* of the header; read position in it */
    const struct type *type;       /* NULL, and axes SIZE_MAX: not read yet */
    size_t             axes, shape[MOST_AXES];
    bool               ordered, fortran; /* "fortran_order" was read, and is True */
} reader;

static bool good(const reader *r) {
    return r->data->status == AD_OK;
}

static void fail_here(reader *r, const char *what) {
    nn__data_fail_at(r->data, r->path, r->start + r->at,
                     "the header is not a dictionary as NumPy writes it: %s", what);
}

/* Skips to the next character that is not a space and returns it; '\0' at the end. */
static char next(reader *r) {
    while (r->at < r->length && strchr(" \t\n\r", r->header[r->at]) != NULL &&
           r->header[r->at] != '\0')
        r->at++;
    return r->at < r->length ? r->header[r->at] : '\0';
}

static bool take(reader *r, char c) {
    if (next(r) != c || c == '\0') return false;
    r->at++;
    return true;
}

static bool take_word(reader *r, const char *word) {
    const size_t length = strlen(word);
    next(r);
    if (r->length - r->at < length || memcmp(r->header + r->at, word, length) != 0) return false;
    r->at += length;
    return true;
}

/* A string in single or double quotes; false if there is none that fits. */
static bool take_text(reader *r, size_t room, char text[]) {
    const char quote = next(r);
    if (quote != '\'' && quote != '"') return false;
    size_t n = 0, at = r->at + 1;
    for (; at < r->length && r->header[at] != quote; at++) {
        if (n + 1 == room || r->header[at] == '\\' || (unsigned char)r->header[at] < ' ')
            return false;
        text[n++] = r->header[at];
    }
    if (at == r->length) return false;
    text[n] = '\0';
    r->at = at + 1;
    return true;
}

static void read_type(reader *r) {
    char name[32];
    next(r);
    const size_t at = r->at;
    if (!take_text(r, sizeof name, name)) {
        nn__data_fail_at(r->data, r->path, r->start + at, "'descr' is not a simple number type");
        return;
    }
    r->type = type_named(name);
    if (r->type == NULL)
        nn__data_fail_at(r->data, r->path, r->start + at,
                         "numbers of type '%s' are not supported; supported are '<f8', '<f4', "
                         "'<i8', '<i4', '<i2', '|i1', '<u8', '<u4', '<u2', '|u1' and '|b1'",
                         name);
}

static void read_order(reader *r) {
    r->ordered = true;
    r->fortran = take_word(r, "True");
    if (!r->fortran && !take_word(r, "False"))
        fail_here(r, "'fortran_order' is neither True nor False");
}

/* Python 2 wrote a long integer as 3L. */
static bool take_number(reader *r, size_t *number) {
    size_t n = 0;
    bool   any = false;
    for (char c = next(r); c >= '0' && c <= '9';
         c = ++r->at < r->length ? r->header[r->at] : '\0') {
        const size_t digit = (size_t)(c - '0');
        if (n > (SIZE_MAX - digit) / 10) return false;
        n = 10 * n + digit;
        any = true;
    }
    if (any && r->at < r->length && r->header[r->at] == 'L') r->at++;
    *number = n;
    return any;
}

static void read_shape(reader *r) {
    if (!take(r, '(')) {
        fail_here(r, "'shape' is not a tuple");
        return;
    }
    for (r->axes = 0; !take(r, ')'); r->axes++) {
        if (r->axes == MOST_AXES) fail_here(r, "more than 32 axes");
        else if (!take_number(r, &r->shape[r->axes]))
            fail_here(r, "an axis is not a whole number below 2^64");
        else if (!take(r, ',') && next(r) != ')') fail_here(r, "a comma is missing");
        if (!good(r)) return;
    }
}

static void read_pair(reader *r) {
    char key[32];
    if (!take_text(r, sizeof key, key)) fail_here(r, "a name is missing");
    else if (!take(r, ':')) fail_here(r, "a colon is missing");
    else if (strcmp(key, "descr") == 0 && r->type == NULL) read_type(r);
    else if (strcmp(key, "fortran_order") == 0 && !r->ordered) read_order(r);
    else if (strcmp(key, "shape") == 0 && r->axes == SIZE_MAX) read_shape(r);
    else fail_here(r, "an unknown name, or one that is there twice");
}

static void read_dictionary(reader *r) {
    r->axes = SIZE_MAX;
    if (!take(r, '{')) fail_here(r, "it does not begin with {");
    while (good(r) && !take(r, '}')) {
        read_pair(r);
        if (good(r) && !take(r, ',') && next(r) != '}') fail_here(r, "a comma is missing");
    }
    if (!good(r)) return;
    if (next(r) != '\0' || r->at != r->length) fail_here(r, "text follows it");
    else if (r->type == NULL || !r->ordered || r->axes == SIZE_MAX)
        fail_here(r, "one of 'descr', 'fortran_order' and 'shape' is missing");
}

static bool read_bytes(reader *r, uint64_t at, size_t n, void *to) {
    if (fread(to, 1, n, r->file) == n) return true;
    if (ferror(r->file))
        nn__data_fail(r->data, AD_BAD_FILE, "%s: the file cannot be read: %s", r->path,
                      strerror(errno));
    else
        nn__data_fail_at(r->data, r->path, r->size < at ? at : r->size,
                         "the file ends here, but %zu bytes are needed from byte %llu on", n,
                         (unsigned long long)at);
    return false;
}

static void read_header(reader *r) {
    unsigned char magic[MAGIC + 2], length[4];
    if (!read_bytes(r, 0, sizeof magic, magic)) return;
    if (memcmp(magic, "\x93NUMPY", MAGIC) != 0) {
        nn__data_fail_at(r->data, r->path, 0, "not a .npy file: it does not begin with \\x93NUMPY");
        return;
    }
    if (magic[6] < 1 || magic[6] > 3 || magic[7] != 0) {
        nn__data_fail_at(r->data, r->path, MAGIC,
                         "format version %d.%d is not supported; supported are 1.0, 2.0 and 3.0",
                         magic[6], magic[7]);
        return;
    }
    const size_t bytes = magic[6] == 1 ? 2 : 4;
    if (!read_bytes(r, sizeof magic, bytes, length)) return;
    r->start = sizeof magic + bytes;
    r->length = (size_t)nn__little(length, bytes);
    if (r->length > LONGEST_HEADER)
        nn__data_fail_at(r->data, r->path, sizeof magic,
                         "a header of %zu bytes; the longest supported has %d", r->length,
                         LONGEST_HEADER);
    else if (read_bytes(r, r->start, r->length, r->header)) read_dictionary(r);
}

/* ---- the numbers ----------------------------------------------------------------------------- */

/* The first axis is the rows; the others, flattened, are the columns. The shape must match the
 * length of the file. */
static void read_size(reader *r) {
    const uint64_t first = r->start + r->length, there = r->size - first;
    size_t         rows = r->axes == 0 ? 0 : r->shape[0], columns = 1;
    for (size_t i = 1; i < r->axes; i++) {
        if (r->shape[i] != 0 && columns > SIZE_MAX / r->shape[i]) {
            nn__data_fail_at(r->data, r->path, r->start, "the shape has too many numbers to count");
            return;
        }
        columns *= r->shape[i];
    }
    if (rows == 0 || columns == 0)
        nn__data_fail_at(r->data, r->path, r->start,
                         "an array of %zu axes that has no rows or no columns", r->axes);
    else if (rows > SIZE_MAX / sizeof(double) / columns)
        nn__data_fail_at(r->data, r->path, r->start, "the shape has too many numbers to count");
    else if (there != (uint64_t)rows * columns * r->type->bytes)
        nn__data_fail_at(
            r->data, r->path, first, "the shape asks for %llu bytes of numbers, but %llu follow",
            (unsigned long long)rows * columns * r->type->bytes, (unsigned long long)there);
    else r->data->rows = rows, r->data->inputs = columns;
}

/* Integers above 2^53 are not all doubles; the table must hold what was written. */
static bool exact(const struct type *type, uint64_t bits) {
    const bool below_0 = type->number == signed64 && (int64_t)bits < 0;
    return (type->number != signed64 && type->number != unsigned64) ||
           (below_0 ? -bits : bits) <= UINT64_C(1) << 53;
}

/* The index in the table of number i of the file. In Fortran order the first axis, the row, changes
 * fastest, then the second, ...; within a row of the table the last axis changes fastest. */
static size_t table_index(const reader *r, size_t i) {
    if (!r->fortran) return i;
    const size_t row = i % r->data->rows;
    size_t       left = i / r->data->rows, column = 0;
    for (size_t k = 1; k < r->axes; k++) {
        column = column * r->shape[k] + left % r->shape[k];
        left /= r->shape[k];
    }
    return row * r->data->inputs + column;
}

static void put_number(reader *r, size_t i, uint64_t bits) {
    const struct type *type = r->type;
    const double       x = type->number(bits);
    const size_t       index = table_index(r, i), row = index / r->data->inputs,
                 column = index % r->data->inputs;
    const uint64_t byte = r->start + r->length + i * type->bytes;
    if (!isfinite(x))
        nn__data_fail_at(r->data, r->path, byte, "row %zu, column %zu (from 0) is %g", row, column,
                         x);
    else if (!exact(type, bits))
        nn__data_fail_at(r->data, r->path, byte,
                         "row %zu, column %zu (from 0) is about %.17g: too large to be exact", row,
                         column, x);
    else r->data->value[index] = x;
}

static void read_numbers(reader *r) {
    unsigned char block[BLOCK];
    const size_t  width = r->type->bytes, count = r->data->rows * r->data->inputs;
    for (size_t done = 0; done < count && good(r);) {
        const size_t n = count - done < BLOCK / width ? count - done : BLOCK / width;
        if (!read_bytes(r, r->start + r->length + done * width, n * width, block)) return;
        for (size_t i = 0; i < n && good(r); i++)
            put_number(r, done + i, nn__little(block + i * width, width));
        done += n;
    }
}

static void read_npy(reader *r) {
    struct stat about;
    char        why[NN__MESSAGE];
    ad_status   status;
    if ((r->file = nn__open_file(r->path, NN__WHOLE, &status, why)) == NULL) {
        nn__data_fail(r->data, status, "%s: %s", r->path, why);
        return;
    }
    if (fstat(fileno(r->file), &about) != 0) {
        nn__data_fail(r->data, AD_BAD_FILE, "%s: the file cannot be opened: %s", r->path,
                      strerror(errno));
        return;
    }
    r->size = (uint64_t)about.st_size;
    read_header(r);
    if (good(r)) read_size(r);
    if (good(r) && nn__data_room(r->data, r->data->rows * r->data->inputs)) read_numbers(r);
}

nn_data *nn_data_npy(const char *path, size_t targets) {
    nn_data *data = nn__data_empty();
    reader  *r = calloc(1, sizeof *r);
    if (data == NULL || r == NULL) {
        nn_data_free(data);
        free(r);
        return NULL;
    }
    r->data = data, r->path = path;
    if (path == NULL) nn__data_fail(data, AD_BAD_ARGUMENT, "nn_data_npy: no file name");
    else read_npy(r);
    if (r->file != NULL) fclose(r->file);
    free(r);
    nn__data_set_targets(data, targets, path);
    return data;
}

/* ---- writing --------------------------------------------------------------------------------- */

typedef struct array {
    size_t        axes, count;
    const size_t *shape;
    const double *value;
} array;

/* As NumPy writes it: magic and header are a multiple of 64 bytes, padded with spaces before a
 * final newline. */
static bool write_npy(FILE *to, void *context) {
    const array  *a = context;
    char          text[64 + 21 * MOST_AXES + 64];
    unsigned char bytes[10] = "\x93NUMPY\x01";
    int           n = sprintf(text, "{'descr': '<f8', 'fortran_order': False, 'shape': (");
    for (size_t i = 0; i < a->axes; i++)
        n += sprintf(text + n, i == 0 ? "%zu" : ", %zu", a->shape[i]);
    n += sprintf(text + n, a->axes == 1 ? ",), }" : "), }");
    while ((n + 1 + (int)sizeof bytes) % 64 != 0) text[n++] = ' ';
    text[n++] = '\n';
    nn__put_little(bytes + 8, 2, (uint64_t)n);
    bool good = fwrite(bytes, sizeof bytes, 1, to) == 1 && fwrite(text, (size_t)n, 1, to) == 1;
    for (size_t i = 0; i < a->count && good; i++) {
        nn__put_little(bytes, 8, nn__double_bits(a->value[i]));
        good = fwrite(bytes, 8, 1, to) == 1;
    }
    return good;
}

ad_status nn_npy_save(const char *path, size_t axes, const size_t shape[], const double value[],
                      size_t room, char message[]) {
    char      text[NN__MESSAGE] = "";
    ad_status status = AD_OK;
    array     a = {axes, 1, shape, value};
    if (path == NULL || axes > MOST_AXES)
        status = nn__say(AD_BAD_ARGUMENT, text, "nn_npy_save: %s",
                         path == NULL ? "no file name" : "more than 32 axes");
    for (size_t i = 0; i < axes && status == AD_OK; i++) {
        if (shape[i] != 0 && a.count > SIZE_MAX / sizeof(double) / shape[i])
            status = nn__say(AD_BAD_ARGUMENT, text, "nn_npy_save: too many numbers to count");
        a.count *= shape[i];
    }
    if (status == AD_OK) status = nn__replace(path, write_npy, &a, text);
    if (room > 0) snprintf(message, room, "%s", text);
    return status;
}
