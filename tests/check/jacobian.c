/* jacobian.c - tests of engine/check/jacobian.c: right Jacobians do not fail, and each wrong one
 * fails and names an entry that is wrong. */
#include "check_vectors.h"

static ad_check_report *check_case(const vector_point *p, const double claimed[]) {
    ad_check_report *r = ad_check_vector(p->of->f, NULL, p->of->n, p->x, p->of->m, claimed, NULL);
    cr_assert_not_null(r);
    return r;
}

/* ---- right and wrong ones -------------------------------------------------------------------- */

Test(jacobian, right_ones_do_not_fail) {
    for (size_t k = 0; k < VECTOR_CASES; k++) {
        for (uint64_t seed = 1; seed <= 4; seed++) {
            const vector_point p = point_of(k, seed);
            ad_check_report   *r = check_case(&p, p.j);
            cr_expect(ad_check_verdict(r) <= AD_WEAK, "%s %zu %zu: %s", p.of->name, p.of->n,
                      p.of->m, printed(r, AD_TEXT));
            cr_expect_eq(r->outputs, p.of->m);
            ad_check_free(r);
            free_point(p);
        }
    }
}

/* Of each kind of mistake, one Jacobian. False: this one is not changed by it. */
enum { SIGN, DOUBLED, OFF_1E_3, OFF_1E_4, ZEROED, TRANSPOSED, ROWS_SWAPPED, NO_COLUMN, MISTAKES };

static bool spoil_entry(size_t count, double j[], size_t which, double factor) {
    size_t nonzero = 0, seen = 0;
    for (size_t i = 0; i < count; i++) nonzero += fabs(j[i]) > 1e-3;
    for (size_t i = 0; i < count; i++)
        if (fabs(j[i]) > 1e-3 && seen++ == which % nonzero) {
            j[i] *= factor;
            return true;
        }
    return false;
}

static bool spoil(const vector_point *p, int mistake, size_t which, double j[]) {
    static const double factor[] = {-1, 2, 1 + 1e-3, 1 - 1e-4, 0};
    const size_t        n = p->of->n, m = p->of->m;
    const size_t        a = which % m, b = (which + 1 + which / m % (m > 1 ? m - 1 : 1)) % m;
    memcpy(j, p->j, n * m * sizeof *j);
    if (mistake <= ZEROED) return spoil_entry(n * m, j, which, factor[mistake]);
    for (size_t i = 0; i < m; i++)
        for (size_t k = 0; k < n; k++) {
            if (mistake == TRANSPOSED && m == n) j[i * n + k] = p->j[k * n + i];
            if (mistake == ROWS_SWAPPED && i == a) j[i * n + k] = p->j[b * n + k];
            if (mistake == ROWS_SWAPPED && i == b) j[i * n + k] = p->j[a * n + k];
            if (mistake == NO_COLUMN && k == which % n) j[i * n + k] = 0;
        }
    for (size_t i = 0; i < n * m; i++)
        if (fabs(j[i] - p->j[i]) > 1e-4 * fabs(p->j[i]) && fabs(p->j[i]) > 1e-3) return true;
    return false;
}

/* A failure of an entry names one that is wrong; one that is right is not accused. */
static void expect_culprits(const ad_check_report *r, const vector_point *p, const double j[],
                            int mistake) {
    const size_t n = p->of->n;
    size_t       named = 0;
    cr_expect_eq(ad_check_verdict(r), AD_FAIL, "%s %zu %zu, mistake %d: %s", p->of->name, n,
                 p->of->m, mistake, printed(r, AD_TEXT));
    for (size_t i = 0; i < r->lines; i++) {
        const ad_check_line *l = &r->line[i];
        if (l->verdict != AD_FAIL || l->coordinate == SIZE_MAX) continue;
        cr_assert_neq(l->output, SIZE_MAX);
        const size_t entry = l->output * n + l->coordinate;
        cr_expect(l->claimed == j[entry] && j[entry] != p->j[entry], "%s: %s", p->of->name,
                  l->name);
        named++;
    }
    cr_expect_gt(named, 0, "%s %zu %zu, mistake %d: %s", p->of->name, n, p->of->m, mistake,
                 printed(r, AD_TEXT));
}

