/* gradcheck_library.c - gradcheck of a function in a shared library, which a process of its own
 * calls.
 *
 * A call that crashes at x leaves nothing to check. One that crashes elsewhere has no value there,
 * like the logarithm of a negative number, and the report says so besides what it says. */
#include "gradcheck_library.h"

#include "engine/base/text.h"
#include "options.h"
#include "point.h"
#include "sandbox.h"
#include "verdict.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct request {
    sandbox_config   sandbox;
    verdict_output   output;
    ad_check_options options;
    const char      *at;
    size_t           n; /* of --n; 0: not given */
    point            point;
    ad_check_block  *block;  /* of NAME=NUMBERS */
    size_t          *length; /* of each */
} request;

static int complain(const char *what, const char *word) {
    option_complain("gradcheck", what, word);
    return BAD_USE;
}

/* ---- the command line ------------------------------------------------------------------------ */

bool gradcheck_of_library(int count, char *arguments[]) {
    for (int i = 1; i < count; i++)
        if (strcmp(arguments[i], "--library") == 0) return true;
    return false;
}

static int read_named(request *r, char *word) {
    const size_t length = option_name(word), before = r->point.n, k = r->options.blocks;
    if (length == 0 || word[length] != '=')
        return complain("expected NAME=NUMBERS or an option", word);
    if (!point_list(word + length + 1, &r->point)) return BAD_USE;
    word[length] = '\0';
    for (size_t i = 0; i < k; i++)
        if (strcmp(r->block[i].name, word) == 0) return complain("given twice", word);
    r->length[k] = r->point.n - before;
    r->block[k] = (ad_check_block){.name = word, .rank = r->length[k] > 1, .shape = &r->length[k]};
    r->options.blocks++;
    return 0;
}

/* The member that holds the word after the option; NULL: it is none of these. */
static const char **word_of(request *r, const char *option) {
    if (strcmp(option, "--library") == 0) return &r->sandbox.library;
    if (strcmp(option, "--function") == 0) return &r->sandbox.function;
    if (strcmp(option, "--gradient") == 0) return &r->sandbox.gradient;
    if (strcmp(option, "--at") == 0) return &r->at;
    if (strcmp(option, "--out") == 0) return &r->output.file;
    return NULL;
}

/* An option with a number behind it. -1: it is none. */
static int read_number(request *r, const char *option, const char *next) {
    bool good;
    if (next == NULL) next = "";
    if (strcmp(option, "--n") == 0)
        good = option_count("gradcheck", option, next, 1, INT_MAX, &r->n);
    else if (strcmp(option, "--outputs") == 0)
        good = option_count("gradcheck", option, next, 1, INT_MAX, &r->sandbox.outputs);
    else if (strcmp(option, "--seed") == 0)
        good = option_seed("gradcheck", option, next, &r->options.seed);
    else if (strcmp(option, "--rtol") == 0)
        good = option_rate("gradcheck", option, next, &r->options.rtol);
    else if (strcmp(option, "--timeout") == 0)
        good = option_rate("gradcheck", option, next, &r->sandbox.timeout);
    else return -1;
    return good ? 0 : BAD_USE;
}

static bool of_expressions(const char *option) {
    static const char *const all[] = {"--claim", "--break", "--curve",
                                      "--svg",   "--tsv",   "--second"};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        if (strcmp(option, all[i]) == 0) return true;
    return false;
}

/* How many words the option takes, or a negative exit status. */
static int read_option(request *r, char *option, char *next) {
    const char **word = word_of(r, option);
    if (word != NULL && next == NULL) return -complain("an argument is missing after", option);
    if (word != NULL) return *word = next, 2;
    const int number = read_number(r, option, next);
    if (number >= 0) return number == 0 ? 2 : -number;
    if (strcmp(option, "--fortran") == 0) r->sandbox.fortran = true;
    else if (strcmp(option, "--context") == 0) r->sandbox.context = true;
    else if (verdict_format(option, &r->output.format)) return 1;
    else if (of_expressions(option)) return -complain("this is for an expression only", option);
    else if (strncmp(option, "--", 2) == 0) return -complain("unknown option", option);
    else return read_named(r, option) == 0 ? 1 : -BAD_USE;
    return 1;
}

static int read_point(request *r) {
    const int ways = (r->at != NULL) + (r->n > 0) + (r->options.blocks > 0);
    if (ways != 1)
        return complain(ways == 0 ? "there is no point" : "the point is given in two ways",
                        "--at NUMBERS, NAME=NUMBERS or --n N");
    if (r->at != NULL && !point_list_or_file(r->at, &r->point)) return BAD_USE;
    const uint64_t seed = r->options.seed != 0 ? r->options.seed : 42;
    if (r->n > 0 && !point_random(r->n, seed, &r->point)) return BAD_USE;
    if (r->point.n > INT_MAX) return complain("so many numbers are not an integer", "--at");
    r->sandbox.n = r->point.n;
    r->options.block = r->options.blocks > 0 ? r->block : NULL;
    return 0;
}

