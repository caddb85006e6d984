/* lstm.c - the LSTM of ADBench and GradBench: 2 layers, 1024 characters of 14 bits, gates with
 * diagonal weights; the loss over the whole text and its gradient, one row: recorded once, replayed
 * at new weights.
 *
 *     forget  = sigmoid(x*w_f + b_f)   change = tanh(h*w_c + b_c)
 *     ingate  = sigmoid(h*w_i + b_i)   c' = c*forget + ingate*change
 *     outgate = sigmoid(x*w_o + b_o)   h' = outgate*tanh(c')
 *
 * x is the character times in_weight for the first layer, h' of the layer below for others. The
 * prediction p = h'*out_weight + out_bias is held against the next character y: the loss is the
 * mean over all bits of -y*(p - log(2 + sum(exp(p)))). By hand: 64 steps of a layer at a time; what
 * needs no state, two of the gates and all of the loss, is computed for all of them before and
 * after their chain. What a step needs again is kept, and the adjoint walks back, layer by layer. A
 * row of 14 numbers has two of zeros behind it. Tapir's program has the text among its parameters,
 * so that it serves any text, and gives its gradient too. */
#include "bench.h"
#include "hand.h"

#include <string.h>

enum { LAYERS = 2, CHARACTERS = 1024, D = 14, GATES = 4, STEPS = CHARACTERS - 1 };
enum {
    MAIN = LAYERS * 2 * GATES * D,
    EXTRA = 3 * D,
    STATE = LAYERS * 2 * D,
    WEIGHTS = MAIN + EXTRA + STATE,
    PARAMS = WEIGHTS + CHARACTERS * D
};

enum { WIDE = 16, BLOCK = 64 }; /* numbers in a row; steps at a time */

/* What is the same for the D units of a layer, for each gate. */
typedef struct padded {
    _Alignas(64) double w[GATES][WIDE], b[GATES][WIDE];
} padded;

/* What a layer keeps, by step; h and c of before the step. */
typedef struct layer {
    _Alignas(64) double forget[STEPS][WIDE], ingate[STEPS][WIDE], outgate[STEPS][WIDE],
        change[STEPS][WIDE], squashed[STEPS][WIDE], h[CHARACTERS][WIDE], c[CHARACTERS][WIDE];
    padded weights, grad;
} layer;

typedef struct work {
    ad_program *program;
    double     *param, *by_hand, *by_tapir, grad[PARAMS];
    layer       layer[LAYERS];
    /* up: the adjoints of what a layer gives */
    _Alignas(64) double text[CHARACTERS][WIDE], x[STEPS][WIDE], up[STEPS][WIDE];
    _Alignas(64) double extra[3][WIDE], extra_grad[3][WIDE];
} work;

/* Parameters: for each layer 4 x D weights, 4 x D biases; in_weight, out_weight, out_bias; for each
 * layer h, c; text. */
static void pad(int rows, const double *from, double (*to)[WIDE]) {
    for (int r = 0; r < rows; r++) memcpy(to[r], from + r * D, D * sizeof *from);
}

static void unpad(int rows, double (*from)[WIDE], double *to) {
    for (int r = 0; r < rows; r++) memcpy(to + r * D, from[r], D * sizeof *to);
}

static void begin(work *w) {
    const double *extra = w->param + MAIN, *state = extra + EXTRA;
    for (int l = 0; l < LAYERS; l++) {
        pad(GATES, w->param + l * 2 * GATES * D, w->layer[l].weights.w);
        pad(GATES, w->param + l * 2 * GATES * D + GATES * D, w->layer[l].weights.b);
        pad(1, state + l * 2 * D, w->layer[l].h), pad(1, state + l * 2 * D + D, w->layer[l].c);
    }
    pad(3, extra, w->extra);
    pad(CHARACTERS, w->param + WEIGHTS, w->text);
    for (int i = D; i < WIDE; i++) w->extra[2][i] = -700; /* its exponential adds nothing */
    memset(w->extra_grad, 0, sizeof w->extra_grad);
}

/* gate = sigmoid(x*w + b), for steps that do not need each other. */
static void free_gate(int steps, const double w[WIDE], const double b[WIDE], double (*x)[WIDE],
                      double (*gate)[WIDE]) {
    for (int t = 0; t < steps; t++)
#pragma omp simd
        for (int i = 0; i < WIDE; i++) gate[t][i] = 1 / (1 + exp(-(x[t][i] * w[i] + b[i])));
}

static void layer_forward(layer *k, int first, int steps, double (*x)[WIDE]) {
    double(*w)[WIDE] = k->weights.w, (*b)[WIDE] = k->weights.b;
    free_gate(steps, w[0], b[0], x, k->forget + first);
    free_gate(steps, w[2], b[2], x, k->outgate + first);
    for (int t = first; t < first + steps; t++)
#pragma omp simd
        for (int i = 0; i < WIDE; i++) {
            const double h = k->h[t][i], ingate = 1 / (1 + exp(-(h * w[1][i] + b[1][i]))),
                         change = tanh(h * w[3][i] + b[3][i]);
            const double c = k->c[t][i] * k->forget[t][i] + ingate * change, squashed = tanh(c);
            k->ingate[t][i] = ingate, k->change[t][i] = change, k->squashed[t][i] = squashed;
            k->c[t + 1][i] = c, k->h[t + 1][i] = k->outgate[t][i] * squashed;
        }
}

