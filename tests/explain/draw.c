/* draw.c - tests of engine/explain/draw.c: what a picture contains, counted in and read from its
 * text. That other programs can read the files, whatever names they contain, is shown by
 * tests/pictures. */
#include "engine/explain/draw.h"
#include "engine/base/text.h"
#include "written.h"

#include "expect.h"
#include <math.h>
#include <string.h>

static ad_tape *tape;

static void make(void) {
    tape = ad_tape_new();
}
static void drop(void) {
    ad_tape_free(tape);
}

TestSuite(draw, .init = make, .fini = drop);

static ad_var named(double x, const char *name) {
    const ad_var input = ad_input(tape, x);
    ad_name(input, name);
    return input;
}

/* (a + b)*(b + 1) at 2, 1: five nodes (numbers are none) and five edges. */
static ad_var textbook(void) {
    const ad_var a = named(2, "a"), b = named(1, "b"), sum = ad_add(a, b),
                 next = ad_add(b, ad_num(1));
    return ad_mul(sum, next);
}

Test(draw, dot_has_a_box_for_a_node_and_an_edge_for_an_operand) {
    const char *dot = written(ad_draw_dot, textbook(), NULL);
    cr_expect_eq(count_of(dot, " [label=\"") - count_of(dot, " -> "), 5, "%s", dot);
    cr_expect_eq(count_of(dot, " -> "), 5, "%s", dot);
    cr_expect(strstr(dot, "a | 2 | grad 2\"") != NULL, "%s", dot);
    cr_expect(strstr(dot, "b | 1 | grad 5\"") != NULL, "%s", dot);
    cr_expect(strstr(dot, "| 6 | grad 1\"") != NULL, "%s", dot);
    cr_expect_eq(count_of(dot, "[label=\"3\"") + count_of(dot, "[label=\"2\""), 2,
                 "the local derivatives of the product: %s", dot);
    cr_expect_eq(count_of(dot, "\", fillcolor=\"#e3f0ff\"];"), 2, "two inputs: %s", dot);
    cr_expect_eq(count_of(dot, "\", fillcolor=\"#fff1cc\"];"), 1, "one result: %s", dot);
    cr_expect_eq(count_of(dot, "grad 3\"];") + count_of(dot, "grad 2\"];"), 2, "two operations: %s",
                 dot);
}

Test(draw, svg_has_the_same_boxes_and_edges_each_with_an_id_of_its_own) {
    const char *svg = written(ad_draw_svg, textbook(), NULL);
    char        id[20];
    for (int k = 0; k < 5; k++) {
        snprintf(id, sizeof id, "id=\"b%d\"", k);
        cr_expect_eq(count_of(svg, id), 1, "%s", id);
        snprintf(id, sizeof id, "id=\"e%d\"", k);
        cr_expect_eq(count_of(svg, id), 1, "%s", id);
    }
    cr_expect_eq(count_of(svg, "class=\"link\""), 5);
    cr_expect(strstr(svg, ">grad 5<") != NULL);
}

/* Every box is inside the picture, and no two overlap. */
Test(draw, boxes_stand_inside_the_picture_and_apart) {
    ad_var y = named(0.5, "x");
    for (int i = 0; i < 18; i++) y = ad_add(ad_sin(y), ad_mul(y, ad_num(0.5)));
    const char *svg = written(ad_draw_svg, y, NULL), *box = strstr(svg, "viewBox=\"");
    double      left, top, width, height, x[200], at[200];
    size_t      n = 0;
    cr_assert_eq(sscanf(box, "viewBox=\"%lf %lf %lf %lf", &left, &top, &width, &height), 4);
    for (const char *spot = svg; (spot = strstr(spot, "transform=\"translate(")) != NULL && n < 200;
         spot++, n++) {
        cr_assert_eq(sscanf(spot, "transform=\"translate(%lf %lf)", &x[n], &at[n]), 2);
        cr_expect(x[n] > left && x[n] < left + width && at[n] > top && at[n] < top + height,
                  "box %zu: %g %g", n, x[n], at[n]);
        for (size_t k = 0; k < n; k++)
            cr_expect(fabs(x[n] - x[k]) > 50 || fabs(at[n] - at[k]) > 50, "boxes %zu and %zu", k,
                      n);
    }
    cr_expect_gt(n, 40);
}

