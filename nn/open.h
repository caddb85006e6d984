/* open.h - opens files for reading. */
#ifndef TAPIR_NN_OPEN_H
#define TAPIR_NN_OPEN_H

#include "nn.h"
#include "text.h"

/* What the reader needs: sequential bytes, or a file with a known length in which it can seek. */
typedef enum nn__need { NN__STREAM, NN__WHOLE } nn__need;

/* A descriptor, or -1 with the status and a sentence without the path. A stream may be a pipe, a
 * terminal or a device; a named pipe has `timeout_ms` milliseconds to deliver its first byte. */
int nn__open_within(const char *path, nn__need need, int timeout_ms, ad_status *status,
                    char why[NN__MESSAGE]);

/* The same with ten seconds, as a descriptor (-1 on failure) and as a FILE (NULL). */
int   nn__open(const char *path, nn__need need, ad_status *status, char why[NN__MESSAGE]);
FILE *nn__open_file(const char *path, nn__need need, ad_status *status, char why[NN__MESSAGE]);

#endif
