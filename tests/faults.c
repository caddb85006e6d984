/* faults.c - tests of what goes wrong: memory that is refused at every single place, operands of
 * two tapes, results of failed operations, plain numbers where a node belongs.
 *
 * Memory is refused by the allocator of refuse.h. Under a sanitizer, which has an allocator of its
 * own, those tests are skipped. plain_memory.c goes on from here, to all that is built on a
 * tape. */
#include "refuse.h"
#include "support.h"

#include "expect.h"
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- out of memory --------------------------------------------------------------------------- */

enum { MOST_REQUESTS = 2000 };

/* The arrays of the long one ask for memory a few times more, and take a minute. */
static int length(void) {
    return getenv("TAPIR_FULL") != NULL ? SCENARIO_LONG : SCENARIO_SHORT;
}

/* The scenario with the n-th request refused; false when it needs fewer. */
static bool survives(size_t n, bool once, FILE *to) {
    arm(n, once);
    ad_tape        *tape = ad_tape_new();
    const ad_status status = tape == NULL ? AD_NO_MEMORY : scenario(tape, length(), to);
    disarm();
    const bool was_refused = refused;
    if (was_refused)
        cr_expect_eq(status, AD_NO_MEMORY, "request %zu was refused, status %d: %s", n, (int)status,
                     ad_tape_message(tape));
    else cr_expect_eq(status, AD_OK, "nothing was refused: %s", ad_tape_message(tape));
    cr_expect(strlen(ad_tape_message(tape)) > 0 || !was_refused, "request %zu: no sentence", n);
    ad_tape_clear(tape);
    if (tape != NULL)
        cr_expect_eq(scenario(tape, length(), to), AD_OK, "after request %zu was refused: %s", n,
                     ad_tape_message(tape));
    ad_tape_free(tape);
    return was_refused;
}

static void refuse_each(bool once) {
    if (!CAN_REFUSE) cr_skip_test("the allocator cannot be replaced in this build");
    FILE  *to = nowhere();
    size_t n = 1;
    while (n < MOST_REQUESTS && survives(n, once, to)) n++;
    cr_expect(n > 20 && n < MOST_REQUESTS, "the scenario makes %zu requests", n - 1);
    fclose(to);
}

Test(faults, any_one_allocation_may_fail) {
    refuse_each(true);
}

Test(faults, memory_may_be_out_from_any_allocation_on) {
    refuse_each(false);
}

/* Second derivatives, apart from the scenario: they ask for memory for each rule that they meet
 * first. */
static ad_status second_derivatives(void) {
    ad_tape *own = ad_tape_new();
    ad_var   x[] = {ad_input(own, 0.5), ad_input(own, 2)}, recorded[2];
    double   h[4];
    ad_var   y =
        ad_parse(own, "h = tanh(a*b) + a^b; loss = relu(h)*logsumexp(a, b, h) + dot(a, b, h, a)", 2,
                 "a, b", x);
    ad_name(x[0], "a");
    ad_hessian(y, 2, x, h);
    ad_jacobian(1, &y, 2, x, h);
    ad_record_gradient(y, 2, x, recorded);
    ad_hessian(recorded[0], 2, x, h);
    const ad_status status = ad_tape_status(own);
    ad_tape_free(own);
    return status;
}

Test(faults, second_derivatives_survive_any_refused_allocation) {
    if (!CAN_REFUSE) cr_skip_test("the allocator cannot be replaced in this build");
    size_t n = 1;
    for (refused = true; refused && n < MOST_REQUESTS; n++) {
        arm(n, true);
        const ad_status status = second_derivatives();
        disarm();
        cr_expect_eq(status, refused ? AD_NO_MEMORY : AD_OK, "request %zu: status %d", n,
                     (int)status);
    }
    cr_expect(n > 30 && n < MOST_REQUESTS, "%zu requests", n);
}

Test(faults, tape_that_cannot_be_made_is_null) {
    if (!CAN_REFUSE) cr_skip_test("the allocator cannot be replaced in this build");
    for (size_t n = 1; n <= 2; n++) {
        arm(n, false);
        ad_tape *tape = ad_tape_new();
        disarm();
        cr_expect(tape == NULL || n > 1);
        ad_tape_free(tape);
    }
}

