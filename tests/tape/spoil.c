/* spoil.c - proof that a check can fail: every rule and every step of the sweep is spoiled, one at
 * a time, and must be found out and named; the rules as they are must not be accused once. The
 * larger figures are printed by tests/bench/checker.c. */
#include "spoils.h"

#include "expect.h"
#include <stdio.h>
#include <string.h>

enum { POINTS = 3, EXPRESSIONS = 150 };

static void expect_no_survivors(const spoil_count count[SPOIL_WAYS], const char *what) {
    for (int way = 0; way < SPOIL_WAYS; way++)
        cr_expect_eq(count[way].survived, 0, "%s, %s: %zu of %zu survived", what,
                     spoil_ways[way].name, count[way].survived, count[way].done);
}

Test(spoil, every_rule_spoiled_in_every_way_is_named) {
    size_t done = 0;
    for (int row = 0; row < AD__ROWS; row++) {
        for (int operand = 0; operand < ad__rows[row].operands; operand++) {
            spoil_count  count[SPOIL_WAYS] = {{0}};
            const size_t points = spoil_row(row, operand, POINTS, count, stderr);
            cr_expect_eq(points, POINTS, "%s has only %zu points", ad__rows[row].name, points);
            expect_no_survivors(count, ad__rows[row].name);
            for (int way = 0; way < SPOIL_WAYS; way++) done += count[way].done;
        }
    }
    cr_expect_gt(done, 1400, "%zu", done);
}

Test(spoil, every_reduction_spoiled_in_every_way_is_named) {
    for (int code = AD__FIRST_REDUCTION; code < AD__custom; code++) {
        spoil_count count[SPOIL_WAYS] = {{0}};
        spoil_reductions_at(code, code == AD__dot ? 4 : 3, 5, count, stderr);
        if (code != AD__where) spoil_reductions_at(code, SPOIL_MOST, 6, count, stderr);
        expect_no_survivors(count, ad__code_name((uint8_t)code));
        cr_expect_geq(count[0].done, 1);
    }
}

/* ---- the sweep ------------------------------------------------------------------------------- */

static void expect_found_out(ad__spoil_step step, size_t edges) {
    size_t counted = 0;
    for (uint64_t seed = 1; seed <= 10; seed++)
        for (size_t edge = 0; edge < edges; edge++)
            cr_expect(spoil_sweep(step, edge, seed, &counted, stderr), "edge %zu, seed %d", edge,
                      (int)seed);
    cr_expect_geq(counted, 9, "%zu", counted);
}

Test(spoil, overwriting_adjoints_is_found_out) {
    expect_found_out(AD__OVERWRITE, 1);
}

/* x*x: the first node of all is the only one whose adjoint is wrong. */
Test(spoil, first_node_whose_adjoint_is_overwritten_is_named) {
    ad_tape     *tape = ad_tape_new();
    const ad_var x = ad_input(tape, 3), y = ad_mul(x, x);
    ad__spoil_sweep(AD__OVERWRITE, 0);
    ad_check_report *r = ad_check(y, 1, &x, NULL, NULL);
    ad__spoil_sweep(AD__STEPS_RIGHT, 0);
    cr_assert_not_null(r);
    cr_expect_eq(r->verdict, AD_FAIL);
    cr_expect_eq(r->sweep_node, 0u);
    ad_check_free(r);
    ad_tape_free(tape);
}

Test(spoil, adding_twice_is_found_out) {
    expect_found_out(AD__ADD_TWICE, 1);
}

Test(spoil, forgotten_edge_is_found_out_whichever_it_is) {
    expect_found_out(AD__SKIP, 12);
}

Test(spoil, adjoints_of_the_last_sweep_are_found_out) {
    expect_found_out(AD__STALE, 1);
}

Test(spoil, reversed_order_is_found_out) {
    expect_found_out(AD__REVERSED, 1);
}

/* ---- the hooks themselves -------------------------------------------------------------------- */

