/* rosenbrock.c - a function and its gradient as someone's library has them, with a mistake that
 * docs/checking.md finds. Built as a shared library. */
#include <stddef.h>

double rosenbrock(size_t n, const double x[]) {
    double sum = 0;
    for (size_t i = 0; i + 1 < n; i++) {
        const double a = x[i + 1] - x[i] * x[i], b = 1 - x[i];
        sum += 100 * a * a + b * b;
    }
    return sum;
}

void gradient(size_t n, const double x[], double g[]) {
    for (size_t i = 0; i < n; i++) g[i] = 0;
    for (size_t i = 0; i + 1 < n; i++) {
        const double a = x[i + 1] - x[i] * x[i], b = 1 - x[i];
        g[i] = -400 * a * x[i] - 2 * b;
        g[i + 1] += 200 * a;
    }
}
