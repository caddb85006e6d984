/* custom.h - custom operations, for the formula parser. */
#ifndef TAPIR_CUSTOM_H
#define TAPIR_CUSTOM_H

#include "tape/tape.h"

/* Does the operation have a name, a value and partials? Otherwise the error is kept. */
bool ad__check_op(ad_tape *tape, const char *what, const ad_custom_op *op);

/* Registers an operation under its name, replacing an older one of that name. False: out of
 * memory. */
bool ad__define(ad_tape *tape, const ad_custom_op *op, void *context);

/* The operation registered under a name, or NULL. */
const ad__own_op *ad__defined(const ad_tape *tape, const char *name, size_t length);

#endif
