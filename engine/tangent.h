/* tangent.h - directional derivatives of every node, for the files that need more than one number. */
#ifndef TAPIR_TANGENT_H
#define TAPIR_TANGENT_H

#include "tape.h"

/* Operand 0 or 1 of a node that is a row: its value and its tangent, which for a plain number is 0. Operand 1 of a row of
 * one is 0. */
void ad__row_operand(const ad_tape *tape, uint32_t node, int operand, double *value, double *tangent);

/* Is the node a row at its tip (ad__row_tip), and is its adjoint exactly 0? Then what comes after it may well be
 * differentiable there, as |x|^2 is at 0, and second derivatives follow the direction instead of the convention: the
 * tangent of the node is the row itself at the tangents of its operands, its partials those at that place. */
bool ad__follows_direction(const ad_tape *tape, uint32_t node, const double adjoint[]);

/* tape->tangent[i], for every node i <= last: its derivative when each x[k] moves by direction[k]. A
 * node that stands in x twice moves by both; a node that is itself computed from others in x moves by
 * its own direction and by theirs, so that the result is sum of ad_gradient's grad[k]*direction[k].
 * What moves but is level has AD__LEVEL_TANGENT. With adjoints, nodes that follow the direction do so; NULL: none does.
 * x is checked by the caller. False with the error kept: out of memory, a pick out of range. */
bool ad__tangents(ad_tape *tape, uint32_t last, size_t n, const ad_var x[], const double direction[],
                  const double adjoint[]);

#endif
