/* roll.h - repetition found among the uniform values of a program. */
#ifndef TAPIR_ROLL_H
#define TAPIR_ROLL_H

#include "program/program.h"

/* Writes p->instruction, the uniform values as they run, with what repeats in rolls, gives every
 * uniform value its home and sets p->uniforms. p->step has room for all values and receives the
 * uniform ones, in order. False when memory is out. */
bool ad__roll_up(ad_program *p);

#endif
