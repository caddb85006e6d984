/* json.h - the trace as JSON; the format is described at ad_explain_json in ad.h. */
#ifndef TAPIR_JSON_H
#define TAPIR_JSON_H

#include "check/compare.h"

/* Writes the document for passes that were already made; used by pages too. `compared`: from
 * ad__compare_all, or NULL. */
void ad__json_trace(const ad_tape *tape, const ad__traced *traced, const ad__comparison compared[],
                    FILE *to);

#endif
