/* graphs.c - random graphs and formulas; see graphs.h. */
#include "graphs.h"

#include <math.h>

/* ---- evaluating ------------------------------------------------------------------------------ */

static ad_var apply(int operation, size_t n, const ad_var x[]) {
    switch (operation) {
    case SUM: return ad_sum(n, x);
    case DOT: return ad_dot(n / 2, x, x + n / 2);
    case LOGSUMEXP: return ad_logsumexp(n, x);
    case NORM: return ad_norm(n, x);
    case LARGEST: return ad_largest(n, x);
    case WHERE: return ad_where(x[0], x[1], x[2]);
    case PICK: return ad_pick(x[0], n - 1, x + 1);
    case BRANCH: ad_branch(x[0]); return x[0];
    default: return row_record(&rows[operation], x[0], x[1]);
    }
}

/* Which operand is the largest; several as a number of their own. */
static double largest_of(size_t n, const ad_var x[], ad_var v) {
    double set = 0;
    for (size_t i = 0; i < n; i++)
        if (ad_value(x[i]) == ad_value(v)) set += ldexp(1, (int)i);
    return set;
}

/* What decides: the sides of rows, the largest operand, the condition of where, the index of
 * pick. */
static double side_of(int operation, size_t n, const ad_var x[], ad_var v) {
    if (operation == WHERE || operation == BRANCH) return ad_value(x[0]) != 0;
    if (operation == PICK) return ad_value(x[0]);
    if (operation == LARGEST) return largest_of(n, x, v);
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
    if (sides != NULL) sides[s] = side_of(at->operation, at->n, x, node[INPUTS + s]);
}

static ad_var result(const graph *g, const ad_var node[]) {
    ad_var weights[NODES], used[NODES];
    size_t n = 0;
    for (int i = 0; i < INPUTS + g->length; i++) {
        if (g->weight[i] == 0) continue;
        weights[n] = ad_num(g->weight[i]);
        used[n++] = node[i];
    }
    return ad_dot(n, weights, used);
}

ad_var graph_evaluate(const graph *g, ad_var node[], double sides[]) {
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
    s->n = s->operation == BRANCH ? 1
         : s->operation < ROWS    ? (size_t)rows[s->operation].operands
         : s->operation == WHERE  ? 3
         : s->operation == DOT    ? (size_t)(2 + 2 * random_below(state, 4))
                                  : (size_t)(2 + random_below(state, ARGUMENTS - 2));
    const bool run = random_below(state, 2) == 0; /* operands next to each other */
    const int  first = random_below(state, nodes);
    for (size_t i = 0; i < s->n; i++) {
        const bool number = s->operation == ROW_polygamma ? i == 0 : random_below(state, 5) == 0;
        s->from[i] = run && first + (int)i < nodes ? first + (int)i : random_below(state, nodes);
        s->number[i] =
            s->operation == ROW_polygamma ? random_below(state, 4) : random_uniform(state, -2, 3);
        if (number) s->from[i] = -1;
    }
}

/* Has the step second derivatives at the place? (0^0 has not: they are infinite.) */
static bool bends(ad_var v, const step *s, const ad_var x[]) {
    ad_var input[ARGUMENTS];
    double h[ARGUMENTS * ARGUMENTS];
    size_t n = 0;
    for (size_t i = 0; i < s->n; i++)
        if (s->from[i] >= 0) input[n++] = x[i];
    ad_hessian(v, n, input, h);
    for (size_t i = 0; i < n * n; i++)
        if (!isfinite(h[i])) return false;
    return true;
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
    good = good && ad_tape_status(scratch) == AD_OK && bends(v, s, x);
    ad_tape_clear(scratch);
    ad_tape_rewind(scratch, mark);
    return good;
}

void graph_make(graph *g, uint64_t seed) {
    uint64_t state = seed;
    ad_var   node[NODES];
    ad_tape *scratch = ad_tape_new();
    for (int i = 0; i < INPUTS; i++) node[i] = ad_num(g->input[i] = random_uniform(&state, -2, 3));
    for (int i = 0; i < NODES; i++)
        g->weight[i] = random_below(&state, 6) == 0 ? 0 : random_uniform(&state, -1, 1);
    g->length = 0;
    for (int tries = 0; g->length < STEPS && tries < 100 * STEPS; tries++) {
        choose(g, &state);
        if (!tame(g, node, scratch)) continue;
        take(g, g->length, node, NULL);
        g->length++;
    }
    ad_tape_free(scratch);
}

/* ---- formulas -------------------------------------------------------------------------------- */

const formula formulas[] = {
    {"a*x + b*y + c", {1, 2, 3, 0.5, -0.5}},
    {"tanh(a*x + b*y + c)", {0.3, -0.2, 0.1, 1.5, 2}},
    {"(a*x + b*y)*(a*x + b*y) - c*exp(-x*x/2)", {0.7, 0.4, 2, 1, -1}},
    {"log(1 + exp(a*x + b)) - c*y", {1, -1, 0.5, 3, 1}},
    {"s = sigmoid(a*x + b); y*log(s) + (1 - y)*log(1 - s) + c", {0.5, 0.1, 0, 2, 0.7}},
    {"100*(y - x^2)^2 + (a - x)^2 + b*c", {1, 2, 3, -1.2, 1}},
    {"x < y ? a*x : b*y + c", {1, 2, 3, 0.3, 0.6}},
    {"logsumexp(a*x, b*y, c, x) - (x > 0 ? a*x : b*y)", {1, 2, 3, 0.4, -0.3}},
    {"sum(a, b, c, x, y)/prod(a, b, c) + mean(x, y, a*x)", {1, 2, 3, 4, 5}},
    {"dot(a, b, c, x, y, x) + dot(x, y, a, x, b, c)", {1, -2, 3, -4, 5}},
    {"sqrt(hypot(x, y) + a^2) + atan2(b*y, x)*c", {1, 2, 0.2, 0.8, 0.6}},
    {"a*sin(b*x + c)*exp(-y^2) + lgamma(2 + x^2)", {2, 1.5, 0.3, 0.4, 0.6}},
    {"min(a*x, b*y) + max(x, c) + abs(y - a) + relu(x - c)", {1, 2, 0.5, 0.7, 0.2}},
    {"e = (a + b)*(b + 1); e*x + c*y/e", {2, 1, 0.5, 1, 1}},
    {"gelu(a*x) + silu(b*y) + softplus(c*x) + elu(a - y) + erf(x*y)", {1, -0.5, 2, 0.4, 1.3}},
};
const size_t formula_count = sizeof formulas / sizeof *formulas;
