/* templates_by_hand.c - the adjoints of templates.hpp as a careful person writes them: what the
 * reverse pass needs is kept, what cancels is left out (the maximum of a log-sum-exp), zeros and
 * ones of matrices are not multiplied, and the innermost loop runs over eight numbers that lie
 * side by side in a register of AVX-512. Those are written as GNU C's vectors, so that it does not
 * depend on the compiler's mood whether a loop is vectorized. What rows share is computed once;
 * points and poses go eight at a time, simulations four, sequences one. */
#include "hand.h"
#include "templates.h"

#include <string.h>

#ifdef AD__VECTOR_MATH
#define EACH _Pragma("omp simd simdlen(8)")
#else
#define EACH
#endif

typedef int64_t mask __attribute__((vector_size(64))); /* -1 or 0 for each lane */

static inline void add_to(double *to, lanes x) {
    hand_store(to, hand_load(to) + x);
}

/* Each lane and its partner, at a distance of 4, of 2, of 1: then every lane has what is asked
 * of all. */
static inline lanes partner(lanes x, int distance) {
    return distance == 4 ? __builtin_shufflevector(x, x, 4, 5, 6, 7, 0, 1, 2, 3)
         : distance == 2 ? __builtin_shufflevector(x, x, 2, 3, 0, 1, 6, 7, 4, 5)
                         : __builtin_shufflevector(x, x, 1, 0, 3, 2, 5, 4, 7, 6);
}

static inline double total(lanes x) {
    x += partner(x, 4);
    x += partner(x, 2);
    return x[0] + x[1];
}

static inline lanes larger(lanes x, lanes y) {
    const mask first = x > y;
    return (lanes)((first & (mask)x) | (~first & (mask)y));
}

static inline lanes largest(lanes x) {
    x = larger(x, partner(x, 4));
    x = larger(x, partner(x, 2));
    return larger(x, partner(x, 1));
}

static inline lanes gathered(const double *x, size_t stride) {
    return (lanes){x[0],          x[stride],     x[2 * stride], x[3 * stride],
                   x[4 * stride], x[5 * stride], x[6 * stride], x[7 * stride]};
}

static inline void scattered(double *to, size_t stride, lanes x) {
    for (size_t k = 0; k < LANES; k++) to[k * stride] = x[k];
}

/* In place; n is a multiple of LANES. */
static inline void exps(size_t n, double x[]) {
    EACH for (size_t i = 0; i < n; i++) x[i] = exp(x[i]);
}

static inline void logs(size_t n, double x[]) {
    EACH for (size_t i = 0; i < n; i++) x[i] = log(x[i]);
}

static inline void circle(size_t n, const double angle[], double cosine[], double sine[]) {
    EACH for (size_t i = 0; i < n; i++) cosine[i] = cos(angle[i]);
    EACH for (size_t i = 0; i < n; i++) sine[i] = sin(angle[i]);
}

/* From e = exp(-2*x). Its error is that of a number near 1: enough for what is added to other
 * numbers. */
static inline lanes tanh_of(lanes e) {
    return 2 / (1 + e) - 1;
}

/* A matrix in an array: element (i, k) stands at i*down + k*right. */
typedef struct view {
    const double *at;
    size_t        down, right;
} view;

/* c += x*y in a few rows of LANES*vectors numbers, whose sums stay in registers and do not wait for
 * each other; n columns of x, rows of y. */
__attribute__((always_inline)) static inline void tile(size_t rows, size_t vectors, size_t n,
                                                       view x, view y, double *c, size_t c_row) {
    lanes sum[4][4] = {{{0}}};
    for (size_t k = 0; k < n; k++)
        for (size_t i = 0; i < rows; i++)
            for (size_t v = 0; v < vectors; v++)
                sum[i][v] +=
                    x.at[i * x.down + k * x.right] * hand_load(y.at + k * y.down + v * LANES);
    for (size_t i = 0; i < rows; i++)
        for (size_t v = 0; v < vectors; v++) add_to(c + i * c_row + v * LANES, sum[i][v]);
}

/* c += x*y, m x LANES*vectors. */
__attribute__((always_inline)) static inline void product(size_t m, size_t vectors, size_t n,
                                                          view x, view y, double *c, size_t c_row) {
    const size_t fours = m - m % 4;
    for (size_t i = 0; i < fours; i += 4, x.at += 4 * x.down)
        tile(4, vectors, n, x, y, c + i * c_row, c_row);
    for (size_t i = fours; i < m; i++, x.at += x.down)
        tile(1, vectors, n, x, y, c + i * c_row, c_row);
}

/* ---- a mixture of Gaussians: eight components, and as many points at a time ------------------ */

