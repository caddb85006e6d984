/* second.c - tests of engine/check/second.c: second derivatives compared with differences of
 * gradients. That a wrong one is found is shown by tests/tape/spoil.c. */
#include "support.h"

#include "expect.h"
#include <math.h>
#include <string.h>

static ad_check_report *check(ad_tape *tape, const char *text, const double at[2], ad_var x[2]) {
    x[0] = ad_input(tape, at[0]), x[1] = ad_input(tape, at[1]);
    ad_name(x[0], "a"), ad_name(x[1], "b");
    return ad_check(ad_parse(tape, text, 2, "a, b", x), 2, x, NULL,
                    &(ad_check_options){.second = true});
}

Test(second, hessians_pass_entry_by_entry) {
    static const char *const texts[] = {"exp(a*b) + sin(a)*b^3",     "tanh(a + 2*b)*a",
                                        "logsumexp(a, b, a*b)",      "hypot(a, b)/b",
                                        "lgamma(a + 2)*atan2(a, b)", "softplus(a)*gelu(b)"};
    const double             at[] = {0.7, 1.3};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
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
    cr_expect_float_eq(r->second[0].claimed, 2 * 1.3, 1e-14);
    cr_expect_float_eq(r->second[1].claimed, 2 * 0.7, 1e-14);
    cr_expect_eq(r->second_count[AD_PASS], 4); /* d2/db2 is 0 to the bit at every step */
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
    for (int i = 0; i < N; i++) x[i] = ad_input(tape, 0.1 * i - 1.2);
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
        for (size_t i = 0; i < n; i++) x[i] = ad_input(tape, 1 + 0.25 * (double)i);
        ad_name(x[1], "a name that is longer than thirty characters");
        ad_check_report *r = ad_check(ad_exp(ad_mul(ad_num(0.125), ad_dot(n, x, x))), n, x, NULL,
                                      &(ad_check_options){.second = true});
        cr_assert_eq(r->second_lines, n == 10 ? 100 : 4);
        cr_expect_eq(r->second_verdict, AD_PASS);
        for (size_t k = 0; k < r->second_lines; k++)
            cr_expect_eq(r->second[k].coordinate, SIZE_MAX);
        if (n == 10) {
            cr_expect_str_eq(r->second[3].name, "x[3], x[0]");
            cr_expect_str_eq(r->second[10].name, "x[0], a name that is longer than thi");
            cr_expect_str_eq(r->second[11].name,
                             "a name that is longer than thi, a name that is longer than thi");
            const double f = r->value; /* d2f/dxi dxj of exp(x.x/8) is f*(xi*xj/16 + (i == j)/4) */
            for (size_t k = 0; k < 100; k++) {
                const double xi = 1 + 0.25 * (double)(k % 10), xj = 1 + 0.25 * (double)(k / 10);
                cr_expect(close_to(r->second[k].claimed,
                                   f * (xi * xj / 16 + (k % 10 == k / 10) * 0.25), 1e-14, 0),
                          "%zu", k);
            }
        } else {
            for (size_t k = 0; k < 4; k++) cr_expect_str_eq(r->second[k].name, "w.Hv");
            for (size_t k = 0; k < 4; k++) size += fabs(r->second[k].claimed);
            cr_expect(size > 0 && r->second[0].claimed != r->second[1].claimed &&
                      r->second[2].claimed != r->second[3].claimed);
        }
        cr_expect(r->symmetry <= r->symmetry_tolerance &&
                  r->symmetry_tolerance < 1e-9 * r->value * 100);
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

/* An input recorded after y has second derivatives of 0. */
Test(second, input_that_comes_later_counts_for_nothing) {
    ad_tape     *tape = ad_tape_new();
    const ad_var a = ad_input(tape, 0.7), y = ad_mul(ad_exp(a), a), x[] = {a, ad_input(tape, 1)};
    ad_check_report *r = ad_check(y, 2, x, NULL, &(ad_check_options){.second = true});
    cr_assert_eq(r->second_lines, 4);
    cr_expect(r->second[0].verdict == AD_PASS &&
              close_to(r->second[0].claimed, 2.7 * exp(0.7), 1e-14, 0));
    for (size_t k = 1; k < 4; k++)
        cr_expect(r->second[k].claimed == 0 && r->second[k].estimate == 0, "%zu", k);
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
    for (size_t n = 2; n <= 12; n += 10) { /* one by one, and along directions */
        ad_tape *tape = ad_tape_new();
        ad_var   x[12];
        for (size_t i = 0; i < n; i++) x[i] = ad_input(tape, 1 + (double)i);
        const ad_var     y = ad_custom(tape, &op, n, x, NULL);
        ad_check_report *r = ad_check(y, n, x, NULL, &(ad_check_options){.second = true});
        cr_assert_not_null(r);
        cr_expect(r->has_second && r->second_verdict == AD_INCONCLUSIVE && r->second_lines == 0);
        cr_expect(strstr(r->message, "second derivatives: node #") == r->message &&
                      strstr(r->message, "no `record`") != NULL,
                  "%s", r->message);
        cr_expect_eq(ad_tape_status(tape), AD_OK);
        ad_check_free(r);
        ad_tape_free(tape);
    }
}

/* ---- what rounding does to H ----------------------------------------------------------------- */

/* v.Hw of these cancels: all of H is p(1 - p), with a p that is nearly 1. Bounds follow the terms,
 * which are of size 1. */
Test(second, hessians_that_cancel_are_symmetric_enough) {
    static const char *const texts[] = {"logsumexp(a, b)",     "exp(a)/(exp(a) + exp(b))",
                                        "log(1 + exp(a - b))", "log(exp(a) + exp(b))",
                                        "atan2(a, b)",         "a/b - b/a"};
    const double             points[][2] = {{10, -20},
                                            {5.0688504352991419, -12.866872798616672},
                                            {6.8301108339783774, -18.651990127809309},
                                            {-9.9561784371262174, 14.06555988929091},
                                            {3.1, 3.0999},
                                            {-4, 17.3}};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        for (size_t k = 0; k < sizeof points / sizeof *points; k++) {
            ad_tape         *tape = ad_tape_new();
            ad_var           x[2];
            ad_check_report *r = check(tape, texts[i], points[k], x);
            cr_expect_neq(r->second_verdict, AD_FAIL, "%s at (%g, %g): %s", texts[i], points[k][0],
                          points[k][1], r->message);
            cr_expect_lt(r->symmetry_tolerance, 1e-9, "%s at (%g, %g): %g", texts[i], points[k][0],
                         points[k][1], r->symmetry_tolerance);
            ad_check_free(r);
            ad_tape_free(tape);
        }
    }
}

