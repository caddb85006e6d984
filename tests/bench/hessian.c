/* hessian.c - a Hessian times a direction beside a gradient of the same recorded graph:
 * Rosenbrock's function, n = 10^5, written with products and with powers. At most six gradients are
 * wanted. What is printed for a gradient is ad_gradient alone, without the recording. */
#include "engine/ad.h"

#include "bench.h"

enum { N = 100000, RUNS = 21 };

typedef struct work {
    ad_tape *tape;
    ad_var  *x, y;
    double  *at, *direction, *out, *grad;
} work;

static double gradient(void *context) {
    work *w = context;
    ad_gradient(w->y, N, w->x, w->grad);
    return w->grad[0];
}

static double times(void *context) {
    work *w = context;
    ad_hessian_times(w->y, N, w->x, w->direction, w->out);
    return w->grad[0]; /* what is compared is done once, below, against the formula */
}

static ad_var square(ad_var x, bool powers) {
    return powers ? ad_pow(x, ad_num(2)) : ad_mul(x, x);
}

static ad_var rosenbrock(const ad_var x[], bool powers) {
    ad_var s = ad_num(0);
    for (int i = 0; i + 1 < N; i++)
        s = ad_add(
            s, ad_add(ad_mul(ad_num(100), square(ad_sub(x[i + 1], square(x[i], powers)), powers)),
                      square(ad_sub(ad_num(1), x[i]), powers)));
    return s;
}

/* H*v of the sum over i of 100*(x[i+1] - x[i]^2)^2 + (1 - x[i])^2, by hand. */
static double hand(const double x[], const double v[], int i) {
    double h = 0;
    if (i + 1 < N) h += (1200 * x[i] * x[i] - 400 * x[i + 1] + 2) * v[i] - 400 * x[i] * v[i + 1];
    if (i > 0) h += 200 * v[i] - 400 * x[i - 1] * v[i - 1];
    return h;
}

static int disagrees(const work *w) {
    for (int i = 0; i < N; i++) {
        const double want = hand(w->at, w->direction, i);
        if (!(fabs(w->out[i] - want) <= 1e-9 * (1 + fabs(want)))) {
            printf("H*v[%d] is %.17g, by hand %.17g\n", i, w->out[i], want);
            return 1;
        }
    }
    return 0;
}

static int compare(bool powers) {
    work w = {.tape = ad_tape_new(),
              .at = bench_numbers(N),
              .direction = bench_numbers(N),
              .out = bench_numbers(N),
              .grad = bench_numbers(N)};
    for (int i = 0; i < N; i++) w.at[i] = sin(0.1 * i), w.direction[i] = cos(0.3 * i);
    w.x = bench_leaves(w.tape, N, w.at);
    w.y = rosenbrock(w.x, powers);
    int failed = bench_against(
        powers ? "Rosenbrock with powers, n = 10^5: Hessian times direction, in gradients"
               : "Rosenbrock with products, n = 10^5: Hessian times direction, in gradients",
        "ad_gradient", 6, gradient, times, &w, RUNS, 1e3, "ms", 1e-9);
    failed |= disagrees(&w) || ad_tape_status(w.tape) != AD_OK;
    ad_tape_free(w.tape);
    free(w.at), free(w.direction), free(w.out), free(w.grad), free(w.x);
    return failed;
}

int main(void) {
    return compare(false) | compare(true);
}
