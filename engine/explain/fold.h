/* fold.h - graphs that are too large to show, made smaller by merging nodes into boxes.
 *
 * A box is a contiguous range of the tape: those of its nodes first..last that lead to a result.
 * Operands come before their users, so boxes also use only boxes to their left, and the graph of
 * boxes has no cycles. */
#ifndef TAPIR_FOLD_H
#define TAPIR_FOLD_H

#include "tape/tape.h"

typedef struct ad__box {
    uint32_t first, last, count; /* count: how many nodes lead to a result; 1: just `first` */
    uint32_t scope; /* the scope that was folded; AD__NO_SCOPE: a single node, or a range */
} ad__box;

typedef struct ad__fold {
    ad__box  *box;
    uint32_t *of; /* by node: its box; UINT32_MAX if it leads to no result */
    /* boxes, and how many of them are folded scopes and folded ranges */
    uint32_t  boxes, scopes, stretches;
    uint32_t  length; /* the number of elements of `of` */
} ad__fold;

/* Makes boxes for the nodes i < length with used[i], at most `most` of them if possible. If
 * keep[i], node i stays alone (a result). Scopes are folded first, inner ones before outer ones;
 * then ranges of adjacent boxes. False: out of memory. Free it in any case. */
bool ad__fold_make(const ad_tape *tape, uint32_t length, const bool used[], const bool keep[],
                   size_t most, ad__fold *fold);
void ad__fold_free(ad__fold *fold);

/* "layer 0: 12 operations", "#5 ... #16: 12 operations". Only for boxes of more than one node. */
void ad__fold_label(const ad_tape *tape, const ad__box *box, size_t room, char text[]);

/* "a / b": a scope after the scopes around it. */
void ad__scope_label(const ad_tape *tape, uint32_t scope, size_t room, char text[]);

/* "3 scopes and 2 stretches of nodes are folded"; "" if nothing is. */
void ad__fold_said(const ad__fold *fold, size_t room, char text[]);

#endif
