/* lesson_print.c - the lesson in a terminal: tables of numbers, arrows and bars, in NN__WIDTH
 * columns.
 *
 * Of a large layer only the units with the largest wishes (-dC/da) are shown, with a line that says
 * how many were omitted. */
#include "lesson.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MOST = 8, ACROSS = 4, BAR = 12, MOST_EXAMPLES = 12, NAME = 512 };

typedef struct printer {
    const nn_lesson   *lesson;
    const nn__example *example;
    FILE              *to;
    bool               ascii;
} printer;

/* ---- pieces ---------------------------------------------------------------------------------- */

/* A caller's text as it is printed, cut to fit at a character. Control characters become spaces;
 * bytes that are not UTF-8, or not ASCII if only that is allowed, question marks. */
static char *printable(const printer *b, const char *from, char text[NAME]) {
    size_t length = 0;
    for (size_t bytes; *from != '\0' && length<NAME - 5; from += bytes> 0 ? bytes : 1) {
        char piece[8];
        bytes = nn__character(from);
        nn__escape_character(from, piece);
        const bool plain = bytes > 0 && !(b->ascii && bytes > 1);
        if (plain && *piece == *from) memcpy(text + length, from, bytes), length += bytes;
        else text[length++] = plain ? ' ' : '?';
    }
    text[length] = '\0';
    return text;
}

enum { LEFT = 20, CELL = 11 }; /* CELL: of a number with its arrow */

static void put_left(const printer *b, const char *name) {
    char text[NAME];
    nn__narrow(LEFT, printable(b, name, text));
    fprintf(b->to, "    %s%*s", text, (int)(LEFT - nn__columns(text)), "");
}

static void put_right(const printer *b, size_t width, const char *name) {
    char text[NAME];
    nn__narrow(width - 1, printable(b, name, text));
    fprintf(b->to, "%*s%s", (int)(width - nn__columns(text)), "", text);
}

/* With its decimals, or if these are too wide, with the digits that the width leaves beside the
 * exponent. */
static void put_number(const printer *b, int width, int decimals, double x) {
    char text[32];
    if (snprintf(text, sizeof text, "%*.*f", width, decimals, x) > width)
        snprintf(text, sizeof text, "%*.*e", width, width > 8 ? width - 8 : 0, x);
    fputs(text, b->to);
}

/* A line that is broken between words and continues further in. */
__attribute__((format(printf, 3, 4))) static void put_line(const printer *b, size_t indent,
                                                           const char *format, ...) {
    char    text[NAME];
    va_list list;
    va_start(list, format);
    vsnprintf(text, sizeof text, format, list);
    va_end(list);
    nn__flow(b->to, 0, indent, text);
    fputc('\n', b->to);
}

static const char *arrow(const printer *b, double wish) {
    if (!(fabs(wish) > 0)) return b->ascii ? "." : "\u00b7";
    return wish > 0 ? b->ascii ? "^" : "\u25b2" : b->ascii ? "v" : "\u25bc";
}

/* A bar for size/largest, BAR cells at most. */
static void bar(const printer *b, double size, double largest) {
    const size_t cells = largest > 0 ? (size_t)lround(fmin(1, fabs(size) / largest) * BAR) : 0;
    for (size_t i = 0; i < cells; i++) fputs(b->ascii ? "#" : "\u2588", b->to);
}

static double largest_of(size_t n, const double x[]) {
    double largest = 0;
    for (size_t i = 0; i < n; i++) largest = fmax(largest, fabs(x[i]));
    return largest;
}

/* The indices of the `most` numbers of largest magnitude, in rising order; returns how many. */
static size_t largest_indices(size_t n, const double x[], size_t most, size_t index[]) {
    size_t found = 0;
    for (size_t i = 0; i < n; i++) {
        size_t larger = 0;
        for (size_t k = 0; k < n && n > most; k++)
            larger += fabs(x[k]) > fabs(x[i]) || (k < i && fabs(x[k]) == fabs(x[i]));
        if (larger < most) index[found++] = i;
    }
    return found;
}

