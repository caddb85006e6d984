/* verdict.h - where the report of gradcheck goes, and the exit status that says the same. */
#ifndef TAPIR_DEMOS_VERDICT_H
#define TAPIR_DEMOS_VERDICT_H

#include "engine/ad.h"

#include <stdbool.h>

enum { FAILED = 1, OPEN = 3 }; /* exit statuses: wrong; not resolved. BAD_USE is in options.h */

typedef struct verdict_output {
    ad_format   format;
    const char *file; /* NULL: standard output; else the text goes there as well */
    const char *name; /* of what is checked: the name of the suite */
} verdict_output;

/* True if the word is an option that names a format, such as --json. */
bool verdict_format(const char *word, ad_format *format);

/* Writes the report. Returns the exit status: BAD_USE if it could not be written, or if nothing was
 * checked. verdict_end frees it, too. */
int verdict_print(const ad_check_report *report, const verdict_output *to);
int verdict_end(ad_check_report *report, const verdict_output *to);

/* Says on stderr that nothing could be checked, and writes a report of that for programs. Returns
 * `status`, or BAD_USE if it could not be written. */
int verdict_refuse(ad_status why, const char *sentence, int status, const verdict_output *to);

#endif
