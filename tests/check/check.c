/* check.c - tests of engine/check/check.c, report.c and local_check.c: what a report says about
 * right gradients, wrong ones, and functions that cannot be checked. That every wrong rule is found
 * is shown by tests/tape/spoil.c. */
#include "engine/ad.h"
#include "support.h"

#include "expect.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- helpers --------------------------------------------------------------------------------- */

#define AGREES "the gradient agrees with differences"

typedef struct bench {
    ad_tape *tape;
    ad_var   x[4], y;
    size_t   n;
} bench;

static bench formula(const char *text, size_t n, const double x[]) {
    static const char *const letters[] = {"a", "b", "c", "d"};
    bench                    b = {.tape = ad_tape_new(), .n = n};
    for (size_t i = 0; i < n; i++) {
        b.x[i] = ad_input(b.tape, x[i]);
        ad_name(b.x[i], letters[i]);
    }
    const char *names[] = {NULL, "a", "a, b", "a, b, c", "a, b, c, d"};
    b.y = ad_parse(b.tape, text, n, names[n], b.x);
    return b;
}

#define VALUES(...)    \
    (const double[]) { \
        __VA_ARGS__    \
    }
#define FORMULA(text, ...) \
    formula(text, sizeof VALUES(__VA_ARGS__) / sizeof(double), VALUES(__VA_ARGS__))

static ad_check_report *check(const bench *b, const double claimed[]) {
    return ad_check(b->y, b->n, b->x, claimed, NULL);
}

static ad_verdict verdict_of(bench b, const double claimed[]) {
    ad_check_report *r = check(&b, claimed);
    const ad_verdict v = ad_check_verdict(r);
    ad_check_free(r);
    ad_tape_free(b.tape);
    return v;
}

static char *printed(const ad_check_report *r, ad_format format) {
    static char text[20000];
    FILE       *file = tmpfile();
    cr_assert_eq(ad_check_print(r, format, file), AD_OK);
    rewind(file);
    text[fread(text, 1, sizeof text - 1, file)] = '\0';
    fclose(file);
    return text;
}

/* ---- a tape ---------------------------------------------------------------------------------- */

Test(check, gradient_of_a_tape_passes) {
    cr_expect_eq(verdict_of(FORMULA("tanh(a*b + 1)*exp(c)", 0.3, 1.7, -0.4), NULL), AD_PASS);
    cr_expect_eq(
        verdict_of(FORMULA("logsumexp(a, b, a*b) + dot(a, b, b, c)", 0.3, 1.7, -0.4), NULL),
        AD_PASS);
    cr_expect_eq(verdict_of(FORMULA("a < b ? sin(a) : log(-1)*b", 0.3, 1.7), NULL), AD_WEAK);
}

Test(check, wrong_claim_fails_and_names_the_coordinate) {
    bench            b = FORMULA("a*b + sin(c)", 0.3, 1.7, -0.4);
    double           claimed[] = {1.7, 0.3 * (1 + 1.1e-8), cos(-0.4)};
    ad_check_report *r = check(&b, claimed);
    cr_expect_eq(ad_check_verdict(r), AD_FAIL);
    cr_expect_eq(ad_check_coordinate(r, 0), AD_PASS);
    cr_expect_eq(ad_check_coordinate(r, 1), AD_FAIL);
    cr_expect_eq(ad_check_coordinate(r, 2), AD_PASS);
    cr_expect(strstr(r->message, "claim is wrong, first at b;") != NULL, "%s", r->message);
    cr_expect_eq(r->culprits, 0);
    cr_expect_eq(r->count[AD_FAIL], 1);
    ad_check_free(r);
    ad_tape_free(b.tape);
}

Test(check, claim_that_is_not_finite_fails) {
    cr_expect_eq(verdict_of(FORMULA("a*b", 2, 3), VALUES(3, NAN)), AD_FAIL);
    cr_expect_eq(verdict_of(FORMULA("a*b", 2, 3), VALUES(INFINITY, 2)), AD_FAIL);
}

Test(check, kink_is_never_silently_a_pass) {
    cr_expect_eq(verdict_of(FORMULA("relu(a)", 0), NULL), AD_KINK);
    cr_expect_eq(verdict_of(FORMULA("abs(a)*b", 0, 2), NULL), AD_KINK);
    cr_expect_eq(verdict_of(FORMULA("max(a, b)", 2, 2), NULL), AD_KINK);
    cr_expect_eq(verdict_of(FORMULA("largest(a, b, c)", 1, 2, 2), NULL), AD_KINK);
    cr_expect_eq(verdict_of(FORMULA("norm(a, b)", 0, 0), NULL), AD_KINK);
    cr_expect_eq(verdict_of(FORMULA("relu(a)", 0), VALUES(1.5)), AD_FAIL);
}

Test(check, kink_beside_x_is_no_kink) {
    cr_expect_eq(verdict_of(FORMULA("relu(a)", 1e-6), NULL), AD_PASS);
    cr_expect_eq(verdict_of(FORMULA("min(a, b)*b", 2, 2 + 1e-7), NULL), AD_PASS);
}

Test(check, x_outside_the_domain_is_said_to_be) {
    cr_expect_eq(verdict_of(FORMULA("log(a)*b", -1, 2), NULL), AD_DOMAIN);
    cr_expect_eq(verdict_of(FORMULA("sqrt(a)", 0), NULL), AD_DOMAIN);
    cr_expect_eq(verdict_of(FORMULA("asin(a)", 1), NULL), AD_DOMAIN);
    cr_expect_eq(verdict_of(FORMULA("log(a)*b", -1, 2), VALUES(1, NAN)), AD_DOMAIN);
    cr_expect_eq(verdict_of(FORMULA("a*b", INFINITY, 2), NULL), AD_DOMAIN);
}

Test(check, edge_of_the_domain_shows_the_slope_of_the_side_that_is_there) {
    bench            b = FORMULA("2*a + a*a^1.5", 0);
    ad_check_report *r = check(&b, NULL);
    cr_expect_eq(ad_check_verdict(r), AD_DOMAIN);
    cr_expect(isnan(r->line[0].left) && fabs(r->line[0].right - 2) < 1e-6, "%s",
              printed(r, AD_TEXT));
    ad_check_free(r);
    ad_tape_free(b.tape);
}

Test(check, zero_with_a_sign_keeps_it) {
    cr_expect_neq(verdict_of(FORMULA("atan2(a, b)", -0.0, -1), NULL), AD_UNSTABLE);
}

Test(check, tape_is_what_it_was_to_the_bit) {
    bench  b = FORMULA("h = tanh(a*b); h*exp(a) + relu(b)", 0.3, 1.7);
    double grad[2];
    ad_set(b.x[0], 0.4);
    ad_replay(b.tape);
    ad_backward(ad_mul(b.y, b.y));
    const double value = ad_value(b.y), ga = ad_grad(b.x[0]), gb = ad_grad(b.x[1]);
    ad_set(b.x[0], 0.5); /* set, not replayed */
    const size_t     length = ad_tape_length(b.tape);
    ad_check_report *r = check(&b, NULL);
    cr_expect_eq(ad_check_verdict(r), AD_PASS);
    cr_expect(same_bits(ad_value(b.y), value) && same_bits(ad_grad(b.x[0]), ga) &&
              same_bits(ad_grad(b.x[1]), gb));
    cr_expect(ad_value(b.x[0]) == 0.5 && ad_tape_length(b.tape) == length);
    ad_replay(b.tape);
    ad_gradient(b.y, 2, b.x, grad);
    cr_expect(same_bits(r->value, ad_value(b.y)) && same_bits(r->line[0].claimed, grad[0]));
    ad_check_free(r);
    ad_tape_free(b.tape);
}

Test(check, branch_that_turns_beside_x_leaves_near_steps) {
    ad_tape *tape = ad_tape_new();
    ad_var   x = ad_input(tape, 0.1), y = ad_mul(x, x);
    if (ad_branch(ad_less(x, ad_num(0.11)))) y = ad_exp(y);
    ad_check_report *r = ad_check(y, 1, &x, NULL, NULL);
    cr_expect_eq(ad_check_verdict(r), AD_PASS);
    cr_expect(strstr(r->message, "branch") != NULL, "%s", r->message);
    cr_expect_eq(ad_tape_status(tape), AD_OK);
    ad_check_free(r);
    ad_tape_free(tape);
}

Test(check, branch_that_turned_at_x_is_a_status) {
    ad_tape *tape = ad_tape_new();
    ad_var   x = ad_input(tape, 0.1), y = ad_mul(x, x);
    cr_assert(ad_branch(ad_less(x, ad_num(0.11))));
    y = ad_exp(y);
    ad_set(x, 3);
    ad_check_report *r = ad_check(y, 1, &x, NULL, NULL);
    cr_expect_eq(r->status, AD_BRANCH_CHANGED);
    cr_expect_eq(ad_check_verdict(r), AD_INCONCLUSIVE);
    cr_expect_eq(ad_value(x), 3);
    ad_check_free(r);
    ad_tape_free(tape);
}

Test(check, operands_of_every_node_that_leads_to_y_are_checked) {
    bench b = FORMULA("h = tanh(a*b); sum(h, a, b, h*h, 2, sin(h))", 0.3, 1.7);
    ad_exp(ad_exp(b.x[0])); /* leads to no result */
    ad_check_report *r = check(&b, NULL);
    cr_expect_eq(r->nodes, 5);
    cr_expect_eq(r->operands, 2 + 1 + 2 + 1 + 5);
    cr_expect_eq(r->local_count[AD_FAIL], 0);
    ad_check_free(r);
    ad_tape_free(b.tape);
}

/* Rounding is a few units of the norm, whatever its size; and where another operand becomes the
 * largest in the first steps, the later ones tell. */
Test(check, folds_pass_alone_and_in_second_derivatives) {
    const struct {
        bench      b;
        ad_verdict first, second;
    } of[] = {
        {FORMULA("norm(a, b, c)", 1, -2, 3), AD_PASS, AD_PASS},
        {FORMULA("norm(a, b)*1e-190", 1e200, 3e200), AD_PASS, AD_PASS},
        {FORMULA("norm(a, b)^2", 0, 0), AD_WEAK, AD_PASS},
        {FORMULA("largest(a*b, b, c)*a", 1.5, 1, 1.5001), AD_WEAK, AD_PASS},
        {FORMULA("exp(largest(a, a*b, a*b*b))", 1, 2), AD_PASS, AD_PASS},
    };
    for (size_t k = 0; k < sizeof of / sizeof *of; k++) {
        const bench      b = of[k].b;
        ad_check_report *r = ad_check(b.y, b.n, b.x, NULL, &(ad_check_options){.second = true});
        cr_expect_eq(ad_check_verdict(r), of[k].first, "%zu: %s", k, printed(r, AD_TEXT));
        cr_expect_eq(r->second_verdict, of[k].second, "%zu: %s", k, printed(r, AD_TEXT));
        cr_expect_eq(r->local_count[AD_FAIL], 0, "%zu", k);
        ad_check_free(r);
        ad_tape_free(b.tape);
    }
}