/* The name of unit j of layer l, counted from 1; l = 0: of input j. */
static const char *unit_name(const printer *b, size_t l, size_t j, char text[24]) {
    if (l == 0) return b->lesson->input_name[j];
    if (l == b->lesson->layers) return b->lesson->output_name[j];
    snprintf(text, 24, "h%zu.%zu", l, j + 1);
    return text;
}

static void print_omitted(const printer *b, size_t shown, size_t all, const char *what) {
    if (shown < all)
        fprintf(b->to, "    (%zu of %zu %s are shown, those with the largest wishes)\n", shown, all,
                what);
}

/* ---- forward --------------------------------------------------------------------------------- */

/* The mean ink of a square of pixels, as many as lie in the image. */
static double mean_ink(const printer *b, size_t y, size_t x, size_t square) {
    const size_t side = b->lesson->image;
    double       sum = 0, pixels = 0;
    for (size_t i = y; i < y + square && i * side < b->lesson->inputs; i++)
        for (size_t j = x; j < x + square && j < side && i * side + j < b->lesson->inputs; j++)
            sum += b->example->input[i * side + j], pixels++;
    return pixels > 0 ? sum / pixels : 0;
}

/* Two characters for a pixel, or for a square of them if the image is wide. */
static void print_image(const printer *b) {
    static const char *const shades[] = {" ", "\u2591", "\u2592", "\u2593", "\u2588"};
    static const char        ascii[] = " .:*#";
    const double             largest = largest_of(b->lesson->inputs, b->example->input);
    const size_t             side = b->lesson->image, most = (NN__WIDTH - 4) / 2,
                 square = 1 + (side - 1) / most;
    for (size_t y = 0; y * side < b->lesson->inputs; y += square) {
        fputs("    ", b->to);
        for (size_t x = 0; x < side && y * side + x < b->lesson->inputs; x += square) {
            const double ink = largest > 0 ? fmax(0, mean_ink(b, y, x, square)) / largest : 0;
            const size_t shade = (size_t)lround(4 * ink);
            for (int k = 0; k < 2; k++)
                fprintf(b->to, "%.*s", b->ascii ? 1 : 4, b->ascii ? &ascii[shade] : shades[shade]);
        }
        fputc('\n', b->to);
    }
}

static void print_inputs(const printer *b) {
    char         name[24];
    const size_t n = b->lesson->inputs;
    fprintf(b->to, "  inputs, locked: they never change\n");
    if (b->lesson->image > 0) {
        print_image(b);
        return;
    }
    for (size_t i = 0; i < n && i < 2 * MOST; i++) {
        put_left(b, unit_name(b, 0, i, name));
        fputc(' ', b->to);
        put_number(b, 9, 4, b->example->input[i]);
        fputc('\n', b->to);
    }
    if (n > 2 * MOST) fprintf(b->to, "    ... and %zu more\n", n - 2 * MOST);
}

static void print_layer(const printer *b, size_t l) {
    char             name[24];
    const nn_lesson *lesson = b->lesson;
    const size_t     first = lesson->unit[l], n = lesson->size[l + 1];
    const double    *a = b->example->a + first;
    size_t           index[2 * MOST];
    const size_t     shown = largest_indices(n, b->example->da + first, 2 * MOST, index);
    fprintf(b->to, "  layer %zu, %s of the weighted sum z of the activations before\n", l + 1,
            lesson->activation[l]);
    for (size_t k = 0; k < shown; k++) {
        const size_t j = index[k];
        put_left(b, unit_name(b, l + 1, j, name));
        fputs(" z ", b->to);
        put_number(b, 9, 4, b->example->z[first + j]);
        fputs("   a ", b->to);
        put_number(b, 9, 4, a[j]);
        fputs(a[j] < 0 ? "  -" : "   ", b->to);
        bar(b, a[j], largest_of(n, a));
        fputc('\n', b->to);
    }
    print_omitted(b, shown, n, "units");
}

