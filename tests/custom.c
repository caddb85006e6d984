/* custom.c - tests of operations of the user's own: they go where the rows go. */
#include "support.h"

#include <criterion/criterion.h>
#include <math.h>
#include <string.h>

static ad_tape *tape;

static void make(void) {
    tape = ad_tape_new();
}
static void drop(void) {
    ad_tape_free(tape);
}

TestSuite(custom, .init = make, .fini = drop);

/* ---- softcap(x, y) = y*tanh(x/y), times a number in the context: the rows can say it too --------- */

static double scale_of(void *context) {
    return context == NULL ? 1 : *(double *)context;
}
static double cap_value(size_t n, const double x[], void *context) {
    (void)n;
    return scale_of(context)*x[1]*tanh(x[0]/x[1]);
}
static void cap_partials(size_t n, const double x[], double v, double partial[], void *context) {
    (void)n;
    const double t = tanh(x[0]/x[1]);
    partial[0] = scale_of(context)*(1 - t*t);
    partial[1] = v/x[1] - partial[0]*x[0]/x[1];
}
static void cap_record(size_t n, const ad_var x[], ad_var v, ad_var partial[], void *context) {
    (void)n;
    const ad_var t = ad_tanh(ad_div(x[0], x[1]));
    partial[0] = ad_mul(ad_num(scale_of(context)), ad_sub(ad_num(1), ad_mul(t, t)));
    partial[1] = ad_sub(ad_div(v, x[1]), ad_mul(partial[0], ad_div(x[0], x[1])));
}
static const ad_custom_op softcap = {"softcap", 2, cap_value, cap_partials, NULL, NULL, cap_record};
static const ad_custom_op first_order = {"first_order", 2, cap_value, cap_partials, NULL, NULL, NULL};

/* Any number of operands: the sum of their cubes. */
static double cubes_value(size_t n, const double x[], void *context) {
    (void)context;
    double total = 0;
    for (size_t i = 0; i < n; i++) total += x[i]*x[i]*x[i];
    return total;
}
static void cubes_partials(size_t n, const double x[], double v, double partial[], void *context) {
    (void)v, (void)context;
    for (size_t i = 0; i < n; i++) partial[i] = 3*x[i]*x[i];
}
static const ad_custom_op cubes = {"cubes", SIZE_MAX, cubes_value, cubes_partials, NULL, NULL, NULL};

static ad_var by_rows(ad_var x, ad_var y) {
    return ad_mul(y, ad_tanh(ad_div(x, y)));
}
static ad_var cap(const ad_custom_op *op, ad_var x, ad_var y, double *context) {
    return ad_custom(tape, op, 2, (ad_var[]){x, y}, context);
}
static void no_error(void) {
    cr_assert_eq(ad_tape_status(tape), AD_OK, "%s", ad_tape_message(tape));
}

/* ---- values and derivatives ------------------------------------------------------------------- */

/* The same graph with the operation and with rows: h = cap(a*b, b), h^2 + cap(2, h)*a. */
static ad_var graph(const ad_var x[], bool own) {
    const ad_var ab = ad_mul(x[0], x[1]);
    const ad_var h = own ? cap(&softcap, ab, x[1], NULL) : by_rows(ab, x[1]);
    const ad_var k = own ? cap(&softcap, ad_num(2), h, NULL) : by_rows(ad_num(2), h);
    return ad_add(ad_mul(h, h), ad_mul(k, x[0]));
}

static void expect_close(const char *what, size_t n, const double got[], const double want[]) {
    for (size_t i = 0; i < n; i++)
        cr_expect(close_to(got[i], want[i], 1e-13, 1e-14), "%s, %zu: %.17g, not %.17g", what, i, got[i], want[i]);
}

