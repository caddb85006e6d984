/* reduce.c - tests of the reductions, over every way in which their operands
 * may lie: next to each other, scattered, mixed with plain numbers, numbers alone, repeated. */
#include "support.h"

#include "expect.h"
#include <criterion/parameterized.h>
#include <math.h>
#include <string.h>

static ad_tape *tape;

static void make(void) {
    tape = ad_tape_new();
}
static void drop(void) {
    ad_tape_free(tape);
}

TestSuite(reduce, .init = make, .fini = drop);

/* ---- operands -------------------------------------------------------------------------------- */

typedef enum layout { CONSECUTIVE, SCATTERED, MIXED, NUMBERS, REPEATED, RUNS, LAYOUTS } layout;

static const char *layout_name[LAYOUTS] = {"consecutive", "scattered", "mixed",
                                           "numbers",     "repeated",  "runs"};

static const size_t sizes[] = {0, 1, 7, 16, 64, 1000};
enum { SIZES = 6, MOST = 1000 };

/* The operands of a reduction and the leaf behind each: -1 for a number. */
typedef struct operands {
    size_t n;
    ad_var var[MOST], leaf[MOST];
    double number[MOST];
    int    from[MOST];
    size_t leaves;
} operands;

static double start_value(int i) {
    return sin(i * 1.7 + 0.3) * 2 + 0.1;
}

static bool is_number(layout l, int i) {
    return l == NUMBERS || (l == MIXED && i % 3 == 1) || (l == RUNS && i / 20 % 2 == 1);
}

static int leaf_behind(layout l, int n, int i) {
    if (is_number(l, i)) return -1;
    return l == CONSECUTIVE || l == RUNS ? i
         : l == REPEATED                 ? i % 3 % n
                                         : (int)((long)i * 7 % n); /* 7 divides no size but 7 */
}

static void lay_out(ad_tape *to, layout l, size_t n, operands *o) {
    o->n = o->leaves = n;
    for (size_t i = 0; i < n; i++) {
        o->leaf[i] = ad_input(to, start_value((int)i));
        if (l == SCATTERED) ad_neg(o->leaf[i]); /* something in between */
    }
    for (size_t i = 0; i < n; i++) {
        o->from[i] = leaf_behind(l, (int)n, (int)i);
        o->number[i] = start_value((int)i + 31);
        o->var[i] = o->from[i] < 0 ? ad_num(o->number[i]) : o->leaf[o->from[i]];
    }
}

static long double operand_value(const operands *o, size_t i) {
    return o->from[i] < 0 ? o->number[i] : ad_value(o->leaf[o->from[i]]);
}

/* ---- the mathematics, in long double --------------------------------------------------------- */

typedef enum kind { SUM, DOT, LOGSUMEXP, NORM, LARGEST, KINDS } kind;

static const char *kind_name[KINDS] = {"sum", "dot", "logsumexp", "norm", "largest"};

static ad_var reduce(kind k, const operands *x, const operands *y) {
    return k == SUM       ? ad_sum(x->n, x->var)
         : k == DOT       ? ad_dot(x->n, x->var, y->var)
         : k == LOGSUMEXP ? ad_logsumexp(x->n, x->var)
         : k == NORM      ? ad_norm(x->n, x->var)
                          : ad_largest(x->n, x->var);
}

static long double exact_largest(const operands *x) {
    long double most = -INFINITY;
    for (size_t i = 0; i < x->n; i++) most = fmaxl(most, operand_value(x, i));
    return most;
}

static long double exact_value(kind k, const operands *x, const operands *y, long double *scale) {
    long double total = 0;
    *scale = 0;
    for (size_t i = 0; i < x->n; i++) {
        const long double a = operand_value(x, i), b = k == DOT ? operand_value(y, i) : 1;
        const long double term = k == LOGSUMEXP ? expl(a) : k == NORM ? a * a : a * b;
        total += term;
        *scale += fabsl(term);
    }
    if (k == LOGSUMEXP) *scale = 2 + fabsl(logl(total));
    if (k == NORM) *scale = sqrtl(total);
    if (k == LARGEST) *scale = 0;
    return k == LOGSUMEXP ? logl(total)
         : k == NORM      ? sqrtl(total)
         : k == LARGEST   ? exact_largest(x)
                          : total;
}

static long double exact_partial(kind k, const operands *x, const operands *other, size_t i,
                                 long double v) {
    const long double a = operand_value(x, i);
    long double       equal = 0;
    if (k == SUM) return 1;
    if (k == DOT) return operand_value(other, i);
    if (k == LOGSUMEXP) return expl(a - v);
    if (k == NORM) return a / v;
    for (size_t j = 0; j < x->n; j++) equal += operand_value(x, j) == v;
    return a == v ? 1 / equal : 0;
}

