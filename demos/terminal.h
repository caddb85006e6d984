/* terminal.h - tables and small pictures made of characters. */
#ifndef TAPIR_DEMOS_TERMINAL_H
#define TAPIR_DEMOS_TERMINAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

/* What a stream can show: columns, blocks instead of letters for pictures, colours. */
typedef struct terminal {
    FILE  *to;
    size_t width;
    bool   blocks, colors;
} terminal;

/* Blocks need a UTF-8 locale (call setlocale first), colours a terminal; NO_COLOR (no-color.org) takes
 * both away. Where there is no terminal the width is 80. */
terminal terminal_of(FILE *to);

/* n x n counts, row = truth, column = guess: right ones green, wrong ones red, zeros as dots. */
void terminal_confusion(terminal t, size_t n, const size_t *count);

/* A grey picture, side x side numbers from 0 (no ink) to 1, row-major, with two lines below it. */
typedef struct terminal_picture {
    const double *ink;
    char          caption[2][32];
} terminal_picture;

/* As many side by side as the width allows, then the next row of them. */
void terminal_pictures(terminal t, size_t side, size_t n, const terminal_picture picture[]);

#endif