enum { MIX_BLOCK = 8 };
_Static_assert((int)MIX_K == LANES, "a component is a lane");

typedef struct mix {
    lanes scale, mean[MIX_D], diagonal[MIX_D], below[MIX_BELOW];
} mix;

/* The terms of the components; z is kept. */
static inline lanes mix_forward(const mix *m, const double x[MIX_D], lanes z[MIX_D]) {
    lanes centered[MIX_D], square = {0};
    for (size_t i = 0; i < MIX_D; i++) centered[i] = x[i] - m->mean[i];
#pragma GCC unroll 8
    for (size_t i = 0, b = 0; i < MIX_D; i++) {
        z[i] = m->diagonal[i] * centered[i];
#pragma GCC unroll 8
        for (size_t j = 0; j < i; j++) z[i] += m->below[b++] * centered[j];
        square += z[i] * z[i];
    }
    return m->scale - 0.5 * square;
}

static inline void mix_back(const mix *m, const double x[MIX_D], const lanes z[MIX_D], lanes share,
                            mix *grad) {
    lanes centered[MIX_D], up[MIX_D] = {0};
    for (size_t i = 0; i < MIX_D; i++) centered[i] = x[i] - m->mean[i];
    grad->scale += share;
#pragma GCC unroll 8
    for (size_t i = 0, b = 0; i < MIX_D; i++) {
        const lanes dz = -share * z[i];
        grad->diagonal[i] += dz * centered[i];
        up[i] += dz * m->diagonal[i];
#pragma GCC unroll 8
        for (size_t j = 0; j < i; j++, b++) {
            grad->below[b] += dz * centered[j];
            up[j] += dz * m->below[b];
        }
    }
    for (size_t i = 0; i < MIX_D; i++) grad->mean[i] -= up[i];
}

static double mix_block(const mix *m, const double point[], size_t used, mix *grad) {
    lanes  z[MIX_BLOCK][MIX_D], e[MIX_BLOCK] = {{0}};
    double sum[MIX_BLOCK] = {1, 1, 1, 1, 1, 1, 1, 1}, value = 0;
    for (size_t r = 0; r < used; r++) {
        const lanes term = mix_forward(m, point + r * MIX_D, z[r]), most = largest(term);
        value += most[0];
        e[r] = term - most;
    }
    exps(MIX_BLOCK * LANES, (double *)e);
    for (size_t r = 0; r < used; r++) {
        sum[r] = total(e[r]);
        mix_back(m, point + r * MIX_D, z[r], e[r] / sum[r], grad);
    }
    logs(MIX_BLOCK, sum);
    return value + total(hand_load(sum));
}

/* log of the sum of exp(alpha); alpha becomes its gradient. */
static double mix_norm(double alpha[MIX_K]) {
    const lanes most = largest(hand_load(alpha));
    hand_store(alpha, hand_load(alpha) - most);
    exps(MIX_K, alpha);
    const double sum = total(hand_load(alpha));
    hand_store(alpha, hand_load(alpha) / sum);
    return most[0] + log(sum);
}

static mix mix_packed(const double param[]) {
    const double *q = param + 1 + MIX_D, *below = q + MIX_D;
    mix           m = {.scale = gathered(param, MIX_EACH)};
    for (size_t i = 0; i < MIX_D; i++) {
        m.mean[i] = gathered(param + 1 + i, MIX_EACH);
        m.diagonal[i] = gathered(q + i, MIX_EACH);
        m.scale += m.diagonal[i];
    }
    exps(MIX_D * LANES, (double *)m.diagonal);
    for (size_t b = 0; b < MIX_BELOW; b++) m.below[b] = gathered(below + b, MIX_EACH);
    return m;
}

double mixture_by_hand(const double param[], size_t rows, const double data[], double grad[]) {
    const mix m = mix_packed(param);
    mix       g = {0};
    double    alpha[MIX_K], *q = grad + 1 + MIX_D;
    hand_store(alpha, gathered(param, MIX_EACH));
    double sum = -(double)rows * (mix_norm(alpha) + 0.5 * MIX_D * log(2 * M_PI));
    for (size_t r = 0; r < rows; r += MIX_BLOCK)
        sum += mix_block(&m, data + r * MIX_D, rows - r < MIX_BLOCK ? rows - r : MIX_BLOCK, &g);
    scattered(grad, MIX_EACH, g.scale - (double)rows * hand_load(alpha));
    for (size_t i = 0; i < MIX_D; i++) {
        scattered(grad + 1 + i, MIX_EACH, g.mean[i]);
        scattered(q + i, MIX_EACH, g.diagonal[i] * m.diagonal[i] + g.scale);
    }
    for (size_t b = 0; b < MIX_BELOW; b++) scattered(q + MIX_D + b, MIX_EACH, g.below[b]);
    return sum;
}

