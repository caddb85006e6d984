/* safetensors.h - reads and writes safetensors files: named arrays of numbers.
 *
 * The layout (github.com/huggingface/safetensors, "Format"): the length of the header in eight
 * bytes, little-endian; the header, a JSON object
 *     {"__metadata__": {"key": "text", ...},
 *      "name": {"dtype": "F64", "shape": [2, 3], "data_offsets": [0, 48]}, ...}
 * that begins with { and may end in spaces; then the numbers. Offsets count from the end of the
 * header; the arrays fill what follows it without gap or overlap. F64 and F32 are written and
 * read. */
#ifndef TAPIR_NN_SAFETENSORS_H
#define TAPIR_NN_SAFETENSORS_H

#include "nn.h"
#include "text.h"

/* ---- writing --------------------------------------------------------------------------------- */

typedef struct nn__item {
    const char   *name;
    size_t        rank;
    const size_t *shape;
    size_t        count; /* numbers: in param, or if that is NULL in value */
    const ad_var *param;
    const double *value;
} nn__item;

typedef struct nn__note { /* an entry of __metadata__ */
    const char *key, *text;
} nn__note;

/* Replaces the file (replace.h). single: F32, rounded to nearest. AD_BAD_ARGUMENT for a finite
 * number too large for F32, duplicate names, and names and notes that are not UTF-8. */
ad_status nn__safetensors_save(const char *path, bool single, size_t items, const nn__item item[],
                               size_t notes, const nn__note note[], char message[NN__MESSAGE]);

/* Checks, as far as possible in advance, whether nn__safetensors_save would succeed with F64; the
 * numbers may still change. */
ad_status nn__safetensors_check(const char *path, size_t items, const nn__item item[], size_t notes,
                                const nn__note note[], char message[NN__MESSAGE]);

/* ---- reading --------------------------------------------------------------------------------- */

typedef struct nn__tensor {
    const char *name;
    size_t      rank, *shape, count;
    size_t      bytes;      /* of a number: 8 or 4 */
    uint64_t    begin, end; /* byte offsets after the header */
} nn__tensor;

typedef struct nn__safetensors nn__safetensors;

/* Checks the whole header, also against the length of the file, before any numbers are read. NULL
 * on failure, with the status and a sentence. path must outlive the result. */
nn__safetensors  *nn__safetensors_open(const char *path, ad_status *status,
                                       char message[NN__MESSAGE]);
void              nn__safetensors_close(nn__safetensors *file); /* NULL is allowed */
size_t            nn__safetensors_count(const nn__safetensors *file);
const nn__tensor *nn__safetensors_tensor(const nn__safetensors *file, size_t i);
/* NULL: none */
const nn__tensor *nn__safetensors_find(const nn__safetensors *file, const char *name);
/* NULL: none */
const char       *nn__safetensors_note(const nn__safetensors *file, const char *key);
ad_status nn__safetensors_read(nn__safetensors *file, const nn__tensor *tensor, double value[],
                               char message[NN__MESSAGE]);

#endif
