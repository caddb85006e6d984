/* products.c - tests of engine/check/products.c: products with a Jacobian or a Hessian that are
 * right do not fail, and each wrong one does. */
#include "check_vectors.h"

/* ---- products with a Jacobian ---------------------------------------------------------------- */

/* Claims that multiply by the matrices, which may be wrong; then a mistake of the products. */
typedef struct claim {
    const vector_case *of;
    const double      *left, *right; /* J of vjp and of jvp */
    int                mistake;
    double             largest; /* entry */
} claim;

enum {
    RIGHT_ONE,
    SIGN_OF_U,    /* is not looked at */
    ADDED,        /* something that does not depend on u */
    SQUARED,      /* u^2 */
    LARGEST_ONLY, /* only the largest u counts: right for unit vectors */
    LEAVES_ONE,   /* an element is not written */
    NOT_THE_SAME, /* twice */
    PRODUCT_MISTAKES
};

static double changed(const claim *c, size_t i, double u) {
    (void)i;
    return c->mistake == SIGN_OF_U ? fabs(u) : c->mistake == SQUARED ? u * fabs(u) : u;
}

static double largest_of(const vector_point *p) {
    double most = 0;
    for (size_t i = 0; i < p->of->n * p->of->m; i++) most = fmax(most, fabs(p->j[i]));
    return most;
}

static void of_case(size_t n, const double x[], size_t m, double y[], void *context) {
    ((const claim *)context)->of->f(n, x, m, y, NULL);
}

static void finish(const claim *c, size_t count, double out[]) {
    static int calls;
    if (c->mistake == ADDED) out[count - 1] += 1e-3 * c->largest;
    if (c->mistake == LEAVES_ONE) out[count / 2] = NAN;
    if (c->mistake == NOT_THE_SAME) out[0] += ++calls;
}

static void vjp_of(size_t n, const double x[], size_t m, const double u[], double g[],
                   void *context) {
    const claim *c = context;
    double       most = 0;
    (void)x;
    for (size_t i = 0; i < m; i++) most = fmax(most, fabs(u[i]));
    for (size_t k = 0; k < n; k++) {
        g[k] = 0;
        for (size_t i = 0; i < m; i++)
            if (c->mistake != LARGEST_ONLY || fabs(u[i]) == most)
                g[k] += c->left[i * n + k] * changed(c, i, u[i]);
    }
    finish(c, n, g);
    ((double *)(uintptr_t)u)[0] = ((double *)(uintptr_t)x)[0] = 77; /* its own arrays */
}

static void jvp_of(size_t n, const double x[], const double v[], size_t m, double w[],
                   void *context) {
    const claim *c = context;
    (void)x;
    for (size_t i = 0; i < m; i++) {
        w[i] = 0;
        for (size_t k = 0; k < n; k++) w[i] += c->right[i * n + k] * changed(c, k, v[k]);
    }
    finish(c, m, w);
}

static ad_check_report *check_claim(const vector_point *p, claim *c, bool left, bool right) {
    ad_check_report *r = ad_check_products(of_case, left ? vjp_of : NULL, right ? jvp_of : NULL, c,
                                           p->of->n, p->x, p->of->m, NULL);
    cr_assert_not_null(r);
    return r;
}

Test(products, right_ones_do_not_fail) {
    for (size_t k = 0; k < VECTOR_CASES; k++) {
        for (int which = 1; which <= 3; which++) { /* vjp, jvp, both */
            const vector_point p = point_of(k, (uint64_t)which);
            claim              c = {p.of, p.j, p.j, RIGHT_ONE, 0};
            ad_check_report   *r = check_claim(&p, &c, which & 1, which & 2);
            cr_expect(ad_check_verdict(r) <= AD_WEAK, "%s %zu %zu: %s", p.of->name, p.of->n,
                      p.of->m, printed(r, AD_TEXT));
            cr_expect((line_called(r, "vjp(2 u)") != NULL) == (which & 1));
            cr_expect((line_called(r, "jvp(v + t)") != NULL) == (which >> 1));
            cr_expect((line_called(r, "u.(J v) = (u J).v") != NULL) == (which == 3));
            ad_check_free(r);
            free_point(p);
        }
    }
}

