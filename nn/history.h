/* history.h - what training leaves behind: a row of numbers for each epoch. */
#ifndef TAPIR_NN_HISTORY_H
#define TAPIR_NN_HISTORY_H

#include "nn.h"

typedef struct nn__history {
    FILE *file;                              /* NULL: nothing is kept */
    bool  held_out, metric, rate;            /* which columns there are */
} nn__history;

/* False when it cannot be written; errno says why. `epoch`: rows up to there are kept, of a run that goes on;
 * 0 begins anew. */
bool nn__history_open(nn__history *history, const nn_train_config *config, size_t epoch);
bool nn__history_write(nn__history *history, const nn_epoch *epoch);   /* through to the system at once */
bool nn__history_close(nn__history *history);

#endif
