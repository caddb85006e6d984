/* recurrent.c - tests of nn/recurrent.c. Expected numbers are PyTorch's. */
#include "nn/both_ways.h"
#include "nn/recurrent_by_torch.h"

#include <math.h>

#define COUNT(array) (sizeof(array) / sizeof *(array))

enum { INPUTS = 2, HIDDEN = 3, LENGTH = 3, PARTS = 4 };

static ad_tape *tape;
static ad_var   x[LENGTH * INPUTS], h[HIDDEN], c[HIDDEN], part[PARTS][40], y[12];

static void make(void) {
    tape = ad_tape_new();
}
static void drop(void) {
    ad_tape_free(tape);
}

TestSuite(recurrent, .init = make, .fini = drop);

/* weight_ih, weight_hh, bias_ih, bias_hh */
static nn_cell cell_of(size_t gates, const double *const value[PARTS]) {
    const size_t all = gates * HIDDEN, count[] = {all * INPUTS, all * HIDDEN, all, all};
    for (int k = 0; k < PARTS; k++) make_leaves(tape, count[k], value[k], part[k]);
    return (nn_cell){gates, INPUTS, HIDDEN, part[0], part[1], part[2], part[3], {0}};
}

static nn_cell gru_cell(void) {
    const double *const value[] = {gru_weight_ih, gru_weight_hh, gru_bias_ih, gru_bias_hh};
    return cell_of(3, value);
}

static nn_cell lstm_cell(void) {
    const double *const value[] = {lstm_weight_ih, lstm_weight_hh, lstm_bias_ih, lstm_bias_hh};
    return cell_of(4, value);
}

static void zeros(ad_var state[HIDDEN]) {
    for (int i = 0; i < HIDDEN; i++) state[i] = ad_num(0);
}

Test(recurrent, gru_is_pytorchs) {
    const nn_cell cell = gru_cell();
    ad_var        first[HIDDEN];
    make_leaves(tape, COUNT(gru_x), gru_x, x), make_leaves(tape, HIDDEN, gru_h, h);
    memcpy(first, h, sizeof h);
    const leaves all[] = {{"weight_ih", false, COUNT(gru_weight_ih), part[0], gru_d_weight_ih},
                          {"weight_hh", false, COUNT(gru_weight_hh), part[1], gru_d_weight_hh},
                          {"bias_ih", false, COUNT(gru_bias_ih), part[2], gru_d_bias_ih},
                          {"bias_hh", false, COUNT(gru_bias_hh), part[3], gru_d_bias_hh},
                          {"x", true, COUNT(gru_x), x, gru_d_x},
                          {"h", true, HIDDEN, first, gru_d_h}};
    nn_gru(&cell, LENGTH, x, h, y);
    expect_both_ways(COUNT(gru), y, gru, 6, all);
    for (int i = 0; i < HIDDEN; i++)
        cr_expect(same_bits(ad_value(h[i]), ad_value(y[(LENGTH - 1) * HIDDEN + i])));
}

Test(recurrent, lstm_is_pytorchs) {
    const nn_cell cell = lstm_cell();
    ad_var        first[HIDDEN], cells[HIDDEN];
    make_leaves(tape, COUNT(lstm_x), lstm_x, x);
    make_leaves(tape, HIDDEN, lstm_h, h), make_leaves(tape, HIDDEN, lstm_c, c);
    memcpy(first, h, sizeof h), memcpy(cells, c, sizeof c);
    const leaves all[] = {{"weight_ih", false, COUNT(lstm_weight_ih), part[0], lstm_d_weight_ih},
                          {"weight_hh", false, COUNT(lstm_weight_hh), part[1], lstm_d_weight_hh},
                          {"bias_ih", false, COUNT(lstm_bias_ih), part[2], lstm_d_bias_ih},
                          {"bias_hh", false, COUNT(lstm_bias_hh), part[3], lstm_d_bias_hh},
                          {"x", true, COUNT(lstm_x), x, lstm_d_x},
                          {"h", true, HIDDEN, first, lstm_d_h},
                          {"c", true, HIDDEN, cells, lstm_d_c}};
    nn_lstm(&cell, LENGTH, x, h, c, y);
    memcpy(y + LENGTH * HIDDEN, c, sizeof c);
    expect_both_ways(COUNT(lstm), y, lstm, 7, all);
}

