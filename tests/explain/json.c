/* json.c - tests of engine/explain/json.c, with an independent parser. What the passes contain is
 * shown by tests/tape/trace.c and tests/explain/explain.c. */
#include "engine/explain/json.h"
#include "support.h"

#include "expect.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

#if HAVE_JANSSON
#include <jansson.h>

static ad_tape *tape;
static json_t  *root;

static void make(void) {
    tape = ad_tape_new();
}
static void drop(void) {
    json_decref(root);
    ad_tape_free(tape);
}

TestSuite(json, .init = make, .fini = drop);

/* No key may occur twice. */
static void read_view(size_t n, const ad_var y[], const ad_view *view) {
    char        *text = NULL;
    size_t       length = 0;
    FILE        *to = open_memstream(&text, &length);
    json_error_t error;
    cr_assert_eq(ad_explain_json(n, y, view, to), AD_OK, "%s", ad_tape_message(tape));
    fclose(to);
    root = json_loadb(text, length, JSON_REJECT_DUPLICATES | JSON_DECODE_INT_AS_REAL, &error);
    cr_assert_not_null(root, "line %d: %s", error.line, error.text);
    free(text);
}

static void read_trace(size_t n, const ad_var y[]) {
    read_view(n, y, NULL);
}

static json_t *node(size_t i) {
    return json_array_get(json_object_get(root, "nodes"), i);
}

static const char *text_of(const json_t *object, const char *key) {
    const char *text = json_string_value(json_object_get(object, key));
    return text == NULL ? "(no text)" : text;
}

static double number_of(const json_t *object, const char *key) {
    const json_t *number = json_object_get(object, key);
    cr_expect(json_is_real(number), "%s is no number", key);
    return json_real_value(number);
}

static ad_var named(double x, const char *name) {
    const ad_var input = ad_input(tape, x);
    ad_name(input, name);
    return input;
}

Test(json, numbers_read_back_to_the_bit) {
    const double at[] = {0.1, 1.0 / 3, 5e-324, 1.7976931348623157e308, -0.0, 123456789012345678.0};
    enum { N = sizeof at / sizeof *at };
    ad_var x[N];
    for (size_t i = 0; i < N; i++) x[i] = ad_input(tape, at[i]);
    const ad_var y = ad_sum(N, x);
    read_trace(1, &y);
    for (size_t i = 0; i < N; i++)
        cr_expect(same_bits(number_of(node(i), "value"), at[i]), "%.17g", at[i]);
}

Test(json, derivatives_are_those_of_a_sweep) {
    const ad_var x[] = {named(0.7, "a"), named(-1.3, "b"), named(2.5, "c")};
    const ad_var y = ad_mul(ad_tanh(ad_dot(2, x, x + 1)), ad_exp(x[0]));
    double       grad[3];
    read_trace(1, &y);
    ad_gradient(y, 3, x, grad);
    const json_t *result = json_object_get(root, "result");
    cr_expect_eq(json_object_size(result), 3);
    cr_expect(close_to(number_of(result, "a"), grad[0], 4 * U, 0));
    cr_expect(close_to(number_of(result, "b"), grad[1], 4 * U, 0));
    cr_expect(close_to(number_of(result, "c"), grad[2], 4 * U, 0));
}

/* before + contribution is after, and contribution is local times upstream: in the order of the
 * steps the numbers add up to the result. */
Test(json, steps_add_up_to_the_result) {
    const ad_var a = named(0.7, "a"), y = ad_mul(ad_sin(a), ad_add(ad_mul(a, a), ad_num(2)));
    double       adjoint[16] = {0};
    read_trace(1, &y);
    const size_t last = (size_t)number_of(root, "output");
    json_t      *step, *edge;
    size_t       i, k;
    adjoint[last] = 1;
    json_array_foreach(json_object_get(root, "steps"), i, step) {
        const double upstream = number_of(step, "upstream");
        cr_expect_eq(upstream, adjoint[(size_t)number_of(step, "node")]);
        json_array_foreach(json_object_get(step, "edges"), k, edge) {
            double *to = &adjoint[(size_t)number_of(edge, "to")];
            cr_expect_eq(number_of(edge, "before"), *to);
            *to += upstream * number_of(edge, "local");
            cr_expect_eq(number_of(edge, "after"), *to);
        }
    }
    cr_expect_eq(adjoint[0], number_of(json_object_get(root, "result"), "a"));
}

