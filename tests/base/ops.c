/* ops.c - tests of the table of operations: every row's partials against differences of its value,
 * every row's value against long double mathematics, and the places where an obvious rule is wrong.
 *
 * The references never come from the row: libm's long double functions, published values, or the
 * mathematics written down again in another form. */
#include "support.h"

#include "engine/base/ops.h"
#include "expect.h"
#include <criterion/parameterized.h>
#include <float.h>
#include <math.h>

/* ---- the public face of one row -------------------------------------------------------------- */

typedef enum form { NODES, Y_NUMBER, X_NUMBER, FORMS } form; /* which operands are plain numbers */

typedef struct step {
    double value, dx, dy; /* partials of plain numbers are 0 */
} step;

static step take(int number, form f, double x, double y) {
    const row *r = &rows[number];
    ad_tape   *tape = ad_tape_new();
    ad_var     a = f == X_NUMBER ? ad_num(x) : ad_input(tape, x);
    ad_var     b = r->operands == 1 || f == Y_NUMBER ? ad_num(y) : ad_input(tape, y);
    ad_var     v = row_record(r, a, b);
    ad_backward(v);
    const step s = {ad_value(v), ad_grad(a), ad_grad(b)};
    cr_assert_eq(ad_tape_status(tape), AD_OK, "%s(%g, %g): %s", r->name, x, y,
                 ad_tape_message(tape));
    ad_tape_free(tape);
    return s;
}

static double value1(int number, double x) {
    return take(number, NODES, x, 0).value;
}
static double partial1(int number, double x) {
    return take(number, NODES, x, 0).dx;
}

/* ---- partials against differences ------------------------------------------------------------ */

/* None at 0, 1, -1 or where both operands are equal: powers, logarithms and symmetric operations
 * hide errors there. Whole numbers among the first of a pair are orders of polygamma. */
static const double points[] = {0.3,  -0.7,  1.7,  -2.3, 0.55, 2.6,
                                7.25, -0.45, 12.5, -5.5, 0.06, 3.4};
/* clang-format off */
static const double pairs[][2] = {
    {0.3, 1.7}, {1.7, 0.3}, {2.6, -2.3}, {-0.7, 2}, {-2.3, 3}, {2, 1.7}, {3, 0.3}, {4, 7.25},
    {-0.45, -5.5}, {0.55, -0.7}, {2, -1.4}, {5, 2.6}, {0.06, 3.4},
};
/* clang-format on */
enum { POINTS = sizeof points / sizeof *points, PAIRS = sizeof pairs / sizeof *pairs };

typedef struct slice { /* a row as a function of one of its operands */
    const row *r;
    double     other, side;
    bool       in_y;
} slice;

/* NaN where another side is met, so that the stencil is dropped. */
static double along(double at, void *context) {
    const slice *s = context;
    const double x = s->in_y ? s->other : at, y = s->in_y ? at : s->other;
    const double v = row_value(s->r, x, y);
    return s->r->side(x, y, v) == s->side ? v : NAN;
}

/* By differences, with smaller steps near a side or the end of the domain; NaN if there is no place
 * for any. */
static estimate measured(const row *r, bool in_y, double x, double y) {
    slice        s = {r, in_y ? x : y, r->side(x, y, row_value(r, x, y)), in_y};
    estimate     e = {NAN, NAN};
    const double at = in_y ? y : x; /* 0 is outside: a pole or a branch point of many */
    for (double width = fmin(0.125, fabs(at) / 2); width > 1e-3 && isnan(e.value); width /= 4)
        e = differences(along, &s, at, width);
    return e;
}

/* Romberg is good to about 1e-11 here; a wrong rule is off by much more than 1e-8. */
static bool agrees(double got, estimate e) {
    return e.error <= 1e-8 * fmax(1, fabs(e.value)) &&
           fabs(got - e.value) <= 10 * e.error + 1e-9 * fabs(e.value);
}

/* Is the partial of the row in x (in y) right at this point? 0 when differences cannot say. */
static int check_operand(int number, bool in_y, double x, double y) {
    const row     *r = &rows[number];
    const estimate e = measured(r, in_y, x, y);
    if (isnan(e.value)) return 0;
    for (int f = NODES; f < (r->operands == 1 ? Y_NUMBER : FORMS); f++) {
        if (f == (in_y ? Y_NUMBER : X_NUMBER)) continue;
        const step   s = take(number, (form)f, x, y);
        const double got = in_y ? s.dy : s.dx;
        cr_expect(
            agrees(got, e),
            "%s at x = %.17g, y = %.17g, form %d: d%s is %.17g, differences say %.17g +- %.1g",
            r->name, x, y, f, in_y ? "y" : "x", got, e.value, e.error);
    }
    return 1;
}

static bool piecewise_constant(int number) {
    return (number >= ROW_floor && number <= ROW_rint) ||
           (number >= ROW_less && number <= ROW_either);
}

ParameterizedTestParameters(ops, partials_agree_with_differences) {
    static int numbers[ROWS];
    for (int i = 0; i < ROWS; i++) numbers[i] = i;
    return cr_make_param_array(int, numbers, ROWS);
}

ParameterizedTest(int *number, ops, partials_agree_with_differences) {
    const row *r = &rows[*number];
    int        checked[2] = {0, 0};
    if (r->operands == 1) {
        for (int i = 0; i < POINTS; i++) checked[0] += check_operand(*number, false, points[i], 0);
    } else {
        for (int i = 0; i < PAIRS; i++) {
            checked[0] += check_operand(*number, false, pairs[i][0], pairs[i][1]);
            checked[1] += check_operand(*number, true, pairs[i][0], pairs[i][1]);
        }
    }
    if (*number != ROW_polygamma) /* whole orders only: nothing to differentiate */
        cr_expect(checked[0] >= 3, "%s: dx was checked at %d points", r->name, checked[0]);
    if (r->operands == 2)
        cr_expect(checked[1] >= 3, "%s: dy was checked at %d points", r->name, checked[1]);
}

Test(ops, piecewise_constant_rows_have_partials_of_exactly_zero) {
    for (int n = 0; n < ROWS; n++) {
        if (!piecewise_constant(n)) continue;
        for (int i = 0; i < PAIRS; i++) {
            const step s = take(n, NODES, pairs[i][0], pairs[i][1]);
            cr_expect(s.dx == 0 && s.dy == 0, "%s(%g, %g): %g, %g", rows[n].name, pairs[i][0],
                      pairs[i][1], s.dx, s.dy);
        }
    }
}

