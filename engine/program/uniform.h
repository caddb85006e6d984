/* uniform.h - the values of a program that depend on its parameters alone, and their adjoints. */
#ifndef TAPIR_UNIFORM_H
#define TAPIR_UNIFORM_H

#include "program/program.h"

/* All constants, parameters and uniform values, by home, into u, of p->uniforms numbers; `space`
 * has room for p->roll_space. An index of a pick that is out of range is kept in f, and its value
 * is NaN. Every number of u must have been written once before: lanes behind the last repetition of
 * a roll read what they find. */
void ad__uniform_forward(const ad_program *p, const double param[], double u[], double space[],
                         ad__failure *f);

/* Adjoints of uniform values, by home, p->uniforms of them: those that arrived from elsewhere are
 * pushed on to the parameters. */
void ad__uniform_reverse(const ad_program *p, double u[], double adjoint[], double space[]);

#endif
