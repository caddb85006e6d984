/* adolc.h - the C++ side of adolc.c. */
#ifndef TAPIR_BENCH_ADOLC_H
#define TAPIR_BENCH_ADOLC_H

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Record the simulation once, at a = 0.3, x = 0.5. */
void adolc_record_steps(int steps);

/* The mean over the rows of the last x, plus its derivative in a. */
double adolc_steps(double a, size_t rows, const double start[]);

#ifdef __cplusplus
}
#endif

#endif
