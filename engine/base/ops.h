/* ops.h - the rows of ops.def and reduce.def as enums, functions and texts; and the opcodes of the
 * tape.
 *
 * A row of two operands makes three opcodes: both operands nodes, the second a plain number, the
 * first a plain number. They stand in that order, so that code = first code of the row + form. */
#ifndef TAPIR_OPS_H
#define TAPIR_OPS_H

#include "base/special.h"
#include "base/spoil.h"

#include <math.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* The rows, in the order of the table. */
typedef enum ad__row_number {
#define R1(name, ...) AD__ROW_##name,
#define R2(name, ...) AD__ROW_##name,
#include "ops.def"
    AD__ROWS
} ad__row_number;

typedef enum ad__form { AD__NODES_ONLY, AD__Y_NUMBER, AD__X_NUMBER } ad__form;

/* What a node of the tape is. One byte. */
typedef enum ad__code {
#define R1(name, ...) AD__##name,
#define R2(name, ...) AD__##name, AD__##name##_number, AD__number_##name,
#include "ops.def"
    AD__input,
    AD__branch, /* a noted decision: value 1 or 0 */
#define R_SUM(name, ...) \
    AD__##name, /* from here on, operands stand in a record of the operand list */
#define R_FOLD(name, ...)   AD__##name,
#define R_SELECT(name, ...) AD__##name,
#include "reduce.def"
    AD__custom, /* an operation of the user's: which one, says the word behind its operands */
    AD__CODES
} ad__code;

/* u, the unit of the column `rounding`: half a unit in the last place of 1. */
#define AD__ROUNDING 0x1p-53

/* Columns of ops.def that are words. */
typedef enum ad__reads {
    AD__READS_0,
    AD__READS_X = 1,
    AD__READS_Y = 2,
    AD__READS_V = 4,
    AD__READS_XY = AD__READS_X | AD__READS_Y,
    AD__READS_XV = AD__READS_X | AD__READS_V,
    AD__READS_YV = AD__READS_Y | AD__READS_V,
    AD__READS_XYV = AD__READS_XY | AD__READS_V
} ad__reads;
enum { AD__COST_cheap, AD__COST_costly };
typedef enum ad__in_c { AD__IN_C_libm, AD__IN_C_text, AD__IN_C_special } ad__in_c;

enum { AD__FIRST_REDUCTION = AD__branch + 1, AD__REDUCTIONS = AD__custom - AD__FIRST_REDUCTION };

typedef enum ad__family { AD__NO_FAMILY, AD__SUMS, AD__FOLDS, AD__SELECTS_ONE } ad__family;

/* A row of reduce.def: the texts of its expressions, NULL where its family has none. Of a sum
 * `record` is its partial. */
typedef struct ad__reduction {
    const char *name, *words;
    ad__family  family;
    uint8_t     groups;
    bool        selects, has_tip, summed;
    const char *measure, *start, *term, *value, *slope, *over, *which, *record, *divisor;
} ad__reduction;

extern const ad__reduction ad__reductions[AD__REDUCTIONS];

/* The row behind an opcode of a tape or a program; NULL for what is no reduction. */
static inline const ad__reduction *ad__reduction_of(uint32_t code) {
    const uint32_t number = code - AD__FIRST_REDUCTION;
    return number < AD__REDUCTIONS ? &ad__reductions[number] : NULL;
}

static inline ad__family ad__family_of(uint32_t code) {
    return code - AD__FIRST_REDUCTION < AD__REDUCTIONS
             ? ad__reductions[code - AD__FIRST_REDUCTION].family
             : AD__NO_FAMILY;
}

/* Has it two groups of as many operands each, as dot? */
static inline bool ad__is_paired(uint32_t code) {
    return ad__family_of(code) == AD__SUMS &&
           ad__reductions[code - AD__FIRST_REDUCTION].groups == 2;
}

typedef struct ad__row {
    const char        *name, *shown, *words;
    /* texts of expressions; dy is NULL for one operand */
    const char        *value, *dx, *dy, *side;
    uint8_t            operands, code; /* code: of the form in which all operands are nodes */
    uint8_t            reads[2];       /* ad__reads: what dx and dy name */
    bool               costly;
    uint8_t            in_c;   /* ad__in_c */
    const char *const *source; /* AD__IN_C_special: pieces of C, then NULL */
} ad__row;

extern const ad__row ad__rows[AD__ROWS];

/* The row and the form behind an opcode; AD__ROWS for opcodes that are no rows. */
ad__row_number ad__code_row(uint8_t code);
ad__form       ad__code_form(uint8_t code);

/* Names and words of opcodes that are no rows too: "input", "sum". */
const char *ad__code_name(uint8_t code);
const char *ad__code_words(uint8_t code);

