/* rules.h - the texts of partial derivatives, made ready to be computed with.
 *
 * A rule is the text of one partial: dx or dy of a row, or that of a reduction in one of its
 * operands. The formula reader has read it once for a tape, and what it recorded has become a list
 * of steps on numbered slots; the first three slots are x, y and the result v. The same steps
 * compute the partial together with its own derivative, or record it as nodes.
 *
 * `c ? a : b` becomes  IF c, the steps of a, ELSE, the steps of b, END:  numbers take one side
 *                      alone. */
#ifndef TAPIR_RULES_H
#define TAPIR_RULES_H

#include "tape/tape.h"

/* A number and its derivative along a direction. */
typedef struct ad__dual {
    double value, slope;
} ad__dual;

enum { AD__STEP_IF = AD__ROWS, AD__STEP_ELSE, AD__STEP_END };

typedef struct ad__rule_step {
    uint8_t code;        /* a row, or one of the three above */
    uint8_t to, x, y, z; /* slots; END: to = x ? y : z */
    uint8_t jump;        /* step of this rule: IF goes there for no, ELSE for yes */
} ad__rule_step;

typedef struct ad__rule {
    bool                 ready;
    uint8_t              result; /* slot */
    uint8_t              steps, slots;
    const ad__rule_step *step;
    ad__dual            *slot; /* x, y, v, one for each step, constants: these are in place */
} ad__rule;

/* The rule of operand 0 or 1 of a row, or of a reduction: the partial of a sum, where x is the
 * operand and y the one that it meets in a second group; the column `record` of a fold. NULL with
 * the error kept: out of memory, or a text that is too long or cannot be read. */
const ad__rule *ad__rule_of_row(ad_tape *tape, ad__row_number row, int operand);
const ad__rule *ad__rule_of_reduction(ad_tape *tape, uint8_t code);

/* The same of any text; those above have the numbers 2*row + operand, and behind the rows one
 * for each reduction. What was made for a number once stays. */
const ad__rule *ad__rule_at(ad_tape *tape, unsigned number, const char *text);

ad__dual ad__rule_dual(const ad__rule *rule, ad__dual x, ad__dual y, ad__dual v);

/* The partial as nodes or a number. What is simplified here are the steps of the rule, never x, y
 * and v: 0 + a, 1*a, a^1 and, where a is finite now, 0*a. */
ad_var ad__rule_record(const ad__rule *rule, ad_var x, ad_var y, ad_var v);

/* A row on two operands, simplified in the same way. */
ad_var ad__record_simplified(ad__row_number row, ad_var x, ad_var y);

#endif
