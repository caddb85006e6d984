/* narrow.c - functions that compute in float or in half precision, checked with the unit roundoff
 * of their arithmetic: gradients that were computed in the same arithmetic do not fail, and those
 * that are wrong by more than it explains do. */
#include "check_fixture.h"

enum { MOST = 1000 };

/* ---- in float -------------------------------------------------------------------------------- */

/* f and its gradient, both in float; numbers as they come, the last place is what is tested */
#define FUNCTION(name)                                           \
    static float name(size_t n, const float x[]);                \
    static void  name##_g(size_t n, const float x[], float g[]); \
    static float name(size_t n, const float x[])
#define GRADIENT(name) static void name##_g(size_t n, const float x[], float g[])

static float weight(size_t i) {
    uint32_t h = (uint32_t)(i + 1) * 2654435761u;
    h = (h ^ h >> 15) * 2246822519u;
    return (float)(h >> 8) * 0x1p-23f - 1;
}

FUNCTION(polynomial) {
    float y = 0;
    for (size_t i = 0; i < n; i++) y += ((2 * x[i] - 3) * x[i] + 0.5f) * x[i] + 1;
    return y;
}
GRADIENT(polynomial) {
    for (size_t i = 0; i < n; i++) g[i] = (6 * x[i] - 6) * x[i] + 0.5f;
}
FUNCTION(monomial) {
    float y = 1;
    for (size_t i = 0; i < n; i++) y *= x[i] * x[i];
    return y;
}
GRADIENT(monomial) {
    const float y = monomial(n, x);
    for (size_t i = 0; i < n; i++) g[i] = 2 * y / x[i];
}
FUNCTION(linear_sum) {
    float y = 0;
    for (size_t i = 0; i < n; i++) y += weight(i) * x[i];
    return y;
}
GRADIENT(linear_sum) {
    (void)x;
    for (size_t i = 0; i < n; i++) g[i] = weight(i);
}
FUNCTION(waves) {
    float y = 0;
    for (size_t i = 0; i < n; i++) y += sinf(3 * x[i] + (float)i) * cosf(x[i]);
    return y;
}
GRADIENT(waves) {
    for (size_t i = 0; i < n; i++)
        g[i] = 3 * cosf(3 * x[i] + (float)i) * cosf(x[i]) - sinf(3 * x[i] + (float)i) * sinf(x[i]);
}
FUNCTION(exponentials) {
    float y = 0;
    for (size_t i = 0; i < n; i++) y += expf(weight(i) * x[i]);
    return y;
}
GRADIENT(exponentials) {
    for (size_t i = 0; i < n; i++) g[i] = weight(i) * expf(weight(i) * x[i]);
}
FUNCTION(logarithms) {
    float y = 0;
    for (size_t i = 0; i < n; i++) y += logf(x[i]) * x[i];
    return y;
}
GRADIENT(logarithms) {
    for (size_t i = 0; i < n; i++) g[i] = logf(x[i]) + 1;
}
FUNCTION(tanhs) {
    float s = 0;
    for (size_t i = 0; i < n; i++) s += weight(i) * x[i];
    return tanhf(s) + tanhf(x[0]);
}
GRADIENT(tanhs) {
    float s = 0;
    for (size_t i = 0; i < n; i++) s += weight(i) * x[i];
    const float d = 1 - tanhf(s) * tanhf(s);
    for (size_t i = 0; i < n; i++) g[i] = d * weight(i);
    g[0] += 1 - tanhf(x[0]) * tanhf(x[0]);
}
FUNCTION(logsumexp) {
    float most = x[0], s = 0;
    for (size_t i = 1; i < n; i++) most = fmaxf(most, x[i]);
    for (size_t i = 0; i < n; i++) s += expf(x[i] - most);
    return most + logf(s);
}
GRADIENT(logsumexp) {
    float most = x[0], s = 0;
    for (size_t i = 1; i < n; i++) most = fmaxf(most, x[i]);
    for (size_t i = 0; i < n; i++) s += g[i] = expf(x[i] - most);
    for (size_t i = 0; i < n; i++) g[i] /= s;
}
/* the cross entropy of softmax with class 0 */
FUNCTION(entropy) {
    return logsumexp(n, x) - x[0];
}
GRADIENT(entropy) {
    logsumexp_g(n, x, g);
    g[0] -= 1;
}
FUNCTION(length) {
    float s = 0;
    for (size_t i = 0; i < n; i++) s += x[i] * x[i];
    return sqrtf(s);
}
GRADIENT(length) {
    const float y = length(n, x);
    for (size_t i = 0; i < n; i++) g[i] = x[i] / y;
}
FUNCTION(fractions) {
    float y = 0;
    for (size_t i = 0; i < n; i++) y += 1 / (1 + x[i] * x[i]);
    return y;
}
GRADIENT(fractions) {
    for (size_t i = 0; i < n; i++) {
        const float d = 1 + x[i] * x[i];
        g[i] = -2 * x[i] / (d * d);
    }
}
FUNCTION(valley) {
    float y = 0;
    for (size_t i = 0; i + 1 < n; i++) {
        const float d = x[i + 1] - x[i] * x[i];
        y += 100 * d * d + (1 - x[i]) * (1 - x[i]);
    }
    return y;
}
GRADIENT(valley) {
    for (size_t i = 0; i < n; i++) g[i] = 0;
    for (size_t i = 0; i + 1 < n; i++) {
        const float d = x[i + 1] - x[i] * x[i];
        g[i] += -400 * x[i] * d - 2 * (1 - x[i]);
        g[i + 1] += 200 * d;
    }
}
/* x'ABx with matrices of weights, by two products with vectors */
static void times(size_t n, const float x[], size_t from, bool transposed, float y[]) {
    for (size_t i = 0; i < n; i++) {
        y[i] = 0;
        for (size_t k = 0; k < n; k++)
            y[i] += weight(from + (transposed ? k * n + i : i * n + k)) * x[k];
    }
}
FUNCTION(chain) {
    float a[MOST], b[MOST], y = 0;
    times(n, x, 0, false, a), times(n, a, 99, false, b);
    for (size_t i = 0; i < n; i++) y += x[i] * b[i];
    return y;
}
GRADIENT(chain) {
    float a[MOST], b[MOST];
    times(n, x, 0, false, a), times(n, a, 99, false, b);
    times(n, x, 99, true, a), times(n, a, 0, true, g);
    for (size_t i = 0; i < n; i++) g[i] += b[i];
}
/* least squares near the solution: the residuals cancel */
FUNCTION(residuals) {
    float y = 0;
    for (size_t i = 0; i < n; i++) y += (x[i] * x[i] - 2) * (x[i] * x[i] - 2);
    return y;
}
GRADIENT(residuals) {
    for (size_t i = 0; i < n; i++) g[i] = 4 * x[i] * (x[i] * x[i] - 2);
}
FUNCTION(unequal) {
    return 1e6f * sinf(x[0]) + 3e-4f * x[n - 1];
}
GRADIENT(unequal) {
    for (size_t i = 0; i < n; i++) g[i] = 0;
    g[n - 1] += 3e-4f;
    g[0] += 1e6f * cosf(x[0]);
}
FUNCTION(scales) {
    float y = 0;
    for (size_t i = 0; i < n; i++) y += powf(10, 3 - 2 * (float)i) * (x[i] + x[i] * x[i]);
    return y;
}
GRADIENT(scales) {
    for (size_t i = 0; i < n; i++) g[i] = powf(10, 3 - 2 * (float)i) * (1 + 2 * x[i]);
}

