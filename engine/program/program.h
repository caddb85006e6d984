/* program.h - a compiled piece of tape, on the inside.
 *
 * A program is a list of values in which operands stand before users, as on a tape, but without
 * dead nodes, with constants folded and equal values shared. Each value is of one of three classes:
 *
 *   constant   known when compiled
 *   uniform    depends on parameters alone: computed once a call, for all rows
 *   varying    depends on an input: a row of lanes, one lane an example
 *
 * Constants and uniform values live in one array of numbers (constants, then all parameters as the
 * caller has them, then what is computed from them), at their `home`; where varying ones stand is
 * the plan's. Sums of products became dots; dots of uniform weights over the same varying operands
 * are members of one *layer*, computed together where the first of them stands (its operands are
 * there already, and all users come later).
 *
 * A program never changes once compiled. How its varying values are laid out for a run is a plan
 * (plan.h); what a run needs to write is in a workspace (lanes.c). */
#ifndef TAPIR_PROGRAM_H
#define TAPIR_PROGRAM_H

#include "program/kernels.h"
#include "tape/reduce.h"
#include "tape/tape.h"

#include <stdatomic.h>

/* Opcodes of a program beside those of the tape (rows always in the form in which all operands are
 * values). */
enum {
    AD__CONSTANT = AD__CODES,
    AD__PARAM,
    AD__ROW_INPUT,
    AD__LAYER_DOT,
    AD__TERM,
    AD__PRODUCT,
    AD__ROLL
};

enum { AD__VARYING = 1, AD__ON_PARAM = 2, AD__ON_ACTIVE = 4, AD__UNIFORM = 8 };

typedef struct ad__node {
    uint8_t  code, flags;
    /* operands; param and input: its number; constant: place in `constant`; sum, folds, where,
     * pick: place in `word`, count (pick: index first); custom: the same, and behind its operands a
     * word that is no operand: the number of the operation in `own`; dot: place and count n, the n
     * x first, then the n y; layer dot: the layer, and which of its outputs */
    uint32_t x, y;
    uint32_t home;
} ad__node;

typedef struct ad__layer {
    uint32_t m, n;          /* outputs, inputs */
    uint32_t output, input; /* places in `word`: m members; n varying operands */
    uint32_t weight;        /* place in `word`: m x n homes of uniform values */
    uint32_t first;         /* the member at which the layer is computed */
    uint32_t straight; /* the home of the first weight, if those of all follow; else UINT32_MAX */
    bool     on_param; /* does a parameter stand behind some weight? */
    bool     operands_on_param, on_active; /* a parameter, an active input behind some operand? */
    uint32_t like; /* the first layer with the same weights: itself, or an earlier one */
    /* place of its weights and gradients in a workspace, shared by all that are like it */
    size_t   packed;
} ad__layer;

typedef struct ad__guard {
    uint32_t value; /* a branch on this value ... */
    uint32_t node;  /* ... which is this node of the tape ... */
    bool     taken; /* ... was taken, or not */
} ad__guard;

/* A leaf in neither list, for ad_program_print. */
typedef struct ad__fixed {
    uint32_t node;
    char    *name; /* NULL: it has none */
    double   value;
} ad__fixed;

typedef struct ad__counts {
    /* of the tape, leading to an output, after sharing, after fusing */
    size_t tape, alive, values, fused;
    /* found equal to others, known when compiled, gone into sums and dots */
    size_t shared, folded, absorbed;
    /* instructions that went into rolls; comparisons it took to find them */
    size_t rolled, compared;
} ad__counts;

/* What runs over uniform values, by home: u[home] = code(u[x], u[y]). Reductions:
 * x is the place of their operands in `index`, y their count as in a node (after
 * those of a pick stands the value that it is, after those of a custom operation its number in
 * `own`). A term adds u[x] to u[home], a product u[x]*u[y]. A roll: x is its number. */
typedef struct ad__instruction {
    uint32_t code, x, y, home;
} ad__instruction;

/* Where a roll's body finds an operand, or leaves a result, for each repetition k. */
typedef enum ad__place {
    AD__IN_ROW,  /* row `at` of the block: seen by the same repetition alone */
    AD__IN_RUN,  /* home at + k */
    AD__IN_ONE,  /* home at, the same for all */
    AD__IN_LIST, /* home index[at + k] */
} ad__place;

typedef struct ad__source {
    uint32_t at;
    uint8_t  place;
    bool     first;    /* a row: in reverse, this is the first contribution to it */
    bool     constant; /* wants no contribution */
} ad__source;

/* An instruction of a body; its operands are source[operand ...]. Terms and products have no result
 * of their own: they add over all repetitions to the one home. */
typedef struct ad__body {
    uint32_t   code, operand, count;
    ad__source result;
    /* of a fold: the home where the shifts of its lanes are kept for the reverse pass, and so many
     * homes on the totals; 0: nowhere */
    uint32_t   fold, fold_lanes;
    bool       no_adjoint; /* nothing ever arrives at its adjoint */
} ad__body;

/* Instructions that repeat: body[first ... first + length - 1], `count` times, no repetition
 * looking at what another computed. */
typedef struct ad__roll {
    uint32_t first, length, count;
    /* rows of a block for values that stay inside; its lanes, a multiple of 8 */
    uint32_t rows, lanes;
} ad__roll;

enum { AD__WORKSPACES = 64, AD__MOST_OPERANDS = 32 }; /* operands of an instruction of a body */

