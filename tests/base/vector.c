/* vector.c - tests of engine/base/vector.c: every instruction set that the machine has, against
 * plain loops. */
#include "engine/base/vector.h"
#include "engine/base/handle.h"

#include "support.h"

#include "expect.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { LEVELS = 4, MOST = 300 };

/* The loops of level 0..LEVELS-1 (base, v2, v3, v4); NULL where the machine or the build has them
 * not. */
static const ad__vector *level(int i) {
    const char *wish[LEVELS] = {"v0", "v2", "v3", "v4"};
    setenv("TAPIR_ISA", wish[i], 1);
    const ad__vector *chosen = ad__vector_choose();
    return i == 0 ? &ad__vector_base : strcmp(chosen->name, wish[i]) == 0 ? chosen : NULL;
}

#define EACH_LEVEL(loops)               \
    for (int l_ = 0; l_ < LEVELS; l_++) \
        for (const ad__vector *loops = level(l_); loops != NULL; loops = NULL)

static void fill(uint64_t seed, size_t n, double x[]) {
    for (size_t i = 0; i < n; i++) x[i] = random_uniform(&seed, -1, 1);
}

Test(vector, machine_has_what_is_tested) {
    int tested = 0;
    EACH_LEVEL(loops) tested++;
    cr_expect_geq(tested, 1);
}

/* Whole numbers of this size are added without rounding, in any order. */
Test(vector, sum_and_dot_of_whole_numbers_are_exact) {
    double x[MOST], y[MOST];
    for (int i = 0; i < MOST; i++) x[i] = i * i % 101 - 50, y[i] = i * 7 % 53 - 26;
    EACH_LEVEL(loops)
    for (size_t n = 0; n <= MOST; n++) {
        double total = 0, product = 0;
        for (size_t i = 0; i < n; i++) total += x[i], product += x[i] * y[i];
        cr_assert_eq(loops->sum(n, x), total, "%s: sum of %zu", loops->name, n);
        cr_assert_eq(loops->dot(n, x, y), product, "%s: dot of %zu", loops->name, n);
    }
}

/* Higham, Accuracy and Stability, 4.2: in any order, within (n - 1)*u*sum|x[i]|. */
Test(vector, sum_and_dot_are_right_to_rounding) {
    double x[MOST], y[MOST];
    fill(1, MOST, x), fill(2, MOST, y);
    EACH_LEVEL(loops)
    for (size_t n = 1; n <= MOST; n++) {
        long double total = 0, product = 0, sizes = 0, products = 0;
        for (size_t i = 0; i < n; i++) {
            total += (long double)x[i], sizes += fabsl(x[i]);
            product += (long double)x[i] * y[i], products += fabsl((long double)x[i] * y[i]);
        }
        const double k = (double)n * U;
        cr_assert(close_to(loops->sum(n, x), (double)total, U, k * (double)sizes), "%s: %zu",
                  loops->name, n);
        cr_assert(close_to(loops->dot(n, x, y), (double)product, U, k * (double)products),
                  "%s: %zu", loops->name, n);
    }
}

Test(vector, answers_do_not_depend_on_where_the_numbers_lie) {
    double x[MOST + 8], y[MOST + 8], base[MOST];
    fill(3, MOST, base);
    EACH_LEVEL(loops) {
        const double sum = loops->sum(MOST, base), dot = loops->dot(MOST, base, base);
        for (int shift = 0; shift < 8; shift++) {
            memcpy(x + shift, base, sizeof base), memcpy(y + 7 - shift, base, sizeof base);
            cr_expect(same_bits(loops->sum(MOST, x + shift), sum), "%s", loops->name);
            cr_expect(same_bits(loops->dot(MOST, x + shift, y + 7 - shift), dot), "%s",
                      loops->name);
        }
    }
}

/* In lanes 8 apart: 1e16 meets -1e16 before the ones are added, of which none is lost. From left to
 * right all would be. */
Test(vector, sixteen_numbers_are_added_as_lanes) {
    double x[16], y[16];
    for (int i = 0; i < 16; i++) x[i] = i == 0 ? 1e16 : i == 8 ? -1e16 : 1, y[i] = 1;
    EACH_LEVEL(loops) {
        cr_expect_eq(loops->sum(16, x), 14, "%s: %g", loops->name, loops->sum(16, x));
        cr_expect_eq(loops->dot(16, x, y), 14, "%s: %g", loops->name, loops->dot(16, x, y));
    }
}

