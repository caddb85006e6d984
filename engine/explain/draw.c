/* draw.c - graphs as DOT and as SVG. A box shows name, value and gradient; an edge the local
 * derivative; a frame is a scope. Boxes come in the order of the tape, and a scope is a contiguous
 * range of it, so each scope opens and closes once. */
#include "explain/draw.h"

#include "base/text.h"

#include <stdlib.h>

/* WRONG_HEIGHT: of boxes with one more line, for the right gradient. */
enum { BOX_HEIGHT = 62, WRONG_HEIGHT = 80, MOST_TEXT = 26, MOST_FRAMES = 200, MOST_BOXES = 60 };
enum { WARNING = AD__CONCLUSION + 16, DOT_COLUMNS = 84 };

static const double CHARACTER = 7.3, PADDING = 22, NARROWEST = 118; /* "grad -0.123456" */
static const double SMALL_CHARACTER = 6.75, LINE = 16; /* of the text above and below */

/* ---- sheets ---------------------------------------------------------------------------------- */

static void choose_title(ad__sheet *s) {
    char   text[AD__LABEL];
    size_t length = 0;
    if (s->view->title != NULL) {
        ad__copy_cut(sizeof s->title, s->title, s->view->title);
        return;
    }
    size_t i = 0;
    for (; i < s->traced.n && length + AD__LABEL + 8 < sizeof s->title; i++)
        length +=
            (size_t)snprintf(s->title + length, sizeof s->title - length, "%s%s", i > 0 ? ", " : "",
                             ad__label(s->tape, s->traced.pass[i].last, text));
    if (i < s->traced.n) snprintf(s->title + length, sizeof s->title - length, ", \xe2\x80\xa6");
}

/* Of a character, or of an invalid byte, which is shown as a replacement character. */
static size_t bytes_of(const char *text) {
    const size_t n = ad__sequence(text);
    return n == 0 ? 1 : n;
}

/* What a box does, cut to fit: by characters, so that no UTF-8 sequence is cut in two. */
static void box_text(const ad_tape *tape, const ad__box *box, size_t most,
                     char text[AD__HEADLINE]) {
    if (box->count == 1) ad__headline(tape, box->first, AD__HEADLINE, text);
    else ad__fold_label(tape, box, AD__HEADLINE, text);
    size_t at = 0;
    for (size_t n = 0; text[at] != '\0' && n < most; n++) at += bytes_of(text + at);
    /* an ellipsis */
    if (text[at] != '\0' && at + 4 < AD__HEADLINE) memcpy(text + at, "\xe2\x80\xa6", 4);
}

static size_t characters(const char *text) {
    size_t n = 0;
    for (; *text != '\0'; text += bytes_of(text)) n++;
    return n;
}

static bool buggy(const ad__sheet *s) {
    return s->traced.bug != AD_BUG_NONE;
}

static bool place(ad__sheet *s) {
    char    text[AD__HEADLINE];
    double *width = malloc((s->fold.boxes + 1) * sizeof *width);
    if (width == NULL) return false;
    for (uint32_t k = 0; k < s->fold.boxes; k++) {
        box_text(s->tape, &s->fold.box[k], MOST_TEXT, text);
        width[k] = fmax(NARROWEST, (double)characters(text) * CHARACTER + PADDING);
    }
    const bool good =
        ad__layout_make(s->tape, &s->fold, width, buggy(s) ? WRONG_HEIGHT : BOX_HEIGHT, &s->layout);
    free(width);
    return good;
}

/* False, with the error on the tape: out of memory. Free it in any case. */
static bool make_sheet(ad_tape *tape, size_t n, const ad_var y[], const ad_view *view, size_t most,
                       bool placed, ad__sheet *s) {
    static const ad_view usual;
    *s = (ad__sheet){.tape = tape, .view = view == NULL ? &usual : view};
    if (!ad__trace_make(tape, n, y, s->view, &s->traced)) return false;
    const ad__selection *chosen = &s->traced.selection;
    if (s->view->most > 0) most = s->view->most;
    choose_title(s);
    if (!ad__fold_make(tape, chosen->length, chosen->used, chosen->keep, most, &s->fold) ||
        !(placed ? place(s) : ad__layout_links(tape, &s->fold, &s->layout))) {
        ad__fail(tape, AD_NO_MEMORY, "out of memory: no space to draw %lu nodes",
                 (unsigned long)chosen->length);
        return false;
    }
    ad__fold_said(&s->fold, sizeof s->folded, s->folded);
    return ad__compare_all(tape, &s->traced, !s->view->bare, &s->compared);
}

