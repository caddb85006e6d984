/* custom.c - tests of operations of the user's own: they go where the rows go. */
#include "engine/program/program.h"
#include "support.h"
#include "written.h"

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

TestSuite(custom, .init = make, .fini = drop);

/* ---- softcap(x, y) = y*tanh(x/y), times a number in the context: the rows can say it too ----- */

static double scale_of(void *context) {
    return context == NULL ? 1 : *(double *)context;
}
static double cap_value(size_t n, const double x[], void *context) {
    (void)n;
    return scale_of(context) * x[1] * tanh(x[0] / x[1]);
}
static void cap_partials(size_t n, const double x[], double v, double partial[], void *context) {
    (void)n;
    const double t = tanh(x[0] / x[1]);
    partial[0] = scale_of(context) * (1 - t * t);
    partial[1] = v / x[1] - partial[0] * x[0] / x[1];
}
static void cap_record(size_t n, const ad_var x[], ad_var v, ad_var partial[], void *context) {
    (void)n;
    const ad_var t = ad_tanh(ad_div(x[0], x[1]));
    partial[0] = ad_mul(ad_num(scale_of(context)), ad_sub(ad_num(1), ad_mul(t, t)));
    partial[1] = ad_sub(ad_div(v, x[1]), ad_mul(partial[0], ad_div(x[0], x[1])));
}
static const ad_custom_op softcap = {"softcap", 2, cap_value, cap_partials, NULL, NULL, cap_record};
static const ad_custom_op first_order = {"first_order", 2,    cap_value, cap_partials,
                                         NULL,          NULL, NULL};

/* Any number of operands: the sum of their cubes. */
static double cubes_value(size_t n, const double x[], void *context) {
    (void)context;
    double total = 0;
    for (size_t i = 0; i < n; i++) total += x[i] * x[i] * x[i];
    return total;
}
static void cubes_partials(size_t n, const double x[], double v, double partial[], void *context) {
    (void)v, (void)context;
    for (size_t i = 0; i < n; i++) partial[i] = 3 * x[i] * x[i];
}
static const ad_custom_op cubes = {"cubes", SIZE_MAX, cubes_value, cubes_partials,
                                   NULL,    NULL,     NULL};

static ad_var by_rows(ad_var x, ad_var y) {
    return ad_mul(y, ad_tanh(ad_div(x, y)));
}
static ad_var cap(const ad_custom_op *op, ad_var x, ad_var y, double *context) {
    return ad_custom(tape, op, 2, (ad_var[]){x, y}, context);
}
static void no_error(void) {
    cr_assert_eq(ad_tape_status(tape), AD_OK, "%s", ad_tape_message(tape));
}

/* ---- values and derivatives ------------------------------------------------------------------ */

/* The same graph with the operation and with rows: h = cap(a*b, b), h^2 + cap(2, h)*a. */
static ad_var graph(const ad_var x[], bool own) {
    const ad_var ab = ad_mul(x[0], x[1]);
    const ad_var h = own ? cap(&softcap, ab, x[1], NULL) : by_rows(ab, x[1]);
    const ad_var k = own ? cap(&softcap, ad_num(2), h, NULL) : by_rows(ad_num(2), h);
    return ad_add(ad_mul(h, h), ad_mul(k, x[0]));
}

static void expect_close(const char *what, size_t n, const double got[], const double want[]) {
    for (size_t i = 0; i < n; i++)
        cr_expect(close_to(got[i], want[i], 1e-13, 1e-14), "%s, %zu: %.17g, not %.17g", what, i,
                  got[i], want[i]);
}

Test(custom, agrees_with_rows_in_every_derivative) {
    const ad_var x[] = {ad_input(tape, 0.7), ad_input(tape, 1.6)}, own = graph(x, true),
                 rows_say = graph(x, false);
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
    const ad_var x[] = {ad_input(tape, 0.7), ad_input(tape, 1.6)}, own = graph(x, true),
                 rows_say = graph(x, false);
    ad_set(x[0], -0.3), ad_set(x[1], 2.5);
    ad_replay(tape);
    expect_close("value", 1, (double[]){ad_value(own)}, (double[]){ad_value(rows_say)});
}

