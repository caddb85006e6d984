/* mixture.c - the log-likelihood of a mixture of Gaussians, as ADBench and GradBench have it (d = 10, k = 25,
 * n = 1000), and its gradient in all 1650 parameters; the data points are the rows.
 *
 * Parameters: alpha, k; means, k x d; inverse covariance factors, k x d(d + 1)/2: first the logarithms of the
 * diagonal of Q, then what is below it, column by column. With q the logarithms of one diagonal,
 *     sum over points of logsumexp_k(alpha + sum q - 1/2 |Q(x - mean)|^2) - n logsumexp(alpha)
 *     - n d/2 log(2 pi) + log of a Wishart prior
 * (ADBench, src/cpp/shared/gmm.h). The mean over the rows is asked for, so the prior enters divided by n. */
#include "bench.h"

enum { D = 10, K = 25, N = 1000, BELOW = D*(D - 1)/2, ICF = D + BELOW, PARAMS = K*(1 + D + ICF) };

static const double gamma_of_prior = 1;
static const int    m_of_prior = 0;

static double log_gamma_distribution(double a, int p) {
    double out = 0.25*p*(p - 1)*log(acos(-1));
    for (int j = 1; j <= p; j++) out += lgamma(a + 0.5*(1 - j));
    return out;
}

/* What in the prior depends on no parameter, and the normalization of the data. */
static double constant_part(void) {
    const int    n = D + m_of_prior + 1;
    const double c = n*D*(log(gamma_of_prior) - 0.5*log(2)) - log_gamma_distribution(0.5*n, D);
    return -N*D*0.5*log(2*acos(-1)) - K*c;
}

typedef struct work {
    ad_program *program;
    double *param, *x, *grad_by_hand, *grad;
} work;

/* ---- with Tapir --------------------------------------------------------------------------------- */

/* |Q(x - mean)|^2, and |Q|^2 for the prior. */
static ad_var distance(const ad_var x[], const ad_var mean[], const ad_var diagonal[], const ad_var below[]) {
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
    const ad_var *alpha = param, *mean = param + K, *icf = mean + (size_t)K*D;
    ad_var term[K], prior = ad_num(0);
    for (int k = 0; k < K; k++, mean += D, icf += ICF) {
        ad_var diagonal[D], square = ad_num(0);
        for (int i = 0; i < D; i++) diagonal[i] = ad_exp(icf[i]);
        const ad_var q = ad_sum(D, icf);
        term[k] = ad_sub(ad_add(alpha[k], q), ad_mul(ad_num(0.5), distance(x, mean, diagonal, icf + D)));
        for (int i = 0; i < D; i++) square = ad_add(square, ad_mul(diagonal[i], diagonal[i]));
        square = ad_add(square, ad_dot(BELOW, icf + D, icf + D));
        prior = ad_add(prior, ad_sub(ad_mul(ad_num(0.5*gamma_of_prior*gamma_of_prior), square),
                                     ad_mul(ad_num(m_of_prior), q)));
    }
    const ad_var shared = ad_sub(ad_mul(ad_add(prior, ad_num(constant_part())), ad_num(1.0/N)), ad_logsumexp(K, alpha));
    return ad_add(ad_logsumexp(K, term), shared);
}

static ad_program *compiled(const double value[], const double point[]) {
    ad_tape     *tape = ad_tape_new();
    ad_var      *param = bench_leaves(tape, PARAMS, value), *x = bench_leaves(tape, D, point);
    const ad_var y = record(param, x);
    const ad_interface face = {.params = PARAMS, .param = param, .inputs = D, .input = x,
                               .outputs = 1, .output = &y};
    ad_program        *program = bench_compile(tape, &face);
    ad_tape_free(tape);
    free(param), free(x);
    return program;
}

static double by_tapir(void *context) {
    work        *w = context;
    double       mean = 0;
    const ad_status status = ad_program_gradient(w->program, w->param, N, w->x, &mean, w->grad);
    return bench_result(w->program, status, mean);
}

/* ---- by hand ------------------------------------------------------------------------------------ */

/* What is the same for all points is computed once; each component's gradient is added up point by point. */
typedef struct shared {
    double diagonal[K][D], sum_q[K];
} shared;

static double prepare(shared *s, const double param[], double prior_grad[], int gradient) {
    double prior = constant_part();
    const double *icf = param + K + (size_t)K*D;
    double       *out = prior_grad + K + (size_t)K*D;
    const double  half = 0.5*gamma_of_prior*gamma_of_prior;
    for (int k = 0; k < K; k++, icf += ICF, out += ICF) {
        double square = 0, q = 0;
        for (int i = 0; i < D; i++) {
            const double e = s->diagonal[k][i] = exp(icf[i]);
            q += icf[i], square += e*e;
            if (gradient) out[i] = 2*half*e*e - m_of_prior;
        }
        for (int i = D; i < ICF; i++) {
            square += icf[i]*icf[i];
            if (gradient) out[i] = 2*half*icf[i];
        }
        s->sum_q[k] = q;
        prior += half*square - m_of_prior*q;
    }
    return prior;
}