/* Expressions of rows call these under their names in the table. */
static inline double ad__value_sigmoid(double x);
static inline double ad__value_sigmoid_slope(double x);
static inline double ad__value_asin_slope(double x);
static inline double ad__value_atan_slope(double x);
static inline double ad__value_atanh_slope(double x);
static inline double ad__value_pow_slope(double x, double y);
static inline double ad__value_hypot_slope(double x, double y);
static inline double ad__value_scale(double x, double y);
#define sigmoid(x)        ad__value_sigmoid(x)
#define sigmoid_slope(x)  ad__value_sigmoid_slope(x)
#define asin_slope(x)     ad__value_asin_slope(x)
#define atan_slope(x)     ad__value_atan_slope(x)
#define atanh_slope(x)    ad__value_atanh_slope(x)
#define pow_slope(x, y)   ad__value_pow_slope(x, y)
#define hypot_slope(x, y) ad__value_hypot_slope(x, y)
#define scale(x, y)       ad__value_scale(x, y)
#define polygamma(n, x)   ad__polygamma(n, x)
#define lgamma(x)         ad__lgamma(x)

/* clang-format off */
#define R1(name, shown, words, value, dx, side, ...)                                               \
    static inline double ad__value_##name(double x) { return value; }                              \
    static inline double ad__dx_##name(double x, double v) {                                       \
        (void)x, (void)v;                                                                          \
        return AD__PARTIAL(name, 0, x, 0, v, dx);                                                  \
    }                                                                                              \
    static inline double ad__side_##name(double x, double v) { (void)x, (void)v; return side; }
#define R2(name, shown, words, value, dx, dy, side, ...)                                           \
    static inline double ad__value_##name(double x, double y) { (void)x, (void)y; return value; }  \
    static inline double ad__dx_##name(double x, double y, double v) {                             \
        (void)x, (void)y, (void)v;                                                                 \
        return AD__PARTIAL(name, 0, x, y, v, dx);                                                  \
    }                                                                                              \
    static inline double ad__dy_##name(double x, double y, double v) {                             \
        (void)x, (void)y, (void)v;                                                                 \
        return AD__PARTIAL(name, 1, x, y, v, dy);                                                  \
    }                                                                                              \
    static inline double ad__side_##name(double x, double y, double v) {                           \
        (void)x, (void)y, (void)v;                                                                 \
        return side;                                                                               \
    }
#include "ops.def"

/* clang 14 makes one WebAssembly instruction of relu's `x < 0 ? 0 : x`, f64.max, which gives 0 for
 * -0. It does not if it cannot see that the 0 is one. */
#ifdef __wasm__
extern const double ad__hidden_zero;
static inline double ad__wasm_relu(double x) {
    return x < ad__hidden_zero ? ad__hidden_zero : x;
}
#define ad__value_relu ad__wasm_relu
#endif

/* What a fold has made of its operands. */
typedef struct ad__folded {
    double shift, total;
} ad__folded;

#define R_SUM(name, words, groups, term, partial)                                                  \
    static inline double ad__partial_##name(double x, double y) {                                  \
        (void)x, (void)y;                                                                          \
        return partial;                                                                            \
    }                                                                                              \
    static inline double ad__term_##name(double x, double y) { (void)x, (void)y; return term; }
#define R_FOLD(name, words, measure, start, term, value, slope, over, along, bend, selects, tip,   \
               noise, ...)                                                                         \
    static inline double ad__measure_##name(double x) { (void)x; return measure; }                 \
    static inline double ad__start_##name(void) { return start; }                                  \
    static inline double ad__term_##name(double x, double shift) {                                 \
        (void)x, (void)shift;                                                                      \
        return term;                                                                               \
    }                                                                                              \
    static inline double ad__result_##name(double shift, double total) {                           \
        (void)shift, (void)total;                                                                  \
        return value;                                                                              \
    }                                                                                              \
    static inline double ad__slope_##name(double x, double shift) {                                \
        (void)x, (void)shift;                                                                      \
        return slope;                                                                              \
    }                                                                                              \
    static inline double ad__over_##name(double shift, double total) {                             \
        (void)shift, (void)total;                                                                  \
        return over;                                                                               \
    }                                                                                              \
    static inline double ad__along_##name(double p) { (void)p; return along; }                     \
    static inline double ad__bend_##name(double v, double p) { (void)v, (void)p; return bend; }    \
    static inline bool   ad__tip_##name(double shift, double total) {                              \
        (void)shift, (void)total;                                                                  \
        return tip;                                                                                \
    }                                                                                              \
    static inline double ad__noise_##name(double v, double n) { (void)v, (void)n; return noise; }
#define R_SELECT(name, words, groups, which)                                                       \
    static inline double ad__which_##name(double c, double n) { (void)c, (void)n; return which; }
#include "reduce.def"
/* clang-format on */

#undef sigmoid
#undef sigmoid_slope
#undef asin_slope
#undef atan_slope
#undef atanh_slope
#undef pow_slope
#undef hypot_slope
#undef scale
#undef polygamma
#undef lgamma

/* Is there anything in this column of a row? The text is a constant, so the answer is one too. A
 * row with a side selects. */
#define AD__GIVEN(column) (!(#column[0] == '0' && #column[1] == '\0'))
#define AD__SELECTS(side) AD__GIVEN(side)

