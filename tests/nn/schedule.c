/* schedule.c - tests of nn/schedule.c. */
#include "support.h"

#include "nn/nn.h"

#include "expect.h"
#include <math.h>

static double at(nn_schedule s, size_t step) {
    return nn_schedule_rate(&s, step);
}

Test(schedule, constant_stays) {
    cr_expect(at(nn_schedule_constant(0.5), 0) == 0.5 &&
              at(nn_schedule_constant(0.5), 1000000) == 0.5);
}

/* PyTorch's documentation of StepLR: lr = 0.05, step_size = 30, gamma = 0.1. */
Test(schedule, steps_as_documented) {
    const nn_schedule s = nn_schedule_step(0.05, 30, 0.1);
    cr_expect(at(s, 0) == 0.05 && at(s, 29) == 0.05);
    cr_expect(close_to(at(s, 30), 0.005, 4 * U, 0) && close_to(at(s, 59), 0.005, 4 * U, 0));
    cr_expect(close_to(at(s, 60), 0.0005, 4 * U, 0));
}

Test(schedule, exponential_multiplies_at_each_step) {
    for (size_t k = 0; k < 50; k++)
        cr_expect(
            close_to(at(nn_schedule_exponential(2, 0.9), k), 2 * pow(0.9, (double)k), 4 * U, 0));
}

Test(schedule, linear_arrives_and_stays) {
    const nn_schedule s = nn_schedule_linear(1, 0.5, 4);
    const double      expected[] = {1, 0.875, 0.75, 0.625, 0.5, 0.5};
    for (size_t k = 0; k < 6; k++) cr_expect_eq(at(s, k), expected[k]);
    cr_expect_eq(at(s, SIZE_MAX), 0.5);
}

/* Half a cosine period: the ends, the middle, and symmetry about it. */
Test(schedule, cosine_is_half_a_wave) {
    const nn_schedule s = nn_schedule_cosine(1, 0.2, 10);
    cr_expect_eq(at(s, 0), 1);
    cr_expect(close_to(at(s, 5), 0.6, 4 * U, 0));
    cr_expect(at(s, 10) == 0.2 && at(s, 11) == 0.2);
    for (size_t k = 0; k <= 10; k++) cr_expect(close_to(at(s, k) + at(s, 10 - k), 1.2, 8 * U, 0));
    cr_expect(close_to(at(s, 1), 0.2 + 0.4 * (1 + cos(3.141592653589793 / 10)), 4 * U, 0));
}

Test(schedule, warm_up_rises_to_the_rate_and_hands_over) {
    const nn_schedule s = nn_schedule_warm_up(4, nn_schedule_linear(1, 0, 2));
    const double      expected[] = {0.25, 0.5, 0.75, 1, 1, 0.5, 0, 0};
    for (size_t k = 0; k < 8; k++) cr_expect_eq(at(s, k), expected[k]);
}

Test(schedule, numbers_out_of_their_range_are_told) {
    const nn_schedule good = nn_schedule_cosine(0.1, 0, 10),
                      bad[] = {
                          nn_schedule_constant(INFINITY),
                          nn_schedule_constant(0),
                          nn_schedule_constant(-1),
                          nn_schedule_constant(NAN),
                          nn_schedule_step(0.1, 0, 0.5),
                          nn_schedule_exponential(0.1, -1),
                          nn_schedule_exponential(0.1, INFINITY),
                          nn_schedule_linear(0.1, -0.1, 5),
                          nn_schedule_cosine(0.1, 0, 0),
                          nn_schedule_linear(0.1, NAN, 5),
                      };
    cr_expect(nn_schedule_good(&good));
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        cr_expect(!nn_schedule_good(&bad[i]), "schedule %zu", i);
        cr_expect(isnan(nn_schedule_rate(&bad[i], 3)), "schedule %zu", i);
    }
    cr_expect(isnan(nn_schedule_rate(NULL, 0)));
}
