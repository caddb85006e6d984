/* columns.c - between examples, which a caller has one after the other, and rows of lanes; see
 * kernels.h. Built once for each instruction set. Squares of lanes by columns are turned in
 * registers: memory is read and written along its lines. The last square of a line begins where it
 * ends with the line, and overlaps. */
#include "program/kernels.h"

#include "base/wide.h"

#define JOIN_(a, b) a##b
#define JOIN(a, b)  JOIN_(a, b)
#ifndef AD__LEVEL
#define AD__LEVEL base
#endif

static size_t least(size_t a, size_t b) {
    return a < b ? a : b;
}

/* Lanes from l on, columns from c on. */
INLINE void load_square(size_t l, size_t c, size_t real, const double from[], size_t stride,
                        double *const row[]) {
    vector v[VECTOR];
#pragma GCC unroll 8
    for (size_t j = 0; j < VECTOR; j++)
        v[j] = load_loose(from + least(l + j, real - 1) * stride + c);
    turn(v);
#pragma GCC unroll 8
    for (size_t j = 0; j < VECTOR; j++) store_vector(row[c + j] + l, v[j]);
}

static void load(size_t count, size_t real, size_t n, const double from[], size_t stride,
                 double *const row[]) {
    for (size_t l = 0; l < n; l += VECTOR) {
        for (size_t c = 0; c < count && count >= VECTOR; c += VECTOR)
            load_square(l, least(c, count - VECTOR), real, from, stride, row);
        for (size_t c = 0; c < count && count < VECTOR; c++)
            for (size_t j = l; j < l + VECTOR; j++)
                row[c][j] = from[least(j, real - 1) * stride + c];
    }
}

INLINE void unload_square(size_t l, size_t c, size_t real, const double *const row[], double to[],
                          size_t stride) {
    vector v[VECTOR];
#pragma GCC unroll 8
    for (size_t j = 0; j < VECTOR; j++) v[j] = load_vector(row[c + j] + l);
    turn(v);
    to += l * stride + c;
    if (l + VECTOR <= real) {
#pragma GCC unroll 8
        for (size_t j = 0; j < VECTOR; j++) store_loose(to + j * stride, v[j]);
    } else {
        for (size_t j = 0; l + j < real; j++) store_loose(to + j * stride, v[j]);
    }
}

static void unload(size_t count, size_t real, const double *const row[], double to[],
                   size_t stride) {
    for (size_t l = 0; l < real; l += VECTOR) {
        for (size_t c = 0; c < count && count >= VECTOR; c += VECTOR)
            unload_square(l, least(c, count - VECTOR), real, row, to, stride);
        for (size_t c = 0; c < count && count < VECTOR; c++)
            for (size_t j = l; j < least(l + VECTOR, real); j++) to[j * stride + c] = row[c][j];
    }
}

const ad__column_kernels JOIN(ad__columns_, AD__LEVEL) = {load, unload};
