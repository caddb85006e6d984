/* curvature.c - second derivatives of every operation against mathematics in long double, at points
 * where a text that is right for the first derivative loses the second, on every path: duals,
 * recorded gradients swept either way, programs of one row and of many.
 *
 * The references are the textbook's formulas, in forms that lose nothing in long double at the
 * points used; where two terms may cancel, `scale` is what they add up to without their signs. */
#include "support.h"

#include "expect.h"
#include <float.h>
#include <math.h>
#include <string.h>

#define ROOMY \
    (LDBL_MANT_DIG > DBL_MANT_DIG) /* elsewhere nothing here is wider than what it judges */

typedef long double real;

/* ---- one function of one or two variables, on every path ------------------------------------- */

enum { PATHS = 6, MANY = 19 };

static const char *const path_name[PATHS] = {
    "Hessian",           "Hessian times a direction", "recorded, in reverse",
    "recorded, forward", "program of one row",        "program of many rows"};

typedef struct point {
    ad_tape *tape;
    size_t   n;
    double   at[3];
    ad_var   x[3], y;
} point;

/* Of row 0, or of the last of many that are all the same. */
static void by_program(const point *p, const ad_var grad[], size_t many, double h[]) {
    double             input[3 * MANY], jacobian[9 * MANY];
    const ad_interface face = {0, NULL, p->n, p->x, p->n, grad, 0};
    ad_program        *program = ad_compile(&face);
    cr_assert_not_null(program, "%s", ad_tape_message(p->tape));
    for (size_t r = 0; r < many; r++) memcpy(input + r * p->n, p->at, p->n * sizeof *input);
    cr_assert_eq(ad_program_jacobian(program, NULL, many, input, jacobian), AD_OK);
    memcpy(h, jacobian + (many - 1) * p->n * p->n, p->n * p->n * sizeof *h);
    ad_program_free(program);
}

static void second(const point *p, int path, double h[]) {
    ad_var       grad[3];
    const size_t n = p->n;
    if (path == 0) ad_hessian(p->y, n, p->x, h);
    if (path >= 2) ad_record_gradient(p->y, n, p->x, grad);
    for (size_t j = 0; j < n; j++) {
        double direction[3] = {0};
        direction[j] = 1;
        if (path == 1) ad_hessian_times(p->y, n, p->x, direction, h + j * n);
        if (path == 2) ad_gradient(grad[j], n, p->x, h + j * n);
        for (size_t i = 0; i < n && path == 3; i++)
            h[i * n + j] = ad_tangent(grad[i], n, p->x, direction);
    }
    if (path >= 4) by_program(p, grad, path == 4 ? 1 : MANY, h);
    cr_assert_eq(ad_tape_status(p->tape), AD_OK, "%s: %s", path_name[path],
                 ad_tape_message(p->tape));
}

static const char *const names[] = {"", "x", "x, y"};

static void open_point(point *p, size_t n, const double at[]) {
    *p = (point){.tape = ad_tape_new(), .n = n};
    for (size_t k = 0; k < n; k++) p->at[k] = at[k], p->x[k] = ad_input(p->tape, at[k]);
}

/* ---- rows ------------------------------------------------------------------------------------ */

/* clang-format off */
static real sech2(real x) { return 1/(coshl(x)*coshl(x)); }
static real bell(real x) { return 0.25L*sech2(x/2); }               /* the derivative of sigmoid */
static real normal(real x) { return expl(-x*x/2)*0.398942280401432677939946059934L; }
static real span(real x, real y) { return hypotl(x, y); }
/* clang-format on */

/* name, second derivative, what its terms add up to where they may cancel (0: they cannot) */
/* clang-format off */
#define ONE_LIST(row)                                                                        \
    row(sqrt, -0.25L/(x*sqrtl(x)), 0)                                                        \
    row(cbrt, -2/(9*x*cbrtl(x)*cbrtl(x)), 0)                                                 \
    row(exp, expl(x), 0) row(expm1, expl(x), 0) row(exp2, exp2l(x)*M_LN2l*M_LN2l, 0)         \
    row(log, -1/(x*x), 0) row(log1p, -1/((1 + x)*(1 + x)), 0)                                \
    row(log2, -1/(x*x*M_LN2l), 0) row(log10, -1/(x*x*M_LN10l), 0)                            \
    row(sin, -sinl(x), 0) row(cos, -cosl(x), 0)                                              \
    row(tan, 2*tanl(x)*(1 + tanl(x)*tanl(x)), 0)                                             \
    row(asin, x/powl((1 - x)*(1 + x), 1.5L), 0) row(acos, -x/powl((1 - x)*(1 + x), 1.5L), 0) \
    row(atan, -2*(x/(1 + x*x))/(1 + x*x), 0)                                                 \
    row(sinh, sinhl(x), 0) row(cosh, coshl(x), 0) row(tanh, -2*tanhl(x)*sech2(x), 0)         \
    row(asinh, -x/powl(1 + x*x, 1.5L), 0)                                                    \
    row(acosh, -x/powl((x - 1)*(x + 1), 1.5L), 0)                                            \
    row(atanh, 2*x/((1 - x)*(1 + x)*(1 - x)*(1 + x)), 0)                                     \
    row(erf, -4*x*expl(-x*x)/sqrtl(M_PIl), 2*fabsl(x*x*x)*expl(-x*x))                        \
    row(erfc, 4*x*expl(-x*x)/sqrtl(M_PIl), 2*fabsl(x*x*x)*expl(-x*x))                        \
    row(sigmoid, -bell(x)*tanhl(x/2), 0) row(softplus, bell(x), 0)                           \
    row(silu, bell(x)*(2 - x*tanhl(x/2)), bell(x)*(2 + fabsl(x)))                            \
    row(gelu, normal(x)*(2 - x*x), normal(x)*(2 + x*x + x*x*x*x))                            \
    row(elu, x < 0 ? expl(x) : 0, 0)
