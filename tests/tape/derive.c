/* derive.c - tests of the gradient recorded as nodes: it is the gradient, it can be replayed, and
 * it can be differentiated again. */
#include "engine/base/handle.h"
#include "support.h"

#include "expect.h"
#include <math.h>
#include <string.h>

static ad_tape *tape;

static void make(void) {
    tape = ad_tape_new();
}
static void drop(void) {
    ad_tape_free(tape);
}

TestSuite(derive, .init = make, .fini = drop);

static ad_var derivative(ad_var y, ad_var x) {
    ad_var d;
    ad_record_gradient(y, 1, &x, &d);
    return d;
}

static bool same(double a, double b) {
    return a == b || (isnan(a) && isnan(b));
}

static void no_error(void) {
    cr_assert_eq(ad_tape_status(tape), AD_OK, "%s", ad_tape_message(tape));
}

/* ---- it is the gradient ---------------------------------------------------------------------- */

static const double points[] = {0.3, -0.7, 1.7, -2.3, 0.55, 2.6, 0, -0.0, 1, -40, INFINITY, NAN};
enum { POINTS = sizeof points / sizeof *points };

/* The row with an adjoint that is a node (s) and, behind it, one that is a plain number (1). */
static void same_as_the_sweep(int r, int form, double at, double with) {
    const ad_mark mark = ad_tape_mark(tape);
    ad_var        x[] = {ad_input(tape, at), ad_input(tape, with), ad_input(tape, 3)}, recorded[3];
    const ad_var  v =
        row_record(&rows[r], form == 2 ? ad_num(at) : x[0], form == 1 ? ad_num(with) : x[1]);
    const ad_var y[] = {v, ad_mul(v, x[2])};
    double       grad[3];
    for (int k = 0; k < 2; k++) {
        ad_record_gradient(y[k], 3, x, recorded);
        no_error();
        ad_gradient(y[k], 3, x, grad);
        for (int i = 0; i < 3; i++)
            cr_expect(same(ad_value(recorded[i]), grad[i]),
                      "%s(%g, %g), form %d, x[%d]: recorded %.17g, not %.17g", rows[r].name, at,
                      with, form, i, ad_value(recorded[i]), grad[i]);
    }
    ad_tape_rewind(tape, mark);
}

Test(derive, of_every_row_is_what_the_sweep_computes_to_the_bit) {
    for (int k = 0; k < ROWS * 3 * POINTS * POINTS; k++)
        same_as_the_sweep(k / (3 * POINTS * POINTS), k / (POINTS * POINTS) % 3,
                          points[k / POINTS % POINTS], points[k % POINTS]);
}

Test(derive, of_reductions_is_what_the_sweep_computes) {
    ad_var x[5], grad[5];
    double want[5];
    for (int i = 0; i < 5; i++) x[i] = ad_input(tape, 0.5 + 0.25 * i);
    const ad_var mixed[] = {x[4], ad_num(2), x[1], x[1], ad_num(-1)};
    const ad_var y[] = {ad_sum(5, x),
                        ad_sum(5, mixed),
                        ad_dot(5, x, mixed),
                        ad_dot(5, x, x),
                        ad_logsumexp(5, x),
                        ad_logsumexp(5, mixed),
                        ad_where(ad_less(x[0], x[1]), x[2], x[3]),
                        ad_where(ad_num(0), x[2], x[3]),
                        ad_pick(ad_floor(ad_mul(x[0], ad_num(5))), 5, mixed),
                        ad_pick(ad_num(4), 5, x),
                        ad_largest(5, x),
                        ad_largest(5, mixed)};
    for (size_t k = 0; k < sizeof y / sizeof *y; k++) {
        const ad_var z = ad_mul(ad_exp(y[k]), x[0]);
        ad_record_gradient(z, 5, x, grad);
        no_error();
        ad_gradient(z, 5, x, want);
        for (int i = 0; i < 5; i++)
            cr_expect_eq(ad_value(grad[i]), want[i], "%zu, x[%d]: %.17g, not %.17g", k, i,
                         ad_value(grad[i]), want[i]);
    }
}

