/* model.h - how other files of nn put an error on a model. */
#ifndef TAPIR_NN_MODEL_H
#define TAPIR_NN_MODEL_H

#include "nn.h"
#include "text.h"

/* Keeps the first error of the model's own, which goes before that of its tape: nn_train says there
 * at which example the tape failed. NULL is allowed. */
__attribute__((format(printf, 3, 4)))
void nn__model_fail(nn_model *model, ad_status status, const char *format, ...);

/* Is the spare room of a caller's struct, a `type`, all 0? Otherwise the error is kept. */
static inline bool nn__model_reserved(nn_model *model, const char *what, const char *type,
                                      const uint64_t *reserved, const void *end) {
    if (nn__all_zero(reserved, end)) return true;
    nn__model_fail(model, AD_BAD_ARGUMENT, NN__NOT_ZERO, what, type);
    return false;
}

/* What nn_model_note says from now on. NULL is allowed. */
void nn__model_set_note(nn_model *model, const char *sentence);

/* The parameters as one array of numbers, for programs and optimizers. The tape's inputs follow only
 * when somebody is about to look at them: giving them one by one costs as much as a small batch. */
typedef struct nn__weights {
    nn_model *model;
    size_t    count;
    double   *value;
    bool      ahead;                         /* the tape still has older values */
} nn__weights;

bool nn__weights_open(nn__weights *weights, nn_model *model);  /* false: no memory */
void nn__weights_close(nn__weights *weights);                  /* settles first */
void nn__weights_settle(nn__weights *weights);                 /* the tape gets the values */
void nn__weights_fetch(nn__weights *weights);                  /* the tape's values, which somebody may have set */

/* The place of parameter i in words: layers.0.weight[3][5]. Returns text. */
char *nn__model_place(const nn_model *model, size_t i, size_t room, char text[]);

#endif
