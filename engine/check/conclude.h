/* conclude.h - the conclusion of a check, as a sentence. */
#ifndef TAPIR_CONCLUDE_H
#define TAPIR_CONCLUDE_H

#include "check/probe.h"
#include "check/report.h"

/* Each sets the message unless there is one already: what is wrong and where; else why this is no
 * PASS; else that it is one. */
void ad__conclude_function(ad__report *r);
/* Adds that x was rounded, if it was. */
void ad__conclude_rounded(ad__report *r);
/* own: the claim is the tape's own gradient */
void ad__conclude_tape(const ad__probe *p, ad__report *r, bool own);

#endif