Test(derive, follows_its_inputs_in_a_replay) {
    ad_var x[] = {ad_input(tape, 0.5), ad_input(tape, 2)}, grad[2];
    ad_var y =
        ad_parse(tape, "h = tanh(a*b) + relu(a - 1); h*h + where(a < b, a^3, b*a) + fmax(a, b)", 2,
                 "a, b", x);
    double want[2];
    ad_record_gradient(y, 2, x, grad);
    const double places[][2] = {{3, 0.25}, {-1, 2}, {1, 1}, {0, 5}};
    for (int k = 0; k < 4; k++) {
        ad_set(x[0], places[k][0]), ad_set(x[1], places[k][1]);
        ad_replay(tape);
        ad_gradient(y, 2, x, want);
        no_error();
        for (int i = 0; i < 2; i++)
            cr_expect_eq(ad_value(grad[i]), want[i], "place %d, x[%d]", k, i);
    }
}

Test(derive, of_a_node_on_the_way_counts_what_comes_through_it) {
    ad_var a = ad_input(tape, 1), b = ad_mul(a, ad_num(2)), x[] = {a, b}, grad[2];
    ad_record_gradient(ad_mul(b, b), 2, x, grad);
    cr_expect_eq(ad_value(grad[0]), 8);
    cr_expect_eq(ad_value(grad[1]), 4);
}

Test(derive, of_a_long_chain_is_one_walk) {
    ad_var x = ad_input(tape, 0.5), y = x;
    for (int i = 0; i < 100000; i++) y = ad_sin(y);
    ad_var d = derivative(y, x);
    ad_backward(y);
    no_error();
    cr_expect_eq(ad_value(d), ad_grad(x));
    cr_expect_leq(ad_tape_length(tape), 300001);
}

/* ---- it can be differentiated again ---------------------------------------------------------- */

Test(derive, sine_returns_after_four_derivatives) {
    ad_var       x = ad_input(tape, 0.75), d = ad_sin(x);
    const double cycle[] = {cos(0.75), -sin(0.75), -cos(0.75), sin(0.75), cos(0.75), -sin(0.75)};
    for (int k = 0; k < 6; k++)
        cr_expect_eq(ad_value(d = derivative(d, x)), cycle[k], "order %d", k + 1);
}

Test(derive, exponential_is_all_its_derivatives) {
    ad_var x = ad_input(tape, 0.75), y = ad_exp(x), d = y;
    for (int k = 0; k < 10; k++) d = derivative(d, x);
    cr_expect_eq(ad_value(d), exp(0.75));
    cr_expect_eq(ad_tape_length(tape), 2, "exp repeats itself: nothing is recorded");
}

/* k!/(1 - x)^(k+1) for 1/(1 - x). */
Test(derive, reciprocal_has_factorials_as_derivatives) {
    ad_var x = ad_input(tape, 0.5), d = ad_div(ad_num(1), ad_sub(ad_num(1), x));
    double want = 2;
    for (int k = 1; k <= 7; k++) {
        d = derivative(d, x);
        want *= k * 2;
        cr_expect(close_to(ad_value(d), want, 32 * U, 0), "order %d: %.17g, not %.17g", k,
                  ad_value(d), want);
    }
}

/* Mixed third derivatives of x*y*z*exp(x): the order of differentiation does not matter. */
Test(derive, mixed_derivatives_commute) {
    ad_var       v[] = {ad_input(tape, 0.5), ad_input(tape, 2), ad_input(tape, -3)};
    ad_var       y = ad_mul(ad_mul(ad_mul(v[0], v[1]), v[2]), ad_exp(v[0]));
    const int    order[][3] = {{0, 1, 2}, {0, 2, 1}, {1, 0, 2}, {1, 2, 0}, {2, 0, 1}, {2, 1, 0}};
    const double want = 1.5 * exp(0.5); /* (1 + x) exp(x) */
    for (int k = 0; k < 6; k++) {
        ad_var d = y;
        for (int i = 0; i < 3; i++) d = derivative(d, v[order[k][i]]);
        cr_expect(close_to(ad_value(d), want, 8 * U, 0), "order %d: %.17g, not %.17g", k,
                  ad_value(d), want);
    }
}