/* To each leaf the partials of all places where it stands. */
static void exact_gradient(kind k, const operands *x, const operands *other, long double v,
                           long double grad[], double sizes_added[]) {
    for (size_t i = 0; i < x->n; i++) {
        if (x->from[i] < 0) continue;
        const long double partial = exact_partial(k, x, other, i, v);
        grad[x->from[i]] += partial;
        sizes_added[x->from[i]] += (double)fabsl(partial);
    }
}

/* ---- values and gradients -------------------------------------------------------------------- */

static void expect_gradient(const char *what, kind k, const operands *x, const operands *other,
                            long double v) {
    static long double want[MOST];
    static double      size[MOST];
    memset(want, 0, sizeof want), memset(size, 0, sizeof size);
    exact_gradient(k, x, other, v, want, size);
    for (size_t i = 0; i < x->leaves; i++)
        /* contributions to a leaf add up in some order: at most n roundings of their sizes' sum */
        cr_expect(close_to(ad_grad(x->leaf[i]), (double)want[i], 8 * U, (double)x->n * U * size[i]),
                  "%s: leaf %zu has %.17g, want %.17Lg", what, i, ad_grad(x->leaf[i]), want[i]);
}

static void check(kind k, layout lx, layout ly, size_t n) {
    static operands x, y;
    char            what[100];
    snprintf(what, sizeof what, "%s of %zu, %s and %s", kind_name[k], n, layout_name[lx],
             layout_name[ly]);
    lay_out(tape, lx, n, &x);
    lay_out(tape, ly, n, &y);
    const size_t      before = ad_tape_length(tape);
    ad_var            v = reduce(k, &x, &y);
    long double       scale;
    const long double want = exact_value(k, &x, &y, &scale);
    /* at most n roundings of partial sums, each at most the sum of the sizes */
    cr_expect(close_to(ad_value(v), (double)want, 0, (double)(scale * (n + 4) * U)),
              "%s: %.17g, want %.17Lg", what, ad_value(v), want);
    const bool folds = n == 0 || (lx == NUMBERS && (k != DOT || ly == NUMBERS));
    cr_expect_eq(ad_tape_length(tape), before + !folds, "%s", what);
    cr_expect_eq(v.tape == NULL, folds, "%s", what);
    if (folds) return;
    ad_backward(v);
    expect_gradient(what, k, &x, &y, want);
    if (k == DOT) expect_gradient(what, k, &y, &x, want);
    cr_expect_eq(ad_tape_status(tape), AD_OK, "%s: %s", what, ad_tape_message(tape));
}

ParameterizedTestParameters(reduce, values_and_gradients_are_right_for_every_layout) {
    static int number[KINDS * LAYOUTS];
    for (int i = 0; i < KINDS * LAYOUTS; i++) number[i] = i;
    return cr_make_param_array(int, number, KINDS *LAYOUTS);
}

ParameterizedTest(int *number, reduce, values_and_gradients_are_right_for_every_layout) {
    const kind   k = (kind)(*number / LAYOUTS);
    const layout lx = (layout)(*number % LAYOUTS);
    for (int i = 0; i < SIZES; i++)
        for (int ly = 0; ly < (k == DOT ? LAYOUTS : 1); ly++) check(k, lx, (layout)ly, sizes[i]);
}

/* The reduction as a function of one leaf, on plain numbers. */
typedef struct along {
    kind            k;
    const operands *x, *y;
    ad_var          leaf;
} along;

static double at(double value, void *context) {
    const along *a = context;
    ad_set(a->leaf, value);
    ad_replay(tape);
    static operands x, y;
    x = *a->x, y = *a->y;
    for (size_t i = 0; i < x.n; i++) {
        x.var[i] = ad_num((double)operand_value(&x, i));
        y.var[i] = ad_num((double)operand_value(&y, i));
    }
    return ad_value(reduce(a->k, &x, &y));
}

Test(reduce, gradients_agree_with_differences) {
    static operands x, y;
    for (int k = 0; k < LARGEST; k++) { /* it has kinks near by */
        for (int l = 0; l < LAYOUTS; l++) {
            if (l == NUMBERS) continue;
            lay_out(tape, (layout)l, 7, &x);
            lay_out(tape, l == MIXED ? CONSECUTIVE : MIXED, 7, &y);
            ad_backward(reduce((kind)k, &x, &y));
            for (size_t i = 0; i < 7; i++) {
                const double   value = ad_value(x.leaf[i]), got = ad_grad(x.leaf[i]);
                along          a = {(kind)k, &x, &y, x.leaf[i]};
                const estimate e = differences(at, &a, value, 0.25);
                ad_set(x.leaf[i], value);
                cr_expect(e.error < 1e-8 && fabs(got - e.value) <= 10 * e.error + 1e-12,
                          "%s, %s, leaf %zu: %.17g, differences say %.17g +- %.1g", kind_name[k],
                          layout_name[l], i, got, e.value, e.error);
            }
        }
    }
}

