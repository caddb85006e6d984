/* single.c - tests of programs over one example: formulas repeated over positions, as networks over
 * a text have them, are run by teams and held to the tape, and to the same example twice, which a
 * block runs. */
#include "support.h"

#include "engine/program/single.h"

#include "expect.h"
#include <criterion/parameterized.h>
#include <math.h>
#include <stdlib.h>

enum { PARAMS = 6, STEPS = 12, MOST = 150, GRAPHS = 60 };

/* A body of a few steps at each of many positions: step s of position t is node[t][s]. */
typedef struct graph {
    ad_tape *tape;
    size_t   positions;
    ad_var   param[PARAMS], input[MOST], node[MOST][STEPS], output;
    uint64_t seed;
} graph;

static size_t any(graph *g, size_t below) {
    return (size_t)(random_bits(&g->seed) % below);
}

/* Where a step takes an operand from, at every position: the example, a parameter, a number, an
 * earlier step of this position, or of one further back, or of the first. */
typedef struct source {
    size_t kind, step, back;
} source;

static source choose(graph *g, size_t s) {
    return (source){any(g, s == 0 ? 3 : 8), s == 0 ? 0 : any(g, s), 1 + any(g, 3)};
}

static ad_var operand(const graph *g, source from, size_t t) {
    switch (from.kind) {
    case 0: return g->input[t];
    case 1: return g->param[from.back];
    case 2: return ad_num(0.25 * (double)from.back);
    /* written: all of the step before are */
    case 3: return g->node[(t + from.back) % g->positions][from.step];
    case 4: return g->node[0][from.step];
    default: return g->node[t][from.step];
    }
}

enum { LAYER = ROWS, MIXED, SUM, DOT, LOGSUMEXP, NORM, LARGEST, WHERE, PICK, KINDS };

static ad_var recorded(graph *g, size_t kind, const source from[8], size_t t) {
    ad_var x[8];
    for (size_t i = 0; i < 8; i++) x[i] = operand(g, from[i], t);
    switch (kind) {
    case LAYER: return ad_dot(3, g->param + from[0].back % 3, x);
    case MIXED: {
        const ad_var known[3] = {ad_num(0.5), ad_num(-1), ad_num(0.25)},
                     first = ad_dot(3, known, x);
        return ad_mul(first, ad_dot(3, g->param + from[0].back % 3, x));
    }
    case SUM: return ad_sum(5, x);
    case DOT: return ad_dot(4, x, x + 4);
    case LOGSUMEXP: return ad_logsumexp(6, x);
    case NORM: return ad_norm(6, x);
    case LARGEST: return ad_largest(6, x);
    case WHERE: return ad_where(ad_less(g->input[t], ad_num(0.5)), x[1], x[2]);
    case PICK: return ad_pick(ad_less(x[0], g->input[t]), 2, x + 2);
    default: return row_record(&rows[kind], x[0], x[1]);
    }
}

/* Values are kept near 1: what is compared is rounding, not the condition of a formula. */
static void add_step(graph *g, size_t s) {
    for (bool good = false; !good;) {
        const ad_mark mark = ad_tape_mark(g->tape);
        const size_t  kind = any(g, 3) == 0 ? ROWS + any(g, KINDS - ROWS) : any(g, ROWS);
        source        from[8];
        for (size_t i = 0; i < 8; i++) from[i] = choose(g, s);
        good = true;
        for (size_t t = 0; t < g->positions && good; t++) {
            g->node[t][s] = recorded(g, kind, from, t);
            good = fabs(ad_value(g->node[t][s])) < 4;
        }
        if (!good) ad_tape_rewind(g->tape, mark);
    }
}

/* The tape's answer; false when it is too steep, so that rounding cannot be told. */
static bool reference(const graph *g, double grad[PARAMS]) {
    ad_gradient(g->output, PARAMS, g->param, grad);
    for (size_t s = 0; s < STEPS; s++)
        for (size_t t = 0; t < g->positions; t++)
            if (!(fabs(ad_value(g->node[t][s])) < 1e3)) return false;
    for (size_t i = 0; i < PARAMS; i++)
        if (!(fabs(grad[i]) < 1e3)) return false;
    return ad_tape_status(g->tape) == AD_OK;
}