/* clang-format on */

/* clang-format off */
#define TWO_LIST(row)                                                                           \
    row(exp_sub, expl(x - y), -expl(x - y), expl(x - y), 0)                                     \
    row(mul, 0, 1, 0, 0) row(div, 0, -1/(y*y), 2*x/(y*y*y), 0)                                  \
    row(pow, y*(y - 1)*powl(x, y - 2), powl(x, y - 1)*(1 + y*logl(x)),                          \
        powl(x, y)*logl(x)*logl(x), powl(x, y - 1)*(1 + fabsl(y*logl(x))))                      \
    row(hypot, y/span(x, y)*(y/span(x, y))/span(x, y), -x/span(x, y)*(y/span(x, y))/span(x, y), \
        x/span(x, y)*(x/span(x, y))/span(x, y), 0)                                              \
    row(atan2, -2*x/span(x, y)*(y/span(x, y))/span(x, y)/span(x, y),                            \
        (x - y)/span(x, y)*((x + y)/span(x, y))/span(x, y)/span(x, y),                          \
        2*x/span(x, y)*(y/span(x, y))/span(x, y)/span(x, y), 1/span(x, y)/span(x, y))
/* clang-format on */

#define ONE(name, xx, scale)                             \
    static void of_##name(real x, real y, real out[4]) { \
        (void)y;                                         \
        out[0] = xx;                                     \
        out[3] = scale;                                  \
    }
#define TWO(name, xx, xy, yy, scale)                           \
    static void of_##name(real x, real y, real out[4]) {       \
        (void)x, (void)y;                                      \
        out[0] = xx, out[1] = xy, out[2] = yy, out[3] = scale; \
    }
ONE_LIST(ONE)
TWO_LIST(TWO)

static void (*const exact[ROWS])(real x, real y, real out[4]) = {
#define ENTRY(name, ...) [ROW_##name] = of_##name,
    ONE_LIST(ENTRY) TWO_LIST(ENTRY)};

/* Near 0, near 1, near the ends of the range, and a few in between. */
/* clang-format off */
static const double ones[] = {
    1e-300, 1e-160, 1e-100,    1e-30,     1e-12,     1e-8,   1e-7, 1e-5,
    1e-3,   0.02,   0.3,       0.49,      0.51,      0.7,    0.74, 0.76,
    0.9,    0.999,  0.9999999, 1 - 4e-16, 1 + 4e-16, 1.0001, 1.3,  1.41421,
    2.4,    3.7,    9,         17,        19.5,      26,     37.5, 300,
    1e5,    1e8,    1e30,      1e81,      1e100,     1e150,
};
static const double twos[][2] = {
    {0.3, 1.7},       {2, 3},         {1, 1},      {1.7, 1e-3},   {3e-120, 1e-100},
    {1e-100, 3e-120}, {1e150, 1e140}, {2, 1e-9},   {2, 0},        {1e-9, 2},
    {5, -3},          {1e-200, 1},    {1e-5, 0.5}, {1e10, 1e-10}, {0.999999, 40},
    {1 + 1e-9, -20},  {7, 7.0000001},
};
/* clang-format on */

static void expect_second(int number, const double at[2]) {
    const size_t n = (size_t)rows[number].operands;
    real         want[4] = {0};
    point        p;
    exact[number](at[0], at[1], want);
    open_point(&p, n, at);
    p.y = row_record(&rows[number], p.x[0], n == 2 ? p.x[1] : ad_num(0));
    double g[2] = {0};
    ad_gradient(p.y, n, p.x, g);
    const bool there = isfinite(ad_value(p.y)) && isfinite(g[0]) && isfinite(g[1]) &&
                       isfinite((double)want[0]) && isfinite((double)want[1]) &&
                       isfinite((double)want[2]);
    for (int path = 0; path < PATHS && there; path++) {
        const ad_mark mark = ad_tape_mark(p.tape);
        double        got[4];
        second(&p, path, got);
        for (size_t k = 0; k < n * n; k++) {
            const double w = (double)want[k == 3 ? 2 : k == 2 ? 1 : k];
            cr_expect(close_to(got[k], w, 64 * U, 64 * U * (double)want[3] + 1e-306),
                      "%s at (%.17g, %.17g), %s, entry %zu: %.17g, not %.17g", rows[number].name,
                      at[0], at[1], path_name[path], k, got[k], w);
        }
        ad_tape_rewind(p.tape, mark);
    }
    ad_tape_free(p.tape);
}