Test(jacobian, wrong_ones_fail_and_name_an_entry) {
    size_t wrong[MISTAKES] = {0};
    for (size_t k = 0; k < VECTOR_CASES; k++) {
        const vector_point p = point_of(k, 1);
        double            *j = malloc(p.of->n * p.of->m * sizeof *j);
        for (int mistake = 0; mistake < MISTAKES; mistake++) {
            /* many entries: thousands of calls each */
            for (size_t which = 0; which < (p.of->n * p.of->m > 400 ? 1 : 4); which++) {
                if (!spoil(&p, mistake, 7 * which + 1, j)) continue;
                ad_check_report *r = check_case(&p, j);
                expect_culprits(r, &p, j, mistake);
                ad_check_free(r);
                wrong[mistake]++;
            }
        }
        free(j);
        free_point(p);
    }
    for (int mistake = 0; mistake < MISTAKES; mistake++)
        cr_expect_gt(wrong[mistake], mistake == TRANSPOSED ? 60 : 150, "mistake %d: %zu", mistake,
                     wrong[mistake]);
}

/* ---- what a report says ---------------------------------------------------------------------- */

/* (a b, a + 3 b, sin a) */
static void three(size_t n, const double x[], size_t m, double y[], void *context) {
    const double of[] = {x[0] * x[1], x[0] + 3 * x[1], sin(x[0])};
    (void)n, (void)context;
    memcpy(y, of, m * sizeof *y);
}

static const double three_j[] = {0.7, 2, 1, 3, -0.41614683654714241, 0}; /* at (2, 0.7): cos 2 */

Test(jacobian, lines_say_which_output_and_which_coordinate) {
    static const char *const names[] = {"y[0]/x[0]", "y[0]/x[1]", "y[1]/x[0]",
                                        "y[1]/x[1]", "y[2]/x[0]", "y[2]/x[1]"};
    ad_check_report         *r = ad_check_vector(three, NULL, 2, VALUES(2, 0.7), 3, three_j, NULL);
    expect_lines(r, 6, names);
    for (size_t i = 0; i < 6; i++)
        cr_expect(r->line[i].output == i / 2 && r->line[i].coordinate == i % 2 &&
                  r->line[i].claimed == three_j[i]);
    cr_expect_eq(ad_check_verdict(r), AD_WEAK);
    cr_expect_eq(ad_check_coordinate(r, 0), AD_PASS);
    cr_expect_eq(ad_check_coordinate(r, 1), AD_WEAK, "y[2] does not depend on it");
    cr_expect_float_eq(r->taylor, 2, 0.1);
    cr_expect(isnan(r->value) && r->outputs == 3 && !r->has_tape);
    cr_expect(strncmp(printed(r, AD_TEXT), "gradcheck: WEAK  1 of 6 (5 pass)  3 outputs  ", 44) ==
                  0,
              "%s", printed(r, AD_TEXT));
    cr_expect(strstr(printed(r, AD_JSON), "\"coordinate\":1,\"output\":2,") != NULL);
    ad_check_free(r);
    r = ad_check_function(ramp, NULL, 1, VALUES(1), VALUES(1), NULL);
    cr_expect(r->line[0].output == SIZE_MAX && r->outputs == 0);
    ad_check_free(r);
}

Test(jacobian, right_one_is_said_to_agree) {
    const double     x[] = {0.3, 2};
    ad_check_report *r = ad_check_vector(three, NULL, 2, x, 2, VALUES(2, 0.3, 1, 3), NULL);
    cr_expect_str_eq(r->message, "the Jacobian agrees with differences");
    cr_expect_eq(ad_check_verdict(r), AD_PASS);
    ad_check_free(r);
}

