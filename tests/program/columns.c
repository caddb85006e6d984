/* columns.c - tests of engine/program/columns.c: examples to rows of lanes and back, for each
 * instruction set of this machine, held to the two loops that the header describes. Numbers are
 * compared by their bits. */
#include "support.h"

#include "engine/base/isa.h"
#include "engine/program/program.h"

#include "expect.h"
#include <criterion/parameterized.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_COLUMNS = 19, MOST_LANES = 24, GAP = 3, MARK = 8 };

/* NULL where this machine has no such set; the plain build is all there is then. */
static const ad__column_kernels *columns_of(int level) {
    char isa[3] = {'v', (char)('0' + level), '\0'};
    setenv("TAPIR_ISA", isa, 1);
    if (level > 2 && ad__isa_level() != level) return NULL;
    ad_tape     *tape = ad_tape_new();
    const ad_var x = ad_input(tape, 1);
    ad_program  *p =
        ad_compile(&(ad_interface){.inputs = 1, .input = &x, .outputs = 1, .output = &x});
    const ad__column_kernels *columns = p->columns_of;
    ad_program_free(p);
    ad_tape_free(tape);
    return columns;
}

/* Any bits: NaN with whatever it carries, infinities, numbers of all sizes. */
static void any_bits(size_t n, double x[], uint64_t *state) {
    for (size_t i = 0; i < n; i++) {
        const uint64_t bits = random_bits(state);
        memcpy(&x[i], &bits, sizeof bits);
    }
}

static bool same(size_t n, const double a[], const double b[]) {
    return memcmp(a, b, n * sizeof *a) == 0;
}

/* Rows with a mark behind each. */
static double *rows_new(size_t count, double *lanes[], uint64_t *state) {
    double *memory = aligned_alloc(64, count * (MOST_LANES + MARK) * sizeof *memory);
    any_bits(count * (MOST_LANES + MARK), memory, state);
    for (size_t c = 0; c < count; c++) lanes[c] = memory + c * (MOST_LANES + MARK);
    return memory;
}

static bool loads(const ad__column_kernels *k, size_t count, size_t real, size_t n, size_t stride,
                  uint64_t *state) {
    double      *lanes[MOST_COLUMNS], *memory = rows_new(count, lanes, state);
    /* no number more */
    const size_t whole = count * (MOST_LANES + MARK), size = (real - 1) * stride + count;
    double      *want = malloc(whole * sizeof *want), *from = malloc(size * sizeof *from);
    any_bits(size, from, state);
    memcpy(want, memory, whole * sizeof *want);
    for (size_t c = 0; c < count; c++)
        for (size_t l = 0; l < n; l++)
            memcpy(&want[c * (MOST_LANES + MARK) + l],
                   &from[(l < real ? l : real - 1) * stride + c], sizeof *want);
    k->load(count, real, n, from, stride, lanes);
    const bool good = same(whole, memory, want);
    free(memory), free(want), free(from);
    return good;
}

static bool unloads(const ad__column_kernels *k, size_t count, size_t real, size_t stride,
                    uint64_t *state) {
    const size_t size = (real - 1) * stride + count, n = (real + 7) / 8 * 8; /* no lane more */
    double      *lanes[MOST_COLUMNS], *memory = aligned_alloc(64, count * n * sizeof *memory);
    any_bits(count * n, memory, state);
    for (size_t c = 0; c < count; c++) lanes[c] = memory + c * n;
    double *want = malloc(size * sizeof *want), *to = malloc(size * sizeof *to);
    any_bits(size, to, state);
    memcpy(want, to, size * sizeof *want);
    for (size_t c = 0; c < count; c++)
        for (size_t l = 0; l < real; l++) memcpy(&want[l * stride + c], &lanes[c][l], sizeof *want);
    k->unload(count, real, (const double *const *)lanes, to, stride);
    const bool good = same(size, to, want);
    free(memory), free(want), free(to);
    return good;
}

ParameterizedTestParameters(columns, load_and_unload_are_the_two_plain_loops_whatever_the_shape) {
    static int level[] = {2, 3, 4};
    return cr_make_param_array(int, level, sizeof level / sizeof *level);
}

/* Every count of columns below, at and above the width of a vector; every number of lanes that are
 * examples. */
ParameterizedTest(int *level, columns, load_and_unload_are_the_two_plain_loops_whatever_the_shape) {
    const ad__column_kernels *k = columns_of(*level);
    uint64_t                  state = 41;
    if (k == NULL) cr_skip_test("this machine has no such instruction set");
    for (size_t count = 1; count <= MOST_COLUMNS; count++)
        for (size_t n = 8; n <= MOST_LANES; n += 8)
            for (size_t real = n - 7; real <= n; real++)
                for (size_t stride = count; stride <= count + GAP; stride += GAP) {
                    cr_expect(loads(k, count, real, n, stride, &state),
                              "load %zu columns, %zu of %zu lanes, stride %zu", count, real, n,
                              stride);
                    cr_expect(unloads(k, count, real, stride, &state),
                              "unload %zu columns, %zu lanes, stride %zu", count, real, stride);
                }
}

Test(columns, no_columns_are_nothing_to_do) {
    const ad__column_kernels *k = columns_of(2);
    const double              from[] = {1};
    double                    to[] = {2};
    k->load(0, 1, 8, from, 1, NULL);
    k->unload(0, 1, NULL, to, 1);
    cr_expect_eq(to[0], 2);
}
