/* mlp.c - tests of nn/mlp.c. */
#include "nn/nn.h"
#include "written.h"

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

TestSuite(mlp, .init = make, .fini = drop);

Test(mlp, layers_are_numbered_from_zero) {
    const size_t sizes[] = {4, 3, 2};
    nn_mlp      *mlp = nn_mlp_new(model, &(nn_mlp_config){.layers = 2, .sizes = sizes});
    const char  *names[] = {"layers.0.weight", "layers.0.bias", "layers.1.weight", "layers.1.bias"};
    cr_assert_eq(nn_model_arrays(model), 4u);
    for (size_t i = 0; i < 4; i++) cr_expect_str_eq(nn_model_array(model, i).name, names[i]);
    cr_expect_eq(nn_model_count(model), (size_t)(3 * 4 + 3 + 2 * 3 + 2));
    nn_mlp_free(mlp);
}

Test(mlp, two_networks_in_one_model_have_names_of_their_own) {
    const size_t sizes[] = {2, 1};
    nn_mlp *one = nn_mlp_new(model, &(nn_mlp_config){.layers = 1, .sizes = sizes, .name = "actor"});
    nn_mlp *two =
        nn_mlp_new(model, &(nn_mlp_config){.layers = 1, .sizes = sizes, .name = "critic"});
    cr_assert(one != NULL && two != NULL, "%s", nn_model_message(model));
    cr_expect_str_eq(nn_model_array(model, 2).name, "critic.0.weight");
    nn_mlp_free(one), nn_mlp_free(two);
}

Test(mlp, each_layer_records_in_a_scope_of_its_name) {
    const size_t sizes[] = {2, 3, 1};
    nn_mlp *mlp = nn_mlp_new(model, &(nn_mlp_config){.layers = 2, .sizes = sizes, .name = "actor"});
    ad_var  x[] = {ad_input(tape, 1), ad_input(tape, 2)}, y;
    nn_mlp_forward(mlp, x, &y);
    const ad_var out = ad_mul(y, y);
    const char  *json = written(ad_explain_json, out, NULL);
    cr_expect_eq(count_of(json, "\"scope\":\"actor.0\""), 3 * 3u); /* dot, add, tanh */
    cr_expect_eq(count_of(json, "\"scope\":\"actor.1\""), 2u);
    cr_expect_eq(count_of(json, "\"scope\":\"actor.1.weight\""), 3u);
    /* arrays and layers */
    cr_expect_eq(count_of(written(ad_draw_dot, out, NULL), "subgraph"), 4u + 2u);
    nn_mlp_free(mlp);
}

Test(mlp, a_drawing_of_a_large_network_folds_into_its_layers) {
    const size_t sizes[] = {4, 16, 8, 1};
    nn_mlp      *mlp = nn_mlp_new(model, &(nn_mlp_config){.layers = 3, .sizes = sizes});
    ad_var       y, x[4];
    for (int i = 0; i < 4; i++) x[i] = ad_input(tape, i);
    nn_mlp_forward(mlp, x, &y);
    const char *svg = written(ad_draw_svg, ad_mul(y, y), NULL);
    cr_expect(strstr(svg, "layers.0.weight: 64 inputs") != NULL &&
                  strstr(svg, "layers.0: 48 operations") != NULL,
              "%s", svg);
    cr_expect(strstr(svg, "layers.1: 24 operations") != NULL);
    cr_expect(strstr(svg, "stretch") == NULL);
    nn_mlp_free(mlp);
}

Test(mlp, recording_again_takes_no_memory) {
    const size_t  sizes[] = {2, 3, 1};
    nn_mlp       *mlp = nn_mlp_new(model, &(nn_mlp_config){.layers = 2, .sizes = sizes});
    const ad_mark mark = ad_tape_mark(tape);
    size_t        bytes = 0;
    for (int round = 0; round < 10; round++) {
        ad_var y, x[] = {ad_num(1), ad_num(round)};
        nn_mlp_forward(mlp, x, &y);
        ad_tape_rewind(tape, mark);
        if (round == 0) bytes = ad_tape_bytes(tape);
    }
    cr_expect_eq(ad_tape_bytes(tape), bytes);
    nn_mlp_free(mlp);
}

/* In plain C from the parameters in their order: weights of a layer row by row, then its biases. */
static void forward_by_hand(size_t layers, const size_t sizes[], const double x[],
                            double (*hidden)(double), double out[]) {
    const ad_var *p = nn_model_params(model);
    double        a[16], z[16];
    memcpy(a, x, sizes[0] * sizeof *a);
    for (size_t l = 0; l < layers; l++) {
        const size_t n = sizes[l], m = sizes[l + 1];
        for (size_t j = 0; j < m; j++) {
            z[j] = ad_value(p[m * n + j]);
            for (size_t i = 0; i < n; i++) z[j] += ad_value(p[j * n + i]) * a[i];
            if (l + 1 < layers) z[j] = hidden(z[j]);
        }
        memcpy(a, z, m * sizeof *a);
        p += m * n + m;
    }
    memcpy(out, a, sizes[layers] * sizeof *out);
}