static int read_arguments(request *r, int count, char *arguments[]) {
    for (int i = 1; i < count;) {
        const int took = read_option(r, arguments[i], i + 1 < count ? arguments[i + 1] : NULL);
        if (took < 0) return -took;
        i += took;
    }
    if (r->sandbox.function == NULL)
        return complain("the name of a function is missing behind", "--function");
    if (r->sandbox.gradient == NULL)
        return complain("the name of a function is missing behind", "--gradient");
    if (r->sandbox.fortran && r->sandbox.context)
        return complain("a function of Fortran has no context", "--context");
    return read_point(r);
}

/* ---- the check ------------------------------------------------------------------------------- */

static double value(size_t n, const double x[], void *context) {
    double y;
    (void)n;
    sandbox_value(context, x, &y);
    return y;
}

static void values(size_t n, const double x[], size_t m, double y[], void *context) {
    (void)n, (void)m;
    sandbox_value(context, x, y);
}

/* With what happened in calls that did not return behind its conclusion: the report is the
 * library's, and so this is a copy of its page. */
static int end(request *r, ad_check_report *report, const sandbox *s) {
    char            message[4096];
    ad_check_report page = *report;
    const size_t    ends = sandbox_ends(s);
    int n = snprintf(message, sizeof message, "%s; but %s", report->message, sandbox_trouble(s));
    if (ends > 1 && n < (int)sizeof message)
        n += snprintf(message + n, sizeof message - (size_t)n, "; %zu calls ended so", ends);
    if (ends > 0 && n < (int)sizeof message)
        snprintf(message + n, sizeof message - (size_t)n, ", and it has no value there");
    page.message = message;
    const int status = verdict_print(&page, &r->output);
    ad_check_free(report);
    return status;
}

static int refuse(request *r, const sandbox *s) {
    const int status = sandbox_loaded(s) ? OPEN : BAD_USE;
    return verdict_refuse(AD_BAD_ARGUMENT, sandbox_trouble(s), status, &r->output);
}

/* y has room for the outputs. */
static int check(request *r, sandbox *s, double y[], double gradient[]) {
    const double *x = r->point.x;
    const size_t  n = r->point.n, m = r->sandbox.outputs;
    if (!sandbox_value(s, x, y) || !sandbox_gradient(s, x, gradient)) return refuse(r, s);
    ad_check_report *report = m > 0 ? ad_check_vector(values, s, n, x, m, gradient, &r->options)
                                    : ad_check_function(value, s, n, x, gradient, &r->options);
    if (report == NULL) return verdict_refuse(AD_NO_MEMORY, "out of memory", BAD_USE, &r->output);
    if (*sandbox_trouble(s) == '\0') return verdict_end(report, &r->output);
    if (!sandbox_gave_up(s)) return end(r, report, s);
    ad_check_free(report);
    return refuse(r, s);
}

static int run(request *r, int count, char *arguments[]) {
    const int bad = read_arguments(r, count, arguments);
    if (bad != 0) return bad;
    char name[600];
    snprintf(name, sizeof name, "%.300s:%.200s", ad__file_name(r->sandbox.library),
             r->sandbox.function);
    r->output.name = name;
    const size_t n = r->point.n, m = r->sandbox.outputs > 0 ? r->sandbox.outputs : 1;
    double      *y = calloc(m, sizeof *y),
           *gradient = n > SIZE_MAX / m ? NULL : calloc(n * m, sizeof *gradient);
    const bool room = y != NULL && gradient != NULL;
    sandbox   *s = room ? sandbox_new(&r->sandbox) : NULL;
    if (!room) fputs("gradcheck: out of memory\n", stderr);
    const int status = s == NULL ? BAD_USE : check(r, s, y, gradient);
    sandbox_free(s);
    free(y), free(gradient);
    return status;
}

int gradcheck_library(int count, char *arguments[]) {
    request r = {.sandbox = {.timeout = 10},
                 .block = calloc((size_t)count, sizeof *r.block),
                 .length = calloc((size_t)count, sizeof *r.length)};
    int     status = BAD_USE;
    if (r.block == NULL || r.length == NULL) fputs("gradcheck: out of memory\n", stderr);
    else status = run(&r, count, arguments);
    point_free(&r.point);
    free(r.block), free(r.length);
    return status;
}
