/* rows.h - a recorded function over rows of data: the outputs of each, or the mean of a loss and
 * its gradient. */
#ifndef TAPIR_NN_ROWS_H
#define TAPIR_NN_ROWS_H

#include "model.h"

typedef struct nn__rows nn__rows;

typedef struct nn__rows_config {
    nn__weights   *weights; /* of the model that the loss belongs to */
    nn_loss       *loss;
    void          *user;
    const nn_data *data;
    nn_shape      *shape;      /* NULL: detected */
    bool           by_example; /* no programs: record, sweep and rewind each row */
    size_t         most_nodes; /* limit on all programs; 0: the default */
    nn_forward    *forward;    /* in place of the loss, of the inputs alone */
    size_t         outputs;    /* of the forward function, at least 1 */
    bool           any_graph;  /* rows that differ unannounced are recorded, not refused */
} nn__rows_config;

nn__rows *nn__rows_new(const nn__rows_config *config); /* NULL when memory is out */
void      nn__rows_free(nn__rows *rows);

/* From now on the noise columns of the data are filled from this key (data.h); until then they are
 * as in the data. */
void nn__rows_set_noise(nn__rows *rows, uint64_t key);

/* The mean loss of the rows row[0..n-1] at the current weights, and, unless gradient is NULL, its
 * gradient; if that is asked for, all numbers are finite when the status is AD_OK. On an error the
 * sentence is in nn__rows_message; it begins with the row if one caused it. */
ad_status nn__rows_run(nn__rows *rows, size_t n, const size_t row[], double *mean,
                       double gradient[]);

/* The outputs of the rows row[0..n-1], n x outputs (of a loss: one each). They need not be finite.
 * A row's do not depend on the other rows. */
ad_status nn__rows_values(nn__rows *rows, size_t n, const size_t row[], double value[]);

const char *nn__rows_message(const nn__rows *rows);

/* A remark that is not an error: that some rows get no program. "" if there is none. */
const char *nn__rows_note(const nn__rows *rows);

size_t nn__rows_programs(const nn__rows *rows); /* compiled so far */

#endif
