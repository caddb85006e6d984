/* suite.c - tests of engine/check/suite.c: reports built by hand, as suites of tests. That programs
 * which no one here wrote read them is shown by tests/demos. */
#include "engine/base/text.h"
#include "engine/check/report.h"
#include "support.h"

#include "expect.h"
#include <locale.h>
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

TestSuite(suite, .fini = drop);

static const char *suite_of(size_t n, const ad_check_report *const reports[],
                            const char *const names[], ad_format format) {
    size_t length = 0;
    free(text);
    text = NULL;
    FILE *to = open_memstream(&text, &length);
    cr_assert_eq(ad_check_print_suite(n, reports, names, format, to), AD_OK);
    fclose(to);
    return text;
}

static const char *printed(ad_format format) {
    const ad_check_report *const one[] = {report};
    return suite_of(1, one, NULL, format);
}

static void add(ad__report *r, ad__lines *lines, const char *name, ad_verdict verdict,
                ad__shape shape) {
    const ad__judgement j = {
        .verdict = verdict,
        .gap = 0.5,
        .tolerance = 0.25,
        .estimate = {
            .shape = shape, .slope = 2, .error = 0.125, .step = 0.125, .left = -1, .right = 1}};
    ad__report_line(r, lines, name, lines->count, 2.5, &j);
}

static void expect_text(const char *got, const char *want) {
    cr_expect(strcmp(got, want) == 0, "printed\n%s\nnot\n%s", got, want);
}

static void expect_part(const char *got, const char *want) {
    cr_expect(strstr(got, want) != NULL, "printed\n%s\nwithout\n%s", got, want);
}

static size_t times(const char *whole, const char *part) {
    size_t n = 0;
    for (const char *at = whole; (at = strstr(at, part)) != NULL; at += strlen(part)) n++;
    return n;
}

/* ---- whole documents ------------------------------------------------------------------------- */

/* A line of each outcome, a culprit, a sweep that nothing says about, second derivatives. */
static void everything(void) {
    ad__report            *r = ad__report_new(3);
    const ad_check_operand o = {.node = 12,
                                .operand = 1,
                                .operation = "mul",
                                .name = "h",
                                .shown = "w * #3",
                                .rule = 3.5,
                                .estimate = 3,
                                .error = 0.0625,
                                .gap = 0.5,
                                .tolerance = 0.25,
                                .left = NAN,
                                .right = NAN,
                                .verdict = AD_FAIL,
                                .file = "src/a<b.c",
                                .line = 42};
    add(r, &r->first, "a", AD_PASS, AD__SMOOTH);
    add(r, &r->first, "b", AD_FAIL, AD__SMOOTH);
    add(r, &r->first, "c", AD_KINK, AD__KINKED);
    add(r, &r->second, "a, a", AD_WEAK, AD__SMOOTH);
    ad__report_culprit(r, &o);
    ad_check_report *p = &r->page;
    p->value = 0.625, p->noise = 0.0625, p->rtol = 0.5, p->seed = 42, p->evaluations = 110,
    p->taylor = 1.5;
    p->has_tape = true, p->nodes = 5, p->operands = 9, p->local_count[AD_FAIL] = 1;
    p->has_second = true, p->symmetry = 0.125, p->symmetry_tolerance = 0.5;
    ad__report_say(r, AD_OK, "the rule of mul is wrong & more");
    report = ad__report_done(r);
}

