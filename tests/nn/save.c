/* save.c - tests of saving and loading models: in both directions with an independent checker
 * written from the format's rules, broken files, full disks, kills while saving. */
#include "files.h"
#include "nn/nn.h"

#include "expect.h"
#include <math.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static void need_jansson(void) {
#if !HAVE_JANSSON
    cr_skip_test("this build is without jansson");
#endif
}

TestSuite(save, .init = need_jansson, .fini = files_remove);

/* ---- a model of nine numbers ----------------------------------------------------------------- */

enum { COUNT = 9 };

static nn_model *model_new(void) {
    nn_model *model = nn_model_new(ad_tape_new(), 1);
    nn_param(model, "weight", 2, (const size_t[]){2, 3}, nn_init_uniform(-1, 1));
    nn_param(model, "bias", 1, (const size_t[]){2}, nn_init_uniform(-1, 1));
    nn_param(model, "scale", 0, NULL, nn_init_uniform(-1, 1));
    cr_assert_eq(nn_model_count(model), COUNT);
    return model;
}

static void model_free(nn_model *model) {
    ad_tape *tape = nn_model_tape(model);
    nn_model_free(model);
    ad_tape_free(tape);
}

static void expect_values(const nn_model *model, const double want[COUNT]) {
    double have[COUNT];
    nn_model_values(model, have);
    cr_expect_arr_eq(have, want, sizeof have);
}

/* The values in safetensors_files.py. */
static void scripted(double value[COUNT], bool f32_weight, bool f32_bias) {
    for (int i = 0; i < 6; i++) value[i] = 0.1 * i - 1;
    value[6] = 1.0 / 3, value[7] = -2.5e-310, value[8] = 7;
    for (int i = 0; i < COUNT; i++)
        if (i < 6 ? f32_weight : f32_bias) value[i] = (float)value[i];
}

static const char *header_file(const char *header, size_t length, size_t zeros) {
    static unsigned char bytes[4096];
    const char          *path = file_path("made.safetensors");
    memset(bytes, 0, sizeof bytes);
    for (int i = 0; i < 8; i++) bytes[i] = (unsigned char)(length >> 8 * i);
    memcpy(bytes + 8, header, strlen(header));
    file_write(path, 8 + strlen(header) + zeros, bytes);
    return path;
}

/* The model refuses the file with this message and is unchanged. */
static void expect_refused(const char *path, const char *message) {
    nn_model *model = model_new();
    double    before[COUNT];
    char      whole[1024];
    nn_model_values(model, before);
    cr_expect_eq(nn_model_load(model, path), AD_BAD_FILE);
    snprintf(whole, sizeof whole, "%s: %s", path, message);
    cr_expect(strncmp(nn_model_message(model), whole, strlen(whole)) == 0, "\"%s\" is not \"%s\"",
              nn_model_message(model), whole);
    nn_model_clear(model);
    expect_values(model, before);
    model_free(model);
}

/* ---- buffers --------------------------------------------------------------------------------- */

static nn_model *with_buffers(const double mean[2], const double deviation[1]) {
    nn_model *model = model_new();
    nn_buffer(model, "input.mean", 1, (const size_t[]){2}, mean);
    nn_buffer(model, "input.deviation", 0, NULL, deviation);
    return model;
}

Test(save, buffers_come_back_to_the_bit_with_the_parameters) {
    const double mean[] = {1.0 / 3, -0.0}, deviation = 5e-324, zeros[2] = {0};
    double       value[COUNT];
    nn_model    *a = with_buffers(mean, &deviation), *b = with_buffers(zeros, zeros);
    const char  *path = file_path("a.safetensors");
    scripted(value, false, false);
    nn_model_set_values(a, value);
    cr_assert_eq(nn_model_save(a, path), AD_OK, "%s", nn_model_message(a));
    cr_assert_eq(nn_model_load(b, path), AD_OK, "%s", nn_model_message(b));
    expect_values(b, value);
    cr_expect_arr_eq(nn_buffer_value(b, "input.mean"), mean, sizeof mean);
    cr_expect_eq(nn_buffer_value(b, "input.deviation")[0], deviation);
    cr_assert_eq(nn_model_save_f32(a, path), AD_OK, "%s", nn_model_message(a));
    cr_assert_eq(nn_model_load(b, path), AD_OK, "%s", nn_model_message(b));
    cr_expect_eq(nn_buffer_value(b, "input.mean")[0], (float)mean[0]);
    model_free(a);
    model_free(b);
}

