/* lanes.c - tests of programs over many rows: one list of formulas and random graphs through every
 * path. The reference is the tape, recorded afresh at each row.
 *
 * What is compared: values and derivatives of each row; every count of rows, to the bit, with each
 * row alone; one and two threads, to the bit; every instruction set of this machine; exported C. */
#include "graphs.h"

#include "engine/base/isa.h"
#include "engine/tape/tape.h"

#include "expect.h"
#include <criterion/parameterized.h>
#include <dlfcn.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#ifdef _OPENMP
#include <omp.h>
#endif

enum { PARAMS = 3, COLUMNS = 2, EXAMPLES = 23, GRAPHS = 36, PART = 12 };

/* A function of the leaves: a graph, or a formula. */
typedef struct function_of_leaves {
    const graph   *g;
    const formula *f;
} function_of_leaves;

static ad_var recorded(const function_of_leaves *f, ad_tape *tape, const ad_var leaf[],
                       double sides[]) {
    if (f->f != NULL) return ad_parse(tape, f->f->text, INPUTS, "a, b, c, x, y", leaf);
    ad_var node[NODES];
    memcpy(node, leaf, INPUTS * sizeof *leaf);
    return graph_evaluate(f->g, node, sides);
}

/* ---- the reference --------------------------------------------------------------------------- */

typedef struct example {
    double input[COLUMNS], value, partial[INPUTS];
    double noise, steepest; /* u * sum |adjoint*value|; the largest adjoint */
} example;

typedef struct reference {
    double  param[PARAMS];
    example row[EXAMPLES];
} reference;

static void leaves_at(ad_tape *tape, const double param[], const double input[], ad_var leaf[]) {
    for (int i = 0; i < PARAMS; i++) leaf[i] = ad_input(tape, param[i]);
    for (int i = 0; i < COLUMNS; i++) leaf[PARAMS + i] = ad_input(tape, input[i]);
}

static bool same_branches(const graph *g, const double a[], const double b[]) {
    for (int s = 0; g != NULL && s < g->length; s++)
        if (g->steps[s].operation == BRANCH && a[s] != b[s]) return false;
    return true;
}

/* Recorded at this row. False where the recording fails, takes another branch, or is too steep to
 * be compared. */
static bool refer(const function_of_leaves *f, const double param[], example *e,
                  const double want[], double sides[]) {
    ad_tape *tape = ad_tape_new();
    ad_var   leaf[INPUTS];
    leaves_at(tape, param, e->input, leaf);
    ad_var y = recorded(f, tape, leaf, sides);
    ad_gradient(y, INPUTS, leaf, e->partial);
    e->value = ad_value(y);
    e->noise = e->steepest = 0;
    for (uint32_t i = 0; y.tape != NULL && i <= ad__node_of(y) && ad_tape_status(tape) == AD_OK;
         i++) {
        if (tape->adjoint[i] == 0) continue;
        e->noise += U * fabs(tape->adjoint[i] * tape->value[i]);
        e->steepest = fmax(e->steepest, fabs(tape->adjoint[i]));
    }
    const bool good = ad_tape_status(tape) == AD_OK && e->steepest < 1e3 && isfinite(e->noise) &&
                      same_branches(f->g, sides, want);
    ad_tape_free(tape);
    return good;
}

static void refer_all(const function_of_leaves *f, reference *r) {
    const double *at = f->g != NULL ? f->g->input : f->f->at;
    double        sides[STEPS] = {0}, base[STEPS] = {0};
    memcpy(r->param, at, sizeof r->param);
    for (int k = 0; k < EXAMPLES; k++) {
        example *e = &r->row[k];
        for (int i = 0; i < COLUMNS; i++)
            e->input[i] = at[PARAMS + i] + (k == 0 ? 0 : 0.3 * sin(7 * k + 3 * i));
        if (k == 0) {
            refer(f, r->param, e, base, base);
        } else if (!refer(f, r->param, e, base, sides)) {
            *e = r->row[0];
        }
    }
}

/* ---- what is compared ------------------------------------------------------------------------ */

/* Every function is good to 4 units in the last place, and a sum adds one for each of its operands.
 * An adjoint is off by what the values it is made from are, times the curvature there: 64 is enough
 * for the usual graphs and formulas, 700 for the most bent of a thousand. A mean rounds once a row
 * more. */
static const double K_VALUE = 16, K_PARTIAL = 1e3;

static bool value_agrees(const example *e, double got) {
    return close_to(got, e->value, 0, K_VALUE * e->noise + 1e-300);
}