Test(curvature, of_every_row_is_accurate_at_hard_points, .disabled = !ROOMY) {
    for (int number = 0; number < ROWS; number++) {
        if (exact[number] == NULL) continue;
        if (rows[number].operands == 2)
            for (size_t k = 0; k < sizeof twos / sizeof *twos; k++) expect_second(number, twos[k]);
        for (size_t k = 0; k < sizeof ones / sizeof *ones && rows[number].operands == 1; k++) {
            expect_second(number, (double[]){ones[k], 0});
            expect_second(number, (double[]){-ones[k], 0});
        }
    }
}

/* A row that is neither above nor in this list would have been forgotten. */
Test(curvature, every_row_that_bends_is_looked_at) {
    static const int others[] = {
        ROW_neg,           ROW_add,         ROW_sub,        ROW_lgamma,     ROW_tgamma,
        ROW_polygamma,     ROW_ceil,        ROW_trunc,      ROW_round,      ROW_rint,
        ROW_fmod,          ROW_remainder,   ROW_scale,      ROW_gate,       ROW_relu,
        ROW_leaky_relu,    ROW_abs,         ROW_min,        ROW_max,        ROW_floor,
        ROW_less,          ROW_less_equal,  ROW_equal,      ROW_not_equal,  ROW_both,
        ROW_either,        ROW_pow_slope,   ROW_asin_slope, ROW_atan_slope, ROW_atanh_slope,
        ROW_sigmoid_slope, ROW_hypot_slope, ROW_doubt,
    };
    for (int number = 0; number < ROWS; number++) {
        bool listed = exact[number] != NULL;
        for (size_t k = 0; k < sizeof others / sizeof *others; k++) listed |= others[k] == number;
        cr_expect(listed, "%s stands neither in ONE_LIST or TWO_LIST nor in `others`",
                  rows[number].name);
    }
}

/* ---- logsumexp ------------------------------------------------------------------------------- */

/* Offsets of any size leave the shares as they are, as long as the differences of operands are
 * exact. */
Test(curvature, of_logsumexp_does_not_lose_the_offset) {
    static const double offsets[] = {0, 10, -1e3, 1e6, -1e6, 1e8, 1e12, -1e15, 1e20, -1e300};
    for (size_t o = 0; o < sizeof offsets / sizeof *offsets; o++) {
        const double c = offsets[o], step = fabs(c) > 1e15 ? 0 : 1,
                     at[] = {c, c + step, c - 2 * step};
        real share[3], total = 0;
        for (int k = 0; k < 3; k++) total += share[k] = expl((real)at[k] - (real)at[1]);
        for (int k = 0; k < 3; k++) share[k] /= total;
        point p;
        open_point(&p, 3, at);
        p.y = ad_logsumexp(3, p.x);
        double g[3], t[3], j[12], recorded[9];
        ad_gradient(p.y, 3, p.x, g);
        const ad_var four[] = {p.y, p.y, p.y, p.y};
        ad_jacobian(4, four, 3, p.x, j);
        for (int k = 0; k < 3; k++) {
            const double direction[] = {k == 0, k == 1, k == 2};
            t[k] = ad_tangent(p.y, 3, p.x, direction);
            cr_expect(close_to(g[k], (double)share[k], 8 * U, 0), "%g, %d: %.17g, not %.17Lg", c, k,
                      g[k], share[k]);
            cr_expect(close_to(t[k], (double)share[k], 8 * U, 0) &&
                          close_to(j[k], (double)share[k], 8 * U, 0),
                      "%g, %d", c, k);
        }
        for (int path = 0; path < PATHS; path++) {
            second(&p, path, recorded);
            for (int k = 0; k < 9; k++) {
                const double want = (double)(k / 3 == k % 3 ? share[k / 3] * (1 - share[k / 3])
                                                            : -share[k / 3] * share[k % 3]);
                cr_expect(close_to(recorded[k], want, 64 * U, 0),
                          "%g, %s, entry %d: %.17g, not %.17g", c, path_name[path], k, recorded[k],
                          want);
            }
        }
        ad_tape_free(p.tape);
    }
}

/* Gradients of programs in what is shared by all rows: of params alone (uniform values), alone and
 * in a loop of like ones, and of sums with an input, of one row and of many. */
