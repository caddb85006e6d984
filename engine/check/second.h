/* second.h - second derivatives of a tape, checked. */
#ifndef TAPIR_SECOND_H
#define TAPIR_SECOND_H

#include "check/probe.h"
#include "check/report.h"

/* H*v against differences of gradients; vHw against wHv; what is left of f after its Taylor polynomial of
 * degree 2. Goes into the second part of the report. */
void ad__check_second(ad__probe *p, ad__report *r, const ad_check_options *options);

/* The first node, coming from y, one of whose derivatives, or second derivatives, is not finite at x, and that number. */
bool ad__second_not_finite(const ad__probe *p, uint32_t *node, double *number);

#endif
