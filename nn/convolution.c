/* convolution.c - windows that move over pictures: convolution and pooling.
 *
 * At each position of the window the dots of all output channels stand one after the other, over
 * the same part of the picture: of those a compiled program makes one matmul. Padding is left out
 * of them, so that nothing is multiplied by zeros; where the window stands partly outside of the
 * picture, the weights that lie inside are gathered. Nothing is recorded unless all sizes fit. */
#include "model.h"

#include <math.h>
#include <stdlib.h>

enum { DOWN, ACROSS, AXES };

/* A window with all that follows from it. */
typedef struct grid {
    const nn_window *window;
    const char      *function; /* for messages */
    ad_tape         *tape;     /* where errors are kept; NULL: nowhere */
    size_t           side[AXES], stride[AXES], places[AXES]; /* of the picture; of the result */
    size_t           area;                                   /* places in all */
} grid;

/* ---- sizes ----------------------------------------------------------------------------------- */

/* SIZE_MAX stands for all that is larger. */
static size_t times(size_t a, size_t b) {
    return b != 0 && a > SIZE_MAX / b ? SIZE_MAX : a * b;
}

static size_t kernel_area(const nn_window *w) {
    return times(w->kernel[DOWN], w->kernel[ACROSS]);
}

static bool refuse(const grid *g, const char *sentence) {
    ad_tape_fail(g->tape, AD_BAD_ARGUMENT, sentence);
    return false;
}

static bool sizes_are_there(const grid *g) {
    const nn_window *w = g->window;
    char             text[NN__MESSAGE];
    if (w->channels > 0 && w->height > 0 && w->width > 0 && kernel_area(w) > 0) return true;
    nn__say(AD_BAD_ARGUMENT, text,
            "%s: a picture of %zu x %zu x %zu numbers and a kernel of %zu x %zu: each must be at "
            "least 1",
            g->function, w->channels, w->height, w->width, w->kernel[DOWN], w->kernel[ACROSS]);
    return refuse(g, text);
}

/* Could memory hold an array of so many handles, twice? */
static bool array_fits(const grid *g, size_t count) {
    char text[NN__MESSAGE];
    if (count <= SIZE_MAX / 4 / sizeof(ad_var)) return true;
    nn__say(AD_BAD_ARGUMENT, text, "%s: more numbers than memory can hold", g->function);
    return refuse(g, text);
}

/* The picture fits into memory, and a padding that is no larger than this: their sum is a size. */
static bool kernel_fits(const grid *g) {
    const nn_window *w = g->window;
    char             text[NN__MESSAGE];
    bool             fits = true;
    for (int axis = DOWN; axis < AXES; axis++)
        fits = fits && w->padding[axis] <= SIZE_MAX / 4 &&
               w->kernel[axis] <= g->side[axis] + 2 * w->padding[axis];
    if (fits) return true;
    nn__say(AD_BAD_ARGUMENT, text,
            "%s: a kernel of %zu x %zu does not fit into a picture of %zu x %zu with a padding of "
            "%zu and %zu on each side",
            g->function, w->kernel[DOWN], w->kernel[ACROSS], w->height, w->width, w->padding[DOWN],
            w->padding[ACROSS]);
    return refuse(g, text);
}

static bool arrays_fit(const grid *g, size_t outputs) {
    return array_fits(g, times(times(outputs, g->window->channels), kernel_area(g->window))) &&
           array_fits(g, times(outputs, g->area));
}

/* stride: where none is given, NULL: 1. */
static bool measure(grid *g, size_t outputs, const size_t stride[AXES]) {
    const nn_window *w = g->window;
    char             text[NN__MESSAGE];
    if (w == NULL || !nn__all_zero(w->reserved, w + 1)) {
        if (w == NULL) nn__say(AD_BAD_ARGUMENT, text, "%s: no window", g->function);
        else nn__say(AD_BAD_ARGUMENT, text, NN__NOT_ZERO, g->function, "nn_window");
        return refuse(g, text);
    }
    g->side[DOWN] = w->height, g->side[ACROSS] = w->width;
    if (!sizes_are_there(g) || !array_fits(g, times(w->channels, times(w->height, w->width))) ||
        !kernel_fits(g))
        return false;
    for (int axis = DOWN; axis < AXES; axis++) {
        g->stride[axis] = w->stride[axis] > 0 ? w->stride[axis] : stride != NULL ? stride[axis] : 1;
        g->places[axis] =
            (g->side[axis] + 2 * w->padding[axis] - w->kernel[axis]) / g->stride[axis] + 1;
    }
    g->area = times(g->places[DOWN], g->places[ACROSS]);
    return arrays_fit(g, outputs);
}

