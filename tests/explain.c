/* explain.c - tests of the explanation of both passes: words and numbers, not the layout. */
#include "support.h"

#include "expect.h"
#include <locale.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static ad_tape *tape;
static char     text[200000];

static void make(void) {
    tape = ad_tape_new();
}
static void drop(void) {
    ad_tape_free(tape);
}

TestSuite(explain, .init = make, .fini = drop);

/* Runs of spaces become one space, so that columns do not matter. */
static void squeeze(char *at) {
    char *to = at;
    for (; *at != '\0'; at++)
        if (*at != ' ' || (to > text && to[-1] != ' ')) *to++ = *at;
    *to = '\0';
}

static void explain(ad_var y) {
    const ad_status status = explained(y, sizeof text, text);
    cr_expect_eq(status, AD_OK, "status %d: %s", (int)status, ad_tape_message(tape));
    squeeze(text);
}

static void expect(const char *words) {
    cr_expect(strstr(text, words) != NULL, "\"%s\" is not in\n%s", words, text);
}

static void expect_not(const char *words) {
    cr_expect(strstr(text, words) == NULL, "\"%s\" is in\n%s", words, text);
}

/* In this order, not necessarily side by side. */
static void expect_in_order(size_t n, const char *const words[]) {
    const char *at = text;
    for (size_t i = 0; i < n; i++) {
        const char *found = strstr(at, words[i]);
        cr_expect(found != NULL, "\"%s\" (number %zu) is not where it belongs in\n%s", words[i], i,
                  text);
        if (found != NULL) at = found + strlen(words[i]);
    }
}

/* ---- the example of the manual --------------------------------------------------------------- */

static ad_var example(void) {
    const ad_var x[] = {ad_input(tape, 2), ad_input(tape, 1)};
    ad_name(x[0], "a");
    ad_name(x[1], "b");
    return ad_parse(tape, "e = (a + b)*(b + 1)", 2, "a, b", x);
}

Test(explain, forward_pass_has_every_value) {
    explain(example());
    const char *words[] = {"forward",      "#0 a = 2",           "#1 b = 1", "#2 a + b = 3",
                           "#3 b + 1 = 2", "#4 e = #2 * #3 = 6", "reverse"};
    expect_in_order(7, words);
}

Test(explain, reverse_pass_has_every_contribution) {
    explain(example());
    const char *words[] = {
        "reverse", "seed", "de/de = 1",
        "1/3", "#4 e = #2 * #3", "mul swaps",
        "#2 += 1 * 2 = 2", "(0 -> 2)", "#3 += 1 * 3 = 3", "(0 -> 3)",
        "2/3", "#3 b + 1", "add distributes",
        "b += 3 * 1 = 3", "(0 -> 3)",
        "3/3", "#2 a + b", "add distributes",
        "a += 2 * 1 = 2", "(0 -> 2)", "b += 2 * 1 = 2", "(3 -> 5)", "fork: gradients add",
        "result",
    };
    expect_in_order(sizeof words/sizeof *words, words);
}

Test(explain, result_has_the_derivatives_and_their_check) {
    explain(example());
    const char *words[] = {"result", "de/da = 2", "de/db = 5", "check", "2 of 2 agree with differences to 1e-16"};
    expect_in_order(5, words);
    expect_not("DISAGREE");
}

Test(explain, of_many_contributions_eight_are_shown) {
    ad_var x[20];
    for (int i = 0; i < 20; i++) x[i] = ad_input(tape, i);
    explain(ad_sum(20, x));
    expect("#7 += 1 * 1 = 1");
    expect_not("#8 += ");
    expect("... and 12 more");
}

/* ---- other graphs ---------------------------------------------------------------------------- */

Test(explain, unnamed_nodes_go_by_their_numbers) {
    ad_var x = ad_input(tape, 3);
    explain(ad_mul(x, x));
    expect("#0");
    expect("d#1/d#0 = 6");
}

Test(explain, nodes_that_do_not_lead_there_are_left_out) {
    ad_var x = ad_input(tape, 3), other = ad_input(tape, 77), y = ad_sin(x);
    ad_exp(other);
    explain(y);
    expect_not("77");
    expect_not("exp");
}

Test(explain, every_row_is_written_with_its_operands) {
    for (int i = 0; i < ROWS; i++) {
        ad_var x = ad_input(tape, 1.5), y = ad_input(tape, 2.5);
        ad_name(x, "first"), ad_name(y, "second");
        explain(row_record(&rows[i], x, y));
        expect("first");
        if (rows[i].operands == 2) expect("second");
    }
}

Test(explain, reductions_are_written_with_their_operands) {
    const ad_var x[] = {ad_input(tape, 1), ad_input(tape, 2), ad_num(3.25)};
    ad_name(x[0], "first"), ad_name(x[1], "second");
    explain(ad_sum(3, x));
    expect("sum"), expect("first"), expect("second"), expect("3.25"), expect("= 6.25");
    explain(ad_dot(2, x, x + 1));
    expect("dot"), expect("= 8.5");
    explain(ad_logsumexp(3, x));
    expect("logsumexp");
    explain(ad_where(x[0], x[1], x[2]));
    expect("where"), expect("second += 1 * 1 = 1");
    explain(ad_pick(ad_num(1), 3, x));
    expect("pick"), expect("second += 1 * 1 = 1");
}

Test(explain, reduction_of_a_thousand_is_not_a_page_of_operands) {
    static ad_var x[1000];
    for (int i = 0; i < 1000; i++) x[i] = ad_input(tape, i);
    explain(ad_sum(1000, x));
    expect("= 499500");
    expect("check");
}