Test(draw, more_boxes_than_wanted_are_folded_and_it_says_so) {
    ad_var y = named(0.5, "x");
    for (int i = 0; i < 300; i++) y = ad_sin(y);
    const char *svg = written(ad_draw_svg, y, &(ad_view){.most = 7});
    cr_expect_leq(count_of(svg, "class=\"box "), 7);
    cr_expect(strstr(svg, "folded</text>") != NULL);
    cr_expect_leq(count_of(written(ad_draw_dot, y, NULL), " [label=\""), 2 * 60);
}

Test(draw, scope_is_a_cluster_and_a_frame) {
    const ad_var x = named(2, "x");
    ad_scope(tape, "layer 0");
    const ad_var h = ad_tanh(ad_mul(x, x));
    ad_scope_end(tape);
    const ad_var y = ad_exp(h);
    const char  *dot = written(ad_draw_dot, y, NULL);
    cr_expect(strstr(dot, "subgraph") != NULL && strstr(dot, "layer 0") != NULL, "%s", dot);
    cr_expect_eq(count_of(written(ad_draw_svg, y, NULL), "class=\"frame\""), 1);
}

Test(draw, long_text_is_cut_between_characters) {
    char name[400] = "";
    for (int i = 0; i < 100; i++) strcat(name, "\xe2\x88\x82");
    const ad_var x = named(1, name);
    const char  *svg = written(ad_draw_svg, ad_exp(x), &(ad_view){.title = "short"});
    const char  *cut = strstr(svg, "\xe2\x80\xa6");
    cr_expect(strstr(svg, "\xef\xbf\xbd") == NULL, "a character was cut in two");
    cr_expect(strstr(svg, "\xe2\x88\x82</text>") != NULL ||
              (cut != NULL && memcmp(cut - 3, "\xe2\x88\x82", 3) == 0));
}

/* ---- whole pictures, looked at --------------------------------------------------------------- */

/* sin(a + b)*b, whose first two operations are a scope. */
static ad_var scoped(void) {
    const ad_var a = named(2, "a"), b = named(1, "b");
    ad_scope(tape, "sum & more");
    const ad_var sum = ad_add(a, b), sine = ad_sin(sum);
    ad_scope_end(tape);
    const ad_var e = ad_mul(sine, b);
    ad_name(e, "e");
    return e;
}

static void expect_text(const char *text, const char *want) {
    cr_expect_str_eq(text, want, "it is\n%s\nand not\n%s", text, want);
}

/* Without the contents of <style>. */
static void expect_svg(const char *svg, const char *want) {
    static char text[20000];
    const char *style = strstr(svg, "<style>"), *end = strstr(svg, "</style>\n");
    cr_assert(style != NULL && end != NULL, "%s", svg);
    snprintf(text, sizeof text, "%.*s%s", (int)(style - svg), svg, end + strlen("</style>\n"));
    expect_text(text, want);
}

