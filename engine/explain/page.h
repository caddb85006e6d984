/* page.h - the data of a page that steps through both passes. */
#ifndef TAPIR_PAGE_H
#define TAPIR_PAGE_H

#include "explain/draw.h"

/* Writes a JSON object: "trace" (ad_explain_json); "boxes", the drawing's: {"boxes":[{"nodes",
 * "label" if it is folded}], "links":[[from, to]]} by the numbers of boxes; and "unsent", for each
 * edge along which nothing is sent because the adjoint is 0, [node, to, local]. */
void ad__page_data(const ad__sheet *sheet, FILE *to);

#endif
