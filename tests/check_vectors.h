/* check_vectors.h - functions from n numbers to m, each with its Jacobian in closed form (m x n,
 * row-major), for the tests of checks of vector functions. J comes in all zeros. */
#ifndef TAPIR_TESTS_CHECK_VECTORS_H
#define TAPIR_TESTS_CHECK_VECTORS_H

#include "check_fixture.h"

#define JACOBIAN(name) static void name(size_t n, const double x[], size_t m, double J[])
#define VALUES_OF(name) \
    static void name(size_t n, const double x[], size_t m, double y[], void *context)
#define UNUSED_CONTEXT (void)n, (void)m, (void)context

/* numbers without a pattern, between -1 and 1 */
static inline double odd(size_t i) {
    uint32_t h = (uint32_t)(i + 1) * 2654435761u;
    h = (h ^ h >> 15) * 2246822519u;
    return (double)(h ^ h >> 13) * 0x1p-31 - 1;
}

VALUES_OF(linear) {
    UNUSED_CONTEXT;
    for (size_t i = 0; i < m; i++) {
        y[i] = odd(i);
        for (size_t k = 0; k < n; k++) y[i] += odd(i * n + k) * x[k];
    }
}
JACOBIAN(linear_j) {
    (void)x;
    for (size_t i = 0; i < m * n; i++) J[i] = odd(i);
}

/* y_i = (sum over k of a_ik x_k)^2 + x_0 */
VALUES_OF(squares) {
    UNUSED_CONTEXT;
    for (size_t i = 0; i < m; i++) {
        double s = 0;
        for (size_t k = 0; k < n; k++) s += odd(i * n + k) * x[k];
        y[i] = s * s + x[0];
    }
}
JACOBIAN(squares_j) {
    for (size_t i = 0; i < m; i++) {
        double s = 0;
        for (size_t k = 0; k < n; k++) s += odd(i * n + k) * x[k];
        for (size_t k = 0; k < n; k++) J[i * n + k] = 2 * s * odd(i * n + k) + (k == 0);
    }
}

static inline void probabilities(size_t n, const double x[], double p[]) {
    double most = x[0], sum = 0;
    for (size_t i = 1; i < n; i++) most = fmax(most, x[i]);
    for (size_t i = 0; i < n; i++) sum += p[i] = exp(x[i] - most);
    for (size_t i = 0; i < n; i++) p[i] /= sum;
}
VALUES_OF(softmax) {
    UNUSED_CONTEXT;
    probabilities(n, x, y);
}
JACOBIAN(softmax_j) {
    double p[64];
    probabilities(n, x, p);
    for (size_t i = 0; i < m; i++)
        for (size_t k = 0; k < n; k++) J[i * n + k] = p[i] * ((i == k) - p[k]);
}
VALUES_OF(log_softmax) {
    UNUSED_CONTEXT;
    double most = x[0], sum = 0;
    for (size_t i = 1; i < n; i++) most = fmax(most, x[i]);
    for (size_t i = 0; i < n; i++) sum += exp(x[i] - most);
    for (size_t i = 0; i < m; i++) y[i] = x[i] - most - log(sum);
}
JACOBIAN(log_softmax_j) {
    double p[64];
    probabilities(n, x, p);
    for (size_t i = 0; i < m; i++)
        for (size_t k = 0; k < n; k++) J[i * n + k] = (i == k) - p[k];
}

/* tanh(Wx + b) */
VALUES_OF(layer) {
    linear(n, x, m, y, context);
    for (size_t i = 0; i < m; i++) y[i] = tanh(y[i]);
}
JACOBIAN(layer_j) {
    double y[256];
    linear(n, x, m, y, NULL);
    for (size_t i = 0; i < m; i++)
        for (size_t k = 0; k < n; k++) J[i * n + k] = odd(i * n + k) / cosh(y[i]) / cosh(y[i]);
}
VALUES_OF(relu_layer) {
    linear(n, x, m, y, context);
    for (size_t i = 0; i < m; i++) y[i] = y[i] < 0 ? 0 : y[i];
}
JACOBIAN(relu_layer_j) {
    double y[256];
    linear(n, x, m, y, NULL);
    for (size_t i = 0; i < m; i++)
        for (size_t k = 0; k < n; k++) J[i * n + k] = y[i] < 0 ? 0 : odd(i * n + k);
}

