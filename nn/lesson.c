/* lesson.c - computes every number of backpropagation through a network.
 *
 * Each example is recorded unit by unit, so that weighted sums and activations have nodes of their
 * own whose adjoints can be read; all numbers come from the tape. The mean gradient is computed
 * twice: summed over the examples, and by a sweep from the mean of their losses; if the two differ
 * by more than rounding the lesson fails. The parameters are restored after the step. */
#include "lesson.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- making ---------------------------------------------------------------------------------- */

static bool refuse(nn_model *model, const char *why) {
    nn__model_fail(model, AD_BAD_ARGUMENT, "nn_lesson_new: %s", why);
    return false;
}

static bool good_classes(nn_model *model, const nn_data *data, const nn_lesson_config *c,
                         size_t classes) {
    for (size_t i = 0; i < c->rows; i++) {
        const double class = nn_data_row(data, c->row[i])[nn_data_inputs(data)];
        if (class >= 0 && class < (double)classes && class == floor(class)) continue;
        nn__model_fail(model, AD_BAD_ARGUMENT,
                       "nn_lesson_new: row %zu has the class %g, the network %zu outputs",
                       c->row[i], class, classes);
        return false;
    }
    return true;
}

static bool good_request(nn_model *model, const nn_mlp *mlp, const nn_data *data,
                         const nn_lesson_config *c) {
    if (nn_model_status(model) != AD_OK) return false;
    if (nn_data_status(data) != AD_OK) {
        nn__model_fail(model, nn_data_status(data), "%s", nn_data_message(data));
        return false;
    }
    if (mlp == NULL || c == NULL)
        return refuse(model, mlp == NULL ? "no network" : "no configuration");
    if (!nn__model_reserved(model, "nn_lesson_new", "nn_lesson_config", c->reserved, c + 1))
        return false;
    if (c->rows == 0 || c->row == NULL) return refuse(model, "no examples");
    if (!(c->rate > 0) || !isfinite(c->rate))
        return refuse(model, "the rate is not a number above 0");
    for (size_t i = 0; i < c->rows; i++)
        if (c->row[i] >= nn_data_rows(data)) {
            nn__model_fail(model, AD_BAD_ARGUMENT,
                           "nn_lesson_new: there is no row %zu: the data have %zu", c->row[i],
                           nn_data_rows(data));
            return false;
        }
    const nn_layer first = nn_mlp_layer(mlp, 0), last = nn_mlp_layer(mlp, nn_mlp_layers(mlp) - 1);
    if (first.inputs != nn_data_inputs(data)) {
        nn__model_fail(model, AD_BAD_ARGUMENT,
                       "nn_lesson_new: the network has %zu inputs, the data %zu", first.inputs,
                       nn_data_inputs(data));
        return false;
    }
    if (nn_data_targets(data) != 1 && (!c->squares || nn_data_targets(data) != last.outputs))
        return refuse(model,
                      "the data must have one target, a class, or for squares one for each output");
    if (c->image != 0 && c->image * c->image != first.inputs)
        return refuse(model, "the inputs are not a square picture of this size");
    for (size_t l = 0; l < nn_mlp_layers(mlp); l++)
        if (nn_mlp_layer(mlp, l).bias == NULL) return refuse(model, "every unit must have a bias");
    return nn_data_targets(data) != 1 || last.outputs == 1 ||
           good_classes(model, data, c, last.outputs);
}

static void *space(nn_lesson *lesson, size_t n, size_t bytes) {
    void *memory = calloc(n + 1, bytes);
    if (memory == NULL)
        nn__model_fail(lesson->model, AD_NO_MEMORY, "out of memory: no space for a lesson");
    return memory;
}

static char *text_of(nn_lesson *lesson, const char *text) {
    char *copy = space(lesson, strlen(text), 1);
    return copy == NULL ? NULL : strcpy(copy, text);
}

/* The given names, or "x1", "x2", ... */
static char **names_of(nn_lesson *lesson, size_t n, const char *const given[], const char *letter) {
    char   made[32];
    char **names = space(lesson, n, sizeof *names);
    for (size_t i = 0; names != NULL && i < n; i++) {
        snprintf(made, sizeof made, "%s%zu", letter, i + 1);
        names[i] = text_of(lesson, given != NULL ? given[i] : made);
    }
    return names;
}

