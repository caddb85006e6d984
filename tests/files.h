/* files.h - files for tests: a folder of the test's own, bytes in and out, and Python. */
#ifndef TAPIR_TESTS_FILES_H
#define TAPIR_TESTS_FILES_H

#include <stdbool.h>
#include <stddef.h>

/* The path of a file in a folder that is made for this process at the first call; the text stays
 * until the sixteenth call after it. files_remove takes the folder away, with the files in it. */
const char *file_path(const char *name);
void        files_remove(void);

void   file_write(const char *path, size_t size, const void *bytes); /* aborts where it cannot */
void   file_write_text(const char *path, const char *text);
/* how many; 0 where there is no file */
size_t file_read(const char *path, size_t room, void *bytes);
bool   file_exists(const char *path);
size_t files_count(const char *folder); /* files and folders in it */

/* Runs a Python that has the module (NULL: any) over a script and up to three arguments; NULL ends
 * them. The exit status, or -1 where there is no such Python: then the test is to be skipped. */
int python(const char *module, const char *script, const char *a, const char *b, const char *c);

#endif