/* A state of plain zeros leaves no nodes behind, and the results are those of zeros. */
Test(recurrent, gru_from_zeros_is_pytorchs) {
    const nn_cell cell = gru_cell();
    make_leaves(tape, COUNT(gru_x), gru_x, x), zeros(h);
    const leaves all[] = {
        {"weight_ih", false, COUNT(gru_weight_ih), part[0], gru_from_zeros_d_weight_ih},
        {"weight_hh", false, COUNT(gru_weight_hh), part[1], gru_from_zeros_d_weight_hh},
        {"bias_ih", false, COUNT(gru_bias_ih), part[2], gru_from_zeros_d_bias_ih},
        {"bias_hh", false, COUNT(gru_bias_hh), part[3], gru_from_zeros_d_bias_hh}};
    nn_gru(&cell, LENGTH, x, h, y);
    expect_both_ways(COUNT(gru_from_zeros), y, gru_from_zeros, 4, all);
}

Test(recurrent, lstm_from_zeros_is_pytorchs) {
    const nn_cell cell = lstm_cell();
    make_leaves(tape, COUNT(lstm_x), lstm_x, x), zeros(h), zeros(c);
    const leaves all[] = {
        {"weight_ih", false, COUNT(lstm_weight_ih), part[0], lstm_from_zeros_d_weight_ih},
        {"weight_hh", false, COUNT(lstm_weight_hh), part[1], lstm_from_zeros_d_weight_hh},
        {"bias_ih", false, COUNT(lstm_bias_ih), part[2], lstm_from_zeros_d_bias_ih},
        {"bias_hh", false, COUNT(lstm_bias_hh), part[3], lstm_from_zeros_d_bias_hh}};
    nn_lstm(&cell, LENGTH, x, h, c, y);
    expect_both_ways(COUNT(lstm_from_zeros), y, lstm_from_zeros, 4, all);
}

Test(recurrent, a_sequence_is_its_steps) {
    const nn_cell gru_of = gru_cell();
    make_leaves(tape, COUNT(gru_x), gru_x, x), make_leaves(tape, HIDDEN, gru_h, h);
    for (int t = 0; t < LENGTH; t++) {
        nn_gru(&gru_of, 1, x + t * INPUTS, h, NULL);
        for (int i = 0; i < HIDDEN; i++)
            cr_expect(close_to(ad_value(h[i]), gru[t * HIDDEN + i], 32 * U, 0), "%d, %d", t, i);
    }
    nn_gru(&gru_of, 0, NULL, h, NULL);
    cr_expect(close_to(ad_value(h[2]), gru[LENGTH * HIDDEN - 1], 32 * U, 0));
}

/* h = tanh of the input alone where all weights of gates and state are 0 and the gates' biases put
 * them at 0 and 1. */
Test(recurrent, without_biases) {
    nn_cell cell = gru_cell();
    cell.bias_ih = cell.bias_hh = NULL;
    make_leaves(tape, COUNT(gru_x), gru_x, x), zeros(h);
    nn_gru(&cell, 1, x, h, NULL);
    for (int i = 0; i < HIDDEN; i++) {
        double a[3];
        for (int g = 0; g < 3; g++) {
            const double *w = gru_weight_ih + (g * HIDDEN + i) * INPUTS;
            a[g] = w[0] * gru_x[0] + w[1] * gru_x[1];
        }
        const double update = 1 / (1 + exp(-a[1]));
        cr_expect(close_to(ad_value(h[i]), (1 - update) * tanh(a[2]), 32 * U, 0), "%d", i);
    }
}

/* ---- in programs ----------------------------------------------------------------------------- */

