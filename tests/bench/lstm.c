/* lstm.c - the LSTM of ADBench and GradBench: 2 layers, 1024 characters of 14 bits, gates with diagonal
 * weights; the loss over the whole text and its gradient, one row: recorded once, replayed at new weights.
 *
 *     forget = sigmoid(x*w_f + b_f)   ingate = sigmoid(h*w_i + b_i)   outgate = sigmoid(x*w_o + b_o)
 *     change = tanh(h*w_c + b_c)      c' = c*forget + ingate*change   h' = outgate*tanh(c')
 *
 * x is the character times in_weight for the first layer, h' of the layer below for others. The prediction p =
 * h'*out_weight + out_bias is held against the next character y: the loss is the mean over all bits of
 * -y*(p - log(2 + sum(exp(p)))). By hand: what a step needs again is kept, the adjoint walks back. Tapir's
 * program has the text among its parameters, so that it serves any text, and gives its gradient too. */
#include "bench.h"

#include <string.h>

enum { LAYERS = 2, CHARACTERS = 1024, D = 14, GATES = 4, STEPS = CHARACTERS - 1 };
enum { MAIN = LAYERS*2*GATES*D, EXTRA = 3*D, STATE = LAYERS*2*D, WEIGHTS = MAIN + EXTRA + STATE,
       PARAMS = WEIGHTS + CHARACTERS*D };

/* What a step of a layer keeps. */
typedef struct kept {
    double x[D], h[D], c[D], forget[D], ingate[D], outgate[D], change[D], squashed[D];
} kept;

typedef struct work {
    ad_program *program;
    double *param, *by_hand, *by_tapir, grad[PARAMS];
    kept (*step)[LAYERS];
    double (*top)[D], (*share)[D], (*up)[D];       /* by step: h' of the last layer; exp(p)/(2 + sum); d loss/d p */
} work;

/* Parameters: for each layer 4 x D weights, 4 x D biases; in_weight, out_weight, out_bias; for each layer h, c; text. */
static const double *weights_of(const double *param, int l) { return param + l*2*GATES*D; }

static double sigmoid(double x) {
    return 1/(1 + exp(-x));
}

static void layer_forward(const double *w, kept *k, double h[D], double c[D]) {
    const double *b = w + GATES*D;
    for (int i = 0; i < D; i++) {
        k->h[i] = h[i], k->c[i] = c[i];
        k->forget[i] = sigmoid(k->x[i]*w[i] + b[i]);
        k->ingate[i] = sigmoid(h[i]*w[D + i] + b[D + i]);
        k->outgate[i] = sigmoid(k->x[i]*w[2*D + i] + b[2*D + i]);
        k->change[i] = tanh(h[i]*w[3*D + i] + b[3*D + i]);
        c[i] = c[i]*k->forget[i] + k->ingate[i]*k->change[i];
        k->squashed[i] = tanh(c[i]);
        h[i] = k->outgate[i]*k->squashed[i];
    }
}

/* In: dh, dc of h', c'. Out: those of h, c, and dx. */
static void layer_reverse(const double *w, const kept *k, double *gw, double dx[D], double dh[D], double dc[D]) {
    double *gb = gw + GATES*D;
    for (int i = 0; i < D; i++) {
        const double c = dc[i] + dh[i]*k->outgate[i]*(1 - k->squashed[i]*k->squashed[i]);
        const double o = dh[i]*k->squashed[i]*k->outgate[i]*(1 - k->outgate[i]);
        const double f = c*k->c[i]*k->forget[i]*(1 - k->forget[i]);
        const double n = c*k->change[i]*k->ingate[i]*(1 - k->ingate[i]);
        const double g = c*k->ingate[i]*(1 - k->change[i]*k->change[i]);
        gw[i] += f*k->x[i], gb[i] += f;
        gw[D + i] += n*k->h[i], gb[D + i] += n;
        gw[2*D + i] += o*k->x[i], gb[2*D + i] += o;
        gw[3*D + i] += g*k->h[i], gb[3*D + i] += g;
        dx[i] = f*w[i] + o*w[2*D + i];
        dh[i] = n*w[D + i] + g*w[3*D + i];
        dc[i] = c*k->forget[i];
    }
}

static double step_forward(work *w, int t, double state[LAYERS][2][D]) {
    const double *extra = w->param + MAIN, *x = w->param + WEIGHTS + t*D, *y = x + D;
    double p[D], total = 2, gain = 0;
    for (int i = 0; i < D; i++) w->step[t][0].x[i] = x[i]*extra[i];
    for (int l = 0; l < LAYERS; l++) {
        if (l > 0) memcpy(w->step[t][l].x, state[l - 1][0], sizeof state[0][0]);
        layer_forward(weights_of(w->param, l), &w->step[t][l], state[l][0], state[l][1]);
    }
    memcpy(w->top[t], state[LAYERS - 1][0], sizeof w->top[t]);
    for (int i = 0; i < D; i++) p[i] = w->top[t][i]*extra[D + i] + extra[2*D + i];
    for (int i = 0; i < D; i++) total += w->share[t][i] = exp(p[i]);
    for (int i = 0; i < D; i++) w->share[t][i] /= total;
    for (int i = 0; i < D; i++) gain += y[i]*(p[i] - log(total));
    return gain;
}

