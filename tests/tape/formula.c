/* formula.c - tests of the formula language: the compiler reads the same text and must agree. */
#include "engine/tape/tape.h"
#include "support.h"

#include "expect.h"
#include <locale.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static ad_tape *tape;
static ad_var   var[3]; /* x, y, z */

static const double xyz[] = {1.25, -0.75, 3.5};

static void make(void) {
    tape = ad_tape_new();
    for (int i = 0; i < 3; i++) var[i] = ad_input(tape, xyz[i]);
}
static void drop(void) {
    ad_tape_free(tape);
}

TestSuite(formula, .init = make, .fini = drop);

static ad_var read_text(const char *text) {
    return ad_parse(tape, text, 3, "x, y, z", var);
}

static void expect_value(const char *text, double want) {
    const double got = ad_value(read_text(text));
    cr_expect_eq(ad_tape_status(tape), AD_OK, "%s: %s", text, ad_tape_message(tape));
    cr_expect(close_to(got, want, 4 * U, 0), "%s is %.17g, want %.17g", text, got, want);
    ad_tape_clear(tape);
}

/* ---- what the compiler says ------------------------------------------------------------------ */

/* clang-format off */
#define AS_IN_C(row)                                                                            \
    row(x) row(-x) row(+x) row(- -x) row(-(-x)) row(x + y*z) row((x + y)*z) row(x - y - z)      \
    row(x - (y - z)) row(x/y/z) row(x/(y/z)) row(x*y/z*x) row(x/y*z) row(-x*y) row(-x - -y)     \
    row(x*-y) row(x + -y) row(2*x - 3.5*y/z + 1) row(x < y) row(x > y) row(x <= x) row(x >= z)  \
    row(x == x) row(x != x) row(x == y) row(x < y == z > y) row(x < y != z < y)                 \
    row(x + y < z*2) row(x < z && y < z) row(x < y && y < z) row(x < y || y < z)                \
    row(x < y || y > z) row(x > y || y > z && z < x) row((x > y || y > z) && z < x)             \
    row(x == x && y != y || z > x) row(!x) row(!(x < y)) row(!!x) row(!x + 1) row(-!y)          \
    row(!(x < y) && z > x) row(x < y ? x : y) row(x > y ? x : y) row(x > y ? y > z ? 1 : 2 : 3) \
    row(x < y ? 1 : y < z ? 2 : 3) row(x < y ? 1 : y > z ? 2 : 3) row((x > y ? x : y)*2)        \
    row(x > y ? x : y*2) row(x > y ? x + 1 : y) row(x > y && y < z ? x*y : x/y)                 \
    row(x + (y > x ? 10 : 20)) row(x ? 2 : 3) row(exp(x)) row(exp(-x*x)) row(sin(x)*cos(y))     \
    row(sin(cos(tan(x)))) row(sqrt(x*x + y*y)) row(hypot(x, y)) row(atan2(y, x))                \
    row(pow(x, y)) row(pow(x, 2) + pow(2, x)) row(fabs(y)) row(fmin(x, y)) row(fmax(x, y + z))  \
    row(fma(x, y, z)) row(log(z)/log(2.0)) row(log1p(x) + expm1(y)) row(cbrt(y))                \
    row(exp2(y) - log2(x) + log10(z)) row(asin(y) + acos(y)) row(atan(y) + atanh(y))            \
    row(sinh(x) + cosh(y) - tanh(z)) row(asinh(y)*acosh(z)) row(erf(x) + erfc(y))               \
    row(lgamma(z)) row(tgamma(y)) row(floor(y)) row(ceil(y) + trunc(y)) row(round(z) + rint(z)) \
    row(nearbyint(z)) row(fmod(z, y)) row(remainder(z, x))                                      \
    row(1e-3*x) row(.5*x) row(1.*x) row(1.5e+2*x) row(2E1*x)                                    \
    row(1e0) row(0.1) row(12345678901234567890.0) row(x*1e300*1e-300) row(((((x)))))            \
    row(x - -1) row(x - +1) row((x)*(y)) row((x < y) + (x > y)*2) row(-(x + y)*-(z - x))        \
    row(x > y + z) row(x < y + z) row(x >= y + z) row(x <= y - z) row(x == y > z) row(x != y >= z)
/* clang-format on */

Test(formula, value_is_the_one_of_the_compiler) {
    const volatile double at[] = {1.25, -0.75, 3.5};
    const double          x = at[0], y = at[1], z = at[2];
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wparentheses"
#ifdef __clang__
#pragma GCC diagnostic ignored "-Wtautological-compare"
#pragma GCC diagnostic ignored "-Wlogical-op-parentheses"
#pragma GCC diagnostic ignored "-Wfloat-conversion"
#else
#pragma GCC diagnostic ignored "-Wbool-compare"
#pragma GCC diagnostic ignored "-Wtautological-compare"
#endif
#define ROW(expression) expect_value(#expression, (double)(expression));
    AS_IN_C(ROW)
#undef ROW
#pragma GCC diagnostic pop
}

/* The same text with spaces everywhere or nowhere. */
Test(formula, spaces_do_not_matter) {
    expect_value("x+y*z", 1.25 - 0.75 * 3.5);
    expect_value("  x\t+\ny  *  z ", 1.25 - 0.75 * 3.5);
    expect_value("hypot ( x , y )", hypot(1.25, 0.75));
    expect_value("x<z&&y<z?1:2", 1);
    expect_value("x>y", 1);
    expect_value("x--1", 2.25); /* C would see -- */
}

Test(formula, number_is_a_double_and_never_an_integer) {
    expect_value("1/2", 0.5);
    expect_value("7/2*2", 7);
    expect_value("010", 10); /* not octal */
    expect_value("4000000000*4000000000", 1.6e19);
}

Test(formula, numbers_out_of_range_become_infinite_or_zero) {
    expect_value("1e400", INFINITY);
    expect_value("1e-400", 0);
    expect_value("4.9406564584124654e-324", 0x1p-1074);
}

