/* gpt.c - the loss of demos/transformer.h and its gradient: microgpt's sizes, documents of 8
 * tokens, a usual name.
 *
 * One document, where every number of a program is one of its own, and batches of 32, which are
 * lanes. By hand: the same forward pass, keeping what the way back needs, and the way back,
 * document by document; the eight positions of a document are the lanes of a vector, but where its
 * rows are needed for the gradients of weights. The tokens are inputs on both sides. */
#include "bench.h"
#include "demos/transformer.h"
#include "hand.h"

#include <string.h>

enum { V = 27, W = 16, HEADS = 4, SIZE = W / HEADS, BLOCK = 16, N = 8, DOCUMENTS = 32, H = 4 * W };

/* The parameters, in the order in which the model has them. */
typedef struct weights {
    double token[V][W], position[BLOCK][W], head[V][W];
    double query[W][W], key[W][W], value[W][W], output[W][W];
    double up[H][W], down[W][H];
} weights;

enum { PARAMS = sizeof(weights) / sizeof(double) };

/* What a document keeps: by number of the row, with the eight positions in the lanes; and what the
 * gradients of the weights need, by position. */
typedef struct kept {
    lanes e[W], x[W], a[W], q[W], k[W], v[W], o[W], y[W], m[W], u[H], z[W], p[V], share[HEADS][N],
        r1, r2, r3;
    double a_rows[N][W], o_rows[N][W], m_rows[N][W], u_rows[N][H], z_rows[N][W];
} kept;

typedef struct work {
    size_t      documents;
    ad_program *program;
    double     *param, *by_hand, *by_tapir, text[DOCUMENTS][N + 1];
} work;

/* ---- by hand --------------------------------------------------------------------------------- */

/* rows[l][i] = x[i][l], n a multiple of 8; and back. */
HAND_INLINE void to_rows(int n, const lanes *x, double *rows) {
    for (int i = 0; i < n; i += LANES) {
        lanes turned[LANES];
        hand_transpose(x + i, turned);
        for (int l = 0; l < LANES; l++) hand_store(rows + l * n + i, turned[l]);
    }
}

HAND_INLINE void from_rows(int n, const double *rows, lanes *x) {
    for (int i = 0; i < n; i += LANES) {
        lanes row[LANES];
        for (int l = 0; l < LANES; l++) row[l] = hand_load(rows + l * n + i);
        hand_transpose(row, x + i);
    }
}

/* y = w*x in all positions; w is m x n, n a multiple of 16. */
HAND_INLINE void forward_layer(int m, int n, const double *w, const lanes *x, lanes *y) {
    for (int first = 0; first < n; first += W) {
        lanes in[W];
        memcpy(in, x + first, sizeof in);
        for (int i = 0; i < m; i++) {
            lanes even = w[i * n + first] * in[0], odd = w[i * n + first + 1] * in[1];
            for (int j = 2; j < W; j += 2) {
                even += w[i * n + first + j] * in[j];
                odd += w[i * n + first + j + 1] * in[j + 1];
            }
            y[i] = first == 0 ? even + odd : y[i] + (even + odd);
        }
    }
}

/* dx += w^T dy */
HAND_INLINE void reverse_layer(int m, int n, const double *w, const lanes *dy, lanes *dx) {
    for (int first = 0; first < n; first += W) {
        lanes sum[W];
        memcpy(sum, dx + first, sizeof sum);
        for (int i = 0; i < m; i++)
            for (int j = 0; j < W; j++) sum[j] += w[i * n + first + j] * dy[i];
        memcpy(dx + first, sum, sizeof sum);
    }
}

/* dw += the sum over the positions of dy x^T */
HAND_INLINE void weights_layer(int m, int n, const lanes *dy, const double *x_rows, double *dw) {
    for (int first = 0; first < n; first += W) {
        lanes x[N][2];
        for (int t = 0; t < N; t++)
            for (int v = 0; v < 2; v++) x[t][v] = hand_load(x_rows + t * n + first + v * LANES);
        for (int i = 0; i < m; i++) {
            const lanes_number *up = (const lanes_number *)&dy[i];
            double             *to = dw + i * n + first;
            lanes               sum[2] = {hand_load(to), hand_load(to + LANES)};
            for (int t = 0; t < N; t++)
                for (int v = 0; v < 2; v++) sum[v] += up[t] * x[t][v];
            hand_store(to, sum[0]), hand_store(to + LANES, sum[1]);
        }
    }
}

