/* mixture.c - the log-likelihood of a mixture of Gaussians, as ADBench and GradBench have it (d =
 * 10, k = 25, n = 1000), and its gradient in all 1650 parameters; the data points are the rows.
 *
 * Parameters: alpha, k; means, k x d; inverse covariance factors, k x d(d + 1)/2: first the
 * logarithms of the diagonal of Q, then what is below it, column by column. With q the logarithms
 * of one diagonal,
 *     sum over points of logsumexp_k(alpha + sum q - 1/2 |Q(x - mean)|^2) - n logsumexp(alpha)
 *     - n d/2 log(2 pi) + log of a Wishart prior
 * (ADBench, src/cpp/shared/gmm.h). The mean over the rows is asked for, so the prior enters divided
 * by n. */
#include "bench.h"
#include "hand.h"

#include <string.h>

enum {
    D = 10,
    K = 25,
    N = 1000,
    BELOW = D * (D - 1) / 2,
    ICF = D + BELOW,
    PARAMS = K * (1 + D + ICF)
};

static const double gamma_of_prior = 1;
static const int    m_of_prior = 0;

static double log_gamma_distribution(double a, int p) {
    double out = 0.25 * p * (p - 1) * log(acos(-1));
    for (int j = 1; j <= p; j++) out += lgamma(a + 0.5 * (1 - j));
    return out;
}

/* What in the prior depends on no parameter, and the normalization of the data. */
static double constant_part(void) {
    const int    n = D + m_of_prior + 1;
    const double c =
        n * D * (log(gamma_of_prior) - 0.5 * log(2)) - log_gamma_distribution(0.5 * n, D);
    return -N * D * 0.5 * log(2 * acos(-1)) - K * c;
}

typedef struct work {
    ad_program *program;
    double     *param, *x, *grad_by_hand, *grad;
} work;

/* ---- with Tapir ------------------------------------------------------------------------------ */

/* |Q(x - mean)|^2, and |Q|^2 for the prior. */
static ad_var distance(const ad_var x[], const ad_var mean[], const ad_var diagonal[],
                       const ad_var below[]) {
    ad_var centered[D], q[D];
    for (int i = 0; i < D; i++) centered[i] = ad_sub(x[i], mean[i]);
    for (int i = 0; i < D; i++) q[i] = ad_mul(diagonal[i], centered[i]);
    for (int i = 0; i < D; i++)
        for (int j = i + 1; j < D; j++) q[j] = ad_add(q[j], ad_mul(*below++, centered[i]));
    ad_var sum = ad_num(0);
    for (int i = 0; i < D; i++) sum = ad_add(sum, ad_mul(q[i], q[i]));
    return sum;
}

static ad_var record(const ad_var param[], const ad_var x[]) {
    const ad_var *alpha = param, *mean = param + K, *icf = mean + (size_t)K * D;
    ad_var        term[K], prior = ad_num(0);
    for (int k = 0; k < K; k++, mean += D, icf += ICF) {
        ad_var diagonal[D], square = ad_num(0);
        for (int i = 0; i < D; i++) diagonal[i] = ad_exp(icf[i]);
        const ad_var q = ad_sum(D, icf);
        term[k] =
            ad_sub(ad_add(alpha[k], q), ad_mul(ad_num(0.5), distance(x, mean, diagonal, icf + D)));
        for (int i = 0; i < D; i++) square = ad_add(square, ad_mul(diagonal[i], diagonal[i]));
        square = ad_add(square, ad_dot(BELOW, icf + D, icf + D));
        prior = ad_add(prior, ad_sub(ad_mul(ad_num(0.5 * gamma_of_prior * gamma_of_prior), square),
                                     ad_mul(ad_num(m_of_prior), q)));
    }
    const ad_var shared = ad_sub(ad_mul(ad_add(prior, ad_num(constant_part())), ad_num(1.0 / N)),
                                 ad_logsumexp(K, alpha));
    return ad_add(ad_logsumexp(K, term), shared);
}

static ad_program *compiled(const double value[], const double point[]) {
    ad_tape           *tape = ad_tape_new();
    ad_var            *param = bench_leaves(tape, PARAMS, value), *x = bench_leaves(tape, D, point);
    const ad_var       y = record(param, x);
    const ad_interface face = {
        .params = PARAMS, .param = param, .inputs = D, .input = x, .outputs = 1, .output = &y};
    ad_program *program = bench_compile(tape, &face);
    ad_tape_free(tape);
    free(param), free(x);
    return program;
}

static double by_tapir(void *context) {
    work           *w = context;
    double          mean = 0;
    const ad_status status = ad_program_gradient(w->program, w->param, N, w->x, &mean, w->grad);
    return bench_result(w->program, status, mean);
}

/* ---- by hand --------------------------------------------------------------------------------- */

