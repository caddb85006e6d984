/* terminal.h - tables and small pictures drawn with characters. */
#ifndef TAPIR_DEMOS_TERMINAL_H
#define TAPIR_DEMOS_TERMINAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

/* The capabilities of a stream: its width, block characters for pictures, colors. */
typedef struct terminal {
    FILE  *to;
    size_t width;
    bool   blocks, colors;
} terminal;

/* Blocks need a UTF-8 locale (call setlocale first), colors a terminal; NO_COLOR (no-color.org)
 * disables both. The width is 80 if there is no terminal. */
terminal terminal_of(FILE *to);

/* Prints a line that is broken between words, where 80 columns are full. */
__attribute__((format(printf, 2, 3))) void terminal_line(FILE *to, const char *format, ...);

/* n x n counts, row = truth, column = guess: right ones green, wrong ones red, zeros as dots. */
void terminal_confusion(terminal t, size_t n, const size_t *count);

/* A grayscale picture, side x side numbers from 0 (no ink) to 1, row-major, with two lines below
 * it. */
typedef struct terminal_picture {
    const double *ink;
    char          caption[2][32];
} terminal_picture;

/* Prints n pictures in rows, as many side by side as the width allows. */
void terminal_pictures(terminal t, size_t side, size_t n, const terminal_picture picture[]);

#endif
