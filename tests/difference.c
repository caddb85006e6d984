/* difference.c - tests of engine/difference.c. */
#include "engine/difference.h"

#include "support.h"

#include <criterion/criterion.h>
#include <math.h>

static ad_tape *tape;

static void make(void) {
    tape = ad_tape_new();
}
static void drop(void) {
    ad_tape_free(tape);
}

TestSuite(difference, .init = make, .fini = drop);

/* The slope is as near as ten times the estimated error, and that is small. */
static void expect_slope(ad_var y, ad_var x, double want, double relative) {
    double slope = NAN, error = NAN;
    cr_assert(ad__difference(y, x, &slope, &error));
    const double off = fabs(slope - want);
    cr_expect(off <= 10*error, "%.17g, want %.17g: off by %g, said %g", slope, want, off, error);
    cr_expect(error <= relative*fabs(want) && off <= relative*fabs(want), "%.17g, want %.17g: error %g", slope,
              want, error);
}

Test(difference, smooth_functions_agree_to_many_digits) {
    ad_var x = ad_input(tape, 0.7);
    expect_slope(ad_sin(x), x, cos(0.7), 1e-10);
    expect_slope(ad_exp(x), x, exp(0.7), 1e-10);
    expect_slope(ad_div(ad_num(1), x), x, -1/0.49, 1e-10);
    expect_slope(ad_mul(ad_mul(x, x), x), x, 3*0.49, 1e-12);
}

Test(difference, large_and_small_arguments_have_steps_of_their_size) {
    ad_var big = ad_input(tape, 1e8), small = ad_input(tape, 1e-8);
    expect_slope(ad_log(big), big, 1e-8, 1e-9);
    expect_slope(ad_exp(small), small, exp(1e-8), 1e-9);
}

/* The first steps leave the domain of the root; closer ones do not. */
Test(difference, steps_out_of_the_domain_are_made_smaller) {
    ad_var x = ad_input(tape, 1e-3);
    expect_slope(ad_sqrt(x), x, 0.5/sqrt(1e-3), 1e-8);
}

Test(difference, values_are_as_before_to_the_bit) {
    ad_var       x = ad_input(tape, 0.3), y = ad_input(tape, 0.1), z = ad_mul(ad_sin(x), ad_exp(y));
    const double before[] = {ad_value(x), ad_value(y), ad_value(z)};
    double       slope, error;
    ad_set(y, 0.2);                                  /* seen by z at the next replay, not by a difference */
    cr_assert(ad__difference(z, x, &slope, &error));
    cr_expect(same_bits(ad_value(x), before[0]) && ad_value(y) == 0.2 && same_bits(ad_value(z), before[2]));
    cr_expect_eq(ad_tape_status(tape), AD_OK);
}

Test(difference, nothing_finite_around_gives_no_difference) {
    double slope, error;
    ad_var x = ad_input(tape, -1), y = ad_log(x);
    cr_expect_not(ad__difference(y, x, &slope, &error));
    cr_expect_eq(ad_tape_status(tape), AD_OK);
    cr_expect(isnan(ad_value(y)));
}

/* Beyond 1 the program would have gone another way; the replay stops there, and closer steps do not. */
Test(difference, branches_that_turn_are_kept_away_from) {
    ad_var x = ad_input(tape, 0.99), y = x;
    if (ad_branch(ad_less(x, ad_num(1)))) y = ad_mul(x, x);
    expect_slope(y, x, 1.98, 1e-8);
    cr_expect_eq(ad_tape_status(tape), AD_OK);
}

Test(difference, held_error_is_kept_and_gives_no_difference) {
    double slope, error;
    ad_var x = ad_input(tape, 1), y = ad_exp(x);
    ad_set(y, 1);
    cr_expect_not(ad__difference(y, x, &slope, &error));
    cr_expect_eq(ad_tape_status(tape), AD_BAD_ARGUMENT);
}

/* The error at a kink does not shrink, so that nobody takes the mean of both sides for a derivative. */
Test(difference, kink_is_told_by_the_error) {
    double slope, error;
    ad_var x = ad_input(tape, 1e-3);
    if (ad__difference(ad_relu(x), x, &slope, &error))
        cr_expect(fabs(slope - 1) <= 10*error, "slope %g, error %g", slope, error);
}
