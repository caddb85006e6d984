/* save.c - the parameters and buffers of a model, to a safetensors file and back.
 *
 * Loading is all or nothing: the model changes only after every array has been found, checked and
 * read. */
#include "save.h"

#include <stdlib.h>
#include <string.h>

/* ---- saving ---------------------------------------------------------------------------------- */

size_t nn__model_item_count(const nn_model *model) {
    return nn_model_arrays(model) + nn__model_buffers(model);
}

static nn__item item_of(const nn_model *model, size_t i) {
    if (i >= nn_model_arrays(model)) {
        const nn__buffer b = nn__model_buffer(model, i - nn_model_arrays(model));
        return (nn__item){b.name, b.rank, b.shape, b.count, NULL, b.value};
    }
    const nn_array a = nn_model_array(model, i);
    return (nn__item){a.name, a.rank, a.shape, a.count, a.param, NULL};
}

void nn__model_items(const nn_model *model, nn__item item[]) {
    for (size_t i = 0; i < nn__model_item_count(model); i++) item[i] = item_of(model, i);
}

static ad_status save(nn_model *model, const char *path, bool single) {
    if (nn_model_status(model) != AD_OK) return nn_model_status(model);
    const size_t n = nn__model_item_count(model);
    char         message[NN__MESSAGE] = "out of memory";
    ad_status    status = AD_NO_MEMORY;
    nn__item    *item = calloc(n + 1, sizeof *item);
    if (path == NULL) status = nn__say(AD_BAD_ARGUMENT, message, "nn_model_save: no file name");
    else if (item != NULL) {
        nn__model_items(model, item);
        status = nn__safetensors_save(path, single, n, item, 0, NULL, message);
    }
    if (status != AD_OK) nn__model_fail(model, status, "%s", message);
    free(item);
    return status;
}

ad_status nn_model_save(nn_model *model, const char *path) {
    return save(model, path, false);
}

ad_status nn_model_save_f32(nn_model *model, const char *path) {
    return save(model, path, true);
}

/* ---- loading --------------------------------------------------------------------------------- */

bool nn__is_checkpoint(const nn__safetensors *file) {
    const char *format = nn__safetensors_note(file, "format");
    return format != NULL && strcmp(format, NN__CHECKPOINT) == 0;
}

static bool begins(const char *text, const char *with) {
    return strncmp(text, with, strlen(with)) == 0;
}

/* "2 x 3", or "one number". */
static const char *shape_text(size_t rank, const size_t shape[], char text[128]) {
    size_t length = (size_t)snprintf(text, 128, rank == 0 ? "one number" : "");
    for (size_t i = 0; i < rank && length < 128; i++)
        length +=
            (size_t)snprintf(text + length, 128 - length, i == 0 ? "%zu" : " x %zu", shape[i]);
    return text;
}

static bool same_shape(const nn__tensor *t, nn__item a) {
    return t->rank == a.rank &&
           (a.rank == 0 || memcmp(t->shape, a.shape, a.rank * sizeof *a.shape) == 0);
}

static bool read_array(nn_model *model, nn__safetensors *file, const char *path, nn__item a,
                       double value[]) {
    char              message[NN__MESSAGE], theirs[128], ours[128];
    const nn__tensor *t = nn__safetensors_find(file, a.name);
    ad_status         status = AD_BAD_FILE;
    if (t == NULL)
        nn__say(status, message, "%s: there is no array \"%s\", which the model has", path, a.name);
    else if (!same_shape(t, a))
        nn__say(status, message, "%s: \"%s\" is %s, but %s in the model", path, a.name,
                shape_text(t->rank, t->shape, theirs), shape_text(a.rank, a.shape, ours));
    else status = nn__safetensors_read(file, t, value, message);
    if (status != AD_OK) nn__model_fail(model, status, "%s", message);
    return status == AD_OK;
}

static bool has(const nn_model *model, const char *name) {
    for (size_t i = 0; i < nn__model_item_count(model); i++)
        if (strcmp(item_of(model, i).name, name) == 0) return true;
    return false;
}

static bool known(const nn_model *model, const nn__safetensors *file, const char *name) {
    return has(model, name) ||
           (nn__is_checkpoint(file) && (begins(name, NN__OPTIMIZER) || begins(name, NN__TRAINING)));
}

bool nn__model_read(nn_model *model, nn__safetensors *file, const char *path, double value[]) {
    for (size_t i = 0; i < nn__safetensors_count(file); i++) {
        const char *name = nn__safetensors_tensor(file, i)->name;
        if (known(model, file, name)) continue;
        nn__model_fail(model, AD_BAD_FILE, "%s: it has an array \"%s\", which the model lacks",
                       path, name);
        return false;
    }
    for (size_t i = 0; i < nn__model_item_count(model); i++) {
        const nn__item a = item_of(model, i);
        if (!read_array(model, file, path, a, value)) return false;
        value += a.count;
    }
    return true;
}

size_t nn__model_numbers(const nn_model *model) {
    size_t n = nn_model_count(model);
    for (size_t i = 0; i < nn__model_buffers(model); i++) n += nn__model_buffer(model, i).count;
    return n;
}

void nn__model_set_numbers(nn_model *model, const double value[]) {
    nn_model_set_values(model, value);
    nn__model_set_buffers(model, value + nn_model_count(model));
}

static void load(nn_model *model, nn__safetensors *file, const char *path) {
    const size_t n = nn__model_numbers(model);
    double      *value = calloc(n + 1, sizeof *value);
    if (value == NULL)
        nn__model_fail(model, AD_NO_MEMORY, "%s: out of memory: no space for %zu numbers", path, n);
    else if (nn__model_read(model, file, path, value)) nn__model_set_numbers(model, value);
    free(value);
}

ad_status nn_model_load(nn_model *model, const char *path) {
    if (nn_model_status(model) != AD_OK) return nn_model_status(model);
    char             message[NN__MESSAGE] = "nn_model_load: no file name";
    ad_status        status = AD_BAD_ARGUMENT;
    nn__safetensors *file = path == NULL ? NULL : nn__safetensors_open(path, &status, message);
    if (file == NULL) nn__model_fail(model, status, "%s", message);
    else load(model, file, path);
    nn__safetensors_close(file);
    return nn_model_status(model);
}
