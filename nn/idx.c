/* idx.c - IDX, the format of MNIST's files, plain or gzipped.
 *
 * Two zero bytes, the type, the number of axes, the axes (four bytes each), then the numbers, all
 * big-endian: yann.lecun.com/exdb/mnist. Allocation does not trust the header: the
 * table grows with what was really read. zlib reads plain files too; without it they are read
 * directly, and gzipped ones are refused. */
#include "bytes.h"
#include "data.h"
#include "open.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <unistd.h>

#if HAVE_ZLIB
#include <zlib.h>
typedef gzFile stream;
#else
typedef FILE *stream;
#endif

enum { BLOCK = 1 << 16 };

typedef struct reader {
    nn_data    *data;
    const char *path;
    stream      from;
    uint64_t    at; /* uncompressed bytes read so far */
} reader;

/* ---- bytes, uncompressed --------------------------------------------------------------------- */

#if HAVE_ZLIB
/* clang-format off */
static stream to_stream(int file) { return gzdopen(file, "rb"); }
static void   close_stream(stream from) { gzclose(from); }
/* clang-format on */

/* Reads up to n bytes; fewer only at the end or after an error. zlib reports a gzip file that ends
 * early together with its last bytes. */
static size_t read_some(reader *r, size_t n, unsigned char to[]) {
    const int   got = gzread(r->from, to, (unsigned)n);
    int         error = Z_OK;
    const char *words = gzerror(r->from, &error);
    if (got > 0) r->at += (uint64_t)got;
    if (error == Z_MEM_ERROR) nn__data_fail(r->data, AD_NO_MEMORY, "%s: out of memory", r->path);
    else if (error == Z_ERRNO)
        nn__data_fail(r->data, AD_BAD_FILE, "%s: the file cannot be read: %s", r->path,
                      strerror(errno));
    else if (error == Z_BUF_ERROR)
        nn__data_fail_at(r->data, r->path, r->at,
                         "the gzip file ends early: the uncompressed data stop here");
    else if (got < 0 || error != Z_OK)
        nn__data_fail_at(r->data, r->path, r->at,
                         "the gzip file is damaged: the uncompressed data stop here (%s)", words);
    return r->data->status == AD_OK ? (size_t)got : 0;
}
#else
/* clang-format off */
static stream to_stream(int file) { return fdopen(file, "rb"); }
static void   close_stream(stream from) { fclose(from); }
/* clang-format on */

static size_t read_some(reader *r, size_t n, unsigned char to[]) {
    const size_t got = fread(to, 1, n, r->from);
    if (ferror(r->from))
        nn__data_fail(r->data, AD_BAD_FILE, "%s: the file cannot be read: %s", r->path,
                      strerror(errno));
    else if (r->at == 0 && got >= 2 && to[0] == 0x1f && to[1] == 0x8b)
        nn__data_fail(r->data, AD_UNSUPPORTED,
                      "%s: the file is gzipped, and this build is without zlib", r->path);
    r->at += got;
    return r->data->status == AD_OK ? got : 0;
}
#endif

static bool read_all(reader *r, size_t n, unsigned char to[], const char *what) {
    const uint64_t from = r->at;
    if (read_some(r, n, to) == n) return true;
    nn__data_fail_at(r->data, r->path, r->at,
                     "the file ends in its %s: %zu bytes are needed from byte %llu on", what, n,
                     (unsigned long long)from);
    return false;
}

/* ---- numbers --------------------------------------------------------------------------------- */

/* clang-format off */
static double unsigned8(uint64_t bits) { return (double)bits; }
static double signed8(uint64_t bits) { return (double)(int8_t)(uint8_t)bits; }
static double signed16(uint64_t bits) { return (double)(int16_t)(uint16_t)bits; }
static double signed32(uint64_t bits) { return (double)(int32_t)(uint32_t)bits; }
/* clang-format on */

/* clang-format off */
static const struct type {
    unsigned char code;
    size_t        bytes;
    double      (*number)(uint64_t bits);
} types[] = {
    {0x08, 1, unsigned8}, {0x09, 1, signed8},   {0x0b, 2, signed16},
    {0x0c, 4, signed32},  {0x0d, 4, nn__float}, {0x0e, 8, nn__double},
};
/* clang-format on */

