/* estimate.h - the derivative of a function of one number by differences, with its error, and what that
 * says about a derivative that somebody claims. Knows nothing of tapes: a function is anything that
 * answers at x + t. */
#ifndef TAPIR_ESTIMATE_H
#define TAPIR_ESTIMATE_H

#include "ad.h"
#include "base/ops.h"                          /* AD__ROUNDING */

#define AD__TERMS    1e-13                /* what some hundred roundings do to a sum, of the sizes of its terms */

typedef struct ad__sample {
    double moved;                         /* the displacement really made: (x + t) - x */
    double value;
    bool   same;                          /* on the same side of every kink and branch as x? */
} ad__sample;

typedef struct ad__slice {
    ad__sample (*at)(void *context, double t);
    double (*noise_at)(void *context, double t);   /* rounding error of the value there; NULL: as at x */
    void   *context;
    double  value;                        /* at x, finite */
    double  noise;                        /* the rounding error of it, at most */
    double  size;                         /* |x|; steps are from max(1, size)/4 down */
    bool    bounded;                       /* noise is a bound that comes from the operations, at the ends of steps at least */
} ad__slice;

typedef enum ad__shape {
    AD__SMOOTH,                           /* slope and error are good */
    AD__KINKED,                           /* left and right are good, and different */
    AD__VERTICAL,                         /* slopes grow without end: a jump, a vertical tangent */
    AD__EDGE,                             /* on one side, or on both, there are no values */
    AD__UNRESOLVED                        /* no two steps agree */
} ad__shape;

typedef struct ad__estimate {
    ad__shape shape;
    double    slope, error, step;         /* error: what it may be off; step: of the differences used */
    double    three;                      /* within this three successive steps agree with the slope: less is no evidence */
    double    left, right, side_error;    /* one-sided slopes, NaN where there are none */
    double    scale;                      /* a slope of ordinary size for this function here */
    bool      level;                      /* values at all steps that counted are the one at x */
    double    range;                      /* how far values are from the one at x, at most, at this step and shorter ones */
    double    drowned, turned;            /* steps this short are all noise; in steps this long the function turns; or NaN */
    size_t    evaluations;
} ad__estimate;

/* Never looks at any claim. */
ad__estimate ad__estimate_slope(const ad__slice *line);

typedef struct ad__judgement {
    ad_verdict   verdict;
    double       gap, tolerance;
    ad__estimate estimate;
} ad__judgement;

/* The claimed derivative held against an estimate. rtol: relative error that is allowed even where
 * differences could see a smaller one; at least 1e-9 makes cheap cases cheap. */
ad__judgement ad__judge(const ad__slice *line, double claimed, double rtol);

/* A claim that was found by adding up terms is no better than what some hundred roundings do to those: it does not fail by so
 * much, but it is no evidence either, unless that is little beside it. */
void ad__allow_rounding(ad__judgement *j, double terms, double claimed);

/* The rounding error at t of a function that can only be called, from differences of high order at steps so
 * small beside `unit` that a smooth function has none. */
double ad__measured_noise(ad__sample (*at)(void *context, double t), void *context, double t, double unit);

/* How the error of the Taylor polynomial of degree 1 (or 2, with curvature) falls with the step: about 2
 * (3) when slope (and curvature) are right. NaN where there is too little error to see. */
double ad__taylor_slope(const ad__slice *line, double slope, double curvature, int degree);

#endif
