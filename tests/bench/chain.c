/* chain.c - x = x*a + b, 10^7 operations, one call an operation: the price of recording and
 * sweeping when the arithmetic costs nothing. By hand: the same loop and its adjoint. Each x is
 * needed once more, on the way back; only every thousandth is kept, and those between are computed
 * again while the adjoint of the thousand behind them waits for its products, so that nothing
 * leaves the nearest cache. */
#include "bench.h"

enum { STEPS = 5000000, BLOCK = 1000, BLOCKS = STEPS / BLOCK }; /* two operations each */

typedef struct work {
    ad_tape *tape;
    ad_mark  leaves;
    ad_var   x, a, b;
    double   kept[BLOCKS]; /* x before each block, for the hand-written adjoint */
} work;

typedef struct adjoints {
    double x, a, b;
} adjoints;

/* The adjoints of a block whose x were `before`, and the x of another, from x on. */
static adjoints back(adjoints d, const double before[restrict], double a, double b, double x,
                     double again[restrict]) {
    for (int i = 0; i < BLOCK; i++) {
        again[i] = x;
        x = x * a + b;
        d.b += d.x;
        d.a += d.x * before[BLOCK - 1 - i];
        d.x *= a;
    }
    return d;
}

static double by_hand(void *context) {
    work        *w = context;
    const double a = ad_value(w->a), b = ad_value(w->b);
    double       x = ad_value(w->x), before[2][BLOCK] = {{0}}; /* of block k: before[k%2] */
    adjoints     d = {0};
    for (int k = 0; k < BLOCKS; k++) {
        w->kept[k] = x;
        for (int i = 0; i < BLOCK; i++) x = x * a + b;
    }
    back(d, before[BLOCKS % 2], a, b, w->kept[BLOCKS - 1], before[(BLOCKS - 1) % 2]);
    d.x = 1;
    for (int k = BLOCKS; k-- > 0;)
        d = back(d, before[k % 2], a, b, w->kept[k > 0 ? k - 1 : 0], before[(k + 1) % 2]);
    return x + d.a + d.b + d.x;
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
    static work w;
    w.tape = ad_tape_new();
    w.x = ad_input(w.tape, 0.3), w.a = ad_input(w.tape, 0.999999), w.b = ad_input(w.tape, 1e-6);
    w.leaves = ad_tape_mark(w.tape);
    const int failed = bench_pair("x = x*a + b, record and reverse, tape warm, per operation", 4.2,
                                  by_hand, by_tape, &w, 11, 1e9 / (2 * STEPS), "ns", 1e-10);
    printf("  nodes %zu, bytes held %.1f a node\n", ad_tape_length(w.tape),
           (double)ad_tape_bytes(w.tape) / (double)ad_tape_length(w.tape));
    const int bad = ad_tape_status(w.tape) != AD_OK;
    ad_tape_free(w.tape);
    return failed || bad;
}
