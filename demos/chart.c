/* chart.c - charts drawn with characters; see chart.h. */
#include "chart.h"

#include <math.h>
#include <string.h>

enum { GAP = 3, MARGIN = 2 };

/* How a mark looks: a letter if blocks cannot be shown, a block, and a terminal color. */
static const struct look {
    const char *letter, *block, *color;
} looks[CHART_MARKS] = {
    [CHART_NOTHING] = {" ", " ", ""},
    [CHART_BAND] = {".", "\u2591", "\x1b[2;36m"},
    [CHART_AREA_0] = {" ", " ", ""},
    [CHART_AREA_1] = {".", "\u2591", "\x1b[2;31m"},
    [CHART_AREA_2] = {":", "\u2593", "\x1b[2;32m"},
    [CHART_AXIS] = {"-", "\u2500", "\x1b[2m"},
    [CHART_LINE] = {"#", "\u2588", "\x1b[36m"},
    [CHART_POINT_0] = {"o", "o", "\x1b[1;34m"},
    [CHART_POINT_1] = {"x", "x", "\x1b[1;31m"},
    [CHART_POINT_2] = {"+", "+", "\x1b[1;32m"},
};

chart chart_of(size_t columns, size_t rows, double left, double right, double bottom, double top) {
    return (chart){
        .columns = columns < CHART_COLUMNS ? columns : CHART_COLUMNS,
        .rows = rows < CHART_ROWS ? rows : CHART_ROWS,
        .left = left,
        .right = right,
        .bottom = bottom,
        .top = top,
    };
}

double chart_x(const chart *c, size_t column) {
    return c->left + (c->right - c->left) * ((double)column + 0.5) / (double)c->columns;
}

double chart_y(const chart *c, size_t row) {
    return c->top - (c->top - c->bottom) * ((double)row + 0.5) / (double)c->rows;
}

static void put_cell(chart *c, size_t column, size_t row, chart_mark mark) {
    unsigned char *cell = &c->mark[row * c->columns + column];
    if (mark > *cell) *cell = (unsigned char)mark;
}

void chart_put(chart *c, double x, double y, chart_mark mark) {
    const double column = floor((x - c->left) / (c->right - c->left) * (double)c->columns);
    const double row = floor((c->top - y) / (c->top - c->bottom) * (double)c->rows);
    if (column >= 0 && column < (double)c->columns && row >= 0 && row < (double)c->rows)
        put_cell(c, (size_t)column, (size_t)row, mark);
}

void chart_column(chart *c, size_t column, double low, double high, chart_mark mark) {
    for (size_t row = 0; row < c->rows; row++)
        if (chart_y(c, row) >= low && chart_y(c, row) <= high) put_cell(c, column, row, mark);
}

static void print_row(terminal t, const chart *c, size_t row) {
    for (size_t column = 0; column < c->columns; column++) {
        const struct look *look = &looks[c->mark[row * c->columns + column]];
        const bool         color = t.colors && *look->color != '\0';
        fprintf(t.to, "%s%s%s", color ? look->color : "", t.blocks ? look->block : look->letter,
                color ? "\x1b[0m" : "");
    }
}

static void print_together(terminal t, size_t n, const chart c[]) {
    for (size_t i = 0; i < n; i++)
        fprintf(t.to, "%*s%-*s", i == 0 ? MARGIN : GAP, "", i + 1 < n ? (int)c[i].columns : 0,
                c[i].caption);
    fputc('\n', t.to);
    for (size_t row = 0; row < c->rows; row++) {
        for (size_t i = 0; i < n; i++) {
            fprintf(t.to, "%*s", i == 0 ? MARGIN : GAP, "");
            print_row(t, &c[i], row);
        }
        fputc('\n', t.to);
    }
}

void chart_print(terminal t, size_t n, const chart c[]) {
    if (n == 0) return;
    const size_t wide = c->columns + GAP, fit = (t.width + GAP - MARGIN) / wide,
                 across = fit > 0 ? fit : 1;
    for (size_t first = 0; first < n; first += across) {
        if (first > 0) fputc('\n', t.to);
        print_together(t, n - first < across ? n - first : across, c + first);
    }
}
