/* lesson.h - the numbers of a lesson, for the files that show them.
 *
 * Units are numbered consecutively: layer l (0 for the first one after the inputs) has the units
 * unit[l] to unit[l + 1] - 1. Parameters are in the order of the layers, the weights of a layer
 * (outputs x inputs, row-major) before its biases: layer l begins at param[l]. */
#ifndef TAPIR_NN_LESSON_H
#define TAPIR_NN_LESSON_H

#include "model.h"

/* The numbers of one example in both passes. */
typedef struct nn__example {
    size_t        row;              /* of the data */
    const double *input, *target;   /* into the lesson's data */
    double        loss, loss_after; /* before and after the step */
    double       *z, *a, *dz, *da;  /* by unit: weighted sum, activation, and dC/dz, dC/da */
    double       *a_after;
    double       *guess;    /* by output: probabilities, or the outputs for squares */
    double       *gradient; /* by parameter */
} nn__example;

struct nn_lesson {
    nn_model    *model;
    size_t       layers, units, params, inputs, outputs, targets, examples;
    size_t      *size, *unit, *param; /* layers + 1 each */
    nn_layer    *layer;
    const char **activation; /* by layer: its name */
    bool         squares;
    double       rate;
    size_t       image; /* side of the square picture in the inputs; 0: none */
    char        *title, **input_name, **output_name;
    double      *data; /* examples x (inputs + targets) */
    nn__example *example;
    double      *weight, *new_weight; /* by parameter, before and after the step */
    double      *mean;                /* of the examples' gradients */
    double      *gradient_of_mean;    /* of the mean loss, by one sweep over all examples */
    double       loss, loss_after;    /* means */
};

/* The desired value of output k: 1 or 0 for a class, else the target. */
double nn__wanted(const nn_lesson *lesson, const nn__example *example, size_t k);

/* The index among the parameters of the weight of unit j of layer l for its input i. */
static inline size_t nn__weight_index(const nn_lesson *lesson, size_t l, size_t j, size_t i) {
    return lesson->param[l] + j * lesson->size[l] + i;
}
static inline size_t nn__bias_index(const nn_lesson *lesson, size_t l, size_t j) {
    return lesson->param[l] + lesson->size[l] * lesson->size[l + 1] + j;
}

/* The input of layer l: the example's inputs, or the activations of the previous layer. */
static inline const double *nn__layer_input(const nn_lesson *lesson, const nn__example *example,
                                            size_t l) {
    return l == 0 ? example->input : example->a + lesson->unit[l - 1];
}

/* True for a control character: U+0000 to U+001F, U+007F to U+009F. */
static inline bool nn__is_control(const char *text) {
    const unsigned char *at = (const unsigned char *)text;
    return at[0] < 0x20 || at[0] == 0x7f || (at[0] == 0xc2 && at[1] >= 0x80 && at[1] < 0xa0);
}

#endif