/* What was there before memory ran out is there afterwards. */
Test(faults, tape_keeps_its_nodes_when_it_cannot_grow) {
    if (!CAN_REFUSE) cr_skip_test("the allocator cannot be replaced in this build");
    ad_tape *tape = ad_tape_new();
    ad_var   x = ad_input(tape, 2), y = ad_mul(x, x), last = y;
    ad_backward(y);
    arm(1, false);
    size_t length = 0;
    while (ad_tape_status(tape) == AD_OK) {
        length = ad_tape_length(tape);
        last = ad_add(last, ad_num((double)length));
    }
    disarm();
    cr_expect_eq(ad_tape_status(tape), AD_NO_MEMORY);
    cr_expect(isnan(ad_value(last)));
    cr_expect_eq(ad_tape_length(tape), length);
    ad_tape_clear(tape);
    cr_expect_eq(ad_value(y), 4);
    cr_expect_eq(ad_grad(x), 4);
    ad_var z = y;
    for (int i = 0; i < 10000; i++) z = ad_add(z, x);
    ad_backward(z);
    cr_expect_eq(ad_value(z), 20004);
    cr_expect_eq(ad_grad(x), 10004);
    ad_tape_free(tape);
}

/* Every kind of array a compiled program has: sums of equal terms, operands in lists, a layer, a
 * guard, dots. */
static ad_program *compile_all_kinds(ad_tape *tape) {
    enum { N = 40 };
    ad_var x[N], s = ad_num(0), input[2] = {ad_input(tape, 1), ad_input(tape, 2)};
    for (int i = 0; i < N; i++) x[i] = ad_input(tape, 1 + 0.1 * i);
    for (int i = 0; i < N; i++)
        s = ad_add(
            s, ad_mul(ad_sin(x[i]), ad_logsumexp(3, (ad_var[]){x[i * i % N], x[7], ad_num(i)})));
    if (ad_branch(ad_less(s, ad_num(1e6)))) s = ad_add(s, ad_pick(x[0], 2, x));
    const ad_var out[] = {ad_add(s, ad_dot(2, x, input)), ad_dot(2, x + 2, input)};
    return ad_compile(&(ad_interface){
        .params = N, .param = x, .inputs = 2, .input = input, .outputs = 2, .output = out});
}

Test(faults, compiling_may_be_refused_any_allocation) {
    if (!CAN_REFUSE) cr_skip_test("the allocator cannot be replaced in this build");
    ad_tape *tape = ad_tape_new();
    ad_program_free(compile_all_kinds(tape)); /* now the tape needs no more */
    const ad_mark end = ad_tape_mark(tape);
    ad_program_free(compile_all_kinds(tape));
    size_t n = 1, failed = 0;
    for (bool more = true; more && n < MOST_REQUESTS; n += more) {
        ad_tape_rewind(tape, end);
        arm(n, true);
        ad_program *p = compile_all_kinds(tape);
        disarm();
        more = refused;
        const ad_status status = ad_tape_status(tape); /* some requests only save memory, or time */
        cr_expect_eq(status, p == NULL ? AD_NO_MEMORY : AD_OK, "request %zu: %s", n,
                     ad_tape_message(tape));
        cr_expect(p != NULL || refused, "request %zu", n);
        failed += p == NULL;
        ad_tape_clear(tape);
        ad_program_free(p);
    }
    cr_expect(failed > 20 && failed + 5 > n && n < MOST_REQUESTS,
              "%zu requests, %zu of them needed", n - 1, failed);
    ad_tape_free(tape);
}

/* A check of a tape, and one of a function, with the n-th request refused; false when fewer are
 * made. */
static double product(size_t n, const double x[], void *context) {
    (void)context;
    return x[0] * x[n - 1];
}

