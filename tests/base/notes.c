/* notes.c - tests of names, scopes and places in source files. */
#define AD_TRACE_SOURCE
#include "engine/tape/tape.h"

#include "expect.h"
#include <stdlib.h>
#include <string.h>

static ad_tape *tape;

static void make(void) {
    tape = ad_tape_new();
}
static void drop(void) {
    ad_tape_free(tape);
}

TestSuite(notes, .init = make, .fini = drop);

static const char *scope_of(ad_var x) {
    const uint32_t scope = ad__notes_scope_of(&tape->notes, ad__node_of(x));
    return scope == AD__NO_SCOPE ? "" : tape->notes.scope[scope].text;
}

Test(notes, a_name_finds_its_newest_node) {
    const ad_var a = ad_input(tape, 1), b = ad_input(tape, 2);
    ad_name(a, "x");
    ad_name(b, "x");
    cr_expect_eq(ad__node_of(ad_find(tape, "x")), ad__node_of(b));
    ad_find(tape, "nobody");
    cr_expect_eq(ad_tape_status(tape), AD_BAD_ARGUMENT);
    cr_expect(strstr(ad_tape_message(tape), "nobody") != NULL, "%s", ad_tape_message(tape));
}

Test(notes, names_given_out_of_order_are_all_found) {
    ad_var x[20];
    char   name[8];
    for (int i = 0; i < 20; i++) x[i] = ad_input(tape, i);
    for (int i = 0; i < 20; i++) {
        snprintf(name, sizeof name, "n%d", i * 7 % 20);
        ad_name(x[i * 7 % 20], name);
    }
    for (int i = 0; i < 20; i++) {
        snprintf(name, sizeof name, "n%d", i);
        cr_expect_str_eq(ad__name_of(tape, ad__node_of(x[i])), name);
    }
}

Test(notes, scopes_nest) {
    const ad_var before = ad_input(tape, 1);
    ad_scope(tape, "outer");
    const ad_var a = ad_exp(before);
    ad_scope(tape, "inner");
    const ad_var b = ad_exp(a);
    ad_scope_end(tape);
    const ad_var c = ad_exp(b);
    ad_scope_end(tape);
    const ad_var after = ad_exp(c);
    cr_expect_str_eq(scope_of(before), "");
    cr_expect_str_eq(scope_of(a), "outer");
    cr_expect_str_eq(scope_of(b), "inner");
    cr_expect_str_eq(scope_of(c), "outer");
    cr_expect_str_eq(scope_of(after), "");
}

Test(notes, a_rewind_into_a_scope_opens_it_again) {
    ad_scope(tape, "layer");
    const ad_var  a = ad_input(tape, 1);
    const ad_mark mark = ad_tape_mark(tape);
    ad_exp(a);
    ad_scope_end(tape);
    ad_tape_rewind(tape, mark);
    const ad_var b = ad_exp(a);
    cr_expect_str_eq(scope_of(b), "layer");
    ad_scope_end(tape);
    cr_expect_eq(ad_tape_status(tape), AD_OK);
}

Test(notes, a_rewind_forgets_notes_about_forgotten_nodes) {
    const ad_mark mark = ad_tape_mark(tape);
    ad_scope(tape, "gone");
    ad_name(ad_input(tape, 1), "gone");
    ad_tape_rewind(tape, mark);
    const ad_var a = ad_input(tape, 1);
    cr_expect_null(ad__name_of(tape, ad__node_of(a)));
    cr_expect_str_eq(scope_of(a), "");
}

static ad_var scoped(const char *name) {
    ad_scope(tape, name);
    const ad_var y = ad_neg(ad_find(tape, "x"));
    ad_scope_end(tape);
    return y;
}

Test(notes, the_same_scopes_after_a_rewind_take_no_memory) {
    ad_name(ad_input(tape, 1), "x");
    const ad_mark mark = ad_tape_mark(tape);
    size_t        bytes = 0;
    for (int round = 0; round < 20; round++) {
        const ad_var a = scoped("a scope with a long name"), b = scoped("layers.1");
        cr_assert_str_eq(scope_of(a), "a scope with a long name");
        cr_assert_str_eq(scope_of(b), "layers.1");
        ad_tape_rewind(tape, mark);
        if (round == 0) bytes = ad_tape_bytes(tape); /* the first rewind begins a list of eras */
        cr_expect_eq(ad_tape_bytes(tape), bytes);
    }
    const ad_var other = scoped("another"), next = scoped("layers.1");
    cr_expect_str_eq(scope_of(other), "another");
    cr_expect_str_eq(scope_of(next), "layers.1");
    cr_expect_eq(ad_tape_status(tape), AD_OK);
}