Test(check, forward_agrees_with_reverse) {
    bench b = FORMULA("h = tanh(a*b); logsumexp(h, a, b, c) + dot(a, h, h, c)*h", 0.3, 1.7, 2.2);
    ad_check_report *r = check(&b, NULL);
    cr_expect_eq(r->sweep, AD_PASS);
    cr_expect(r->repeatable && r->sweep_node == SIZE_MAX);
    cr_expect(r->sweep_gap <= r->sweep_tolerance &&
              r->sweep_tolerance < 1e-12 * fabs(r->forward) + 1e-12);
    ad_check_free(r);
    ad_tape_free(b.tape);
}

Test(check, taylor_slope_is_two_when_the_gradient_is_right) {
    bench            b = FORMULA("exp(a)*sin(b) + a*b", 0.3, 1.7);
    ad_check_report *r = check(&b, NULL), *wrong = check(&b, VALUES(1, 1));
    cr_expect_float_eq(r->taylor, 2, 0.1);
    cr_expect_float_eq(wrong->taylor, 1, 0.2);
    ad_check_free(r), ad_check_free(wrong);
    ad_tape_free(b.tape);
}

/* ---- bad input ------------------------------------------------------------------------------- */

static void expect_refused(ad_check_report *r, ad_status status) {
    cr_assert_not_null(r);
    cr_expect_eq(r->status, status, "%s", r->message);
    cr_expect_eq(ad_check_verdict(r), AD_INCONCLUSIVE);
    cr_expect(*r->message != '\0');
    cr_expect(strlen(printed(r, AD_TEXT)) > 0 && printed(r, AD_JSON)[0] == '{');
    ad_check_free(r);
}

Test(check, bad_arguments_are_a_status_and_a_sentence) {
    ad_tape     *tape = ad_tape_new(), *other = ad_tape_new();
    ad_var       x = ad_input(tape, 2), y = ad_exp(x), z = ad_input(other, 1), number = ad_num(1);
    const size_t shape[] = {2, SIZE_MAX};
    expect_refused(ad_check(number, 1, &x, NULL, NULL), AD_BAD_ARGUMENT);
    expect_refused(ad_check(y, 1, &number, NULL, NULL), AD_BAD_ARGUMENT);
    expect_refused(ad_check(y, 1, &y, NULL, NULL), AD_BAD_ARGUMENT);
    expect_refused(ad_check(y, 0, NULL, NULL, NULL), AD_OK);
    expect_refused(ad_check(y, 1, &x, NULL, &(ad_check_options){.rtol = -1}), AD_BAD_ARGUMENT);
    expect_refused(ad_check(y, 1, &x, NULL, &(ad_check_options){.rtol = NAN}), AD_BAD_ARGUMENT);
    expect_refused(
        ad_check(y, 1, &x, NULL,
                 &(ad_check_options){.blocks = 1, .block = &(ad_check_block){"w", 2, shape}}),
        AD_BAD_ARGUMENT);
    expect_refused(ad_check(y, 1, &x, NULL, &(ad_check_options){.blocks = 1}), AD_BAD_ARGUMENT);
    expect_refused(
        ad_check(y, 1, &x, NULL,
                 &(ad_check_options){.blocks = 1,
                                     .block = &(ad_check_block){"w", 2, (const size_t[]){0, 3}}}),
        AD_BAD_ARGUMENT);
    cr_expect_eq(ad_tape_status(tape), AD_OK);
    expect_refused(ad_check(y, 1, &z, NULL, NULL), AD_TWO_TAPES);
    expect_refused(ad_check(y, 1, &x, NULL, NULL), AD_TWO_TAPES); /* the first error sticks */
    ad_tape_free(tape), ad_tape_free(other);
}

Test(check, nothing_to_ask_of_no_report) {
    cr_expect_eq(ad_check_verdict(NULL), AD_INCONCLUSIVE);
    cr_expect_eq(ad_check_coordinate(NULL, 0), AD_INCONCLUSIVE);
    cr_expect_eq(ad_check_print(NULL, AD_TEXT, stdout), AD_NO_MEMORY);
    ad_check_free(NULL);
    bench            b = FORMULA("a*a", 2);
    ad_check_report *r = check(&b, NULL);
    cr_expect_eq(ad_check_coordinate(r, 1), AD_INCONCLUSIVE);
    cr_expect_eq(ad_check_print(r, (ad_format)9, stdout), AD_BAD_ARGUMENT);
    cr_expect_eq(ad_check_print(r, AD_TEXT, NULL), AD_BAD_ARGUMENT);
    ad_check_free(r);
    ad_tape_free(b.tape);
}

Test(check, direction_of_zeros_is_inconclusive) {
    bench            b = FORMULA("a*b", 2, 3);
    ad_check_report *r =
        ad_check(b.y, 2, b.x, NULL, &(ad_check_options){.direction = VALUES(0, 0)});
    cr_expect_eq(ad_check_verdict(r), AD_INCONCLUSIVE);
    cr_expect(strstr(r->message, "zero") != NULL, "%s", r->message);
    ad_check_free(r);
    ad_tape_free(b.tape);
}

Test(check, direction_that_begins_with_a_zero_is_a_direction) {
    bench            b = FORMULA("a*b", 2, 3);
    ad_check_report *r =
        ad_check(b.y, 2, b.x, NULL, &(ad_check_options){.direction = VALUES(0, 1)});
    cr_expect_eq(ad_check_verdict(r), AD_PASS);
    ad_check_free(r);
    ad_tape_free(b.tape);
}

Test(check, given_direction_is_the_only_one_checked) {
    bench            b = FORMULA("a*b", 2, 3);
    ad_check_report *r =
        ad_check(b.y, 2, b.x, VALUES(3, 99), &(ad_check_options){.direction = VALUES(1, 0)});
    cr_expect_eq(ad_check_verdict(r), AD_PASS);
    cr_expect_eq(r->lines, 1);
    ad_check_free(r);
    r = ad_check(b.y, 2, b.x, VALUES(3, 99), &(ad_check_options){.direction = VALUES(1, 1)});
    cr_expect_eq(ad_check_verdict(r), AD_FAIL);
    ad_check_free(r);
    r = ad_check(b.y, 2, b.x, NULL, &(ad_check_options){.direction = VALUES(NAN, 1)});
    cr_expect_neq(ad_check_verdict(r), AD_PASS);
    ad_check_free(r);
    ad_tape_free(b.tape);
}

/* ---- a function ------------------------------------------------------------------------------ */

static double rosenbrock(size_t n, const double x[], void *context) {
    double total = 0;
    (void)context;
    for (size_t i = 0; i + 1 < n; i++) {
        const double d = x[i + 1] - x[i] * x[i];
        total += 100 * d * d + (1 - x[i]) * (1 - x[i]);
    }
    return total;
}

static void rosenbrock_gradient(size_t n, const double x[], double grad[]) {
    memset(grad, 0, n * sizeof *grad);
    for (size_t i = 0; i + 1 < n; i++) {
        const double d = x[i + 1] - x[i] * x[i];
        grad[i] += -400 * x[i] * d - 2 * (1 - x[i]);
        grad[i + 1] += 200 * d;
    }
}

enum { LARGE = 2000 };

static void large(double x[LARGE], double grad[LARGE]) {
    uint64_t state = 7;
    for (int i = 0; i < LARGE; i++) x[i] = random_uniform(&state, -1.5, 1.5);
    rosenbrock_gradient(LARGE, x, grad);
}

Test(check, function_without_a_tape_is_checked) {
    const double x[] = {-1.2, 1, 0.7};
    double       grad[3];
    rosenbrock_gradient(3, x, grad);
    ad_check_report *r = ad_check_function(rosenbrock, NULL, 3, x, grad, NULL);
    cr_expect_eq(ad_check_verdict(r), AD_PASS);
    cr_expect_not(r->has_tape);
    ad_check_free(r);
    grad[1] *= 1 + 1e-7;
    r = ad_check_function(rosenbrock, NULL, 3, x, grad, NULL);
    cr_expect_eq(ad_check_verdict(r), AD_FAIL);
    cr_expect_eq(ad_check_coordinate(r, 1), AD_FAIL);
    cr_expect(strstr(r->message, "x[1]") != NULL, "%s", r->message);
    ad_check_free(r);
}

Test(check, many_coordinates_are_checked_along_directions) {
    static double x[LARGE], grad[LARGE];
    large(x, grad);
    ad_check_report *r = ad_check_function(rosenbrock, NULL, LARGE, x, grad, NULL);
    cr_expect_eq(ad_check_verdict(r), AD_PASS);
    cr_expect_lt(r->evaluations, 1000);
    for (size_t i = 0; i < LARGE; i++) cr_expect_eq(ad_check_coordinate(r, i), AD_PASS);
    ad_check_free(r);
}

Test(check, bisection_finds_the_wrong_coordinates_among_many) {
    static double x[LARGE], grad[LARGE];
    large(x, grad);
    grad[357] *= 1.001, grad[358] += 0.1, grad[1999] *= -1;
    ad_check_report *r = ad_check_function(rosenbrock, NULL, LARGE, x, grad, NULL);
    cr_expect_eq(ad_check_verdict(r), AD_FAIL);
    size_t failed = 0;
    for (size_t i = 0; i < LARGE; i++) failed += ad_check_coordinate(r, i) == AD_FAIL;
    cr_expect_eq(failed, 3);
    cr_expect_eq(ad_check_coordinate(r, 357), AD_FAIL);
    cr_expect_eq(ad_check_coordinate(r, 358), AD_FAIL);
    cr_expect_eq(ad_check_coordinate(r, 1999), AD_FAIL);
    ad_check_free(r);
}

Test(check, claim_that_is_not_finite_does_not_hide_others_among_many) {
    static double x[LARGE], grad[LARGE];
    large(x, grad);
    grad[12] = NAN, grad[357] *= 1.001;
    ad_check_report *r = ad_check_function(rosenbrock, NULL, LARGE, x, grad, NULL);
    cr_expect_eq(ad_check_verdict(r), AD_FAIL);
    cr_expect_eq(ad_check_coordinate(r, 12), AD_FAIL);
    cr_expect_eq(ad_check_coordinate(r, 357), AD_FAIL);
    ad_check_free(r);
}

Test(check, blocks_name_their_coordinates) {
    static double        x[LARGE], grad[LARGE];
    const size_t         weight[] = {30, 66}, bias[] = {20};
    const ad_check_block blocks[] = {{"weight", 2, weight}, {"bias", 1, bias}};
    large(x, grad);
    grad[2 * 66 + 5] *= 2;
    ad_check_report *r = ad_check_function(rosenbrock, NULL, LARGE, x, grad,
                                           &(ad_check_options){.blocks = 2, .block = blocks});
    cr_expect_eq(ad_check_verdict(r), AD_FAIL);
    cr_expect(strstr(r->message, "weight[2][5]") != NULL, "%s", r->message);
    cr_expect_eq(ad_check_coordinate(r, 1985), AD_PASS);
    ad_check_free(r);
}