static void graph_make(graph *g, size_t positions, uint64_t seed) {
    ad_var last[MOST];
    *g = (graph){.tape = ad_tape_new(), .positions = positions, .seed = seed};
    for (size_t i = 0; i < PARAMS; i++)
        g->param[i] = ad_input(g->tape, random_uniform(&g->seed, 0.2, 0.9));
    for (size_t t = 0; t < positions; t++)
        g->input[t] = ad_input(g->tape, random_uniform(&g->seed, 0.2, 0.9));
    for (size_t s = 0; s < STEPS; s++) add_step(g, s);
    for (size_t t = 0; t < positions; t++) last[t] = ad_sum(STEPS, g->node[t]);
    g->output = ad_div(ad_sum(positions, last), ad_num((double)positions));
}

static ad_program *compiled(const graph *g) {
    ad_program *p = ad_compile(&(ad_interface){.params = PARAMS,
                                               .param = g->param,
                                               .inputs = g->positions,
                                               .input = g->input,
                                               .outputs = 1,
                                               .output = &g->output});
    cr_assert_not_null(p, "%s", ad_tape_message(g->tape));
    return p;
}

ParameterizedTestParameters(single, formulas_at_many_positions_are_what_the_tape_gives) {
    static int number[GRAPHS];
    for (int i = 0; i < GRAPHS; i++) number[i] = i;
    return cr_make_param_array(int, number, GRAPHS);
}

/* Positions around the width of a vector and of a block. */
ParameterizedTest(int *number, single, formulas_at_many_positions_are_what_the_tape_gives) {
    static const size_t positions[] = {5, 8, 13, 64, 128, 150};
    static graph        g;
    const size_t        n = positions[*number % 6];
    double              want[PARAMS], param[PARAMS], input[2 * MOST], mean[3], grad[2][PARAMS];
    ad_program         *p = NULL;
    /* some graphs are too steep, some come down to one long sum */
    for (uint64_t attempt = 0; p == NULL; attempt++) {
        graph_make(&g, n, 1 + (uint64_t)*number + 1000 * attempt);
        if (reference(&g, want)) p = compiled(&g);
        if (p != NULL && (n < 8 || ad__single_for(p)->teams > 0)) break;
        ad_program_free(p), p = NULL;
        ad_tape_free(g.tape);
    }
    for (size_t i = 0; i < PARAMS; i++) param[i] = ad_value(g.param[i]);
    for (size_t t = 0; t < n; t++) input[t] = input[n + t] = ad_value(g.input[t]);
    for (size_t k = 1; k <= 2; k++)
        cr_assert_eq(ad_program_gradient(p, param, k, input, &mean[k], grad[k - 1]), AD_OK);
    cr_assert_eq(ad_program_values(p, param, 1, input, &mean[0]), AD_OK);
    cr_expect(same_bits(mean[0], mean[1]), "graph %d: the mean of one row is not its value",
              *number);
    cr_expect(close_to(mean[0], ad_value(g.output), 1e-13, 1e-13));
    cr_expect(same_bits(mean[1], mean[2]),
              "graph %d: the mean of two equal rows is not that of one", *number);
    for (size_t i = 0; i < PARAMS; i++) {
        cr_expect(close_to(grad[0][i], want[i], 1e-10, 1e-9),
                  "graph %d, %zu: %.17g, the tape says %.17g", *number, i, grad[0][i], want[i]);
        cr_expect(close_to(grad[0][i], grad[1][i], 1e-10, 1e-9),
                  "graph %d, %zu: %.17g, in a block %.17g", *number, i, grad[0][i], grad[1][i]);
    }
    ad_program_free(p);
    ad_tape_free(g.tape);
}

/* ---- what is no ordinary number -------------------------------------------------------------- */

/* The sum over positions of relu(a*x + b*y)*c, and what is asked of x at each. */
enum { N = 16 };

typedef enum odd { PLAIN, BRANCH, INDEX } odd;