/* Texts that are neighbours in the alphabet too: what strcmp says of them is 1. */
Test(notes, another_scope_after_a_rewind_has_its_own_name) {
    const ad_mark mark = ad_tape_mark(tape);
    ad_name(ad_input(tape, 1), "x");
    static const char *const names[] = {"b", "a", "b", "c", "long", "lo", "long"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        cr_expect_str_eq(scope_of(scoped(names[i])), names[i]);
        ad_tape_rewind(tape, mark);
        ad_name(ad_input(tape, 1), "x");
    }
}

/* The only lines that are known; in parentheses an operation does not note its own. */
Test(notes, a_line_is_forgotten_with_its_node) {
    const ad_var  x = (ad_input)(tape, 1);
    const ad_mark mark = ad_tape_mark(tape);
    ad_source((ad_neg)(x), "first.c", 3);
    ad_source((ad_neg)(x), "first.c", 4);
    ad_tape_rewind(tape, mark);
    cr_expect_null(ad__notes_source_of(&tape->notes, ad__node_of(x) + 1));
    ad__source_span(tape, ad__node_of(x), ad__node_of(x), "other.c", 5);
    const ad__line *source = ad__notes_source_of(&tape->notes, ad__node_of(x));
    cr_assert_not_null(source);
    cr_expect_eq(source->line, 5u);
    cr_expect_str_eq(source->file, "other.c");
}

Test(notes, a_line_below_0_is_0) {
    const ad_var x = (ad_input)(tape, 1);
    ad_source(x, "here.c", -7);
    cr_expect_eq(ad__notes_source_of(&tape->notes, ad__node_of(x))->line, 0u);
}

Test(notes, an_end_without_a_beginning_is_an_error) {
    ad_scope_end(tape);
    cr_expect_eq(ad_tape_status(tape), AD_BAD_ARGUMENT);
}

Test(notes, every_operation_notes_its_own_line) {
    const ad_var    a = ad_input(tape, 2);
    const int       line = __LINE__ + 1;
    const ad_var    b = ad_exp(ad_neg(a));
    /* the neg inside */
    const ad__line *source = ad__notes_source_of(&tape->notes, ad__node_of(b) - 1);
    cr_assert_not_null(source);
    cr_expect_eq(source->line, (uint32_t)line);
    cr_expect(strstr(source->file, "notes.c") != NULL, "%s", source->file);
}

Test(notes, all_nodes_of_a_formula_note_its_line) {
    const ad_var a = ad_input(tape, 2);
    const int    line = __LINE__ + 1;
    const ad_var y = ad_formula(tape, exp(-a) * sin(a), a);
    for (uint32_t i = ad__node_of(a) + 1; i <= ad__node_of(y); i++) {
        const ad__line *source = ad__notes_source_of(&tape->notes, i);
        cr_assert_not_null(source);
        cr_expect_eq(source->line, (uint32_t)line, "node %u", i);
    }
}

Test(notes, the_first_number_that_is_not_finite_is_named_with_its_line) {
    char        *text = NULL;
    size_t       length = 0;
    FILE        *to = open_memstream(&text, &length);
    const ad_var a = ad_input(tape, -1);
    ad_name(a, "a");
    const int    line = __LINE__ + 1;
    const ad_var b = ad_log(a);
    const ad_var y = ad_add(ad_mul(b, ad_num(2)), a);
    ad_name(y, "y");
    char place[64];
    snprintf(place, sizeof place, "notes.c:%d)", line);
    cr_expect(ad_explain_nonfinite(y, to));
    fclose(to);
    cr_expect(strstr(text, "first     #1 log(a) = nan") != NULL, "%s", text);
    cr_expect(strstr(text, place) != NULL, "%s is not in %s", place, text);
    cr_expect(strstr(text, "with a = -1") != NULL, "%s", text);
    cr_expect(strstr(text, "then  #3 y = #2 + a = nan") != NULL, "%s", text);
    free(text);
}

Test(notes, nothing_is_said_where_everything_is_finite) {
    cr_expect_not(ad_explain_nonfinite(ad_exp(ad_input(tape, 1)), stderr));
}
