/* lesson.c - tests of the lesson of backpropagation. Its numbers are checked by tests/lessons,
 * against a network written in another language. */
#include "lesson_fixture.h"

TestSuite(lesson, .init = make, .fini = drop);

static void expect_refused(nn_lesson_config config, const char *words) {
    lesson = nn_lesson_new(model, mlp, data, &config);
    cr_expect_null(lesson);
    cr_expect_eq(nn_model_status(model), AD_BAD_ARGUMENT);
    cr_expect(strstr(nn_model_message(model), words) != NULL, "\"%s\" is not in: %s", words,
              nn_model_message(model));
}

Test(lesson, leaves_parameters_and_tape_as_they_were) {
    const size_t n = nn_model_count(model), length = ad_tape_length(tape);
    double      *before = malloc(n * sizeof *before);
    for (size_t i = 0; i < n; i++) before[i] = ad_value(nn_model_params(model)[i]);
    const nn_lesson_config config = usual();
    lesson = nn_lesson_new(model, mlp, data, &config);
    cr_assert_not_null(lesson, "%s", nn_model_message(model));
    for (size_t i = 0; i < n; i++)
        cr_expect(same_bits(before[i], ad_value(nn_model_params(model)[i])), "parameter %zu", i);
    cr_expect_eq(ad_tape_length(tape), length);
    free(before);
}

Test(lesson, a_small_step_goes_down) {
    nn_lesson_config config = usual();
    config.rate = 0.01;
    lesson = nn_lesson_new(model, mlp, data, &config);
    cr_expect_lt(nn_lesson_loss_after(lesson), nn_lesson_loss(lesson));
}

Test(lesson, the_first_order_change_of_the_loss_is_rate_times_the_squared_gradient) {
    nn_lesson_config config = usual();
    config.rate = 1e-6;
    lesson = nn_lesson_new(model, mlp, data, &config);
    double square = 0;
    for (size_t i = 0; i < lesson->params; i++) square += lesson->mean[i] * lesson->mean[i];
    const double change = nn_lesson_loss(lesson) - nn_lesson_loss_after(lesson);
    cr_expect(close_to(change, config.rate * square, 1e-4, 0), "%g and %g", change,
              config.rate * square);
}

Test(lesson, a_rate_of_infinity_is_refused) {
    nn_lesson_config config = usual();
    config.rate = INFINITY;
    expect_refused(config, "rate");
}

Test(lesson, a_row_that_is_not_there_is_named) {
    nn_lesson_config config = usual();
    const size_t     far[] = {0, 17};
    config.row = far;
    expect_refused(config, "row 17");
}

Test(lesson, no_rows_are_refused) {
    nn_lesson_config config = usual();
    config.rows = 0;
    expect_refused(config, "no examples");
}

Test(lesson, a_picture_that_is_not_square_is_refused) {
    nn_lesson_config config = usual();
    config.image = 2;
    expect_refused(config, "picture");
}

Test(lesson, a_network_for_other_data_is_refused) {
    nn_data_free(data);
    data = nn_data_new(1, 4, 1, (const double[]){1, 2, 3, 4, 0});
    nn_lesson_config config = usual();
    config.rows = 1, config.row = (const size_t[]){0};
    expect_refused(config, "2 inputs, the data 4");
}

Test(lesson, a_class_that_is_none_is_refused) {
    nn_data_free(data);
    data = nn_data_new(1, 2, 1, (const double[]){1, 2, 7});
    nn_lesson_config config = usual();
    config.rows = 1, config.row = (const size_t[]){0};
    expect_refused(config, "row 0 has the class 7, the network 3 outputs");
}

Test(lesson, a_class_between_two_is_refused_for_squares_too) {
    nn_data_free(data);
    data = nn_data_new(2, 2, 1, (const double[]){1, 2, 1, 1, 2, 0.5});
    nn_lesson_config config = usual();
    config.row = (const size_t[]){0, 1}, config.squares = true;
    expect_refused(config, "row 1 has the class 0.5");
}

Test(lesson, units_without_a_bias_are_refused) {
    nn_mlp_free(mlp);
    mlp = nn_mlp_new(model, &(nn_mlp_config){.layers = 1,
                                             .sizes = (const size_t[]){2, 3},
                                             .without_bias = true,
                                             .name = "bare"});
    expect_refused(usual(), "every unit must have a bias");
}

/* The output is the mean of the wanted values: gradients of about 0.5 cancel, and the rounding that
 * is left is not an error. */
Test(lesson, gradients_that_cancel_are_a_lesson_too) {
    const double x[] = {0.3, 0.7};
    double       wanted[9];
    ad_var       y[1];
    nn_mlp_free(mlp);
    mlp = nn_mlp_new(
        model, &(nn_mlp_config){.layers = 1, .sizes = (const size_t[]){2, 1}, .name = "line"});
    nn_mlp_forward(mlp, (const ad_var[]){ad_num(x[0]), ad_num(x[1])}, y);
    for (size_t i = 0; i < 3; i++) {
        memcpy(wanted + 3 * i, x, sizeof x);
        wanted[3 * i + 2] = ad_value(y[0]) + (const double[]){0.1, 0.2, -0.3}[i];
    }
    nn_data_free(data);
    data = nn_data_new(3, 2, 1, wanted);
    nn_lesson_config config = usual();
    config.rows = 3, config.row = (const size_t[]){0, 1, 2};
    lesson = nn_lesson_new(model, mlp, data, &config);
    cr_assert_not_null(lesson, "%s", nn_model_message(model));
    for (size_t i = 0; i < lesson->params; i++) cr_expect_lt(fabs(lesson->mean[i]), 1e-15);
}