Test(curvature, of_logsumexp_in_programs_does_not_lose_the_offset) {
    enum { N = 3, GROUPS = 40 };
    static const double offsets[] = {0, -1e6, 1e8, -1e15, 1e20};
    for (size_t o = 0; o < sizeof offsets / sizeof *offsets; o++)
        for (int kind = 0; kind < 3; kind++) {
            ad_tape     *tape = ad_tape_new();
            const int    groups = kind == 1 ? GROUPS : 1;
            ad_var       param[N * GROUPS], part[GROUPS], x = ad_input(tape, 1);
            double       at[N * GROUPS], grad[N * GROUPS], mean, input[MANY];
            const double step = fabs(offsets[o]) > 1e15 ? 0 : 1;
            for (int k = 0; k < N * groups; k++)
                param[k] = ad_input(tape, at[k] = offsets[o] + step * (k % N));
            for (int g = 0; g < groups; g++) {
                ad_var *of = param + g * N, sums[N];
                for (int k = 0; k < N; k++) sums[k] = kind == 2 ? ad_add(of[k], x) : of[k];
                part[g] = ad_logsumexp(N, sums);
            }
            const ad_var y = ad_mul(ad_sum((size_t)groups, part), x);
            ad_program  *p =
                ad_compile(&(ad_interface){(size_t)(N * groups), param, 1, &x, 1, &y, 0});
            cr_assert_not_null(p, "%s", ad_tape_message(tape));
            for (size_t r = 0; r < MANY; r++) input[r] = 1;
            for (size_t many = 1; many <= MANY; many += MANY - 1) {
                cr_assert_eq(ad_program_gradient(p, at, many, input, &mean, grad), AD_OK);
                real total = 0;
                for (int k = 0; k < N; k++) total += expl(step * (k - 1));
                for (int k = 0; k < N * groups; k++) {
                    const double want = (double)(expl(step * (k % N - 1)) / total);
                    cr_expect(close_to(grad[k], want, 16 * U, 0),
                              "%g, kind %d, %zu rows, param %d: %.17g, not %.17g", offsets[o], kind,
                              many, k, grad[k], want);
                }
            }
            ad_program_free(p);
            ad_tape_free(tape);
        }
}

/* One of the operands has nearly all: 1 - p is what is left, p1*p2 here. */
Test(curvature, of_logsumexp_keeps_the_digits_of_small_shares) {
    point p;
    open_point(&p, 2, (double[]){10, -20});
    p.y = ad_logsumexp(2, p.x);
    const double want = (double)(expl(-30) / ((1 + expl(-30)) * (1 + expl(-30))));
    double       got[4];
    for (int path = 0; path < 2; path++) {
        second(&p, path, got);
        cr_expect(close_to(got[0], want, 16 * U, 0) && close_to(got[1], -want, 16 * U, 0) &&
                      close_to(got[3], want, 16 * U, 0),
                  "%s: %.17g %.17g %.17g, not %.17g", path_name[path], got[0], got[1], got[3],
                  want);
    }
    ad_tape_free(p.tape);
}

/* ---- norm and largest ------------------------------------------------------------------------ */

static void expect_norm(const double at[3], double tolerance) {
    real  total = 0;
    point p;
    open_point(&p, 3, at);
    for (int k = 0; k < 3; k++) total += (real)at[k] * at[k];
    p.y = ad_norm(3, p.x);
    for (int path = 0; path < PATHS; path++) {
        const ad_mark mark = ad_tape_mark(p.tape);
        double        got[9];
        second(&p, path, got);
        for (int k = 0; k < 9; k++) {
            const int  i = k / 3, j = k % 3, a = (i + 1) % 3, b = (i + 2) % 3;
            const real v = sqrtl(total),
                       square = ((real)at[a] * at[a] + (real)at[b] * at[b]) / total;
            const real   want = i == j ? square / v : -(real)at[i] * at[j] / total / v;
            /* by duals nothing cancels; recorded, 1/v - x*x/v^3 does */
            const double slack = path < 2 ? 0 : tolerance / (double)v;
            cr_expect(close_to(got[k], (double)want, 64 * U, slack),
                      "(%g, %g, %g), %s, entry %d: %.17g, not %.17Lg", at[0], at[1], at[2],
                      path_name[path], k, got[k], want);
        }
        ad_tape_rewind(p.tape, mark);
    }
    ad_tape_free(p.tape);
}

Test(curvature, of_norm_is_the_part_across_the_operands, .disabled = !ROOMY) {
    static const double at[][3] = {{1, 2, 2},
                                   {3, -4, 0},
                                   {1e-3, 1, -0.5},
                                   {1, 1e-9, 0},
                                   {-2, 0, 0},
                                   {1e-120, 3e-120, 2e-120},
                                   {1e150, 1e140, -1e150},
                                   {7, 7, 7.0000001}};
    for (size_t k = 0; k < sizeof at / sizeof *at; k++) expect_norm(at[k], 16 * U);
}

/* Of one operand it is |x|. Along its operands any norm is straight. */
Test(curvature, of_norm_along_its_operands_is_zero) {
    for (size_t n = 1; n <= 3; n++) {
        point  p;
        double got[9];
        open_point(&p, n, (double[]){-0.3, 1.7, 1e-5});
        p.y = ad_norm(n, p.x);
        ad_hessian_times(p.y, n, p.x, p.at, got);
        for (size_t k = 0; k < n; k++)
            cr_expect(fabs(got[k]) <= (n == 1 ? 0 : 4 * U), "%zu operands: %g", n, got[k]);
        ad_tape_free(p.tape);
    }
}

