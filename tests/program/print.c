/* print.c - tests of what ad_program_print says: one small program, word by word, and the lines
 * that depend on size. */
#include "support.h"

#include "engine/program/plan.h"

#include "expect.h"
#include "lines.h"
#include <locale.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Puts lines that were broken together again: they go on 11 columns further in or more. */
static void mend_lines(char *text) {
    static const char deep[] = "\n           ";
    char             *to = text;
    for (const char *at = text; *at != '\0';) {
        const bool broken = strncmp(at, deep, sizeof deep - 1) == 0;
        *to++ = broken ? ' ' : *at;
        at += broken ? 1 + strspn(at + 1, " ") : 1;
    }
    *to = '\0';
}

/* No line is wider than 80 columns. The caller frees it. */
static char *printed(const ad_program *p) {
    char  *text = NULL;
    size_t size = 0;
    FILE  *to = open_memstream(&text, &size);
    cr_expect_eq(ad_program_print(p, to), AD_OK);
    fclose(to);
    cr_expect(widest_line(text) <= 80, "%s", text);
    mend_lines(text);
    return text;
}

static ad_program *compiled(const ad_interface *face) {
    ad_program *p = ad_compile(face);
    cr_assert_not_null(p, "%s", ad_tape_message(face->output[0].tape));
    return p;
}

/* A layer, a constant leaf with a name and one without, a guard, a dead node, a constant output. */
static ad_program *example(void) {
    ad_tape *tape = ad_tape_new();
    ad_var   w[4], x[2], rate = ad_input(tape, 0.25), half = ad_input(tape, 0.5);
    ad_name(rate, "rate");
    for (int i = 0; i < 4; i++) w[i] = ad_input(tape, i);
    for (int i = 0; i < 2; i++) x[i] = ad_input(tape, i);
    ad_exp(w[0]);
    const ad_var h[] = {ad_tanh(ad_dot(2, w, x)), ad_dot(2, w + 2, x)};
    const ad_var turned = ad_sin(w[0]); /* C does not say which argument is computed first */
    const ad_var scaled = ad_mul(ad_mul(rate, ad_sqrt(half)), turned);
    ad_branch(ad_less(x[0], x[1]));
    const ad_var       total = ad_logsumexp(2, h);
    const ad_var       outputs[] = {ad_add(ad_mul(h[0], scaled), total), ad_num(2.5), x[1]};
    const ad_interface face = {4, w, 2, x, 3, outputs, 1};
    ad_program        *p = compiled(&face);
    ad_tape_free(tape);
    return p;
}

static void expect_words(const char *text, const char *words) {
    cr_expect(strstr(text, words) != NULL, "wanted \"%s\" in:\n%s", words, text);
}

/* Cut out the line that begins so: what it says depends on the machine, or on how rows are shared
 * out. */
static void without(char *text, const char *words) {
    char *line = strstr(text, words), *end = line == NULL ? NULL : strchr(line, '\n');
    cr_assert_not_null(end, "no line %s", words);
    memmove(line, end + 1, strlen(end));
}

Test(print, small_program_word_by_word) {
    static const char golden[] =
        "dead       21 nodes of the tape, of which 20 lead to the outputs\n"
        "fold       20 nodes -> 20 values: 2 were known, 0 equal to others\n"
        "fuse       20 values -> 17: 1 went into sums and dots\n"
        "layers     17 values -> 10 steps: 2 dots in 1 layers, with 4 weights\n"
        "leaves     4 params, 2 inputs (1 active); 3 outputs, 1 guards\n"
        "constants  2; leaves in no list: rate = 0.25, #1 = 0.5\n"
        "steps      2 uniform, once a call; 8 varying, once a block\n"
        "rolls      0, of 0 uniform instructions in all; 2 stay alone\n"
        "  %9         uniform  sin(param[0])\n"
        "  %11        uniform  0.176777 * %9\n"
        "  layer 2 x 2: %6, %8 = weights * (input[0], input[1])\n"
        "  %7         varying  tanh(%6)\n"
        "  %12        varying  input[0] < input[1]\n"
        "  %13        varying  logsumexp(%7, %8)\n"
        "  %14        varying  %7 * %11\n"
        "  %15        varying  %13 + %14\n"
        "  output 0 = %15\n"
        "  output 1 = 2.5\n"
        "  output 2 = input[1]\n"
        "  guard: %12 is not 0\n";
    ad_program *p = example();
    char       *text = printed(p);
    without(text, "gradient "), without(text, "block "), without(text, "kernels ");
    cr_expect_str_eq(text, golden, "%s", text);
    free(text);
    ad_program_free(p);
}