static void free_sheet(ad__sheet *s) {
    ad__compare_all_free(s->traced.n, s->compared);
    ad__trace_free(&s->traced);
    ad__fold_free(&s->fold);
    ad__layout_free(&s->layout);
}

ad_status ad__sheet_write(const char *what, size_t n, const ad_var y[], const ad_view *view,
                          size_t most, bool placed, void (*write)(const ad__sheet *sheet, FILE *to),
                          FILE *to) {
    ad_status status;
    ad_tape  *tape = ad__results(what, n, y, view, to, &status);
    ad__sheet s;
    if (tape == NULL) return status;
    if (make_sheet(tape, n, y, view, most, placed, &s)) {
        const ad__locale locale = ad__locale_enter();
        write(&s, to);
        ad__locale_leave(locale);
    }
    free_sheet(&s);
    return tape->status != AD_OK ? tape->status : ad__written(to);
}

static const char *class_of(const ad__sheet *s, const ad__box *box) {
    if (box->count > 1) return "folded";
    if (s->traced.selection.keep[box->first]) return "result";
    return s->tape->code[box->first] == AD__input ? "input" : "operation";
}

/* Of the first result; 0 for a node that does not lead to it. */
static double gradient_in(const ad__pass *pass, uint32_t node) {
    return node <= pass->last && pass->used[node] ? ad__tidy(pass->adjoint[node]) : 0;
}

static double gradient(const ad__sheet *s, uint32_t node) {
    return gradient_in(&s->traced.pass[0], node);
}

/* How many gradients in a box are wrong because of the bug. */
static uint32_t count_wrong(const ad__sheet *s, const ad__box *box) {
    uint32_t count = 0;
    for (uint32_t i = box->first; buggy(s) && i <= box->last && i <= s->traced.pass[0].last; i++)
        count += s->traced.pass[0].used[i] && ad__is_wrong(&s->traced.pass[0], i);
    return count;
}

static bool is_wrong(const ad__sheet *s, const ad__box *box) {
    return box->count == 1 && count_wrong(s, box) > 0;
}

/* What the gradient of a single node would be without the bug. */
static double right_gradient(const ad__sheet *s, const ad__box *box) {
    return gradient_in(&s->traced.right[0], box->first);
}

static bool plain(const ad__sheet *s, const ad__link *link) {
    return s->fold.box[link->from].count == 1 && s->fold.box[link->to].count == 1;
}

/* The scope that a box is in; a folded scope is in its parent. */
static uint32_t scope_of(const ad__sheet *s, const ad__box *box) {
    if (box->scope != AD__NO_SCOPE) return s->tape->notes.scope[box->scope].parent;
    const uint32_t scope = ad__notes_scope_of(&s->tape->notes, box->first);
    return box->count == 1 ? scope : AD__NO_SCOPE;
}

static bool inside(const ad__sheet *s, uint32_t scope, uint32_t around) {
    for (; scope != AD__NO_SCOPE; scope = s->tape->notes.scope[scope].parent)
        if (scope == around) return true;
    return false;
}

/* Why the numbers are not to be trusted: a bug on purpose, or old values; "" if neither. */
static const char *warning(const ad__sheet *s, char text[WARNING]) {
    size_t length = 0;
    text[0] = '\0';
    if (buggy(s))
        length = (size_t)snprintf(text, WARNING, "WRONG on purpose, the bug %s: %s%s",
                                  ad__bug_name(s->traced.bug), ad__bug_does(s->traced.bug),
                                  s->traced.old ? "; " : "");
    if (s->traced.old) snprintf(text + length, WARNING - length, "OLD: " AD__OLD_VALUES);
    return text;
}

