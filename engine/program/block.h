/* block.h - the moves of a plan over one block of rows, a lane each. */
#ifndef TAPIR_BLOCK_H
#define TAPIR_BLOCK_H

#include "program/plan.h"

/* What one thread computes in. */
typedef struct ad__space {
    double        *row;             /* rows of a block, as the plan numbers them; 64-byte aligned */
    double        *broadcast;       /* uniform operands of a reduction as rows */
    const double **operand, **from; /* rows of a reduction or a layer */
    double       **to;
    size_t         pointers; /* room in each of the three, more than any reduction needs */
} ad__space;

/* What the blocks of one part of a batch add up. */
typedef struct ad__sums {
    double     *adjoint; /* of uniform values */
    double     *weight;  /* gradients of the weights of layers, m x n for each */
    double      output;  /* output 0 */
    ad__failure failed;
} ad__sums;

typedef struct ad__block {
    const ad_program *p;
    const ad__plan   *plan;
    const double     *uniform; /* constants and uniform values */
    /* weights of layers as `multiply` wants them, and transposed */
    const double     *packed, *turned;
    const bool       *finite; /* are all weights of the layer finite? */
    const ad__space  *s;
    ad__sums         *sums;
    size_t            first, real, n; /* first row; rows; lanes, a multiple of 8 */
    /* may an operand of a layer be infinite or NaN? See ad__block_reverse */
    bool              masks_zero_adjoint;
} ad__block;

/* The values of all rows of a block, examples beginning at `input`. A guard that would turn and an
 * index out of range are kept in sums->failed. */
void ad__block_forward(const ad__block *b, const double input[]);

/* Adjoints, from outputs seeded with 1 in the lanes that are rows. Those of uniform values are
 * added to the sums. 0 times an operand that is not finite is NaN, where a zero adjoint should push
 * nothing. The kernel of a layer does not ask: so when its sums are not finite in the end, all
 * blocks are run again with care. */
void ad__block_reverse(const ad__block *b, const ad__sweep *sweep);

/* The lanes of an output, or a spare row filled with it. */
const double *ad__block_output(const ad__block *b, size_t k);

#endif
