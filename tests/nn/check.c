/* check.c - tests of nn/check.c: the gradient of a model's loss, array by array. */
#include "nn/nn.h"

#include "expect.h"
#include <math.h>
#include <string.h>

static const size_t sizes[] = {3, 12, 2};

static ad_var loss(nn_model *model, size_t n, const ad_var row[], void *mlp) {
    ad_var out[2];
    (void)model;
    nn_mlp_forward(mlp, row, out);
    return nn_cross_entropy(2, out, row[n - 1]);
}

/* (u*v)' + u - t, with the derivative of the network with respect to an input. */
static ad_var physics_informed(nn_model *model, size_t n, const ad_var row[], void *mlp) {
    ad_var out[2], slope;
    (void)model;
    nn_mlp_forward(mlp, row, out);
    ad_record_gradient(ad_mul(out[0], out[1]), 1, &row[1], &slope);
    const ad_var residual = ad_sub(ad_add(slope, out[0]), row[n - 1]);
    return ad_mul(residual, residual);
}

static ad_var plain(nn_model *model, size_t n, const ad_var row[], void *user) {
    (void)model, (void)n, (void)row, (void)user;
    return ad_num(1);
}

static ad_var misnamed(nn_model *model, size_t n, const ad_var row[], void *user) {
    (void)n, (void)row, (void)user;
    return ad_parse(nn_model_tape(model), "no_such_name", 0, NULL, NULL);
}

typedef struct setting {
    ad_tape  *tape;
    nn_model *model;
    nn_mlp   *mlp;
    nn_data  *data;
} setting;

static setting make(void) {
    static const double values[] = {0.3, -1, 2, 0, 0.1, 0.5, -0.7, 1, 1.4, 0.2, 0.9, 1};
    setting             s = {.tape = ad_tape_new()};
    s.model = nn_model_new(s.tape, 3);
    s.mlp = nn_mlp_new(s.model, &(nn_mlp_config){.layers = 2, .sizes = sizes});
    s.data = nn_data_new(3, 3, 1, values);
    return s;
}

static void drop(setting *s) {
    nn_mlp_free(s->mlp);
    nn_model_free(s->model);
    nn_data_free(s->data);
    ad_tape_free(s->tape);
}

Test(nn_check, gradient_of_a_loss_passes_array_by_array) {
    setting          s = make();
    const size_t     length = ad_tape_length(s.tape);
    ad_check_report *r =
        nn_check(s.model, loss, s.mlp, s.data, 0, &(ad_check_options){.coordinates = 20});
    cr_assert_not_null(r);
    cr_expect_eq(ad_check_verdict(r), AD_PASS);
    cr_expect_eq(r->n, nn_model_count(s.model));
    size_t weights = 0, biases = 0;
    for (size_t i = 0; i < r->lines; i++) {
        weights += strcmp(r->line[i].name, "layers.0.weight") == 0;
        biases += strcmp(r->line[i].name, "layers.1.bias[1]") == 0;
    }
    cr_expect(weights == 4 && biases == 1, "%zu directions, %zu coordinates", weights, biases);
    cr_expect_eq(ad_tape_length(s.tape), length);
    ad_check_free(r);
    drop(&s);
}

Test(nn_check, few_parameters_are_named_one_by_one) {
    setting          s = make();
    ad_check_report *r = nn_check(s.model, loss, s.mlp, s.data, 2, NULL);
    cr_expect_eq(r->lines, nn_model_count(s.model));
    cr_expect_str_eq(r->line[0].name, "layers.0.weight[0][0]");
    cr_expect_str_eq(r->line[r->lines - 1].name, "layers.1.bias[1]");
    ad_check_free(r);
    drop(&s);
}

Test(nn_check, loss_may_differentiate_by_its_inputs) {
    setting          s = make();
    const size_t     length = ad_tape_length(s.tape);
    ad_check_report *r = nn_check(s.model, physics_informed, s.mlp, s.data, 0, NULL);
    cr_assert_not_null(r, "%s", nn_model_message(s.model));
    cr_expect(r->status == AD_OK && ad_check_verdict(r) == AD_PASS, "%s",
              ad_verdict_text(r->verdict));
    cr_expect_eq(ad_tape_length(s.tape), length);
    ad_check_free(r);
    drop(&s);
}

static void expect_refused(ad_check_report *r, ad_status status, const char *sentence) {
    cr_assert_not_null(r);
    cr_expect_eq(r->status, status);
    cr_expect_eq(ad_check_verdict(r), AD_INCONCLUSIVE);
    cr_expect(strcmp(r->message, sentence) == 0, "%s", r->message);
    ad_check_free(r);
}

Test(nn_check, what_is_wrong_is_on_the_model_and_in_the_report) {
    setting s = make();
    expect_refused(nn_check(NULL, loss, s.mlp, s.data, 0, NULL), AD_NO_MEMORY,
                   "nn_check: there is no model: out of memory when it was made");
    expect_refused(nn_check(s.model, NULL, s.mlp, s.data, 0, NULL), AD_BAD_ARGUMENT,
                   "nn_check: there is no loss");
    cr_expect_eq(nn_model_status(s.model), AD_BAD_ARGUMENT);
    nn_model_clear(s.model);
    expect_refused(nn_check(s.model, loss, s.mlp, NULL, 0, NULL), AD_NO_MEMORY,
                   "nn_check: there is no data: out of memory when it was made");
    cr_expect_neq(nn_model_status(s.model), AD_OK);
    nn_model_clear(s.model);
    expect_refused(nn_check(s.model, plain, s.mlp, s.data, 0, NULL), AD_BAD_ARGUMENT,
                   "y is a plain number: it depends on nothing");
    nn_model_clear(s.model);
    ad_check_report *r = nn_check(s.model, misnamed, s.mlp, s.data, 0, NULL);
    cr_expect_eq(nn_model_status(s.model), AD_BAD_FORMULA);
    expect_refused(r, AD_BAD_FORMULA, nn_model_message(s.model));
    drop(&s);
}