Test(draw, dot_of_a_scope_word_for_word) {
    const ad_var e = scoped();
    expect_text(written(ad_draw_dot, e, NULL),
                "digraph tapir {\n"
                "  rankdir=LR;\n"
                "  label=\"e\";\n"
                "  node [shape=record, style=filled, fillcolor=white, fontname=\"monospace\", "
                "fontsize=11];\n"
                "  edge [fontname=\"monospace\", fontsize=9, color=\"#666666\"];\n"
                "  b0 [label=\"#0 a | 2 | grad -0.989992\", fillcolor=\"#e3f0ff\"];\n"
                "  b1 [label=\"#1 b | 1 | grad -0.848872\", fillcolor=\"#e3f0ff\"];\n"
                "  subgraph cluster_0 {\n"
                "  label=\"sum & more\";\n"
                "  b2 [label=\"#2 a + b | 3 | grad -0.989992\"];\n"
                "  b3 [label=\"#3 sin(#2) | 0.14112 | grad 1\"];\n"
                "  }\n"
                "  b4 [label=\"#4 e = #3 * b | 0.14112 | grad 1\", fillcolor=\"#fff1cc\"];\n"
                "  b0 -> b2 [label=\"1\"];\n"
                "  b1 -> b2 [label=\"1\"];\n"
                "  b2 -> b3 [label=\"-0.99\"];\n"
                "  b1 -> b4 [label=\"0.1411\"];\n"
                "  b3 -> b4 [label=\"1\"];\n"
                "}\n");
    expect_text(written(ad_draw_dot, e, &(ad_view){.most = 4, .title = "folded"}),
                "digraph tapir {\n"
                "  rankdir=LR;\n"
                "  label=\"folded (1 scope is folded)\";\n"
                "  node [shape=record, style=filled, fillcolor=white, fontname=\"monospace\", "
                "fontsize=11];\n"
                "  edge [fontname=\"monospace\", fontsize=9, color=\"#666666\"];\n"
                "  b0 [label=\"#0 a | 2 | grad -0.989992\", fillcolor=\"#e3f0ff\"];\n"
                "  b1 [label=\"#1 b | 1 | grad -0.848872\", fillcolor=\"#e3f0ff\"];\n"
                "  b2 [label=\"sum & more: 2 operations\", fillcolor=\"#eeeeee\", "
                "style=\"filled,dashed\"];\n"
                "  b3 [label=\"#4 e = #3 * b | 0.14112 | grad 1\", fillcolor=\"#fff1cc\"];\n"
                "  b0 -> b2;\n"
                "  b1 -> b2;\n"
                "  b1 -> b3 [label=\"0.1411\"];\n"
                "  b2 -> b3;\n"
                "}\n");
}