/* What differences say about the pass that is drawn; "" if they were not computed, or have nothing
 * to report. */
static const char *conclusion(const ad__sheet *s, char text[WARNING]) {
    char said[AD__CONCLUSION];
    text[0] = '\0';
    if (s->compared == NULL || s->view->bare) return text;
    ad__compare_said(&s->compared[0], s->traced.bug, said);
    snprintf(text, WARNING, "check: %s", said);
    return text;
}

/* How many bytes at the beginning of an ASCII text fit into a line, broken between words if
 * possible. */
static size_t line_length(const char *text, size_t most) {
    const size_t whole = strlen(text);
    if (whole <= most) return whole;
    size_t length = most;
    while (length > 0 && text[length] != ' ') length--;
    return length == 0 ? most : length;
}

void ad__draw_title(const ad__sheet *s, FILE *to) {
    ad__xml_text(s->title, to);
    if (buggy(s)) fprintf(to, ", with the bug %s", ad__bug_name(s->traced.bug));
}

/* ---- DOT ------------------------------------------------------------------------------------- */

static void dot_box(const ad__sheet *s, uint32_t k, FILE *to) {
    const ad__box *box = &s->fold.box[k];
    char           text[AD__HEADLINE];
    box_text(s->tape, box, 2 * MOST_TEXT, text);
    fprintf(to, "  b%lu [label=\"", (unsigned long)k);
    ad__dot_text(text, to);
    if (box->count == 1)
        fprintf(to, " | %.6g | grad %.6g", ad__tidy(s->tape->value[box->first]),
                gradient(s, box->first));
    const uint32_t wrong = count_wrong(s, box);
    if (is_wrong(s, box)) fprintf(to, " | WRONG, right: %.6g", right_gradient(s, box));
    else if (wrong > 0)
        fprintf(to, " | %lu WRONG gradient%s", (unsigned long)wrong, wrong > 1 ? "s" : "");
    const char *class = class_of(s, box);
    fprintf(to, "\"%s%s];\n", wrong > 0 ? ", color=\"#b3261e\", penwidth=2" : "",
            class[0] == 'i'   ? ", fillcolor=\"#e3f0ff\""
            : class[0] == 'r' ? ", fillcolor=\"#fff1cc\""
            : class[0] == 'f' ? ", fillcolor=\"#eeeeee\", style=\"filled,dashed\""
                              : "");
}

/* Clusters are closed and opened on the way from one box's scope to the next. */
static void dot_boxes(const ad__sheet *s, FILE *to) {
    uint32_t now = AD__NO_SCOPE;
    for (uint32_t k = 0; k <= s->fold.boxes; k++) {
        const uint32_t next = k < s->fold.boxes ? scope_of(s, &s->fold.box[k]) : AD__NO_SCOPE;
        while (now != AD__NO_SCOPE && !inside(s, next, now)) {
            fputs("  }\n", to);
            now = s->tape->notes.scope[now].parent;
        }
        while (now != next) {
            uint32_t child = next;
            while (s->tape->notes.scope[child].parent != now)
                child = s->tape->notes.scope[child].parent;
            now = child;
            fprintf(to, "  subgraph cluster_%lu {\n  label=\"", (unsigned long)now);
            ad__dot_text(s->tape->notes.scope[now].text, to);
            fputs("\";\n", to);
        }
        if (k < s->fold.boxes) dot_box(s, k, to);
    }
}

static void dot_lines(const char *text, FILE *to) {
    while (*text != '\0') {
        const size_t length = line_length(text, DOT_COLUMNS);
        fprintf(to, "\\n%.*s", (int)length, text);
        text += length;
        text += *text == ' ';
    }
}

/* Below the title. */
static void dot_bug(const ad__sheet *s, FILE *to) {
    char text[WARNING];
    dot_lines(warning(s, text), to);
    dot_lines(conclusion(s, text), to);
}

