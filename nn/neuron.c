/* neuron.c - one unit. Its weights are consecutive on the tape, so ad_dot reads them in place. */
#include "nn.h"

ad_var nn_neuron(size_t n, const ad_var weight[], const ad_var x[], ad_var bias,
                 nn_activation *activation) {
    const ad_var z = ad_add(ad_dot(n, weight, x), bias);
    return activation == NULL ? z : activation(z);
}
