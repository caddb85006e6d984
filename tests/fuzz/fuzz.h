/* fuzz.h - what the harnesses share. A harness is a libFuzzer program: LLVMFuzzerTestOneInput is
 * called with one input after the other and must return; what it must not do is crash, leak, or
 * contradict itself. */
#ifndef TAPIR_TESTS_FUZZ_H
#define TAPIR_TESTS_FUZZ_H

#include "nn/nn.h"

#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

/* A claim about any input whatever; where it does not hold the fuzzer keeps the input. */
#define HOLDS(condition, ...)                                               \
    do {                                                                    \
        if (!(condition)) {                                                 \
            fprintf(stderr, "%s:%d: %s: ", __FILE__, __LINE__, #condition); \
            fprintf(stderr, __VA_ARGS__);                                   \
            fputc('\n', stderr);                                            \
            abort();                                                        \
        }                                                                   \
    } while (0)

#endif
