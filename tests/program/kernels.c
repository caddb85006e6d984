/* kernels.c - tests of the rows as loops over lanes: how far each is from the mathematics, in units
 * in the last place, for each instruction set of this machine; and that a lane does not depend on
 * its place.
 *
 * Values of functions that libm has are held to libm's long double ones, everything else to the row
 * as a scalar. The bounds are those of docs/programs.md; `test-kernels --verbose` prints what was
 * measured. */
#include "support.h"

#include "engine/base/isa.h"
#include "engine/program/program.h"

#include "expect.h"
#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { LANES = 64, BATCHES = 400 };

/* ---- the kernels of an instruction set ------------------------------------------------------- */

/* NULL where this machine has no such set; the plain build is all there is then. */
static const ad__kernels *kernels_of(int level) {
    char isa[3] = {'v', (char)('0' + level), '\0'};
    setenv("TAPIR_ISA", isa, 1);
    if (level > 2 && ad__isa_level() != level) return NULL;
    ad_tape           *tape = ad_tape_new();
    ad_var             x = ad_input(tape, 1);
    const ad_interface face = {0, NULL, 1, &x, 1, &x, 0};
    ad_program        *p = ad_compile(&face);
    const ad__kernels *k = p->kernels;
    ad_program_free(p);
    ad_tape_free(tape);
    return k;
}

/* ---- where each row is measured -------------------------------------------------------------- */

typedef struct range {
    double low, high;
} range;

/* The part of the domain on which the row is more than rounding to 0, 1 or infinity. */
static range range_of(int number) {
    switch (number) {
    case ROW_sqrt:
    case ROW_log:
    case ROW_log2:
    case ROW_log10: return (range){1e-8, 1e8};
    case ROW_log1p: return (range){-0.999, 1e4};
    case ROW_exp:
    case ROW_expm1:
    case ROW_sinh:
    case ROW_cosh:
    case ROW_exp2: return (range){-300, 300};
    case ROW_asin:
    case ROW_acos:
    case ROW_atanh: return (range){-0.99999, 0.99999};
    case ROW_acosh: return (range){1, 1e4};
    case ROW_sin:
    case ROW_cos:
    case ROW_tan: return (range){-1000, 1000};
    case ROW_erfc: return (range){-6, 26};
    case ROW_pow: return (range){1e-3, 30};
    case ROW_lgamma:
    case ROW_polygamma: return (range){0.1, 30};
    default: return (range){-20, 20};
    }
}

/* Half of the points spread evenly, half by size, so that small arguments are there too. */
static double point(range r, uint64_t *state) {
    const double even = random_uniform(state, r.low, r.high);
    if (random_bits(state) % 2 == 0) return even;
    const double small = ldexp(even, -(int)(random_bits(state) % 20));
    return small >= r.low && small <= r.high ? small : even;
}

/* ---- units in the last place ----------------------------------------------------------------- */

/* clang-format off */
#define NATIVE(one, two)                                                                        \
    one(sqrt) one(cbrt) one(exp) one(expm1) one(exp2) one(log) one(log1p) one(log2) one(log10)  \
    one(sin) one(cos) one(tan) one(asin) one(acos) one(atan) one(sinh) one(cosh) one(tanh)      \
    one(asinh) one(acosh) one(atanh) one(erf) one(erfc)                                         \
    two(pow) two(atan2) two(hypot)
/* clang-format on */

static long double exact(int number, double x, double y) {
    switch (number) {
/* clang-format off */
#define ONE(name) case ROW_##name: return name##l(x);
#define TWO(name) case ROW_##name: return name##l(x, y);
        /* clang-format on */
        NATIVE(ONE, TWO)
#undef ONE
#undef TWO
    default: return row_value(&rows[number], x, y);
    }
}

static double units(double got, long double want) {
    if (isnan(got) && isnan(want)) return 0;
    if ((double)want == got)
        return (double)(fabsl(got - want) / (nextafter(fabs(got), INFINITY) - fabs(got)));
    const double near = fabs((double)want);
    const double unit = nextafter(near, INFINITY) - near;
    return isfinite(got) && isfinite(want) ? (double)(fabsl(got - want) / unit) : INFINITY;
}

/* Operands of a lane: orders of polygamma are whole. */
static void fill(int number, double x[], double y[], uint64_t *state) {
    const range r = range_of(number);
    for (int l = 0; l < LANES; l++) {
        x[l] = number == ROW_polygamma ? (double)(random_bits(state) % 4) : point(r, state);
        y[l] = number == ROW_pow       ? random_uniform(state, -20, 20)
             : number == ROW_polygamma ? point(r, state)
                                       : point(r, state);
    }
}

