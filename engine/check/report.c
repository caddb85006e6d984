/* report.c - the report of a check: building it, printing it as text, JSON or CSV, freeing it.
 * suite.c prints it for build servers. */
#include "check/report.h"

#include "base/text.h"

#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

/* ---- building -------------------------------------------------------------------------------- */

ad__report *ad__report_new(size_t n) {
    ad__report *r = calloc(1, sizeof *r);
    if (r == NULL) return NULL;
    r->coordinate = malloc(n + 1);
    if (r->coordinate == NULL) {
        free(r);
        return NULL;
    }
    memset(r->coordinate, AD_INCONCLUSIVE, n + 1);
    r->page.n = n;
    r->infinite = r->output = r->undefined = SIZE_MAX;
    r->claim = "gradient";
    r->page.value = r->page.noise = r->page.taylor = r->page.taylor_second = NAN;
    r->page.forward = r->page.reverse = r->page.symmetry = r->page.symmetry_tolerance = NAN;
    r->page.sweep = r->page.verdict = AD_INCONCLUSIVE;
    return r;
}

static char *copy(const char *text) {
    char *own = malloc(strlen(text) + 1);
    return own == NULL ? NULL : strcpy(own, text);
}

static char *joined(const char *prefix, const char *name) {
    const size_t room = strlen(prefix) + strlen(name) + 1;
    char        *own = malloc(room);
    if (own != NULL) snprintf(own, room, "%s%s", prefix, name);
    return own;
}

static bool room_for_line(ad__lines *lines) {
    if (lines->count < lines->room) return true;
    const size_t   room = lines->room == 0 ? 16 : 2 * lines->room;
    ad_check_line *line = realloc(lines->line, room * sizeof *line);
    if (line == NULL) return false;
    lines->line = line;
    lines->room = room;
    return true;
}

void ad__report_line(ad__report *r, ad__lines *lines, const char *name, size_t coordinate,
                     double claimed, const ad__judgement *j) {
    char *own = r->no_memory || !room_for_line(lines) ? NULL : joined(r->prefix, name);
    if (own == NULL) {
        r->no_memory = true;
        return;
    }
    const ad__estimate *e = &j->estimate;
    const bool          smooth = e->shape == AD__SMOOTH,
               sides = e->shape == AD__KINKED || e->shape == AD__EDGE;
    lines->line[lines->count++] = (ad_check_line){.name = own,
                                                  .coordinate = coordinate,
                                                  .claimed = claimed,
                                                  .estimate = smooth ? e->slope : NAN,
                                                  .error = smooth ? e->error : NAN,
                                                  .step = smooth ? e->step : NAN,
                                                  .left = sides ? e->left : NAN,
                                                  .right = sides ? e->right : NAN,
                                                  .gap = j->gap,
                                                  .tolerance = j->tolerance,
                                                  .verdict = j->verdict,
                                                  .drowned = e->drowned,
                                                  .turned = e->turned,
                                                  .steep = e->shape == AD__VERTICAL,
                                                  .output = r->output};
}

bool ad__report_has(const ad__report *r, ad_verdict verdict) {
    for (size_t i = 0; i < r->first.count; i++)
        if (r->first.line[i].verdict == verdict) return true;
    return false;
}

static double excess(const ad_check_operand *o) {
    return o->gap / o->tolerance;
}

static void free_culprit(ad_check_operand *o) {
    free((void *)(uintptr_t)o->operation);
    free((void *)(uintptr_t)o->name);
    free((void *)(uintptr_t)o->shown);
}

/* Worst first; of equal ones the earlier on the tape. */
void ad__report_culprit(ad__report *r, const ad_check_operand *operand) {
    size_t place = r->page.culprits;
    while (place > 0 && excess(operand) > excess(&r->culprit[place - 1])) place--;
    if (r->no_memory || place == AD__CULPRITS) return;
    ad_check_operand own = *operand;
    own.operation = copy(operand->operation), own.name = copy(operand->name),
    own.shown = copy(operand->shown);
    if (own.operation == NULL || own.name == NULL || own.shown == NULL) {
        free_culprit(&own);
        r->no_memory = true;
        return;
    }
    if (r->page.culprits == AD__CULPRITS) free_culprit(&r->culprit[--r->page.culprits]);
    memmove(r->culprit + place + 1, r->culprit + place, (r->page.culprits - place) * sizeof own);
    r->culprit[place] = own;
    r->page.culprits++;
}

