/* replay.c - recomputes values, first to last. Invariant: when node i is visited the values of its
 * operands are the new ones, because operands stand to its left. */
#include "base/text.h"
#include "tape/reduce.h"

static void branch_turned(ad_tape *tape, uint32_t node) {
    const uint32_t       condition = tape->arg[node].x;
    const uint8_t        code = tape->code[condition];
    const ad__row_number row = ad__code_row(code);
    const ad__arg        arg = tape->arg[condition];
    const bool           two = row < AD__ROWS && ad__rows[row].operands == 2;
    double               side[2] = {0, 0};
    char                 text[240];
    if (two) {
        const ad__form form = ad__code_form(code);
        side[0] = form == AD__X_NUMBER ? ad__number_at(tape, arg.x) : tape->value[arg.x];
        side[1] = form == AD__Y_NUMBER ? ad__number_at(tape, arg.y) : tape->value[arg.y];
    }
    ad__branch_turns(sizeof text, text, condition,
                     two ? ad__rows[row].shown : ad__node_name(tape, condition), two ? side : NULL,
                     tape->value[condition], tape->value[node] != 0);
    ad__fail(tape, AD_BRANCH_CHANGED, "%s", text);
}

void ad__replay_range(ad_tape *tape, uint32_t from, uint32_t end) {
    double *value = tape->value;
    for (uint32_t i = from; i < end; i++) {
        const ad__arg arg = tape->arg[i];
        switch (tape->code[i]) {
/* clang-format off */
#define R1(name, ...) \
        case AD__##name: value[i] = ad__value_##name(value[arg.x]); break;
#define R2(name, ...) \
        case AD__##name: value[i] = ad__value_##name(value[arg.x], value[arg.y]); break; \
        case AD__##name##_number: \
            value[i] = ad__value_##name(value[arg.x], ad__number_at(tape, arg.y)); break; \
        case AD__number_##name: \
            value[i] = ad__value_##name(ad__number_at(tape, arg.x), value[arg.y]); break;
#include "ops.def"
            /* clang-format on */
        case AD__input: break;
        case AD__branch:
            if ((value[arg.x] != 0) != (value[i] != 0)) {
                branch_turned(tape, i);
                return;
            }
            break;
        default:
            if (!ad__reduce_value(tape, i, &value[i])) return;
        }
    }
}

void ad_replay(ad_tape *tape) {
    if (tape != NULL && tape->status == AD_OK) ad__replay_range(tape, tape->leaves, tape->length);
}
