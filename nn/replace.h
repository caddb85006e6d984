/* replace.h - a file written whole or not at all. */
#ifndef TAPIR_NN_REPLACE_H
#define TAPIR_NN_REPLACE_H

#include "nn.h"
#include "text.h"

/* Writes what the file is to hold; false when it cannot, with errno. It may be called twice, with another file. */
typedef bool nn__writer(FILE *to, void *context);

/* The file at path becomes what `write` writes. Anything that goes wrong, and a crash at any moment,
 * leaves what was there before; afterwards the new file is on the disk, and so is its name. A
 * symbolic link is followed, to a file that is not there yet too; what is not a regular file is left alone. The
 * rights to read, write and execute are those of the file that was there; it waits for no other process. AD_OK, or
 * AD_BAD_FILE or AD_NO_MEMORY with a sentence. */
ad_status nn__replace(const char *path, nn__writer *write, void *context, char message[NN__MESSAGE]);

/* Could a file be written at path, as far as can be known before? Nothing is changed. AD_OK, or as above. */
ad_status nn__replaceable(const char *path, char message[NN__MESSAGE]);

#endif
