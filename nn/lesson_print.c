/* lesson_print.c - the lesson in a terminal: tables of numbers, arrows and bars.
 *
 * Of a large layer only the units with the largest wishes (-dC/da) are shown, with a line that says
 * how many were omitted. */
#include "lesson.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MOST = 8, BAR = 12, MOST_EXAMPLES = 12 };

typedef struct printer {
    const nn_lesson   *lesson;
    const nn__example *example;
    FILE              *to;
    bool               ascii;
} printer;

/* ---- pieces ---------------------------------------------------------------------------------- */

/* Prints at most `most` characters of a caller's text and returns how many. Control characters
 * become spaces; bytes that are not UTF-8, or not ASCII if only that is allowed, question marks. */
static size_t put_text(const printer *b, const char *text, size_t most) {
    size_t n = 0;
    for (size_t bytes; *text != '\0' && n<most; n++, text += bytes> 0 ? bytes : 1) {
        char piece[8];
        bytes = nn__character(text);
        nn__escape_character(text, piece);
        if (bytes == 0 || (b->ascii && bytes > 1)) fputc('?', b->to);
        else if (*piece != *text) fputc(' ', b->to);
        else fwrite(text, 1, bytes, b->to);
    }
    return n;
}

enum { LEFT = 20, RIGHT = 10 };

static void put_left(const printer *b, const char *name) {
    fputs("    ", b->to);
    for (size_t n = put_text(b, name, LEFT); n < LEFT; n++) fputc(' ', b->to);
}

static void put_right(const printer *b, const char *name) {
    size_t n = 0;
    for (const char *at = name; *at != '\0' && n < RIGHT; n++)
        at += nn__character(at) > 0 ? nn__character(at) : 1;
    for (; n <= RIGHT; n++) fputc(' ', b->to);
    put_text(b, name, RIGHT);
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

static void print_inputs(const printer *b) {
    char         name[24];
    const size_t n = b->lesson->inputs;
    fprintf(b->to, "  inputs, locked: they never change\n");
    if (b->lesson->image > 0) {
        static const char *const shades[] = {" ", "\u2591", "\u2592", "\u2593", "\u2588"};
        static const char        ascii[] = " .:*#";
        const double             largest = largest_of(n, b->example->input);
        for (size_t i = 0; i < n; i++) {
            const size_t shade =
                largest > 0 ? (size_t)lround(4 * fmax(0, b->example->input[i]) / largest) : 0;
            if (i % b->lesson->image == 0) fputs(i == 0 ? "    " : "\n    ", b->to);
            for (int k = 0; k < 2; k++)
                fprintf(b->to, "%.*s", b->ascii ? 1 : 4, b->ascii ? &ascii[shade] : shades[shade]);
        }
        fputc('\n', b->to);
        return;
    }
    for (size_t i = 0; i < n && i < 2 * MOST; i++) {
        put_left(b, unit_name(b, 0, i, name));
        fprintf(b->to, " %9.4f\n", b->example->input[i]);
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
        fprintf(b->to, " z %9.4f   a %9.4f  %s", b->example->z[first + j], a[j],
                a[j] < 0 ? "-" : " ");
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
        fprintf(b->to, " %s %8.4f   wanted %8.4f\n",
                lesson->squares ? "output     " : "probability", p->guess[k],
                nn__wanted(lesson, p, k));
    }
    if (lesson->squares) fputs("  C = sum of (output - wanted)^2", b->to);
    else {
        fputs("  C = -log(probability of ", b->to);
        put_text(b, lesson->output_name[(size_t)p->target[0]], SIZE_MAX);
        fputc(')', b->to);
    }
    fprintf(b->to, " = %.6g\n\n", p->loss);
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
        fprintf(b->to, " %s %9.4f  ", arrow(b, -da[j]), -da[j]);
        bar(b, da[j], largest_of(n, da));
        fputc('\n', b->to);
    }
    print_omitted(b, shown, n, "outputs");
}

static void print_heads(const printer *b, size_t l, size_t n, const size_t index[],
                        const char *first, const char *last) {
    char name[24];
    fprintf(b->to, "    %-20s", first);
    for (size_t k = 0; k < n; k++) put_right(b, unit_name(b, l, index[k], name));
    fprintf(b->to, " %10s\n", last);
}

static void print_cell(const printer *b, double wish) {
    fprintf(b->to, "  %s %7.3f", arrow(b, wish), wish);
}

/* Units that are shown of a layer, and of the one before it: those with the largest wishes. */
typedef struct chosen {
    size_t row[MOST], shown, column[MOST], across;
} chosen;

/* The wishes of layer l for its weights, in proportion to the activation that each carries. */
static void print_wishes_for_weights(const printer *b, size_t l, const chosen *c) {
    char          name[24];
    const double *before = nn__layer_input(b->lesson, b->example, l),
                 *gradient = b->example->gradient;
    fprintf(b->to, "  layer %zu asks of its weights, -dC/dw = -dC/dz * the activation it carries\n",
            l + 1);
    print_heads(b, l, c->across, c->column, "activation before", "bias");
    fprintf(b->to, "    %-20s", "");
    for (size_t k = 0; k < c->across; k++) fprintf(b->to, "   a%7.3f", before[c->column[k]]);
    fprintf(b->to, "   a%7.3f\n", 1.0);
    for (size_t k = 0; k < c->shown; k++) {
        put_left(b, unit_name(b, l + 1, c->row[k], name));
        for (size_t i = 0; i < c->across; i++)
            print_cell(b, -gradient[nn__weight_index(b->lesson, l, c->row[k], c->column[i])]);
        print_cell(b, -gradient[nn__bias_index(b->lesson, l, c->row[k])]);
        fputc('\n', b->to);
    }
}