/* ---- lists, which are cut after eight -------------------------------------------------------- */

static double twice_value(size_t n, const double x[], void *context) {
    (void)n, (void)context;
    return x[0] + x[1];
}
static void twice_partials(size_t n, const double x[], double v, double partial[], void *context) {
    (void)n, (void)x, (void)v, (void)context;
    partial[0] = partial[1] = 1;
}
static const ad_custom_op plus = {"plus", 2, twice_value, twice_partials, NULL, NULL, NULL};

/* Lists of eight operands and of more, leaves in no list, an operation of the user's own, a
 * repetition. */
static ad_program *long_one(void) {
    ad_tape *tape = ad_tape_new();
    ad_var   x[10], w[40], fixed[11], part[11], t = ad_num(0);
    for (int i = 0; i < 10; i++) x[i] = ad_input(tape, 0.1 * i);
    for (int i = 0; i < 40; i++) w[i] = ad_input(tape, 0.1 * i);
    for (int i = 0; i < 11; i++) fixed[i] = ad_input(tape, i + 0.5);
    ad_name(fixed[1], "one");
    part[0] = ad_logsumexp(8, x);
    part[1] = ad_logsumexp(9, x);
    part[2] = ad_logsumexp(10, x);
    part[3] = ad_sin(ad_dot(3, x, x + 4));
    part[4] = ad_custom(tape, &plus, 2, (ad_var[]){x[0], x[1]}, NULL);
    part[5] = ad_pick(x[0], 2, x + 1);
    part[6] = ad_exp(ad_dot(9, w, x));
    for (int i = 0; i < 40; i++) t = ad_add(t, ad_exp(ad_sin(w[i])));
    part[7] = ad_mul(x[0], t);
    const ad_var less = ad_less(x[0], x[1]), more = ad_less(x[2], x[1]);
    ad_branch(less), ad_branch(more);
    part[8] = ad_pick(x[0], 11, fixed);
    ad_program *p = ad_compile(&(ad_interface){40, w, 10, x, 9, part, 0});
    cr_assert_not_null(p, "%s", ad_tape_message(tape));
    ad_tape_free(tape);
    return p;
}

Test(print, each_list_is_written_up_to_eight_and_the_rest_counted) {
    static const char *const lines[] = {
        "constants  12; leaves in no list: #50 = 0.5, one = 1.5, #52 = 2.5, #53 = 3.5, #54 = 4.5, "
        "#55 = 5.5, #56 = 6.5, #57 = 7.5, ... 3 more\n",
        "rolls      1, of 120 uniform instructions in all; 1 stay alone\n"
        "  roll       40 times (sin, exp, +=) in blocks of 40, 2 results kept inside\n",
        "  %151       uniform  sum(0, %71, %74, %76, %78, %80, %82, %84, ... 33 more)\n",
        "  %61        varying  logsumexp(input[0], input[1], input[2], input[3], input[4], "
        "input[5], input[6], input[7])\n",
        "  %62        varying  logsumexp(input[0], input[1], input[2], input[3], input[4], "
        "input[5], input[6], input[7], ... 1 more)\n",
        "  %63        varying  logsumexp(input[0], input[1], input[2], input[3], input[4], "
        "input[5], input[6], input[7], ... 2 more)\n",
        "  %64        varying  dot(input[0], input[1], input[2]; input[4], input[5], input[6])\n",
        "  %66        varying  plus(input[0], input[1])\n",
        "  %67        varying  pick(input[0], input[1], input[2])\n",
        "  layer 1 x 9: %68 = weights * (input[0], input[1], input[2], input[3], input[4], "
        "input[5], input[6], input[7], ... 1 more)\n",
        "  %155       varying  pick(input[0], 0.5, 1.5, 2.5, 3.5, 4.5, 5.5, 6.5, ... 4 more)\n",
        "  output 8 = %155\n  guard: %153 is not 0\n  guard: %154 is 0\n",
    };
    ad_program *p = long_one();
    char       *text = printed(p);
    for (size_t k = 0; k < sizeof lines / sizeof *lines; k++) expect_words(text, lines[k]);
    free(text);
    ad_program_free(p);
}

