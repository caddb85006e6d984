/* custom.h - operations of the user's own, for the formula reader. */
#ifndef TAPIR_CUSTOM_H
#define TAPIR_CUSTOM_H

#include "tape/tape.h"

/* Has the operation what it needs? Otherwise the error is kept. */
bool ad__check_op(ad_tape *tape, const char *what, const ad_custom_op *op);

/* Keep an operation by its name, in place of an older one of that name. False: out of memory. */
bool ad__define(ad_tape *tape, const ad_custom_op *op, void *context);

/* The operation kept under a name, or NULL. */
const ad__own_op *ad__defined(const ad_tape *tape, const char *name, size_t length);

#endif
