/* roll.c - tests of rolling: what repeats among the uniform values of a program runs as lanes, and
 * gives what the tape gives. The tape's own replay and sweep are the other side of every
 * comparison: they know nothing of rolls. Points of comparison differ from those of the
 * recording. */
#include "support.h"

#include "engine/program/program.h"

#include "expect.h"
#include <math.h>
#include <string.h>

enum { PARAMS = 4000, MOST_OUTPUTS = 3000 };

typedef struct fixture {
    ad_tape    *tape;
    ad_var      x[PARAMS], output[MOST_OUTPUTS];
    double      at[PARAMS], value[MOST_OUTPUTS], grad[PARAMS], mean;
    size_t      params, outputs;
    ad_program *p;
} fixture;

/* Recorded at one point, compared at another. */
static fixture *open_fixture(size_t params) {
    fixture *f = calloc(1, sizeof *f);
    uint64_t seed = 77 + params;
    f->tape = ad_tape_new();
    f->params = params;
    for (size_t i = 0; i < params; i++) {
        f->x[i] = ad_input(f->tape, random_uniform(&seed, 0.5, 1.5));
        f->at[i] = random_uniform(&seed, 0.5, 1.5);
    }
    return f;
}

static void close_fixture(fixture *f) {
    ad_program_free(f->p);
    ad_tape_free(f->tape);
    free(f);
}

static void compile(fixture *f, size_t outputs) {
    f->outputs = outputs;
    f->p = ad_compile(&(ad_interface){
        .params = f->params, .param = f->x, .outputs = outputs, .output = f->output});
    cr_assert_not_null(f->p, "%s", ad_tape_message(f->tape));
}

static void set_all(fixture *f) {
    for (size_t i = 0; i < f->params; i++) ad_set(f->x[i], f->at[i]);
}

/* Values of all outputs and the gradient of the first, from the program and from the tape. */
static void agree(fixture *f, double tolerance) {
    double *want = malloc(f->params * sizeof *want), largest = 0;
    cr_assert_eq(ad_program_values(f->p, f->at, 1, NULL, f->value), AD_OK);
    cr_assert_eq(ad_program_gradient(f->p, f->at, 1, NULL, &f->mean, f->grad), AD_OK);
    set_all(f);
    ad_replay(f->tape);
    for (size_t k = 0; k < f->outputs; k++)
        cr_assert(close_to(f->value[k], ad_value(f->output[k]), tolerance, tolerance),
                  "output %zu: %.17g, tape %.17g", k, f->value[k], ad_value(f->output[k]));
    cr_assert(same_bits(f->mean, f->value[0]),
              "values and gradient give two first outputs: %.17g %.17g", f->mean, f->value[0]);
    ad_gradient(f->output[0], f->params, f->x, want);
    for (size_t i = 0; i < f->params; i++)
        if (fabs(want[i]) > largest && isfinite(want[i])) largest = fabs(want[i]);
    for (size_t i = 0; i < f->params; i++)
        cr_assert(close_to(f->grad[i], want[i], tolerance, tolerance * largest),
                  "gradient %zu: %.17g, tape %.17g", i, f->grad[i], want[i]);
    cr_assert_eq(ad_tape_status(f->tape), AD_OK, "%s", ad_tape_message(f->tape));
    free(want);
}

static ad_var term(fixture *f, size_t i) {
    const ad_var t = ad_sub(f->x[i + 1], ad_mul(f->x[i], f->x[i])), u = ad_sub(ad_num(1), f->x[i]);
    return ad_add(ad_mul(ad_mul(ad_num(100), t), t), ad_mul(u, u));
}

static void rosenbrock(fixture *f, size_t n) {
    ad_var s = ad_num(0);
    for (size_t i = 0; i + 1 < n; i++) s = ad_add(s, term(f, i));
    f->output[0] = s;
    compile(f, 1);
}

/* ---- what becomes a roll --------------------------------------------------------------------- */

Test(roll, rosenbrock_is_one_roll_whose_values_have_no_home) {
    fixture *f = open_fixture(2000);
    rosenbrock(f, 2000);
    cr_expect_eq(f->p->rolls, 1);
    cr_expect_leq(f->p->instructions, 2); /* the number 0 that the sum began with is added */
    cr_expect_eq(f->p->roll[0].count, 1999);
    cr_expect_eq(f->p->roll[0].length, 6); /* x^2, t, 100t, 100t*t into s, u, u*u into s */
    cr_expect_lt(f->p->uniforms, 2000 + 64);
    agree(f, 1e-12);
    close_fixture(f);
}

