/* predict.c - what a model computes of the rows of a table: the outputs of each, or the mean of a
 * loss or a score.
 *
 * The parameters are read from the tape and not changed. Rows run as in training (rows.c). */
#include "rows.h"

#include <math.h>
#include <stdlib.h>

typedef struct request {
    const char     *function;
    nn_model       *model;
    nn__rows_config config;
    nn__weights     weights;
    nn__rows       *rows;
    size_t         *row; /* 0, 1, ...: all rows of the data */
} request;

static bool good(const request *r) {
    return nn_model_status(r->model) == AD_OK;
}

static void check(request *r, bool has_room) {
    const nn__rows_config *c = &r->config;
    if (c->forward == NULL && c->loss == NULL)
        nn__model_fail(r->model, AD_BAD_ARGUMENT, "%s: no function to run", r->function);
    else if (nn_data_status(c->data) != AD_OK)
        nn__model_fail(r->model, nn_data_status(c->data), "%s: %s", r->function,
                       nn_data_message(c->data));
    else if (c->forward != NULL && c->outputs == 0)
        nn__model_fail(r->model, AD_BAD_ARGUMENT, "%s: the number of outputs is 0", r->function);
    else if (!has_room)
        nn__model_fail(r->model, AD_BAD_ARGUMENT, "%s: no array for the result", r->function);
}

static void allocate(request *r) {
    const size_t n = nn_data_rows(r->config.data);
    r->config.weights = &r->weights;
    r->row = calloc(n, sizeof *r->row);
    for (size_t i = 0; i < n && r->row != NULL; i++) r->row[i] = i;
    if (nn__weights_open(&r->weights, r->model)) r->rows = nn__rows_new(&r->config);
    if (r->row == NULL || r->rows == NULL)
        nn__model_fail(r->model, AD_NO_MEMORY, "%s: out of memory: no space for %zu rows",
                       r->function, n);
}

/* One of the two results is NULL. */
static void run(request *r, double value[], double *mean) {
    const size_t    n = nn_data_rows(r->config.data);
    const ad_status status = value != NULL ? nn__rows_values(r->rows, n, r->row, value)
                                           : nn__rows_run(r->rows, n, r->row, mean, NULL);
    if (status != AD_OK)
        nn__model_fail(r->model, status, "%s: %s", r->function, nn__rows_message(r->rows));
    if (nn__rows_note(r->rows)[0] != '\0') nn__model_set_note(r->model, nn__rows_note(r->rows));
}

static ad_status answer(request *r, double value[], double *mean) {
    if (good(r)) check(r, value != NULL || mean != NULL);
    if (good(r)) allocate(r);
    if (good(r)) run(r, value, mean);
    nn__rows_free(r->rows);
    nn__weights_close(&r->weights);
    free(r->row);
    return nn_model_status(r->model);
}

ad_status nn_predict(nn_model *model, nn_forward *forward, void *user, size_t outputs,
                     const nn_data *data, double output[]) {
    request r = {.function = "nn_predict", .model = model};
    r.config = (nn__rows_config){
        .user = user, .data = data, .forward = forward, .outputs = outputs, .any_graph = true};
    const size_t    numbers = nn_data_rows(data) * outputs;
    const ad_status status = answer(&r, output, NULL);
    for (size_t i = 0; i < numbers && status != AD_OK && output != NULL; i++) output[i] = NAN;
    return status;
}

ad_status nn_evaluate(nn_model *model, nn_loss *what, void *user, const nn_data *data,
                      double *mean) {
    request r = {.function = "nn_evaluate", .model = model};
    r.config = (nn__rows_config){.loss = what, .user = user, .data = data, .any_graph = true};
    const ad_status status = answer(&r, NULL, mean);
    if (status != AD_OK && mean != NULL) *mean = NAN;
    return status;
}