/* One entry of the matrix by which vjp or jvp multiplies is wrong by 1e-3, or it is transposed. */
Test(products, wrong_matrix_fails_and_names_an_entry) {
    for (size_t k = 0; k < VECTOR_CASES; k++) {
        const vector_point p = point_of(k, 1);
        const size_t       n = p.of->n, m = p.of->m, entries = n * m;
        double            *j = malloc(entries * sizeof *j);
        for (int which = 1; which <= 2 && largest_of(&p) > 0; which++) {
            memcpy(j, p.j, entries * sizeof *j);
            size_t at = k * 31 % entries;
            while (fabs(j[at]) < 1e-3 * largest_of(&p)) at = (at + 1) % entries;
            j[at] *= which == 1 ? 1 + 1e-3 : -1;
            claim            c = {p.of, which == 1 ? j : p.j, which == 2 ? j : p.j, RIGHT_ONE, 0};
            ad_check_report *r = check_claim(&p, &c, true, true);
            char             name[60], message[160];
            snprintf(name, sizeof name, "%s y[%zu]/x[%zu]", which == 1 ? "vjp" : "jvp", at / n,
                     at % n);
            snprintf(message, sizeof message,
                     "the claimed product with the Jacobian is wrong, first at %s", name);
            cr_expect_str_eq(r->message, message, "%s: %s", p.of->name, printed(r, AD_TEXT));
            cr_expect(line_called(r, name) != NULL && line_called(r, name)->output == at / n &&
                      line_called(r, name)->coordinate == at % n);
            cr_expect_eq(ad_check_coordinate(r, at % n), AD_FAIL);
            ad_check_free(r);
        }
        free(j);
        free_point(p);
    }
}

Test(products, what_is_no_product_fails_and_says_so) {
    static const char *const said[] = {
        [SIGN_OF_U] = "vjp is not linear in u: vjp(-u)[",
        [ADDED] = "vjp is not linear in u: vjp(2 u)[",
        [SQUARED] = "vjp is not linear in u: vjp(2 u)[",
        [LARGEST_ONLY] = "vjp is not linear in u: vjp(u",
        [LEAVES_ONE] = "the claimed vector-Jacobian product is wrong, first at vjp y[",
        [NOT_THE_SAME] = "vjp is not deterministic: for the same x and u number 0 was ",
    };
    for (size_t k = 5; k < VECTOR_CASES; k += 3) {
        const vector_point p = point_of(k, 2);
        for (int mistake = 1; mistake < PRODUCT_MISTAKES && p.of->m > 2; mistake++) {
            claim            c = {p.of, p.j, p.j, mistake, largest_of(&p)};
            ad_check_report *r = check_claim(&p, &c, true, false);
            cr_expect_eq(ad_check_verdict(r), mistake == NOT_THE_SAME ? AD_UNSTABLE : AD_FAIL,
                         "%s: %s", p.of->name, printed(r, AD_TEXT));
            cr_expect(strncmp(r->message, said[mistake], strlen(said[mistake])) == 0, "%s: %s",
                      p.of->name, r->message);
            ad_check_free(r);
        }
        claim            c = {p.of, p.j, p.j, SIGN_OF_U, 0};
        ad_check_report *r = check_claim(&p, &c, false, true);
        cr_expect(strncmp(r->message, "jvp is not linear in v: jvp(-v)[", 32) == 0 ||
                      p.of->f == polar,
                  "%s: %s", p.of->name, r->message);
        ad_check_free(r);
        free_point(p);
    }
}

/* Each is within what rtol allows of the differences, but not both of the same matrix. */
Test(products, two_that_disagree_fail) {
    enum { N = 5, M = 3 };
    double            left[N * M], right[N * M], x[N] = {0.5, 1, 0.25, -1, 2};
    const vector_case of = CASE(linear, N, M, -1, 1);
    linear_j(N, x, M, left);
    for (int i = 0; i < N * M; i++) right[i] = left[i] * (1 - 0.8e-6), left[i] *= 1 + 0.8e-6;
    claim            c = {&of, left, right, RIGHT_ONE, 0};
    ad_check_report *r =
        ad_check_products(of_case, vjp_of, jvp_of, &c, N, x, M, &(ad_check_options){.rtol = 1e-6});
    cr_expect_eq(ad_check_verdict(r), AD_FAIL);
    cr_expect_eq(r->count[AD_FAIL], 1, "%s", printed(r, AD_TEXT));
    cr_expect(strncmp(r->message, "jvp and vjp disagree: u.(J v) is ", 33) == 0, "%s", r->message);
    ad_check_free(r);
}

Test(products, given_direction_is_the_only_one) {
    const vector_point p = point_of(1, 1);
    claim              c = {p.of, p.j, p.j, RIGHT_ONE, 0};
    double             v[3] = {0};
    v[1] = 1;
    ad_check_report *r = ad_check_products(of_case, NULL, jvp_of, &c, p.of->n, p.x, p.of->m,
                                           &(ad_check_options){.direction = v});
    cr_expect_leq(ad_check_verdict(r), AD_WEAK, "%s", printed(r, AD_TEXT));
    cr_assert_not_null(line_called(r, "jvp y[0]/direction"), "%s", printed(r, AD_TEXT));
    ad_check_free(r);
    free_point(p);
}