/* ---- replay ---------------------------------------------------------------------------------- */

Test(reduce, replay_with_other_values_equals_a_fresh_recording_to_the_bit) {
    static operands old, old_y, fresh, fresh_y;
    for (int k = 0; k < KINDS; k++) {
        for (int l = 0; l < LAYOUTS; l++) {
            lay_out(tape, (layout)l, 64, &old);
            lay_out(tape, MIXED, 64, &old_y);
            ad_var v = reduce((kind)k, &old, &old_y);
            if (v.tape == NULL) continue;
            ad_tape *other = ad_tape_new();
            lay_out(other, (layout)l, 64, &fresh);
            lay_out(other, MIXED, 64, &fresh_y);
            for (size_t i = 0; i < 64; i++) {
                const double a = cos((double)i), b = cos((double)i + 0.5);
                ad_set(old.leaf[i], a), ad_set(fresh.leaf[i], a);
                ad_set(old_y.leaf[i], b), ad_set(fresh_y.leaf[i], b);
            }
            ad_replay(tape);
            ad_var w = reduce((kind)k, &fresh, &fresh_y);
            cr_expect(same_bits(ad_value(v), ad_value(w)), "%s, %s: %.17g, %.17g", kind_name[k],
                      layout_name[l], ad_value(v), ad_value(w));
            ad_backward(v);
            ad_backward(w);
            for (size_t i = 0; i < 64; i++)
                cr_expect(same_bits(ad_grad(old.leaf[i]), ad_grad(fresh.leaf[i])),
                          "%s, %s, leaf %zu", kind_name[k], layout_name[l], i);
            ad_tape_free(other);
        }
    }
}

Test(reduce, same_operands_give_the_same_sum_whether_consecutive_or_not) {
    static operands x, y;
    lay_out(tape, CONSECUTIVE, 1000, &x);
    lay_out(tape, SCATTERED, 1000, &y);
    ad_var again[1000];
    for (size_t i = 0; i < 1000; i++) again[i] = y.leaf[i]; /* the same values, not adjacent */
    cr_expect(same_bits(ad_value(ad_sum(1000, x.var)), ad_value(ad_sum(1000, again))));
    cr_expect(
        same_bits(ad_value(ad_dot(1000, x.var, x.var)), ad_value(ad_dot(1000, again, x.var))));
}

/* ---- nothing, one, both ---------------------------------------------------------------------- */

Test(reduce, no_operands) {
    cr_expect_eq(ad_value(ad_sum(0, NULL)), 0);
    cr_expect_eq(ad_value(ad_dot(0, NULL, NULL)), 0);
    cr_expect_eq(ad_value(ad_logsumexp(0, NULL)), -INFINITY);
    cr_expect_eq(ad_value(ad_norm(0, NULL)), 0);
    cr_expect_eq(ad_value(ad_largest(0, NULL)), -INFINITY);
    cr_expect_null(ad_sum(0, NULL).tape);
    cr_expect_null(ad_norm(0, NULL).tape);
    cr_expect_null(ad_largest(0, NULL).tape);
    cr_expect_null(ad_logsumexp(0, NULL).tape);
}

Test(reduce, dot_of_a_vector_with_itself_has_twice_the_vector_as_gradient) {
    static operands x;
    lay_out(tape, CONSECUTIVE, 1000, &x);
    ad_backward(ad_dot(1000, x.var, x.var));
    for (size_t i = 0; i < 1000; i++) cr_expect_eq(ad_grad(x.leaf[i]), 2 * ad_value(x.leaf[i]));
}

Test(reduce, dot_of_overlapping_ranges) {
    ad_var x[20];
    for (int i = 0; i < 20; i++) x[i] = ad_input(tape, i + 1);
    ad_backward(ad_dot(19, x, x + 1)); /* sum of x[i]*x[i+1] */
    for (int i = 0; i < 20; i++)
        cr_expect_eq(ad_grad(x[i]), (i > 0 ? i : 0) + (i < 19 ? i + 2 : 0));
}

Test(reduce, reductions_of_results) {
    ad_var x = ad_input(tape, 0.5), y[100];
    for (int i = 0; i < 100; i++) y[i] = ad_mul(x, ad_num(i));
    ad_backward(ad_sum(100, y));
    cr_expect_eq(ad_grad(x), 4950);
}

