/* plan.c - tests of plans: whatever rows and moves are chosen, a program gives what the tape gives,
 * row by row. Random graphs with many outputs, shared nodes, operands that repeat and layers are
 * run over batches; the tape is replayed and swept for every row and every output. */
#include "support.h"

#include "expect.h"
#include <criterion/parameterized.h>
#include <math.h>
#include <stdlib.h>

enum {
    PARAMS = 6,
    INPUTS = 5,
    STEPS = 60,
    NODES = PARAMS + INPUTS + STEPS,
    OUTPUTS = 6,
    GRAPHS = 40,
    MOST = 150
};

typedef struct graph {
    ad_tape *tape;
    ad_var   node[NODES]; /* params, inputs, steps */
    ad_var   output[OUTPUTS];
    uint64_t seed;
} graph;

static size_t any(graph *g, size_t below) {
    return (size_t)(random_bits(&g->seed) % below);
}

/* One of the last nodes more often than not, so that chains grow and parts die. */
static ad_var operand(graph *g, size_t n) {
    const size_t from = n > 12 && any(g, 3) > 0 ? n - 12 : 0;
    return g->node[from + any(g, n - from)];
}

static ad_var reduction(graph *g, size_t n) {
    ad_var x[8];
    for (size_t i = 0; i < 8; i++) x[i] = operand(g, n);
    switch (any(g, 5)) {
    case 0: return ad_sum(5, x);
    case 1: return ad_dot(4, x, x + 4);
    case 2: return ad_logsumexp(4, x);
    case 3: return ad_where(ad_less(x[0], x[1]), x[2], x[3]);
    default: return ad_pick(ad_add(ad_less(x[0], x[1]), ad_less(x[2], x[3])), 3, x + 4);
    }
}

/* Several outputs over the same operands, with parameters as weights. */
static ad_var layer_output(graph *g, size_t n) {
    ad_var x[PARAMS], w[PARAMS];
    for (size_t i = 0; i < PARAMS; i++) {
        x[i] = g->node[PARAMS + (n + i) % INPUTS];
        w[i] = g->node[any(g, PARAMS)];
    }
    return ad_dot(4, w, x);
}

/* Values are kept near 1: what is compared is rounding, not the condition of a formula. */
static ad_var step(graph *g, size_t n) {
    for (;;) {
        const size_t kind = any(g, 8);
        const ad_var v = kind == 0 ? reduction(g, n)
                       : kind == 1 ? layer_output(g, n)
                       : kind == 2 ? ad_add(operand(g, n), operand(g, n))
                                   : row_record(&rows[any(g, ROWS)], operand(g, n), operand(g, n));
        if (fabs(ad_value(v)) < 4) return v;
    }
}

static void graph_make(graph *g, uint64_t seed) {
    g->seed = 77 + seed, g->tape = ad_tape_new();
    for (size_t i = 0; i < PARAMS + INPUTS; i++)
        g->node[i] = ad_input(g->tape, random_uniform(&g->seed, 0.2, 0.9));
    for (size_t i = PARAMS + INPUTS; i < NODES; i++) g->node[i] = step(g, i);
    for (size_t k = 0; k < OUTPUTS; k++) g->output[k] = operand(g, NODES);
}

/* The tape's answer for one row; false when it is too steep or not finite, so that rounding cannot
 * be told. */
static bool reference(const graph *g, const double example[], double value[], double by_param[],
                      double by_input[]) {
    bool good = true;
    for (size_t i = 0; i < INPUTS; i++) ad_set(g->node[PARAMS + i], example[i]);
    ad_replay(g->tape);
    for (size_t i = 0; i < NODES; i++) good = good && fabs(ad_value(g->node[i])) < 1e3;
    for (size_t k = 0; k < OUTPUTS; k++) {
        value[k] = ad_value(g->output[k]);
        ad_gradient(g->output[k], INPUTS, g->node + PARAMS, by_input + k * INPUTS);
        for (size_t i = 0; i < INPUTS; i++) good = good && fabs(by_input[k * INPUTS + i]) < 1e3;
        if (k == 0) ad_gradient(g->output[0], PARAMS, g->node, by_param);
        for (size_t i = 0; k == 0 && i < PARAMS; i++) good = good && fabs(by_param[i]) < 1e3;
    }
    return good;
}

