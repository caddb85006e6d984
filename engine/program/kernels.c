/* kernels.c - loops over lanes, expanded from ops.def and reduce.def; see kernels.h. Built once for
 * each instruction set, with AD__LEVEL naming it.
 *
 * glibc's vector mathematics (libmvec) is reached without fast-math: the functions are declared
 * here as having vector forms, and the file is built with -fno-math-errno and -fno-trapping-math,
 * which change no value: they only say that nobody reads errno or the exception flags of a lane.
 * Where the build did not find the vector forms (AD__VECTOR_MATH) the same loops call libm lane by
 * lane. */
#ifdef AD__VECTOR_MATH
#define HAS_VECTOR_FORM __attribute__((simd("notinbranch"), const))
#define V1(name)        HAS_VECTOR_FORM double name(double x)
#define V2(name)        HAS_VECTOR_FORM double name(double x, double y)
/* clang-format off */
V1(sin); V1(cos); V1(tan); V1(asin); V1(acos); V1(atan);
V1(sinh); V1(cosh); V1(tanh); V1(asinh); V1(acosh); V1(atanh);
V1(exp); V1(expm1); V1(exp2); V1(log); V1(log1p); V1(log2); V1(log10); V1(cbrt); V1(erf); V1(erfc);
V2(pow); V2(atan2); V2(hypot);
/* clang-format on */
#endif

#include "program/kernels.h"

#define JOIN_(a, b) a##b
#define JOIN(a, b)  JOIN_(a, b)
#define TEXT_(a)    #a
#define TEXT(a)     TEXT_(a)
#ifndef AD__LEVEL
#define AD__LEVEL base
#endif

/* No lane reads what another wrote; rows are the same or apart. n is a multiple of 8. */
#if defined(__clang__)
#define LANES _Pragma("clang loop vectorize(assume_safety)") for (size_t l = 0; l < n / 8 * 8; l++)
#else
#define LANES _Pragma("GCC ivdep") for (size_t l = 0; l < n / 8 * 8; l++)
#endif

/* ---- rows ------------------------------------------------------------------------------------ */

#define CONTRIBUTION(side, partial) \
    (a[l] == 0 || (AD__SELECTS(side) && (partial) == 0) ? 0 : a[l] * (partial))

#define R1(name, shown, words, value, dx, side, ...)                                          \
    static void value_##name(size_t n, const double x[], const double y[], double v[]) {      \
        (void)y;                                                                              \
        LANES v[l] = ad__value_##name(x[l]);                                                  \
    }                                                                                         \
    static void push_x_##name(size_t n, const double x[], const double y[], const double v[], \
                              const double a[], const double in[], double out[]) {            \
        (void)x, (void)y, (void)v;                                                            \
        LANES {                                                                               \
            const double partial = ad__dx_##name(x[l], v[l]);                                 \
            out[l] = in[l] + CONTRIBUTION(side, partial);                                     \
        }                                                                                     \
    }

/* A row of two operands in each of the forms; an operand that is a number is read once. */
#define VALUE(function, name, x_number, y_number)                                    \
    static void function(size_t n, const double x[], const double y[], double v[]) { \
        const double x0 = x[0], y0 = y[0];                                           \
        (void)x0, (void)y0;                                                          \
        LANES v[l] = ad__value_##name(x_number ? x0 : x[l], y_number ? y0 : y[l]);   \
    }
#define PUSH(function, d, side, x_number, y_number)                                      \
    static void function(size_t n, const double x[], const double y[], const double v[], \
                         const double a[], const double in[], double out[]) {            \
        const double x0 = x[0], y0 = y[0];                                               \
        (void)x0, (void)y0, (void)v;                                                     \
        LANES {                                                                          \
            const double partial = d(x_number ? x0 : x[l], y_number ? y0 : y[l], v[l]);  \
            out[l] = in[l] + CONTRIBUTION(side, partial);                                \
        }                                                                                \
    }
