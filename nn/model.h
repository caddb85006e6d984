/* model.h - a model as other files of nn see it: its errors, and its parameters as numbers. */
#ifndef TAPIR_NN_MODEL_H
#define TAPIR_NN_MODEL_H

#include "nn.h"
#include "text.h"

/* Puts an error on the model, which keeps the first. It hides that of the tape, because nn_train
 * says here at which example the tape failed. NULL is allowed. */
__attribute__((format(printf, 3, 4))) void nn__model_fail(nn_model *model, ad_status status,
                                                          const char *format, ...);

/* Is the spare room of a caller's struct, a `type`, all 0? Otherwise the error is kept. */
static inline bool nn__model_reserved(nn_model *model, const char *what, const char *type,
                                      const uint64_t *reserved, const void *end) {
    if (nn__all_zero(reserved, end)) return true;
    nn__model_fail(model, AD_BAD_ARGUMENT, NN__NOT_ZERO, what, type);
    return false;
}

/* What nn_model_note says from now on. NULL is allowed. */
void nn__model_set_note(nn_model *model, const char *sentence);

/* How an optimizer treats array i of the model. */
typedef struct nn__group {
    size_t count;
    double rate_factor, weight_decay; /* decay NN_SAME: the optimizer's */
    bool   frozen;
} nn__group;

nn__group nn__model_group(const nn_model *model, size_t i);
bool      nn__model_grouped(const nn_model *model); /* false: all arrays as the optimizer says */
bool      nn__model_all_frozen(const nn_model *model);
/* Sets the derivatives in frozen parameters to 0. */
void      nn__model_clear_frozen(const nn_model *model, double gradient[]);

/* A named array of numbers that are not trained, owned by the model. */
typedef struct nn__buffer {
    const char   *name;
    size_t        rank;
    const size_t *shape;
    size_t        count;
    const double *value;
} nn__buffer;

size_t     nn__model_buffers(const nn_model *model);
nn__buffer nn__model_buffer(const nn_model *model, size_t i);
/* Grows whenever a number in a buffer has changed: programs have the old ones as constants. */
size_t     nn__model_buffer_changes(const nn_model *model);
/* All numbers, one buffer after the other. */
void       nn__model_set_buffers(nn_model *model, const double value[]);

/* The parameters as one array of numbers, for programs and optimizers. They are written back to the
 * tape's inputs only before something reads these: setting them one by one costs as much as a small
 * batch. */
typedef struct nn__weights {
    nn_model *model;
    size_t    count;
    double   *value;
    bool      dirty; /* the tape has older values */
} nn__weights;

bool nn__weights_open(nn__weights *weights, nn_model *model); /* false: out of memory */
void nn__weights_close(nn__weights *weights);                 /* flushes first */
void nn__weights_flush(nn__weights *weights);                 /* writes the values to the tape */
void nn__weights_fetch(nn__weights *weights);                 /* reads the tape's values */

/* The name of parameter i with its indices: layers.0.weight[3][5]. Returns text. */
char *nn__param_name(const nn_model *model, size_t i, size_t room, char text[]);

#endif