void ad__report_say(ad__report *r, ad_status status, const char *format, ...) {
    va_list list;
    va_start(list, format);
    ad__sentence(sizeof r->message, r->message, format, list);
    va_end(list);
    r->page.status = status;
}

static void worse(ad_verdict *worst, ad_verdict verdict) {
    if (verdict > *worst) *worst = verdict;
}

ad_check_report *ad__report_done(ad__report *r) {
    ad_check_report *page = &r->page;
    page->line = r->first.line, page->lines = r->first.count;
    page->second = r->second.line, page->second_lines = r->second.count;
    page->culprit = r->culprit, page->coordinate = r->coordinate, page->message = r->message;
    if (r->no_memory) {
        ad_check_free(page);
        return NULL;
    }
    for (size_t i = 0; i < page->lines; i++) page->count[page->line[i].verdict]++;
    for (size_t i = 0; i < page->second_lines; i++) page->second_count[page->second[i].verdict]++;
    /* Without lines the verdict is set already; and the lines of a function that gives two values
     * for one x mean nothing. */
    const bool judged = page->lines > 0 && page->verdict != AD_UNSTABLE;
    if (judged) page->verdict = AD_PASS;
    for (size_t i = 0; judged && i < page->lines; i++) worse(&page->verdict, page->line[i].verdict);
    if (page->has_second) {
        for (size_t i = 0; i < page->second_lines; i++)
            worse(&page->second_verdict, page->second[i].verdict);
        worse(&page->verdict, page->second_verdict);
    }
    if (page->local_count[AD_FAIL] > 0 || (page->has_tape && page->sweep == AD_FAIL))
        page->verdict = AD_FAIL;
    return page;
}

void ad_check_free(ad_check_report *report) {
    ad__report *r = (ad__report *)(void *)report;
    if (r == NULL) return;
    for (size_t i = 0; i < r->first.count; i++) free((void *)(uintptr_t)r->first.line[i].name);
    for (size_t i = 0; i < r->second.count; i++) free((void *)(uintptr_t)r->second.line[i].name);
    for (size_t i = 0; i < r->page.culprits; i++) free_culprit(&r->culprit[i]);
    free(r->first.line);
    free(r->second.line);
    free(r->coordinate);
    free(r);
}

ad_verdict ad_check_verdict(const ad_check_report *report) {
    return report == NULL ? AD_INCONCLUSIVE : report->verdict;
}

ad_verdict ad_check_coordinate(const ad_check_report *report, size_t i) {
    return report == NULL || i >= report->n ? AD_INCONCLUSIVE : (ad_verdict)report->coordinate[i];
}

/* ---- as text --------------------------------------------------------------------------------- */

enum { SHOWN_LINES = 24, COLUMN = 32, NAME = 512, TALLY = 256, HANGING = 2 };

/* NaN and 0 are printed without their sign, which means nothing. */
static const char *number(double x, int digits, char text[COLUMN]) {
    if (isnan(x)) return "nan";
    return snprintf(text, COLUMN, "%.*g", digits, x + 0.0) > 0 ? text : "";
}

static const char *magnitude(double x, int digits, char text[COLUMN]) {
    if (isnan(x)) return "nan";
    return snprintf(text, COLUMN, "%.*e", digits, x + 0.0) > 0 ? text : "";
}

__attribute__((format(printf, 2, 3))) static void append(char text[TALLY], const char *format,
                                                         ...) {
    const size_t length = strlen(text);
    va_list      list;
    va_start(list, format);
    vsnprintf(text + length, TALLY - length, format, list);
    va_end(list);
}

/* "1 of 17 (14 pass, 2 weak)": how many have the worst verdict, and the others in brackets. */
static const char *tally(const size_t count[], ad_verdict worst, char text[TALLY]) {
    size_t total = 0, others = 0;
    for (int v = 0; v < AD_VERDICT_COUNT; v++) total += count[v];
    text[0] = '\0';
    append(text, "%zu of %zu", count[worst], total);
    for (int v = 0; v < AD_VERDICT_COUNT; v++) {
        if (v == (int)worst || count[v] == 0) continue;
        append(text, "%s%zu ", others++ == 0 ? " (" : ", ", count[v]);
        for (const char *c = ad_verdict_text((ad_verdict)v); *c != '\0'; c++)
            append(text, "%c", *c >= 'A' && *c <= 'Z' ? *c - 'A' + 'a' : *c);
    }
    if (others > 0) append(text, ")");
    return text;
}