Test(formula, pi_is_a_number) {
    expect_value("pi", 3.141592653589793);
    expect_value("cos(pi)", -1);
}

/* A variable of that name comes first. */
Test(formula, variable_may_be_called_like_a_constant_or_a_function) {
    const ad_var own[] = {ad_num(4), ad_num(5)};
    cr_expect_eq(ad_value(ad_parse(tape, "pi + exp + exp(0)", 2, "pi, exp", own)), 10);
}

/* ---- powers ---------------------------------------------------------------------------------- */

Test(formula, power_binds_tighter_than_a_sign_before_it) {
    expect_value("-2^2", -4);
    expect_value("-x^2", -1.5625);
    expect_value("(-2)^2", 4);
    expect_value("0 - x^2", -1.5625);
    expect_value("!x^2", 0);
}

Test(formula, power_is_right_associative) {
    expect_value("2^3^2", 512);
    expect_value("(2^3)^2", 64);
    expect_value("2^2^2^2", 65536);
}

Test(formula, power_binds_tighter_than_the_rest) {
    expect_value("2*3^2", 18);
    expect_value("2^3*2", 16);
    expect_value("x^2 + z^2", 1.5625 + 12.25);
    expect_value("6/3^2*9", 6);
    expect_value("sqrt(4)^3", 8);
}

Test(formula, exponent_may_have_a_sign) {
    expect_value("2^-1", 0.5);
    expect_value("2^-2^0", 0.5);
    expect_value("2*2^-1*4", 4);
}

/* ---- functions ------------------------------------------------------------------------------- */

Test(formula, every_row_is_called_by_its_name) {
    for (int i = 0; i < ROWS; i++) {
        char text[100];
        snprintf(text, sizeof text, rows[i].operands == 1 ? "%s(z)" : "%s(x, z)", rows[i].name);
        ad_var       y = read_text(text);
        const double want =
            ad_value(row_record(&rows[i], var[rows[i].operands == 1 ? 2 : 0], var[2]));
        cr_expect_eq(ad_tape_status(tape), AD_OK, "%s: %s", text, ad_tape_message(tape));
        cr_expect(same_bits(ad_value(y), want) || (isnan(want) && isnan(ad_value(y))), "%s", text);
    }
}

Test(formula, reductions) {
    expect_value("sum(x, y, z)", 4);
    expect_value("sum(x)", 1.25);
    expect_value("mean(x, y, z)", 4.0 / 3);
    expect_value("prod(x, y, z)", 1.25 * -0.75 * 3.5);
    expect_value("prod(x)", 1.25);
    expect_value("dot(x, y, z, 2)", 1.25 * 3.5 - 1.5);
    expect_value("logsumexp(x, y, z)", log(exp(1.25) + exp(-0.75) + exp(3.5)));
    expect_value("logsumexp(z)", 3.5);
    expect_value("norm(x, y, z)", sqrt(1.25 * 1.25 + 0.75 * 0.75 + 3.5 * 3.5));
    expect_value("largest(x, y, z, x) + largest(y)", 3.5 - 0.75);
    expect_value("sum(1, 2, 3)", 6);
    expect_value("sum(x, sum(y, z), mean(1, 2))*2", 11);
    expect_value("sum(1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,x)", 30.25);
}

Test(formula, gradient_of_reductions) {
    ad_backward(read_text("dot(x, y, z, x) + prod(x, y, z) + mean(x, z)"));
    cr_expect_eq(ad_grad(var[0]), 3.5 - 0.75 - 0.75 * 3.5 + 0.5);
    cr_expect_eq(ad_grad(var[1]), 1.25 + 1.25 * 3.5);
    cr_expect_eq(ad_grad(var[2]), 1.25 + 1.25 * -0.75 + 0.5);
}

/* ---- conditionals ---------------------------------------------------------------------------- */

Test(formula, conditional_leaks_nothing_from_the_other_branch) {
    ad_var v = read_text("y > 0 ? log(y) : y*y");
    cr_expect_eq(ad_value(v), 0.5625);
    ad_backward(v);
    cr_expect_eq(ad_grad(var[1]), -1.5);
}

Test(formula, conditional_is_recorded_and_turns_in_a_replay) {
    ad_var v = read_text("x < z ? x : z");
    ad_set(var[0], 10);
    ad_replay(tape);
    cr_expect_eq(ad_tape_status(tape), AD_OK);
    cr_expect_eq(ad_value(v), 3.5);
}

Test(formula, comparison_with_nan_is_false) {
    ad_set(var[0], NAN);
    expect_value("x <= y", 0);
    expect_value("x >= y", 0);
    expect_value("x < y", 0);
    expect_value("x > y", 0);
    expect_value("x == x", 0);
    expect_value("x != x", 1);
    expect_value("!(x <= y)", 1);
}

/* ---- names ----------------------------------------------------------------------------------- */

Test(formula, macro_binds_names_to_variables) {
    ad_var w = ad_input(tape, 0.5), x = ad_input(tape, 2), b = ad_input(tape, -0.25);
    ad_var y = ad_formula(tape, tanh(w * x + b), w, x, b);
    cr_expect(close_to(ad_value(y), tanh(0.75), 2 * U, 0));
    ad_backward(y);
    cr_expect(close_to(ad_grad(w), 2 * (1 - tanh(0.75) * tanh(0.75)), 8 * U, 0));
}

Test(formula, names_are_postfix_expressions) {
    const ad_var x[] = {ad_num(2), ad_num(3)};
    struct {
        ad_var a, b;
    } p = {ad_num(5), ad_num(7)}, *q = &p;
    const ad_var m[2][2] = {{ad_num(11), ad_num(13)}, {ad_num(17), ad_num(19)}};
    cr_expect_eq(ad_value(ad_formula(tape, x[0] * x[1], x[0], x[1])), 6);
    cr_expect_eq(ad_value(ad_formula(tape, p.a - p.b, p.a, p.b)), -2);
    cr_expect_eq(ad_value(ad_formula(tape, q->a * q->b + p.a, q->a, q->b, p.a)), 40);
    cr_expect_eq(ad_value(ad_formula(tape, m[0][1] + m[1][0], m[0][1], m[1][0])), 30);
}

