/* loss.c - losses of one example, and the prediction in its outputs. */
#include "nn.h"

#include <math.h>

enum { ROOM = 256 }; /* handles per chunk: a loss does not allocate */

/* The logits relative to that of the label, so that a common offset cancels before anything is
 * rounded; relative to 0 if the label's logit is infinite. */
typedef struct relative {
    ad_var finite, label; /* finite: is the label's logit; label: that logit */
    ad_var total, sum;    /* logsumexp and, if asked for, sum of all */
} relative;

/* finite: infinity minus itself is NaN, which is not less than 1. */
static relative relative_to_label(size_t n, const ad_var logits[], ad_var label, bool summed) {
    const ad_var own = ad_pick(label, n, logits), finite = ad_less(ad_sub(own, own), ad_num(1));
    const ad_var from = ad_where(finite, own, ad_num(0));
    relative     r = {finite, ad_sub(own, from), ad_num(-INFINITY), ad_num(0)};
    ad_var       x[ROOM + 1];
    for (size_t first = 0, m; first < n; first += m) {
        m = n - first < ROOM ? n - first : ROOM;
        const size_t more = first > 0; /* 1: also the result of earlier chunks */
        for (size_t i = 0; i < m; i++) x[i + 1] = ad_sub(logits[first + i], from);
        x[0] = r.sum;
        if (summed) r.sum = ad_sum(m + more, x + 1 - more);
        x[0] = r.total;
        r.total = ad_logsumexp(m + more, x + 1 - more);
    }
    return r;
}

/* -log softmax(logits)[label], without overflow in exp or underflow in log. */
ad_var nn_cross_entropy(size_t classes, const ad_var logits[], ad_var label) {
    const relative r = relative_to_label(classes, logits, label, false);
    return ad_sub(r.total, r.label);
}

/* (1 - e)*(lse - z[label]) + e/K*sum of (lse - z[k]), combined. A smoothing out of range gives a
 * plain NaN, which puts no error on a tape. */
ad_var nn_cross_entropy_smooth(size_t classes, const ad_var logits[], ad_var label,
                               double smoothing) {
    if (!(smoothing >= 0 && smoothing <= 1)) return ad_num(NAN);
    if (smoothing == 0) return nn_cross_entropy(classes, logits, label);
    const relative r = relative_to_label(classes, logits, label, true);
    const ad_var   others = ad_mul(ad_num(smoothing / (double)classes), r.sum);
    const ad_var   truth = smoothing == 1 ? ad_num(0) : ad_mul(ad_num(1 - smoothing), r.label);
    /* Another logit is infinite. */
    const ad_var   beaten = ad_both(r.finite, ad_equal(r.total, ad_num(INFINITY)));
    return ad_where(beaten, r.total, ad_sub(r.total, ad_add(truth, others)));
}

ad_var nn_correct(size_t classes, const ad_var logits[], ad_var label) {
    if (classes == 0) return ad_num(0);
    ad_var largest = logits[0];
    for (size_t i = 1; i < classes; i++) largest = ad_max(largest, logits[i]);
    return ad_less_equal(largest, ad_pick(label, classes, logits));
}

/* ---- one output, and all of them ------------------------------------------------------------- */

typedef ad_var term(ad_var x, ad_var target, double delta);

static ad_var squared(ad_var x, ad_var target, double delta) {
    (void)delta;
    const ad_var error = ad_sub(x, target);
    return ad_mul(error, error);
}

static ad_var absolute(ad_var x, ad_var target, double delta) {
    (void)delta;
    return ad_abs(ad_sub(x, target));
}

/* m*(e - m/2) with m = min(e, delta) covers both branches, and so does its derivative; an infinite
 * delta is never reached. */
static ad_var huber(ad_var x, ad_var target, double delta) {
    if (isinf(delta)) return ad_mul(ad_num(0.5), squared(x, target, 0));
    const ad_var error = ad_abs(ad_sub(x, target)), m = ad_min(error, ad_num(delta));
    return ad_mul(m, ad_sub(error, ad_mul(ad_num(0.5), m)));
}

