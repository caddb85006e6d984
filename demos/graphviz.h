/* graphviz.h - draws DOT text with Graphviz's library, if it was found at build time. */
#ifndef TAPIR_DEMOS_GRAPHVIZ_H
#define TAPIR_DEMOS_GRAPHVIZ_H

#include <stdbool.h>
#include <stdio.h>

bool graphviz_here(void);                     /* true if built with Graphviz */
bool graphviz_svg(const char *dot, FILE *to); /* false: it cannot draw this */

#endif
