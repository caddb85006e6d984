/* suite.c - reports as suites of test cases, in the forms that build servers read: JUnit and TAP.
 *
 * A case is a line of the report: a coordinate or a direction, a culprit, the sweep, the symmetry
 * of second derivatives. Invariant: the cases agree with the verdict of the report, so that a build
 * server and a script that reads gradcheck's exit status come to the same end. A case has failed if
 * and only if the verdict is FAIL. Where nothing could be decided it is an error: a kink is no
 * pass. Cases that the verdict does not depend on are skipped. Times are 0, and nothing names the
 * hour or the machine: equal reports are equal files. */
#include "base/text.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- cases ----------------------------------------------------------------------------------- */

enum { NAME = 512, SHOWN = 4 * NAME, SENTENCE = 400 };

typedef enum outcome { PASSED, SKIPPED, UNDECIDED, FAILED, OUTCOMES } outcome;

typedef struct test_case {
    const char *layer; /* as in CSV: global, local, sweep, second; or report */
    char        name[NAME], sentence[SENTENCE];
    ad_verdict  verdict;
    outcome     outcome;
    bool        numbers; /* has those that follow; NaN: not computed */
    double      claimed, estimate, error, left, right, gap, tolerance, step;
    const char *file; /* of a culprit, or NULL */
    int         line;
} test_case;

/* What is done with each case, and what was seen of them. */
typedef struct visitor {
    void (*visit)(struct visitor *v, const ad_check_report *r, const test_case *c);
    FILE       *to;
    const char *suite; /* NULL: the cases need no name of their suite */
    size_t      count[OUTCOMES], number;
    ad_verdict  worst;
} visitor;

static outcome outcome_of(ad_verdict verdict) {
    return verdict <= AD_WEAK ? PASSED : verdict == AD_FAIL ? FAILED : UNDECIDED;
}

static void tell(visitor *v, const ad_check_report *r, const test_case *c) {
    v->count[c->outcome]++;
    if (c->outcome != SKIPPED && c->verdict > v->worst) v->worst = c->verdict;
    v->visit(v, r, c);
}

/* NaN and 0 without their sign, which means nothing. */
static double plain(double x) {
    return isnan(x) ? NAN : x + 0.0;
}

static void say(test_case *c) {
    const double times = c->gap / c->tolerance;
    int          n = snprintf(c->sentence, SENTENCE, "claimed %.10g, ", plain(c->claimed));
    char        *rest = c->sentence + n;
    const size_t room = SENTENCE - (size_t)n;
    if (!isnan(c->estimate))
        n = snprintf(rest, room, "differences %.10g +- %.0e", plain(c->estimate), plain(c->error));
    else if (!isnan(c->left) || !isnan(c->right))
        n = snprintf(rest, room, "slopes of the sides %.6g and %.6g", plain(c->left),
                     plain(c->right));
    else n = snprintf(rest, room, "no differences could be formed");
    if (c->verdict == AD_FAIL && !isnan(times))
        snprintf(rest + n, room - (size_t)n, ": %.1e times the gap allowed", times);
}

static void tell_line(visitor *v, const ad_check_report *r, const char *layer,
                      const ad_check_line *l) {
    test_case c = {.layer = layer,
                   .verdict = l->verdict,
                   .outcome = outcome_of(l->verdict),
                   .numbers = true,
                   .claimed = l->claimed,
                   .estimate = l->estimate,
                   .error = l->error,
                   .left = l->left,
                   .right = l->right,
                   .gap = l->gap,
                   .tolerance = l->tolerance,
                   .step = l->step};
    /* The lines of a function that gives two values for one x mean nothing. */
    if (r->verdict == AD_UNSTABLE) c.outcome = SKIPPED;
    ad__copy_cut(NAME, c.name, l->name);
    say(&c);
    tell(v, r, &c);
}

static void tell_culprit(visitor *v, const ad_check_report *r, const ad_check_operand *o) {
    test_case c = {.layer = "local",
                   .verdict = o->verdict,
                   .outcome = outcome_of(o->verdict),
                   .numbers = true,
                   .claimed = o->rule,
                   .estimate = o->estimate,
                   .error = o->error,
                   .left = o->left,
                   .right = o->right,
                   .gap = o->gap,
                   .tolerance = o->tolerance,
                   .step = NAN,
                   .file = o->file,
                   .line = o->line};
    snprintf(c.name, NAME, "node %zu%s%.*s%s, %.*s, operand %zu, in %.*s", o->node,
             *o->name ? " (" : "", ad__shown_bytes(o->name), o->name, *o->name ? ")" : "",
             ad__shown_bytes(o->operation), o->operation, o->operand, ad__cut_bytes(o->shown, 200),
             o->shown);
    say(&c);
    tell(v, r, &c);
}

