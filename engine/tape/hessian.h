/* hessian.h - what recording a gradient asks of second derivatives. */
#ifndef TAPIR_HESSIAN_H
#define TAPIR_HESSIAN_H

#include "tape/tangent.h"

/* First and second derivatives of nodes 0...last when the x move all at once, in a direction that
 * favours none. */
typedef struct ad__motions {
    double *first, *second;
} ad__motions;

/* False with the error kept. Free it in any case. */
bool ad__motions_make(ad__motions *motions, ad_tape *tape, uint32_t last, size_t n,
                      const ad_var x[]);
void ad__motions_free(ad__motions *motions);

#endif
