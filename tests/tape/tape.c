/* tape.c - tests of marks, rewinding, forgotten handles, the error that sticks, and memory. */
#include "engine/tape/tape.h"
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

TestSuite(tape, .init = make, .fini = drop);

static void expect_status(ad_status want) {
    cr_expect_eq(ad_tape_status(tape), want, "status %d (%s), want %d", (int)ad_tape_status(tape),
                 ad_tape_message(tape), (int)want);
}

/* ---- a new tape, no tape --------------------------------------------------------------------- */

Test(tape, new_tape_is_empty_and_well) {
    cr_assert_not_null(tape);
    cr_expect_eq(ad_tape_length(tape), 0);
    expect_status(AD_OK);
    cr_expect_str_empty(ad_tape_message(tape));
}

Test(tape, null_is_allowed_everywhere) {
    const ad_mark mark = ad_tape_mark(NULL);
    cr_expect(mark.node == 0 && mark.list == 0 && mark.era == 0);
    ad_tape_rewind(NULL, mark);
    ad_scope(NULL, "nowhere");
    ad_scope_end(NULL);
    cr_expect(isnan(ad_value(ad_find(NULL, "nobody"))));
    ad_tape_fail(NULL, AD_BAD_FILE, "nothing to put it on");
    ad_tape_clear(NULL);
    ad_tape_free(NULL);
    ad_replay(NULL);
    cr_expect_eq(ad_tape_status(NULL), AD_NO_MEMORY);
    cr_expect(strlen(ad_tape_message(NULL)) > 0);
    cr_expect_eq(ad_tape_length(NULL), 0);
    cr_expect_eq(ad_tape_bytes(NULL), 0);
    const size_t empty = ad_tape_bytes(tape);
    ad_input(tape, 1);
    const size_t block =
        (size_t)((const char *)(tape->code + tape->capacity) - (const char *)tape->block);
    cr_expect_geq(ad_tape_bytes(tape), empty + block, "%zu bytes, %zu and a block of %zu",
                  ad_tape_bytes(tape), empty, block);
    ad_var x = ad_input(NULL, 2);
    cr_expect(isnan(ad_value(x)));
    ad_var y = ad_mul(x, ad_add(x, ad_num(1)));
    cr_expect(isnan(ad_value(y)));
    ad_set(x, 3);
    ad_name(x, "x");
    ad_backward(y);
    cr_expect_eq(ad_grad(x), 0);
    cr_expect(isnan(ad_value(ad_parse(NULL, "a + ", 1, "a", &x))));
}

Test(tape, tapes_do_not_meet) {
    ad_tape *other = ad_tape_new();
    ad_var   x = ad_input(tape, 2), a = ad_input(other, 5);
    ad_backward(ad_mul(x, x));
    ad_backward(ad_exp(ad_mul(a, ad_num(0))));
    cr_expect_eq(ad_grad(x), 4);
    cr_expect_eq(ad_grad(a), 0);
    ad_add(x, a);
    cr_expect_eq(ad_tape_status(other), AD_TWO_TAPES);
    expect_status(AD_TWO_TAPES);
    ad_tape_free(other);
}

/* ---- length ---------------------------------------------------------------------------------- */

Test(tape, every_operation_leaves_one_node) {
    ad_var x = ad_input(tape, 2), y = ad_input(tape, 3);
    for (int i = 0; i < ROWS; i++) {
        const size_t before = ad_tape_length(tape);
        row_record(&rows[i], x, y);
        cr_expect_eq(ad_tape_length(tape), before + 1, "%s", rows[i].name);
    }
}

Test(tape, plain_number_is_an_operand_and_not_a_node) {
    ad_var x = ad_input(tape, 2);
    for (int i = 0; i < ROWS; i++) {
        if (rows[i].operands == 1) continue;
        const size_t before = ad_tape_length(tape);
        row_record(&rows[i], x, ad_num(2));
        row_record(&rows[i], ad_num(3), x);
        cr_expect_eq(ad_tape_length(tape), before + 2, "%s", rows[i].name);
    }
}

/* ---- marks and rewinding --------------------------------------------------------------------- */