static ad_verdict worst_of(const size_t count[]) {
    int worst = AD_VERDICT_COUNT - 1;
    while (worst > 0 && count[worst] == 0) worst--;
    return (ad_verdict)worst;
}

static const char *taylor(double slope, int wanted, char text[TALLY]) {
    if (isnan(slope)) snprintf(text, TALLY, "Taylor slope too small to see (want %d)", wanted);
    else snprintf(text, TALLY, "Taylor slope %.2f (want %d)", slope, wanted);
    return text;
}

/* A line of the table: claimed, differences, gap/tolerance, step. */
enum { CELLS = 4, CELL = 2 * COLUMN + 8 };
static const char *const heads[CELLS] = {"claimed", "differences +- error", "gap/tol", "step"};

/* Usually with MOST_DIGITS; the numbers of a table that is too wide have fewer. With LEAST_DIGITS
 * and names of as many columns as their head, the widest table is AD__WIDTH columns wide. */
enum { MOST_DIGITS = 10, LEAST_DIGITS = 3, LEAST_NAME = 12 };

static void make_cells(const ad_check_line *l, int digits, char cell[CELLS][CELL]) {
    char         a[COLUMN], b[COLUMN];
    const double r = l->gap / l->tolerance;
    const int    of_sides = digits > 6 ? digits - 4 : 2;
    snprintf(cell[0], CELL, "%s", number(l->claimed, digits, a));
    if (!isnan(l->estimate))
        snprintf(cell[1], CELL, "%s +- %s", number(l->estimate, digits, a),
                 magnitude(l->error, 0, b));
    else if (!isnan(l->left) || !isnan(l->right))
        snprintf(cell[1], CELL, "[%s, %s]", number(l->left, of_sides, a),
                 number(l->right, of_sides, b));
    else snprintf(cell[1], CELL, "none");
    snprintf(cell[2], CELL, "%s", isnan(r) ? "-" : magnitude(r, digits > LEAST_DIGITS, a));
    snprintf(cell[3], CELL, isnan(l->step) ? "-" : "2^%.0f", log2(l->step));
}

/* Columns are as wide as what stands in them. */
typedef struct table {
    int digits, name, cell[CELLS];
} table;

static void widen(int *width, const char *text) {
    const int columns = (int)ad__columns(text);
    if (columns > *width) *width = columns;
}

/* The table with this many digits; returns the columns that it leaves to names. */
static int with_digits(int digits, size_t n, const ad_check_line line[], table *t) {
    char name[NAME], cell[CELLS][CELL];
    int  verdict = (int)strlen("verdict"), left = AD__WIDTH;
    *t = (table){.digits = digits, .name = (int)strlen("coordinate")};
    for (int k = 0; k < CELLS; k++) t->cell[k] = (int)strlen(heads[k]);
    for (size_t i = 0; i < n; i++) {
        widen(&t->name, ad__shown_text(NAME, name, line[i].name));
        make_cells(&line[i], digits, cell);
        for (int k = 0; k < CELLS; k++) widen(&t->cell[k], cell[k]);
        widen(&verdict, ad_verdict_text(line[i].verdict));
    }
    for (int k = 0; k < CELLS; k++) left -= 2 + t->cell[k];
    return left - 2 - 2 - verdict;
}

/* As many digits as let the names keep LEAST_NAME columns, or all that they have. */
static table table_of(size_t n, const ad_check_line line[]) {
    table t;
    for (int digits = MOST_DIGITS;; digits--) {
        const int left = with_digits(digits, n, line, &t);
        if (left < t.name && left < LEAST_NAME && digits > LEAST_DIGITS) continue;
        if (left < t.name) t.name = left;
        return t;
    }
}

static void put_cell(FILE *to, int width, const char *text) {
    fprintf(to, "  %s%*s", text, width - (int)ad__columns(text), "");
}

static void show_line(FILE *to, const table *t, const ad_check_line *l) {
    char name[NAME], cell[CELLS][CELL];
    make_cells(l, t->digits, cell);
    ad__shown_text(NAME, name, l->name);
    put_cell(to, t->name, ad__narrow((size_t)t->name, name));
    for (int k = 0; k < CELLS; k++) put_cell(to, t->cell[k], cell[k]);
    fprintf(to, "  %s\n", ad_verdict_text(l->verdict));
}