Test(draw, svg_of_a_scope_word_for_word) {
    const ad_var e = scoped();
    expect_svg(
        written(ad_draw_svg, e, NULL),
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"712\" height=\"216\" viewBox=\"0 -26 "
        "712 216\""
        " role=\"img\" aria-label=\"e\">\n"
        "<title>e</title>\n"
        "<text class=\"said\" x=\"12\" y=\"-8\">e</text>\n"
        "<g class=\"frame\"><rect x=\"198.0\" y=\"31.4\" width=\"316.0\" height=\"90.3\" rx=\"8\"/>"
        "<text x=\"204.0\" y=\"43.4\">sum &amp; more</text></g>\n"
        "<g id=\"e0\" class=\"link\">"
        "<path class=\"edge\" d=\"M142.0 55.0C170.5 55.0 170.5 75.8 199.0 75.8\"/>"
        "<path class=\"tip\" d=\"M206.0 75.8l-8 -4v8z\"/><text class=\"local\" x=\"183.6\" "
        "y=\"67.6\">1"
        "</text></g>\n"
        "<g id=\"e1\" class=\"link\">"
        "<path class=\"edge\" d=\"M142.0 135.0C170.5 135.0 170.5 89.8 199.0 89.8\"/>"
        "<path class=\"tip\" d=\"M206.0 89.8l-8 -4v8z\"/><text class=\"local\" x=\"183.6\" "
        "y=\"98.1\">1"
        "</text></g>\n"
        "<g id=\"e2\" class=\"link\">"
        "<path class=\"edge\" d=\"M324.0 82.8C352.5 82.8 352.5 78.4 381.0 78.4\"/>"
        "<path class=\"tip\" d=\"M388.0 78.4l-8 -4v8z\"/><text class=\"local\" x=\"365.6\" "
        "y=\"76.5\">-0.99"
        "</text></g>\n"
        "<g id=\"e3\" class=\"link\">"
        "<path class=\"edge\" d=\"M142.0 135.0C174.0 135.0 174.0 131.8 206.0 131.8H324.0C356.0 "
        "131.8 356.0"
        " 127.4 388.0 127.4H506.0C534.5 127.4 534.5 107.7 563.0 107.7\"/>"
        "<path class=\"tip\" d=\"M570.0 107.7l-8 -4v8z\"/>"
        "<text class=\"local\" x=\"547.6\" y=\"109.6\">0.1411</text></g>\n"
        "<g id=\"e4\" class=\"link\">"
        "<path class=\"edge\" d=\"M506.0 78.4C534.5 78.4 534.5 93.7 563.0 93.7\"/>"
        "<path class=\"tip\" d=\"M570.0 93.7l-8 -4v8z\"/><text class=\"local\" x=\"547.6\" "
        "y=\"86.8\">1"
        "</text></g>\n"
        "<g id=\"b0\" class=\"box input\" transform=\"translate(83.0 55.0)\">"
        "<rect x=\"-59.0\" y=\"-31.0\" width=\"118.0\" height=\"62.0\" rx=\"6\"/>"
        "<text class=\"what\" y=\"-13\">#0 a</text><text class=\"value\" y=\"5\">2</text>"
        "<text class=\"grad\" y=\"23\">grad -0.989992</text></g>\n"
        "<g id=\"b1\" class=\"box input\" transform=\"translate(83.0 135.0)\">"
        "<rect x=\"-59.0\" y=\"-31.0\" width=\"118.0\" height=\"62.0\" rx=\"6\"/>"
        "<text class=\"what\" y=\"-13\">#1 b</text><text class=\"value\" y=\"5\">1</text>"
        "<text class=\"grad\" y=\"23\">grad -0.848872</text></g>\n"
        "<g id=\"b2\" class=\"box operation\" transform=\"translate(265.0 82.8)\">"
        "<rect x=\"-59.0\" y=\"-31.0\" width=\"118.0\" height=\"62.0\" rx=\"6\"/>"
        "<text class=\"what\" y=\"-13\">#2 a + b</text><text class=\"value\" y=\"5\">3</text>"
        "<text class=\"grad\" y=\"23\">grad -0.989992</text></g>\n"
        "<g id=\"b3\" class=\"box operation\" transform=\"translate(447.0 78.4)\">"
        "<rect x=\"-59.0\" y=\"-31.0\" width=\"118.0\" height=\"62.0\" rx=\"6\"/>"
        "<text class=\"what\" y=\"-13\">#3 sin(#2)</text><text class=\"value\" "
        "y=\"5\">0.14112</text>"
        "<text class=\"grad\" y=\"23\">grad 1</text></g>\n"
        "<g id=\"b4\" class=\"box result\" transform=\"translate(629.0 100.7)\">"
        "<rect x=\"-59.0\" y=\"-31.0\" width=\"118.0\" height=\"62.0\" rx=\"6\"/>"
        "<text class=\"what\" y=\"-13\">#4 e = #3 * b</text><text class=\"value\" "
        "y=\"5\">0.14112</text>"
        "<text class=\"grad\" y=\"23\">grad 1</text></g>\n"
        "</svg>\n");
    expect_svg(written(ad_draw_svg, e, &(ad_view){.most = 4}),
               "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"609\" height=\"234\" viewBox=\"0 "
               "-26 609 234\""
               " role=\"img\" aria-label=\"e\">\n"
               "<title>e</title>\n"
               "<text class=\"said\" x=\"12\" y=\"-8\">e</text>\n"
               "<text class=\"said\" x=\"12\" y=\"198\">1 scope is folded</text>\n"
               "<g id=\"e0\" class=\"link\">"
               "<path class=\"edge\" d=\"M142.0 55.0C170.5 55.0 170.5 75.8 199.0 75.8\"/>"
               "<path class=\"tip\" d=\"M206.0 75.8l-8 -4v8z\"/></g>\n"
               "<g id=\"e1\" class=\"link\">"
               "<path class=\"edge\" d=\"M142.0 135.0C170.5 135.0 170.5 89.8 199.0 89.8\"/>"
               "<path class=\"tip\" d=\"M206.0 89.8l-8 -4v8z\"/></g>\n"
               "<g id=\"e2\" class=\"link\">"
               "<path class=\"edge\" d=\"M142.0 135.0C174.0 135.0 174.0 131.8 206.0 "
               "131.8H403.2C431.7 131.8 431.7"
               " 112.7 460.2 112.7\"/><path class=\"tip\" d=\"M467.2 112.7l-8 -4v8z\"/>"
               "<text class=\"local\" x=\"444.8\" y=\"114.5\">0.1411</text></g>\n"
               "<g id=\"e3\" class=\"link\">"
               "<path class=\"edge\" d=\"M403.2 82.8C431.7 82.8 431.7 98.7 460.2 98.7\"/>"
               "<path class=\"tip\" d=\"M467.2 98.7l-8 -4v8z\"/></g>\n"
               "<g id=\"b0\" class=\"box input\" transform=\"translate(83.0 55.0)\">"
               "<rect x=\"-59.0\" y=\"-31.0\" width=\"118.0\" height=\"62.0\" rx=\"6\"/>"
               "<text class=\"what\" y=\"-13\">#0 a</text><text class=\"value\" y=\"5\">2</text>"
               "<text class=\"grad\" y=\"23\">grad -0.989992</text></g>\n"
               "<g id=\"b1\" class=\"box input\" transform=\"translate(83.0 135.0)\">"
               "<rect x=\"-59.0\" y=\"-31.0\" width=\"118.0\" height=\"62.0\" rx=\"6\"/>"
               "<text class=\"what\" y=\"-13\">#1 b</text><text class=\"value\" y=\"5\">1</text>"
               "<text class=\"grad\" y=\"23\">grad -0.848872</text></g>\n"
               "<g id=\"b2\" class=\"box folded\" transform=\"translate(304.6 82.8)\">"
               "<rect x=\"-98.6\" y=\"-31.0\" width=\"197.2\" height=\"62.0\" rx=\"6\"/>"
               "<text class=\"what\" y=\"-13\">sum &amp; more: 2 operations</text><text "
               "class=\"value\" y=\"5\">"
               "</text><text class=\"grad\" y=\"23\"></text></g>\n"
               "<g id=\"b3\" class=\"box result\" transform=\"translate(526.2 105.7)\">"
               "<rect x=\"-59.0\" y=\"-31.0\" width=\"118.0\" height=\"62.0\" rx=\"6\"/>"
               "<text class=\"what\" y=\"-13\">#4 e = #3 * b</text><text class=\"value\" "
               "y=\"5\">0.14112</text>"
               "<text class=\"grad\" y=\"23\">grad 1</text></g>\n"
               "</svg>\n");
}

