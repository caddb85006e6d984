/* optimizer.h - what training needs of an optimizer beyond nn.h. */
#ifndef TAPIR_NN_OPTIMIZER_H
#define TAPIR_NN_OPTIMIZER_H

#include "nn.h"

/* nn_optimizer_update of the parameters of a model, by its groups (nn_model_group). */
ad_status nn__optimizer_update(nn_optimizer *optimizer, const nn_model *model, double param[],
                               const double gradient[]);

/* Sets a rate that a schedule computed: it may be 0, which nn_optimizer_set_rate refuses. */
void nn__optimizer_set_scheduled_rate(nn_optimizer *optimizer, double rate);

#endif
