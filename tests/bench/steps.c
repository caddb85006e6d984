/* steps.c - a long simulation over many rows: 1000 steps of x = sin(x)*x + a*x + exp(-x*x) from an x of
 * the row's own, the mean of the last x and its derivative in a; eight operations a step, two of them
 * costly. By hand: what a step needs again is kept, the adjoint walks back, row by row. */
#include "bench.h"

enum { STEPS = 1000, ROWS = 1000, OPERATIONS = 8 };

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

static ad_program *compiled(void) {
    ad_tape *tape = ad_tape_new();
    const ad_var a = ad_input(tape, 0.3), start = ad_input(tape, 0.5);
    ad_var x = start;
    for (int i = 0; i < STEPS; i++)
        x = ad_add(ad_add(ad_mul(ad_sin(x), x), ad_mul(a, x)), ad_exp(ad_neg(ad_mul(x, x))));
    ad_program *program = bench_compile(tape, &(ad_interface){.params = 1, .param = &a, .inputs = 1, .input = &start,
                                                             .outputs = 1, .output = &x});
    ad_tape_free(tape);
    return program;
}

int main(void) {
    bench_threads(1);
    static work w;
    w.program = compiled(), w.a = 0.3, w.start = bench_numbers(ROWS);
    uint64_t seed = 4;
    for (int r = 0; r < ROWS; r++) w.start[r] = bench_uniform(&seed, 0, 1);
    const int failed = bench_pair("1000 steps of x = sin(x)*x + a*x + exp(-x*x), 1000 rows, per operation", 0.3, by_hand,
                                  by_tapir, &w, 21, 1e9/((double)ROWS*STEPS*OPERATIONS), "ns", 1e-9);
    ad_program_free(w.program);
    free(w.start);
    return failed;
}
