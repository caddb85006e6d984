/* memo.h - a function of many values, called at most once for each point. */
#ifndef TAPIR_MEMO_H
#define TAPIR_MEMO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef void ad__many(size_t n, const double x[], size_t m, double y[], void *context);

typedef struct ad__memo_point {
    uint64_t key[2];
    size_t   row; /* of values, from 1; 0: a free slot */
} ad__memo_point;

typedef struct ad__memo {
    ad__many       *f;
    void           *context;
    size_t          n, m, evaluations;
    size_t          most; /* so many points are kept; then all are forgotten */
    ad__memo_point *slot; /* a hash table, at most half full */
    size_t          slots, points, room;
    double         *x, *value; /* n: what f gets, and may write into; room x m */
} ad__memo;

bool ad__memo_open(ad__memo *memo, ad__many *f, void *context, size_t n, size_t m); /* memory? */
void ad__memo_close(ad__memo *memo);

/* f at x, called anew: NaN where it writes nothing */
void          ad__memo_call(ad__memo *memo, const double x[], double y[]);
/* the same, remembered; m numbers until the next call; NULL: out of memory */
const double *ad__memo_at(ad__memo *memo, const double x[]);

#endif
