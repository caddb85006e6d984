/* adolc.c - ADOL-C, a tape in C++, on the simulation of steps.c: recorded once, its gradient taken
 * at every row. */
#include "adolc.h"

#include "steps.h"

enum { ROWS = 50 };

typedef struct work {
    ad_program *program;
    double      a, *start;
} work;

static double by_adolc(void *context) {
    work *w = context;
    return adolc_steps(w->a, ROWS, w->start);
}

static double by_tapir(void *context) {
    work           *w = context;
    double          mean = 0, da = 0;
    const ad_status status = ad_program_gradient(w->program, &w->a, ROWS, w->start, &mean, &da);
    return bench_result(w->program, status, mean + da);
}

int main(void) {
    bench_threads(1);
    work w = {steps_compile(), 0.3, steps_rows(ROWS)};
    adolc_record_steps(STEPS);
    const int failed = bench_against(
        "1000 steps of x = sin(x)*x + a*x + exp(-x*x), 50 rows, per operation", "ADOL-C", 0.3,
        by_adolc, by_tapir, &w, 11, 1e9 / ((double)ROWS * STEPS * OPERATIONS), "ns", 1e-9);
    ad_program_free(w.program);
    free(w.start);
    return failed;
}
