/* data.c - tests of tables: order, columns, scale. */
#include "nn/data.h"
#include "files.h"
#include "nn/nn.h"

#include "expect.h"
#include <math.h>
#include <string.h>

#define ROWS(...) ((const double[]){__VA_ARGS__})

static nn_data *counted(size_t rows, size_t inputs, size_t targets) {
    double value[256];
    for (size_t i = 0; i < rows * (inputs + targets); i++) value[i] = (double)i;
    return nn_data_new(rows, inputs, targets, value);
}

Test(data, number_that_is_not_finite_is_refused_with_its_place) {
    nn_data *data = nn_data_new(2, 1, 1, ROWS(1, 2, 3, NAN));
    cr_expect_eq(nn_data_status(data), AD_BAD_ARGUMENT);
    cr_expect_str_eq(nn_data_message(data), "nn_data_new: row 1, column 1 (from 0) is nan");
    cr_expect_eq(nn_data_rows(data), 0);
    nn_data_free(data);
}

Test(data, one_row_is_a_table_that_cannot_be_split) {
    nn_data *data = nn_data_new(1, 1, 1, ROWS(1, 2));
    cr_expect_eq(nn_data_rows(data), 1);
    nn_data *part = nn_data_split(data, 0.5, 1);
    cr_expect_eq(nn_data_status(part), AD_BAD_ARGUMENT);
    cr_expect(strstr(nn_data_message(part), "of 1 rows leaves one of the two parts without rows"));
    nn_data_free(part);
    nn_data_free(data);
}

Test(data, sizes_that_overflow_are_refused) {
    nn_data *data = nn_data_new(SIZE_MAX / 2, 3, 0, ROWS(1));
    cr_expect_eq(nn_data_status(data), AD_BAD_ARGUMENT);
    nn_data_free(data);
}

Test(data, split_keeps_each_row_once_and_whole) {
    nn_data *data = counted(20, 2, 1), *part = nn_data_split(data, 0.25, 7);
    cr_assert_eq(nn_data_rows(data), 15);
    cr_assert_eq(nn_data_rows(part), 5);
    bool seen[20] = {false};
    for (size_t i = 0; i < 20; i++) {
        const double *row = i < 15 ? nn_data_row(data, i) : nn_data_row(part, i - 15);
        const size_t  k = (size_t)row[0] / 3;
        cr_expect(!seen[k] && row[1] == row[0] + 1 && row[2] == row[0] + 2);
        seen[k] = true;
    }
    nn_data_free(part);
    nn_data_free(data);
}

Test(data, same_seed_gives_the_same_order_and_another_seed_another) {
    nn_data *a = counted(50, 1, 0), *b = counted(50, 1, 0), *c = counted(50, 1, 0);
    nn_data_shuffle(a, 3);
    nn_data_shuffle(b, 3);
    nn_data_shuffle(c, 4);
    cr_expect_arr_eq(nn_data_row(a, 0), nn_data_row(b, 0), 50 * sizeof(double));
    cr_expect_arr_neq(nn_data_row(a, 0), nn_data_row(c, 0), 50 * sizeof(double));
    nn_data_free(a);
    nn_data_free(b);
    nn_data_free(c);
}

Test(data, standardized_columns_have_mean_0_and_deviation_1_and_a_constant_becomes_0) {
    nn_data *data = nn_data_new(4, 2, 1, ROWS(1, 5, 9, 2, 5, 9, 3, 5, 9, 6, 5, 9));
    double   mean[2], deviation[2];
    nn_data_moments(data, mean, deviation);
    cr_expect_eq(mean[0], 3);
    cr_expect_float_eq(deviation[0], sqrt(3.5), 1e-15);
    nn_data_standardize(data, mean, deviation);
    nn_data_moments(data, mean, deviation);
    cr_expect_float_eq(mean[0], 0, 1e-15);
    cr_expect_float_eq(deviation[0], 1, 1e-15);
    cr_expect_eq(nn_data_row(data, 2)[1], 0);
    cr_expect_eq(nn_data_row(data, 2)[2], 9);
    nn_data_free(data);
}

