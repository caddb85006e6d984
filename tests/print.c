/* print.c - tests of what ad_program_print says: one small program, word by word, and the lines that depend on size. */
#include "support.h"

#include "expect.h"
#include <locale.h>
#include <stdlib.h>
#include <string.h>

/* The caller frees it. */
static char *printed(const ad_program *p) {
    char  *text = NULL;
    size_t size = 0;
    FILE  *to = open_memstream(&text, &size);
    cr_expect_eq(ad_program_print(p, to), AD_OK);
    fclose(to);
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
    const ad_var turned = ad_sin(w[0]);              /* C does not say which argument is computed first */
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

/* Cut out the line that begins so: what it says depends on the machine, or on how rows are shared out. */
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

Test(print, block_and_why) {
    char *text = printed_chain(9);
    expect_words(text, "bytes a lane, 128 lanes a block\n");
    expect_words(text, "block      128 lanes take ");
    expect_words(text, ": 128, halved while over 32 and past 2 MiB, or over 8 and past 32 MiB\n");
    free(text);
}

Test(print, long_lists_are_cut) {
    char *text = printed_chain(5000);
    expect_words(text, "steps more\n");
    cr_expect(strlen(text) < 120000, "%zu characters", strlen(text));
    free(text);
}

Test(print, numbers_are_written_in_the_c_locale) {
    if (setlocale(LC_ALL, "de_DE.UTF-8") == NULL) cr_skip_test("this machine has no locale with a decimal comma");
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
