/* products.c - products with a Jacobian or a Hessian, claimed as functions.
 *
 * What is not linear is no product with a matrix, so that is asked first; then the matrix is
 * compared with differences. What rounding does to a product is not known from its result, in which
 * terms may have cancelled: it is measured, by products with three, five and seven times the
 * vector. The vectors have few digits, so that their sums and multiples are exact. */
#include "check/conclude.h"
#include "check/jacobian.h"
#include "check/local_check.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define ROUNDING 1e-12 /* a few thousand roundings, relative to the terms of a sum */
#define CAUTION  64    /* so many times the measured noise is allowed */

/* A claim: out = A in. */
typedef struct product {
    const char *name, *of; /* "vjp", "u" */
    size_t      in, out;
    void (*times)(void *self, const double in_vector[], double out_vector[]);
    void *self;
} product;

typedef struct given {
    ad__many *f;
    ad_vjp   *vjp;
    ad_jvp   *jvp;
    void (*gradient)(size_t n, const double x[], double g[], void *context);
    void (*hvp)(size_t n, const double x[], const double v[], double h[], void *context);
    void         *context;
    size_t        n, m;
    const double *x;
    double     *own_x, *own_in; /* copies that a claim may write into: n, and the larger of n, m */
    ad__report *r;
    ad__jacobian *j;
} given;

/* ---- calling --------------------------------------------------------------------------------- */

static void fresh(given *p, size_t in, const double vector[], size_t out, double result[]) {
    memcpy(p->own_x, p->x, p->n * sizeof *p->x);
    memcpy(p->own_in, vector, in * sizeof *vector);
    for (size_t i = 0; i < out; i++) result[i] = NAN;
}

static void times_left(void *self, const double u[], double g[]) {
    given *p = self;
    fresh(p, p->m, u, p->n, g);
    p->vjp(p->n, p->own_x, p->m, p->own_in, g, p->context);
}

static void times_right(void *self, const double v[], double w[]) {
    given *p = self;
    fresh(p, p->n, v, p->m, w);
    p->jvp(p->n, p->own_x, p->own_in, p->m, w, p->context);
}

static void call_f(size_t n, const double x[], size_t m, double y[], void *context) {
    const given *p = context;
    if (p->f != NULL) p->f(n, x, m, y, p->context);
    else p->gradient(n, x, y, p->context);
}

/* ---- lines ----------------------------------------------------------------------------------- */

static ad_verdict add_line(ad__report *r, const char *name, double claimed, double other,
                           double allowed) {
    const double     gap = fabs(claimed - other);
    const ad_verdict verdict = gap <= allowed ? AD_PASS : AD_FAIL;
    ad__report_line(
        r, &r->first, name, SIZE_MAX, claimed,
        &(ad__judgement){
            verdict, gap, allowed, {.shape = AD__SMOOTH, .slope = other, .error = 0, .step = NAN}});
    return verdict;
}

/* ---- linear? --------------------------------------------------------------------------------- */

/* Multiples of 1/64 between -1 and 1, none of them 0. */
static void simple_vector(uint64_t *random, size_t n, double v[]) {
    for (size_t i = 0; i < n; i++) {
        const uint64_t bits = ad__random(random);
        v[i] = (double)(1 + (bits >> 32) % 64) / 64;
        if (bits & 1) v[i] = -v[i];
    }
}

static double largest(size_t n, const double x[]) {
    double most = 0;
    for (size_t i = 0; i < n; i++)
        if (isfinite(x[i])) most = fmax(most, fabs(x[i]));
    return most;
}

/* c times the vector, by the claim, divided by c again */
static void multiple(const product *of, double c, const double v[], double scaled[],
                     double result[]) {
    for (size_t i = 0; i < of->in; i++) scaled[i] = c * v[i];
    of->times(of->self, scaled, result);
    for (size_t i = 0; i < of->out; i++) result[i] /= c;
}

