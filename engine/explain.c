/* explain.c - both passes in words and numbers.
 *
 * The reverse pass is walked here edge by edge with adjoints of its own, in the order of the sweep, so
 * that every contribution can be shown with what stood there before and after. What it ends with is
 * then held against differences of replayed values. */
#include "difference.h"
#include "text.h"
#include "trace.h"

#include <stdlib.h>

enum { WIDTH = 100, INDENT = 10, LABEL = 64, MOST_OPERANDS = 8 };

/* Replays that the check at the end may take, in nodes. */
#define MOST_CHECKING 5e7

typedef struct page {
    ad_tape *tape;
    FILE    *to;
    uint32_t last;            /* the node to be explained */
    bool    *used;
    double  *adjoint;
    int      column;
} page;

/* ---- labels ----------------------------------------------------------------------------------- */

/* Not a number prints without a sign, which says nothing. */
static double tidy(double x) {
    return x != x ? NAN : x;
}

/* A node as an operand: its name, else its number. */
static const char *label(const page *p, uint32_t node, char text[LABEL]) {
    const char *name = ad__name_of(p->tape, node);
    if (name != NULL) snprintf(text, LABEL, "%.40s", name);
    else snprintf(text, LABEL, "#%lu", (unsigned long)node);
    return text;
}

static const char *operand(const page *p, uint32_t node, size_t i, char text[LABEL]) {
    const ad__edge edge = ad__edge_of(p->tape, node, i);
    if (edge.to != AD__NO_NODE) return label(p, edge.to, text);
    snprintf(text, LABEL, "%.6g", tidy(edge.value));
    return text;
}

/* What a node does, with its operands: "#2 * #3", "sum(a, b, #5)". */
static void shown(const page *p, uint32_t node, size_t room, char text[]) {
    const ad__row_number row = ad__code_row(p->tape->code[node]);
    const size_t         n = ad__edges(p->tape, node);
    char                 x[LABEL] = "", y[LABEL] = "";
    if (row < AD__ROWS) {
        operand(p, node, 0, x);
        if (n > 1) operand(p, node, 1, y);
        ad__shown(room, text, ad__rows[row].shown, x, y);
        return;
    }
    size_t length = (size_t)snprintf(text, room, "%s(", ad__code_name(p->tape->code[node]));
    for (size_t i = 0; i < n && i < MOST_OPERANDS && length < room; i++)
        length += (size_t)snprintf(text + length, room - length, "%s%s", i > 0 ? ", " : "",
                                   operand(p, node, i, x));
    if (length < room)
        snprintf(text + length, room - length, n > MOST_OPERANDS ? ", ... %zu more)" : ")",
                 n - MOST_OPERANDS);
}

/* "#4 e = #2 * #3", "#2 a + b", "#0 a". */
static void headline(const page *p, uint32_t node, size_t room, char text[]) {
    const char *name = ad__name_of(p->tape, node);
    int length = snprintf(text, room, "#%lu ", (unsigned long)node);
    if (p->tape->code[node] == AD__input) {
        snprintf(text + length, room - (size_t)length, "%.40s", name != NULL ? name : "input");
        return;
    }
    if (name != NULL) length += snprintf(text + length, room - (size_t)length, "%.40s = ", name);
    shown(p, node, room - (size_t)length, text + length);
}

/* ---- forward ---------------------------------------------------------------------------------- */

/* An entry of a list that is broken at the right margin and goes on under its first entry. */
static void entry(page *p, const char *text) {
    const int length = (int)strlen(text);
    if (p->column > INDENT && p->column + 4 + length > WIDTH) {
        fprintf(p->to, "\n%*s", INDENT, "");
        p->column = INDENT;
    }
    p->column += fprintf(p->to, "%s%s", p->column > INDENT ? "    " : "", text);
}

static void begin(page *p, const char *title) {
    p->column = fprintf(p->to, "%-*s", INDENT, title);
}

static void forward(page *p) {
    char head[512], text[640];
    begin(p, "forward");
    for (uint32_t i = 0; i <= p->last; i++) {
        if (!p->used[i]) continue;
        headline(p, i, sizeof head, head);
        snprintf(text, sizeof text, "%s = %.6g", head, tidy(p->tape->value[i]));
        entry(p, text);
    }
    fputc('\n', p->to);
}

/* ---- reverse ---------------------------------------------------------------------------------- */

static bool is_step(const page *p, uint32_t node) {
    return p->used[node] && ad__edges(p->tape, node) > 0;
}

static size_t count_steps(const page *p) {
    size_t steps = 0;
    for (uint32_t i = 0; i <= p->last; i++) steps += is_step(p, i);
    return steps;
}

static void contribution(page *p, const ad__edge *edge, double upstream, int indent, bool first) {
    char         to[LABEL];
    const double before = p->adjoint[edge->to], sent = upstream*edge->local;
    p->adjoint[edge->to] = before + sent;
    fprintf(p->to, "%*s%-3s += %.6g * %.6g = %.6g    (%.6g -> %.6g)%s\n", first ? 0 : indent, "",
            label(p, edge->to, to), tidy(upstream), tidy(edge->local), tidy(sent), tidy(before),
            tidy(before + sent),
            before != 0 ? "   fork: gradients add" : "");
}

