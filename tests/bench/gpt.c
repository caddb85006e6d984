/* gpt.c - the loss of demos/transformer.h and its gradient: microgpt's sizes, documents of 8 tokens, a usual name.
 *
 * One document, where every number of a program is one of its own, and batches of 32, which are lanes. By hand:
 * the same forward pass, keeping what the way back needs, and the way back, document by document, with rows of
 * 16 numbers that the compiler makes vectors of. The tokens are inputs on both sides. */
#include "bench.h"
#include "demos/transformer.h"

#include <string.h>

enum { V = 27, W = 16, HEADS = 4, SIZE = W/HEADS, BLOCK = 16, N = 8, DOCUMENTS = 32, H = 4*W };

/* The parameters, in the order in which the model has them. */
typedef struct weights {
    double token[V][W], position[BLOCK][W], head[V][W];
    double query[W][W], key[W][W], value[W][W], output[W][W];
    double up[H][W], down[W][H];
} weights;

enum { PARAMS = sizeof(weights)/sizeof(double) };

/* What a position keeps. */
typedef struct kept {
    double e[W], x[W], a[W], q[W], k[W], v[W], o[W], y[W], m[W], u[H], z[W], p[V];
    double share[HEADS][N], r1, r2, r3;
} kept;

typedef struct work {
    size_t      documents;
    ad_program *program;
    double     *param, *by_hand, *by_tapir, text[DOCUMENTS][N + 1];
} work;

/* ---- by hand ------------------------------------------------------------------------------------ */

/* y = w*x;  w' += dy x^T, dx += w^T dy */
#define MATRIX(name, ROWS, COLUMNS)                                                                         \
    static inline void name##_forward(const double w[ROWS][COLUMNS], const double x[COLUMNS], double y[ROWS]) { \
        for (int i = 0; i < ROWS; i++) {                                                                    \
            double s = 0;                                                                                   \
            _Pragma("omp simd reduction(+:s)")                                                              \
            for (int j = 0; j < COLUMNS; j++) s += w[i][j]*x[j];                                            \
            y[i] = s;                                                                                       \
        }                                                                                                   \
    }                                                                                                       \
    static inline void name##_reverse(const double w[ROWS][COLUMNS], double dw[ROWS][COLUMNS], const double x[COLUMNS], \
                                      const double dy[ROWS], double dx[COLUMNS]) {                          \
        for (int i = 0; i < ROWS; i++)                                                                      \
            for (int j = 0; j < COLUMNS; j++) {                                                             \
                dw[i][j] += dy[i]*x[j];                                                                     \
                dx[j] += w[i][j]*dy[i];                                                                     \
            }                                                                                               \
    }
MATRIX(square, W, W)
MATRIX(up, H, W)
MATRIX(down, W, H)
MATRIX(head, V, W)

static inline double rms_forward(const double x[W], double y[W]) {
    double s = 0;
    for (int i = 0; i < W; i++) s += x[i]*x[i];
    const double r = 1/sqrt(s/W + 1e-5);
    for (int i = 0; i < W; i++) y[i] = x[i]*r;
    return r;
}

static inline void rms_reverse(const double x[W], double r, const double dy[W], double dx[W]) {
    double s = 0;
    for (int i = 0; i < W; i++) s += dy[i]*x[i];
    for (int i = 0; i < W; i++) dx[i] += r*dy[i] - x[i]*r*r*r*s/W;
}

static void attend(kept k[N], int t) {
    memset(k[t].o, 0, sizeof k[t].o);
    for (int h = 0; h < HEADS; h++) {
        double *share = k[t].share[h], largest = -INFINITY, total = 0;
        for (int s = 0; s <= t; s++) {
            share[s] = 0;
            for (int i = h*SIZE; i < (h + 1)*SIZE; i++) share[s] += k[t].q[i]*k[s].k[i];
            share[s] *= 1/sqrt(SIZE);
            largest = fmax(largest, share[s]);
        }
        for (int s = 0; s <= t; s++) total += share[s] = exp(share[s] - largest);
        for (int s = 0; s <= t; s++) {
            share[s] /= total;
            for (int i = h*SIZE; i < (h + 1)*SIZE; i++) k[t].o[i] += share[s]*k[s].v[i];
        }
    }
}

/* d->q, d->k, d->v of all positions up to t, from d->o of t. */
static void attend_reverse(const kept k[N], kept d[N], int t) {
    for (int h = 0; h < HEADS; h++) {
        const double *share = k[t].share[h];
        double        ds[N], mean = 0;
        for (int s = 0; s <= t; s++) {
            ds[s] = 0;
            for (int i = h*SIZE; i < (h + 1)*SIZE; i++) {
                ds[s] += d[t].o[i]*k[s].v[i];
                d[s].v[i] += share[s]*d[t].o[i];
            }
            mean += share[s]*ds[s];
        }
        for (int s = 0; s <= t; s++) {
            const double up = share[s]*(ds[s] - mean)*(1/sqrt(SIZE));
            for (int i = h*SIZE; i < (h + 1)*SIZE; i++) {
                d[t].q[i] += up*k[s].k[i];
                d[s].k[i] += up*k[t].q[i];
            }
        }
    }
}

