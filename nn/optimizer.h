/* optimizer.h - what training needs of an optimizer beyond nn.h. */
#ifndef TAPIR_NN_OPTIMIZER_H
#define TAPIR_NN_OPTIMIZER_H

#include "nn.h"

/* Sets a rate that a schedule computed: it may be 0, which nn_optimizer_set_rate refuses. */
void nn__optimizer_set_scheduled_rate(nn_optimizer *optimizer, double rate);

#endif
