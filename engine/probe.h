/* probe.h - a recorded function at other places than x, by replays; afterwards the tape is what it was,
 * values and adjoints, to the bit. */
#ifndef TAPIR_PROBE_H
#define TAPIR_PROBE_H

#include "estimate.h"
#include "tape.h"

typedef struct ad__probe {
    ad_tape      *tape;
    uint32_t      y;
    size_t        n;
    const ad_var *x;
    double       *base, *gradient;       /* n: the values of x; the adjoints of x in a reverse sweep from y */
    double       *terms;                 /* n, or NULL: sizes of what the gradient is added up from; made when asked for */
    double        value, noise;          /* of y at x, and what rounding may have done to it */
    size_t        evaluations;
    ad_status     stopped;               /* why a replay beside x could not be finished: AD_OK, or ... */
    char          reason[256];           /* ... in words */

    size_t        coordinate;            /* what moves: this one, */
    const double *direction;             /* or all of them, when this is not NULL */
    double       *kept, *kept_adjoint;   /* y + 1, swept before */
    uint32_t      kept_swept;
    uint32_t     *side_node;             /* nodes with a kink or a jump, and on which side of it they are at x */
    double       *side;
    size_t        sides;
} ad__probe;

/* Leaves n inputs x and y of one tape, checked by the caller. False with the error kept on the tape: out
 * of memory, or a replay at x that cannot be finished. Close it in any case. */
bool ad__probe_open(ad__probe *p, ad_var y, size_t n, const ad_var x[]);
void ad__probe_close(ad__probe *p);

/* y as a function of one coordinate, or of the distance along a direction (n numbers, which must stay).
 * One of them at a time for each probe. */
ad__slice ad__probe_coordinate(ad__probe *p, size_t i);
ad__slice ad__probe_direction(ad__probe *p, const double direction[]);

/* Values of all nodes at x + t*direction (or the coordinate); what was moved, and no other node, at x again. False: the
 * replay stopped. */
bool ad__probe_move(ad__probe *p, double t, double *moved);
void ad__probe_back(ad__probe *p);
void ad__probe_sweep(const ad__probe *p);      /* values and adjoints at x, where all coordinates are back */
bool ad__probe_same(const ad__probe *p);       /* after a move: on the same side of every kink as at x? */

/* What one rounding in the operation of a node may be off, at most: a bound of the error of its value
 * with exact operands. */
double ad__node_noise(const ad_tape *tape, uint32_t node);

/* What all roundings together may do to a node after a sweep from it: an error in a value reaches it times its adjoint. */
double ad__swept_noise(const ad_tape *tape, uint32_t last);

/* Adjoints of the nodes up to `last` in which nothing cancels: the sizes of all terms are added. size: last + 1. */
void ad__adjoint_sizes(const ad_tape *tape, uint32_t last, double size[]);

/* The slope of y in x by differences, and what it may be off; false where none could be formed. */
bool ad__difference(ad_var y, ad_var x, double *slope, double *error);

/* What a node that selects, a row or a reduction, decides: another number where it decides otherwise. */
double ad__side_of(const ad_tape *tape, uint32_t node);

#endif
