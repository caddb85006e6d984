/* paths.c - tests of engine/explain/paths.c: the sum over paths, and where NaN and infinity come
 * from. */
#include "support.h"

#include "expect.h"
#include "lines.h"
#include <stdlib.h>
#include <string.h>

static ad_tape *tape;
static char    *text;

static void make(void) {
    tape = ad_tape_new();
}
static void drop(void) {
    ad_tape_free(tape);
    free(text);
}

TestSuite(paths, .init = make, .fini = drop);

static const char *paths(ad_var y, ad_var x, size_t most) {
    size_t          length = 0;
    FILE           *to = open_memstream(&text, &length);
    const ad_status status = ad_explain_paths(y, x, most, to);
    fclose(to);
    cr_expect_eq(status, AD_OK, "%s", ad_tape_message(tape));
    return text;
}

static void expect(const char *words) {
    cr_expect(strstr(text, words) != NULL, "\"%s\" is not in\n%s", words, text);
}

Test(paths, each_path_is_a_product_and_the_sum_is_the_adjoint) {
    const ad_var x[] = {ad_input(tape, 2), ad_input(tape, 1)};
    ad_name(x[0], "a");
    ad_name(x[1], "b");
    paths(ad_parse(tape, "e = (a + b)*(b + 1)", 2, "a, b", x), x[1], 0);
    expect("from b to e: 2");
    expect("b -> #3 -> e");
    expect("1 * 3 = 3");
    expect("b -> #2 -> e");
    expect("1 * 2 = 2");
    expect("de/db = 5");
}

static void expect_text(const char *want) {
    cr_expect_str_eq(text, want, "it is\n%s\nand not\n%s", text, want);
}

Test(paths, page_of_the_example) {
    const ad_var x[] = {ad_input(tape, 2), ad_input(tape, 1)};
    ad_name(x[0], "a");
    ad_name(x[1], "b");
    const ad_var e = ad_parse(tape, "e = (a + b)*(b + 1)", 2, "a, b", x);
    paths(e, x[1], 0);
    expect_text("paths     from b to e: 2\n"
                "  b -> #3 -> e                              1 * 3 = 3\n"
                "  b -> #2 -> e                              1 * 2 = 2\n"
                "sum       de/db = 5, the adjoint of b\n");
    paths(e, x[1], 1);
    expect_text("paths     from b to e: 2; the largest are\n"
                "  b -> #3 -> e                              1 * 3 = 3\n"
                "sum       de/db = 5 over all of them, the adjoint of b\n");
    paths(e, e, 0);
    expect_text("paths     from e to e: 1\n"
                "  e                                         the empty product = 1\n"
                "sum       de/de = 1, the adjoint of e\n");
    paths(x[0], e, 0);
    expect_text("paths     from e to a: none, it was recorded later\n");
}

/* At a = 2, b = 1; products by hand: 9.38906 = e^2 + 2, 1.15853 = 2 - sin 1, 7.38906 = e^2. */
Test(paths, of_a_formula_come_by_size_and_in_the_order_of_the_operands) {
    const ad_var x[] = {ad_input(tape, 2), ad_input(tape, 1)};
    ad_name(x[0], "a");
    ad_name(x[1], "b");
    paths(ad_parse(tape, "(exp(a) + a*b)*(a*b - sin(b)) + a*a/b", 2, "a, b", x), x[0], 0);
    expect_text("paths     from a to #11: 5\n"
                "  a -> #5 -> #7 -> #8 -> #11                1 * 1 * 9.38906 * 1 = 9.38906\n"
                "  a -> #2 -> #4 -> #8 -> #11                7.38906 * 1 * 1.15853 * 1 = 8.56044\n"
                "  a -> #9 -> #10 -> #11                     2 * 1 * 1 = 2\n"
                "  a -> #9 -> #10 -> #11                     2 * 1 * 1 = 2\n"
                "  a -> #3 -> #4 -> #8 -> #11                1 * 1 * 1.15853 * 1 = 1.15853\n"
                "sum       d#11/da = 23.108, the adjoint of a\n");
}

/* Twelve steps are shown, and the last. */
Test(paths, of_more_than_thirteen_steps_the_middle_is_left_out) {
    const ad_var x = ad_input(tape, 1);
    ad_var       y = x;
    for (int i = 1; i <= 15; i++) {
        y = ad_mul(y, ad_num(2));
        paths(y, x, 0);
        if (i == 13)
            expect_text("paths     from #0 to #13: 1\n"
                        "  #0 -> #1 -> #2 -> #3 -> #4 -> #5 -> #6 -> #7 -> #8 -> #9 -> #10 -> #11 "
                        "-> #12\n"
                        "      -> #13\n"
                        "      2 * 2 * 2 * 2 * 2 * 2 * 2 * 2 * 2 * 2 * 2 * 2 * 2 = 8192\n"
                        "sum       d#13/d#0 = 8192, the adjoint of #0\n");
        if (i == 15)
            expect_text("paths     from #0 to #15: 1\n"
                        "  #0 -> #1 -> #2 -> #3 -> #4 -> #5 -> #6 -> #7 -> #8 -> #9 -> #10 -> #11 "
                        "-> #12\n"
                        "      -> ... 2 more -> #15\n"
                        "      2 * 2 * 2 * 2 * 2 * 2 * 2 * 2 * 2 * 2 * 2 * 2 * ... * 2 = 32768\n"
                        "sum       d#15/d#0 = 32768, the adjoint of #0\n");
    }
}