Test(tape, rewind_forgets_what_came_after_the_mark) {
    ad_var        x = ad_input(tape, 2);
    const ad_mark mark = ad_tape_mark(tape);
    ad_var        y = ad_exp(ad_mul(x, ad_num(3)));
    ad_tape_rewind(tape, mark);
    cr_expect_eq(ad_tape_length(tape), 1);
    cr_expect_eq(ad_value(x), 2);
    expect_status(AD_OK);
    cr_expect(isnan(ad_value(y)));
}

Test(tape, rewind_to_the_end_forgets_nothing) {
    ad_var x = ad_input(tape, 2), y = ad_mul(x, x);
    ad_tape_rewind(tape, ad_tape_mark(tape));
    cr_expect_eq(ad_value(y), 4);
    ad_backward(y);
    cr_expect_eq(ad_grad(x), 4);
    expect_status(AD_OK);
}

Test(tape, rewind_to_the_start_empties_the_tape) {
    const ad_mark start = ad_tape_mark(tape);
    ad_input(tape, 1);
    ad_tape_rewind(tape, start);
    cr_expect_eq(ad_tape_length(tape), 0);
    ad_var x = ad_input(tape, 5);
    cr_expect_eq(ad_value(x), 5);
}

Test(tape, handle_used_after_rewinding_is_stale) {
    ad_var        x = ad_input(tape, 2);
    const ad_mark mark = ad_tape_mark(tape);
    ad_var        y = ad_mul(x, x);
    ad_tape_rewind(tape, mark);
    cr_expect(isnan(ad_value(ad_add(x, y))));
    expect_status(AD_STALE);
}

/* The number of the forgotten node is taken again: the era tells the two apart. */
Test(tape, handle_is_not_taken_for_the_node_that_took_its_number) {
    ad_var        x = ad_input(tape, 2);
    const ad_mark mark = ad_tape_mark(tape);
    ad_var        old = ad_mul(x, x);
    ad_tape_rewind(tape, mark);
    ad_var fresh = ad_exp(x);
    cr_expect_eq(ad_value(ad_add(x, fresh)), 2 + exp(2));
    expect_status(AD_OK);
    cr_expect(isnan(ad_value(ad_sin(old))));
    expect_status(AD_STALE);
    cr_expect(isnan(ad_value(old)));
}

Test(tape, every_use_of_a_forgotten_handle_is_stale) {
    const ad_mark start = ad_tape_mark(tape);
    for (int use = 0; use < 16; use++) {
        ad_var        x = ad_input(tape, 2);
        const ad_mark mark = ad_tape_mark(tape);
        ad_var        old = ad_mul(x, x);
        ad_tape_rewind(tape, mark);
        ad_var y = ad_exp(x);
        ad_backward(y);
        const ad_var both[] = {y, old};
        double       grad[2] = {1, 1};
        switch (use) {
        case 0: ad_sin(old); break;
        case 1: ad_mul(old, y); break;
        case 2: ad_mul(y, old); break;
        case 3: ad_mul(old, ad_num(2)); break;
        case 4: ad_mul(ad_num(2), old); break;
        case 5: ad_sum(2, both); break;
        case 6: ad_dot(1, &y, &old); break;
        case 7: ad_logsumexp(2, both); break;
        case 8: ad_where(old, y, y); break;
        case 9: ad_pick(ad_num(0), 2, both); break;
        case 10: cr_expect_not(ad_branch(old)); break;
        case 11: ad_parse(tape, "a + b", 2, "a, b", both); break;
        case 12: ad_backward(old); break;
        case 13: cr_expect(isnan(ad_grad(old))); break;
        case 14:
            ad_gradient(y, 2, both, grad);
            cr_expect(isnan(grad[0]) && isnan(grad[1]));
            break;
        case 15: ad_name(old, "old"); break;
        }
        cr_expect_eq(ad_tape_status(tape), AD_STALE, "use %d: %s", use, ad_tape_message(tape));
        ad_tape_clear(tape);
        ad_tape_rewind(tape, start);
    }
}

