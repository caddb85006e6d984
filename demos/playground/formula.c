/* formula.c - the first room's commands: both passes of a formula, what a nudge does, the error of
 * differences against the step, second derivatives.
 *
 * Every command has the arguments text, names (separated by commas) and values, and records the
 * formula anew: nothing is kept between requests. */
#include "explain/page.h"
#include "play.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_BOXES = 300, MOST_NODES = 20000, MOST_SECOND = 12 };

typedef struct recorded {
    ad_tape *tape;
    size_t   n;
    double  *value;
    ad_var  *x, y;
} recorded;

static void forget(recorded *f) {
    free(f->value);
    free(f->x);
    ad_tape_free(f->tape);
}

/* False after an error, which has been written. */
static bool record(const play_request *r, recorded *f, FILE *to) {
    const char *text = play_text(r, "text"), *names = play_text(r, "names");
    f->tape = ad_tape_new();
    f->value = play_numbers(r, "values", &f->n);
    f->x = calloc(f->n + 1, sizeof *f->x);
    for (size_t i = 0; i < f->n && f->x != NULL; i++) f->x[i] = ad_input(f->tape, f->value[i]);
    if (f->x != NULL)
        f->y = ad_parse(f->tape, text != NULL ? text : "", f->n, names != NULL ? names : "", f->x);
    const char *at = names;
    for (size_t i = 0; i < f->n && at != NULL && f->x != NULL; i++) {
        char         name[256];
        const size_t length = strcspn(at, ",");
        snprintf(name, sizeof name, "%.*s", (int)length, at);
        ad_name(f->x[i], name);
        at += length + (at[length] == ',');
    }
    if (f->x == NULL) play_write_error("the engine has no memory left", to);
    else if (ad_tape_status(f->tape) != AD_OK) play_write_error(ad_tape_message(f->tape), to);
    else if (f->y.tape == NULL) {
        char         said[160], number[40];
        const double y = ad_value(f->y);
        snprintf(number, sizeof number,
                 isinf(y)   ? "%sinfinity"
                 : isnan(y) ? "%sNaN, not a number"
                            : "%s%.6g",
                 isinf(y) && y < 0 ? "-" : "", y);
        snprintf(said, sizeof said,
                 "This is the plain number %s: there is no name in it whose value could change, so "
                 "there "
                 "is nothing to differentiate.",
                 number);
        play_write_error(said, to);
    } else if (f->tape->length > MOST_NODES)
        play_write_error("These are more than 20,000 operations: too many for a page.", to);
    else return true;
    forget(f);
    return false;
}

/* ---- both passes ----------------------------------------------------------------------------- */

static bool with_drawing;

static void write_sheet(const ad__sheet *s, FILE *to) {
    char  *svg = NULL;
    size_t length;
    fputs("\"folded\":", to);
    ad__json_text(s->folded, to);
    if (with_drawing) {
        FILE *drawing = open_memstream(&svg, &length);
        if (drawing != NULL) ad__draw_svg(s, true, drawing);
        if (drawing != NULL && fclose(drawing) == 0) {
            fputs(",\"svg\":", to);
            ad__json_text(svg, to);
        }
        free(svg);
    }
    fputs(",\"data\":", to);
    ad__page_data(s, to);
}

static void write_nonfinite(ad_var y, FILE *to) {
    char  *text = NULL;
    size_t length;
    FILE  *told = open_memstream(&text, &length);
    if (told == NULL) return;
    const bool found = ad_explain_nonfinite(y, told);
    if (fclose(told) == 0 && found) {
        fputs(",\"nonfinite\":", to);
        ad__json_text(text, to);
    }
    free(text);
}

/* A drawing with its data, as the members of an object that has been begun. */
static void write_graph(const play_request *r, ad_var y, FILE *to) {
    const ad_view view = {.bug = (ad_bug)play_count(r, "bug", 0),
                          .order = (ad_order)play_count(r, "order", 0),
                          .most = play_count(r, "most", MOST_BOXES)};
    with_drawing = play_count(r, "draw", 1) != 0;
    if (ad__sheet_write("the page", 1, &y, &view, MOST_BOXES, with_drawing, write_sheet, to) !=
        AD_OK)
        fputs("\"error\":\"this graph cannot be drawn\"", to);
}

/* {"folded","svg","data","nonfinite"}: bug (ad_bug), order (ad_order), draw 0: without "svg". */
void play_formula(const play_request *r, FILE *to) {
    recorded f;
    if (play_count(r, "bug", 0) > AD_BUG_STALE ||
        play_count(r, "order", 0) > AD_ORDER_DEPTH_FIRST) {
        play_write_error("no such bug or order", to);
        return;
    }
    if (!record(r, &f, to)) return;
    fputc('{', to);
    write_graph(r, f.y, to);
    write_nonfinite(f.y, to);
    fputc('}', to);
    forget(&f);
}

