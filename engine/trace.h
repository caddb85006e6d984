/* trace.h - the edges of the graph as data: which nodes an operation used, with which local
 * derivatives; which nodes lead to a result. What explanations and pictures are made from. */
#ifndef TAPIR_TRACE_H
#define TAPIR_TRACE_H

#include "tape.h"

typedef struct ad__edge {
    uint32_t to;             /* the operand's node, or AD__NO_NODE for a plain number */
    double   value;          /* of the operand */
    double   local;          /* partial derivative of the node in this operand */
    bool     open;           /* false: nothing is sent along it (a selecting rule with partial 0, a number) */
} ad__edge;

size_t   ad__edges(const ad_tape *tape, uint32_t node);                /* operands, numbers included */
ad__edge ad__edge_of(const ad_tape *tape, uint32_t node, size_t i);

/* used[i] for i <= last: does node i lead to node last? An array of last + 1, or NULL: out of memory. */
bool *ad__leads_to(const ad_tape *tape, uint32_t last);

#endif
