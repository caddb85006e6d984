/* optimizer.c - from a gradient to new values of the parameters. */
#include "model.h"

#include <math.h>
#include <stdlib.h>

struct nn_optimizer {
    double    rate, steps;
    size_t    n;                             /* parameters; 0 before the first step */
    ad_status status;                        /* the first error */
    char      message[NN__MESSAGE];
};

__attribute__((format(printf, 3, 4)))
static void fail(nn_optimizer *optimizer, ad_status status, const char *format, ...) {
    if (optimizer->status != AD_OK) return;
    optimizer->status = status;
    va_list list;
    va_start(list, format);
    nn__sentence(optimizer->message, format, list);
    va_end(list);
}

nn_optimizer *nn_sgd(double rate) {
    nn_optimizer *optimizer = calloc(1, sizeof *optimizer);
    nn_optimizer_set_rate(optimizer, rate);
    return optimizer;
}

void nn_optimizer_free(nn_optimizer *optimizer) {
    free(optimizer);
}

double nn_optimizer_rate(const nn_optimizer *optimizer) {
    return optimizer == NULL ? NAN : optimizer->rate;
}

void nn_optimizer_set_rate(nn_optimizer *optimizer, double rate) {
    if (optimizer == NULL) return;
    if (isfinite(rate) && rate > 0) optimizer->rate = rate;
    else fail(optimizer, AD_BAD_ARGUMENT, "the learning rate is %g: it must be finite and above 0", rate);
}

ad_status nn_optimizer_status(const nn_optimizer *optimizer) {
    return optimizer == NULL ? AD_NO_MEMORY : optimizer->status;
}

const char *nn_optimizer_message(const nn_optimizer *optimizer) {
    return optimizer == NULL ? "there is no optimizer: out of memory when it was made"
                             : optimizer->message;
}

ad_status nn_optimizer_prepare(nn_optimizer *o, size_t n) {
    if (nn_optimizer_status(o) != AD_OK || o->n == n) return nn_optimizer_status(o);
    if (o->n != 0)
        fail(o, AD_BAD_ARGUMENT, "the optimizer belongs to %zu parameters, not to %zu", o->n, n);
    o->n = n;
    return o->status;
}

ad_status nn_optimizer_update(nn_optimizer *o, size_t n, double param[], const double gradient[]) {
    if (nn_optimizer_prepare(o, n) != AD_OK) return nn_optimizer_status(o);
    o->steps++;
    for (size_t i = 0; i < n; i++) param[i] -= o->rate*gradient[i];
    return AD_OK;
}

ad_status nn_optimizer_step(nn_optimizer *optimizer, nn_model *model, const double gradient[]) {
    if (nn_optimizer_status(optimizer) != AD_OK) return nn_optimizer_status(optimizer);
    nn__weights w;
    if (!nn__weights_open(&w, model)) {
        fail(optimizer, AD_NO_MEMORY, "out of memory: no space for a step of %zu parameters", w.count);
        return AD_NO_MEMORY;
    }
    const ad_status status = nn_optimizer_update(optimizer, w.count, w.value, gradient);
    w.ahead = status == AD_OK;
    nn__weights_close(&w);
    return status != AD_OK ? status : nn_model_status(model);
}

/* ---- state ------------------------------------------------------------------------------------ */

const char *nn_optimizer_name(const nn_optimizer *optimizer) {
    (void)optimizer;
    return "sgd";
}

size_t nn_optimizer_state_count(const nn_optimizer *optimizer) {
    return optimizer == NULL ? 0 : 2;
}

nn_state nn_optimizer_state(nn_optimizer *optimizer, size_t i) {
    if (i >= nn_optimizer_state_count(optimizer)) return (nn_state){0};
    return i == 0 ? (nn_state){"steps", 1, &optimizer->steps} : (nn_state){"rate", 1, &optimizer->rate};
}
