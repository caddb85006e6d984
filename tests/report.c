/* report.c - tests of engine/report.c: a report put together by hand, and what is printed of it. */
#include "engine/report.h"
#include "support.h"

#include "expect.h"
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

static ad_check_report *report;
static char            *text;

static void drop(void) {
    free(text);
    ad_check_free(report);
}

TestSuite(report, .fini = drop);

static const char *printed(ad_format format) {
    size_t length = 0;
    free(text);
    text = NULL;
    FILE *to = open_memstream(&text, &length);
    cr_assert_eq(ad_check_print(report, format, to), AD_OK);
    fclose(to);
    return text;
}

static ad__judgement judgement(ad_verdict verdict, ad__shape shape) {
    return (ad__judgement){.verdict = verdict, .gap = 1e-12, .tolerance = 1e-9,
                           .estimate = {.shape = shape, .slope = 2, .error = 1e-10, .step = 0.125, .left = -1, .right = 1}};
}

static void add(ad__report *r, ad__lines *lines, const char *name, ad_verdict verdict, ad__shape shape) {
    const ad__judgement j = judgement(verdict, shape);
    ad__report_line(r, lines, name, lines->count, 2.5, &j);
}

static ad_check_operand culprit(size_t node, double gap) {
    return (ad_check_operand){.node = node, .operation = "tanh", .name = "", .shown = "tanh(#1)", .gap = gap, .tolerance = 1,
                              .verdict = AD_FAIL};
}

Test(report, of_nothing_is_inconclusive) {
    report = ad__report_done(ad__report_new(3));
    cr_assert_not_null(report);
    cr_expect_eq(ad_check_verdict(report), AD_INCONCLUSIVE);
    cr_expect_eq(report->lines, 0);
    cr_expect(isnan(report->value) && isnan(report->taylor));
    cr_expect_eq(ad_check_verdict(NULL), AD_INCONCLUSIVE);
}

Test(report, verdict_is_the_worst_and_each_is_counted) {
    ad__report      *r = ad__report_new(40);
    const ad_verdict of[] = {AD_PASS, AD_KINK, AD_PASS, AD_INCONCLUSIVE};
    for (int i = 0; i < 40; i++) add(r, &r->first, "w", of[i % 4], AD__SMOOTH);
    report = ad__report_done(r);
    cr_expect_eq(report->lines, 40);
    cr_expect_eq(report->count[AD_PASS], 20);
    cr_expect_eq(report->count[AD_KINK], 10);
    cr_expect_eq(report->count[AD_INCONCLUSIVE], 10);
    cr_expect_eq(report->verdict, AD_INCONCLUSIVE > AD_KINK ? AD_INCONCLUSIVE : AD_KINK);
}

Test(report, one_failure_among_many_is_a_failure) {
    ad__report *r = ad__report_new(100);
    for (int i = 0; i < 100; i++) add(r, &r->first, "w", i == 57 ? AD_FAIL : AD_PASS, AD__SMOOTH);
    report = ad__report_done(r);
    cr_expect_eq(report->verdict, AD_FAIL);
    cr_expect_eq(report->count[AD_FAIL], 1);
}

Test(report, failing_rule_or_sweep_is_a_failure_though_all_lines_pass) {
    for (int which = 0; which < 2; which++) {
        ad__report *r = ad__report_new(1);
        add(r, &r->first, "w", AD_PASS, AD__SMOOTH);
        r->page.has_tape = true;
        r->page.sweep = which == 0 ? AD_PASS : AD_FAIL;
        r->page.local_count[AD_FAIL] = which == 0 ? 1 : 0;
        ad_check_free(report);
        report = ad__report_done(r);
        cr_expect_eq(report->verdict, AD_FAIL, "%d", which);
    }
}

Test(report, function_that_is_not_deterministic_stays_unstable) {
    ad__report *r = ad__report_new(1);
    add(r, &r->first, "w", AD_PASS, AD__SMOOTH);
    r->page.verdict = AD_UNSTABLE;
    report = ad__report_done(r);
    cr_expect_eq(report->verdict, AD_UNSTABLE);
}

