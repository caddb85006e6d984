/* abi.c - what a program that was compiled with ad.h and nn.h takes for granted: sizes, offsets,
 * the numbers of names; and that spare room which is not 0 is refused by every function that takes
 * a struct from its caller. */
#include "nn/nn.h"

#include "expect.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- sizes, offsets, numbers ----------------------------------------------------------------- */

/* As they were in 1.0 on 64-bit machines (x86-64, System V): written by a program from offsetof and
 * sizeof then. A field is never moved and no size changes, so no number here is ever changed. New
 * fields come out of `reserved`. */
/* clang-format off */
#define SIZE(type, bytes)       {#type, "", sizeof(type), bytes}
#define AT(type, field, offset) {#type, #field, offsetof(type, field), offset}
#define SPARE(type)             {#type, "the end of reserved", END_OF_RESERVED(type), sizeof(type)}
#define VALUE(name, number)     {#name, "", (size_t)(name), number}
/* clang-format on */
#define END_OF_RESERVED(type) (offsetof(type, reserved) + sizeof(((type *)0)->reserved))

typedef struct pin {
    const char *type, *field;
    size_t      is, was;
} pin;

/* clang-format off */
static const pin layout[] = {
    SIZE(ad_mark, 12), AT(ad_mark, node, 0), AT(ad_mark, list, 4), AT(ad_mark, era, 8),
    SIZE(ad_var, 16), AT(ad_var, tape, 0), AT(ad_var, bits, 8),
    SIZE(ad_custom_op, 120), AT(ad_custom_op, name, 0), AT(ad_custom_op, operands, 8),
        AT(ad_custom_op, value, 16), AT(ad_custom_op, partials, 24),
        AT(ad_custom_op, lane_values, 32), AT(ad_custom_op, lane_partials, 40),
        AT(ad_custom_op, record, 48), SPARE(ad_custom_op),
    SIZE(ad_interface, 120), AT(ad_interface, params, 0), AT(ad_interface, param, 8),
        AT(ad_interface, inputs, 16), AT(ad_interface, input, 24), AT(ad_interface, outputs, 32),
        AT(ad_interface, output, 40), AT(ad_interface, active, 48), SPARE(ad_interface),
    SIZE(ad_check_block, 88), AT(ad_check_block, name, 0), AT(ad_check_block, rank, 8),
        AT(ad_check_block, shape, 16), SPARE(ad_check_block),
    SIZE(ad_check_options, 120), AT(ad_check_options, rtol, 0), AT(ad_check_options, seed, 8),
        AT(ad_check_options, coordinates, 16), AT(ad_check_options, blocks, 24),
        AT(ad_check_options, block, 32), AT(ad_check_options, direction, 40),
        AT(ad_check_options, second, 48), AT(ad_check_options, unit, 56), SPARE(ad_check_options),
    SIZE(ad_check_line, 176), AT(ad_check_line, name, 0), AT(ad_check_line, coordinate, 8),
        AT(ad_check_line, claimed, 16), AT(ad_check_line, estimate, 24),
        AT(ad_check_line, error, 32), AT(ad_check_line, left, 40), AT(ad_check_line, right, 48),
        AT(ad_check_line, gap, 56), AT(ad_check_line, tolerance, 64), AT(ad_check_line, step, 72),
        AT(ad_check_line, verdict, 80), AT(ad_check_line, drowned, 88),
        AT(ad_check_line, turned, 96), AT(ad_check_line, steep, 104),
        AT(ad_check_line, output, 112), SPARE(ad_check_line),
    SIZE(ad_check_operand, 192), AT(ad_check_operand, node, 0), AT(ad_check_operand, operand, 8),
        AT(ad_check_operand, operation, 16), AT(ad_check_operand, name, 24),
        AT(ad_check_operand, shown, 32), AT(ad_check_operand, at, 40),
        AT(ad_check_operand, rule, 48), AT(ad_check_operand, estimate, 56),
        AT(ad_check_operand, error, 64), AT(ad_check_operand, gap, 72),
        AT(ad_check_operand, tolerance, 80), AT(ad_check_operand, left, 88),
        AT(ad_check_operand, right, 96), AT(ad_check_operand, verdict, 104),
        AT(ad_check_operand, file, 112), AT(ad_check_operand, line, 120), SPARE(ad_check_operand),
    SIZE(ad_check_report, 472), AT(ad_check_report, verdict, 0), AT(ad_check_report, status, 4),
        AT(ad_check_report, message, 8), AT(ad_check_report, n, 16),
        AT(ad_check_report, value, 24), AT(ad_check_report, noise, 32),
        AT(ad_check_report, rtol, 40), AT(ad_check_report, seed, 48),
        AT(ad_check_report, evaluations, 56), AT(ad_check_report, taylor, 64),
        AT(ad_check_report, count, 72), AT(ad_check_report, lines, 128),
        AT(ad_check_report, line, 136), AT(ad_check_report, coordinate, 144),
        AT(ad_check_report, has_tape, 152), AT(ad_check_report, nodes, 160),
        AT(ad_check_report, operands, 168), AT(ad_check_report, local_count, 176),
        AT(ad_check_report, culprits, 232), AT(ad_check_report, culprit, 240),
        AT(ad_check_report, sweep, 248), AT(ad_check_report, forward, 256),
        AT(ad_check_report, reverse, 264), AT(ad_check_report, sweep_gap, 272),
        AT(ad_check_report, sweep_tolerance, 280), AT(ad_check_report, sweep_node, 288),
        AT(ad_check_report, repeatable, 296), AT(ad_check_report, has_second, 297),
        AT(ad_check_report, second_count, 304), AT(ad_check_report, second_lines, 360),
        AT(ad_check_report, second, 368), AT(ad_check_report, symmetry, 376),
        AT(ad_check_report, symmetry_tolerance, 384), AT(ad_check_report, taylor_second, 392),
        AT(ad_check_report, second_verdict, 400), AT(ad_check_report, outputs, 408),
        AT(ad_check_report, unit, 416),
        SPARE(ad_check_report),
    SIZE(ad_curve_point, 112), AT(ad_curve_point, step, 0), AT(ad_curve_point, central, 8),
        AT(ad_curve_point, central_error, 16), AT(ad_curve_point, romberg, 24),
        AT(ad_curve_point, romberg_error, 32), AT(ad_curve_point, noise, 40),
        SPARE(ad_curve_point),
    SIZE(ad_curve, 112), AT(ad_curve, name, 0), AT(ad_curve, claimed, 8),
        AT(ad_curve, estimate, 16), AT(ad_curve, error, 24), AT(ad_curve, points, 32),
        AT(ad_curve, point, 40), SPARE(ad_curve),
    SIZE(ad_view, 96), AT(ad_view, order, 0), AT(ad_view, bug, 4), AT(ad_view, most, 8),
        AT(ad_view, title, 16), AT(ad_view, bare, 24), SPARE(ad_view),
    SIZE(nn_random, 32), AT(nn_random, state, 0),
    SIZE(nn_csv_config, 80), AT(nn_csv_config, targets, 0), AT(nn_csv_config, header, 8),
        AT(nn_csv_config, separator, 9), SPARE(nn_csv_config),
    SIZE(nn_init, 88), AT(nn_init, low, 0), AT(nn_init, high, 8), AT(nn_init, deviation, 16),
        SPARE(nn_init),
    SIZE(nn_array, 104), AT(nn_array, name, 0), AT(nn_array, rank, 8), AT(nn_array, shape, 16),
        AT(nn_array, count, 24), AT(nn_array, param, 32), SPARE(nn_array),
    SIZE(nn_layer, 104), AT(nn_layer, inputs, 0), AT(nn_layer, outputs, 8),
        AT(nn_layer, weight, 16), AT(nn_layer, bias, 24), AT(nn_layer, activation, 32),
        SPARE(nn_layer),
    SIZE(nn_layer_config, 112), AT(nn_layer_config, inputs, 0), AT(nn_layer_config, outputs, 8),
        AT(nn_layer_config, activation, 16), AT(nn_layer_config, weight, 24),
        AT(nn_layer_config, bias, 32), AT(nn_layer_config, without_bias, 40),
        SPARE(nn_layer_config),
    SIZE(nn_mlp_config, 128), AT(nn_mlp_config, layers, 0), AT(nn_mlp_config, sizes, 8),
        AT(nn_mlp_config, hidden, 16), AT(nn_mlp_config, output, 24),
        AT(nn_mlp_config, weight, 32), AT(nn_mlp_config, bias, 40), AT(nn_mlp_config, name, 48),
        AT(nn_mlp_config, without_bias, 56), SPARE(nn_mlp_config),
    SIZE(nn_attention_config, 112), AT(nn_attention_config, name, 0),
        AT(nn_attention_config, width, 8), AT(nn_attention_config, heads, 16),
        AT(nn_attention_config, positions, 24), AT(nn_attention_config, causal, 32),
        AT(nn_attention_config, weight, 40), SPARE(nn_attention_config),
    SIZE(nn_window, 136), AT(nn_window, channels, 0), AT(nn_window, height, 8),
        AT(nn_window, width, 16), AT(nn_window, kernel, 24), AT(nn_window, stride, 40),
        AT(nn_window, padding, 56), SPARE(nn_window),
    SIZE(nn_cell, 120), AT(nn_cell, gates, 0), AT(nn_cell, inputs, 8), AT(nn_cell, hidden, 16),
        AT(nn_cell, weight_ih, 24), AT(nn_cell, weight_hh, 32), AT(nn_cell, bias_ih, 40),
        AT(nn_cell, bias_hh, 48), SPARE(nn_cell),
    SIZE(nn_sgd_config, 104), AT(nn_sgd_config, rate, 0), AT(nn_sgd_config, momentum, 8),
        AT(nn_sgd_config, dampening, 16), AT(nn_sgd_config, weight_decay, 24),
        AT(nn_sgd_config, nesterov, 32), AT(nn_sgd_config, maximize, 33), SPARE(nn_sgd_config),
    SIZE(nn_adam_config, 112), AT(nn_adam_config, rate, 0), AT(nn_adam_config, beta1, 8),
        AT(nn_adam_config, beta2, 16), AT(nn_adam_config, epsilon, 24),
        AT(nn_adam_config, weight_decay, 32), AT(nn_adam_config, amsgrad, 40),
        AT(nn_adam_config, maximize, 41), SPARE(nn_adam_config),
    SIZE(nn_rmsprop_config, 112), AT(nn_rmsprop_config, rate, 0), AT(nn_rmsprop_config, alpha, 8),
        AT(nn_rmsprop_config, epsilon, 16), AT(nn_rmsprop_config, momentum, 24),
        AT(nn_rmsprop_config, weight_decay, 32), AT(nn_rmsprop_config, centered, 40),
        AT(nn_rmsprop_config, maximize, 41), SPARE(nn_rmsprop_config),
    SIZE(nn_adagrad_config, 112), AT(nn_adagrad_config, rate, 0),
        AT(nn_adagrad_config, rate_decay, 8), AT(nn_adagrad_config, epsilon, 16),
        AT(nn_adagrad_config, weight_decay, 24), AT(nn_adagrad_config, initial_accumulator, 32),
        AT(nn_adagrad_config, maximize, 40), SPARE(nn_adagrad_config),
    SIZE(nn_state, 88), AT(nn_state, name, 0), AT(nn_state, count, 8), AT(nn_state, value, 16),
        SPARE(nn_state),
    SIZE(nn_schedule, 112), AT(nn_schedule, shape, 0), AT(nn_schedule, rate, 8),
        AT(nn_schedule, last, 16), AT(nn_schedule, factor, 24), AT(nn_schedule, steps, 32),
        AT(nn_schedule, warm_up, 40), SPARE(nn_schedule),
    SIZE(nn_entry, 96), AT(nn_entry, name, 0), AT(nn_entry, count, 8), AT(nn_entry, real, 16),
        AT(nn_entry, whole, 24), SPARE(nn_entry),
    SIZE(nn_step, 104), AT(nn_step, epoch, 0), AT(nn_step, step, 8), AT(nn_step, steps, 16),
        AT(nn_step, loss, 24), AT(nn_step, rate, 32), SPARE(nn_step),
    SIZE(nn_epoch, 128), AT(nn_epoch, epoch, 0), AT(nn_epoch, loss, 8), AT(nn_epoch, metric, 16),
        AT(nn_epoch, seconds, 24), AT(nn_epoch, examples_per_second, 32),
        AT(nn_epoch, held_out_loss, 40), AT(nn_epoch, rate, 48), AT(nn_epoch, best, 56),
        SPARE(nn_epoch),
    SIZE(nn_train_config, 264), AT(nn_train_config, epochs, 0), AT(nn_train_config, batch, 8),
        AT(nn_train_config, seed, 16), AT(nn_train_config, progress, 24),
        AT(nn_train_config, stream, 32), AT(nn_train_config, history, 40),
        AT(nn_train_config, metric, 48), AT(nn_train_config, metric_name, 56),
        AT(nn_train_config, watch, 64), AT(nn_train_config, checkpoint, 72),
        AT(nn_train_config, checkpoint_steps, 80), AT(nn_train_config, resume, 88),
        AT(nn_train_config, shape, 96), AT(nn_train_config, by_example, 104),
        AT(nn_train_config, on_step, 112), AT(nn_train_config, in_order, 120),
        AT(nn_train_config, sum, 121), AT(nn_train_config, clip_norm, 128),
        AT(nn_train_config, clip_value, 136), AT(nn_train_config, schedule, 144),
        AT(nn_train_config, held_out, 152), AT(nn_train_config, score, 160),
        AT(nn_train_config, monitor, 168), AT(nn_train_config, patience, 176),
        AT(nn_train_config, min_delta, 184), AT(nn_train_config, restore_best, 192),
        SPARE(nn_train_config),
    SIZE(nn_lesson_config, 128), AT(nn_lesson_config, rows, 0), AT(nn_lesson_config, row, 8),
        AT(nn_lesson_config, rate, 16), AT(nn_lesson_config, squares, 24),
        AT(nn_lesson_config, image, 32), AT(nn_lesson_config, title, 40),
        AT(nn_lesson_config, input_names, 48), AT(nn_lesson_config, output_names, 56),
        SPARE(nn_lesson_config),
};

