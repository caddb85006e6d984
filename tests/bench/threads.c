/* threads.c - the batch of 1000 of mlp.c on one thread and on two; the same bits are asked of
 * both. */
#include "mlp.h"

enum { ROWS = 1000, RUNS = 61 };

int main(void) {
#ifndef _OPENMP
    printf("built without OpenMP: nothing to compare\n");
    return 77; /* meson: skipped */
#else
    const size_t bytes = mlp_params() * sizeof(double);
    ad_program  *program = mlp_compile();
    double      *weight = mlp_weights(), *row = mlp_rows(ROWS);
    double      *grad[2] = {bench_numbers(mlp_params()), bench_numbers(mlp_params())};
    double       mean[2], seconds[2][RUNS], ratio[RUNS];
    int          failed = 0;
    for (int i = -1; i < RUNS && !failed; i++) { /* -1: warm-up */
        for (int k = 0; k < 2; k++) {
            bench_threads(k + 1);
            const double    t0 = bench_now();
            const ad_status status =
                ad_program_gradient(program, weight, ROWS, row, &mean[k], grad[k]);
            if (i >= 0) seconds[k][i] = bench_now() - t0;
            failed |= isnan(bench_result(program, status, 0));
        }
        if (i >= 0) ratio[i] = seconds[0][i] / seconds[1][i];
    }
    if (!failed && (memcmp(&mean[0], &mean[1], sizeof mean[0]) || memcmp(grad[0], grad[1], bytes)))
        failed = (printf("one thread and two do not give the same bits\n"), 1);
    if (!failed) {
        printf("64-64-32-10 tanh, cross-entropy, batch of %d, per example; %d processors\n", ROWS,
               omp_get_num_procs());
        printf("  %-24s %9s %9s %9s  (%d runs, alternating)\n", "", "min", "median", "max", RUNS);
        bench_row("one thread", RUNS, seconds[0], 1e6 / ROWS, "us");
        bench_row("two threads", RUNS, seconds[1], 1e6 / ROWS, "us");
        bench_row("one over two", RUNS, ratio, 1, "");
        printf("  %-24s %9s %9.3f\n\n", "wanted, at least", "", 1.8);
    }
    ad_program_free(program);
    free(weight), free(row), free(grad[0]), free(grad[1]);
    return failed;
#endif
}