/* ---- least squares --------------------------------------------------------------------------- */

enum { FIT_V = FIT_N / LANES };
_Static_assert(FIT_N % LANES == 0, "no coefficients are left over");

double least_squares_by_hand(const double param[], size_t rows, const double data[],
                             double grad[]) {
    lanes  w[FIT_V], g[FIT_V] = {0};
    double sum = 0;
    for (size_t j = 0; j < FIT_V; j++) w[j] = hand_load(param + j * LANES);
    for (size_t r = 0; r < rows; r++, data += FIT_INPUTS) {
        lanes z = {0};
        for (size_t j = 0; j < FIT_V; j++) z += w[j] * hand_load(data + j * LANES);
        const double residual = total(z) - data[FIT_N];
        sum += residual * residual;
        for (size_t j = 0; j < FIT_V; j++) g[j] += 2 * residual * hand_load(data + j * LANES);
    }
    for (size_t j = 0; j < FIT_V; j++) hand_store(grad + j * LANES, g[j]);
    return sum;
}

/* ---- Runge-Kutta: eight springs; the eighth mass is the walls, and stays where it is --------- */

_Static_assert((int)ODE_SPRINGS == LANES, "a spring is a lane");

typedef struct ode_state {
    lanes x, v;
} ode_state;

typedef struct ode {
    lanes  stiffness;
    double cubic, damping;
} ode;

static const lanes ode_free = {1, 1, 1, 1, 1, 1, 1, 0};

static inline lanes before(lanes x) {
    return __builtin_shufflevector(x, x, 7, 0, 1, 2, 3, 4, 5, 6);
}

static inline lanes after(lanes x) {
    return __builtin_shufflevector(x, x, 1, 2, 3, 4, 5, 6, 7, 0);
}

static inline ode_state ode_rates(const ode *p, ode_state y) {
    const lanes stretch = y.x - before(y.x);
    const lanes force = stretch * (p->stiffness + p->cubic * stretch * stretch);
    return (ode_state){y.v, ode_free * (after(force) - force - p->damping * y.v)};
}

/* What arrives at the state when `up` arrives at its rates; the parameters' share is added to
 * `grad`, lane by lane. */
static inline ode_state ode_rates_back(const ode *p, ode_state y, ode_state up, lanes grad[3]) {
    const lanes stretch = y.x - before(y.x), square = stretch * stretch, a = ode_free * up.v,
                force = before(a) - a;
    grad[0] += force * stretch;
    grad[1] += force * stretch * square;
    grad[2] -= a * y.v;
    const lanes ds = force * (p->stiffness + 3 * p->cubic * square);
    return (ode_state){ds - after(ds), up.x - p->damping * a};
}

static inline ode_state ode_moved(ode_state y, double h, ode_state k) {
    return (ode_state){y.x + h * k.x, y.v + h * k.v};
}

static inline ode_state ode_forward(const ode *p, double h, ode_state y, ode_state stage[4]) {
    const ode_state k1 = ode_rates(p, stage[0] = y);
    const ode_state k2 = ode_rates(p, stage[1] = ode_moved(y, h / 2, k1));
    const ode_state k3 = ode_rates(p, stage[2] = ode_moved(y, h / 2, k2));
    const ode_state k4 = ode_rates(p, stage[3] = ode_moved(y, h, k3));
    return (ode_state){y.x + h / 6 * (k1.x + 2 * k2.x + 2 * k3.x + k4.x),
                       y.v + h / 6 * (k1.v + 2 * k2.v + 2 * k3.v + k4.v)};
}

static inline ode_state ode_back(const ode *p, double h, const ode_state stage[4], ode_state up,
                                 lanes grad[3]) {
    const ode_state none = {{0}, {0}}, sixth = ode_moved(none, h / 6, up),
                    third = ode_moved(none, h / 3, up);
    const ode_state u4 = ode_rates_back(p, stage[3], sixth, grad);
    const ode_state u3 = ode_rates_back(p, stage[2], ode_moved(third, h, u4), grad);
    const ode_state u2 = ode_rates_back(p, stage[1], ode_moved(third, h / 2, u3), grad);
    const ode_state u1 = ode_rates_back(p, stage[0], ode_moved(sixth, h / 2, u2), grad);
    return (ode_state){up.x + u1.x + u2.x + u3.x + u4.x, up.v + u1.v + u2.v + u3.v + u4.v};
}

/* A simulation is a chain in which each operation waits for the last, so a few go side by side. */
enum { ODE_ROWS = 4 };