/* From a state on: reset and update over x and h together, the third gate over each; LSTM: one. */
static void expect_matmuls(const char *words, size_t steps, bool with_cells) {
    const nn_cell cell = with_cells ? lstm_cell() : gru_cell();
    ad_var        param[84], input[12];
    const size_t  all = cell.gates * HIDDEN, count[] = {all * INPUTS, all * HIDDEN, all, all};
    size_t        params = 0;
    for (int k = 0; k < PARTS; k++) {
        memcpy(param + params, part[k], count[k] * sizeof *param);
        params += count[k];
    }
    make_leaves(tape, COUNT(gru_x), gru_x, input), make_leaves(tape, HIDDEN, gru_h, input + 6);
    make_leaves(tape, HIDDEN, gru_h, input + 9);
    memcpy(h, input + 6, sizeof h), memcpy(c, input + 9, sizeof c);
    if (with_cells) nn_lstm(&cell, steps, input, h, c, NULL);
    else nn_gru(&cell, steps, input, h, NULL);
    ad_program *p = ad_compile(&(ad_interface){params, param, 12, input, HIDDEN, h, 0});
    cr_assert_not_null(p);
    expect_printed(p, words);
    ad_program_free(p);
}

Test(recurrent, a_step_is_a_few_matmuls_in_a_program) {
    expect_matmuls("steps: 36 dots in 9 layers, with 45 weights", 3, false);
    expect_matmuls("steps: 36 dots in 3 layers, with 60 weights", 3, true);
}

/* ---- nn_check -------------------------------------------------------------------------------- */

typedef struct cells {
    nn_cell gru, lstm;
} cells;

static ad_var loss(nn_model *model, size_t n, const ad_var example[], void *user) {
    const cells *k = user;
    ad_var       state[2], top[2], kept[2], all[6];
    (void)model;
    for (int i = 0; i < 2; i++) state[i] = top[i] = kept[i] = ad_num(0);
    nn_gru(&k->gru, 3, example, state, all);
    nn_lstm(&k->lstm, 3, all, top, kept, NULL);
    return nn_mse(2, top, example + n - 2);
}

Test(recurrent, nn_check_finds_no_difference) {
    double    table[5 * 8];
    nn_model *model = nn_model_new(tape, 4);
    cells     k = {nn_gru_add(model, "gru", 2, 2), nn_lstm_add(model, "lstm", 2, 2)};
    for (int i = 0; i < 40; i++) table[i] = sin(i * i);
    nn_data         *data = nn_data_new(5, 6, 2, table);
    ad_check_report *report = nn_check(model, loss, &k, data, 5, NULL);
    cr_assert_not_null(report);
    cr_expect_eq(ad_check_verdict(report), AD_PASS, "%s", report->message);
    cr_expect_eq(report->n, nn_model_count(model));
    ad_check_free(report);
    nn_data_free(data);
    nn_model_free(model);
}

/* ---- cells ----------------------------------------------------------------------------------- */

Test(recurrent, cells_have_pytorchs_names_shapes_and_initial_values) {
    static const char *const names[] = {"rnn.weight_ih", "rnn.weight_hh", "rnn.bias_ih",
                                        "rnn.bias_hh"};
    nn_model                *model = nn_model_new(tape, 1);
    const nn_cell            cell = nn_lstm_add(model, "rnn", 5, 4);
    const ad_var *const arrays[] = {cell.weight_ih, cell.weight_hh, cell.bias_ih, cell.bias_hh};
    cr_expect(cell.gates == 4 && cell.inputs == 5 && cell.hidden == 4);
    for (size_t i = 0; i < 4; i++) {
        const nn_array a = nn_model_array(model, i);
        cr_expect_str_eq(a.name, names[i]);
        cr_expect_eq(a.param, arrays[i]);
        cr_expect(a.shape[0] == 16 && a.rank == (i < 2 ? 2 : 1));
        if (i < 2) cr_expect_eq(a.shape[1], i == 0 ? 5 : 4);
        for (size_t k = 0; k < a.count; k++)
            cr_expect(fabs(ad_value(a.param[k])) <= 0.5); /* 1/sqrt(4) */
    }
    cr_expect_eq(nn_gru_add(model, "gru", 2, 3).gates, 3);
    cr_expect_eq(nn_model_count(model), 16 * 11 + 9 * 7);
    nn_model_free(model);
}

static void expect_no_cell(nn_model *model, nn_cell cell, const char *words) {
    cr_expect(cell.weight_ih == NULL && cell.hidden == 0);
    cr_expect_eq(nn_model_status(model), AD_BAD_ARGUMENT);
    cr_expect(strstr(nn_model_message(model), words) != NULL, "%s", nn_model_message(model));
    nn_gru(&cell, 1, x, h, y), nn_lstm(&cell, 1, x, h, c, y); /* do nothing */
    nn_model_clear(model);
}