/* x0 + 2 x1 + 3 x2 + ..., counting its calls. */
static double ramp(size_t n, const double x[], void *context) {
    size_t *calls = context;
    double  total = 0;
    for (size_t i = 0; i < n; i++) total += (double)(i + 1) * x[i];
    if (calls != NULL) ++*calls;
    return total;
}

enum { RAMP = 300 };

static void up(double x[RAMP], double grad[RAMP]) {
    for (int i = 0; i < RAMP; i++) x[i] = i % 7 - 3, grad[i] = i + 1;
}

static void expect_lines(const ad_check_report *r, size_t n, const char *const names[]) {
    cr_expect_eq(r->lines, n, "%s", printed(r, AD_TEXT));
    for (size_t i = 0; i < n && i < r->lines; i++)
        cr_expect(strcmp(r->line[i].name, names[i]) == 0, "line %zu is %s, not %s", i,
                  r->line[i].name, names[i]);
}

/* A number, a row, a large table and a small one: 1 + 3 + 12 + 2 coordinates. */
static const ad_check_block mixed[] = {
    {"table", 2, (const size_t[]){3, 4}},
    {"number", 0, NULL},
    {"row", 1, (const size_t[]){3}},
    {"pair", 2, (const size_t[]){1, 2}},
};
enum { MIXED = 18 };

Test(check, coordinates_of_blocks_are_named_in_order) {
    static const char *const names[MIXED] = {
        "table[0][0]", "table[0][1]", "table[0][2]", "table[0][3]", "table[1][0]", "table[1][1]",
        "table[1][2]", "table[1][3]", "table[2][0]", "table[2][1]", "table[2][2]", "table[2][3]",
        "number",      "row[0]",      "row[1]",      "row[2]",      "pair[0][0]",  "pair[0][1]"};
    double x[RAMP], grad[RAMP];
    up(x, grad);
    ad_check_report *r =
        ad_check_function(ramp, NULL, MIXED, x, grad,
                          &(ad_check_options){.blocks = 4, .block = mixed, .coordinates = MIXED});
    expect_lines(r, MIXED, names);
    for (size_t i = 0; i < r->lines; i++)
        cr_expect(r->line[i].coordinate == i && r->line[i].claimed == (double)i + 1);
    cr_expect_eq(ad_check_verdict(r), AD_PASS);
    cr_expect_str_eq(r->message, AGREES);
    ad_check_free(r);
}

/* Four directions for the table, the others one by one. A wrong coordinate is searched for in its
 * block only. */
Test(check, blocks_of_more_than_four_go_along_directions) {
    static const char *const right[] = {"table",  "table",  "table",  "table",      "number",
                                        "row[0]", "row[1]", "row[2]", "pair[0][0]", "pair[0][1]"};
    static const char *const wrong[] = {"table",  "table[0][0]", "number",     "row[0]",
                                        "row[1]", "row[2]",      "pair[0][0]", "pair[0][1]"};
    const ad_check_options   o = {.blocks = 4, .block = mixed, .coordinates = MIXED - 1};
    double                   x[RAMP], grad[RAMP];
    up(x, grad);
    ad_check_report *r = ad_check_function(ramp, NULL, MIXED, x, grad, &o);
    expect_lines(r, 10, right);
    for (size_t i = 0; i < MIXED; i++) cr_expect_eq(ad_check_coordinate(r, i), AD_PASS, "%zu", i);
    ad_check_free(r);
    grad[0] = 1.5;
    r = ad_check_function(ramp, NULL, MIXED, x, grad, &o);
    expect_lines(r, 8, wrong);
    for (size_t i = 0; i < MIXED; i++)
        cr_expect_eq(ad_check_coordinate(r, i),
                     i == 0   ? AD_FAIL
                     : i < 12 ? AD_INCONCLUSIVE
                              : AD_PASS,
                     "%zu", i);
    cr_expect_str_eq(r->message, "the claimed gradient is wrong, first at table[0][0]");
    cr_expect(r->line[1].coordinate == 0 && r->line[0].coordinate == SIZE_MAX);
    ad_check_free(r);
}

Test(check, second_of_two_large_blocks_is_checked_apart) {
    static const char *const names[] = {"left", "left[0]", "right", "right[4]"};
    const ad_check_block     two[] = {{"left", 1, (const size_t[]){8}},
                                      {"right", 1, (const size_t[]){9}}};
    double                   x[RAMP], grad[RAMP];
    up(x, grad);
    grad[0] += 1, grad[12] += 1;
    ad_check_report *r = ad_check_function(
        ramp, NULL, 17, x, grad, &(ad_check_options){.blocks = 2, .block = two, .coordinates = 16});
    expect_lines(r, 4, names);
    cr_expect(fabs(r->line[1].gap - 1) < 1e-6 && fabs(r->line[3].gap - 1) < 1e-6);
    grad[12] -= 1;
    ad_check_free(r);
    r = ad_check_function(ramp, NULL, 17, x, grad,
                          &(ad_check_options){.blocks = 2, .block = two, .coordinates = 16});
    for (size_t i = 0; i < 17; i++)
        cr_expect_eq(ad_check_coordinate(r, i),
                     i == 0  ? AD_FAIL
                     : i < 8 ? AD_INCONCLUSIVE
                             : AD_PASS,
                     "%zu", i);
    ad_check_free(r);
}

Test(check, blocks_must_hold_every_coordinate_once) {
    const struct {
        size_t         blocks;
        ad_check_block block[3];
    } bad[] = {
        {1, {{NULL, 0, NULL}}},
        {1, {{"w", 1, NULL}}},
        {1, {{"w", 1, (const size_t[]){5}}}},
        {1, {{"w", 1, (const size_t[]){7}}}},
        {2, {{"v", 1, (const size_t[]){4}}, {"w", 1, (const size_t[]){4}}}},
        {2, {{"v", 1, (const size_t[]){6}}, {"w", 0, NULL}}},
        {2, {{"v", 1, (const size_t[]){6}}, {"w", 2, (const size_t[]){SIZE_MAX, 2}}}},
        {3,
         {{"u", 1, (const size_t[]){3}},
          {"v", 1, (const size_t[]){4}},
          {"w", 1, (const size_t[]){SIZE_MAX}}}},
    };
    double x[RAMP], grad[RAMP];
    char   want[100];
    up(x, grad);
    for (size_t k = 0; k < sizeof bad / sizeof *bad; k++) {
        ad_check_report *r =
            ad_check_function(ramp, NULL, 6, x, grad,
                              &(ad_check_options){.blocks = bad[k].blocks, .block = bad[k].block});
        snprintf(want, sizeof want,
                 "the %zu blocks do not cover the 6 coordinates, each of them once", bad[k].blocks);
        cr_expect(r->status == AD_BAD_ARGUMENT && strcmp(r->message, want) == 0, "%zu: %s", k,
                  r->message);
        ad_check_free(r);
    }
    const ad_check_block good[] = {
        {"none", 1, (const size_t[]){0}}, {"v", 1, (const size_t[]){5}}, {"w", 0, NULL}};
    ad_check_report *r =
        ad_check_function(ramp, NULL, 6, x, grad, &(ad_check_options){.blocks = 3, .block = good});
    cr_expect_eq(ad_check_verdict(r), AD_PASS, "%s", r->message);
    ad_check_free(r);
}

Test(check, long_names_are_cut_off) {
    char   name[200] = {0}, want[100], nodes_want[128] = {0};
    double x[RAMP], grad[RAMP];
    memset(name, 'n', sizeof name - 1), memset(nodes_want, 'n', 127);
    snprintf(want, sizeof want, "%.80s[1]", name);
    up(x, grad);
    ad_check_report *r = ad_check_function(
        ramp, NULL, 2, x, grad,
        &(ad_check_options){.blocks = 1, .block = &(ad_check_block){name, 1, (const size_t[]){2}}});
    cr_expect_str_eq(r->line[1].name, want);
    ad_check_free(r);
    bench b = FORMULA("a*a", 2);
    ad_name(b.x[0], name);
    r = check(&b, NULL);
    cr_expect_str_eq(r->line[0].name, nodes_want);
    ad_check_free(r);
    ad_tape_free(b.tape);
}

/* If many are wrong, eight are looked up. The same goes for claims that are NaN; further ones fail
 * without being looked up. */
Test(check, eight_wrong_coordinates_are_looked_up) {
    double x[RAMP], grad[RAMP];
    size_t failed = 0, lines = 0;
    up(x, grad);
    for (int i = 0; i < 12; i++) grad[20 * i + 7] += 1;
    ad_check_report *r = ad_check_function(ramp, NULL, RAMP, x, grad, NULL);
    for (size_t i = 0; i < RAMP; i++) failed += ad_check_coordinate(r, i) == AD_FAIL;
    cr_expect_eq(failed, 8);
    cr_expect_eq(r->lines, 1 + 8, "no coordinate is looked at that is right: %s",
                 printed(r, AD_TEXT));
    cr_expect_str_eq(r->message, "the claimed gradient is wrong, first at x[7]");
    ad_check_free(r);
    up(x, grad), failed = 0;
    for (int i = 0; i < 10; i++) grad[20 * i] = i % 2 == 0 ? NAN : INFINITY;
    r = ad_check_function(ramp, NULL, RAMP, x, grad, NULL);
    for (size_t i = 0; i < RAMP; i++) failed += ad_check_coordinate(r, i) == AD_FAIL;
    for (size_t i = 0; i < r->lines; i++) lines += r->line[i].verdict == AD_FAIL;
    cr_expect(failed == 10 && lines == 8, "%zu, %zu", failed, lines);
    cr_expect_eq(ad_check_coordinate(r, 1), AD_PASS);
    ad_check_free(r);
}

Test(check, calls_are_counted_and_a_straight_line_costs_four) {
    const double x[3] = {0}, grad[] = {1, 2, 3};
    size_t       calls[3] = {0};
    for (size_t n = 1; n <= 3; n++) {
        ad_check_report *r = ad_check_function(ramp, &calls[n - 1], n, x, grad, NULL);
        cr_expect_eq(r->evaluations, calls[n - 1]);
        cr_expect(r->value == 0 && isnan(r->taylor));
        ad_check_free(r);
    }
    cr_expect(calls[1] - calls[0] == 4 && calls[2] - calls[1] == 4, "%zu %zu %zu", calls[0],
              calls[1], calls[2]);
}

/* Four evaluations for each coordinate, 40 more if they are not enough, 20 for the Taylor line, and
 * the value before and after: the first example of docs/checking.md. */
