/* options.h - words of a command line as numbers. Each function complains on stderr, naming the option and the
 * word, and returns false where the word is not what it should be. */
#ifndef TAPIR_DEMOS_OPTIONS_H
#define TAPIR_DEMOS_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { BAD_RUN = 1, BAD_USE = 2 };           /* exit statuses: it went wrong; it was asked in the wrong way */

/* A word of the user's for a terminal: what that would obey is written \x1b and the like. Stays until the eighth call
 * after it; a long one is cut. */
const char *option_shown(const char *word);

/* The exit status of a program: `status`, but `bad`, with a sentence on stderr, where what was said on standard output
 * cannot be written. Last of all: standard output is closed. */
int output_end(int status, int bad);

/* Is there a control character in it? */
bool option_control(const char *word);

bool option_complain(const char *program, const char *what, const char *word);

/* Letters, digits and underscores that a name begins the word with; 0: none does. */
size_t option_name(const char *word);

/* A whole number of least to most. Digits alone: no sign, no space. */
bool option_count(const char *program, const char *option, const char *word, size_t least, size_t most, size_t *count);
bool option_seed(const char *program, const char *option, const char *word, uint64_t *seed);

/* A finite number above 0. */
bool option_rate(const char *program, const char *option, const char *word, double *rate);

/* Up to `room` whole numbers of least to most, separated by commas; how many, in *n. */
bool option_counts(const char *program, const char *option, const char *word, size_t least, size_t most, size_t room,
                   size_t count[], size_t *n);

#endif
