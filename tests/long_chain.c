/* long_chain.c - ten million nodes in a row, 2^60 paths through sixty, and a million steps. A plain
 * program: what it watches belongs to the whole process.
 *
 * Nothing may recurse over the graph or follow its paths, and nothing may grow with the number of
 * steps. No clock says so here, but counts: the stack is cut to what a recursion over a thousandth
 * of the nodes would burst; sin and cos are this file's own and count how often the engine asks for
 * them; ad_tape_bytes is compared to the byte. Were a sweep quadratic, or did it walk along paths,
 * the program would not end this year. */
#include "engine/ad.h"

#include <sys/resource.h>

enum { LONG = 10000000, STEPS = 1000000, STACK = 256 * 1024 };

static int failures;

static void check(bool good, const char *claim, double got) {
    if (good) return;
    failures++;
    printf("FAILED: %s (%.17g)\n", claim, got);
}

static void check_tape(ad_tape *tape) {
    check(ad_tape_status(tape) == AD_OK, ad_tape_message(tape), 0);
}

/* ---- counting -------------------------------------------------------------------------------- */

/* They stand in front of libm's: the value of ad_sin is asked for once a recording or replay of a
 * node, its derivative once a visit of the sweep. Identity and 1 keep all values exact. */
static size_t sines, cosines;

double sin(double x);
double cos(double x);

double sin(double x) {
    sines++;
    return x;
}

double cos(double x) {
    (void)x;
    cosines++;
    return 1;
}

static void expect_visits(size_t values, size_t slopes, const char *when) {
    check(sines == values, when, (double)sines);
    check(cosines == slopes, when, (double)cosines);
    sines = cosines = 0;
}

/* ---- claims ---------------------------------------------------------------------------------- */

/* y is 1 + n/4/2^30, doubled and halved between the additions; every fourth operation is a sine. */
static ad_var link(ad_var y, size_t i) {
    switch (i % 4) {
    case 0: return ad_add(y, ad_num(0x1p-30));
    case 1: return ad_mul(y, ad_num(2));
    case 2: return ad_mul(y, ad_num(0.5));
    default: return ad_sin(y);
    }
}

static void chain_is_walked_once_each_way(void) {
    ad_tape *tape = ad_tape_new();
    ad_var   x = ad_input(tape, 1), y = x;
    for (size_t i = 1; i < LONG; i++) y = link(y, i);
    expect_visits(LONG / 4, 0, "recording computes every node once");
    ad_replay(tape);
    expect_visits(LONG / 4, 0, "a replay computes every node once");
    ad_backward(y);
    expect_visits(0, LONG / 4, "a sweep visits every node once");
    check_tape(tape);
    check(ad_tape_length(tape) == LONG, "one node an operation", (double)ad_tape_length(tape));
    check(ad_value(y) == 1 + (LONG / 4 - 1) * 0x1p-30, "the value at the end of the chain",
          ad_value(y));
    check(ad_grad(x) == 1, "the derivative through the chain", ad_grad(x));
    ad_tape_free(tape);
}

static void paths_are_not_followed(void) {
    ad_tape *tape = ad_tape_new();
    ad_var   x = ad_input(tape, 1), y = x;
    for (int i = 0; i < 60; i++) {
        y = ad_sin(y);
        y = ad_add(y, y);
    }
    ad_replay(tape);
    expect_visits(2 * 60, 0, "x = x + x sixty times: each value is computed once");
    ad_backward(y);
    expect_visits(0, 60, "x = x + x sixty times: each node is visited once");
    check_tape(tape);
    check(ad_value(y) == 0x1p60, "x = x + x sixty times: value", ad_value(y));
    check(ad_grad(x) == 0x1p60, "x = x + x sixty times: derivative", ad_grad(x));
    ad_tape_free(tape);
}

/* Learn w in w*(x + i) + b = 2*(x + i), every step with numbers of its own, reductions and, at
 * times, a formula and names: all of it forgotten again. */
static void step(ad_tape *tape, const ad_var param[2], int i) {
    const ad_mark mark = ad_tape_mark(tape);
    const double  x = (i % 1000) * 1e-3, rate = 0.1;
    const ad_var  input[] = {ad_num(x), ad_num(1)};
    ad_var        error = ad_sub(ad_dot(2, param, input), ad_num(2 * x));
    if (i % 1024 == 0) {
        error = ad_formula(tape, e = error; e + 0 * logsumexp(param[0], 1.5), error, param[0]);
        ad_name(error, "error");
    }
    double grad[2];
    ad_gradient(ad_mul(error, error), 2, param, grad);
    ad_tape_rewind(tape, mark);
    for (int k = 0; k < 2; k++) ad_set(param[k], ad_value(param[k]) - rate * grad[k]);
}

static void million_steps_hold_memory_constant(void) {
    ad_tape     *tape = ad_tape_new();
    const ad_var param[] = {ad_input(tape, 0), ad_input(tape, 0)};
    for (int i = 0; i < 2; i++) step(tape, param, 0); /* warm */
    const size_t bytes = ad_tape_bytes(tape);
    for (int i = 0; i < STEPS; i++) step(tape, param, i);
    check_tape(tape);
    check(ad_tape_bytes(tape) == bytes, "bytes held after a million steps",
          (double)ad_tape_bytes(tape));
    check(ad_tape_length(tape) == 2, "nodes held after a million steps",
          (double)ad_tape_length(tape));
    const double off = ad_value(param[0]) - 2;
    check(off < 1e-9 && off > -1e-9, "the steps learned the slope", ad_value(param[0]));
    ad_tape_free(tape);
}

int main(void) {
    const struct rlimit limit = {STACK, STACK};
    check(setrlimit(RLIMIT_STACK, &limit) == 0, "the stack can be limited", 0);
    chain_is_walked_once_each_way();
    paths_are_not_followed();
    million_steps_hold_memory_constant();
    return failures != 0;
}
