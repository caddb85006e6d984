/* compare.c - tests of engine/check/compare.c: what differences say about right passes, about wrong
 * ones, and where there are none. */
#include "engine/check/compare.h"

#include "support.h"

#include "expect.h"
#include <math.h>
#include <string.h>

static ad_tape       *tape;
static ad__traced     traced;
static ad__comparison compared;
static char           said[AD__CONCLUSION];

static void make(void) {
    tape = ad_tape_new();
}
static void forget(void) {
    ad__compare_free(&compared);
    ad__trace_free(&traced);
    compared = (ad__comparison){.inputs = 0};
    traced = (ad__traced){.n = 0};
}
static void drop(void) {
    forget();
    ad_tape_free(tape);
}

TestSuite(compare, .init = make, .fini = drop);

static void compare(ad_var y, ad_bug bug) {
    cr_assert(ad__trace_make(tape, 1, &y, &(ad_view){.bug = bug}, &traced));
    cr_assert(ad__compare_make(tape, &traced, 0, true, &compared));
    ad__compare_said(&compared, bug, said);
    cr_expect_eq(ad_tape_status(tape), AD_OK, "%s", ad_tape_message(tape));
}

static void expect_said(const char *words) {
    cr_expect(strstr(said, words) != NULL, "\"%s\" is not in\n%s", words, said);
}

/* (a + b)*(b + 1) at 2, 1: the gradient is (b + 1, a + 2b + 1) = (2, 5). */
static ad_var example(void) {
    const ad_var x[] = {ad_input(tape, 2), ad_input(tape, 1)};
    return ad_parse(tape, "(a + b)*(b + 1)", 2, "a, b", x);
}

Test(compare, a_right_pass_agrees_input_by_input) {
    compare(example(), AD_BUG_NONE);
    cr_expect(compared.checked && compared.inputs == 2 && compared.agree == 2 &&
              compared.open == 0);
    cr_expect(close_to(compared.input[0].difference, 2, 1e-10, 0) &&
              close_to(compared.input[1].difference, 5, 1e-10, 0));
    cr_expect_eq(compared.harmed, 0);
    expect_said("2 of 2 agree with differences to ");
    cr_expect_null(traced.right);
}

/* With overwriting, b keeps only what the sum sends last: 2 of 5. With stale adjoints everything
 * below the result grows; see tests/explain/explain.c for the numbers. */
Test(compare, each_bug_is_noticed_where_it_does_harm) {
    const ad_var y = example();
    compare(y, AD_BUG_OVERWRITE);
    cr_expect(compared.agree == 1 && compared.harmed == 1 && !compared.input[1].agrees &&
              compared.right_refuted == 0);
    expect_said("1 of 2 DISAGREE with differences: a value that is used twice owes its gradient to "
                "both uses");
    forget();
    compare(y, AD_BUG_STALE);
    cr_expect(compared.agree == 0 && compared.harmed == 2);
    expect_said("2 of 2 DISAGREE with differences: what an earlier pass left must be set to zero "
                "before the next");
    forget();
    compare(y, AD_BUG_DEPTH_FIRST);
    cr_expect(compared.agree == 2 && compared.harmed == 0);
    expect_said(
        "2 of 2 agree with differences to 1e-16: in this graph the bug makes no difference");
}

/* abs has no derivative at 0, so there are no differences of 3x + 2|x| + 4x: that the bug loses the
 * 3 or the 4 is known only from the right pass, and no text may say that it makes no difference. z
 * is right. */
Test(compare, where_there_are_no_differences_the_bug_is_not_declared_harmless) {
    const ad_var x = ad_input(tape, 0), z = ad_input(tape, 2);
    const ad_var kinked = ad_add(ad_mul(x, ad_num(3)), ad_mul(ad_abs(x), ad_num(2)));
    compare(ad_add(kinked, ad_add(z, ad_mul(x, ad_num(4)))), AD_BUG_OVERWRITE);
    cr_expect(compared.open == 1 && compared.agree == 1 && compared.harmed == 1);
    expect_said("1 of 2 agree with differences");
    expect_said("just where the bug makes a difference there are none");
    cr_expect(strstr(said, "no difference:") == NULL && strstr(said, "makes no difference") == NULL,
              "%s", said);
}

/* A rule that is wrong without any bug: the bug is not to blame, and its lesson is not given. */
static double square(size_t n, const double x[], void *context) {
    (void)n, (void)context;
    return x[0] * x[0];
}
static void wrong_rule(size_t n, const double x[], double v, double partial[], void *context) {
    (void)n, (void)v, (void)context;
    partial[0] = 3 * x[0];
}

Test(compare, a_wrong_rule_is_not_blamed_on_the_bug) {
    static const ad_custom_op op = {
        .name = "square", .operands = 1, .value = square, .partials = wrong_rule};
    const ad_var x = ad_input(tape, 2);
    compare(ad_custom(tape, &op, 1, &x, NULL), AD_BUG_OVERWRITE);
    cr_expect(compared.harmed == 0 && compared.right_refuted == 1 &&
              compared.input[0].right_refuted);
    expect_said("1 of 1 DISAGREE with differences: a kink, a jump, or a wrong rule");
}