static void step_reverse(work *w, int t, double d[LAYERS][2][D], double grad[]) {
    const double *extra = w->param + MAIN, *x = w->param + WEIGHTS + t*D, *y = x + D;
    double ones = 0, dx[D];
    for (int i = 0; i < D; i++) ones += y[i];
    for (int i = 0; i < D; i++) {
        const double up = -(y[i] - ones*w->share[t][i])/(STEPS*D);
        grad[MAIN + D + i] += up*w->top[t][i];
        grad[MAIN + 2*D + i] += up;
        d[LAYERS - 1][0][i] += up*extra[D + i];
    }
    for (int l = LAYERS; l-- > 0;) {
        layer_reverse(weights_of(w->param, l), &w->step[t][l], grad + l*2*GATES*D, dx, d[l][0], d[l][1]);
        for (int i = 0; l > 0 && i < D; i++) d[l - 1][0][i] += dx[i];
    }
    for (int i = 0; i < D; i++) grad[MAIN + i] += dx[i]*x[i];
}

static double by_hand(void *context) {
    work *w = context;
    double state[LAYERS][2][D], d[LAYERS][2][D] = {0}, gain = 0;
    memcpy(state, w->param + MAIN + EXTRA, sizeof state);
    memset(w->by_hand, 0, WEIGHTS*sizeof *w->by_hand);
    for (int t = 0; t < STEPS; t++) gain += step_forward(w, t, state);
    for (int t = STEPS; t-- > 0;) step_reverse(w, t, d, w->by_hand);
    memcpy(w->by_hand + MAIN + EXTRA, d, sizeof d);
    return w->by_hand[WEIGHTS] = -gain/(STEPS*D);
}

static double by_tapir(void *context) {
    work *w = context;
    double loss = 0;
    const ad_status status = ad_program_gradient(w->program, w->param, 1, NULL, &loss, w->grad);
    memcpy(w->by_tapir, w->grad, WEIGHTS*sizeof *w->by_tapir);
    return w->by_tapir[WEIGHTS] = bench_result(w->program, status, loss);
}

static void record_layer(const ad_var *w, const ad_var x[D], ad_var h[D], ad_var c[D]) {
    const ad_var *b = w + GATES*D;
    ad_var forget[D], ingate[D], outgate[D], change[D];
    for (int i = 0; i < D; i++) {
        forget[i] = ad_sigmoid(ad_add(ad_mul(x[i], w[i]), b[i]));
        ingate[i] = ad_sigmoid(ad_add(ad_mul(h[i], w[D + i]), b[D + i]));
        outgate[i] = ad_sigmoid(ad_add(ad_mul(x[i], w[2*D + i]), b[2*D + i]));
        change[i] = ad_tanh(ad_add(ad_mul(h[i], w[3*D + i]), b[3*D + i]));
    }
    for (int i = 0; i < D; i++) c[i] = ad_add(ad_mul(c[i], forget[i]), ad_mul(ingate[i], change[i]));
    for (int i = 0; i < D; i++) h[i] = ad_mul(outgate[i], ad_tanh(c[i]));
}

static ad_var record_step(const ad_var *p, int t, ad_var state[LAYERS][2][D]) {
    const ad_var *extra = p + MAIN, *text = p + WEIGHTS + t*D;
    ad_var x[D], predicted[D], total = ad_num(2), gain = ad_num(0);
    for (int i = 0; i < D; i++) x[i] = ad_mul(text[i], extra[i]);
    for (int l = 0; l < LAYERS; l++)
        record_layer(p + l*2*GATES*D, l == 0 ? x : state[l - 1][0], state[l][0], state[l][1]);
    for (int i = 0; i < D; i++)
        predicted[i] = ad_add(ad_mul(state[LAYERS - 1][0][i], extra[D + i]), extra[2*D + i]);
    for (int i = 0; i < D; i++) total = ad_add(total, ad_exp(predicted[i]));
    const ad_var norm = ad_log(total);
    for (int i = 0; i < D; i++) gain = ad_add(gain, ad_mul(text[D + i], ad_sub(predicted[i], norm)));
    return gain;
}

static ad_program *compiled(const double param[], size_t *nodes) {
    ad_tape *tape = ad_tape_new();
    ad_var  *p = bench_leaves(tape, PARAMS, param), state[LAYERS][2][D], gain = ad_num(0);
    memcpy(state, p + MAIN + EXTRA, sizeof state);
    for (int t = 0; t < STEPS; t++) gain = ad_add(gain, record_step(p, t, state));
    const ad_var loss = ad_mul(gain, ad_num(-1.0/(STEPS*D)));
    ad_program  *program = bench_compile(tape, &(ad_interface){.params = PARAMS, .param = p, .outputs = 1, .output = &loss});
    *nodes = ad_tape_length(tape);
    free(p);
    ad_tape_free(tape);
    return program;
}

int main(void) {
    bench_threads(1);
    static work w;
    uint64_t seed = 9;
    size_t nodes;
    char title[120];
    w.param = bench_numbers(PARAMS), w.by_hand = bench_numbers(WEIGHTS + 1), w.by_tapir = bench_numbers(WEIGHTS + 1);
    w.step = malloc(STEPS*sizeof *w.step), w.top = malloc(STEPS*sizeof *w.top), w.share = malloc(STEPS*sizeof *w.share);
    if (!w.step || !w.top || !w.share) return 1;
    for (int i = 0; i < WEIGHTS; i++) w.param[i] = bench_uniform(&seed, -1, 1);
    for (int i = WEIGHTS; i < PARAMS; i++) w.param[i] = bench_uniform(&seed, 0, 2) < 1 ? 0 : 1;
    w.program = compiled(w.param, &nodes);
    snprintf(title, sizeof title, "LSTM, 2 layers, 1024 characters of 14 bits, one row (%zu nodes)", nodes);
    const int failed = bench_arrays(title, 2, by_hand, by_tapir, &w, WEIGHTS + 1, w.by_hand, w.by_tapir, 31, 1e3, "ms", 1e-9);
    ad_program_free(w.program);
    free(w.param), free(w.by_hand), free(w.by_tapir), free(w.step), free(w.top), free(w.share);
    return failed;
}