HAND_INLINE void exp_all(int n, lanes *x) {
    lanes_number *number = (lanes_number *)x;
#pragma omp simd
    for (int i = 0; i < n * LANES; i++) number[i] = exp(number[i]);
}

static inline lanes rms_forward(const lanes x[W], lanes y[W]) {
    lanes s = x[0] * x[0], r;
    for (int i = 1; i < W; i++) s += x[i] * x[i];
    s = s * (1.0 / W) + 1e-5;
    for (int l = 0; l < LANES; l++) r[l] = 1 / sqrt(s[l]);
    for (int i = 0; i < W; i++) y[i] = x[i] * r;
    return r;
}

static inline void rms_reverse(const lanes x[W], lanes r, const lanes dy[W], lanes dx[W]) {
    lanes s = dy[0] * x[0];
    for (int i = 1; i < W; i++) s += dy[i] * x[i];
    s *= r * r * r * (1.0 / W);
    for (int i = 0; i < W; i++) dx[i] += r * dy[i] - x[i] * s;
}

/* 1 in the lanes of the positions from s on, which may look at s; else 0. */
static inline lanes looks_at(int s) {
    lanes out = {0};
    for (int t = 0; t < LANES; t++) out[t] = t >= s;
    return out;
}

/* share[h][s]: how much of position s each position takes. What may not be looked at is 0 until its
 * exponential has been taken, so that libm's vectors need not leave their fast path. */
static void attend(kept *c) {
    for (int h = 0; h < HEADS; h++) {
        const lanes *q = c->q + h * SIZE;
        lanes       *share = c->share[h], largest = {0};
        for (int s = 0; s < N; s++) {
            share[s] = q[0] * c->k[h * SIZE][s];
            for (int i = 1; i < SIZE; i++) share[s] += q[i] * c->k[h * SIZE + i][s];
            share[s] *= 0.5; /* 1/sqrt(SIZE) */
            largest =
                s == 0 ? share[0] : hand_where(looks_at(s), hand_max(largest, share[s]), largest);
        }
        for (int s = 0; s < N; s++)
            share[s] = hand_where(looks_at(s), share[s] - largest, (lanes){0});
    }
    exp_all(HEADS * N, c->share[0]);
    for (int h = 0; h < HEADS; h++) {
        lanes *share = c->share[h], total = share[0], *o = c->o + h * SIZE;
        for (int s = 1; s < N; s++) share[s] *= looks_at(s), total += share[s];
        total = 1 / total;
        for (int s = 0; s < N; s++) {
            share[s] *= total;
            for (int i = 0; i < SIZE; i++) {
                const lanes part = share[s] * c->v[h * SIZE + i][s];
                o[i] = s == 0 ? part : o[i] + part;
            }
        }
    }
}

/* The adjoints of q, k and v from those of o. */
static void attend_reverse(const kept *c, const lanes d_o[W], lanes dq[W], lanes dk[W],
                           lanes dv[W]) {
    for (int h = 0; h < HEADS; h++) {
        const lanes *share = c->share[h], *up = d_o + h * SIZE;
        lanes        ds[N], mean = {0}, turned[N];
        for (int s = 0; s < N; s++) {
            ds[s] = up[0] * c->v[h * SIZE][s];
            for (int i = 1; i < SIZE; i++) ds[s] += up[i] * c->v[h * SIZE + i][s];
            mean += share[s] * ds[s];
        }
        for (int s = 0; s < N; s++) ds[s] = share[s] * (ds[s] - mean) * 0.5;
        hand_transpose(share, turned); /* the lanes are what is looked at */
        for (int i = 0; i < SIZE; i++) {
            lanes to_q = ds[0] * c->k[h * SIZE + i][0], to_v = turned[0] * up[i][0];
            for (int t = 1; t < N; t++) {
                to_q += ds[t] * c->k[h * SIZE + i][t];
                to_v += turned[t] * up[i][t];
            }
            dq[h * SIZE + i] = to_q, dv[h * SIZE + i] = to_v;
        }
        hand_transpose(ds, turned);
        for (int i = 0; i < SIZE; i++) {
            lanes to_k = turned[0] * c->q[h * SIZE + i][0];
            for (int t = 1; t < N; t++) to_k += turned[t] * c->q[h * SIZE + i][t];
            dk[h * SIZE + i] = to_k;
        }
    }
}

