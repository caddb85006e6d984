/* body.c - tests of engine/program/body.c: one operation over lanes whose operands stand side by
 * side, in one home, in a list or in a row, for numbers of lanes that are whole eights or not; held
 * to a loop. */
#include "engine/program/body.h"
#include "support.h"

#include "expect.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum {
    LANES = 16,
    COUNT = 21,
    X = 0,
    ONE = 32,
    RESULT = 40,
    HOMES = 80,
    ROWS_INSIDE = 2,
    OPERANDS_MOST = 4
};

static ad_tape    *tape;
static ad_program *p;
static double      u[HOMES], adjoint[HOMES],
    space[(2 * ROWS_INSIDE + AD__BODY_SPARE + OPERANDS_MOST) * LANES];
static const double *operand[OPERANDS_MOST];
static uint32_t      list[COUNT];
static ad__source    source[OPERANDS_MOST];
static ad__lanes     b;

/* Any program has the kernels of this machine. */
static void make(void) {
    tape = ad_tape_new();
    const ad_var x = ad_input(tape, 1);
    p = ad_compile(&(ad_interface){.params = 1, .param = &x, .outputs = 1, .output = &x});
    for (size_t i = 0; i < HOMES; i++) u[i] = 0.3 + 0.02 * (double)i, adjoint[i] = 0;
    for (uint32_t l = 0; l < COUNT; l++) list[l] = X + (l * 5) % 7; /* each home three times */
    memset(space, 0, sizeof space);
    b = (ad__lanes){.p = p,
                    .source = source,
                    .index = list,
                    .u = u,
                    .adjoint = adjoint,
                    .space = space,
                    .operand = operand,
                    .rows = ROWS_INSIDE,
                    .lanes = LANES};
}
static void drop(void) {
    ad_program_free(p);
    ad_tape_free(tape);
}

TestSuite(body, .init = make, .fini = drop);

static size_t home_of(const ad__source *s, size_t l) {
    return s->place == AD__IN_RUN ? s->at + l : s->place == AD__IN_ONE ? s->at : list[s->at + l];
}

static void forward(const ad__body *body) {
    for (size_t first = 0; first < COUNT; first += LANES) {
        ad__lanes_from(&b, first, COUNT);
        ad__body_forward(&b, body);
    }
}

static void reverse(const ad__body *body) {
    ad__body_begin_reverse(&b);
    for (size_t first = 0; first < COUNT; first += LANES) {
        ad__lanes_from(&b, first, COUNT);
        ad__body_reverse(&b, body);
    }
}

Test(body, lanes_come_in_blocks_and_the_last_is_rounded_up_to_eight) {
    ad__lanes_from(&b, 0, COUNT);
    cr_expect(b.real == 16 && b.n == 16);
    ad__lanes_from(&b, 16, COUNT);
    cr_expect(b.real == 5 && b.n == 8 && b.first == 16);
    ad__lanes_from(&b, 0, 8);
    cr_expect(b.real == 8 && b.n == 8);
    ad__lanes_from(&b, 0, 1);
    cr_expect(b.real == 1 && b.n == 8);
}

static const ad__source anywhere[] = {{.at = X, .place = AD__IN_RUN},
                                      {.at = ONE, .place = AD__IN_ONE},
                                      {.at = 0, .place = AD__IN_LIST},
                                      {.at = X + 3, .place = AD__IN_RUN}}; /* overlaps the first */

