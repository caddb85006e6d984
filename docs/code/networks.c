/* networks.c - the blocks of networks.md, in the order of the page. Takes the file of irises. */
#include "nn/nn.h"

#include <math.h>

/* ---- a classifier ------------------------------------------------------------------------------ */

static ad_var loss(nn_model *model, size_t n, const ad_var row[], void *mlp) {
    (void)model;
    ad_var logits[3];
    nn_mlp_forward(mlp, row, logits);                         /* the inputs stand first in a row, */
    return nn_cross_entropy(3, logits, row[n - 1]);           /* the target last */
}

static ad_var right(nn_model *model, size_t n, const ad_var row[], void *mlp) {
    (void)model;
    ad_var logits[3];
    nn_mlp_forward(mlp, row, logits);
    return nn_correct(3, logits, row[n - 1]);                 /* 1 or 0: its mean is the accuracy */
}

static ad_status learn_flowers(nn_model *model, nn_data *data, nn_data *held_out) {
    const size_t      sizes[] = {4, 16, 3};
    const nn_schedule falling = nn_schedule_warm_up(20, nn_schedule_cosine(0.02, 0, 400));
    nn_mlp           *mlp = nn_mlp_new(model, &(nn_mlp_config){.layers = 2, .sizes = sizes});
    nn_optimizer     *adamw = nn_adamw(0.02);
    nn_summary(model, stdout);
    const ad_status status = nn_train(model, loss, mlp, data, adamw, &(nn_train_config){
        .epochs = 60, .batch = 16, .seed = 1, .schedule = &falling,
        .held_out = held_out, .score = right, .metric_name = "accuracy",
        .patience = 20, .restore_best = true, .progress = true, .stream = stdout,
    });
    if (status != AD_OK) fprintf(stderr, "%s\n", nn_model_message(model));
    nn_optimizer_free(adamw);
    nn_mlp_free(mlp);
    return status;
}

/* ---- a model that is no network ------------------------------------------------------------------- */

/* Petal widths as a straight line of the length with normal noise: three parameters, and the negative
 * logarithm of the likelihood as the loss. */
static ad_var gaussian(nn_model *model, size_t n, const ad_var row[], void *user) {
    (void)n, (void)user;
    const ad_var *p = nn_model_params(model);
    const ad_var  length = row[2], width = row[3], a = p[0], b = p[1], log_sigma = p[2];
    return ad_formula(nn_model_tape(model), z = (width - a*length - b)*exp(-log_sigma); z*z/2 + log_sigma,
                      width, length, a, b, log_sigma);
}

static ad_status fit_line(nn_model *model, nn_data *data) {
    nn_param(model, "slope", 0, NULL, nn_init_uniform(0, 0));
    nn_param(model, "offset", 0, NULL, nn_init_uniform(0, 0));
    nn_param(model, "log_sigma", 0, NULL, nn_init_uniform(0, 0));
    nn_optimizer   *adam = nn_adam(0.05);
    const ad_status status = nn_train(model, gaussian, NULL, data, adam, &(nn_train_config){
        .epochs = 1000, .batch = nn_data_rows(data),
    });
    nn_optimizer_free(adam);
    return status;
}

/* ---- sequences -------------------------------------------------------------------------------------- */

/* A row holds its length, then so many numbers: what is recorded depends on the length, so that is its shape. */
static uint64_t length_of(size_t columns, const double row[], void *user) {
    (void)columns, (void)user;
    return (uint64_t)row[0];
}

static ad_var sequence_loss(nn_model *model, size_t n, const ad_var row[], void *user) {
    (void)user;
    const ad_var *p = nn_model_params(model);
    ad_var        state = ad_num(0);
    for (size_t t = 1; t <= (size_t)ad_value(row[0]); t++)
        state = ad_tanh(ad_add(ad_mul(p[0], state), ad_mul(p[1], row[t])));
    return nn_mse(1, &state, &row[n - 1]);
}

