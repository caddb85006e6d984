/* training_program.js - the training of the third room as a C program with nn.h: the same rows, the
   same first weights, the same batches. */

const list = (numbers, most) =>
  numbers.map((x, k) => String(x) + (k % most === most - 1 ? ",\n    " : ", ")).join("");

function optimizerOf({ optimizer, rate, decay }) {
  if (optimizer === "adam")
    return `nn_adam_config how = nn_adam_usual(${rate});
    how.weight_decay = ${decay};
    nn_optimizer *optimizer = nn_adam_new(&how);`;
  const momentum = optimizer === "momentum" ? 0.9 : 0;
  return `nn_sgd_config how = {.rate = ${rate}, .momentum = ${momentum}, .weight_decay = ${decay}};
    nn_optimizer *optimizer = nn_sgd_new(&how);`;
}

/* settings: the state of the room; classes: 0 where a number is predicted; rows: x, y, target. */
export function programOf(settings, sizes, classes, rows) {
  const loss = classes
    ? `nn_cross_entropy(${classes}, out, input[n - 1])`
    : "nn_mse(1, out, &input[n - 1])";
  return `/* Trains a network ${sizes.join("-")} on ${rows.length / 3} examples, from the weights of
 * the same seed, and prints the mean loss of each of 10 epochs and the weights after them.
 *     cc training.c $(pkg-config --cflags --libs tapir-nn) */
#include <stdio.h>
#include <tapir/nn.h>

static const double row[] = {
    ${list(rows, 6)}
};

static ad_var loss(nn_model *model, size_t n, const ad_var input[], void *mlp) {
    ad_var out[${sizes[sizes.length - 1]}];
    (void)model;
    nn_mlp_forward(mlp, input, out);
    return ${loss};
}

int main(void) {
    const size_t  sizes[] = {${sizes.join(", ")}};
    ad_tape      *tape = ad_tape_new();
    nn_model     *model = nn_model_new(tape, ${settings.seed});
    nn_mlp_config shape = {.layers = ${sizes.length - 1},
                           .sizes = sizes,
                           .hidden = nn_activation_named("${settings.activation}")};
    nn_mlp       *mlp = nn_mlp_new(model, &shape);
    nn_data      *data = nn_data_new(${rows.length / 3}, 2, 1, row);
    ${optimizerOf(settings)}
    nn_train_config config = {.epochs = 10,
                              .batch = ${settings.batch},
                              .seed = ${settings.seed},
                              .progress = true,
                              .stream = stdout};
    const ad_status status = nn_train(model, loss, mlp, data, optimizer, &config);
    if (status != AD_OK) fprintf(stderr, "%s\\n", nn_model_message(model));
    for (size_t i = 0; i < nn_model_count(model); i++)
        printf("weight %zu: %.17g\\n", i, ad_value(nn_model_params(model)[i]));
    nn_optimizer_free(optimizer);
    nn_data_free(data);
    nn_mlp_free(mlp);
    nn_model_free(model);
    ad_tape_free(tape);
    return status != AD_OK;
}
`;
}