static void expect_no_load(nn_model *model, const char *path, const char *sentence) {
    double before[COUNT];
    nn_model_values(model, before);
    cr_expect_eq(nn_model_load(model, path), AD_BAD_FILE);
    cr_expect(strstr(nn_model_message(model), sentence) != NULL, "%s", nn_model_message(model));
    nn_model_clear(model);
    expect_values(model, before);
    model_free(model);
}

Test(save, buffers_that_do_not_fit_are_refused) {
    const double ones[] = {1, 1}, zeros[] = {0, 0};
    nn_model    *model = with_buffers(ones, ones), *without = model_new();
    const char  *path = file_path("a.safetensors"), *plain = file_path("b.safetensors");
    cr_assert_eq(nn_model_save(model, path), AD_OK);
    cr_assert_eq(nn_model_save(without, plain), AD_OK);
    model_free(model);
    expect_no_load(without, path, "it has an array \"input.mean\", which the model lacks");
    expect_no_load(with_buffers(zeros, zeros), plain,
                   "there is no array \"input.mean\", which the model has");
    nn_model *other = model_new();
    nn_buffer(other, "input.mean", 2, (const size_t[]){2, 1}, zeros);
    nn_buffer(other, "input.deviation", 0, NULL, zeros);
    const double *mean = nn_buffer_value(other, "input.mean");
    cr_expect(mean[0] == 0 && mean[1] == 0);
    expect_no_load(other, path, "\"input.mean\" is 2, but 2 x 1 in the model");
}

/* ---- both directions ------------------------------------------------------------------------- */

Test(save, parameters_come_back_to_the_bit) {
    const double value[COUNT] = {
        -0.0, 5e-324, 1.7976931348623157e308, 1.0 / 3, -INFINITY, NAN, 0.1, -2.5e-310, 7};
    nn_model   *a = model_new(), *b = model_new();
    const char *path = file_path("a.safetensors");
    nn_model_set_values(a, value);
    cr_assert_eq(nn_model_save(a, path), AD_OK, "%s", nn_model_message(a));
    cr_assert_eq(nn_model_load(b, path), AD_OK, "%s", nn_model_message(b));
    expect_values(b, value);
    model_free(a);
    model_free(b);
}

static void expect_by_the_rules(bool single, const char *want) {
    nn_model   *model = model_new();
    const char *path = file_path("a.safetensors"), *out = file_path("out.txt");
    double      value[COUNT];
    char        text[2048] = "";
    scripted(value, false, false);
    nn_model_set_values(model, value);
    cr_assert_eq((single ? nn_model_save_f32 : nn_model_save)(model, path), AD_OK, "%s",
                 nn_model_message(model));
    model_free(model);
    const int status = python(NULL, SOURCE "/tests/safetensors_files.py", "check", path, out);
    if (status == -1) cr_skip_test("there is no Python");
    cr_assert_eq(status, 0);
    text[file_read(out, sizeof text - 1, text)] = '\0';
    cr_expect_str_eq(text, want);
}

Test(save, file_keeps_the_rules_of_the_format) {
    expect_by_the_rules(
        false,
        "weight F64 [2, 3] -0x1.0000000000000p+0 -0x1.ccccccccccccdp-1 -0x1.999999999999ap-1 "
        "-0x1.6666666666666p-1 -0x1.3333333333333p-1 -0x1.0000000000000p-1\n"
        "bias F64 [2] 0x1.5555555555555p-2 -0x0.02e055c9a3f6cp-1022\n"
        "scale F64 [] 0x1.c000000000000p+2\n");
}

Test(save, file_of_f32_keeps_the_rules_of_the_format) {
    expect_by_the_rules(
        true, "weight F32 [2, 3] -0x1.0000000000000p+0 -0x1.cccccc0000000p-1 -0x1.99999a0000000p-1 "
              "-0x1.6666660000000p-1 -0x1.3333340000000p-1 -0x1.0000000000000p-1\n"
              "bias F32 [2] 0x1.5555560000000p-2 -0x0.0p+0\n"
              "scale F32 [] 0x1.c000000000000p+2\n");
}

