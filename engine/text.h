/* text.h - writing numbers and steps the same way everywhere. */
#ifndef TAPIR_TEXT_H
#define TAPIR_TEXT_H

#include <locale.h>
#include <stddef.h>

/* Between enter and leave this thread reads and writes numbers as in the C locale. */
typedef locale_t ad__locale;
ad__locale ad__locale_enter(void);
void       ad__locale_leave(ad__locale before);

/* A row's `shown` with x and y replaced, cut to fit: ad__shown(64, text, "x + y", "a", "#3") is "a + #3".
 * Returns text. */
char *ad__shown(size_t room, char text[], const char *shown, const char *x, const char *y);

#endif
