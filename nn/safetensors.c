/* safetensors.c - reads and writes safetensors files: named arrays of numbers.
 *
 * Invariant of an open file: its tensors, in the order of their offsets, fill the file from the end
 * of the header to its last byte, and each has the size that its type and shape imply. */
#include "safetensors.h"

#include "bytes.h"
#include "open.h"
#include "replace.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <sys/stat.h>

#if HAVE_JANSSON
#include <jansson.h>

enum { LENGTH = 8, ALIGNMENT = 8, BLOCK = 1 << 16 };

/* The longest header that the reference implementation reads. */
static const uint64_t longest_header = 100000000;

/* ---- writing --------------------------------------------------------------------------------- */

typedef struct writing {
    bool            single;
    size_t          items;
    const nn__item *item;
    char           *header;
    size_t          length;
} writing;

static double number(const nn__item *item, size_t i) {
    return item->param != NULL ? ad_value(item->param[i]) : item->value[i];
}

static json_t *describe(const nn__item *item, size_t bytes, uint64_t begin) {
    json_t *shape = json_array();
    int     failed = shape == NULL;
    for (size_t i = 0; i < item->rank && !failed; i++)
        failed = json_array_append_new(shape, json_integer((json_int_t)item->shape[i]));
    if (failed) {
        json_decref(shape);
        return NULL;
    }
    const uint64_t end = begin + item->count * bytes;
    return json_pack("{s:s, s:o, s:[I, I]}", "dtype", bytes == 8 ? "F64" : "F32", "shape", shape,
                     "data_offsets", (json_int_t)begin, (json_int_t)end);
}

static ad_status out_of_memory(char message[NN__MESSAGE]) {
    return nn__say(AD_NO_MEMORY, message, "out of memory");
}

static ad_status put_notes(json_t *root, size_t notes, const nn__note note[],
                           char message[NN__MESSAGE]) {
    json_t *metadata = json_object();
    if (json_object_set_new(root, "__metadata__", metadata) != 0) return out_of_memory(message);
    for (size_t i = 0; i < notes; i++) {
        if (!nn__is_utf8(note[i].key) || !nn__is_utf8(note[i].text))
            return nn__say(AD_BAD_ARGUMENT, message, "metadata entry %zu (from 0) is not UTF-8", i);
        if (json_object_set_new(metadata, note[i].key, json_string(note[i].text)) != 0)
            return out_of_memory(message);
    }
    return AD_OK;
}

static ad_status put_items(json_t *root, const writing *w, char message[NN__MESSAGE]) {
    const size_t bytes = w->single ? 4 : 8;
    uint64_t     begin = 0;
    for (size_t i = 0; i < w->items; i++) {
        const nn__item *item = &w->item[i];
        if (!nn__is_utf8(item->name))
            return nn__say(AD_BAD_ARGUMENT, message,
                           "array %zu (from 0) has a name that is not UTF-8", i);
        if (json_object_get(root, item->name) != NULL || strcmp(item->name, "__metadata__") == 0)
            return nn__say(AD_BAD_ARGUMENT, message, "the name \"%s\" of an array is already taken",
                           item->name);
        if (json_object_set_new(root, item->name, describe(item, bytes, begin)) != 0)
            return out_of_memory(message);
        begin += item->count * bytes;
    }
    return AD_OK;
}

/* Finds finite numbers that overflow F32. */
static ad_status check_range(const writing *w, char message[NN__MESSAGE]) {
    for (size_t i = 0; i < w->items && w->single; i++)
        for (size_t k = 0; k < w->item[i].count; k++) {
            const double x = number(&w->item[i], k);
            if (isfinite(x) && isinf((float)x))
                return nn__say(AD_BAD_ARGUMENT, message,
                               "number %zu (from 0) of \"%s\" is %g, too large for F32", k,
                               w->item[i].name, x);
        }
    return AD_OK;
}

