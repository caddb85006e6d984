/* map.c - maps the classes that a classifier predicts; see map.h. */
#include "map.h"
#include "report.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>

enum { COLUMNS = 36, ROWS = 16, WIDE_COLUMNS = 72, WIDE_ROWS = 26, ACROSS = 3, PICTURE = 320 };

/* ---- the network ----------------------------------------------------------------------------- */

static bool no_memory(void) {
    fprintf(stderr, "%s: out of memory\n", program_invocation_short_name);
    return false;
}

static void forward(nn_model *model, size_t n, const ad_var point[], ad_var output[], void *mlp) {
    (void)model, (void)n;
    nn_mlp_forward(mlp, point, output);
}

/* Runs the network on points; output: rows x outputs. */
static bool predict(const map *m, nn_model *model, const nn_data *points, double output[]) {
    if (nn_predict(model, forward, m->mlp, m->outputs, points, output) == AD_OK) return true;
    fprintf(stderr, "%s: %s\n", program_invocation_short_name, nn_model_message(model));
    return false;
}

/* The class; *sure: 0 on the boundary to another class, up to 1. */
static size_t class_of(size_t outputs, const double output[], double *sure) {
    if (outputs == 1) return *sure = fabs(tanh(output[0])), output[0] > 0;
    size_t best = 0, second = 1;
    for (size_t i = 1; i < outputs; i++)
        if (output[i] > output[best]) second = best, best = i;
        else if (second == best || output[i] > output[second]) second = i;
    if (second == best) second = best == 0 ? 1 : 0;
    return *sure = tanh((output[best] - output[second]) / 2), best;
}

map *map_new(const nn_model *model, nn_mlp *mlp, size_t outputs, const nn_data *data) {
    if (nn_model_status(model) != AD_OK) {
        fprintf(stderr, "%s: %s\n", program_invocation_short_name, nn_model_message(model));
        return NULL;
    }
    map *m = calloc(1, sizeof *m);
    if (m == NULL) return no_memory(), NULL;
    m->data = data, m->outputs = outputs, m->mlp = mlp;
    m->left = m->bottom = INFINITY, m->right = m->top = -INFINITY;
    for (size_t i = 0; i < nn_data_rows(data); i++) {
        const double *row = nn_data_row(data, i);
        m->left = fmin(m->left, row[0]), m->right = fmax(m->right, row[0]);
        m->bottom = fmin(m->bottom, row[1]), m->top = fmax(m->top, row[1]);
    }
    const double x = 0.1 * (m->right - m->left), y = 0.1 * (m->top - m->bottom);
    m->left -= x, m->right += x, m->bottom -= y, m->top += y;
    return m;
}

void map_free(map *m) {
    free(m);
}

/* ---- frames ---------------------------------------------------------------------------------- */

static double cell_x(const map *m, size_t i) {
    return m->left + (m->right - m->left) * ((double)i + 0.5) / MAP_SIDE;
}
static double cell_y(const map *m, size_t j) {
    return m->bottom + (m->top - m->bottom) * ((double)j + 0.5) / MAP_SIDE;
}

bool map_add_frame(map *m, nn_model *model, const char *title) {
    map_frame   *f = &m->frame[m->frames < MAP_FRAMES ? m->frames++ : MAP_FRAMES - 1];
    const size_t cells = MAP_SIDE * MAP_SIDE;
    double      *point = malloc(cells * 2 * sizeof *point),
           *output = malloc(cells * m->outputs * sizeof *output);
    bool good = (point != NULL && output != NULL) || no_memory();
    for (size_t i = 0; i < cells && good; i++)
        point[2 * i] = cell_x(m, i % MAP_SIDE), point[2 * i + 1] = cell_y(m, i / MAP_SIDE);
    nn_data *grid = good ? nn_data_new(cells, 2, 0, point) : NULL;
    good = good && predict(m, model, grid, output);
    for (size_t i = 0; i < cells && good; i++)
        f->cell[i] = (unsigned char)class_of(m->outputs, output + i * m->outputs, &f->sure[i]);
    snprintf(f->title, sizeof f->title, "%s", title);
    nn_data_free(grid);
    free(point);
    free(output);
    return good;
}

bool map_count_correct(const map *m, nn_model *model, size_t *right) {
    const size_t rows = nn_data_rows(m->data);
    double      *output = malloc(rows * m->outputs * sizeof *output), sure;
    const bool   good = (output != NULL || no_memory()) && predict(m, model, m->data, output);
    *right = 0;
    for (size_t i = 0; i < rows && good; i++)
        *right += class_of(m->outputs, output + i * m->outputs, &sure) ==
                  (size_t)nn_data_row(m->data, i)[2];
    free(output);
    return good;
}

/* ---- showing --------------------------------------------------------------------------------- */

static size_t nearest(double part, size_t n) {
    const double at = part * (double)n;
    return at < 0 ? 0 : at >= (double)n ? n - 1 : (size_t)at;
}