static void print_loss(const printer *b) {
    const nn_lesson   *lesson = b->lesson;
    const nn__example *p = b->example;
    fprintf(b->to, "loss\n");
    for (size_t k = 0; k < lesson->outputs && k < 2 * MOST; k++) {
        put_left(b, lesson->output_name[k]);
        fputs(lesson->squares ? " output      " : " probability ", b->to);
        put_number(b, 8, 4, p->guess[k]);
        fputs("   wanted ", b->to);
        put_number(b, 8, 4, nn__wanted(lesson, p, k));
        fputc('\n', b->to);
    }
    char name[NAME];
    if (lesson->squares) put_line(b, 6, "  C = sum of (output - wanted)^2 = %.6g\n", p->loss);
    else
        put_line(b, 6, "  C = -log(probability of %s) = %.6g\n",
                 nn__narrow(LEFT, printable(b, lesson->output_name[(size_t)p->target[0]], name)),
                 p->loss);
}

/* ---- backward -------------------------------------------------------------------------------- */

static void print_outputs(const printer *b) {
    const nn_lesson *lesson = b->lesson;
    const size_t     last = lesson->layers - 1, first = lesson->unit[last], n = lesson->outputs;
    const double    *da = b->example->da + first;
    size_t           index[2 * MOST];
    const size_t     shown = largest_indices(n, da, 2 * MOST, index);
    fprintf(b->to, "  what each output should do, its wish: the negative gradient -dC/da\n");
    for (size_t k = 0; k < shown; k++) {
        const size_t j = index[k];
        put_left(b, lesson->output_name[j]);
        fprintf(b->to, " %s ", arrow(b, -da[j]));
        put_number(b, 9, 4, -da[j]);
        fputs("  ", b->to);
        bar(b, da[j], largest_of(n, da));
        fputc('\n', b->to);
    }
    print_omitted(b, shown, n, "outputs");
}

/* Units that are shown of a layer, and of the one before it: those with the largest wishes. A table
 * has `column` up to `across`, as many as fit beside each other. */
typedef struct chosen {
    size_t        row[MOST], shown, across, cell;
    const size_t *column;
} chosen;

/* Cells are as wide as the names above them, if there is room. */
static size_t cell_width(const printer *b, size_t l, const chosen *c) {
    const size_t most = (NN__WIDTH - 4 - LEFT) / (c->across + 1);
    size_t       width = CELL;
    char         name[24], text[NAME];
    for (size_t k = 0; k < c->across; k++) {
        const size_t own = 1 + nn__columns(printable(b, unit_name(b, l, c->column[k], name), text));
        if (own > width) width = own;
    }
    return width < most ? width : most;
}

static void print_heads(const printer *b, size_t l, const chosen *c, const char *first) {
    char name[24];
    fprintf(b->to, "    %-20s", first);
    for (size_t k = 0; k < c->across; k++)
        put_right(b, c->cell, unit_name(b, l, c->column[k], name));
}

static void print_cell(const printer *b, size_t width, double wish) {
    fprintf(b->to, "%*s%s ", (int)width - 9, "", arrow(b, wish));
    put_number(b, 7, 3, wish);
}

/* The wishes of layer l for its weights, in proportion to the activation that each carries, and for
 * its biases if this is the last table. */
static void print_wishes_for_weights(const printer *b, size_t l, const chosen *c, bool last) {
    char          name[24];
    const double *before = nn__layer_input(b->lesson, b->example, l),
                 *gradient = b->example->gradient;
    print_heads(b, l, c, "activation before");
    if (last) put_right(b, c->cell, "bias");
    fprintf(b->to, "\n    %-20s", "");
    for (size_t k = 0; k < c->across; k++) {
        fprintf(b->to, "%*sa", (int)c->cell - 8, "");
        put_number(b, 7, 3, before[c->column[k]]);
    }
    if (last) fprintf(b->to, "%*sa%7.3f", (int)c->cell - 8, "", 1.0);
    fputc('\n', b->to);
    for (size_t k = 0; k < c->shown; k++) {
        put_left(b, unit_name(b, l + 1, c->row[k], name));
        for (size_t i = 0; i < c->across; i++)
            print_cell(b, c->cell,
                       -gradient[nn__weight_index(b->lesson, l, c->row[k], c->column[i])]);
        if (last) print_cell(b, c->cell, -gradient[nn__bias_index(b->lesson, l, c->row[k])]);
        fputc('\n', b->to);
    }
}