/* ---- PyTorch --------------------------------------------------------------------------------- */

enum { PYTORCH_ROWS = 5, PYTORCH_INPUTS = 12, PYTORCH_OUTPUTS = 15 };

/* The networks of docs/code/pytorch.py. */
typedef struct twins {
    nn_model     *model;
    nn_mlp       *mlp;
    nn_attention *attention;
} twins;

static twins twins_new(const double mean[4], const double deviation[4]) {
    static const size_t sizes[] = {4, 8, 3}, four[] = {4};
    twins               t = {.model = nn_model_new(ad_tape_new(), 1)};
    nn_buffer(t.model, "mean", 1, four, mean);
    nn_buffer(t.model, "deviation", 1, four, deviation);
    t.mlp = nn_mlp_new(t.model, &(nn_mlp_config){.layers = 2, .sizes = sizes});
    t.attention = nn_attention_new(
        t.model,
        &(nn_attention_config){.name = "attention", .width = 4, .heads = 2, .positions = 3});
    return t;
}

static void twins_free(twins *t) {
    nn_mlp_free(t->mlp);
    nn_attention_free(t->attention);
    model_free(t->model);
}

static void twins_forward(nn_model *model, size_t n, const ad_var x[], ad_var y[], void *user) {
    const twins  *t = user;
    const double *mean = nn_buffer_value(model, "mean"),
                 *deviation = nn_buffer_value(model, "deviation");
    ad_var input[4];
    cr_assert_eq(n, PYTORCH_INPUTS);
    for (size_t i = 0; i < 4; i++)
        input[i] = ad_div(ad_sub(x[i], ad_num(mean[i])), ad_num(deviation[i]));
    nn_mlp_forward(t->mlp, input, y);
    nn_attention_forward(t->attention, 3, x, y + 3);
}

/* What the script wrote of its rows is what the model says of them. */
static void expect_twins(const twins *t, const char *out) {
    double   x[PYTORCH_ROWS * PYTORCH_INPUTS], y[PYTORCH_ROWS * PYTORCH_OUTPUTS], want;
    FILE    *file = fopen(out, "r");
    nn_data *data;
    for (size_t i = 0; i < PYTORCH_ROWS * PYTORCH_INPUTS; i++) x[i] = (double)i / 8 - 3;
    data = nn_data_new(PYTORCH_ROWS, PYTORCH_INPUTS, 0, x);
    cr_assert_eq(nn_predict(t->model, twins_forward, (void *)t, PYTORCH_OUTPUTS, data, y), AD_OK,
                 "%s", nn_model_message(t->model));
    for (size_t i = 0; i < PYTORCH_ROWS * PYTORCH_OUTPUTS; i++) {
        cr_assert_eq(fscanf(file, "%lg", &want), 1);
        cr_expect_float_eq(y[i], want, 1e-14, "number %zu: %.17g, not %.17g", i, y[i], want);
    }
    nn_data_free(data);
    fclose(file);
}

static void run_pytorch(const char *direction, const char *path, const char *out) {
    const int status = python("torch", SOURCE "/docs/code/pytorch.py", direction, path, out);
    if (status == -1) cr_skip_test("there is no PyTorch");
    cr_assert_eq(status, 0);
}

/* By the script of docs/data.md, as in the next test. */
Test(save, weights_of_pytorch_are_loaded, .timeout = 100) {
    const double zeros[4] = {0}, mean[] = {0.5, -1, 2, 0.25};
    const char  *path = file_path("a.safetensors"), *out = file_path("out.txt");
    run_pytorch("to", path, out);
    twins t = twins_new(zeros, zeros);
    cr_assert_eq(nn_model_load(t.model, path), AD_OK, "%s", nn_model_message(t.model));
    cr_expect_arr_eq(nn_buffer_value(t.model, "mean"), mean, sizeof mean);
    expect_twins(&t, out);
    twins_free(&t);
}