static ad_program *odd_program(odd what) {
    ad_tape *tape = ad_tape_new();
    ad_var   w[3], x[2 * N], term[N];
    for (size_t i = 0; i < 3; i++) w[i] = ad_input(tape, 1 + (double)i);
    for (size_t t = 0; t < 2 * N; t++) x[t] = ad_input(tape, 1);
    for (size_t t = 0; t < N; t++) {
        term[t] = ad_mul(ad_relu(ad_dot(2, w, x + 2 * t)), w[2]);
        if (what == BRANCH) ad_branch(ad_less(x[2 * t], ad_num(5)));
        if (what == INDEX) term[t] = ad_pick(x[2 * t], 2, (ad_var[]){term[t], w[2]});
    }
    const ad_var y = ad_sum(N, term);
    ad_program  *p = ad_compile(&(ad_interface){
         .params = 3, .param = w, .inputs = 2 * N, .input = x, .outputs = 1, .output = &y});
    cr_assert_not_null(p, "%s", ad_tape_message(tape));
    cr_assert_gt(ad__single_for(p)->teams, 0);
    ad_tape_free(tape);
    return p;
}

static void expect_refused(odd what, size_t at, double number, ad_status want,
                           const char *sentence) {
    ad_program  *p = odd_program(what);
    const double param[] = {1, 2, 3};
    double       input[2 * N], mean, grad[3];
    char         text[200];
    for (size_t t = 0; t < 2 * N; t++) input[t] = 1;
    cr_expect_eq(ad_program_gradient(p, param, 1, input, &mean, grad), AD_OK);
    input[at] = number;
    cr_expect_eq(ad_program_gradient(p, param, 1, input, &mean, grad), want);
    ad_program_message(p, sizeof text, text);
    cr_expect_not_null(strstr(text, sentence), "%s", text);
    ad_program_free(p);
}

Test(single, a_branch_that_would_turn_names_row_0) {
    expect_refused(BRANCH, 0, 7, AD_BRANCH_CHANGED, "row 0: the branch on node");
    expect_refused(BRANCH, 2 * N - 2, 7, AD_BRANCH_CHANGED, "row 0: the branch on node");
    expect_refused(BRANCH, 6, 7, AD_BRANCH_CHANGED, "row 0: the branch on node");
}

Test(single, an_index_that_picks_nothing_names_row_0) {
    expect_refused(INDEX, 6, 1.5, AD_BAD_ARGUMENT, "row 0: pick: the index 1.5 is not");
}

/* relu is 0 at minus infinity, so that nothing is pushed to the weights, though an operand is
 * infinite. */
Test(single, a_zero_adjoint_pushes_nothing_through_an_infinite_operand) {
    ad_program  *p = odd_program(PLAIN);
    const double param[] = {1, 2, 3}, want[] = {15 * 3, 15 * 3, 15 * 3};
    double       input[2 * N], mean, grad[3];
    for (size_t t = 0; t < 2 * N; t++) input[t] = 1;
    input[6] = -INFINITY;
    cr_expect_eq(ad_program_gradient(p, param, 1, input, &mean, grad), AD_OK);
    cr_expect_eq(mean, 15 * 9);
    for (size_t i = 0; i < 3; i++)
        cr_expect_eq(grad[i], want[i], "%zu: %g, not %g", i, grad[i], want[i]);
    ad_program_free(p);
}

Test(single, what_is_not_finite_is_what_it_is_in_a_block) {
    ad_program  *p = odd_program(PLAIN);
    const double number[] = {NAN, INFINITY, -INFINITY, 1e308};
    for (size_t k = 0; k < 16; k++) {
        const double param[] = {1, k < 8 ? number[k / 2] : 2, k < 8 ? 3 : number[k / 2 - 4]};
        double       input[4 * N], mean[2], grad[2][3];
        for (size_t t = 0; t < 4 * N; t++) input[t] = k % 2 == 0 ? 1 : -1;
        for (size_t n = 1; n <= 2; n++)
            cr_expect_eq(ad_program_gradient(p, param, n, input, &mean[n - 1], grad[n - 1]), AD_OK);
        cr_expect(close_to(mean[0], mean[1], 0, 0), "%zu: %g, in a block %g", k, mean[0], mean[1]);
        for (size_t i = 0; i < 3; i++)
            cr_expect(close_to(grad[0][i], grad[1][i], 0, 0), "%zu: %g, in a block %g", k,
                      grad[0][i], grad[1][i]);
    }
    ad_program_free(p);
}

/* ---- a matrix times a vector ----------------------------------------------------------------- */