static void append(char *text, const char *letter, size_t times) {
    while (times-- > 0) strcat(text, letter);
}

/* A box of the SVG shows 26 characters, one of the DOT file 52; an ellipsis follows if there are
 * more. Characters are counted, not bytes. Here the text is "#2 NAME = hypot(NAME, NAME)". */
Test(draw, text_is_cut_after_so_many_characters) {
    static const char *const letters[] = {"n", "\xc3\xa4", "\xe2\x88\x82"};
    for (size_t k = 0; k < 3; k++)
        for (size_t most = 26; most <= 52; most += 26)
            for (size_t length = most - 1; length <= most + 1; length++) {
                const size_t rest = length - strlen("#2  = hypot(, )"),
                             part[] = {rest / 3, (rest + 1) / 3, (rest + 2) / 3};
                char name[3][60] = {""}, want[400] = "#2 ";
                for (size_t i = 0; i < 3; i++) append(name[i], letters[k], part[i]);
                const ad_var a = named(1, name[1]), b = named(1, name[2]), y = ad_hypot(a, b);
                ad_name(y, name[0]);
                strcat(strcat(want, name[0]), " = hypot(");
                strcat(strcat(want, name[1]), ", ");
                append(want, letters[k], part[2]);
                strcat(want, length > most ? "\xe2\x80\xa6" : ")");
                strcat(want, most == 26 ? "</text><text class=\"value\"" : " | 1.41421 | grad 1");
                const char *text = written(most == 26 ? ad_draw_svg : ad_draw_dot, y, NULL);
                cr_expect(strstr(text, want) != NULL, "%s is not in\n%s", want, text);
                drop();
                make();
            }
}

/* ---- wrong on purpose ------------------------------------------------------------------------ */

