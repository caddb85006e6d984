/* hessian.c - tests of Jacobians and second derivatives: textbook functions against formulas
 * written by hand, kinks, and everything that can be asked wrongly. */
#include "support.h"

#include "expect.h"
#include <math.h>
#include <string.h>

enum { N = 6 };

static ad_tape *tape;

static void make(void) {
    tape = ad_tape_new();
}
static void drop(void) {
    ad_tape_free(tape);
}

TestSuite(hessian, .init = make, .fini = drop);

/* ---- textbook functions, by hand ------------------------------------------------------------- */

typedef struct problem {
    const char *name;
    size_t      n;
    double      low, high; /* where x is taken from */
    ad_var (*record)(size_t n, const ad_var x[]);
    double (*by_hand)(size_t n, const double x[], size_t i, size_t j);
} problem;

static ad_var square(ad_var x) {
    return ad_mul(x, x);
}

static ad_var rosenbrock(size_t n, const ad_var x[]) {
    ad_var s = ad_num(0);
    for (size_t i = 0; i + 1 < n; i++)
        s = ad_add(
            s, ad_formula(tape, 100 * (x[i + 1] - x[i] ^ 2) ^ 2 + (1 - x[i]) ^ 2, x[i], x[i + 1]));
    return s;
}
static double rosenbrock_hand(size_t n, const double x[], size_t i, size_t j) {
    if (j < i) return rosenbrock_hand(n, x, j, i);
    if (j > i + 1) return 0;
    if (j == i + 1) return -400 * x[i];
    return (i + 1 < n ? 1200 * x[i] * x[i] - 400 * x[i + 1] + 2 : 0) + (i > 0 ? 200 : 0);
}

/* Sum over k = 1, 2, 3 of t^2, t = c + x*g, g = y^k - 1. */
static ad_var beale(size_t n, const ad_var x[]) {
    (void)n;
    return ad_parse(tape, "(1.5 - x + x*y)^2 + (2.25 - x + x*y^2)^2 + (2.625 - x + x*y^3)^2", 2,
                    "x, y", x);
}
static double beale_hand(size_t n, const double at[], size_t i, size_t j) {
    (void)n;
    const double x = at[0], y = at[1], c[] = {1.5, 2.25, 2.625};
    double       h = 0;
    for (int k = 1; k <= 3; k++) {
        const double g = pow(y, k) - 1, g1 = k * pow(y, k - 1),
                     g2 = k == 1 ? 0 : k * (k - 1) * pow(y, k - 2);
        const double t = c[k - 1] + x * g;
        h += i + j == 0 ? 2 * g * g
           : i + j == 1 ? 2 * (x * g1 * g + t * g1)
                        : 2 * (x * g1 * x * g1 + t * x * g2);
    }
    return h;
}

static ad_var himmelblau(size_t n, const ad_var x[]) {
    (void)n;
    return ad_add(square(ad_sub(ad_add(square(x[0]), x[1]), ad_num(11))),
                  square(ad_sub(ad_add(x[0], square(x[1])), ad_num(7))));
}
static double himmelblau_hand(size_t n, const double x[], size_t i, size_t j) {
    (void)n;
    return i != j ? 4 * x[0] + 4 * x[1]
         : i == 0 ? 12 * x[0] * x[0] + 4 * x[1] - 42
                  : 12 * x[1] * x[1] + 4 * x[0] - 26;
}

#define TAU 6.283185307179586

static ad_var ackley(size_t n, const ad_var x[]) {
    ad_var waves[N];
    for (size_t i = 0; i < n; i++) waves[i] = ad_cos(ad_mul(ad_num(TAU), x[i]));
    const ad_var m = ad_num((double)n), r = ad_sqrt(ad_div(ad_dot(n, x, x), m));
    return ad_sub(ad_mul(ad_num(-20), ad_exp(ad_mul(ad_num(-0.2), r))),
                  ad_exp(ad_div(ad_sum(n, waves), m)));
}
static double ackley_hand(size_t n, const double x[], size_t i, size_t j) {
    const double m = (double)n;
    double       s = 0, c = 0;
    for (size_t k = 0; k < n; k++) s += x[k] * x[k], c += cos(TAU * x[k]);
    const double r = sqrt(s / m), same = i == j, xx = x[i] * x[j] / m;
    return 4 / m * exp(-0.2 * r) * (same / r - xx / (r * r * r) - 0.2 * xx / (r * r)) +
           exp(c / m) * (same * TAU * TAU / m * cos(TAU * x[i]) -
                         TAU / m * sin(TAU * x[i]) * TAU / m * sin(TAU * x[j]));
}