Test(tape, handles_of_all_eras_below_the_mark_stay_good) {
    ad_var  kept[20];
    ad_mark mark[20];
    for (int i = 0; i < 20; i++) { /* each is recorded in another era */
        kept[i] = ad_input(tape, i);
        mark[i] = ad_tape_mark(tape);
        ad_var gone = ad_exp(kept[i]);
        ad_tape_rewind(tape, mark[i]);
        (void)gone;
    }
    for (int i = 0; i < 20; i++) cr_expect_eq(ad_value(kept[i]), i);
    ad_tape_rewind(tape, mark[9]);
    for (int i = 0; i < 10; i++) cr_expect_eq(ad_value(kept[i]), i);
    expect_status(AD_OK);
    for (int i = 0; i < 15; i++) ad_input(tape, 100 + i);
    for (int i = 10; i < 20; i++) {
        ad_tape_clear(tape);
        cr_expect(isnan(ad_value(ad_neg(kept[i]))), "handle %d", i);
        expect_status(AD_STALE);
    }
}

Test(tape, handles_below_the_mark_stay_good_through_a_million_rewinds) {
    ad_var        x = ad_input(tape, 2), y = ad_mul(x, x);
    const ad_mark mark = ad_tape_mark(tape);
    ad_var        z = ad_num(0), first = ad_exp(x);
    ad_tape_rewind(tape, mark);
    for (int i = 0; i < 1000000; i++) {
        z = ad_add(y, x);
        ad_tape_rewind(tape, mark);
    }
    cr_expect_eq(ad_value(x), 2);
    cr_expect_eq(ad_value(y), 4);
    ad_backward(y);
    cr_expect_eq(ad_grad(x), 4);
    expect_status(AD_OK);
    ad_add(x, y);
    cr_expect(isnan(ad_value(ad_neg(z))));
    expect_status(AD_STALE);
    ad_tape_clear(tape);
    cr_expect(isnan(ad_value(ad_neg(first))));
    expect_status(AD_STALE);
}

Test(tape, mark_beyond_the_end_is_a_bad_argument) {
    const ad_mark start = ad_tape_mark(tape);
    ad_exp(ad_input(tape, 1));
    const ad_mark far = ad_tape_mark(tape);
    ad_tape_rewind(tape, start);
    ad_tape_rewind(tape, far);
    expect_status(AD_BAD_ARGUMENT);
    cr_expect_eq(ad_tape_length(tape), 0);
}

/* The tape is long enough again, but the nodes before the mark are others: their operands may stand
 * beyond it. */
Test(tape, mark_that_was_forgotten_is_stale) {
    const ad_mark start = ad_tape_mark(tape);
    ad_var        x = ad_input(tape, 1);
    for (int i = 0; i < 20; i++) ad_mul(x, ad_num(i + 1000));
    const ad_mark gone = ad_tape_mark(tape);
    ad_tape_rewind(tape, start);
    ad_var some[60], y = ad_num(0);
    for (int i = 0; i < 5; i++) y = ad_input(tape, i);
    for (int i = 0; i < 60; i++) some[i] = i % 2 ? y : ad_num(i);
    for (int i = 0; i < 40; i++) y = ad_sum(60, some);
    ad_tape_rewind(tape, gone);
    expect_status(AD_STALE);
    ad_tape_clear(tape);
    y = ad_input(tape, 1);
    for (int i = 0; i < 2000; i++) y = ad_mul(y, ad_num(1e300 / (i + 1)));
    ad_replay(tape);
    ad_backward(y);
    cr_expect(ad_tape_length(tape) > 2000);
}

Test(tape, mark_behind_the_first_node_is_forgotten_with_it) {
    const ad_mark start = ad_tape_mark(tape);
    ad_input(tape, 1);
    const ad_mark gone = ad_tape_mark(tape);
    ad_tape_rewind(tape, start);
    ad_input(tape, 2);
    ad_input(tape, 3);
    ad_tape_rewind(tape, gone);
    expect_status(AD_STALE);
    cr_expect_eq(ad_tape_length(tape), 2);
}