Test(spoil, steps_do_what_they_are_called) {
    double adjoint[] = {1, 2, 3, 4};
    cr_expect_eq(ad__spoiled_sum(1, 2), 3);
    cr_expect_eq(ad__spoiled_visit(2, 1, 5), 2);
    ad__spoil_sweep(AD__OVERWRITE, 0);
    cr_expect_eq(ad__spoiled_sum(1, 2), 2);
    ad__spoil_sweep(AD__ADD_TWICE, 0);
    cr_expect_eq(ad__spoiled_sum(1, 2), 5);
    ad__spoil_sweep(AD__SKIP, 1);
    for (int sweep = 0; sweep < 2; sweep++) {
        ad__spoiled_start(0, 0, adjoint);
        cr_expect(ad__spoiled_sum(1, 2) == 3 && ad__spoiled_sum(1, 2) == 1 &&
                  ad__spoiled_sum(1, 2) == 3);
    }
    ad__spoil_sweep(AD__STALE, 0);
    ad__spoiled_start(3, 2, adjoint);
    cr_expect(adjoint[0] == 1 && adjoint[1] == 2 && adjoint[2] == 0 && adjoint[3] == 4);
    ad__spoil_sweep(AD__REVERSED, 0);
    ad__spoiled_start(2, 2, adjoint);
    cr_expect(adjoint[0] == 0 && adjoint[1] == 0 && adjoint[3] == 4);
    cr_expect(ad__spoiled_visit(1, 1, 5) == 5 && ad__spoiled_visit(2, 1, 5) == 4 &&
              ad__spoiled_visit(5, 1, 5) == 1);
    ad__spoil_sweep(AD__STEPS_RIGHT, 0);
}

/* Which partials a reduction asks for: the operand's number, its value, the factor it meets; then
 * all are right. */
typedef struct asked {
    int    count, row[8], operand[8];
    double x[8], y[8], v[8];
} asked;

static double asking(int row, int operand, double x, double y, double v, double right,
                     void *context) {
    asked *a = context;
    if (a->count < 8)
        a->row[a->count] = row, a->operand[a->count] = operand, a->x[a->count] = x,
        a->y[a->count] = y, a->v[a->count] = v;
    a->count++;
    return right;
}

Test(spoil, reductions_ask_for_each_operand_once) {
    ad_tape     *tape = ad_tape_new();
    const ad_var x[] = {ad_input(tape, 1), ad_input(tape, 2), ad_input(tape, 3), ad_input(tape, 5)};
    const ad_var with_number[] = {x[0], ad_num(7), x[1]};
    const struct {
        ad_var y;
        int    code, count, operand[4];
        double at[4], factor[4], grad[4];
    } of[] = {
        {ad_sum(3, x), AD__sum, 3, {0, 1, 2}, {1, 2, 3}, {0}, {1, 1, 1, 0}},
        {ad_sum(3, with_number), AD__sum, 2, {0, 2}, {1, 2}, {0}, {1, 1, 0, 0}},
        {ad_dot(2, x, x + 2), AD__dot, 4, {0, 1, 2, 3}, {1, 2, 3, 5}, {3, 5, 1, 2}, {3, 5, 1, 2}},
        {ad_where(x[0], x[1], x[2]), AD__where, 2, {1, 2}, {2, 3}, {0}, {0, 1, 0, 0}},
        {ad_pick(x[0], 3, x + 1), AD__pick, 3, {1, 2, 3}, {2, 3, 5}, {0}, {0, 0, 1, 0}},
    };
    const double direction[] = {1, 0.5, 0.25, 0};
    for (size_t k = 0; k < sizeof of / sizeof *of; k++) {
        asked  a = {0};
        double grad[4], moved = 0;
        ad__spoil_rules(asking, &a);
        ad_gradient(of[k].y, 4, x, grad);
        ad__spoil_rules(NULL, NULL);
        cr_expect_eq(a.count, of[k].count, "%zu: %d", k, a.count);
        for (int i = 0; i < a.count && i < 4; i++)
            cr_expect(a.row[i] == AD__ROWS + of[k].code - AD__FIRST_REDUCTION &&
                          a.operand[i] == of[k].operand[i] && a.x[i] == of[k].at[i] &&
                          a.y[i] == of[k].factor[i] && a.v[i] == ad_value(of[k].y),
                      "%zu, %d: operand %d at %g", k, i, a.operand[i], a.x[i]);
        for (int i = 0; i < 4; i++) {
            cr_expect_eq(grad[i], of[k].grad[i], "%zu: %g", k, grad[i]);
            moved += of[k].grad[i] * direction[i];
        }
        cr_expect_eq(ad_tangent(of[k].y, 4, x, direction), moved, "%zu", k);
    }
    ad_tape_free(tape);
}