Test(json, what_is_not_finite_is_a_string) {
    const ad_var x[] = {named(NAN, "a"), named(INFINITY, "b"), named(-INFINITY, "c")},
                 y = ad_sum(3, x);
    read_trace(1, &y);
    cr_expect_str_eq(text_of(node(0), "value"), "NaN");
    cr_expect_str_eq(text_of(node(1), "value"), "Infinity");
    cr_expect_str_eq(text_of(node(2), "value"), "-Infinity");
}

Test(json, any_name_comes_back) {
    static const char *const name[] = {"",          "a\"quote",      "b<script>alert(1)</script>",
                                       "c\nd\te\\", "\xe2\x88\x82x", "\x01\x7f"};
    enum { N = sizeof name / sizeof *name };
    ad_var x[N];
    for (size_t i = 0; i < N; i++) x[i] = named((double)i, name[i]);
    const ad_var y = ad_sum(N, x);
    read_trace(1, &y);
    for (size_t i = 0; i < N; i++) cr_expect_str_eq(text_of(node(i), "name"), name[i]);
}

Test(json, a_name_of_a_hundred_thousand_characters_is_whole) {
    static char name[100000];
    memset(name, 'n', sizeof name - 1);
    const ad_var y = ad_neg(named(1, name));
    read_trace(1, &y);
    cr_expect_str_eq(text_of(node(0), "name"), name);
    cr_expect_eq(number_of(json_object_get(root, "result"), name), -1);
}

