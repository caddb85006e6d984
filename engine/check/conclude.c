/* conclude.c - the conclusion of a check, as a sentence.
 *
 * The most basic fault is reported: a rule before the sweep, the sweep before the claim, the
 * gradient before second derivatives; then what could not be resolved, and why. A derivative that
 * is NaN because infinity met 0 is neither the fault of a rule nor a sign that the values belong to
 * another function: the node where it happened is named. */
#include "check/conclude.h"

#include "base/text.h"
#include "check/second.h"
#include "tape/reduce.h"
#include "tape/trace.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define RTOL 1e-9

/* ---- lines ----------------------------------------------------------------------------------- */

/* The first line with this verdict, coordinates before directions, as they say more. NULL: none. */
static const ad_check_line *first_line(const ad__lines *lines, ad_verdict verdict) {
    const ad_check_line *first = NULL;
    for (size_t k = 0; k < lines->count; k++) {
        const ad_check_line *l = &lines->line[k];
        if (l->verdict != verdict) continue;
        if (l->coordinate != SIZE_MAX) return l;
        if (first == NULL) first = l;
    }
    return first;
}

static ad_verdict worst_of(const ad__lines *lines) {
    ad_verdict worst = AD_PASS;
    for (size_t k = 0; k < lines->count; k++)
        if (lines->line[k].verdict > worst) worst = lines->line[k].verdict;
    return worst;
}

/* ---- why this is no PASS --------------------------------------------------------------------- */

/* "in x[3]", "along a direction (row 0 alone)" */
static const char *where(const ad_check_line *l, bool second, char text[AD__NAME_ROOM + 40]) {
    const char *format = second || l->coordinate != SIZE_MAX ? "in %s" : "along a direction (%s)";
    snprintf(text, AD__NAME_ROOM + 40, format, l->name);
    return text;
}

static void say_unresolved(ad__report *r, const ad_check_line *l, const char *of, const char *in) {
    if (l->drowned > 0 && isfinite(l->turned))
        ad__report_say(r, AD_OK,
                       "%snothing is shown to be wrong, but %s no step resolves the slope: in "
                       "steps of %.1e all change is noise, and within %.1e the %s turns",
                       of, in, l->drowned, l->turned, *of ? "gradient" : "function");
    else if (*of)
        ad__report_say(r, AD_OK,
                       "%snothing is shown to be wrong, but %s no step changes the gradient by "
                       "more than its noise",
                       of, in);
    else
        ad__report_say(r, AD_OK,
                       "nothing is shown to be wrong, but %s no step changes the value by more "
                       "than its noise, %.1e",
                       in, r->page.noise);
}

static void say_line(ad__report *r, const ad_check_line *l, bool second) {
    char        text[AD__NAME_ROOM + 40];
    const char *in = where(l, second, text), *of = second ? "second derivatives: " : "";
    const char *kind = second ? "gradient" : "function";
    if (l->verdict == AD_KINK)
        ad__report_say(r, AD_OK,
                       "%s%s the %s has a kink at x: the slopes of its sides are %.6g and %.6g, "
                       "and the claim, %.6g, lies between them",
                       of, in, kind, l->left + 0.0, l->right + 0.0, l->claimed + 0.0);
    else if (l->verdict == AD_DOMAIN && l->output != SIZE_MAX && l->output == r->undefined)
        ad__report_say(r, AD_OK, "%s has no finite value at x: it has no derivative there",
                       l->name);
    else if (l->verdict == AD_DOMAIN && l->coordinate == r->infinite && !second)
        ad__report_say(r, AD_OK, "%s x is not finite: there are no differences and no derivative",
                       in);
    else if (l->verdict == AD_DOMAIN)
        ad__report_say(
            r, AD_OK,
            "%s%s the %s has no finite value on one side of x, or on both: there is no derivative",
            of, in, kind);
    else if (l->verdict == AD_WEAK)
        ad__report_say(r, AD_OK,
                       "%snothing is wrong, but %s the derivative is too small beside the noise to "
                       "be resolved: differences say %.3g +- %.1e",
                       of, in, l->estimate + 0.0, l->error);
    else if (l->steep)
        ad__report_say(r, AD_OK,
                       "%s%s slopes grow without end as steps shrink: a jump or a vertical tangent",
                       of, in);
    else say_unresolved(r, l, of, in);
}

