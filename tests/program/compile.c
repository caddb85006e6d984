/* compile.c - tests of engine/program/compile.c: what a piece of tape becomes, and what is refused.
 * What programs compute is tested in lanes.c. */
#include "support.h"

#include "engine/program/program.h"

#include "expect.h"
#include <math.h>
#include <string.h>

/* A tape with three leaves, and the interface of the first test that needs one: a and b are params,
 * x an input. */
typedef struct fixture {
    ad_tape     *tape;
    ad_var       a, b, x;
    ad_var       params[2], output;
    ad_interface face;
} fixture;

static void open_fixture(fixture *f) {
    f->tape = ad_tape_new();
    f->params[0] = f->a = ad_input(f->tape, 2);
    f->params[1] = f->b = ad_input(f->tape, 3);
    f->x = ad_input(f->tape, 5);
    f->output = f->x;
    f->face = (ad_interface){2, f->params, 1, &f->x, 1, &f->output, 0};
}

static ad_program *compiled(fixture *f, ad_var output) {
    f->output = output;
    ad_program *p = ad_compile(&f->face);
    cr_assert_not_null(p, "%s", ad_tape_message(f->tape));
    cr_expect_eq(ad_tape_status(f->tape), AD_OK, "%s", ad_tape_message(f->tape));
    return p;
}

static void close_fixture(fixture *f, ad_program *p) {
    ad_program_free(p);
    ad_tape_free(f->tape);
}

static size_t steps_with(const ad_program *p, int code) {
    size_t n = 0;
    for (uint32_t i = 0; i < p->steps; i++) n += p->node[p->step[i]].code == code;
    return n;
}

/* Steps that compute something: not the loading of an input. */
static size_t work(const ad_program *p) {
    return p->steps - steps_with(p, AD__ROW_INPUT);
}

/* ---- what is refused ------------------------------------------------------------------------- */

static void refused(fixture *f, const ad_interface *face, ad_status status, const char *words) {
    cr_expect_null(ad_compile(face));
    cr_expect_eq(ad_tape_status(f->tape), status, "%s", ad_tape_message(f->tape));
    cr_expect(strstr(ad_tape_message(f->tape), words) != NULL, "wanted \"%s\": %s", words,
              ad_tape_message(f->tape));
    ad_tape_clear(f->tape);
    ad_program *p = ad_compile(&f->face);
    cr_expect_not_null(p, "the tape is good for nothing after: %s", words);
    ad_program_free(p);
}

#define REFUSED(name, status, words, ...)   \
    Test(compile, name) {                   \
        fixture f;                          \
        open_fixture(&f);                   \
        ad_interface face = f.face;         \
        ad_var       x[] = {f.a, f.b, f.x}; \
        (void)x;                            \
        __VA_ARGS__;                        \
        refused(&f, &face, status, words);  \
        close_fixture(&f, NULL);            \
    }

REFUSED(no_outputs, AD_BAD_ARGUMENT, "no outputs", face.outputs = 0)
REFUSED(missing_list_of_outputs, AD_BAD_ARGUMENT, "1 outputs is NULL", face.output = NULL)
REFUSED(missing_list_of_params, AD_BAD_ARGUMENT, "2 params is NULL", face.param = NULL)
REFUSED(missing_list_of_inputs, AD_BAD_ARGUMENT, "1 inputs is NULL", face.input = NULL)
REFUSED(more_active_inputs_than_inputs, AD_BAD_ARGUMENT, "2 active inputs, but only 1 inputs",
        face.active = 2)
REFUSED(leaf_listed_twice, AD_BAD_ARGUMENT, "param[1] is listed twice", x[1] = f.a; face.param = x)
REFUSED(leaf_that_is_param_and_input, AD_BAD_ARGUMENT, "input[0] is listed twice",
        face.input = &f.a)
REFUSED(result_of_an_operation_as_param, AD_BAD_ARGUMENT, "param[1] is the result of an operation",
        x[1] = ad_exp(f.a);
        face.param = x)
REFUSED(plain_number_as_input, AD_BAD_ARGUMENT, "input[0] is a plain number", x[0] = ad_num(1);
        face.input = x)
REFUSED(more_leaves_than_numbers, AD_BAD_ARGUMENT, "more than a program can hold",
        face.params = SIZE_MAX - 1)

Test(compile, handles_of_two_tapes_mark_both) {
    for (int which = 0; which < 3; which++) {
        fixture f, g;
        open_fixture(&f), open_fixture(&g);
        ad_var       x[] = {f.a, g.b};
        ad_interface face = f.face;
        if (which == 0) face.param = x;
        if (which == 1) face.input = &g.x;
        if (which == 2) face.output = &g.x;
        cr_expect_null(ad_compile(&face));
        cr_expect_eq(ad_tape_status(f.tape), AD_TWO_TAPES, "list %d: %s", which,
                     ad_tape_message(f.tape));
        cr_expect_eq(ad_tape_status(g.tape), AD_TWO_TAPES, "list %d", which);
        cr_expect(strstr(ad_tape_message(f.tape), "ad_compile") != NULL, "%s",
                  ad_tape_message(f.tape));
        close_fixture(&f, NULL), close_fixture(&g, NULL);
    }
}