/* A body of so many functions and the sum that they go into. */
Test(print, body_of_a_repetition_is_written_up_to_eight_names) {
    static const char *const names[] = {
        "(sin, cos, exp, tanh, atan, erf, sinh, +=) in blocks of ",
        "(sin, cos, exp, tanh, atan, erf, sinh, sigmoid, ... 1 more) in blocks of ",
        "(sin, cos, exp, tanh, atan, erf, sinh, sigmoid, ... 2 more) in blocks of ",
    };
    ad_var (*const one[])(ad_var) = {ad_sin, ad_cos,  ad_exp,     ad_tanh,    ad_atan,
                                     ad_erf, ad_sinh, ad_sigmoid, ad_softplus};
    for (int length = 7; length <= 9; length++) {
        ad_tape *tape = ad_tape_new();
        ad_var   w[50], x = ad_input(tape, 1), total = ad_num(0);
        for (int i = 0; i < 50; i++) w[i] = ad_input(tape, 0.02 * i);
        for (int i = 0; i < 50; i++) {
            ad_var v = w[i];
            for (int k = 0; k < length; k++) v = one[k](v);
            total = ad_add(total, v);
        }
        const ad_var y = ad_mul(x, total);
        ad_program  *p = compiled(&(ad_interface){50, w, 1, &x, 1, &y, 0});
        char        *text = printed(p);
        expect_words(text, names[length - 7]);
        free(text);
        ad_program_free(p);
        ad_tape_free(tape);
    }
}

/* Three dots over two operands, two over three. */
Test(print, dots_of_all_layers_are_counted) {
    ad_tape *tape = ad_tape_new();
    ad_var   w[12], x[3], y[5];
    for (int i = 0; i < 12; i++) w[i] = ad_input(tape, i);
    for (int i = 0; i < 3; i++) x[i] = ad_input(tape, i);
    for (int i = 0; i < 5; i++)
        y[i] = i < 3 ? ad_dot(2, w + 2 * i, x) : ad_dot(3, w + 3 * (i - 3), x);
    ad_program *p = compiled(&(ad_interface){12, w, 3, x, 5, y, 0});
    char       *text = printed(p);
    expect_words(text, ": 5 dots in 2 layers, with 12 weights\n");
    expect_words(text, "\nconstants  0\n");
    free(text);
    ad_program_free(p);
    ad_tape_free(tape);
}

static size_t count_of(const char *text, const char *part) {
    size_t n = 0;
    for (; (text = strstr(text, part)) != NULL; text += strlen(part)) n++;
    return n;
}

/* Rows side by side, each with an output and a guard. */
Test(print, outputs_and_guards_are_written_up_to_two_thousand) {
    enum { N = 2005 };
    ad_tape *tape = ad_tape_new();
    ad_var   x = ad_input(tape, 1), output[N];
    for (int i = 0; i < N; i++) {
        output[i] = ad_mul(x, ad_num(i + 2));
        ad_branch(ad_less(output[i], ad_num(-1)));
    }
    const ad_var last = output[N - 1];
    output[0] = last; /* so that all branches count */
    ad_program *p = compiled(&(ad_interface){0, NULL, 1, &x, N, output, 0});
    char       *text = printed(p);
    cr_expect_eq(count_of(text, "  output "), 2000, "%zu", count_of(text, "  output "));
    cr_expect_eq(count_of(text, "  guard: "), 2000, "%zu", count_of(text, "  guard: "));
    free(text);
    ad_program_free(p);
    ad_tape_free(tape);
}

/* The products, the exponentials and their logsumexp; only a gradient wants them. */
Test(print, values_of_one_row_that_go_side_by_side_are_told_where_there_are_params) {
    for (size_t params = 0; params <= 1; params++) {
        ad_tape *tape = ad_tape_new();
        ad_var   w = ad_input(tape, 2), x[64], v[64];
        for (int i = 0; i < 64; i++) x[i] = ad_input(tape, 0.1 * i);
        const ad_var weight = ad_sin(w);
        for (int i = 0; i < 64; i++) v[i] = ad_exp(ad_mul(x[i], weight));
        const ad_var y = ad_logsumexp(64, v);
        ad_program  *p = compiled(&(ad_interface){params, &w, 64, x, 1, &y, 0});
        char        *text = printed(p);
        cr_expect_eq(
            count_of(text, "single     one row: its 193 varying steps side by side in 3 teams\n"),
            params, "%s", text);
        cr_expect_eq(count_of(text, "\nsingle "), params);
        cr_expect_eq(count_of(text, "\ngradient "), params);
        cr_expect_eq(count_of(text, "\njacobian "), 1 - params);
        free(text);
        ad_program_free(p);
        ad_tape_free(tape);
    }
}