/* ---- more of the same formula ---------------------------------------------------------------- */

/* {"before","after","gradient"}: node's value plus h, and all that follows from it. */
void play_nudge(const play_request *r, FILE *to) {
    recorded f;
    if (!record(r, &f, to)) return;
    const uint32_t node = (uint32_t)play_count(r, "node", 0), last = ad__node_of(f.y);
    const double   before = ad_value(f.y);
    ad_backward(f.y);
    if (node > last) play_write_error("no such node", to);
    else {
        const double gradient = f.tape->adjoint[node], value = f.tape->value[node];
        f.tape->value[node] = value + play_number(r, "h", 0);
        const double moved = f.tape->value[node] - value;
        ad__replay_range(f.tape, node + 1, last + 1);
        fputs("{\"before\":", to);
        ad__json_number(before, to);
        fputs(",\"after\":", to);
        ad__json_number(f.tape->value[last], to);
        fputs(",\"moved\":", to);
        ad__json_number(moved, to);
        fputs(",\"gradient\":", to);
        ad__json_number(gradient, to);
        fputc('}', to);
    }
    forget(&f);
}

/* {"points":[[step, central, its error, error of the extrapolated, noise]...],"claimed","estimate",
 * "off"} of the input number `input`: off is what the estimate may be off. */
void play_curve(const play_request *r, FILE *to) {
    recorded f;
    if (!record(r, &f, to)) return;
    const size_t    i = play_count(r, "input", 0);
    const ad_curve *curve = i < f.n ? ad_check_curve(f.y, f.x[i], NULL) : NULL;
    if (curve == NULL) play_write_error(i < f.n ? ad_tape_message(f.tape) : "no such input", to);
    else {
        fputs("{\"points\":[", to);
        for (size_t k = 0; k < curve->points; k++) {
            const ad_curve_point *p = &curve->point[k];
            if (k > 0) fputc(',', to);
            play_write_numbers(
                5, (double[]){p->step, p->central, p->central_error, p->romberg_error, p->noise},
                to);
        }
        fputs("],\"claimed\":", to);
        ad__json_number(curve->claimed, to);
        fputs(",\"estimate\":", to);
        ad__json_number(curve->estimate, to);
        fputs(",\"off\":", to);
        ad__json_number(curve->error, to);
        fputc('}', to);
    }
    ad_curve_free((ad_curve *)curve);
    forget(&f);
}

/* {"hessian":[n x n, row-major]}, n at most 12; and with input: the derivative by that input,
 * recorded in turn, as a graph. */
void play_second(const play_request *r, FILE *to) {
    recorded f;
    if (!record(r, &f, to)) return;
    const size_t n = f.n, i = play_count(r, "input", n);
    double       h[MOST_SECOND * MOST_SECOND];
    fputc('{', to);
    if (n <= MOST_SECOND) {
        ad_hessian(f.y, n, f.x, h);
        fputs("\"hessian\":", to);
        play_write_numbers(n * n, h, to);
    } else fputs("\"hessian\":null", to);
    ad_var dy = {0};
    if (i < n) ad_record_gradient(f.y, 1, &f.x[i], &dy);
    if (i < n && ad_tape_status(f.tape) == AD_OK) {
        fputs(",\"value\":", to);
        ad__json_number(ad_value(dy), to);
        if (dy.tape != NULL) {
            fputc(',', to);
            write_graph(r, dy, to);
        }
    }
    if (ad_tape_status(f.tape) != AD_OK) {
        fputs(",\"error\":", to);
        ad__json_text(ad_tape_message(f.tape), to);
    }
    fputc('}', to);
    forget(&f);
}

/* {"mul":["x * y","y","x"], ...}: how each operation is written, and its partial derivatives as the
 * table of operations has them. */
void play_rules(const play_request *r, FILE *to) {
    (void)r;
    fputs("{\"sum\":[\"sum\",\"1\"]", to);
    /* clang-format off */
#define R1(name, shown, words, value, dx, ...) \
    fputs(",\"" #name "\":[\"" shown "\",\"" #dx "\"]", to);
#define R2(name, shown, words, value, dx, dy, ...) \
    fputs(",\"" #name "\":[\"" shown "\",\"" #dx "\",\"" #dy "\"]", to);
    /* clang-format on */
#include "ops.def"
    fputc('}', to);
}
