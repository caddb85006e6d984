/* summary.c - tests of nn/summary.c. */
#include "nn/nn.h"

#include "expect.h"
#include <stdlib.h>

static char *summary_of(const nn_model *model) {
    char  *text = NULL;
    size_t length = 0;
    FILE  *to = open_memstream(&text, &length);
    cr_expect_eq(nn_summary(model, to), AD_OK);
    fclose(to);
    return text;
}

Test(summary, a_line_for_each_layer_and_one_for_all) {
    ad_tape  *tape = ad_tape_new();
    nn_model *model = nn_model_new(tape, 1);
    nn_mlp   *mlp =
        nn_mlp_new(model, &(nn_mlp_config){.layers = 2, .sizes = (const size_t[]){64, 32, 10}});
    nn_param(model, "temperature", 0, NULL, nn_init_uniform(1, 1));
    nn_param(model, "offsets", 1, (const size_t[]){7}, nn_init_uniform(0, 0));
    char *text = summary_of(model);
    cr_expect_str_eq(text, "layer        shapes                   parameters\n"
                           "layers.0     weight 32 x 64, bias 32        2080\n"
                           "layers.1     weight 10 x 32, bias 10         330\n"
                           "temperature                                    1\n"
                           "offsets      7                                 7\n"
                           "all                                         2418\n");
    free(text);
    nn_mlp_free(mlp);
    nn_model_free(model);
    ad_tape_free(tape);
}

Test(summary, nothing_to_summarize) {
    ad_tape  *tape = ad_tape_new();
    nn_model *model = nn_model_new(tape, 1);
    char     *text = summary_of(model);
    cr_expect_str_eq(text, "layer  shapes  parameters\nall                     0\n");
    cr_expect_eq(nn_summary(NULL, stdout), AD_BAD_ARGUMENT);
    cr_expect_eq(nn_summary(model, NULL), AD_BAD_ARGUMENT);
    FILE *full = fopen("/dev/full", "w");
    if (full != NULL) cr_expect_eq(nn_summary(model, full), AD_BAD_FILE);
    if (full != NULL) fclose(full);
    free(text);
    nn_model_free(model);
    ad_tape_free(tape);
}
