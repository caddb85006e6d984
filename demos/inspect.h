/* inspect.h - what goes on inside a perceptron: how its units answer, how much of the loss's gradient reaches
 * them, and which of them no longer learn. */
#ifndef TAPIR_DEMOS_INSPECT_H
#define TAPIR_DEMOS_INSPECT_H

#include "nn/nn.h"
#include "terminal.h"

/* A model of nothing but one nn_mlp with these hidden units; the loss of an example's outputs and target. */
typedef struct inspection {
    nn_model      *model;
    size_t         layers;
    const size_t  *sizes;                    /* layers + 1 */
    nn_activation *hidden;
    ad_var       (*loss)(size_t outputs, const ad_var output[], ad_var target);
    const nn_data *data;                     /* the first 200 rows are looked at */
} inspection;

/* Histograms of activations and of the loss's gradients in them, for each hidden layer, in the terminal and as
 * inspect.tsv, and with gnuplot as inspect.svg and .png. A dead unit answers all rows alike: what it could
 * learn from them is gone. An activation is saturated where 97% of its slope is gone; rows that bring it no
 * gradient do not count. False: said why, on stderr. */
bool inspect_layers(const inspection *i, terminal t, const char *folder);

/* The weights of the first layer, a picture of side x side for each unit; weights.svg and .png. */
bool inspect_weights(nn_model *model, size_t side, terminal t, const char *folder);

#endif
