/* long_chain.c - ten million nodes in a row, and 2^60 paths through sixty. A plain program.
 *
 * Nothing may recurse over the graph or follow its paths: both end as they should, in a time that
 * grows with the number of nodes only. */
#include "engine/ad.h"

#include <math.h>
#include <time.h>

static int failures;

static void check(bool good, const char *claim, double got) {
    if (good) return;
    failures++;
    printf("FAILED: %s (%.17g)\n", claim, got);
}

static double seconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9*(double)now.tv_nsec;
}

/* y = 1 + n/3/2^30, doubled and halved between the additions: values are exact. Seconds a node. */
static double chain(ad_tape *tape, int n) {
    const ad_mark start = ad_tape_mark(tape);
    const double  begin = seconds();
    ad_var        x = ad_input(tape, 1), y = x;
    for (int i = 1; i < n; i++)
        y = i % 3 == 0 ? ad_add(y, ad_num(0x1p-30))
          : i % 3 == 1 ? ad_mul(y, ad_num(2))
                       : ad_mul(y, ad_num(0.5));
    ad_replay(tape);
    ad_backward(y);
    const double each = (seconds() - begin)/n;
    check(ad_tape_status(tape) == AD_OK, ad_tape_message(tape), 0);
    check(ad_tape_length(tape) == (size_t)n, "one node an operation", (double)ad_tape_length(tape));
    const double scale = (n - 1) % 3 == 1 ? 2 : 1;
    check(ad_value(y) == scale*(1 + (n - 1)/3*0x1p-30), "the value at the end of the chain",
          ad_value(y));
    check(ad_grad(x) == scale, "the derivative through the chain", ad_grad(x));
    ad_tape_rewind(tape, start);
    return each;
}

static void paths(ad_tape *tape) {
    const ad_mark start = ad_tape_mark(tape);
    const double  begin = seconds();
    ad_var        x = ad_input(tape, 1), y = x;
    for (int i = 0; i < 60; i++) y = ad_add(y, y);
    ad_backward(y);
    check(ad_value(y) == 0x1p60, "x = x + x sixty times: value", ad_value(y));
    check(ad_grad(x) == 0x1p60, "x = x + x sixty times: derivative", ad_grad(x));
    check(seconds() - begin < 1, "x = x + x sixty times: seconds", seconds() - begin);
    ad_tape_rewind(tape, start);
}

int main(void) {
    ad_tape *tape = ad_tape_new();
    paths(tape);
    chain(tape, 100000);                                         /* warm */
    const double brief = chain(tape, 100000), lengthy = chain(tape, 10000000);
    /* past the caches a node costs a few times more; were the sweep quadratic, a hundred times */
    check(lengthy < 30*brief + 1e-7, "time grows with the number of nodes: ns a node", 1e9*lengthy);
    ad_tape_free(tape);
    return failures != 0;
}
