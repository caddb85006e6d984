/* spoil.c - the hooks of spoil.h, and a reverse sweep that can go wrong, in place of sweep.c.
 * The file of the reductions is built with two of its functions under other names
 * (ad__right_...), and those of that name stand here, going operand by operand. */
#include "base/spoil.h"

#include "tape/reduce.h"
#include "tape/sweep.h"
#include "tape/trace.h"

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
    case AD__ADD_TWICE: return before + 2 * part;
    case AD__SKIP: return spoil.count++ == spoil.edge ? before : before + part;
    default: return before + part;
    }
}

/* Of stale adjoints only those that no sweep has written begin at 0: memory that was never written
 * would not be wrong in the same way twice. */
void ad__spoiled_start(size_t nodes, size_t swept, double adjoint[]) {
    spoil.count = 0;
    for (size_t i = spoil.step == AD__STALE ? swept : 0; i < nodes; i++) adjoint[i] = 0;
}

uint32_t ad__spoiled_visit(uint32_t node, uint32_t first, uint32_t last) {
    return spoil.step == AD__REVERSED ? first + (last - node) : node;
}

/* ---- the sweep ------------------------------------------------------------------------------- */

static void visit(ad_tape *tape, uint32_t node) {
    const double a = tape->adjoint[node];
    const size_t edges = a == 0 ? 0 : ad__edges(tape, node);
    for (size_t i = 0; i < edges; i++) {
        const ad__edge edge = ad__edge_of(tape, node, i);
        if (edge.open)
            tape->adjoint[edge.to] = ad__spoiled_sum(tape->adjoint[edge.to], a * edge.local);
    }
}

void ad__sweep(ad_tape *tape, uint32_t last) {
    const uint32_t nodes = last + 1;
    ad__spoiled_start(tape->dirty < nodes ? tape->dirty : nodes, tape->swept, tape->adjoint);
    if (tape->dirty < nodes) tape->dirty = nodes;
    tape->adjoint[last] = 1;
    for (uint32_t i = last; i >= tape->leaves; i--)
        visit(tape, ad__spoiled_visit(i, tape->leaves, last));
}

/* ---- reductions ------------------------------------------------------------------------------ */

double ad__reduce_partial(const ad_tape *tape, uint32_t node, int group, size_t i) {
    const uint8_t   code = tape->code[node];
    const ad__group g = ad__group_of(tape, node, group);
    const double    y =
        ad__is_paired(code) ? ad__group_value(tape, ad__group_of(tape, node, 1 - group), i) : 0;
    const size_t first = group == 0 ? 0 : ad__group_of(tape, node, 0).n;
    const double right = ad__right_partial(tape, node, group, i);
    /* decides, is no operand */
    if (ad__family_of(code) == AD__SELECTS_ONE && group == 0 && i == 0) return right;
    return ad__spoiled_partial(AD__ROWS + code - AD__FIRST_REDUCTION, (int)(first + i),
                               ad__group_value(tape, g, i), y, tape->value[node], right);
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
