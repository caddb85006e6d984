/* plain.c - --help, and a sentence for anything else, for a demo that takes no options: so that its own
 * file can be exactly what a page shows. It runs before main; glibc hands it the arguments. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BAD_USE = 2 };

#ifdef __GLIBC__
__attribute__((constructor))
static void before_main(int count, char *arguments[]) {
    if (count == 1) return;
    if (count == 2 && strcmp(arguments[1], "--help") == 0) {
        fputs("usage: " DEMO_NAME "\n\n" DEMO_TEXT "\n\n  --help    this text\n", stdout);
        exit(0);
    }
    fprintf(stderr, DEMO_NAME ": unexpected argument: %s\n(" DEMO_NAME " --help says how it is used)\n",
            arguments[1]);
    exit(BAD_USE);
}
#endif
