/* plan.h - a program as two lists of moves over rows of lanes, made once for each kind of call.
 *
 * A row is a place for one number of every lane of a block. Rows are given out when the plan is
 * made:
 *
 *   0           zeros, where a sum of contributions begins
 *   1           ones, the adjoint that shows a partial derivative
 *   2 .. 5      to compute in
 *   6 ..        values that the reverse list reads; then, forward, values that it does not read,
 *               given out again after their last use, and in the same place, in reverse, adjoints,
 *               which also have the rows of values that the only sweep has read for the last time
 *
 * so that what a block touches stays small and hot. An adjoint that is passed on as it is (by an
 * addition) moves no numbers when nothing else arrives: both values share the row.
 *
 * Values asks for forward moves alone. Gradient sweeps back from output 0 to the parameters. A
 * Jacobian sweeps from up to AD__TOGETHER outputs at a time to the active inputs: costly partials
 * are computed once for them. */
#ifndef TAPIR_PLAN_H
#define TAPIR_PLAN_H

#include "program/program.h"

enum { AD__ZEROS, AD__ONES, AD__SPARE, AD__FIRST_ROW = AD__SPARE + 4, AD__TOGETHER = 4 };

typedef enum ad__purpose { AD__VALUES, AD__GRADIENT, AD__JACOBIAN } ad__purpose;

typedef enum ad__move_kind {
    AD__MOVE_ROW, /* v = row(x, y) */
    /* a reduction: operands in the plan's words from x on; y: the value; of a fold a: the shift,
     * the total in the next row */
    AD__MOVE_NODE,
    AD__MOVE_LAYER,   /* the rows of its outputs, then of its inputs from x on; y: the layer */
    AD__PUSH,         /* out = in + a*partial of the row in operand `which` */
    AD__PUSH_BOTH,    /* the same for both operands: in, out; in_y, out_y */
    AD__PUSH_SAME,    /* out = in + a */
    AD__PUSH_PRODUCT, /* out = in + a*x */
    AD__PUSH_SQUARE,  /* out = in + 2*a*x */
    /* out = in + a*slope(x, y)*scale: y the shift, the scale in the next row; row: which
     * reduction */
    AD__PUSH_FOLD,
    AD__PUSH_WHERE, /* out = in + a where (x != 0) == which */
    /* index: x; the words from y on: a row or a uniform value for each operand; v: how many */
    AD__PUSH_PICK,
    /* y: the value, its row v; words from x on: the operands, as forward; then for each where its
     * contribution is read from, and where it goes: a row, a uniform value, or nowhere (all
     * bits) */
    AD__PUSH_CUSTOM,
    /* y: the layer; words from x on: rows of m adjoints; where n contributions are read from; and
     * written to; n operands. which: to the operands at all? */
    AD__PUSH_LAYER,
    AD__TOTAL,         /* adjoint of uniform value y += total of a; which: minus */
    AD__TOTAL_PRODUCT, /* adjoint of uniform value y += total of a*x */
    AD__FILL,          /* row out = uniform value y */
    AD__CLEAR          /* row out = 0 */
} ad__move_kind;

/* Rows, but for an operand that is a number (by `form`): its place among the uniform values. */
typedef struct ad__move {
    uint8_t  kind, form, row;
    uint8_t  which; /* an operand, or yes or no: see the kinds */
    uint32_t v, x, y, a, in, out, in_y, out_y;
} ad__move;

/* a bit of an operand in words: a place among uniform values, no row */
enum { AD__NUMBER = INT32_MIN };

typedef struct ad__sweep {
    size_t   move, moves;     /* of the reverse list */
    uint32_t output, outputs; /* from which outputs: the first, how many */
    uint32_t seed;            /* place in `word`: their rows */
    uint32_t active;          /* place in `word`: rows of outputs x active derivatives */
} ad__sweep;

typedef struct ad__plan {
    size_t     forwards, moves, words, sweeps;
    ad__move  *forward, *move;
    uint32_t  *word;
    ad__sweep *sweep;
    uint32_t  *row; /* by value: its row while the block goes forward */
    /* by value, of a fold: the row of its shift, the total and then its inverse in the next */
    uint32_t  *fold;
    uint32_t  *input;     /* by input: its row; one to be ignored where no value needs it */
    bool       gradient;  /* are adjoints of uniform values wanted? */
    size_t     rows;      /* of a block */
    size_t     broadcast; /* rows for uniform operands of one reduction */
    size_t     block;     /* lanes */
} ad__plan;

/* The plan of a kind of call, made when first asked for and kept with the program; NULL when out of
 * memory. */
const ad__plan *ad__plan_for(const ad_program *p, ad__purpose purpose);
void            ad__plan_free(ad__plan *plan);

/* Lanes of a block: the most, halved while more than enough of them take more than the cache, or
 * more than the least take more than the memory that a block may have (bytes). Why: plan.c. */
enum {
    AD__CACHE = 2 * 1024 * 1024,
    AD__MEMORY = 32 * 1024 * 1024,
    AD__MOST_LANES = 128,
    AD__ENOUGH_LANES = 32,
    AD__LEAST_LANES = 8,
};

#endif