VALUES_OF(polar) {
    UNUSED_CONTEXT;
    y[0] = x[0] * cos(x[1]), y[1] = x[0] * sin(x[1]);
}
JACOBIAN(polar_j) {
    (void)n, (void)m;
    J[0] = cos(x[1]), J[1] = -x[0] * sin(x[1]);
    J[2] = sin(x[1]), J[3] = x[0] * cos(x[1]);
}
VALUES_OF(sphere) {
    UNUSED_CONTEXT;
    y[0] = x[0] * sin(x[1]) * cos(x[2]);
    y[1] = x[0] * sin(x[1]) * sin(x[2]);
    y[2] = x[0] * cos(x[1]);
}
JACOBIAN(sphere_j) {
    const double r = x[0], s = sin(x[1]), c = cos(x[1]), sp = sin(x[2]), cp = cos(x[2]);
    const double of[] = {s * cp,     r * c * cp, -r * s * sp, s * sp, r * c * sp,
                         r * s * cp, c,          -r * s,      0};
    memcpy(J, of, n * m * sizeof *J);
}

/* x/|x| */
VALUES_OF(direction_of) {
    UNUSED_CONTEXT;
    double s = 0;
    for (size_t i = 0; i < n; i++) s += x[i] * x[i];
    for (size_t i = 0; i < m; i++) y[i] = x[i] / sqrt(s);
}
JACOBIAN(direction_of_j) {
    double s = 0;
    for (size_t i = 0; i < n; i++) s += x[i] * x[i];
    for (size_t i = 0; i < m; i++)
        for (size_t k = 0; k < n; k++) J[i * n + k] = ((i == k) - x[i] * x[k] / s) / sqrt(s);
}

VALUES_OF(sums) {
    UNUSED_CONTEXT;
    double s = 0;
    for (size_t i = 0; i < m; i++) y[i] = s += x[i];
}
JACOBIAN(sums_j) {
    (void)x;
    for (size_t i = 0; i < m; i++)
        for (size_t k = 0; k < n; k++) J[i * n + k] = k <= i;
}
VALUES_OF(products) {
    UNUSED_CONTEXT;
    double p = 1;
    for (size_t i = 0; i < m; i++) y[i] = p *= x[i];
}
JACOBIAN(products_j) {
    for (size_t i = 0; i < m; i++)
        for (size_t k = 0; k <= i; k++) {
            J[i * n + k] = 1;
            for (size_t l = 0; l <= i; l++) J[i * n + k] *= l == k ? 1 : x[l];
        }
}

/* one function for each coordinate */
VALUES_OF(each) {
    UNUSED_CONTEXT;
    for (size_t i = 0; i < m; i++)
        y[i] = i % 4 == 0 ? exp(x[i])
             : i % 4 == 1 ? sin(3 * x[i])
             : i % 4 == 2 ? log(1 + x[i] * x[i])
                          : 1 / (1 + exp(-x[i]));
}
JACOBIAN(each_j) {
    for (size_t i = 0; i < m; i++) {
        const double s = 1 / (1 + exp(-x[i]));
        J[i * n + i] = i % 4 == 0 ? exp(x[i])
                     : i % 4 == 1 ? 3 * cos(3 * x[i])
                     : i % 4 == 2 ? 2 * x[i] / (1 + x[i] * x[i])
                                  : s * (1 - s);
    }
}

/* rows of very different sizes */
VALUES_OF(scales) {
    UNUSED_CONTEXT;
    for (size_t i = 0; i < m; i++) {
        y[i] = 0;
        for (size_t k = 0; k < n; k++) y[i] += sin(x[k] + (double)i);
        y[i] *= pow(10, 4 * (double)i - 8);
    }
}
JACOBIAN(scales_j) {
    for (size_t i = 0; i < m; i++)
        for (size_t k = 0; k < n; k++)
            J[i * n + k] = pow(10, 4 * (double)i - 8) * cos(x[k] + (double)i);
}

/* x_i y_k, of n = p + q with m = p*q */
VALUES_OF(outer) {
    UNUSED_CONTEXT;
    const size_t p = n / 2, q = n - p;
    for (size_t i = 0; i < p; i++)
        for (size_t k = 0; k < q; k++) y[i * q + k] = x[i] * x[p + k];
}
JACOBIAN(outer_j) {
    const size_t p = n / 2, q = n - p;
    (void)m;
    for (size_t i = 0; i < p; i++)
        for (size_t k = 0; k < q; k++) {
            J[(i * q + k) * n + i] = x[p + k];
            J[(i * q + k) * n + p + k] = x[i];
        }
}