/* Eight are shown by default, 64 at most. */
Test(paths, as_many_are_shown_as_are_asked_for) {
    const ad_var x = ad_input(tape, 1);
    ad_var       y = x;
    for (int i = 0; i < 7; i++) y = ad_add(y, y);
    static const size_t cases[][2] = {{0, 8},   {1, 1},   {7, 7},    {63, 63},
                                      {64, 64}, {65, 64}, {1000, 64}};
    for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
        size_t lines = 0;
        for (const char *at = paths(y, x, cases[k][0]); (at = strstr(at, "\n  #0")) != NULL; at++)
            lines++;
        cr_expect_eq(lines, cases[k][1], "%zu: %zu", cases[k][0], lines);
    }
    expect("from #0 to #7: 128; the largest are\n");
}

/* ---- where what is not finite comes from ----------------------------------------------------- */

static bool nonfinite(ad_var y) {
    size_t     length = 0;
    FILE      *to = open_memstream(&text, &length);
    const bool found = ad_explain_nonfinite(y, to);
    fclose(to);
    return found;
}

Test(paths, the_first_that_is_not_finite_is_followed_to_the_result_or_to_its_end) {
    const ad_var x = ad_input(tape, 0), z = ad_input(tape, 2), l = ad_log(x), y = ad_mul(l, z),
                 w = ad_add(y, z);
    ad_name(l, "l");
    cr_expect(!nonfinite(z));
    expect_text("");
    cr_expect(nonfinite(l));
    expect_text("first     #2 l = log(#0) = -inf\n"
                "          with #0 = 0\n");
    cr_expect(nonfinite(w));
    expect_text("first     #2 l = log(#0) = -inf\n"
                "          with #0 = 0\n"
                "    then  #3 l * #1 = -inf\n"
                "    then  #4 #3 + #1 = -inf\n");
    cr_expect(nonfinite(ad_exp(w)));
    expect_text("first     #2 l = log(#0) = -inf\n"
                "          with #0 = 0\n"
                "    then  #3 l * #1 = -inf\n"
                "    then  #4 #3 + #1 = -inf\n"
                "          it goes no further: the result is finite\n");
}

Test(paths, eight_operands_of_the_first_are_shown_and_the_others_counted) {
    ad_var x[10];
    for (int i = 0; i < 10; i++) x[i] = ad_input(tape, 1e308);
    static const char *const        ends[] = {"#7) = inf\n", "#7, ... 1 more) = inf\n",
                                              "#7, ... 2 more) = inf\n"},
                             *const more[] = {"", "          and 1 operand more\n",
                                              "          and 2 operands more\n"};
    for (size_t n = 8; n <= 10; n++) {
        char want[1000];
        int  length =
            snprintf(want, sizeof want, "first     #%zu sum(#0, #1, #2, #3, #4, #5, #6, %s", n + 2,
                     ends[n - 8]);
        for (int i = 0; i < 8; i++)
            length += snprintf(want + length, sizeof want - (size_t)length,
                               "          with #%d = 1e+308\n", i);
        snprintf(want + length, sizeof want - (size_t)length, "%s", more[n - 8]);
        cr_expect(nonfinite(ad_sum(n, x)));
        expect_text(want);
    }
}

/* Twenty are shown, and the result. */
Test(paths, long_ways_of_a_nan_are_shortened) {
    const ad_var x = ad_input(tape, -1);
    ad_var       y = ad_log(x);
    for (int i = 0; i < 23; i++) {
        y = ad_sin(y);
        nonfinite(y);
        size_t lines = 0;
        for (const char *at = text; (at = strstr(at, "    then  ")) != NULL; at++) lines++;
        cr_expect_eq(lines, (size_t)(i + 1 < 21 ? i + 1 : 21));
        cr_expect_eq(strstr(text, "left out") != NULL, i + 1 > 21, "%s", text);
        char last[40];
        snprintf(last, sizeof last, "    then  #%d sin(#%d) = ", i + 2, i + 1);
        expect(last);
        if (i + 1 == 22) expect("\n          (1 step in between is left out)\n");
        if (i + 1 == 23) expect("\n          (2 steps in between are left out)\n");
    }
}

Test(paths, are_counted_without_being_walked) {
    const ad_var x = ad_input(tape, 1);
    ad_var       y = x;
    for (int i = 0; i < 60; i++) y = ad_add(y, y);
    paths(y, x, 3);
    expect(": 1152921504606846976;"); /* 2^60 */
    expect("= 1.15292e+18 over all of them");
}

Test(paths, the_largest_come_first) {
    const ad_var x = ad_input(tape, 1);
    const ad_var small = ad_mul(x, ad_num(2)), large = ad_mul(x, ad_num(-7)),
                 middle = ad_mul(x, ad_num(3));
    paths(ad_add(ad_add(small, large), middle), x, 2);
    const char *first = strstr(text, "= -7\n"), *second = strstr(text, "= 3\n");
    cr_assert(first != NULL && second != NULL, "%s", text);
    cr_expect_lt(first, second);
    cr_expect_null(strstr(text, "= 2\n"));
    expect("= -2 over all of them");
}

Test(paths, of_two_edges_between_the_same_nodes_are_two) {
    const ad_var x = ad_input(tape, 3);
    paths(ad_mul(x, x), x, 0);
    expect(": 2");
    expect("sum       d#1/d#0 = 6");
}

Test(paths, to_what_was_recorded_earlier_there_are_none) {
    const ad_var x = ad_input(tape, 3), y = ad_exp(x);
    paths(x, y, 0);
    expect("none");
}

Test(paths, from_a_plain_number_are_refused) {
    cr_expect_eq(ad_explain_paths(ad_exp(ad_input(tape, 1)), ad_num(3), 0, stderr),
                 AD_BAD_ARGUMENT);
    cr_expect_eq(ad_tape_status(tape), AD_BAD_ARGUMENT);
}
