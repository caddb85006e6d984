/* explain - shows both passes of the chain rule through an expression: as text, as data, as a
 * picture, or as a page to step through.
 *
 *     explain 'e = (a + b)*(b + 1)' a=2 b=1 */
#include "engine/ad.h"
#include "graphviz.h"
#include "options.h"
#include "report.h"
#include "terminal.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_OUTPUTS = 32 }; /* also in the message of read_outputs */

static const char usage[] =
    "usage: explain [OPTION ...] 'EXPRESSION' [NAME=VALUE ...]\n"
    "\n"
    "Shows how EXPRESSION is computed step by step, and how its derivative with\n"
    "respect to every NAME comes back through the steps, last to first. The\n"
    "derivatives are then compared with differences of the values.\n"
    "\n"
    "  explain 'e = (a + b)*(b + 1)' a=2 b=1\n"
    "  explain 'h = tanh(w*x + b); (h - t)^2' w=0.5 x=2 b=-1 t=1\n"
    "  explain --bug depth-first 'q = a*b; q + exp(sin(q))' a=2 b=3\n"
    "  explain --html steps.html 'q = x + y; f = q*z' x=-2 y=5 z=-4\n"
    "\n"
    "An expression is written as in C, with ^ for powers; exp, log, sin, tanh,\n"
    "sigmoid, relu and the other operations are called by name; parts may be named\n"
    "before the last expression.\n"
    "\n"
    "  --json            both passes as data (tapir-trace/1)\n"
    "  --dot             the graph for Graphviz\n"
    "  --svg             the graph as a picture; --plain: without Graphviz's layout\n"
    "  --html FILE       a page to step through, written to FILE\n"
    "  --paths NAME      the derivative by NAME as a sum over paths\n"
    "  --outputs A,B     explain these named parts instead of the last expression\n"
    "  --second          then the derivative itself, recorded and explained in turn\n"
    "  --order ORDER     of the backward pass: topological (as recorded) or\n"
    "                    depth-first (micrograd's)\n"
    "  --bug BUG         a backward pass that is wrong on purpose, and the check that\n"
    "                    notices: no-accumulate, depth-first, stale\n"
    "  --most N          show at most N nodes or boxes, fold the rest\n"
    "  --help            this text\n"
    "\n"
    "Ends with 0, or with 2 when something is wrong.\n";

typedef enum form { WORDS, JSON, DOT, SVG, HTML, PATHS } form;

typedef struct request {
    form        form;
    const char *expression, *file, *paths, *outputs;
    bool        second, plain;
    ad_view     view;
    int         variables; /* arguments NAME=VALUE, gathered at the front of `variable` */
    char      **variable;
} request;

static int complain(const char *what, const char *argument) {
    option_complain("explain", what, argument);
    return BAD_USE;
}

static int unwritten(void) {
    fputs("explain: the output cannot be written\n", stderr);
    return BAD_USE;
}

/* ---- arguments ------------------------------------------------------------------------------- */

static int read_order(request *r, const char *word) {
    if (strcmp(word, "topological") == 0) r->view.order = AD_ORDER_TAPE;
    else if (strcmp(word, "depth-first") == 0) r->view.order = AD_ORDER_DEPTH_FIRST;
    else return complain("the order is topological or depth-first, not", word);
    return 0;
}

static int read_bug(request *r, const char *word) {
    if (strcmp(word, "no-accumulate") == 0) r->view.bug = AD_BUG_OVERWRITE;
    else if (strcmp(word, "depth-first") == 0) r->view.bug = AD_BUG_DEPTH_FIRST;
    else if (strcmp(word, "stale") == 0) r->view.bug = AD_BUG_STALE;
    else return complain("the bug is no-accumulate, depth-first or stale, not", word);
    return 0;
}

static int read_most(request *r, const char *word) {
    char *end;
    errno = 0;
    const unsigned long most = strtoul(word, &end, 10);
    if (!isdigit((unsigned char)*word) || *end != '\0' || most == 0 || errno != 0)
        return complain("--most takes a whole number above 0, not", word);
    r->view.most = most;
    return 0;
}

static int read_outputs(request *r, const char *word) {
    size_t names = *word != '\0';
    for (const char *at = word; *at != '\0'; at++) names += *at == ',' && at[1] != '\0';
    if (names == 0 || names > MOST_OUTPUTS)
        return complain("--outputs takes 1 to 32 names, not", word);
    r->outputs = word;
    return 0;
}

/* An option with an argument. */
static int read_word(request *r, const char *option, const char *word) {
    if (word == NULL) return complain("an argument is missing after", option);
    if (strcmp(option, "--order") == 0) return read_order(r, word);
    if (strcmp(option, "--bug") == 0) return read_bug(r, word);
    if (strcmp(option, "--most") == 0) return read_most(r, word);
    if (strcmp(option, "--html") == 0) r->form = HTML, r->file = word;
    else if (strcmp(option, "--paths") == 0) r->form = PATHS, r->paths = word;
    else return read_outputs(r, word);
    return 0;
}

