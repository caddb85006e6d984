/* written.h - what is written of a graph as a text, for tests that look into it. */
#ifndef TAPIR_TESTS_WRITTEN_H
#define TAPIR_TESTS_WRITTEN_H

#include "engine/ad.h"

#include "expect.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef ad_status writer(size_t n, const ad_var y[], const ad_view *view, FILE *to);

/* The text stays until the next call. */
static inline const char *written(writer *write, ad_var y, const ad_view *view) {
    static char *text;
    size_t       length = 0;
    free(text);
    text = NULL;
    FILE *to = open_memstream(&text, &length);
    cr_assert_eq(write(1, &y, view, to), AD_OK, "%s", ad_tape_message(y.tape));
    fclose(to);
    return text;
}

/* How often the part stands in the text. */
static inline size_t count_of(const char *text, const char *part) {
    size_t count = 0;
    for (; (text = strstr(text, part)) != NULL; text += strlen(part)) count++;
    return count;
}

#endif
