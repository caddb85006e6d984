/* explain.c - tests of the explanation of both passes: words and numbers, not the layout. */
#include "support.h"

#include "expect.h"
#include "lines.h"
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

/* Runs of spaces become one space, and a line that goes on with the one before it, as deeply
 * indented as such lines are, part of it: so neither columns nor lines matter. */
static void squeeze(char *at) {
    char *to = at;
    for (; *at != '\0'; at++) {
        if (*at == '\n' && strncmp(at + 1, "          ", 10) == 0) *at = ' ';
        if (*at != ' ' || (to > text && to[-1] != ' ')) *to++ = *at;
    }
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

/* In this order, but not necessarily adjacent. */
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
    /* clang-format off */
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
    /* clang-format on */
    expect_in_order(sizeof words / sizeof *words, words);
}

Test(explain, result_has_the_derivatives_and_their_check) {
    explain(example());
    const char *words[] = {"result", "de/da = 2", "de/db = 5", "check",
                           "2 of 2 agree with differences to 1e-16"};
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

/* ---- whole pages ----------------------------------------------------------------------------- */

static void write_page(size_t n, const ad_var y[], ad_view view) {
    FILE *to = fmemopen(text, sizeof text, "w");
    cr_assert_eq(ad_explain_all(n, y, &view, to), AD_OK, "%s", ad_tape_message(tape));
    fclose(to);
}

static void expect_page(size_t n, const ad_var y[], ad_view view, const char *want) {
    write_page(n, y, view);
    cr_expect_str_eq(text, want, "the page is\n%s\nand not\n%s", text, want);
}

static size_t count_of(const char *part) {
    size_t n = 0;
    for (const char *at = text; (at = strstr(at, part)) != NULL; at++) n++;
    return n;
}

Test(explain, page_of_the_example) {
    const ad_var e = example();
    expect_page(1, &e, (ad_view){0},
                "forward   #0 a = 2    #1 b = 1    #2 a + b = 3    #3 b + 1 = 2\n"
                "          #4 e = #2 * #3 = 6\n"
                "reverse   seed  de/de = 1\n"
                "  1/3     #4 e = #2 * #3  mul swaps\n"
                "            #2  += 1 * 2 = 2    (0 -> 2)\n"
                "            #3  += 1 * 3 = 3    (0 -> 3)\n"
                "  2/3     #3 b + 1        add distributes\n"
                "            b   += 3 * 1 = 3    (0 -> 3)\n"
                "  3/3     #2 a + b        add distributes\n"
                "            a   += 2 * 1 = 2    (0 -> 2)\n"
                "            b   += 2 * 1 = 2    (3 -> 5)   fork: gradients add\n"
                "result    de/da = 2    de/db = 5\n"
                "check     2 of 2 agree with differences to 1e-16\n");
}

/* The numbers of reverse_pass_has_every_contribution, except for what each bug makes of them. */
Test(explain, pages_of_the_bugs) {
    const ad_var e = example();
    expect_page(1, &e, (ad_view){.bug = AD_BUG_OVERWRITE},
                "forward   #0 a = 2    #1 b = 1    #2 a + b = 3    #3 b + 1 = 2\n"
                "          #4 e = #2 * #3 = 6\n"
                "bug       no-accumulate, on purpose: a contribution overwrites what stands there\n"
                "          instead of being added to it\n"
                "reverse   seed  de/de = 1\n"
                "  1/3     #4 e = #2 * #3  mul swaps\n"
                "            #2   = 1 * 2 = 2    (0 -> 2)\n"
                "            #3   = 1 * 3 = 3    (0 -> 3)\n"
                "  2/3     #3 b + 1        add distributes\n"
                "            b    = 3 * 1 = 3    (0 -> 3)\n"
                "  3/3     #2 a + b        add distributes\n"
                "            a    = 2 * 1 = 2    (0 -> 2)\n"
                "            b    = 2 * 1 = 2    (3 -> 2)   fork: what stood here is lost\n"
                "result    de/da = 2    de/db = 2\n"
                "right     de/da = 2    de/db = 5\n"
                "check     1 of 2 DISAGREE with differences: a value that is used twice owes its\n"
                "          gradient to both uses: contributions must be added\n");
    expect_page(1, &e, (ad_view){.bug = AD_BUG_DEPTH_FIRST},
                "forward   #0 a = 2    #1 b = 1    #2 a + b = 3    #3 b + 1 = 2\n"
                "          #4 e = #2 * #3 = 6\n"
                "bug       depth-first, on purpose: a node passes on what it has when it is first\n"
                "          reached, complete or not\n"
                "reverse   seed  de/de = 1\n"
                "  1/3     #4 e = #2 * #3  mul swaps\n"
                "            #2  += 1 * 2 = 2    (0 -> 2)\n"
                "            #3  += 1 * 3 = 3    (0 -> 3)\n"
                "  2/3     #2 a + b        add distributes\n"
                "            a   += 2 * 1 = 2    (0 -> 2)\n"
                "            b   += 2 * 1 = 2    (0 -> 2)\n"
                "  3/3     #3 b + 1        add distributes\n"
                "            b   += 3 * 1 = 3    (2 -> 5)   fork: gradients add\n"
                "result    de/da = 2    de/db = 5\n"
                "right     de/da = 2    de/db = 5\n"
                "check     2 of 2 agree with differences to 1e-16: in this graph the bug makes no\n"
                "          difference\n");
    ad_backward(e);
    expect_page(1, &e, (ad_view){.bug = AD_BUG_STALE},
                "forward   #0 a = 2    #1 b = 1    #2 a + b = 3    #3 b + 1 = 2\n"
                "          #4 e = #2 * #3 = 6\n"
                "bug       stale, on purpose: the gradients that an earlier pass left were not\n"
                "          set to zero\n"
                "reverse   seed  de/de = 1, and all that an earlier pass left\n"
                "  1/3     #4 e = #2 * #3  mul swaps\n"
                "            #2  += 1 * 2 = 2    (2 -> 4)\n"
                "                stale: what stood here is from an earlier pass\n"
                "            #3  += 1 * 3 = 3    (3 -> 6)\n"
                "                stale: what stood here is from an earlier pass\n"
                "  2/3     #3 b + 1        add distributes\n"
                "            b   += 6 * 1 = 6    (5 -> 11)\n"
                "                stale: what stood here is from an earlier pass\n"
                "  3/3     #2 a + b        add distributes\n"
                "            a   += 4 * 1 = 4    (2 -> 6)\n"
                "                stale: what stood here is from an earlier pass\n"
                "            b   += 4 * 1 = 4    (11 -> 15)   fork: gradients add\n"
                "result    de/da = 6    de/db = 15\n"
                "right     de/da = 2    de/db = 5\n"
                "check     2 of 2 DISAGREE with differences: what an earlier pass left must be\n"
                "          set to zero before the next\n");
}

/* The list of values is wrapped at the margin; each result has its backward pass. */
Test(explain, page_of_two_results_without_checks) {
    const ad_var e = example(), a = ad_find(tape, "a"), sine = ad_sin(ad_find(tape, "b"));
    expect_page(2, (ad_var[]){e, ad_mul(a, sine)}, (ad_view){.bare = true},
                "forward   #0 a = 2    #1 b = 1    #2 a + b = 3    #3 b + 1 = 2\n"
                "          #4 e = #2 * #3 = 6    #5 sin(b) = 0.841471    #6 a * #5 = 1.68294\n"
                "reverse   seed  de/de = 1\n"
                "  1/3     #4 e = #2 * #3  mul swaps\n"
                "            #2  += 1 * 2 = 2    (0 -> 2)\n"
                "            #3  += 1 * 3 = 3    (0 -> 3)\n"
                "  2/3     #3 b + 1        add distributes\n"
                "            b   += 3 * 1 = 3    (0 -> 3)\n"
                "  3/3     #2 a + b        add distributes\n"
                "            a   += 2 * 1 = 2    (0 -> 2)\n"
                "            b   += 2 * 1 = 2    (3 -> 5)   fork: gradients add\n"
                "result    de/da = 2    de/db = 5\n"
                "reverse   seed  d#6/d#6 = 1\n"
                "  1/2     #6 a * #5  mul swaps\n"
                "            a   += 1 * 0.841471 = 0.841471    (0 -> 0.841471)\n"
                "            #5  += 1 * 2 = 2    (0 -> 2)\n"
                "  2/2     #5 sin(b)  sin turns\n"
                "            b   += 2 * 0.540302 = 1.0806    (0 -> 1.0806)\n"
                "result    d#6/da = 0.841471    d#6/db = 1.0806\n");
}

/* 0.999329 = tanh 4, 0.986614 = tanh 2.5; 0.0265744 = (1 - 0.986614^2)*0.999329, half of it for #0.
 * Node #1 has already received 0.5*(1 - 0.999329^2)*0.986614 = 0.00066 from the other scope. */
Test(explain, page_of_folded_scopes) {
    ad_var x[3], h[2];
    for (int i = 0; i < 3; i++) x[i] = ad_input(tape, i + 1);
    for (int j = 0; j < 2; j++) {
        ad_scope(tape, j == 0 ? "unit 0" : "unit 1");
        h[j] = ad_tanh(ad_add(ad_mul(x[j], ad_num(0.5)), x[j + 1]));
        ad_scope_end(tape);
    }
    const ad_var y = ad_mul(h[0], h[1]);
    ad_name(y, "y");
    expect_page(1, &y, (ad_view){.most = 6, .bare = true},
                "forward   #0 input = 1    #1 input = 2    #2 input = 3    [unit 0: 3 operations]\n"
                "          [unit 1: 3 operations]    #9 y = #5 * #8 = 0.985953\n"
                "          (2 scopes are folded)\n"
                "reverse   seed  dy/dy = 1\n"
                "  1/7     #9 y = #5 * #8        mul swaps\n"
                "            #5  += 1 * 0.999329 = 0.999329    (0 -> 0.999329)\n"
                "            #8  += 1 * 0.986614 = 0.986614    (0 -> 0.986614)\n"
                "  2-4/7   unit 1: 3 operations  folded\n"
                "            #2  += 0.001323 in all    (0 -> 0.001323)\n"
                "            #1  += 0.000661501 in all    (0 -> 0.000661501)\n"
                "  5-7/7   unit 0: 3 operations  folded\n"
                "            #1  += 0.0265744 in all    (0.000661501 -> 0.0272359)\n"
                "            #0  += 0.0132872 in all    (0 -> 0.0132872)\n"
                "result    dy/d#0 = 0.0132872    dy/d#1 = 0.0272359    dy/d#2 = 0.001323\n");
}

/* The same graph with overwriting: node #1 keeps what the second scope sends last, and the
 * contribution of the first is lost. */
Test(explain, folded_boxes_overwrite_and_leave_like_single_steps) {
    ad_var x[3], h[2];
    for (int i = 0; i < 3; i++) x[i] = ad_input(tape, i + 1);
    for (int j = 0; j < 2; j++) {
        ad_scope(tape, j == 0 ? "unit 0" : "unit 1");
        h[j] = ad_tanh(ad_add(ad_mul(x[j], ad_num(0.5)), x[j + 1]));
        ad_scope_end(tape);
    }
    const ad_var y = ad_mul(h[0], h[1]);
    write_page(1, &y, (ad_view){.most = 6, .bug = AD_BUG_OVERWRITE});
    squeeze(text);
    expect("2-4/7 unit 1: 3 operations folded #2 = 0.001323 in the end (0 -> 0.001323) #1 = ");
    expect("#1 = 0.0265744 in the end (0.000661501 -> 0.0265744) fork: what stood here is lost #0");
    expect_not("+=");
    expect("check 1 of 3 DISAGREE with differences: a value that is used twice");
    write_page(1, &y, (ad_view){.most = 6, .bug = AD_BUG_STALE});
    squeeze(text);
    expect("in all (0.001323 -> ");
    expect(") stale: what stood here is from an earlier pass #1 +=");
    expect("right d#9/d#0 = 0.0132872 d#9/d#1 = 0.0272359 d#9/d#2 = 0.001323\n");
}

/* relu(a) - relu(-a) is a, but at 0 the sweep takes both slopes to be 0: the pass without the bug
 * is not right either. */
Test(explain, what_differences_refute_is_not_called_right) {
    const ad_var a = ad_input(tape, 0), b = ad_input(tape, 3);
    const ad_var y = ad_add(ad_sub(ad_relu(a), ad_relu(ad_neg(a))), ad_mul(b, b));
    write_page(1, &y, (ad_view){.bug = AD_BUG_OVERWRITE});
    squeeze(text);
    expect("result d#7/d#0 = 0 d#7/d#1 = 3\nno bug d#7/d#0 = 0 d#7/d#1 = 6\ncheck 2 of 2 DISAGREE");
    expect_not("right");
    write_page(1, &y, (ad_view){.bug = AD_BUG_OVERWRITE, .bare = true});
    squeeze(text);
    expect("right d#7/d#0 = 0 d#7/d#1 = 6\n");
}

Test(explain, every_result_of_a_bug_has_what_is_right) {
    const ad_var e = example(), a = ad_find(tape, "a");
    write_page(2, (ad_var[]){e, ad_mul(a, a)}, (ad_view){.bug = AD_BUG_OVERWRITE, .bare = true});
    cr_expect_eq(count_of("bug       no-accumulate, on purpose: "), 2, "%s", text);
    expect("result    de/da = 2    de/db = 2\nright     de/da = 2    de/db = 5\n");
    expect("result    d#5/da = 2\nright     d#5/da = 4\n");
    expect_not("check");
}

Test(explain, nothing_that_arrives_or_is_sent_on_is_told) {
    ad_var x[3];
    for (int i = 0; i < 3; i++) x[i] = ad_input(tape, 0);
    const ad_var bend = ad_abs(ad_sub(x[0], x[1])), y = ad_add(bend, ad_exp(x[2]));
    expect_page(1, &y, (ad_view){.bare = true},
                "forward   #0 input = 0    #1 input = 0    #2 input = 0    #3 #0 - #1 = 0\n"
                "          #4 abs(#3) = 0    #5 exp(#2) = 1    #6 #4 + #5 = 1\n"
                "reverse   seed  d#6/d#6 = 1\n"
                "  1/4     #6 #4 + #5  add distributes\n"
                "            #4  += 1 * 1 = 1    (0 -> 1)\n"
                "            #5  += 1 * 1 = 1    (0 -> 1)\n"
                "  2/4     #5 exp(#2)  exp repeats itself\n"
                "            #2  += 1 * 1 = 1    (0 -> 1)\n"
                "  3/4     #4 abs(#3)  abs flips below 0\n"
                "            nothing is sent on\n"
                "  4/4     #3 #0 - #1  sub distributes\n"
                "            nothing arrives, nothing is sent\n"
                "result    d#6/d#0 = 0    d#6/d#1 = 0    d#6/d#2 = 1\n");
}

/* On the tape the sum comes last; it is the first of the product's operands, and so it is finished
 * earlier. */
Test(explain, depth_first_order_follows_the_operands) {
    const ad_var a = ad_input(tape, 2), b = ad_input(tape, 1), next = ad_add(b, ad_num(1)),
                 sum = ad_add(a, b);
    const ad_var e = ad_mul(sum, next);
    write_page(1, &e, (ad_view){.bare = true});
    const char *usual[] = {
        "1/3", "#4 #3 * #2", "2/3", "#3 #0 + #1", "3/3", "#2 #1 + 1", "d#4/d#0 = 2    d#4/d#1 = 5"};
    expect_in_order(7, usual);
    write_page(1, &e, (ad_view){.bare = true, .order = AD_ORDER_DEPTH_FIRST});
    const char *finished[] = {
        "1/3", "#4 #3 * #2", "2/3", "#2 #1 + 1", "3/3", "#3 #0 + #1", "d#4/d#0 = 2    d#4/d#1 = 5"};
    expect_in_order(7, finished);
}

/* exp(x) + exp(x)^2 at 0 has the derivative 1 + 2; reached first by the sum, exp(x) sends on only
 * the 1. */
Test(explain, a_node_that_passes_on_too_early_loses_what_comes_after) {
    const ad_var x = ad_input(tape, 0), one = ad_exp(x), square = ad_mul(one, one),
                 y = ad_add(one, square);
    ad_backward(y);
    cr_expect_eq(ad_grad(x), 3);
    write_page(1, &y, (ad_view){.bug = AD_BUG_DEPTH_FIRST});
    /* clang-format off */
    const char *words[] = {
        "1/3", "#3 #1 + #2", "2/3", "#1 exp(#0)", "#0  += 1 * 1 = 1", "3/3", "#2 #1 * #1",
        "d#3/d#0 = 1",
        ("1 of 1 DISAGREE with differences: a node that passes on its gradient\n"
         "          before all its users"),
    };
    /* clang-format on */
    expect_in_order(9, words);
}

/* A folded box with this many receivers, and a step with as many. */
static void expect_receivers(int n) {
    ad_var x[20], inside = ad_num(0);
    for (int i = 0; i < n; i++) x[i] = ad_input(tape, 0);
    ad_scope(tape, "wide");
    for (int i = 0; i < n; i++) inside = ad_add(inside, ad_exp(x[i]));
    ad_scope_end(tape);
    const ad_var folded = ad_neg(inside), sum = ad_sum((size_t)n, x);
    write_page(1, &folded, (ad_view){.most = 4, .bare = true});
    cr_expect_eq(count_of(" += -1 in all    (0 -> -1)\n"), (size_t)(n < 8 ? n : 8), "%s", text);
    cr_expect_eq(count_of("    ... and more\n"), n > 8, "%s", text);
    cr_expect_eq(count_of("... and"), n > 8, "%s", text);
    write_page(1, &sum, (ad_view){.bare = true});
    cr_expect_eq(count_of("  += 1 * 1 = 1    (0 -> 1)\n"), (size_t)(n < 8 ? n : 8), "%s", text);
    cr_expect_eq(count_of("    ... and 1 more\n"), n == 9, "%s", text);
    cr_expect_eq(count_of("... and"), n > 8, "%s", text);
}

Test(explain, eight_receivers_are_shown_and_the_others_counted) {
    for (int n = 7; n < 10; n++) {
        expect_receivers(n);
        drop();
        make();
    }
}

/* The derivatives of a result, up to the number of lines that an explanation in words shows. */
Test(explain, two_hundred_derivatives_are_shown_and_the_others_counted) {
    static ad_var x[202];
    for (size_t n = 200; n <= 202; n++) {
        for (size_t i = 0; i < n; i++) x[i] = ad_input(tape, 0);
        const ad_var y = ad_sum(n, x);
        ad_name(y, "y");
        explain(y);
        cr_expect_eq(count_of("dy/d#"), 200);
        cr_expect_eq(count_of("... and 1 more\ncheck 201 of 201 agree"), n == 201);
        cr_expect_eq(count_of("... and 2 more\ncheck 202 of 202 agree"), n == 202);
        cr_expect_eq(count_of("more\ncheck"), n > 200);
        drop();
        make();
    }
}

/* A list that ends in column 80 is not wrapped. */
Test(explain, lists_are_broken_after_column_80) {
    for (size_t length = 4; length < 20; length++) {
        char name[2][40] = {""};
        for (int k = 0; k < 2; k++) memset(name[k], 'm' + k, length);
        ad_var x[] = {ad_input(tape, 1), ad_input(tape, 2)};
        for (int k = 0; k < 2; k++) ad_name(x[k], name[k]);
        const ad_var y = ad_hypot(x[0], x[1]);
        write_page(1, &y, (ad_view){.bare = true});
        /* "forward   #0 mm = 1    #1 nn = 2    #2 hypot(mm, nn) = 2.23607" */
        const size_t whole =
            10 + 2 * (length + 7) + 4 + 4 + strlen("#2 hypot(, ) = 2.23607") + 2 * length;
        cr_expect_eq(strcspn(text, "\n"), whole <= 80 ? whole : 10 + 2 * (length + 7) + 4,
                     "%zu: %s", length, text);
        drop();
        make();
    }
}

/* What any tape may hold: numbers of every size, names up to those that are cut, in letters of one
 * and of two bytes, many operands, a fork, faults on purpose. */
static void record_wide(size_t length, const char *letter, double size, ad_var y[2]) {
    ad_var x[10];
    char   name[100] = "";
    for (size_t i = 0; i < length; i++) strcat(name, letter);
    for (int i = 0; i < 10; i++) {
        x[i] = ad_input(tape, size * (1 + i / 7.));
        char own[110];
        snprintf(own, sizeof own, "%d%s", i, name);
        ad_name(x[i], own);
    }
    ad_scope(tape, name);
    const ad_var sum = ad_sum(10, x), product = ad_mul(sum, ad_sin(x[3]));
    ad_name(product, name);
    ad_scope_end(tape);
    y[0] = ad_add(ad_mul(product, product), ad_neg(x[3]));
    y[1] = ad_div(y[0], sum);
}

Test(explain, every_page_fits_80_columns) {
    static const double      sizes[] = {1, 1. / 3, -1.2345678e-300, 1.2345678e200, -1e-5};
    static const char *const letters[] = {"m", "\u00e9"};
    for (size_t length = 1; length < 46; length += 3)
        for (size_t k = 0; k < 5; k++)
            for (unsigned way = 0; way < 16; way++) {
                ad_var        y[2];
                const ad_view view = {.bug = (ad_bug)(way / 2 % 4), .most = way < 8 ? 0 : 6};
                record_wide(length, letters[way % 2], sizes[k], y);
                ad_backward(y[0]);
                write_page(2, y, view);
                cr_expect_eq(widest_line(text) <= 80, true, "%zu columns:\n%s", widest_line(text),
                             text);
                drop();
                make();
            }
}

/* Both names differ at their ends, and both ends are there. */
Test(explain, the_middle_of_long_names_is_left_out) {
    const ad_var x = ad_input(tape, 2), y = ad_input(tape, 3);
    ad_name(x, "layer_of_many_units.weight[0][31]"),
        ad_name(y, "layer_of_many_units.weight[1][31]");
    const ad_var z = ad_mul(x, y);
    ad_name(z, "z");
    write_page(1, &z, (ad_view){.bare = true});
    expect("            layer_of_ma...ght[0][31] += 1 * 3 = 3    (0 -> 3)\n");
    expect("            layer_of_ma...ght[1][31] += 1 * 2 = 2    (0 -> 2)\n");
    squeeze(text);
    expect("#2 z = layer_of_many_units.weight[0][31] * layer_of_many_units.weight[1][31] = 6\n");
}

Test(explain, check_counts_what_agrees_what_cannot_be_formed_and_what_is_wrong) {
    const ad_var x = ad_input(tape, 0), z = ad_input(tape, 2), bend = ad_abs(x),
                 y = ad_add(bend, ad_mul(z, z));
    explain(y);
    expect("check 1 of 2 agree with differences to ");
    expect(", for the others none could be formed\n");
    explain(bend);
    expect("check no differences could be formed here: a kink, a jump or the edge of the domain\n");
    write_page(1, &y, (ad_view){.bug = AD_BUG_OVERWRITE});
    squeeze(text);
    expect("check 1 of 2 DISAGREE with differences: a value that is used twice owes its gradient "
           "to both uses:");
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
    ad_var       x = ad_input(tape, 0.7), y = ad_exp(ad_sin(x));
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

/* ---- old values ------------------------------------------------------------------------------ */

/* After ad_set the values of a node's users are still the old ones: 4*4 is not 9, and the mixture
 * has no derivative that could be compared with anything. exp'(3) = e^3 was once called a wrong
 * rule at 4. */
Test(explain, values_older_than_their_inputs_are_said_to_be_old) {
    const ad_var x = ad_input(tape, 3), y = ad_exp(ad_mul(x, ad_num(2)));
    explain(y);
    expect_not("OLD");
    ad_set(x, 4);
    explain(y);
    expect("OLD inputs were set since these values were computed; ad_replay computes them again\n");
    expect("check left out: inputs were set");
    expect_not("DISAGREE");
    cr_expect(ad_value(y) == exp(6) && ad_value(x) == 4);
    ad_replay(tape);
    explain(y);
    expect_not("OLD");
    expect("1 of 1 agree");
}

Test(explain, values_recorded_after_a_set_are_not_old) {
    const ad_var x = ad_input(tape, 3), before = ad_sin(x);
    ad_set(x, 4);
    explain(ad_mul(x, x));
    expect_not("OLD");
    explain(ad_mul(x, before));
    expect("OLD");
}

Test(explain, values_that_only_another_result_has_are_not_old) {
    const ad_var x = ad_input(tape, 3), z = ad_input(tape, 2), other = ad_sin(z);
    ad_set(z, 4);
    explain(ad_mul(x, x));
    expect_not("OLD");
    explain(other);
    expect("OLD");
}

/* A replay would stop at the branch: the values are old too, and no error is left on the tape. */
Test(explain, values_behind_a_branch_that_would_turn_are_old) {
    const ad_var x = ad_input(tape, 1), y = ad_branch(ad_less(x, ad_num(2))) ? ad_mul(x, x) : x;
    ad_set(x, 5);
    explain(y);
    expect("OLD");
    cr_expect_eq(ad_tape_status(tape), AD_OK);
    cr_expect_eq(ad_value(y), 1);
}

static const char *paths_of(ad_var y, ad_var x) {
    FILE *to = fmemopen(text, sizeof text, "w");
    cr_expect_eq(ad_explain_paths(y, x, 0, to), AD_OK);
    fclose(to);
    return text;
}
static const char *nonfinite_of(ad_var y, ad_var x) {
    (void)x;
    FILE *to = fmemopen(text, sizeof text, "w");
    cr_expect(ad_explain_nonfinite(y, to));
    fclose(to);
    return text;
}

static void expect_old(const char *(*write)(ad_var y, ad_var x), bool old) {
    const ad_var x = ad_input(tape, -1), y = ad_log(x);
    if (old) ad_set(x, 2);
    cr_expect_eq(strstr(write(y, x), "OLD       inputs were set") != NULL, old, "%s", text);
}

Test(explain, old_values_are_said_to_be_old_of_paths_and_of_what_is_not_finite) {
    expect_old(paths_of, false), expect_old(paths_of, true);
    expect_old(nonfinite_of, false), expect_old(nonfinite_of, true);
}

Test(explain, result_that_is_not_finite_is_named_where_no_differences_could_be_formed) {
    explain(ad_log(ad_input(tape, -1)));
    expect("check no differences could be formed here: the result is nan\n");
    explain(ad_exp(ad_input(tape, 1000)));
    expect("the result is inf\n");
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

/* There are no differences, but no contradiction either. */
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
    for (size_t i = 0; i < sizeof names / sizeof *names && !comma; i++)
        comma = setlocale(LC_ALL, names[i]) != NULL && localeconv()->decimal_point[0] == ',';
    if (!comma) cr_skip_test("no locale with a decimal comma on this machine");
    explain(ad_mul(ad_input(tape, 1.5), ad_num(2.25)));
    expect("1.5"), expect("2.25"), expect("3.375");
    cr_expect(localeconv()->decimal_point[0] == ',');
}
