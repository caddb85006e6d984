/* rules.c - tests of the texts of partials as steps: what they compute is what the compiler makes
 * of the same text, and its slope is the derivative of that. */
#include "engine/tape/rules.h"
#include "support.h"

#include "expect.h"

static ad_tape *tape;

static void make(void) {
    tape = ad_tape_new();
}
static void drop(void) {
    ad_tape_free(tape);
}

TestSuite(rules, .init = make, .fini = drop);

static const double points[] = {0.3,  -0.7, 1.7,  -2.3, 0.55, 2.6,      7.25,      -30,
                                12.5, 0,    -0.0, 1,    -1,   INFINITY, -INFINITY, NAN};
enum { POINTS = sizeof points / sizeof *points };

static double compiled(ad__row_number r, int operand, double x, double y, double v) {
    return operand == 0 ? ad__row_dx(r, x, y, v) : ad__row_dy(r, x, y, v);
}

static bool same(double a, double b) {
    return same_bits(a, b) || (isnan(a) && isnan(b));
}

Test(rules, compute_what_the_compiler_makes_of_the_text_to_the_bit) {
    for (int k = 0; k < ROWS * 2 * POINTS * POINTS; k++) {
        const ad__row_number r = (ad__row_number)(k / (2 * POINTS * POINTS));
        const int            operand = k / (POINTS * POINTS) % 2;
        const double         x = points[k / POINTS % POINTS], y = points[k % POINTS],
                     v = ad__row_value(r, x, y);
        if (operand == 1 && ad__rows[r].operands == 1) continue;
        const ad__rule *rule = ad__rule_of_row(tape, r, operand);
        cr_assert_not_null(rule, "%s", ad_tape_message(tape));
        const double want = compiled(r, operand, x, y, v);
        const double got =
            ad__rule_dual(rule, (ad__dual){x, 1}, (ad__dual){y, 1}, (ad__dual){v, 1}).value;
        const double noted = ad_value(ad__rule_record(rule, ad_num(x), ad_num(y), ad_num(v)));
        cr_expect(same(got, want), "%s, operand %d, at (%g, %g): %.17g, not %.17g", rows[r].name,
                  operand, x, y, got, want);
        cr_expect(noted == want || same(noted, want),
                  "%s, operand %d, at (%g, %g): recorded %.17g, not %.17g", rows[r].name, operand,
                  x, y, noted, want);
    }
}

/* The partial along a line through (x, y), the result moving with it. */
typedef struct line {
    ad__row_number r;
    int            operand;
    double         x, y, dx, dy, side;
} line;

static double along(double t, void *context) {
    const line  *l = context;
    const double x = l->x + t * l->dx, y = l->y + t * l->dy, v = ad__row_value(l->r, x, y);
    return ad__row_side(l->r, x, y, v) == l->side ? compiled(l->r, l->operand, x, y, v) : NAN;
}

static int check_slope(ad__row_number r, int operand, double x, double y, double dx, double dy) {
    const double   v = ad__row_value(r, x, y);
    const line     l = {r, operand, x, y, dx, dy, ad__row_side(r, x, y, v)};
    const estimate e = differences(along, (void *)(uintptr_t)&l, 0, 0.03125);
    const double   moved =
        (dx != 0 ? ad__row_dx(r, x, y, v) * dx : 0) + (dy != 0 ? ad__row_dy(r, x, y, v) * dy : 0);
    /* NaN: a pole, between two points of the stencil */
    if (!(e.error <= 1e-7 * fmax(1, fabs(e.value))) || isnan(v)) return 0;
    const ad__rule *rule = ad__rule_of_row(tape, r, operand);
    const double    got =
        ad__rule_dual(rule, (ad__dual){x, dx}, (ad__dual){y, dy}, (ad__dual){v, moved}).slope;
    cr_expect(fabs(got - e.value) <= 10 * e.error + 1e-9 * fabs(e.value),
              "%s, operand %d, at (%g, %g): slope %.17g, differences say %.17g +- %.1g",
              rows[r].name, operand, x, y, got, e.value, e.error);
    return 1;
}

