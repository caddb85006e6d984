/* lesson_print.c - tests of nn/lesson_print.c: the output on a terminal. */
#include "lesson_fixture.h"
#include "lines.h"

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

/* Twenty characters of two bytes each, and one more: the middle gives way. */
Test(lesson_print, names_are_cut_between_characters) {
    char name[43] = "";
    for (int i = 0; i < 21; i++) strcat(name, "\xc3\xa4");
    print(false, NULL, (const char *const[]){name, "x\xff", name});
    for (const char *at = text; *at != '\0'; at += nn__character(at))
        cr_assert_gt(nn__character(at), 0);
    cr_expect(strstr(text, "    \u00e4\u00e4\u00e4\u00e4\u00e4\u00e4\u00e4\u00e4\u00e4..."
                           "\u00e4\u00e4\u00e4\u00e4\u00e4\u00e4\u00e4\u00e4 z ") != NULL,
              "%s", text);
}

/* Another network in place of the usual one. */
static void remake(size_t layers, const size_t sizes[]) {
    nn_lesson_free(lesson), lesson = NULL;
    nn_mlp_free(mlp);
    nn_model_free(model);
    model = nn_model_new(tape, 3);
    mlp = nn_mlp_new(model, &(nn_mlp_config){.layers = layers, .sizes = sizes, .hidden = ad_relu});
}

static void print_lesson(const nn_data *of, nn_lesson_config config) {
    nn_lesson_free(lesson);
    lesson = nn_lesson_new(model, mlp, of, &config);
    cr_assert_not_null(lesson, "%s", nn_model_message(model));
    free(text);
    FILE *to = open_memstream(&text, &length);
    cr_expect_eq(nn_lesson_print(lesson, 0, false, to), AD_OK);
    fclose(to);
}

/* Inputs of this size, names longer than any table has room for. */
static void expect_to_fit(double size, double rate) {
    static const char *name = "a name of so many letters that it cannot stand in a table in full";
    const double       pair[] = {size, 3 * size, 0, -size / 7, size, 2};
    nn_data           *own = nn_data_new(2, 2, 1, pair);
    print_lesson(own, (nn_lesson_config){.rows = 2,
                                         .row = (const size_t[]){0, 1},
                                         .rate = rate,
                                         .title = name,
                                         .input_names = (const char *const[]){name, "x"},
                                         .output_names = (const char *const[]){name, name, "y"}});
    nn_data_free(own);
    cr_expect(widest_line(text) <= 80, "%zu columns:\n%s", widest_line(text), text);
}

/* Numbers of every size, layers of more units than stand beside each other. */
Test(lesson_print, fits_80_columns_whatever_the_numbers_are) {
    static const double sizes[] = {1, 1e-7, 1234567.8, -1e100};
    for (int k = 0; k < 2; k++) {
        remake(4, k == 0 ? (const size_t[]){2, 9, 12, 7, 3} : (const size_t[]){2, 1, 1, 100, 3});
        for (int i = 0; i < 4; i++) {
            expect_to_fit(sizes[i], 1);
            expect_to_fit(sizes[i], 1.2345678e-300);
        }
    }
}

/* All columns of a wide layer are there, in tables below each other. */
Test(lesson_print, wide_layers_have_several_tables) {
    remake(2, (const size_t[]){2, 6, 3});
    print_lesson(data, usual());
    const char *first = strstr(text, "h1.1       h1.2       h1.3       h1.4\n"),
               *second = strstr(text, "h1.5       h1.6       bias\n");
    cr_expect(first != NULL && second > first, "%s", text);
}

/* 76 columns are two for each of 38 pixels; of 100 x 100 a square of 3 x 3 is one. */
Test(lesson_print, wide_images_are_shown_in_squares) {
    static double pixels[10001];
    for (int i = 0; i < 10000; i++) pixels[i] = i / 100 < 3 && i % 100 < 3;
    pixels[10000] = 1;
    nn_data *picture = nn_data_new(1, 10000, 1, pixels);
    remake(1, (const size_t[]){10000, 3});
    print_lesson(picture, (nn_lesson_config){
                              .rows = 1, .row = (const size_t[]){0}, .rate = 0.1, .image = 100});
    const char *image = strstr(text, "never change\n");
    cr_assert_not_null(image);
    cr_expect(strncmp(image + 13, "    \u2588\u2588  ", 12) == 0, "%.300s", image);
    cr_expect(widest_line(text) <= 80, "%s", text);
    nn_data_free(picture);
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