/* -log of the shares of the wanted tokens, summed; p becomes the shares. */
static double cross_entropy(lanes p[V], const double text[N + 1]) {
    lanes largest = p[0], total = {0}, wanted;
    for (int i = 1; i < V; i++) largest = hand_max(largest, p[i]);
    for (int i = 0; i < V; i++) p[i] -= largest;
    for (int t = 0; t < N; t++) wanted[t] = p[(int)text[t + 1]][t];
    exp_all(V, p);
    for (int i = 0; i < V; i++) total += p[i];
    const lanes share = 1 / total;
    double      loss = 0;
    for (int i = 0; i < V; i++) p[i] *= share;
    const lanes_number *sum = (const lanes_number *)&total, *gain = (const lanes_number *)&wanted;
#pragma omp simd reduction(+ : loss)
    for (int t = 0; t < N; t++) loss += log(sum[t]) - gain[t];
    return loss;
}

static double forward(const weights *w, const double text[N + 1], kept *c) {
    double e_rows[N][W];
    for (int t = 0; t < N; t++)
        for (int i = 0; i < W; i++) e_rows[t][i] = w->token[(int)text[t]][i] + w->position[t][i];
    from_rows(W, e_rows[0], c->e);
    c->r1 = rms_forward(c->e, c->x);
    c->r2 = rms_forward(c->x, c->a);
    forward_layer(W, W, w->query[0], c->a, c->q);
    forward_layer(W, W, w->key[0], c->a, c->k);
    forward_layer(W, W, w->value[0], c->a, c->v);
    attend(c);
    forward_layer(W, W, w->output[0], c->o, c->y);
    for (int i = 0; i < W; i++) c->y[i] += c->x[i];
    c->r3 = rms_forward(c->y, c->m);
    forward_layer(H, W, w->up[0], c->m, c->u);
    for (int i = 0; i < H; i++) c->u[i] = hand_max(c->u[i], (lanes){0});
    forward_layer(W, H, w->down[0], c->u, c->z);
    for (int i = 0; i < W; i++) c->z[i] += c->y[i];
    forward_layer(V, W, w->head[0], c->z, c->p);
    return cross_entropy(c->p, text) / N;
}

static void reverse(const weights *w, const double text[N + 1], kept *c, double scale, weights *g) {
    lanes d_y[W] = {{0}}, d_m[W] = {{0}}, d_u[H] = {{0}}, d_o[W] = {{0}}, d_a[W] = {{0}},
          d_e[W] = {{0}}, d_q[W], d_k[W], d_v[W];
    double e_rows[N][W];
    to_rows(W, c->a, c->a_rows[0]), to_rows(W, c->o, c->o_rows[0]), to_rows(W, c->m, c->m_rows[0]);
    to_rows(H, c->u, c->u_rows[0]), to_rows(W, c->z, c->z_rows[0]);
    for (int i = 0; i < V; i++) c->p[i] *= scale;
    for (int t = 0; t < N; t++) c->p[(int)text[t + 1]][t] -= scale;
    weights_layer(V, W, c->p, c->z_rows[0], g->head[0]);
    reverse_layer(V, W, w->head[0], c->p, d_y); /* z is y and what the two layers add */
    weights_layer(W, H, d_y, c->u_rows[0], g->down[0]);
    reverse_layer(W, H, w->down[0], d_y, d_u);
    for (int i = 0; i < H; i++) d_u[i] = hand_where(c->u[i], d_u[i], (lanes){0});
    weights_layer(H, W, d_u, c->m_rows[0], g->up[0]);
    reverse_layer(H, W, w->up[0], d_u, d_m);
    rms_reverse(c->y, c->r3, d_m, d_y);
    weights_layer(W, W, d_y, c->o_rows[0], g->output[0]);
    reverse_layer(W, W, w->output[0], d_y, d_o);
    attend_reverse(c, d_o, d_q, d_k, d_v);
    weights_layer(W, W, d_q, c->a_rows[0], g->query[0]);
    weights_layer(W, W, d_k, c->a_rows[0], g->key[0]);
    weights_layer(W, W, d_v, c->a_rows[0], g->value[0]);
    reverse_layer(W, W, w->query[0], d_q, d_a);
    reverse_layer(W, W, w->key[0], d_k, d_a);
    reverse_layer(W, W, w->value[0], d_v, d_a);
    rms_reverse(c->x, c->r2, d_a, d_y); /* y is x and what attention adds */
    rms_reverse(c->e, c->r1, d_y, d_e);
    to_rows(W, d_e, e_rows[0]);
    for (int t = 0; t < N; t++)
        for (int i = 0; i < W; i++)
            g->token[(int)text[t]][i] += e_rows[t][i], g->position[t][i] += e_rows[t][i];
}