Test(custom, agrees_with_rows_in_every_derivative) {
    const ad_var x[] = {ad_input(tape, 0.7), ad_input(tape, 1.6)}, own = graph(x, true), rows_say = graph(x, false);
    const double v[] = {0.5, -2};
    double       a[4], b[4];
    a[0] = ad_value(own), b[0] = ad_value(rows_say);
    a[1] = ad_tangent(own, 2, x, v), b[1] = ad_tangent(rows_say, 2, x, v);
    expect_close("value and tangent", 2, a, b);
    ad_gradient(own, 2, x, a), ad_gradient(rows_say, 2, x, b);
    expect_close("gradient", 2, a, b);
    ad_hessian(own, 2, x, a), ad_hessian(rows_say, 2, x, b);
    expect_close("Hessian", 4, a, b);
    ad_jacobian(1, &own, 2, x, a), ad_jacobian(1, &rows_say, 2, x, b);
    expect_close("Jacobian", 2, a, b);
    ad_var da[2], db[2];
    ad_record_gradient(own, 2, x, da), ad_record_gradient(rows_say, 2, x, db);
    ad_hessian(da[0], 2, x, a), ad_hessian(db[0], 2, x, b);
    expect_close("third derivatives", 4, a, b);
    no_error();
}

Test(custom, is_computed_again_in_a_replay) {
    const ad_var x[] = {ad_input(tape, 0.7), ad_input(tape, 1.6)}, own = graph(x, true), rows_say = graph(x, false);
    ad_set(x[0], -0.3), ad_set(x[1], 2.5);
    ad_replay(tape);
    expect_close("value", 1, (double[]){ad_value(own)}, (double[]){ad_value(rows_say)});
}

Test(custom, takes_any_number_of_operands_however_they_lie) {
    ad_var x[40];
    double grad[40];
    for (int i = 0; i < 40; i++) x[i] = ad_input(tape, 0.1*i);
    const ad_var mixed[] = {x[3], ad_num(2), x[3], x[1]};
    ad_var       y = ad_add(ad_custom(tape, &cubes, 40, x, NULL), ad_custom(tape, &cubes, 4, mixed, NULL));
    ad_gradient(y, 40, x, grad);
    no_error();
    for (int i = 0; i < 40; i++) {
        const double want = 3*ad_value(x[i])*ad_value(x[i])*(i == 3 ? 3 : i == 1 ? 2 : 1);
        cr_expect(close_to(grad[i], want, 8*U, 0), "x[%d]: %.17g, not %.17g", i, grad[i], want);
    }
}

Test(custom, each_node_keeps_its_context) {
    double two = 2, three = 3;
    ad_var x = ad_input(tape, 0.5), y = ad_num(4), a = cap(&softcap, x, y, &two), b = cap(&softcap, x, y, &three);
    ad_backward(ad_sub(a, b));
    cr_expect(close_to(ad_grad(x), -(1 - tanh(0.125)*tanh(0.125)), 8*U, 0));
}

Test(custom, on_numbers_alone_is_a_number) {
    const ad_var v = cap(&softcap, ad_num(3), ad_num(2), NULL);
    cr_expect_eq(v.tape, NULL);
    cr_expect_eq(ad_value(v), 2*tanh(1.5));
    cr_expect_eq(ad_value(ad_custom(tape, &cubes, 0, NULL, NULL)), 0);
}

Test(custom, rewinding_forgets_which_operations_were_used) {
    ad_var        x = ad_input(tape, 0.5);
    const ad_mark mark = ad_tape_mark(tape);
    double        context[200];
    size_t        bytes = 0;
    for (int round = 0; round < 50; round++) {
        for (int i = 0; i < 200; i++) {
            context[i] = i + round;
            ad_var y = cap(&softcap, x, ad_num(1e9), &context[i]);
            cr_assert(close_to(ad_value(y), 0.5*(i + round), 1e-9, 0));
        }
        ad_tape_rewind(tape, mark);
        if (round == 0) bytes = ad_tape_bytes(tape);
    }
    no_error();
    cr_expect_eq(ad_tape_bytes(tape), bytes);
}

static bool shows(ad_var y, const char *part) {
    char text[4096];
    no_error();
    cr_assert_eq(explained(y, sizeof text, text), AD_OK);
    return strstr(text, part) != NULL;
}

