/* convolution.c - training steps of a small convolutional network: images of 8 x 8 in batches of
 * 64, no row twice in a run, gradient and SGD, on one thread and on two.
 *
 *     3 x 3 convolution of 8 channels, the largest of each 2 x 2, relu;
 *     3 x 3 convolution of 16 channels, the same; a layer of ten; softmax cross-entropy
 *
 * By hand: sixteen images at a time, each a lane, so that all loops are over vectors. A tile of
 * eight channels and two vectors stays in registers while the window's numbers pass; what goes down
 * through a convolution is a convolution with the weights turned around. Gradients of weights are
 * added up as vectors, and across them once a batch. Threads share out the images of a batch. */
#include "nn/nn.h"

#include "bench.h"
#include "hand.h"

#include <string.h>

enum { SIDE = 8, PIXELS = SIDE * SIDE, CLASSES = 10, ROW = PIXELS + 1, K = 3, TAPS = K * K };
enum { ONE = 8, TWO = 16, LEFT = TWO * 4 };   /* channels; what the last layer sees */
enum { HALF = SIDE / 2, QUARTER = SIDE / 4 }; /* sides after each pooling */
enum { BATCH = 64, STEPS = 64, RUN = BATCH * STEPS, ROWS = 8 * RUN };
enum { V = 2, BLOCK = V * LANES, BLOCKS = BATCH / BLOCK, TILE = 8 };
static const double rate = 0.02;

/* Parameters, in the order in which the model has them. */
enum {
    W1 = 0,
    B1 = W1 + ONE * TAPS,
    W2 = B1 + ONE,
    B2 = W2 + TWO * ONE * TAPS,
    W3 = B2 + TWO,
    B3 = W3 + CLASSES * LEFT,
    PARAMS = B3 + CLASSES
};

/* ---- by hand --------------------------------------------------------------------------------- */

/* One number of each image. */
typedef struct block {
    lanes v[V];
} block;

typedef long long mask __attribute__((vector_size(64)));

/* Weights as tiles read them: the channels of a tile side by side. */
typedef struct packed {
    double first[TAPS][ONE], second[TAPS][ONE][TWO], down[TAPS][TWO][ONE];
} packed;

/* What a thread writes. */
typedef struct images {
    block x[PIXELS], z1[ONE][PIXELS], a1[ONE][PIXELS / 4], z2[TWO][PIXELS / 4], a2[LEFT],
        logit[CLASSES], d2[LEFT], d1[ONE][PIXELS / 4];
    lanes  grad[PARAMS]; /* to be added up across */
    double loss;
} images;

static void pack(const double w[], packed *p) {
    for (int t = 0; t < TAPS; t++)
        for (int i = 0; i < ONE; i++) {
            p->first[t][i] = w[W1 + i * TAPS + t];
            for (int k = 0; k < TWO; k++)
                p->second[t][i][k] = p->down[TAPS - 1 - t][k][i] = w[W2 + (k * ONE + i) * TAPS + t];
        }
}

/* The rows or columns of a kernel that lie on the picture where its middle stands at `at`. */
HAND_INLINE int first_tap(int at) {
    return at == 0 ? 1 : 0;
}
HAND_INLINE int end_tap(int at, int side) {
    return at == side - 1 ? K - 1 : K;
}

/* TILE channels at one place, of a picture of `in` channels; w: taps x in x all. */
HAND_INLINE void place(int side, int in, int all, const double *w, const double *bias,
                       const block *x, block *y, int row, int column) {
    lanes sum[TILE][V];
    for (int k = 0; k < TILE; k++)
        for (int v = 0; v < V; v++) sum[k][v] = (lanes){0} + (bias == NULL ? 0 : bias[k]);
    for (int i = first_tap(row); i < end_tap(row, side); i++)
        for (int j = first_tap(column); j < end_tap(column, side); j++) {
            const double *tap = w + (i * K + j) * in * all;
            const block  *at = x + (row + i - 1) * side + column + j - 1;
            for (int c = 0; c < in; c++, tap += all, at += side * side)
                for (int k = 0; k < TILE; k++)
                    for (int v = 0; v < V; v++) sum[k][v] += tap[k] * at->v[v];
        }
    for (int k = 0; k < TILE; k++)
        for (int v = 0; v < V; v++) y[k * side * side + row * side + column].v[v] = sum[k][v];
}

HAND_INLINE void convolve(int side, int in, int out, const double *w, const double *bias,
                          const block *x, block *y) {
    for (int k = 0; k < out; k += TILE)
        for (int row = 0; row < side; row++)
            for (int column = 0; column < side; column++)
                place(side, in, out, w + k, bias == NULL ? NULL : bias + k, x, y + k * side * side,
                      row, column);
}