Test(ops, order_of_polygamma_has_no_partial) {
    cr_expect(isnan(take(ROW_polygamma, NODES, 2, 1.7).dx));
    cr_expect(isfinite(take(ROW_polygamma, NODES, 2, 1.7).dy));
    cr_expect(isfinite(take(ROW_polygamma, X_NUMBER, 2, 1.7).dy));
}

Test(ops, forms_with_a_plain_number_have_the_value_of_the_form_with_two_nodes) {
    for (int n = 0; n < ROWS; n++) {
        for (int i = 0; i < PAIRS; i++) {
            const double x = pairs[i][0], y = pairs[i][1], want = take(n, NODES, x, y).value;
            cr_expect(same_bits(take(n, X_NUMBER, x, y).value, want) || isnan(want),
                      "%s(%g, node %g)", rows[n].name, x, y);
            cr_expect(same_bits(take(n, Y_NUMBER, x, y).value, want) || isnan(want),
                      "%s(node %g, %g)", rows[n].name, x, y);
            cr_expect(same_bits(row_value(&rows[n], x, y), want) || isnan(want), "%s(%g, %g)",
                      rows[n].name, x, y);
        }
    }
}

/* ---- values against long double -------------------------------------------------------------- */

/* The mathematics again, in forms that are good enough in long double at the points above. */
/* clang-format off */
#define REFERENCES(one, two)                                                                      \
    one(neg, -x) one(sqrt, sqrtl(x)) one(cbrt, cbrtl(x)) one(exp, expl(x)) one(expm1, expm1l(x))  \
    one(exp2, exp2l(x)) one(log, logl(x)) one(log1p, log1pl(x)) one(log2, log2l(x))               \
    one(log10, log10l(x)) one(sin, sinl(x)) one(cos, cosl(x)) one(tan, tanl(x))                   \
    one(asin, asinl(x)) one(acos, acosl(x)) one(atan, atanl(x)) one(sinh, sinhl(x))               \
    one(cosh, coshl(x)) one(tanh, tanhl(x)) one(asinh, asinhl(x)) one(acosh, acoshl(x))           \
    one(atanh, atanhl(x)) one(erf, erfl(x)) one(erfc, erfcl(x)) one(lgamma, lgammal(x))           \
    one(sigmoid, 1/(1 + expl(-x))) one(softplus, log1pl(expl(x)))                                 \
    one(relu, x > 0 ? x : 0) one(leaky_relu, x > 0 ? x : 0.01L*x)                                 \
    one(elu, x > 0 ? x : expl(x) - 1) one(gelu, x*erfcl(-x/sqrtl(2))/2)                           \
    one(silu, x/(1 + expl(-x))) one(abs, fabsl(x)) one(floor, floorl(x)) one(tgamma, tgammal(x))  \
    one(ceil, ceill(x)) one(trunc, truncl(x)) one(round, roundl(x)) one(rint, rintl(x))           \
    two(fmod, fmodl(x, y)) two(remainder, remainderl(x, y))                                       \
    two(scale, x*y) two(gate, x*y) two(doubt, 0*x*y)                                              \
    one(asin_slope, 1/sqrtl((1 - x)*(1 + x))) one(atan_slope, 1/(1 + x*x))                        \
    one(atanh_slope, 1/((1 - x)*(1 + x))) one(sigmoid_slope, 1/(2 + expl(x) + expl(-x)))          \
    two(exp_sub, expl(x - y)) two(pow_slope, y*powl(x, y - 1))                                    \
    two(hypot_slope, x/hypotl(x, y))                                                              \
    two(add, x + y) two(sub, x - y) two(mul, x*y) two(div, x/y) two(pow, powl(x, y))              \
    two(atan2, atan2l(x, y)) two(hypot, hypotl(x, y)) two(min, fminl(x, y)) two(max, fmaxl(x, y)) \
    two(less, x < y) two(less_equal, x <= y) two(equal, x == y) two(not_equal, x != y)            \
    two(both, x != 0 && y != 0) two(either, x != 0 || y != 0)
/* clang-format on */

#define ONE(name, expression)                                       \
    static long double exact_##name(long double x, long double y) { \
        (void)y;                                                    \
        return expression;                                          \
    }
#define TWO(name, expression)                                       \
    static long double exact_##name(long double x, long double y) { \
        return expression;                                          \
    }
REFERENCES(ONE, TWO)
#undef ONE
#undef TWO

#define ENTRY(name, expression) [ROW_##name] = exact_##name,
static long double (*const exact[ROWS])(long double x, long double y) = {REFERENCES(ENTRY, ENTRY)};
#undef ENTRY

/* libm's own functions are good to a few units in the last place; gelu's far tail loses some to the
 * rounding of x/sqrt(2), lgamma is absolute near its zeros. */
static double value_tolerance(int number, double x) {
    return number == ROW_gelu ? (8 + 2 * x * x) * U : 12 * U;
}

Test(ops, values_agree_with_long_double) {
    for (int n = 0; n < ROWS; n++) {
        if (n == ROW_polygamma) continue; /* against published values, below */
        cr_assert_not_null(exact[n], "no reference for the row %s", rows[n].name);
        for (int i = 0; i < (rows[n].operands == 1 ? POINTS : PAIRS); i++) {
            const double x = rows[n].operands == 1 ? points[i] : pairs[i][0];
            const double y = rows[n].operands == 1 ? 0 : pairs[i][1];
            const double want = (double)exact[n](x, y), got = take(n, NODES, x, y).value;
            cr_expect(close_to(got, want, value_tolerance(n, x), 4 * U * (n == ROW_lgamma)),
                      "%s(%.17g, %.17g) is %.17g, want %.17g", rows[n].name, x, y, got, want);
        }
    }
}

Test(ops, comparisons_at_equal_operands) {
    const double want[] = {
        [ROW_less] = 0, [ROW_less_equal] = 1, [ROW_equal] = 1, [ROW_not_equal] = 0};
    for (int n = ROW_less; n <= ROW_not_equal; n++)
        cr_expect_eq(take(n, NODES, 1.5, 1.5).value, want[n], "%s", rows[n].name);
}