/* The gradient of (a + b)*(b + 1) at 2, 1 is (2, 5); with overwriting b keeps 2. */
Test(draw, picture_of_a_bug_is_called_wrong_and_has_what_is_right) {
    const ad_view view = {.bug = AD_BUG_OVERWRITE, .title = "e"};
    const char   *dot = written(ad_draw_dot, textbook(), &view);
    cr_expect(
        strstr(dot,
               "label=\"e\\nWRONG on purpose, the bug no-accumulate: a contribution overwrites") !=
            NULL,
        "%s", dot);
    cr_expect(strstr(dot, "\\ncheck: 1 of 2 DISAGREE with differences: ") != NULL, "%s", dot);
    cr_expect(strstr(dot, "b | 1 | grad 2 | WRONG, right: 5\", color=\"#b3261e\"") != NULL, "%s",
              dot);
    cr_expect_eq(count_of(dot, "WRONG, right"), 1, "%s", dot);
    const char *svg = written(ad_draw_svg, textbook(), &view);
    cr_expect(strstr(svg, "<title>e, with the bug no-accumulate</title>") != NULL, "%s", svg);
    cr_expect(strstr(svg, "aria-label=\"e, with the bug no-accumulate\"") != NULL, "%s", svg);
    cr_expect(strstr(svg, ">WRONG on purpose, the bug no-accumulate: ") != NULL, "%s", svg);
    cr_expect(strstr(svg, ">check: 1 of 2 DISAGREE with differences: ") != NULL, "%s", svg);
    cr_expect(strstr(svg, ">grad 2</text><text class=\"right\" y=\"32\">right 5</text>") != NULL,
              "%s", svg);
    cr_expect_eq(count_of(svg, "class=\"box input wrong\""), 1, "%s", svg);
    cr_expect_eq(count_of(svg, " wrong\""), 1, "%s", svg);
}

Test(draw, picture_of_every_bug_names_it) {
    static const char *const name[] = {"", "no-accumulate", "depth-first", "stale"};
    for (ad_bug bug = AD_BUG_NONE; bug <= AD_BUG_STALE; bug++) {
        char words[80];
        snprintf(words, sizeof words, "WRONG on purpose, the bug %s: ", name[bug]);
        writer *const all[] = {ad_draw_dot, ad_draw_svg};
        for (size_t k = 0; k < 2; k++) {
            const char *text = written(all[k], textbook(), &(ad_view){.bug = bug});
            cr_expect_eq(count_of(text, words), bug != AD_BUG_NONE, "%s", text);
            cr_expect_eq(count_of(text, "check: "), bug != AD_BUG_NONE, "%s", text);
            cr_expect_eq(count_of(text, "WRONG"),
                         bug == AD_BUG_NONE ? 0
                         : k == 1           ? 1
                                            : count_of(text, "WRONG, ") + 1,
                         "%s", text);
        }
    }
}

/* A bare picture has no check; a folded box counts the wrong gradients inside it: all seven but the
 * result. */
Test(draw, folded_boxes_count_their_wrong_gradients) {
    ad_var y = named(0.5, "x");
    for (int i = 0; i < 7; i++) y = ad_sin(y);
    const ad_view view = {.bug = AD_BUG_STALE, .most = 2, .bare = true};
    cr_expect(strstr(written(ad_draw_dot, y, &view),
                     "#0 ... #6: 7 operations | 7 WRONG gradients\", color=") != NULL);
    cr_expect(strstr(written(ad_draw_svg, y, &view), ">7 wrong gradients</text>") != NULL);
    cr_expect_eq(count_of(written(ad_draw_svg, y, &view), "check: "), 0);
}

Test(draw, picture_has_what_differences_have_to_tell_without_a_bug) {
    const ad_var  x = named(0, "x"), y = ad_sub(ad_relu(x), ad_relu(ad_neg(x)));
    writer *const all[] = {ad_draw_dot, ad_draw_svg};
    for (size_t k = 0; k < 2; k++) {
        cr_expect_eq(
            count_of(written(all[k], y, NULL),
                     "check: 1 of 1 DISAGREE with differences: a kink, a jump, or a wrong"),
            1);
        cr_expect_eq(count_of(written(all[k], y, &(ad_view){.bare = true}), "check: "), 0);
        cr_expect_eq(count_of(written(all[k], textbook(), NULL), "check: "), 0);
    }
}

