/* plain.c - handles the arguments of a demo without options: --help, and an error for anything
 * else, so that the demo's own file can be exactly what the documentation shows. It runs before
 * main, with the arguments from glibc. After main it checks that all output could be written. */
#include "options.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#ifdef __GLIBC__
static void after_main(void) {
    if (output_end(0, BAD_RUN) != 0) _exit(BAD_RUN);
}

__attribute__((constructor)) static void before_main(int count, char *arguments[]) {
    atexit(after_main);
    if (count == 1) return;
    if (count == 2 && strcmp(arguments[1], "--help") == 0) {
        fputs("usage: " DEMO_NAME "\n\n" DEMO_TEXT "\n\n  --help    this text\n", stdout);
        exit(0);
    }
    option_complain(DEMO_NAME, "unexpected argument", arguments[1]);
    exit(BAD_USE);
}
#endif
