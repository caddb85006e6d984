/* report.h - writes the files and pictures of a demo. */
#ifndef TAPIR_DEMOS_REPORT_H
#define TAPIR_DEMOS_REPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

/* Functions that return false have reported the reason on stderr. */

bool  report_folder(const char *path); /* creates it and its parents; checks that it is writable */
FILE *report_create(const char *folder, const char *name); /* NULL on failure */
bool  report_close(FILE *file, const char *folder, const char *name);

/* Replaces a file atomically: the output of `write` goes to a new file next to it, which is then
 * renamed. A device, a pipe or a dangling link is refused, a link to a file followed. write returns
 * false on failure, which it has reported itself unless it is an error of the stream. */
bool report_whole(const char *program, const char *path, bool (*write)(FILE *to, void *context),
                  void *context);

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

bool report_gnuplot(void); /* true if it is installed */

/* FOLDER/NAME.svg and FOLDER/NAME.png, drawn by gnuplot, width x height pixels: the script writes
 * the plotting commands. */
typedef void report_script(FILE *gnuplot, const void *what);
bool report_draw(const char *folder, const char *name, int width, int height, report_script *script,
                 const void *what);
bool report_draw_curve(const char *folder, const char *name, report_curve curve);
bool report_draw_matrix(const char *folder, const char *name, report_matrix matrix,
                        const char *title);

#endif
