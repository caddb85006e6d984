/* chain.c - x = x*a + b, 10^7 operations, one call an operation: the price of recording and sweeping
 * when the arithmetic costs nothing. By hand: the same loop with an array for x, and its adjoint. */
#include "engine/ad.h"

#include "bench.h"

enum { STEPS = 5000000 };      /* two operations each */

typedef struct work {
    ad_tape *tape;
    ad_mark  leaves;
    ad_var   x, a, b;
    double  *before;           /* x before each step, for the hand-written adjoint */
} work;

static double by_hand(void *context) {
    work *w = context;
    const double a = ad_value(w->a), b = ad_value(w->b);
    double x = ad_value(w->x);
    for (int i = 0; i < STEPS; i++) {
        w->before[i] = x;
        x = x*a + b;
    }
    double dx = 1, da = 0, db = 0;
    for (int i = STEPS; i-- > 0;) {
        db += dx;
        da += dx*w->before[i];
        dx *= a;
    }
    return x + da + db + dx;
}

static double by_tape(void *context) {
    work *w = context;
    ad_tape_rewind(w->tape, w->leaves);
    ad_var x = w->x;
    for (int i = 0; i < STEPS; i++) x = ad_add(ad_mul(x, w->a), w->b);
    ad_backward(x);
    return ad_value(x) + ad_grad(w->a) + ad_grad(w->b) + ad_grad(w->x);
}

int main(void) {
    work w = {.tape = ad_tape_new(), .before = malloc(STEPS*sizeof(double))};
    w.x = ad_input(w.tape, 0.3), w.a = ad_input(w.tape, 0.999999), w.b = ad_input(w.tape, 1e-6);
    w.leaves = ad_tape_mark(w.tape);
    const int failed = bench_pair("x = x*a + b, record and reverse, tape warm, per operation", 4.2,
                                  by_hand, by_tape, &w, 11, 1e9/(2*STEPS), "ns", 1e-10);
    printf("  nodes %zu, bytes held %.1f a node\n", ad_tape_length(w.tape),
           (double)ad_tape_bytes(w.tape)/(double)ad_tape_length(w.tape));
    const int bad = ad_tape_status(w.tape) != AD_OK;
    ad_tape_free(w.tape);
    free(w.before);
    return failed || bad;
}