Test(rules, slopes_agree_with_differences_of_the_partials) {
    for (int r = 0; r < ROWS; r++) {
        const ad__row_number number = (ad__row_number)r;
        if (number == AD__ROW_polygamma) continue; /* whole orders only; below */
        for (int operand = 0; operand < rows[r].operands; operand++) {
            int checked = 0;
            for (int k = 0; k < 81; k++) {
                const double x = points[k / 9], y = points[k % 9 == k / 9 ? (k + 1) % 9 : k % 9];
                checked += check_slope(number, operand, x, y, 1, 0);
                if (rows[r].operands == 2) checked += check_slope(number, operand, x, y, 0.25, -1);
            }
            cr_expect(checked >= 5, "%s, operand %d: %d places", rows[r].name, operand, checked);
        }
    }
    cr_expect(check_slope(AD__ROW_polygamma, 1, 2, 1.7, 0, 1) &&
              check_slope(AD__ROW_polygamma, 1, 0, -0.7, 0, 1));
}

/* x*1 + 0 and the like are not recorded, and of a choice that is known only one side is. */
Test(rules, steps_of_the_recorder_are_simplified) {
    const ad_var x = ad_input(tape, 3), v = ad_mul(x, x);
    const size_t before = ad_tape_length(tape);
    const ad_var dx = ad__rule_record(ad__rule_of_row(tape, AD__ROW_pow, 0), x, ad_num(2), v);
    cr_expect_eq(ad_value(dx), 6);
    cr_expect_eq(ad_tape_length(tape), before + 1, "2*x^(2 - 1) is one product");
}

Test(rules, zero_times_what_is_not_finite_stays_what_it_is) {
    const ad_var x = ad_input(tape, INFINITY);
    cr_expect(isnan(ad_value(ad__record_simplified(AD__ROW_mul, ad_num(0), x))));
    cr_expect_eq(ad__record_simplified(AD__ROW_mul, ad_num(0), ad_input(tape, 2)).tape, NULL);
}

/* Each rule has a place of its own, and is made once; what they take is counted with the tape. */
Test(rules, of_a_tape_stand_apart) {
    const ad__rule *all[2 * ROWS + 2];
    size_t          n = 0;
    const size_t    before = ad_tape_bytes(tape);
    for (int r = 0; r < ROWS; r++)
        for (int operand = 0; operand < rows[r].operands; operand++)
            all[n++] = ad__rule_of_row(tape, (ad__row_number)r, operand);
    for (uint8_t code = AD__sum; code <= AD__dot; code++)
        all[n++] = ad__rule_of_reduction(tape, code);
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < i; j++) cr_expect_neq(all[i], all[j], "%zu, %zu", i, j);
    cr_expect_eq(ad__rule_of_row(tape, AD__ROW_mul, 1), ad__rule_of_row(tape, AD__ROW_mul, 1));
    cr_expect_gt(ad_tape_bytes(tape), before + 1000);
    const ad__dual x = {3, 1}, y = {5, 0}, v = {7, 0};
    cr_expect_eq(ad__rule_dual(ad__rule_of_reduction(tape, AD__sum), x, y, v).value, 1);
    cr_expect_eq(ad__rule_dual(ad__rule_of_reduction(tape, AD__dot), x, y, v).value, 5);
}

static bool is_number(ad_var x, double number) {
    return x.tape == NULL && ad__number_of(x) == number;
}

/* What is 0 or 1 as a plain number leaves the other as it is; a node that happens to be is
 * recorded. */
Test(rules, simplified_operations_record_nothing) {
    const ad_var x = ad_input(tape, 3), zero = ad_num(0), one = ad_num(1), minus = ad_num(-1);
    const size_t before = ad_tape_length(tape);
    const ad_var kept[] = {
        ad__record_simplified(AD__ROW_add, zero, x), ad__record_simplified(AD__ROW_add, x, zero),
        ad__record_simplified(AD__ROW_sub, x, zero), ad__record_simplified(AD__ROW_mul, one, x),
        ad__record_simplified(AD__ROW_mul, x, one),  ad__record_simplified(AD__ROW_div, x, one),
        ad__record_simplified(AD__ROW_pow, x, one)};
    for (size_t i = 0; i < sizeof kept / sizeof *kept; i++)
        cr_expect(kept[i].tape == tape && ad__node_of(kept[i]) == ad__node_of(x), "%zu", i);
    cr_expect(is_number(ad__record_simplified(AD__ROW_mul, zero, x), 0) &&
              is_number(ad__record_simplified(AD__ROW_mul, x, zero), 0) &&
              is_number(ad__record_simplified(AD__ROW_pow, x, zero), 1));
    cr_expect_eq(ad_tape_length(tape), before);
    const struct {
        ad__row_number row;
        ad_var         x, y;
        double         want;
    } recorded[] = {{AD__ROW_sub, zero, x, -3},     {AD__ROW_mul, minus, x, -3},
                    {AD__ROW_mul, x, minus, -3},    {AD__ROW_mul, ad_num(2), x, 6},
                    {AD__ROW_add, one, x, 4},       {AD__ROW_add, x, one, 4},
                    {AD__ROW_sub, x, one, 2},       {AD__ROW_sub, one, x, -2},
                    {AD__ROW_div, one, x, 1.0 / 3}, {AD__ROW_div, x, ad_num(2), 1.5},
                    {AD__ROW_pow, x, ad_num(2), 9}, {AD__ROW_exp, x, x, 0}};
    for (size_t i = 0; i < sizeof recorded / sizeof *recorded; i++) {
        const ad_var v = ad__record_simplified(recorded[i].row, recorded[i].x, recorded[i].y);
        cr_expect_eq(ad_value(v), recorded[i].row == AD__ROW_exp ? exp(3) : recorded[i].want,
                     "%zu: %g", i, ad_value(v));
        cr_expect_eq(ad_tape_length(tape), before + i + 1, "%zu", i);
    }
    const uint8_t negated = tape->code[before + 0];
    cr_expect(negated == AD__neg && tape->code[before + 1] == AD__neg &&
              tape->code[before + 2] == AD__neg);
}