/* A network of two layers over n operands in this order, beside the tape and a block. */
static void expect_network(const size_t order[], size_t n) {
    enum { HIDDEN = 13, OUT = 5, WIDE = 9, WEIGHTS = HIDDEN * WIDE + OUT * HIDDEN };
    ad_tape *tape = ad_tape_new();
    ad_var   w[WEIGHTS], x[WIDE], in[WIDE], h[HIDDEN], z[OUT];
    double   param[WEIGHTS], input[2 * WIDE], want[WEIGHTS], mean[3], grad[2][WEIGHTS],
        again[WEIGHTS];
    for (size_t i = 0; i < WEIGHTS; i++) w[i] = ad_input(tape, param[i] = sin(3.0 * (double)i));
    for (size_t i = 0; i < WIDE; i++)
        x[i] = ad_input(tape, input[i] = input[WIDE + i] = cos(2.0 * (double)i));
    for (size_t i = 0; i < n; i++) in[i] = ad_sin(x[order[i]]);
    for (size_t j = 0; j < HIDDEN; j++) h[j] = ad_tanh(ad_dot(n, w + j * n, in));
    for (size_t j = 0; j < OUT; j++) z[j] = ad_dot(HIDDEN, w + HIDDEN * n + j * HIDDEN, h);
    const ad_var y = ad_logsumexp(OUT, z);
    ad_gradient(y, WEIGHTS, w, want);
    ad_program *p = ad_compile(&(ad_interface){
        .params = WEIGHTS, .param = w, .inputs = WIDE, .input = x, .outputs = 1, .output = &y});
    cr_assert_not_null(p, "%s", ad_tape_message(tape));
    cr_assert_gt(ad__single_for(p)->teams, 0);
    cr_assert_eq(p->layers, 2);
    cr_expect_eq(ad__single_for(p)->direct[0], true);
    cr_expect_eq(ad_program_values(p, param, 1, input, &mean[2]), AD_OK);
    for (size_t k = 0; k < 2; k++)
        cr_expect_eq(ad_program_gradient(p, param, k + 1, input, &mean[k], grad[k]), AD_OK);
    cr_expect(same_bits(mean[0], mean[1]) && same_bits(mean[0], mean[2]), "%.17g, in a block %.17g",
              mean[0], mean[1]);
    /* whatever the block left behind */
    cr_expect_eq(ad_program_gradient(p, param, 1, input, &mean[2], again), AD_OK);
    for (size_t i = 0; i < WEIGHTS; i++)
        cr_expect(same_bits(again[i], grad[0][i]), "%zu: %.17g, later %.17g", i, grad[0][i],
                  again[i]);
    for (size_t i = 0; i < WEIGHTS; i++) {
        cr_expect(close_to(grad[0][i], want[i], 1e-12, 1e-14), "%zu: %.17g, the tape says %.17g", i,
                  grad[0][i], want[i]);
        cr_expect(close_to(grad[0][i], grad[1][i], 1e-12, 1e-14), "%zu: %.17g, in a block %.17g", i,
                  grad[0][i], grad[1][i]);
    }
    ad_program_free(p);
    ad_tape_free(tape);
}

Test(single, layers_of_one_lane_take_their_weights_as_they_stand) {
    expect_network((const size_t[]){0, 1, 2, 3, 4, 5, 6, 7, 8}, 9);
}

Test(single, operands_in_any_order_are_brought_together_and_back) {
    expect_network((const size_t[]){3, 1, 8, 0, 5}, 5);
}

/* Two dots over the same operands are one layer; only one of them has weights to learn, and that in
 * either place. */
