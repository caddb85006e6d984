/* vector.c - sums and products over arrays; see vector.h. Built once for each instruction set,
 * named by AD__LEVEL. The loops run over sixteen independent partial sums: strict arithmetic
 * forbids the compiler to reorder a sum, so an order that vectorizes is written out here. Fused
 * multiply-add is called explicitly if the instruction set has it; nothing else is fused. */
#include "base/vector.h"
#include "base/handle.h"

#include <math.h>
#include <string.h>

#define LANES 16

#define JOIN_(a, b) a##b
#define JOIN(a, b)  JOIN_(a, b)
#define TEXT_(a)    #a
#define TEXT(a)     TEXT_(a)
#ifndef AD__LEVEL
#define AD__LEVEL base
#endif

#ifdef __FMA__
#define MULTIPLY_ADD(a, b, c) fma(a, b, c)
#else
#define MULTIPLY_ADD(a, b, c) ((a) * (b) + (c))
#endif

static double total(double part[LANES]) {
    for (size_t width = LANES / 2; width > 0; width /= 2)
        for (size_t j = 0; j < width; j++) part[j] += part[j + width];
    return part[0];
}

/* The first block initializes the partial sums, so nothing needs clearing; fewer than LANES numbers
 * are added left to right. */
static double sum(size_t n, const double x[]) {
    double part[LANES];
    if (n < LANES) {
        double few = 0;
        for (size_t i = 0; i < n; i++) few += x[i];
        return few;
    }
    for (size_t j = 0; j < LANES; j++) part[j] = x[j];
    size_t i = LANES;
    for (; i + LANES <= n; i += LANES)
        for (size_t j = 0; j < LANES; j++) part[j] += x[i + j];
    for (size_t j = 0; i + j < n; j++) part[j] += x[i + j];
    return total(part);
}

static double dot(size_t n, const double x[], const double y[]) {
    double part[LANES];
    if (n < LANES) {
        double few = 0;
        for (size_t i = 0; i < n; i++) few = MULTIPLY_ADD(x[i], y[i], few);
        return few;
    }
    for (size_t j = 0; j < LANES; j++) part[j] = x[j] * y[j];
    size_t i = LANES;
    for (; i + LANES <= n; i += LANES)
        for (size_t j = 0; j < LANES; j++) part[j] = MULTIPLY_ADD(x[i + j], y[i + j], part[j]);
    for (size_t j = 0; i + j < n; j++) part[j] = MULTIPLY_ADD(x[i + j], y[i + j], part[j]);
    return total(part);
}

static void add_scaled(size_t n, double a, const double x[restrict], double y[restrict]) {
    for (size_t i = 0; i < n; i++) y[i] = MULTIPLY_ADD(a, x[i], y[i]);
}

static void add_number(size_t n, double a, double y[]) {
    for (size_t i = 0; i < n; i++) y[i] += a;
}

/* A handle is two words, tape and bits. n handles in a row are an arithmetic progression of words,
 * 0 and 1 apart, and four are compared at once; a layer asks this of every weight it uses. */
#if UINTPTR_MAX == UINT64_MAX
typedef uint64_t words __attribute__((vector_size(64)));

static bool in_row(size_t n, const ad_var x[]) {
    uint64_t first[2], rest = 0;
    memcpy(first, x, sizeof first);
    words want = {first[0], first[1],     first[0], first[1] + 1,
                  first[0], first[1] + 2, first[0], first[1] + 3},
          differ = {0};
    const words step = {0, 4, 0, 4, 0, 4, 0, 4};
    size_t      i = 0;
    for (; i + 4 <= n; i += 4) {
        words have;
        memcpy(&have, x + i, sizeof have);
        differ |= have ^ want;
        want += step;
    }
    for (; i < n; i++) {
        uint64_t have[2];
        memcpy(have, x + i, sizeof have);
        rest |= (have[0] ^ first[0]) | (have[1] - first[1] - i);
    }
    for (size_t j = 0; j < 8; j++) rest |= differ[j];
    return rest == 0;
}
#else
static bool in_row(size_t n, const ad_var x[]) {
    for (size_t i = 1; i < n; i++)
        if (x[i].tape != x[0].tape || ad__era_of(x[i]) != ad__era_of(x[0]) ||
            ad__node_of(x[i]) != ad__node_of(x[0]) + (uint32_t)i)
            return false;
    return true;
}
#endif

static bool same_numbers(size_t n, const ad_var x[], const double number[]) {
    uint64_t differ = 0;
    for (size_t i = 0; i < n; i++) {
        uint64_t b;
        memcpy(&b, &number[i], sizeof b);
        differ |= (uint64_t)(uintptr_t)x[i].tape | (x[i].bits ^ b);
    }
    return differ == 0;
}

const ad__vector JOIN(ad__vector_, AD__LEVEL) = {
    TEXT(AD__LEVEL), sum, dot, add_scaled, add_number, in_row, same_numbers,
};