Test(roll, fewer_than_eight_repetitions_stay_alone_and_all_lengths_agree) {
    for (size_t n = 2; n < 40; n++) {
        fixture *f = open_fixture(n);
        rosenbrock(f, n);
        cr_expect_eq(f->p->rolls, n - 1 < 8 ? 0 : 1, "%u rolls of %zu terms", f->p->rolls, n - 1);
        agree(f, 1e-12);
        close_fixture(f);
    }
}

Test(roll, lengths_around_whole_blocks_agree) {
    const size_t around[] = {511, 512, 513, 519, 520, 521, 1023, 1024, 1025, 1537};
    for (size_t k = 0; k < sizeof around / sizeof *around; k++) {
        fixture *f = open_fixture(around[k] + 1);
        rosenbrock(f, around[k] + 1);
        cr_expect_eq(f->p->roll[0].count, around[k]);
        agree(f, 1e-12);
        close_fixture(f);
    }
}

Test(roll, a_chain_of_dependent_steps_is_not_rolled) {
    fixture *f = open_fixture(2);
    ad_var   x = f->x[0];
    for (int i = 0; i < 1000; i++) x = ad_add(ad_sin(x), ad_mul(f->x[1], ad_tanh(x)));
    f->output[0] = x;
    compile(f, 1);
    cr_expect_eq(f->p->rolls, 0);
    agree(f, 1e-9);
    close_fixture(f);
}

/* x'[i] = sin(x[i])*w[i] + x[i]: units do not look at each other within a step, steps do. */
Test(roll, the_units_of_each_step_of_a_simulation_are_a_roll) {
    enum { UNITS = 14, STEPS = 30 };
    fixture *f = open_fixture(2 * UNITS);
    ad_var   x[UNITS];
    memcpy(x, f->x, sizeof x);
    for (int t = 0; t < STEPS; t++)
        for (int i = 0; i < UNITS; i++)
            x[i] = ad_sub(ad_sin(ad_mul(x[i], f->x[UNITS + i])), ad_exp(ad_neg(x[i])));
    f->output[0] = ad_sum(UNITS, x);
    compile(f, 1);
    cr_expect_geq(f->p->rolls, STEPS);
    cr_expect_lt(f->p->instructions, STEPS + 10);
    for (uint32_t k = 0; k < STEPS - 1; k++) cr_expect_eq(f->p->roll[k].count, UNITS);
    agree(f, 1e-11);
    close_fixture(f);
}

Test(roll, the_outer_of_two_loops_is_taken_when_it_repeats_more_often) {
    enum { N = 200 };
    fixture *f = open_fixture(3 * N);
    ad_var   s = ad_num(0);
    for (size_t i = 0; i < N; i++) {
        ad_var y = f->x[i];
        for (int k = 0; k < 3; k++) y = ad_add(ad_sin(y), f->x[N + i]);
        s = ad_add(s, ad_mul(y, f->x[2 * N + i]));
    }
    f->output[0] = s;
    compile(f, 1);
    cr_expect_eq(f->p->rolls, 1);
    cr_expect_eq(f->p->roll[0].count, N);
    cr_expect_eq(f->p->roll[0].length, 7);
    agree(f, 1e-11);
    close_fixture(f);
}

/* (x[i+1] - x[i]) - (x[i] - x[i-1]): equal differences are shared, so each repetition looks at the
 * one before. */
Test(roll, what_neighbours_share_is_rolled_before_the_rest) {
    enum { N = 300 };
    fixture *f = open_fixture(N + 2);
    ad_var   s = ad_num(0);
    for (size_t i = 1; i <= N; i++) {
        const ad_var before = ad_sub(f->x[i], f->x[i - 1]), after = ad_sub(f->x[i + 1], f->x[i]);
        const ad_var d = ad_sub(after, before), grown = ad_exp(d);
        s = ad_add(s, ad_mul(ad_sin(d), grown));
    }
    f->output[0] = s;
    compile(f, 1);
    cr_expect_eq(f->p->rolls, 2);
    cr_expect_gt(f->p->count.rolled, 5 * N - 20);
    agree(f, 1e-12);
    close_fixture(f);
}

/* The state goes step by step; what is made of it runs side by side. */
Test(roll, what_is_made_of_each_step_of_a_chain_is_a_roll) {
    enum { STEPS = 200 };
    fixture *f = open_fixture(STEPS + 3);
    ad_var   x = f->x[0], s = ad_num(0);
    for (size_t i = 0; i < STEPS; i++) {
        x = ad_add(ad_sin(x), ad_mul(f->x[1], x));
        const ad_var error = ad_sub(ad_mul(x, f->x[2]), f->x[3 + i]);
        s = ad_add(s, ad_sqrt(ad_add(ad_num(1), ad_mul(error, error))));
    }
    f->output[0] = s;
    compile(f, 1);
    cr_expect_geq(f->p->rolls, 1);
    cr_expect_gt(f->p->count.rolled, 5 * STEPS - 40);
    agree(f, 1e-11);
    close_fixture(f);
}

