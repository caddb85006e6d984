/* load.c - any bytes as a file of the kind that FUZZ_KIND names: a table, parameters, or a sentence; and an
 * object that can be used afterwards. The file is one in memory, which /proc names. */
#include "fuzz.h"

#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { CSV, NPY, IDX, GZIP, SAFETENSORS, CHECKPOINT };

static char path[64];

static void write_all(int file, const void *bytes, size_t size) {
    const char *at = bytes;
    while (size > 0) {
        const ssize_t written = write(file, at, size);
        if (written <= 0) abort();
        at += written, size -= (size_t)written;
    }
}

static void file_of(const uint8_t *bytes, size_t size) {
    static int file = -1;
    if (file < 0) {
        file = memfd_create("fuzz", 0);
        snprintf(path, sizeof path, "/proc/self/fd/%d", file);
    }
    if (file < 0 || ftruncate(file, 0) != 0 || lseek(file, 0, SEEK_SET) != 0) abort();
    if (FUZZ_KIND == GZIP) write_all(file, "\x1f\x8b\x08", 3);
    write_all(file, bytes, size);
}

static void table(nn_data *data) {
    double       sum = 0;
    const size_t columns = nn_data_inputs(data) + nn_data_targets(data);
    for (size_t i = 0; i < nn_data_rows(data); i++)
        for (size_t k = 0; k < columns; k++) sum += nn_data_row(data, i)[k];
    if (nn_data_status(data) == AD_OK) HOLDS(nn_data_rows(data) > 0 && columns > 0, "an empty table");
    else HOLDS(strlen(nn_data_message(data)) > 10 && nn_data_rows(data) == 0, "no sentence");
    HOLDS(sum - sum == 0 || sum > 1e300 || sum < -1e300, "a number that is not finite");
    nn_data_free(data);
}

static void parameters(void) {
    ad_tape      *tape = ad_tape_new();
    nn_model     *model = nn_model_new(tape, 1);
    double        x[2] = {1, 2}, before[7], after[7];
    uint64_t      k = 3;
    nn_optimizer *adam = nn_adam(0.1);
    const nn_entry entry[] = {{"x", 2, x, NULL}, {"k", 1, NULL, &k}};
    nn_param(model, "weight", 2, (const size_t[]){2, 3}, nn_init_uniform(-1, 1));
    nn_param(model, "bias", 0, NULL, nn_init_uniform(-1, 1));
    nn_model_values(model, before);
    const ad_status status = FUZZ_KIND == CHECKPOINT ? nn_checkpoint_load(path, model, adam, 2, entry)
                                                     : nn_model_load(model, path);
    if (status != AD_OK) {
        HOLDS(strlen(nn_model_message(model)) > 10, "no sentence");
        nn_model_clear(model);
        nn_model_values(model, after);
        HOLDS(memcmp(before, after, sizeof before) == 0 && x[0] == 1 && x[1] == 2 && k == 3, "half loaded");
    }
    HOLDS(ad_value(ad_sum(7, nn_model_params(model))) != 1e9, "the model is of no use any more");
    nn_optimizer_free(adam);
    nn_model_free(model);
    ad_tape_free(tape);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
    file_of(bytes, size);
    switch (FUZZ_KIND) {
    case CSV: table(nn_data_csv(path, NULL)); break;
    case NPY: table(nn_data_npy(path, 1)); break;
    case IDX:
    case GZIP: table(nn_data_idx(path, 1)); break;
    default: parameters();
    }
    return 0;
}
