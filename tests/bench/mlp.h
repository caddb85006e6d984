/* mlp.h - a 64-64-32-10 tanh network with softmax cross-entropy, twice: recorded with Tapir for one
 * example, and by hand for a batch. Parameters: for each layer its weights (outputs x inputs), then its
 * biases. A row: 64 features, then the number of its class. torch_mlp.py makes the same numbers. */
#ifndef TAPIR_BENCH_MLP_H
#define TAPIR_BENCH_MLP_H

#include "bench.h"

#include <string.h>

enum { MLP_LAYERS = 3, MLP_WIDEST = 64, MLP_CLASSES = 10, MLP_ROW = 65 };
static const int mlp_size[MLP_LAYERS + 1] = {64, 64, 32, MLP_CLASSES};

static inline size_t mlp_params(void) {
    int n = 0;
    for (int l = 0; l < MLP_LAYERS; l++) n += (mlp_size[l] + 1)*mlp_size[l + 1];
    return (size_t)n;
}

static inline double *mlp_weights(void) {
    double *w = bench_numbers(mlp_params());
    for (size_t i = 0; i < mlp_params(); i++) w[i] = 0.2*sin(1.7*(double)i);
    return w;
}

static inline double *mlp_rows(size_t rows) {
    double *x = bench_numbers(rows*MLP_ROW);
    for (size_t r = 0; r < rows; r++) {
        for (size_t i = 0; i < 64; i++) x[r*MLP_ROW + i] = 0.5 + 0.5*sin(0.37*(double)(64*r + i));
        x[r*MLP_ROW + 64] = (double)(7*r%MLP_CLASSES);
    }
    return x;
}

/* ---- with Tapir --------------------------------------------------------------------------------- */

static inline ad_var mlp_record(const ad_var param[], const ad_var row[]) {
    ad_var a[MLP_WIDEST], z[MLP_WIDEST];
    memcpy(a, row, sizeof a);
    for (int l = 0; l < MLP_LAYERS; l++) {
        const size_t n = (size_t)mlp_size[l], m = (size_t)mlp_size[l + 1];
        for (size_t j = 0; j < m; j++) z[j] = ad_add(ad_dot(n, param + j*n, a), param[m*n + j]);
        for (size_t j = 0; j < m; j++) a[j] = l == MLP_LAYERS - 1 ? z[j] : ad_tanh(z[j]);
        param += m*n + m;
    }
    return ad_sub(ad_logsumexp(MLP_CLASSES, a), ad_pick(row[64], MLP_CLASSES, a));
}

static inline ad_program *mlp_compile(void) {
    double *weight = mlp_weights(), *example = mlp_rows(1);
    ad_tape *tape = ad_tape_new();
    ad_var *param = bench_leaves(tape, mlp_params(), weight), *row = bench_leaves(tape, MLP_ROW, example);
    const ad_var loss = mlp_record(param, row);
    ad_program *program = bench_compile(tape, &(ad_interface){.params = mlp_params(), .param = param,
                                        .inputs = MLP_ROW, .input = row, .outputs = 1, .output = &loss});
    ad_tape_free(tape);
    free(param), free(row), free(weight), free(example);
    return program;
}

/* ---- by hand ------------------------------------------------------------------------------------ */

/* out[j] = act(sum_i w[j][i] in[i] + b[j]) */
static inline void mlp_forward(int n, int m, const double *restrict w, const double in[restrict], double out[restrict],
                               int last) {
    for (int j = 0; j < m; j++) {
        double z = w[m*n + j];
        for (int i = 0; i < n; i++) z += w[j*n + i]*in[i];
        out[j] = last ? z : tanh(z);
    }
}

/* up: adjoints of the m sums. Adds to the gradient g; down: adjoints of the n inputs. */
static inline void mlp_backward(int n, int m, const double *restrict w, const double in[restrict],
                                const double up[restrict], double down[restrict], double *restrict g) {
    for (int i = 0; i < n; i++) down[i] = 0;
    for (int j = 0; j < m; j++) {
        for (int i = 0; i < n; i++) {
            g[j*n + i] += up[j]*in[i];
            down[i] += up[j]*w[j*n + i];
        }
        g[m*n + j] += up[j];
    }
}

static inline double mlp_example(const double weight[], const double row[], double grad[]) {
    double a[MLP_LAYERS + 1][MLP_WIDEST], up[MLP_WIDEST], down[MLP_WIDEST];
    size_t at[MLP_LAYERS + 1] = {0};
    memcpy(a[0], row, sizeof a[0]);
    for (int l = 0; l < MLP_LAYERS; l++) {
        const int n = mlp_size[l], m = mlp_size[l + 1];
        mlp_forward(n, m, weight + at[l], a[l], a[l + 1], l == MLP_LAYERS - 1);
        at[l + 1] = at[l] + (size_t)(m*n + m);
    }
    const double *z = a[MLP_LAYERS];
    const int label = (int)row[64];
    double largest = z[0], total = 0;
    for (int k = 1; k < MLP_CLASSES; k++) largest = fmax(largest, z[k]);
    for (int k = 0; k < MLP_CLASSES; k++) total += up[k] = exp(z[k] - largest);
    for (int k = 0; k < MLP_CLASSES; k++) up[k] = up[k]/total - (k == label);
    for (int l = MLP_LAYERS; l-- > 0;) {
        mlp_backward(mlp_size[l], mlp_size[l + 1], weight + at[l], a[l], up, down, grad + at[l]);
        for (int i = 0; l > 0 && i < mlp_size[l]; i++) up[i] = down[i]*(1 - a[l][i]*a[l][i]);
    }
    return largest + log(total) - z[label];
}

/* The mean of the loss over the rows, and its gradient. */
static inline double mlp_by_hand(const double weight[], size_t rows, const double row[], double grad[]) {
    double sum = 0;
    memset(grad, 0, mlp_params()*sizeof *grad);
    for (size_t r = 0; r < rows; r++) sum += mlp_example(weight, row + r*MLP_ROW, grad);
    for (size_t i = 0; i < mlp_params(); i++) grad[i] /= (double)rows;
    return sum/(double)rows;
}

#endif