Test(check, replays_are_counted) {
    bench            b = FORMULA("(a + b)*(b + 1)", 2, 1);
    ad_check_report *r = check(&b, NULL);
    cr_expect_eq(r->evaluations, 2 * 44 + 20 + 2);
    cr_expect_str_eq(r->message, AGREES);
    ad_check_free(r);
    r = check(&b, VALUES(2, 5));
    cr_expect_str_eq(r->message, AGREES);
    ad_check_free(r);
    ad_tape_free(b.tape);
}

Test(check, taylor_slope_is_not_taken_along_a_given_direction) {
    const double x[] = {-1.2, 1, 0.7};
    double       grad[3];
    rosenbrock_gradient(3, x, grad);
    ad_check_report *r = ad_check_function(rosenbrock, NULL, 3, x, grad, NULL);
    cr_expect_float_eq(r->taylor, 2, 0.1);
    ad_check_free(r);
    r = ad_check_function(rosenbrock, NULL, 3, x, grad,
                          &(ad_check_options){.direction = VALUES(0.5, 0.25, 0)});
    cr_expect(isnan(r->taylor) && ad_check_verdict(r) == AD_PASS);
    cr_expect_str_eq(r->message, "the derivative along the direction agrees with differences");
    cr_expect(r->lines == 1 && strcmp(r->line[0].name, "direction") == 0 &&
              r->line[0].coordinate == SIZE_MAX);
    cr_expect(close_to(r->line[0].claimed, 0.5 * grad[0] + 0.25 * grad[1], 1e-14, 0));
    ad_check_free(r);
}

static double counts(size_t n, const double x[], void *context) {
    int *calls = context;
    (void)n;
    return x[0] + 1e-12 * ++*calls;
}

static double drifts(size_t n, const double x[], void *context) {
    int *calls = context;
    (void)n;
    return x[0] + (++*calls > 20);
}

Test(check, function_that_is_not_deterministic_is_said_to_be) {
    int              calls = 0;
    const double     x[] = {1}, one[] = {1};
    ad_check_report *r = ad_check_function(counts, &calls, 1, x, one, NULL);
    cr_expect_eq(ad_check_verdict(r), AD_UNSTABLE);
    cr_expect_eq(ad_check_coordinate(r, 0), AD_UNSTABLE);
    cr_expect(strstr(r->message, "deterministic") != NULL, "%s", r->message);
    ad_check_free(r);
    calls = 0;
    r = ad_check_function(drifts, &calls, 1, x, one, NULL);
    cr_expect_eq(ad_check_coordinate(r, 0), AD_UNSTABLE);
    cr_expect_eq(ad_check_verdict(r), AD_UNSTABLE);
    ad_check_free(r);
}

static double lonely(size_t n, const double x[], void *context) {
    (void)n, (void)context;
    return x[0] == 1 ? 5 : NAN;
}

static double nowhere(size_t n, const double x[], void *context) {
    (void)n, (void)context;
    return 0 * x[0] + NAN;
}

Test(check, function_without_values_is_no_pass) {
    const double  x[] = {1}, zero[] = {0}, nan[] = {NAN};
    const double *claims[] = {zero, nan};
    for (int i = 0; i < 2; i++) {
        ad_check_report *r = ad_check_function(lonely, NULL, 1, x, claims[i], NULL);
        cr_expect_eq(ad_check_verdict(r), AD_DOMAIN);
        ad_check_free(r);
        r = ad_check_function(nowhere, NULL, 1, x, claims[i], NULL);
        cr_expect_eq(ad_check_verdict(r), AD_DOMAIN);
        ad_check_free(r);
    }
}

Test(check, arguments_of_a_function_are_asked_about) {
    const double x[] = {1};
    expect_refused(ad_check_function(NULL, NULL, 1, x, x, NULL), AD_BAD_ARGUMENT);
    expect_refused(ad_check_function(lonely, NULL, 1, NULL, x, NULL), AD_BAD_ARGUMENT);
    expect_refused(ad_check_function(lonely, NULL, 1, x, NULL, NULL), AD_BAD_ARGUMENT);
    expect_refused(ad_check_function(lonely, NULL, 0, NULL, NULL, NULL), AD_OK);
}

/* ---- a program ------------------------------------------------------------------------------- */

Test(check, gradient_of_a_program_is_checked_over_its_rows) {
    ad_tape *tape = ad_tape_new();
    ad_var   w[3], in[2];
    for (int i = 0; i < 3; i++) w[i] = ad_input(tape, 0.1 * i);
    for (int i = 0; i < 2; i++) in[i] = ad_input(tape, 1);
    const ad_var all[] = {w[0], w[1], w[2], in[0], in[1]};
    ad_var       y = ad_parse(tape, "(tanh(a*x + b) + c*x*x - t)^2", 5, "a, b, c, x, t", all);
    ad_program  *program = ad_compile(&(ad_interface){
         .params = 3, .param = w, .inputs = 2, .input = in, .outputs = 1, .output = &y});
    double       example[20], param[] = {0.3, -0.2, 1.1};
    uint64_t     state = 3;
    for (int i = 0; i < 20; i++) example[i] = random_uniform(&state, -1, 1);
    ad_check_report *r = ad_check_program(program, param, 10, example, NULL);
    cr_expect_eq(ad_check_verdict(r), AD_PASS, "%s", printed(r, AD_TEXT));
    cr_expect_eq(r->n, 3);
    ad_check_free(r);
    expect_refused(ad_check_program(program, param, 0, example, NULL), AD_BAD_ARGUMENT);
    expect_refused(ad_check_program(NULL, param, 10, example, NULL), AD_BAD_ARGUMENT);
    ad_program_free(program);
    ad_tape_free(tape);
}

static const ad_check_line *line_called(const ad_check_report *r, const char *name) {
    for (size_t i = 0; i < r->lines; i++)
        if (strcmp(r->line[i].name, name) == 0) return &r->line[i];
    return NULL;
}

/* w*x by an operation with lane functions of its own, some of which may be wrong. */
static double times_value(size_t n, const double x[], void *context) {
    (void)n, (void)context;
    return x[0] * x[1];
}
static void times_partials(size_t n, const double x[], double v, double partial[], void *context) {
    (void)n, (void)v, (void)context;
    partial[0] = x[1], partial[1] = x[0];
}
static void times_lanes(size_t n, size_t width, const double *const x[], double v[],
                        void *context) {
    (void)n, (void)context;
    for (size_t l = 0; l < width; l++) v[l] = x[0][l] * x[1][l];
}
static void shifted_lane(size_t n, size_t width, const double *const x[], double v[],
                         void *context) {
    times_lanes(n, width, x, v, context);
    if (width > 5) v[5] += 1e-6;
}
static void right_lane_partials(size_t n, size_t width, const double *const x[], const double v[],
                                double *const partial[], void *context) {
    (void)n, (void)v, (void)context;
    for (size_t l = 0; l < width; l++) partial[0][l] = x[1][l], partial[1][l] = x[0][l];
}
static void first_lanes_wrong_but_not_their_mean(size_t n, size_t width, const double *const x[],
                                                 const double v[], double *const partial[],
                                                 void *context) {
    right_lane_partials(n, width, x, v, partial, context);
    partial[0][0] += 1e-6;
    if (width > 1) partial[0][1] -= 1e-6;
}

enum { TIMES_ROWS = 9 };

/* The mean of w*x + sin(w) over nine rows. */
static ad_check_report *check_times(const ad_custom_op *op, const ad_check_options *options) {
    ad_tape    *tape = ad_tape_new();
    ad_var      w[] = {ad_input(tape, 0.5), ad_input(tape, 1)};
    ad_var      y = ad_add(ad_custom(tape, op, 2, w, NULL), ad_sin(w[0]));
    ad_program *program = ad_compile(&(ad_interface){
        .params = 1, .param = w, .inputs = 1, .input = w + 1, .outputs = 1, .output = &y});
    double      input[TIMES_ROWS];
    for (int i = 0; i < TIMES_ROWS; i++) input[i] = 1 + 0.25 * i;
    cr_assert_not_null(program, "%s", ad_tape_message(tape));
    ad_check_report *r = ad_check_program(program, VALUES(0.5), TIMES_ROWS, input, options);
    cr_assert_not_null(r);
    ad_program_free(program);
    ad_tape_free(tape);
    return r;
}

Test(check, rows_of_a_program_are_checked_alone_and_all_but_one) {
    const ad_custom_op op = {
        "times", 2, times_value, times_partials, times_lanes, right_lane_partials, NULL};
    const char *const names[] = {"row 0 alone", "row 4 alone", "row 8 alone",
                                 "all rows but the last"};
    ad_check_report  *r = check_times(&op, NULL);
    cr_expect_eq(ad_check_verdict(r), AD_PASS, "%s", printed(r, AD_TEXT));
    cr_expect_eq(r->lines, 1 + 4);
    for (size_t i = 0; i < 4; i++) {
        const ad_check_line *l = line_called(r, names[i]);
        cr_assert(l != NULL && l->coordinate == SIZE_MAX && l->verdict == AD_PASS, "%s", names[i]);
    }
    /* d/dw of w*x + sin(w) at the last row, along +-1 */
    cr_expect(close_to(fabs(line_called(r, names[2])->estimate), 3 + cos(0.5), 1e-9, 0));
    ad_check_free(r);
}

/* A program run on one, two and three rows: each sampled row alone; all but the last only if there
 * are more than two. */
Test(check, rows_alone_are_the_first_the_one_in_the_middle_and_the_last) {
    static const char *const one[] = {"x[0]"}, *const two[] = {"w", "row 0 alone", "row 1 alone"},
                             *const three[] = {"w", "row 0 alone", "row 1 alone", "row 2 alone",
                                               "all rows but the last"},
                             *const ten[] = {"w", "row 0 alone", "row 5 alone", "row 9 alone",
                                             "all rows but the last"};
    const struct {
        size_t             rows, lines;
        const char *const *names;
    } of[] = {{1, 1, one}, {2, 3, two}, {3, 5, three}, {10, 5, ten}};
    ad_tape    *tape = ad_tape_new();
    ad_var      w[] = {ad_input(tape, 0.5), ad_input(tape, 1)}, y = ad_sin(ad_mul(w[0], w[1]));
    ad_program *program = ad_compile(&(ad_interface){
        .params = 1, .param = w, .inputs = 1, .input = w + 1, .outputs = 1, .output = &y});
    double      input[10];
    size_t      before = 0;
    for (int i = 0; i < 10; i++) input[i] = 1 + 0.25 * i;
    for (size_t k = 0; k < 4; k++) {
        ad_check_report *r = ad_check_program(program, VALUES(0.5), of[k].rows, input, NULL);
        cr_expect(ad_check_verdict(r) == AD_PASS && strcmp(r->message, AGREES) == 0, "%s",
                  printed(r, AD_TEXT));
        cr_expect_eq(r->lines, of[k].lines, "%s", printed(r, AD_TEXT));
        for (size_t i = 1; i < r->lines; i++) cr_expect_str_eq(r->line[i].name, of[k].names[i]);
        cr_expect_eq(k == 0 || r->evaluations > before + 250 * (of[k].lines - of[k - 1].lines),
                     true, "%zu", r->evaluations);
        before = r->evaluations;
        ad_check_free(r);
    }
    ad_program_free(program);
    ad_tape_free(tape);
}

