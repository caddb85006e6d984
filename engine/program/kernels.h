/* kernels.h - the rows of ops.def and the reductions as loops over lanes, once for each instruction
 * set.
 *
 * A lane is one example; a row of lanes is n doubles, n a multiple of 8, 64-byte aligned. Kernels
 * compute each lane on its own, so that what a lane gets depends neither on its place nor on its
 * neighbours.
 *
 * Reverse kernels write out = in + contribution: in is the adjoint row itself, or a row of zeros
 * where the contribution is the first. A lane whose adjoint is 0 contributes 0, whatever the
 * partial is; in rows that select, so does a lane whose partial is 0. in and out may be the same
 * row. */
#ifndef TAPIR_KERNELS_H
#define TAPIR_KERNELS_H

#include "base/ops.h"

#include <stddef.h>

typedef void ad__lane_value(size_t n, const double x[], const double y[], double v[]);
typedef void ad__lane_push(size_t n, const double x[], const double y[], const double v[],
                           const double a[], const double in[], double out[]);
typedef void ad__lane_push_both(size_t n, const double x[], const double y[], const double v[],
                                const double a[], const double in[], double out[],
                                const double in_y[], double out_y[]);

/* A fold in two steps: shift and total, then the value. That leaves 1/over in place of the total:
 * of it and the shift the partials are made, and so both may be kept for the reverse pass. Names as
 * in reduce.def. */
typedef struct ad__fold_kernels {
    void (*fold)(size_t count, const double *const x[], size_t n, double shift[], double total[]);
    void (*value)(size_t n, const double shift[], double total[], double v[]);
    void (*push)(size_t n, const double x[], const double shift[], const double scale[],
                 const double a[], const double in[], double out[]);
} ad__fold_kernels;

/* Forms as in ops.h: both operands rows of lanes, the second a number (read from y[0]), the first a
 * number. */
typedef struct ad__kernels {
    const char         *name;
    ad__lane_value     *value[3][AD__ROWS];   /* by form */
    ad__lane_push      *push[2][3][AD__ROWS]; /* to operand 0 or 1, by form */
    /* to two operands that are not the same, both rows of lanes */
    ad__lane_push_both *push_both[AD__ROWS];
    void (*fill)(size_t n, double number, double v[]);
    bool (*finite)(size_t n, const double x[]);  /* all of them? */
    double (*total)(size_t n, const double x[]); /* over the lanes, in a fixed order */
    /* of a*x, 0 where a is 0 */
    double (*total_product)(size_t n, const double a[], const double x[]);
    /* out = in + a */
    void (*push_same)(size_t n, const double a[], const double in[], double out[]);
    void (*push_product)(size_t n, const double a[], const double x[], const double in[],
                         double out[]); /* out = in + a*x, 0 where a is 0 */
    void (*push_square)(size_t n, const double a[], const double x[], const double in[],
                        double out[]); /* 2*a*x */
    void (*sum)(size_t count, const double *const x[], size_t n, double v[]);
    void (*dot)(size_t count, const double *const x[], const double *const y[], size_t n,
                double v[]);
    /* by number, of those that are folds; see ad__fold_kernels_of */
    ad__fold_kernels fold[AD__REDUCTIONS];
    void (*where)(size_t n, const double c[], const double yes[], const double no[], double v[]);
    void (*push_where)(size_t n, const double c[], bool taken, const double a[], const double in[],
                       double out[]);
} ad__kernels;

static inline const ad__fold_kernels *ad__fold_kernels_of(const ad__kernels *k, uint32_t code) {
    return &k->fold[code - AD__FIRST_REDUCTION];
}

/* Layers: dots that share their operands. m outputs, n inputs. `multiply` reads the rows x[0..n-1]
 * of `base` (row r begins at base + r*lanes) and weights of which those of eight outputs (then
 * four, two, one) stand side by side: weight (j, i) of a panel of `width` outputs that begins with
 * output s is packed[s*n + i*width + j - s]. */
typedef struct ad__layer_kernels {
    void (*multiply)(size_t m, size_t n, const double packed[], const double base[],
                     const uint32_t x[], size_t lanes, double *const out[],
                     const double *const in[]);
    void (*gradient)(size_t m, size_t n, const double *const a[], const double *const x[],
                     size_t lanes, double grad[]); /* m x n, += sum over lanes a[j]*x[i] */
    /* One lane, and weights as they stand, m x n. The bits are those of a lane of `multiply`. */
    void (*forward_one)(size_t m, size_t n, const double weight[], const double x[], double y[]);
    /* grad[j][i] += a[j]*x[i], down[i] += sum over j a[j]*weight[j][i]; where a[j] is 0, nothing.
     * Either may be NULL. */
    void (*reverse_one)(size_t m, size_t n, const double weight[], const double a[],
                        const double x[], double grad[], double down[]);
} ad__layer_kernels;

/* Between examples in memory, `stride` doubles from one to the next, and rows of lanes. Example l,
 * column c is from[l*stride + c] and row[c][l]. Loading fills n lanes, those from `real` on as the
 * last example; unloading writes the first `real`. */
typedef struct ad__column_kernels {
    void (*load)(size_t count, size_t real, size_t n, const double from[], size_t stride,
                 double *const row[]);
    void (*unload)(size_t count, size_t real, const double *const row[], double to[],
                   size_t stride);
} ad__column_kernels;

extern const ad__kernels        ad__kernels_base;
extern const ad__layer_kernels  ad__layer_base;
extern const ad__column_kernels ad__columns_base;
#if defined(AD__ISA_LEVELS)
extern const ad__kernels        ad__kernels_v2, ad__kernels_v3, ad__kernels_v4;
extern const ad__layer_kernels  ad__layer_v2, ad__layer_v3, ad__layer_v4;
extern const ad__column_kernels ad__columns_v2, ad__columns_v3, ad__columns_v4;
#endif

#endif
