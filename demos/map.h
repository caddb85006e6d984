/* map.h - maps of the classes that a classifier predicts in the plane: frames taken during
 * training, drawn in the terminal and by gnuplot, and written as a table. */
#ifndef TAPIR_DEMOS_MAP_H
#define TAPIR_DEMOS_MAP_H

#include "chart.h"
#include "nn/nn.h"

enum { MAP_SIDE = 80, MAP_FRAMES = 6, MAP_CLASSES = 3 };

typedef struct map_frame {
    char          title[CHART_CAPTION];
    unsigned char cell[MAP_SIDE * MAP_SIDE]; /* the class; row-major, bottom first */
    double        sure[MAP_SIDE * MAP_SIDE]; /* 0 on the boundary, up to 1 */
} map_frame;

typedef struct map {
    const nn_data *data;    /* x, y, class */
    size_t         outputs; /* 1: class 1 if above 0; else that of the largest */
    double         left, right, bottom, top;
    nn_mlp        *mlp; /* the outputs at a point */
    size_t         frames;
    map_frame      frame[MAP_FRAMES];
} map;

/* Functions that return false have reported the reason on stderr. */

/* NULL on failure, also reported. Network and data belong to the caller and must outlive the
 * map. */
map *map_new(const nn_model *model, nn_mlp *mlp, size_t outputs, const nn_data *data);
void map_free(map *m);

/* Adds a frame with the current parameters of the model; when all are used, replaces the last
 * one. */
bool map_add_frame(map *m, nn_model *model, const char *title);

/* How many rows of the data are classified correctly. */
bool map_count_correct(const map *m, nn_model *model, size_t *right);

void map_print(const map *m, terminal t, size_t first); /* the frames from `first` on */
bool map_write(const map *m, const char *folder); /* map.tsv, and with gnuplot map.svg, map.png */

#endif
