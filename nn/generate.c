/* generate.c - tables made by a formula, noise and a seed.
 *
 * A point is placed on its curve, then moved by the noise; at the end the rows are shuffled. All
 * random numbers come from one generator, in that order. */
#include "data.h"

#include <math.h>

typedef struct generator {
    nn_data  *data;
    nn_random random;
    double    noise;
} generator;

static const double pi = 3.14159265358979323846;

/* Begins a table to be filled row by row; its status is AD_OK if it can be. */
static generator begin(const char *what, size_t rows, size_t least, double noise, uint64_t seed,
                       size_t inputs) {
    generator m = {nn__data_empty(), nn_random_seeded(seed), noise};
    if (m.data == NULL) return m;
    if (rows < least)
        nn__data_fail(m.data, AD_BAD_ARGUMENT, "%s: %zu rows; at least %zu are needed", what, rows,
                      least);
    else if (rows > SIZE_MAX / sizeof(double) / (inputs + 1))
        nn__data_fail(m.data, AD_BAD_ARGUMENT, "%s: %zu rows are too many", what, rows);
    else if (!isfinite(noise) || noise < 0)
        nn__data_fail(m.data, AD_BAD_ARGUMENT,
                      "%s: a noise of %g; it must be finite and not below 0", what, noise);
    else if (nn__data_room(m.data, rows * (inputs + 1)))
        m.data->rows = rows, m.data->inputs = inputs, m.data->targets = 1;
    return m;
}

static size_t rows_of(const generator *m) {
    return nn_data_rows(m->data); /* 0 after an error: no loop below runs */
}

/* Only noise that overflows a double can make a number that is not finite. */
static double noisy(generator *m, double x) {
    const double y = x + m->noise * nn_random_normal(&m->random);
    if (!isfinite(y))
        nn__data_fail(m->data, AD_BAD_ARGUMENT,
                      "a noise of %g leads to numbers that are not finite", m->noise);
    return y;
}

static void put(generator *m, size_t row, double x, double y, double target) {
    double *value = m->data->value + 3 * row;
    value[0] = noisy(m, x);
    value[1] = noisy(m, y);
    value[2] = target;
}

static nn_data *end(generator *m) {
    for (size_t i = rows_of(m); i > 1; i--)
        nn__data_swap(m->data, i - 1, nn_random_below(&m->random, i));
    return m->data;
}

/* The i-th of n equally spaced points from 0 to 1, both included. */
static double fraction(size_t i, size_t n) {
    return n < 2 ? 0 : (double)i / (double)(n - 1);
}

nn_data *nn_data_moons(size_t rows, double noise, uint64_t seed) {
    generator    m = begin("nn_data_moons", rows, 2, noise, seed, 2);
    const size_t outer = rows / 2;
    for (size_t i = 0; i < rows_of(&m); i++) {
        const bool   lower = i >= outer;
        const double t = pi * (lower ? fraction(i - outer, rows - outer) : fraction(i, outer));
        if (lower) put(&m, i, 1 - cos(t), 0.5 - sin(t), 1);
        else put(&m, i, cos(t), sin(t), 0);
    }
    return end(&m);
}

nn_data *nn_data_circles(size_t rows, double factor, double noise, uint64_t seed) {
    generator    m = begin("nn_data_circles", rows, 2, noise, seed, 2);
    const size_t outer = rows / 2;
    if (m.data != NULL && !(factor > 0 && factor < 1))
        nn__data_fail(
            m.data, AD_BAD_ARGUMENT,
            "nn_data_circles: a radius of %g for the inner circle; it must lie between 0 and 1",
            factor);
    for (size_t i = 0; i < rows_of(&m); i++) {
        const bool   inner = i >= outer;
        const size_t n = inner ? rows - outer : outer, k = inner ? i - outer : i;
        const double t = 2 * pi * (double)k / (double)n, radius = inner ? factor : 1;
        put(&m, i, radius * cos(t), radius * sin(t), inner);
    }
    return end(&m);
}

nn_data *nn_data_spirals(size_t rows, size_t classes, double turns, double noise, uint64_t seed) {
    generator m = begin("nn_data_spirals", rows, classes > 0 ? classes : 1, noise, seed, 2);
    if (m.data != NULL && (classes == 0 || !isfinite(turns)))
        nn__data_fail(m.data, AD_BAD_ARGUMENT, "nn_data_spirals: %zu arms of %g turns", classes,
                      turns);
    for (size_t i = 0; i < rows_of(&m); i++) {
        const size_t arm = i % classes, n = rows / classes + (arm < rows % classes);
        const double radius = (double)(i / classes + 1) / (double)n;
        const double t = 2 * pi * ((double)arm / (double)classes + turns * radius);
        put(&m, i, radius * cos(t), radius * sin(t), (double)arm);
    }
    return end(&m);
}

nn_data *nn_data_xor(size_t rows, double noise, uint64_t seed) {
    generator m = begin("nn_data_xor", rows, 1, noise, seed, 2);
    for (size_t i = 0; i < rows_of(&m); i++) {
        const size_t x = i / 2 % 2, y = i % 2;
        put(&m, i, (double)x, (double)y, (double)(x ^ y));
    }
    return end(&m);
}

nn_data *nn_data_sine(size_t rows, double noise, uint64_t seed) {
    generator m = begin("nn_data_sine", rows, 1, noise, seed, 1);
    for (size_t i = 0; i < rows_of(&m); i++) {
        const double x = pi * (2 * nn_random_uniform(&m.random) - 1);
        m.data->value[2 * i] = x;
        m.data->value[2 * i + 1] = noisy(&m, sin(x));
    }
    return end(&m);
}