static chart chart_of_frame(const map *m, const map_frame *f, bool wide) {
    chart c = chart_of(wide ? WIDE_COLUMNS : COLUMNS, wide ? WIDE_ROWS : ROWS, m->left, m->right,
                       m->bottom, m->top);
    for (size_t row = 0; row < c.rows; row++)
        for (size_t column = 0; column < c.columns; column++) {
            const double x = chart_x(&c, column), y = chart_y(&c, row);
            const size_t i = nearest((x - m->left) / (m->right - m->left), MAP_SIDE);
            const size_t j = nearest((y - m->bottom) / (m->top - m->bottom), MAP_SIDE);
            chart_put(&c, x, y, CHART_AREA_0 + f->cell[j * MAP_SIDE + i]);
        }
    for (size_t i = 0; i < nn_data_rows(m->data); i++) {
        const double *row = nn_data_row(m->data, i);
        chart_put(&c, row[0], row[1], CHART_POINT_0 + (chart_mark)row[2]);
    }
    snprintf(c.caption, sizeof c.caption, "%s", f->title);
    return c;
}

void map_print(const map *m, terminal t, size_t first) {
    static chart c[MAP_FRAMES];
    for (size_t i = first; i < m->frames; i++)
        c[i] = chart_of_frame(m, &m->frame[i], m->frames - first == 1);
    chart_print(t, m->frames > first ? m->frames - first : 0, c + first);
}

static const int colors[MAP_CLASSES][3] = {{47, 109, 179}, {201, 70, 44}, {58, 140, 80}};

/* From nearly white to the color of the class. */
static int tint(const map_frame *f, size_t cell, int channel) {
    return (int)(250 + 0.6 * f->sure[cell] * (colors[f->cell[cell]][channel] - 250));
}

static void put_frame(FILE *to, const map *m, size_t k) {
    fprintf(to, "$f%zu << END\n", k);
    for (size_t i = 0; i < MAP_SIDE * MAP_SIDE; i++)
        fprintf(to, "%.8g %.8g %d %d %d\n", cell_x(m, i % MAP_SIDE), cell_y(m, i / MAP_SIDE),
                tint(&m->frame[k], i, 0), tint(&m->frame[k], i, 1), tint(&m->frame[k], i, 2));
    fputs("END\n", to);
}

static void script(FILE *to, const void *what) {
    const map   *m = what;
    const size_t lines = (m->frames + ACROSS - 1) / ACROSS,
                 across = m->frames < ACROSS ? m->frames : ACROSS;
    fputs("$points << END\n", to);
    for (size_t i = 0; i < nn_data_rows(m->data); i++) {
        const double *row = nn_data_row(m->data, i);
        const int    *c = colors[(size_t)row[2]];
        fprintf(to, "%.8g %.8g %d\n", row[0], row[1], 65536 * c[0] + 256 * c[1] + c[2]);
    }
    fputs("END\n", to);
    for (size_t k = 0; k < m->frames; k++) put_frame(to, m, k);
    fprintf(to,
            "unset key; set border lc rgb '#999999'; set tics tc rgb '#777777' nomirror out scale "
            "0.5; set size ratio -1\n"
            "set xrange [%.8g:%.8g]; set yrange [%.8g:%.8g]; set xtics 1; set ytics 1\n"
            "set multiplot layout %zu,%zu\n",
            m->left, m->right, m->bottom, m->top, lines, across);
    for (size_t k = 0; k < m->frames; k++)
        fprintf(to,
                "set title '%s'\nplot $f%zu using 1:2:3:4:5 with rgbimage, $points using 1:2 with "
                "points pt 7 ps 0.6 lc rgb 'white', '' using 1:2:3 with points pt 7 ps 0.45 lc rgb "
                "variable\n",
                m->frame[k].title, k);
    fputs("unset multiplot\n", to);
}

static bool write_table(const map *m, const char *folder) {
    FILE *file = report_create(folder, "map.tsv");
    if (file == NULL) return false;
    fputs("frame\tx\ty\tclass\tsure\n", file);
    for (size_t k = 0; k < m->frames; k++)
        for (size_t i = 0; i < MAP_SIDE * MAP_SIDE; i++)
            fprintf(file, "%zu\t%.6g\t%.6g\t%d\t%.6f\n", k, cell_x(m, i % MAP_SIDE),
                    cell_y(m, i / MAP_SIDE), m->frame[k].cell[i], m->frame[k].sure[i]);
    return report_close(file, folder, "map.tsv");
}

bool map_write(const map *m, const char *folder) {
    const size_t lines = (m->frames + ACROSS - 1) / ACROSS,
                 across = m->frames < ACROSS ? m->frames : ACROSS;
    const bool   written = write_table(m, folder);
    const double shape = (m->top - m->bottom) / (m->right - m->left);
    const int    height = (int)(shape * PICTURE) + 50;
    if (!report_gnuplot()) return written;
    return report_draw(folder, "map", PICTURE * (int)across, height * (int)lines, script, m) &&
           written;
}
