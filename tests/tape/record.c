/* record.c - tests of recording: numbers fold, values are there at once, branches are noted. */
#include "support.h"

#include "expect.h"
#include <math.h>

static ad_tape *tape;

static void make(void) {
    tape = ad_tape_new();
}
static void drop(void) {
    ad_tape_free(tape);
}

TestSuite(record, .init = make, .fini = drop);

Test(record, number_is_what_it_was_made_of) {
    cr_expect_eq(ad_value(ad_num(0.1)), 0.1);
    cr_expect(isnan(ad_value(ad_num(NAN))));
    cr_expect(signbit(ad_value(ad_num(-0.0))));
}

Test(record, operations_on_numbers_alone_fold_to_numbers) {
    for (int i = 0; i < ROWS; i++) {
        ad_var y = row_record(&rows[i], ad_num(2), ad_num(0.5));
        cr_expect_null(y.tape, "%s", rows[i].name);
    }
}

Test(record, folded_value_is_the_recorded_value) {
    const double at[] = {0.25, -1.75, 0, 3, 40, -40, 1e-9, INFINITY};
    for (int i = 0; i < ROWS; i++) {
        for (int j = 0; j < 8; j++) {
            ad_var       x = ad_input(tape, at[j]), y = ad_input(tape, at[(j + 3) % 8]);
            const double recorded = ad_value(row_record(&rows[i], x, y));
            const double folded = row_value(&rows[i], at[j], at[(j + 3) % 8]);
            cr_expect(same_bits(recorded, folded) || (isnan(recorded) && isnan(folded)),
                      "%s(%g, %g): %.17g recorded, %.17g folded", rows[i].name, at[j],
                      at[(j + 3) % 8], recorded, folded);
        }
    }
}

Test(record, input_has_its_value_at_once) {
    cr_expect_eq(ad_value(ad_input(tape, -3.5)), -3.5);
    cr_expect(isnan(ad_value(ad_input(tape, NAN))));
    cr_expect_eq(ad_tape_status(tape), AD_OK); /* NaN is a value */
}

Test(record, result_has_its_value_at_once) {
    ad_var x = ad_input(tape, 3), y = ad_input(tape, 4);
    cr_expect_eq(ad_value(ad_hypot(x, y)), 5);
    cr_expect_eq(ad_value(ad_sub(x, y)), -1);
    cr_expect_eq(ad_value(ad_sub(ad_num(10), y)), 6);
    cr_expect_eq(ad_value(ad_div(x, ad_num(2))), 1.5);
}

Test(record, inputs_may_come_after_operations) {
    ad_var x = ad_input(tape, 3), y = ad_exp(x), late = ad_input(tape, 2), z = ad_mul(y, late);
    ad_backward(z);
    cr_expect_eq(ad_grad(late), exp(3));
    cr_expect_eq(ad_grad(x), 2 * exp(3));
    ad_set(late, 5);
    ad_replay(tape);
    cr_expect_eq(ad_value(z), exp(3) * 5);
}

/* ---- ad_set ---------------------------------------------------------------------------------- */

Test(record, set_is_seen_at_once_by_value) {
    ad_var x = ad_input(tape, 3);
    ad_set(x, 4);
    cr_expect_eq(ad_value(x), 4);
}

Test(record, set_is_seen_by_operations_recorded_from_then_on) {
    ad_var x = ad_input(tape, 3);
    ad_set(x, 4);
    cr_expect_eq(ad_value(ad_mul(x, x)), 16);
}

Test(record, set_is_seen_by_older_operations_at_the_next_replay) {
    ad_var x = ad_input(tape, 3), y = ad_mul(x, x);
    ad_set(x, 4);
    cr_expect_eq(ad_value(y), 9);
    ad_replay(tape);
    cr_expect_eq(ad_value(y), 16);
}

Test(record, set_of_a_result_is_a_bad_argument) {
    ad_var x = ad_input(tape, 3), y = ad_mul(x, x);
    ad_set(y, 1);
    cr_expect_eq(ad_tape_status(tape), AD_BAD_ARGUMENT);
    ad_tape_clear(tape);
    cr_expect_eq(ad_value(y), 9);
}

Test(record, set_of_a_number_is_nothing) {
    ad_set(ad_num(1), 2);
}

/* ---- branches -------------------------------------------------------------------------------- */

Test(record, branch_says_whether_the_condition_is_not_zero) {
    ad_var x = ad_input(tape, 3), y = ad_input(tape, 4);
    cr_expect(ad_branch(ad_less(x, y)));
    cr_expect_not(ad_branch(ad_less(y, x)));
    cr_expect(ad_branch(x));
    cr_expect(ad_branch(ad_input(tape, -2)) && ad_branch(ad_input(tape, 1e-300)));
    cr_expect_not(ad_branch(ad_input(tape, -0.0)));
    cr_expect(ad_branch(ad_num(2)));
    cr_expect_not(ad_branch(ad_num(0)));
    cr_expect(ad_branch(ad_input(tape, NAN)) && ad_branch(ad_num(NAN))); /* as in C: NaN != 0 */
    cr_expect_eq(ad_tape_status(tape), AD_OK);
}

Test(record, branch_is_false_after_an_error) {
    ad_var x = ad_input(tape, 3);
    ad_set(ad_neg(x), 1);
    cr_expect_not(ad_branch(x));
}

Test(record, branch_has_no_gradient) {
    ad_var x = ad_input(tape, 3), y = ad_mul(x, x);
    if (ad_branch(ad_less(x, y))) y = ad_add(y, x);
    ad_backward(y);
    cr_expect_eq(ad_grad(x), 7);
}
