/* local_check.h - the two checks that look inside a tape: each rule by itself, and the sweep. */
#ifndef TAPIR_LOCAL_CHECK_H
#define TAPIR_LOCAL_CHECK_H

#include "check/probe.h"
#include "check/report.h"

/* splitmix64 (Vigna 2015), the source of random directions. */
uint64_t ad__random(uint64_t *state);

/* A random point on the unit sphere, with coordinate i scaled by max(1, |x[i]|); an infinite x[i]
 * cannot be moved and gets 0. */
void ad__random_direction(uint64_t *state, size_t n, const double x[], double direction[]);

/* Compares the partials of every operation that leads to y with differences of that operation at
 * its recorded operands; fills in local_count and culprits. */
void ad__check_rules(ad__probe *p, ad__report *r, double rtol);

/* Compares forward with reverse, each adjoint with the sum of its users' contributions, and a
 * second sweep with the first; fills in `sweep` and its numbers. */
void ad__check_sweep(ad__probe *p, ad__report *r, uint64_t seed);

#endif
