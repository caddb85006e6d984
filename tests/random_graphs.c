/* random_graphs.c - gradients of random graphs against differences, and replays against fresh
 * recordings.
 *
 * Steps that select are watched, and a stencil on which one of them turns is given up for a smaller
 * one. */
#include "graphs.h"

#include "expect.h"
#include <criterion/parameterized.h>
#include <math.h>

enum { BLOCKS = 12, GRAPHS = 50 };

/* ---- comparing ------------------------------------------------------------------------------- */

typedef struct slice {
    const graph  *g;
    const double *sides;
    int           input;
} slice;

static double along(double at, void *context) {
    const slice *s = context;
    ad_var       node[NODES];
    double       sides[STEPS];
    for (int i = 0; i < INPUTS; i++) node[i] = ad_num(i == s->input ? at : s->g->input[i]);
    const double y = ad_value(graph_evaluate(s->g, node, sides));
    for (int i = 0; i < s->g->length; i++)
        if (sides[i] != s->sides[i]) return NAN;
    return y;
}

/* The best of several first steps; without a value when none fits. */
static estimate measure(slice *s) {
    estimate best = {NAN, INFINITY};
    for (double width = 0.125; width > 1e-5; width /= 4) {
        const estimate e = differences(along, s, s->g->input[s->input], width);
        if (e.error < best.error) best = e;
    }
    return best;
}

/* The tangent of every node against the gradient, within some roundings of what both add up: each
 * node's adjoint times its tangent. */
static void compare_tangent(const graph *g, ad_var y, const ad_var node[], const double grad[],
                            uint64_t seed) {
    const double direction[INPUTS] = {1, -0.5, 0.25, 2, -1.5};
    double       want = 0, scale = 0;
    for (int i = 0; i < INPUTS; i++) want += grad[i] * direction[i];
    for (int i = 0; i < INPUTS + g->length; i++)
        scale += fabs(ad_grad(node[i]) * ad_tangent(node[i], INPUTS, node, direction));
    const double got = ad_tangent(y, INPUTS, node, direction);
    cr_expect(fabs(got - want) <= 16 * U * scale, "seed %llu: tangent %.17g, gradient %.17g",
              (unsigned long long)seed, got, want);
}

/* The gradient as nodes is the gradient; a Hessian times a direction, by duals and by the tangents
 * of those nodes, is one thing computed in two ways, and v'Hw = w'Hv. Where second derivatives are
 * large or the point lies beside a side, both are what they are: only roundings may differ (kernels
 * of the sweep use fma). */
static void compare_second(ad_tape *tape, ad_var y, const ad_var x[], const double grad[],
                           uint64_t seed) {
    const double  v[INPUTS] = {1, -0.5, 0.25, 2, -1.5}, w[INPUTS] = {-1, 0.75, 2, 0.5, 1};
    const ad_mark mark = ad_tape_mark(tape);
    ad_var        recorded[INPUTS];
    double        hv[INPUTS], hw[INPUTS], wv = 0, vw = 0, scale = 0;
    ad_hessian_times(y, INPUTS, x, v, hv);
    ad_hessian_times(y, INPUTS, x, w, hw);
    ad_record_gradient(y, INPUTS, x, recorded);
    for (int i = 0; i < INPUTS; i++) {
        cr_expect(fabs(ad_value(recorded[i]) - grad[i]) <= 1e-11 * fmax(1, fabs(grad[i])),
                  "seed %llu, input %d: recorded %.17g, not %.17g", (unsigned long long)seed, i,
                  ad_value(recorded[i]), grad[i]);
        wv += w[i] * hv[i], vw += v[i] * hw[i], scale += fabs(w[i] * hv[i]) + fabs(v[i] * hw[i]);
    }
    cr_expect(fabs(wv - vw) <= 1e-9 * scale + 1e-9, "seed %llu: w'Hv = %.17g, v'Hw = %.17g",
              (unsigned long long)seed, wv, vw);
    for (int i = 0; i < INPUTS; i++) {
        const double moved = ad_tangent(recorded[i], INPUTS, x, v);
        cr_expect(fabs(moved - hv[i]) <= 1e-9 * scale + 1e-9,
                  "seed %llu, input %d: H*v = %.17g, by nodes %.17g", (unsigned long long)seed, i,
                  hv[i], moved);
    }
    ad_tape_rewind(tape, mark);
}