/* y0 = (ab - 1)^2, y1 = -ab, y2 = a + ab - 1 at a = 3, b = 1/2: all numbers are exact. */
Test(json, small_trace_word_by_word) {
    static const char *const golden[] = {
        "{\"format\":\"tapir-trace/1\",\n",
        " \"nodes\":[\n",
        "  "
        "{\"id\":0,\"op\":\"input\",\"name\":\"a\",\"scope\":\"\",\"shown\":\"\",\"numbers\":\"\","
        "\"words\":\"input\",\"args\":[],\"value\":3},\n",
        "  {\"id\":1,\"op\":\"input\",\"name\":\"\",\"scope\":\"\",\"shown\":\"\",\"numbers\":\"\","
        "\"words\":\"input\",\"args\":[],\"value\":0.5},\n",
        "  {\"id\":2,\"op\":\"mul\",\"name\":\"\",\"scope\":\"layer\",\"shown\":\"a * #1\","
        "\"numbers\":\"3 * 0.5\",\"words\":\"mul swaps\",\"args\":[0,1],\"value\":1.5},\n",
        "  {\"id\":3,\"op\":\"sub\",\"name\":\"\",\"scope\":\"\",\"shown\":\"#2 - "
        "1\",\"numbers\":\"1.5 - 1\","
        "\"words\":\"sub distributes\",\"args\":[2,{\"value\":1}],\"value\":0.5},\n",
        "  {\"id\":4,\"op\":\"mul\",\"name\":\"\",\"scope\":\"\",\"shown\":\"#3 * #3\","
        "\"numbers\":\"0.5 * 0.5\",\"words\":\"mul swaps\",\"args\":[3,3],\"value\":0.25},\n",
        "  "
        "{\"id\":5,\"op\":\"neg\",\"name\":\"\",\"scope\":\"\",\"shown\":\"-#2\",\"numbers\":\"-1."
        "5\","
        "\"words\":\"neg flips\",\"args\":[2],\"value\":-1.5},\n",
        "  {\"id\":6,\"op\":\"sum\",\"name\":\"\",\"scope\":\"\",\"shown\":\"sum(a, "
        "#3)\",\"numbers\":\"sum(3,"
        " 0.5)\",\"words\":\"sum distributes\",\"args\":[0,3],\"value\":3.5}],\n",
        " \"output\":4,\"steps\":[\n",
        "  {\"node\":4,\"upstream\":1,\"edges\":[{\"to\":3,\"local\":0.5,\"contribution\":0.5,"
        "\"before\":0,"
        "\"after\":0.5},{\"to\":3,\"local\":0.5,\"contribution\":0.5,\"before\":0.5,\"after\":1}]},"
        "\n",
        "  "
        "{\"node\":3,\"upstream\":1,\"edges\":[{\"to\":2,\"local\":1,\"contribution\":1,\"before\":"
        "0,"
        "\"after\":1}]},\n",
        "  {\"node\":2,\"upstream\":1,\"edges\":[{\"to\":0,\"local\":0.5,\"contribution\":0.5,"
        "\"before\":0,"
        "\"after\":0.5},{\"to\":1,\"local\":3,\"contribution\":3,\"before\":0,\"after\":3}]}],\n",
        " \"result\":{\"a\":0.5,\"#1\":3},\n",
        " \"more\":[{\"output\":5,\"steps\":[\n",
        "  {\"node\":5,\"upstream\":1,\"edges\":[{\"to\":2,\"local\":-1,\"contribution\":-1,"
        "\"before\":0,"
        "\"after\":-1}]},\n",
        "  {\"node\":2,\"upstream\":-1,\"edges\":[{\"to\":0,\"local\":0.5,\"contribution\":-0.5,"
        "\"before\":0,"
        "\"after\":-0.5},{\"to\":1,\"local\":3,\"contribution\":-3,\"before\":0,\"after\":-3}]}],"
        "\n",
        " \"result\":{\"a\":-0.5,\"#1\":-3}},\n",
        " {\"output\":6,\"steps\":[\n",
        "  "
        "{\"node\":6,\"upstream\":1,\"edges\":[{\"to\":0,\"local\":1,\"contribution\":1,\"before\":"
        "0,"
        "\"after\":1},{\"to\":3,\"local\":1,\"contribution\":1,\"before\":0,\"after\":1}]},\n",
        "  "
        "{\"node\":3,\"upstream\":1,\"edges\":[{\"to\":2,\"local\":1,\"contribution\":1,\"before\":"
        "0,"
        "\"after\":1}]},\n",
        "  {\"node\":2,\"upstream\":1,\"edges\":[{\"to\":0,\"local\":0.5,\"contribution\":0.5,"
        "\"before\":1,"
        "\"after\":1.5},{\"to\":1,\"local\":3,\"contribution\":3,\"before\":0,\"after\":3}]}],\n",
        " \"result\":{\"a\":1.5,\"#1\":3}}]}\n",
    };
    const ad_var a = named(3, "a"), b = ad_input(tape, 0.5);
    ad_scope(tape, "layer");
    const ad_var p = ad_mul(a, b);
    ad_scope_end(tape);
    const ad_var q = ad_sub(p, ad_num(1)), square = ad_mul(q, q), minus = ad_neg(p);
    const ad_var y[] = {square, minus, ad_sum(2, (ad_var[]){a, q})};
    char        *text = NULL, *at;
    size_t       length = 0;
    FILE        *to = open_memstream(&text, &length);
    cr_assert_eq(ad_explain_json(3, y, NULL, to), AD_OK);
    fclose(to);
    at = text;
    for (size_t k = 0; k < sizeof golden / sizeof *golden; k++) {
        cr_assert_eq(strncmp(at, golden[k], strlen(golden[k])), 0, "line %zu: %s", k, at);
        at += strlen(golden[k]);
    }
    cr_expect_str_eq(at, "");
    free(text);
}

/* An operation of that name, and an input that leads to no result, are not among the results. */
Test(json, names_of_what_is_no_result_leave_the_key_to_an_input) {
    const ad_var dead = named(5, "w"), x = ad_input(tape, 2), v = ad_sin(x);
    ad_name(v, "w"), ad_exp(dead);
    const ad_var w = named(7, "w"), again = named(11, "w"), y = ad_mul(ad_mul(v, again), w);
    read_trace(1, &y);
    const json_t *result = json_object_get(root, "result");
    cr_expect_eq(json_object_size(result), 3);
    cr_expect_eq(number_of(result, "w"), sin(2) * 11);
    cr_expect_eq(number_of(result, "#5"), 7 * sin(2));
    cr_expect_eq(number_of(result, "#1"), 77 * cos(2));
}

