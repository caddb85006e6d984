/* second.h - checks second derivatives of a tape. */
#ifndef TAPIR_SECOND_H
#define TAPIR_SECOND_H

#include "check/probe.h"
#include "check/report.h"

/* Compares H*v with differences of gradients, and vHw with wHv; measures what is left of f after
 * its Taylor polynomial of degree 2. Fills in the second part of the report. */
void ad__check_second(ad__probe *p, ad__report *r, const ad_check_options *options);

/* The first node, starting from y, with a first or second derivative that is not finite at x, and
 * that derivative. */
bool ad__second_not_finite(const ad__probe *p, uint32_t *node, double *number);

#endif