static bool partial_agrees(const example *e, int i, double got) {
    return close_to(got, e->partial[i], 0,
                    K_PARTIAL * U * fmax(1, e->steepest) + K_VALUE * U * fabs(e->partial[i]));
}

typedef struct subject {
    const char *isa, *name;
    ad_program *p;
    reference   r;
} subject;

static void check_rows(const subject *s, const double values[], const double jacobian[],
                       const double grads[]) {
    for (int k = 0; k < EXAMPLES; k++) {
        const example *e = &s->r.row[k];
        cr_expect(value_agrees(e, values[k]), "%s, %s, row %d: %.17g, the tape says %.17g +- %.1g",
                  s->name, s->isa, k, values[k], e->value, K_VALUE * e->noise);
        for (int i = 0; i < COLUMNS; i++)
            cr_expect(partial_agrees(e, PARAMS + i, jacobian[k * COLUMNS + i]),
                      "%s, %s, row %d, input %d: %.17g, the tape says %.17g", s->name, s->isa, k, i,
                      jacobian[k * COLUMNS + i], e->partial[PARAMS + i]);
        for (int i = 0; i < PARAMS; i++)
            cr_expect(partial_agrees(e, i, grads[k * PARAMS + i]),
                      "%s, %s, row %d, param %d: %.17g, the tape says %.17g", s->name, s->isa, k, i,
                      grads[k * PARAMS + i], e->partial[i]);
    }
}

static void run_all(const subject *s, size_t n, const double input[], double values[],
                    double jacobian[], double *mean, double grad[]) {
    char text[300];
    bool good = ad_program_values(s->p, s->r.param, n, input, values) == AD_OK;
    good = good && ad_program_jacobian(s->p, s->r.param, n, input, jacobian) == AD_OK;
    good = good && (n == 0 || ad_program_gradient(s->p, s->r.param, n, input, mean, grad) == AD_OK);
    ad_program_message(s->p, sizeof text, text);
    cr_assert(good, "%s, %s, %zu rows: %s", s->name, s->isa, n, text);
}

static bool same_or_nan(double a, double b) {
    return same_bits(a, b) || (isnan(a) && isnan(b));
}

/* Rows of a batch are those of the examples, over and over: each must be what it is alone. */
static void check_batch(const subject *s, size_t n, const double values[], const double jacobian[],
                        const double grads[]) {
    double *input = malloc((n + 1) * COLUMNS * sizeof *input), *got = malloc((n + 1) * sizeof *got);
    double *partials = malloc((n + 1) * COLUMNS * sizeof *partials), mean = NAN, grad[PARAMS] = {0};
    for (size_t k = 0; k < n; k++)
        memcpy(input + k * COLUMNS, s->r.row[k % EXAMPLES].input, COLUMNS * sizeof *input);
    run_all(s, n, input, got, partials, &mean, grad);
    for (size_t k = 0; k < n; k++) {
        cr_expect(same_or_nan(got[k], values[k % EXAMPLES]),
                  "%s, %s: row %zu of %zu has its own value", s->name, s->isa, k, n);
        for (size_t i = 0; i < COLUMNS; i++)
            cr_expect(same_or_nan(partials[k * COLUMNS + i], jacobian[k % EXAMPLES * COLUMNS + i]),
                      "%s, %s: row %zu of %zu has its own partial %zu", s->name, s->isa, k, n, i);
    }
    double want = 0, size = 0;
    for (size_t k = 0; k < n; k++)
        want += values[k % EXAMPLES] / (double)n, size += fabs(values[k % EXAMPLES]) / (double)n;
    if (n > 0)
        cr_expect(close_to(mean, want, 0, 1e-13 * size), "%s, %s: mean of %zu rows", s->name,
                  s->isa, n);
    for (size_t i = 0; i < PARAMS && n > 0; i++) {
        want = size = 0;
        for (size_t k = 0; k < n; k++) {
            want += grads[k % EXAMPLES * PARAMS + i] / (double)n;
            size += fmax(fabs(grads[k % EXAMPLES * PARAMS + i]), s->r.row[k % EXAMPLES].steepest) /
                    (double)n;
        }
        cr_expect(close_to(grad[i], want, 0, (K_PARTIAL + (double)n) * U * size),
                  "%s, %s: mean gradient of %zu rows: %.17g, not %.17g", s->name, s->isa, n,
                  grad[i], want);
    }
    free(input), free(got), free(partials);
}

