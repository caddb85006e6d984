/* plain.c - --help, and a sentence for anything else, for a demo that takes no options: so that its own
 * file can be exactly what a page shows. It runs before main; glibc hands it the arguments. After main it looks whether
 * all that was said could be written. */
#include "options.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>


#ifdef __GLIBC__
static void after_main(void) {
    if (output_end(0, BAD_RUN) != 0) _exit(BAD_RUN);
}

__attribute__((constructor))
static void before_main(int count, char *arguments[]) {
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
