/* rosenbrock.c - the sum over i of 100*(x[i+1] - x[i]^2)^2 + (1 - x[i])^2 for n = 10^6: many
 * inputs, shared neighbours, plain numbers as operands; eight operations a term. */
#include "rosenbrock.h"
#include "bench.h"

enum { N = 1000000, OPERATIONS = 8 };

typedef struct work {
    ad_tape *tape;
    ad_mark  leaves;
    ad_var  *x;
    double  *at, *by_hand, *by_tape; /* the gradients, then the value */
} work;

static double by_hand(void *context) {
    work *w = context;
    return rosenbrock_by_hand(N, w->at, w->by_hand);
}

static double by_tape(void *context) {
    work *w = context;
    ad_tape_rewind(w->tape, w->leaves);
    ad_var s = ad_num(0);
    for (int i = 0; i + 1 < N; i++) {
        const ad_var t = ad_sub(w->x[i + 1], ad_mul(w->x[i], w->x[i])),
                     u = ad_sub(ad_num(1), w->x[i]);
        s = ad_add(ad_add(s, ad_mul(ad_mul(ad_num(100), t), t)), ad_mul(u, u));
    }
    ad_gradient(s, N, w->x, w->by_tape);
    return w->by_tape[N] = ad_value(s);
}

int main(void) {
    work w = {.tape = ad_tape_new(),
              .x = malloc(N * sizeof *w.x),
              .at = bench_numbers(N),
              .by_hand = bench_numbers(N + 1),
              .by_tape = bench_numbers(N + 1)};
    for (int i = 0; i < N; i++) w.x[i] = ad_input(w.tape, w.at[i] = sin(0.1 * i));
    w.leaves = ad_tape_mark(w.tape);
    const int failed = bench_arrays("Rosenbrock, n = 10^6, record and gradient, per operation (8 "
                                    "ns an operation at most, 6 wanted; no ratio)",
                                    INFINITY, by_hand, by_tape, &w, N + 1, w.by_hand, w.by_tape, 11,
                                    1e9 / ((double)N * OPERATIONS), "ns", 1e-10);
    const int bad = ad_tape_status(w.tape) != AD_OK;
    ad_tape_free(w.tape);
    free(w.x), free(w.at), free(w.by_hand), free(w.by_tape);
    return failed || bad;
}