Test(ops, comparisons_with_nan_are_those_of_c) {
    for (int n = ROW_less; n <= ROW_not_equal; n++) {
        cr_expect_eq(take(n, NODES, NAN, 1).value, n == ROW_not_equal, "%s(NaN, 1)", rows[n].name);
        cr_expect_eq(take(n, NODES, 1, NAN).value, n == ROW_not_equal, "%s(1, NaN)", rows[n].name);
    }
}

Test(ops, logic_tells_zero_from_the_rest) {
    const double x[] = {0, -0.0, 2, NAN};
    for (int i = 0; i < 4; i++) {
        for (int j = 0; j < 4; j++) {
            cr_expect_eq(take(ROW_both, NODES, x[i], x[j]).value, i > 1 && j > 1);
            cr_expect_eq(take(ROW_either, NODES, x[i], x[j]).value, i > 1 || j > 1);
        }
    }
}

/* ---- hard places ----------------------------------------------------------------------------- */

static void expect_relative(const char *what, double at, double got, long double want,
                            double ulps) {
    cr_expect(close_to(got, (double)want, ulps * U, DBL_TRUE_MIN),
              "%s at %.17g is %.17g, want %.17Lg (%.1f u)", what, at, got, want,
              fabs(got / (double)want - 1) / U);
}

static const double saturated[] = {-700, -300, -40, -20, -5, -1.2, -0.97, -0.9, 0.1, 0.8,
                                   1,    2,    19,  20,  37, 40,   300,   350,  400, 700};
enum { SATURATED = sizeof saturated / sizeof *saturated };

/* 1 - v*v would be 0 from 20 on. */
Test(ops, tanh_keeps_its_slope_where_it_is_saturated) {
    for (int i = 0; i < SATURATED; i++) {
        const long double e = expl(-2 * fabsl(saturated[i]));
        expect_relative("tanh'", saturated[i], partial1(ROW_tanh, saturated[i]),
                        4 * e / ((1 + e) * (1 + e)), 10);
    }
}

/* v*(1 - v) would be 0 from 37 on. */
Test(ops, sigmoid_keeps_its_slope_where_it_is_saturated) {
    for (int i = 0; i < SATURATED; i++) {
        const long double e = expl(-fabsl(saturated[i]));
        expect_relative("sigmoid'", saturated[i], partial1(ROW_sigmoid, saturated[i]),
                        e / ((1 + e) * (1 + e)), 10);
        expect_relative("sigmoid", saturated[i], value1(ROW_sigmoid, saturated[i]),
                        saturated[i] < 0 ? e / (1 + e) : 1 / (1 + e), 6);
    }
}

Test(ops, softplus_is_right_near_zero_and_far_from_it) {
    const double x[] = {1e-20, -1e-20, 1e-9, 40, -40, 800, -800, 30, -700};
    for (int i = 0; i < 9; i++) {
        const long double e = expl(-fabsl(x[i]));
        expect_relative("softplus", x[i], value1(ROW_softplus, x[i]), fmaxl(x[i], 0) + log1pl(e),
                        4);
        expect_relative("softplus'", x[i], partial1(ROW_softplus, x[i]),
                        x[i] < 0 ? e / (1 + e) : 1 / (1 + e), 6);
    }
}

Test(ops, silu_is_right_far_from_zero) {
    const double x[] = {-700, -40, -3, 40, 700, 1e-20};
    for (int i = 0; i < 6; i++) {
        const long double s = 1 / (1 + expl(-x[i])), t = 1 / (1 + expl(x[i]));
        expect_relative("silu", x[i], value1(ROW_silu, x[i]), x[i] * s, 8);
        expect_relative("silu'", x[i], partial1(ROW_silu, x[i]), s * (1 + x[i] * t), 16);
    }
}

/* erfc(z) for large z changes by a factor 1 + 2 z dz: the rounding of z counts z*z times. */
Test(ops, gelu_is_right_far_left) {
    const double x[] = {-5, -10, -20, -30, -36};
    for (int i = 0; i < 5; i++) {
        const long double t = erfcl(-x[i] / sqrtl(2)) / 2;
        const long double density = expl(-0.5L * x[i] * x[i]) / sqrtl(2 * acosl(-1));
        expect_relative("gelu", x[i], value1(ROW_gelu, x[i]), x[i] * t, 16 + 2 * x[i] * x[i]);
        expect_relative("gelu'", x[i], partial1(ROW_gelu, x[i]), t + x[i] * density,
                        16 + 4 * x[i] * x[i]);
    }
}

Test(ops, elu_and_expm1_keep_their_digits_left_of_zero) {
    const double x[] = {-1e-18, -1e-9, -0.5, -30, -700};
    for (int i = 0; i < 5; i++) {
        expect_relative("elu", x[i], value1(ROW_elu, x[i]), expm1l(x[i]), 4);
        expect_relative("elu'", x[i], partial1(ROW_elu, x[i]), expl(x[i]), 4);
        expect_relative("expm1'", x[i], partial1(ROW_expm1, x[i]), expl(x[i]), 4);
    }
}

Test(ops, log1p_and_expm1_keep_tiny_arguments) {
    const double x[] = {1e-20, -1e-20, 1e-300, 1e-9};
    for (int i = 0; i < 4; i++) {
        expect_relative("log1p", x[i], value1(ROW_log1p, x[i]), log1pl(x[i]), 4);
        expect_relative("expm1", x[i], value1(ROW_expm1, x[i]), expm1l(x[i]), 4);
        expect_relative("log1p'", x[i], partial1(ROW_log1p, x[i]), 1 / (1 + (long double)x[i]), 4);
    }
}

Test(ops, arc_functions_are_right_next_to_one) {
    const double x[] = {1 - U, 1 - 1e-9, -1 + U, 0.999};
    for (int i = 0; i < 4; i++) {
        const long double slope = 1 / sqrtl((1 - (long double)x[i]) * (1 + (long double)x[i]));
        expect_relative("asin'", x[i], partial1(ROW_asin, x[i]), slope, 6);
        expect_relative("acos'", x[i], partial1(ROW_acos, x[i]), -slope, 6);
        expect_relative("atanh'", x[i], partial1(ROW_atanh, x[i]), slope * slope, 6);
    }
    const double y = 1 + 2 * U;
    expect_relative("acosh'", y, partial1(ROW_acosh, y), 1 / sqrtl((y - 1.0L) * (y + 1.0L)), 6);
    cr_expect_eq(partial1(ROW_asin, 1), INFINITY);
    cr_expect_eq(partial1(ROW_acos, -1), -INFINITY);
}

