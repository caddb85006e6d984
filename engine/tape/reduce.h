/* reduce.h - the operations of any number of operands, on the inside.
 *
 * An operand record stands in the tape's list: a group of operands, or two for dot. A group is one
 * word that says how its operands are written, then
 *     AD__RANGE      the first of n consecutive nodes           1 word
 *     AD__RUN        the place of n consecutive numbers         1 word
 *     AD__SCATTERED  n nodes                                    n words
 *     AD__MIXED      n nodes or places of numbers, then a bit for each: 1 for a number
 * where() is a group of three; pick() a group of one (the index) and a group of n. */
#ifndef TAPIR_REDUCE_H
#define TAPIR_REDUCE_H

#include "tape/tape.h"

typedef enum ad__kind { AD__RANGE, AD__RUN, AD__SCATTERED, AD__MIXED } ad__kind;

typedef struct ad__group {
    size_t          n;
    ad__kind        kind;
    const uint32_t *word; /* of the list: good until the list grows */
} ad__group;

/* Group 0 or 1 of a node that has an operand record, of so many groups; and the one that operand *i
 * stands in, by its number in all of them, which becomes the one in the group. */
int       ad__groups(const ad_tape *tape, uint32_t node);
ad__group ad__group_of(const ad_tape *tape, uint32_t node, int number);
ad__group ad__group_with(const ad_tape *tape, uint32_t node, size_t *i);

/* Operand i of a group: is it a number? its node or place; its value. */
bool     ad__group_number(ad__group group, size_t i);
uint32_t ad__group_place(ad__group group, size_t i);
double   ad__group_value(const ad_tape *tape, ad__group group, size_t i);

/* Operands of any node, numbers included: how many there are, and which node is operand i
 * (AD__NO_NODE: a number). Those of a dot are its first group and then its second; pick's index is
 * the first. */
size_t   ad__operands(const ad_tape *tape, uint32_t node);
uint32_t ad__operand(const ad_tape *tape, uint32_t node, size_t i);

/* One or two groups (b may be NULL) become a record and a node with n in arg.y. `tail` is the word
 * behind the record of a custom operation. `what` names it in messages. */
ad_var ad__reduce_record(ad_tape *tape, uint8_t code, const char *what, size_t n, size_t na,
                         const ad_var a[], size_t nb, const ad_var b[], uint32_t tail);

/* The operand, of n, that the index of a pick asks for, or n when it names none. */
static inline size_t ad__picked(double index, size_t n) {
    return (size_t)ad__which_pick(index, (double)n);
}

/* A reduction by its opcode, recorded: the operands of all groups one after the other. */
ad_var ad__record_reduction(uint8_t code, size_t n, const ad_var x[]);

/* The operation behind a custom node. */
const ad__own_op *ad__own_op_of(const ad_tape *tape, uint32_t node);

/* What a node is, for people: the name of its operation, the user's own among them. */
const char *ad__node_name(const ad_tape *tape, uint32_t node);

/* The value of a node again, from the values of its operands. False, with the error kept, for a
 * pick out of range. */
bool ad__reduce_value(ad_tape *tape, uint32_t node, double *value);

/* Add the node's contributions to the adjoints of its operands. */
void ad__reduce_push(ad_tape *tape, uint32_t node, double adjoint);

/* Add the derivative of the node, when its operands move by `tangent`. False, with the error kept,
 * for a pick out of range. */
bool ad__reduce_tangent(ad_tape *tape, uint32_t node, const double tangent[], ad__motion *moved);

/* The partials of the operands of a fold, in the tape's scratch array: good until that is used
 * again. */
const double *ad__tape_partials(const ad_tape *tape, uint32_t node);

/* Is the node a fold at its tip? */
bool ad__fold_at_tip(const ad_tape *tape, uint32_t node);

/* Where a fold at its tip goes when its operands move by the derivatives `first`, in the tape's
 * scratch array; with `second`, when they are level and bend by those: at the tip the fold is its
 * own directional derivative, the fold of the derivatives of those operands that stand there.
 * Others are operands that the fold does not see: their measure is its start. */
const double *ad__fold_motion(const ad_tape *tape, uint32_t node, const double first[],
                              const double second[]);

/* Do all operands that stand there stay together? Of three that are the largest two may go on as
 * one. */
bool ad__fold_stays(const ad_tape *tape, uint32_t node, const double first[],
                    const double second[]);

/* The partial derivative of the node in operand i of a group. */
double ad__reduce_partial(const ad_tape *tape, uint32_t node, int group, size_t i);

#endif