static ad_var griewank(size_t n, const ad_var x[]) {
    ad_var product = ad_num(1);
    for (size_t i = 0; i < n; i++)
        product = ad_mul(product, ad_cos(ad_div(x[i], ad_num(sqrt((double)i + 1)))));
    return ad_sub(ad_div(ad_dot(n, x, x), ad_num(4000)), product);
}
static double griewank_hand(size_t n, const double x[], size_t i, size_t j) {
    double       p = 1;
    const double a = sqrt((double)i + 1), b = sqrt((double)j + 1);
    for (size_t k = 0; k < n; k++) p *= cos(x[k] / sqrt((double)k + 1));
    return i == j ? 1.0 / 2000 + p / (a * a) : -p * tan(x[i] / a) * tan(x[j] / b) / (a * b);
}

/* Helmholtz energy of a mixed fluid, Griewank 1989 (On automatic differentiation), with R*T = 1:
 * sum x_i log(x_i/(1 - b.x)) - x'Ax/(sqrt(8) b.x) log((1 + (1+sqrt(2)) b.x)/(1 + (1-sqrt(2))
 * b.x)) */
#define P      (1 + 1.4142135623730951)
#define Q      (1 - 1.4142135623730951)
#define SQRT_8 2.8284271247461903

static double coefficient(size_t i, size_t j) {
    return 1 / (double)(i + j + 1);
}
static double share(size_t i) {
    return 0.1 * (double)(i + 1) / N;
}
static ad_var helmholtz(size_t n, const ad_var x[]) {
    ad_var b[N] = {0}, logs[N] = {0}, ax[N], one_row[N] = {0};
    for (size_t i = 0; i < n; i++) b[i] = ad_num(share(i));
    const ad_var bx = ad_dot(n, b, x);
    for (size_t i = 0; i < n; i++) {
        for (size_t j = 0; j < n; j++) one_row[j] = ad_num(coefficient(i, j));
        ax[i] = ad_dot(n, one_row, x);
        logs[i] = ad_log(ad_div(x[i], ad_sub(ad_num(1), bx)));
    }
    const ad_var mixed = ad_dot(n, x, logs), xax = ad_dot(n, x, ax);
    const ad_var ratio =
        ad_div(ad_add(ad_num(1), ad_mul(ad_num(P), bx)), ad_add(ad_num(1), ad_mul(ad_num(Q), bx)));
    return ad_sub(mixed, ad_mul(ad_div(xax, ad_mul(ad_num(SQRT_8), bx)), ad_log(ratio)));
}
/* With S = sum x, B = b.x, L the last logarithm and g = L/(sqrt(8) B):  S log(1 - B) and x'Ax g(B)
 *                                                                       apart. */
static double helmholtz_hand(size_t n, const double x[], size_t i, size_t j) {
    double s = 0, b = 0, xax = 0, axi = 0, axj = 0;
    for (size_t k = 0; k < n; k++) {
        s += x[k], b += share(k) * x[k], axi += coefficient(i, k) * x[k],
            axj += coefficient(j, k) * x[k];
        for (size_t l = 0; l < n; l++) xax += x[k] * coefficient(k, l) * x[l];
    }
    const double bi = share(i), bj = share(j), d = 1 + 2 * b - b * b;
    const double l = log((1 + P * b) / (1 + Q * b)), l1 = SQRT_8 / d,
                 l2 = -SQRT_8 * (2 - 2 * b) / (d * d);
    const double g = l / b / SQRT_8, g1 = (l1 / b - l / (b * b)) / SQRT_8;
    const double g2 = (l2 / b - 2 * l1 / (b * b) + 2 * l / (b * b * b)) / SQRT_8;
    return (i == j ? 1 / x[i] : 0) + (bi + bj) / (1 - b) + s * bi * bj / ((1 - b) * (1 - b)) -
           (2 * coefficient(i, j) * g + 2 * axi * g1 * bj + 2 * axj * g1 * bi + xax * g2 * bi * bj);
}

