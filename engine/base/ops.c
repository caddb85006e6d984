/* ops.c - the tables of operations and reductions as data, and rows called by their number.
 * Everything here is expanded from ops.def and reduce.def; nothing is said twice. */
#include "base/ops.h"

#ifdef __wasm__
const double ad__hidden_zero = 0;
#endif

/* clang-format off */
const ad__row ad__rows[AD__ROWS] = {
#define SOURCE_libm(name)    NULL
#define SOURCE_text(name)    NULL
#define SOURCE_special(name) ad__##name##_source
#define R1(name, shown, words, value, dx, side, reads, cost, rounding, tip, bends, in_c)           \
    {#name, shown, words, #value, #dx, NULL, #side, 1, AD__##name,                                 \
     {AD__READS_##reads, AD__READS_0},                                                             \
     AD__COST_##cost, AD__IN_C_##in_c, SOURCE_##in_c(name)},
#define R2(name, shown, words, value, dx, dy, side, reads_x, reads_y, cost, rounding, tip, bends,  \
           in_c)                                                                                   \
    {#name, shown, words, #value, #dx, #dy, #side, 2, AD__##name,                                  \
     {AD__READS_##reads_x, AD__READS_##reads_y},                                                   \
     AD__COST_##cost, AD__IN_C_##in_c, SOURCE_##in_c(name)},
#include "ops.def"
};
#undef SOURCE_libm
#undef SOURCE_text
#undef SOURCE_special

static const uint8_t code_rows[] = {
#define R1(name, ...) AD__ROW_##name,
#define R2(name, ...) AD__ROW_##name, AD__ROW_##name, AD__ROW_##name,
#include "ops.def"
};

/* Is the text anything but 0? */
#define SAYS(text) (!((text)[0] == '0' && (text)[1] == '\0'))

const ad__reduction ad__reductions[AD__REDUCTIONS] = {
#define R_SUM(name, words, groups, term_, partial) \
    {#name, words, AD__SUMS, groups, .term = #term_, .record = #partial},
#define R_FOLD(name, words, measure, start, term, value, slope, over, along, bend, selects, tip,   \
               noise, record, summed, divisor)                                                     \
    {#name, words, AD__FOLDS, 1, selects, SAYS(#tip), summed,                                      \
     #measure, #start, #term, #value, #slope, #over, NULL, #record, #divisor},
#define R_SELECT(name, words, groups, which_) \
    {#name, words, AD__SELECTS_ONE, groups, .selects = true, .which = #which_},
#include "reduce.def"
};

static const struct { const char *name, *words; } others[] = {
    [AD__input - AD__input]     = {"input",     "input"},
    [AD__branch - AD__input]    = {"branch",    "branch decides"},
    [AD__custom - AD__input]    = {"custom",    "by its own rule"},
};
/* clang-format on */

ad__row_number ad__code_row(uint8_t code) {
    return code < sizeof code_rows ? (ad__row_number)code_rows[code] : AD__ROWS;
}

ad__form ad__code_form(uint8_t code) {
    return code < sizeof code_rows ? (ad__form)(code - ad__rows[code_rows[code]].code)
                                   : AD__NODES_ONLY;
}

const char *ad__code_name(uint8_t code) {
    const ad__row_number row = ad__code_row(code);
    const ad__reduction *reduction = ad__reduction_of(code);
    return row < AD__ROWS    ? ad__rows[row].name
         : reduction != NULL ? reduction->name
                             : others[code - AD__input].name;
}

const char *ad__code_words(uint8_t code) {
    const ad__row_number row = ad__code_row(code);
    const ad__reduction *reduction = ad__reduction_of(code);
    return row < AD__ROWS    ? ad__rows[row].words
         : reduction != NULL ? reduction->words
                             : others[code - AD__input].words;
}

double ad__row_value(ad__row_number row, double x, double y) {
    switch (row) {
/* clang-format off */
#define R1(name, ...) case AD__ROW_##name: return ad__value_##name(x);
#define R2(name, ...) case AD__ROW_##name: return ad__value_##name(x, y);
#include "ops.def"
        /* clang-format on */
    default: return NAN;
    }
}

double ad__row_dx(ad__row_number row, double x, double y, double v) {
    switch (row) {
/* clang-format off */
#define R1(name, ...) case AD__ROW_##name: return ad__dx_##name(x, v);
#define R2(name, ...) case AD__ROW_##name: return ad__dx_##name(x, y, v);
#include "ops.def"
        /* clang-format on */
    default: return NAN;
    }
}

double ad__row_dy(ad__row_number row, double x, double y, double v) {
    switch (row) {
/* clang-format off */
#define R1(name, ...) case AD__ROW_##name: return 0;
#define R2(name, ...) case AD__ROW_##name: return ad__dy_##name(x, y, v);
#include "ops.def"
        /* clang-format on */
    default: return NAN;
    }
}

double ad__row_side(ad__row_number row, double x, double y, double v) {
    switch (row) {
/* clang-format off */
#define R1(name, ...) case AD__ROW_##name: return ad__side_##name(x, v);
#define R2(name, ...) case AD__ROW_##name: return ad__side_##name(x, y, v);
#include "ops.def"
        /* clang-format on */
    default: return NAN;
    }
}

/* clang-format off */
bool ad__row_selects(ad__row_number row) {
    switch (row) {
#define R1(name, shown, words, value, dx, side, ...) case AD__ROW_##name: return AD__SELECTS(side);
#define R2(name, shown, words, value, dx, dy, side, ...) \
    case AD__ROW_##name: return AD__SELECTS(side);
#include "ops.def"
    default: return false;
    }
}

bool ad__row_tip(ad__row_number row, double x, double y) {
    switch (row) {
#define R1(name, shown, words, value, dx, side, reads, cost, rounding, tip, ...) \
    case AD__ROW_##name: return tip;
#define R2(name, shown, words, value, dx, dy, side, reads_x, reads_y, cost, rounding, tip, ...) \
    case AD__ROW_##name: return tip;
#include "ops.def"
    default: return false;
    }
}

bool ad__row_bends(ad__row_number row, double v) {
    switch (row) {
#define R1(name, shown, words, value, dx, side, reads, cost, rounding, tip, bends, ...) \
    case AD__ROW_##name: return bends;
#define R2(name, shown, words, value, dx, dy, side, reads_x, reads_y, cost, rounding, tip, bends,  \
           ...)                                                                                    \
    case AD__ROW_##name: return bends;
#include "ops.def"
    default: return false;
    }
}

double ad__row_rounding(ad__row_number row, double x, double y, double value) {
    const double u = AD__ROUNDING, v = fabs(value);
    switch (row) {
#define R1(name, shown, words, value, dx, side, reads, cost, rounding, ...) \
    case AD__ROW_##name: return rounding;
#define R2(name, shown, words, value, dx, dy, side, reads_x, reads_y, cost, rounding, ...) \
    case AD__ROW_##name: return rounding;
#include "ops.def"
    default: return NAN;
    }
}
/* clang-format on */

double ad__row_constant(ad__row_number row, int operand) {
    if (ad__rows[row].reads[operand] != AD__READS_0) return NAN;
    return operand == 0 ? ad__row_dx(row, 0, 0, 0) : ad__row_dy(row, 0, 0, 0);
}

/* ---- reductions ------------------------------------------------------------------------------ */

/* clang-format off */
#define NO_SUM(...)
#define NO_FOLD(...)
#define NO_SELECT(...)

/* What the rows say, by number; callers ask for columns of the family that a code is of. */
static const struct fold {
    double (*measure)(double x), (*start)(void), (*value)(double shift, double total);
    double (*over)(double shift, double total), (*along)(double p), (*bend)(double v, double p);
    bool   (*tip)(double shift, double total);
    double (*noise)(double v, double n);
} folds[AD__REDUCTIONS] = {
#define R_SUM    NO_SUM
#define R_SELECT NO_SELECT
#define R_FOLD(name, ...)                                                                          \
    [AD__##name - AD__FIRST_REDUCTION] = {                                                         \
        ad__measure_##name, ad__start_##name, ad__result_##name, ad__over_##name,                  \
        ad__along_##name, ad__bend_##name, ad__tip_##name, ad__noise_##name},
#include "reduce.def"
};

static const struct sum {
    double (*term)(double x, double y), (*partial)(double x, double y);
} sums[AD__REDUCTIONS] = {
#define R_FOLD   NO_FOLD
#define R_SELECT NO_SELECT
#define R_SUM(name, ...) \
    [AD__##name - AD__FIRST_REDUCTION] = {ad__term_##name, ad__partial_##name},
#include "reduce.def"
};

static double (*const selections[AD__REDUCTIONS])(double c, double n) = {
#define R_SUM  NO_SUM
#define R_FOLD NO_FOLD
#define R_SELECT(name, ...) [AD__##name - AD__FIRST_REDUCTION] = ad__which_##name,
#include "reduce.def"
};

ad__folded ad__folded_over(uint8_t code, size_t n, const double x[]) {
    ad__folded f = {0, 0};
    switch (code) {
#define X(i) x[i]
#define R_SUM    NO_SUM
#define R_SELECT NO_SELECT
#define R_FOLD(name, ...) case AD__##name: AD__FOLD_INTO(f, name, n, X); break;
#include "reduce.def"
#undef X
    default: break;
    }
    return f;
}

void ad__fold_partials(uint8_t code, size_t n, const double x[], double partial[]) {
    const ad__folded f = ad__folded_over(code, n, x);
    const double     over = folds[code - AD__FIRST_REDUCTION].over(f.shift, f.total);
    switch (code) {
#define R_SUM    NO_SUM
#define R_SELECT NO_SELECT
#define R_FOLD(name, ...)                                                                          \
    case AD__##name:                                                                               \
        for (size_t i = 0; i < n; i++) partial[i] = ad__slope_##name(x[i], f.shift)/over;          \
        break;
#include "reduce.def"
    default: break;
    }
}

static size_t steepest(size_t n, const double p[]) {
    size_t at = 0;
    for (size_t k = 1; k < n; k++)
        if (fabs(p[k]) > fabs(p[at])) at = k;
    return at;
}

#define SLOPES(name)                                                                        \
    do {                                                                                    \
        const double common = p[first] == 0 ? 0 : moved[first]/ad__along_##name(p[first]);  \
        for (size_t k = 0; k < n; k++)                                                      \
            moved[k] = k == first ? 0 : moved[k] - common*ad__along_##name(p[k]);           \
        for (size_t k = 0; k < n; k++)                                                      \
            if (p[k] != 0) rest += p[k]*moved[k];                                           \
        for (size_t k = 0; k < n; k++) {                                                    \
            const double bend = ad__bend_##name(v, p[k]);                                   \
            const double turn = moved[k] - ad__along_##name(p[k])*rest;                     \
            moved[k] = bend == 0 || turn == 0 ? 0 : bend*turn;                              \
        }                                                                                   \
    } while (0)

void ad__fold_slopes(uint8_t code, size_t n, double v, const double p[], double moved[]) {
    const size_t first = steepest(n, p);
    double       rest = 0;
    switch (code) {
#define R_SUM    NO_SUM
#define R_SELECT NO_SELECT
#define R_FOLD(name, ...) case AD__##name: SLOPES(name); break;
#include "reduce.def"
    default: break;
    }
}

/* clang-format on */

double ad__fold_value(uint8_t code, ad__folded f) {
    return folds[code - AD__FIRST_REDUCTION].value(f.shift, f.total);
}

double ad__fold_measure(uint8_t code, double x) {
    return folds[code - AD__FIRST_REDUCTION].measure(x);
}

double ad__fold_start(uint8_t code) {
    return folds[code - AD__FIRST_REDUCTION].start();
}

double ad__fold_along(uint8_t code, double p) {
    return folds[code - AD__FIRST_REDUCTION].along(p);
}

double ad__fold_bend(uint8_t code, double v, double p) {
    return folds[code - AD__FIRST_REDUCTION].bend(v, p);
}

bool ad__fold_tip(uint8_t code, ad__folded f) {
    return folds[code - AD__FIRST_REDUCTION].tip(f.shift, f.total);
}

double ad__fold_noise(uint8_t code, double v, size_t n) {
    return folds[code - AD__FIRST_REDUCTION].noise(v, (double)n);
}

double ad__sum_term(uint8_t code, double x, double y) {
    return sums[code - AD__FIRST_REDUCTION].term(x, y);
}

double ad__sum_partial(uint8_t code, double x, double y) {
    return sums[code - AD__FIRST_REDUCTION].partial(x, y);
}

size_t ad__selected(uint8_t code, double first, size_t n) {
    return (size_t)selections[code - AD__FIRST_REDUCTION](first, (double)n);
}
