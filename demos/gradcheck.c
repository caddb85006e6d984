/* gradcheck - checks whether a derivative is right, and if not, which rule is wrong.
 *
 *     gradcheck 'tanh(w*x + b)' w=0.5 x=2 b=-1 --claim w=0.84
 *     gradcheck 'tanh(w*x + b)' w=0.5 x=2 b=-1 --break tanh:1.001
 *     gradcheck --library f.so --function f --gradient g --at 2,0.7      (gradcheck_library.c)
 *
 * --break needs an engine whose rules can be made wrong (engine/base/spoil.h): no other demo links
 * it. */
#include "engine/base/ops.h"
#include "engine/base/spoil.h"
#include "engine/tape/tape.h"
#include "gradcheck_library.h"
#include "options.h"
#include "report.h"
#include "verdict.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const char usage[] =
    "usage: gradcheck 'EXPRESSION' [NAME=VALUE ...] [OPTION ...]\n"
    "       gradcheck --library FILE --function F --gradient G POINT [OPTION ...]\n"
    "\n"
    "Compares the derivatives of EXPRESSION by every NAME with differences, each rule\n"
    "of the chain with differences of its operation alone, and the reverse sweep with\n"
    "a forward one. Or the gradient of a function of your own in a shared library.\n"
    "\n"
    "  gradcheck '(a + b)*(b + 1)' a=2 b=1\n"
    "  gradcheck 'sin(a*b)' a=2 b=1 --claim a=-0.4\n"
    "  gradcheck 'tanh(w*x + b)' w=0.5 x=2 b=-1 --break tanh:1.001\n"
    "  gradcheck 'exp(sin(x))' x=1 --curve x\n"
    "  gradcheck --library f.so --function f --gradient g --at 2,0.7\n"
    "\n"
    "Of an expression:\n"
    "  --claim NAME=NUMBER    check this number in place of the computed derivative\n"
    "  --break OPERATION:F    break one rule on purpose: its first partial derivative\n"
    "                         times F (OPERATION.1:F for the second operand)\n"
    "  --curve NAME           the error of differences against their step, 1 to 1e-13\n"
    "  --svg FILE             ... as a picture;  --tsv  as numbers\n"
    "  --second               second derivatives, too\n"
    "\n"
    "Of a library, which a process of its own loads and calls:\n"
    "  --library FILE         without a slash: of the current folder, or a system's\n"
    "  --function F           double F(size_t n, const double x[])\n"
    "  --gradient G           void G(size_t n, const double x[], double gradient[])\n"
    "  --context              both have a last argument void *context, which is NULL\n"
    "  --fortran              double precision function F(n, x) and subroutine\n"
    "                         G(n, x, gradient): all arguments by address, n of 4\n"
    "                         bytes, names with an underscore behind them\n"
    "  --outputs M            void F(size_t n, const double x[],\n"
    "                                size_t m, double y[]), and G alike with a\n"
    "                         Jacobian of m x n, row by row (Fortran: subroutine\n"
    "                         F(n, x, m, y), and the Jacobian is (m, n))\n"
    "  NAME=1,2,3 ...         the point: x has the numbers of all names, one by one\n"
    "  --at 1,2,3             ... or without names; --at FILE: a file of numbers\n"
    "  --n N                  ... or N random numbers from -1 to 1 (--seed)\n"
    "  --timeout SECONDS      how long one call may take (10)\n"
    "\n"
    "  --rtol NUMBER          the relative error allowed (1e-9)\n"
    "  --seed NUMBER          seed of the random directions (42)\n"
    "  --json, --csv          the report for programs\n"
    "  --junit, --tap         ... for a build server: red unless the status is 0\n"
    "  --out FILE             the report goes there, the text to standard output\n"
    "  --help                 this text\n"
    "\n"
    "Exits with 0 when right (PASS, WEAK), with 1 when something is wrong (FAIL),\n"
    "with 2 for wrong usage, when there is no such function, or when the answer\n"
    "cannot be written, and with 3 when differences could not resolve it\n"
    "(INCONCLUSIVE, KINK, DOMAIN, UNSTABLE), or a function did not come to its end.\n"
    "Of several verdicts the worst counts.\n";

typedef struct request {
    const char      *expression, *curve, *svg;
    bool             tsv, has_break;
    verdict_output   output;
    ad_check_options options;
    ad_tape         *tape;
    size_t           n, claims;
    const char     **name; /* n each */
    ad_var          *x;
    char           **claim;
    char            *names;
    double          *claimed;
} request;

