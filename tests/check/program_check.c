/* program_check.c - tests of engine/check/program_check.c: the mean gradient of a program, that of
 * rows alone, and their values. */
#include "check_fixture.h"

Test(program_check, gradient_of_a_program_is_checked_over_its_rows) {
    ad_tape *tape = ad_tape_new();
    ad_var   w[3], in[2];
    for (int i = 0; i < 3; i++) w[i] = ad_input(tape, 0.1 * i);
    for (int i = 0; i < 2; i++) in[i] = ad_input(tape, 1);
    const ad_var all[] = {w[0], w[1], w[2], in[0], in[1]};
    ad_var       y = ad_parse(tape, "(tanh(a*x + b) + c*x*x - t)^2", 5, "a, b, c, x, t", all);
    ad_program  *program = ad_compile(&(ad_interface){
         .params = 3, .param = w, .inputs = 2, .input = in, .outputs = 1, .output = &y});
    double       example[20], param[] = {0.3, -0.2, 1.1};
    uint64_t     state = 3;
    for (int i = 0; i < 20; i++) example[i] = random_uniform(&state, -1, 1);
    ad_check_report *r = ad_check_program(program, param, 10, example, NULL);
    cr_expect_eq(ad_check_verdict(r), AD_PASS, "%s", printed(r, AD_TEXT));
    cr_expect_eq(r->n, 3);
    ad_check_free(r);
    expect_refused(ad_check_program(program, param, 0, example, NULL), AD_BAD_ARGUMENT);
    expect_refused(ad_check_program(NULL, param, 10, example, NULL), AD_BAD_ARGUMENT);
    ad_program_free(program);
    ad_tape_free(tape);
}

/* w*x by an operation with lane functions of its own, some of which may be wrong. */
static double times_value(size_t n, const double x[], void *context) {
    (void)n, (void)context;
    return x[0] * x[1];
}
static void times_partials(size_t n, const double x[], double v, double partial[], void *context) {
    (void)n, (void)v, (void)context;
    partial[0] = x[1], partial[1] = x[0];
}
static void times_lanes(size_t n, size_t width, const double *const x[], double v[],
                        void *context) {
    (void)n, (void)context;
    for (size_t l = 0; l < width; l++) v[l] = x[0][l] * x[1][l];
}
static void shifted_lane(size_t n, size_t width, const double *const x[], double v[],
                         void *context) {
    times_lanes(n, width, x, v, context);
    if (width > 5) v[5] += 1e-6;
}
static void right_lane_partials(size_t n, size_t width, const double *const x[], const double v[],
                                double *const partial[], void *context) {
    (void)n, (void)v, (void)context;
    for (size_t l = 0; l < width; l++) partial[0][l] = x[1][l], partial[1][l] = x[0][l];
}
static void first_lanes_wrong_but_not_their_mean(size_t n, size_t width, const double *const x[],
                                                 const double v[], double *const partial[],
                                                 void *context) {
    right_lane_partials(n, width, x, v, partial, context);
    partial[0][0] += 1e-6;
    if (width > 1) partial[0][1] -= 1e-6;
}

enum { TIMES_ROWS = 9 };

/* The mean of w*x + sin(w) over nine rows. */
static ad_check_report *check_times(const ad_custom_op *op, const ad_check_options *options) {
    ad_tape    *tape = ad_tape_new();
    ad_var      w[] = {ad_input(tape, 0.5), ad_input(tape, 1)};
    ad_var      y = ad_add(ad_custom(tape, op, 2, w, NULL), ad_sin(w[0]));
    ad_program *program = ad_compile(&(ad_interface){
        .params = 1, .param = w, .inputs = 1, .input = w + 1, .outputs = 1, .output = &y});
    double      input[TIMES_ROWS];
    for (int i = 0; i < TIMES_ROWS; i++) input[i] = 1 + 0.25 * i;
    cr_assert_not_null(program, "%s", ad_tape_message(tape));
    ad_check_report *r = ad_check_program(program, VALUES(0.5), TIMES_ROWS, input, options);
    cr_assert_not_null(r);
    ad_program_free(program);
    ad_tape_free(tape);
    return r;
}

