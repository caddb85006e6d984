/* function.h - a function that can only be called, as something whose gradient can be checked. */
#ifndef TAPIR_FUNCTION_H
#define TAPIR_FUNCTION_H

#include "check/global.h"

typedef struct ad__callable {
    double (*f)(size_t n, const double x[], void *context);
    void         *context;
    size_t        n, evaluations, coordinate;
    const double *x, *direction;
    double       *at;
    double        value, noise;
    double        unit; /* of its arithmetic, in which x is; 0: double */
    double (*rounding_bound)(const double x[], void *context); /* of a value; NULL: not known */
    const double *(*sizes)(void *self); /* of the terms of its gradient; NULL: not known */
    double *terms;                      /* n, made by `sizes` */
} ad__callable;

enum { AD__UNIT_POINTS = 20 }; /* at which the arithmetic is looked at */

/* A point near x with all digits of a double. */
void ad__point_nearby(uint64_t *random, size_t n, const double x[], double near[]);

/* context, self: an ad__callable */
ad__sample ad__call_at(void *context, double t);
ad__slice  ad__call_coordinate(void *self, size_t i);
ad__slice  ad__call_direction(void *self, const double direction[]);
/* Rounding of x + t*direction counts as noise too; so noise is measured along a direction that is
 * scaled to x. */
void       ad__noise_direction(uint64_t *random, size_t n, const double x[], double direction[]);
/* what rounding does to its value at x */
double     ad__call_noise_measured(ad__task *t, ad__callable *c);
void       ad__check_callable(ad__callable *c, ad__report *r, const ad_check_options *o,
                              const double claimed[]);

#endif
