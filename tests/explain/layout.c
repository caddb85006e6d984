/* layout.c - tests of where boxes are placed: nothing overlaps, and operands are left of their
 * users. */
#include "engine/explain/layout.h"

#include "engine/tape/trace.h"
#include "support.h"

#include "expect.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

static ad_tape      *tape;
static ad__selection chosen;
static ad__fold      fold;
static ad__layout    layout;

static void make(void) {
    tape = ad_tape_new();
}
static void drop(void) {
    ad__select_free(&chosen);
    ad__fold_free(&fold);
    ad__layout_free(&layout);
    ad_tape_free(tape);
}

TestSuite(layout, .init = make, .fini = drop);

/* Boxes are 80, 120, 160, 80, ... wide and 50 high. */
static void draw(ad_var y) {
    cr_assert(ad__select(tape, 1, &y, &chosen));
    cr_assert(ad__fold_make(tape, chosen.length, chosen.used, chosen.keep, 10000, &fold));
    double *width = malloc(fold.boxes * sizeof *width);
    for (uint32_t k = 0; k < fold.boxes; k++) width[k] = 80 + k % 3 * 40;
    cr_assert(ad__layout_make(tape, &fold, width, 50, &layout));
    free(width);
}

static void expect_sound(void) {
    for (uint32_t a = 0; a < fold.boxes; a++) {
        const ad__spot *p = &layout.spot[a];
        cr_expect(p->x - p->width / 2 >= 0 && p->x + p->width / 2 <= layout.width,
                  "box %u is outside", a);
        cr_expect(p->y - p->height / 2 >= 0 && p->y + p->height / 2 <= layout.height,
                  "box %u is outside", a);
        for (uint32_t b = a + 1; b < fold.boxes; b++) {
            const ad__spot *q = &layout.spot[b];
            cr_expect(fabs(p->x - q->x) >= (p->width + q->width) / 2 || fabs(p->y - q->y) >= 50,
                      "boxes %u and %u cover each other", a, b);
        }
    }
    for (size_t k = 0; k < layout.links; k++) {
        const ad__link *link = &layout.link[k];
        const ad__spot *from = &layout.spot[link->from], *to = &layout.spot[link->to];
        cr_expect(from->x + from->width / 2 < to->x - to->width / 2,
                  "edge %zu does not go to the right", k);
        const ad__point *p = layout.point + link->first;
        cr_expect(p[0].y == from->y && fabs(p[link->points - 1].y - to->y) <= 25,
                  "edge %zu misses its boxes", k);
        for (uint32_t i = 1; i < link->points; i++)
            cr_expect(p[i].x >= p[i - 1].x, "edge %zu turns back", k);
    }
}

/* A joint is where a long edge passes a layer: no box may stand there. */
static void expect_edges_beside_boxes(void) {
    for (size_t k = 0; k < layout.links; k++) {
        const ad__link *link = &layout.link[k];
        for (uint32_t i = 1; i + 1 < link->points; i++)
            for (uint32_t b = 0; b < fold.boxes; b++) {
                const ad__spot  *at = &layout.spot[b];
                const ad__point *p = layout.point + link->first + i;
                cr_expect(fabs(p->x - at->x) > at->width / 2 || fabs(p->y - at->y) > at->height / 2,
                          "edge %zu passes through box %u", k, b);
            }
    }
}

Test(layout, of_a_fork) {
    const ad_var x[] = {ad_input(tape, 2), ad_input(tape, 1)};
    draw(ad_parse(tape, "(a + b)*(b + 1)", 2, "a, b", x));
    expect_sound();
    cr_expect_eq(layout.links, 5);
}

Test(layout, two_uses_by_one_node_are_one_edge_with_the_sum_of_both) {
    const ad_var x = ad_input(tape, 3);
    draw(ad_mul(x, x));
    cr_expect_eq(layout.links, 1);
    cr_expect_eq(layout.link[0].local, 6);
}

Test(layout, of_long_edges_over_many_layers) {
    const ad_var x = ad_input(tape, 0.5);
    ad_var       y = x;
    for (int i = 0; i < 12; i++) y = ad_add(ad_sin(y), x);
    draw(y);
    expect_sound();
    expect_edges_beside_boxes();
}

Test(layout, of_random_graphs) {
    uint64_t state = 7;
    for (int round = 0; round < 12; round++) {
        drop();
        make();
        ad_var x[90];
        for (int i = 0; i < 90; i++)
            x[i] = i < 10 ? ad_input(tape, i)
                          : ad_add(x[random_bits(&state) % (uint64_t)i],
                                   x[random_bits(&state) % (uint64_t)i]);
        draw(ad_sum(30, x + 60));
        expect_sound();
        expect_edges_beside_boxes();
    }
}

Test(layout, of_a_single_node) {
    draw(ad_input(tape, 1));
    expect_sound();
    cr_expect_eq(layout.links, 0);
}