Test(formula, spaces_in_names_do_not_matter) {
    const ad_var w[] = {ad_num(2), ad_num(3)};
    cr_expect_eq(ad_value(ad_parse(tape, "w [ 1 ] - w[0]", 2, " w[ 0 ],w[1] ", w)), 1);
    cr_expect_eq(ad_value(ad_parse(tape, "p . b*2 + p.a", 2, "p.a, p.b", w)), 8);
}

Test(formula, names_with_a_common_beginning_are_told_apart) {
    const ad_var v[] = {ad_num(1), ad_num(20), ad_num(300), ad_num(4000)};
    cr_expect_eq(ad_value(ad_parse(tape, "a + ab + a1 + a_", 4, "a, ab, a1, a_", v)), 4321);
    cr_expect_eq(ad_value(ad_parse(tape, "a[1] + a[10]", 2, "a[1], a[10]", v)), 21);
}

Test(formula, macro_evaluates_no_variable_twice_and_needs_no_names_of_functions) {
    ad_var exp_ = ad_num(1);
    cr_expect_eq(ad_value(ad_formula(tape, exp_ + 1, exp_)), 2);
}

Test(formula, no_variables) {
    ad_var y = ad_parse(tape, "1 + 2*3", 0, NULL, NULL);
    cr_expect_eq(ad_value(y), 7);
    cr_expect_null(y.tape);
}

Test(formula, number_of_names_and_of_variables_must_agree) {
    cr_expect(isnan(ad_value(ad_parse(tape, "x", 2, "x", var))));
    cr_expect_neq(ad_tape_status(tape), AD_OK);
    ad_tape_clear(tape);
    cr_expect(isnan(ad_value(ad_parse(tape, "x", 1, "x, y", var))));
    cr_expect_neq(ad_tape_status(tape), AD_OK);
    ad_tape_clear(tape);
    cr_expect(isnan(ad_value(ad_parse(tape, "x", 1, NULL, var))));
    cr_expect_neq(ad_tape_status(tape), AD_OK);
}

/* ---- stages ---------------------------------------------------------------------------------- */

Test(formula, stages_are_shared_nodes) {
    ad_var v = read_text("a = x*y; b = a + z; a*b");
    cr_expect_eq(ad_value(v), -0.9375 * (-0.9375 + 3.5));
    cr_expect_eq(ad_tape_length(tape), 3 + 3);
    ad_backward(v);
    cr_expect_eq(ad_grad(var[2]), -0.9375);
    cr_expect_eq(ad_grad(var[0]), -0.75 * (2 * -0.9375 + 3.5));
}

Test(formula, stages_keep_their_names) {
    static char text[10000];
    explained(read_text("inner = x*y; outer = sin(inner)"), sizeof text, text);
    cr_expect(strstr(text, "inner") != NULL, "%s", text);
    cr_expect(strstr(text, "outer") != NULL, "%s", text);
}

Test(formula, expression_without_a_name_gets_none) {
    const ad_var y = read_text("inner = x*y; sin(inner)");
    cr_expect_null(ad__name_of(tape, ad__node_of(y)));
    cr_expect_str_eq(ad__name_of(tape, ad__node_of(y) - 1), "inner");
}

Test(formula, last_expression_may_be_named) {
    expect_value("r = x + y", 0.5);
    expect_value("a = x; b = a*2; r = b + a", 3.75);
}

Test(formula, stage_may_be_a_plain_number) {
    expect_value("c = 2*3; c*x", 7.5);
}

Test(formula, name_of_a_stage_is_unknown_before_it) {
    read_text("b = a; a = x; b");
    cr_expect_eq(ad_tape_status(tape), AD_BAD_FORMULA);
}

/* ---- what a number costs --------------------------------------------------------------------- */

Test(formula, number_is_an_operand_and_not_a_node) {
    read_text("x*2");
    cr_expect_eq(ad_tape_length(tape), 4);
    read_text("2*3 + pi");
    cr_expect_eq(ad_tape_length(tape), 4);
    read_text("3*x + 1");
    cr_expect_eq(ad_tape_length(tape), 6);
}

Test(formula, formula_without_operations_is_the_variable_itself) {
    ad_var v = read_text("(x)");
    cr_expect_eq(ad_tape_length(tape), 3);
    ad_backward(v);
    cr_expect_eq(ad_grad(var[0]), 1);
}

/* ---- errors ---------------------------------------------------------------------------------- */

/* The text from the place under which the caret stands, in the line above it, or NULL. */
static const char *under_caret(const char *message, char line[2000]) {
    const char *caret = strrchr(message, '^');
    if (caret == NULL || caret[1] != '\0') return NULL;
    const char *start = caret;
    while (start > message && start[-1] != '\n') start--;
    if (start == message) return NULL;
    const char *above = start - 1;
    while (above > message && above[-1] != '\n') above--;
    const size_t length = (size_t)(start - 1 - above), column = (size_t)(caret - start);
    snprintf(line, 2000, "%.*s", (int)length, above);
    return column <= length ? line + column : NULL;
}

static void expect_error(const char *text, const char *rest) {
    char line[2000];
    cr_expect(isnan(ad_value(read_text(text))), "%s", text);
    cr_expect_eq(ad_tape_status(tape), AD_BAD_FORMULA, "\"%s\": status %d", text,
                 (int)ad_tape_status(tape));
    const char *found = under_caret(ad_tape_message(tape), line);
    cr_expect(found != NULL && strcmp(found, rest) == 0,
              "\"%s\": the caret is not under \"%s\":\n%s", text, rest, ad_tape_message(tape));
    ad_tape_clear(tape);
}