static const pin numbers[] = {
    VALUE(AD_OK, 0), VALUE(AD_NO_MEMORY, 1), VALUE(AD_TAPE_FULL, 2), VALUE(AD_TWO_TAPES, 3),
    VALUE(AD_NOT_RECORDED, 4), VALUE(AD_STALE, 5), VALUE(AD_BAD_ARGUMENT, 6),
    VALUE(AD_BAD_FORMULA, 7), VALUE(AD_BRANCH_CHANGED, 8), VALUE(AD_BAD_FILE, 9),
    VALUE(AD_UNSUPPORTED, 10),
    VALUE(AD_PASS, 0), VALUE(AD_WEAK, 1), VALUE(AD_INCONCLUSIVE, 2), VALUE(AD_KINK, 3),
    VALUE(AD_DOMAIN, 4), VALUE(AD_UNSTABLE, 5), VALUE(AD_FAIL, 6), VALUE(AD_VERDICT_COUNT, 7),
    VALUE(AD_TEXT, 0), VALUE(AD_JSON, 1), VALUE(AD_CSV, 2), VALUE(AD_JUNIT, 3), VALUE(AD_TAP, 4),
    VALUE(AD_TSV, 0), VALUE(AD_CHARACTERS, 1), VALUE(AD_SVG, 2),
    VALUE(AD_ORDER_TAPE, 0), VALUE(AD_ORDER_DEPTH_FIRST, 1),
    VALUE(AD_BUG_NONE, 0), VALUE(AD_BUG_OVERWRITE, 1), VALUE(AD_BUG_DEPTH_FIRST, 2),
    VALUE(AD_BUG_STALE, 3),
    VALUE(NN_CONSTANT, 0), VALUE(NN_STEP, 1), VALUE(NN_EXPONENTIAL, 2), VALUE(NN_LINEAR, 3),
    VALUE(NN_COSINE, 4),
    VALUE(NN_LOWEST_LOSS, 0), VALUE(NN_HIGHEST_METRIC, 1), VALUE(NN_LOWEST_METRIC, 2),
    VALUE(NN_NORMAL, 0), VALUE(NN_UNIFORM, 1),
};
/* clang-format on */

