/* gru.c - the adding problem (Hochreiter and Schmidhuber 1997), 5 to 16 pairs of a number and a mark:
 * what is the sum of the two numbers that are marked? */
#include "nn/nn.h"

enum { MOST = 16, HIDDEN = 16, ROWS = 2000, COLUMNS = 1 + 2*MOST + 1 };
static const size_t bucket[] = {8, 12, MOST};
typedef struct network { nn_cell gru; nn_layer last; } network;

/* A row is its length, the pairs, and the sum. Lengths of one bucket record the same graph. */
static uint64_t bucket_of(size_t columns, const double row[], void *net) {
    return (void)columns, (void)net, nn_bucket((size_t)row[0], 3, bucket);
}

static ad_var loss(nn_model *model, size_t n, const ad_var row[], void *net) {
    const network *k = net;
    const size_t   positions = nn_bucket((size_t)ad_value(row[0]), 3, bucket);
    ad_var         h[HIDDEN] = {{0}}, next[HIDDEN] = {{0}}, sum;          /* plain zeros */
    for (size_t t = 0; t < positions; t++) {
        const ad_var inside = ad_less(ad_num((double)t), row[0]);         /* else h stays */
        nn_gru(&k->gru, 1, row + 1 + 2*t, next, NULL);
        for (int i = 0; i < HIDDEN; i++) h[i] = next[i] = ad_where(inside, next[i], h[i]);
    }
    nn_layer_forward(&k->last, h, &sum);
    return (void)model, nn_mse(1, &sum, &row[n - 1]);
}

int main(void) {
    static double rows[ROWS*COLUMNS];
    nn_random     random = nn_random_seeded(1);
    for (double *row = rows; row < rows + ROWS*COLUMNS; row += COLUMNS) {
        const size_t length = 5 + nn_random_below(&random, MOST - 4), first = nn_random_below(&random, 2),
                     second = 2 + nn_random_below(&random, length - 2);
        for (size_t t = 0; t < length; t++) row[1 + 2*t] = nn_random_uniform(&random);
        row[0] = (double)length, row[2 + 2*first] = row[2 + 2*second] = 1;
        row[COLUMNS - 1] = row[1 + 2*first] + row[1 + 2*second];
    }
    nn_data  *data = nn_data_new(ROWS, COLUMNS - 1, 1, rows), *held_out = nn_data_split(data, 0.1, 1);
    ad_tape  *tape = ad_tape_new();
    nn_model *model = nn_model_new(tape, 1);
    network   net = {.gru = nn_gru_add(model, "gru", 2, HIDDEN)};
    net.last = nn_layer_add(model, "linear", &(nn_layer_config){.inputs = HIDDEN, .outputs = 1});
    nn_optimizer *adam = nn_adam(0.01);
    const ad_status status = nn_train(model, loss, &net, data, adam, &(nn_train_config){
        .epochs = 15, .batch = 20, .shape = bucket_of, .held_out = held_out, .clip_norm = 1,
        .progress = true, .stream = stdout});
    if (status != AD_OK) fprintf(stderr, "%s\n", nn_model_message(model));
    nn_optimizer_free(adam), nn_data_free(data), nn_data_free(held_out);
    nn_model_free(model), ad_tape_free(tape);
    return status != AD_OK;
}
