/* ops.c - the table of operations as data, and rows called by their number. Everything here is
 * expanded from ops.def; nothing is said twice. */
#include "base/ops.h"

#include <stddef.h>

const ad__row ad__rows[AD__ROWS] = {
#define SOURCE_libm(name)    NULL
#define SOURCE_text(name)    NULL
#define SOURCE_special(name) ad__##name##_source
#define R1(name, shown, words, value, dx, side, reads, cost, rounding, tip, bends, in_c)                \
    {#name, shown, words, #value, #dx, NULL, #side, 1, AD__##name, {AD__READS_##reads, AD__READS_0},    \
     AD__COST_##cost, AD__IN_C_##in_c, SOURCE_##in_c(name)},
#define R2(name, shown, words, value, dx, dy, side, reads_x, reads_y, cost, rounding, tip, bends, in_c) \
    {#name, shown, words, #value, #dx, #dy, #side, 2, AD__##name, {AD__READS_##reads_x, AD__READS_##reads_y}, \
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

/* clang-format off */
static const struct { const char *name, *words; } others[] = {
    [AD__input - AD__input]     = {"input",     "input"},
    [AD__branch - AD__input]    = {"branch",    "branch decides"},
    [AD__sum - AD__input]       = {"sum",       "sum distributes"},
    [AD__dot - AD__input]       = {"dot",       "dot swaps, pair by pair"},
    [AD__logsumexp - AD__input] = {"logsumexp", "logsumexp shares out"},
    [AD__where - AD__input]     = {"where",     "where routes"},
    [AD__pick - AD__input]      = {"pick",      "pick routes"},
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
    return row < AD__ROWS ? ad__rows[row].name : others[code - AD__input].name;
}

const char *ad__code_words(uint8_t code) {
    const ad__row_number row = ad__code_row(code);
    return row < AD__ROWS ? ad__rows[row].words : others[code - AD__input].words;
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

bool ad__row_selects(ad__row_number row) {
    switch (row) {
#define R1(name, shown, words, value, dx, side, ...) case AD__ROW_##name: return AD__SELECTS(side);
#define R2(name, shown, words, value, dx, dy, side, ...) case AD__ROW_##name: return AD__SELECTS(side);
#include "ops.def"
/* clang-format on */
    default: return false;
    }
}

bool ad__row_tip(ad__row_number row, double x, double y) {
    switch (row) {
#define R1(name, shown, words, value, dx, side, reads, cost, rounding, tip, ...) case AD__ROW_##name: return tip;
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
#define R2(name, shown, words, value, dx, dy, side, reads_x, reads_y, cost, rounding, tip, bends, ...) \
    case AD__ROW_##name: return bends;
#include "ops.def"
    default: return false;
    }
}

double ad__row_rounding(ad__row_number row, double x, double y, double value) {
    const double u = AD__ROUNDING, v = fabs(value);
    switch (row) {
#define R1(name, shown, words, value, dx, side, reads, cost, rounding, ...) case AD__ROW_##name: return rounding;
#define R2(name, shown, words, value, dx, dy, side, reads_x, reads_y, cost, rounding, ...) \
    case AD__ROW_##name: return rounding;
#include "ops.def"
    default: return NAN;
    }
}

double ad__row_constant(ad__row_number row, int operand) {
    if (ad__rows[row].reads[operand] != AD__READS_0) return NAN;
    return operand == 0 ? ad__row_dx(row, 0, 0, 0) : ad__row_dy(row, 0, 0, 0);
}