/* w*x, but 2^-20 more for the x given by the context unless it is in the first lane. */
static void shifted_for(size_t n, size_t width, const double *const x[], double v[],
                        void *context) {
    times_lanes(n, width, x, v, context);
    for (size_t l = 1; l < width; l++)
        if (x[1][l] == *(const double *)context) v[l] += 0x1p-20;
}

/* Of 132 rows every third one is compared, and the last. */
Test(check, value_of_every_third_row_of_132_is_held_against_itself_alone) {
    enum { ROWS_ = 132 };
    const ad_custom_op op = {"shifted",           2,   times_value, times_partials, shifted_for,
                             right_lane_partials, NULL};
    const double       which[] = {3, 4, 66, 129, 130, 131};
    double             input[ROWS_], wrong = -1;
    ad_tape           *tape = ad_tape_new();
    ad_var             w[] = {ad_input(tape, 0.5), ad_input(tape, 1)};
    ad_var             y[] = {ad_mul(w[0], w[0]), ad_custom(tape, &op, 2, w, &wrong)};
    for (int i = 0; i < ROWS_; i++) input[i] = i;
    for (size_t outputs = 1; outputs <= 2; outputs++) {
        ad_program *program = ad_compile(&(ad_interface){.params = 1,
                                                         .param = w,
                                                         .inputs = 1,
                                                         .input = w + 1,
                                                         .outputs = outputs,
                                                         .output = y + 2 - outputs});
        cr_assert_not_null(program, "%s", ad_tape_message(tape));
        for (size_t k = 0; k < sizeof which / sizeof *which; k++) {
            char name[40];
            wrong = which[k];
            ad_check_report *r = ad_check_program(program, VALUES(0.5), ROWS_, input, NULL);
            snprintf(name, sizeof name,
                     outputs == 1 ? "value of row %g" : "value of row %g, output 1", wrong);
            const ad_check_line *l = line_called(r, name);
            const bool           seen = wrong != 4 && wrong != 130;
            cr_expect_eq(l != NULL, seen, "%s: %s", name, printed(r, AD_TEXT));
            cr_expect_eq(ad_check_verdict(r) == AD_FAIL, seen, "%s: %s", name, printed(r, AD_TEXT));
            if (l != NULL)
                cr_expect(l->claimed == 0.5 * wrong + 0x1p-20 && l->estimate == 0.5 * wrong &&
                              l->error == 0 && l->gap == 0x1p-20 && isnan(l->step) &&
                              l->coordinate == SIZE_MAX,
                          "%s", printed(r, AD_JSON));
            ad_check_free(r);
        }
        ad_program_free(program);
    }
    ad_tape_free(tape);
}

/* From 1 on floor(w) picks an element that does not exist. With so small an rtol the cheap case,
 * whose steps stop short of that, is not used. */
Test(check, program_that_fails_beside_the_parameters_says_so) {
    ad_tape *tape = ad_tape_new();
    ad_var   w = ad_input(tape, 0.9), square = ad_mul(w, w), y = ad_pick(ad_floor(w), 1, &square);
    ad_program *program =
        ad_compile(&(ad_interface){.params = 1, .param = &w, .outputs = 1, .output = &y});
    cr_assert_not_null(program, "%s", ad_tape_message(tape));
    ad_check_report *r =
        ad_check_program(program, VALUES(0.9), 1, NULL, &(ad_check_options){.rtol = 1e-12});
    cr_expect(strncmp(r->message, "near these parameters: ", 23) == 0 &&
                  strstr(r->message, "pick") != NULL,
              "%s", printed(r, AD_TEXT));
    cr_expect(r->status == AD_OK && ad_check_verdict(r) == AD_PASS, "%s", printed(r, AD_TEXT));
    ad_check_free(r);
    r = ad_check_program(program, VALUES(0.9), 1, NULL, &(ad_check_options){.rtol = -1});
    cr_expect_str_eq(r->message, "rtol is -1: a finite number, not below 0, is needed");
    ad_check_free(r);
    ad_program_free(program);
    ad_tape_free(tape);
}

Test(check, direction_given_to_a_program_is_the_only_one) {
    const ad_custom_op op = {
        "times", 2, times_value, times_partials, times_lanes, right_lane_partials, NULL};
    ad_check_report *r = check_times(&op, &(ad_check_options){.direction = VALUES(2)});
    cr_expect(r->lines == 1 && ad_check_verdict(r) == AD_PASS);
    ad_check_free(r);
}

Test(check, row_with_another_value_among_others_than_alone_fails) {
    const ad_custom_op op = {"shifted",           2,   times_value, times_partials, shifted_lane,
                             right_lane_partials, NULL};
    ad_check_report   *r = check_times(&op, NULL);
    cr_expect_eq(ad_check_verdict(r), AD_FAIL, "%s", printed(r, AD_TEXT));
    cr_expect_eq(ad_check_coordinate(r, 0), AD_PASS, "the mean gradient is right");
    cr_assert_not_null(line_called(r, "value of row 5"), "%s", printed(r, AD_TEXT));
    cr_expect_float_eq(line_called(r, "value of row 5")->gap, 1e-6, 1e-12);
    cr_expect(strstr(r->message, "row 5 has the value") != NULL, "%s", r->message);
    ad_check_free(r);
}

Test(check, wrong_gradients_of_rows_that_cancel_in_the_mean_fail) {
    const ad_custom_op op = {
        "cancel", 2, times_value, times_partials, times_lanes, first_lanes_wrong_but_not_their_mean,
        NULL};
    ad_check_report *r = check_times(&op, NULL);
    cr_expect_eq(ad_check_verdict(r), AD_FAIL, "%s", printed(r, AD_TEXT));
    cr_expect_eq(ad_check_coordinate(r, 0), AD_PASS, "the mean gradient is right");
    cr_expect(strstr(r->message, "first at row 0 alone") != NULL, "%s", r->message);
    ad_check_free(r);
}

/* ---- operations of the user's own that return nonsense --------------------------------------- */

/* x*y, or nonsense. The context counts the calls. */
static double product(size_t n, const double x[], void *context) {
    (void)n, (void)context;
    return x[0] * x[1];
}
static void product_partials(size_t n, const double x[], double v, double partial[],
                             void *context) {
    (void)n, (void)v, (void)context;
    partial[0] = x[1], partial[1] = x[0];
}
static double nan_value(size_t n, const double x[], void *context) {
    (void)n, (void)x, (void)context;
    return NAN;
}
static double infinite_value(size_t n, const double x[], void *context) {
    (void)n, (void)x, (void)context;
    return -INFINITY;
}
static double other_each_time(size_t n, const double x[], void *context) {
    (void)n;
    return x[0] * x[1] + 1e-6 * ++*(int *)context;
}
static double other_after_a_while(size_t n, const double x[], void *context) {
    (void)n;
    return x[0] * x[1] + (++*(int *)context > 90);
}
static void nan_partial(size_t n, const double x[], double v, double partial[], void *context) {
    (void)n, (void)v, (void)context;
    partial[0] = NAN, partial[1] = x[0];
}
static void infinite_partials(size_t n, const double x[], double v, double partial[],
                              void *context) {
    (void)n, (void)x, (void)v, (void)context;
    partial[0] = INFINITY, partial[1] = -INFINITY;
}
static void wrong_partial(size_t n, const double x[], double v, double partial[], void *context) {
    (void)n, (void)v, (void)context;
    partial[0] = x[1], partial[1] = x[0] * (1 + 1e-7);
}
static void no_partials(size_t n, const double x[], double v, double partial[], void *context) {
    (void)n, (void)x, (void)v, (void)partial, (void)context;
}
static void other_partials_each_time(size_t n, const double x[], double v, double partial[],
                                     void *context) {
    (void)n, (void)v;
    partial[0] = x[1], partial[1] = x[0] * (1 + 1e-4 * ++*(int *)context);
}
static void records_no_partials(size_t n, const ad_var x[], ad_var v, ad_var partial[],
                                void *context) {
    (void)n, (void)x, (void)v, (void)partial, (void)context;
}
static void records_the_product(size_t n, const ad_var x[], ad_var v, ad_var partial[],
                                void *context) {
    (void)n, (void)v, (void)context;
    partial[0] = x[1], partial[1] = x[0];
}
static void records_nan(size_t n, const ad_var x[], ad_var v, ad_var partial[], void *context) {
    (void)n, (void)v, (void)context;
    partial[0] = ad_log(ad_sub(x[0], ad_num(9))), partial[1] = x[0];
}
static void records_wrong(size_t n, const ad_var x[], ad_var v, ad_var partial[], void *context) {
    (void)n, (void)v, (void)context;
    partial[0] = ad_mul(x[1], ad_num(1 + 1e-7)), partial[1] = x[0];
}
static ad_var stranger; /* a node of another tape */

static void records_elsewhere(size_t n, const ad_var x[], ad_var v, ad_var partial[],
                              void *context) {
    (void)n, (void)x, (void)v, (void)context;
    partial[0] = partial[1] = stranger;
}

static const struct nonsense {
    ad_custom_op op;
    ad_verdict   of_tape, of_program;
    bool         finite_gradient;
} nonsense[] = {
    {{"nan_value", 2, nan_value, product_partials, NULL, NULL, records_the_product},
     AD_DOMAIN,
     AD_DOMAIN,
     false},
    {{"infinite_value", 2, infinite_value, product_partials, NULL, NULL, records_the_product},
     AD_DOMAIN,
     AD_DOMAIN,
     false},
    {{"other_each_time", 2, other_each_time, product_partials, NULL, NULL, records_the_product},
     AD_UNSTABLE,
     AD_UNSTABLE,
     true},
    {{"other_later", 2, other_after_a_while, product_partials, NULL, NULL, records_the_product},
     AD_UNSTABLE,
     AD_UNSTABLE,
     true},
    {{"nan_partial", 2, product, nan_partial, NULL, NULL, records_nan}, AD_FAIL, AD_FAIL, false},
    {{"infinite_partials", 2, product, infinite_partials, NULL, NULL, records_nan},
     AD_FAIL,
     AD_FAIL,
     false},
    {{"no_partials", 2, product, no_partials, NULL, NULL, records_no_partials},
     AD_FAIL,
     AD_FAIL,
     false},
    {{"wrong_partial", 2, product, wrong_partial, NULL, NULL, records_wrong},
     AD_FAIL,
     AD_FAIL,
     true},
    {{"other_partials", 2, product, other_partials_each_time, NULL, NULL, records_wrong},
     AD_FAIL,
     AD_FAIL,
     true},
};
enum { NONSENSE = sizeof nonsense / sizeof *nonsense };

