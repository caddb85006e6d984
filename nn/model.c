/* model.c - named arrays of parameters, and of numbers that are not trained.
 *
 * Invariant: the parameters are inputs first, first + 1, ... first + count - 1 of the tape, in the
 * order of the arrays. That lets ad_dot and ad_gradient read and write them in place. Handles are
 * kept twice: in a list for the whole model, which moves as it grows, and with each array, where
 * they do not move, because callers may keep pointers to them. */
#include "model.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef struct array {
    char   *name;
    size_t  rank, *shape, count;
    ad_var *param;
    bool    frozen;
    double  rate_factor, weight_decay; /* the optimizer's own: 1, NN_SAME */
} array;

typedef struct buffer {
    char   *name;
    size_t  rank, *shape, count;
    double *value; /* stays where it is */
} buffer;

struct nn_model {
    ad_tape  *tape;
    nn_random random;
    size_t    arrays, array_room, count, room, end; /* end: tape length after the last */
    array    *array;
    ad_var   *param;
    size_t    frozen; /* arrays */
    bool      grouped;
    size_t    buffers, buffer_room, buffer_changes;
    buffer   *buffer;
    ad_status status; /* the first error */
    char      message[NN__MESSAGE], note[NN__MESSAGE];
};

/* ---- initial values -------------------------------------------------------------------------- */

static nn_init symmetric(double bound) {
    return (nn_init){.low = -bound, .high = bound};
}

nn_init nn_init_uniform(double low, double high) {
    return (nn_init){.low = low, .high = high};
}

nn_init nn_init_normal(double mean, double deviation) {
    return (nn_init){.low = mean, .high = mean, .deviation = deviation};
}

nn_init nn_init_zeros(size_t fan_in, size_t fan_out) {
    (void)fan_in, (void)fan_out;
    return (nn_init){0};
}

nn_init nn_init_ones(size_t fan_in, size_t fan_out) {
    (void)fan_in, (void)fan_out;
    return (nn_init){.low = 1, .high = 1};
}

nn_init nn_init_linear(size_t fan_in, size_t fan_out) {
    (void)fan_out;
    return symmetric(fan_in == 0 ? 0 : 1 / sqrt((double)fan_in));
}

nn_init nn_init_he(size_t fan_in, size_t fan_out) {
    (void)fan_out;
    return symmetric(fan_in == 0 ? 0 : sqrt(6 / (double)fan_in));
}

nn_init nn_init_xavier(size_t fan_in, size_t fan_out) {
    return symmetric(fan_in + fan_out == 0 ? 0 : sqrt(6 / ((double)fan_in + (double)fan_out)));
}

nn_init nn_init_he_normal(size_t fan_in, size_t fan_out) {
    (void)fan_out;
    return nn_init_normal(0, fan_in == 0 ? 0 : sqrt(2 / (double)fan_in));
}

nn_init nn_init_xavier_normal(size_t fan_in, size_t fan_out) {
    return nn_init_normal(0,
                          fan_in + fan_out == 0 ? 0 : sqrt(2 / ((double)fan_in + (double)fan_out)));
}

nn_init nn_init_micrograd(size_t fan_in, size_t fan_out) {
    (void)fan_in, (void)fan_out;
    return symmetric(1);
}

static double draw(nn_model *model, nn_init init) {
    double x = init.low;
    if (init.low != init.high) x += (init.high - init.low) * nn_random_uniform(&model->random);
    if (init.deviation != 0) x += init.deviation * nn_random_normal(&model->random);
    return x;
}

/* ---- making and errors ----------------------------------------------------------------------- */

nn_model *nn_model_new(ad_tape *tape, uint64_t seed) {
    nn_model *model = calloc(1, sizeof *model);
    if (model == NULL) return NULL;
    model->tape = tape;
    model->random = nn_random_seeded(seed);
    return model;
}

static void free_array(array *a) {
    free(a->name);
    free(a->shape);
    free(a->param);
}

static void free_buffer(buffer *b) {
    free(b->name);
    free(b->shape);
    free(b->value);
}