Test(ops, huge_arguments_do_not_overflow_on_the_way) {
    expect_relative("asinh'", 1e200, partial1(ROW_asinh, 1e200), 1e-200L, 4);
    expect_relative("acosh'", 1e200, partial1(ROW_acosh, 1e200), 1e-200L, 4);
    expect_relative("cbrt'", 1e300, partial1(ROW_cbrt, 1e300), 1 / (3 * 1e200L), 6);
    expect_relative("div dy", 1e-200, take(ROW_div, NODES, 1e-200, 1e-200).dy, -1e200L, 4);
    expect_relative("div dy", 1e200, take(ROW_div, NODES, 1e200, 1e200).dy, -1e-200L, 4);
    cr_expect_eq(partial1(ROW_atan, 1e300), 0); /* 1e-600 */
    cr_expect_eq(partial1(ROW_tanh, 1e300), 0);
    cr_expect_eq(partial1(ROW_sigmoid, -1e300), 0);
}

Test(ops, hypot_and_atan2_at_the_ends_of_the_range) {
    const double scale[] = {1e300, 1e-300, 1};
    for (int i = 0; i < 3; i++) {
        const double s = scale[i];
        const step   h = take(ROW_hypot, NODES, 3 * s, -4 * s),
                   a = take(ROW_atan2, NODES, 3 * s, -4 * s);
        expect_relative("hypot", s, h.value, 5.0L * s, 4);
        expect_relative("hypot dx", s, h.dx, 0.6L, 4);
        expect_relative("hypot dy", s, h.dy, -0.8L, 4);
        expect_relative("atan2", s, a.value, atan2l(3, -4), 4);
        expect_relative("atan2 dx", s, a.dx, -4.0L / 25 / s, 6);
        expect_relative("atan2 dy", s, a.dy, -3.0L / 25 / s, 6);
    }
}

Test(ops, hypot_has_no_slope_at_the_origin) {
    const step s = take(ROW_hypot, NODES, 0, 0);
    cr_expect(s.value == 0 && s.dx == 0 && s.dy == 0);
}

/* ---- pow ------------------------------------------------------------------------------------- */

Test(ops, pow_of_a_negative_base_with_a_whole_number) {
    const step s = take(ROW_pow, Y_NUMBER, -2, 3);
    cr_expect(s.value == -8 && s.dx == 12 && s.dy == 0, "%g %g %g", s.value, s.dx, s.dy);
}

/* d/dy (-2)^y does not exist; the base has its derivative all the same. */
Test(ops, pow_of_a_negative_base_with_a_node) {
    const step s = take(ROW_pow, NODES, -2, 3);
    cr_expect(s.value == -8 && s.dx == 12 && isnan(s.dy), "%g %g %g", s.value, s.dx, s.dy);
}

Test(ops, pow_of_a_negative_base_with_a_fraction_is_nan) {
    cr_expect(isnan(take(ROW_pow, Y_NUMBER, -2, 0.5).value));
}

/* PyTorch: pow(0, 0) is 1, and both gradients are 0. */
Test(ops, zero_to_the_power_zero) {
    for (int f = NODES; f < FORMS; f++) {
        const step s = take(ROW_pow, (form)f, 0, 0);
        cr_expect(s.value == 1 && s.dx == 0 && s.dy == 0, "form %d: %g %g %g", f, s.value, s.dx,
                  s.dy);
    }
}

Test(ops, zero_to_a_positive_power) {
    const step cube = take(ROW_pow, NODES, 0, 3), one = take(ROW_pow, NODES, 0, 1);
    cr_expect(cube.value == 0 && cube.dx == 0 && cube.dy == 0);
    cr_expect(one.value == 0 && one.dx == 1 && one.dy == 0);
    cr_expect_eq(take(ROW_pow, NODES, 0, 0.5).dx, INFINITY);
}

Test(ops, anything_to_the_power_zero_does_not_depend_on_it) {
    const double x[] = {-3, 0.5, 1e300, INFINITY};
    for (int i = 0; i < 4; i++) {
        const step s = take(ROW_pow, Y_NUMBER, x[i], 0);
        cr_expect(s.value == 1 && s.dx == 0, "%g: %g %g", x[i], s.value, s.dx);
    }
}

Test(ops, pow_with_node_exponent_has_the_logarithm_as_partial) {
    const step s = take(ROW_pow, NODES, 2.5, -1.5);
    expect_relative("pow dy", 2.5, s.dy, powl(2.5L, -1.5L) * logl(2.5L), 8);
    expect_relative("pow dx", 2.5, s.dx, -1.5L * powl(2.5L, -2.5L), 8);
}

/* ---- polygamma, against published values ----------------------------------------------------- */

Test(ops, polygamma_has_the_published_values) {
    /* clang-format off */
    const struct { double order, x, value; } known[] = {
        {0, 1, -0.57721566490153286},          /* -Euler's constant, Abramowitz & Stegun 6.3.2 */
        {0, 0.5, -1.9635100260214235},         /* -gamma - 2 ln 2, 6.3.3 */
        {0, 2, 0.42278433509846714},           /* 1 - gamma, 6.3.5 */
        {0, -0.5, 0.036489973978576521},       /* 2 - gamma - 2 ln 2, 6.3.5 */
        {0, 1e10, 23.025850929890457},         /* ln x - 1/(2x), 6.3.18 */
        {1, 1, 1.6449340668482264},            /* pi^2/6, 6.4.2 */
        {1, 0.5, 4.9348022005446793},          /* pi^2/2, 6.4.4 */
        {1, -0.5, 8.9348022005446793},         /* pi^2/2 + 4, 6.4.6 */
        {2, 1, -2.4041138063191886},           /* -2 zeta(3), 6.4.2 */
        {2, 0.5, -16.828796644234320},         /* -14 zeta(3), 6.4.4 */
        {2, -0.5, -0.82879664423431999},       /* -14 zeta(3) + 16, 6.4.6 */
        {3, 1, 6.4939394022668291},            /* pi^4/15, 6.4.2 */
        {3, 0.5, 97.409091034002437},          /* pi^4, 6.4.4 */
        {3, -0.5, 193.40909103400244},         /* pi^4 + 96, 6.4.6 */
    };
    /* clang-format on */
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        const double got = take(ROW_polygamma, X_NUMBER, known[i].order, known[i].x).value;
        /* 1e-15: of the terms, where reflection and recurrence cancel */
        cr_expect(close_to(got, known[i].value, 1e-14, 2e-15),
                  "polygamma(%g, %g) is %.17g, want %.17g", known[i].order, known[i].x, got,
                  known[i].value);
    }
}