/* clang-format off */
static const problem problems[] = {
    {"Rosenbrock", 2, -2, 2, rosenbrock, rosenbrock_hand},
    {"Rosenbrock", N, -2, 2, rosenbrock, rosenbrock_hand},
    {"Beale",      2, -4, 4, beale,      beale_hand},
    {"Himmelblau", 2, -5, 5, himmelblau, himmelblau_hand},
    {"Ackley",     N, -3, 3, ackley,     ackley_hand},
    {"Griewank",   N, -9, 9, griewank,   griewank_hand},
    {"Helmholtz",  N, 0.1, 2, helmholtz, helmholtz_hand},
};
/* clang-format on */
enum { PROBLEMS = sizeof problems / sizeof *problems, PLACES = 20 };

typedef struct place {
    double at[N], h[N * N], scale;
    ad_var x[N], y;
} place;

static void visit(const problem *p, uint64_t *state, place *q) {
    for (size_t i = 0; i < p->n; i++)
        q->x[i] = ad_input(tape, q->at[i] = random_uniform(state, p->low, p->high));
    q->y = p->record(p->n, q->x);
    ad_hessian(q->y, p->n, q->x, q->h);
    q->scale = 0;
    for (size_t k = 0; k < p->n * p->n; k++) q->scale = fmax(q->scale, fabs(q->h[k]));
    cr_assert_eq(ad_tape_status(tape), AD_OK, "%s: %s", p->name, ad_tape_message(tape));
}

Test(hessian, textbook_functions_agree_with_formulas_by_hand) {
    uint64_t state = 7;
    place    q;
    for (int k = 0; k < PROBLEMS * PLACES; k++) {
        const problem *p = &problems[k % PROBLEMS];
        const size_t   n = p->n;
        visit(p, &state, &q);
        for (size_t i = 0; i < n * n; i++) {
            const double want = p->by_hand(n, q.at, i / n, i % n);
            cr_expect(fabs(q.h[i] - want) <= 1e-12 * q.scale,
                      "%s, (%zu, %zu): %.17g, by hand %.17g", p->name, i / n, i % n, q.h[i], want);
        }
    }
}

Test(hessian, is_symmetric_to_the_bit) {
    uint64_t state = 8;
    place    q;
    for (int k = 0; k < PROBLEMS; k++) {
        const size_t n = problems[k].n;
        visit(&problems[k], &state, &q);
        for (size_t i = 0; i < n * n; i++)
            cr_expect(same_bits(q.h[i], q.h[i % n * n + i / n]), "%s", problems[k].name);
    }
}

Test(hessian, times_a_direction_is_the_product) {
    uint64_t state = 9;
    place    q;
    for (int k = 0; k < PROBLEMS; k++) {
        const size_t n = problems[k].n;
        double       v[N], got[N];
        visit(&problems[k], &state, &q);
        for (size_t i = 0; i < n; i++) v[i] = random_uniform(&state, -1, 1);
        ad_hessian_times(q.y, n, q.x, v, got);
        for (size_t i = 0; i < n; i++) {
            double want = 0;
            for (size_t j = 0; j < n; j++) want += q.h[i * n + j] * v[j];
            cr_expect(fabs(got[i] - want) <= 1e-12 * q.scale, "%s, %zu: %.17g, not %.17g",
                      problems[k].name, i, got[i], want);
        }
    }
}

/* Another way through the code: the gradient as nodes, and the Jacobian of that. */
Test(hessian, is_the_jacobian_of_the_recorded_gradient) {
    uint64_t state = 10;
    place    q;
    for (int k = 0; k < PROBLEMS; k++) {
        const size_t n = problems[k].n;
        ad_var       grad[N];
        double       j[N * N];
        visit(&problems[k], &state, &q);
        ad_record_gradient(q.y, n, q.x, grad);
        ad_jacobian(n, grad, n, q.x, j);
        for (size_t i = 0; i < n * n; i++)
            cr_expect(fabs(j[i] - q.h[i]) <= 1e-12 * q.scale, "%s: %.17g, not %.17g",
                      problems[k].name, j[i], q.h[i]);
    }
}

/* ---- reductions and choices ------------------------------------------------------------------ */

