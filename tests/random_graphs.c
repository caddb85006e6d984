/* random_graphs.c - random expression graphs over all rows and reductions, gradients against
 * differences. A graph is a list of steps made once from a seed; evaluated on plain numbers it is
 * the function for the differences (numbers fold: no tape takes part), on handles it is the graph
 * whose gradient is tested.
 *
 * Only steps that are finite and not too steep at the place are kept, so that differences can
 * resolve them; steps that select are watched, and a stencil on which one of them turns is given up
 * for a smaller one. */
#include "support.h"

#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <math.h>

enum { INPUTS = 5, STEPS = 40, ARGUMENTS = 9, NODES = INPUTS + STEPS, BLOCKS = 12, GRAPHS = 50 };

enum { SUM = ROWS, DOT, LOGSUMEXP, WHERE, PICK, OPERATIONS };

/* Operand: the number of an earlier node, or -1 for a plain number. */
typedef struct step {
    int    operation;
    size_t n;
    int    from[ARGUMENTS];
    double number[ARGUMENTS];
} step;

typedef struct graph {
    double input[INPUTS], weight[NODES];
    step   steps[STEPS];
    int    length;                              /* of steps so far */
} graph;

/* ---- evaluating ------------------------------------------------------------------------------ */

static ad_var apply(int operation, size_t n, const ad_var x[]) {
    switch (operation) {
    case SUM:       return ad_sum(n, x);
    case DOT:       return ad_dot(n/2, x, x + n/2);
    case LOGSUMEXP: return ad_logsumexp(n, x);
    case WHERE:     return ad_where(x[0], x[1], x[2]);
    case PICK:      return ad_pick(x[0], n - 1, x + 1);
    default:        return row_record(&rows[operation], x[0], x[1]);
    }
}

/* What decides: the sides of rows, the condition of where, the index of pick. */
static double side_of(int operation, const ad_var x[], ad_var v) {
    if (operation == WHERE) return ad_value(x[0]) != 0;
    if (operation == PICK) return ad_value(x[0]);
    if (operation >= ROWS) return 0;
    return rows[operation].side(ad_value(x[0]), ad_value(x[1]), ad_value(v));
}

/* Steps into node[INPUTS...]; the inputs are there. sides[] may be NULL. */
static void take(const graph *g, int s, ad_var node[], double sides[]) {
    const step *at = &g->steps[s];
    ad_var      x[ARGUMENTS] = {ad_num(0), ad_num(0)};
    for (size_t i = 0; i < at->n; i++)
        x[i] = at->from[i] < 0 ? ad_num(at->number[i]) : node[at->from[i]];
    node[INPUTS + s] = apply(at->operation, at->n, x);
    if (sides != NULL) sides[s] = side_of(at->operation, x, node[INPUTS + s]);
}

/* All nodes, weighted: so every node is used, most of them more than once. */
static ad_var result(const graph *g, const ad_var node[]) {
    ad_var weights[NODES];
    for (int i = 0; i < INPUTS + g->length; i++) weights[i] = ad_num(g->weight[i]);
    return ad_dot((size_t)(INPUTS + g->length), weights, node);
}

static ad_var evaluate(const graph *g, ad_var node[], double sides[]) {
    for (int s = 0; s < g->length; s++) take(g, s, node, sides);
    return result(g, node);
}

/* ---- making ---------------------------------------------------------------------------------- */

static int random_below(uint64_t *state, int n) {
    return (int)(random_bits(state) % (uint64_t)n);
}

static void choose(graph *g, uint64_t *state) {
    step     *s = &g->steps[g->length];
    const int nodes = INPUTS + g->length;
    s->operation = random_below(state, 5) == 0 ? ROWS + random_below(state, OPERATIONS - ROWS)
                                               : random_below(state, ROWS);
    s->n = s->operation < ROWS      ? (size_t)rows[s->operation].operands
         : s->operation == WHERE    ? 3
         : s->operation == DOT      ? (size_t)(2 + 2*random_below(state, 4))
                                    : (size_t)(2 + random_below(state, ARGUMENTS - 2));
    const bool run = random_below(state, 2) == 0;                /* operands next to each other */
    const int  first = random_below(state, nodes);
    for (size_t i = 0; i < s->n; i++) {
        const bool number = s->operation == ROW_polygamma ? i == 0 : random_below(state, 5) == 0;
        s->from[i] = run && first + (int)i < nodes ? first + (int)i : random_below(state, nodes);
        s->number[i] =
            s->operation == ROW_polygamma ? random_below(state, 4) : random_uniform(state, -2, 3);
        if (number) s->from[i] = -1;
    }
}

/* The step's own partials at the place: finite and moderate? */
static bool tame(const graph *g, const ad_var node[], ad_tape *scratch) {
    const step   *s = &g->steps[g->length];
    const ad_mark mark = ad_tape_mark(scratch);
    ad_var        x[ARGUMENTS] = {ad_num(0), ad_num(0)};
    for (size_t i = 0; i < s->n; i++)
        x[i] =
            s->from[i] < 0 ? ad_num(s->number[i]) : ad_input(scratch, ad_value(node[s->from[i]]));
    ad_var v = apply(s->operation, s->n, x);
    bool   good = isfinite(ad_value(v)) && fabs(ad_value(v)) < 30;
    ad_backward(v);
    for (size_t i = 0; i < s->n; i++) good = good && fabs(ad_grad(x[i])) < 10;
    good = good && ad_tape_status(scratch) == AD_OK;
    ad_tape_clear(scratch);
    ad_tape_rewind(scratch, mark);
    return good;
}