void nn_model_free(nn_model *model) {
    if (model == NULL) return;
    for (size_t i = 0; i < model->arrays; i++) free_array(&model->array[i]);
    for (size_t i = 0; i < model->buffers; i++) free_buffer(&model->buffer[i]);
    free(model->array);
    free(model->param);
    free(model->buffer);
    free(model);
}

void nn__model_fail(nn_model *model, ad_status status, const char *format, ...) {
    if (model == NULL || model->status != AD_OK) return;
    model->status = status;
    va_list list;
    va_start(list, format);
    nn__sentence(model->message, format, list);
    va_end(list);
}

ad_status nn_model_status(const nn_model *model) {
    if (model == NULL) return AD_NO_MEMORY;
    return model->status != AD_OK ? model->status : ad_tape_status(model->tape);
}

const char *nn_model_message(const nn_model *model) {
    if (model == NULL) return "there is no model: out of memory when it was made";
    return model->status != AD_OK ? model->message : ad_tape_message(model->tape);
}

const char *nn_model_note(const nn_model *model) {
    return model == NULL ? "" : model->note;
}

void nn__model_set_note(nn_model *model, const char *sentence) {
    if (model != NULL) snprintf(model->note, NN__MESSAGE, "%s", sentence);
}

void nn_model_clear(nn_model *model) {
    if (model == NULL) return;
    model->status = AD_OK;
    model->message[0] = '\0';
    ad_tape_clear(model->tape);
}

/* ---- parameters ------------------------------------------------------------------------------ */

/* The number of elements; 0 if there are none or too many to count. */
static size_t elements(size_t rank, const size_t shape[]) {
    size_t count = 1;
    for (size_t i = 0; i < rank; i++) {
        if (shape[i] == 0 || count > SIZE_MAX / sizeof(ad_var) / shape[i]) return 0;
        count *= shape[i];
    }
    return count;
}

static bool taken(const nn_model *model, const char *name) {
    for (size_t i = 0; i < model->arrays; i++)
        if (strcmp(model->array[i].name, name) == 0) return true;
    return false;
}

static bool good_param(nn_model *model, const char *name, size_t count, nn_init init) {
    if (!nn__model_reserved(model, "nn_param", "nn_init", init.reserved, &init + 1)) return false;
    if (name == NULL || *name == '\0')
        nn__model_fail(model, AD_BAD_ARGUMENT, "nn_param: an array of parameters needs a name");
    else if (taken(model, name) || nn_buffer_value(model, name) != NULL)
        nn__model_fail(model, AD_BAD_ARGUMENT, "nn_param: there already is a %s \"%s\"",
                       taken(model, name) ? "parameter" : "buffer", name);
    else if (count == 0)
        nn__model_fail(model, AD_BAD_ARGUMENT,
                       "nn_param: the shape of \"%s\" has no elements, or too many to count", name);
    else if (!isfinite(init.low) || !isfinite(init.high) || !(init.low <= init.high))
        nn__model_fail(model, AD_BAD_ARGUMENT,
                       "nn_param: \"%s\" cannot be filled between %g and %g", name, init.low,
                       init.high);
    else if (!isfinite(init.deviation) || init.deviation < 0)
        nn__model_fail(model, AD_BAD_ARGUMENT,
                       "nn_param: \"%s\" cannot be filled with a deviation of %g", name,
                       init.deviation);
    else if (model->count > 0 && ad_tape_length(model->tape) != model->end)
        nn__model_fail(model, AD_BAD_ARGUMENT,
                       "nn_param: \"%s\" would not follow the other parameters on the tape: the "
                       "tape is %zu nodes long, the parameters end at %zu",
                       name, ad_tape_length(model->tape), model->end);
    return nn_model_status(model) == AD_OK;
}

static bool room_for(nn_model *model, size_t count) {
    if (model->arrays == model->array_room) {
        const size_t room = model->array_room == 0 ? 8 : 2 * model->array_room;
        array       *grown = realloc(model->array, room * sizeof *grown);
        if (grown == NULL) return false;
        model->array = grown;
        model->array_room = room;
    }
    if (count <= model->room - model->count) return true;
    const size_t need = model->count + count, twice = 2 * model->room,
                 room = need > twice ? need : twice;
    ad_var *grown =
        room > SIZE_MAX / sizeof *grown ? NULL : realloc(model->param, room * sizeof *grown);
    if (grown == NULL) return false;
    model->param = grown;
    model->room = room;
    return true;
}

