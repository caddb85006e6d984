/* second.c - tests of engine/second.c: second derivatives against differences of gradients. That a wrong one
 * is found is in tests/spoil.c. */
#include "support.h"

#include "expect.h"
#include <math.h>
#include <string.h>

static ad_check_report *check(ad_tape *tape, const char *text, const double at[2], ad_var x[2]) {
    x[0] = ad_input(tape, at[0]), x[1] = ad_input(tape, at[1]);
    ad_name(x[0], "a"), ad_name(x[1], "b");
    return ad_check(ad_parse(tape, text, 2, "a, b", x), 2, x, NULL, &(ad_check_options){.second = true});
}

Test(second, hessians_pass_entry_by_entry) {
    static const char *const texts[] = {"exp(a*b) + sin(a)*b^3", "tanh(a + 2*b)*a", "logsumexp(a, b, a*b)", "hypot(a, b)/b",
                                        "lgamma(a + 2)*atan2(a, b)", "softplus(a)*gelu(b)"};
    const double at[] = {0.7, 1.3};
    for (size_t i = 0; i < sizeof texts/sizeof *texts; i++) {
        ad_tape         *tape = ad_tape_new();
        ad_var           x[2];
        ad_check_report *r = check(tape, texts[i], at, x);
        cr_expect(r->has_second && r->second_lines == 4, "%s", texts[i]);
        cr_expect_eq(r->second_verdict, AD_PASS, "%s", texts[i]);
        cr_expect(r->symmetry <= r->symmetry_tolerance, "%s", texts[i]);
        cr_expect_float_eq(r->taylor_second, 3, 0.2, "%s: %g", texts[i], r->taylor_second);
        ad_check_free(r);
        ad_tape_free(tape);
    }
}

Test(second, lines_are_named_and_hold_the_entries) {
    ad_tape         *tape = ad_tape_new();
    ad_var           x[2];
    const double     at[] = {0.7, 1.3};
    ad_check_report *r = check(tape, "a*a*b", at, x);
    cr_expect_str_eq(r->second[1].name, "b, a");
    cr_expect_float_eq(r->second[0].claimed, 2*1.3, 1e-14);
    cr_expect_float_eq(r->second[1].claimed, 2*0.7, 1e-14);
    cr_expect_eq(r->second_count[AD_PASS], 4);              /* d2/db2 is 0 to the bit at every step */
    ad_check_free(r);
    ad_tape_free(tape);
}

Test(second, kink_of_the_gradient_is_a_kink) {
    ad_tape         *tape = ad_tape_new();
    ad_var           x[2];
    const double     at[] = {0, 1.3};
    ad_check_report *r = check(tape, "relu(a)*a + b*b", at, x);
    cr_expect_eq(r->second[0].verdict, AD_KINK);
    cr_expect(fabs(r->second[0].left) < 1e-9 && fabs(r->second[0].right - 2) < 1e-9);
    ad_check_free(r);
    ad_tape_free(tape);
}

Test(second, many_coordinates_go_along_directions) {
    enum { N = 40 };
    ad_tape *tape = ad_tape_new();
    ad_var   x[N], y = ad_num(0);
    for (int i = 0; i < N; i++) x[i] = ad_input(tape, 0.1*i - 1.2);
    for (int i = 0; i + 1 < N; i++) y = ad_add(y, ad_mul(ad_sin(x[i]), ad_exp(x[i + 1])));
    ad_check_report *r = ad_check(y, N, x, NULL, &(ad_check_options){.second = true});
    cr_expect_eq(r->second_lines, 4);
    cr_expect_eq(r->second_verdict, AD_PASS);
    ad_check_free(r);
    ad_tape_free(tape);
}

Test(second, tape_is_what_it_was_to_the_bit) {
    ad_tape         *tape = ad_tape_new();
    ad_var           x[2];
    const double     at[] = {0.7, 1.3};
    ad_check_report *r = check(tape, "exp(a*b) + sin(a)*b^3", at, x);
    cr_expect(ad_value(x[0]) == 0.7 && ad_value(x[1]) == 1.3 && ad_tape_status(tape) == AD_OK);
    ad_check_free(r);
    ad_tape_free(tape);
}

