/* summary.c - a model in a table: layers, shapes, numbers of parameters. Names and shapes that are
 * too long for a terminal lose their middle. */
#include "model.h"

#include <string.h>

enum { SHAPES = 256 };

/* The part of a name before its last dot is the layer; a name without one is a layer of its own. */
static size_t layer_length(const char *name) {
    const char *dot = strrchr(name, '.');
    return dot == NULL ? strlen(name) : (size_t)(dot - name);
}

static bool same_layer(const char *a, const char *b) {
    const size_t n = layer_length(a);
    return n == layer_length(b) && strncmp(a, b, n) == 0;
}

/* The printable name of an array's layer. */
static const char *layer_name(nn_array a, char name[SHAPES]) {
    char raw[SHAPES];
    snprintf(raw, sizeof raw, "%.*s", (int)layer_length(a.name), a.name);
    return nn__printable(SHAPES, name, raw, false);
}

/* Appends "weight 3 x 4". */
static void append_shape(char text[SHAPES], nn_array a) {
    const size_t cut = layer_length(a.name);
    size_t       length = strlen(text);
    char         part[SHAPES];
#define APPEND(...) \
    if (length < SHAPES) length += (size_t)snprintf(text + length, SHAPES - length, __VA_ARGS__)
    if (length > 0) APPEND(", ");
    APPEND("%s", nn__printable(SHAPES, part, a.name[cut] == '.' ? a.name + cut + 1 : "", false));
    for (size_t d = 0; d < a.rank; d++)
        APPEND("%s%zu", d > 0 ? " x " : a.name[cut] == '.' ? " " : "", a.shape[d]);
#undef APPEND
}

/* The arrays of one layer, from array i on: returns how many; their shapes and number of
 * parameters. */
static size_t gather(const nn_model *model, size_t i, char shapes[SHAPES], size_t *count) {
    const char *name = nn_model_array(model, i).name;
    size_t      n = 0;
    *count = 0;
    shapes[0] = '\0';
    for (nn_array a; (a = nn_model_array(model, i + n)).name != NULL && same_layer(name, a.name);
         n++) {
        append_shape(shapes, a);
        *count += a.count;
    }
    return n;
}

enum { NUMBER = 10, MOST_NAME = 30 };

static size_t wider(size_t width, const char *text, size_t most) {
    const size_t columns = nn__columns(text);
    return columns <= width ? width : columns < most ? columns : most;
}

static void put_row(FILE *to, size_t first, char name[], size_t second, char shapes[],
                    size_t count) {
    nn__narrow(first, name), nn__narrow(second, shapes);
    fprintf(to, "%s%*s  %s%*s  %*zu\n", name, (int)(first - nn__columns(name)), "", shapes,
            (int)(second - nn__columns(shapes)), "", NUMBER, count);
}

ad_status nn_summary(const nn_model *model, FILE *to) {
    if (model == NULL || to == NULL) return AD_BAD_ARGUMENT;
    char   shapes[SHAPES], name[SHAPES];
    size_t count, n, first = strlen("layer"), second = strlen("shapes");
    for (size_t i = 0; i < nn_model_arrays(model); i += n) {
        n = gather(model, i, shapes, &count);
        first = wider(first, layer_name(nn_model_array(model, i), name), MOST_NAME);
        second = wider(second, shapes, NN__WIDTH - MOST_NAME - NUMBER - 4);
    }
    fprintf(to, "%-*s  %-*s  %*s\n", (int)first, "layer", (int)second, "shapes", NUMBER,
            "parameters");
    for (size_t i = 0; i < nn_model_arrays(model); i += n) {
        n = gather(model, i, shapes, &count);
        layer_name(nn_model_array(model, i), name);
        put_row(to, first, name, second, shapes, count);
    }
    put_row(to, first, strcpy(name, "all"), second, strcpy(shapes, ""), nn_model_count(model));
    return nn__written(to);
}
