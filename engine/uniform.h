/* uniform.h - the values of a program that depend on its parameters alone, and their adjoints. */
#ifndef TAPIR_UNIFORM_H
#define TAPIR_UNIFORM_H

#include "program.h"

/* All constants, parameters and uniform values, by home, into u. An index of a pick that is out of range is
 * kept in f, and its value is NaN. */
void ad__uniform_forward(const ad_program *p, const double param[], double u[], ad__failure *f);

/* Adjoints of uniform values, by home: those that arrived from elsewhere are pushed on to the parameters. */
void ad__uniform_reverse(const ad_program *p, const double u[], double adjoint[]);

#endif
