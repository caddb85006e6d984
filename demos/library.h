/* library.h - what a shared object is, before it is loaded, and which functions it has. */
#ifndef TAPIR_DEMOS_LIBRARY_H
#define TAPIR_DEMOS_LIBRARY_H

#include <stdbool.h>
#include <stddef.h>

/* A sentence for whoever named the file: room for a path and what is wrong with it. */
enum { LIBRARY_WHY = 1024 };

/* Loads it. A path without a slash is one of the current folder, or else what the loader finds by
 * that name. NULL: `why` says why not. */
void *library_load(const char *path, char why[LIBRARY_WHY]);

/* The function of this name; in Fortran the name in small letters
 * with an underscore behind it comes first. NULL:
 * `why` says so, and what the library has in its place. */
void *library_function(void *library, const char *path, const char *name, bool fortran,
                       char why[LIBRARY_WHY]);

#endif
