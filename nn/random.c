/* random.c - seeded random numbers that are the same on every machine.
 *
 * xoshiro256++ 1.0, seeded by splitmix64: Blackman and Vigna, "Scrambled linear pseudorandom number
 * generators", 2019; reference code at prng.di.unimi.it. Only integers and one exact product are
 * involved, so no compiler, processor or math library can change a bit; only normal numbers need a
 * math library, and agree between two of them as far as their log1p and cos do. */
#include "nn.h"

#include <math.h>

static uint64_t splitmix64(uint64_t *state) {
    uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

static uint64_t rotate_left(uint64_t x, int k) {
    return x << k | x >> (64 - k);
}

nn_random nn_random_seeded(uint64_t seed) {
    nn_random random;
    for (int i = 0; i < 4; i++) random.state[i] = splitmix64(&seed);
    return random;
}

uint64_t nn_random_bits(nn_random *random) {
    uint64_t      *s = random->state;
    const uint64_t result = rotate_left(s[0] + s[3], 23) + s[0], t = s[1] << 17;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = rotate_left(s[3], 45);
    return result;
}

double nn_random_uniform(nn_random *random) {
    return (double)(nn_random_bits(random) >> 11) * 0x1p-53;
}

/* 1 - u is never 0, so the logarithm is finite: at most 8.6. */
double nn_random_normal(nn_random *random) {
    const double u = nn_random_uniform(random), v = nn_random_uniform(random);
    return sqrt(-2 * log1p(-u)) * cos(2 * 3.14159265358979323846 * v);
}

/* Rejects the first 2^64 mod n numbers: the count of the others is a multiple of n, so that every
 * remainder is equally likely. */
size_t nn_random_below(nn_random *random, size_t n) {
    if (n == 0) return 0;
    const uint64_t surplus = (0 - (uint64_t)n) % n;
    uint64_t       bits = nn_random_bits(random);
    while (bits < surplus) bits = nn_random_bits(random);
    return (size_t)(bits % n);
}

void nn_random_shuffle(nn_random *random, size_t n, size_t index[]) {
    for (size_t i = n; i > 1; i--) {
        const size_t j = nn_random_below(random, i), kept = index[i - 1];
        index[i - 1] = index[j];
        index[j] = kept;
    }
}