static ad_status learn_sequences(nn_model *model, const nn_data *data) {
    nn_param(model, "recurrent", 1, (const size_t[]){2}, nn_init_uniform(-0.5, 0.5));
    nn_optimizer   *sgd = nn_sgd_new(&(nn_sgd_config){.rate = 0.1, .momentum = 0.9, .nesterov = true});
    const ad_status status = nn_train(model, sequence_loss, NULL, data, sgd, &(nn_train_config){
        .epochs = 200, .batch = 8, .shape = length_of, .clip_norm = 1,
    });
    nn_optimizer_free(sgd);
    return status;
}

/* ---- a loop of one's own ---------------------------------------------------------------------------- */

static void own_loop(ad_tape *tape, nn_model *model) {
    const ad_var *w = nn_param(model, "w", 1, (const size_t[]){2}, nn_init_uniform(-1, 1));
    nn_optimizer *sgd = nn_sgd(0.005);
    const ad_mark mark = ad_tape_mark(tape);
    for (int step = 0; step < 5000; step++) {
        double       gradient[2];
        const ad_var y = ad_formula(tape, (1 - w[0])^2 + 5*(w[1] - w[0]^2)^2, w[0], w[1]);
        ad_gradient(y, 2, w, gradient);
        ad_tape_rewind(tape, mark);
        nn_optimizer_step(sgd, model, gradient);
    }
    nn_optimizer_free(sgd);
}

/* ---- all of it -------------------------------------------------------------------------------------- */

typedef struct place {
    ad_tape  *tape;
    nn_model *model;
} place;

static place open_place(void) {
    place p = {.tape = ad_tape_new()};
    p.model = nn_model_new(p.tape, 1);
    return p;
}

static void close_place(place p) {
    nn_model_free(p.model);
    ad_tape_free(p.tape);
}

static int expect(bool good, const char *what) {
    if (!good) fprintf(stderr, "%s\n", what);
    return !good;
}

int main(int count, char *arguments[]) {
    if (count != 2) return 2;
    nn_data *data = nn_data_csv(arguments[1], NULL), *all = nn_data_csv(arguments[1], NULL);
    if (nn_data_status(data) == AD_UNSUPPORTED) return 77;
    nn_data *held_out = nn_data_split(data, 0.2, 1);
    place    p = open_place();
    int      failures = expect(learn_flowers(p.model, data, held_out) == AD_OK, "flowers");
    close_place(p);
    p = open_place();
    failures += expect(fit_line(p.model, all) == AD_OK, "line");
    /* least squares on Fisher's 150 flowers: width = 0.4158 length - 0.3631 (R's documentation of lm and iris) */
    failures += expect(fabs(ad_value(nn_model_params(p.model)[0]) - 0.4158) < 1e-3, "slope");
    failures += expect(fabs(ad_value(nn_model_params(p.model)[1]) + 0.3631) < 1e-3, "offset");
    close_place(p);
    p = open_place();
    double rows[24*6] = {0};
    for (int i = 0; i < 24; i++) {
        rows[6*i] = 1 + i%4;
        for (int t = 1; t <= 1 + i%4; t++) rows[6*i + t] = sin(i + t), rows[6*i + 5] = tanh(0.5*rows[6*i + 5] + sin(i + t));
    }
    nn_data *sequences = nn_data_new(24, 5, 1, rows);
    failures += expect(learn_sequences(p.model, sequences) == AD_OK, "sequences");
    failures += expect(fabs(ad_value(nn_model_params(p.model)[0]) - 0.5) < 1e-2, "what the sequences were made with");
    nn_data_free(sequences);
    close_place(p);
    p = open_place();
    own_loop(p.tape, p.model);
    failures += expect(fabs(ad_value(nn_model_params(p.model)[0]) - 1) < 1e-3, "the lowest point");
    close_place(p);
    nn_data_free(data);
    nn_data_free(all);
    nn_data_free(held_out);
    return failures;
}