/* An array with space for its handles; its name is NULL when memory is out. */
static array new_array(const char *name, size_t rank, const size_t shape[], size_t count) {
    array a = {
        .name = malloc(strlen(name) + 1),
        .rank = rank,
        .shape = calloc(rank + 1, sizeof *shape),
        .count = count,
        .param = malloc((count + 1) * sizeof(ad_var)),
        .rate_factor = 1,
        .weight_decay = NN_SAME,
    };
    if (a.name == NULL || a.shape == NULL || a.param == NULL) {
        free_array(&a);
        return (array){0};
    }
    strcpy(a.name, name);
    if (rank > 0) memcpy(a.shape, shape, rank * sizeof *shape);
    return a;
}

const ad_var *nn_param(nn_model *model, const char *name, size_t rank, const size_t shape[],
                       nn_init init) {
    if (nn_model_status(model) != AD_OK) return NULL;
    const size_t count = elements(rank, shape);
    if (!good_param(model, name, count, init)) return NULL;
    array a = room_for(model, count) ? new_array(name, rank, shape, count) : (array){0};
    if (a.name == NULL) {
        nn__model_fail(model, AD_NO_MEMORY, "out of memory: no space for the %zu numbers of \"%s\"",
                       count, name);
        return NULL;
    }
    const ad_mark mark = ad_tape_mark(model->tape);
    ad_scope(model->tape, name); /* pictures draw an array as one box */
    for (size_t i = 0; i < count; i++) a.param[i] = ad_input(model->tape, draw(model, init));
    ad_scope_end(model->tape);
    if (ad_tape_status(model->tape) != AD_OK) {
        ad_tape_rewind(model->tape, mark);
        free_array(&a);
        return NULL;
    }
    memcpy(model->param + model->count, a.param, count * sizeof *a.param);
    model->array[model->arrays++] = a;
    model->count += count;
    model->end = ad_tape_length(model->tape);
    return a.param;
}

size_t nn_model_count(const nn_model *model) {
    return model == NULL ? 0 : model->count;
}

const ad_var *nn_model_params(const nn_model *model) {
    return model == NULL ? NULL : model->param;
}

ad_tape *nn_model_tape(const nn_model *model) {
    return model == NULL ? NULL : model->tape;
}

size_t nn_model_arrays(const nn_model *model) {
    return model == NULL ? 0 : model->arrays;
}

nn_array nn_model_array(const nn_model *model, size_t i) {
    if (i >= nn_model_arrays(model)) return (nn_array){0};
    const array *a = &model->array[i];
    return (nn_array){
        .name = a->name, .rank = a->rank, .shape = a->shape, .count = a->count, .param = a->param};
}

void nn_model_values(const nn_model *model, double values[]) {
    for (size_t i = 0; i < nn_model_count(model); i++) values[i] = ad_value(model->param[i]);
}

ad_status nn_model_set_values(nn_model *model, const double values[]) {
    if (nn_model_status(model) != AD_OK) return nn_model_status(model);
    for (size_t i = 0; i < model->count; i++) ad_set(model->param[i], values[i]);
    return nn_model_status(model);
}

/* ---- groups ---------------------------------------------------------------------------------- */

/* Does the name begin so, * standing for any characters? */
static bool begins(const char *name, const char *prefix) {
    for (; *prefix != '\0'; prefix++, name++) {
        if (*prefix == '*') {
            while (!begins(name, prefix + 1))
                if (*name++ == '\0') return false;
            return true;
        }
        if (*name != *prefix) return false;
    }
    return true;
}

static bool finite_from_0(double x) {
    return isfinite(x) && x >= 0;
}

