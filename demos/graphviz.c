/* graphviz.c - layout by libgvc; see graphviz.h. */
#include "graphviz.h"

#ifdef HAVE_GRAPHVIZ
#include <graphviz/gvc.h>

bool graphviz_here(void) {
    return true;
}

bool graphviz_svg(const char *dot, FILE *to) {
    GVC_t    *context = gvContext();
    Agraph_t *graph = context == NULL ? NULL : agmemread(dot);
    bool      drawn = false;
    if (graph != NULL && gvLayout(context, graph, "dot") == 0) {
        char        *svg = NULL; /* in memory first: a failure writes nothing */
        unsigned int length = 0;
        drawn = gvRenderData(context, graph, "svg", &svg, &length) == 0;
        if (drawn) fwrite(svg, 1, length, to);
        gvFreeRenderData(svg);
        gvFreeLayout(context, graph);
    }
    if (graph != NULL) agclose(graph);
    if (context != NULL) gvFreeContext(context);
    return drawn;
}
#else
bool graphviz_here(void) {
    return false;
}

bool graphviz_svg(const char *dot, FILE *to) {
    (void)dot, (void)to;
    return false;
}
#endif