enum { PINS = sizeof layout / sizeof *layout, NUMBERS = sizeof numbers / sizeof *numbers };

Test(abi, sizes_and_offsets_are_those_of_1_0) {
    if (sizeof(void *) != 8 || sizeof(size_t) != 8) return;
    for (size_t i = 0; i < PINS; i++)
        cr_expect_eq(layout[i].is, layout[i].was, "%s %s: %zu, was %zu", layout[i].type,
                     layout[i].field, layout[i].is, layout[i].was);
}

Test(abi, names_have_the_numbers_of_1_0) {
    for (size_t i = 0; i < NUMBERS; i++)
        cr_expect_eq(numbers[i].is, numbers[i].was, "%s: %zu, was %zu", numbers[i].type,
                     numbers[i].is, numbers[i].was);
}

/* ---- the headers, read ----------------------------------------------------------------------- */

static char *header(const char *path) {
    char place[4096];
    snprintf(place, sizeof place, "%s/%s", SOURCE, path);
    FILE *from = fopen(place, "r");
    cr_assert_not_null(from, "%s", place);
    fseek(from, 0, SEEK_END);
    const size_t length = (size_t)ftell(from);
    char        *text = calloc(length + 1, 1);
    rewind(from);
    cr_assert_eq(fread(text, 1, length, from), length);
    fclose(from);
    return text;
}

/* The word that begins here. */
static const char *word(const char *text, size_t room, char copy[]) {
    const size_t length = strspn(text, "abcdefghijklmnopqrstuvwxyz_0123456789");
    snprintf(copy, room, "%.*s", (int)length, text);
    return copy;
}

