/* page.c - tests of engine/explain/page.c: what a page contains. That it can be stepped through is
 * shown by tests/pages, in a browser. */
#include "engine/base/text.h"
#include "written.h"

#include "expect.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static ad_tape *tape;

static void make(void) {
    tape = ad_tape_new();
}
static void drop(void) {
    ad_tape_free(tape);
}

TestSuite(page, .init = make, .fini = drop);

static ad_var chain(size_t n, const char *name) {
    ad_var x = ad_input(tape, 0.5);
    ad_name(x, name);
    for (size_t i = 0; i < n; i++) x = ad_sin(x);
    return x;
}

Test(page, is_one_whole_document_without_a_mark_left) {
    const char *page = written(ad_draw_html, chain(3, "x"), NULL);
    cr_expect_eq(strncmp(page, "<!", 2), 0);
    cr_expect_eq(count_of(page, "<html"), 1);
    cr_expect_eq(count_of(page, "</html>"), 1);
    const char *const marks[] = {"@TITLE@", "@FOLDED@", "@SVG@", "@TRACE@", "@BOXES@"};
    for (size_t k = 0; k < sizeof marks / sizeof *marks; k++)
        cr_expect_eq(count_of(page, marks[k]), 0, "%s", marks[k]);
}

/* Except for the namespaces of SVG and MathML, which are not addresses to fetch. */
Test(page, asks_nothing_of_the_network) {
    const char *page = written(ad_draw_html, chain(3, "x"), NULL);
    cr_expect_eq(count_of(page, "http://"),
                 count_of(page, "http://www.w3.org/2000/svg") +
                     count_of(page, "http://www.w3.org/1998/Math/MathML"));
    cr_expect_eq(count_of(page, "https:"), 0);
    cr_expect(strstr(page, "Content-Security-Policy\" content=\"default-src 'none'") != NULL);
    cr_expect_eq(count_of(page, "src="), 0);
    cr_expect_eq(count_of(page, "@import"), 0);
    cr_expect_eq(count_of(page, "url("), 0);
}

Test(page, has_the_trace_that_is_written_as_json) {
    const ad_var y = chain(3, "x");
    char        *json = NULL;
    size_t       length = 0;
    FILE        *to = open_memstream(&json, &length);
    cr_assert_eq(ad_explain_json(1, &y, NULL, to), AD_OK);
    fclose(to);
    while (length > 0 && json[length - 1] == '\n') json[--length] = '\0';
    cr_expect(strstr(written(ad_draw_html, y, NULL), json) != NULL);
    free(json);
}

Test(page, has_a_list_of_nodes_for_every_box) {
    const char *page = written(ad_draw_html, chain(4, "x"), NULL),
               *boxes = strstr(page, "{\"boxes\":[");
    cr_assert_not_null(boxes);
    for (int i = 0; i < 5; i++) {
        char list[30];
        snprintf(list, sizeof list, "{\"nodes\":[%d]}", i);
        cr_expect_eq(count_of(boxes, list), 1, "%s", list);
    }
    cr_expect(strstr(boxes, "\"links\":[[0,1],[1,2],[2,3],[3,4]]") != NULL);
}

Test(page, folded_boxes_name_all_their_nodes) {
    const char *page = written(ad_draw_html, chain(30, "x"), &(ad_view){.most = 4});
    const char *boxes = strstr(page, "{\"boxes\":["), *end = strstr(boxes, "\"links\"");
    bool        found[31] = {false};
    for (const char *list = boxes; (list = strstr(list, "\"nodes\":[")) != NULL && list < end;) {
        list += strlen("\"nodes\":[");
        for (char *next; *list != ']'; list = *next == ',' ? next + 1 : next)
            found[strtoul(list, &next, 10)] = true;
    }
    for (int i = 0; i < 31; i++) cr_expect(found[i], "node %d is in no box", i);
    cr_expect(strstr(page, "folded</p>") != NULL);
}

/* A scope of three operations, without the one that leads to no result, and a stretch of six. */
Test(page, boxes_and_links_word_by_word) {
    ad_var x = ad_input(tape, 0.5), y;
    ad_name(x, "x");
    ad_scope(tape, "twice");
    y = ad_exp(ad_sin(x));
    ad_exp(y);
    y = ad_cos(y);
    ad_scope_end(tape);
    const ad_var z = ad_input(tape, 2);
    for (int i = 0; i < 6; i++) y = ad_sin(y);
    const char *page = written(ad_draw_html, ad_mul(y, z), &(ad_view){.most = 6});
    cr_expect(strstr(page, "\"boxes\":{\"boxes\":[\n"
                           "{\"nodes\":[0]},\n"
                           "{\"nodes\":[1,2,4],\"label\":\"twice: 3 operations\"},\n"
                           "{\"nodes\":[5]},\n"
                           "{\"nodes\":[6,7,8,9,10,11],\"label\":\"#6 ... #11: 6 operations\"},\n"
                           "{\"nodes\":[12]}],\n"
                           "\"links\":[[0,1],[1,3],[2,4],[3,4]]},\n\"unsent\":") != NULL);
    cr_expect_eq(count_of(page, "<title>#12: the chain rule, step by step</title>\n"), 1);
    cr_expect_eq(
        count_of(page,
                 "<h1>#12</h1>\n<p class=\"soft\">1 scope and 1 stretch of nodes are folded</p>\n"),
        1);
    /* an @ that is no placeholder */
    cr_expect_eq(count_of(page, "@media (prefers-color-scheme: dark)"), 1);
    cr_expect_eq(strcmp(page + strlen(page) - 8, "</html>\n"), 0);
}

