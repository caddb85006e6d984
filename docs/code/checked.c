/* checked - a gradient written by hand, checked without any tape; then a recorded one.
 * Shown in docs/checking.md. */
#include "engine/ad.h"

#include <math.h>

/* cos(x0*x1) is right in the first line and forgotten in the second. */
static double f(size_t n, const double x[], void *context) {
    (void)n, (void)context;
    return sin(x[0]*x[1]);
}

static void by_hand(void) {
    const double x[]    = {2, 0.7};
    const double grad[] = {cos(2*0.7)*0.7, 2};
    ad_check_report *report = ad_check_function(f, NULL, 2, x, grad, NULL);
    ad_check_print(report, AD_TEXT, stdout);
    ad_check_free(report);
}

static int recorded(void) {
    ad_tape *tape = ad_tape_new();
    ad_var   x[]  = {ad_input(tape, 2), ad_input(tape, 0.7)};
    ad_var   y    = ad_sin(ad_mul(x[0], x[1]));
    ad_check_report *report = ad_check(y, 2, x, NULL, NULL);
    const bool wrong = ad_check_verdict(report) == AD_FAIL;
    ad_check_free(report);
    ad_tape_free(tape);
    return wrong;
}

int main(void) {
    by_hand();
    return recorded();
}