/* ---- exact places ---------------------------------------------------------------------------- */

/* The size, then "box x y" of each centre, then "from-to x,y x,y ..." of each line. */
static void expect_places(const char *wanted) {
    static char text[4000];
    size_t length = (size_t)snprintf(text, sizeof text, "%g %g\n", layout.width, layout.height);
    for (uint32_t k = 0; k < fold.boxes; k++)
        length += (size_t)snprintf(text + length, sizeof text - length, "%u %g %g\n", k,
                                   layout.spot[k].x, layout.spot[k].y);
    for (size_t k = 0; k < layout.links; k++) {
        const ad__link *link = &layout.link[k];
        length +=
            (size_t)snprintf(text + length, sizeof text - length, "%u-%u", link->from, link->to);
        for (uint32_t i = 0; i < link->points; i++) {
            const ad__point *p = &layout.point[link->first + i];
            length += (size_t)snprintf(text + length, sizeof text - length, " %g,%g", p->x, p->y);
        }
        length += (size_t)snprintf(text + length, sizeof text - length, "\n");
    }
    cr_expect_str_eq(text, wanted, "%s", text);
}

/* By hand: layers are as wide as their widest box, 64 apart; two boxes in a layer are 18 apart,
 * centred at the height of their neighbour; two edges arrive 14 apart; the margin is 24. */
Test(layout, of_a_diamond) {
    const ad_var x = ad_input(tape, 1);
    draw(ad_mul(ad_sin(x), ad_cos(x)));
    expect_places("496 166\n"
                  "0 64 83\n"
                  "1 248 49\n"
                  "2 248 117\n"
                  "3 432 83\n"
                  "0-1 104,83 188,49\n"
                  "0-2 104,83 168,117\n"
                  "1-3 308,49 392,76\n"
                  "2-3 328,117 392,90\n");
}

/* By hand: four edges share the height of a box without the 6 at each end, (50 - 12)/4 = 9.5 for
 * each. */
Test(layout, of_four_edges_into_one_box) {
    ad_var x[4];
    for (int i = 0; i < 4; i++) x[i] = ad_input(tape, i);
    draw(ad_sum(4, x));
    expect_places("392 302\n"
                  "0 104 49\n"
                  "1 104 117\n"
                  "2 104 185\n"
                  "3 104 253\n"
                  "4 308 151\n"
                  "0-4 144,49 248,136.75\n"
                  "1-4 164,117 248,146.25\n"
                  "2-4 184,185 248,155.75\n"
                  "3-4 144,253 248,165.25\n");
}

/* By hand: the edge passes two layers horizontally, 18 below the bottom of their boxes, and x and y
 * are at the mean of 49 and 49 + 25 + 18. */
Test(layout, of_an_edge_beside_two_boxes) {
    const ad_var x = ad_input(tape, 1);
    draw(ad_add(x, ad_sin(ad_sin(x))));
    expect_places("680 119.5\n"
                  "0 64 70.5\n"
                  "1 228 49\n"
                  "2 432 49\n"
                  "3 616 70.5\n"
                  "0-1 104,70.5 168,49\n"
                  "1-2 288,49 352,49\n"
                  "0-3 104,70.5 168,92 288,92 352,92 512,92 576,77.5\n"
                  "2-3 512,49 576,63.5\n");
}

/* If heights do not settle at once, they are compared with those of another program, written from
 * the description at the top of layout.c. */
Test(layout, of_edges_beside_each_other) {
    ad_var x[5];
    for (int i = 0; i < 4; i++) x[i] = ad_input(tape, i);
    x[4] = ad_sin(ad_sum(4, x));
    draw(ad_sum(5, x));
    expect_places("760 302\n"
                  "0 104 49\n"
                  "1 104 117\n"
                  "2 104 185\n"
                  "3 104 253\n"
                  "4 308 151\n"
                  "5 512 151\n"
                  "6 696 151\n"
                  "0-4 144,49 248,136.75\n"
                  "1-4 164,117 248,146.25\n"
                  "2-4 184,185 248,155.75\n"
                  "3-4 144,253 248,165.25\n"
                  "4-5 368,151 432,151\n"
                  "0-6 144,49 248,71.4231 368,71.4231 432,93.8462 592,93.8462 656,135.8\n"
                  "1-6 164,117 248,108 368,108 432,108 592,108 656,143.4\n"
                  "2-6 184,185 248,194 368,194 432,194 592,194 656,158.6\n"
                  "3-6 144,253 248,230.577 368,230.577 432,208.154 592,208.154 656,166.2\n"
                  "5-6 592,151 656,151\n");
}

