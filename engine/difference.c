/* difference.c - central differences at steps h, h/2, h/4, ..., extrapolated to h = 0 by Neville's
 * scheme in h^2; the column that moved least gives the answer and its error (C. Ridders, Advances in
 * Engineering Software 4, 1982). The steps taken are those really taken, (x + h) - (x - h). What the rounding
 * of two values does to their difference is counted in, or two columns that agree by chance would win. */
#include "difference.h"

#include <stdlib.h>

enum { STEPS = 12 };

/* y at x = at; NaN when the replay stopped. */
static double value_at(ad_var y, ad_var x, double at) {
    ad_tape *tape = y.tape;
    tape->value[x.at.in.node] = at;
    ad_replay(tape);
    if (tape->status == AD_OK) return tape->value[y.at.in.node];
    ad_tape_clear(tape);
    return NAN;
}

static bool extrapolate(ad_var y, ad_var x, double x0, double *slope, double *error) {
    double row[STEPS], before[STEPS];
    int    good = 0;
    *error = INFINITY;
    double h = 0.125*fmax(1, fabs(x0));
    for (int i = 0; i < 40 && good < STEPS; i++, h /= 2) {
        const double up = x0 + h, down = x0 - h;
        const double above = value_at(y, x, up), below = value_at(y, x, down);
        row[0] = (above - below)/(up - down);
        if (!isfinite(row[0])) {
            if (good > 0) break;
            continue;                                        /* outside the domain: closer */
        }
        const double noise = 0x1p-53*(fabs(above) + fabs(below))/(up - down);
        double factor = 4;
        for (int j = 1; j <= good; j++, factor *= 4) {
            row[j] = (factor*row[j - 1] - before[j - 1])/(factor - 1);
            const double moved = noise + fmax(fabs(row[j] - row[j - 1]), fabs(row[j] - before[j - 1]));
            if (moved < *error) *error = moved, *slope = row[j];
        }
        memcpy(before, row, sizeof row);
        good++;
    }
    return isfinite(*error);
}

bool ad__difference(ad_var y, ad_var x, double *slope, double *error) {
    ad_tape *tape = y.tape;
    if (tape->status != AD_OK) return false;             /* value_at would forget an error of before */
    const size_t bytes = tape->length*sizeof *tape->value;
    double *kept = malloc(bytes);
    if (kept == NULL) {
        ad__fail(tape, AD_NO_MEMORY, "out of memory: no space to keep %lu values during a check",
                 (unsigned long)tape->length);
        return false;
    }
    memcpy(kept, tape->value, bytes);
    const bool found = extrapolate(y, x, tape->value[x.at.in.node], slope, error);
    memcpy(tape->value, kept, bytes);
    free(kept);
    return found;
}