/* Marks that stay good: rewinding to a later one and an earlier one, with recording in between. */
Test(tape, marks_below_the_one_rewound_to_stay_good) {
    ad_var  x = ad_input(tape, 2);
    ad_mark mark[10];
    for (int i = 0; i < 10; i++) {
        mark[i] = ad_tape_mark(tape);
        ad_mul(x, ad_num(i));
    }
    for (int i = 9; i >= 0; i--) {
        ad_tape_rewind(tape, mark[i]);
        cr_expect_eq(ad_tape_length(tape), (size_t)i + 1);
        ad_sin(ad_mul(x, ad_num(0.5)));
        ad_tape_rewind(tape, mark[i]);
        ad_exp(x);
    }
    expect_status(AD_OK);
}

Test(tape, rewinding_is_allowed_under_an_error_and_leaves_it) {
    ad_var        x = ad_input(tape, 1);
    const ad_mark mark = ad_tape_mark(tape);
    ad_var        y = ad_exp(x);
    ad_set(y, 3);
    expect_status(AD_BAD_ARGUMENT);
    ad_tape_rewind(tape, mark);
    expect_status(AD_BAD_ARGUMENT);
    cr_expect_eq(ad_tape_length(tape), 1);
    ad_tape_clear(tape);
    cr_expect_eq(ad_value(ad_exp(x)), exp(1));
}

Test(tape, numbers_survive_the_rewinding_of_other_numbers) {
    ad_var        x = ad_input(tape, 2);
    ad_var        y = ad_mul(ad_mul(x, ad_num(3)), ad_num(0.1));
    const ad_mark mark = ad_tape_mark(tape);
    for (int i = 0; i < 1000; i++) {
        ad_var z = ad_add(ad_mul(y, ad_num(i)), ad_mul(x, ad_num(0.1)));
        ad_backward(z);
        cr_expect_eq(ad_grad(x), 0.1 + (double)i * 0.1 * 3);
        ad_tape_rewind(tape, mark);
    }
    ad_set(x, 5);
    ad_replay(tape);
    cr_expect_eq(ad_value(y), 15 * 0.1);
}

Test(tape, reductions_below_the_mark_keep_their_operands) {
    ad_var x[5];
    for (int i = 0; i < 5; i++) x[i] = ad_input(tape, i);
    const ad_var  mixed[] = {x[3], ad_num(10), x[1], ad_num(20)};
    ad_var        s = ad_sum(4, mixed);
    const ad_mark mark = ad_tape_mark(tape);
    for (int i = 0; i < 100; i++) {
        const ad_var other[] = {ad_num(i), x[0], ad_num(-i), s};
        ad_var       t = ad_dot(4, other, mixed);
        ad_backward(t);
        ad_tape_rewind(tape, mark);
    }
    ad_set(x[1], 7);
    ad_replay(tape);
    cr_expect_eq(ad_value(s), 40);
    ad_backward(s);
    cr_expect(ad_grad(x[1]) == 1 && ad_grad(x[3]) == 1 && ad_grad(x[0]) == 0);
}

/* ---- the error that sticks ------------------------------------------------------------------- */

Test(tape, first_error_is_the_one_that_is_kept) {
    ad_var x = ad_input(tape, 2), y = ad_exp(x);
    ad_set(y, 1);
    char first[2048];
    cr_expect_lt(snprintf(first, sizeof first, "%s", ad_tape_message(tape)), (int)sizeof first);
    ad_pick(ad_num(9), 1, &x);
    ad_parse(tape, "1 +", 0, NULL, NULL);
    expect_status(AD_BAD_ARGUMENT);
    cr_expect_str_eq(ad_tape_message(tape), first);
}

