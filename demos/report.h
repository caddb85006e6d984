/* report.h - files and pictures that a demo leaves behind. */
#ifndef TAPIR_DEMOS_REPORT_H
#define TAPIR_DEMOS_REPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

/* Functions that return false have said why, on stderr. */

bool  report_folder(const char *path);       /* makes it, and those above it, where missing; may be written to */
FILE *report_create(const char *folder, const char *name);     /* NULL: false */
bool  report_close(FILE *file, const char *folder, const char *name);

/* Writes a whole file or nothing: what `write` puts out goes beside PATH, where no other file is touched, and is renamed,
 * so that nothing half-written ever stands there; a device, a pipe or a link to nothing is refused, a link to a file
 * followed. write returns false when it said itself what was wrong. */
bool report_whole(const char *program, const char *path, bool (*write)(FILE *to, void *context), void *context);

/* The loss and the held-out accuracy after each epoch: accuracy[i] in 0..1. */
typedef struct report_curve {
    size_t        epochs;
    const double *loss, *accuracy;
} report_curve;

/* n x n counts, row = truth, column = guess. */
typedef struct report_matrix {
    size_t        n;
    const size_t *count;
} report_matrix;

bool report_gnuplot(void);                   /* is it installed? */

/* FOLDER/NAME.svg and FOLDER/NAME.png, drawn by gnuplot: the script writes the commands that plot, for a
 * picture of so many pixels. */
typedef void report_script(FILE *gnuplot, const void *what);
bool report_draw(const char *folder, const char *name, int width, int height, report_script *script, const void *what);
bool report_draw_curve(const char *folder, const char *name, report_curve curve);
bool report_draw_matrix(const char *folder, const char *name, report_matrix matrix, const char *title);

#endif