static void show_lines(FILE *to, size_t n, const ad_check_line line[]) {
    size_t      hidden = 0, shown = 0;
    const table t = table_of(n, line);
    if (n == 0) return;
    put_cell(to, t.name, "coordinate");
    for (int k = 0; k < CELLS; k++) put_cell(to, t.cell[k], heads[k]);
    fputs("  verdict\n", to);
    for (int round = 0; round < 2; round++) { /* problems first */
        for (size_t i = 0; i < n; i++) {
            if ((line[i].verdict == AD_PASS) != (round == 1)) continue;
            if (n > SHOWN_LINES && shown >= SHOWN_LINES) hidden++;
            else show_line(to, &t, &line[i]), shown++;
        }
    }
    if (hidden > 0) fprintf(to, "  ... and %zu more\n", hidden);
}

/* Where it is, then what it says and what is so. */
static void show_culprit(FILE *to, const ad_check_operand *o, bool first) {
    enum { WORDS = 7 };
    char rule[COLUMN], left[COLUMN], right[COLUMN], name[AD__SHOWN_NAME], text[NAME],
        operation[AD__SHOWN_NAME];
    snprintf(text, NAME, "local: node %zu%s%s%s, %s, operand %zu, in %s", o->node,
             *o->name ? " (" : "", ad__shown_name(o->name, name), *o->name ? ")" : "",
             ad__shown_name(o->operation, operation), o->operand, o->shown);
    int column = ad__flow(to, 0, WORDS, text);
    if (o->file != NULL) {
        snprintf(text, NAME, ", at %s:%d", ad__file_name(o->file), o->line);
        column = ad__flow(to, column, WORDS, text);
    }
    fprintf(to, "\n%*s", WORDS, "");
    if (!isnan(o->estimate))
        snprintf(text, NAME, "rule says %s, differences %s, off by %s", number(o->rule, 8, rule),
                 number(o->estimate, 8, left), magnitude(o->gap, 1, right));
    else
        snprintf(text, NAME, "rule says %s, slopes of the sides are %s and %s",
                 number(o->rule, 8, rule), number(o->left, 6, left), number(o->right, 6, right));
    column = ad__flow(to, WORDS, WORDS, text);
    if (first) ad__piece(to, column, WORDS, 3, "<- culprit");
    fputc('\n', to);
}

static void show_inside(const ad_check_report *r, FILE *to) {
    char a[COLUMN];
    if (r->culprits == 0)
        ad__put_line(to, HANGING,
                     "local: %zu operands of %zu operations, against differences of each alone: ok",
                     r->operands, r->nodes);
    for (size_t i = 0; i < r->culprits; i++) show_culprit(to, &r->culprit[i], i == 0);
    if (r->local_count[AD_FAIL] > r->culprits)
        fprintf(to, "local: ... and %zu more\n", r->local_count[AD_FAIL] - r->culprits);
    fprintf(to, "sweep: forward against reverse %s (%s)\n", magnitude(r->sweep_gap, 1, a),
            r->sweep == AD_PASS   ? "ok"
            : r->sweep == AD_FAIL ? "WRONG"
                                  : "inconclusive");
}

static void show_second(const ad_check_report *r, FILE *to) {
    char a[COLUMN], b[COLUMN], text[TALLY];
    int  column = fprintf(to, "second order: %s", ad_verdict_text(r->second_verdict));
    column =
        ad__piece(to, column, HANGING, 2, tally(r->second_count, worst_of(r->second_count), text));
    ad__piece(to, column, HANGING, 2, taylor(r->taylor_second, 3, text));
    fprintf(to, "\n  symmetry |v.Hw - w.Hv| %s (allowed %s)\n", magnitude(r->symmetry, 1, a),
            magnitude(r->symmetry_tolerance, 1, b));
    show_lines(to, r->second_lines, r->second);
}

static void show_evaluations(const ad_check_report *r, FILE *to, int column) {
    char value[COLUMN], text[TALLY];
    if (r->outputs > 0) snprintf(text, TALLY, "%zu outputs", r->outputs);
    else snprintf(text, TALLY, "f = %s", number(r->value, 10, value));
    column = ad__piece(to, column, HANGING, 2, text);
    snprintf(text, TALLY, "%zu evaluations", r->evaluations);
    column = ad__piece(to, column, HANGING, 2, text);
    snprintf(text, TALLY, "seed %llu", (unsigned long long)r->seed);
    column = ad__piece(to, column, HANGING, 2, text);
    snprintf(text, TALLY, "unit 2^%.0f", log2(r->unit));
    if (r->unit > 0) ad__piece(to, column, HANGING, 2, text);
    if (r->lines > 0) fprintf(to, "\n  %s", taylor(r->taylor, 2, text));
}

