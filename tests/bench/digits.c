/* digits.c - epochs of training as demos/digits does it: 1,437 rows of 64 pixels and a label,
 * 64-64-32-10 with tanh, softmax cross-entropy, batches of 64, SGD. All that nn_train does is
 * counted: recording and compiling, shuffling, gathering, the looks into single rows, the steps. By
 * hand: the same epochs in plain C. */
#include "nn/nn.h"

#include "mlp.h"

enum { EXAMPLES = 1437, BATCH = 64, EPOCHS = 10, SEED = 3 };
static const double rate = 0.05;

typedef struct work {
    nn_data *data;
    double  *start;
} work;

static double by_hand(void *context) {
    const work  *w = context;
    const size_t params = mlp_params();
    double      *weight = bench_numbers(params), *grad = bench_numbers(params),
           *batch = bench_numbers(BATCH * MLP_ROW);
    size_t   *order = malloc(EXAMPLES * sizeof *order);
    nn_random random = nn_random_seeded(SEED);
    double    last = 0;
    if (!order) exit((fprintf(stderr, "out of memory\n"), 1));
    memcpy(weight, w->start, params * sizeof *weight);
    for (size_t i = 0; i < EXAMPLES; i++) order[i] = i;
    for (int epoch = 0; epoch < EPOCHS; epoch++) {
        nn_random_shuffle(&random, EXAMPLES, order);
        last = 0;
        for (size_t first = 0; first < EXAMPLES; first += BATCH) {
            const size_t n = EXAMPLES - first < BATCH ? EXAMPLES - first : BATCH;
            for (size_t k = 0; k < n; k++)
                memcpy(batch + k * MLP_ROW, nn_data_row(w->data, order[first + k]),
                       MLP_ROW * sizeof *batch);
            last += (double)n * mlp_by_hand(weight, n, batch, grad);
            for (size_t i = 0; i < params; i++) weight[i] -= rate * grad[i];
        }
    }
    free(weight), free(grad), free(batch), free(order);
    return last / EXAMPLES;
}

static ad_var loss(nn_model *model, size_t inputs, const ad_var row[], void *mlp) {
    (void)model;
    ad_var logits[MLP_CLASSES];
    nn_mlp_forward(mlp, row, logits);
    return nn_cross_entropy(MLP_CLASSES, logits, row[inputs - 1]);
}

/* The user of nn_train is the network; where the loss goes is known to this file. */
static double last_loss;

static bool keep(const nn_epoch *e, void *mlp) {
    (void)mlp;
    last_loss = e->loss;
    return true;
}

static double by_tapir(void *context) {
    const work   *w = context;
    const size_t  sizes[] = {64, 64, 32, MLP_CLASSES};
    ad_tape      *tape = ad_tape_new();
    nn_model     *model = nn_model_new(tape, 1);
    nn_mlp       *mlp = nn_mlp_new(model, &(nn_mlp_config){.layers = MLP_LAYERS, .sizes = sizes});
    nn_optimizer *sgd = nn_sgd(rate);
    nn_model_set_values(model, w->start);
    const ad_status status = nn_train(model, loss, mlp, w->data, sgd,
                                      &(nn_train_config){
                                          .epochs = EPOCHS,
                                          .batch = BATCH,
                                          .seed = SEED,
                                          .watch = keep,
                                      });
    if (status != AD_OK) exit((fprintf(stderr, "nn_train: %s\n", nn_model_message(model)), 1));
    nn_optimizer_free(sgd);
    nn_mlp_free(mlp);
    nn_model_free(model);
    ad_tape_free(tape);
    return last_loss;
}

int main(void) {
    double *rows = mlp_rows(EXAMPLES);
    work    w = {nn_data_new(EXAMPLES, 64, 1, rows), mlp_weights()};
    bench_threads(1);
    const int bad =
        bench_pair("digits: nn_train, all included, an example (wanted: at most 1.2 us)", 0.3,
                   by_hand, by_tapir, &w, 15, 1e6 / (EPOCHS * EXAMPLES), "us", 1e-9);
    nn_data_free(w.data);
    free(w.start), free(rows);
    return bad;
}