Test(reduce, alternating_reductions_keep_their_numbers_apart) {
    ad_var x = ad_input(tape, 1), v[50];
    for (int i = 0; i < 50; i++) {
        const ad_var a[] = {x, ad_num(i), ad_num(0.5)}, b[] = {ad_num(2), ad_num(-i), x};
        v[i] = ad_dot(3, a, b); /* 2x - i*i + 0.5x */
    }
    ad_set(x, 4);
    ad_replay(tape);
    for (int i = 0; i < 50; i++) cr_expect_eq(ad_value(v[i]), 10 - i * i);
}

/* ---- logsumexp ------------------------------------------------------------------------------- */

static void check_shift(double shift) {
    const ad_var      x[] = {ad_input(tape, shift), ad_input(tape, shift + 1),
                             ad_input(tape, shift - 2)};
    ad_var            v = ad_logsumexp(3, x);
    const long double total = expl(0) + expl(1) + expl(-2);
    cr_expect(close_to(ad_value(v), (double)(shift + logl(total)), 4 * U, 0), "%.17g", ad_value(v));
    double grad[3];
    ad_gradient(v, 3, x, grad);
    const long double want[] = {1 / total, expl(1) / total, expl(-2) / total};
    for (int i = 0; i < 3; i++) /* the result is rounded at the size of the shift */
        cr_expect(close_to(grad[i], (double)want[i], 4 * U * (1 + fabs(shift)), 0), "%.17g",
                  grad[i]);
}

Test(reduce, logsumexp_does_not_overflow) {
    check_shift(1000);
    check_shift(-1000);
    check_shift(1e15);
    check_shift(0);
}

Test(reduce, logsumexp_of_minus_infinities_is_minus_infinity) {
    const ad_var x[] = {ad_input(tape, -INFINITY), ad_input(tape, -INFINITY)};
    ad_var       v = ad_logsumexp(2, x);
    cr_expect_eq(ad_value(v), -INFINITY);
    ad_backward(v);
    cr_expect_eq(ad_grad(x[0]), 0); /* as in PyTorch */
}

Test(reduce, logsumexp_gives_no_weight_to_minus_infinity) {
    const ad_var x[] = {ad_input(tape, -INFINITY), ad_input(tape, 2)};
    ad_var       v = ad_logsumexp(2, x);
    cr_expect_eq(ad_value(v), 2);
    ad_backward(v);
    cr_expect(ad_grad(x[0]) == 0 && ad_grad(x[1]) == 1);
}

Test(reduce, logsumexp_of_infinity_and_nan) {
    const ad_var x[] = {ad_input(tape, 1), ad_input(tape, INFINITY), ad_input(tape, NAN)};
    cr_expect_eq(ad_value(ad_logsumexp(2, x)), INFINITY);
    cr_expect(isnan(ad_value(ad_logsumexp(3, x))));
    const ad_var turned[] = {x[2], x[0]};
    cr_expect(isnan(ad_value(ad_logsumexp(2, turned))));
    const ad_var numbers[] = {ad_num(1), ad_num(NAN), ad_num(3)};
    cr_expect(isnan(ad_value(ad_logsumexp(3, numbers))));
}

Test(reduce, sum_and_dot_keep_nan) {
    const ad_var x[] = {ad_input(tape, 1), ad_input(tape, NAN)}, zero[] = {ad_num(0), ad_num(0)};
    cr_expect(isnan(ad_value(ad_sum(2, x))));
    cr_expect(isnan(ad_value(ad_dot(2, x, zero))));
}

/* ---- folds, on every path -------------------------------------------------------------------- */

enum { FEW = 4, PATHS = 8, ROWS_OF_A_PROGRAM = 9 };

static const char *const path_name[PATHS] = {"tape",
                                             "replay",
                                             "tangents",
                                             "Jacobian forward",
                                             "recorded",
                                             "program of one row",
                                             "program of many rows",
                                             "uniform values"};

/* Where a fold has a kink, or no plain formula would do. The want is by hand. */
typedef struct place {
    const char *name;
    size_t      n;
    double      at[FEW], value, partial[FEW];
} place;

