/* activation.c - activations by name. */
#include "nn.h"

#include <string.h>

ad_var nn_identity(ad_var x) {
    return x;
}

/* clang-format off */
static const struct {
    const char    *name;
    nn_activation *function;
} activations[] = {
    {"identity",   nn_identity},
    {"tanh",       ad_tanh},
    {"relu",       ad_relu},
    {"leaky_relu", ad_leaky_relu},
    {"elu",        ad_elu},
    {"gelu",       ad_gelu},
    {"silu",       ad_silu},
    {"sigmoid",    ad_sigmoid},
    {"softplus",   ad_softplus},
};
/* clang-format on */

nn_activation *nn_activation_named(const char *name) {
    if (name == NULL) return NULL;
    for (size_t i = 0; i < sizeof activations / sizeof *activations; i++)
        if (strcmp(activations[i].name, name) == 0) return activations[i].function;
    return NULL;
}

const char *nn_activation_name(nn_activation *activation) {
    if (activation == NULL) return "identity";
    for (size_t i = 0; i < sizeof activations / sizeof *activations; i++)
        if (activations[i].function == activation) return activations[i].name;
    return "activation";
}