static void expect_hessian(const char *formula, double x, double y, const double want[3]) {
    const ad_var v[] = {ad_input(tape, x), ad_input(tape, y)};
    const ad_var f = ad_parse(tape, formula, 2, "x, y", v);
    double       h[4], recorded[4];
    ad_var       grad[2];
    ad_hessian(f, 2, v, h);
    ad_record_gradient(f, 2, v, grad);
    ad_jacobian(2, grad, 2, v, recorded);
    cr_assert_eq(ad_tape_status(tape), AD_OK, "%s: %s", formula, ad_tape_message(tape));
    const int at[] = {0, 1, 3};
    for (int k = 0; k < 3; k++) {
        cr_expect(close_to(h[at[k]], want[k], 8 * U * (1 + fabs(x)), 2 * U),
                  "%s at (%g, %g): h[%d] = %.17g, not %.17g", formula, x, y, at[k], h[at[k]],
                  want[k]);
        cr_expect(close_to(recorded[at[k]], want[k], 8 * U * (1 + fabs(x)), 2 * U),
                  "%s at (%g, %g): recorded %d: %.17g, not %.17g", formula, x, y, at[k],
                  recorded[at[k]], want[k]);
    }
}

/* Of log(e^x + e^y), with p = e^x/(e^x + e^y): p*(1 - p) on the diagonal, its negative beside
 * it. */
Test(hessian, of_logsumexp_is_the_variance_of_softmax) {
    const double p = 1 / (1 + exp(0.5)), want = p * (1 - p);
    expect_hessian("logsumexp(x, y)", 1, 1.5, (double[]){want, -want, want});
    expect_hessian("logsumexp(x, y)", 701, 701.5, (double[]){want, -want, want});
}

Test(hessian, of_dot_with_itself_is_two) {
    expect_hessian("dot(x, y, x, y)", 3, 4, (double[]){2, 0, 2});
    expect_hessian("dot(x, 5, y, x)", 3, 4, (double[]){0, 1, 0});
    expect_hessian("sum(x*x, 3, x*y)", 3, 4, (double[]){2, 1, 0});
}

Test(hessian, branch_not_taken_counts_for_nothing_even_when_it_is_nan) {
    expect_hessian("x > 0 ? log(x) : x*x*y", -2, 3, (double[]){6, -4, 0});
    expect_hessian("x >= 0 ? y*y*x : sqrt(x)", 0, 3, (double[]){0, 6, 0});
    expect_hessian("where(x < 0, y^3, sqrt(x - x))", -1, 2, (double[]){0, 0, 12});
}

Test(hessian, operand_picked_is_the_only_one_that_bends) {
    const ad_var x[] = {ad_input(tape, 2), ad_input(tape, 3), ad_input(tape, 1)};
    const ad_var some[] = {ad_mul(x[0], x[0]), ad_mul(ad_mul(x[0], x[0]), x[1]), ad_num(7)};
    const ad_var f = ad_pick(x[2], 3, some);
    double       h[9], want[9] = {6, 4, 0, 4, 0, 0, 0, 0, 0};
    ad_hessian(f, 3, x, h);
    for (int i = 0; i < 9; i++) cr_expect_eq(h[i], want[i], "%d: %g", i, h[i]);
}

/* What is 0 here and moves sends its motion: of x*y at y = 0 the mixed derivative is left, of x*x*y
 * 2x. */
Test(hessian, factor_of_zero_still_bends) {
    expect_hessian("dot(x, y)", 3, 0, (double[]){0, 1, 0});
    expect_hessian("x*x*y", 3, 0, (double[]){0, 6, 0});
    expect_hessian("sin(x)*y", 0, 0, (double[]){0, 1, 0});
    expect_hessian("relu(x)*relu(x)*y", 2, 1, (double[]){2, 4, 0});
    expect_hessian("max(x, y)*y", 1, 2, (double[]){0, 0, 2});
}

Test(hessian, of_one_operation_on_one_input) {
    const ad_var x = ad_input(tape, 0.75), y = ad_sin(x);
    const double one = 2;
    double       h, twice;
    ad_hessian(y, 1, &x, &h);
    ad_hessian_times(y, 1, &x, &one, &twice);
    cr_expect(h == -sin(0.75) && twice == -2 * sin(0.75), "%.17g, %.17g", h, twice);
}