Test(ops, polygamma_obeys_its_recurrence) {
    const double x[] = {0.1, 0.7, 1.3, 4.5, 20, -0.3, -2.6, -7.2};
    for (int n = 0; n < 6; n++) {
        for (int i = 0; i < 8; i++) {
            /* 6.4.6: psi_n(x + 1) - psi_n(x) = (-1)^n n! x^(-n-1) */
            const double a = row_value(&rows[ROW_polygamma], n, x[i] + 1);
            const double b = row_value(&rows[ROW_polygamma], n, x[i]);
            const double want = (n % 2 == 0 ? 1 : -1) * tgamma(n + 1) * pow(x[i], -n - 1);
            /* x[i] + 1 is rounded: the slope of psi_n multiplies that */
            const double slope = fabs(row_value(&rows[ROW_polygamma], n + 1, x[i] + 1));
            cr_expect(close_to(a - b, want, 1e-13, 1e-13 * (fabs(a) + fabs(b)) + 16 * U * slope),
                      "n = %d, x = %g: %.17g - %.17g, want %.17g", n, x[i], a, b, want);
        }
    }
}

Test(ops, polygamma_is_nan_for_orders_that_are_none) {
    const double order[] = {-1, 0.5, NAN, INFINITY};
    for (int i = 0; i < 4; i++)
        cr_expect(isnan(row_value(&rows[ROW_polygamma], order[i], 1.5)), "order %g", order[i]);
}

Test(ops, lgamma_has_digamma_as_slope) {
    expect_relative("lgamma'", 1, partial1(ROW_lgamma, 1), -0.57721566490153286L, 16);
    expect_relative("lgamma'", 0.5, partial1(ROW_lgamma, 0.5), -1.9635100260214235L, 16);
    expect_relative("lgamma", 0.5, value1(ROW_lgamma, 0.5), logl(acosl(-1)) / 2, 8);
}

/* ---- kinks, as in PyTorch -------------------------------------------------------------------- */

Test(ops, relu_has_slope_zero_at_zero) {
    cr_expect_eq(partial1(ROW_relu, 0), 0);
    cr_expect_eq(partial1(ROW_relu, -0.0), 0);
    cr_expect_eq(partial1(ROW_relu, DBL_TRUE_MIN), 1);
    cr_expect_eq(partial1(ROW_relu, -DBL_TRUE_MIN), 0);
}

Test(ops, leaky_relu_has_the_left_slope_at_zero) {
    cr_expect_eq(partial1(ROW_leaky_relu, 0), 0.01);
}

Test(ops, elu_has_slope_one_at_zero) {
    cr_expect_eq(partial1(ROW_elu, 0), 1);
}

Test(ops, abs_has_slope_zero_at_zero) {
    cr_expect_eq(partial1(ROW_abs, 0), 0);
    cr_expect_eq(partial1(ROW_abs, -0.0), 0);
}

Test(ops, ties_of_min_and_max_are_split_evenly) {
    for (int n = ROW_min; n <= ROW_max; n++) {
        const step s = take(n, NODES, 1.25, 1.25);
        cr_expect(s.value == 1.25 && s.dx == 0.5 && s.dy == 0.5, "%s: %g %g", rows[n].name, s.dx,
                  s.dy);
    }
}

Test(ops, min_and_max_send_all_to_the_winner) {
    const step low = take(ROW_min, NODES, 1, 2), high = take(ROW_max, NODES, 1, 2);
    cr_expect(low.value == 1 && low.dx == 1 && low.dy == 0);
    cr_expect(high.value == 2 && high.dx == 0 && high.dy == 1);
}

/* Halves: round away from 0, rint to even. Signs stay, also that of 0; numbers of 2^52 and more are
 * whole. */
Test(ops, rounding_rows_are_those_of_c) {
    const double big = 0x1p52;
    /* clang-format off */
    const struct { double x, floor, ceil, trunc, round, rint; } of[] = {
        {0.5, 0, 1, 0, 1, 0},
        {-0.5, -1, -0.0, -0.0, -1, -0.0},
        {1.5, 1, 2, 1, 2, 2},
        {2.5, 2, 3, 2, 3, 2},
        {-2.5, -3, -2, -2, -3, -2},
        {-3.5, -4, -3, -3, -4, -4},
        {0.5 - U/2, 0, 1, 0, 0, 0},
        {-0.5 + U/2, -1, -0.0, -0.0, -0.0, -0.0},
        {0.0, 0, 0, 0, 0, 0},
        {-0.0, -0.0, -0.0, -0.0, -0.0, -0.0},
        {7, 7, 7, 7, 7, 7},
        {DBL_TRUE_MIN, 0, 1, 0, 0, 0},
        {-DBL_TRUE_MIN, -1, -0.0, -0.0, -0.0, -0.0},
        {big/2 + 0.5, big/2, big/2 + 1, big/2, big/2 + 1, big/2},
        {big + 1, big + 1, big + 1, big + 1, big + 1, big + 1},
        {-2*big - 2, -2*big - 2, -2*big - 2, -2*big - 2, -2*big - 2, -2*big - 2},
        {1e300, 1e300, 1e300, 1e300, 1e300, 1e300},
        {INFINITY, INFINITY, INFINITY, INFINITY, INFINITY, INFINITY},
        {-INFINITY, -INFINITY, -INFINITY, -INFINITY, -INFINITY, -INFINITY},
    };
    /* clang-format on */
    for (size_t i = 0; i < sizeof of / sizeof *of; i++) {
        const double want[] = {of[i].floor, of[i].ceil, of[i].trunc, of[i].round, of[i].rint};
        for (int n = ROW_floor; n <= ROW_rint; n++) {
            const step s = take(n, NODES, of[i].x, 0);
            cr_expect(same_bits(s.value, want[n - ROW_floor]) && s.dx == 0,
                      "%s(%.17g): %g, slope %g", rows[n].name, of[i].x, s.value, s.dx);
        }
    }
}