/* residuals of Rosenbrock's function */
VALUES_OF(valley) {
    UNUSED_CONTEXT;
    for (size_t i = 0; i + 1 < n; i++) {
        y[2 * i] = 10 * (x[i + 1] - x[i] * x[i]);
        y[2 * i + 1] = 1 - x[i];
    }
}
JACOBIAN(valley_j) {
    (void)m;
    for (size_t i = 0; i + 1 < n; i++) {
        J[2 * i * n + i] = -20 * x[i], J[2 * i * n + i + 1] = 10;
        J[(2 * i + 1) * n + i] = -1;
    }
}

/* Powell's singular function */
VALUES_OF(powell) {
    UNUSED_CONTEXT;
    y[0] = x[0] + 10 * x[1], y[1] = sqrt(5) * (x[2] - x[3]);
    y[2] = (x[1] - 2 * x[2]) * (x[1] - 2 * x[2]);
    y[3] = sqrt(10) * (x[0] - x[3]) * (x[0] - x[3]);
}
JACOBIAN(powell_j) {
    const double a = x[1] - 2 * x[2], b = x[0] - x[3], r = sqrt(10), f = sqrt(5);
    const double of[] = {1, 10,    0,      0, 0,         0, f, -f,
                         0, 2 * a, -4 * a, 0, 2 * r * b, 0, 0, -2 * r * b};
    memcpy(J, of, n * m * sizeof *J);
}

/* Broyden's tridiagonal function */
VALUES_OF(broyden) {
    UNUSED_CONTEXT;
    for (size_t i = 0; i < m; i++)
        y[i] = (3 - 2 * x[i]) * x[i] - (i > 0 ? x[i - 1] : 0) - 2 * (i + 1 < n ? x[i + 1] : 0) + 1;
}
JACOBIAN(broyden_j) {
    for (size_t i = 0; i < m; i++) {
        J[i * n + i] = 3 - 4 * x[i];
        if (i > 0) J[i * n + i - 1] = -1;
        if (i + 1 < n) J[i * n + i + 1] = -2;
    }
}

/* the inverse of a matrix of two rows */
VALUES_OF(inverse) {
    UNUSED_CONTEXT;
    const double d = x[0] * x[3] - x[1] * x[2];
    y[0] = x[3] / d, y[1] = -x[1] / d, y[2] = -x[2] / d, y[3] = x[0] / d;
}
/* d(A^-1) = -A^-1 dA A^-1 */
JACOBIAN(inverse_j) {
    double b[4];
    inverse(n, x, m, b, NULL);
    for (size_t r = 0; r < 2; r++)
        for (size_t c = 0; c < 2; c++)
            for (size_t k = 0; k < 4; k++)
                J[(2 * r + c) * 4 + k] = -b[2 * r + k / 2] * b[2 * (k % 2) + c];
}

/* a circular convolution with x squared */
VALUES_OF(convolution) {
    UNUSED_CONTEXT;
    for (size_t i = 0; i < m; i++) {
        y[i] = 0;
        for (size_t k = 0; k < n; k++) y[i] += odd(k) * x[(i + k) % n] * x[(i + k) % n];
    }
}
JACOBIAN(convolution_j) {
    for (size_t i = 0; i < m; i++)
        for (size_t k = 0; k < n; k++) J[i * n + (i + k) % n] += 2 * odd(k) * x[(i + k) % n];
}

/* (x - mean)/deviation */
VALUES_OF(standard) {
    UNUSED_CONTEXT;
    double mean = 0, square = 0;
    for (size_t i = 0; i < n; i++) mean += x[i] / (double)n;
    for (size_t i = 0; i < n; i++) square += (x[i] - mean) * (x[i] - mean) / (double)n;
    for (size_t i = 0; i < m; i++) y[i] = (x[i] - mean) / sqrt(square);
}
JACOBIAN(standard_j) {
    double y[256], mean = 0, square = 0;
    standard(n, x, m, y, NULL);
    for (size_t i = 0; i < n; i++) mean += x[i] / (double)n;
    for (size_t i = 0; i < n; i++) square += (x[i] - mean) * (x[i] - mean) / (double)n;
    for (size_t i = 0; i < m; i++)
        for (size_t k = 0; k < n; k++)
            J[i * n + k] = ((i == k) - (1 + y[i] * y[k]) / (double)n) / sqrt(square);
}