Test(compile, forgotten_handles_are_stale) {
    for (int which = 0; which < 3; which++) {
        fixture f;
        open_fixture(&f);
        const ad_mark mark = ad_tape_mark(f.tape);
        ad_var        old = ad_input(f.tape, 1), x[] = {f.a, old};
        ad_tape_rewind(f.tape, mark);
        ad_input(f.tape, 7);
        ad_interface face = f.face;
        if (which == 0) face.param = x;
        if (which == 1) face.input = &old;
        if (which == 2) face.output = &old;
        refused(&f, &face, AD_STALE,
                which == 0   ? "ad_compile: params: operand 2 was"
                : which == 1 ? "ad_compile: inputs: operand 1 was"
                             : "ad_compile: outputs: operand 1 was");
        close_fixture(&f, NULL);
    }
}

Test(compile, tape_with_an_error_keeps_it) {
    fixture f;
    open_fixture(&f);
    ad_set(ad_exp(f.x), 1);
    const ad_status before = ad_tape_status(f.tape);
    cr_expect_null(ad_compile(&f.face));
    cr_expect_eq(ad_tape_status(f.tape), before);
    close_fixture(&f, NULL);
}

Test(compile, nothing_at_all_is_no_program) {
    const ad_var       number = ad_num(1);
    const ad_interface numbers = {.outputs = 1, .output = &number};
    cr_expect_null(ad_compile(NULL));
    cr_expect_null(ad_compile(&numbers));
    cr_expect_eq(ad_program_message(NULL, 0, NULL), 0);
    char text[] = "old";
    cr_expect_eq(ad_program_message(NULL, sizeof text, text), 0);
    cr_expect_str_eq(text, "");
    ad_program_free(NULL);
}

/* Nothing is chosen when compiled; each row says so, as the tape does. */
Test(compile, constant_index_out_of_range_is_told_when_it_runs) {
    const double index[] = {3, 4, -1, 0.5, NAN};
    for (size_t k = 0; k < sizeof index / sizeof *index; k++) {
        fixture f;
        open_fixture(&f);
        const ad_var at = ad_input(f.tape, 1),
                     y = ad_pick(at, 3, (ad_var[]){ad_exp(f.x), f.x, f.a});
        ad_set(at, index[k]);
        ad_program  *p = compiled(&f, y);
        const double param[] = {1, 2}, x = 3;
        double       value;
        cr_expect_eq(ad_program_values(p, param, 1, &x, &value), AD_BAD_ARGUMENT, "index %g",
                     index[k]);
        close_fixture(&f, p);
    }
}

/* The sides, when compiled, of a condition that is written with numbers on either side, or has
 * none. */
Test(compile, constant_condition_that_has_turned_tells_its_sides) {
    static const struct {
        int         form;
        double      now;
        const char *words;
    } cases[] = {
        {0, 7, "(x < y, x = 7, y = 5) was taken when recorded and would now be not taken"},
        {1, 2, "(x < y, x = 3, y = 2) was taken when recorded and would now be not taken"},
        {2, 9, "(x < y, x = 9, y = 6) was taken when recorded and would now be not taken"},
        {3, 0, "(input, now 0) was taken when recorded and would now be not taken"},
        {4, 1, "(x < y, x = 1, y = 3) was not taken when recorded and would now be taken"},
    };
    for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
        fixture f;
        open_fixture(&f);
        const ad_var c = ad_input(f.tape, 4), d = ad_input(f.tape, 6);
        ad_branch(cases[k].form == 0   ? ad_less(c, ad_num(5))
                  : cases[k].form == 1 ? ad_less(ad_num(3), c)
                  : cases[k].form == 2 ? ad_less(c, d)
                  : cases[k].form == 3 ? c
                                       : ad_less(c, ad_num(3)));
        f.output = ad_mul(f.x, c);
        ad_set(c, cases[k].now);
        cr_expect_null(ad_compile(&f.face));
        cr_expect(strstr(ad_tape_message(f.tape), cases[k].words) != NULL, "%s",
                  ad_tape_message(f.tape));
        close_fixture(&f, NULL);
    }
}