static void step(page *p, uint32_t node, size_t number, size_t steps, int width) {
    char         head[512], counter[32];
    const double upstream = p->adjoint[node];
    const size_t edges = ad__edges(p->tape, node);
    headline(p, node, sizeof head, head);
    snprintf(counter, sizeof counter, "%zu/%zu", number, steps);
    const int indent = fprintf(p->to, "  %-7s %-*s  %-20s  ", counter, width, head,
                               ad__code_words(p->tape->code[node]));
    size_t written = 0, hidden = 0;
    for (size_t i = 0; i < edges; i++) {
        const ad__edge edge = ad__edge_of(p->tape, node, i);
        if (upstream == 0 || !edge.open) continue;
        if (written < MOST_OPERANDS) contribution(p, &edge, upstream, indent, written++ == 0);
        else p->adjoint[edge.to] += upstream*edge.local, hidden++;
    }
    if (hidden > 0) fprintf(p->to, "%*s... and %zu more\n", indent, "", hidden);
    if (written == 0)
        fputs(upstream == 0 ? "nothing arrives, nothing is sent\n" : "nothing is sent on\n", p->to);
}

static void reverse(page *p) {
    char      head[512], text[LABEL];
    int       width = 0;
    label(p, p->last, text);
    begin(p, "reverse");
    fprintf(p->to, "seed  d%s/d%s = 1\n", text, text);
    for (uint32_t i = 0; i <= p->last; i++) {
        if (!is_step(p, i)) continue;
        headline(p, i, sizeof head, head);
        const int length = (int)strlen(head);
        if (length > width) width = length < 48 ? length : 48;
    }
    const size_t steps = count_steps(p);
    size_t       number = 0;
    p->adjoint[p->last] = 1;
    for (uint32_t i = p->last + 1; i-- > 0;)
        if (is_step(p, i)) step(p, i, ++number, steps, width);
}

/* ---- result ----------------------------------------------------------------------------------- */

static void result(page *p) {
    ad_tape *tape = p->tape;
    char     y[LABEL], x[LABEL], text[3*LABEL];
    size_t   inputs = 0, agree = 0, open = 0;
    double   worst = 0;
    label(p, p->last, y);
    begin(p, "result");
    for (uint32_t i = 0; i <= p->last; i++) inputs += p->used[i] && tape->code[i] == AD__input;
    const bool checking = (double)inputs*(double)tape->length*24 <= MOST_CHECKING;
    for (uint32_t i = 0; i <= p->last; i++) {
        if (!p->used[i] || tape->code[i] != AD__input) continue;
        snprintf(text, sizeof text, "d%s/d%s = %.6g", y, label(p, i, x), tidy(p->adjoint[i]));
        entry(p, text);
        double slope = 0, error = 0;
        if (!checking) continue;
        if (!ad__difference(ad__handle_of(tape, p->last), ad__handle_of(tape, i), &slope, &error)) {
            open++;
            continue;
        }
        const double gap = fabs(slope - p->adjoint[i]), size = fmax(fabs(slope), fabs(p->adjoint[i]));
        if (gap <= 10*error + 1e-9*size) {
            agree++;
            worst = fmax(worst, size > 1 ? gap/size : gap);
        }
    }
    fprintf(p->to, "\n%-*s", INDENT, "check");
    if (!checking)
        fputs("left out: too many replays for a graph of this size\n", p->to);
    else if (inputs == 0)
        fputs("nothing to check: no input leads here\n", p->to);
    else if (agree + open == inputs && agree > 0)
        fprintf(p->to, "%zu of %zu agree with differences to %.0e%s\n", agree, inputs, fmax(worst, 1e-16),
                open > 0 ? ", for the others none could be formed" : "");
    else if (agree + open == inputs)
        fputs("no differences could be formed here: a kink, a jump or the edge of the domain\n", p->to);
    else
        fprintf(p->to, "%zu of %zu DISAGREE with differences: a kink, a jump, or a wrong rule\n",
                inputs - agree - open, inputs);
}

static bool prepare(page *p) {
    p->used = ad__leads_to(p->tape, p->last);
    p->adjoint = calloc((size_t)p->last + 1, sizeof *p->adjoint);
    return p->used != NULL && p->adjoint != NULL;
}

/* A full disk is noticed when the buffer leaves. */
static ad_status written(FILE *to) {
    return fflush(to) != 0 || ferror(to) ? AD_BAD_FILE : AD_OK;
}

static ad_status constant(ad_var y, FILE *to) {
    const ad__locale locale = ad__locale_enter();
    fprintf(to, "%.6g is a plain number: it depends on nothing\n", y.at.number);
    ad__locale_leave(locale);
    return written(to);
}

ad_status ad_explain(ad_var y, FILE *to) {
    ad_tape *tape = y.tape;
    if (to == NULL) return AD_BAD_ARGUMENT;
    if (tape == NULL) return constant(y, to);
    if (tape->status != AD_OK || !ad__check(tape, y, "ad_explain", 1)) return tape->status;
    page p = {.tape = tape, .to = to, .last = y.at.in.node};
    if (prepare(&p)) {
        const ad__locale locale = ad__locale_enter();
        forward(&p);
        reverse(&p);
        result(&p);
        ad__locale_leave(locale);
    } else {
        ad__fail(tape, AD_NO_MEMORY, "out of memory: no space to explain %lu nodes", (unsigned long)p.last + 1);
    }
    free(p.used);
    free(p.adjoint);
    return tape->status != AD_OK ? tape->status : written(to);
}