static bool padding_fits(const grid *g) {
    const nn_window *w = g->window;
    char             text[NN__MESSAGE];
    if (w->padding[DOWN] <= w->kernel[DOWN] / 2 && w->padding[ACROSS] <= w->kernel[ACROSS] / 2)
        return true;
    nn__say(AD_BAD_ARGUMENT, text,
            "%s: a padding of %zu and %zu is more than half of the kernel of %zu x %zu",
            g->function, w->padding[DOWN], w->padding[ACROSS], w->kernel[DOWN], w->kernel[ACROSS]);
    return refuse(g, text);
}

/* ---- what lies under the window -------------------------------------------------------------- */

/* Along one axis: the kernel's elements first, ..., first + n - 1 lie on the picture, from `at`
 * on. */
typedef struct span {
    size_t first, n, at;
} span;

static span span_at(const grid *g, int axis, size_t place) {
    const nn_window *w = g->window;
    const size_t     padding = w->padding[axis], kernel = w->kernel[axis],
                 start = place * g->stride[axis], stop = padding + g->side[axis];
    const size_t first = start < padding ? padding - start : 0, end = start + kernel <= stop
                                                                        ? kernel
                                                                    : start < stop ? stop - start
                                                                                   : 0;
    if (first >= end) return (span){0, 0, 0};
    return (span){first, end - first, start + first - padding};
}

/* Copies rows x columns handles out of rows of `pitch`; returns how many. */
static size_t cut(size_t rows, size_t columns, size_t pitch, const ad_var *from, ad_var *to) {
    for (size_t i = 0; i < rows; i++)
        for (size_t k = 0; k < columns; k++) to[i * columns + k] = from[i * pitch + k];
    return rows * columns;
}

static size_t cut_picture(const grid *g, span down, span across, const ad_var *channel,
                          ad_var *to) {
    const size_t width = g->window->width;
    return cut(down.n, across.n, width, channel + down.at * width + across.at, to);
}

static size_t cut_kernel(const grid *g, span down, span across, const ad_var *kernel, ad_var *to) {
    const size_t width = g->window->kernel[ACROSS];
    return cut(down.n, across.n, width, kernel + down.first * width + across.first, to);
}

/* Room for a kernel of so many channels, twice. */
static ad_var *room_for(const grid *g, size_t channels) {
    ad_var *room = calloc(channels * kernel_area(g->window), 2 * sizeof *room);
    char    text[NN__MESSAGE];
    if (room != NULL) return room;
    nn__say(AD_NO_MEMORY, text, "out of memory: no space for %s", g->function);
    ad_tape_fail(g->tape, AD_NO_MEMORY, text);
    return NULL;
}

/* ---- convolution ----------------------------------------------------------------------------- */

/* What a convolution reads, and room for the part of picture and kernel that are multiplied. */
typedef struct convolution {
    size_t        outputs;
    const ad_var *weight, *bias, *x;
    ad_var       *part, *kernel;
} convolution;

/* All output channels at one place; y is the first of them. */
static void convolve(const grid *g, const convolution *c, span down, span across, ad_var y[]) {
    const nn_window *w = g->window;
    const size_t     area = kernel_area(w), all = w->channels * area, side = w->height * w->width;
    size_t           n = 0;
    for (size_t i = 0; i < w->channels; i++)
        n += cut_picture(g, down, across, c->x + i * side, c->part + n);
    for (size_t k = 0; k < c->outputs; k++) {
        const ad_var *kernel = c->weight + k * all;
        if (n < all) {
            for (size_t i = 0, m = 0; i < w->channels; i++)
                m += cut_kernel(g, down, across, kernel + i * area, c->kernel + m);
            kernel = c->kernel;
        }
        const ad_var sum = ad_dot(n, kernel, c->part);
        y[k * g->area] = c->bias == NULL ? sum : ad_add(sum, c->bias[k]);
    }
}

static ad_tape *tape_of(const ad_var a[], const ad_var b[], const ad_var c[]) {
    if (a != NULL && a[0].tape != NULL) return a[0].tape;
    if (b != NULL && b[0].tape != NULL) return b[0].tape;
    return c == NULL ? NULL : c[0].tape;
}