/* 1/y - (x/y)/y is 0 to the bit at x = y, and so are its differences; its own derivative is a sum
 * of terms of size 1/y^2. */
Test(second, terms_that_cancel_are_not_accused) {
    static const char *const texts[] = {"a/a - sinh(b)", "atan2(b/a, b)*a", "b/b + a*a"};
    const double             at[] = {2254.7, 0.00029763682264404506};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        ad_tape         *tape = ad_tape_new();
        ad_var           x[2];
        ad_check_report *r = check(tape, texts[i], at, x);
        cr_expect_neq(r->second_verdict, AD_FAIL, "%s: %s", texts[i], r->message);
        ad_check_free(r);
        ad_tape_free(tape);
    }
}

Test(second, oscillations_are_not_accused) {
    const double points[][2] = {
        {1.3, 0.2}, {4.0967598386271433, 1}, {0.37, -2}, {16.378009322275414, -8.8647740980911873}};
    static const char *const texts[] = {"sin(1e6*a) + b", "sin(1e5*a)*b", "exp(-(a*a + b*b))",
                                        "sin(1e12*a^2)*b"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        for (size_t k = 0; k < sizeof points / sizeof *points; k++) {
            ad_tape         *tape = ad_tape_new();
            ad_var           x[2];
            ad_check_report *r = check(tape, texts[i], points[k], x);
            cr_expect(ad_check_verdict(r) != AD_FAIL, "%s at (%g, %g): %s", texts[i], points[k][0],
                      points[k][1], r->message);
            if (i == 0) cr_expect_eq(r->second[0].verdict, AD_PASS, "%g", points[k][0]);
            ad_check_free(r);
            ad_tape_free(tape);
        }
    }
}

/* A difference that is 0 to the bit at every step is a second derivative of exactly 0. */
Test(second, exact_zeros_pass) {
    static const char *const texts[] = {"a + 2*b", "sin(a) + b*b", "sum(a, b, 3)", "a*a*b"};
    const double             at[] = {0.7, 1.3};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        ad_tape         *tape = ad_tape_new();
        ad_var           x[2];
        ad_check_report *r = check(tape, texts[i], at, x);
        cr_expect_eq(ad_check_verdict(r), AD_PASS, "%s: %s", texts[i], r->message);
        ad_check_free(r);
        ad_tape_free(tape);
    }
}
