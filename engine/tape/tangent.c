/* tangent.c - directional derivatives, first operation to last. Invariant: when node i is visited
 * the tangents of its operands are complete, because operands stand to its left. The partials are
 * those of the reverse sweep; only the direction of the walk differs. */
#include "tape/tangent.h"

#include "tape/reduce.h"

#include <stdlib.h>

/* An operand that does not move is not asked for its partial. A sum that comes out as 0 or NaN is
 * computed again, with care. */
#define MOVE(p, d, side)                                            \
    do {                                                            \
        const double t = tangent[p];                                \
        if (!ad__moves(t)) break;                                   \
        const double partial = (d);                                 \
        moves = true;                                               \
        if (!AD__SELECTS(side) || partial != 0) sum += partial * t; \
    } while (0)

static double of_operand(const ad_tape *tape, uint32_t node, int operand, const double by_node[],
                         bool numbers) {
    const ad__form form = ad__code_form(tape->code[node]);
    const uint32_t at = operand == 0 ? tape->arg[node].x : tape->arg[node].y;
    if (ad__rows[ad__code_row(tape->code[node])].operands <= operand) return 0;
    if (form != (operand == 0 ? AD__X_NUMBER : AD__Y_NUMBER)) return by_node[at];
    return numbers ? ad__number_at(tape, at) : 0;
}

ad__at_row ad__at_row_of(const ad_tape *tape, uint32_t node, const double by_node[]) {
    return (ad__at_row){of_operand(tape, node, 0, by_node, false),
                        of_operand(tape, node, 1, by_node, false)};
}

ad__at_row ad__values_at(const ad_tape *tape, uint32_t node) {
    return (ad__at_row){of_operand(tape, node, 0, tape->value, true),
                        of_operand(tape, node, 1, tape->value, true)};
}

bool ad__at_kink(const ad_tape *tape, uint32_t node) {
    if (!ad__code_has_tip(tape->code[node])) return false;
    if (tape->code[node] >= AD__FIRST_REDUCTION) return ad__fold_at_tip(tape, node);
    const ad__at_row at = ad__values_at(tape, node);
    return ad__row_tip(ad__code_row(tape->code[node]), at.x, at.y);
}

double ad__along(const ad_tape *tape, uint32_t node, const double first[], const double second[]) {
    const uint8_t code = tape->code[node];
    if (code >= AD__FIRST_REDUCTION)
        return ad__fold_value(code, ad__folded_over(code, tape->arg[node].y,
                                                    ad__fold_motion(tape, node, first, second)));
    const ad__at_row t = ad__at_row_of(tape, node, second == NULL ? first : second);
    return ad__row_value(ad__code_row(code), t.x, t.y);
}

bool ad__stays(const ad_tape *tape, uint32_t node, const double first[], const double second[]) {
    const uint8_t code = tape->code[node];
    if (code >= AD__FIRST_REDUCTION) return ad__fold_stays(tape, node, first, second);
    const ad__at_row t = ad__at_row_of(tape, node, second == NULL ? first : second);
    return ad__row_tip(ad__code_row(code), t.x, t.y);
}

/* The tangent of a row, with attention to partials of 0 and to operands that do not move. */
__attribute__((noinline)) static double with_care(const ad_tape *tape, uint32_t i) {
    const ad__row_number row = ad__code_row(tape->code[i]);
    const ad__at_row     at = ad__values_at(tape, i), t = ad__at_row_of(tape, i, tape->tangent);
    const bool           selects = ad__row_selects(row);
    ad__motion           moved = {tape->tangent[i], false};
    if (ad__moves(t.x))
        ad__move_by(&moved, ad__row_dx(row, at.x, at.y, tape->value[i]), t.x, selects);
    if (ad__moves(t.y))
        ad__move_by(&moved, ad__row_dy(row, at.x, at.y, tape->value[i]), t.y, selects);
    return ad__tangent_of(moved);
}

static bool along_direction(const ad_tape *tape, uint32_t i, double *tangent) {
    if (!ad__at_kink(tape, i)) return false;
    *tangent = ad__along(tape, i, tape->tangent, NULL);
    return true;
}

/* The tangent of a reduction or a custom operation, which has `own` already. NaN after an error. */
static double reduction(ad_tape *tape, uint32_t i, double own) {
    ad__motion moved = {own, false};
    return ad__reduce_tangent(tape, i, tape->tangent, &moved) ? ad__tangent_of(moved) : NAN;
}

/* At a tip that receives no adjoint the tangent is that along the direction (ad__along). */
static void settle_at_kink(ad_tape *tape, uint32_t i) {
    double    *tangent = &tape->tangent[i];
    const bool moved = ad__moves(*tangent);
    if (along_direction(tape, i, tangent) && moved && *tangent == 0) *tangent = AD__LEVEL_TANGENT;
}