static void tell_rest(visitor *v, const ad_check_report *r, const char *layer, ad_verdict verdict,
                      outcome how, const char *name, const char *sentence) {
    test_case c = {.layer = layer, .verdict = verdict, .outcome = how};
    snprintf(c.name, NAME, "%s", name);
    snprintf(c.sentence, SENTENCE, "%.*s", ad__cut_bytes(sentence, SENTENCE - 1), sentence);
    tell(v, r, &c);
}

static void tell_inside(visitor *v, const ad_check_report *r) {
    char         sentence[SENTENCE];
    const size_t failed = r->local_count[AD_FAIL];
    for (size_t i = 0; i < r->culprits; i++) tell_culprit(v, r, &r->culprit[i]);
    snprintf(sentence, SENTENCE, "%zu operands of %zu operations FAIL", failed, r->nodes);
    if (failed != r->culprits)
        tell_rest(v, r, "local", AD_FAIL, FAILED, "operands that are not shown", sentence);
    else if (failed == 0)
        tell_rest(v, r, "local", AD_PASS, PASSED, "each operation against differences of it alone",
                  "");
    snprintf(sentence, SENTENCE, "forward %.10g, reverse %.10g: off by %.1e, allowed %.1e",
             plain(r->forward), plain(r->reverse), plain(r->sweep_gap), plain(r->sweep_tolerance));
    tell_rest(v, r, "sweep", r->sweep,
              r->sweep == AD_PASS   ? PASSED
              : r->sweep == AD_FAIL ? FAILED
                                    : SKIPPED,
              "forward against reverse", sentence);
}

/* What the lines do not explain of the verdict on second derivatives is the symmetry's: or they
 * could not be formed. */
static void tell_symmetry(visitor *v, const ad_check_report *r) {
    char       sentence[SENTENCE];
    ad_verdict lines = AD_PASS, verdict = AD_PASS;
    for (size_t i = 0; i < r->second_lines; i++)
        if (r->second[i].verdict > lines) lines = r->second[i].verdict;
    if (isfinite(r->symmetry_tolerance) && !(r->symmetry <= r->symmetry_tolerance))
        verdict = AD_FAIL;
    else if (r->second_verdict > lines) verdict = r->second_verdict;
    const bool unseen = verdict == AD_PASS && !(r->symmetry <= r->symmetry_tolerance);
    snprintf(sentence, SENTENCE, "|v.Hw - w.Hv| is %.1e, allowed %.1e", plain(r->symmetry),
             plain(r->symmetry_tolerance));
    tell_rest(v, r, "second", unseen ? AD_INCONCLUSIVE : verdict,
              unseen ? SKIPPED : outcome_of(verdict), "symmetry", sentence);
}

static void each_case(visitor *v, const ad_check_report *r) {
    memset(v->count, 0, sizeof v->count);
    v->worst = AD_PASS;
    if (r->status != AD_OK) {
        tell_rest(v, r, "report", AD_INCONCLUSIVE, UNDECIDED, "check", "");
        return;
    }
    for (size_t i = 0; i < r->lines; i++) tell_line(v, r, "global", &r->line[i]);
    if (r->has_tape) tell_inside(v, r);
    for (size_t i = 0; r->has_second && i < r->second_lines; i++)
        tell_line(v, r, "second", &r->second[i]);
    if (r->has_second) tell_symmetry(v, r);
    if (v->worst != r->verdict || v->count[PASSED] + v->count[UNDECIDED] + v->count[FAILED] == 0)
        tell_rest(v, r, "report", r->verdict, outcome_of(r->verdict), "conclusion",
                  ad_verdict_meaning(r->verdict));
}

static void ignore(visitor *v, const ad_check_report *r, const test_case *c) {
    (void)v, (void)r, (void)c;
}

static void count_cases(const ad_check_report *r, size_t count[OUTCOMES]) {
    visitor v = {.visit = ignore};
    each_case(&v, r);
    for (int k = 0; k < OUTCOMES; k++) count[k] += v.count[k];
}

static size_t sum(const size_t count[OUTCOMES]) {
    return count[PASSED] + count[SKIPPED] + count[UNDECIDED] + count[FAILED];
}

/* ---- numbers, a line each: YAML, which people can read as well ------------------------------- */

static void field(FILE *to, const char *lead, const char *name, double x) {
    char text[AD__SHORTEST];
    fprintf(to, "%s%s: %s\n", lead, name,
            isnan(x)   ? ".nan"
            : isinf(x) ? (x > 0 ? ".inf" : "-.inf")
                       : ad__shortest(x + 0.0, text));
}

