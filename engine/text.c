/* text.c - the C locale for a moment, and the written form of a step. */
#include "text.h"

#include <ctype.h>
#include <float.h>
#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

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
    if (length >= room && room > 0) ad__end_whole(text);
    return text;
}

int ad__cut_bytes(const char *text, size_t most) {
    const size_t length = strnlen(text, most + 1);
    if (length <= most) return (int)length;
    size_t n = most;
    while (n > 0 && n + 3 > most && ((unsigned char)text[n] & 0xc0) == 0x80) n--;
    return (int)n;
}

int ad__shown_bytes(const char *text) {
    return ad__cut_bytes(text, AD__SHOWN);
}

void ad__end_whole(char text[]) {
    const size_t length = strlen(text);
    size_t       at = length;
    while (at > 0 && length - at < 3 && ((unsigned char)text[at - 1] & 0xc0) == 0x80) at--;
    if (at > 0 && (unsigned char)text[at - 1] >= 0xc0 && ad__sequence(text + at - 1) == 0) text[at - 1] = '\0';
}

void ad__copy_cut(size_t room, char text[], const char *from) {
    if (strnlen(from, room) < room) strcpy(text, from);
    else snprintf(text, room, "%.*s\xe2\x80\xa6", ad__cut_bytes(from, room - 4), from);
}

char *ad__branch_turns(size_t room, char text[], unsigned long node, const char *what, const double side[2], double now,
                       bool taken) {
    char             sides[80];
    const ad__locale locale = ad__locale_enter();
    if (side != NULL) snprintf(sides, sizeof sides, "x = %.17g, y = %.17g", side[0], side[1]);
    else snprintf(sides, sizeof sides, "now %.17g", now);
    const int length = snprintf(text, room, "the branch on node #%lu (%s, %s) was %s when recorded and would now be %s", node,
                                what, sides, taken ? "taken" : "not taken", taken ? "not taken" : "taken");
    if (length >= 0 && (size_t)length >= room) ad__end_whole(text);
    ad__locale_leave(locale);
    return text;
}

const char *ad__file_name(const char *path) {
    const char *slash = strrchr(path, '/');
    return slash == NULL ? path : slash + 1;
}

/* Where any decimal of up to 15 digits reads back as x, it is what x is to 15 digits, zeros at the end left out; among
 * the numbers next to 0, which are further apart, there may be a shorter one. */
const char *ad__shortest(double x, char text[AD__SHORTEST]) {
    for (int digits = fabs(x) < DBL_MIN ? 1 : 15; digits <= 17; digits++) {
        snprintf(text, AD__SHORTEST, "%.*g", digits, x);
        if (strtod(text, NULL) == x) break;
    }
    return text;
}

/* RFC 3629: no overlong forms, no surrogates. */
size_t ad__sequence(const char *text) {
    const unsigned char *at = (const unsigned char *)text;
    const size_t n = at[0] < 0x80 ? 1 : at[0] >= 0xc2 && at[0] < 0xe0 ? 2 : (at[0] & 0xf0) == 0xe0 ? 3
                   : at[0] >= 0xf0 && at[0] < 0xf5 ? 4 : 0;
    for (size_t i = 1; i < n; i++)
        if ((at[i] & 0xc0) != 0x80) return 0;
    if ((at[0] == 0xe0 && at[1] < 0xa0) || (at[0] == 0xed && at[1] > 0x9f) || (at[0] == 0xf0 && at[1] < 0x90) ||
        (at[0] == 0xf4 && at[1] > 0x8f)) return 0;
    return n;
}

bool ad__is_utf8(const char *text) {
    for (size_t n; *text != '\0'; text += n)
        if ((n = ad__sequence(text)) == 0) return false;
    return true;
}

#define NO_CHARACTER "\xef\xbf\xbd"

/* Writes one character with `special`, which returns what stands for the character that begins there, of n bytes, or
 * NULL for itself. */
static void escaped(const char *text, const char *(*special)(const char *text, size_t n, char room[16]), FILE *to) {
    char room[16];
    while (*text != '\0') {
        const size_t n = ad__sequence(text);
        const char  *instead = n == 0 ? NO_CHARACTER : special(text, n, room);
        if (instead != NULL) fputs(instead, to);
        else fwrite(text, 1, n, to);
        text += n == 0 ? 1 : n;
    }
}

static bool control(char c) {
    return (unsigned char)c < 0x20 || c == 0x7f;
}

static const char *json_special(const char *text, size_t n, char room[16]) {
    if (n > 1) return NULL;
    if (*text == '"') return "\\\"";
    if (*text == '\\') return "\\\\";
    if (!control(*text) && *text != '<') return NULL;
    snprintf(room, 16, "\\u%04x", (unsigned)(unsigned char)*text);
    return room;
}

/* Of more than one byte: U+0080 to U+009F are control characters too, U+FFFE and U+FFFF none that XML allows. */
static const char *wide_special(const char *text, size_t n) {
    if (n == 2 && (unsigned char)text[0] == 0xc2 && (unsigned char)text[1] < 0xa0) return " ";
    return n == 3 && memcmp(text, "\xef\xbf", 2) == 0 && (unsigned char)text[2] >= 0xbe ? NO_CHARACTER : NULL;
}

static const char *xml_special(const char *text, size_t n, char room[16]) {
    (void)room;
    if (n > 1) return wide_special(text, n);
    switch (*text) {
    case '&':  return "&amp;";
    case '<':  return "&lt;";
    case '>':  return "&gt;";
    case '"':  return "&quot;";
    case '\'': return "&#39;";
    default:   return control(*text) ? " " : NULL;
    }
}

/* Graphviz reads "&lt;" as a sign of its own, wherever it stands. */
static bool reference(const char *text) {
    const size_t length = strspn(text + 1, "#0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ");
    return *text == '&' && length > 0 && text[1 + length] == ';';
}

static const char *dot_special(const char *text, size_t n, char room[16]) {
    if (n > 1) return wide_special(text, n);
    if (control(*text)) return " ";
    if (reference(text)) return "&amp;";
    if (strchr("\"\\{}|<>", *text) == NULL) return NULL;
    snprintf(room, 16, "\\%c", *text);
    return room;
}

void ad__json_text(const char *text, FILE *to) {
    fputc('"', to);
    escaped(text, json_special, to);
    fputc('"', to);
}

void ad__json_number(double x, FILE *to) {
    char text[AD__SHORTEST];
    if (x != x) fputs("\"NaN\"", to);
    else if (isinf(x)) fputs(x > 0 ? "\"Infinity\"" : "\"-Infinity\"", to);
    else fputs(ad__shortest(x, text), to);
}

void ad__xml_text(const char *text, FILE *to) {
    escaped(text, xml_special, to);
}

void ad__dot_text(const char *text, FILE *to) {
    escaped(text, dot_special, to);
}

ad_status ad__written(FILE *to) {
    return fflush(to) != 0 || ferror(to) ? AD_BAD_FILE : AD_OK;
}
