/* compare.c - the derivatives that a backward pass ends with, compared with differences of replayed
 * values; see compare.h. The differences use neither rules nor passes, so they catch errors in
 * both. */
#include "check/compare.h"

#include "check/probe.h"
#include "tape/reduce.h"

#include <stdlib.h>

/* The most node evaluations that replays for a comparison may take. */
#define MOST_CHECKING 5e7

static bool is_input(const ad_tape *tape, const ad__pass *pass, uint32_t node) {
    return pass->used[node] && tape->code[node] == AD__input;
}

static bool within(double claimed, double slope, double error) {
    return fabs(slope - claimed) <= 10 * error + 1e-9 * fmax(fabs(slope), fabs(claimed));
}

/* right: the pass without the bug; NULL if there is none. */
static ad__compared compare(ad_tape *tape, const ad__pass *pass, const ad__pass *right,
                            uint32_t node, double *worst) {
    double slope = 0, error = 0;
    if (!ad__difference(ad__handle_of(tape, pass->last), ad__handle_of(tape, node), &slope, &error))
        return (ad__compared){.node = node, .difference = NAN, .open = true};
    const double claimed = pass->adjoint[node], gap = fabs(slope - claimed),
                 size = fmax(fabs(slope), fabs(claimed));
    const bool agrees = within(claimed, slope, error);
    if (agrees) *worst = fmax(*worst, size > 1 ? gap / size : gap);
    return (ad__compared){node, slope, false, agrees,
                          right != NULL && !within(right->adjoint[node], slope, error)};
}

bool ad__compare_make(ad_tape *tape, const ad__traced *t, size_t which, bool wanted,
                      ad__comparison *c) {
    const ad__pass *pass = &t->pass[which], *right = t->right == NULL ? NULL : &t->right[which];
    *c = (ad__comparison){.old = t->old, .value = tape->value[pass->last]};
    for (uint32_t i = 0; i <= pass->last; i++) c->inputs += is_input(tape, pass, i);
    c->checked =
        wanted && !t->old && (double)c->inputs * (double)tape->length * 40 <= MOST_CHECKING;
    c->input = calloc(c->inputs + 1, sizeof *c->input);
    if (c->input == NULL) {
        ad__fail(tape, AD_NO_MEMORY, "out of memory: no space to compare %zu derivatives",
                 c->inputs);
        return false;
    }
    size_t k = 0;
    for (uint32_t i = 0; i <= pass->last; i++) {
        if (!is_input(tape, pass, i)) continue;
        c->harmed += ad__is_wrong(pass, i);
        const ad__compared one = c->checked
                                   ? compare(tape, pass, right, i, &c->worst)
                                   : (ad__compared){.node = i, .difference = NAN, .open = true};
        c->open += one.open, c->agree += one.agrees, c->right_refuted += one.right_refuted;
        c->input[k++] = one;
    }
    return true;
}

void ad__compare_free(ad__comparison *c) {
    free(c->input);
}

/* ---- whether there may be something to report ------------------------------------------------ */

/* Is an operation that selects at its kink or jump, that is, does moving some operand to the next
 * number change its side? */
static bool on_a_kink(const ad_tape *tape, uint32_t node, ad__row_number row) {
    const size_t n = ad__edges(tape, node);
    const double x = ad__edge_of(tape, node, 0).value,
                 y = n > 1 ? ad__edge_of(tape, node, 1).value : 0;
    const double side = ad__row_side(row, x, y, ad__row_value(row, x, y));
    for (int k = 0; k < 4; k++) {
        const double to = k % 2 == 0 ? INFINITY : -INFINITY;
        const double a = k < 2 ? nextafter(x, to) : x, b = k < 2 ? y : nextafter(y, to);
        const double beside = ad__row_side(row, a, b, ad__row_value(row, a, b));
        if (beside != side && beside == beside) return true;
    }
    return false;
}

static bool may_be_wrong(const ad_tape *tape, const ad__pass *pass) {
    if (!isfinite(tape->value[pass->last])) return true;
    for (uint32_t i = 0; i <= pass->last; i++) {
        if (!pass->used[i]) continue;
        const ad__row_number row = ad__code_row(tape->code[i]);
        if (tape->code[i] == AD__custom || !isfinite(pass->adjoint[i])) return true;
        if (row < AD__ROWS ? ad__row_selects(row) && on_a_kink(tape, i, row)
                           : ad__fold_at_tip(tape, i))
            return true;
    }
    return false;
}

/* True if some input may be wrong: contradicted, or without a difference. */
static bool tells(const ad__comparison *c) {
    return c->checked && c->agree < c->inputs;
}

static bool make_all(ad_tape *tape, const ad__traced *t, bool wanted, ad__comparison c[],
                     bool *something) {
    for (size_t i = 0; i < t->n; i++) {
        if (!ad__compare_make(tape, t, i, wanted, &c[i])) return false;
        *something |= tells(&c[i]);
    }
    return true;
}

bool ad__compare_all(ad_tape *tape, const ad__traced *t, bool wanted, ad__comparison **c) {
    bool something = t->bug != AD_BUG_NONE, look = something;
    *c = NULL;
    for (size_t i = 0; i < t->n && !look && wanted && !t->old; i++)
        look = may_be_wrong(tape, &t->pass[i]);
    if (!look) return true;
    *c = calloc(t->n, sizeof **c);
    if (*c == NULL) {
        ad__fail(tape, AD_NO_MEMORY,
                 "out of memory: no space to compare the derivatives of %zu results", t->n);
        return false;
    }
    if (!make_all(tape, t, wanted, *c, &something)) return false;
    if (something) return true;
    ad__compare_all_free(t->n, *c);
    *c = NULL;
    return true;
}

void ad__compare_all_free(size_t n, ad__comparison c[]) {
    for (size_t i = 0; c != NULL && i < n; i++) ad__compare_free(&c[i]);
    free(c);
}

/* ---- in words -------------------------------------------------------------------------------- */

/* What the differences that could be formed say about the bug. */
static const char *of_the_bug(const ad__comparison *c, ad_bug bug) {
    if (bug == AD_BUG_NONE) return "";
    return c->harmed == 0 ? ": in this graph the bug makes no difference"
                          : "; just where the bug makes a difference there are none";
}

void ad__compare_said(const ad__comparison *c, ad_bug bug, char text[AD__CONCLUSION]) {
    const size_t wrong = c->inputs - c->agree - c->open;
    if (c->old) snprintf(text, AD__CONCLUSION, "left out: " AD__OLD_VALUES);
    else if (!c->checked)
        snprintf(text, AD__CONCLUSION, "left out: too many replays for a graph of this size");
    else if (c->inputs == 0)
        snprintf(text, AD__CONCLUSION, "nothing to check: no input leads here");
    else if (wrong > 0)
        snprintf(text, AD__CONCLUSION, "%zu of %zu DISAGREE with differences: %s", wrong, c->inputs,
                 c->harmed > 0 ? ad__bug_lesson(bug) : "a kink, a jump, or a wrong rule");
    else if (c->agree > 0)
        snprintf(text, AD__CONCLUSION, "%zu of %zu agree with differences to %.0e%s%s", c->agree,
                 c->inputs, fmax(c->worst, 1e-16),
                 c->open > 0 ? ", for the others none could be formed" : "", of_the_bug(c, bug));
    else if (!isfinite(c->value))
        snprintf(text, AD__CONCLUSION, "no differences could be formed here: the result is %.6g",
                 ad__tidy(c->value));
    else
        snprintf(text, AD__CONCLUSION,
                 "no differences could be formed here: a kink, a jump or the edge of the domain");
}