Test(draw, picture_of_old_values_says_so) {
    const ad_var  x = named(3, "x"), y = ad_mul(x, x);
    writer *const all[] = {ad_draw_dot, ad_draw_svg};
    ad_set(x, 4);
    for (size_t k = 0; k < 2; k++) {
        cr_expect_eq(count_of(written(all[k], y, NULL), "OLD: inputs were set since"), 1);
        cr_expect_eq(
            count_of(written(all[k], y, &(ad_view){.bug = AD_BUG_STALE}), "OLD: inputs were"), 1);
    }
    ad_replay(tape);
    for (size_t k = 0; k < 2; k++) cr_expect_eq(count_of(written(all[k], y, NULL), "OLD: "), 0);
}

/* ---- names ----------------------------------------------------------------------------------- */

/* Whatever bytes the names have, and wherever they are cut: the output is UTF-8, and no reference
 * is cut. */
Test(draw, what_is_written_is_utf8) {
    static const char *const odd[] = {
        "\xe2\x88\x82", "\xf0\x9f\x8c\xb3", "\xff",        "\xe2\x88", "\x80", "&",
        "\x1b",         "\xc2\x9b",         "\xef\xbf\xbf"};
    for (size_t k = 0; k < sizeof odd / sizeof *odd; k++)
        for (size_t first = 0; first < 4; first++) {
            char text[2000] = "";
            append(text, "n", first);
            append(text, odd[k], 400);
            for (int i = 0; i < 4; i++) ad_scope(tape, text);
            const ad_var x = named(1, text), y = ad_exp(ad_sin(x));
            for (int i = 0; i < 4; i++) ad_scope_end(tape);
            writer *const all[] = {ad_draw_dot, ad_draw_svg};
            for (size_t i = 0; i < 2; i++)
                for (size_t most = 2; most < 4; most++) {
                    const char *made = written(all[i], y, &(ad_view){.title = text, .most = most});
                    cr_expect(ad__is_utf8(made), "%s", made);
                    for (const char *at = made; *at != '\0'; at++)
                        cr_assert((unsigned char)*at >= 0x20 || *at == '\n');
                    cr_expect_eq(count_of(made, "\xc2\x9b") + count_of(made, "\xef\xbf\xbf"), 0,
                                 "%s", made);
                    /* no replacement character if all bytes are valid: nothing was cut in two */
                    cr_expect(k > 1 || count_of(made, "\xef\xbf\xbd") == 0, "%s", made);
                    cr_expect(i == 0 || k != 5 || count_of(made, "&amp;") == count_of(made, "&"),
                              "%s", made);
                }
            drop();
            make();
        }
}

/* A title is cut to 255 bytes, after a whole character. */
Test(draw, long_title_ends_with_an_ellipsis) {
    char title[600] = "";
    append(title, "\xe2\x88\x82", 150);
    const char *svg = written(ad_draw_svg, textbook(), &(ad_view){.title = title}),
               *end = strstr(svg, "</title>");
    cr_expect_eq(memcmp(end - 6, "\xe2\x88\x82\xe2\x80\xa6", 6), 0, "%.400s", svg);
    title[85 * 3] = '\0';
    cr_expect_eq(
        count_of(written(ad_draw_svg, textbook(), &(ad_view){.title = title}), "\xe2\x80\xa6"), 0);
}

Test(draw, title_of_many_results_says_that_there_are_more) {
    static char text[60000];
    ad_var      y[40];
    for (int i = 0; i < 40; i++) {
        char name[41];
        snprintf(name, sizeof name, "a_name_of_forty_bytes_and_a_number_%05d", i);
        y[i] = named(i, name);
    }
    FILE *to = fmemopen(text, sizeof text, "w");
    cr_assert_eq(ad_draw_dot(40, y, &(ad_view){.most = 99}, to), AD_OK);
    fclose(to);
    cr_expect(strstr(text, "_00003, a_name_of_forty_bytes_and_a_number_00004, \xe2\x80\xa6\";") !=
                  NULL,
              "%.400s", text);
}

/* As wide as what it shows, which is a replacement character for each invalid byte: 7.3 for each,
 * and 22. */
