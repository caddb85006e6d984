/* point.h - numbers from a command line or a file: where a function is checked. */
#ifndef TAPIR_DEMOS_POINT_H
#define TAPIR_DEMOS_POINT_H

#include <stdbool.h>
#include <stddef.h>

typedef struct point {
    double *x;
    size_t  n, room;
} point;

/* Each appends to the point. False: a message was printed. */
bool point_list(const char *word, point *p); /* "1,2.5,-3" */
bool point_list_or_file(const char *word,
                        point      *p); /* a file's numbers stand between commas, blanks, lines */
bool point_random(size_t n, unsigned long long seed, point *p); /* evenly from -1 to 1 */
void point_free(point *p);

#endif