/* Ten coordinates make a hundred lines, column by column; eleven go along four directions. */
Test(second, ten_coordinates_are_one_by_one_and_eleven_along_directions) {
    for (size_t n = 10; n <= 11; n++) {
        ad_tape *tape = ad_tape_new();
        ad_var   x[11];
        double   size = 0;
        for (size_t i = 0; i < n; i++) x[i] = ad_input(tape, 1 + 0.25*(double)i);
        ad_name(x[1], "a name that is longer than thirty characters");
        ad_check_report *r = ad_check(ad_exp(ad_mul(ad_num(0.125), ad_dot(n, x, x))), n, x, NULL, &(ad_check_options){.second = true});
        cr_assert_eq(r->second_lines, n == 10 ? 100 : 4);
        cr_expect_eq(r->second_verdict, AD_PASS);
        for (size_t k = 0; k < r->second_lines; k++) cr_expect_eq(r->second[k].coordinate, SIZE_MAX);
        if (n == 10) {
            cr_expect_str_eq(r->second[3].name, "x[3], x[0]");
            cr_expect_str_eq(r->second[10].name, "x[0], a name that is longer than thi");
            cr_expect_str_eq(r->second[11].name, "a name that is longer than thi, a name that is longer than thi");
            const double f = r->value;                  /* d2f/dxi dxj of exp(x.x/8) is f*(xi*xj/16 + (i == j)/4) */
            for (size_t k = 0; k < 100; k++) {
                const double xi = 1 + 0.25*(double)(k%10), xj = 1 + 0.25*(double)(k/10);
                cr_expect(close_to(r->second[k].claimed, f*(xi*xj/16 + (k%10 == k/10)*0.25), 1e-14, 0), "%zu", k);
            }
        } else {
            for (size_t k = 0; k < 4; k++) cr_expect_str_eq(r->second[k].name, "w.Hv");
            for (size_t k = 0; k < 4; k++) size += fabs(r->second[k].claimed);
            cr_expect(size > 0 && r->second[0].claimed != r->second[1].claimed && r->second[2].claimed != r->second[3].claimed);
        }
        cr_expect(r->symmetry <= r->symmetry_tolerance && r->symmetry_tolerance < 1e-9*r->value*100);
        cr_expect_float_eq(r->taylor_second, 3, 0.2, "%g", r->taylor_second);
        ad_check_free(r);
        ad_tape_free(tape);
    }
}

Test(second, small_second_derivatives_are_held_against_their_size) {
    ad_tape         *tape = ad_tape_new();
    ad_var           x[2];
    const double     at[] = {0.7, 1.3};
    ad_check_report *r = check(tape, "1e-100*exp(a*b)", at, x);
    cr_expect_eq(r->second_verdict, AD_PASS);
    cr_expect(r->symmetry_tolerance < 1e-109 && r->symmetry_tolerance > 0);
    ad_check_free(r);
    ad_tape_free(tape);
}

/* An input to the right of y has second derivatives of 0. */
Test(second, input_that_comes_later_counts_for_nothing) {
    ad_tape         *tape = ad_tape_new();
    const ad_var     a = ad_input(tape, 0.7), y = ad_mul(ad_exp(a), a), x[] = {a, ad_input(tape, 1)};
    ad_check_report *r = ad_check(y, 2, x, NULL, &(ad_check_options){.second = true});
    cr_assert_eq(r->second_lines, 4);
    cr_expect(r->second[0].verdict == AD_PASS && close_to(r->second[0].claimed, 2.7*exp(0.7), 1e-14, 0));
    for (size_t k = 1; k < 4; k++) cr_expect(r->second[k].claimed == 0 && r->second[k].estimate == 0, "%zu", k);
    ad_check_free(r);
    ad_tape_free(tape);
}

static double total(size_t n, const double x[], void *context) {
    double sum = 0;
    (void)context;
    for (size_t i = 0; i < n; i++) sum += x[i];
    return sum;
}
static void ones(size_t n, const double x[], double v, double partial[], void *context) {
    (void)x, (void)v, (void)context;
    for (size_t i = 0; i < n; i++) partial[i] = 1;
}

Test(second, operation_without_second_derivatives_is_inconclusive_and_why_is_said) {
    const ad_custom_op op = {"total", SIZE_MAX, total, ones, NULL, NULL, NULL};
    for (size_t n = 2; n <= 12; n += 10) {                  /* one by one, and along directions */
        ad_tape *tape = ad_tape_new();
        ad_var   x[12];
        for (size_t i = 0; i < n; i++) x[i] = ad_input(tape, 1 + (double)i);
        const ad_var     y = ad_custom(tape, &op, n, x, NULL);
        ad_check_report *r = ad_check(y, n, x, NULL, &(ad_check_options){.second = true});
        cr_assert_not_null(r);
        cr_expect(r->has_second && r->second_verdict == AD_INCONCLUSIVE && r->second_lines == 0);
        cr_expect(strstr(r->message, "second derivatives: node #") == r->message && strstr(r->message, "no `record`") != NULL, "%s",
                  r->message);
        cr_expect_eq(ad_tape_status(tape), AD_OK);
        ad_check_free(r);
        ad_tape_free(tape);
    }
}
