/* spoil.c - the hooks of spoil.h. The file of the reductions is built with three of its functions under
 * other names (ad__right_...), and those of that name stand here, going operand by operand. */
#include "spoil.h"

#include "reduce.h"

double ad__right_partial(const ad_tape *tape, uint32_t node, int group, size_t i);

static _Thread_local struct {
    ad__spoil_rule *rule;
    void           *context;
    ad__spoil_step  step;
    size_t          edge, count;
} spoil;

void ad__spoil_rules(ad__spoil_rule *rule, void *context) {
    spoil.rule = rule;
    spoil.context = context;
}

void ad__spoil_sweep(ad__spoil_step step, size_t edge) {
    spoil.step = step;
    spoil.edge = edge;
}

double ad__spoiled_partial(int row, int operand, double x, double y, double v, double right) {
    return spoil.rule == NULL ? right : spoil.rule(row, operand, x, y, v, right, spoil.context);
}

double ad__spoiled_sum(double before, double part) {
    switch (spoil.step) {
    case AD__OVERWRITE: return part;
    case AD__ADD_TWICE: return before + 2*part;
    case AD__SKIP:      return spoil.count++ == spoil.edge ? before : before + part;
    default:            return before + part;
    }
}

/* What an earlier sweep left stays; what none has written is no number. */
void ad__spoiled_start(size_t nodes, size_t swept, double adjoint[]) {
    spoil.count = 0;
    for (size_t i = spoil.step == AD__STALE ? swept : 0; i < nodes; i++) adjoint[i] = 0;
}

uint32_t ad__spoiled_visit(uint32_t node, uint32_t first, uint32_t last) {
    return spoil.step == AD__REVERSED ? first + (last - node) : node;
}

/* ---- reductions ------------------------------------------------------------------------------- */

double ad__reduce_partial(const ad_tape *tape, uint32_t node, int group, size_t i) {
    const uint8_t   code = tape->code[node];
    const ad__group g = ad__group_of(tape, node, group);
    const double    y = ad__is_paired(code) ? ad__group_value(tape, ad__group_of(tape, node, 1 - group), i) : 0;
    const size_t    first = group == 0 ? 0 : ad__group_of(tape, node, 0).n;
    const double    right = ad__right_partial(tape, node, group, i);
    if (ad__family_of(code) == AD__SELECTS_ONE && group == 0 && i == 0)
        return right;                                        /* decides, is no operand */
    return ad__spoiled_partial(AD__ROWS + code - AD__FIRST_REDUCTION, (int)(first + i), ad__group_value(tape, g, i), y,
                               tape->value[node], right);
}

void ad__reduce_push(ad_tape *tape, uint32_t node, double adjoint) {
    for (int k = 0; k < ad__groups(tape, node); k++) {
        const ad__group g = ad__group_of(tape, node, k);
        for (size_t i = 0; i < g.n; i++) {
            if (ad__group_number(g, i)) continue;
            const double partial = ad__reduce_partial(tape, node, k, i);
            double      *to = &tape->adjoint[ad__group_place(g, i)];
            if (partial != 0) *to = ad__spoiled_sum(*to, adjoint*partial);
        }
    }
}

bool ad__reduce_tangent(ad_tape *tape, uint32_t node, const double tangent[], ad__motion *moved) {
    for (int k = 0; k < ad__groups(tape, node); k++) {
        const ad__group g = ad__group_of(tape, node, k);
        for (size_t i = 0; i < g.n; i++) {
            if (ad__group_number(g, i)) continue;
            const double t = tangent[ad__group_place(g, i)];
            if (ad__moves(t)) ad__move_by(moved, ad__reduce_partial(tape, node, k, i), t, true);
        }
    }
    return true;
}