static void check_threads(const subject *s) {
#ifdef _OPENMP
    enum { N = 1500 };
    static double input[N * COLUMNS];
    double        mean[2], grad[2][PARAMS];
    for (size_t k = 0; k < N; k++)
        memcpy(input + k * COLUMNS, s->r.row[k % EXAMPLES].input, COLUMNS * sizeof *input);
    for (int threads = 1; threads <= 2; threads++) {
        omp_set_num_threads(threads);
        cr_expect_eq(
            ad_program_gradient(s->p, s->r.param, N, input, &mean[threads - 1], grad[threads - 1]),
            AD_OK);
    }
    cr_expect(same_or_nan(mean[0], mean[1]), "%s, %s: two threads have another mean", s->name,
              s->isa);
    for (int i = 0; i < PARAMS; i++)
        cr_expect(same_or_nan(grad[0][i], grad[1][i]), "%s, %s: two threads have another gradient",
                  s->name, s->isa);
#else
    (void)s;
#endif
}

static ad_program *compiled(const function_of_leaves *f, const reference *r) {
    ad_tape *tape = ad_tape_new();
    ad_var   leaf[INPUTS];
    leaves_at(tape, r->param, r->row[0].input, leaf);
    ad_var             y = recorded(f, tape, leaf, NULL);
    const ad_interface face = {PARAMS, leaf, COLUMNS, leaf + PARAMS, 1, &y, 0};
    ad_program        *p = ad_compile(&face);
    cr_assert_not_null(p, "%s", ad_tape_message(tape));
    ad_tape_free(tape);
    return p;
}

/* The sizes stand around the width of a vector, of a padded block, and of a block. */
static const size_t sizes[] = {0, 1, 7, 8, 9, 16, 25, 127, 128, 129, 1000};

static void check_subject(const subject *s) {
    double values[EXAMPLES], jacobian[EXAMPLES * COLUMNS], grads[EXAMPLES * PARAMS], mean;
    for (int k = 0; k < EXAMPLES; k++) {
        run_all(s, 1, s->r.row[k].input, values + k, jacobian + k * COLUMNS, &mean,
                grads + k * PARAMS);
        cr_expect(same_or_nan(mean, values[k]), "%s, %s: a mean of one row", s->name, s->isa);
    }
    check_rows(s, values, jacobian, grads);
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        check_batch(s, sizes[i], values, jacobian, grads);
    check_threads(s);
}

static void check_function(const function_of_leaves *f, const char *name) {
    subject s = {.name = name};
    refer_all(f, &s.r);
    for (int level = 2; level <= 4; level++) {
        char isa[3] = {'v', (char)('0' + level), '\0'};
        setenv("TAPIR_ISA", isa, 1);
        /* this machine has less, or there is one build */
        if (level > 2 && ad__isa_level() != level) continue;
        s.isa = isa;
        s.p = compiled(f, &s.r);
        check_subject(&s);
        ad_program_free(s.p);
    }
    unsetenv("TAPIR_ISA");
}

/* What a tape that was recorded at the first row says at each: replayed, in reverse, forwards, and
 * by the nodes of a recorded gradient. */
static void check_tape(const function_of_leaves *f, const char *name) {
    reference r;
    ad_tape  *tape = ad_tape_new();
    ad_var    leaf[INPUTS], partial[INPUTS];
    double    swept[INPUTS];
    refer_all(f, &r);
    leaves_at(tape, r.param, r.row[0].input, leaf);
    const ad_var y = recorded(f, tape, leaf, NULL);
    ad_record_gradient(y, INPUTS, leaf, partial);
    for (int k = 0; k < EXAMPLES; k++) {
        const example *e = &r.row[k];
        for (int i = 0; i < COLUMNS; i++) ad_set(leaf[PARAMS + i], e->input[i]);
        ad_replay(tape);
        ad_gradient(y, INPUTS, leaf, swept);
        cr_assert_eq(ad_tape_status(tape), AD_OK, "%s, row %d: %s", name, k, ad_tape_message(tape));
        cr_expect(same_or_nan(ad_value(y), e->value), "%s, replayed, row %d: %.17g, not %.17g",
                  name, k, ad_value(y), e->value);
        for (int i = 0; i < INPUTS; i++) {
            double direction[INPUTS] = {0};
            direction[i] = 1;
            const double forwards = ad_tangent(y, INPUTS, leaf, direction),
                         node = ad_value(partial[i]);
            cr_expect(same_or_nan(swept[i], e->partial[i]),
                      "%s, replayed, row %d, leaf %d: %.17g, not %.17g", name, k, i, swept[i],
                      e->partial[i]);
            cr_expect(partial_agrees(e, i, forwards),
                      "%s, tangent, row %d, leaf %d: %.17g, the sweep says %.17g", name, k, i,
                      forwards, e->partial[i]);
            cr_expect(partial_agrees(e, i, node),
                      "%s, recorded gradient, row %d, leaf %d: %.17g, the sweep says %.17g", name,
                      k, i, node, e->partial[i]);
        }
    }
    ad_tape_free(tape);
}