/* x - n*y: the slope in y is -n, n = x/y rounded towards 0 or, of remainder, to the nearest, halves
 * to even. Where x/y itself rounds to a whole number or a half its trunc, or rint, is one off:
 * 1/0.1 is 10, though 10 times the double 0.1 is more than 1; and 64.88.../7.63... is 8.5, but a
 * little more. n by Python's fractions: trunc(Fraction(x)/Fraction(y)). */
Test(ops, fmod_and_remainder_have_minus_the_quotient_as_slope) {
    /* clang-format off */
    const struct { double x, y, fmod, n, remainder, nearest; } of[] = {
        {5.5, 2, 1.5, 2, -0.5, 3},
        {-5.5, 2, -1.5, -2, 0.5, -3},
        {5.5, -2, 1.5, -2, -0.5, -3},
        {-5.5, -2, -1.5, 2, 0.5, 3},
        {5, 2, 1, 2, 1, 2},
        {7, 2, 1, 3, -1, 4},
        {6, 2, 0, 3, 0, 3},
        {-6, 2, -0.0, -3, -0.0, -3},
        {1, 5, 1, 0, 1, 0},
        {0.0, 2, 0, 0, 0, 0},
        {1, 0.1, 0x1.9999999999996p-4, 9, -0x1p-54, 10},
        {0x1.038a3ac00ff54p+6, 0x1.e88bb9e1ffebcp+2,
         0x1.038a3ac00ff54p+6 - 8*0x1.e88bb9e1ffebcp+2, 8,
         (0x1.038a3ac00ff54p+6 - 8*0x1.e88bb9e1ffebcp+2) - 0x1.e88bb9e1ffebcp+2, 9},
        {1e300, INFINITY, 1e300, 0, 1e300, 0},
        {1.7e308, 1e308, 1.7e308 - 1e308, 1, NAN, 2},
        {3*DBL_TRUE_MIN, 2*DBL_TRUE_MIN, DBL_TRUE_MIN, 1, -DBL_TRUE_MIN, 2},
        {1e22, 3, 1, 3333333333333333333333.0, 1, 3333333333333333333333.0},
        {1e300, DBL_TRUE_MIN, 0, INFINITY, 0, INFINITY},
    };
    /* clang-format on */
    for (size_t i = 0; i < sizeof of / sizeof *of; i++) {
        const step f = take(ROW_fmod, NODES, of[i].x, of[i].y),
                   r = take(ROW_remainder, NODES, of[i].x, of[i].y);
        cr_expect(
            close_to(f.value, of[i].fmod, 0, 0) && f.dx == 1 && close_to(f.dy, -of[i].n, 2 * U, 0),
            "fmod(%.17g, %.17g): %.17g, slopes %g %.17g", of[i].x, of[i].y, f.value, f.dx, f.dy);
        if (isnan(of[i].remainder)) continue; /* 2e308 is no double: below */
        cr_expect(close_to(r.value, of[i].remainder, 0, 0) && r.dx == 1 &&
                      close_to(r.dy, -of[i].nearest, 2 * U, 0),
                  "remainder(%.17g, %.17g): %.17g, slopes %g %.17g", of[i].x, of[i].y, r.value,
                  r.dx, r.dy);
    }
    cr_expect_eq(take(ROW_remainder, NODES, 1.7e308, 1e308).dy, -2);
    for (int n = ROW_fmod; n <= ROW_remainder; n++) {
        cr_expect(isnan(take(n, NODES, 1, 0).value) && isnan(take(n, NODES, INFINITY, 2).value),
                  "%s", rows[n].name);
        cr_expect(isnan(take(n, NODES, 1, 0).dy) && isnan(take(n, NODES, INFINITY, 2).dy), "%s",
                  rows[n].name);
    }
}

/* A wrap is no line: the side tells the two ends of it apart. */
Test(ops, side_of_fmod_changes_where_it_jumps) {
    const row *f = &rows[ROW_fmod], *r = &rows[ROW_remainder];
    for (double x = -6.25; x < 6.5; x += 0.5) {
        const double other = x + 0.25;
        cr_expect_eq(f->side(x, 2, fmod(x, 2)) == f->side(other, 2, fmod(other, 2)),
                     trunc(x / 2) == trunc(other / 2), "%g", x);
        cr_expect_eq(r->side(x, 2, remainder(x, 2)) == r->side(other, 2, remainder(other, 2)),
                     rint(x / 2) == rint(other / 2), "%g", x);
    }
}

/* tgamma'(1) = -Euler's constant, tgamma'(1/2) = -sqrt(pi)*(Euler + 2 ln 2), tgamma'(5) = 24*(25/12
 * - Euler). */
Test(ops, tgamma_has_itself_times_digamma_as_slope) {
    expect_relative("tgamma'", 1, partial1(ROW_tgamma, 1), -0.57721566490153286L, 16);
    expect_relative("tgamma'", 0.5, partial1(ROW_tgamma, 0.5),
                    -sqrtl(acosl(-1)) * 1.9635100260214235L, 16);
    expect_relative("tgamma'", 5, partial1(ROW_tgamma, 5), 24 * (25 / 12.0L - 0.57721566490153286L),
                    16);
    expect_relative("tgamma'", -0.5, partial1(ROW_tgamma, -0.5),
                    -2 * sqrtl(acosl(-1)) * 0.036489973978576521L, 64);
    cr_expect(value1(ROW_tgamma, 172) == INFINITY && partial1(ROW_tgamma, 172) == INFINITY);
    cr_expect_eq(partial1(ROW_tgamma, -200.5), 0); /* 1e-377 */
}

/* ---- NaN and zero ---------------------------------------------------------------------------- */

Test(ops, nan_in_gives_nan_out) {
    for (int n = 0; n < ROWS; n++) {
        if (n >= ROW_less && n <= ROW_either) continue; /* these are 0 or 1, as in C */
        if (n == ROW_doubt) continue;                   /* 0, whatever it is about */
        cr_expect(isnan(take(n, NODES, NAN, 0.7).value), "%s(NaN, 0.7)", rows[n].name);
        if (rows[n].operands == 2)
            cr_expect(isnan(take(n, NODES, 0.7, NAN).value), "%s(0.7, NaN)", rows[n].name);
    }
}