static const struct type *read_type(reader *r, size_t *axes) {
    unsigned char head[4];
    if (!read_all(r, sizeof head, head, "header")) return NULL;
    *axes = head[3];
    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        if (head[0] == 0 && head[1] == 0 && types[i].code == head[2] && *axes > 0) return &types[i];
    if (head[0] != 0 || head[1] != 0)
        nn__data_fail_at(r->data, r->path, 0,
                         "not an IDX file: it does not begin with two zero bytes");
    else if (*axes == 0)
        nn__data_fail_at(r->data, r->path, 3, "an array without axes, which has no rows");
    else
        nn__data_fail_at(r->data, r->path, 2, "numbers of type 0x%02x, which IDX does not have",
                         head[2]);
    return NULL;
}

/* The first axis is the rows; the others, flattened, are the columns. */
static bool read_axes(reader *r, size_t axes, size_t *rows, size_t *columns) {
    *rows = *columns = 1;
    for (size_t i = 0; i < axes; i++) {
        unsigned char bytes[4];
        if (!read_all(r, sizeof bytes, bytes, "header")) return false;
        const size_t n = (size_t)nn__big(bytes, sizeof bytes);
        if (n == 0)
            nn__data_fail_at(r->data, r->path, r->at - 4, "axis %zu (from 0) has length 0", i);
        else if (*rows > SIZE_MAX / sizeof(double) / *columns / n)
            nn__data_fail_at(r->data, r->path, r->at - 4,
                             "the shape has too many numbers to count");
        if (r->data->status != AD_OK) return false;
        *(i == 0 ? rows : columns) *= n;
    }
    return true;
}

static void put_numbers(reader *r, const struct type *type, size_t first, size_t n,
                        const unsigned char block[]) {
    const size_t columns = r->data->inputs;
    for (size_t i = 0; i < n; i++) {
        const double x = type->number(nn__big(block + i * type->bytes, type->bytes));
        if (!isfinite(x)) {
            nn__data_fail_at(r->data, r->path, r->at - (n - i) * type->bytes,
                             "row %zu, column %zu (from 0) is %g", (first + i) / columns,
                             (first + i) % columns, x);
            return;
        }
        r->data->value[first + i] = x;
    }
}

/* The file must end where the header says; a gzip file is complete only if it ends without an
 * error. */
static void read_end(reader *r) {
    unsigned char more;
    if (r->data->status == AD_OK && read_some(r, 1, &more) != 0)
        nn__data_fail_at(r->data, r->path, r->at - 1,
                         "more bytes than the %zu rows of %zu numbers in the header", r->data->rows,
                         r->data->inputs);
}

static void read_idx(reader *r) {
    unsigned char      block[BLOCK];
    size_t             axes, rows, columns;
    const struct type *type = read_type(r, &axes);
    if (type == NULL || !read_axes(r, axes, &rows, &columns)) return;
    r->data->rows = rows, r->data->inputs = columns;
    for (size_t done = 0; done < rows * columns && r->data->status == AD_OK;) {
        const size_t left = rows * columns - done, most = BLOCK / type->bytes,
                     n = left < most ? left : most;
        if (!read_all(r, n * type->bytes, block, "numbers") || !nn__data_room(r->data, done + n))
            return;
        put_numbers(r, type, done, n, block);
        done += n;
    }
    read_end(r);
}

static void open_stream(reader *r) {
    char      why[NN__MESSAGE];
    ad_status status;
    const int file = nn__open(r->path, NN__STREAM, &status, why);
    if (file < 0) {
        nn__data_fail(r->data, status, "%s: %s", r->path, why);
        return;
    }
    if ((r->from = to_stream(file)) != NULL) return;
    nn__data_fail(r->data, AD_NO_MEMORY, "%s: out of memory", r->path);
    close(file);
}

nn_data *nn_data_idx(const char *path, size_t targets) {
    nn_data *data = nn__data_empty();
    if (data == NULL) return NULL;
    reader r = {.data = data, .path = path};
    if (path == NULL) nn__data_fail(data, AD_BAD_ARGUMENT, "nn_data_idx: no file name");
    else open_stream(&r);
    if (r.from != NULL) {
        read_idx(&r);
        close_stream(r.from);
    }
    nn__data_set_targets(data, targets, path);
    return data;
}