Test(explain, plain_number_has_an_explanation) {
    cr_expect_eq(explained(ad_num(2.5), sizeof text, text), AD_OK);
    expect("2.5");
}

Test(explain, input_has_an_explanation) {
    ad_var x = ad_input(tape, 2.5);
    ad_name(x, "alone");
    explain(x);
    expect("alone"), expect("dalone/dalone = 1");
}

/* ---- what explaining leaves behind ----------------------------------------------------------- */

Test(explain, values_are_restored_afterwards) {
    ad_var x = ad_input(tape, 0.7), y = ad_exp(ad_sin(x));
    const double before = ad_value(y);
    const size_t length = ad_tape_length(tape);
    explain(y);
    cr_expect(same_bits(ad_value(y), before));
    cr_expect_eq(ad_value(x), 0.7);
    cr_expect_eq(ad_tape_length(tape), length);
    cr_expect_eq(ad_tape_status(tape), AD_OK);
}

Test(explain, adjoints_of_the_last_sweep_stay) {
    ad_var x = ad_input(tape, 3), y = ad_mul(x, x), z = ad_exp(x);
    ad_backward(y);
    explain(z);
    cr_expect_eq(ad_grad(x), 6);
}

Test(explain, value_set_and_not_replayed_stays_as_it_was) {
    ad_var x = ad_input(tape, 3), y = ad_mul(x, x);
    ad_set(x, 4);
    explain(y);
    cr_expect_eq(ad_value(y), 9);
    cr_expect_eq(ad_value(x), 4);
}

/* ---- what may go wrong ----------------------------------------------------------------------- */

Test(explain, values_that_are_not_finite_are_shown) {
    ad_var x = ad_input(tape, 0), y = ad_input(tape, -1);
    explain(ad_log(x));
    expect("inf");
    explain(ad_log(y));
    expect("nan");
    explain(ad_mul(ad_sqrt(x), ad_div(y, x)));
    expect("nan");
    explain(ad_input(tape, INFINITY));
    cr_expect_eq(ad_tape_status(tape), AD_OK);
}

Test(explain, differences_that_cross_a_branch_leave_no_error) {
    ad_var x = ad_input(tape, 1), y = ad_branch(ad_less(x, ad_num(1.0000001))) ? ad_mul(x, x) : x;
    explain(y);
    expect("= 2");
    cr_expect_eq(ad_tape_status(tape), AD_OK);
    cr_expect_eq(ad_value(y), 1);
}

Test(explain, index_is_no_reason_to_fail) {
    ad_var       index = ad_input(tape, 1);
    const ad_var x[] = {ad_input(tape, 5), ad_input(tape, 6)};
    explain(ad_pick(index, 2, x));
    cr_expect_eq(ad_tape_status(tape), AD_OK);
    cr_expect_eq(ad_value(index), 1);
}

/* No differences there, and no contradiction either. */
Test(explain, kink_is_not_called_right) {
    ad_var x = ad_input(tape, 0);
    explain(ad_abs(x));
    expect("= 0");
    cr_expect_eq(ad_tape_status(tape), AD_OK);
}

Test(explain, error_of_the_tape_is_the_status) {
    ad_var x = ad_input(tape, 1), y = ad_exp(x);
    ad_set(y, 1);
    cr_expect_eq(explained(y, sizeof text, text), AD_BAD_ARGUMENT);
}

Test(explain, forgotten_node_is_stale) {
    ad_var        x = ad_input(tape, 1);
    const ad_mark mark = ad_tape_mark(tape);
    ad_var        y = ad_exp(x);
    ad_tape_rewind(tape, mark);
    cr_expect_eq(explained(y, sizeof text, text), AD_STALE);
}

Test(explain, nowhere_to_write_is_a_bad_argument) {
    cr_expect_eq(ad_explain(example(), NULL), AD_BAD_ARGUMENT);
}

Test(explain, file_that_cannot_be_written_is_a_bad_file) {
    FILE *full = fopen("/dev/full", "w");
    if (full == NULL) cr_skip_test("no /dev/full on this machine");
    cr_expect_eq(ad_explain(example(), full), AD_BAD_FILE);
    fclose(full);
}

Test(explain, long_names_do_not_overflow) {
    static char name[100000];
    memset(name, 'n', sizeof name - 1);
    ad_var x = ad_input(tape, 1), y = ad_hypot(x, ad_input(tape, 2));
    ad_name(x, name), ad_name(y, name);
    explain(y);
    expect("nnnnnnnn");
}

Test(explain, chain_of_a_thousand_nodes) {
    ad_var y = ad_input(tape, 1);
    for (int i = 0; i < 1000; i++) y = ad_mul(y, ad_num(1.001));
    explain(y);
    expect("1000/1000");
}

/* ---- locale ---------------------------------------------------------------------------------- */

Test(explain, numbers_are_written_as_in_the_c_locale) {
    const char *names[] = {"de_DE.UTF-8", "de_DE.utf8",  "de_DE",
                           "fr_FR.UTF-8", "it_IT.UTF-8", "es_ES.UTF-8"};
    bool        comma = false;
    for (size_t i = 0; i < sizeof names/sizeof *names && !comma; i++)
        comma = setlocale(LC_ALL, names[i]) != NULL && localeconv()->decimal_point[0] == ',';
    if (!comma) cr_skip_test("no locale with a decimal comma on this machine");
    explain(ad_mul(ad_input(tape, 1.5), ad_num(2.25)));
    expect("1.5"), expect("2.25"), expect("3.375");
    cr_expect(localeconv()->decimal_point[0] == ',');
}
