/* dots.c - tests of the blocked kernels of layers against loops over one product at a time, in
 * every shape around the tiles, for each instruction set of this machine. */
#include "support.h"

#include "engine/base/isa.h"
#include "engine/program/program.h"

#include "expect.h"
#include <math.h>
#include <stdlib.h>

static const ad__layer_kernels *layers_of(int level) {
    char isa[3] = {'v', (char)('0' + level), '\0'};
    setenv("TAPIR_ISA", isa, 1);
    /* this machine has less, or there is one build */
    if (level > 2 && ad__isa_level() != level) return NULL;
    ad_tape                 *tape = ad_tape_new();
    ad_var                   x = ad_input(tape, 1);
    const ad_interface       face = {0, NULL, 1, &x, 1, &x, 0};
    ad_program              *p = ad_compile(&face);
    const ad__layer_kernels *k = p->layers_of;
    ad_program_free(p);
    ad_tape_free(tape);
    return k;
}

enum { MOST = 20, WIDEST = 48 };

/* Sums of products of numbers around 1: as many roundings as terms, and a few. */
static bool agrees(double got, double want, double size, size_t terms) {
    return fabs(got - want) <= (double)(terms + 4) * U * size;
}

/* Panels of 8, 4, 2, 1 outputs, as kernels.h has it. */
static void packed(size_t m, size_t n, const double w[], double to[]) {
    for (size_t start = 0, width = 8; start < m; start += width) {
        while (start + width > m) width /= 2;
        for (size_t i = 0; i < n; i++)
            for (size_t j = 0; j < width; j++)
                to[start * n + i * width + j] = w[(start + j) * n + i];
    }
}

static void multiply_is_right(const ad__layer_kernels *k, int level, size_t m, size_t n,
                              size_t lanes, uint64_t *state) {
    _Alignas(64) static double base[2 * MOST * WIDEST], out[MOST * WIDEST], in[MOST * WIDEST];
    double                     w[MOST * MOST], pack[MOST * MOST];
    double                    *to[MOST];
    const double              *from[MOST];
    uint32_t                   x[MOST];
    for (size_t i = 0; i < m * n; i++) w[i] = random_uniform(state, -1, 1);
    for (size_t i = 0; i < 2 * MOST * lanes; i++) base[i] = random_uniform(state, -1, 1);
    for (size_t i = 0; i < n; i++) x[i] = (uint32_t)(random_bits(state) % (2 * MOST));
    for (size_t j = 0; j < m; j++) {
        to[j] = out + j * lanes, from[j] = in + j * lanes;
        for (size_t l = 0; l < lanes; l++) in[j * lanes + l] = random_uniform(state, -1, 1);
    }
    packed(m, n, w, pack);
    k->multiply(m, n, pack, base, x, lanes, to, from);
    for (size_t j = 0; j < m; j++)
        for (size_t l = 0; l < lanes; l++) {
            double want = in[j * lanes + l], size = fabs(want);
            for (size_t i = 0; i < n; i++) {
                want += w[j * n + i] * base[x[i] * lanes + l];
                size += fabs(w[j * n + i] * base[x[i] * lanes + l]);
            }
            cr_expect(agrees(out[j * lanes + l], want, size, n),
                      "v%d, %zu x %zu, %zu lanes: output %zu, lane %zu", level, m, n, lanes, j, l);
        }
}

static void gradient_is_right(const ad__layer_kernels *k, int level, size_t m, size_t n,
                              size_t lanes, uint64_t *state) {
    _Alignas(64) static double a[MOST * WIDEST], x[MOST * WIDEST];
    double                     grad[MOST * MOST], before[MOST * MOST];
    const double              *as[MOST], *xs[MOST];
    for (size_t i = 0; i < m * n; i++) grad[i] = before[i] = random_uniform(state, -1, 1);
    for (size_t i = 0; i < MOST * lanes; i++)
        a[i] = random_uniform(state, -1, 1), x[i] = random_uniform(state, -1, 1);
    for (size_t j = 0; j < m; j++) as[j] = a + j * lanes;
    for (size_t i = 0; i < n; i++) xs[i] = x + i * lanes;
    k->gradient(m, n, as, xs, lanes, grad);
    for (size_t j = 0; j < m; j++)
        for (size_t i = 0; i < n; i++) {
            double want = before[j * n + i], size = fabs(want);
            for (size_t l = 0; l < lanes; l++)
                want += as[j][l] * xs[i][l], size += fabs(as[j][l] * xs[i][l]);
            cr_expect(agrees(grad[j * n + i], want, size, lanes),
                      "v%d, %zu x %zu, %zu lanes: weight (%zu, %zu)", level, m, n, lanes, j, i);
        }
}

Test(dots, every_shape_around_the_tiles) {
    uint64_t state = 77;
    for (int level = 2; level <= 4; level++) {
        const ad__layer_kernels *k = layers_of(level);
        for (size_t m = 1; k != NULL && m <= MOST; m++)
            for (size_t n = 1; n <= MOST; n += 1 + n / 5)
                for (size_t lanes = 8; lanes <= WIDEST; lanes += 8) {
                    multiply_is_right(k, level, m, n, lanes, &state);
                    gradient_is_right(k, level, m, n, lanes, &state);
                }
    }
}