/* Of the kernel; *plain: of the same row, one number after the other, by the C library's
 * functions. */
static double worst_value(const ad__kernels *k, int number, double *plain) {
    _Alignas(64) double x[LANES], y[LANES], v[LANES];
    uint64_t            state = (uint64_t)number + 1;
    double              worst = 0;
    *plain = 0;
    for (int batch = 0; batch < BATCHES; batch++) {
        fill(number, x, y, &state);
        k->value[0][number](LANES, x, y, v);
        for (int l = 0; l < LANES; l++) {
            const long double want = exact(number, x[l], y[l]);
            worst = fmax(worst, units(v[l], want));
            *plain = fmax(*plain, units(row_value(&rows[number], x[l], y[l]), want));
        }
    }
    return worst;
}

/* The partials of these are differences that vanish left of 0: their units are those of 1. */
static bool crosses_zero(int number) {
    return number == ROW_gelu || number == ROW_silu;
}

/* The row's partial by libm against the kernel's, from the same operands and the same value. */
static double worst_partial(const ad__kernels *k, int number, bool in_y) {
    _Alignas(64) double x[LANES], y[LANES], v[LANES], a[LANES], zero[LANES], out[LANES];
    uint64_t            state = (uint64_t)number + 99;
    double              worst = 0;
    for (int l = 0; l < LANES; l++) a[l] = 1, zero[l] = 0;
    for (int batch = 0; batch < BATCHES / 4; batch++) {
        fill(number, x, y, &state);
        k->value[0][number](LANES, x, y, v);
        k->push[in_y ? 1 : 0][AD__NODES_ONLY][number](LANES, x, y, v, a, zero, out);
        for (int l = 0; l < LANES; l++) {
            const ad__row_number r = (ad__row_number)number;
            const double         want =
                in_y ? ad__row_dy(r, x[l], y[l], v[l]) : ad__row_dx(r, x[l], y[l], v[l]);
            const double by_y = number == ROW_pow_slope && in_y
                                  ? fabs(pow(x[l], y[l] - 1)) * (1 + fabs(y[l] * log(x[l])))
                                  : 0;
            /* two terms that may cancel */
            worst = fmax(worst, by_y > 0               ? fabs(out[l] - want) / (2 * U * by_y)
                                : crosses_zero(number) ? fabs(out[l] - want) / (2 * U)
                                                       : units(out[l], want));
        }
    }
    return worst;
}

/* ---- the bounds ------------------------------------------------------------------------------ */

/* Rows that are not here are exact. Where a build has no vector form of a function (clang, no
 * optimization) the kernel calls the C library's, whose cbrt and erfc are a little less exact: a
 * kernel may be as wrong as that. */
typedef struct bound {
    double value, partial;
} bound;

/* clang-format off */
static const bound bounds[ROWS] = {
    [ROW_pow] = {1.5, 3},      [ROW_sqrt] = {0.5, 0},        [ROW_cbrt] = {2.5, 0},
    [ROW_exp] = {3, 0},        [ROW_expm1] = {3.5, 3},       [ROW_exp2] = {2, 0},
    [ROW_log] = {2, 0},        [ROW_log1p] = {2.5, 0},       [ROW_log2] = {1.5, 0},
    [ROW_log10] = {1.5, 0},    [ROW_sin] = {3.5, 4},         [ROW_cos] = {4, 4},
    [ROW_tan] = {3.5, 0},      [ROW_asin] = {3, 0},          [ROW_acos] = {2.5, 0},
    [ROW_atan] = {2.5, 0},     [ROW_sinh] = {2.5, 3},        [ROW_cosh] = {2.5, 3},
    [ROW_tanh] = {2.5, 4.5},   [ROW_asinh] = {2.5, 3},       [ROW_acosh] = {3, 0},
    [ROW_atanh] = {2.5, 0},    [ROW_atan2] = {2.5, 8},       [ROW_hypot] = {2, 4},
    [ROW_erf] = {2.5, 4},      [ROW_erfc] = {2, 4},          [ROW_sigmoid] = {4, 4},
    [ROW_softplus] = {4, 4},   [ROW_exp_sub] = {3.5, 0},     [ROW_pow_slope] = {3, 4},
    [ROW_asin_slope] = {0, 0}, [ROW_sigmoid_slope] = {6, 6}, [ROW_hypot_slope] = {4, 9},
    [ROW_elu] = {2, 3},        [ROW_gelu] = {5, 4},          [ROW_silu] = {5, 4},
};
/* clang-format on */