static bool is_pinned(const char *type, const char *field) {
    for (size_t i = 0; i < PINS; i++)
        if (strcmp(layout[i].type, type) == 0 && strcmp(layout[i].field, field) == 0) return true;
    return false;
}

/* Handles and marks are passed on as they come, and a published generator has the state it has. */
static bool without_spare_room(const char *type) {
    return strcmp(type, "ad_var") == 0 || strcmp(type, "ad_mark") == 0 ||
           strcmp(type, "nn_random") == 0;
}

static size_t count_structs(const char *path) {
    char  *text = header(path), type[64];
    size_t count = 0;
    for (const char *at = text; (at = strstr(at, "\ntypedef struct ")) != NULL;) {
        at += strlen("\ntypedef struct ");
        if (strncmp(at + strlen(word(at, sizeof type, type)), " {", 2) != 0) continue;
        cr_expect(is_pinned(type, ""), "%s has no line in the table", type);
        cr_expect(without_spare_room(type) || is_pinned(type, "the end of reserved"),
                  "%s has no spare room", type);
        count++;
    }
    free(text);
    return count;
}

Test(abi, every_struct_of_the_headers_has_its_lines_and_spare_room) {
    size_t pinned = 0;
    for (size_t i = 0; i < PINS; i++) pinned += *layout[i].field == '\0';
    cr_expect_eq(count_structs("engine/ad.h") + count_structs("nn/nn.h"), pinned);
}

/* ---- spare room that is not 0 ---------------------------------------------------------------- */

static ad_tape      *tape, *other; /* of the model; for everything else */
static ad_var        x, y;
static nn_model     *model;
static nn_mlp       *mlp;
static nn_data      *data;
static nn_optimizer *sgd;
static char          said[1024], folder[64], path[96];
static FILE         *to;
static char         *written;
static size_t        length;

/* Two inputs and a class. */
static const double table[] = {0.5, -1, 0, 2, 0.25, 1, -0.5, 0.75, 1};

static void make(void) {
    tape = ad_tape_new(), other = ad_tape_new();
    x = ad_input(other, 0.5), y = ad_mul(x, x);
    model = nn_model_new(tape, 3);
    mlp = nn_mlp_new(model, &(nn_mlp_config){.layers = 2, .sizes = (const size_t[]){2, 3, 2}});
    data = nn_data_new(3, 2, 1, table);
    sgd = nn_sgd(0.1);
    to = open_memstream(&written, &length);
    strcpy(folder, "/tmp/tapir-abi-XXXXXX");
    cr_assert_not_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/file", folder);
}
static void drop(void) {
    nn_optimizer_free(sgd);
    nn_data_free(data);
    nn_mlp_free(mlp);
    nn_model_free(model);
    ad_tape_free(tape), ad_tape_free(other);
    fclose(to);
    free(written);
    unlink(path);
    rmdir(folder);
}
TestSuite(abi, .init = make, .fini = drop);

static ad_status noted(ad_status status, const char *message) {
    snprintf(said, sizeof said, "%s", message);
    return status;
}
static ad_status of_tape(ad_tape *which) {
    const ad_status status = noted(ad_tape_status(which), ad_tape_message(which));
    ad_tape_clear(which);
    return status;
}
static ad_status of_model(void) {
    const ad_status status = noted(nn_model_status(model), nn_model_message(model));
    nn_model_clear(model);
    return status;
}
static ad_status of_report(ad_check_report *report) {
    const ad_status status = noted(report->status, report->message);
    ad_check_free(report);
    return status;
}
static ad_status of_optimizer(nn_optimizer *optimizer) {
    const ad_status status = noted(nn_optimizer_status(optimizer), nn_optimizer_message(optimizer));
    nn_optimizer_free(optimizer);
    return status;
}
static ad_status of_data(nn_data *loaded) {
    const ad_status status = noted(nn_data_status(loaded), nn_data_message(loaded));
    nn_data_free(loaded);
    return status;
}

/* Each of these calls a function with good arguments and this in the spare room. */
#define WITH(type, name, ...)  \
    type name = {__VA_ARGS__}; \
    memcpy(name.reserved, reserved, sizeof name.reserved)

static double square(size_t n, const double v[], void *context) {
    (void)n, (void)context;
    return v[0] * v[0];
}
static void square_partials(size_t n, const double v[], double value, double partial[],
                            void *context) {
    (void)n, (void)value, (void)context;
    partial[0] = 2 * v[0];
}

