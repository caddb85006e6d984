/* dots.c - dots that share their operands, as one blocked kernel; see kernels.h. Built once for
 * each instruction set, and with -ffp-contract=fast: here, and nowhere else, a product and a sum
 * become a fused multiply-add where the instruction set has it.
 *
 * Forward: out[j] = in[j] + sum over i of w[j][i]*x[i], lane by lane. A tile of up to eight outputs
 * and two vectors of lanes stays in registers while i runs; each x is loaded once for the whole
 * tile. Gradient: a tile of 4 x 4 weights stays in registers while the lanes run.
 *
 * One lane: a vector is of outputs forward, where tiles of weights are turned in registers, so that
 * each output is the same sum in the same order; in reverse it is of inputs, for which weights and
 * gradients lie side by side. */
#include "program/kernels.h"

#include "base/wide.h"

#define JOIN_(a, b) a##b
#define JOIN(a, b)  JOIN_(a, b)
#ifndef AD__LEVEL
#define AD__LEVEL base
#endif

#if defined(__AVX512F__)
enum { HIGH = 8 }; /* outputs in a tile */
#else
enum { HIGH = 4 };
#endif
/* vectors in eight lanes; outputs side by side in `packed` */
enum { WIDE = 8 / VECTOR, PANEL = 8 };

/* One tile: `high` outputs (weights w, `pitch` apart along i), `wide` vectors of lanes from lane l
 * on. */
INLINE void tile(size_t high, size_t wide, size_t pitch, size_t n, const double *w,
                 const double *base, const uint32_t *x, size_t lanes, size_t l, double *const out[],
                 const double *const in[]) {
    vector part[8][4];
#pragma GCC unroll 8
    for (size_t j = 0; j < high; j++)
#pragma GCC unroll 4
        for (size_t k = 0; k < wide; k++) part[j][k] = (vector){0};
    for (size_t i = 0; i < n; i++, w += pitch) {
        const vector *row = (const vector *)(const void *)(base + x[i] * lanes + l);
#pragma GCC unroll 8
        for (size_t j = 0; j < high; j++)
#pragma GCC unroll 4
            for (size_t k = 0; k < wide; k++) part[j][k] += w[j] * row[k];
    }
#pragma GCC unroll 8
    for (size_t j = 0; j < high; j++) {
        const vector *from = (const vector *)(const void *)(in[j] + l);
        vector       *to = (vector *)(void *)(out[j] + l);
#pragma GCC unroll 4
        for (size_t k = 0; k < wide; k++) to[k] = from[k] + part[j][k];
    }
}

/* All lanes of `high` outputs. With 512-bit vectors two of them make a tile where there are sixteen
 * lanes. */
INLINE void strip(size_t high, size_t pitch, size_t n, const double *w, const double *base,
                  const uint32_t *x, size_t lanes, double *const out[], const double *const in[]) {
    size_t l = 0;
#if defined(__AVX512F__)
    for (; l + 16 <= lanes; l += 16) tile(high, 2, pitch, n, w, base, x, lanes, l, out, in);
#endif
    for (; l < lanes; l += 8) tile(high, WIDE, pitch, n, w, base, x, lanes, l, out, in);
}

static void multiply(size_t m, size_t n, const double packed[], const double base[],
                     const uint32_t x[], size_t lanes, double *const out[],
                     const double *const in[]) {
    size_t j = 0;
    for (; j + PANEL <= m; j += PANEL)
        for (size_t h = 0; h < PANEL; h += HIGH)
            strip(HIGH, PANEL, n, packed + j * n + h, base, x, lanes, out + j + h, in + j + h);
    if (m - j >= 4) {
        strip(4, 4, n, packed + j * n, base, x, lanes, out + j, in + j);
        j += 4;
    }
    if (m - j >= 2) {
        strip(2, 2, n, packed + j * n, base, x, lanes, out + j, in + j);
        j += 2;
    }
    if (m - j >= 1) strip(1, 1, n, packed + j * n, base, x, lanes, out + j, in + j);
}

/* grad[j*n + i] += the sum of part[j][i]; these lie in memory one after the other. */
INLINE void add_across(size_t high, size_t wide, vector part[4][4], size_t n, double *grad) {
    double sum[16];
#pragma GCC unroll 8
    for (size_t k = 0; k < 16; k += VECTOR) {
        vector few[VECTOR];
#pragma GCC unroll 8
        for (size_t i = 0; i < VECTOR; i++)
            few[i] = k + i < high * wide ? part[(k + i) / wide][(k + i) % wide] : (vector){0};
        if (k < high * wide) store_loose(sum + k, across(few));
    }
#pragma GCC unroll 4
    for (size_t j = 0; j < high; j++)
#pragma GCC unroll 4
        for (size_t i = 0; i < wide; i++) grad[j * n + i] += sum[j * wide + i];
}