Test(suite, junit_with_everything) {
    everything();
    expect_text(
        printed(AD_JUNIT),
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
        "<testsuites tests=\"7\" failures=\"2\" errors=\"1\" time=\"0\">\n"
        "  <testsuite name=\"gradcheck\" tests=\"7\" failures=\"2\" errors=\"1\" skipped=\"1\" "
        "time=\"0\">\n"
        "    <properties>\n"
        "      <property name=\"verdict\" value=\"FAIL\"/>\n"
        "      <property name=\"value\" value=\"0.625\"/>\n"
        "      <property name=\"noise\" value=\"0.0625\"/>\n"
        "      <property name=\"rtol\" value=\"0.5\"/>\n"
        "      <property name=\"taylor\" value=\"1.5\"/>\n"
        "      <property name=\"evaluations\" value=\"110\"/>\n"
        "      <property name=\"seed\" value=\"42\"/>\n"
        "    </properties>\n"
        "    <testcase classname=\"gradcheck.global\" name=\"a\" time=\"0\"/>\n"
        "    <testcase classname=\"gradcheck.global\" name=\"b\" time=\"0\">\n"
        "      <failure type=\"FAIL\" message=\"claimed 2.5, differences 2 +- 1e-01: 2.0e+00 times "
        "the gap allowed\">FAIL: the claim is wrong\n"
        "claimed: 2.5\nestimate: 2\nerror: 0.125\ngap: 0.5\ntolerance: 0.25\nstep: 0.125\n"
        "the rule of mul is wrong &amp; more\n"
        "      </failure>\n"
        "    </testcase>\n"
        "    <testcase classname=\"gradcheck.global\" name=\"c\" time=\"0\">\n"
        "      <error type=\"KINK\" message=\"claimed 2.5, slopes of the sides -1 and 1\">KINK: x "
        "is on a kink, and the claim lies between the slopes of its sides\n"
        "claimed: 2.5\nleft: -1\nright: 1\ngap: 0.5\ntolerance: 0.25\n"
        "the rule of mul is wrong &amp; more\n"
        "      </error>\n"
        "    </testcase>\n"
        "    <testcase classname=\"gradcheck.local\" name=\"node 12 (h), mul, operand 1, in w * "
        "#3\" time=\"0\">\n"
        "      <failure type=\"FAIL\" message=\"claimed 3.5, differences 3 +- 6e-02: 2.0e+00 times "
        "the gap allowed\">FAIL: the claim is wrong\n"
        "claimed: 3.5\nestimate: 3\nerror: 0.0625\ngap: 0.5\ntolerance: 0.25\n"
        "at src/a&lt;b.c:42\n"
        "the rule of mul is wrong &amp; more\n"
        "      </failure>\n"
        "    </testcase>\n"
        "    <testcase classname=\"gradcheck.sweep\" name=\"forward against reverse\" "
        "time=\"0\">\n"
        "      <skipped message=\"forward nan, reverse nan: off by 0.0e+00, allowed "
        "0.0e+00\">INCONCLUSIVE: no differences good enough could be formed\n"
        "the rule of mul is wrong &amp; more\n"
        "      </skipped>\n"
        "    </testcase>\n"
        "    <testcase classname=\"gradcheck.second\" name=\"a, a\" time=\"0\">\n"
        "      <system-out>WEAK: agrees, but is too small beside the noise to be resolved\n"
        "claimed: 2.5\nestimate: 2\nerror: 0.125\ngap: 0.5\ntolerance: 0.25\nstep: 0.125\n"
        "the rule of mul is wrong &amp; more\n"
        "      </system-out>\n"
        "    </testcase>\n"
        "    <testcase classname=\"gradcheck.second\" name=\"symmetry\" time=\"0\"/>\n"
        "    <system-out>the rule of mul is wrong &amp; more</system-out>\n"
        "  </testsuite>\n"
        "</testsuites>\n");
}