Test(kernels, every_row_is_within_its_bound) {
    for (int level = 2; level <= 4; level++) {
        const ad__kernels *k = kernels_of(level);
        for (int i = 0; k != NULL && i < ROWS; i++) {
            double       plain;
            const double value = worst_value(k, i, &plain),
                         dx = i == ROW_polygamma ? 0 : worst_partial(k, i, false);
            const double dy = rows[i].operands == 2 ? worst_partial(k, i, true) : 0;
            cr_log_info("units %s %s %.2f %.2f %.2f", k->name, rows[i].name, value, dx, dy);
            cr_expect(value <= fmax(bounds[i].value, plain),
                      "%s, %s: the value is off by %.2f units in the last place, allowed are %.2f "
                      "(`bounds` in tests/program/kernels.c)",
                      rows[i].name, k->name, value, fmax(bounds[i].value, plain));
            cr_expect(fmax(dx, dy) <= bounds[i].partial,
                      "%s, %s: a partial is off by %.2f units in the last place, allowed are %.2f "
                      "(`bounds` in tests/program/kernels.c)",
                      rows[i].name, k->name, fmax(dx, dy), bounds[i].partial);
        }
    }
}

/* ---- lanes ----------------------------------------------------------------------------------- */

static bool same_or_nan(double a, double b) {
    return same_bits(a, b) || (isnan(a) && isnan(b));
}

/* Numbers and everything that is none, each at every place among others, in rows of several
 * lengths. */
Test(kernels, lane_does_not_depend_on_its_place) {
    static const double strange[] = {NAN,   INFINITY, -INFINITY, 0.0, -0.0, 5e-324, -2.2e-308,
                                     1e308, -1,       1,         0.5, 700,  -700};
    enum { STRANGE = sizeof strange / sizeof *strange };
    for (int level = 2; level <= 4; level++) {
        const ad__kernels *k = kernels_of(level);
        for (int i = 0; k != NULL && i < ROWS; i++) {
            _Alignas(64) double x[40], y[40], v[40], first[8], x8[8], y8[8];
            for (int s = 0; s < STRANGE * STRANGE; s++) {
                for (int l = 0; l < 8; l++)
                    x8[l] = strange[s % STRANGE], y8[l] = strange[s / STRANGE];
                k->value[0][i](8, x8, y8, first);
                for (int l = 1; l < 8; l++)
                    cr_expect(same_or_nan(first[l], first[0]), "%s, %s", rows[i].name, k->name);
                const int place = s % 40;
                for (int l = 0; l < 40; l++) x[l] = 0.7 + 0.01 * l, y[l] = 1.5;
                x[place] = strange[s % STRANGE], y[place] = strange[s / STRANGE];
                for (size_t n = 40; n > (size_t)place; n -= 8) {
                    k->value[0][i](n, x, y, v);
                    cr_expect(same_or_nan(v[place], first[0]),
                              "%s(%g, %g), %s: lane %d of %zu is %.17g, not %.17g", rows[i].name,
                              x[place], y[place], k->name, place, n, v[place], first[0]);
                    if (n == 8) break;
                }
            }
        }
    }
}

/* Infinities, NaN and signed zeros come out as the scalar row has them. */
Test(kernels, strange_operands_give_what_the_scalar_row_gives) {
    static const double strange[] = {NAN, INFINITY, -INFINITY, 0.0, -0.0, 1, -1};
    enum { STRANGE = sizeof strange / sizeof *strange };
    for (int level = 2; level <= 4; level++) {
        const ad__kernels *k = kernels_of(level);
        for (int i = 0; k != NULL && i < ROWS; i++) {
            _Alignas(64) double x[8], y[8], v[8];
            for (int s = 0; s < STRANGE * STRANGE; s++) {
                for (int l = 0; l < 8; l++)
                    x[l] = strange[s % STRANGE], y[l] = strange[s / STRANGE];
                k->value[0][i](8, x, y, v);
                const double want = row_value(&rows[i], x[0], y[0]);
                const bool   exactly = isnan(want) || isinf(want) || want == 0;
                cr_expect(exactly ? same_or_nan(v[0], want) : close_to(v[0], want, 8 * U, 0),
                          "%s(%g, %g), %s: %.17g, not %.17g", rows[i].name, x[0], y[0], k->name,
                          v[0], want);
                if (rows[i].operands == 1 && s >= STRANGE) break;
            }
        }
    }
}

/* Compilers write rounding as additions where an instruction set lacks it: halves, their
 * neighbours, and where doubles become whole. fmod and remainder of huge quotients. */