/* A number that means nothing where a function has a kink is NaN, and one-sided slopes where it is smooth. */
Test(report, line_has_the_numbers_that_its_shape_allows) {
    ad__report *r = ad__report_new(2);
    add(r, &r->first, "smooth", AD_PASS, AD__SMOOTH);
    add(r, &r->first, "kinked", AD_KINK, AD__KINKED);
    report = ad__report_done(r);
    cr_expect(report->line[0].estimate == 2 && report->line[0].step == 0.125 && isnan(report->line[0].left));
    cr_expect(isnan(report->line[1].estimate) && report->line[1].left == -1 && report->line[1].right == 1);
    cr_expect_str_eq(report->line[1].name, "kinked");
}

Test(report, the_worst_eight_culprits_are_kept_worst_first_with_texts_of_their_own) {
    ad__report  *r = ad__report_new(1);
    const double gap[] = {3, 9, 1, 12, 5, 7, 2, 11, 4, 8, 6, 10};
    char         shown[20];
    for (size_t i = 0; i < 12; i++) {
        ad_check_operand o = culprit(i, gap[i]);
        snprintf(shown, sizeof shown, "op %g", gap[i]);
        o.shown = shown;
        ad__report_culprit(r, &o);
    }
    report = ad__report_done(r);
    cr_assert_eq(report->culprits, 8);
    for (size_t k = 0; k < 8; k++) {
        snprintf(shown, sizeof shown, "op %zu", 12 - k);
        cr_expect_str_eq(report->culprit[k].shown, shown);
    }
}

Test(report, of_equals_the_one_further_left_comes_first) {
    ad__report *r = ad__report_new(1);
    for (size_t i = 0; i < 10; i++) {
        const ad_check_operand o = culprit(i, 2);
        ad__report_culprit(r, &o);
    }
    report = ad__report_done(r);
    for (size_t k = 0; k < 8; k++) cr_expect_eq(report->culprit[k].node, k);
}

Test(report, csv_has_a_row_for_every_line_with_names_quoted) {
    ad__report *r = ad__report_new(3);
    add(r, &r->first, "w", AD_PASS, AD__SMOOTH);
    add(r, &r->first, "a \"b\", c", AD_FAIL, AD__SMOOTH);
    add(r, &r->first, "k", AD_KINK, AD__KINKED);
    report = ad__report_done(r);
    const char *csv = printed(AD_CSV);
    cr_expect(strstr(csv, "\"a \"\"b\"\", c\"") != NULL, "%s", csv);
    cr_expect(strstr(csv, ad_verdict_text(AD_KINK)) != NULL, "%s", csv);
    size_t ends = 0;
    for (const char *at = csv; *at != '\0'; at++) ends += *at == '\n';
    cr_expect_eq(ends, 4, "%s", csv);
}

Test(report, page_and_json_have_the_message_and_the_culprit) {
    ad__report            *r = ad__report_new(1);
    const ad_check_operand o = culprit(7, 3);
    add(r, &r->first, "w", AD_FAIL, AD__SMOOTH);
    ad__report_culprit(r, &o);
    r->page.has_tape = true;
    ad__report_say(r, AD_OK, "the rule of %s is %d per cent off", "tanh", 5);
    report = ad__report_done(r);
    const ad_format format[] = {AD_TEXT, AD_JSON};
    for (size_t k = 0; k < 2; k++) {
        const char *page = printed(format[k]);
        cr_expect(strstr(page, "the rule of tanh is 5 per cent off") != NULL, "%s", page);
        cr_expect(strstr(page, "tanh(#1)") != NULL, "%s", page);
    }
}

Test(report, full_disk_and_nothing_to_print_are_statuses) {
    ad__report *r = ad__report_new(1);
    add(r, &r->first, "w", AD_PASS, AD__SMOOTH);
    report = ad__report_done(r);
    const ad_format format[] = {AD_TEXT, AD_JSON, AD_CSV};
    for (size_t k = 0; k < 3; k++) {
        FILE *to = fopen("/dev/full", "w");
        cr_assert_not_null(to);
        cr_expect_eq(ad_check_print(report, format[k], to), AD_BAD_FILE);
        fclose(to);
        cr_expect_neq(ad_check_print(NULL, format[k], stdout), AD_OK);
        cr_expect_neq(ad_check_print(report, format[k], NULL), AD_OK);
    }
    ad_check_free(NULL);
}

Test(report, that_ran_out_of_memory_is_no_report) {
    ad__report *r = ad__report_new(1);
    add(r, &r->first, "w", AD_PASS, AD__SMOOTH);
    r->no_memory = true;
    cr_expect_null(ad__report_done(r));
}
