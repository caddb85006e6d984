/* single.h - the gradient of a program over one example.
 *
 * In a block of rows (block.h) a lane is an example, and one example alone leaves seven lanes of
 * eight idle, in as many moves as there are values. But most values of an example do not look at
 * each other either: units of a layer, positions of a text, heads, terms. Here all values that have
 * the same operation, and the same number of steps between them and the inputs, are a *team*,
 * computed as lanes side by side; and layers with the same weights are a team whose lanes are the
 * layers. A layer that is alone with its weights is a matrix times a vector.
 *
 * Values are numbers in homes, behind those of the uniform values. Each lane is computed by the
 * kernels that a block uses, so a value has the same bits as in a batch. Adjoints are added up in
 * another order, but always in the same one. */
#ifndef TAPIR_SINGLE_H
#define TAPIR_SINGLE_H

#include "program/program.h"

typedef struct ad__team {
    /* a layer: sources of its n operands, then of its m outputs; a pick: of the index */
    ad__body body;
    uint32_t lanes;
    /* a layer: any of them; a pick: place in `index` of the homes it picks from, lane by lane */
    uint32_t number;
} ad__team;

typedef struct ad__single {
    size_t      teams; /* 0: the program gains nothing by them */
    ad__team   *team;  /* operands before users */
    ad__source *source;
    uint32_t   *index; /* homes */
    uint32_t   *order; /* 0, 1, 2, ...: rows of a layer, as its kernel wants them */
    uint32_t   *guard; /* homes of what guards look at, by guard; those that are uniform too */
    uint32_t    input, output; /* homes of the first input and of output 0 */
    /* by layer: its weights are taken as they stand, neither packed nor their gradients */
    bool       *direct;
    bool        packs;    /* are there any others? */
    size_t      homes;    /* numbers in all, uniform ones first */
    size_t      space;    /* doubles to compute in */
    size_t      pointers; /* in each list of the workspace */
} ad__single;

typedef struct ad__single_work {
    double        *u, *adjoint;     /* by home; the uniform values are there already */
    double        *weight;          /* gradients of the weights of layers */
    const double  *packed, *turned; /* weights of layers, as in a block */
    double        *space, **to;
    const double **operand, **from;
} ad__single_work;

/* How a program runs over one example, made when first asked for and kept with it; NULL when out of
 * memory. */
const ad__single *ad__single_for(const ad_program *p);
void              ad__single_free(ad__single *s);

/* Adjoints of output 0, into w->adjoint and w->weight. False when there is something to tell, a
 * guard that would turn or an index that picks nothing, or something that wants care (block.h):
 * then a block has to do it. Weights are finite. */
bool ad__single_gradient(const ad_program *p, const ad__single *s, const ad__single_work *w,
                         const double input[]);

#endif
