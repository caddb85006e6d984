/* text.c - tests of engine/base/text.c. */
#include "engine/base/text.h"

#include "expect.h"
#include "lines.h"
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
    cr_expect_str_eq(ad__branch_turns(sizeof text, text, 7, "x < y", side, 0, true),
                     "the branch on node #7 (x < y, x = 0.10000000000000001, y = -inf) was taken "
                     "when recorded and would now be not taken");
    cr_expect_str_eq(ad__branch_turns(sizeof text, text, 4294967295, "input", NULL, 3, false),
                     "the branch on node #4294967295 (input, now 3) was not taken when recorded "
                     "and would now be taken");
    cr_expect_str_eq(ad__branch_turns(sizeof few, few, 7, "x < y", side, 0, true), "the branch ");
}

Test(text, what_is_shown_of_a_long_name_ends_with_a_character) {
    char text[200] = "", shown[AD__SHOWN_NAME];
    cr_expect_str_eq(ad__shown_name("short", shown), "short");
    for (int i = 0; i < 40; i++) strcat(text, "x");
    cr_expect_str_eq(ad__shown_name(text, shown), text);
    strcat(text, "y");
    cr_expect_eq(strlen(ad__shown_name(text, shown)), 40);
    text[0] = '\0';
    for (int i = 0; i < 30; i++) strcat(text, "\xe2\x88\x82");
    cr_expect_eq(strlen(ad__shown_name(text, shown)), 39);
    cr_expect(strncmp(shown, text, 39) == 0);
    text[0] = '\0';
    /* no text at all: something, not for ever */
    for (int i = 0; i < 100; i++) strcat(text, "\x82");
    cr_expect_eq(strlen(ad__shown_name(text, shown)), 40);
    /* no escape is cut in two */
    cr_expect_str_eq(ad__shown_text(11, shown, "\x1b[2J\x1b[2J"), "\\x1b[2J");
}

/* What a terminal would obey, each in its shortest form. */
Test(text, nothing_that_a_terminal_obeys_is_shown_as_it_is) {
    static const char *const pairs[][2] = {
        {"\x1b[31m", "\\x1b[31m"},
        {"a\nb", "a\\x0ab"},
        {"\r", "\\x0d"},
        {"\t", "\\x09"},
        {"\a", "\\x07"},
        {"\x7f", "\\x7f"},
        {"\xc2\x9b"
         "2J",
         "\\u009b2J"},
        {"\xc2\x85", "\\u0085"},
        {"\xc2\xa0", "\xc2\xa0"}, /* NEL; a space that does not break */
        {"\xff", "\\xff"},
        {"\x9b"
         "2J",
         "\\x9b2J"},
        {"\xc3", "\\xc3"},
        {"\xc0\x9b", "\\xc0\\x9b"},          /* an overlong ESC */
        {"\xed\xa0\x80", "\\xed\\xa0\\x80"}, /* half of a surrogate pair */
        {"\xe2\x80\xae"
         "gpj",
         "\\u202egpj"},
        {"\xe2\x81\xa6", "\\u2066"},
        {"\xe2\x80\x8f", "\\u200f"},
        {"\xd8\x9c", "\\u061c"},
        {"\xe2\x80\xa8", "\\u2028"},
        {"\xe2\x80\x93", "\xe2\x80\x93"}, /* a line's end; a dash */
        {"\xd7\xa9\xd7\x9c\xd7\x95\xd7\x9d", "\xd7\xa9\xd7\x9c\xd7\x95\xd7\x9d"},
        {"\xf0\x9f\x98\x80", "\xf0\x9f\x98\x80"},
        {"w[0]\\x1b", "w[0]\\x1b"},
        {"", ""},
    };
    char text[64];
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++)
        cr_expect_str_eq(ad__shown_text(sizeof text, text, pairs[i][0]), pairs[i][1], "pair %zu",
                         i);
}

__attribute__((format(printf, 3, 4))) static const char *sentence(size_t room, char text[],
                                                                  const char *format, ...) {
    va_list list;
    va_start(list, format);
    ad__sentence(room, text, format, list);
    va_end(list);
    return text;
}

