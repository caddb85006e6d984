/* curve.c - an experiment on what differences can and cannot show: the error of a difference
 * against its step, from 1 to 1e-13.
 *
 * A right derivative draws a V: on the left the error of the formula falls with the step, on the
 * right rounding grows as the step shrinks. A derivative that is wrong by 1e-3 draws a plateau at
 * 1e-3, since no step can make that error smaller. A kink at the distance d is a cliff at the step
 * d. */
#include "base/text.h"
#include "check/probe.h"

#include <math.h>
#include <stdlib.h>

enum { PER_DECADE = 4, DECADES = 13, POINTS = PER_DECADE * DECADES + 1 };

typedef struct curve {
    ad_curve       page; /* must be first: a pointer to one is a pointer to the other */
    ad_curve_point point[POINTS];
    char           name[64];
} curve;

/* ---- measuring ------------------------------------------------------------------------------- */

static double central(const ad__slice *line, double h) {
    const ad__sample up = line->at(line->context, h), down = line->at(line->context, -h);
    return (up.value - down.value) / (up.moved - down.moved);
}

/* Extrapolates from steps h, 2h and 4h. */
static double romberg(const double step_h, const double step_2h, const double step_4h) {
    const double fine = (4 * step_h - step_2h) / 3, coarse = (4 * step_2h - step_4h) / 3;
    return (16 * fine - coarse) / 15;
}

static void measure(curve *c, const ad__slice *line) {
    const double size = fmax(fabs(c->page.claimed),
                             c->page.error < fabs(c->page.estimate) ? fabs(c->page.estimate) : 0);
    const double unit = isfinite(size) && size > 0 ? size : 1;
    for (int i = 0; i < POINTS; i++) {
        const double    h = pow(10, -(double)i / PER_DECADE);
        ad_curve_point *p = &c->point[i];
        p->step = h;
        p->central = central(line, h);
        p->romberg = romberg(p->central, central(line, 2 * h), central(line, 4 * h));
        p->central_error = fabs(p->central - c->page.claimed) / unit;
        p->romberg_error = fabs(p->romberg - c->page.claimed) / unit;
        p->noise = line->noise / h / unit;
    }
}

ad_curve *ad_check_curve(ad_var y, ad_var x, const double *claimed) {
    ad_tape *tape = y.tape;
    if (tape == NULL || tape->status != AD_OK || !ad__operand_valid(tape, y, "ad_check_curve", 1))
        return NULL;
    if (x.tape == NULL || (ad__operand_valid(tape, x, "ad_check_curve", 2) &&
                           tape->code[ad__node_of(x)] != AD__input))
        ad__fail(tape, AD_BAD_ARGUMENT, "ad_check_curve: x is not an input of the tape");
    curve *c = tape->status == AD_OK ? calloc(1, sizeof *c) : NULL;
    if (c == NULL) {
        ad__fail(tape, AD_NO_MEMORY, "out of memory: no space for the points of a curve");
        return NULL;
    }
    ad__probe   p;
    const char *name = ad__name_of(tape, ad__node_of(x));
    snprintf(c->name, sizeof c->name, "%.*s", name != NULL ? ad__cut_bytes(name, 60) : 1,
             name != NULL ? name : "x");
    c->page.name = c->name, c->page.points = POINTS, c->page.point = c->point;
    if (ad__probe_open(&p, y, 1, &x)) {
        const ad__slice    line = ad__probe_coordinate(&p, 0);
        const ad__estimate e = ad__estimate_slope(&line);
        c->page.estimate = e.shape == AD__SMOOTH ? e.slope : NAN;
        c->page.error = e.shape == AD__SMOOTH ? e.error : INFINITY;
        c->page.claimed = claimed != NULL ? *claimed : p.gradient[0];
        measure(c, &line);
    }
    ad__probe_close(&p);
    if (tape->status == AD_OK) return &c->page;
    ad_curve_free(&c->page);
    return NULL;
}

void ad_curve_free(ad_curve *c) {
    free(c);
}

/* ---- drawing --------------------------------------------------------------------------------- */