Test(json, inputs_of_one_name_have_keys_of_their_own) {
    const ad_var x[] = {named(1, "w"), named(2, "w")}, y = ad_mul(x[0], x[1]);
    read_trace(1, &y);
    cr_expect_eq(number_of(json_object_get(root, "result"), "w"), 2);
    cr_expect_eq(number_of(json_object_get(root, "result"), "#1"), 1);
}

/* "#1" is what an input without a name is called. */
Test(json, an_input_named_like_the_number_of_another_has_a_key_of_its_own) {
    const ad_var x[] = {named(3, "#1"), ad_input(tape, 5)}, y = ad_mul(x[0], x[1]);
    read_trace(1, &y);
    cr_expect_eq(number_of(json_object_get(root, "result"), "#0"), 5);
    cr_expect_eq(number_of(json_object_get(root, "result"), "#1"), 3);
}

/* Both would be written with replacement characters. */
Test(json, names_that_are_not_utf8_have_keys_of_their_own) {
    const ad_var x[] = {named(3, "\xff"), named(5, "\xfe")}, y = ad_mul(x[0], x[1]);
    read_trace(1, &y);
    cr_expect_eq(number_of(json_object_get(root, "result"), "#0"), 5);
    cr_expect_eq(number_of(json_object_get(root, "result"), "#1"), 3);
}

Test(json, an_input_by_itself_is_a_trace) {
    const ad_var y = named(4, "y");
    read_trace(1, &y);
    cr_expect_eq(json_array_size(json_object_get(root, "nodes")), 1);
    cr_expect_eq(number_of(json_object_get(root, "result"), "y"), 1);
    cr_expect_null(json_object_get(root, "more"));
}

Test(json, the_other_results_stand_in_more) {
    const ad_var a = named(3, "a"), y[] = {ad_mul(a, a), ad_neg(a), ad_exp(a)};
    read_trace(3, y);
    const json_t *more = json_object_get(root, "more");
    cr_expect_eq(json_array_size(more), 2);
    cr_expect_eq(number_of(json_object_get(root, "result"), "a"), 6);
    cr_expect_eq(number_of(json_object_get(json_array_get(more, 0), "result"), "a"), -1);
    cr_expect_eq(number_of(json_object_get(json_array_get(more, 1), "result"), "a"), exp(3));
}

Test(json, one_other_result_stands_in_more) {
    const ad_var a = named(3, "a"), y[] = {ad_mul(a, a), ad_neg(a)};
    read_trace(2, y);
    cr_expect_eq(json_array_size(json_object_get(root, "more")), 1);
}

Test(json, plain_numbers_are_operands_by_value) {
    const ad_var y = ad_sub(named(3, "a"), ad_num(0.1));
    read_trace(1, &y);
    const json_t *args = json_object_get(node(1), "args");
    cr_expect_eq(json_real_value(json_array_get(args, 0)), 0);
    cr_expect_eq(number_of(json_array_get(args, 1), "value"), 0.1);
}

Test(json, nodes_that_lead_nowhere_are_left_out) {
    const ad_var a = named(3, "a");
    ad_exp(a);
    const ad_var y = ad_neg(a);
    read_trace(1, &y);
    cr_expect_eq(json_array_size(json_object_get(root, "nodes")), 2);
    cr_expect_str_eq(text_of(node(1), "op"), "neg");
}

/* ---- wrong on purpose ------------------------------------------------------------------------ */

static void expect_numbers(const json_t *pass, const char *key, double a, double b) {
    const json_t *list = json_object_get(pass, key);
    cr_expect_eq(json_object_size(list), 2, "%s", key);
    cr_expect(close_to(number_of(list, "a"), a, 1e-9, 0) &&
                  close_to(number_of(list, "b"), b, 1e-9, 0),
              "%s: %g %g", key, number_of(list, "a"), number_of(list, "b"));
}

static const json_t *step_at(size_t k) {
    return json_array_get(json_object_get(root, "steps"), k);
}

static const json_t *edge_at(size_t k, size_t i) {
    return json_array_get(json_object_get(step_at(k), "edges"), i);
}