static void dot(const ad__sheet *s, FILE *to) {
    fputs("digraph tapir {\n  rankdir=LR;\n  label=\"", to);
    ad__dot_text(s->title, to);
    if (s->folded[0] != '\0') fprintf(to, " (%s)", s->folded);
    dot_bug(s, to);
    fputs("\";\n  node [shape=record, style=filled, fillcolor=white, fontname=\"monospace\", "
          "fontsize=11];\n"
          "  edge [fontname=\"monospace\", fontsize=9, color=\"#666666\"];\n",
          to);
    dot_boxes(s, to);
    for (size_t k = 0; k < s->layout.links; k++) {
        const ad__link *link = &s->layout.link[k];
        fprintf(to, "  b%lu -> b%lu", (unsigned long)link->from, (unsigned long)link->to);
        if (plain(s, link)) fprintf(to, " [label=\"%.4g\"]", ad__tidy(link->local));
        fputs(";\n", to);
    }
    fputs("}\n", to);
}

ad_status ad_draw_dot(size_t n, const ad_var y[], const ad_view *view, FILE *to) {
    return ad__sheet_write("ad_draw_dot", n, y, view, MOST_BOXES, false, dot, to);
}

/* ---- SVG ------------------------------------------------------------------------------------- */

static const char style[] =
    "<style>\n"
    "svg{font:12px ui-monospace,'DejaVu Sans Mono',monospace;background:#fff}\n"
    "text{fill:#1b1f24;text-anchor:middle}\n"
    ".box rect{fill:#fff;stroke:#57606a;stroke-width:1.2}\n"
    ".input rect{fill:#e3f0ff;stroke:#2b6cb0}.result rect{fill:#fff1cc;stroke:#a16207}\n"
    ".folded rect{fill:#eee;stroke-dasharray:5 3}\n"
    ".grad{fill:#b3261e}.edge{fill:none;stroke:#8b949e;stroke-width:1.3}.tip{fill:#8b949e}\n"
    ".local{font-size:10px;fill:#57606a;paint-order:stroke;stroke:#fff;stroke-width:4px}\n"
    ".frame rect{fill:#0969da;fill-opacity:.05;stroke:#0969da;stroke-opacity:.35}\n"
    ".frame text,.said{text-anchor:start;font-size:11px;fill:#57606a}\n"
    "@media(prefers-color-scheme:dark){svg{background:#0d1117}text{fill:#e6edf3}.box "
    "rect{fill:#161b22;stroke:#8b949e}\n"
    ".input rect{fill:#10243e;stroke:#58a6ff}.result rect{fill:#2e2407;stroke:#d29922}.folded "
    "rect{fill:#21262d}\n"
    ".grad{fill:#ff8f85}.local{fill:#9da7b1;stroke:#0d1117}.frame text,.said{fill:#9da7b1}}\n"
    "</style>\n";

/* For a picture with a bug. */
static const char wrong_style[] =
    "<style>\n"
    ".bug{text-anchor:start;font-size:11px;font-weight:bold;fill:#b3261e}\n"
    ".wrong rect{stroke:#b3261e;stroke-width:2.4}.wrong:not(.folded) "
    ".grad{text-decoration:line-through}\n"
    ".right{font-weight:bold;fill:#1a7f37}\n"
    "@media(prefers-color-scheme:dark){.bug{fill:#ff8f85}.wrong "
    "rect{stroke:#ff8f85}.right{fill:#4ac26b}}\n"
    "</style>\n";