Test(compare, what_is_not_wanted_is_not_asked) {
    const ad_var y = example();
    cr_assert(ad__trace_make(tape, 1, &y, &(ad_view){.bug = AD_BUG_OVERWRITE}, &traced));
    cr_assert(ad__compare_make(tape, &traced, 0, false, &compared));
    cr_expect(!compared.checked && compared.inputs == 2 && compared.harmed == 1);
    for (size_t i = 0; i < 2; i++)
        cr_expect(compared.input[i].difference != compared.input[i].difference);
}

/* Terms that nearly cancel, added up in another order: off by roundings, which is not the bug's
 * fault. */
Test(compare, rounding_in_another_order_is_not_called_wrong) {
    const ad_var x = ad_input(tape, 0.3);
    ad_var       term[9];
    for (int i = 0; i < 8; i++)
        term[i] = ad_mul(ad_sin(ad_mul(x, ad_num(i + 1))),
                         ad_num(i % 2 == 0 ? 0.1 * (i + 1) : 0.7 / (i + 1)));
    term[8] = ad_mul(x, ad_num(-2));
    const ad_var y = ad_sum(9, term);
    compare(y, AD_BUG_DEPTH_FIRST);
    cr_expect_eq(compared.harmed, 0);
}

/* ---- faults and harm ------------------------------------------------------------------------- */

static uint32_t draw(uint64_t *state, uint32_t below) {
    *state = *state * 6364136223846793005u + 1442695040888963407u; /* Knuth's MMIX */
    return (uint32_t)(*state >> 33) % below;
}

static ad_var random_graph(uint64_t seed) {
    ad_var node[14];
    for (int i = 0; i < 3; i++) node[i] = ad_input(tape, 0.25 + 0.5 * draw(&seed, 100) / 100);
    for (uint32_t i = 3; i < 14; i++) {
        const ad_var a = node[draw(&seed, i)], b = node[i - 1 - draw(&seed, i < 5 ? i : 5)];
        switch (draw(&seed, 5)) {
        case 0: node[i] = ad_add(a, b); break;
        case 1: node[i] = ad_mul(a, b); break;
        case 2: node[i] = ad_sub(ad_sin(a), b); break;
        case 3: node[i] = ad_max(a, ad_mul(b, ad_num(0.75))); break;
        default: node[i] = ad_sin(b);
        }
    }
    return node[13];
}

static size_t faults(const ad__pass *pass) {
    size_t count = 0;
    for (size_t k = 0; k < pass->sents; k++) count += pass->sent[k].fault != AD__SOUND;
    return count;
}

/* A bug that changes nothing does no harm; the gradient called right is that of a sweep; and inputs
 * whose differences contradict the pass without the bug are counted. 400 graphs, some affected by
 * each bug and some not. */
Test(compare, what_strikes_nowhere_does_no_harm) {
    static const ad_order order[] = {AD_ORDER_TAPE, AD_ORDER_DEPTH_FIRST};
    for (ad_bug bug = AD_BUG_OVERWRITE; bug <= AD_BUG_STALE; bug++) {
        size_t struck = 0, harmless = 0;
        for (uint64_t seed = 1; seed <= 400; seed++) {
            const ad_var y = random_graph(seed);
            cr_assert(ad__trace_make(tape, 1, &y, &(ad_view){.bug = bug, .order = order[seed % 2]},
                                     &traced));
            cr_assert(ad__compare_make(tape, &traced, 0, true, &compared));
            const size_t found = faults(&traced.pass[0]);
            cr_expect(found > 0 || compared.harmed == 0, "seed %d: no fault, and harm", (int)seed);
            ad_backward(y);
            for (uint32_t i = 0; i <= ad__node_of(y); i++)
                cr_expect(close_to(traced.right[0].adjoint[i], ad_grad(ad__handle(tape, i)), 1e-13,
                                   1e-13),
                          "node %u", i);
            for (size_t k = 0; k < compared.inputs; k++)
                cr_expect(compared.input[k].open ||
                              compared.input[k].agrees ==
                                  !traced.pass[0].wrong[compared.input[k].node],
                          "seed %d, input %zu", (int)seed, k);
            struck += compared.harmed > 0, harmless += compared.harmed == 0;
            forget();
            ad_tape_free(tape);
            make();
        }
        cr_expect(struck > 20 && harmless > (bug == AD_BUG_STALE ? 0 : 20), "%d: %zu and %zu",
                  (int)bug, struck, harmless);
    }
}

Test(compare, one_for_each_result_where_there_is_a_bug) {
    const ad_var    x = ad_input(tape, 3), y[] = {ad_mul(x, x), ad_exp(x)};
    ad__comparison *all;
    cr_assert(ad__trace_make(tape, 2, y, &(ad_view){.bug = AD_BUG_STALE}, &traced));
    cr_assert(ad__compare_all(tape, &traced, true, &all));
    cr_expect(all[0].harmed == 1 && all[1].harmed == 1);
    ad__compare_all_free(2, all);
    forget();
    cr_assert(ad__trace_make(tape, 2, y, NULL, &traced));
    cr_assert(ad__compare_all(tape, &traced, true, &all));
    cr_expect_null(all);
    ad__compare_all_free(2, all);
}

Test(compare, values_and_adjoints_stay) {
    const ad_var x = ad_input(tape, 3), y = ad_mul(x, x);
    ad_backward(y);
    compare(y, AD_BUG_OVERWRITE);
    cr_expect(ad_value(y) == 9 && ad_value(x) == 3 && ad_grad(x) == 6);
}
