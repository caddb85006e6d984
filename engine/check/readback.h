/* readback.h - a program recorded on a tape again, for the checker: what its roundings may do to a row. */
#ifndef TAPIR_READBACK_H
#define TAPIR_READBACK_H

#include "program/program.h"

typedef struct ad__readback {
    const ad_program *program;
    ad_tape          *tape;
    ad_var           *param, *input, *value;      /* of each value of the program */
} ad__readback;

/* At these parameters and this row. AD_NO_MEMORY, or the status of what cannot be recorded. Close it in any case. */
ad_status ad__readback_open(ad__readback *b, const ad_program *program, const double param[], const double input[]);
void ad__readback_close(ad__readback *b);

/* The rounding error of an output at these parameters and this row, at most; 0 where it cannot be told. */
double ad__readback_noise(ad__readback *b, const double param[], const double input[], size_t output);

/* Adds to terms[params] the sizes of the terms of the gradient of output 0 at these parameters and this row. False: out
 * of memory. */
bool ad__readback_terms(ad__readback *b, const double param[], const double input[], double terms[]);

#endif
