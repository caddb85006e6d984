/* layer.c - tests of nn/layer.c. */
#include "nn/nn.h"

#include "expect.h"
#include <math.h>
#include <string.h>

static ad_tape  *tape;
static nn_model *model;

static void make(void) {
    tape = ad_tape_new();
    model = nn_model_new(tape, 1);
}
static void drop(void) {
    nn_model_free(model);
    ad_tape_free(tape);
}

TestSuite(layer, .init = make, .fini = drop);

Test(layer, parameters_are_named_and_shaped_as_in_pytorch) {
    const nn_layer layer = nn_layer_add(model, "fc", &(nn_layer_config){.inputs = 3, .outputs = 2});
    cr_assert_eq(nn_model_arrays(model), 2u);
    const nn_array weight = nn_model_array(model, 0), bias = nn_model_array(model, 1);
    cr_expect_str_eq(weight.name, "fc.weight");
    cr_expect(weight.rank == 2 && weight.shape[0] == 2 && weight.shape[1] == 3);
    cr_expect_str_eq(bias.name, "fc.bias");
    cr_expect(bias.rank == 1 && bias.shape[0] == 2);
    cr_expect(layer.weight == weight.param && layer.bias == bias.param);
}

/* pytorch.org/docs, torch.nn.Linear: both from U(-sqrt(k), sqrt(k)), k = 1/in_features. */
Test(layer, initial_values_fill_one_over_root_of_fan_in) {
    nn_layer_add(model, "fc", &(nn_layer_config){.inputs = 16, .outputs = 1000});
    double       largest = 0, mean = 0, square = 0;
    const double n = (double)nn_model_count(model);
    for (size_t i = 0; i < nn_model_count(model); i++) {
        const double w = ad_value(nn_model_params(model)[i]);
        largest = fmax(largest, fabs(w)), mean += w / n, square += w * w / n;
    }
    cr_expect(largest <= 0.25 && largest > 0.2499, "%g", largest);
    cr_expect(fabs(mean) < 4 * 0.25 / sqrt(3 * n), "%g", mean); /* four standard errors */
    /* the variance of U(+-b): b^2/3 */
    cr_expect_float_eq(square, 0.25 * 0.25 / 3, 0.02 * 0.25 * 0.25 / 3);
}

Test(layer, rules_of_weight_and_bias_are_the_callers) {
    const nn_layer layer =
        nn_layer_add(model, "fc",
                     &(nn_layer_config){
                         .inputs = 2, .outputs = 3, .weight = nn_init_ones, .bias = nn_init_zeros});
    for (int i = 0; i < 6; i++) cr_expect_eq(ad_value(layer.weight[i]), 1);
    for (int i = 0; i < 3; i++) cr_expect_eq(ad_value(layer.bias[i]), 0);
}

Test(layer, output_is_activation_of_weight_times_input_plus_bias) {
    enum { N = 5, M = 4 };
    const nn_layer layer = nn_layer_add(
        model, "fc", &(nn_layer_config){.inputs = N, .outputs = M, .activation = ad_tanh});
    ad_var x[N], y[M];
    for (int i = 0; i < N; i++) x[i] = ad_num(0.5 * i - 1);
    nn_layer_forward(&layer, x, y);
    for (int j = 0; j < M; j++) {
        double z = ad_value(layer.bias[j]);
        for (int i = 0; i < N; i++) z += ad_value(layer.weight[j * N + i]) * ad_value(x[i]);
        cr_expect_float_eq(ad_value(y[j]), tanh(z), 1e-15);
    }
}

/* dC/dW = (dC/dz) x^T, dC/db = dC/dz, dC/dx = W^T dC/dz, for C = sum of c[j]*z[j]. */
Test(layer, gradient_is_an_outer_product) {
    enum { N = 3, M = 2 };
    const nn_layer layer = nn_layer_add(model, "fc", &(nn_layer_config){.inputs = N, .outputs = M});
    ad_var         x[N], y[M];
    const ad_var   c[M] = {ad_num(2), ad_num(-3)};
    for (int i = 0; i < N; i++) x[i] = ad_input(tape, i + 1);
    nn_layer_forward(&layer, x, y);
    ad_backward(ad_dot(M, c, y));
    for (int j = 0; j < M; j++) {
        for (int i = 0; i < N; i++)
            cr_expect_eq(ad_grad(layer.weight[j * N + i]), ad_value(c[j]) * ad_value(x[i]));
        cr_expect_eq(ad_grad(layer.bias[j]), ad_value(c[j]));
    }
    for (int i = 0; i < N; i++)
        cr_expect_float_eq(ad_grad(x[i]),
                           2 * ad_value(layer.weight[i]) - 3 * ad_value(layer.weight[N + i]),
                           1e-15);
}

static void expect_refused(const char *name, const nn_layer_config *config, const char *word) {
    const nn_layer layer = nn_layer_add(model, name, config);
    cr_expect(layer.weight == NULL && layer.bias == NULL);
    cr_expect_eq(nn_model_status(model), AD_BAD_ARGUMENT);
    cr_expect(strstr(nn_model_message(model), word) != NULL, "%s", nn_model_message(model));
    nn_model_clear(model);
}

Test(layer, bad_arguments_are_refused_with_a_sentence) {
    char name[2000];
    memset(name, 'n', sizeof name - 1);
    name[sizeof name - 1] = '\0';
    expect_refused(NULL, &(nn_layer_config){.inputs = 1, .outputs = 1}, "name");
    expect_refused("fc", NULL, "configuration");
    expect_refused("fc", &(nn_layer_config){.inputs = 0, .outputs = 1}, "fc.weight");
    expect_refused("fc", &(nn_layer_config){.inputs = 1, .outputs = 0}, "fc.weight");
    expect_refused(name, &(nn_layer_config){.inputs = 1, .outputs = 1}, "too long");
}

Test(layer, failed_model_gets_no_layer) {
    nn_param(model, "", 0, NULL, nn_init_uniform(0, 1));
    const size_t before = ad_tape_length(tape);
    cr_expect_null(nn_layer_add(model, "fc", &(nn_layer_config){.inputs = 2, .outputs = 2}).weight);
    cr_expect_eq(ad_tape_length(tape), before);
    cr_expect_null(nn_layer_add(NULL, "fc", &(nn_layer_config){.inputs = 2, .outputs = 2}).weight);
}

Test(layer, without_a_bias_there_is_the_weight_alone) {
    const nn_layer layer = nn_layer_add(model, "fc",
                                        &(nn_layer_config){.inputs = 3,
                                                           .outputs = 2,
                                                           .weight = nn_init_ones,
                                                           .activation = ad_relu,
                                                           .without_bias = true});
    ad_var         y[2];
    cr_expect_eq(nn_model_arrays(model), 1u);
    cr_expect(layer.weight != NULL && layer.bias == NULL);
    nn_layer_forward(&layer, (const ad_var[]){ad_num(1), ad_num(2), ad_num(4)}, y);
    cr_expect(ad_value(y[0]) == 7 && ad_value(y[1]) == 7);
    nn_layer_forward(&layer, (const ad_var[]){ad_num(1), ad_num(2), ad_num(-4)}, y);
    cr_expect_eq(ad_value(y[0]), 0);
}
