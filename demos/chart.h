/* chart.h - charts drawn with characters: a rectangle of the plane with a mark in each cell. */
#ifndef TAPIR_DEMOS_CHART_H
#define TAPIR_DEMOS_CHART_H

#include "terminal.h"

/* AREA_k, POINT_k: class k of 0..2. A mark is drawn over those before it in this list. */
typedef enum chart_mark {
    CHART_NOTHING,
    CHART_BAND,
    CHART_AREA_0,
    CHART_AREA_1,
    CHART_AREA_2,
    CHART_AXIS,
    CHART_LINE,
    CHART_POINT_0,
    CHART_POINT_1,
    CHART_POINT_2,
    CHART_MARKS
} chart_mark;

enum { CHART_COLUMNS = 76, CHART_ROWS = 28, CHART_CAPTION = 64 };

typedef struct chart {
    size_t        columns, rows; /* at most CHART_COLUMNS, CHART_ROWS */
    double        left, right, bottom, top;
    unsigned char mark[CHART_ROWS * CHART_COLUMNS]; /* row-major, top first */
    char          caption[CHART_CAPTION];
} chart;

chart  chart_of(size_t columns, size_t rows, double left, double right, double bottom, double top);
/* outside the rectangle: ignored */
void   chart_put(chart *c, double x, double y, chart_mark mark);
/* from y = low to high */
void   chart_column(chart *c, size_t column, double low, double high, chart_mark mark);
double chart_x(const chart *c, size_t column); /* the center of a column, of a row */
double chart_y(const chart *c, size_t row);

/* Prints n charts, as many side by side as the width allows, each with its caption above. */
void chart_print(terminal t, size_t n, const chart c[]);

#endif
