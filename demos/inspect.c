/* inspect.c - looks inside a perceptron; see inspect.h.
 *
 * An example is recorded again, layer by layer, keeping the handles of the hidden units: after the
 * sweep each of them has its value and the derivative of the loss with respect to it. */
#include "inspect.h"
#include "report.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_ROWS = 200, BINS = 30, MOST_LAYERS = 8, SHOWN_UNITS = 8, BAR = 4 };
static const double flat = 0.03; /* a slope below this is saturated; 1 is usual */

typedef struct histogram {
    double low, high;
    size_t count[BINS];
} histogram;

typedef struct layer {
    size_t    units, dead;
    double    saturated, strength; /* fraction of the activations; RMS gradient */
    histogram activation, gradient;
} layer;

typedef struct layers {
    size_t n;
    layer  layer[MOST_LAYERS];
} layers;

static bool complain(const char *why) {
    return fprintf(stderr, "%s: %s\n", program_invocation_short_name, why), false;
}

/* ---- looking --------------------------------------------------------------------------------- */

/* Records a layer: inside[k] is the weighted sum of unit k, before its activation. */
static void record(const inspection *i, size_t l, const ad_var x[], ad_var inside[], ad_var y[]) {
    const size_t  n = i->sizes[l], m = i->sizes[l + 1];
    const ad_var *bias = nn_model_array(i->model, 2 * l + 1).param;
    nn_linear(m, n, nn_model_array(i->model, 2 * l).param, x, inside);
    for (size_t k = 0; k < m; k++) {
        inside[k] = ad_add(inside[k], bias[k]);
        y[k] = l + 1 < i->layers ? i->hidden(inside[k]) : inside[k];
    }
}

/* The slope of the activation is d loss/d inside over d loss/d activation. */
static void read_units(const ad_var inside[], const ad_var y[], size_t units, double value[],
                       double gradient[], double slope[]) {
    for (size_t k = 0; k < units; k++) {
        value[k] = ad_value(y[k]), gradient[k] = ad_grad(y[k]);
        slope[k] = gradient[k] == 0 ? NAN : ad_grad(inside[k]) / gradient[k];
    }
}

static void fill(histogram *h, size_t n, const double x[]) {
    *h = (histogram){INFINITY, -INFINITY, {0}};
    for (size_t i = 0; i < n; i++) h->low = fmin(h->low, x[i]), h->high = fmax(h->high, x[i]);
    if (!(h->high > h->low)) h->low -= 0.5, h->high += 0.5;
    for (size_t i = 0; i < n; i++) {
        const size_t bin = (size_t)((x[i] - h->low) / (h->high - h->low) * BINS);
        h->count[bin < BINS ? bin : BINS - 1]++;
    }
}

/* rows x units numbers of each kind. */
static layer summarise(size_t rows, size_t units, const double value[], const double gradient[],
                       const double slope[]) {
    layer  l = {.units = units};
    size_t flats = 0, slopes = 0;
    for (size_t k = 0; k < units; k++) {
        bool dead = true;
        for (size_t r = 0; r < rows; r++) {
            const double s = slope[r * units + k], g = gradient[r * units + k];
            dead = dead && value[r * units + k] == value[k];
            l.strength += g * g;
            if (isnan(s)) continue;
            slopes++;
            if (fabs(s) < flat) flats++;
        }
        l.dead += dead;
    }
    l.strength = sqrt(l.strength / (double)(rows * units));
    l.saturated = slopes == 0 ? 0 : (double)flats / (double)slopes;
    fill(&l.activation, rows * units, value);
    fill(&l.gradient, rows * units, gradient);
    return l;
}

/* All hidden layers of one row. start[l]: the offset of the numbers of layer l, rows x units
 * each. */
static void inspect_row(const inspection *i, size_t row, size_t widest, ad_var *room,
                        double *number, const size_t start[], size_t total) {
    ad_tape      *tape = nn_model_tape(i->model);
    const ad_mark mark = ad_tape_mark(tape);
    const double *x = nn_data_row(i->data, row);
    for (size_t k = 0; k < i->sizes[0]; k++) room[k] = ad_num(x[k]);
    for (size_t l = 0; l < i->layers; l++)
        record(i, l, room + 2 * l * widest, room + (2 * l + 1) * widest,
               room + (2 * l + 2) * widest);
    ad_backward(
        i->loss(i->sizes[i->layers], room + 2 * i->layers * widest, ad_num(x[i->sizes[0]])));
    for (size_t l = 0; l + 1 < i->layers; l++) {
        double *at = number + start[l] + row * i->sizes[l + 1];
        read_units(room + (2 * l + 1) * widest, room + (2 * l + 2) * widest, i->sizes[l + 1], at,
                   at + total, at + 2 * total);
    }
    ad_tape_rewind(tape, mark);
}