/* A lane's result does not depend on how many lanes there are, nor on which it is. */
Test(dots, lane_does_not_depend_on_its_place) {
    enum { M = 13, N = 7 };
    _Alignas(64) static double base[N * WIDEST], out[M * WIDEST], zero[WIDEST];
    double                     w[M * N], pack[M * N];
    double                    *to[M];
    const double              *from[M];
    uint32_t                   x[N];
    uint64_t                   state = 3;
    for (int i = 0; i < M * N; i++) w[i] = random_uniform(&state, -1, 1);
    packed(M, N, w, pack);
    for (int level = 2; level <= 4; level++) {
        const ad__layer_kernels *k = layers_of(level);
        double                   first[M];
        for (size_t lanes = 8; k != NULL && lanes <= WIDEST; lanes += 8) {
            for (uint32_t i = 0; i < N; i++) {
                x[i] = i;
                for (size_t l = 0; l < lanes; l++) base[i * lanes + l] = sin(i + 1);
            }
            for (size_t j = 0; j < M; j++) to[j] = out + j * lanes, from[j] = zero;
            k->multiply(M, N, pack, base, x, lanes, to, from);
            for (size_t j = 0; j < M; j++) {
                if (lanes == 8) first[j] = out[j * lanes];
                for (size_t l = 0; l < lanes; l++)
                    cr_expect(same_bits(out[j * lanes + l], first[j]),
                              "v%d: output %zu, lane %zu of %zu", level, j, l, lanes);
            }
        }
    }
}

/* Operands and results may be the same rows, one operand may stand several times. */
Test(dots, results_may_be_added_where_they_are_read) {
    _Alignas(64) static double base[8], out[8];
    /* three outputs, packed as two and one; one operand */
    const double               weights[] = {1, 2, 3};
    double                    *to[] = {out, out, out};
    const double              *from[] = {out, out, out};
    const uint32_t             x[] = {0};
    for (int l = 0; l < 8; l++) base[l] = l, out[l] = 100;
    for (int level = 2; level <= 4; level++) {
        const ad__layer_kernels *k = layers_of(level);
        if (k == NULL) continue;
        for (int l = 0; l < 8; l++) out[l] = 100;
        k->multiply(3, 1, weights, base, x, 8, to, from);
        for (int l = 0; l < 8; l++)
            cr_expect_eq(out[l], 100 + 6 * l, "v%d, lane %d: %g", level, l, out[l]);
    }
}

static void one_lane_is_right(const ad__layer_kernels *k, int level, size_t m, size_t n,
                              uint64_t *state) {
    _Alignas(64) static double base[MOST * 8], out[MOST * 8], zero[8];
    double w[MOST * MOST], pack[MOST * MOST], x[MOST], y[MOST], grad[MOST * MOST], down[MOST],
        before[MOST * MOST + MOST];
    double       *to[MOST];
    const double *from[MOST];
    uint32_t      order[MOST];
    for (size_t i = 0; i < m * n; i++)
        w[i] = random_uniform(state, -1, 1), grad[i] = before[i] = random_uniform(state, -1, 1);
    for (size_t i = 0; i < n; i++) {
        x[i] = random_uniform(state, -1, 1),
        down[i] = before[m * n + i] = random_uniform(state, -1, 1), order[i] = (uint32_t)i;
        for (size_t l = 0; l < 8; l++) base[i * 8 + l] = x[i];
    }
    for (size_t j = 0; j < m; j++) to[j] = out + j * 8, from[j] = zero;
    packed(m, n, w, pack);
    k->multiply(m, n, pack, base, order, 8, to, from);
    k->forward_one(m, n, w, x, y);
    for (size_t j = 0; j < m; j++)
        cr_expect(same_bits(y[j], out[8 * j]), "v%d, %zu x %zu: output %zu", level, m, n, j);
    y[m / 2] = 0; /* pushes nothing, whatever stands there */
    w[m / 2 * n] = INFINITY;
    k->reverse_one(m, n, w, y, x, grad, NULL);
    k->reverse_one(m, n, w, y, x, NULL, down);
    for (size_t j = 0; j < m; j++)
        for (size_t i = 0; i < n; i++)
            cr_expect(agrees(grad[j * n + i], before[j * n + i] + y[j] * x[i], 2, 1),
                      "v%d, %zu x %zu: weight (%zu, %zu)", level, m, n, j, i);
    for (size_t i = 0; i < n; i++) {
        double want = before[m * n + i], size = fabs(want);
        for (size_t j = 0; j < m; j++)
            if (y[j] != 0) want += y[j] * w[j * n + i], size += fabs(y[j] * w[j * n + i]);
        cr_expect(agrees(down[i], want, size, m), "v%d, %zu x %zu: operand %zu: %g, not %g", level,
                  m, n, i, down[i], want);
    }
}

Test(dots, one_lane_has_the_bits_of_any_other) {
    uint64_t state = 9;
    for (int level = 2; level <= 4; level++) {
        const ad__layer_kernels *k = layers_of(level);
        for (size_t m = 1; k != NULL && m <= MOST; m++)
            for (size_t n = 1; n <= MOST; n++) one_lane_is_right(k, level, m, n, &state);
    }
}
