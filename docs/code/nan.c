/* nan.c - a loss that is not a number, and where it comes from. */
#define AD_TRACE_SOURCE
#include "engine/ad.h"

int main(void) {
    ad_tape *tape = ad_tape_new();
    ad_var   w = ad_input(tape, 0.25), x = ad_input(tape, -3);
    ad_name(w, "w");
    ad_name(x, "x");
    ad_var chance = ad_formula(tape, 0.5 + w*x, w, x);
    ad_var surprise = ad_log(chance);
    ad_var loss = ad_neg(surprise);
    ad_name(loss, "loss");
    ad_explain_nonfinite(loss, stdout);
    ad_tape_free(tape);
}