/* ---- what does not fit ----------------------------------------------------------------------- */

/* x + 1 + 2 + ...: each number takes a slot, and so does each addition. */
static const char *sum_of(int terms, char text[400]) {
    strcpy(text, "x");
    for (int i = 1; i <= terms; i++) snprintf(text + strlen(text), 400 - strlen(text), " + %d", i);
    return text;
}

static void expect_refused(unsigned number, const char *text, const char *reason) {
    cr_expect_null(ad__rule_at(tape, number, text));
    cr_expect_eq(ad_tape_status(tape), AD_UNSUPPORTED);
    cr_expect_not_null(strstr(ad_tape_message(tape), reason), "%s", ad_tape_message(tape));
    ad_tape_clear(tape);
}

static double computed(const ad__rule *rule, double x) {
    cr_assert_not_null(rule, "%s", ad_tape_message(tape));
    return ad__rule_dual(rule, (ad__dual){x, 1}, (ad__dual){0, 0}, (ad__dual){0, 0}).value;
}

Test(rules, text_of_too_many_numbers_is_refused_and_the_next_is_made) {
    char text[400];
    cr_expect_eq(computed(ad__rule_at(tape, 0, sum_of(30, text)), 0.5), 465.5); /* 30*31/2 + x */
    expect_refused(1, sum_of(31, text), "more than 64");                        /* 3 + 2*31 slots */
    expect_refused(1, sum_of(61, text), "more than 64");                        /* nodes alone */
    cr_expect_eq(computed(ad__rule_at(tape, 1, sum_of(2, text)), 0.5), 3.5,
                 "its number is free again");
    cr_expect_eq(computed(ad__rule_at(tape, 0, "y"), 0.5), 465.5, "what was made stays");
}

/* An operation takes a slot and a step, a number a slot: sums fill the slots first, signs the
 * steps. */
static void expect_full(const char *text, double want) {
    unsigned made = 0;
    while (made < 2 * AD__ROWS && ad__rule_at(tape, made, text) != NULL) made++;
    cr_assert(made > 10 && made < 2 * AD__ROWS, "%u", made);
    cr_expect_not_null(strstr(ad_tape_message(tape), "no space"), "%s", ad_tape_message(tape));
    ad_tape_clear(tape);
    expect_refused(made, text, "no space");
    for (unsigned i = 0; i < made; i++)
        cr_expect_eq(computed(ad__rule_at(tape, i, ""), 0.5), want, "%u", i);
}

Test(rules, more_numbers_than_there_is_space_for_are_refused) {
    char text[400];
    expect_full(sum_of(30, text), 465.5);
}

Test(rules, more_steps_than_there_is_space_for_are_refused) {
    char text[400] = "";
    for (int i = 0; i < 40; i++) strcat(text, "-(");
    strcat(text, "x");
    for (int i = 0; i < 40; i++) strcat(text, ")");
    expect_full(text, 0.5);
}

Test(rules, condition_that_is_no_operation_is_refused) {
    expect_refused(0, "x ? 1 : 2", "decides by a name");
    cr_expect_eq(computed(ad__rule_at(tape, 0, "x != 0 ? 1 : 2"), 0.5), 1);
}
