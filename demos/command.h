/* command.h - the options of a demo, said once: from one table come their values, the text of --help and the
 * complaints about what is wrong. */
#ifndef TAPIR_DEMOS_COMMAND_H
#define TAPIR_DEMOS_COMMAND_H

#include "options.h"

/* What an option takes, and with it the type that `place` points at. */
typedef enum command_kind {
    COMMAND_FLAG,                            /* bool: becomes true */
    COMMAND_SEED,                            /* uint64_t: any */
    COMMAND_COUNT,                           /* size_t: least to most */
    COMMAND_COUNTS,                          /* command_counts: each least to most */
    COMMAND_RATE,                            /* double: finite and above 0 */
    COMMAND_FILE, COMMAND_FOLDER, COMMAND_NAME,   /* const char *: not empty; whose name it is the demo finds out */
} command_kind;

enum { COMMAND_MOST_COUNTS = 64 };

typedef struct command_counts {
    size_t most, n, count[COMMAND_MOST_COUNTS];      /* at the most so many are taken */
} command_counts;

typedef struct command_option {
    const char  *name;                       /* without -- */
    command_kind kind;
    void        *place;                      /* holds the usual value before, which --help shows */
    size_t       least, most;
    const char  *help;                       /* may have several lines */
} command_option;

/* False when there is nothing to run: help was asked for, or something is wrong and was told on stderr; then
 * *status is what to exit with. about: a paragraph for --help. The options end with a name of NULL. */
bool command_read(const char *about, const command_option option[], int count, char *arguments[], int *status);

#endif
