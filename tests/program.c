/* program.c - tests of compiling: what a piece of tape becomes, and what is refused. What programs compute
 * is tested in lanes.c. */
#include "support.h"

#include "engine/program.h"

#include "expect.h"
#include <math.h>
#include <string.h>

/* A tape with three leaves, and the interface of the first test that needs one: a and b are params, x an input. */
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

/* ---- what is refused -------------------------------------------------------------------------- */

static void refused(fixture *f, const ad_interface *face, ad_status status, const char *words) {
    cr_expect_null(ad_compile(face));
    cr_expect_eq(ad_tape_status(f->tape), status, "%s", ad_tape_message(f->tape));
    cr_expect(strstr(ad_tape_message(f->tape), words) != NULL, "wanted \"%s\": %s", words, ad_tape_message(f->tape));
    ad_tape_clear(f->tape);
    ad_program *p = ad_compile(&f->face);
    cr_expect_not_null(p, "the tape is good for nothing after: %s", words);
    ad_program_free(p);
}

#define REFUSED(name, status, words, ...)          \
    Test(program, name) {                          \
        fixture f;                                 \
        open_fixture(&f);                          \
        ad_interface face = f.face;                \
        ad_var       x[] = {f.a, f.b, f.x};        \
        (void)x;                                   \
        __VA_ARGS__;                               \
        refused(&f, &face, status, words);         \
        close_fixture(&f, NULL);                   \
    }

REFUSED(no_outputs, AD_BAD_ARGUMENT, "no outputs", face.outputs = 0)
REFUSED(missing_list_of_outputs, AD_BAD_ARGUMENT, "1 outputs is NULL", face.output = NULL)
REFUSED(missing_list_of_params, AD_BAD_ARGUMENT, "2 params is NULL", face.param = NULL)
REFUSED(missing_list_of_inputs, AD_BAD_ARGUMENT, "1 inputs is NULL", face.input = NULL)
REFUSED(more_active_inputs_than_inputs, AD_BAD_ARGUMENT, "2 active inputs, but only 1 inputs", face.active = 2)
REFUSED(leaf_listed_twice, AD_BAD_ARGUMENT, "param[1] is listed twice", x[1] = f.a; face.param = x)
REFUSED(leaf_that_is_param_and_input, AD_BAD_ARGUMENT, "input[0] is listed twice", face.input = &f.a)
REFUSED(result_of_an_operation_as_param, AD_BAD_ARGUMENT, "param[1] is the result of an operation",
        x[1] = ad_exp(f.a); face.param = x)
REFUSED(plain_number_as_input, AD_BAD_ARGUMENT, "input[0] is a plain number", x[0] = ad_num(1); face.input = x)
REFUSED(more_leaves_than_numbers, AD_BAD_ARGUMENT, "more than a program can hold", face.params = SIZE_MAX - 1)

Test(program, handles_of_two_tapes_mark_both) {
    for (int which = 0; which < 3; which++) {
        fixture f, g;
        open_fixture(&f), open_fixture(&g);
        ad_var       x[] = {f.a, g.b};
        ad_interface face = f.face;
        if (which == 0) face.param = x;
        if (which == 1) face.input = &g.x;
        if (which == 2) face.output = &g.x;
        cr_expect_null(ad_compile(&face));
        cr_expect_eq(ad_tape_status(f.tape), AD_TWO_TAPES, "list %d: %s", which, ad_tape_message(f.tape));
        cr_expect_eq(ad_tape_status(g.tape), AD_TWO_TAPES, "list %d", which);
        cr_expect(strstr(ad_tape_message(f.tape), "ad_compile") != NULL, "%s", ad_tape_message(f.tape));
        close_fixture(&f, NULL), close_fixture(&g, NULL);
    }
}

Test(program, forgotten_handles_are_stale) {
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
        refused(&f, &face, AD_STALE, which == 0 ? "ad_compile: params" : which == 1 ? "ad_compile: inputs"
                                                                                     : "ad_compile: outputs");
        close_fixture(&f, NULL);
    }
}