Test(custom, takes_any_number_of_operands_however_they_lie) {
    ad_var x[40];
    double grad[40];
    for (int i = 0; i < 40; i++) x[i] = ad_input(tape, 0.1 * i);
    const ad_var mixed[] = {x[3], ad_num(2), x[3], x[1]};
    ad_var       y =
        ad_add(ad_custom(tape, &cubes, 40, x, NULL), ad_custom(tape, &cubes, 4, mixed, NULL));
    ad_gradient(y, 40, x, grad);
    no_error();
    for (int i = 0; i < 40; i++) {
        const double want = 3 * ad_value(x[i]) * ad_value(x[i]) * (i == 3 ? 3 : i == 1 ? 2 : 1);
        cr_expect(close_to(grad[i], want, 8 * U, 0), "x[%d]: %.17g, not %.17g", i, grad[i], want);
    }
}

Test(custom, each_node_keeps_its_context) {
    double two = 2, three = 3;
    ad_var x = ad_input(tape, 0.5), y = ad_num(4), a = cap(&softcap, x, y, &two),
           b = cap(&softcap, x, y, &three);
    ad_backward(ad_sub(a, b));
    cr_expect(close_to(ad_grad(x), -(1 - tanh(0.125) * tanh(0.125)), 8 * U, 0));
}

