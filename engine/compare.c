/* compare.c - the derivatives that a backward pass ends with, held against differences of replayed values; see
 * compare.h. The differences know nothing of rules nor of passes, so they notice what is wrong with either. */
#include "compare.h"

#include "probe.h"

#include <stdlib.h>

/* Replays that the comparison may take, in nodes. */
#define MOST_CHECKING 5e7

static bool is_input(const ad_tape *tape, const ad__pass *pass, uint32_t node) {
    return pass->used[node] && tape->code[node] == AD__input;
}

static ad__compared compare(ad_tape *tape, const ad__pass *pass, uint32_t node, double *worst) {
    double slope = 0, error = 0;
    if (!ad__difference(ad__handle_of(tape, pass->last), ad__handle_of(tape, node), &slope, &error))
        return (ad__compared){node, NAN, true, false};
    const double claimed = pass->adjoint[node], gap = fabs(slope - claimed), size = fmax(fabs(slope), fabs(claimed));
    const bool   agrees = gap <= 10*error + 1e-9*size;
    if (agrees) *worst = fmax(*worst, size > 1 ? gap/size : gap);
    return (ad__compared){node, slope, false, agrees};
}

bool ad__compare_make(ad_tape *tape, const ad__pass *pass, bool wanted, ad__comparison *c) {
    *c = (ad__comparison){0};
    for (uint32_t i = 0; i <= pass->last; i++) c->inputs += is_input(tape, pass, i);
    c->checked = wanted && (double)c->inputs*(double)tape->length*40 <= MOST_CHECKING;
    c->input = calloc(c->inputs + 1, sizeof *c->input);
    if (c->input == NULL) {
        ad__fail(tape, AD_NO_MEMORY, "out of memory: no space to compare %zu derivatives", c->inputs);
        return false;
    }
    size_t k = 0;
    for (uint32_t i = 0; i <= pass->last; i++) {
        if (!is_input(tape, pass, i)) continue;
        c->harmed += ad__is_wrong(pass, i);
        const ad__compared one = c->checked ? compare(tape, pass, i, &c->worst) : (ad__compared){i, NAN, true, false};
        c->open += one.open, c->agree += one.agrees;
        c->input[k++] = one;
    }
    return true;
}

void ad__compare_free(ad__comparison *c) {
    free(c->input);
}

bool ad__compare_bug(ad_tape *tape, const ad__traced *t, bool wanted, ad__comparison **c) {
    *c = NULL;
    if (t->right == NULL) return true;
    *c = calloc(t->n, sizeof **c);
    if (*c == NULL) {
        ad__fail(tape, AD_NO_MEMORY, "out of memory: no space to compare the derivatives of %zu results", t->n);
        return false;
    }
    for (size_t i = 0; i < t->n; i++)
        if (!ad__compare_make(tape, &t->pass[i], wanted, &(*c)[i])) return false;
    return true;
}

void ad__compare_bug_free(size_t n, ad__comparison c[]) {
    for (size_t i = 0; c != NULL && i < n; i++) ad__compare_free(&c[i]);
    free(c);
}

/* What the differences that were formed say of the bug. */
static const char *of_the_bug(const ad__comparison *c, ad_bug bug) {
    if (bug == AD_BUG_NONE) return "";
    return c->harmed == 0 ? ": in this graph the bug makes no difference"
                          : "; just where the bug makes a difference there are none";
}

void ad__compare_said(const ad__comparison *c, ad_bug bug, char text[AD__CONCLUSION]) {
    const size_t wrong = c->inputs - c->agree - c->open;
    if (!c->checked)
        snprintf(text, AD__CONCLUSION, "left out: too many replays for a graph of this size");
    else if (c->inputs == 0)
        snprintf(text, AD__CONCLUSION, "nothing to check: no input leads here");
    else if (wrong > 0)
        snprintf(text, AD__CONCLUSION, "%zu of %zu DISAGREE with differences: %s", wrong, c->inputs,
                 c->harmed > 0 ? ad__bug_lesson(bug) : "a kink, a jump, or a wrong rule");
    else if (c->agree > 0)
        snprintf(text, AD__CONCLUSION, "%zu of %zu agree with differences to %.0e%s%s", c->agree, c->inputs,
                 fmax(c->worst, 1e-16), c->open > 0 ? ", for the others none could be formed" : "", of_the_bug(c, bug));
    else
        snprintf(text, AD__CONCLUSION, "no differences could be formed here: a kink, a jump or the edge of the domain");
}