static double by_hand(void *context) {
    work       *w = context;
    static kept k;
    double      loss = 0;
    memset(w->by_hand, 0, PARAMS * sizeof *w->by_hand);
    for (size_t d = 0; d < w->documents; d++) {
        loss += forward((const weights *)w->param, w->text[d], &k) / (double)w->documents;
        reverse((const weights *)w->param, w->text[d], &k, 1.0 / (N * (double)w->documents),
                (weights *)w->by_hand);
    }
    return w->by_hand[PARAMS] = loss;
}

/* ---- by Tapir -------------------------------------------------------------------------------- */

static double by_tapir(void *context) {
    work           *w = context;
    double          loss = 0;
    const ad_status status =
        ad_program_gradient(w->program, w->param, w->documents, w->text[0], &loss, w->by_tapir);
    return w->by_tapir[PARAMS] = bench_result(w->program, status, loss);
}

static ad_program *compiled(double param[], size_t *nodes) {
    ad_tape     *tape = ad_tape_new();
    nn_model    *model = nn_model_new(tape, 5);
    transformer *net = transformer_new(model, V, W, HEADS, BLOCK);
    if (!net || nn_model_count(model) != PARAMS)
        exit((fprintf(stderr, "%s\n", nn_model_message(model)), 1));
    double      zero[N + 1] = {0};
    ad_var     *token = bench_leaves(tape, N + 1, zero), loss = transformer_loss(net, N, token);
    ad_program *program = bench_compile(tape, &(ad_interface){.params = PARAMS,
                                                              .param = nn_model_params(model),
                                                              .inputs = N + 1,
                                                              .input = token,
                                                              .outputs = 1,
                                                              .output = &loss});
    nn_model_values(model, param);
    *nodes = ad_tape_length(tape) - PARAMS;
    free(token);
    transformer_free(net);
    nn_model_free(model);
    ad_tape_free(tape);
    return program;
}

int main(void) {
    bench_threads(1);
    static work w;
    uint64_t    seed = 11;
    size_t      nodes;
    char        title[120];
    int         failed = 0;
    w.param = bench_numbers(PARAMS), w.by_hand = bench_numbers(PARAMS + 1),
    w.by_tapir = bench_numbers(PARAMS + 1);
    w.program = compiled(w.param, &nodes);
    for (int d = 0; d < DOCUMENTS; d++)
        for (int t = 0; t <= N; t++)
            w.text[d][t] = t == 0 || t == N ? V - 1 : floor(bench_uniform(&seed, 0, V - 1));
    for (w.documents = 1; w.documents <= DOCUMENTS; w.documents += DOCUMENTS - 1) {
        const bool one = w.documents == 1;
        snprintf(title, sizeof title, "GPT, %d parameters, %s of %d tokens (%zu nodes)", PARAMS,
                 one ? "one document" : "32 documents", N, nodes);
        failed +=
            bench_arrays(title, one ? 1.5 : 0.5, by_hand, by_tapir, &w, PARAMS + 1, w.by_hand,
                         w.by_tapir, BENCH_MOST, 1e6 / (double)w.documents, "us/document", 1e-9);
    }
    ad_program_free(w.program);
    free(w.param), free(w.by_hand), free(w.by_tapir);
    return failed != 0;
}
