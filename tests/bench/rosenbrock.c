/* rosenbrock.c - the sum over i of 100*(x[i+1] - x[i]^2)^2 + (1 - x[i])^2 for n = 10^6: many inputs,
 * shared neighbours, plain numbers as operands; eight operations a term. */
#include "engine/ad.h"

#include "bench.h"

enum { N = 1000000, OPERATIONS = 8 };

typedef struct work {
    ad_tape *tape;
    ad_mark  leaves;
    ad_var  *x;
    double  *at, *grad;
} work;

static double checksum(double value, const double grad[]) {
    double sum = value;
    for (int i = 0; i < N; i++) sum += fabs(grad[i]);
    return sum;
}

static double by_hand(void *context) {
    work *w = context;
    const double *x = w->at;
    double *g = w->grad, value = 0;
    g[0] = 0;
    for (int i = 0; i + 1 < N; i++) {
        const double t = x[i + 1] - x[i]*x[i], u = 1 - x[i];
        value += 100*t*t + u*u;
        g[i] += -400*t*x[i] - 2*u;
        g[i + 1] = 200*t;
    }
    return checksum(value, g);
}

static double by_tape(void *context) {
    work *w = context;
    ad_tape_rewind(w->tape, w->leaves);
    ad_var s = ad_num(0);
    for (int i = 0; i + 1 < N; i++) {
        const ad_var t = ad_sub(w->x[i + 1], ad_mul(w->x[i], w->x[i])), u = ad_sub(ad_num(1), w->x[i]);
        s = ad_add(ad_add(s, ad_mul(ad_mul(ad_num(100), t), t)), ad_mul(u, u));
    }
    ad_gradient(s, N, w->x, w->grad);
    return checksum(ad_value(s), w->grad);
}

int main(void) {
    work w = {.tape = ad_tape_new(), .x = malloc(N*sizeof *w.x), .at = malloc(N*sizeof *w.at),
              .grad = malloc(N*sizeof *w.grad)};
    for (int i = 0; i < N; i++) w.x[i] = ad_input(w.tape, w.at[i] = sin(0.1*i));
    w.leaves = ad_tape_mark(w.tape);
    const int failed = bench_pair("Rosenbrock, n = 10^6, record and gradient, per operation (8 ns an operation "
                                  "at most, 6 wanted; no ratio)", INFINITY, by_hand, by_tape, &w, 11,
                                  1e9/((double)N*OPERATIONS), "ns", 1e-10);
    const int bad = ad_tape_status(w.tape) != AD_OK;
    ad_tape_free(w.tape);
    free(w.x), free(w.at), free(w.grad);
    return failed || bad;
}