static uint64_t seed_of(int i) {
    return (uint64_t)(1 + i) * UINT64_C(0x9E3779B97F4A7C15);
}

ParameterizedTestParameters(lanes, random_graphs_agree_with_the_tape) {
    static int part[PART];
    for (int i = 0; i < PART; i++) part[i] = i;
    return cr_make_param_array(int, part, PART);
}

ParameterizedTest(int *part, lanes, random_graphs_agree_with_the_tape) {
    const int many = getenv("TAPIR_FULL") != NULL ? 20 * GRAPHS : GRAPHS;
    for (int i = *part; i < many; i += PART) {
        graph g;
        char  name[40];
        graph_make(&g, seed_of(i));
        snprintf(name, sizeof name, "graph %d", i);
        check_function(&(function_of_leaves){.g = &g}, name);
        check_tape(&(function_of_leaves){.g = &g}, name);
    }
}

Test(lanes, formulas_agree_with_the_tape) {
    for (size_t i = 0; i < formula_count; i++) {
        check_function(&(function_of_leaves){.f = &formulas[i]}, formulas[i].text);
        check_tape(&(function_of_leaves){.f = &formulas[i]}, formulas[i].text);
    }
}

/* ---- exported C ------------------------------------------------------------------------------ */

typedef double exported(const double *param, const double *input, double *grad);

static void check_exported(exported *f, const reference *r, const char *name) {
    for (int k = 0; k < EXAMPLES; k++) {
        double         grad[PARAMS];
        const example *e = &r->row[k];
        const double   value = f(r->param, e->input, grad);
        cr_expect(value_agrees(e, value), "%s, exported, row %d: %.17g, the tape says %.17g", name,
                  k, value, e->value);
        for (int i = 0; i < PARAMS; i++)
            cr_expect(partial_agrees(e, i, grad[i]),
                      "%s, exported, row %d, param %d: %.17g, the tape says %.17g", name, k, i,
                      grad[i], e->partial[i]);
    }
}

/* Graphs and formulas in one file, f0, f1, ..., compiled once. */
Test(lanes, exported_graphs_and_formulas_agree_with_the_tape) {
    enum { EXPORTED = 12 };
    const size_t count = EXPORTED + formula_count;
    char         folder[] = "/tmp/tapir-lanes-XXXXXX", path[100], command[300], name[20];
    cr_assert_not_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/f.c", folder);
    FILE *file = fopen(path, "w");
    cr_assert_not_null(file);
    graph     *g = malloc(EXPORTED * sizeof *g);
    reference *r = malloc(count * sizeof *r);
    for (size_t i = 0; i < count; i++) {
        if (i < EXPORTED) graph_make(&g[i], seed_of((int)i));
        const function_of_leaves f = i < EXPORTED
                                       ? (function_of_leaves){.g = &g[i]}
                                       : (function_of_leaves){.f = &formulas[i - EXPORTED]};
        refer_all(&f, &r[i]);
        ad_program *p = compiled(&f, &r[i]);
        snprintf(name, sizeof name, "f%zu", i);
        cr_assert_eq(ad_program_emit_c(p, name, file), AD_OK);
        ad_program_free(p);
    }
    fclose(file);
    snprintf(command, sizeof command,
             "cc -std=c99 -Wall -Wextra -pedantic -Werror -shared -fPIC -o %s/f.so %s -lm", folder,
             path);
    cr_assert_eq(system(command), 0, "%s", command);
    snprintf(path, sizeof path, "%s/f.so", folder);
    void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    cr_assert_not_null(library);
    for (size_t i = 0; i < count; i++) {
        exported *f;
        snprintf(name, sizeof name, "f%zu", i);
        void *symbol = dlsym(library, name);
        cr_assert_not_null(symbol);
        memcpy(&f, &symbol, sizeof symbol);
        check_exported(f, &r[i], name);
    }
    dlclose(library);
    snprintf(command, sizeof command, "rm -r %s", folder);
    cr_expect_eq(system(command), 0);
    free(g), free(r);
}

/* ---- lanes keep to themselves ---------------------------------------------------------------- */