Test(vector, nan_and_infinity_are_not_lost) {
    double x[MOST];
    EACH_LEVEL(loops)
    for (size_t at = 0; at < MOST; at++) {
        fill(4, MOST, x);
        x[at] = NAN;
        cr_assert(isnan(loops->sum(MOST, x)) && isnan(loops->dot(MOST, x, x)), "%s: %zu",
                  loops->name, at);
        x[at] = INFINITY;
        cr_assert(loops->sum(MOST, x) == INFINITY && loops->dot(MOST, x, x) == INFINITY, "%s",
                  loops->name);
    }
}

/* With or without fused multiply-add, and nothing beyond the end. */
Test(vector, add_scaled_and_add_number_are_plain_loops) {
    double x[MOST], y[MOST + 1], z[MOST + 1];
    fill(5, MOST, x);
    EACH_LEVEL(loops)
    for (size_t n = 0; n < MOST; n++) {
        const double a = 0.1 * (double)n - 7;
        fill(6, MOST + 1, y), fill(6, MOST + 1, z);
        loops->add_scaled(n, a, x, y);
        for (size_t i = 0; i < n; i++) {
            const double fused = fma(a, x[i], z[i]), rounded = a * x[i] + z[i];
            cr_assert(y[i] == fused || y[i] == rounded, "%s: %zu of %zu", loops->name, i, n);
        }
        cr_assert_eq(y[n], z[n]);
        memcpy(y, z, sizeof y);
        loops->add_number(n, a, y);
        for (size_t i = 0; i < n; i++) cr_assert_eq(y[i], z[i] + a);
        cr_assert_eq(y[n], z[n]);
    }
}

/* ---- handles --------------------------------------------------------------------------------- */

static ad_var handle(ad_tape *tape, uint32_t node, uint32_t era) {
    return ad__node_handle(tape, node, era);
}

Test(vector, in_row_notices_every_handle_that_is_not) {
    ad_tape *tape = ad_tape_new(), *other = ad_tape_new();
    ad_var   x[40];
    EACH_LEVEL(loops)
    for (uint32_t n = 1; n <= 40; n++) {
        for (uint32_t i = 0; i < n; i++) x[i] = handle(tape, 1000 + i, 7);
        cr_assert(loops->in_row(n, x), "%s: %u", loops->name, n);
        for (uint32_t at = n > 1 ? 1 : n; at < n; at++) {
            const ad_var wrong[] = {handle(other, 1000 + at, 7), handle(tape, 1001 + at, 7),
                                    handle(tape, 1000 + at, 8), handle(tape, 999 + at, 7),
                                    ad_num(1)};
            for (int k = 0; k < 5; k++) {
                x[at] = wrong[k];
                cr_assert_not(loops->in_row(n, x), "%s: %u of %u, %d", loops->name, at, n, k);
            }
            x[at] = handle(tape, 1000 + at, 7);
        }
    }
    ad_tape_free(tape), ad_tape_free(other);
}

Test(vector, same_numbers_compares_bits) {
    ad_tape *tape = ad_tape_new();
    ad_var   x[20];
    double   number[20];
    EACH_LEVEL(loops) {
        for (int i = 0; i < 20; i++)
            x[i] = ad_num(number[i] = i == 3 ? NAN : i == 4 ? -0.0 : 0.1 * i);
        cr_expect(loops->same_numbers(20, x, number), "%s", loops->name);
        cr_expect(loops->same_numbers(0, x, number), "%s", loops->name);
        for (int at = 0; at < 20; at++) {
            const ad_var kept = x[at];
            x[at] = ad_num(at == 4 ? 0.0 : 77);
            cr_expect_not(loops->same_numbers(20, x, number), "%s: %d", loops->name, at);
            x[at] = handle(tape, 0, 0);
            memcpy(&x[at].bits, &number[at], sizeof number[at]);
            cr_expect_not(loops->same_numbers(20, x, number), "%s: a node, %d", loops->name, at);
            x[at] = kept;
        }
    }
    ad_tape_free(tape);
}