Test(compile, guards_are_the_branches_whose_condition_is_not_known) {
    fixture f;
    open_fixture(&f);
    const ad_var c = ad_input(f.tape, 4);
    cr_expect(ad_branch(ad_less(c, ad_num(5))));
    const ad_var first = ad_less(f.x, ad_num(6)), second = ad_less(f.a, f.x);
    const ad_var third = ad_less(ad_num(7), f.x);
    ad_branch(first), ad_branch(third), ad_branch(second);
    const ad_var y = ad_mul(f.x, c), after = ad_less(y, f.x);
    ad_branch(after); /* stands to the right of the output */
    ad_program  *p = compiled(&f, y);
    const ad_var want[] = {first, third, second};
    cr_assert_eq(p->guards, 3);
    for (uint32_t k = 0; k < 3; k++) {
        cr_expect_eq(p->guard[k].node, ad__node_of(want[k]));
        cr_expect_eq(p->guard[k].taken, ad_value(want[k]) != 0);
        cr_expect_eq(p->node[p->guard[k].value].code, AD__less);
    }
    close_fixture(&f, p);
}

/* More branches than other nodes. */
Test(compile, every_branch_on_one_condition_is_a_guard) {
    enum { N = 500 };
    fixture f;
    open_fixture(&f);
    const ad_var condition = ad_less(f.a, f.x);
    for (int i = 0; i < N; i++) ad_branch(condition);
    ad_program *p = compiled(&f, ad_mul(f.a, f.x));
    cr_assert_eq(p->guards, N);
    for (int i = 0; i < N; i++)
        cr_expect(p->guard[i].node == ad__node_of(condition) && p->guard[i].taken);
    close_fixture(&f, p);
}

/* A branch whose condition is known when compiled has no lane to be tested in. */
Test(compile, constant_condition_that_has_turned_is_refused) {
    fixture f;
    open_fixture(&f);
    ad_var c = ad_input(f.tape, 1);
    cr_assert(ad_branch(ad_less(ad_num(0), c)));
    f.output = ad_mul(f.x, c);
    ad_program_free(compiled(&f, f.output));
    ad_set(c, -1);
    cr_expect_null(ad_compile(&f.face));
    cr_expect_eq(ad_tape_status(f.tape), AD_BRANCH_CHANGED);
    cr_expect(strstr(ad_tape_message(f.tape), "(x < y, x = 0, y = -1) was taken when recorded") !=
                  NULL,
              "%s", ad_tape_message(f.tape));
    close_fixture(&f, NULL);
}

/* ---- what a piece of tape becomes ------------------------------------------------------------ */

/* Values and derivatives of the program, at two rows and other params than the tape was recorded
 * with, are what the tape gives. */
static void same_as_tape(fixture *f, const ad_program *p, ad_var y) {
    enum { BATCH = 2 };
    const double param[] = {1.25, -0.5}, x[BATCH] = {0.75, 2.5};
    double       value[BATCH], slope[BATCH], mean, grad[2], want_mean = 0, want_grad[2] = {0, 0},
                                                      by[3] = {0};
    cr_expect_eq(ad_program_values(p, param, BATCH, x, value), AD_OK);
    cr_expect_eq(ad_program_jacobian(p, param, BATCH, x, slope), AD_OK);
    cr_expect_eq(ad_program_gradient(p, param, BATCH, x, &mean, grad), AD_OK);
    ad_set(f->a, param[0]), ad_set(f->b, param[1]);
    for (int r = 0; r < BATCH; r++) {
        ad_set(f->x, x[r]);
        ad_replay(f->tape);
        if (y.tape != NULL) ad_gradient(y, 3, (ad_var[]){f->a, f->b, f->x}, by);
        cr_expect(close_to(value[r], ad_value(y), 1e-14, 0), "%.17g, the tape says %.17g", value[r],
                  ad_value(y));
        cr_expect(close_to(slope[r], by[2], 1e-13, 1e-14), "by x %.17g, the tape says %.17g",
                  slope[r], by[2]);
        want_mean += ad_value(y) / BATCH;
        for (int i = 0; i < 2; i++) want_grad[i] += by[i] / BATCH;
    }
    cr_expect(close_to(mean, want_mean, 1e-14, 0), "%.17g, the tape says %.17g", mean, want_mean);
    for (int i = 0; i < 2; i++)
        cr_expect(close_to(grad[i], want_grad[i], 1e-13, 1e-14), "by %d %.17g, the tape says %.17g",
                  i, grad[i], want_grad[i]);
}

#define BECOMES(name, count, result)                                  \
    Test(compile, name) {                                             \
        fixture f;                                                    \
        open_fixture(&f);                                             \
        const ad_var a = f.a, b = f.b, x = f.x;                       \
        (void)a, (void)b, (void)x;                                    \
        ad_program *p = compiled(&f, result);                         \
        cr_expect_eq(work(p), (size_t)(count), "%zu steps", work(p)); \
        same_as_tape(&f, p, f.output);                                \
        close_fixture(&f, p);                                         \
    }

