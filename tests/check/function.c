/* function.c - tests of engine/check/function.c: functions that can only be called. */
#include "check_fixture.h"

Test(function, function_without_a_tape_is_checked) {
    const double x[] = {-1.2, 1, 0.7};
    double       grad[3];
    rosenbrock_gradient(3, x, grad);
    ad_check_report *r = ad_check_function(rosenbrock, NULL, 3, x, grad, NULL);
    cr_expect_eq(ad_check_verdict(r), AD_PASS);
    cr_expect_not(r->has_tape);
    ad_check_free(r);
    grad[1] *= 1 + 1e-7;
    r = ad_check_function(rosenbrock, NULL, 3, x, grad, NULL);
    cr_expect_eq(ad_check_verdict(r), AD_FAIL);
    cr_expect_eq(ad_check_coordinate(r, 1), AD_FAIL);
    cr_expect(strstr(r->message, "x[1]") != NULL, "%s", r->message);
    ad_check_free(r);
}

Test(function, calls_are_counted_and_a_straight_line_costs_four) {
    const double x[3] = {0}, grad[] = {1, 2, 3};
    size_t       calls[3] = {0};
    for (size_t n = 1; n <= 3; n++) {
        ad_check_report *r = ad_check_function(ramp, &calls[n - 1], n, x, grad, NULL);
        cr_expect_eq(r->evaluations, calls[n - 1]);
        cr_expect(r->value == 0 && isnan(r->taylor));
        ad_check_free(r);
    }
    cr_expect(calls[1] - calls[0] == 4 && calls[2] - calls[1] == 4, "%zu %zu %zu", calls[0],
              calls[1], calls[2]);
}

Test(function, taylor_slope_is_not_taken_along_a_given_direction) {
    const double x[] = {-1.2, 1, 0.7};
    double       grad[3];
    rosenbrock_gradient(3, x, grad);
    ad_check_report *r = ad_check_function(rosenbrock, NULL, 3, x, grad, NULL);
    cr_expect_float_eq(r->taylor, 2, 0.1);
    ad_check_free(r);
    r = ad_check_function(rosenbrock, NULL, 3, x, grad,
                          &(ad_check_options){.direction = VALUES(0.5, 0.25, 0)});
    cr_expect(isnan(r->taylor) && ad_check_verdict(r) == AD_PASS);
    cr_expect_str_eq(r->message, "the derivative along the direction agrees with differences");
    cr_expect(r->lines == 1 && strcmp(r->line[0].name, "direction") == 0 &&
              r->line[0].coordinate == SIZE_MAX);
    cr_expect(close_to(r->line[0].claimed, 0.5 * grad[0] + 0.25 * grad[1], 1e-14, 0));
    ad_check_free(r);
}

static double counts(size_t n, const double x[], void *context) {
    int *calls = context;
    (void)n;
    return x[0] + 1e-12 * ++*calls;
}

static double drifts(size_t n, const double x[], void *context) {
    int *calls = context;
    (void)n;
    return x[0] + (++*calls > 20);
}

Test(function, function_that_is_not_deterministic_is_said_to_be) {
    int              calls = 0;
    const double     x[] = {1}, one[] = {1};
    ad_check_report *r = ad_check_function(counts, &calls, 1, x, one, NULL);
    cr_expect_eq(ad_check_verdict(r), AD_UNSTABLE);
    cr_expect_eq(ad_check_coordinate(r, 0), AD_UNSTABLE);
    cr_expect(strstr(r->message, "deterministic") != NULL, "%s", r->message);
    ad_check_free(r);
    calls = 0;
    r = ad_check_function(drifts, &calls, 1, x, one, NULL);
    cr_expect_eq(ad_check_coordinate(r, 0), AD_UNSTABLE);
    cr_expect_eq(ad_check_verdict(r), AD_UNSTABLE);
    ad_check_free(r);
}