/* Third derivatives of every row along its first, its second and both operands, against Romberg
 * differences of the second derivatives: of t -> second derivative at x + t*dx, y + t*dy along the
 * same line. */
typedef struct line {
    const row *r;
    double     x, y, dx, dy, side;
} line;

static ad_var second_along(const line *l, ad_var t) {
    const ad_var x = l->dx == 0 ? ad_num(l->x) : ad_add(ad_num(l->x), ad_mul(ad_num(l->dx), t));
    const ad_var y = l->dy == 0 ? ad_num(l->y) : ad_add(ad_num(l->y), ad_mul(ad_num(l->dy), t));
    return derivative(derivative(row_record(l->r, x, y), t), t);
}

static double second_at(double at, void *context) {
    const line  *l = context;
    const double x = l->x + at * l->dx, y = l->y + at * l->dy;
    if (l->r->side(x, y, row_value(l->r, x, y)) != l->side) return NAN;
    const ad_mark mark = ad_tape_mark(tape);
    const double  d = ad_value(second_along(l, ad_input(tape, at)));
    ad_tape_rewind(tape, mark);
    return d;
}

static int check_third(const row *r, double x, double y, double dx, double dy) {
    const ad_mark  mark = ad_tape_mark(tape);
    line           l = {r, x, y, dx, dy, r->side(x, y, row_value(r, x, y))};
    const estimate e = differences(second_at, &l, 0, 0.03125);
    const ad_var   t = ad_input(tape, 0);
    const double   got = ad_value(derivative(second_along(&l, t), t));
    const bool     good = e.error <= 1e-6 * fmax(1, fabs(e.value));
    no_error();
    if (good)
        cr_expect(
            fabs(got - e.value) <= 10 * e.error + 1e-9 * fabs(e.value),
            "%s at (%g, %g) along (%g, %g): third derivative %.17g, differences say %.17g +- %.1g",
            r->name, x, y, dx, dy, got, e.value, e.error);
    ad_tape_rewind(tape, mark);
    return good;
}

Test(derive, third_derivatives_of_all_rows_agree_with_differences_of_the_second) {
    const double at[] = {0.3, -0.7, 1.7, -2.3, 0.55, 2.6, 3.25, 0.45};
    for (int n = 0; n < ROWS; n++) {
        int checked = 0;
        for (int k = 0; k < 64; k++) {
            const double x = at[k / 8], y = at[k % 8 == k / 8 ? (k + 1) % 8 : k % 8];
            if (n == ROW_polygamma) {
                checked += check_third(&rows[n], k / 8 % 4, y, 0, 1);
                continue;
            }
            checked += check_third(&rows[n], x, y, 1, 0);
            if (rows[n].operands == 2)
                checked += check_third(&rows[n], x, y, 0, 1) + check_third(&rows[n], x, y, 1, -0.5);
        }
        cr_expect(checked >= 8, "%s: %d places", rows[n].name, checked);
    }
}

/* ---- zeros, infinities, branches ------------------------------------------------------------- */

/* sqrt at 0 has derivatives inf, -inf, inf; on the side that is not taken they count for
 * nothing. */
Test(derive, branch_not_taken_counts_for_nothing_in_any_order) {
    ad_var x = ad_input(tape, 0),
           d = ad_where(ad_less(ad_num(0), x), ad_sqrt(x), ad_mul(x, ad_num(3)));
    for (int k = 1; k <= 5; k++)
        cr_expect_eq(ad_value(d = derivative(d, x)), k == 1 ? 3 : 0, "order %d", k);
    ad_var y = ad_input(tape, -1), e = ad_where(ad_less(ad_num(0), y), ad_log(y), ad_exp(y));
    for (int k = 1; k <= 4; k++)
        cr_expect_eq(ad_value(e = derivative(e, y)), exp(-1), "order %d", k);
}

