/* sincos.c - 10^6 steps of x = sin(x)*x + a*x + exp(-x*x), s = s + x: nine operations a step, three
 * of them costly. By hand: the values a step needs again are kept, the adjoint walks back. */
#include "engine/ad.h"

#include "bench.h"

enum { STEPS = 1000000, OPERATIONS = 9 };

typedef struct work {
    ad_tape *tape;
    ad_mark  leaves;
    ad_var   x, a;
    struct { double x, sine, bell; } *kept;
} work;

static double by_hand(void *context) {
    work *w = context;
    const double a = ad_value(w->a);
    double x = ad_value(w->x), s = 0;
    for (int i = 0; i < STEPS; i++) {
        const double sine = sin(x), bell = exp(-x*x);
        w->kept[i].x = x, w->kept[i].sine = sine, w->kept[i].bell = bell;
        x = sine*x + a*x + bell;
        s += x;
    }
    double dx = 0, da = 0;
    for (int i = STEPS; i-- > 0;) {
        const double before = w->kept[i].x;
        dx += 1;                                                /* s = s + x */
        da += dx*before;
        dx *= w->kept[i].sine + before*cos(before) + a - 2*before*w->kept[i].bell;
    }
    return s + da + dx;
}

static double by_tape(void *context) {
    work *w = context;
    ad_tape_rewind(w->tape, w->leaves);
    ad_var x = w->x, s = ad_num(0);
    for (int i = 0; i < STEPS; i++) {
        const ad_var wave = ad_add(ad_mul(ad_sin(x), x), ad_mul(w->a, x));
        x = ad_add(wave, ad_exp(ad_neg(ad_mul(x, x))));
        s = ad_add(s, x);
    }
    ad_backward(s);
    return ad_value(s) + ad_grad(w->a) + ad_grad(w->x);
}

int main(void) {
    work w = {.tape = ad_tape_new(), .kept = malloc(STEPS*sizeof *w.kept)};
    w.x = ad_input(w.tape, 0.5), w.a = ad_input(w.tape, 0.3);
    w.leaves = ad_tape_mark(w.tape);
    const int failed = bench_pair("x = sin(x)*x + a*x + exp(-x*x), s = s + x, per operation", 2.6, by_hand,
                                  by_tape, &w, 11, 1e9/((double)STEPS*OPERATIONS), "ns", 1e-8);
    const int bad = ad_tape_status(w.tape) != AD_OK;
    ad_tape_free(w.tape);
    free(w.kept);
    return failed || bad;
}