Test(tape, operations_after_an_error_do_nothing_and_return_nan) {
    ad_var x = ad_input(tape, 2), y = ad_exp(x);
    ad_backward(y);
    ad_set(y, 1);
    const size_t length = ad_tape_length(tape);
    const ad_var pair[] = {x, y};
    for (int i = 0; i < ROWS; i++)
        cr_expect(isnan(ad_value(row_record(&rows[i], x, y))), "%s", rows[i].name);
    cr_expect(isnan(ad_value(ad_input(tape, 1))));
    cr_expect(isnan(ad_value(ad_sum(2, pair))));
    cr_expect(isnan(ad_value(ad_dot(2, pair, pair))));
    cr_expect(isnan(ad_value(ad_logsumexp(2, pair))));
    cr_expect(isnan(ad_value(ad_where(x, x, y))));
    cr_expect(isnan(ad_value(ad_pick(ad_num(0), 2, pair))));
    cr_expect(isnan(ad_value(ad_parse(tape, "x", 1, "x", &x))));
    cr_expect_not(ad_branch(x));
    ad_set(x, 77);
    cr_expect_eq(ad_tape_length(tape), length);
    ad_tape_clear(tape);
    cr_expect_eq(ad_value(x), 2);
    cr_expect_eq(ad_value(y), exp(2));
}

Test(tape, result_of_a_failed_operation_names_no_node) {
    ad_var x = ad_input(tape, 2);
    ad_set(ad_neg(x), 0);
    ad_var failed = ad_mul(x, x);
    ad_tape_clear(tape);
    cr_expect(isnan(ad_value(ad_add(failed, x))));
    expect_status(AD_NOT_RECORDED);
    ad_tape_clear(tape);
    cr_expect(isnan(ad_value(ad_sum(1, &failed))));
    expect_status(AD_NOT_RECORDED);
    ad_tape_clear(tape);
    ad_backward(failed);
    expect_status(AD_NOT_RECORDED);
}

Test(tape, clearing_makes_the_tape_usable_again) {
    ad_var x = ad_input(tape, 2);
    ad_pick(ad_num(0.5), 1, &x);
    expect_status(AD_BAD_ARGUMENT);
    ad_tape_clear(tape);
    expect_status(AD_OK);
    cr_expect_str_empty(ad_tape_message(tape));
    ad_var y = ad_mul(x, ad_input(tape, 3));
    ad_backward(y);
    cr_expect_eq(ad_grad(x), 3);
}

/* what, where, with which operands */
Test(tape, message_says_which_operation_and_which_operand) {
    ad_var        x = ad_input(tape, 2);
    const ad_mark mark = ad_tape_mark(tape);
    ad_var        old = ad_mul(x, x);
    ad_tape_rewind(tape, mark);
    ad_hypot(x, old);
    cr_expect(strstr(ad_tape_message(tape), "hypot") != NULL, "%s", ad_tape_message(tape));
    cr_expect(strstr(ad_tape_message(tape), "operand 2") != NULL, "%s", ad_tape_message(tape));
    cr_expect(strstr(ad_tape_message(tape), "#1") != NULL, "%s", ad_tape_message(tape));
    ad_tape_clear(tape);
    ad_sin(old);
    cr_expect(strstr(ad_tape_message(tape), "sin: operand 1 was") != NULL, "%s",
              ad_tape_message(tape));
}

Test(tape, message_of_a_bad_index_has_the_index) {
    const ad_var x[] = {ad_input(tape, 2), ad_input(tape, 3)};
    ad_pick(ad_num(2.5), 2, x);
    cr_expect(strstr(ad_tape_message(tape), "pick") != NULL, "%s", ad_tape_message(tape));
    cr_expect(strstr(ad_tape_message(tape), "2.5") != NULL, "%s", ad_tape_message(tape));
}

/* Each sentence of tape.c that a caller can bring about. `old` was node 2 of three, over leaves 0
 * and 1. */
static ad_var old;