/* A layer, a selection, a reduction and functions of several shapes: two params and two inputs. */
static ad_program *mixture(ad_tape *tape) {
    ad_var w[6], x[2];
    for (int i = 0; i < 6; i++) w[i] = ad_input(tape, 0.1 * i - 0.2);
    for (int i = 0; i < 2; i++) x[i] = ad_input(tape, 1);
    const ad_var h[] = {ad_tanh(ad_dot(2, w, x)), ad_dot(2, w + 2, x), ad_sub(ad_exp(x[0]), w[5])};
    ad_var       y =
        ad_add(ad_logsumexp(3, h), ad_mul(ad_dot(3, h, w), ad_max(x[0], ad_mul(w[4], x[1]))));
    y = ad_add(y, ad_where(ad_less(x[1], w[0]), h[1], ad_sin(h[0])));
    const ad_interface face = {6, w, 2, x, 1, &y, 0};
    ad_program        *p = ad_compile(&face);
    cr_assert_not_null(p, "%s", ad_tape_message(tape));
    return p;
}

Test(lanes, what_is_not_finite_stays_in_its_lane) {
    static const double strange[] = {NAN, INFINITY, -INFINITY, 1e308, 5e-324};
    enum { N = 21 };
    ad_tape     *tape = ad_tape_new();
    ad_program  *p = mixture(tape);
    const double param[] = {-0.2, -0.1, 0, 0.1, 0.2, 0.3};
    double       input[N * 2], clean[N], values[N], plain[N * 2], partials[N * 2];
    for (int i = 0; i < 2 * N; i++) input[i] = cos(i);
    cr_assert_eq(ad_program_values(p, param, N, input, clean), AD_OK);
    cr_assert_eq(ad_program_jacobian(p, param, N, input, plain), AD_OK);
    for (int k = 0; k < 2 * N; k++) {
        const double before = input[k];
        input[k] = strange[k % 5];
        cr_assert_eq(ad_program_values(p, param, N, input, values), AD_OK);
        cr_assert_eq(ad_program_jacobian(p, param, N, input, partials), AD_OK);
        for (int i = 0; i < N; i++) {
            if (i == k / 2) continue;
            cr_expect(same_bits(values[i], clean[i]), "%g in row %d reached the value of row %d",
                      strange[k % 5], k / 2, i);
            cr_expect(same_bits(partials[2 * i], plain[2 * i]) &&
                          same_bits(partials[2 * i + 1], plain[2 * i + 1]),
                      "%g in row %d reached the partials of row %d", strange[k % 5], k / 2, i);
        }
        input[k] = before;
    }
    ad_program_free(p);
    ad_tape_free(tape);
}

/* x*sqrt(a) at a = 0: where x is 0 the adjoint is, and 0 times infinity is not pushed. */
Test(lanes, zero_adjoint_of_a_lane_pushes_nothing) {
    ad_tape *tape = ad_tape_new();
    ad_var   a = ad_input(tape, 1), x = ad_input(tape, 1), z = ad_input(tape, 1), inputs[] = {x, z};
    ad_var   y = ad_mul(x, ad_sqrt(ad_mul(a, z)));
    const ad_interface face = {1, &a, 2, inputs, 1, &y, 0};
    ad_program        *p = ad_compile(&face);
    const double       zero = 0, four = 4, input[] = {0, 1, 0, 0};
    double             mean, grad;
    cr_expect_eq(ad_program_gradient(p, &zero, 2, input, &mean, &grad), AD_OK);
    cr_expect(mean == 0 && grad == 0, "%g, %g", mean, grad);
    const double mixed[] = {0, 0, 2, 1};
    cr_expect_eq(ad_program_gradient(p, &four, 2, mixed, &mean, &grad), AD_OK);
    /* (0 + 2*sqrt(4))/2, (0 + 2/(2*sqrt(4)))/2 */
    cr_expect(mean == 2 && grad == 0.25, "%g, %g", mean, grad);
    ad_program_free(p);
    ad_tape_free(tape);
}