typedef struct ode_run {
    ode_state y, up, stage[ODE_STEPS][4];
} ode_run;

static void ode_begin(ode_run *run, const double row[]) {
    const ode_state none = {{0}, {0}};
    run->y = run->up = none;
    for (size_t i = 0; i < ODE_MASSES; i++) run->y.x[i] = row[i], run->y.v[i] = row[ODE_MASSES + i];
}

static double ode_miss(ode_run *run, const double wanted[]) {
    double sum = 0;
    for (size_t i = 0; i < ODE_MASSES; i++) {
        const double miss = run->y.x[i] - wanted[i];
        sum += miss * miss;
        run->up.x[i] = 2 * miss;
    }
    return sum;
}

__attribute__((always_inline)) static inline double ode_rows(const ode *p, size_t rows,
                                                             const double row[], lanes grad[3]) {
    static ode_run run[ODE_ROWS];
    double         sum = 0;
    for (size_t r = 0; r < rows; r++) ode_begin(&run[r], row + r * ODE_INPUTS);
    for (int i = 0; i < ODE_STEPS; i++)
        for (size_t r = 0; r < rows; r++)
            run[r].y = ode_forward(p, ode_step(i), run[r].y, run[r].stage[i]);
    for (size_t r = 0; r < rows; r++) sum += ode_miss(&run[r], row + r * ODE_INPUTS + ODE_STATE);
    for (int i = ODE_STEPS; i-- > 0;)
        for (size_t r = 0; r < rows; r++)
            run[r].up = ode_back(p, ode_step(i), run[r].stage[i], run[r].up, grad);
    return sum;
}

double runge_kutta_by_hand(const double param[], size_t rows, const double data[], double grad[]) {
    const ode    p = {hand_load(param), param[ODE_SPRINGS], param[ODE_SPRINGS + 1]};
    lanes        g[3] = {{0}};
    double       sum = 0;
    const size_t fours = rows - rows % ODE_ROWS;
    for (size_t r = 0; r < fours; r += ODE_ROWS)
        sum += ode_rows(&p, ODE_ROWS, data + r * ODE_INPUTS, g);
    for (size_t r = fours; r < rows; r++) sum += ode_rows(&p, 1, data + r * ODE_INPUTS, g);
    hand_store(grad, g[0]);
    grad[ODE_SPRINGS] = total(g[1]);
    grad[ODE_SPRINGS + 1] = total(g[2]);
    return sum;
}

/* ---- log-sum-exp: the largest -level/t is that of the lowest level, whatever t --------------- */

_Static_assert(LSE_N % LANES == 0, "no levels are left over");

double log_sum_exp_by_hand(const double level[], size_t rows, const double temperature[],
                           double grad[]) {
    double lowest = level[0], sum = 0;
    for (size_t i = 1; i < LSE_N; i++) lowest = level[i] < lowest ? level[i] : lowest;
    memset(grad, 0, LSE_N * sizeof *grad);
    for (size_t r = 0; r < rows; r++) {
        const double scale = -1 / temperature[r];
        double       weight[LSE_N];
        lanes        all = {0};
        for (size_t i = 0; i < LSE_N; i++) weight[i] = scale * (level[i] - lowest);
        exps(LSE_N, weight);
        for (size_t i = 0; i < LSE_N; i += LANES) all += hand_load(weight + i);
        const double partition = total(all), share = 1 / partition;
        for (size_t i = 0; i < LSE_N; i += LANES) add_to(grad + i, share * hand_load(weight + i));
        sum += lowest - temperature[r] * log(partition);
    }
    return sum;
}

/* ---- k-means: eight centres ------------------------------------------------------------------ */

_Static_assert((int)MEANS_K == LANES && (int)MEANS_D == LANES,
               "a centre is a lane, and its coordinates are eight");

/* No two centres are equally near to a point that is drawn at random. */
double k_means_by_hand(const double centre[], size_t rows, const double point[], double grad[]) {
    lanes  along[MEANS_D], g[MEANS_D] = {{0}}; /* coordinate i of all centres */
    double sum = 0;
    for (size_t i = 0; i < MEANS_D; i++) along[i] = gathered(centre + i, MEANS_D);
    for (size_t r = 0; r < rows; r++, point += MEANS_D) {
        lanes difference[MEANS_D], square = {0};
        for (size_t i = 0; i < MEANS_D; i++) {
            difference[i] = along[i] - point[i];
            square += difference[i] * difference[i];
        }
        const lanes least = -largest(-square);
        const mask  nearest = square == least;
        for (size_t i = 0; i < MEANS_D; i++) g[i] += (lanes)((mask)difference[i] & nearest);
        sum += least[0];
    }
    for (size_t i = 0; i < MEANS_D; i++) scattered(grad + i, MEANS_D, 2 * g[i]);
    return sum;
}

