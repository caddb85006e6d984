/* wide.h - vectors as long as the instruction set has them, and how a square of them is transposed,
 * or each added up. For files that are built once for each instruction set. */
#ifndef TAPIR_WIDE_H
#define TAPIR_WIDE_H

#include <stddef.h>

#if defined(__AVX512F__)
enum { VECTOR = 8 }; /* doubles in a vector */
#elif defined(__AVX__)
enum { VECTOR = 4 };
#else
enum { VECTOR = 2 };
#endif

typedef double vector __attribute__((vector_size(VECTOR * sizeof(double)), may_alias));

#define INLINE static inline __attribute__((always_inline))

INLINE vector load_vector(const double *from) {
    return *(const vector *)(const void *)from;
}

INLINE void store_vector(double *to, vector v) {
    *(vector *)(void *)to = v;
}

/* For addresses that are not aligned: rows of examples begin anywhere. */
typedef double loose_vector
    __attribute__((vector_size(VECTOR * sizeof(double)), aligned(sizeof(double)), may_alias));

INLINE vector load_loose(const double *from) {
    return *(const loose_vector *)(const void *)from;
}

INLINE void store_loose(double *to, vector v) {
    *(loose_vector *)(void *)to = v;
}

/* Of two vectors seen as runs of 1, 2 or 4 elements: the even runs of a and b, alternating, and the
 * odd ones. */
#if defined(__AVX512F__)
#define EVEN1(a, b) __builtin_shufflevector(a, b, 0, 8, 2, 10, 4, 12, 6, 14)
#define ODD1(a, b)  __builtin_shufflevector(a, b, 1, 9, 3, 11, 5, 13, 7, 15)
#define EVEN2(a, b) __builtin_shufflevector(a, b, 0, 1, 8, 9, 4, 5, 12, 13)
#define ODD2(a, b)  __builtin_shufflevector(a, b, 2, 3, 10, 11, 6, 7, 14, 15)
#define EVEN4(a, b) __builtin_shufflevector(a, b, 0, 1, 2, 3, 8, 9, 10, 11)
#define ODD4(a, b)  __builtin_shufflevector(a, b, 4, 5, 6, 7, 12, 13, 14, 15)
#elif defined(__AVX__)
#define EVEN1(a, b) __builtin_shufflevector(a, b, 0, 4, 2, 6)
#define ODD1(a, b)  __builtin_shufflevector(a, b, 1, 5, 3, 7)
#define EVEN2(a, b) __builtin_shufflevector(a, b, 0, 1, 4, 5)
#define ODD2(a, b)  __builtin_shufflevector(a, b, 2, 3, 6, 7)
#else
#define EVEN1(a, b) __builtin_shufflevector(a, b, 0, 2)
#define ODD1(a, b)  __builtin_shufflevector(a, b, 1, 3)
#endif

/* clang-format off */
#define TURN_STAGE(distance, even, odd)                                      \
    _Pragma("GCC unroll 8") for (size_t i = 0; i < VECTOR; i++)              \
        if ((i & (distance)) == 0) {                                         \
            const vector a = v[i], b = v[i + (distance)];                    \
            v[i] = even(a, b);                                               \
            v[i + (distance)] = odd(a, b);                                   \
        }
/* clang-format on */

/* Transposes: v[i][j] and v[j][i] change places. */
INLINE void turn(vector v[VECTOR]) {
    TURN_STAGE(1, EVEN1, ODD1)
#if defined(__AVX__)
    TURN_STAGE(2, EVEN2, ODD2)
#endif
#if defined(__AVX512F__)
    TURN_STAGE(4, EVEN4, ODD4)
#endif
}

/* Element i is the sum of all elements of v[i], added in pairs, pairs of pairs, and so on. */
INLINE vector across(const vector v[VECTOR]) {
#if defined(__AVX512F__)
    vector pair[4], four[2];
#pragma GCC unroll 4
    for (size_t i = 0; i < 4; i++)
        pair[i] = EVEN1(v[2 * i], v[2 * i + 1]) + ODD1(v[2 * i], v[2 * i + 1]);
#pragma GCC unroll 2
    for (size_t i = 0; i < 2; i++)
        four[i] = EVEN2(pair[2 * i], pair[2 * i + 1]) + ODD2(pair[2 * i], pair[2 * i + 1]);
    return EVEN4(four[0], four[1]) + ODD4(four[0], four[1]);
#elif defined(__AVX__)
    const vector low = EVEN1(v[0], v[1]) + ODD1(v[0], v[1]),
                 high = EVEN1(v[2], v[3]) + ODD1(v[2], v[3]);
    return EVEN2(low, high) + ODD2(low, high);
#else
    return EVEN1(v[0], v[1]) + ODD1(v[0], v[1]);
#endif
}

#endif