static ad_status custom(const uint64_t reserved[8]) {
    WITH(ad_custom_op, op, .name = "squared", .operands = 1, .value = square,
         .partials = square_partials);
    const ad_var v = ad_custom(other, &op, 1, &x, NULL);
    cr_expect_eq(ad_tape_status(other) == AD_OK, ad_value(v) == 0.25);
    return of_tape(other);
}
static ad_status define(const uint64_t reserved[8]) {
    static ad_custom_op op;
    op = (ad_custom_op){
        .name = "squared", .operands = 1, .value = square, .partials = square_partials};
    memcpy(op.reserved, reserved, sizeof op.reserved);
    const ad_status status = ad_tape_define(other, &op, NULL);
    cr_expect_eq(status, of_tape(other));
    return status;
}
static ad_status compile(const uint64_t reserved[8]) {
    WITH(ad_interface, face, .inputs = 1, .input = &x, .outputs = 1, .output = &y);
    ad_program *program = ad_compile(&face);
    cr_expect_eq(program == NULL, ad_tape_status(other) != AD_OK);
    ad_program_free(program);
    return of_tape(other);
}
static ad_status check(const uint64_t reserved[8]) {
    WITH(ad_check_options, options, .seed = 1);
    return of_report(ad_check(y, 1, &x, NULL, &options));
}
static ad_status check_block(const uint64_t reserved[8]) {
    WITH(ad_check_block, second, .name = "none", .rank = 1, .shape = (const size_t[]){0});
    const ad_check_block blocks[] = {{.name = "x"}, second};
    return of_report(ad_check(y, 1, &x, NULL, &(ad_check_options){.blocks = 2, .block = blocks}));
}
static ad_status check_function(const uint64_t reserved[8]) {
    WITH(ad_check_options, options, .seed = 1);
    return of_report(
        ad_check_function(square, NULL, 1, (const double[]){3}, (const double[]){6}, &options));
}
static ad_status check_function_block(const uint64_t reserved[8]) {
    WITH(ad_check_block, block, .name = "x");
    return of_report(ad_check_function(square, NULL, 1, (const double[]){3}, (const double[]){6},
                                       &(ad_check_options){.blocks = 1, .block = &block}));
}
static void squares(size_t n, const double v[], size_t m, double out[], void *context) {
    (void)n, (void)context;
    for (size_t i = 0; i < m; i++) out[i] = v[0] * v[0];
}
static ad_status check_vector(const uint64_t reserved[8]) {
    WITH(ad_check_options, options, .seed = 1);
    return of_report(
        ad_check_vector(squares, NULL, 1, (const double[]){3}, 1, (const double[]){6}, &options));
}
static void doubled(size_t n, const double v[], size_t m, const double u[], double g[],
                    void *context) {
    (void)n, (void)m, (void)context;
    g[0] = 2 * v[0] * u[0];
}
static ad_status check_products(const uint64_t reserved[8]) {
    WITH(ad_check_options, options, .seed = 1);
    return of_report(
        ad_check_products(squares, doubled, NULL, NULL, 1, (const double[]){3}, 1, &options));
}
static void two_times(size_t n, const double v[], double g[], void *context) {
    (void)n, (void)context;
    g[0] = 2 * v[0];
}
static void two(size_t n, const double at[], const double v[], double h[], void *context) {
    (void)at;
    two_times(n, v, h, context);
}
static ad_status check_hessian(const uint64_t reserved[8]) {
    WITH(ad_check_options, options, .seed = 1);
    return of_report(
        ad_check_hessian_times(two_times, NULL, 1, (const double[]){3}, two, &options));
}
static ad_status program_with(const ad_check_options *options) {
    const ad_interface face = {.params = 1, .param = &x, .outputs = 1, .output = &y};
    ad_program        *program = ad_compile(&face);
    ad_check_report   *report = ad_check_program(program, (const double[]){3}, 2, NULL, options);
    ad_program_free(program);
    return of_report(report);
}
static ad_status check_program(const uint64_t reserved[8]) {
    WITH(ad_check_options, options, .seed = 1);
    return program_with(&options);
}
static ad_status check_program_block(const uint64_t reserved[8]) {
    WITH(ad_check_block, block, .name = "x");
    return program_with(&(ad_check_options){.blocks = 1, .block = &block});
}

static ad_status drawn(const uint64_t reserved[8],
                       ad_status (*draw)(size_t, const ad_var[], const ad_view *, FILE *)) {
    WITH(ad_view, view, .title = "a square");
    fflush(to);
    const size_t    before = length;
    const ad_status status = draw(1, &y, &view, to);
    fflush(to);
    cr_expect_eq(length > before, status == AD_OK, "a page or a refusal, not both");
    cr_expect_eq(status, of_tape(other));
    return status;
}
static ad_status explain_all(const uint64_t reserved[8]) {
    return drawn(reserved, ad_explain_all);
}
static ad_status explain_json(const uint64_t reserved[8]) {
    return drawn(reserved, ad_explain_json);
}
static ad_status draw_dot(const uint64_t reserved[8]) {
    return drawn(reserved, ad_draw_dot);
}
static ad_status draw_svg(const uint64_t reserved[8]) {
    return drawn(reserved, ad_draw_svg);
}
static ad_status draw_html(const uint64_t reserved[8]) {
    return drawn(reserved, ad_draw_html);
}

static ad_status data_csv(const uint64_t reserved[8]) {
    WITH(nn_csv_config, config, .targets = 1);
    return of_data(nn_data_csv(SOURCE "/demos/data/iris.csv", &config));
}
static ad_status param(const uint64_t reserved[8]) {
    WITH(nn_init, init, .low = -1, .high = 1);
    const ad_var *handles = nn_param(model, "more", 0, NULL, init);
    cr_expect_eq(handles == NULL, nn_model_status(model) != AD_OK);
    return of_model();
}
static ad_status embedding(const uint64_t reserved[8]) {
    WITH(nn_init, init, .low = -1, .high = 1);
    nn_embedding_free(nn_embedding_new(model, "embedding", 2, 2, &init));
    return of_model();
}

static uint64_t in_the_rule[8];
static nn_init  rule(size_t fan_in, size_t fan_out) {
     nn_init init = nn_init_linear(fan_in, fan_out);
     memcpy(init.reserved, in_the_rule, sizeof in_the_rule);
     return init;
}
static ad_status by_rule(const uint64_t reserved[8]) {
    memcpy(in_the_rule, reserved, sizeof in_the_rule);
    nn_layer_add(model, "by_rule", &(nn_layer_config){.inputs = 2, .outputs = 1, .weight = rule});
    return of_model();
}

static ad_status layer_add(const uint64_t reserved[8]) {
    WITH(nn_layer_config, config, .inputs = 2, .outputs = 3);
    const nn_layer layer = nn_layer_add(model, "layer", &config);
    cr_expect_eq(layer.weight == NULL, nn_model_status(model) != AD_OK);
    return of_model();
}
static ad_status layer_forward(const uint64_t reserved[8]) {
    nn_layer      layer = nn_mlp_layer(mlp, 0);
    const ad_var  in[] = {ad_num(1), ad_num(2)};
    const ad_mark mark = ad_tape_mark(tape);
    ad_var        out[3];
    memcpy(layer.reserved, reserved, sizeof layer.reserved);
    nn_layer_forward(&layer, in, out);
    for (int i = 0; i < 3; i++)
        cr_expect_eq(isnan(ad_value(out[i])), ad_tape_status(tape) != AD_OK);
    ad_tape_rewind(tape, mark);
    return of_tape(tape);
}
static ad_status mlp_new(const uint64_t reserved[8]) {
    WITH(nn_mlp_config, config, .layers = 1, .sizes = (const size_t[]){2, 2}, .name = "another");
    nn_mlp_free(nn_mlp_new(model, &config));
    return of_model();
}
static ad_status attention(const uint64_t reserved[8]) {
    WITH(nn_attention_config, config, .name = "attention", .width = 2, .heads = 1, .positions = 2);
    nn_attention_free(nn_attention_new(model, &config));
    return of_model();
}