static void say_pass(ad__report *r) {
    const bool second = r->page.has_second && r->page.second_verdict <= AD_WEAK;
    if (r->first.count > 0 && r->first.line[0].coordinate == SIZE_MAX && r->first.count == 1)
        ad__report_say(r, AD_OK, "the derivative along the direction agrees with differences");
    else if (second)
        ad__report_say(r, AD_OK, "the gradient and second derivatives agree with differences");
    else ad__report_say(r, AD_OK, "the %s agrees with differences", r->claim);
}

static void say_why(ad__report *r) {
    const ad_verdict first = worst_of(&r->first),
                     second = r->page.has_second ? worst_of(&r->second) : AD_PASS;
    if (first == AD_PASS && second == AD_PASS) say_pass(r);
    else if (first >= second) say_line(r, first_line(&r->first, first), false);
    else say_line(r, first_line(&r->second, second), true);
}

/* ---- not a number ---------------------------------------------------------------------------- */

/* The first edge, in the order of the sweep, whose partial is not finite, or whose partial times
 * the adjoint is NaN. */
typedef struct bad_partial {
    uint32_t node;
    size_t   operand;
    double   adjoint, partial;
} bad_partial;

static bool find_bad_partial(const ad_tape *tape, uint32_t last, bool makes_nan, bad_partial *s) {
    for (uint32_t i = last + 1; i-- > tape->leaves;) {
        const double a = tape->adjoint[i];
        const size_t edges = a == 0 || isnan(a) ? 0 : ad__edges(tape, i);
        for (size_t k = 0; k < edges; k++) {
            const ad__edge edge = ad__edge_of(tape, i, k);
            *s = (bad_partial){i, k, a, edge.local};
            if (edge.open && (makes_nan ? isnan(a * edge.local) : !isfinite(edge.local)))
                return true;
        }
    }
    return false;
}

static void say_bad_partial(ad__report *r, const ad_tape *tape, const char *name, double derivative,
                            bad_partial from, bool nan, bad_partial at) {
    char        head[AD__HEADLINE], then[AD__HEADLINE];
    const char *what = ad__node_name(tape, from.node);
    ad__headline(tape, from.node, sizeof head, head);
    ad__headline(tape, at.node, sizeof then, then);
    if (!nan || isnan(at.partial) || at.node == from.node)
        ad__report_say(r, AD_OK,
                       "the derivative in %s is %g: at node %s the derivative of %s is %g, where "
                       "an adjoint of %g meets it",
                       name, ad__tidy(derivative), head, what, ad__tidy(from.partial),
                       from.adjoint);
    else
        ad__report_say(r, AD_OK,
                       "the derivative in %s is not a number: %g*%g at node %s; the infinity comes "
                       "from node %s, where the derivative of %s is %g",
                       name, at.adjoint, at.partial, then, head, what, from.partial);
}

/* Names the node where a derivative of the tape becomes infinite or NaN although the function has a
 * finite one. Sweeps the tape at x. False: not the case. */
static bool say_not_finite(const ad__probe *p, ad__report *r) {
    const ad_check_line *l = NULL;
    for (size_t k = 0; k < r->first.count && l == NULL; k++) {
        const ad_check_line *one = &r->first.line[k];
        const bool own = one->coordinate != SIZE_MAX && !isfinite(p->gradient[one->coordinate]);
        if (one->verdict == AD_FAIL && own && !isfinite(one->claimed)) l = one;
    }
    if (l == NULL) return false;
    bad_partial from, at;
    ad__probe_sweep(p);
    if (!find_bad_partial(p->tape, p->y, false, &from)) return false;
    const bool nan = find_bad_partial(p->tape, p->y, true, &at);
    say_bad_partial(r, p->tape, l->name, l->claimed, from, nan, nan ? at : from);
    return true;
}

static bool say_second_not_finite(const ad__probe *p, ad__report *r) {
    const ad_check_line *l = NULL;
    for (size_t k = 0; k < r->second.count && l == NULL; k++)
        if (r->second.line[k].verdict > AD_WEAK && !isfinite(r->second.line[k].claimed))
            l = &r->second.line[k];
    char     head[AD__HEADLINE];
    uint32_t node;
    double   number;
    if (l == NULL) return false;
    if (!ad__second_not_finite(p, &node, &number)) {
        ad__report_say(r, AD_OK, "the gradient is right; the second derivative in %s is %g",
                       l->name, ad__tidy(l->claimed));
        return true;
    }
    ad__headline(p->tape, node, sizeof head, head);
    ad__report_say(r, AD_OK,
                   "the gradient is right; the second derivative in %s is %g, no rule is wrong: "
                   "node %s has the second derivative %g there, and inf*0 is not a number",
                   l->name, ad__tidy(l->claimed), head, ad__tidy(number));
    return true;
}

