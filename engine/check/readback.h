/* readback.h - a program recorded on a tape again, so that the checker can bound the rounding
 * errors of a row. */
#ifndef TAPIR_READBACK_H
#define TAPIR_READBACK_H

#include "program/program.h"

typedef struct ad__readback {
    const ad_program *program;
    ad_tape          *tape;
    ad_var           *param, *input, *value; /* value: by node of the program */
} ad__readback;

/* Records the program at these parameters and this row. AD_NO_MEMORY, or the status of what could
 * not be recorded. Close it in any case. */
ad_status ad__readback_open(ad__readback *b, const ad_program *program, const double param[],
                            const double input[]);
void      ad__readback_close(ad__readback *b);

/* A bound on the rounding error of an output at these parameters and this row; 0 if there is no
 * value. */
double ad__readback_noise(ad__readback *b, const double param[], const double input[],
                          size_t output);

/* Adds to terms[params] the sizes of the terms that the gradient of output 0 is a sum of, at these
 * parameters and this row. False: out of memory. */
bool ad__readback_terms(ad__readback *b, const double param[], const double input[],
                        double terms[]);

#endif
