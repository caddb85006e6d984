/* paths.c - tests of the sum over paths. */
#include "support.h"

#include "expect.h"
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
    size_t length = 0;
    FILE  *to = open_memstream(&text, &length);
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

Test(paths, are_counted_without_being_walked) {
    const ad_var x = ad_input(tape, 1);
    ad_var       y = x;
    for (int i = 0; i < 60; i++) y = ad_add(y, y);
    paths(y, x, 3);
    expect(": 1152921504606846976;");                     /* 2^60 */
    expect("= 1.15292e+18 over all of them");
}

Test(paths, the_largest_come_first) {
    const ad_var x = ad_input(tape, 1);
    const ad_var small = ad_mul(x, ad_num(2)), large = ad_mul(x, ad_num(-7)), middle = ad_mul(x, ad_num(3));
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
    cr_expect_eq(ad_explain_paths(ad_exp(ad_input(tape, 1)), ad_num(3), 0, stderr), AD_BAD_ARGUMENT);
    cr_expect_eq(ad_tape_status(tape), AD_BAD_ARGUMENT);
}