/* A layer with an infinite weight, or an infinite operand, in lanes whose adjoint is 0. */
Test(lanes, zero_adjoint_of_a_layer_pushes_nothing) {
    ad_tape *tape = ad_tape_new();
    ad_var   w[4], x[3];
    for (int i = 0; i < 4; i++) w[i] = ad_input(tape, i);
    for (int i = 0; i < 3; i++) x[i] = ad_input(tape, i);
    ad_var y =
        ad_add(ad_where(x[2], ad_dot(2, w, x), x[0]), ad_where(x[2], x[0], ad_dot(2, w + 2, x)));
    const ad_interface face = {4, w, 3, x, 1, &y, 0};
    ad_program        *p = ad_compile(&face);
    const double       param[] = {INFINITY, 2, 3, 5}, input[] = {1, 2, 0};
    double             mean, grad[4], jacobian[3];
    cr_expect_eq(ad_program_gradient(p, param, 1, input, &mean, grad), AD_OK);
    cr_expect(mean == 14 && grad[0] == 0 && grad[1] == 0 && grad[2] == 1 && grad[3] == 2,
              "%g: %g %g %g %g", mean, grad[0], grad[1], grad[2], grad[3]);
    cr_expect_eq(ad_program_jacobian(p, param, 1, input, jacobian), AD_OK);
    cr_expect(jacobian[0] == 4 && jacobian[1] == 5 && jacobian[2] == 0, "%g %g %g", jacobian[0],
              jacobian[1], jacobian[2]);
    ad_program_free(p);
    ad_tape_free(tape);
}

/* ---- shapes ---------------------------------------------------------------------------------- */

Test(lanes, jacobian_is_rows_by_outputs_by_active_inputs) {
    ad_tape *tape = ad_tape_new();
    ad_var   a = ad_input(tape, 2), x[3];
    for (int i = 0; i < 3; i++) x[i] = ad_input(tape, i);
    const ad_var y[] = {
        ad_mul(x[0], ad_mul(x[1], x[2])), ad_exp(a), ad_mul(a, x[1]), ad_num(4), x[0], x[2]};
    const ad_interface face = {1, &a, 3, x, 6, y, 2};
    ad_program        *p = ad_compile(&face);
    const double       two = 2, input[] = {1, 2, 3, 4, 5, 6};
    double             values[12], j[24];
    cr_assert_eq(ad_program_values(p, &two, 2, input, values), AD_OK);
    cr_assert_eq(ad_program_jacobian(p, &two, 2, input, j), AD_OK);
    const double want_values[] = {6, exp(2), 4, 4, 1, 3, 120, exp(2), 10, 4, 4, 6};
    const double want[] = {6,  3,  0, 0, 0, 2, 0, 0, 1, 0, 0, 0,
                           30, 24, 0, 0, 0, 2, 0, 0, 1, 0, 0, 0};
    for (int i = 0; i < 12; i++)
        cr_expect(close_to(values[i], want_values[i], 1e-15, 0), "value %d: %g", i, values[i]);
    for (int i = 0; i < 24; i++) cr_expect_eq(j[i], want[i], "%d: %g", i, j[i]);
    ad_program_free(p);
    ad_tape_free(tape);
}

Test(lanes, output_that_does_not_vary_is_its_own_mean) {
    ad_tape           *tape = ad_tape_new();
    const ad_var       a[] = {ad_input(tape, 3), ad_input(tape, 1)}, x = ad_input(tape, 1);
    ad_var             y = ad_div(ad_num(1), a[0]);
    const ad_interface face = {2, a, 1, &x, 1, &y, 0}, bare = {2, a, 0, NULL, 1, &y, 0};
    ad_program        *p = ad_compile(&face), *q = ad_compile(&bare);
    const double       param[] = {3, 7};
    /* a sanitizer tells if more is read */
    double             mean, grad[2], *input = calloc(10, sizeof *input);
    for (int k = 0; k < 2; k++) {
        const size_t n = k == 0 ? 10 : SIZE_MAX;
        cr_assert_eq(ad_program_gradient(k == 0 ? p : q, param, n, input, &mean, grad), AD_OK);
        cr_expect(mean == 1.0 / 3 && grad[0] == -1.0 / 3 / 3 && grad[1] == 0, "%.17g %.17g %g",
                  mean, grad[0], grad[1]);
    }
    free(input);
    ad_program_free(p), ad_program_free(q);
    ad_tape_free(tape);
}

/* ---- what has no answer ---------------------------------------------------------------------- */

static void says(const ad_program *p, ad_status got, ad_status want, const char *words) {
    char text[300];
    ad_program_message(p, sizeof text, text);
    cr_expect_eq(got, want, "status %d: %s", (int)got, text);
    cr_expect(strstr(text, words) != NULL, "wanted \"%s\": %s", words, text);
}

