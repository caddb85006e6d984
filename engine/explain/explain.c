/* explain.c - both passes in words and numbers.
 *
 * The numbers are those of trace.h; what the backward pass ends with is then compared with
 * differences of replayed values. If there is too much to show, scopes and ranges of nodes are
 * folded: one line then says what a whole box sends to the nodes outside it. What a step sends
 * stands below it, since beside it there is no room for the numbers in the width of a terminal. */
#include "base/text.h"
#include "check/compare.h"
#include "explain/fold.h"
#include "tape/trace.h"

#include <stdlib.h>

enum { INDENT = 10, BELOW = INDENT + 2, FURTHER = BELOW + 4, MOST_SENT = 8, MOST_LINES = 200 };
enum { WIDEST_HEAD = AD__WIDTH - INDENT - 22, WIDEST_LABEL = 24 };

typedef struct page {
    ad_tape       *tape;
    FILE          *to;
    const ad_view *view;
    ad__traced     traced;
    ad__fold       fold;
    int            column;
} page;

/* ---- forward --------------------------------------------------------------------------------- */

/* An entry of a list that is wrapped at the right margin and continues below its first entry. */
static void entry(page *p, const char *text) {
    p->column = ad__piece(p->to, p->column, INDENT, 4, text);
}

static void begin(page *p, const char *title) {
    p->column = fprintf(p->to, "%-*s", INDENT, title);
}

static void titled(page *p, const char *title, const char *sentence) {
    begin(p, title);
    ad__flow(p->to, p->column, INDENT, sentence);
    fputc('\n', p->to);
}

static void headline_of(const page *p, const ad__box *box, char head[AD__HEADLINE]) {
    if (box->count == 1) ad__headline(p->tape, box->first, AD__HEADLINE, head);
    else ad__fold_label(p->tape, box, AD__HEADLINE, head);
}

static void forward(page *p) {
    char head[AD__HEADLINE], text[AD__HEADLINE + 64];
    begin(p, "forward");
    for (uint32_t k = 0; k < p->fold.boxes; k++) {
        const ad__box *box = &p->fold.box[k];
        headline_of(p, box, head);
        if (box->count == 1)
            snprintf(text, sizeof text, "%s = %.6g", head, ad__tidy(p->tape->value[box->first]));
        else snprintf(text, sizeof text, "[%s]", head);
        entry(p, text);
    }
    fputc('\n', p->to);
}

static const char *label_of(const page *p, uint32_t node, char text[AD__LABEL]) {
    ad__label(p->tape, node, text);
    return ad__narrow(WIDEST_LABEL, text);
}

/* A result as it appears in a derivative: "f", "(d f / d x)". */
static const char *differentiated(const page *p, uint32_t node, char text[AD__LABEL + 2]) {
    char label[AD__LABEL];
    label_of(p, node, label);
    snprintf(text, AD__LABEL + 2, strchr(label, ' ') == NULL ? "%s" : "(%s)", label);
    return text;
}

/* ---- reverse --------------------------------------------------------------------------------- */

/* A remark on a contribution: that it is at a fork, or what a bug did to it. */
static const char *remark(const ad__sent *s) {
    switch (s->fault) {
    case AD__LOST: return "fork: what stood here is lost";
    case AD__LATE: return "too late: it was visited before, and passed on less";
    case AD__LEFT: return "stale: what stood here is from an earlier pass";
    default: return s->before == 0 ? "" : "fork: gradients add";
    }
}

static const char *assigns(const page *p) {
    return p->view->bug == AD_BUG_OVERWRITE ? " =" : "+=";
}

/* "b   += 2 * 1 = 2    (3 -> 5)   fork: gradients add"; labels take `width` columns. */
static void contribution(page *p, const ad__sent *s, int width, const char *sum,
                         const char *remark_on) {
    char label[AD__LABEL], text[AD__LABEL + 128];
    label_of(p, s->to, label);
    snprintf(text, sizeof text, "%s%*s %s %s", label, width - (int)ad__columns(label), "",
             assigns(p), sum);
    fprintf(p->to, "%*s", BELOW, "");
    int column = ad__flow(p->to, BELOW, FURTHER, text);
    snprintf(text, sizeof text, "(%.6g -> %.6g)", ad__tidy(s->before), ad__tidy(s->after));
    column = ad__piece(p->to, column, FURTHER, 4, text);
    if (*remark_on != '\0') ad__piece(p->to, column, FURTHER, 3, remark_on);
    fputc('\n', p->to);
}

static void sent(page *p, const ad__sent *s, double upstream, int width) {
    char sum[128];
    snprintf(sum, sizeof sum, "%.6g * %.6g = %.6g", ad__tidy(upstream), ad__tidy(s->local),
             ad__tidy(s->contribution));
    contribution(p, s, width, sum, remark(s));
}