/* A picture of 2 x 1 parameters, and a kernel of the first of them. */
static ad_status moved(const uint64_t reserved[8], int which) {
    WITH(nn_window, window, .channels = 1, .height = 2, .width = 1, .kernel = {1, 1});
    const ad_var *p = nn_model_params(model);
    const ad_mark mark = ad_tape_mark(tape);
    ad_var        out[2];
    const size_t  count = which == 0 ? nn_conv2d(&window, 1, p, NULL, p, out)
                        : which == 1 ? nn_max_pool2d(&window, p, out)
                                     : nn_avg_pool2d(&window, p, out);
    cr_expect_eq(count, ad_tape_status(tape) == AD_OK ? 2 : 0);
    ad_tape_rewind(tape, mark);
    return of_tape(tape);
}
static ad_status conv2d_add(const uint64_t reserved[8]) {
    WITH(nn_window, window, .channels = 1, .height = 2, .width = 1, .kernel = {1, 1});
    const nn_layer layer = nn_conv2d_add(model, "convolution", &window, 2);
    cr_expect_eq(layer.weight == NULL, nn_model_status(model) != AD_OK);
    return of_model();
}
static ad_status conv2d(const uint64_t reserved[8]) {
    return moved(reserved, 0);
}
static ad_status max_pool2d(const uint64_t reserved[8]) {
    return moved(reserved, 1);
}
static ad_status avg_pool2d(const uint64_t reserved[8]) {
    return moved(reserved, 2);
}

/* All weights are the first parameters of the model. */
static ad_status recurred(const uint64_t reserved[8], size_t gates) {
    const ad_var *p = nn_model_params(model);
    const ad_mark mark = ad_tape_mark(tape);
    ad_var        h = ad_num(0), c = ad_num(0), in = ad_num(1);
    WITH(nn_cell, cell, .gates = gates, .inputs = 1, .hidden = 1, .weight_ih = p, .weight_hh = p);
    if (gates == 3) nn_gru(&cell, 1, &in, &h, NULL);
    else nn_lstm(&cell, 1, &in, &h, &c, NULL);
    cr_expect_eq(ad_value(h) == 0, ad_tape_status(tape) != AD_OK);
    ad_tape_rewind(tape, mark);
    return of_tape(tape);
}
static ad_status gru(const uint64_t reserved[8]) {
    return recurred(reserved, 3);
}
static ad_status lstm(const uint64_t reserved[8]) {
    return recurred(reserved, 4);
}

static ad_status sgd_new(const uint64_t reserved[8]) {
    WITH(nn_sgd_config, config, .rate = 0.1);
    return of_optimizer(nn_sgd_new(&config));
}
static ad_status adam_new(const uint64_t reserved[8]) {
    WITH(nn_adam_config, config, .rate = 0.1, .beta1 = 0.9, .beta2 = 0.999, .epsilon = 1e-8);
    return of_optimizer(nn_adam_new(&config));
}
static ad_status adamw_new(const uint64_t reserved[8]) {
    WITH(nn_adam_config, config, .rate = 0.1, .beta1 = 0.9, .beta2 = 0.999, .epsilon = 1e-8);
    return of_optimizer(nn_adamw_new(&config));
}
static ad_status rmsprop_new(const uint64_t reserved[8]) {
    WITH(nn_rmsprop_config, config, .rate = 0.1, .alpha = 0.99, .epsilon = 1e-8);
    return of_optimizer(nn_rmsprop_new(&config));
}
static ad_status adagrad_new(const uint64_t reserved[8]) {
    WITH(nn_adagrad_config, config, .rate = 0.1, .epsilon = 1e-10);
    return of_optimizer(nn_adagrad_new(&config));
}

static ad_var loss(nn_model *of, size_t n, const ad_var row[], void *user) {
    ad_var out[2];
    (void)of, (void)user;
    nn_mlp_forward(mlp, row, out);
    return nn_cross_entropy(2, out, row[n - 1]);
}
static ad_status trained(const nn_train_config *config) {
    const double before = ad_value(nn_model_params(model)[0]);
    nn_train(model, loss, NULL, data, sgd, config);
    cr_expect_eq(ad_value(nn_model_params(model)[0]) != before, nn_model_status(model) == AD_OK);
    return of_model();
}
static ad_status train(const uint64_t reserved[8]) {
    WITH(nn_train_config, config, .epochs = 1, .batch = 3);
    return trained(&config);
}
static ad_status train_by_schedule(const uint64_t reserved[8]) {
    nn_schedule schedule = nn_schedule_constant(0.5);
    memcpy(schedule.reserved, reserved, sizeof schedule.reserved);
    return trained(&(nn_train_config){.epochs = 1, .batch = 3, .schedule = &schedule});
}

/* These have no sentence of their own: a schedule is good or not, and its rate is NaN then. */
static ad_status schedule(const uint64_t reserved[8]) {
    nn_schedule cosine = nn_schedule_cosine(0.1, 0.01, 5);
    memcpy(cosine.reserved, reserved, sizeof cosine.reserved);
    const nn_schedule warm = nn_schedule_warm_up(2, cosine);
    cr_expect_eq(nn_schedule_good(&cosine), nn_schedule_good(&warm));
    cr_expect_eq(isnan(nn_schedule_rate(&warm, 3)), !nn_schedule_good(&warm));
    return noted(nn_schedule_good(&cosine) ? AD_OK : AD_BAD_ARGUMENT,
                 "reserved of nn_schedule must be all 0");
}

