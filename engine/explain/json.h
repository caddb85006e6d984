/* json.h - the trace as data; the format stands at ad_explain_json in ad.h. */
#ifndef TAPIR_JSON_H
#define TAPIR_JSON_H

#include "check/compare.h"

/* Writes the document for passes that were made already; used by pages too. `compared`: by
 * ad__compare_all. */
void ad__json_trace(const ad_tape *tape, const ad__traced *traced, const ad__comparison compared[], FILE *to);

#endif