static double forward(const weights *w, const double text[N + 1], kept k[N]) {
    double loss = 0;
    for (int t = 0; t < N; t++) {
        kept *c = &k[t];
        for (int i = 0; i < W; i++) c->e[i] = w->token[(int)text[t]][i] + w->position[t][i];
        c->r1 = rms_forward(c->e, c->x);
        c->r2 = rms_forward(c->x, c->a);
        square_forward(w->query, c->a, c->q);
        square_forward(w->key, c->a, c->k);
        square_forward(w->value, c->a, c->v);
        attend(k, t);
        square_forward(w->output, c->o, c->y);
        for (int i = 0; i < W; i++) c->y[i] += c->x[i];
        c->r3 = rms_forward(c->y, c->m);
        up_forward(w->up, c->m, c->u);
        for (int i = 0; i < H; i++) c->u[i] = c->u[i] < 0 ? 0 : c->u[i];
        down_forward(w->down, c->u, c->z);
        for (int i = 0; i < W; i++) c->z[i] += c->y[i];
        head_forward(w->head, c->z, c->p);
        double largest = -INFINITY, total = 0;
        const double wanted = c->p[(int)text[t + 1]];
        for (int i = 0; i < V; i++) largest = fmax(largest, c->p[i]);
        for (int i = 0; i < V; i++) total += c->p[i] = exp(c->p[i] - largest);
        for (int i = 0; i < V; i++) c->p[i] /= total;
        loss += largest + log(total) - wanted;
    }
    return loss/N;
}

static void reverse(const weights *w, const double text[N + 1], const kept k[N], double scale, weights *g) {
    static kept d[N];
    memset(d, 0, sizeof d);
    for (int t = N; t-- > 0;) {
        double du[H] = {0};
        for (int i = 0; i < V; i++) d[t].p[i] = scale*(k[t].p[i] - (i == (int)text[t + 1]));
        head_reverse(w->head, g->head, k[t].z, d[t].p, d[t].z);
        down_reverse(w->down, g->down, k[t].u, d[t].z, du);
        for (int i = 0; i < H; i++) du[i] = k[t].u[i] > 0 ? du[i] : 0;
        up_reverse(w->up, g->up, k[t].m, du, d[t].m);
        memcpy(d[t].y, d[t].z, sizeof d[t].y);
        rms_reverse(k[t].y, k[t].r3, d[t].m, d[t].y);
        square_reverse(w->output, g->output, k[t].o, d[t].y, d[t].o);
        attend_reverse(k, d, t);
    }
    for (int t = N; t-- > 0;) {
        square_reverse(w->query, g->query, k[t].a, d[t].q, d[t].a);
        square_reverse(w->key, g->key, k[t].a, d[t].k, d[t].a);
        square_reverse(w->value, g->value, k[t].a, d[t].v, d[t].a);
        rms_reverse(k[t].x, k[t].r2, d[t].a, d[t].y);          /* y is x and what attention adds */
        rms_reverse(k[t].e, k[t].r1, d[t].y, d[t].e);
        for (int i = 0; i < W; i++) g->token[(int)text[t]][i] += d[t].e[i], g->position[t][i] += d[t].e[i];
    }
}

static double by_hand(void *context) {
    work       *w = context;
    static kept k[N];
    double      loss = 0;
    memset(w->by_hand, 0, PARAMS*sizeof *w->by_hand);
    for (size_t d = 0; d < w->documents; d++) {
        loss += forward((const weights *)w->param, w->text[d], k)/(double)w->documents;
        reverse((const weights *)w->param, w->text[d], k, 1.0/(N*(double)w->documents), (weights *)w->by_hand);
    }
    return w->by_hand[PARAMS] = loss;
}

/* ---- by Tapir ----------------------------------------------------------------------------------- */

static double by_tapir(void *context) {
    work *w = context;
    double loss = 0;
    const ad_status status = ad_program_gradient(w->program, w->param, w->documents, w->text[0], &loss, w->by_tapir);
    return w->by_tapir[PARAMS] = bench_result(w->program, status, loss);
}

static ad_program *compiled(double param[], size_t *nodes) {
    ad_tape     *tape = ad_tape_new();
    nn_model    *model = nn_model_new(tape, 5);
    transformer *net = transformer_new(model, V, W, HEADS, BLOCK);
    if (!net || nn_model_count(model) != PARAMS) exit((fprintf(stderr, "%s\n", nn_model_message(model)), 1));
    double  zero[N + 1] = {0};
    ad_var *token = bench_leaves(tape, N + 1, zero), loss = transformer_loss(net, N, token);
    ad_program *program = bench_compile(tape, &(ad_interface){
        .params = PARAMS, .param = nn_model_params(model), .inputs = N + 1, .input = token, .outputs = 1, .output = &loss});
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
    w.param = bench_numbers(PARAMS), w.by_hand = bench_numbers(PARAMS + 1), w.by_tapir = bench_numbers(PARAMS + 1);
    w.program = compiled(w.param, &nodes);
    for (int d = 0; d < DOCUMENTS; d++)
        for (int t = 0; t <= N; t++) w.text[d][t] = t == 0 || t == N ? V - 1 : floor(bench_uniform(&seed, 0, V - 1));
    for (w.documents = 1; w.documents <= DOCUMENTS; w.documents += DOCUMENTS - 1) {
        const bool one = w.documents == 1;
        snprintf(title, sizeof title, "GPT, %d parameters, %s of %d tokens (%zu nodes)", PARAMS,
                 one ? "one document" : "32 documents", N, nodes);
        failed += bench_arrays(title, one ? 1.5 : 0.5, by_hand, by_tapir, &w, PARAMS + 1, w.by_hand, w.by_tapir,
                               BENCH_MOST, 1e6/(double)w.documents, "us/document", 1e-9);
    }
    ad_program_free(w.program);
    free(w.param), free(w.by_hand), free(w.by_tapir);
    return failed != 0;
}
