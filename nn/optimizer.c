/* optimizer.c - new values of the parameters from a gradient.
 *
 * Every optimizer is a row of `kinds`: its name, its state arrays, under PyTorch's names, and one
 * function that takes a step. The equations are in nn.h. */
#include "optimizer.h"
#include "model.h"

#include <math.h>
#include <stdlib.h>

enum { STATES = 3 };

typedef enum kind { SGD, ADAM, ADAMW, RMSPROP, ADAGRAD } kind;

/* The constants of the equations; each optimizer reads its own. */
typedef struct settings {
    double momentum, dampening, weight_decay, beta1, beta2, epsilon, alpha, rate_decay;
    bool   nesterov, maximize, amsgrad, centered;
} settings;

struct nn_optimizer {
    kind      kind;
    settings  set;
    double    rate, steps;   /* steps: an integer, a double as in checkpoints */
    size_t    n;             /* parameters; 0 before the first step */
    double   *state[STATES]; /* n each, or NULL where the settings need none */
    double    start;         /* initial value of the states */
    ad_status status;        /* the first error */
    char      message[NN__MESSAGE];
};

__attribute__((format(printf, 3, 4))) static void fail(nn_optimizer *optimizer, ad_status status,
                                                       const char *format, ...) {
    if (optimizer->status != AD_OK) return;
    optimizer->status = status;
    va_list list;
    va_start(list, format);
    nn__sentence(optimizer->message, format, list);
    va_end(list);
}

/* ---- one step of each ------------------------------------------------------------------------ */

/* The gradient that all of them use: negated to maximize, with weight decay as a part of the
 * loss. */
static inline double adjusted_gradient(const settings *s, double p, double g) {
    return (s->maximize ? -g : g) + s->weight_decay * p;
}

/* Parameters that share their rate and settings: n of them from `first` on. */
typedef struct segment {
    size_t   first, n;
    double   rate;
    settings set;
} segment;

/* The state of a segment; NULL where the settings need none. */
static double *state_of(const nn_optimizer *o, const segment *of, int k) {
    return o->state[k] == NULL ? NULL : o->state[k] + of->first;
}

static void step_sgd(nn_optimizer *o, const segment *of, double p[restrict],
                     const double g[restrict]) {
    const settings *s = &of->set;
    const size_t    n = of->n;
    const double    rate = of->rate, fresh = o->steps == 1 ? 1 : 1 - s->dampening;
    double *restrict b = state_of(o, of, 0);
    if (b == NULL && s->weight_decay == 0 && !s->maximize)
        for (size_t i = 0; i < n; i++) p[i] -= rate * g[i];
    else if (b == NULL)
        for (size_t i = 0; i < n; i++) p[i] -= rate * adjusted_gradient(s, p[i], g[i]);
    else
        for (size_t i = 0; i < n; i++) {
            const double d = adjusted_gradient(s, p[i], g[i]);
            b[i] = s->momentum * b[i] + fresh * d;
            p[i] -= rate * (s->nesterov ? d + s->momentum * b[i] : b[i]);
        }
}

static void step_adam(nn_optimizer *o, const segment *of, double p[restrict],
                      const double g[restrict]) {
    settings     s = of->set;
    const size_t n = of->n;
    const double step = of->rate / (1 - pow(s.beta1, o->steps)),
                 unbias = 1 / sqrt(1 - pow(s.beta2, o->steps));
    const double keep = o->kind == ADAMW ? 1 - of->rate * s.weight_decay : 1;
    double *restrict m = state_of(o, of, 0), *restrict v = state_of(o, of, 1),
                     *restrict most = state_of(o, of, 2);
    if (o->kind == ADAMW) s.weight_decay = 0; /* applied directly to p, by `keep` */
    for (size_t i = 0; i < n; i++) {
        const double d = adjusted_gradient(&s, p[i], g[i]);
        m[i] = s.beta1 * m[i] + (1 - s.beta1) * d;
        v[i] = s.beta2 * v[i] + (1 - s.beta2) * d * d;
        if (most != NULL && v[i] > most[i]) most[i] = v[i];
        p[i] =
            keep * p[i] - step * m[i] / (sqrt(most != NULL ? most[i] : v[i]) * unbias + s.epsilon);
    }
}