struct ad_program {
    size_t           params, inputs, outputs, active;
    uint32_t         nodes, words, constants, layers, guards;
    ad__node        *node;
    uint32_t        *word;
    double          *constant;
    ad__layer       *layer;
    ad__guard       *guard;
    uint32_t        *output; /* values */
    ad__fixed       *fixed;
    size_t           fixed_leaves;
    ad__own_op      *own; /* custom operations, by number */
    /* what runs, in order: uniform values first, then varying ones, a layer once */
    uint32_t        *step;
    uint32_t         uniform_steps, steps;
    uint32_t         uniforms;    /* constants and uniform values */
    ad__instruction *instruction; /* the uniform values again, rolled (roll.c) */
    ad__roll        *roll;
    ad__body        *body;
    ad__source      *source;
    uint32_t        *index; /* homes */
    uint32_t         instructions, rolls;
    uint32_t         sums; /* homes from constants + params on that terms and products add to */
    size_t           roll_space;    /* doubles that rolls and reductions compute in */
    size_t           packed;        /* doubles for the packed weights of all layers */
    size_t           most_operands; /* of any reduction */
    ad__counts       count;

    const ad__kernels        *kernels;
    const ad__layer_kernels  *layers_of;
    const ad__column_kernels *columns_of;
    const ad__vector         *vector;

    /* The only parts that change: plans, made when first needed (plan.h, single.h), spare
     * workspaces (each one piece of memory), and the last failure. */
    _Atomic(struct ad__plan *)   plan[3];
    _Atomic(struct ad__single *) single;
    _Atomic(void *)              spare[AD__WORKSPACES];
    atomic_flag                  message_lock;
    char                         message[AD__MESSAGE];
};

/* Operands of a value or an instruction: in a list, or x and y; and how many. */
static inline bool ad__in_words(uint32_t code) {
    return (code >= AD__FIRST_REDUCTION && code <= AD__custom) || code == AD__LAYER_DOT;
}

static inline uint32_t ad__operand_count(uint32_t code, uint32_t y) {
    if (ad__in_words(code)) return ad__is_paired(code) || code == AD__LAYER_DOT ? 2 * y : y;
    if (code == AD__TERM) return 1;
    if (code == AD__PRODUCT) return 2;
    const ad__row_number r = code < AD__CODES ? ad__code_row((uint8_t)code) : AD__ROWS;
    return r < AD__ROWS ? ad__rows[r].operands : 0;
}

/* Operands of a value of a program, those of its layer where it is an output of one: how many, and
 * which is number k. */
static inline size_t ad__value_operands(const ad_program *p, const ad__node *node) {
    return node->code == AD__LAYER_DOT ? p->layer[node->x].n
                                       : ad__operand_count(node->code, node->y);
}
static inline uint32_t ad__value_operand(const ad_program *p, const ad__node *node, size_t k) {
    if (node->code == AD__LAYER_DOT) return p->word[p->layer[node->x].input + k];
    return ad__in_words(node->code) ? p->word[node->x + k] : k == 0 ? node->x : node->y;
}

/* Words of a value whose operands are in a list: those, and the number of a custom operation. */
static inline size_t ad__word_count(uint32_t code, uint32_t y) {
    return (size_t)ad__operand_count(code, y) + (code == AD__custom);
}

/* The operation behind a custom value. */
static inline const ad__own_op *ad__own_op_in(const ad_program *p, const ad__node *node) {
    return &p->own[p->word[node->x + node->y]];
}

/* What went wrong while a program ran. */
typedef struct ad__failure {
    ad_status status;
    size_t    row;          /* SIZE_MAX: no row, a uniform value */
    uint32_t  guard, value; /* AD_BRANCH_CHANGED: the guard and its condition; else a value */
    double    number;
    double    side[2]; /* of the comparison that a guard looks at */
} ad__failure;

/* The failure in the earliest row is the one that is kept. */
static inline void ad__program_fail(ad__failure *f, ad_status status, size_t r, uint32_t value,
                                    double number) {
    if (f->status == AD_OK || r < f->row) *f = (ad__failure){status, r, 0, value, number, {0, 0}};
}

/* True if the guard is a comparison; its operands are still available to report. */
static inline bool ad__guard_sides(const ad_program *p, uint32_t guard) {
    const uint8_t code = p->node[p->guard[guard].value].code;
    return ad__code_row(code) < AD__ROWS && ad__rows[ad__code_row(code)].operands == 2;
}

/* A guard that would turn, x and y its sides if it has any. On the tape nothing after it would have
 * happened: so it is told rather than an index out of range, in the same row, of a pick that stands
 * to its right. */
static inline void ad__program_turn(ad__failure *f, const ad_program *p, size_t r, uint32_t guard,
                                    double number, double x, double y) {
    const uint32_t value = p->guard[guard].value;
    const bool     later = f->status == AD_BAD_ARGUMENT && f->row == r && f->value > value;
    if (later) f->status = AD_OK;
    if (f->status != AD_OK && r >= f->row) return;
    *f = (ad__failure){AD_BRANCH_CHANGED, r, guard, value, number, {x, y}};
}

/* Keep a sentence for ad_program_message; returns the status. The text is printf's. */
/* clang-format off */
__attribute__((format(printf, 3, 4)))
ad_status ad__program_refuse(const ad_program *program, ad_status status, const char *format, ...);
/* clang-format on */

/* The name of the operation of a value: "tanh", "sum", "input", or that of the user's own. */
const char *ad__value_name(const ad_program *p, uint32_t value);

#endif