/* Where 1/norm overflows, what does not turn still has the slope 0, as hypot has. */
Test(curvature, of_norm_of_the_smallest_numbers_leaves_others_alone) {
    static const double want[] = {0, 0, 0, 0, 0, 0, 0, 0, 2};
    for (size_t n = 1; n <= 2; n++) {
        point  p;
        double got[9];
        open_point(&p, 3, (double[]){5e-324, n == 2 ? -5e-324 : 0.25, 3});
        p.y = ad_add(n == 1 ? ad_norm(1, p.x) : ad_norm(2, p.x), ad_mul(p.x[2], p.x[2]));
        ad_hessian_times(p.y, 3, p.x, (double[]){0, 0, 1}, got);
        for (size_t k = 0; k < 3; k++) cr_expect_eq(got[k], want[6 + k], "%zu: %g", k, got[k]);
        ad_hessian(p.y, 3, p.x, got);
        for (size_t k = 0; k < 9; k++)
            cr_expect(n == 2 && k < 6 && k % 3 != 2 ? isinf(got[k]) : got[k] == want[k],
                      "%zu operands, entry %zu: %g", n, k, got[k]);
        ad_tape_free(p.tape);
    }
}

/* norm^3 has the third derivative 6 along a line through 0, softmax's are known: the third by two
 * recorded gradients. */
Test(curvature, third_derivatives_of_folds) {
    static const struct {
        const char *text;
        double      at, want;
    } of[] = {
        {"norm(0.6*x, 0.8*x)^3", 2, 6},
        {"norm(x, 1)", 0.75, -2.25 / 3.0517578125}, /* -3*x/(1 + x*x)^2.5 */
        {"logsumexp(x, 0)", 0, 0},
        {"largest(x, x^3, -1)", 2, 6},
    };
    for (size_t k = 0; k < sizeof of / sizeof *of; k++) {
        point  p;
        ad_var first, twice;
        double third;
        open_point(&p, 1, &of[k].at);
        p.y = ad_parse(p.tape, of[k].text, 1, "x", p.x);
        ad_record_gradient(p.y, 1, p.x, &first);
        ad_record_gradient(first, 1, p.x, &twice);
        ad_gradient(twice, 1, p.x, &third);
        cr_expect(close_to(third, of[k].want, 1e-13, 1e-13), "%s: %.17g, not %.17g", of[k].text,
                  third, of[k].want);
        ad_tape_free(p.tape);
    }
}

/* ---- where first derivatives cannot tell ----------------------------------------------------- */

typedef struct tip {
    const char *text;
    size_t      n;
    double      at[3], want[9];
    bool        knows; /* do duals know the value? Then they must say it; else NaN */
} tip;

/* Kinks on which nothing falls but an adjoint of 0, so that the function goes on smoothly; the
 * values are those of the function that it is: x^2, x^2 + y^2 and so on. */
static const tip tips[] = {
    {"abs(x)^2", 1, {0}, {2}, true},
    {"abs(x)*abs(x)*3", 1, {0}, {6}, true},
    {"cosh(abs(x))", 1, {0}, {1}, true},
    {"hypot(x, y)^2", 2, {0, 0}, {2, 0, 0, 2}, true},
    {"hypot(x - 3, y)^2", 2, {3, 0}, {2, 0, 0, 2}, true},
    {"hypot(x, 0)^2", 1, {0}, {2}, true},
    {"cos(hypot(2*x, y))", 2, {0, 0}, {-4, 0, 0, -1}, true},
    {"max(x, -x)^2", 1, {0}, {2}, true},
    {"min(x, -x)^2 + y", 2, {0, 1}, {2, 0, 0, 0}, true},
    {"relu(x)^2 + relu(-x)^2", 1, {0}, {2}, true},
    {"abs(x)*x^2", 1, {0}, {0}, true},
    {"abs(abs(x))^2", 1, {0}, {2}, true},
    {"relu(abs(x))^2", 1, {0}, {2}, true},
    {"max(abs(x), 0)^2", 1, {0}, {2}, true},
    {"relu(relu(x))^2 + relu(relu(-x))^2", 1, {0}, {2}, true},
    {"abs(hypot(x, y))^2", 2, {0, 0}, {2, 0, 0, 2}, true},
    {"cosh(leaky_relu(abs(x)))", 1, {0}, {1}, true},
    {"sqrt(x*x)^2", 1, {0}, {2}, false},
    {"sqrt(x*x + y*y)^2", 2, {0, 0}, {2, 0, 0, 2}, false},
    {"(x*x)^0.5*sqrt(x*x)", 1, {0}, {2}, false},
    {"norm(x)^2", 1, {0}, {2}, true},
    {"norm(x, y)^2", 2, {0, 0}, {2, 0, 0, 2}, true},
    {"norm(x - 3, 0, y, y)^2", 2, {3, 0}, {2, 0, 0, 4}, true},
    {"cos(norm(2*x, y))", 2, {0, 0}, {-4, 0, 0, -1}, true},
    {"norm(abs(x), norm(y))^2", 2, {0, 0}, {2, 0, 0, 2}, true},
    {"largest(x, -x)^2", 1, {0}, {2}, true},
    {"largest(x, -x, -1)^2 + y", 2, {0, 1}, {2, 0, 0, 0}, true},
    {"largest(x, -x, 0, x)^2", 1, {0}, {2}, true},
    {"cosh(largest(abs(x), 0, -5))", 1, {0}, {1}, true},
};

