/* expect.c - a failed expectation becomes Criterion's. */
#include "expect.h"

#include <stdarg.h>
#include <stdio.h>

void expectation_failed(bool fatal, const char *file, unsigned line, const char *expression,
                        const char *format, ...) {
    char    words[1000];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(words, sizeof words, format, arguments);
    va_end(arguments);
    struct criterion_assert_stats failure = {
        .message = words[0] ? words : expression,
        .passed = false,
        .line = line,
        .file = file,
    };
    criterion_send_assert(&failure);
    if (fatal) criterion_abort_test();
    criterion_continue_test();
}
