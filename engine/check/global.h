/* global.h - the claim against differences of the whole function, whatever that is: a tape, a
 * program, any function. */
#ifndef TAPIR_GLOBAL_H
#define TAPIR_GLOBAL_H

#include "check/options.h"

/* What is checked: n numbers, a claim about each, and a way to get the function along a line
 * through any of them. */
typedef struct ad__subject {
    size_t        n;
    const double *x, *claimed;
    ad__slice (*coordinate)(void *self, size_t i);
    ad__slice (*direction)(void *self, const double direction[]);
    const char *(*name)(void *self, size_t i); /* NULL: it has none */
    void *self;
    /* n: sizes of the terms that the claims are sums of. NULL: not known */
    const double *(*terms)(void *self);
    /* the derivative that is claimed along a direction; NULL: that of `claimed` */
    double (*claim)(void *self, const double direction[]);
} ad__subject;

typedef struct ad__task {
    const ad__subject *s;
    ad_check_options   options;
    ad__report        *r;
    uint64_t           random;
    double            *direction, *part; /* n each */
    /* of a bisection: how many coordinates fail, and how many are on a kink */
    size_t             found, kinked;
    /* of a bisection of what is only suspect: how many parts were looked at, and the most */
    bool               suspects;
    size_t             looks, most_looks;
} ad__task;

/* False: out of memory, which is noted in the report. */
bool ad__task_begin(ad__task *t, const ad__subject *s, const ad_check_options *o, ad__report *r);
void ad__task_end(ad__task *t);

ad__judgement ad__judge_coordinate(ad__task *t, size_t i);
ad__judgement ad__judge_along(ad__task *t, const double direction[], double *claimed);

/* A random direction; with few digits on a larger sphere, where each coordinate moves by about 1:
 * less would be lost in their noise. */
void ad__block_direction(uint64_t *random, double unit, size_t n, const double x[],
                         double direction[]);

/* What rounding may have done to the sum of claims*direction, as ad__allow_rounding takes it. */
double ad__claims_rounding(double unit, size_t n, const double claimed[], const double direction[]);

/* Bisects coordinates from..from+count-1 of t->direction, along which the claim fails: as the line
 * added last says. */
void ad__find_wrong(ad__task *t, size_t from, size_t count);

/* The same for a direction that does not fail, if longer steps than those of its line make it
 * suspect: true if a coordinate fails by itself. Then the line added last fails too; else nothing
 * is reported. t->direction is made longer. ad__begin_looks: before the first direction of these
 * coordinates. */
void ad__begin_looks(ad__task *t, size_t count);
bool ad__find_hidden(ad__task *t, size_t from, size_t count);

/* All coordinates, or the direction of the options: adds lines, and sets the verdicts of the
 * coordinates. */
void ad__check_all(ad__task *t);
void ad__check_taylor(ad__task *t);

/* ---- functions without a value, or with two */
bool ad__same_number(double a, double b); /* NaN is NaN */
void ad__all_coordinates(ad__report *r, ad_verdict verdict);
void ad__unstable(ad__report *r, double first, double second);
/* Without a value there are no differences; wrong rules and sweeps are found all the same. */
void ad__without_value(ad__report *r, double value);

#endif
