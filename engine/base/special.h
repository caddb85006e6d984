/* special.h - the few functions that rows of ops.def call and that C lacks, or has but not
 * thread-safe. */
#ifndef TAPIR_SPECIAL_H
#define TAPIR_SPECIAL_H

/* Code that is compiled and, for exported programs, also kept as text (without its comments). */
#define AD__CODE_AND_TEXT(text, ...) __VA_ARGS__ static const char text[] = #__VA_ARGS__;

/* The polygamma function of an integer order >= 0: order 0 is digamma, the derivative of log gamma;
 * order n is its n-th derivative. At a pole NaN for even orders, +inf for odd ones; NaN for an
 * order that is negative, above 100 or no integer. */
double ad__polygamma(double order, double x);

/* The text of ad__polygamma and what it calls: pieces, then NULL. */
extern const char *const ad__polygamma_source[];

/* log |gamma(x)|, without writing the global sign as lgamma does (two threads would race on it). */
double ad__lgamma(double x);

#endif