Test(formula, unknown_name_has_the_caret_under_it) {
    expect_error("x + foo*y", "foo*y");
    expect_error("foo", "foo");
    expect_error("x[0] + y", "x[0] + y");
    expect_error("x.a", "x.a");
    expect_error("(x + y)*sin(unknown + 1)", "unknown + 1)");
    cr_expect(isnan(ad_value(read_text("x + qux"))));
    cr_expect(strstr(ad_tape_message(tape), "qux") != NULL);
}

Test(formula, unknown_function_has_the_caret_under_it) {
    expect_error("x + frobnicate(x)", "frobnicate(x)");
    expect_error("x(2)", "x(2)");
}

Test(formula, missing_parenthesis_has_the_caret_where_it_belongs) {
    expect_error("(x + y", "");
    expect_error("2*(x + (y*z)", "");
    expect_error("sin(x", "");
    expect_error("(x + y; z", "; z");
    expect_error("(x y)", "y)");
}

Test(formula, wrong_number_of_arguments_has_the_caret_under_the_name) {
    expect_error("1 + sin(x, y)", "sin(x, y)");
    expect_error("1 + hypot(x)", "hypot(x)");
    expect_error("hypot(x, y, z)", "hypot(x, y, z)");
    expect_error("sin()", "sin()");
    expect_error("fma(x, y)", "fma(x, y)");
    expect_error("dot(x, y, z)", "dot(x, y, z)");
    expect_error("x + sum()", "sum()");
    expect_error("mean()", "mean()");
    expect_error("prod()", "prod()");
}

Test(formula, trailing_text_has_the_caret_under_it) {
    expect_error("x + y)", ")");
    expect_error("x y", "y");
    expect_error("x 2", "2");
    expect_error("2x", "x");
    expect_error("(x)(y)", "(y)");
    expect_error("1.2.3", ".3");
}

Test(formula, missing_operand_has_the_caret_where_it_belongs) {
    expect_error("x +", "");
    expect_error("x + * y", "* y");
    expect_error("*x", "*x");
    expect_error("x*()", ")");
    expect_error("hypot(x,)", ")");
    expect_error("hypot(,x)", ",x)");
    expect_error("a = ; a", "; a");
    expect_error("x ^", "");
    expect_error("x < ", "");
}

Test(formula, empty_text_is_an_error) {
    expect_error("", "");
    cr_expect(isnan(ad_value(read_text("   "))));
    cr_expect_eq(ad_tape_status(tape), AD_BAD_FORMULA);
    ad_tape_clear(tape);
    cr_expect(isnan(ad_value(read_text(NULL))));
    cr_expect_neq(ad_tape_status(tape), AD_OK);
}

Test(formula, stray_characters_have_the_caret_under_them) {
    const char *strays[] = {"$", "@", "#", "\"", "'", "\\",   "`",    "~",       "%",
                            "&", "|", "{", "}",  "]", "\x01", "\xff", "\xc3\xa4"};
    for (size_t i = 0; i < sizeof strays / sizeof *strays; i++) {
        char        text[20], rest[20];
        const char *shown = strays[i][0] == '\x01' ? "\\x01"
                          : strays[i][0] == '\xff' ? "\\xff"
                                                   : strays[i];
        snprintf(text, sizeof text, "x + %s y", strays[i]);
        snprintf(rest, sizeof rest, "%s y", shown);
        expect_error(text, rest);
        snprintf(text, sizeof text, "x %s", strays[i]);
        expect_error(text, shown);
    }
}

Test(formula, caret_stands_right_behind_what_is_written_longer_than_it_is) {
    expect_error("x +\ty + $", "$");
    expect_error("x +\x1by", "\\x1by");
}

Test(formula, conditional_without_its_colon_is_an_error) {
    expect_error("x ? y", "");
    expect_error("x ? y z", "z");
    expect_error("x ? : y", ": y");
    expect_error("x : y", ": y");
}

Test(formula, numbers_that_are_none) {
    const char *bad[] = {"1e", "1e+", "1.e", "0x10", "1.5f", "1_000", ".", "..5", "1e5e5", "0b1"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        cr_expect(isnan(ad_value(read_text(bad[i]))), "%s", bad[i]);
        cr_expect_eq(ad_tape_status(tape), AD_BAD_FORMULA, "%s", bad[i]);
        ad_tape_clear(tape);
    }
}

Test(formula, infinity_and_nan_are_names_and_not_numbers) {
    expect_error("inf", "inf");
    expect_error("nan + x", "nan + x");
    expect_error("infinity", "infinity");
}

Test(formula, caret_is_right_in_a_later_line) {
    expect_error("a = x*y;\nb = a + foo;\nb", "foo;");
}

Test(formula, caret_is_right_in_a_long_text) {
    char   text[700];
    size_t n = 0;
    for (int i = 0; i < 100; i++) n += (size_t)snprintf(text + n, sizeof text - n, "x + ");
    snprintf(text + n, sizeof text - n, "foo + y");
    expect_error(text, "foo + y");
}

Test(formula, message_says_what_is_wrong) {
    read_text("x + sin(x, y)");
    cr_expect(strstr(ad_tape_message(tape), "sin") != NULL, "%s", ad_tape_message(tape));
    cr_expect(strstr(ad_tape_message(tape), "2") != NULL, "%s", ad_tape_message(tape));
}

Test(formula, error_inside_stops_at_the_first) {
    read_text("foo + bar");
    cr_expect(strstr(ad_tape_message(tape), "foo") != NULL);
}

