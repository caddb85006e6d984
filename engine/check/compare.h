/* compare.h - the derivatives that a backward pass ends with, compared with differences of replayed
 * values. */
#ifndef TAPIR_COMPARE_H
#define TAPIR_COMPARE_H

#include "tape/trace.h"

/* One input, and what differences say about its derivative. */
typedef struct ad__compared {
    uint32_t node;
    double   difference;   /* NaN where none could be formed */
    bool     open, agrees; /* open: none could be formed, so nothing is known */
    /* with a bug: differences contradict the pass without the bug too (a kink, or a wrong rule) */
    bool     right_refuted;
} ad__compared;

typedef struct ad__comparison {
    size_t        inputs, agree, open;
    size_t        harmed; /* of the inputs: those for which ad__is_wrong */
    size_t        right_refuted;
    bool          checked; /* false: skipped, nothing was compared */
    bool          old;     /* skipped because the values are old (ad__values_old) */
    double        value;   /* of the result */
    double        worst;   /* the largest gap, relative where derivatives are above 1 */
    ad__compared *input;   /* `inputs` of them, in the order of the tape */
} ad__comparison;

/* For pass i. Nothing is compared if not `wanted`, if it would take too many replays, or if the
 * values are old. Values and adjoints are restored. False, with the error on the tape: out of
 * memory. Free it in any case. */
bool ad__compare_make(ad_tape *tape, const ad__traced *traced, size_t i, bool wanted,
                      ad__comparison *comparison);
void ad__compare_free(ad__comparison *comparison);

/* For callers that show a check only if there is something to report: one comparison for each pass
 * if the view has a bug, or if a pass might be wrong without one and its differences do not all
 * agree; else NULL. A pass might be wrong if it contains a custom operation, an operation at its
 * kink or jump, or anything that is not finite. False, with the error on the tape: out of memory.
 * Free it in any case. */
bool ad__compare_all(ad_tape *tape, const ad__traced *traced, bool wanted,
                     ad__comparison **comparison);
void ad__compare_all_free(size_t n, ad__comparison comparison[]);

/* The conclusion in words, "1 of 2 DISAGREE with differences: ...", and the lesson if the bug is
 * the cause. */
enum { AD__CONCLUSION = 256 };
void ad__compare_said(const ad__comparison *comparison, ad_bug bug, char text[AD__CONCLUSION]);

#endif