/* Those for the activations before, in proportion to the weight, added up. */
static void print_wishes_for_activations(const printer *b, size_t l, const chosen *c) {
    char             name[24];
    const nn_lesson *lesson = b->lesson;
    const double    *dz = b->example->dz, *da = b->example->da;
    const size_t     first = lesson->unit[l], before = lesson->unit[l - 1];
    print_heads(b, l, c, "");
    fputc('\n', b->to);
    for (size_t k = 0; k < c->shown; k++) {
        put_left(b, unit_name(b, l + 1, c->row[k], name));
        for (size_t i = 0; i < c->across; i++)
            print_cell(b, c->cell,
                       -dz[first + c->row[k]] *
                           lesson->weight[nn__weight_index(lesson, l, c->row[k], c->column[i])]);
        fputc('\n', b->to);
    }
    fprintf(b->to, "    %-20s",
            c->shown < lesson->size[l + 1] ? "sum of all wishes" : "sum of the wishes");
    for (size_t i = 0; i < c->across; i++) print_cell(b, c->cell, -da[before + c->column[i]]);
    fprintf(b->to, "\n  through %s: -dC/dz = -dC/da * its slope\n", lesson->activation[l - 1]);
    fprintf(b->to, "    %-20s", "");
    for (size_t i = 0; i < c->across; i++) print_cell(b, c->cell, -dz[before + c->column[i]]);
    fputc('\n', b->to);
}

/* The wishes of the units of layer l: of their weights, in proportion to the activation that
 * each carries, and of the activations before, in proportion to the weight; the latter are added
 * up. */
static void print_wishes(const printer *b, size_t l) {
    const nn_lesson *lesson = b->lesson;
    const double    *dz = b->example->dz + lesson->unit[l];
    const double    *of_before =
        l == 0 ? nn__layer_input(lesson, b->example, l) : b->example->da + lesson->unit[l - 1];
    const size_t rows = lesson->size[l + 1], columns = lesson->size[l];
    size_t       column[MOST];
    chosen       c;
    c.shown = largest_indices(rows, dz, MOST, c.row);
    const size_t across = largest_indices(columns, of_before, MOST, column);
    put_line(b, 4, "  layer %zu asks of its weights, -dC/dw = -dC/dz * the activation it carries",
             l + 1);
    for (size_t i = 0; i < across; i += ACROSS) {
        c.column = column + i, c.across = across - i < ACROSS ? across - i : ACROSS;
        c.cell = cell_width(b, l, &c);
        print_wishes_for_weights(b, l, &c, i + ACROSS >= across);
    }
    print_omitted(b, c.shown, rows, "units");
    print_omitted(b, across, columns, "activations");
    fputs(l > 0 ? "  and of the activations before, -dC/dz * the weight between them\n"
                : "  and of the inputs nothing: they are locked\n",
          b->to);
    for (size_t i = 0; l > 0 && i < across; i += ACROSS) {
        c.column = column + i, c.across = across - i < ACROSS ? across - i : ACROSS;
        c.cell = cell_width(b, l, &c);
        print_wishes_for_activations(b, l, &c);
    }
}

/* ---- the step, and the batch ----------------------------------------------------------------- */

/* A parameter by its layer and index: "w3[0][2]", "b3[0]". */
static char *param_name(const nn_lesson *lesson, size_t index, char text[80]) {
    size_t l = 0;
    while (index >= lesson->param[l + 1]) l++;
    const size_t at = index - lesson->param[l], across = lesson->size[l];
    if (at < across * lesson->size[l + 1])
        snprintf(text, 80, "w%zu[%zu][%zu]", l + 1, at / across, at % across);
    else snprintf(text, 80, "b%zu[%zu]", l + 1, at - across * lesson->size[l + 1]);
    return text;
}

