/* layer.c - units that share their inputs. */
#include "model.h"

static nn_init init_by(nn_init_rule *rule, const nn_layer_config *config) {
    return (rule == NULL ? nn_init_linear : rule)(config->inputs, config->outputs);
}

static const ad_var *part(nn_model *model, const char *layer, const char *part, size_t rank,
                          const size_t shape[], nn_init init) {
    char name[NN__MESSAGE];
    if ((size_t)snprintf(name, sizeof name, "%s.%s", layer, part) < sizeof name)
        return nn_param(model, name, rank, shape, init);
    int shown = 40; /* bytes; not cut inside a character */
    while (shown > 37 && ((unsigned char)layer[shown] & 0xc0) == 0x80) shown--;
    nn__model_fail(model, AD_BAD_ARGUMENT, "nn_layer_add: the name is too long: %.*s...", shown,
                   layer);
    return NULL;
}

nn_layer nn_layer_add(nn_model *model, const char *name, const nn_layer_config *config) {
    const nn_layer failed = {0};
    if (nn_model_status(model) != AD_OK) return failed;
    if (name == NULL || config == NULL) {
        nn__model_fail(model, AD_BAD_ARGUMENT, "nn_layer_add: no %s",
                       name == NULL ? "name" : "configuration");
        return failed;
    }
    if (!nn__model_reserved(model, "nn_layer_add", "nn_layer_config", config->reserved, config + 1))
        return failed;
    const size_t shape[] = {config->outputs, config->inputs};
    nn_layer     layer = {
            .inputs = config->inputs, .outputs = config->outputs, .activation = config->activation};
    layer.weight = part(model, name, "weight", 2, shape, init_by(config->weight, config));
    if (!config->without_bias)
        layer.bias = part(model, name, "bias", 1, shape, init_by(config->bias, config));
    return nn_model_status(model) == AD_OK ? layer : failed;
}

/* The tape of the weights has the error, so that what is recorded now comes to nothing. */
static void check_layer(const nn_layer *layer) {
    char text[NN__MESSAGE];
    if (nn__all_zero(layer->reserved, layer + 1) || layer->weight == NULL) return;
    nn__say(AD_BAD_ARGUMENT, text, NN__NOT_ZERO, "nn_layer_forward", "nn_layer");
    ad_tape_fail(layer->weight[0].tape, AD_BAD_ARGUMENT, text);
}

void nn_layer_forward(const nn_layer *layer, const ad_var input[], ad_var output[]) {
    const size_t n = layer->inputs;
    check_layer(layer);
    for (size_t i = 0; i < layer->outputs; i++) {
        const ad_var *weight = layer->weight + i * n;
        if (layer->bias != NULL)
            output[i] = nn_neuron(n, weight, input, layer->bias[i], layer->activation);
        else
            output[i] = (layer->activation == NULL ? nn_identity
                                                   : layer->activation)(ad_dot(n, weight, input));
    }
}