static void page(const ad_check_report *r, FILE *to) {
    char text[TALLY];
    int  column = fprintf(to, "gradcheck: %s", ad_verdict_text(r->verdict));
    if (r->lines > 0)
        column = ad__piece(to, column, HANGING, 2, tally(r->count, worst_of(r->count), text));
    if (r->evaluations > 0) show_evaluations(r, to, column);
    fputc('\n', to);
    show_lines(to, r->lines, r->line);
    if (r->has_tape) show_inside(r, to);
    if (r->has_second) show_second(r, to);
    if (*r->message) ad__put_line(to, HANGING, "%s", r->message);
}

/* ---- as JSON --------------------------------------------------------------------------------- */

static void json_field(FILE *to, const char *name, double x) {
    fprintf(to, ",\"%s\":", name);
    ad__json_number(x, to);
}

static void json_counts(FILE *to, const char *name, const size_t count[]) {
    fprintf(to, ",\"%s\":{", name);
    for (int v = 0; v < AD_VERDICT_COUNT; v++)
        fprintf(to, "%s\"%s\":%zu", v > 0 ? "," : "", ad_verdict_text((ad_verdict)v), count[v]);
    fputc('}', to);
}

static void json_lines(FILE *to, const char *name, size_t n, const ad_check_line line[]) {
    fprintf(to, ",\"%s\":[", name);
    for (size_t i = 0; i < n; i++) {
        const ad_check_line *l = &line[i];
        fputs(i > 0 ? ",\n  {\"name\":" : "\n  {\"name\":", to);
        ad__json_text(l->name, to);
        if (l->coordinate == SIZE_MAX) fputs(",\"coordinate\":null", to);
        else fprintf(to, ",\"coordinate\":%zu", l->coordinate);
        if (l->output != SIZE_MAX) fprintf(to, ",\"output\":%zu", l->output);
        json_field(to, "claimed", l->claimed);
        json_field(to, "estimate", l->estimate);
        json_field(to, "error", l->error);
        json_field(to, "left", l->left);
        json_field(to, "right", l->right);
        json_field(to, "gap", l->gap);
        json_field(to, "tolerance", l->tolerance);
        json_field(to, "step", l->step);
        fprintf(to, ",\"verdict\":\"%s\"}", ad_verdict_text(l->verdict));
    }
    fputc(']', to);
}

static void json_culprits(FILE *to, const ad_check_report *r) {
    fputs(",\"culprits\":[", to);
    for (size_t i = 0; i < r->culprits; i++) {
        const ad_check_operand *o = &r->culprit[i];
        fprintf(to, "%s\n  {\"node\":%zu,\"operand\":%zu,\"operation\":", i > 0 ? "," : "", o->node,
                o->operand);
        ad__json_text(o->operation, to);
        fputs(",\"name\":", to);
        ad__json_text(o->name, to);
        fputs(",\"shown\":", to);
        ad__json_text(o->shown, to);
        fputs(",\"file\":", to);
        ad__json_text(o->file != NULL ? o->file : "", to);
        fprintf(to, ",\"line\":%d", o->line);
        json_field(to, "at", o->at);
        json_field(to, "rule", o->rule);
        json_field(to, "estimate", o->estimate);
        json_field(to, "error", o->error);
        json_field(to, "left", o->left);
        json_field(to, "right", o->right);
        json_field(to, "gap", o->gap);
        json_field(to, "tolerance", o->tolerance);
        fprintf(to, ",\"verdict\":\"%s\"}", ad_verdict_text(o->verdict));
    }
    fputc(']', to);
}

