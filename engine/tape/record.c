/* record.c - one function for each row of ops.def: computes the value and records a node.
 *
 * The common case, valid handles of one tape with room left, is the whole body of each function and
 * takes a few comparisons; every other case (plain numbers, growth, errors) goes to `unary` and
 * `binary`, which check everything. */
#include "tape/tape.h"

__attribute__((noinline)) static ad_var unary(ad__row_number row, ad_var x) {
    ad_tape *tape = x.tape;
    if (tape == NULL) return ad_num(ad__row_value(row, ad__number_of(x), 0));
    if (tape->status != AD_OK || !ad__operand_valid(tape, x, ad__rows[row].name, 1) ||
        !ad__grow(tape))
        return ad__failed(tape);
    const double value = ad__row_value(row, tape->value[ad__node_of(x)], 0);
    return ad__push(tape, ad__rows[row].code, ad__node_of(x), 0, value);
}

/* May this operand be used as it is: is it a plain number, or a fresh handle of the tape? */
static inline bool ready(const ad_tape *tape, ad_var x) {
    return x.tape == NULL || (x.tape == tape && ad__fresh(tape, x));
}

static bool make_ready(ad_tape *tape, ad__row_number row, ad_var x, ad_var y) {
    const char *name = ad__rows[row].name;
    return (x.tape == NULL || ad__operand_valid(tape, x, name, 1)) &&
           (y.tape == NULL || ad__operand_valid(tape, y, name, 2)) && ad__grow(tape);
}

__attribute__((noinline)) static ad_var binary(ad__row_number row, ad_var x, ad_var y) {
    ad_tape *tape = x.tape != NULL ? x.tape : y.tape;
    if (tape == NULL) return ad_num(ad__row_value(row, ad__number_of(x), ad__number_of(y)));
    if ((tape->length >= tape->room || !ready(tape, x) || !ready(tape, y)) &&
        !make_ready(tape, row, x, y))
        return ad__failed(tape);
    ad__form form = AD__NODES_ONLY;
    uint32_t xp = ad__node_of(x), yp = ad__node_of(y);
    if (x.tape == NULL) form = AD__X_NUMBER, xp = ad__number(tape, ad__number_of(x));
    if (y.tape == NULL) form = AD__Y_NUMBER, yp = ad__number(tape, ad__number_of(y));
    if (tape->status != AD_OK) return ad__failed(tape);
    const double value = ad__row_value(row, x.tape == NULL ? ad__number_of(x) : tape->value[xp],
                                       y.tape == NULL ? ad__number_of(y) : tape->value[yp]);
    return ad__push(tape, (uint8_t)(ad__rows[row].code + form), xp, yp, value);
}

#define R1(name, ...)                                                          \
    ad_var ad_##name(ad_var x) {                                               \
        ad_tape *t = x.tape;                                                   \
        if (t == NULL || !ad__fresh(t, x) || t->length >= t->room)             \
            return unary(AD__ROW_##name, x);                                   \
        const uint32_t xp = ad__node_of(x);                                    \
        return ad__push(t, AD__##name, xp, 0, ad__value_##name(t->value[xp])); \
    }
#define R2(name, ...)                                                                             \
    ad_var ad_##name(ad_var x, ad_var y) {                                                        \
        ad_tape       *t = x.tape;                                                                \
        const uint32_t xp = ad__node_of(x), yp = ad__node_of(y);                                  \
        if (t == NULL || !ad__fresh(t, x) || t->length >= t->room)                                \
            return binary(AD__ROW_##name, x, y);                                                  \
        if (y.tape == t && ad__fresh(t, y))                                                       \
            return ad__push(t, AD__##name, xp, yp, ad__value_##name(t->value[xp], t->value[yp])); \
        return binary(AD__ROW_##name, x, y);                                                      \
    }
#include "ops.def"

ad_var ad__record_row(ad__row_number row, ad_var x, ad_var y) {
    switch (row) {
/* clang-format off */
#define R1(name, ...) case AD__ROW_##name: return ad_##name(x);
#define R2(name, ...) case AD__ROW_##name: return ad_##name(x, y);
#include "ops.def"
        /* clang-format on */
    default: return ad_num(NAN);
    }
}

bool ad_branch(ad_var condition) {
    ad_tape *tape = condition.tape;
    if (tape == NULL) return ad__number_of(condition) != 0;
    if (tape->status != AD_OK || !ad__operand_valid(tape, condition, "branch", 1) ||
        !ad__grow(tape))
        return false;
    const bool taken = tape->value[ad__node_of(condition)] != 0;
    ad__push(tape, AD__branch, ad__node_of(condition), 0, taken);
    return taken;
}