Test(program, tape_with_an_error_keeps_it) {
    fixture f;
    open_fixture(&f);
    ad_set(ad_exp(f.x), 1);
    const ad_status before = ad_tape_status(f.tape);
    cr_expect_null(ad_compile(&f.face));
    cr_expect_eq(ad_tape_status(f.tape), before);
    close_fixture(&f, NULL);
}

Test(program, nothing_at_all_is_no_program) {
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

/* A branch whose condition is known when compiled has no lane to be tested in. */
Test(program, constant_condition_that_has_turned_is_refused) {
    fixture f;
    open_fixture(&f);
    ad_var c = ad_input(f.tape, 1);
    cr_assert(ad_branch(ad_less(ad_num(0), c)));
    f.output = ad_mul(f.x, c);
    ad_program_free(compiled(&f, f.output));
    ad_set(c, -1);
    cr_expect_null(ad_compile(&f.face));
    cr_expect_eq(ad_tape_status(f.tape), AD_BRANCH_CHANGED);
    cr_expect(strstr(ad_tape_message(f.tape), "(x < y, x = 0, y = -1) was taken when recorded") != NULL, "%s", ad_tape_message(f.tape));
    close_fixture(&f, NULL);
}

/* ---- what a piece of tape becomes ------------------------------------------------------------- */

#define BECOMES(name, count, result)               \
    Test(program, name) {                          \
        fixture f;                                 \
        open_fixture(&f);                          \
        const ad_var a = f.a, b = f.b, x = f.x;    \
        (void)a, (void)b, (void)x;                 \
        ad_program *p = compiled(&f, result);      \
        cr_expect_eq(work(p), (size_t)(count), "%zu steps", work(p)); \
        close_fixture(&f, p);                      \
    }

BECOMES(dead_nodes_are_dropped, 1, (ad_exp(a), ad_tanh(ad_add(a, x)), ad_mul(x, a)))
BECOMES(constants_are_folded, 1, ad_mul(x, ad_exp(ad_add(ad_input(f.tape, 1), ad_num(2)))))
BECOMES(equal_nodes_are_shared, 3, ad_div(ad_exp(ad_mul(a, x)), ad_exp(ad_mul(x, a))))

/* More users of one value, and of every constant, than stand near it in the table of values; each recorded twice. */
Test(program, equal_users_of_one_value_are_shared_however_many) {
    enum { USERS = 20000 };
    fixture f;
    open_fixture(&f);
    ad_var once = ad_num(0), again = ad_num(0);
    for (int i = 0; i < USERS; i++) once = ad_add(once, ad_exp(ad_add(f.a, ad_num(i + 0.5))));
    for (int i = 0; i < USERS; i++) again = ad_add(again, ad_exp(ad_add(ad_num(i + 0.5), f.a)));
    ad_program *p = compiled(&f, ad_mul(f.x, ad_add(ad_sin(once), again)));
    cr_expect_eq(p->count.shared, 3*USERS, "%zu", p->count.shared);       /* a + i, exp, the sum so far */
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
BECOMES(output_that_is_an_input_needs_no_step, 0, x)
BECOMES(output_that_is_a_param_needs_no_step, 0, a)
BECOMES(output_that_is_a_number_needs_no_step, 0, ad_num(4))

static double value_at(const ad_program *p, double a, double b, double x) {
    const double param[] = {a, b};
    double       output = NAN;
    cr_expect_eq(ad_program_values(p, param, 1, &x, &output), AD_OK);
    return output;
}

/* More values with the same newest operand than a line of the table holds, and the table grows meanwhile: each is
 * found again. Quotients, since products may be turned round and sums be gathered. */
Test(program, equal_nodes_are_shared_however_many_have_an_operand_in_common) {
    enum { LEAVES = 70 };
    ad_tape *tape = ad_tape_new();
    ad_var   x[LEAVES], term[2][LEAVES*LEAVES], both[2];
    for (int i = 0; i < LEAVES; i++) x[i] = ad_input(tape, 1 + i);
    for (int k = 0; k < 2; k++) {
        for (int i = 0; i < LEAVES; i++)
            for (int j = 0; j < LEAVES; j++) term[k][i*LEAVES + j] = ad_div(x[i], x[j]);
        both[k] = ad_logsumexp(LEAVES*LEAVES, term[k]);
    }
    ad_program *p = ad_compile(&(ad_interface){0, NULL, LEAVES, x, 2, both, 0});
    cr_assert_not_null(p, "%s", ad_tape_message(tape));
    cr_expect_eq(p->nodes, LEAVES + LEAVES*LEAVES + 1, "%lu", (unsigned long)p->nodes);
    ad_program_free(p);
    ad_tape_free(tape);
}

Test(program, zeros_of_both_signs_stay_apart) {
    fixture f;
    open_fixture(&f);
    ad_program *p = compiled(&f, ad_sub(ad_atan2(ad_num(0), f.x), ad_atan2(ad_num(-0.0), f.x)));
    cr_expect_float_eq(value_at(p, 0, 0, -1), 6.283185307179586, 1e-15);      /* 2 pi */
    close_fixture(&f, p);
}

Test(program, constant_that_is_not_a_number_stays_one) {
    fixture f;
    open_fixture(&f);
    ad_var      nan = ad_input(f.tape, NAN);
    ad_program *p = compiled(&f, ad_where(ad_less(f.x, ad_num(0)), ad_mul(f.a, nan), ad_mul(f.x, f.a)));
    cr_expect(isnan(value_at(p, 2, 0, -1)));
    cr_expect_eq(value_at(p, 2, 0, 3), 6);
    close_fixture(&f, p);
}

/* The members of a layer are computed where the first of them stands; what the second needs besides, its
 * weights, depends on parameters alone and is there before any lane. */
Test(program, layer_whose_later_member_has_weights_recorded_later) {
    fixture f;
    open_fixture(&f);
    const ad_var x[] = {f.x, ad_sin(f.x)}, first[] = {f.a, f.b};
    ad_var       one = ad_dot(2, first, x);
    const ad_var second[] = {ad_exp(f.a), ad_mul(f.a, f.b)};
    ad_var       two = ad_dot(2, second, x);
    ad_program  *p = compiled(&f, ad_mul(one, two));
    cr_expect_eq(p->layers, 1);
    cr_expect_eq(p->layer[0].m, 2);
    const double want = (2*5 + 3*sin(5))*(exp(2)*5 + 6*sin(5));
    cr_expect(close_to(value_at(p, 2, 3, 5), want, 1e-15, 0));
    close_fixture(&f, p);
}

/* One layer of two outputs at each of two steps; the weights are packed once, and both steps add to their gradient. */
Test(program, layers_with_the_same_weights_share_them) {
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
    for (int i = 0; i < 2; i++) cr_expect(close_to(grad[i], want[i], 1e-14, 0), "%.17g, not %.17g", grad[i], want[i]);
    close_fixture(&f, p);
}

Test(program, leaf_in_no_list_is_the_constant_it_is_when_compiled) {
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

Test(program, program_outlives_its_tape) {
    fixture f;
    open_fixture(&f);
    ad_program *p = compiled(&f, ad_mul(f.a, f.x));
    ad_tape_free(f.tape);
    cr_expect_eq(value_at(p, 3, 0, 5), 15);
    ad_program_free(p);
}

/* No recursion: a chain this long would overflow the stack. Sums that are nested to the left are one sum. */
Test(program, long_chains_compile) {
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

/* ---- messages --------------------------------------------------------------------------------- */

Test(program, message_is_cut_to_fit_and_its_whole_length_returned) {
    fixture f;
    open_fixture(&f);
    ad_program *p = compiled(&f, f.x);
    char        text[8] = "1234567", whole[200];
    double      number = 1;
    cr_expect_eq(ad_program_message(p, sizeof text, text), 0);
    cr_expect_str_eq(text, "");
    cr_expect_eq(ad_program_values(p, NULL, 1, &number, &number), AD_BAD_ARGUMENT);
    const size_t length = ad_program_message(p, sizeof text, text);
    cr_expect_eq(ad_program_message(p, sizeof whole, whole), length);
    cr_expect_eq(strlen(whole), length);
    cr_expect(strlen(text) == 7 && strncmp(text, whole, 7) == 0, "%s", text);
    cr_expect_eq(ad_program_message(p, 0, NULL), length);
    close_fixture(&f, p);
}
