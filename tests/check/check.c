/* check.c - tests of engine/check/check.c, report.c and local_check.c: what a report says about
 * right gradients, wrong ones, and functions that cannot be checked. That every wrong rule is found
 * is shown by tests/tape/spoil.c. */
#include "check_fixture.h"

/* ---- helpers --------------------------------------------------------------------------------- */

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
    cr_expect(strstr(printed(r, AD_TEXT), "in wrong_partial(#0, #1), at model.c:42: rule says ") !=
              NULL);
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
