/* mlp.h - a 64-64-32-10 tanh network with softmax cross-entropy, twice: recorded with Tapir for one
 * example, and by hand for one example and for a batch. Parameters: for each layer its weights
 * (outputs x inputs), then its biases. A row: 64 features, then the number of its class.
 * torch_mlp.py makes the same numbers. */
#ifndef TAPIR_BENCH_MLP_H
#define TAPIR_BENCH_MLP_H

#include "bench.h"
#include "hand.h"

#include <string.h>

enum { MLP_LAYERS = 3, MLP_WIDEST = 64, MLP_CLASSES = 10, MLP_ROW = 65 };
static const int mlp_size[MLP_LAYERS + 1] = {64, 64, 32, MLP_CLASSES};

static inline size_t mlp_params(void) {
    int n = 0;
    for (int l = 0; l < MLP_LAYERS; l++) n += (mlp_size[l] + 1) * mlp_size[l + 1];
    return (size_t)n;
}

static inline double *mlp_weights(void) {
    double *w = bench_numbers(mlp_params());
    for (size_t i = 0; i < mlp_params(); i++) w[i] = 0.2 * sin(1.7 * (double)i);
    return w;
}

static inline double *mlp_rows(size_t rows) {
    double *x = bench_numbers(rows * MLP_ROW);
    for (size_t r = 0; r < rows; r++) {
        for (size_t i = 0; i < 64; i++)
            x[r * MLP_ROW + i] = 0.5 + 0.5 * sin(0.37 * (double)(64 * r + i));
        x[r * MLP_ROW + 64] = (double)(7 * r % MLP_CLASSES);
    }
    return x;
}

/* ---- with Tapir ------------------------------------------------------------------------------ */

static inline ad_var mlp_record(const ad_var param[], const ad_var row[]) {
    ad_var a[MLP_WIDEST], z[MLP_WIDEST];
    memcpy(a, row, sizeof a);
    for (int l = 0; l < MLP_LAYERS; l++) {
        const size_t n = (size_t)mlp_size[l], m = (size_t)mlp_size[l + 1];
        for (size_t j = 0; j < m; j++) z[j] = ad_add(ad_dot(n, param + j * n, a), param[m * n + j]);
        for (size_t j = 0; j < m; j++) a[j] = l == MLP_LAYERS - 1 ? z[j] : ad_tanh(z[j]);
        param += m * n + m;
    }
    return ad_sub(ad_logsumexp(MLP_CLASSES, a), ad_pick(row[64], MLP_CLASSES, a));
}

static inline ad_program *mlp_compile(void) {
    double  *weight = mlp_weights(), *example = mlp_rows(1);
    ad_tape *tape = ad_tape_new();
    ad_var  *param = bench_leaves(tape, mlp_params(), weight),
           *row = bench_leaves(tape, MLP_ROW, example);
    const ad_var loss = mlp_record(param, row);
    ad_program  *program = bench_compile(tape, &(ad_interface){.params = mlp_params(),
                                                               .param = param,
                                                               .inputs = MLP_ROW,
                                                               .input = row,
                                                               .outputs = 1,
                                                               .output = &loss});
    ad_tape_free(tape);
    free(param), free(row), free(weight), free(example);
    return program;
}

/* ---- by hand, one example -------------------------------------------------------------------- */

/* sum[j] = w[j] . in + b[j], eight rows at a time; n is a multiple of 8, and what is left of m goes
 * row by row. */
HAND_INLINE void mlp_forward(int n, int m, const double *restrict w, const double *restrict in,
                             double *restrict sum) {
    const int whole = m / LANES * LANES;
    for (int j = 0; j < whole; j += LANES) {
        lanes part[LANES];
        for (int r = 0; r < LANES; r++) {
            part[r] = hand_load(w + (j + r) * n) * hand_load(in);
            for (int i = LANES; i < n; i += LANES)
                part[r] += hand_load(w + (j + r) * n + i) * hand_load(in + i);
        }
        hand_store(sum + j, hand_sums(part) + hand_load(w + m * n + j));
    }
    for (int j = whole; j < m; j++) {
        double z = w[m * n + j];
#pragma omp simd reduction(+ : z)
        for (int i = 0; i < n; i++) z += w[j * n + i] * in[i];
        sum[j] = z;
    }
}

