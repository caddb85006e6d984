/* steps.h - 1000 steps of x = sin(x)*x + a*x + exp(-x*x), eight operations each: what steps.c and
 * adolc.c share. */
#ifndef TAPIR_BENCH_STEPS_H
#define TAPIR_BENCH_STEPS_H

#include "bench.h"

enum { STEPS = 1000, OPERATIONS = 8 };

static inline ad_program *steps_compile(void) {
    ad_tape     *tape = ad_tape_new();
    const ad_var a = ad_input(tape, 0.3), start = ad_input(tape, 0.5);
    ad_var       x = start;
    for (int i = 0; i < STEPS; i++)
        x = ad_add(ad_add(ad_mul(ad_sin(x), x), ad_mul(a, x)), ad_exp(ad_neg(ad_mul(x, x))));
    ad_program *program = bench_compile(
        tape,
        &(ad_interface){
            .params = 1, .param = &a, .inputs = 1, .input = &start, .outputs = 1, .output = &x});
    ad_tape_free(tape);
    return program;
}

static inline double *steps_rows(size_t rows) {
    double  *start = bench_numbers(rows);
    uint64_t seed = 4;
    for (size_t r = 0; r < rows; r++) start[r] = bench_uniform(&seed, 0, 1);
    return start;
}

#endif
