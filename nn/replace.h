/* replace.h - replaces a file atomically. */
#ifndef TAPIR_NN_REPLACE_H
#define TAPIR_NN_REPLACE_H

#include "nn.h"
#include "text.h"

/* Writes the content of the file; false on failure, with errno. May be called twice, with different
 * files. */
typedef bool nn__writer(FILE *to, void *context);

/* Replaces the file at path by what `write` writes. An error or a crash at any moment leaves the
 * old file; on success the new file and its name are on the disk. A symbolic link is followed, even
 * to a file that does not exist yet; anything but a regular file is left alone. The read, write and
 * execute permissions of the old file are kept; no other process is waited for. AD_OK, or
 * AD_BAD_FILE or AD_NO_MEMORY with a sentence. */
ad_status nn__replace(const char *path, nn__writer *write, void *context,
                      char message[NN__MESSAGE]);

/* Checks, as far as possible in advance, whether nn__replace would succeed at path. Nothing is
 * changed. AD_OK, or as above. */
ad_status nn__replaceable(const char *path, char message[NN__MESSAGE]);

#endif