/* a*b*a by the operation: op(op(a, b), a). */
static bench of_nonsense(const ad_custom_op *op, int *calls) {
    bench b = {.tape = ad_tape_new(), .n = 2};
    *calls = 0;
    b.x[0] = ad_input(b.tape, 1.25), b.x[1] = ad_input(b.tape, 0.75);
    const ad_var inner = ad_custom(b.tape, op, 2, b.x, calls);
    b.y = ad_custom(b.tape, op, 2, (ad_var[]){inner, b.x[0]}, calls);
    return b;
}

/* Nothing may be PASS, and everything can be printed. */
static void expect_verdict(ad_check_report *r, const char *name, ad_verdict want) {
    cr_assert_not_null(r, "%s", name);
    cr_expect_eq(ad_check_verdict(r), want, "%s: %s\n%s", name,
                 ad_verdict_text(ad_check_verdict(r)), printed(r, AD_TEXT));
    cr_expect(*r->message != '\0', "%s", name);
    cr_expect(strlen(printed(r, AD_JSON)) > 0 && strlen(printed(r, AD_CSV)) > 0);
    ad_check_free(r);
}

static void expect_no_pass_on_a_tape(const struct nonsense *k) {
    int   calls;
    bench b = of_nonsense(&k->op, &calls);
    expect_verdict(check(&b, NULL), k->op.name, k->of_tape);
    calls = 0;
    expect_verdict(ad_check(b.y, 2, b.x, NULL, &(ad_check_options){.second = true}), k->op.name,
                   k->of_tape);
    cr_expect_eq(ad_tape_status(b.tape), AD_OK, "%s", ad_tape_message(b.tape));
    ad_tape_free(b.tape);
}

Test(check, nonsense_of_an_operation_is_no_pass_on_a_tape) {
    for (int i = 0; i < NONSENSE; i++) expect_no_pass_on_a_tape(&nonsense[i]);
}

static void expect_no_pass_in_a_program(const struct nonsense *k) {
    int        calls;
    bench      b = of_nonsense(&k->op, &calls);
    /* with an input of the row among the operands, or with params only */
    const bool lanes[] = {true, false};
    for (int l = 0; l < 2; l++) {
        ad_program *program = ad_compile(&(ad_interface){.params = lanes[l] ? 1 : 2,
                                                         .param = b.x,
                                                         .inputs = lanes[l],
                                                         .input = b.x + 1,
                                                         .outputs = 1,
                                                         .output = &b.y});
        cr_assert_not_null(program, "%s", ad_tape_message(b.tape));
        calls = 0;
        expect_verdict(ad_check_program(program, VALUES(1.25, 0.75), 3, VALUES(0.75, -1, 2), NULL),
                       k->op.name, k->of_program);
        ad_program_free(program);
    }
    ad_tape_free(b.tape);
}

Test(check, nonsense_of_an_operation_is_no_pass_in_a_program) {
    for (int i = 0; i < NONSENSE; i++) expect_no_pass_in_a_program(&nonsense[i]);
}

Test(check, nonsense_of_an_operation_reaches_tangents_and_recorded_gradients) {
    for (int i = 0; i < NONSENSE; i++) {
        const struct nonsense *k = &nonsense[i];
        int                    calls;
        bench                  b = of_nonsense(&k->op, &calls);
        ad_var                 grad[2];
        const double           tangent = ad_tangent(b.y, 2, b.x, VALUES(1, 0.5));
        cr_expect_eq(isfinite(tangent) != 0, k->finite_gradient, "%s: %g", k->op.name, tangent);
        ad_record_gradient(b.y, 2, b.x, grad);
        cr_expect_eq(ad_tape_status(b.tape), AD_OK, "%s: %s", k->op.name, ad_tape_message(b.tape));
        if (k->op.record == records_no_partials || k->op.record == records_nan)
            cr_expect(isnan(ad_value(grad[0])), "%s", k->op.name);
        ad_tape_free(b.tape);
    }
}

Test(check, wrong_record_of_an_operation_fails_in_second_order) {
    const ad_custom_op op = {"half_right", 2, product, product_partials, NULL, NULL, records_wrong};
    int                calls;
    bench              b = of_nonsense(&op, &calls);
    cr_expect_eq(verdict_of(b, NULL), AD_PASS);
    b = of_nonsense(&op, &calls);
    expect_verdict(ad_check(b.y, 2, b.x, NULL, &(ad_check_options){.second = true}), op.name,
                   AD_FAIL);
    ad_tape_free(b.tape);
}

/* Its partials are wrong, and without `record` it has no second derivatives: the former is what
 * must be reported. */
Test(check, a_culprit_is_named_though_there_are_no_second_derivatives) {
    const ad_custom_op op = {"wrong_partial", 2, product, wrong_partial, NULL, NULL, NULL};
    int                calls;
    bench              b = of_nonsense(&op, &calls);
    ad_check_report   *r = ad_check(b.y, 2, b.x, NULL, &(ad_check_options){.second = true});
    cr_assert_not_null(r);
    cr_expect_eq(ad_check_verdict(r), AD_FAIL);
    cr_expect(strstr(r->message, "the rule of wrong_partial is wrong") != NULL, "%s", r->message);
    ad_check_free(r);
    ad_tape_free(b.tape);
}

Test(check, record_on_another_tape_is_said_and_no_pass) {
    const ad_custom_op op = {"lost", 2, product, product_partials, NULL, NULL, records_elsewhere};
    ad_tape           *other = ad_tape_new();
    int                calls;
    bench              b = of_nonsense(&op, &calls);
    stranger = ad_input(other, 1);
    ad_check_report *r = ad_check(b.y, 2, b.x, NULL, &(ad_check_options){.second = true});
    cr_assert_not_null(r);
    cr_expect(strstr(r->message, "lost") != NULL, "%s", r->message);
    expect_verdict(r, "lost", AD_INCONCLUSIVE);
    ad_tape_free(b.tape), ad_tape_free(other);
}

/* 0 for the first so many calls; then 9. */
typedef struct patience {
    size_t calls, most;
} patience;

static double patient(size_t n, const double x[], void *context) {
    patience *p = context;
    (void)n, (void)x;
    return ++p->calls > p->most ? 9 : 0;
}
static void level(size_t n, const double x[], double v, double partial[], void *context) {
    (void)n, (void)x, (void)v, (void)context;
    partial[0] = partial[1] = 0;
}

/* w*x is picked by 0; by 9 nothing is. Three rows are evaluated last, together and then alone:
 * whichever of these six values is the first without a result, it is reported. */
Test(check, program_that_fails_at_last_is_not_deterministic) {
    const ad_custom_op op = {"patient", 2, patient, level, NULL, NULL, NULL};
    patience           p = {0, SIZE_MAX};
    ad_tape           *tape = ad_tape_new();
    ad_var      w[] = {ad_input(tape, 0.5), ad_input(tape, 1)}, product_ = ad_mul(w[0], w[1]);
    ad_var      y = ad_pick(ad_custom(tape, &op, 2, w, &p), 1, &product_);
    ad_program *program = ad_compile(&(ad_interface){
        .params = 1, .param = w, .inputs = 1, .input = w + 1, .outputs = 1, .output = &y});
    cr_assert_not_null(program, "%s", ad_tape_message(tape));
    size_t all = 0;
    for (size_t left = 0; left <= 6; left++) {
        p = (patience){0, left == 0 ? SIZE_MAX : all - left};
        ad_check_report *r = ad_check_program(program, VALUES(0.5), 3, VALUES(1, 2, 3),
                                              &(ad_check_options){.direction = VALUES(1)});
        if (left == 0) all = p.calls;
        cr_expect_eq(ad_check_verdict(r), left == 0 ? AD_PASS : AD_UNSTABLE, "%zu: %s", left,
                     printed(r, AD_TEXT));
        cr_expect_eq(ad_check_coordinate(r, 0) == AD_UNSTABLE, left > 0);
        cr_expect_eq(
            strncmp(r->message,
                    "the function is not deterministic: for the same x it failed at last: ", 69) ==
                0,
            left > 0, "%zu: %s", left, r->message);
        ad_check_free(r);
    }
    ad_program_free(program);
    ad_tape_free(tape);
}

/* ---- what is concluded ----------------------------------------------------------------------- */

/* a*b, where b is not an operand but read behind the tape's back. */
static double product_with_hidden(size_t n, const double x[], void *context) {
    (void)n;
    return x[0] * ad_value(*(const ad_var *)context);
}
static void hidden_partials(size_t n, const double x[], double v, double partial[], void *context) {
    (void)n, (void)x, (void)v;
    partial[0] = ad_value(*(const ad_var *)context);
}

Test(check, operation_that_sees_more_than_its_operands_is_found_out_by_the_whole) {
    const ad_custom_op op = {"spy", 1, product_with_hidden, hidden_partials, NULL, NULL, NULL};
    bench              b = {.tape = ad_tape_new(), .n = 2};
    b.x[0] = ad_input(b.tape, 1.25), b.x[1] = ad_input(b.tape, 0.75);
    b.y = ad_custom(b.tape, &op, 1, b.x, &b.x[1]);
    static const char *const want =
        "rules and sweep are right, but differences disagree at x[1]: the values are not those of "
        "the function that was differentiated";
    ad_check_report *own = check(&b, NULL), *claimed = check(&b, VALUES(0.75, 1)),
                    *right = check(&b, VALUES(0.75, 1.25));
    cr_expect(own->sweep == AD_PASS && own->culprits == 0 && own->count[AD_FAIL] == 1);
    cr_expect_str_eq(own->message, want);
    cr_expect_str_eq(claimed->message, want, "%s", claimed->message);
    cr_expect_str_eq(right->message, AGREES);
    ad_check_free(own), ad_check_free(claimed), ad_check_free(right);
    ad_tape_free(b.tape);
}

/* Neither a direction nor a kink contradicts the tape's own gradient. */
Test(check, wrong_claim_is_told_from_a_wrong_tape_among_kinks_and_directions) {
    enum { MANY = 120 };
    bench            b = FORMULA("relu(a)*b + b*b", 0, 2);
    ad_check_report *r = check(&b, VALUES(0, 5));
    cr_expect_eq(r->line[0].verdict, AD_KINK);
    cr_expect_str_eq(
        r->message,
        "the claim is wrong, first at b; the tape's own gradient agrees with differences");
    ad_check_free(r);
    ad_tape_free(b.tape);
    ad_tape *tape = ad_tape_new();
    ad_var   x[MANY];
    double   claimed[MANY];
    for (int i = 0; i < MANY; i++) x[i] = ad_input(tape, i + 1), claimed[i] = 2 * (i + 1);
    const ad_var y = ad_dot(MANY, x, x);
    claimed[77] += 1;
    r = ad_check(y, MANY, x, claimed, NULL);
    cr_expect_str_eq(
        r->message,
        "the claim is wrong, first at x[77]; the tape's own gradient agrees with differences");
    cr_expect_eq(r->lines, 2, "a direction, and the coordinate: %s", printed(r, AD_TEXT));
    ad_check_free(r);
    ad_tape_free(tape);
}

