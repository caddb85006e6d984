/* network.c - one example of a 64-64-32-10 tanh network with softmax cross-entropy: weights kept
 * below a mark, the example recorded with dot nodes, swept and forgotten. By hand: the same example
 * in plain C, forward and backward (mlp.h). */
#include "mlp.h"

enum { LABEL = 7, REPEATS = 200 };

typedef struct work {
    ad_tape *tape;
    ad_mark  leaves;
    size_t   params;
    ad_var  *param;
    double  *weight, *by_hand, *by_tape; /* the gradients, then the loss */
    double   row[MLP_ROW];
} work;

static double by_tape_once(work *w) {
    ad_tape_rewind(w->tape, w->leaves);
    ad_var        a[MLP_WIDEST], z[MLP_WIDEST];
    const ad_var *p = w->param;
    for (int i = 0; i < 64; i++) a[i] = ad_num(w->row[i]);
    for (int l = 0; l < MLP_LAYERS; l++) {
        const size_t n = (size_t)mlp_size[l], m = (size_t)mlp_size[l + 1];
        for (size_t j = 0; j < m; j++) z[j] = ad_dot(n, p + j * n, a);
        for (size_t j = 0; j < m; j++) z[j] = ad_add(z[j], p[m * n + j]);
        for (size_t j = 0; j < m; j++) a[j] = l == MLP_LAYERS - 1 ? z[j] : ad_tanh(z[j]);
        p += m * n + m;
    }
    const ad_var loss = ad_sub(ad_logsumexp(MLP_CLASSES, a), a[LABEL]);
    ad_gradient(loss, w->params, w->param, w->by_tape);
    return ad_value(loss);
}

static double by_hand(void *context) {
    work *w = context;
    for (int i = 0; i < REPEATS; i++)
        w->by_hand[w->params] = mlp_example(w->weight, w->row, w->by_hand);
    return w->by_hand[w->params];
}

static double by_tape(void *context) {
    work *w = context;
    for (int i = 0; i < REPEATS; i++) w->by_tape[w->params] = by_tape_once(w);
    return w->by_tape[w->params];
}

int main(void) {
    const size_t n = mlp_params();
    work         w = {.tape = ad_tape_new(),
                      .params = n,
                      .weight = mlp_weights(),
                      .by_hand = bench_numbers(n + 1),
                      .by_tape = bench_numbers(n + 1),
                      .row[64] = LABEL};
    w.param = bench_leaves(w.tape, n, w.weight);
    for (int i = 0; i < 64; i++) w.row[i] = i % 17 / 16.0;
    w.leaves = ad_tape_mark(w.tape);
    const int failed =
        bench_arrays("64-64-32-10 tanh, cross-entropy, one example with its gradient", 2.5, by_hand,
                     by_tape, &w, n + 1, w.by_hand, w.by_tape, 31, 1e6 / REPEATS, "us", 1e-11);
    const int bad = ad_tape_status(w.tape) != AD_OK;
    ad_tape_free(w.tape);
    free(w.param), free(w.weight), free(w.by_hand), free(w.by_tape);
    return failed || bad;
}