static ad_status saved(const uint64_t reserved[8]) {
    double number = 7;
    WITH(nn_entry, second, .name = "b", .count = 1, .real = &number);
    const nn_entry entries[] = {{.name = "a", .count = 1, .real = &number}, second};
    unlink(path);
    nn_checkpoint_save(path, model, sgd, 2, entries);
    cr_expect_eq(access(path, F_OK) == 0, nn_model_status(model) == AD_OK);
    return of_model();
}
static ad_status loaded(const uint64_t reserved[8]) {
    double   number = 7, other_number = 8;
    nn_entry a = {.name = "a", .count = 1, .real = &number};
    cr_assert_eq(nn_checkpoint_save(path, model, sgd, 1, &a), AD_OK);
    memcpy(a.reserved, reserved, sizeof a.reserved);
    a.real = &other_number;
    nn_checkpoint_load(path, model, sgd, 1, &a);
    cr_expect_eq(other_number, nn_model_status(model) == AD_OK ? 7 : 8);
    return of_model();
}
static ad_status model_check(const uint64_t reserved[8]) {
    WITH(ad_check_options, options, .seed = 1);
    const ad_status status = of_report(nn_check(model, loss, NULL, data, 2, &options));
    cr_expect_eq(status, of_model());
    return status;
}
static ad_status lesson(const uint64_t reserved[8]) {
    WITH(nn_lesson_config, config, .rows = 1, .row = (const size_t[]){2}, .rate = 0.5);
    nn_lesson_free(nn_lesson_new(model, mlp, data, &config));
    return of_model();
}

/* clang-format off */
static const struct {
    const char *functions, *type;                /* which are tried by it */
    ad_status (*call)(const uint64_t reserved[8]);
} takers[] = {
    {"ad_custom",           "ad_custom_op",        custom},
    {"ad_tape_define",      "ad_custom_op",        define},
    {"ad_compile",          "ad_interface",        compile},
    {"ad_check",            "ad_check_options",    check},
    {"ad_check",            "ad_check_block",      check_block},
    {"ad_check_function",   "ad_check_options",    check_function},
    {"ad_check_function",   "ad_check_block",      check_function_block},
    {"ad_check_vector",     "ad_check_options",    check_vector},
    {"ad_check_products",   "ad_check_options",    check_products},
    {"ad_check_hessian_times", "ad_check_options", check_hessian},
    {"ad_check_program",    "ad_check_options",    check_program},
    {"ad_check_program",    "ad_check_block",      check_program_block},
    {"ad_explain_all",      "ad_view",             explain_all},
    {"ad_explain_json",     "ad_view",             explain_json},
    {"ad_draw_dot",         "ad_view",             draw_dot},
    {"ad_draw_svg",         "ad_view",             draw_svg},
    {"ad_draw_html",        "ad_view",             draw_html},
    {"nn_data_csv",         "nn_csv_config",       data_csv},
    {"nn_param",            "nn_init",             param},
    {"nn_embedding_new",    "nn_init",             embedding},
    {"nn_layer_add",        "nn_init",             by_rule},
    {"nn_layer_add",        "nn_layer_config",     layer_add},
    {"nn_layer_forward",    "nn_layer",            layer_forward},
    {"nn_mlp_new",          "nn_mlp_config",       mlp_new},
    {"nn_attention_new",    "nn_attention_config", attention},
    {"nn_conv2d",           "nn_window",           conv2d},
    {"nn_conv2d_add",       "nn_window",           conv2d_add},
    {"nn_max_pool2d",       "nn_window",           max_pool2d},
    {"nn_avg_pool2d",       "nn_window",           avg_pool2d},
    {"nn_gru",              "nn_cell",             gru},
    {"nn_lstm",             "nn_cell",             lstm},
    {"nn_sgd_new",          "nn_sgd_config",       sgd_new},
    {"nn_adam_new",         "nn_adam_config",      adam_new},
    {"nn_adamw_new",        "nn_adam_config",      adamw_new},
    {"nn_rmsprop_new",      "nn_rmsprop_config",   rmsprop_new},
    {"nn_adagrad_new",      "nn_adagrad_config",   adagrad_new},
    {"nn_schedule_good nn_schedule_rate nn_schedule_warm_up", "nn_schedule", schedule},
    {"nn_train",            "nn_train_config",     train},
    {"nn_train",            "nn_schedule",         train_by_schedule},
    {"nn_checkpoint_save",  "nn_entry",            saved},
    {"nn_checkpoint_load",  "nn_entry",            loaded},
    {"nn_check",            "ad_check_options",    model_check},
    {"nn_lesson_new",       "nn_lesson_config",    lesson},
};
/* clang-format on */

enum { TAKERS = sizeof takers / sizeof *takers };

/* The same call is good as soon as the spare room is 0 again: nothing was lost by the refusal. */
/* One of its eight words has become a field. */
static int spare_words(const char *type) {
    return strcmp(type, "ad_check_options") == 0 ? 7 : 8;
}

Test(abi, spare_room_that_is_not_0_is_refused_and_nothing_is_lost) {
    char wanted[128];
    for (size_t i = 0; i < TAKERS; i++) {
        const size_t nodes = ad_tape_length(tape) + ad_tape_length(other);
        for (int k = 0; k < spare_words(takers[i].type); k++) {
            uint64_t reserved[8] = {0};
            reserved[k] = k % 2 == 0 ? 1 : UINT64_C(1) << 63;
            cr_expect_eq(takers[i].call(reserved), AD_BAD_ARGUMENT, "%s, word %d",
                         takers[i].functions, k);
            snprintf(wanted, sizeof wanted, "reserved of %s must be all 0", takers[i].type);
            cr_expect(strstr(said, wanted) != NULL, "%s: %s", takers[i].functions, said);
        }
        cr_expect_eq(ad_tape_length(tape) + ad_tape_length(other), nodes, "%s",
                     takers[i].functions);
        cr_expect_eq(takers[i].call((const uint64_t[8]){0}), AD_OK, "%s: %s", takers[i].functions,
                     said);
    }
}

/* ---- are these all? -------------------------------------------------------------------------- */

/* Is this one of the words? */
static bool listed(const char *words, const char *name) {
    const size_t n = strlen(name);
    for (const char *at = words; (at = strstr(at, name)) != NULL; at += n)
        if ((at == words || at[-1] == ' ') && (at[n] == ' ' || at[n] == '\0')) return true;
    return false;
}
static bool is_tried(const char *function, const char *type) {
    for (size_t i = 0; i < TAKERS; i++)
        if (strcmp(takers[i].type, type) == 0 && listed(takers[i].functions, function)) return true;
    return false;
}