INLINE void gradient_tile(size_t high, size_t wide, size_t n, const double *const a[],
                          const double *const x[], size_t lanes, double *grad) {
    vector part[4][4];
#pragma GCC unroll 4
    for (size_t j = 0; j < high; j++)
#pragma GCC unroll 4
        for (size_t i = 0; i < wide; i++) part[j][i] = (vector){0};
    for (size_t l = 0; l < lanes; l += VECTOR) {
        vector xs[4];
#pragma GCC unroll 4
        for (size_t i = 0; i < wide; i++) xs[i] = *(const vector *)(const void *)(x[i] + l);
#pragma GCC unroll 4
        for (size_t j = 0; j < high; j++) {
            const vector as = *(const vector *)(const void *)(a[j] + l);
#pragma GCC unroll 4
            for (size_t i = 0; i < wide; i++) part[j][i] += as * xs[i];
        }
    }
    add_across(high, wide, part, n, grad);
}

static void gradient(size_t m, size_t n, const double *const a[], const double *const x[],
                     size_t lanes, double grad[]) {
    for (size_t j = 0; j < m;) {
        const size_t high = m - j >= 4 ? 4 : 1;
        size_t       i = 0;
        if (high == 4) {
            for (; i + 4 <= n; i += 4)
                gradient_tile(4, 4, n, a + j, x + i, lanes, grad + j * n + i);
            for (; i < n; i++) gradient_tile(4, 1, n, a + j, x + i, lanes, grad + j * n + i);
        } else {
            for (; i + 4 <= n; i += 4)
                gradient_tile(1, 4, n, a + j, x + i, lanes, grad + j * n + i);
            for (; i < n; i++) gradient_tile(1, 1, n, a + j, x + i, lanes, grad + j * n + i);
        }
        j += high;
    }
}

/* `panels` times VECTOR outputs, of the last of which `rows` are there. */
INLINE void outputs(size_t panels, size_t rows, size_t n, const double *w, const double *x,
                    double *y) {
    vector part[2] = {{0}, {0}};
    size_t i = 0;
    for (; i + VECTOR <= n; i += VECTOR) {
        vector column[2][VECTOR];
#pragma GCC unroll 2
        for (size_t p = 0; p < panels; p++) {
#pragma GCC unroll 8
            for (size_t r = 0; r < VECTOR; r++)
                column[p][r] = p + 1 < panels || r < rows ? load_loose(w + (p * VECTOR + r) * n + i)
                                                          : (vector){0};
            turn(column[p]);
        }
#pragma GCC unroll 8
        for (size_t k = 0; k < VECTOR; k++)
#pragma GCC unroll 2
            for (size_t p = 0; p < panels; p++) part[p] += column[p][k] * x[i + k];
    }
    for (; i < n; i++)
        for (size_t p = 0; p < panels; p++) {
            vector column = {0};
            for (size_t r = 0; r < (p + 1 < panels ? VECTOR : rows); r++)
                column[r] = w[(p * VECTOR + r) * n + i];
            part[p] += column * x[i];
        }
    for (size_t p = 0; p < panels; p++) {
        const vector sum = (vector){0} + part[p];
        if (p + 1 < panels || rows == VECTOR) store_loose(y + p * VECTOR, sum);
        else
            for (size_t r = 0; r < rows; r++) y[p * VECTOR + r] = sum[r];
    }
}

/* The last few too as a vector: of a loop over one output the compiler may make something else than
 * multiply-adds. */
static void forward_one(size_t m, size_t n, const double weight[], const double x[], double y[]) {
    size_t j = 0;
    for (; j + 2 * VECTOR <= m; j += 2 * VECTOR) outputs(2, VECTOR, n, weight + j * n, x, y + j);
    for (; j + VECTOR <= m; j += VECTOR) outputs(1, VECTOR, n, weight + j * n, x, y + j);
    if (j < m) outputs(1, m - j, n, weight + j * n, x, y + j);
}

/* to += a*x; the two are apart. */
INLINE void add_scaled(size_t n, double a, const double *restrict x, double *restrict to) {
    size_t i = 0;
    for (; i + VECTOR <= n; i += VECTOR)
        store_loose(to + i, load_loose(to + i) + a * load_loose(x + i));
    for (; i < n; i++) to[i] += a * x[i];
}

static void reverse_one(size_t m, size_t n, const double weight[], const double a[],
                        const double x[], double grad[], double down[]) {
    for (size_t j = 0; j < m; j++) {
        if (a[j] == 0) continue;
        if (grad != NULL) add_scaled(n, a[j], x, grad + j * n);
        if (down != NULL) add_scaled(n, a[j], weight + j * n, down);
    }
}

const ad__layer_kernels JOIN(ad__layer_, AD__LEVEL) = {multiply, gradient, forward_one,
                                                       reverse_one};