static const ad_var *add_part(nn_model *model, const char *layer, const char *part, size_t rank,
                              const size_t shape[]) {
    char name[NN__MESSAGE];
    if ((size_t)snprintf(name, sizeof name, "%s.%s", layer, part) < sizeof name)
        return nn_param(model, name, rank, shape,
                        nn_init_linear(shape[1] * shape[2] * shape[3], shape[0]));
    nn__model_fail(model, AD_BAD_ARGUMENT, "nn_conv2d_add: the name is too long");
    return NULL;
}

nn_layer nn_conv2d_add(nn_model *model, const char *name, const nn_window *window, size_t outputs) {
    const nn_layer failed = {0};
    grid g = {.window = window, .function = "nn_conv2d_add", .tape = nn_model_tape(model)};
    if (nn_model_status(model) != AD_OK || !measure(&g, outputs, NULL)) return failed;
    if (name == NULL || outputs == 0) {
        nn__model_fail(model, AD_BAD_ARGUMENT, "nn_conv2d_add: no %s",
                       name == NULL ? "name" : "output channels");
        return failed;
    }
    const size_t shape[] = {outputs, window->channels, window->kernel[DOWN],
                            window->kernel[ACROSS]};
    nn_layer     layer = {.inputs = shape[1] * shape[2] * shape[3], .outputs = outputs};
    layer.weight = add_part(model, name, "weight", 4, shape);
    layer.bias = add_part(model, name, "bias", 1, shape);
    return nn_model_status(model) == AD_OK ? layer : failed;
}

size_t nn_conv2d(const nn_window *window, size_t outputs, const ad_var weight[],
                 const ad_var bias[], const ad_var x[], ad_var y[]) {
    grid g = {.window = window, .function = "nn_conv2d", .tape = tape_of(weight, bias, x)};
    if (!measure(&g, outputs, NULL)) return 0;
    if (outputs == 0) return refuse(&g, "nn_conv2d: no output channels");
    if (y == NULL) return outputs * g.area;
    if (weight == NULL || x == NULL)
        return refuse(&g, weight == NULL ? "nn_conv2d: no weights" : "nn_conv2d: no picture");
    convolution c = {outputs, weight, bias, x, room_for(&g, window->channels), NULL};
    if (c.part == NULL) return 0;
    c.kernel = c.part + window->channels * kernel_area(window);
    for (size_t i = 0; i < g.area; i++)
        convolve(&g, &c, span_at(&g, DOWN, i / g.places[ACROSS]),
                 span_at(&g, ACROSS, i % g.places[ACROSS]), y + i);
    free(c.part);
    return outputs * g.area;
}

/* ---- pooling --------------------------------------------------------------------------------- */

/* The result of the n numbers under a window of so many. */
typedef ad_var pooling(size_t n, const ad_var x[], size_t area);

static ad_var largest(size_t n, const ad_var x[], size_t area) {
    (void)area;
    return ad_largest(n, x);
}

static ad_var average(size_t n, const ad_var x[], size_t area) {
    return ad_div(ad_sum(n, x), ad_num((double)area));
}

static size_t pool(const nn_window *window, const char *function, pooling *result, const ad_var x[],
                   ad_var y[]) {
    grid g = {.window = window, .function = function, .tape = x == NULL ? NULL : x[0].tape};
    if (!measure(&g, 1, window == NULL ? NULL : window->kernel) || !padding_fits(&g)) return 0;
    const size_t outputs = times(window->channels, g.area), side = window->height * window->width;
    if (y == NULL) return outputs;
    ad_var *part = x == NULL ? NULL : room_for(&g, 1);
    if (part == NULL) return 0;
    for (size_t k = 0; k < outputs; k++) {
        const size_t place = k % g.area;
        const size_t n =
            cut_picture(&g, span_at(&g, DOWN, place / g.places[ACROSS]),
                        span_at(&g, ACROSS, place % g.places[ACROSS]), x + k / g.area * side, part);
        y[k] = result(n, part, kernel_area(window));
    }
    free(part);
    return outputs;
}

size_t nn_max_pool2d(const nn_window *window, const ad_var x[], ad_var y[]) {
    return pool(window, "nn_max_pool2d", largest, x, y);
}

size_t nn_avg_pool2d(const nn_window *window, const ad_var x[], ad_var y[]) {
    return pool(window, "nn_avg_pool2d", average, x, y);
}