Test(single, a_layer_of_known_and_learned_weights_sends_back) {
    enum { SIZE = 8 };
    for (int learned = 0; learned < 2; learned++) {
        ad_tape *tape = ad_tape_new();
        ad_var   w[SIZE], x[SIZE], known[SIZE], h[2];
        double   param[SIZE], input[SIZE], want[SIZE], grad[SIZE], mean;
        for (size_t i = 0; i < SIZE; i++) {
            w[i] = ad_input(tape, param[i] = sin(3.0 * (double)i));
            known[i] = ad_num(1 / (1 + (double)i));
        }
        for (size_t i = 0; i < SIZE; i++) x[i] = ad_input(tape, input[i] = cos(2.0 * (double)i));
        for (int j = 0; j < 2; j++) h[j] = ad_dot(SIZE, j == learned ? w : known, x);
        const ad_var y = ad_mul(h[0], h[1]);
        ad_gradient(y, SIZE, w, want);
        ad_program *p = ad_compile(&(ad_interface){
            .params = SIZE, .param = w, .inputs = SIZE, .input = x, .outputs = 1, .output = &y});
        cr_expect_eq(p->layers, 1);
        /* the other way round a block does it */
        if (learned == 1) cr_expect_gt(ad__single_for(p)->teams, 0);
        cr_expect_eq(ad_program_gradient(p, param, 1, input, &mean, grad), AD_OK);
        for (size_t i = 0; i < SIZE; i++)
            cr_expect(close_to(grad[i], want[i], 1e-13, 0), "%d, %zu: %g, the tape says %g",
                      learned, i, grad[i], want[i]);
        ad_program_free(p);
        ad_tape_free(tape);
    }
}

/* The same matrix at three steps, of which each takes what the one before gives. */
Test(single, a_layer_at_many_steps_adds_up_its_gradients) {
    enum { SIZE = 16, TIMES = 3 };
    ad_tape *tape = ad_tape_new();
    ad_var   w[SIZE * SIZE], x[SIZE], h[SIZE], z[SIZE];
    double   param[SIZE * SIZE], input[2 * SIZE], want[SIZE * SIZE], mean[2], grad[2][SIZE * SIZE];
    for (size_t i = 0; i < SIZE * SIZE; i++)
        w[i] = ad_input(tape, param[i] = 0.3 * sin(3.0 * (double)i));
    for (size_t i = 0; i < SIZE; i++)
        h[i] = x[i] = ad_input(tape, input[i] = input[SIZE + i] = cos(2.0 * (double)i));
    for (size_t t = 0; t < TIMES; t++) {
        for (size_t j = 0; j < SIZE; j++) z[j] = ad_dot(SIZE, w + j * SIZE, h);
        for (size_t j = 0; j < SIZE; j++) h[j] = ad_tanh(z[j]);
    }
    const ad_var y = ad_logsumexp(SIZE, h);
    ad_gradient(y, SIZE * SIZE, w, want);
    ad_program *p = ad_compile(&(ad_interface){
        .params = SIZE * SIZE, .param = w, .inputs = SIZE, .input = x, .outputs = 1, .output = &y});
    cr_assert_gt(ad__single_for(p)->teams, 0);
    cr_expect(p->layers == TIMES && ad__single_for(p)->direct[TIMES - 1]);
    for (size_t k = 0; k < 2; k++)
        cr_expect_eq(ad_program_gradient(p, param, k + 1, input, &mean[k], grad[k]), AD_OK);
    cr_expect(same_bits(mean[0], mean[1]));
    for (size_t i = 0; i < SIZE * SIZE; i++)
        cr_expect(close_to(grad[0][i], want[i], 1e-12, 1e-14), "%zu: %.17g, the tape says %.17g", i,
                  grad[0][i], want[i]);
    ad_program_free(p);
    ad_tape_free(tape);
}

/* ---- what makes a team ----------------------------------------------------------------------- */

/* Each operation waits for the one before: nothing stands side by side. */
Test(single, a_chain_has_no_teams) {
    ad_tape *tape = ad_tape_new();
    ad_var   a = ad_input(tape, 0.5), x = ad_input(tape, 0.25), y = x;
    for (int i = 0; i < 100; i++) y = ad_sin(ad_mul(a, y));
    ad_program *p = ad_compile(&(ad_interface){
        .params = 1, .param = &a, .inputs = 1, .input = &x, .outputs = 1, .output = &y});
    cr_expect_eq(ad__single_for(p)->teams, 0);
    ad_program_free(p);
    ad_tape_free(tape);
}

static double triple_value(size_t n, const double x[], void *context) {
    (void)n, (void)context;
    return 3 * x[0];
}
static void triple_partials(size_t n, const double x[], double v, double partial[], void *context) {
    (void)n, (void)x, (void)v, (void)context;
    partial[0] = 3;
}

