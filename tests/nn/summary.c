/* summary.c - tests of nn/summary.c. */
#include "nn/nn.h"

#include "expect.h"
#include "lines.h"
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

/* The numbers stand below each other whatever the letters are. */
Test(summary, long_names_and_shapes_lose_their_middle) {
    ad_tape     *tape = ad_tape_new();
    nn_model    *model = nn_model_new(tape, 1);
    const size_t many[] = {1, 1, 2, 3};
    nn_param(model, "encoder.of.a.very.deep.network.0.first_of_two_weights", 4, many,
             nn_init_uniform(0, 1));
    nn_param(model, "encoder.of.a.very.deep.network.0.second_of_two_weights", 4, many,
             nn_init_uniform(0, 1));
    nn_param(model, "\u00e9.\u00e9", 0, NULL, nn_init_uniform(0, 1));
    char *text = summary_of(model);
    cr_expect_str_eq(text,
                     "layer                           shapes                           "
                     "     parameters\n"
                     "encoder.of.a.v...eep.network.0  first_of_two_weig...ts 1 x 1 x 2 "
                     "x 3          12\n"
                     "\u00e9                               \u00e9                        "
                     "                      1\n"
                     "all                                                              "
                     "             13\n",
                     "%s", text);
    cr_expect(widest_line(text) <= 80, "%s", text);
    free(text);
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
