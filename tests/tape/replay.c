/* replay.c - tests of replay: the values of a fresh recording, to the bit. */
#include "support.h"

#include "expect.h"
#include <math.h>
#include <string.h>

static ad_tape *tape;

static void make(void) {
    tape = ad_tape_new();
}
static void drop(void) {
    ad_tape_free(tape);
}

TestSuite(replay, .init = make, .fini = drop);

/* Every row with nodes and with numbers, every reduction, in one graph: all its nodes in out[]. */
enum { INPUTS = 6, NODES = INPUTS + 3 * ROWS + 8 };

static size_t big_graph(ad_tape *to, const double x[], ad_var out[]) {
    size_t n = 0;
    for (int i = 0; i < INPUTS; i++) out[n++] = ad_input(to, x[i]);
    for (int i = 0; i < ROWS; i++) {
        ad_var a = out[i % INPUTS], b = out[(i + 1 + i / INPUTS % 4) % INPUTS];
        out[n++] = row_record(&rows[i], a, b);
        out[n++] = row_record(&rows[i], a, ad_num(0.1 * i));
        out[n++] = rows[i].operands == 1 ? row_record(&rows[i], b, a)
                                         : row_record(&rows[i], ad_num(0.3 * i), b);
    }
    const ad_var mixed[] = {out[3], ad_num(0.1), out[0], ad_num(0.2), out[3]};
    const size_t first = n;
    out[n++] = ad_sum(INPUTS, out);
    out[n++] = ad_sum(5, mixed);
    out[n++] = ad_dot(5, out, mixed);
    out[n++] = ad_logsumexp(INPUTS, out);
    out[n++] = ad_where(ad_less(out[0], out[1]), out[2], out[3]);
    out[n++] = ad_pick(ad_less(out[0], out[1]), INPUTS, out);
    out[n] = ad_sum(n - first, out + first);
    n++;
    out[n] = ad_sum(n, out);
    return n + 1;
}

static void expect_same(size_t n, const ad_var a[], const ad_var b[]) {
    for (size_t i = 0; i < n; i++) {
        const double u = ad_value(a[i]), v = ad_value(b[i]);
        cr_expect(same_bits(u, v) || (isnan(u) && isnan(v)),
                  "node %zu: %.17g replayed, %.17g fresh", i, u, v);
    }
}

Test(replay, equals_a_fresh_recording_to_the_bit) {
    static ad_var old[NODES], fresh[NODES];
    double        x[INPUTS] = {0.7, -1.3, 2.1, 0.4, -0.2, 3.5};
    size_t        n = big_graph(tape, x, old);
    uint64_t      state = 7;
    for (int round = 0; round < 20; round++) {
        for (int i = 0; i < INPUTS; i++) {
            x[i] = random_uniform(&state, -4, 4);
            ad_set(old[i], x[i]);
        }
        ad_replay(tape);
        ad_tape *other = ad_tape_new();
        big_graph(other, x, fresh);
        expect_same(n, old, fresh);
        cr_expect_eq(ad_tape_status(tape), AD_OK, "%s", ad_tape_message(tape));
        ad_tape_free(other);
    }
}

Test(replay, gradient_after_it_equals_that_of_a_fresh_recording_to_the_bit) {
    static ad_var old[NODES], fresh[NODES];
    const double  before[INPUTS] = {0.7, 1.3, 2.1, 0.4, 0.2, 3.5};
    const double  after[INPUTS] = {0.31, 0.87, 0.59, 0.62, 0.11, 1.21};
    size_t        n = big_graph(tape, before, old);
    for (int i = 0; i < INPUTS; i++) ad_set(old[i], after[i]);
    ad_replay(tape);
    ad_tape *other = ad_tape_new();
    big_graph(other, after, fresh);
    for (size_t last = INPUTS; last < n; last++) {
        double a[INPUTS], b[INPUTS];
        ad_gradient(old[last], INPUTS, old, a);
        ad_gradient(fresh[last], INPUTS, fresh, b);
        for (int i = 0; i < INPUTS; i++)
            cr_expect(same_bits(a[i], b[i]) || (isnan(a[i]) && isnan(b[i])),
                      "node %zu, input %d: %.17g, %.17g", last, i, a[i], b[i]);
    }
    ad_tape_free(other);
}

