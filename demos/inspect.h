/* inspect.h - looks inside a perceptron: the activations of its units, how much of the loss's
 * gradient reaches them, and which units no longer learn. */
#ifndef TAPIR_DEMOS_INSPECT_H
#define TAPIR_DEMOS_INSPECT_H

#include "nn/nn.h"
#include "terminal.h"

/* A model that is a single nn_mlp with this hidden activation, and the loss of an example. */
typedef struct inspection {
    nn_model      *model;
    size_t         layers;
    const size_t  *sizes; /* layers + 1 */
    nn_activation *hidden;
    ad_var (*loss)(size_t outputs, const ad_var output[], ad_var target);
    const nn_data *data; /* the first 200 rows are used */
} inspection;

/* Histograms of activations and of the loss's gradients in them, for each hidden layer, in the
 * terminal and as inspect.tsv, and with gnuplot as inspect.svg and .png. A dead unit has the same
 * activation for all rows, so it can no longer learn from them. An activation is saturated if its
 * slope is below 0.03; rows without a gradient there do not count. False on failure, reported on
 * stderr. */
bool inspect_layers(const inspection *i, terminal t, const char *folder);

/* The weights of the first layer, a side x side picture for each unit, in the terminal and, with
 * gnuplot, as weights.svg and .png. */
bool inspect_weights(nn_model *model, size_t side, terminal t, const char *folder);

#endif