/* How many arrays have such names; an error if none has. */
static size_t group_of(nn_model *model, const char *function, const char *prefix) {
    size_t n = 0;
    if (nn_model_status(model) != AD_OK) return 0;
    for (size_t i = 0; i < model->arrays && prefix != NULL; i++)
        n += begins(model->array[i].name, prefix);
    if (prefix == NULL) nn__model_fail(model, AD_BAD_ARGUMENT, "%s: no prefix", function);
    else if (n == 0)
        nn__model_fail(model, AD_BAD_ARGUMENT, "%s: no parameter has a name that begins \"%s\"",
                       function, prefix);
    return n;
}

ad_status nn_model_freeze(nn_model *model, const char *prefix, bool frozen) {
    if (group_of(model, "nn_model_freeze", prefix) == 0) return nn_model_status(model);
    for (size_t i = 0; i < model->arrays; i++) {
        array *a = &model->array[i];
        if (!begins(a->name, prefix)) continue;
        model->frozen += (size_t)frozen - (size_t)a->frozen;
        a->frozen = frozen;
    }
    return AD_OK;
}

ad_status nn_model_group(nn_model *model, const char *prefix, double rate_factor,
                         double weight_decay) {
    if (group_of(model, "nn_model_group", prefix) == 0) return nn_model_status(model);
    if (!finite_from_0(rate_factor) || (!finite_from_0(weight_decay) && weight_decay != NN_SAME))
        nn__model_fail(model, AD_BAD_ARGUMENT,
                       "nn_model_group: a rate factor of %g and a weight decay of %g for \"%s\": "
                       "they must be finite and at least 0, or the decay NN_SAME",
                       rate_factor, weight_decay, prefix);
    else
        for (size_t i = 0; i < model->arrays; i++) {
            array *a = &model->array[i];
            if (!begins(a->name, prefix)) continue;
            a->rate_factor = rate_factor, a->weight_decay = weight_decay;
            model->grouped = true;
        }
    return nn_model_status(model);
}

bool nn__model_grouped(const nn_model *model) {
    return model->grouped || model->frozen > 0;
}

bool nn__model_all_frozen(const nn_model *model) {
    return model->arrays > 0 && model->frozen == model->arrays;
}

nn__group nn__model_group(const nn_model *model, size_t i) {
    const array *a = &model->array[i];
    return (nn__group){a->count, a->rate_factor, a->weight_decay, a->frozen};
}

void nn__model_clear_frozen(const nn_model *model, double gradient[]) {
    for (size_t i = 0, first = 0; i < model->arrays && model->frozen > 0; i++) {
        const array *a = &model->array[i];
        if (a->frozen) memset(gradient + first, 0, a->count * sizeof *gradient);
        first += a->count;
    }
}

/* ---- buffers --------------------------------------------------------------------------------- */

static buffer *find_buffer(const nn_model *model, const char *name) {
    for (size_t i = 0; i < model->buffers; i++)
        if (strcmp(model->buffer[i].name, name) == 0) return &model->buffer[i];
    return NULL;
}

static bool same_shape(const buffer *b, size_t rank, const size_t shape[]) {
    return b->rank == rank && (rank == 0 || memcmp(b->shape, shape, rank * sizeof *shape) == 0);
}

static bool good_buffer(nn_model *model, const char *name, size_t rank, const size_t shape[],
                        const double value[]) {
    const bool    named = name != NULL && *name != '\0';
    const buffer *old = named ? find_buffer(model, name) : NULL;
    if (!named) nn__model_fail(model, AD_BAD_ARGUMENT, "nn_buffer: a buffer needs a name");
    else if (taken(model, name))
        nn__model_fail(model, AD_BAD_ARGUMENT, "nn_buffer: there already is a parameter \"%s\"",
                       name);
    else if (elements(rank, shape) == 0)
        nn__model_fail(model, AD_BAD_ARGUMENT,
                       "nn_buffer: the shape of \"%s\" has no elements, or too many to count",
                       name);
    else if (value == NULL)
        nn__model_fail(model, AD_BAD_ARGUMENT, "nn_buffer: no values for \"%s\"", name);
    else if (old != NULL && !same_shape(old, rank, shape))
        nn__model_fail(model, AD_BAD_ARGUMENT,
                       "nn_buffer: \"%s\" is there with another shape, of %zu numbers, not %zu",
                       name, old->count, elements(rank, shape));
    return nn_model_status(model) == AD_OK;
}