typedef struct break_request {
    int    row, operand;
    double factor;
    bool   met; /* its partial derivative was used */
} break_request;

static int complain(const char *what, const char *argument) {
    option_complain("gradcheck", what, argument);
    return BAD_USE;
}

static double spoiled(int row, int operand, double x, double y, double v, double right,
                      void *context) {
    break_request *b = context;
    (void)x, (void)y, (void)v;
    if (row != b->row || operand != b->operand) return right;
    b->met = true;
    return right * b->factor;
}

/* "tanh:1.001" or "div.1:-1" */
static int read_break(const char *text, break_request *b) {
    char         name[40];
    const char  *colon = strchr(text, ':');
    char        *end;
    const size_t length = strcspn(text, ".:");
    if (colon == NULL || length >= sizeof name)
        return complain("--break takes OPERATION:FACTOR", text);
    memcpy(name, text, length);
    name[length] = '\0';
    b->factor = strtod(colon + 1, &end);
    if (end == colon + 1 || *end != '\0') return complain("the factor is not a number", colon + 1);
    b->operand = text[length] == '.' ? atoi(text + length + 1) : 0;
    for (int code = 0; code < AD__CODES; code++) {
        if (code == AD__input || code == AD__branch ||
            strcmp(ad__code_name((uint8_t)code), name) != 0)
            continue;
        const ad__row_number row = ad__code_row((uint8_t)code);
        b->row = row < AD__ROWS ? (int)row : AD__ROWS + code - AD__FIRST_REDUCTION;
        return 0;
    }
    return complain("there is no operation of this name", name);
}

static size_t variable_index(const request *r, const char *name) {
    size_t i = 0;
    while (i < r->n && strcmp(r->name[i], name) != 0) i++;
    return i;
}

/* Splits NAME=VALUE in place and returns the name; NULL if it is not of that form. */
static const char *split(char *text, double *value) {
    const size_t length = option_name(text);
    char        *end;
    if (length == 0 || text[length] != '=') return NULL;
    *value = strtod(text + length + 1, &end);
    if (end == text + length + 1 || *end != '\0') return NULL;
    text[length] = '\0';
    return text;
}

static int read_variable(request *r, char *text) {
    double      value;
    const char *name = split(text, &value);
    if (name == NULL) return complain("expected NAME=VALUE or an option", text);
    if (variable_index(r, name) < r->n) return complain("given twice", name);
    r->x[r->n] = ad_input(r->tape, value);
    ad_name(r->x[r->n], name);
    r->name[r->n] = name;
    if (r->n > 0) strcat(r->names, ",");
    strcat(r->names, name);
    r->n++;
    return 0;
}

static int read_arguments(request *r, int count, char *arguments[], break_request *b) {
    for (int i = 2; i < count; i++) {
        char      *text = arguments[i], *next = i + 1 < count ? arguments[i + 1] : NULL;
        const bool takes_one = strcmp(text, "--claim") == 0 || strcmp(text, "--break") == 0 ||
                               strcmp(text, "--curve") == 0 || strcmp(text, "--svg") == 0 ||
                               strcmp(text, "--rtol") == 0 || strcmp(text, "--seed") == 0 ||
                               strcmp(text, "--out") == 0;
        int bad = 0;
        if (takes_one && next == NULL) return complain("an argument is missing after", text);
        if (verdict_format(text, &r->output.format)) continue;
        if (strcmp(text, "--tsv") == 0) r->tsv = true;
        else if (strcmp(text, "--second") == 0) r->options.second = true;
        else if (strcmp(text, "--claim") == 0) r->claim[r->claims++] = next;
        else if (strcmp(text, "--curve") == 0) r->curve = next;
        else if (strcmp(text, "--svg") == 0) r->svg = next;
        else if (strcmp(text, "--out") == 0) r->output.file = next;
        else if (strcmp(text, "--break") == 0) bad = read_break(next, b), r->has_break = true;
        else if (strcmp(text, "--rtol") == 0)
            bad = option_rate("gradcheck", text, next, &r->options.rtol) ? 0 : BAD_USE;
        else if (strcmp(text, "--seed") == 0)
            bad = option_seed("gradcheck", text, next, &r->options.seed) ? 0 : BAD_USE;
        else if (strncmp(text, "--", 2) == 0) return complain("unknown option", text);
        else bad = read_variable(r, text);
        if (bad != 0) return bad;
        i += takes_one;
    }
    return 0;
}