static double lonely(size_t n, const double x[], void *context) {
    (void)n, (void)context;
    return x[0] == 1 ? 5 : NAN;
}

static double nowhere(size_t n, const double x[], void *context) {
    (void)n, (void)context;
    return 0 * x[0] + NAN;
}

Test(function, function_without_values_is_no_pass) {
    const double  x[] = {1}, zero[] = {0}, nan[] = {NAN};
    const double *claims[] = {zero, nan};
    for (int i = 0; i < 2; i++) {
        ad_check_report *r = ad_check_function(lonely, NULL, 1, x, claims[i], NULL);
        cr_expect_eq(ad_check_verdict(r), AD_DOMAIN);
        ad_check_free(r);
        r = ad_check_function(nowhere, NULL, 1, x, claims[i], NULL);
        cr_expect_eq(ad_check_verdict(r), AD_DOMAIN);
        ad_check_free(r);
    }
}

Test(function, arguments_of_a_function_are_asked_about) {
    const double x[] = {1};
    expect_refused(ad_check_function(NULL, NULL, 1, x, x, NULL), AD_BAD_ARGUMENT);
    expect_refused(ad_check_function(lonely, NULL, 1, NULL, x, NULL), AD_BAD_ARGUMENT);
    expect_refused(ad_check_function(lonely, NULL, 1, x, NULL, NULL), AD_BAD_ARGUMENT);
    expect_refused(ad_check_function(lonely, NULL, 0, NULL, NULL, NULL), AD_OK);
}

/* ---- values that are large beside their change ----------------------------------------------- */

/* at + size*g: sin, exp, log(3 + x), and a polynomial */
typedef struct offset {
    double at, size;
    int    g;
} offset;

static double shifted(size_t n, const double x[], void *context) {
    const offset *o = context;
    const double  t = x[0], g = o->g == 0 ? sin(t)
                              : o->g == 1 ? exp(t)
                              : o->g == 2 ? log(3 + t)
                                          : t * t * (t - 3) + t;
    (void)n;
    return o->at + o->size * g;
}

static double slope_of_shifted(const offset *o, double t) {
    const double slope = o->g == 0 ? cos(t)
                       : o->g == 1 ? exp(t)
                       : o->g == 2 ? 1 / (3 + t)
                                   : 3 * t * t - 6 * t + 1;
    return o->size * slope;
}

static ad_verdict of_shifted(offset *o, double x, double factor) {
    const double     claimed = slope_of_shifted(o, x) * factor;
    ad_check_report *r = ad_check_function(shifted, o, 1, &x, &claimed, NULL);
    const ad_verdict verdict = ad_check_verdict(r);
    ad_check_free(r);
    return verdict;
}

Test(function, error_is_found_where_the_value_is_large_beside_its_change) {
    offset o = {1, 1e-6, 0};
    cr_expect_eq(of_shifted(&o, 0.5, 1 + 1e-7), AD_FAIL);
    cr_expect_eq(of_shifted(&o, 0.5, 1 - 1e-7), AD_FAIL);
    cr_expect_eq(of_shifted(&o, 0.5, 1), AD_PASS);
}

/* Right claims never fail; those that are off by half a millionth do at most points. */
Test(function, right_gradients_pass_where_the_value_is_large_beside_its_change) {
    uint64_t state = 5;
    int      found = 0;
    for (int k = 0; k < 400; k++) {
        offset       o = {k % 8 < 4 ? 1 : 1e3, k % 8 < 4 ? 1e-6 : 1e-3, k % 4};
        const double x = random_uniform(&state, -2, 2);
        for (int error = -1; error <= 1; error++)
            cr_expect_neq(of_shifted(&o, x, 1 + error * 1e-12), AD_FAIL, "%d at %.17g", k % 8, x);
        found += of_shifted(&o, x, 1 + 5e-7) == AD_FAIL;
    }
    cr_expect_gt(found, 300, "%d", found);
}