static const place places[] = {
    {"norm", 2, {3, -4}, 5, {0.6, -0.8}},
    {"norm", 1, {-2}, 2, {-1}},
    {"norm", 1, {0}, 0, {0}},
    {"norm", 3, {0, -0.0, 0}, 0, {0, 0, 0}},
    {"norm", 4, {1, -1, 1, 1}, 2, {0.5, -0.5, 0.5, 0.5}},
    {"norm", 2, {3e200, 4e200}, 5e200, {0.6, 0.8}},
    {"norm", 2, {-3e-200, 4e-200}, 5e-200, {-0.6, 0.8}},
    {"norm", 3, {1e308, 1e-300, 0}, 1e308, {1, 0, 0}},
    {"norm", 2, {3 * 0x1p-1074, 4 * 0x1p-1074}, 5 * 0x1p-1074, {0.6, 0.8}},
    {"norm", 2, {-INFINITY, 1}, INFINITY, {NAN, 0}},
    {"norm", 2, {NAN, 1}, NAN, {NAN, NAN}},
    {"norm", 2, {INFINITY, NAN}, NAN, {NAN, NAN}},
    {"norm", 2, {NAN, INFINITY}, NAN, {NAN, NAN}},
    {"largest", 3, {1, 3, 2}, 3, {0, 1, 0}},
    {"largest", 1, {-7}, -7, {1}},
    {"largest", 3, {2, 2, 1}, 2, {0.5, 0.5, 0}},
    {"largest", 4, {-1, -1, -1, -1}, -1, {0.25, 0.25, 0.25, 0.25}},
    {"largest", 3, {0, -0.0, -1}, 0, {0.5, 0.5, 0}},
    {"largest", 2, {-0x1p-1074, -0x1p-1073}, -0x1p-1074, {1, 0}},
    {"largest", 2, {1e308, -1e308}, 1e308, {1, 0}},
    {"largest", 3, {INFINITY, 1, INFINITY}, INFINITY, {0.5, 0, 0.5}},
    {"largest", 2, {-INFINITY, -INFINITY}, -INFINITY, {0.5, 0.5}},
    {"largest", 2, {-INFINITY, 5}, 5, {0, 1}},
    {"largest", 2, {NAN, 5}, NAN, {NAN, NAN}},
    {"largest", 2, {5, NAN}, NAN, {NAN, NAN}},
    {"logsumexp", 2, {INFINITY, 1}, INFINITY, {1, 0}},
    {"logsumexp", 2, {5, 5}, 5.693147180559945, {0.5, 0.5}}, /* 5 + log(2) */
    {"logsumexp", 1, {-3}, -3, {1}},
    {"logsumexp", 2, {-INFINITY, -INFINITY}, -INFINITY, {0, 0}},
    {"logsumexp", 2, {NAN, 5}, NAN, {NAN, NAN}},
};
enum { PLACES = sizeof places / sizeof *places };

static ad_var fold_of(const char *name, size_t n, const ad_var x[]) {
    return strcmp(name, "norm") == 0    ? ad_norm(n, x)
         : strcmp(name, "largest") == 0 ? ad_largest(n, x)
                                        : ad_logsumexp(n, x);
}

static void by_tape(int path, const place *p, ad_var y, const ad_var x[], double *value,
                    double partial[]) {
    ad_var grad[FEW];
    if (path == 1) {
        for (size_t i = 0; i < p->n; i++) ad_set(x[i], (double)i + 7);
        ad_replay(tape);
        for (size_t i = 0; i < p->n; i++) ad_set(x[i], p->at[i]);
        ad_replay(tape);
    }
    *value = ad_value(y);
    if (path <= 1) ad_gradient(y, p->n, x, partial);
    for (size_t i = 0; i < p->n && path == 2; i++)
        partial[i] = ad_tangent(y, 1, &x[i], (double[]){1});
    const ad_var many[] = {y, y, y, y, y};
    double       j[5 * FEW];
    if (path == 3) ad_jacobian(5, many, p->n, x, j), memcpy(partial, j, p->n * sizeof *partial);
    if (path != 4) return;
    ad_record_gradient(y, p->n, x, grad);
    for (size_t i = 0; i < p->n; i++) partial[i] = ad_value(grad[i]);
}

static void by_program(int path, const place *p, ad_var y, const ad_var x[], double *value,
                       double partial[]) {
    const size_t       many = path == 6 ? ROWS_OF_A_PROGRAM : 1, inputs = path == 7 ? 0 : p->n;
    const ad_interface face = {p->n - inputs, x, inputs, x, 1, &y, 0};
    ad_program        *program = ad_compile(&face);
    double             input[ROWS_OF_A_PROGRAM * FEW], jacobian[ROWS_OF_A_PROGRAM * FEW],
        values[ROWS_OF_A_PROGRAM];
    cr_assert_not_null(program, "%s", ad_tape_message(tape));
    for (size_t r = 0; r < many; r++) memcpy(input + r * p->n, p->at, p->n * sizeof *input);
    cr_assert_eq(ad_program_values(program, p->at, many, input, values), AD_OK);
    *value = values[many - 1];
    if (path == 7) ad_program_gradient(program, p->at, 1, input, value, partial);
    else ad_program_jacobian(program, NULL, many, input, jacobian);
    if (path != 7) memcpy(partial, jacobian + (many - 1) * p->n, p->n * sizeof *partial);
    ad_program_free(program);
}

