/* lesson_print.c - tests of nn/lesson_print.c: the output on a terminal. */
#include "lesson_fixture.h"

static char  *text;
static size_t length;

static void drop_both(void) {
    free(text);
    drop();
}

TestSuite(lesson_print, .init = make, .fini = drop_both);

static void print(bool ascii, const char *title, const char *const outputs[]) {
    make_lesson(title, outputs);
    FILE *to = open_memstream(&text, &length);
    cr_expect_eq(nn_lesson_print(lesson, 1, ascii, to), AD_OK);
    fclose(to);
}

static void expect_in(const char *format, double x) {
    char words[100];
    snprintf(words, sizeof words, format, x);
    cr_expect(strstr(text, words) != NULL, "\"%s\" is not in:\n%s", words, text);
}

Test(lesson_print, shows_the_numbers_of_the_example) {
    print(true, NULL, NULL);
    const nn__example *p = &lesson->example[1];
    for (size_t u = 0; u < lesson->units; u++)
        expect_in(" z %9.4f   a ", p->z[u]), expect_in("   a %9.4f  ", p->a[u]);
    for (size_t k = 0; k < lesson->outputs; k++)
        expect_in(" probability %8.4f   wanted ", p->guess[k]);
    for (size_t i = 0; i < 2; i++) expect_in(" %9.4f\n", p->input[i]);
    expect_in(") = %.6g\n", p->loss);
    expect_in(" -> %.6g   the step went", lesson->loss_after);
}

static void expect_ascii(void) {
    for (size_t i = 0; i < length; i++) cr_assert((unsigned char)text[i] < 0x80, "byte %zu", i);
}

Test(lesson_print, units_outside_ascii_stay_outside_ascii_output) {
    print(true, NULL, NULL);
    expect_ascii();
}

Test(lesson_print, names_outside_ascii_stay_outside_ascii_output) {
    print(true, "\xc3\xbc\xff",
          (const char *const[]){"\xe2\x88\x82", "\xff\xfe", "\xf0\x9f\xa6\x93"});
    expect_ascii();
}

/* Twenty characters of two bytes each, and one more. */
Test(lesson_print, names_are_cut_between_characters) {
    char name[43] = "";
    for (int i = 0; i < 21; i++) strcat(name, "\xc3\xa4");
    print(false, NULL, (const char *const[]){name, "x\xff", name});
    for (const char *at = text; *at != '\0'; at += nn__character(at))
        cr_assert_gt(nn__character(at), 0);
    name[40] = '\0';
    strcat(name, " ");
    cr_expect(strstr(text, name) != NULL, "%s", text);
}

Test(lesson_print, a_step_too_small_to_see_did_not_go_too_far) {
    nn_lesson_config config = usual();
    config.rate = 1e-30;
    lesson = nn_lesson_new(model, mlp, data, &config);
    cr_assert_not_null(lesson, "%s", nn_model_message(model));
    FILE *to = open_memstream(&text, &length);
    cr_expect_eq(nn_lesson_print(lesson, 1, true, to), AD_OK);
    fclose(to);
    expect_in(" -> %.6g   the step is too small to see", lesson->loss_after);
}

Test(lesson_print, names_do_not_steer_the_terminal) {
    print(false, "a\x1b[2J", (const char *const[]){"\x1b]0;title\a", "b\nc", "\x7f\b"});
    for (size_t i = 0; i < length; i++)
        cr_assert((unsigned char)text[i] >= 0x20 || text[i] == '\n', "byte %zu is %d", i, text[i]);
    cr_expect(strstr(text, "b\nc") == NULL && strchr(text, 0x7f) == NULL);
}

/* U+009B is ESC [ in one character; U+00A0 is not a control character. */
Test(lesson_print, control_characters_of_two_bytes_do_not_steer_it_either) {
    print(false,
          "a\xc2\x9b"
          "2J",
          (const char *const[]){"\xc2\x90", "\xc2\x80\xc2\x9f", "x\xc2\xa0y"});
    for (const char *at = text; (at = strchr(at, '\xc2')) != NULL; at++)
        cr_assert_geq((unsigned char)at[1], 0xa0);
    cr_expect(strstr(text, "x\xc2\xa0y") != NULL);
}

Test(lesson_print, what_cannot_be_printed_is_a_status) {
    print(true, NULL, NULL);
    cr_expect_eq(nn_lesson_print(lesson, 2, true, stdout), AD_BAD_ARGUMENT);
    cr_expect_eq(nn_lesson_print(lesson, 0, true, NULL), AD_BAD_ARGUMENT);
    cr_expect_eq(nn_lesson_print(NULL, 0, true, stdout), AD_BAD_ARGUMENT);
    FILE *full = fopen("/dev/full", "w");
    if (full == NULL) cr_skip_test("no /dev/full on this machine");
    cr_expect_eq(nn_lesson_print(lesson, 0, true, full), AD_BAD_FILE);
    fclose(full);
}
