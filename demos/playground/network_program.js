/* network_program.js - the lesson as a C program with ad.h and nn.h: the same numbers, and the
   same steps to come. */

const exact = x => (Number.isInteger(x) && Math.abs(x) < 1e15 ? x + ".0" : String(x));
function list(numbers, write = exact) {
  const lines = [];
  for (let i = 0; i < numbers.length; i += 4)
    lines.push(
      "    " +
        numbers
          .slice(i, i + 4)
          .map(write)
          .join(", ") +
        ",",
    );
  return lines.join("\n");
}
const quoted = name => JSON.stringify(name).replace(/[^\x20-\x7e]/g, "?");

export function programOf({ source, fields, params }) {
  const examples = fields.inputs.length / source.names.length,
    targets = fields.targets.length / examples,
    width = source.names.length;
  const activation = `nn_activation_named("${fields.activation}")`;
  const rows = [...Array(examples).keys()].flatMap(k => [
    ...fields.inputs.slice(k * width, (k + 1) * width),
    ...fields.targets.slice(k * targets, (k + 1) * targets),
  ]);
  return `/* A network learns: the numbers of both passes, and of the step, as JSON.
 *
 *     cc lesson.c $(pkg-config --cflags --libs tapir-nn) -o lesson && ./lesson */
#include <tapir/ad.h>
#include <tapir/nn.h>

#include <stdio.h>

static const size_t sizes[] = {${fields.sizes.join(", ")}};
static const double params[] = { /* weights, outputs x inputs, then biases, layer by layer */
${list(params)}
};
static const double rows[] = { /* of each example the inputs, then what is wanted */
${list(rows)}
};
static const size_t      examples[] = {${[...Array(examples).keys()].join(", ")}};
static const char *const inputs[] = {${source.names.map(quoted).join(", ")}};
static const char *const outputs[] = {${source.classes.map(quoted).join(", ")}};

int main(void) {
    ad_tape  *tape = ad_tape_new();
    nn_model *model = nn_model_new(tape, ${fields.seed});
    nn_mlp   *mlp = nn_mlp_new(model, &(nn_mlp_config){.layers = ${fields.sizes.length - 1},
                                                       .sizes = sizes,
                                                       .hidden = ${activation}});
    nn_data  *data = nn_data_new(${examples}, ${width}, ${targets}, rows);
    nn_model_set_values(model, params);
    nn_lesson *lesson = nn_lesson_new(model, mlp, data,
                                      &(nn_lesson_config){.rows = ${examples},
                                                          .row = examples,
                                                          .rate = ${exact(fields.rate)},
                                                          .squares = ${fields.squares === 1},
                                                          .image = ${source.image},
                                                          .title = "A network learns",
                                                          .input_names = inputs,
                                                          .output_names = outputs});
    if (lesson == NULL) fprintf(stderr, "%s\\n", nn_model_message(model));
    else nn_lesson_json(lesson, stdout);
    const int status = lesson == NULL;
    nn_lesson_free(lesson);
    nn_data_free(data);
    nn_mlp_free(mlp);
    nn_model_free(model);
    ad_tape_free(tape);
    return status;
}
`;
}
