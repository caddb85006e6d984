/* probe.h - a recorded function at points other than x, by replays; afterwards the values and
 * adjoints of the tape are what they were, to the bit. */
#ifndef TAPIR_PROBE_H
#define TAPIR_PROBE_H

#include "check/estimate.h"
#include "tape/tape.h"

typedef struct ad__probe {
    ad_tape      *tape;
    uint32_t      y;
    size_t        n;
    const ad_var *x;
    /* n: the values of x; the adjoints of x in a reverse sweep from y */
    double       *base, *gradient;
    double       *terms;        /* n: sizes of the terms of the gradient; NULL until asked for */
    double        value, noise; /* of y at x, and what rounding may have done to it */
    size_t        evaluations;
    ad_status     stopped;     /* why a replay away from x could not be finished: AD_OK, or ... */
    char          reason[256]; /* ... in words */

    size_t        coordinate;          /* what moves: this coordinate, */
    const double *direction;           /* or all of them, if this is not NULL */
    double       *kept, *kept_adjoint; /* y + 1 values; `kept_swept` adjoints */
    uint32_t      kept_swept;
    /* nodes with a kink or a jump, and the side of it that they are on at x */
    uint32_t     *side_node;
    double       *side;
    size_t        sides;
} ad__probe;

/* n inputs x and y of one tape, checked by the caller. False with the error kept on the tape: out
 * of memory, or a replay at x that cannot be finished. Close it in any case. */
bool ad__probe_open(ad__probe *p, ad_var y, size_t n, const ad_var x[]);
void ad__probe_close(ad__probe *p);

/* y as a function of one coordinate, or of the distance along a direction (n numbers, which must
 * outlive the slice). A probe has one slice at a time. */
ad__slice ad__probe_coordinate(ad__probe *p, size_t i);
ad__slice ad__probe_direction(ad__probe *p, const double direction[]);

/* Moves the inputs by t*direction (or the coordinate by t) and computes the values of all nodes.
 * ad__probe_back puts the inputs back to x, but no other node. False: the replay stopped. */
bool ad__probe_move(ad__probe *p, double t, double *moved);
void ad__probe_back(ad__probe *p);
/* recomputes values and adjoints at x; all inputs must be back */
void ad__probe_sweep(const ad__probe *p);
bool ad__probe_same(const ad__probe *p); /* after a move: on the same side of every kink as at x? */

/* A bound on the error of a node's value with exact operands: what the roundings inside its
 * operation may do. */
double ad__node_noise(const ad_tape *tape, uint32_t node);

/* A bound on what all roundings together do to a node, after a sweep from it: an error in a value
 * reaches it times the adjoint of that value. */
double ad__swept_noise(const ad_tape *tape, uint32_t last);

/* Adjoints of the nodes up to `last` without cancellation: the sizes of all terms are added. size:
 * last + 1. */
void ad__adjoint_sizes(const ad_tape *tape, uint32_t last, double size[]);

/* The slope of y in x by differences, with its error; false if none could be formed. */
bool ad__difference(ad_var y, ad_var x, double *slope, double *error);

/* What a node that selects, a row or a reduction, decides: another number where it decides
 * otherwise. */
double ad__side_of(const ad_tape *tape, uint32_t node);

#endif