Test(suite, tap_with_everything) {
    everything();
    expect_text(
        printed(AD_TAP),
        "TAP version 13\n"
        "1..7\n"
        "ok 1 - a\n"
        "not ok 2 - b\n"
        "  ---\n"
        "  message: \"claimed 2.5, differences 2 +- 1e-01: 2.0e+00 times the gap allowed\"\n"
        "  verdict: FAIL\n"
        "  claimed: 2.5\n  estimate: 2\n  error: 0.125\n  gap: 0.5\n  tolerance: 0.25\n"
        "  step: 0.125\n"
        "  ...\n"
        "not ok 3 - c\n"
        "  ---\n"
        "  message: \"claimed 2.5, slopes of the sides -1 and 1\"\n"
        "  verdict: KINK\n"
        "  claimed: 2.5\n  left: -1\n  right: 1\n  gap: 0.5\n  tolerance: 0.25\n"
        "  ...\n"
        "not ok 4 - local: node 12 (h), mul, operand 1, in w * \\#3\n"
        "  ---\n"
        "  message: \"claimed 3.5, differences 3 +- 6e-02: 2.0e+00 times the gap allowed\"\n"
        "  verdict: FAIL\n"
        "  claimed: 3.5\n  estimate: 3\n  error: 0.0625\n  gap: 0.5\n  tolerance: 0.25\n"
        "  file: \"src/a<b.c\"\n  line: 42\n"
        "  ...\n"
        "ok 5 - sweep: forward against reverse # SKIP INCONCLUSIVE\n"
        "  ---\n"
        "  message: \"forward nan, reverse nan: off by 0.0e+00, allowed 0.0e+00\"\n"
        "  verdict: INCONCLUSIVE\n"
        "  ...\n"
        "ok 6 - second: a, a\n"
        "  ---\n"
        "  message: \"claimed 2.5, differences 2 +- 1e-01\"\n"
        "  verdict: WEAK\n"
        "  claimed: 2.5\n  estimate: 2\n  error: 0.125\n  gap: 0.5\n  tolerance: 0.25\n"
        "  step: 0.125\n"
        "  ...\n"
        "ok 7 - second: symmetry\n"
        "# the rule of mul is wrong & more\n");
}

/* ---- the cases agree with the verdict -------------------------------------------------------- */

static size_t number_after(const char *whole, const char *mark) {
    const char *at = strstr(whole, mark);
    cr_assert_not_null(at, "%s", whole);
    return strtoul(at + strlen(mark), NULL, 10);
}

/* A failure if and only if the verdict is FAIL; red if and only if it is neither PASS nor WEAK. */
static void expect_agreement(const char *what) {
    const char  *junit = printed(AD_JUNIT);
    const size_t failures = number_after(junit, "failures=\""),
                 errors = number_after(junit, "errors=\"");
    const bool green = report->verdict <= AD_WEAK;
    cr_expect_eq(failures > 0, report->verdict == AD_FAIL, "%s: %s", what, junit);
    cr_expect_eq(failures + errors == 0, green, "%s: %s", what, junit);
    cr_expect_eq(times(junit, "<failure "), failures);
    cr_expect_eq(times(junit, "<error "), errors);
    cr_expect_eq(times(junit, "<testcase "), number_after(junit, "tests=\""));
    const char *tap = printed(AD_TAP);
    cr_expect_eq(times(tap, "\nnot ok "), failures + errors, "%s: %s", what, tap);
    cr_expect_eq(times(tap, "\nnot ok ") + times(tap, "\nok "), number_after(tap, "\n1.."));
}

Test(suite, is_green_if_and_only_if_the_verdict_is) {
    for (int first = 0; first < AD_VERDICT_COUNT; first++)
        for (int second = 0; second < AD_VERDICT_COUNT; second++)
            for (int sweep = 0; sweep < AD_VERDICT_COUNT; sweep++) {
                ad__report *r = ad__report_new(2);
                add(r, &r->first, "a", AD_PASS, AD__SMOOTH);
                add(r, &r->first, "b", (ad_verdict)first, AD__SMOOTH);
                add(r, &r->second, "a, b", (ad_verdict)second, AD__SMOOTH);
                r->page.has_second = r->page.has_tape = true;
                r->page.sweep = (ad_verdict)sweep;
                ad_check_free(report);
                report = ad__report_done(r);
                expect_agreement(ad_verdict_text(report->verdict));
            }
}

