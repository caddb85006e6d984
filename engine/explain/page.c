/* page.c - a page to step through both passes: one file that needs no network.
 *
 * page.html is the template, in which the build has put the styles and the script; the placeholders
 * @TITLE@, @FOLDED@, @BUG@, @SVG@ and @DATA@ are replaced here. */
#include "explain/page.h"

#include "base/text.h"
#include "explain/json.h"

enum { MOST_BOXES = 2000 };

static const char page[] = {
#include "page.inc"
};

/* Which nodes a box contains, and which two boxes an edge connects. */
static void write_boxes(const ad__sheet *s, FILE *to) {
    char text[AD__HEADLINE];
    fputs("{\"boxes\":[", to);
    for (uint32_t k = 0; k < s->fold.boxes; k++) {
        const ad__box *box = &s->fold.box[k];
        fputs(k > 0 ? ",\n{\"nodes\":[" : "\n{\"nodes\":[", to);
        for (uint32_t i = box->first; i <= box->last; i++)
            if (s->traced.selection.used[i])
                fprintf(to, "%s%lu", i > box->first ? "," : "", (unsigned long)i);
        fputs("]", to);
        if (box->count > 1) {
            fputs(",\"label\":", to);
            ad__fold_label(s->tape, box, sizeof text, text);
            ad__json_text(text, to);
        }
        fputs("}", to);
    }
    fputs("],\n\"links\":[", to);
    for (size_t k = 0; k < s->layout.links; k++)
        fprintf(to, "%s[%lu,%lu]", k > 0 ? "," : "", (unsigned long)s->layout.link[k].from,
                (unsigned long)s->layout.link[k].to);
    fputs("]}", to);
}

/* The note below the title of a page whose backward pass is wrong on purpose, or whose values are
 * old. */
static void write_bug(const ad__sheet *s, FILE *to) {
    const ad_bug bug = s->traced.bug;
    if (s->traced.old)
        fputs("<p class=\"bug\" role=\"note\"><b>Old values:</b> " AD__OLD_VALUES ".</p>\n", to);
    if (bug == AD_BUG_NONE) return;
    fprintf(to,
            "<p class=\"bug\" role=\"note\"><b>Wrong on purpose: the bug %s.</b> In this backward "
            "pass %s.</p>\n",
            ad__bug_name(bug), ad__bug_does(bug));
}

/* The edges of one node as [node, to, local], preceded by a comma if there were `any` before;
 * returns whether there are any now. */
static bool write_edges(const ad_tape *tape, uint32_t node, bool any, FILE *to) {
    for (size_t i = 0; i < ad__edges(tape, node); i++) {
        const ad__edge edge = ad__edge_of(tape, node, i);
        if (!edge.open) continue;
        fprintf(to, "%s[%lu,%lu,", any ? "," : "", (unsigned long)node, (unsigned long)edge.to);
        ad__json_number(edge.local, to);
        fputc(']', to);
        any = true;
    }
    return any;
}

/* The edges of steps whose adjoint is 0: nothing is sent along them, so the trace does not have
 * them; but paths do. */
static void write_unsent(const ad__sheet *s, FILE *to) {
    bool any = false;
    fputc('[', to);
    for (size_t i = 0; i < s->traced.n; i++) {
        const ad__pass *pass = &s->traced.pass[i];
        for (size_t k = 0; k < pass->steps; k++)
            if (pass->step[k].upstream == 0)
                any = write_edges(s->tape, pass->step[k].node, any, to);
    }
    fputc(']', to);
}

void ad__page_data(const ad__sheet *s, FILE *to) {
    fputs("{\"trace\":", to);
    ad__json_trace(s->tape, &s->traced, s->compared, to);
    fputs(",\n\"boxes\":", to);
    write_boxes(s, to);
    fputs(",\n\"unsent\":", to);
    write_unsent(s, to);
    fputs("}", to);
}

static void write_mark(const ad__sheet *s, const char *mark, size_t length, FILE *to) {
#define IS(word) (length == sizeof word - 1 && memcmp(mark, word, length) == 0)
    if (IS("TITLE")) ad__draw_title(s, to);
    else if (IS("FOLDED")) fputs(s->folded, to);
    else if (IS("BUG")) write_bug(s, to);
    else if (IS("SVG")) ad__draw_svg(s, true, to);
    else ad__page_data(s, to);
#undef IS
}

static void write_page(const ad__sheet *s, FILE *to) {
    const char *at = page, *mark;
    while ((mark = strchr(at, '@')) != NULL) {
        fwrite(at, 1, (size_t)(mark - at), to);
        const size_t length = strspn(mark + 1, "ABCDEFGHIJKLMNOPQRSTUVWXYZ");
        if (length > 0 && mark[length + 1] == '@') {
            write_mark(s, mark + 1, length, to);
            at = mark + length + 2;
        } else {
            fputc('@', to);
            at = mark + 1;
        }
    }
    fputs(at, to);
}

ad_status ad_draw_html(size_t n, const ad_var y[], const ad_view *view, FILE *to) {
    return ad__sheet_write("ad_draw_html", n, y, view, MOST_BOXES, true, write_page, to);
}
