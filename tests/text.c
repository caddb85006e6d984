/* text.c - tests of engine/text.c. */
#include "engine/text.h"

#include "expect.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *shown(const char *form) {
    static char text[100];
    return ad__shown(sizeof text, text, form, "a", "#3");
}

Test(text, operands_take_the_places_of_x_and_y) {
    cr_expect_str_eq(shown("x + y"), "a + #3");
    cr_expect_str_eq(shown("-x"), "-a");
    cr_expect_str_eq(shown("x && x"), "a && a");
    cr_expect_str_eq(shown("y"), "#3");
}

Test(text, letters_within_words_stay) {
    cr_expect_str_eq(shown("max(x, y)"), "max(a, #3)");
    cr_expect_str_eq(shown("exp(x)"), "exp(a)");
    cr_expect_str_eq(shown("hypot(x, y)"), "hypot(a, #3)");
    cr_expect_str_eq(shown("x2 x_ _y y1"), "x2 x_ _y y1");
}

Test(text, what_is_put_in_is_not_looked_at_again) {
    char text[40];
    cr_expect_str_eq(ad__shown(sizeof text, text, "x - y", "y", "x"), "y - x");
}

Test(text, turned_branch_has_its_condition_and_what_it_is_now) {
    char         text[240], few[12];
    const double side[] = {0.1, -INFINITY};
    cr_expect_str_eq(ad__branch_turns(sizeof text, text, 7, "x < y", side, 0, true), "the branch on node #7 (x < y, "
                     "x = 0.10000000000000001, y = -inf) was taken when recorded and would now be not taken");
    cr_expect_str_eq(ad__branch_turns(sizeof text, text, 4294967295, "input", NULL, 3, false), "the branch on node "
                     "#4294967295 (input, now 3) was not taken when recorded and would now be taken");
    cr_expect_str_eq(ad__branch_turns(sizeof few, few, 7, "x < y", side, 0, true), "the branch ");
}

Test(text, what_is_shown_of_a_long_text_ends_with_a_character) {
    char text[200] = "";
    cr_expect_eq(ad__shown_bytes("short"), 5);
    for (int i = 0; i < 40; i++) strcat(text, "x");
    cr_expect_eq(ad__shown_bytes(text), 40);
    strcat(text, "y");
    cr_expect_eq(ad__shown_bytes(text), 40);
    text[0] = '\0';
    for (int i = 0; i < 30; i++) strcat(text, "\xe2\x88\x82");
    cr_expect_eq(ad__shown_bytes(text), 39);
    text[0] = '\0';
    for (int i = 0; i < 100; i++) strcat(text, "\x82");                 /* no text at all: something, not for ever */
    cr_expect(ad__shown_bytes(text) >= 37 && ad__shown_bytes(text) <= 40);
}

Test(text, result_is_cut_to_fit) {
    char text[20];
    memset(text, '!', sizeof text);
    cr_expect_str_eq(ad__shown(8, text, "x + y", "first", "second"), "first +");
    cr_expect_eq(text[8], '!');
    cr_expect_str_eq(ad__shown(3, text, "x", "long", "y"), "lo");
    cr_expect_str_eq(ad__shown(1, text, "x", "long", "y"), "");
    text[0] = '!';
    ad__shown(0, text, "x", "long", "y");
    cr_expect_eq(text[0], '!');
}

/* ---- locale ----------------------------------------------------------------------------------- */

/* A locale of this process that writes commas; NULL where none is installed. */
static locale_t with_commas(void) {
    const char *name[] = {"de_DE.UTF-8", "de_DE.utf8", "fr_FR.UTF-8", "fr_FR.utf8", "de_DE", "fr_FR"};
    locale_t    found = (locale_t)0;
    for (size_t i = 0; i < sizeof name/sizeof *name && found == (locale_t)0; i++)
        found = newlocale(LC_ALL_MASK, name[i], (locale_t)0);
    return found;
}

Test(text, numbers_between_enter_and_leave_have_points) {
    const locale_t commas = with_commas();
    if (commas == (locale_t)0) cr_skip_test("no locale with a decimal comma is installed");
    char text[20];
    uselocale(commas);
    const ad__locale before = ad__locale_enter();
    snprintf(text, sizeof text, "%.1f", 1.5);
    cr_expect_str_eq(text, "1.5");
    cr_expect_eq(strtod("2.5", NULL), 2.5);
    ad__locale_leave(before);
    snprintf(text, sizeof text, "%.1f", 1.5);
    cr_expect_str_eq(text, "1,5");
    uselocale(LC_GLOBAL_LOCALE);
    freelocale(commas);
}

Test(text, leave_gives_the_thread_its_locale_back) {
    const locale_t own = newlocale(LC_ALL_MASK, "C", (locale_t)0), global = uselocale(own);
    const ad__locale outer = ad__locale_enter(), inner = ad__locale_enter();
    ad__locale_leave(inner);
    ad__locale_leave(outer);
    cr_expect_eq(uselocale((locale_t)0), own);
    uselocale(global);
    const ad__locale before = ad__locale_enter();
    ad__locale_leave(before);
    cr_expect_eq(uselocale((locale_t)0), LC_GLOBAL_LOCALE);
}

/* Digits and no more, in the form that people write; beside 0, where numbers are far apart, fewer than 15 suffice. */
Test(text, shortest_form_reads_back) {
    static const struct { double x; const char *want; } cases[] = {
        {0, "0"}, {-0.0, "-0"}, {440, "440"}, {-16580, "-16580"}, {0.1, "0.1"}, {1.0/3, "0.3333333333333333"},
        {0.1 + 0.2, "0.30000000000000004"}, {1e20, "1e+20"}, {5e-324, "5e-324"}, {1.7976931348623157e308, "1.7976931348623157e+308"},
        {123456789012345, "123456789012345"}, {9007199254740992, "9007199254740992"},
    };
    char text[AD__SHORTEST];
    for (size_t i = 0; i < sizeof cases/sizeof *cases; i++)
        cr_expect_str_eq(ad__shortest(cases[i].x, text), cases[i].want, "%s, wanted %s", text, cases[i].want);
}