static void step_rmsprop(nn_optimizer *o, const segment *of, double p[restrict],
                         const double g[restrict]) {
    const settings *s = &of->set;
    const size_t    n = of->n;
    const double    rate = of->rate;
    double *restrict v = state_of(o, of, 0), *restrict b = state_of(o, of, 1),
                     *restrict mean = state_of(o, of, 2);
    for (size_t i = 0; i < n; i++) {
        const double d = adjusted_gradient(s, p[i], g[i]);
        double       variance = v[i] = s->alpha * v[i] + (1 - s->alpha) * d * d;
        if (mean != NULL) {
            mean[i] = s->alpha * mean[i] + (1 - s->alpha) * d;
            variance -= mean[i] * mean[i];
            if (variance < 0) variance = 0; /* by rounding */
        }
        double update = d / (sqrt(variance) + s->epsilon);
        if (b != NULL) update = b[i] = s->momentum * b[i] + update;
        p[i] -= rate * update;
    }
}

static void step_adagrad(nn_optimizer *o, const segment *of, double p[restrict],
                         const double g[restrict]) {
    const settings *s = &of->set;
    const size_t    n = of->n;
    const double    rate = of->rate / (1 + (o->steps - 1) * s->rate_decay);
    double *restrict sum = state_of(o, of, 0);
    for (size_t i = 0; i < n; i++) {
        const double d = adjusted_gradient(s, p[i], g[i]);
        sum[i] += d * d;
        p[i] -= rate * d / (sqrt(sum[i]) + s->epsilon);
    }
}

/* clang-format off */
static const struct {
    const char *name, *state[STATES];
    void      (*step)(nn_optimizer *o, const segment *of, double p[restrict],
                      const double g[restrict]);
} kinds[] = {
    [SGD]     = {"sgd",     {"momentum_buffer"},                          step_sgd},
    [ADAM]    = {"adam",    {"exp_avg", "exp_avg_sq", "max_exp_avg_sq"},  step_adam},
    [ADAMW]   = {"adamw",   {"exp_avg", "exp_avg_sq", "max_exp_avg_sq"},  step_adam},
    [RMSPROP] = {"rmsprop", {"square_avg", "momentum_buffer", "grad_avg"}, step_rmsprop},
    [ADAGRAD] = {"adagrad", {"sum"},                                      step_adagrad},
};
/* clang-format on */

static bool needs(const nn_optimizer *o, int state) {
    switch (o->kind) {
    case SGD: return state == 0 && o->set.momentum != 0;
    case RMSPROP: return state == 0 || (state == 1 ? o->set.momentum != 0 : o->set.centered);
    case ADAGRAD: return state == 0;
    default: return state < 2 || o->set.amsgrad;
    }
}

/* ---- making ---------------------------------------------------------------------------------- */

static void check_at_least_0(nn_optimizer *o, const char *what, double x) {
    if (!isfinite(x) || x < 0)
        fail(o, AD_BAD_ARGUMENT, "%s: the %s is %g: it must be finite and not below 0",
             kinds[o->kind].name, what, x);
}

static void check_below_1(nn_optimizer *o, const char *what, double x) {
    if (!(x >= 0 && x < 1))
        fail(o, AD_BAD_ARGUMENT, "%s: %s is %g: it must be at least 0 and below 1",
             kinds[o->kind].name, what, x);
}

