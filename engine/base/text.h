/* text.h - writing numbers and steps the same way everywhere. */
#ifndef TAPIR_TEXT_H
#define TAPIR_TEXT_H

#include "ad.h"

#include <locale.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

/* Between enter and leave this thread reads and writes numbers as in the C locale. */
typedef locale_t ad__locale;
ad__locale ad__locale_enter(void);
void       ad__locale_leave(ad__locale before);

/* A text of the user's as people see it, cut to fit, no UTF-8 sequence in two: what a terminal would obey (control
 * characters), what turns the direction of the text around it, and bytes that are not UTF-8 are written \x1b or \u202e.
 * A name in up to 40 bytes. Both return text. */
enum { AD__SHOWN_NAME = 41 };
const char *ad__shown_text(size_t room, char text[], const char *from);
const char *ad__shown_name(const char *name, char text[AD__SHOWN_NAME]);

/* A message in the C locale, cut to fit, and all of it written in the same way; a line may end where an indented one
 * follows. */
enum { AD__SENTENCE = 2048 };
__attribute__((format(printf, 3, 0)))
void ad__sentence(size_t room, char text[], const char *format, va_list list);

/* Bytes of the UTF-8 sequence that begins here; 0: none does. */
size_t ad__sequence(const char *text);

/* The bytes of a text that are shown where it is cut to `most` of them, or to AD__SHOWN: no UTF-8 sequence is cut in two.
 * For "%.*s". */
enum { AD__SHOWN = 40 };
int ad__cut_bytes(const char *text, size_t most);
int ad__shown_bytes(const char *text);

/* What snprintf cut to fit, perhaps inside a UTF-8 sequence: without the beginning of one at its end. */
void ad__end_whole(char text[]);

/* A copy that fits: of a longer text its beginning, and an ellipsis (room > 3). */
void ad__copy_cut(size_t room, char text[], const char *from);

/* A row's `shown` with x and y replaced, cut to fit: ad__shown(64, text, "x + y", "a", "#3") is "a + #3".
 * Returns text. */
char *ad__shown(size_t room, char text[], const char *shown, const char *x, const char *y);

/* What is said of a noted branch that would turn, cut to fit; returns text. The condition is `what`: a row's `shown`
 * with its two sides, or, where side is NULL, a name and what it is now. */
char *ad__branch_turns(size_t room, char text[], unsigned long node, const char *what, const double side[2], double now,
                       bool taken);

/* The last part of a path: how the compiler was called is of no interest to people. */
const char *ad__file_name(const char *path);

/* The shortest decimal that reads back as x; returns text. */
enum { AD__SHORTEST = 32 };
const char *ad__shortest(double x, char text[AD__SHORTEST]);

/* Bytes of the UTF-8 sequence that begins here; 0: none does. */
size_t ad__sequence(const char *text);
bool   ad__is_utf8(const char *text);

/* Is the spare room of a caller's struct, `reserved` to its end, all 0, as ad.h asks? If not, this
 * is said, with the names of the function and of the struct. */
#define AD__NOT_ZERO \
    "%s: the field reserved of %s must be all 0: begin with {0}, then set what is wanted"
bool ad__all_zero(const uint64_t *reserved, const void *end);

/* AD_OK or AD_BAD_FILE: a full disk is noticed when the buffer leaves. */
ad_status ad__written(FILE *to);

/* A text as a string of JSON, quotes included: also safe inside an HTML script element, where "</" would end
 * it. Bytes that are not UTF-8 become U+FFFD. A number that JSON lacks is a string. */
void ad__json_text(const char *text, FILE *to);
void ad__json_number(double x, FILE *to);

/* A text inside an element or an attribute of XML and HTML: & < > " ' as references, control characters as
 * spaces, what is no character as U+FFFD. Inside a quoted string of DOT, with the signs that records use escaped as
 * well, and an & that Graphviz would take for a reference. */
void ad__xml_text(const char *text, FILE *to);
void ad__dot_text(const char *text, FILE *to);

#endif
