/* tangent.c - directional derivatives, first operation to last.
 * Invariant: when node i is visited the tangents of its operands are complete, because operands stand
 * to its left. The partials are those of the reverse sweep; only the direction of the walk differs. */
#include "tangent.h"

#include "reduce.h"

/* A tangent of zero brings nothing, so that 0*inf does not make NaN where nothing moves; nor does a
 * partial of exactly 0 of a row that selects, whatever comes. */
#define MOVE(p, d, side)                                                          \
    do {                                                                          \
        const double t = tangent[p];                                              \
        if (t != 0) {                                                             \
            const double partial = (d);                                           \
            if (!AD__SELECTS(side) || partial != 0) moved += partial*t;           \
        }                                                                         \
    } while (0)

static bool sweep(ad_tape *tape, uint32_t last) {
    const uint8_t *code = tape->code;
    const ad__arg *arg = tape->arg;
    const double  *value = tape->value;
    double        *tangent = tape->tangent;
    for (uint32_t i = tape->leaves; i <= last; i++) {
        const uint32_t xp = arg[i].x, yp = arg[i].y;
        const double   v = value[i];
        double         moved = tangent[i];
        switch (code[i]) {
#define R1(name, shown, words, value_, dx, side)                                  \
        case AD__##name:                                                          \
            MOVE(xp, ad__dx_##name(value[xp], v), side);                          \
            break;
#define R2(name, shown, words, value_, dx, dy, side)                              \
        case AD__##name:                                                          \
            MOVE(xp, ad__dx_##name(value[xp], value[yp], v), side);               \
            MOVE(yp, ad__dy_##name(value[xp], value[yp], v), side);               \
            break;                                                                \
        case AD__##name##_number:                                                 \
            MOVE(xp, ad__dx_##name(value[xp], ad__number_at(tape, yp), v), side); \
            break;                                                                \
        case AD__number_##name:                                                   \
            MOVE(yp, ad__dy_##name(ad__number_at(tape, xp), value[yp], v), side); \
            break;
#include "ops.def"
        case AD__input: case AD__branch: break;
        default:
            if (!ad__reduce_tangent(tape, i, tangent, &moved)) return false;
        }
        tangent[i] = moved;
    }
    return true;
}

bool ad__tangents(ad_tape *tape, uint32_t last, size_t n, const ad_var x[], const double direction[]) {
    if (!ad__tangent_room(tape, 1)) return false;
    memset(tape->tangent, 0, ((size_t)last + 1)*sizeof *tape->tangent);
    for (size_t k = 0; k < n; k++)
        if (x[k].at.in.node <= last) tape->tangent[x[k].at.in.node] += direction[k];
    return sweep(tape, last);
}

double ad_tangent(ad_var y, size_t n, const ad_var x[], const double direction[]) {
    ad_tape *tape = y.tape;
    if (tape == NULL) return 0;
    if (tape->status != AD_OK || !ad__check(tape, y, "ad_tangent", 1) ||
        !ad__check_nodes(tape, "ad_tangent", n, x)) return NAN;
    const uint32_t last = y.at.in.node;
    return ad__tangents(tape, last, n, x, direction) ? tape->tangent[last] : NAN;
}
