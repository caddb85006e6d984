/* sandbox.h - calls a function of a shared library in a process of its own, so that a function that
 * crashes, ends the program or never returns ends only that. */
#ifndef TAPIR_DEMOS_SANDBOX_H
#define TAPIR_DEMOS_SANDBOX_H

#include <stdbool.h>
#include <stddef.h>

/* In C the functions are
 *     double f(size_t n, const double x[]);
 *     void   g(size_t n, const double x[], double gradient[]);
 * and for m outputs
 *     void f(size_t n, const double x[], size_t m, double y[]);
 *     void g(size_t n, const double x[], size_t m, double jacobian[]);    m x n, row by row
 * with a last argument void *context, which is NULL, if so asked. In Fortran all arguments are
 * addresses, n and m are default integers, a Jacobian stands column by column, and a symbol ends
 * with an underscore. A form for other types
 * of numbers is a member here, and a case in call_value and call_gradient of sandbox.c. */
typedef struct sandbox_config {
    const char *library, *function, *gradient;
    bool        fortran, context;
    double      timeout;    /* seconds a call may take */
    size_t      n, outputs; /* 0: a value, and its gradient */
} sandbox_config;

typedef struct sandbox sandbox;

/* NULL, with a message on stderr: there is no memory or no process. The config is kept, not
 * copied. */
sandbox *sandbox_new(const sandbox_config *config);
void     sandbox_free(sandbox *s);

/* False if the call did not come to its end; the results are then NaN, and sandbox_trouble says
 * what happened. The next call has a fresh process. */
bool sandbox_value(sandbox *s, const double x[], double y[]);
bool sandbox_gradient(sandbox *s, const double x[], double gradient[]); /* or Jacobian, m x n */

/* The first that went wrong, in a sentence; "": nothing. */
const char *sandbox_trouble(const sandbox *s);
size_t      sandbox_ends(const sandbox *s);    /* calls that did not come to their end */
bool        sandbox_loaded(const sandbox *s);  /* both functions were found */
bool        sandbox_gave_up(const sandbox *s); /* nothing is called any more */

#endif
