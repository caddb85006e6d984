/* special.h - the few functions that rows of ops.def call and C does not have, or not safely. */
#ifndef TAPIR_SPECIAL_H
#define TAPIR_SPECIAL_H

/* The polygamma function of whole order >= 0: order 0 is digamma, the derivative of log gamma; order
 * n its n-th derivative. NaN at a pole for even orders, +inf for odd ones; NaN for an order that
 * is not whole, negative or above 100. */
double ad__polygamma(double order, double x);

/* log |gamma(x)|, without the global sign that lgamma writes (two threads would race on it). */
double ad__lgamma(double x);

#endif