/* ---- where operands stand -------------------------------------------------------------------- */

static ad__place place_of(const ad_program *p, uint32_t body, uint32_t operand) {
    return (ad__place)p->source[p->body[p->roll[0].first + body].operand + operand].place;
}

Test(roll, operands_advance_by_any_constant) {
    const int stride[] = {0, 1, 2, 7, -1, -3};
    for (size_t a = 0; a < 6; a++)
        for (size_t b = 0; b < 6; b++) {
            enum { N = 100 };
            fixture *f = open_fixture(2000);
            ad_var   s = ad_num(0);
            for (int k = 0; k < N; k++)
                s = ad_add(s, ad_sin(ad_sub(f->x[1000 + k * stride[a]],
                                            ad_exp(f->x[900 + k * stride[b]]))));
            f->output[0] = s;
            compile(f, 1);
            if (stride[b] != 0) { /* else exp is one value, shared */
                cr_expect_eq(f->p->rolls, 1);
                cr_expect_eq(f->p->roll[0].count, N);
                cr_expect_eq(place_of(f->p, 0, 0), stride[b] == 1 ? AD__IN_RUN : AD__IN_LIST);
                cr_expect_eq(place_of(f->p, 1, 0), stride[a] == 0   ? AD__IN_ONE
                                                   : stride[a] == 1 ? AD__IN_RUN
                                                                    : AD__IN_LIST);
            }
            agree(f, 1e-12);
            close_fixture(f);
        }
}

/* The edges of a graph: both ends as they come, some of them many times. */
Test(roll, operands_in_no_order_are_gathered_and_scattered) {
    enum { N = 300, EDGES = 1000 };
    fixture *f = open_fixture(N);
    uint64_t seed = 3;
    ad_var   s = ad_num(0);
    for (int e = 0; e < EDGES; e++) {
        const ad_var d = ad_sub(f->x[random_bits(&seed) % N], f->x[random_bits(&seed) % N]);
        s = ad_add(s, ad_mul(ad_cos(d), d));
    }
    f->output[0] = s;
    compile(f, 1);
    cr_expect_gt(f->p->count.rolled, 3 * EDGES * 9 / 10);
    agree(f, 1e-11);
    close_fixture(f);
}

Test(roll, operands_that_overlap_receive_every_contribution) {
    enum { N = 700 };
    fixture *f = open_fixture(N + 4);
    ad_var   s = ad_num(0);
    for (size_t i = 0; i < N; i++)
        s = ad_add(s, ad_sin(ad_mul(ad_mul(f->x[i], f->x[i + 1]),
                                    ad_sub(f->x[i + 3], ad_exp(f->x[i + 2])))));
    f->output[0] = s;
    compile(f, 1);
    cr_expect_eq(f->p->rolls, 1);
    agree(f, 1e-12);
    close_fixture(f);
}

Test(roll, numbers_that_differ_by_repetition_are_read_by_a_list) {
    enum { N = 300 };
    fixture *f = open_fixture(N);
    ad_var   s = ad_num(0);
    for (size_t i = 0; i < N; i++)
        s = ad_add(s,
                   ad_tanh(ad_mul(ad_num(i % 7 == 3 ? 0 : 0.5 + (double)(i * i % 11)), f->x[i])));
    f->output[0] = s;
    compile(f, 1);
    cr_expect_eq(f->p->rolls, 1);
    cr_expect_eq(f->p->roll[0].count, N);
    agree(f, 1e-12);
    close_fixture(f);
}

Test(roll, a_dot_of_parameters_is_a_roll_of_one_product) {
    enum { N = 1000 };
    fixture *f = open_fixture(2 * N);
    f->output[0] = ad_dot(N, f->x, f->x + N);
    compile(f, 1);
    cr_expect_eq(f->p->rolls, 1);
    cr_expect_eq(f->p->roll[0].length, 1);
    agree(f, 1e-12);
    close_fixture(f);
}

Test(roll, a_matrix_times_a_vector_through_two_layers_agrees) {
    enum { N = 24, M = 17, K = 9 };
    fixture      *f = open_fixture(N + N * M + M + M * K);
    const ad_var *in = f->x, *w = in + N, *b = w + N * M, *v = b + M;
    ad_var        h[M], y[K];
    for (size_t j = 0; j < M; j++) h[j] = ad_tanh(ad_add(ad_dot(N, w + j * N, in), b[j]));
    for (size_t k = 0; k < K; k++) y[k] = ad_dot(M, v + k * M, h);
    f->output[0] = ad_sub(ad_logsumexp(K, y), y[3]);
    compile(f, 1);
    cr_expect_geq(f->p->rolls, M + K);
    agree(f, 1e-12);
    close_fixture(f);
}

