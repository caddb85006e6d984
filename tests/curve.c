/* curve.c - tests of engine/curve.c: the V of a right derivative, the plateau of a wrong one, the cliff of a
 * kink, and the three ways to see them. */
#include "support.h"

#include "expect.h"
#include <math.h>
#include <string.h>

static ad_tape *tape;
static ad_var   x;

static void make(void) {
    tape = ad_tape_new();
    x = ad_input(tape, 1);
    ad_name(x, "x");
}
static void drop(void) {
    ad_tape_free(tape);
}

TestSuite(curve, .init = make, .fini = drop);

static ad_curve *curve_of(const char *text, const double *claimed) {
    ad_curve *c = ad_check_curve(ad_parse(tape, text, 1, "x", &x), x, claimed);
    cr_assert_not_null(c, "%s", ad_tape_message(tape));
    return c;
}

static char *printed(const ad_curve *c, ad_picture picture) {
    static char text[60000];
    FILE       *file = tmpfile();
    cr_assert_eq(ad_curve_print(c, picture, file), AD_OK);
    rewind(file);
    text[fread(text, 1, sizeof text - 1, file)] = '\0';
    fclose(file);
    return text;
}

Test(curve, right_derivative_draws_a_v) {
    ad_curve *c = curve_of("exp(sin(x))", NULL);
    double    least = 1, least_romberg = 1;
    for (size_t i = 0; i < c->points; i++) {
        least = fmin(least, c->point[i].central_error);
        least_romberg = fmin(least_romberg, c->point[i].romberg_error);
    }
    cr_expect(least < 1e-9 && least_romberg < 1e-12, "%g %g", least, least_romberg);
    cr_expect(c->point[0].central_error > 1e-2 && c->point[c->points - 1].central_error > 1e-5);
    ad_curve_free(c);
}

/* Central differences err by h*h*f'''/6. */
Test(curve, error_of_the_formula_falls_with_the_square_of_the_step) {
    ad_curve *c = curve_of("exp(x)", NULL);
    for (size_t i = 0; i < c->points; i++) {
        const double h = c->point[i].step;
        if (h < 0.3 && h > 1e-3) cr_expect(fabs(c->point[i].central_error/(h*h/6) - 1) < 0.01, "at %g", h);
    }
    ad_curve_free(c);
}

Test(curve, rounding_stays_below_the_noise) {
    ad_curve *c = curve_of("exp(sin(x)) + x*x", NULL);
    for (size_t i = 0; i < c->points; i++)
        if (c->point[i].step < 1e-6)
            cr_expect_leq(c->point[i].central_error, c->point[i].noise + 1e-12, "at %g",
                          c->point[i].step);
    ad_curve_free(c);
}

Test(curve, derivative_wrong_by_1e_3_draws_a_plateau) {
    const double claimed = exp(1)*1.001;
    ad_curve    *c = curve_of("exp(x)", &claimed);
    for (size_t i = 0; i < c->points; i++)
        if (c->point[i].step < 0.005 && c->point[i].step > 1e-9)
            cr_expect_float_eq(c->point[i].central_error, 1e-3, 2e-5, "at %g", c->point[i].step);
    ad_curve_free(c);
}

Test(curve, kink_is_a_cliff_where_the_step_is_its_distance) {
    ad_curve *c = curve_of("abs(x - 0.999) + x*x", NULL);
    for (size_t i = 0; i < c->points; i++) {
        const double h = c->point[i].step, error = c->point[i].central_error;
        if (h > 2e-3) cr_expect_gt(error, 0.1, "at %g", h);
        if (h < 0.9e-3 && h > 1e-7) cr_expect_lt(error, 1e-8, "at %g", h);
    }
    ad_curve_free(c);
}

Test(curve, steps_go_from_1_to_1e_13_four_to_a_decade) {
    ad_curve *c = curve_of("x*x", NULL);
    cr_expect_eq(c->points, 53);
    cr_expect(c->point[0].step == 1 && fabs(c->point[52].step - 1e-13) < 1e-20 &&
              fabs(c->point[4].step - 0.1) < 1e-15);
    cr_expect(c->claimed == 2 && fabs(c->estimate - 2) <= 10*c->error && strcmp(c->name, "x") == 0);
    ad_curve_free(c);
}

Test(curve, numbers_are_a_table_with_a_row_for_every_point) {
    ad_curve   *c = curve_of("log(x - 0.9)", NULL);                       /* not a number for steps over 0.1 */
    size_t      lines = 0, tabs = 0;
    const char *text = printed(c, AD_TSV);
    for (const char *at = text; *at != '\0'; at++) lines += *at == '\n', tabs += *at == '\t';
    cr_expect(lines == 54 && tabs == 54*5);
    cr_expect(strncmp(text, "step\tcentral\t", 13) == 0 && strstr(text, "nan") != NULL &&
              strstr(text, "-nan") == NULL);
    ad_curve_free(c);
}

Test(curve, picture_of_characters_shows_both_lines_and_the_noise) {
    ad_curve   *c = curve_of("exp(sin(x))", NULL);
    const char *text = printed(c, AD_CHARACTERS);
    cr_expect(strchr(text, 'o') && strchr(text, '*') && strstr(text, "..."));
    for (const char *line = text; line != NULL && *line != '\0';
         line = strchr(line, '\n') ? strchr(line, '\n') + 1 : NULL)
        cr_expect_leq(strcspn(line, "\n"), 100);
    ad_curve_free(c);
}

Test(curve, svg_is_closed_and_escapes_names) {
    ad_name(x, "a<b&c");
    ad_curve   *c = curve_of("exp(sin(x))", NULL);
    const char *text = printed(c, AD_SVG);
    cr_expect(strncmp(text, "<svg ", 5) == 0 && strcmp(text + strlen(text) - 7, "</svg>\n") == 0);
    cr_expect(strstr(text, "a&lt;b&amp;c") != NULL && strstr(text, "nan") == NULL &&
              strstr(text, "inf") == NULL);
    ad_curve_free(c);
}

Test(curve, tape_is_what_it_was) {
    ad_var       y = ad_exp(x);
    ad_backward(ad_mul(y, y));
    const double value = ad_value(y), grad = ad_grad(x);
    ad_curve_free(ad_check_curve(y, x, NULL));
    cr_expect(same_bits(ad_value(y), value) && same_bits(ad_grad(x), grad) && ad_value(x) == 1);
}

Test(curve, bad_arguments_are_on_the_tape) {
    ad_var y = ad_exp(x);
    cr_expect_null(ad_check_curve(y, ad_num(1), NULL));
    cr_expect_eq(ad_tape_status(tape), AD_BAD_ARGUMENT);
    ad_tape_clear(tape);
    cr_expect_null(ad_check_curve(y, y, NULL));
    cr_expect_eq(ad_tape_status(tape), AD_BAD_ARGUMENT);
    cr_expect_null(ad_check_curve(ad_num(1), x, NULL));
    cr_expect_eq(ad_curve_print(NULL, AD_TSV, stdout), AD_NO_MEMORY);
    ad_curve_free(NULL);
}
