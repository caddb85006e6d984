/* fold.c - tests of engine/explain/fold.c: graphs made smaller. */
#include "engine/explain/fold.h"

#include "engine/tape/trace.h"
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

/* Every node is in one box, boxes are in the order of the tape, the result is alone. */
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
    cr_expect_eq(fold.box[fold.of[ad__node_of(y)]].count, 1);
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
    cr_expect_eq(fold.boxes, 7); /* the input, the scope, five sines */
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
        cr_expect_geq(2 * fold.boxes + 8, most, "only %u boxes where %zu are allowed", fold.boxes,
                      most);
        expect_sound(y);
    }
}

Test(fold, says_what_it_did) {
    char         said[128];
    const ad_var y = chain(ad_input(tape, 1), 100);
    fold_to(y, 4);
    ad__fold_said(&fold, sizeof said, said);
    cr_expect(strstr(said, "stretch") != NULL && strstr(said, "folded") != NULL, "%s", said);
}

/* ---- which boxes ----------------------------------------------------------------------------- */

/* All boxes, each by its label or, for a single node, its number; then the summary. */
static void expect_boxes(size_t n, const ad_var y[], size_t most, const char *want) {
    char text[2000] = "", label[128];
    ad__select_free(&chosen);
    ad__fold_free(&fold);
    cr_assert(ad__select(tape, n, y, &chosen));
    cr_assert(ad__fold_make(tape, chosen.length, chosen.used, chosen.keep, most, &fold));
    for (uint32_t k = 0; k < fold.boxes; k++) {
        if (fold.box[k].count == 1)
            snprintf(label, sizeof label, "#%u", (unsigned)fold.box[k].first);
        else ad__fold_label(tape, &fold.box[k], sizeof label, label);
        snprintf(text + strlen(text), sizeof text - strlen(text), "[%s] ", label);
    }
    ad__fold_said(&fold, sizeof label, label);
    strcat(text, label);
    cr_expect_str_eq(text, want, "%zu at the most: %s", most, text);
}

/* Six inputs, the sum of their sines in two scopes of three, and a product with a seventh input. */
Test(fold, scopes_then_stretches_in_which_inputs_stand_apart) {
    ad_var x[6], half[2];
    for (int i = 0; i < 6; i++) x[i] = ad_input(tape, i);
    for (int k = 0; k < 2; k++) {
        ad_scope(tape, k == 0 ? "left" : "right");
        half[k] = ad_num(0);
        for (int i = 0; i < 3; i++) half[k] = ad_add(half[k], ad_sin(x[3 * k + i]));
        ad_scope_end(tape);
    }
    const ad_var seventh = ad_input(tape, 7), sum = ad_add(half[0], half[1]),
                 y = ad_mul(sum, seventh);
    expect_boxes(1, &y, 15,
                 "[#0] [#1] [#2] [#3] [#4] [#5] [left: 6 operations] [right: 6 operations] [#18] "
                 "[#19] [#20] 2 scopes are folded");
    expect_boxes(1, &y, 14,
                 "[#0] [#1] [#2] [#3] [#4] [#5] [left: 6 operations] [right: 6 operations] [#18] "
                 "[#19] [#20] 2 scopes are folded");
    expect_boxes(1, &y, 13,
                 "[#0] [#1] [#2] [#3] [#4] [#5] [left: 6 operations] [right: 6 operations] [#18] "
                 "[#19] [#20] 2 scopes are folded");
    expect_boxes(1, &y, 12,
                 "[#0] [#1] [#2] [#3] [#4] [#5] [left: 6 operations] [right: 6 operations] [#18] "
                 "[#19] [#20] 2 scopes are folded");
    expect_boxes(1, &y, 7,
                 "[#0 ... #5: 6 inputs] [#6 ... #17: 12 operations] [#18] [#19] [#20] 2 stretches "
                 "of nodes are folded");
    expect_boxes(1, &y, 6,
                 "[#0 ... #5: 6 inputs] [#6 ... #17: 12 operations] [#18] [#19] [#20] 2 stretches "
                 "of nodes are folded");
    expect_boxes(1, &y, 5,
                 "[#0 ... #5: 6 inputs] [#6 ... #17: 12 operations] [#18] [#19] [#20] 2 stretches "
                 "of nodes are folded");
    expect_boxes(1, &y, 4,
                 "[#0 ... #17: 18 operations] [#18 ... #19: 2 operations] [#20] 2 stretches of "
                 "nodes are folded");
    expect_boxes(1, &y, 3,
                 "[#0 ... #17: 18 operations] [#18 ... #19: 2 operations] [#20] 2 stretches of "
                 "nodes are folded");
    expect_boxes(1, &y, 2, "[#0 ... #19: 20 operations] [#20] 1 stretch of nodes is folded");
    expect_boxes(1, &y, 1, "[#0 ... #19: 20 operations] [#20] 1 stretch of nodes is folded");
}

