/* fold.c - tests of graphs made smaller. */
#include "engine/fold.h"

#include "engine/trace.h"
#include "support.h"

#include "expect.h"
#include <string.h>

static ad_tape      *tape;
static ad__selection chosen;
static ad__fold      fold;

static void make(void) {
    tape = ad_tape_new();
}
static void drop(void) {
    ad__select_free(&chosen);
    ad__fold_free(&fold);
    ad_tape_free(tape);
}

TestSuite(fold, .init = make, .fini = drop);

static ad_var chain(ad_var x, size_t n) {
    for (size_t i = 0; i < n; i++) x = ad_sin(x);
    return x;
}

static void fold_to(ad_var y, size_t most) {
    cr_assert(ad__select(tape, 1, &y, &chosen));
    cr_assert(ad__fold_make(tape, chosen.length, chosen.used, chosen.keep, most, &fold));
}

/* Every node in one box, boxes in the order of the tape, the result alone. */
static void expect_sound(ad_var y) {
    uint32_t nodes = 0;
    for (uint32_t k = 0; k < fold.boxes; k++) {
        cr_expect(k == 0 || fold.box[k].first > fold.box[k - 1].last);
        nodes += fold.box[k].count;
    }
    uint32_t used = 0;
    for (uint32_t i = 0; i < chosen.length; i++) {
        used += chosen.used[i];
        if (!chosen.used[i]) continue;
        const ad__box *box = &fold.box[fold.of[i]];
        cr_expect(box->first <= i && i <= box->last);
    }
    cr_expect_eq(nodes, used);
    cr_expect_eq(fold.box[fold.of[y.at.in.node]].count, 1);
}

Test(fold, nothing_is_folded_where_there_is_space) {
    const ad_var y = chain(ad_input(tape, 1), 9);
    fold_to(y, 10);
    cr_expect_eq(fold.boxes, 10);
    expect_sound(y);
}

Test(fold, scopes_are_folded_first_and_named) {
    char   label[128];
    ad_var y = ad_input(tape, 1);
    ad_scope(tape, "layer 0");
    y = chain(y, 30);
    ad_scope_end(tape);
    y = chain(y, 5);
    fold_to(y, 8);
    cr_expect_eq(fold.boxes, 7);                            /* the input, the scope, five sines */
    cr_expect_eq(fold.scopes, 1);
    ad__fold_label(tape, &fold.box[1], sizeof label, label);
    cr_expect_str_eq(label, "layer 0: 30 operations");
    expect_sound(y);
}

Test(fold, inner_scopes_are_folded_before_outer_ones) {
    char   label[128];
    ad_var y = ad_input(tape, 1);
    ad_scope(tape, "network");
    for (int i = 0; i < 3; i++) {
        ad_scope(tape, "layer");
        y = chain(y, 10);
        ad_scope_end(tape);
        y = ad_exp(y);
    }
    ad_scope_end(tape);
    y = ad_sin(y);
    fold_to(y, 10);
    cr_expect_eq(fold.scopes, 3);
    ad__fold_label(tape, &fold.box[1], sizeof label, label);
    cr_expect_str_eq(label, "network / layer: 10 operations");
    expect_sound(y);
}

Test(fold, stretches_keep_the_number_of_boxes_small) {
    const ad_var y = chain(ad_input(tape, 1), 5000);
    for (size_t most = 3; most < 400; most += 37) {
        ad__select_free(&chosen);
        ad__fold_free(&fold);
        fold_to(y, most);
        cr_expect_leq(fold.boxes, most, "%u boxes where %zu are wanted", fold.boxes, most);
        cr_expect_geq(2*fold.boxes + 8, most, "only %u boxes where %zu are allowed", fold.boxes, most);
        expect_sound(y);
    }
}

Test(fold, says_what_it_did) {
    char said[128];
    const ad_var y = chain(ad_input(tape, 1), 100);
    fold_to(y, 4);
    ad__fold_said(&fold, sizeof said, said);
    cr_expect(strstr(said, "stretch") != NULL && strstr(said, "folded") != NULL, "%s", said);
}
