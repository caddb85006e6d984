/* model.c - tests of nn/model.c. */
#include "nn/model.h"

#include "expect.h"
#include <math.h>
#include <string.h>

static ad_tape  *tape;
static nn_model *model;

static void make(void) {
    tape = ad_tape_new();
    model = nn_model_new(tape, 1);
}
static void drop(void) {
    nn_model_free(model);
    ad_tape_free(tape);
}

TestSuite(model, .init = make, .fini = drop);

static const size_t shape[] = {2, 3, 4};

Test(model, parameters_are_consecutive_inputs) {
    nn_param(model, "a", 2, shape, nn_init_uniform(-1, 1));
    nn_param(model, "b", 0, NULL, nn_init_uniform(-1, 1));
    nn_param(model, "c", 1, shape, nn_init_uniform(-1, 1));
    cr_assert_eq(nn_model_count(model), 6u + 1u + 2u);
    cr_expect_eq(ad_tape_length(tape), 9u);
    double       grad[9];
    const ad_var y = ad_dot(9, nn_model_params(model), nn_model_params(model));
    ad_gradient(y, 9, nn_model_params(model), grad);
    for (size_t i = 0; i < 9; i++) cr_expect_eq(grad[i], 2 * ad_value(nn_model_params(model)[i]));
    cr_expect_eq(nn_model_tape(model), tape);
}

Test(model, handles_of_an_array_stay_where_they_are) {
    const ad_var *first = nn_param(model, "a", 3, shape, nn_init_uniform(-1, 1));
    const double  value = ad_value(first[23]);
    char          name[16];
    for (int i = 0; i < 100; i++) {
        snprintf(name, sizeof name, "more%d", i);
        nn_param(model, name, 3, shape, nn_init_uniform(-1, 1));
    }
    cr_expect_eq(nn_model_status(model), AD_OK, "%s", nn_model_message(model));
    cr_expect_eq(nn_model_array(model, 0).param, first);
    cr_expect_eq(ad_value(first[23]), value);
    cr_expect_eq(ad_value(nn_model_params(model)[23]), value);
}

Test(model, arrays_tell_name_and_shape) {
    nn_param(model, "weight", 3, shape, nn_init_uniform(0, 1));
    const nn_array a = nn_model_array(model, 0);
    cr_expect_str_eq(a.name, "weight");
    cr_expect(a.rank == 3 && a.count == 24);
    cr_expect_arr_eq(a.shape, shape, sizeof shape);
    const nn_array none = nn_model_array(model, 1);
    cr_expect(none.name == NULL && none.count == 0 && none.param == NULL);
}

/* Row-major, the last index runs fastest. */
Test(model, place_of_a_parameter_in_words) {
    char text[100];
    nn_param(model, "bias", 1, shape, nn_init_uniform(0, 1));
    nn_param(model, "scale", 0, NULL, nn_init_uniform(0, 1));
    nn_param(model, "layers.0.weight", 3, shape, nn_init_uniform(0, 1));
    cr_expect_str_eq(nn__param_name(model, 1, sizeof text, text), "bias[1]");
    cr_expect_str_eq(nn__param_name(model, 2, sizeof text, text), "scale");
    cr_expect_str_eq(nn__param_name(model, 3 + 1 * 12 + 2 * 4 + 3, sizeof text, text),
                     "layers.0.weight[1][2][3]");
    cr_expect_str_eq(nn__param_name(model, 3, 10, text), "layers.0.");
}

/* ---- initial values -------------------------------------------------------------------------- */

static void expect_bound(nn_init init, double bound) {
    cr_expect_float_eq(init.high, bound, 1e-15);
    cr_expect_float_eq(init.low, -bound, 1e-15);
}

/* pytorch.org/docs: torch.nn.Linear; torch.nn.init kaiming_uniform_ with a = 0 (gain sqrt(2), bound
 * gain*sqrt(3/fan_in)) and xavier_uniform_ with gain 1. micrograd/nn.py: uniform(-1, 1). */
