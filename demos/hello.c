/* hello - exactly the ten lines of README.md; plain.c adds --help and checks the output. */
/* clang-format off */
#include <stdio.h>
#include "engine/ad.h"

int main(void) {
    ad_tape *tape = ad_tape_new();
    ad_var   a = ad_input(tape, 2), b = ad_input(tape, 1);
    ad_var   e = ad_formula(tape, (a + b)*(b + 1), a, b);
    ad_backward(e);
    printf("e = %g, de/da = %g, de/db = %g\n", ad_value(e), ad_grad(a), ad_grad(b));
    ad_tape_free(tape);
}