static bool check_survives(ad_var y, const ad_var x[2], size_t n, bool once) {
    const double at[] = {2, 3}, claimed[] = {3.5, 2};
    ad_tape     *tape = y.tape;
    arm(n, once);
    ad_check_report *of_tape = ad_check(y, 2, x, claimed, NULL);
    const bool       first = refused;
    ad_check_report *of_function = ad_check_function(product, NULL, 2, at, claimed, NULL);
    disarm();
    cr_expect_eq(of_tape == NULL, first, "request %zu", n);
    cr_expect_eq(of_function == NULL, refused && (!once || !first), "request %zu", n);
    cr_expect_eq(ad_tape_status(tape), first ? AD_NO_MEMORY : AD_OK, "request %zu", n);
    if (of_tape != NULL) cr_expect_eq(ad_check_verdict(of_tape), AD_FAIL);
    cr_expect(ad_value(y) == 7 && ad_grad(x[0]) == 3, "request %zu: the tape was changed", n);
    ad_check_free(of_tape), ad_check_free(of_function);
    ad_tape_clear(tape);
    return refused;
}

Test(faults, memory_may_be_out_in_any_place_of_a_check) {
    if (!CAN_REFUSE) cr_skip_test("the allocator cannot be replaced in this build");
    for (int once = 0; once < 2; once++) {
        ad_tape     *tape = ad_tape_new();
        const ad_var x[] = {ad_input(tape, 2), ad_input(tape, 3)};
        ad_var y = ad_parse(tape, "sum(a*b, relu(a), b, -a, -b, 1, -a, 0*(a - b))", 2, "a, b", x);
        y = ad_add(y, x[0]);
        ad_backward(y);
        size_t n = 1;
        while (n < MOST_REQUESTS && check_survives(y, x, n, once)) n++;
        cr_expect(n > 20 && n < MOST_REQUESTS, "%zu requests", n - 1);
        ad_tape_free(tape);
    }
}

Test(faults, message_says_that_memory_is_out) {
    if (!CAN_REFUSE) cr_skip_test("the allocator cannot be replaced in this build");
    ad_tape *tape = ad_tape_new();
    arm(1, false);
    ad_var x = ad_input(tape, 1);
    disarm();
    cr_expect(isnan(ad_value(x)));
    cr_expect(strstr(ad_tape_message(tape), "memory") != NULL, "%s", ad_tape_message(tape));
    ad_tape_free(tape);
}

Test(faults, steps_in_a_warm_loop_ask_for_no_memory) {
    if (!CAN_REFUSE) cr_skip_test("the allocator cannot be replaced in this build");
    ad_tape *tape = ad_tape_new();
    ad_var   x[8];
    for (int i = 0; i < 8; i++) x[i] = ad_input(tape, i);
    const ad_mark mark = ad_tape_mark(tape);
    for (int i = 0; i < 1000; i++) {
        if (i == 3) arm(1, false);
        const ad_var mixed[] = {x[0], ad_num(i), x[3], ad_num(0.5 * i)};
        ad_var       y = ad_add(ad_dot(4, mixed, x), ad_logsumexp(4, mixed));
        y = ad_mul(ad_add(y, ad_sum(8, x)), ad_num(i));
        if (ad_branch(ad_less(x[0], x[1]))) y = ad_add(y, ad_pick(x[2], 4, mixed));
        double grad[8];
        ad_gradient(y, 8, x, grad);
        ad_replay(tape);
        ad_tape_rewind(tape, mark);
    }
    disarm();
    cr_expect_not(refused, "request %zu", requests);
    cr_expect_eq(ad_tape_status(tape), AD_OK, "%s", ad_tape_message(tape));
    ad_tape_free(tape);
}

/* ---- two tapes ------------------------------------------------------------------------------- */

/* Every operation that takes two operands, with these two. */
enum { MEETINGS = 13 };

