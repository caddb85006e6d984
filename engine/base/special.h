/* special.h - the few functions that rows of ops.def call and C does not have, or not safely. */
#ifndef TAPIR_SPECIAL_H
#define TAPIR_SPECIAL_H

/* A piece of C that is compiled and, for exported programs, kept as text (without its comments). */
#define AD__CODE_AND_TEXT(text, ...) __VA_ARGS__ static const char text[] = #__VA_ARGS__;

/* The polygamma function of whole order >= 0: order 0 is digamma, the derivative of log gamma; order
 * n its n-th derivative. NaN at a pole for even orders, +inf for odd ones; NaN for an order that
 * is not whole, negative or above 100. */
double ad__polygamma(double order, double x);

/* ad__polygamma and what it calls, as text: pieces, then NULL. */
extern const char *const ad__polygamma_source[];

/* log |gamma(x)|, without the global sign that lgamma writes (two threads would race on it). */
double ad__lgamma(double x);

#endif
