/* spoil.h - one rule, or one step of the sweep, wrong on purpose.
 *
 * A checker that never says FAIL looks the same as one that cannot. So there is a build of the
 * engine (-DAD_SPOIL; tests and the gradcheck demo alone link it) in which every partial
 * derivative of the table and of the reductions goes through a hook, and whose reverse sweep is
 * not that of sweep.c but a plain one in spoil.c, edge by edge, which can go wrong in each of
 * the ways below. Only what a tape does can be spoiled, not programs, nor derivatives made from
 * texts. */
#ifndef TAPIR_SPOIL_H
#define TAPIR_SPOIL_H

#ifdef AD_SPOIL

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What takes the place of the right partial derivative of a row, or of the reduction `row` -
 * AD__ROWS + AD__FIRST_REDUCTION, in this operand. Of a reduction x is the operand, y the factor it
 * meets in a dot. */
typedef double ad__spoil_rule(int row, int operand, double x, double y, double v, double right,
                              void *context);

typedef enum ad__spoil_step {
    AD__STEPS_RIGHT,
    AD__OVERWRITE, /* = where += belongs */
    AD__ADD_TWICE,
    AD__SKIP,    /* the edge with this number, counted in each sweep, is forgotten */
    AD__STALE,   /* adjoints do not start from zero */
    AD__REVERSED /* first node to last */
} ad__spoil_step;

/* Of this thread, until told otherwise; NULL and AD__STEPS_RIGHT: nothing is spoiled. */
void ad__spoil_rules(ad__spoil_rule *rule, void *context);
void ad__spoil_sweep(ad__spoil_step step, size_t edge);

double   ad__spoiled_partial(int row, int operand, double x, double y, double v, double right);
double   ad__spoiled_sum(double before, double part);
void     ad__spoiled_start(size_t nodes, size_t swept, double adjoint[]);
uint32_t ad__spoiled_visit(uint32_t node, uint32_t first, uint32_t last);

#define AD__PARTIAL(name, operand, x, y, v, right) \
    ad__spoiled_partial(AD__ROW_##name, operand, x, y, v, (double)(right))

#else

#define AD__PARTIAL(name, operand, x, y, v, right) (right)

#endif
#endif