/* The tangent of what moves but is level, where that of what does not move at all is +0. The two
 * differ when an infinite partial comes next: inf*0 is no number, inf times nothing is nothing. */
#define AD__LEVEL_TANGENT (-0.0)

static inline uint64_t ad__bits(double x) {
    uint64_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits;
}

static inline bool ad__moves(double tangent) {
    return ad__bits(tangent) != 0;
}

/* x == 0, in one jump: of two doubles two are needed, since they may be unordered. */
static inline bool ad__zero(double x) {
    return ad__bits(x) << 1 == 0;
}

/* The tangent of a result, put together from those of its operands. The rules mirror those of the
 * reverse sweep, which goes from the result down and stops at an adjoint of 0, so that both say the
 * same where factors are 0 and infinite: a partial of 0 sends nothing up, whatever the tangent.
 * Where it selects, its operand does not even count as moving. */
typedef struct ad__motion {
    double sum;
    bool   moves;
} ad__motion;

static inline void ad__move_by(ad__motion *m, double partial, double tangent, bool selects) {
    if (!ad__zero(partial)) m->sum += partial * tangent;
    m->moves |= !selects || !ad__zero(partial);
}

static inline double ad__tangent_of(ad__motion m) {
    return ad__zero(m.sum) && m.moves ? AD__LEVEL_TANGENT : m.sum;
}

/* ad__folded f of the operands X(0) ... X(n - 1) of the fold `name`. */
#define AD__FOLD_INTO(f, name, n, X)                                                        \
    do {                                                                                    \
        (f) = (ad__folded){ad__start_##name(), 0};                                          \
        for (size_t i_ = 0; i_ < (n); i_++) {                                               \
            const double measure_ = ad__measure_##name(X(i_));                              \
            if (measure_ > (f).shift || measure_ != measure_) (f).shift = measure_;         \
        }                                                                                   \
        for (size_t i_ = 0; i_ < (n); i_++) (f).total += ad__term_##name(X(i_), (f).shift); \
    } while (0)

/* A fold by its opcode, over an array: what it makes of it; and what its row says of that, of one
 * operand x, of a partial p and of the value v. The code is that of a fold. */
ad__folded ad__folded_over(uint8_t code, size_t n, const double x[]);
double     ad__fold_value(uint8_t code, ad__folded f);
double     ad__fold_measure(uint8_t code, double x);
double     ad__fold_start(uint8_t code);
double     ad__fold_along(uint8_t code, double p);
double     ad__fold_bend(uint8_t code, double v, double p);
bool       ad__fold_tip(uint8_t code, ad__folded f);
double     ad__fold_noise(uint8_t code, double v, size_t n);
void       ad__fold_partials(uint8_t code, size_t n, const double x[], double partial[]);

/* How partials p move, written over how the operands do. What all operands have in common, a
 * multiple of `along`, moves no partial and is taken out first, by the steepest of them, so that
 * nothing cancels. */
void ad__fold_slopes(uint8_t code, size_t n, double v, const double p[], double moved[]);

/* A sum by its opcode: what a pair of operands adds, and its derivative in x. */
double ad__sum_term(uint8_t code, double x, double y);
double ad__sum_partial(uint8_t code, double x, double y);

/* A selection by its opcode: the number of the operand, among the n behind the first, that this
 * first one asks for; n: none. */
size_t ad__selected(uint8_t code, double first, size_t n);

/* A row by its number: value, partials, side. y is not read by rows of one operand. */
double ad__row_value(ad__row_number row, double x, double y);
double ad__row_dx(ad__row_number row, double x, double y, double v);
double ad__row_dy(ad__row_number row, double x, double y, double v);
double ad__row_side(ad__row_number row, double x, double y, double v);
bool   ad__row_selects(ad__row_number row);

/* Is (x, y) where this row is like the tip of a cone: not smooth, but equal to its own directional
 * derivative (|x| at 0, max at a tie)? Is there such a place for the operation of this opcode, a
 * row or a fold (reduce.def)? */
bool               ad__row_tip(ad__row_number row, double x, double y);
static inline bool ad__code_has_tip(uint8_t code) {
    switch (code) {
/* clang-format off */
#define R1(name, shown, words, value, dx, side, reads, cost, rounding, tip, ...) \
    case AD__##name: return AD__GIVEN(tip);
#define R2(name, shown, words, value, dx, dy, side, reads_x, reads_y, cost, rounding, tip, ...) \
    case AD__##name: case AD__##name##_number: case AD__number_##name: return AD__GIVEN(tip);
#include "ops.def"
        /* clang-format on */
    default: return ad__family_of(code) == AD__FOLDS && ad__reduction_of(code)->has_tip;
    }
}

/* Are second derivatives infinite, or none, where the result is v? */
bool ad__row_bends(ad__row_number row, double v);

/* The most by which the result v computed from x and y may be off. */
double ad__row_rounding(ad__row_number row, double x, double y, double v);

/* The partial in operand 0 or 1 where it is a number; NaN where it is an expression. */
double ad__row_constant(ad__row_number row, int operand);

#endif