/* g(s(x)) where g has an infinite slope: inf*0 would be NaN. */
static double gradient_of_root(int number, double x, double y) {
    ad_tape *tape = ad_tape_new();
    ad_var   a = ad_input(tape, x), b = ad_input(tape, y);
    ad_var   v = row_record(&rows[number], a, b);
    ad_backward(ad_sqrt(ad_sub(v, ad_num(ad_value(v)))));
    cr_expect(isinf(ad_grad(v)));
    const double grad = ad_grad(a);
    ad_tape_free(tape);
    return grad;
}

Test(ops, root_of_relu_of_a_negative_number_has_gradient_zero) {
    ad_tape *tape = ad_tape_new();
    ad_var   x = ad_input(tape, -1);
    ad_backward(ad_sqrt(ad_relu(x)));
    cr_expect_eq(ad_grad(x), 0);
    ad_tape_free(tape);
}

Test(ops, selecting_rows_push_nothing_through_a_zero_partial) {
    cr_expect_eq(gradient_of_root(ROW_relu, -1, 0), 0);
    cr_expect_eq(gradient_of_root(ROW_abs, 0, 0), 0);
    cr_expect_eq(gradient_of_root(ROW_min, 2, 1), 0);
    cr_expect_eq(gradient_of_root(ROW_max, 1, 2), 0);
    for (int n = ROW_floor; n <= ROW_rint; n++)
        cr_expect_eq(gradient_of_root(n, 1.5, 0), 0, "%s", rows[n].name);
    for (int n = ROW_less; n <= ROW_either; n++)
        cr_expect_eq(gradient_of_root(n, 1, 2), 0, "%s", rows[n].name);
}

Test(ops, selecting_rows_push_an_infinite_adjoint_through_the_winner) {
    cr_expect_eq(gradient_of_root(ROW_min, 1, 2), INFINITY);
    cr_expect_eq(gradient_of_root(ROW_max, 2, 1), INFINITY);
    cr_expect_eq(gradient_of_root(ROW_relu, 2, 1), INFINITY);
}

Test(ops, rows_that_do_not_select_do_not_hide_an_infinite_adjoint) {
    cr_expect(isnan(gradient_of_root(ROW_mul, 1, 0))); /* inf*0 is NaN, and says so */
}

/* ---- the columns that are words or bounds ---------------------------------------------------- */

static bool in_a_word(char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_';
}

/* Is there the variable of this name, one letter, in a text? */
static bool names(const char *text, char variable) {
    for (const char *at = text; *at != '\0'; at++)
        if (*at == variable && (at == text || !in_a_word(at[-1])) && !in_a_word(at[1])) return true;
    return false;
}

static double partial_of(int n, int operand, const double at[3]) {
    const ad__row_number r = (ad__row_number)n;
    return operand == 0 ? ad__row_dx(r, at[0], at[1], at[2]) : ad__row_dy(r, at[0], at[1], at[2]);
}

Test(ops, column_reads_says_what_the_text_of_a_partial_names) {
    for (int n = 0; n < ROWS; n++)
        for (int k = 0; k < rows[n].operands; k++)
            for (int variable = 0; variable < 3; variable++)
                cr_expect_eq((ad__rows[n].reads[k] >> variable & 1) != 0,
                             names(k == 0 ? ad__rows[n].dx : ad__rows[n].dy, "xyv"[variable]),
                             "%s, partial %d: is %c in the text? the column `reads` says otherwise",
                             rows[n].name, k, "xyv"[variable]);
}

Test(ops, partial_does_not_change_with_what_it_does_not_read) {
    for (int n = 0; n < ROWS; n++)
        for (int k = 0; k < 3 * 2 * PAIRS; k++) {
            const int operand = k % 2, variable = k / 2 % 3;
            double    at[] = {pairs[k / 6][0], pairs[k / 6][1], 0.75};
            if (operand >= rows[n].operands || ad__rows[n].reads[operand] >> variable & 1) continue;
            const double before = partial_of(n, operand, at);
            at[variable] = 1.3125;
            cr_expect(same_bits(partial_of(n, operand, at), before) || isnan(before),
                      "%s, partial %d changes with %c, which the column `reads` does not name",
                      rows[n].name, operand, "xyv"[variable]);
        }
}

Test(ops, constant_partials_are_numbers_and_all_others_are_none) {
    const struct {
        ad__row_number r;
        double         x, y;
    } of[] = {{AD__ROW_neg, -1, NAN},       {AD__ROW_add, 1, 1},     {AD__ROW_sub, 1, -1},
              {AD__ROW_mul, NAN, NAN},      {AD__ROW_fmod, 1, NAN},  {AD__ROW_doubt, NAN, 0},
              {AD__ROW_less, 0, 0},         {AD__ROW_floor, 0, NAN}, {AD__ROW_relu, NAN, NAN},
              {AD__ROW_polygamma, NAN, NAN}};
    for (size_t i = 0; i < sizeof of / sizeof *of; i++) {
        const double x = ad__row_constant(of[i].r, 0), y = ad__row_constant(of[i].r, 1);
        cr_expect(close_to(x, of[i].x, 0, 0), "%s: %g", rows[of[i].r].name, x);
        cr_expect(rows[of[i].r].operands == 1 || close_to(y, of[i].y, 0, 0), "%s: %g",
                  rows[of[i].r].name, y);
    }
}

/* A program that keeps a partial of a row that selects would multiply by a 0 that should send
 * nothing. */
Test(ops, partials_are_costly_where_they_call_or_divide_and_nothing_is_selected) {
    for (int n = 0; n < ROWS; n++) {
        const ad__row *r = &ad__rows[n];
        const bool     work =
            strpbrk(r->dx, "(/") != NULL || (r->dy != NULL && strpbrk(r->dy, "(/") != NULL);
        cr_expect_eq(r->costly, work && !ad__row_selects((ad__row_number)n),
                     "%s: the column `cost` must be %s", r->name, r->costly ? "cheap" : "costly");
    }
}

static void expect_within_rounding(int n, double x, double y) {
    const double v = ad__row_value((ad__row_number)n, x, y),
                 bound = ad__row_rounding((ad__row_number)n, x, y, v);
    const double error = (double)fabsl((long double)v - exact[n](x, y));
    if (isfinite(v) && isfinite(error))
        cr_expect_leq(error, bound + U * 0x1p-8 * fabs(v),
                      "%s(%g, %g): off by %.2f u, %.2f u allowed", rows[n].name, x, y,
                      error / fabs(v) / U, bound / fabs(v) / U);
}