Test(model, rules_give_the_bounds_of_pytorch) {
    expect_bound(nn_init_linear(64, 10), 1 / sqrt(64.0));
    expect_bound(nn_init_he(64, 10), sqrt(2.0) * sqrt(3.0 / 64));
    expect_bound(nn_init_xavier(64, 10), sqrt(6.0 / 74));
    expect_bound(nn_init_micrograd(64, 10), 1);
    expect_bound(nn_init_zeros(64, 10), 0);
    cr_expect(nn_init_ones(64, 10).low == 1 && nn_init_ones(64, 10).high == 1);
    expect_bound(nn_init_linear(0, 10), 0);
    expect_bound(nn_init_he(0, 10), 0);
    expect_bound(nn_init_xavier(0, 0), 0);
}

Test(model, values_fill_their_interval) {
    const size_t  many[] = {10000};
    const ad_var *x = nn_param(model, "x", 1, many, nn_init_uniform(2, 5));
    double        low = INFINITY, high = -INFINITY, mean = 0;
    for (size_t i = 0; i < many[0]; i++) {
        low = fmin(low, ad_value(x[i])), high = fmax(high, ad_value(x[i]));
        mean += ad_value(x[i]) / (double)many[0];
    }
    cr_expect(low >= 2 && low < 2.01 && high < 5 && high > 4.99);
    cr_expect_float_eq(mean, 3.5, 4 * 3 / sqrt(12.0 * 1e4), "four standard errors");
}

/* pytorch.org/docs, torch.nn.init: kaiming_normal_ (gain sqrt(2)) and xavier_normal_ with gain
 * 1. */
Test(model, normal_rules_give_the_deviations_of_pytorch) {
    cr_expect_float_eq(nn_init_he_normal(64, 10).deviation, sqrt(2.0 / 64), 1e-16);
    cr_expect_float_eq(nn_init_xavier_normal(64, 10).deviation, sqrt(2.0 / 74), 1e-16);
    cr_expect(nn_init_he_normal(0, 10).deviation == 0 &&
              nn_init_xavier_normal(0, 0).deviation == 0);
    cr_expect(nn_init_normal(3, 2).low == 3 && nn_init_normal(3, 2).high == 3 &&
              nn_init_normal(3, 2).deviation == 2);
}

/* Mean, deviation and the share within one deviation, each within four standard errors. */
Test(model, normal_values_are_normal) {
    const size_t  many[] = {10000};
    const ad_var *x = nn_param(model, "x", 1, many, nn_init_normal(3, 2));
    double        mean = 0, square = 0, near = 0;
    for (size_t i = 0; i < many[0]; i++) {
        const double z = (ad_value(x[i]) - 3) / 2;
        mean += z / 1e4, square += z * z / 1e4, near += (fabs(z) < 1) / 1e4;
    }
    cr_expect_float_eq(mean, 0, 4 / sqrt(1e4));
    cr_expect_float_eq(square, 1, 4 * sqrt(2 / 1e4));
    cr_expect_float_eq(near, 0.6826894921, 4 * sqrt(0.683 * 0.317 / 1e4));
}

Test(model, all_values_are_read_and_set_at_once) {
    double values[24];
    nn_param(model, "x", 3, shape, nn_init_uniform(-1, 1));
    nn_model_values(model, values);
    for (int i = 0; i < 24; i++) cr_expect_eq(values[i], ad_value(nn_model_params(model)[i]));
    for (int i = 0; i < 24; i++) values[i] = i;
    cr_expect_eq(nn_model_set_values(model, values), AD_OK);
    for (int i = 0; i < 24; i++) cr_expect_eq(ad_value(nn_model_params(model)[i]), i);
}