/* Only where an indented line follows does a line end, so a name cannot begin one of its own. */
Test(text, a_sentence_has_lines_of_its_own_and_no_other) {
    char text[64];
    cr_expect_str_eq(sentence(sizeof text, text, "%.1f of \"%s\"\n  a\n  ^", 1.5, "x\x1by"),
                     "1.5 of \"x\\x1by\"\n  a\n  ^");
    cr_expect_str_eq(sentence(sizeof text, text, "%s", "a\nb\n c\n\n  d"),
                     "a\\x0ab\\x0a c\\x0a\n  d");
    cr_expect_str_eq(sentence(sizeof text, text, "%s", "a\x1b  b\n\t c\r  d"),
                     "a\\x1b  b\\x0a\\x09 c\\x0d  d");
    cr_expect_str_eq(sentence(8, text, "%s", "1234567"), "1234567");
    cr_expect_str_eq(sentence(8, text, "%s", "12345678"), "1234567");
    cr_expect_str_eq(sentence(8, text, "%s", "1234\x1b"), "1234");
}

Test(text, what_is_cut_ends_with_a_character) {
    static const char *const letter[] = {"n", "\xc3\xa4", "\xe2\x88\x82", "\xf0\x9f\x8c\xb3"};
    char                     whole[100], text[100];
    for (size_t bytes = 1; bytes <= 4; bytes++) {
        whole[0] = '\0';
        for (int i = 0; i < 10; i++) strcat(whole, letter[bytes - 1]);
        for (size_t most = 0; most <= 10 * bytes; most++)
            cr_expect_eq(ad__cut_bytes(whole, most), (int)(most / bytes * bytes),
                         "%zu of %zu bytes each", most, bytes);
        for (size_t room = 1; room <= 10 * bytes; room++) {
            snprintf(text, room, "%s", whole);
            ad__end_whole(text);
            cr_expect_eq(strlen(text), (room - 1) / bytes * bytes, "%zu of %zu bytes each: %s",
                         room, bytes, text);
        }
        ad__copy_cut(10 * bytes + 1, text, whole);
        cr_expect_str_eq(text, whole);
        ad__copy_cut(10 * bytes, text, whole);
        cr_expect(ad__is_utf8(text) && strcmp(text + strlen(text) - 3, "\xe2\x80\xa6") == 0, "%s",
                  text);
    }
    cr_expect_str_eq(ad__shown(4, text, "x + y", "a\xe2\x88\x82", "b"), "a");
    cr_expect_str_eq(ad__branch_turns(26, text, 7, "\xe2\x88\x82", NULL, 0, true),
                     "the branch on node #7 (");
}

Test(text, file_is_called_by_the_last_part_of_its_path) {
    cr_expect_str_eq(ad__file_name("train.c"), "train.c");
    cr_expect_str_eq(ad__file_name("../demos/train.c"), "train.c");
    cr_expect_str_eq(ad__file_name("/train.c"), "train.c");
}

Test(text, result_is_cut_to_fit) {
    char text[20];
    memset(text, '!', sizeof text);
    cr_expect_str_eq(ad__shown(8, text, "x + y", "first", "second"), "first +");
    cr_expect_eq(text[8], '!');
    cr_expect_str_eq(ad__shown(3, text, "x", "long", "y"), "lo");
    cr_expect_str_eq(ad__shown(1, text, "x", "long", "y"), "");
    memset(text, '!', sizeof text);
    cr_expect_str_eq(ad__shown(5, text, "-x", "a long one", "y"), "-a l");
    cr_expect_eq(text[5], '!');
    cr_expect_str_eq(ad__shown(1, text, "", "x", "y"), "");
    cr_expect_str_eq(ad__shown(20, text, "x + y", "", "b"), " + b");
    text[0] = '!';
    ad__shown(0, text, "x", "long", "y");
    cr_expect_eq(text[0], '!');
}

/* ---- locale ---------------------------------------------------------------------------------- */