static void lay_out(nn_lesson *lesson, const nn_mlp *mlp) {
    const size_t n = nn_mlp_layers(mlp);
    lesson->layers = n;
    lesson->size = space(lesson, n + 1, sizeof *lesson->size);
    lesson->unit = space(lesson, n + 1, sizeof *lesson->unit);
    lesson->param = space(lesson, n + 1, sizeof *lesson->param);
    lesson->layer = space(lesson, n, sizeof *lesson->layer);
    lesson->activation = space(lesson, n, sizeof *lesson->activation);
    if (nn_model_status(lesson->model) != AD_OK) return;
    for (size_t l = 0; l < n; l++) {
        const nn_layer layer = lesson->layer[l] = nn_mlp_layer(mlp, l);
        lesson->activation[l] = nn_activation_name(layer.activation);
        lesson->size[l] = layer.inputs;
        lesson->size[l + 1] = layer.outputs;
        lesson->unit[l + 1] = lesson->unit[l] + layer.outputs;
        lesson->param[l + 1] = lesson->param[l] + layer.outputs * (layer.inputs + 1);
    }
    lesson->units = lesson->unit[n];
    lesson->params = lesson->param[n];
    lesson->inputs = lesson->size[0];
    lesson->outputs = lesson->size[n];
}

static bool example_space(nn_lesson *lesson, nn__example *p) {
    double **arrays[] = {&p->z, &p->a, &p->dz, &p->da, &p->a_after};
    for (size_t i = 0; i < sizeof arrays / sizeof *arrays; i++)
        *arrays[i] = space(lesson, lesson->units, sizeof **arrays[i]);
    p->guess = space(lesson, lesson->outputs, sizeof *p->guess);
    p->gradient = space(lesson, lesson->params, sizeof *p->gradient);
    return nn_model_status(lesson->model) == AD_OK;
}

static void add_examples(nn_lesson *lesson, const nn_data *data, const nn_lesson_config *config) {
    const size_t width = lesson->inputs + lesson->targets;
    lesson->examples = config->rows;
    lesson->data = space(lesson, config->rows * width, sizeof *lesson->data);
    lesson->example = space(lesson, config->rows, sizeof *lesson->example);
    lesson->weight = space(lesson, lesson->params, sizeof *lesson->weight);
    lesson->new_weight = space(lesson, lesson->params, sizeof *lesson->new_weight);
    lesson->mean = space(lesson, lesson->params, sizeof *lesson->mean);
    lesson->gradient_of_mean = space(lesson, lesson->params, sizeof *lesson->gradient_of_mean);
    for (size_t i = 0; i < config->rows && nn_model_status(lesson->model) == AD_OK; i++) {
        nn__example *p = &lesson->example[i];
        double      *row = lesson->data + i * width;
        memcpy(row, nn_data_row(data, config->row[i]), width * sizeof *row);
        p->row = config->row[i], p->input = row, p->target = row + lesson->inputs;
        example_space(lesson, p);
    }
}

/* ---- one example ----------------------------------------------------------------------------- */

double nn__wanted(const nn_lesson *lesson, const nn__example *example, size_t k) {
    return lesson->targets == 1 && lesson->outputs > 1 ? (double)k == example->target[0]
                                                       : example->target[k];
}

/* Records an example; z and a: handles by unit. Returns the loss. */
static ad_var record(const nn_lesson *lesson, const nn__example *p, ad_var z[], ad_var a[],
                     ad_var row[]) {
    const ad_var *before = row;
    for (size_t i = 0; i < lesson->inputs; i++) row[i] = ad_num(p->input[i]);
    for (size_t l = 0; l < lesson->layers; l++) {
        const nn_layer *layer = &lesson->layer[l];
        const size_t    first = lesson->unit[l];
        for (size_t j = 0; j < layer->outputs; j++) {
            z[first + j] = nn_neuron(layer->inputs, layer->weight + j * layer->inputs, before,
                                     layer->bias[j], NULL);
            a[first + j] =
                layer->activation == NULL ? z[first + j] : layer->activation(z[first + j]);
        }
        before = a + first;
    }
    if (!lesson->squares) return nn_cross_entropy(lesson->outputs, before, ad_num(p->target[0]));
    ad_var total = ad_num(0);
    for (size_t k = 0; k < lesson->outputs; k++) {
        const ad_var error = ad_sub(before[k], ad_num(nn__wanted(lesson, p, k)));
        total = k == 0 ? ad_mul(error, error) : ad_add(total, ad_mul(error, error));
    }
    return total;
}