Test(products, arguments_are_asked_about) {
    const double     x[] = {1, 2};
    claim            c = {&vector_cases[1], x, x, RIGHT_ONE, 0};
    ad_check_options bad = {.reserved = {1}};
    expect_refused(ad_check_products(NULL, vjp_of, NULL, &c, 2, x, 1, NULL), AD_BAD_ARGUMENT);
    expect_refused(ad_check_products(of_case, NULL, NULL, &c, 2, x, 1, NULL), AD_BAD_ARGUMENT);
    expect_refused(ad_check_products(of_case, vjp_of, NULL, &c, 2, NULL, 1, NULL), AD_BAD_ARGUMENT);
    expect_refused(ad_check_products(of_case, vjp_of, NULL, &c, 2, x, 1, &bad), AD_BAD_ARGUMENT);
    expect_refused(ad_check_products(of_case, vjp_of, NULL, &c, 2, x, 0, NULL), AD_OK);
    expect_refused(ad_check_products(of_case, vjp_of, NULL, &c, 0, NULL, 2, NULL), AD_OK);
}

/* ---- products with a Hessian ----------------------------------------------------------------- */

/* Gradients with their Hessians in closed form. */
typedef struct hessian_case {
    const char *name;
    void (*gradient)(size_t n, const double x[], double g[], void *context);
    void (*hessian)(size_t n, const double x[], double h[]);
    size_t n;
    double low, high;
} hessian_case;

/* Rosenbrock's function */
static void valley_g(size_t n, const double x[], double g[], void *context) {
    (void)context;
    rosenbrock_gradient(n, x, g);
}
static void valley_h(size_t n, const double x[], double h[]) {
    for (size_t i = 0; i + 1 < n; i++) {
        h[i * n + i] += 1200 * x[i] * x[i] - 400 * x[i + 1] + 2;
        h[(i + 1) * n + i + 1] += 200;
        h[i * n + i + 1] = h[(i + 1) * n + i] = -400 * x[i];
    }
}

/* log of the sum of exp: its gradient is softmax */
static void logsumexp_g(size_t n, const double x[], double g[], void *context) {
    (void)context;
    probabilities(n, x, g);
}
static void logsumexp_h(size_t n, const double x[], double h[]) {
    softmax_j(n, x, n, h);
}

/* x'Ax/2 + sum of x^4/4, where A is symmetric */
static double symmetric(size_t i, size_t k) {
    return odd(i * k + i + k);
}
static void quartic_g(size_t n, const double x[], double g[], void *context) {
    (void)context;
    for (size_t i = 0; i < n; i++) {
        g[i] = x[i] * x[i] * x[i];
        for (size_t k = 0; k < n; k++) g[i] += symmetric(i, k) * x[k];
    }
}
static void quartic_h(size_t n, const double x[], double h[]) {
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k < n; k++)
            h[i * n + k] = symmetric(i, k) + (i == k ? 3 * x[i] * x[i] : 0);
}

/* the length of x: its gradient is x/|x| */
static void length_g(size_t n, const double x[], double g[], void *context) {
    direction_of(n, x, n, g, context);
}
static void length_h(size_t n, const double x[], double h[]) {
    direction_of_j(n, x, n, h);
}

static const hessian_case hessians[] = {
    {"valley", valley_g, valley_h, 2, -1, 1},
    {"valley", valley_g, valley_h, 8, -2, 2},
    {"valley", valley_g, valley_h, 70, -2, 2},
    {"logsumexp", logsumexp_g, logsumexp_h, 3, -1, 1},
    {"logsumexp", logsumexp_g, logsumexp_h, 10, -30, 30},
    {"logsumexp", logsumexp_g, logsumexp_h, 40, -20, 20},
    {"logsumexp", logsumexp_g, logsumexp_h, 64, -1, 1},
    {"quartic", quartic_g, quartic_h, 1, -1, 1},
    {"quartic", quartic_g, quartic_h, 6, -3, 3},
    {"quartic", quartic_g, quartic_h, 50, -1, 1},
    {"length", length_g, length_h, 4, -1, 1},
    {"length", length_g, length_h, 30, 1, 2},
};
enum { HESSIANS = sizeof hessians / sizeof *hessians };

typedef struct bent_hessian {
    const hessian_case *of;
    const double       *h;
} bent_hessian;

static void gradient_of(size_t n, const double x[], double g[], void *context) {
    ((const bent_hessian *)context)->of->gradient(n, x, g, NULL);
}

static void times_h(size_t n, const double x[], const double v[], double h[], void *context) {
    const bent_hessian *b = context;
    (void)x;
    for (size_t i = 0; i < n; i++) {
        h[i] = 0;
        for (size_t k = 0; k < n; k++) h[i] += b->h[i * n + k] * v[k];
    }
}