/* Verdicts that no line shows: of a function without a value at x, of one with two values, of a
 * Hessian that is not symmetric or that could not be formed, of culprits beyond the eighth. */
Test(suite, shows_verdicts_that_no_line_has) {
    for (int k = 0; k < 6; k++) {
        ad__report *r = ad__report_new(1);
        if (k > 0) add(r, &r->first, "a", k == 1 ? AD_FAIL : AD_PASS, AD__SMOOTH);
        if (k == 0) r->page.verdict = AD_DOMAIN;
        if (k == 1) r->page.verdict = AD_UNSTABLE;
        if (k == 2) r->page.verdict = AD_UNSTABLE;
        if (k >= 3) r->page.has_second = true;
        if (k == 3) r->page.second_verdict = AD_FAIL, r->page.symmetry = 2;
        if (k == 3) r->page.symmetry_tolerance = 1;
        if (k == 4) r->page.second_verdict = AD_INCONCLUSIVE;
        if (k == 5) r->page.has_tape = true, r->page.local_count[AD_FAIL] = 9;
        ad_check_free(report);
        report = ad__report_done(r);
        char what[2] = {(char)('0' + k)};
        expect_agreement(what);
    }
    expect_part(printed(AD_TAP), "not ok 2 - local: operands that are not shown\n");
    expect_part(text, "\"9 operands of 0 operations FAIL\"");
}

Test(suite, the_lines_of_an_unstable_function_are_skipped) {
    ad__report *r = ad__report_new(1);
    add(r, &r->first, "a", AD_FAIL, AD__SMOOTH);
    r->page.verdict = AD_UNSTABLE;
    report = ad__report_done(r);
    expect_part(printed(AD_TAP), "\nok 1 - a # SKIP FAIL\n");
    expect_part(text, "\nnot ok 2 - report: conclusion\n");
    expect_part(text, ad_verdict_meaning(AD_UNSTABLE));
}

Test(suite, of_what_was_refused_is_an_error_and_ends_tap) {
    report = ad_check_refused(AD_BAD_ARGUMENT, "no \"x\"\n  at all");
    const char *junit = printed(AD_JUNIT);
    expect_part(junit, "<testsuites tests=\"1\" failures=\"0\" errors=\"1\" time=\"0\">");
    expect_part(junit, "name=\"check\" time=\"0\">\n      <error type=\"an argument that is not "
                       "allowed\" message=\"no "
                       "&quot;x&quot;   at all\">");
    expect_text(printed(AD_TAP), "TAP version 13\nBail out!  no \"x\"   at all\n");
}

/* ---- several reports, names, numbers --------------------------------------------------------- */

Test(suite, several_reports_are_one_document) {
    everything();
    ad_check_report             *refused = ad_check_refused(AD_BAD_ARGUMENT, "two\n  lines");
    const ad_check_report *const all[] = {report, refused};
    const char *const            names[] = {"layer #1", NULL};
    const char                  *junit = suite_of(2, all, names, AD_JUNIT);
    expect_part(junit, "<testsuites tests=\"8\" failures=\"2\" errors=\"2\" time=\"0\">");
    expect_part(junit, "<testcase classname=\"layer #1.global\" name=\"a\" time=\"0\"/>");
    cr_expect_eq(times(junit, "<?xml"), 1);
    cr_expect_eq(times(junit, "<testsuite "), 2);
    const char *tap = suite_of(2, all, names, AD_TAP);
    expect_part(tap, "TAP version 13\n1..8\nok 1 - layer \\#1: a\n");
    expect_part(tap, "not ok 8 - gradcheck: report: check\n  ---\n  message: \"two\\n  lines\"\n");
    expect_part(tap, "# two\n#   lines\n");
    cr_expect_eq(times(tap, "Bail out"), 0);
    expect_text(suite_of(0, NULL, NULL, AD_TAP), "TAP version 13\n1..0\n");
    ad_check_free(refused);
}