Test(replay, without_a_change_changes_nothing) {
    static ad_var node[NODES];
    double        before[NODES];
    const double  x[INPUTS] = {0.7, -1.3, 2.1, 0.4, -0.2, 3.5};
    const size_t  n = big_graph(tape, x, node);
    for (size_t i = 0; i < n; i++) before[i] = ad_value(node[i]);
    ad_replay(tape);
    for (size_t i = 0; i < n; i++)
        cr_expect(same_bits(ad_value(node[i]), before[i]) || isnan(before[i]), "node %zu", i);
}

Test(replay, of_an_empty_tape_is_nothing) {
    ad_replay(tape);
    cr_expect_eq(ad_tape_status(tape), AD_OK);
}

Test(replay, sees_inputs_between_operations) {
    ad_var x = ad_input(tape, 1), y = ad_exp(x), z = ad_input(tape, 2), v = ad_mul(y, z);
    ad_set(x, 0);
    ad_set(z, 7);
    ad_replay(tape);
    cr_expect_eq(ad_value(v), 7);
}

/* ---- branches -------------------------------------------------------------------------------- */

static ad_var distance(ad_var x, ad_var y) {
    return ad_branch(ad_less(x, y)) ? ad_sub(y, x) : ad_sub(x, y);
}

Test(replay, passes_a_branch_that_goes_the_same_way) {
    ad_var x = ad_input(tape, 1), y = ad_input(tape, 2), d = distance(x, y);
    ad_set(x, -5);
    ad_replay(tape);
    cr_expect_eq(ad_tape_status(tape), AD_OK);
    cr_expect_eq(ad_value(d), 7);
}

Test(replay, stops_at_a_branch_that_would_turn) {
    ad_var x = ad_input(tape, 1), y = ad_input(tape, 2);
    ad_var earlier = ad_mul(x, x), d = distance(x, y), later = ad_exp(d);
    ad_set(x, 3);
    ad_replay(tape);
    cr_expect_eq(ad_tape_status(tape), AD_BRANCH_CHANGED);
    ad_tape_clear(tape);
    cr_expect_eq(ad_value(earlier), 9);
    cr_expect_eq(ad_value(d), 1); /* as it was */
    cr_expect_eq(ad_value(later), exp(1));
}

Test(replay, stops_at_a_branch_not_taken_that_would_be) {
    ad_var x = ad_input(tape, 3), y = ad_input(tape, 2), d = distance(x, y);
    ad_set(x, 1);
    ad_replay(tape);
    cr_expect_eq(ad_tape_status(tape), AD_BRANCH_CHANGED);
    ad_tape_clear(tape);
    cr_expect_eq(ad_value(d), 1);
}

Test(replay, message_of_a_turned_branch_has_the_operands) {
    ad_var x = ad_input(tape, 1), y = ad_input(tape, 2);
    distance(x, y);
    ad_set(x, 3.25);
    ad_replay(tape);
    cr_expect_str_eq(ad_tape_message(tape), "the branch on node #2 (x < y, x = 3.25, y = 2) was "
                                            "taken when recorded and would now be not taken");
}

Test(replay, goes_on_after_the_branch_turned_back) {
    ad_var x = ad_input(tape, 1), y = ad_input(tape, 2), d = distance(x, y);
    ad_set(x, 3);
    ad_replay(tape);
    ad_tape_clear(tape);
    ad_set(x, 0.5);
    ad_replay(tape);
    cr_expect_eq(ad_tape_status(tape), AD_OK, "%s", ad_tape_message(tape));
    cr_expect_eq(ad_value(d), 1.5);
}

Test(replay, loop_with_branches_equals_the_loop_run_again) {
    ad_var x = ad_input(tape, 10), y = x;
    while (ad_branch(ad_less(ad_num(1), y))) y = ad_mul(y, ad_num(0.5));
    ad_set(x, 9); /* the same number of halvings: 9/16 */
    ad_replay(tape);
    cr_expect_eq(ad_tape_status(tape), AD_OK);
    cr_expect_eq(ad_value(y), 0.5625);
    ad_set(x, 5);
    ad_replay(tape);
    cr_expect_eq(ad_tape_status(tape), AD_BRANCH_CHANGED);
}