typedef struct narrow_case {
    const char *name;
    float (*f)(size_t n, const float x[]);
    void (*g)(size_t n, const float x[], float g[]);
    size_t n;
    float  low, high;
} narrow_case;

#define CASE(f, n, low, high) \
    { #f, f, f##_g, n, low, high }

/* clang-format off */
static const narrow_case cases[] = {
    CASE(polynomial, 1, -1, 1),     CASE(polynomial, 3, -5, 5),      CASE(polynomial, 40, -1, 1),
    CASE(polynomial, 300, -1, 1),   CASE(monomial, 2, 1, 2),         CASE(monomial, 6, 0.5f, 1.5f),
    CASE(linear_sum, 5, -1, 1),     CASE(linear_sum, 1000, -1, 1),
    CASE(linear_sum, 5, 1e3f, 1e4f),
    CASE(waves, 1, -1, 1),          CASE(waves, 4, 0, 6),            CASE(waves, 200, -1, 1),
    CASE(exponentials, 3, -1, 1),   CASE(exponentials, 3, -9, 9),
    CASE(exponentials, 1000, -1, 1),
    CASE(logarithms, 3, 0.1f, 3),   CASE(logarithms, 2, 1e-3f, 1e-2f),
    CASE(logarithms, 2, 1e3f, 1e5f),
    CASE(tanhs, 3, -1, 1),          CASE(tanhs, 50, -1, 1),          CASE(tanhs, 400, -1, 1),
    CASE(logsumexp, 3, -1, 1),      CASE(logsumexp, 10, -9, 9),      CASE(logsumexp, 500, -2, 2),
    CASE(entropy, 3, -1, 1),        CASE(entropy, 10, -3, 3),        CASE(entropy, 500, -2, 2),
    CASE(length, 3, -1, 1),         CASE(length, 3, 1e3f, 1e5f),     CASE(length, 600, -1, 1),
    CASE(fractions, 4, -1, 1),      CASE(fractions, 4, 10, 100),     CASE(fractions, 1000, -3, 3),
    CASE(valley, 2, -1, 1),         CASE(valley, 10, -2, 2),         CASE(valley, 200, -1, 1),
    CASE(chain, 3, -1, 1),          CASE(chain, 12, -1, 1),          CASE(chain, 150, -1, 1),
    CASE(residuals, 3, 1, 2),       CASE(residuals, 2, 1.41f, 1.42f), CASE(residuals, 300, 1, 2),
    CASE(unequal, 2, -1, 1),          CASE(scales, 3, 0.1f, 1),        CASE(scales, 4, -1, 1),
};
/* clang-format on */
enum { CASES = sizeof cases / sizeof *cases, POINTS = 8 };

static double in_float(size_t n, const double x[], void *context) {
    float single[MOST];
    for (size_t i = 0; i < n; i++) single[i] = (float)x[i];
    return (double)((const narrow_case *)context)->f(n, single);
}

static void point_at(const narrow_case *c, uint64_t seed, double x[], double claimed[]) {
    float    single[MOST], g[MOST];
    uint64_t state = seed * 77 + (uint64_t)(c - cases);
    for (size_t i = 0; i < c->n; i++) {
        x[i] = random_uniform(&state, (double)c->low, (double)c->high);
        single[i] = (float)x[i];
    }
    c->g(c->n, single, g);
    for (size_t i = 0; i < c->n; i++) claimed[i] = (double)g[i];
}

static ad_check_report *check_at(const narrow_case *c, const double x[], const double claimed[],
                                 double unit) {
    ad_check_report *r = ad_check_function(in_float, (void *)(uintptr_t)c, c->n, x, claimed,
                                           &(ad_check_options){.unit = unit});
    cr_assert_not_null(r);
    return r;
}

/* Where a derivative is small beside the noise of the value it is WEAK, or INCONCLUSIVE. */
Test(narrow, right_gradients_in_float_do_not_fail) {
    static double x[MOST], g[MOST];
    size_t        count[AD_VERDICT_COUNT] = {0};
    for (size_t k = 0; k < CASES; k++) {
        for (uint64_t seed = 1; seed <= POINTS; seed++) {
            point_at(&cases[k], seed, x, g);
            ad_check_report *r = check_at(&cases[k], x, g, 0x1p-24);
            cr_expect(ad_check_verdict(r) <= AD_INCONCLUSIVE, "%s %zu: %s", cases[k].name,
                      cases[k].n, printed(r, AD_TEXT));
            count[ad_check_verdict(r)]++;
            ad_check_free(r);
        }
    }
    cr_expect_leq(count[AD_INCONCLUSIVE], CASES * POINTS / 100);
}

/* All but a few where the derivative is nearly 0 and the noise as large as the error: a cubic near
 * its extremum, residuals near the solution, few steps of softmax that agree. Those are no PASS. */
Test(narrow, gradients_in_float_that_are_wrong_by_1e_3_fail) {
    static double x[MOST], g[MOST];
    size_t        missed = 0;
    for (size_t k = 0; k < CASES; k++) {
        if (cases[k].n > 300) continue; /* thousands of calls to find eight culprits */
        for (uint64_t seed = 1; seed <= (cases[k].n > 100 ? 1 : POINTS); seed++) {
            point_at(&cases[k], seed, x, g);
            for (size_t i = 0; i < cases[k].n; i++) g[i] *= 1 + 1e-3;
            ad_check_report *r = check_at(&cases[k], x, g, 0x1p-24);
            missed += ad_check_verdict(r) != AD_FAIL;
            cr_expect_gt(ad_check_verdict(r), AD_PASS, "%s %zu: %s", cases[k].name, cases[k].n,
                         printed(r, AD_TEXT));
            ad_check_free(r);
        }
    }
    cr_expect_leq(missed, CASES * POINTS / 50, "%zu", missed);
}

Test(narrow, one_coordinate_in_float_that_is_wrong_is_named) {
    static double x[MOST], g[MOST];
    point_at(&cases[1], 1, x, g);
    g[2] *= -1;
    ad_check_report *r = check_at(&cases[1], x, g, 0x1p-24);
    cr_expect(strncmp(r->message,
                      "the claimed gradient is wrong, first at x[2]; x was rounded to "
                      "the arithmetic of the function, of unit roundoff 2^-24",
                      110) == 0,
              "%s", r->message);
    cr_expect(r->unit == 0x1p-24 && r->rtol == 64 * 0x1p-24); /* as ad.h says */
    ad_check_free(r);
    for (size_t i = 0; i < 3; i++) x[i] = (double)(float)x[i];
    r = check_at(&cases[1], x, g, 0x1p-24);
    cr_expect_str_eq(r->message, "the claimed gradient is wrong, first at x[2]");
    cr_expect(strstr(printed(r, AD_TEXT), "  unit 2^-24\n") != NULL);
    ad_check_free(r);
}

/* Of a function in float, checked as one in double, differences are little but noise. */
Test(narrow, unit_is_measured) {
    static double x[MOST], g[MOST];
    for (size_t k = 0; k < CASES; k++) {
        point_at(&cases[k], 3, x, g);
        ad_check_report *r = check_at(&cases[k], x, g, AD_UNIT_MEASURED);
        cr_expect_eq(r->unit, 0x1p-24, "%s %zu", cases[k].name, cases[k].n);
        cr_expect(ad_check_verdict(r) <= AD_INCONCLUSIVE);
        ad_check_free(r);
    }
    const double at[] = {-1.2, 1, 0.7};
    double       grad[3];
    rosenbrock_gradient(3, at, grad);
    ad_check_report *r = ad_check_function(rosenbrock, NULL, 3, at, grad,
                                           &(ad_check_options){.unit = AD_UNIT_MEASURED});
    cr_expect(r->unit == 0 && r->rtol == 1e-9 && ad_check_verdict(r) == AD_PASS);
    ad_check_free(r);
}

/* ---- in half --------------------------------------------------------------------------------- */

/* To 11 binary digits, and no finer than 2^-24: IEEE 754 binary16 */
static double half(double x) {
    int exponent;
    frexp(x, &exponent);
    const double place = ldexp(1, exponent - 11 > -24 ? exponent - 11 : -24);
    return rint(x / place) * place;
}

static double in_half(size_t n, const double x[], void *context) {
    double    y = 0;
    const int kind = *(const int *)context;
    for (size_t i = 0; i < n; i++) {
        const double h = half(x[i]);
        const double one = kind == 0 ? half(half(h * h) * half(1.5))
                         : kind == 1 ? half(exp(h))
                         : kind == 2 ? half(h * half(sin(h)))
                                     : half(half(3 * h) + half(h * half(h * h)));
        y = half(y + one);
    }
    return y;
}

static double slope_in_half(int kind, double x) {
    const double h = half(x);
    return kind == 0 ? half(3 * h)
         : kind == 1 ? half(exp(h))
         : kind == 2 ? half(half(sin(h)) + half(h * half(cos(h))))
                     : half(3 + half(3 * half(h * h)));
}

Test(narrow, half_precision_is_no_failure_and_hides_no_sign) {
    uint64_t state = 9;
    size_t   failed = 0;
    for (int round = 0; round < 40; round++) {
        for (int kind = 0; kind < 4; kind++) {
            double x[3], g[3];
            for (int i = 0; i < 3; i++) {
                x[i] = random_uniform(&state, 0.5, 1.5);
                g[i] = slope_in_half(kind, x[i]);
            }
            const ad_check_options o = {.unit = round % 2 == 0 ? 0x1p-11 : AD_UNIT_MEASURED};
            ad_check_report       *r = ad_check_function(in_half, &kind, 3, x, g, &o);
            cr_expect_eq(r->unit, 0x1p-11);
            cr_expect_neq(ad_check_verdict(r), AD_FAIL, "%d: %s", kind, printed(r, AD_TEXT));
            ad_check_free(r);
            g[round % 3] *= -1;
            r = ad_check_function(in_half, &kind, 3, x, g, &o);
            failed += ad_check_coordinate(r, (size_t)round % 3) == AD_FAIL;
            ad_check_free(r);
        }
    }
    cr_expect_gt(failed, 150, "%zu of 160", failed);
}

/* ---- functions of several values ------------------------------------------------------------- */

static void two_in_float(size_t n, const double x[], size_t m, double y[], void *context) {
    float single[MOST];
    (void)context, (void)m;
    for (size_t i = 0; i < n; i++) single[i] = (float)x[i];
    y[0] = (double)waves(n, single), y[1] = (double)logsumexp(n, single);
}

Test(narrow, jacobians_in_float) {
    static double x[MOST], j[2 * MOST];
    for (size_t n = 4; n <= 150; n += 73) { /* one by one, and along directions */
        float single[MOST], g[MOST];
        for (size_t i = 0; i < n; i++) single[i] = weight(i), x[i] = (double)single[i];
        waves_g(n, single, g);
        for (size_t i = 0; i < n; i++) j[i] = (double)g[i];
        logsumexp_g(n, single, g);
        for (size_t i = 0; i < n; i++) j[n + i] = (double)g[i];
        const ad_check_options o = {.unit = n == 4 ? 0x1p-24 : AD_UNIT_MEASURED};
        ad_check_report       *r = ad_check_vector(two_in_float, NULL, n, x, 2, j, &o);
        cr_expect(ad_check_verdict(r) <= AD_INCONCLUSIVE, "%s", printed(r, AD_TEXT));
        cr_expect_eq(r->unit, 0x1p-24);
        ad_check_free(r);
        j[1] *= -1;
        r = ad_check_vector(two_in_float, NULL, n, x, 2, j, &o);
        cr_expect_eq(ad_check_verdict(r), AD_FAIL, "%s", printed(r, AD_TEXT));
        ad_check_free(r);
    }
}

/* ---- arguments ------------------------------------------------------------------------------- */

Test(narrow, units_are_asked_about) {
    const double     bad[] = {1e-17, 0.5, NAN, INFINITY}, x[] = {1, 2}, g[] = {1, 2};
    ad_tape         *tape = ad_tape_new();
    const ad_var     v = ad_input(tape, 2), y = ad_mul(v, v);
    ad_check_options o = {0};
    for (size_t k = 0; k < 4; k++) {
        o.unit = bad[k];
        expect_refused(ad_check_function(ramp, NULL, 2, x, g, &o), AD_BAD_ARGUMENT);
    }
    o.unit = 0x1p-24;
    expect_refused(ad_check(y, 1, &v, NULL, &o), AD_BAD_ARGUMENT);
    ad_check_report *r = ad_check(y, 1, &v, NULL, &o);
    cr_expect_str_eq(r->message,
                     "ad_check: unit is 5.96046e-08, but a tape computes in double: it must be 0");
    ad_check_free(r);
    o.unit = 0x1p-53;
    r = ad_check(y, 1, &v, NULL, &o);
    cr_expect_eq(ad_check_verdict(r), AD_PASS);
    ad_check_free(r);
    r = ad_check_function(ramp, NULL, 2, x, g, &o);
    cr_expect(ad_check_verdict(r) == AD_PASS && r->unit == 0);
    ad_check_free(r);
    ad_tape_free(tape);
}
