/* text.h - formats messages and numbers of nn, in the C locale whatever the program's locale is.
 *
 * A header only, because every file of nn has messages and a few short functions are not worth a
 * file below all others. */
#ifndef TAPIR_NN_TEXT_H
#define TAPIR_NN_TEXT_H

#include "ad.h"

#include <locale.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

enum { NN__MESSAGE = 512 }; /* fits a usual path or name and a sentence */

/* If the C locale is not available the caller's stays. */
static inline locale_t nn__locale_enter(void) {
    const locale_t c = newlocale(LC_ALL_MASK, "C", (locale_t)0);
    return c == (locale_t)0 ? (locale_t)0 : uselocale(c);
}

static inline void nn__locale_leave(locale_t before) {
    if (before == (locale_t)0) return;
    const locale_t c = uselocale(before);
    if (c != LC_GLOBAL_LOCALE) freelocale(c);
}

/* AD_OK or AD_BAD_FILE: a full disk shows only when the buffer is flushed. */
static inline ad_status nn__written(FILE *to) {
    return fflush(to) != 0 || ferror(to) ? AD_BAD_FILE : AD_OK;
}

/* The length in bytes of the UTF-8 sequence at text; 0 if it is not valid (RFC 3629: no overlong
 * forms, no surrogates). */
static inline size_t nn__character(const char *text) {
    const unsigned char *at = (const unsigned char *)text;
    const size_t         n = at[0] < 0x80 ? 1
                           : at[0] < 0xc2 ? 0
                           : at[0] < 0xe0 ? 2
                           : at[0] < 0xf0 ? 3
                           : at[0] < 0xf5 ? 4
                                          : 0;
    for (size_t i = 1; i < n; i++)
        if ((at[i] & 0xc0) != 0x80) return 0;
    if ((at[0] == 0xe0 && at[1] < 0xa0) || (at[0] == 0xed && at[1] > 0x9f) ||
        (at[0] == 0xf0 && at[1] < 0x90) || (at[0] == 0xf4 && at[1] > 0x8f))
        return 0;
    return n;
}

static inline bool nn__is_utf8(const char *text) {
    for (size_t n; *text != '\0'; text += n)
        if ((n = nn__character(text)) == 0) return false;
    return true;
}

/* The next character of a text, escaped if it is not safe on a terminal; returns its bytes in the
 * text. */
static inline size_t nn__escape_character(const char *text, char piece[8]) {
    const unsigned char *at = (const unsigned char *)text;
    const size_t         n = nn__character(text);
    unsigned             c = n < 2 ? at[0] : at[0] & (0xffu >> (n + 1));
    for (size_t i = 1; i < n; i++) c = c << 6 | (at[i] & 0x3fu);
    const bool control = c < 0x20 || (c >= 0x7f && c < 0xa0);
    const bool directional = c == 0x61c || c == 0x200e || c == 0x200f ||
                             (c >= 0x2028 && c <= 0x202e) || (c >= 0x2066 && c <= 0x2069);
    if (n == 0 || (control && n == 1)) snprintf(piece, 8, "\\x%02x", c & 0xff);
    else if (control || directional) snprintf(piece, 8, "\\u%04x", c & 0xffff);
    else snprintf(piece, 8, "%.*s", (int)n, text);
    return n == 0 ? 1 : n;
}

/* A text from the user or a file made safe to print, truncated to fit at a character: control
 * characters, characters that change the direction of text, and bytes that are not UTF-8 are
 * escaped as \x1b or \u202e. lines: newlines before indented lines are kept, as in the messages of
 * formulas. Returns text. */
static inline const char *nn__printable(size_t room, char text[], const char *from, bool lines) {
    size_t length = 0;
    while (*from != '\0') {
        char   piece[8] = {*from}; /* most characters need no escape */
        size_t n = 1, bytes = 1;
        if ((*from < ' ' || *from > '~') && !(lines && strncmp(from, "\n  ", 3) == 0))
            n = nn__escape_character(from, piece), bytes = strlen(piece);
        if (bytes >= room - length) break;
        memcpy(text + length, piece, bytes);
        length += bytes;
        from += n;
    }
    text[length] = '\0';
    return text;
}

/* ---- lines of a terminal --------------------------------------------------------------------- */

enum { NN__WIDTH = 80 }; /* columns; a character of UTF-8 takes one */

static inline bool nn__begins(char c) {
    return ((unsigned char)c & 0xc0) != 0x80;
}

static inline size_t nn__columns(const char *text) {
    size_t n = 0;
    for (; *text != '\0'; text++) n += nn__begins(*text);
    return n;
}

/* Leaves out the middle of a text of more than `most` columns (at least 4), where "..." says so. In
 * place; returns text. */
static inline char *nn__narrow(size_t most, char text[]) {
    const size_t n = nn__columns(text), front = (most - 2) / 2, back = most - 3 - front;
    if (n <= most) return text;
    char *cut = text, *rest = text + strlen(text);
    for (size_t i = 0; i < front; i++) do
            cut++;
        while (!nn__begins(*cut));
    for (size_t i = 0; i < back; i++) do
            rest--;
        while (!nn__begins(*rest));
    memcpy(cut, "...", 3);
    memmove(cut + 3, rest, strlen(rest) + 1);
    return text;
}

/* Prints a text from `column` on, broken between words; what does not fit continues at `indent`,
 * and a word that is wider than a line is broken where the line ends. Returns the column. */
static inline size_t nn__flow(FILE *to, size_t column, size_t indent, const char *text) {
    while (*text != '\0') {
        if (*text == '\n') { /* an indented line of a message */
            fputc(*text++, to);
            column = 0;
            continue;
        }
        const size_t spaces = strspn(text, " "), end = spaces + strcspn(text + spaces, " \n");
        size_t       width = spaces, at = spaces;
        for (size_t i = spaces; i < end; i++) width += nn__begins(text[i]);
        if (column > indent && column + width > NN__WIDTH)
            column = indent, fprintf(to, "\n%*s", (int)indent, "");
        else column += spaces, fprintf(to, "%*s", (int)spaces, "");
        for (; at < end; at++) {
            if (nn__begins(text[at]) && column++ >= NN__WIDTH)
                column = indent + 1, fprintf(to, "\n%*s", (int)indent, "");
            fputc(text[at], to);
        }
        text += end;
    }
    return column;
}

/* Is the spare room of a caller's struct, `reserved` to its end, all 0, as nn.h asks? If not, this
 * is said, with the names of the function and of the struct. */
#define NN__NOT_ZERO \
    "%s: the field reserved of %s must be all 0: begin with {0}, then set what is wanted"
static inline bool nn__all_zero(const uint64_t *reserved, const void *end) {
    uint64_t any = 0;
    while (reserved != end) any |= *reserved++;
    return any == 0;
}

/* clang-format off */
__attribute__((format(printf, 2, 0)))
static inline void nn__sentence(char text[NN__MESSAGE], const char *format, va_list list) {
    char           raw[4*NN__MESSAGE];
    const locale_t before = nn__locale_enter();
    vsnprintf(raw, sizeof raw, format, list);
    nn__locale_leave(before);
    nn__printable(NN__MESSAGE, text, raw, true);
}
/* clang-format on */

/* The same for a function without an object to keep its error in: returns the status. */
/* clang-format off */
__attribute__((format(printf, 3, 4)))
static inline ad_status nn__say(ad_status status, char text[NN__MESSAGE], const char *format, ...) {
    va_list list;
    va_start(list, format);
    nn__sentence(text, format, list);
    va_end(list);
    return status;
}
/* clang-format on */

#endif