static void fill(uint64_t seed, double value[24]) {
    ad_tape      *other = ad_tape_new();
    nn_model     *m = nn_model_new(other, seed);
    const ad_var *x = nn_param(m, "x", 3, shape, nn_init_uniform(-1, 1));
    for (int i = 0; i < 24; i++) value[i] = ad_value(x[i]);
    nn_model_free(m);
    ad_tape_free(other);
}

Test(model, same_seed_gives_the_same_values) {
    double one[24], same[24], other[24];
    fill(7, one), fill(7, same), fill(8, other);
    cr_expect_arr_eq(one, same, sizeof one);
    cr_expect_arr_neq(one, other, sizeof one);
}

/* ---- errors ---------------------------------------------------------------------------------- */

static void expect_refused(const ad_var *param, const char *word) {
    cr_expect_null(param);
    cr_expect_eq(nn_model_status(model), AD_BAD_ARGUMENT);
    cr_expect(strstr(nn_model_message(model), word) != NULL, "%s", nn_model_message(model));
    nn_model_clear(model);
    cr_expect_eq(nn_model_status(model), AD_OK);
}

Test(model, bad_arguments_are_refused_with_a_sentence) {
    const nn_init unit = nn_init_uniform(0, 1);
    const size_t  empty[] = {3, 0}, huge[] = {SIZE_MAX / 2, 4};
    nn_param(model, "taken", 0, NULL, unit);
    expect_refused(nn_param(model, NULL, 0, NULL, unit), "name");
    expect_refused(nn_param(model, "", 0, NULL, unit), "name");
    expect_refused(nn_param(model, "taken", 0, NULL, unit), "\"taken\"");
    expect_refused(nn_param(model, "x", 2, empty, unit), "\"x\" has no elements");
    expect_refused(nn_param(model, "x", 2, huge, unit), "too many");
    expect_refused(nn_param(model, "x", 0, NULL, nn_init_uniform(1, 0)), "between 1 and 0");
    expect_refused(nn_param(model, "x", 0, NULL, nn_init_uniform(0, INFINITY)), "inf");
    expect_refused(nn_param(model, "x", 0, NULL, nn_init_uniform(NAN, 1)), "nan");
    cr_expect_eq(nn_model_count(model), 1u);
    cr_expect_eq(ad_tape_length(tape), 1u);
}

Test(model, something_recorded_in_between_is_noticed) {
    nn_param(model, "a", 0, NULL, nn_init_uniform(0, 1));
    const ad_mark mark = ad_tape_mark(tape);
    ad_input(tape, 1);
    expect_refused(nn_param(model, "b", 0, NULL, nn_init_uniform(0, 1)), "would not follow");
    ad_tape_rewind(tape, mark);
    cr_expect_not_null(nn_param(model, "b", 0, NULL, nn_init_uniform(0, 1)));
}

Test(model, error_of_the_tape_is_the_models_too) {
    ad_set(ad_exp(ad_input(tape, 1)), 2);
    cr_expect_eq(nn_model_status(model), AD_BAD_ARGUMENT);
    cr_expect_str_eq(nn_model_message(model), ad_tape_message(tape));
    cr_expect_null(nn_param(model, "a", 0, NULL, nn_init_uniform(0, 1)));
    nn_model_clear(model);
    cr_expect_eq(ad_tape_status(tape), AD_OK);
    cr_expect_str_eq(nn_model_message(model), "");
}

Test(model, first_error_sticks) {
    nn_param(model, "", 0, NULL, nn_init_uniform(0, 1));
    char first[NN__MESSAGE];
    strcpy(first, nn_model_message(model));
    cr_expect_null(nn_param(model, "fine", 0, NULL, nn_init_uniform(0, 1)));
    nn__model_fail(model, AD_BAD_FILE, "a later one");
    cr_expect_str_eq(nn_model_message(model), first);
}