Test(custom, on_numbers_alone_is_a_number) {
    const ad_var v = cap(&softcap, ad_num(3), ad_num(2), NULL);
    cr_expect_eq(v.tape, NULL);
    cr_expect_eq(ad_value(v), 2 * tanh(1.5));
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
            cr_assert(close_to(ad_value(y), 0.5 * (i + round), 1e-9, 0));
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

Test(custom, traces_and_pictures_show_its_name) {
    ad_var y = cap(&softcap, ad_input(tape, 0.5), ad_num(2), NULL);
    cr_expect(strstr(written(ad_explain_json, y, NULL), "\"op\":\"softcap\",") != NULL);
    cr_expect(strstr(written(ad_draw_dot, y, NULL), "softcap(#0, 2)") != NULL);
    cr_expect(strstr(written(ad_draw_svg, y, NULL), "softcap(#0, 2)") != NULL);
    cr_expect(strstr(written(ad_draw_html, y, NULL), "\"op\":\"softcap\",") != NULL);
}

Test(custom, program_shows_its_name) {
    ad_var      x[] = {ad_input(tape, 0.5), ad_input(tape, 2)}, y = cap(&softcap, x[0], x[1], NULL);
    ad_program *p = ad_compile(&(ad_interface){1, x, 1, x + 1, 1, &y, 0});
    char        text[4000];
    FILE       *to = tmpfile();
    cr_assert_eq(ad_program_print(p, to), AD_OK);
    rewind(to);
    text[fread(text, 1, sizeof text - 1, to)] = '\0';
    cr_expect(strstr(text, "softcap(param[0], input[0])") != NULL, "%s", text);
    fclose(to);
    ad_program_free(p);
}

Test(custom, branch_on_it_that_would_turn_says_its_name) {
    ad_var x[] = {ad_input(tape, 0.5), ad_input(tape, 2)}, y = cap(&softcap, x[0], x[1], NULL);
    char   text[300];
    const double zero = 0, two = 2;
    double       value;
    ad_branch(y);
    y = ad_mul(y, x[0]);
    ad_program *p = ad_compile(&(ad_interface){1, x + 1, 1, x, 1, &y, 0});
    cr_assert_not_null(p, "%s", ad_tape_message(tape));
    cr_expect_eq(ad_program_values(p, &two, 1, &zero, &value), AD_BRANCH_CHANGED);
    ad_program_message(p, sizeof text, text);
    cr_expect(strstr(text, "(softcap, now 0)") != NULL, "%s", text);
    ad_program_free(p);
}

/* Nodes of the gradient are there when it fails, and go again; the scope was there before them. */
Test(custom, gradient_that_cannot_be_recorded_leaves_an_open_scope) {
    ad_var      x = ad_input(tape, 0.5), y = ad_exp(cap(&first_order, x, ad_num(2), NULL)), d;
    const char *names[] = {"outer", "inner"};
    for (int i = 0; i < 2; i++) ad_scope(tape, names[i]);
    ad_record_gradient(y, 1, &x, &d);
    cr_expect_eq(ad_tape_status(tape), AD_UNSUPPORTED);
    ad_tape_clear(tape);
    y = ad_sin(x);
    for (int i = 0; i < 2; i++) ad_scope_end(tape);
    cr_expect_eq(ad_tape_status(tape), AD_OK, "%s", ad_tape_message(tape));
    const char *json = written(ad_explain_json, y, NULL);
    cr_expect(strstr(json, "\"scope\":\"outer / inner\"") != NULL, "%s", json);
}

Test(custom, name_with_signs_that_formats_use_is_escaped) {
    const ad_custom_op op = {"a \"<b>\n|", 2, cap_value, cap_partials, NULL, NULL, NULL};
    ad_var             y = cap(&op, ad_input(tape, 0.5), ad_num(2), NULL);
    cr_expect(strstr(written(ad_explain_json, y, NULL), "\"op\":\"a \\\"") != NULL, "%s",
              written(ad_explain_json, y, NULL));
    cr_expect(strstr(written(ad_draw_svg, y, NULL), "<b>") == NULL);
    cr_expect(strstr(written(ad_draw_html, y, NULL), "\"a \\\"<b>\n") == NULL);
    cr_expect(strstr(written(ad_draw_dot, y, NULL), "\\<b\\>") != NULL);
}

/* ---- in programs ----------------------------------------------------------------------------- */

/* The same operation with lanes of its own; how often they are called is counted. */
static int lane_calls;

static void cap_lanes(size_t n, size_t width, const double *const x[], double v[], void *context) {
    lane_calls++;
    for (size_t l = 0; l < width; l++)
        v[l] = cap_value(n, (const double[]){x[0][l], x[1][l]}, context);
}
static void cap_lane_partials(size_t n, size_t width, const double *const x[], const double v[],
                              double *const partial[], void *context) {
    lane_calls++;
    for (size_t l = 0; l < width; l++) {
        double each[2];
        cap_partials(n, (const double[]){x[0][l], x[1][l]}, v[l], each, context);
        partial[0][l] = each[0], partial[1][l] = each[1];
    }
}
static const ad_custom_op in_lanes = {
    "in_lanes", 2, cap_value, cap_partials, cap_lanes, cap_lane_partials, cap_record};

enum { PARAMS = 2, INPUTS = 2, MOST_ROWS = 150 };

/* Varying and uniform operands, one operand twice, one that is a number, and an operation of
 * parameters alone. */
static ad_var model(const ad_custom_op *op, const ad_var param[], const ad_var input[]) {
    const ad_var alone = cap(op, param[0], param[1], NULL);
    const ad_var mixed = cap(op, ad_mul(input[0], input[1]), alone, NULL),
                 twice = cap(op, mixed, mixed, NULL);
    const ad_var many[] = {twice, input[1], ad_num(0.5), param[0], mixed};
    const ad_var all = ad_custom(tape, &cubes, 5, many, NULL);
    return ad_add(ad_add(all, cap(op, ad_num(2), twice, NULL)), alone);
}

/* Values, Jacobian and mean gradient of a program against the tape, row by row. */
static void expect_program_is_the_tape(const ad_custom_op *op, size_t count) {
    static double input[MOST_ROWS * INPUTS], value[MOST_ROWS], jacobian[MOST_ROWS * INPUTS];
    const ad_var  param[PARAMS] = {ad_input(tape, 0.7), ad_input(tape, 1.3)};
    const ad_var  x[INPUTS] = {ad_input(tape, 0.4), ad_input(tape, 1.1)}, y = model(op, param, x);
    ad_program   *p = ad_compile(&(ad_interface){PARAMS, param, INPUTS, x, 1, &y, 0});
    double mean, grad[PARAMS], want_mean = 0, want[PARAMS] = {0}, one[PARAMS], by_input[INPUTS];
    const double weight[PARAMS] = {0.7, 1.3};
    uint64_t     state = 5;
    cr_assert_not_null(p, "%s", ad_tape_message(tape));
    for (size_t i = 0; i < count * INPUTS; i++) input[i] = random_uniform(&state, 0.3, 1.5);
    cr_assert_eq(ad_program_values(p, weight, count, input, value), AD_OK);
    cr_assert_eq(ad_program_jacobian(p, weight, count, input, jacobian), AD_OK);
    cr_assert_eq(ad_program_gradient(p, weight, count, input, &mean, grad), AD_OK);
    for (size_t r = 0; r < count; r++) {
        for (size_t i = 0; i < INPUTS; i++) ad_set(x[i], input[r * INPUTS + i]);
        ad_replay(tape);
        cr_expect(close_to(value[r], ad_value(y), 1e-13, 0), "row %zu: %.17g, the tape %.17g", r,
                  value[r], ad_value(y));
        ad_gradient(y, INPUTS, x, by_input);
        for (size_t i = 0; i < INPUTS; i++)
            cr_expect(close_to(jacobian[r * INPUTS + i], by_input[i], 1e-12, 1e-13),
                      "row %zu, input %zu", r, i);
        ad_gradient(y, PARAMS, param, one);
        for (size_t i = 0; i < PARAMS; i++) want[i] += one[i] / (double)count;
        want_mean += ad_value(y) / (double)count;
    }
    cr_expect(close_to(mean, want_mean, 1e-12, 0));
    for (size_t i = 0; i < PARAMS; i++)
        cr_expect(close_to(grad[i], want[i], 1e-12, 1e-13), "param %zu: %.17g, the tape %.17g", i,
                  grad[i], want[i]);
    ad_program_free(p);
}

Test(custom, program_runs_it_lane_by_lane) {
    const size_t counts[] = {1, 7, 8, 129, MOST_ROWS};
    for (size_t k = 0; k < sizeof counts / sizeof *counts; k++)
        expect_program_is_the_tape(&softcap, counts[k]);
    no_error();
}

Test(custom, program_calls_lanes_where_there_are) {
    lane_calls = 0;
    expect_program_is_the_tape(&in_lanes, 100);
    cr_expect_gt(lane_calls, 0);
    cr_expect_lt(lane_calls, 100, "%d calls for 100 rows", lane_calls);
}

Test(custom, program_of_params_alone_runs_it) {
    const ad_var x[] = {ad_input(tape, 0.7), ad_input(tape, 1.3)}, y = graph(x, true);
    ad_program  *p = ad_compile(&(ad_interface){2, x, 0, NULL, 1, &y, 0});
    double       mean, grad[2], want[2];
    cr_assert_not_null(p, "%s", ad_tape_message(tape));
    cr_assert_eq(ad_program_gradient(p, (const double[]){0.7, 1.3}, 1, NULL, &mean, grad), AD_OK);
    ad_gradient(y, 2, x, want);
    cr_expect(close_to(mean, ad_value(y), 1e-14, 0));
    for (int i = 0; i < 2; i++)
        cr_expect(close_to(grad[i], want[i], 1e-13, 0), "%.17g and %.17g", grad[i], want[i]);
    ad_program_free(p);
}

/* Which operation it is, is a word beside the operands, not one of the program's numbers: two
 * with the same operands are two values, one used twice is one. */
Test(custom, which_one_it_is_is_no_number_of_the_program) {
    double       two = 2, three = 3;
    const ad_var w = ad_input(tape, 0.7), u = ad_input(tape, 1.3), x = ad_input(tape, 1.1);
    const ad_var part[] = {cap(&softcap, w, x, &two),   cap(&softcap, w, x, &three),
                           cap(&softcap, w, x, &two),   cap(&softcap, w, u, &two),
                           cap(&softcap, w, u, &three), cap(&softcap, w, u, &three)};
    const ad_var y = ad_logsumexp(6, part), params[] = {w, u};
    ad_program  *p = ad_compile(&(ad_interface){2, params, 1, &x, 1, &y, 0});
    const double at[] = {0.7, 1.3}, here = 1.1;
    double       mean, grad[2], want[2];
    cr_assert_not_null(p, "%s", ad_tape_message(tape));
    cr_expect_eq(p->constants, 0, "%u", p->constants);
    cr_expect_eq(p->nodes, 3 + 4 + 1, "%u values", p->nodes);
    cr_assert_eq(ad_program_gradient(p, at, 1, &here, &mean, grad), AD_OK);
    ad_gradient(y, 2, params, want);
    cr_expect(close_to(mean, ad_value(y), 1e-14, 0));
    for (int i = 0; i < 2; i++)
        cr_expect(close_to(grad[i], want[i], 1e-13, 0), "%.17g and %.17g", grad[i], want[i]);
    ad_program_free(p);
}

/* An operation whose partial is infinite where nothing arrives. */
static double root_value(size_t n, const double x[], void *context) {
    (void)n, (void)context;
    return sqrt(x[0]);
}
static void root_partials(size_t n, const double x[], double v, double partial[], void *context) {
    (void)n, (void)x, (void)context;
    partial[0] = 0.5 / v;
}
static const ad_custom_op root = {"root", 1, root_value, root_partials, NULL, NULL, NULL};

Test(custom, a_zero_adjoint_pushes_nothing_in_a_program) {
    const ad_var w = ad_input(tape, 2), x = ad_input(tape, 1),
                 own = ad_custom(tape, &root, 1, &x, NULL);
    const ad_var scaled = ad_mul(w, own), y = ad_where(ad_less(ad_num(0), x), scaled, w);
    ad_program  *p = ad_compile(&(ad_interface){1, &w, 1, &x, 1, &y, 0});
    double       mean, grad, jacobian[3];
    const double weight = 2, three[3] = {4, 0, 9};
    cr_assert_eq(ad_program_jacobian(p, &weight, 3, three, jacobian), AD_OK);
    cr_expect_eq(jacobian[0], 0.5);
    cr_expect_eq(jacobian[1], 0); /* not 0*inf */
    cr_assert_eq(ad_program_gradient(p, &weight, 3, three, &mean, &grad), AD_OK);
    cr_expect(close_to(grad, (2 + 1 + 3) / 3.0, 1e-14, 0), "%.17g", grad);
    ad_program_free(p);
}

Test(custom, constants_alone_are_folded_when_compiled) {
    const ad_var fixed = ad_input(tape, 0.5), x = ad_input(tape, 1),
                 y = ad_mul(x, cap(&softcap, fixed, ad_num(3), NULL));
    ad_program *p = ad_compile(&(ad_interface){1, &x, 0, NULL, 1, &y, 0});
    double      grad, mean;
    cr_assert_eq(ad_program_gradient(p, (const double[]){1}, 1, NULL, &mean, &grad), AD_OK);
    cr_expect(close_to(grad, 3 * tanh(0.5 / 3), 1e-15, 0));
    ad_program_free(p);
}

Test(custom, has_no_text_in_exported_c) {
    char         text[512];
    const ad_var x = ad_input(tape, 1), y = cap(&softcap, x, ad_num(2), NULL);
    ad_program  *p = ad_compile(&(ad_interface){1, &x, 0, NULL, 1, &y, 0});
    cr_assert_not_null(p);
    FILE *to = fopen("/dev/null", "w");
    cr_expect_eq(ad_program_emit_c(p, "f", to), AD_UNSUPPORTED);
    ad_program_message(p, sizeof text, text);
    cr_expect(strstr(text, "the operation softcap has no text in C") != NULL, "%s", text);
    fclose(to);
    ad_program_free(p);
}

/* ---- in formulas ----------------------------------------------------------------------------- */

Test(custom, formula_calls_it_by_its_name) {
    ad_var x = ad_input(tape, 0.5);
    cr_assert_eq(ad_tape_define(tape, &softcap, NULL), AD_OK);
    cr_assert_eq(ad_tape_define(tape, &cubes, NULL), AD_OK);
    const ad_var y = ad_parse(tape, "softcap(2*x, 3) + cubes(x, x, 1)", 1, "x", &x);
    cr_expect(close_to(ad_value(y), 3 * tanh(1.0 / 3) + 1.25, 8 * U, 0));
    double three = 3;
    ad_tape_define(tape, &softcap, &three);
    cr_expect(close_to(ad_value(ad_parse(tape, "softcap(2*x, 3)", 1, "x", &x)), 9 * tanh(1.0 / 3),
                       8 * U, 0));
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
    refused(AD_BAD_FORMULA,
            "1 argument, not 2, for \"softcap\" at character 5\n  1 + softcap(x)\n      ^");
}

Test(custom, names_that_mean_something_already_are_refused) {
    const char *const        taken[] = {"sin", "fabs", "pi", "sum", "where", "scale"},
                      *const no_words[] = {"", "a b", "2x", "x+"};
    ad_custom_op             op = softcap;
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

/* ---- what is refused, and what is nonsense --------------------------------------------------- */

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
    ad_var x[] = {ad_input(tape, 1), ad_input(tape, 2)}, grad[2],
           y = ad_exp(cap(&first_order, x[0], x[1], NULL));
    double       h[4];
    const size_t length = ad_tape_length(tape);
    ad_record_gradient(y, 2, x, grad);
    cr_expect(isnan(ad_value(grad[0])));
    refused(AD_UNSUPPORTED,
            "node #2: the operation \"first_order\" has no `record`, so no second derivative");
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
static void records_elsewhere(size_t n, const ad_var x[], ad_var v, ad_var partial[],
                              void *context) {
    (void)n, (void)x, (void)v;
    partial[0] = partial[1] = *(ad_var *)context;
}

Test(custom, partials_that_are_not_written_are_nan) {
    ad_custom_op op = {"silent", 2, cap_value, writes_nothing, NULL, NULL, records_nothing};
    ad_var       x[] = {ad_input(tape, 1), ad_input(tape, 2)}, grad[2],
           y = ad_custom(tape, &op, 2, x, NULL);
    double out[2];
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
    const ad_custom_op op = {"stray", 2,    cubes_value,      cubes_partials,
                             NULL,    NULL, records_elsewhere};
    ad_var             x[] = {ad_input(tape, 1), ad_input(tape, 2)}, grad[2],
           y = ad_custom(tape, &op, 2, x, &stranger);
    double h[4];
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