/* (a + b)*(b + 1) at 2, 1, with the right gradient (2, 5). */
static ad_var example(void) {
    return ad_parse(tape, "(a + b)*(b + 1)", 2, "a, b",
                    (const ad_var[]){named(2, "a"), named(1, "b")});
}

Test(json, trace_without_a_bug_speaks_of_none) {
    const ad_var y = example();
    read_trace(1, &y);
    static const char *const keys[] = {"bug", "does", "right", "differences", "disagree", "check"};
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
        cr_expect_null(json_object_get(root, keys[i]), "%s", keys[i]);
    cr_expect_null(json_object_get(step_at(0), "right"));
    cr_expect_null(json_object_get(edge_at(2, 1), "fault"));
}

Test(json, trace_of_overwriting_says_what_is_lost_and_what_is_right) {
    const ad_var y = example();
    read_view(1, &y, &(ad_view){.bug = AD_BUG_OVERWRITE});
    cr_expect_str_eq(text_of(root, "bug"), "no-accumulate");
    cr_expect(strstr(text_of(root, "does"), "overwrites") != NULL);
    cr_expect_str_eq(text_of(edge_at(2, 1), "fault"), "lost");
    cr_expect_null(json_object_get(edge_at(1, 0), "fault"));
    expect_numbers(root, "result", 2, 2);
    expect_numbers(root, "right", 2, 5);
    expect_numbers(root, "differences", 2, 5);
    cr_expect_eq(json_array_size(json_object_get(root, "disagree")), 1);
    cr_expect_str_eq(json_string_value(json_array_get(json_object_get(root, "disagree"), 0)), "b");
    cr_expect(strstr(text_of(root, "check"), "1 of 2 DISAGREE with differences: ") != NULL);
}

/* q + exp(sin q), q = ab = 6: q has 1 when it is visited, and 1 + exp(sin 6) cos 6 =
 * 1.726105377570176 in the end (mpmath). */
Test(json, trace_of_an_early_visit_says_what_comes_late_and_what_is_complete) {
    const ad_var y = ad_parse(tape, "q = a*b; q + exp(sin(q))", 2, "a, b",
                              (const ad_var[]){named(2, "a"), named(3, "b")});
    read_view(1, &y, &(ad_view){.bug = AD_BUG_DEPTH_FIRST});
    cr_expect_str_eq(text_of(root, "bug"), "depth-first");
    cr_expect_eq(number_of(step_at(1), "upstream"), 1);
    cr_expect(close_to(number_of(step_at(1), "right"), 1.726105377570176, 4 * U, 0));
    cr_expect_str_eq(text_of(edge_at(3, 0), "fault"), "late");
    expect_numbers(root, "result", 3, 2);
    expect_numbers(root, "right", 3 * 1.726105377570176, 2 * 1.726105377570176);
    cr_expect_eq(json_array_size(json_object_get(root, "disagree")), 2);
}

Test(json, trace_of_what_was_left_says_where) {
    const ad_var y = example();
    read_view(1, &y, &(ad_view){.bug = AD_BUG_STALE});
    cr_expect_str_eq(text_of(root, "bug"), "stale");
    /* b still had 5 from the earlier pass */
    cr_expect_str_eq(text_of(edge_at(1, 0), "fault"), "left");
    cr_expect_eq(number_of(edge_at(1, 0), "before"), 5);
    cr_expect_null(json_object_get(edge_at(2, 1), "fault")); /* a true fork */
    expect_numbers(root, "result", 6, 15);
    expect_numbers(root, "right", 2, 5);
}

Test(json, the_other_results_say_what_is_right_too) {
    const ad_var a = named(3, "a"), b = named(2, "b"),
                 y[] = {ad_mul(a, b), ad_mul(ad_mul(a, a), b)};
    read_view(2, y, &(ad_view){.bug = AD_BUG_OVERWRITE});
    expect_numbers(root, "result", 2, 3);
    expect_numbers(root, "right", 2, 3);
    const json_t *other = json_array_get(json_object_get(root, "more"), 0);
    expect_numbers(other, "result", 6, 9);
    expect_numbers(other, "right", 12, 9);
    expect_numbers(other, "differences", 12, 9);
}

