/* functions.c - functions as someone else's library has them, right ones, wrong ones, and such as
 * no one should write, for gradcheck --library. Those whose names end with an underscore are what a
 * Fortran compiler makes of "double precision function", "subroutine" and "integer". */
#include <math.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int not_a_function = 3;

/* ---- Rosenbrock's function (1960) ------------------------------------------------------------ */

static double valley(size_t n, const double x[]) {
    double sum = 0;
    for (size_t i = 0; i + 1 < n; i++) {
        const double a = x[i + 1] - x[i] * x[i], b = 1 - x[i];
        sum += 100 * a * a + b * b;
    }
    return sum;
}

static void valley_gradient(size_t n, const double x[], double gradient[]) {
    memset(gradient, 0, n * sizeof *gradient);
    for (size_t i = 0; i + 1 < n; i++) {
        const double a = x[i + 1] - x[i] * x[i], b = 1 - x[i];
        gradient[i] += -400 * a * x[i] - 2 * b;
        gradient[i + 1] += 200 * a;
    }
}

double rosenbrock(size_t n, const double x[]) {
    return valley(n, x);
}

void rosenbrock_gradient(size_t n, const double x[], double gradient[]) {
    valley_gradient(n, x, gradient);
}

void rosenbrock_wrong(size_t n, const double x[], double gradient[]) {
    valley_gradient(n, x, gradient);
    gradient[n - 1] *= 1.001;
}

double with_context(size_t n, const double x[], void *context) {
    return context == NULL ? valley(n, x) : NAN;
}

void with_context_gradient(size_t n, const double x[], double gradient[], void *context) {
    if (context == NULL) valley_gradient(n, x, gradient);
}

double valley_(const int *n, const double *x) {
    return valley((size_t)*n, x);
}

void valley_gradient_(const int *n, const double *x, double *gradient) {
    valley_gradient((size_t)*n, x, gradient);
}

void valley_wrong_(const int *n, const double *x, double *gradient) {
    valley_gradient((size_t)*n, x, gradient);
    gradient[0] = -gradient[0];
}

/* What compilers make of a function in a C++ file, and of one in a Fortran module. */
double _Z7mangledmPKd(size_t n, const double x[]) {
    return valley(n, x);
}

double __hills_MOD_slope(const int *n, const double *x) {
    return valley((size_t)*n, x);
}

/* ---- two outputs: polar coordinates into Cartesian ones ------------------------------------- */

void polar(size_t n, const double x[], size_t m, double y[]) {
    (void)n, (void)m;
    y[0] = x[0] * cos(x[1]), y[1] = x[0] * sin(x[1]);
}

/* m x n, row by row. */
void polar_jacobian(size_t n, const double x[], size_t m, double jacobian[]) {
    (void)n, (void)m;
    jacobian[0] = cos(x[1]), jacobian[1] = -x[0] * sin(x[1]);
    jacobian[2] = sin(x[1]), jacobian[3] = x[0] * cos(x[1]);
}

void polar_(const int *n, const double *x, const int *m, double *y) {
    polar((size_t)*n, x, (size_t)*m, y);
}

/* m x n, column by column, as Fortran has it. */
void polar_jacobian_(const int *n, const double *x, const int *m, double *jacobian) {
    polar_jacobian((size_t)*n, x, (size_t)*m, jacobian);
    const double second = jacobian[1];
    jacobian[1] = jacobian[2], jacobian[2] = second;
}

void one_output_too_many(size_t n, const double x[], size_t m, double y[]) {
    polar(n, x, m, y);
    y[m] = 0;
}

void one_output_too_few(size_t n, const double x[], size_t m, double y[]) {
    (void)n, (void)m;
    y[0] = x[0];
}

/* ---- odd ones ------------------------------------------------------------------------------- */

double kinked(size_t n, const double x[]) {
    double sum = 0;
    for (size_t i = 0; i < n; i++) sum += fabs(x[i]);
    return sum;
}

void kinked_gradient(size_t n, const double x[], double gradient[]) {
    for (size_t i = 0; i < n; i++) gradient[i] = (x[i] > 0) - (x[i] < 0);
}

void zero_gradient(size_t n, const double x[], double gradient[]) {
    (void)x;
    memset(gradient, 0, n * sizeof *gradient);
}

double random_value(size_t n, const double x[]) {
    static int calls;
    return valley(n, x) + ++calls;
}

/* ---- such as no one should write ------------------------------------------------------------- */

double crashes(size_t n, const double x[]) {
    volatile int *nowhere = NULL;
    return valley(n, x) + *nowhere;
}

void gradient_crashes(size_t n, const double x[], double gradient[]) {
    volatile int zero = 0;
    gradient[0] = (int)x[0] / zero;
    (void)n;
}

/* Stands for assert(x[0] > 0) of a function that is right where it is defined. */
double aborts_below_zero(size_t n, const double x[]) {
    (void)n;
    if (x[0] <= 0) abort();
    return log(x[0]);
}

void log_gradient(size_t n, const double x[], double gradient[]) {
    (void)n;
    gradient[0] = 1 / x[0];
}

double ends_the_program(size_t n, const double x[]) {
    (void)n, (void)x;
    exit(0);
}

double never_returns(size_t n, const double x[]) {
    (void)n, (void)x;
    for (;;) pause();
}

double hangs_elsewhere(size_t n, const double x[]) {
    static int calls;
    if (++calls > 3) pause();
    return valley(n, x);
}

double reads_beyond(size_t n, const double x[]) {
    return valley(n + 1, x);
}

void writes_beyond(size_t n, const double x[], double gradient[]) {
    valley_gradient(n, x, gradient);
    gradient[n] = 0;
}

void forgets_one(size_t n, const double x[], double gradient[]) {
    for (size_t i = 0; i + 1 < n; i++) gradient[i] = x[i];
}

double changes_x(size_t n, const double x[]) {
    double      *writable = (double *)(size_t)x;
    const double y = valley(n, x);
    writable[0] += 1;
    return y;
}

double talks(size_t n, const double x[]) {
    printf("f is called\n");
    return getchar() == EOF ? valley(n, x) : NAN;
}

double closes_all_files(size_t n, const double x[]) {
    for (int file = 3; file < 100; file++) close(file);
    return valley(n, x);
}

/* Leaves a second process in the caller. */
double forks(size_t n, const double x[]) {
    return fork() == 0 ? -1 : valley(n, x);
}

/* Uses up the stack. */
static double deeper(volatile const double *x, volatile size_t n) {
    volatile double room[4096] = {*x};
    return n == 0 ? room[0] : deeper(room, n + 1) + room[1];
}

double recurses(size_t n, const double x[]) {
    return deeper(x, n);
}
