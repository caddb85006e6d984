/* loss.c - losses of one example, and what its outputs say. */
#include "nn.h"

#include <math.h>

/* -log softmax(logits)[label], without the overflow of exp and the underflow of log. */
ad_var nn_cross_entropy(size_t classes, const ad_var logits[], ad_var label) {
    return ad_sub(ad_logsumexp(classes, logits), ad_pick(label, classes, logits));
}

ad_var nn_mse(size_t n, const ad_var prediction[], const ad_var target[]) {
    if (n == 0) return ad_num(0);
    ad_var total = ad_num(0);
    for (size_t i = 0; i < n; i++) {
        const ad_var error = ad_sub(prediction[i], target[i]), square = ad_mul(error, error);
        total = i == 0 ? square : ad_add(total, square);
    }
    return ad_div(total, ad_num((double)n));
}

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