/* Gradients of the weights of one tap, from `wide` channels of x to `high` of z. */
HAND_INLINE void tap_gradient(int side, int high, int wide, int i, int j, const block *x,
                              const block *dz, lanes *grad, int pitch) {
    const int row0 = i == 0, row1 = side - (i == K - 1), column0 = j == 0,
              column1 = side - (j == K - 1), area = side * side;
    lanes sum[4][4];
    for (int k = 0; k < high; k++)
        for (int c = 0; c < wide; c++) sum[k][c] = grad[k * pitch + c * TAPS];
    for (int row = row0; row < row1; row++)
        for (int column = column0; column < column1; column++)
            for (int v = 0; v < V; v++) {
                const int from = (row + i - 1) * side + column + j - 1, at = row * side + column;
                for (int c = 0; c < wide; c++)
                    for (int k = 0; k < high; k++)
                        sum[k][c] += dz[k * area + at].v[v] * x[c * area + from].v[v];
            }
    for (int k = 0; k < high; k++)
        for (int c = 0; c < wide; c++) grad[k * pitch + c * TAPS] = sum[k][c];
}

HAND_INLINE void weight_gradient(int side, int in, int out, const block *x, const block *dz,
                                 lanes *grad, lanes *bias) {
    const int wide = in < 4 ? in : 4, area = side * side;
    for (int k = 0; k < out; k += 4)
        for (int c = 0; c < in; c += wide)
            for (int t = 0; t < TAPS; t++)
                tap_gradient(side, 4, wide, t / K, t % K, x + c * area, dz + k * area,
                             grad + (k * in + c) * TAPS + t, in * TAPS);
    for (int k = 0; k < out; k++)
        for (int p = 0; p < area; p++)
            for (int v = 0; v < V; v++) bias[k] += dz[k * area + p].v[v];
}

/* a = relu of the largest of each 2 x 2 */
HAND_INLINE void pool(int side, int channels, const block *z, block *a) {
    for (int k = 0; k < channels; k++, z += side * side)
        for (int row = 0; row < side; row += 2)
            for (int column = 0; column < side; column += 2, a++)
                for (int v = 0; v < V; v++) {
                    const block *at = z + row * side + column;
                    const lanes  top = hand_max(at[0].v[v], at[1].v[v]),
                                bottom = hand_max(at[side].v[v], at[side + 1].v[v]);
                    a->v[v] = hand_max(hand_max(top, bottom), (lanes){0});
                }
}

/* Adjoints of z in its place: that of a where z is the largest and above 0, else 0. */
HAND_INLINE void pool_back(int side, int channels, const block *a, const block *da, block *z) {
    for (int k = 0; k < channels; k++, z += side * side)
        for (int row = 0; row < side; row += 2)
            for (int column = 0; column < side; column += 2, a++, da++)
                for (int v = 0; v < V; v++)
                    for (int t = 0; t < 4; t++) {
                        lanes     *at = &z[(row + t / 2) * side + column + t % 2].v[v];
                        const mask one = (mask)(*at == a->v[v]) & (mask)(a->v[v] > 0);
                        *at = (lanes)(one & (mask)da->v[v]);
                    }
}

/* Images as lanes. */
static void load(images *m, const double *row) {
    for (int v = 0; v < V; v++)
        for (int p = 0; p < PIXELS; p += LANES) {
            lanes from[LANES], to[LANES];
            for (int l = 0; l < LANES; l++) from[l] = hand_load(row + (v * LANES + l) * ROW + p);
            hand_transpose(from, to);
            for (int l = 0; l < LANES; l++) m->x[p + l].v[v] = to[l];
        }
}

/* The last layer, and the loss; leaves the adjoints of the logits in their place. */
static void classify(images *m, const double w[], const double *row) {
    _Alignas(64) double z[CLASSES][BLOCK], largest[BLOCK], total[BLOCK];
    for (int k = 0; k < CLASSES; k++) {
        lanes sum[V] = {(lanes){0} + w[B3 + k], (lanes){0} + w[B3 + k]};
        for (int i = 0; i < LEFT; i++)
            for (int v = 0; v < V; v++) sum[v] += w[W3 + k * LEFT + i] * m->a2[i].v[v];
        memcpy(z[k], sum, sizeof sum);
    }
    memcpy(largest, z[0], sizeof largest);
    memset(total, 0, sizeof total);
    for (int k = 1; k < CLASSES; k++)
        for (int l = 0; l < BLOCK; l++) largest[l] = z[k][l] > largest[l] ? z[k][l] : largest[l];
    for (int l = 0; l < BLOCK; l++) m->loss += largest[l] - z[(int)row[l * ROW + PIXELS]][l];
    for (int k = 0; k < CLASSES; k++) {
#pragma omp simd
        for (int l = 0; l < BLOCK; l++) total[l] += z[k][l] = exp(z[k][l] - largest[l]);
    }
    for (int l = 0; l < BLOCK; l++) m->loss += log(total[l]);
    for (int k = 0; k < CLASSES; k++)
        for (int l = 0; l < BLOCK; l++) z[k][l] /= total[l];
    for (int l = 0; l < BLOCK; l++) z[(int)row[l * ROW + PIXELS]][l] -= 1;
    memcpy(m->logit, z, sizeof z);
}