Test(curvature, at_a_tip_is_right_or_nan_and_never_wrong) {
    for (size_t i = 0; i < sizeof tips / sizeof *tips; i++) {
        const tip *t = &tips[i];
        for (int path = 0; path < PATHS; path++) {
            point  p;
            double got[9], g[3];
            open_point(&p, t->n, t->at);
            p.y = ad_parse(p.tape, t->text, t->n, names[t->n], p.x);
            ad_gradient(p.y, t->n, p.x, g);
            cr_expect_eq(g[0], 0, "%s: first derivative %g", t->text, g[0]);
            second(&p, path, got);
            for (size_t k = 0; k < t->n * t->n; k++) {
                const bool right = close_to(got[k], t->want[k], 1e-14, 1e-300),
                           must = t->knows && path < 2;
                cr_expect(right || (!must && isnan(got[k])), "%s, %s, entry %zu: %g, not %g",
                          t->text, path_name[path], k, got[k], t->want[k]);
            }
            ad_tape_free(p.tape);
        }
    }
}

/* Operands that are level there: the side that they bend to; recorded gradients may not know. */
static const tip level[] = {
    {"abs(x*x)", 1, {0}, {2}, true},
    {"3*relu(x*x)", 1, {0}, {6}, true},
    {"relu(-x*x)", 1, {0}, {0}, true},
    {"max(x^2, -x^2)*y", 2, {0, 5}, {10, 0, 0, 0}, true},
    {"min(x*x, x^4)", 1, {0}, {0}, true},
    {"max(cosh(x), cos(x))", 1, {0}, {1}, true},
    {"hypot(x*x, 0)", 1, {0}, {2}, true},
    {"abs(sum(x*x, 2*y*y))", 2, {0, 0}, {2, 0, 0, 4}, true},
    {"abs(dot(x, y, x, 3*y))", 2, {0, 0}, {2, 0, 0, 6}, true},
    {"abs(logsumexp(x, -x) - log(2))", 1, {0}, {1}, true},
    {"abs(where(y > 0, x*x, x))", 2, {0, 1}, {2, 0, 0, 0}, true},
    {"abs(sin(x) - x)", 1, {0}, {0}, true},
    {"norm(x*x)", 1, {0}, {2}, true},
    {"norm(0.6*x*x, 0, -0.8*x*x)", 1, {0}, {2}, true},
    {"largest(x^2, -x^2)*y", 2, {0, 5}, {10, 0, 0, 0}, true},
    {"largest(x*x, -1, 3*x*x, 2*x*x)", 1, {0}, {6}, true},
    {"largest(cosh(x), cos(x), 1)", 1, {0}, {1}, true},
    {"largest(x, x + 2*x*x, x + x*x, -5)", 1, {0}, {4}, true},
};

Test(curvature, at_a_kink_that_is_level_follows_the_side_it_bends_to) {
    for (size_t i = 0; i < sizeof level / sizeof *level; i++) {
        const tip *t = &level[i];
        for (int path = 0; path < PATHS; path++) {
            point  p;
            double got[9];
            open_point(&p, t->n, t->at);
            p.y = ad_parse(p.tape, t->text, t->n, names[t->n], p.x);
            second(&p, path, got);
            for (size_t k = 0; k < t->n * t->n; k++)
                cr_expect(close_to(got[k], t->want[k], 1e-14, 1e-15) ||
                              (path >= 2 && isnan(got[k])),
                          "%s, %s, entry %zu: %g, not %g", t->text, path_name[path], k, got[k],
                          t->want[k]);
            ad_tape_free(p.tape);
        }
    }
}

/* The same graphs, replayed a little aside: there is no doubt any more. */
Test(curvature, away_from_a_tip_nothing_is_nan) {
    for (size_t i = 0; i < sizeof tips / sizeof *tips; i++) {
        const tip *t = &tips[i];
        point      p;
        ad_var     grad[3];
        open_point(&p, t->n, t->at);
        p.y = ad_parse(p.tape, t->text, t->n, names[t->n], p.x);
        ad_record_gradient(p.y, t->n, p.x, grad);
        for (size_t k = 0; k < t->n; k++) ad_set(p.x[k], t->at[k] + 0.125);
        ad_replay(p.tape);
        for (size_t j = 0; j < t->n; j++) {
            double duals[9], swept[3];
            ad_hessian(p.y, t->n, p.x, duals);
            ad_gradient(grad[j], t->n, p.x, swept);
            for (size_t k = 0; k < t->n; k++)
                cr_expect(close_to(swept[k], duals[j * t->n + k], 1e-12, 1e-12),
                          "%s: %.17g, by duals %.17g", t->text, swept[k], duals[j * t->n + k]);
        }
        ad_tape_free(p.tape);
    }
}

/* What was not taken leaves no doubt, nor does a unit that is dead: x = 0 and no bias, as in the
 * first row of xor. */