static bool takes_word(const char *option) {
    static const char *const options[] = {"--order", "--bug",   "--most",
                                          "--html",  "--paths", "--outputs"};
    for (size_t i = 0; i < sizeof options / sizeof *options; i++)
        if (strcmp(option, options[i]) == 0) return true;
    return false;
}

static int read_flag(request *r, const char *option) {
    if (strcmp(option, "--json") == 0) r->form = JSON;
    else if (strcmp(option, "--dot") == 0) r->form = DOT;
    else if (strcmp(option, "--svg") == 0) r->form = SVG;
    else if (strcmp(option, "--plain") == 0) r->plain = true;
    else if (strcmp(option, "--second") == 0) r->second = true;
    else return complain("unknown option", option);
    return 0;
}

static int read_arguments(int count, char *arguments[], request *r) {
    int bad = 0;
    for (int i = 1; i < count && bad == 0; i++) {
        if (strncmp(arguments[i], "--", 2) == 0 && takes_word(arguments[i])) {
            bad = read_word(r, arguments[i], i + 1 < count ? arguments[i + 1] : NULL);
            i++;
        } else if (strncmp(arguments[i], "--", 2) == 0) {
            bad = read_flag(r, arguments[i]);
        } else if (r->expression == NULL) {
            r->expression = r->view.title = arguments[i];
        } else {
            r->variable[r->variables++] = arguments[i];
        }
    }
    if (bad == 0 && r->second && r->form == HTML)
        return complain("--second works with text and data, not with", "--html");
    if (bad == 0 && r->form == PATHS && r->view.bug != AD_BUG_NONE)
        return complain(
            "a sum over paths has no backward pass that could go wrong: --bug does not work with",
            "--paths");
    if (bad == 0 && r->expression == NULL)
        return complain("nothing to explain", "expected an EXPRESSION");
    return bad;
}

/* ---- the graph ------------------------------------------------------------------------------- */

/* Reads `NAME=VALUE` arguments: their names, separated by commas, and an input for each. */
static int read_variables(ad_tape *tape, int n, char *arguments[], char names[], ad_var x[]) {
    for (int i = 0; i < n; i++) {
        char        *text = arguments[i], *end;
        const size_t length = option_name(text);
        if (length == 0 || text[length] != '=') return complain("expected NAME=VALUE", text);
        text[length] = '\0'; /* from here on the argument is the name */
        for (int j = 0; j < i; j++)
            if (strcmp(arguments[j], text) == 0) return complain("given twice", text);
        const char  *number = text + length + 1;
        const double value = strtod(number, &end);
        if (end == number || *end != '\0' || !isfinite(value))
            return complain("the value is not a number", number);
        x[i] = ad_input(tape, value);
        ad_name(x[i], text);
        if (i > 0) strcat(names, ",");
        strcat(names, text);
    }
    return 0;
}

/* Is `name` defined by a part of the expression, NAME = ...; ? */
static bool is_part(const char *expression, const char *name) {
    const char  *at = expression;
    const size_t length = strlen(name);
    while (at != NULL) {
        at += strspn(at, "; \t\n");
        const char *after = at + (strncmp(at, name, length) == 0 ? length : 0);
        after += strspn(after, " \t\n");
        if (after > at && after[0] == '=' && after[1] != '=') return true;
        at = strchr(at, ';');
    }
    return false;
}

/* y: the last expression, or the parts named by --outputs. Returns how many; 0 after an error,
 * which is on the tape; number: the first of --outputs, if any, that is a part and yet no node, a
 * plain number. */
static size_t results(ad_tape *tape, const request *r, ad_var last, ad_var y[MOST_OUTPUTS],
                      const char **number) {
    size_t n = 0;
    y[0] = last;
    if (r->outputs == NULL) return 1;
    for (const char *at = r->outputs; *at != '\0' && ad_tape_status(tape) == AD_OK;) {
        const size_t length = strcspn(at, ",");
        char        *name = strndup(at, length);
        y[n++] = ad_find(tape, name);
        if (ad_tape_status(tape) != AD_OK && is_part(r->expression, name)) *number = at;
        free(name);
        at += length + (at[length] == ',');
    }
    return ad_tape_status(tape) == AD_OK ? n : 0;
}

/* ---- what is shown --------------------------------------------------------------------------- */

/* By Graphviz if available, else by the engine. */
static ad_status draw_svg(const request *r, size_t n, const ad_var y[]) {
    char  *dot = NULL;
    size_t length = 0;
    bool   drawn = false;
    if (r->plain || !graphviz_here()) return ad_draw_svg(n, y, &r->view, stdout);
    FILE           *memory = open_memstream(&dot, &length);
    const ad_status status = memory == NULL ? AD_NO_MEMORY : ad_draw_dot(n, y, &r->view, memory);
    if (memory != NULL && fclose(memory) == 0 && status == AD_OK) drawn = graphviz_svg(dot, stdout);
    free(dot);
    return drawn || status != AD_OK ? status : ad_draw_svg(n, y, &r->view, stdout);
}

typedef struct drawing {
    const request *r;
    size_t         n;
    const ad_var  *y;
    ad_status      status;
} drawing;