Test(recurrent, cells_that_make_no_sense_are_refused) {
    nn_model *model = nn_model_new(tape, 1);
    char      name[600];
    memset(name, 'n', sizeof name), name[599] = '\0';
    expect_no_cell(model, nn_gru_add(model, NULL, 1, 1), "nn_gru_add: no name");
    expect_no_cell(model, nn_gru_add(model, "g", 0, 1), "\"g\" has 0 inputs and a state of 1");
    expect_no_cell(model, nn_lstm_add(model, "g", 1, 0), "each must be at least 1");
    expect_no_cell(model, nn_lstm_add(model, "g", 1, SIZE_MAX / 2), "memory must hold");
    expect_no_cell(model, nn_lstm_add(model, name, 1, 1), "the name is too long");
    cr_expect_eq(nn_model_count(model), 0);
    nn_model_free(model);
}

Test(recurrent, a_cell_of_another_kind_is_refused) {
    nn_cell      cell = gru_cell();
    const size_t nodes = ad_tape_length(tape);
    zeros(h), zeros(c);
    nn_lstm(&cell, 1, x, h, c, y);
    expect_said(tape, nodes,
                "nn_lstm: the cell has 3 gates, 2 inputs and a state of 3 numbers, but it needs 4 "
                "gates, and of the others at least 1");
    cell.reserved[3] = 1;
    nn_gru(&cell, 1, x, h, y);
    expect_said(tape, nodes, "nn_gru: the field reserved of nn_cell must be all 0");
    cell = (nn_cell){3, 0, HIDDEN, part[0], part[1], NULL, NULL, {0}};
    nn_gru(&cell, 1, x, h, y);
    expect_said(tape, nodes, "0 inputs");
    nn_gru(NULL, 1, x, h, y);
    cr_expect_eq(ad_tape_status(tape), AD_OK);
}

/* ---- lengths --------------------------------------------------------------------------------- */

/* The state after `positions` steps of which those from `length` on leave it as it was. */
static ad_var padded(const nn_cell *cell, size_t positions, double length) {
    ad_var kept[HIDDEN] = {{0}}, next[HIDDEN] = {{0}};
    for (size_t t = 0; t < positions; t++) {
        const ad_var inside = ad_less(ad_num((double)t), ad_input(tape, length));
        nn_gru(cell, 1, x + t * INPUTS, next, NULL);
        for (int i = 0; i < HIDDEN; i++) kept[i] = next[i] = ad_where(inside, next[i], kept[i]);
    }
    return weighted(HIDDEN, kept);
}

Test(recurrent, positions_past_the_end_of_a_masked_sequence_change_nothing) {
    const nn_cell cell = gru_cell();
    double        exact[COUNT(gru_weight_hh)], masked[COUNT(gru_weight_hh)];
    make_leaves(tape, COUNT(gru_x), gru_x, x);
    ad_var state[HIDDEN] = {{0}};
    nn_gru(&cell, 2, x, state, NULL);
    const ad_var two = weighted(HIDDEN, state), three = padded(&cell, LENGTH, 2);
    cr_expect(same_bits(ad_value(two), ad_value(three)));
    ad_gradient(two, COUNT(exact), part[1], exact);
    ad_gradient(three, COUNT(masked), part[1], masked);
    for (size_t i = 0; i < COUNT(exact); i++)
        cr_expect(close_to(masked[i], exact[i], 4 * U, 0), "%zu: %.17g, not %.17g", i, masked[i],
                  exact[i]);
}

Test(recurrent, bucket_is_the_least_that_holds_a_length) {
    const size_t buckets[] = {32, 8, 16}, length[] = {0, 1, 8, 9, 16, 17, 32, 33, SIZE_MAX},
                 least[] = {8, 8, 8, 16, 16, 32, 32, 33, SIZE_MAX};
    for (size_t i = 0; i < COUNT(length); i++)
        cr_expect_eq(nn_bucket(length[i], 3, buckets), least[i], "%zu", length[i]);
    cr_expect_eq(nn_bucket(5, 0, NULL), 5);
    cr_expect_eq(nn_bucket(SIZE_MAX, 1, (const size_t[]){SIZE_MAX}), SIZE_MAX);
}
