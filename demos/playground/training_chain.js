/* training_chain.js - where the gradient of one weight comes from, in the batch that the next step
   takes; and how the arrow keys go from weight to weight.

   A weight is { l, j, i }: into unit j of layer l from unit i of the layer before. */
import { make, math, shorten } from "../../engine/explain/page.js";
import { num as four } from "../../nn/lesson_data.js";
import { formula, number, partial, sign } from "./rules.js";

/* So many examples of the batch are shown one by one: those that count most among the first LOOKED,
   which is as many as one lesson has. */
const SHOWN = 4;
export const LOOKED = 64;

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

/* What moved the weight since it was looked at; seen is null, or what stood here then. */
function movedSentence(seen, w, look, { optimizer, decay, rate }) {
  const steps = look.step - (seen?.step ?? look.step);
  if (steps <= 0) return "";
  const went = `the weight went from ${four(seen.w)} to ${four(w)}`;
  if (steps > 1) return `In the last ${steps} batches ${went}. `;
  if (optimizer !== "sgd" || decay > 0)
    return `In the last batch ${went}: the mean of its gradients was ${four(seen.mean)}. `;
  return (
    `In the last batch ${went}, because the mean of its gradients was ${four(seen.mean)}: ` +
    `−rate · mean = ${four(-rate * seen.mean)}. `
  );
}

const bracketed = x => (x < 0 ? `(${four(x)})` : four(x));

function stepSentence({ optimizer, decay, rate }, weight, mean) {
  if (optimizer !== "sgd" || decay > 0)
    return `From it${decay > 0 ? " and the decay" : ""} the optimizer ${optimizer} makes its step.`;
  return (
    `The next step moves the weight by −rate · mean = −${rate} · ${bracketed(mean)}, ` +
    `from ${four(weight)} to ${four(weight - rate * mean)}.`
  );
}

/* The places of the examples that count most, in the order of the batch. */
function largest(lesson, { l, j, i }, width) {
  const size = k => Math.abs(lesson.examples[k].layers[l - 1].dweight[j * width + i]);
  return lesson.examples
    .map((_, k) => k)
    .sort((a, b) => size(b) - size(a) || a - b)
    .slice(0, SHOWN)
    .sort((a, b) => a - b);
}

/* What is said of a weight: its elements, and what is to be compared with after the next step.
   batch is the engine's answer of that name, lesson its lesson on the first rows of it, look what
   the trainer said last, all the number of examples, seen what this function gave before. */
export function chainOf(
  weight,
  { sizes, names, batch, lesson, look, settings, classes, all, seen },
) {
  const at = indexOf(sizes, weight),
    width = sizes[weight.l - 1],
    rows = batch.rows.length / 3,
    [to, from] = names,
    w = Number(look.params[at]),
    mean = Number(batch.gradient[at]),
    shown = largest(lesson, weight, width);
  const items = shown.map(k =>
    exampleItem(lesson.examples[k], batch.rows.slice(3 * k, 3 * k + 3), weight, width, classes),
  );
  if (rows > items.length)
    items.push(make("li", {}, `… and ${rows - items.length} that count less`));
  const moved = movedSentence(seen, w, look, settings);
  const elements = [
    ...(moved ? [make("p", { class: "moved" }, moved)] : []),
    make(
      "p",
      {},
      `It is ${four(w)}. The next batch, ${batch.batch} of ${batch.of} in this epoch, has ` +
        `${rows} of the ${all} examples; rings mark them on the plane. For each, the gradient ` +
        `of this weight is that of the sum z of ${to} times the activation a of ${from}` +
        (rows > shown.length ? `; these ${shown.length} count most:` : ":"),
    ),
    make("ul", { class: "chain" }, ...items),
    make(
      "p",
      {},
      `The mean over the batch is ${four(mean)}. ${stepSentence(settings, w, mean)} ` +
        `(Over all ${all} examples it would be ${four(Number(look.gradient[at]))}.)`,
    ),
  ];
  return { elements, seen: { w, mean, step: look.step } };
}