BECOMES(dead_nodes_are_dropped, 1, (ad_exp(a), ad_tanh(ad_add(a, x)), ad_mul(x, a)))
BECOMES(constants_are_folded, 1, ad_mul(x, ad_exp(ad_add(ad_input(f.tape, 1), ad_num(2)))))
BECOMES(equal_nodes_are_shared, 3, ad_div(ad_exp(ad_mul(a, x)), ad_exp(ad_mul(x, a))))

/* More users of one value, and of every constant, than stand near it in the table of values; each
 * recorded twice. */
Test(compile, equal_users_of_one_value_are_shared_however_many) {
    enum { USERS = 20000 };
    fixture f;
    open_fixture(&f);
    ad_var once = ad_num(0), again = ad_num(0);
    for (int i = 0; i < USERS; i++) once = ad_add(once, ad_exp(ad_add(f.a, ad_num(i + 0.5))));
    for (int i = 0; i < USERS; i++) again = ad_add(again, ad_exp(ad_add(ad_num(i + 0.5), f.a)));
    ad_program *p = compiled(&f, ad_mul(f.x, ad_add(ad_sin(once), again)));
    /* a + i, exp, the sum so far */
    cr_expect_eq(p->count.shared, 3 * USERS, "%zu", p->count.shared);
    cr_expect_eq(p->constants, USERS + 1, "%u", (unsigned)p->constants);
    close_fixture(&f, p);
}
BECOMES(additions_commute_for_sharing, 2, ad_div(ad_add(a, x), ad_add(x, a)))
BECOMES(differences_do_not_commute, 3, ad_div(ad_sub(a, x), ad_sub(x, a)))
BECOMES(times_one_is_nothing, 0, ad_mul(ad_num(1), ad_mul(x, ad_num(1))))
BECOMES(square_is_a_product, 1, ad_pow(x, ad_num(2)))
BECOMES(constant_condition_chooses, 0, ad_where(ad_input(f.tape, NAN), x, ad_exp(x)))
BECOMES(constant_index_picks, 0, ad_pick(ad_num(1), 3, ((ad_var[]){ad_exp(x), x, a})))
BECOMES(sum_of_products_is_a_layer, 2, ad_add(ad_mul(a, x), ad_mul(ad_exp(x), b)))
BECOMES(true_condition_chooses_the_first, 1,
        ad_where(ad_input(f.tape, -2), ad_exp(x), ad_mul(a, x)))
BECOMES(false_condition_chooses_the_second, 2,
        ad_where(ad_input(f.tape, 0), ad_exp(x), ad_sin(ad_mul(a, x))))
BECOMES(index_of_the_first_picks_it, 1,
        ad_pick(ad_input(f.tape, 0), 3, ((ad_var[]){ad_exp(x), x, a})))
BECOMES(index_of_the_last_picks_it, 1,
        ad_pick(ad_input(f.tape, 2), 3, ((ad_var[]){x, a, ad_exp(x)})))
BECOMES(condition_that_varies_stays, 2, ad_where(ad_less(x, ad_num(1)), x, a))
BECOMES(index_that_varies_stays, 3,
        ad_mul(x, ad_pick(ad_less(x, ad_num(1)), 2, ((ad_var[]){a, b}))))
BECOMES(sum_of_constants_is_folded, 1,
        ad_mul(x, ad_sum(3, ((ad_var[]){ad_input(f.tape, 1), ad_num(2), ad_input(f.tape, 4)}))))
BECOMES(dot_of_constants_is_folded, 1,
        ad_mul(x, ad_dot(2, ((ad_var[]){ad_input(f.tape, 1), ad_num(2)}),
                         ((ad_var[]){ad_input(f.tape, 4), ad_num(8)}))))
BECOMES(logsumexp_of_constants_is_folded, 1,
        ad_mul(x,
               ad_logsumexp(3, ((ad_var[]){ad_input(f.tape, 1), ad_num(2), ad_input(f.tape, 4)}))))
BECOMES(one_times_a_value_is_nothing, 0, ad_mul(ad_input(f.tape, 1), x))
BECOMES(power_of_one_is_nothing, 0, ad_pow(x, ad_input(f.tape, 1)))
BECOMES(cube_stays_a_power, 1, ad_pow(x, ad_num(3)))
BECOMES(two_to_the_power_stays, 1, ad_pow(ad_num(2), x))
BECOMES(divided_by_two_stays, 1, ad_div(x, ad_num(2)))
BECOMES(factors_may_come_either_way_round, 2, ad_add(ad_mul(x, a), ad_mul(b, ad_exp(x))))
BECOMES(sums_of_sums_are_apart_by_class_alone, 5,
        ad_sub(ad_sum(3, ((ad_var[]){x, ad_add(a, x), ad_sum(2, ((ad_var[]){x, b}))})), ad_exp(x)))
