/* reverse.c - adjoints, last operation first.
 * Invariant: when node i is visited its adjoint is complete, because every user of i stands to its
 * right on the tape. */
#include "reduce.h"

enum { BLOCK = 64, AHEAD = 512 };

/* Operand p of node i receives a*d, where a is the adjoint of i and d the partial. A row that selects
 * sends nothing through a partial of exactly 0, so that 0*inf does not become NaN. What arrives at the
 * node just left of i is kept in `next` as well: it is needed at once, and memory hands back what was
 * just stored a dozen cycles later. */
#define PUSH(p, d, side)                                                          \
    do {                                                                          \
        const double partial = (d);                                               \
        if (!AD__SELECTS(side) || partial != 0) {                                 \
            const double total = AD__SUM(adjoint[p], a*partial);                      \
            adjoint[p] = total;                                                   \
            if ((p) == i - 1) next = total;                                       \
        }                                                                         \
    } while (0)

/* Ask for the columns of the nodes that the sweep reaches a few hundred steps later: processors look
 * ahead upwards better than downwards. Addresses before the arrays are harmless, they are only hints. */
static void look_ahead(const ad_tape *tape, uint32_t i) {
    if (i < AHEAD) return;
    for (uint32_t j = i - AHEAD; j < i - AHEAD + BLOCK; j += 8) {
        __builtin_prefetch(tape->arg + j);
        __builtin_prefetch(tape->value + j);
        __builtin_prefetch(tape->adjoint + j, 1);
    }
}

static void sweep(ad_tape *tape, uint32_t last) {
    const uint8_t *code = tape->code;
    const ad__arg *arg = tape->arg;
    const double  *value = tape->value;
    double        *adjoint = tape->adjoint;
    double         next = adjoint[last];
    const uint32_t leaves = tape->leaves;                /* at least 1: node 0 can be nothing else */
    for (uint32_t k = last; k >= leaves; k--) {
        const uint32_t i = AD__VISIT(k, leaves, last);
        if (i%BLOCK == 0) look_ahead(tape, i);
        const double a = AD__AT_ONCE(next, adjoint[i]);
        next = adjoint[i - 1];
        if (a == 0) continue;
        const uint32_t xp = arg[i].x, yp = arg[i].y;
        const double   v = value[i];
        switch (code[i]) {
#define R1(name, shown, words, value_, dx, side)                                  \
        case AD__##name:                                                          \
            PUSH(xp, ad__dx_##name(value[xp], v), side);                          \
            break;
#define R2(name, shown, words, value_, dx, dy, side)                              \
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
        case AD__input: case AD__branch: break;
        default:
            ad__reduce_push(tape, i, a);
            next = adjoint[i - 1];
        }
    }
}

void ad_backward(ad_var y) {
    ad_tape *tape = y.tape;
    if (tape == NULL) return;
    if (tape->status != AD_OK || !ad__check(tape, y, "ad_backward", 1)) {
        tape->swept = 0;                        /* ad_grad must not answer with older adjoints */
        return;
    }
    const uint32_t last = ad__node_of(y), nodes = last + 1;
    AD__START((size_t)(tape->dirty < nodes ? tape->dirty : nodes), tape->swept, tape->adjoint);
    if (tape->dirty < nodes) tape->dirty = nodes;
    tape->adjoint[last] = 1;
    tape->swept = nodes;
    sweep(tape, last);
    if (tape->status != AD_OK) tape->swept = 0;     /* a pick that picks nothing stopped it half-way */
}

/* Nodes recorded after y do not lead to it. */
static double adjoint_of(const ad_tape *tape, uint32_t node) {
    return node < tape->swept ? tape->adjoint[node] : 0;
}

double ad_grad(ad_var x) {
    ad_tape *tape = x.tape;
    if (tape == NULL) return 0;
    if (!ad__valid(tape, x) || ad__node_of(x) >= tape->length) {
        ad__check(tape, x, "ad_grad", 1);
        return NAN;
    }
    if (tape->swept == 0) {
        ad__fail(tape, AD_NOT_RECORDED, "ad_grad: no ad_backward that succeeded came before it");
        return NAN;
    }
    return adjoint_of(tape, ad__node_of(x));
}

static void fill(size_t n, double x[], double value) {
    for (size_t i = 0; i < n; i++) x[i] = value;
}

void ad_gradient(ad_var y, size_t n, const ad_var x[], double grad[]) {
    ad_tape *tape = y.tape;
    if (tape == NULL) {
        fill(n, grad, 0);
        return;
    }
    const bool range = ad__consecutive(tape, n, x);
    if (tape->status == AD_OK && (range || ad__check_nodes(tape, "ad_gradient", n, x))) ad_backward(y);
    if (tape->status != AD_OK) {
        fill(n, grad, NAN);
    } else if (range && ad__node_of(x[n - 1]) < tape->swept) {
        memcpy(grad, tape->adjoint + ad__node_of(x[0]), n*sizeof *grad);
    } else {
        for (size_t i = 0; i < n; i++) grad[i] = adjoint_of(tape, ad__node_of(x[i]));
    }
}

bool ad__gradient_aside(ad_var y, size_t n, const ad_var x[], double grad[]) {
    ad_tape *tape = y.tape;
    if (!ad__tangent_room(tape, 1)) return false;
    double *const  kept = tape->adjoint;
    const uint32_t swept = tape->swept, dirty = tape->dirty;
    tape->adjoint = tape->tangent;
    tape->dirty = tape->length;
    ad_gradient(y, n, x, grad);
    tape->adjoint = kept;
    tape->swept = swept, tape->dirty = dirty;
    return tape->status == AD_OK;
}