/* ---- operations of the user's own ------------------------------------------------------------ */

/* x*x*y*c, and its partials. */
static double volume(size_t n, const double x[], void *context) {
    (void)n, (void)context;
    return x[0] * x[0] * x[1] * x[2];
}
static void volume_partials(size_t n, const double x[], double v, double partial[], void *context) {
    (void)n, (void)v, (void)context;
    partial[0] = 2 * x[0] * x[1] * x[2], partial[1] = x[0] * x[0] * x[2],
    partial[2] = x[0] * x[0] * x[1];
}
static void records_volume(size_t n, const ad_var x[], ad_var v, ad_var partial[], void *context) {
    (void)n, (void)v, (void)context;
    partial[0] = ad_mul(ad_mul(ad_num(2), x[0]), ad_mul(x[1], x[2]));
    partial[1] = ad_mul(ad_mul(x[0], x[0]), x[2]), partial[2] = ad_mul(ad_mul(x[0], x[0]), x[1]);
}
/* Those of exp, by the result. */
static double own_exp(size_t n, const double x[], void *context) {
    (void)n, (void)context;
    return exp(x[0]);
}
static void own_exp_partials(size_t n, const double x[], double v, double partial[],
                             void *context) {
    (void)n, (void)x, (void)context;
    partial[0] = v;
}
static void records_own_exp(size_t n, const ad_var x[], ad_var v, ad_var partial[], void *context) {
    (void)n, (void)x, (void)context;
    partial[0] = v;
}

/* At x = 3, y = 0.5, c = 2: 2yc, 2xc, 2xy, 0, x*x, 0; with y = 0 too, where partials are 0 that
 * move. */
Test(hessian, of_an_operation_with_partials_that_are_recorded) {
    const ad_custom_op op = {"volume", 3, volume, volume_partials, NULL, NULL, records_volume};
    const ad_custom_op e = {"own_exp", 1, own_exp, own_exp_partials, NULL, NULL, records_own_exp};
    const double       y[] = {0.5, 0};
    double             h[9], j;
    for (int k = 0; k < 2; k++) {
        const ad_var x[] = {ad_input(tape, 3), ad_input(tape, y[k]), ad_input(tape, 2)};
        const double want[] = {4 * y[k], 12, 6 * y[k], 12, 0, 9, 6 * y[k], 9, 0};
        ad_hessian(ad_custom(tape, &op, 3, x, NULL), 3, x, h);
        for (int i = 0; i < 9; i++) cr_expect_eq(h[i], want[i], "y = %g, %d: %g", y[k], i, h[i]);
        ad_hessian(ad_custom(tape, &op, 3, (const ad_var[]){x[0], ad_num(0.5), x[2]}, NULL), 1, x,
                   &j);
        cr_expect_eq(j, 2);
        ad_hessian(ad_custom(tape, &e, 1, x, NULL), 1, x, &j);
        cr_expect_eq(j, exp(3));
    }
    cr_expect_eq(ad_tape_status(tape), AD_OK, "%s", ad_tape_message(tape));
}

static ad_var stranger;

static void records_a_stranger(size_t n, const ad_var x[], ad_var v, ad_var partial[],
                               void *context) {
    (void)n, (void)context;
    partial[0] = ad_mul(ad_add(x[0], v), stranger);
}

Test(hessian, operation_that_cannot_be_differentiated_again_is_an_error) {
    const ad_custom_op op = {"plain", 1, own_exp, own_exp_partials, NULL, NULL, NULL};
    const ad_custom_op lost = {"lost", 1,    own_exp,           own_exp_partials,
                               NULL,   NULL, records_a_stranger};
    const ad_var       x = ad_input(tape, 2);
    double             h = 0;
    ad_hessian(ad_custom(tape, &op, 1, &x, NULL), 1, &x, &h);
    cr_expect(isnan(h) && ad_tape_status(tape) == AD_UNSUPPORTED);
    cr_expect_str_eq(ad_tape_message(tape),
                     "node #1: the operation \"plain\" has no `record`, so no second derivative");
    ad_tape_clear(tape);
    ad_tape *other = ad_tape_new();
    stranger = ad_input(other, 1), h = 0;
    ad_hessian(ad_custom(tape, &lost, 1, &x, NULL), 1, &x, &h);
    cr_expect(isnan(h) && ad_tape_status(tape) == AD_TWO_TAPES);
    cr_expect_str_eq(ad_tape_message(tape),
                     "node #2, \"lost\": mul: operand 2 belongs to another tape");
    ad_tape_free(other);
}

