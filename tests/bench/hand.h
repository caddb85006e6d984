/* hand.h - what the hand-written sides share: vectors of eight numbers, and the vector forms of
 * libm's functions.
 *
 * gcc and clang make of `lanes` what the machine has, one register or several; no instruction is
 * named here. Loops under `omp simd` may add in any order where they say so, and call libm's
 * functions for several elements at a time (glibc's libmvec, at most 4 units in the last place;
 * AD__VECTOR_MATH says that the build found it). */
#ifndef TAPIR_BENCH_HAND_H
#define TAPIR_BENCH_HAND_H

#include <math.h>

#ifdef AD__VECTOR_MATH
#define HAND_VECTOR_FORM __attribute__((simd("notinbranch"), const))
HAND_VECTOR_FORM double exp(double x);
HAND_VECTOR_FORM double log(double x);
HAND_VECTOR_FORM double sin(double x);
HAND_VECTOR_FORM double cos(double x);
HAND_VECTOR_FORM double tanh(double x);
#endif

#define HAND_INLINE static inline __attribute__((always_inline))

enum { LANES = 8 };

typedef double lanes __attribute__((vector_size(64)));
/* The same wherever it stands, in an array of doubles; and one of its numbers. */
typedef double lanes_anywhere __attribute__((vector_size(64), aligned(8), may_alias));
typedef double lanes_number __attribute__((may_alias));

HAND_INLINE lanes hand_load(const double *from) {
    return *(const lanes_anywhere *)from;
}

HAND_INLINE void hand_store(double *to, lanes x) {
    *(lanes_anywhere *)to = x;
}

HAND_INLINE lanes hand_max(lanes x, lanes y) {
    lanes out;
    for (int l = 0; l < LANES; l++) out[l] = x[l] > y[l] ? x[l] : y[l];
    return out;
}

/* yes where condition > 0, else no */
HAND_INLINE lanes hand_where(lanes condition, lanes yes, lanes no) {
    lanes out;
    for (int l = 0; l < LANES; l++) out[l] = condition[l] > 0 ? yes[l] : no[l];
    return out;
}

/* clang-format off */
#define HAND_PAIRS(a, b, half)                                                                     \
    __builtin_shufflevector(a, b, 0 + half, 8 + half, 2 + half, 10 + half,                         \
                                  4 + half, 12 + half, 6 + half, 14 + half)
#define HAND_FOURS(a, b, half)                                                                     \
    __builtin_shufflevector(a, b, 0 + 2*half, 1 + 2*half, 8 + 2*half, 9 + 2*half,                  \
                                  4 + 2*half, 5 + 2*half, 12 + 2*half, 13 + 2*half)
#define HAND_EIGHTS(a, b, half)                                                                    \
    __builtin_shufflevector(a, b, 0 + 4*half, 1 + 4*half, 2 + 4*half, 3 + 4*half,                  \
                                  8 + 4*half, 9 + 4*half, 10 + 4*half, 11 + 4*half)
/* clang-format on */

/* Element l is the sum of x[l]. */
HAND_INLINE lanes hand_sums(const lanes x[LANES]) {
    lanes pair[4], four[2];
    for (int i = 0; i < 4; i++)
        pair[i] = HAND_PAIRS(x[2 * i], x[2 * i + 1], 0) + HAND_PAIRS(x[2 * i], x[2 * i + 1], 1);
    for (int i = 0; i < 2; i++)
        four[i] = HAND_FOURS(pair[2 * i], pair[2 * i + 1], 0) +
                  HAND_FOURS(pair[2 * i], pair[2 * i + 1], 1);
    return HAND_EIGHTS(four[0], four[1], 0) + HAND_EIGHTS(four[0], four[1], 1);
}

/* Element i of y[l] is element l of x[i]. */
HAND_INLINE void hand_transpose(const lanes x[LANES], lanes y[LANES]) {
    lanes pair[LANES], four[LANES];
    for (int i = 0; i < 4; i++)
        for (int half = 0; half < 2; half++)
            pair[2 * i + half] = half == 0 ? HAND_PAIRS(x[2 * i], x[2 * i + 1], 0)
                                           : HAND_PAIRS(x[2 * i], x[2 * i + 1], 1);
    for (int i = 0; i < 2; i++)
        for (int odd = 0; odd < 2; odd++) {
            four[4 * i + odd] = HAND_FOURS(pair[4 * i + odd], pair[4 * i + 2 + odd], 0);
            four[4 * i + 2 + odd] = HAND_FOURS(pair[4 * i + odd], pair[4 * i + 2 + odd], 1);
        }
    for (int l = 0; l < 4; l++) {
        y[l] = HAND_EIGHTS(four[l], four[4 + l], 0);
        y[4 + l] = HAND_EIGHTS(four[l], four[4 + l], 1);
    }
}

/* ---- products of matrices -------------------------------------------------------------------- */

/* c += x*y in `rows` times 8*`vectors` numbers, which stay in registers while k runs. The elements
 * of x are taken one by one, so that x may be a transposed matrix: element (m, k) stands at m*down
 * + k*right. */
HAND_INLINE void hand_tile(int rows, int vectors, int n, const double *x, int down, int right,
                           const double *y, int y_row, double *c, int c_row) {
    lanes sum[4][4];
    for (int m = 0; m < rows; m++)
        for (int v = 0; v < vectors; v++) sum[m][v] = hand_load(c + m * c_row + v * LANES);
    for (int k = 0; k < n; k++, x += right, y += y_row)
        for (int v = 0; v < vectors; v++) {
            const lanes at = hand_load(y + v * LANES);
            for (int m = 0; m < rows; m++) sum[m][v] += x[m * down] * at;
        }
    for (int m = 0; m < rows; m++)
        for (int v = 0; v < vectors; v++) hand_store(c + m * c_row + v * LANES, sum[m][v]);
}

/* c (m x width) += x (m x n) * y (n x width); width is a multiple of 16. */
HAND_INLINE void hand_product(int m, int width, int n, const double *x, int down, int right,
                              const double *y, int y_row, double *c, int c_row) {
    for (int j = 0, step; j < width; j += step) {
        int i = 0;
        step = width - j >= 32 ? 32 : 16;
        for (; i + 4 <= m; i += 4)
            if (step == 32)
                hand_tile(4, 4, n, x + i * down, down, right, y + j, y_row, c + i * c_row + j,
                          c_row);
            else
                hand_tile(4, 2, n, x + i * down, down, right, y + j, y_row, c + i * c_row + j,
                          c_row);
        for (; i < m; i++)
            hand_tile(1, 2, n, x + i * down, down, right, y + j, y_row, c + i * c_row + j, c_row);
        for (i = m - m % 4; step == 32 && i < m; i++)
            hand_tile(1, 2, n, x + i * down, down, right, y + j + 16, y_row, c + i * c_row + j + 16,
                      c_row);
    }
}

#endif