/* x*y wherever both stand: values, and what the homes of both receive. */
Test(body, operands_are_found_and_reached_wherever_they_stand) {
    const ad__body product = {
        .code = AD__mul, .operand = 0, .count = 2, .result = {.at = RESULT, .place = AD__IN_RUN}};
    for (size_t i = 0; i < 4; i++) {
        for (size_t j = 0; j < 4; j++) {
            double want[HOMES] = {0}, sent[COUNT];
            source[0] = anywhere[i], source[1] = anywhere[j];
            memset(adjoint, 0, sizeof adjoint);
            forward(&product);
            for (size_t l = 0; l < COUNT; l++) {
                const size_t x = home_of(&source[0], l), y = home_of(&source[1], l);
                cr_expect_eq(u[RESULT + l], u[x] * u[y], "%zu %zu, lane %zu", i, j, l);
                adjoint[RESULT + l] = sent[l] = 1 + 0.25 * (double)l;
                want[x] += sent[l] * u[y], want[y] += sent[l] * u[x];
            }
            reverse(&product);
            for (size_t h = 0; h < RESULT; h++)
                cr_expect(close_to(adjoint[h], want[h], 1e-14, 1e-300),
                          "%zu %zu, home %zu: %.17g, not %.17g", i, j, h, adjoint[h], want[h]);
        }
    }
}

Test(body, constant_operand_receives_nothing) {
    const ad__body product = {
        .code = AD__mul, .operand = 0, .count = 2, .result = {.at = RESULT, .place = AD__IN_RUN}};
    source[0] = anywhere[0], source[1] = anywhere[1], source[1].constant = true;
    forward(&product);
    for (size_t l = 0; l < COUNT; l++) adjoint[RESULT + l] = 1;
    reverse(&product);
    cr_expect_eq(adjoint[ONE], 0);
    cr_expect_eq(adjoint[X], u[ONE]);
    const ad__body silent = {
        .code = AD__mul, .operand = 0, .count = 2, .result = product.result, .no_adjoint = true};
    reverse(&silent);
    cr_expect_eq(adjoint[X], u[ONE]);
}

/* Terms and products add over all lanes to one home, and its adjoint goes to each. */
Test(body, terms_and_products_add_over_all_lanes) {
    const ad__body term = {
        .code = AD__TERM, .operand = 0, .count = 1, .result = {.at = RESULT, .place = AD__IN_ONE}};
    const ad__body product = {.code = AD__PRODUCT,
                              .operand = 0,
                              .count = 2,
                              .result = {.at = RESULT + 1, .place = AD__IN_ONE}};
    double         sum = 0, dot = 0;
    source[0] = anywhere[0], source[1] = anywhere[2];
    u[RESULT] = u[RESULT + 1] = 0;
    forward(&term), forward(&product);
    for (size_t l = 0; l < COUNT; l++) sum += u[X + l], dot += u[X + l] * u[list[l]];
    cr_expect(close_to(u[RESULT], sum, 1e-14, 0));
    cr_expect(close_to(u[RESULT + 1], dot, 1e-14, 0));
    adjoint[RESULT] = 2, adjoint[RESULT + 1] = 0.5;
    reverse(&term);
    for (size_t l = 0; l < COUNT; l++) cr_expect_eq(adjoint[X + l], 2, "lane %zu", l);
    cr_expect_eq(adjoint[X + COUNT], 0, "the lane behind the last received something");
    reverse(&product);
    double want[7] = {0};
    for (size_t l = 0; l < COUNT; l++) want[list[l] - X] += 0.5 * u[X + l];
    for (size_t l = 0; l < COUNT; l++)
        cr_expect(close_to(adjoint[X + l], 2 + 0.5 * u[list[l]] + (l < 7 ? want[l] : 0), 1e-14, 0),
                  "lane %zu", l);
}

