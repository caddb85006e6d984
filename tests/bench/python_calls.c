/* python_calls.c - what tests/bench/python measures from Python, in C: one row of a program, its
 * gradient and Jacobian, and one recorded operation. Prints a line for each: name, nanoseconds. */
#include "bench.h"

enum { ROWS = 3, COLUMNS = 4, CALLS = 20000, RUNS = 15, CHAIN = 50000 };

typedef struct setting {
    const ad_program *program;
    double            w[ROWS * COLUMNS], x[COLUMNS], grad[ROWS * COLUMNS], jacobian[COLUMNS];
} setting;

static ad_program *small_program(void) {
    ad_tape *tape = ad_tape_new();
    double   w[ROWS * COLUMNS], x[COLUMNS];
    for (int i = 0; i < ROWS * COLUMNS; i++) w[i] = 0.1 * i;
    for (int i = 0; i < COLUMNS; i++) x[i] = 0.3 * i;
    ad_var *weight = bench_leaves(tape, ROWS * COLUMNS, w), *input = bench_leaves(tape, COLUMNS, x);
    ad_var  unit[ROWS];
    for (size_t i = 0; i < ROWS; i++)
        unit[i] = ad_tanh(ad_dot(COLUMNS, weight + i * COLUMNS, input));
    const ad_var y = ad_sum(ROWS, unit);
    ad_program  *program = bench_compile(tape, &(ad_interface){.params = ROWS * COLUMNS,
                                                               .param = weight,
                                                               .inputs = COLUMNS,
                                                               .input = input,
                                                               .outputs = 1,
                                                               .output = &y});
    free(weight), free(input);
    ad_tape_free(tape);
    return program;
}

static double values(setting *s) {
    double y = 0;
    ad_program_values(s->program, s->w, 1, s->x, &y);
    return y;
}

static double gradient(setting *s) {
    double mean = 0;
    ad_program_gradient(s->program, s->w, 1, s->x, &mean, s->grad);
    return mean + s->grad[0];
}

static double jacobian(setting *s) {
    ad_program_jacobian(s->program, s->w, 1, s->x, s->jacobian);
    return s->jacobian[0];
}

static void measure(const char *name, double (*call)(setting *), setting *s) {
    double          best = INFINITY;
    volatile double sink = 0;
    for (int run = 0; run < RUNS; run++) {
        const double t = bench_now();
        for (int i = 0; i < CALLS; i++) sink = sink + call(s);
        best = fmin(best, bench_now() - t);
    }
    printf("%s %.1f\n", name, best / CALLS * 1e9);
}

static void measure_recording(void) {
    ad_tape      *tape = ad_tape_new();
    const ad_var  a = ad_input(tape, 1.1), b = ad_input(tape, 0.3);
    const ad_mark mark = ad_tape_mark(tape);
    double        best = INFINITY;
    for (int run = 0; run < RUNS; run++) {
        ad_tape_rewind(tape, mark);
        const double t = bench_now();
        ad_var       x = a;
        for (int i = 0; i < CHAIN; i++) x = ad_add(ad_mul(x, b), a);
        best = fmin(best, bench_now() - t);
    }
    printf("operation %.1f\n", best / (2 * CHAIN) * 1e9);
    ad_tape_free(tape);
}

int main(void) {
    bench_threads(1);
    ad_program *program = small_program();
    setting     s = {.program = program};
    for (int i = 0; i < ROWS * COLUMNS; i++) s.w[i] = 1;
    for (int i = 0; i < COLUMNS; i++) s.x[i] = 1;
    measure("values", values, &s);
    measure("gradient", gradient, &s);
    measure("jacobian", jacobian, &s);
    measure_recording();
    ad_program_free(program);
    return 0;
}
