/* check_fixture.h - functions to check, and reports as text, for the tests of engine/check. */
#ifndef TAPIR_TESTS_CHECK_FIXTURE_H
#define TAPIR_TESTS_CHECK_FIXTURE_H

#include "engine/ad.h"
#include "support.h"

#include "expect.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define AGREES "the gradient agrees with differences"

#define VALUES(...)    \
    (const double[]) { \
        __VA_ARGS__    \
    }

static inline char *printed(const ad_check_report *r, ad_format format) {
    static char text[20000];
    FILE       *file = tmpfile();
    cr_assert_eq(ad_check_print(r, format, file), AD_OK);
    rewind(file);
    text[fread(text, 1, sizeof text - 1, file)] = '\0';
    fclose(file);
    return text;
}

static inline void expect_refused(ad_check_report *r, ad_status status) {
    cr_assert_not_null(r);
    cr_expect_eq(r->status, status, "%s", r->message);
    cr_expect_eq(ad_check_verdict(r), AD_INCONCLUSIVE);
    cr_expect(*r->message != '\0');
    cr_expect(strlen(printed(r, AD_TEXT)) > 0 && printed(r, AD_JSON)[0] == '{');
    ad_check_free(r);
}

static inline const ad_check_line *line_called(const ad_check_report *r, const char *name) {
    for (size_t i = 0; i < r->lines; i++)
        if (strcmp(r->line[i].name, name) == 0) return &r->line[i];
    return NULL;
}

static inline double rosenbrock(size_t n, const double x[], void *context) {
    double total = 0;
    (void)context;
    for (size_t i = 0; i + 1 < n; i++) {
        const double d = x[i + 1] - x[i] * x[i];
        total += 100 * d * d + (1 - x[i]) * (1 - x[i]);
    }
    return total;
}

static inline void rosenbrock_gradient(size_t n, const double x[], double grad[]) {
    memset(grad, 0, n * sizeof *grad);
    for (size_t i = 0; i + 1 < n; i++) {
        const double d = x[i + 1] - x[i] * x[i];
        grad[i] += -400 * x[i] * d - 2 * (1 - x[i]);
        grad[i + 1] += 200 * d;
    }
}

enum { LARGE = 2000 };

static inline void large(double x[LARGE], double grad[LARGE]) {
    uint64_t state = 7;
    for (int i = 0; i < LARGE; i++) x[i] = random_uniform(&state, -1.5, 1.5);
    rosenbrock_gradient(LARGE, x, grad);
}

/* x0 + 2 x1 + 3 x2 + ..., counting its calls. */
static inline double ramp(size_t n, const double x[], void *context) {
    size_t *calls = context;
    double  total = 0;
    for (size_t i = 0; i < n; i++) total += (double)(i + 1) * x[i];
    if (calls != NULL) ++*calls;
    return total;
}

enum { RAMP = 300 };

static inline void up(double x[RAMP], double grad[RAMP]) {
    for (int i = 0; i < RAMP; i++) x[i] = i % 7 - 3, grad[i] = i + 1;
}

static inline void expect_lines(const ad_check_report *r, size_t n, const char *const names[]) {
    cr_expect_eq(r->lines, n, "%s", printed(r, AD_TEXT));
    for (size_t i = 0; i < n && i < r->lines; i++)
        cr_expect(strcmp(r->line[i].name, names[i]) == 0, "line %zu is %s, not %s", i,
                  r->line[i].name, names[i]);
}

#endif
