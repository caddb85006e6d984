/* fold.h - graphs too large to show, made smaller: nodes put together into boxes.
 *
 * A box is a stretch of the tape: the nodes first..last that lead to a result. Operands stand to the left
 * of their users, so boxes too only use boxes to their left, and what is drawn has no circles. */
#ifndef TAPIR_FOLD_H
#define TAPIR_FOLD_H

#include "tape/tape.h"

typedef struct ad__box {
    uint32_t first, last, count;       /* count: nodes that lead to a result; 1: just first */
    uint32_t scope;                    /* the scope that was folded; AD__NO_SCOPE: a node, or a plain stretch */
} ad__box;

typedef struct ad__fold {
    ad__box  *box;
    uint32_t *of;                      /* by node: its box; UINT32_MAX where it leads nowhere */
    uint32_t  boxes, scopes, stretches;        /* how many of the boxes are folded scopes, and stretches */
    uint32_t  length;                  /* nodes of `of` */
} ad__fold;

/* Boxes for the nodes with used[i], i < length, at most `most` of them if that can be. keep[i]: node i must
 * stay alone (a result). Scopes are folded first, inner ones before outer ones; then stretches of neighbours.
 * False: out of memory. Free it in any case. */
bool ad__fold_make(const ad_tape *tape, uint32_t length, const bool used[], const bool keep[], size_t most,
                   ad__fold *fold);
void ad__fold_free(ad__fold *fold);

/* "layer 0: 12 operations", "#5 ... #16: 12 operations". Only for boxes of more than one node. */
void ad__fold_label(const ad_tape *tape, const ad__box *box, size_t room, char text[]);

/* "a / b": a scope with those around it. */
void ad__scope_label(const ad_tape *tape, uint32_t scope, size_t room, char text[]);

/* "3 scopes and 2 stretches of nodes are folded"; "" when nothing is. */
void ad__fold_said(const ad__fold *fold, size_t room, char text[]);

#endif
