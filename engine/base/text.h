/* text.h - how numbers, names and messages are written, the same everywhere. */
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
ad__locale       ad__locale_enter(void);
void             ad__locale_leave(ad__locale before);

/* A user's text made safe to show, cut to fit but never inside a UTF-8 sequence: characters that a
 * terminal would obey (control characters), characters that change the direction of the text around
 * them, and bytes that are not UTF-8 are written \x1b or \u202e. A name takes up to 40 bytes. Both
 * return text. */
enum { AD__SHOWN_NAME = 41 };
const char *ad__shown_text(size_t room, char text[], const char *from);
const char *ad__shown_name(const char *name, char text[AD__SHOWN_NAME]);

/* A formatted message in the C locale, cut to fit and made safe to show as a whole; a line may end
 * if the next one is indented. */
enum { AD__SENTENCE = 2048 };
__attribute__((format(printf, 3, 0))) void ad__sentence(size_t room, char text[],
                                                        const char *format, va_list list);

/* The number of bytes of the UTF-8 sequence that begins here; 0 if none does. */
size_t ad__sequence(const char *text);

/* The number of bytes to show of a text that is cut to `most` of them, or to AD__SHOWN: no UTF-8
 * sequence is cut in two. For "%.*s". */
enum { AD__SHOWN = 40 };
int ad__cut_bytes(const char *text, size_t most);
int ad__shown_bytes(const char *text);

/* Removes an incomplete UTF-8 sequence from the end of a text that snprintf cut to fit. */
void ad__end_whole(char text[]);

/* A copy that fits: if the text is longer, its beginning and an ellipsis (room > 3). */
void ad__copy_cut(size_t room, char text[], const char *from);

/* Text for people fits AD__WIDTH columns of a terminal, a character (a UTF-8 sequence) each.
 * ad__flow prints a text from `column` on, broken between words; what does not fit continues at
 * `indent`, and a word that is wider than a line is broken where the line ends. ad__piece prints a
 * text that should stay together `gap` columns after what stands there, or on a line of its own
 * from `indent` on if it does not fit in this one; nothing comes before it at `indent`. Both return
 * the column that they end in. ad__put_line formats a whole line, with its end. */
enum { AD__WIDTH = 80 };
size_t ad__columns(const char *text);
int    ad__flow(FILE *to, int column, int indent, const char *text);
int    ad__piece(FILE *to, int column, int indent, int gap, const char *text);
__attribute__((format(printf, 3, 4))) void ad__put_line(FILE *to, int indent, const char *format,
                                                        ...);

/* Leaves out the middle of a text of more than `most` columns (at least 4), where "..." says so:
 * names differ at their ends. In place; returns text. */
char *ad__narrow(size_t most, char text[]);

/* A row's `shown` with x and y replaced, cut to fit: ad__shown(64, text, "x + y", "a", "#3") is "a
 * + #3". Returns text. */
char *ad__shown(size_t room, char text[], const char *shown, const char *x, const char *y);

/* The message about a noted branch that would now go the other way, cut to fit; returns text.
 * `what` describes the condition: a row's `shown` with its two sides or, if side is NULL, a name
 * and its present value. */
char *ad__branch_turns(size_t room, char text[], unsigned long node, const char *what,
                       const double side[2], double now, bool taken);

/* The last component of a path: the directories depend on how the compiler was called. */
const char *ad__file_name(const char *path);

/* The shortest decimal that reads back as x; returns text. */
enum { AD__SHORTEST = 32 };
const char *ad__shortest(double x, char text[AD__SHORTEST]);

bool ad__is_utf8(const char *text);

/* Is the spare room of a caller's struct, `reserved` to its end, all 0, as ad.h asks? If not, this
 * is said, with the names of the function and of the struct. */
#define AD__NOT_ZERO \
    "%s: the field reserved of %s must be all 0: begin with {0}, then set what is wanted"
bool ad__all_zero(const uint64_t *reserved, const void *end);

/* AD_OK or AD_BAD_FILE. Flushes first, since a full disk only shows then. */
ad_status ad__written(FILE *to);

/* A text as a JSON string, quotes included; also safe inside an HTML script element, where "</"
 * would end it. Bytes that are not UTF-8 become U+FFFD. A number that JSON lacks is written as a
 * string. */
void ad__json_text(const char *text, FILE *to);
void ad__json_number(double x, FILE *to);

/* A text inside an element or an attribute of XML and HTML: & < > " ' as references, control
 * characters as spaces, invalid characters as U+FFFD. Inside a quoted string of DOT: the characters
 * special to records are escaped as well, and an & that Graphviz would take for a reference. */
void ad__xml_text(const char *text, FILE *to);
void ad__dot_text(const char *text, FILE *to);

#endif
