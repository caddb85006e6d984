/* optimizer.c - from a gradient to new values of the parameters. */
#include "text.h"
#include "nn.h"

#include <math.h>
#include <stdlib.h>

struct nn_optimizer {
    double    rate;
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

ad_status nn_optimizer_step(nn_optimizer *optimizer, nn_model *model, const double gradient[]) {
    if (nn_optimizer_status(optimizer) != AD_OK) return nn_optimizer_status(optimizer);
    const size_t  n = nn_model_count(model);
    const ad_var *param = nn_model_params(model);
    for (size_t i = 0; i < n; i++)
        ad_set(param[i], ad_value(param[i]) - optimizer->rate*gradient[i]);
    return nn_model_status(model);
}