/* Inputs whose derivative could be compared. */
static int compare(uint64_t seed) {
    graph  g;
    ad_var node[NODES];
    double sides[STEPS], grad[INPUTS];
    int    compared = 0;
    graph_make(&g, seed);
    ad_tape *tape = ad_tape_new();
    for (int i = 0; i < INPUTS; i++) node[i] = ad_input(tape, g.input[i]);
    ad_var y = graph_evaluate(&g, node, sides);
    ad_gradient(y, INPUTS, node, grad);
    cr_expect_eq(ad_tape_status(tape), AD_OK, "seed %llu: %s", (unsigned long long)seed,
                 ad_tape_message(tape));
    cr_expect_eq(g.length, STEPS, "seed %llu: only %d steps were found", (unsigned long long)seed,
                 g.length);
    compare_tangent(&g, y, node, grad, seed);
    compare_second(tape, y, node, grad, seed);
    for (int i = 0; i < INPUTS; i++) {
        slice          s = {&g, sides, i};
        const estimate e = measure(&s);
        if (!(e.error <= 1e-6 * fmax(1, fabs(e.value)))) continue;
        compared++;
        cr_expect(fabs(grad[i] - e.value) <= 10 * e.error + 1e-9 * fabs(e.value),
                  "seed %llu, input %d: %.17g, differences say %.17g +- %.1g",
                  (unsigned long long)seed, i, grad[i], e.value, e.error);
    }
    ad_tape_free(tape);
    return compared;
}

/* ---- the tests ------------------------------------------------------------------------------- */

ParameterizedTestParameters(random_graphs, gradients_agree_with_differences) {
    static int number[BLOCKS];
    for (int i = 0; i < BLOCKS; i++) number[i] = i;
    return cr_make_param_array(int, number, BLOCKS);
}

ParameterizedTest(int *block, random_graphs, gradients_agree_with_differences) {
    int compared = 0;
    for (int i = 0; i < GRAPHS; i++)
        compared += compare((uint64_t)(1 + *block * GRAPHS + i) * UINT64_C(0x9E3779B97F4A7C15));
    cr_expect(compared >= GRAPHS * INPUTS * 8 / 10, "only %d of %d derivatives could be compared",
              compared, GRAPHS * INPUTS);
}

/* Every operation takes part somewhere, or the test above says less than it seems to. */
Test(random_graphs, every_operation_takes_part) {
    int used[OPERATIONS] = {0};
    for (int i = 0; i < BLOCKS * GRAPHS; i++) {
        graph g;
        graph_make(&g, (uint64_t)(1 + i) * UINT64_C(0x9E3779B97F4A7C15));
        for (int s = 0; s < g.length; s++) used[g.steps[s].operation]++;
    }
    for (int i = 0; i < OPERATIONS; i++)
        cr_expect(used[i] >= 20, "operation %d (%s) took part %d times", i,
                  i < ROWS ? rows[i].name : "reduction", used[i]);
}

/* Replaying a random graph at another place is recording it there. */
Test(random_graphs, replay_equals_a_fresh_recording_to_the_bit) {
    for (int i = 0; i < 200; i++) {
        const uint64_t seed = (uint64_t)(1 + i) * UINT64_C(0xD1342543DE82EF95);
        graph          g;
        ad_var         node[NODES], fresh[NODES];
        double         old_grad[INPUTS], new_grad[INPUTS];
        ad_tape       *tape = ad_tape_new(), *other = ad_tape_new();
        graph_make(&g, seed);
        for (int k = 0; k < INPUTS; k++) node[k] = ad_input(tape, g.input[k]);
        ad_var y = graph_evaluate(&g, node, NULL);
        for (int k = 0; k < INPUTS; k++) {
            ad_set(node[k], g.input[k] + 1e-3 * (k + 1));
            fresh[k] = ad_input(other, g.input[k] + 1e-3 * (k + 1));
        }
        ad_replay(tape);
        ad_var z = graph_evaluate(&g, fresh, NULL);
        ad_gradient(y, INPUTS, node, old_grad);
        ad_gradient(z, INPUTS, fresh, new_grad);
        cr_expect(ad_tape_status(tape) == ad_tape_status(other), "seed %llu",
                  (unsigned long long)seed);
        cr_expect(same_bits(ad_value(y), ad_value(z)) || isnan(ad_value(z)), "seed %llu",
                  (unsigned long long)seed);
        for (int k = 0; k < INPUTS; k++)
            cr_expect(same_bits(old_grad[k], new_grad[k]) || isnan(new_grad[k]),
                      "seed %llu, input %d", (unsigned long long)seed, k);
        ad_tape_free(tape), ad_tape_free(other);
    }
}
