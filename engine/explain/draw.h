/* draw.h - a graph as a picture, for the files that embed it in a page. */
#ifndef TAPIR_DRAW_H
#define TAPIR_DRAW_H

#include "check/compare.h"
#include "explain/fold.h"
#include "explain/layout.h"
#include "tape/trace.h"

/* What is drawn: the folded graph, and the backward passes through it. */
typedef struct ad__sheet {
    ad_tape        *tape;
    const ad_view  *view;
    ad__traced      traced;
    ad__fold        fold;
    ad__layout      layout;
    char            title[256], folded[128]; /* folded: what was folded, in words, or "" */
    ad__comparison *compared;                /* ad__compare_all */
} ad__sheet;

/* The whole of a public drawing function: checks the results, traces, folds to view->most boxes (or
 * `most` if that is 0), lays the boxes out if `placed`, and calls `write` in the C locale. `what`
 * names the function. */
ad_status ad__sheet_write(const char *what, size_t n, const ad_var y[], const ad_view *view,
                          size_t most, bool placed, void (*write)(const ad__sheet *sheet, FILE *to),
                          FILE *to);

/* "e", or "e, with the bug stale", for titles. Escaped for XML. */
void ad__draw_title(const ad__sheet *sheet, FILE *to);

/* The drawing as one svg element: boxes have the ids b0, b1, ..., edges e0, e1, ... If `page`, it
 * has no style element: the page has the styles. */
void ad__draw_svg(const ad__sheet *sheet, bool page, FILE *to);

#endif