static void classify_back(images *m, const double w[]) {
    for (int i = 0; i < LEFT; i += 4) {
        block down[4] = {{{{0}}}};
        for (int k = 0; k < CLASSES; k++)
            for (int c = i; c < i + 4; c++)
                for (int v = 0; v < V; v++) {
                    m->grad[W3 + k * LEFT + c] += m->logit[k].v[v] * m->a2[c].v[v];
                    down[c - i].v[v] += w[W3 + k * LEFT + c] * m->logit[k].v[v];
                }
        memcpy(m->d2 + i, down, sizeof down);
    }
    for (int k = 0; k < CLASSES; k++)
        for (int v = 0; v < V; v++) m->grad[B3 + k] += m->logit[k].v[v];
}

/* Sixteen images forward and back. */
static void run_block(images *m, const packed *p, const double w[], const double *row) {
    load(m, row);
    convolve(SIDE, 1, ONE, p->first[0], w + B1, m->x, m->z1[0]);
    pool(SIDE, ONE, m->z1[0], m->a1[0]);
    convolve(HALF, ONE, TWO, p->second[0][0], w + B2, m->a1[0], m->z2[0]);
    pool(HALF, TWO, m->z2[0], m->a2);
    classify(m, w, row);
    classify_back(m, w);
    pool_back(HALF, TWO, m->a2, m->d2, m->z2[0]);
    weight_gradient(HALF, ONE, TWO, m->a1[0], m->z2[0], m->grad + W2, m->grad + B2);
    convolve(HALF, TWO, ONE, p->down[0][0], NULL, m->z2[0], m->d1[0]);
    pool_back(SIDE, ONE, m->a1[0], m->d1[0], m->z1[0]);
    weight_gradient(SIDE, 1, ONE, m->x, m->z1[0], m->grad + W1, m->grad + B1);
}

typedef struct work {
    int         threads;
    double     *row, *start, *by_hand, *by_tapir, *grad;
    size_t      next[2]; /* of each side: the rows that it has not seen in this pass */
    images     *images;  /* one for each thread */
    ad_program *program;
    double      seconds; /* of Tapir's fastest run */
} work;

/* The mean loss of a batch, and its gradient. */
static double batch_by_hand(work *k, const double w[], const double *row, double grad[]) {
    packed p;
    double loss = 0;
    pack(w, &p);
    const int threads = k->threads;
#pragma omp parallel for num_threads(threads) schedule(static)
    for (int t = 0; t < threads; t++) {
        images *m = &k->images[t];
        m->loss = 0;
        memset(m->grad, 0, sizeof m->grad);
        for (int b = t * BLOCKS / threads; b < (t + 1) * BLOCKS / threads; b++)
            run_block(m, &p, w, row + b * BLOCK * ROW);
    }
    for (int t = 0; t < threads; t++) loss += k->images[t].loss / BATCH;
    for (int i = 0; i < PARAMS; i += LANES) {
        lanes part[LANES] = {{0}};
        for (int l = 0; l < LANES && i + l < PARAMS; l++)
            for (int t = 0; t < threads; t++) part[l] += k->images[t].grad[i + l];
        const lanes sum = hand_sums(part) / BATCH;
        for (int l = 0; l < LANES && i + l < PARAMS; l++) grad[i + l] = sum[l];
    }
    return loss;
}

static double batch_by_tapir(work *k, const double w[], const double *row, double grad[]) {
    double          loss = 0;
    const ad_status status = ad_program_gradient(k->program, w, BATCH, row, &loss, grad);
    return bench_result(k->program, status, loss);
}

/* Steps through the next rows, from the same weights on; these and the loss of all are left in
 * `to`. */
static double train(work *k, int side, double *to) {
    double loss = 0;
    memcpy(to, k->start, PARAMS * sizeof *to);
    for (int step = 0; step < STEPS; step++) {
        const double *row = k->row + k->next[side] * ROW;
        k->next[side] = (k->next[side] + BATCH) % ROWS;
        loss += (side == 0 ? batch_by_hand : batch_by_tapir)(k, to, row, k->grad);
        for (int i = 0; i < PARAMS; i++) to[i] -= rate * k->grad[i];
    }
    return to[PARAMS] = loss;
}

static double by_hand(void *context) {
    work *k = context;
    return train(k, 0, k->by_hand);
}