/* Padded with spaces, so that the numbers are aligned to their size. */
static ad_status make_header(writing *w, size_t notes, const nn__note note[],
                             char message[NN__MESSAGE]) {
    json_t   *root = json_object();
    ad_status status = root == NULL ? out_of_memory(message)
                     : notes > 0    ? put_notes(root, notes, note, message)
                                    : AD_OK;
    if (status == AD_OK) status = put_items(root, w, message);
    if (status == AD_OK) {
        char *text = json_dumps(root, JSON_COMPACT);
        w->length = text == NULL ? 0 : (strlen(text) + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
        w->header = text == NULL ? NULL : malloc(w->length + 1);
        if (w->header == NULL) status = out_of_memory(message);
        else sprintf(w->header, "%-*s", (int)w->length, text);
        free(text);
    }
    json_decref(root);
    return status;
}

static bool write_numbers(FILE *to, const nn__item *item, bool single) {
    unsigned char block[BLOCK];
    const size_t  bytes = single ? 4 : 8;
    size_t        used = 0;
    for (size_t i = 0; i < item->count; i++) {
        const double x = number(item, i);
        nn__put_little(block + used, bytes, single ? nn__float_bits((float)x) : nn__double_bits(x));
        used += bytes;
        if (used < BLOCK && i + 1 < item->count) continue;
        if (fwrite(block, 1, used, to) != used) return false;
        used = 0;
    }
    return true;
}

static bool write_file(FILE *to, void *context) {
    const writing *w = context;
    unsigned char  length[LENGTH];
    nn__put_little(length, LENGTH, w->length);
    bool good =
        fwrite(length, 1, LENGTH, to) == LENGTH && fwrite(w->header, 1, w->length, to) == w->length;
    for (size_t i = 0; i < w->items && good; i++) good = write_numbers(to, &w->item[i], w->single);
    return good;
}

ad_status nn__safetensors_save(const char *path, bool single, size_t items, const nn__item item[],
                               size_t notes, const nn__note note[], char message[NN__MESSAGE]) {
    char      why[NN__MESSAGE];
    writing   w = {single, items, item, NULL, 0};
    ad_status status = check_range(&w, why);
    if (status == AD_OK) status = make_header(&w, notes, note, why);
    if (status == AD_OK) status = nn__replace(path, write_file, &w, message);
    else nn__say(status, message, "%s: not written: %s", path, why);
    free(w.header);
    return status;
}

ad_status nn__safetensors_check(const char *path, size_t items, const nn__item item[], size_t notes,
                                const nn__note note[], char message[NN__MESSAGE]) {
    char      why[NN__MESSAGE];
    writing   w = {false, items, item, NULL, 0};
    ad_status status = make_header(&w, notes, note, why);
    free(w.header);
    if (status == AD_OK) return nn__replaceable(path, message);
    return nn__say(status, message, "%s: cannot be written: %s", path, why);
}

/* ---- reading --------------------------------------------------------------------------------- */

struct nn__safetensors {
    const char *path;
    FILE       *file;
    uint64_t    size, start; /* size of the file; offset of the numbers */
    json_t     *root;        /* owns the names */
    size_t      count;
    nn__tensor *tensor; /* in the order of their offsets */
    ad_status   status;
    char       *message;
};

__attribute__((format(printf, 3, 4))) static bool fail(nn__safetensors *f, ad_status status,
                                                       const char *format, ...) {
    char    sentence[NN__MESSAGE];
    va_list list;
    va_start(list, format);
    nn__sentence(sentence, format, list);
    va_end(list);
    f->status = nn__say(status, f->message, "%s: %s", f->path, sentence);
    return false;
}

static bool read_bytes(nn__safetensors *f, size_t n, void *to) {
    if (fread(to, 1, n, f->file) == n) return true;
    if (ferror(f->file))
        return fail(f, AD_BAD_FILE, "the file cannot be read: %s", strerror(errno));
    return fail(f, AD_BAD_FILE, "the file became shorter while it was read");
}

static bool read_length(nn__safetensors *f) {
    unsigned char bytes[LENGTH];
    if (f->size < LENGTH)
        return fail(f, AD_BAD_FILE,
                    "byte %llu: the file ends in the %d bytes of its header's length",
                    (unsigned long long)f->size, LENGTH);
    if (!read_bytes(f, LENGTH, bytes)) return false;
    const uint64_t length = nn__little(bytes, LENGTH);
    if (length > longest_header)
        return fail(f, AD_BAD_FILE, "byte 0: a header of %llu bytes; at most %llu are allowed",
                    (unsigned long long)length, (unsigned long long)longest_header);
    if (length > f->size - LENGTH)
        return fail(f, AD_BAD_FILE, "byte %llu: the file ends in its header of %llu bytes",
                    (unsigned long long)f->size, (unsigned long long)length);
    f->start = LENGTH + length;
    return true;
}

static bool read_header(nn__safetensors *f) {
    const size_t length = (size_t)(f->start - LENGTH);
    char        *text = malloc(length + 1);
    json_error_t error;
    if (text == NULL)
        return fail(f, AD_NO_MEMORY, "out of memory: no space for a header of %zu bytes", length);
    bool good = read_bytes(f, length, text);
    if (good && (length == 0 || text[0] != '{'))
        good = fail(f, AD_BAD_FILE, "byte %d: the header does not begin with {", LENGTH);
    if (good && (f->root = json_loadb(text, length, JSON_REJECT_DUPLICATES, &error)) == NULL)
        good =
            json_error_code(&error) == json_error_out_of_memory
                ? fail(f, AD_NO_MEMORY, "out of memory: no space for a header of %zu bytes", length)
                : fail(f, AD_BAD_FILE, "byte %d: the header is not JSON: %s",
                       LENGTH + error.position, error.text);
    free(text);
    return good;
}

static bool read_type(nn__safetensors *f, nn__tensor *t, const json_t *value) {
    const char *type = json_string_value(value);
    if (type == NULL)
        return fail(f, AD_BAD_FILE, "\"%s\": \"dtype\" is missing or not a string", t->name);
    t->bytes = strcmp(type, "F64") == 0 ? 8 : strcmp(type, "F32") == 0 ? 4 : 0;
    if (t->bytes == 0)
        return fail(
            f, AD_BAD_FILE,
            "\"%s\": numbers of type \"%s\" are not supported; supported are \"F64\" and \"F32\"",
            t->name, type);
    return true;
}

static bool read_shape(nn__safetensors *f, nn__tensor *t, const json_t *value) {
    if (!json_is_array(value))
        return fail(f, AD_BAD_FILE, "\"%s\": \"shape\" is missing or not an array", t->name);
    t->rank = json_array_size(value);
    t->count = 1;
    t->shape = calloc(t->rank + 1, sizeof *t->shape);
    if (t->shape == NULL) return fail(f, AD_NO_MEMORY, "out of memory");
    for (size_t i = 0; i < t->rank; i++) {
        const json_t *axis = json_array_get(value, i);
        if (!json_is_integer(axis) || json_integer_value(axis) < 0)
            return fail(
                f, AD_BAD_FILE,
                "\"%s\": axis %zu (from 0) of its shape is not a whole number of at least 0",
                t->name, i);
        t->shape[i] = (size_t)json_integer_value(axis);
        if (t->shape[i] != 0 && t->count > SIZE_MAX / sizeof(double) / t->shape[i])
            return fail(f, AD_BAD_FILE, "\"%s\": its shape has too many numbers to count", t->name);
        t->count *= t->shape[i];
    }
    return true;
}

static bool read_offsets(nn__safetensors *f, nn__tensor *t, const json_t *value) {
    const json_t *begin = json_array_get(value, 0), *end = json_array_get(value, 1);
    if (json_array_size(value) != 2 || !json_is_integer(begin) || !json_is_integer(end) ||
        json_integer_value(begin) < 0 || json_integer_value(end) < json_integer_value(begin))
        return fail(
            f, AD_BAD_FILE,
            "\"%s\": \"data_offsets\" are not two whole numbers of at least 0, the lower first",
            t->name);
    t->begin = (uint64_t)json_integer_value(begin), t->end = (uint64_t)json_integer_value(end);
    if (t->end > f->size - f->start)
        return fail(
            f, AD_BAD_FILE,
            "byte %llu: the file ends before \"%s\", which ends %llu bytes after the header",
            (unsigned long long)f->size, t->name, (unsigned long long)t->end);
    if (t->end - t->begin != t->count * t->bytes)
        return fail(f, AD_BAD_FILE,
                    "\"%s\": %llu bytes between its offsets, but its shape asks for %llu", t->name,
                    (unsigned long long)(t->end - t->begin),
                    (unsigned long long)(t->count * t->bytes));
    return true;
}

static bool read_notes(nn__safetensors *f, json_t *notes) {
    const char *key;
    json_t     *text;
    if (!json_is_object(notes)) return fail(f, AD_BAD_FILE, "\"__metadata__\" is not an object");
    json_object_foreach (notes, key, text)
        if (!json_is_string(text))
            return fail(f, AD_BAD_FILE, "\"__metadata__\": \"%s\" is not a string", key);
    return true;
}

static int by_offset(const void *a, const void *b) {
    const nn__tensor *x = a, *y = b;
    if (x->begin != y->begin) return x->begin < y->begin ? -1 : 1;
    return x->end < y->end ? -1 : x->end > y->end;
}

/* In the order of their offsets each tensor begins where the previous one ends, and the last ends
 * at the end of the file. */
static bool check_layout(nn__safetensors *f) {
    uint64_t at = 0;
    qsort(f->tensor, f->count, sizeof *f->tensor, by_offset);
    for (size_t i = 0; i < f->count; i++) {
        const nn__tensor *t = &f->tensor[i];
        if (t->begin != at)
            return fail(f, AD_BAD_FILE, "byte %llu: \"%s\" %s",
                        (unsigned long long)(f->start + t->begin), t->name,
                        t->begin < at ? "overlaps the array before it" : "begins after a gap");
        at = t->end;
    }
    if (at != f->size - f->start)
        return fail(f, AD_BAD_FILE, "byte %llu: %llu bytes that belong to no array",
                    (unsigned long long)(f->start + at),
                    (unsigned long long)(f->size - f->start - at));
    return true;
}

static bool read_tensors(nn__safetensors *f) {
    const char *name;
    json_t     *entry;
    f->tensor = calloc(json_object_size(f->root) + 1, sizeof *f->tensor);
    if (f->tensor == NULL) return fail(f, AD_NO_MEMORY, "out of memory");
    json_object_foreach (f->root, name, entry) {
        if (strcmp(name, "__metadata__") == 0) {
            if (!read_notes(f, entry)) return false;
            continue;
        }
        nn__tensor *t = &f->tensor[f->count++];
        t->name = name;
        if (!json_is_object(entry)) return fail(f, AD_BAD_FILE, "\"%s\" is not an object", name);
        if (!read_type(f, t, json_object_get(entry, "dtype")) ||
            !read_shape(f, t, json_object_get(entry, "shape")) ||
            !read_offsets(f, t, json_object_get(entry, "data_offsets")))
            return false;
    }
    return check_layout(f);
}

static bool open_file(nn__safetensors *f) {
    struct stat about;
    char        why[NN__MESSAGE];
    ad_status   status;
    if ((f->file = nn__open_file(f->path, NN__WHOLE, &status, why)) == NULL)
        return fail(f, status, "%s", why);
    if (fstat(fileno(f->file), &about) != 0)
        return fail(f, AD_BAD_FILE, "the file cannot be opened: %s", strerror(errno));
    f->size = (uint64_t)about.st_size;
    return read_length(f) && read_header(f) && read_tensors(f);
}

nn__safetensors *nn__safetensors_open(const char *path, ad_status *status,
                                      char message[NN__MESSAGE]) {
    nn__safetensors *f = calloc(1, sizeof *f);
    if (f == NULL) {
        *status = nn__say(AD_NO_MEMORY, message, "%s: out of memory", path);
        return NULL;
    }
    f->path = path, f->message = message, f->status = AD_OK;
    const bool good = open_file(f);
    *status = f->status;
    if (good) return f;
    nn__safetensors_close(f);
    return NULL;
}

void nn__safetensors_close(nn__safetensors *f) {
    if (f == NULL) return;
    for (size_t i = 0; i < f->count; i++) free(f->tensor[i].shape);
    free(f->tensor);
    json_decref(f->root);
    if (f->file != NULL) fclose(f->file);
    free(f);
}

size_t nn__safetensors_count(const nn__safetensors *f) {
    return f->count;
}

const nn__tensor *nn__safetensors_tensor(const nn__safetensors *f, size_t i) {
    return &f->tensor[i];
}

const nn__tensor *nn__safetensors_find(const nn__safetensors *f, const char *name) {
    for (size_t i = 0; i < f->count; i++)
        if (strcmp(f->tensor[i].name, name) == 0) return &f->tensor[i];
    return NULL;
}

const char *nn__safetensors_note(const nn__safetensors *f, const char *key) {
    return json_string_value(json_object_get(json_object_get(f->root, "__metadata__"), key));
}

ad_status nn__safetensors_read(nn__safetensors *f, const nn__tensor *t, double value[],
                               char message[NN__MESSAGE]) {
    unsigned char block[BLOCK];
    f->message = message, f->status = AD_OK;
    if (fseeko(f->file, (off_t)(f->start + t->begin), SEEK_SET) != 0)
        fail(f, AD_BAD_FILE, "the file cannot be read: %s", strerror(errno));
    for (size_t done = 0; done < t->count && f->status == AD_OK;) {
        const size_t left = t->count - done, most = BLOCK / t->bytes, n = left < most ? left : most;
        if (!read_bytes(f, n * t->bytes, block)) break;
        for (size_t i = 0; i < n; i++) {
            const uint64_t bits = nn__little(block + i * t->bytes, t->bytes);
            value[done + i] = t->bytes == 8 ? nn__double(bits) : nn__float(bits);
        }
        done += n;
    }
    return f->status;
}

#else

static ad_status unsupported(const char *path, char message[NN__MESSAGE]) {
    return nn__say(AD_UNSUPPORTED, message,
                   "%s: safetensors files need jansson, and this build is without it", path);
}

ad_status nn__safetensors_save(const char *path, bool single, size_t items, const nn__item item[],
                               size_t notes, const nn__note note[], char message[NN__MESSAGE]) {
    (void)single, (void)items, (void)item, (void)notes, (void)note;
    return unsupported(path, message);
}

ad_status nn__safetensors_check(const char *path, size_t items, const nn__item item[], size_t notes,
                                const nn__note note[], char message[NN__MESSAGE]) {
    (void)items, (void)item, (void)notes, (void)note;
    return unsupported(path, message);
}

nn__safetensors *nn__safetensors_open(const char *path, ad_status *status,
                                      char message[NN__MESSAGE]) {
    *status = unsupported(path, message);
    return NULL;
}

/* No file is ever open, so file is always NULL in these. */
void nn__safetensors_close(nn__safetensors *f) {
    (void)f;
}

size_t nn__safetensors_count(const nn__safetensors *f) {
    (void)f;
    return 0;
}

const nn__tensor *nn__safetensors_tensor(const nn__safetensors *f, size_t i) {
    (void)f, (void)i;
    return NULL;
}

const nn__tensor *nn__safetensors_find(const nn__safetensors *f, const char *name) {
    (void)f, (void)name;
    return NULL;
}

const char *nn__safetensors_note(const nn__safetensors *f, const char *key) {
    (void)f, (void)key;
    return NULL;
}

ad_status nn__safetensors_read(nn__safetensors *f, const nn__tensor *tensor, double value[],
                               char message[NN__MESSAGE]) {
    (void)f, (void)tensor, (void)value;
    return nn__say(AD_UNSUPPORTED, message, "this build is without jansson");
}
#endif