/* ---- a long short-term memory ---------------------------------------------------------------- */

enum { LSTM_V = LSTM_H / LANES, LSTM_PADDED = LSTM_IN + 4 };
_Static_assert(LSTM_H % LANES == 0 && LSTM_PADDED % LANES == 0, "vectors are whole");

/* Of a step: x, hidden before, 1 for the bias, zeros; the gates, and what arrives before their
 * curves. */
typedef struct lstm_kept {
    double in[LSTM_PADDED];
    lanes  gate[4][LSTM_V], before[LSTM_V], curved[LSTM_V], hidden[LSTM_V];
    double up[LSTM_GATES], miss[LSTM_I];
} lstm_kept;

static void lstm_forward(double turned[LSTM_IN + 1][LSTM_GATES], lstm_kept *s, lanes cell[LSTM_V]) {
    lanes z[4 * LSTM_V] = {{0}}, e[LSTM_V];
    for (size_t j = 0; j <= LSTM_IN; j++)
        for (size_t v = 0; v < 4 * LSTM_V; v++) z[v] += s->in[j] * hand_load(turned[j] + v * LANES);
    for (size_t v = 0; v < 4 * LSTM_V; v++) z[v] *= v < 3 * LSTM_V ? -1 : -2;
    exps(LSTM_GATES, (double *)z);
    for (size_t v = 0; v < LSTM_V; v++) {
        for (size_t g = 0; g < 3; g++) s->gate[g][v] = 1 / (1 + z[g * LSTM_V + v]);
        s->gate[3][v] = tanh_of(z[3 * LSTM_V + v]);
        s->before[v] = cell[v];
        cell[v] = s->gate[1][v] * cell[v] + s->gate[0][v] * s->gate[3][v];
        e[v] = -2 * cell[v];
    }
    exps(LSTM_H, (double *)e);
    for (size_t v = 0; v < LSTM_V; v++) {
        s->curved[v] = tanh_of(e[v]);
        s->hidden[v] = s->gate[2][v] * s->curved[v];
    }
}

static double lstm_read(const double read[], lstm_kept *s, const double next[LSTM_I]) {
    double sum = 0;
    for (size_t i = 0; i < LSTM_I; i++) {
        lanes z = {0};
        for (size_t v = 0; v < LSTM_V; v++)
            z += hand_load(read + i * LSTM_H + v * LANES) * s->hidden[v];
        s->miss[i] = total(z) + read[LSTM_I * LSTM_H + i] - next[i];
        sum += s->miss[i] * s->miss[i];
    }
    return sum;
}

/* dh, dc: what arrives at the hidden values and the cells of this step; afterwards, of the step
 * before. */
static void lstm_back(const double param[], lstm_kept *s, lanes dh[LSTM_V], lanes dc[LSTM_V],
                      double grad[]) {
    const double *read = param + LSTM_READ;
    double       *read_grad = grad + LSTM_READ;
    for (size_t i = 0; i < LSTM_I; i++) {
        const double up = 2 * s->miss[i];
        read_grad[LSTM_I * LSTM_H + i] += up;
        for (size_t v = 0; v < LSTM_V; v++) {
            add_to(read_grad + i * LSTM_H + v * LANES, up * s->hidden[v]);
            dh[v] += up * hand_load(read + i * LSTM_H + v * LANES);
        }
    }
    for (size_t v = 0; v < LSTM_V; v++) {
        const lanes in = s->gate[0][v], forget = s->gate[1][v], out = s->gate[2][v],
                    change = s->gate[3][v];
        const lanes up = dc[v] + dh[v] * out * (1 - s->curved[v] * s->curved[v]);
        hand_store(s->up + v * LANES, up * change * in * (1 - in));
        hand_store(s->up + LSTM_H + v * LANES, up * s->before[v] * forget * (1 - forget));
        hand_store(s->up + 2 * LSTM_H + v * LANES, dh[v] * s->curved[v] * out * (1 - out));
        hand_store(s->up + 3 * LSTM_H + v * LANES, up * in * (1 - change * change));
        dc[v] = up * forget;
    }
    lanes down[4][LSTM_V] = {{{0}}}; /* four sums that do not wait for each other */
    for (size_t i = 0; i < LSTM_H; i++)
        for (size_t g = 0; g < 4; g++)
            for (size_t v = 0; v < LSTM_V; v++)
                down[g][v] += s->up[g * LSTM_H + i] *
                              hand_load(param + (g * LSTM_H + i) * LSTM_IN + LSTM_I + v * LANES);
    for (size_t v = 0; v < LSTM_V; v++)
        dh[v] = (down[0][v] + down[1][v]) + (down[2][v] + down[3][v]);
}

