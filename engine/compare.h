/* compare.h - the derivatives that a backward pass ends with, held against differences of replayed values. */
#ifndef TAPIR_COMPARE_H
#define TAPIR_COMPARE_H

#include "trace.h"

/* An input: what differences say of it. */
typedef struct ad__compared {
    uint32_t node;
    double   difference;     /* NaN where none could be formed */
    bool     open, agrees;   /* open: none could be formed, so it says nothing */
} ad__compared;

typedef struct ad__comparison {
    size_t        inputs, agree, open;
    size_t        harmed;    /* of the inputs: ad__is_wrong */
    bool          checked;   /* false: left out, nothing was compared */
    double        worst;     /* the largest gap, relative where derivatives are above 1 */
    ad__compared *input;     /* `inputs` of them, in the order of the tape */
} ad__comparison;

/* Nothing is compared where that is not wanted, or would take too many replays. Values and adjoints are restored.
 * False, with the error on the tape: out of memory. Free it in any case. */
bool ad__compare_make(ad_tape *tape, const ad__pass *pass, bool wanted, ad__comparison *comparison);
void ad__compare_free(ad__comparison *comparison);

/* A comparison for each pass of a trace with a bug; for one without, NULL. False, with the error on the tape: out of
 * memory. Free it in any case. */
bool ad__compare_bug(ad_tape *tape, const ad__traced *traced, bool wanted, ad__comparison **comparison);
void ad__compare_bug_free(size_t n, ad__comparison comparison[]);

/* "1 of 2 DISAGREE with differences: ...": the conclusion, and, where it is the bug's doing, its lesson. */
enum { AD__CONCLUSION = 256 };
void ad__compare_said(const ad__comparison *comparison, ad_bug bug, char text[AD__CONCLUSION]);

#endif