/* What rounding does to each number of the product; other: scratch. */
static void measure(const product *of, const double v[], const double result[], double scaled[],
                    double other[], double noise[]) {
    for (size_t i = 0; i < of->out; i++) noise[i] = 0;
    for (int c = 3; c <= 7; c += 2) {
        multiple(of, c, v, scaled, other);
        for (size_t i = 0; i < of->out; i++) noise[i] = fmax(noise[i], fabs(other[i] - result[i]));
    }
}

/* Compares two results, number by number, and adds a line about the worst. Numbers that are not
 * finite are left to the comparison with differences. */
typedef struct comparison {
    const double *is, *should, *allowed;
    double        factor; /* of both, as they are shown */
    const char   *name, *other;
} comparison;

static bool agrees(given *p, const product *of, const comparison *c) {
    size_t worst = SIZE_MAX;
    double most = -1;
    for (size_t i = 0; i < of->out; i++) {
        const double excess = fabs(c->is[i] - c->should[i]) / (c->allowed[i] + 0x1p-1060);
        if (excess > most) most = excess, worst = i;
    }
    if (worst == SIZE_MAX) return true;
    const double is = c->factor * c->is[worst], should = c->factor * c->should[worst];
    if (add_line(p->r, c->name, is, should, fabs(c->factor) * c->allowed[worst]) == AD_PASS)
        return true;
    ad__report_say(p->r, AD_OK, "%s is not linear in %s: %s[%zu] is %.10g, but %s[%zu] is %.10g",
                   of->name, of->of, c->name, worst, is, c->other, worst, should);
    return false;
}

static double rounding_of(const given *p) {
    return fmax(ROUNDING, 16 * p->r->page.unit);
}

static void allow(size_t n, double rtol, double rounding, const double a[], const double b[],
                  const double noise[], double allowed[]) {
    const double scale = rounding * (largest(n, a) + (b != NULL ? largest(n, b) : 0));
    for (size_t i = 0; i < n; i++)
        allowed[i] = rtol * (fabs(a[i]) + (b != NULL ? fabs(b[i]) : 0)) + scale +
                     (noise != NULL ? CAUTION * noise[i] : 0);
}

static bool is_homogeneous(given *p, const product *of, double c, const double a[],
                           const double of_a[], double space[]) {
    char    name[40], other[40];
    double *scaled = space, *result = scaled + of->in, *allowed = result + of->out;
    multiple(of, c, a, scaled, result);
    allow(of->out, p->r->page.rtol, rounding_of(p), of_a, NULL, NULL, allowed);
    snprintf(name, sizeof name, c < 0 ? "%s(-%s)" : "%s(2 %s)", of->name, of->of);
    snprintf(other, sizeof other, c < 0 ? "-%s(%s)" : "2 %s(%s)", of->name, of->of);
    return agrees(p, of, &(comparison){result, of_a, allowed, c, name, other});
}

static bool is_additive(given *p, const product *of, const double a[], const double of_a[],
                        const double b[], double space[]) {
    char    name[40], other[40];
    double *sum = space, *of_b = sum + of->in, *of_sum = of_b + of->out, *noise = of_sum + of->out,
           *allowed = noise + of->out;
    measure(of, a, of_a, sum, of_sum, noise);
    for (size_t i = 0; i < of->in; i++) sum[i] = a[i] + b[i];
    of->times(of->self, sum, of_sum);
    of->times(of->self, b, of_b);
    allow(of->out, p->r->page.rtol, rounding_of(p), of_a, of_b, noise, allowed);
    for (size_t i = 0; i < of->out; i++) of_b[i] += of_a[i];
    snprintf(name, sizeof name, "%s(%s + t)", of->name, of->of);
    snprintf(other, sizeof other, "%s(%s) + %s(t)", of->name, of->of, of->name);
    return agrees(p, of, &(comparison){of_sum, of_b, allowed, 1, name, other});
}