#define EXPANDED __attribute__((always_inline)) static inline

/* Expanded twice, so that the usual walk notes nothing about kinks except whether it passed an
 * operation that has one. */
EXPANDED bool walk(ad_tape *tape, uint32_t last, const double adjoint[], bool *tips) {
    const uint8_t *code = tape->code;
    const ad__arg *arg = tape->arg;
    const double  *value = tape->value;
    double        *tangent = tape->tangent;
    bool           any = false;
    for (uint32_t i = tape->leaves; i <= last; i++) {
        const uint32_t xp = arg[i].x, yp = arg[i].y;
        const double   v = value[i];
        double         sum = tangent[i];
        bool           moves = false;
        switch (code[i]) {
#define R1(name, shown, words, value_, dx, side, reads, cost, rounding, tip, ...) \
    case AD__##name:                                                              \
        any |= AD__GIVEN(tip);                                                    \
        MOVE(xp, ad__dx_##name(value[xp], v), side);                              \
        break;
#define R2(name, shown, words, value_, dx, dy, side, reads_x, reads_y, cost, rounding, tip, ...) \
    case AD__##name:                                                                             \
        any |= AD__GIVEN(tip);                                                                   \
        MOVE(xp, ad__dx_##name(value[xp], value[yp], v), side);                                  \
        MOVE(yp, ad__dy_##name(value[xp], value[yp], v), side);                                  \
        break;                                                                                   \
    case AD__##name##_number:                                                                    \
        any |= AD__GIVEN(tip);                                                                   \
        MOVE(xp, ad__dx_##name(value[xp], ad__number_at(tape, yp), v), side);                    \
        break;                                                                                   \
    case AD__number_##name:                                                                      \
        any |= AD__GIVEN(tip);                                                                   \
        MOVE(yp, ad__dy_##name(ad__number_at(tape, xp), value[yp], v), side);                    \
        break;
#include "ops.def"
        case AD__input:
        case AD__branch: break;
        default:
            any |= ad__code_has_tip(code[i]);
            sum = reduction(tape, i, sum);
            if (tape->status != AD_OK) return false;
        }
        tangent[i] = (moves & !(fabs(sum) > 0)) ? with_care(tape, i) : sum;
        if (adjoint != NULL && adjoint[i] == 0) settle_at_kink(tape, i);
    }
    *tips = any;
    return true;
}

static bool sweep(ad_tape *tape, uint32_t last, bool *tips) {
    return walk(tape, last, NULL, tips);
}

static bool sweep_along(ad_tape *tape, uint32_t last, const double adjoint[], bool *tips) {
    return walk(tape, last, adjoint, tips);
}

bool ad__tangents(ad_tape *tape, uint32_t last, size_t n, const ad_var x[],
                  const double direction[], const double adjoint[], bool *tips) {
    if (!ad__tangent_room(tape, 1)) return false;
    memset(tape->tangent, 0, ((size_t)last + 1) * sizeof *tape->tangent);
    for (size_t k = 0; k < n; k++)
        if (ad__node_of(x[k]) <= last) tape->tangent[ad__node_of(x[k])] += direction[k];
    return adjoint == NULL ? sweep(tape, last, tips) : sweep_along(tape, last, adjoint, tips);
}

/* On the way up infinite partials may meet zeros, or each other, that they do not meet on the way
 * down; or meet a sum of two paths as one number, of which one is 0. */
static double by_reverse(ad_var y, size_t n, const ad_var x[], const double direction[]) {
    double *grad = malloc(n * sizeof *grad), total = 0;
    if (grad == NULL)
        ad__fail(y.tape, AD_NO_MEMORY, "out of memory: no space for a gradient of %zu numbers", n);
    const bool good = grad != NULL && ad__gradient_aside(y, n, x, grad);
    for (size_t k = 0; k < n && good; k++)
        if (direction[k] != 0) total += grad[k] * direction[k];
    free(grad);
    return good ? total : NAN;
}

double ad_tangent(ad_var y, size_t n, const ad_var x[], const double direction[]) {
    ad_tape *tape = y.tape;
    if (tape == NULL) return 0;
    if (tape->status != AD_OK || !ad__operand_valid(tape, y, "ad_tangent", 1) ||
        !ad__nodes_valid(tape, "ad_tangent", n, x))
        return NAN;
    const uint32_t last = ad__node_of(y);
    bool           tips;
    if (!ad__tangents(tape, last, n, x, direction, NULL, &tips)) return NAN;
    const double tangent = tape->tangent[last] + 0; /* + 0: -0 has a meaning only inside the walk */
    return isfinite(tangent) ? tangent : by_reverse(y, n, x, direction);
}