BECOMES(dot_of_varying_values_is_no_layer, 2,
        ad_dot(2, ((ad_var[]){x, ad_exp(x)}), ((ad_var[]){ad_exp(x), x})))
BECOMES(products_are_gathered_by_class, 9,
        ad_sum(7, ((ad_var[]){a, ad_mul(a, b), ad_mul(ad_exp(x), ad_sin(x)), ad_mul(x, b), x,
                              ad_mul(ad_sin(a), b),
                              ad_dot(2, ((ad_var[]){x, a}), ((ad_var[]){x, ad_exp(x)}))})))
BECOMES(product_that_is_used_elsewhere_is_computed_once, 4,
        ad_mul(ad_add(ad_mul(a, x), ad_exp(x)), ad_mul(a, x)))
BECOMES(output_that_is_an_input_needs_no_step, 0, x)
BECOMES(output_that_is_a_param_needs_no_step, 0, a)
BECOMES(output_that_is_a_number_needs_no_step, 0, ad_num(4))

static double value_at(const ad_program *p, double a, double b, double x) {
    const double param[] = {a, b};
    double       output = NAN;
    cr_expect_eq(ad_program_values(p, param, 1, &x, &output), AD_OK);
    return output;
}

/* More values with the same newest operand than a line of the table holds, and the table grows
 * meanwhile: each is found again. Quotients, since products may be turned round and sums be
 * gathered. */
Test(compile, equal_nodes_are_shared_however_many_have_an_operand_in_common) {
    enum { LEAVES = 70 };
    ad_tape *tape = ad_tape_new();
    ad_var   x[LEAVES], term[2][LEAVES * LEAVES], both[2];
    for (int i = 0; i < LEAVES; i++) x[i] = ad_input(tape, 1 + i);
    for (int k = 0; k < 2; k++) {
        for (int i = 0; i < LEAVES; i++)
            for (int j = 0; j < LEAVES; j++) term[k][i * LEAVES + j] = ad_div(x[i], x[j]);
        both[k] = ad_logsumexp(LEAVES * LEAVES, term[k]);
    }
    ad_program *p = ad_compile(&(ad_interface){0, NULL, LEAVES, x, 2, both, 0});
    cr_assert_not_null(p, "%s", ad_tape_message(tape));
    cr_expect_eq(p->nodes, LEAVES + LEAVES * LEAVES + 1, "%lu", (unsigned long)p->nodes);
    ad_program_free(p);
    ad_tape_free(tape);
}

Test(compile, zeros_of_both_signs_stay_apart) {
    fixture f;
    open_fixture(&f);
    ad_program *p = compiled(&f, ad_sub(ad_atan2(ad_num(0), f.x), ad_atan2(ad_num(-0.0), f.x)));
    cr_expect_float_eq(value_at(p, 0, 0, -1), 6.283185307179586, 1e-15); /* 2 pi */
    close_fixture(&f, p);
}

Test(compile, constant_that_is_not_a_number_stays_one) {
    fixture f;
    open_fixture(&f);
    ad_var      nan = ad_input(f.tape, NAN);
    ad_program *p =
        compiled(&f, ad_where(ad_less(f.x, ad_num(0)), ad_mul(f.a, nan), ad_mul(f.x, f.a)));
    cr_expect(isnan(value_at(p, 2, 0, -1)));
    cr_expect_eq(value_at(p, 2, 0, 3), 6);
    close_fixture(&f, p);
}

/* The members of a layer are computed where the first of them stands; what the second needs
 * besides, its weights, depends on parameters alone and is there before any lane. */
Test(compile, layer_whose_later_member_has_weights_recorded_later) {
    fixture f;
    open_fixture(&f);
    const ad_var x[] = {f.x, ad_sin(f.x)}, first[] = {f.a, f.b};
    ad_var       one = ad_dot(2, first, x);
    const ad_var second[] = {ad_exp(f.a), ad_mul(f.a, f.b)};
    ad_var       two = ad_dot(2, second, x);
    ad_program  *p = compiled(&f, ad_mul(one, two));
    cr_expect_eq(p->layers, 1);
    cr_expect_eq(p->layer[0].m, 2);
    const double want = (2 * 5 + 3 * sin(5)) * (exp(2) * 5 + 6 * sin(5));
    cr_expect(close_to(value_at(p, 2, 3, 5), want, 1e-15, 0));
    close_fixture(&f, p);
}

/* One layer of two outputs at each of two steps; the weights are packed once, and both steps add to
 * their gradient. */