static bool is_repeatable(given *p, const product *of, const double a[], const double of_a[],
                          double again[]) {
    of->times(of->self, a, again);
    for (size_t i = 0; i < of->out; i++) {
        if (ad__same_number(of_a[i], again[i])) continue;
        ad__all_coordinates(p->r, AD_UNSTABLE);
        ad__report_say(p->r, AD_OK,
                       "%s is not deterministic: for the same x and %s number %zu was %.17g and "
                       "then %.17g",
                       of->name, of->of, i, of_a[i], again[i]);
        return false;
    }
    return true;
}

/* False: the claim is no product with a matrix, which is in the report. */
static bool is_linear(given *p, const product *of) {
    const size_t in = of->in, out = of->out;
    double      *a = calloc(3 * in + 5 * out + 1, sizeof *a);
    if (a == NULL) {
        p->r->no_memory = true;
        return false;
    }
    double *b = a + in, *of_a = b + in, *space = of_a + out;
    simple_vector(&p->j->random, in, a), simple_vector(&p->j->random, in, b);
    of->times(of->self, a, of_a);
    const bool ok =
        is_repeatable(p, of, a, of_a, space) && is_homogeneous(p, of, 2, a, of_a, space) &&
        is_homogeneous(p, of, -1, a, of_a, space) && is_additive(p, of, a, of_a, b, space);
    free(a);
    return ok;
}

/* ---- one product against the other ----------------------------------------------------------- */

static double dot(size_t n, const double a[], const double b[], double *size) {
    double total = 0;
    for (size_t i = 0; i < n; i++) total += a[i] * b[i], *size += fabs(a[i] * b[i]);
    return total;
}

/* Is a.(first b) = b.(second a)? What rounding may do is measured for both. */
typedef struct pair {
    double first, second, gap, allowed;
} pair;

static bool compare_pair(given *p, const product *first, const product *second, pair *out) {
    const size_t n = first->in, m = first->out, most = n > m ? n : m;
    double      *a = calloc(6 * most + 1, sizeof *a), size = 0, noise = 0;
    if (a == NULL) {
        p->r->no_memory = true;
        return false;
    }
    double *b = a + most, *result = b + most, *scaled = result + most, *other = scaled + most,
           *off = other + most;
    simple_vector(&p->j->random, m, a), simple_vector(&p->j->random, n, b);
    first->times(first->self, b, result);
    out->first = dot(m, a, result, &size);
    measure(first, b, result, scaled, other, off);
    dot(m, a, off, &noise);
    second->times(second->self, a, result);
    out->second = dot(n, b, result, &size);
    measure(second, a, result, scaled, other, off);
    dot(n, b, off, &noise);
    out->gap = fabs(out->first - out->second);
    out->allowed = p->r->page.rtol * fmax(fabs(out->first), fabs(out->second)) +
                   rounding_of(p) * size + CAUTION * noise;
    free(a);
    return true;
}

/* ---- against differences --------------------------------------------------------------------- */

/* Is the product with a vector the sum of those with unit vectors? What is true of these alone may
 * be true of no other. a: out x in. */
static bool is_sum_of_units(given *p, const product *of, bool left, const double a[]) {
    const size_t in = of->in, out = of->out;
    double      *v = calloc(2 * in + 6 * out + 1, sizeof *v);
    char         name[40], other[40];
    if (v == NULL) {
        p->r->no_memory = true;
        return false;
    }
    double *scaled = v + in, *is = scaled + in, *sum = is + out, *size = sum + out,
           *scratch = size + out, *noise = scratch + out, *allowed = noise + out;
    simple_vector(&p->j->random, in, v);
    of->times(of->self, v, is);
    measure(of, v, is, scaled, scratch, noise);
    for (size_t k = 0; k < out; k++)
        for (size_t i = 0; i < in; i++) {
            const double part = v[i] * a[left ? i * p->n + k : k * p->n + i];
            sum[k] += part, size[k] += fabs(part);
        }
    allow(out, p->r->page.rtol, rounding_of(p), size, NULL, noise, allowed);
    snprintf(name, sizeof name, "%s(%s)", of->name, of->of);
    snprintf(other, sizeof other, "%s by unit vectors", of->name);
    const bool ok = agrees(p, of, &(comparison){is, sum, allowed, 1, name, other});
    free(v);
    return ok;
}