static nn_optimizer *new_optimizer(kind which, double rate, settings set) {
    nn_optimizer *o = calloc(1, sizeof *o);
    if (o == NULL) return NULL;
    o->kind = which;
    o->set = set;
    nn_optimizer_set_rate(o, rate);
    check_at_least_0(o, "weight decay", set.weight_decay);
    check_at_least_0(o, "momentum", set.momentum);
    check_at_least_0(o, "epsilon", set.epsilon);
    check_at_least_0(o, "decay of the rate", set.rate_decay);
    check_below_1(o, "beta1", set.beta1);
    check_below_1(o, "beta2", set.beta2);
    check_at_least_0(o, "alpha", set.alpha);
    if (!isfinite(set.dampening))
        fail(o, AD_BAD_ARGUMENT, "sgd: the dampening is %g: it must be finite", set.dampening);
    if (set.nesterov && (set.momentum == 0 || set.dampening != 0))
        fail(o, AD_BAD_ARGUMENT,
             "sgd: Nesterov's momentum needs a momentum above 0 and no dampening, not %g and %g",
             set.momentum, set.dampening);
    return o;
}

/* The spare room of a configuration, a `type`. */
static nn_optimizer *checked(nn_optimizer *o, const char *type, const uint64_t *reserved,
                             const void *end) {
    if (o != NULL && !nn__all_zero(reserved, end))
        fail(o, AD_BAD_ARGUMENT, NN__NOT_ZERO, kinds[o->kind].name, type);
    return o;
}

/* A configuration that is missing is a bad argument of an optimizer that is there to say so. */
static nn_optimizer *no_settings(kind which) {
    nn_optimizer *o = new_optimizer(which, 1, (settings){0});
    if (o != NULL) fail(o, AD_BAD_ARGUMENT, "nn_%s_new: no configuration", kinds[which].name);
    return o;
}

nn_optimizer *nn_sgd(double rate) {
    return nn_sgd_new(&(nn_sgd_config){.rate = rate});
}

nn_optimizer *nn_sgd_new(const nn_sgd_config *c) {
    if (c == NULL) return no_settings(SGD);
    nn_optimizer *o = new_optimizer(SGD, c->rate,
                                    (settings){
                                        .momentum = c->momentum,
                                        .dampening = c->dampening,
                                        .weight_decay = c->weight_decay,
                                        .nesterov = c->nesterov,
                                        .maximize = c->maximize,
                                    });
    return checked(o, "nn_sgd_config", c->reserved, c + 1);
}

nn_adam_config nn_adam_usual(double rate) {
    return (nn_adam_config){.rate = rate, .beta1 = 0.9, .beta2 = 0.999, .epsilon = 1e-8};
}

nn_adam_config nn_adamw_usual(double rate) {
    nn_adam_config c = nn_adam_usual(rate);
    c.weight_decay = 0.01;
    return c;
}

static nn_optimizer *new_adam(kind which, const nn_adam_config *c) {
    if (c == NULL) return no_settings(which);
    nn_optimizer *o = new_optimizer(which, c->rate,
                                    (settings){
                                        .beta1 = c->beta1,
                                        .beta2 = c->beta2,
                                        .epsilon = c->epsilon,
                                        .weight_decay = c->weight_decay,
                                        .amsgrad = c->amsgrad,
                                        .maximize = c->maximize,
                                    });
    return checked(o, "nn_adam_config", c->reserved, c + 1);
}

nn_optimizer *nn_adam_new(const nn_adam_config *config) {
    return new_adam(ADAM, config);
}

nn_optimizer *nn_adamw_new(const nn_adam_config *config) {
    return new_adam(ADAMW, config);
}

nn_optimizer *nn_adam(double rate) {
    const nn_adam_config c = nn_adam_usual(rate);
    return nn_adam_new(&c);
}

nn_optimizer *nn_adamw(double rate) {
    const nn_adam_config c = nn_adamw_usual(rate);
    return nn_adamw_new(&c);
}

nn_rmsprop_config nn_rmsprop_usual(double rate) {
    return (nn_rmsprop_config){.rate = rate, .alpha = 0.99, .epsilon = 1e-8};
}

