/* checkpoint.c - a training run in one safetensors file: parameters and buffers, optimizer state,
 * and the position of the run.
 *
 * Numbers are F64, so that every bit is restored; 64-bit integers do not fit into those and are
 * stored in __metadata__ as text. As with a model, everything is read and checked before anything
 * changes. */
#include "save.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { NAME = 96, LONGEST_NAME = 80, DIGITS = 21 }; /* DIGITS: 2^64 - 1 and a space */

/* An array that is not a parameter, under its name in the file. */
typedef struct array {
    char    name[NAME];
    size_t  shape[1];
    double *value;
} array;

/* Integers, under their name in the metadata. */
typedef struct line {
    char      name[NAME];
    size_t    count;
    uint64_t *value;
} line;

typedef struct checkpoint {
    const char   *path;
    nn_model     *model;
    nn_optimizer *optimizer;
    size_t        arrays, reals; /* reals: numbers in all arrays */
    array        *array;
    size_t        lines, wholes; /* wholes: numbers in all lines */
    line         *line;
} checkpoint;

static bool good(const checkpoint *c) {
    return nn_model_status(c->model) == AD_OK;
}

static bool out_of_memory(checkpoint *c) {
    nn__model_fail(c->model, AD_NO_MEMORY, "%s: out of memory", c->path);
    return false;
}

static void add_array(checkpoint *c, const char *beginning, const char *name, size_t count,
                      double *value) {
    array *a = &c->array[c->arrays++];
    snprintf(a->name, NAME, "%s%s", beginning, name);
    a->shape[0] = count, a->value = value;
    c->reals += count;
}

static bool add_entry(checkpoint *c, nn_entry e) {
    if (!nn__model_reserved(c->model, c->path, "nn_entry", e.reserved, &e + 1)) return false;
    if (e.name == NULL || strlen(e.name) > LONGEST_NAME || (e.real == NULL) == (e.whole == NULL)) {
        nn__model_fail(c->model, AD_BAD_ARGUMENT,
                       "%s: an entry of a checkpoint needs a name of up to %d characters, and "
                       "either real or whole numbers",
                       c->path, LONGEST_NAME);
        return false;
    }
    if (e.real != NULL) {
        add_array(c, NN__TRAINING, e.name, e.count, e.real);
        return true;
    }
    line *l = &c->line[c->lines++];
    snprintf(l->name, NAME, NN__TRAINING "%s", e.name);
    l->count = e.count, l->value = e.whole;
    c->wholes += e.count;
    return true;
}

/* Lists what is kept besides the parameters; the optimizer allocates its state if it has not
 * yet. */
static bool list(checkpoint *c, size_t n, const nn_entry entry[]) {
    const ad_status status = nn_optimizer_prepare(c->optimizer, nn_model_count(c->model));
    if (status != AD_OK) {
        nn__model_fail(c->model, status, "%s", nn_optimizer_message(c->optimizer));
        return false;
    }
    const size_t states = nn_optimizer_state_count(c->optimizer);
    c->array = calloc(states + n + 1, sizeof *c->array);
    c->line = calloc(n + 1, sizeof *c->line);
    if (c->array == NULL || c->line == NULL) return out_of_memory(c);
    for (size_t i = 0; i < states; i++) {
        const nn_state s = nn_optimizer_state(c->optimizer, i);
        add_array(c, NN__OPTIMIZER, s.name, s.count, s.value);
    }
    for (size_t i = 0; i < n; i++)
        if (!add_entry(c, entry[i])) return false;
    return true;
}

/* False after an error, which is on the model. */
static bool begin(checkpoint *c, size_t n, const nn_entry entry[]) {
    if (!good(c)) return false;
    if (c->path == NULL)
        nn__model_fail(c->model, AD_BAD_ARGUMENT, "a checkpoint needs a file name");
    else if (nn_optimizer_status(c->optimizer) != AD_OK)
        nn__model_fail(c->model, nn_optimizer_status(c->optimizer), "%s",
                       nn_optimizer_message(c->optimizer));
    return good(c) && list(c, n, entry);
}