Test(data, join_puts_inputs_before_targets) {
    nn_data *x = counted(3, 1, 1), *y = nn_data_new(3, 1, 0, ROWS(7, 8, 9)),
            *data = nn_data_join(x, y);
    cr_assert_eq(nn_data_status(data), AD_OK);
    cr_expect_eq(nn_data_inputs(data), 2);
    cr_expect_eq(nn_data_targets(data), 1);
    cr_expect_arr_eq(nn_data_row(data, 0), ROWS(0, 1, 7, 2, 3, 8, 4, 5, 9), 9 * sizeof(double));
    nn_data_free(data);
    nn_data_free(y);
    nn_data_free(x);
}

Test(data, join_needs_as_many_rows_and_hands_on_errors) {
    nn_data *x = counted(3, 1, 1), *y = counted(2, 1, 0), *bad = nn_data_new(0, 1, 1, NULL);
    nn_data *joined[] = {nn_data_join(x, y), nn_data_join(x, bad), nn_data_join(bad, y),
                         nn_data_join(x, NULL)};
    cr_expect_str_eq(nn_data_message(joined[0]),
                     "nn_data_join: 3 rows of inputs, but 2 rows of targets");
    cr_expect_str_eq(nn_data_message(joined[1]), nn_data_message(bad));
    cr_expect_eq(nn_data_status(joined[2]), AD_BAD_ARGUMENT);
    cr_expect_eq(nn_data_status(joined[3]), AD_NO_MEMORY);
    for (size_t i = 0; i < 4; i++) nn_data_free(joined[i]);
    nn_data_free(bad);
    nn_data_free(y);
    nn_data_free(x);
}

Test(data, one_hot_replaces_a_target_in_its_place) {
    nn_data *data = nn_data_new(3, 1, 3, ROWS(5, 6, 2, 7, 5, 6, 0, 7, 5, 6, 1, 7));
    nn_data_one_hot(data, 1, 0);
    cr_assert_eq(nn_data_targets(data), 5);
    cr_expect_arr_eq(nn_data_row(data, 0),
                     ROWS(5, 6, 0, 0, 1, 7, 5, 6, 1, 0, 0, 7, 5, 6, 0, 1, 0, 7),
                     18 * sizeof(double));
    nn_data_free(data);
}

Test(data, one_hot_of_one_class_is_a_column_of_ones) {
    nn_data *data = nn_data_new(2, 1, 1, ROWS(5, 0, 6, 0));
    nn_data_one_hot(data, 0, 0);
    cr_expect_arr_eq(nn_data_row(data, 0), ROWS(5, 1, 6, 1), 4 * sizeof(double));
    nn_data_free(data);
}