Test(jacobian, names_of_blocks_follow_the_output) {
    const ad_check_block blocks[] = {{"w", 2, (const size_t[]){1, 1}}, {"b", 0, NULL}};
    const double         claimed[] = {0.7, 2, 1, 3.1, cos(2), 0};
    ad_check_report     *r = ad_check_vector(three, NULL, 2, VALUES(2, 0.7), 3, claimed,
                                             &(ad_check_options){.blocks = 2, .block = blocks});
    cr_expect_str_eq(r->message, "the claimed Jacobian is wrong, first at y[1]/b");
    cr_expect_str_eq(r->line[0].name, "y[0]/w[0][0]");
    cr_expect_eq(ad_check_coordinate(r, 1), AD_FAIL);
    cr_expect_eq(ad_check_coordinate(r, 0), AD_PASS);
    ad_check_free(r);
}

static void alike(size_t n, const double x[], size_t m, double y[], void *context) {
    (void)n;
    ++*(size_t *)context;
    for (size_t i = 0; i < m; i++) y[i] = exp(x[0]) * x[1];
}

/* As many calls as for the gradient of one output, whatever the number of outputs. */
Test(jacobian, function_is_called_once_for_each_point) {
    size_t calls[2] = {0};
    double j[60];
    for (size_t i = 0; i < 60; i++) j[i] = exp(0.5) * (i % 2 == 0 ? 3 : 1);
    for (size_t k = 0; k < 2; k++) {
        ad_check_report *r =
            ad_check_vector(alike, &calls[k], 2, VALUES(0.5, 3), k == 0 ? 1 : 30, j, NULL);
        cr_expect_eq(ad_check_verdict(r), AD_PASS);
        cr_expect_eq(r->evaluations, calls[k]);
        ad_check_free(r);
    }
    cr_expect_eq(calls[1], calls[0]);
}

/* 200 x 200 entries, of which one is wrong: found without a call for each output or coordinate. */
Test(jacobian, culprit_among_many_is_bisected_to_row_and_column) {
    enum { SIDE = 200 };
    static double x[SIDE], j[SIDE * SIDE];
    uint64_t      state = 5;
    for (int i = 0; i < SIDE; i++) x[i] = random_uniform(&state, -1, 1);
    linear_j(SIDE, x, SIDE, j);
    j[123 * SIDE + 45] *= 1.001;
    ad_check_report     *r = ad_check_vector(linear, NULL, SIDE, x, SIDE, j, NULL);
    const ad_check_line *l = line_called(r, "y[123]/x[45]");
    cr_expect_str_eq(r->message, "the claimed Jacobian is wrong, first at y[123]/x[45]");
    cr_assert(l != NULL && line_called(r, "y[123]/all of x") != NULL &&
                  line_called(r, "all of y/all of x") != NULL && r->lines == 3,
              "%s", printed(r, AD_TEXT));
    cr_expect(l->output == 123 && l->coordinate == 45 && l->verdict == AD_FAIL);
    cr_expect_lt(r->evaluations, 9000, "%zu", r->evaluations);
    cr_expect_eq(ad_check_coordinate(r, 45), AD_FAIL);
    cr_expect_eq(ad_check_coordinate(r, 44), AD_INCONCLUSIVE);
    ad_check_free(r);
}

Test(jacobian, blocks_of_many_are_checked_apart) {
    enum { N = 60, M = 20 };
    const ad_check_block   blocks[] = {{"left", 1, (const size_t[]){40}},
                                       {"none", 1, (const size_t[]){0}},
                                       {"right", 2, (const size_t[]){4, 5}}};
    static double          x[N], j[N * M];
    const ad_check_options o = {.blocks = 3, .block = blocks};
    linear_j(N, x, M, j);
    j[3 * N + 52] += 1;
    ad_check_report *r = ad_check_vector(linear, NULL, N, x, M, j, &o);
    cr_expect_str_eq(r->message, "the claimed Jacobian is wrong, first at y[3]/right[2][2]");
    cr_expect(line_called(r, "all of y/left") != NULL && line_called(r, "y[3]/right") != NULL);
    cr_expect_eq(ad_check_coordinate(r, 39), AD_PASS);
    cr_expect_eq(ad_check_coordinate(r, 40), AD_INCONCLUSIVE);
    ad_check_free(r);
}