/* Inputs are steps too. */
Test(print, one_team_is_told) {
    ad_tape *tape = ad_tape_new();
    ad_var   w = ad_input(tape, 2), x[64], v[64];
    for (int i = 0; i < 64; i++) x[i] = ad_input(tape, 0.1 * i);
    for (int i = 0; i < 64; i++) v[i] = ad_mul(x[i], w);
    ad_program *p = compiled(&(ad_interface){1, &w, 64, x, 64, v, 0});
    char       *text = printed(p);
    expect_words(text, "single     one row: its 128 varying steps side by side in 1 teams\n");
    free(text);
    ad_program_free(p);
    ad_tape_free(tape);
}

/* ---- sizes ----------------------------------------------------------------------------------- */

/* An index that picks nothing is found when the program runs, so what is known already is a step.
 * The index and those it picks from are leaves in no list. */
Test(print, leaves_in_no_list_are_told_up_to_eight_and_known_steps_are_constant) {
    static const char *const ends[] = {
        "no list: #0 = 9, #1 = 0.5\n",
        "no list: #0 = 9, #1 = 0.5, #2 = 1.5, #3 = 2.5, #4 = 3.5, #5 = 4.5, #6 = 5.5, #7 = 6.5\n",
        ("no list: #0 = 9, #1 = 0.5, #2 = 1.5, #3 = 2.5, #4 = 3.5, #5 = 4.5, #6 = 5.5, #7 = 6.5, "
         "... 1 more\n"),
    };
    for (size_t k = 0; k < 3; k++) {
        const size_t n = k == 0 ? 1 : 6 + k;
        ad_tape     *tape = ad_tape_new();
        ad_var       at = ad_input(tape, 0), from[8];
        for (size_t i = 0; i < n; i++) from[i] = ad_input(tape, (double)i + 0.5);
        const ad_var x = ad_input(tape, 2), y = ad_mul(x, ad_pick(at, n, from));
        ad_set(at, 9);
        ad_program *p = compiled(&(ad_interface){0, NULL, 1, &x, 1, &y, 0});
        char       *text = printed(p);
        expect_words(text, ends[k]);
        expect_words(text, "  constant  pick(9, 0.5");
        free(text);
        ad_program_free(p);
        ad_tape_free(tape);
    }
}

Test(print, one_leaf_in_no_list_is_told) {
    ad_tape    *tape = ad_tape_new();
    ad_var      x = ad_input(tape, 2), y = ad_mul(x, ad_input(tape, 0.25));
    ad_program *p = compiled(&(ad_interface){0, NULL, 1, &x, 1, &y, 0});
    char       *text = printed(p);
    expect_words(text, "constants  1; leaves in no list: #1 = 0.25\n");
    free(text);
    ad_program_free(p);
    ad_tape_free(tape);
}

/* Sixteen sines, sixteen cosines, and so on; the last roll is that of the sum. */
static char *printed_repetitions(size_t groups) {
    enum { TURNS = 16 };
    ad_tape *tape = ad_tape_new();
    ad_var  *w = malloc(groups * TURNS * sizeof *w), *v = malloc(groups * TURNS * sizeof *v),
           x = ad_input(tape, 1);
    for (size_t i = 0; i < groups * TURNS; i++) w[i] = ad_input(tape, 1);
    for (size_t i = 0; i < groups * TURNS; i++)
        v[i] = i / TURNS % 2 == 0 ? ad_sin(w[i]) : ad_cos(w[i]);
    const ad_var y = ad_mul(x, ad_logsumexp(groups * TURNS, v));
    ad_program  *p = compiled(&(ad_interface){groups * TURNS, w, 1, &x, 1, &y, 0});
    char        *text = printed(p);
    free(w), free(v);
    ad_program_free(p);
    ad_tape_free(tape);
    return text;
}

Test(print, repetitions_are_written_up_to_two_thousand) {
    char *text = printed_repetitions(2004), *whole = printed_repetitions(2000);
    expect_words(text, "rolls      2004, of 32064 uniform instructions in all; 1 stay alone\n");
    expect_words(text, "  ... and 4 rolls more\n");
    cr_expect_eq(count_of(text, "  roll  "), 2000, "%zu", count_of(text, "  roll  "));
    cr_expect_eq(count_of(whole, "  roll  "), 2000, "%zu", count_of(whole, "  roll  "));
    cr_expect_eq(count_of(whole, " rolls more\n"), 0);
    free(text), free(whole);
}

/* A chain of n values that all vary. */
static char *printed_chain(int n) {
    ad_tape *tape = ad_tape_new();
    ad_var   x = ad_input(tape, 1), y = x;
    for (int i = 0; i < n; i++) y = ad_sin(y);
    const ad_interface face = {0, NULL, 1, &x, 1, &y, 0};
    ad_program        *p = compiled(&face);
    char              *text = printed(p);
    ad_program_free(p);
    ad_tape_free(tape);
    return text;
}