Test(save, weights_are_loaded_by_pytorch, .timeout = 100) {
    const double mean[] = {0.25, 3, -1, 1}, deviation[] = {1, 2, 0.25, 3};
    const char  *path = file_path("a.safetensors"), *out = file_path("out.txt");
    twins        t = twins_new(mean, deviation);
    cr_assert_eq(nn_model_save(t.model, path), AD_OK, "%s", nn_model_message(t.model));
    run_pytorch("from", path, out);
    expect_twins(&t, out);
    twins_free(&t);
}

/* The script of docs/data.md. */
Test(save, numpy_reads_the_file_with_the_script_of_the_docs) {
    nn_model *model = model_new();
    cr_assert_eq(nn_model_save(model, file_path("a.safetensors")), AD_OK);
    model_free(model);
    const int status = python("numpy", SOURCE "/docs/code/read_safetensors.py",
                              file_path("a.safetensors"), NULL, NULL);
    if (status == -1) cr_skip_test("there is no NumPy");
    cr_expect_eq(status, 0);
}

Test(save, files_made_by_others_are_loaded) {
    static const struct {
        const char *name;
        bool        f32_weight, f32_bias;
    } files[] = {
        {"f64.safetensors", false, false},
        {"f32.safetensors", true, true},
        {"mixed.safetensors", true, false},
        {"unpadded.safetensors", false, false},
    };
    const int status =
        python(NULL, SOURCE "/tests/safetensors_files.py", "make", file_path("."), NULL);
    if (status == -1) cr_skip_test("there is no Python");
    cr_assert_eq(status, 0);
    for (size_t i = 0; i < 4; i++) {
        nn_model *model = model_new();
        double    want[COUNT];
        scripted(want, files[i].f32_weight, files[i].f32_bias);
        cr_expect_eq(nn_model_load(model, file_path(files[i].name)), AD_OK, "%s",
                     nn_model_message(model));
        expect_values(model, want);
        model_free(model);
    }
}

Test(save, number_too_large_for_f32_is_refused_and_nothing_written) {
    nn_model *model = model_new();
    double    value[COUNT] = {0, 0, 1e39};
    nn_model_set_values(model, value);
    cr_expect_eq(nn_model_save_f32(model, file_path("a.safetensors")), AD_BAD_ARGUMENT);
    cr_expect(strstr(nn_model_message(model),
                     "number 2 (from 0) of \"weight\" is 1e+39, too large for F32"));
    cr_expect_not(file_exists(file_path("a.safetensors")));
    model_free(model);
}

Test(save, name_that_json_cannot_hold_is_refused) {
    nn_model *model = model_new();
    nn_param(model, "\xff", 0, NULL, nn_init_uniform(0, 0));
    cr_expect_eq(nn_model_save(model, file_path("a.safetensors")), AD_BAD_ARGUMENT);
    cr_expect(strstr(nn_model_message(model), "array 3 (from 0) has a name that is not UTF-8"));
    cr_expect_not(file_exists(file_path("a.safetensors")));
    model_free(model);
    model = model_new();
    nn_param(model, "__metadata__", 0, NULL, nn_init_uniform(0, 0));
    cr_expect_eq(nn_model_save(model, file_path("a.safetensors")), AD_BAD_ARGUMENT);
    model_free(model);
}

/* ---- broken files ---------------------------------------------------------------------------- */

#define WEIGHT "\"weight\":{\"dtype\":\"F64\",\"shape\":[2,3],\"data_offsets\":[0,48]}"
#define BIAS   "\"bias\":{\"dtype\":\"F64\",\"shape\":[2],\"data_offsets\":[48,64]}"
#define SCALE  "\"scale\":{\"dtype\":\"F64\",\"shape\":[],\"data_offsets\":[64,72]}"

static void expect_header_refused(const char *header, size_t zeros, const char *message) {
    expect_refused(header_file(header, strlen(header), zeros), message);
}

Test(save, whole_of_the_three_arrays_is_loaded) {
    const char *header = "{" WEIGHT "," BIAS "," SCALE "}";
    nn_model   *model = model_new();
    cr_expect_eq(nn_model_load(model, header_file(header, strlen(header), 72)), AD_OK, "%s",
                 nn_model_message(model));
    expect_values(model, (const double[COUNT]){0});
    model_free(model);
}

