/* estimate.h - the derivative of a function of one number by differences, with its error, and what
 * it says about a claimed derivative. Knows nothing of tapes: a function is anything that can be
 * evaluated at x + t. */
#ifndef TAPIR_ESTIMATE_H
#define TAPIR_ESTIMATE_H

#include "ad.h"
#include "base/ops.h" /* AD__ROUNDING */

#define AD__TERMS 1e-13 /* a few hundred roundings, relative to the terms of a sum */

typedef struct ad__sample {
    double moved; /* the actual displacement: (x + t) - x */
    double value;
    bool   same; /* on the same side of every kink and branch as x? */
} ad__sample;

typedef struct ad__slice {
    ad__sample (*at)(void *context, double t);
    /* rounding error of the value at x + t; NULL: as at x */
    double (*noise_at)(void *context, double t);
    void  *context;
    double value;   /* at x, finite */
    double noise;   /* a bound on its rounding error */
    double size;    /* |x|; steps start at max(1, size)/4 and shrink */
    bool   bounded; /* noise is a proven bound, at least at the ends of steps */
    double unit;    /* unit roundoff of x and of the values; 0: 2^-53 */
} ad__slice;

typedef enum ad__shape {
    AD__SMOOTH,    /* slope and error are valid */
    AD__KINKED,    /* left and right are valid, and different */
    AD__VERTICAL,  /* slopes grow without bound: a jump, a vertical tangent */
    AD__EDGE,      /* no finite values on one side, or on both */
    AD__UNRESOLVED /* no two steps agree */
} ad__shape;

typedef struct ad__estimate {
    ad__shape shape;
    /* error: a bound on the error of slope; step: of the differences used */
    double    slope, error, step;
    /* how far three successive steps are from the slope at most: a smaller gap is no evidence */
    double    three;
    double    left, right, side_error; /* one-sided slopes, NaN if there are none */
    double    scale;                   /* a typical slope of this function near x */
    bool      level;                   /* the values at all steps that counted equal the one at x */
    /* the largest distance of a value from the one at x, at this step and shorter ones */
    double    range;
    /* steps this short see nothing but noise; within steps this long the function turns; or NaN */
    double    drowned, turned;
    size_t    evaluations;
} ad__estimate;

/* Never looks at any claim. */
ad__estimate ad__estimate_slope(const ad__slice *line);

typedef struct ad__judgement {
    ad_verdict   verdict;
    double       gap, tolerance;
    ad__estimate estimate;
} ad__judgement;

/* Compares a claimed derivative with an estimate. rtol: a relative error that is allowed even if
 * differences could detect a smaller one; with at least 1e-9 the easy cases take four
 * evaluations. */
ad__judgement ad__judge(const ad__slice *line, double claimed, double rtol);

/* A second look, in long steps, at a claim that passes only because the estimate is poor: FAIL if
 * they resolve the slope better and exclude the claim. Not for sums of claims: the tolerance of a
 * direction covers what each of its claims may be off by. */
void ad__look_closer(ad__judgement *j, const ad__slice *line, double claimed, double rtol);

/* A claim that was computed by adding up terms is no better than what a few hundred roundings do to
 * these. A gap within that does not fail; nor does it pass, but is WEAK, unless that error is
 * negligible compared with the claim. */
void ad__allow_rounding(ad__judgement *j, double terms, double claimed);

/* What a few long steps see: FAIL if the claim is off by more than their noise and what terms of
 * higher order may add. Only a hint where to look closer: there is no second opinion. */
ad__judgement ad__suspect(const ad__slice *line, double claimed);

/* The rounding error at t of a function that can only be called, measured by differences of high
 * order at steps so small compared with `length` that those of a smooth function vanish. unit: of
 * its arithmetic; 0: 2^-53. */
double ad__measured_noise(ad__sample (*at)(void *context, double t), void *context, double t,
                          double length, double unit);

/* x in the arithmetic with this unit roundoff: 2^-24 is float, 2^-11 half, 0 double. */
double ad__rounded_to(double unit, double x);

/* Are values representable in a narrower arithmetic than double? */
typedef struct ad__unit_seen {
    bool   any, varies, wider_than_half, wider_than_float;
    double first;
} ad__unit_seen;

void   ad__unit_note(ad__unit_seen *seen, double value);
double ad__unit_of(const ad__unit_seen *seen); /* 0: double; or values that tell nothing */

/* The order of the error of the Taylor polynomial of degree 1 (or 2, with curvature) in the step:
 * about 2 (3) if slope (and curvature) are right. NaN if the error is too small to see. */
double ad__taylor_slope(const ad__slice *line, double slope, double curvature, int degree);

#endif
