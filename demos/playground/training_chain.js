/* training_chain.js - where the gradient of one weight comes from, in the batch that the next step
   takes; and how the arrow keys go from weight to weight.

   A weight is { l, j, i }: into unit j of layer l from unit i of the layer before. */
import { make, math, shorten } from "../../engine/explain/page.js";
import { num as four } from "../../nn/lesson_data.js";
import { formula, number, partial, sign } from "./rules.js";

/* So many examples of the batch are shown one by one. */
export const SHOWN = 4;

export const isThere = (sizes, { l, j, i }) =>
  l >= 1 && l < sizes.length && j < sizes[l] && i < sizes[l - 1];

/* Its index among all parameters: layer by layer, weights and then biases. */
export function indexOf(sizes, { l, j, i }) {
  let at = 0;
  for (let k = 1; k < l; k++) at += sizes[k] * (sizes[k - 1] + 1);
  return at + j * sizes[l - 1] + i;
}

/* Where a key leads: up and down through the weights of a layer, unit by unit; left and right along
   a path through the network. Null for another key; at an end the weight itself. */
export function neighbour(sizes, { l, j, i }, key) {
  const width = sizes[l - 1],
    last = sizes[l] * width - 1,
    inLayer = at => {
      const n = Math.max(0, Math.min(last, at));
      return { l, j: Math.floor(n / width), i: n % width };
    };
  switch (key) {
    case "ArrowUp":
      return inLayer(j * width + i - 1);
    case "ArrowDown":
      return inLayer(j * width + i + 1);
    case "Home":
      return inLayer(0);
    case "End":
      return inLayer(last);
    case "ArrowLeft":
      return l > 1 ? { l: l - 1, j: i, i: 0 } : { l, j, i };
    case "ArrowRight":
      return l + 1 < sizes.length ? { l: l + 1, j: 0, i: j } : { l, j, i };
    default:
      return null;
  }
}

const rounded = x => number(Number(x.toPrecision(4)));

function exampleItem(example, [x, y, target], { l, j, i }, width, classes) {
  const a = l === 1 ? example.input[i] : example.layers[l - 2].a[i],
    layer = example.layers[l - 1];
  return make(
    "li",
    {},
    `(${four(x)}, ${four(y)}), ${classes ? "class" : "target"} ${shorten(target)}`,
    formula(
      partial("C", "z"),
      sign("·"),
      math("mi", "a"),
      sign("="),
      rounded(layer.dz[j]),
      sign("·"),
      rounded(a),
      sign("="),
      math("mn", four(layer.dweight[j * width + i])),
    ),
  );
}

function stepSentence({ optimizer, decay, rate }, weight, mean) {
  if (optimizer !== "sgd" || decay > 0)
    return `From it${decay > 0 ? " and the decay" : ""} the optimizer ${optimizer} makes its step.`;
  return (
    `The next step moves the weight by −rate · mean = −${rate} · ${shorten(mean)}, ` +
    `from ${four(weight)} to ${four(weight - rate * mean)}.`
  );
}

/* What is said of a weight: elements. batch is the engine's answer of that name, lesson its lesson
   on the first rows of it, look what the trainer said last, all the number of examples. */
export function chainOf(weight, { sizes, names, batch, lesson, look, settings, classes, all }) {
  const at = indexOf(sizes, weight),
    width = sizes[weight.l - 1],
    rows = batch.rows.length / 3,
    [to, from] = names,
    w = Number(look.params[at]),
    mean = Number(batch.gradient[at]);
  const items = lesson.examples.map((example, k) =>
    exampleItem(example, batch.rows.slice(3 * k, 3 * k + 3), weight, width, classes),
  );
  if (rows > items.length) items.push(make("li", {}, `… and ${rows - items.length} more`));
  return [
    make(
      "p",
      {},
      `It is ${four(w)}. The next batch, ${batch.batch} of ${batch.of} in this epoch, has ` +
        `${rows} of the ${all} examples; rings mark them on the plane. For each, the derivative ` +
        `by this weight is what is asked of the sum z of ${to} times the activation a of ${from}:`,
    ),
    make("ul", { class: "chain" }, ...items),
    make(
      "p",
      {},
      `The mean over the batch is ${shorten(mean)}. ${stepSentence(settings, w, mean)} ` +
        `(Over all ${all} examples it would be ${shorten(look.gradient[at])}.)`,
    ),
  ];
}