Test(save, offsets_that_overlap_leave_gaps_or_lie_are_refused) {
    expect_header_refused("{" WEIGHT
                          ",\"bias\":{\"dtype\":\"F64\",\"shape\":[2],\"data_offsets\":[40,56]}}",
                          56, "byte 168: \"bias\" overlaps the array before it");
    expect_header_refused("{" WEIGHT
                          ",\"bias\":{\"dtype\":\"F64\",\"shape\":[2],\"data_offsets\":[0,16]}}",
                          48, "byte 127: \"weight\" overlaps the array before it");
    expect_header_refused("{" WEIGHT
                          ",\"bias\":{\"dtype\":\"F64\",\"shape\":[2],\"data_offsets\":[56,72]}}",
                          72, "byte 184: \"bias\" begins after a gap");
    expect_header_refused("{" WEIGHT "}", 49, "byte 118: 1 bytes that belong to no array");
    expect_header_refused("{}", 8, "byte 10: 8 bytes that belong to no array");
    expect_header_refused(
        "{\"weight\":{\"dtype\":\"F64\",\"shape\":[2,3],\"data_offsets\":[0,40]}}", 40,
        "\"weight\": 40 bytes between its offsets, but its shape asks for 48");
    expect_header_refused(
        "{\"weight\":{\"dtype\":\"F64\",\"shape\":[2,3],\"data_offsets\":[48,0]}}", 48,
        "\"weight\": \"data_offsets\" are not two whole numbers");
    expect_header_refused(
        "{\"weight\":{\"dtype\":\"F64\",\"shape\":[2,3],\"data_offsets\":[-8,40]}}", 48,
        "\"weight\": \"data_offsets\" are not two whole numbers");
    expect_header_refused(
        "{\"weight\":{\"dtype\":\"F64\",\"shape\":[2,3],\"data_offsets\":[0,48.0]}}", 48,
        "\"weight\": \"data_offsets\" are not two whole numbers");
}

Test(save, numbers_that_overflow_are_refused) {
    expect_header_refused(
        "{\"weight\":{\"dtype\":\"F64\",\"shape\":[4294967296,4294967296],\"data_offsets\":[0,0]}}",
        0, "\"weight\": its shape has too many numbers to count");
    expect_header_refused(
        "{\"weight\":{\"dtype\":\"F64\",\"shape\":[2305843009213693952],\"data_offsets\":[0,0]}}",
        0, "\"weight\": its shape has too many numbers to count");
    expect_header_refused(
        "{\"weight\":{\"dtype\":\"F64\",\"shape\":[2,3],\"data_offsets\":[9223372036854775800,"
        "9223372036854775807]}}",
        48, "byte 153: the file ends before \"weight\"");
    expect_header_refused(
        "{\"weight\":{\"dtype\":\"F64\",\"shape\":[2,3],\"data_offsets\":[0,18446744073709551615]}"
        "}",
        48, "byte 85: the header is not JSON: too big integer near '18446744073709551615'");
    expect_header_refused(
        "{\"weight\":{\"dtype\":\"F64\",\"shape\":[-2,3],\"data_offsets\":[0,48]}}", 48,
        "\"weight\": axis 0 (from 0) of its shape is not a whole number of at least 0");
}

Test(save, header_of_a_length_that_lies_is_refused_before_memory_is_asked_for) {
    expect_refused(header_file("{}", (size_t)1 << 60, 0),
                   "byte 0: a header of 1152921504606846976 bytes; at most 100000000 are allowed");
    expect_refused(header_file("{}", 100000001, 0), "byte 0: a header of 100000001 bytes");
    expect_refused(header_file("{}", 3, 0), "byte 10: the file ends in its header of 3 bytes");
    expect_refused(header_file("{}", SIZE_MAX, 0),
                   "byte 0: a header of 18446744073709551615 bytes");
    expect_refused(header_file("", 0, 0), "byte 8: the header does not begin with {");
}