/* up: adjoints of the m sums. Sets the layer's gradient g and down, the adjoints of the n inputs,
 * which nobody wants of the first layer. */
HAND_INLINE void mlp_backward(int n, int m, const double *restrict w, const double *restrict in,
                              const double *restrict up, double *restrict down,
                              double *restrict g) {
    lanes sum[MLP_WIDEST / LANES] = {{0}};
    for (int j = 0; j < m; j++)
        for (int i = 0; i < n / LANES; i++) {
            hand_store(g + j * n + i * LANES, up[j] * hand_load(in + i * LANES));
            if (down) sum[i] += up[j] * hand_load(w + j * n + i * LANES);
        }
    for (int i = 0; down && i < n / LANES; i++) hand_store(down + i * LANES, sum[i]);
    memcpy(g + m * n, up, (size_t)m * sizeof *g);
}

static inline void mlp_tanh(int n, const double z[], double a[]) {
#pragma omp        simd
    for (int i = 0; i < n; i++) a[i] = tanh(z[i]);
}

static inline void mlp_tanh_back(int n, const double a[], double up[]) {
#pragma omp        simd
    for (int i = 0; i < n; i++) up[i] *= 1 - a[i] * a[i];
}

/* -log of softmax(z)[label], and its adjoints of z, which may be the same array. */
static inline double mlp_cross_entropy(const double z[MLP_CLASSES], int label,
                                       double up[MLP_CLASSES]) {
    double       largest = z[0], total = 0;
    const double wanted = z[label];
    for (int k = 1; k < MLP_CLASSES; k++) largest = z[k] > largest ? z[k] : largest;
#pragma omp simd reduction(+ : total)
    for (int k = 0; k < MLP_CLASSES; k++) total += up[k] = exp(z[k] - largest);
    const double share = 1 / total;
    for (int k = 0; k < MLP_CLASSES; k++) up[k] *= share;
    up[label] -= 1;
    return largest + log(total) - wanted;
}

/* Where the layers begin among the parameters. */
enum { MLP_SECOND = 64 * 65, MLP_THIRD = MLP_SECOND + 32 * 65 };

/* The loss of a row, and its gradient. */
static inline double mlp_example(const double w[restrict], const double row[restrict],
                                 double grad[restrict]) {
    _Alignas(64) double a1[64], a2[32], up3[MLP_CLASSES], up2[32], up1[64];
    mlp_forward(64, 64, w, row, a1);
    mlp_tanh(64, a1, a1);
    mlp_forward(64, 32, w + MLP_SECOND, a1, a2);
    mlp_tanh(32, a2, a2);
    mlp_forward(32, MLP_CLASSES, w + MLP_THIRD, a2, up3);
    const double loss = mlp_cross_entropy(up3, (int)row[64], up3);
    mlp_backward(32, MLP_CLASSES, w + MLP_THIRD, a2, up3, up2, grad + MLP_THIRD);
    mlp_tanh_back(32, a2, up2);
    mlp_backward(64, 32, w + MLP_SECOND, a1, up2, up1, grad + MLP_SECOND);
    mlp_tanh_back(64, a1, up1);
    mlp_backward(64, 64, w, row, up1, NULL, grad);
    return loss;
}

/* ---- by hand, batches ------------------------------------------------------------------------ */

/* Sixty-four examples at a time, so that what they keep stays in the nearest caches; layers are
 * products of matrices. Weights are needed transposed on the way forward, the last layer's ten
 * columns with six of zeros. */
enum { MLP_BLOCK = 64, MLP_PADDED = 16 };

typedef struct mlp_block {
    _Alignas(64) double x[MLP_BLOCK][64], a1[MLP_BLOCK][64], a2[MLP_BLOCK][32],
        up3[MLP_BLOCK][MLP_PADDED], up2[MLP_BLOCK][32], up1[MLP_BLOCK][64], w1[64][64], w2[64][32],
        w3[32][MLP_PADDED];
} mlp_block;

