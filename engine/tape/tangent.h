/* tangent.h - directional derivatives of every node, for the files that need more than one
 * number. */
#ifndef TAPIR_TANGENT_H
#define TAPIR_TANGENT_H

#include "tape/tape.h"

/* What an array by node holds for the operands of a node that is a row; 0 for plain numbers, and
 * for y of a row of one. */
typedef struct ad__at_row {
    double x, y;
} ad__at_row;

ad__at_row ad__at_row_of(const ad_tape *tape, uint32_t node, const double by_node[]);

/* The values of the operands of a node that is a row, plain numbers among them. */
ad__at_row ad__values_at(const ad_tape *tape, uint32_t node);

/* Is the node a row (ad__row_tip) or a fold at its tip? */
bool ad__at_kink(const ad_tape *tape, uint32_t node);

/* The value of a node at its tip when its operands move by the derivatives `first`; with `second`,
 * when those leave it there and the operands bend by these. And do they leave it there? */
double ad__along(const ad_tape *tape, uint32_t node, const double first[], const double second[]);
bool   ad__stays(const ad_tape *tape, uint32_t node, const double first[], const double second[]);

/* tape->tangent[i], for every node i <= last: its derivative when each x[k] moves by direction[k].
 * A node that stands in x twice moves by both; a node that is itself computed from others in x
 * moves by its own direction and by theirs, so that the result is sum of ad_gradient's
 * grad[k]*direction[k]. What moves but is level has AD__LEVEL_TANGENT. With adjoints (NULL: none),
 * a node at its tip whose adjoint is 0 has the tangent that it really has in this direction, not
 * that of the convention: the operation itself at the tangents of its operands. *tips: did any
 * operation that has a tip come by? x is checked by the caller. False with the error kept: out of
 * memory, a pick out of range. */
bool ad__tangents(ad_tape *tape, uint32_t last, size_t n, const ad_var x[],
                  const double direction[], const double adjoint[], bool *tips);

#endif
