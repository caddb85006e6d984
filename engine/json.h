/* json.h - the trace as data; the format stands at ad_explain_json in ad.h. */
#ifndef TAPIR_JSON_H
#define TAPIR_JSON_H

#include "trace.h"

/* Writes the document for passes that were made already; used by pages too. */
void ad__json_trace(const ad_tape *tape, const ad__selection *selection, size_t n, const ad__pass pass[], FILE *to);

#endif