/* softplus(x) - target*x as a sum of two nonnegative terms, so that nothing cancels. At an infinite
 * x ad_scale drops a term of weight 0, where a product would be NaN; elsewhere products are used,
 * which are differentiable in the target. */
static ad_var logistic(ad_var x, ad_var target, double delta) {
    (void)delta;
    const ad_var finite = ad_less(ad_sub(x, x), ad_num(1)), other = ad_sub(ad_num(1), target);
    const ad_var one = ad_softplus(ad_neg(x)), zero = ad_softplus(x);
    return ad_where(finite, ad_add(ad_mul(target, one), ad_mul(other, zero)),
                    ad_add(ad_scale(target, one), ad_scale(other, zero)));
}

static ad_var hinge(ad_var x, ad_var target, double delta) {
    (void)delta;
    return ad_relu(ad_sub(ad_num(1), ad_mul(target, x)));
}

static ad_var sum_of(term *f, size_t n, const ad_var x[], const ad_var target[], double delta) {
    ad_var total = ad_num(0);
    for (size_t i = 0; i < n; i++) {
        const ad_var one = f(x[i], target[i], delta);
        total = i == 0 ? one : ad_add(total, one);
    }
    return total;
}

static ad_var mean_of(term *f, size_t n, const ad_var x[], const ad_var target[], double delta) {
    return n == 0 ? ad_num(0) : ad_div(sum_of(f, n, x, target, delta), ad_num((double)n));
}

ad_var nn_mse(size_t n, const ad_var prediction[], const ad_var target[]) {
    return mean_of(squared, n, prediction, target, 0);
}

ad_var nn_mse_sum(size_t n, const ad_var prediction[], const ad_var target[]) {
    return sum_of(squared, n, prediction, target, 0);
}

ad_var nn_mae(size_t n, const ad_var prediction[], const ad_var target[]) {
    return mean_of(absolute, n, prediction, target, 0);
}

ad_var nn_mae_sum(size_t n, const ad_var prediction[], const ad_var target[]) {
    return sum_of(absolute, n, prediction, target, 0);
}

ad_var nn_huber(size_t n, const ad_var prediction[], const ad_var target[], double delta) {
    return !(delta >= 0) ? ad_num(NAN) : mean_of(huber, n, prediction, target, delta);
}

ad_var nn_huber_sum(size_t n, const ad_var prediction[], const ad_var target[], double delta) {
    return !(delta >= 0) ? ad_num(NAN) : sum_of(huber, n, prediction, target, delta);
}

ad_var nn_bce(size_t n, const ad_var logit[], const ad_var target[]) {
    return mean_of(logistic, n, logit, target, 0);
}

ad_var nn_bce_sum(size_t n, const ad_var logit[], const ad_var target[]) {
    return sum_of(logistic, n, logit, target, 0);
}

ad_var nn_hinge(size_t n, const ad_var score[], const ad_var target[]) {
    return mean_of(hinge, n, score, target, 0);
}

ad_var nn_hinge_sum(size_t n, const ad_var score[], const ad_var target[]) {
    return sum_of(hinge, n, score, target, 0);
}

/* ---- predictions ----------------------------------------------------------------------------- */

size_t nn_argmax(size_t n, const ad_var x[]) {
    size_t best = 0;
    double largest = -INFINITY;
    for (size_t i = 0; i < n; i++) {
        const double value = ad_value(x[i]);
        if (value > largest) largest = value, best = i;
    }
    return best;
}

void nn_softmax(size_t n, const ad_var logits[], double probability[]) {
    if (n == 0) return;
    const double largest = ad_value(logits[nn_argmax(n, logits)]);
    double       total = 0;
    for (size_t i = 0; i < n; i++) total += probability[i] = exp(ad_value(logits[i]) - largest);
    for (size_t i = 0; i < n; i++) probability[i] /= total;
}