Test(model, null_model_is_out_of_memory) {
    cr_expect_eq(nn_model_status(NULL), AD_NO_MEMORY);
    cr_expect(strlen(nn_model_message(NULL)) > 10);
    cr_expect_null(nn_param(NULL, "x", 0, NULL, nn_init_uniform(0, 1)));
    cr_expect_eq(nn_model_count(NULL), 0u);
    cr_expect_eq(nn_model_arrays(NULL), 0u);
    cr_expect_null(nn_model_params(NULL));
    cr_expect_null(nn_model_tape(NULL));
    nn_model_clear(NULL);
    nn_model_free(NULL);
    nn__model_fail(NULL, AD_BAD_FILE, "nobody to tell");
}

Test(model, model_without_a_tape_is_out_of_memory) {
    nn_model *without = nn_model_new(NULL, 1);
    cr_expect_eq(nn_model_status(without), AD_NO_MEMORY);
    cr_expect_null(nn_param(without, "x", 0, NULL, nn_init_uniform(0, 1)));
    nn_model_free(without);
}

/* ---- groups ---------------------------------------------------------------------------------- */

static void named(void) {
    nn_param(model, "layers.0.weight", 1, shape, nn_init_uniform(0, 1));
    nn_param(model, "layers.0.bias", 0, NULL, nn_init_uniform(0, 1));
    nn_param(model, "layers.10.bias", 0, NULL, nn_init_uniform(0, 1));
    nn_param(model, "norm", 0, NULL, nn_init_uniform(0, 1));
}

/* Which of the four arrays: 1, 2, 4, 8. */
static unsigned frozen_by(const char *prefix) {
    unsigned which = 0;
    nn_model_freeze(model, "", false);
    cr_expect_eq(nn_model_freeze(model, prefix, true), AD_OK, "%s", prefix);
    for (unsigned i = 0; i < 4; i++) which |= (unsigned)nn__model_group(model, i).frozen << i;
    return which;
}

Test(model, prefixes_name_arrays) {
    named();
    cr_expect_eq(frozen_by(""), 15);
    cr_expect_eq(frozen_by("layers"), 7);
    cr_expect_eq(frozen_by("layers.0."), 3);
    cr_expect_eq(frozen_by("layers.1"), 4);
    cr_expect_eq(frozen_by("norm"), 8);
    cr_expect_eq(frozen_by("*.bias"), 6);
    cr_expect_eq(frozen_by("*bias"), 6);
    cr_expect_eq(frozen_by("*"), 15);
    cr_expect_eq(frozen_by("layers.*.b"), 6);
    cr_expect_eq(frozen_by("l*1*s"), 4);
    cr_expect_eq(frozen_by("layers.0.weight"), 1);
}

Test(model, last_call_for_a_group_counts) {
    named();
    cr_expect_not(nn__model_grouped(model));
    nn_model_group(model, "layers", 0.5, 0.1);
    nn_model_group(model, "*.bias", 2, NN_SAME);
    const nn__group weight = nn__model_group(model, 0), bias = nn__model_group(model, 1);
    cr_expect(weight.count == 2 && weight.rate_factor == 0.5 && weight.weight_decay == 0.1);
    cr_expect(bias.count == 1 && bias.rate_factor == 2 && bias.weight_decay == NN_SAME);
    cr_expect(nn__model_group(model, 3).rate_factor == 1 && nn__model_grouped(model));
}

static void expect_told(ad_status got, const char *sentence) {
    cr_expect_eq(got, AD_BAD_ARGUMENT);
    cr_expect_eq(got, nn_model_status(model));
    cr_expect(strstr(nn_model_message(model), sentence) != NULL, "%s", nn_model_message(model));
    nn_model_clear(model);
}

