/* program.c - tests of engine/program/program.c: the last failure in a sentence, and the names of
 * operations. */
#include "engine/program/program.h"
#include "support.h"

#include "expect.h"
#include <string.h>

typedef struct fixture {
    ad_tape *tape;
    ad_var   x;
} fixture;

static void open_fixture(fixture *f) {
    f->tape = ad_tape_new();
    f->x = ad_input(f->tape, 5);
}

static ad_program *compiled(fixture *f, ad_var output) {
    ad_program *p =
        ad_compile(&(ad_interface){.inputs = 1, .input = &f->x, .outputs = 1, .output = &output});
    cr_assert_not_null(p, "%s", ad_tape_message(f->tape));
    return p;
}

static void close_fixture(fixture *f, ad_program *p) {
    ad_program_free(p);
    ad_tape_free(f->tape);
}

Test(program, message_is_cut_to_fit_and_its_whole_length_returned) {
    fixture f;
    open_fixture(&f);
    ad_program *p = compiled(&f, f.x);
    char        text[8] = "1234567", whole[200];
    double      number = 1;
    cr_expect_eq(ad_program_message(p, sizeof text, text), 0);
    cr_expect_str_eq(text, "");
    cr_expect_eq(ad_program_values(p, NULL, 1, NULL, &number), AD_BAD_ARGUMENT);
    const size_t length = ad_program_message(p, sizeof text, text);
    cr_expect_eq(ad_program_message(p, sizeof whole, whole), length);
    cr_expect_eq(strlen(whole), length);
    cr_expect(strlen(text) == 7 && strncmp(text, whole, 7) == 0, "%s", text);
    cr_expect_eq(ad_program_message(p, 0, NULL), length);
    close_fixture(&f, p);
}

/* A failure replaces the one before. */
Test(program, message_is_that_of_the_last_failure) {
    fixture f;
    open_fixture(&f);
    ad_program *p = compiled(&f, f.x);
    char        first[200], second[200];
    double      number = 1;
    ad_program_values(p, NULL, 1, NULL, &number);
    ad_program_message(p, sizeof first, first);
    ad_program_values(p, NULL, 1, &number, NULL);
    ad_program_message(p, sizeof second, second);
    cr_expect(strstr(first, "input is NULL") != NULL, "%s", first);
    cr_expect(strstr(second, "the array for the results is NULL") != NULL, "%s", second);
    close_fixture(&f, p);
}

static double cube(size_t n, const double x[], void *context) {
    (void)n, (void)context;
    return x[0] * x[0] * x[0];
}
static void cube_partials(size_t n, const double x[], double v, double partial[], void *context) {
    (void)n, (void)v, (void)context;
    partial[0] = 3 * x[0] * x[0];
}

/* Every kind of value by the name that a reader of ad_program_print knows it by. */
Test(program, values_are_named_by_their_operation) {
    const ad_custom_op op = {
        .name = "cube", .operands = 1, .value = cube, .partials = cube_partials};
    fixture f;
    open_fixture(&f);
    const ad_var made[] = {f.x, ad_tanh(f.x), ad_custom(f.tape, &op, 1, &f.x, NULL), ad_num(3)};
    const char  *name[] = {"input", "tanh", "cube", "constant"};
    for (size_t i = 0; i < sizeof made / sizeof *made; i++) {
        ad_program *p = compiled(&f, made[i]);
        cr_expect_str_eq(ad__value_name(p, p->output[0]), name[i]);
        ad_program_free(p);
    }
    close_fixture(&f, NULL);
}