static void fields(FILE *to, const char *lead, const test_case *c) {
    const char  *name[] = {"estimate", "error", "left", "right", "gap", "tolerance", "step"};
    const double x[] = {c->estimate, c->error, c->left, c->right, c->gap, c->tolerance, c->step};
    field(to, lead, "claimed", c->claimed);
    for (size_t i = 0; i < sizeof x / sizeof *x; i++)
        if (!isnan(x[i])) field(to, lead, name[i], x[i]);
}

/* ---- JUnit ----------------------------------------------------------------------------------- */

/* Characters that XML cannot hold are shown as gradcheck's table shows them. */
static void xml_text(FILE *to, const char *text) {
    char shown[SHOWN];
    ad__xml_text(ad__shown_text(SHOWN, shown, text), to);
}

static void junit_body(FILE *to, const ad_check_report *r, const test_case *c) {
    if (r->status == AD_OK) {
        fprintf(to, "%s: ", ad_verdict_text(c->verdict));
        ad__xml_text(ad_verdict_meaning(c->verdict), to);
        fputc('\n', to);
    }
    if (c->numbers) fields(to, "", c);
    if (c->file != NULL) {
        fputs("at ", to);
        xml_text(to, c->file);
        fprintf(to, ":%d\n", c->line);
    }
    ad__xml_text(r->message, to);
    fputc('\n', to);
}

static void junit_case(visitor *v, const ad_check_report *r, const test_case *c) {
    static const char *const element[] = {"system-out", "skipped", "error", "failure"};
    FILE                    *to = v->to;
    fputs("    <testcase classname=\"", to);
    xml_text(to, v->suite);
    fprintf(to, ".%s\" name=\"", c->layer);
    xml_text(to, *c->name ? c->name : "(no name)");
    fputs("\" time=\"0\"", to);
    if (c->verdict == AD_PASS && c->outcome == PASSED) {
        fputs("/>\n", to);
        return;
    }
    fprintf(to, ">\n      <%s", element[c->outcome]);
    if (c->outcome != PASSED) {
        if (c->outcome != SKIPPED)
            fprintf(to, " type=\"%s\"",
                    r->status != AD_OK ? ad_status_text(r->status) : ad_verdict_text(c->verdict));
        fprintf(to, " message=\"");
        ad__xml_text(r->status != AD_OK ? r->message : c->sentence, to);
        fputc('"', to);
    }
    fputc('>', to);
    junit_body(to, r, c);
    fprintf(to, "      </%s>\n    </testcase>\n", element[c->outcome]);
}

static void property(FILE *to, const char *name, double x) {
    char text[AD__SHORTEST];
    fprintf(to, "      <property name=\"%s\" value=\"%s\"/>\n", name,
            isnan(x) ? "nan" : ad__shortest(x + 0.0, text));
}

static void junit_numbers(FILE *to, const ad_check_report *r) {
    if (r->outputs == 0) property(to, "value", r->value);
    else property(to, "outputs", (double)r->outputs);
    property(to, "noise", r->noise);
    property(to, "rtol", r->rtol);
    property(to, "taylor", r->taylor);
    fprintf(to,
            "      <property name=\"evaluations\" value=\"%zu\"/>\n"
            "      <property name=\"seed\" value=\"%llu\"/>\n",
            r->evaluations, (unsigned long long)r->seed);
}

static void junit_suite(FILE *to, const ad_check_report *r, const char *name) {
    size_t count[OUTCOMES] = {0};
    count_cases(r, count);
    fputs("  <testsuite name=\"", to);
    xml_text(to, name);
    fprintf(to,
            "\" tests=\"%zu\" failures=\"%zu\" errors=\"%zu\" skipped=\"%zu\" time=\"0\">\n"
            "    <properties>\n      <property name=\"verdict\" value=\"%s\"/>\n",
            sum(count), count[FAILED], count[UNDECIDED], count[SKIPPED],
            ad_verdict_text(r->verdict));
    if (r->status == AD_OK) junit_numbers(to, r);
    fputs("    </properties>\n", to);
    visitor v = {.visit = junit_case, .to = to, .suite = name};
    each_case(&v, r);
    fputs("    <system-out>", to);
    ad__xml_text(r->message, to);
    fputs("</system-out>\n  </testsuite>\n", to);
}

static const char *name_of(const char *const name[], size_t i) {
    return name == NULL || name[i] == NULL || *name[i] == '\0' ? "gradcheck" : name[i];
}