static double meet(int way, ad_var a, ad_var b) {
    const ad_var both[] = {a, b}, numbered[] = {ad_num(1), a, ad_num(2), b};
    double       grad[2] = {0, 0};
    switch (way) {
    case 0: return ad_value(ad_add(a, b));
    case 1: return ad_value(ad_hypot(a, b));
    case 2: return ad_value(ad_sum(2, both));
    case 3: return ad_value(ad_sum(4, numbered));
    case 4: return ad_value(ad_dot(1, &a, &b));
    case 5: return ad_value(ad_dot(2, both, both));
    case 6: return ad_value(ad_logsumexp(2, both));
    case 7: return ad_value(ad_where(a, b, ad_num(1)));
    case 8: return ad_value(ad_where(a, ad_num(1), b));
    case 9: return ad_value(ad_where(ad_num(1), a, b));
    case 10: return ad_value(ad_pick(a, 1, &b));
    case 11: return ad_value(ad_pick(ad_num(0), 2, both));
    default: ad_gradient(a, 2, both, grad); return grad[1];
    }
}

Test(faults, operation_over_two_tapes_marks_both) {
    for (int way = 0; way < MEETINGS; way++) {
        ad_tape *one = ad_tape_new(), *two = ad_tape_new();
        ad_var   a = ad_input(one, 0), b = ad_input(two, 0);
        cr_expect(isnan(meet(way, a, b)), "way %d", way);
        cr_expect_eq(ad_tape_status(one), AD_TWO_TAPES, "way %d: %s", way, ad_tape_message(one));
        cr_expect_eq(ad_tape_status(two), AD_TWO_TAPES, "way %d: %s", way, ad_tape_message(two));
        cr_expect(strlen(ad_tape_message(one)) > 10 && strlen(ad_tape_message(two)) > 10);
        cr_expect(ad_tape_length(one) == 1 && ad_tape_length(two) == 1, "way %d", way);
        ad_tape_clear(one), ad_tape_clear(two);
        cr_expect(ad_value(ad_exp(a)) == 1 && ad_value(ad_exp(b)) == 1, "way %d", way);
        ad_tape_free(one), ad_tape_free(two);
    }
}

Test(faults, every_row_of_two_operands_notices_two_tapes) {
    for (int i = 0; i < ROWS; i++) {
        if (rows[i].operands == 1) continue;
        ad_tape *one = ad_tape_new(), *two = ad_tape_new();
        cr_expect(isnan(ad_value(row_record(&rows[i], ad_input(one, 1), ad_input(two, 1)))), "%s",
                  rows[i].name);
        cr_expect(ad_tape_status(one) == AD_TWO_TAPES && ad_tape_status(two) == AD_TWO_TAPES, "%s",
                  rows[i].name);
        ad_tape_free(one), ad_tape_free(two);
    }
}

Test(faults, error_of_one_tape_is_not_overwritten_by_two_tapes) {
    ad_tape *one = ad_tape_new(), *two = ad_tape_new();
    ad_var   a = ad_input(one, 1), b = ad_input(two, 1);
    ad_set(ad_exp(b), 1);
    ad_add(a, b);
    cr_expect_eq(ad_tape_status(one), AD_TWO_TAPES);
    cr_expect_eq(ad_tape_status(two), AD_BAD_ARGUMENT);
    ad_tape_free(one), ad_tape_free(two);
}

/* ---- handles that are good for nothing ------------------------------------------------------- */

/* Every operation that takes a handle, with one that names no node. */
enum { USES = 19 };

static double use(int way, ad_tape *tape, ad_var good, ad_var bad) {
    const ad_var both[] = {good, bad};
    double       grad[2] = {0, 0};
    char         text[10];
    switch (way) {
    case 0: return ad_value(ad_exp(bad));
    case 1: return ad_value(ad_add(good, bad));
    case 2: return ad_value(ad_add(bad, good));
    case 3: return ad_value(ad_add(bad, ad_num(1)));
    case 4: return ad_value(ad_add(ad_num(1), bad));
    case 5: return ad_value(ad_sum(2, both));
    case 6: return ad_value(ad_dot(1, &good, &bad));
    case 7: return ad_value(ad_dot(1, &bad, &good));
    case 8: return ad_value(ad_logsumexp(2, both));
    case 9: return ad_value(ad_where(bad, good, good));
    case 10: return ad_value(ad_where(good, good, bad));
    case 11: return ad_value(ad_pick(bad, 2, both));
    case 12: return ad_value(ad_pick(ad_num(0), 2, both));
    case 13: return ad_value(ad_parse(tape, "a + b", 2, "a, b", both));
    case 14: return ad_branch(bad) ? 1 : NAN;
    case 15: ad_backward(bad); return NAN;
    case 16: return ad_grad(bad);
    case 17: ad_gradient(good, 2, both, grad); return grad[0];
    default: return explained(bad, sizeof text, text) == AD_OK ? 1 : NAN;
    }
}