static void read_gradient(const nn_lesson *lesson, double gradient[]) {
    for (size_t l = 0; l < lesson->layers; l++) {
        const nn_layer *layer = &lesson->layer[l];
        const size_t    weights = layer->inputs * layer->outputs;
        for (size_t i = 0; i < weights; i++)
            gradient[lesson->param[l] + i] = ad_grad(layer->weight[i]);
        for (size_t j = 0; j < layer->outputs; j++)
            gradient[lesson->param[l] + weights + j] = ad_grad(layer->bias[j]);
    }
}

static void backprop(nn_lesson *lesson, nn__example *p, ad_var z[], ad_var a[], ad_var row[]) {
    ad_tape      *tape = nn_model_tape(lesson->model);
    const ad_mark mark = ad_tape_mark(tape);
    const ad_var  loss = record(lesson, p, z, a, row);
    ad_backward(loss);
    p->loss = ad_value(loss);
    for (size_t i = 0; i < lesson->units; i++) {
        p->z[i] = ad_value(z[i]), p->a[i] = ad_value(a[i]);
        p->dz[i] = ad_grad(z[i]), p->da[i] = ad_grad(a[i]);
    }
    read_gradient(lesson, p->gradient);
    const ad_var *outputs = a + lesson->unit[lesson->layers - 1];
    if (lesson->squares)
        for (size_t k = 0; k < lesson->outputs; k++) p->guess[k] = ad_value(outputs[k]);
    else nn_softmax(lesson->outputs, outputs, p->guess);
    ad_tape_rewind(tape, mark);
}

/* ---- the batch, and the step ----------------------------------------------------------------- */

static void get_weights(const nn_lesson *lesson, double weight[]) {
    for (size_t l = 0; l < lesson->layers; l++) {
        const nn_layer *layer = &lesson->layer[l];
        const size_t    weights = layer->inputs * layer->outputs;
        for (size_t i = 0; i < weights; i++)
            weight[lesson->param[l] + i] = ad_value(layer->weight[i]);
        for (size_t j = 0; j < layer->outputs; j++)
            weight[lesson->param[l] + weights + j] = ad_value(layer->bias[j]);
    }
}

static void set_weights(const nn_lesson *lesson, const double weight[]) {
    for (size_t l = 0; l < lesson->layers; l++) {
        const nn_layer *layer = &lesson->layer[l];
        const size_t    weights = layer->inputs * layer->outputs;
        for (size_t i = 0; i < weights; i++) ad_set(layer->weight[i], weight[lesson->param[l] + i]);
        for (size_t j = 0; j < layer->outputs; j++)
            ad_set(layer->bias[j], weight[lesson->param[l] + weights + j]);
    }
}

static void average(nn_lesson *lesson) {
    const double n = (double)lesson->examples;
    for (size_t k = 0; k < lesson->examples; k++) {
        for (size_t i = 0; i < lesson->params; i++)
            lesson->mean[i] += lesson->example[k].gradient[i];
        lesson->loss += lesson->example[k].loss;
    }
    for (size_t i = 0; i < lesson->params; i++) lesson->mean[i] /= n;
    lesson->loss /= n;
}

/* The gradient of the mean loss in one sweep over all examples. It must equal the mean of the
 * gradients within the rounding of the largest of them: in a trained network they cancel. */
static void sweep_mean_loss(nn_lesson *lesson, ad_var z[], ad_var a[], ad_var row[]) {
    ad_tape      *tape = nn_model_tape(lesson->model);
    const ad_mark mark = ad_tape_mark(tape);
    ad_var       *loss = space(lesson, lesson->examples, sizeof *loss);
    if (loss == NULL) return;
    for (size_t k = 0; k < lesson->examples; k++)
        loss[k] = record(lesson, &lesson->example[k], z, a, row);
    ad_backward(ad_div(ad_sum(lesson->examples, loss), ad_num((double)lesson->examples)));
    read_gradient(lesson, lesson->gradient_of_mean);
    ad_tape_rewind(tape, mark);
    free(loss);
    double largest = 0;
    for (size_t k = 0; k < lesson->examples; k++)
        for (size_t i = 0; i < lesson->params; i++)
            largest = fmax(largest, fabs(lesson->example[k].gradient[i]));
    for (size_t i = 0; i < lesson->params; i++)
        if (!(fabs(lesson->gradient_of_mean[i] - lesson->mean[i]) <= 1e-12 * largest))
            nn__model_fail(lesson->model, AD_BAD_ARGUMENT,
                           "nn_lesson_new: parameter %zu: the mean of the gradients is %.17g, the "
                           "gradient of the mean %.17g",
                           i, lesson->mean[i], lesson->gradient_of_mean[i]);
}

