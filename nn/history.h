/* history.h - what training leaves behind: a row of numbers for each epoch. */
#ifndef TAPIR_NN_HISTORY_H
#define TAPIR_NN_HISTORY_H

#include "nn.h"
#include "text.h"

enum { NN__COLUMNS = 7 };

typedef struct nn__history {
    FILE       *file;                        /* NULL: nothing is kept */
    const char *path;
    bool        held_out, metric, rate;      /* which columns there are */
    size_t      columns;
    const char *column[NN__COLUMNS];         /* their names */
    ad_status   status;                      /* why something was false, and in a sentence */
    char        message[NN__MESSAGE];
} nn__history;

/* `epoch`: rows up to there are kept, of a run that goes on; 0 begins anew. False when it cannot be written, when it has
 * other columns, or is also the file of the checkpoint or of the progress: no file has changed then. */
bool nn__history_open(nn__history *history, const nn_train_config *config, size_t epoch);
bool nn__history_write(nn__history *history, const nn_epoch *epoch);   /* through to the system at once */
bool nn__history_close(nn__history *history);

#endif