static void sin_of_a_failure(void) {
    ad_sin(ad__failed(tape));
}
static void gradient_at_a_number(void) {
    const ad_var x[] = {ad_input(tape, 1), ad_num(0.5)};
    ad_gradient(ad_mul(x[0], x[0]), 2, x, (double[2]){0});
}
static void gradient_at_an_old_node(void) {
    const ad_var x[] = {ad_input(tape, 1), ad_input(tape, 2), old};
    ad_gradient(ad_mul(x[0], x[0]), 3, x, (double[3]){0});
}
/* clang-format off */
static void value_of_an_old_node(void)  { ad_value(old); }
static void set_an_old_node(void)       { ad_set(old, 1); }
static void set_a_result(void)          { ad_set(ad_exp(ad__handle(tape, 0)), 1); }
static void name_an_old_node(void)      { ad_name(old, "late"); }
/* clang-format on */
static void rewind_to_an_end(void) {
    ad_tape_rewind(tape, (ad_mark){9, 0, 1});
}
static void rewind_a_list(void) {
    ad_tape_rewind(tape, (ad_mark){0, 9, 1});
}
/* clang-format off */
static void end_no_scope(void)          { ad_scope_end(tape); }
static void open_a_scope_for_null(void) { ad_scope(tape, NULL); }
static void give_a_name_of_null(void)   { ad_name(ad__handle(tape, 0), NULL); }
static void find_nobody(void)           { ad_find(tape, "nobody"); }
static void find_null(void)             { ad_find(tape, NULL); }
static void fail_with_a_sentence(void)  { ad_tape_fail(tape, AD_BAD_FILE, "layer 3 is missing"); }
static void fail_without_one(void)      { ad_tape_fail(tape, AD_BAD_FILE, NULL); }
static void fail_with_no_words(void)    { ad_tape_fail(tape, AD_BAD_FILE, ""); }
static void fail_with_signs(void)       { ad_tape_fail(tape, AD_STALE, "100%s \x1b"); }
static void fail_with_nothing(void)     { ad_tape_fail(tape, AD_OK, "all is well"); }
static void fail_with_no_status(void)   { ad_tape_fail(tape, (ad_status)77, "what is 77?"); }
static void fail_twice(void) {
    fail_with_a_sentence();
    ad_tape_fail(tape, AD_STALE, "too late");
}
/* clang-format on */