/* ---- what leaves a roll ---------------------------------------------------------------------- */

Test(roll, results_wanted_outside_are_outputs) {
    enum { N = 600 };
    fixture *f = open_fixture(N);
    for (size_t i = 0; i < N; i++) {
        const ad_var square = ad_mul(f->x[i], f->x[i]);
        f->output[i] = ad_sin(square);
        if (i % 5 == 0) f->output[N + i / 5] = square;
    }
    compile(f, N + N / 5);
    cr_expect_eq(f->p->rolls, 1);
    agree(f, 1e-12);
    close_fixture(f);
}

Test(roll, one_roll_reads_what_another_left) {
    enum { N = 530 };
    fixture *f = open_fixture(N);
    ad_var   y[N], s = ad_num(0);
    for (size_t i = 0; i < N; i++) y[i] = ad_exp(ad_neg(f->x[i]));
    for (size_t i = 0; i + 1 < N; i++) s = ad_add(s, ad_sin(ad_mul(y[i], y[i + 1])));
    for (size_t i = 0; i < N; i++) s = ad_add(s, ad_sqrt(ad_add(y[N - 1 - i], f->x[i])));
    f->output[0] = s;
    compile(f, 1);
    cr_expect_eq(f->p->rolls, 3);
    agree(f, 1e-12);
    close_fixture(f);
}

Test(roll, rolled_values_serve_the_exampleof_a_program_with_inputs) {
    enum { N = 20, EXAMPLES = 9 };
    fixture *f = open_fixture(N);
    ad_var   input[N], w[N];
    double   example[EXAMPLES * N], want[N] = {0}, total = 0, one[N];
    uint64_t seed = 5;
    for (size_t i = 0; i < EXAMPLES * N; i++) example[i] = random_uniform(&seed, -1, 1);
    for (size_t i = 0; i < N; i++) input[i] = ad_input(f->tape, 0.25);
    for (size_t i = 0; i < N; i++) w[i] = ad_div(ad_exp(f->x[i]), f->x[(i + 1) % N]);
    const ad_var y = ad_mul(ad_tanh(ad_dot(N, w, input)), ad_sin(ad_mul(w[3], input[2])));
    f->p = ad_compile(&(ad_interface){
        .params = N, .param = f->x, .inputs = N, .input = input, .outputs = 1, .output = &y});
    cr_assert_not_null(f->p);
    cr_expect_gt(f->p->count.rolled, 0);
    cr_assert_eq(ad_program_gradient(f->p, f->at, EXAMPLES, example, &f->mean, f->grad), AD_OK);
    set_all(f);
    for (size_t r = 0; r < EXAMPLES; r++) {
        for (size_t i = 0; i < N; i++) ad_set(input[i], example[r * N + i]);
        ad_replay(f->tape);
        ad_gradient(y, N, f->x, one);
        total += ad_value(y);
        for (size_t i = 0; i < N; i++) want[i] += one[i];
    }
    cr_expect(close_to(f->mean, total / EXAMPLES, 1e-12, 1e-14));
    for (size_t i = 0; i < N; i++) {
        want[i] /= EXAMPLES;
        cr_expect(close_to(f->grad[i], want[i], 1e-11, 1e-13), "%zu: %.17g %.17g", i, f->grad[i],
                  want[i]);
    }
    close_fixture(f);
}

/* Each exp serves the sin of its own repetition, and some are weights of a layer: only the first,
 * or all but the first. */
Test(roll, weights_of_a_layer_have_homes_whichever_they_are) {
    enum { N = 16, IN = 3, WEIGHTS = 2 * IN };
    for (int first = 0; first < 2; first++) {
        fixture *f = open_fixture(N);
        ad_var   input[IN], e[N], s[N], w[WEIGHTS];
        double   example[2 * IN], want[N];
        for (size_t i = 0; i < IN; i++)
            input[i] = ad_input(f->tape, example[i] = example[IN + i] = 0.3 + 0.2 * (double)i);
        for (size_t k = 0; k < N; k++) e[k] = ad_exp(f->x[k]), s[k] = ad_sin(e[k]);
        for (size_t i = 0; i < WEIGHTS; i++) w[i] = (i == 0) == (first == 1) ? e[i + 5] : f->x[i];
        const ad_var z = ad_tanh(ad_dot(IN, w, input)),
                     y = ad_add(ad_mul(z, ad_dot(IN, w + IN, input)), ad_sum(N, s));
        f->p = ad_compile(&(ad_interface){
            .params = N, .param = f->x, .inputs = IN, .input = input, .outputs = 1, .output = &y});
        cr_assert_not_null(f->p, "%s", ad_tape_message(f->tape));
        cr_expect(f->p->layers == 1 && f->p->rolls >= 1, "%u layers, %u rolls", f->p->layers,
                  f->p->rolls);
        cr_assert_eq(ad_program_gradient(f->p, f->at, 2, example, &f->mean, f->grad), AD_OK);
        set_all(f);
        ad_replay(f->tape);
        ad_gradient(y, N, f->x, want);
        cr_expect(close_to(f->mean, ad_value(y), 1e-13, 0), "%d: %.17g, the tape says %.17g", first,
                  f->mean, ad_value(y));
        for (size_t i = 0; i < N; i++)
            cr_expect(close_to(f->grad[i], want[i], 1e-12, 1e-13),
                      "%d, %zu: %.17g, the tape says %.17g", first, i, f->grad[i], want[i]);
        close_fixture(f);
    }
}