/* as an implementation would: p*v - p*(p.v), whose terms cancel */
static void times_softmax(size_t n, const double x[], const double v[], double h[], void *context) {
    double p[64], along = 0;
    (void)context;
    probabilities(n, x, p);
    for (size_t i = 0; i < n; i++) along += p[i] * v[i];
    for (size_t i = 0; i < n; i++) h[i] = p[i] * v[i] - p[i] * along;
}

static void point(const hessian_case *of, uint64_t seed, double x[], double h[]) {
    for (size_t i = 0; i < of->n; i++) x[i] = random_uniform(&seed, of->low, of->high);
    memset(h, 0, of->n * of->n * sizeof *h);
    of->hessian(of->n, x, h);
}

Test(products, right_hessians_do_not_fail) {
    static double x[70], h[70 * 70];
    for (size_t k = 0; k < HESSIANS; k++) {
        for (uint64_t seed = 1; seed <= 10; seed++) {
            bent_hessian b = {&hessians[k], h};
            point(b.of, seed, x, h);
            ad_check_report *r = ad_check_hessian_times(gradient_of, &b, b.of->n, x, times_h, NULL);
            cr_expect(ad_check_verdict(r) <= AD_WEAK, "%s %zu: %s", b.of->name, b.of->n,
                      printed(r, AD_TEXT));
            cr_expect(r->symmetry <= r->symmetry_tolerance);
            ad_check_free(r);
            if (b.of->gradient != logsumexp_g) continue;
            r = ad_check_hessian_times(gradient_of, &b, b.of->n, x, times_softmax, NULL);
            cr_expect(ad_check_verdict(r) <= AD_WEAK, "%s %zu: %s", b.of->name, b.of->n,
                      printed(r, AD_TEXT));
            ad_check_free(r);
        }
    }
}

Test(products, wrong_hessians_fail_and_name_the_pair) {
    static const double factor[] = {-1, 2, 1 + 1e-3, 1 - 1e-4, 0};
    static double       x[70], h[70 * 70];
    for (size_t k = 0; k < HESSIANS; k++) {
        for (size_t f = 0; f < 5; f++) {
            bent_hessian b = {&hessians[k], h};
            const size_t n = b.of->n;
            char         message[160];
            point(b.of, 3, x, h);
            size_t at = (k * 37 + f * 11) % (n * n);
            while (fabs(h[at]) < 1e-3) at = (at + 1) % (n * n);
            h[at] *= factor[f];
            ad_check_report *r = ad_check_hessian_times(gradient_of, &b, n, x, times_h, NULL);
            snprintf(message, sizeof message,
                     "the claimed Hessian is wrong, first at x[%zu], x[%zu]", at / n, at % n);
            cr_expect_eq(ad_check_verdict(r), AD_FAIL);
            cr_expect_str_eq(r->message, message, "%s, factor %g: %s", b.of->name, factor[f],
                             printed(r, AD_TEXT));
            ad_check_free(r);
        }
    }
}

/* A claim that is less wrong than rtol allows, but not symmetric. */
Test(products, hessian_that_is_not_symmetric_is_said_to_be) {
    static double x[70], h[70 * 70];
    bent_hessian  b = {&hessians[0], h};
    point(b.of, 1, x, h);
    h[1] *= 1.5;
    ad_check_report *r = ad_check_hessian_times(gradient_of, &b, 2, x, times_h, NULL);
    cr_expect_eq(line_called(r, "v.Hw = w.Hv")->verdict, AD_FAIL);
    cr_expect_eq(line_called(r, "x[0], x[1]")->verdict, AD_FAIL);
    cr_expect_gt(r->symmetry, r->symmetry_tolerance);
    ad_check_free(r);
}

Test(products, arguments_of_hessians_are_asked_about) {
    const double     x[] = {1, 2};
    ad_check_options bad = {.reserved = {1}};
    expect_refused(ad_check_hessian_times(NULL, NULL, 2, x, times_h, NULL), AD_BAD_ARGUMENT);
    expect_refused(ad_check_hessian_times(gradient_of, NULL, 2, x, NULL, NULL), AD_BAD_ARGUMENT);
    expect_refused(ad_check_hessian_times(gradient_of, NULL, 2, NULL, times_h, NULL),
                   AD_BAD_ARGUMENT);
    expect_refused(ad_check_hessian_times(gradient_of, NULL, 2, x, times_h, &bad), AD_BAD_ARGUMENT);
    expect_refused(ad_check_hessian_times(gradient_of, NULL, 0, x, times_h, NULL), AD_OK);
}