/* z -> z^2 + c of complex numbers, twice; n = 4: z and c */
VALUES_OF(twice) {
    UNUSED_CONTEXT;
    const double a = x[0] * x[0] - x[1] * x[1] + x[2], b = 2 * x[0] * x[1] + x[3];
    y[0] = a * a - b * b + x[2], y[1] = 2 * a * b + x[3];
}
/* dw/dz = 4z(z^2 + c), dw/dc = 2(z^2 + c) + 1, and the equations of Cauchy and Riemann */
JACOBIAN(twice_j) {
    const double a = x[0] * x[0] - x[1] * x[1] + x[2], b = 2 * x[0] * x[1] + x[3];
    const double zr = 4 * (x[0] * a - x[1] * b), zi = 4 * (x[0] * b + x[1] * a);
    const double of[] = {zr, -zi, 2 * a + 1, -2 * b, zi, zr, 2 * b, 2 * a + 1};
    memcpy(J, of, n * m * sizeof *J);
}

/* the rotation of a quaternion that need not be of length 1 */
VALUES_OF(rotation) {
    UNUSED_CONTEXT;
    const double w = x[0], a = x[1], b = x[2], c = x[3];
    y[0] = w * w + a * a - b * b - c * c, y[1] = 2 * (a * b - w * c), y[2] = 2 * (a * c + w * b);
    y[3] = 2 * (a * b + w * c), y[4] = w * w - a * a + b * b - c * c, y[5] = 2 * (b * c - w * a);
}
JACOBIAN(rotation_j) {
    const double w = 2 * x[0], a = 2 * x[1], b = 2 * x[2], c = 2 * x[3];
    const double of[] = {w, a, -b, -c, -c, b,  a, -w, b,  c,  w, a,
                         c, b, a,  w,  w,  -a, b, -c, -a, -w, c, b};
    memcpy(J, of, n * m * sizeof *J);
}

/* the distances of all pairs of points in the plane, n = 2 points, m pairs */
VALUES_OF(distances) {
    UNUSED_CONTEXT;
    size_t l = 0;
    for (size_t i = 0; i < n / 2; i++)
        for (size_t k = 0; k < i; k++)
            y[l++] = hypot(x[2 * i] - x[2 * k], x[2 * i + 1] - x[2 * k + 1]);
}
JACOBIAN(distances_j) {
    size_t l = 0;
    (void)m;
    for (size_t i = 0; i < n / 2; i++)
        for (size_t k = 0; k < i; k++, l++) {
            const double dx = x[2 * i] - x[2 * k], dy = x[2 * i + 1] - x[2 * k + 1];
            const double d = hypot(dx, dy);
            J[l * n + 2 * i] = dx / d, J[l * n + 2 * k] = -dx / d;
            J[l * n + 2 * i + 1] = dy / d, J[l * n + 2 * k + 1] = -dy / d;
        }
}

/* ---- the list -------------------------------------------------------------------------------- */

typedef struct vector_case {
    const char *name;
    void (*f)(size_t n, const double x[], size_t m, double y[], void *context);
    void (*j)(size_t n, const double x[], size_t m, double J[]);
    size_t n, m;
    double low, high; /* x is between */
} vector_case;

