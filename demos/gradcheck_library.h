/* gradcheck_library.h - gradcheck of a function in a shared library. */
#ifndef TAPIR_DEMOS_GRADCHECK_LIBRARY_H
#define TAPIR_DEMOS_GRADCHECK_LIBRARY_H

#include <stdbool.h>

/* True if the command line asks for a function of a library. */
bool gradcheck_of_library(int count, char *arguments[]);
int  gradcheck_library(int count, char *arguments[]); /* the exit status */

#endif