/* ---- kinks: the table of docs/derivatives.md ------------------------------------------------- */

Test(hessian, kinks_have_second_derivative_zero) {
    const char *const kinks[] = {"relu(x)",       "fabs(x)",  "fmax(x, y)", "fmin(x, y)",
                                 "leaky_relu(x)", "floor(x)", "ceil(x)",    "trunc(x)",
                                 "round(x)",      "rint(x)",  "fmod(x, 2)", "remainder(x, 2)"};
    for (int k = 0; k < 12; k++) expect_hessian(kinks[k], 0, 0, (double[]){0, 0, 0});
    expect_hessian("relu(x)*y", 0, 2, (double[]){0, 0, 0});
    expect_hessian("fmax(x, y)*x", 1, 1, (double[]){1, 0.5, 0});
}

/* fmod(7, y)*y = 7y - 3y^2 near y = 2, remainder(7, y)*y = 7y - 4y^2; tgamma'' of 1 is Euler^2 +
 * pi^2/6. */
Test(hessian, remainders_are_lines_and_gamma_has_trigamma) {
    expect_hessian("fmod(x, y)*y", 7, 2, (double[]){0, 1, -6});
    expect_hessian("remainder(x, y)*y", 7, 2, (double[]){0, 1, -8});
    expect_hessian("tgamma(x)", 1, 2, (double[]){1.9781119906559451, 0, 0});
}

/* d2/dx2 of x^2 is 2 at 0 too, and of x^1 and x^0 it is 0. */
Test(hessian, powers_at_zero_are_those_of_mathematics) {
    expect_hessian("x^2", 0, 1, (double[]){2, 0, 0});
    expect_hessian("x^1", 0, 1, (double[]){0, 0, 0});
    expect_hessian("x^0", 0, 1, (double[]){0, 0, 0});
    expect_hessian("x^3 + y", 0, 1, (double[]){0, 0, 0});
    expect_hessian("x^2*y", 0, 5, (double[]){10, 0, 0});
    expect_hessian("x^y", 0, 2, (double[]){2, 0, 0});
}

/* x*y*0: the product of the other two is what is left, here 0 and y. */
Test(hessian, product_with_two_zeros_keeps_its_mixed_derivative) {
    expect_hessian("prod(x, y, 5)", 0, 0, (double[]){0, 5, 0});
    expect_hessian("prod(x, x, y)", 0, 3, (double[]){6, 0, 0});
}

/* The limits from the right of y*(y - 1)*x^(y - 2), x^(y - 1)*(1 + y*log(x)) and x^y*log(x)^2. */
Test(hessian, variable_exponent_at_zero_is_the_limit) {
    const double inf = INFINITY;
    expect_hessian("x^y", 0, 3, (double[]){0, 0, 0});
    expect_hessian("x^y", 0, 2, (double[]){2, 0, 0});
    expect_hessian("x^y", 0, 1.5, (double[]){inf, 0, 0});
    expect_hessian("x^y", 0, 1, (double[]){0, -inf, 0});
    expect_hessian("x^y", 0, 0.5, (double[]){-inf, -inf, 0});
    expect_hessian("x^y", 0, 0, (double[]){0, inf, inf});
    expect_hessian("x^y", 0, -1, (double[]){inf, inf, inf});
    expect_hessian("x^y", 2, 0, (double[]){0, 0.5, log(2) * log(2)});
}

/* PyTorch 1.13.1, autograd.grad twice at 0. */
Test(hessian, agrees_with_pytorch_at_zero) {
    expect_hessian("softplus(x)", 0, 1, (double[]){0.25, 0, 0});
    expect_hessian("gelu(x)", 0, 1, (double[]){0.7978845608028654, 0, 0});
    expect_hessian("silu(x)", 0, 1, (double[]){0.5, 0, 0});
    expect_hessian("elu(x)", 0, 1, (double[]){0, 0, 0});
    expect_hessian("sqrt(x)", 0, 1, (double[]){-INFINITY, 0, 0});
    expect_hessian("sqrt(relu(x))", -1, 1, (double[]){0, 0, 0});
    expect_hessian("hypot(x, y)", 0, 0, (double[]){0, 0, 0}); /* NaN there; level here */
}