Test(derive, adjoint_that_becomes_zero_in_a_replay_sends_nothing) {
    ad_var x[] = {ad_input(tape, 4), ad_input(tape, 2)}, grad[2];
    ad_record_gradient(ad_mul(ad_sqrt(x[0]), x[1]), 2, x, grad);
    cr_expect_eq(ad_value(grad[0]), 0.5);
    ad_set(x[0], 0), ad_set(x[1], 0);
    ad_replay(tape);
    cr_expect_eq(ad_value(grad[0]), 0);
}

Test(derive, selecting_row_sends_nothing_through_a_partial_of_zero) {
    ad_var x = ad_input(tape, -1), d = ad_sqrt(ad_relu(x));
    for (int k = 1; k <= 3; k++) cr_expect_eq(ad_value(d = derivative(d, x)), 0, "order %d", k);
}

Test(derive, nan_of_mathematics_is_kept) {
    ad_var x = ad_input(tape, 0);
    cr_expect(isnan(ad_value(derivative(ad_sqrt(ad_mul(x, x)), x))), "inf*0");
}

/* sqrt(x*x) by a sum, a product of lists, an operation of the user's own: inf*0 at 0, as in the
 * sweep. */
static double square_value(size_t n, const double x[], void *context) {
    (void)n, (void)context;
    return x[0] * x[0] * x[1];
}
static void square_partials(size_t n, const double x[], double v, double partial[], void *context) {
    (void)n, (void)v, (void)context;
    partial[0] = 2 * x[0] * x[1], partial[1] = x[0] * x[0];
}
static ad_var lost_partial;

static void records_square(size_t n, const ad_var x[], ad_var v, ad_var partial[], void *context) {
    (void)n, (void)v;
    partial[0] = ad_mul(ad_add(x[0], x[0]), x[1]);
    if (context == NULL) partial[1] = ad_mul(x[0], x[0]);
    else partial[1] = *(const int *)context == 0 ? lost_partial : ad_num(9);
}
static const ad_custom_op square_op = {"square", 2,    square_value,  square_partials,
                                       NULL,     NULL, records_square};

Test(derive, nan_of_mathematics_is_kept_in_lists_too) {
    const ad_var x = ad_input(tape, 0), one = ad_input(tape, 1);
    cr_expect(isnan(ad_value(derivative(ad_sqrt(ad_dot(1, &x, &x)), x))));
    cr_expect(isnan(ad_value(
        derivative(ad_sqrt(ad_custom(tape, &square_op, 2, (ad_var[]){x, one}, NULL)), x))));
    no_error();
}

/* x*x*y at (3, 2): 2xy and x*x; of x alone with a number for y, and with a partial that is a
 * number. */
Test(derive, of_an_operation_is_what_it_records) {
    const ad_var x[] = {ad_input(tape, 3), ad_input(tape, 2)};
    const int    number = 1;
    ad_var       grad[2];
    ad_record_gradient(ad_custom(tape, &square_op, 2, x, NULL), 2, x, grad);
    cr_expect(ad_value(grad[0]) == 12 && ad_value(grad[1]) == 9);
    cr_expect_eq(ad_value(derivative(grad[0], x[1])), 6);
    ad_record_gradient(ad_custom(tape, &square_op, 2, (ad_var[]){ad_num(4), x[1]}, NULL), 2, x,
                       grad);
    cr_expect(ad_value(grad[0]) == 0 && ad_value(grad[1]) == 16);
    ad_record_gradient(ad_custom(tape, &square_op, 2, x, (void *)(uintptr_t)&number), 2, x, grad);
    cr_expect(ad_value(grad[0]) == 12 && ad_value(grad[1]) == 9 && grad[1].tape == NULL);
    ad_record_gradient(ad_custom(tape, &square_op, 2, (ad_var[]){x[1], x[0]}, NULL), 1, x, grad);
    cr_expect_eq(ad_value(grad[0]), 4);
    no_error();
}

