/* model.h - how other files of nn put an error on a model. */
#ifndef TAPIR_NN_MODEL_H
#define TAPIR_NN_MODEL_H

#include "nn.h"
#include "text.h"

/* Keeps the first error of the model's own, which goes before that of its tape: nn_train says there
 * at which example the tape failed. NULL is allowed. */
__attribute__((format(printf, 3, 4)))
void nn__model_fail(nn_model *model, ad_status status, const char *format, ...);

/* The place of parameter i in words: layers.0.weight[3][5]. Returns text. */
char *nn__model_place(const nn_model *model, size_t i, size_t room, char text[]);

#endif