static bool same(double got, double want) {
    return isnan(want) ? isnan(got) : close_to(got, want, 4 * U, 0);
}

/* A recorded partial of norm is x/v, and v is rounded to a multiple of the smallest number. */
static bool too_small_to_record(int path, const place *p) {
    return path == 4 && p->value > 0 && p->value < 0x1p-1022;
}

ParameterizedTestParameters(reduce, folds_are_right_at_hard_places_on_every_path) {
    static int number[PLACES * PATHS];
    for (int i = 0; i < PLACES * PATHS; i++) number[i] = i;
    return cr_make_param_array(int, number, PLACES *PATHS);
}

ParameterizedTest(int *number, reduce, folds_are_right_at_hard_places_on_every_path) {
    const place *p = &places[*number / PATHS];
    const int    path = *number % PATHS;
    ad_var       x[FEW];
    double       value, partial[FEW];
    if (too_small_to_record(path, p)) return;
    for (size_t i = 0; i < p->n; i++) x[i] = ad_input(tape, p->at[i]);
    const ad_var y = fold_of(p->name, p->n, x);
    if (path < 5) by_tape(path, p, y, x, &value, partial);
    else by_program(path, p, y, x, &value, partial);
    cr_expect(same(value, p->value), "place %d, %s, %s: %.17g, not %.17g", *number / PATHS, p->name,
              path_name[path], value, p->value);
    for (size_t i = 0; i < p->n; i++)
        cr_expect(same(partial[i], p->partial[i]),
                  "place %d, %s, %s, operand %zu: %.17g, not %.17g", *number / PATHS, p->name,
                  path_name[path], i, partial[i], p->partial[i]);
}

Test(reduce, folds_of_plain_numbers_are_numbers) {
    for (size_t k = 0; k < PLACES; k++) {
        ad_var x[FEW];
        for (size_t i = 0; i < places[k].n; i++) x[i] = ad_num(places[k].at[i]);
        const ad_var y = fold_of(places[k].name, places[k].n, x);
        cr_expect(y.tape == NULL && same(ad_value(y), places[k].value), "%zu: %.17g", k,
                  ad_value(y));
    }
}

/* Infinity times the partial 0 would be NaN. */
Test(reduce, largest_sends_nothing_to_what_is_not) {
    const ad_var x[] = {ad_input(tape, 1), ad_input(tape, 2)};
    const ad_var y = ad_mul(ad_largest(2, x), ad_num(INFINITY));
    double       grad[2], t;
    ad_gradient(y, 2, x, grad);
    cr_expect(grad[0] == 0 && grad[1] == INFINITY, "%g, %g", grad[0], grad[1]);
    t = ad_tangent(y, 1, x, (double[]){1});
    cr_expect_eq(t, 0, "%g", t);
    for (size_t many = 1; many <= ROWS_OF_A_PROGRAM; many += ROWS_OF_A_PROGRAM - 1) {
        ad_program  *p = ad_compile(&(ad_interface){0, NULL, 2, x, 1, &y, 0});
        const double input[2 * ROWS_OF_A_PROGRAM] = {1, 2, 1, 2, 1, 2, 1, 2, 1,
                                                     2, 1, 2, 1, 2, 1, 2, 1, 2};
        double       j[2 * ROWS_OF_A_PROGRAM];
        cr_assert_eq(ad_program_jacobian(p, NULL, many, input, j), AD_OK);
        cr_expect(j[2 * many - 2] == 0 && j[2 * many - 1] == INFINITY, "%g, %g", j[2 * many - 2],
                  j[2 * many - 1]);
        ad_program_free(p);
    }
    ad_var recorded[2];
    ad_record_gradient(y, 2, x, recorded);
    cr_expect(ad_value(recorded[0]) == 0 && ad_value(recorded[1]) == INFINITY);
}

Test(reduce, an_operand_that_is_the_largest_twice_has_the_whole_adjoint) {
    const ad_var a = ad_input(tape, 3), x[] = {a, ad_num(3), a, ad_num(1)};
    ad_backward(ad_largest(4, x));
    cr_expect(close_to(ad_grad(a), 2.0 / 3, 2 * U, 0), "%.17g", ad_grad(a));
    ad_backward(ad_norm(4, x));
    cr_expect(close_to(ad_grad(a), 2 * 3 / sqrt(28), 4 * U, 0), "%.17g", ad_grad(a));
}

/* Between 1 and sqrt(n) times the largest; and nothing is lost where only squares would
 * overflow. */