Test(save, header_that_is_not_what_the_format_says_is_refused) {
    expect_header_refused(" {}", 0, "byte 8: the header does not begin with {");
    expect_header_refused("{\"weight\"", 0,
                          "byte 17: the header is not JSON: ':' expected near end of file");
    expect_header_refused("{" WEIGHT "," WEIGHT "}", 48,
                          "byte 78: the header is not JSON: duplicate object key near");
    expect_header_refused("{\"weight\":1}", 0, "\"weight\" is not an object");
    expect_header_refused("{\"weight\":{}}", 0, "\"weight\": \"dtype\" is missing or not a string");
    expect_header_refused(
        "{\"weight\":{\"dtype\":\"I64\",\"shape\":[2,3],\"data_offsets\":[0,48]}}", 48,
        "\"weight\": numbers of type \"I64\" are not supported; supported are \"F64\" and \"F32\"");
    expect_header_refused("{\"weight\":{\"dtype\":\"F64\",\"data_offsets\":[0,48]}}", 48,
                          "\"weight\": \"shape\" is missing or not an array");
    expect_header_refused("{\"weight\":{\"dtype\":\"F64\",\"shape\":[6]}}", 48,
                          "\"weight\": \"data_offsets\" are not two whole numbers");
    expect_header_refused("{\"__metadata__\":3}", 0, "\"__metadata__\" is not an object");
    expect_header_refused("{\"__metadata__\":{\"a\":3}}", 0,
                          "\"__metadata__\": \"a\" is not a string");
}

Test(save, arrays_must_be_those_of_the_model) {
    expect_header_refused("{" WEIGHT "," BIAS "}", 64,
                          "there is no array \"scale\", which the model has");
    expect_header_refused("{" WEIGHT "," BIAS "," SCALE
                          ",\"x\":{\"dtype\":\"F32\",\"shape\":[0],\"data_offsets\":[72,72]}}",
                          72, "it has an array \"x\", which the model lacks");
    expect_header_refused(
        "{\"weight\":{\"dtype\":\"F64\",\"shape\":[3,2],\"data_offsets\":[0,48]}," BIAS "," SCALE
        "}",
        72, "\"weight\" is 3 x 2, but 2 x 3 in the model");
    expect_header_refused(
        "{\"weight\":{\"dtype\":\"F64\",\"shape\":[6],\"data_offsets\":[0,48]}," BIAS "," SCALE "}",
        72, "\"weight\" is 6, but 2 x 3 in the model");
    expect_header_refused("{" WEIGHT "," BIAS
                          ",\"scale\":{\"dtype\":\"F64\",\"shape\":[1],\"data_offsets\":[64,72]}}",
                          72, "\"scale\" is 1, but one number in the model");
}

Test(save, file_cut_anywhere_is_refused) {
    unsigned char bytes[1024];
    nn_model     *model = model_new();
    const char   *path = file_path("whole.safetensors"), *cut = file_path("cut.safetensors");
    cr_assert_eq(nn_model_save(model, path), AD_OK);
    model_free(model);
    const size_t size = file_read(path, sizeof bytes, bytes);
    for (size_t n = 0; n < size; n++) {
        file_write(cut, n, bytes);
        model = model_new();
        cr_expect_eq(nn_model_load(model, cut), AD_BAD_FILE, "cut after %zu bytes", n);
        cr_expect(strstr(nn_model_message(model), "cut.safetensors: byte "), "%s",
                  nn_model_message(model));
        model_free(model);
    }
}

/* Any byte of the header changed to any other: an error or a model, never a crash. */
Test(save, header_with_any_byte_changed_is_read_or_refused) {
    unsigned char bytes[1024];
    nn_model     *model = model_new();
    const char *path = file_path("whole.safetensors"), *changed = file_path("changed.safetensors");
    cr_assert_eq(nn_model_save(model, path), AD_OK);
    const size_t   size = file_read(path, sizeof bytes, bytes), end = size - COUNT * sizeof(double);
    const unsigned more = getenv("TAPIR_FULL") != NULL ? 1 : 97;
    for (size_t i = 0; i < end; i++)
        for (unsigned change = 1; change < 256; change += more) {
            bytes[i] ^= (unsigned char)change;
            file_write(changed, size, bytes);
            const ad_status status = nn_model_load(model, changed);
            cr_expect(status == AD_OK || (status == AD_BAD_FILE &&
                                          strstr(nn_model_message(model), "changed.safetensors: ")),
                      "byte %zu: %s", i, nn_model_message(model));
            nn_model_clear(model);
            bytes[i] ^= (unsigned char)change;
        }
    model_free(model);
}

