/* plain_training.c - training in all its ways as a plain program, so that a leak sanitizer or
 * valgrind sees it: programs of several shapes, single examples, held-out rows, attention, and runs
 * that end in an error. */
#include "nn/nn.h"

#include <math.h>
#include <stdio.h>

enum { ROWS = 40, WIDTH = 4 };

static ad_var loss(nn_model *model, size_t n, const ad_var x[], void *user) {
    (void)model;
    ad_var y;
    nn_mlp_forward(user, x, &y);
    for (int k = 0; k < (int)ad_value(x[0]); k++) y = ad_tanh(y);
    if (ad_branch(ad_less(x[1], ad_num(0)))) y = ad_mul(y, ad_num(2));
    return nn_mse(1, &y, &x[n - 1]);
}

static ad_var log_of_the_past(nn_model *model, size_t n, const ad_var x[], void *user) {
    return ad_add(loss(model, n, x, user), ad_log(ad_add(x[1], ad_num(0.5))));
}

static int expect(const char *what, ad_status got, ad_status want, const nn_model *model) {
    if (got == want) return 0;
    printf("FAILED: %s: %s: %s\n", what, ad_status_text(got), nn_model_message(model));
    return 1;
}

static int train(nn_loss *f, nn_train_config config, nn_optimizer *optimizer, ad_status want,
                 const char *what) {
    double    x[ROWS * WIDTH];
    ad_tape  *tape = ad_tape_new();
    nn_model *model = nn_model_new(tape, 1);
    nn_mlp   *mlp = nn_mlp_new(
          model, &(nn_mlp_config){.layers = 2, .sizes = (const size_t[]){WIDTH - 1, 4, 1}});
    nn_attention *attention =
        nn_attention_new(model, &(nn_attention_config){"attention", 4, 2, 3, true, NULL});
    nn_embedding *embedding = nn_embedding_new(model, "embedding", 5, 2, NULL);
    for (int i = 0; i < ROWS * WIDTH; i++) x[i] = i % WIDTH == 0 ? i / WIDTH % 3 : sin(i);
    nn_data *data = nn_data_new(ROWS, WIDTH - 1, 1, x);
    config.held_out = config.by_example ? NULL : data;
    const int failed = expect(what, nn_train(model, f, mlp, data, optimizer, &config), want, model);
    nn_data_free(data);
    nn_embedding_free(embedding);
    nn_attention_free(attention);
    nn_mlp_free(mlp);
    nn_optimizer_free(optimizer);
    nn_model_free(model);
    ad_tape_free(tape);
    return failed;
}

int main(void) {
    int failures =
        train(loss, (nn_train_config){.epochs = 3, .batch = 7, .restore_best = true, .patience = 2},
              nn_adamw(0.01), AD_OK, "programs of several shapes");
    failures += train(loss, (nn_train_config){.epochs = 3, .batch = 7, .by_example = true},
                      nn_adam(0.01), AD_OK, "single examples");
    failures += train(log_of_the_past, (nn_train_config){.epochs = 3, .batch = 7}, nn_sgd(0.01),
                      AD_BAD_ARGUMENT, "a loss that is NaN");
    failures += train(loss, (nn_train_config){.epochs = 3, .batch = 70}, nn_sgd(0.01),
                      AD_BAD_ARGUMENT, "a batch that is too large");
    failures += train(loss, (nn_train_config){.epochs = 3, .batch = 7}, nn_sgd(INFINITY),
                      AD_BAD_ARGUMENT, "a rate of infinity");
    failures += train(loss, (nn_train_config){.epochs = 3, .batch = 7}, nn_sgd_new(NULL),
                      AD_BAD_ARGUMENT, "no configuration");
    return failures != 0;
}