/* A value that stays inside stands in a row of the block, and so does its adjoint. */
Test(body, rows_pass_values_and_adjoints_from_one_body_to_the_next) {
    const ad__body sine = {
        .code = AD__sin, .operand = 0, .count = 1, .result = {.at = 1, .place = AD__IN_ROW}};
    const ad__body square = {
        .code = AD__mul, .operand = 1, .count = 2, .result = {.at = RESULT, .place = AD__IN_RUN}};
    source[0] = anywhere[0];
    source[1] = (ad__source){.at = 1, .place = AD__IN_ROW},
    source[2] = (ad__source){.at = 1, .place = AD__IN_ROW, .first = false};
    source[1].first = true;
    for (size_t l = 0; l < COUNT; l++) adjoint[RESULT + l] = 1;
    for (size_t first = 0; first < COUNT; first += LANES) {
        ad__lanes_from(&b, first, COUNT);
        ad__body_begin_reverse(&b);
        ad__body_forward(&b, &sine), ad__body_forward(&b, &square);
        ad__body_reverse(&b, &square), ad__body_reverse(&b, &sine);
    }
    for (size_t l = 0; l < COUNT; l++) {
        const double x = u[X + l];
        /* kernels are a few units off: tests/program/kernels.c */
        cr_expect(close_to(u[RESULT + l], sin(x) * sin(x), 16 * U, 0));
        cr_expect(close_to(adjoint[X + l], 2 * sin(x) * cos(x), 32 * U, 0), "lane %zu: %.17g", l,
                  adjoint[X + l]);
    }
}

Test(body, what_is_not_finite_stays_in_its_lane) {
    const ad__body product = {
        .code = AD__mul, .operand = 0, .count = 2, .result = {.at = RESULT, .place = AD__IN_RUN}};
    source[0] = anywhere[0], source[1] = anywhere[1];
    u[X + 4] = NAN, u[X + 18] = INFINITY;
    forward(&product);
    for (size_t l = 0; l < COUNT; l++)
        cr_expect_eq(isfinite(u[RESULT + l]), l != 4 && l != 18, "lane %zu", l);
    for (size_t l = 0; l < COUNT; l++) adjoint[RESULT + l] = l == 4 || l == 18 ? 0 : 1;
    reverse(&product);
    double want = 0;
    for (size_t l = 0; l < COUNT; l++) want += l == 4 || l == 18 ? 0 : u[X + l];
    cr_expect(close_to(adjoint[ONE], want, 1e-14, 0), "a zero adjoint pushed something: %g",
              adjoint[ONE]);
}

/* 1, 2, 3, ... from the lanes, in two blocks, onto adjoints that are 10 already. */
Test(body, contributions_are_added_wherever_an_operand_stands) {
    for (size_t i = 0; i < 4; i++) {
        double                  want[HOMES];
        _Alignas(64) double     contribution[LANES];
        const ad__source *const s = &anywhere[i];
        for (size_t h = 0; h < HOMES; h++) adjoint[h] = want[h] = 10;
        for (size_t first = 0; first < COUNT; first += LANES) {
            ad__lanes_from(&b, first, COUNT);
            /* what stands behind the last is 0 where all are added up */
            for (size_t l = 0; l < LANES; l++)
                contribution[l] = l < b.real             ? (double)(first + l + 1)
                                : s->place == AD__IN_ONE ? 0
                                                         : 1000;
            ad__lanes_add(&b, s, contribution);
        }
        for (size_t l = 0; l < COUNT; l++) want[home_of(s, l)] += (double)(l + 1);
        for (size_t h = 0; h < HOMES; h++)
            cr_expect_eq(adjoint[h], want[h], "place %zu, home %zu: %g, not %g", i, h, adjoint[h],
                         want[h]);
    }
}

/* body.h: rows of values and of adjoints, AD__BODY_SPARE, and one for each operand. */
Test(body, no_more_space_is_taken_than_body_h_says) {
    const ad__body product = {
        .code = AD__mul, .operand = 0, .count = 2, .result = {.at = RESULT, .place = AD__IN_RUN}};
    const size_t taken = (2 * ROWS_INSIDE + AD__BODY_SPARE + 2) * LANES,
                 all = sizeof space / sizeof *space;
    source[0] = anywhere[1], source[1] = anywhere[2];
    for (size_t i = taken; i < all; i++) space[i] = 12345;
    for (size_t l = 0; l < COUNT; l++) adjoint[RESULT + l] = 1;
    forward(&product);
    reverse(&product);
    for (size_t i = taken; i < all; i++)
        cr_expect_eq(space[i], 12345, "%zu numbers behind", i - taken);
}
