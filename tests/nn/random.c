/* random.c - tests of nn/random.c: the published outputs of both generators, and the numbers
 * derived from them. */
#include "nn/nn.h"

#include "expect.h"

/* prng.di.unimi.it/xoshiro256plusplus.c from the state 1, 2, 3, 4; also in rand_xoshiro's tests. */
Test(random, bits_are_those_of_xoshiro256plusplus) {
    nn_random      random = {{1, 2, 3, 4}};
    const uint64_t expected[] = {
        41943041u,
        58720359u,
        3588806011781223u,
        3591011842654386u,
        9228616714210784205u,
        9973669472204895162u,
        14011001112246962877u,
        12406186145184390807u,
        15849039046786891736u,
        10450023813501588000u,
    };
    for (size_t i = 0; i < sizeof expected / sizeof *expected; i++)
        cr_expect_eq(nn_random_bits(&random), expected[i], "number %zu", i);
}

/* prng.di.unimi.it/splitmix64.c; also in rand_xoshiro's tests and on Rosetta Code. */
Test(random, seeds_are_spread_by_splitmix64) {
    static const struct {
        uint64_t seed, state[4];
    } published[] = {
        {1477776061723855037u,
         {1985237415132408290u, 2979275885539914483u, 13511426838097143398u, 8488337342461049707u}},
        {1234567u,
         {6457827717110365317u, 3203168211198807973u, 9817491932198370423u, 4593380528125082431u}},
    };
    for (size_t k = 0; k < 2; k++) {
        const nn_random random = nn_random_seeded(published[k].seed);
        for (int i = 0; i < 4; i++) cr_expect_eq(random.state[i], published[k].state[i]);
    }
}

Test(random, seed_zero_is_as_good_as_any_other) {
    nn_random random = nn_random_seeded(0);
    cr_expect_neq(random.state[0] | random.state[1] | random.state[2] | random.state[3], 0u);
    cr_expect_neq(nn_random_bits(&random), nn_random_bits(&random));
}

Test(random, generator_is_a_value) {
    nn_random one = nn_random_seeded(7);
    nn_random_bits(&one);
    nn_random fork = one;
    for (int i = 0; i < 10; i++) cr_expect_eq(nn_random_bits(&one), nn_random_bits(&fork));
}

Test(random, uniform_is_the_upper_53_bits) {
    nn_random random = nn_random_seeded(3), bits = random;
    for (int i = 0; i < 1000; i++) {
        const double u = nn_random_uniform(&random);
        cr_expect(u >= 0 && u < 1);
        cr_expect_eq(u * 0x1p53, (double)(nn_random_bits(&bits) >> 11));
    }
}

/* Chi-square with 9 degrees of freedom: above 27.9 once in a thousand seeds, and this is one
 * seed. */
Test(random, below_meets_every_number_equally_often) {
    enum { N = 10, DRAWS = 100000 };
    nn_random random = nn_random_seeded(11);
    double    count[N] = {0}, chi = 0;
    for (int i = 0; i < DRAWS; i++) {
        const size_t k = nn_random_below(&random, N);
        cr_assert_lt(k, (size_t)N);
        count[k]++;
    }
    for (int k = 0; k < N; k++)
        chi += (count[k] - DRAWS / N) * (count[k] - DRAWS / N) / (DRAWS / N);
    cr_expect(chi < 27.9, "chi-square %g", chi);
}

/* With n = 3*2^62 a plain remainder would give the lower third twice as often. */
Test(random, below_a_large_number_is_not_biased) {
    enum { DRAWS = 30000 };
    const size_t n = (size_t)3 << 62 >> (sizeof(size_t) < 8 ? 32 : 0), third = n / 3;
    if (sizeof(size_t) < 8) cr_skip_test("size_t is too small to show it");
    nn_random random = nn_random_seeded(5);
    int       lower = 0;
    for (int i = 0; i < DRAWS; i++) {
        const size_t k = nn_random_below(&random, n);
        cr_assert_lt(k, n);
        lower += k < third;
    }
    cr_expect(lower > 0.97 * DRAWS / 3 && lower < 1.03 * DRAWS / 3, "%d of %d", lower, DRAWS);
}

Test(random, below_one_and_below_nothing_is_zero) {
    nn_random random = nn_random_seeded(1);
    cr_expect_eq(nn_random_below(&random, 1), 0u);
    cr_expect_eq(nn_random_below(&random, 0), 0u);
}

/* Knuth, volume 2, algorithm 3.4.2 P: the last is swapped with a random one, then the one before
 * it, ... */
Test(random, shuffle_is_fisher_and_yates_from_the_last) {
    enum { N = 20 };
    nn_random random = nn_random_seeded(2), same = random;
    size_t    got[N], want[N];
    for (size_t i = 0; i < N; i++) got[i] = want[i] = 100 + i;
    nn_random_shuffle(&random, N, got);
    for (size_t i = N - 1; i > 0; i--) {
        const size_t j = nn_random_below(&same, i + 1), kept = want[i];
        want[i] = want[j], want[j] = kept;
    }
    cr_expect_arr_eq(got, want, sizeof want);
    nn_random_shuffle(&random, 0, got);
    nn_random_shuffle(&random, 1, got);
    cr_expect_arr_eq(got, want, sizeof want);
}

/* Chi-square with 5 degrees of freedom: above 20.5 once in a thousand seeds. */
Test(random, every_order_is_equally_likely) {
    enum { DRAWS = 60000 };
    nn_random random = nn_random_seeded(4);
    double    count[27] = {0}, chi = 0;
    for (int i = 0; i < DRAWS; i++) {
        size_t order[] = {0, 1, 2};
        nn_random_shuffle(&random, 3, order);
        count[9 * order[0] + 3 * order[1] + order[2]]++;
    }
    const int orders[] = {5, 7, 11, 15, 19, 21}; /* 012 021 102 120 201 210 in base 3 */
    for (int k = 0; k < 6; k++) {
        const double off = count[orders[k]] - DRAWS / 6.0;
        chi += off * off / (DRAWS / 6.0);
    }
    cr_expect(chi < 20.5, "chi-square %g", chi);
}