Test(formula, variables_of_another_tape_are_refused) {
    ad_tape     *other = ad_tape_new();
    const ad_var v[] = {var[0], ad_input(other, 2)};
    cr_expect(isnan(ad_value(ad_parse(tape, "a*b", 2, "a, b", v))));
    cr_expect_eq(ad_tape_status(tape), AD_TWO_TAPES);
    cr_expect_eq(ad_tape_status(other), AD_TWO_TAPES);
    ad_tape_free(other);
}

/* ---- sizes ----------------------------------------------------------------------------------- */

/* begin, middle, end with begin and end `depth` times. */
static char *nest(const char *begin, const char *middle, const char *end, size_t depth) {
    const size_t nb = strlen(begin), ne = strlen(end);
    char        *text = malloc(depth * (nb + ne) + strlen(middle) + 1), *at = text;
    for (size_t i = 0; i < depth; i++) memcpy(at, begin, nb), at += nb;
    memcpy(at, middle, strlen(middle)), at += strlen(middle);
    for (size_t i = 0; i < depth; i++) memcpy(at, end, ne), at += ne;
    *at = '\0';
    return text;
}

/* clang-format off */
static const char *nestings[][3] = {
    {"(", "x", ")"},      {"sin(", "x", ")"},     {"-", "x", ""},          {"!", "x", ""},
    {"x^", "x", ""},      {"0 < ", "x", ""},      {"(x + ", "y", ")"},     {"sum(x, ", "y", ")"},
    {"0 ? 1 : ", "x", ""}, {"1 ? ", "x", " : 2"}, {"-(", "x", ")"},        {"x*(-", "y", ")"},
    {"x + ", "y", ""},
};
/* clang-format on */
enum { NESTINGS = sizeof nestings / sizeof *nestings };

Test(formula, nesting_of_900_is_fine) {
    for (int i = 0; i < NESTINGS; i++) {
        char *text = nest(nestings[i][0], nestings[i][1], nestings[i][2], 900);
        read_text(text);
        cr_expect_eq(ad_tape_status(tape), AD_OK, "%.30s: %s", text, ad_tape_message(tape));
        ad_tape_clear(tape);
        free(text);
    }
}

Test(formula, nesting_of_2000_is_an_error) {
    for (int i = 0; i < NESTINGS; i++) {
        char *text = nest(nestings[i][0], nestings[i][1], nestings[i][2], 2000);
        read_text(text);
        const bool flat =
            strcmp(nestings[i][0], "0 < ") == 0 || strcmp(nestings[i][0], "x + ") == 0;
        cr_expect_eq(ad_tape_status(tape), flat ? AD_OK : AD_BAD_FORMULA, "%.30s", text);
        ad_tape_clear(tape);
        free(text);
    }
}

Test(formula, nesting_of_any_depth_does_not_crash) {
    for (int i = 0; i < NESTINGS; i++) {
        char *text = nest(nestings[i][0], nestings[i][1], nestings[i][2], 500000);
        read_text(text);
        ad_tape_clear(tape);
        text[strlen(nestings[i][0]) * 500000] = '\0'; /* only beginnings */
        read_text(text);
        cr_expect_eq(ad_tape_status(tape), AD_BAD_FORMULA, "%.30s", text);
        ad_tape_clear(tape);
        free(text);
    }
}

Test(formula, sum_of_many_terms_is_no_nesting) {
    char *text = nest("x + ", "y", "", 200000);
    cr_expect_eq(ad_value(read_text(text)), 200000 * 1.25 - 0.75);
    cr_expect_eq(ad_tape_status(tape), AD_OK, "%s", ad_tape_message(tape));
    free(text);
}

Test(formula, error_at_the_end_of_a_huge_text_has_a_short_message) {
    char *text = nest("x + ", "foo", "", 200000);
    expect_error(text, "foo");
    read_text(text);
    cr_expect_lt(strlen(ad_tape_message(tape)), 2000);
    free(text);
}

Test(formula, huge_names_and_numbers_are_read_to_their_end) {
    char *name = nest("n", "", "", 100000), *digits = nest("0", ".5", "", 100000);
    cr_expect_eq(ad_value(ad_parse(tape, name, 1, name, var)), 1.25);
    cr_expect_eq(ad_value(read_text(digits)), 0.5);
    read_text(name);
    cr_expect_eq(ad_tape_status(tape), AD_BAD_FORMULA);
    free(name);
    free(digits);
}

Test(formula, no_text_crashes) {
    static const char *pieces[] = {"x",   "y",     "(", ")", "+",  "-",   "*",    "/",   "^",
                                   "<",   ">",     "=", "!", "&&", "||",  "?",    ":",   ",",
                                   ";",   ".",     "[", "]", "1",  "2.5", "e",    "sin", "sum",
                                   "dot", "hypot", "a", " ", "->", "\n",  "where"};
    uint64_t           state = 20;
    const ad_mark      mark = ad_tape_mark(tape);
    for (int i = 0; i < 20000; i++) {
        char      text[200] = "";
        const int length = (int)(random_bits(&state) % 20);
        for (int j = 0; j < length; j++)
            strcat(text, pieces[random_bits(&state) % (sizeof pieces / sizeof *pieces)]);
        ad_var y = read_text(text);
        cr_assert(ad_tape_status(tape) == AD_OK ||
                      (ad_tape_status(tape) == AD_BAD_FORMULA && isnan(ad_value(y))),
                  "\"%s\": %s", text, ad_tape_message(tape));
        ad_tape_clear(tape);
        ad_tape_rewind(tape, mark);
    }
}

/* ---- locale ---------------------------------------------------------------------------------- */

