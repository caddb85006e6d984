/* c_names.h - the names that C, its library and its compilers have taken. */
#ifndef TAPIR_C_NAMES_H
#define TAPIR_C_NAMES_H

/* Why a C function (C99 to C23) should not be called `name`, an identifier: a sentence, or NULL if
 * it may be. */
const char *ad__c_name_taken(const char *name);

#endif
