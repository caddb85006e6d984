/* bench.h - timing two ways of the same work, turn by turn, in one run.
 *
 * These machines are noisy: so each side is run several times, the sides alternate, and what is
 * printed is minimum, median and maximum of each and the median of the pairwise ratios. A benchmark
 * never fails on a time; it fails when the two sides disagree about the result. */
#ifndef TAPIR_BENCH_H
#define TAPIR_BENCH_H

#include "engine/ad.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#ifdef _OPENMP
#include <omp.h>
#endif

enum { BENCH_MOST = 101 };

static inline double bench_now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static int bench_less(const void *a, const void *b) {
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static inline void bench_row(const char *label, int runs, double t[], double scale,
                             const char *unit) {
    qsort(t, (size_t)runs, sizeof *t, bench_less);
    printf("  %-24s %9.3f %9.3f %9.3f  %s\n", label, t[0] * scale, t[runs / 2] * scale,
           t[runs - 1] * scale, unit);
}

/* One of the two that are compared: it returns a number that depends on all of its work. */
typedef double bench_side(void *context);

/* Run both sides `runs` times in turn, after one warm-up each; what they return must agree to
 * `tolerance`, relative. `scale` turns seconds into the unit, `other` is what Tapir is held
 * against. Exit status for main. */
static inline int bench_against(const char *title, const char *other, double wanted,
                                bench_side *theirs, bench_side *tapir, void *context, int runs,
                                double scale, const char *unit, double tolerance) {
    double          h[BENCH_MOST], t[BENCH_MOST], ratio[BENCH_MOST];
    volatile double sink; /* else a compiler that sees both sides drops what nobody reads */
    const double    a = theirs(context), b = tapir(context);
    if (!(fabs(a - b) <= tolerance * fmax(fabs(a), fabs(b)))) {
        printf("%s: the sides disagree: %s %.17g, tapir %.17g\n", title, other, a, b);
        return 1;
    }
    for (int i = 0; i < runs; i++) {
        const double t0 = bench_now();
        sink = theirs(context);
        const double t1 = bench_now();
        sink = tapir(context);
        h[i] = t1 - t0, t[i] = bench_now() - t1;
        ratio[i] = t[i] / h[i];
    }
    (void)sink;
    printf("%s\n  %-24s %9s %9s %9s  (%d runs, alternating)\n", title, "", "min", "median", "max",
           runs);
    bench_row(other, runs, h, scale, unit);
    bench_row("tapir", runs, t, scale, unit);
    bench_row("ratio", runs, ratio, 1, "");
    printf("  %-24s %9s %9.3f\n\n", "ratio wanted, at most", "", wanted);
    fflush(stdout);
    return 0;
}

static inline int bench_pair(const char *title, double wanted, bench_side *hand, bench_side *tapir,
                             void *context, int runs, double scale, const char *unit,
                             double tolerance) {
    return bench_against(title, "by hand", wanted, hand, tapir, context, runs, scale, unit,
                         tolerance);
}

/* The same for sides that fill arrays of n numbers. These are compared here, once, number by
 * number, so that the sides need not add them up while the clock runs. Numbers that are small
 * beside the others may be differences of large ones: the root of the mean square is added to what
 * the tolerance multiplies. */
static inline int bench_arrays(const char *title, double wanted, bench_side *hand,
                               bench_side *tapir, void *context, size_t n, const double by_hand[],
                               const double by_tapir[], int runs, double scale, const char *unit,
                               double tolerance) {
    hand(context), tapir(context);
    double square = 0;
    for (size_t i = 0; i < n; i++) square += by_hand[i] * by_hand[i];
    const double typical = sqrt(square / (double)n);
    for (size_t i = 0; i < n; i++)
        if (!(fabs(by_hand[i] - by_tapir[i]) <= tolerance * (typical + fabs(by_hand[i])))) {
            printf("%s: the sides disagree at %zu of %zu: by hand %.17g, tapir %.17g\n", title, i,
                   n, by_hand[i], by_tapir[i]);
            return 1;
        }
    return bench_pair(title, wanted, hand, tapir, context, runs, scale, unit, tolerance);
}

/* ---- data and programs ----------------------------------------------------------------------- */

/* The next number of a sequence, uniform in [low, high): Knuth's MMIX generator, upper 53 bits. */
static inline double bench_uniform(uint64_t *state, double low, double high) {
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return low + (high - low) * (double)(*state >> 11) * 0x1p-53;
}

static inline double *bench_numbers(size_t n) {
    double *x = calloc(n, sizeof *x);
    if (!x) exit((fprintf(stderr, "out of memory\n"), 1));
    return x;
}

static inline ad_var *bench_leaves(ad_tape *tape, size_t n, const double value[]) {
    ad_var *x = malloc(n * sizeof *x);
    if (!x) exit((fprintf(stderr, "out of memory\n"), 1));
    for (size_t i = 0; i < n; i++) x[i] = ad_input(tape, value[i]);
    return x;
}

/* Compiled, or the end of the benchmark with the tape's sentence. */
static inline ad_program *bench_compile(const ad_tape *tape, const ad_interface *interface) {
    ad_program *program = ad_compile(interface);
    if (!program) exit((fprintf(stderr, "ad_compile: %s\n", ad_tape_message(tape)), 1));
    return program;
}

/* `result` of a run, or NaN, which agrees with nothing, and the program's sentence. */
static inline double bench_result(const ad_program *program, ad_status status, double result) {
    if (status == AD_OK) return result;
    char text[400];
    ad_program_message(program, sizeof text, text);
    fprintf(stderr, "%s: %s\n", ad_status_text(status), text);
    return NAN;
}

/* Everything is measured on one thread, but where threads are what is measured. */
static inline void bench_threads(int threads) {
#ifdef _OPENMP
    omp_set_num_threads(threads);
#else
    (void)threads;
#endif
}

#endif