Test(suite, names_cannot_break_out) {
    ad__report *r = ad__report_new(4);
    add(r, &r->first, "x # TODO later", AD_PASS, AD__SMOOTH);
    add(r, &r->first, "a\nBail out!", AD_PASS, AD__SMOOTH);
    add(r, &r->first, "\"'<&>]]>\x1b\x80\xef\xbf\xbf\\", AD_PASS, AD__SMOOTH);
    add(r, &r->first, "", AD_PASS, AD__SMOOTH);
    report = ad__report_done(r);
    expect_text(printed(AD_TAP), "TAP version 13\n1..4\n"
                                 "ok 1 - x \\# TODO later\n"
                                 "ok 2 - a\\\\x0aBail out!\n"
                                 "ok 3 - \"'<&>]]>\\\\x1b\\\\x80\xef\xbf\xbf\\\\\n"
                                 "ok 4 - (no name)\n"
                                 "# \n");
    expect_part(printed(AD_JUNIT), "name=\"a\\x0aBail out!\"");
    expect_part(text, "name=\"&quot;&#39;&lt;&amp;&gt;]]&gt;\\x1b\\x80\xef\xbf\xbd\\\"");
    expect_part(text, "name=\"(no name)\"");
}

/* A name is cut, and never inside a character. */
Test(suite, long_names_are_cut) {
    char long_name[3002] = "";
    for (int i = 0; i < 1000; i++) strcat(long_name, "\xe2\x82\xac");
    ad__report *r = ad__report_new(1);
    add(r, &r->first, long_name, AD_FAIL, AD__SMOOTH);
    report = ad__report_done(r);
    cr_expect(ad__is_utf8(printed(AD_JUNIT)) && strlen(text) < 3000, "%s", text);
    cr_expect(ad__is_utf8(printed(AD_TAP)) && strlen(text) < 3000, "%s", text);
}

Test(suite, numbers_that_are_not_finite_are_yaml) {
    ad__report         *r = ad__report_new(1);
    const ad__judgement j = {.verdict = AD_FAIL,
                             .gap = INFINITY,
                             .tolerance = 1,
                             .estimate = {.shape = AD__KINKED, .left = -INFINITY, .right = -0.0}};
    ad__report_line(r, &r->first, "a", 0, -NAN, &j);
    report = ad__report_done(r);
    expect_part(printed(AD_TAP), "claimed nan, slopes of the sides -inf and 0: inf times");
    expect_part(text, "  claimed: .nan\n  left: -.inf\n  right: 0\n  gap: .inf\n");
    expect_part(printed(AD_JUNIT), "name=\"value\" value=\"nan\"");
}

/* tests/base/text.c has the same claim for the other formats, where there is a locale to try. */
Test(suite, numbers_have_a_point_in_every_locale) {
    if (setlocale(LC_ALL, "de_DE.UTF-8") == NULL) cr_skip_test("no locale with a comma");
    everything();
    expect_part(printed(AD_TAP), "claimed: 2.5\n");
    expect_part(printed(AD_JUNIT), "claimed: 2.5\n");
}

Test(suite, formats_that_are_no_suites_and_nothing_to_write_to_are_statuses) {
    everything();
    const ad_check_report *const one[] = {report}, *const none[] = {NULL};
    cr_expect_eq(ad_check_print_suite(1, one, NULL, AD_JSON, stdout), AD_BAD_ARGUMENT);
    cr_expect_eq(ad_check_print_suite(1, one, NULL, (ad_format)9, stdout), AD_BAD_ARGUMENT);
    cr_expect_eq(ad_check_print_suite(1, one, NULL, AD_TAP, NULL), AD_BAD_ARGUMENT);
    cr_expect_eq(ad_check_print_suite(1, NULL, NULL, AD_TAP, stdout), AD_BAD_ARGUMENT);
    cr_expect_eq(ad_check_print_suite(1, none, NULL, AD_TAP, stdout), AD_NO_MEMORY);
}