nn_optimizer *nn_rmsprop_new(const nn_rmsprop_config *c) {
    if (c == NULL) return no_settings(RMSPROP);
    nn_optimizer *o = new_optimizer(RMSPROP, c->rate,
                                    (settings){
                                        .alpha = c->alpha,
                                        .epsilon = c->epsilon,
                                        .momentum = c->momentum,
                                        .weight_decay = c->weight_decay,
                                        .centered = c->centered,
                                        .maximize = c->maximize,
                                    });
    return checked(o, "nn_rmsprop_config", c->reserved, c + 1);
}

nn_adagrad_config nn_adagrad_usual(double rate) {
    return (nn_adagrad_config){.rate = rate, .epsilon = 1e-10};
}

nn_optimizer *nn_adagrad_new(const nn_adagrad_config *c) {
    if (c == NULL) return no_settings(ADAGRAD);
    nn_optimizer *o = new_optimizer(ADAGRAD, c->rate,
                                    (settings){
                                        .rate_decay = c->rate_decay,
                                        .epsilon = c->epsilon,
                                        .weight_decay = c->weight_decay,
                                        .maximize = c->maximize,
                                    });
    if (o == NULL) return NULL;
    o->start = c->initial_accumulator;
    check_at_least_0(o, "initial accumulator", o->start);
    return checked(o, "nn_adagrad_config", c->reserved, c + 1);
}

void nn_optimizer_free(nn_optimizer *optimizer) {
    if (optimizer == NULL) return;
    for (int k = 0; k < STATES; k++) free(optimizer->state[k]);
    free(optimizer);
}

/* ---- the rate, and errors -------------------------------------------------------------------- */

double nn_optimizer_rate(const nn_optimizer *optimizer) {
    return optimizer == NULL ? NAN : optimizer->rate;
}

void nn_optimizer_set_rate(nn_optimizer *optimizer, double rate) {
    if (optimizer == NULL) return;
    if (isfinite(rate) && rate > 0) optimizer->rate = rate;
    else
        fail(optimizer, AD_BAD_ARGUMENT, "the learning rate is %g: it must be finite and above 0",
             rate);
}

void nn__optimizer_set_scheduled_rate(nn_optimizer *optimizer, double rate) {
    optimizer->rate = rate;
}

ad_status nn_optimizer_status(const nn_optimizer *optimizer) {
    return optimizer == NULL ? AD_NO_MEMORY : optimizer->status;
}

const char *nn_optimizer_message(const nn_optimizer *optimizer) {
    return optimizer == NULL ? "there is no optimizer: out of memory when it was made"
                             : optimizer->message;
}

/* ---- steps ----------------------------------------------------------------------------------- */

ad_status nn_optimizer_prepare(nn_optimizer *o, size_t n) {
    if (nn_optimizer_status(o) != AD_OK || o->n == n) return nn_optimizer_status(o);
    if (o->n != 0) {
        fail(o, AD_BAD_ARGUMENT, "the optimizer belongs to %zu parameters, not to %zu", o->n, n);
        return o->status;
    }
    for (int k = 0; k < STATES; k++) {
        if (!needs(o, k)) continue;
        o->state[k] = calloc(n, sizeof *o->state[k]);
        if (o->state[k] == NULL)
            fail(o, AD_NO_MEMORY, "out of memory: no space for the state of %s for %zu parameters",
                 kinds[o->kind].name, n);
        for (size_t i = 0; i < n && o->state[k] != NULL; i++) o->state[k][i] = o->start;
    }
    if (o->status == AD_OK) o->n = n;
    return o->status;
}

ad_status nn_optimizer_update(nn_optimizer *o, size_t n, double param[], const double gradient[]) {
    if (nn_optimizer_prepare(o, n) != AD_OK) return nn_optimizer_status(o);
    o->steps++;
    kinds[o->kind].step(o, &(segment){0, n, o->rate, o->set}, param, gradient);
    return AD_OK;
}