/* ---- what is wrong --------------------------------------------------------------------------- */

/* Does the tape's own gradient agree with the differences of the lines? */
static bool own_gradient_agrees(const ad__probe *p, const ad__report *r) {
    for (size_t k = 0; k < r->first.count; k++) {
        const ad_check_line *l = &r->first.line[k];
        if (l->coordinate == SIZE_MAX || isnan(l->estimate)) continue;
        const double own = p->gradient[l->coordinate];
        if (!(fabs(own - l->estimate) <=
              fmax(10 * l->error, RTOL * fmax(fabs(own), fabs(l->estimate)))))
            return false;
    }
    return true;
}

static void say_culprit(ad__report *r) {
    const ad_check_operand *o = &r->culprit[0];
    char                    place[AD__NAME_ROOM + 16] = "";
    if (o->file != NULL)
        snprintf(place, sizeof place, ", recorded at %.*s:%d,",
                 ad__cut_bytes(ad__file_name(o->file), AD__NAME_ROOM - 16), ad__file_name(o->file),
                 o->line);
    ad__report_say(r, AD_OK, "the rule of %.*s is wrong in operand %zu: node #%zu%s says so%s",
                   ad__shown_bytes(o->operation), o->operation, o->operand, o->node, place,
                   r->page.sweep == AD_PASS ? "; the sweep is right" : "");
}

static void say_sweep(ad__report *r) {
    if (!r->page.repeatable)
        ad__report_say(r, AD_OK,
                       "the sweep is wrong, not a rule: a second one gave different adjoints");
    else if (r->page.sweep_node != SIZE_MAX)
        ad__report_say(r, AD_OK,
                       "the sweep is wrong, not a rule: the adjoint of node #%zu is not the sum of "
                       "what its users send",
                       r->page.sweep_node);
    else ad__report_say(r, AD_OK, "the sweep is wrong, not a rule: forward and reverse disagree");
}

static void say_failed(const ad__probe *p, ad__report *r, const char *first, bool own) {
    if (say_not_finite(p, r)) return;
    if (!own && own_gradient_agrees(p, r))
        ad__report_say(
            r, AD_OK,
            "the claim is wrong, first at %s; the tape's own gradient agrees with differences",
            first);
    else
        ad__report_say(r, AD_OK,
                       "rules and sweep are right, but differences disagree at %s: the values are "
                       "not those of the function that was differentiated",
                       first);
}

/* False: there is nothing to report. */
static bool say_second(const ad__probe *p, ad__report *r) {
    const ad_check_line *failed = first_line(&r->second, AD_FAIL);
    if (r->page.has_second && worst_of(&r->first) <= AD_WEAK && say_second_not_finite(p, r))
        return true;
    if (failed != NULL)
        ad__report_say(r, AD_OK, "the gradient is right; second derivatives are wrong, first at %s",
                       failed->name);
    else if (r->page.second_verdict == AD_FAIL)
        ad__report_say(
            r, AD_OK,
            "the gradient is right; second derivatives are wrong: the Hessian is not symmetric");
    else if (*r->no_second) ad__report_say(r, AD_OK, "second derivatives: %s", r->no_second);
    else return false;
    return true;
}

void ad__conclude_tape(const ad__probe *p, ad__report *r, bool own) {
    const ad_check_line *failed = first_line(&r->first, AD_FAIL);
    if (*r->message) return;
    if (r->page.culprits > 0) say_culprit(r);
    else if (r->page.sweep == AD_FAIL) say_sweep(r);
    else if (failed != NULL) say_failed(p, r, failed->name, own);
    else if (say_second(p, r)) return;
    else if (p->stopped != AD_OK) ad__report_say(r, AD_OK, "near x: %s", p->reason);
    else say_why(r);
}

void ad__conclude_function(ad__report *r) {
    const ad_check_line *failed = first_line(&r->first, AD_FAIL);
    if (*r->message) return;
    if (failed != NULL)
        ad__report_say(r, AD_OK, "the claimed %s is wrong, first at %s", r->claim, failed->name);
    else say_why(r);
}

void ad__conclude_rounded(ad__report *r) {
    const size_t length = strlen(r->message);
    if (r->rounded && r->page.status == AD_OK)
        snprintf(r->message + length, sizeof r->message - length,
                 "; x was rounded to the arithmetic of the function, of unit roundoff 2^%.0f",
                 log2(r->page.unit));
}