/* Few entries: as a matrix, by products with unit vectors. */
static void check_entries(given *p, const product *of, bool left, const char *what) {
    double *unit = calloc(of->in + of->out + 1, sizeof *unit),
           *a = calloc(p->n * p->m + 1, sizeof *a);
    if (unit == NULL || a == NULL) {
        p->r->no_memory = true;
    } else {
        double          *result = unit + of->in;
        ad__matrix       matrix = {p->n, p->m, a};
        const ad__claims claims = ad__matrix_claims(&matrix);
        for (size_t i = 0; i < of->in; i++) {
            unit[i] = 1;
            of->times(of->self, unit, result);
            unit[i] = 0;
            for (size_t k = 0; k < of->out; k++) a[left ? i * p->n + k : k * p->n + i] = result[k];
        }
        if (is_sum_of_units(p, of, left, a)) ad__jacobian_check(p->j, &claims, what);
    }
    free(unit);
    free(a);
}

static bool check_product(given *p, const product *of, bool left, const char *what) {
    if (!is_linear(p, of)) {
        for (size_t i = 0; i < p->n; i++)
            if (p->j->verdict[i] < AD_INCONCLUSIVE) p->j->verdict[i] = AD_INCONCLUSIVE;
        return false;
    }
    const ad__claims claims = {
        .left = left ? of->times : NULL, .right = left ? NULL : of->times, .self = of->self};
    if (p->j->options.direction == NULL && ad__jacobian_is_small(p->j))
        check_entries(p, of, left, what);
    else ad__jacobian_check(p->j, &claims, what);
    return true;
}

/* ---- products with a Jacobian ---------------------------------------------------------------- */

static void check_against_each_other(given *p, const product *vjp, const product *jvp) {
    pair two;
    if (!compare_pair(p, jvp, vjp, &two)) return;
    const bool failed = ad__report_has(p->r, AD_FAIL);
    if (add_line(p->r, "u.(J v) = (u J).v", two.first, two.second, two.allowed) == AD_FAIL &&
        !failed)
        ad__report_say(p->r, AD_OK, "jvp and vjp disagree: u.(J v) is %.17g and (u J).v is %.17g",
                       two.first, two.second);
}

static void check_products(given *p) {
    const product vjp = {"vjp", "u", p->m, p->n, times_left, p},
                  jvp = {"jvp", "v", p->n, p->m, times_right, p};
    bool both = true;
    if (p->vjp != NULL) both = check_product(p, &vjp, true, "vjp ");
    if (p->jvp != NULL && !p->r->no_memory) both = check_product(p, &jvp, false, "jvp ") && both;
    if (p->vjp != NULL && p->jvp != NULL && both && !p->r->no_memory)
        check_against_each_other(p, &vjp, &jvp);
}

/* Opens the check of the claims, of which `check` makes lines. */
static ad_check_report *run(given *p, const ad_check_options *o, void (*check)(given *p),
                            void (*name)(ad__jacobian *j)) {
    const size_t most = p->n > p->m ? p->n : p->m;
    ad__jacobian j;
    p->own_x = calloc(p->n + 1, sizeof *p->own_x), p->own_in = calloc(most + 1, sizeof(double));
    if (!ad__jacobian_open(&j, call_f, p, p->n, p->x, p->m, o, p->r) || p->own_x == NULL ||
        p->own_in == NULL) {
        p->r->no_memory = true;
    } else {
        p->j = &j, p->x = j.c.x;
        if (name != NULL) name(&j);
        if (ad__jacobian_values(&j)) {
            check(p);
            if (p->r->page.verdict != AD_UNSTABLE) ad__jacobian_finish(&j);
        }
        if (!p->r->no_memory) ad__conclude_function(p->r);
        ad__conclude_rounded(p->r);
    }
    ad__jacobian_close(&j);
    free(p->own_x);
    free(p->own_in);
    return ad__report_done(p->r);
}

