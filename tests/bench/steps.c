/* steps.c - a long simulation over many rows: 1000 steps of x = sin(x)*x + a*x + exp(-x*x) from an x of
 * the row's own, the mean of the last x and its derivative in a; eight operations a step, two of them
 * costly. By hand: what a step needs again is kept, the adjoint walks back, row by row. */
#include "steps.h"

enum { ROWS = 1000 };

typedef struct work {
    ad_program *program;
    double a, *start;
    struct { double x, sine, bell; } kept[STEPS];
} work;

static double by_hand_row(work *w, double x, double *da) {
    for (int i = 0; i < STEPS; i++) {
        const double sine = sin(x), bell = exp(-x*x);
        w->kept[i].x = x, w->kept[i].sine = sine, w->kept[i].bell = bell;
        x = sine*x + w->a*x + bell;
    }
    double dx = 1;
    for (int i = STEPS; i-- > 0;) {
        const double before = w->kept[i].x;
        *da += dx*before;
        dx *= w->kept[i].sine + before*cos(before) + w->a - 2*before*w->kept[i].bell;
    }
    return x;
}

static double by_hand(void *context) {
    work *w = context;
    double sum = 0, da = 0;
    for (int r = 0; r < ROWS; r++) sum += by_hand_row(w, w->start[r], &da);
    return sum/ROWS + da/ROWS;
}

static double by_tapir(void *context) {
    work *w = context;
    double mean = 0, da = 0;
    const ad_status status = ad_program_gradient(w->program, &w->a, ROWS, w->start, &mean, &da);
    return bench_result(w->program, status, mean + da);
}

int main(void) {
    bench_threads(1);
    static work w;
    w.program = steps_compile(), w.a = 0.3, w.start = steps_rows(ROWS);
    const int failed = bench_pair("1000 steps of x = sin(x)*x + a*x + exp(-x*x), 1000 rows, per operation", 0.3, by_hand,
                                  by_tapir, &w, 21, 1e9/((double)ROWS*STEPS*OPERATIONS), "ns", 1e-9);
    ad_program_free(w.program);
    free(w.start);
    return failed;
}
