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

static ad_status learn_flowers(nn_model *model, nn_mlp *mlp, const nn_data *data, const nn_data *held_out) {
    const nn_schedule falling = nn_schedule_warm_up(20, nn_schedule_cosine(0.02, 0, 400));
    nn_optimizer     *adamw = nn_adamw(0.02);
    nn_summary(model, stdout);
    const ad_status status = nn_train(model, loss, mlp, data, adamw, &(nn_train_config){
        .epochs = 60, .batch = 16, .seed = 1, .schedule = &falling,
        .held_out = held_out, .score = right, .metric_name = "accuracy",
        .patience = 20, .restore_best = true, .progress = true, .stream = stdout,
    });
    if (status != AD_OK) fprintf(stderr, "%s\n", nn_model_message(model));
    nn_optimizer_free(adamw);
    return status;
}

static void probabilities(nn_model *model, size_t n, const ad_var lengths[], ad_var p[], void *mlp) {
    (void)model, (void)n;
    nn_mlp_forward(mlp, lengths, p);
    nn_softmax_recorded(3, p, p);
}

static ad_status name_flowers(nn_model *model, nn_mlp *mlp, const nn_data *flowers, double p[]) {
    double accuracy;
    nn_predict(model, probabilities, mlp, 3, flowers, p);     /* rows x 3 */
    nn_evaluate(model, right, mlp, flowers, &accuracy);       /* the mean of a loss or a score */
    printf("%.1f%% of %zu flowers named\n", 100*accuracy, nn_data_rows(flowers));
    return nn_model_status(model);
}

/* ---- noise, groups ------------------------------------------------------------------------------ */

/* A row holds four lengths, 16 uniform numbers, the species: half of the hidden units are dropped. */
static ad_var dropping(nn_model *model, size_t n, const ad_var row[], void *mlp) {
    (void)model;
    const nn_layer first = nn_mlp_layer(mlp, 0), last = nn_mlp_layer(mlp, 1);
    ad_var         hidden[16], logits[3];
    nn_layer_forward(&first, row, hidden);
    nn_dropout(16, hidden, row + 4, 0.5, hidden);
    nn_layer_forward(&last, hidden, logits);
    return nn_cross_entropy(3, logits, row[n - 1]);
}

static ad_status tune(nn_model *model, nn_mlp *mlp, nn_data *flowers) {
    nn_optimizer *adamw = nn_adamw(0.01);                     /* its weight decay is 0.01 */
    nn_model_group(model, "*.bias", 1, 0);                    /* the same rate, no decay */
    nn_model_freeze(model, "layers.0.", true);
    nn_data_noise(flowers, NN_UNIFORM, 16);
    const ad_status status = nn_train(model, dropping, mlp, flowers, adamw, &(nn_train_config){.epochs = 10, .batch = 16});
    nn_optimizer_free(adamw);
    return status;
}

typedef struct autoencoder { nn_mlp *encoder, *decoder; } autoencoder;

/* A variational autoencoder (Kingma and Welling 2014). A row holds four lengths, two normal numbers, the species. */
static ad_var variational(nn_model *model, size_t n, const ad_var row[], void *user) {
    (void)n;
    const autoencoder *a = user;
    ad_tape           *tape = nn_model_tape(model);
    ad_var             code[4], z[2], lengths[4], loss = ad_num(0);
    nn_mlp_forward(a->encoder, row, code);                    /* two means, two log variances */
    for (int k = 0; k < 2; k++) {
        const ad_var m = code[k], v = code[2 + k], noise = row[4 + k];
        z[k] = ad_formula(tape, m + exp(v/2)*noise, m, v, noise);
        loss = ad_add(loss, ad_formula(tape, (m^2 + exp(v) - 1 - v)/2, m, v));
    }
    nn_mlp_forward(a->decoder, z, lengths);
    return ad_add(loss, nn_mse_sum(4, lengths, row));
}

static ad_status learn_code(nn_model *model, nn_data *flowers) {
    const size_t    in[] = {4, 8, 4}, out[] = {2, 8, 4};
    autoencoder     a = {.encoder = nn_mlp_new(model, &(nn_mlp_config){.layers = 2, .sizes = in, .name = "encoder"}),
                         .decoder = nn_mlp_new(model, &(nn_mlp_config){.layers = 2, .sizes = out, .name = "decoder"})};
    nn_optimizer   *adam = nn_adam(0.01);
    nn_data_noise(flowers, NN_NORMAL, 2);
    const ad_status status = nn_train(model, variational, &a, flowers, adam, &(nn_train_config){.epochs = 100, .batch = 10});
    nn_optimizer_free(adam);
    nn_mlp_free(a.encoder);
    nn_mlp_free(a.decoder);
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

/* Everything that is said of the classifier: learned, asked, tuned, asked again. */
static int try_flowers(place p, nn_data *data, nn_data *held_out) {
    const size_t sizes[] = {4, 16, 3}, rows = nn_data_rows(held_out);
    nn_mlp      *mlp = nn_mlp_new(p.model, &(nn_mlp_config){.layers = 2, .sizes = sizes});
    double       said[2][30*3], mean, before = ad_value(nn_model_params(p.model)[0]), learned;
    int          failures = expect(rows == 30, "thirty flowers");
    failures += expect(learn_flowers(p.model, mlp, data, held_out) == AD_OK, "flowers");
    failures += expect((learned = ad_value(nn_model_params(p.model)[0])) != before, "learned");
    failures += expect(name_flowers(p.model, mlp, held_out, said[0]) == AD_OK, "named");
    failures += expect(nn_evaluate(p.model, right, mlp, held_out, &mean) == AD_OK && mean > 0.85, "most of them");
    failures += expect(tune(p.model, mlp, data) == AD_OK, nn_model_message(p.model));
    failures += expect(ad_value(nn_model_params(p.model)[0]) == learned, "frozen");
    nn_data_noise(held_out, NN_UNIFORM, 16);
    failures += expect(name_flowers(p.model, mlp, held_out, said[1]) == AD_OK, "named again");
    failures += expect(said[0][0] != said[1][0] && fabs(said[0][0] - said[1][0]) < 0.5, "tuned");
    nn_mlp_free(mlp);
    return failures;
}


int main(int count, char *arguments[]) {
    if (count != 2) return 2;
    nn_data *data = nn_data_csv(arguments[1], NULL), *all = nn_data_csv(arguments[1], NULL);
    if (nn_data_status(data) == AD_UNSUPPORTED) return 77;
    nn_data *held_out = nn_data_split(data, 0.2, 1);
    place    p = open_place();
    int      failures = try_flowers(p, data, held_out);
    close_place(p);
    p = open_place();
    nn_data *coded = nn_data_csv(arguments[1], NULL);
    failures += expect(learn_code(p.model, coded) == AD_OK, nn_model_message(p.model));
    nn_data_free(coded);
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
