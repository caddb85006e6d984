/* check.c - checks the gradient of a model's loss. The losses of a few examples are recorded,
 * ad_check checks their mean with the arrays of the model as blocks, and the recording is
 * rewound. */
#include "model.h"

#include <stdlib.h>

enum { ROWS = 8 };

static bool askable(nn_model *model, nn_loss *loss, const nn_data *data,
                    const ad_check_options *options) {
    if (nn_model_status(model) != AD_OK) return false;
    if (options != NULL &&
        !nn__model_reserved(model, "nn_check", "ad_check_options", options->reserved, options + 1))
        return false;
    if (loss == NULL) nn__model_fail(model, AD_BAD_ARGUMENT, "nn_check: there is no loss");
    else if (nn_data_status(data) != AD_OK)
        nn__model_fail(model, nn_data_status(data), "nn_check: %s", nn_data_message(data));
    return nn_model_status(model) == AD_OK;
}

/* The mean loss of the first rows, as a node. */
static ad_var mean_loss(nn_model *model, nn_loss *loss, void *user, const nn_data *data,
                        size_t rows, ad_var row[], ad_var one[]) {
    const size_t width = nn_data_inputs(data) + nn_data_targets(data);
    for (size_t i = 0; i < rows; i++) {
        const double *value = nn_data_row(data, i);
        for (size_t k = 0; k < width; k++) row[k] = ad_input(nn_model_tape(model), value[k]);
        one[i] = loss(model, width, row, user);
    }
    return ad_mul(ad_sum(rows, one), ad_num(1 / (double)rows));
}

static ad_check_report *check(nn_model *model, ad_var y, const ad_check_options *options) {
    const size_t     arrays = nn_model_arrays(model);
    ad_check_block  *block = calloc(arrays + 1, sizeof *block);
    ad_check_options own = options != NULL ? *options : (ad_check_options){0};
    if (block == NULL) return NULL;
    for (size_t i = 0; i < arrays; i++) {
        const nn_array a = nn_model_array(model, i);
        block[i] = (ad_check_block){.name = a.name, .rank = a.rank, .shape = a.shape};
    }
    own.blocks = arrays, own.block = block;
    ad_check_report *report =
        ad_check(y, nn_model_count(model), nn_model_params(model), NULL, &own);
    free(block);
    return report;
}

static ad_check_report *refused(const nn_model *model) {
    if (model == NULL)
        return ad_check_refused(AD_NO_MEMORY,
                                "nn_check: there is no model: out of memory when it was made");
    return ad_check_refused(nn_model_status(model), nn_model_message(model));
}

ad_check_report *nn_check(nn_model *model, nn_loss *loss, void *user, const nn_data *data,
                          size_t rows, const ad_check_options *options) {
    if (!askable(model, loss, data, options)) return refused(model);
    const size_t most = rows == 0 ? ROWS : rows,
                 count = most < nn_data_rows(data) ? most : nn_data_rows(data);
    ad_var          *row = calloc(nn_data_inputs(data) + nn_data_targets(data) + 1, sizeof *row);
    ad_var          *one = calloc(count + 1, sizeof *one);
    ad_check_report *report = NULL;
    if (row != NULL && one != NULL) {
        ad_tape      *tape = nn_model_tape(model);
        const ad_mark mark = ad_tape_mark(tape);
        const ad_var  y = mean_loss(model, loss, user, data, count, row, one);
        report = nn_model_status(model) == AD_OK ? check(model, y, options) : refused(model);
        ad_tape_rewind(tape, mark);
    }
    free(row);
    free(one);
    if (report == NULL && nn_model_status(model) == AD_OK)
        nn__model_fail(model, AD_NO_MEMORY, "out of memory: no space for a check of %zu parameters",
                       nn_model_count(model));
    return report;
}
