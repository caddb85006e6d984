/* lesson_fixture.h - a small network, three rows of data, and a lesson of two of them; for the
 * tests of its three files. */
#ifndef TAPIR_TESTS_LESSON_FIXTURE_H
#define TAPIR_TESTS_LESSON_FIXTURE_H

#include "nn/lesson.h"
#include "support.h"

#include "expect.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

static ad_tape   *tape;
static nn_model  *model;
static nn_mlp    *mlp;
static nn_data   *data;
static nn_lesson *lesson;

/* three rows of two inputs and a class */
static const double table[] = {0.5, -1, 0, 2, 0.25, 1, -0.5, 0.75, 2};
static const size_t chosen[] = {2, 0};

static void make(void) {
    tape = ad_tape_new();
    model = nn_model_new(tape, 3);
    mlp = nn_mlp_new(model, &(nn_mlp_config){.layers = 2, .sizes = (const size_t[]){2, 4, 3}});
    data = nn_data_new(3, 2, 1, table);
}
static void drop(void) {
    nn_lesson_free(lesson);
    nn_data_free(data);
    nn_mlp_free(mlp);
    nn_model_free(model);
    ad_tape_free(tape);
}

static nn_lesson_config usual(void) {
    return (nn_lesson_config){.rows = 2, .row = chosen, .rate = 0.5};
}

/* The lesson, with a title and names of its outputs, each of which may be NULL. */
static inline void make_lesson(const char *title, const char *const outputs[]) {
    nn_lesson_config config = usual();
    config.title = title, config.output_names = outputs;
    lesson = nn_lesson_new(model, mlp, data, &config);
    cr_assert_not_null(lesson, "%s", nn_model_message(model));
}

#endif
