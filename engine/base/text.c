/* text.c - how numbers, names and messages are written; see text.h. */
#include "base/text.h"

#include <ctype.h>
#include <float.h>
#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* glibc has one static "C" locale: making it allocates nothing and it need not be freed. If it is
 * not available, numbers keep the caller's locale. */
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

/* RFC 3629: no overlong forms, no surrogates. */
size_t ad__sequence(const char *text) {
    const unsigned char *at = (const unsigned char *)text;
    const size_t         n = at[0] < 0x80                  ? 1
                           : at[0] >= 0xc2 && at[0] < 0xe0 ? 2
                           : (at[0] & 0xf0) == 0xe0        ? 3
                           : at[0] >= 0xf0 && at[0] < 0xf5 ? 4
                                                           : 0;
    for (size_t i = 1; i < n; i++)
        if ((at[i] & 0xc0) != 0x80) return 0;
    if ((at[0] == 0xe0 && at[1] < 0xa0) || (at[0] == 0xed && at[1] > 0x9f) ||
        (at[0] == 0xf0 && at[1] < 0x90) || (at[0] == 0xf4 && at[1] > 0x8f))
        return 0;
    return n;
}

static uint32_t character(const char *text, size_t n) {
    const unsigned char *at = (const unsigned char *)text;
    if (n < 2) return at[0];
    uint32_t c = at[0] & (0xffu >> (n + 1));
    for (size_t i = 1; i < n; i++) c = c << 6 | (at[i] & 0x3fu);
    return c;
}

/* Those of ASCII, and those that UTF-8 writes in two bytes: U+009B begins a terminal command as ESC
 * [ does. */
static bool control(uint32_t c) {
    return c < 0x20 || (c >= 0x7f && c < 0xa0);
}

/* Ends a line, or changes the direction in which the text around it is read. */
static bool misleading(uint32_t c) {
    return c == 0x61c || c == 0x200e || c == 0x200f || (c >= 0x2028 && c <= 0x202e) ||
           (c >= 0x2066 && c <= 0x2069);
}

/* The next character in a form that is safe for a terminal; returns the bytes of the text that it
 * takes. */
static size_t harmless(const char *text, char piece[8]) {
    const size_t   n = ad__sequence(text);
    const uint32_t c = character(text, n);
    if (n == 0 || (control(c) && n == 1)) snprintf(piece, 8, "\\x%02x", (unsigned)c & 0xff);
    else if (control(c) || misleading(c)) snprintf(piece, 8, "\\u%04x", (unsigned)c & 0xffff);
    else snprintf(piece, 8, "%.*s", (int)n, text);
    return n == 0 ? 1 : n;
}

/* In a message of several lines, those after the first are indented: only a line feed before an
 * indentation is our own. */
static bool own_line_end(const char *at) {
    return at[0] == '\n' && at[1] == ' ' && at[2] == ' ';
}

static char *write_harmless(size_t room, char text[], const char *from, bool lines) {
    size_t length = 0;
    while (*from != '\0') {
        char   piece[8] = {*from}; /* most characters stand for themselves */
        size_t n = 1, bytes = 1;
        if ((*from < ' ' || *from > '~') && !(lines && own_line_end(from)))
            n = harmless(from, piece), bytes = strlen(piece);
        if (bytes >= room - length) break;
        memcpy(text + length, piece, bytes);
        length += bytes;
        from += n;
    }
    text[length] = '\0';
    return text;
}

const char *ad__shown_text(size_t room, char text[], const char *from) {
    return write_harmless(room, text, from, false);
}

const char *ad__shown_name(const char *name, char text[AD__SHOWN_NAME]) {
    return ad__shown_text(AD__SHOWN_NAME, text, name);
}