static void svg_frame(const ad__sheet *s, uint32_t scope, FILE *to) {
    double   left = INFINITY, right = -INFINITY, top = INFINITY, bottom = -INFINITY;
    uint32_t members = 0;
    for (uint32_t k = 0; k < s->fold.boxes; k++) {
        if (!inside(s, scope_of(s, &s->fold.box[k]), scope)) continue;
        const ad__spot *at = &s->layout.spot[k];
        left = fmin(left, at->x - 0.5 * at->width), right = fmax(right, at->x + 0.5 * at->width);
        top = fmin(top, at->y - 0.5 * at->height), bottom = fmax(bottom, at->y + 0.5 * at->height);
        members++;
    }
    if (members < 2) return;
    /* a frame around boxes of other scopes would be wrong */
    for (uint32_t k = 0; k < s->fold.boxes; k++) {
        const ad__spot *at = &s->layout.spot[k];
        if (!inside(s, scope_of(s, &s->fold.box[k]), scope) && at->x > left && at->x < right &&
            at->y > top && at->y < bottom)
            return;
    }
    fprintf(
        to,
        "<g class=\"frame\"><rect x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\" rx=\"8\"/>"
        "<text x=\"%.1f\" y=\"%.1f\">",
        left - 8, top - 16, right - left + 16, bottom - top + 24, left - 2, top - 4);
    ad__xml_text(s->tape->notes.scope[scope].text, to);
    fputs("</text></g>\n", to);
}

/* Smooth through the joints: each segment starts and ends horizontally. */
static void svg_edge(const ad__sheet *s, size_t k, FILE *to) {
    const ad__link  *link = &s->layout.link[k];
    const ad__point *p = s->layout.point + link->first;
    const uint32_t   n = link->points;
    fprintf(to, "<g id=\"e%zu\" class=\"link\"><path class=\"edge\" d=\"M%.1f %.1f", k, p[0].x,
            p[0].y);
    for (uint32_t i = 1; i < n; i++) {
        const double end = i + 1 == n ? p[i].x - 7 : p[i].x, half = 0.5 * (end - p[i - 1].x);
        if (p[i].y == p[i - 1].y) fprintf(to, "H%.1f", end);
        else
            fprintf(to, "C%.1f %.1f %.1f %.1f %.1f %.1f", p[i - 1].x + half, p[i - 1].y, end - half,
                    p[i].y, end, p[i].y);
    }
    const ad__point end = p[n - 1];
    fprintf(to, "\"/><path class=\"tip\" d=\"M%.1f %.1fl-8 -4v8z\"/>", end.x, end.y);
    if (plain(s, link))
        fprintf(to, "<text class=\"local\" x=\"%.1f\" y=\"%.1f\">%.4g</text>",
                0.35 * p[n - 2].x + 0.65 * end.x, 0.25 * p[n - 2].y + 0.75 * end.y - 3,
                ad__tidy(link->local));
    fputs("</g>\n", to);
}

/* With a bug each box has one more line, for the right gradient; a page fills it in later. */
static void svg_right(const ad__sheet *s, const ad__box *box, bool page, FILE *to) {
    if (!buggy(s)) return;
    fputs("<text class=\"right\" y=\"32\">", to);
    if (!page && is_wrong(s, box)) fprintf(to, "right %.6g", right_gradient(s, box));
    fputs("</text>", to);
}

static void svg_gradient(const ad__sheet *s, const ad__box *box, FILE *to) {
    const uint32_t wrong = count_wrong(s, box);
    if (box->count == 1) fprintf(to, "grad %.6g", gradient(s, box->first));
    else if (wrong > 0)
        fprintf(to, "%lu wrong gradient%s", (unsigned long)wrong, wrong > 1 ? "s" : "");
}

static void svg_box(const ad__sheet *s, uint32_t k, bool page, FILE *to) {
    const ad__box  *box = &s->fold.box[k];
    const ad__spot *at = &s->layout.spot[k];
    const int       up = buggy(s) ? 9 : 0;
    char            text[AD__HEADLINE];
    box_text(s->tape, box, MOST_TEXT, text);
    fprintf(to,
            "<g id=\"b%lu\" class=\"box %s%s\" transform=\"translate(%.1f %.1f)\"%s>"
            "<rect x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\" rx=\"6\"/>",
            (unsigned long)k, class_of(s, box), !page && count_wrong(s, box) > 0 ? " wrong" : "",
            at->x, at->y, page ? " tabindex=\"0\" role=\"img\"" : "", -0.5 * at->width,
            -0.5 * at->height, at->width, at->height);
    fprintf(to, "<text class=\"what\" y=\"%d\">", -13 - up);
    ad__xml_text(text, to);
    fprintf(to, "</text><text class=\"value\" y=\"%d\">", 5 - up);
    if (!page && box->count == 1) fprintf(to, "%.6g", ad__tidy(s->tape->value[box->first]));
    fprintf(to, "</text><text class=\"grad\" y=\"%d\">", 23 - up);
    if (!page) svg_gradient(s, box, to);
    fputs("</text>", to);
    svg_right(s, box, page, to);
    fputs("</g>\n", to);
}