static void expect_close(const char *what, int number, size_t n, const double got[],
                         const double want[]) {
    for (size_t i = 0; i < n; i++)
        cr_expect(close_to(got[i], want[i], 1e-10, 1e-8),
                  "graph %d, %s %zu: %.17g, the tape says %.17g", number, what, i, got[i], want[i]);
}

/* Rows of inputs that the tape can be asked about, with its answers; how many. */
static size_t examples(graph *g, double input[], double value[], double jacobian[],
                       double sum[PARAMS], double *mean) {
    double one[PARAMS];
    size_t n = 0;
    for (size_t tries = 0; n < MOST && tries < 4 * MOST; tries++) {
        for (size_t i = 0; i < INPUTS; i++)
            input[n * INPUTS + i] = random_uniform(&g->seed, 0.2, 0.9);
        if (!reference(g, input + n * INPUTS, value + n * OUTPUTS, one,
                       jacobian + n * OUTPUTS * INPUTS))
            continue;
        for (size_t i = 0; i < PARAMS; i++) sum[i] += one[i];
        *mean += value[n++ * OUTPUTS];
    }
    return n;
}

ParameterizedTestParameters(plan, batches_are_what_the_tape_gives_row_by_row) {
    static int number[GRAPHS];
    for (int i = 0; i < GRAPHS; i++) number[i] = i;
    return cr_make_param_array(int, number, GRAPHS);
}

ParameterizedTest(int *number, plan, batches_are_what_the_tape_gives_row_by_row) {
    static double input[MOST * INPUTS], value[MOST * OUTPUTS], jacobian[MOST * OUTPUTS * INPUTS];
    static double want_value[MOST * OUTPUTS], want_jacobian[MOST * OUTPUTS * INPUTS];
    graph         g;
    double        param[PARAMS], sum[PARAMS] = {0}, grad[PARAMS], mean, want = 0;
    size_t        n = 0;
    /* some graphs are too steep everywhere */
    for (uint64_t attempt = 0; n == 0 && attempt < 20; attempt++) {
        if (attempt > 0) ad_tape_free(g.tape);
        graph_make(&g, (uint64_t)*number + 1000 * attempt);
        n = examples(&g, input, want_value, want_jacobian, sum, &want);
    }
    cr_assert_gt(n, 0);
    for (size_t i = 0; i < PARAMS; i++) param[i] = ad_value(g.node[i]);
    ad_program *p = ad_compile(&(ad_interface){.params = PARAMS,
                                               .param = g.node,
                                               .inputs = INPUTS,
                                               .input = g.node + PARAMS,
                                               .outputs = OUTPUTS,
                                               .output = g.output});
    cr_assert_not_null(p, "%s", ad_tape_message(g.tape));
    for (size_t i = 0; i < PARAMS; i++) sum[i] /= (double)n;
    want /= (double)n;
    cr_assert_eq(ad_program_values(p, param, n, input, value), AD_OK);
    cr_assert_eq(ad_program_jacobian(p, param, n, input, jacobian), AD_OK);
    cr_assert_eq(ad_program_gradient(p, param, n, input, &mean, grad), AD_OK);
    expect_close("value", *number, n * OUTPUTS, value, want_value);
    expect_close("derivative", *number, n * OUTPUTS * INPUTS, jacobian, want_jacobian);
    expect_close("mean", *number, 1, &mean, &want);
    expect_close("mean derivative", *number, PARAMS, grad, sum);
    ad_program_free(p);
    ad_tape_free(g.tape);
}