/* ---- numbers that are not finite, adjoints that are zero ------------------------------------- */

Test(roll, what_is_not_finite_stays_in_its_repetition) {
    enum { N = 37 };
    fixture *f = open_fixture(N);
    for (size_t i = 0; i < N; i++) f->output[i] = ad_sqrt(ad_log(f->x[i]));
    compile(f, N);
    cr_expect_eq(f->p->rolls, 1);
    for (size_t i = 0; i < N; i++)
        f->at[i] = i % 5 == 0 ? -1 : i % 5 == 1 ? 0 : i % 5 == 2 ? INFINITY : 1.5 + (double)i;
    agree(f, 1e-14);
    close_fixture(f);
}

/* What stands behind the last repetition must not be seen, whatever it is. */
Test(roll, what_stands_behind_the_last_repetition_pushes_nothing) {
    enum { N = 9 };
    fixture *f = open_fixture(3 * N);
    ad_var   s = ad_num(0);
    for (size_t i = 0; i < N; i++) s = ad_add(s, ad_sqrt(ad_mul(f->x[i], ad_log(f->x[N + i]))));
    f->output[0] = s;
    compile(f, 1);
    cr_expect_eq(f->p->rolls, 1);
    for (size_t i = 0; i < N; i++) f->at[N + i] = 1.5, f->at[2 * N + i] = i % 2 ? NAN : -INFINITY;
    agree(f, 1e-13);
    for (size_t i = 0; i < 2 * N; i++) cr_expect(isfinite(f->grad[i]));
    for (size_t i = 0; i < N; i++) cr_expect_eq(f->grad[2 * N + i], 0);
    close_fixture(f);
}

Test(roll, a_zero_adjoint_pushes_nothing_through_an_infinite_partial) {
    enum { N = 20 };
    fixture *f = open_fixture(2 * N);
    ad_var   s = ad_num(0);
    for (size_t i = 0; i < N; i++)
        s = ad_add(s,
                   ad_add(ad_mul(f->x[N + i], ad_log(f->x[i])), ad_sqrt(ad_relu(ad_neg(f->x[i])))));
    f->output[0] = s;
    compile(f, 1);
    cr_expect_geq(f->p->rolls, 1);
    for (size_t i = 0; i < N; i++) f->at[N + i] = i % 3 == 0 ? 0 : 1;
    agree(f, 1e-13);
    close_fixture(f);
}

Test(roll, a_sum_that_nothing_arrives_at_pushes_nothing) {
    enum { N = 30 };
    fixture *f = open_fixture(N + 1);
    ad_var   s = ad_num(0);
    for (size_t i = 0; i < N; i++) s = ad_add(s, ad_sqrt(f->x[i]));
    f->output[0] = ad_where(ad_less(f->x[N], ad_num(100)), f->x[N], s);
    compile(f, 1);
    cr_expect_eq(f->p->rolls, 1);
    f->at[4] = 0; /* an infinite partial, not asked for */
    agree(f, 1e-13);
    cr_expect_eq(f->grad[4], 0);
    close_fixture(f);
}

/* ---- decisions inside ------------------------------------------------------------------------ */

Test(roll, a_choice_by_where_is_made_in_each_repetition) {
    enum { N = 50 };
    fixture *f = open_fixture(2 * N);
    ad_var   s = ad_num(0);
    for (size_t i = 0; i < N; i++)
        s = ad_add(s, ad_where(ad_less(f->x[i], f->x[N + i]), ad_log(ad_sub(f->x[N + i], f->x[i])),
                               ad_exp(f->x[i])));
    f->output[0] = s;
    compile(f, 1);
    cr_expect_eq(f->p->rolls, 1);
    cr_expect_eq(f->p->roll[0].count, N);
    agree(f, 1e-11);
    close_fixture(f);
}