/* The gradient in the weights is one product of matrices, over all steps. */
static void lstm_weights(const lstm_kept step[LSTM_STEPS], double grad[]) {
    double     padded[LSTM_GATES][LSTM_PADDED] = {{0}};
    const view up = {step->up, 1, sizeof *step / sizeof(double)}, in = {step->in, up.right, 1};
    product(LSTM_GATES, LSTM_PADDED / LANES, LSTM_STEPS, up, in, padded[0], LSTM_PADDED);
    for (size_t u = 0; u < LSTM_GATES; u++) {
        for (size_t j = 0; j < LSTM_IN; j++) grad[u * LSTM_IN + j] += padded[u][j];
        grad[LSTM_BIAS + u] += padded[u][LSTM_IN];
    }
}

static double lstm_row(const double param[], double turned[LSTM_IN + 1][LSTM_GATES],
                       const double row[], double grad[]) {
    static lstm_kept step[LSTM_STEPS];
    lanes            cell[LSTM_V] = {{0}}, dh[LSTM_V] = {{0}}, dc[LSTM_V] = {{0}};
    double           sum = 0;
    for (size_t t = 0; t < LSTM_STEPS; t++, row += LSTM_I) {
        lstm_kept *s = &step[t];
        memcpy(s->in, row, LSTM_I * sizeof *row);
        for (size_t v = 0; v < LSTM_V; v++)
            hand_store(s->in + LSTM_I + v * LANES, t ? step[t - 1].hidden[v] : dh[v]);
        s->in[LSTM_IN] = 1;
        lstm_forward(turned, s, cell);
        sum += lstm_read(param + LSTM_READ, s, row + LSTM_I);
    }
    for (size_t t = LSTM_STEPS; t-- > 0;) lstm_back(param, &step[t], dh, dc, grad);
    lstm_weights(step, grad);
    return sum;
}

double lstm_by_hand(const double param[], size_t rows, const double data[], double grad[]) {
    static double turned[LSTM_IN + 1][LSTM_GATES];
    double        sum = 0;
    for (size_t j = 0; j < LSTM_IN; j++)
        for (size_t u = 0; u < LSTM_GATES; u++) turned[j][u] = param[u * LSTM_IN + j];
    memcpy(turned[LSTM_IN], param + LSTM_BIAS, sizeof turned[LSTM_IN]);
    memset(grad, 0, LSTM_PARAMS * sizeof *grad);
    for (size_t r = 0; r < rows; r++) sum += lstm_row(param, turned, data + r * LSTM_INPUTS, grad);
    return sum;
}

/* ---- a kinematic chain: eight poses side by side --------------------------------------------- */

/* The columns of a pose: three axes and the origin. A joint turns x and y about z, moves along z
 * and the new x, and turns y and z about that: four rotations of columns in place of a product
 * of matrices. */
enum { X_AXIS, Y_AXIS, Z_AXIS, ORIGIN };

typedef struct arm_pose {
    lanes column[4][3];
} arm_pose;

/* What a joint is, at eight angles, and what it does with the pose before it. */
typedef struct arm_joint {
    double   d, a, ca, sa; /* cosine and sine of alpha */
    lanes    cosine, sine;
    arm_pose before;
    lanes    y[3]; /* after the first turn */
    arm_pose after;
} arm_joint;

static inline void arm_forward(arm_joint *j) {
    for (size_t i = 0; i < 3; i++) {
        const lanes x = j->before.column[X_AXIS][i], y = j->before.column[Y_AXIS][i],
                    z = j->before.column[Z_AXIS][i];
        const lanes turned = j->cosine * x + j->sine * y;
        j->y[i] = j->cosine * y - j->sine * x;
        j->after.column[X_AXIS][i] = turned;
        j->after.column[Y_AXIS][i] = j->ca * j->y[i] + j->sa * z;
        j->after.column[Z_AXIS][i] = j->ca * z - j->sa * j->y[i];
        j->after.column[ORIGIN][i] = j->before.column[ORIGIN][i] + j->d * z + j->a * turned;
    }
}

/* `up` is moved to the pose before the joint; the parameters' share is added to `grad`, lane by
 * lane. */