/* At most eight culprits are looked up. */
Test(jacobian, eight_culprits_are_looked_up) {
    enum { SIDE = 40 };
    static double    x[SIDE], j[SIDE * SIDE];
    size_t           failed = 0;
    ad_check_report *r = ad_check_vector(linear, NULL, SIDE, x, SIDE, j, NULL); /* all zeros */
    for (size_t i = 0; i < r->lines; i++)
        failed += r->line[i].verdict == AD_FAIL && r->line[i].coordinate != SIZE_MAX;
    cr_expect_eq(failed, 8, "%s", printed(r, AD_TEXT));
    ad_check_free(r);
}

Test(jacobian, given_direction_is_the_only_one) {
    const double     claimed[] = {0.7, 2, 1, 3, cos(2), 99};
    ad_check_options o = {.direction = VALUES(1, 0)};
    ad_check_report *r = ad_check_vector(three, NULL, 2, VALUES(2, 0.7), 3, claimed, &o);
    cr_expect(r->lines == 3 && ad_check_verdict(r) == AD_PASS, "%s", printed(r, AD_TEXT));
    cr_expect_str_eq(r->line[2].name, "y[2]/direction");
    cr_expect(isnan(r->taylor));
    ad_check_free(r);
    o.direction = VALUES(1, 1), o.coordinates = 2;
    r = ad_check_vector(three, NULL, 2, VALUES(2, 0.7), 3, claimed, &o);
    cr_expect_eq(ad_check_verdict(r), AD_FAIL);
    cr_assert_not_null(line_called(r, "y[2]/direction"), "%s", printed(r, AD_TEXT));
    cr_expect_null(line_called(r, "y[1]/direction"));
    ad_check_free(r);
}

/* ---- where there is no derivative ------------------------------------------------------------ */

/* |x0|, max(x0, x1), x0 x1, from the fourth on 2 x0 */
static void bent(size_t n, const double x[], size_t m, double y[], void *context) {
    (void)n, (void)context;
    for (size_t i = 0; i < m; i++)
        y[i] = i == 0 ? fabs(x[0]) : i == 1 ? fmax(x[0], x[1]) : i == 2 ? x[0] * x[1] : 2 * x[0];
}

static void bent_claims(size_t m, double j[]) {
    for (size_t i = 0; i < m; i++) j[2 * i] = i > 2 ? 2 : 0, j[2 * i + 1] = 0;
    j[0] = 0.25, j[2] = 0.75, j[3] = 0.25;
}

Test(jacobian, kinks_are_of_entries) {
    double j[6];
    bent_claims(3, j);
    ad_check_report *r = ad_check_vector(bent, NULL, 2, VALUES(0, 0), 3, j, NULL);
    cr_expect_eq(ad_check_verdict(r), AD_KINK);
    cr_expect_eq(line_called(r, "y[0]/x[0]")->verdict, AD_KINK);
    cr_expect_eq(line_called(r, "y[1]/x[1]")->verdict, AD_KINK);
    cr_expect_leq(line_called(r, "y[0]/x[1]")->verdict, AD_WEAK, "%s", printed(r, AD_TEXT));
    cr_expect(strstr(r->message, "in y[0]/x[0] the function has a kink at x") != NULL, "%s",
              r->message);
    ad_check_free(r);
    j[0] = 1.5;
    r = ad_check_vector(bent, NULL, 2, VALUES(0, 0), 3, j, NULL);
    cr_expect_str_eq(r->message, "the claimed Jacobian is wrong, first at y[0]/x[0]");
    ad_check_free(r);
}

/* Claims between the slopes of the sides in each output need not be so in a sum of outputs. */
Test(jacobian, kinks_among_many_entries_do_not_fail) {
    enum { M = 200 };
    double j[2 * M];
    bent_claims(M, j);
    for (uint64_t seed = 1; seed < 40; seed++) {
        const ad_check_options o = {.seed = seed};
        ad_check_report       *r = ad_check_vector(bent, NULL, 2, VALUES(0, 0), M, j, &o);
        cr_expect_eq(ad_check_verdict(r), AD_KINK, "%s", printed(r, AD_TEXT));
        ad_check_free(r);
    }
    j[2 * 77] = 2.002;
    ad_check_report *r = ad_check_vector(bent, NULL, 2, VALUES(0, 0), M, j, NULL);
    cr_expect_str_eq(r->message, "the claimed Jacobian is wrong, first at y[77]/x[0]", "%s",
                     printed(r, AD_TEXT));
    ad_check_free(r);
}