static bool inspect_rows(const inspection *i, layers *all) {
    const size_t rows = nn_data_rows(i->data) < MOST_ROWS ? nn_data_rows(i->data) : MOST_ROWS;
    size_t       start[MOST_LAYERS + 1] = {0}, widest = i->sizes[0];
    all->n = i->layers - 1 < MOST_LAYERS ? i->layers - 1 : MOST_LAYERS;
    for (size_t l = 0; l < i->layers; l++)
        widest = i->sizes[l + 1] > widest ? i->sizes[l + 1] : widest;
    for (size_t l = 0; l < all->n; l++) start[l + 1] = start[l] + rows * i->sizes[l + 1];
    const size_t total = start[all->n];
    ad_var      *room = calloc((2 * i->layers + 1) * widest, sizeof *room);
    double      *number = calloc(3 * total + 1, sizeof *number);
    const bool   good = room != NULL && number != NULL;
    for (size_t row = 0; row < rows && good; row++)
        inspect_row(i, row, widest, room, number, start, total);
    for (size_t l = 0; l < all->n && good; l++) {
        const double *at = number + start[l];
        all->layer[l] = summarise(rows, i->sizes[l + 1], at, at + total, at + 2 * total);
    }
    free(room);
    free(number);
    return good || complain("out of memory");
}

/* ---- showing --------------------------------------------------------------------------------- */

static void bars(terminal t, const char *what, const histogram *h) {
    size_t most = 1;
    for (size_t b = 0; b < BINS; b++) most = h->count[b] > most ? h->count[b] : most;
    for (size_t line = BAR; line-- > 0;) {
        fprintf(t.to, "  %-12s", line + 1 == BAR ? what : "");
        for (size_t b = 0; b < BINS; b++) {
            const double high = sqrt((double)h->count[b] / (double)most) * BAR;
            const bool   full = high > (double)line;
            fputs(!full                       ? " "
                  : !t.blocks                 ? "#"
                  : high > (double)line + 0.5 ? "\u2588"
                                              : "\u2584",
                  t.to);
        }
        fputc('\n', t.to);
    }
    char text[32];
    snprintf(text, sizeof text, "%.3g", h->high);
    fprintf(t.to, "  %-12s%-*.3g%s\n", "", BINS - (int)strlen(text), h->low, text);
}

static void show(terminal t, const layers *all) {
    terminal_line(t.to,
                  "\nInside, over the first training rows. The height of a bar is the square root "
                  "of the count; a unit is dead if it gives every row the same answer, and "
                  "saturated where its slope is below %g.",
                  flat);
    for (size_t l = 0; l < all->n; l++) {
        const layer *a = &all->layer[l];
        fprintf(t.to, "\nhidden layer %zu: %zu units, %zu dead; %.1f%% saturated\n\n", l + 1,
                a->units, a->dead, 100 * a->saturated);
        bars(t, "activations", &a->activation);
        bars(t, "gradients", &a->gradient);
        fprintf(t.to, "  root mean square gradient: %.2e\n", a->strength);
    }
}

static void script(FILE *to, const void *what) {
    const layers *all = what;
    for (size_t l = 0; l < all->n; l++)
        for (int g = 0; g < 2; g++) {
            const histogram *h = g ? &all->layer[l].gradient : &all->layer[l].activation;
            fprintf(to, "$h%zu_%d << END\n", l, g);
            for (size_t b = 0; b < BINS; b++)
                fprintf(to, "%.8g %zu\n", h->low + (h->high - h->low) * ((double)b + 0.5) / BINS,
                        h->count[b]);
            fputs("END\n", to);
        }
    fprintf(to,
            "set border 1 lc rgb '#555555'; set xtics nomirror tc rgb '#555555'; unset ytics; "
            "unset key\n"
            "set style fill solid noborder; set boxwidth 0.9 relative; set yrange [0:]; set format "
            "x '%%.2g'; set xtics auto\n"
            "set multiplot layout %zu,2\n",
            all->n);
    for (size_t l = 0; l < all->n; l++)
        for (int g = 0; g < 2; g++) {
            const histogram *h = g ? &all->layer[l].gradient : &all->layer[l].activation;
            fprintf(to,
                    "set title 'layer %zu: %s'\nset xrange [%.8g:%.8g]; set xtics %.8g\nplot "
                    "$h%zu_%d using 1:2 with boxes lc rgb '%s'\n",
                    l + 1, g ? "gradients" : "activations", h->low, h->high, (h->high - h->low) / 4,
                    l, g, g ? "#c04020" : "#2060a0");
        }
    fputs("unset multiplot\n", to);
}

