/* lines.h - how wide a printed text is, in characters of UTF-8. */
#ifndef TAPIR_TESTS_LINES_H
#define TAPIR_TESTS_LINES_H

#include <stddef.h>

static inline size_t widest_line(const char *text) {
    size_t widest = 0, width = 0;
    for (; *text != '\0'; text++) {
        if (*text == '\n') width = 0;
        else width += ((unsigned char)*text & 0xc0) != 0x80;
        if (width > widest) widest = width;
    }
    return widest;
}

#endif