Test(kernels, rounding_is_that_of_the_c_library_to_the_bit) {
    static const double hard[] = {0.5,          0.5 - 0x1p-54, 0.5 + 0x1p-53, 1 - 0x1p-53,
                                  1.5,          2.5,           1e-320,        0x1p51 + 0.5,
                                  0x1p51 + 1.5, 0x1p52 - 0.5,  0x1p52 + 1,    0x1p53 - 1,
                                  0x1p62,       0x1p63,        1e300,         3};
    enum { HARD = sizeof hard / sizeof *hard };
    for (int level = 2; level <= 4; level++) {
        const ad__kernels  *k = kernels_of(level);
        _Alignas(64) double x[2 * HARD], y[2 * HARD], v[2 * HARD];
        for (int turn = 0; k != NULL && turn < HARD; turn++) {
            for (int i = 0; i < HARD; i++)
                x[2 * i] = hard[i], x[2 * i + 1] = -hard[i],
                      y[2 * i] = y[2 * i + 1] = hard[(i + turn) % HARD];
            for (int r = ROW_floor; r <= ROW_remainder; r++) {
                k->value[0][r](2 * HARD, x, y, v);
                for (int i = 0; i < 2 * HARD; i++) {
                    const double want[] = {floor(x[i]),          ceil(x[i]), trunc(x[i]),
                                           round(x[i]),          rint(x[i]), fmod(x[i], y[i]),
                                           remainder(x[i], y[i])};
                    cr_expect(same_bits(v[i], want[r - ROW_floor]), "%s(%.17g, %.17g), %s: %.17g",
                              rows[r].name, x[i], y[i], k->name, v[i]);
                }
            }
        }
    }
}

Test(kernels, reverse_adds_to_what_is_there_and_nothing_for_a_zero_adjoint) {
    for (int level = 2; level <= 4; level++) {
        const ad__kernels *k = kernels_of(level);
        for (int i = 0; k != NULL && i < ROWS; i++) {
            _Alignas(64) double x[8], y[8], v[8], in[8], a[8], out[8];
            for (int l = 0; l < 8; l++) x[l] = 1, y[l] = 2.5, in[l] = l, a[l] = l % 2 == 0 ? 0 : l;
            if (i == ROW_acosh) x[0] = x[1] = 2;
            x[2] = y[2] = NAN, x[4] = y[4] = INFINITY;
            k->value[0][i](8, x, y, v);
            for (int operand = 0; operand < rows[i].operands; operand++) {
                if (i == ROW_polygamma && operand == 0) continue;
                k->push[operand][AD__NODES_ONLY][i](8, x, y, v, a, in, out);
                for (int l = 0; l < 8; l += 2)
                    cr_expect_eq(out[l], l, "%s, %s, lane %d: %g", rows[i].name, k->name, l,
                                 out[l]);
                const ad__row_number r = (ad__row_number)i;
                const double         partial = operand == 0 ? ad__row_dx(r, x[1], y[1], v[1])
                                                            : ad__row_dy(r, x[1], y[1], v[1]);
                cr_expect(close_to(out[1], 1 + partial, 16 * U, 16 * U), "%s, %s: %g, partial %g",
                          rows[i].name, k->name, out[1], partial);
            }
        }
    }
}

/* ---- reductions ------------------------------------------------------------------------------ */

Test(kernels, reductions_are_what_the_tape_makes_of_them) {
    enum { COUNT = 11, N = 24 };
    _Alignas(64) static double x[COUNT][N], y[COUNT][N], v[N], shift[N], total[N];
    const double              *xs[COUNT], *ys[COUNT];
    uint64_t                   state = 5;
    for (int i = 0; i < COUNT; i++) {
        xs[i] = x[i], ys[i] = y[i];
        for (int l = 0; l < N; l++)
            x[i][l] = random_uniform(&state, -3, 3), y[i][l] = random_uniform(&state, -3, 3);
    }
    x[3][5] = NAN, x[4][6] = INFINITY, x[2][7] = -INFINITY;
    for (int i = 0; i < COUNT; i++) x[i][8] = -INFINITY, x[i][9] = 1e3 * i;
    for (int level = 2; level <= 4; level++) {
        const ad__kernels *k = kernels_of(level);
        if (k == NULL) continue;
        for (int code = AD__FIRST_REDUCTION; code < AD__custom; code++) {
            const ad__fold_kernels *fold = ad__fold_kernels_of(k, (uint8_t)code);
            if (ad__family_of((uint32_t)code) == AD__SELECTS_ONE) continue;
            if (code == AD__sum) k->sum(COUNT, xs, N, v);
            else if (code == AD__dot) k->dot(COUNT, xs, ys, N, v);
            else fold->fold(COUNT, xs, N, shift, total), fold->value(N, shift, total, v);
            for (int l = 0; l < N; l++) {
                ad_var a[2 * COUNT];
                for (int i = 0; i < COUNT; i++)
                    a[i] = ad_num(x[i][l]), a[COUNT + i] = ad_num(y[i][l]);
                const double want = ad_value(
                    ad__record_reduction((uint8_t)code, code == AD__dot ? 2 * COUNT : COUNT, a));
                cr_expect(close_to(v[l], want, 8 * U, 8 * U * COUNT * 9),
                          "%s, %s, lane %d: %.17g, not %.17g", k->name,
                          ad__code_name((uint8_t)code), l, v[l], want);
            }
        }
    }
}