static void json(const ad_check_report *r, FILE *to) {
    fprintf(to, "{\"format\":\"tapir-check/1\",\"verdict\":\"%s\",\"status\":",
            ad_verdict_text(r->verdict));
    ad__json_text(ad_status_text(r->status), to);
    fputs(",\"message\":", to);
    ad__json_text(r->message, to);
    fprintf(to, ",\"n\":%zu", r->n);
    json_field(to, "value", r->value);
    json_field(to, "noise", r->noise);
    json_field(to, "rtol", r->rtol);
    if (r->unit > 0) json_field(to, "unit", r->unit);
    fprintf(to, ",\"seed\":%llu,\"evaluations\":%zu", (unsigned long long)r->seed, r->evaluations);
    json_field(to, "taylor", r->taylor);
    json_counts(to, "count", r->count);
    json_lines(to, "lines", r->lines, r->line);
    if (r->has_tape) {
        fprintf(to, ",\n \"local\":{\"nodes\":%zu,\"operands\":%zu", r->nodes, r->operands);
        json_counts(to, "count", r->local_count);
        json_culprits(to, r);
        fprintf(to, "},\n \"sweep\":{\"verdict\":\"%s\"", ad_verdict_text(r->sweep));
        json_field(to, "forward", r->forward);
        json_field(to, "reverse", r->reverse);
        json_field(to, "gap", r->sweep_gap);
        json_field(to, "tolerance", r->sweep_tolerance);
        fputc('}', to);
    }
    if (r->has_second) {
        fprintf(to, ",\n \"second\":{\"verdict\":\"%s\"", ad_verdict_text(r->second_verdict));
        json_field(to, "symmetry", r->symmetry);
        json_field(to, "symmetry_tolerance", r->symmetry_tolerance);
        json_field(to, "taylor", r->taylor_second);
        json_counts(to, "count", r->second_count);
        json_lines(to, "lines", r->second_lines, r->second);
        fputc('}', to);
    }
    fputs("}\n", to);
}

/* ---- as CSV ---------------------------------------------------------------------------------- */

static void csv_text(FILE *to, const char *from) {
    char        whole[NAME];
    const char *text = ad__shown_text(NAME, whole, from);
    if (strpbrk(text, ",\"") == NULL) {
        fputs(text, to);
        return;
    }
    fputc('"', to);
    for (; *text != '\0'; text++) {
        if (*text == '"') fputc('"', to);
        fputc(*text, to);
    }
    fputc('"', to);
}

static void csv_numbers(FILE *to, size_t n, const double x[]) {
    for (size_t i = 0; i < n; i++)
        if (isnan(x[i])) fputs(",nan", to);
        else fprintf(to, ",%.17g", x[i]);
}

static void csv_lines(FILE *to, const char *layer, size_t n, const ad_check_line line[]) {
    for (size_t i = 0; i < n; i++) {
        const ad_check_line *l = &line[i];
        const double         numbers[] = {l->claimed, l->estimate, l->error,     l->left,
                                          l->right,   l->gap,      l->tolerance, l->step};
        fprintf(to, "%s,", layer);
        csv_text(to, l->name);
        csv_numbers(to, sizeof numbers / sizeof *numbers, numbers);
        fprintf(to, ",%s,,\n", ad_verdict_text(l->verdict));
    }
}

static void csv(const ad_check_report *r, FILE *to) {
    fputs("layer,name,claimed,estimate,error,left,right,gap,tolerance,step,verdict,file,line\n",
          to);
    csv_lines(to, "global", r->lines, r->line);
    for (size_t i = 0; i < r->culprits; i++) {
        const ad_check_operand *o = &r->culprit[i];
        const double            numbers[] = {o->rule,  o->estimate, o->error,     o->left,
                                             o->right, o->gap,      o->tolerance, NAN};
        char                    name[160];
        snprintf(name, sizeof name, "#%zu %.*s operand %zu", o->node,
                 ad__cut_bytes(o->operation, 60), o->operation, o->operand);
        fputs("local,", to);
        csv_text(to, name);
        csv_numbers(to, sizeof numbers / sizeof *numbers, numbers);
        fprintf(to, ",%s,", ad_verdict_text(o->verdict));
        csv_text(to, o->file != NULL ? o->file : "");
        if (o->file != NULL) fprintf(to, ",%d\n", o->line);
        else fputs(",\n", to);
    }
    if (r->has_tape) {
        const double numbers[] = {r->reverse,   r->forward,         NAN, NAN, NAN,
                                  r->sweep_gap, r->sweep_tolerance, NAN};
        fputs("sweep,forward against reverse", to);
        csv_numbers(to, sizeof numbers / sizeof *numbers, numbers);
        fprintf(to, ",%s,,\n", ad_verdict_text(r->sweep));
    }
    csv_lines(to, "second", r->second_lines, r->second);
}

ad_status ad_check_print(const ad_check_report *report, ad_format format, FILE *to) {
    if (report == NULL) return AD_NO_MEMORY;
    if (to == NULL || (unsigned)format > AD_TAP) return AD_BAD_ARGUMENT;
    if (format >= AD_JUNIT) return ad_check_print_suite(1, &report, NULL, format, to);
    const ad__locale locale = ad__locale_enter();
    if (format == AD_TEXT) page(report, to);
    else if (format == AD_JSON) json(report, to);
    else csv(report, to);
    ad__locale_leave(locale);
    return ad__written(to);
}
