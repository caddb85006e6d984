/* jacobian.h - what is claimed about the Jacobian of a function of many values, against differences
 * of that function. */
#ifndef TAPIR_JACOBIAN_H
#define TAPIR_JACOBIAN_H

#include "check/function.h"
#include "check/memo.h"

/* m x n numbers J, by their products: at least one of the two kinds. */
typedef struct ad__claims {
    void (*left)(void *self, const double u[], double g[]);  /* u'J: n from m; NULL: not given */
    void (*right)(void *self, const double v[], double w[]); /* J v: m from n; NULL: not given */
    /* n: sizes of the terms of u'J; NULL: not known */
    void (*sizes)(void *self, const double u[], double s[]);
    void *self;
} ad__claims;

typedef struct ad__jacobian {
    const ad__claims *claims;
    const char       *what; /* before each name: "" */
    /* makes "y[2]" of 2 for the names of lines: `between` stands between that and the coordinate */
    void (*output_name)(const void *self, size_t i, char text[AD__NAME_ROOM]);
    const char *between, *all, *of_value; /* "/", "all of y", what stands before a value's name */
    ad__report *r;
    ad_check_options options;
    ad__memo         memo;
    ad__callable     c; /* the weighted sum of the outputs */
    uint64_t         random;
    double          *y, *again, *weight, *u;   /* m each: at x; weights of all, and of those in c */
    double          *v, *g, *s, *scaled, *row; /* n each */
    double          *w;                        /* m: J v, if only that is given */
    double          *own;                      /* n: x, if it was rounded */
    bool            *aside;                    /* m: has no value, or was judged by itself */
    unsigned char   *verdict;                  /* n: the worst so far */
    size_t           from, end;                /* the outputs that c adds up */
    size_t           found;                    /* culprits */
} ad__jacobian;

/* May each entry be checked by itself? */
bool ad__jacobian_is_small(const ad__jacobian *j);

/* False: out of memory, noted in the report. x must stay. */
bool ad__jacobian_open(ad__jacobian *j, ad__many *f, void *context, size_t n, const double x[],
                       size_t m, const ad_check_options *o, ad__report *r);
void ad__jacobian_close(ad__jacobian *j);

/* f at x: false, with the reason in the report, if there is nothing to check. */
bool ad__jacobian_values(ad__jacobian *j);
/* Adds lines and sets the verdicts of the coordinates; may be called with one claim after the
 * other. */
void ad__jacobian_check(ad__jacobian *j, const ad__claims *claims, const char *what);
/* Is f still what it was? Sets the verdicts of coordinates, and what is counted. */
void ad__jacobian_finish(ad__jacobian *j);

/* Claims that are m x n numbers. */
typedef struct ad__matrix {
    size_t        n, m;
    const double *a;
} ad__matrix;

ad__claims ad__matrix_claims(ad__matrix *matrix);

#endif