static void take_step(nn_lesson *lesson, ad_var z[], ad_var a[], ad_var row[]) {
    ad_tape *tape = nn_model_tape(lesson->model);
    for (size_t i = 0; i < lesson->params; i++)
        lesson->new_weight[i] = lesson->weight[i] - lesson->rate * lesson->mean[i];
    set_weights(lesson, lesson->new_weight);
    for (size_t k = 0; k < lesson->examples; k++) {
        nn__example  *p = &lesson->example[k];
        const ad_mark mark = ad_tape_mark(tape);
        p->loss_after = ad_value(record(lesson, p, z, a, row));
        for (size_t i = 0; i < lesson->units; i++) p->a_after[i] = ad_value(a[i]);
        lesson->loss_after += p->loss_after / (double)lesson->examples;
        ad_tape_rewind(tape, mark);
    }
    set_weights(lesson, lesson->weight);
}

static void compute(nn_lesson *lesson) {
    ad_var *z = space(lesson, lesson->units, sizeof *z),
           *a = space(lesson, lesson->units, sizeof *a);
    ad_var *row = space(lesson, lesson->inputs, sizeof *row);
    if (nn_model_status(lesson->model) == AD_OK) {
        get_weights(lesson, lesson->weight);
        for (size_t k = 0; k < lesson->examples; k++)
            backprop(lesson, &lesson->example[k], z, a, row);
    }
    if (nn_model_status(lesson->model) == AD_OK) {
        average(lesson);
        sweep_mean_loss(lesson, z, a, row);
        take_step(lesson, z, a, row);
    }
    if (nn_model_status(lesson->model) == AD_OK &&
        !(isfinite(lesson->loss) && isfinite(lesson->loss_after)))
        refuse(lesson->model, "the loss is not finite");
    free(z);
    free(a);
    free(row);
}

nn_lesson *nn_lesson_new(nn_model *model, const nn_mlp *mlp, const nn_data *data,
                         const nn_lesson_config *config) {
    if (!good_request(model, mlp, data, config)) return NULL;
    nn_lesson *lesson = calloc(1, sizeof *lesson);
    if (lesson == NULL) {
        nn__model_fail(model, AD_NO_MEMORY, "out of memory: no space for a lesson");
        return NULL;
    }
    lesson->model = model;
    lesson->rate = config->rate, lesson->image = config->image;
    lesson->targets = nn_data_targets(data);
    lay_out(lesson, mlp);
    lesson->squares = config->squares || lesson->outputs == 1; /* one output: no classes */
    if (nn_model_status(model) == AD_OK) add_examples(lesson, data, config);
    lesson->title = text_of(lesson, config->title != NULL ? config->title : "backpropagation");
    if (nn_model_status(model) == AD_OK) {
        lesson->input_name = names_of(lesson, lesson->inputs, config->input_names, "x");
        lesson->output_name = names_of(lesson, lesson->outputs, config->output_names, "y");
    }
    if (nn_model_status(model) == AD_OK) compute(lesson);
    if (nn_model_status(model) == AD_OK) return lesson;
    nn_lesson_free(lesson);
    return NULL;
}

static void free_names(char **names, size_t n) {
    for (size_t i = 0; names != NULL && i < n; i++) free(names[i]);
    free(names);
}

void nn_lesson_free(nn_lesson *lesson) {
    if (lesson == NULL) return;
    for (size_t k = 0; lesson->example != NULL && k < lesson->examples; k++) {
        nn__example *p = &lesson->example[k];
        double      *arrays[] = {p->z, p->a, p->dz, p->da, p->a_after, p->guess, p->gradient};
        for (size_t i = 0; i < sizeof arrays / sizeof *arrays; i++) free(arrays[i]);
    }
    free_names(lesson->input_name, lesson->inputs);
    free_names(lesson->output_name, lesson->outputs);
    void *arrays[] = {lesson->size,
                      lesson->unit,
                      lesson->param,
                      lesson->layer,
                      lesson->activation,
                      lesson->data,
                      lesson->example,
                      lesson->weight,
                      lesson->new_weight,
                      lesson->mean,
                      lesson->gradient_of_mean,
                      lesson->title};
    for (size_t i = 0; i < sizeof arrays / sizeof *arrays; i++) free(arrays[i]);
    free(lesson);
}

double nn_lesson_loss(const nn_lesson *lesson) {
    return lesson == NULL ? NAN : lesson->loss;
}

double nn_lesson_loss_after(const nn_lesson *lesson) {
    return lesson == NULL ? NAN : lesson->loss_after;
}