Test(program_check, rows_of_a_program_are_checked_alone_and_all_but_one) {
    const ad_custom_op op = {
        "times", 2, times_value, times_partials, times_lanes, right_lane_partials, NULL};
    const char *const names[] = {"row 0 alone", "row 4 alone", "row 8 alone",
                                 "all rows but the last"};
    ad_check_report  *r = check_times(&op, NULL);
    cr_expect_eq(ad_check_verdict(r), AD_PASS, "%s", printed(r, AD_TEXT));
    cr_expect_eq(r->lines, 1 + 4);
    for (size_t i = 0; i < 4; i++) {
        const ad_check_line *l = line_called(r, names[i]);
        cr_assert(l != NULL && l->coordinate == SIZE_MAX && l->verdict == AD_PASS, "%s", names[i]);
    }
    /* d/dw of w*x + sin(w) at the last row, along +-1 */
    cr_expect(close_to(fabs(line_called(r, names[2])->estimate), 3 + cos(0.5), 1e-9, 0));
    ad_check_free(r);
}

/* A program run on one, two and three rows: each sampled row alone; all but the last only if there
 * are more than two. */
Test(program_check, rows_alone_are_the_first_the_one_in_the_middle_and_the_last) {
    static const char *const one[] = {"x[0]"}, *const two[] = {"w", "row 0 alone", "row 1 alone"},
                             *const three[] = {"w", "row 0 alone", "row 1 alone", "row 2 alone",
                                               "all rows but the last"},
                             *const ten[] = {"w", "row 0 alone", "row 5 alone", "row 9 alone",
                                             "all rows but the last"};
    const struct {
        size_t             rows, lines;
        const char *const *names;
    } of[] = {{1, 1, one}, {2, 3, two}, {3, 5, three}, {10, 5, ten}};
    ad_tape    *tape = ad_tape_new();
    ad_var      w[] = {ad_input(tape, 0.5), ad_input(tape, 1)}, y = ad_sin(ad_mul(w[0], w[1]));
    ad_program *program = ad_compile(&(ad_interface){
        .params = 1, .param = w, .inputs = 1, .input = w + 1, .outputs = 1, .output = &y});
    double      input[10];
    size_t      before = 0;
    for (int i = 0; i < 10; i++) input[i] = 1 + 0.25 * i;
    for (size_t k = 0; k < 4; k++) {
        ad_check_report *r = ad_check_program(program, VALUES(0.5), of[k].rows, input, NULL);
        cr_expect(ad_check_verdict(r) == AD_PASS && strcmp(r->message, AGREES) == 0, "%s",
                  printed(r, AD_TEXT));
        cr_expect_eq(r->lines, of[k].lines, "%s", printed(r, AD_TEXT));
        for (size_t i = 1; i < r->lines; i++) cr_expect_str_eq(r->line[i].name, of[k].names[i]);
        cr_expect_eq(k == 0 || r->evaluations > before + 250 * (of[k].lines - of[k - 1].lines),
                     true, "%zu", r->evaluations);
        before = r->evaluations;
        ad_check_free(r);
    }
    ad_program_free(program);
    ad_tape_free(tape);
}

/* w*x, but 2^-20 more for the x given by the context unless it is in the first lane. */
static void shifted_for(size_t n, size_t width, const double *const x[], double v[],
                        void *context) {
    times_lanes(n, width, x, v, context);
    for (size_t l = 1; l < width; l++)
        if (x[1][l] == *(const double *)context) v[l] += 0x1p-20;
}

/* Of 132 rows every third one is compared, and the last. */
Test(program_check, value_of_every_third_row_of_132_is_held_against_itself_alone) {
    enum { ROWS_ = 132 };
    const ad_custom_op op = {"shifted",           2,   times_value, times_partials, shifted_for,
                             right_lane_partials, NULL};
    const double       which[] = {3, 4, 66, 129, 130, 131};
    double             input[ROWS_], wrong = -1;
    ad_tape           *tape = ad_tape_new();
    ad_var             w[] = {ad_input(tape, 0.5), ad_input(tape, 1)};
    ad_var             y[] = {ad_mul(w[0], w[0]), ad_custom(tape, &op, 2, w, &wrong)};
    for (int i = 0; i < ROWS_; i++) input[i] = i;
    for (size_t outputs = 1; outputs <= 2; outputs++) {
        ad_program *program = ad_compile(&(ad_interface){.params = 1,
                                                         .param = w,
                                                         .inputs = 1,
                                                         .input = w + 1,
                                                         .outputs = outputs,
                                                         .output = y + 2 - outputs});
        cr_assert_not_null(program, "%s", ad_tape_message(tape));
        for (size_t k = 0; k < sizeof which / sizeof *which; k++) {
            char name[40];
            wrong = which[k];
            ad_check_report *r = ad_check_program(program, VALUES(0.5), ROWS_, input, NULL);
            snprintf(name, sizeof name,
                     outputs == 1 ? "value of row %g" : "value of row %g, output 1", wrong);
            const ad_check_line *l = line_called(r, name);
            const bool           seen = wrong != 4 && wrong != 130;
            cr_expect_eq(l != NULL, seen, "%s: %s", name, printed(r, AD_TEXT));
            cr_expect_eq(ad_check_verdict(r) == AD_FAIL, seen, "%s: %s", name, printed(r, AD_TEXT));
            if (l != NULL)
                cr_expect(l->claimed == 0.5 * wrong + 0x1p-20 && l->estimate == 0.5 * wrong &&
                              l->error == 0 && l->gap == 0x1p-20 && isnan(l->step) &&
                              l->coordinate == SIZE_MAX,
                          "%s", printed(r, AD_JSON));
            ad_check_free(r);
        }
        ad_program_free(program);
    }
    ad_tape_free(tape);
}