#define CASE(f, n, m, low, high) \
    { #f, f, f##_j, n, m, low, high }

/* clang-format off */
static const vector_case vector_cases[] = {
    CASE(linear, 1, 1, -1, 1),       CASE(linear, 3, 2, -1, 1),      CASE(linear, 2, 30, -5, 5),
    CASE(linear, 40, 30, -1, 1),     CASE(linear, 200, 3, -9, 9),    CASE(linear, 3, 200, -1, 1),
    CASE(squares, 2, 2, -1, 1),      CASE(squares, 5, 7, -3, 3),     CASE(squares, 40, 40, -1, 1),
    CASE(squares, 150, 4, -1, 1),    CASE(squares, 4, 150, 10, 20),
    CASE(softmax, 2, 2, -1, 1),      CASE(softmax, 5, 5, -3, 3),     CASE(softmax, 10, 10, -9, 9),
    CASE(softmax, 30, 30, -2, 2),    CASE(softmax, 64, 64, -4, 4),
    CASE(log_softmax, 3, 3, -1, 1),  CASE(log_softmax, 9, 9, -9, 9),
    CASE(log_softmax, 50, 50, -2, 2),
    CASE(layer, 1, 4, -1, 1),        CASE(layer, 4, 3, -1, 1),       CASE(layer, 8, 8, -1, 1),
    CASE(layer, 30, 50, -0.3, 0.3),  CASE(layer, 120, 9, -0.1, 0.1), CASE(layer, 5, 250, -1, 1),
    CASE(relu_layer, 4, 3, -1, 1),   CASE(relu_layer, 8, 12, -1, 1),
    CASE(relu_layer, 40, 40, -1, 1),
    CASE(polar, 2, 2, 1, 3),         CASE(polar, 2, 2, -0.1, 0.1),   CASE(polar, 2, 2, 30, 90),
    CASE(sphere, 3, 3, 1, 2),        CASE(sphere, 3, 3, -2, -1),     CASE(sphere, 3, 3, 1e-3, 1e-2),
    CASE(direction_of, 3, 3, -1, 1), CASE(direction_of, 9, 9, 1, 2),
    CASE(direction_of, 40, 40, -1, 1),
    CASE(sums, 4, 4, -1, 1),         CASE(sums, 60, 60, 0, 9),       CASE(products, 3, 3, 1, 2),
    CASE(products, 8, 8, 0.5, 1.5),  CASE(products, 20, 20, 0.8, 1.2),
    CASE(each, 4, 4, -1, 1),         CASE(each, 8, 8, -3, 3),        CASE(each, 100, 100, -2, 2),
    CASE(scales, 1, 5, 0, 0.5),      CASE(scales, 6, 5, 0, 0.5),     CASE(scales, 40, 5, 0, 0.5),
    CASE(outer, 4, 4, -1, 1),        CASE(outer, 7, 12, 1, 2),       CASE(outer, 20, 100, -1, 1),
    CASE(valley, 2, 2, -1, 1),       CASE(valley, 6, 10, -2, 2),     CASE(valley, 80, 158, -2, 2),
    CASE(powell, 4, 4, 1, 3),        CASE(powell, 4, 4, -90, 90),
    CASE(broyden, 5, 5, -1, 1),      CASE(broyden, 10, 10, -2, 2),   CASE(broyden, 90, 90, -1, 1),
    CASE(inverse, 4, 4, -1, 1),      CASE(inverse, 4, 4, 5, 50),
    CASE(convolution, 4, 4, -1, 1),  CASE(convolution, 9, 9, -2, 2),
    CASE(convolution, 50, 50, -1, 1),
    CASE(standard, 4, 4, -1, 1),     CASE(standard, 9, 9, -9, 9),    CASE(standard, 70, 70, 0, 1),
    CASE(twice, 4, 2, -1, 1),        CASE(twice, 4, 2, 1, 2),        CASE(rotation, 4, 6, -1, 1),
    CASE(rotation, 4, 6, 5, 9),      CASE(distances, 6, 3, -1, 1),   CASE(distances, 8, 6, -9, 9),
    CASE(distances, 24, 66, -1, 1),
};
/* clang-format on */

enum { VECTOR_CASES = sizeof vector_cases / sizeof *vector_cases };

/* A case at one of its points. */
typedef struct vector_point {
    const vector_case *of;
    double            *x, *j; /* freed with the struct */
} vector_point;

static inline vector_point point_of(size_t number, uint64_t seed) {
    vector_point p = {&vector_cases[number], NULL, NULL};
    uint64_t     state = seed * 1000 + number;
    p.x = malloc(p.of->n * sizeof *p.x);
    p.j = calloc(p.of->n * p.of->m, sizeof *p.j);
    cr_assert(p.x != NULL && p.j != NULL);
    for (size_t i = 0; i < p.of->n; i++) p.x[i] = random_uniform(&state, p.of->low, p.of->high);
    p.of->j(p.of->n, p.x, p.of->m, p.j);
    return p;
}

static inline void free_point(vector_point p) {
    free(p.x);
    free(p.j);
}

#endif