/* Forty positions of the same steps have teams, unless something in them is the user's own or
 * nothing of them is given or learned. */
static void expect_teams(bool own, bool given, bool learned, bool teams) {
    static const ad_custom_op triple = {
        .name = "triple", .operands = 1, .value = triple_value, .partials = triple_partials};
    ad_tape *tape = ad_tape_new();
    ad_var   a = ad_input(tape, 0.5), x[40], total = ad_num(0);
    for (size_t i = 0; i < 40; i++) x[i] = ad_input(tape, 0.01 * (double)i);
    for (size_t i = 0; i < 40; i++) {
        ad_var y = given ? x[i] : ad_add(a, ad_num((double)i));
        if (learned) y = ad_mul(a, y);
        y = ad_tanh(ad_sin(ad_exp(y)));
        total = ad_hypot(total, own ? ad_custom(tape, &triple, 1, &y, NULL) : y);
    }
    ad_program *p = ad_compile(&(ad_interface){
        .params = 1, .param = &a, .inputs = 40, .input = x, .outputs = 1, .output = &total});
    cr_assert_not_null(p, "%s", ad_tape_message(tape));
    const ad__single *s = ad__single_for(p);
    cr_assert_not_null(s);
    cr_expect_eq(s->teams > 0, teams, "own %d, given %d, learned %d: %zu teams", own, given,
                 learned, (size_t)s->teams);
    double mean, grad, want, input[40];
    for (size_t i = 0; i < 40; i++) input[i] = 0.01 * (double)i;
    ad_gradient(total, 1, &a, &want);
    cr_expect_eq(ad_program_gradient(p, &(double){0.5}, 1, input, &mean, &grad), AD_OK);
    cr_expect(close_to(mean, ad_value(total), 1e-14, 0) && close_to(grad, want, 1e-12, 0));
    ad_program_free(p);
    ad_tape_free(tape);
}

Test(single, teams_are_for_what_is_given_and_learned_and_not_the_users_own) {
    expect_teams(false, true, true, true);
    expect_teams(true, true, true, false);
    expect_teams(false, false, true, false);
    expect_teams(false, true, false, false);
}

/* A branch on the parameters alone turns before any step of the example is run. */
Test(single, a_branch_on_parameters_that_would_turn_is_reported) {
    ad_tape *tape = ad_tape_new();
    ad_var   a = ad_input(tape, 0.5), x[40], total = ad_num(0);
    for (size_t i = 0; i < 40; i++) x[i] = ad_input(tape, 0.01 * (double)i);
    ad_branch(ad_less(a, ad_num(1)));
    for (size_t i = 0; i < 40; i++) total = ad_hypot(total, ad_tanh(ad_sin(ad_mul(a, x[i]))));
    ad_program *p = ad_compile(&(ad_interface){
        .params = 1, .param = &a, .inputs = 40, .input = x, .outputs = 1, .output = &total});
    cr_assert_not_null(p, "%s", ad_tape_message(tape));
    cr_assert_gt(ad__single_for(p)->teams, 0);
    double mean, grad, input[40] = {0.5};
    cr_expect_eq(ad_program_gradient(p, &(double){0.75}, 1, input, &mean, &grad), AD_OK);
    cr_expect_eq(ad_program_gradient(p, &(double){1.5}, 1, input, &mean, &grad), AD_BRANCH_CHANGED);
    ad_program_free(p);
    ad_tape_free(tape);
}

/* Sixteen positions of dot and relu, and a dot of all: the layers are one team of sixteen lanes. */
Test(single, layers_with_the_same_weights_are_one_team) {
    ad_program       *p = odd_program(PLAIN);
    const ad__single *s = ad__single_for(p);
    cr_assert_eq(s->teams, 3);
    cr_expect_eq(s->team[0].body.code, AD__LAYER_DOT);
    cr_expect_eq(s->team[0].lanes, N);
    cr_expect_eq(s->team[1].lanes, N);
    ad_program_free(p);
}

/* Picks side by side are more than the lanes of a block: each from operands of its own, by an index
 * of its own. */
