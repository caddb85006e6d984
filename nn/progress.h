/* progress.h - shows the progress of training. */
#ifndef TAPIR_NN_PROGRESS_H
#define TAPIR_NN_PROGRESS_H

#include "nn.h"

typedef struct nn__progress {
    FILE  *to; /* NULL: nothing is shown */
    bool   terminal, utf8;
    double drawn;           /* when the bar was last drawn */
    char   metric_name[80]; /* printable; "": there is no metric */
} nn__progress;

/* What is shown in the middle or at the end of an epoch. */
typedef struct nn__snapshot {
    size_t epoch, epochs;                      /* from 1; of how many */
    double done;                               /* epochs, with the fraction of the current one */
    double loss, held_out_loss, metric;        /* NaN: not known */
    double examples_per_second, seconds, left; /* seconds: elapsed; left: estimated */
} nn__snapshot;

nn__progress nn__progress_open(const nn_train_config *config);
/* should the bar be redrawn? */
bool         nn__progress_due(const nn__progress *progress, double now);
void         nn__progress_step(nn__progress *progress, const nn__snapshot *moment, double now);
void         nn__progress_epoch(nn__progress *progress, const nn__snapshot *moment);
/* a line of its own */
void         nn__progress_note(nn__progress *progress, const char *sentence);
void         nn__progress_close(nn__progress *progress); /* ends the line of the bar */

#endif
