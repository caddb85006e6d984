/* lesson.c - a network learns from examples: every number of both passes and of the step.
 *
 * The parameters come with the request, or are made from the seed: the same request gives the same
 * answer. They are in the order of nn_model_values: layer by layer, weights before biases. */
#include "play.h"

#include <math.h>
#include <stdlib.h>

enum { MOST_LAYERS = 8, MOST_UNITS = 64, MOST_INPUTS = 256, MOST_EXAMPLES = 64, MOST_IMAGE = 16 };

bool play_sizes(const play_request *r, play_shape *shape, FILE *to) {
    size_t  n;
    double *size = play_numbers(r, "sizes", &n);
    bool    good = n >= 2 && n <= MOST_LAYERS + 1;
    for (size_t i = 0; good && i < n; i++) {
        good = size[i] >= 1 && size[i] <= (i == 0 ? MOST_INPUTS : MOST_UNITS) &&
               floor(size[i]) == size[i];
        if (good) shape->size[i] = (size_t)size[i];
    }
    free(size);
    const char *name = play_text(r, "activation");
    shape->layers = good ? n - 1 : 0;
    shape->activation = nn_activation_named(name != NULL ? name : "tanh");
    if (!good)
        play_write_error(
            "A network has 1 to 8 layers of 1 to 64 units each, and at most 256 inputs.", to);
    else if (shape->activation == NULL)
        play_write_error("There is no activation of that name.", to);
    return good && shape->activation != NULL;
}

/* The examples: rows of inputs, then rows of targets (one class number, or an output each). */
static nn_data *examples(const play_request *r, const play_shape *shape, bool squares) {
    size_t       n, m;
    double      *input = play_numbers(r, "inputs", &n), *target = play_numbers(r, "targets", &m);
    const size_t width = shape->size[0], wanted = squares ? shape->size[shape->layers] : 1;
    const size_t rows = n / width;
    nn_data     *data = NULL;
    if (rows >= 1 && rows <= MOST_EXAMPLES && rows * width == n && rows * wanted == m) {
        double *row = calloc(rows * (width + wanted), sizeof *row);
        for (size_t i = 0; row != NULL && i < rows; i++) {
            for (size_t k = 0; k < width; k++) row[i * (width + wanted) + k] = input[i * width + k];
            for (size_t k = 0; k < wanted; k++)
                row[i * (width + wanted) + width + k] = target[i * wanted + k];
        }
        if (row != NULL) data = nn_data_new(rows, width, wanted, row);
        free(row);
    }
    free(input);
    free(target);
    return data;
}

static void teach(const play_request *r, const play_shape *shape, nn_model *model,
                  const nn_mlp *mlp, bool squares, FILE *to) {
    size_t  row[MOST_EXAMPLES], n;
    double *param = play_numbers(r, "params", &n);
    for (size_t i = 0; i < MOST_EXAMPLES; i++) row[i] = i;
    nn_data *data = examples(r, shape, squares);
    if (param != NULL && n == nn_model_count(model)) nn_model_set_values(model, param);
    if (data == NULL || nn_data_status(data) != AD_OK)
        play_write_error(data == NULL ? "The examples do not fit the network: each needs a number "
                                        "for every input, and its target."
                                      : nn_data_message(data),
                         to);
    else if (param != NULL && n != nn_model_count(model))
        play_write_error("The weights do not fit the network: there are too many or too few.", to);
    else {
        const size_t     image = play_count(r, "image", 0);
        nn_lesson_config config = {.rows = nn_data_rows(data),
                                   .row = row,
                                   .rate = play_number(r, "rate", 0.5),
                                   .squares = squares,
                                   .image = image <= MOST_IMAGE ? image : 0,
                                   .title = "A network learns"};
        nn_lesson       *lesson = nn_lesson_new(model, mlp, data, &config);
        if (lesson == NULL) play_write_error(nn_model_message(model), to);
        else nn_lesson_json(lesson, to);
        nn_lesson_free(lesson);
    }
    nn_data_free(data);
    free(param);
}

/* tapir-lesson/1: sizes, activation, squares 1 for the squares, rate, seed or params, inputs,
 * targets, image. */
void play_lesson(const play_request *r, FILE *to) {
    play_shape shape = {0};
    if (!play_sizes(r, &shape, to)) return;
    ad_tape            *tape = ad_tape_new();
    nn_model           *model = nn_model_new(tape, play_count(r, "seed", 1));
    const nn_mlp_config config = {
        .layers = shape.layers, .sizes = shape.size, .hidden = shape.activation};
    nn_mlp    *mlp = nn_mlp_new(model, &config);
    const bool squares = play_count(r, "squares", 0) != 0;
    if (mlp == NULL) play_write_error(nn_model_message(model), to);
    else teach(r, &shape, model, mlp, squares, to);
    nn_mlp_free(mlp);
    nn_model_free(model);
    ad_tape_free(tape);
}
