/* bytes.h - numbers in files, independent of the machine's byte order. Compilers turn each function
 * into a single load or store. */
#ifndef TAPIR_NN_BYTES_H
#define TAPIR_NN_BYTES_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

static inline uint64_t nn__little(const unsigned char *at, size_t bytes) {
    uint64_t x = 0;
    for (size_t i = 0; i < bytes; i++) x |= (uint64_t)at[i] << 8 * i;
    return x;
}

static inline uint64_t nn__big(const unsigned char *at, size_t bytes) {
    uint64_t x = 0;
    for (size_t i = 0; i < bytes; i++) x = x << 8 | at[i];
    return x;
}

static inline void nn__put_little(unsigned char *at, size_t bytes, uint64_t x) {
    for (size_t i = 0; i < bytes; i++) at[i] = (unsigned char)(x >> 8 * i);
}

/* The IEEE numbers with these bits. */
static inline double nn__double(uint64_t bits) {
    double x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

static inline double nn__float(uint64_t bits) {
    const uint32_t low = (uint32_t)bits;
    float          x;
    memcpy(&x, &low, sizeof x);
    return (double)x;
}

static inline uint64_t nn__double_bits(double x) {
    uint64_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits;
}

static inline uint64_t nn__float_bits(float x) {
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits;
}

#endif