Test(curvature, of_what_is_not_taken_is_zero) {
    static const tip quiet[] = {
        {"where(x > 0, sqrt(x)^3, 3*x)", 1, {0}, {0}, true},
        {"where(x > 0, abs(x)^2, y)", 2, {0, 1}, {0, 0, 0, 0}, true},
        {"relu(y*relu(x*0))^2", 2, {0.5, 0.7}, {0, 0, 0, 0}, true},
        {"relu(y*relu(x*0)) + relu(x*0 + y*0)", 2, {0.5, 0.7}, {0, 0, 0, 0}, true},
        {"abs(dot(x, y, 0, 0))", 2, {0.5, 0.7}, {0, 0, 0, 0}, true},
        {"abs(x)", 1, {0}, {0}, true},
        {"hypot(x, y)", 2, {0, 0}, {0, 0, 0, 0}, true},
        {"max(x, y)*3", 2, {1, 1}, {0, 0, 0, 0}, true},
        {"norm(x, y)", 2, {0, 0}, {0, 0, 0, 0}, true},
        {"largest(x, y, -1)*3", 2, {1, 1}, {0, 0, 0, 0}, true},
        {"largest(x, y, sqrt(y - 1))", 2, {3, 1}, {0, 0, 0, 0}, true},
        {"logsumexp(x, y, 1)", 2, {INFINITY, INFINITY}, {0, 0, 0, 0}, true},
    };
    for (size_t i = 0; i < sizeof quiet / sizeof *quiet; i++)
        for (int path = 0; path < PATHS; path++) {
            const tip *t = &quiet[i];
            point      p;
            double     got[9];
            open_point(&p, t->n, t->at);
            p.y = ad_parse(p.tape, t->text, t->n, names[t->n], p.x);
            second(&p, path, got);
            for (size_t k = 0; k < t->n * t->n; k++)
                cr_expect_eq(got[k], 0, "%s, %s, entry %zu: %g", t->text, path_name[path], k,
                             got[k]);
            ad_tape_free(p.tape);
        }
}

/* Where the residual of a square is 0 so is an adjoint, which moves. */
Test(curvature, of_a_recorded_gradient_is_right_where_adjoints_are_0) {
    static const struct {
        const char *text;
        double      want[2]; /* third derivatives: xxx, xxy */
    } cubes[] = {{"u = exp(x) - 1; u*u", {6, 0}},
                 {"u = exp(x) - exp(y); u*u", {6, -2}},
                 {"norm(exp(x) - 1, 1)", {3, 0}},
                 {"scale(x, exp(y))*x", {0, 2}}};
    for (size_t i = 0; i < sizeof cubes / sizeof *cubes; i++) {
        point  p;
        ad_var g[2];
        double h[4], hx[2];
        open_point(&p, 2, (double[]){0, 0});
        p.y = ad_parse(p.tape, cubes[i].text, 2, "x, y", p.x);
        ad_record_gradient(p.y, 2, p.x, g);
        ad_hessian(g[0], 2, p.x, h);
        ad_hessian_times(g[0], 2, p.x, (double[]){1, 0}, hx);
        for (int k = 0; k < 2; k++)
            cr_expect(close_to(h[k], cubes[i].want[k], 16 * U, 0) &&
                          close_to(hx[k], cubes[i].want[k], 16 * U, 0),
                      "%s, entry %d: %g, along x %g, not %g", cubes[i].text, k, h[k], hx[k],
                      cubes[i].want[k]);
        ad_tape_free(p.tape);
    }
}

/* ---- both walks say the same ----------------------------------------------------------------- */

typedef struct edge {
    const char *text;
    double      at, want; /* NaN: neither walk can tell */
} edge;

/* Zeros and infinities among the factors of one path: the zero next to the result decides. */
static const edge edges[] = {
    {"1/(1 + exp(-x))", -800, 0}, /* 0, then an overflow */
    {"1/(1 + exp(-x))", 800, 0},
    {"exp(-exp(x))", 1000, 0},
    {"tanh(exp(x))", 1000, 0},
    {"x*x^0.5", 0, 0},
    {"x*sqrt(x)", 0, 0},
    {"sqrt(x)*x^2", 0, 0},
    {"x*log(x)", 0, -INFINITY},
    {"s = sqrt(x); s - s", 0, 0},
    {"l = log(x); 2*l - l - l", 0, 0},
    {"where(x > 0, sqrt(x), 3*x)", 0, 3},
    {"sqrt(relu(x))", -1, 0},
    {"sqrt(x*x)", 0, NAN},
    {"cbrt(x^3)", 0, NAN}, /* 1, but not by the chain rule */
    {"sqrt(x^4)", 0, NAN},
    {"log(x*x)", 0, NAN},
    {"sum(0*x, sqrt(x^3))", 0, NAN},
    {"exp(1000 + 0*x + x)", 0, NAN}, /* an overflow meets both paths, and only one is 0 */
    {"exp(logsumexp(x, x + 1000))", 0, NAN},
    {"exp(1000 + dot(x, x, 2, 1))", 0, INFINITY},
};