Test(tape, messages_word_for_word) {
    static const struct {
        void (*call)(void);
        ad_status   status;
        const char *message;
    } cases[] = {
        {sin_of_a_failure, AD_NOT_RECORDED,
         "sin: operand 1 was never recorded: the operation that should have made it failed"},
        {gradient_at_a_number, AD_BAD_ARGUMENT,
         "ad_gradient: x[1] is the plain number 0.5, not a node"},
        {gradient_at_an_old_node, AD_STALE,
         "ad_gradient: operand 3 was node #2, forgotten when the tape was rewound"},
        {value_of_an_old_node, AD_STALE,
         "ad_value: operand 1 was node #2, forgotten when the tape was rewound"},
        {set_an_old_node, AD_STALE,
         "ad_set: operand 1 was node #2, forgotten when the tape was rewound"},
        {set_a_result, AD_BAD_ARGUMENT, "ad_set: node #2 is the result of exp, not an input"},
        {name_an_old_node, AD_STALE,
         "ad_name: operand 1 was node #2, forgotten when the tape was rewound"},
        {rewind_to_an_end, AD_BAD_ARGUMENT,
         "ad_tape_rewind: the mark (node 9) lies beyond the end of the tape (2 nodes)"},
        {rewind_a_list, AD_BAD_ARGUMENT,
         "ad_tape_rewind: the mark (node 0) lies beyond the end of the tape (2 nodes)"},
        {end_no_scope, AD_BAD_ARGUMENT, "ad_scope_end: no scope is open"},
        {open_a_scope_for_null, AD_BAD_ARGUMENT, "ad_scope: the name is NULL"},
        {give_a_name_of_null, AD_BAD_ARGUMENT, "ad_name: the name is NULL"},
        {find_nobody, AD_BAD_ARGUMENT, "ad_find: no node is called \"nobody\""},
        {find_null, AD_BAD_ARGUMENT, "ad_find: no node is called \"\""},
        {fail_with_a_sentence, AD_BAD_FILE, "layer 3 is missing"},
        {fail_without_one, AD_BAD_FILE, "a file that cannot be read or written"},
        {fail_with_no_words, AD_BAD_FILE, "a file that cannot be read or written"},
        {fail_twice, AD_BAD_FILE, "layer 3 is missing"},
        {fail_with_signs, AD_STALE, "100%s \\x1b"},
        {fail_with_nothing, AD_OK, ""},
        {fail_with_no_status, AD_BAD_ARGUMENT, "what is 77?"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        ad_tape_free(tape);
        tape = ad_tape_new();
        const ad_var  x = ad_input(tape, 1), y = ad_input(tape, 2);
        const ad_mark mark = ad_tape_mark(tape);
        old = ad_mul(x, y);
        ad_tape_rewind(tape, mark);
        cases[i].call();
        expect_status(cases[i].status);
        cr_expect_str_eq(ad_tape_message(tape), cases[i].message, "%s\nwanted %s",
                         ad_tape_message(tape), cases[i].message);
    }
}

/* An operation of the user's own leaves the list of those in use with its first node, and not
 * before. */
static double own_value(size_t n, const double x[], void *context) {
    (void)n;
    return x[0] * *(double *)context;
}
static void own_partials(size_t n, const double x[], double v, double partial[], void *context) {
    (void)n, (void)x, (void)v;
    partial[0] = *(double *)context;
}

Test(tape, rewinding_forgets_the_operations_whose_first_node_it_forgets) {
    const ad_custom_op op = {
        .name = "scaled", .operands = 1, .value = own_value, .partials = own_partials};
    double  by[20];
    ad_var  x = ad_input(tape, 1), y[20];
    ad_mark mark[20];
    for (int i = 0; i < 20; i++) {
        by[i] = i + 2;
        mark[i] = ad_tape_mark(tape);
        y[i] = ad_custom(tape, &op, 1, &x, &by[i]);
        cr_expect_eq(tape->used.n, (uint32_t)i + 1);
    }
    for (int keep = 19; keep > 0; keep -= 6) {
        ad_tape_rewind(tape, mark[keep]);
        cr_expect_eq(tape->used.n, (uint32_t)keep);
        ad_backward(y[keep - 1]);
        cr_expect_eq(ad_grad(x), keep + 1);
    }
}

/* ---- names ----------------------------------------------------------------------------------- */

static bool shows(ad_var y, const char *what) {
    static char     text[20000];
    const ad_status status = explained(y, sizeof text, text);
    cr_expect_eq(status, AD_OK, "status %d: %s", (int)status, ad_tape_message(tape));
    return strstr(text, what) != NULL;
}

Test(tape, name_is_copied_and_shown) {
    char   name[] = "velocity";
    ad_var x = ad_input(tape, 2);
    ad_name(x, name);
    memset(name, '?', sizeof name - 1);
    cr_expect(shows(ad_mul(x, x), "velocity"));
}

Test(tape, second_name_replaces_the_first) {
    ad_var x = ad_input(tape, 2), y = ad_mul(x, x);
    ad_name(x, "before");
    ad_name(x, "afterwards");
    cr_expect(shows(y, "afterwards"));
    cr_expect_not(shows(y, "before"));
}

Test(tape, names_are_forgotten_with_their_nodes) {
    ad_var        x = ad_input(tape, 2);
    const ad_mark mark = ad_tape_mark(tape);
    ad_name(ad_mul(x, x), "forgotten");
    ad_name(x, "kept");
    ad_tape_rewind(tape, mark);
    ad_var y = ad_exp(x);
    cr_expect_not(shows(y, "forgotten"));
    cr_expect(shows(y, "kept"));
}

Test(tape, names_may_be_given_in_any_order) {
    ad_var x[40], y = ad_num(0);
    for (int i = 0; i < 40; i++) x[i] = ad_input(tape, i);
    for (int i = 0; i < 40; i++) {
        char name[32];
        snprintf(name, sizeof name, "leaf_%02d", i * 17 % 40);
        ad_name(x[i * 17 % 40], name);
    }
    for (int i = 0; i < 40; i++) y = ad_add(y, x[i]);
    for (int i = 0; i < 40; i++) {
        char name[32];
        snprintf(name, sizeof name, "leaf_%02d", i);
        cr_expect(shows(y, name), "%s", name);
    }
}

Test(tape, name_on_a_plain_number_is_nothing) {
    ad_name(ad_num(2), "two");
    expect_status(AD_OK);
}

Test(tape, name_that_is_null_is_a_bad_argument) {
    ad_name(ad_input(tape, 1), NULL);
    expect_status(AD_BAD_ARGUMENT);
}

/* ---- memory ---------------------------------------------------------------------------------- */

static ad_var step(ad_var x, int i) {
    const ad_var some[] = {x, ad_num(i), x, ad_num(0.5)};
    ad_var       y = ad_mul(ad_add(x, ad_num(i)), ad_sin(x));
    return ad_add(ad_add(y, ad_sum(4, some)), ad_logsumexp(2, some));
}

Test(tape, recording_sweeping_and_rewinding_in_a_loop_allocates_nothing) {
    ad_var        x = ad_input(tape, 2);
    const ad_mark mark = ad_tape_mark(tape);
    size_t        warm = 0;
    for (int i = 0; i < 1000000; i++) {
        ad_backward(step(x, i));
        ad_tape_rewind(tape, mark);
        if (i == 10) warm = ad_tape_bytes(tape);
    }
    cr_expect_eq(ad_tape_bytes(tape), warm, "%zu bytes, %zu when warm", ad_tape_bytes(tape), warm);
    expect_status(AD_OK);
}

/* An operation is 1 byte of code, 8 of operands, 8 of value and 8 of adjoint: 25. Arrays double, so
 * right before they grow they are full and hold 25 a node, and right after at most twice that; the
 * tape itself (its message, tables of fixed size) is some thousand bytes more. */
Test(tape, binary_operation_takes_25_bytes) {
    ad_var x = ad_input(tape, 1), y = x;
    double least = INFINITY, most = 0;
    size_t before = ad_tape_bytes(tape);
    for (size_t n = 2; n <= 300000; n++) {
        y = n % 2 == 0 ? ad_add(y, x) : ad_mul(y, x);
        const size_t now = ad_tape_bytes(tape);
        if (n > 20000 && now != before) {
            least = fmin(least, (double)before / (double)(n - 1));
            most = fmax(most, (double)now / (double)n);
        }
        before = now;
    }
    const double fixed = 8000.0 / 20000;
    cr_expect(least <= 25 + fixed, "%.2f bytes a node when full", least);
    cr_expect(most <= 2 * (25 + fixed), "%.2f bytes a node after growing", most);
}

/* Bytes of a tape after a chain that multiplies by two numbers in turn, or by two nodes. */
static size_t bytes_of_chain(bool numbers) {
    ad_tape     *other = ad_tape_new();
    ad_var       y = ad_input(other, 1);
    const ad_var by[] = {numbers ? ad_num(2) : ad_input(other, 2),
                         numbers ? ad_num(0.5) : ad_input(other, 0.5)};
    for (int i = 0; i < 100000; i++) y = ad_mul(y, by[i % 2]);
    const size_t bytes = ad_tape_bytes(other);
    ad_tape_free(other);
    return bytes;
}

Test(tape, numbers_used_again_and_again_are_stored_once) {
    cr_expect_leq(bytes_of_chain(true), bytes_of_chain(false) + 1024, "%zu, %zu",
                  bytes_of_chain(true), bytes_of_chain(false));
}

Test(tape, bytes_count_names) {
    ad_var       x = ad_input(tape, 1);
    const size_t before = ad_tape_bytes(tape);
    char         name[5001];
    memset(name, 'n', 5000);
    name[5000] = '\0';
    ad_name(x, name);
    cr_expect_geq(ad_tape_bytes(tape), before + 5000);
}

/* Names of scopes count each, and so do the rules that a recorded gradient reads. */
Test(tape, bytes_count_scopes_and_rules) {
    const ad_var x = ad_input(tape, 1), y = ad_sin(x);
    const size_t before = ad_tape_bytes(tape);
    char         name[1001] = "";
    memset(name, 'n', 1000);
    for (int i = 0; i < 3; i++) {
        ad_scope(tape, name);
        ad_scope_end(tape);
    }
    const size_t scoped = ad_tape_bytes(tape);
    cr_expect_geq(scoped, before + 3 * 1001);
    ad_var grad;
    ad_record_gradient(y, 1, &x, &grad);
    const size_t more = ad_tape_bytes(tape) - scoped;
    cr_expect(more > 1000 && more < 1000000, "%zu", more);
}
