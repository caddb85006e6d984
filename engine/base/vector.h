/* vector.h - arithmetic on arrays of double, compiled once for each instruction set.
 *
 * The same few loops are compiled for x86-64-v2, -v3 and -v4 (once elsewhere), and the widest that
 * the machine supports is chosen when a tape is made; TAPIR_ISA=v2, v3 or v4 in the environment
 * asks for another, for tests. Sums run in sixteen lanes that are added in a fixed order, so that
 * within one instruction set the result depends on nothing but the numbers. */
#ifndef TAPIR_VECTOR_H
#define TAPIR_VECTOR_H

#include "ad.h"

#include <stddef.h>

typedef struct ad__vector {
    const char *name; /* "v3" */
    double (*sum)(size_t n, const double x[]);
    double (*dot)(size_t n, const double x[], const double y[]);
    /* y += a*x; x and y do not overlap */
    void (*add_scaled)(size_t n, double a, const double x[], double y[]);
    void (*add_number)(size_t n, double a, double y[]); /* y += a */
    bool (*in_row)(size_t n, const ad_var x[]); /* one tape, one era, nodes a, a+1, ..., a+n-1? */
    /* plain, and these bits? */
    bool (*same_numbers)(size_t n, const ad_var x[], const double number[]);
} ad__vector;

extern const ad__vector ad__vector_base;
#if defined(AD__ISA_LEVELS)
extern const ad__vector ad__vector_v2, ad__vector_v3, ad__vector_v4;
#endif

/* The best for this machine, or the one that TAPIR_ISA asks for if the machine supports it. */
const ad__vector *ad__vector_choose(void);

#endif