static bool decimal_comma(void) {
    const char *names[] = {"de_DE.UTF-8", "de_DE.utf8",  "de_DE",
                           "fr_FR.UTF-8", "it_IT.UTF-8", "es_ES.UTF-8"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (setlocale(LC_ALL, names[i]) != NULL && localeconv()->decimal_point[0] == ',')
            return true;
    return false;
}

Test(formula, numbers_are_read_as_in_the_c_locale) {
    if (!decimal_comma()) cr_skip_test("no locale with a decimal comma on this machine");
    expect_value("2.5*x", 3.125);
    expect_value("max(1.5, 2)", 2);
    expect_value("sum(1,5)", 6);
    read_text("pick");
    ad_tape_clear(tape);
    ad_pick(ad_num(0.5), 3, var);
    cr_expect(strstr(ad_tape_message(tape), "0.5") != NULL, "%s", ad_tape_message(tape));
    cr_expect(localeconv()->decimal_point[0] == ','); /* the program's locale is as it was */
}

Test(formula, every_node_is_noted_to_come_from_its_line) {
    const uint32_t first = (uint32_t)ad_tape_length(tape);
    ad_parse_at("here.c", 7, tape, "a = x*2; b = log(y); a", 3, "x, y, z", var);
    ad_parse_at("here.c", 8, tape, "a = exp(x); 3", 3, "x, y, z", var);
    cr_assert_eq(ad_tape_status(tape), AD_OK, "%s", ad_tape_message(tape));
    cr_assert_eq(ad_tape_length(tape), first + 3);
    for (uint32_t i = 0; i < 3; i++) {
        const ad__line *line = ad__notes_source_of(&tape->notes, first + i);
        cr_assert_not_null(line, "node %u", i);
        cr_expect_eq(line->line, i < 2 ? 7 : 8);
    }
}

/* ---- what is said, word for word ------------------------------------------------------------- */

#define TEN   "+ 23456789"
#define FIFTY TEN TEN TEN TEN TEN

static double twice(size_t n, const double x[], void *context) {
    (void)n, (void)context;
    return 2 * x[0];
}
static void twice_partials(size_t n, const double x[], double v, double partial[], void *context) {
    (void)n, (void)x, (void)v, (void)context;
    partial[0] = 2;
}

/* At most 60 characters of a line are shown on each side of the place, and as many of a name. */
Test(formula, messages_word_for_word) {
    const ad_custom_op twofold = {
        .name = "twofold", .operands = 1, .value = twice, .partials = twice_partials};
    ad_tape_define(tape, &twofold, NULL);
    /* clang-format off */
    const struct { const char *text, *message; } cases[] = {
        {"x + foo*y",
         "unknown name \"foo\" at character 5; the names are x, y and z\n  x + foo*y\n      ^"},
        {"x + q",
         "unknown name \"q\" at character 5; the names are x, y and z\n  x + q\n      ^"},
        {"x + foo(y)",   "no function is called \"foo\" at character 5\n  x + foo(y)\n      ^"},
        {"sum()",        "0 arguments, not at least 1, for \"sum\" at character 1\n  sum()\n  ^"},
        {"1 + atan2(x)",
         "1 argument, not 2, for \"atan2\" at character 5\n  1 + atan2(x)\n      ^"},
        {"dot(x)",       "1 argument, not at least 2, for \"dot\" at character 1\n  dot(x)\n  ^"},
        {"dot(x, y, z)",
         "3 arguments, two halves of the same length are wanted, for \"dot\" at character 1\n"
                         "  dot(x, y, z)\n  ^"},
        {"fma(x, y)",          "2 arguments, not 3, for \"fma\" at character 1\n  fma(x, y)\n  ^"},
        {"fma(x, y, z, x)",
         "4 arguments, not 3, for \"fma\" at character 1\n  fma(x, y, z, x)\n  ^"},
        {"where(x, y)",
         "2 arguments, not 3, for \"where\" at character 1\n  where(x, y)\n  ^"},
        {"where(x, y, z, x)",
         "4 arguments, not 3, for \"where\" at character 1\n  where(x, y, z, x)\n  ^"},
        {"twofold(x, y)",
         "2 arguments, not 1, for \"twofold\" at character 1\n  twofold(x, y)\n  ^"},
        {"sin(x",   "expected , or ) at character 6\n  sin(x\n       ^"},
        {"(x",      "expected ) at character 3\n  (x\n    ^"},
        {"x ? y",   "expected : at character 6\n  x ? y\n       ^"},
        {"x +",     "the text ends where an operand belongs at character 4\n  x +\n     ^"},
        {"x + *y",  "expected a number, a name or ( at character 5\n  x + *y\n      ^"},
        {"x y",
         "expected an operator, ; or the end at character 3; did you mean x*y?\n  x y\n    ^"},
        {"x; y",
         "only the last expression may go without a name at character 4\n  x; y\n     ^"},
        {"1e+",     "an exponent needs digits at character 2\n  1e+\n   ^"},
        {"2x",      "a number ends in a letter at character 2; did you mean 2*x?\n  2x\n   ^"},
        {"a = x;\n b = $;\nb",
         "expected a number, a name or ( at character 13\n   b = $;\n       ^"},
    };
    /* clang-format on */
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        read_text(cases[i].text);
        const char *message = ad_tape_message(tape);
        cr_expect(strncmp(message, "formula: ", 9) == 0 &&
                      strcmp(message + 9, cases[i].message) == 0,
                  "%s: is\n%s", cases[i].text, message);
        ad_tape_clear(tape);
    }
}

Test(formula, message_shows_60_characters_of_the_line_on_each_side) {
    char text[300], shown[300];
    snprintf(text, sizeof text, "%s%s%s%s", FIFTY FIFTY, "+ foo", FIFTY, FIFTY);
    snprintf(shown, sizeof shown,
             "\"foo\" at character 103; the names are x, y and z\n  %.60s%.60s\n  %60s^", text + 42,
             text + 102, "");
    read_text(text);
    const char *found = strstr(ad_tape_message(tape), "\"foo\"");
    cr_expect(found != NULL && strcmp(found, shown) == 0, "%s\nwanted\n%s", ad_tape_message(tape),
              shown);
}