static ad_status end(checkpoint *c) {
    free(c->array);
    free(c->line);
    return nn_model_status(c->model);
}

/* ---- saving ---------------------------------------------------------------------------------- */

/* The metadata: the format, the optimizer, the integers. `text` receives their digits. */
static void make_notes(const checkpoint *c, nn__note note[], char *text) {
    note[0] = (nn__note){"format", NN__CHECKPOINT};
    note[1] = (nn__note){"optimizer", nn_optimizer_name(c->optimizer)};
    for (size_t i = 0; i < c->lines; i++) {
        const line *l = &c->line[i];
        note[i + 2] = (nn__note){l->name, text};
        *text = '\0';
        for (size_t k = 0; k < l->count; k++)
            text += sprintf(text, k == 0 ? "%llu" : " %llu", (unsigned long long)l->value[k]);
        text++;
    }
}

static void make_items(const checkpoint *c, nn__item item[]) {
    nn__model_items(c->model, item);
    item += nn__model_item_count(c->model);
    for (size_t i = 0; i < c->arrays; i++) {
        const array *a = &c->array[i];
        item[i] = (nn__item){a->name, a->shape[0] != 1, a->shape, a->shape[0], NULL, a->value};
    }
}

/* only_look: nothing is written; the status is that of a save. */
static void save(checkpoint *c, bool only_look) {
    const size_t items = nn__model_item_count(c->model) + c->arrays, notes = c->lines + 2;
    char         message[NN__MESSAGE];
    nn__item    *item = calloc(items + 1, sizeof *item);
    nn__note    *note = calloc(notes, sizeof *note);
    char        *text = calloc(c->wholes + c->lines + 1, DIGITS);
    if (item == NULL || note == NULL || text == NULL) out_of_memory(c);
    else {
        make_items(c, item);
        make_notes(c, note, text);
        const ad_status status =
            only_look ? nn__safetensors_check(c->path, items, item, notes, note, message)
                      : nn__safetensors_save(c->path, false, items, item, notes, note, message);
        if (status != AD_OK) nn__model_fail(c->model, status, "%s", message);
    }
    free(item);
    free(note);
    free(text);
}

ad_status nn_checkpoint_save(const char *path, nn_model *model, nn_optimizer *optimizer, size_t n,
                             const nn_entry entry[]) {
    checkpoint c = {.path = path, .model = model, .optimizer = optimizer};
    if (begin(&c, n, entry)) save(&c, false);
    return end(&c);
}

ad_status nn__checkpoint_check(const char *path, nn_model *model, nn_optimizer *optimizer, size_t n,
                               const nn_entry entry[]) {
    checkpoint c = {.path = path, .model = model, .optimizer = optimizer};
    if (begin(&c, n, entry)) save(&c, true);
    return end(&c);
}

/* ---- loading --------------------------------------------------------------------------------- */

static bool check_kind(checkpoint *c, const nn__safetensors *file) {
    const char *optimizer = nn__safetensors_note(file, "optimizer"),
               *ours = nn_optimizer_name(c->optimizer);
    if (!nn__is_checkpoint(file))
        nn__model_fail(c->model, AD_BAD_FILE,
                       "%s: not a checkpoint: \"__metadata__\" has no \"format\" \"%s\"", c->path,
                       NN__CHECKPOINT);
    else if (optimizer == NULL || strcmp(optimizer, ours) != 0)
        nn__model_fail(c->model, AD_BAD_FILE,
                       "%s: the checkpoint of an optimizer \"%s\", not of \"%s\"", c->path,
                       optimizer != NULL ? optimizer : "", ours);
    return good(c);
}

static bool has(const checkpoint *c, const char *name) {
    for (size_t i = 0; i < c->arrays; i++)
        if (strcmp(c->array[i].name, name) == 0) return true;
    for (size_t i = 0; i < nn_model_arrays(c->model); i++)
        if (strcmp(nn_model_array(c->model, i).name, name) == 0) return true;
    if (nn_buffer_value(c->model, name) != NULL) return true;
    return false;
}

