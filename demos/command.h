/* command.h - the options of a demo: parsing, --help and error messages all come from one table. */
#ifndef TAPIR_DEMOS_COMMAND_H
#define TAPIR_DEMOS_COMMAND_H

#include "options.h"

/* What an option takes, and with it the type that `value` points to. */
typedef enum command_kind {
    COMMAND_FLAG,   /* bool: becomes true */
    COMMAND_SEED,   /* uint64_t: any */
    COMMAND_COUNT,  /* size_t: least to most */
    COMMAND_COUNTS, /* command_counts: each least to most */
    COMMAND_RATE,   /* double: finite and above 0 */
    COMMAND_FILE,
    COMMAND_FOLDER,
    COMMAND_NAME, /* const char *: not empty; the demo checks the name */
} command_kind;

enum { COMMAND_MOST_COUNTS = 64 };

typedef struct command_counts {
    size_t most, n, count[COMMAND_MOST_COUNTS]; /* most: how many are accepted */
} command_counts;

typedef struct command_option {
    const char  *name; /* without -- */
    command_kind kind;
    void        *value; /* initially the default, which --help shows */
    size_t       least, most;
    const char  *help; /* may have several lines */
} command_option;

/* Parses the arguments. False if there is nothing to run, because help was printed or an error was
 * reported on stderr; then *status is the exit status. about: a paragraph for --help. The options
 * end with a name of NULL. */
bool command_read(const char *about, const command_option option[], int count, char *arguments[],
                  int *status);

#endif