Test(formula, message_shows_60_characters_of_a_name) {
    char name[101] = "", shown[61] = "";
    memset(name, 'n', 100);
    memset(shown, 'n', 60);
    read_text(name);
    const char *message = ad_tape_message(tape);
    cr_expect(strstr(message, shown) != NULL, "%s", message);
    cr_expect_eq(strcspn(message, "\n") -
                     strlen("formula: unknown name \"\" at character 1; the names are x, y and z"),
                 60, "%s", message);
}

Test(formula, lists_of_names_that_do_not_fit_are_told_with_their_number) {
    /* clang-format off */
    const struct { size_t n; const char *names, *message; } cases[] = {
        {2, "x",          "formula: 2 variables, but the names are \"x\""},
        {1, "x, y",       "formula: 1 variables, but the names are \"x, y\""},
        {1, NULL,         "formula: 1 variables, but the names are \"\""},
        {0, "x",          "formula: 0 variables, but the names are \"x\""},
    };
    /* clang-format on */
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const ad_var exactly[2] = {var[0], var[1]};
        ad_parse(tape, "1", cases[i].n, cases[i].names, exactly + 2 - cases[i].n);
        cr_expect_eq(ad_tape_status(tape), AD_BAD_ARGUMENT);
        cr_expect_str_eq(ad_tape_message(tape), cases[i].message, "%s", ad_tape_message(tape));
        ad_tape_clear(tape);
    }
    ad_parse(tape, "1", 0, " ", NULL);
    cr_expect_eq(ad_tape_status(tape), AD_OK, "%s", ad_tape_message(tape));
}

Test(formula, text_and_variables_that_are_null_are_told) {
    ad_parse(tape, NULL, 0, "", NULL);
    cr_expect_str_eq(ad_tape_message(tape), "formula: the text is NULL");
    ad_tape_clear(tape);
    ad_parse(tape, "x", 1, "x", NULL);
    cr_expect_str_eq(ad_tape_message(tape), "formula: vars is NULL");
    cr_expect(isnan(ad_value(ad_parse(NULL, "1", 0, "", NULL))));
}

/* x is 1.25, and so on; what stands behind the place in the first line of the message. */
Test(formula, messages_say_what_was_meant) {
    const ad_custom_op twofold = {
        .name = "twofold", .operands = 1, .value = twice, .partials = twice_partials};
    ad_tape_define(tape, &twofold, NULL);
    /* clang-format off */
    static const struct { const char *text, *hint; } cases[] = {
        {"ln(x)", "; did you mean log?"},
        {"ReLU(x)", "; did you mean relu?"},
        {"arcsin(x)", "; did you mean asin?"},
        {"Exp(x)", "; did you mean exp?"},
        {"LeakyReLU(x)", "; did you mean leaky_relu?"},
        {"sigmiod(x)", "; did you mean sigmoid?"},
        {"twofld(x)", "; did you mean twofold?"},
        {"hypott(x, y)", "; did you mean hypot?"},
        {"nrm2(x, y)", "; did you mean norm?"},
        {"amax(x, y)", "; did you mean largest?"},
        {"logsumexpp(x)", "; did you mean logsumexp?"},
        {"sqr(x)", "; did you mean x^2?"},
        {"x(y + 1)", "; did you mean x*(...)?"},
        {"unheard_of(x)", ""},
        {"sin x", "; did you mean sin(x)?"},
        {"sin 2.5*x", "; did you mean sin(2.5)?"},
        {"sin x*y", "; did you mean sin(x)?"},
        {"sin", "; did you mean sin(...)?"},
        {"cos[x]", "; did you mean cos(...)?"},
        {"mean x", "; did you mean mean(x)?"},
        {"e^x", "; did you mean exp(x)?"},
        {"e^(x + 1)", "; did you mean exp(x + 1)?"},
        {"e ^ -x", "; did you mean exp(...)?"},
        {"2*e", "; did you mean exp(1)?"},
        {"x**2", "; did you mean ^?"},
        {"x ** y", "; did you mean ^?"},
        {"2x", "; did you mean 2*x?"},
        {"2 x", "; did you mean 2*x?"},
        {"2(x + 1)", "; did you mean 2*(x + 1)?"},
        {"(x + 1)(y - 1)", "; did you mean (x + 1)*(y - 1)?"},
        {"x y", "; did you mean x*y?"},
        {"sin(x) cos(y)", "; did you mean sin(x)*cos(y)?"},
        {"sin(x y)", "; did you mean x*y?"},
        {"(x y)", "; did you mean x*y?"},
        {"x ? y z : 1", "; did you mean y*z?"},
        {"2exp(x)", "; did you mean 2*exp(x)?"},
        {"2e^x", "; did you mean 2*exp(...)?"},
        {"2pi", "; did you mean 2*pi?"},
        {"2.5f*x", "; did you mean 2.5?"},
        {"1e+", ""},
        {"xy", "; did you mean x*y?"},
        {"x2", "; did you mean x^2?"},
        {"sinx", "; did you mean sin(x)?"},
        {"xpi", "; did you mean x*pi?"},
        {"X + 1", "; did you mean x?"},
        {"PI", "; did you mean pi?"},
        {"M_PI", "; did you mean pi?"},
        {"INFINITY", "; did you mean 1e999?"},
        {"np.sin(x)", "; did you mean sin?"},
        {"Math.ln(x)", "; did you mean log?"},
        {"std::exp(x)", "; did you mean exp?"},
        {"atan(y, x)", "; did you mean atan2?"},
        {"max(x, y, z)", "; did you mean max(x, max(y, z))?"},
        {"x % y", "; did you mean fmod(x, y)?"},
        {"(x = y)", "; did you mean ==?"},
        {"x & y", "; did you mean &&?"},
        {"x and y", "; did you mean &&?"},
        {"x <> y", "; did you mean !=?"},
        {"x => y", "; did you mean >=?"},
        {"x // y", "; did you mean floor(x/y)?"},
        {"2,5*x", "; did you mean a point, as in 2.5?"},
        {"[x + 1]*y", "; did you mean (?"},
        {"x \xc3\x97 y", "; did you mean *?"},
        {"x \xc2\xb7 y", "; did you mean *?"},
        {"x \xe2\x88\x92 y", "; did you mean -?"},
        {"\xe2\x88\x92x", "; did you mean -?"},
        {"2\xcf\x80", "; did you mean *pi?"},
        {"x\xc2\xb2", "; did you mean ^2?"},
        {"a_number_of_words_that_do_not_fit 2", ""},
        {"x*/y", ""},
    };
    /* clang-format on */
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        read_text(cases[i].text);
        cr_expect_eq(ad_tape_status(tape), AD_BAD_FORMULA, "%s", cases[i].text);
        const char *message = ad_tape_message(tape), *at = strstr(message, " at character ");
        const char *hint = at == NULL ? "" : at + 14 + strspn(at + 14, "0123456789");
        char        want[100];
        snprintf(want, sizeof want, "%s%s", cases[i].hint,
                 strncmp(message, "formula: unknown name", 21) != 0 ? "\n"
                 : cases[i].hint[0] == '\0'                         ? "; the names are x, y and z\n"
                                            : " The names are x, y and z\n");
        cr_expect(strncmp(hint, want, strlen(want)) == 0, "%s: is\n%s", cases[i].text, message);
        char line[2000];
        cr_expect_not_null(under_caret(message, line), "%s", message);
        ad_tape_clear(tape);
    }
}

