/* body.h - one operation over lanes that stand wherever they stand among numbers in homes.
 *
 * Programs over rows of examples have rows of lanes (block.h). Here a lane is a repetition
 * (uniform.h) or one of many values of one example (single.h), and an operand is a run of homes,
 * one number for all lanes, a list of homes, or a row of the block. Those that do not stand side by
 * side are gathered first, and their adjoints scattered.
 *
 * Invariant of the last lanes, which are rounded up to a multiple of eight: values behind the last
 * real one are whatever stands there, and adjoints behind it are 0 or not its own, so that such a
 * lane pushes 0 and nothing of it is seen. Where operands of two lanes are one value, or overlap,
 * their contributions are added one operand after the other, or lane by lane. */
#ifndef TAPIR_BODY_H
#define TAPIR_BODY_H

#include "program/program.h"

/* A block of lanes. In `space` stand rows of values, as many of adjoints, then AD__BODY_SPARE and
 * one for each operand. */
typedef struct ad__lanes {
    const ad_program *p;
    const ad__source *source;
    const uint32_t   *index;
    double           *u, *adjoint, *space;
    const double    **operand;        /* room for as many as a body has */
    size_t            rows, lanes;    /* of a block: rows of values; lanes, a multiple of 8 */
    size_t            first, real, n; /* the first lane; lanes; the same, a multiple of 8 */
} ad__lanes;

enum { AD__BODY_SPARE = 5 };

/* Lanes from `first` on, of `count` in all: those of one block. */
void ad__lanes_from(ad__lanes *b, size_t first, size_t count);

/* To be called before anything is reversed in this space. */
void ad__body_begin_reverse(const ad__lanes *b);

void ad__body_forward(const ad__lanes *b, const ad__body *body);
void ad__body_reverse(const ad__lanes *b, const ad__body *body);

/* The lanes of one operand: where they stand, or gathered into `room`. */
const double *ad__lanes_of(const ad__lanes *b, const ad__source *s, double *room);

/* Contributions of the real lanes onto the adjoint of an operand that is not in a row. */
void ad__lanes_add(const ad__lanes *b, const ad__source *s, const double *contribution);

#endif
