/* data.c - the blocks of data.md, in the order of the page. Leaves its files in the folder it runs in. */
#include "nn/nn.h"

#include <string.h>

static int failed(const char *message) {
    fprintf(stderr, "%s\n", message);
    return 1;
}

/* ---- loading and splitting -------------------------------------------------------------------- */

static nn_data *flowers(const char *path) {
    nn_data *data = nn_data_csv(path, &(nn_csv_config){.targets = 1});
    if (nn_data_status(data) != AD_OK) fprintf(stderr, "%s\n", nn_data_message(data));
    return data;
}

static nn_data *held_out_and_scaled(nn_data *data) {
    double   mean[4], deviation[4];
    nn_data *held_out = nn_data_split(data, 0.2, 1);          /* 30 of the 150 flowers, chosen by seed 1 */
    nn_data_moments(data, mean, deviation);
    nn_data_standardize(data, mean, deviation);
    nn_data_standardize(held_out, mean, deviation);           /* by what was learned from the others */
    return held_out;
}

static nn_data *from_two_files(const char *images, const char *labels) {
    nn_data *x = nn_data_idx(images, 0), *y = nn_data_idx(labels, 0);     /* .gz or not */
    nn_data *data = nn_data_join(x, y);                       /* an error of either is handed on */
    nn_data_free(x);
    nn_data_free(y);
    nn_data_scale(data, 1.0/255);
    return data;
}

static int write_array(const nn_data *data, const char *path) {
    char         message[256];
    const size_t shape[] = {nn_data_rows(data), nn_data_inputs(data) + nn_data_targets(data)};
    if (nn_npy_save(path, 2, shape, nn_data_row(data, 0), sizeof message, message) == AD_OK) return 0;
    fprintf(stderr, "%s\n", message);
    return 1;
}

/* ---- training, saving ------------------------------------------------------------------------- */

static ad_var loss(nn_model *model, size_t n, const ad_var row[], void *mlp) {
    (void)model;
    ad_var logits[3];
    nn_mlp_forward(mlp, row, logits);
    return nn_cross_entropy(3, logits, row[n - 1]);
}

static ad_status train(nn_model *model, nn_mlp *mlp, const nn_data *data, size_t epochs) {
    nn_optimizer   *adam = nn_adam(0.01);
    const ad_status status = nn_train(model, loss, mlp, data, adam, &(nn_train_config){
        .epochs = epochs, .batch = 16, .seed = 1, .history = "history.tsv",
        .checkpoint = "run.safetensors", .checkpoint_steps = 100, .resume = true,
    });
    nn_optimizer_free(adam);
    return status;
}

static bool save_and_load(nn_model *model, nn_model *other) {
    if (nn_model_save(model, "iris.safetensors") != AD_OK) fprintf(stderr, "%s\n", nn_model_message(model));
    if (nn_model_load(other, "iris.safetensors") != AD_OK) fprintf(stderr, "%s\n", nn_model_message(other));
    return nn_model_status(model) == AD_OK && nn_model_status(other) == AD_OK;
}

static void keep_moments(nn_model *model, const nn_data *data) {
    const size_t four[] = {4};
    double       mean[4], deviation[4];
    nn_data_moments(data, mean, deviation);
    nn_buffer(model, "mean", 1, four, mean);
    nn_buffer(model, "deviation", 1, four, deviation);
}

static void forward(nn_model *model, size_t n, const ad_var lengths[], ad_var logits[], void *mlp) {
    const double *mean = nn_buffer_value(model, "mean"), *deviation = nn_buffer_value(model, "deviation");
    ad_var        x[4];
    for (size_t i = 0; i < n; i++) x[i] = ad_div(ad_sub(lengths[i], ad_num(mean[i])), ad_num(deviation[i]));
    nn_mlp_forward(mlp, x, logits);
}

/* Does the copy answer what the model answers? */
static bool same_answer(nn_model *model, nn_mlp *mlp, nn_model *copy, nn_mlp *copy_mlp, const nn_data *rows) {
    double x[30*3], y[30*3];
    return nn_predict(model, forward, mlp, 3, rows, x) == AD_OK && nn_predict(copy, forward, copy_mlp, 3, rows, y) == AD_OK &&
           memcmp(x, y, sizeof x) == 0;
}

int main(int count, char *argument[]) {
    const size_t sizes[] = {4, 8, 3};
    if (count != 2) return failed("usage: data iris.csv");
    nn_data *data = flowers(argument[1]), *held_out = held_out_and_scaled(data);
    if (nn_data_status(held_out) == AD_UNSUPPORTED) return 77;
    if (nn_data_status(held_out) != AD_OK) return failed(nn_data_message(held_out));

    nn_data *none = from_two_files("images.idx.gz", "labels.idx.gz");
    if (nn_data_status(none) != AD_BAD_FILE) return failed("files that are not there were read");
    nn_data_free(none);

    ad_tape  *tape = ad_tape_new(), *copy_tape = ad_tape_new();
    nn_model *model = nn_model_new(tape, 1), *copy = nn_model_new(copy_tape, 2);
    nn_mlp   *mlp = nn_mlp_new(model, &(nn_mlp_config){.layers = 2, .sizes = sizes});
    nn_mlp   *copy_mlp = nn_mlp_new(copy, &(nn_mlp_config){.layers = 2, .sizes = sizes});
    int       status = write_array(data, "iris.npy");
    keep_moments(model, data);
    keep_moments(copy, held_out);                             /* other numbers, until the file is loaded */
    remove("run.safetensors");                                /* of an earlier run of this program */
    if (status == 0 && train(model, mlp, data, 20) != AD_OK) {
        if (nn_model_status(model) == AD_UNSUPPORTED) return 77;
        status = failed(nn_model_message(model));
    }
    if (status == 0 && !save_and_load(model, copy)) status = 1;
    if (status == 0 && !same_answer(model, mlp, copy, copy_mlp, held_out)) status = failed("another answer");
    nn_mlp_free(copy_mlp);
    nn_mlp_free(mlp);
    nn_model_free(copy);
    nn_model_free(model);
    ad_tape_free(copy_tape);
    ad_tape_free(tape);
    nn_data_free(held_out);
    nn_data_free(data);
    return status;
}
