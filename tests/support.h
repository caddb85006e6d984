/* support.h - what the tests of the engine share: the rows as a list of cases, derivatives by
 * differences, and one scenario that goes through the whole engine.
 *
 * Everything here reaches the engine through ad.h, so that a test says what a user would see. */
#ifndef TAPIR_TESTS_SUPPORT_H
#define TAPIR_TESTS_SUPPORT_H

#include "engine/ad.h"

/* One case for each row of ops.def, in the order of the table. */
enum {
#define R1(name, ...) ROW_##name,
#define R2(name, ...) ROW_##name,
#include "engine/ops.def"
    ROWS
};

typedef struct row {
    const char *name;
    int         operands;
    ad_var (*one)(ad_var x);                      /* NULL for two operands */
    ad_var (*two)(ad_var x, ad_var y);            /* NULL for one */
    double (*side)(double x, double y, double v); /* see ops.def */
} row;

extern const row rows[ROWS];

/* The operation on handles; y is not looked at by rows of one operand. */
ad_var row_record(const row *r, ad_var x, ad_var y);

/* The operation on plain numbers. */
double row_value(const row *r, double x, double y);

/* A derivative by Romberg's extrapolation of central differences, and how far it may be off. Both
 * are NaN when f was not finite at some point of the stencil. */
typedef struct estimate {
    double value, error;
} estimate;

typedef double function(double x, void *context);

enum { STENCIL_LEVELS = 7 }; /* steps first_step/2^0 ... first_step/2^6 */
estimate differences(function *f, void *context, double x, double first_step);

/* |got - want| <= relative*|want| + absolute, or the same infinity, or both NaN. */
bool close_to(double got, double want, double relative, double absolute);
bool same_bits(double a, double b);

/* 2^-53, half of a unit in the last place of 1. */
#define U 1.1102230246251565e-16

/* Reproducible numbers: xorshift64*, Vigna 2016. The state is not 0. */
uint64_t random_bits(uint64_t *state);
double   random_uniform(uint64_t *state, double low, double high);

/* Everything the engine does, once, on the tape: inputs, a chain of so many operations (so that
 * every array grows; SCENARIO_LONG takes them past 2 MiB, where they may be laid out otherwise),
 * numbers, reductions, names, formulas, a branch, replay, sweeps, marks and rewinds, an explanation
 * written to `to` unless it is NULL. The tape is as long afterwards as before. Returns its status,
 * or that of the explanation. */
ad_status scenario(ad_tape *tape, int steps, FILE *to);

enum { SCENARIO_SHORT = 3000, SCENARIO_LONG = 90000 };

/* The text of an explanation of y, cut off at room - 1 characters; the status of ad_explain. */
ad_status explained(ad_var y, size_t room, char text[]);

#endif
