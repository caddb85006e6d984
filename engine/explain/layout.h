/* layout.h - the positions of boxes in a picture: in layers, operands left of their users.
 *
 * K. Sugiyama, S. Tagawa, M. Toda, "Methods for visual understanding of hierarchical system
 * structures", IEEE Transactions on Systems, Man, and Cybernetics 11, 1981: layers by the longest
 * path, edges that span several layers cut into short ones, the order within a layer by the mean
 * position of the neighbours. */
#ifndef TAPIR_LAYOUT_H
#define TAPIR_LAYOUT_H

#include "explain/fold.h"

/* An edge between two boxes, from operand to user. */
typedef struct ad__link {
    uint32_t from, to;
    double   local;         /* the sum of the local derivatives if both boxes are single nodes */
    uint32_t first, points; /* its polyline: point[first .. first + points - 1] */
} ad__link;

typedef struct ad__point {
    double x, y;
} ad__point;

typedef struct ad__spot {
    double x, y, width, height; /* centre and size */
} ad__spot;

typedef struct ad__layout {
    double     width, height;
    ad__spot  *spot; /* by box */
    ad__link  *link; /* ascending in `to`, then in `from` */
    size_t     links;
    ad__point *point;
} ad__layout;

/* width[k] is that of box k; all have the same height. False: out of memory. Free it in any
 * case. */
bool ad__layout_make(const ad_tape *tape, const ad__fold *fold, const double width[], double height,
                     ad__layout *layout);
void ad__layout_free(ad__layout *layout);

/* Only the links, without positions: for DOT. */
bool ad__layout_links(const ad_tape *tape, const ad__fold *fold, ad__layout *layout);

#endif