/* From 1 on floor(w) picks an element that does not exist. With so small an rtol the cheap case,
 * whose steps stop short of that, is not used. */
Test(program_check, program_that_fails_beside_the_parameters_says_so) {
    ad_tape *tape = ad_tape_new();
    ad_var   w = ad_input(tape, 0.9), square = ad_mul(w, w), y = ad_pick(ad_floor(w), 1, &square);
    ad_program *program =
        ad_compile(&(ad_interface){.params = 1, .param = &w, .outputs = 1, .output = &y});
    cr_assert_not_null(program, "%s", ad_tape_message(tape));
    ad_check_report *r =
        ad_check_program(program, VALUES(0.9), 1, NULL, &(ad_check_options){.rtol = 1e-12});
    cr_expect(strncmp(r->message, "near these parameters: ", 23) == 0 &&
                  strstr(r->message, "pick") != NULL,
              "%s", printed(r, AD_TEXT));
    cr_expect(r->status == AD_OK && ad_check_verdict(r) == AD_PASS, "%s", printed(r, AD_TEXT));
    ad_check_free(r);
    r = ad_check_program(program, VALUES(0.9), 1, NULL, &(ad_check_options){.rtol = -1});
    cr_expect_str_eq(r->message, "rtol is -1: a finite number, not below 0, is needed");
    ad_check_free(r);
    ad_program_free(program);
    ad_tape_free(tape);
}

Test(program_check, direction_given_to_a_program_is_the_only_one) {
    const ad_custom_op op = {
        "times", 2, times_value, times_partials, times_lanes, right_lane_partials, NULL};
    ad_check_report *r = check_times(&op, &(ad_check_options){.direction = VALUES(2)});
    cr_expect(r->lines == 1 && ad_check_verdict(r) == AD_PASS);
    ad_check_free(r);
}

Test(program_check, row_with_another_value_among_others_than_alone_fails) {
    const ad_custom_op op = {"shifted",           2,   times_value, times_partials, shifted_lane,
                             right_lane_partials, NULL};
    ad_check_report   *r = check_times(&op, NULL);
    cr_expect_eq(ad_check_verdict(r), AD_FAIL, "%s", printed(r, AD_TEXT));
    cr_expect_eq(ad_check_coordinate(r, 0), AD_PASS, "the mean gradient is right");
    cr_assert_not_null(line_called(r, "value of row 5"), "%s", printed(r, AD_TEXT));
    cr_expect_float_eq(line_called(r, "value of row 5")->gap, 1e-6, 1e-12);
    cr_expect(strstr(r->message, "row 5 has the value") != NULL, "%s", r->message);
    ad_check_free(r);
}

Test(program_check, wrong_gradients_of_rows_that_cancel_in_the_mean_fail) {
    const ad_custom_op op = {
        "cancel", 2, times_value, times_partials, times_lanes, first_lanes_wrong_but_not_their_mean,
        NULL};
    ad_check_report *r = check_times(&op, NULL);
    cr_expect_eq(ad_check_verdict(r), AD_FAIL, "%s", printed(r, AD_TEXT));
    cr_expect_eq(ad_check_coordinate(r, 0), AD_PASS, "the mean gradient is right");
    cr_expect(strstr(r->message, "first at row 0 alone") != NULL, "%s", r->message);
    ad_check_free(r);
}