/* log of the difference in y[1]; the others are linear; y[3] is not written at all */
static void partly(size_t n, const double x[], size_t m, double y[], void *context) {
    (void)n, (void)context;
    for (size_t i = 0; i < m; i++)
        if (i != 3) y[i] = i == 1 ? log(x[0] - x[1]) : (double)(i + 1) * x[0] + x[1];
}

static void partly_claims(size_t m, double j[]) {
    for (size_t i = 0; i < m; i++) j[2 * i] = (double)(i + 1), j[2 * i + 1] = 1;
}

Test(jacobian, output_without_a_value_is_named_and_the_others_checked) {
    for (size_t m = 4; m <= 100; m += 96) {
        double j[200];
        partly_claims(m, j);
        ad_check_report *r = ad_check_vector(partly, NULL, 2, VALUES(1, 2), m, j, NULL);
        cr_expect_eq(ad_check_verdict(r), AD_DOMAIN);
        cr_expect_str_eq(r->message, "y[1] has no finite value at x: it has no derivative there",
                         "%s", printed(r, AD_TEXT));
        cr_expect_eq(ad_check_coordinate(r, 0), AD_DOMAIN);
        cr_assert(line_called(r, "y[3]") != NULL && line_called(r, "y[1]")->output == 1);
        cr_expect_eq(r->count[AD_DOMAIN], 2);
        cr_expect_gt(r->count[AD_PASS], 3, "%s", printed(r, AD_TEXT));
        ad_check_free(r);
        j[2 * (m - 2)] += 1e-3; /* y[2] or y[98] */
        r = ad_check_vector(partly, NULL, 2, VALUES(1, 2), m, j, NULL);
        cr_expect(ad_check_verdict(r) == AD_FAIL && strstr(r->message, "first at y[") != NULL, "%s",
                  r->message);
        ad_check_free(r);
    }
}

static void nothing(size_t n, const double x[], size_t m, double y[], void *context) {
    (void)n, (void)x, (void)m, (void)y, (void)context;
}

Test(jacobian, function_that_writes_nothing_has_no_derivative) {
    ad_check_report *r = ad_check_vector(nothing, NULL, 1, VALUES(1), 2, VALUES(1, 2), NULL);
    cr_expect(ad_check_verdict(r) == AD_DOMAIN && ad_check_coordinate(r, 0) == AD_DOMAIN &&
              r->lines == 0);
    cr_expect_str_eq(r->message,
                     "no output has a finite value at x, y[0] is nan: there is no derivative");
    ad_check_free(r);
}

Test(jacobian, claims_that_are_not_finite_fail) {
    double           claimed[] = {0.7, 2, 1, NAN, cos(2), 0};
    ad_check_report *r = ad_check_vector(three, NULL, 2, VALUES(2, 0.7), 3, claimed, NULL);
    cr_expect_str_eq(r->message, "the claimed Jacobian is wrong, first at y[1]/x[1]");
    ad_check_free(r);
    enum { SIDE = 30 };
    static double x[SIDE], j[SIDE * SIDE];
    linear_j(SIDE, x, SIDE, j);
    j[5 * SIDE + 7] = INFINITY, j[9] *= 1.01;
    r = ad_check_vector(linear, NULL, SIDE, x, SIDE, j, NULL);
    cr_assert(line_called(r, "y[5]/x[7]") != NULL && line_called(r, "y[0]/x[9]") != NULL, "%s",
              printed(r, AD_TEXT));
    cr_expect_eq(line_called(r, "y[5]/x[7]")->verdict, AD_FAIL);
    cr_expect_eq(r->count[AD_FAIL], 1 + 2 + 2, "%s", printed(r, AD_TEXT));
    ad_check_free(r);
}