/* abs has no slope at 0; a bare view computes no differences, but still has what is right. */
Test(json, differences_that_are_not_are_no_numbers) {
    const ad_var a = named(0, "a"), y = ad_add(ad_abs(a), ad_add(a, a));
    read_view(1, &y, &(ad_view){.bug = AD_BUG_OVERWRITE});
    cr_expect_str_eq(text_of(json_object_get(root, "differences"), "a"), "NaN");
    cr_expect_eq(json_array_size(json_object_get(root, "disagree")), 0);
    cr_expect(strstr(text_of(root, "check"), "no differences could be formed") != NULL);
    json_decref(root);
    read_view(1, &y, &(ad_view){.bug = AD_BUG_OVERWRITE, .bare = true});
    cr_expect_null(json_object_get(root, "differences"));
    cr_expect_null(json_object_get(root, "check"));
    cr_expect_eq(number_of(json_object_get(root, "right"), "a"), 2);
}

/* ---- wrong without a bug --------------------------------------------------------------------- */

static double squared(size_t n, const double x[], void *context) {
    (void)n, (void)context;
    return x[0] * x[0];
}
static void thrice(size_t n, const double x[], double v, double partial[], void *context) {
    (void)n, (void)v;
    partial[0] = *(const double *)context * x[0];
}

/* The derivative of x^2 at 3 is 6; a rule that says 3x is contradicted, one that says 2x has
 * nothing to report. */
Test(json, a_rule_of_the_users_own_is_checked_and_refuted) {
    static const ad_custom_op op = {
        .name = "square", .operands = 1, .value = squared, .partials = thrice};
    double       factor = 3;
    const ad_var a = named(3, "a"), y = ad_custom(tape, &op, 1, &a, &factor);
    read_trace(1, &y);
    cr_expect_eq(number_of(json_object_get(root, "result"), "a"), 9);
    cr_expect(close_to(number_of(json_object_get(root, "differences"), "a"), 6, 1e-9, 0));
    cr_expect_str_eq(json_string_value(json_array_get(json_object_get(root, "disagree"), 0)), "a");
    cr_expect(strstr(text_of(root, "check"), "a kink, a jump, or a wrong rule") != NULL);
    cr_expect_null(json_object_get(root, "bug"));
    cr_expect_null(json_object_get(root, "right"));
    factor = 2;
    json_decref(root);
    read_trace(1, &y);
    cr_expect_null(json_object_get(root, "check"));
    factor = 3;
    json_decref(root);
    read_view(1, &y, &(ad_view){.bare = true});
    cr_expect_null(json_object_get(root, "check"));
}

/* relu(a) - relu(-a) is a; at 0 both slopes are taken to be 0. Away from there nothing is
 * compared. */
Test(json, a_derivative_on_a_kink_is_checked) {
    const ad_var a = named(0, "a"), y = ad_sub(ad_relu(a), ad_relu(ad_neg(a)));
    read_trace(1, &y);
    cr_expect_eq(number_of(json_object_get(root, "result"), "a"), 0);
    cr_expect(close_to(number_of(json_object_get(root, "differences"), "a"), 1, 1e-9, 0));
    cr_expect_eq(json_array_size(json_object_get(root, "disagree")), 1);
    ad_set(a, 0.25), ad_replay(tape);
    json_decref(root);
    read_trace(1, &y);
    cr_expect_null(json_object_get(root, "check"));
}

static void expect_check(ad_var y, const char *words) {
    json_decref(root);
    read_trace(1, &y);
    cr_expect(words == NULL ? json_object_get(root, "check") == NULL
                            : strstr(text_of(root, "check"), words) != NULL,
              "%s", text_of(root, "check"));
}