/* Those for the activations before, in proportion to the weight, added up. */
static void print_wishes_for_activations(const printer *b, size_t l, const chosen *c) {
    char             name[24];
    const nn_lesson *lesson = b->lesson;
    const double    *dz = b->example->dz, *da = b->example->da;
    const size_t     first = lesson->unit[l], before = lesson->unit[l - 1];
    fprintf(b->to, "  and of the activations before, -dC/dz * the weight between them\n");
    print_heads(b, l, c->across, c->column, "", "");
    for (size_t k = 0; k < c->shown; k++) {
        put_left(b, unit_name(b, l + 1, c->row[k], name));
        for (size_t i = 0; i < c->across; i++)
            print_cell(b, -dz[first + c->row[k]] *
                              lesson->weight[nn__weight_index(lesson, l, c->row[k], c->column[i])]);
        fputc('\n', b->to);
    }
    fprintf(b->to, "    %-20s",
            c->shown < lesson->size[l + 1] ? "sum of all wishes" : "sum of the wishes");
    for (size_t i = 0; i < c->across; i++) print_cell(b, -da[before + c->column[i]]);
    fprintf(b->to, "\n  through %s: -dC/dz = -dC/da * its slope\n", lesson->activation[l - 1]);
    fprintf(b->to, "    %-20s", "");
    for (size_t i = 0; i < c->across; i++) print_cell(b, -dz[before + c->column[i]]);
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
    chosen       c;
    c.shown = largest_indices(rows, dz, MOST, c.row);
    c.across = largest_indices(columns, of_before, MOST, c.column);
    print_wishes_for_weights(b, l, &c);
    print_omitted(b, c.shown, rows, "units");
    print_omitted(b, c.across, columns, "activations");
    if (l > 0) print_wishes_for_activations(b, l, &c);
    else fprintf(b->to, "  and of the inputs nothing: they are locked\n");
}

/* ---- the step, and the batch ----------------------------------------------------------------- */

/* A parameter by its layer and index: "w3[0][2]", "b3[0]". */
static const char *param_name(const nn_lesson *lesson, size_t index, char text[80]) {
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
    fprintf(b->to, "step      each weight and bias: new = old - %.6g * dC/dw%s\n", lesson->rate,
            lesson->examples > 1 ? ", the mean over the batch" : "");
    fprintf(b->to, "    the largest change: %s = %.6g - %.6g * %.6g = %.6g\n",
            param_name(lesson, largest, name), lesson->weight[largest], lesson->rate,
            lesson->mean[largest], lesson->new_weight[largest]);
    if (lesson->examples > 1)
        fprintf(b->to, "    C of this example %.6g -> %.6g\n", b->example->loss,
                b->example->loss_after);
    fprintf(b->to, "    %sC %.6g -> %.6g   %s\n", lesson->examples > 1 ? "mean " : "", lesson->loss,
            lesson->loss_after,
            lesson->loss_after < lesson->loss ? "the step went down"
            : lesson->loss_after > lesson->loss
                ? "the step went too far: the rate is too large here"
                : "the step is too small to see");
}

/* One row for each example, then their mean; for the four parameters with the largest means. */
static void print_batch(const printer *b) {
    const nn_lesson *lesson = b->lesson;
    size_t           index[4];
    const size_t     across = largest_indices(lesson->params, lesson->mean, 4, index);
    double           gap = 0;
    fprintf(b->to,
            "batch     a row for each example: its loss, its derivative in some parameters\n");
    fprintf(b->to, "    %-10s %10s", "row", "C");
    char name[80];
    for (size_t i = 0; i < across; i++)
        fprintf(b->to, "  %11s", param_name(lesson, index[i], name));
    fputc('\n', b->to);
    for (size_t k = 0; k < lesson->examples && k < MOST_EXAMPLES; k++) {
        fprintf(b->to, "    %-10zu %10.5f", lesson->example[k].row, lesson->example[k].loss);
        for (size_t i = 0; i < across; i++)
            fprintf(b->to, "  %11.5f", lesson->example[k].gradient[index[i]]);
        fputc('\n', b->to);
    }
    if (lesson->examples > MOST_EXAMPLES)
        fprintf(b->to, "    ... and %zu more rows\n", lesson->examples - MOST_EXAMPLES);
    fprintf(b->to, "    %-10s %10.5f", "mean", lesson->loss);
    for (size_t i = 0; i < across; i++) fprintf(b->to, "  %11.5f", lesson->mean[index[i]]);
    for (size_t i = 0; i < lesson->params; i++)
        gap = fmax(gap, fabs(lesson->mean[i] - lesson->gradient_of_mean[i]));
    fprintf(b->to,
            "\n    the gradient of the mean loss, by one sweep, differs from the mean of the\n"
            "    gradients by %.0e at most\n",
            gap);
}

static void print_sizes(const printer *b) {
    const nn_lesson *lesson = b->lesson;
    fprintf(b->to, "network   ");
    for (size_t l = 0; l <= lesson->layers; l++)
        fprintf(b->to, "%s%zu", l > 0 ? "-" : "", lesson->size[l]);
    fprintf(b->to, ", %zu parameters;  example: row %zu\n\n", lesson->params, b->example->row);
}

ad_status nn_lesson_print(const nn_lesson *lesson, size_t example, bool ascii, FILE *to) {
    if (lesson == NULL || to == NULL || example >= lesson->examples) return AD_BAD_ARGUMENT;
    const printer  b = {lesson, &lesson->example[example], to, ascii};
    const locale_t before = nn__locale_enter();
    put_text(&b, lesson->title, SIZE_MAX);
    fputc('\n', to);
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
