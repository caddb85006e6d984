/* conclude.c - tests of engine/check/conclude.c: what is said about a check, whatever its outcome.
 * Sentences about wrong rules, sweeps and claims are tested in tests/check/check.c. */
#include "support.h"

#include "expect.h"
#include <math.h>
#include <string.h>

static ad_tape *tape;
static ad_var   x[3], y;

static void make(void) {
    tape = ad_tape_new();
}
static void drop(void) {
    ad_tape_free(tape);
}

TestSuite(conclude, .init = make, .fini = drop);

static ad_check_report *of(const char *text, double a, double b, bool second) {
    ad_tape_free(tape);
    tape = ad_tape_new();
    x[0] = ad_input(tape, a), x[1] = ad_input(tape, b);
    ad_name(x[0], "a"), ad_name(x[1], "b");
    y = ad_parse(tape, text, 2, "a, b", x);
    ad_check_report *r = ad_check(y, 2, x, NULL, &(ad_check_options){.second = second});
    cr_assert_not_null(r);
    return r;
}

static void expect_said(const char *text, double a, double b, bool second, ad_verdict verdict,
                        const char *part) {
    ad_check_report *r = of(text, a, b, second);
    cr_expect_eq(ad_check_verdict(r), verdict, "%s: %s", text,
                 ad_verdict_text(ad_check_verdict(r)));
    cr_expect(strstr(r->message, part) != NULL, "%s: %s", text, r->message);
    ad_check_free(r);
}

Test(conclude, every_verdict_says_why) {
    expect_said("a*b", 2, 3, false, AD_PASS, "the gradient agrees with differences");
    expect_said("a*b", 2, 3, true, AD_PASS,
                "the gradient and second derivatives agree with differences");
    expect_said("a + 0*b", 2, 3, false, AD_WEAK,
                "nothing is wrong, but in b the derivative is too small beside the noise");
    expect_said("relu(a) + b", 0, 3, false, AD_KINK,
                "in a the function has a kink at x: the slopes of its sides are 0 and 1, and the "
                "claim, 0, lies between them");
    expect_said("sqrt(a) + b", 0, 3, false, AD_DOMAIN,
                "in a the function has no finite value on one side of x");
    expect_said("a < 1 ? cos(a) : b", INFINITY, 3, false, AD_DOMAIN,
                "in a x is not finite: there are no differences");
    expect_said("log(a) + b", -1, 3, false, AD_DOMAIN, "the function is nan at x");
    expect_said("floor(a) + b", 1, 3, false, AD_INCONCLUSIVE,
                "in a slopes grow without end as steps shrink: a jump or a vertical");
    expect_said("cbrt(a) + b", 0, 3, false, AD_INCONCLUSIVE, "in a slopes grow without end");
    expect_said("relu(a)*a + b", 0, 3, true, AD_KINK,
                "second derivatives: in a, a the gradient has a kink at x");
}

/* The last place of 1e22 is 2e6. */
Test(conclude, both_scales_are_said_where_no_step_resolves_the_slope) {
    expect_said("sin(a) + b", 1e22, 3, false, AD_INCONCLUSIVE,
                "in a no step resolves the slope: in steps of ");
    expect_said("sin(a) + b", 1e22, 3, false, AD_INCONCLUSIVE, " the function turns");
    expect_said("sin(1e12*a^2) + b", 1.3, 3, false, AD_INCONCLUSIVE,
                "all change is noise, and within ");
    expect_said("a + (b - a)", 1e16, 100, false, AD_INCONCLUSIVE,
                "no step changes the value by more than its noise, 1.1e+00");
}

Test(conclude, inf_times_0_is_named_where_it_happened) {
    expect_said("sqrt(a*a) + b", 0, 3, false, AD_FAIL,
                "the derivative in a is not a number: inf*0 at node #2 a * a; the infinity comes "
                "from node #3 sqrt(#2), where the derivative of sqrt is inf");
    ad_check_report *r = of("sqrt(a*a) + b", 0, 3, true);
    cr_expect(r->culprits == 0 && r->sweep != AD_FAIL, "no rule and no sweep is accused");
    ad_check_free(r);
    expect_said("cbrt(a*a*a) + b", 0, 3, false, AD_FAIL, "comes from node #4 cbrt(#3)");
}

/* If the tape did not produce it, NaN in a claim is the fault of the claim. */
Test(conclude, not_a_number_in_a_claim_is_the_claims_fault) {
    const double claimed[] = {NAN, 1};
    x[0] = ad_input(tape, 2), x[1] = ad_input(tape, 3);
    ad_check_report *r = ad_check(ad_add(ad_mul(x[0], x[0]), x[1]), 2, x, claimed, NULL);
    cr_expect(strncmp(r->message, "the claim is wrong, first at x[0]", 33) == 0, "%s", r->message);
    ad_check_free(r);
}

/* d2/da2 of erf(exp(a)) at a = 400 is 0; exp(-x*x) and x meet as 0*inf. */
Test(conclude, second_derivative_that_is_not_finite_names_its_node) {
    ad_check_report *r = of("erf(exp(2*a)) + b", 400, 3, true);
    cr_expect_neq(ad_check_verdict(r), AD_PASS);
    cr_expect_eq(r->culprits, 0);
    if (isnan(r->second[0].claimed))
        cr_expect(strstr(r->message, "no rule is wrong: node #") != NULL, "%s", r->message);
    ad_check_free(r);
}

static double steps(size_t n, const double at[], void *context) {
    (void)n, (void)context;
    return floor(at[0]);
}

Test(conclude, functions_and_programs_say_why_too) {
    const double     at[] = {1}, none[] = {0}, param[] = {2};
    ad_check_report *r = ad_check_function(steps, NULL, 1, at, none, NULL);
    cr_expect(strncmp(r->message, "in x[0] slopes grow without end", 31) == 0, "%s", r->message);
    ad_check_free(r);
    x[0] = ad_input(tape, 2), y = ad_mul(x[0], x[0]);
    ad_program *program =
        ad_compile(&(ad_interface){.params = 1, .param = x, .outputs = 1, .output = &y});
    r = ad_check_program(program, param, 1, NULL, NULL);
    cr_expect_str_eq(r->message, "the gradient agrees with differences");
    ad_check_free(r);
    ad_program_free(program);
}