void ad__sentence(size_t room, char text[], const char *format, va_list list) {
    char             raw[AD__SENTENCE];
    const ad__locale locale = ad__locale_enter();
    vsnprintf(raw, sizeof raw, format, list);
    ad__locale_leave(locale);
    write_harmless(room, text, raw, true);
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
    if (at > 0 && (unsigned char)text[at - 1] >= 0xc0 && ad__sequence(text + at - 1) == 0)
        text[at - 1] = '\0';
}

void ad__copy_cut(size_t room, char text[], const char *from) {
    if (strnlen(from, room) < room) strcpy(text, from);
    else snprintf(text, room, "%.*s\xe2\x80\xa6", ad__cut_bytes(from, room - 4), from);
}

/* ---- lines of a terminal --------------------------------------------------------------------- */

static bool begins_character(char c) {
    return ((unsigned char)c & 0xc0) != 0x80;
}

static int columns_of(const char *text, size_t bytes) {
    int n = 0;
    for (size_t i = 0; i < bytes; i++) n += begins_character(text[i]);
    return n;
}

size_t ad__columns(const char *text) {
    return (size_t)columns_of(text, strlen(text));
}

static int next_line(FILE *to, int indent) {
    fprintf(to, "\n%*s", indent, "");
    return indent;
}

static int put_word(FILE *to, int column, int indent, const char *word, size_t bytes) {
    for (size_t i = 0; i < bytes; i++) {
        if (begins_character(word[i]) && column++ >= AD__WIDTH) column = next_line(to, indent) + 1;
        fputc(word[i], to);
    }
    return column;
}

int ad__flow(FILE *to, int column, int indent, const char *text) {
    while (*text != '\0') {
        if (*text == '\n') { /* an indented line of a message */
            fputc('\n', to);
            column = 0, text++;
            continue;
        }
        const size_t spaces = strspn(text, " "), bytes = strcspn(text + spaces, " \n");
        const int    width = (int)spaces + columns_of(text + spaces, bytes);
        if (column > indent && column + width > AD__WIDTH) column = next_line(to, indent);
        else column += fprintf(to, "%*s", (int)spaces, "");
        column = put_word(to, column, indent, text + spaces, bytes);
        text += spaces + bytes;
    }
    return column;
}

int ad__piece(FILE *to, int column, int indent, int gap, const char *text) {
    if (column == indent) return ad__flow(to, column, indent + 2, text);
    if (column + gap + (int)ad__columns(text) > AD__WIDTH) column = next_line(to, indent);
    else column += fprintf(to, "%*s", gap, "");
    return ad__flow(to, column, indent + 2, text);
}

void ad__put_line(FILE *to, int indent, const char *format, ...) {
    char    text[AD__SENTENCE];
    va_list list;
    va_start(list, format);
    vsnprintf(text, sizeof text, format, list);
    va_end(list);
    ad__end_whole(text);
    ad__flow(to, 0, indent, text);
    fputc('\n', to);
}

/* "..." takes no more bytes than the characters, at least as many, that it stands for. */
char *ad__narrow(size_t most, char text[]) {
    const size_t n = ad__columns(text), front = (most - 3 + 1) / 2, back = most - 3 - front;
    if (n <= most) return text;
    char *cut = text, *rest = text + strlen(text);
    for (size_t i = 0; i < front; i++) cut += ad__sequence(cut) > 0 ? ad__sequence(cut) : 1;
    for (size_t i = 0; i < back; i++) do
            rest--;
        while (!begins_character(*rest));
    memcpy(cut, "...", 3);
    memmove(cut + 3, rest, strlen(rest) + 1);
    return text;
}

char *ad__branch_turns(size_t room, char text[], unsigned long node, const char *what,
                       const double side[2], double now, bool taken) {
    char             sides[80];
    const ad__locale locale = ad__locale_enter();
    if (side != NULL) snprintf(sides, sizeof sides, "x = %.17g, y = %.17g", side[0], side[1]);
    else snprintf(sides, sizeof sides, "now %.17g", now);
    const int length = snprintf(
        text, room, "the branch on node #%lu (%s, %s) was %s when recorded and would now be %s",
        node, what, sides, taken ? "taken" : "not taken", taken ? "not taken" : "taken");
    if (length >= 0 && (size_t)length >= room) ad__end_whole(text);
    ad__locale_leave(locale);
    return text;
}

