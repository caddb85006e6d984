/* progress.h - how training shows where it is. */
#ifndef TAPIR_NN_PROGRESS_H
#define TAPIR_NN_PROGRESS_H

#include "nn.h"

typedef struct nn__progress {
    FILE       *to;                          /* NULL: nothing is shown */
    bool        terminal, utf8;
    double      drawn;                       /* when the bar was last drawn */
    char        metric_name[80];             /* as people see it; "": there is no metric */
} nn__progress;

/* What there is to show, in the middle or at the end of an epoch. */
typedef struct nn__moment {
    size_t epoch, epochs;                    /* from 1; of how many */
    double done;                             /* epochs, with the part of the one at hand */
    double loss, held_out_loss, metric;      /* NaN: not known */
    double examples_per_second, seconds, left;   /* since the training began; until it ends */
} nn__moment;

nn__progress nn__progress_open(const nn_train_config *config);
bool nn__progress_due(const nn__progress *progress, double now);   /* would a bar be drawn again? */
void nn__progress_step(nn__progress *progress, const nn__moment *moment, double now);
void nn__progress_epoch(nn__progress *progress, const nn__moment *moment);
void nn__progress_note(nn__progress *progress, const char *sentence);   /* a line of its own */
void nn__progress_close(nn__progress *progress);   /* the next output begins on a line of its own */

#endif