Test(reduce, norm_of_many_is_between_its_bounds) {
    enum { N = 1000 };
    static ad_var x[N];
    for (int size = -1060; size <= 1018; size += 77) {
        const ad_mark mark = ad_tape_mark(tape);
        long double   total = 0;
        for (int i = 0; i < N; i++) {
            const double at = ldexp(cos(i), size);
            x[i] = ad_input(tape, at), total += ldexpl(at, -size) * ldexpl(at, -size);
        }
        const double got = ad_value(ad_norm(N, x)), want = (double)ldexpl(sqrtl(total), size);
        cr_expect(close_to(got, want, 40 * U, 0x1p-1074), "2^%d: %.17g, not %.17g", size, got,
                  want);
        ad_tape_rewind(tape, mark);
    }
}

Test(reduce, foreign_operand_of_a_fold_is_an_error) {
    ad_tape     *other = ad_tape_new();
    const ad_var x[] = {ad_input(tape, 1), ad_input(other, 2)};
    ad_norm(2, x);
    cr_expect_eq(ad_tape_status(tape), AD_TWO_TAPES);
    cr_expect(strstr(ad_tape_message(tape), "norm"), "%s", ad_tape_message(tape));
    ad_tape_free(other);
}

/* ---- where ----------------------------------------------------------------------------------- */

Test(reduce, where_takes_one_of_two) {
    ad_var x = ad_input(tape, 2), y = ad_input(tape, 3);
    ad_var v = ad_where(ad_less(x, y), ad_mul(x, x), ad_exp(y));
    cr_expect_eq(ad_value(v), 4);
    ad_backward(v);
    cr_expect(ad_grad(x) == 4 && ad_grad(y) == 0);
    ad_set(x, 5);
    ad_replay(tape);
    cr_expect_eq(ad_value(v), exp(3));
    ad_backward(v);
    cr_expect(ad_grad(x) == 0 && ad_grad(y) == exp(3));
}

Test(reduce, where_leaks_no_nan_from_the_branch_not_taken) {
    ad_var x = ad_input(tape, -1);
    ad_var v = ad_where(ad_less(ad_num(0), x), ad_log(x), ad_mul(x, x));
    cr_expect_eq(ad_value(v), 1);
    ad_backward(v);
    cr_expect_eq(ad_grad(x), -2);
}

Test(reduce, where_gives_the_condition_nothing) {
    ad_var c = ad_input(tape, 1), x = ad_input(tape, 2);
    ad_backward(ad_where(c, x, ad_num(5)));
    cr_expect(ad_grad(c) == 0 && ad_grad(x) == 1);
}

Test(reduce, where_takes_nan_for_true_as_c_does) {
    ad_var c = ad_input(tape, NAN);
    cr_expect_eq(ad_value(ad_where(c, ad_num(1), ad_num(2))), 1);
    cr_expect_eq(ad_value(ad_where(ad_num(NAN), ad_num(1), ad_num(2))), 1);
    ad_set(c, -0.0);
    cr_expect_eq(ad_value(ad_where(c, ad_num(1), ad_num(2))), 2);
}

Test(reduce, where_with_plain_numbers_in_every_place) {
    ad_var a = ad_input(tape, 1), b = ad_input(tape, 2), c = ad_input(tape, 0);
    for (int mask = 0; mask < 8; mask++) {
        ad_var condition = mask & 1 ? c : ad_num(0), yes = mask & 2 ? a : ad_num(1),
               no = mask & 4 ? b : ad_num(2);
        ad_var v = ad_add(ad_where(condition, yes, no), a);
        cr_expect_eq(ad_value(v), 3, "mask %d", mask);
        ad_backward(v);
        cr_expect(ad_grad(a) == 1 && ad_grad(b) == (mask & 4 ? 1 : 0) && ad_grad(c) == 0,
                  "mask %d: %g %g", mask, ad_grad(a), ad_grad(b));
    }
    cr_expect_eq(ad_tape_status(tape), AD_OK);
}

Test(reduce, where_of_the_same_node_twice) {
    ad_var x = ad_input(tape, 3);
    ad_backward(ad_where(x, x, x));
    cr_expect_eq(ad_grad(x), 1);
}

/* ---- pick ------------------------------------------------------------------------------------ */

Test(reduce, pick_takes_the_one_at_the_index) {
    for (int l = 0; l < LAYOUTS; l++) {
        static operands x;
        lay_out(tape, (layout)l, 64, &x);
        ad_var index = ad_input(tape, 0);
        ad_var v = ad_pick(index, 64, x.var);
        for (int i = 0; i < 64; i++) {
            ad_set(index, i);
            ad_replay(tape);
            cr_expect_eq(ad_value(v), (double)operand_value(&x, (size_t)i), "%s %d", layout_name[l],
                         i);
            ad_backward(v);
            cr_expect_eq(ad_grad(index), 0);
            for (int j = 0; j < 64; j++) cr_expect_eq(ad_grad(x.leaf[j]), j == x.from[i]);
        }
    }
    cr_expect_eq(ad_tape_status(tape), AD_OK);
}

