/* open.h - files opened for reading. */
#ifndef TAPIR_NN_OPEN_H
#define TAPIR_NN_OPEN_H

#include "nn.h"
#include "text.h"

/* What the reader needs: bytes one after the other, or a file whose length is known and in which it can go back. */
typedef enum nn__need { NN__STREAM, NN__WHOLE } nn__need;

/* A descriptor, or -1 with the status and a sentence without the path. A stream may come out of a pipe, a terminal or
 * a device; a named pipe is given `patience` milliseconds until something comes out of it. */
int nn__open_within(const char *path, nn__need need, int patience, ad_status *status, char why[NN__MESSAGE]);

/* The same with ten seconds, as a descriptor and as a file; NULL like -1. */
int   nn__open(const char *path, nn__need need, ad_status *status, char why[NN__MESSAGE]);
FILE *nn__open_file(const char *path, nn__need need, ad_status *status, char why[NN__MESSAGE]);

#endif
