/* loss.c - losses of one example, and what its outputs say. */
#include "nn.h"

#include <math.h>

/* -log softmax(logits)[label], without the overflow of exp and the underflow of log. */
ad_var nn_cross_entropy(size_t classes, const ad_var logits[], ad_var label) {
    return ad_sub(ad_logsumexp(classes, logits), ad_pick(label, classes, logits));
}

/* (1 - e)*(lse - z[label]) + e/K*sum of (lse - z[k]), put together; a plain number takes no tape's error. */
ad_var nn_cross_entropy_smooth(size_t classes, const ad_var logits[], ad_var label, double smoothing) {
    if (!(smoothing >= 0 && smoothing <= 1)) return ad_num(NAN);
    const ad_var truth = ad_mul(ad_num(1 - smoothing), ad_pick(label, classes, logits));
    const ad_var others = ad_mul(ad_num(smoothing/(double)classes), ad_sum(classes, logits));
    return ad_sub(ad_logsumexp(classes, logits), ad_add(truth, others));
}

ad_var nn_correct(size_t classes, const ad_var logits[], ad_var label) {
    if (classes == 0) return ad_num(0);
    ad_var largest = logits[0];
    for (size_t i = 1; i < classes; i++) largest = ad_max(largest, logits[i]);
    return ad_less_equal(largest, ad_pick(label, classes, logits));
}

/* ---- one output, and all of them -------------------------------------------------------------- */

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

/* m*(e - m/2) with m = min(e, delta) is both branches in one, and so is its derivative. */
static ad_var huber(ad_var x, ad_var target, double delta) {
    const ad_var error = ad_abs(ad_sub(x, target)), m = ad_min(error, ad_num(delta));
    return ad_mul(m, ad_sub(error, ad_mul(ad_num(0.5), m)));
}

static ad_var logistic(ad_var x, ad_var target, double delta) {
    (void)delta;
    return ad_sub(ad_softplus(x), ad_mul(target, x));
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
    return mean_of(huber, n, prediction, target, delta);
}

ad_var nn_huber_sum(size_t n, const ad_var prediction[], const ad_var target[], double delta) {
    return sum_of(huber, n, prediction, target, delta);
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

/* ---- what the outputs say --------------------------------------------------------------------- */

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