Test(roll, a_pick_inside_a_loop_is_right_and_out_of_range_says_so) {
    enum { N = 40 };
    fixture *f = open_fixture(N + 3);
    ad_var   s = ad_num(0);
    for (size_t i = 0; i < N; i++)
        s = ad_add(s, ad_sin(ad_pick(ad_floor(ad_mul(f->x[i], ad_num(1.9))), 3,
                                     (ad_var[]){f->x[N], ad_exp(f->x[N + 1]), f->x[i]})));
    f->output[0] = s;
    compile(f, 1);
    agree(f, 1e-13);
    f->at[7] = 5;
    cr_expect_eq(ad_program_values(f->p, f->at, 1, NULL, f->value), AD_BAD_ARGUMENT);
    char text[300];
    ad_program_message(f->p, sizeof text, text);
    cr_expect(strstr(text, "9") != NULL && strstr(text, "0..2") != NULL, "%s", text);
    close_fixture(f);
}

Test(roll, a_branch_inside_a_loop_is_guarded_in_every_repetition) {
    enum { N = 40 };
    fixture *f = open_fixture(N);
    ad_var   s = ad_num(0);
    for (size_t i = 0; i < N; i++) {
        const ad_var y = ad_mul(f->x[i], f->x[i]);
        s = ad_branch(ad_less(y, ad_num(9))) ? ad_add(s, ad_sin(y)) : s;
    }
    f->output[0] = s;
    compile(f, 1);
    cr_expect_geq(f->p->rolls, 1);
    agree(f, 1e-13);
    for (size_t i = 0; i < N; i++) {
        const double before = f->at[i];
        f->at[i] = 4;
        cr_expect_eq(ad_program_gradient(f->p, f->at, 1, NULL, &f->mean, f->grad),
                     AD_BRANCH_CHANGED, "%zu", i);
        char text[300];
        ad_program_message(f->p, sizeof text, text);
        cr_expect(strstr(text, "(x < y, x = 16, y = 9)") != NULL, "%zu: %s", i, text);
        f->at[i] = before;
    }
    close_fixture(f);
}

/* ---- random bodies --------------------------------------------------------------------------- */

/* Rows that are defined everywhere and grow slowly. */
static const int tame[] = {
    ROW_neg,   ROW_add,   ROW_sub,  ROW_mul,     ROW_sin,      ROW_cos,   ROW_atan,       ROW_tanh,
    ROW_asinh, ROW_hypot, ROW_erf,  ROW_sigmoid, ROW_softplus, ROW_relu,  ROW_leaky_relu, ROW_elu,
    ROW_gelu,  ROW_silu,  ROW_abs,  ROW_min,     ROW_max,      ROW_floor, ROW_ceil,       ROW_trunc,
    ROW_round, ROW_rint,  ROW_less, ROW_both,    ROW_atan2,
};
enum {
    TAME = sizeof tame / sizeof *tame,
    SUM = ROWS,
    DOT,
    LOGSUMEXP,
    NORM,
    LARGEST,
    WHERE,
    KINDS = 6,
    BODY = 9,
    OPERANDS = 4
};

/* An operand of a random body: from inside, a parameter that advances, a number that may differ. */
typedef struct operand {
    int    inside, base, stride;
    double number, change;
} operand;

typedef struct body {
    int     length, kind[BODY];
    operand from[BODY][OPERANDS];
    bool    kept[BODY]; /* wanted outside */
} body;

static int below(uint64_t *state, int n) {
    return (int)(random_bits(state) % (uint64_t)n);
}

static void make_body(body *b, uint64_t *state) {
    const int strides[] = {0, 1, 1, 1, 2, -1, 5};
    b->length = 1 + below(state, BODY);
    for (int j = 0; j < b->length; j++) {
        b->kind[j] = below(state, 4) == 0 ? ROWS + below(state, KINDS) : tame[below(state, TAME)];
        b->kept[j] = below(state, 3) == 0 || j == b->length - 1;
        for (int i = 0; i < OPERANDS; i++) {
            operand  *o = &b->from[j][i];
            const int what = below(state, 8);
            o->inside = what < 4 && j > 0 ? below(state, j) : -1;
            o->base = what == 7 ? -1 : 1000 + below(state, 1000);
            o->stride = strides[below(state, 7)];
            o->number = random_uniform(state, -1, 1), o->change = below(state, 2) ? 0 : 0.01;
        }
    }
}

static ad_var operand_at(const fixture *f, const operand *o, const ad_var done[], int k) {
    if (o->inside >= 0) return done[o->inside];
    if (o->base < 0) return ad_num(o->number + o->change * k);
    return f->x[o->base + o->stride * k];
}

