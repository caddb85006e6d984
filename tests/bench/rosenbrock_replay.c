/* rosenbrock_replay.c - the sum of rosenbrock.c, n = 10^6, compiled once and run at new points: one
 * row, all x parameters. */
#include "bench.h"
#include "rosenbrock.h"

enum { N = 1000000 };

typedef struct work {
    ad_program *program;
    double     *x, *by_hand, *by_tapir; /* the gradient, then the value */
} work;

static double by_hand(void *context) {
    work *w = context;
    return rosenbrock_by_hand(N, w->x, w->by_hand);
}

static double by_tapir(void *context) {
    work           *w = context;
    double          value = 0;
    const ad_status status = ad_program_gradient(w->program, w->x, 1, NULL, &value, w->by_tapir);
    return w->by_tapir[N] = bench_result(w->program, status, value);
}

static ad_program *compiled(const double value[]) {
    ad_tape *tape = ad_tape_new();
    ad_var  *x = bench_leaves(tape, N, value), s = ad_num(0);
    for (int i = 0; i + 1 < N; i++) {
        const ad_var t = ad_sub(x[i + 1], ad_mul(x[i], x[i])), u = ad_sub(ad_num(1), x[i]);
        s = ad_add(ad_add(s, ad_mul(ad_mul(ad_num(100), t), t)), ad_mul(u, u));
    }
    ad_program *program =
        bench_compile(tape, &(ad_interface){.params = N, .param = x, .outputs = 1, .output = &s});
    free(x);
    ad_tape_free(tape);
    return program;
}

int main(void) {
    bench_threads(1);
    work w = {
        .x = bench_numbers(N), .by_hand = bench_numbers(N + 1), .by_tapir = bench_numbers(N + 1)};
    for (int i = 0; i < N; i++) w.x[i] = sin(0.1 * i);
    w.program = compiled(w.x);
    const int failed = bench_arrays("Rosenbrock, n = 10^6, one row, replay", 8, by_hand, by_tapir,
                                    &w, N + 1, w.by_hand, w.by_tapir, 31, 1e3, "ms", 1e-9);
    ad_program_free(w.program);
    free(w.x), free(w.by_hand), free(w.by_tapir);
    return failed;
}
