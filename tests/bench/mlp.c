/* mlp.c - minibatches: a 64-64-32-10 tanh network with softmax cross-entropy (mlp.h), its mean loss
 * and gradient over 64 and over 1000 examples, an example a row, and over one. */
#include "mlp.h"

typedef struct work {
    ad_program *program;
    size_t      rows;
    double     *weight, *row, *grad_by_hand, *grad;
} work;

static double by_hand(void *context) {
    work *w = context;
    return mlp_by_hand(w->weight, w->rows, w->row, w->grad_by_hand);
}

static double by_tapir(void *context) {
    work           *w = context;
    double          mean = 0;
    const ad_status status =
        ad_program_gradient(w->program, w->weight, w->rows, w->row, &mean, w->grad);
    return bench_result(w->program, status, mean);
}

static int batch(work *w, const char *title, size_t rows, double wanted, int runs) {
    w->rows = rows;
    const int failed =
        bench_arrays(title, wanted, by_hand, by_tapir, w, mlp_params(), w->grad_by_hand, w->grad,
                     runs, 1e6 / (double)rows, "us", 1e-11);
    if (!failed && rows > 1)
        printf("  wanted of tapir, at most 0.9 us; mean loss %.12f\n\n", by_hand(w));
    return failed;
}

int main(void) {
    bench_threads(1);
    work      w = {mlp_compile(),
                   0,
                   mlp_weights(),
                   mlp_rows(1000),
                   bench_numbers(mlp_params()),
                   bench_numbers(mlp_params())};
    const int failed =
        batch(&w, "64-64-32-10 tanh, cross-entropy, batch of 64, per example", 64, 0.25, 101) |
        batch(&w, "64-64-32-10 tanh, cross-entropy, batch of 1000, per example", 1000, 0.25, 31) |
        batch(&w, "64-64-32-10 tanh, cross-entropy, one example", 1, 1, 101);
    ad_program_free(w.program);
    free(w.weight), free(w.row), free(w.grad_by_hand), free(w.grad);
    return failed;
}