/* ---- the old file survives ------------------------------------------------------------------- */

/* A model whose numbers are all the same. */
static nn_model *filled(double x) {
    nn_model *model = model_new();
    double    value[COUNT];
    for (size_t i = 0; i < COUNT; i++) value[i] = x;
    nn_model_set_values(model, value);
    return model;
}

static void expect_file(const char *path, double x) {
    nn_model *model = model_new();
    double    value[COUNT];
    cr_expect_eq(nn_model_load(model, path), AD_OK, "%s", nn_model_message(model));
    nn_model_values(model, value);
    for (size_t i = 0; i < COUNT; i++) cr_expect_eq(value[i], x);
    model_free(model);
}

static void expect_not_written(const char *path, const char *reason) {
    nn_model *model = filled(2);
    cr_expect_eq(nn_model_save(model, path), AD_BAD_FILE);
    cr_expect(strstr(nn_model_message(model), reason), "%s", nn_model_message(model));
    nn_model_clear(model);
    cr_expect_eq(nn_model_save(model, file_path("elsewhere.safetensors")), AD_OK);
    expect_file(file_path("elsewhere.safetensors"), 2);
    model_free(model);
}

Test(save, file_size_limit_is_a_status_and_the_old_file_stays) {
    const char   *path = file_path("a.safetensors");
    nn_model     *model = filled(1), *next = filled(2);
    struct rlimit limit;
    cr_assert_eq(nn_model_save(model, path), AD_OK);
    signal(SIGXFSZ, SIG_IGN);
    getrlimit(RLIMIT_FSIZE, &limit);
    const rlim_t before = limit.rlim_cur;
    for (rlim_t most = 0; most < 300; most += 50) {
        limit.rlim_cur = most;
        setrlimit(RLIMIT_FSIZE, &limit);
        const ad_status status = nn_model_save(next, path);
        limit.rlim_cur = before;
        setrlimit(RLIMIT_FSIZE, &limit);
        cr_expect_eq(status, AD_BAD_FILE, "%d bytes", (int)most);
        cr_expect(strstr(nn_model_message(next),
                         "a.safetensors: the file cannot be written: File too large"),
                  "%s", nn_model_message(next));
        nn_model_clear(next);
        expect_file(path, 1);
        cr_expect_eq(files_count(file_path(".")), 1);
    }
    model_free(next);
    model_free(model);
}

/* A separate file system of 64 KiB, if the system allows mounting one. */
Test(save, full_disk_is_a_status_and_the_old_file_stays) {
    const char *folder = file_path("disk");
    char        path[600], filler[600], block[4096] = "";
    mkdir(folder, 0700);
    if (unshare(CLONE_NEWNS) != 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 ||
        mount("tmpfs", folder, "tmpfs", 0, "size=64k") != 0) {
        rmdir(folder);
        cr_skip_test("no file system can be mounted here");
    }
    snprintf(path, sizeof path, "%s/a.safetensors", folder);
    snprintf(filler, sizeof filler, "%s/filler", folder);
    nn_model *model = filled(1), *next = filled(2);
    cr_assert_eq(nn_model_save(model, path), AD_OK, "%s", nn_model_message(model));
    FILE *file = fopen(filler, "wb");
    setvbuf(file, NULL, _IONBF, 0);
    while (fwrite(block, sizeof block, 1, file) == 1) continue;
    fclose(file);
    cr_expect_eq(nn_model_save(next, path), AD_BAD_FILE);
    cr_expect(strstr(nn_model_message(next), "the file cannot be written: No space left on device"),
              "%s", nn_model_message(next));
    expect_file(path, 1);
    unlink(filler);
    nn_model_clear(next);
    cr_expect_eq(nn_model_save(next, path), AD_OK);
    expect_file(path, 2);
    umount(folder);
    rmdir(folder);
    model_free(next);
    model_free(model);
}

