/* sweep.c - tests of the loop over nodes itself: which adjoints it writes, and that each is that
 * of all users. */
#include "graphs.h"

#include "engine/tape/sweep.h"
#include "engine/tape/tape.h"
#include "engine/tape/trace.h"
#include "expect.h"
#include <math.h>
#include <stdlib.h>

static ad_tape *tape;

static void make(void) {
    tape = ad_tape_new();
}
static void drop(void) {
    ad_tape_free(tape);
}

TestSuite(sweep, .init = make, .fini = drop);

Test(sweep, adjoints_up_to_the_result_are_its_derivatives) {
    const ad_var x = ad_input(tape, 3), y = ad_input(tape, 5), xy = ad_mul(x, y), z = ad_exp(xy);
    ad__sweep(tape, ad__node_of(xy));
    cr_expect(tape->adjoint[0] == 5 && tape->adjoint[1] == 3 &&
              tape->adjoint[ad__node_of(xy)] == 1);
    cr_expect_eq(tape->adjoint[ad__node_of(z)], 0, "nothing is sent to a node behind the result");
}

Test(sweep, what_an_earlier_sweep_left_is_written_over) {
    const ad_var x = ad_input(tape, 3), y = ad_input(tape, 5), xy = ad_mul(x, y), s = ad_sin(x);
    ad_backward(ad_add(xy, s));
    ad__sweep(tape, ad__node_of(xy));
    cr_expect(tape->adjoint[0] == 5 && tape->adjoint[1] == 3 &&
              tape->adjoint[ad__node_of(xy)] == 1);
}

/* The adjoint of the node just left of the one visited is held in a register; of others it is
 * not. */
Test(sweep, neighbour_and_distant_operands_receive_all_that_is_sent) {
    const ad_var x = ad_input(tape, 2), a = ad_mul(x, x), b = ad_mul(a, a), c = ad_mul(b, a),
                 d = ad_sub(c, c);
    ad__sweep(tape, ad__node_of(c));
    cr_expect_eq(tape->adjoint[0], 6 * 32, "x^6 at 2: %g", tape->adjoint[0]);
    ad__sweep(tape, ad__node_of(d));
    cr_expect_eq(tape->adjoint[0], 0);
    cr_expect_eq(tape->adjoint[ad__node_of(c)], 0);
}

/* Further than the sweep asks for memory ahead, at lengths around a block of that. */
Test(sweep, every_node_of_a_long_chain_is_visited) {
    for (int steps = 508; steps <= 708; steps += 8) {
        const ad_mark mark = ad_tape_mark(tape);
        ad_var        x = ad_input(tape, 1), y = ad_input(tape, 0);
        for (int k = 0; k < steps; k++) y = ad_add(x, y);
        ad__sweep(tape, ad__node_of(y));
        cr_expect_eq(tape->adjoint[ad__node_of(x)], steps, "%d: %g", steps,
                     tape->adjoint[ad__node_of(x)]);
        ad_tape_rewind(tape, mark);
    }
}

Test(sweep, adjoint_of_0_sends_nothing_even_through_an_infinite_partial) {
    const ad_var x = ad_input(tape, 0), y = ad_mul(ad_sqrt(x), ad_num(0));
    ad__sweep(tape, ad__node_of(y));
    cr_expect_eq(tape->adjoint[0], 0, "0*(0.5/sqrt(0)) is no number");
}

Test(sweep, pick_that_picks_nothing_is_an_error) {
    const ad_var x[] = {ad_input(tape, 1), ad_input(tape, 2)};
    const ad_var index = ad_input(tape, 0), y = ad_pick(index, 2, x);
    ad_set(index, 7);
    ad__sweep(tape, ad__node_of(y));
    cr_expect_eq(ad_tape_status(tape), AD_BAD_ARGUMENT);
}

/* Edges one at a time, as the engine that can be spoiled sweeps, and the loop that is made for
 * speed. Its kernels add up in another order, so some digits at the end may differ. */
Test(sweep, every_adjoint_is_what_its_users_send) {
    for (uint64_t seed = 1; seed <= 60; seed++) {
        graph         g;
        const ad_mark mark = ad_tape_mark(tape);
        ad_var        node[NODES];
        graph_make(&g, seed);
        for (int i = 0; i < INPUTS; i++) node[i] = ad_input(tape, g.input[i]);
        const ad_var   y = graph_evaluate(&g, node, NULL);
        const uint32_t last = ad__node_of(y);
        double        *adjoint = calloc((size_t)last + 1, sizeof *adjoint);
        adjoint[last] = 1;
        for (uint32_t i = last; i > 0; i--)
            for (size_t k = 0; adjoint[i] != 0 && k < ad__edges(tape, i); k++) {
                const ad__edge edge = ad__edge_of(tape, i, k);
                if (edge.open) adjoint[edge.to] += adjoint[i] * edge.local;
            }
        ad__sweep(tape, last);
        for (uint32_t i = 0; i <= last; i++)
            cr_expect(close_to(adjoint[i], tape->adjoint[i], 1e-13, 1e-13),
                      "seed %d, node %u: %.17g, %.17g", (int)seed, i, adjoint[i], tape->adjoint[i]);
        free(adjoint);
        ad_tape_rewind(tape, mark);
    }
}