static void slightly_other_partials_each_time(size_t n, const double x[], double v,
                                              double partial[], void *context) {
    (void)n, (void)v;
    partial[0] = x[1] * (1 + 1e-13 * ++*(int *)context), partial[1] = x[0];
}

Test(check, sweep_that_is_not_the_same_again_is_said_to_be_wrong) {
    const ad_custom_op op = {"wavers", 2,    product, slightly_other_partials_each_time,
                             NULL,     NULL, NULL};
    int                calls;
    bench              b = of_nonsense(&op, &calls);
    ad_check_report   *r = check(&b, NULL);
    cr_expect(ad_check_verdict(r) == AD_FAIL && !r->repeatable && r->culprits == 0);
    cr_expect_str_eq(r->message,
                     "the sweep is wrong, not a rule: a second one gave different adjoints");
    ad_check_free(r);
    ad_tape_free(b.tape);
}

/* a*b with second derivatives that are wrong only in da/db, by 1e-7; a*a if that is the only
 * one. */
Test(check, wrong_second_derivative_is_named) {
    const ad_custom_op op = {"half_right", 2, product, product_partials, NULL, NULL, records_wrong};
    int                calls;
    ad_tape           *tape = ad_tape_new();
    const ad_var       x[] = {ad_input(tape, 1.25), ad_input(tape, 0.75)}, same[] = {x[0], x[0]};
    const struct {
        ad_var      y;
        size_t      n;
        double      rtol;
        const char *want;
    } of[] = {
        {ad_custom(tape, &op, 2, x, &calls), 2, 0,
         "the gradient is right; second derivatives are wrong, first at x[0], x[1]"},
        {ad_custom(tape, &op, 2, x, &calls), 2, 1e-3,
         "the gradient is right; second derivatives are wrong: the Hessian is not symmetric"},
        {ad_custom(tape, &op, 2, same, &calls), 1, 0,
         "the gradient is right; second derivatives are wrong, first at x[0], x[0]"},
        {ad_custom(tape, &op, 2, same, &calls), 1, 1e-3,
         "the gradient and second derivatives agree with differences"},
    };
    for (size_t k = 0; k < 4; k++) {
        ad_check_report *r = ad_check(of[k].y, of[k].n, x, NULL,
                                      &(ad_check_options){.second = true, .rtol = of[k].rtol});
        cr_expect_str_eq(r->message, of[k].want, "%zu: %s", k, printed(r, AD_TEXT));
        cr_expect_eq(ad_check_verdict(r), k < 3 ? AD_FAIL : AD_PASS, "%zu", k);
        ad_check_free(r);
    }
    ad_tape_free(tape);
}

Test(check, operand_of_another_tape_is_counted_from_one) {
    ad_tape         *tape = ad_tape_new(), *other = ad_tape_new();
    const ad_var     x[] = {ad_input(tape, 1), ad_input(other, 2)};
    ad_check_report *r = ad_check(ad_exp(x[0]), 2, x, NULL, NULL);
    cr_expect_str_eq(r->message, "ad_check: operand 2 belongs to another tape");
    ad_check_free(r);
    ad_tape_clear(tape);
    r = ad_check(ad_exp(x[0]), 2, (const ad_var[]){x[0], ad_num(3)}, NULL, NULL);
    cr_expect_str_eq(r->message, "ad_check: x[1] is not an input of the tape");
    ad_check_free(r);
    ad_tape_free(tape), ad_tape_free(other);
}

Test(check, place_of_a_culprit_is_cut_off) {
    int   calls = 0;
    char  file[200] = {0}, want[400];
    bench b = {.tape = ad_tape_new(), .n = 2};
    memset(file, 'f', sizeof file - 1);
    b.x[0] = ad_input(b.tape, 1.25), b.x[1] = ad_input(b.tape, 0.75);
    b.y = ad_source(ad_custom(b.tape, &nonsense[7].op, 2, b.x, &calls), file, 12345);
    ad_check_report *r = check(&b, NULL);
    snprintf(want, sizeof want,
             "the rule of wrong_partial is wrong in operand 1: node #2, recorded at %.112s:12345, "
             "says so; the sweep is right",
             file);
    cr_expect_str_eq(r->message, want, "%s", r->message);
    ad_check_free(r);
    ad_tape_free(b.tape);
}

/* ---- the first promise: nothing that is right is accused ------------------------------------- */

/* A formula as a function that can only be called: by replays. */
static double replayed(size_t n, const double x[], void *context) {
    const bench *b = context;
    for (size_t i = 0; i < n; i++) ad_set(b->x[i], x[i]);
    ad_replay(b->tape);
    return ad_value(b->y);
}

static ad_verdict told(ad_check_report *r, const char *what, const char *text, const double x[],
                       bool right) {
    const ad_verdict verdict = ad_check_verdict(r);
    cr_expect(*r->message != '\0', "%s, %s", what, text);
    if (right)
        cr_expect(verdict != AD_FAIL, "%s, %s at %.17g, %.17g: %s", what, text, x[0], x[1],
                  r->message);
    ad_check_free(r);
    return verdict;
}

static ad_verdict told_by_program(const bench *b, size_t count, const char *text,
                                  const double x[]) {
    const ad_var scale = ad_input(b->tape, 1), y = ad_mul(b->y, scale);
    ad_program  *program = ad_compile(&(ad_interface){
         .params = b->n, .param = b->x, .inputs = 1, .input = &scale, .outputs = 1, .output = &y});
    cr_assert_not_null(program, "%s", ad_tape_message(b->tape));
    const ad_verdict verdict =
        told(ad_check_program(program, x, count, VALUES(1, 1, 1), NULL), "program", text, x, true);
    ad_program_free(program);
    return verdict;
}

typedef struct promise {
    size_t passed, wrong, caught;
} promise;

/* On every path; where a path passes, claims that are wrong by this much must fail on it. */
static void keep_promise(const char *text, const double x[2], promise *p) {
    const double wrong[] = {1.01, -1, 1.001, 0.999};
    bench        b = formula(text, 2, x);
    double       grad[2], claimed[2];
    ad_gradient(b.y, 2, b.x, grad);
    told(ad_check(b.y, 2, b.x, NULL, &(ad_check_options){.second = true}), "second", text, x, true);
    told_by_program(&b, 1, text, x);
    const bool tape = told(check(&b, NULL), "tape", text, x, true) == AD_PASS;
    const bool called = told(ad_check_function(replayed, &b, 2, x, grad, NULL), "function", text, x,
                             true) == AD_PASS;
    for (int k = 0; k < 4; k++) {
        for (int i = 0; i < 2; i++) claimed[i] = wrong[k] * grad[i];
        p->caught += called && told(ad_check_function(replayed, &b, 2, x, claimed, NULL), "", text,
                                    x, false) == AD_FAIL;
        for (int i = 0; i < 2; i++) ad_set(b.x[i], x[i]);
        p->caught += tape && told(check(&b, claimed), "", text, x, false) == AD_FAIL;
        p->wrong += (size_t)tape + called;
    }
    p->passed += (size_t)tape + called;
    ad_tape_free(b.tape);
}

Test(check, right_gradients_are_never_accused_and_wrong_ones_are) {
    /* clang-format off */
    static const char *const texts[] = {
        "sin(1e5*a) + b", "sin(1e6*a)*b", "sin(1e8*a) - b", "a^2 + 1e-3*sin(1e5*a) + b*b",
        "sin(1/a) + b", "sin(1e12*a^2) + b", "logsumexp(a, b)", "log(1 + exp(a - b))",
        "exp(a)/(exp(a) + exp(b))", "exp(-(a*a + b*b))", "tanh(10*a)*b", "hypot(a, b)",
        "atan2(a, b)", "(a + 1e8) - 1e8 + b", "1e20*sin(a)*b", "1e-20*cos(3*a)*b",
        "sigmoid(1000*(a - 1)) + b", "softplus(100*a) + b", "cos(50*a)*exp(-b)",
        "1e-10*sin(1e7*a) + a*a + b", "max(a, b)*a", "a < b ? a*b : sin(a)*b",
    };
    /* clang-format on */
    uint64_t state = 11;
    promise  p = {0, 0, 0};
    for (size_t k = 0; k < sizeof texts / sizeof *texts; k++) {
        for (int point = 0; point < 4; point++) {
            const double size = pow(10, random_uniform(&state, -2, 1.3)),
                         sign = point % 2 == 0 ? 1 : -1;
            keep_promise(texts[k], VALUES(size * sign, random_uniform(&state, -20, 20)), &p);
        }
    }
    cr_expect_eq(p.caught, p.wrong, "%zu of %zu", p.caught, p.wrong);
    cr_expect_gt(p.passed, 100, "%zu of %zu", p.passed, 2 * 4 * sizeof texts / sizeof *texts);
}

/* Small and large coordinates, where terms of the derivative cancel and steps that suit one
 * coordinate are useless for another. */
Test(check, right_gradients_of_any_scale_are_not_accused) {
    /* clang-format off */
    static const char *const texts[] = {
        "a*b + a/b", "erf(b)*(a/b)", "cosh(b)/((a/b)*asinh(b))", "sqrt(abs(a))*cbrt(b)",
        "log1p(abs(a)) - expm1(-abs(b))", "tanh(a*b)", "(a + b)^2 - (a - b)^2",
        "((a + b) - a)*cos(b)", "atan(a)/(1 + b*b)", "gelu(a) + silu(b)",
    };
    /* clang-format on */
    uint64_t state = 5;
    for (size_t k = 0; k < sizeof texts / sizeof *texts; k++) {
        for (int point = 0; point < 6; point++) {
            const double x[] = {pow(10, random_uniform(&state, -8, 8)),
                                -pow(10, random_uniform(&state, -8, 2))};
            bench        b = formula(texts[k], 2, x);
            if (isfinite(ad_value(b.y))) {
                told(check(&b, NULL), "tape", texts[k], x, true);
                told_by_program(&b, 1, texts[k], x);
            }
            ad_tape_free(b.tape);
        }
    }
}

