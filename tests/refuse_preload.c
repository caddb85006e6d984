/* refuse_preload.c - memory refused to a program as a whole, by LD_PRELOAD; tests/demos_memory asks
 * for it.
 *
 * REFUSE=N[,once] in the environment: the n-th request of the process fails, and without "once" all
 * that follow. REFUSE_COUNT=FILE: how many there were, written when it ends. */
#include "refuse.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

__attribute__((constructor)) static void begin(void) {
    const char *wish = getenv("REFUSE");
    if (wish != NULL) arm(strtoul(wish, NULL, 10), strstr(wish, ",once") != NULL);
}

__attribute__((destructor)) static void end(void) {
    const char *path = getenv("REFUSE_COUNT");
    char        text[32];
    disarm();
    if (path == NULL) return;
    const int file = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0666);
    const int length = snprintf(text, sizeof text, "%zu\n", requests);
    if (file < 0 || write(file, text, (size_t)length) != length) _exit(99);
    close(file);
}