static void make(graph *g, uint64_t seed) {
    uint64_t state = seed;
    ad_var   node[NODES];
    ad_tape *scratch = ad_tape_new();
    for (int i = 0; i < INPUTS; i++) node[i] = ad_num(g->input[i] = random_uniform(&state, -2, 3));
    for (int i = 0; i < NODES; i++) g->weight[i] = random_uniform(&state, -1, 1);
    g->length = 0;
    for (int tries = 0; g->length < STEPS && tries < 100*STEPS; tries++) {
        choose(g, &state);
        if (!tame(g, node, scratch)) continue;
        take(g, g->length, node, NULL);
        g->length++;
    }
    ad_tape_free(scratch);
}

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
    const double y = ad_value(evaluate(s->g, node, sides));
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

/* The tangent of every node against the gradient, within some roundings of what both add up: each node's
 * adjoint times its tangent. */
static void compare_tangent(const graph *g, ad_var y, const ad_var node[], const double grad[], uint64_t seed) {
    const double direction[INPUTS] = {1, -0.5, 0.25, 2, -1.5};
    double       want = 0, scale = 0;
    for (int i = 0; i < INPUTS; i++) want += grad[i]*direction[i];
    for (int i = 0; i < INPUTS + g->length; i++)
        scale += fabs(ad_grad(node[i])*ad_tangent(node[i], INPUTS, node, direction));
    const double got = ad_tangent(y, INPUTS, node, direction);
    cr_expect(fabs(got - want) <= 16*U*scale, "seed %llu: tangent %.17g, gradient %.17g",
              (unsigned long long)seed, got, want);
}

/* Inputs whose derivative could be compared. */
static int compare(uint64_t seed) {
    graph   g;
    ad_var  node[NODES];
    double  sides[STEPS], grad[INPUTS];
    int     compared = 0;
    make(&g, seed);
    ad_tape *tape = ad_tape_new();
    for (int i = 0; i < INPUTS; i++) node[i] = ad_input(tape, g.input[i]);
    ad_var y = evaluate(&g, node, sides);
    ad_gradient(y, INPUTS, node, grad);
    cr_expect_eq(ad_tape_status(tape), AD_OK, "seed %llu: %s", (unsigned long long)seed,
                 ad_tape_message(tape));
    cr_expect_eq(g.length, STEPS, "seed %llu: only %d steps were found", (unsigned long long)seed,
                 g.length);
    compare_tangent(&g, y, node, grad, seed);
    for (int i = 0; i < INPUTS; i++) {
        slice          s = {&g, sides, i};
        const estimate e = measure(&s);
        if (!(e.error <= 1e-6*fmax(1, fabs(e.value)))) continue;
        compared++;
        cr_expect(fabs(grad[i] - e.value) <= 10*e.error + 1e-9*fabs(e.value),
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
        compared += compare((uint64_t)(1 + *block*GRAPHS + i)*UINT64_C(0x9E3779B97F4A7C15));
    cr_expect(compared >= GRAPHS*INPUTS*8/10, "only %d of %d derivatives could be compared",
              compared, GRAPHS*INPUTS);
}

/* Every operation takes part somewhere, or the test above says less than it seems to. */
Test(random_graphs, every_operation_takes_part) {
    int used[OPERATIONS] = {0};
    for (int i = 0; i < BLOCKS*GRAPHS; i++) {
        graph g;
        make(&g, (uint64_t)(1 + i)*UINT64_C(0x9E3779B97F4A7C15));
        for (int s = 0; s < g.length; s++) used[g.steps[s].operation]++;
    }
    for (int i = 0; i < OPERATIONS; i++)
        cr_expect(used[i] >= 20, "operation %d (%s) took part %d times", i,
                  i < ROWS ? rows[i].name : "reduction", used[i]);
}

/* Replaying a random graph at another place is recording it there. */
Test(random_graphs, replay_equals_a_fresh_recording_to_the_bit) {
    for (int i = 0; i < 200; i++) {
        const uint64_t seed = (uint64_t)(1 + i)*UINT64_C(0xD1342543DE82EF95);
        graph    g;
        ad_var   node[NODES], fresh[NODES];
        double   old_grad[INPUTS], new_grad[INPUTS];
        ad_tape *tape = ad_tape_new(), *other = ad_tape_new();
        make(&g, seed);
        for (int k = 0; k < INPUTS; k++) node[k] = ad_input(tape, g.input[k]);
        ad_var y = evaluate(&g, node, NULL);
        for (int k = 0; k < INPUTS; k++) {
            ad_set(node[k], g.input[k] + 1e-3*(k + 1));
            fresh[k] = ad_input(other, g.input[k] + 1e-3*(k + 1));
        }
        ad_replay(tape);
        ad_var z = evaluate(&g, fresh, NULL);
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