static inline void arm_back(const arm_joint *j, arm_pose *up, lanes grad[ARM_EACH]) {
    for (size_t i = 0; i < 3; i++) {
        const lanes o = up->column[ORIGIN][i], y = up->column[Y_AXIS][i], z = up->column[Z_AXIS][i];
        const lanes x = up->column[X_AXIS][i] + j->a * o, turned = j->ca * y - j->sa * z;
        grad[0] += x * j->y[i] - turned * j->after.column[X_AXIS][i];
        grad[1] += o * j->before.column[Z_AXIS][i];
        grad[2] += o * j->after.column[X_AXIS][i];
        grad[3] += y * j->after.column[Z_AXIS][i] - z * j->after.column[Y_AXIS][i];
        up->column[X_AXIS][i] = j->cosine * x - j->sine * turned;
        up->column[Y_AXIS][i] = j->sine * x + j->cosine * turned;
        up->column[Z_AXIS][i] = j->sa * y + j->ca * z + j->d * o;
    }
}

/* The joints at the angles of `used` poses; the other lanes are poses that count nothing. */
static void arm_turn(const double param[], const double row[], size_t used,
                     arm_joint joint[ARM_JOINTS]) {
    double angle[ARM_JOINTS][LANES] = {{0}}, cosine[ARM_JOINTS][LANES], sine[ARM_JOINTS][LANES];
    for (size_t k = 0; k < used; k++)
        for (size_t i = 0; i < ARM_JOINTS; i++)
            angle[i][k] = row[k * ARM_INPUTS + i] + param[i * ARM_EACH];
    circle(ARM_JOINTS * LANES, angle[0], cosine[0], sine[0]);
    for (size_t i = 0; i < ARM_JOINTS; i++)
        joint[i].cosine = hand_load(cosine[i]), joint[i].sine = hand_load(sine[i]);
}

/* The sum of squares, and what arrives at the last pose. */
static inline double arm_miss(const arm_pose *pose, const double row[], size_t used, arm_pose *up) {
    double miss[ARM_POSE][LANES] = {{0}};
    lanes  sum = {0};
    for (size_t k = 0; k < used; k++)
        for (size_t i = 0; i < ARM_POSE; i++) miss[i][k] = row[k * ARM_INPUTS + ARM_JOINTS + i];
    for (size_t i = 0; i < ARM_POSE; i++) {
        lanes difference = pose->column[i % 4][i / 4] - hand_load(miss[i]);
        for (size_t k = used; k < LANES; k++) difference[k] = 0;
        up->column[i % 4][i / 4] = 2 * difference;
        sum += difference * difference;
    }
    return total(sum);
}

static double arm_block(const double row[], size_t used, arm_joint joint[ARM_JOINTS],
                        lanes grad[ARM_JOINTS][ARM_EACH]) {
    arm_pose pose = {{{{0}}}}, up;
    for (size_t i = 0; i < 3; i++) pose.column[i][i] += 1;
    for (size_t i = 0; i < ARM_JOINTS; i++) {
        joint[i].before = pose;
        arm_forward(&joint[i]);
        pose = joint[i].after;
    }
    const double sum = arm_miss(&pose, row, used, &up);
    for (size_t i = ARM_JOINTS; i-- > 0;) arm_back(&joint[i], &up, grad[i]);
    return sum;
}

double kinematics_by_hand(const double param[], size_t rows, const double data[], double grad[]) {
    arm_joint joint[ARM_JOINTS];
    lanes     sums[ARM_JOINTS][ARM_EACH] = {{{0}}};
    double    sum = 0;
    for (size_t i = 0; i < ARM_JOINTS; i++) {
        const double *p = param + i * ARM_EACH;
        joint[i].d = p[1], joint[i].a = p[2], joint[i].ca = cos(p[3]), joint[i].sa = sin(p[3]);
    }
    for (size_t r = 0; r < rows; r += LANES) {
        const double *row = data + r * ARM_INPUTS;
        const size_t  used = rows - r < LANES ? rows - r : LANES;
        arm_turn(param, row, used, joint);
        sum += arm_block(row, used, joint, sums);
    }
    for (size_t i = 0; i < ARM_PARAMS; i++) grad[i] = total(sums[i / ARM_EACH][i % ARM_EACH]);
    return sum;
}

/* ---- a perceptron ---------------------------------------------------------------------------- */

enum { NET_V = NET_HIDDEN / LANES, NET_ROWS = 16 };
_Static_assert(NET_HIDDEN % LANES == 0 && NET_IN % LANES == 0, "vectors are whole");

/* Of NET_ROWS examples at most: the hidden values, and what arrives before their curves. */
typedef struct net {
    size_t used;
    double turned[2][NET_HIDDEN][NET_HIDDEN]; /* weights of hidden layers, the units side by side */
    double hidden[2][NET_ROWS][NET_HIDDEN], up[2][NET_ROWS][NET_HIDDEN];
} net;

static const size_t net_width[2] = {NET_IN, NET_HIDDEN};
static const size_t net_start[3] = {0, NET_SECOND, NET_LAST};