Test(draw, box_is_wide_enough_for_bytes_that_are_no_characters) {
    for (size_t n = 1; n < 30; n++) {
        char   name[100] = "";
        double width = 0;
        append(name, "\x80", n);
        const char *svg = written(ad_draw_svg, named(1, name), NULL),
                   *what = strstr(svg, "<text class=\"what\"");
        cr_assert_eq(
            sscanf(strstr(svg, "<rect x="), "<rect x=\"%*f\" y=\"%*f\" width=\"%lf\"", &width), 1,
            "%s", svg);
        size_t shown = 0;
        for (what = strchr(what, '>') + 1; *what != '<'; what += ad__sequence(what)) shown++;
        cr_expect_float_eq(width, fmax(118, 7.3 * (double)shown + 22), 0.06, "%zu: %zu characters",
                           n, shown);
        drop();
        make();
    }
}

/* Narrow boxes are 118 wide; one of 20 characters is 20*7.3 + 22 = 168 wide. */
Test(draw, box_is_as_wide_as_its_text) {
    const char *text = written(ad_draw_svg, named(1, "nnnnnnnnnnnnnnnnn"), NULL);
    cr_expect(
        strstr(text, "<rect x=\"-84.0\" y=\"-31.0\" width=\"168.0\" height=\"62.0\" rx=\"6\"/>") !=
            NULL,
        "%s", text);
}

/* The gradient shown is that of the first result; it is 0 for what leads only to the second. */
Test(draw, gradients_are_those_of_the_first_result) {
    const ad_var a = named(2, "a"), b = named(3, "b"), first = ad_mul(a, a),
                 y[] = {first, ad_mul(b, first)};
    static char text[20000];
    FILE       *to = fmemopen(text, sizeof text, "w");
    cr_assert_eq(ad_draw_dot(2, y, NULL, to), AD_OK);
    fclose(to);
    cr_expect(strstr(text, "label=\"#2, #3\";") != NULL, "%s", text);
    cr_expect(strstr(text, "a | 2 | grad 4\"") != NULL && strstr(text, "b | 3 | grad 0\"") != NULL,
              "%s", text);
    cr_expect(strstr(text, " | 4 | grad 1\"") != NULL && strstr(text, " | 12 | grad 0\"") != NULL,
              "%s", text);
    cr_expect_eq(count_of(text, "fillcolor=\"#fff1cc\""), 2, "%s", text);
}

/* A frame is drawn around two boxes or more, and only if no box of another scope is between
 * them. */
Test(draw, scope_of_one_box_has_no_frame) {
    const ad_var a = named(2, "a");
    ad_scope(tape, "one");
    const ad_var sine = ad_sin(a);
    ad_scope_end(tape);
    cr_expect_eq(count_of(written(ad_draw_svg, ad_exp(sine), NULL), "class=\"frame\""), 0);
}

Test(draw, what_is_not_finite_is_written_as_such) {
    const ad_var x = named(INFINITY, "x"), y = ad_sub(x, x);
    const char  *svg = written(ad_draw_svg, y, NULL);
    cr_expect(strstr(svg, ">inf<") != NULL, "%s", svg);
    cr_expect(strstr(svg, ">nan<") != NULL, "%s", svg);
}

Test(draw, full_disk_is_a_status_and_the_tape_stays_as_it_is) {
    const ad_var  y = textbook();
    writer *const all[] = {ad_draw_dot, ad_draw_svg};
    for (size_t k = 0; k < 2; k++) {
        FILE *to = fopen("/dev/full", "w");
        cr_assert_not_null(to);
        cr_expect_eq(all[k](1, &y, NULL, to), AD_BAD_FILE);
        fclose(to);
        cr_expect_eq(ad_tape_status(tape), AD_OK);
        cr_expect_eq(all[k](1, &y, NULL, NULL), AD_BAD_ARGUMENT);
        ad_tape_clear(tape);
        cr_expect_eq(all[k](0, NULL, NULL, stdout), AD_BAD_ARGUMENT);
    }
    ad_backward(y);
    cr_expect_eq(ad_grad(ad_find(tape, "b")), 5);
}
