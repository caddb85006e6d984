/* sincos.c - 10^6 steps of x = sin(x)*x + a*x + exp(-x*x), s = s + x: nine operations a step, three
 * of them costly. By hand: the values a step needs again are kept, the adjoint walks back; a step
 * waits for the one before, but the slopes of 1000 steps do not. */
#include "bench.h"
#include "hand.h"

#include <string.h>

enum { STEPS = 1000000, OPERATIONS = 9 };

enum { BLOCK = 1000 }; /* steps whose slopes are computed together; STEPS is a multiple */

typedef struct work {
    ad_tape *tape;
    ad_mark  leaves;
    ad_var   x, a;
    double  *before, *slope;
} work;

static inline uint64_t bits_of(double x) {
    uint64_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits;
}

static inline double number_of(uint64_t bits) {
    double x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

/* A step waits for sin and exp of the one before: these two have no table, wait for no branch, and
 * sum Taylor's series in pairs, so that one waits for few products. Adding MAGIC rounds to an
 * integer, which stands in the lowest bits of the sum. Errors are below 5e-16: of sin for
 * |x| < 10^5, of exp relative, and it is 0 below -708. */
#define MAGIC 0x1.8p52

/* r = x - n*pi in two pieces; then r - r^3/3! + ... + r^21/21!, with z = r*r */
static inline double sine_of(double x) {
    const double sum = x * 0x1.45f306dc9c883p-2 + MAGIC, n = sum - MAGIC;
    const double r = (x - n * 0x1.921fb54442d18p+1) - n * 0x1.1a62633145c07p-53, z = r * r,
                 z2 = z * z;
    const double low = (-1.0 / 6 + z * (1.0 / 120)) + z2 * (-1.0 / 5040 + z * (1.0 / 362880));
    const double middle = (-1.0 / 39916800 + z * (1.0 / 6227020800)) +
                          z2 * (-1.0 / 1307674368000 + z * (1.0 / 355687428096000));
    const double high = -1.0 / 121645100408832000 + z * (1.0 / 51090942171709440000.0);
    const double sine = r + r * z * (low + z2 * z2 * (middle + z2 * z2 * high));
    return number_of(bits_of(sine) ^ bits_of(sum) << 63);
}

/* r = x - n*log(2) in two pieces; then 2^n*(1 + r + ... + r^13/13!) */
static inline double exp_of(double x) {
    if (x < -708) return 0;
    const double sum = x * 0x1.71547652b82fep+0 + MAGIC, n = sum - MAGIC;
    const double r = (x - n * 0x1.62e42fefa39efp-1) - n * 0x1.abc9e3b39803fp-56, r2 = r * r,
                 r4 = r2 * r2;
    const double low = (1 + r) + r2 * (1.0 / 2 + r * (1.0 / 6));
    const double middle = (1.0 / 24 + r * (1.0 / 120)) + r2 * (1.0 / 720 + r * (1.0 / 5040));
    const double high = (1.0 / 40320 + r * (1.0 / 362880)) +
                        r2 * (1.0 / 3628800 + r * (1.0 / 39916800)) +
                        r4 * (1.0 / 479001600 + r * (1.0 / 6227020800));
    const double power = (low + r4 * middle) + r4 * r4 * high;
    return number_of(bits_of(power) + (bits_of(sum) << 52));
}

/* A thousand steps from x on, each x kept, and its slope, which no step waits for:
 * d x'/d x = sin(x) + x*cos(x) + a - 2*x*exp(-x*x). Adds to the sum; returns the last x. */
static double block_forward(double x, double a, double before[restrict], double slope[restrict],
                            double *sum) {
    double sine[BLOCK], bell[BLOCK], s = *sum;
    for (int i = 0; i < BLOCK; i++) {
        before[i] = x, sine[i] = sine_of(x), bell[i] = exp_of(-x * x);
        x = sine[i] * x + a * x + bell[i];
        s += x;
    }
#pragma omp simd
    for (int i = 0; i < BLOCK; i++)
        slope[i] = sine[i] + before[i] * cos(before[i]) + a - 2 * before[i] * bell[i];
    *sum = s;
    return x;
}

static double by_hand(void *context) {
    work        *w = context;
    const double a = ad_value(w->a);
    double       x = ad_value(w->x), s = 0, dx = 0, da = 0;
    for (int i = 0; i < STEPS; i += BLOCK) x = block_forward(x, a, w->before + i, w->slope + i, &s);
    for (int i = STEPS; i-- > 0;) { /* dx + 1, since s = s + x; written so that it waits once */
        da += (dx + 1) * w->before[i];
        dx = dx * w->slope[i] + w->slope[i];
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
    work w = {.tape = ad_tape_new(), .before = bench_numbers(STEPS), .slope = bench_numbers(STEPS)};
    w.x = ad_input(w.tape, 0.5), w.a = ad_input(w.tape, 0.3);
    w.leaves = ad_tape_mark(w.tape);
    const int failed =
        bench_pair("x = sin(x)*x + a*x + exp(-x*x), s = s + x, per operation", 2.6, by_hand,
                   by_tape, &w, 11, 1e9 / ((double)STEPS * OPERATIONS), "ns", 1e-8);
    const int bad = ad_tape_status(w.tape) != AD_OK;
    ad_tape_free(w.tape);
    free(w.before), free(w.slope);
    return failed || bad;
}