Test(single, a_team_of_picks_is_longer_than_a_block) {
    enum { PICKS = 300 };
    ad_tape *tape = ad_tape_new();
    ad_var   w[2] = {ad_input(tape, 3), ad_input(tape, 5)}, x[2 * PICKS], term[PICKS];
    double   input[2 * PICKS], want = 0, slope[2] = {0, 0}, mean, grad[2];
    for (size_t t = 0; t < PICKS; t++) {
        const size_t index = t * t % 3 % 2;
        const double weight = 1 + (double)(t % 7);
        x[2 * t] = ad_input(tape, input[2 * t] = (double)index);
        x[2 * t + 1] = ad_input(tape, input[2 * t + 1] = 1 + (double)t);
        term[t] = ad_pick(x[2 * t], 2,
                          (ad_var[]){ad_mul(w[0], x[2 * t + 1]), ad_mul(w[1], x[2 * t + 1])});
        term[t] = ad_mul(term[t], ad_num(weight));
        want += (index == 0 ? 3 : 5) * weight * input[2 * t + 1];
        slope[index] += weight * input[2 * t + 1];
    }
    const ad_var       y = ad_sum(PICKS, term);
    const ad_interface face = {
        .params = 2, .param = w, .inputs = 2 * PICKS, .input = x, .outputs = 1, .output = &y};
    ad_program       *p = ad_compile(&face);
    const ad__single *s = ad__single_for(p);
    bool              long_enough = false;
    for (size_t i = 0; i < s->teams; i++)
        long_enough =
            long_enough || (s->team[i].body.code == AD__pick && s->team[i].lanes == PICKS);
    cr_assert(long_enough);
    cr_expect_eq(ad_program_gradient(p, (const double[]){3, 5}, 1, input, &mean, grad), AD_OK);
    cr_expect_eq(mean, want);
    for (size_t i = 0; i < 2; i++) cr_expect_eq(grad[i], slope[i]);
    ad_program_free(p);
    ad_tape_free(tape);
}

/* In steady state nothing is made anew, and what a row before left behind is not seen. */
Test(single, the_same_example_gives_the_same_bits_whatever_came_between) {
    ad_program  *p = odd_program(PLAIN);
    const double param[] = {0.3, 0.2, 0.7}, other[] = {1e300, 1e300, 1e300};
    double       input[4 * N], mean[3], grad[3][3];
    for (size_t t = 0; t < 4 * N; t++) input[t] = 1 / (1 + (double)t);
    cr_expect_eq(ad_program_gradient(p, param, 1, input, &mean[0], grad[0]), AD_OK);
    cr_expect_eq(ad_program_gradient(p, other, 1, input, &mean[2], grad[2]), AD_OK);
    cr_expect_eq(ad_program_gradient(p, other, 2, input, &mean[2], grad[2]), AD_OK);
    cr_expect_eq(ad_program_gradient(p, param, 1, input, &mean[1], grad[1]), AD_OK);
    cr_expect(same_bits(mean[0], mean[1]));
    for (size_t i = 0; i < 3; i++) cr_expect(same_bits(grad[0][i], grad[1][i]));
    ad_program_free(p);
}

/* Two layers with the same weights side by side, and one that takes what both give. Inputs are
 * recorded before params. */