static void print_step(const printer *b) {
    const nn_lesson *lesson = b->lesson;
    char             name[80];
    size_t           largest = 0;
    for (size_t i = 0; i < lesson->params; i++)
        if (fabs(lesson->mean[i]) > fabs(lesson->mean[largest])) largest = i;
    put_line(b, 10, "step      each weight and bias: new = old - %.6g * dC/dw%s", lesson->rate,
             lesson->examples > 1 ? ", the mean over the batch" : "");
    put_line(b, 6, "    the largest change: %s = %.6g - %.6g * %.6g = %.6g",
             param_name(lesson, largest, name), lesson->weight[largest], lesson->rate,
             lesson->mean[largest], lesson->new_weight[largest]);
    if (lesson->examples > 1)
        put_line(b, 6, "    C of this example %.6g -> %.6g", b->example->loss,
                 b->example->loss_after);
    put_line(b, 6, "    %sC %.6g -> %.6g   %s", lesson->examples > 1 ? "mean " : "", lesson->loss,
             lesson->loss_after,
             lesson->loss_after < lesson->loss ? "the step went down"
             : lesson->loss_after > lesson->loss
                 ? "the step went too far: the rate is too large here"
                 : "the step is too small to see");
}

static void print_row(const printer *b, const char *row, double loss, size_t n,
                      const size_t index[], const double gradient[]) {
    fprintf(b->to, "    %-10s ", row);
    put_number(b, 10, 5, loss);
    for (size_t i = 0; i < n; i++) {
        fputs("  ", b->to);
        put_number(b, 11, 5, gradient[index[i]]);
    }
    fputc('\n', b->to);
}

/* One row for each example, then their mean; for the four parameters with the largest means. */
static void print_batch(const printer *b) {
    const nn_lesson *lesson = b->lesson;
    char             name[80];
    size_t           index[4];
    const size_t     across = largest_indices(lesson->params, lesson->mean, 4, index);
    double           gap = 0;
    put_line(b, 10,
             "batch     a row for each example: its loss, its derivative in some parameters");
    fprintf(b->to, "    %-10s %10s", "row", "C");
    for (size_t i = 0; i < across; i++)
        fprintf(b->to, "  %11s", nn__narrow(11, param_name(lesson, index[i], name)));
    fputc('\n', b->to);
    for (size_t k = 0; k < lesson->examples && k < MOST_EXAMPLES; k++) {
        snprintf(name, sizeof name, "%zu", lesson->example[k].row);
        print_row(b, nn__narrow(10, name), lesson->example[k].loss, across, index,
                  lesson->example[k].gradient);
    }
    if (lesson->examples > MOST_EXAMPLES)
        fprintf(b->to, "    ... and %zu more rows\n", lesson->examples - MOST_EXAMPLES);
    print_row(b, "mean", lesson->loss, across, index, lesson->mean);
    for (size_t i = 0; i < lesson->params; i++)
        gap = fmax(gap, fabs(lesson->mean[i] - lesson->gradient_of_mean[i]));
    fprintf(b->to,
            "    the gradient of the mean loss, by one sweep, differs from the mean of the\n"
            "    gradients by %.0e at most\n",
            gap);
}

static void print_sizes(const printer *b) {
    const nn_lesson *lesson = b->lesson;
    char             text[NAME];
    size_t           column = nn__flow(b->to, 0, 10, "network   ");
    for (size_t l = 0; l <= lesson->layers; l++) {
        snprintf(text, NAME, l > 0 ? "-%zu" : "%zu", lesson->size[l]);
        column = nn__flow(b->to, column, 10, text);
    }
    snprintf(text, NAME, ", %zu parameters;  example: row %zu\n\n", lesson->params,
             b->example->row);
    nn__flow(b->to, column, 10, text);
}

ad_status nn_lesson_print(const nn_lesson *lesson, size_t example, bool ascii, FILE *to) {
    if (lesson == NULL || to == NULL || example >= lesson->examples) return AD_BAD_ARGUMENT;
    const printer  b = {lesson, &lesson->example[example], to, ascii};
    const locale_t before = nn__locale_enter();
    char           text[NAME];
    put_line(&b, 2, "%s", printable(&b, lesson->title, text));
    print_sizes(&b);
    fputs("forward   from left to right\n", to);
    print_inputs(&b);
    for (size_t l = 0; l < lesson->layers; l++) print_layer(&b, l);
    print_loss(&b);
    fputs("backward  from right to left\n", to);
    print_outputs(&b);
    for (size_t l = lesson->layers; l-- > 0;) print_wishes(&b, l);
    fputc('\n', to);
    if (lesson->examples > 1) {
        print_batch(&b);
        fputc('\n', to);
    }
    print_step(&b);
    nn__locale_leave(before);
    return nn__written(to);
}
