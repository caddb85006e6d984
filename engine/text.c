/* text.c - the C locale for a moment, and the written form of a step. */
#include "text.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdio.h>

/* glibc keeps one "C" locale for everybody: making it takes no memory and it need not be freed.
 * Where it cannot be had, numbers keep the caller's locale. */
ad__locale ad__locale_enter(void) {
    const locale_t c = newlocale(LC_ALL_MASK, "C", (locale_t)0);
    return c == (locale_t)0 ? (locale_t)0 : uselocale(c);
}

void ad__locale_leave(ad__locale before) {
    if (before == (locale_t)0) return;
    const locale_t c = uselocale(before);
    if (c != LC_GLOBAL_LOCALE) freelocale(c);
}

char *ad__shown(size_t room, char text[], const char *shown, const char *x, const char *y) {
    size_t length = 0;
    bool   in_word = false;
    if (room > 0) text[0] = '\0';
    for (const char *at = shown; *at != '\0'; at++) {
        const bool  letter = isalnum((unsigned char)*at) || *at == '_';
        const bool  next = isalnum((unsigned char)at[1]) || at[1] == '_';
        const bool  alone = letter && !in_word && !next;
        const char *put = alone && *at == 'x' ? x : alone && *at == 'y' ? y : NULL;
        in_word = letter;
        if (length >= room) break;
        const int wrote = put != NULL ? snprintf(text + length, room - length, "%s", put)
                                      : snprintf(text + length, room - length, "%c", *at);
        length += (size_t)(wrote > 0 ? wrote : 0);
    }
    return text;
}