/* Nodes that do not lead to a result get no box; results are never folded. */
Test(fold, results_stay_alone_and_others_are_left_out) {
    ad_var       y = ad_input(tape, 1);
    const ad_var other = ad_input(tape, 2);
    ad_exp(other);
    y = chain(y, 6);
    const ad_var first = y;
    y = chain(y, 6);
    const ad_var both[] = {first, y};
    expect_boxes(2, both, 13,
                 "[#0] [#3] [#4] [#5] [#6] [#7] [#8] [#9] [#10] [#11] [#12] [#13] [#14] ");
    expect_boxes(
        2, both, 12,
        "[#0] [#3 ... #4: 2 operations] [#5 ... #6: 2 operations] [#7] [#8] [#9 ... #10: 2 "
        "operations] [#11 ... #12: 2 operations] [#13] [#14] 4 stretches of nodes are folded");
    expect_boxes(2, both, 9,
                 "[#0] [#3 ... #5: 3 operations] [#6 ... #7: 2 operations] [#8] [#9 ... #11: 3 "
                 "operations] [#12 ... #13: 2 operations] [#14] 4 stretches of nodes are folded");
    expect_boxes(2, both, 7,
                 "[#0] [#3 ... #7: 5 operations] [#8] [#9 ... #13: 5 operations] [#14] 2 stretches "
                 "of nodes are folded");
    expect_boxes(2, both, 5,
                 "[#0] [#3 ... #7: 5 operations] [#8] [#9 ... #13: 5 operations] [#14] 2 stretches "
                 "of nodes are folded");
    expect_boxes(2, both, 4,
                 "[#0 ... #7: 6 operations] [#8] [#9 ... #13: 5 operations] [#14] 2 stretches of "
                 "nodes are folded");
    expect_boxes(2, both, 3,
                 "[#0 ... #7: 6 operations] [#8] [#9 ... #13: 5 operations] [#14] 2 stretches of "
                 "nodes are folded");
}

/* A scope that is left and entered again under the same name is another scope. */
Test(fold, neighbouring_scopes_of_the_same_depth_are_two_boxes) {
    ad_var y = ad_input(tape, 1);
    for (int k = 0; k < 3; k++) {
        ad_scope(tape, "outer");
        y = chain(y, 2);
        ad_scope(tape, "inner");
        y = chain(y, 3);
        ad_scope_end(tape);
        y = chain(y, 1);
        ad_scope_end(tape);
    }
    expect_boxes(1, &y, 19,
                 "[#0] [#1] [#2] [#3] [#4] [#5] [#6] [#7] [#8] [#9] [#10] [#11] [#12] [#13] [#14] "
                 "[#15] [#16] [#17] [#18] ");
    expect_boxes(
        1, &y, 18,
        "[#0] [#1] [#2] [outer / inner: 3 operations] [#6] [#7] [#8] [outer / inner: 3 operations] "
        "[#12] [#13] [#14] [outer / inner: 3 operations] [#18] 3 scopes are folded");
    expect_boxes(
        1, &y, 13,
        "[#0] [#1] [#2] [outer / inner: 3 operations] [#6] [#7] [#8] [outer / inner: 3 operations] "
        "[#12] [#13] [#14] [outer / inner: 3 operations] [#18] 3 scopes are folded");
    expect_boxes(1, &y, 12,
                 "[#0] [outer: 6 operations] [outer: 6 operations] [outer: 5 operations] [#18] 3 "
                 "scopes are folded");
    expect_boxes(1, &y, 10,
                 "[#0] [outer: 6 operations] [outer: 6 operations] [outer: 5 operations] [#18] 3 "
                 "scopes are folded");
    expect_boxes(1, &y, 9,
                 "[#0] [outer: 6 operations] [outer: 6 operations] [outer: 5 operations] [#18] 3 "
                 "scopes are folded");
    expect_boxes(1, &y, 7,
                 "[#0] [outer: 6 operations] [outer: 6 operations] [outer: 5 operations] [#18] 3 "
                 "scopes are folded");
    expect_boxes(1, &y, 6,
                 "[#0] [outer: 6 operations] [outer: 6 operations] [outer: 5 operations] [#18] 3 "
                 "scopes are folded");
    expect_boxes(1, &y, 4, "[#0] [#1 ... #17: 17 operations] [#18] 1 stretch of nodes is folded");
}

Test(fold, scopes_around_are_named_from_outside_eight_of_them) {
    char label[200];
    for (int k = 0; k < 10; k++)
        ad_scope(tape, (const char *[]){"a", "b", "c", "d", "e", "f", "g", "h", "i", "j"}[k]);
    const ad_var y = ad_sin(ad_input(tape, 1));
    ad__scope_label(tape, 0, sizeof label, label);
    cr_expect_str_eq(label, "a");
    ad__scope_label(tape, 2, sizeof label, label);
    cr_expect_str_eq(label, "a / b / c");
    ad__scope_label(tape, ad__notes_scope_of(&tape->notes, ad__node_of(y)), sizeof label, label);
    cr_expect_str_eq(label, "c / d / e / f / g / h / i / j");
    ad__scope_label(tape, 2, 6, label);
    cr_expect_str_eq(label, "a / b");
}