/* Of the last operand, onto what is there: nothing where the adjoint is 0, or where a fold that
 * selects has the partial 0. */
Test(kernels, folds_push_what_the_tape_pushes) {
    enum { COUNT = 5, N = 16 };
    static const double        at[N] = {-1,  0,        1,         2, 3, 4, 5,   6,
                                        NAN, INFINITY, -INFINITY, 4, 4, 4, 0.5, -8};
    _Alignas(64) static double x[COUNT][N], a[N], in[N], out[N], v[N], shift[N], total[N];
    const double              *xs[COUNT];
    for (int i = 0; i < COUNT; i++) xs[i] = x[i];
    for (int l = 0; l < N; l++) {
        for (int i = 0; i < COUNT; i++) x[i][l] = i == COUNT - 1 ? at[l] : i + 0.25;
        a[l] = l == 3 || l == 8 ? 0 : l == 2 || l == 10 ? (double)INFINITY : l, in[l] = l;
    }
    for (int level = 2; level <= 4; level++) {
        const ad__kernels *k = kernels_of(level);
        for (int code = AD__FIRST_REDUCTION; k != NULL && code < AD__custom; code++) {
            const ad__fold_kernels *fold = ad__fold_kernels_of(k, (uint8_t)code);
            if (ad__family_of((uint32_t)code) != AD__FOLDS) continue;
            fold->fold(COUNT, xs, N, shift, total), fold->value(N, shift, total, v);
            fold->push(N, x[COUNT - 1], shift, total, a, in, out);
            for (int l = 0; l < N; l++) {
                double of[COUNT], partial[COUNT];
                for (int i = 0; i < COUNT; i++) of[i] = x[i][l];
                ad__fold_partials((uint8_t)code, COUNT, of, partial);
                const bool   nothing = a[l] == 0 || (partial[COUNT - 1] == 0 &&
                                                   ad__reduction_of((uint32_t)code)->selects);
                const double want = in[l] + (nothing ? 0 : a[l] * partial[COUNT - 1]);
                cr_expect(close_to(out[l], want, 8 * U, 0) || (isnan(want) && isnan(out[l])),
                          "%s, %s, lane %d: %.17g, not %.17g", k->name,
                          ad__code_name((uint8_t)code), l, out[l], want);
            }
        }
    }
}

/* Half of the adjoints are 0, in every pattern of eight. */
Test(kernels, totals_count_every_lane) {
    _Alignas(64) double a[24], x[24];
    for (int level = 2; level <= 4; level++) {
        const ad__kernels *k = kernels_of(level);
        for (int pattern = 0; k != NULL && pattern < 256; pattern++) {
            double want = 0, all = 0;
            for (int l = 0; l < 24; l++) {
                a[l] = pattern >> l % 8 & 1 ? 1 + l : 0;
                x[l] = a[l] == 0 ? (double)INFINITY : 2 + l;
                want += a[l] == 0 ? 0 : a[l] * x[l], all += a[l];
            }
            cr_expect_eq(k->total_product(24, a, x), want, "%s, pattern %d", k->name, pattern);
            cr_expect_eq(k->total(24, a), all, "%s, pattern %d", k->name, pattern);
        }
    }
}

Test(kernels, finite_sees_every_place) {
    static const double strange[] = {NAN, INFINITY, -INFINITY};
    double              x[29];
    for (int level = 2; level <= 4; level++) {
        const ad__kernels *k = kernels_of(level);
        if (k == NULL) continue;
        for (size_t n = 0; n <= 29; n++) {
            for (size_t i = 0; i < n; i++) x[i] = i % 2 == 0 ? 1e308 : -1e308;
            cr_expect(k->finite(n, x), "%zu numbers", n);
            for (size_t i = 0; i < n; i++) {
                const double before = x[i];
                x[i] = strange[i % 3];
                cr_expect_not(k->finite(n, x), "place %zu of %zu", i, n);
                x[i] = before;
            }
        }
    }
}
