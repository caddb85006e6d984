/* kinks.c - what the engine takes for a derivative where there is none: at kinks, ties and jumps. */
#include "engine/ad.h"

static double slope(ad_var (*f)(ad_var), double at) {
    ad_tape *tape = ad_tape_new();
    ad_var   x = ad_input(tape, at);
    ad_backward(f(x));
    const double d = ad_grad(x);
    ad_tape_free(tape);
    return d;
}

static ad_var by_two(ad_var x) {
    return ad_fmod(x, ad_num(2));
}

static void tie(const char *name, ad_var (*f)(ad_var, ad_var)) {
    ad_tape *tape = ad_tape_new();
    ad_var   x = ad_input(tape, 3), y = ad_input(tape, 3);
    ad_backward(f(x, y));
    printf("%-12s at x = y    %g to x, %g to y\n", name, ad_grad(x), ad_grad(y));
    ad_tape_free(tape);
}

int main(void) {
    printf("%-12s at 0        %g\n", "relu", slope(ad_relu, 0));
    printf("%-12s at 0        %g\n", "leaky_relu", slope(ad_leaky_relu, 0));
    printf("%-12s at 0        %g\n", "abs", slope(ad_abs, 0));
    printf("%-12s at 0        %g\n", "elu", slope(ad_elu, 0));
    printf("%-12s at 1        %g\n", "floor", slope(ad_floor, 1));
    printf("%-12s at 1        %g\n", "round", slope(ad_round, 1));
    printf("%-12s at 2        %g\n", "fmod by 2", slope(by_two, 2));
    tie("min", ad_min);
    tie("max", ad_max);
    tie("less", ad_less);
}
