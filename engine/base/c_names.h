/* c_names.h - the words that C, its library and its compilers have taken. */
#ifndef TAPIR_C_NAMES_H
#define TAPIR_C_NAMES_H

/* Why a function of a program in C, from C99 to C23, should not have this name, which is an identifier; NULL for no
 * reason. */
const char *ad__c_name_taken(const char *name);

#endif
