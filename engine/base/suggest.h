/* suggest.h - what the author of a formula may have meant. */
#ifndef TAPIR_SUGGEST_H
#define TAPIR_SUGGEST_H

#include <stdbool.h>
#include <stddef.h>

/* Finds the nearest of several words to a given one: start with {.word, .length}, then call
 * ad__nearest_try for each; best stays NULL if none is near. Case and underscores are ignored; a
 * letter too many, too few, wrong or swapped with its neighbour counts 1. Words of up to 2 letters
 * must match, those of 3 and 4 may differ by 1, longer ones by 2. */
typedef struct ad__nearest {
    const char *word;
    size_t      length;
    const char *best; /* not terminated if the word tried is not */
    size_t      best_length, distance;
} ad__nearest;

void ad__nearest_try(ad__nearest *n, const char *word, size_t length);

/* The formula for a function or constant of mathematics or other languages: "log" for ln, "acos"
 * for arccos; NULL if unknown. Case and underscores are ignored. */
const char *ad__foreign_function(const char *name, size_t length);
const char *ad__foreign_constant(const char *name, size_t length);

/* The same for a sign at which a formula cannot be parsed: in the place of an operator ("^" for **,
 * "*" for a times sign), or in the place of an operand. */
const char *ad__foreign_operator(const char *at);
const char *ad__foreign_operand(const char *at);

#endif