static bool read_array(checkpoint *c, nn__safetensors *file, const array *a, double value[]) {
    char              message[NN__MESSAGE];
    const size_t      count = a->shape[0];
    const nn__tensor *t = nn__safetensors_find(file, a->name);
    ad_status         status = AD_BAD_FILE;
    if (t == NULL)
        nn__say(status, message, "%s: no array \"%s\" of %zu numbers", c->path, a->name, count);
    else if (t->count != count || t->rank != (count != 1))
        nn__say(status, message, "%s: \"%s\" is not an array of %zu numbers", c->path, a->name,
                count);
    else status = nn__safetensors_read(file, t, value, message);
    if (status != AD_OK) nn__model_fail(c->model, status, "%s", message);
    return status == AD_OK;
}

static bool read_arrays(checkpoint *c, nn__safetensors *file, double value[]) {
    for (size_t i = 0; i < nn__safetensors_count(file); i++) {
        const char *name = nn__safetensors_tensor(file, i)->name;
        if (has(c, name)) continue;
        nn__model_fail(c->model, AD_BAD_FILE, "%s: it has an array \"%s\", which this run lacks",
                       c->path, name);
        return false;
    }
    for (size_t i = 0; i < c->arrays; i++) {
        if (!read_array(c, file, &c->array[i], value)) return false;
        value += c->array[i].shape[0];
    }
    return true;
}

/* Decimal numbers of at most 64 bits with single spaces between them, and nothing else. */
static bool read_wholes(const char *text, size_t count, uint64_t value[]) {
    for (size_t k = 0; k < count; k++) {
        char *end;
        if (k > 0 && *text++ != ' ') return false;
        if (*text < '0' || *text > '9') return false;
        errno = 0;
        value[k] = strtoull(text, &end, 10);
        if (errno != 0) return false;
        text = end;
    }
    return *text == '\0';
}

static bool read_lines(checkpoint *c, const nn__safetensors *file, uint64_t value[]) {
    for (size_t i = 0; i < c->lines; i++) {
        const line *l = &c->line[i];
        const char *text = nn__safetensors_note(file, l->name);
        if (text == NULL || !read_wholes(text, l->count, value)) {
            nn__model_fail(c->model, AD_BAD_FILE,
                           "%s: \"__metadata__\": \"%s\" is not there, or not %zu whole numbers",
                           c->path, l->name, l->count);
            return false;
        }
        value += l->count;
    }
    return true;
}

/* Everything has been checked: nothing can fail from here on. */
static void commit(const checkpoint *c, const double param[], const double real[],
                   const uint64_t whole[]) {
    nn__model_set_numbers(c->model, param);
    for (size_t i = 0; i < c->arrays; real += c->array[i++].shape[0])
        memcpy(c->array[i].value, real, c->array[i].shape[0] * sizeof *real);
    for (size_t i = 0; i < c->lines; whole += c->line[i++].count)
        memcpy(c->line[i].value, whole, c->line[i].count * sizeof *whole);
}

static void load(checkpoint *c, nn__safetensors *file) {
    double   *param = calloc(nn__model_numbers(c->model) + 1, sizeof *param);
    double   *real = calloc(c->reals + 1, sizeof *real);
    uint64_t *whole = calloc(c->wholes + 1, sizeof *whole);
    if (param == NULL || real == NULL || whole == NULL) out_of_memory(c);
    else if (check_kind(c, file) && nn__model_read(c->model, file, c->path, param) &&
             read_arrays(c, file, real) && read_lines(c, file, whole))
        commit(c, param, real, whole);
    free(param);
    free(real);
    free(whole);
}

ad_status nn_checkpoint_load(const char *path, nn_model *model, nn_optimizer *optimizer, size_t n,
                             const nn_entry entry[]) {
    checkpoint c = {.path = path, .model = model, .optimizer = optimizer};
    if (begin(&c, n, entry)) {
        char             message[NN__MESSAGE];
        ad_status        status;
        nn__safetensors *file = nn__safetensors_open(path, &status, message);
        if (file == NULL) nn__model_fail(model, status, "%s", message);
        else load(&c, file);
        nn__safetensors_close(file);
    }
    return end(&c);
}