static void step_head(page *p, size_t number, size_t last, size_t steps, int width,
                      const char *head, const char *words) {
    char counter[64];
    if (number == last) snprintf(counter, sizeof counter, "%zu/%zu", number, steps);
    else snprintf(counter, sizeof counter, "%zu-%zu/%zu", number, last, steps);
    const int column = ad__flow(p->to, fprintf(p->to, "  %-7s ", counter), BELOW, head),
              gap = 2 + INDENT + width - column;
    ad__piece(p->to, column, BELOW, gap > 2 ? gap : 2, words);
    fputc('\n', p->to);
}

static int wider(int width, const char *text, int most) {
    const int columns = (int)ad__columns(text);
    return columns <= width ? width : columns < most ? columns : most;
}

/* The columns that the names of receivers take. */
static int label_width(const page *p, size_t n, const ad__sent of[]) {
    char label[AD__LABEL];
    int  width = 3;
    for (size_t i = 0; i < n; i++) width = wider(width, label_of(p, of[i].to, label), WIDEST_LABEL);
    return width;
}

static void show_step(page *p, const ad__pass *pass, size_t k, int width) {
    char            head[AD__HEADLINE];
    const ad__step *step = &pass->step[k];
    const ad__sent *first = &pass->sent[step->first];
    const size_t    shown = step->count < MOST_SENT ? step->count : MOST_SENT;
    const int       labels = label_width(p, shown, first);
    ad__headline(p->tape, step->node, sizeof head, head);
    step_head(p, k + 1, k + 1, pass->steps, width, head, ad__code_words(p->tape->code[step->node]));
    for (size_t i = 0; i < shown; i++) sent(p, &first[i], step->upstream, labels);
    if (step->count > MOST_SENT)
        fprintf(p->to, "%*s... and %zu more\n", BELOW, "", step->count - MOST_SENT);
    if (step->count == 0)
        fprintf(p->to, "%*s%s\n", BELOW, "",
                step->upstream == 0 ? "nothing arrives, nothing is sent" : "nothing is sent on");
}

/* Everything that the contributions from `first` to before `until` bring to one node: what it had
 * before and has after. */
static void show_total(page *p, const ad__sent *first, const ad__sent *until, int width) {
    char     sum[64];
    ad__sent total = *first;
    for (const ad__sent *s = first; s < until; s++) {
        if (s->to != first->to) continue;
        total.after = s->after;
        if (s->fault == AD__LOST) total.fault = AD__LOST;
    }
    const bool   overwrites = p->view->bug == AD_BUG_OVERWRITE;
    const double change = overwrites ? total.after : total.after - total.before;
    snprintf(sum, sizeof sum, "%.6g in %s", ad__tidy(change), overwrites ? "the end" : "all");
    contribution(p, &total, width, sum, total.fault == AD__SOUND ? "" : remark(&total));
}

/* What steps k..end-1, all of one box, send out of it, with one line for each receiver. */
static void show_folded(page *p, const ad__pass *pass, size_t k, size_t end, int width) {
    char            head[AD__HEADLINE];
    const uint32_t  box = p->fold.of[pass->step[k].node];
    const ad__sent *from = pass->sent + pass->step[k].first, *until = pass->sent + pass->sents;
    const ad__sent *out[MOST_SENT];
    size_t          shown = 0;
    int             labels = 3;
    if (end < pass->steps) until = pass->sent + pass->step[end].first;
    headline_of(p, &p->fold.box[box], head);
    step_head(p, k + 1, end, pass->steps, width, head, "folded");
    for (const ad__sent *s = from; s < until; s++) {
        if (p->fold.of[s->to] == box) continue;
        const ad__sent *earlier = from;
        while (earlier < s && earlier->to != s->to) earlier++;
        if (earlier < s) continue;
        if (++shown > MOST_SENT) break;
        out[shown - 1] = s;
        labels = wider(labels, label_of(p, s->to, head), WIDEST_LABEL);
    }
    for (size_t i = 0; i < shown && i < MOST_SENT; i++) show_total(p, out[i], until, labels);
    if (shown > MOST_SENT) fprintf(p->to, "%*s... and more\n", BELOW, "");
    if (shown == 0) fprintf(p->to, "%*snothing is sent on\n", BELOW, "");
}

/* A pass that is wrong on purpose is announced before it begins. */
static void warn(page *p) {
    char text[160];
    if (p->view->bug == AD_BUG_NONE) return;
    snprintf(text, sizeof text, "%s, on purpose: %s", ad__bug_name(p->view->bug),
             ad__bug_does(p->view->bug));
    titled(p, "bug", text);
}

