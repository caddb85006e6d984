/* sweep.c - adjoints, last operation first.
 * Invariant: when node i is visited its adjoint is complete, because every user of i stands to its
 * right on the tape. */
#include "tape/sweep.h"

#include "tape/reduce.h"

enum { BLOCK = 64, AHEAD = 512 };

/* Operand p of node i receives a*d, where a is the adjoint of i and d the partial. A row that
 * selects sends nothing through a partial of exactly 0, so that 0*inf does not become NaN. What
 * arrives at the node just left of i is kept in `next` as well: it is needed at once, and memory
 * hands back what was just stored a dozen cycles later. */
#define PUSH(p, d, side)                                   \
    do {                                                   \
        const double partial = (d);                        \
        if (!AD__SELECTS(side) || partial != 0) {          \
            const double total = adjoint[p] + a * partial; \
            adjoint[p] = total;                            \
            if ((p) == i - 1) next = total;                \
        }                                                  \
    } while (0)

/* Ask for the columns of the nodes that the sweep reaches a few hundred steps later: processors
 * look ahead upwards better than downwards. */
static void look_ahead(const ad_tape *tape, uint32_t i) {
    if (i < AHEAD) return;
    for (uint32_t j = i - AHEAD; j < i - AHEAD + BLOCK; j += 8) {
        __builtin_prefetch(tape->arg + j);
        __builtin_prefetch(tape->value + j);
        __builtin_prefetch(tape->adjoint + j, 1);
    }
}

static void walk(ad_tape *tape, uint32_t last) {
    const uint8_t *code = tape->code;
    const ad__arg *arg = tape->arg;
    const double  *value = tape->value;
    double        *adjoint = tape->adjoint;
    double         next = adjoint[last];
    const uint32_t leaves = tape->leaves; /* at least 1: node 0 can be nothing else */
    for (uint32_t i = last; i >= leaves; i--) {
        if (i % BLOCK == 0) look_ahead(tape, i);
        const double a = next;
        next = adjoint[i - 1];
        if (a == 0) continue;
        const uint32_t xp = arg[i].x, yp = arg[i].y;
        const double   v = value[i];
        switch (code[i]) {
#define R1(name, shown, words, value_, dx, side, ...) \
    case AD__##name:                                  \
        PUSH(xp, ad__dx_##name(value[xp], v), side);  \
        break;
#define R2(name, shown, words, value_, dx, dy, side, ...)                     \
    case AD__##name: {                                                        \
        const double x = value[xp], y = value[yp];                            \
        PUSH(xp, ad__dx_##name(x, y, v), side);                               \
        PUSH(yp, ad__dy_##name(x, y, v), side);                               \
        break;                                                                \
    }                                                                         \
    case AD__##name##_number:                                                 \
        PUSH(xp, ad__dx_##name(value[xp], ad__number_at(tape, yp), v), side); \
        break;                                                                \
    case AD__number_##name:                                                   \
        PUSH(yp, ad__dy_##name(ad__number_at(tape, xp), value[yp], v), side); \
        break;
#include "ops.def"
        case AD__input:
        case AD__branch: break;
        default: ad__reduce_push(tape, i, a); next = adjoint[i - 1];
        }
    }
}

void ad__sweep(ad_tape *tape, uint32_t last) {
    const uint32_t nodes = last + 1;
    memset(tape->adjoint, 0,
           (size_t)(tape->dirty < nodes ? tape->dirty : nodes) * sizeof *tape->adjoint);
    if (tape->dirty < nodes) tape->dirty = nodes;
    tape->adjoint[last] = 1;
    walk(tape, last);
}