/* ---- second order ---------------------------------------------------------------------------- */

/* Second derivatives come from the texts of the rules, the gradients that are differenced from
 * their code. */
Test(spoil, gradient_that_is_not_the_one_differentiated_again_is_found_out) {
    spoil_case   c = {.row = AD__ROW_sin, .operand = 0, .way = 0}; /* x (1 + 1e-3) */
    ad_tape     *tape = ad_tape_new();
    ad_var       x = ad_input(tape, 0.7);
    const ad_var y = ad_mul(ad_sin(x), x);
    ad__spoil_rules(spoiled_partial, &c);
    ad_check_report *r = ad_check(y, 1, &x, NULL, &(ad_check_options){.second = true});
    ad__spoil_rules(NULL, NULL);
    cr_expect_eq(r->second_verdict, AD_FAIL);
    ad_check_free(r);
    ad_tape_free(tape);
}

/* ---- reports --------------------------------------------------------------------------------- */

Test(spoil, report_as_json_holds_the_culprit_and_both_of_its_numbers) {
    spoil_case   c = {.row = AD__ROW_sin, .operand = 0, .way = 8}; /* x 2 */
    ad_tape     *tape = ad_tape_new();
    ad_var       x = ad_input(tape, 0);
    const ad_var y = ad_sin(x);
    ad__spoil_rules(spoiled_partial, &c);
    ad_check_report *r = ad_check(y, 1, &x, NULL, NULL);
    ad__spoil_rules(NULL, NULL);
    char  *text = NULL;
    size_t size = 0;
    FILE  *to = open_memstream(&text, &size);
    cr_expect_eq(ad_check_print(r, AD_JSON, to), AD_OK);
    fclose(to);
    const char *culprit = strstr(text, "\"culprits\":[\n  {\"node\":");
    cr_assert_not_null(culprit, "%s", text);
    for (const char *part[] = {"\"operand\":0,", "\"operation\":\"sin\"", "\"at\":0", "\"rule\":2,",
                               "\"estimate\":", "\"verdict\":\"fail\"}"},
                    **at = part;
         at < part + 6; at++)
        cr_expect_not_null(strcasestr(culprit, *at), "no %s in %s", *at, culprit);
    free(text);
    ad_check_free(r);
    ad_tape_free(tape);
}

/* ---- as they are ----------------------------------------------------------------------------- */

Test(spoil, right_rules_are_never_accused) {
    uint64_t seed = 2026;
    for (int i = 0; i < EXPRESSIONS; i++) {
        ad_tape         *tape = ad_tape_new();
        ad_var           x[EXPRESSION_INPUTS], y = expression(tape, &seed, x);
        ad_check_report *r = ad_check(y, EXPRESSION_INPUTS, x, NULL, NULL);
        cr_expect(r->local_count[AD_FAIL] == 0 && r->sweep != AD_FAIL && r->count[AD_FAIL] == 0,
                  "expression %d: %s", i, r->message);
        if (ad_check_verdict(r) == AD_FAIL) ad_check_print(r, AD_TEXT, stderr);
        ad_check_free(r);
        ad_tape_free(tape);
    }
}

Test(spoil, gradients_wrong_by_1e_8_are_caught_nine_times_in_ten) {
    uint64_t seed = 77;
    size_t   wrong = 0, caught = 0;
    for (int i = 0; i < EXPRESSIONS; i++) {
        ad_tape *tape = ad_tape_new();
        ad_var   x[EXPRESSION_INPUTS], y = expression(tape, &seed, x);
        double   claimed[EXPRESSION_INPUTS];
        ad_gradient(y, EXPRESSION_INPUTS, x, claimed);
        for (int k = 0; k < EXPRESSION_INPUTS; k++)
            wrong += claimed[k] != 0, claimed[k] *= 1 + 1e-8;
        ad_check_report *r = ad_check(y, EXPRESSION_INPUTS, x, claimed, NULL);
        caught += r->count[AD_FAIL];
        ad_check_free(r);
        ad_tape_free(tape);
    }
    cr_expect(10 * caught >= 9 * wrong, "%zu of %zu", caught, wrong);
}