/* The references are good to 2^-64, which is the little more that is allowed. */
Test(ops, values_are_within_their_rounding_of_long_double) {
    for (int n = 0; n < ROWS; n++) {
        if (n == ROW_polygamma) continue;
        for (int i = 0; i < (rows[n].operands == 1 ? POINTS : PAIRS); i++)
            expect_within_rounding(n, rows[n].operands == 1 ? points[i] : pairs[i][0],
                                   rows[n].operands == 1 ? 0 : pairs[i][1]);
    }
}

/* erfc of a rounded product, exp of a rounded difference: what is lost grows with the argument. */
Test(ops, rounding_of_an_argument_grows_with_it_and_so_does_the_bound) {
    for (double x = -37.3; x < 8; x += 0.0707) expect_within_rounding(ROW_gelu, x, 0);
    for (double x = -700.3; x < 700; x += 1.707)
        expect_within_rounding(ROW_exp_sub, x / 3, -x * 2 / 3);
    cr_expect_eq(ad__row_rounding(AD__ROW_gelu, -1e200, 0, -0.0), 0);
    cr_expect_eq(ad__row_rounding(AD__ROW_exp_sub, -INFINITY, 0, 0), 0);
}

/* Is the row at (x, y) equal to its own directional derivative there, and not linear? */
static bool is_cone(ad__row_number r, double x, double y) {
    static const double direction[][2] = {{1, 0}, {-1, 0}, {0, 1},     {0, -1},
                                          {1, 2}, {-2, 1}, {-1, -1.5}, {1, 1}};
    const double        at = ad__row_value(r, x, y), t = 0x1p-20;
    bool                linear = true;
    for (size_t i = 0; i < sizeof direction / sizeof *direction; i++) {
        const double dx = direction[i][0], dy = rows[r].operands == 1 ? 0 : direction[i][1];
        const double own = ad__row_value(r, dx, dy),
                     gone = ad__row_value(r, x + t * dx, y + t * dy) - at;
        if (!(fabs(gone - t * own) <= 4 * U * fabs(t * own))) return false;
        linear = linear && own == -ad__row_value(r, -dx, -dy);
    }
    return !linear;
}

Test(ops, column_tip_says_where_a_row_is_a_cone) {
    static const double at[] = {0, 1, -1, 0.5, 3};
    size_t              tips = 0;
    for (int n = 0; n < ROWS; n++)
        for (int k = 0; k < 25; k++) {
            const double x = at[k / 5], y = rows[n].operands == 1 ? 0 : at[k % 5];
            const bool   tip = ad__row_tip((ad__row_number)n, x, y);
            cr_expect_eq(tip, is_cone((ad__row_number)n, x, y), "%s(%g, %g)", rows[n].name, x, y);
            cr_expect(!tip || ad__code_has_tip(ad__rows[n].code), "%s", rows[n].name);
            tips += tip;
        }
    cr_expect_eq(tips, 3 * 5 + 2 * 5 + 1); /* rows of one operand do not look at y */
    cr_expect(!ad__row_tip(AD__ROW_max, INFINITY, INFINITY) && !ad__code_has_tip(AD__sqrt) &&
              !ad__code_has_tip(AD__sum));
    cr_expect(ad__code_has_tip(AD__min_number) && ad__code_has_tip(AD__number_min));
}

/* Does the partial in x, moved along x or y, change by no more than its slope, as far as two
 * steps can tell? */
static bool has_slope(ad__row_number r, double x, double y, bool along_y) {
    double quotient[2];
    for (int k = 0; k < 2; k++) {
        const double h = k == 0 ? 0x1p-12 : 0x1p-24,
                     right = along_y ? ad__row_dx(r, x, y + h, ad__row_value(r, x, y + h))
                                     : ad__row_dx(r, x + h, y, ad__row_value(r, x + h, y));
        const double here = ad__row_dx(r, x, y, ad__row_value(r, x, y));
        const double left = along_y ? ad__row_dx(r, x, y - h, ad__row_value(r, x, y - h))
                                    : ad__row_dx(r, x - h, y, ad__row_value(r, x - h, y));
        quotient[k] = fmax(fabs(right - here), fabs(left - here)) / h;
        if (isnan(right - here) || isnan(left - here)) return false;
    }
    return quotient[1] <= 4 * quotient[0] + 1;
}

/* The kinks of rows that select are told by their sides. A partial that is a row of its own is
 * not looked at in (0, 0), what the first derivative sees not at all. */
Test(ops, rows_whose_second_derivatives_end_at_0_bend_there) {
    static const double at[] = {0, 1, -1, 0.5, 2};
    size_t              bend = 0;
    for (int n = 0; n < ROWS; n++)
        for (int k = 0; k < 25; k++) {
            const ad__row_number r = (ad__row_number)n;
            const double         x = fabs(at[k / 5]), y = at[k % 5], v = ad__row_value(r, x, y);
            const bool           two = rows[n].operands == 2;
            if (v != 0 || (ad__row_selects(r) && n != ROW_abs) ||
                (n == ROW_hypot_slope && x == 0 && y == 0))
                continue;
            if (!isfinite(ad__row_dx(r, x, y, v)) && !ad__row_bends(r, v)) continue;
            const bool slope = has_slope(r, x, y, false) && (!two || has_slope(r, x, y, true));
            cr_expect(slope || ad__row_bends(r, v), "%s(%g, %g)", rows[n].name, x, y);
            bend += !slope;
        }
    cr_expect_geq(bend, 5, "%zu", bend);
    for (int n = 0; n < ROWS; n++)
        cr_expect(!ad__row_bends((ad__row_number)n, 0.5), "%s", rows[n].name);
}

Test(ops, column_in_c_says_which_functions_call_themselves) {
    for (int n = 0; n < ROWS; n++) {
        const ad__row *r = &ad__rows[n];
        const size_t   length = strlen(r->name);
        const bool     itself = strncmp(r->value, r->name, length) == 0 && r->value[length] == '(';
        cr_expect_eq(r->in_c != AD__IN_C_text, itself, "%s", r->name);
        cr_expect_eq(r->in_c == AD__IN_C_special, r->source != NULL, "%s", r->name);
    }
}
