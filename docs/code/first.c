/* first.c - the program of the guide's first chapter: one neuron, and one step of learning. */
#include <stdio.h>
#include "engine/ad.h"

int main(void) {
    ad_tape *tape = ad_tape_new();
    ad_var   w = ad_input(tape, 0.5), b = ad_input(tape, -1);      /* to be learned */
    ad_var   x = ad_num(2), t = ad_num(1);                         /* given: an example */

    ad_var   h = ad_formula(tape, tanh(w*x + b), w, x, b);
    ad_var   loss = ad_formula(tape, (h - t)^2, h, t);
    ad_backward(loss);
    printf("loss %.4f, dloss/dw %.4f, dloss/db %.4f\n", ad_value(loss), ad_grad(w), ad_grad(b));

    ad_set(w, ad_value(w) - 0.1*ad_grad(w));
    ad_set(b, ad_value(b) - 0.1*ad_grad(b));
    ad_replay(tape);
    printf("loss %.4f after a step against the gradient\n", ad_value(loss));
    ad_tape_free(tape);
}