static void record_body(const fixture *f, const body *b, int k, ad_var done[]) {
    for (int j = 0; j < b->length; j++) {
        ad_var x[OPERANDS];
        for (int i = 0; i < OPERANDS; i++) x[i] = operand_at(f, &b->from[j][i], done, k);
        switch (b->kind[j]) {
        case SUM: done[j] = ad_sum(3, x); break;
        case DOT: done[j] = ad_dot(2, x, x + 2); break;
        case LOGSUMEXP: done[j] = ad_logsumexp(3, x); break;
        case NORM: done[j] = ad_norm(3, x); break;
        case LARGEST: done[j] = ad_largest(3, x); break;
        case WHERE: done[j] = ad_where(ad_less(x[0], x[3]), x[1], x[2]); break;
        default: done[j] = row_record(&rows[b->kind[j]], x[0], x[1]);
        }
        if (b->kind[j] == ROW_mul || b->kind[j] == DOT) done[j] = ad_tanh(done[j]);
    }
}

static size_t try_random(uint64_t seed, int n) {
    fixture *f = open_fixture(PARAMS);
    body     b;
    ad_var   done[BODY], s = ad_num(0);
    size_t   outputs = 1;
    make_body(&b, &seed);
    for (int k = 0; k < n; k++) {
        record_body(f, &b, k, done);
        for (int j = 0; j < b.length; j++) {
            if (!b.kept[j]) continue;
            if (j % 3 == 0 && outputs < MOST_OUTPUTS) f->output[outputs++] = done[j];
            if (j % 3 == 1) s = ad_add(s, ad_mul(done[j], f->x[100 + k]));
            if (j % 3 == 2 || j == b.length - 1) s = ad_add(s, done[j]);
        }
    }
    f->output[0] = s;
    compile(f, outputs);
    agree(f, 1e-9);
    const size_t rolled = f->p->count.rolled;
    close_fixture(f);
    return rolled;
}

Test(roll, random_bodies_agree_with_the_tape) {
    const int n[] = {3, 8, 13, 64, 130};
    const int bodies = getenv("TAPIR_FULL") != NULL ? 2000 : 60;
    int       rolled = 0;
    for (int i = 0; i < bodies; i++) rolled += try_random(1000 + (uint64_t)i, n[i % 5]) > 0;
    cr_expect_gt(rolled, bodies / 2);
}

/* A body of 400 values that stay inside: even the fewest lanes of its block are more than the
 * cache, and whole eights. */
/* Twenty turns of four steps, of which one reads in one place what the others do not: something
 * from before all of them, a parameter, a result of the turn before, or another result of its
 * own. */
static void odd_one_out(int turn, int place, int instead) {
    fixture     *f = open_fixture(24);
    const ad_var before = ad_sin(f->x[20]), other = ad_cos(f->x[21]);
    ad_var       last = other, total = ad_num(0);
    for (int k = 0; k < 20; k++) {
        ad_var own[4], instead_of[] = {before, f->x[22], last, ad_num(0)};
        own[0] = ad_exp(f->x[k]);
        instead_of[3] = own[0];
        const bool odd = k == turn;
        own[1] = ad_sin(odd && place == 0 ? instead_of[instead] : own[0]);
        own[2] = ad_mul(odd && place == 1 ? instead_of[instead] : own[1],
                        odd && place == 2 ? instead_of[instead] : before);
        own[3] = ad_atan2(odd && place == 3 ? instead_of[instead] : own[2],
                          odd && place == 4 ? instead_of[instead] : own[0]);
        total = ad_add(total, own[3]);
        f->output[k + 1] = last = own[3];
    }
    f->output[0] = total;
    compile(f, 21);
    agree(f, 1e-14);
    close_fixture(f);
}

Test(roll, a_turn_that_reads_something_else_is_computed_as_it_was_recorded) {
    static const int turns[] = {0, 1, 2, 7, 8, 9, 18, 19};
    for (size_t t = 0; t < sizeof turns / sizeof *turns; t++)
        for (int place = 0; place < 5; place++)
            for (int instead = 0; instead < 4; instead++) odd_one_out(turns[t], place, instead);
}

Test(roll, long_bodies_run_over_no_fewer_than_64_lanes) {
    enum { N = 100, LENGTH = 400 };
    const int bounded[] = {ROW_sin,   ROW_cos, ROW_atan,  ROW_tanh,
                           ROW_asinh, ROW_sub, ROW_hypot, ROW_softplus};
    int       made_of[LENGTH];
    uint64_t  seed = 21;
    fixture  *f = open_fixture(3 * N);
    ad_var    s = ad_num(0);
    for (int k = 0; k < LENGTH; k++) made_of[k] = bounded[below(&seed, 8)];
    for (int i = 0; i < N; i++) {
        ad_var y = f->x[i];
        for (int k = 0; k < LENGTH; k++) y = row_record(&rows[made_of[k]], y, f->x[N + i]);
        s = ad_add(s, ad_mul(y, f->x[2 * N + i]));
    }
    f->output[0] = s;
    compile(f, 1);
    cr_assert_eq(f->p->rolls, 1);
    cr_expect(f->p->roll[0].count == N && f->p->roll[0].rows >= LENGTH, "%u times, %u rows",
              f->p->roll[0].count, f->p->roll[0].rows);
    cr_expect_eq(f->p->roll[0].lanes, 64);
    agree(f, 1e-9);
    close_fixture(f);
}