Test(hessian, smooth_side_of_elu_bends) {
    expect_hessian("elu(x)", -1, 1, (double[]){exp(-1), 0, 0});
    expect_hessian("elu(x)", 2, 1, (double[]){0, 0, 0});
}

/* ---- Jacobians ------------------------------------------------------------------------------- */

/* Polar to cartesian, (r cos t, r sin t), with a third result that is a number and a fourth that
 * repeats. */
static void polar(const ad_var x[], ad_var y[]) {
    y[0] = ad_mul(x[0], ad_cos(x[1]));
    y[1] = ad_mul(x[0], ad_sin(x[1]));
    y[2] = ad_num(4);
    y[3] = y[0];
}

Test(hessian, jacobian_is_the_same_forward_and_in_reverse) {
    const ad_var x[] = {ad_input(tape, 2), ad_input(tape, 0.5), ad_input(tape, 9)};
    const double c = cos(0.5), s = sin(0.5);
    const double want[] = {c, -2 * s, 0, s, 2 * c, 0, 0, 0, 0, c, -2 * s, 0};
    ad_var       y[4];
    double       j[12];
    polar(x, y);
    ad_jacobian(4, y, 3, x, j); /* forward */
    for (int i = 0; i < 12; i++) cr_expect_eq(j[i], want[i], "forward, %d: %g", i, j[i]);
    ad_jacobian(2, y, 3, x, j); /* in reverse */
    for (int i = 0; i < 6; i++) cr_expect_eq(j[i], want[i], "in reverse, %d: %g", i, j[i]);
}

Test(hessian, jacobian_of_inputs_in_themselves_is_one) {
    const ad_var x = ad_input(tape, 2), y[] = {ad_num(5), x, x};
    double       j[3] = {7, 7, 7};
    ad_jacobian(3, y, 1, &x, j);
    cr_expect(j[0] == 0 && j[1] == 1 && j[2] == 1);
    j[1] = 7;
    ad_jacobian(1, y + 1, 1, &x, j + 1);
    cr_expect_eq(j[1], 1);
}

/* ---- what stays, and what is refused --------------------------------------------------------- */

Test(hessian, adjoints_names_and_length_are_left_alone) {
    ad_var       x[] = {ad_input(tape, 2), ad_input(tape, 3)}, y[3];
    ad_var       f = ad_mul(ad_exp(x[0]), x[1]);
    double       h[4], j[6];
    const double v[] = {1, 1};
    for (int i = 0; i < 3; i++) y[i] = ad_mul(x[0], ad_mul(x[1], ad_num(i)));
    ad_backward(f);
    const double dx = ad_grad(x[0]), dy = ad_grad(x[1]);
    const size_t length = ad_tape_length(tape);
    ad_hessian(f, 2, x, h);
    ad_hessian_times(f, 2, x, v, h);
    ad_jacobian(3, y, 2, x, j);
    ad_jacobian(1, y, 2, x, j);
    cr_expect(same_bits(ad_grad(x[0]), dx) && same_bits(ad_grad(x[1]), dy));
    cr_expect_eq(ad_tape_length(tape), length);
    cr_expect_eq(ad_tape_status(tape), AD_OK);
}

Test(hessian, constants_have_derivatives_of_zero) {
    const ad_var x = ad_input(tape, 1), later = ad_input(tape, 2), y[] = {ad_num(3), ad_num(4)};
    const double one = 1;
    double       out[2] = {7, 7};
    ad_hessian(ad_num(3), 1, &x, out);
    cr_expect_eq(out[0], 0);
    ad_hessian(x, 1, &later, out);
    cr_expect_eq(out[0], 0);
    ad_hessian_times(ad_num(3), 1, &x, &one, out + 1);
    cr_expect_eq(out[1], 0);
    out[1] = 7;
    ad_hessian_times(x, 1, &later, &one, out + 1);
    cr_expect_eq(out[1], 0);
    out[0] = out[1] = 7;
    ad_jacobian(2, y, 1, &x, out);
    cr_expect(out[0] == 0 && out[1] == 0);
    ad_hessian(ad_exp(x), 0, NULL, NULL);
    ad_hessian_times(ad_exp(x), 0, NULL, NULL, NULL);
    ad_jacobian(0, NULL, 1, &x, NULL);
    ad_jacobian(1, &x, 0, NULL, NULL);
    cr_expect_eq(ad_tape_status(tape), AD_OK, "%s", ad_tape_message(tape));
}

