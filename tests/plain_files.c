/* plain_files.c - files of every kind, good ones and each of them broken at every place, in a plain
 * program, so that a leak sanitizer or valgrind sees all of it. */
#include "files.h"
#include "nn/nn.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ROOM = 65536 };

static int failures;

static void expect(bool good, const char *what, const char *message) {
    if (good) return;
    printf("FAILED: %s: %s\n", what, message);
    failures++;
}

typedef nn_data *loader(const char *path);

static nn_data *csv(const char *path) {
    return nn_data_csv(path, NULL);
}
static nn_data *npy(const char *path) {
    return nn_data_npy(path, 1);
}
static nn_data *idx(const char *path) {
    return nn_data_idx(path, 1);
}

/* Cut at every length, and with every byte another one: a table or a sentence. */
static void break_table(const char *what, loader *load, size_t size, const char bytes[]) {
    static char changed[ROOM];
    const char *path = file_path("broken");
    for (size_t i = 0; i <= 2 * size; i++) {
        memcpy(changed, bytes, size);
        if (i > size) changed[i - size - 1] ^= (char)(1 << i % 7);
        file_write(path, i > size ? size : i, changed);
        nn_data        *data = load(path);
        const ad_status status = nn_data_status(data);
        expect(status == AD_OK ? nn_data_rows(data) > 0 : strlen(nn_data_message(data)) > 10, what,
               nn_data_message(data));
        nn_data_free(data);
    }
}

static void tables(void) {
    static const char text[] = "1,2,3\n4,\"5\",6\n";
    static const char images[] = {0, 0, 8, 2, 0, 0, 0, 2, 0, 0, 0, 3, 1, 2, 3, 4, 5, 6};
    static char       bytes[ROOM];
    break_table("csv", csv, sizeof text - 1, text);
    break_table("idx", idx, sizeof images, images);
    nn_npy_save(file_path("a.npy"), 2, (const size_t[]){2, 2}, (const double[]){1, 2, 3, 4}, 0,
                NULL);
    break_table("npy", npy, file_read(file_path("a.npy"), ROOM, bytes), bytes);
    nn_data *x = nn_data_moons(10, 0.1, 1), *y = nn_data_split(x, 0.3, 1), *z = nn_data_join(x, y);
    nn_data_one_hot(x, 0, 0);
    nn_data_one_hot(y, 0, 1);
    nn_data_free(x);
    nn_data_free(y);
    nn_data_free(z);
}

static nn_model *model_new(ad_tape **tape) {
    *tape = ad_tape_new();
    nn_model *model = nn_model_new(*tape, 1);
    nn_param(model, "weight", 2, (const size_t[]){2, 3}, nn_init_uniform(-1, 1));
    nn_param(model, "bias", 0, NULL, nn_init_uniform(-1, 1));
    return model;
}

static void checkpoints(void) {
    static char    bytes[ROOM];
    ad_tape       *tape;
    double         x[2] = {1, 2};
    uint64_t       k = 3;
    nn_model      *model = model_new(&tape);
    nn_optimizer  *adam = nn_adam(0.1);
    const nn_entry entry[] = {{"x", 2, x, NULL}, {"k", 1, NULL, &k}};
    const char    *path = file_path("a"), *broken = file_path("broken");
    ad_status      status = nn_checkpoint_save(path, model, adam, 2, entry);
    const bool     can = status != AD_UNSUPPORTED; /* with jansson */
    if (can) expect(status == AD_OK, "a checkpoint", nn_model_message(model));
    const size_t size = file_read(path, ROOM, bytes);
    for (size_t i = 0; i <= 2 * size; i++) {
        if (i > size) bytes[i - size - 1] ^= (char)(1 << i % 7);
        file_write(broken, i > size ? size : i, bytes);
        if (i > size) bytes[i - size - 1] ^= (char)(1 << i % 7);
        nn_model_clear(model);
        status = nn_checkpoint_load(broken, model, adam, 2, entry);
        expect(can ? status == AD_OK || status == AD_BAD_FILE : status == AD_UNSUPPORTED,
               "a broken checkpoint", nn_model_message(model));
        nn_model_clear(model);
        status = nn_model_load(model, broken);
        expect(can ? status == AD_OK || status == AD_BAD_FILE : status == AD_UNSUPPORTED,
               "a broken file of a model", nn_model_message(model));
    }
    nn_model_clear(model);
    nn_param(model, "bad \xff name", 0, NULL, nn_init_uniform(0, 0));
    nn_model_save(model, path);
    nn_optimizer_free(adam);
    nn_model_free(model);
    ad_tape_free(tape);
}

int main(void) {
    tables();
    checkpoints();
    files_remove();
    return failures != 0;
}