static inline double forward(const double x[restrict], const double mean[restrict], const double diagonal[restrict],
                             const double *restrict below, double centered[restrict], double q[restrict]) {
    double square = 0;
    for (int i = 0; i < D; i++) centered[i] = x[i] - mean[i];
    for (int i = 0; i < D; i++) q[i] = diagonal[i]*centered[i];
    for (int i = 0; i < D; i++)
        for (int j = i + 1; j < D; j++) q[j] += *below++*centered[i];
    for (int i = 0; i < D; i++) square += q[i]*q[i];
    return square;
}

static double logsumexp(const double x[K], double soft[K]) {
    double largest = x[0], total = 0;
    for (int k = 1; k < K; k++) largest = x[k] > largest ? x[k] : largest;
    for (int k = 0; k < K; k++) total += soft[k] = exp(x[k] - largest);
    for (int k = 0; k < K; k++) soft[k] /= total;
    return largest + log(total);
}

/* weight = d y/d term of this component and point */
static inline void backward(double weight, const double diagonal[restrict], const double *restrict below,
                            const double centered[restrict], const double q[restrict], double mean_grad[restrict],
                            double *restrict icf_grad) {
    double up[D], down[D], *below_grad = icf_grad + D;
    for (int i = 0; i < D; i++) {
        up[i] = -weight*q[i];
        down[i] = up[i]*diagonal[i];
        icf_grad[i] += weight + up[i]*diagonal[i]*centered[i];
    }
    for (int i = 0; i < D; i++) {
        double sum = down[i];
        for (int j = i + 1; j < D; j++) {
            *below_grad++ += up[j]*centered[i];
            sum += up[j]**below++;
        }
        mean_grad[i] -= sum;
    }
}

static double by_hand(void *context) {
    work *w = context;
    static shared s;
    static double centered[K][D], q[K][D];
    const double *mean = w->param + K, *icf = mean + (size_t)K*D;
    double       *grad = w->grad_by_hand, *mean_grad = grad + K, *icf_grad = mean_grad + (size_t)K*D;
    double        term[K], soft[K], value;
    for (int i = 0; i < K + K*D; i++) grad[i] = 0;
    value = prepare(&s, w->param, grad, 1);
    for (int r = 0; r < N; r++) {
        const double *x = w->x + (size_t)r*D;
        for (int k = 0; k < K; k++)
            term[k] = w->param[k] + s.sum_q[k] -
                      0.5*forward(x, mean + k*D, s.diagonal[k], icf + k*ICF + D, centered[k], q[k]);
        value += logsumexp(term, soft);
        for (int k = 0; k < K; k++) {
            grad[k] += soft[k];
            backward(soft[k], s.diagonal[k], icf + k*ICF + D, centered[k], q[k], mean_grad + k*D, icf_grad + k*ICF);
        }
    }
    value -= N*logsumexp(w->param, soft);
    for (int k = 0; k < K; k++) grad[k] -= N*soft[k];
    for (int i = 0; i < PARAMS; i++) grad[i] /= N;
    return value/N;
}

/* The function alone, as one would write it. */
static double plain_function(void *context) {
    work *w = context;
    static shared s;
    const double *mean = w->param + K, *icf = mean + (size_t)K*D;
    double        term[K], soft[K], centered[D], q[D], value = prepare(&s, w->param, w->grad_by_hand, 0);
    for (int r = 0; r < N; r++) {
        for (int k = 0; k < K; k++)
            term[k] = w->param[k] + s.sum_q[k] -
                      0.5*forward(w->x + (size_t)r*D, mean + k*D, s.diagonal[k], icf + k*ICF + D, centered, q);
        value += logsumexp(term, soft);
    }
    return (value - N*logsumexp(w->param, soft))/N;
}

int main(void) {
    bench_threads(1);
    work     w = {.param = bench_numbers(PARAMS), .x = bench_numbers((size_t)N*D), .grad = bench_numbers(PARAMS),
                  .grad_by_hand = bench_numbers(PARAMS)};
    uint64_t seed = 31;
    for (int i = 0; i < PARAMS; i++) w.param[i] = bench_uniform(&seed, -0.5, 0.5);
    for (int i = 0; i < N*D; i++) w.x[i] = bench_uniform(&seed, -1, 1);
    w.program = compiled(w.param, w.x);
    const int failed =
        bench_arrays("Gaussian mixture, d = 10, k = 25, n = 1000, with its gradient", 0.5, by_hand, by_tapir, &w, PARAMS,
                     w.grad_by_hand, w.grad, 31, 1e3, "ms", 1e-11) |
        bench_against("the same beside the function alone", "function alone", 1, plain_function, by_tapir, &w, 31, 1e3,
                      "ms", 1e-12);
    ad_program_free(w.program);
    free(w.param), free(w.x), free(w.grad), free(w.grad_by_hand);
    return failed;
}