/* to[i][j] = w[j][i]; m and n are multiples of 8. */
static inline void mlp_transpose(int m, int n, const double *w, double *to) {
    for (int j = 0; j < m; j += LANES)
        for (int i = 0; i < n; i += LANES) {
            lanes row[LANES], column[LANES];
            for (int r = 0; r < LANES; r++) row[r] = hand_load(w + (j + r) * n + i);
            hand_transpose(row, column);
            for (int r = 0; r < LANES; r++) hand_store(to + (i + r) * m + j, column[r]);
        }
}

HAND_INLINE void mlp_layer_forward(int rows, int n, int m, int width, const double *in,
                                   const double *w, const double *bias, double *out) {
    for (int r = 0; r < rows; r++) memcpy(out + r * width, bias, (size_t)m * sizeof *out);
    hand_product(rows, width, n, in, n, 1, w, width, out, width);
}

/* up: adjoints of the sums, `width` a row. Adds to the gradient g; down: adjoints of the inputs, or
 * NULL. */
HAND_INLINE void mlp_layer_backward(int rows, int n, int m, int width, const double *w,
                                    const double *in, const double *up, double *down, double *g) {
    hand_product(m, n, rows, up, 1, width, in, n, g, n);
    for (int r = 0; r < rows; r++)
        for (int j = 0; j < m; j++) g[m * n + j] += up[r * width + j];
    if (!down) return;
    memset(down, 0, (size_t)(rows * n) * sizeof *down);
    hand_product(rows, n, m, up, width, 1, w, n, down, n);
}

static inline double mlp_rows_by_hand(mlp_block *b, const double w[restrict], int rows,
                                      const double row[restrict], double grad[restrict]) {
    double sum = 0;
    for (int r = 0; r < rows; r++) memcpy(b->x[r], row + r * MLP_ROW, sizeof b->x[r]);
    mlp_layer_forward(rows, 64, 64, 64, b->x[0], b->w1[0], w + 64 * 64, b->a1[0]);
    mlp_tanh(rows * 64, b->a1[0], b->a1[0]);
    mlp_layer_forward(rows, 64, 32, 32, b->a1[0], b->w2[0], w + MLP_SECOND + 32 * 64, b->a2[0]);
    mlp_tanh(rows * 32, b->a2[0], b->a2[0]);
    mlp_layer_forward(rows, 32, MLP_CLASSES, MLP_PADDED, b->a2[0], b->w3[0],
                      w + MLP_THIRD + MLP_CLASSES * 32, b->up3[0]);
    for (int r = 0; r < rows; r++)
        sum += mlp_cross_entropy(b->up3[r], (int)row[r * MLP_ROW + 64], b->up3[r]);
    mlp_layer_backward(rows, 32, MLP_CLASSES, MLP_PADDED, w + MLP_THIRD, b->a2[0], b->up3[0],
                       b->up2[0], grad + MLP_THIRD);
    mlp_tanh_back(rows * 32, b->a2[0], b->up2[0]);
    mlp_layer_backward(rows, 64, 32, 32, w + MLP_SECOND, b->a1[0], b->up2[0], b->up1[0],
                       grad + MLP_SECOND);
    mlp_tanh_back(rows * 64, b->a1[0], b->up1[0]);
    mlp_layer_backward(rows, 64, 64, 64, w, b->x[0], b->up1[0], NULL, grad);
    return sum;
}

/* The mean of the loss over the rows, and its gradient. */
static inline double mlp_by_hand(const double weight[], size_t rows, const double row[],
                                 double grad[]) {
    static mlp_block block;
    double           sum = 0;
    if (rows == 1) return mlp_example(weight, row, grad);
    mlp_transpose(64, 64, weight, block.w1[0]);
    mlp_transpose(32, 64, weight + MLP_SECOND, block.w2[0]);
    for (int j = 0; j < MLP_CLASSES; j++)
        for (int i = 0; i < 32; i++) block.w3[i][j] = weight[MLP_THIRD + j * 32 + i];
    memset(grad, 0, mlp_params() * sizeof *grad);
    for (size_t r = 0; r < rows; r += MLP_BLOCK)
        sum += mlp_rows_by_hand(&block, weight, rows - r < MLP_BLOCK ? (int)(rows - r) : MLP_BLOCK,
                                row + r * MLP_ROW, grad);
    const double share = 1 / (double)rows;
    for (size_t i = 0; i < mlp_params(); i++) grad[i] *= share;
    return sum * share;
}

#endif
