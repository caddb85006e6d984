/* suggest.h - what the writer of a formula may have meant. */
#ifndef TAPIR_SUGGEST_H
#define TAPIR_SUGGEST_H

#include <stdbool.h>
#include <stddef.h>

/* Of several words the one nearest to another: {.word, .length} at first, then ad__nearest_try for each; best stays NULL
 * where none is near. Capitals and underscores count for nothing, else a letter too many, too few, wrong or exchanged with
 * its neighbour is 1; words of up to 2 letters may differ by nothing, of 3 and 4 by 1, longer ones by 2. */
typedef struct ad__nearest {
    const char *word;
    size_t      length;
    const char *best;                   /* not terminated where what was tried is not */
    size_t      best_length, distance;
} ad__nearest;

void ad__nearest_try(ad__nearest *n, const char *word, size_t length);

/* What a function, or a constant, of mathematics or other languages is in a formula: "log" for ln, "acos" for arccos; NULL
 * for others. Capitals and underscores count for nothing. */
const char *ad__foreign_function(const char *name, size_t length);
const char *ad__foreign_constant(const char *name, size_t length);

/* The same of a sign at which a formula cannot be read on: of an operator ("^" for **, "*" for a times sign), or in the
 * place of an operand. */
const char *ad__foreign_operator(const char *at);
const char *ad__foreign_operand(const char *at);

#endif
