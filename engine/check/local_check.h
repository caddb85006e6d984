/* local_check.h - the two layers of a check that look inside a tape: each rule alone, and the sweep. */
#ifndef TAPIR_LOCAL_CHECK_H
#define TAPIR_LOCAL_CHECK_H

#include "check/probe.h"
#include "check/report.h"

/* splitmix64 (Vigna 2015), from which random directions are made. */
uint64_t ad__random(uint64_t *state);

/* A random point on the unit sphere, coordinate i scaled by max(1, |x[i]|); what is infinite cannot be moved and gets 0. */
void ad__random_direction(uint64_t *state, size_t n, const double x[], double direction[]);

/* The partials of every operation that leads to y against differences of that operation at its recorded
 * operands; goes into local_count and culprits. */
void ad__check_rules(ad__probe *p, ad__report *r, double rtol);

/* Forward against reverse; each adjoint against what the users of its node send; a sweep against a
 * second one. Goes into sweep and its numbers. */
void ad__check_sweep(ad__probe *p, ad__report *r, uint64_t seed);

#endif