Test(model, groups_that_cannot_be) {
    named();
    expect_told(nn_model_freeze(model, "layer.", true),
                "nn_model_freeze: no parameter has a name that begins \"layer.\"");
    expect_told(nn_model_freeze(model, "*.scale", true), "no parameter has a name");
    expect_told(nn_model_freeze(model, "layers.0.weights", true), "no parameter has a name");
    expect_told(nn_model_freeze(model, NULL, true), "nn_model_freeze: no prefix");
    expect_told(nn_model_group(model, "decoder", 1, 0), "nn_model_group: no parameter has a name");
    expect_told(nn_model_group(model, "", -1, 0), "a rate factor of -1 and a weight decay of 0");
    expect_told(nn_model_group(model, "", NAN, 0), "a rate factor of nan");
    expect_told(nn_model_group(model, "", 1, INFINITY), "a weight decay of inf");
    expect_told(nn_model_group(model, "", 1, -0.5), "a weight decay of -0.5");
    cr_expect_not(nn__model_grouped(model));
    cr_expect_eq(nn_model_freeze(NULL, "", true), AD_NO_MEMORY);
    cr_expect_eq(nn_model_group(NULL, "", 1, 1), AD_NO_MEMORY);
}

/* ---- buffers --------------------------------------------------------------------------------- */

static const double numbers[24] = {1, 2, 3, 4, 5, 6};

Test(model, buffers_are_kept_and_set) {
    cr_expect_eq(nn_buffer(model, "mean", 2, shape, numbers), AD_OK);
    const double *mean = nn_buffer_value(model, "mean");
    cr_assert_not_null(mean);
    cr_expect_arr_eq(mean, numbers, 6 * sizeof *numbers);
    for (int i = 0; i < 30; i++) {
        char name[16];
        snprintf(name, sizeof name, "more%d", i);
        cr_expect_eq(nn_buffer(model, name, 0, NULL, &numbers[i % 6]), AD_OK);
    }
    const double other[6] = {7, -0.0, INFINITY, 0, 0, 1};
    cr_expect_eq(nn_buffer(model, "mean", 2, shape, other), AD_OK);
    cr_expect_arr_eq(mean, other, sizeof other);
    cr_expect_eq(nn_buffer_value(model, "mean"), mean, "it stays where it is");
    cr_expect_eq(nn_buffer_value(model, "more7")[0], 2);
    cr_expect_null(nn_buffer_value(model, "mea"));
    cr_expect_null(nn_buffer_value(model, NULL));
    cr_expect_null(nn_buffer_value(NULL, "mean"));
    cr_expect(nn_model_count(model) == 0 && nn_model_arrays(model) == 0, "no parameters");
    cr_expect_eq(ad_tape_length(tape), 0u, "nothing is recorded");
}

Test(model, buffers_that_cannot_be) {
    nn_param(model, "weight", 0, NULL, nn_init_uniform(0, 1));
    nn_buffer(model, "mean", 2, shape, numbers);
    expect_told(nn_buffer(model, "", 2, shape, numbers), "nn_buffer: a buffer needs a name");
    expect_told(nn_buffer(model, NULL, 2, shape, numbers), "nn_buffer: a buffer needs a name");
    expect_told(nn_buffer(model, "weight", 0, NULL, numbers),
                "there already is a parameter \"weight\"");
    expect_told(nn_buffer(model, "mean", 3, shape, numbers),
                "\"mean\" is there with another shape, of 6 numbers, not 24");
    expect_told(nn_buffer(model, "mean", 2, (const size_t[]){3, 2}, numbers), "another shape");
    expect_told(nn_buffer(model, "none", 1, (const size_t[]){0}, numbers), "has no elements");
    expect_told(nn_buffer(model, "none", 0, NULL, NULL), "no values for \"none\"");
    cr_expect_null(nn_param(model, "mean", 0, NULL, nn_init_uniform(0, 1)));
    expect_told(nn_model_status(model), "nn_param: there already is a buffer \"mean\"");
    cr_expect_arr_eq(nn_buffer_value(model, "mean"), numbers, 6 * sizeof *numbers);
    cr_expect_eq(nn_buffer(NULL, "mean", 0, NULL, numbers), AD_NO_MEMORY);
}
