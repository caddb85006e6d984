/* steps.c - a long simulation over many rows: 1000 steps of x = sin(x)*x + a*x + exp(-x*x) from an
 * x of the row's own, the mean of the last x and its derivative in a; eight operations a step, two
 * of them costly. By hand: forty rows side by side; what a step needs again, its x and its slope,
 * is kept, and the adjoint walks back. */
#include "steps.h"
#include "hand.h"

enum { ROWS = 1000 };

enum { SIDE = 40 }; /* rows side by side: fills the processor, and keeps 640 KB */

typedef struct work {
    ad_program *program;
    double      a, *start;
    struct {
        _Alignas(64) double x[SIDE], slope[SIDE];
    } kept[STEPS];
} work;

/* Sums over SIDE rows, from x: of the last x, and of its derivative in a. */
static void by_hand_rows(work *w, const double start[], double *last, double *da) {
    _Alignas(64) double x[SIDE], dx[SIDE], sum[SIDE];
    const double        a = w->a;
    for (int r = 0; r < SIDE; r++) x[r] = start[r], dx[r] = 1, sum[r] = 0;
    for (int i = 0; i < STEPS; i++) {
        double *before = w->kept[i].x, *slope = w->kept[i].slope;
        /* cos has a loop of its own: one with both would call sincos row by row */
#pragma omp simd
        for (int r = 0; r < SIDE; r++) {
            before[r] = x[r];
            slope[r] = x[r] * cos(x[r]) + a;
        }
#pragma omp simd
        for (int r = 0; r < SIDE; r++) {
            const double at = before[r], sine = sin(at), bell = exp(-at * at);
            slope[r] += sine - 2 * at * bell;
            x[r] = sine * at + a * at + bell;
        }
    }
    for (int i = STEPS; i-- > 0;) {
        const double *before = w->kept[i].x, *slope = w->kept[i].slope;
#pragma omp simd
        for (int r = 0; r < SIDE; r++) {
            sum[r] += dx[r] * before[r];
            dx[r] *= slope[r];
        }
    }
    for (int r = 0; r < SIDE; r++) *last += x[r], *da += sum[r];
}

static double by_hand(void *context) {
    work  *w = context;
    double sum = 0, da = 0;
    for (int r = 0; r < ROWS; r += SIDE) by_hand_rows(w, w->start + r, &sum, &da);
    return sum / ROWS + da / ROWS;
}

static double by_tapir(void *context) {
    work           *w = context;
    double          mean = 0, da = 0;
    const ad_status status = ad_program_gradient(w->program, &w->a, ROWS, w->start, &mean, &da);
    return bench_result(w->program, status, mean + da);
}

int main(void) {
    bench_threads(1);
    static work w;
    w.program = steps_compile(), w.a = 0.3, w.start = steps_rows(ROWS);
    const int failed = bench_pair(
        "1000 steps of x = sin(x)*x + a*x + exp(-x*x), 1000 rows, per operation", 0.3, by_hand,
        by_tapir, &w, 21, 1e9 / ((double)ROWS * STEPS * OPERATIONS), "ns", 1e-9);
    ad_program_free(w.program);
    free(w.start);
    return failed;
}