Test(derive, partial_of_another_tape_is_named) {
    const ad_var x[] = {ad_input(tape, 3), ad_input(tape, 2)};
    const int    lost = 0;
    ad_tape     *other = ad_tape_new();
    ad_var       grad[2];
    lost_partial = ad_input(other, 1);
    ad_record_gradient(ad_custom(tape, &square_op, 2, x, (void *)(uintptr_t)&lost), 2, x, grad);
    cr_expect(isnan(ad_value(grad[0])) && isnan(ad_value(grad[1])));
    cr_expect_str_eq(ad_tape_message(tape), "square: operand 2 belongs to another tape");
    ad_tape_free(other);
}

Test(derive, operation_without_record_has_no_second_derivative) {
    const ad_custom_op op = {"plain", 2, square_value, square_partials, NULL, NULL, NULL};
    const ad_var       x[] = {ad_input(tape, 3), ad_input(tape, 2)};
    ad_var             grad[2];
    ad_record_gradient(ad_custom(tape, &op, 2, x, NULL), 2, x, grad);
    cr_expect(isnan(ad_value(grad[0])) && ad_tape_status(tape) == AD_UNSUPPORTED);
    cr_expect_str_eq(ad_tape_message(tape),
                     "node #2: the operation \"plain\" has no `record`, so no second derivative");
}

/* ---- what it leaves on the tape -------------------------------------------------------------- */

Test(derive, constants_are_plain_numbers) {
    ad_var x = ad_input(tape, 2), later = ad_input(tape, 3);
    cr_expect_eq(derivative(ad_mul(ad_num(3), x), x).tape, NULL);
    cr_expect_eq(ad_value(derivative(ad_mul(ad_num(3), x), x)), 3);
    cr_expect_eq(ad_value(derivative(ad_num(3), x)), 0);
    cr_expect_eq(ad_value(derivative(x, later)), 0);
    cr_expect_eq(ad_value(derivative(x, x)), 1);
    ad_record_gradient(x, 0, NULL, NULL);
    no_error();
}

Test(derive, operations_of_the_caller_are_not_simplified) {
    ad_var x = ad_input(tape, 2), y = ad_mul(ad_add(ad_mul(x, ad_num(1)), ad_num(0)), ad_num(1));
    const size_t length = ad_tape_length(tape);
    cr_expect_eq(length, 4);
    cr_expect_eq(ad_value(derivative(y, x)), 1);
    cr_expect_eq(ad_tape_length(tape), length, "1*1 and 0 + 1 are numbers");
    cr_expect_eq(ad_value(derivative(ad_mul(x, x), x)), 4);
    cr_expect_eq(ad_tape_length(tape), length + 2, "x*x, and x + x");
}

Test(derive, nodes_that_do_not_lead_from_x_are_left_out) {
    ad_var       x = ad_input(tape, 2), w = ad_input(tape, 3), y = ad_mul(x, ad_exp(ad_sin(w)));
    const size_t length = ad_tape_length(tape);
    derivative(y, x);
    cr_expect_eq(ad_tape_length(tape), length);
}

/* Of three to pick from one leads from x: index == 1, then 1 or 0, its product with each of the two
 * x, and their sum. */
Test(derive, what_is_picked_from_is_asked_for_only_where_it_leads_from_x) {
    ad_var       x = ad_input(tape, 3), w = ad_input(tape, 2), i = ad_input(tape, 1);
    const ad_var some[] = {ad_exp(w), ad_mul(x, x), ad_sin(w)}, y = ad_pick(i, 3, some);
    const size_t length = ad_tape_length(tape);
    cr_expect_eq(ad_value(derivative(y, x)), 6);
    const size_t recorded = ad_tape_length(tape) - length;
    cr_expect(recorded == 5, "%zu", recorded);
}

static bool shows(ad_var y, const char *part) {
    static char text[8192];
    no_error();
    cr_assert_eq(explained(y, sizeof text, text), AD_OK);
    return strstr(text, part) != NULL;
}

