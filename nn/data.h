/* data.h - the table, as seen by the files that fill it. */
#ifndef TAPIR_NN_DATA_H
#define TAPIR_NN_DATA_H

#include "nn.h"
#include "text.h"

/* Invariant, as callers of nn see it: while the status is AD_OK there is at least one row, every
 * row has inputs + targets numbers, and all of them are finite. After an error there are no
 * rows. */
struct nn_data {
    size_t    rows, inputs, targets, room; /* room: capacity of value, in numbers */
    double   *value;                       /* rows x (inputs + targets), row-major */
    size_t    noise;                       /* how many of the last inputs are noise */
    nn_noise *kind;                        /* of each of those */
    ad_status status;                      /* the first error */
    char      message[NN__MESSAGE];
};

/* A table without rows, to be filled. NULL when memory is out. */
nn_data *nn__data_empty(void);

/* Keeps the first error, and removes the rows. */
__attribute__((format(printf, 3, 4))) void nn__data_fail(nn_data *data, ad_status status,
                                                         const char *format, ...);

/* AD_BAD_FILE: "PATH: byte BYTE: SENTENCE". */
__attribute__((format(printf, 4, 5))) void nn__data_fail_at(nn_data *data, const char *path,
                                                            uint64_t byte, const char *format, ...);

/* Makes room for so many numbers; false, with AD_NO_MEMORY, if there is none. Grows by doubling, so
 * that memory is allocated only for what has been read, not for what a header claims. */
bool nn__data_room(nn_data *data, size_t numbers);

/* Called when a file has been read: makes the last `targets` columns targets. */
void nn__data_set_targets(nn_data *data, size_t targets, const char *path);

/* Are their noise columns the same? */
bool nn__data_same_noise(const nn_data *a, const nn_data *b);

/* What the noise columns of a row hold in one use: written to their places in `value`, a copy of
 * the row. The numbers depend on the three arguments alone; an epoch of nn_train is a use. */
uint64_t nn__data_noise_key(uint64_t seed, uint64_t use);
void     nn__data_fill_noise(const nn_data *data, uint64_t key, size_t row, double value[]);

void nn__data_swap(nn_data *data, size_t a, size_t b); /* swaps two rows */

#endif
