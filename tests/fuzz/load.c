/* load.c - any bytes as a file of the kind that FUZZ_KIND names: a table, parameters, or a
 * sentence; and an object that can be used afterwards. The file is one in memory, which /proc
 * names. */
#include "fuzz.h"

#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <zlib.h>

enum { CSV, NPY, IDX, GZIP, SAFETENSORS, CHECKPOINT };

static char path[64];

/* The file keeps its memory from one input to the next: truncating it first costs as much as the
 * loader. */
static void file_of(const void *bytes, size_t size) {
    static int file = -1;
    if (file < 0) {
        file = memfd_create("fuzz", 0);
        snprintf(path, sizeof path, "/proc/self/fd/%d", file);
    }
    if (file < 0 || pwrite(file, bytes, size, 0) != (ssize_t)size ||
        ftruncate(file, (off_t)size) != 0)
        abort();
}

/* No chance finds the checksum of a gzip file, so every other input is packed here and is what lies
 * within; the rest come as they are, behind the bytes by which such a file is known. */
static void gzip_of(const uint8_t *bytes, size_t size) {
    static uint8_t  packed[1 << 16];
    static z_stream stream;
    if (size > sizeof packed / 2) return;
    if (size % 2 == 0) {
        memcpy(packed, "\x1f\x8b\x08", 3);
        memcpy(packed + 3, bytes, size);
        file_of(packed, size + 3);
        return;
    }
    if (stream.state == NULL &&
        deflateInit2(&stream, 1, Z_DEFLATED, 15 + 16, 9, Z_DEFAULT_STRATEGY) != Z_OK)
        abort();
    stream.next_in = (z_const Bytef *)bytes, stream.avail_in = (uInt)size;
    stream.next_out = packed, stream.avail_out = sizeof packed;
    if (deflate(&stream, Z_FINISH) != Z_STREAM_END) abort();
    file_of(packed, sizeof packed - stream.avail_out);
    deflateReset(&stream);
}

static void table(nn_data *data) {
    double       sum = 0;
    const size_t columns = nn_data_inputs(data) + nn_data_targets(data);
    for (size_t i = 0; i < nn_data_rows(data); i++)
        for (size_t k = 0; k < columns; k++) sum += nn_data_row(data, i)[k];
    if (nn_data_status(data) == AD_OK)
        HOLDS(nn_data_rows(data) > 0 && columns > 0, "an empty table");
    else HOLDS(strlen(nn_data_message(data)) > 10 && nn_data_rows(data) == 0, "no sentence");
    HOLDS(sum - sum == 0 || sum > 1e300 || sum < -1e300, "a number that is not finite");
    nn_data_free(data);
}

/* Kept from one file to the next while files are refused, for a refusal must leave everything as it
 * was. */
static ad_tape  *tape;
static nn_model *model;

static void model_again(void) {
    nn_model_free(model);
    ad_tape_free(tape);
    tape = ad_tape_new();
    model = nn_model_new(tape, 1);
    nn_param(model, "weight", 2, (const size_t[]){2, 3}, nn_init_uniform(-1, 1));
    nn_param(model, "bias", 0, NULL, nn_init_uniform(-1, 1));
}

static void parameters(void) {
    if (model == NULL) model_again();
    double         x[2] = {1, 2}, before[7], after[7];
    uint64_t       k = 3;
    nn_optimizer  *adam = nn_adam(0.1);
    const nn_entry entry[] = {{"x", 2, x, NULL}, {"k", 1, NULL, &k}};
    const ad_mark  mark = ad_tape_mark(tape);
    nn_model_values(model, before);
    const ad_status status = FUZZ_KIND == CHECKPOINT
                               ? nn_checkpoint_load(path, model, adam, 2, entry)
                               : nn_model_load(model, path);
    if (status != AD_OK) {
        HOLDS(strlen(nn_model_message(model)) > 10, "no sentence");
        nn_model_clear(model);
        nn_model_values(model, after);
        HOLDS(memcmp(before, after, sizeof before) == 0 && x[0] == 1 && x[1] == 2 && k == 3,
              "half loaded");
    }
    HOLDS(ad_value(ad_sum(7, nn_model_params(model))) != 1e9, "the model is of no use any more");
    ad_tape_rewind(tape, mark);
    nn_optimizer_free(adam);
    if (status == AD_OK) model_again();
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
    if (FUZZ_KIND == GZIP) gzip_of(bytes, size);
    else file_of(bytes, size);
    switch (FUZZ_KIND) {
    case CSV: table(nn_data_csv(path, NULL)); break;
    case NPY: table(nn_data_npy(path, 1)); break;
    case IDX:
    case GZIP: table(nn_data_idx(path, 1)); break;
    default: parameters();
    }
    return 0;
}