static void reverse(page *p, const ad__pass *pass) {
    char head[AD__HEADLINE], text[AD__LABEL + 2], seed[3 * AD__LABEL];
    int  width = 0;
    differentiated(p, pass->last, text);
    snprintf(seed, sizeof seed, "seed  d%s/d%s = 1%s", text, text,
             p->view->bug == AD_BUG_STALE ? ", and all that an earlier pass left" : "");
    warn(p);
    titled(p, "reverse", seed);
    for (size_t k = 0; k < pass->steps; k++) {
        headline_of(p, &p->fold.box[p->fold.of[pass->step[k].node]], head);
        width = wider(width, head, WIDEST_HEAD);
    }
    for (size_t k = 0, end; k < pass->steps; k = end) {
        const uint32_t box = p->fold.of[pass->step[k].node];
        end = k + 1;
        if (p->fold.box[box].count == 1) {
            show_step(p, pass, k, width);
            continue;
        }
        while (end < pass->steps && p->fold.of[pass->step[end].node] == box) end++;
        show_folded(p, pass, k, end, width);
    }
}

/* ---- result ---------------------------------------------------------------------------------- */

/* The derivatives that a pass ends with. */
static void derivatives(page *p, const char *title, const ad__pass *pass) {
    char   y[AD__LABEL + 2], x[AD__LABEL], text[3 * AD__LABEL];
    size_t shown = 0;
    differentiated(p, pass->last, y);
    begin(p, title);
    for (uint32_t i = 0; i <= pass->last; i++) {
        if (!pass->used[i] || p->tape->code[i] != AD__input || shown++ >= MOST_LINES) continue;
        snprintf(text, sizeof text, "d%s/d%s = %.6g", y, label_of(p, i, x),
                 ad__tidy(pass->adjoint[i]));
        entry(p, text);
    }
    if (shown > MOST_LINES) {
        snprintf(text, sizeof text, "... and %zu more", shown - MOST_LINES);
        entry(p, text);
    }
    fputc('\n', p->to);
}

/* The results of the pass without the bug are called right, unless differences contradict them
 * too. */
static void result(page *p, size_t i) {
    char           text[AD__CONCLUSION];
    ad__comparison c;
    derivatives(p, "result", &p->traced.pass[i]);
    if (ad__compare_make(p->tape, &p->traced, i, !p->view->bare, &c)) {
        if (p->traced.right != NULL)
            derivatives(p, c.right_refuted > 0 ? "no bug" : "right", &p->traced.right[i]);
        ad__compare_said(&c, p->view->bug, text);
        if (!p->view->bare) titled(p, "check", text);
    }
    ad__compare_free(&c);
}

/* ---- explanations ---------------------------------------------------------------------------- */

/* The nodes of a folded box must be visited one after the other: in any other order nothing is
 * folded. */
static size_t most_boxes(const ad_view *view) {
    if (view->order != AD_ORDER_TAPE || view->bug == AD_BUG_DEPTH_FIRST) return SIZE_MAX / 2;
    return view->most == 0 ? MOST_LINES : view->most;
}

static void explain(page *p) {
    char said[128];
    forward(p);
    if (p->traced.old) titled(p, "OLD", AD__OLD_VALUES);
    ad__fold_said(&p->fold, sizeof said, said);
    if (said[0] != '\0') fprintf(p->to, "%-*s(%s)\n", INDENT, "", said);
    for (size_t i = 0; i < p->traced.n; i++) {
        reverse(p, &p->traced.pass[i]);
        result(p, i);
    }
}

ad_status ad_explain_all(size_t n, const ad_var y[], const ad_view *view, FILE *to) {
    static const ad_view usual;
    ad_status            status;
    ad_tape             *tape = ad__results("ad_explain", n, y, view, to, &status);
    if (tape == NULL) return status;
    page                 p = {.tape = tape, .to = to, .view = view == NULL ? &usual : view};
    const ad__selection *s = &p.traced.selection;
    if (ad__trace_make(tape, n, y, p.view, &p.traced)) {
        if (ad__fold_make(tape, s->length, s->used, s->keep, most_boxes(p.view), &p.fold)) {
            const ad__locale locale = ad__locale_enter();
            explain(&p);
            ad__locale_leave(locale);
        } else {
            ad__fail(tape, AD_NO_MEMORY, "out of memory: no space to explain %lu nodes",
                     (unsigned long)s->length);
        }
    }
    ad__trace_free(&p.traced);
    ad__fold_free(&p.fold);
    return tape->status != AD_OK ? tape->status : ad__written(to);
}

static ad_status constant(ad_var y, FILE *to) {
    const ad__locale locale = ad__locale_enter();
    fprintf(to, "%.6g is a plain number: it depends on nothing\n", ad__number_of(y));
    ad__locale_leave(locale);
    return ad__written(to);
}

ad_status ad_explain(ad_var y, FILE *to) {
    if (to == NULL) return AD_BAD_ARGUMENT;
    return y.tape == NULL ? constant(y, to) : ad_explain_all(1, &y, NULL, to);
}
