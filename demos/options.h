/* options.h - parses command-line arguments. Each function returns false for a bad argument, after
 * an error message on stderr that names the option and the argument. */
#ifndef TAPIR_DEMOS_OPTIONS_H
#define TAPIR_DEMOS_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { BAD_RUN = 1, BAD_USE = 2 }; /* exit statuses: failure; wrong usage */

/* The user's text made safe for a terminal: control characters are escaped as \x1b. Valid until the
 * eighth call after it; long text is truncated. */
const char *option_shown(const char *word);

/* Closes standard output and returns the exit status of the program: `status`, or `bad`, with a
 * message on stderr, if the output could not be written. To be called last. */
int output_end(int status, int bad);

/* True if it contains a control character. */
bool option_control(const char *word);

bool option_complain(const char *program, const char *what, const char *word);

/* The length of the name (letters, digits, underscores) that the word begins with; 0: it does
 * not. */
size_t option_name(const char *word);

/* A whole number from least to most, digits only: no sign, no space. */
bool option_count(const char *program, const char *option, const char *word, size_t least,
                  size_t most, size_t *count);
bool option_seed(const char *program, const char *option, const char *word, uint64_t *seed);

/* A finite number above 0. */
bool option_rate(const char *program, const char *option, const char *word, double *rate);

/* Up to `room` whole numbers from least to most, separated by commas; *n: how many. */
bool option_counts(const char *program, const char *option, const char *word, size_t least,
                   size_t most, size_t room, size_t count[], size_t *n);

#endif
