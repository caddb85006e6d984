/* compare.h - the derivatives that a backward pass ends with, held against differences of replayed values. */
#ifndef TAPIR_COMPARE_H
#define TAPIR_COMPARE_H

#include "tape/trace.h"

/* An input: what differences say of it. */
typedef struct ad__compared {
    uint32_t node;
    double   difference;     /* NaN where none could be formed */
    bool     open, agrees;   /* open: none could be formed, so it says nothing */
    bool     right_refuted;  /* beside a bug: the pass without it does not agree either, a kink or a wrong rule */
} ad__compared;

typedef struct ad__comparison {
    size_t        inputs, agree, open;
    size_t        harmed;    /* of the inputs: ad__is_wrong */
    size_t        right_refuted;
    bool          checked;   /* false: left out, nothing was compared */
    bool          old;       /* left out because the values are */
    double        value;     /* of the result */
    double        worst;     /* the largest gap, relative where derivatives are above 1 */
    ad__compared *input;     /* `inputs` of them, in the order of the tape */
} ad__comparison;

/* Of pass i. Nothing is compared where that is not wanted, or would take too many replays, or where values are old: values
 * and adjoints are restored. False, with the error on the tape: out of memory. Free it in any case. */
bool ad__compare_make(ad_tape *tape, const ad__traced *traced, size_t i, bool wanted, ad__comparison *comparison);
void ad__compare_free(ad__comparison *comparison);

/* For what shows a check only where there is something to tell: a comparison for each pass where there is a bug, or where
 * a pass might be wrong without one and its differences do not all agree; else NULL. It might where an operation is the
 * user's own, where one stands on its kink or jump, and where something is not finite. False, with the error on the
 * tape: out of memory. Free it in any case. */
bool ad__compare_all(ad_tape *tape, const ad__traced *traced, bool wanted, ad__comparison **comparison);
void ad__compare_all_free(size_t n, ad__comparison comparison[]);

/* "1 of 2 DISAGREE with differences: ...": the conclusion, and, where it is the bug's doing, its lesson. */
enum { AD__CONCLUSION = 256 };
void ad__compare_said(const ad__comparison *comparison, ad_bug bug, char text[AD__CONCLUSION]);

#endif
