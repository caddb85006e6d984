/* history.h - the history file of a training run: a row of numbers for each epoch. */
#ifndef TAPIR_NN_HISTORY_H
#define TAPIR_NN_HISTORY_H

#include "nn.h"
#include "text.h"

enum { NN__COLUMNS = 7 };

typedef struct nn__history {
    FILE       *file; /* NULL: no history */
    const char *path;
    bool        held_out, metric, rate; /* which columns there are */
    size_t      columns;
    const char *column[NN__COLUMNS]; /* their names */
    ad_status   status;              /* the reason for a false, and its sentence */
    char        message[NN__MESSAGE];
} nn__history;

/* Opens the history. `epoch`: a resumed run keeps the rows up to this epoch; 0 starts a new file.
 * False if it cannot be written, has other columns, or is also the file of the checkpoint or the
 * progress; no file has changed then. True without a history. */
bool nn__history_open(nn__history *history, const nn_train_config *config, size_t epoch);
bool nn__history_write(nn__history *history, const nn_epoch *epoch); /* flushes */
bool nn__history_close(nn__history *history);

#endif