ad_check_report *ad_check_products(void (*f)(size_t n, const double x[], size_t m, double y[],
                                             void *context),
                                   ad_vjp *vjp, ad_jvp *jvp, void *context, size_t n,
                                   const double x[], size_t m, const ad_check_options *options) {
    char                   text[AD__NAME_ROOM];
    const ad_check_options o = ad__options_filled(options);
    given p = {.f = f, .vjp = vjp, .jvp = jvp, .context = context, .n = n, .m = m, .x = x};
    if ((p.r = ad__report_begin(n, &o)) == NULL) return NULL;
    if (ad__options_bad("ad_check_products", options, text) != NULL)
        return ad__report_refuse(p.r, AD_BAD_ARGUMENT, text);
    if (f == NULL || (vjp == NULL && jvp == NULL) || (n > 0 && x == NULL))
        return ad__report_refuse(
            p.r, AD_BAD_ARGUMENT,
            "ad_check_products: a function, x, and at least one of vjp and jvp are needed");
    if (!ad__worth_checking(p.r, n, &o)) return ad__report_done(p.r);
    if (m == 0) return ad__report_refuse(p.r, AD_OK, "m = 0: there is nothing to check");
    p.r->claim = jvp == NULL ? "vector-Jacobian product"
               : vjp == NULL ? "Jacobian-vector product"
                             : "product with the Jacobian";
    return run(&p, &o, check_products, NULL);
}

/* ---- products with a Hessian ----------------------------------------------------------------- */

static void times_hessian(void *self, const double v[], double h[]) {
    given *p = self;
    fresh(p, p->n, v, p->n, h);
    p->hvp(p->n, p->own_x, p->own_in, h, p->context);
}

static void check_hessian(given *p) {
    const product hvp = {"hvp", "v", p->n, p->n, times_hessian, p};
    pair          two;
    if (!check_product(p, &hvp, false, "") || p->r->no_memory || p->j->options.direction != NULL ||
        !compare_pair(p, &hvp, &hvp, &two))
        return;
    const bool failed = ad__report_has(p->r, AD_FAIL);
    p->r->page.symmetry = two.gap, p->r->page.symmetry_tolerance = two.allowed;
    if (add_line(p->r, "v.Hw = w.Hv", two.first, two.second, two.allowed) == AD_FAIL && !failed)
        ad__report_say(p->r, AD_OK,
                       "the claimed Hessian is not symmetric: v.Hw is %.17g and w.Hv is %.17g",
                       two.first, two.second);
}

static void coordinate_name(const void *self, size_t i, char text[AD__NAME_ROOM]) {
    ad__coordinate_name(&((const ad__jacobian *)self)->options, i, text);
}

static void name_hessian(ad__jacobian *j) {
    j->output_name = coordinate_name;
    j->between = ", ";
    j->all = "all of the gradient";
    j->of_value = "the derivative in ";
}

ad_check_report *ad_check_hessian_times(void (*gradient)(size_t n, const double x[], double g[],
                                                         void *context),
                                        void *context, size_t n, const double x[],
                                        void (*hvp)(size_t n, const double x[], const double v[],
                                                    double h[], void *context),
                                        const ad_check_options *options) {
    char                   text[AD__NAME_ROOM];
    const ad_check_options o = ad__options_filled(options);
    given p = {.gradient = gradient, .hvp = hvp, .context = context, .n = n, .m = n, .x = x};
    if ((p.r = ad__report_begin(n, &o)) == NULL) return NULL;
    if (ad__options_bad("ad_check_hessian_times", options, text) != NULL)
        return ad__report_refuse(p.r, AD_BAD_ARGUMENT, text);
    if (gradient == NULL || hvp == NULL || (n > 0 && x == NULL))
        return ad__report_refuse(p.r, AD_BAD_ARGUMENT,
                                 "ad_check_hessian_times: a gradient, x and a product with the "
                                 "Hessian are needed");
    if (!ad__worth_checking(p.r, n, &o)) return ad__report_done(p.r);
    p.r->claim = "Hessian";
    return run(&p, &o, check_hessian, name_hessian);
}
