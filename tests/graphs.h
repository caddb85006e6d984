/* graphs.h - functions for tests that hold one path of the engine to another: random expression
 * graphs over all rows and reductions, and a list of formulas.
 *
 * A graph is a list of steps made once from a seed; evaluated on plain numbers it is a function
 * (numbers fold: no tape takes part), on handles it is a piece of tape. Only steps that are finite
 * and not too steep at the place are kept. Nodes are used by several others or by none, operands
 * are numbers too, some of the steps are branches. */
#ifndef TAPIR_TESTS_GRAPHS_H
#define TAPIR_TESTS_GRAPHS_H

#include "support.h"

enum { INPUTS = 5, STEPS = 40, ARGUMENTS = 9, NODES = INPUTS + STEPS };

enum { SUM = ROWS, DOT, LOGSUMEXP, NORM, LARGEST, WHERE, PICK, BRANCH, OPERATIONS };

/* Operand: the number of an earlier node, or -1 for a plain number. */
typedef struct step {
    int    operation;
    size_t n;
    int    from[ARGUMENTS];
    double number[ARGUMENTS];
} step;

typedef struct graph {
    double input[INPUTS], weight[NODES]; /* a node of weight 0 is no part of the result */
    step   steps[STEPS];
    int    length; /* of steps so far */
} graph;

/* The graph of a seed that is not 0. Its length is STEPS, or less when no more steps were found. */
void graph_make(graph *g, uint64_t seed);

/* Steps into node[INPUTS...]; the inputs are there. What decides (sides of rows, conditions,
 * indices) is written to sides[], which may be NULL. Returns the weighted sum of the nodes. */
ad_var graph_evaluate(const graph *g, ad_var node[], double sides[]);

/* Formulas in a, b, c, x, y and a place where they are smooth. */
typedef struct formula {
    const char *text;
    double      at[INPUTS];
} formula;

extern const formula formulas[];
extern const size_t  formula_count;

#endif