Test(lanes, branch_that_would_turn_names_its_row) {
    ad_tape *tape = ad_tape_new();
    ad_var   a = ad_input(tape, 2), x = ad_input(tape, 3);
    cr_assert(ad_branch(x));
    cr_assert(ad_branch(a));
    cr_assert_not(ad_branch(ad_less(x, a)));
    ad_var             y = ad_pick(ad_sub(x, a), 3, ((ad_var[]){x, a, ad_mul(a, x)}));
    const ad_interface face = {1, &a, 1, &x, 1, &y, 0};
    ad_program        *p = ad_compile(&face);
    double             input[300], output[300], two = 2, zero = 0, mean;
    for (int i = 0; i < 300; i++) input[i] = 2 + i % 3;
    says(p, ad_program_values(p, &two, 300, input, output), AD_OK, "");
    cr_expect_eq(output[2], 8);
    /* 0 - 2 picks nothing either, but that stands behind the branch */
    input[257] = 0, input[290] = 1;
    says(p, ad_program_values(p, &two, 300, input, output), AD_BRANCH_CHANGED,
         "row 257: the branch on node #1 (input, now 0) was taken");
    says(p, ad_program_gradient(p, &two, 300, input, &mean, output), AD_BRANCH_CHANGED, "row 257");
    says(p, ad_program_jacobian(p, &two, 300, input, output), AD_BRANCH_CHANGED, "row 257");
    input[257] = 1;
    says(p, ad_program_values(p, &two, 300, input, output), AD_BRANCH_CHANGED,
         "row 257: the branch on node #4 (x < y, x = 1, y = 2) was not taken when recorded and "
         "would now be taken");
    input[257] = 7;
    says(p, ad_program_values(p, &two, 258, input, output), AD_BAD_ARGUMENT,
         "row 257: pick: the index 5 is not a whole number in 0..2");
    says(p, ad_program_values(p, &zero, 1, input, output), AD_BRANCH_CHANGED,
         "the branch on node #0 (param, now 0) was taken");
    ad_program_free(p);
    ad_tape_free(tape);
}

/* Whatever stands on a side: an input, a parameter, a number, what nobody reads but the comparison
 * and what was computed long before; each comparison; in a batch, alone, and with one thread
 * more. */
Test(lanes, branch_that_would_turn_names_its_two_sides) {
    ad_var (*const compare[])(ad_var, ad_var) = {ad_less, ad_less_equal, ad_equal, ad_not_equal};
    const char *const sign[] = {"<", "<=", "==", "!="};
    for (size_t k = 0; k < sizeof compare / sizeof *compare; k++) {
        for (int other = 0; other < 4; other++) {
            ad_tape     *tape = ad_tape_new();
            const ad_var a = ad_input(tape, 9), x = ad_input(tape, 2);
            const ad_var square = ad_mul(x, x);
            const ad_var side = other == 0 ? a
                              : other == 1 ? ad_num(9)
                              : other == 2 ? ad_mul(a, ad_num(1))
                                           : ad_add(a, ad_num(0));
            const ad_var c = compare[k](square, side);
            ad_var       y = ad_mul(ad_exp(x), a);
            for (int i = 0; i < 20; i++) y = ad_add(ad_sin(y), ad_mul(y, x));
            const bool taken = ad_branch(c);
            y = ad_add(y, x);
            ad_program  *p = ad_compile(&(ad_interface){1, &a, 1, &x, 1, &y, 0});
            const double turned = k < 2 ? 4 : 3, nine = 9;
            cr_assert(p != NULL, "%s", ad_tape_message(tape));
            static double input[1000], output[1000];
            const size_t  count[] = {1, 7, 1000};
            char          words[200];
            for (size_t r = 0; r < 3; r++) {
                for (size_t i = 0; i < count[r]; i++) input[i] = 2;
                input[count[r] - 1] = turned;
                snprintf(words, sizeof words,
                         "row %zu: the branch on node #%u (x %s y, x = %g, y = 9) was %s",
                         count[r] - 1, ad__node_of(c), sign[k], turned * turned,
                         taken ? "taken" : "not taken");
                for (int threads = 1; threads <= 2; threads++) {
                    double mean;
#ifdef _OPENMP
                    omp_set_num_threads(threads);
#endif
                    says(p, ad_program_values(p, &nine, count[r], input, output), AD_BRANCH_CHANGED,
                         words);
                    says(p, ad_program_gradient(p, &nine, count[r], input, &mean, output),
                         AD_BRANCH_CHANGED, words);
                    says(p, ad_program_jacobian(p, &nine, count[r], input, output),
                         AD_BRANCH_CHANGED, words);
                }
            }
            ad_program_free(p);
            ad_tape_free(tape);
        }
    }
}

