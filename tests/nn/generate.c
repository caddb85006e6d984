/* generate.c - tests of generated tables. */
#include "nn/nn.h"

#include "expect.h"
#include <math.h>
#include <string.h>

static size_t count_class(const nn_data *data, double class) {
    size_t n = 0;
    for (size_t i = 0; i < nn_data_rows(data); i++)
        n += nn_data_row(data, i)[nn_data_inputs(data)] == class;
    return n;
}

Test(generate, moons_lie_on_their_half_circles) {
    nn_data *data = nn_data_moons(101, 0, 1);
    cr_assert_eq(nn_data_rows(data), 101);
    cr_expect_eq(count_class(data, 0), 50);
    for (size_t i = 0; i < 101; i++) {
        const double *x = nn_data_row(data, i), lower = x[2];
        cr_expect_float_eq(hypot(x[0] - lower, x[1] - 0.5 * lower), 1, 1e-15);
        cr_expect(lower == 0 ? x[1] >= 0 : x[1] <= 0.5);
    }
    nn_data_free(data);
}

/* sklearn.datasets.make_moons(4, shuffle=False): (1, 0), (-1, 0) and (0, 0.5), (2, 0.5), the last
 * digits aside. */
Test(generate, four_moons_are_those_of_scikit_learn) {
    nn_data *data = nn_data_moons(4, 0, 1);
    double   found[4] = {0, 0, 0, 0};
    for (size_t i = 0; i < 4; i++) {
        const double       *x = nn_data_row(data, i);
        static const double want[4][3] = {{1, 0, 0}, {-1, 0, 0}, {0, 0.5, 1}, {2, 0.5, 1}};
        for (size_t k = 0; k < 4; k++)
            found[k] += fabs(x[0] - want[k][0]) < 1e-15 && fabs(x[1] - want[k][1]) < 1e-15 &&
                        x[2] == want[k][2];
    }
    for (size_t k = 0; k < 4; k++) cr_expect_eq(found[k], 1);
    nn_data_free(data);
}

Test(generate, circles_have_their_radii) {
    nn_data *data = nn_data_circles(60, 0.3, 0, 1);
    cr_expect_eq(count_class(data, 1), 30);
    for (size_t i = 0; i < 60; i++) {
        const double *x = nn_data_row(data, i);
        cr_expect_float_eq(hypot(x[0], x[1]), x[2] == 1 ? 0.3 : 1, 1e-15);
    }
    nn_data_free(data);
}

Test(generate, arms_of_spirals_are_turned_copies_of_each_other) {
    nn_data *data = nn_data_spirals(90, 3, 0.75, 0, 1);
    for (size_t class = 0; class < 3; class ++) cr_expect_eq(count_class(data, (double)class), 30);
    for (size_t i = 0; i < 90; i++) {
        const double *x = nn_data_row(data, i), radius = hypot(x[0], x[1]);
        const double  t = 2 * acos(-1) * (x[2] / 3 + 0.75 * radius);
        cr_expect_float_eq(x[0], radius * cos(t), 1e-14);
        cr_expect_float_eq(x[1], radius * sin(t), 1e-14);
        cr_expect(radius > 0 && radius < 1 + 1e-15);
    }
    nn_data_free(data);
}

Test(generate, four_rows_of_xor_are_its_table) {
    nn_data *data = nn_data_xor(4, 0, 5);
    bool     seen[4] = {false};
    for (size_t i = 0; i < 4; i++) {
        const double *x = nn_data_row(data, i);
        seen[(size_t)(2 * x[0] + x[1])] = x[2] == (x[0] != x[1]);
    }
    cr_expect(seen[0] && seen[1] && seen[2] && seen[3]);
    nn_data_free(data);
}

Test(generate, sine_without_noise_is_the_sine) {
    nn_data *data = nn_data_sine(200, 0, 2);
    double   least = 0, most = 0;
    for (size_t i = 0; i < 200; i++) {
        const double *x = nn_data_row(data, i);
        cr_expect_eq(x[1], sin(x[0]));
        least = fmin(least, x[0]), most = fmax(most, x[0]);
    }
    cr_expect(least < -2.8 && least >= -acos(-1) && most > 2.8 && most < acos(-1));
    nn_data_free(data);
}

/* Of 20,000 draws the mean is within 5 standard errors of 0, and so is the variance of 0.04. */
Test(generate, noise_has_the_deviation_that_was_asked_for) {
    nn_data *data = nn_data_sine(20000, 0.2, 3);
    double   sum = 0, squares = 0;
    for (size_t i = 0; i < 20000; i++) {
        const double *x = nn_data_row(data, i), d = x[1] - sin(x[0]);
        sum += d, squares += d * d;
    }
    cr_expect_float_eq(sum / 20000, 0, 5 * 0.2 / sqrt(20000));
    cr_expect_float_eq(squares / 20000, 0.04, 5 * 0.04 * sqrt(2.0 / 20000));
    nn_data_free(data);
}

Test(generate, same_seed_gives_the_same_table_and_another_seed_another) {
    nn_data *a = nn_data_moons(40, 0.1, 1), *b = nn_data_moons(40, 0.1, 1),
            *c = nn_data_moons(40, 0.1, 2);
    cr_expect_arr_eq(nn_data_row(a, 0), nn_data_row(b, 0), 120 * sizeof(double));
    cr_expect_arr_neq(nn_data_row(a, 0), nn_data_row(c, 0), 120 * sizeof(double));
    nn_data_free(a);
    nn_data_free(b);
    nn_data_free(c);
}

Test(generate, bad_numbers_are_refused_in_a_sentence) {
    nn_data *bad[] = {
        nn_data_moons(1, 0, 1),         nn_data_moons(10, -1, 1),
        nn_data_moons(10, NAN, 1),      nn_data_circles(10, 1, 0, 1),
        nn_data_circles(10, NAN, 0, 1), nn_data_spirals(2, 3, 1, 0, 1),
        nn_data_spirals(9, 0, 1, 0, 1), nn_data_spirals(9, 3, INFINITY, 0, 1),
        nn_data_xor(0, 0, 1),           nn_data_sine(0, 0, 1),
        nn_data_sine(10, INFINITY, 1),  nn_data_sine(SIZE_MAX, 0, 1),
        nn_data_sine(1000, 1.7e308, 1),
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        cr_expect_eq(nn_data_status(bad[i]), AD_BAD_ARGUMENT, "case %zu", i);
        cr_expect_gt(strlen(nn_data_message(bad[i])), 20);
        cr_expect_eq(nn_data_rows(bad[i]), 0);
        nn_data_free(bad[i]);
    }
}

Test(generate, too_few_rows_and_too_many_are_told_apart) {
    nn_data *few = nn_data_moons(1, 0, 1), *many = nn_data_sine(SIZE_MAX, 0, 1);
    cr_expect_str_eq(nn_data_message(few), "nn_data_moons: 1 rows; at least 2 are needed");
    cr_expect(strstr(nn_data_message(many), "nn_data_sine: ") &&
                  strstr(nn_data_message(many), " rows are too many"),
              "%s", nn_data_message(many));
    nn_data_free(few);
    nn_data_free(many);
}
