/* dropout.c - dropout by numbers of the row, so that it is recorded: the same program drops other
 * units in every row, and none in rows whose masks are below 0. */
#include "nn.h"
#include "text.h"

#include <math.h>

/* The error goes to the tape of any of the handles; plain numbers have none. */
static void refuse(size_t n, const ad_var x[], const ad_var mask[], const char *sentence) {
    ad_tape *tape = NULL;
    for (size_t i = 0; i < n && tape == NULL; i++)
        tape = mask[i].tape != NULL ? mask[i].tape : x[i].tape;
    if (tape != NULL) ad_tape_fail(tape, AD_BAD_ARGUMENT, sentence);
}

static bool usable(size_t n, const ad_var x[], const ad_var mask[], double rate) {
    char   text[NN__MESSAGE];
    size_t i = 0;
    while (i < n && !isnan(ad_value(mask[i]))) i++;
    if (!(rate >= 0 && rate < 1))
        nn__say(AD_BAD_ARGUMENT, text,
                "nn_dropout: the rate is %g: it must be at least 0 and below 1", rate);
    else if (i < n)
        nn__say(AD_BAD_ARGUMENT, text, "nn_dropout: mask %zu of %zu (from 0) is nan", i, n);
    else return true;
    refuse(n, x, mask, text);
    return false;
}

/* What x is multiplied by: 1 for a mask below 0, else 0 for one below the rate, else 1/(1 - rate),
 * which no mask exceeds; the maximum is there for NaN, which a later row may have. */
static ad_var factor(ad_var mask, double rate) {
    const ad_var kept = ad_max(ad_num(1 / (1 - rate)), mask);
    return ad_where(ad_less(mask, ad_num(rate)), ad_less(mask, ad_num(0)), kept);
}

void nn_dropout(size_t n, const ad_var x[], const ad_var mask[], double rate, ad_var y[]) {
    const bool good = usable(n, x, mask, rate);
    for (size_t i = 0; i < n; i++) y[i] = good ? ad_mul(x[i], factor(mask[i], rate)) : ad_num(NAN);
}