ad_status nn__optimizer_update(nn_optimizer *o, const nn_model *model, double param[],
                               const double gradient[]) {
    const size_t n = nn_model_count(model);
    if (!nn__model_grouped(model)) return nn_optimizer_update(o, n, param, gradient);
    if (nn_optimizer_prepare(o, n) != AD_OK) return nn_optimizer_status(o);
    o->steps++;
    segment of = {.set = o->set};
    for (size_t i = 0; i < nn_model_arrays(model); i++, of.first += of.n) {
        const nn__group g = nn__model_group(model, i);
        of.n = g.count, of.rate = o->rate * g.rate_factor;
        of.set.weight_decay = g.weight_decay == NN_SAME ? o->set.weight_decay : g.weight_decay;
        if (!g.frozen) kinds[o->kind].step(o, &of, param + of.first, gradient + of.first);
    }
    return AD_OK;
}

ad_status nn_optimizer_step(nn_optimizer *optimizer, nn_model *model, const double gradient[]) {
    if (nn_optimizer_status(optimizer) != AD_OK) return nn_optimizer_status(optimizer);
    /* The gradient of a failed model must not enter the state. */
    if (nn_model_status(model) != AD_OK) return nn_model_status(model);
    if (nn__model_all_frozen(model)) {
        nn__model_fail(model, AD_BAD_ARGUMENT,
                       "nn_optimizer_step: all parameters of the model are frozen");
        return AD_BAD_ARGUMENT;
    }
    nn__weights w;
    if (!nn__weights_open(&w, model)) {
        fail(optimizer, AD_NO_MEMORY, "out of memory: no space for a step of %zu parameters",
             w.count);
        return AD_NO_MEMORY;
    }
    const ad_status status = nn__optimizer_update(optimizer, model, w.value, gradient);
    w.dirty = status == AD_OK;
    nn__weights_close(&w);
    return status != AD_OK ? status : nn_model_status(model);
}

/* ---- state ----------------------------------------------------------------------------------- */

const char *nn_optimizer_name(const nn_optimizer *optimizer) {
    return optimizer == NULL ? "" : kinds[optimizer->kind].name;
}

size_t nn_optimizer_state_count(const nn_optimizer *optimizer) {
    if (optimizer == NULL) return 0;
    size_t count = 2;
    for (int k = 0; k < STATES; k++) count += optimizer->state[k] != NULL;
    return count;
}

nn_state nn_optimizer_state(nn_optimizer *o, size_t i) {
    if (i >= nn_optimizer_state_count(o)) return (nn_state){0};
    if (i < 2)
        return i == 0 ? (nn_state){.name = "steps", .count = 1, .value = &o->steps}
                      : (nn_state){.name = "rate", .count = 1, .value = &o->rate};
    int k = 0;
    for (size_t left = i - 2;; k++) {
        if (o->state[k] == NULL) continue;
        if (left-- == 0) break;
    }
    return (nn_state){.name = kinds[o->kind].state[k], .count = o->n, .value = o->state[k]};
}

/* ---- clipping -------------------------------------------------------------------------------- */

/* Scaled by the largest if squares would overflow or underflow. */
static double norm_of(size_t n, const double x[]) {
    double sum = 0, largest = 0;
    for (size_t i = 0; i < n; i++) sum += x[i] * x[i];
    if (sum > 1e-280 && sum < INFINITY) return sqrt(sum);
    for (size_t i = 0; i < n; i++)
        if (!(fabs(x[i]) <= largest)) largest = fabs(x[i]);
    if (largest == 0 || !isfinite(largest)) return largest;
    sum = 0;
    for (size_t i = 0; i < n; i++) sum += x[i] / largest * (x[i] / largest);
    return largest * sqrt(sum);
}

double nn_clip_norm(size_t n, double gradient[], double most) {
    if (!(most >= 0)) return NAN;
    const double norm = norm_of(n, gradient), factor = most / (norm + 1e-6);
    for (size_t i = 0; i < n && factor < 1; i++) gradient[i] *= factor;
    return norm;
}

void nn_clip_value(size_t n, double gradient[], double most) {
    for (size_t i = 0; i < n && most >= 0; i++) {
        if (gradient[i] > most) gradient[i] = most;
        if (gradient[i] < -most) gradient[i] = -most;
    }
}
