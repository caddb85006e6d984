/* reverse.c - what a caller asks of the reverse sweep: ad_backward, and gradients read from the
 * adjoints it leaves.
 * Invariant: adjoints of nodes below `swept` are those of the last sweep, which succeeded. */
#include "tape/sweep.h"

#include "tape/tape.h"

void ad_backward(ad_var y) {
    ad_tape *tape = y.tape;
    if (tape == NULL) return;
    if (tape->status != AD_OK || !ad__operand_valid(tape, y, "ad_backward", 1)) {
        tape->swept = 0; /* ad_grad must not answer with older adjoints */
        return;
    }
    const uint32_t last = ad__node_of(y);
    ad__sweep(tape, last);
    tape->swept = tape->status == AD_OK ? last + 1 : 0; /* 0: some pick picked nothing */
}

/* Nodes recorded after y do not lead to it. */
static double adjoint_of(const ad_tape *tape, uint32_t node) {
    return node < tape->swept ? tape->adjoint[node] : 0;
}

double ad_grad(ad_var x) {
    ad_tape *tape = x.tape;
    if (tape == NULL) return 0;
    if (!ad__valid(tape, x) || ad__node_of(x) >= tape->length) {
        ad__operand_valid(tape, x, "ad_grad", 1);
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
    if (tape->status == AD_OK && (range || ad__nodes_valid(tape, "ad_gradient", n, x)))
        ad_backward(y);
    if (tape->status != AD_OK) {
        fill(n, grad, NAN);
    } else if (range && ad__node_of(x[n - 1]) < tape->swept) {
        memcpy(grad, tape->adjoint + ad__node_of(x[0]), n * sizeof *grad);
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