static int read_claims(request *r, ad_var y) {
    ad_gradient(y, r->n, r->x, r->claimed);
    for (size_t k = 0; k < r->claims; k++) {
        double       value;
        const char  *name = split(r->claim[k], &value);
        const size_t i = name == NULL ? r->n : variable_index(r, name);
        if (i == r->n)
            return complain("--claim takes NAME=NUMBER with a NAME that was given", r->claim[k]);
        r->claimed[i] = value;
    }
    return 0;
}

static int failed(const request *r) {
    return verdict_refuse(ad_tape_status(r->tape), ad_tape_message(r->tape), BAD_USE, &r->output);
}

static bool draw_curve(FILE *to, void *context) {
    return ad_curve_print(context, AD_SVG, to) == AD_OK;
}

static int draw(request *r, ad_var y) {
    const size_t i = variable_index(r, r->curve);
    if (i == r->n) return complain("there is no variable of this name", r->curve);
    ad_curve *curve = ad_check_curve(y, r->x[i], &r->claimed[i]);
    if (curve == NULL) return failed(r);
    const bool      drawn = r->svg == NULL || report_whole("gradcheck", r->svg, draw_curve, curve);
    const ad_status status =
        drawn ? ad_curve_print(curve, r->tsv ? AD_TSV : AD_CHARACTERS, stdout) : AD_OK;
    ad_curve_free(curve);
    return drawn && status == AD_OK ? 0 : BAD_USE;
}

static int check(request *r, ad_var y) {
    ad_check_report *report =
        ad_check(y, r->n, r->x, r->claims > 0 ? r->claimed : NULL, &r->options);
    return report == NULL ? failed(r) : verdict_end(report, &r->output);
}

/* After a sweep: true if there is a rule to break. It may not have been used only because the
 * adjoint is 0. */
static bool has_effect(const ad_tape *tape, const break_request *b) {
    const bool row = b->row < AD__ROWS && b->operand >= 0 && b->operand < ad__rows[b->row].operands;
    /* A plain number has no derivative to break. */
    const ad__form number = b->operand == 0 ? AD__X_NUMBER : AD__Y_NUMBER;
    for (uint32_t i = 0; row && i < tape->length; i++)
        if (ad__code_row(tape->code[i]) == (ad__row_number)b->row &&
            ad__code_form(tape->code[i]) != number)
            return true;
    return b->met;
}

static int run(request *r, int count, char *arguments[]) {
    break_request b = {-1, 0, 1, false};
    int           bad = read_arguments(r, count, arguments, &b);
    if (bad != 0) return bad;
    const ad_var y = ad_parse(r->tape, r->expression, r->n, r->n > 0 ? r->names : NULL, r->x);
    if (ad_tape_status(r->tape) != AD_OK) return failed(r);
    if (r->has_break) ad__spoil_rules(spoiled, &b);
    bad = read_claims(r, y);
    if (bad != 0) return bad;
    if (r->has_break && !has_effect(r->tape, &b)) {
        fputs("gradcheck: --break broke nothing: the expression has no such operation or operand, "
              "or no derivative is sent to it\n",
              stderr);
        return BAD_USE;
    }
    return r->curve != NULL ? draw(r, y) : check(r, y);
}

static int answer(int count, char *arguments[]) {
    if (count > 1 && strcmp(arguments[1], "--help") == 0) {
        fputs(usage, stdout);
        return 0;
    }
    if (count < 2) {
        fputs(usage, stderr);
        return BAD_USE;
    }
    if (gradcheck_of_library(count, arguments)) return gradcheck_library(count, arguments);
    if (strncmp(arguments[1], "--", 2) == 0)
        return complain("the expression comes first, before", arguments[1]);
    size_t room = 1;
    for (int i = 2; i < count; i++) room += strlen(arguments[i]) + 1;
    const size_t most = (size_t)count;
    request      r = {.expression = arguments[1],
                      .output = {.name = arguments[1]},
                      .tape = ad_tape_new(),
                      .name = calloc(most, sizeof *r.name),
                      .x = calloc(most, sizeof *r.x),
                      .claim = calloc(most, sizeof *r.claim),
                      .names = calloc(room, 1),
                      .claimed = calloc(most, sizeof *r.claimed)};
    int          status = BAD_USE;
    if (!r.tape || !r.name || !r.x || !r.claim || !r.names || !r.claimed)
        fputs("gradcheck: out of memory\n", stderr);
    else status = run(&r, count, arguments);
    free(r.name), free(r.x), free(r.claim), free(r.names), free(r.claimed);
    ad_tape_free(r.tape);
    return status;
}

int main(int count, char *arguments[]) {
    return output_end(answer(count, arguments), BAD_USE);
}