static double by_tapir(void *context) {
    work        *k = context;
    const double start = bench_now(), loss = train(k, 1, k->by_tapir), took = bench_now() - start;
    if (k->seconds == 0 || took < k->seconds) k->seconds = took;
    return loss;
}

/* ---- with Tapir ------------------------------------------------------------------------------ */

static const nn_window conv1 = {1, SIDE, SIDE, .kernel = {K, K}, .padding = {1, 1}},
                       pool1 = {ONE, SIDE, SIDE, .kernel = {2, 2}},
                       conv2 = {ONE, HALF, HALF, .kernel = {K, K}, .padding = {1, 1}},
                       pool2 = {TWO, HALF, HALF, .kernel = {2, 2}};

static ad_var record(const nn_layer layer[3], const ad_var row[]) {
    static ad_var z[ONE * PIXELS], a[ONE * PIXELS / 4], logits[CLASSES];
    nn_conv2d(&conv1, ONE, layer[0].weight, layer[0].bias, row, z);
    nn_max_pool2d(&pool1, z, a);
    for (int i = 0; i < ONE * PIXELS / 4; i++) a[i] = ad_relu(a[i]);
    nn_conv2d(&conv2, TWO, layer[1].weight, layer[1].bias, a, z);
    nn_max_pool2d(&pool2, z, a);
    for (int i = 0; i < LEFT; i++) a[i] = ad_relu(a[i]);
    nn_layer_forward(&layer[2], a, logits);
    return nn_cross_entropy(CLASSES, logits, row[PIXELS]);
}

/* Compiles the network, and leaves its first weights in start. */
static ad_program *compiled(const double row[], double start[], size_t *nodes) {
    ad_tape  *tape = ad_tape_new();
    nn_model *model = nn_model_new(tape, 1);
    nn_layer  layer[3] = {nn_conv2d_add(model, "conv1", &conv1, ONE)};
    layer[1] = nn_conv2d_add(model, "conv2", &conv2, TWO);
    layer[2] =
        nn_layer_add(model, "linear", &(nn_layer_config){.inputs = LEFT, .outputs = CLASSES});
    nn_model_values(model, start);
    ad_var      *input = bench_leaves(tape, ROW, row);
    const ad_var loss = record(layer, input);
    ad_program  *program = bench_compile(tape, &(ad_interface){.params = PARAMS,
                                                               .param = nn_model_params(model),
                                                               .inputs = ROW,
                                                               .input = input,
                                                               .outputs = 1,
                                                               .output = &loss});
    *nodes = ad_tape_length(tape);
    free(input);
    nn_model_free(model);
    ad_tape_free(tape);
    return program;
}

/* ---- both ------------------------------------------------------------------------------------ */

/* Pixels differ everywhere, so that no two numbers under a window are equal. */
static double *make_rows(void) {
    double  *row = bench_numbers((size_t)ROWS * ROW);
    uint64_t seed = 5;
    for (size_t i = 0; i < (size_t)ROWS * ROW; i++)
        row[i] =
            i % ROW < PIXELS ? bench_uniform(&seed, 0, 1) : floor(bench_uniform(&seed, 0, CLASSES));
    return row;
}

static int measure(work *k, int threads, size_t nodes) {
    char title[160];
    k->threads = threads, k->seconds = 0, k->next[0] = k->next[1] = 0;
    bench_threads(threads);
    snprintf(title, sizeof title,
             "convolutions 1-%d-%d on 8 x 8 (%zu nodes), steps of %d fresh rows, an example, %d "
             "thread%s",
             ONE, TWO, nodes, BATCH, threads, threads == 1 ? "" : "s");
    const int failed = bench_arrays(title, 3, by_hand, by_tapir, k, PARAMS + 1, k->by_hand,
                                    k->by_tapir, 21, 1e6 / RUN, "us", 1e-9);
    if (!failed)
        printf("  tapir: %.0f examples a second at best%s\n\n", RUN / k->seconds,
               threads == 1 ? "" : " (wanted: at least 150,000)");
    return failed;
}

int main(void) {
    work   k = {.row = make_rows(), .start = bench_numbers(PARAMS), .grad = bench_numbers(PARAMS)};
    size_t nodes;
    k.by_hand = bench_numbers(PARAMS + 1), k.by_tapir = bench_numbers(PARAMS + 1);
    k.images = aligned_alloc(64, 2 * sizeof *k.images);
    if (!k.images) exit((fprintf(stderr, "out of memory\n"), 1));
    k.program = compiled(k.row, k.start, &nodes);
    int failed = measure(&k, 1, nodes);
#ifdef _OPENMP
    failed = failed || measure(&k, 2, nodes);
#endif
    ad_program_free(k.program);
    free(k.row), free(k.start), free(k.grad), free(k.by_hand), free(k.by_tapir), free(k.images);
    return failed;
}