Test(jacobian, x_that_is_not_finite_is_the_edge_of_every_domain) {
    enum { SIDE = 30 };
    static double    x[SIDE], j[SIDE * SIDE];
    ad_check_report *r =
        ad_check_vector(partly, NULL, 2, VALUES(1, -INFINITY), 1, VALUES(1, 1), NULL);
    cr_expect_eq(ad_check_verdict(r), AD_DOMAIN);
    ad_check_free(r);
    for (int i = 0; i < SIDE; i++) x[i] = 0.1 * i;
    x[4] = INFINITY;
    each_j(SIDE, x, SIDE, j);
    j[4 * SIDE + 4] = 0;
    r = ad_check_vector(each, NULL, SIDE, x, SIDE, j, NULL);
    cr_expect_eq(ad_check_coordinate(r, 4), AD_DOMAIN);
    cr_expect_eq(ad_check_verdict(r), AD_DOMAIN, "%s", printed(r, AD_TEXT));
    ad_check_free(r);
}

/* ---- functions that are not the same again --------------------------------------------------- */

static void drifting(size_t n, const double x[], size_t m, double y[], void *context) {
    size_t *calls = context;
    (void)n, (void)m;
    y[0] = x[0], y[1] = 2 * x[0] + 1e-9 * (double)(++*calls > y[0] * 100 ? *calls : 0);
}

Test(jacobian, function_that_is_not_deterministic_names_the_output) {
    for (size_t from = 0; from <= 100; from += 100) { /* at once, or at last */
        size_t           calls = 100 - from;
        ad_check_report *r = ad_check_vector(drifting, &calls, 1, VALUES(1), 2, VALUES(1, 2), NULL);
        cr_expect(ad_check_verdict(r) == AD_UNSTABLE && ad_check_coordinate(r, 0) == AD_UNSTABLE);
        cr_expect(strncmp(r->message,
                          "the function is not deterministic: for the same x y[1] was 2", 60) == 0,
                  "%s", r->message);
        ad_check_free(r);
    }
}

static void vandal(size_t n, const double x[], size_t m, double y[], void *context) {
    three(n, x, m, y, context);
    ((double *)(uintptr_t)x)[0] = 77;
}

Test(jacobian, function_may_write_into_x) {
    ad_check_report *r =
        ad_check_vector(vandal, NULL, 2, VALUES(2, 0.7), 2, VALUES(0.7, 2, 1, 3), NULL);
    cr_expect_eq(ad_check_verdict(r), AD_PASS, "%s", printed(r, AD_TEXT));
    ad_check_free(r);
}

/* ---- arguments ------------------------------------------------------------------------------- */

Test(jacobian, arguments_are_asked_about) {
    const double     x[] = {1, 2};
    ad_check_options bad = {0};
    expect_refused(ad_check_vector(NULL, NULL, 2, x, 1, x, NULL), AD_BAD_ARGUMENT);
    expect_refused(ad_check_vector(three, NULL, 2, NULL, 3, x, NULL), AD_BAD_ARGUMENT);
    expect_refused(ad_check_vector(three, NULL, 2, x, 3, NULL, NULL), AD_BAD_ARGUMENT);
    expect_refused(ad_check_vector(three, NULL, 0, NULL, 3, NULL, NULL), AD_OK);
    expect_refused(ad_check_vector(three, NULL, 2, x, 0, NULL, NULL), AD_OK);
    bad.rtol = -1;
    expect_refused(ad_check_vector(three, NULL, 2, x, 3, x, &bad), AD_BAD_ARGUMENT);
    bad = (ad_check_options){.blocks = 1, .block = &(ad_check_block){.name = "w"}};
    expect_refused(ad_check_vector(three, NULL, 2, x, 3, x, &bad), AD_BAD_ARGUMENT);
    bad = (ad_check_options){.reserved = {1}};
    expect_refused(ad_check_vector(three, NULL, 2, x, 3, x, &bad), AD_BAD_ARGUMENT);
    ad_check_report *r = ad_check_vector(three, NULL, 2, x, 0, NULL, NULL);
    cr_expect_str_eq(r->message, "m = 0: there is nothing to check");
    ad_check_free(r);
}