const char *ad__file_name(const char *path) {
    const char *slash = strrchr(path, '/');
    return slash == NULL ? path : slash + 1;
}

/* If x has a decimal of up to 15 digits that reads back as x, then %.15g gives it, without trailing
 * zeros. Subnormal numbers are further apart, so there a shorter one may do. */
const char *ad__shortest(double x, char text[AD__SHORTEST]) {
    for (int digits = fabs(x) < DBL_MIN ? 1 : 15; digits <= 17; digits++) {
        snprintf(text, AD__SHORTEST, "%.*g", digits, x);
        if (strtod(text, NULL) == x) break;
    }
    return text;
}

bool ad__is_utf8(const char *text) {
    for (size_t n; *text != '\0'; text += n)
        if ((n = ad__sequence(text)) == 0) return false;
    return true;
}

/* Not allowed in XML, in addition to control characters. */
static bool unknown(uint32_t c) {
    return c == 0xfffe || c == 0xffff;
}

/* Writes a text, asking `special` about each character that is ASCII (at `at`), a control character
 * or not allowed in XML: it returns the replacement, or NULL for none. Invalid bytes become
 * U+FFFD. */
static void escaped(const char *text,
                    const char *(*special)(const char *at, uint32_t c, char room[16]), FILE *to) {
    char room[16];
    for (;;) {
        size_t usual = 0; /* characters that need no replacement are written together */
        while (text[usual] >= ' ' && text[usual] <= '~' &&
               special(text + usual, (uint32_t)text[usual], room) == NULL)
            usual++;
        if (usual > 0) fwrite(text, 1, usual, to);
        text += usual;
        if (*text == '\0') return;
        const size_t   n = ad__sequence(text);
        const uint32_t c = character(text, n);
        const char    *instead = n == 0                               ? "\xef\xbf\xbd"
                               : c < 0x80 || control(c) || unknown(c) ? special(text, c, room)
                                                                      : NULL;
        if (instead != NULL) fputs(instead, to);
        else fwrite(text, 1, n, to);
        text += n == 0 ? 1 : n;
    }
}

static const char *json_special(const char *at, uint32_t c, char room[16]) {
    (void)at;
    if (c == '"') return "\\\"";
    if (c == '\\') return "\\\\";
    if (!control(c) && c != '<') return NULL;
    snprintf(room, 16, "\\u%04x", (unsigned)c);
    return room;
}

static const char *xml_special(const char *at, uint32_t c, char room[16]) {
    (void)at, (void)room;
    switch (c) {
    case '&': return "&amp;";
    case '<': return "&lt;";
    case '>': return "&gt;";
    case '"': return "&quot;";
    case '\'': return "&#39;";
    default: return control(c) ? " " : unknown(c) ? "\xef\xbf\xbd" : NULL;
    }
}

/* Graphviz reads "&lt;" as a character reference, even inside a quoted string. */
static bool reference(const char *text) {
    const size_t length =
        strspn(text + 1, "#0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ");
    return *text == '&' && length > 0 && text[1 + length] == ';';
}

static const char *dot_special(const char *at, uint32_t c, char room[16]) {
    if (reference(at)) return "&amp;";
    if (unknown(c)) return "\xef\xbf\xbd";
    if (control(c)) return " ";
    if (strchr("\"\\{}|<>", (int)c) == NULL) return NULL;
    snprintf(room, 16, "\\%c", (int)c);
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

bool ad__all_zero(const uint64_t *reserved, const void *end) {
    uint64_t any = 0;
    while (reserved != end) any |= *reserved++;
    return any == 0;
}

ad_status ad__written(FILE *to) {
    return fflush(to) != 0 || ferror(to) ? AD_BAD_FILE : AD_OK;
}