/* Blocks of points, their coordinates in columns. A component's gradient is linear in few sums over
 * the points: with c = x - mean and s the point's share of the component (its softmax),
 *     d/d alpha = sum s,   d/d mean = Q^T Q sum s c,   lower triangle of d/d Q = -Q sum s c c^T,
 * so that Q is applied once to what has been added up, not once a point. */
enum { BLOCK = 128, ROUNDED = (N + BLOCK - 1) / BLOCK * BLOCK, PAIRS = D * (D + 1) / 2 };

typedef struct sums {
    lanes share, first[D], second[PAIRS]; /* of s, s c, s c c^T: its lower triangle, row by row */
} sums;

typedef struct scratch {
    _Alignas(64) double x[ROUNDED / BLOCK][D][BLOCK], term[K][BLOCK], largest[BLOCK], total[BLOCK],
        c[D][BLOCK], shared_c[D][BLOCK];
    double factor[K][D][D], sum_q[K]; /* Q, full; the logarithm of its determinant */
    sums   sum[K];
} scratch;

/* The factors, and the prior with its gradient in the parameters of the factors. */
static double prepare(scratch *s, const double param[], double prior_grad[]) {
    double        prior = constant_part();
    const double *icf = param + K + (size_t)K * D;
    double       *out = prior_grad + K + (size_t)K * D;
    const double  half = 0.5 * gamma_of_prior * gamma_of_prior;
    for (int k = 0; k < K; k++, icf += ICF, out += ICF) {
        double square = 0, q = 0;
        int    below = D;
        for (int i = 0; i < D; i++) {
            const double e = s->factor[k][i][i] = exp(icf[i]);
            q += icf[i], square += e * e;
            out[i] = 2 * half * e * e - m_of_prior;
            for (int j = i + 1; j < D; j++) s->factor[k][j][i] = icf[below++];
        }
        for (int i = D; i < ICF; i++) {
            square += icf[i] * icf[i];
            out[i] = 2 * half * icf[i];
        }
        s->sum_q[k] = q;
        prior += half * square - m_of_prior * q;
    }
    return prior;
}

/* Points into columns; those behind the last are zeros. */
static void into_columns(scratch *s, const double x[]) {
    for (int r = 0; r < N; r++)
        for (int i = 0; i < D; i++) s->x[r / BLOCK][i][r % BLOCK] = x[r * D + i];
}

/* term[k][r] = constant - |Q(x - mean)|^2/2 */
static void terms(double (*restrict x)[BLOCK], const double *restrict mean,
                  double (*restrict factor)[D], double constant, double *restrict term) {
    for (int r = 0; r < BLOCK; r += LANES) {
        lanes c[D], square = {0};
        for (int i = 0; i < D; i++) c[i] = hand_load(x[i] + r) - mean[i];
        for (int j = 0; j < D; j++) {
            lanes q = factor[j][0] * c[0];
            for (int i = 1; i <= j; i++) q += factor[j][i] * c[i];
            square += q * q;
        }
        hand_store(term + r, constant - 0.5 * square);
    }
}

/* The sum of logsumexp over the first `points` points. The terms become their exponentials, total
 * what makes shares of them, which are 0 for the other points. */
static double shares(scratch *s, int points) {
    double sum = 0;
    for (int r = 0; r < BLOCK; r++) s->largest[r] = s->term[0][r], s->total[r] = 0;
    for (int k = 1; k < K; k++)
        for (int r = 0; r < BLOCK; r++)
            s->largest[r] = s->term[k][r] > s->largest[r] ? s->term[k][r] : s->largest[r];
    for (int k = 0; k < K; k++)
#pragma omp simd
        for (int r = 0; r < BLOCK; r++)
            s->total[r] += s->term[k][r] = exp(s->term[k][r] - s->largest[r]);
#pragma omp simd reduction(+ : sum)
    for (int r = 0; r < BLOCK; r++) {
        const double value = s->largest[r] + log(s->total[r]);
        sum += r < points ? value : 0;
        s->total[r] = r < points ? 1 / s->total[r] : 0;
    }
    return sum;
}

/* Adds to the sums of component k. */
static void add_up(scratch *s, int k, double (*restrict x)[BLOCK], const double *restrict mean) {
    sums *to = &s->sum[k];
    for (int r = 0; r < BLOCK; r += LANES) {
        const lanes share = hand_load(s->term[k] + r) * hand_load(s->total + r);
        to->share += share;
        for (int i = 0; i < D; i++) {
            const lanes c = hand_load(x[i] + r) - mean[i], part = share * c;
            hand_store(s->c[i] + r, c), hand_store(s->shared_c[i] + r, part);
            to->first[i] += part;
        }
    }
#pragma GCC unroll 10
    for (int i = 0; i < D; i++) {
        lanes *second = to->second + i * (i + 1) / 2, sum[D];
        for (int j = 0; j <= i; j++) sum[j] = second[j];
        for (int r = 0; r < BLOCK; r += LANES) {
            const lanes part = hand_load(s->shared_c[i] + r);
            for (int j = 0; j <= i; j++) sum[j] += part * hand_load(s->c[j] + r);
        }
        for (int j = 0; j <= i; j++) second[j] = sum[j];
    }
}