Test(custom, explanation_shows_its_name) {
    ad_var x = ad_input(tape, 0.5);
    ad_name(x, "x");
    cr_expect(shows(cap(&softcap, x, ad_num(2), NULL), "softcap(x, 2)"));
}

/* ---- in programs ------------------------------------------------------------------------------ */

Test(custom, program_refuses_it_with_a_sentence) {
    const ad_var       x = ad_input(tape, 1), y = cap(&softcap, x, ad_num(2), NULL);
    const ad_interface face = {0, NULL, 1, &x, 1, &y, 0};
    cr_expect_null(ad_compile(&face));
    cr_expect_eq(ad_tape_status(tape), AD_UNSUPPORTED);
    cr_expect(strstr(ad_tape_message(tape), "node #1 is the operation \"softcap\"") != NULL, "%s", ad_tape_message(tape));
}

/* ---- in formulas ------------------------------------------------------------------------------ */

Test(custom, formula_calls_it_by_its_name) {
    ad_var x = ad_input(tape, 0.5);
    cr_assert_eq(ad_tape_define(tape, &softcap, NULL), AD_OK);
    cr_assert_eq(ad_tape_define(tape, &cubes, NULL), AD_OK);
    const ad_var y = ad_parse(tape, "softcap(2*x, 3) + cubes(x, x, 1)", 1, "x", &x);
    cr_expect(close_to(ad_value(y), 3*tanh(1.0/3) + 1.25, 8*U, 0));
    double three = 3;
    ad_tape_define(tape, &softcap, &three);
    cr_expect(close_to(ad_value(ad_parse(tape, "softcap(2*x, 3)", 1, "x", &x)), 9*tanh(1.0/3), 8*U, 0));
    no_error();
}

static void refused(ad_status want, const char *part) {
    cr_expect_eq(ad_tape_status(tape), want, "%s", ad_tape_message(tape));
    cr_expect(strstr(ad_tape_message(tape), part) != NULL, "%s", ad_tape_message(tape));
    ad_tape_clear(tape);
}

Test(custom, wrong_count_in_a_formula_has_a_caret) {
    ad_var x = ad_input(tape, 0.5);
    ad_tape_define(tape, &softcap, NULL);
    ad_parse(tape, "1 + softcap(x)", 1, "x", &x);
    refused(AD_BAD_FORMULA, "1 argument, not 2, for \"softcap\" at character 5\n  1 + softcap(x)\n      ^");
}

Test(custom, names_that_mean_something_already_are_refused) {
    const char *const taken[] = {"sin", "fabs", "pi", "sum", "where", "scale"}, *const no_words[] = {"", "a b", "2x", "x+"};
    ad_custom_op      op = softcap;
    for (int i = 0; i < 6; i++) {
        op.name = taken[i];
        cr_expect_eq(ad_tape_define(tape, &op, NULL), AD_BAD_ARGUMENT);
        refused(AD_BAD_ARGUMENT, "the name of something else");
    }
    for (int i = 0; i < 4; i++) {
        op.name = no_words[i];
        cr_expect_eq(ad_tape_define(tape, &op, NULL), AD_BAD_ARGUMENT);
        refused(AD_BAD_ARGUMENT, "not a word");
    }
}

/* ---- what is refused, and what is nonsense ---------------------------------------------------- */

Test(custom, incomplete_operations_are_refused) {
    ad_var       x[] = {ad_input(tape, 1), ad_input(tape, 2)};
    ad_custom_op op = softcap;
    ad_custom(tape, NULL, 2, x, NULL);
    refused(AD_BAD_ARGUMENT, "the operation is NULL");
    ad_tape_define(tape, NULL, NULL);
    refused(AD_BAD_ARGUMENT, "the operation is NULL");
    op.value = NULL;
    cr_expect(isnan(ad_value(ad_custom(tape, &op, 2, x, NULL))));
    refused(AD_BAD_ARGUMENT, "\"softcap\" has no value");
    op = softcap, op.partials = NULL;
    ad_custom(tape, &op, 2, x, NULL);
    refused(AD_BAD_ARGUMENT, "\"softcap\" has no partials");
    op = softcap, op.name = NULL;
    ad_custom(tape, &op, 2, x, NULL);
    refused(AD_BAD_ARGUMENT, "no name");
    ad_custom(tape, &softcap, 1, x, NULL);
    refused(AD_BAD_ARGUMENT, "softcap: 1 operands, not 2");
    ad_tape *other = ad_tape_new();
    cap(&softcap, x[0], ad_input(other, 1), NULL);
    refused(AD_TWO_TAPES, "softcap: operand 2 belongs to another tape");
    ad_tape_free(other);
    cr_expect(isnan(ad_value(ad_custom(NULL, &softcap, 2, x, NULL))));
    cr_expect_eq(ad_tape_define(NULL, &softcap, NULL), AD_NO_MEMORY);
}