/* Writes a text as lines broken between words, one below the other; returns their number. With `to`
 * NULL they are only counted. */
static int svg_lines(const char *class, const char *text, double y, double width, FILE *to) {
    const size_t most = (size_t)((width - 24) / SMALL_CHARACTER);
    int          lines = 0;
    while (*text != '\0') {
        const size_t length = line_length(text, most);
        if (to != NULL)
            fprintf(to, "<text class=\"%s\" x=\"12\" y=\"%.0f\">%.*s</text>\n", class,
                    y + LINE * lines, (int)length, text);
        text += length;
        text += *text == ' ';
        lines++;
    }
    return lines;
}

/* The text above and below a stand-alone picture: title, bug, what was folded, check. */
typedef struct margins {
    char   bug[WARNING], check[WARNING];
    double width, head, foot;
} margins;

static margins margins_of(const ad__sheet *s, bool page) {
    margins m = {.bug = "", .check = "", .width = fmax(s->layout.width, 200)};
    if (page) return m;
    warning(s, m.bug);
    conclusion(s, m.check);
    if (m.bug[0] != '\0' || m.check[0] != '\0') m.width = fmax(m.width, 600);
    m.head = 26 + LINE * svg_lines("", m.bug, 0, m.width, NULL);
    m.foot = (s->folded[0] != '\0' ? 18 : 0) + LINE * svg_lines("", m.check, 0, m.width, NULL);
    return m;
}

static void svg_margins(const ad__sheet *s, const margins *m, FILE *to) {
    const double above = -8 - (m->head - 26), below = s->layout.height + 8;
    fputs("<title>", to);
    ad__draw_title(s, to);
    fprintf(to, "</title>\n%s%s<text class=\"said\" x=\"12\" y=\"%.0f\">", style,
            m->bug[0] != '\0' || m->check[0] != '\0' ? wrong_style : "", above);
    ad__xml_text(s->title, to);
    fputs("</text>\n", to);
    svg_lines("bug", m->bug, above + LINE, m->width, to);
    if (s->folded[0] != '\0')
        fprintf(to, "<text class=\"said\" x=\"12\" y=\"%.0f\">%s</text>\n", below, s->folded);
    svg_lines("bug", m->check, below + (s->folded[0] != '\0' ? 18 : 0), m->width, to);
}

void ad__draw_svg(const ad__sheet *s, bool page, FILE *to) {
    const margins m = margins_of(s, page);
    const double  height = s->layout.height + m.head + m.foot;
    fprintf(to,
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%.0f\" height=\"%.0f\" viewBox=\"0 "
            "%.0f %.0f %.0f\" role=\"%s\" aria-label=\"",
            m.width, height, -m.head, m.width, height, page ? "group" : "img");
    ad__draw_title(s, to);
    fputs("\">\n", to);
    if (!page) svg_margins(s, &m, to);
    for (uint32_t k = 0; k < s->tape->notes.scopes && k < MOST_FRAMES; k++) svg_frame(s, k, to);
    for (size_t k = 0; k < s->layout.links; k++) svg_edge(s, k, to);
    for (uint32_t k = 0; k < s->fold.boxes; k++) svg_box(s, k, page, to);
    fputs("</svg>\n", to);
}

static void picture(const ad__sheet *s, FILE *to) {
    ad__draw_svg(s, false, to);
}

ad_status ad_draw_svg(size_t n, const ad_var y[], const ad_view *view, FILE *to) {
    return ad__sheet_write("ad_draw_svg", n, y, view, MOST_BOXES, true, picture, to);
}