Test(compile, layers_with_the_same_weights_share_them) {
    fixture f;
    open_fixture(&f);
    const ad_var first[] = {f.a, f.b}, second[] = {f.b, f.a};
    const ad_var x[] = {f.x, ad_cos(f.x)};
    ad_var       z[2], v[2];
    z[0] = ad_sin(ad_dot(2, first, x));
    z[1] = ad_sin(ad_dot(2, second, x));
    v[0] = ad_dot(2, first, z);
    v[1] = ad_dot(2, second, z);
    ad_var       y = ad_mul(v[0], v[1]);
    double       want[2], mean, grad[2];
    const double param[] = {0.3, -0.7}, input = 0.4;
    ad_set(f.a, param[0]), ad_set(f.b, param[1]), ad_set(f.x, input);
    ad_replay(f.tape);
    ad_gradient(y, 2, f.params, want);
    ad_program *p = compiled(&f, y);
    cr_expect_eq(p->layers, 2);
    cr_expect_eq(p->packed, 4);
    cr_expect_eq(p->layer[1].like, 0);
    cr_expect_eq(ad_program_gradient(p, param, 1, &input, &mean, grad), AD_OK);
    cr_expect(close_to(mean, ad_value(y), 1e-15, 0));
    for (int i = 0; i < 2; i++)
        cr_expect(close_to(grad[i], want[i], 1e-14, 0), "%.17g, not %.17g", grad[i], want[i]);
    close_fixture(&f, p);
}

/* Weights and operands of each layer: which of them are the same, follow each other, have a
 * parameter or an active input behind them. */
Test(compile, layer_knows_what_stands_behind_it) {
    ad_tape *tape = ad_tape_new();
    ad_var   w[4], x[3], h[2], u[2], output[5];
    for (int i = 0; i < 4; i++) w[i] = ad_input(tape, 0.1 * (i + 1));
    for (int i = 0; i < 3; i++) x[i] = ad_input(tape, 0.3 * (i + 1));    /* two are active */
    for (int i = 0; i < 2; i++) h[i] = ad_tanh(ad_dot(2, w + 2 * i, x)); /* w (x0, x1) */
    output[0] = ad_sin(ad_dot(2, w, (ad_var[]){x[2], ad_sin(x[2])}));    /* (w0, w1) (x2, sin x2) */
    output[1] = ad_sin(ad_dot(3, (ad_var[]){ad_num(2), ad_num(3), ad_num(4)},
                              (ad_var[]){x[2], x[1], ad_exp(x[1])}));
    output[2] = ad_sin(ad_dot(2, (ad_var[]){w[1], w[0]}, h)); /* (w1, w0) (h0, h1) */
    for (int i = 0; i < 2; i++) u[i] = ad_tanh(ad_dot(2, w + 2 * i, (ad_var[]){output[2], x[2]}));
    output[3] = u[0], output[4] = u[1];
    ad_program *p = ad_compile(&(ad_interface){4, w, 3, x, 5, output, 2});
    cr_assert_not_null(p, "%s", ad_tape_message(tape));
    const uint32_t w0 = p->constants; /* the home of the first param */
    /* clang-format off */
    const struct {
        uint32_t m, n, like, straight;
        size_t   packed;
        bool     on_param, operands_on_param, on_active;
    } want[] = {
        {2, 2, 0, w0,         0, true,  false, true},
        {1, 2, 1, w0,         4, true,  false, false},
        {1, 3, 2, 0,          6, false, false, true},
        {1, 2, 3, UINT32_MAX, 9, true,  true,  true},
        {2, 2, 0, w0,         0, true,  true,  true},
    };
    /* clang-format on */
    cr_assert_eq(p->layers, 5, "%u", (unsigned)p->layers);
    cr_expect_eq(p->packed, 11, "%zu", p->packed);
    for (uint32_t k = 0; k < 5; k++) {
        const ad__layer *l = &p->layer[k];
        cr_expect(l->m == want[k].m && l->n == want[k].n, "layer %u: %u x %u", (unsigned)k,
                  (unsigned)l->m, (unsigned)l->n);
        cr_expect(l->like == want[k].like && l->packed == want[k].packed,
                  "layer %u: like %u, at %zu", (unsigned)k, (unsigned)l->like, l->packed);
        cr_expect_eq(l->straight, want[k].straight, "layer %u: %u", (unsigned)k,
                     (unsigned)l->straight);
        cr_expect_eq(l->on_param, want[k].on_param, "layer %u", (unsigned)k);
        cr_expect_eq(l->operands_on_param, want[k].operands_on_param, "layer %u", (unsigned)k);
        cr_expect_eq(l->on_active, want[k].on_active, "layer %u", (unsigned)k);
    }
    ad_program_free(p);
    ad_tape_free(tape);
}

/* Each has operands of its own or weights of its own, and is not taken for another, whatever the
 * tables of both hold. */