Test(data, one_hot_refuses_what_is_no_class) {
    static const struct {
        double      label;
        size_t      target, classes;
        const char *message;
    } cases[] = {
        {0.5, 0, 0, "row 1, column 1 (from 0) is 0.5, which is not a class number"},
        {-1, 0, 0, "row 1, column 1 (from 0) is -1, which is not a class number"},
        {3, 0, 3, "row 1, column 1 (from 0) is class 3 of 3"},
        {1e300, 0, 0, "is 1e+300, which is not a class number"},
        {1, 1, 0, "no target 1 (from 0): the data have 1"},
        {0xffffffff, 0, SIZE_MAX, "too many numbers to count"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        nn_data *data = nn_data_new(2, 1, 1, ROWS(5, 0, 6, cases[i].label));
        nn_data_one_hot(data, cases[i].target, cases[i].classes);
        cr_expect_eq(nn_data_status(data), AD_BAD_ARGUMENT);
        cr_expect(strstr(nn_data_message(data), cases[i].message), "%s", nn_data_message(data));
        nn_data_free(data);
    }
}

Test(data, rows_are_copied) {
    double   value[] = {1, 2, 3, 4};
    nn_data *data = nn_data_new(2, 1, 1, value);
    memset(value, 0, sizeof value);
    cr_expect_arr_eq(nn_data_row(data, 1), ROWS(3, 4), 2 * sizeof(double));
    cr_expect_null(nn_data_row(data, 2));
    nn_data_free(data);
}

Test(data, split_that_leaves_a_part_empty_is_refused) {
    const double fractions[] = {0, 1, -0.5, 1.5, 1e-9, NAN};
    for (size_t i = 0; i < sizeof fractions / sizeof *fractions; i++) {
        nn_data *data = counted(50, 1, 1), *part = nn_data_split(data, fractions[i], 1);
        cr_expect_eq(nn_data_status(data), AD_BAD_ARGUMENT, "%g", fractions[i]);
        cr_expect_eq(nn_data_status(part), AD_BAD_ARGUMENT, "%g", fractions[i]);
        cr_expect_str_eq(nn_data_message(part), nn_data_message(data));
        nn_data_free(part);
        nn_data_free(data);
    }
}

Test(data, scale_leaves_the_targets_alone) {
    nn_data *data = counted(2, 2, 1);
    nn_data_scale(data, 0.5);
    cr_expect_arr_eq(nn_data_row(data, 0), ROWS(0, 0.5, 2, 1.5, 2, 5), 6 * sizeof(double));
    nn_data_free(data);
}

Test(data, scale_that_overflows_is_refused_with_its_place) {
    nn_data *data = counted(2, 2, 1);
    nn_data_scale(data, 1e308);
    cr_expect_eq(nn_data_status(data), AD_BAD_ARGUMENT);
    cr_expect(strstr(nn_data_message(data), "row 1, input 0"), "%s", nn_data_message(data));
    nn_data_free(data);
}

/* Wikipedia, "Standard deviation", basic example: 2, 4, 4, 4, 5, 5, 7, 9 have the mean 5 and, as a
 * population, the deviation 2. A thousand million away it is the same, to the bit. */
Test(data, moments_are_those_of_the_population_and_do_not_cancel) {
    nn_data *data = nn_data_new(8, 2, 0,
                                ROWS(2, 1e9 + 2, 4, 1e9 + 4, 4, 1e9 + 4, 4, 1e9 + 4, 5, 1e9 + 5, 5,
                                     1e9 + 5, 7, 1e9 + 7, 9, 1e9 + 9));
    double   mean[2], deviation[2];
    nn_data_moments(data, mean, deviation);
    cr_expect(mean[0] == 5 && deviation[0] == 2);
    cr_expect(mean[1] == 1e9 + 5 && deviation[1] == 2);
    nn_data_free(data);
}

/* A constant column has its number as the mean and the deviation 0, however many rows there are. */
Test(data, constant_columns_have_no_deviation) {
    enum { LONG = 100000 };
    static const double constants[] = {0.1, -0.1, 1 / 3.0, 1e15 + 0.3, 1e308, 1e-310, 0};
    static const size_t counts[] = {1, 2, 3, 10, 49, LONG};
    static double       value[LONG];
    for (size_t k = 0; k < sizeof constants / sizeof *constants; k++)
        for (size_t n = 0; n < sizeof counts / sizeof *counts; n++) {
            for (size_t i = 0; i < counts[n]; i++) value[i] = constants[k];
            nn_data *data = nn_data_new(counts[n], 1, 0, value);
            double   mean, deviation;
            nn_data_moments(data, &mean, &deviation);
            cr_expect(mean == constants[k] && deviation == 0, "%g, %zu times: %.17g and %g",
                      constants[k], counts[n], mean, deviation);
            nn_data_standardize(data, &mean, &deviation);
            cr_expect(nn_data_row(data, counts[n] - 1)[0] == 0);
            nn_data_free(data);
        }
}

Test(data, held_out_row_of_a_constant_column_is_the_difference) {
    nn_data *data = nn_data_new(3, 1, 0, ROWS(0.1, 0.1, 0.1)),
            *held_out = nn_data_new(1, 1, 0, ROWS(0.101));
    double mean, deviation;
    nn_data_moments(data, &mean, &deviation);
    nn_data_standardize(held_out, &mean, &deviation);
    cr_expect_eq(nn_data_row(held_out, 0)[0], 0.101 - 0.1);
    nn_data_free(held_out);
    nn_data_free(data);
}

/* 2, 4, 4, 4, 5, 5, 7, 9 again, times powers of two up to both ends of the range: all is exact. */
Test(data, moments_neither_overflow_nor_vanish) {
    static const int exponents[] = {-1074, -1060, -1022, -700, -600, -100, 0, 100, 600, 1000, 1020};
    static const double shown[] = {2, 4, 4, 4, 5, 5, 7, 9};
    for (size_t k = 0; k < sizeof exponents / sizeof *exponents; k++) {
        double value[8], mean, deviation;
        for (int i = 0; i < 8; i++) value[i] = ldexp(shown[i], exponents[k]);
        nn_data *data = nn_data_new(8, 1, 0, value);
        nn_data_moments(data, &mean, &deviation);
        cr_expect(mean == ldexp(5, exponents[k]) && deviation == ldexp(2, exponents[k]),
                  "2^%d: %g and %g", exponents[k], mean, deviation);
        nn_data_standardize(data, &mean, &deviation);
        for (int i = 0; i < 8; i++)
            cr_expect_eq(nn_data_row(data, (size_t)i)[0], (shown[i] - 5) / 2, "2^%d, %d",
                         exponents[k], i);
        nn_data_free(data);
    }
}

/* x - mean overflows for the first; the deviation does not. */
Test(data, ends_of_the_range_are_standardized) {
    nn_data *data = nn_data_new(4, 1, 0, ROWS(1.7e308, -1.7e308, -1.7e308, -1.7e308));
    double   mean, deviation;
    nn_data_moments(data, &mean, &deviation);
    cr_expect(fabs(mean / -0.85e308 - 1) < 1e-15 &&
              fabs(deviation / (1.7e308 * sqrt(0.75)) - 1) < 1e-15);
    nn_data_standardize(data, &mean, &deviation);
    cr_assert_eq(nn_data_status(data), AD_OK, "%s", nn_data_message(data));
    cr_expect(fabs(nn_data_row(data, 0)[0] - sqrt(3)) < 1e-15 &&
              fabs(nn_data_row(data, 3)[0] + 1 / sqrt(3)) < 1e-15);
    nn_data_free(data);
}

/* Half of the smallest number is 0, but only a constant column has deviation 0. */
Test(data, deviation_of_what_is_not_constant_is_not_0) {
    nn_data *data = nn_data_new(2, 1, 0, ROWS(0, 0x1p-1074));
    double   mean, deviation;
    nn_data_moments(data, &mean, &deviation);
    cr_expect(deviation > 0);
    nn_data_free(data);
}

/* The mean, 1e15 + 1/16, is not a double; its rounding does not enter the deviation. */
Test(data, deviation_is_not_that_from_a_rounded_mean) {
    nn_data *data = nn_data_new(2, 1, 0, ROWS(1e15, 1e15 + 0.125));
    double   mean, deviation;
    nn_data_moments(data, &mean, &deviation);
    cr_expect_eq(deviation, 0.0625, "%.17g", deviation);
    nn_data_free(data);
}

/* Plain sums of a column of 0.1 and 0.2 in turn are off by 1e-13 after so many. */
Test(data, mean_of_a_long_column_has_all_its_digits) {
    enum { LONG = 100000 };
    static double value[LONG];
    double        mean, deviation;
    for (int i = 0; i < LONG; i++) value[i] = i % 2 == 0 ? 0.1 : 0.2;
    nn_data *data = nn_data_new(LONG, 1, 0, value);
    nn_data_moments(data, &mean, &deviation);
    cr_expect(fabs(mean - 0.15) <= 0x1p-55 && fabs(deviation - 0.05) <= 0x1p-56, "%.17g, %.17g",
              mean, deviation);
    nn_data_free(data);
}

Test(data, moments_after_an_error_are_nan) {
    nn_data *data = nn_data_new(1, 2, 0, ROWS(1, NAN));
    double   mean[2] = {0}, deviation[2] = {0};
    nn_data_moments(data, mean, deviation);
    for (int i = 0; i < 2; i++) cr_expect(isnan(mean[i]) && isnan(deviation[i]));
    nn_data_free(data);
}

Test(data, moments_that_are_none_are_refused) {
    const double bad[][2] = {{NAN, 1}, {INFINITY, 1}, {0, NAN}, {0, -1}, {0, INFINITY}};
    for (size_t k = 0; k < sizeof bad / sizeof *bad; k++) {
        nn_data *data = counted(3, 1, 1);
        nn_data_standardize(data, &bad[k][0], &bad[k][1]);
        cr_expect_eq(nn_data_status(data), AD_BAD_ARGUMENT);
        cr_expect_not_null(strstr(nn_data_message(data), "nn_data_standardize: input 0"), "%s",
                           nn_data_message(data));
        nn_data_free(data);
    }
}

Test(data, null_is_out_of_memory) {
    cr_expect_eq(nn_data_status(NULL), AD_NO_MEMORY);
    cr_expect(strlen(nn_data_message(NULL)) > 10);
    cr_expect(nn_data_rows(NULL) + nn_data_inputs(NULL) + nn_data_targets(NULL) == 0);
    cr_expect_null(nn_data_row(NULL, 0));
    cr_expect_null(nn_data_split(NULL, 0.5, 1));
    nn_data_shuffle(NULL, 1);
    nn_data_scale(NULL, 2);
    nn_data_free(NULL);
}

/* ---- noise ----------------------------------------------------------------------------------- */

Test(data, noise_stands_between_inputs_and_targets) {
    nn_data *data = counted(3, 2, 1);
    nn_data_noise(data, NN_UNIFORM, 2);
    nn_data_noise(data, NN_NORMAL, 1);
    cr_assert_eq(nn_data_status(data), AD_OK, "%s", nn_data_message(data));
    cr_expect(nn_data_rows(data) == 3 && nn_data_inputs(data) == 5 && nn_data_targets(data) == 1);
    for (size_t i = 0; i < 3; i++) {
        const double x = 3 * (double)i, want[] = {x, x + 1, -1, -1, 0, x + 2};
        cr_expect_arr_eq(nn_data_row(data, i), want, sizeof want);
    }
    nn_data_free(data);
}

Test(data, noise_is_not_scaled) {
    double   mean[3], deviation[3];
    nn_data *data = nn_data_new(2, 1, 1, ROWS(2, 7, 6, 8));
    nn_data_noise(data, NN_UNIFORM, 1);
    nn_data_noise(data, NN_NORMAL, 1);
    nn_data_scale(data, 0.5);
    cr_expect_arr_eq(nn_data_row(data, 0), ROWS(1, -1, 0, 7, 3, -1, 0, 8), 8 * sizeof(double));
    nn_data_moments(data, mean, deviation);
    cr_expect_arr_eq(mean, ROWS(2, -1, 0), sizeof mean);
    cr_expect_arr_eq(deviation, ROWS(1, 0, 0), sizeof deviation);
    nn_data_standardize(data, mean, deviation);
    cr_expect_arr_eq(nn_data_row(data, 0), ROWS(-1, -1, 0, 7, 1, -1, 0, 8), 8 * sizeof(double));
    nn_data_free(data);
}

Test(data, noise_is_split_with_its_rows) {
    nn_data *data = counted(8, 2, 1);
    nn_data_noise(data, NN_UNIFORM, 1);
    nn_data_noise(data, NN_NORMAL, 2);
    nn_data *part = nn_data_split(data, 0.25, 1), *other = counted(8, 5, 1);
    cr_assert_eq(nn_data_status(part), AD_OK, "%s", nn_data_message(part));
    cr_expect(nn__data_same_noise(data, part));
    cr_expect_not(nn__data_same_noise(data, other));
    nn_data_one_hot(part, 0, 24);
    cr_expect(nn_data_inputs(part) == 5 && nn_data_targets(part) == 24);
    cr_expect_eq(nn_data_row(part, 0)[2], -1);
    nn_data_free(data), nn_data_free(part), nn_data_free(other);
}

/* The same for the same seed, use and row; else others. A use of 20,000 rows: mean and variance
 * within five deviations of those of uniform and of normal numbers, correlations with the column
 * beside, the row below and the next use within five deviations of 0. */
Test(data, noise_of_a_use) {
    enum { N = 20000, C = 4 };
    static double value[2][N][C];
    static double zero[N];
    nn_data      *data = nn_data_new(N, 0, 1, zero);
    nn_data_noise(data, NN_UNIFORM, 1);
    nn_data_noise(data, NN_NORMAL, 2);
    for (uint64_t use = 0; use < 2; use++) {
        const uint64_t key = nn__data_noise_key(9, use);
        for (size_t i = 0; i < N; i++) nn__data_fill_noise(data, key, i, value[use][i]);
        cr_expect_eq(nn__data_noise_key(9, use), key);
        cr_expect_neq(nn__data_noise_key(10, use), key);
    }
    double again[C];
    nn__data_fill_noise(data, nn__data_noise_key(9, 1), 77, again);
    cr_expect_arr_eq(again, value[1][77], 3 * sizeof(double));
    for (size_t c = 0; c < 3; c++) {
        double mean = 0, square = 0, beside = 0, below = 0, later = 0;
        for (size_t i = 0; i < N; i++) {
            const double *x = value[0][i], *y = value[0][(i + 1) % N], *z = value[1][i];
            const double  middle = c == 0 ? 0.5 : 0, other = (c + 1) % 3 == 0 ? 0.5 : 0;
            const double  d = x[c] - middle;
            cr_assert(c > 0 || (x[0] >= 0 && x[0] < 1));
            mean += d / N, square += d * d / N;
            beside += d * (x[(c + 1) % 3] - other) / N;
            below += d * (y[c] - middle) / N, later += d * (z[c] - middle) / N;
        }
        const double variance = c == 0 ? 1.0 / 12 : 1, off = 5 / sqrt(N);
        cr_expect_float_eq(mean, 0, off * sqrt(variance));
        cr_expect_float_eq(square, variance, off * (c == 0 ? sqrt(1.0 / 180) : sqrt(2)));
        cr_expect_float_eq(beside, 0, off * sqrt(variance * (c == 2 ? 1.0 / 12 : 1)));
        cr_expect_float_eq(below, 0, off * variance);
        cr_expect_float_eq(later, 0, off * variance);
    }
    nn_data_free(data);
}

static void expect_no_noise(nn_noise kind, size_t columns, const char *sentence) {
    nn_data *data = counted(3, 2, 1);
    nn_data_noise(data, kind, columns);
    cr_expect_eq(nn_data_status(data), AD_BAD_ARGUMENT, "%s", nn_data_message(data));
    cr_expect(strstr(nn_data_message(data), sentence) != NULL, "%s", nn_data_message(data));
    cr_expect_eq(nn_data_rows(data), 0u);
    nn_data_noise(data, NN_NORMAL, 1);
    nn_data_free(data);
}

Test(data, noise_that_cannot_be) {
    expect_no_noise(NN_NORMAL, 0, "nn_data_noise: no columns");
    expect_no_noise((nn_noise)2, 1, "nn_data_noise: noise is NN_NORMAL or NN_UNIFORM");
    expect_no_noise(NN_NORMAL, SIZE_MAX, "too many columns");
    expect_no_noise(NN_NORMAL, SIZE_MAX / 16, "too many columns");
    nn_data_noise(NULL, NN_NORMAL, 1);
}

Test(data, tables_with_noise_are_not_joined) {
    nn_data *x = counted(3, 2, 0), *y = counted(3, 1, 0);
    nn_data_noise(y, NN_NORMAL, 4);
    nn_data *xy = nn_data_join(x, y), *yx = nn_data_join(y, x);
    cr_expect_eq(nn_data_status(xy), AD_BAD_ARGUMENT);
    cr_expect(strstr(nn_data_message(xy), "the targets have 4 columns of noise") != NULL);
    cr_expect(strstr(nn_data_message(yx), "the inputs have 4 columns of noise") != NULL);
    nn_data_free(x), nn_data_free(y), nn_data_free(xy), nn_data_free(yx);
}
