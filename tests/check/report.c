/* report.c - tests of engine/check/report.c: a report built by hand, and what is printed of it. */
#include "engine/check/report.h"
#include "support.h"

#include "expect.h"
#include "lines.h"
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
    return (ad__judgement){
        .verdict = verdict,
        .gap = 1e-12,
        .tolerance = 1e-9,
        .estimate = {
            .shape = shape, .slope = 2, .error = 1e-10, .step = 0.125, .left = -1, .right = 1}};
}

static void add(ad__report *r, ad__lines *lines, const char *name, ad_verdict verdict,
                ad__shape shape) {
    const ad__judgement j = judgement(verdict, shape);
    ad__report_line(r, lines, name, lines->count, 2.5, &j);
}

static ad_check_operand culprit(size_t node, double gap) {
    return (ad_check_operand){.node = node,
                              .operation = "tanh",
                              .name = "",
                              .shown = "tanh(#1)",
                              .gap = gap,
                              .tolerance = 1,
                              .verdict = AD_FAIL};
}

static void expect_text(const char *got, const char *want) {
    cr_expect(strcmp(got, want) == 0, "printed\n%s\nnot\n%s", got, want);
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

Test(report, worst_line_is_found_wherever_it_stands) {
    for (size_t worst = 0; worst < 6; worst++) {
        ad__report *r = ad__report_new(3);
        r->page.has_second = true;
        for (size_t i = 0; i < 6; i++)
            add(r, i < 3 ? &r->first : &r->second, "w", i == worst ? AD_KINK : AD_PASS, AD__SMOOTH);
        ad_check_free(report);
        report = ad__report_done(r);
        cr_expect_eq(report->verdict, AD_KINK, "%zu", worst);
        cr_expect_eq(report->second_verdict, worst < 3 ? AD_PASS : AD_KINK, "%zu", worst);
        cr_expect(report->count[AD_KINK] == (worst < 3) &&
                  report->second_count[AD_KINK] == (worst >= 3));
    }
}

Test(report, coordinates_that_were_not_looked_at_are_inconclusive) {
    report = ad__report_done(ad__report_new(3));
    for (size_t i = 0; i < 4; i++)
        cr_expect_eq(ad_check_coordinate(report, i), AD_INCONCLUSIVE, "%zu", i);
    cr_expect_eq(ad_check_coordinate(NULL, 0), AD_INCONCLUSIVE);
    ((ad__report *)(void *)report)->coordinate[2] = AD_FAIL;
    cr_expect_eq(ad_check_coordinate(report, 2), AD_FAIL);
}

Test(report, table_is_as_wide_as_its_longest_name) {
    ad__report *r = ad__report_new(2);
    add(r, &r->first, "a name of twenty-one.", AD_PASS, AD__SMOOTH);
    add(r, &r->first, "b", AD_PASS, AD__SMOOTH);
    report = ad__report_done(r);
    const char *page = printed(AD_TEXT);
    cr_expect(strstr(page, "\n  coordinate             claimed ") &&
                  strstr(page, "\n  a name of twenty-one.  2.5 ") &&
                  strstr(page, "\n  b                      2.5 "),
              "%s", page);
}

/* Every width that a number, a name and a verdict may have, and both sides of a kink at once; the
 * table is as wide as the widest of each. */
static void add_wide(ad__report *r, ad__lines *lines, size_t length, const char *letter,
                     double size) {
    char name[300] = "";
    for (size_t i = 0; i < length; i++) strcat(name, letter);
    for (int v = 0; v < AD_VERDICT_COUNT; v++)
        for (int shape = 0; shape < 2; shape++) {
            const ad__judgement j = {.verdict = (ad_verdict)v,
                                     .gap = shape == 0 ? size : 1 / size,
                                     .tolerance = 1e-9,
                                     .estimate = {.shape = shape == 0 ? AD__SMOOTH : AD__KINKED,
                                                  .slope = -size / 3,
                                                  .error = size,
                                                  .left = -size / 7,
                                                  .right = -1 / size / 3,
                                                  .step = size > 1 ? 0x1p-1000 : 0x1p-9}};
            ad__report_line(r, lines, name, 0, -size / 9, &j);
        }
}

Test(report, every_table_fits_80_columns) {
    static const double      sizes[] = {1, 3e-5, 7e7, 1e200, 1e300};
    static const char *const letters[] = {"m", "\u00e9", "mm "};
    for (size_t length = 0; length < 80; length += 7)
        for (size_t k = 0; k < 5; k++)
            for (size_t l = 0; l < 3; l++) {
                ad__report *r = ad__report_new(1);
                add_wide(r, &r->first, length, letters[l], sizes[k]);
                add_wide(r, &r->second, length, letters[l], sizes[k]);
                r->page.has_second = true;
                r->page.value = -sizes[k] / 3, r->page.evaluations = SIZE_MAX;
                r->page.seed = UINT64_MAX;
                ad__report_say(r, AD_OK, "%s, as was said of %zu others before it, and of this",
                               "a long conclusion", length);
                report = ad__report_done(r);
                const char *page = printed(AD_TEXT);
                cr_expect(widest_line(page) <= 80, "%zu columns:\n%s", widest_line(page), page);
                ad_check_free(report), report = NULL;
            }
}

/* A name gives way down to twelve columns, then the digits do. */
Test(report, names_and_digits_take_turns_in_giving_way) {
    ad__report         *r = ad__report_new(1);
    const ad__judgement j = {
        .verdict = AD_INCONCLUSIVE,
        .gap = 1e-12,
        .tolerance = 1e-9,
        .estimate = {.shape = AD__SMOOTH, .slope = -0.1234567891, .error = 1e-13, .step = 0x1p-10}};
    ad__judgement k = j;
    k.verdict = AD_FAIL;
    ad__report_line(r, &r->first, "layer[0].weights[12][31]", 0, -0.1234567891, &k);
    report = ad__report_done(r);
    cr_expect(strstr(printed(AD_TEXT),
                     "  layer[...][31]  -0.1234567891  -0.1234567891 +- 1e-13  1.0e-03  2^-10"),
              "%s", printed(AD_TEXT));
    ad_check_free(report);
    r = ad__report_new(1);
    ad__report_line(r, &r->first, "layer[0].weights[12][31]", 0, -0.1234567891, &j);
    report = ad__report_done(r);
    cr_expect(strstr(printed(AD_TEXT), "  layer...][31]  -0.12345679  -0.12345679 +- 1e-13 "), "%s",
              printed(AD_TEXT));
}

/* Broken between words, the second line further in; what the caller is given has no line ends. */
Test(report, conclusions_and_culprits_are_broken_between_words) {
    ad__report *r = ad__report_new(1);
    add(r, &r->first, "w", AD_FAIL, AD__SMOOTH);
    r->page.has_tape = true;
    const ad_check_operand o = {.node = 12,
                                .operation = "mul",
                                .name = "a name of more than forty characters, which is cut",
                                .shown = "the_first_of_two_factors * the_second_of_two_factors",
                                .file = "model.c",
                                .line = 7,
                                .rule = 1,
                                .estimate = 2,
                                .gap = 1,
                                .tolerance = 1e-9,
                                .verdict = AD_FAIL};
    ad__report_culprit(r, &o);
    ad__report_say(r, AD_OK,
                   "this conclusion has so many words that no line of a terminal of %d "
                   "columns has room for it",
                   80);
    report = ad__report_done(r);
    const char *page = printed(AD_TEXT);
    cr_expect(strstr(page, "local: node 12 (a name of more than forty characters, wh), mul, "
                           "operand 0, in\n       the_first_of_two_factors * "
                           "the_second_of_two_factors, at model.c:7\n"
                           "       rule says 1, differences 2, off by 1.0e+00   <- culprit\n"),
              "%s", page);
    cr_expect(strstr(page, "\nthis conclusion has so many words that no line of a terminal of 80 "
                           "columns has\n  room for it\n"),
              "%s", page);
    cr_expect(strchr(report->message, '\n') == NULL);
}

/* The exponents are kept, and as many digits as fit. */
Test(report, wide_numbers_are_rounded_to_fit_80_columns) {
    ad__report         *r = ad__report_new(1);
    const ad__judgement j = {
        .verdict = AD_KINK,
        .gap = 1e-300,
        .tolerance = 1e-9,
        .estimate = {.shape = AD__KINKED, .left = -1.23456e-300, .right = -6.54321e+300}};
    const ad__judgement k = {
        .verdict = AD_PASS,
        .gap = 0,
        .tolerance = 1,
        .estimate = {
            .shape = AD__SMOOTH, .slope = -1.234567891e-300, .error = 1e-300, .step = 0x1p-1000}};
    ad__report_line(r, &r->first, "kink", 0, -1.234567891e-300, &j);
    ad__report_line(r, &r->first, "pass", 0, -1.234567891e+300, &k);
    report = ad__report_done(r);
    expect_text(printed(AD_TEXT),
                "gradcheck: KINK  1 of 2 (1 pass)\n"
                "  coordinate  claimed        differences +- error     gap/tol   step     verdict\n"
                "  kink        -1.23457e-300  [-1.2e-300, -6.5e+300]   1.0e-291  -        KINK\n"
                "  pass        -1.23457e+300  -1.23457e-300 +- 1e-300  0.0e+00   2^-1000  PASS\n");
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

/* What has no meaning for a shape is NaN: the slope at a kink, and one-sided slopes where the
 * function is smooth. */
Test(report, line_has_the_numbers_that_its_shape_allows) {
    ad__report *r = ad__report_new(2);
    add(r, &r->first, "smooth", AD_PASS, AD__SMOOTH);
    add(r, &r->first, "kinked", AD_KINK, AD__KINKED);
    report = ad__report_done(r);
    cr_expect(report->line[0].estimate == 2 && report->line[0].step == 0.125 &&
              isnan(report->line[0].left));
    cr_expect(isnan(report->line[1].estimate) && report->line[1].left == -1 &&
              report->line[1].right == 1);
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

/* ---- whole pages ----------------------------------------------------------------------------- */

/* Everything that a report can hold, once. */
static void everything(void) {
    ad__report *r = ad__report_new(3);
    add(r, &r->first, "w", AD_PASS, AD__SMOOTH);
    add(r, &r->first, "bias[0]", AD_FAIL, AD__SMOOTH);
    add(r, &r->first, "a name that is just over forty characters", AD_KINK, AD__KINKED);
    ad__report_line(
        r, &r->first, "all, \"but\" one", SIZE_MAX, -0.0,
        &(ad__judgement){.verdict = AD_INCONCLUSIVE,
                         .gap = NAN,
                         .tolerance = NAN,
                         .estimate = {.shape = AD__UNRESOLVED, .slope = 7, .left = 8, .right = 9}});
    add(r, &r->second, "w, w", AD_PASS, AD__SMOOTH);
    add(r, &r->second, "w, b", AD_WEAK, AD__SMOOTH);
    const ad_check_operand named = {.node = 12,
                                    .operand = 1,
                                    .operation = "mul",
                                    .name = "h",
                                    .shown = "w * #3",
                                    .at = 4,
                                    .rule = 3.5,
                                    .estimate = 3,
                                    .error = 1e-11,
                                    .gap = 0.5,
                                    .tolerance = 1e-9,
                                    .left = NAN,
                                    .right = NAN,
                                    .verdict = AD_FAIL,
                                    .file = "src/my,model.c",
                                    .line = 42};
    const ad_check_operand bent = {.node = 7,
                                   .operand = 0,
                                   .operation = "relu",
                                   .name = "",
                                   .shown = "relu(#6)",
                                   .at = 0,
                                   .rule = 2,
                                   .estimate = NAN,
                                   .error = NAN,
                                   .gap = 1,
                                   .tolerance = 1e-8,
                                   .left = 0,
                                   .right = 1,
                                   .verdict = AD_FAIL};
    ad__report_culprit(r, &bent), ad__report_culprit(r, &named);
    ad_check_report *p = &r->page;
    p->value = 0.625, p->noise = 1e-16, p->rtol = 1e-9, p->seed = 42, p->evaluations = 110,
    p->taylor = 1.996;
    p->has_tape = true, p->nodes = 5, p->operands = 9, p->local_count[AD_PASS] = 6,
    p->local_count[AD_FAIL] = 3;
    p->sweep = AD_PASS, p->forward = 1.5, p->reverse = 1.25, p->sweep_gap = 0.25,
    p->sweep_tolerance = 0.5;
    p->has_second = true, p->symmetry = 0.125, p->symmetry_tolerance = INFINITY,
    p->taylor_second = NAN;
    ad__report_say(r, AD_OK, "the conclusion");
    report = ad__report_done(r);
}

Test(report, page_with_everything) {
    everything();
    expect_text(
        printed(AD_TEXT),
        "gradcheck: FAIL  1 of 4 (1 pass, 1 inconclusive, 1 kink)  f = 0.625\n"
        "  110 evaluations  seed 42\n"
        "  Taylor slope 2.00 (want 2)\n"
        "  coordinate          claimed  differences +- error  gap/tol  step  verdict\n"
        "  bias[0]             2.5      2 +- 1e-10            1.0e-03  2^-3  FAIL\n"
        "  a name t...racters  2.5      [-1, 1]               1.0e-03  -     KINK\n"
        "  all, \"but\" one      0        none                  -        -     INCONCLUSIVE\n"
        "  w                   2.5      2 +- 1e-10            1.0e-03  2^-3  PASS\n"
        "local: node 12 (h), mul, operand 1, in w * #3, at my,model.c:42\n"
        "       rule says 3.5, differences 3, off by 5.0e-01   <- culprit\n"
        "local: node 7, relu, operand 0, in relu(#6)\n"
        "       rule says 2, slopes of the sides are 0 and 1\n"
        "local: ... and 1 more\n"
        "sweep: forward against reverse 2.5e-01 (ok)\n"
        "second order: WEAK  1 of 2 (1 pass)  Taylor slope too small to see (want 3)\n"
        "  symmetry |v.Hw - w.Hv| 1.2e-01 (allowed inf)\n"
        "  coordinate  claimed  differences +- error  gap/tol  step  verdict\n"
        "  w, b        2.5      2 +- 1e-10            1.0e-03  2^-3  WEAK\n"
        "  w, w        2.5      2 +- 1e-10            1.0e-03  2^-3  PASS\n"
        "the conclusion\n");
}

Test(report, json_with_everything) {
    everything();
    expect_text(
        printed(AD_JSON),
        "{\"format\":\"tapir-check/1\",\"verdict\":\"FAIL\",\"status\":\"no error\","
        "\"message\":\"the "
        "conclusion\",\"n\":3,\"value\":0.625,\"noise\":1e-16,\"rtol\":1e-09,\"seed\":42,"
        "\"evaluations\":110,\"taylor\":1.996,\"count\":{\"PASS\":1,\"WEAK\":0,\"INCONCLUSIVE\":1,"
        "\"KINK\":1,"
        "\"DOMAIN\":0,\"UNSTABLE\":0,\"FAIL\":1},\"lines\":[\n"
        "  "
        "{\"name\":\"w\",\"coordinate\":0,\"claimed\":2.5,\"estimate\":2,\"error\":1e-10,\"left\":"
        "\"NaN\","
        "\"right\":\"NaN\",\"gap\":1e-12,\"tolerance\":1e-09,\"step\":0.125,\"verdict\":\"PASS\"},"
        "\n"
        "  {\"name\":\"bias[0]\",\"coordinate\":1,\"claimed\":2.5,\"estimate\":2,\"error\":1e-10,"
        "\"left\":\"NaN\",\"right\":\"NaN\",\"gap\":1e-12,\"tolerance\":1e-09,\"step\":0.125,"
        "\"verdict\":\"FAIL\"},\n"
        "  {\"name\":\"a name that is just over forty "
        "characters\",\"coordinate\":2,\"claimed\":2.5,"
        "\"estimate\":\"NaN\",\"error\":\"NaN\",\"left\":-1,\"right\":1,\"gap\":1e-12,"
        "\"tolerance\":1e-09,"
        "\"step\":\"NaN\",\"verdict\":\"KINK\"},\n"
        "  {\"name\":\"all, \\\"but\\\" "
        "one\",\"coordinate\":null,\"claimed\":-0,\"estimate\":\"NaN\","
        "\"error\":\"NaN\",\"left\":\"NaN\",\"right\":\"NaN\",\"gap\":\"NaN\",\"tolerance\":"
        "\"NaN\","
        "\"step\":\"NaN\",\"verdict\":\"INCONCLUSIVE\"}],\n"
        " \"local\":{\"nodes\":5,\"operands\":9,\"count\":{\"PASS\":6,\"WEAK\":0,\"INCONCLUSIVE\":"
        "0,"
        "\"KINK\":0,\"DOMAIN\":0,\"UNSTABLE\":0,\"FAIL\":3},\"culprits\":[\n"
        "  {\"node\":12,\"operand\":1,\"operation\":\"mul\",\"name\":\"h\",\"shown\":\"w * #3\","
        "\"file\":\"src/"
        "my,model.c\",\"line\":42,\"at\":4,\"rule\":3.5,\"estimate\":3,\"error\":1e-11,"
        "\"left\":\"NaN\",\"right\":\"NaN\",\"gap\":0.5,\"tolerance\":1e-09,\"verdict\":\"FAIL\"},"
        "\n"
        "  {\"node\":7,\"operand\":0,\"operation\":\"relu\",\"name\":\"\",\"shown\":\"relu(#6)\","
        "\"file\":\"\",\"line\":0,\"at\":0,\"rule\":2,\"estimate\":\"NaN\",\"error\":\"NaN\","
        "\"left\":0,"
        "\"right\":1,\"gap\":1,\"tolerance\":1e-08,\"verdict\":\"FAIL\"}]},\n"
        " \"sweep\":{\"verdict\":\"PASS\",\"forward\":1.5,\"reverse\":1.25,\"gap\":0.25,"
        "\"tolerance\":0.5},\n"
        " \"second\":{\"verdict\":\"WEAK\",\"symmetry\":0.125,\"symmetry_tolerance\":\"Infinity\","
        "\"taylor\":\"NaN\",\"count\":{\"PASS\":1,\"WEAK\":1,\"INCONCLUSIVE\":0,\"KINK\":0,"
        "\"DOMAIN\":0,"
        "\"UNSTABLE\":0,\"FAIL\":0},\"lines\":[\n"
        "  {\"name\":\"w, w\",\"coordinate\":0,\"claimed\":2.5,\"estimate\":2,\"error\":1e-10,"
        "\"left\":\"NaN\",\"right\":\"NaN\",\"gap\":1e-12,\"tolerance\":1e-09,\"step\":0.125,"
        "\"verdict\":\"PASS\"},\n"
        "  {\"name\":\"w, b\",\"coordinate\":1,\"claimed\":2.5,\"estimate\":2,\"error\":1e-10,"
        "\"left\":\"NaN\",\"right\":\"NaN\",\"gap\":1e-12,\"tolerance\":1e-09,\"step\":0.125,"
        "\"verdict\":\"WEAK\"}]}}\n");
}

Test(report, csv_with_everything) {
    everything();
    expect_text(
        printed(AD_CSV),
        "layer,name,claimed,estimate,error,left,right,gap,tolerance,step,verdict,file,line\n"
        "global,w,2.5,2,1e-10,nan,nan,9.9999999999999998e-13,1.0000000000000001e-09,0.125,PASS,,\n"
        "global,bias[0],2.5,2,1e-10,nan,nan,9.9999999999999998e-13,1.0000000000000001e-09,0.125,"
        "FAIL,,\n"
        "global,a name that is just over forty characters,2.5,nan,nan,-1,1,9.9999999999999998e-13,"
        "1.0000000000000001e-09,nan,KINK,,\n"
        "global,\"all, \"\"but\"\" one\",-0,nan,nan,nan,nan,nan,nan,nan,INCONCLUSIVE,,\n"
        "local,#12 mul operand "
        "1,3.5,3,9.9999999999999994e-12,nan,nan,0.5,1.0000000000000001e-09,nan,FAIL,"
        "\"src/my,model.c\",42\n"
        "local,#7 relu operand 0,2,nan,nan,0,1,1,1e-08,nan,FAIL,,\n"
        "sweep,forward against reverse,1.25,1.5,nan,nan,nan,0.25,0.5,nan,PASS,,\n"
        "second,\"w, "
        "w\",2.5,2,1e-10,nan,nan,9.9999999999999998e-13,1.0000000000000001e-09,0.125,PASS,,\n"
        "second,\"w, "
        "b\",2.5,2,1e-10,nan,nan,9.9999999999999998e-13,1.0000000000000001e-09,0.125,WEAK,,\n");
}

Test(report, page_of_a_refusal_is_its_sentence) {
    ad__report *r = ad__report_new(1);
    ad__report_say(r, AD_BAD_ARGUMENT, "no");
    report = ad__report_done(r);
    expect_text(printed(AD_TEXT), "gradcheck: INCONCLUSIVE\nno\n");
    expect_text(
        printed(AD_CSV),
        "layer,name,claimed,estimate,error,left,right,gap,tolerance,step,verdict,file,line\n");
}

/* One good line, a Taylor slope too small to see; a sweep that is inconclusive, then one that is
 * wrong. */
Test(report, page_of_a_tape_without_culprits) {
    ad__report *r = ad__report_new(1);
    add(r, &r->first, "w", AD_PASS, AD__SMOOTH);
    r->page.has_tape = true, r->page.evaluations = 1, r->page.value = -0.0, r->page.nodes = 2,
    r->page.operands = 3;
    r->page.sweep_gap = NAN;
    report = ad__report_done(r);
    expect_text(printed(AD_TEXT),
                "gradcheck: PASS  1 of 1  f = 0  1 evaluations  seed 0\n"
                "  Taylor slope too small to see (want 2)\n"
                "  coordinate  claimed  differences +- error  gap/tol  step  verdict\n"
                "  w           2.5      2 +- 1e-10            1.0e-03  2^-3  PASS\n"
                "local: 3 operands of 2 operations, against differences of each alone: ok\n"
                "sweep: forward against reverse nan (inconclusive)\n");
    report->sweep = AD_FAIL;
    cr_expect(strstr(printed(AD_TEXT), "sweep: forward against reverse nan (WRONG)\n") != NULL,
              "%s", text);
}

Test(report, page_of_a_second_order_without_lines) {
    ad__report *r = ad__report_new(1);
    r->page.has_second = true;
    report = ad__report_done(r);
    cr_expect(strstr(printed(AD_TEXT),
                     "second order: PASS  0 of 0  Taylor slope too small to see (want 3)\n") !=
                  NULL,
              "%s", text);
}

/* 24 lines of a table are shown, problems before all others. */
Test(report, long_tables_are_cut_off) {
    for (int lines = 24; lines <= 26; lines += 2) {
        ad__report *r = ad__report_new(26);
        char        name[8];
        for (int i = 0; i < lines; i++) {
            snprintf(name, sizeof name, "w%d", i);
            add(r, &r->first, name, i == lines - 1 ? AD_FAIL : AD_PASS, AD__SMOOTH);
        }
        ad_check_free(report);
        report = ad__report_done(r);
        const char *page = printed(AD_TEXT), *failed = strstr(page, "  w23  ");
        size_t      ends = 0;
        for (const char *at = page; *at != '\0'; at++) ends += *at == '\n';
        cr_expect_eq(ends, lines == 24 ? 2 + 24 : 2 + 24 + 1, "%s", page);
        cr_expect_eq(strstr(page, "  ... and 2 more\n") != NULL, lines == 26, "%s", page);
        cr_expect_eq(failed != NULL && failed < strstr(page, "  w0  "), lines == 24, "%s", page);
        cr_expect_eq(strstr(page, "  w25  ") != NULL, lines == 26, "%s", page);
    }
}

Test(report, full_disk_and_nothing_to_print_are_statuses) {
    ad__report *r = ad__report_new(1);
    add(r, &r->first, "w", AD_PASS, AD__SMOOTH);
    report = ad__report_done(r);
    const ad_format format[] = {AD_TEXT, AD_JSON, AD_CSV, AD_JUNIT, AD_TAP};
    for (size_t k = 0; k < 5; k++) {
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