static double relu(double z) {
    return z > 0 ? z : 0;
}

static void expect_forward(size_t layers, const size_t sizes[], nn_activation *hidden,
                           double (*by_hand)(double)) {
    nn_mlp *mlp =
        nn_mlp_new(model, &(nn_mlp_config){.layers = layers, .sizes = sizes, .hidden = hidden});
    double x[16], want[16];
    ad_var input[16], output[16];
    for (size_t i = 0; i < sizes[0]; i++) input[i] = ad_num(x[i] = sin(1.0 + (double)i));
    forward_by_hand(layers, sizes, x, by_hand, want);
    nn_mlp_forward(mlp, input, output);
    for (size_t i = 0; i < sizes[layers]; i++)
        cr_expect_float_eq(ad_value(output[i]), want[i], 1e-15);
    nn_mlp_free(mlp);
}

Test(mlp, hidden_units_are_tanh_and_the_last_are_linear) {
    const size_t sizes[] = {5, 7, 3, 6, 2}; /* widths that go up and down */
    expect_forward(4, sizes, NULL, tanh);
}

Test(mlp, relu_network_equals_plain_loops) {
    const size_t sizes[] = {3, 8, 8, 4};
    expect_forward(3, sizes, ad_relu, relu);
}

Test(mlp, one_layer_is_a_linear_map) {
    const size_t sizes[] = {3, 2};
    expect_forward(1, sizes, NULL, tanh);
}

/* XOR: impossible with one layer; these weights compute it with two. */
Test(mlp, xor_with_given_weights) {
    const size_t sizes[] = {2, 2, 1};
    const double w[] = {1, 1, 1, 1, 0, -1, 1, -2, 0}; /* Goodfellow et al., Deep Learning, 6.1 */
    nn_mlp      *mlp =
        nn_mlp_new(model, &(nn_mlp_config){.layers = 2, .sizes = sizes, .hidden = ad_relu});
    for (size_t i = 0; i < 9; i++) ad_set(nn_model_params(model)[i], w[i]);
    for (int k = 0; k < 4; k++) {
        const ad_var x[] = {ad_num(k / 2), ad_num(k % 2)};
        ad_var       y;
        nn_mlp_forward(mlp, x, &y);
        cr_expect_eq(ad_value(y), (k / 2) ^ (k % 2));
    }
    nn_mlp_free(mlp);
}

Test(mlp, example_is_forgotten_by_rewinding_and_the_parameters_stay) {
    const size_t  sizes[] = {2, 3, 1};
    nn_mlp       *mlp = nn_mlp_new(model, &(nn_mlp_config){.layers = 2, .sizes = sizes});
    const ad_mark mark = ad_tape_mark(tape);
    const ad_var  x[] = {ad_num(1), ad_num(2)};
    ad_var        y;
    double        first = NAN;
    for (int i = 0; i < 3; i++) {
        nn_mlp_forward(mlp, x, &y);
        if (i == 0) first = ad_value(y);
        cr_expect_eq(ad_value(y), first);
        ad_tape_rewind(tape, mark);
        cr_expect_eq(ad_tape_length(tape), nn_model_count(model));
    }
    nn_mlp_free(mlp);
}

static void expect_refused(const nn_mlp_config *config, const char *word) {
    cr_expect_null(nn_mlp_new(model, config));
    cr_expect_eq(nn_model_status(model), AD_BAD_ARGUMENT);
    cr_expect(strstr(nn_model_message(model), word) != NULL, "%s", nn_model_message(model));
    nn_model_clear(model);
}

Test(mlp, bad_shapes_are_refused_with_a_sentence) {
    const size_t sizes[] = {2, 0, 1};
    expect_refused(NULL, "no layers");
    expect_refused(&(nn_mlp_config){.layers = 2}, "no layers");
    expect_refused(&(nn_mlp_config){.sizes = sizes}, "no layers");
    expect_refused(&(nn_mlp_config){.layers = 2, .sizes = sizes}, "size 2 of 3 is 0");
}

Test(mlp, null_is_allowed) {
    ad_var x = ad_num(1), y = ad_num(2);
    nn_mlp_forward(NULL, &x, &y);
    cr_expect_eq(ad_value(y), 2);
    nn_mlp_free(NULL);
    cr_expect_null(nn_mlp_new(NULL, NULL));
}