static void refused(ad_var y, ad_var x, ad_status want, const char *part) {
    const double one = 1;
    double       out[3];
    for (int k = 0; k < 3; k++) {
        out[k] = 7;
        if (k == 0) ad_hessian(y, 1, &x, out);
        if (k == 1) ad_hessian_times(y, 1, &x, &one, out + 1);
        if (k == 2) ad_jacobian(1, &y, 1, &x, out + 2);
        cr_expect(isnan(out[k]), "%d: %g", k, out[k]);
        cr_expect_eq(ad_tape_status(tape), want, "%d: %s", k, ad_tape_message(tape));
        cr_expect(strstr(ad_tape_message(tape), part) != NULL, "%d: %s", k, ad_tape_message(tape));
        ad_tape_clear(tape);
    }
}

Test(hessian, bad_operands_are_errors_with_sentences) {
    ad_tape      *other = ad_tape_new();
    ad_var        x = ad_input(tape, 2);
    const ad_mark mark = ad_tape_mark(tape);
    ad_var        y = ad_exp(x), stale = ad_exp(y);
    ad_tape_rewind(tape, mark);
    y = ad_exp(x);
    refused(y, ad_num(2), AD_BAD_ARGUMENT, "x[0] is the plain number 2");
    refused(y, stale, AD_STALE, "forgotten");
    refused(stale, x, AD_STALE, "forgotten");
    refused(y, ad_input(other, 1), AD_TWO_TAPES, "another tape");
    ad_tape_free(other);
}

Test(hessian, operands_are_counted_from_one_in_what_is_said) {
    ad_tape     *other = ad_tape_new();
    const ad_var x = ad_input(tape, 2), y[] = {ad_exp(x), ad_exp(ad_input(other, 1)), ad_num(1)},
                 number = ad_num(3);
    const ad_mark mark = ad_tape_mark(tape);
    const ad_var  stale = ad_exp(x);
    double        j[3];
    ad_tape_rewind(tape, mark);
    ad_jacobian(2, y, 1, &x, j);
    cr_expect_str_eq(ad_tape_message(tape), "ad_jacobian: operand 2 belongs to another tape");
    ad_tape_clear(tape);
    ad_jacobian(1, y, 1, &number, j);
    cr_expect_str_eq(ad_tape_message(tape), "ad_jacobian: x[0] is the plain number 3, not a node");
    ad_tape_clear(tape);
    ad_hessian(stale, 1, &x, j);
    cr_expect(strncmp(ad_tape_message(tape), "ad_hessian: operand 1 ", 22) == 0, "%s",
              ad_tape_message(tape));
    ad_jacobian(1, y, 1, &x, j);
    cr_expect(isnan(j[0]) && ad_tape_status(tape) == AD_STALE, "the first error sticks");
    ad_tape_free(other);
}

Test(hessian, second_derivative_in_a_result_is_refused) {
    ad_var x = ad_input(tape, 2), y = ad_exp(x), z = ad_mul(y, y);
    double h;
    ad_hessian(z, 1, &y, &h);
    cr_expect(isnan(h));
    cr_expect_str_eq(ad_tape_message(tape),
                     "ad_hessian: x[0] is node #1, the result of exp, not an input");
}

Test(hessian, index_out_of_range_is_an_error) {
    ad_var index = ad_input(tape, 1), x = ad_input(tape, 3);
    ad_var y = ad_pick(index, 2, (ad_var[]){x, x});
    ad_set(index, -1);
    refused(y, x, AD_BAD_ARGUMENT, "pick: the index -1");
    double j[2] = {7, 7};
    ad_jacobian(2, (const ad_var[]){x, y}, 1, &x, j);
    cr_expect(isnan(j[0]) && isnan(j[1]) && ad_tape_status(tape) == AD_BAD_ARGUMENT,
              "forward: %g, %g", j[0], j[1]);
}
