/* mlp.c - layers one after the other.
 *
 * The outputs of the hidden layers alternate between two buffers, owned by the mlp, so that
 * recording an example does not allocate. Each layer is recorded in a scope of its name, so that
 * pictures frame it. */
#include "model.h"

#include <stdlib.h>
#include <string.h>

struct nn_mlp {
    size_t    layers;
    nn_layer *layer;
    char    **name;   /* of each layer */
    ad_var   *row[2]; /* as wide as the widest hidden layer, or NULL */
};

static bool good_config(nn_model *model, const nn_mlp_config *config) {
    if (config != NULL &&
        !nn__model_reserved(model, "nn_mlp_new", "nn_mlp_config", config->reserved, config + 1))
        return false;
    if (config == NULL || config->sizes == NULL || config->layers == 0) {
        nn__model_fail(model, AD_BAD_ARGUMENT, "nn_mlp_new: no layers");
        return false;
    }
    for (size_t i = 0; i <= config->layers; i++)
        if (config->sizes[i] == 0) {
            nn__model_fail(model, AD_BAD_ARGUMENT, "nn_mlp_new: size %zu of %zu is 0", i + 1,
                           config->layers + 1);
            return false;
        }
    return true;
}

/* "layers.0"; NULL: memory is out. */
static char *layer_name(const nn_mlp_config *config, size_t i) {
    const char  *base = config->name != NULL ? config->name : "layers";
    const size_t room = strlen(base) + 24;
    char        *name = malloc(room);
    if (name != NULL) snprintf(name, room, "%s.%zu", base, i);
    return name;
}

static nn_layer add_layer(nn_model *model, const nn_mlp_config *config, const char *name,
                          size_t i) {
    const bool     last = i + 1 == config->layers;
    nn_activation *hidden = config->hidden != NULL ? config->hidden : ad_tanh;
    return nn_layer_add(model, name,
                        &(nn_layer_config){
                            .inputs = config->sizes[i],
                            .outputs = config->sizes[i + 1],
                            .activation = last ? config->output : hidden,
                            .weight = config->weight,
                            .bias = config->bias,
                            .without_bias = config->without_bias,
                        });
}

static bool allocate(nn_mlp *mlp, const nn_mlp_config *config) {
    size_t widest = 0;
    for (size_t i = 1; i < config->layers; i++)
        if (config->sizes[i] > widest) widest = config->sizes[i];
    mlp->layer = calloc(config->layers, sizeof *mlp->layer);
    mlp->name = calloc(config->layers, sizeof *mlp->name);
    bool good = mlp->layer != NULL && mlp->name != NULL;
    for (size_t i = 0; good && i < config->layers; i++)
        good = (mlp->name[i] = layer_name(config, i)) != NULL;
    for (int i = 0; i < 2 && widest > 0; i++) {
        mlp->row[i] = calloc(widest, sizeof *mlp->row[i]);
        good = good && mlp->row[i] != NULL;
    }
    return good;
}

nn_mlp *nn_mlp_new(nn_model *model, const nn_mlp_config *config) {
    if (nn_model_status(model) != AD_OK || !good_config(model, config)) return NULL;
    nn_mlp *mlp = calloc(1, sizeof *mlp);
    if (mlp != NULL) mlp->layers = config->layers;
    if (mlp == NULL || !allocate(mlp, config)) {
        nn__model_fail(model, AD_NO_MEMORY, "out of memory: no space for a network of %zu layers",
                       config->layers);
    } else {
        for (size_t i = 0; i < mlp->layers; i++)
            mlp->layer[i] = add_layer(model, config, mlp->name[i], i);
    }
    if (nn_model_status(model) == AD_OK) return mlp;
    nn_mlp_free(mlp);
    return NULL;
}

void nn_mlp_free(nn_mlp *mlp) {
    if (mlp == NULL) return;
    for (size_t i = 0; mlp->name != NULL && i < mlp->layers; i++) free(mlp->name[i]);
    free(mlp->name);
    free(mlp->layer);
    free(mlp->row[0]);
    free(mlp->row[1]);
    free(mlp);
}

size_t nn_mlp_layers(const nn_mlp *mlp) {
    return mlp == NULL ? 0 : mlp->layers;
}

nn_layer nn_mlp_layer(const nn_mlp *mlp, size_t i) {
    return i < nn_mlp_layers(mlp) ? mlp->layer[i] : (nn_layer){0};
}

void nn_mlp_forward(const nn_mlp *mlp, const ad_var input[], ad_var output[]) {
    if (mlp == NULL) return;
    for (size_t i = 0; i < mlp->layers; i++) {
        ad_var  *to = i + 1 == mlp->layers ? output : mlp->row[i % 2];
        ad_tape *tape = mlp->layer[i].weight[0].tape;
        ad_scope(tape, mlp->name[i]);
        nn_layer_forward(&mlp->layer[i], input, to);
        ad_scope_end(tape);
        input = to;
    }
}