Test(json, what_differences_refute_without_the_bug_too_is_told) {
    const ad_var a = named(0, "a"), b = named(3, "b");
    const ad_var y = ad_add(ad_sub(ad_relu(a), ad_relu(ad_neg(a))), ad_mul(b, b));
    read_view(1, &y, &(ad_view){.bug = AD_BUG_OVERWRITE});
    expect_numbers(root, "right", 0, 6);
    expect_numbers(root, "differences", 1, 6);
    cr_expect_eq(json_array_size(json_object_get(root, "disagree")), 2);
    cr_expect_eq(json_array_size(json_object_get(root, "right_disagrees")), 1);
    cr_expect_str_eq(json_string_value(json_array_get(json_object_get(root, "right_disagrees"), 0)),
                     "a");
    json_decref(root);
    const ad_var z = ad_mul(b, b);
    read_view(1, &z, &(ad_view){.bug = AD_BUG_OVERWRITE});
    cr_expect_null(json_object_get(root, "right_disagrees"));
}

Test(json, what_has_no_derivative_is_told) {
    const ad_var a = named(2, "a"), b = named(2, "b"), zero = named(0, "zero");
    expect_check(ad_max(a, b), "no differences could be formed here: a kink");
    expect_check(ad_max(a, ad_num(1)), NULL);
    expect_check(ad_floor(a), "no differences could be formed here: a kink, a jump");
    expect_check(ad_floor(ad_mul(a, ad_num(0.3))), NULL);
    expect_check(ad_less(a, b), "no differences");
    expect_check(ad_less(zero, b), NULL);
    expect_check(ad_sqrt(zero), "no differences could be formed here: a kink, a jump or the edge");
    expect_check(ad_log(ad_neg(a)), "the result is nan");
    expect_check(ad_mul(ad_relu(zero), ad_num(0)), NULL);
}

Test(json, values_older_than_their_inputs_are_called_old) {
    const ad_var a = named(2, "a"), y = ad_mul(a, a);
    read_trace(1, &y);
    cr_expect_null(json_object_get(root, "old"));
    ad_set(a, 3);
    json_decref(root);
    read_view(1, &y, &(ad_view){.bug = AD_BUG_STALE});
    cr_expect(json_is_true(json_object_get(root, "old")));
    cr_expect_null(json_object_get(root, "differences"));
}

/* ---- names ----------------------------------------------------------------------------------- */

/* jansson rejects what is not UTF-8; and a replacement character in a name of valid characters
 * would mean that one was cut. */
static double first_of(size_t n, const double x[], void *context) {
    (void)n, (void)context;
    return x[0];
}
static void one_to_the_first(size_t n, const double x[], double v, double partial[],
                             void *context) {
    (void)x, (void)v, (void)context;
    for (size_t i = 0; i < n; i++) partial[i] = i == 0;
}

Test(json, texts_of_long_names_are_cut_between_characters) {
    for (size_t first = 0; first < 4; first++) {
        char name[1000] = "";
        for (size_t i = 0; i < first; i++) strcat(name, "n");
        for (size_t i = 0; i < 200; i++) strcat(name, "\xf0\x9f\x8c\xb3");
        const ad_custom_op op = {
            .name = name, .operands = SIZE_MAX, .value = first_of, .partials = one_to_the_first};
        for (size_t i = 0; i < 12; i++) ad_scope(tape, name);
        const ad_var x[] = {named(1, name), named(2, name)}, y = ad_custom(tape, &op, 2, x, NULL);
        for (size_t i = 0; i < 12; i++) ad_scope_end(tape);
        read_trace(1, &y);
        static const char *const keys[] = {"shown", "numbers", "scope", "op", "name"};
        for (size_t i = 0; i < 5; i++)
            cr_expect(strstr(text_of(node(2), keys[i]), "\xef\xbf\xbd") == NULL, "%s", keys[i]);
        json_decref(root);
        root = NULL;
        ad_tape_free(tape);
        make();
    }
}

Test(json, a_file_that_cannot_be_written_is_a_status) {
    const ad_var y = ad_neg(named(3, "a"));
    FILE        *full = fopen("/dev/full", "w");
    if (full == NULL) cr_skip_test("no /dev/full on this machine");
    cr_expect_eq(ad_explain_json(1, &y, NULL, full), AD_BAD_FILE);
    fclose(full);
    cr_expect_eq(ad_explain_json(1, &y, NULL, NULL), AD_BAD_ARGUMENT);
}

#else

Test(json, is_read_by_jansson) {
    cr_skip_test("this build is without jansson");
}
#endif
