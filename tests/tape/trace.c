/* trace.c - tests of engine/tape/trace.c: the edges of every kind of node, and that they are all
 * there is. */
#include "engine/tape/trace.h"

#include "support.h"

#include "expect.h"
#include <math.h>
#include <stdlib.h>

static ad_tape *tape;

static void make(void) {
    tape = ad_tape_new();
}
static void drop(void) {
    cr_expect_eq(ad_tape_status(tape), AD_OK, "%s", ad_tape_message(tape));
    ad_tape_free(tape);
}

TestSuite(trace, .init = make, .fini = drop);

static void expect_edge(ad_var y, size_t i, ad_var to, double local, bool open) {
    const ad__edge e = ad__edge_of(tape, ad__node_of(y), i);
    cr_expect_eq(e.to, to.tape == NULL ? AD__NO_NODE : ad__node_of(to), "edge %zu", i);
    cr_expect_eq(e.value, ad_value(to), "edge %zu", i);
    cr_expect(close_to(e.local, local, 16 * U, 0), "edge %zu: %g, want %g", i, e.local, local);
    cr_expect_eq(e.open, open, "edge %zu", i);
}

static size_t edges(ad_var y) {
    return ad__edges(tape, ad__node_of(y));
}

Test(trace, rows_have_an_edge_for_each_operand) {
    ad_var a = ad_input(tape, 3), b = ad_input(tape, 5), y = ad_mul(a, b), z = ad_sin(a);
    cr_expect(edges(a) == 0 && edges(y) == 2 && edges(z) == 1);
    expect_edge(y, 0, a, 5, true);
    expect_edge(y, 1, b, 3, true);
    expect_edge(z, 0, a, cos(3), true);
}

Test(trace, edges_of_numbers_lead_nowhere) {
    ad_var a = ad_input(tape, 3), y = ad_sub(a, ad_num(2)), z = ad_div(ad_num(2), a);
    expect_edge(y, 0, a, 1, true);
    expect_edge(y, 1, ad_num(2), 0, false);
    expect_edge(z, 0, ad_num(2), 0, false);
    expect_edge(z, 1, a, -2.0 / 9, true);
}

Test(trace, selecting_rows_close_what_they_do_not_select) {
    ad_var a = ad_input(tape, -3), b = ad_input(tape, 5);
    expect_edge(ad_relu(a), 0, a, 0, false);
    expect_edge(ad_relu(b), 0, b, 1, true);
    ad_var least = ad_min(a, b);
    expect_edge(least, 0, a, 1, true);
    expect_edge(least, 1, b, 0, false);
    expect_edge(ad_mul(ad_num(0), a), 1, a, 0, true); /* zero, but of a rule that does not select */
}

Test(trace, reductions_have_an_edge_for_each_operand) {
    ad_var       a = ad_input(tape, 1), b = ad_input(tape, 2), c = ad_input(tape, 4);
    const ad_var x[] = {a, b, c}, w[] = {ad_num(10), c, ad_num(30)};
    ad_var       sum = ad_sum(3, x), dot = ad_dot(3, x, w), lse = ad_logsumexp(3, x);
    cr_expect(edges(sum) == 3 && edges(dot) == 6 && edges(lse) == 3);
    for (size_t i = 0; i < 3; i++) {
        expect_edge(sum, i, x[i], 1, true);
        expect_edge(dot, i, x[i], ad_value(w[i]), true);
        expect_edge(lse, i, x[i], exp(ad_value(x[i])) / (exp(1) + exp(2) + exp(4)), true);
    }
    expect_edge(dot, 3, w[0], 0, false);
    expect_edge(dot, 4, w[1], 2, true);
    expect_edge(dot, 5, w[2], 0, false);
}

Test(trace, where_and_pick_open_the_edge_they_take) {
    ad_var c = ad_input(tape, 1), a = ad_input(tape, 2), b = ad_input(tape, 4),
           i = ad_input(tape, 1);
    const ad_var x[] = {a, b};
    ad_var       chosen = ad_where(c, a, b), picked = ad_pick(i, 2, x);
    cr_expect(edges(chosen) == 3 && edges(picked) == 3);
    expect_edge(chosen, 0, c, 0, false);
    expect_edge(chosen, 1, a, 1, true);
    expect_edge(chosen, 2, b, 0, false);
    expect_edge(picked, 0, i, 0, false);
    expect_edge(picked, 1, a, 0, false);
    expect_edge(picked, 2, b, 1, true);
}

Test(trace, branch_hangs_on_its_condition) {
    ad_var c = ad_less(ad_input(tape, 1), ad_num(2));
    ad_branch(c);
    const ad_var noted = ad__handle(tape, (uint32_t)ad_tape_length(tape) - 1);
    cr_expect_eq(edges(noted), 1u);
    const ad__edge e = ad__edge_of(tape, ad__node_of(noted), 0);
    cr_expect(e.to == ad__node_of(c) && e.local == 0 && !e.open);
}

Test(trace, leads_to_knows_who_has_a_part) {
    ad_var a = ad_input(tape, 1), b = ad_input(tape, 2), idle = ad_exp(b), y = ad_mul(a, a);
    ad_sin(y);
    bool *used = ad__leads_to(tape, ad__node_of(y));
    cr_expect(used[ad__node_of(a)] && used[ad__node_of(y)] && !used[ad__node_of(b)] &&
              !used[ad__node_of(idle)]);
    free(used);
}

/* ---- the sweep again, along edges ------------------------------------------------------------ */

/* A graph in which every row and every reduction has a part. */
static ad_var everything(ad_var x, ad_var y) {
    ad_var terms[ROWS + 5];
    for (int i = 0; i < ROWS; i++)
        terms[i] = row_record(&rows[i], i % 3 == 0 ? ad_num(1) : x, i % 3 == 1 ? ad_num(0.25) : y);
    const ad_var some[] = {x, ad_num(3), y, terms[0]};
    terms[ROWS] = ad_sum(4, some);
    terms[ROWS + 1] = ad_dot(4, some, terms);
    terms[ROWS + 2] = ad_logsumexp(4, some);
    terms[ROWS + 3] = ad_where(ad_less(x, y), terms[1], terms[2]);
    terms[ROWS + 4] = ad_pick(ad_num(2), 4, some);
    ad_var total = ad_num(0);
    for (int i = 0; i < ROWS + 5; i++)
        if (isfinite(ad_value(terms[i]))) total = ad_add(total, ad_sin(terms[i]));
    return total;
}

Test(trace, edges_give_the_adjoints_of_the_sweep) {
    const ad_var   x = ad_input(tape, 0.3), y = ad_input(tape, 0.6), e = everything(x, y);
    const uint32_t last = ad__node_of(e);
    double        *adjoint = calloc((size_t)last + 1, sizeof *adjoint);
    adjoint[last] = 1;
    for (uint32_t i = last; i > 0; i--)
        for (size_t k = 0; k < ad__edges(tape, i) && adjoint[i] != 0; k++) {
            const ad__edge edge = ad__edge_of(tape, i, k);
            if (edge.open) adjoint[edge.to] += adjoint[i] * edge.local;
        }
    ad_backward(e);
    for (uint32_t i = 0; i <= last; i++)
        cr_expect(close_to(adjoint[i], ad_grad(ad__handle(tape, i)), 1e-13, 1e-13),
                  "node %u: %.17g, %.17g", i, adjoint[i], ad_grad(ad__handle(tape, i)));
    cr_expect_neq(adjoint[0], 0);
    free(adjoint);
}