/* The condition is in no list: known, and so is which side is taken. */
Test(print, choice_that_is_known_is_counted) {
    ad_tape           *tape = ad_tape_new();
    ad_var             c = ad_input(tape, 1), w = ad_input(tape, 2), x = ad_input(tape, 3);
    const ad_var       y = ad_mul(ad_where(c, w, x), x);
    const ad_interface face = {1, &w, 1, &x, 1, &y, 0};
    ad_program        *p = compiled(&face);
    char              *text = printed(p);
    expect_words(text, ": 1 were known, 0 equal to others\n");
    free(text);
    ad_program_free(p);
    ad_tape_free(tape);
}

/* What is told is the plan of a gradient, or of a jacobian where there are no params. */
static void plan_is_told(size_t params, size_t inputs) {
    ad_tape *tape = ad_tape_new();
    ad_var   w[2], *x = malloc(inputs * sizeof *x), *v = malloc(inputs * sizeof *v);
    char     line[200];
    for (int i = 0; i < 2; i++) w[i] = ad_input(tape, 2 + i);
    for (size_t i = 0; i < inputs; i++) x[i] = ad_input(tape, 0.001 * (double)i);
    for (size_t i = 0; i < inputs; i++)
        v[i] = i % 2 == 0 ? ad_exp(ad_mul(x[i], w[0])) : ad_sin(x[i]);
    const ad_var    y = ad_logsumexp(inputs, v);
    ad_program     *p = compiled(&(ad_interface){params, w, inputs, x, 1, &y, 0});
    const ad__plan *plan = ad__plan_for(p, params > 0 ? AD__GRADIENT : AD__JACOBIAN);
    const ad__plan *other = ad__plan_for(p, params > 0 ? AD__JACOBIAN : AD__GRADIENT);
    cr_assert(plan != NULL && other != NULL && plan->moves != other->moves);
    char *text = printed(p);
    snprintf(line, sizeof line,
             "%s   %zu moves forward, %zu in reverse over %zu rows: %zu bytes a lane, %zu lanes a "
             "block\n",
             params > 0 ? "gradient" : "jacobian", plan->forwards, plan->moves, plan->rows,
             8 * plan->rows, plan->block);
    expect_words(text, line);
    snprintf(line, sizeof line,
             "block      %zu lanes take %.0f KiB: 128, halved while over 32 and past 2 MiB, or "
             "over 8 and past 32 MiB\n",
             plan->block, ceil((double)(plan->block * plan->rows) * 8 / 1024));
    expect_words(text, line);
    free(text);
    free(x), free(v);
    ad_program_free(p);
    ad_tape_free(tape);
}

Test(print, plan_and_block_and_why) {
    plan_is_told(0, 20), plan_is_told(1, 20), plan_is_told(2, 20);
    plan_is_told(1, 1500);
}

Test(print, long_lists_are_cut) {
    char *text = printed_chain(5000);
    expect_words(text, "  ... and 3001 steps more\n"); /* the input is a step, and no line */
    cr_expect_eq(count_of(text, "... and "), 1);
    cr_expect_eq(count_of(text, "varying  sin("), 1999, "%zu", count_of(text, "varying  sin("));
    free(text);
}

Test(print, two_thousand_steps_are_whole) {
    char *text = printed_chain(1999);
    cr_expect_eq(count_of(text, "varying  sin("), 1999);
    cr_expect_eq(count_of(text, "... and "), 0);
    free(text);
}

Test(print, numbers_are_written_in_the_c_locale) {
    if (setlocale(LC_ALL, "de_DE.UTF-8") == NULL)
        cr_skip_test("this machine has no locale with a decimal comma");
    ad_program *p = example();
    char       *text = printed(p);
    expect_words(text, "rate = 0.25");
    free(text);
    ad_program_free(p);
}

Test(print, file_that_cannot_be_written_is_reported) {
    ad_program *p = example();
    FILE       *full = fopen("/dev/full", "w");
    if (full == NULL) cr_skip_test("no /dev/full here");
    cr_expect_eq(ad_program_print(p, full), AD_BAD_FILE);
    fclose(full);
    cr_expect_eq(ad_program_print(p, NULL), AD_BAD_ARGUMENT);
    cr_expect_eq(ad_program_print(NULL, stdout), AD_BAD_ARGUMENT);
    ad_program_free(p);
}