static double sum_of(lanes x) {
    double sum = 0;
    for (int l = 0; l < LANES; l++) sum += x[l];
    return sum;
}

/* The gradient of component k from its sums. */
static void finish(const sums *sum, double (*q)[D], double *mean_grad, double *icf_grad) {
    double       first[D], scatter[D][D], up[D] = {0};
    const double share = sum_of(sum->share);
    int          below = D;
    for (int i = 0, pair = 0; i < D; i++) {
        first[i] = sum_of(sum->first[i]);
        for (int j = 0; j <= i; j++) scatter[i][j] = scatter[j][i] = sum_of(sum->second[pair++]);
    }
    for (int j = 0; j < D; j++)
        for (int i = 0; i <= j; i++) up[j] += q[j][i] * first[i];
    for (int i = 0; i < D; i++) {
        for (int j = i; j < D; j++) {
            double out = 0; /* -(Q scatter)[j][i] */
            mean_grad[i] += q[j][i] * up[j];
            for (int l = 0; l <= j; l++) out -= q[j][l] * scatter[l][i];
            if (j == i) icf_grad[i] += share + out * q[i][i];
            else icf_grad[below++] += out;
        }
    }
}

/* The logarithm of the sum of the exponentials of alpha; shares are its gradient. */
static double logsumexp_alpha(const double x[K], double share[K]) {
    double largest = x[0], total = 0;
    for (int k = 1; k < K; k++) largest = x[k] > largest ? x[k] : largest;
#pragma omp simd reduction(+ : total)
    for (int k = 0; k < K; k++) total += share[k] = exp(x[k] - largest);
    for (int k = 0; k < K; k++) share[k] /= total;
    return largest + log(total);
}

/* The sum of logsumexp over all points; with a gradient, the sums of each component too. */
static double all_points(scratch *s, const double param[], int gradient) {
    const double *mean = param + K;
    double        value = 0;
    for (int b = 0; b < ROUNDED / BLOCK; b++) {
        for (int k = 0; k < K; k++)
            terms(s->x[b], mean + k * D, s->factor[k], param[k] + s->sum_q[k], s->term[k]);
        value += shares(s, N - b * BLOCK < BLOCK ? N - b * BLOCK : BLOCK);
        for (int k = 0; gradient && k < K; k++) add_up(s, k, s->x[b], mean + k * D);
    }
    return value;
}

static double by_hand(void *context) {
    work          *w = context;
    static scratch s;
    double *grad = w->grad_by_hand, *mean_grad = grad + K, *icf_grad = mean_grad + (size_t)K * D,
           share[K];
    memset(s.sum, 0, sizeof s.sum);
    memset(grad, 0, (K + (size_t)K * D) * sizeof *grad);
    into_columns(&s, w->x);
    const double prior = prepare(&s, w->param, grad);
    const double value = prior + all_points(&s, w->param, 1) - N * logsumexp_alpha(w->param, share);
    for (int k = 0; k < K; k++) {
        grad[k] = sum_of(s.sum[k].share) - N * share[k];
        finish(&s.sum[k], s.factor[k], mean_grad + k * D, icf_grad + k * ICF);
    }
    for (int i = 0; i < PARAMS; i++) grad[i] *= 1.0 / N;
    return value / N;
}

/* The function alone. */
static double plain_function(void *context) {
    work          *w = context;
    static scratch s;
    double         share[K];
    into_columns(&s, w->x);
    const double prior = prepare(&s, w->param, w->grad_by_hand);
    return (prior + all_points(&s, w->param, 0) - N * logsumexp_alpha(w->param, share)) / N;
}

int main(void) {
    bench_threads(1);
    work     w = {.param = bench_numbers(PARAMS),
                  .x = bench_numbers((size_t)N * D),
                  .grad = bench_numbers(PARAMS),
                  .grad_by_hand = bench_numbers(PARAMS)};
    uint64_t seed = 31;
    for (int i = 0; i < PARAMS; i++) w.param[i] = bench_uniform(&seed, -0.5, 0.5);
    for (int i = 0; i < N * D; i++) w.x[i] = bench_uniform(&seed, -1, 1);
    w.program = compiled(w.param, w.x);
    const int failed =
        bench_arrays("Gaussian mixture, d = 10, k = 25, n = 1000, with its gradient", 0.5, by_hand,
                     by_tapir, &w, PARAMS, w.grad_by_hand, w.grad, 31, 1e3, "ms", 1e-11) |
        bench_against("the same beside the function alone", "function alone", 1, plain_function,
                      by_tapir, &w, 31, 1e3, "ms", 1e-12);
    ad_program_free(w.program);
    free(w.param), free(w.x), free(w.grad), free(w.grad_by_hand);
    return failed;
}
