/* program.h - a compiled piece of tape, on the inside.
 *
 * A program is a list of values in which operands stand before users, as on a tape, but without dead
 * nodes, with constants folded and equal values shared. Each value is of one of three classes:
 *
 *   constant   known when compiled
 *   uniform    depends on parameters alone: computed once a call, for all rows
 *   varying    depends on an input: a row of lanes, one lane an example
 *
 * Constants and uniform values live in one array of numbers (constants, then all parameters as the caller
 * has them, then what is computed from them), varying ones in a block of rows; `home` is the place in either. Sums of products became dots; dots of uniform weights over the same varying
 * operands are members of one *layer*, computed together where the first of them stands (its operands are
 * there already, and all users come later).
 *
 * A program never changes once compiled. What a run needs to write is in a workspace (lanes.c). */
#ifndef TAPIR_PROGRAM_H
#define TAPIR_PROGRAM_H

#include "kernels.h"
#include "tape.h"

#include <stdatomic.h>

/* Opcodes of a program beside those of the tape (rows always in the form in which all operands are values). */
enum { AD__CONSTANT = AD__CODES, AD__PARAM, AD__ROW_INPUT, AD__LAYER_DOT };

enum { AD__VARYING = 1, AD__ON_PARAM = 2, AD__ON_ACTIVE = 4, AD__UNIFORM = 8 };

typedef struct ad__node {
    uint8_t  code, flags;
    uint32_t x, y;             /* operands; param and input: its number; constant: place in `constant`;
                                * sum, logsumexp, where, pick: place in `word`, count (pick: index first);
                                * dot: place and count n, the n x first, then the n y;
                                * layer dot: the layer, and which of its outputs */
    uint32_t home;
} ad__node;

typedef struct ad__layer {
    uint32_t m, n;             /* outputs, inputs */
    uint32_t output, input;    /* places in `word`: m members; n varying operands */
    uint32_t input_rows;       /* place in `word`: the rows of the operands */
    uint32_t weight;           /* place in `word`: m x n homes of uniform values */
    uint32_t first;            /* the member at which the layer is computed */
    uint32_t straight;         /* the home of the first weight, if those of all follow; else UINT32_MAX */
    bool     on_param;         /* does a parameter stand behind some weight? */
    bool     operands_on_param, on_active;     /* a parameter, an active input behind some operand? */
    size_t   packed;           /* place of its weights and gradients in a workspace */
} ad__layer;

typedef struct ad__guard {
    uint32_t value;            /* a branch on this value ... */
    uint32_t node;             /* ... noted on the tape as this node ... */
    bool     taken;            /* ... was taken, or not */
} ad__guard;

typedef struct ad__counts {
    size_t tape, alive, shared, folded, fused, values;     /* nodes after each pass, for ad_program_print */
} ad__counts;

enum { AD__WORKSPACES = 64 };

struct ad_program {
    size_t     params, inputs, outputs, active;
    uint32_t   nodes, words, constants, layers, guards;
    ad__node  *node;
    uint32_t  *word;
    double    *constant;
    ad__layer *layer;
    ad__guard *guard;
    uint32_t  *output;         /* values */
    uint32_t  *step;           /* what runs, in order: uniform values first, then varying ones, a layer once */
    uint32_t   uniform_steps, steps;
    uint32_t   rows, uniforms; /* varying values; constants and uniform values */
    size_t     packed;         /* doubles for the packed weights of all layers */
    size_t     most_operands;  /* of any reduction */
    size_t     block;          /* lanes of a block */
    ad__counts count;

    const ad__kernels       *kernels;
    const ad__layer_kernels *layers_of;
    const ad__vector        *vector;

    /* The only parts that change: spare workspaces (each one piece of memory), and the last failure. */
    _Atomic(void *) spare[AD__WORKSPACES];
    atomic_flag     message_lock;
    char            message[AD__MESSAGE];
};

/* What went wrong while a program ran. */
typedef struct ad__failure {
    ad_status status;
    size_t    row;             /* SIZE_MAX: no row, a uniform value */
    uint32_t  what;            /* guard or value */
    double    number;
} ad__failure;

/* The failure in the earliest row is the one that is kept. */
static inline void ad__program_fail(ad__failure *f, ad_status status, size_t r, uint32_t what, double number) {
    if (f->status == AD_OK || r < f->row) *f = (ad__failure){status, r, what, number};
}

/* A guard that would turn. On the tape nothing after it would have happened: so it is told rather than an
 * index out of range, in the same row, of a pick that stands to its right. */
static inline void ad__program_turn(ad__failure *f, const ad_program *p, size_t r, uint32_t guard, double number) {
    const bool later = f->status == AD_BAD_ARGUMENT && f->row == r && f->what > p->guard[guard].value;
    if (later) f->status = AD_OK;
    ad__program_fail(f, AD_BRANCH_CHANGED, r, guard, number);
}

/* Keep a sentence for ad_program_message; returns the status. The text is printf's. */
__attribute__((format(printf, 3, 4)))
ad_status ad__program_refuse(const ad_program *program, ad_status status, const char *format, ...);

/* The name of an opcode of a program: "tanh", "sum", "input". */
const char *ad__value_name(uint8_t code);

/* The index of a pick, or n. */
static inline size_t ad__picked(double index, size_t n) {
    return index >= 0 && index < (double)n && index == floor(index) ? (size_t)index : n;
}

#endif