Test(compile, layers_are_told_apart_however_many) {
    enum { N = 120 };
    ad_tape *tape = ad_tape_new();
    ad_var   w[N + 6], x[N + 6], output[3 * N];
    for (int i = 0; i < N + 6; i++) w[i] = ad_input(tape, i), x[i] = ad_input(tape, i);
    for (int i = 0; i < N; i++) {
        output[i] = ad_dot(5, w + i, x + i); /* a layer of one output */
        /* three sets of weights for all of them */
        output[N + i] = ad_dot(2 + (size_t)i % 3, w, x + i);
        output[2 * N + i] = ad_dot(5, w + (i + 1) % N, x + i); /* a second output of the first */
    }
    ad_program *p = ad_compile(&(ad_interface){N + 6, w, N + 6, x, 3 * N, output, 0});
    cr_assert_not_null(p, "%s", ad_tape_message(tape));
    cr_expect_eq(p->layers, 2 * N, "%u", (unsigned)p->layers);
    cr_expect_eq(p->packed, 10 * N + 2 + 3 + 4, "%zu", p->packed);
    size_t own = 0;
    for (uint32_t k = 0; k < p->layers; k++) {
        const ad__layer *l = &p->layer[k], *like = &p->layer[l->like];
        own += l == like;
        cr_expect(l->m == like->m && l->n == like->n && l->packed == like->packed, "layer %u",
                  (unsigned)k);
        cr_expect_eq(memcmp(p->word + l->weight, p->word + like->weight,
                            (size_t)l->m * l->n * sizeof *p->word),
                     0);
        cr_expect(l->n == 5 ? l->m == 2 : l->m == 1, "layer %u: %u x %u", (unsigned)k,
                  (unsigned)l->m, (unsigned)l->n);
    }
    cr_expect_eq(own, N + 3, "%zu", own);
    ad_program_free(p);
    ad_tape_free(tape);
}

/* Constants, params and inputs by their numbers, then what is computed: however they are
 * written. */
Test(compile, operands_that_commute_stand_in_order) {
    ad_tape *tape = ad_tape_new();
    ad_var   w[9], x[9];
    for (int i = 0; i < 9; i++) w[i] = ad_input(tape, i), x[i] = ad_input(tape, i);
    const ad_var number = ad_num(3), early = ad_sin(x[0]), late = ad_sin(early);
    /* clang-format off */
    const struct { ad_var a, b; int first, second; } cases[] = {
        {w[8], number, AD__CONSTANT, AD__PARAM}, {x[8], number, AD__CONSTANT, AD__ROW_INPUT},
        {early, number, AD__CONSTANT, AD__sin},  {x[0], w[8], AD__PARAM, AD__ROW_INPUT},
        {early, w[8], AD__PARAM, AD__sin},       {early, x[8], AD__ROW_INPUT, AD__sin},
        {w[8], w[1], AD__PARAM, AD__PARAM},      {x[8], x[1], AD__ROW_INPUT, AD__ROW_INPUT},
        {late, early, AD__sin, AD__sin},
    };
    /* clang-format on */
    for (size_t k = 0; k < 2 * sizeof cases / sizeof *cases; k++) {
        const ad_var a = k % 2 == 0 ? cases[k / 2].a : cases[k / 2].b,
                     b = k % 2 == 0 ? cases[k / 2].b : cases[k / 2].a;
        const ad_var    y = ad_mul(a, b);
        ad_program     *p = ad_compile(&(ad_interface){9, w, 9, x, 1, &y, 0});
        const ad__node *node = &p->node[p->output[0]], *first = &p->node[node->x],
                       *second = &p->node[node->y];
        cr_expect(first->code == cases[k / 2].first && second->code == cases[k / 2].second,
                  "case %zu", k);
        if (first->code == second->code)
            cr_expect(first->code == AD__sin ? node->x < node->y : first->x == 1, "case %zu", k);
        ad_program_free(p);
    }
    ad_tape_free(tape);
}

static double squares(size_t n, const double x[], void *context) {
    double total = context == NULL ? 0 : *(double *)context;
    for (size_t i = 0; i < n; i++) total += x[i] * x[i];
    return total;
}
static void twice(size_t n, const double x[], double v, double partial[], void *context) {
    (void)v, (void)context;
    for (size_t i = 0; i < n; i++) partial[i] = 2 * x[i];
}
static const ad_custom_op own_op = {"squares", SIZE_MAX, squares, twice, NULL, NULL, NULL};

/* 10 + 1 + 4 + 16 of leaves in no list; and of what varies. */
Test(compile, own_operation_of_constants_is_folded) {
    fixture f;
    open_fixture(&f);
    double       ten = 10;
    const ad_var c = ad_input(f.tape, 1),
                 known = ad_custom(f.tape, &own_op, 3, (ad_var[]){c, ad_num(2), ad_num(4)}, &ten);
    const ad_var y = ad_mul(known, ad_custom(f.tape, &own_op, 3, (ad_var[]){f.x, f.a, c}, NULL));
    ad_program  *p = compiled(&f, y);
    cr_expect_eq(work(p), 2);
    cr_expect_eq(p->count.folded, 1);
    cr_expect_eq(value_at(p, 2, 0, 5), 31 * (25 + 4 + 1));
    same_as_tape(&f, p, y);
    close_fixture(&f, p);
}

