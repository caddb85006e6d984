/* convolution.c - handwritten digits, read by a convolutional network. Takes the file of images. */
#include "nn/nn.h"

enum { PIXELS = 8*8, CLASSES = 10 };
static const nn_window conv[] = {{1, 8, 8, .kernel = {3, 3}, .padding = {1, 1}},
                                 {16, 4, 4, .kernel = {3, 3}, .padding = {1, 1}}},
                       pool[] = {{16, 8, 8, .kernel = {2, 2}}, {32, 4, 4, .kernel = {2, 2}}};

typedef ad_var judge(size_t classes, const ad_var logits[], ad_var label);

static ad_var judged(judge *by, size_t n, const ad_var row[], const nn_layer layer[3]) {
    ad_var        whole[16*PIXELS], half[16*PIXELS/4], logits[CLASSES];
    const ad_var *x = row;
    for (int i = 0; i < 2; i++, x = half) {                /* 1 x 8 x 8, 16 x 4 x 4, 32 x 2 x 2 */
        nn_conv2d(&conv[i], layer[i].outputs, layer[i].weight, layer[i].bias, x, whole);
        const size_t left = nn_max_pool2d(&pool[i], whole, half);
        for (size_t k = 0; k < left; k++) half[k] = ad_relu(half[k]);
    }
    nn_layer_forward(&layer[2], x, logits);
    return by(CLASSES, logits, row[n - 1]);
}

static ad_var loss(nn_model *model, size_t n, const ad_var row[], void *layer) {
    return (void)model, judged(nn_cross_entropy, n, row, layer);
}

static ad_var right(nn_model *model, size_t n, const ad_var row[], void *layer) {
    return (void)model, judged(nn_correct, n, row, layer);
}

int main(int count, char *arguments[]) {
    ad_tape  *tape = ad_tape_new();
    nn_model *model = nn_model_new(tape, 1);
    nn_layer  layer[3] = {nn_conv2d_add(model, "conv1", &conv[0], 16)};
    layer[1] = nn_conv2d_add(model, "conv2", &conv[1], 32);
    layer[2] = nn_layer_add(model, "linear", &(nn_layer_config){.inputs = 32*4, .outputs = CLASSES});
    nn_data *data = nn_data_csv(arguments[count - 1], NULL);
    nn_data_scale(data, 1.0/16);
    nn_data        *held_out = nn_data_split(data, 0.2, 1);
    nn_optimizer   *adam = nn_adam(0.004);
    const ad_status status = nn_train(model, loss, layer, data, adam, &(nn_train_config){
        .epochs = 10, .batch = 16, .held_out = held_out, .score = right,
        .metric_name = "accuracy", .progress = true, .stream = stdout});
    if (status != AD_OK) fprintf(stderr, "%s\n", nn_model_message(model));
    nn_optimizer_free(adam), nn_data_free(data), nn_data_free(held_out);
    nn_model_free(model), ad_tape_free(tape);
    return status != AD_OK;
}
