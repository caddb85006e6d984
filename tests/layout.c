/* layout.c - tests of where boxes stand: nothing covers anything, and operands stand left of their users. */
#include "engine/layout.h"

#include "engine/trace.h"
#include "support.h"

#include "expect.h"
#include <math.h>
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

static void draw(ad_var y) {
    cr_assert(ad__select(tape, 1, &y, &chosen));
    cr_assert(ad__fold_make(tape, chosen.length, chosen.used, chosen.keep, 10000, &fold));
    double *width = malloc(fold.boxes*sizeof *width);
    for (uint32_t k = 0; k < fold.boxes; k++) width[k] = 80 + k%3*40;
    cr_assert(ad__layout_make(tape, &fold, width, 50, &layout));
    free(width);
}

static void expect_sound(void) {
    for (uint32_t a = 0; a < fold.boxes; a++) {
        const ad__spot *p = &layout.spot[a];
        cr_expect(p->x - p->width/2 >= 0 && p->x + p->width/2 <= layout.width, "box %u is outside", a);
        cr_expect(p->y - p->height/2 >= 0 && p->y + p->height/2 <= layout.height, "box %u is outside", a);
        for (uint32_t b = a + 1; b < fold.boxes; b++) {
            const ad__spot *q = &layout.spot[b];
            cr_expect(fabs(p->x - q->x) >= (p->width + q->width)/2 || fabs(p->y - q->y) >= 50,
                      "boxes %u and %u cover each other", a, b);
        }
    }
    for (size_t k = 0; k < layout.links; k++) {
        const ad__link *link = &layout.link[k];
        const ad__spot *from = &layout.spot[link->from], *to = &layout.spot[link->to];
        cr_expect(from->x + from->width/2 < to->x - to->width/2, "edge %zu does not go to the right", k);
        const ad__point *p = layout.point + link->first;
        cr_expect(p[0].y == from->y && fabs(p[link->points - 1].y - to->y) <= 25, "edge %zu misses its boxes", k);
        for (uint32_t i = 1; i < link->points; i++) cr_expect(p[i].x >= p[i - 1].x, "edge %zu turns back", k);
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
                cr_expect(fabs(p->x - at->x) > at->width/2 || fabs(p->y - at->y) > at->height/2,
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
                 : ad_add(x[random_bits(&state)%(uint64_t)i], x[random_bits(&state)%(uint64_t)i]);
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