Test(custom, without_record_has_no_second_derivative) {
    ad_var       x[] = {ad_input(tape, 1), ad_input(tape, 2)}, grad[2], y = ad_exp(cap(&first_order, x[0], x[1], NULL));
    double       h[4];
    const size_t length = ad_tape_length(tape);
    ad_record_gradient(y, 2, x, grad);
    cr_expect(isnan(ad_value(grad[0])));
    refused(AD_UNSUPPORTED, "node #2: the operation \"first_order\" has no `record`, so no second derivative");
    ad_hessian(y, 2, x, h);
    cr_expect(isnan(h[0]));
    refused(AD_UNSUPPORTED, "first_order");
    cr_expect_eq(ad_tape_length(tape), length);
    ad_gradient(y, 2, x, h);
    no_error();
}

/* An operation that writes no partial, and records what is not there. */
static void writes_nothing(size_t n, const double x[], double v, double partial[], void *context) {
    (void)n, (void)x, (void)v, (void)partial, (void)context;
}
static void records_nothing(size_t n, const ad_var x[], ad_var v, ad_var partial[], void *context) {
    (void)n, (void)x, (void)v, (void)partial, (void)context;
}
static void records_elsewhere(size_t n, const ad_var x[], ad_var v, ad_var partial[], void *context) {
    (void)n, (void)x, (void)v;
    partial[0] = partial[1] = *(ad_var *)context;
}

Test(custom, partials_that_are_not_written_are_nan) {
    ad_custom_op op = {"silent", 2, cap_value, writes_nothing, NULL, NULL, records_nothing};
    ad_var       x[] = {ad_input(tape, 1), ad_input(tape, 2)}, grad[2], y = ad_custom(tape, &op, 2, x, NULL);
    double       out[2];
    ad_gradient(y, 2, x, out);
    cr_expect(isnan(out[0]) && isnan(out[1]));
    cr_expect(isnan(ad_tangent(y, 2, x, (double[]){1, 0})));
    ad_hessian_times(y, 2, x, (double[]){1, 0}, out);
    ad_record_gradient(y, 2, x, grad);
    cr_expect(isnan(ad_value(grad[0])));
    no_error();
}

Test(custom, partials_of_another_tape_are_an_error) {
    ad_tape           *other = ad_tape_new();
    ad_var             stranger = ad_input(other, 1);
    const ad_custom_op op = {"stray", 2, cubes_value, cubes_partials, NULL, NULL, records_elsewhere};
    ad_var             x[] = {ad_input(tape, 1), ad_input(tape, 2)}, grad[2], y = ad_custom(tape, &op, 2, x, &stranger);
    double             h[4];
    ad_record_gradient(y, 2, x, grad);
    refused(AD_TWO_TAPES, "stray");
    ad_tape_clear(other);
    ad_hessian(y, 2, x, h);
    cr_expect(isnan(h[0]));
    refused(AD_TWO_TAPES, "stray");
    ad_tape_free(other);
}

Test(custom, zero_adjoint_meets_infinite_partial_without_making_nan) {
    ad_var x[] = {ad_input(tape, 1), ad_input(tape, 0)};
    ad_backward(ad_where(ad_num(0), cap(&softcap, x[0], x[1], NULL), x[0]));
    cr_expect_eq(ad_grad(x[0]), 1);
    cr_expect_eq(ad_grad(x[1]), 0);
}
