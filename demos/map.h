/* map.h - what a classifier of points in the plane says everywhere: looked at now and then while it learns, then
 * drawn in the terminal, by gnuplot, and written as a table. */
#ifndef TAPIR_DEMOS_MAP_H
#define TAPIR_DEMOS_MAP_H

#include "chart.h"
#include "nn/nn.h"

enum { MAP_SIDE = 80, MAP_FRAMES = 6, MAP_CLASSES = 3 };

typedef struct map_frame {
    char          title[CHART_CAPTION];
    unsigned char cell[MAP_SIDE*MAP_SIDE];       /* the class; row-major, bottom first */
    double        sure[MAP_SIDE*MAP_SIDE];       /* 0 on the boundary to 1 */
} map_frame;

typedef struct map {
    const nn_data *data;                     /* x, y, class */
    size_t         outputs;                  /* 1: class 1 where it is above 0; else the class of the largest */
    double         left, right, bottom, top;
    ad_program    *program;                  /* the outputs at a point */
    size_t         frames;
    map_frame      frame[MAP_FRAMES];
} map;

/* Functions that return false have said why, on stderr. */

/* NULL: false. The data is the caller's and must stay; free the map in any case. */
map *map_new(nn_model *model, const nn_mlp *mlp, size_t outputs, const nn_data *data);
void map_free(map *m);

/* Another frame, with the model's parameters as they are now; the last place is taken again where all are. */
bool map_look(map *m, const nn_model *model, const char *title);

/* How many rows of the data are in their own class. */
bool map_right(const map *m, const nn_model *model, size_t *right);

void map_print(const map *m, terminal t, size_t first);        /* the frames from `first` on */
bool map_write(const map *m, const char *folder);              /* map.tsv, and with gnuplot map.svg, map.png */

#endif