Test(layout, of_a_lopsided_graph) {
    const ad_var a = ad_input(tape, 1), b = ad_input(tape, 2), c = ad_input(tape, 3),
                 d = ad_add(b, c), e = ad_sin(a);
    const ad_var all[] = {ad_mul(d, e), ad_exp(e), a, c, ad_cos(d)};
    draw(ad_sum(5, all));
    expect_places("840 270\n"
                  "0 104 78.3355\n"
                  "1 104 147.127\n"
                  "2 104 215.127\n"
                  "3 308 166.127\n"
                  "4 308 75.0439\n"
                  "5 512 117\n"
                  "6 512 49\n"
                  "7 512 203\n"
                  "8 736 149.768\n"
                  "1-3 164,147.127 268,159.127\n"
                  "2-3 184,215.127 268,173.127\n"
                  "0-4 144,78.3355 248,75.0439\n"
                  "3-5 348,166.127 432,124\n"
                  "4-5 368,75.0439 432,110\n"
                  "4-6 368,75.0439 472,49\n"
                  "3-7 348,166.127 452,203\n"
                  "0-8 144,78.3355 248,118.044 368,118.044 432,160 592,160 656,149.768\n"
                  "2-8 184,215.127 248,226.127 368,226.127 432,246 592,246 656,164.968\n"
                  "5-8 592,117 656,142.168\n"
                  "6-8 552,49 656,134.568\n"
                  "7-8 572,203 656,157.368\n");
}

/* ---- order ----------------------------------------------------------------------------------- */

/* Of the edges from one layer to the next. */
static int crossings(void) {
    int n = 0;
    for (size_t k = 0; k < layout.links; k++)
        for (size_t j = 0; j < k; j++) {
            const ad__spot *a = &layout.spot[layout.link[j].from],
                           *b = &layout.spot[layout.link[j].to];
            const ad__spot *c = &layout.spot[layout.link[k].from],
                           *d = &layout.spot[layout.link[k].to];
            n += a->x == c->x && b->x == d->x && (a->y - c->y) * (b->y - d->y) < 0;
        }
    return n;
}

/* A tree can always be drawn so, whatever the order it was recorded in: here the leaves of one
 * branch are five apart. */
Test(layout, edges_of_a_tree_do_not_cross) {
    ad_var x[15], sum[5];
    for (int i = 0; i < 15; i++) x[i] = ad_input(tape, i);
    for (int i = 0; i < 5; i++) {
        const ad_var part[] = {x[i], x[i + 5], x[i + 10]};
        sum[i] = ad_sum(3, part);
    }
    const ad_var left[] = {ad_sin(sum[4]), ad_sin(sum[2])},
                 right[] = {ad_sin(sum[3]), ad_sin(sum[0]), ad_sin(sum[1])};
    draw(ad_mul(ad_sum(2, left), ad_sum(3, right)));
    expect_sound();
    cr_expect_eq(crossings(), 0);
}

Test(layout, what_hangs_on_one_box_each_stands_beside_it) {
    ad_var x[7], y[7];
    for (int i = 0; i < 7; i++) x[i] = ad_input(tape, i);
    for (int i = 0; i < 7; i++) y[i] = ad_sin(x[i * 3 % 7]);
    draw(ad_sum(7, y));
    cr_expect_eq(crossings(), 0);
    for (int i = 0; i < 7; i++)
        cr_expect_float_eq(layout.spot[7 + i].y, layout.spot[i * 3 % 7].y, 1e-9, "sine %d", i);
}

Test(layout, leaf_stands_one_layer_before_its_first_user) {
    const ad_var x = ad_input(tape, 1), late = ad_input(tape, 2), y = ad_sin(ad_sin(x)),
                 z = ad_mul(y, late);
    draw(ad_add(ad_sin(z), late));
    cr_expect_eq(layout.spot[1].x, layout.spot[fold.of[ad__node_of(y)]].x);
}

/* ---- much of it ------------------------------------------------------------------------------ */

/* n long edges: one passes a layer, the next three, and so on: n*n joints. */
static void comb(int n) {
    const ad_var x = ad_input(tape, 0.5);
    ad_var       y = x;
    for (int i = 0; i < n; i++) y = ad_add(ad_sin(y), x);
    draw(y);
}

Test(layout, forty_thousand_joints_are_drawn) {
    comb(200);
    cr_expect_eq(layout.link[layout.links - 2].points, 2 + 2 * 399);
    expect_sound();
}

Test(layout, more_joints_are_left_out) {
    comb(201);
    for (size_t k = 0; k < layout.links; k++) cr_expect_eq(layout.link[k].points, 2);
    expect_sound();
}

Test(layout, many_edges_into_one_box_arrive_below_each_other) {
    static const size_t many[] = {64, 65, 100};
    for (size_t i = 0; i < 3; i++) {
        drop();
        make();
        ad_var x[100];
        for (size_t k = 0; k < many[i]; k++) x[k] = ad_input(tape, 1);
        draw(ad_sum(many[i], x));
        expect_sound();
        for (size_t k = 1; k < layout.links; k++)
            cr_expect_gt(layout.point[layout.link[k].first + 1].y,
                         layout.point[layout.link[k - 1].first + 1].y, "%zu of %zu", k, many[i]);
    }
}
