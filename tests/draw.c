/* draw.c - tests of engine/draw.c: what stands in a picture, counted and read from its text. That other programs can
 * read the files, whatever names they hold, is shown by tests/pictures. */
#include "engine/draw.h"
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

/* (a + b)*(b + 1) at 2, 1: five nodes, of which numbers are none, and five edges. */
static ad_var textbook(void) {
    const ad_var a = named(2, "a"), b = named(1, "b"), sum = ad_add(a, b), next = ad_add(b, ad_num(1));
    return ad_mul(sum, next);
}

Test(draw, dot_has_a_box_for_a_node_and_an_edge_for_an_operand) {
    const char *dot = written(ad_draw_dot, textbook(), NULL);
    cr_expect_eq(count_of(dot, " [label=\"") - count_of(dot, " -> "), 5, "%s", dot);
    cr_expect_eq(count_of(dot, " -> "), 5, "%s", dot);
    cr_expect(strstr(dot, "a | 2 | grad 2\"") != NULL, "%s", dot);
    cr_expect(strstr(dot, "b | 1 | grad 5\"") != NULL, "%s", dot);
    cr_expect(strstr(dot, "| 6 | grad 1\"") != NULL, "%s", dot);
    cr_expect_eq(count_of(dot, "[label=\"3\"") + count_of(dot, "[label=\"2\""), 2, "the local derivatives of the product: %s",
                 dot);
    cr_expect_eq(count_of(dot, "\", fillcolor=\"#e3f0ff\"];"), 2, "two inputs: %s", dot);
    cr_expect_eq(count_of(dot, "\", fillcolor=\"#fff1cc\"];"), 1, "one result: %s", dot);
    cr_expect_eq(count_of(dot, "grad 3\"];") + count_of(dot, "grad 2\"];"), 2, "two operations: %s", dot);
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

/* Every box stands inside the picture, and no two stand on the same place. */
Test(draw, boxes_stand_inside_the_picture_and_apart) {
    ad_var y = named(0.5, "x");
    for (int i = 0; i < 18; i++) y = ad_add(ad_sin(y), ad_mul(y, ad_num(0.5)));
    const char *svg = written(ad_draw_svg, y, NULL), *box = strstr(svg, "viewBox=\"");
    double      left, top, width, height, x[200], at[200];
    size_t      n = 0;
    cr_assert_eq(sscanf(box, "viewBox=\"%lf %lf %lf %lf", &left, &top, &width, &height), 4);
    for (const char *spot = svg; (spot = strstr(spot, "transform=\"translate(")) != NULL && n < 200; spot++, n++) {
        cr_assert_eq(sscanf(spot, "transform=\"translate(%lf %lf)", &x[n], &at[n]), 2);
        cr_expect(x[n] > left && x[n] < left + width && at[n] > top && at[n] < top + height, "box %zu: %g %g", n, x[n], at[n]);
        for (size_t k = 0; k < n; k++) cr_expect(fabs(x[n] - x[k]) > 50 || fabs(at[n] - at[k]) > 50, "boxes %zu and %zu", k, n);
    }
    cr_expect_gt(n, 40);
}

Test(draw, more_boxes_than_wanted_are_folded_and_it_says_so) {
    ad_var y = named(0.5, "x");
    for (int i = 0; i < 300; i++) y = ad_sin(y);
    const char *svg = written(ad_draw_svg, y, &(ad_view){.most = 7});
    cr_expect_leq(count_of(svg, "class=\"box "), 7);
    cr_expect(strstr(svg, "folded</text>") != NULL);
    cr_expect_leq(count_of(written(ad_draw_dot, y, NULL), " [label=\""), 2*60);
}

Test(draw, scope_is_a_cluster_and_a_frame) {
    const ad_var x = named(2, "x");
    ad_scope(tape, "layer 0");
    const ad_var h = ad_tanh(ad_mul(x, x));
    ad_scope_end(tape);
    const ad_var y = ad_exp(h);
    const char *dot = written(ad_draw_dot, y, NULL);
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
    cr_expect(strstr(svg, "\xe2\x88\x82</text>") != NULL || (cut != NULL && memcmp(cut - 3, "\xe2\x88\x82", 3) == 0));
}

Test(draw, what_is_not_finite_is_written_as_such) {
    const ad_var x = named(INFINITY, "x"), y = ad_sub(x, x);
    const char  *svg = written(ad_draw_svg, y, NULL);
    cr_expect(strstr(svg, ">inf<") != NULL, "%s", svg);
    cr_expect(strstr(svg, ">nan<") != NULL, "%s", svg);
}

Test(draw, full_disk_is_a_status_and_the_tape_stays_as_it_is) {
    const ad_var y = textbook();
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
