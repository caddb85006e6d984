/* options.h - the options of a check, and the report that it begins with. */
#ifndef TAPIR_OPTIONS_H
#define TAPIR_OPTIONS_H

#include "check/report.h"

ad_check_options ad__options_filled(const ad_check_options *given); /* NULL: the defaults */

/* NULL: the spare room is all 0; else what is wrong, in text. */
const char *ad__options_bad(const char *what, const ad_check_options *o, char text[AD__NAME_ROOM]);

size_t ad__block_count(const ad_check_block *b); /* its elements; SIZE_MAX if that overflows */
void   ad__coordinate_name(const ad_check_options *o, size_t i, char text[AD__NAME_ROOM]);

/* What is wrong with the unit for a check of what computes in double, in text; NULL: nothing. */
const char *ad__unit_bad(const char *what, const ad_check_options *o, char text[AD__NAME_ROOM]);

/* The unit that was given or measured, the tolerance that follows from it, and x in it (n numbers,
 * in `own`, if they are others). Returns x or own. */
const double *ad__use_unit(ad_check_options *o, ad__report *r, double unit, size_t n,
                           const double x[], double own[]);

/* False, with the reason in the report, if there is nothing to check or the options are bad. */
bool ad__worth_checking(ad__report *r, size_t n, const ad_check_options *o);

ad__report      *ad__report_begin(size_t n, const ad_check_options *o); /* NULL: out of memory */
/* r may be NULL: so is what is returned */
ad_check_report *ad__report_refuse(ad__report *r, ad_status status, const char *sentence);

#endif
