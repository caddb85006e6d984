/* handle.h - what the 64 bits of an ad_var say.
 *
 * Of a plain number, where tape is NULL: the double, bit for bit. Of a node: its number on the tape
 * in the low half; in the high half the era in which it was recorded, which counts rewinds, so that
 * a forgotten node is noticed. Handles of one era that follow each other on the tape are therefore
 * consecutive whole numbers: vector.c compares the weights of a layer as such. Nobody else looks
 * into the bits but by these functions. */
#ifndef TAPIR_HANDLE_H
#define TAPIR_HANDLE_H

#include "ad.h"

#include <string.h>

static inline uint32_t ad__node_of(ad_var x) {
    return (uint32_t)x.bits;
}

static inline uint32_t ad__era_of(ad_var x) {
    return (uint32_t)(x.bits >> 32);
}

static inline double ad__number_of(ad_var x) {
    double number;
    memcpy(&number, &x.bits, sizeof number);
    return number;
}

static inline ad_var ad__node_handle(ad_tape *tape, uint32_t node, uint32_t era) {
    return (ad_var){tape, (uint64_t)era << 32 | node};
}

static inline ad_var ad__number_handle(double number) {
    ad_var x = {NULL, 0};
    memcpy(&x.bits, &number, sizeof number);
    return x;
}

#endif
