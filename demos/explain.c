/* explain - both passes of the chain rule through an expression, in words and numbers.
 *
 *     explain 'e = (a + b)*(b + 1)' a=2 b=1 */
#include "engine/ad.h"

#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { BAD_USE = 2 };

static const char usage[] =
    "usage: explain 'EXPRESSION' [NAME=VALUE ...]\n"
    "\n"
    "Shows how EXPRESSION is computed step by step, and how its derivative with respect to\n"
    "every NAME comes back through the steps, last to first. The derivatives are then\n"
    "compared with differences of the values.\n"
    "\n"
    "  explain 'e = (a + b)*(b + 1)' a=2 b=1\n"
    "  explain 'h = tanh(w*x + b); (h - t)^2' w=0.5 x=2 b=-1 t=1\n"
    "\n"
    "An expression is written as in C, with ^ for powers; exp, log, sin, tanh, sigmoid, relu and\n"
    "the other operations are called by name; parts may be named before the last expression.\n"
    "\n"
    "  --help    this text\n";

static int complain(const char *what, const char *argument) {
    fprintf(stderr, "explain: %s: %s\n(explain --help says how it is used)\n", what, argument);
    return BAD_USE;
}

static size_t name_length(const char *text) {
    size_t n = 0;
    if (isalpha((unsigned char)*text) || *text == '_')
        while (isalnum((unsigned char)text[n]) || text[n] == '_') n++;
    return n;
}

/* The names of `NAME=VALUE` arguments, separated by commas, and an input for each. */
static int read_variables(ad_tape *tape, int n, char *arguments[], char names[], ad_var x[]) {
    for (int i = 0; i < n; i++) {
        char        *text = arguments[i], *end;
        const size_t length = name_length(text);
        if (length == 0 || text[length] != '=') return complain("expected NAME=VALUE", text);
        text[length] = '\0';                 /* from here on the argument is the name */
        for (int j = 0; j < i; j++)
            if (strcmp(arguments[j], text) == 0) return complain("given twice", text);
        const char *number = text + length + 1;
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

static int explain(ad_tape *tape, const char *expression, int n, char *arguments[], char names[],
                   ad_var x[]) {
    const int bad = read_variables(tape, n, arguments, names, x);
    if (bad != 0) return bad;
    const ad_var y = ad_parse(tape, expression, (size_t)n, names, x);
    if (ad_tape_status(tape) == AD_OK) {
        const ad_status status = ad_explain(y, stdout);
        if (status == AD_BAD_FILE) fputs("explain: the output cannot be written\n", stderr);
        if (status == AD_OK && fflush(stdout) == 0) return 0;
    }
    if (ad_tape_status(tape) != AD_OK) fprintf(stderr, "explain: %s\n", ad_tape_message(tape));
    return BAD_USE;
}

int main(int count, char *arguments[]) {
    if (count > 1 && strcmp(arguments[1], "--help") == 0) {
        fputs(usage, stdout);
        return 0;
    }
    if (count < 2) return complain("nothing to explain", "expected an EXPRESSION");
    if (strncmp(arguments[1], "--", 2) == 0) return complain("unknown option", arguments[1]);
    size_t room = 1;
    for (int i = 2; i < count; i++) room += strlen(arguments[i]) + 1;
    ad_tape *tape = ad_tape_new();
    char    *names = calloc(room, 1);
    ad_var  *x = calloc((size_t)count, sizeof *x);
    int      status = BAD_USE;
    if (tape == NULL || names == NULL || x == NULL) fputs("explain: out of memory\n", stderr);
    else status = explain(tape, arguments[1], count - 2, arguments + 2, names, x);
    free(x);
    free(names);
    ad_tape_free(tape);
    return status;
}