/* What the last layer's h of these steps adds to the loss; its adjoint, and the gradients of
 * out_weight, out_bias. */
static double predict(work *w, int first, int steps, double (*h)[WIDE]) {
    double p[BLOCK][WIDE], share[BLOCK][WIDE], total[BLOCK], ones[BLOCK], gain = 0;
    for (int t = 0; t < steps; t++) {
        double        sum = 2, of_text = 0, of_gain = 0;
        const double *y = w->text[first + t + 1];
#pragma omp simd reduction(+ : sum, of_text, of_gain)
        for (int i = 0; i < WIDE; i++) {
            p[t][i] = h[t][i] * w->extra[1][i] + w->extra[2][i];
            sum += share[t][i] = exp(p[t][i]);
            of_text += y[i];
            of_gain += y[i] * p[t][i];
        }
        total[t] = sum, ones[t] = of_text, gain += of_gain;
    }
#pragma omp simd reduction(+ : gain)
    for (int t = 0; t < steps; t++) gain -= ones[t] * log(total[t]);
    for (int t = 0; t < steps; t++) {
        const double *y = w->text[first + t + 1], ratio = ones[t] / total[t];
#pragma omp simd
        for (int i = 0; i < WIDE; i++) {
            const double up = (ratio * share[t][i] - y[i]) * (1.0 / (STEPS * D));
            w->extra_grad[1][i] += up * h[t][i];
            w->extra_grad[2][i] += up;
            w->up[first + t][i] = up * w->extra[1][i];
        }
    }
    return gain;
}

/* Eight units of a layer, from the last step to the first. up: adjoints of h; becomes those of x.
 * The adjoints of the first h and c end in state. */
static void layer_reverse(layer *k, int units, double (*x)[WIDE], double (*up)[WIDE],
                          double state[2][WIDE]) {
    lanes dh = {0}, dc = {0}, w[GATES], gw[GATES] = {{0}}, gb[GATES] = {{0}};
    for (int g = 0; g < GATES; g++) w[g] = hand_load(k->weights.w[g] + units);
    for (int t = STEPS; t-- > 0;) {
        const lanes forget = hand_load(k->forget[t] + units),
                    ingate = hand_load(k->ingate[t] + units);
        const lanes outgate = hand_load(k->outgate[t] + units),
                    change = hand_load(k->change[t] + units);
        const lanes squashed = hand_load(k->squashed[t] + units),
                    before = hand_load(k->h[t] + units);
        const lanes in = hand_load(x[t] + units), h = dh + hand_load(up[t] + units);
        const lanes c = dc + h * (outgate * (1 - squashed * squashed));
        const lanes d[GATES] = {c * (hand_load(k->c[t] + units) * forget * (1 - forget)),
                                c * (change * ingate * (1 - ingate)),
                                h * (squashed * outgate * (1 - outgate)),
                                c * (ingate * (1 - change * change))};
        for (int g = 0; g < GATES; g++) {
            gw[g] += d[g] * (g % 2 == 0 ? in : before);
            gb[g] += d[g];
        }
        hand_store(up[t] + units, d[0] * w[0] + d[2] * w[2]);
        dh = d[1] * w[1] + d[3] * w[3];
        dc = c * forget;
    }
    for (int g = 0; g < GATES; g++)
        hand_store(k->grad.w[g] + units, gw[g]), hand_store(k->grad.b[g] + units, gb[g]);
    hand_store(state[0] + units, dh), hand_store(state[1] + units, dc);
}

static double forward(work *w) {
    double gain = 0;
    for (int first = 0; first < STEPS; first += BLOCK) {
        const int steps = STEPS - first < BLOCK ? STEPS - first : BLOCK;
        for (int t = first; t < first + steps; t++)
            for (int i = 0; i < WIDE; i++) w->x[t][i] = w->text[t][i] * w->extra[0][i];
        layer_forward(&w->layer[0], first, steps, w->x + first);
        for (int l = 1; l < LAYERS; l++)
            layer_forward(&w->layer[l], first, steps, w->layer[l - 1].h + first + 1);
        gain += predict(w, first, steps, w->layer[LAYERS - 1].h + first + 1);
    }
    return gain;
}