static bool draw_page(FILE *to, void *context) {
    drawing *d = context;
    d->status = ad_draw_html(d->n, d->y, &d->r->view, to);
    return d->status == AD_OK;
}

static ad_status write_page(const request *r, size_t n, const ad_var y[]) {
    drawing d = {r, n, y, AD_OK};
    return report_whole("explain", r->file, draw_page, &d) || d.status != AD_OK ? d.status
                                                                                : AD_BAD_FILE;
}

static ad_status show(ad_tape *tape, const request *r, size_t n, const ad_var y[]) {
    switch (r->form) {
    case JSON: return ad_explain_json(n, y, &r->view, stdout);
    case DOT: return ad_draw_dot(n, y, &r->view, stdout);
    case SVG: return draw_svg(r, n, y);
    case HTML: return write_page(r, n, y);
    case PATHS: {
        const ad_var x = ad_find(tape, r->paths);
        ad_status    status = ad_tape_status(tape);
        for (size_t i = 0; i < n && status == AD_OK; i++)
            status = ad_explain_paths(y[i], x, 0, stdout);
        return status;
    }
    default: return ad_explain_all(n, y, &r->view, stdout);
    }
}

/* A plain number in words, or as a graph of one box. The title of the page says why there is
 * nothing to step through. */
static int show_number(ad_tape *tape, const request *r, ad_var y) {
    if (r->form == WORDS) return ad_explain(y, stdout) == AD_OK ? 0 : unwritten();
    if (r->form == PATHS) return complain("a plain number has no paths to", r->paths);
    char          title[160];
    request       number = *r;
    const ad_var  box = ad_input(tape, ad_value(y));
    const ad_view view = r->view;
    snprintf(title, sizeof title, "%.80s is a plain number: nothing in it can change",
             r->expression);
    number.view = (ad_view){.order = view.order, .most = view.most, .title = title};
    return show(tape, &number, 1, &box) == AD_OK ? 0 : BAD_USE; /* which has been or will be said */
}

/* Records the derivatives of the first result as nodes and shows them in the same way. */
static ad_status show_second(ad_tape *tape, const request *r, ad_var y, const ad_var x[]) {
    const size_t n = (size_t)r->variables;
    ad_var      *dy = calloc(n + 1, sizeof *dy);
    ad_status    status = AD_OK;
    if (dy == NULL) return AD_NO_MEMORY;
    ad_record_gradient(y, n, x, dy);
    for (size_t i = 0; i < n && ad_tape_status(tape) == AD_OK && status == AD_OK; i++) {
        if (r->form == WORDS)
            terminal_line(stdout, "\nthe derivative by %s, recorded in turn", r->variable[i]);
        if (dy[i].tape == NULL) status = r->form == WORDS ? ad_explain(dy[i], stdout) : AD_OK;
        else status = show(tape, r, 1, &dy[i]);
    }
    free(dy);
    return ad_tape_status(tape) != AD_OK ? ad_tape_status(tape) : status;
}

static int explain(ad_tape *tape, const request *r, char names[], ad_var x[]) {
    const int bad = read_variables(tape, r->variables, r->variable, names, x);
    if (bad != 0) return bad;
    ad_var       y[MOST_OUTPUTS];
    const ad_var last = ad_parse(tape, r->expression, (size_t)r->variables, names, x);
    const char  *number = NULL;
    const size_t n = ad_tape_status(tape) == AD_OK ? results(tape, r, last, y, &number) : 0;
    if (number != NULL)
        return complain("a plain number has nothing to explain, and this part is one", number);
    ad_status status = ad_tape_status(tape);
    if (n > 0 && last.tape == NULL && r->outputs == NULL) return show_number(tape, r, last);
    if (n > 0) status = show(tape, r, n, y);
    if (r->second && n > 0 && status == AD_OK) status = show_second(tape, r, y[0], x);
    if (status == AD_OK) return 0;
    if (ad_tape_status(tape) != AD_OK) fprintf(stderr, "explain: %s\n", ad_tape_message(tape));
    else if (status != AD_BAD_FILE) fprintf(stderr, "explain: %s\n", ad_status_text(status));
    return BAD_USE; /* a failed write has been or will be reported */
}

static int run(int count, char *arguments[]) {
    size_t room = 1;
    for (int i = 1; i < count; i++)
        if (strcmp(arguments[i], "--help") == 0) return fputs(usage, stdout), 0;
    for (int i = 1; i < count; i++) room += strlen(arguments[i]) + 1;
    request  r = {.variable = calloc((size_t)count, sizeof *r.variable)};
    ad_tape *tape = ad_tape_new();
    char    *names = calloc(room, 1);
    ad_var  *x = calloc((size_t)count, sizeof *x);
    int      status = BAD_USE;
    if (r.variable == NULL || tape == NULL || names == NULL || x == NULL)
        fputs("explain: out of memory\n", stderr);
    else if ((status = read_arguments(count, arguments, &r)) == 0)
        status = explain(tape, &r, names, x);
    free(r.variable);
    free(x);
    free(names);
    ad_tape_free(tape);
    return status;
}

int main(int count, char *arguments[]) {
    return output_end(run(count, arguments), BAD_USE);
}
