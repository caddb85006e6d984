/* save.h - the parameters of a model in a safetensors file, for save.c and checkpoint.c. */
#ifndef TAPIR_NN_SAVE_H
#define TAPIR_NN_SAVE_H

#include "model.h"
#include "safetensors.h"

/* The format in the metadata of a checkpoint, and the two prefixes of its arrays that are not
 * parameters. */
#define NN__CHECKPOINT "tapir-checkpoint/1"
#define NN__OPTIMIZER  "optimizer."
#define NN__TRAINING   "training."

bool nn__is_checkpoint(const nn__safetensors *file);

/* The model's parameters and buffers as items; item has space for that many. */
size_t nn__model_item_count(const nn_model *model);
void   nn__model_items(const nn_model *model, nn__item item[]);

/* All numbers of the model: of the parameters, then of the buffers. */
size_t nn__model_numbers(const nn_model *model);
void   nn__model_set_numbers(nn_model *model, const double value[]);

/* Reads them, checking that each array is there with its shape and that there are no others; false
 * with the error on the model. */
bool nn__model_read(nn_model *model, nn__safetensors *file, const char *path, double value[]);

/* Checks, as far as possible in advance, whether nn_checkpoint_save would succeed. The status and
 * the sentence are the model's. */
ad_status nn__checkpoint_check(const char *path, nn_model *model, nn_optimizer *optimizer, size_t n,
                               const nn_entry entry[]);

#endif