static buffer *add_buffer(nn_model *model, const char *name, size_t rank, const size_t shape[]) {
    if (model->buffers == model->buffer_room) {
        const size_t room = 2 * model->buffer_room + 4;
        buffer      *grown = realloc(model->buffer, room * sizeof *grown);
        if (grown == NULL) return NULL;
        model->buffer = grown, model->buffer_room = room;
    }
    const size_t count = elements(rank, shape);
    buffer       b = {malloc(strlen(name) + 1), rank, calloc(rank + 1, sizeof *shape), count,
                      calloc(count, sizeof *b.value)};
    if (b.name == NULL || b.shape == NULL || b.value == NULL) {
        free_buffer(&b);
        return NULL;
    }
    strcpy(b.name, name);
    if (rank > 0) memcpy(b.shape, shape, rank * sizeof *shape);
    model->buffer[model->buffers] = b;
    return &model->buffer[model->buffers++];
}

static void set_buffer(nn_model *model, buffer *b, const double value[]) {
    if (memcmp(b->value, value, b->count * sizeof *value) == 0) return;
    memcpy(b->value, value, b->count * sizeof *value);
    model->buffer_changes++;
}

ad_status nn_buffer(nn_model *model, const char *name, size_t rank, const size_t shape[],
                    const double value[]) {
    if (nn_model_status(model) != AD_OK || !good_buffer(model, name, rank, shape, value))
        return nn_model_status(model);
    buffer *b = find_buffer(model, name);
    if (b == NULL) b = add_buffer(model, name, rank, shape);
    if (b == NULL)
        nn__model_fail(model, AD_NO_MEMORY, "out of memory: no space for the buffer \"%s\"", name);
    else set_buffer(model, b, value);
    return nn_model_status(model);
}

const double *nn_buffer_value(const nn_model *model, const char *name) {
    const buffer *b = model == NULL || name == NULL ? NULL : find_buffer(model, name);
    return b == NULL ? NULL : b->value;
}

size_t nn__model_buffers(const nn_model *model) {
    return model == NULL ? 0 : model->buffers;
}

nn__buffer nn__model_buffer(const nn_model *model, size_t i) {
    const buffer *b = &model->buffer[i];
    return (nn__buffer){b->name, b->rank, b->shape, b->count, b->value};
}

size_t nn__model_buffer_changes(const nn_model *model) {
    return model->buffer_changes;
}

void nn__model_set_buffers(nn_model *model, const double value[]) {
    for (size_t i = 0; i < model->buffers; value += model->buffer[i++].count)
        set_buffer(model, &model->buffer[i], value);
}

/* ---- parameters as numbers ------------------------------------------------------------------- */

bool nn__weights_open(nn__weights *w, nn_model *model) {
    *w = (nn__weights){model, nn_model_count(model), NULL, false};
    w->value = malloc((w->count + 1) * sizeof *w->value);
    if (w->value != NULL) nn__weights_fetch(w);
    return w->value != NULL;
}

void nn__weights_close(nn__weights *w) {
    if (w->value == NULL) return;
    nn__weights_flush(w);
    free(w->value);
}

/* Even after an error of tape or model: what was learned before it is kept. */
void nn__weights_flush(nn__weights *w) {
    if (!w->dirty) return;
    for (size_t i = 0; i < w->count; i++) ad_set(w->model->param[i], w->value[i]);
    w->dirty = false;
}

void nn__weights_fetch(nn__weights *w) {
    nn_model_values(w->model, w->value);
    w->dirty = false;
}

/* Row-major: the stride of an axis is the product of all later sizes. */
char *nn__param_name(const nn_model *model, size_t i, size_t room, char text[]) {
    size_t k = 0;
    while (k + 1 < model->arrays && i >= model->array[k].count) i -= model->array[k++].count;
    const array *a = &model->array[k];
    size_t       left = a->count, length = (size_t)snprintf(text, room, "%s", a->name);
    for (size_t d = 0; d < a->rank && length < room; d++) {
        left /= a->shape[d];
        length += (size_t)snprintf(text + length, room - length, "[%zu]", i / left);
        i %= left;
    }
    return text;
}