Test(save, devices_and_folders_are_left_alone) {
    expect_not_written("/dev/full", "/dev/full: not a regular file: nothing is written there");
    expect_not_written("/dev/null", "/dev/null: not a regular file: nothing is written there");
    expect_not_written(file_path("."), "not a regular file: nothing is written there");
    expect_not_written(file_path("no/such/folder"),
                       "the file cannot be written: No such file or directory");
    struct stat about;
    cr_expect(stat("/dev/null", &about) == 0 && S_ISCHR(about.st_mode));
}

Test(save, a_file_beside_it_is_left_alone) {
    nn_model *model = filled(3);
    char      text[32] = "";
    file_write_text(file_path("a.safetensors.new"), "somebody's");
    cr_expect_eq(nn_model_save(model, file_path("a.safetensors")), AD_OK, "%s",
                 nn_model_message(model));
    expect_file(file_path("a.safetensors"), 3);
    file_read(file_path("a.safetensors.new"), sizeof text - 1, text);
    cr_expect_str_eq(text, "somebody's");
    cr_expect_eq(files_count(file_path(".")), 2);
    model_free(model);
}

Test(save, symbolic_link_and_mode_are_kept) {
    nn_model   *model = filled(3);
    struct stat about;
    cr_assert_eq(nn_model_save(model, file_path("a.safetensors")), AD_OK);
    chmod(file_path("a.safetensors"), 0640);
    cr_assert_eq(symlink("a.safetensors", file_path("link.safetensors")), 0);
    cr_expect_eq(nn_model_save(model, file_path("link.safetensors")), AD_OK, "%s",
                 nn_model_message(model));
    cr_expect(lstat(file_path("link.safetensors"), &about) == 0 && S_ISLNK(about.st_mode));
    cr_expect(stat(file_path("a.safetensors"), &about) == 0 && (about.st_mode & 0777) == 0640);
    model_free(model);
}

/* A child alternately saves two models as fast as it can and is killed: the file is always one of
 * them. */
Test(save, killed_while_saving_leaves_the_old_file_or_the_new_one) {
    const char *path = file_path("a.safetensors");
    nn_model   *one = filled(1), *two = filled(2), *loaded = model_new();
    const int   kills = getenv("TAPIR_FULL") != NULL ? 50 : 8;
    size_t      seen[3] = {0};
    srand(1);
    cr_assert_eq(nn_model_save(one, path), AD_OK);
    for (int i = 0; i < kills; i++) {
        const pid_t child = fork();
        if (child == 0)
            for (;;) {
                nn_model_save(two, path);
                nn_model_save(one, path);
            }
        nanosleep(&(struct timespec){.tv_nsec = 1000000 + rand() % 20000000}, NULL);
        kill(child, SIGKILL);
        waitpid(child, NULL, 0);
        double value[COUNT];
        cr_assert_eq(nn_model_load(loaded, path), AD_OK, "%s", nn_model_message(loaded));
        nn_model_values(loaded, value);
        for (size_t k = 1; k < COUNT; k++) cr_assert_eq(value[k], value[0]);
        cr_assert(value[0] == 1 || value[0] == 2);
        seen[(size_t)value[0]]++;
    }
    cr_log_info("%zu times the one, %zu times the other", seen[1], seen[2]);
    model_free(one);
    model_free(two);
    model_free(loaded);
}

/* Several processes write one file: it is never a mix of two, and nothing is left behind. */
Test(save, writers_of_one_file_do_not_disturb_each_other) {
    const char *path = file_path("a.safetensors");
    pid_t       child[4];
    for (int k = 0; k < 4; k++)
        if ((child[k] = fork()) == 0) {
            nn_model *model = filled(k);
            for (int i = 0; i < 25; i++)
                if (nn_model_save(model, path) != AD_OK) _exit(1);
            _exit(0);
        }
    for (int k = 0; k < 4; k++) {
        int status = -1;
        waitpid(child[k], &status, 0);
        cr_expect_eq(status, 0);
    }
    cr_expect_eq(files_count(file_path(".")), 1);
    nn_model *model = model_new();
    double    value[COUNT];
    cr_expect_eq(nn_model_load(model, path), AD_OK, "%s", nn_model_message(model));
    nn_model_values(model, value);
    for (size_t i = 1; i < COUNT; i++) cr_expect_eq(value[i], value[0]);
    model_free(model);
}
