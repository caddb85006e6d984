/* sweep.h - one reverse sweep. The engine whose sweep can be made wrong (spoil.h) has another in
 * its place. */
#ifndef TAPIR_SWEEP_H
#define TAPIR_SWEEP_H

#include "tape/tape.h"

/* The derivatives of node `last` in the nodes 0..last, as their adjoints, from zeros on: those
 * of nodes from tape->dirty on are 0 as they were recorded, and dirty moves up. A pick that picks
 * nothing is an error, which is kept; adjoints mean nothing then. */
void ad__sweep(ad_tape *tape, uint32_t last);

#endif