Test(reduce, pick_with_a_number_as_index) {
    const ad_var x[] = {ad_input(tape, 5), ad_num(6), ad_input(tape, 7)};
    for (int i = 0; i < 3; i++) cr_expect_eq(ad_value(ad_pick(ad_num(i), 3, x)), 5 + i);
    ad_backward(ad_mul(ad_pick(ad_num(2), 3, x), ad_num(3)));
    cr_expect(ad_grad(x[2]) == 3 && ad_grad(x[0]) == 0);
    const ad_var numbers[] = {ad_num(1), ad_num(2)};
    cr_expect_eq(ad_value(ad_pick(ad_num(1), 2, numbers)), 2);
    cr_expect_null(ad_pick(ad_num(1), 2, numbers).tape);
}

Test(reduce, pick_leaks_no_nan_from_the_others) {
    ad_var       x = ad_input(tape, -1);
    const ad_var y[] = {ad_log(x), ad_mul(x, x)};
    ad_backward(ad_pick(ad_num(1), 2, y));
    cr_expect_eq(ad_grad(x), -2);
}

Test(reduce, pick_refuses_an_index_that_names_nothing) {
    const double bad[] = {-1, 3, 1.5, NAN, INFINITY, -INFINITY, 1e300, -1e-300, 4294967296.0};
    const ad_var x[] = {ad_input(tape, 5), ad_input(tape, 6), ad_input(tape, 7)};
    for (int i = 0; i < 9; i++) {
        cr_expect(isnan(ad_value(ad_pick(ad_num(bad[i]), 3, x))));
        cr_expect_eq(ad_tape_status(tape), AD_BAD_ARGUMENT, "%g", bad[i]);
        ad_tape_clear(tape);
        cr_expect(isnan(ad_value(ad_pick(ad_input(tape, bad[i]), 3, x))));
        cr_expect_eq(ad_tape_status(tape), AD_BAD_ARGUMENT, "%g", bad[i]);
        ad_tape_clear(tape);
        const ad_var numbers[] = {ad_num(1), ad_num(2), ad_num(3)};
        cr_expect(isnan(ad_value(ad_pick(ad_num(bad[i]), 3, numbers))));
    }
    cr_expect(isnan(ad_value(ad_pick(x[0], 0, NULL))));
    cr_expect_eq(ad_tape_status(tape), AD_BAD_ARGUMENT);
}

Test(reduce, pick_accepts_minus_zero) {
    const ad_var x[] = {ad_input(tape, 5), ad_input(tape, 6)};
    cr_expect_eq(ad_value(ad_pick(ad_num(-0.0), 2, x)), 5);
}

Test(reduce, pick_refuses_a_bad_index_in_a_replay) {
    ad_var       index = ad_input(tape, 1);
    const ad_var x[] = {ad_input(tape, 5), ad_input(tape, 6)};
    ad_var       v = ad_pick(index, 2, x);
    ad_set(index, 2);
    ad_replay(tape);
    cr_expect_eq(ad_tape_status(tape), AD_BAD_ARGUMENT);
    ad_tape_clear(tape);
    ad_set(index, 0);
    ad_replay(tape);
    cr_expect_eq(ad_value(v), 5);
}

/* The index may be set after recording: a sweep before the replay must not use it as a place. */
Test(reduce, sweep_before_the_replay_stays_inside_the_operands) {
    ad_var       index = ad_input(tape, 1);
    const ad_var x[] = {ad_input(tape, 5), ad_input(tape, 6)};
    ad_var       v = ad_pick(index, 2, x);
    const double wild[] = {1e9, -3, NAN, 0.5, 2};
    for (int i = 0; i < 5; i++) {
        ad_tape_clear(tape);
        ad_set(index, wild[i]);
        ad_backward(v);
        cr_expect(ad_grad(x[0]) + ad_grad(x[1]) <= 1 || ad_tape_status(tape) != AD_OK);
    }
}

Test(reduce, failed_reduction_leaves_no_node) {
    const ad_var x[] = {ad_input(tape, 5), ad_input(tape, 6)};
    const size_t before = ad_tape_length(tape);
    ad_pick(ad_num(7), 2, x);
    ad_tape_clear(tape);
    cr_expect_eq(ad_tape_length(tape), before);
    cr_expect_eq(ad_value(ad_sum(2, x)), 11);
}
