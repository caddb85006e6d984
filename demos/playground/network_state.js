/* network_state.js - what the room "A network learns" keeps, and the request that it makes of the
   engine.

   The weights are those of the seed, or `params`,
     after `steps` steps; all later ones follow from them, so a state is
   small and a link gives the same numbers. `before` are the losses of steps that came before
   `params`. Invariant: a state that was read has passed `checkedState`. */
import { MOST_EXAMPLES, sourceOf } from "./network_data.js";

export const MOST_STEPS = 300,
  MOST_LAYERS = 4,
  MOST_UNITS = 32;
const MOST_BEFORE = 2000,
  MOST_PARAMS = 20000;

export const activations = [
  "tanh",
  "relu",
  "sigmoid",
  "leaky_relu",
  "elu",
  "gelu",
  "silu",
  "softplus",
  "identity",
];
export const losses = ["cross-entropy", "squares"];
export const sourceNames = {
  iris: "an iris",
  digit: "a handwritten digit",
  xor: "xor",
  own: "your own numbers",
};
export const defaults = {
  data: "iris",
  row: 0,
  batch: 1,
  hidden: [4, 4],
  activation: "tanh",
  loss: "cross-entropy",
  rate: 0.5,
  seed: 1,
  params: null,
  changed: [],
  steps: 0,
  before: [],
  own: "0.5, 1 -> 1\n1, -1 -> 0",
  place: 0,
  example: 0,
};

/* What differs from the beginning. */
export function partOf(state) {
  const same = key => JSON.stringify(state[key]) === JSON.stringify(defaults[key]);
  return Object.fromEntries(Object.entries(state).filter(([key]) => !same(key)));
}

const whole = (x, low, high) => Number.isInteger(x) && x >= low && x <= high;
const numbers = (list, most) =>
  Array.isArray(list) && list.length <= most && list.every(x => Number.isFinite(x));
const checks = {
  data: x => typeof x === "string" && Object.hasOwn(sourceNames, x),
  row: x => whole(x, 0, MOST_EXAMPLES - 1),
  batch: x => whole(x, 1, MOST_EXAMPLES),
  hidden: x => Array.isArray(x) && x.length <= MOST_LAYERS && x.every(n => whole(n, 1, MOST_UNITS)),
  activation: x => activations.includes(x),
  loss: x => losses.includes(x),
  rate: x => Number.isFinite(x) && x > 0 && x <= 1000,
  seed: x => whole(x, 0, 1e9),
  params: x => x === null || numbers(x, MOST_PARAMS),
  steps: x => whole(x, 0, MOST_STEPS),
  before: x => numbers(x, MOST_BEFORE),
  changed: x =>
    Array.isArray(x) &&
    x.length <= 500 &&
    x.every(c => numbers(c, 3) && whole(c[0], 0, 5) && whole(c[1], 0, 63)),
  own: x => typeof x === "string" && x.length <= 5000,
  place: x => whole(x, 0, 1e5),
  example: x => whole(x, 0, MOST_EXAMPLES - 1),
};

/* The state of a part; throws an Error with a sentence for anything that this room would not have
   written. */
export function checkedState(part) {
  for (const [key, value] of Object.entries(part))
    if (!Object.hasOwn(checks, key) || !checks[key](value))
      throw new Error(
        `This state of a network cannot be shown: its ${[...key].slice(0, 20).join("")} is not ` +
          "what it may be.",
      );
  return structuredClone({ ...defaults, ...part });
}

/* The rows of the source that learn together, the chosen one first. */
export function chosenRows(state, source) {
  const n = source.inputs.length;
  return [...Array(Math.min(state.batch, n)).keys()].map(k => (state.row + k) % n);
}

/* Squares compare each output with a number: of a class, 1 at its own output. */
function targetsOf(state, source, row) {
  const wanted = source.targets[row],
    n = source.classes.length;
  return state.loss !== "squares" || wanted.length === n
    ? wanted
    : [...Array(n).keys()].map(k => Number(k === wanted[0]));
}

/* The request, all but the parameters. */
export function requestOf(state) {
  const source = sourceOf(state),
    rows = chosenRows(state, source),
    inputs = source.inputs.map(row => [...row]);
  for (const [row, i, x] of state.changed)
    if (row < inputs.length && i < inputs[row].length) inputs[row][i] = x;
  return {
    source,
    rows,
    fields: {
      sizes: [source.names.length, ...state.hidden, source.classes.length],
      activation: state.activation,
      squares: Number(state.loss === "squares"),
      rate: state.rate,
      seed: state.seed,
      image: source.image || undefined,
      inputs: rows.flatMap(k => inputs[k]),
      targets: rows.flatMap(k => targetsOf(state, source, k)),
    },
  };
}

/* The engine's answer with the names of this source; throws an Error with a sentence. The request
   was good, so what nn refuses is that the numbers left the range of a double. */
export function lessonOf(engine, { source, fields }, params) {
  const answer = engine.ask("lesson", { ...fields, params });
  if (answer.error?.startsWith("nn_lesson_new"))
    throw new Error(
      "With these numbers the loss is no longer finite. A smaller rate, or smaller weights and " +
        "inputs, would keep it so.",
    );
  if (answer.error) throw new Error(answer.error);
  return { ...answer, inputs: source.names, outputs: source.classes };
}

/* All parameters of a lesson as one list, as the engine takes them: before the step, or after it.
 */
export function paramsOf(lesson, after = false) {
  return lesson.layers.flatMap(layer =>
    after ? [...layer.new_weight, ...layer.new_bias] : [...layer.weight, ...layer.bias],
  );
}
/* Where a weight or bias stands in that list. */
export function slotOf(sizes, l, j, i) {
  let first = 0;
  for (let k = 1; k < l; k++) first += sizes[k] * (sizes[k - 1] + 1);
  return first + (i === undefined ? sizes[l] * sizes[l - 1] + j : j * sizes[l - 1] + i);
}