/* Two branches on params alone, beside an output that varies: each by itself. */
Test(lanes, branch_on_params_alone_names_no_row_whichever_it_is) {
    ad_tape     *tape = ad_tape_new();
    const ad_var a[] = {ad_input(tape, 1), ad_input(tape, 2)}, x = ad_input(tape, 3);
    cr_assert(ad_branch(ad_less(a[0], ad_num(5))));
    cr_assert_not(ad_branch(ad_less(a[1], a[0])));
    const ad_var y = ad_mul(ad_mul(a[0], a[1]), x);
    ad_program  *p = ad_compile(&(ad_interface){2, a, 1, &x, 1, &y, 0});
    const double one = 1;
    double       output;
    says(p, ad_program_values(p, (const double[]){1, 2}, 1, &one, &output), AD_OK, "");
    cr_expect_eq(output, 2);
    says(p, ad_program_values(p, (const double[]){6, 7}, 1, &one, &output), AD_BRANCH_CHANGED,
         "(x < y, x = 6, y = 5)");
    says(p, ad_program_values(p, (const double[]){4, 3}, 1, &one, &output), AD_BRANCH_CHANGED,
         "(x < y, x = 3, y = 4)");
    ad_program_free(p);
    ad_tape_free(tape);
}

Test(lanes, index_of_params_alone_names_no_row) {
    ad_tape           *tape = ad_tape_new();
    ad_var             a = ad_input(tape, 1), x = ad_input(tape, 3);
    ad_var             y = ad_mul(x, ad_pick(a, 2, ((ad_var[]){a, a})));
    const ad_interface face = {1, &a, 1, &x, 1, &y, 0};
    ad_program        *p = ad_compile(&face);
    const double       half = 0.5, one = 1;
    double             output;
    says(p, ad_program_values(p, &half, 1, &one, &output), AD_BAD_ARGUMENT, "pick: the index 0.5");
    ad_program_free(p);
    ad_tape_free(tape);
}

Test(lanes, arrays_that_are_missing_or_too_large_are_refused) {
    ad_tape     *tape = ad_tape_new();
    ad_program  *p = mixture(tape);
    const double param[6] = {0}, input[2] = {0};
    double       mean, out[6];
    says(p, ad_program_values(p, NULL, 1, input, out), AD_BAD_ARGUMENT,
         "ad_program_values: param is NULL");
    says(p, ad_program_values(p, param, 1, NULL, out), AD_BAD_ARGUMENT,
         "ad_program_values: input is NULL");
    says(p, ad_program_values(p, param, 1, input, NULL), AD_BAD_ARGUMENT,
         "ad_program_values: the array for the results is NULL");
    says(p, ad_program_jacobian(p, param, 1, input, NULL), AD_BAD_ARGUMENT,
         "ad_program_jacobian: the array for the results");
    says(p, ad_program_gradient(p, param, 1, input, NULL, out), AD_BAD_ARGUMENT,
         "ad_program_gradient: the array for the results");
    says(p, ad_program_gradient(p, param, 1, input, &mean, NULL), AD_BAD_ARGUMENT,
         "the array for the results is NULL");
    says(p, ad_program_gradient(p, param, 0, input, &mean, out), AD_BAD_ARGUMENT,
         "a mean over no rows");
    says(p, ad_program_values(p, param, SIZE_MAX, input, out), AD_BAD_ARGUMENT,
         "more than memory can hold");
    says(p, ad_program_jacobian(p, param, SIZE_MAX / 16 + 1, input, out), AD_BAD_ARGUMENT,
         "more than memory can hold");
    says(p, ad_program_gradient(p, param, SIZE_MAX / 16 + 1, input, &mean, out), AD_BAD_ARGUMENT,
         "more than memory can hold");
    cr_expect_eq(ad_program_values(NULL, param, 1, input, out), AD_BAD_ARGUMENT);
    cr_expect_eq(ad_program_gradient(NULL, param, 1, input, &mean, out), AD_BAD_ARGUMENT);
    cr_expect_eq(ad_program_jacobian(NULL, param, 1, input, out), AD_BAD_ARGUMENT);
    ad_program_free(p);
    ad_tape_free(tape);
}

Test(lanes, no_rows_need_no_arrays) {
    ad_tape     *tape = ad_tape_new();
    ad_program  *p = mixture(tape);
    const double param[6] = {0};
    cr_expect_eq(ad_program_values(p, param, 0, NULL, NULL), AD_OK);
    cr_expect_eq(ad_program_jacobian(p, param, 0, NULL, NULL), AD_OK);
    ad_program_free(p);
    ad_tape_free(tape);
}