Test(derive, adjoints_of_named_nodes_are_named) {
    ad_var w = ad_input(tape, 2), x = ad_input(tape, 3), grad[2];
    ad_name(w, "w"), ad_name(x, "x");
    ad_var loss = ad_parse(tape, "h = w*x; loss = sin(h)", 2, "w, x", (ad_var[]){w, x});
    ad_record_gradient(loss, 2, (ad_var[]){w, x}, grad);
    cr_expect(shows(grad[0], "d loss / d h = cos(h)"));
    cr_expect(shows(grad[0], "d loss / d w = d loss / d h * x"));
    ad_record_gradient(ad_exp(w), 1, &w, grad);
    ad_record_gradient(ad_sin(w), 1, &w, grad);
    cr_expect(shows(grad[0], " / d w = cos(w)"));
}

Test(derive, node_of_the_caller_keeps_its_name_when_it_is_the_answer) {
    ad_var a = ad_input(tape, 2), b = ad_input(tape, 3), y = ad_mul(a, b);
    ad_name(a, "a"), ad_name(b, "b"), ad_name(y, "y");
    cr_expect_eq(ad_value(derivative(y, a)), 3);
    cr_expect(shows(y, "y = a * b"));
}

Test(derive, nothing_without_a_name_is_named) {
    ad_var a = ad_input(tape, 2), b = ad_input(tape, 3), h = ad_exp(b), y = ad_mul(a, h);
    ad_name(a, "a"), ad_name(y, "y");
    cr_expect_eq(ad__node_of(derivative(y, a)), ad__node_of(h));
    cr_expect_not(shows(y, "d y / d a"), "it is a node of the caller's");
    const ad_var d = derivative(ad_sin(y), b);
    cr_expect(shows(d, "/ d y = cos(y)") && !shows(d, "null"));
}

Test(derive, adjoints_of_the_last_sweep_stay) {
    ad_var x = ad_input(tape, 2), y = ad_mul(x, ad_exp(x));
    ad_backward(y);
    const double before = ad_grad(x);
    derivative(y, x);
    cr_expect_eq(ad_grad(x), before);
}

/* ---- what is refused ------------------------------------------------------------------------- */

static void refused(ad_var y, ad_var x, ad_status want, const char *part) {
    const size_t length = ad_tape_length(tape);
    cr_expect(isnan(ad_value(derivative(y, x))));
    cr_expect_eq(ad_tape_status(tape), want, "%s", ad_tape_message(tape));
    cr_expect(strstr(ad_tape_message(tape), part) != NULL, "%s", ad_tape_message(tape));
    cr_expect_eq(ad_tape_length(tape), length);
    ad_tape_clear(tape);
}

Test(derive, failing_leaves_an_open_scope_alone) {
    ad_tape *other = ad_tape_new();
    ad_var   x = ad_input(tape, 2), y = ad_exp(x), stranger = ad_input(other, 1), d;
    ad_scope(tape, "open");
    ad_record_gradient(y, 1, &stranger, &d);
    cr_expect_eq(ad_tape_status(tape), AD_TWO_TAPES);
    ad_tape_clear(tape);
    ad_exp(x);
    ad_scope_end(tape);
    no_error();
    ad_tape_free(other);
}

Test(derive, bad_operands_are_errors_with_sentences) {
    ad_tape      *other = ad_tape_new();
    ad_var        x = ad_input(tape, 2);
    const ad_mark mark = ad_tape_mark(tape);
    ad_var        y = ad_exp(x), stale = ad_exp(y);
    ad_tape_rewind(tape, mark);
    y = ad_exp(x);
    refused(y, ad_num(2), AD_BAD_ARGUMENT, "ad_record_gradient: x[0] is the plain number 2");
    refused(y, stale, AD_STALE, "ad_record_gradient");
    refused(stale, x, AD_STALE, "ad_record_gradient: operand 1 ");
    refused(y, ad_input(other, 1), AD_TWO_TAPES, "another tape");
    ad_tape_free(other);
}