Test(faults, result_of_a_failed_operation_is_refused_everywhere) {
    for (int way = 0; way < USES; way++) {
        ad_tape *tape = ad_tape_new();
        ad_var   x = ad_input(tape, 0);
        ad_backward(x);
        ad_var bad = ad_pick(ad_num(9), 1, &x);
        ad_tape_clear(tape);
        cr_expect(isnan(use(way, tape, x, bad)), "way %d", way);
        cr_expect_eq(ad_tape_status(tape), AD_NOT_RECORDED, "way %d: status %d: %s", way,
                     (int)ad_tape_status(tape), ad_tape_message(tape));
        ad_tape_clear(tape);
        cr_expect_eq(ad_value(ad_exp(x)), 1);
        ad_tape_free(tape);
    }
}

Test(faults, forgotten_handle_is_refused_everywhere) {
    for (int way = 0; way < USES; way++) {
        ad_tape      *tape = ad_tape_new();
        ad_var        x = ad_input(tape, 0);
        const ad_mark mark = ad_tape_mark(tape);
        ad_var        bad = ad_exp(x);
        ad_tape_rewind(tape, mark);
        ad_var taken = ad_sin(x);
        ad_backward(taken);
        cr_expect(isnan(use(way, tape, x, bad)), "way %d", way);
        cr_expect_eq(ad_tape_status(tape), AD_STALE, "way %d: status %d: %s", way,
                     (int)ad_tape_status(tape), ad_tape_message(tape));
        ad_tape_clear(tape);
        cr_expect_eq(ad_value(taken), 0);
        ad_tape_free(tape);
    }
}

/* ---- plain numbers where a node belongs ------------------------------------------------------ */

Test(faults, plain_number_where_a_node_belongs_is_harmless) {
    char text[2000];
    ad_backward(ad_num(1));
    ad_set(ad_num(1), 2);
    ad_name(ad_num(1), "one");
    cr_expect_eq(ad_grad(ad_num(1)), 0);
    cr_expect_eq(explained(ad_num(1), sizeof text, text), AD_OK);
}

Test(faults, gradient_by_a_plain_number_is_refused_or_zero) {
    ad_tape     *tape = ad_tape_new();
    ad_var       x = ad_input(tape, 3);
    const ad_var by[] = {x, ad_num(2)};
    double       grad[2] = {9, 9};
    ad_gradient(ad_mul(x, x), 2, by, grad);
    if (ad_tape_status(tape) == AD_OK) cr_expect(grad[0] == 6 && grad[1] == 0);
    else cr_expect(ad_tape_status(tape) == AD_BAD_ARGUMENT && isnan(grad[0]) && isnan(grad[1]));
    ad_tape_free(tape);
}

/* ---- out of memory, programs ----------------------------------------------------------------- */

/* A layer, reductions, a guard, constants, sums that roll: something of everything that ad_compile
 * looks at. */
static ad_var program_output(ad_tape *tape, ad_var w[8], ad_var x[2]) {
    for (int i = 0; i < 8; i++) w[i] = ad_input(tape, 0.1 * i);
    for (int i = 0; i < 2; i++) x[i] = ad_input(tape, i);
    const ad_var c = ad_input(tape, 3),
                 h[] = {ad_tanh(ad_dot(2, w, x)), ad_dot(2, w + 2, x), ad_mul(c, x[0])};
    ad_var y = ad_add(ad_logsumexp(3, h), ad_pick(x[1], 3, h));
    for (int i = 0; i < 8; i++) y = ad_add(y, ad_mul(ad_sin(w[i]), ad_exp(w[i])));
    for (int i = 0; i < 300; i++)
        y = ad_add(y, ad_mul(ad_num(i), ad_where(x[i % 2], h[i % 3], w[i % 8])));
    if (ad_branch(ad_less(x[0], x[1]))) y = ad_mul(y, ad_lgamma(w[3]));
    return y;
}