/* The boxes and edges of the drawing have the ids by which the script finds them. */
Test(page, box_of_two_nodes_has_a_label_and_each_box_and_link_a_name) {
    const char *page = written(ad_draw_html, chain(2, "x"), &(ad_view){.most = 2});
    cr_expect(strstr(page, "{\"boxes\":[\n{\"nodes\":[0,1],\"label\":\"#0 ... #1: 2 "
                           "operations\"},\n{\"nodes\":[2]}],\n") != NULL);
    cr_expect_eq(count_of(page, "id=\"b0\""), 1);
    cr_expect_eq(count_of(page, "id=\"b1\""), 1);
    cr_expect_eq(count_of(page, "id=\"e0\""), 1);
    /* the steps fill in the numbers: a box is empty */
    cr_expect_eq(count_of(page, "tabindex=\"0\" role=\"img\""), 2);
}

Test(page, two_thousand_boxes_are_shown_before_any_is_folded) {
    cr_expect(strstr(written(ad_draw_html, chain(1999, "x"), NULL), "{\"nodes\":[1999]}],\n") !=
              NULL);
    cr_expect(strstr(written(ad_draw_html, chain(2000, "x"), NULL), "folded</p>") != NULL);
}

Test(page, marks_and_tags_in_names_and_titles_are_texts) {
    const char *page = written(ad_draw_html, chain(1, "@SVG@</script><script>alert(1)</script>"),
                               &(ad_view){.title = "<b>@TRACE@ & \"co\""});
    cr_expect_eq(count_of(page, "<script>alert"), 0);
    cr_expect_eq(count_of(page, "<svg "), 1);
    cr_expect(strstr(page, "<title>&lt;b&gt;@TRACE@ &amp; &quot;co&quot;") != NULL, "%.300s", page);
}

/* Title, heading and a note, for readers who do not step through it; tests/pages shows the rest. */
Test(page, page_of_a_bug_names_it_before_any_step) {
    static const char *const name[] = {"", "no-accumulate", "depth-first", "stale"};
    for (ad_bug bug = AD_BUG_NONE; bug <= AD_BUG_STALE; bug++) {
        char        words[80], trace[40];
        const char *page =
            written(ad_draw_html, chain(2, "x"), &(ad_view){.title = "t", .bug = bug});
        snprintf(words, sizeof words, "t%s%s", bug == AD_BUG_NONE ? "" : ", with the bug ",
                 name[bug]);
        snprintf(trace, sizeof trace, "\"bug\":\"%s\"", name[bug]);
        const char *title = strstr(page, "<title>") + 7, *heading = strstr(page, "<h1>") + 4;
        cr_expect_eq(strncmp(title, words, strlen(words)), 0, "%.100s", title);
        cr_expect_eq(strncmp(heading, words, strlen(words)), 0, "%.100s", heading);
        cr_expect_eq(title[strlen(words)], ':');
        cr_expect_eq(heading[strlen(words)], '<');
        cr_expect_eq(count_of(page, "<b>Wrong on purpose: "), bug != AD_BUG_NONE);
        cr_expect_eq(count_of(page, trace), bug != AD_BUG_NONE);
    }
}

Test(page, is_utf8_whatever_bytes_names_and_titles_have) {
    static const char *const odd[] = {"\xe2\x88\x82", "\xf0\x9f\x8c\xb3", "\xff", "\xe2\x88",
                                      "\x1b",         "\xc2\x9b"};
    for (size_t k = 0; k < sizeof odd / sizeof *odd; k++) {
        char text[2000] = "n";
        for (int i = 0; i < 300; i++) strcat(text, odd[k]);
        const char *page =
            written(ad_draw_html, chain(4, text), &(ad_view){.title = text, .most = 3});
        cr_expect(ad__is_utf8(page), "number %zu", k);
        cr_expect(k > 1 || count_of(page, "\xef\xbf\xbd") == 0,
                  "number %zu: a character was cut in two", k);
        cr_expect_eq(count_of(page, "\x1b"), 0);
    }
}

Test(page, page_of_old_values_says_so) {
    const ad_var y = chain(2, "x");
    cr_expect_eq(count_of(written(ad_draw_html, y, NULL), "<b>Old values:</b> inputs were set"), 0);
    ad_set(ad_find(tape, "x"), 4);
    cr_expect_eq(count_of(written(ad_draw_html, y, NULL), "<b>Old values:</b> inputs were set"), 1);
}

Test(page, full_disk_is_a_status) {
    const ad_var y = chain(2, "x");
    FILE        *to = fopen("/dev/full", "w");
    cr_assert_not_null(to);
    cr_expect_eq(ad_draw_html(1, &y, NULL, to), AD_BAD_FILE);
    fclose(to);
    cr_expect_eq(ad_tape_status(tape), AD_OK);
}
