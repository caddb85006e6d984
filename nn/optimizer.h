/* optimizer.h - what training does with an optimizer beside what nn.h shows. */
#ifndef TAPIR_NN_OPTIMIZER_H
#define TAPIR_NN_OPTIMIZER_H

#include "nn.h"

/* A rate that a schedule computed: it may have come down to 0, which nn_optimizer_set_rate refuses. */
void nn__optimizer_schedule(nn_optimizer *optimizer, double rate);

#endif