bool inspect_layers(const inspection *i, terminal t, const char *folder) {
    layers *all = calloc(1, sizeof *all);
    if (all == NULL) return complain("out of memory");
    bool  good = inspect_rows(i, all);
    FILE *file = good ? report_create(folder, "inspect.tsv") : NULL;
    good = file != NULL;
    if (good) {
        show(t, all);
        fputs("layer\twhat\tfrom\tto\tcount\n", file);
        for (size_t l = 0; l < all->n; l++)
            for (int g = 0; g < 2; g++)
                for (size_t b = 0; b < BINS; b++) {
                    const histogram *h = g ? &all->layer[l].gradient : &all->layer[l].activation;
                    const double     wide = (h->high - h->low) / BINS;
                    fprintf(file, "%zu\t%s\t%.8g\t%.8g\t%zu\n", l + 1,
                            g ? "gradient" : "activation", h->low + (double)b * wide,
                            h->low + (double)(b + 1) * wide, h->count[b]);
                }
        good = report_close(file, folder, "inspect.tsv");
    }
    if (good && report_gnuplot())
        good = report_draw(folder, "inspect", 760, 220 * (int)all->n, script, all);
    free(all);
    return good;
}

/* ---- weights --------------------------------------------------------------------------------- */

typedef struct weights {
    nn_array array;
    size_t   side;
} weights;

static void weights_script(FILE *to, const void *what) {
    const weights *w = what;
    const size_t   units = w->array.shape[0], pixels = w->side * w->side, across = 8;
    double         most = 0;
    for (size_t i = 0; i < w->array.count; i++)
        most = fmax(most, fabs(ad_value(w->array.param[i])));
    fputs("$w << END\n", to);
    for (size_t u = 0; u < units; u++)
        for (size_t p = 0; p < pixels; p++)
            fprintf(to, "%zu %zu %.6g\n", u % across * (w->side + 1) + p % w->side,
                    u / across * (w->side + 1) + p / w->side,
                    ad_value(w->array.param[u * pixels + p]));
    fprintf(to,
            "END\nset title 'weights of the first layer: red above 0, blue below'\nunset key; "
            "unset border; unset tics; set size ratio -1\n"
            "set yrange [*:*] reverse; set cbrange [%g:%g]; set palette defined (0 '#2060a0', 1 "
            "'white', 2 '#c04020')\n"
            "set style fill solid noborder\n"
            "plot $w using 1:2:(0.5):(0.5):3 with boxxyerror lc palette\n",
            -most, most);
}

bool inspect_weights(nn_model *model, size_t side, terminal t, const char *folder) {
    const weights w = {nn_model_array(model, 0), side};
    const size_t  pixels = side * side,
                 shown = w.array.shape[0] < SHOWN_UNITS ? w.array.shape[0] : SHOWN_UNITS;
    double          *ink = calloc(shown * pixels, sizeof *ink), most = 0;
    terminal_picture picture[SHOWN_UNITS];
    if (ink == NULL) return complain("out of memory");
    for (size_t i = 0; i < shown * pixels; i++) most = fmax(most, fabs(ad_value(w.array.param[i])));
    for (size_t i = 0; i < shown * pixels; i++)
        ink[i] = 0.5 + 0.5 * ad_value(w.array.param[i]) / most;
    for (size_t u = 0; u < shown; u++) {
        picture[u].ink = ink + u * pixels;
        snprintf(picture[u].caption[0], sizeof picture[u].caption[0], "unit %zu", u);
        picture[u].caption[1][0] = '\0';
    }
    fprintf(t.to, "\nWeights of the first layer, from %.2g (nothing) to %.2g (full):\n\n", -most,
            most);
    terminal_pictures(t, side, shown, picture);
    free(ink);
    return !report_gnuplot() || report_draw(folder, "weights", 640, 700, weights_script, &w);
}