Test(single, two_layers_side_by_side_are_one_team_and_the_next_stands_alone) {
    enum { IN = 8, HIDDEN = 6, OUT = 3, WEIGHTS = HIDDEN * IN + OUT * 2 * HIDDEN };
    ad_tape *tape = ad_tape_new();
    ad_var   w[WEIGHTS], x[2 * IN], h[2 * HIDDEN], z[OUT];
    double   param[WEIGHTS], input[2 * IN], want[WEIGHTS], grad[WEIGHTS], mean;
    for (size_t i = 0; i < 2 * IN; i++) x[i] = ad_input(tape, input[i] = cos(2.0 * (double)i));
    for (size_t i = 0; i < WEIGHTS; i++) w[i] = ad_input(tape, param[i] = sin(3.0 * (double)i));
    for (size_t j = 0; j < 2 * HIDDEN; j++)
        h[j] = ad_dot(IN, w + j % HIDDEN * IN, x + j / HIDDEN * IN);
    for (size_t j = 0; j < 2 * HIDDEN; j++) h[j] = ad_tanh(h[j]);
    for (size_t j = 0; j < OUT; j++) z[j] = ad_dot(2 * HIDDEN, w + HIDDEN * IN + j * 2 * HIDDEN, h);
    const ad_var y = ad_logsumexp(OUT, z);
    ad_gradient(y, WEIGHTS, w, want);
    ad_program *p = ad_compile(&(ad_interface){
        .params = WEIGHTS, .param = w, .inputs = 2 * IN, .input = x, .outputs = 1, .output = &y});
    cr_assert_not_null(p, "%s", ad_tape_message(tape));
    const ad__single *s = ad__single_for(p);
    cr_assert_gt(s->teams, 0);
    cr_assert_eq(p->layers, 3);
    cr_expect(!s->direct[0] && !s->direct[1] && s->direct[2], "%d %d %d", s->direct[0],
              s->direct[1], s->direct[2]);
    cr_expect_eq(ad_program_gradient(p, param, 1, input, &mean, grad), AD_OK);
    cr_expect(close_to(mean, ad_value(y), 1e-14, 0));
    for (size_t i = 0; i < WEIGHTS; i++)
        cr_expect(close_to(grad[i], want[i], 1e-12, 1e-14), "%zu: %.17g, the tape says %.17g", i,
                  grad[i], want[i]);
    ad_program_free(p);
    ad_tape_free(tape);
}

/* At each of as many positions as a block has lanes a layer of 2 x 2, sines of what it gives, and a
 * layer of 12 x 14: room to compute in is for the largest of them. The root of the sum of all
 * squares is made of pairs. */
Test(single, a_full_block_of_the_largest_layer_has_room) {
    enum {
        POSITIONS = 128,
        SMALL = 2,
        HIGH = 12,
        ACROSS = 14,
        WEIGHTS = SMALL * SMALL + HIGH * ACROSS
    };
    static ad_var square[POSITIONS * HIGH];
    static double input[POSITIONS * SMALL];
    ad_tape      *tape = ad_tape_new();
    ad_var        w[WEIGHTS], x[POSITIONS * SMALL];
    double        param[WEIGHTS], want[WEIGHTS], grad[WEIGHTS], mean;
    for (size_t i = 0; i < WEIGHTS; i++)
        w[i] = ad_input(tape, param[i] = 0.5 * sin(3.0 * (double)i));
    for (size_t i = 0; i < POSITIONS * SMALL; i++)
        x[i] = ad_input(tape, input[i] = cos(2.0 * (double)i));
    for (size_t t = 0; t < POSITIONS; t++) {
        ad_var h[SMALL], in[ACROSS];
        for (size_t j = 0; j < SMALL; j++) h[j] = ad_dot(SMALL, w + j * SMALL, x + t * SMALL);
        for (size_t i = 0; i < ACROSS; i++)
            in[i] = ad_sin(ad_mul(h[i % SMALL], ad_num(1 + (double)i)));
        for (size_t j = 0; j < HIGH; j++)
            square[t * HIGH + j] = ad_dot(ACROSS, w + SMALL * SMALL + j * ACROSS, in);
    }
    size_t left = POSITIONS * HIGH;
    for (; left > 1; left = (left + 1) / 2)
        for (size_t i = 0; i < left / 2; i++) square[i] = ad_hypot(square[i], square[left - 1 - i]);
    const ad_var y = square[0];
    ad_gradient(y, WEIGHTS, w, want);
    ad_program *p = ad_compile(&(ad_interface){.params = WEIGHTS,
                                               .param = w,
                                               .inputs = POSITIONS * SMALL,
                                               .input = x,
                                               .outputs = 1,
                                               .output = &y});
    cr_assert_not_null(p, "%s", ad_tape_message(tape));
    cr_assert_gt(ad__single_for(p)->teams, 0);
    cr_assert_eq(p->layers, 2 * POSITIONS);
    cr_expect_eq(ad_program_gradient(p, param, 1, input, &mean, grad), AD_OK);
    cr_expect(close_to(mean, ad_value(y), 1e-13, 0));
    for (size_t i = 0; i < WEIGHTS; i++)
        cr_expect(close_to(grad[i], want[i], 1e-11, 1e-12), "%zu: %.17g, the tape says %.17g", i,
                  grad[i], want[i]);
    ad_program_free(p);
    ad_tape_free(tape);
}
