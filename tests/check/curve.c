/* curve.c - tests of engine/check/curve.c: the V of a right derivative, the plateau of a wrong one,
 * the cliff of a kink, and the three output formats. */
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

/* The error of a central difference is h*h*f'''/6. */
Test(curve, error_of_the_formula_falls_with_the_square_of_the_step) {
    ad_curve *c = curve_of("exp(x)", NULL);
    for (size_t i = 0; i < c->points; i++) {
        const double h = c->point[i].step;
        if (h < 0.3 && h > 1e-3)
            cr_expect(fabs(c->point[i].central_error / (h * h / 6) - 1) < 0.01, "at %g", h);
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
    const double claimed = exp(1) * 1.001;
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
    cr_expect(c->claimed == 2 && fabs(c->estimate - 2) <= 10 * c->error &&
              strcmp(c->name, "x") == 0);
    ad_curve_free(c);
}

/* x^7 at 1: a central difference is 7 + 35h^2 + 21h^4 + h^6; extrapolated from h, 2h and 4h it is 7
 * + 64h^6. Errors are relative to the larger of the claim and the estimate; a power is accurate to
 * four roundings. */
Test(curve, numbers_are_those_of_a_polynomial_by_hand) {
    const double claims[] = {7, 0, -14}, unit[] = {7, 7, 14};
    for (int k = 0; k < 3; k++) {
        ad_curve *c = curve_of("x^7", &claims[k]);
        for (size_t i = 0; i <= 4; i += 4) {
            const ad_curve_point *p = &c->point[i];
            const double          h = i == 0 ? 1 : 0.1,
                         want = 7 + 35 * h * h + 21 * h * h * h * h + pow(h, 6),
                         left = 7 + 64 * pow(h, 6);
            cr_expect(close_to(p->central, want, 32 * U, 0) &&
                          close_to(p->romberg, left, 64 * U, 0),
                      "%.17g, %.17g", p->central, p->romberg);
            cr_expect(close_to(p->central_error, fabs(want - claims[k]) / unit[k], 1e-10, 0),
                      "%.17g", p->central_error);
            cr_expect(close_to(p->romberg_error, fabs(left - claims[k]) / unit[k], 1e-10, 0),
                      "%.17g", p->romberg_error);
            cr_expect(close_to(p->noise, 4 * U / h / unit[k], 1e-10, 0), "%.17g", p->noise);
        }
        ad_curve_free(c);
    }
}

Test(curve, without_a_slope_has_none_and_is_in_units_of_one) {
    const double claims[] = {0, NAN, INFINITY};
    for (int k = 0; k < 3; k++) {
        ad_curve *c = curve_of("abs(x - 1) + x", &claims[k]);
        cr_expect(isnan(c->estimate) && c->error == INFINITY && c->point[0].central == 1);
        cr_expect(k == 0 ? c->point[0].central_error == 1 : !isfinite(c->point[0].central_error));
        cr_expect(c->point[0].noise == U && close_to(c->point[4].noise, 10 * U, 1e-12, 0), "%g",
                  c->point[0].noise);
        ad_curve_free(c);
    }
}

Test(curve, errors_are_relative_to_claims_below_one_too) {
    const double half = 0.5, quarter = 0.25;
    ad_curve    *straight = curve_of("x/4", &half), *bent = curve_of("abs(x - 1) + x", &quarter);
    cr_expect_eq(straight->point[0].central_error, 0.25 / 0.5);
    cr_expect_eq(bent->point[0].central_error, (1 - 0.25) / 0.25);
    ad_curve_free(straight), ad_curve_free(bent);
}

Test(curve, name_is_cut_off_and_a_node_without_one_is_x) {
    char long_name[80] = {0};
    memset(long_name, 'w', sizeof long_name - 1);
    ad_var z = ad_input(tape, 1), w = ad_input(tape, 1);
    ad_name(w, long_name);
    ad_curve *of_z = ad_check_curve(ad_exp(z), z, NULL), *of_w = ad_check_curve(ad_exp(w), w, NULL);
    cr_expect_str_eq(of_z->name, "x");
    cr_expect(strlen(of_w->name) == 60 && strncmp(of_w->name, long_name, 60) == 0);
    ad_curve_free(of_z), ad_curve_free(of_w);
}

Test(curve, numbers_are_a_table_with_a_row_for_every_point) {
    ad_curve   *c = curve_of("log(x - 0.9)", NULL); /* NaN for steps over 0.1 */
    size_t      lines = 0, tabs = 0;
    const char *text = printed(c, AD_TSV);
    for (const char *at = text; *at != '\0'; at++) lines += *at == '\n', tabs += *at == '\t';
    cr_expect(lines == 54 && tabs == 54 * 5);
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

/* A curve by hand: a V with its foot at 1e-4 between errors of 1, a difference that is NaN, one
 * that is 0, noise that goes beyond the frame. */
static ad_curve by_hand(ad_curve_point point[5]) {
    const double central[] = {1, 1e-2, 1e-4, 0, NAN}, noise[] = {1e-16, 1e-12, 1e-8, 1e-3, 1e10};
    for (int i = 0; i < 5; i++)
        point[i] = (ad_curve_point){.step = pow(10, -2 * i),
                                    .central = 2 + central[i],
                                    .central_error = central[i],
                                    .romberg = i == 3 ? NAN : 2.5,
                                    .romberg_error = i == 3 ? INFINITY : 3e-7,
                                    .noise = noise[i]};
    return (ad_curve){
        .name = "w<1>", .claimed = 2, .estimate = 2, .error = 1e-12, .points = 5, .point = point};
}

static void expect_text(const char *got, const char *want) {
    cr_expect(strcmp(got, want) == 0, "printed\n%s\nnot\n%s", got, want);
}

Test(curve, by_hand_as_numbers) {
    ad_curve_point point[5];
    const ad_curve c = by_hand(point);
    expect_text(printed(&c, AD_TSV), "step\tcentral\tcentral_error\tromberg\tromberg_error\tnoise\n"
                                     "1\t3\t1\t2.5\t3e-07\t1e-16\n"
                                     "0.01\t2.01\t0.01\t2.5\t3e-07\t1e-12\n"
                                     "0.0001\t2.0001\t0.0001\t2.5\t3e-07\t1e-08\n"
                                     "1e-06\t2\t0\tnan\tinf\t0.001\n"
                                     "1e-08\tnan\tnan\t2.5\t3e-07\t1e+10\n");
}

Test(curve, by_hand_in_characters) {
    ad_curve_point point[5];
    const ad_curve c = by_hand(point);
    expect_text(printed(&c, AD_CHARACTERS),
                "relative error of d/dw<1> = 2, against the step of the difference\n"
                "  1e8    |\n"
                "         |\n"
                "  1e6    |\n"
                "         |\n"
                "  1e4    |\n"
                "         |\n"
                "  1e2    |\n"
                "         |\n"
                "  1e0    |o\n"
                "         |\n"
                "  1e-2   | o\n"
                "         |   .\n"
                "  1e-4   |  o\n"
                "         |\n"
                "  1e-6   |\n"
                "         |*** *\n"
                "  1e-8   |  .\n"
                "         |\n"
                "  1e-10  |\n"
                "         |\n"
                "  1e-12  | .\n"
                "         |\n"
                "  1e-14  |\n"
                "         |\n"
                "  1e-16  |.\n"
                "         |   o\n"
                "          +-------+-------+-------+-------+-------+-------+----\n"
                "          1       1e-2    1e-4    1e-6    1e-8    1e-10   1e-12\n"
                "  o central difference   * Romberg (4h, 2h, h)   . noise of the value / h\n");
}

Test(curve, by_hand_as_svg) {
    ad_curve_point point[5];
    const ad_curve c = by_hand(point);
    char          *frame = printed(&c, AD_SVG), *lines = strstr(frame, "<polyline");
    cr_assert_not_null(lines);
    expect_text(
        lines,
        "<polyline fill=\"none\" stroke=\"#888888\" stroke-width=\"2\" stroke-dasharray=\"5 4\" "
        "points=\"80.0,405.2 173.8,346.0 267.7,286.8 361.5,212.8 \"/>\n"
        "<line x1=\"472\" y1=\"42\" x2=\"496\" y2=\"42\" stroke=\"#888888\" stroke-width=\"2\" "
        "stroke-dasharray=\"5 4\"/>\n"
        "<text x=\"502\" y=\"46\">noise of the value / h</text>\n"
        "<polyline fill=\"none\" stroke=\"#c43c00\" stroke-width=\"2\" points=\"80.0,264.9 "
        "173.8,264.9 267.7,"
        "264.9 \"/>\n"
        "<polyline fill=\"none\" stroke=\"#c43c00\" stroke-width=\"2\" points=\"455.4,264.9 \"/>\n"
        "<line x1=\"282\" y1=\"42\" x2=\"306\" y2=\"42\" stroke=\"#c43c00\" stroke-width=\"2\"/>\n"
        "<text x=\"312\" y=\"46\">Romberg (4h, 2h, h)</text>\n"
        "<polyline fill=\"none\" stroke=\"#1f6fb4\" stroke-width=\"2\" points=\"80.0,168.4 "
        "173.8,198.0 267.7,"
        "227.6 361.5,420.0 \"/>\n"
        "<line x1=\"92\" y1=\"42\" x2=\"116\" y2=\"42\" stroke=\"#1f6fb4\" stroke-width=\"2\"/>\n"
        "<text x=\"122\" y=\"46\">central difference</text>\n"
        "</svg>\n");
    *lines = '\0';
    char *upright = strstr(frame, "<line x1=\"80.0\"");
    cr_assert_not_null(upright);
    expect_text(upright,
                "<line x1=\"80.0\" y1=\"50\" x2=\"80.0\" y2=\"420\" stroke=\"#e4e4e4\"/>\n"
                "<text x=\"80.0\" y=\"438\" text-anchor=\"middle\">1e-0</text>\n"
                "<line x1=\"126.9\" y1=\"50\" x2=\"126.9\" y2=\"420\" stroke=\"#e4e4e4\"/>\n"
                "<text x=\"126.9\" y=\"438\" text-anchor=\"middle\">1e-1</text>\n"
                "<line x1=\"173.8\" y1=\"50\" x2=\"173.8\" y2=\"420\" stroke=\"#e4e4e4\"/>\n"
                "<text x=\"173.8\" y=\"438\" text-anchor=\"middle\">1e-2</text>\n"
                "<line x1=\"220.8\" y1=\"50\" x2=\"220.8\" y2=\"420\" stroke=\"#e4e4e4\"/>\n"
                "<text x=\"220.8\" y=\"438\" text-anchor=\"middle\">1e-3</text>\n"
                "<line x1=\"267.7\" y1=\"50\" x2=\"267.7\" y2=\"420\" stroke=\"#e4e4e4\"/>\n"
                "<text x=\"267.7\" y=\"438\" text-anchor=\"middle\">1e-4</text>\n"
                "<line x1=\"314.6\" y1=\"50\" x2=\"314.6\" y2=\"420\" stroke=\"#e4e4e4\"/>\n"
                "<text x=\"314.6\" y=\"438\" text-anchor=\"middle\">1e-5</text>\n"
                "<line x1=\"361.5\" y1=\"50\" x2=\"361.5\" y2=\"420\" stroke=\"#e4e4e4\"/>\n"
                "<text x=\"361.5\" y=\"438\" text-anchor=\"middle\">1e-6</text>\n"
                "<line x1=\"408.5\" y1=\"50\" x2=\"408.5\" y2=\"420\" stroke=\"#e4e4e4\"/>\n"
                "<text x=\"408.5\" y=\"438\" text-anchor=\"middle\">1e-7</text>\n"
                "<line x1=\"455.4\" y1=\"50\" x2=\"455.4\" y2=\"420\" stroke=\"#e4e4e4\"/>\n"
                "<text x=\"455.4\" y=\"438\" text-anchor=\"middle\">1e-8</text>\n"
                "<line x1=\"502.3\" y1=\"50\" x2=\"502.3\" y2=\"420\" stroke=\"#e4e4e4\"/>\n"
                "<text x=\"502.3\" y=\"438\" text-anchor=\"middle\">1e-9</text>\n"
                "<line x1=\"549.2\" y1=\"50\" x2=\"549.2\" y2=\"420\" stroke=\"#e4e4e4\"/>\n"
                "<text x=\"549.2\" y=\"438\" text-anchor=\"middle\">1e-10</text>\n"
                "<line x1=\"596.2\" y1=\"50\" x2=\"596.2\" y2=\"420\" stroke=\"#e4e4e4\"/>\n"
                "<text x=\"596.2\" y=\"438\" text-anchor=\"middle\">1e-11</text>\n"
                "<line x1=\"643.1\" y1=\"50\" x2=\"643.1\" y2=\"420\" stroke=\"#e4e4e4\"/>\n"
                "<text x=\"643.1\" y=\"438\" text-anchor=\"middle\">1e-12</text>\n"
                "<line x1=\"690.0\" y1=\"50\" x2=\"690.0\" y2=\"420\" stroke=\"#e4e4e4\"/>\n"
                "<text x=\"690.0\" y=\"438\" text-anchor=\"middle\">1e-13</text>\n"
                "<text x=\"385\" y=\"460\" text-anchor=\"middle\">step h</text>\n"
                "<text transform=\"translate(20 235) rotate(-90)\" text-anchor=\"middle\">relative "
                "error</text>\n");
    *upright = '\0';
    expect_text(frame,
                "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"720\" height=\"480\" "
                "viewBox=\"0 0 720 480\" font-family=\"sans-serif\" font-size=\"12\">\n"
                "<rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n"
                "<text x=\"80\" y=\"28\" font-size=\"16\">error of d/dw&lt;1&gt; = 2 against the "
                "step of the difference</text>\n"
                "<line x1=\"80\" y1=\"50.0\" x2=\"690\" y2=\"50.0\" stroke=\"#e4e4e4\"/>\n"
                "<text x=\"72\" y=\"54.0\" text-anchor=\"end\">1e8</text>\n"
                "<line x1=\"80\" y1=\"64.8\" x2=\"690\" y2=\"64.8\" stroke=\"#e4e4e4\"/>\n"
                "<line x1=\"80\" y1=\"79.6\" x2=\"690\" y2=\"79.6\" stroke=\"#e4e4e4\"/>\n"
                "<text x=\"72\" y=\"83.6\" text-anchor=\"end\">1e6</text>\n"
                "<line x1=\"80\" y1=\"94.4\" x2=\"690\" y2=\"94.4\" stroke=\"#e4e4e4\"/>\n"
                "<line x1=\"80\" y1=\"109.2\" x2=\"690\" y2=\"109.2\" stroke=\"#e4e4e4\"/>\n"
                "<text x=\"72\" y=\"113.2\" text-anchor=\"end\">1e4</text>\n"
                "<line x1=\"80\" y1=\"124.0\" x2=\"690\" y2=\"124.0\" stroke=\"#e4e4e4\"/>\n"
                "<line x1=\"80\" y1=\"138.8\" x2=\"690\" y2=\"138.8\" stroke=\"#e4e4e4\"/>\n"
                "<text x=\"72\" y=\"142.8\" text-anchor=\"end\">1e2</text>\n"
                "<line x1=\"80\" y1=\"153.6\" x2=\"690\" y2=\"153.6\" stroke=\"#e4e4e4\"/>\n"
                "<line x1=\"80\" y1=\"168.4\" x2=\"690\" y2=\"168.4\" stroke=\"#e4e4e4\"/>\n"
                "<text x=\"72\" y=\"172.4\" text-anchor=\"end\">1e0</text>\n"
                "<line x1=\"80\" y1=\"183.2\" x2=\"690\" y2=\"183.2\" stroke=\"#e4e4e4\"/>\n"
                "<line x1=\"80\" y1=\"198.0\" x2=\"690\" y2=\"198.0\" stroke=\"#e4e4e4\"/>\n"
                "<text x=\"72\" y=\"202.0\" text-anchor=\"end\">1e-2</text>\n"
                "<line x1=\"80\" y1=\"212.8\" x2=\"690\" y2=\"212.8\" stroke=\"#e4e4e4\"/>\n"
                "<line x1=\"80\" y1=\"227.6\" x2=\"690\" y2=\"227.6\" stroke=\"#e4e4e4\"/>\n"
                "<text x=\"72\" y=\"231.6\" text-anchor=\"end\">1e-4</text>\n"
                "<line x1=\"80\" y1=\"242.4\" x2=\"690\" y2=\"242.4\" stroke=\"#e4e4e4\"/>\n"
                "<line x1=\"80\" y1=\"257.2\" x2=\"690\" y2=\"257.2\" stroke=\"#e4e4e4\"/>\n"
                "<text x=\"72\" y=\"261.2\" text-anchor=\"end\">1e-6</text>\n"
                "<line x1=\"80\" y1=\"272.0\" x2=\"690\" y2=\"272.0\" stroke=\"#e4e4e4\"/>\n"
                "<line x1=\"80\" y1=\"286.8\" x2=\"690\" y2=\"286.8\" stroke=\"#e4e4e4\"/>\n"
                "<text x=\"72\" y=\"290.8\" text-anchor=\"end\">1e-8</text>\n"
                "<line x1=\"80\" y1=\"301.6\" x2=\"690\" y2=\"301.6\" stroke=\"#e4e4e4\"/>\n"
                "<line x1=\"80\" y1=\"316.4\" x2=\"690\" y2=\"316.4\" stroke=\"#e4e4e4\"/>\n"
                "<text x=\"72\" y=\"320.4\" text-anchor=\"end\">1e-10</text>\n"
                "<line x1=\"80\" y1=\"331.2\" x2=\"690\" y2=\"331.2\" stroke=\"#e4e4e4\"/>\n"
                "<line x1=\"80\" y1=\"346.0\" x2=\"690\" y2=\"346.0\" stroke=\"#e4e4e4\"/>\n"
                "<text x=\"72\" y=\"350.0\" text-anchor=\"end\">1e-12</text>\n"
                "<line x1=\"80\" y1=\"360.8\" x2=\"690\" y2=\"360.8\" stroke=\"#e4e4e4\"/>\n"
                "<line x1=\"80\" y1=\"375.6\" x2=\"690\" y2=\"375.6\" stroke=\"#e4e4e4\"/>\n"
                "<text x=\"72\" y=\"379.6\" text-anchor=\"end\">1e-14</text>\n"
                "<line x1=\"80\" y1=\"390.4\" x2=\"690\" y2=\"390.4\" stroke=\"#e4e4e4\"/>\n"
                "<line x1=\"80\" y1=\"405.2\" x2=\"690\" y2=\"405.2\" stroke=\"#e4e4e4\"/>\n"
                "<text x=\"72\" y=\"409.2\" text-anchor=\"end\">1e-16</text>\n"
                "<line x1=\"80\" y1=\"420.0\" x2=\"690\" y2=\"420.0\" stroke=\"#e4e4e4\"/>\n");
}

/* Errors of 5, 50 and 500: from 0.1, where every frame begins, to 1000; of 1 and less: to 1 and no
 * further. */
Test(curve, frame_reaches_from_the_smallest_to_the_largest) {
    const struct {
        double      error[3];
        const char *first, *last;
        int         count;
        const char *lines;
    } of[] = {
        {{5, 50, 500},
         "         |.\n  1e2    |*\n",
         "         |\n          +",
         5,
         "points=\"80.0,77.8 \"/>"},
        {{1, 0.01, 1e-4},
         "  1e0    |o\n",
         "  1e-4   |.\n          +",
         5,
         "points=\"80.0,50.0 \"/>"},
        {{1e-7, 1e-5, 1e-3},
         "         |.\n  1e-4   |\n",
         "         |o\n          +",
         5,
         "points=\"80.0,420.0 \"/>"},
    };
    for (size_t k = 0; k < 3; k++) {
        const ad_curve_point point = {1, 2, of[k].error[0], 2, of[k].error[1], of[k].error[2]};
        const ad_curve       c = {"x", 2, 2, 1e-12, 1, &point};
        const char          *text = printed(&c, AD_CHARACTERS), *first = strchr(text, '\n') + 1;
        int                  count = -4; /* one line above, three below */
        for (const char *at = text; *at != '\0'; at++) count += *at == '\n';
        cr_expect(strncmp(first, of[k].first, strlen(of[k].first)) == 0 &&
                      strstr(text, of[k].last) != NULL,
                  "%s", text);
        cr_expect_eq(count, of[k].count, "%s", text);
        text = printed(&c, AD_SVG);
        cr_expect(strstr(text, of[k].lines) != NULL, "%s", text);
    }
}

Test(curve, rows_of_characters_end_without_blanks) {
    ad_curve_point point[53];
    char           want[80];
    for (int i = 0; i < 53; i++)
        point[i] = (ad_curve_point){pow(10, -i / 4.0), 2, i < 52 ? 1 : NAN, 2, NAN, NAN};
    const ad_curve c = {"x", 2, 2, 1e-12, 53, point};
    memset(want, 'o', sizeof want), memcpy(want, "\n  1e0    |", 11),
        memcpy(want + 11 + 52, "\n", 2);
    cr_expect(strstr(printed(&c, AD_CHARACTERS), want) != NULL, "%s", printed(&c, AD_CHARACTERS));
}

Test(curve, tape_is_what_it_was) {
    ad_var y = ad_exp(x);
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
    ad_tape_clear(tape);
    ad_tape *other = ad_tape_new();
    cr_expect_null(ad_check_curve(y, ad_input(other, 1), NULL));
    cr_expect_str_eq(ad_tape_message(tape), "ad_check_curve: operand 2 belongs to another tape");
    ad_tape_free(other);
    ad_tape_clear(tape);
    const ad_mark mark = ad_tape_mark(tape);
    const ad_var  stale = ad_exp(y);
    ad_tape_rewind(tape, mark);
    cr_expect_null(ad_check_curve(stale, x, NULL));
    cr_expect_eq(ad_tape_status(tape), AD_STALE);
    cr_expect(strstr(ad_tape_message(tape), "operand 1") != NULL, "%s", ad_tape_message(tape));
    const ad_curve none = {.name = "x"};
    cr_expect_eq(ad_curve_print(&none, AD_TSV, NULL), AD_BAD_ARGUMENT);
    cr_expect_eq(ad_curve_print(&none, (ad_picture)9, stdout), AD_BAD_ARGUMENT);
    cr_expect_eq(ad_curve_print(NULL, AD_TSV, stdout), AD_NO_MEMORY);
    ad_curve_free(NULL);
}
