/* activation.c - tests of nn/activation.c. */
#include "nn/nn.h"

#include "expect.h"
#include <math.h>

static double at(const char *name, double x) {
    nn_activation *f = nn_activation_named(name);
    return f == NULL ? NAN : ad_value(f(ad_num(x)));
}

/* torch.nn.functional's definitions, at a point on either side of 0. */
Test(activation, every_name_gives_its_function) {
    for (double x = -1.5; x <= 2; x += 3.5) {
        cr_expect_float_eq(at("identity", x), x, 0);
        cr_expect_float_eq(at("tanh", x), tanh(x), 1e-16);
        cr_expect_float_eq(at("relu", x), fmax(0, x), 0);
        cr_expect_float_eq(at("leaky_relu", x), x > 0 ? x : 0.01 * x, 0);
        cr_expect_float_eq(at("elu", x), x > 0 ? x : exp(x) - 1, 1e-15);
        cr_expect_float_eq(at("gelu", x), x * 0.5 * (1 + erf(x / sqrt(2))), 1e-15);
        cr_expect_float_eq(at("silu", x), x / (1 + exp(-x)), 1e-15);
        cr_expect_float_eq(at("sigmoid", x), 1 / (1 + exp(-x)), 1e-15);
        cr_expect_float_eq(at("softplus", x), log(1 + exp(x)), 1e-15);
    }
}

Test(activation, any_other_name_is_null) {
    const char *others[] = {"", "Tanh", "tanh ", "maxout", "identit"};
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        cr_expect_null(nn_activation_named(others[i]), "%s", others[i]);
    cr_expect_null(nn_activation_named(NULL));
}

Test(activation, identity_records_nothing) {
    ad_tape *tape = ad_tape_new();
    ad_var   x = ad_input(tape, 3), y = nn_identity(x);
    cr_expect_eq(ad_tape_length(tape), 1u);
    ad_backward(y);
    cr_expect_eq(ad_grad(x), 1);
    ad_tape_free(tape);
}
