/* derivatives.c - the programs of docs/derivatives.md: directions, second derivatives, any order, and an
 * operation of one's own. */
#include "engine/ad.h"

#include <math.h>
#include <stdio.h>

static void directions(ad_tape *tape) {
    ad_var x[] = {ad_input(tape, -1.2), ad_input(tape, 1)};
    ad_var f = ad_parse(tape, "100*(b - a^2)^2 + (1 - a)^2", 2, "a, b", x);
    double direction[] = {1, 0.5}, h[4], hv[2];

    printf("along (1, 0.5)  %g\n", ad_tangent(f, 2, x, direction));
    ad_hessian(f, 2, x, h);
    printf("Hessian         %g %g; %g %g\n", h[0], h[1], h[2], h[3]);
    ad_hessian_times(f, 2, x, direction, hv);
    printf("H*(1, 0.5)      %g %g\n", hv[0], hv[1]);
}

static void any_order(ad_tape *tape) {
    ad_var x = ad_input(tape, 0.5), d = ad_sin(x);
    printf("sin 0.5, and its derivatives:");
    for (int order = 0; order <= 4; order++) {
        printf(" %.4f", ad_value(d));
        ad_record_gradient(d, 1, &x, &d);
    }
    printf("\n");
}

/* y*tanh(x/y): x, softly kept between -y and y. */
static double cap(size_t n, const double x[], void *context) {
    (void)n, (void)context;
    return x[1]*tanh(x[0]/x[1]);
}
static void cap_partials(size_t n, const double x[], double v, double partial[], void *context) {
    (void)n, (void)context;
    const double t = v/x[1];
    partial[0] = 1 - t*t;
    partial[1] = t - partial[0]*x[0]/x[1];
}
static const ad_custom_op softcap = {.name = "softcap", .operands = 2, .value = cap, .partials = cap_partials};

static void own_operation(ad_tape *tape) {
    ad_var x = ad_input(tape, 40);
    ad_tape_define(tape, &softcap, NULL);
    ad_var y = ad_formula(tape, softcap(x, 30)^2, x);
    ad_backward(y);
    printf("softcap(40, 30)^2 = %g, derivative %g\n", ad_value(y), ad_grad(x));
}

int main(void) {
    ad_tape *tape = ad_tape_new();
    directions(tape);
    any_order(tape);
    own_operation(tape);
    const int failed = ad_tape_status(tape) != AD_OK;
    if (failed) fprintf(stderr, "%s\n", ad_tape_message(tape));
    ad_tape_free(tape);
    return failed;
}