/* ---- the cost of compiling ------------------------------------------------------------------- */

/* Comparisons to find the rolls of a graph of about n values. */
typedef ad_var graph(fixture *f, size_t n);

static ad_var chain(fixture *f, size_t n) {
    ad_var x = f->x[0];
    for (size_t i = 0; i < n / 4; i++) x = ad_add(ad_sin(x), ad_mul(f->x[1], ad_tanh(x)));
    return x;
}

static ad_var lagged(fixture *f, size_t n) { /* each value reads the one seven before */
    ad_var last[7];
    memcpy(last, f->x, sizeof last);
    for (size_t i = 0; i < n; i++) last[i % 7] = ad_sin(last[i % 7]);
    return ad_sum(7, last);
}

static ad_var disorder(fixture *f, size_t n) {
    uint64_t seed = 8;
    ad_var   x[64];
    memcpy(x, f->x, sizeof x);
    for (size_t i = 0; i < n; i++)
        x[below(&seed, 64)] =
            row_record(&rows[tame[below(&seed, TAME)]], x[below(&seed, 64)], x[below(&seed, 64)]);
    return ad_sum(64, x);
}

static ad_var two_operations(fixture *f, size_t n) { /* the same four follow everywhere */
    uint64_t seed = 8;
    ad_var   x[64];
    memcpy(x, f->x, sizeof x);
    for (size_t i = 0; i < n; i++) {
        ad_var *at = &x[below(&seed, 64)];
        *at = below(&seed, 2) ? ad_sin(*at) : ad_cos(*at);
    }
    return ad_sum(64, x);
}

static ad_var long_terms(fixture *f, size_t n) {
    ad_var s = ad_num(0);
    for (size_t i = 0; i < n / 6; i++) s = ad_add(s, term(f, i % (PARAMS - 1)));
    return s;
}

static ad_var nearly(fixture *f, size_t n) { /* long bodies that fail in the seventh repetition */
    ad_var x[500];
    memcpy(x, f->x, sizeof x);
    for (size_t i = 0; i < n / 500; i++)
        for (size_t k = 0; k < 500; k++) {
            const ad_var y = k == 499 && i % 7 == 6 ? x[0] : f->x[k + i % 7];
            x[k] = i % 7 == 0 && k == 3 ? ad_sinh(y) : ad_sin(ad_mul(y, f->x[600 + i % 3000]));
        }
    return ad_sum(500, x);
}

static void compare_count(const char *name, graph *g) {
    size_t compared[2], values[2];
    for (int k = 0; k < 2; k++) {
        fixture *f = open_fixture(PARAMS);
        f->output[0] = g(f, k == 0 ? 10000 : 80000);
        compile(f, 1);
        compared[k] = f->p->count.compared, values[k] = f->p->count.values;
        close_fixture(f);
    }
    cr_expect_leq(compared[1], 32 * values[1], "%s: %zu comparisons for %zu values", name,
                  compared[1], values[1]);
    cr_expect_leq(compared[0], 32 * values[0] + 32768, "%s: %zu comparisons for %zu values", name,
                  compared[0], values[0]);
}

Test(roll, compiling_compares_a_bounded_number_of_times_a_value) {
    compare_count("chain", chain);
    compare_count("lagged", lagged);
    compare_count("disorder", disorder);
    compare_count("two operations", two_operations);
    compare_count("long terms", long_terms);
    compare_count("nearly", nearly);
}

/* ---- in words -------------------------------------------------------------------------------- */

Test(roll, the_report_says_what_repeats_and_how_often) {
    fixture *f = open_fixture(100);
    rosenbrock(f, 100);
    char  text[20000] = "";
    FILE *to = tmpfile();
    cr_assert_eq(ad_program_print(f->p, to), AD_OK);
    rewind(to);
    text[fread(text, 1, sizeof text - 1, to)] = '\0';
    fclose(to);
    cr_expect_not_null(
        strstr(text, "rolls      1, of 594 uniform instructions in all; 1 stay alone\n"), "%s",
        text);
    cr_expect_not_null(strstr(text, "  roll       99 times (mul, sub, "), "%s", text);
    close_fixture(f);
}