/* A locale of this process that writes commas; NULL where none is installed. */
static locale_t with_commas(void) {
    const char *name[] = {"de_DE.UTF-8", "de_DE.utf8", "fr_FR.UTF-8",
                          "fr_FR.utf8",  "de_DE",      "fr_FR"};
    locale_t    found = (locale_t)0;
    for (size_t i = 0; i < sizeof name / sizeof *name && found == (locale_t)0; i++)
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
    const locale_t   own = newlocale(LC_ALL_MASK, "C", (locale_t)0), global = uselocale(own);
    const ad__locale outer = ad__locale_enter(), inner = ad__locale_enter();
    ad__locale_leave(inner);
    ad__locale_leave(outer);
    cr_expect_eq(uselocale((locale_t)0), own);
    uselocale(global);
    const ad__locale before = ad__locale_enter();
    cr_expect(uselocale((locale_t)0) != LC_GLOBAL_LOCALE);
    ad__locale_leave(before);
    cr_expect_eq(uselocale((locale_t)0), LC_GLOBAL_LOCALE);
}

/* Digits and no more, in the form that people write; beside 0, where numbers are far apart, fewer
 * than 15 suffice. */
Test(text, shortest_form_reads_back) {
    static const struct {
        double      x;
        const char *want;
    } cases[] = {
        {0, "0"},
        {-0.0, "-0"},
        {440, "440"},
        {-16580, "-16580"},
        {0.1, "0.1"},
        {1.0 / 3, "0.3333333333333333"},
        {0.1 + 0.2, "0.30000000000000004"},
        {1e20, "1e+20"},
        {5e-324, "5e-324"},
        {1.7976931348623157e308, "1.7976931348623157e+308"},
        {123456789012345, "123456789012345"},
        {9007199254740992, "9007199254740992"},
        {8.2, "8.2"}, /* to 16 digits: 8.199999999999999 */
    };
    char text[AD__SHORTEST];
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        cr_expect_str_eq(ad__shortest(cases[i].x, text), cases[i].want, "%s, wanted %s", text,
                         cases[i].want);
}

/* ---- texts of other languages ---------------------------------------------------------------- */

/* The first and the last sequence of each line of the grammar in RFC 3629, section 4. */
Test(text, utf8_is_what_the_grammar_says) {
    static const char *const good[] = {
        "",
        "\x01",
        "\x7f",
        "A\xc2\x80",
        "\xdf\xbf",
        "\xe0\xa0\x80",
        "\xe0\xbf\xbf",
        "\xe1\x80\x80",
        "\xec\xbf\xbf",
        "\xed\x80\x80",
        "\xed\x9f\xbf",
        "\xee\x80\x80",
        "\xef\xbf\xbf",
        "\xf0\x90\x80\x80",
        "\xf0\xbf\xbf\xbf",
        "\xf1\x80\x80\x80",
        "\xf3\xbf\xbf\xbf",
        "\xf4\x80\x80\x80",
        "\xf4\x8f\xbf\xbf",
    };
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        cr_expect(ad__is_utf8(good[i]), "number %zu", i);
}

/* What stands just beside it: overlong forms, surrogates, too large, cut off, a byte that continues
 * nothing. */
