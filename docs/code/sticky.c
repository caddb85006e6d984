/* sticky.c - the first error stays on the tape until it is asked for. */
#include <stdio.h>
#include "engine/ad.h"

int main(void) {
    ad_tape *tape = ad_tape_new();
    ad_var   w = ad_input(tape, 0.5), x = ad_num(2);

    ad_var   h = ad_formula(tape, tanh(w*x + bias), w, x);         /* what is bias? */
    ad_var   loss = ad_mul(h, h);                                  /* does nothing now */
    ad_backward(loss);
    printf("%g\n%s\n", ad_value(loss), ad_tape_message(tape));

    ad_tape_clear(tape);                                           /* and all is well again */
    ad_backward(ad_formula(tape, tanh(w*x), w, x));
    printf("%.4f\n", ad_grad(w));
    ad_tape_free(tape);
}