/* Rolls compute there as well, and keep what they need. */
Test(compile, own_operations_have_room_for_operands_and_partials) {
    size_t              rolls = 0;
    static const size_t lengths[] = {0, 5, 100, 800, 900, 1000, 1100, 1200, 1300, 1500};
    for (size_t k = 0; k < sizeof lengths / sizeof *lengths; k++) {
        enum { MOST = 1500, TURNS = 64 };
        const size_t n = lengths[k];
        fixture      f;
        open_fixture(&f);
        ad_var x[MOST], total = ad_num(0), w[TURNS];
        for (int i = 0; i < TURNS; i++) w[i] = ad_input(f.tape, i);
        for (int i = 0; i < TURNS; i++) total = ad_add(total, ad_exp(ad_sin(w[i])));
        for (size_t i = 0; i < MOST; i++) x[i] = ad_add(f.x, ad_num((double)i));
        const ad_var own = n == 0 ? f.x : ad_custom(f.tape, &own_op, 2, (ad_var[]){f.x, f.a}, NULL);
        const ad_var y = ad_mul(ad_mul(own, n < 2 ? f.x : ad_logsumexp(n, x)), total);
        f.output = y;
        ad_program *p = ad_compile(&(ad_interface){TURNS, w, 1, &f.x, 1, &f.output, 0});
        cr_assert_not_null(p, "%s", ad_tape_message(f.tape));
        if (n == 0) rolls = p->roll_space;
        /* so that either is the larger for some n */
        cr_assert(rolls > 200 && rolls < 2 * MOST, "%zu", rolls);
        const size_t wanted = rolls > 2 * p->most_operands ? rolls : 2 * p->most_operands;
        if (n > 0) cr_expect_eq(p->roll_space, wanted, "%zu: %zu", n, p->roll_space);
        close_fixture(&f, p);
    }
}

/* Whichever comes first: the words of a reduction, the outputs or the inputs of a layer. */
Test(compile, room_is_kept_for_the_longest_list_of_operands) {
    enum { N = 9 };
    for (int kind = 0; kind < 4; kind++) {
        fixture f;
        open_fixture(&f);
        ad_var x[N], w[N], y[N];
        for (int i = 0; i < N; i++) x[i] = ad_sin(ad_add(f.x, ad_num(i)));
        for (int i = 0; i < N; i++) w[i] = ad_sin(ad_add(f.a, ad_num(i)));
        for (int i = 0; i < N; i++) y[i] = ad_exp(ad_dot(2, (ad_var[]){f.a, w[i]}, x));
        const ad_var few = ad_logsumexp(2, x),
                     out = kind == 0 ? ad_logsumexp(N, x)
                         : kind == 1 ? ad_dot(N, x, y)
                         : kind == 2 ? ad_dot(N, w, x)
                                     : ad_mul(ad_mul(y[0], y[1]), ad_mul(y[2], y[3]));
        ad_program  *p = compiled(&f, ad_mul(few, ad_mul(out, ad_logsumexp(3, x))));
        const size_t want[] = {N, 2 * N, N, 4};
        cr_expect_eq(p->most_operands, want[kind], "kind %d: %zu", kind, p->most_operands);
        same_as_tape(&f, p, f.output);
        close_fixture(&f, p);
    }
}

Test(compile, leaf_in_no_list_is_the_constant_it_is_when_compiled) {
    fixture f;
    open_fixture(&f);
    ad_var c = ad_input(f.tape, 10);
    ad_var y = ad_mul(c, f.x);
    ad_set(c, 20);
    ad_program *p = compiled(&f, y);
    ad_set(c, 30);
    cr_expect_eq(value_at(p, 0, 0, 5), 100);
    close_fixture(&f, p);
}

Test(compile, program_outlives_its_tape) {
    fixture f;
    open_fixture(&f);
    ad_program *p = compiled(&f, ad_mul(f.a, f.x));
    ad_tape_free(f.tape);
    cr_expect_eq(value_at(p, 3, 0, 5), 15);
    ad_program_free(p);
}

/* No recursion: a chain this long would overflow the stack. Sums that are nested to the left are
 * one sum. */
Test(compile, long_chains_compile) {
    fixture f;
    open_fixture(&f);
    ad_var chain = f.x, total = f.x;
    for (int i = 0; i < 300000; i++) {
        chain = ad_sin(ad_mul(chain, f.a));
        total = ad_add(total, chain);
    }
    ad_program *p = compiled(&f, total);
    cr_expect_eq(steps_with(p, AD__sum), 1);
    cr_expect_eq(value_at(p, 0, 0, 5), 5);
    close_fixture(&f, p);
}
