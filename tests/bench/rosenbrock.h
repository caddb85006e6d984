/* rosenbrock.h - the sum over i of 100*(x[i+1] - x[i]^2)^2 + (1 - x[i])^2 and its gradient by hand:
 * what rosenbrock.c and rosenbrock_replay.c share. */
#ifndef TAPIR_BENCH_ROSENBROCK_H
#define TAPIR_BENCH_ROSENBROCK_H

#include <stddef.h>

/* grad: n numbers, then the value. Each number of the gradient is made of its own term and the one
 * before, which is computed again, so that no element waits for another. */
static inline double rosenbrock_by_hand(size_t n, const double x[restrict], double grad[restrict]) {
    double       value = 0;
    const double last = x[n - 1] - x[n - 2] * x[n - 2], first = x[1] - x[0] * x[0];
#pragma omp simd reduction(+ : value)
    for (size_t i = 1; i < n - 1; i++) {
        const double before = x[i] - x[i - 1] * x[i - 1], t = x[i + 1] - x[i] * x[i], u = 1 - x[i];
        value += 100 * t * t + u * u;
        grad[i] = 200 * before - 400 * t * x[i] - 2 * u;
    }
    value += 100 * first * first + (1 - x[0]) * (1 - x[0]);
    grad[0] = -400 * first * x[0] - 2 * (1 - x[0]);
    grad[n - 1] = 200 * last;
    return grad[n] = value;
}

#endif