/* Those that the library fills and takes back only to read or to free them. */
static bool from_the_library(const char *type) {
    return strcmp(type, "ad_check_report") == 0 || strcmp(type, "ad_curve") == 0;
}

/* Every type with spare room among the parameters of a declaration, AD_API to semicolon. */
static void expect_takers_tried(const char *from, const char *end) {
    char function[64] = "", name[64];
    for (const char *at = from; at < end; at += strlen(name) + 1) {
        word(at, sizeof name, name);
        if (at[strlen(name)] == '(' && *function == '\0') strcpy(function, name);
        else if (*function != '\0' && is_pinned(name, "the end of reserved") &&
                 !from_the_library(name))
            cr_expect(is_tried(function, name), "%s takes %s, and no line of the table tries that",
                      function, name);
    }
}

static size_t read_declarations(const char *of) {
    char  *text = header(of);
    size_t count = 0;
    for (const char *at = text; (at = strstr(at, "\nAD_API ")) != NULL; at++, count++)
        expect_takers_tried(at + 1, strchr(at, ';'));
    free(text);
    return count;
}

Test(abi, every_function_that_takes_such_a_struct_is_in_the_table) {
    cr_expect(read_declarations("engine/ad.h") > 60);
    cr_expect(read_declarations("nn/nn.h") > 90);
}

/* ---- what the library fills ------------------------------------------------------------------ */

#define EXPECT_ZERO(thing) \
    cr_expect(memcmp((thing).reserved, no_words, sizeof(thing).reserved) == 0, #thing)

static const uint64_t no_words[8];

static void wrong_partials(size_t n, const double v[], double value, double partial[],
                           void *context) {
    (void)n, (void)value, (void)context;
    partial[0] = 3 * v[0];
}

Test(abi, reports_and_curves_come_with_zeros) {
    const ad_custom_op op = {
        .name = "wrong", .operands = 1, .value = square, .partials = wrong_partials};
    const ad_var     v = ad_custom(other, &op, 1, &x, NULL);
    ad_check_report *report = ad_check(v, 1, &x, NULL, &(ad_check_options){.second = true});
    cr_assert(report->lines > 0 && report->culprits > 0, "%s", report->message);
    EXPECT_ZERO(*report);
    for (size_t i = 0; i < report->lines; i++) EXPECT_ZERO(report->line[i]);
    for (size_t i = 0; i < report->culprits; i++) EXPECT_ZERO(report->culprit[i]);
    for (size_t i = 0; i < report->second_lines; i++) EXPECT_ZERO(report->second[i]);
    ad_check_free(report);
    ad_curve *curve = ad_check_curve(y, x, NULL);
    cr_assert(curve->points > 0);
    EXPECT_ZERO(*curve);
    for (size_t i = 0; i < curve->points; i++) EXPECT_ZERO(curve->point[i]);
    ad_curve_free(curve);
}

Test(abi, parts_of_models_and_optimizers_come_with_zeros) {
    EXPECT_ZERO(nn_model_array(model, 0));
    EXPECT_ZERO(nn_model_array(model, 99));
    EXPECT_ZERO(nn_mlp_layer(mlp, 0));
    EXPECT_ZERO(nn_layer_add(model, "layer", &(nn_layer_config){.inputs = 1, .outputs = 1}));
    const nn_window window = {1, 1, 1, .kernel = {1, 1}};
    EXPECT_ZERO(nn_conv2d_add(model, "conv", &window, 1));
    EXPECT_ZERO(nn_gru_add(model, "gru", 1, 1));
    EXPECT_ZERO(nn_lstm_add(model, "lstm", 1, 1));
    nn_optimizer *adam = nn_adam(0.1);
    cr_assert_eq(nn_optimizer_prepare(adam, 3), AD_OK);
    for (size_t i = 0; i <= nn_optimizer_state_count(adam); i++)
        EXPECT_ZERO(nn_optimizer_state(adam, i));
    nn_optimizer_free(adam);
}

Test(abi, settings_that_the_library_proposes_have_zeros) {
    EXPECT_ZERO(nn_adam_usual(0.1));
    EXPECT_ZERO(nn_adamw_usual(0.1));
    EXPECT_ZERO(nn_rmsprop_usual(0.1));
    EXPECT_ZERO(nn_adagrad_usual(0.1));
    EXPECT_ZERO(nn_init_uniform(0, 1));
    EXPECT_ZERO(nn_init_normal(0, 1));
    nn_init_rule *const rules[] = {
        nn_init_zeros,     nn_init_ones,   nn_init_linear,        nn_init_he,
        nn_init_he_normal, nn_init_xavier, nn_init_xavier_normal, nn_init_micrograd,
    };
    for (size_t i = 0; i < sizeof rules / sizeof *rules; i++) EXPECT_ZERO(rules[i](2, 3));
    EXPECT_ZERO(nn_schedule_constant(0.1));
    EXPECT_ZERO(nn_schedule_step(0.1, 2, 0.5));
    EXPECT_ZERO(nn_schedule_exponential(0.1, 0.5));
    EXPECT_ZERO(nn_schedule_linear(0.1, 0.01, 5));
    EXPECT_ZERO(nn_schedule_warm_up(3, nn_schedule_cosine(0.1, 0.01, 5)));
}

static bool watched(const nn_epoch *epoch, void *user) {
    EXPECT_ZERO(*epoch);
    ++*(int *)user;
    return true;
}
static bool stepped(const nn_step *step, void *user) {
    EXPECT_ZERO(*step);
    ++*(int *)user;
    return true;
}

Test(abi, what_a_training_tells_comes_with_zeros) {
    int                   calls = 0;
    const nn_train_config config = {.epochs = 2, .batch = 3, .watch = watched, .on_step = stepped};
    cr_assert_eq(nn_train(model, loss, &calls, data, sgd, &config), AD_OK);
    cr_expect_eq(calls, 4);
}
