/* trace.c - edges, one at a time; see trace.h. */
#include "trace.h"

#include "reduce.h"

#include <stdlib.h>

size_t ad__edges(const ad_tape *tape, uint32_t node) {
    const uint8_t        code = tape->code[node];
    const ad__row_number row = ad__code_row(code);
    if (row < AD__ROWS) return ad__rows[row].operands;
    switch (code) {
    case AD__input:  return 0;
    case AD__branch: return 1;
    case AD__where:  return 3;
    case AD__dot:    return 2*(size_t)tape->arg[node].y;
    case AD__pick:   return 1 + (size_t)tape->arg[node].y;
    default:         return tape->arg[node].y;
    }
}

static ad__edge row_edge(const ad_tape *tape, uint32_t node, ad__row_number row, size_t i) {
    const ad__form form = ad__code_form(tape->code[node]);
    const ad__arg  arg = tape->arg[node];
    const bool     number = i == 0 ? form == AD__X_NUMBER : form == AD__Y_NUMBER;
    const double x = form == AD__X_NUMBER ? ad__number_at(tape, arg.x) : tape->value[arg.x];
    const double y = ad__rows[row].operands == 1 ? 0
                   : form == AD__Y_NUMBER ? ad__number_at(tape, arg.y) : tape->value[arg.y];
    const double v = tape->value[node];
    const double local = number ? 0 : i == 0 ? ad__row_dx(row, x, y, v) : ad__row_dy(row, x, y, v);
    return (ad__edge){number ? AD__NO_NODE : i == 0 ? arg.x : arg.y, i == 0 ? x : y, local,
                      !number && !(local == 0 && ad__row_selects(row))};
}

static ad__edge reduce_edge(const ad_tape *tape, uint32_t node, size_t i) {
    const ad__group first = ad__group_of(tape, node, 0);
    const int       number = i < first.n ? 0 : 1;
    const size_t    at = i - (number == 0 ? 0 : first.n);
    const ad__group group = number == 0 ? first : ad__group_of(tape, node, 1);
    const bool      plain = ad__group_number(group, at);
    const double    local = plain ? 0 : ad__reduce_partial(tape, node, number, at);
    const uint8_t   code = tape->code[node];
    return (ad__edge){plain ? AD__NO_NODE : ad__group_place(group, at),
                      ad__group_value(tape, group, at), local,
                      !plain && !(local == 0 && (code == AD__where || code == AD__pick))};
}

ad__edge ad__edge_of(const ad_tape *tape, uint32_t node, size_t i) {
    const ad__row_number row = ad__code_row(tape->code[node]);
    if (row < AD__ROWS) return row_edge(tape, node, row, i);
    if (tape->code[node] != AD__branch) return reduce_edge(tape, node, i);
    const uint32_t condition = tape->arg[node].x;
    return (ad__edge){condition, tape->value[condition], 0, false};
}

bool *ad__leads_to(const ad_tape *tape, uint32_t last) {
    bool *used = calloc((size_t)last + 1, sizeof *used);
    if (used == NULL) return NULL;
    used[last] = true;
    for (uint32_t i = last; i > 0; i--) {
        if (!used[i]) continue;
        const size_t edges = ad__edges(tape, i);
        for (size_t k = 0; k < edges; k++) {
            const uint32_t to = ad__edge_of(tape, i, k).to;
            if (to != AD__NO_NODE) used[to] = true;
        }
    }
    return used;
}
