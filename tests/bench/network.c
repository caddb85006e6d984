/* network.c - one example of a 64-64-32-10 tanh network with softmax cross-entropy: weights kept below
 * a mark, the example recorded with dot nodes, swept and forgotten. By hand: the same network in plain
 * C, forward and backward, as one would write it. */
#include "engine/ad.h"

#include "bench.h"

#include <string.h>

enum { LAYERS = 3, WIDEST = 64, CLASSES = 10, LABEL = 7, REPEATS = 200 };
static const int size[LAYERS + 1] = {64, 64, 32, CLASSES};

typedef struct work {
    ad_tape *tape;
    ad_mark  leaves;
    size_t   params;
    ad_var  *param;
    double  *weight, *grad;
    double   input[WIDEST];
} work;

static double checksum(const work *w, double loss) {
    double sum = loss;
    for (size_t i = 0; i < w->params; i++) sum += fabs(w->grad[i]);
    return sum;
}

/* out[j] = act(sum_i w[j][i] in[i] + b[j]); weights of a layer, then its biases. */
static const double *forward_layer(int n, int m, const double *w, const double in[], double out[], int last) {
    const double *b = w + m*n;
    for (int j = 0; j < m; j++) {
        double z = b[j];
        for (int i = 0; i < n; i++) z += w[j*n + i]*in[i];
        out[j] = last ? z : tanh(z);
    }
    return b + m;
}

static double by_hand_once(work *w) {
    double a[LAYERS + 1][WIDEST], d[2][WIDEST];
    const double *at[LAYERS + 1] = {w->weight};
    memcpy(a[0], w->input, sizeof w->input);
    for (int l = 0; l < LAYERS; l++)
        at[l + 1] = forward_layer(size[l], size[l + 1], at[l], a[l], a[l + 1], l == LAYERS - 1);
    double *z = a[LAYERS], largest = z[0], total = 0;
    for (int k = 1; k < CLASSES; k++) largest = fmax(largest, z[k]);
    for (int k = 0; k < CLASSES; k++) total += d[0][k] = exp(z[k] - largest);
    const double loss = largest + log(total) - z[LABEL];
    for (int k = 0; k < CLASSES; k++) d[0][k] = d[0][k]/total - (k == LABEL);
    for (int l = LAYERS; l-- > 0;) {
        const int n = size[l], m = size[l + 1];
        const double *weight = at[l];
        double *g = w->grad + (at[l] - w->weight), *up = d[(LAYERS - 1 - l)%2], *down = d[(LAYERS - l)%2];
        for (int i = 0; i < n; i++) down[i] = 0;
        for (int j = 0; j < m; j++) {
            for (int i = 0; i < n; i++) g[j*n + i] = up[j]*a[l][i];
            for (int i = 0; i < n; i++) down[i] += up[j]*weight[j*n + i];
            g[m*n + j] = up[j];
        }
        for (int i = 0; i < n; i++) down[i] *= 1 - a[l][i]*a[l][i];
    }
    return loss;
}

static double by_tape_once(work *w) {
    ad_tape_rewind(w->tape, w->leaves);
    ad_var a[WIDEST], z[WIDEST];
    const ad_var *p = w->param;
    for (int i = 0; i < size[0]; i++) a[i] = ad_num(w->input[i]);
    for (int l = 0; l < LAYERS; l++) {
        const size_t n = (size_t)size[l], m = (size_t)size[l + 1];
        for (size_t j = 0; j < m; j++) z[j] = ad_dot(n, p + j*n, a);
        for (size_t j = 0; j < m; j++) z[j] = ad_add(z[j], p[m*n + j]);
        for (size_t j = 0; j < m; j++) a[j] = l == LAYERS - 1 ? z[j] : ad_tanh(z[j]);
        p += m*n + m;
    }
    const ad_var loss = ad_sub(ad_logsumexp(CLASSES, a), a[LABEL]);
    ad_gradient(loss, w->params, w->param, w->grad);
    return ad_value(loss);
}

static double by_hand(void *context) {
    double loss = 0;
    for (int i = 0; i < REPEATS; i++) loss = by_hand_once(context);
    return checksum(context, loss);
}

static double by_tape(void *context) {
    double loss = 0;
    for (int i = 0; i < REPEATS; i++) loss = by_tape_once(context);
    return checksum(context, loss);
}

int main(void) {
    work w = {.tape = ad_tape_new()};
    for (int l = 0; l < LAYERS; l++) w.params += (size_t)(size[l]*size[l + 1] + size[l + 1]);
    w.param = malloc(w.params*sizeof *w.param);
    w.weight = malloc(w.params*sizeof *w.weight);
    w.grad = malloc(w.params*sizeof *w.grad);
    for (size_t i = 0; i < w.params; i++)
        w.param[i] = ad_input(w.tape, w.weight[i] = 0.2*sin(1.7*(double)i));
    for (int i = 0; i < WIDEST; i++) w.input[i] = i%17/16.0;
    w.leaves = ad_tape_mark(w.tape);
    const int failed = bench_pair("64-64-32-10 tanh, cross-entropy, one example with its gradient", 2.5, by_hand,
                                  by_tape, &w, 31, 1e6/REPEATS, "us", 1e-9);
    const int bad = ad_tape_status(w.tape) != AD_OK;
    ad_tape_free(w.tape);
    free(w.param), free(w.weight), free(w.grad);
    return failed || bad;
}
