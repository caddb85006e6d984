/* lesson_data.js - a lesson (tapir-lesson/1) as the drawing, the steps and the formulas read it.

   Layers are numbered from 0, the inputs, to `depth`,
     the outputs; layer l is fed by the weights of json.layers[l - 1].
   A number of the lesson has a key: "z:2:0" is the sum of unit 0 of layer 2,
     "w:2:0:3" its weight from unit 3.
   Invariant: every number shown is one of the engine's, or named as made from them. */

const MOST_UNITS = 12;

export function num(x) {
  const small = x !== 0 && (Math.abs(x) < 1e-3 || Math.abs(x) >= 1e5);
  return (small ? x.toExponential(2) : x.toFixed(4)).replace(/^-(0\.0*)$/, "$1").replace(/-/g, "−");
}

/* Cut between characters. */
export function shortName(s) {
  const c = [...String(s)];
  return c.length > 18 ? c.slice(0, 17).join("") + "…" : String(s);
}

export const largest = list => list.reduce((most, x) => Math.max(most, Math.abs(x)), 0);

const sigmoid = z => 1 / (1 + Math.exp(-z));
/* For the drawn curves alone; every number comes from the engine. */
export const activationCurves = {
  identity: z => z,
  tanh: Math.tanh,
  sigmoid,
  relu: z => Math.max(0, z),
  leaky_relu: z => (z < 0 ? 0.01 * z : z),
  elu: z => (z < 0 ? Math.expm1(z) : z),
  silu: z => z * sigmoid(z),
  softplus: z => Math.log1p(Math.exp(-Math.abs(z))) + Math.max(0, z),
};

export class LessonData {
  /* before: data whose choice of drawn units is kept where the sizes are the same. */
  constructor(json, before) {
    this.json = json;
    this.sizes = json.sizes;
    this.depth = json.layers.length;
    this.batch = json.examples;
    this.squares = json.loss === "squares";
    this.picture = json.image > 0;
    const same =
      before && String(before.sizes) === String(this.sizes) && before.json.image === json.image;
    this.drawn = same
      ? before.drawn
      : this.sizes.map((n, l) => (l === 0 && this.picture ? [] : this.chosen(l)));
  }

  /* All units of a small layer; of a large one those with the largest derivatives over the
     batch. */
  chosen(l) {
    const weight = j =>
      this.batch.reduce((s, e) => s + Math.abs(l === 0 ? e.input[j] : e.layers[l - 1].da[j]), 0);
    return [...Array(this.sizes[l]).keys()]
      .sort((a, b) => weight(b) - weight(a) || a - b)
      .slice(0, MOST_UNITS)
      .sort((a, b) => a - b);
  }

  name(l, j) {
    return l === 0
      ? this.json.inputs[j]
      : l === this.depth
        ? this.json.outputs[j]
        : `h${l}.${j + 1}`;
  }
  weightName(l, j, i) {
    return i < 0 ? `bias of ${this.name(l, j)}` : `${this.name(l, j)} ← ${this.name(l - 1, i)}`;
  }
  activation(l) {
    return this.json.activations[l - 1];
  }
  slot(l, j, i) {
    return j * this.sizes[l - 1] + i;
  }

  /* The number of a key for one example. */
  value(example, key) {
    const [what, l, j, i] = key.split(":").map((part, n) => (n === 0 ? part : Number(part)));
    const e = this.batch[example],
      here = l > 0 ? e.layers[l - 1] : null,
      layer = l > 0 ? this.json.layers[l - 1] : null;
    switch (what) {
      case "x":
        return e.input[j];
      case "w":
        return layer.weight[this.slot(l, j, i)];
      case "b":
        return layer.bias[j];
      case "a":
        return l === 0 ? e.input[j] : here.a[j];
      case "z":
      case "da":
      case "dz":
        return here[what][j];
      case "p":
        return e.guess[j];
      case "y":
        return e.wanted[j];
      case "c":
        return e.loss;
      case "dw":
        return here.dweight[this.slot(l, j, i)];
      case "db":
        return here.dbias[j];
      case "mw":
        return layer.mean_dweight[this.slot(l, j, i)];
      case "mb":
        return layer.mean_dbias[j];
      case "nw":
        return layer.new_weight[this.slot(l, j, i)];
      case "nb":
        return layer.new_bias[j];
      default:
        throw new Error("no number is called " + key);
    }
  }

  /* Every weight and bias, the one with the largest mean derivative first: [layer, unit, from],
     from -1 for a bias. */
  changes() {
    const all = [];
    this.json.layers.forEach((layer, k) => {
      layer.mean_dweight.forEach((d, n) =>
        all.push([k + 1, Math.floor(n / this.sizes[k]), n % this.sizes[k], Math.abs(d)]),
      );
      layer.mean_dbias.forEach((d, j) => all.push([k + 1, j, -1, Math.abs(d)]));
    });
    return all.sort((a, b) => b[3] - a[3]).map(c => c.slice(0, 3));
  }
}

/* The keys of a parameter: its value, derivative, mean derivative, and value after the step. */
export function parameterKeys([l, j, i]) {
  const end = i < 0 ? `:${l}:${j}` : `:${l}:${j}:${i}`,
    letter = i < 0 ? "b" : "w";
  return {
    old: letter + end,
    derivative: "d" + letter + end,
    mean: "m" + letter + end,
    after: "n" + letter + end,
  };
}
