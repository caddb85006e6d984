/* difference.h - a derivative from values alone, to hold the sweep against. */
#ifndef TAPIR_DIFFERENCE_H
#define TAPIR_DIFFERENCE_H

#include "tape.h"

/* dy/dx of an input x by central differences of replayed values, extrapolated (Ridders 1982), with an
 * estimate of its error. Values are as before afterwards, to the bit. False where no difference could
 * be formed: values that are not finite on both sides, branches that turn, or no memory (then with
 * AD_NO_MEMORY on the tape). */
bool ad__difference(ad_var y, ad_var x, double *slope, double *error);

#endif