static bool all_calls(const ad_program *p, FILE *to, size_t n) {
    double param[8] = {0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8}, input[4] = {0, 1, 0, 2}, out[8],
           mean;
    const ad_status status[] = {
        ad_program_values(p, param, 2, input, out),
        ad_program_gradient(p, param, 2, input, &mean, out),
        ad_program_jacobian(p, param, 2, input, out),
        ad_program_emit_c(p, "f", to),
        ad_program_print(p, to),
    };
    bool good = true;
    char text[300];
    ad_program_message(p, sizeof text, text);
    for (size_t i = 0; i < sizeof status / sizeof *status; i++) {
        cr_expect(status[i] == AD_OK || status[i] == AD_NO_MEMORY,
                  "request %zu, call %zu: status %d", n, i, (int)status[i]);
        good = good && status[i] == AD_OK;
    }
    cr_expect(good || strstr(text, "memory") != NULL, "request %zu: %s", n, text);
    return good;
}

/* Compile and run with the n-th request refused, then again with none; false when it needs
 * fewer. */
static bool program_survives(size_t n, bool once, FILE *to) {
    ad_tape     *tape = ad_tape_new();
    ad_var       w[8], x[2], y = program_output(tape, w, x);
    ad_interface face = {8, w, 2, x, 1, &y, 0};
    arm(n, once);
    ad_program *p = ad_compile(&face);
    const bool  good = p != NULL && all_calls(p, to, n);
    disarm();
    const bool was_refused = refused;
    /* an array that could not be shrunk stays as it is */
    cr_expect(good || was_refused, "request %zu", n);
    if (p == NULL) {
        cr_expect_eq(ad_tape_status(tape), AD_NO_MEMORY, "request %zu: %s", n,
                     ad_tape_message(tape));
        ad_tape_clear(tape);
        p = ad_compile(&face);
    }
    cr_expect(p != NULL && all_calls(p, to, n), "after request %zu was refused: %s", n,
              ad_tape_message(tape));
    ad_program_free(p);
    ad_tape_free(tape);
    return was_refused;
}

Test(faults, any_allocation_of_a_program_may_fail) {
    if (!CAN_REFUSE) cr_skip_test("the allocator cannot be replaced in this build");
    FILE *to = nowhere();
    for (int once = 0; once < 2; once++) {
        size_t n = 1;
        while (n < MOST_REQUESTS && program_survives(n, once == 1, to)) n++;
        cr_expect(n > 20 && n < MOST_REQUESTS, "a program makes %zu requests", n - 1);
    }
    fclose(to);
}

Test(faults, programs_in_a_warm_loop_ask_for_no_memory) {
    if (!CAN_REFUSE) cr_skip_test("the allocator cannot be replaced in this build");
    ad_tape     *tape = ad_tape_new();
    ad_var       w[8], x[2], y = program_output(tape, w, x);
    ad_interface face = {8, w, 2, x, 1, &y, 0};
    ad_program  *p = ad_compile(&face);
    double param[8] = {0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8}, input[4] = {0, 1, 0, 2}, out[8],
           mean;
    for (int i = 0; i < 100; i++) {
        if (i == 3) arm(1, false);
        cr_expect_eq(ad_program_values(p, param, 2, input, out), AD_OK);
        cr_expect_eq(ad_program_gradient(p, param, 2, input, &mean, out), AD_OK);
        cr_expect_eq(ad_program_jacobian(p, param, 2, input, out), AD_OK);
    }
    disarm();
    cr_expect_not(refused, "request %zu", requests);
    ad_program_free(p);
    ad_tape_free(tape);
}