static double by_hand(void *context) {
    work *w = context;
    begin(w);
    const double gain = forward(w);
    for (int l = LAYERS; l-- > 0;) {
        _Alignas(64) double state[2][WIDE];
        for (int units = 0; units < WIDE; units += LANES)
            layer_reverse(&w->layer[l], units, l == 0 ? w->x : w->layer[l - 1].h + 1, w->up, state);
        unpad(GATES, w->layer[l].grad.w, w->by_hand + l * 2 * GATES * D);
        unpad(GATES, w->layer[l].grad.b, w->by_hand + l * 2 * GATES * D + GATES * D);
        unpad(2, state, w->by_hand + MAIN + EXTRA + l * 2 * D);
    }
    for (int t = 0; t < STEPS; t++)
        for (int i = 0; i < WIDE; i++) w->extra_grad[0][i] += w->up[t][i] * w->text[t][i];
    unpad(3, w->extra_grad, w->by_hand + MAIN);
    return w->by_hand[WEIGHTS] = -gain / (STEPS * D);
}

static double by_tapir(void *context) {
    work           *w = context;
    double          loss = 0;
    const ad_status status = ad_program_gradient(w->program, w->param, 1, NULL, &loss, w->grad);
    memcpy(w->by_tapir, w->grad, WEIGHTS * sizeof *w->by_tapir);
    return w->by_tapir[WEIGHTS] = bench_result(w->program, status, loss);
}

static void record_layer(const ad_var *w, const ad_var x[D], ad_var h[D], ad_var c[D]) {
    const ad_var *b = w + GATES * D;
    ad_var        forget[D], ingate[D], outgate[D], change[D];
    for (int i = 0; i < D; i++) {
        forget[i] = ad_sigmoid(ad_add(ad_mul(x[i], w[i]), b[i]));
        ingate[i] = ad_sigmoid(ad_add(ad_mul(h[i], w[D + i]), b[D + i]));
        outgate[i] = ad_sigmoid(ad_add(ad_mul(x[i], w[2 * D + i]), b[2 * D + i]));
        change[i] = ad_tanh(ad_add(ad_mul(h[i], w[3 * D + i]), b[3 * D + i]));
    }
    for (int i = 0; i < D; i++)
        c[i] = ad_add(ad_mul(c[i], forget[i]), ad_mul(ingate[i], change[i]));
    for (int i = 0; i < D; i++) h[i] = ad_mul(outgate[i], ad_tanh(c[i]));
}

static ad_var record_step(const ad_var *p, int t, ad_var state[LAYERS][2][D]) {
    const ad_var *extra = p + MAIN, *text = p + WEIGHTS + t * D;
    ad_var        x[D], predicted[D], total = ad_num(2), gain = ad_num(0);
    for (int i = 0; i < D; i++) x[i] = ad_mul(text[i], extra[i]);
    for (int l = 0; l < LAYERS; l++)
        record_layer(p + l * 2 * GATES * D, l == 0 ? x : state[l - 1][0], state[l][0], state[l][1]);
    for (int i = 0; i < D; i++)
        predicted[i] = ad_add(ad_mul(state[LAYERS - 1][0][i], extra[D + i]), extra[2 * D + i]);
    for (int i = 0; i < D; i++) total = ad_add(total, ad_exp(predicted[i]));
    const ad_var norm = ad_log(total);
    for (int i = 0; i < D; i++)
        gain = ad_add(gain, ad_mul(text[D + i], ad_sub(predicted[i], norm)));
    return gain;
}

static ad_program *compiled(const double param[], size_t *nodes) {
    ad_tape *tape = ad_tape_new();
    ad_var  *p = bench_leaves(tape, PARAMS, param), state[LAYERS][2][D], gain = ad_num(0);
    memcpy(state, p + MAIN + EXTRA, sizeof state);
    for (int t = 0; t < STEPS; t++) gain = ad_add(gain, record_step(p, t, state));
    const ad_var loss = ad_mul(gain, ad_num(-1.0 / (STEPS * D)));
    ad_program  *program = bench_compile(
         tape, &(ad_interface){.params = PARAMS, .param = p, .outputs = 1, .output = &loss});
    *nodes = ad_tape_length(tape);
    free(p);
    ad_tape_free(tape);
    return program;
}

int main(void) {
    bench_threads(1);
    static work w;
    uint64_t    seed = 9;
    size_t      nodes;
    char        title[120];
    w.param = bench_numbers(PARAMS), w.by_hand = bench_numbers(WEIGHTS + 1),
    w.by_tapir = bench_numbers(WEIGHTS + 1);
    for (int i = 0; i < WEIGHTS; i++) w.param[i] = bench_uniform(&seed, -1, 1);
    for (int i = WEIGHTS; i < PARAMS; i++) w.param[i] = bench_uniform(&seed, 0, 2) < 1 ? 0 : 1;
    w.program = compiled(w.param, &nodes);
    snprintf(title, sizeof title, "LSTM, 2 layers, 1024 characters of 14 bits, one row (%zu nodes)",
             nodes);
    const int failed = bench_arrays(title, 2, by_hand, by_tapir, &w, WEIGHTS + 1, w.by_hand,
                                    w.by_tapir, 31, 1e3, "ms", 1e-9);
    ad_program_free(w.program);
    free(w.param), free(w.by_hand), free(w.by_tapir);
    return failed;
}
