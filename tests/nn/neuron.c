/* neuron.c - tests of nn/neuron.c. */
#include "nn/nn.h"

#include "expect.h"
#include <math.h>

static ad_tape *tape;

static void make(void) {
    tape = ad_tape_new();
}
static void drop(void) {
    cr_expect_eq(ad_tape_status(tape), AD_OK, "%s", ad_tape_message(tape));
    ad_tape_free(tape);
}

TestSuite(neuron, .init = make, .fini = drop);

/* cs231n.github.io/optimization-2, "Sigmoid example": w = [2, -3, -3], x = [-1, -2]; the circuit
 * there shows 0.73, and gradients to two decimals. */
Test(neuron, sigmoid_neuron_of_cs231n) {
    const ad_var w[] = {ad_input(tape, 2), ad_input(tape, -3)}, bias = ad_input(tape, -3);
    const ad_var x[] = {ad_input(tape, -1), ad_input(tape, -2)};
    const ad_var y = nn_neuron(2, w, x, bias, ad_sigmoid);
    ad_backward(y);
    cr_expect_float_eq(ad_value(y), 0.73, 0.005);
    cr_expect_float_eq(ad_grad(w[0]), -0.20, 0.005);
    cr_expect_float_eq(ad_grad(w[1]), -0.39, 0.005);
    cr_expect_float_eq(ad_grad(bias), 0.20, 0.005);
    cr_expect_float_eq(ad_grad(x[0]), 0.39, 0.005);
    cr_expect_float_eq(ad_grad(x[1]), -0.59, 0.005);
}

Test(neuron, without_an_activation_it_is_linear) {
    const ad_var w[] = {ad_input(tape, 2), ad_input(tape, -3)}, bias = ad_input(tape, 0.5);
    const ad_var x[] = {ad_num(10), ad_num(100)};
    const ad_var y = nn_neuron(2, w, x, bias, NULL);
    cr_expect_eq(ad_value(y), 2 * 10 - 3 * 100 + 0.5);
    ad_backward(y);
    cr_expect_eq(ad_grad(w[0]), 10);
    cr_expect_eq(ad_grad(w[1]), 100);
    cr_expect_eq(ad_grad(bias), 1);
}

Test(neuron, weighted_sum_is_one_node_whatever_the_number_of_inputs) {
    enum { N = 100 };
    ad_var w[N], x[N];
    for (int i = 0; i < N; i++) w[i] = ad_input(tape, i), x[i] = ad_num(1);
    const ad_var bias = ad_input(tape, 1);
    const size_t before = ad_tape_length(tape);
    cr_expect_eq(ad_value(nn_neuron(N, w, x, bias, NULL)), N * (N - 1) / 2 + 1);
    cr_expect_eq(ad_tape_length(tape), before + 2, "a dot and an addition");
}

Test(neuron, without_inputs_only_the_bias_speaks) {
    const ad_var bias = ad_input(tape, 0.25);
    cr_expect_eq(ad_value(nn_neuron(0, NULL, NULL, bias, ad_tanh)), tanh(0.25));
}