static void net_turn(net *w, const double param[]) {
    for (size_t l = 0; l < 2; l++)
        for (size_t i = 0; i < net_width[l]; i++)
            for (size_t j = 0; j < NET_HIDDEN; j++)
                w->turned[l][i][j] = param[net_start[l] + j * net_width[l] + i];
}

static inline void net_layer(net *w, size_t l, size_t n, const double param[], view in) {
    const double *bias = param + net_start[l] + NET_HIDDEN * n;
    double       *h = w->hidden[l][0];
    for (size_t r = 0; r < w->used; r++) memcpy(w->hidden[l][r], bias, NET_HIDDEN * sizeof *bias);
    product(w->used, NET_V, n, in, (view){w->turned[l][0], NET_HIDDEN, 1}, h, NET_HIDDEN);
    for (size_t i = 0; i < w->used * NET_HIDDEN; i += LANES)
        hand_store(h + i, -2 * hand_load(h + i));
    exps(w->used * NET_HIDDEN, h);
    for (size_t i = 0; i < w->used * NET_HIDDEN; i += LANES)
        hand_store(h + i, tanh_of(hand_load(h + i)));
}

/* The last layer, and what arrives at the hidden values below it. */
static double net_outputs(net *w, const double param[], const double row[], double grad[]) {
    const double *p = param + net_start[2];
    double       *g = grad + net_start[2], sum = 0;
    for (size_t r = 0; r < w->used; r++, row += NET_INPUTS) {
        lanes h[NET_V], up[NET_V] = {{0}};
        for (size_t v = 0; v < NET_V; v++) h[v] = hand_load(w->hidden[1][r] + v * LANES);
        for (size_t o = 0; o < NET_OUT; o++) {
            lanes z = {0};
            for (size_t v = 0; v < NET_V; v++)
                z += hand_load(p + o * NET_HIDDEN + v * LANES) * h[v];
            const double miss = total(z) + p[NET_OUT * NET_HIDDEN + o] - row[NET_IN + o];
            sum += miss * miss;
            g[NET_OUT * NET_HIDDEN + o] += 2 * miss;
            for (size_t v = 0; v < NET_V; v++) {
                up[v] += 2 * miss * hand_load(p + o * NET_HIDDEN + v * LANES);
                add_to(g + o * NET_HIDDEN + v * LANES, 2 * miss * h[v]);
            }
        }
        for (size_t v = 0; v < NET_V; v++)
            hand_store(w->up[1][r] + v * LANES, up[v] * (1 - h[v] * h[v]));
    }
    return sum;
}

static void net_down(net *w, const double param[]) {
    const view up = {w->up[1][0], NET_HIDDEN, 1}, weight = {param + net_start[1], NET_HIDDEN, 1};
    memset(w->up[0], 0, sizeof w->up[0]);
    product(w->used, NET_V, NET_HIDDEN, up, weight, w->up[0][0], NET_HIDDEN);
    for (size_t i = 0; i < w->used * NET_HIDDEN; i += LANES) {
        const lanes h = hand_load(w->hidden[0][0] + i);
        hand_store(w->up[0][0] + i, hand_load(w->up[0][0] + i) * (1 - h * h));
    }
}

/* The gradient in the weights of a hidden layer, over all examples at once. */
static inline void net_weights(const net *w, size_t l, size_t n, view in, double grad[]) {
    double *weight = grad + net_start[l], *bias = weight + NET_HIDDEN * n;
    product(NET_HIDDEN, n / LANES, w->used, (view){w->up[l][0], 1, NET_HIDDEN}, in, weight, n);
    for (size_t r = 0; r < w->used; r++)
        for (size_t j = 0; j < NET_HIDDEN; j += LANES) add_to(bias + j, hand_load(w->up[l][r] + j));
}

double perceptron_by_hand(const double param[], size_t rows, const double data[], double grad[]) {
    static net w;
    double     sum = 0;
    net_turn(&w, param);
    memset(grad, 0, NET_PARAMS * sizeof *grad);
    for (size_t r = 0; r < rows; r += NET_ROWS) {
        const double *row = data + r * NET_INPUTS;
        const view    in = {row, NET_INPUTS, 1}, below = {w.hidden[0][0], NET_HIDDEN, 1};
        w.used = rows - r < NET_ROWS ? rows - r : NET_ROWS;
        net_layer(&w, 0, NET_IN, param, in);
        net_layer(&w, 1, NET_HIDDEN, param, below);
        sum += net_outputs(&w, param, row, grad);
        net_down(&w, param);
        net_weights(&w, 0, NET_IN, in, grad);
        net_weights(&w, 1, NET_HIDDEN, below, grad);
    }
    return sum;
}
