/* graphviz.h - a DOT text drawn by Graphviz's library, where it is installed. */
#ifndef TAPIR_DEMOS_GRAPHVIZ_H
#define TAPIR_DEMOS_GRAPHVIZ_H

#include <stdbool.h>
#include <stdio.h>

bool graphviz_here(void);                              /* was it there when this was built? */
bool graphviz_svg(const char *dot, FILE *to);          /* false: it could not draw this */

#endif