/* Equalities and comparisons that hold only at x itself, and x at infinity. */
Test(check, tape_and_program_have_one_verdict_where_a_choice_is_made_at_x) {
    /* clang-format off */
    const struct { const char *text; double x[2]; ad_verdict verdict; } of[] = {
        {"a == 0 ? b^2 : b^3", {0, 1}, AD_WEAK},
        {"a < 1 ? cos(a)*b : 0*b", {INFINITY, 1}, AD_DOMAIN},
        {"a != 1 ? b^2 : b^3", {1, 1}, AD_WEAK},
        {"a <= 1 ? a*b : a*a*b", {1, 2}, AD_KINK},
        {"a < 1 ? a*b : 2*a*b", {1, 2}, AD_INCONCLUSIVE},
        {"relu(a) - relu(b)", {0, 0}, AD_KINK},
        {"min(a, b) + max(a, b)*2", {1, 1}, AD_KINK},
        {"tanh(a) + b", {-INFINITY, 2}, AD_DOMAIN},
        {"a > b && b > 0 ? a*a : a*b", {2, 2}, AD_KINK},
    };
    /* clang-format on */
    for (size_t k = 0; k < sizeof of / sizeof *of; k++) {
        bench            b = formula(of[k].text, 2, of[k].x);
        const ad_verdict tape = told(check(&b, NULL), "tape", of[k].text, of[k].x, true);
        cr_expect_eq(tape, of[k].verdict, "%s: %s", of[k].text, ad_verdict_text(tape));
        for (size_t count = 1; count <= 3; count += 2) {
            const ad_verdict program = told_by_program(&b, count, of[k].text, of[k].x);
            cr_expect_eq(program, tape, "%s, %zu rows: %s", of[k].text, count,
                         ad_verdict_text(program));
        }
        ad_tape_free(b.tape);
    }
}

/* The condition is also one of the choices, and 0: it cannot be moved without switching the choice,
 * which is not the fault of a rule. */
Test(check, condition_that_is_an_operand_accuses_no_rule) {
    bench            b = formula("where(a, sin(b), a)*b", 2, VALUES(0, 2));
    ad_check_report *r = ad_check(b.y, 2, b.x, NULL, NULL);
    cr_expect(ad_check_verdict(r) == AD_INCONCLUSIVE && r->culprits == 0, "%s", r->message);
    ad_check_free(r);
    ad_tape_free(b.tape);
}

/* p + (t - p) is t except for roundings of the size of p, which do not show in the values if those
 * are all equal. */
Test(check, roundings_inside_a_program_are_not_accused) {
    const double p[] = {1e12, -1e14, 1e16, 1e17, 1e20, 1e300};
    for (size_t k = 0; k < sizeof p / sizeof *p; k++) {
        bench b = formula("a + (b - a)", 2, VALUES(p[k], 100));
        for (size_t count = 1; count <= 3; count += 2)
            cr_expect_eq(told_by_program(&b, count, "a + (b - a)", VALUES(p[k], 100)),
                         AD_INCONCLUSIVE, "%g", p[k]);
        ad_tape_free(b.tape);
    }
}

/* Claims that lie between the one-sided slopes in every coordinate, but not along (1, 1). */
Test(check, claim_at_kinks_that_is_no_subgradient_fails) {
    /* clang-format off */
    const struct { const char *text; double x[2], claimed[2]; ad_verdict verdict; } of[] = {
        {"max(a, b)^2", {1, 1}, {2, 2}, AD_FAIL},
        {"max(a, b)^2", {1, 1}, {1, 1}, AD_KINK},
        {"max(a, b)^2", {1, 1}, {2, 0}, AD_KINK},
        {"max(a, b)^2", {1, 1}, {0.5, 1.5}, AD_KINK},
        {"max(a, b)^2", {1, 1}, {0, 0}, AD_FAIL},
        {"min(a, 2*b)", {2, 1}, {1, 2}, AD_FAIL},
        {"min(a, 2*b)", {2, 1}, {0.5, 1}, AD_KINK},
        {"abs(a - b)", {3, 3}, {1, 1}, AD_FAIL},
        {"abs(a - b)", {3, 3}, {1, -1}, AD_KINK},
        {"relu(a) + relu(b)", {0, 0}, {1, 0}, AD_KINK},
        {"relu(a) - relu(b)", {0, 0}, {0, 0}, AD_KINK},
        {"relu(a)*3 + abs(b)", {0, 0}, {0, 0}, AD_KINK},
        {"max(a, b)^2 + sin(a)", {1, 1}, {2.5403, 2}, AD_FAIL},
    };
    /* clang-format on */
    for (size_t k = 0; k < sizeof of / sizeof *of; k++) {
        bench            b = formula(of[k].text, 2, of[k].x);
        const ad_verdict called =
            told(ad_check_function(replayed, &b, 2, of[k].x, of[k].claimed, NULL), "function",
                 of[k].text, of[k].x, false);
        for (int i = 0; i < 2; i++) ad_set(b.x[i], of[k].x[i]);
        const ad_verdict tape = told(check(&b, of[k].claimed), "tape", of[k].text, of[k].x, false);
        cr_expect(tape == of[k].verdict && called == of[k].verdict, "%s, (%g, %g): %s and %s",
                  of[k].text, of[k].claimed[0], of[k].claimed[1], ad_verdict_text(tape),
                  ad_verdict_text(called));
        ad_tape_free(b.tape);
    }
}

/* Of many units at 0 with weights of both signs, 0 is a subgradient, although it is not the slope
 * along most directions. */
Test(check, many_kinks_at_once_are_no_failure) {
    for (size_t n = 8; n <= 300; n += 292) {
        ad_tape *tape = ad_tape_new();
        ad_var   x[300], y = ad_num(0);
        for (size_t i = 0; i < n; i++) {
            x[i] = ad_input(tape, 0);
            y = ad_add(y, ad_mul(ad_relu(x[i]), ad_num(i % 2 == 0 ? 1 + 0.01 * (double)i : -0.7)));
        }
        ad_check_report *r = ad_check(y, n, x, NULL, NULL);
        cr_expect_eq(ad_check_verdict(r), AD_KINK, "%zu: %s", n, r->message);
        ad_check_free(r);
        ad_tape_free(tape);
    }
}

Test(check, report_of_a_refusal_can_be_made) {
    ad_check_report *r = ad_check_refused(AD_BAD_FILE, "there is no such file"),
                    *bare = ad_check_refused(AD_STALE, NULL);
    cr_expect(r->status == AD_BAD_FILE && strcmp(r->message, "there is no such file") == 0 &&
              r->n == 0);
    cr_expect_str_eq(bare->message, ad_status_text(AD_STALE));
    ad_check_free(bare);
    expect_refused(r, AD_BAD_FILE);
}

/* ---- where a culprit was recorded ------------------------------------------------------------ */

Test(check, culprit_names_the_operation_and_the_line_it_was_recorded_in) {
    int   calls = 0;
    bench b = {.tape = ad_tape_new(), .n = 2};
    b.x[0] = ad_input(b.tape, 1.25), b.x[1] = ad_input(b.tape, 0.75);
    b.y = ad_exp(
        ad_source(ad_custom(b.tape, &nonsense[7].op, 2, b.x, &calls), "some/where/model.c", 42));
    ad_check_report *r = check(&b, NULL);
    cr_assert_eq(r->culprits, 1);
    cr_expect_str_eq(r->culprit[0].operation, "wrong_partial");
    cr_expect_str_eq(r->culprit[0].file, "some/where/model.c");
    cr_expect_eq(r->culprit[0].line, 42);
    cr_expect(strstr(r->message, "node #2, recorded at model.c:42, says so") != NULL, "%s",
              r->message);
    cr_expect(strstr(printed(r, AD_TEXT), "in wrong_partial(#0, #1), at model.c:42\n"
                                          "       rule says ") != NULL,
              "%s", printed(r, AD_TEXT));
    cr_expect(strstr(printed(r, AD_JSON), "\"file\":\"some/where/model.c\",\"line\":42,") != NULL);
    cr_expect(strstr(printed(r, AD_CSV), ",FAIL,some/where/model.c,42\n") != NULL, "%s",
              printed(r, AD_CSV));
    ad_check_free(r);
    ad_tape_free(b.tape);
}

Test(check, culprit_without_a_noted_line_has_none) {
    int              calls;
    bench            b = of_nonsense(&nonsense[7].op, &calls);
    ad_check_report *r = check(&b, NULL);
    cr_assert(r->culprits > 0 && r->culprit[0].file == NULL && r->culprit[0].line == 0);
    cr_expect(strstr(printed(r, AD_JSON), "\"file\":\"\",\"line\":0,") != NULL);
    cr_expect(strstr(printed(r, AD_CSV), ",FAIL,,\n") != NULL);
    ad_check_free(r);
    ad_tape_free(b.tape);
}

/* ---- the page -------------------------------------------------------------------------------- */

static size_t count_of(const char *text, char c) {
    size_t count = 0;
    for (; *text != '\0'; text++) count += *text == c;
    return count;
}

Test(check, page_shows_claims_estimates_and_layers) {
    bench             b = FORMULA("a*b + relu(c)", 0.5, 4, 0);
    ad_check_report  *r = check(&b, VALUES(4, 0.625, 0));
    const char       *text = printed(r, AD_TEXT);
    const char *const parts[] = {"gradcheck: FAIL  1 of 3 (1 pass, 1 kink)",
                                 "f = 2 ",
                                 "seed 42",
                                 "0.625",
                                 "0.5 +- ",
                                 "[0, 1]",
                                 "KINK",
                                 "local: ",
                                 "sweep: forward against reverse"};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        cr_expect(strstr(text, parts[i]) != NULL, "no \"%s\" in\n%s", parts[i], text);
    cr_expect(strstr(text, "  b ") < strstr(text, "  a "), "what failed comes first");
    ad_check_free(r);
    ad_tape_free(b.tape);
}

Test(check, json_is_balanced_and_has_no_bare_nan) {
    bench b = FORMULA("a*b + relu(c)", 0.5, 4, 0);
    ad_name(b.x[0], "a \"quoted\\\n name");
    ad_check_report *r = check(&b, VALUES(NAN, 0.625, 0));
    const char      *text = printed(r, AD_JSON);
    cr_expect_eq(count_of(text, '{'), count_of(text, '}'));
    cr_expect_eq(count_of(text, '['), count_of(text, ']'));
    cr_expect(strstr(text, ":nan") == NULL && strstr(text, ":inf") == NULL);
    cr_expect(strstr(text, "\"claimed\":\"NaN\"") != NULL && strstr(text, "\"nan\"") == NULL, "%s",
              text);
    cr_expect(strstr(text, "a \\\"quoted\\\\\\u000a name") != NULL);
    ad_check_free(r);
    ad_tape_free(b.tape);
}

Test(check, csv_has_as_many_fields_in_every_row) {
    bench            b = FORMULA("a*b + relu(c)", 0.5, 4, 0);
    ad_check_report *r = check(&b, VALUES(4, 0.625, 0));
    char            *line = strtok(printed(r, AD_CSV), "\n");
    size_t           lines = 0;
    for (; line != NULL; line = strtok(NULL, "\n"), lines++)
        cr_expect_eq(count_of(line, ','), 12, "%s", line);
    cr_expect_eq(lines, 1 + 3 + 1);
    ad_check_free(r);
    ad_tape_free(b.tape);
}