/* The decades of relative error that are drawn: from the smallest error to the largest, rounded
 * outwards. */
typedef struct frame {
    int low, high;
} frame;

enum { DEEPEST = -17 };

/* The exponent of an error; NaN if it cannot be drawn. */
static double height(double error) {
    return error == 0 ? DEEPEST : isfinite(error) ? fmax(log10(error), DEEPEST) : NAN;
}

static frame frame_of(const ad_curve *c) {
    double low = -1, high = DEEPEST + 1;
    for (size_t i = 0; i < c->points; i++) {
        const double y[] = {height(c->point[i].central_error), height(c->point[i].romberg_error),
                            height(c->point[i].noise)};
        for (int k = 0; k < 3; k++) low = fmin(low, y[k]), high = fmax(high, y[k]);
    }
    return (frame){(int)floor(low), (int)fmin(ceil(high), 8)};
}

enum { LINE_CENTRAL, LINE_ROMBERG, LINE_NOISE, LINES };

static double line_height(const ad_curve_point *p, int line) {
    return height(line == LINE_CENTRAL   ? p->central_error
                  : line == LINE_ROMBERG ? p->romberg_error
                                         : p->noise);
}

static void tsv(const ad_curve *c, FILE *to) {
    fprintf(to, "step\tcentral\tcentral_error\tromberg\tromberg_error\tnoise\n");
    for (size_t i = 0; i < c->points; i++) {
        const ad_curve_point *p = &c->point[i];
        const double          x[] = {p->step,    p->central,       p->central_error,
                                     p->romberg, p->romberg_error, p->noise};
        for (int k = 0; k < 6; k++)
            if (isnan(x[k])) fprintf(to, "%snan", k > 0 ? "\t" : "");
            else fprintf(to, "%s%.10g", k > 0 ? "\t" : "", x[k]);
        fputc('\n', to);
    }
}

enum { ROW_WIDTH = POINTS + 1 };

static void characters(const ad_curve *c, FILE *to) {
    const frame f = frame_of(c);
    char        name[AD__SHOWN_NAME];
    ad__put_line(to, 2, "relative error of d/d%s = %.10g, against the step of the difference",
                 ad__shown_name(c->name, name), c->claimed);
    for (int e = f.high; e >= f.low; e--) {
        char row[ROW_WIDTH];
        memset(row, ' ', POINTS);
        row[POINTS] = '\0';
        for (int line = LINES - 1; line >= 0; line--)
            for (size_t i = 0; i < c->points; i++)
                if (lround(line_height(&c->point[i], line)) == e &&
                    isfinite(line_height(&c->point[i], line)))
                    row[i] = "o*."[line];
        for (int k = POINTS - 1; k >= 0 && row[k] == ' '; k--) row[k] = '\0';
        if (e % 2 == 0) fprintf(to, "  1e%-4d |%s\n", e, row);
        else fprintf(to, "         |%s\n", row);
    }
    fputs("          ", to);
    for (int k = 0; k < POINTS; k++) fputc(k % (2 * PER_DECADE) == 0 ? '+' : '-', to);
    fputs("\n          1       1e-2    1e-4    1e-6    1e-8    1e-10   1e-12\n", to);
    fputs("  o central difference   * Romberg (4h, 2h, h)   . noise of the value / h\n", to);
}

enum { WIDTH = 720, HEIGHT = 480, LEFT = 80, RIGHT = 30, TOP = 50, BOTTOM = 60 };

static double across(double step) {
    return LEFT - log10(step) / DECADES * (WIDTH - LEFT - RIGHT);
}

static double down(frame f, double exponent) {
    return TOP + (f.high - exponent) / (f.high - f.low) * (HEIGHT - TOP - BOTTOM);
}