Test(text, what_the_grammar_does_not_say_is_no_utf8) {
    static const char *const bad[] = {
        "\x80",
        "\xbf",
        "A\xbf",
        "\xc0\x80",
        "\xc1\xbf",
        "\xe0\x9f\xbf",
        "\xe0\x80\xa0",
        "\xed\xa0\x80",
        "\xed\xbf\x80",
        "\xf0\x8f\xbf\xbf",
        "\xf0\x80\x90\x80",
        "\xf4\x90\x80\x80",
        "\xf5\x80\x80\x80",
        "\xff\x80\x80\x80",
        "\xc2",
        "\xc2"
        "A",
        "\xc2\xc2",
        "\xe2",
        "\xe2\x82",
        "\xe2"
        "A\x82",
        "\xe2\x82"
        "A",
        "\xf1\x80\x80",
        "\xf1\x80\x80"
        "A",
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        cr_expect(!ad__is_utf8(bad[i]), "number %zu", i);
}

/* ---- what is special where it is written ----------------------------------------------------- */

/* The text stays until the next call. */
static const char *made(void (*write)(const char *text, FILE *to), const char *text) {
    static char *made;
    size_t       length = 0;
    free(made);
    made = NULL;
    FILE *to = open_memstream(&made, &length);
    write(text, to);
    fclose(to);
    return made;
}

/* RFC 8259; the entities of XML 1.0; what Graphviz says of records. Each byte that is no UTF-8 is
 * U+FFFD, as those of a surrogate. */
Test(text, each_form_escapes_what_is_special_in_it_and_nothing_else) {
    static const char text[] =
        "\x01\x1f !\"#%&'/09:;<=>?A[\\]az{|}~\x7f\xc3\xa9\xe2\x88\x82\xff.\xed\xa0\x80";
    cr_expect_str_eq(made(ad__json_text, text),
                     "\"\\u0001\\u001f !\\\"#%&'/09:;\\u003c=>?A[\\\\]az{|}~\\u007f"
                     "\xc3\xa9\xe2\x88\x82\xef\xbf\xbd.\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\"");
    cr_expect_str_eq(made(ad__xml_text, text),
                     "   !&quot;#%&amp;&#39;/09:;&lt;=&gt;?A[\\]az{|}~ "
                     "\xc3\xa9\xe2\x88\x82\xef\xbf\xbd.\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd");
    cr_expect_str_eq(made(ad__dot_text, text),
                     "   !\\\"#%&'/09:;\\<=\\>?A[\\\\]az\\{\\|\\}~ "
                     "\xc3\xa9\xe2\x88\x82\xef\xbf\xbd.\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd");
}

/* C1 controls, and the two that XML has not (XML 1.0, production 2); JSON has them all. */
Test(text, control_characters_of_two_bytes_and_noncharacters_are_no_text) {
    static const char text[] = "a\xc2\x80\xc2\x9b\xc2\xa0\xef\xbf\xbe\xef\xbf\xbf\xef\xbf\xbdz";
    static const char want[] = "a  \xc2\xa0\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbdz";
    cr_expect_str_eq(made(ad__xml_text, text), want);
    cr_expect_str_eq(made(ad__dot_text, text), want);
    cr_expect(strstr(made(ad__json_text, text), "\xc2\xa0\xef\xbf\xbe\xef\xbf\xbf") != NULL);
}

/* Graphviz would draw "<" for "&lt;". */
Test(text, references_in_dot_are_texts) {
    cr_expect_str_eq(made(ad__dot_text, "a & b &lt; &#38; &x &;"),
                     "a & b &amp;lt; &amp;#38; &x &;");
}

static void write_numbers(const char *between, FILE *to) {
    const double x[] = {0.1, NAN, INFINITY, -INFINITY};
    for (size_t i = 0; i < sizeof x / sizeof *x; i++) {
        ad__json_number(x[i], to);
        fputs(between, to);
    }
}

Test(text, numbers_that_json_lacks_are_strings) {
    cr_expect_str_eq(made(write_numbers, ";"), "0.1;\"NaN\";\"Infinity\";\"-Infinity\";");
}

/* Without a buffer it was noticed before, and nothing is left to be flushed. */
Test(text, disk_that_was_full_a_while_ago_is_noticed) {
    FILE *full = fopen("/dev/full", "w");
    if (full == NULL) cr_skip_test("no /dev/full here");
    setvbuf(full, NULL, _IONBF, 0);
    cr_expect_eq(ad__written(full), AD_OK);
    fputs("text", full);
    cr_expect_eq(ad__written(full), AD_BAD_FILE);
    fclose(full);
}

/* ---- names in messages ----------------------------------------------------------------------- */

static void expect_whole(const char *what, const char *message) {
    cr_expect(ad__is_utf8(message), "%s: %s", what, message);
    cr_expect_gt(strlen(message), 8, "%s", what);
}

/* The error of the tape, which is then forgotten. */
static void expect_error(ad_tape *tape, const char *what) {
    cr_expect_neq(ad_tape_status(tape), AD_OK, "%s", what);
    expect_whole(what, ad_tape_message(tape));
    ad_tape_clear(tape);
}

static double first(size_t n, const double x[], void *context) {
    (void)n, (void)context;
    return x[0];
}
static void partials(size_t n, const double x[], double v, double partial[], void *context) {
    (void)n, (void)x, (void)v, (void)context;
    partial[0] = 2; /* wrong, so that a check has something to say of it */
}

static void expect_reports(ad_var y, ad_var x, const char *name) {
    const ad_check_block   block = {name, 0, NULL};
    const ad_check_options options = {.blocks = 1, .block = &block, .second = true};
    ad_check_report *const all[] = {ad_check(y, 1, &x, NULL, NULL),
                                    ad_check(y, 1, &x, NULL, &options)};
    for (size_t i = 0; i < 2; i++)
        for (ad_format format = AD_TEXT; format <= AD_TAP; format++) {
            char  *page = NULL;
            size_t length = 0;
            FILE  *to = open_memstream(&page, &length);
            cr_assert_not_null(all[i]);
            cr_expect_eq(ad_check_print(all[i], format, to), AD_OK);
            fclose(to);
            expect_whole("report", page);
            free(page);
        }
    for (size_t i = 0; i < 2; i++) ad_check_free(all[i]);
}

static void expect_whole_names(const char *name) {
    ad_tape           *tape = ad_tape_new();
    const ad_custom_op op = {.name = name, .operands = 1, .value = first, .partials = partials},
                       none = {.name = name};
    const ad_var x = ad_input(tape, 2), z = ad_input(tape, 3);
    ad_name(x, name);
    const ad_var y = ad_custom(tape, &op, 1, &x, NULL);
    ad_var       dy;
    char         other[2001];
    snprintf(other, sizeof other, "m%s", name);
    ad_find(tape, other);
    expect_error(tape, "ad_find");
    ad_custom(tape, &op, 2, (const ad_var[]){x, z}, NULL);
    expect_error(tape, "ad_custom");
    ad_custom(tape, &none, 1, &x, NULL);
    expect_error(tape, "ad_custom of nothing");
    ad_tape_define(tape, &op, NULL);
    expect_error(tape, "ad_tape_define");
    ad_parse(tape, name, 0, NULL, NULL);
    expect_error(tape, "ad_parse");
    ad_parse(tape, "1", 2, name, (const ad_var[]){x, z});
    expect_error(tape, "ad_parse with names");
    ad_record_gradient(y, 1, &x, &dy);
    expect_error(tape, "ad_record_gradient");
    ad_curve *curve = ad_check_curve(ad_mul(x, x), x, NULL);
    expect_whole("curve", curve->name);
    ad_curve_free(curve);
    const ad_var square = ad_mul(x, x);
    ad_name(square, name);
    ad_record_gradient(square, 1, &x, &dy);
    cr_expect_eq(ad_tape_status(tape), AD_OK);
    char  *trace = NULL;
    size_t length = 0;
    FILE  *to = open_memstream(&trace, &length);
    cr_expect_eq(ad_explain(dy, to), AD_OK);
    fclose(to);
    expect_whole("the name of a derivative", trace);
    free(trace);
    expect_reports(y, x, name);
    ad_tape_free(tape);
}

Test(text, names_in_messages_and_reports_are_cut_between_characters) {
    static const char *const letter[] = {"\xc3\xa4", "\xe2\x88\x82", "\xf0\x9f\x8c\xb3"};
    for (size_t k = 0; k < 3; k++)
        for (size_t first = 0; first < 4; first++) {
            char name[2000] = "";
            for (size_t i = 0; i < first; i++) strcat(name, "n");
            for (size_t i = 0; i < 400; i++) strcat(name, letter[k]);
            expect_whole_names(name);
        }
}

/* ---- lines of a terminal --------------------------------------------------------------------- */

static char printed_text[4000];

static void expect_printed(FILE *to, const char *want) {
    fclose(to);
    cr_expect_str_eq(printed_text, want, "printed\n%s\nnot\n%s", printed_text, want);
}

static FILE *printing(void) {
    memset(printed_text, 0, sizeof printed_text);
    return fmemopen(printed_text, sizeof printed_text, "w");
}

#define TEN "123456789 "

Test(text, a_character_of_several_bytes_is_one_column) {
    cr_expect_eq(ad__columns(""), 0);
    cr_expect_eq(ad__columns("abc"), 3);
    cr_expect_eq(ad__columns("\u00e9\u20ac\U0001d4a9"), 3);
}

/* "1234567890" of the last word ends in column 80, "12345678901" would end in column 81. */
Test(text, flows_between_words_and_ends_in_column_80) {
    FILE *to = printing();
    cr_expect_eq(ad__flow(to, 0, 4, TEN TEN TEN TEN TEN TEN TEN "1234567890"), 80);
    expect_printed(to, TEN TEN TEN TEN TEN TEN TEN "1234567890");
    to = printing();
    cr_expect_eq(ad__flow(to, 0, 4, TEN TEN TEN TEN TEN TEN TEN "12345678901 2"), 17);
    expect_printed(to, TEN TEN TEN TEN TEN TEN "123456789\n    12345678901 2");
}

Test(text, flow_goes_on_from_its_column_and_counts_characters) {
    FILE *to = printing();
    cr_expect_eq(ad__flow(to, 70, 2, "\u00e9\u00e9\u00e9\u00e9 \u00e9\u00e9\u00e9\u00e9\u00e9 x"),
                 3);
    expect_printed(to, "\u00e9\u00e9\u00e9\u00e9 \u00e9\u00e9\u00e9\u00e9\u00e9\n  x");
}

/* The words that are wider than what an indented line has are broken where it ends; of a character
 * of two bytes both stay together. */
Test(text, a_word_wider_than_a_line_is_broken) {
    char word[2 * 200 + 1] = "";
    for (int i = 0; i < 200; i++) strcat(word, "\u00e9");
    FILE *to = printing();
    cr_expect_eq(ad__flow(to, 0, 10, word), 60);
    fclose(to);
    cr_expect_eq(widest_line(printed_text), 80);
    cr_expect(ad__is_utf8(printed_text));
    cr_expect(strncmp(printed_text + 160, "\n          \u00e9", 13) == 0, "%s", printed_text);
}

Test(text, a_line_feed_of_the_text_ends_a_line) {
    FILE *to = printing();
    cr_expect_eq(ad__flow(to, 0, 4, "formula: bad\n  1 + + 2\n      ^"), 7);
    expect_printed(to, "formula: bad\n  1 + + 2\n      ^");
}

Test(text, a_piece_stays_together_while_a_line_has_room_for_it) {
    FILE *to = printing();
    int   column = ad__piece(to, 10, 10, 4, "first of all");
    cr_expect_eq(column, 22);
    column = ad__piece(to, column, 10, 4, "and more");
    cr_expect_eq(column, 34);
    cr_expect_eq(ad__piece(to, 66, 10, 4, "ten chars "), 80);
    cr_expect_eq(ad__piece(to, 67, 10, 4, "ten chars."), 20);
    expect_printed(to, "first of all    and more    ten chars \n          ten chars.");
}

Test(text, a_piece_wider_than_a_line_flows_further_in) {
    FILE *to = printing();
    ad__piece(to, 20, 10, 4, TEN TEN TEN TEN TEN TEN TEN "1");
    expect_printed(to, "\n          " TEN TEN TEN TEN TEN TEN "123456789\n            1");
}

Test(text, a_line_is_formatted_broken_and_ended) {
    FILE *to = printing();
    ad__put_line(to, 2, "%s" TEN TEN TEN TEN TEN TEN TEN "%d", "a ", 1234567890);
    expect_printed(to, "a " TEN TEN TEN TEN TEN TEN "123456789\n  1234567890\n");
}

Test(text, the_middle_of_a_name_gives_way) {
    char text[64] = "weight[0][31]";
    cr_expect_str_eq(ad__narrow(13, text), "weight[0][31]");
    strcpy(text, "weights[0][31]");
    cr_expect_str_eq(ad__narrow(13, text), "weigh...][31]");
    cr_expect_str_eq(ad__narrow(4, text), "w...");
    strcpy(text, "\u00e9\u00e8\u00ea\u00eb\u00e0\u00e1\u00e2");
    cr_expect_str_eq(ad__narrow(6, text), "\u00e9\u00e8...\u00e2");
    strcpy(text, "\u00e9\xff\xfe\xfd\xfc\u00e2z"); /* not UTF-8 */
    cr_expect_eq(ad__columns(ad__narrow(5, text)) <= 5, true);
}