#define R2(name, shown, words, value, dx, dy, side, ...)                                         \
    VALUE(value_##name, name, 0, 0)                                                              \
    VALUE(value_##name##_number, name, 0, 1)                                                     \
    VALUE(value_number_##name, name, 1, 0)                                                       \
    PUSH(push_x_##name, ad__dx_##name, side, 0, 0)                                               \
    PUSH(push_x_##name##_number, ad__dx_##name, side, 0, 1)                                      \
    PUSH(push_x_number_##name, ad__dx_##name, side, 1, 0)                                        \
    PUSH(push_y_##name, ad__dy_##name, side, 0, 0)                                               \
    PUSH(push_y_##name##_number, ad__dy_##name, side, 0, 1)                                      \
    PUSH(push_y_number_##name, ad__dy_##name, side, 1, 0)                                        \
    static void push_both_##name(size_t n, const double x[], const double y[], const double v[], \
                                 const double a[], const double in[], double out[],              \
                                 const double in_y[], double out_y[]) {                          \
        (void)x, (void)y, (void)v;                                                               \
        LANES {                                                                                  \
            const double partial = ad__dx_##name(x[l], y[l], v[l]);                              \
            const double other = ad__dy_##name(x[l], y[l], v[l]);                                \
            const double to_x = CONTRIBUTION(side, partial), to_y = CONTRIBUTION(side, other);   \
            out[l] = in[l] + to_x;                                                               \
            out_y[l] = in_y[l] + to_y;                                                           \
        }                                                                                        \
    }
#include "ops.def"

/* ---- reductions -------------------------------------------------------------------------- */

static void fill(size_t n, double number, double v[]) {
    LANES v[l] = number;
}

/* x - x is 0 for a finite number and NaN for any other. Any n. */
static bool all_finite(size_t n, const double x[]) {
    double part[8] = {0}, rest = 0;
    size_t l = 0;
    for (; l + 8 <= n; l += 8)
        for (size_t j = 0; j < 8; j++) part[j] += x[l + j] - x[l + j];
    for (; l < n; l++) rest += x[l] - x[l];
    for (size_t j = 0; j < 8; j++) rest += part[j];
    return rest == 0;
}

static double total(size_t n, const double x[]) {
    double part[8] = {x[0], x[1], x[2], x[3], x[4], x[5], x[6], x[7]};
    for (size_t l = 8; l < n; l += 8)
        for (size_t j = 0; j < 8; j++) part[j] += x[l + j];
    return ((part[0] + part[4]) + (part[1] + part[5])) +
           ((part[2] + part[6]) + (part[3] + part[7]));
}

/* Vectors by hand: from the loop that says the same, with a ternary, gcc 12 makes code for
 * x86-64-v3 that drops half of the lanes. */
typedef double  eight __attribute__((vector_size(64), may_alias));
typedef int64_t eight_bits __attribute__((vector_size(64)));

static double total_product(size_t n, const double a[], const double x[]) {
    eight part = {0};
    for (size_t l = 0; l < n; l += 8) {
        const eight as = *(const eight *)(const void *)(a + l),
                    xs = *(const eight *)(const void *)(x + l);
        const eight product = as * xs;
        part += (eight)((eight_bits)product & (as != 0));
    }
    return ((part[0] + part[4]) + (part[1] + part[5])) +
           ((part[2] + part[6]) + (part[3] + part[7]));
}

static void push_same(size_t n, const double a[], const double in[], double out[]) {
    LANES out[l] = in[l] + a[l];
}

static void push_product(size_t n, const double a[], const double x[], const double in[],
                         double out[]) {
    LANES out[l] = in[l] + (a[l] == 0 ? 0 : a[l] * x[l]);
}

static void push_square(size_t n, const double a[], const double x[], const double in[],
                        double out[]) {
    LANES out[l] = in[l] + (a[l] == 0 ? 0 : 2 * a[l] * x[l]);
}

static void sum(size_t count, const double *const x[], size_t n, double v[]) {
    for (size_t l = 0; l < n; l += 8) {
        double part[8] = {0};
        for (size_t i = 0; i < count; i++)
            for (size_t j = 0; j < 8; j++) part[j] += x[i][l + j];
        for (size_t j = 0; j < 8; j++) v[l + j] = part[j];
    }
}

static void dot(size_t count, const double *const x[], const double *const y[], size_t n,
                double v[]) {
    for (size_t l = 0; l < n; l += 8) {
        double part[8] = {0};
        for (size_t i = 0; i < count; i++)
            for (size_t j = 0; j < 8; j++) part[j] += x[i][l + j] * y[i][l + j];
        for (size_t j = 0; j < 8; j++) v[l + j] = part[j];
    }
}

#define R_SUM(...)
#define R_SELECT(...)
#define R_FOLD(name, words, measure, start, term, value, slope, over, along, bend, selects, ...) \
    static void fold_##name(size_t count, const double *const x[], size_t n, double shift[],     \
                            double total[]) {                                                    \
        fill(n, ad__start_##name(), shift);                                                      \
        for (size_t i = 0; i < count; i++) {                                                     \
            const double *row = x[i];                                                            \
            LANES {                                                                              \
                const double here = ad__measure_##name(row[l]);                                  \
                shift[l] = here > shift[l] || here != here ? here : shift[l];                    \
            }                                                                                    \
        }                                                                                        \
        fill(n, 0, total);                                                                       \
        for (size_t i = 0; i < count; i++) {                                                     \
            const double *row = x[i];                                                            \
            LANES {                                                                              \
                total[l] += ad__term_##name(row[l], shift[l]);                                   \
            }                                                                                    \
        }                                                                                        \
    }                                                                                            \
    static void value_of_##name(size_t n, const double shift[], double total[], double v[]) {    \
        LANES v[l] = ad__result_##name(shift[l], total[l]);                                      \
        LANES total[l] = 1 / ad__over_##name(shift[l], total[l]);                                \
    }                                                                                            \
    static void push_##name(size_t n, const double x[], const double shift[],                    \
                            const double scale[], const double a[], const double in[],           \
                            double out[]) {                                                      \
        LANES {                                                                                  \
            const double partial = ad__slope_##name(x[l], shift[l]) * scale[l];                  \
            out[l] = in[l] + (a[l] == 0 || (selects && partial == 0) ? 0 : a[l] * partial);      \
        }                                                                                        \
    }
#include "reduce.def"

static void where(size_t n, const double c[], const double yes[], const double no[], double v[]) {
    LANES v[l] = c[l] != 0 ? yes[l] : no[l];
}

static void push_where(size_t n, const double c[], bool taken, const double a[], const double in[],
                       double out[]) {
    LANES out[l] = in[l] + ((c[l] != 0) == taken ? a[l] : 0);
}

const ad__kernels JOIN(ad__kernels_, AD__LEVEL) = {
    .name = TEXT(AD__LEVEL),
    /* clang-format off */
    .value = {
        {
#define R1(name, ...) value_##name,
#define R2(name, ...) value_##name,
#include "ops.def"
        }, {
#define R1(name, ...) value_##name,
#define R2(name, ...) value_##name##_number,
#include "ops.def"
        }, {
#define R1(name, ...) value_##name,
#define R2(name, ...) value_number_##name,
#include "ops.def"
        },
    },
    .push = {{
        {
#define R1(name, ...) push_x_##name,
#define R2(name, ...) push_x_##name,
#include "ops.def"
        }, {
#define R1(name, ...) push_x_##name,
#define R2(name, ...) push_x_##name##_number,
#include "ops.def"
        }, {
#define R1(name, ...) push_x_##name,
#define R2(name, ...) push_x_number_##name,
#include "ops.def"
        },
    }, {
        {
#define R1(name, ...) 0,
#define R2(name, ...) push_y_##name,
#include "ops.def"
        }, {
#define R1(name, ...) 0,
#define R2(name, ...) push_y_##name##_number,
#include "ops.def"
        }, {
#define R1(name, ...) 0,
#define R2(name, ...) push_y_number_##name,
#include "ops.def"
        },
    }},
    .push_both = {
#define R1(name, ...) 0,
#define R2(name, ...) push_both_##name,
#include "ops.def"
    },
    .fill = fill, .finite = all_finite, .total = total,
    .total_product = total_product, .push_same = push_same, .push_product = push_product,
    .push_square = push_square, .sum = sum, .dot = dot,
    .where = where, .push_where = push_where,
    .fold = {
#define R_SUM(...)        {0, 0, 0},
#define R_SELECT(...)     {0, 0, 0},
#define R_FOLD(name, ...) {fold_##name, value_of_##name, push_##name},
#include "reduce.def"
    },
    /* clang-format on */
};