Test(curvature, tangents_and_jacobians_are_the_gradient_where_factors_are_zero_or_infinite) {
    for (size_t i = 0; i < sizeof edges / sizeof *edges; i++) {
        const edge  *e = &edges[i];
        ad_tape     *tape = ad_tape_new();
        const ad_var x = ad_input(tape, e->at), y = ad_parse(tape, e->text, 1, "x", &x),
                     three[] = {y, x, y};
        const double one = 1;
        double       g, j1, j3[3];
        ad_gradient(y, 1, &x, &g);
        ad_jacobian(1, &y, 1, &x, &j1);
        ad_jacobian(3, three, 1, &x, j3);
        const double t = ad_tangent(y, 1, &x, &one);
        cr_expect(close_to(g, e->want, 0, 0), "%s: gradient %g, not %g", e->text, g, e->want);
        cr_expect(close_to(t, e->want, 0, 0), "%s: tangent %g, not %g", e->text, t, e->want);
        cr_expect(close_to(j1, e->want, 0, 0), "%s: Jacobian %g, not %g", e->text, j1, e->want);
        cr_expect(close_to(j3[0], e->want, 0, 0) && j3[1] == 1 && close_to(j3[2], e->want, 0, 0),
                  "%s: among three %g %g %g, not %g", e->text, j3[0], j3[1], j3[2], e->want);
        cr_expect(!(signbit(t) && t == 0), "%s: -0", e->text);
        cr_expect_eq(ad_tape_status(tape), AD_OK);
        ad_tape_free(tape);
    }
}

/* Logarithms of what is huge, and quotients by it: 1/x^2 is below all numbers there, and x' is as
 * large as x. The values are those of mpmath with 60 digits; `knows` says that no terms cancel
 * there. */
Test(curvature, of_a_function_of_something_huge_by_duals) {
    static const tip huge[] = {
        {"log(exp(x))", 1, {400}, {0}, false},
        {"log(1 + exp(x))", 1, {400}, {1.9151695967140057e-174}, false},
        {"log1p(exp(x))", 1, {600}, {2.6503965530043109e-261}, false},
        {"log2(cosh(x))", 1, {700}, {0}, false},
        {"asinh(exp(x))", 1, {400}, {0}, false},
        {"log(exp(x) + exp(y))", 2, {400, 400}, {0.25, -0.25, -0.25, 0.25}, false},
        {"log(exp(x) + exp(y))",
         2,
         {700, 699},
         {0.19661193324148185, -0.19661193324148185, -0.19661193324148185, 0.19661193324148185},
         false},
        {"log(x^x)", 1, {100}, {0.01}, false},
        {"(1 + x)/cosh(x)", 1, {-332}, {-4.29000602119030523e-142}, true},
        {"1e-8/cosh(2*x)", 1, {130}, {9.69448386466286021e-121}, true},
    };
    for (size_t i = 0; i < sizeof huge / sizeof *huge; i++)
        for (int path = 0; path < 2; path++) {
            point  p;
            double got[9];
            open_point(&p, huge[i].n, huge[i].at);
            p.y = ad_parse(p.tape, huge[i].text, huge[i].n, names[huge[i].n], p.x);
            second(&p, path, got);
            for (size_t k = 0; k < huge[i].n * huge[i].n; k++)
                cr_expect(close_to(got[k], huge[i].want[k], 1e-11, huge[i].knows ? 0 : 1e-13),
                          "%s, %s, entry %zu: %.17g, not %.17g", huge[i].text, path_name[path], k,
                          got[k], huge[i].want[k]);
            ad_tape_free(p.tape);
        }
}

Test(curvature, of_an_overflow_behind_a_zero_is_zero) {
    /* clang-format off */
    static const edge behind[] = {
        {"1/(1 + exp(-x))", -800, 0},   {"atan(exp(x))", 720, 0},     {"atan(exp(x))", 800, 0},
        {"atan(-exp(x)*x)", 800, 0},    {"atan2(exp(x), 1)", 720, 0}, {"atan2(1, exp(x))", 720, 0},
        {"erf(exp(exp(x)))", 7, 0},     {"tanh(sinh(x))", 800, 0},    {"x/exp(x)", 745, 0},
        {"3/expm1(x*x)", 28, 0},        {"exp(-exp(x))", 800, 0},     {"softplus(-exp(x))", 800, 0},
        {"sigmoid(exp(x))", 720, 0},    {"1/asinh(exp(x))", 720, 0},  {"elu(-exp(x))", 720, 0},
        {"x*sigmoid(-exp(x))", 800, 0}, {"0.5^exp(x)", 720, 0},       {"exp(x - exp(x))", 800, 0},
        {"1/hypot(exp(x), 1)", 720, 0}, {"exp(-1/x^2)", 1e-200, 0},
    };
    /* clang-format on */
    for (size_t i = 0; i < sizeof behind / sizeof *behind; i++) {
        ad_tape *tape = ad_tape_new();
        ad_var   x = ad_input(tape, behind[i].at), y = ad_parse(tape, behind[i].text, 1, "x", &x);
        double   one = 1, hessian, times;
        ad_hessian(y, 1, &x, &hessian);
        ad_hessian_times(y, 1, &x, &one, &times);
        cr_expect(hessian == behind[i].want && times == behind[i].want, "%s at %g: %g %g",
                  behind[i].text, behind[i].at, hessian, times);
        ad_tape_free(tape);
    }
}