/* Names that the formula gave are there too; of many ten are shown, of long ones the beginning. */
Test(formula, unknown_name_lists_those_that_are_bound) {
    const ad_var v[12] = {0};
    const struct {
        size_t      n;
        const char *names, *text, *says;
    } cases[] = {
        {0, "", "foo", "; the list of names is empty\n"},
        {1, "w", "foo", "; the only name is w\n"},
        {2, " w [ 0 ] , p . b ", "foo", "; the names are w[0] and p.b\n"},
        {1, "w", "h = 2*w; foo", "; the names are w and h\n"},
        {12, "a,b,c,d,e,f,g,h,i,j,k,l", "foo",
         "; the names are a, b, c, d, e, f, g, h, i, j and 2 more\n"},
        {1, "a_name_that_is_longer_than_most", "foo",
         "; the only name is a_name_that_is_longer_th...\n"},
        {2, "weight, bias", "wieght*2", "; did you mean weight? The names are weight and bias\n"},
        {2, "weight, bias", "w + bais", "; the names are weight and bias\n"},
        {1, "x[0]", "x[1]", "; did you mean x[0]? The only name is x[0]\n"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        ad_parse(tape, cases[i].text, cases[i].n, cases[i].names, v);
        const char *message = ad_tape_message(tape);
        cr_expect(strstr(message, cases[i].says) != NULL, "%s: is\n%s", cases[i].text, message);
        ad_tape_clear(tape);
    }
}

/* The commas inside brackets and parentheses belong to the name. */
Test(formula, names_are_split_at_the_commas_outside_of_brackets) {
    const ad_var y = ad_parse(tape, "w[1, 2] - b", 2, "w[1, 2], b", var);
    cr_expect_eq(ad_value(y), 2, "%s", ad_tape_message(tape));
    const ad_var z = ad_parse(tape, "b", 2, "at(1, 2), b", var);
    cr_expect_eq(ad_value(z), -0.75, "%s", ad_tape_message(tape));
}

Test(formula, a_call_may_have_more_than_eight_arguments) {
    expect_value("sum(1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17)", 153);
    expect_value("prod(2, 3, 4)", 24);
    expect_value("mean(1, 2, 6)", 3);
    expect_value("where(x > 0, y, z)", -0.75);
    expect_value("where(x < 0, y, z)", 3.5);
    expect_value("abs(y) + min(x, y) + max(x, y)", 1.25);
}

Test(formula, a_name_that_means_something_is_not_defined_again) {
    /* clang-format off */
    const struct { const char *name, *message; } cases[] = {
        {"sum",  "ad_tape_define: \"sum\" is the name of something else"},
        {"where", "ad_tape_define: \"where\" is the name of something else"},
        {"sin",  "ad_tape_define: \"sin\" is the name of something else"},
        {"fabs", "ad_tape_define: \"fabs\" is the name of something else"},
        {"fmax", "ad_tape_define: \"fmax\" is the name of something else"},
        {"pi",   "ad_tape_define: \"pi\" is the name of something else"},
        {"",     "ad_tape_define: \"\" is not a word"},
        {"a b",  "ad_tape_define: \"a b\" is not a word"},
        {"2x",   "ad_tape_define: \"2x\" is not a word"},
    };
    /* clang-format on */
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const ad_custom_op op = {
            .name = cases[i].name, .operands = 1, .value = twice, .partials = twice_partials};
        cr_expect_eq(ad_tape_define(tape, &op, NULL), AD_BAD_ARGUMENT, "%s", cases[i].name);
        cr_expect_str_eq(ad_tape_message(tape), cases[i].message, "%s", ad_tape_message(tape));
        ad_tape_clear(tape);
    }
    cr_expect_eq(ad_tape_define(NULL, NULL, NULL), AD_NO_MEMORY);
    const ad_custom_op op = {
        .name = "s", .operands = 1, .value = twice, .partials = twice_partials};
    cr_expect_eq(ad_tape_define(tape, &op, NULL), AD_OK, "%s", ad_tape_message(tape));
    cr_expect_eq(ad_value(read_text("s(x)")), 2.5, "%s", ad_tape_message(tape));
    read_text("x +");
    const ad_custom_op late = {
        .name = "late", .operands = 1, .value = twice, .partials = twice_partials};
    cr_expect_eq(ad_tape_define(tape, &late, NULL), AD_BAD_FORMULA);
    ad_tape_clear(tape);
    cr_expect(isnan(ad_value(read_text("late(x)"))));
}