static void axes(const ad_curve *c, frame f, FILE *to) {
    fprintf(to, "<text x=\"%d\" y=\"28\" font-size=\"16\">error of d/d", LEFT);
    ad__xml_text(c->name, to);
    fprintf(to, " = %.10g against the step of the difference</text>\n", c->claimed);
    for (int e = f.high; e >= f.low; e--) {
        fprintf(to, "<line x1=\"%d\" y1=\"%.1f\" x2=\"%d\" y2=\"%.1f\" stroke=\"#e4e4e4\"/>\n",
                LEFT, down(f, e), WIDTH - RIGHT, down(f, e));
        if (e % 2 == 0)
            fprintf(to, "<text x=\"%d\" y=\"%.1f\" text-anchor=\"end\">1e%d</text>\n", LEFT - 8,
                    down(f, e) + 4, e);
    }
    for (int d = 0; d <= DECADES; d++) {
        const double x = across(pow(10, -d));
        fprintf(to, "<line x1=\"%.1f\" y1=\"%d\" x2=\"%.1f\" y2=\"%d\" stroke=\"#e4e4e4\"/>\n", x,
                TOP, x, HEIGHT - BOTTOM);
        fprintf(to, "<text x=\"%.1f\" y=\"%d\" text-anchor=\"middle\">1e-%d</text>\n", x,
                HEIGHT - BOTTOM + 18, d);
    }
    fprintf(to, "<text x=\"%d\" y=\"%d\" text-anchor=\"middle\">step h</text>\n",
            (LEFT + WIDTH - RIGHT) / 2, HEIGHT - BOTTOM + 40);
    fprintf(to,
            "<text transform=\"translate(20 %d) rotate(-90)\" text-anchor=\"middle\">relative "
            "error</text>\n",
            (TOP + HEIGHT - BOTTOM) / 2);
}

/* A point that cannot be drawn breaks the line. */
static void draw_line(const ad_curve *c, frame f, int line, FILE *to) {
    static const char *const color[LINES] = {"#1f6fb4", "#c43c00", "#888888"};
    static const char *const dash[LINES] = {"", "", " stroke-dasharray=\"5 4\""};
    bool                     open = false;
    for (size_t i = 0; i <= c->points; i++) {
        const double y = i < c->points ? line_height(&c->point[i], line) : NAN;
        if (isnan(y) || y > f.high) {
            if (open) fputs("\"/>\n", to);
            open = false;
            continue;
        }
        if (!open)
            fprintf(to, "<polyline fill=\"none\" stroke=\"%s\" stroke-width=\"2\"%s points=\"",
                    color[line], dash[line]);
        fprintf(to, "%.1f,%.1f ", across(c->point[i].step), down(f, y));
        open = true;
    }
    static const char *const label[LINES] = {"central difference", "Romberg (4h, 2h, h)",
                                             "noise of the value / h"};
    const int                x = LEFT + 12 + 190 * line;
    fprintf(to,
            "<line x1=\"%d\" y1=\"42\" x2=\"%d\" y2=\"42\" stroke=\"%s\" stroke-width=\"2\"%s/>\n",
            x, x + 24, color[line], dash[line]);
    fprintf(to, "<text x=\"%d\" y=\"46\">%s</text>\n", x + 30, label[line]);
}

static void svg(const ad_curve *c, FILE *to) {
    const frame f = frame_of(c);
    fprintf(to,
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%d\" viewBox=\"0 0 %d "
            "%d\" font-family=\"sans-serif\" font-size=\"12\">\n"
            "<rect width=\"100%%\" height=\"100%%\" fill=\"white\"/>\n",
            WIDTH, HEIGHT, WIDTH, HEIGHT);
    axes(c, f, to);
    for (int line = LINES - 1; line >= 0; line--) draw_line(c, f, line, to);
    fputs("</svg>\n", to);
}

ad_status ad_curve_print(const ad_curve *c, ad_picture picture, FILE *to) {
    if (c == NULL) return AD_NO_MEMORY;
    if (to == NULL || (unsigned)picture > AD_SVG) return AD_BAD_ARGUMENT;
    const ad__locale locale = ad__locale_enter();
    if (picture == AD_TSV) tsv(c, to);
    else if (picture == AD_CHARACTERS) characters(c, to);
    else svg(c, to);
    ad__locale_leave(locale);
    return ad__written(to);
}
