/* templates.c - C++ functions with a type parameter that were written for numbers, and their
 * gradients: templates.hpp.
 *
 * Each of the eight is timed as numbers alone, as a hand-written adjoint (templates_by_hand.c),
 * recorded and swept on a tape that has grown to its size, and as programs: of one row, which
 * holds all data of a problem as constants, and of rows, recorded with one row of data as inputs
 * and timed for each row. A *cold* gradient is the first of a new process, on a new tape: this
 * program runs itself again, once for each time, and the child says how long it took.
 *
 *     bench-templates [NAME ...]       all of them, or those of these names: mixture, lstm, ... */
#include "templates.h"
#include "bench.h"

#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { RUNS = 21, CHILDREN = 11 };

typedef struct problem {
    const char     *name, *title;
    size_t          params, inputs, rows, many;     /* inputs: numbers in a row */
    double          low, high, data_low, data_high; /* of what is drawn at random */
    bench_function *alone;
    bench_gradient *by_hand;
    bench_on_tape  *on_tape;
    bench_one_row  *one_row;
    bench_of_rows  *of_rows;
} problem;

/* clang-format off */
static const problem problems[] = {
#define PROBLEM(name, params, inputs, rows, many, low, high, data_low, data_high, title)  \
    {#name, title, params, inputs, rows, many, low, high, data_low, data_high,            \
     name##_alone, name##_by_hand, name##_on_tape, name##_one_row, name##_of_rows},
    TEMPLATES(PROBLEM)
#undef PROBLEM
};
/* clang-format on */

enum { PROBLEMS = sizeof problems / sizeof *problems };

typedef struct work {
    const problem *what;
    double        *param, *data, *grad;
    ad_tape       *tape;
    ad_mark        start;
    ad_program    *one_row, *of_rows;
} work;

/* ---- the sides: value and, but for the first, gradient of a problem, or of `many` rows ------- */

static double alone(work *w) {
    return w->what->alone(w->param, w->what->rows, w->data);
}

static double by_hand(work *w) {
    return w->what->by_hand(w->param, w->what->rows, w->data, w->grad);
}

static double on_tape(work *w) {
    return w->what->on_tape(w->tape, w->start, w->param, w->what->rows, w->data, w->grad);
}

static double by_one_row(work *w) {
    double          sum = 0;
    const ad_status status = ad_program_gradient(w->one_row, w->param, 1, NULL, &sum, w->grad);
    return bench_result(w->one_row, status, sum);
}

static double by_hand_rows(work *w) {
    return w->what->by_hand(w->param, w->what->many, w->data, w->grad);
}

/* The mean over the rows, where the others have the sum. */
static double by_rows(work *w) {
    double          mean = 0;
    const ad_status status =
        ad_program_gradient(w->of_rows, w->param, w->what->many, w->data, &mean, w->grad);
    return bench_result(w->of_rows, status, mean);
}

typedef struct side {
    const char *label, *ratio;
    double (*run)(work *);
    size_t beside; /* the side that it is divided by and compared with */
    bool   rows;   /* of `many` rows, timed for one */
} side;

enum { ALONE, BY_HAND, ON_TAPE, ONE_ROW, HAND_ROWS, ROWS, SIDES };

/* clang-format off */
static const side sides[SIDES] = {
    [ALONE]     = {"function alone",        NULL,                alone,        BY_HAND,   false},
    [BY_HAND]   = {"by hand",               NULL,                by_hand,      BY_HAND,   false},
    [ON_TAPE]   = {"tape, warm",            "tape, warm: ratio", on_tape,      BY_HAND,   false},
    [ONE_ROW]   = {"program of one row",    "one row: ratio",    by_one_row,   BY_HAND,   false},
    [HAND_ROWS] = {"by hand, each row",     NULL,                by_hand_rows, HAND_ROWS, true},
    [ROWS]      = {"program of rows, each", "rows: ratio",       by_rows,      HAND_ROWS, true},
};
/* clang-format on */

/* ---- do they agree? -------------------------------------------------------------------------- */

/* The sides round differently: they add in orders of their own, a product and a sum by hand are
 * one rounding, and libm's vector functions are right to 4 units in the last place. All that
 * comes to 1e-14 on the machine where this was written, of numbers up to the size of the
 * gradient; a hundred times as much is allowed to other machines. */
static const double tolerance = 1e-12;

static bool agree(const work *w, const char *label, double value, double wanted,
                  const double grad[]) {
    const size_t n = w->what->params;
    double       square = 0;
    for (size_t i = 0; i < n; i++) square += grad[i] * grad[i];
    const double typical = sqrt(square / (double)n);
    bool         good = fabs(value - wanted) <= tolerance * fabs(wanted);
    if (!good) printf("%s, %s: %.17g, by hand %.17g\n", w->what->name, label, value, wanted);
    for (size_t i = 0; good && i < n; i++) {
        good = fabs(w->grad[i] - grad[i]) <= tolerance * (typical + fabs(grad[i]));
        if (!good)
            printf("%s, %s: derivative %zu is %.17g, by hand %.17g\n", w->what->name, label, i,
                   w->grad[i], grad[i]);
    }
    return good;
}

static bool side_agrees(work *w, const side *s, double grad[]) {
    const size_t n = w->what->params;
    const double wanted = sides[s->beside].run(w);
    memcpy(grad, w->grad, n * sizeof *grad);
    const double scale = s->run == by_rows ? (double)w->what->many : 1;
    if (s->run != alone) memset(w->grad, 0, n * sizeof *grad);
    const double value = scale * s->run(w);
    for (size_t i = 0; i < n; i++) w->grad[i] *= scale;
    return agree(w, s->label, value, wanted, grad);
}

static bool all_agree(work *w) {
    double *grad = bench_numbers(w->what->params);
    bool    good = true;
    for (size_t s = 0; s < SIDES; s++) good &= side_agrees(w, &sides[s], grad);
    free(grad);
    return good;
}

/* ---- time ------------------------------------------------------------------------------------ */

/* Seconds of one run, of as many as fill a millisecond; `repeats` is found by the first call,
 * which warms up. */
static double timed(work *w, const side *s, size_t *repeats) {
    volatile double sink; /* else what nobody reads is not computed */
    if (*repeats == 0) {
        const double t0 = bench_now();
        sink = s->run(w);
        *repeats = (size_t)fmin(1 + 1e-3 / (bench_now() - t0), 1000);
    }
    const double t0 = bench_now();
    for (size_t i = 0; i < *repeats; i++) sink = s->run(w);
    (void)sink;
    return (bench_now() - t0) / (double)*repeats / (s->rows ? (double)w->what->many : 1);
}

static void print_side(const side *s, double t[SIDES][RUNS], double ratio[RUNS]) {
    double sorted[RUNS];
    memcpy(sorted, t[s - sides], sizeof sorted);
    bench_row(s->label, RUNS, sorted, s->rows ? 1e9 : 1e6, s->rows ? "ns" : "us");
    if (s->ratio) bench_row(s->ratio, RUNS, ratio, 1, "");
}

static void time_sides(work *w) {
    double t[SIDES][RUNS], ratio[RUNS];
    size_t repeats[SIDES] = {0};
    for (size_t s = 0; s < SIDES; s++) timed(w, &sides[s], &repeats[s]);
    for (size_t i = 0; i < RUNS; i++)
        for (size_t s = 0; s < SIDES; s++) t[s][i] = timed(w, &sides[s], &repeats[s]);
    for (size_t s = 0; s < SIDES; s++) {
        for (size_t i = 0; i < RUNS; i++) ratio[i] = t[s][i] / t[sides[s].beside][i];
        print_side(&sides[s], t, ratio);
    }
}

/* ---- cold ------------------------------------------------------------------------------------ */

/* What a child does: its first gradient, by hand or on a tape that it makes, and the seconds on
 * stdout. */
static int first_gradient(work *w, const char *way) {
    const bool   tape = strcmp(way, "tape") == 0;
    const double t0 = bench_now();
    if (tape) w->tape = ad_tape_new(), w->start = ad_tape_mark(w->tape);
    const double value = tape ? on_tape(w) : by_hand(w);
    printf("%.9f %.17g\n", bench_now() - t0, value);
    return ad_tape_status(w->tape) != AD_OK && tape;
}

/* This program again, its first gradient and nothing else, its output to `out`. */
static pid_t begin_child(const char *name, const char *way, int out) {
    const pid_t pid = fork();
    if (pid != 0) return pid;
    dup2(out, STDOUT_FILENO);
    execl("/proc/self/exe", "bench-templates", "--cold", name, way, (char *)NULL);
    _exit(127);
}

/* Seconds and value from a new process; NaN when it failed. */
static double child(const work *w, const char *way, double *value) {
    int    end[2];
    char   text[80] = "";
    double seconds = NAN;
    if (pipe(end) != 0) return NAN;
    const pid_t pid = begin_child(w->what->name, way, end[1]);
    close(end[1]);
    const ssize_t n = pid > 0 ? read(end[0], text, sizeof text - 1) : 0;
    close(end[0]);
    int status = 1;
    if (pid > 0) waitpid(pid, &status, 0);
    return n > 0 && status == 0 && sscanf(text, "%lf %lf", &seconds, value) == 2 ? seconds : NAN;
}

/* One child of each kind; false, and a sentence, when they cannot be compared. */
static bool time_children(work *w, double *by_hand_seconds, double *tape_seconds) {
    double hand = 0, tape = 0;
    *by_hand_seconds = child(w, "hand", &hand);
    *tape_seconds = child(w, "tape", &tape);
    const bool ran = *by_hand_seconds > 0 && *tape_seconds > 0;
    if (ran && fabs(hand - tape) <= tolerance * fabs(hand)) return true;
    if (ran) printf("%s, cold: %.17g, by hand %.17g\n", w->what->name, tape, hand);
    else printf("%s: a new process could not be run, or failed\n", w->what->name);
    return false;
}

static bool time_cold(work *w) {
    double hand[CHILDREN], tape[CHILDREN], ratio[CHILDREN];
    for (size_t i = 0; i < CHILDREN; i++) {
        if (!time_children(w, &hand[i], &tape[i])) return false;
        ratio[i] = tape[i] / hand[i];
    }
    bench_row("by hand, cold", CHILDREN, hand, 1e6, "us");
    bench_row("tape, cold", CHILDREN, tape, 1e6, "us");
    bench_row("tape, cold: ratio", CHILDREN, ratio, 1, "");
    return true;
}

/* ---- all of it ------------------------------------------------------------------------------- */

static work begun(const problem *what) {
    const size_t rows = what->many > what->rows ? what->many : what->rows;
    const size_t numbers = rows * what->inputs;
    work         w = {.what = what,
                      .param = bench_numbers(what->params),
                      .grad = bench_numbers(what->params),
                      .data = bench_numbers(numbers)};
    uint64_t     seed = 15;
    for (size_t i = 0; i < what->params; i++)
        w.param[i] = bench_uniform(&seed, what->low, what->high);
    for (size_t i = 0; i < numbers; i++)
        w.data[i] = bench_uniform(&seed, what->data_low, what->data_high);
    return w;
}

static void ended(work *w) {
    ad_tape_free(w->tape);
    ad_program_free(w->one_row), ad_program_free(w->of_rows);
    free(w->param), free(w->data), free(w->grad);
}

static int measured(work *w) {
    const problem *what = w->what;
    w->tape = ad_tape_new(), w->start = ad_tape_mark(w->tape);
    w->one_row = what->one_row(w->param, what->rows, w->data);
    w->of_rows = what->of_rows(w->param, w->data);
    if (!w->one_row || !w->of_rows || !all_agree(w)) return 1;
    printf("%s: %zu parameters, data %zu x %zu\n", what->title, what->params, what->rows,
           what->inputs);
    printf("  %-24s %9s %9s %9s  (%d runs, alternating; %d new processes)\n", "", "min", "median",
           "max", RUNS, CHILDREN);
    time_sides(w);
    const bool good = time_cold(w);
    printf("  %-24s %9s %9zu  nodes\n\n", "length of the tape", "", ad_tape_length(w->tape));
    fflush(stdout);
    return !good || ad_tape_status(w->tape) != AD_OK;
}

static const problem *named(const char *name) {
    for (size_t i = 0; i < PROBLEMS; i++)
        if (strcmp(problems[i].name, name) == 0) return &problems[i];
    fprintf(stderr, "bench-templates: no function is called %s; there are", name);
    for (size_t i = 0; i < PROBLEMS; i++) fprintf(stderr, " %s", problems[i].name);
    fprintf(stderr, "\n");
    exit(2);
}

static int run(const problem *what, const char *cold) {
    work      w = begun(what);
    const int failed = cold ? first_gradient(&w, cold) : measured(&w);
    ended(&w);
    return failed;
}

int main(int arguments, char *argument[]) {
    int failed = 0;
    bench_threads(1);
    if (arguments == 4 && strcmp(argument[1], "--cold") == 0)
        return run(named(argument[2]), argument[3]);
#ifndef __AVX512F__
    printf("Without AVX-512 the hand-written sides are slower than they need be: ratios are too "
           "good.\n\n");
#endif
    for (int i = 1; i < arguments; i++) failed |= run(named(argument[i]), NULL);
    for (size_t i = 0; arguments == 1 && i < PROBLEMS; i++) failed |= run(&problems[i], NULL);
    return failed;
}