static void junit(size_t n, const ad_check_report *const report[], const char *const name[],
                  FILE *to) {
    size_t count[OUTCOMES] = {0};
    for (size_t i = 0; i < n; i++) count_cases(report[i], count);
    fprintf(to,
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
            "<testsuites tests=\"%zu\" failures=\"%zu\" errors=\"%zu\" time=\"0\">\n",
            sum(count), count[FAILED], count[UNDECIDED]);
    for (size_t i = 0; i < n; i++) junit_suite(to, report[i], name_of(name, i));
    fputs("</testsuites>\n", to);
}

/* ---- TAP ------------------------------------------------------------------------------------- */

/* In the description of a test # begins a directive, and \ takes its meaning away. */
static void tap_text(FILE *to, const char *text) {
    char shown[SHOWN];
    for (const char *at = ad__shown_text(SHOWN, shown, text); *at != '\0'; at++) {
        if (*at == '#' || *at == '\\') fputc('\\', to);
        fputc(*at, to);
    }
}

/* Every line of a text begins with the lead. */
static void tap_lines(FILE *to, const char *lead, const char *text) {
    fputs(lead, to);
    for (; *text != '\0'; text++) {
        fputc(*text, to);
        if (*text == '\n') fputs(lead, to);
    }
    fputc('\n', to);
}

static void yaml_text(FILE *to, const char *name, const char *text) {
    fprintf(to, "  %s: \"", name);
    for (; *text != '\0'; text++) {
        if (*text == '"' || *text == '\\') fputc('\\', to);
        if (*text == '\n') fputs("\\n", to);
        else fputc(*text, to);
    }
    fputs("\"\n", to);
}

static void tap_details(FILE *to, const ad_check_report *r, const test_case *c) {
    char shown[SHOWN];
    fputs("  ---\n", to);
    yaml_text(to, "message", r->status != AD_OK ? r->message : c->sentence);
    fprintf(to, "  verdict: %s\n", ad_verdict_text(c->verdict));
    if (c->numbers) fields(to, "  ", c);
    if (c->file != NULL) {
        yaml_text(to, "file", ad__shown_text(SHOWN, shown, c->file));
        fprintf(to, "  line: %d\n", c->line);
    }
    fputs("  ...\n", to);
}

static void tap_case(visitor *v, const ad_check_report *r, const test_case *c) {
    FILE *to = v->to;
    fprintf(to, "%s %zu - ", c->outcome <= SKIPPED ? "ok" : "not ok", ++v->number);
    if (v->suite != NULL) tap_text(to, v->suite), fputs(": ", to);
    if (strcmp(c->layer, "global") != 0) fprintf(to, "%s: ", c->layer);
    tap_text(to, *c->name ? c->name : "(no name)");
    if (c->outcome == SKIPPED) fprintf(to, " # SKIP %s", ad_verdict_text(c->verdict));
    fputc('\n', to);
    if (c->verdict != AD_PASS || c->outcome != PASSED) tap_details(to, r, c);
}

static void bail_out(FILE *to, const char *message) {
    fputs("Bail out!  ", to);
    for (; *message != '\0'; message++) fputc(*message == '\n' ? ' ' : *message, to);
    fputc('\n', to);
}

static void tap(size_t n, const ad_check_report *const report[], const char *const name[],
                FILE *to) {
    size_t count[OUTCOMES] = {0}, number = 0;
    for (size_t i = 0; i < n; i++) count_cases(report[i], count);
    fputs("TAP version 13\n", to);
    if (n == 1 && report[0]->status != AD_OK) {
        bail_out(to, report[0]->message);
        return;
    }
    fprintf(to, "1..%zu\n", sum(count));
    for (size_t i = 0; i < n; i++) {
        visitor v = {.visit = tap_case, .to = to, .number = number};
        if (n > 1) v.suite = name_of(name, i);
        each_case(&v, report[i]);
        number = v.number;
        tap_lines(to, "# ", report[i]->message);
    }
}

ad_status ad_check_print_suite(size_t n, const ad_check_report *const report[],
                               const char *const name[], ad_format format, FILE *to) {
    if (to == NULL || (n > 0 && report == NULL) || (format != AD_JUNIT && format != AD_TAP))
        return AD_BAD_ARGUMENT;
    for (size_t i = 0; i < n; i++)
        if (report[i] == NULL) return AD_NO_MEMORY;
    const ad__locale locale = ad__locale_enter();
    if (format == AD_JUNIT) junit(n, report, name, to);
    else tap(n, report, name, to);
    ad__locale_leave(locale);
    return ad__written(to);
}
