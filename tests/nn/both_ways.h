/* both_ways.h - values and gradients of a recorded layer, node by node and as a program. */
#ifndef TAPIR_TESTS_BOTH_WAYS_H
#define TAPIR_TESTS_BOTH_WAYS_H

#include "expect.h"
#include "nn/nn.h"
#include "support.h"

#include <stdlib.h>
#include <string.h>

enum { MOST_LEAVES = 128, MOST_OUTPUTS = 64 };

/* Some of the leaves, and the gradient expected there; of a program they are parameters or the
 * inputs of its rows. */
typedef struct leaves {
    const char   *name;
    bool          in_rows;
    size_t        n;
    const ad_var *leaf;
    const double *grad;
} leaves;

static void make_leaves(ad_tape *tape, size_t n, const double value[], ad_var leaf[]) {
    for (size_t i = 0; i < n; i++) leaf[i] = ad_input(tape, value[i]);
}

static void expect_numbers(const char *what, const char *name, size_t n, const double got[],
                           const double expected[]) {
    for (size_t i = 0; i < n; i++)
        cr_expect(close_to(got[i], expected[i], 32 * U, 32 * U), "%s %s[%zu]: %.17g, not %.17g",
                  what, name, i, got[i], expected[i]);
}

/* The sum of y[k]*(k % 5 - 1.5), whose gradient module_reference.py prints. */
static ad_var weighted(size_t n, const ad_var y[]) {
    ad_var sum = ad_num(0);
    for (size_t k = 0; k < n; k++) sum = ad_add(sum, ad_mul(y[k], ad_num((double)(k % 5) - 1.5)));
    return sum;
}

static size_t gather(size_t groups, const leaves group[], bool in_rows, ad_var leaf[],
                     double value[], double grad[]) {
    size_t n = 0;
    for (size_t g = 0; g < groups; g++)
        for (size_t i = 0; i < group[g].n && group[g].in_rows == in_rows; i++, n++) {
            leaf[n] = group[g].leaf[i];
            value[n] = ad_value(leaf[n]);
            grad[n] = group[g].grad[i];
        }
    cr_assert(n <= MOST_LEAVES);
    return n;
}

/* `times` equal rows: one runs in another way than many. */
static void expect_program(size_t times, size_t n, const ad_var y[], const double expected[],
                           size_t groups, const leaves group[]) {
    ad_var param[MOST_LEAVES], input[MOST_LEAVES], output[MOST_OUTPUTS + 1];
    double value[MOST_LEAVES], fed[MOST_LEAVES], grad[MOST_LEAVES], row_grad[MOST_LEAVES],
        got[MOST_LEAVES], mean;
    const size_t params = gather(groups, group, false, param, value, grad),
                 inputs = gather(groups, group, true, input, fed, row_grad), outputs = n + 1;
    double *all = calloc(times * outputs * (inputs + 1), sizeof *all),
           *table = calloc(times * inputs + 1, sizeof *table);
    cr_assert(n <= MOST_OUTPUTS);
    output[0] = weighted(n, y);
    memcpy(output + 1, y, n * sizeof *y);
    for (size_t i = 0; i < times * inputs; i++) table[i] = fed[i % inputs];
    ad_program *p = ad_compile(&(ad_interface){params, param, inputs, input, outputs, output, 0});
    cr_assert_not_null(p, "%s", ad_tape_message(y[0].tape));
    cr_assert_eq(ad_program_values(p, value, times, table, all), AD_OK);
    for (size_t r = 0; r < times; r++)
        expect_numbers("in a program", "y", n, all + r * outputs + 1, expected);
    cr_assert_eq(ad_program_gradient(p, value, times, table, &mean, got), AD_OK);
    expect_numbers("in a program", "gradient in the parameters", params, got, grad);
    cr_assert_eq(ad_program_jacobian(p, value, times, table, all), AD_OK);
    for (size_t r = 0; r < times; r++)
        expect_numbers("in a program", "gradient in the row", inputs, all + r * outputs * inputs,
                       row_grad);
    ad_program_free(p);
    free(all), free(table);
}

static void expect_both_ways(size_t n, const ad_var y[], const double expected[], size_t groups,
                             const leaves group[]) {
    double got[MOST_LEAVES];
    cr_assert_eq(ad_tape_status(y[0].tape), AD_OK, "%s", ad_tape_message(y[0].tape));
    for (size_t k = 0; k < n; k++) got[k] = ad_value(y[k]);
    expect_numbers("recorded", "y", n, got, expected);
    const ad_var sum = weighted(n, y);
    for (size_t g = 0; g < groups; g++) {
        ad_gradient(sum, group[g].n, group[g].leaf, got);
        expect_numbers("recorded, gradient in", group[g].name, group[g].n, got, group[g].grad);
    }
    expect_program(1, n, y, expected, groups, group);
    expect_program(9, n, y, expected, groups, group);
}

/* How a program prints itself contains these words. */
static void expect_printed(const ad_program *p, const char *words) {
    char  *text = NULL;
    size_t length = 0;
    FILE  *to = open_memstream(&text, &length);
    cr_assert_eq(ad_program_print(p, to), AD_OK);
    fclose(to);
    cr_expect(strstr(text, words) != NULL, "\"%s\" is not in\n%s", words, text);
    free(text);
}

/* Refused: a sentence on the tape, and nothing recorded since it had so many nodes. */
static void expect_said(ad_tape *tape, size_t nodes, const char *words) {
    cr_expect_eq(ad_tape_status(tape), AD_BAD_ARGUMENT, "%s", words);
    cr_expect(strstr(ad_tape_message(tape), words) != NULL, "\"%s\" is not in \"%s\"", words,
              ad_tape_message(tape));
    cr_expect_eq(ad_tape_length(tape), nodes, "%s", words);
    ad_tape_clear(tape);
}

#endif
